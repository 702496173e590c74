/*
 * match: every symbol that a pattern matches, by address and without doubles, and the names that
 * may follow what was typed.
 *
 * A pattern over a large module has half a million matches: until they are sorted each is kept in
 * 16 bytes, and its record is read again when it is given.
 */
#include "base/wild.h"
#include "sym/priv.h"

#include <stdlib.h>

enum { MATCH_MAX = 4 << 20, COMPLETE_SCAN_MAX = 4096 };

/* No wildcard at all: the file's own hash knows. */
static bool is_exact(str pattern)
{
	return !str_has_wild(pattern) && pattern.n && pattern.p[0] != '_' &&
	       str_chr(pattern, '\\') == SIZE_MAX;
}

/*
 * A match until everything is sorted: where it stands, and what the file needs to tell it once
 * more. Half a million of them are common, so this is small.
 */
typedef struct place {
	uint64_t addr; /* SYM_K_CONST: the value */
	uint32_t at;
	uint32_t mod : 31; /* NO_MOD for PDB_NO_MOD */
	uint32_t constant : 1;
} place;
enum { NO_MOD = 0x7fffffff };

typedef struct matching {
	sym_mod *m;
	const wild *p;
	bool exact;
	unsigned flags;
	VEC(place) places; /* of a file that can tell records again */
	sym_list full;	   /* of others */
	size_t looked;
	bool toobig;
	/* where they go */
	sym_each_fn *fn;
	void *u;
	bool keep; /* names stay as long as the file */
	bool stop;
	arena names; /* of what is given at a time, unless they are kept */
} matching;

static void list_push(sym_list *l, const sym *s)
{
	vec_grow_((void **)&l->p, &l->cap, l->n + 1, sizeof *l->p);
	l->p[l->n++] = *s;
}

static bool wanted_kind(const matching *x, const sym_rec *r)
{
	if (r->kind == SYM_K_TYPEDEF || sym_kind_off(x->m->store, r->kind))
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
	if ((full.rva == SYM_NO_RVA && full.kind != SYM_K_CONST && !full.tls) ||
		!wanted_kind(x, &full))
		return true;
	if (x->full.n + x->places.n >= MATCH_MAX) {
		x->toobig = true;
		return false;
	}
	full.name = r->raw; /* give_run() undecorates what it keeps */
	sym s;
	sym_of_rec(x->m, &full, &s);
	if (x->m->file->ops->again) {
		place p = {.addr = s.addr,
			.at = r->pdb.at,
			.mod = r->pdb.mod & NO_MOD,
			.constant = s.kind == SYM_K_CONST};
		vec_push(&x->places, p);
	} else {
		list_push(&x->full, &s);
	}
	return true;
}

static int cmp_addr(const void *a, const void *b)
{
	const sym *x = a, *y = b;
	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	int r = sym_rank(y->kind) - sym_rank(x->kind);
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
 * What stands at one address: a decorated public is dropped where a private record stands, the same
 * name twice is one.
 */
static void give_run(matching *x, sym *p, size_t n, map *seen)
{
	enum { FEW = 16 };
	bool has_private = false, many;
	size_t kept = 0;
	for (size_t i = 0; i < n; i++)
		has_private |= sym_rank(p[i].kind) > SYM_RANK_PUBLIC;
	for (size_t i = 0; i < n; i++) {
		if (has_private && p[i].kind == SYM_K_PUBLIC && p[i].raw.n && p[i].raw.p[0] == '?')
			continue;
		sym s = p[i];
		s.name = x->keep ? sym_file_undec(s.mod->file, s.raw)
				 : sym_file_undec_in(s.mod->file, s.raw, &x->names);
		p[kept++] = s;
	}
	n = kept;
	if (n > 1)
		qsort(p, n, sizeof *p, cmp_addr);
	many = n > FEW;
	for (size_t i = 0; i < n && !x->stop; i++) {
		const sym *s = &p[i];
		bool same = many && map_hass(seen, s->name);
		for (size_t j = i; j > 0 && !same && !many; j--)
			same = str_eq(p[j - 1].name, s->name);
		if (many && !same)
			map_sets(seen, s->name, x);
		if (!same)
			x->stop = !x->fn(x->u, s);
	}
	if (many)
		map_clear(seen);
}

static int cmp_place(const void *a, const void *b)
{
	const place *x = a, *y = b;
	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return (int)x->constant - (int)y->constant;
}

static int cmp_sym_place(const void *a, const void *b)
{
	const sym *x = a, *y = b;
	bool xc = x->kind == SYM_K_CONST, yc = y->kind == SYM_K_CONST;
	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return xc - yc;
}

/* Everything at one address after the other. A constant's value is no address. */
static void give_syms(matching *x, sym *p, size_t n, map *seen)
{
	size_t end;
	for (size_t i = 0; i < n && !x->stop; i = end) {
		for (end = i + 1; end < n && !cmp_sym_place(&p[i], &p[end]);)
			end++;
		give_run(x, p + i, end - i, seen);
	}
}

typedef struct visit {
	uint32_t mod, at, i;
} visit;

static int cmp_visit(const void *a, const void *b)
{
	const visit *x = a, *y = b;
	if (x->mod != y->mod)
		return x->mod < y->mod ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* The records of n places, in the places' order; how many could be told again. Names that nobody
 * keeps are copied, so that the file's pages need not be there when they are shown. */
static size_t tell_again(matching *x, const place *p, visit *v, size_t n, sym *ret)
{
	size_t kept = 0;
	for (size_t i = 0; i < n; i++)
		v[i] = (visit){p[i].mod == NO_MOD ? PDB_NO_MOD : p[i].mod, p[i].at, (uint32_t)i};
	qsort(v, n, sizeof *v, cmp_visit);
	for (size_t i = 0; i < n; i++) {
		sym_rec r;
		sym *s = &ret[v[i].i];
		*s = (sym){0};
		if (x->m->file->ops->again(x->m->file, v[i].mod, v[i].at, &r) == ERR_OK) {
			r.name = r.raw = x->keep ? r.raw : str_dup(&x->names, r.raw);
			sym_of_rec(x->m, &r, s);
		}
	}
	for (size_t i = 0; i < n; i++)
		if (ret[i].mod)
			ret[kept++] = ret[i];
	return kept;
}

/*
 * By address. Records that are neighbours there are spread over the file, so many are read at a
 * time, in the file's order: each page is then touched once for all of them.
 */
static void give_places(matching *x, map *seen)
{
	enum { AT_A_TIME = 1 << 14 };
	place *p = x->places.p;
	size_t n = x->places.n, end, cap = 0;
	sym *s = NULL;
	visit *v = NULL;
	if (n)
		qsort(p, n, sizeof *p, cmp_place);
	for (size_t i = 0; i < n && !x->stop; i = end) {
		end = n - i > AT_A_TIME ? i + AT_A_TIME : n;
		while (end < n && !cmp_place(&p[end - 1], &p[end]))
			end++;
		if (end - i > cap) {
			cap = end - i;
			s = mem_realloc(s, cap * sizeof *s);
			v = mem_realloc(v, cap * sizeof *v);
		}
		arena_reset(&x->names);
		give_syms(x, s, tell_again(x, p + i, v, end - i, s), seen);
		if (cancelled(x->m->store->host.cancel))
			break;
	}
	mem_free(s);
	mem_free(v);
}

static void give_full(matching *x, map *seen)
{
	if (x->full.n)
		qsort(x->full.p, x->full.n, sizeof *x->full.p, cmp_sym_place);
	give_syms(x, x->full.p, x->full.n, seen);
}

static err match_file(matching *x, sym_file *f)
{
	if (x->exact)
		return f->ops->find(f, x->p->pattern, true, match_one, x);
	err e = f->ops->each(f, x->p->pattern, match_one, x);
	sym_store *s = x->m->store;
	if (e == ERR_OK && s->left_out && !x->places.n && !x->full.n) {
		/* all there is to say may be in what was left out */
		s->soon = s->left_out = false;
		e = f->ops->each(f, x->p->pattern, match_one, x);
	}
	return e;
}

static err match_listed(matching *x, diag *d)
{
	sym_file *f;
	map seen;
	err e = sym_mod_file(x->m, &f, d);
	if (e == ERR_NOTFOUND || e == ERR_FAULT)
		return ERR_OK;
	TRY(e);
	e = match_file(x, f);
	if (e == ERR_NOTFOUND)
		e = ERR_OK;
	if (cancelled(x->m->store->host.cancel))
		return diag_set(d, ERR_CANCELLED, "cancelled");
	if (e != ERR_OK)
		return diag_add(d, e, "symbols of %.*s", STR_ARG(x->m->name));
	if (x->toobig)
		return diag_set(d, ERR_LIMIT, "more than %d symbols match", MATCH_MAX);
	map_init(&seen);
	give_places(x, &seen);
	give_full(x, &seen);
	map_deinit(&seen);
	x->places.n = x->full.n = 0;
	return ERR_OK;
}

static err match_in(matching *x, diag *d)
{
	sym_store *s = x->m->store;
	s->left_out = false;
	s->soon = x->flags & SYM_M_SOON;
	err e = match_listed(x, d);
	s->soon = false;
	x->m->partial = s->left_out;
	return e;
}

static err match(matching *x, sym_store *s, str text, diag *d)
{
	str mod, rest;
	bool has_mod = sym_split(str_trim(text), &mod, &rest), any = false;
	if (!rest.n)
		rest = STR("*");
	wild p;
	wild_init(&p, rest, true);
	x->p = &p;
	x->exact = is_exact(rest);
	err e = ERR_OK;
	arena_init(&x->names);
	for (size_t i = 0; (x->m = sym_mod_nth(s, i)); i++)
		x->m->partial = false;
	for (size_t i = 0; e == ERR_OK && !x->stop && (x->m = sym_mod_nth(s, i)); i++) {
		if (has_mod && !str_wild(mod, x->m->name, false) &&
			!str_wild(mod, x->m->image, false))
			continue;
		any = true;
		if (!x->m->file && (x->flags & SYM_M_NOLOAD))
			continue;
		e = match_in(x, d);
	}
	if (e == ERR_OK && has_mod && !any)
		e = diag_set(d, ERR_NOTFOUND, "no module %.*s", STR_ARG(mod));
	arena_deinit(&x->names);
	vec_deinit(&x->places);
	sym_list_deinit(&x->full);
	return e;
}

err sym_match_each(sym_store *s, str pattern, unsigned flags, sym_each_fn *fn, void *u, diag *d)
{
	matching x = {.flags = flags, .fn = fn, .u = u};
	return match(&x, s, pattern, d);
}

static bool collect(void *u, const sym *s)
{
	sym_list *l = u;
	list_push(l, s);
	return true;
}

err sym_match(sym_store *s, str text, unsigned flags, sym_list *ret, diag *d)
{
	sym_list l = {0};
	matching x = {.flags = flags, .fn = collect, .u = &l, .keep = true};
	err e = match(&x, s, text, d);
	if (e == ERR_OK && l.n > MATCH_MAX)
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

/* A sym_type_fn; names of symbols come here, too. */
static bool complete_name(void *u, str name, uint32_t id)
{
	completing *x = u;
	if (!name.n || !str_istarts(name, x->prefix))
		return true;
	str s = x->qualified ? str_printf(x->a, "%.*s!%.*s", STR_ARG(x->m->name), STR_ARG(name))
			     : str_dup(x->a, name);
	vec_push(&x->v, s);
	return x->v.n < COMPLETE_SCAN_MAX && !cancelled(x->m->store->host.cancel);
}

static bool complete_one(void *u, const sym_rec *r)
{
	completing *x = u;
	if (r->kind == SYM_K_TYPEDEF)
		return true;
	return complete_name(x, r->name.n ? r->name : sym_file_undec(x->m->file, r->raw), 0);
}

static err complete_in(completing *x, sym_file *f)
{
	str pattern = str_printf(x->a, "%.*s*", STR_ARG(x->prefix));
	TRY(f->ops->each(f, pattern, complete_one, x));
	err e = ERR_OK;
	if (x->prefix.n && f->ops->type_like)
		e = f->ops->type_like(f, pattern, complete_name, x);
	else if (x->prefix.n && f->ops->type_each)
		e = f->ops->type_each(f, complete_name, x);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

static int cmp_str(const void *a, const void *b)
{
	return str_icmp(*(const str *)a, *(const str *)b);
}

err sym_complete(sym_store *s, arena *a, str prefix, size_t max, str **ret, size_t *n_ret)
{
	str mod, rest;
	bool has_mod = sym_split(prefix, &mod, &rest);
	completing x = {.qualified = has_mod, .prefix = rest, .a = a};
	for (size_t i = 0; (x.m = sym_mod_nth(s, i)); i++) {
		sym_file *f;
		if (!has_mod && str_istarts(x.m->name, rest))
			vec_push(&x.v, str_printf(a, "%.*s!", STR_ARG(x.m->name)));
		/* nothing is loaded for a name that may be anybody's */
		bool look = has_mod ? str_ieq(mod, x.m->name) : rest.n && x.m->file;
		if (look && sym_mod_file(x.m, &f, NULL) == ERR_OK && complete_in(&x, f) != ERR_OK)
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
