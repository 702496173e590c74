/*
 * pedwarf: PE images with DWARF (gcc, clang -gdwarf), inside of them or of the file they were
 * stripped from: their debug sections as an ELF file, their COFF symbols or exports as its table.
 */
#include "sym/elffile.h"

#include "fmt/pe.h"

enum { PE_PARTS_MAX = 48 };

typedef struct made_ctx {
	elffile *x;
	VEC(esym) v;
} made_ctx;

static bool made_export(void *u, const pe_export *e)
{
	made_ctx *k = u;
	if (!e->name.n || e->forward.n)
		return true;
	esym s = {.name = str_dup(&k->x->a, e->name),
		.rva = e->rva,
		.rank = 1,
		.func = true,
		.code = true};
	vec_push(&k->v, s);
	return k->v.n < ELFT_MAX;
}

/* The COFF table, or at least the exports. */
static void made_symbols(elffile *x, const pe_coff *c, pe_view *pe)
{
	made_ctx k = {.x = x};
	pe_coff_sym s;
	for (size_t i = 0; pe_coff_symbol(c, i, &s, &i) && k.v.n < ELFT_MAX;) {
		if (!s.defined || s.rva >= pe->image_size)
			continue;
		esym e = {.name = s.name,
			.rva = s.rva,
			.rank = (uint8_t)((s.function ? 8 : 0) + (s.external ? 4 : 0)),
			.code = s.code,
			.func = s.function,
			.data = !s.code,
			.is_static = !s.external};
		vec_push(&k.v, e);
	}
	size_t lost;
	if (!k.v.n && pe->dir[PE_DIR_EXPORT].rva &&
		pe_export_each(pe, &x->a, made_export, &k, &lost) != ERR_OK)
		k.v.n = 0;
	x->made = arena_dup(&x->a, k.v.n ? (void *)k.v.p : "", k.v.n * sizeof(esym));
	x->n_made = k.v.n;
	vec_deinit(&k.v);
}

/* The .debug_ sections of the image as an ELF file. */
static err pack_sections(elffile *x, const pe_coff *c, diag *d)
{
	elf_part part[PE_PARTS_MAX];
	size_t n = 0, size;
	str name, bytes;
	for (size_t i = 0; pe_coff_section(c, i, &name, &bytes) && n < PE_PARTS_MAX; i++)
		if (str_starts(name, STR(".debug_")) && bytes.n)
			part[n++] = (elf_part){str_z(&x->a, name), bytes.p, bytes.n};
	bool info = false;
	for (size_t i = 0; i < n; i++)
		info |= !strcmp(part[i].name, ".debug_info");
	if (!info)
		return diag_set(d, ERR_NOTFOUND, "no debug information in the image");
	x->packed = elf_pack(part, n, &size, NULL);
	return elf_open(&x->dbgv, &x->a, x->packed, size, d);
}

/* The bytes that hold the DWARF of an image: its own file's, else the debug file's. */
static err pe_dwarf_bytes(
	sym_mod *m, unsigned how, elffile *x, pe_view *pe, str *ret, bool *mismatch, diag *d)
{
	pe_coff c;
	str name, sec;
	*ret = sym_image_bytes(x->pe);
	for (size_t i = 0; ret->n && pe_coff_open(*ret, &c) && pe_coff_section(&c, i, &name, &sec);
		i++)
		if (sec.n && str_eq(name, STR(".debug_info")))
			return ERR_OK;
	TRY(sym_pe_debugfile_find(
		m, pe, how & SYM_LOAD_MISMATCH, &x->a, &x->dbg_path, mismatch, d));
	TRY(sys_map_open(x->dbg_path, &x->dbg, d));
	*ret = (str){(const char *)x->dbg.p, x->dbg.n};
	return ERR_OK;
}

err sym_pe_dwarf_open(sym_mod *m, unsigned how, sym_file **ret, bool *mismatch, diag *d)
{
	sym_store *s = m->store;
	struct sym_image *img;
	pe_coff c;
	pe_view *pe;
	str bytes;
	TRY(sym_mod_image(m, &img, d));
	TRY(sym_mod_pe(m, &pe, d));
	if (!pe->plus)
		return diag_set(d, ERR_NOTFOUND, "no debug information in the image");
	for (size_t i = 0; i < s->files.n; i++) {
		sym_file *f = s->files.p[i];
		if (sym_file_is_elf(f) && xf_of(f)->pe == img && xf_of(f)->dw) {
			f->refs++;
			*ret = f;
			return ERR_OK;
		}
	}
	elffile *x = elffile_new();
	x->pe = img;
	sym_image_ref(img);
	*mismatch = false;
	err e = pe_dwarf_bytes(m, how, x, pe, &bytes, mismatch, d);
	if (e == ERR_OK && !pe_coff_open(bytes, &c))
		e = diag_set(d, ERR_CORRUPT, "the debug file has changed");
	if (e == ERR_OK)
		e = pack_sections(x, &c, d);
	sym_file *f = NULL;
	if (e == ERR_OK) {
		mem_reader r = pe_bytes(&bytes);
		pe_view v; /* an image in memory names the base it was loaded at */
		e = pe_open(&v, &x->a, &r, 0, PE_FILE, d);
		x->base = v.preferred_base;
	}
	if (e == ERR_OK) {
		made_symbols(x, &c, pe);
		str path = x->dbg.n ? str_of(x->dbg_path) : sym_mod_image_path(m);
		f = elffile_give(s, str_z(&x->a, path), x);
		f->status = SYM_PRIVATE;
		e = dwf_open(f, &x->dbgv, "", &x->dw, d);
	}
	if (e == ERR_OK) {
		*ret = f;
		return ERR_OK;
	}
	if (f) {
		f->status = SYM_NONE;
		sym_file_unref(f); /* idle: it goes with the others */
	} else {
		elffile_drop(s, x);
	}
	return e;
}
