/*
 * chkimg: !chkimg, an image in memory against its file: what was patched or damaged.
 *
 * The file's bytes are relocated to where the image lies ("PE Format": base relocations), then
 * sections are compared piece by piece. Left out, as documented: the import address table, and,
 * unless asked for, sections that are writable, not executable, discardable, PAGE*, INITKDBG, and a
 * nop where memory has a lock prefix or the reverse. Breakpoints of ours never show in reads.
 */
#include "cmd/cmd.h"

#include "base/bisect.h"
#include "base/reader.h"
#include "fmt/pe.h"

#include <stdlib.h>

enum {
	PIECE = 4096,
	RELOCS_MAX = 1 << 22,
	REL_HIGHLOW = 3, /* IMAGE_REL_BASED_xxx */
	REL_DIR64 = 10,
	SHOWN = 8, /* bytes of a difference that -d shows */
	NOP = 0x90,
	LOCK = 0xf0
};

typedef struct reloc {
	uint32_t rva;
	uint8_t size; /* 4 or 8 */
} reloc;

typedef struct chkimg {
	cmd *c;
	sym_mod *m;
	pe_view file;
	arena a;
	sys_map map;
	str bytes;
	int64_t delta;
	reloc *relocs;
	size_t n_relocs;
	/* options */
	bool fix, all, locks, show, as_db, verbose, no_reloc, has_range;
	str section, folder;
	uint64_t from, to; /* -r, inclusive */
	uint64_t lines;
	/* findings */
	uint64_t compared, unread, different, fixed;
	uint64_t run_at; /* a run of different bytes that may go on */
	size_t run_n;
	uint8_t run_want[SHOWN], run_have[SHOWN];
} chkimg;

/* ---- the file ---- */

static int by_rva(const void *a, const void *b)
{
	uint32_t x = ((const reloc *)a)->rva, y = ((const reloc *)b)->rva;
	return x < y ? -1 : x > y;
}

static err read_relocs(chkimg *x)
{
	uint32_t at = x->file.dir[PE_DIR_BASERELOC].rva, left = x->file.dir[PE_DIR_BASERELOC].size;
	VEC(reloc) v = {0};
	err e = ERR_OK;
	while (x->delta && e == ERR_OK && left >= 8) {
		uint8_t head[8], entry[2];
		e = pe_read(&x->file, at, head, sizeof head);
		if (e != ERR_OK)
			break;
		uint32_t page = le32(head), size = le32(head + 4);
		if (size < 8 || size > left) {
			e = ERR_CORRUPT;
			break;
		}
		for (uint32_t i = 8; i + 2 <= size && e == ERR_OK; i += 2) {
			e = pe_read(&x->file, at + i, entry, sizeof entry);
			uint16_t w = le16(entry), type = w >> 12;
			reloc r = {page + (w & 0xfff), type == REL_DIR64 ? 8 : 4};
			if (v.n == RELOCS_MAX)
				e = ERR_CORRUPT;
			if (e == ERR_OK && (type == REL_DIR64 || type == REL_HIGHLOW))
				vec_push(&v, r);
		}
		at += size;
		left -= size;
	}
	x->n_relocs = v.n;
	x->relocs = arena_array(&x->a, v.n ? v.n : 1, sizeof *x->relocs);
	if (v.n)
		memcpy(x->relocs, v.p, v.n * sizeof *x->relocs);
	vec_deinit(&v);
	qsort(x->relocs, x->n_relocs, sizeof *x->relocs, by_rva);
	return e == ERR_OK ? ERR_OK : cmd_fail(x->c, e, "the file's relocations cannot be read");
}

/* n bytes of the file at rva, as they must look in memory. */
static err expected(chkimg *x, uint32_t rva, uint8_t *b, size_t n)
{
	TRY(pe_read(&x->file, rva, b, n));
	/* the first that may reach into the piece */
	size_t lo = BISECT(i, x->n_relocs, x->relocs[i].rva + 8 <= rva);
	for (; lo < x->n_relocs && x->relocs[lo].rva < rva + n; lo++) {
		const reloc *r = &x->relocs[lo];
		uint8_t word[8];
		if (pe_read(&x->file, r->rva, word, r->size) != ERR_OK)
			continue;
		uint64_t v = le_get(word, r->size) + (uint64_t)x->delta;
		for (uint32_t i = 0; i < r->size; i++)
			if (r->rva + i >= rva && r->rva + i < rva + n)
				b[r->rva + i - rva] = (uint8_t)(v >> 8 * i);
	}
	return ERR_OK;
}

/* Headers may have come from memory before .exepath was set: its folders are looked through. */
static str in_exepath(chkimg *x)
{
	str rest = sym_exepath(x->c->e->syms);
	while (rest.n) {
		size_t end = str_chr(rest, ';');
		str folder = str_trim(end == SIZE_MAX ? rest : str_take(rest, end));
		char *path =
			arena_printf(&x->a, "%.*s/%.*s", STR_ARG(folder), STR_ARG(x->m->image));
		if (folder.n && sys_is_file(path))
			return str_of(path);
		rest = end == SIZE_MAX ? (str){0} : str_skip(rest, end + 1);
	}
	return (str){0};
}

static err open_file(chkimg *x)
{
	cmd *c = x->c;
	struct pe_view *loaded;
	str path;
	if (x->folder.n) {
		path = str_printf(&x->a, "%.*s/%.*s", STR_ARG(x->folder), STR_ARG(x->m->image));
	} else {
		TRY(sym_mod_pe(x->m, &loaded, &c->d));
		path = sym_mod_image_path(x->m);
		if (!path.n)
			path = in_exepath(x);
		if (!path.n)
			return cmd_fail(c, ERR_NOTFOUND,
				"the file of %.*s was not found: -p Folder or .exepath says where "
				"image files are",
				STR_ARG(x->m->image));
	}
	TRY(sys_map_open(str_z(&x->a, path), &x->map, &c->d));
	x->bytes = (str){(const char *)x->map.p, x->map.n};
	mem_reader r = pe_bytes(&x->bytes);
	TRY(pe_open(&x->file, &x->a, &r, 0, PE_FILE, &c->d));
	if (x->file.timestamp != x->m->timestamp || x->file.image_size != x->m->size)
		return cmd_fail(c, ERR_NOTFOUND,
			"%.*s is another build: timestamp %08x, size %x; the image has %08x, %llx",
			STR_ARG(path), x->file.timestamp, x->file.image_size, x->m->timestamp,
			(unsigned long long)x->m->size);
	if (x->verbose)
		out(c->e, "Comparison image path: %.*s\n", STR_ARG(path));
	x->delta = x->no_reloc ? 0 : (int64_t)(x->m->base - x->file.preferred_base);
	return read_relocs(x);
}

/* ---- comparing ---- */

static void run_end(chkimg *x)
{
	buf b;
	if (!x->run_n)
		return;
	if (x->show && x->lines) {
		size_t n = x->run_n < SHOWN ? x->run_n : SHOWN;
		x->lines--;
		buf_init(&b, 0);
		buf_addf(&b, "    %s-%s  %zu byte%s - ", out_addr(x->c->e, x->run_at),
			out_addr(x->c->e, x->run_at + x->run_n - 1), x->run_n,
			x->run_n == 1 ? "" : "s");
		out_symbol(x->c->e, x->run_at, &b);
		buf_addz(&b, "\n\t[ ");
		for (size_t i = 0; i < n; i++)
			buf_addf(&b, "%02x%s", x->run_want[i], i + 1 < n ? " " : ":");
		for (size_t i = 0; i < n; i++)
			buf_addf(&b, "%02x ", x->run_have[i]);
		buf_addz(&b, x->run_n > n ? "... ]\n" : "]\n");
		out_str(x->c->e, OUT_NORMAL, buf_str(&b));
		buf_deinit(&b);
	}
	x->run_n = 0;
}

static void differs(chkimg *x, uint64_t addr, uint8_t want, uint8_t have)
{
	if (x->run_n && addr != x->run_at + x->run_n)
		run_end(x);
	if (!x->run_n)
		x->run_at = addr;
	if (x->run_n < SHOWN) {
		x->run_want[x->run_n] = want;
		x->run_have[x->run_n] = have;
	}
	x->run_n++;
	x->different++;
}

static bool counts(const chkimg *x, uint32_t rva, uint8_t want, uint8_t have)
{
	uint32_t iat = x->file.dir[PE_DIR_IAT].rva, n = x->file.dir[PE_DIR_IAT].size;
	uint64_t addr = x->m->base + rva;
	if (want == have || (rva >= iat && rva - iat < n))
		return false;
	if (x->has_range && (addr < x->from || addr > x->to))
		return false;
	return x->locks || !((want == NOP && have == LOCK) || (want == LOCK && have == NOP));
}

/* A line of -db: what memory has. */
static void db_line(chkimg *x, uint64_t addr, const uint8_t *have, const bool *bad, size_t n)
{
	buf b;
	if (!x->lines)
		return;
	x->lines--;
	buf_init(&b, 0);
	buf_addf(&b, "%s ", out_addr(x->c->e, addr));
	for (size_t i = 0; i < n; i++)
		buf_addf(&b, "%s%02x", bad[i] ? "*" : " ", have[i]);
	buf_addc(&b, ' ');
	for (size_t i = 0; i < n; i++)
		buf_addc(&b, have[i] >= ' ' && have[i] < 0x7f ? (char)have[i] : '.');
	buf_addc(&b, '\n');
	out_str(x->c->e, OUT_NORMAL, buf_str(&b));
	buf_deinit(&b);
}

static err piece(chkimg *x, uint32_t rva, size_t n)
{
	uint8_t want[PIECE], have[PIECE];
	bool bad[PIECE];
	engine *e = x->c->e;
	uint64_t addr = x->m->base + rva;
	size_t got = 0;
	TRY(expected(x, rva, want, n));
	err r = eng_read(e, addr, have, n, &got, NULL);
	if (r != ERR_OK && r != ERR_FAULT)
		return cmd_fail(x->c, r, "reading %s", out_addr(e, addr));
	if (r == ERR_FAULT)
		got = 0;
	x->unread += n - got;
	x->compared += got;
	for (size_t i = 0; i < got; i++) {
		bad[i] = counts(x, rva + (uint32_t)i, want[i], have[i]);
		if (!bad[i])
			continue;
		differs(x, addr + i, want[i], have[i]);
		if (x->fix && eng_write(e, addr + i, &want[i], 1, &x->c->d) == ERR_OK)
			x->fixed++;
	}
	for (size_t i = 0; x->as_db && i < got; i += 16) {
		size_t row = got - i < 16 ? got - i : 16;
		if (memchr(bad + i, 1, row))
			db_line(x, addr + i, have + i, bad + i, row);
	}
	return ERR_OK;
}

static bool wanted(const chkimg *x, const pe_section *s)
{
	str name = str_of(s->name);
	if (s->flags & PE_SCN_DISCARDABLE)
		return false;
	if (x->section.n)
		return str_find(name, x->section) != SIZE_MAX;
	if (x->all)
		return true;
	return !(s->flags & (uint32_t)PE_SCN_WRITE) && s->flags & PE_SCN_EXECUTE &&
	       str_find(name, STR("PAGE")) == SIZE_MAX && !str_eq(name, STR("INITKDBG"));
}

static err compare(chkimg *x)
{
	for (size_t i = 0; i < x->file.nsec; i++) {
		const pe_section *s = &x->file.sec[i];
		uint32_t n = s->vsize ? s->vsize : s->raw_size;
		if (!wanted(x, s) || s->rva >= x->file.image_size)
			continue;
		if (n > x->file.image_size - s->rva)
			n = x->file.image_size - s->rva;
		if (x->verbose)
			out(x->c->e, "Scanning section:    %s\nSize: %u\nRange to scan: %s-%s\n",
				s->name, n, out_addr(x->c->e, x->m->base + s->rva),
				out_addr(x->c->e, x->m->base + s->rva + n));
		for (uint32_t at = 0; at < n;) {
			uint32_t step = PIECE - (s->rva + at) % PIECE;
			if (step > n - at)
				step = n - at;
			if (cancelled(&x->c->e->cancel))
				return ERR_CANCELLED;
			TRY(piece(x, s->rva + at, step));
			at += step;
		}
		run_end(x);
	}
	return ERR_OK;
}

/* ---- the command ---- */

static err take_word(cmd *c, str *rest, const char *option, str *ret)
{
	*ret = str_word(rest);
	return ret->n ? ERR_OK : cmd_fail(c, ERR_SYNTAX, "!chkimg %s needs a value", option);
}

static err options(chkimg *x, str *rest, str *module)
{
	cmd *c = x->c;
	while (str_trim(*rest).n) {
		str w = str_word(rest), v;
		if (!w.n || w.p[0] != '-') {
			if (module->n)
				return cmd_syntax(c, w);
			*module = w;
		} else if (str_eq(w, STR("-f"))) {
			x->fix = true;
		} else if (str_eq(w, STR("-as"))) {
			x->all = true;
		} else if (str_eq(w, STR("-d"))) {
			x->show = true;
		} else if (str_eq(w, STR("-db"))) {
			x->as_db = true;
		} else if (str_eq(w, STR("-v"))) {
			x->verbose = true;
		} else if (str_eq(w, STR("-nar"))) {
			x->no_reloc = true;
		} else if (str_eq(w, STR("-noplock"))) {
			x->locks = true;
		} else if (str_eq(w, STR("-nospec")) || str_eq(w, STR("-np"))) {
			/* nothing is left out for these */
		} else if (str_eq(w, STR("-ss"))) {
			TRY(take_word(c, rest, "-ss", &x->section));
		} else if (str_eq(w, STR("-p"))) {
			TRY(take_word(c, rest, "-p", &x->folder));
		} else if (str_eq(w, STR("-lo"))) {
			TRY(take_word(c, rest, "-lo", &v));
			TRY(eng_eval(c->e, v, &x->lines, &c->d));
		} else if (str_eq(w, STR("-r"))) {
			TRY(take_word(c, rest, "-r", &v));
			TRY(eng_eval(c->e, v, &x->from, &c->d));
			TRY(take_word(c, rest, "-r", &v));
			TRY(eng_eval(c->e, v, &x->to, &c->d));
			x->has_range = true;
		} else {
			return cmd_fail(c, ERR_SYNTAX, "!chkimg has no option %.*s", STR_ARG(w));
		}
	}
	return ERR_OK;
}

static err check(chkimg *x)
{
	engine *e = x->c->e;
	TRY(open_file(x));
	if (x->fix)
		out(e, "Warning: Any detected errors will be fixed to what we expect!\n");
	TRY(compare(x));
	if (x->verbose)
		out(e, "Total bytes compared: %llu\n", (unsigned long long)x->compared);
	if (x->unread)
		out(e, "%llu bytes could not be read\n", (unsigned long long)x->unread);
	out(e, "Number of different bytes for %.*s: %llu", STR_ARG(x->m->name),
		(unsigned long long)x->different);
	if (x->fix && x->different)
		out(e, x->fixed == x->different ? " (fixed)" : " (%llu fixed)",
			(unsigned long long)x->fixed);
	out(e, "\n");
	return ERR_OK;
}

static err cmd_chkimg(cmd *c, cmd_call *call)
{
	chkimg x = {.c = c, .lines = UINT64_MAX};
	str rest = call->args, module = {0};
	uint64_t addr;
	TRY(options(&x, &rest, &module));
	if (module.n)
		TRY(eng_eval(c->e, module, &addr, &c->d));
	else
		TRY(eng_ip(c->e, &addr, &c->d));
	x.m = c->e->syms ? sym_mod_at(c->e->syms, addr) : NULL;
	if (!x.m)
		return cmd_fail(c, ERR_NOTFOUND, "no module at %s", out_addr(c->e, addr));
	arena_init(&x.a);
	err r = check(&x);
	if (x.map.p)
		sys_map_close(&x.map);
	arena_deinit(&x.a);
	return r;
}

static const cmd_row rows[] = {
	{"!chkimg", "!chkimg [Options] [Module]", "Compare an image in memory with its file",
		"The file is looked for as symbols are (.exepath), or in -p Folder; it must be the "
		"same "
		"build. Compared are the executable sections that are not writable, discardable or "
		"PAGE*; the import address table is left out.\n"
		"  -d, -db    show each difference, or the lines that hold one\n"
		"  -lo N      at most N of them\n"
		"  -f         write the file's bytes over the differences\n"
		"  -ss Text   only sections whose name holds Text;  -as: all but discardable ones\n"
		"  -r A B     only addresses from A to B\n"
		"  -noplock   a nop against a lock prefix is a difference, too\n"
		"  -nar       the file's bytes are not relocated;  -v says more\n"
		"Without Module: the one that the processor is in.\n\n"
		"  !for_each_module !chkimg @#ModuleName\n",
		CMD_ANY | CMD_TARGET, cmd_chkimg},
};

const cmd_family cmd_family_chkimg = {"Images against their files", rows, ARRAY_LEN(rows)};
