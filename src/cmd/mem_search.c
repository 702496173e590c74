/*
 * mem_search: s, in all its forms: patterns of bytes, words, text; any printable text (-sa, -su);
 * objects of a class (-v). Refuses to know where memory comes from.
 *
 * Invariant: a hit lies wholly inside the range and in readable memory; overlapping hits are all
 * found; memory that cannot be read is passed over.
 */
#include "cmd/memory.h"

#include "base/reader.h"

enum {
	HITS_DEFAULT = 1024,
	HITS_MAX = 64 * 1024,
	STRING_MIN = 3,	   /* characters of a string that -sa and -su report */
	STRING_MAX = 4096, /* longer ones are reported in pieces */
	PAGE = 4096
};

/* Hits kept by the s flag for the r flag. */
typedef struct saved {
	size_t n;
	uint64_t addr[HITS_MAX];
} saved;

typedef struct search {
	cmd *c;
	char type; /* b w d q a u; A U: any string; v */
	bool save, restrict_, writable, only_addr;
	uint64_t min_len, max_hits;
	size_t unit; /* bytes */
	saved *hits;
	bool overflow;
	buf pattern;
	/* -v: what is shown behind a hit */
	str class_name;
	/* writable pages: the root that is walked, and the last answer */
	bool has_root, page_known, page_yes;
	uint64_t root, page;
} search;

/* ---- arguments ---- */

static bool number(str *s, unsigned radix, uint64_t *ret)
{
	size_t n = 0;
	while (s->n && s->p[0] == ' ')
		*s = str_skip(*s, 1);
	if (str_istarts(*s, STR("0x"))) {
		*s = str_skip(*s, 2);
		radix = 16;
	} else if (str_istarts(*s, STR("0n"))) {
		*s = str_skip(*s, 2);
		radix = 10;
	}
	uint64_t digit;
	while (n < s->n && str_u64((str){s->p + n, 1}, radix, &digit))
		n++;
	if (!str_u64(str_take(*s, n), radix, ret))
		return false;
	*s = str_skip(*s, n);
	return true;
}

static err flags(cmd *c, str *rest, search *s)
{
	size_t close = str_chr(*rest, ']');
	str f = str_skip(str_take(*rest, close), 1);
	if (close == SIZE_MAX)
		return cmd_fail(c, ERR_SYNTAX, "the flags have no closing ]");
	*rest = str_skip(*rest, close + 1);
	while (f.n) {
		char letter = f.p[0];
		f = str_skip(f, 1);
		switch (letter) {
		case 's':
			s->save = true;
			break;
		case 'r':
			s->restrict_ = true;
			break;
		case 'w':
			s->writable = true;
			break;
		case '1':
			s->only_addr = true;
			break;
		case 'l':
			if (!number(&f, c->e->radix, &s->min_len) || !s->min_len ||
				s->min_len > STRING_MAX)
				return cmd_fail(c, ERR_ARG, "flag l needs a length from 1 to 0x%x",
					STRING_MAX);
			break;
		case 'n':
			if (!number(&f, c->e->radix, &s->max_hits) || !s->max_hits ||
				s->max_hits > HITS_MAX || f.n)
				return cmd_fail(c, ERR_ARG,
					"flag n must be the last and needs a number from 1 to 0x%x",
					HITS_MAX);
			break;
		default:
			return cmd_fail(c, ERR_SYNTAX, "flag '%c' is none of s r n l w 1", letter);
		}
	}
	if (s->save && s->restrict_)
		return cmd_fail(c, ERR_SYNTAX, "flags s and r exclude each other");
	return ERR_OK;
}

static err type_of(cmd *c, str *rest, bool has_flags, search *s)
{
	static const struct {
		const char *text;
		char type;
		uint8_t unit;
	} types[] = {{"sa", 'A', 1}, {"su", 'U', 2}, {"b", 'b', 1}, {"w", 'w', 2}, {"d", 'd', 4},
		{"q", 'q', 8}, {"a", 'a', 1}, {"u", 'u', 2}, {"v", 'v', 0}};
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		str t = str_of(types[i].text);
		bool ends = rest->n == t.n ||
			    (rest->n > t.n && (rest->p[t.n] == ' ' || rest->p[t.n] == '\t'));
		if (!str_istarts(*rest, t) || !ends)
			continue;
		*rest = str_trim(str_skip(*rest, t.n));
		s->type = types[i].type;
		s->unit = types[i].unit ? types[i].unit : c->e->ptr_size;
		return ERR_OK;
	}
	if (has_flags)
		return cmd_fail(c, ERR_SYNTAX, "with flags a type is needed: b w d q a u sa su v");
	return cmd_fail(c, ERR_SYNTAX, "the type is one of b w d q a u sa su v");
}

static err options(cmd *c, str *rest, search *s)
{
	*rest = str_trim(*rest);
	if (!rest->n || rest->p[0] != '-')
		return ERR_OK;
	*rest = str_skip(*rest, 1);
	bool has_flags = rest->n && rest->p[0] == '[';
	if (has_flags)
		TRY(flags(c, rest, s));
	return type_of(c, rest, has_flags, s);
}

/* The class whose table of virtual functions addr (or what it points to) starts with. */
static err object(search *s, str *rest)
{
	cmd *c = s->c;
	engine *e = c->e;
	uint64_t at, table;
	uint8_t raw[8];
	TRY(cmd_arg_expr(c, rest, &at));
	for (int i = 0; i < 2; i++) {
		sym v;
		uint64_t disp;
		TRY(eng_read_ptr(e, at, &table, &c->d));
		size_t cut = SIZE_MAX;
		if (e->syms && sym_at(e->syms, table, &v, &disp) == ERR_OK && !disp)
			cut = str_find(v.name, STR("::`vftable'"));
		if (cut != SIZE_MAX) {
			s->class_name = str_printf(
				&c->a, "%.*s!%.*s", STR_ARG(v.mod->name), (int)cut, v.name.p);
			le_put(raw, table, e->ptr_size);
			buf_add(&s->pattern, raw, e->ptr_size);
			return ERR_OK;
		}
		at = table; /* perhaps a pointer to the object was given */
	}
	return cmd_fail(c, ERR_NOTFOUND, "no object with virtual functions there");
}

static err pattern(search *s, str *rest)
{
	cmd *c = s->c;
	str text;
	switch (s->type) {
	case 'A':
	case 'U':
		return ERR_OK;
	case 'v':
		return object(s, rest);
	case 'a':
	case 'u':
		if (!rest->n || rest->p[0] != '"')
			return cmd_fail(
				c, ERR_SYNTAX, "s -%c needs a string in double quotes", s->type);
		TRY(cmd_arg_quoted(c, rest, false, &text));
		if (s->type == 'u')
			mem_utf16(text, &s->pattern);
		else
			buf_adds(&s->pattern, text);
		break;
	default:
		TRY(mem_values(c, rest, s->unit, &s->pattern));
		break;
	}
	if (!s->pattern.n)
		return cmd_fail(c, ERR_SYNTAX, "s needs a pattern");
	return ERR_OK;
}

/* ---- hits ---- */

/* Whether the page of addr can be written, by its page tables. */
static err writable(search *s, uint64_t addr, bool *ret)
{
	engine *e = s->c->e;
	x64_walk w;
	as_t as = eng_space(e, addr);
	uint64_t root = as.id;
	if (s->page_known && addr / PAGE == s->page) {
		*ret = s->page_yes;
		return ERR_OK;
	}
	if (as.kind != AS_ROOT && !s->has_root) {
		x64_regs r = {0};
		TRY(eng_unit_regs(e, e->ctx.unit, X64_SET_SPECIAL, &r, &s->c->d));
		s->root = r.cr3;
		s->has_root = true;
	}
	if (as.kind != AS_ROOT)
		root = s->root;
	s->page_yes =
		tgt_translate(e->t, root, addr, &w, NULL) == ERR_OK && w.present && w.writable;
	s->page_known = true;
	s->page = addr / PAGE;
	*ret = s->page_yes;
	return ERR_OK;
}

static void add_excerpt(search *s, uint64_t addr, buf *b)
{
	uint8_t raw[16];
	bool ok[sizeof raw];
	mem_view v = {.e = s->c->e};
	size_t unit = s->type == 'a' ? 1 : s->unit;
	(void)mem_fill(&v, addr, raw, ok, sizeof raw);
	buf_addf(b, "%s  ", out_addr(s->c->e, addr));
	for (size_t i = 0; i < sizeof raw; i += unit) {
		uint64_t x = le_get(raw + i, unit);
		if (i)
			buf_addc(b, unit == 1 && i == 8 ? '-' : ' ');
		if (memchr(ok + i, 0, unit))
			buf_addf(b, "%.*s", (int)(unit == 8 ? 17 : unit * 2), "????????`????????");
		else if (unit == 8)
			buf_addf(b, "%08x`%08x", (unsigned)(x >> 32), (unsigned)x);
		else
			buf_addf(b, "%0*x", (int)unit * 2, (unsigned)x);
	}
	buf_addz(b, "  ");
	for (size_t i = 0; i < sizeof raw; i++)
		buf_addc(b, ok[i] ? mem_char(raw[i]) : '?');
	buf_addc(b, '\n');
}

/* All that is known of an object: what dt says of it. */
static err show_object(search *s, uint64_t addr)
{
	cmd *c = s->c;
	const cmd_row *dt = cmd_row_find(STR("dt"));
	out(c->e, "%s  %.*s\n", out_addr(c->e, addr), STR_ARG(s->class_name));
	if (!dt)
		return ERR_OK;
	cmd_call call = {.row = dt, .name = STR("dt")};
	call.args =
		str_printf(&c->a, "%.*s 0x%llx", STR_ARG(s->class_name), (unsigned long long)addr);
	return dt->fn(c, &call);
}

/* text: of -sa and -su; NULL for patterns. */
static err hit(search *s, uint64_t addr, const str *text)
{
	engine *e = s->c->e;
	buf b;
	bool yes = true;
	if (s->writable)
		TRY(writable(s, addr, &yes));
	if (!yes)
		return ERR_OK;
	if (s->save && s->hits->n < s->max_hits)
		s->hits->addr[s->hits->n++] = addr;
	else if (s->save)
		s->overflow = true;
	if (s->type == 'v' && !s->only_addr)
		return show_object(s, addr);
	buf_init(&b, 0);
	if (s->only_addr)
		buf_addf(&b, "0x%s\n", out_addr(e, addr));
	else if (text)
		buf_addf(&b, "%s  \"%.*s\"\n", out_addr(e, addr), STR_ARG(*text));
	else
		add_excerpt(s, addr, &b);
	out_str(e, OUT_NORMAL, buf_str(&b));
	buf_deinit(&b);
	return ERR_OK;
}

/* ---- patterns ---- */

static bool aligned(const search *s, uint64_t addr)
{
	return (s->type != 'w' && s->type != 'd' && s->type != 'q' && s->type != 'v') ||
	       addr % s->unit == 0;
}

/* Hits in p[from, to), which is readable; addr is that of p[0]. */
static err in_run(search *s, uint64_t addr, const uint8_t *p, size_t from, size_t to)
{
	size_t plen = s->pattern.n;
	while (to - from >= plen) {
		const uint8_t *at = memmem(p + from, to - from, s->pattern.p, plen);
		if (!at)
			break;
		from = (size_t)(at - p);
		if (aligned(s, addr + from))
			TRY(hit(s, addr + from, NULL));
		if (cancelled(&s->c->e->cancel))
			return ERR_CANCELLED;
		from++;
	}
	return ERR_OK;
}

/* All hits in [addr, addr + n), by reading. */
static err in_window(search *s, uint64_t addr, size_t n, uint8_t *p, bool *ok)
{
	mem_view v = {.e = s->c->e};
	if (!mem_fill(&v, addr, p, ok, n))
		return ERR_OK;
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i; end < n && ok[end] == ok[i]; end++)
			;
		if (ok[i])
			TRY(in_run(s, addr, p, i, end));
	}
	return ERR_OK;
}

/*
 * The next hit at or behind *at, found by the target itself: over a slow link that costs a packet
 * instead of the range's bytes. ERR_UNSUPPORTED: it has to be read.
 */
static err ask_target(search *s, uint64_t *at, uint64_t n)
{
	engine *e = s->c->e;
	uint64_t found = *at;
	if (eng_is_user(e, *at) != eng_is_user(e, *at + n - 1))
		return ERR_UNSUPPORTED;
	err x = tgt_search(
		e->t, eng_space(e, *at), *at, n, s->pattern.p, s->pattern.n, &found, NULL);
	if (x == ERR_ARG || (x == ERR_OK && found - *at > n - s->pattern.n))
		return ERR_UNSUPPORTED;
	*at = found;
	return x;
}

static err patterns(search *s, const cmd_range *r)
{
	size_t plen = s->pattern.n;
	bool ask = true;
	uint8_t *p = arena_alloc(&s->c->a, MEM_CHUNK + plen);
	bool *ok = arena_alloc(&s->c->a, (MEM_CHUNK + plen) * sizeof *ok);
	for (uint64_t done = 0; r->bytes - done >= plen;) {
		size_t size = MEM_CHUNK + plen;
		if (ask && r->bytes - done > PAGE + plen) {
			uint64_t at = r->addr + done;
			err x = ask_target(s, &at, r->bytes - done);
			if (x == ERR_NOTFOUND)
				break;
			if (x == ERR_UNSUPPORTED)
				ask = false;
			else if (x != ERR_OK)
				return x;
			done = at - r->addr;
			/* Where there is one hit there may be many: the neighbourhood is read. */
			size = ask ? PAGE + plen : size;
		}
		size_t n = r->bytes - done < size ? (size_t)(r->bytes - done) : size;
		TRY(in_window(s, r->addr + done, n, p, ok));
		if (cancelled(&s->c->e->cancel))
			return ERR_CANCELLED;
		/* The next piece starts with what may be the head of a hit across the border. */
		done += n - (plen - 1);
	}
	return ERR_OK;
}

static err patterns_in_saved(search *s)
{
	uint8_t *p = arena_alloc(&s->c->a, s->pattern.n);
	bool *ok = arena_alloc(&s->c->a, s->pattern.n * sizeof *ok);
	mem_view v = {.e = s->c->e};
	for (size_t i = 0; i < s->hits->n; i++) {
		uint64_t addr = s->hits->addr[i];
		if (cancelled(&s->c->e->cancel))
			return ERR_CANCELLED;
		if (mem_fill(&v, addr, p, ok, s->pattern.n) && !memchr(ok, 0, s->pattern.n) &&
			!memcmp(p, s->pattern.p, s->pattern.n))
			TRY(hit(s, addr, NULL));
	}
	return ERR_OK;
}

/* ---- any string ---- */

typedef struct run {
	uint64_t start;
	buf text;
} run;

static err run_end(search *s, run *u)
{
	str text = buf_str(&u->text);
	err e = text.n >= s->min_len ? hit(s, u->start, &text) : ERR_OK;
	buf_clear(&u->text);
	return e;
}

static err strings_at(search *s, uint64_t addr, uint64_t bytes)
{
	uint8_t *p = arena_alloc(&s->c->a, MEM_CHUNK);
	bool *ok = arena_alloc(&s->c->a, MEM_CHUNK * sizeof *ok);
	mem_view v = {.e = s->c->e};
	run u = {0};
	err e = ERR_OK;
	buf_init(&u.text, STRING_MAX + 1);
	for (uint64_t done = 0; bytes - done >= s->unit && e == ERR_OK;) {
		size_t n = bytes - done < MEM_CHUNK ? (size_t)(bytes - done) : MEM_CHUNK;
		n -= n % s->unit;
		(void)mem_fill(&v, addr + done, p, ok, n);
		for (size_t i = 0; i < n && e == ERR_OK; i += s->unit) {
			uint64_t ch = le_get(p + i, s->unit);
			bool text = ok[i] && ok[i + s->unit - 1] && ch >= 0x20 && ch < 0x7f;
			if (text && !u.text.n)
				u.start = addr + done + i;
			if (text)
				buf_addc(&u.text, (char)ch);
			if (!text || u.text.n == STRING_MAX)
				e = run_end(s, &u);
		}
		done += n;
		if (e == ERR_OK && cancelled(&s->c->e->cancel))
			e = ERR_CANCELLED;
	}
	if (e == ERR_OK)
		e = run_end(s, &u);
	buf_deinit(&u.text);
	return e;
}

static err strings_in_saved(search *s)
{
	size_t max = STRING_MAX * s->unit;
	uint8_t *p = arena_alloc(&s->c->a, max);
	bool *ok = arena_alloc(&s->c->a, max * sizeof *ok);
	mem_view v = {.e = s->c->e};
	for (size_t i = 0; i < s->hits->n; i++) {
		run u = {.start = s->hits->addr[i]};
		buf_init(&u.text, 0);
		(void)mem_fill(&v, u.start, p, ok, max);
		for (size_t at = 0; at < max && ok[at] && ok[at + s->unit - 1]; at += s->unit) {
			uint64_t ch = le_get(p + at, s->unit);
			if (ch < 0x20 || ch >= 0x7f)
				break;
			buf_addc(&u.text, (char)ch);
		}
		err e = run_end(s, &u);
		buf_deinit(&u.text);
		TRY(e);
		if (cancelled(&s->c->e->cancel))
			return ERR_CANCELLED;
	}
	return ERR_OK;
}

static err run_search(search *s, const cmd_range *r)
{
	bool text = s->type == 'A' || s->type == 'U';
	if (s->restrict_)
		return text ? strings_in_saved(s) : patterns_in_saved(s);
	if (s->save)
		s->hits->n = 0;
	TRY(text ? strings_at(s, r->addr, r->bytes) : patterns(s, r));
	if (s->overflow)
		out_as(s->c->e, OUT_WARNING,
			"Overflow error: only the first 0x%llx hits are saved\n",
			(unsigned long long)s->max_hits);
	return ERR_OK;
}

static err cmd_s(cmd *c, cmd_call *call)
{
	search s = {
		.c = c, .type = 'b', .unit = 1, .min_len = STRING_MIN, .max_hits = HITS_DEFAULT};
	str rest = call->args;
	cmd_range r;
	TRY(options(c, &rest, &s));
	if (s.save || s.restrict_)
		s.hits = cmd_state(c, "mem.search", sizeof *s.hits);
	if (!rest.n)
		return cmd_fail(c, ERR_SYNTAX, "s needs a range");
	TRY(cmd_arg_range(c, &rest, s.unit, 1, 0, &r));
	if (!r.has_count)
		return cmd_fail(c, ERR_SYNTAX, "s needs a range: Address L Count");
	rest = str_trim(rest);
	buf_init(&s.pattern, MEM_VALUES_MAX + 16);
	err e = pattern(&s, &rest);
	if (e == ERR_OK)
		e = cmd_arg_end(c, rest);
	if (e == ERR_OK)
		e = run_search(&s, &r);
	buf_deinit(&s.pattern);
	return e;
}

static const cmd_row rows[] = {
	{"s",
		"s [-[[Flags]]Type] Range Pattern\n"
		"s -[[Flags]]v Range Object\n"
		"s -[[Flags]]sa Range\n"
		"s -[[Flags]]su Range",
		"Search memory",
		"Shows every place in Range where Pattern stands, with 16 bytes of memory. Type is "
		"b (bytes, the "
		"default), w, d, q (2, 4 and 8 bytes, only at addresses divisible by their size), "
		"a or u (a string "
		"in double quotes, ASCII or Unicode). Pattern is one or more values separated by "
		"blanks; "
		"characters stand in single quotes. Hits may overlap and must lie wholly in Range. "
		"Memory that "
		"cannot be read is passed over. More than 256 MB need the form L? Count.\n\n"
		"-sa and -su find any printable ASCII or Unicode strings. -v finds objects of the "
		"class of "
		"Object (the address of an object with virtual functions, or of a pointer to one) "
		"and shows them "
		"as dt does.\n\n"
		"Flags stand in one pair of brackets, and a type must follow: s saves the hits; r "
		"searches only "
		"the saved hits (Range is ignored); n Hits (last) is how many are saved, default "
		"0x400, more are "
		"an Overflow error; l Length is the shortest string of -sa and -su, default 3; w "
		"passes over "
		"memory that cannot be written; 1 shows only the addresses, for .foreach.\n\n"
		"Examples: s -a nt L?1000000 \"ntdll\"; s -d @rsp L1000 'VUTS'; s -[1wl4]sa "
		"140000000 L400",
		CMD_ANY | CMD_TARGET, cmd_s},
};

const cmd_family cmd_family_mem_search = {"Searching memory", rows, ARRAY_LEN(rows)};
