/*
 * dwarftype: DWARF types behind the 32-bit ids of sym_type. An id is made when an entry is first
 * seen and stands for it as long as the file; below SYM_TYPE_BASIC_END are the basic types (type.c)
 * that every file shares: `void`, which has no entry, is one of them.
 *
 * What is only declared is looked for by its name in the whole file, through the index.
 */
#include "sym/dwarf.h"

enum {
	T_VOID = 3,
	T_FLOAT = 0x40,
	T_DOUBLE = 0x41,
	T_CHAR = 0x70,
	T_LDOUBLE = 0xe3,
	IDS_MAX = 1 << 27
};

/* ---- ids ---- */

static uint32_t ent_new(dwf *x, const tent *t)
{
	if (x->types.n + SYM_TYPE_BASIC_END >= IDS_MAX)
		return 0;
	vec_push(&x->types, *t);
	return (uint32_t)(x->types.n - 1) + SYM_TYPE_BASIC_END;
}

static tent *ent(dwf *x, uint32_t id)
{
	return id >= SYM_TYPE_BASIC_END && id - SYM_TYPE_BASIC_END < x->types.n
		       ? &x->types.p[id - SYM_TYPE_BASIC_END]
		       : NULL;
}

uint32_t dwf_type_id(dwf *x, Dwarf_Die *die)
{
	uint64_t key = (uint64_t)(uintptr_t)die->addr;
	uint32_t id = (uint32_t)(uintptr_t)map_get(&x->type_ids, key);
	if (!id) {
		tent t = {.die = *die, .kind = TK_DIE};
		id = ent_new(x, &t);
		map_set(&x->type_ids, key, (void *)(uintptr_t)id);
	}
	return id;
}

/* Dimension `dim` of an array and those behind it. */
static uint32_t dim_id(dwf *x, Dwarf_Die *die, uint32_t dim)
{
	uint64_t key = (uint64_t)(uintptr_t)die->addr ^ (uint64_t)(dim + 1) << 52;
	uint32_t id = (uint32_t)(uintptr_t)map_get(&x->type_ids, key);
	if (!id) {
		tent t = {.die = *die, .kind = TK_DIM, .arg = dim};
		id = ent_new(x, &t);
		map_set(&x->type_ids, key, (void *)(uintptr_t)id);
	}
	return id;
}

static uint32_t lazy_id(dwf *x, tkind kind, uint32_t rva, str name)
{
	uint64_t key = (uint64_t)rva << 1 | (kind == TK_DATA_AT);
	uint32_t id = (uint32_t)(uintptr_t)map_get(&x->lazy, key + 1);
	if (!id) {
		tent t = {.kind = kind, .arg = rva, .name = name};
		id = ent_new(x, &t);
		map_set(&x->lazy, key + 1, (void *)(uintptr_t)id);
	}
	return id;
}

uint32_t dwf_lazy_func(dwf *x, uint32_t rva)
{
	return lazy_id(x, TK_FUNC_AT, rva, (str){0});
}

uint32_t dwf_lazy_data(dwf *x, uint32_t rva, str name)
{
	return lazy_id(x, TK_DATA_AT, rva, name);
}

uint32_t dwf_type_of_die(dwf *x, Dwarf_Die *die)
{
	Dwarf_Attribute a;
	Dwarf_Die t;
	if (!dwf_attr(die, DW_AT_type, &a))
		return T_VOID;
	return dwf_type_ref(x, &a, &t) ? dwf_type_id(x, &t) : 0;
}

/* ---- symbols of the table ---- */

/* "counter" of "counter.0", "f" of "ns::f", "total" of gfortran's "__module_MOD_total". */
static str plain_name(str raw, buf *tmp)
{
	str name = raw;
	if (elf_decorated(raw) && elf_undec(raw, tmp))
		name = buf_str(tmp);
	size_t dot = str_chr(name, '.');
	if (dot != SIZE_MAX && dot)
		name = str_take(name, dot);
	size_t mod = str_starts(name, STR("__")) ? str_find(name, STR("_MOD_")) : SIZE_MAX;
	return mod == SIZE_MAX ? name : str_skip(name, mod + 5);
}

typedef struct at_addr {
	dwf *x;
	uint64_t addr;
	uint32_t type;
} at_addr;

static bool at_addr_one(void *u, const dwx_entry *e)
{
	at_addr *q = u;
	Dwarf_Die die;
	if (e->addr != q->addr || !dwf_entry_die(q->x, e, &die))
		return true;
	q->type = e->kind == DWX_FUNC ? dwf_type_id(q->x, &die) : dwf_type_of_die(q->x, &die);
	return !q->type;
}

/*
 * Static variables of functions: their entries lie in the functions, which the index passes over.
 * All of a program that is small are collected when one is asked for; of a large one those in units
 * that were walked already.
 */
static void statics_in(dwf *x, Dwarf_Die *parent, int depth, bool in_func)
{
	Dwarf_Die die;
	if (depth > DWF_SCOPE_DEPTH || dwarf_child(parent, &die))
		return;
	do {
		int tag = dwarf_tag(&die);
		Dwarf_Attribute a;
		Dwarf_Op *ops;
		uint64_t addr;
		size_t n;
		if (tag == DW_TAG_variable && in_func && dwarf_attr(&die, DW_AT_location, &a) &&
			!dwarf_getlocation(&a, &ops, &n) && n == 1 &&
			dwf_addr_of(&a, &ops[0], &addr))
			map_set(&x->statics, addr + 1, arena_dup(&x->a, &die, sizeof die));
		bool code = tag == DW_TAG_subprogram || tag == DW_TAG_lexical_block ||
			    tag == DW_TAG_inlined_subroutine;
		if (code || (!in_func && tag == DW_TAG_namespace))
			statics_in(x, &die, depth + 1, code);
	} while (!dwarf_siblingof(&die, &die));
}

static void collect_statics(dwf *x)
{
	Dwarf_Off off = 0, next;
	size_t size;
	Dwarf_Half version;
	if (x->main.secs.info.n > DWF_SMALL) {
		for (size_t i = 0; i < x->all_units.n; i++)
			if (x->all_units.p[i]->walked)
				statics_in(x, &x->all_units.p[i]->die, 0, false);
		return;
	}
	if (x->statics_read)
		return;
	x->statics_read = true;
	while (!dwarf_next_unit(
		x->main.dbg, off, &next, &size, &version, NULL, NULL, NULL, NULL, NULL)) {
		Dwarf_Die die;
		dwunit *u =
			dwarf_offdie(x->main.dbg, off + size, &die) ? dwf_unit_of(x, &die) : NULL;
		if (u)
			statics_in(x, &u->die, 0, false);
		off = next;
	}
}

/* deep: also look where it takes long, for one that is asked for by itself. */
static uint32_t data_type(dwf *x, dwx *ix, uint32_t rva, str raw, bool deep)
{
	at_addr q = {.x = x, .addr = x->base + rva};
	buf b;
	buf_init(&b, 65536);
	/* in Go a point is a part of the name: "main.table" */
	if (str_chr(raw, '.') != SIZE_MAX &&
		dwx_find(ix, raw, DWX_VAR, false, at_addr_one, &q) != ERR_OK)
		q.type = 0;
	str name = plain_name(raw, &b);
	if (!q.type && name.n && dwx_find(ix, name, DWX_VAR, false, at_addr_one, &q) != ERR_OK)
		q.type = 0;
	/* "counter.0", "ns::f::counter" */
	bool local = str_chr(raw, '.') != SIZE_MAX || str_find(name, STR("::")) != SIZE_MAX;
	buf_deinit(&b);
	if (!q.type && local && (deep || x->main.secs.info.n <= DWF_SMALL)) {
		collect_statics(x);
		Dwarf_Die *die = map_get(&x->statics, q.addr + 1);
		if (die)
			q.type = dwf_type_of_die(x, die);
	}
	return q.type;
}

static uint32_t func_type(dwf *x, uint32_t rva)
{
	dwunit *u;
	dwfunc f;
	if (dwf_func_die(x, x->base + rva, &u, &f) != ERR_OK || f.lo != x->base + rva)
		return 0;
	return dwf_type_id(x, &f.die);
}

uint32_t dwf_type_of(dwf *x, uint32_t rva, bool code, str name)
{
	dwx *ix = dwf_index_now(x);
	if (!ix)
		return 0;
	return code ? func_type(x, rva) : data_type(x, ix, rva, name, false);
}

uint32_t dwf_entry_type(dwf *x, const dwx_entry *e)
{
	Dwarf_Die die;
	if (!dwf_entry_die(x, e, &die))
		return 0;
	if (e->kind == DWX_FUNC || (e->kind & DWX_TYPES))
		return dwf_type_id(x, &die);
	if (e->kind != DWX_ENUMERATOR)
		return dwf_type_of_die(x, &die);
	return 0;
}

bool dwf_entry_tls(dwf *x, const dwx_entry *e, uint64_t *ret)
{
	Dwarf_Die die;
	Dwarf_Attribute a;
	Dwarf_Op *ops;
	size_t n;
	if (!dwf_entry_die(x, e, &die) || !dwf_attr(&die, DW_AT_location, &a) ||
		dwarf_getlocation(&a, &ops, &n) || n != 2)
		return false;
	/* the linker has put the place in the block here */
	switch (ops[0].atom) {
	case DW_OP_const4u:
	case DW_OP_const8u:
	case DW_OP_constu:
	case DW_OP_addr:
		*ret = ops[0].number;
		return true;
	case DW_OP_constx:
	case DW_OP_GNU_const_index: {
		Dwarf_Attribute in;
		Dwarf_Word v;
		if (dwarf_getlocation_attr(&a, &ops[0], &in) || dwarf_formudata(&in, &v))
			return false;
		*ret = v;
		return true;
	}
	default:
		return false;
	}
}

/* ---- to the entry itself ---- */

static bool is_modifier(int tag)
{
	return tag == DW_TAG_typedef || tag == DW_TAG_const_type || tag == DW_TAG_volatile_type ||
	       tag == DW_TAG_restrict_type || tag == DW_TAG_atomic_type ||
	       tag == DW_TAG_packed_type || tag == DW_TAG_shared_type ||
	       tag == DW_TAG_immutable_type || tag == DW_TAG_template_alias;
}

typedef struct def_find {
	dwf *x;
	uint64_t self;
	unsigned kind;
	bool found;
	dwx_entry e;
} def_find;

static bool def_one(void *u, const dwx_entry *e)
{
	def_find *q = u;
	if (e->decl)
		return true;
	q->e = *e;
	q->found = true;
	return false;
}

/* The definition of what is only declared here. */
static bool definition(dwf *x, Dwarf_Die *die, Dwarf_Die *ret)
{
	Dwarf_Attribute sig;
	if (dwarf_attr(die, DW_AT_signature, &sig) && dwf_type_ref(x, &sig, ret))
		return true;
	int tag = dwarf_tag(die);
	unsigned kinds = tag == DW_TAG_union_type	  ? DWX_UNION
			 : tag == DW_TAG_enumeration_type ? DWX_ENUM
							  : DWX_STRUCT | DWX_CLASS;
	dwx *ix;
	if (!dwf_name(die) || dwf_index(x, &ix) != ERR_OK)
		return false;
	buf b;
	buf_init(&b, 65536);
	buf_addz(&b, "::");
	bool named = dwf_qualified(x, die, &b);
	def_find q = {.x = x};
	bool ok = named && dwx_find(ix, buf_str(&b), kinds, false, def_one, &q) == ERR_OK &&
		  q.found && dwf_entry_die(x, &q.e, ret);
	buf_deinit(&b);
	return ok && ret->addr != die->addr;
}

static err plain_die(dwf *x, Dwarf_Die die, dwplain *ret)
{
	const char *alias = NULL;
	for (int i = 0; i < DWF_CHAIN_MAX; i++) {
		int tag = dwarf_tag(&die);
		Dwarf_Die next;
		if (tag <= 0)
			return ERR_CORRUPT;
		if (is_modifier(tag)) {
			Dwarf_Attribute a;
			if (!dwf_attr(&die, DW_AT_type, &a)) {
				*ret = (dwplain){.is_void = true};
				return ERR_OK;
			}
			if (!dwf_type_ref(x, &a, &next))
				return ERR_CORRUPT;
			if (tag == DW_TAG_typedef)
				alias = dwf_name(&die);
			die = next;
			continue;
		}
		bool tagged = tag == DW_TAG_structure_type || tag == DW_TAG_class_type ||
			      tag == DW_TAG_union_type || tag == DW_TAG_enumeration_type ||
			      tag == DW_TAG_interface_type;
		/* gcc's stubs for types of other units have a signature and nothing else */
		bool decl = tagged && (dwf_flag(&die, DW_AT_declaration) ||
					      dwarf_hasattr(&die, DW_AT_signature));
		if (decl && definition(x, &die, &next)) {
			die = next;
			continue;
		}
		*ret = (dwplain){.die = die, .forward = decl, .alias = alias};
		return ERR_OK;
	}
	return ERR_CORRUPT;
}

err dwf_type_plain(dwf *x, uint32_t id, dwplain *ret)
{
	tent *t = ent(x, id);
	if (!t || t->failed)
		return ERR_NOTFOUND;
	if (t->kind == TK_DIE)
		return plain_die(x, t->die, ret);
	if (t->kind == TK_DIM) {
		*ret = (dwplain){.die = t->die, .dim = t->arg};
		return ERR_OK;
	}
	if (!t->resolved) {
		dwx *ix;
		uint32_t to = 0;
		err e = dwf_index(x, &ix);
		if (e == ERR_CANCELLED)
			return e;
		if (e == ERR_OK)
			to = t->kind == TK_FUNC_AT ? func_type(x, t->arg)
						   : data_type(x, ix, t->arg, t->name, true);
		t = ent(x, id); /* the array may have moved */
		t->failed = !to || to == id;
		if (t->failed)
			return ERR_NOTFOUND;
		t->resolved = to + 1;
	}
	uint32_t to = t->resolved - 1;
	if (to == T_VOID) {
		*ret = (dwplain){.is_void = true};
		return ERR_OK;
	}
	t = ent(x, to);
	if (!t || (t->kind != TK_DIE && t->kind != TK_DIM))
		return ERR_NOTFOUND;
	return dwf_type_plain(x, to, ret);
}

/* ---- info ---- */

static uint64_t size_of(Dwarf_Die *die)
{
	Dwarf_Word n;
	Dwarf_Attribute a;
	if (dwarf_attr(die, DW_AT_byte_size, &a) && !dwarf_formudata(&a, &n))
		return n;
	if (dwarf_attr(die, DW_AT_bit_size, &a) && !dwarf_formudata(&a, &n))
		return (n + 7) / 8;
	return !dwarf_aggregate_size(die, &n) ? n : 0;
}

static void base_info(Dwarf_Die *die, sym_type_info *ret)
{
	Dwarf_Word enc = 0;
	Dwarf_Attribute a;
	const char *name = dwf_name(die);
	if (dwarf_attr(die, DW_AT_encoding, &a))
		dwarf_formudata(&a, &enc);
	ret->size = size_of(die);
	ret->name = str_of(name ? name : "<unnamed>");
	switch (enc) {
	case DW_ATE_boolean:
		ret->kind = SYM_T_BOOL;
		break;
	case DW_ATE_signed:
		ret->kind = SYM_T_INT;
		break;
	case DW_ATE_unsigned:
	case DW_ATE_address:
		ret->kind = SYM_T_UINT;
		break;
	case DW_ATE_signed_char:
		ret->kind = SYM_T_CHAR;
		break;
	case DW_ATE_unsigned_char:
		ret->kind = SYM_T_UINT;
		break;
	case DW_ATE_UTF:
	case DW_ATE_UCS:
	case DW_ATE_ASCII:
		ret->kind = ret->size == 2 ? SYM_T_WCHAR : ret->size == 1 ? SYM_T_CHAR : SYM_T_UINT;
		break;
	case DW_ATE_float:
		ret->kind = SYM_T_FLOAT;
		break;
	case DW_ATE_complex_float:
		ret->kind = ret->size == 8 || ret->size == 16 || ret->size == 32 ? SYM_T_COMPLEX
										 : SYM_T_UNKNOWN;
		break;
	default:
		ret->kind = SYM_T_UNKNOWN;
		break;
	}
}

static bool is_dimension(Dwarf_Die *die)
{
	int tag = dwarf_tag(die);
	return tag == DW_TAG_subrange_type || tag == DW_TAG_enumeration_type;
}

/* What the language of die's unit says of arrays: the first index, and whether the first dimension
 * is the one whose elements are neighbours. */
static void array_rules(Dwarf_Die *die, Dwarf_Sword *low, bool *columns)
{
	Dwarf_Die unit;
	int lang = dwarf_diecu(die, &unit, NULL, NULL) ? dwarf_srclang(&unit) : -1;
	*low = 0;
	if (lang < 0 || dwarf_default_lower_bound(lang, low))
		*low = 0;
	*columns = lang == DW_LANG_Fortran77 || lang == DW_LANG_Fortran90 ||
		   lang == DW_LANG_Fortran95 || lang == DW_LANG_Fortran03 ||
		   lang == DW_LANG_Fortran08;
}

/* The dimension that C would write at place dim. */
static uint32_t c_dimension(Dwarf_Die *array, uint32_t dim)
{
	Dwarf_Die die;
	uint32_t n = 0;
	if (dwarf_child(array, &die))
		return dim;
	do
		n += is_dimension(&die);
	while (!dwarf_siblingof(&die, &die));
	return dim < n ? n - 1 - dim : dim;
}

/* Number of elements of dimension dim, counted as in C; *last: no dimension behind it. False: no
 * such one. */
static bool dimension(Dwarf_Die *array, uint32_t dim, uint64_t *ret, bool *last)
{
	Dwarf_Die die;
	Dwarf_Sword low;
	uint32_t i = 0;
	bool columns;
	if (dwarf_child(array, &die))
		return false;
	array_rules(array, &low, &columns);
	uint32_t at = columns ? c_dimension(array, dim) : dim;
	bool found = false;
	*last = columns ? !at : true;
	do {
		if (!is_dimension(&die) || i++ < at)
			continue;
		if (found) {
			*last = columns && *last;
			break;
		}
		Dwarf_Attribute a;
		Dwarf_Word n;
		Dwarf_Sword up, first = low;
		if (dwarf_attr(&die, DW_AT_lower_bound, &a) &&
			(dwarf_whatform(&a) == DW_FORM_exprloc || dwarf_formsdata(&a, &first)))
			first = low;
		*ret = 0;
		if (dwarf_attr(&die, DW_AT_count, &a) && !dwarf_formudata(&a, &n))
			*ret = n;
		else if (dwarf_attr(&die, DW_AT_upper_bound, &a) &&
			 dwarf_whatform(&a) != DW_FORM_exprloc && !dwarf_formsdata(&a, &up) &&
			 up >= first)
			*ret = (uint64_t)up - (uint64_t)first + 1;
		found = true;
	} while (!dwarf_siblingof(&die, &die));
	return found;
}

static str text_of(dwf *x, const char *fmt, ...) PRINTF(2, 3);
static str text_of(dwf *x, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *z = arena_vprintf(&x->a, fmt, ap);
	va_end(ap);
	return str_of(z);
}

/* Name of a type for "X *"; made-up names nest, so the depth is bounded by the caller's. */
static str name_of(dwf *x, uint32_t id, int depth);

static err info_of(dwf *x, uint32_t id, int depth, sym_type_info *ret);

static str name_of(dwf *x, uint32_t id, int depth)
{
	sym_type_info in, *basic = &in;
	uint32_t elem = 0;
	if (id < SYM_TYPE_BASIC_END)
		return sym_basic_get(id, basic, &elem) ? in.name : STR("<unknown>");
	if (depth > 16 || info_of(x, id, depth + 1, &in) != ERR_OK)
		return STR("<unknown>");
	return in.name;
}

static err array_info(dwf *x, const dwplain *p, int depth, sym_type_info *ret)
{
	Dwarf_Die die = p->die;
	bool last = true;
	if (!dimension(&die, p->dim, &ret->count, &last)) {
		if (p->dim)
			return ERR_CORRUPT;
		ret->count = 0;
	}
	uint32_t elem = last ? dwf_type_of_die(x, &die) : dim_id(x, &die, p->dim + 1);
	sym_type_info el;
	ret->kind = SYM_T_ARRAY;
	ret->elem = (sym_type){x->f, elem};
	if (depth < 32 && elem >= SYM_TYPE_BASIC_END &&
		info_of(x, elem, depth + 1, &el) == ERR_OK &&
		(!ret->count || el.size <= UINT64_MAX / ret->count))
		ret->size = el.size * ret->count;
	if (dwf_flag(&die, DW_AT_GNU_vector))
		ret->size = ret->size ? ret->size : size_of(&die);
	/* dimensions from the left, as C writes them */
	str name = name_of(x, dwf_type_of_die(x, &die), depth);
	buf b;
	buf_init(&b, 4096);
	uint64_t n;
	for (uint32_t i = p->dim; i < p->dim + 16 && dimension(&die, i, &n, &last); i++)
		buf_addf(&b, "[%llu]", (unsigned long long)n);
	ret->name = text_of(x, "%.*s %.*s", STR_ARG(name), STR_ARG(buf_str(&b)));
	buf_deinit(&b);
	return ERR_OK;
}

static uint32_t count_fields(Dwarf_Die *parent, bool *variants)
{
	Dwarf_Die die;
	uint32_t n = 0;
	if (dwarf_child(parent, &die))
		return 0;
	do {
		int tag = dwarf_tag(&die);
		*variants |= tag == DW_TAG_variant_part;
		n += tag == DW_TAG_member || tag == DW_TAG_inheritance || tag == DW_TAG_variable ||
		     tag == DW_TAG_subprogram || tag == DW_TAG_enumerator;
	} while (n < DWF_FIELDS_MAX && !dwarf_siblingof(&die, &die));
	return n;
}

/* Pointers to members of the C++ ABI of Itanium, 2.3: an offset, or a function and what to add to
 * `this`. Compilers do not tell the size. */
static void member_info(dwf *x, Dwarf_Die *die, int depth, sym_type_info *ret)
{
	uint32_t elem = dwf_type_of_die(x, die);
	sym_type_info el = {0};
	Dwarf_Die owner;
	bool func = elem >= SYM_TYPE_BASIC_END && depth <= 16 &&
		    info_of(x, elem, depth + 1, &el) == ERR_OK && el.kind == SYM_T_FUNC;
	ret->kind = SYM_T_MEMBER;
	ret->size = size_of(die) ? size_of(die) : func ? 16 : 8;
	ret->elem = (sym_type){x->f, elem};
	if (dwf_ref(die, DW_AT_containing_type, &owner))
		ret->owner = (sym_type){x->f, dwf_type_id(x, &owner)};
	str in = name_of(x, elem, depth),
	    of = ret->owner.file ? name_of(x, ret->owner.id, depth) : STR("");
	ret->name = text_of(x, "%.*s %.*s::*", STR_ARG(in), STR_ARG(of));
}

/* A class of C++ that is not copied byte by byte: compilers say so, older ones only by what it has.
 */
static bool by_reference(Dwarf_Die *die)
{
	Dwarf_Attribute a;
	Dwarf_Word cc;
	Dwarf_Die kid;
	if (dwf_attr(die, DW_AT_calling_convention, &a) && !dwarf_formudata(&a, &cc))
		return cc == DW_CC_pass_by_reference;
	if (dwarf_child(die, &kid))
		return false;
	do {
		const char *name = dwarf_tag(&kid) == DW_TAG_subprogram ? dwf_name(&kid) : NULL;
		if (name && name[0] == '~')
			return true;
	} while (!dwarf_siblingof(&kid, &kid));
	return false;
}

static bool has_this(Dwarf_Die *func)
{
	Dwarf_Attribute a;
	Dwarf_Die kid;
	bool own = false;
	if (dwarf_child(func, &kid))
		return false;
	do {
		if (dwarf_tag(&kid) != DW_TAG_formal_parameter)
			continue;
		return dwf_attr(&kid, DW_AT_artificial, &a) && !dwarf_formflag(&a, &own) && own;
	} while (!dwarf_siblingof(&kid, &kid));
	return false;
}

static err make_info(dwf *x, const dwplain *p, int depth, sym_type_info *ret)
{
	Dwarf_Die die = p->die;
	sym_type_info t = {.forward = p->forward};
	int tag = dwarf_tag(&die);
	uint32_t elem;
	switch (tag) {
	case DW_TAG_base_type:
		base_info(&die, &t);
		if (t.kind == SYM_T_COMPLEX)
			t.elem = (sym_type){x->f, t.size == 8	 ? T_FLOAT
						  : t.size == 16 ? T_DOUBLE
								 : T_LDOUBLE};
		break;
	case DW_TAG_unspecified_type:
		t.kind = SYM_T_VOID;
		t.name = str_of(dwf_name(&die) ? dwf_name(&die) : "void");
		break;
	case DW_TAG_pointer_type:
	case DW_TAG_reference_type:
	case DW_TAG_rvalue_reference_type: {
		bool ref = tag == DW_TAG_reference_type || tag == DW_TAG_rvalue_reference_type;
		elem = dwf_type_of_die(x, &die);
		t.kind = ref ? SYM_T_REF : SYM_T_PTR;
		t.size = size_of(&die) ? size_of(&die) : 8;
		t.elem = (sym_type){x->f, elem};
		/* the pointee's name may be this very pointer's: a list node */
		str in = name_of(x, elem, depth);
		bool tight = in.n && (in.p[in.n - 1] == '*' || in.p[in.n - 1] == '&');
		t.name = text_of(x, "%.*s%s%s", STR_ARG(in), tight ? "" : " ",
			tag == DW_TAG_rvalue_reference_type ? "&&"
			: ref				    ? "&"
							    : "*");
		break;
	}
	case DW_TAG_ptr_to_member_type:
		member_info(x, &die, depth, &t);
		break;
	case DW_TAG_array_type:
		TRY(array_info(x, p, depth, &t));
		break;
	case DW_TAG_string_type: /* Fortran's character(len=n) */
		t.kind = SYM_T_ARRAY;
		t.size = t.count = size_of(&die);
		t.elem = (sym_type){x->f, T_CHAR};
		t.name = text_of(x, "char [%llu]", (unsigned long long)t.count);
		break;
	case DW_TAG_structure_type:
	case DW_TAG_class_type:
	case DW_TAG_interface_type:
	case DW_TAG_union_type:
	case DW_TAG_enumeration_type: {
		buf b;
		buf_init(&b, 65536);
		if (!dwf_qualified(x, &die, &b) && p->alias) {
			buf_clear(&b);
			buf_addz(&b, p->alias);
		}
		t.name = str_dup(&x->a, buf_str(&b));
		buf_deinit(&b);
		/* `enum class byte : unsigned char;` is complete */
		t.forward = p->forward && !(tag == DW_TAG_enumeration_type && size_of(&die));
		t.size = t.forward ? 0 : size_of(&die);
		t.n_fields = count_fields(&die, &t.variants);
		t.kind = tag == DW_TAG_class_type	  ? SYM_T_CLASS
			 : tag == DW_TAG_union_type	  ? SYM_T_UNION
			 : tag == DW_TAG_enumeration_type ? SYM_T_ENUM
							  : SYM_T_STRUCT;
		t.by_reference = t.kind != SYM_T_ENUM && by_reference(&die);
		if (t.kind == SYM_T_ENUM) {
			elem = dwf_type_of_die(x, &die);
			t.elem = (sym_type){x->f, elem == T_VOID ? 0x74 : elem}; /* int */
		}
		break;
	}
	case DW_TAG_subroutine_type:
	case DW_TAG_subprogram:
	case DW_TAG_inlined_subroutine: {
		t.kind = SYM_T_FUNC;
		t.has_this = has_this(&die);
		t.elem = (sym_type){x->f, dwf_type_of_die(x, &die)};
		str res = name_of(x, t.elem.id, depth);
		t.name = text_of(x, "%.*s ()", STR_ARG(res));
		break;
	}
	default: {
		const char *name = dwf_name(&die);
		t.kind = SYM_T_UNKNOWN;
		t.size = size_of(&die);
		t.name = str_of(name ? name : "<unknown>");
		break;
	}
	}
	*ret = t;
	return ERR_OK;
}

static err info_of(dwf *x, uint32_t id, int depth, sym_type_info *ret)
{
	tent *t = ent(x, id);
	dwplain p;
	if (!t)
		return ERR_NOTFOUND;
	if (t->info) {
		*ret = *t->info;
		return ERR_OK;
	}
	TRY(dwf_type_plain(x, id, &p));
	if (p.is_void) {
		uint32_t none = 0;
		return sym_basic_get(T_VOID, ret, &none) ? ERR_OK : ERR_NOTFOUND;
	}
	sym_type_info in;
	TRY(make_info(x, &p, depth, &in));
	/* names that were cut off deep inside are not for others */
	if (depth == 0 ||
		(in.kind != SYM_T_MEMBER && (in.kind < SYM_T_PTR || in.kind > SYM_T_ARRAY)))
		ent(x, id)->info = arena_dup(&x->a, &in, sizeof in);
	*ret = in;
	return ERR_OK;
}

err dwf_type_get(dwf *x, uint32_t id, sym_type_info *ret)
{
	return info_of(x, id, 0, ret);
}
