/*
 * dwarf_index_abbrev: .debug_abbrev compiled into small programs. A DIE that nobody asks for is
 * passed over by adding a number (most have only attributes of fixed size) or by a few operations;
 * one that is wanted gives its attributes in slots.
 *
 * Invariants: a program ends with OP_END or OP_SIBLING; positions never pass the unit's end unless
 * the DIE is damaged, which is told by UINT64_MAX.
 */
#include "fmt/dwarf_index_impl.h"

enum {
	DW_FORM_addr = 0x01,
	DW_FORM_block2 = 0x03,
	DW_FORM_block4 = 0x04,
	DW_FORM_data2 = 0x05,
	DW_FORM_data4 = 0x06,
	DW_FORM_data8 = 0x07,
	DW_FORM_string = 0x08,
	DW_FORM_block = 0x09,
	DW_FORM_block1 = 0x0a,
	DW_FORM_data1 = 0x0b,
	DW_FORM_flag = 0x0c,
	DW_FORM_sdata = 0x0d,
	DW_FORM_strp = 0x0e,
	DW_FORM_udata = 0x0f,
	DW_FORM_ref_addr = 0x10,
	DW_FORM_ref1 = 0x11,
	DW_FORM_ref2 = 0x12,
	DW_FORM_ref4 = 0x13,
	DW_FORM_ref8 = 0x14,
	DW_FORM_ref_udata = 0x15,
	DW_FORM_indirect = 0x16,
	DW_FORM_sec_offset = 0x17,
	DW_FORM_exprloc = 0x18,
	DW_FORM_flag_present = 0x19,
	DW_FORM_strx = 0x1a,
	DW_FORM_addrx = 0x1b,
	DW_FORM_ref_sup4 = 0x1c,
	DW_FORM_strp_sup = 0x1d,
	DW_FORM_data16 = 0x1e,
	DW_FORM_line_strp = 0x1f,
	DW_FORM_ref_sig8 = 0x20,
	DW_FORM_implicit_const = 0x21,
	DW_FORM_loclistx = 0x22,
	DW_FORM_rnglistx = 0x23,
	DW_FORM_ref_sup8 = 0x24,
	DW_FORM_strx1 = 0x25,
	DW_FORM_strx2 = 0x26,
	DW_FORM_strx3 = 0x27,
	DW_FORM_strx4 = 0x28,
	DW_FORM_addrx1 = 0x29,
	DW_FORM_addrx2 = 0x2a,
	DW_FORM_addrx3 = 0x2b,
	DW_FORM_addrx4 = 0x2c
};

static uint8_t form_of(uint64_t form)
{
	switch (form) {
	case 0x1f01:
		return FORM_GNU_addr_index;
	case 0x1f02:
		return FORM_GNU_str_index;
	case 0x1f20:
		return FORM_GNU_ref_alt;
	case 0x1f21:
		return FORM_GNU_strp_alt;
	case 0x2001:
		return FORM_LLVM_addrx_offset;
	default:
		return form < 0x40 ? (uint8_t)form : 0;
	}
}

/* Bytes of a form of fixed size; -1 variable, -2 unknown. */
static int form_size(const dwx_unit *u, uint8_t form)
{
	switch (form) {
	case DW_FORM_flag_present:
	case DW_FORM_implicit_const:
		return 0;
	case DW_FORM_data1:
	case DW_FORM_flag:
	case DW_FORM_ref1:
	case DW_FORM_strx1:
	case DW_FORM_addrx1:
		return 1;
	case DW_FORM_data2:
	case DW_FORM_ref2:
	case DW_FORM_strx2:
	case DW_FORM_addrx2:
		return 2;
	case DW_FORM_strx3:
	case DW_FORM_addrx3:
		return 3;
	case DW_FORM_data4:
	case DW_FORM_ref4:
	case DW_FORM_ref_sup4:
	case DW_FORM_strx4:
	case DW_FORM_addrx4:
		return 4;
	case DW_FORM_data8:
	case DW_FORM_ref8:
	case DW_FORM_ref_sig8:
	case DW_FORM_ref_sup8:
		return 8;
	case DW_FORM_data16:
		return 16;
	case DW_FORM_addr:
		return u->addr_size;
	case DW_FORM_ref_addr: /* of an address's size in DWARF 2 */
		return u->version == 2 ? u->addr_size : u->off_size;
	case DW_FORM_strp:
	case DW_FORM_line_strp:
	case DW_FORM_sec_offset:
	case DW_FORM_strp_sup:
	case FORM_GNU_ref_alt:
	case FORM_GNU_strp_alt:
		return u->off_size;
	case DW_FORM_block:
	case DW_FORM_block1:
	case DW_FORM_block2:
	case DW_FORM_block4:
	case DW_FORM_exprloc:
	case DW_FORM_string:
	case DW_FORM_sdata:
	case DW_FORM_udata:
	case DW_FORM_ref_udata:
	case DW_FORM_strx:
	case DW_FORM_addrx:
	case DW_FORM_loclistx:
	case DW_FORM_rnglistx:
	case DW_FORM_indirect:
	case FORM_GNU_addr_index:
	case FORM_GNU_str_index:
	case FORM_LLVM_addrx_offset:
		return -1;
	default:
		return -2;
	}
}

static uint8_t class_of(uint64_t tag)
{
	switch (tag) {
	case 0x02: /* class_type */
	case 0x38: /* interface_type */
		return CLS_CLASS;
	case 0x04:
		return CLS_ENUM;
	case 0x0d:
		return CLS_MEMBER;
	case 0x11: /* compile_unit */
	case 0x3c: /* partial_unit */
	case 0x41: /* type_unit */
	case 0x4a: /* skeleton_unit */
		return CLS_UNIT;
	case 0x13:
		return CLS_STRUCT;
	case 0x16: /* typedef */
	case 0x43: /* template_alias */
		return CLS_TYPEDEF;
	case 0x17:
		return CLS_UNION;
	case 0x1e: /* module: as a namespace */
	case 0x39:
		return CLS_NAMESPACE;
	case 0x24:
		return CLS_BASE;
	case 0x28:
		return CLS_ENUMERATOR;
	case 0x2e:
		return CLS_FUNC;
	case 0x34:
		return CLS_VAR;
	case 0x3d:
		return CLS_IMPORT;
	default:
		return CLS_SKIP;
	}
}

static int unit_slot(uint64_t attr)
{
	switch (attr) {
	case 0x11:
		return SLOT_LOW;
	case 0x12:
		return SLOT_HIGH;
	case 0x13:
		return SLOT_LANG;
	case 0x1b:
		return SLOT_COMP_DIR;
	case 0x55:
		return SLOT_RANGES;
	case 0x72:
		return SLOT_STR_BASE;
	case 0x73:
	case 0x2133: /* GNU_addr_base */
		return SLOT_ADDR_BASE;
	case 0x74:
		return SLOT_RNG_BASE;
	case 0x2132: /* GNU_ranges_base */
		return SLOT_RANGES_BASE;
	case 0x76:
	case 0x2130: /* GNU_dwo_name */
		return SLOT_DWO_NAME;
	case 0x2131: /* GNU_dwo_id */
		return SLOT_DWO_ID;
	default:
		return -1;
	}
}

/* Which slot an attribute of a DIE of this class goes to; -1: nobody asks for it. */
static int slot_of(uint8_t cls, uint64_t attr)
{
	if (cls == CLS_UNIT)
		return unit_slot(attr);
	bool code = cls == CLS_FUNC, var = cls == CLS_VAR;
	bool composite = cls >= CLS_STRUCT && cls <= CLS_ENUM;
	switch (attr) {
	case 0x01:
		return SLOT_SIBLING;
	case 0x02:
		return var ? SLOT_LOC : -1;
	case 0x03:
		return SLOT_NAME;
	case 0x0b:
		return composite || cls == CLS_BASE ? SLOT_SIZE : -1;
	case 0x11:
		return code ? SLOT_LOW : -1;
	case 0x12:
		return code ? SLOT_HIGH : -1;
	case 0x18:
		return cls == CLS_IMPORT ? SLOT_IMPORT : -1;
	case 0x1c:
		return cls == CLS_ENUMERATOR ? SLOT_CONST : -1;
	case 0x20:
		return code ? SLOT_INLINE : -1;
	case 0x31:
		return code || var ? SLOT_ORIGIN : -1;
	case 0x3c:
		return SLOT_DECL;
	case 0x3f:
		return code || var || cls == CLS_MEMBER ? SLOT_EXTERNAL : -1;
	case 0x47: /* specification */
	case 0x54: /* extension of a namespace */
		return SLOT_SPEC;
	case 0x55:
		return code ? SLOT_RANGES : -1;
	case 0x69:
		return composite ? SLOT_SIGNATURE : -1;
	case 0x6d:
		return cls == CLS_ENUM ? SLOT_ENUM_CLASS : -1;
	case 0x89:
		return cls == CLS_NAMESPACE ? SLOT_EXPORT : -1;
	default:
		return -1;
	}
}

/* ---- compiling ---- */

typedef struct attr {
	uint64_t name;
	int64_t value; /* implicit_const */
	uint8_t form;
} attr;

static int64_t sleb(const uint8_t *p, uint64_t end, uint64_t *pos)
{
	uint64_t v = 0, at = *pos;
	for (unsigned shift = 0; at < end;) {
		uint8_t c = p[at++];
		if (shift < 64)
			v |= (uint64_t)(c & 0x7f) << shift;
		shift += 7;
		if (!(c & 0x80)) {
			if (shift < 64 && (c & 0x40))
				v |= ~(uint64_t)0 << shift;
			*pos = at;
			return (int64_t)v;
		}
	}
	*pos = end + 1;
	return 0;
}

static void emit(dwx_abbrevs *t, uint32_t op, uint32_t arg)
{
	vec_push(&t->op, op | arg << 8);
}

static void flush(dwx_abbrevs *t, uint64_t *run)
{
	while (*run) {
		uint32_t n = *run > 0xffffff ? 0xffffff : (uint32_t)*run;
		emit(t, OP_SKIP, n);
		*run -= n;
	}
}

static void emit_variable(dwx_abbrevs *t, uint8_t form)
{
	switch (form) {
	case DW_FORM_block:
	case DW_FORM_exprloc:
		emit(t, OP_BLOCK, 0);
		break;
	case DW_FORM_block1:
		emit(t, OP_BLOCK, 1);
		break;
	case DW_FORM_block2:
		emit(t, OP_BLOCK, 2);
		break;
	case DW_FORM_block4:
		emit(t, OP_BLOCK, 4);
		break;
	case DW_FORM_string:
		emit(t, OP_CSTR, 0);
		break;
	case DW_FORM_indirect:
		emit(t, OP_INDIRECT, 0);
		break;
	case FORM_LLVM_addrx_offset:
		emit(t, OP_ULEB, 0);
		emit(t, OP_SKIP, 4);
		break;
	default:
		emit(t, OP_ULEB, 0);
	}
}

static void compile_skip(dwx_abbrevs *t, const dwx_unit *u, dwx_ab *ab, const attr *a, size_t n)
{
	uint64_t run = 0;
	bool simple = true;
	ab->skip = (uint32_t)t->op.n;
	for (size_t i = 0; i < n; i++) {
		int size = form_size(u, a[i].form);
		if (a[i].name == 0x01 && (ab->fl & AB_CHILDREN) && a[i].form != DW_FORM_indirect) {
			flush(t, &run);
			emit(t, OP_SIBLING, a[i].form);
			ab->fl |= AB_SIBLING;
			return; /* what follows is of no interest: the sibling is the next stop */
		}
		if (size >= 0) {
			run += (unsigned)size;
			continue;
		}
		simple = false;
		flush(t, &run);
		emit_variable(t, a[i].form);
	}
	if (simple && run <= 0xffff) {
		ab->fl |= AB_SIMPLE;
		ab->fixed = (uint16_t)run;
	}
	flush(t, &run);
	emit(t, OP_END, 0);
}

static void compile_take(dwx_abbrevs *t, const dwx_unit *u, dwx_ab *ab, const attr *a, size_t n)
{
	uint64_t run = 0;
	ab->take = (uint32_t)t->op.n;
	for (size_t i = 0; i < n; i++) {
		int slot = slot_of(ab->cls, a[i].name), size = form_size(u, a[i].form);
		if (slot >= 0) {
			flush(t, &run);
			if (a[i].form == DW_FORM_implicit_const) {
				emit(t, OP_CONST, (uint32_t)slot);
				vec_push(&t->op, (uint32_t)(uint64_t)a[i].value);
				vec_push(&t->op, (uint32_t)((uint64_t)a[i].value >> 32));
			} else
				emit(t, OP_TAKE,
					(uint32_t)slot | (uint32_t)a[i].form << 8 |
						(size > 0 && size <= 8 ? (uint32_t)size << 16 : 0));
		} else if (size >= 0)
			run += (unsigned)size;
		else {
			flush(t, &run);
			emit_variable(t, a[i].form);
		}
	}
	flush(t, &run);
	emit(t, OP_END, 0);
}

static bool add(
	dwx_abbrevs *t, const dwx_unit *u, uint64_t code, dwx_ab ab, const attr *a, size_t n)
{
	if (code >= ABBREV_CODE_MAX || t->op.n > UINT32_MAX / 2)
		return false;
	if (code >= t->n) {
		size_t old = t->cap;
		vec_grow_((void **)&t->ab, &t->cap, code + 1, sizeof *t->ab);
		(void)old;
		memset(t->ab + t->n, 0, (code + 1 - t->n) * sizeof *t->ab);
		t->n = code + 1;
	}
	if (t->ab[code].fl & AB_VALID)
		return true; /* the first one counts */
	compile_skip(t, u, &ab, a, n);
	if (ab.cls != CLS_SKIP)
		compile_take(t, u, &ab, a, n);
	ab.fl |= AB_VALID;
	t->ab[code] = ab;
	return true;
}

enum { ATTRS_MAX = 1024 };

/* One abbreviation at *pos; false at the end of the table or where it is damaged. */
static bool read_one(dwx_abbrevs *t, const dwx_unit *u, uint64_t *pos, bool *damaged)
{
	const uint8_t *p = u->abbrev.p;
	uint64_t end = u->abbrev.n, code = dwx_uleb(p, end, pos);
	attr a[ATTRS_MAX];
	size_t n = 0;
	if (*pos > end || !code)
		return false;
	*damaged = true;
	uint64_t tag = dwx_uleb(p, end, pos);
	if (*pos >= end)
		return false;
	dwx_ab ab = {.cls = class_of(tag), .fl = p[(*pos)++] ? AB_CHILDREN : 0};
	for (;;) {
		uint64_t name = dwx_uleb(p, end, pos), form = dwx_uleb(p, end, pos);
		int64_t value = 0;
		if (*pos > end)
			return false;
		if (!name && !form)
			break;
		if (form == DW_FORM_implicit_const)
			value = sleb(p, end, pos);
		uint8_t f = form_of(form);
		if (*pos > end || form_size(u, f) == -2 || n == ATTRS_MAX)
			return false;
		if (name == 0x3c && f == DW_FORM_flag_present)
			ab.fl |= AB_DECL;
		a[n++] = (attr){name, value, f};
	}
	*damaged = !add(t, u, code, ab, a, n);
	return !*damaged;
}

static bool read_table(dwx_abbrev_cache *c, dwx_abbrevs *t, const dwx_unit *u)
{
	uint64_t pos = u->abbrev_off;
	bool damaged = false;
	t->n = 0;
	t->op.n = 0;
	if (pos >= u->abbrev.n)
		return false;
	while (read_one(t, u, &pos, &damaged))
		;
	uint64_t cost = pos - u->abbrev_off + t->n + 64;
	c->budget -= cost < c->budget ? cost : c->budget;
	/* A damaged end leaves the rest of the table usable: units that need it stop there. */
	return t->n > 0;
}

const dwx_abbrevs *dwx_abbrevs_get(dwx_abbrev_cache *c, const dwx_unit *u)
{
	dwx_abbrevs *oldest = &c->t[0];
	for (size_t i = 0; i < ABBREV_TABLES; i++) {
		dwx_abbrevs *t = &c->t[i];
		if (t->used && t->off == u->abbrev_off && t->sect == u->abbrev.p &&
			t->version == u->version && t->addr_size == u->addr_size &&
			t->off_size == u->off_size) {
			t->age = ++c->tick;
			return t;
		}
		if (t->age < oldest->age)
			oldest = t;
	}
	if (!c->budget)
		return NULL;
	dwx_abbrevs *t = oldest;
	t->used = read_table(c, t, u);
	t->off = u->abbrev_off;
	t->sect = u->abbrev.p;
	t->version = u->version;
	t->addr_size = u->addr_size;
	t->off_size = u->off_size;
	t->age = ++c->tick;
	return t->used ? t : NULL;
}

void dwx_abbrev_cache_deinit(dwx_abbrev_cache *c)
{
	for (size_t i = 0; i < ABBREV_TABLES; i++) {
		mem_free(c->t[i].ab);
		vec_deinit(&c->t[i].op);
	}
}

/* ---- running ---- */

static uint64_t pass_block(const dwx_unit *u, uint64_t pos, uint32_t how)
{
	uint64_t n;
	if (!how)
		n = dwx_uleb(u->sect.p, u->end, &pos);
	else {
		if (u->end - pos < how)
			return UINT64_MAX;
		n = le_get(u->sect.p + pos, how);
		pos += how;
	}
	return pos > u->end || n > u->end - pos ? UINT64_MAX : pos + n;
}

static uint64_t pass_cstr(const dwx_unit *u, uint64_t pos)
{
	const uint8_t *nul = memchr(u->sect.p + pos, 0, u->end - pos);
	return nul ? (uint64_t)(nul - u->sect.p) + 1 : UINT64_MAX;
}

/* Passes over a value of any form. */
static uint64_t pass_form(const dwx_unit *u, uint8_t form, uint64_t pos)
{
	int size = form_size(u, form);
	if (size == -2 || form == DW_FORM_indirect || form == DW_FORM_implicit_const)
		return UINT64_MAX;
	if (size >= 0)
		return u->end - pos < (unsigned)size ? UINT64_MAX : pos + (unsigned)size;
	switch (form) {
	case DW_FORM_block:
	case DW_FORM_exprloc:
		return pass_block(u, pos, 0);
	case DW_FORM_block1:
		return pass_block(u, pos, 1);
	case DW_FORM_block2:
		return pass_block(u, pos, 2);
	case DW_FORM_block4:
		return pass_block(u, pos, 4);
	case DW_FORM_string:
		return pass_cstr(u, pos);
	default:
		(void)dwx_uleb(u->sect.p, u->end, &pos);
		if (form == FORM_LLVM_addrx_offset && pos <= u->end)
			pos = u->end - pos < 4 ? u->end + 1 : pos + 4;
		return pos > u->end ? UINT64_MAX : pos;
	}
}

static uint64_t pass_indirect(const dwx_unit *u, uint64_t pos)
{
	uint64_t form = dwx_uleb(u->sect.p, u->end, &pos);
	return pos > u->end ? UINT64_MAX : pass_form(u, form_of(form), pos);
}

/* The offset that a sibling attribute tells; 0 if it is not one inside of the unit. */
static uint64_t sibling_at(const dwx_unit *u, uint8_t form, uint64_t pos)
{
	uint64_t v;
	int size = form_size(u, form);
	if (form == DW_FORM_ref_udata)
		v = dwx_uleb(u->sect.p, u->end, &pos);
	else if (size > 0 && size <= 8 && u->end - pos >= (unsigned)size)
		v = le_get(u->sect.p + pos, (unsigned)size);
	else
		return 0;
	if (form != DW_FORM_ref_addr)
		v += u->off;
	return v > pos && v <= u->end ? v : 0;
}

uint64_t dwx_pass(
	const dwx_abbrevs *t, const dwx_unit *u, uint32_t prog, uint64_t pos, uint64_t *sibling)
{
	const uint32_t *op = t->op.p + prog;
	*sibling = 0;
	for (;; op++) {
		uint32_t arg = *op >> 8;
		if (pos > u->end)
			return UINT64_MAX;
		switch (*op & 0xff) {
		case OP_SKIP:
			pos += arg;
			break;
		case OP_ULEB:
			while (pos < u->end && u->sect.p[pos] & 0x80)
				pos++;
			pos++;
			break;
		case OP_BLOCK:
			pos = pass_block(u, pos, arg);
			break;
		case OP_CSTR:
			pos = pass_cstr(u, pos);
			break;
		case OP_INDIRECT:
			pos = pass_indirect(u, pos);
			break;
		case OP_SIBLING:
			*sibling = sibling_at(u, (uint8_t)arg, pos);
			return *sibling ? pos : UINT64_MAX;
		default:
			return pos;
		}
	}
}

/* size: 1, 2, 3, 4 or 8 */
static inline uint64_t number_at(const uint8_t *p, unsigned size)
{
	switch (size) {
	case 1:
		return *p;
	case 2:
		return le16(p);
	case 3:
		return le16(p) | (uint64_t)p[2] << 16;
	case 4:
		return le32(p);
	default:
		return le64(p);
	}
}

/* Reads a value of any form into a slot. */
static uint64_t take_form(const dwx_unit *u, uint8_t form, unsigned slot, uint64_t pos, dwx_vals *v)
{
	uint64_t next = pos;
	switch (form) {
	case DW_FORM_flag_present:
		v->v[slot] = 1;
		break;
	case DW_FORM_string:
		next = pass_cstr(u, pos);
		v->v[slot] = pos;
		break;
	case DW_FORM_sdata:
		v->v[slot] = (uint64_t)sleb(u->sect.p, u->end, &next);
		break;
	case DW_FORM_block:
	case DW_FORM_exprloc:
	case DW_FORM_block1:
	case DW_FORM_block2:
	case DW_FORM_block4:
		if (form == DW_FORM_block || form == DW_FORM_exprloc)
			v->block_n = dwx_uleb(u->sect.p, u->end, &next);
		else {
			unsigned size = form == DW_FORM_block1 ? 1 : form == DW_FORM_block2 ? 2 : 4;
			if (u->end - pos < size)
				return UINT64_MAX;
			v->block_n = le_get(u->sect.p + pos, size);
			next += size;
		}
		if (next > u->end || v->block_n > u->end - next)
			return UINT64_MAX;
		v->v[slot] = next;
		next += v->block_n;
		break;
	case DW_FORM_data16:
		v->v[slot] = 0;
		next = pass_form(u, form, pos);
		break;
	default: {
		int size = form_size(u, form);
		if (size == -2)
			return UINT64_MAX;
		if (size < 0)
			v->v[slot] = dwx_uleb(u->sect.p, u->end, &next);
		else if (u->end - pos < (unsigned)size)
			return UINT64_MAX;
		else {
			v->v[slot] = number_at(u->sect.p + pos, (unsigned)size);
			next += (unsigned)size;
		}
		if (form == FORM_LLVM_addrx_offset) /* the offset itself is not looked at */
			next = next > u->end || u->end - next < 4 ? UINT64_MAX : next + 4;
	}
	}
	if (next > u->end)
		return UINT64_MAX;
	v->form[slot] = form;
	v->have |= 1u << slot;
	return next;
}

uint64_t dwx_take(const dwx_abbrevs *t, const dwx_unit *u, uint32_t prog, uint64_t pos, dwx_vals *v)
{
	const uint32_t *op = t->op.p + prog;
	v->have = 0;
	for (;; op++) {
		uint32_t arg = *op >> 8;
		if (pos > u->end)
			return UINT64_MAX;
		switch (*op & 0xff) {
		case OP_SKIP:
			pos += arg;
			break;
		case OP_ULEB:
			while (pos < u->end && u->sect.p[pos] & 0x80)
				pos++;
			pos++;
			break;
		case OP_BLOCK:
			pos = pass_block(u, pos, arg);
			break;
		case OP_CSTR:
			pos = pass_cstr(u, pos);
			break;
		case OP_INDIRECT:
			pos = pass_indirect(u, pos);
			break;
		case OP_TAKE: {
			uint8_t form = (uint8_t)(arg >> 8);
			unsigned slot = arg & 0xff, size = arg >> 16;
			if (size) {
				if (u->end - pos < size)
					return UINT64_MAX;
				v->v[slot] = number_at(u->sect.p + pos, size);
				v->form[slot] = form;
				v->have |= 1u << slot;
				pos += size;
				break;
			}
			if (form == DW_FORM_indirect) {
				form = form_of(dwx_uleb(u->sect.p, u->end, &pos));
				if (pos > u->end || form == DW_FORM_indirect ||
					form == DW_FORM_implicit_const)
					return UINT64_MAX;
			}
			pos = take_form(u, form, slot, pos, v);
			break;
		}
		case OP_CONST:
			v->v[arg] = op[1] | (uint64_t)op[2] << 32;
			v->form[arg] = DW_FORM_sdata;
			v->have |= 1u << arg;
			op += 2;
			break;
		default:
			return pos;
		}
	}
}
