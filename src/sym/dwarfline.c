/*
 * dwarfline: addresses to lines and back. The rows of a unit come from libdw when one of its
 * addresses or files is asked for; which units have a file is known from the headers of the line
 * programs, which are read once, without the programs.
 *
 * Source: DWARF 5, section 6.2.
 */
#include "sym/dwarf.h"

#include "base/bisect.h"

#include <stdlib.h>

enum {
	ROWS_MAX = 1 << 24, /* of one unit */
	FILES_MAX = 1 << 20,
	FORMATS_MAX = 16,
	PROLOG_LOOK = 64
};

/* ---- rows ---- */

static int by_addr(const void *a, const void *b)
{
	const dwrow *p = a, *q = b;
	return p->addr < q->addr ? -1 : p->addr > q->addr;
}

static void dwf_rows(dwf *x, dwunit *u)
{
	Dwarf_Lines *lines;
	size_t n;
	if (u->lines_read)
		return;
	u->lines_read = true;
	if (dwarf_getsrclines(&u->skel, &lines, &n) || n > ROWS_MAX)
		return;
	bool sorted = true;
	for (size_t i = 0; i < n; i++) {
		Dwarf_Line *l = dwarf_onesrcline(lines, i);
		Dwarf_Addr addr;
		int line = 0;
		dwrow r = {0};
		if (!l || dwarf_lineaddr(l, &addr) || addr < x->lowest)
			continue; /* code that the linker threw away */
		if (dwarf_lineno(l, &line) || line < 0)
			line = 0;
		r.addr = addr;
		r.line = (uint32_t)line;
		r.file = dwarf_linesrc(l, NULL, NULL);
		dwarf_linebeginstatement(l, &r.stmt);
		dwarf_lineendsequence(l, &r.end);
		dwarf_lineprologueend(l, &r.prolog_end);
		sorted = sorted && (!u->rows.n || u->rows.p[u->rows.n - 1].addr <= addr);
		vec_push(&u->rows, r);
	}
	if (!sorted && u->rows.n)
		qsort(u->rows.p, u->rows.n, sizeof *u->rows.p, by_addr);
	/* an end where the next sequence begins says nothing */
	size_t k = 0;
	for (size_t i = 0; i < u->rows.n; i++) {
		if (u->rows.p[i].end && i + 1 < u->rows.n &&
			u->rows.p[i + 1].addr == u->rows.p[i].addr)
			continue;
		u->rows.p[k++] = u->rows.p[i];
	}
	u->rows.n = k;
}

/* Index of the last row at or below addr; SIZE_MAX: none. */
static size_t row_at(const dwunit *u, uint64_t addr)
{
	size_t lo = BISECT(i, u->rows.n, u->rows.p[i].addr <= addr);
	return lo ? lo - 1 : SIZE_MAX;
}

/* Full path, kept. libdw joins directories but not always the unit's. */
str dwf_path(dwf *x, dwunit *u, const char *file)
{
	if (!file)
		return (str){"", 0};
	if (file[0] == '/' || !u->comp_dir[0])
		return str_of(file);
	uint64_t key = (uint64_t)(uintptr_t)file;
	str *known = map_get(&x->f->tnames, key);
	if (!known) {
		known = arena_new(&x->a, str);
		*known = str_of(arena_printf(&x->a, "%s/%s", u->comp_dir, file));
		map_set(&x->f->tnames, key, known);
	}
	return *known;
}

static bool same_line(const dwrow *a, const dwrow *b)
{
	return !a->end && !b->end && a->line == b->line && a->file == b->file;
}

err dwf_line_at(dwf *x, uint32_t rva, sym_line *ret)
{
	dwunit *u;
	uint64_t addr = x->base + rva;
	TRY(dwf_unit_at(x, addr, &u));
	dwf_rows(x, u);
	size_t i = row_at(u, addr);
	if (i == SIZE_MAX || u->rows.p[i].end || !u->rows.p[i].line || i + 1 >= u->rows.n)
		return ERR_NOTFOUND;
	size_t b = i, e = i + 1;
	while (b > 0 && same_line(&u->rows.p[b - 1], &u->rows.p[i]))
		b--;
	/* several rows at one address: the last one counts, the others are no part of its block */
	while (b < i && b > 0 && u->rows.p[b - 1].addr == u->rows.p[b].addr)
		b++;
	while (e < u->rows.n - 1 && (same_line(&u->rows.p[e], &u->rows.p[i]) ||
					    u->rows.p[e].addr == u->rows.p[e + 1].addr)) {
		if (!same_line(&u->rows.p[e], &u->rows.p[i])) {
			/* the last of those at this address decides */
			size_t last = e;
			while (last + 1 < u->rows.n &&
				u->rows.p[last + 1].addr == u->rows.p[e].addr)
				last++;
			if (!same_line(&u->rows.p[last], &u->rows.p[i]))
				break;
			e = last;
			continue;
		}
		e++;
	}
	if (u->rows.p[b].addr < x->base)
		return ERR_NOTFOUND;
	*ret = (sym_line){.file = dwf_path(x, u, u->rows.p[i].file),
		.line = u->rows.p[i].line,
		.addr = u->rows.p[b].addr - x->base,
		.size = u->rows.p[e].addr - u->rows.p[b].addr};
	return ERR_OK;
}

/*
 * Where the function's body begins: the row that says so (clang), else the second row at another
 * address: compilers begin a new row behind the prolog, with the same line if need be.
 */
uint64_t dwf_prolog_end(dwf *x, dwunit *u, const dwfunc *f)
{
	dwf_rows(x, u);
	size_t i = row_at(u, f->lo), second = SIZE_MAX;
	if (i == SIZE_MAX)
		return 0;
	while (i > 0 && u->rows.p[i - 1].addr == f->lo)
		i--;
	for (size_t k = i, n = 0; k < u->rows.n && u->rows.p[k].addr < f->hi && n < PROLOG_LOOK;
		k++, n++) {
		if (u->rows.p[k].prolog_end)
			return u->rows.p[k].addr;
		if (second == SIZE_MAX && u->rows.p[k].addr > f->lo && !u->rows.p[k].end &&
			u->rows.p[k].line && u->rows.p[k].stmt)
			second = k;
	}
	return second == SIZE_MAX ? 0 : u->rows.p[second].addr;
}

void dwf_lines_free(dwf *x)
{
	vec_deinit(&x->sources);
	map_deinit(&x->by_source);
}

/* ---- headers of line programs ---- */

static uint64_t uleb(reader *r)
{
	uint64_t v = 0;
	for (unsigned shift = 0; shift < 70; shift += 7) {
		uint8_t b = rd_u8(r);
		if (shift < 64)
			v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			break;
	}
	return v;
}

static str str_in(dwx_bytes sec, uint64_t off)
{
	if (off >= sec.n)
		return (str){0};
	reader r = rd_of(sec.p + off, sec.n - (size_t)off);
	return rd_cstr(&r);
}

typedef struct header {
	dwf *x;
	uint64_t at;
	bool wide; /* 64-bit DWARF */
} header;

static void add_source(header *h, str dir, str name)
{
	dwf *x = h->x;
	if (!name.n || x->sources.n >= FILES_MAX)
		return;
	dwsource s = {.prog = h->at, .name = name, .dir = dir, .hash = hash_fold(str_base(name))};
	s.next = (uint32_t)(uintptr_t)map_get(&x->by_source, s.hash);
	vec_push(&x->sources, s);
	map_set(&x->by_source, s.hash, (void *)(uintptr_t)x->sources.n);
}

static void files_v4(header *h, reader *r, arena *a)
{
	VEC(str) dirs = {0};
	str s;
	vec_push(&dirs, (str){0});
	while ((s = rd_cstr(r)).n && !r->bad && dirs.n < FILES_MAX)
		vec_push(&dirs, s);
	while ((s = rd_cstr(r)).n && !r->bad) {
		uint64_t dir = uleb(r);
		uleb(r);
		uleb(r);
		add_source(h, dir < dirs.n ? dirs.p[dir] : (str){0}, s);
	}
	vec_deinit(&dirs);
}

typedef struct format {
	uint64_t content, form;
} format;

static size_t formats(reader *r, format f[FORMATS_MAX])
{
	size_t n = rd_u8(r);
	if (n > FORMATS_MAX) {
		r->bad = true;
		return 0;
	}
	for (size_t i = 0; i < n; i++) {
		f[i].content = uleb(r);
		f[i].form = uleb(r);
	}
	return n;
}

/* One entry of a table of version 5: its path and directory. False: a form not known here. */
static bool entry_v5(header *h, reader *r, const format *f, size_t n, str *path, uint64_t *dir)
{
	const dwx_sections *s = &h->x->main.secs;
	*path = (str){0};
	*dir = 0;
	for (size_t i = 0; i < n; i++) {
		uint64_t v = 0;
		str t = {0};
		switch (f[i].form) {
		case DW_FORM_string:
			t = rd_cstr(r);
			break;
		case DW_FORM_line_strp:
			v = h->wide ? rd_u64(r) : rd_u32(r);
			t = str_in(s->line_str, v);
			break;
		case DW_FORM_strp:
			v = h->wide ? rd_u64(r) : rd_u32(r);
			t = str_in(s->str, v);
			break;
		case DW_FORM_udata:
			v = uleb(r);
			break;
		case DW_FORM_data1:
			v = rd_u8(r);
			break;
		case DW_FORM_data2:
			v = rd_u16(r);
			break;
		case DW_FORM_data4:
			v = rd_u32(r);
			break;
		case DW_FORM_data8:
			v = rd_u64(r);
			break;
		case DW_FORM_data16:
			rd_skip(r, 16);
			break;
		case DW_FORM_block:
			v = uleb(r);
			rd_skip(r, v);
			break;
		default:
			return false;
		}
		if (f[i].content == DW_LNCT_path)
			*path = t;
		else if (f[i].content == DW_LNCT_directory_index)
			*dir = v;
	}
	return !r->bad;
}

static void files_v5(header *h, reader *r)
{
	format f[FORMATS_MAX];
	VEC(str) dirs = {0};
	str path;
	uint64_t dir;
	size_t n = formats(r, f);
	uint64_t count = uleb(r);
	bool ok = !r->bad && n;
	for (uint64_t i = 0; ok && i < count && i < FILES_MAX; i++) {
		ok = entry_v5(h, r, f, n, &path, &dir);
		vec_push(&dirs, path);
	}
	n = formats(r, f);
	count = uleb(r);
	ok = ok && !r->bad && n;
	for (uint64_t i = 0; ok && i < count && i < FILES_MAX; i++) {
		ok = entry_v5(h, r, f, n, &path, &dir);
		if (ok)
			add_source(h, dir < dirs.n ? dirs.p[dir] : (str){0}, path);
	}
	vec_deinit(&dirs);
}

static void one_header(header *h, reader r, arena *a)
{
	unsigned version = rd_u16(&r);
	if (version < 2 || version > 5)
		return;
	if (version == 5)
		rd_skip(&r, 2);
	uint64_t len = h->wide ? rd_u64(&r) : rd_u32(&r);
	if (len > rd_left(&r))
		return;
	r = rd_sub(&r, r.pos, (size_t)len);
	rd_skip(&r, version >= 4 ? 5 : 4);
	unsigned opcodes = rd_u8(&r);
	rd_skip(&r, opcodes ? opcodes - 1 : 0);
	if (r.bad)
		return;
	if (version == 5)
		files_v5(h, &r);
	else
		files_v4(h, &r, a);
}

static void read_sources(dwf *x)
{
	if (x->sources_read)
		return;
	x->sources_read = true;
	reader r = rd_of(x->main.line.p, x->main.line.n);
	while (rd_left(&r) > 8) {
		header h = {.x = x, .at = r.pos};
		uint64_t n = rd_u32(&r);
		if (n == 0xffffffff) {
			h.wide = true;
			n = rd_u64(&r);
		}
		if (n > rd_left(&r))
			break;
		one_header(&h, rd_sub(&r, r.pos, (size_t)n), &x->a);
		rd_skip(&r, (size_t)n);
	}
	/* which unit a program belongs to */
	Dwarf_Off off = 0, next;
	size_t size;
	Dwarf_Half version;
	while (!dwarf_next_unit(
		x->main.dbg, off, &next, &size, &version, NULL, NULL, NULL, NULL, NULL)) {
		Dwarf_Die die;
		Dwarf_Attribute a;
		Dwarf_Word prog;
		if (dwarf_offdie(x->main.dbg, off + size, &die) &&
			dwarf_attr(&die, DW_AT_stmt_list, &a) && !dwarf_formudata(&a, &prog) &&
			(dwarf_tag(&die) == DW_TAG_compile_unit ||
				dwarf_tag(&die) == DW_TAG_skeleton_unit))
			map_set(&x->units_by_prog, prog + 1, (void *)(uintptr_t)(off + size + 1));
		off = next;
	}
}

static dwunit *unit_of_prog(dwf *x, uint64_t prog)
{
	uintptr_t off = (uintptr_t)map_get(&x->units_by_prog, prog + 1);
	Dwarf_Die die;
	if (!off || !dwarf_offdie(x->main.dbg, off - 1, &die))
		return NULL;
	return dwf_unit_of(x, &die);
}

/* ---- from a file and line ---- */

static bool is_sep(char c)
{
	return c == '/' || c == '\\';
}

/* path ends in `want` behind a separator. */
static bool path_ends(str path, str want)
{
	if (want.n > path.n)
		return false;
	for (size_t i = 0; i < want.n; i++) {
		char a = path.p[path.n - want.n + i], b = want.p[i];
		if (is_sep(a) && is_sep(b))
			continue;
		if ((a | (a >= 'A' && a <= 'Z' ? 32 : 0)) != (b | (b >= 'A' && b <= 'Z' ? 32 : 0)))
			return false;
	}
	return want.n == path.n || is_sep(want.p[0]) || is_sep(path.p[path.n - want.n - 1]);
}

typedef struct hit {
	uint64_t addr;
	uint64_t owner; /* function or inlined call that it lies in */
	uint32_t line;
} hit;

typedef struct hits {
	VEC(hit) v;
	uint32_t best;
} hits;

/* void_too: also rows that the next one takes the place of at once. Optimising compilers write them
 * for statements of which nothing is left. */
static void rows_of_line(dwf *x, dwunit *u, str file, uint32_t line, bool void_too, hits *h)
{
	const char *last = NULL;
	bool last_ok = false;
	dwf_rows(x, u);
	for (size_t i = 0; i < u->rows.n; i++) {
		const dwrow *r = &u->rows.p[i];
		if (r->end || !r->stmt || r->line < line || r->line > h->best || !r->file)
			continue;
		if (r->file != last) {
			last = r->file;
			last_ok = path_ends(dwf_path(x, u, r->file), file);
		}
		if (!last_ok || r->addr < x->base)
			continue;
		if (i && same_line(&u->rows.p[i - 1], r) &&
			(void_too || u->rows.p[i - 1].addr != r->addr))
			continue;
		if (!void_too && i + 1 < u->rows.n && u->rows.p[i + 1].addr == r->addr)
			continue;
		if (r->line < h->best) {
			h->best = r->line;
			h->v.n = 0;
		}
		hit one = {.addr = r->addr, .line = r->line};
		vec_push(&h->v, one);
	}
}

/* The innermost function or inlined call around addr. */
static uint64_t owner_of(dwf *x, uint64_t addr)
{
	dwunit *u;
	dwfunc f;
	if (dwf_func_die(x, addr, &u, &f) != ERR_OK)
		return 0;
	Dwarf_Die at = f.die, die;
	uint64_t owner = (uint64_t)(uintptr_t)f.die.addr;
	for (int depth = 0; depth < DWF_SCOPE_DEPTH && !dwarf_child(&at, &die); depth++) {
		bool in = false;
		do {
			int tag = dwarf_tag(&die);
			in = (tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block) &&
			     dwf_haspc(&die, addr, u->fix);
		} while (!in && !dwarf_siblingof(&die, &die));
		if (!in)
			break;
		if (dwarf_tag(&die) == DW_TAG_inlined_subroutine)
			owner = (uint64_t)(uintptr_t)die.addr;
		at = die;
	}
	return owner;
}

static int by_owner(const void *a, const void *b)
{
	const hit *p = a, *q = b;
	if (p->owner != q->owner)
		return p->owner < q->owner ? -1 : 1;
	return p->addr < q->addr ? -1 : p->addr > q->addr;
}

static int by_hit_addr(const void *a, const void *b)
{
	const hit *p = a, *q = b;
	return p->addr < q->addr ? -1 : p->addr > q->addr;
}

/* A line may have several blocks in one function: its first counts. */
static void first_of_each(dwf *x, hits *h)
{
	for (size_t i = 0; i < h->v.n; i++)
		h->v.p[i].owner = owner_of(x, h->v.p[i].addr);
	qsort(h->v.p, h->v.n, sizeof *h->v.p, by_owner);
	size_t k = 0;
	for (size_t i = 0; i < h->v.n; i++)
		if (!i || !h->v.p[i].owner || h->v.p[i].owner != h->v.p[i - 1].owner)
			h->v.p[k++] = h->v.p[i];
	h->v.n = k;
	qsort(h->v.p, h->v.n, sizeof *h->v.p, by_hit_addr);
}

static void look(dwf *x, str file, uint32_t line, bool void_too, hits *h)
{
	map seen;
	map_init(&seen);
	uint32_t i = (uint32_t)(uintptr_t)map_get(&x->by_source, hash_fold(str_base(file)));
	for (; i; i = x->sources.p[i - 1].next) {
		uint64_t prog = x->sources.p[i - 1].prog;
		if (map_has(&seen, prog + 1))
			continue;
		map_set(&seen, prog + 1, x);
		dwunit *u = unit_of_prog(x, prog);
		if (u)
			rows_of_line(x, u, file, line, void_too, h);
	}
	map_deinit(&seen);
}

err dwf_line_find(
	dwf *x, arena *a, str file, uint32_t line, uint64_t **ret, size_t *n_ret, bool *exact)
{
	hits h = {.best = UINT32_MAX};
	if (!file.n || !line)
		return ERR_NOTFOUND;
	read_sources(x);
	look(x, file, line, false, &h);
	if (h.best != line) {
		hits all = {.best = UINT32_MAX};
		look(x, file, line, true, &all);
		if (all.best < h.best) {
			hits t = h;
			h = all;
			all = t;
		}
		vec_deinit(&all.v);
	}
	if (h.v.n) {
		first_of_each(x, &h);
		*ret = arena_array(a, h.v.n, sizeof **ret);
		size_t k = 0;
		for (size_t j = 0; j < h.v.n; j++)
			if (!k || (*ret)[k - 1] != h.v.p[j].addr - x->base)
				(*ret)[k++] = h.v.p[j].addr - x->base;
		*n_ret = k;
		*exact = h.best == line;
	}
	size_t n = h.v.n;
	vec_deinit(&h.v);
	return n ? ERR_OK : ERR_NOTFOUND;
}

err dwf_source_each(dwf *x, bool (*fn)(void *u, str path), void *u)
{
	map seen;
	buf b;
	read_sources(x);
	map_init(&seen);
	buf_init(&b, 65536);
	for (size_t i = 0; i < x->sources.n && !cancelled(x->s->host.cancel); i++) {
		const dwsource *s = &x->sources.p[i];
		buf_clear(&b);
		if (s->name.p[0] != '/') {
			if (!s->dir.n || s->dir.p[0] != '/') {
				dwunit *un = unit_of_prog(x, s->prog);
				if (un)
					buf_addf(&b, "%s/", un->comp_dir);
			}
			if (s->dir.n)
				buf_addf(&b, "%.*s/", STR_ARG(s->dir));
		}
		buf_adds(&b, s->name);
		if (map_hass(&seen, buf_str(&b)))
			continue;
		map_sets(&seen, buf_str(&b), x);
		if (!fn(u, buf_str(&b)))
			break;
	}
	buf_deinit(&b);
	map_deinit(&seen);
	return ERR_OK;
}
