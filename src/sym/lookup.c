/*
 * lookup: from names to addresses and back, over the modules in scope.
 *
 * One name may have several records: a private function, its public, the same once per object
 * file. A private record beats a public one, a function beats data; two functions of one name at
 * different addresses are ambiguous and said so. Names that no module has are remembered until
 * something changes, so that a loop over an unresolved name costs nothing.
 */
#include "fmt/respell.h"
#include "sym/priv.h"

enum { UNKNOWN_MAX = 4096, SPELLING_MAX = 65536 };

static uint64_t tls_addr(sym_mod *m, uint64_t place)
{
	uint64_t block;
	return sym_tls_block(m, &block, NULL) == ERR_OK ? block + place : 0;
}

void sym_of_rec(sym_mod *m, const sym_rec *r, sym *ret)
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

int sym_rank(sym_kind k)
{
	switch (k) {
	case SYM_K_FUNC:
		return 5;
	case SYM_K_DATA:
		return 4;
	case SYM_K_PUBLIC:
	case SYM_K_EXPORT:
	case SYM_K_LABEL:
		return SYM_RANK_PUBLIC;
	case SYM_K_CONST:
		return 1;
	default:
		return 0;
	}
}

bool sym_kind_off(const sym_store *s, sym_kind k)
{
	return ((s->options & SYMOPT_PUBLICS_ONLY) && sym_rank(k) > SYM_RANK_PUBLIC) ||
	       ((s->options & SYMOPT_NO_PUBLICS) && k == SYM_K_PUBLIC);
}

static bool pick_one(void *u, const sym_rec *r)
{
	pick *p = u;
	int rank = sym_rank(r->kind);
	sym_rec full = *r;
	if (!rank || sym_kind_off(p->m->store, r->kind))
		return true;
	if (r->kind != SYM_K_CONST && r->rva == SYM_NO_RVA && !r->tls) {
		p->m->file->ops->fill(p->m->file, &full);
		if (full.rva == SYM_NO_RVA)
			return true;
	}
	if (rank < p->rank)
		return true;
	sym s;
	sym_of_rec(p->m, &full, &s);
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

bool sym_split(str name, str *mod, str *rest)
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

/* Unqualified names that no module has, as things stand. */
static map *unknown_names(sym_store *s)
{
	if (s->unknown_gen != s->generation) {
		map_clear(&s->unknown);
		s->unknown_gen = s->generation;
	}
	return &s->unknown;
}

static err find_name(sym_store *s, str name, void *ret, diag *d)
{
	str mod, rest;
	name = str_trim(name);
	bool has_mod = sym_split(name, &mod, &rest);
	if (!rest.n)
		return diag_set(d, ERR_NOTFOUND, "no symbol name in %.*s", STR_ARG(name));
	if (has_mod) {
		sym_mod *m = sym_mod_find(s, mod);
		if (!m)
			return diag_set(d, ERR_NOTFOUND, "no module %.*s", STR_ARG(mod));
		return find_in(m, rest, ret, d);
	}
	if (map_hass(unknown_names(s), rest))
		return diag_set(d, ERR_NOTFOUND, "no symbol %.*s", STR_ARG(rest));
	err e = find_anywhere(s, rest, name.p[0] != '!', ret, d);
	map *unknown = unknown_names(s); /* looking may have loaded modules */
	if (e == ERR_NOTFOUND && unknown->live < UNKNOWN_MAX)
		map_sets(unknown, rest, s);
	return e;
}

err sym_find_spelt(sym_store *s, str name, sym_find_fn *find, void *ret, diag *d)
{
	err e = find(s, name, ret, d);
	unsigned style = 0;
	buf b;
	buf_init(&b, SPELLING_MAX);
	while (e == ERR_NOTFOUND && respell_next(name, &style, &b)) {
		diag why;
		diag_clear(&why);
		e = find(s, buf_str(&b), ret, &why);
		/* that nobody has it is said of the name as it was written */
		if (e != ERR_NOTFOUND && d)
			*d = why;
	}
	buf_deinit(&b);
	if (e == ERR_OK && d)
		diag_clear(d);
	return e;
}

err sym_find(sym_store *s, str name, sym *ret, diag *d)
{
	return sym_find_spelt(s, name, find_name, ret, d);
}

/* ---- addresses ---- */

err sym_mod_for(sym_store *s, uint64_t addr, sym_mod **m, sym_file **f)
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
	TRY(sym_mod_for(s, addr, &m, &f));
	TRY(f->ops->at(f, (uint32_t)(addr - m->base), &r, &off));
	sym_of_rec(m, &r, ret);
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
	TRY(sym_mod_for(s, addr, &m, &f));
	TRY(f->ops->after(f, (uint32_t)(addr - m->base), &r, &off));
	sym_of_rec(m, &r, ret);
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
	sym_of_rec(x->m, r, &s);
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
	TRY(sym_mod_for(s, addr, &x.m, &f));
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
		sym_of_rec(m, &r, &ret->sym);
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
