/*
 * pdbfile: a PDB behind sym_file_ops. Turns what fmt/pdb says into the room's own words; everything
 * stays lazy: nothing is read that was not asked for, and the file stays mapped.
 *
 * Public symbols are stored decorated. A name in plain words that no hash table has is looked for
 * among the decorated ones by a scan that undecorates only what contains it, and a miss is
 * remembered.
 */
#include "sym/priv.h"

#include "fmt/pe.h"
#include "fmt/undname.h"

/*
 * How much of a file a listing may hold in memory: one part in so many, and what is not worth the
 * trouble. To ask is a system call, so it is asked after so many moves to another window of the
 * file: a move brings in 64 KB, or all of the 2 MB that the kernel read in one go.
 */
enum { HELD_PART = 12, HELD_MIN = 8 << 20, LOOK_EVERY = 16, WINDOW = 1 << 16 };

typedef struct pdbfile {
	sys_map map;
	pdb *pdb;
	bool x86;
	map info;	    /* type id -> sym_type_info in sym_file.names */
	map args;	    /* function type and position -> type id + 1, ARG_NONE */
	uint64_t window[2]; /* of the global stream, of the modules: where it was read last */
	unsigned moves;
} pdbfile;

static pdbfile *pf(sym_file *f)
{
	return f->u;
}

static const pdbfile *pf_const(const sym_file *f)
{
	return f->u;
}

/* ---- names ---- */

static bool decorated(const pdbfile *p, str raw)
{
	return raw.n && (raw.p[0] == '?' || (p->x86 && (raw.p[0] == '_' || raw.p[0] == '@')));
}

static const sym_file_ops ops;

/* Files of other kinds do it themselves, or keep names as they are. */
static str undec_other(sym_file *f, str raw, arena *a)
{
	buf b;
	buf_init(&b, 65536);
	bool any = f->ops->undec && f->ops->undec(f, raw, &b);
	str r = any ? str_dup(a, buf_str(&b)) : raw;
	buf_deinit(&b);
	return r;
}

static bool may_be_decorated(const sym_file *f, str raw)
{
	if (!raw.n || (raw.p[0] != '?' && raw.p[0] != '_' && raw.p[0] != '@'))
		return false;
	return f->ops == &ops ? decorated(pf_const(f), raw) : f->ops->undec || raw.p[0] == '?';
}

str sym_file_undec(sym_file *f, str raw)
{
	uint64_t key = (uint64_t)(uintptr_t)raw.p;
	if (!may_be_decorated(f, raw))
		return raw;
	str *known = map_get(&f->undec, key);
	if (!known) {
		known = arena_new(&f->names, str);
		*known = sym_file_undec_in(f, raw, &f->names);
		map_set(&f->undec, key, known);
	}
	return *known;
}

str sym_file_undec_in(sym_file *f, str raw, arena *a)
{
	if (!may_be_decorated(f, raw))
		return raw;
	if (f->ops == &ops)
		return undname_short(a, raw, pf(f)->x86);
	return f->ops->undec ? undec_other(f, raw, a) : undname_short(a, raw, false);
}

static void let_go(void *u)
{
	const pdbfile *p = u;
	if (sys_mapped() > p->map.n / HELD_PART + HELD_MIN)
		sys_map_forget(&p->map);
}

/* A listing reads at `at` of a module or of the global stream: what it is done with goes. */
static void pass_over(pdbfile *p, uint32_t mod, uint32_t at)
{
	uint64_t here = ((uint64_t)mod << 32 | at) / WINDOW;
	uint64_t *last = &p->window[mod != PDB_NO_MOD];
	if (*last == here)
		return;
	*last = here;
	if (++p->moves % LOOK_EVERY == 0)
		let_go(p);
}

static sym_kind kind_of(pdb_kind k)
{
	switch (k) {
	case PDB_FUNC:
	case PDB_THUNK:
		return SYM_K_FUNC;
	case PDB_DATA:
	case PDB_TLS:
		return SYM_K_DATA;
	case PDB_CONST:
		return SYM_K_CONST;
	case PDB_UDT:
		return SYM_K_TYPEDEF;
	case PDB_LABEL:
		return SYM_K_LABEL;
	default:
		return SYM_K_PUBLIC;
	}
}

static void rec_of(sym_file *f, const pdb_sym *s, sym_rec *r)
{
	*r = (sym_rec){.raw = s->name,
		.kind = kind_of(s->kind),
		.code = s->code,
		.is_static = !s->global,
		.rva = s->kind == PDB_TLS ? SYM_NO_RVA : s->rva,
		.size = s->size,
		.value = s->value,
		.type = s->type,
		.prolog = s->prolog,
		.prolog_end = s->epilog,
		.pdb = *s};
}

static void fill(sym_file *f, sym_rec *r)
{
	pdb_sym s = r->pdb;
	if (pdb_sym_fill(pf(f)->pdb, &s) == ERR_OK) {
		str name = r->name, raw = r->raw;
		rec_of(f, &s, r);
		r->name = name;
		r->raw = raw;
		pass_over(pf(f), s.mod, s.at);
	}
	if (!r->size && r->type && r->kind == SYM_K_DATA)
		r->size = pdb_type_size(pf(f)->pdb, r->type);
}

static err again(sym_file *f, uint32_t mod, uint32_t at, sym_rec *ret)
{
	pdb_sym s;
	pass_over(pf(f), mod, at);
	TRY(pdb_sym_again(pf(f)->pdb, mod, at, &s));
	rec_of(f, &s, ret);
	if (!ret->size && ret->type && ret->kind == SYM_K_DATA)
		ret->size = pdb_type_size(pf(f)->pdb, ret->type);
	return ERR_OK;
}

/* ---- by name ---- */

enum { WANT = PDB_MASK(PDB_FUNC) | PDB_MASK(PDB_DATA) | PDB_MASK(PDB_CONST) };

typedef struct relay {
	sym_file *f;
	sym_rec_fn *fn;
	void *u;
	size_t n;
	str want;
	bool fold, stop, all;
	buf tmp;
} relay;

static bool relay_one(void *u, const pdb_sym *s)
{
	relay *x = u;
	sym_rec r;
	rec_of(x->f, s, &r);
	r.name = sym_file_undec(x->f, s->name);
	x->n++;
	x->stop = !x->fn(x->u, &r);
	return !x->stop;
}

static bool scan_one(void *u, const pdb_sym *s)
{
	relay *x = u;
	if (!decorated(pf(x->f), s->name))
		return true;
	buf_clear(&x->tmp);
	str name = s->name;
	if (name.p[0] == '?' ? !undname(name, UND_NAME, &x->tmp) : false)
		return true;
	name = name.p[0] == '?' ? buf_str(&x->tmp) : sym_file_undec(x->f, name);
	if (!(x->fold ? str_ieq(name, x->want) : str_eq(name, x->want)))
		return true;
	return relay_one(u, s);
}

static err find(sym_file *f, str name, bool fold, sym_rec_fn *fn, void *u)
{
	relay x = {.f = f, .fn = fn, .u = u, .want = name, .fold = fold};
	uint64_t key = hash_fold(name);
	err e = pdb_global_find(pf(f)->pdb, name, fold, WANT, relay_one, &x);
	if (e != ERR_OK && e != ERR_NOTFOUND)
		return e;
	if (!x.stop) {
		e = pdb_public_find(pf(f)->pdb, name, fold, relay_one, &x);
		if (e != ERR_OK && e != ERR_NOTFOUND)
			return e;
	}
	if (x.n || x.stop || map_has(&f->misses, key))
		return x.n ? ERR_OK : ERR_NOTFOUND;
	buf_init(&x.tmp, UND_MAX * 2);
	e = pdb_each_like(pf(f)->pdb, PDB_MASK(PDB_PUBLIC), name, scan_one, &x);
	buf_deinit(&x.tmp);
	if (e == ERR_CANCELLED)
		return e;
	if (!x.n)
		map_set(&f->misses, key, f);
	return x.n ? ERR_OK : ERR_NOTFOUND;
}

static bool each_one(void *u, const pdb_sym *s)
{
	relay *x = u;
	sym_rec r;
	pass_over(pf(x->f), s->mod, s->at);
	rec_of(x->f, s, &r);
	r.name = s->name;
	if (decorated(pf(x->f), s->name)) {
		buf_clear(&x->tmp);
		if (x->all)
			r.name = (str){0};
		else if (s->name.p[0] != '?')
			r.name = sym_file_undec(x->f, s->name);
		else if (undname(s->name, UND_NAME, &x->tmp))
			r.name = buf_str(&x->tmp);
	}
	return x->fn(x->u, &r);
}

static err each(sym_file *f, str pattern, sym_rec_fn *fn, void *u)
{
	relay x = {.f = f, .fn = fn, .u = u, .all = !pattern.n || str_eq(pattern, STR("*"))};
	buf_init(&x.tmp, UND_MAX * 2);
	err e = pdb_each_like(pf(f)->pdb, WANT | PDB_MASK(PDB_PUBLIC), pattern, each_one, &x);
	buf_deinit(&x.tmp);
	return e;
}

/* ---- by address ---- */

static err at(sym_file *f, uint32_t rva, sym_rec *ret, uint32_t *disp)
{
	pdb_sym s;
	TRY(pdb_sym_at(pf(f)->pdb, rva, &s, disp));
	rec_of(f, &s, ret);
	ret->name = sym_file_undec(f, s.name);
	if (!ret->size && ret->type && ret->kind == SYM_K_DATA)
		ret->size = pdb_type_size(pf(f)->pdb, ret->type);
	return ERR_OK;
}

static err after(sym_file *f, uint32_t rva, sym_rec *ret, uint32_t *disp)
{
	pdb_sym s;
	TRY(pdb_sym_after(pf(f)->pdb, rva, &s, disp));
	rec_of(f, &s, ret);
	ret->name = sym_file_undec(f, s.name);
	return ERR_OK;
}

static err func(sym_file *f, uint32_t rva, sym_rec *ret)
{
	pdb_sym s;
	TRY(pdb_func_at(pf(f)->pdb, rva, &s));
	rec_of(f, &s, ret);
	ret->name = sym_file_undec(f, s.name);
	return ERR_OK;
}

static err exact(sym_file *f, uint32_t rva, sym_rec_fn *fn, void *u)
{
	pdb_sym s;
	sym_rec r;
	uint32_t disp;
	size_t i;
	if (pdb_sym_at(pf(f)->pdb, rva, &s, &disp) == ERR_OK && !disp && s.kind != PDB_PUBLIC) {
		rec_of(f, &s, &r);
		r.name = sym_file_undec(f, s.name);
		if (!fn(u, &r))
			return ERR_OK;
	}
	if (pdb_public_at(pf(f)->pdb, rva, &i, &s) != ERR_OK)
		return ERR_OK;
	while (i > 0 && pdb_public_nth(pf(f)->pdb, i - 1, &s) == ERR_OK && s.rva == rva)
		i--;
	for (; pdb_public_nth(pf(f)->pdb, i, &s) == ERR_OK && s.rva <= rva; i++) {
		rec_of(f, &s, &r);
		r.name = sym_file_undec(f, s.name);
		if (s.rva == rva && !fn(u, &r))
			break;
	}
	return ERR_OK;
}

/* ---- types ---- */

static str type_name(sym_file *f, uint32_t ti)
{
	str *known = map_get(&f->tnames, ti);
	if (!known) {
		buf b;
		buf_init(&b, 65536);
		pdb_type_name(pf(f)->pdb, ti, &b);
		known = arena_new(&f->names, str);
		*known = str_dup(&f->names, buf_str(&b));
		map_set(&f->tnames, ti, known);
		buf_deinit(&b);
	}
	return *known;
}

static err type_find(sym_file *f, str name, bool fold, uint32_t *ret)
{
	TRY(pdb_type_find(pf(f)->pdb, name, fold, ret));
	*ret = pdb_type_strip(pf(f)->pdb, *ret);
	return ERR_OK;
}

static sym_type_kind tkind(pdb_tkind k)
{
	static const uint8_t map_[] = {
		[PDB_T_VOID] = SYM_T_VOID,
		[PDB_T_BOOL] = SYM_T_BOOL,
		[PDB_T_CHAR] = SYM_T_CHAR,
		[PDB_T_WCHAR] = SYM_T_WCHAR,
		[PDB_T_INT] = SYM_T_INT,
		[PDB_T_UINT] = SYM_T_UINT,
		[PDB_T_FLOAT] = SYM_T_FLOAT,
		[PDB_T_HRESULT] = SYM_T_HRESULT,
		[PDB_T_PTR] = SYM_T_PTR,
		[PDB_T_MEMPTR] = SYM_T_MEMBER,
		[PDB_T_REF] = SYM_T_REF,
		[PDB_T_RVREF] = SYM_T_REF,
		[PDB_T_ARRAY] = SYM_T_ARRAY,
		[PDB_T_STRUCT] = SYM_T_STRUCT,
		[PDB_T_CLASS] = SYM_T_CLASS,
		[PDB_T_UNION] = SYM_T_UNION,
		[PDB_T_INTERFACE] = SYM_T_STRUCT,
		[PDB_T_ENUM] = SYM_T_ENUM,
		[PDB_T_FUNC] = SYM_T_FUNC,
		[PDB_T_METHOD] = SYM_T_FUNC,
	};
	/* SYM_T_VOID is 0: entries left out mean "unknown" except PDB_T_VOID itself. */
	if (k >= ARRAY_LEN(map_) || (!map_[k] && k != PDB_T_VOID))
		return SYM_T_UNKNOWN;
	return (sym_type_kind)map_[k];
}

/* Modifiers, typedefs and bit fields are looked through; a chain of them is bounded. */
static err type_plain(sym_file *f, uint32_t id, pdb_type *t)
{
	for (int i = 0; i < 32; i++) {
		id = pdb_type_strip(pf(f)->pdb, id);
		TRY(pdb_type_get(pf(f)->pdb, id, t));
		if (t->kind != PDB_T_MODIFIER && t->kind != PDB_T_ALIAS &&
			t->kind != PDB_T_BITFIELD)
			return ERR_OK;
		id = t->elem;
	}
	return ERR_CORRUPT;
}

static err type_make(sym_file *f, uint32_t id, sym_type_info *ret)
{
	pdb_type t;
	TRY(type_plain(f, id, &t));
	*ret = (sym_type_info){.kind = tkind(t.kind),
		.name = t.name.n ? t.name : type_name(f, t.ti),
		.size = t.size,
		.forward = t.forward};
	if (ret->kind >= SYM_T_PTR && ret->kind <= SYM_T_ARRAY)
		ret->elem = (sym_type){f, t.elem};
	if (ret->kind == SYM_T_ENUM || ret->kind == SYM_T_FUNC || ret->kind == SYM_T_MEMBER)
		ret->elem = (sym_type){f, t.elem};
	if (ret->kind == SYM_T_MEMBER)
		ret->owner = (sym_type){f, t.klass};
	if (ret->kind == SYM_T_ARRAY) {
		uint64_t one = pdb_type_size(pf(f)->pdb, t.elem);
		ret->count = one ? t.size / one : 0;
	}
	if (ret->kind >= SYM_T_STRUCT && ret->kind <= SYM_T_ENUM)
		ret->n_fields = t.count;
	return ERR_OK;
}

/* A listing asks for the same few types over and over: they are kept. */
static err type_get(sym_file *f, uint32_t id, sym_type_info *ret)
{
	sym_type_info *known = map_get(&pf(f)->info, id);
	if (!known) {
		sym_type_info t;
		TRY(type_make(f, id, &t));
		known = arena_dup(&f->names, &t, sizeof t);
		map_set(&pf(f)->info, id, known);
	}
	*ret = *known;
	return ERR_OK;
}

enum { FIELDS_MAX = 65536 };

typedef struct fields {
	sym_file *f;
	VEC(sym_field) v;
} fields;

static bool field_one(void *u, const pdb_field *p)
{
	fields *x = u;
	if (x->v.n >= FIELDS_MAX)
		return false;
	sym_field r = {.name = p->name,
		.type = {p->type ? x->f : NULL, p->type},
		.offset = p->offset,
		.bit_pos = p->bit_pos,
		.bit_len = p->bit_len};
	switch (p->kind) {
	case PDB_F_MEMBER:
		break;
	case PDB_F_STATIC:
		r.is_static = true;
		break;
	case PDB_F_BASE:
		r.is_base = true;
		break;
	case PDB_F_ENUMERATOR:
		r.is_enumerator = true;
		r.value = (int64_t)p->value;
		break;
	case PDB_F_METHOD:
		r.is_method = true;
		break;
	case PDB_F_VFPTR:
		r.name = STR("__VFN_table");
		break;
	default:
		return true;
	}
	vec_push(&x->v, r);
	return true;
}

static err type_fields(sym_file *f, uint32_t id, arena *a, sym_field **ret, size_t *n_ret)
{
	pdb_type t;
	TRY(type_plain(f, id, &t));
	fields x = {.f = f};
	err e = pdb_type_fields(pf(f)->pdb, t.ti, field_one, &x);
	sym_type_info under;
	/* clang writes -1 of an int as 4294967295: the underlying type has the last word */
	if (t.kind == PDB_T_ENUM && type_get(f, t.elem, &under) == ERR_OK && under.size &&
		under.size < 8) {
		unsigned shift = 64 - 8 * (unsigned)under.size;
		for (size_t i = 0; i < x.v.n; i++) {
			uint64_t up = (uint64_t)x.v.p[i].value << shift;
			x.v.p[i].value = under.kind == SYM_T_INT || under.kind == SYM_T_CHAR
						 ? (int64_t)up >> shift
						 : (int64_t)(up >> shift);
		}
	}
	if (e == ERR_OK) {
		*ret = arena_dup(a, x.v.n ? (void *)x.v.p : "", x.v.n * sizeof(sym_field));
		*n_ret = x.v.n;
	}
	vec_deinit(&x.v);
	return e;
}

static err arg_make(sym_file *f, uint32_t id, uint32_t i, uint32_t *ret)
{
	pdb_type t;
	TRY(type_plain(f, id, &t));
	if (t.kind != PDB_T_FUNC && t.kind != PDB_T_METHOD)
		return ERR_NOTFOUND;
	return pdb_type_arg(pf(f)->pdb, t.ti, i, ret);
}

static err type_arg(sym_file *f, uint32_t id, uint32_t i, uint32_t *ret)
{
	const uintptr_t ARG_NONE = UINT32_MAX + (uintptr_t)2;
	uint64_t key = (uint64_t)id << 32 | i;
	uintptr_t known = (uintptr_t)map_get(&pf(f)->args, key);
	if (!known) {
		uint32_t arg;
		err e = arg_make(f, id, i, &arg);
		if (e != ERR_OK && e != ERR_NOTFOUND)
			return e;
		known = e == ERR_OK ? (uintptr_t)arg + 1 : ARG_NONE;
		map_set(&pf(f)->args, key, (void *)known);
	}
	if (known == ARG_NONE)
		return ERR_NOTFOUND;
	*ret = (uint32_t)(known - 1);
	return ERR_OK;
}

typedef struct each_type_ctx {
	sym_type_fn *fn;
	void *u;
} each_type_ctx;

static bool each_type_one(void *u, const pdb_type *t)
{
	each_type_ctx *x = u;
	return x->fn(x->u, t->name, t->kind == PDB_T_ALIAS ? t->elem : t->ti);
}

static err type_like(sym_file *f, str pattern, sym_type_fn *fn, void *u)
{
	each_type_ctx x = {fn, u};
	return pdb_type_like(pf(f)->pdb, true, pattern, each_type_one, &x);
}

static err type_each(sym_file *f, sym_type_fn *fn, void *u)
{
	return type_like(f, STR("*"), fn, u);
}

/* ---- lines, locals ---- */

static err line_at(sym_file *f, uint32_t rva, sym_line *ret)
{
	pdb_line l;
	TRY(pdb_line_at(pf(f)->pdb, rva, &l));
	*ret = (sym_line){l.file, l.line, l.rva, l.size};
	return ERR_OK;
}

static err line_find(
	sym_file *f, arena *a, str file, uint32_t line, uint64_t **ret, size_t *n_ret, bool *exact)
{
	pdb_line *l;
	size_t n;
	TRY(pdb_line_find(pf(f)->pdb, a, file, line, &l, &n, exact));
	if (!n)
		return ERR_NOTFOUND;
	*ret = arena_array(a, n, sizeof **ret);
	for (size_t i = 0; i < n; i++)
		(*ret)[i] = l[i].rva;
	*n_ret = n;
	return ERR_OK;
}

static void local_of(sym_file *f, const pdb_local *p, sym_local *r)
{
	static const sym_loc_kind kinds[] = {[PDB_LOC_NONE] = SYM_LOC_NONE,
		[PDB_LOC_REG] = SYM_LOC_REG,
		[PDB_LOC_REGREL] = SYM_LOC_REGREL,
		[PDB_LOC_STATIC] = SYM_LOC_STATIC,
		[PDB_LOC_TLS] = SYM_LOC_NONE,
		[PDB_LOC_CONST] = SYM_LOC_CONST,
		[PDB_LOC_INDIR] = SYM_LOC_EXPR};
	*r = (sym_local){.name = p->name,
		.param = p->param,
		.type = {p->type ? f : NULL, p->type},
		.loc = p->loc < ARRAY_LEN(kinds) ? kinds[p->loc] : SYM_LOC_NONE,
		.off = p->off,
		.inner = p->inner,
		.pieces = p->pieces,
		.n_pieces = p->npieces,
		.addr = p->loc == PDB_LOC_CONST ? p->value : p->rva,
		.depth = p->depth,
		.inlined = p->inl};
	if (p->npieces) {
		r->loc = SYM_LOC_EXPR;
	} else if (p->loc == PDB_LOC_REG || p->loc == PDB_LOC_REGREL || p->loc == PDB_LOC_INDIR) {
		const char *reg = pdb_reg_name(pf(f)->pdb, p->reg);
		if (reg && strlen(reg) < sizeof r->reg)
			strcpy(r->reg, reg);
		else
			r->loc = SYM_LOC_NONE;
	}
}

/*
 * Optimised code of Microsoft's compiler tells a variable twice: with live ranges, then once more
 * with its home on the stack for older debuggers. The ranges are right; the home only helps where
 * no place in time is meant (whole) and the first record has none.
 */
static bool told_before(sym_local *all, size_t n, const sym_local *v, bool whole)
{
	for (size_t i = 0; i < n; i++) {
		sym_local *o = &all[i];
		if (o->inlined != v->inlined || o->depth != v->depth || !str_eq(o->name, v->name) ||
			o->type.id != v->type.id)
			continue;
		if (whole && o->loc == SYM_LOC_NONE) {
			bool param = o->param || v->param;
			*o = *v;
			o->param = param;
		}
		return true;
	}
	return false;
}

static err locals(sym_file *f, arena *a, uint32_t rva, bool whole, sym_local **ret, size_t *n_ret)
{
	pdb_local *l;
	size_t n;
	if (whole) {
		pdb_sym s;
		TRY(pdb_func_at(pf(f)->pdb, rva, &s));
		TRY(pdb_locals_all(pf(f)->pdb, a, &s, &l, &n));
	} else {
		TRY(pdb_locals_at(pf(f)->pdb, a, rva, &l, &n));
	}
	*ret = arena_array(a, n, sizeof **ret);
	size_t k = 0;
	for (size_t i = 0; i < n; i++) {
		sym_local v;
		local_of(f, &l[i], &v);
		if (whole && v.inlined)
			continue; /* of other functions */
		if (!told_before(*ret, k, &v, whole))
			(*ret)[k++] = v;
	}
	*n_ret = k;
	return ERR_OK;
}

/* Address of what stands relative to a register, perhaps through the pointer there. */
static err reg_place(sym_file *f, const char *name, int64_t off, bool indirect, int64_t inner,
	const x64_regs *regs, const mem_reader *mem, uint64_t *ret, diag *d)
{
	const x64_reg *reg = name ? x64_reg_find(str_of(name)) : NULL;
	uint8_t p[8] = {0};
	if (!reg || !(regs->valid & reg->set))
		return diag_set(d, ERR_NOTFOUND, "register %s is not known", name ? name : "?");
	uint64_t addr = x64_reg_get(regs, reg) + (uint64_t)off;
	if (indirect) {
		TRY(mem_read_all(mem, addr, p, pf(f)->x86 ? 4 : 8));
		addr = le64(p) + (uint64_t)inner;
	}
	*ret = addr;
	return ERR_OK;
}

/* One piece's n bytes; false if it is nowhere. */
static bool piece_bytes(sym_file *f, const pdb_piece *p, const x64_regs *regs,
	const mem_reader *mem, uint8_t *to, size_t n)
{
	const char *name = pdb_reg_name(pf(f)->pdb, p->reg);
	uint64_t addr;
	if (p->loc == PDB_LOC_REG) {
		const x64_reg *reg = name ? x64_reg_find(str_of(name)) : NULL;
		if (!reg || !(regs->valid & reg->set) || n > 8)
			return false;
		uint8_t v[8];
		put64(v, x64_reg_get(regs, reg));
		memcpy(to, v, n);
		return true;
	}
	return (p->loc == PDB_LOC_REGREL || p->loc == PDB_LOC_INDIR) &&
	       reg_place(f, name, p->off, p->loc == PDB_LOC_INDIR, p->inner, regs, mem, &addr,
		       NULL) == ERR_OK &&
	       mem_read_all(mem, addr, to, n) == ERR_OK;
}

static err local_place(sym_file *f, const sym_local *l, uint64_t mod_base, const x64_regs *regs,
	const mem_reader *mem, sym_place *ret, diag *d)
{
	sym_place p = {.kind = SYM_PLACE_MEM};
	(void)mod_base;
	if (!l->n_pieces) {
		TRY(reg_place(f, l->reg, l->off, true, l->inner, regs, mem, &p.addr, d));
		*ret = p;
		return ERR_OK;
	}
	uint64_t size = pdb_type_size(pf(f)->pdb, l->type.id);
	if (!size || size > SYM_PLACE_MAX)
		return diag_set(
			d, ERR_LIMIT, "%.*s is too large to be put together", STR_ARG(l->name));
	p.kind = SYM_PLACE_BYTES;
	p.n = (size_t)size;
	memset(p.lost, true, p.n);
	for (size_t i = 0; i < l->n_pieces; i++) {
		size_t from = l->pieces[i].offset, end = p.n;
		for (size_t k = 0; k < l->n_pieces; k++)
			if (l->pieces[k].offset > from && l->pieces[k].offset < end)
				end = l->pieces[k].offset;
		if (from < end &&
			piece_bytes(f, &l->pieces[i], regs, mem, p.bytes + from, end - from))
			memset(p.lost + from, false, end - from);
	}
	size_t lost = 0;
	for (size_t i = 0; i < p.n; i++)
		lost += p.lost[i];
	if (lost == p.n)
		return diag_set(d, ERR_NOTFOUND, "%.*s is optimised away", STR_ARG(l->name));
	*ret = p;
	return ERR_OK;
}

static err inlines(sym_file *f, arena *a, uint32_t rva, sym_inline **ret, size_t *n_ret)
{
	pdb_inline *l;
	size_t n;
	TRY(pdb_inlines_at(pf(f)->pdb, a, rva, &l, &n));
	*ret = arena_array(a, n, sizeof **ret);
	for (size_t i = 0; i < n; i++)
		(*ret)[i] = (sym_inline){
			.name = l[i].scope.n ? str_printf(a, "%.*s::%.*s", STR_ARG(l[i].scope),
						       STR_ARG(l[i].name))
					     : l[i].name,
			.file = l[i].file,
			.line = l[i].line,
			.begin = l[i].begin,
			.end = l[i].end};
	*n_ret = n;
	return ERR_OK;
}

typedef struct src_ctx {
	bool (*fn)(void *u, str path);
	void *u;
} src_ctx;

static bool src_one(void *u, uint32_t mod, str path)
{
	src_ctx *x = u;
	return x->fn(x->u, path);
}

static err source_each(sym_file *f, bool (*fn)(void *u, str path), void *u)
{
	src_ctx x = {fn, u};
	return pdb_file_each(pf(f)->pdb, src_one, &x);
}

/* ---- opening ---- */

static void close_(sym_file *f)
{
	pdb_close(pf(f)->pdb);
	sys_map_close(&pf(f)->map);
	map_deinit(&pf(f)->info);
	map_deinit(&pf(f)->args);
	mem_free(f->u);
}

static const sym_file_ops ops = {
	.name = "pdb",
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
	.local_place = local_place,
};

/*
 * Does some object file have symbols of its own? The linker's module always does (sections, its
 * command line), also where the objects were compiled without debug information.
 */
static bool has_private(pdb *p)
{
	pdb_mod m;
	if (!pdb_id_get(p)->has_private || pdb_id_get(p)->stripped)
		return false;
	for (uint32_t i = 0; i < pdb_nmods(p); i++)
		if (pdb_mod_get(p, i, &m) == ERR_OK && m.has_syms &&
			!str_eq(m.name, STR("* Linker *")) && !str_starts(m.name, STR("Import:")))
			return true;
	return false;
}

err sym_pdb_open(sym_store *s, const char *path, sym_file **ret, diag *d)
{
	sys_map m;
	TRY(sys_map_open(path, &m, d));
	if (!pdb_is(m.p, m.n)) {
		sys_map_close(&m);
		return diag_set(d, ERR_CORRUPT, "not a PDB");
	}
	pdb *p;
	err e = pdb_open(m.p, m.n, &p, d);
	if (e != ERR_OK) {
		sys_map_close(&m);
		return e;
	}
	pdb_cancel_set(p, s->host.cancel);
	pdbfile *x = mem_alloc(sizeof *x);
	*x = (pdbfile){.map = m, .pdb = p, .x86 = pdb_id_get(p)->machine == PE_MACHINE_I386};
	map_init(&x->info);
	map_init(&x->args);
	pdb_pass_set(p, let_go, x);
	sym_file *f = sym_file_new(s, &ops, path, x);
	f->status = has_private(p) ? SYM_PRIVATE : SYM_PUBLIC;
	*ret = f;
	return ERR_OK;
}

bool sym_pdb_matches(const sym_file *f, const uint8_t guid[16], uint32_t age, buf *text)
{
	const pdb_id *id = pdb_id_get(((const pdbfile *)f->u)->pdb);
	uint32_t mine = id->dbi_age ? id->dbi_age : id->age;
	if (text) {
		pe_guid_text(id->guid, true, text);
		buf_addf(text, "%X", mine);
	}
	/* The linker raises the age of the DBI stream along with the image's; tools that only touch
	 * other streams raise that of the info stream. */
	return !memcmp(id->guid, guid, 16) && (mine == age || id->age == age);
}
