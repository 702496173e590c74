/*
 * elffile: the symbol tables of ELF files (.symtab, or .dynsym) behind sym_file_ops. What DWARF
 * adds comes from dwarf*.c and is asked for only when it is needed: a name that the table has is
 * answered from the table alone.
 */
#include "sym/elffile.h"

#include "base/bisect.h"
#include "fmt/dwarf_index.h"

#include <ctype.h>

enum {
	WAIT_MAX = 32 << 20, /* .debug_info of what is opened when it is needed */
	FROM_DWARF = 1	     /* pdb.mod of records that come from the index; at: the entry */
};

/* ---- records ---- */

void elffile_rec(const elffile *x, size_t i, const esym *s, sym_rec *r)
{
	*r = (sym_rec){.raw = s->name,
		.kind = x->dynamic ? SYM_K_EXPORT
			: s->func  ? SYM_K_FUNC
			: s->data  ? SYM_K_DATA
				   : SYM_K_PUBLIC,
		.code = s->code,
		.is_static = s->is_static,
		.rva = s->rva,
		.size = s->size,
		.pdb = {.mod = PDB_NO_MOD, .at = (uint32_t)i}};
}

static bool undec(sym_file *f, str raw, buf *out)
{
	return elf_undec(raw, out);
}

/*
 * DWARF that stands in a file of its own, or compressed, is opened when something needs it: most
 * libraries are never asked for more than names. Large ones are opened at once, so that their index
 * is made meanwhile.
 */
dwf *sym_elf_dwarf(sym_file *f)
{
	elffile *x = xf_of(f);
	if (x->dw_later) {
		diag d;
		diag_clear(&d);
		x->dw_later = false;
		if (dwf_open(f, x->dbg.n ? &x->dbgv : &x->img->v, f->path, &x->dw, &d) != ERR_OK) {
			x->dw = NULL;
			sym_note(f->store, false, "*** WARNING: debug information of %s: %s",
				f->path, d.text);
		}
	}
	return x->dw;
}

/* The type of a symbol that was found by the table alone: its number, marked. */
enum { LATER = 0x8000000 };

static bool real_id(sym_file *f, uint32_t *id)
{
	elffile *x = xf_of(f);
	esym s;
	dwf *dw = sym_elf_dwarf(f);
	if (!dw || !(*id & LATER))
		return dw != NULL;
	if (!elft_nth(x, *id & (LATER - 1), &s))
		return false;
	*id = s.code ? dwf_lazy_func(dw, s.rva) : dwf_lazy_data(dw, s.rva, s.name);
	return true;
}

void elffile_add_type(sym_file *f, sym_rec *r, bool lazy)
{
	elffile *x = xf_of(f);
	if ((!x->dw && !x->dw_later) || r->type || (r->kind != SYM_K_FUNC && r->kind != SYM_K_DATA))
		return;
	if (lazy && r->pdb.mod == PDB_NO_MOD && r->pdb.at < elft_count(x))
		r->type = LATER | r->pdb.at;
	else if (!lazy && sym_elf_dwarf(f)) {
		r->type = dwf_type_of(x->dw, r->rva, r->code, r->raw);
		f->store->left_out = f->store->left_out || dwf_index_pending(x->dw);
	}
}

str elffile_entry_name(sym_file *f, const dwx *ix, const dwx_entry *e)
{
	elffile *x = xf_of(f);
	str *known = map_get(&x->given, e->index + (uint64_t)1);
	if (!known) {
		buf b;
		buf_init(&b, 65536);
		dwx_qualified(ix, e, &b);
		known = arena_new(&x->a, str);
		*known = str_dup(&x->a, buf_str(&b));
		map_set(&x->given, e->index + (uint64_t)1, known);
		buf_deinit(&b);
	}
	return *known;
}

bool elffile_entry_rec(sym_file *f, const dwx *ix, const dwx_entry *e, sym_rec *r)
{
	elffile *x = xf_of(f);
	bool constant = e->kind == DWX_ENUMERATOR;
	uint64_t place;
	if (e->tls && !e->decl && x->dw && dwf_entry_tls(x->dw, e, &place)) {
		*r = (sym_rec){.kind = SYM_K_DATA,
			.is_static = !e->external,
			.tls = true,
			.rva = SYM_NO_RVA,
			.value = place,
			.pdb = {.mod = FROM_DWARF, .at = e->index}};
		return true;
	}
	if (e->decl ||
		(!constant && (!e->addr || e->addr < x->base || e->addr - x->base >= SYM_NO_RVA)))
		return false;
	*r = (sym_rec){.kind = constant		     ? SYM_K_CONST
			       : e->kind == DWX_FUNC ? SYM_K_FUNC
						     : SYM_K_DATA,
		.code = e->kind == DWX_FUNC,
		.is_static = !e->external && !constant,
		.rva = constant ? SYM_NO_RVA : (uint32_t)(e->addr - x->base),
		.value = e->value,
		.pdb = {.mod = FROM_DWARF, .at = e->index}};
	return true;
}

static void rec_named(sym_file *f, size_t pos, const esym *s, sym_rec *r)
{
	elffile_rec(xf_of(f), xf_of(f)->by_addr[pos], s, r);
	r->name = sym_file_undec(f, s->name);
}

bool elffile_table_at(sym_file *f, uint32_t rva, bool code, sym_rec *r)
{
	esym s;
	size_t pos = elft_upper(xf_of(f), rva);
	if (!pos || elft_rva(xf_of(f), pos - 1) != rva)
		return false;
	pos = elft_best(xf_of(f), pos - 1, -1, &s);
	if (s.code != code)
		return false;
	rec_named(f, pos, &s, r);
	return true;
}

/* An entry of the procedure linkage table: the symbol table has no names there. */
static bool plt_at(sym_file *f, uint32_t rva, sym_rec *ret, uint32_t *disp)
{
	const elffile *x = xf_of(f);
	size_t lo = BISECT(i, x->n_plt, x->plt[i].rva <= rva);
	if (!lo || rva - x->plt[lo - 1].rva >= x->plt[lo - 1].size)
		return false;
	elffile_rec(x, SIZE_MAX, &x->plt[lo - 1], ret);
	ret->kind = SYM_K_PUBLIC;
	ret->name = sym_file_undec(f, ret->raw);
	*disp = rva - ret->rva;
	return true;
}

static err at(sym_file *f, uint32_t rva, sym_rec *ret, uint32_t *disp)
{
	elffile *x = xf_of(f);
	esym s;
	size_t pos = elft_upper(x, rva), back = pos;
	if (plt_at(f, rva, ret, disp))
		return ERR_OK;
	bool code = elft_in_code(x, x->base + rva);
	if (!pos)
		return ERR_NOTFOUND;
	size_t best = elft_best(x, pos - 1, -1, &s);
	/* labels inside of a function: the function, if it reaches this far */
	for (int i = 0; i < 16 && back > 0 && !s.func && code && s.rva + s.size <= rva; i++) {
		esym t;
		back = elft_best(x, back - 1, -1, &t);
		while (back > 0 && elft_rva(x, back - 1) == t.rva)
			back--;
		if (t.func && t.rva + t.size > rva) {
			best = back;
			elft_best(x, elft_upper(x, t.rva) - 1, -1, &s);
			break;
		}
	}
	if (x->img && s.code != code && !(s.rva == rva))
		return ERR_NOTFOUND; /* another segment begins in between */
	rec_named(f, best, &s, ret);
	elffile_add_type(f, ret, true);
	*disp = rva - s.rva;
	return ERR_OK;
}

static err after(sym_file *f, uint32_t rva, sym_rec *ret, uint32_t *disp)
{
	elffile *x = xf_of(f);
	esym s;
	size_t pos = elft_upper(x, rva);
	if (pos >= x->n_by_addr)
		return ERR_NOTFOUND;
	pos = elft_best(x, pos, 1, &s);
	rec_named(f, pos, &s, ret);
	elffile_add_type(f, ret, true);
	*disp = s.rva - rva;
	return ERR_OK;
}

static err exact(sym_file *f, uint32_t rva, sym_rec_fn *fn, void *u)
{
	elffile *x = xf_of(f);
	size_t end = elft_upper(x, rva), begin = end;
	while (begin > 0 && elft_rva(x, begin - 1) == rva)
		begin--;
	/* best first: few, so a pass each */
	size_t n = end - begin < 256 ? end - begin : 256;
	bool done[256] = {0};
	for (size_t k = 0; k < n; k++) {
		esym s, b = {0};
		size_t best = SIZE_MAX;
		for (size_t i = 0; i < n; i++)
			if (!done[i] && elft_nth(x, x->by_addr[begin + i], &s) &&
				(best == SIZE_MAX || elft_better(&s, &b))) {
				best = i;
				b = s;
			}
		if (best == SIZE_MAX)
			break;
		done[best] = true;
		sym_rec r;
		rec_named(f, begin + best, &b, &r);
		elffile_add_type(f, &r, true);
		if (!fn(u, &r))
			break;
	}
	return ERR_OK;
}

static err func(sym_file *f, uint32_t rva, sym_rec *ret)
{
	elffile *x = xf_of(f);
	str name;
	sym_rec r, s;
	uint32_t disp;
	if (sym_elf_dwarf(f) && dwf_func(x->dw, rva, &r, &name) == ERR_OK) {
		r.kind = SYM_K_FUNC;
		r.code = true;
		/* by the name that the table and other commands use */
		if (at(f, r.rva, &s, &disp) == ERR_OK && !disp && s.code) {
			r.name = s.name;
			r.raw = s.raw;
			r.pdb = s.pdb;
		} else {
			r.name = r.raw = name;
		}
		*ret = r;
		return ERR_OK;
	}
	TRY(at(f, rva, &s, &disp));
	if (!s.code || s.size <= disp)
		return ERR_NOTFOUND;
	s.type = 0;
	*ret = s;
	return ERR_OK;
}

/* ---- all of them ---- */

/* What readable names hold that does not stand in raw ones: there the raw name is no hint. */
static const char hidden[] =
	"std::allocator::basic_string::string::istream::ostream::iostream::char_traits"
	" void bool char signed unsigned short int long float double __int128 __float128 wchar_t "
	"char8_t char16_t char32_t auto decltype nullptr_t const volatile true false "
	"operator new delete vtable for VTT typeinfo name guard variable reference temporary "
	"(anonymous namespace) {lambda()#1234567890} {unnamed type#} [clone thread-local "
	"initialization routine wrapper function virtual thunk covariant return to non-virtual ~";

typedef struct each_ctx {
	sym_file *f;
	dwx *ix;
	sym_rec_fn *fn;
	void *u;
	bool all, stop;
	char need[128]; /* a run of letters that raw names must hold, in lower case; empty: none */
	size_t need_n;
	unsigned char rare[2]; /* the last letter of need, both cases */
	buf tmp;
} each_ctx;

static bool hidden_holds(str run)
{
	for (size_t i = 0; i + run.n < sizeof hidden; i++)
		if (str_ieq((str){hidden + i, run.n}, run))
			return true;
	return false;
}

/* The longest run of name characters in the pattern that no abbreviation can hide. */
static void needle(each_ctx *k, str pattern)
{
	str best = {0};
	for (size_t i = 0; i < pattern.n;) {
		unsigned char c = (unsigned char)pattern.p[i];
		if (c == '[' || c == '\\' || c == '#' || c == '+' || c == '<' || c == '(') {
			return; /* lists and the like: no hint; arguments are abbreviated */
		}
		size_t n = 0;
		while (i + n < pattern.n && chr_word(pattern.p[i + n]))
			n++;
		str run = {pattern.p + i, n};
		/* a leading underscore of the pattern stands for any number of them */
		while (run.n && run.p[0] == '_')
			run = str_skip(run, 1);
		if (run.n > best.n && run.n < sizeof k->need && !hidden_holds(run))
			best = run;
		i += n ? n : 1;
	}
	for (size_t i = 0; i < best.n; i++)
		k->need[i] = chr_lower(best.p[i]);
	k->need_n = best.n;
	if (best.n) {
		k->rare[0] = (unsigned char)k->need[best.n - 1];
		k->rare[1] = (unsigned char)toupper(k->rare[0]);
	}
}

static bool may_match(const each_ctx *k, str raw)
{
	size_t n = k->need_n;
	if (!n)
		return true;
	for (size_t i = n - 1; i < raw.n; i++) {
		unsigned char c = (unsigned char)raw.p[i];
		if (c != k->rare[0] && c != k->rare[1])
			continue;
		size_t m = 0;
		while (m + 1 < n && chr_lower(raw.p[i - (n - 1) + m]) == k->need[m])
			m++;
		if (m + 1 == n)
			return true;
	}
	return false;
}

static bool each_dwarf(void *u, const dwx_entry *e)
{
	each_ctx *k = u;
	sym_rec r;
	elffile *x = xf_of(k->f);
	if (!elffile_entry_rec(k->f, k->ix, e, &r))
		return true;
	if (r.kind != SYM_K_CONST && !r.tls) {
		/* the table has it, under this name or a decorated one */
		size_t pos = elft_upper(x, r.rva);
		if (pos && elft_rva(x, pos - 1) == r.rva)
			return true;
	}
	r.name = r.raw = elffile_entry_name(k->f, k->ix, e);
	k->stop = !k->fn(k->u, &r);
	return !k->stop;
}

/* The index for a listing; NULL: none, or the listing does without it. */
static err list_index(sym_file *f, dwx **ret)
{
	dwf *x = sym_elf_dwarf(f);
	*ret = x ? dwf_index_now(x) : NULL;
	if (!x || *ret || !dwf_index_pending(x))
		return ERR_OK;
	if (f->store->soon) {
		f->store->left_out = true;
		return ERR_OK;
	}
	err e = dwf_index(x, ret);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

static err each(sym_file *f, str pattern, sym_rec_fn *fn, void *u)
{
	elffile *x = xf_of(f);
	size_t n = elft_count(x);
	each_ctx k = {.f = f, .fn = fn, .u = u, .all = !pattern.n || str_eq(pattern, STR("*"))};
	const cancel *c = f->store->host.cancel;
	needle(&k, pattern);
	buf_init(&k.tmp, 65536);
	err e = ERR_OK;
	for (size_t i = 0; i < n && !k.stop && e == ERR_OK; i++) {
		esym s;
		sym_rec r;
		if ((i & 0xffff) == 0xffff && cancelled(c))
			e = ERR_CANCELLED;
		if (!elft_nth(x, i, &s) || !may_match(&k, s.name))
			continue;
		elffile_rec(x, i, &s, &r);
		r.name = s.name;
		if (elf_decorated(s.name)) {
			buf_clear(&k.tmp);
			if (k.all)
				r.name = (str){0};
			else if (elf_undec(s.name, &k.tmp))
				r.name = buf_str(&k.tmp);
		}
		k.stop = !fn(u, &r);
	}
	buf_deinit(&k.tmp);
	if (e == ERR_OK && !k.stop)
		e = list_index(f, &k.ix);
	if (e == ERR_OK && k.ix && !k.all) {
		/* constants of enumerations are found by name, but no listing asks for thousands */
		e = dwx_match(k.ix, pattern, DWX_FUNC | DWX_VAR, c, each_dwarf, &k);
		if (e == ERR_NOTFOUND)
			e = ERR_OK;
	}
	return e;
}

static void fill(sym_file *f, sym_rec *r)
{
}

static err again(sym_file *f, uint32_t mod, uint32_t i, sym_rec *ret)
{
	elffile *x = xf_of(f);
	if (mod == FROM_DWARF) {
		dwx *ix = sym_elf_dwarf(f) ? dwf_index_now(x->dw) : NULL;
		dwx_entry e;
		sym_rec r;
		if (!ix || !dwx_nth(ix, i, &e) || !elffile_entry_rec(f, ix, &e, &r))
			return ERR_NOTFOUND;
		r.name = r.raw = elffile_entry_name(f, ix, &e);
		r.type = dwf_entry_type(x->dw, &e);
		*ret = r;
		return ERR_OK;
	}
	esym s;
	if (i >= elft_count(x) || !elft_nth(x, i, &s))
		return ERR_CORRUPT;
	elffile_rec(x, i, &s, ret);
	ret->name = s.name;
	elffile_add_type(f, ret, false);
	return ERR_OK;
}

/* ---- what DWARF answers ---- */

static err type_find(sym_file *f, str name, bool fold, uint32_t *ret)
{
	return sym_elf_dwarf(f) ? dwf_type_find(sym_elf_dwarf(f), name, fold, ret) : ERR_NOTFOUND;
}

static err type_get(sym_file *f, uint32_t id, sym_type_info *ret)
{
	return real_id(f, &id) ? dwf_type_get(xf_of(f)->dw, id, ret) : ERR_NOTFOUND;
}

static err type_fields(sym_file *f, uint32_t id, arena *a, sym_field **ret, size_t *n_ret)
{
	return real_id(f, &id) ? dwf_type_fields(xf_of(f)->dw, id, a, ret, n_ret) : ERR_NOTFOUND;
}

static err type_arg(sym_file *f, uint32_t id, uint32_t i, uint32_t *ret)
{
	return real_id(f, &id) ? dwf_type_arg(xf_of(f)->dw, id, i, ret) : ERR_NOTFOUND;
}

static err type_like(sym_file *f, str pattern, sym_type_fn *fn, void *u)
{
	return sym_elf_dwarf(f) ? dwf_type_like(sym_elf_dwarf(f), pattern, fn, u) : ERR_NOTFOUND;
}

static err type_each(sym_file *f, sym_type_fn *fn, void *u)
{
	return type_like(f, STR("*"), fn, u);
}

static err line_at(sym_file *f, uint32_t rva, sym_line *ret)
{
	return sym_elf_dwarf(f) ? dwf_line_at(sym_elf_dwarf(f), rva, ret) : ERR_NOTFOUND;
}

static err line_find(
	sym_file *f, arena *a, str file, uint32_t line, uint64_t **ret, size_t *n_ret, bool *exact_)
{
	return sym_elf_dwarf(f) ? dwf_line_find(sym_elf_dwarf(f), a, file, line, ret, n_ret, exact_)
				: ERR_NOTFOUND;
}

static err source_each(sym_file *f, bool (*fn)(void *u, str path), void *u)
{
	return sym_elf_dwarf(f) ? dwf_source_each(sym_elf_dwarf(f), fn, u) : ERR_NOTFOUND;
}

static err locals(sym_file *f, arena *a, uint32_t rva, bool whole, sym_local **ret, size_t *n_ret)
{
	return sym_elf_dwarf(f) ? dwf_locals(sym_elf_dwarf(f), a, rva, whole, ret, n_ret)
				: ERR_NOTFOUND;
}

static err inlines(sym_file *f, arena *a, uint32_t rva, sym_inline **ret, size_t *n_ret)
{
	return sym_elf_dwarf(f) ? dwf_inlines(sym_elf_dwarf(f), a, rva, ret, n_ret) : ERR_NOTFOUND;
}

static err local_place(sym_file *f, const sym_local *l, uint64_t mod_base, const x64_regs *regs,
	const mem_reader *mem, sym_place *ret, diag *d)
{
	elffile *x = xf_of(f);
	return x->dw ? dwf_place(x->dw, l, mod_base - x->base, regs, mem, ret, d) : ERR_NOTFOUND;
}

/* ---- opening ---- */

elffile *elffile_new(void)
{
	elffile *x = mem_alloc(sizeof *x);
	arena_init(&x->a);
	map_init(&x->by_name);
	map_init(&x->given);
	return x;
}

void elffile_drop(sym_store *s, elffile *x)
{
	if (x->img)
		sym_elf_unref(s, x->img);
	if (x->pe)
		sym_image_unref(s, x->pe);
	sys_map_close(&x->dbg);
	mem_free(x->packed);
	map_deinit(&x->by_name);
	map_deinit(&x->given);
	arena_deinit(&x->a);
	mem_free(x);
}

static void close_(sym_file *f)
{
	dwf_close(xf_of(f)->dw);
	elffile_drop(f->store, xf_of(f));
}

static const sym_file_ops ops = {.name = "elf",
	.close = close_,
	.find = elffile_find,
	.at = at,
	.after = after,
	.func = func,
	.each = each,
	.fill = fill,
	.type_find = type_find,
	.type_get = type_get,
	.type_fields = type_fields,
	.type_arg = type_arg,
	.type_each = type_each,
	.line_at = line_at,
	.line_find = line_find,
	.locals = locals,
	.inlines = inlines,
	.exact = exact,
	.source_each = source_each,
	.again = again,
	.type_like = type_like,
	.undec = undec,
	.local_place = local_place};

sym_file *elffile_give(sym_store *s, const char *path, elffile *x)
{
	return sym_file_new(s, &ops, path, x);
}

bool sym_file_is_elf(const sym_file *f)
{
	return f->ops == &ops;
}

static bool has_dwarf(const elf_view *v)
{
	return elf_sec_find(v, STR(".debug_info")) || elf_sec_find(v, STR(".zdebug_info"));
}

static str vain_key(const sym_elf *g, arena *a)
{
	buf b;
	buf_init(&b, 512);
	buf_addf(&b, "elf:%llx:%llx:", (unsigned long long)g->dev, (unsigned long long)g->ino);
	elf_build_id_text(g->v.build_id, g->v.build_id_n, &b);
	str key = str_dup(a, buf_str(&b));
	buf_deinit(&b);
	return key;
}

/* A debug file beside the image, mapped into x. */
static err open_debug(sym_mod *m, sym_elf *g, elffile *x, diag *d)
{
	sym_store *s = m->store;
	str key = vain_key(g, &x->a);
	char *path;
	if (map_hass(&s->missing, key))
		return ERR_NOTFOUND;
	err e = sym_debugfile_find(m, &g->v, &x->a, &path, d);
	if (e == ERR_OK)
		e = sys_map_open(path, &x->dbg, d);
	if (e == ERR_OK) {
		e = elf_open(&x->dbgv, &x->a, x->dbg.p, x->dbg.n, d);
		if (e != ERR_OK)
			sys_map_close(&x->dbg);
		else
			x->dbg_path = path;
	}
	if (e != ERR_OK && e != ERR_CANCELLED) {
		map_sets(&s->missing, key, s);
		e = ERR_NOTFOUND;
	}
	return e;
}

static void pick_table(elffile *x)
{
	const elf_view *v = &x->img->v;
	if (x->dbg.n && x->dbgv.symtab.n)
		x->syms = x->dbgv.symtab;
	else if (v->symtab.n)
		x->syms = v->symtab;
	else {
		x->syms = v->dynsym;
		x->dynamic = true;
	}
}

/* The dynamic table and what .gnu_debugdata adds to it, as one. */
static void add_debugdata(sym_mod *m, elffile *x)
{
	diag why;
	elf_view mini;
	size_t size;
	esym s;
	VEC(esym) v = {0};
	diag_clear(&why);
	err e = elf_debugdata(&x->img->v, &x->packed, &size, &why);
	if (e == ERR_OK)
		e = elf_open(&mini, &x->a, x->packed, size, &why);
	if (e != ERR_OK) {
		if (e != ERR_NOTFOUND)
			sym_note(m->store, false, "*** WARNING: %s: %s", x->img->path, why.text);
		return;
	}
	const elf_syms *tables[] = {&mini.symtab, &x->img->v.dynsym};
	for (size_t k = 0; k < ARRAY_LEN(tables); k++)
		for (size_t i = 0; i < tables[k]->n && v.n < ELFT_MAX; i++)
			if (elft_get(x, tables[k], i, &s))
				vec_push(&v, s);
	if (mini.symtab.n && v.n) {
		x->made = arena_dup(&x->a, v.p, v.n * sizeof(esym));
		x->n_made = v.n;
		x->dynamic = false;
	}
	vec_deinit(&v);
}

static bool may_wait(const elffile *x, const elf_view *v)
{
	uint64_t size = 0;
	const elf_sec *s = elf_sec_find(v, STR(".debug_info"));
	bool packed = s && elf_sec_packed(v, s, &size);
	if (s && !packed)
		size = s->size;
	return s && (packed || x->dbg.n) && size < WAIT_MAX;
}

err sym_elf_open(sym_mod *m, unsigned how, sym_file **ret, diag *d)
{
	sym_store *s = m->store;
	sym_elf *g;
	arena tmp;
	TRY(sym_mod_elf(m, &g, d));
	arena_init(&tmp);
	bool vain = map_hass(&s->missing, vain_key(g, &tmp));
	arena_deinit(&tmp);
	for (size_t i = 0; i < s->files.n && !(how & SYM_LOAD_OVERWRITE); i++) {
		sym_file *f = s->files.p[i];
		if (sym_file_is_elf(f) && xf_of(f)->img == g &&
			(f->status == SYM_PRIVATE || f->refs || vain)) {
			f->refs++;
			*ret = f;
			return ERR_OK;
		}
	}
	elffile *x = elffile_new();
	x->img = g;
	x->base = g->v.base;
	sym_elf_ref(g);
	if (!has_dwarf(&g->v) && open_debug(m, g, x, d) == ERR_CANCELLED) {
		elffile_drop(s, x);
		return ERR_CANCELLED;
	}
	pick_table(x);
	if (x->dynamic)
		add_debugdata(m, x);
	const elf_view *dv = x->dbg.n ? &x->dbgv : &g->v;
	if (!x->syms.n && !has_dwarf(dv)) {
		elffile_drop(s, x);
		return diag_set(d, ERR_NOTFOUND, "%.*s has no symbols", STR_ARG(m->name));
	}
	sym_file *f = elffile_give(s, x->dbg.n ? x->dbg_path : g->path, x);
	f->status = x->dynamic ? SYM_EXPORT : SYM_PUBLIC;
	diag why;
	diag_clear(&why);
	x->dw_later = has_dwarf(dv) && may_wait(x, dv);
	err e = x->dw_later	? ERR_OK
		: has_dwarf(dv) ? dwf_open(f, dv, f->path, &x->dw, &why)
				: ERR_NOTFOUND;
	if (e == ERR_OK) {
		f->status = SYM_PRIVATE;
		x->dynamic = false;
	} else if (has_dwarf(dv)) {
		sym_note(s, false, "*** WARNING: debug information of %s: %s", f->path, why.text);
	}
	*ret = f;
	return ERR_OK;
}
