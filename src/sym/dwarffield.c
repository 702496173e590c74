/*
 * dwarffield: what is inside of a DWARF type: members, bases, variants, enumerators; the arguments
 * of a function.
 */
#include "sym/dwarf.h"

enum { ARGS_MAX = 4096 };

typedef struct fields {
	dwf *x;
	VEC(sym_field) v;
	bool has_sign, sign; /* of the enumeration's type */
	uint64_t size;
	Dwarf_Die *part, *variant; /* that are being read, of a sum type */
} fields;

/* A constant offset; expressions of DWARF 2 only add one. */
static bool member_offset(Dwarf_Die *die, uint64_t *ret)
{
	Dwarf_Attribute a;
	Dwarf_Word n;
	Dwarf_Op *ops;
	size_t nops;
	*ret = 0;
	if (!dwarf_attr(die, DW_AT_data_member_location, &a))
		return true;
	if (!dwarf_formudata(&a, &n)) {
		*ret = n;
		return true;
	}
	if (!dwarf_getlocation(&a, &ops, &nops) && nops == 1 &&
		(ops[0].atom == DW_OP_plus_uconst || ops[0].atom == DW_OP_constu)) {
		*ret = ops[0].number;
		return true;
	}
	return false;
}

static void bit_field(dwf *x, Dwarf_Die *die, sym_field *f)
{
	Dwarf_Attribute a;
	Dwarf_Word len, at;
	sym_type_info in;
	if (!dwarf_attr(die, DW_AT_bit_size, &a) || dwarf_formudata(&a, &len) || !len || len > 64)
		return;
	uint64_t unit = sym_type_info_get(f->type, &in) == ERR_OK ? in.size : 0;
	if (!unit || unit > 8)
		unit = 8;
	uint64_t bit; /* from the start of the structure */
	if (dwarf_attr(die, DW_AT_data_bit_offset, &a) && !dwarf_formudata(&a, &at)) {
		bit = f->offset * 8 + at;
	} else if (dwarf_attr(die, DW_AT_bit_offset, &a) && !dwarf_formudata(&a, &at)) {
		Dwarf_Word size = unit;
		if (dwarf_attr(die, DW_AT_byte_size, &a))
			dwarf_formudata(&a, &size);
		/* DWARF 3: counted from the most significant bit of a unit of that size */
		if (size > 8 || at + len > size * 8)
			return;
		bit = f->offset * 8 + (size * 8 - at - len);
	} else {
		bit = f->offset * 8;
	}
	f->offset = bit / (unit * 8) * unit;
	if (bit - f->offset * 8 + len > unit * 8) /* packed: it crosses a border */
		f->offset = bit / 8;
	f->bit_pos = (uint8_t)(bit - f->offset * 8);
	f->bit_len = (uint8_t)len;
}

static bool push_field(fields *k, const sym_field *f)
{
	if (k->v.n >= DWF_FIELDS_MAX)
		return false;
	vec_push(&k->v, *f);
	return true;
}

/* DW_AT_const_value of an integer. */
static bool const_value(Dwarf_Die *die, int64_t *ret)
{
	Dwarf_Attribute a;
	Dwarf_Sword s;
	Dwarf_Word u;
	if (!dwf_attr(die, DW_AT_const_value, &a))
		return false;
	unsigned form = dwarf_whatform(&a);
	if (form == DW_FORM_sdata || form == DW_FORM_implicit_const) {
		if (dwarf_formsdata(&a, &s))
			return false;
		*ret = s;
		return true;
	}
	if (dwarf_formudata(&a, &u))
		return false;
	*ret = (int64_t)u;
	return true;
}

/* What a member of a variant part is: the tag, or a variant. */
static void in_variant(const fields *k, Dwarf_Die *die, sym_field *f)
{
	Dwarf_Attribute a;
	Dwarf_Die tag;
	Dwarf_Sword s;
	Dwarf_Word u;
	if (k->variant) {
		f->is_variant = true;
		f->is_else = !dwf_attr(k->variant, DW_AT_discr_value, &a) &&
			     !dwarf_hasattr(k->variant, DW_AT_discr_list);
		unsigned form = f->is_else ? 0 : dwarf_whatform(&a);
		if ((form == DW_FORM_sdata || form == DW_FORM_implicit_const) &&
			!dwarf_formsdata(&a, &s))
			f->value = s;
		else if (!f->is_else && !dwarf_formudata(&a, &u))
			f->value = (int64_t)u;
	} else if (k->part && dwf_ref(k->part, DW_AT_discr, &tag) && tag.addr == die->addr) {
		f->is_tag = true;
		if (!f->name.n)
			f->name = STR("<tag>");
	}
}

static bool member(fields *k, Dwarf_Die *die)
{
	dwf *x = k->x;
	const char *name = dwf_name(die);
	sym_field f = {.name = str_of(name ? name : "")};
	uint32_t type = dwf_type_of_die(x, die);
	f.type = (sym_type){type ? x->f : NULL, type};
	if (name && str_starts(f.name, STR("_vptr")))
		f.name = STR("__VFN_table");
	if (dwf_flag(die, DW_AT_external) || dwf_flag(die, DW_AT_declaration)) {
		f.is_static = true;
		f.is_const = const_value(die, &f.value);
		return push_field(k, &f);
	}
	if (!member_offset(die, &f.offset))
		return true;
	bit_field(x, die, &f);
	in_variant(k, die, &f);
	return push_field(k, &f);
}

/* How gcc and clang describe the place of a virtual base: by the table of virtual functions at the
 * start of the object, whose address is dereferenced, and the distance a constant in front of it.
 */
static bool virtual_base(Dwarf_Die *die, int64_t *slot)
{
	Dwarf_Attribute a;
	Dwarf_Op *o;
	size_t n;
	if (!dwarf_attr(die, DW_AT_data_member_location, &a) || dwarf_getlocation(&a, &o, &n) ||
		n != 6 || o[0].atom != DW_OP_dup || o[1].atom != DW_OP_deref ||
		o[3].atom != DW_OP_minus || o[4].atom != DW_OP_deref || o[5].atom != DW_OP_plus)
		return false;
	uint64_t back = o[2].number;
	if (o[2].atom >= DW_OP_lit0 && o[2].atom <= DW_OP_lit31)
		back = o[2].atom - DW_OP_lit0;
	else if (o[2].atom < DW_OP_const1u || o[2].atom > DW_OP_consts)
		return false;
	*slot = back < 1 << 20 ? -(int64_t)back : 0;
	return *slot;
}

static bool base(fields *k, Dwarf_Die *die)
{
	dwf *x = k->x;
	sym_type_info in;
	sym_field f = {.is_base = true};
	uint32_t type = dwf_type_of_die(x, die);
	f.type = (sym_type){type ? x->f : NULL, type};
	f.name = type && dwf_type_get(x, type, &in) == ERR_OK ? in.name : STR("<unknown>");
	if (virtual_base(die, &f.hop[0].slot))
		f.n_hops = 1;
	else if (!member_offset(die, &f.offset))
		return true;
	return push_field(k, &f);
}

static bool enumerator(fields *k, Dwarf_Die *die)
{
	const char *name = dwf_name(die);
	sym_field f = {.name = str_of(name ? name : ""), .is_enumerator = true};
	if (!const_value(die, &f.value))
		return true;
	if (k->has_sign && k->size && k->size < 8) {
		unsigned shift = 64 - 8 * (unsigned)k->size;
		uint64_t up = (uint64_t)f.value << shift;
		f.value = k->sign ? (int64_t)up >> shift : (int64_t)(up >> shift);
	}
	return push_field(k, &f);
}

static void fields_in(fields *k, Dwarf_Die *parent, int depth)
{
	Dwarf_Die die;
	if (depth > 4 || dwarf_child(parent, &die))
		return;
	bool more = true;
	do {
		sym_field f = {0};
		uint32_t id;
		switch (dwarf_tag(&die)) {
		case DW_TAG_member:
			more = member(k, &die);
			break;
		case DW_TAG_inheritance:
			more = base(k, &die);
			break;
		case DW_TAG_variable: /* DWARF 5: a static member */
			id = dwf_type_of_die(k->x, &die);
			f = (sym_field){.name = str_of(dwf_name(&die) ? dwf_name(&die) : ""),
				.type = {id ? k->x->f : NULL, id},
				.is_static = true};
			f.is_const = const_value(&die, &f.value);
			more = push_field(k, &f);
			break;
		case DW_TAG_subprogram:
			if (dwf_flag(&die, DW_AT_artificial) || !dwf_name(&die))
				break;
			f = (sym_field){.name = str_of(dwf_name(&die)),
				.type = {k->x->f, dwf_type_id(k->x, &die)},
				.is_method = true};
			more = push_field(k, &f);
			break;
		case DW_TAG_enumerator:
			more = enumerator(k, &die);
			break;
		case DW_TAG_variant_part: /* Rust: the members of all variants */
			k->part = &die;
			fields_in(k, &die, depth + 1);
			k->part = NULL;
			break;
		case DW_TAG_variant:
			k->variant = &die;
			fields_in(k, &die, depth + 1);
			k->variant = NULL;
			break;
		default:
			break;
		}
	} while (more && !dwarf_siblingof(&die, &die));
}

err dwf_type_fields(dwf *x, uint32_t id, arena *a, sym_field **ret, size_t *n_ret)
{
	dwplain p;
	sym_type_info in, under;
	TRY(dwf_type_plain(x, id, &p));
	if (p.is_void)
		return ERR_NOTFOUND;
	TRY(dwf_type_get(x, id, &in));
	if (in.kind < SYM_T_STRUCT || in.kind > SYM_T_ENUM)
		return ERR_NOTFOUND;
	fields k = {.x = x};
	if (in.kind == SYM_T_ENUM && sym_type_info_get(in.elem, &under) == ERR_OK) {
		k.has_sign = true;
		k.sign = under.kind == SYM_T_INT || under.kind == SYM_T_CHAR;
		k.size = in.size ? in.size : under.size;
	}
	fields_in(&k, &p.die, 0);
	*ret = arena_dup(a, k.v.n ? (void *)k.v.p : "", k.v.n * sizeof(sym_field));
	*n_ret = k.v.n;
	vec_deinit(&k.v);
	return ERR_OK;
}

err dwf_type_arg(dwf *x, uint32_t id, uint32_t i, uint32_t *ret)
{
	dwplain p;
	Dwarf_Die die;
	uint32_t n = 0;
	TRY(dwf_type_plain(x, id, &p));
	int tag = p.is_void ? 0 : dwarf_tag(&p.die);
	if (tag != DW_TAG_subroutine_type && tag != DW_TAG_subprogram)
		return ERR_NOTFOUND;
	if (dwarf_child(&p.die, &die))
		return ERR_NOTFOUND;
	do {
		tag = dwarf_tag(&die);
		bool more = tag == DW_TAG_unspecified_parameters;
		if (tag != DW_TAG_formal_parameter && !more)
			continue;
		Dwarf_Attribute a;
		bool own = false;
		if (dwf_attr(&die, DW_AT_artificial, &a))
			dwarf_formflag(&a, &own);
		if (own || dwf_flag(&die, DW_AT_variable_parameter))
			continue; /* this; a result of Go */
		if (n++ == i) {
			*ret = more ? 0 : dwf_type_of_die(x, &die);
			return ERR_OK;
		}
	} while (n < ARGS_MAX && !dwarf_siblingof(&die, &die));
	return ERR_NOTFOUND;
}
