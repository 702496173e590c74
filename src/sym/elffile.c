/*
 * elffile: the symbol tables of ELF files (.symtab, or .dynsym) behind sym_file_ops. What DWARF
 * adds comes from dwarf*.c and is asked for only when it is needed: a name that the table has is
 * answered from the table alone.
 *
 * Nothing is sorted or hashed before it pays: one name is found by .gnu.hash or one pass over the
 * table (a few ms for a hundred MB), addresses by an index array made at the first question.
 */
#include "sym/elffile.h"

#include "base/bisect.h"
#include "base/wild.h"
#include "fmt/dwarf_index.h"
#include "fmt/pe.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	SYMS_MAX = 1 << 26,
	HASH_AFTER = 6,	     /* passes over the table before its names are hashed */
	WAIT_MAX = 32 << 20, /* .debug_info of what is opened when it is needed */
	FROM_DWARF = 1	     /* pdb.mod of records that come from the index; at: the entry */
};

/* ---- symbols by number ---- */

static size_t count(const elffile *x)
{
	size_t n = x->made ? x->n_made : x->syms.n;
	return n < SYMS_MAX ? n : SYMS_MAX;
}

static bool in_code(const elffile *x, uint64_t vaddr)
{
	const elf_view *v = x->img ? &x->img->v : &x->dbgv;
	for (size_t i = 0; i < v->nph; i++)
		if (v->ph[i].type == ELF_PT_LOAD && vaddr >= v->ph[i].vaddr &&
			vaddr - v->ph[i].vaddr < v->ph[i].memsz)
			return v->ph[i].flags & ELF_PF_X;
	return false;
}

/* Better at one address: what has a type, is visible, has a size. */
static uint8_t rank_of(const elf_sym *s)
{
	unsigned r = 0;
	if (s->type == ELF_STT_FUNC || s->type == ELF_STT_OBJECT || s->type == ELF_STT_IFUNC)
		r += 8;
	if (s->bind == ELF_STB_GLOBAL || s->bind == ELF_STB_UNIQUE)
		r += 4;
	if (s->bind == ELF_STB_WEAK)
		r += 2;
	if (s->size)
		r += 1;
	return (uint8_t)r;
}

/* False: not a symbol that has an address (section, file, undefined, thread-local). */
static bool of_table(const elffile *x, const elf_syms *t, size_t i, esym *ret)
{
	elf_sym s;
	if (!elf_sym_get(t, i, &s) || !s.name.n || !s.shndx || s.shndx == 0xfff1 ||
		s.value < x->base || s.value - x->base >= SYM_NO_RVA)
		return false; /* 0xfff1: SHN_ABS, a number */
	if (s.type != ELF_STT_NOTYPE && s.type != ELF_STT_OBJECT && s.type != ELF_STT_FUNC &&
		s.type != ELF_STT_IFUNC && s.type != ELF_STT_COMMON)
		return false;
	*ret = (esym){.name = s.name,
		.rva = (uint32_t)(s.value - x->base),
		.size = s.size > UINT32_MAX ? UINT32_MAX : (uint32_t)s.size,
		.rank = rank_of(&s),
		.func = s.type == ELF_STT_FUNC || s.type == ELF_STT_IFUNC,
		.data = s.type == ELF_STT_OBJECT,
		.is_static = s.bind == ELF_STB_LOCAL};
	ret->code = ret->func || (!ret->data && in_code(x, s.value));
	return true;
}

static bool nth(const elffile *x, size_t i, esym *ret)
{
	if (!x->made)
		return of_table(x, &x->syms, i, ret);
	*ret = x->made[i];
	return true;
}

static void rec_of(const elffile *x, size_t i, const esym *s, sym_rec *r)
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

/* ---- names ---- */

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
	if (!nth(x, *id & (LATER - 1), &s))
		return false;
	*id = s.code ? dwf_lazy_func(dw, s.rva) : dwf_lazy_data(dw, s.rva, s.name);
	return true;
}

static void add_type(sym_file *f, sym_rec *r, bool lazy)
{
	elffile *x = xf_of(f);
	if ((!x->dw && !x->dw_later) || r->type || (r->kind != SYM_K_FUNC && r->kind != SYM_K_DATA))
		return;
	if (lazy && r->pdb.mod == PDB_NO_MOD && r->pdb.at < count(x))
		r->type = LATER | r->pdb.at;
	else if (!lazy && sym_elf_dwarf(f)) {
		r->type = dwf_type_of(x->dw, r->rva, r->code, r->raw);
		f->store->left_out = f->store->left_out || dwf_index_pending(x->dw);
	}
}

/* ---- one name ---- */

typedef struct finding {
	sym_file *f;
	str name; /* wanted, in plain words */
	str part; /* its last component: stands in the raw name as it is */
	bool fold, stop;
	bool prefix; /* only raw names that begin as the plain ones do */
	char mangled[3][512];
	size_t n_mangled, mangled_n[3];
	buf tmp;
	sym_rec_fn *fn;
	void *u;
	size_t n;
} finding;

/* How the raw name of A::B::c begins, unless A, B or c hide behind an abbreviation. Source: Itanium
 * C++ ABI, "Mangling": _ZN <length name>... , _Z <length name>, L for internal linkage. */
static void likely_raw(finding *k)
{
	char body[448];
	size_t n = 0, parts = 0;
	str rest = k->name;
	while (rest.n) {
		size_t colon = str_find(rest, STR("::"));
		str one = str_take(rest, colon);
		if (!one.n || n + one.n + 8 > sizeof body)
			return;
		for (size_t i = 0; i < one.n; i++)
			if (!isalnum((unsigned char)one.p[i]) && one.p[i] != '_' && one.p[i] != '$')
				return;
		n += (size_t)snprintf(body + n, sizeof body - n, "%zu%.*s", one.n, STR_ARG(one));
		parts++;
		rest = colon == SIZE_MAX ? (str){0} : str_skip(rest, colon + 2);
	}
	static const char *const heads[2][3] = {{"_Z", "_ZL", NULL}, {"_ZN", "_ZNK", NULL}};
	for (size_t i = 0; i < 2 && parts; i++)
		k->mangled_n[k->n_mangled++] = (size_t)snprintf(k->mangled[i], sizeof k->mangled[i],
			"%s%.*s", heads[parts > 1][i], (int)n, body);
}

static bool same(const finding *k, str s)
{
	return k->fold ? str_ieq(s, k->name) : str_eq(s, k->name);
}

static bool holds(const finding *k, str raw)
{
	if (!k->fold)
		return memmem(raw.p, raw.n, k->part.p, k->part.n) != NULL;
	for (size_t i = 0; i + k->part.n <= raw.n; i++)
		if (str_ieq((str){raw.p + i, k->part.n}, k->part))
			return true;
	return false;
}

static bool is_wanted(finding *k, str raw)
{
	if (raw.n == k->name.n && same(k, raw))
		return true;
	if (!elf_decorated(raw))
		return false;
	if (k->prefix) {
		size_t i = 0;
		while (i < k->n_mangled && !(raw.n > k->mangled_n[i] &&
						   !memcmp(raw.p, k->mangled[i], k->mangled_n[i])))
			i++;
		if (i == k->n_mangled)
			return false;
	} else if (!holds(k, raw)) {
		return false;
	}
	buf_clear(&k->tmp);
	return elf_undec(raw, &k->tmp) && same(k, buf_str(&k->tmp));
}

static void give(finding *k, size_t i, const esym *s)
{
	sym_rec r;
	rec_of(xf_of(k->f), i, s, &r);
	r.name = sym_file_undec(k->f, s->name);
	add_type(k->f, &r, true);
	k->n++;
	k->stop = !k->fn(k->u, &r);
}

static void scan(finding *k)
{
	elffile *x = xf_of(k->f);
	size_t n = count(x);
	const cancel *c = k->f->store->host.cancel;
	for (size_t i = 0; i < n && !k->stop; i++) {
		esym s;
		if ((i & 0xffff) == 0xffff && cancelled(c))
			return;
		if (x->made) {
			s = x->made[i];
			if (is_wanted(k, s.name))
				give(k, i, &s);
			continue;
		}
		/* the name first: most are done with at its first bytes */
		uint64_t off = le32(x->syms.sym + i * 24);
		if (off >= x->syms.names.n)
			continue;
		const char *p = x->syms.names.p + off;
		if (!k->fold && p[0] != k->name.p[0] && p[0] != '_')
			continue;
		if (nth(x, i, &s) && is_wanted(k, s.name))
			give(k, i, &s);
	}
}

/* Raw names to their symbols: for a session that asks again and again. */
static void hash_names(elffile *x)
{
	size_t n = count(x);
	x->next_name = arena_array(&x->a, n + 1, sizeof *x->next_name);
	for (size_t i = n; i-- > 0;) {
		esym s;
		if (!nth(x, i, &s))
			continue;
		uint64_t key = hash_bytes(s.name.p, s.name.n);
		x->next_name[i] = (uint32_t)(uintptr_t)map_get(&x->by_name, key);
		map_set(&x->by_name, key, (void *)(uintptr_t)(i + 1));
	}
}

static void find_hashed(finding *k)
{
	elffile *x = xf_of(k->f);
	esym s;
	uint32_t i = (uint32_t)(uintptr_t)map_get(&x->by_name, hash_bytes(k->name.p, k->name.n));
	for (; i && !k->stop; i = x->next_name[i - 1])
		if (nth(x, i - 1, &s) && str_eq(s.name, k->name))
			give(k, i - 1, &s);
}

/* ---- names that only DWARF has ---- */

static str entry_name(sym_file *f, const dwx *ix, const dwx_entry *e)
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

/* False: nothing with an address or a value. */
static bool entry_rec(sym_file *f, const dwx *ix, const dwx_entry *e, sym_rec *r)
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

static bool table_at(sym_file *f, uint32_t rva, bool code, sym_rec *r);

typedef struct dwarf_find {
	finding *k;
	const dwx *ix;
} dwarf_find;

static bool dwarf_found(void *u, const dwx_entry *e)
{
	dwarf_find *q = u;
	sym_rec r;
	if (!entry_rec(q->k->f, q->ix, e, &r))
		return true;
	/* the table's own record knows sizes, and its name is the one that others print */
	if (r.kind == SYM_K_CONST || r.tls || !table_at(q->k->f, r.rva, r.code, &r))
		r.name = r.raw = entry_name(q->k->f, q->ix, e);
	r.type = dwf_entry_type(xf_of(q->k->f)->dw, e);
	q->k->n++;
	q->k->stop = !q->k->fn(q->k->u, &r);
	return !q->k->stop;
}

static err find_in_dwarf(finding *k)
{
	dwx *ix;
	elffile *x = xf_of(k->f);
	if (!sym_elf_dwarf(k->f))
		return ERR_OK;
	err e = dwf_index(x->dw, &ix);
	if (e == ERR_CANCELLED)
		return e;
	if (e != ERR_OK)
		return ERR_OK;
	dwarf_find q = {k, ix};
	buf b; /* "::": in no scope but these, anonymous and inline ones aside */
	buf_init(&b, 65536);
	buf_addf(&b, "::%.*s", STR_ARG(k->name));
	e = dwx_find(
		ix, buf_str(&b), DWX_FUNC | DWX_VAR | DWX_ENUMERATOR, k->fold, dwarf_found, &q);
	buf_deinit(&b);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

static str last_part(str name)
{
	int depth = 0;
	size_t end = name.n;
	/* template arguments are written otherwise in the raw name */
	for (size_t i = name.n; i-- > 0;) {
		char c = name.p[i];
		if (c == '>')
			depth++;
		else if (c == '<' && depth-- == 1)
			end = i;
		else if (c == ':' && !depth)
			return (str){name.p + i + 1, end > i + 1 ? end - i - 1 : 0};
	}
	return str_take(name, end);
}

static err find(sym_file *f, str name, bool fold, sym_rec_fn *fn, void *u)
{
	elffile *x = xf_of(f);
	finding k = {.f = f, .name = name, .fold = false, .fn = fn, .u = u};
	uint64_t key = hash_fold(name);
	if (!name.n || map_has(&f->misses, key))
		return ERR_NOTFOUND;
	buf_init(&k.tmp, 65536);
	k.part = last_part(name);
	/* operators, destructors, (anonymous namespace): written otherwise */
	for (size_t i = 0; i < k.part.n; i++)
		if (!isalnum((unsigned char)k.part.p[i]) && k.part.p[i] != '_')
			k.part.n = i;
	likely_raw(&k);
	size_t index;
	elf_sym s;
	esym es;
	err e = ERR_OK;
	if (x->dynamic && elf_gnu_find(&x->syms, name, &s, &index) == ERR_OK && nth(x, index, &es))
		give(&k, index, &es);
	if (!k.n && x->next_name)
		find_hashed(&k);
	if (!k.n) {
		if (!x->next_name && ++x->asked > HASH_AFTER)
			hash_names(x);
		k.prefix = true;
		scan(&k);
	}
	if (!k.n && f->store->table_only) {
		buf_deinit(&k.tmp);
		return ERR_NOTFOUND; /* so far: nothing is known of the rest */
	}
	if (!k.n && !k.stop) {
		e = find_in_dwarf(&k);
		if (e == ERR_OK && !k.n) { /* templates, operators, another case */
			k.prefix = false;
			k.fold = fold;
			scan(&k);
			if (!k.n && fold)
				e = find_in_dwarf(&k);
		}
	}
	buf_deinit(&k.tmp);
	if (cancelled(f->store->host.cancel) && !k.n)
		return ERR_CANCELLED;
	if (e == ERR_OK && !k.n)
		map_set(&f->misses, key, f);
	return e != ERR_OK ? e : k.n ? ERR_OK : ERR_NOTFOUND;
}

/* ---- by address ---- */

typedef struct place {
	uint32_t rva, i;
} place;

/* By address, stable: three passes over 11 bits each. */
static void sort_places(place *p, place *tmp, size_t n)
{
	enum { BITS = 11, SIZE = 1 << BITS };
	for (unsigned shift = 0; shift < 32; shift += BITS) {
		size_t at[SIZE + 1] = {0};
		for (size_t i = 0; i < n; i++)
			at[(p[i].rva >> shift & (SIZE - 1)) + 1]++;
		for (size_t i = 0; i < SIZE; i++)
			at[i + 1] += at[i];
		for (size_t i = 0; i < n; i++)
			tmp[at[p[i].rva >> shift & (SIZE - 1)]++] = p[i];
		place *t = p;
		p = tmp;
		tmp = t;
	}
	/* an odd number of passes: the result stands in what was the temporary */
	memcpy(tmp, p, n * sizeof *p);
}

typedef struct plt_ctx {
	elffile *x;
	VEC(esym) v;
} plt_ctx;

static void plt_one(void *u, uint64_t addr, uint32_t n, str name)
{
	plt_ctx *k = u;
	if (addr < k->x->base || addr - k->x->base >= SYM_NO_RVA)
		return;
	esym s = {.name = str_printf(&k->x->a, "%.*s@plt", STR_ARG(name)),
		.rva = (uint32_t)(addr - k->x->base),
		.size = n,
		.code = true};
	vec_push(&k->v, s);
}

static int by_rva(const void *a, const void *b)
{
	const esym *x = a, *y = b;
	return x->rva < y->rva ? -1 : x->rva > y->rva;
}

static void sort_by_addr(elffile *x)
{
	if (x->by_addr)
		return;
	plt_ctx plt = {.x = x};
	if (x->img)
		elf_plt_each(&x->img->v, plt_one, &plt);
	if (plt.v.n)
		qsort(plt.v.p, plt.v.n, sizeof *plt.v.p, by_rva);
	x->plt = arena_dup(&x->a, plt.v.n ? (void *)plt.v.p : "", plt.v.n * sizeof(esym));
	x->n_plt = plt.v.n;
	vec_deinit(&plt.v);
	size_t n = count(x), k = 0;
	place *p = mem_alloc((n + 1) * 2 * sizeof *p);
	for (size_t i = 0; i < n; i++) {
		esym s;
		if (nth(x, i, &s))
			p[k++] = (place){s.rva, (uint32_t)i};
	}
	sort_places(p, p + n + 1, k);
	x->by_addr = arena_array(&x->a, k + 1, sizeof *x->by_addr);
	for (size_t i = 0; i < k; i++)
		x->by_addr[i] = p[i].i;
	x->n_by_addr = k;
	mem_free(p);
}

static uint32_t rva_of(const elffile *x, size_t pos)
{
	esym s = {0};
	nth(x, x->by_addr[pos], &s);
	return s.rva;
}

/* Position of the first symbol above rva. */
static size_t upper(elffile *x, uint32_t rva)
{
	sort_by_addr(x);
	return BISECT(i, x->n_by_addr, rva_of(x, i) <= rva);
}

static bool better(const esym *a, const esym *b)
{
	if (a->rank != b->rank)
		return a->rank > b->rank;
	size_t ua = 0, ub = 0;
	while (ua < a->name.n && a->name.p[ua] == '_')
		ua++;
	while (ub < b->name.n && b->name.p[ub] == '_')
		ub++;
	return ua != ub ? ua < ub : a->name.n < b->name.n;
}

/* The best of those at the address of position pos, going down (or up) from there. */
static size_t best_at(const elffile *x, size_t pos, int step, esym *ret)
{
	uint32_t rva = rva_of(x, pos);
	size_t best = pos;
	nth(x, x->by_addr[pos], ret);
	for (size_t i = pos + (size_t)step; i < x->n_by_addr && rva_of(x, i) == rva;
		i += (size_t)step) {
		esym s;
		if (nth(x, x->by_addr[i], &s) && better(&s, ret)) {
			*ret = s;
			best = i;
		}
	}
	return best;
}

static void rec_named(sym_file *f, size_t pos, const esym *s, sym_rec *r)
{
	rec_of(xf_of(f), xf_of(f)->by_addr[pos], s, r);
	r->name = sym_file_undec(f, s->name);
}

static bool table_at(sym_file *f, uint32_t rva, bool code, sym_rec *r)
{
	esym s;
	size_t pos = upper(xf_of(f), rva);
	if (!pos || rva_of(xf_of(f), pos - 1) != rva)
		return false;
	pos = best_at(xf_of(f), pos - 1, -1, &s);
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
	rec_of(x, SIZE_MAX, &x->plt[lo - 1], ret);
	ret->kind = SYM_K_PUBLIC;
	ret->name = sym_file_undec(f, ret->raw);
	*disp = rva - ret->rva;
	return true;
}

static err at(sym_file *f, uint32_t rva, sym_rec *ret, uint32_t *disp)
{
	elffile *x = xf_of(f);
	esym s;
	size_t pos = upper(x, rva), back = pos;
	if (plt_at(f, rva, ret, disp))
		return ERR_OK;
	bool code = in_code(x, x->base + rva);
	if (!pos)
		return ERR_NOTFOUND;
	size_t best = best_at(x, pos - 1, -1, &s);
	/* labels inside of a function: the function, if it reaches this far */
	for (int i = 0; i < 16 && back > 0 && !s.func && code && s.rva + s.size <= rva; i++) {
		esym t;
		back = best_at(x, back - 1, -1, &t);
		while (back > 0 && rva_of(x, back - 1) == t.rva)
			back--;
		if (t.func && t.rva + t.size > rva) {
			best = back;
			best_at(x, upper(x, t.rva) - 1, -1, &s);
			break;
		}
	}
	if (x->img && s.code != code && !(s.rva == rva))
		return ERR_NOTFOUND; /* another segment begins in between */
	rec_named(f, best, &s, ret);
	add_type(f, ret, true);
	*disp = rva - s.rva;
	return ERR_OK;
}

static err after(sym_file *f, uint32_t rva, sym_rec *ret, uint32_t *disp)
{
	elffile *x = xf_of(f);
	esym s;
	size_t pos = upper(x, rva);
	if (pos >= x->n_by_addr)
		return ERR_NOTFOUND;
	pos = best_at(x, pos, 1, &s);
	rec_named(f, pos, &s, ret);
	add_type(f, ret, true);
	*disp = s.rva - rva;
	return ERR_OK;
}

static err exact(sym_file *f, uint32_t rva, sym_rec_fn *fn, void *u)
{
	elffile *x = xf_of(f);
	size_t end = upper(x, rva), begin = end;
	while (begin > 0 && rva_of(x, begin - 1) == rva)
		begin--;
	/* best first: few, so a pass each */
	size_t n = end - begin < 256 ? end - begin : 256;
	bool done[256] = {0};
	for (size_t k = 0; k < n; k++) {
		esym s, b = {0};
		size_t best = SIZE_MAX;
		for (size_t i = 0; i < n; i++)
			if (!done[i] && nth(x, x->by_addr[begin + i], &s) &&
				(best == SIZE_MAX || better(&s, &b))) {
				best = i;
				b = s;
			}
		if (best == SIZE_MAX)
			break;
		done[best] = true;
		sym_rec r;
		rec_named(f, begin + best, &b, &r);
		add_type(f, &r, true);
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
		while (i + n < pattern.n &&
			(isalnum((unsigned char)pattern.p[i + n]) || pattern.p[i + n] == '_'))
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
		k->need[i] = (char)tolower((unsigned char)best.p[i]);
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
		while (m + 1 < n && tolower((unsigned char)raw.p[i - (n - 1) + m]) == k->need[m])
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
	if (!entry_rec(k->f, k->ix, e, &r))
		return true;
	if (r.kind != SYM_K_CONST && !r.tls) {
		/* the table has it, under this name or a decorated one */
		size_t pos = upper(x, r.rva);
		if (pos && rva_of(x, pos - 1) == r.rva)
			return true;
	}
	r.name = r.raw = entry_name(k->f, k->ix, e);
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
	size_t n = count(x);
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
		if (!nth(x, i, &s) || !may_match(&k, s.name))
			continue;
		rec_of(x, i, &s, &r);
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
		if (!ix || !dwx_nth(ix, i, &e) || !entry_rec(f, ix, &e, &r))
			return ERR_NOTFOUND;
		r.name = r.raw = entry_name(f, ix, &e);
		r.type = dwf_entry_type(x->dw, &e);
		*ret = r;
		return ERR_OK;
	}
	esym s;
	if (i >= count(x) || !nth(x, i, &s))
		return ERR_CORRUPT;
	rec_of(x, i, &s, ret);
	ret->name = s.name;
	add_type(f, ret, false);
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

static elffile *elffile_new(void)
{
	elffile *x = mem_alloc(sizeof *x);
	arena_init(&x->a);
	map_init(&x->by_name);
	map_init(&x->given);
	return x;
}

static void elffile_drop(sym_store *s, elffile *x)
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
	.find = find,
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
		for (size_t i = 0; i < tables[k]->n && v.n < SYMS_MAX; i++)
			if (of_table(x, tables[k], i, &s))
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
		if (f->ops == &ops && xf_of(f)->img == g &&
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
	sym_file *f = sym_file_new(s, &ops, x->dbg.n ? x->dbg_path : g->path, x);
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

/* ---- PE images with DWARF inside ---- */

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
	return k->v.n < SYMS_MAX;
}

/* The COFF table, or at least the exports. */
static void made_symbols(elffile *x, const pe_coff *c, pe_view *pe)
{
	made_ctx k = {.x = x};
	pe_coff_sym s;
	for (size_t i = 0; pe_coff_symbol(c, i, &s, &i) && k.v.n < SYMS_MAX;) {
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
		if (f->ops == &ops && xf_of(f)->pe == img && xf_of(f)->dw) {
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
		f = sym_file_new(s, &ops, str_z(&x->a, path), x);
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
