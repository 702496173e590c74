/*
 * lookup: from names to addresses and back, over the modules in scope.
 *
 * One name may have several records: a private function, its public, the same once per object
 * file. A private record beats a public one, a function beats data; two functions of one name at
 * different addresses are ambiguous and said so. Names that no module has are remembered until
 * something changes, so that a loop over an unresolved name costs nothing.
 */
#include "sym/priv.h"

#include "base/wild.h"

#include <stdlib.h>

enum { MATCH_MAX = 4 << 20, COMPLETE_SCAN_MAX = 4096 };

static void sym_of(sym_mod *m, const sym_rec *r, sym *ret)
{
	*ret = (sym){.mod = m,
		.name = r->name,
		.raw = r->raw,
		.kind = r->kind,
		.code = r->code,
		.is_static = r->is_static,
		.addr = r->kind == SYM_K_CONST ? r->value : m->base + r->rva,
		.size = r->size,
		.type = {r->type ? m->file : NULL, r->type}};
}

/* ---- one name ---- */

typedef struct pick {
	sym_mod *m;
	sym best;
	int rank; /* 0: nothing yet */
	bool ambiguous;
} pick;

static int rank_of(sym_kind k)
{
	switch (k) {
	case SYM_K_FUNC:
		return 5;
	case SYM_K_DATA:
		return 4;
	case SYM_K_PUBLIC:
	case SYM_K_EXPORT:
	case SYM_K_LABEL:
		return 3;
	case SYM_K_CONST:
		return 1;
	default:
		return 0;
	}
}

static bool pick_one(void *u, const sym_rec *r)
{
	pick *p = u;
	uint32_t opts = p->m->store->options;
	int rank = rank_of(r->kind);
	sym_rec full = *r;
	if (!rank || ((opts & SYMOPT_PUBLICS_ONLY) && rank > 3) ||
		((opts & SYMOPT_NO_PUBLICS) && r->kind == SYM_K_PUBLIC))
		return true;
	if (r->kind != SYM_K_CONST && r->rva == SYM_NO_RVA) {
		p->m->file->ops->fill(p->m->file, &full);
		if (full.rva == SYM_NO_RVA)
			return true;
	}
	if (rank < p->rank)
		return true;
	sym s;
	sym_of(p->m, &full, &s);
	if (rank == p->rank) {
		if (s.addr != p->best.addr)
			p->ambiguous = true;
		else if (!p->best.type.file && s.type.file)
			p->best = s; /* the fuller of two records */
		return true;
	}
	p->ambiguous = false;
	p->rank = rank;
	p->best = s;
	return true;
}

/* "a__b" may mean "a::b". */
static bool with_colons(arena *a, str name, str *ret)
{
	buf b;
	bool any = false;
	buf_init(&b, 65536);
	for (size_t i = 0; i < name.n; i++) {
		if (i && i + 2 < name.n && name.p[i] == '_' && name.p[i + 1] == '_' &&
			name.p[i - 1] != '_' && name.p[i + 2] != '_') {
			buf_addz(&b, "::");
			any = true;
			i++;
		} else {
			buf_addc(&b, name.p[i]);
		}
	}
	*ret = str_dup(a, buf_str(&b));
	buf_deinit(&b);
	return any;
}

static err find_in(sym_mod *m, str name, sym *ret, diag *d)
{
	sym_file *f;
	TRY(sym_mod_file(m, &f, d));
	bool fold = m->store->options & SYMOPT_CASE_INSENSITIVE;
	pick p = {.m = m};
	err e = f->ops->find(f, name, fold, pick_one, &p);
	if (e != ERR_OK && e != ERR_NOTFOUND)
		return diag_add(d, e, "symbols of %.*s", STR_ARG(m->name));
	if (!p.rank) {
		arena a;
		arena_init(&a);
		str other;
		if (with_colons(&a, name, &other))
			e = f->ops->find(f, other, fold, pick_one, &p);
		arena_deinit(&a);
		if (e == ERR_CANCELLED)
			return diag_set(d, e, "cancelled");
	}
	if (!p.rank)
		return diag_set(
			d, ERR_NOTFOUND, "no symbol %.*s in %.*s", STR_ARG(name), STR_ARG(m->name));
	*ret = p.best;
	if (p.ambiguous)
		return diag_set(d, ERR_AMBIGUOUS, "%.*s!%.*s has several addresses",
			STR_ARG(m->name), STR_ARG(name));
	return ERR_OK;
}

static bool split(str name, str *mod, str *rest)
{
	size_t bang = str_chr(name, '!');
	if (bang == SIZE_MAX) {
		*mod = (str){0};
		*rest = name;
		return false;
	}
	*mod = str_trim(str_take(name, bang));
	*rest = str_trim(str_skip(name, bang + 1));
	return mod->n > 0;
}

static void module_sym(sym_mod *m, sym *ret)
{
	*ret = (sym){.mod = m,
		.name = m->name,
		.raw = m->name,
		.kind = SYM_K_PUBLIC,
		.addr = m->base,
		.size = m->size};
}

/* All modules in scope: loaded ones, then the module of that name, then the deferred ones. */
static err find_anywhere(sym_store *s, str name, bool plain, sym *ret, diag *d)
{
	sym_mod *m;
	err e;
	for (size_t i = 0; (m = sym_mod_nth(s, i)); i++) {
		if (!m->file)
			continue;
		e = find_in(m, name, ret, d);
		if (e != ERR_NOTFOUND)
			return e;
	}
	if (plain && (m = sym_mod_find(s, name))) {
		module_sym(m, ret);
		return ERR_OK;
	}
	if (s->options & SYMOPT_NO_UNQUALIFIED_LOADS)
		return diag_set(d, ERR_NOTFOUND, "no symbol %.*s", STR_ARG(name));
	for (size_t i = 0; (m = sym_mod_nth(s, i)); i++) {
		if (m->status != SYM_DEFERRED)
			continue;
		e = find_in(m, name, ret, d);
		if (e != ERR_NOTFOUND)
			return e;
	}
	return diag_set(d, ERR_NOTFOUND, "no symbol %.*s", STR_ARG(name));
}

err sym_find(sym_store *s, str name, sym *ret, diag *d)
{
	str mod, rest;
	name = str_trim(name);
	bool has_mod = split(name, &mod, &rest);
	if (!rest.n)
		return diag_set(d, ERR_NOTFOUND, "no symbol name in %.*s", STR_ARG(name));
	if (has_mod) {
		sym_mod *m = sym_mod_find(s, mod);
		if (!m)
			return diag_set(d, ERR_NOTFOUND, "no module %.*s", STR_ARG(mod));
		return find_in(m, rest, ret, d);
	}
	if (s->unknown_gen != s->generation) {
		map_clear(&s->unknown);
		s->unknown_gen = s->generation;
	}
	if (map_hass(&s->unknown, rest))
		return diag_set(d, ERR_NOTFOUND, "no symbol %.*s", STR_ARG(rest));
	err e = find_anywhere(s, rest, name.p[0] != '!', ret, d);
	if (e == ERR_NOTFOUND && s->unknown.live < 4096) {
		if (s->unknown_gen != s->generation)
			map_clear(&s->unknown);
		s->unknown_gen = s->generation;
		map_sets(&s->unknown, rest, s);
	}
	return e;
}

/* ---- addresses ---- */

static err mod_for(sym_store *s, uint64_t addr, sym_mod **m, sym_file **f)
{
	*m = sym_mod_at(s, addr);
	if (!*m || addr - (*m)->base > UINT32_MAX - 1)
		return ERR_NOTFOUND;
	return sym_mod_file(*m, f, NULL);
}

err sym_at(sym_store *s, uint64_t addr, sym *ret, uint64_t *disp)
{
	sym_mod *m;
	sym_file *f;
	sym_rec r;
	uint32_t off;
	TRY(mod_for(s, addr, &m, &f));
	TRY(f->ops->at(f, (uint32_t)(addr - m->base), &r, &off));
	sym_of(m, &r, ret);
	*disp = off;
	return ERR_OK;
}

err sym_after(sym_store *s, uint64_t addr, sym *ret, uint64_t *disp)
{
	sym_mod *m;
	sym_file *f;
	sym_rec r;
	uint32_t off;
	TRY(mod_for(s, addr, &m, &f));
	TRY(f->ops->after(f, (uint32_t)(addr - m->base), &r, &off));
	sym_of(m, &r, ret);
	*disp = off;
	return ERR_OK;
}

typedef struct exact_ctx {
	sym_mod *m;
	VEC(sym) v;
} exact_ctx;

static bool exact_one(void *u, const sym_rec *r)
{
	exact_ctx *x = u;
	sym s;
	sym_of(x->m, r, &s);
	for (size_t i = 0; i < x->v.n; i++)
		if (str_eq(x->v.p[i].name, s.name))
			return true;
	vec_push(&x->v, s);
	return x->v.n < 64;
}

err sym_names_at(sym_store *s, arena *a, uint64_t addr, sym **ret, size_t *n_ret)
{
	exact_ctx x = {0};
	sym_file *f;
	TRY(mod_for(s, addr, &x.m, &f));
	err e = f->ops->exact ? f->ops->exact(f, (uint32_t)(addr - x.m->base), exact_one, &x)
			      : ERR_NOTFOUND;
	if (e == ERR_OK) {
		*ret = arena_dup(a, x.v.n ? (void *)x.v.p : "", x.v.n * sizeof(sym));
		*n_ret = x.v.n;
	}
	vec_deinit(&x.v);
	return e;
}

bool sym_format(sym_store *s, uint64_t addr, buf *out)
{
	sym x;
	uint64_t disp;
	if (sym_at(s, addr, &x, &disp) == ERR_OK) {
		buf_addf(out, "%.*s!%.*s", STR_ARG(x.mod->name), STR_ARG(x.name));
		if (disp)
			buf_addf(out, "+0x%llx", (unsigned long long)disp);
		return true;
	}
	sym_mod *m = sym_mod_at(s, addr);
	if (!m)
		return false;
	buf_adds(out, m->name);
	if (addr != m->base)
		buf_addf(out, "+0x%llx", (unsigned long long)(addr - m->base));
	return true;
}

err sym_func_at(sym_store *s, uint64_t pc, sym_func *ret)
{
	sym_mod *m = sym_mod_at(s, pc);
	sym_file *f;
	sym_rec r;
	if (!m || pc - m->base > UINT32_MAX - 1)
		return ERR_NOTFOUND;
	err e = sym_mod_file(m, &f, NULL);
	if (e == ERR_CANCELLED)
		return e;
	if (e == ERR_OK && f->ops->func &&
		f->ops->func(f, (uint32_t)(pc - m->base), &r) == ERR_OK) {
		*ret = (sym_func){.begin = m->base + r.rva, .end = m->base + r.rva + r.size};
		sym_line l;
		if (r.prolog)
			ret->prolog_end = ret->begin + r.prolog;
		else if (f->ops->line_at && f->ops->line_at(f, r.rva, &l) == ERR_OK &&
			 l.addr + l.size < r.rva + r.size)
			/* compilers that do not tell: the prolog is what the opening line covers */
			ret->prolog_end = m->base + l.addr + l.size;
		sym_of(m, &r, &ret->sym);
		return ERR_OK;
	}
	/* no private symbols: the unwind data know where functions begin and end */
	uint64_t base, disp;
	uint32_t begin, end, unwind;
	sym x;
	TRY(sym_unwind_func(s, pc, &base, &begin, &end, &unwind));
	sym_func fn = {.begin = base + begin, .end = base + end};
	if (sym_at(s, pc, &x, &disp) == ERR_OK)
		fn.sym = x;
	else
		fn.sym = (sym){.mod = m, .kind = SYM_K_PUBLIC, .code = true, .addr = fn.begin};
	*ret = fn;
	return ERR_OK;
}

/* ---- patterns ---- */

/* No wildcard at all: the file's own hash knows. */
static bool is_exact(str pattern)
{
	return !str_has_wild(pattern) && pattern.n && pattern.p[0] != '_' &&
	       str_chr(pattern, '\\') == SIZE_MAX;
}

typedef struct matching {
	sym_mod *m;
	const wild *p;
	bool exact;
	unsigned flags;
	sym_list *out;
	size_t looked;
	bool toobig;
} matching;

static void list_push(sym_list *l, const sym *s)
{
	vec_grow_((void **)&l->p, &l->cap, l->n + 1, sizeof *l->p);
	l->p[l->n++] = *s;
}

static bool wanted_kind(const matching *x, const sym_rec *r)
{
	uint32_t opts = x->m->store->options;
	if (r->kind == SYM_K_TYPEDEF || ((opts & SYMOPT_PUBLICS_ONLY) && rank_of(r->kind) > 3) ||
		((opts & SYMOPT_NO_PUBLICS) && r->kind == SYM_K_PUBLIC))
		return false;
	bool func = r->code, any = x->flags & (SYM_M_FUNC | SYM_M_DATA);
	return !any || (func && (x->flags & SYM_M_FUNC)) || (!func && (x->flags & SYM_M_DATA));
}

static bool match_one(void *u, const sym_rec *r)
{
	matching *x = u;
	if ((++x->looked & 4095) == 0 && cancelled(x->m->store->host.cancel))
		return false;
	if (!x->exact && !wild_match(x->p, r->name))
		return true;
	sym_rec full = *r;
	x->m->file->ops->fill(x->m->file, &full);
	if ((full.rva == SYM_NO_RVA && full.kind != SYM_K_CONST) || !wanted_kind(x, &full))
		return true;
	if (x->out->n >= MATCH_MAX) {
		x->toobig = true;
		return false;
	}
	full.name = r->raw; /* merge() undecorates what it keeps */
	sym s;
	sym_of(x->m, &full, &s);
	list_push(x->out, &s);
	return true;
}

static int cmp_addr(const void *a, const void *b)
{
	const sym *x = a, *y = b;
	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	int r = rank_of(y->kind) - rank_of(x->kind);
	return r ? r : str_icmp(x->name, y->name);
}

static int cmp_name(const void *a, const void *b)
{
	const sym *x = a, *y = b;
	int r = str_icmp(x->mod->name, y->mod->name);
	if (!r)
		r = str_icmp(x->name, y->name);
	return r ? r : cmp_addr(a, b);
}

/*
 * What stands at one address, [*at, end), to the end of what is kept, n. A decorated public is
 * dropped where a private record stands, the same name twice is one.
 */
static size_t merge_run(sym_list *l, size_t n, size_t at, size_t end, map *seen)
{
	enum { FEW = 16 };
	size_t from = n;
	bool private = false;
	for (size_t i = at; i < end; i++)
	private |= rank_of(l->p[i].kind) > 3;
	for (size_t i = at; i < end; i++) {
		sym *s = &l->p[i];
		if (private && s->kind == SYM_K_PUBLIC && s->raw.n && s->raw.p[0] == '?')
			continue;
		l->p[n] = *s;
		l->p[n].name = sym_file_undec(s->mod->file, s->raw);
		n++;
	}
	if (n - from < 2)
		return n;
	qsort(l->p + from, n - from, sizeof *l->p, cmp_addr);
	size_t kept = from;
	bool many = n - from > FEW;
	for (size_t i = from; i < n; i++) {
		const sym *s = &l->p[i];
		bool same = many && map_hass(seen, s->name);
		for (size_t j = kept; j > from && !same && !many; j--)
			same = str_eq(l->p[j - 1].name, s->name);
		if (many && !same)
			map_sets(seen, s->name, l);
		if (!same)
			l->p[kept++] = *s;
	}
	if (many)
		map_clear(seen);
	return kept;
}

static int cmp_place(const void *a, const void *b)
{
	const sym *x = a, *y = b;
	bool xc = x->kind == SYM_K_CONST, yc = y->kind == SYM_K_CONST;
	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return xc - yc;
}

/* By address, without what is there twice. A constant's value is no address. */
static void merge(sym_list *l, size_t from)
{
	map seen;
	size_t n = from, end;
	if (l->n == from)
		return;
	qsort(l->p + from, l->n - from, sizeof *l->p, cmp_place);
	map_init(&seen);
	for (size_t i = from; i < l->n; i = end) {
		for (end = i + 1; end < l->n && !cmp_place(&l->p[i], &l->p[end]);)
			end++;
		n = merge_run(l, n, i, end, &seen);
	}
	map_deinit(&seen);
	l->n = n;
}

static err match_in(matching *x, diag *d)
{
	sym_file *f;
	err e = sym_mod_file(x->m, &f, d);
	if (e == ERR_NOTFOUND || e == ERR_FAULT)
		return ERR_OK;
	TRY(e);
	size_t from = x->out->n;
	if (x->exact)
		e = f->ops->find(f, x->p->pattern, true, match_one, x);
	else
		e = f->ops->each(f, x->p->pattern, match_one, x);
	if (e == ERR_NOTFOUND)
		e = ERR_OK;
	if (cancelled(x->m->store->host.cancel))
		e = diag_set(d, ERR_CANCELLED, "cancelled");
	else if (e != ERR_OK)
		e = diag_add(d, e, "symbols of %.*s", STR_ARG(x->m->name));
	merge(x->out, from);
	return e;
}

err sym_match(sym_store *s, str text, unsigned flags, sym_list *ret, diag *d)
{
	str mod, rest;
	bool has_mod = split(str_trim(text), &mod, &rest);
	if (!rest.n)
		rest = STR("*");
	wild p;
	wild_init(&p, rest, true);
	sym_list l = {0};
	matching x = {.p = &p, .exact = is_exact(rest), .flags = flags, .out = &l};
	err e = ERR_OK;
	bool any = false;
	for (size_t i = 0; e == ERR_OK && (x.m = sym_mod_nth(s, i)); i++) {
		if (has_mod && !str_wild(mod, x.m->name, false) &&
			!str_wild(mod, x.m->image, false))
			continue;
		any = true;
		if (!x.m->file && (flags & SYM_M_NOLOAD))
			continue;
		e = match_in(&x, d);
	}
	if (e == ERR_OK && has_mod && !any)
		e = diag_set(d, ERR_NOTFOUND, "no module %.*s", STR_ARG(mod));
	if (e == ERR_OK && x.toobig)
		e = diag_set(d, ERR_LIMIT, "more than %d symbols match", MATCH_MAX);
	if (e != ERR_OK) {
		sym_list_deinit(&l);
		return e;
	}
	if (l.n && (flags & (SYM_M_SORT_NAME | SYM_M_SORT_ADDR)))
		qsort(l.p, l.n, sizeof *l.p, flags & SYM_M_SORT_NAME ? cmp_name : cmp_addr);
	*ret = l;
	return ERR_OK;
}

void sym_list_deinit(sym_list *l)
{
	mem_free(l->p);
	*l = (sym_list){0};
}

/* ---- completion ---- */

typedef struct completing {
	sym_mod *m;
	bool qualified;
	str prefix;
	arena *a;
	VEC(str) v;
} completing;

static bool complete_one(void *u, const sym_rec *r)
{
	completing *x = u;
	str name = r->name.n ? r->name : sym_file_undec(x->m->file, r->raw);
	if (r->kind == SYM_K_TYPEDEF || !str_istarts(name, x->prefix))
		return true;
	str s = x->qualified ? str_printf(x->a, "%.*s!%.*s", STR_ARG(x->m->name), STR_ARG(name))
			     : str_dup(x->a, name);
	vec_push(&x->v, s);
	return x->v.n < COMPLETE_SCAN_MAX && !cancelled(x->m->store->host.cancel);
}

static bool complete_type(void *u, str name, uint32_t id)
{
	completing *x = u;
	if (!name.n || !str_istarts(name, x->prefix))
		return true;
	str s = x->qualified ? str_printf(x->a, "%.*s!%.*s", STR_ARG(x->m->name), STR_ARG(name))
			     : str_dup(x->a, name);
	vec_push(&x->v, s);
	return x->v.n < COMPLETE_SCAN_MAX && !cancelled(x->m->store->host.cancel);
}

static int cmp_str(const void *a, const void *b)
{
	return str_icmp(*(const str *)a, *(const str *)b);
}

err sym_complete(sym_store *s, arena *a, str prefix, size_t max, str **ret, size_t *n_ret)
{
	str mod, rest;
	bool has_mod = split(prefix, &mod, &rest);
	completing x = {.qualified = has_mod, .prefix = rest, .a = a};
	str pattern = str_printf(a, "%.*s*", STR_ARG(rest));
	for (size_t i = 0; (x.m = sym_mod_nth(s, i)); i++) {
		sym_file *f;
		if (has_mod ? !str_ieq(mod, x.m->name) : !x.m->file) {
			if (!has_mod && str_istarts(x.m->name, rest))
				vec_push(&x.v, str_printf(a, "%.*s!", STR_ARG(x.m->name)));
			continue;
		}
		if (!has_mod && str_istarts(x.m->name, rest))
			vec_push(&x.v, str_printf(a, "%.*s!", STR_ARG(x.m->name)));
		if ((!has_mod && !rest.n) || sym_mod_file(x.m, &f, NULL) != ERR_OK)
			continue;
		if (f->ops->each(f, pattern, complete_one, &x) != ERR_OK)
			break;
		if (rest.n && f->ops->type_each &&
			f->ops->type_each(f, complete_type, &x) != ERR_OK)
			break;
	}
	if (x.v.n)
		qsort(x.v.p, x.v.n, sizeof *x.v.p, cmp_str);
	size_t n = 0;
	for (size_t i = 0; i < x.v.n; i++)
		if (!n || !str_eq(x.v.p[n - 1], x.v.p[i]))
			x.v.p[n++] = x.v.p[i];
	n = n < max ? n : max;
	*ret = arena_dup(a, n ? (void *)x.v.p : "", n * sizeof(str));
	*n_ret = n;
	vec_deinit(&x.v);
	return ERR_OK;
}

/* ---- lines ---- */

err sym_line_at(sym_store *s, uint64_t addr, sym_line *ret)
{
	sym_mod *m;
	sym_file *f;
	TRY(mod_for(s, addr, &m, &f));
	if (!f->ops->line_at)
		return ERR_NOTFOUND;
	TRY(f->ops->line_at(f, (uint32_t)(addr - m->base), ret));
	ret->addr += m->base;
	return ERR_OK;
}

typedef struct lines {
	arena *a;
	uint64_t *p;
	size_t n;
	bool exact;
} lines;

static err lines_in(sym_mod *m, str file, uint32_t line, lines *x, diag *d)
{
	sym_file *f;
	uint64_t *p;
	size_t n;
	bool exact;
	TRY(sym_mod_file(m, &f, d));
	if (!f->ops->line_find)
		return ERR_NOTFOUND;
	TRY(f->ops->line_find(f, x->a, file, line, &p, &n, &exact));
	if (x->n && x->exact && !exact)
		return ERR_OK; /* another module has the very line */
	if (x->n && exact && !x->exact)
		x->n = 0;
	uint64_t *all = arena_array(x->a, x->n + n, sizeof *all);
	memcpy(all, x->p, x->n * sizeof *all);
	for (size_t i = 0; i < n; i++)
		all[x->n + i] = m->base + p[i];
	x->p = all;
	x->n += n;
	x->exact = exact;
	return ERR_OK;
}

err sym_line_find(sym_store *s, arena *a, str mod, str file, uint32_t line, uint64_t **ret,
	size_t *n_ret, bool *exact, diag *d)
{
	lines x = {.a = a, .p = (uint64_t *)arena_alloc(a, sizeof(uint64_t))};
	sym_mod *m;
	/* loaded modules first; deferred ones only if these do not have it */
	for (int pass = 0; pass < 2 && !x.n; pass++)
		for (size_t i = 0; (m = sym_mod_nth(s, i)); i++) {
			bool want = mod.n ? str_ieq(mod, m->name) || str_ieq(mod, m->image)
					  : (pass == 0) == (m->file != NULL);
			if (!want || (pass && !mod.n &&
					     (m->status != SYM_DEFERRED ||
						     (s->options & SYMOPT_NO_UNQUALIFIED_LOADS))))
				continue;
			err e = lines_in(m, file, line, &x, d);
			if (e == ERR_CANCELLED)
				return e;
		}
	if (!x.n)
		return diag_set(d, ERR_NOTFOUND, "no code for %.*s:%u", STR_ARG(file), line);
	*ret = x.p;
	*n_ret = x.n;
	*exact = x.exact;
	return ERR_OK;
}

err sym_source_each(sym_mod *m, bool (*fn)(void *u, str path), void *u)
{
	sym_file *f;
	TRY(sym_mod_file(m, &f, NULL));
	return f->ops->source_each ? f->ops->source_each(f, fn, u) : ERR_NOTFOUND;
}

/* ---- locals ---- */

static err locals_any(
	sym_store *s, arena *a, uint64_t pc, bool whole, sym_local **ret, size_t *n_ret, diag *d)
{
	sym_mod *m = sym_mod_at(s, pc);
	sym_file *f;
	if (!m || pc - m->base > UINT32_MAX - 1)
		return diag_set(d, ERR_NOTFOUND, "no module at %llx", (unsigned long long)pc);
	TRY(sym_mod_file(m, &f, d));
	if (!f->ops->locals || m->status != SYM_PRIVATE)
		return diag_set(d, ERR_NOTFOUND, "no private symbols for %.*s", STR_ARG(m->name));
	err e = f->ops->locals(f, a, (uint32_t)(pc - m->base), whole, ret, n_ret);
	if (e != ERR_OK)
		return diag_set(d, e, "no private symbols for this function");
	for (size_t i = 0; i < *n_ret; i++)
		if ((*ret)[i].loc == SYM_LOC_STATIC)
			(*ret)[i].addr += m->base;
	return ERR_OK;
}

err sym_locals(sym_store *s, arena *a, uint64_t pc, sym_local **ret, size_t *n_ret, diag *d)
{
	return locals_any(s, a, pc, false, ret, n_ret, d);
}

err sym_locals_all(sym_store *s, arena *a, uint64_t pc, sym_local **ret, size_t *n_ret, diag *d)
{
	return locals_any(s, a, pc, true, ret, n_ret, d);
}

err sym_inlines(sym_store *s, arena *a, uint64_t pc, sym_inline **ret, size_t *n_ret)
{
	sym_mod *m;
	sym_file *f;
	TRY(mod_for(s, pc, &m, &f));
	if (!f->ops->inlines)
		return ERR_NOTFOUND;
	TRY(f->ops->inlines(f, a, (uint32_t)(pc - m->base), ret, n_ret));
	for (size_t i = 0; i < *n_ret; i++) {
		(*ret)[i].begin += m->base;
		(*ret)[i].end += m->base;
	}
	return ERR_OK;
}
