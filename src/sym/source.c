/*
 * source: what the source has at an address: lines in both directions, locals, inlined calls.
 */
#include "base/reader.h"
#include "sym/priv.h"

/* ---- lines ---- */

err sym_line_at(sym_store *s, uint64_t addr, sym_line *ret)
{
	sym_mod *m;
	sym_file *f;
	TRY(sym_mod_for(s, addr, &m, &f));
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
	TRY(sym_mod_for(s, pc, &m, &f));
	if (!f->ops->inlines)
		return ERR_NOTFOUND;
	TRY(f->ops->inlines(f, a, (uint32_t)(pc - m->base), ret, n_ret));
	for (size_t i = 0; i < *n_ret; i++) {
		(*ret)[i].begin += m->base;
		(*ret)[i].end += m->base;
	}
	return ERR_OK;
}
