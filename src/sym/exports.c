/*
 * exports: an image's export table behind sym_file_ops: names and addresses, nothing else. One name
 * is found by binary search in the table, so that few pages are read from a target; lists read it
 * all.
 */
#include "sym/priv.h"

#include "fmt/pe.h"
#include "fmt/undname.h"

typedef struct expfile {
	pe_view *pe;
	struct sym_image *img; /* counted */
	arena a;
	pe_export *all; /* read when a list or a folded name is asked for */
	size_t n;
	bool read;
} expfile;

enum { EXPORTS_MAX = 1 << 17 };

static expfile *xf(sym_file *f)
{
	return f->u;
}

static void rec_of(sym_file *f, const pe_export *e, sym_rec *r)
{
	const pe_section *sec = pe_section_at(xf(f)->pe, e->rva);
	*r = (sym_rec){.name = e->name,
		.raw = e->name,
		.kind = SYM_K_EXPORT,
		.code = sec && (sec->flags & PE_SCN_EXECUTE),
		.rva = e->rva};
	if (!e->name.n)
		r->name = r->raw = str_printf(&xf(f)->a, "Ordinal%u", e->ordinal);
	else if (e->name.p[0] == '?')
		r->name = undname_short(&xf(f)->a, e->name, false);
}

typedef struct gather {
	expfile *x;
	size_t cap;
} gather;

static bool gather_one(void *u, const pe_export *e)
{
	gather *g = u;
	expfile *x = g->x;
	if (e->forward.n)
		return true; /* its address is a text */
	if (x->n == g->cap) {
		size_t cap = g->cap ? g->cap * 2 : 256;
		pe_export *p = arena_array(&x->a, cap, sizeof *p);
		if (x->n)
			memcpy(p, x->all, x->n * sizeof *p);
		x->all = p;
		g->cap = cap;
	}
	x->all[x->n++] = *e;
	return x->n < EXPORTS_MAX;
}

static err read_all(expfile *x)
{
	if (x->read)
		return ERR_OK;
	gather g = {x, 0};
	size_t lost;
	x->n = 0;
	err e = pe_export_each(x->pe, &x->a, gather_one, &g, &lost);
	x->read = e == ERR_OK;
	return e;
}

static err find(sym_file *f, str name, bool fold, sym_rec_fn *fn, void *u)
{
	pe_export e;
	sym_rec r;
	if (map_has(&f->misses, hash_fold(name)))
		return ERR_NOTFOUND;
	if (pe_export_find(xf(f)->pe, &xf(f)->a, name, &e) == ERR_OK && !e.forward.n) {
		rec_of(f, &e, &r);
		fn(u, &r);
		return ERR_OK;
	}
	TRY(read_all(xf(f)));
	size_t n = 0;
	for (size_t i = 0; i < xf(f)->n; i++) {
		rec_of(f, &xf(f)->all[i], &r);
		if (!(fold ? str_ieq(r.name, name) || str_ieq(r.raw, name)
			   : str_eq(r.name, name) || str_eq(r.raw, name)))
			continue;
		n++;
		if (!fn(u, &r))
			break;
	}
	if (!n)
		map_set(&f->misses, hash_fold(name), f);
	return n ? ERR_OK : ERR_NOTFOUND;
}

static err at(sym_file *f, uint32_t rva, sym_rec *ret, uint32_t *disp)
{
	pe_export e;
	TRY(pe_export_at(xf(f)->pe, &xf(f)->a, rva, &e, disp));
	rec_of(f, &e, ret);
	return ERR_OK;
}

static err after(sym_file *f, uint32_t rva, sym_rec *ret, uint32_t *disp)
{
	pe_export e;
	TRY(pe_export_after(xf(f)->pe, &xf(f)->a, rva, &e, disp));
	rec_of(f, &e, ret);
	return ERR_OK;
}

static err each(sym_file *f, str pattern, sym_rec_fn *fn, void *u)
{
	TRY(read_all(xf(f)));
	for (size_t i = 0; i < xf(f)->n; i++) {
		sym_rec r;
		rec_of(f, &xf(f)->all[i], &r);
		if (!fn(u, &r))
			break;
	}
	return ERR_OK;
}

static err exact(sym_file *f, uint32_t rva, sym_rec_fn *fn, void *u)
{
	TRY(read_all(xf(f)));
	for (size_t i = 0; i < xf(f)->n; i++) {
		sym_rec r;
		rec_of(f, &xf(f)->all[i], &r);
		if (r.rva == rva && !fn(u, &r))
			break;
	}
	return ERR_OK;
}

static void fill(sym_file *f, sym_rec *r)
{
}

static void close_(sym_file *f)
{
	sym_image_unref(f->store, xf(f)->img);
	arena_deinit(&xf(f)->a);
	mem_free(f->u);
}

static const sym_file_ops ops = {.name = "exports",
	.close = close_,
	.find = find,
	.at = at,
	.after = after,
	.each = each,
	.fill = fill,
	.exact = exact};

err sym_exports_open(sym_mod *m, sym_file **ret, diag *d)
{
	sym_store *s = m->store;
	pe_view *pe;
	TRY(sym_mod_pe(m, &pe, d));
	for (size_t i = 0; i < s->files.n; i++) {
		sym_file *f = s->files.p[i];
		if (f->ops == &ops && xf(f)->img == m->img) {
			f->refs++;
			*ret = f;
			return ERR_OK;
		}
	}
	if (!pe->dir[PE_DIR_EXPORT].rva)
		return diag_set(d, ERR_NOTFOUND, "%.*s exports nothing", STR_ARG(m->name));
	arena a;
	arena_init(&a);
	str name;
	err e = pe_export_module(pe, &a, &name); /* is the directory there at all? */
	arena_deinit(&a);
	if (e == ERR_FAULT || e == ERR_CORRUPT)
		return diag_set(d, e, "the export table of %.*s cannot be read", STR_ARG(m->name));
	expfile *x = mem_alloc(sizeof *x);
	arena_init(&x->a);
	x->pe = pe;
	x->img = m->img;
	sym_image_ref(m->img);
	str image = sym_mod_image_path(m);
	arena_init(&a);
	sym_file *f = sym_file_new(s, &ops, str_z(&a, image.n ? image : m->image), x);
	arena_deinit(&a);
	f->status = SYM_EXPORT;
	*ret = f;
	return ERR_OK;
}
