/*
 * mem_enter: commands that change memory or compare it: e*, f, fp, m, c, !eb, !ed. Refuses to know
 * breakpoints: what is written goes under them, and they stay.
 */
#include "cmd/memory.h"

#include "base/reader.h"

#include <stdio.h>

typedef enum entry { EN_INT, EN_FLOAT, EN_TEXT } entry;

static const struct form {
	const char *name;
	entry kind;
	uint8_t size; /* bytes of a value or character; 0: a pointer */
	bool zero;    /* text gets a terminator */
} forms[] = {
	{"ea", EN_TEXT, 1, false},
	{"eb", EN_INT, 1, false},
	{"ed", EN_INT, 4, false},
	{"eD", EN_FLOAT, 8, false},
	{"ef", EN_FLOAT, 4, false},
	{"ep", EN_INT, 0, false},
	{"eq", EN_INT, 8, false},
	{"eu", EN_TEXT, 2, false},
	{"ew", EN_INT, 2, false},
	{"eza", EN_TEXT, 1, true},
	{"ezu", EN_TEXT, 2, true},
};

static const struct form *form_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(forms); i++)
		if (!strcmp(forms[i].name, name))
			return &forms[i];
	return NULL;
}

/* The values of one input line as bytes. */
static err values(cmd *c, const struct form *f, str text, buf *b)
{
	size_t size = f->size ? f->size : c->e->ptr_size;
	return f->kind == EN_FLOAT ? mem_floats(c, &text, size, b) : mem_values(c, &text, size, b);
}

static void old_value(cmd *c, const struct form *f, const mem_view *v, uint64_t addr, buf *b)
{
	uint8_t raw[8];
	bool ok[sizeof raw];
	size_t size = f->size ? f->size : c->e->ptr_size;
	buf_addf(b, "%s ", out_addr(c->e, addr));
	(void)mem_fill(v, addr, raw, ok, size);
	uint64_t bits = le_get(raw, size);
	if (memchr(ok, 0, size)) {
		for (size_t i = 0; i < size * 2; i++)
			buf_addc(b, '?');
	} else if (f->kind == EN_FLOAT) {
		uint32_t low = (uint32_t)bits;
		float fl;
		double d;
		memcpy(&fl, &low, 4);
		memcpy(&d, &bits, 8);
		char value[MEM_FLOAT_TEXT];
		mem_float(size == 4 ? (double)fl : d, size == 4 ? 8 : 16, value);
		buf_addz(b, value);
	} else if (size == 8) {
		buf_addf(b, "%08x`%08x", (unsigned)(bits >> 32), (unsigned)bits);
	} else {
		buf_addf(b, "%0*x", (int)size * 2, (unsigned)bits);
	}
	buf_addc(b, '\n');
}

/* A line as it was typed: a blank in it has a meaning. */
static err input(cmd *c, buf *line)
{
	const eng_hooks *h = &c->e->hooks;
	err e = h->input ? h->input(h->u, STR("Input> "), line) : ERR_STATE;
	if (e == ERR_STATE)
		return cmd_fail(
			c, e, "No values are given, and nobody is there to answer 'Input> '");
	while (line->n && (line->p[line->n - 1] == '\n' || line->p[line->n - 1] == '\r'))
		line->n--;
	return e;
}

/* Address and old value, then a line of input: nothing ends, blanks keep, values replace. */
static err ask(cmd *c, const struct form *f, const mem_view *v, uint64_t addr)
{
	size_t size = f->size ? f->size : c->e->ptr_size;
	for (;;) {
		buf b, line;
		buf_init(&b, MEM_VALUES_MAX + 16);
		buf_init(&line, MEM_VALUES_MAX);
		old_value(c, f, v, addr, &b);
		out_str(c->e, OUT_NORMAL, buf_str(&b));
		buf_clear(&b);
		err e = input(c, &line);
		bool end = e != ERR_OK || !line.n;
		if (!end && str_trim(buf_str(&line)).n) {
			e = values(c, f, buf_str(&line), &b);
			if (e == ERR_OK)
				e = mem_write(v, addr, b.p, b.n, &c->d);
			addr += b.n;
		} else if (!end) {
			addr += size;
		}
		buf_deinit(&b);
		buf_deinit(&line);
		if (e != ERR_OK || end)
			return e;
		if (cancelled(&c->e->cancel))
			return ERR_CANCELLED;
	}
}

static err text(cmd *c, const struct form *f, str *rest, buf *b)
{
	static const uint8_t zero[2];
	str s;
	*rest = str_trim(*rest);
	if (!rest->n || rest->p[0] != '"')
		return cmd_fail(c, ERR_SYNTAX, "%s takes a string in double quotes", f->name);
	TRY(cmd_arg_quoted(c, rest, false, &s));
	TRY(cmd_arg_end(c, *rest));
	if (f->size == 2)
		mem_utf16(s, b);
	else
		buf_adds(b, s);
	if (f->zero)
		buf_add(b, zero, f->size);
	return ERR_OK;
}

static err enter(cmd *c, const struct form *f, str rest)
{
	uint64_t addr;
	mem_options o;
	buf b;
	err e;
	TRY(mem_options_get(c, &rest, &o));
	if (o.columns)
		return cmd_fail(c, ERR_SYNTAX, "/c has no meaning for %s", f->name);
	if (!rest.n)
		return cmd_fail(c, ERR_SYNTAX, "%s needs an address", f->name);
	TRY(cmd_arg_expr(c, &rest, &addr));
	snprintf(c->memo.last_e, sizeof c->memo.last_e, "%s", f->name);
	if (f->kind != EN_TEXT && !str_trim(rest).n)
		return ask(c, f, &o.view, addr);
	buf_init(&b, MEM_VALUES_MAX + 16);
	e = f->kind == EN_TEXT ? text(c, f, &rest, &b) : values(c, f, rest, &b);
	if (e == ERR_OK && b.n)
		e = mem_write(&o.view, addr, b.p, b.n, &c->d);
	buf_deinit(&b);
	return e;
}

static err cmd_enter(cmd *c, cmd_call *call)
{
	return enter(c, form_find(call->row->name), call->args);
}

static err cmd_e(cmd *c, cmd_call *call)
{
	const struct form *f = form_find(c->memo.last_e);
	return enter(c, f ? f : form_find("eb"), call->args);
}

/* !eb, !ed: physical. */
static err cmd_phys_enter(cmd *c, cmd_call *call)
{
	size_t size = call->row->name[2] == 'b' ? 1 : 4;
	str rest = str_trim(call->args);
	mem_view v = {c->e, true, mem_caching(&rest)};
	uint64_t addr;
	buf b;
	if (!rest.n)
		return cmd_fail(c, ERR_SYNTAX, "%s needs an address and values", call->row->name);
	TRY(cmd_arg_expr(c, &rest, &addr));
	if (!v.cache)
		v.cache = mem_caching(&rest);
	buf_init(&b, MEM_VALUES_MAX + 16);
	err e = mem_values(c, &rest, size, &b);
	if (e == ERR_OK && !b.n)
		e = cmd_fail(c, ERR_SYNTAX, "%s needs values", call->row->name);
	if (e == ERR_OK)
		e = mem_write(&v, addr, b.p, b.n, &c->d);
	buf_deinit(&b);
	return e;
}

/* ---- f, fp ---- */

enum { FILL_BY_TARGET = 512 }; /* from this size on the target is asked to fill */

/* Writes the pattern again and again; *done counts bytes, also on failure. */
static err fill(cmd *c, const mem_view *v, const cmd_range *r, const buf *pattern, uint64_t *done)
{
	engine *e = c->e;
	as_t as = v->phys ? (as_t){AS_PHYS, (uint64_t)v->cache} : eng_space(e, r->addr);
	*done = 0;
	if (r->bytes >= FILL_BY_TARGET && pattern->n < FILL_BY_TARGET) {
		TRY(eng_accessible(e, &c->d));
		TRY(tgt_fill(e->t, as, r->addr, r->bytes, pattern->p, pattern->n, &c->d));
		*done = r->bytes;
		/* Whoever watches memory is told by the write of what is there now. */
		return mem_write(v, r->addr, pattern->p, pattern->n, &c->d);
	}
	uint8_t *chunk = arena_alloc(&c->a, MEM_CHUNK);
	/* Whole patterns in a chunk: the next one starts with the first byte again. */
	size_t full = MEM_CHUNK - MEM_CHUNK % pattern->n;
	for (size_t i = 0; i < full; i++)
		chunk[i] = (uint8_t)pattern->p[i % pattern->n];
	while (*done < r->bytes) {
		size_t n = r->bytes - *done < full ? (size_t)(r->bytes - *done) : full;
		if (cancelled(&e->cancel))
			return ERR_CANCELLED;
		TRY(mem_write(v, r->addr + *done, chunk, n, &c->d));
		*done += n;
	}
	return ERR_OK;
}

static err cmd_f(cmd *c, cmd_call *call)
{
	str rest = str_trim(call->args);
	mem_view v = {.e = c->e};
	uint64_t done = 0;
	cmd_range r;
	buf b;
	if (!strcmp(call->row->name, "fp")) {
		v.phys = true;
		v.cache = mem_caching(&rest);
	}
	if (!rest.n)
		return cmd_fail(c, ERR_SYNTAX, "%s needs a range and a pattern", call->row->name);
	TRY(cmd_arg_range(c, &rest, 1, 1, 0, &r));
	if (!r.has_count)
		return cmd_fail(
			c, ERR_SYNTAX, "%s needs a range: Address L Count", call->row->name);
	buf_init(&b, MEM_VALUES_MAX + 16);
	err e = mem_values(c, &rest, 1, &b);
	if (e == ERR_OK && !b.n)
		e = cmd_fail(c, ERR_SYNTAX, "%s needs a pattern", call->row->name);
	/* Values behind the end of the range are ignored. */
	if (e == ERR_OK)
		e = fill(c, &v, &r, &b, &done);
	if (e == ERR_OK || done)
		out(c->e, "Filled 0x%llx bytes\n", (unsigned long long)done);
	buf_deinit(&b);
	return e;
}

/* ---- m ---- */

static err copy(cmd *c, const mem_view *v, uint64_t from, uint64_t to, uint64_t n)
{
	uint8_t *chunk = arena_alloc(&c->a, MEM_CHUNK);
	bool backwards = to > from && to - from < n;
	for (uint64_t done = 0; done < n;) {
		size_t part = n - done < MEM_CHUNK ? (size_t)(n - done) : MEM_CHUNK;
		uint64_t at = backwards ? n - done - part : done;
		if (cancelled(&c->e->cancel))
			return ERR_CANCELLED;
		TRY(eng_read_all(c->e, from + at, chunk, part, &c->d));
		TRY(mem_write(v, to + at, chunk, part, &c->d));
		done += part;
	}
	return ERR_OK;
}

/* A range and an address behind it, for m and c. */
static err range_and_address(cmd *c, cmd_call *call, cmd_range *r, uint64_t *addr)
{
	str rest = str_trim(call->args);
	if (!rest.n)
		return cmd_fail(c, ERR_SYNTAX, "%s needs a range and an address", call->row->name);
	TRY(cmd_arg_range(c, &rest, 1, 1, 0, r));
	if (!r->has_count || !str_trim(rest).n)
		return cmd_fail(c, ERR_SYNTAX,
			"%s needs a range and an address: Address L Count Address",
			call->row->name);
	TRY(cmd_arg_expr(c, &rest, addr));
	return cmd_arg_end(c, rest);
}

static err cmd_m(cmd *c, cmd_call *call)
{
	mem_view v = {.e = c->e};
	uint64_t to;
	cmd_range r;
	TRY(range_and_address(c, call, &r, &to));
	return copy(c, &v, r.addr, to, r.bytes);
}

/* ---- c ---- */

static err compare(cmd *c, const cmd_range *r, uint64_t with)
{
	uint8_t *a = arena_alloc(&c->a, MEM_CHUNK), *b = arena_alloc(&c->a, MEM_CHUNK);
	for (uint64_t done = 0; done < r->bytes;) {
		size_t n = r->bytes - done < MEM_CHUNK ? (size_t)(r->bytes - done) : MEM_CHUNK;
		TRY(eng_read_all(c->e, r->addr + done, a, n, &c->d));
		TRY(eng_read_all(c->e, with + done, b, n, &c->d));
		for (size_t i = 0; i < n; i++) {
			if (cancelled(&c->e->cancel))
				return ERR_CANCELLED;
			if (a[i] != b[i])
				out(c->e, "%s  %02x - %s  %02x\n",
					out_addr(c->e, r->addr + done + i), a[i],
					out_addr(c->e, with + done + i), b[i]);
		}
		done += n;
	}
	return ERR_OK;
}

static err cmd_c(cmd *c, cmd_call *call)
{
	uint64_t with;
	cmd_range r;
	TRY(range_and_address(c, call, &r, &with));
	return compare(c, &r, with);
}

#define E_USAGE(name) name " [/p | /p[c] | /p[uc] | /p[wc]] Address [Values]"
#define E_HELP(what)                                                                               \
	what "\n\n"                                                                                \
	     "Values are separated by blanks and stand in memory one behind the other; numbers "   \
	     "are read in "                                                                        \
	     "the current radix. Without values, address and old value are shown and Input> "      \
	     "asks: a value "                                                                      \
	     "replaces it, a blank and ENTER keep it, ENTER alone ends.\n\n"                       \
	     "/p writes physical memory (kernel mode), /p[c] /p[uc] /p[wc] cached, uncached or "   \
	     "write-combined. Writing where a breakpoint stands changes the program's byte; the "  \
	     "breakpoint "                                                                         \
	     "stays."
#define E_TEXT_USAGE(name) name " [/p | /p[c] | /p[uc] | /p[wc]] Address \"String\""
#define E_TEXT(what)                                                                               \
	what " The string stands in double quotes and is taken as it is: there are no C escapes. " \
	     "/p "                                                                                 \
	     "writes physical memory (kernel mode)."
#define E_FLAGS (CMD_ANY | CMD_TARGET)

static const cmd_row rows[] = {
	{"e", "e [Options] Address [Values]", "Enter values in the format of the last e command",
		"Repeats the most recent e command's type (eb at first). After ea, eza, eu and ezu "
		"a string is "
		"needed.",
		E_FLAGS, cmd_e},
	{"ea", E_TEXT_USAGE("ea"), "Enter an ASCII string without terminator",
		E_TEXT("Writes the characters of the string without a zero behind them."), E_FLAGS,
		cmd_enter},
	{"eb", E_USAGE("eb"), "Enter bytes",
		E_HELP("Enters bytes; characters stand in single quotes, each in its own: 'h' "
		       "'i'."),
		E_FLAGS, cmd_enter},
	{"ed", E_USAGE("ed"), "Enter double words (4 bytes)", E_HELP("Enters double words."),
		E_FLAGS, cmd_enter},
	{"eD", E_USAGE("eD"), "Enter double-precision floating-point numbers",
		E_HELP("Enters floating-point numbers of 8 bytes. The D is upper case."),
		E_FLAGS | CMD_CASE, cmd_enter},
	{"ef", E_USAGE("ef"), "Enter single-precision floating-point numbers",
		E_HELP("Enters floating-point numbers of 4 bytes."), E_FLAGS, cmd_enter},
	{"ep", E_USAGE("ep"), "Enter pointer-sized values",
		E_HELP("As eq on a 64-bit target, as ed on a 32-bit one."), E_FLAGS, cmd_enter},
	{"eq", E_USAGE("eq"), "Enter quad words (8 bytes)", E_HELP("Enters quad words."), E_FLAGS,
		cmd_enter},
	{"eu", E_TEXT_USAGE("eu"), "Enter a Unicode string without terminator",
		E_TEXT("Writes the characters of the string as UTF-16 without a zero behind them."),
		E_FLAGS, cmd_enter},
	{"ew", E_USAGE("ew"), "Enter words (2 bytes)", E_HELP("Enters words."), E_FLAGS, cmd_enter},
	{"eza", E_TEXT_USAGE("eza"), "Enter a zero-terminated ASCII string",
		E_TEXT("Writes the characters of the string and a zero."), E_FLAGS, cmd_enter},
	{"ezu", E_TEXT_USAGE("ezu"), "Enter a zero-terminated Unicode string",
		E_TEXT("Writes the characters of the string as UTF-16 and a zero."), E_FLAGS,
		cmd_enter},
	{"f", "f Range Pattern", "Fill memory with a repeated pattern",
		"Pattern is one or more bytes: numbers, or characters each in its own single "
		"quotes. It is "
		"repeated until Range is full; what is longer than Range is ignored.\n\n"
		"Example: f 12ff40 L20 'A' 'B' 'C'",
		E_FLAGS, cmd_f},
	{"fp", "fp [[c] | [uc] | [wc]] PhysicalRange Pattern",
		"Fill physical memory with a repeated pattern",
		"As f, on physical addresses (kernel mode). [c], [uc] and [wc] say how the memory "
		"is cached.",
		CMD_KERNEL | CMD_TARGET, cmd_f},
	{"m", "m Range Address", "Move (copy) memory",
		"Copies Range to Address. The two may overlap.", E_FLAGS, cmd_m},
	{"c", "c Range Address", "Compare memory",
		"Compares Range with the memory of the same size at Address and shows every "
		"address of Range "
		"whose byte differs, with both bytes.",
		E_FLAGS, cmd_c},
	{"!eb", "!eb [[c] | [uc] | [wc]] PhysicalAddress Data ...",
		"Write bytes to physical memory",
		"Writes the bytes one behind the other; separated by blanks or commas.",
		CMD_KERNEL | CMD_TARGET, cmd_phys_enter},
	{"!ed", "!ed [[c] | [uc] | [wc]] PhysicalAddress Data ...",
		"Write double words to physical memory",
		"Writes the double words one behind the other; separated by blanks or commas.",
		CMD_KERNEL | CMD_TARGET, cmd_phys_enter},
};

const cmd_family cmd_family_mem_enter = {"Changing and comparing memory", rows, ARRAY_LEN(rows)};
