/*
 * cxxenv: see cxxenv.h. A type handle of the evaluator is a sym_type (file, id).
 *
 * Compiled expressions are kept by their text, so that a condition that runs at every hit costs
 * neither parsing nor lookups: an entry holds as long as the symbols' generation and, if it names
 * things without module, the instruction pointer that gave them their meaning are the same.
 */
#include "engine/cxxenv.h"
#include "engine/internal.h"

#include <stdio.h>

enum { KEPT_MAX = 32, DEPTH_MAX = 12, TYPE_NAME_MAX = 400, LEVELS_MAX = 7 };

typedef struct kept {
	char *text; /* NULL: free */
	size_t n;
	arena a;
	cxx_code *code;
	uint64_t generation, pc, temps, used;
	uint32_t frame_out; /* as in the context */
	unsigned busy;
} kept;

/* The type of a pseudo-register: `levels` pointers to a basic type or to a type of the symbols,
 * which is found again by its name when they change. */
typedef struct temp {
	bool typed, lvalue;
	cxx_kind kind; /* basic, or CXX_NONE: by name */
	unsigned levels;
	char name[TYPE_NAME_MAX]; /* "nt!_EPROCESS" */
	sym_type type;
	uint64_t generation;
} temp;

struct cxx_state {
	temp temps[ENG_TEMPS];
	uint64_t temps_generation;
	kept kept[KEPT_MAX];
	uint64_t clock;
	unsigned depth;
};

static struct cxx_state *state(engine *e)
{
	if (!e->cxx)
		e->cxx = mem_alloc(sizeof *e->cxx);
	return e->cxx;
}

static void drop(kept *k)
{
	if (!k->text)
		return;
	arena_deinit(&k->a);
	mem_free(k->text);
	*k = (kept){0};
}

void cxx_state_destroy(engine *e)
{
	if (!e->cxx)
		return;
	for (size_t i = 0; i < KEPT_MAX; i++)
		drop(&e->cxx->kept[i]);
	mem_free(e->cxx);
	e->cxx = NULL;
}

/* ---- types ---- */

static sym_type type_of(cxx_handle h)
{
	return (sym_type){(sym_file *)(uintptr_t)h.p, (uint32_t)h.id};
}

static cxx_handle handle_of(sym_type t)
{
	return (cxx_handle){t.file, t.id};
}

static cxx_kind int_kind(const sym_type_info *in, bool is_unsigned)
{
	/* "long", "long int", "unsigned long", "long unsigned int", but not "long long" */
	bool is_long = str_find(in->name, STR("long")) != SIZE_MAX &&
		       str_find(in->name, STR("long long")) == SIZE_MAX;
	cxx_kind k = in->size == 1   ? CXX_CHAR
		     : in->size == 2 ? CXX_SHORT
		     : in->size == 4 ? is_long ? CXX_LONG : CXX_INT
		     : in->size == 8 ? is_long ? CXX_LONG : CXX_INT64
				     : CXX_INT128;
	return is_unsigned ? (cxx_kind)(k + 1) : k;
}

static cxx_kind kind_of(const sym_type_info *in)
{
	/* In C++ files of Linux wchar_t is a type of its own. */
	if ((in->kind == SYM_T_INT || in->kind == SYM_T_UINT) && str_eq(in->name, STR("wchar_t")))
		return CXX_WCHAR;
	if (in->kind == SYM_T_WCHAR && str_eq(in->name, STR("char16_t")))
		return CXX_CHAR16;
	/* char is Rust's */
	if (in->kind == SYM_T_UINT && in->size == 4 &&
		(str_eq(in->name, STR("char32_t")) || str_eq(in->name, STR("char"))))
		return CXX_CHAR32;
	switch (in->kind) {
	case SYM_T_VOID:
		return CXX_VOID;
	case SYM_T_INT:
	case SYM_T_HRESULT:
		return in->size > 16 ? CXX_NONE : int_kind(in, false);
	case SYM_T_UINT:
		return in->size > 16 ? CXX_NONE : int_kind(in, true);
	case SYM_T_BOOL:
		return CXX_BOOL;
	case SYM_T_CHAR:
		return CXX_CHAR;
	case SYM_T_WCHAR:
		return CXX_WCHAR;
	case SYM_T_FLOAT:
		return in->size <= 4				    ? CXX_FLOAT
		       : in->size == 8				    ? CXX_DOUBLE
		       : str_find(in->name, STR("128")) != SIZE_MAX ? CXX_UINT128
								    : CXX_LDOUBLE;
	case SYM_T_PTR:
		return CXX_PTR;
	case SYM_T_REF:
		return CXX_REF;
	case SYM_T_ARRAY:
	case SYM_T_COMPLEX:
		return CXX_ARRAY;
	case SYM_T_STRUCT:
	case SYM_T_CLASS:
	case SYM_T_UNION:
		return CXX_STRUCT;
	case SYM_T_ENUM:
		return CXX_ENUM;
	case SYM_T_FUNC:
		return CXX_FUNC;
	case SYM_T_MEMBER:
		return in->size <= 16 ? CXX_MEMBER : CXX_NONE;
	default:
		return CXX_NONE;
	}
}

static err c_describe(void *u, cxx_handle h, cxx_desc *ret)
{
	sym_type_info in, under;
	TRY(sym_type_info_get(type_of(h), &in));
	*ret = (cxx_desc){.kind = kind_of(&in),
		.size = in.size,
		.count = in.kind == SYM_T_COMPLEX ? 2 : in.count,
		.elem = handle_of(in.elem),
		.name = in.name,
		.forward = in.forward};
	if (in.kind == SYM_T_STRUCT)
		ret->word = "struct";
	else if (in.kind == SYM_T_CLASS)
		ret->word = "class";
	else if (in.kind == SYM_T_UNION)
		ret->word = "union";
	else if (in.kind == SYM_T_ENUM)
		ret->word = "enum";
	if (in.kind == SYM_T_MEMBER)
		ret->name = in.owner.file && sym_type_info_get(in.owner, &under) == ERR_OK
				    ? under.name
				    : (str){0};
	if (in.kind == SYM_T_ENUM && sym_type_info_get(in.elem, &under) == ERR_OK)
		ret->is_unsigned = under.kind == SYM_T_UINT || under.kind == SYM_T_BOOL;
	return ERR_OK;
}

static err c_type(void *u, str name, cxx_handle *ret)
{
	engine *e = u;
	sym_type t;
	if (!e->syms)
		return ERR_NOTFOUND;
	TRY(sym_type_find(e->syms, name, &t, NULL));
	*ret = handle_of(t);
	return ERR_OK;
}

static cxx_path path_of(const sym_field *f)
{
	_Static_assert((int)SYM_HOPS_MAX == (int)CXX_HOPS_MAX, "one way to virtual bases");
	cxx_path p = {.offset = f->offset, .n_hops = f->n_hops};
	for (unsigned i = 0; i < f->n_hops; i++)
		p.hop[i] = (cxx_hop){f->hop[i].at, f->hop[i].slot};
	return p;
}

static err c_field(void *u, cxx_handle h, str name, cxx_field *ret)
{
	sym_field f;
	TRY(sym_type_member(type_of(h), name, &f, NULL));
	*ret = (cxx_field){.type = handle_of(f.type),
		.path = path_of(&f),
		.bit_pos = f.bit_pos,
		.bit_len = f.bit_len,
		.is_static = f.is_static,
		.is_const = f.is_const && !f.addr,
		.addr = f.addr	     ? f.addr
			: f.is_const ? (uint64_t)f.value
				     : 0};
	return ERR_OK;
}

static bool same_class(sym_type a, sym_type b)
{
	sym_type_info x, y;
	if (a.file == b.file && a.id == b.id)
		return true;
	return sym_type_info_get(a, &x) == ERR_OK && sym_type_info_get(b, &y) == ERR_OK &&
	       x.name.n && str_eq(x.name, y.name);
}

static err base_field(sym_type t, sym_type base, arena *a, unsigned depth, sym_field *ret)
{
	sym_field *f;
	size_t n;
	if (depth > DEPTH_MAX || sym_type_fields(t, a, &f, &n) != ERR_OK)
		return ERR_NOTFOUND;
	for (size_t i = 0; i < n; i++) {
		if (!f[i].is_base)
			continue;
		if (same_class(f[i].type, base)) {
			*ret = f[i];
			return ERR_OK;
		}
		if (base_field(f[i].type, base, a, depth + 1, ret) == ERR_OK)
			return sym_field_in(&f[i], ret);
	}
	return ERR_NOTFOUND;
}

static err c_base(void *u, cxx_handle derived, cxx_handle base, cxx_path *ret)
{
	arena a;
	sym_field f;
	arena_init(&a);
	err r = base_field(type_of(derived), type_of(base), &a, 0, &f);
	if (r == ERR_OK)
		*ret = path_of(&f);
	arena_deinit(&a);
	return r;
}

/* Along the path, from an object's start. */
static err follow(engine *e, const cxx_path *p, uint64_t at, uint64_t *ret, diag *d)
{
	uint8_t raw[8];
	for (unsigned i = 0; i < p->n_hops; i++) {
		at += p->hop[i].at;
		TRY(eng_read_all(e, at, raw, 8, d));
		TRY(eng_read_all(e, le64(raw) + (uint64_t)p->hop[i].slot, raw, 8, d));
		at += le64(raw);
	}
	*ret = at + p->offset;
	return ERR_OK;
}

/*
 * The C++ ABI of Itanium, 2.5 (virtual tables): in front of where an object's table pointer points
 * stand the type and, before it, how far the whole object's start is. The table's symbol names the
 * whole object's class; from its start the class that is wanted can be reached.
 */
static err c_derived(
	void *u, cxx_handle base, cxx_handle derived, uint64_t addr, uint64_t *ret, diag *d)
{
	engine *e = u;
	uint8_t raw[8];
	uint64_t disp, check;
	sym_type whole;
	cxx_path path;
	sym s;
	TRY(eng_read_all(e, addr, raw, 8, d));
	uint64_t table = le64(raw);
	const str mark = STR("vtable for ");
	if (sym_at(e->syms, table, &s, &disp) != ERR_OK || !str_starts(s.name, mark))
		return diag_set(
			d, ERR_NOTFOUND, "no table of virtual functions at %s", out_addr(e, addr));
	TRY(eng_read_all(e, table - 16, raw, 8, d));
	uint64_t top = addr + le64(raw);
	arena a;
	arena_init(&a);
	str name = str_printf(
		&a, "%.*s!%.*s", STR_ARG(s.mod->name), STR_ARG(str_skip(s.name, mark.n)));
	err r = sym_type_find(e->syms, name, &whole, d);
	arena_deinit(&a);
	TRY(r);
	if (same_class(whole, type_of(derived)))
		path = (cxx_path){0};
	else if (c_base(u, handle_of(whole), derived, &path) != ERR_OK)
		return diag_set(
			d, ERR_NOTFOUND, "the object is a %.*s", STR_ARG(str_skip(s.name, mark.n)));
	TRY(follow(e, &path, top, ret, d));
	/* and the same way back: what was there is no such object otherwise */
	TRY(c_base(u, derived, base, &path));
	TRY(follow(e, &path, *ret, &check, d));
	return check == addr
		       ? ERR_OK
		       : diag_set(d, ERR_NOTFOUND, "no whole object around %s", out_addr(e, addr));
}

static void c_params(void *u, cxx_handle h, buf *out)
{
	sym_type_params(type_of(h), out);
}

sym_type eng_cxx_sym_type(engine *e, const cxx_type *t)
{
	static const char *const names[] = {[CXX_VOID] = "void",
		[CXX_BOOL] = "bool",
		[CXX_CHAR] = "char",
		[CXX_UCHAR] = "unsigned char",
		[CXX_WCHAR] = "wchar_t",
		[CXX_CHAR16] = "char16_t",
		[CXX_CHAR32] = "char32_t",
		[CXX_SHORT] = "short",
		[CXX_USHORT] = "unsigned short",
		[CXX_INT] = "int",
		[CXX_UINT] = "unsigned int",
		[CXX_LONG] = "long",
		[CXX_ULONG] = "unsigned long",
		[CXX_INT64] = "__int64",
		[CXX_UINT64] = "unsigned __int64",
		[CXX_FLOAT] = "float",
		[CXX_DOUBLE] = "double"};
	unsigned levels = 0;
	sym_type r = {0};
	for (; t && t->kind == CXX_PTR && !t->h.p && levels <= LEVELS_MAX; levels++) {
		if (!t->elem && t->elem_h.p) {
			r = type_of(t->elem_h);
			t = NULL;
			continue;
		}
		t = t->elem;
	}
	if (t && t->h.p)
		r = type_of(t->h);
	else if (t && t->kind < ARRAY_LEN(names) && names[t->kind] && e->syms &&
		 sym_type_find(e->syms, str_of(names[t->kind]), &r, NULL) != ERR_OK)
		return (sym_type){0};
	while (levels-- && r.file)
		r = sym_type_ptr(r);
	return r;
}

/* ---- symbols ---- */

/* The local of that name at the current instruction, in the current frame (or around it); the
 * innermost block's wins. Its own memory is in a. */
static err local_named(engine *e, arena *a, str name, bool around, sym_local *ret)
{
	sym_local *l;
	size_t n;
	err r = eng_locals(e, a, around, &l, &n, NULL);
	if (r != ERR_OK)
		return r == ERR_CANCELLED ? r : ERR_NOTFOUND;
	for (size_t i = n; i-- > 0;)
		if (str_eq(l[i].name, name)) {
			*ret = l[i];
			return ERR_OK;
		}
	return ERR_NOTFOUND;
}

static cxx_where where_of(sym_loc_kind k)
{
	static const cxx_where table[] = {[SYM_LOC_NONE] = CXX_AT_NONE,
		[SYM_LOC_REG] = CXX_AT_REG,
		[SYM_LOC_REGREL] = CXX_AT_REGREL,
		[SYM_LOC_STATIC] = CXX_AT_MEM,
		[SYM_LOC_CONST] = CXX_AT_CONST,
		[SYM_LOC_EXPR] = CXX_AT_EXPR};
	return (size_t)k < ARRAY_LEN(table) ? table[k] : CXX_AT_NONE;
}

static err find_local(engine *e, str name, bool around, cxx_symbol *ret)
{
	sym_local l;
	arena a;
	arena_init(&a);
	err r = local_named(e, &a, name, around, &l);
	if (r == ERR_OK) {
		*ret = (cxx_symbol){.where = where_of(l.loc),
			.local = true,
			.addr = l.addr,
			.off = l.off,
			.type = handle_of(l.type)};
		if (l.loc == SYM_LOC_REG || l.loc == SYM_LOC_REGREL) {
			ret->reg.bound = x64_reg_find(str_of(l.reg));
			if (!ret->reg.bound)
				ret->where = CXX_AT_NONE;
		}
	}
	arena_deinit(&a);
	return r;
}

static err read_mem(void *u, uint64_t addr, void *p, size_t n, size_t *n_ret)
{
	return eng_read((engine *)u, addr, p, n, n_ret, NULL);
}

/* A thread-local variable: in each thread somewhere else. */
static err thread_local(engine *e, str name, sym_place *ret, diag *d)
{
	sym s;
	TRY(sym_find(e->syms, str_starts(name, STR("::")) ? str_skip(name, 2) : name, &s, d));
	*ret = (sym_place){.kind = SYM_PLACE_MEM, .addr = s.addr};
	return s.tls ? ERR_OK : ERR_NOTFOUND;
}

/* A local whose place is worked out each time. */
static err c_place(void *u, str name, cxx_place *ret, diag *d)
{
	engine *e = u;
	sym_local l;
	sym_place p;
	x64_regs regs = {0};
	mem_reader mem = {e, read_mem};
	arena a;
	TRY(eng_regs(e, X64_SET_CONTROL | X64_SET_INTEGER, &regs, d));
	arena_init(&a);
	err r = local_named(e, &a, name, false, &l);
	if (r == ERR_NOTFOUND)
		r = local_named(e, &a, name, true, &l);
	if (r == ERR_OK)
		r = sym_local_place(e->syms, &l, &regs, &mem, &p, d);
	else if (r == ERR_NOTFOUND)
		r = thread_local(e, name, &p, d);
	arena_deinit(&a);
	TRY(r);
	if (p.kind == SYM_PLACE_MEM) {
		*ret = (cxx_place){.where = CXX_AT_MEM, .addr = p.addr};
	} else if (p.kind == SYM_PLACE_REG) {
		*ret = (cxx_place){.where = CXX_AT_REG, .reg.bound = x64_reg_find(str_of(p.reg))};
		if (!ret->reg.bound)
			return ERR_NOTFOUND;
	} else {
		*ret = (cxx_place){.where = CXX_AT_CONST};
		ret->n = p.n < sizeof ret->bytes ? p.n : sizeof ret->bytes;
		memcpy(ret->bytes, p.bytes, ret->n);
		memcpy(ret->lost, p.lost, ret->n);
	}
	return ERR_OK;
}

static err c_enumerator(void *u, cxx_handle h, str name, uint64_t *ret)
{
	sym_field *f;
	size_t n;
	arena a;
	err r = ERR_NOTFOUND;
	arena_init(&a);
	if (sym_type_fields(type_of(h), &a, &f, &n) == ERR_OK)
		for (size_t i = 0; i < n && r != ERR_OK; i++)
			if (f[i].is_enumerator && str_eq(f[i].name, name)) {
				*ret = (uint64_t)f[i].value;
				r = ERR_OK;
			}
	arena_deinit(&a);
	return r;
}

/* Enum::NAME */
static err scoped_enumerator(engine *e, str name, cxx_symbol *ret)
{
	size_t at = SIZE_MAX;
	sym_type t;
	uint64_t v;
	for (size_t i = 0; i + 1 < name.n; i++)
		if (name.p[i] == ':' && name.p[i + 1] == ':')
			at = i;
	if (at == SIZE_MAX || !at || sym_type_find(e->syms, str_take(name, at), &t, NULL) != ERR_OK)
		return ERR_NOTFOUND;
	TRY(c_enumerator(e, handle_of(t), str_skip(name, at + 2), &v));
	*ret = (cxx_symbol){.where = CXX_AT_CONST, .addr = v, .type = handle_of(t)};
	return ERR_OK;
}

/* Is the last part of both the same, capital letters as well? */
static bool ends_alike(str full, str name)
{
	size_t n = 0;
	while (n < name.n && name.p[name.n - 1 - n] != '!' && name.p[name.n - 1 - n] != ':')
		n++;
	return full.n >= n && str_eq(str_skip(full, full.n - n), str_skip(name, name.n - n));
}

static err find_global(engine *e, str name, bool qualified, cxx_symbol *ret, diag *d)
{
	sym s;
	err r = sym_find(e->syms, name, &s, d);
	if (r == ERR_NOTFOUND)
		return scoped_enumerator(e, name, ret);
	TRY(r);
	/* A module's name is no symbol of C++. */
	sym_mod *m = qualified || s.type.file ? NULL : sym_mod_find(e->syms, name);
	if (m && s.addr == m->base)
		return ERR_NOTFOUND;
	*ret = (cxx_symbol){.where = s.kind == SYM_K_CONST ? CXX_AT_CONST
				     : s.code		   ? CXX_AT_CODE
				     : s.tls		   ? CXX_AT_EXPR
							   : CXX_AT_MEM,
		.addr = s.addr,
		.folded = !ends_alike(s.name, name),
		.type = handle_of(s.type)};
	return ERR_OK;
}

static err c_symbol(void *u, str name, bool local, cxx_symbol *ret, diag *d)
{
	engine *e = u;
	bool qualified = str_chr(name, '!') != SIZE_MAX;
	bool global = str_starts(name, STR("::"));
	bool plain = !qualified && !global;
	if (!e->syms)
		return ERR_NOTFOUND;
	if (global)
		name = str_skip(name, 2);
	err r = plain ? find_local(e, name, false, ret) : ERR_NOTFOUND;
	if (r == ERR_NOTFOUND && !local)
		r = find_global(e, name, qualified, ret, d);
	/* In an inlined call the names around it are out of scope. Where nothing else has the name
	 * they are meant: an optimised function's first instruction may be an inlined call's. */
	if (r == ERR_NOTFOUND && plain)
		r = find_local(e, name, true, ret);
	return r;
}

/* ---- registers ---- */

/* Pseudo-registers that are addresses, and the structures that some of them point to. */
static const struct pointer {
	const char *name;
	const char *types[3]; /* the first that there is; none: unsigned char * */
} pointers[] = {
	{"$proc", {"nt!_EPROCESS"}},
	{"$thread", {"nt!_ETHREAD"}},
	{"$peb", {"nt!_PEB", "ntdll!_PEB", "_PEB"}},
	{"$teb", {"nt!_TEB", "ntdll!_TEB", "_TEB"}},
	{"$pcr", {"nt!_KPCR"}},
	{"$prcb", {"nt!_KPRCB"}},
	{"$pcrb", {"nt!_KPRCB"}},
	{"$ip", {NULL}},
	{"$eventip", {NULL}},
	{"$previp", {NULL}},
	{"$scopeip", {NULL}},
	{"$relip", {NULL}},
	{"$exentry", {NULL}},
	{"$ra", {NULL}},
	{"$csp", {NULL}},
	{"$ea", {NULL}},
	{"$ea2", {NULL}},
};

static bool temp_index(str name, size_t *ret)
{
	uint64_t n = ENG_CALLRET;
	if (!str_ieq(name, STR("$callret")) &&
		(!str_istarts(name, STR("$t")) || !str_u64(str_skip(name, 2), 10, &n) ||
			n >= ENG_CALLRET))
		return false;
	*ret = (size_t)n;
	return true;
}

/* The type of a $tN, found again if the symbols have changed. False: it is an integer. */
static bool temp_type(engine *e, size_t n, cxx_reg *ret)
{
	temp *t = e->cxx ? &e->cxx->temps[n] : NULL;
	if (!t || !t->typed)
		return false;
	if (t->kind == CXX_NONE || t->levels) {
		uint64_t now = sym_generation(e->syms);
		cxx_type basic = {.kind = t->kind};
		if (now != t->generation || !t->type.file) {
			t->type = (sym_type){0};
			if (t->kind != CXX_NONE)
				t->type = eng_cxx_sym_type(e, &basic);
			else if (sym_type_find(e->syms, str_of(t->name), &t->type, NULL) != ERR_OK)
				t->type = (sym_type){0};
			t->generation = sym_generation(e->syms);
		}
		sym_type r = t->type;
		for (unsigned i = 0; i < t->levels && r.file; i++)
			r = sym_type_ptr(r);
		if (!r.file)
			return false;
		ret->type = handle_of(r);
	}
	ret->kind = t->kind;
	ret->lvalue = t->lvalue;
	return true;
}

static void pseudo_type(engine *e, str name, cxx_reg *ret)
{
	size_t n;
	sym_type t;
	if (temp_index(name, &n) && temp_type(e, n, ret))
		return;
	for (size_t i = 0; i < ARRAY_LEN(pointers); i++) {
		if (!str_ieq(name, str_of(pointers[i].name)))
			continue;
		ret->kind = CXX_PTR;
		for (size_t k = 0; k < ARRAY_LEN(pointers[i].types); k++) {
			const char *type = pointers[i].types[k];
			if (!type || sym_type_find(e->syms, str_of(type), &t, NULL) != ERR_OK)
				continue;
			ret->type = handle_of(sym_type_ptr(t));
			return;
		}
		return;
	}
	/* the addresses of breakpoints */
	if (str_istarts(name, STR("$bp")) && name.n > 3 && name.p[3] >= '0' && name.p[3] <= '9')
		ret->kind = CXX_PTR;
}

static bool c_reg(void *u, str name, cxx_reg *ret)
{
	engine *e = u;
	*ret = (cxx_reg){.kind = e->ptr_size == 4 ? CXX_UINT : CXX_UINT64};
	if (!eng_is_reg(e, name) || str_eq(name, STR(".")))
		return false;
	if (name.p[0] == '$') {
		ret->kind = CXX_UINT64;
		pseudo_type(e, name, ret);
		return true;
	}
	const x64_reg *reg = x64_reg_find(name);
	ret->bound = reg;
	if (reg->bits == 80)
		ret->kind = CXX_LDOUBLE;
	else if (reg->bits > 64)
		ret->kind = CXX_UINT128;
	return true;
}

static err c_reg_get(void *u, const cxx_reg *r, uint8_t raw[16], diag *d)
{
	engine *e = u;
	const x64_reg *reg = r->bound;
	uint64_t v;
	x64_regs regs = {0};
	if (!reg) {
		TRY(eng_reg_get(e, r->name, &v, d));
		put64(raw, v);
		return ERR_OK;
	}
	if (reg->set == X64_SET_CONTROL && str_eq(str_of(reg->name), STR("rip"))) {
		TRY(eng_ip(e, &v, d));
		put64(raw, v);
		return ERR_OK;
	}
	TRY(eng_regs(e, reg->set, &regs, d));
	if (!(regs.valid & reg->set))
		return diag_set(
			d, ERR_NOTFOUND, "%s is not known in this register context", reg->name);
	if (reg->bits > 64)
		memcpy(raw, (const uint8_t *)&regs + reg->offset, reg->bits / 8u);
	else
		put64(raw, x64_reg_get(&regs, reg));
	return ERR_OK;
}

/* Only for variables that live in a register: registers themselves are changed by r. */
static err c_reg_set(void *u, const cxx_reg *r, const uint8_t raw[16], diag *d)
{
	engine *e = u;
	const x64_reg *reg = r->bound;
	x64_regs regs = {0};
	if (!reg)
		return diag_set(d, ERR_DENIED, "'%.*s' is read-only", STR_ARG(r->name));
	TRY(eng_regs(e, reg->set, &regs, d));
	if (reg->bits > 64)
		memcpy((uint8_t *)&regs + reg->offset, raw, reg->bits / 8u);
	else
		x64_reg_set(&regs, reg, le64(raw));
	return eng_regs_write(e, reg->set, &regs, d);
}

/* ---- memory, MASM ---- */

static err c_read(void *u, uint64_t addr, void *p, size_t n, diag *d)
{
	return eng_read_all((engine *)u, addr, p, n, d);
}

static err c_write(void *u, uint64_t addr, const void *p, size_t n, diag *d)
{
	return eng_write((engine *)u, addr, p, n, d);
}

static err c_masm(void *u, str text, uint64_t *ret, diag *d)
{
	engine *e = u;
	masm_env env;
	if (state(e)->depth >= DEPTH_MAX)
		return diag_set(d, ERR_LIMIT, "Expression nested too deeply at '%.*s'",
			(int)(text.n < 100 ? text.n : 100), text.p);
	eng_masm_env(e, &env);
	env.cxx_default = false;
	e->cxx->depth++;
	err r = masm_eval(&env, text, NULL, ret, d);
	e->cxx->depth--;
	return r;
}

void eng_cxx_env(engine *e, cxx_env *ret)
{
	*ret = (cxx_env){.u = e,
		.ptr_size = e->ptr_size == 4 ? 4 : 8,
		.long_size = e->mode == ENG_USER ? 8 : 4,
		.symbol = c_symbol,
		.place = c_place,
		.type = c_type,
		.describe = c_describe,
		.field = c_field,
		.base = c_base,
		.derived = c_derived,
		.enumerator = c_enumerator,
		.params = c_params,
		.reg = c_reg,
		.reg_get = c_reg_get,
		.reg_set = c_reg_set,
		.read = c_read,
		.write = c_write,
		.masm = c_masm};
}

/* ---- typed pseudo-registers ---- */

void cxx_temp_plain(engine *e, size_t n)
{
	if (!e->cxx || !e->cxx->temps[n].typed)
		return;
	e->cxx->temps[n].typed = false;
	e->cxx->temps_generation++;
}

static err unkeepable(diag *d)
{
	return diag_set(d, ERR_UNSUPPORTED,
		"A value of this type cannot be kept in a pseudo-register; its address can");
}

/* The type behind `levels` pointers: by kind, or by name with its module. */
static err temp_base(engine *e, temp *t, const cxx_type *base, sym_type found, diag *d)
{
	sym_type_info in;
	if (!found.file && base && base->h.p)
		found = type_of(base->h);
	if (!found.file) {
		if (base && (base->kind == CXX_NONE || base->kind > CXX_LDOUBLE))
			return unkeepable(d);
		t->kind = base ? base->kind : CXX_VOID;
		return ERR_OK;
	}
	if (sym_type_info_get(found, &in) != ERR_OK)
		return unkeepable(d);
	sym_mod *m = sym_type_mod(e->syms, found);
	snprintf(t->name, sizeof t->name, "%.*s%s%.*s", m ? (int)m->name.n : 0, m ? m->name.p : "",
		m ? "!" : "", STR_ARG(in.name));
	t->type = found;
	t->generation = sym_generation(e->syms);
	return ERR_OK;
}

err eng_temp_set_typed(engine *e, str name, const cxx_value *v, diag *d)
{
	size_t n;
	temp t = {.typed = true};
	const cxx_type *base = v->type;
	sym_type found = {0};
	uint64_t x = cxx_value_unsigned(v);
	if (!temp_index(name, &n))
		return diag_set(d, ERR_ARG,
			"Only the pseudo-registers $t0 to $t19 can have a type, not '%.*s'",
			STR_ARG(name));
	bool thing = base->kind == CXX_STRUCT || base->kind == CXX_ARRAY || base->kind == CXX_FUNC;
	if (thing) {
		if (!v->in_memory || v->text.p)
			return unkeepable(d);
		x = v->addr;
		t.lvalue = base->kind == CXX_STRUCT;
		t.levels = base->kind == CXX_STRUCT ? 0 : 1;
		if (base->kind == CXX_ARRAY) {
			found = base->elem ? found : type_of(base->elem_h);
			base = base->elem;
		}
	} else if (v->in_memory && base->size > 8) {
		x = v->addr;
		t.lvalue = true;
	} else if (base->size > 8 || !v->has_raw) {
		return unkeepable(d);
	}
	while (base && base->kind == CXX_PTR && !found.file) {
		if (++t.levels > LEVELS_MAX)
			return unkeepable(d);
		if (!base->elem && base->elem_h.p)
			found = type_of(base->elem_h);
		base = base->elem;
	}
	TRY(temp_base(e, &t, base, found, d));
	if (!thing && !t.levels && base && base->kind == CXX_BOOL)
		x = x != 0;
	state(e)->temps[n] = t;
	e->cxx->temps_generation++;
	e->temps[n] = x;
	return ERR_OK;
}

/* ---- @@c++( ) inside MASM ---- */

static bool still(engine *e, const kept *k, str text, uint64_t pc)
{
	if (!k->text || k->n != text.n || memcmp(k->text, text.p, text.n) ||
		k->generation != sym_generation(e->syms))
		return false;
	return !cxx_code_scoped(k->code) || (k->pc == pc && k->frame_out == e->ctx.frame_out &&
						    k->temps == e->cxx->temps_generation);
}

/* A place for a new entry: a free one, one of the same text, or the one that was not used longest.
 */
static kept *make_room(struct cxx_state *s, str text)
{
	kept *best = NULL;
	for (size_t i = 0; i < KEPT_MAX; i++) {
		kept *k = &s->kept[i];
		if (k->busy)
			continue;
		if (!k->text || (k->n == text.n && !memcmp(k->text, text.p, text.n))) {
			best = k;
			break;
		}
		if (!best || k->used < best->used)
			best = k;
	}
	if (best)
		drop(best);
	return best;
}

static err compiled(engine *e, const cxx_env *env, str text, kept **ret, diag *d)
{
	struct cxx_state *s = state(e);
	uint64_t pc = 0;
	if (eng_scope_ip(e, &pc, NULL) != ERR_OK)
		pc = 0;
	for (size_t i = 0; i < KEPT_MAX; i++)
		if (still(e, &s->kept[i], text, pc)) {
			*ret = &s->kept[i];
			return ERR_OK;
		}
	kept *k = make_room(s, text);
	if (!k)
		return diag_set(d, ERR_LIMIT, "Expression nested too deeply");
	arena_init(&k->a);
	k->text = mem_alloc(text.n + 1);
	memcpy(k->text, text.p, text.n);
	k->n = text.n;
	err r = cxx_compile(env, &k->a, (str){k->text, k->n}, NULL, &k->code, d);
	if (r != ERR_OK) {
		drop(k);
		return r;
	}
	k->generation = sym_generation(e->syms); /* looking names up may have loaded symbols */
	k->pc = pc;
	k->frame_out = e->ctx.frame_out;
	k->temps = s->temps_generation;
	*ret = k;
	return ERR_OK;
}

err cxx_for_masm(void *u, str text, uint64_t *ret, diag *d)
{
	engine *e = u;
	cxx_env env;
	cxx_value v;
	kept *k = NULL;
	struct cxx_state *s = state(e);
	if (s->depth >= DEPTH_MAX)
		return diag_set(d, ERR_LIMIT, "Expression nested too deeply at '%.*s'",
			(int)(text.n < 100 ? text.n : 100), text.p);
	eng_cxx_env(e, &env);
	TRY(compiled(e, &env, text, &k, d));
	k->used = ++s->clock;
	k->busy++;
	s->depth++;
	err r = cxx_run(k->code, &env, &v, d);
	s->depth--;
	k->busy--;
	if (r == ERR_OK)
		r = cxx_value_int(&v, ret, d);
	return r;
}

err cxx_prefix_for_masm(void *u, str text, size_t *used, diag *d)
{
	engine *e = u;
	cxx_env env;
	cxx_code *code;
	arena a;
	arena_init(&a);
	eng_cxx_env(e, &env);
	err r = cxx_compile(&env, &a, text, used, &code, d);
	arena_deinit(&a);
	return r;
}
