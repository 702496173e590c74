/*
 * dwarfname: DWARF types by their names, through the index, however gcc spells the integers among
 * the arguments of a template.
 */
#include "sym/dwarf.h"

typedef struct type_find_ctx {
	dwf *x;
	int rank;
	dwx_entry best;
} type_find_ctx;

static int rank_of(const dwx_entry *e)
{
	int r = e->decl ? 1 : 8;
	r += e->scope ? 0 : 4; /* "c" alone: the one that is not in some class */
	r += e->kind == DWX_TYPEDEF || e->kind == DWX_BASE ? 0 : 2;
	return r;
}

static bool type_one(void *u, const dwx_entry *e)
{
	type_find_ctx *q = u;
	int r = rank_of(e);
	if (r > q->rank) {
		q->rank = r;
		q->best = *e;
	}
	return true;
}

static size_t word_at(str s, size_t i)
{
	size_t n = 0;
	while (i + n < s.n && chr_word(s.p[i + n]))
		n++;
	return n;
}

/* The integer words at s[i], as gcc spells them in template arguments: "long unsigned int". Returns
 * how many bytes they take, 0: none. */
static size_t gcc_integer(str s, size_t i, buf *out)
{
	enum { UNSIGNED, SIGNED, SHORT, LONG, INT, CHAR, N };
	static const char *const words[N] = {"unsigned", "signed", "short", "long", "int", "char"};
	unsigned n[N] = {0};
	size_t at = i, end = i;
	for (size_t len; (len = word_at(s, at)); at += len + 1) {
		int w = 0;
		while (w < N && !str_eq((str){s.p + at, len}, str_of(words[w])))
			w++;
		if (w == N)
			break;
		n[w]++;
		end = at + len;
		if (end >= s.n || s.p[end] != ' ')
			break;
	}
	if (end == i)
		return 0;
	if (n[CHAR])
		buf_addz(out, n[UNSIGNED] ? "unsigned char" : n[SIGNED] ? "signed char" : "char");
	else
		buf_addf(out, "%s%s%sint",
			n[SHORT]  ? "short "
			: n[LONG] ? "long "
				  : "",
			n[LONG] > 1 ? "long " : "", n[UNSIGNED] ? "unsigned " : "");
	return end - i;
}

/* Symbols say Box<short>, and so do people; gcc's types Box<short int>. */
static err find_spelled(dwx *ix, str name, bool fold, type_find_ctx *q)
{
	err e = dwx_find(ix, name, DWX_TYPES, fold, type_one, q);
	if (e != ERR_NOTFOUND || str_chr(name, '<') == SIZE_MAX)
		return e;
	buf b;
	buf_init(&b, 65536);
	for (size_t i = 0; i < name.n;) {
		size_t len = word_at(name, i), took = len ? gcc_integer(name, i, &b) : 0;
		if (!took) {
			took = len ? len : 1;
			buf_add(&b, name.p + i, took);
		}
		i += took;
	}
	if (!str_eq(buf_str(&b), name))
		e = dwx_find(ix, buf_str(&b), DWX_TYPES, fold, type_one, q);
	buf_deinit(&b);
	return e;
}

err dwf_type_find(dwf *x, str name, bool fold, uint32_t *ret)
{
	dwx *ix;
	type_find_ctx q = {.x = x};
	Dwarf_Die die;
	TRY(dwf_index(x, &ix));
	TRY(find_spelled(ix, name, fold, &q));
	if (!q.rank || !dwf_entry_die(x, &q.best, &die))
		return ERR_NOTFOUND;
	*ret = dwf_type_id(x, &die);
	return *ret ? ERR_OK : ERR_LIMIT;
}

typedef struct type_each_ctx {
	dwf *x;
	dwx *ix;
	sym_type_fn *fn;
	void *u;
	buf name;
} type_each_ctx;

static bool each_one(void *u, const dwx_entry *e)
{
	type_each_ctx *q = u;
	Dwarf_Die die;
	uint32_t id;
	if (!dwf_entry_die(q->x, e, &die) || !(id = dwf_type_id(q->x, &die)))
		return true;
	buf_clear(&q->name);
	dwx_qualified(q->ix, e, &q->name);
	return q->fn(q->u, buf_str(&q->name), id);
}

err dwf_type_like(dwf *x, str pattern, sym_type_fn *fn, void *u)
{
	type_each_ctx q = {.x = x, .fn = fn, .u = u};
	TRY(dwf_index(x, &q.ix));
	buf_init(&q.name, 65536);
	err e = dwx_match(
		q.ix, pattern, DWX_TYPES & ~(unsigned)DWX_BASE, x->s->host.cancel, each_one, &q);
	buf_deinit(&q.name);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}
