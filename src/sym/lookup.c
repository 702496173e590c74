/*
 * lookup: from names to addresses and back, over the modules in scope.
 *
 * One name may have several records: a private function, its public, the same once per object
 * file. A private record beats a public one, a function beats data; two functions of one name at
 * different addresses are ambiguous and said so. Names that no module has are remembered until
 * something changes, so that a loop over an unresolved name costs nothing.
 */
#include "sym/elffile.h"

#include "base/reader.h"
#include "base/wild.h"
#include "fmt/respell.h"

#include <stdlib.h>

enum { MATCH_MAX = 4 << 20, COMPLETE_SCAN_MAX = 4096 };

static uint64_t tls_addr(sym_mod *m, uint64_t place)
{
	uint64_t block;
	return sym_tls_block(m, &block, NULL) == ERR_OK ? block + place : 0;
}

static void sym_of(sym_mod *m, const sym_rec *r, sym *ret)
{
	*ret = (sym){.mod = m,
		.name = r->name,
		.raw = r->raw,
		.kind = r->kind,
		.code = r->code,
		.is_static = r->is_static,
		.tls = r->tls,
		.addr = r->kind == SYM_K_CONST ? r->value
			: r->tls	       ? tls_addr(m, r->value)
					       : m->base + r->rva,
		.size = r->size,
		.type = {r->type ? m->file : NULL, r->type}};
}

/* ---- one name ---- */

typedef struct pick {
	sym_mod *m;
	sym best;
	int rank; /* 0: nothing yet */
	bool ambiguous;
	bool nowhere; /* the current thread has none of it */
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
	if (r->kind != SYM_K_CONST && r->rva == SYM_NO_RVA && !r->tls) {
		p->m->file->ops->fill(p->m->file, &full);
		if (full.rva == SYM_NO_RVA)
			return true;
	}
	if (rank < p->rank)
		return true;
	sym s;
	sym_of(p->m, &full, &s);
	if (s.tls && !s.addr) {
		p->nowhere = true;
		return true;
	}
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
	if (!p.rank && p.nowhere) {
		uint64_t block;
		err why = sym_tls_block(m, &block, d);
		return diag_add(d, why == ERR_OK ? ERR_STATE : why, "%.*s!%.*s is thread-local",
			STR_ARG(m->name), STR_ARG(name));
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

/* In the modules that are loaded or that are not, in order; table_only: debug information that
 * would have to be indexed is not asked. ERR_NOTFOUND: in none. */
static err find_pass(sym_store *s, str name, bool loaded, bool table_only, sym *ret, diag *d)
{
	sym_mod *m;
	err e = ERR_NOTFOUND;
	s->table_only = table_only;
	for (size_t i = 0; e == ERR_NOTFOUND && (m = sym_mod_nth(s, i)); i++)
		if (loaded ? m->file != NULL : m->status == SYM_DEFERRED)
			e = find_in(m, name, ret, d);
	s->table_only = false;
	return e;
}

/*
 * All modules in scope: loaded ones, then the module of that name, then the deferred ones. Symbol
 * tables first: a name that one of them has is found without any module's DWARF being opened.
 */
static err find_anywhere(sym_store *s, str name, bool plain, sym *ret, diag *d)
{
	sym_mod *m;
	err e = find_pass(s, name, true, true, ret, d);
	if (e != ERR_NOTFOUND)
		return e;
	m = plain ? sym_mod_find(s, name) : NULL;
	bool load = !m && !(s->options & SYMOPT_NO_UNQUALIFIED_LOADS);
	if (load) {
		e = find_pass(s, name, false, true, ret, d);
		if (e != ERR_NOTFOUND)
			return e;
	}
	e = find_pass(s, name, true, false, ret, d);
	if (e != ERR_NOTFOUND)
		return e;
	if (m) {
		module_sym(m, ret);
		return ERR_OK;
	}
	return diag_set(d, ERR_NOTFOUND, "no symbol %.*s", STR_ARG(name));
}

static err find_name(sym_store *s, str name, sym *ret, diag *d)
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

err sym_find(sym_store *s, str name, sym *ret, diag *d)
{
	err e = find_name(s, name, ret, d);
	unsigned style = 0;
	buf b;
	buf_init(&b, 65536);
	while (e == ERR_NOTFOUND && respell_next(name, &style, &b))
		e = find_name(s, buf_str(&b), ret, NULL);
	buf_deinit(&b);
	if (e == ERR_OK && d)
		diag_clear(d);
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

err sym_before(sym_store *s, uint64_t addr, sym *ret, uint64_t *disp)
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

err sym_at(sym_store *s, uint64_t addr, sym *ret, uint64_t *disp)
{
	sym x;
	uint64_t off, begin, end;
	TRY(sym_before(s, addr, &x, &off));
	/* behind its end, in a function that has no name: a stripped file's */
	if (x.code && x.size && off >= x.size &&
		sym_cfi_func(x.mod, addr, &begin, &end) == ERR_OK && begin > x.addr)
		return ERR_NOTFOUND;
	*ret = x;
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
		buf_adds(out, x.mod->name);
		buf_addc(out, '!');
		buf_adds(out, x.name);
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
	sym_func fn = {0};
	if (sym_cfi_func(m, pc, &fn.begin, &fn.end) != ERR_OK) {
		TRY(sym_unwind_func(s, pc, &base, &begin, &end, &unwind));
		fn.begin = base + begin;
		fn.end = base + end;
	}
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
	if ((full.rva == SYM_NO_RVA && full.kind != SYM_K_CONST && !full.tls) ||
		!wanted_kind(x, &full))
		return true;
	if (x->full.n + x->places.n >= MATCH_MAX) {
		x->toobig = true;
		return false;
	}
	full.name = r->raw; /* give_run() undecorates what it keeps */
	sym s;
	sym_of(x->m, &full, &s);
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
 * What stands at one address: a decorated public is dropped where a private record stands, the same
 * name twice is one.
 */
static void give_run(matching *x, sym *p, size_t n, map *seen)
{
	enum { FEW = 16 };
	bool private = false, many;
	size_t kept = 0;
	for (size_t i = 0; i < n; i++)
	private = private || rank_of(p[i].kind) > 3;
	for (size_t i = 0; i < n; i++) {
		if (private && p[i].kind == SYM_K_PUBLIC && p[i].raw.n && p[i].raw.p[0] == '?')
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
			sym_of(x->m, &r, s);
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
	bool has_mod = split(str_trim(text), &mod, &rest), any = false;
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
		err e = ERR_OK;
		if (rest.n && f->ops->type_like)
			e = f->ops->type_like(f, pattern, complete_type, &x);
		else if (rest.n && f->ops->type_each)
			e = f->ops->type_each(f, complete_type, &x);
		if (e != ERR_OK && e != ERR_NOTFOUND)
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
	for (size_t i = 0; i < *n_ret; i++) {
		if ((*ret)[i].loc == SYM_LOC_STATIC)
			(*ret)[i].addr += m->base;
		else if ((*ret)[i].loc == SYM_LOC_EXPR)
			(*ret)[i].addr = m->base;
	}
	return ERR_OK;
}

err sym_local_place(sym_store *s, const sym_local *l, const x64_regs *regs, const mem_reader *mem,
	sym_place *ret, diag *d)
{
	sym_place p = {0};
	const x64_reg *reg;
	switch (l->loc) {
	case SYM_LOC_REG:
		p.kind = SYM_PLACE_REG;
		memcpy(p.reg, l->reg, sizeof p.reg);
		break;
	case SYM_LOC_REGREL:
		reg = x64_reg_find(str_of(l->reg));
		if (!reg)
			return diag_set(d, ERR_UNSUPPORTED, "no register %s", l->reg);
		p.kind = SYM_PLACE_MEM;
		p.addr = x64_reg_get(regs, reg) + (uint64_t)l->off;
		break;
	case SYM_LOC_STATIC:
		p.kind = SYM_PLACE_MEM;
		p.addr = l->addr;
		break;
	case SYM_LOC_CONST:
		p.kind = SYM_PLACE_BYTES;
		p.n = 8;
		put64(p.bytes, l->addr);
		break;
	case SYM_LOC_EXPR:
		if (l->type.file && l->type.file->ops->local_place)
			return l->type.file->ops->local_place(
				l->type.file, l, l->addr, regs, mem, ret, d);
		return diag_set(d, ERR_NOTFOUND, "%.*s has no type", STR_ARG(l->name));
	default:
		return diag_set(d, ERR_NOTFOUND, "%.*s is optimised away", STR_ARG(l->name));
	}
	*ret = p;
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
