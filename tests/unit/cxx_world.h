/*
 * cxx_world: an environment for C++ expressions without a target: a few types as a compiler for
 * Windows lays them out, variables in 4 KB of memory at 0x1000, locals in registers and on the
 * stack. Shared by the unit test and the fuzz target; each includes it once.
 */
#include "base/reader.h"
#include "eval/cxx.h"

#include <stdio.h>

enum { W_BASE = 0x1000, W_SIZE = 0x1000 };

typedef enum w_id {
	W_NONE,
	W_VOID,
	W_BOOL,
	W_CHAR,
	W_UCHAR,
	W_WCHAR,
	W_SHORT,
	W_USHORT,
	W_INT,
	W_UINT,
	W_LONG,
	W_ULONG,
	W_I64,
	W_U64,
	W_I128,
	W_FLOAT,
	W_DOUBLE,
	W_LDOUBLE,
	W_POINT,
	W_NODE,
	W_FLAGS,
	W_VALUE,
	W_COLOUR,
	W_BIG, /* enum of unsigned 64 bits */
	W_OPAQUE,
	W_VEC,
	W_KID, /* of point at 0 and vec<int> at 8 */
	W_FUNC,
	W_P_NODE,
	W_P_CHAR,
	W_P_FUNC,
	W_P_VOID,
	W_PP_NODE,
	W_R_POINT,
	W_A_POINT3,
	W_A_UINT2,
	W_A_UCHAR8,
	W_A_U64_4,
	W_A_WCHAR4,
	W_A_INT3,
	W_A_INT2_3,
	W_A_CHAR6,
	W_IDS
} w_id;

static const struct {
	cxx_kind kind;
	uint64_t size, count;
	w_id elem;
	const char *word, *name;
} w_types[W_IDS] = {
	[W_VOID] = {CXX_VOID, 0, 0, W_NONE, NULL, NULL},
	[W_BOOL] = {CXX_BOOL, 1, 0, W_NONE, NULL, NULL},
	[W_CHAR] = {CXX_CHAR, 1, 0, W_NONE, NULL, NULL},
	[W_UCHAR] = {CXX_UCHAR, 1, 0, W_NONE, NULL, NULL},
	[W_WCHAR] = {CXX_WCHAR, 2, 0, W_NONE, NULL, NULL},
	[W_SHORT] = {CXX_SHORT, 2, 0, W_NONE, NULL, NULL},
	[W_USHORT] = {CXX_USHORT, 2, 0, W_NONE, NULL, NULL},
	[W_INT] = {CXX_INT, 4, 0, W_NONE, NULL, NULL},
	[W_UINT] = {CXX_UINT, 4, 0, W_NONE, NULL, NULL},
	[W_LONG] = {CXX_LONG, 4, 0, W_NONE, NULL, NULL},
	[W_ULONG] = {CXX_ULONG, 4, 0, W_NONE, NULL, NULL},
	[W_I64] = {CXX_INT64, 8, 0, W_NONE, NULL, NULL},
	[W_U64] = {CXX_UINT64, 8, 0, W_NONE, NULL, NULL},
	[W_I128] = {CXX_INT128, 16, 0, W_NONE, NULL, NULL},
	[W_FLOAT] = {CXX_FLOAT, 4, 0, W_NONE, NULL, NULL},
	[W_DOUBLE] = {CXX_DOUBLE, 8, 0, W_NONE, NULL, NULL},
	[W_LDOUBLE] = {CXX_LDOUBLE, 16, 0, W_NONE, NULL, NULL},
	[W_POINT] = {CXX_STRUCT, 8, 0, W_NONE, "struct", "point"},
	[W_NODE] = {CXX_STRUCT, 0x90, 0, W_NONE, "struct", "_NODE"},
	[W_FLAGS] = {CXX_STRUCT, 8, 0, W_NONE, "struct", "flags"},
	[W_VALUE] = {CXX_STRUCT, 8, 0, W_NONE, "union", "value"},
	[W_COLOUR] = {CXX_ENUM, 4, 0, W_INT, "enum", "colour"},
	[W_BIG] = {CXX_ENUM, 8, 0, W_U64, "enum", "big"},
	[W_OPAQUE] = {CXX_STRUCT, 0, 0, W_NONE, "struct", "opaque"},
	[W_VEC] = {CXX_STRUCT, 4, 0, W_NONE, "class", "vec<int>"},
	[W_KID] = {CXX_STRUCT, 16, 0, W_NONE, "class", "kid"},
	[W_FUNC] = {CXX_FUNC, 0, 0, W_INT, NULL, NULL},
	[W_P_NODE] = {CXX_PTR, 8, 0, W_NODE, NULL, NULL},
	[W_P_CHAR] = {CXX_PTR, 8, 0, W_CHAR, NULL, NULL},
	[W_P_FUNC] = {CXX_PTR, 8, 0, W_FUNC, NULL, NULL},
	[W_P_VOID] = {CXX_PTR, 8, 0, W_VOID, NULL, NULL},
	[W_PP_NODE] = {CXX_PTR, 8, 0, W_P_NODE, NULL, NULL},
	[W_R_POINT] = {CXX_REF, 8, 0, W_POINT, NULL, NULL},
	[W_A_POINT3] = {CXX_ARRAY, 24, 3, W_POINT, NULL, NULL},
	[W_A_UINT2] = {CXX_ARRAY, 8, 2, W_UINT, NULL, NULL},
	[W_A_UCHAR8] = {CXX_ARRAY, 8, 8, W_UCHAR, NULL, NULL},
	[W_A_U64_4] = {CXX_ARRAY, 32, 4, W_U64, NULL, NULL},
	[W_A_WCHAR4] = {CXX_ARRAY, 8, 4, W_WCHAR, NULL, NULL},
	[W_A_INT3] = {CXX_ARRAY, 12, 3, W_INT, NULL, NULL},
	[W_A_INT2_3] = {CXX_ARRAY, 24, 2, W_A_INT3, NULL, NULL},
	[W_A_CHAR6] = {CXX_ARRAY, 6, 6, W_CHAR, NULL, NULL},
};

static const struct {
	w_id of;
	const char *name;
	w_id type;
	uint64_t offset;
	uint8_t bit_pos, bit_len;
	uint64_t addr; /* static */
} w_fields[] = {
	{W_POINT, "x", W_INT, 0, 0, 0, 0},
	{W_POINT, "y", W_INT, 4, 0, 0, 0},
	{W_POINT, "made", W_INT, 0, 0, 0, 0x1340},
	{W_NODE, "next", W_P_NODE, 0, 0, 0, 0},
	{W_NODE, "name", W_P_CHAR, 8, 0, 0, 0},
	{W_NODE, "at", W_POINT, 0x10, 0, 0, 0},
	{W_NODE, "state", W_FLAGS, 0x18, 0, 0, 0},
	{W_NODE, "paint", W_COLOUR, 0x20, 0, 0, 0},
	{W_NODE, "corners", W_A_POINT3, 0x24, 0, 0, 0},
	{W_NODE, "content", W_VALUE, 0x40, 0, 0, 0},
	{W_NODE, "handler", W_P_FUNC, 0x48, 0, 0, 0},
	{W_NODE, "ratio", W_DOUBLE, 0x50, 0, 0, 0},
	{W_NODE, "small", W_SHORT, 0x58, 0, 0, 0},
	{W_NODE, "letter", W_CHAR, 0x5a, 0, 0, 0},
	{W_NODE, "yes", W_BOOL, 0x5b, 0, 0, 0},
	{W_NODE, "part", W_FLOAT, 0x5c, 0, 0, 0},
	{W_NODE, "wide", W_A_WCHAR4, 0x60, 0, 0, 0},
	{W_NODE, "huge", W_I128, 0x70, 0, 0, 0},
	{W_NODE, "precise", W_LDOUBLE, 0x80, 0, 0, 0},
	{W_FLAGS, "ready", W_UINT, 0, 0, 1, 0},
	{W_FLAGS, "level", W_UINT, 0, 1, 3, 0},
	{W_FLAGS, "count", W_UINT, 0, 8, 24, 0},
	{W_FLAGS, "low", W_INT, 4, 0, 5, 0},
	{W_FLAGS, "tint", W_COLOUR, 4, 5, 4, 0},
	{W_VALUE, "whole", W_U64, 0, 0, 0, 0},
	{W_VALUE, "half", W_A_UINT2, 0, 0, 0, 0},
	{W_VALUE, "byte", W_A_UCHAR8, 0, 0, 0, 0},
	{W_VEC, "n", W_INT, 0, 0, 0, 0},
};

static const struct {
	const char *name;
	cxx_where where;
	w_id type;
	uint64_t addr;
	const char *reg;
	bool local;
} w_symbols[] = {
	{"first", CXX_AT_MEM, W_NODE, 0x1000, NULL, false},
	{"second", CXX_AT_MEM, W_NODE, 0x1100, NULL, false},
	{"m!first", CXX_AT_MEM, W_NODE, 0x1000, NULL, false},
	{"pkg.node", CXX_AT_MEM, W_NODE, 0x1000, NULL, false},
	{"m!pkg.sub.node", CXX_AT_MEM, W_NODE, 0x1000, NULL, false},
	{"table", CXX_AT_MEM, W_A_U64_4, 0x1200, NULL, false},
	{"text", CXX_AT_MEM, W_A_CHAR6, 0x1300, NULL, false},
	{"counter", CXX_AT_MEM, W_INT, 0x1340, NULL, false},
	{"head", CXX_AT_MEM, W_P_NODE, 0x1348, NULL, false},
	{"grid", CXX_AT_MEM, W_A_INT2_3, 0x1350, NULL, false},
	{"where", CXX_AT_MEM, W_R_POINT, 0x1370, NULL, false},
	{"opaque_p", CXX_AT_MEM, W_P_VOID, 0x1378, NULL, false},
	{"hue", CXX_AT_MEM, W_COLOUR, 0x1380, NULL, false},
	{"limit", CXX_AT_MEM, W_BIG, 0x1388, NULL, false},
	{"uc", CXX_AT_MEM, W_UCHAR, 0x1390, NULL, false},
	{"us", CXX_AT_MEM, W_USHORT, 0x1392, NULL, false},
	{"ul", CXX_AT_MEM, W_ULONG, 0x1394, NULL, false},
	{"ll", CXX_AT_MEM, W_I64, 0x1398, NULL, false},
	{"numbers", CXX_AT_MEM, W_VEC, 0x13a0, NULL, false},
	{"vec<int>::made", CXX_AT_MEM, W_INT, 0x1340, NULL, false},
	{"m!`anonymous namespace'::hidden", CXX_AT_MEM, W_INT, 0x1340, NULL, false},
	{"shadow", CXX_AT_REG, W_INT, 0, "rbx", true},
	{"m!shadow", CXX_AT_MEM, W_INT, 0x1340, NULL, false},
	{"shadow", CXX_AT_MEM, W_INT, 0x1340, NULL, false},
	{"bare", CXX_AT_MEM, W_NONE, 0x1348, NULL, false},
	{"bad", CXX_AT_MEM, W_INT, 0x9000, NULL, false},
	{"bad_p", CXX_AT_MEM, W_P_NODE, 0x13a8, NULL, false},
	{"add", CXX_AT_CODE, W_FUNC, 0x5000, NULL, false},
	{"m!entry", CXX_AT_CODE, W_NONE, 0x5100, NULL, false},
	{"child", CXX_AT_MEM, W_KID, 0x1200, NULL, false},
	{"GREEN", CXX_AT_CONST, W_COLOUR, 5, NULL, false},
	{"colour::BLUE", CXX_AT_CONST, W_COLOUR, UINT64_MAX, NULL, false},
	{"K", CXX_AT_CONST, W_INT, 42, NULL, false},
	{"i", CXX_AT_REGREL, W_INT, 8, "rbp", true},
	{"r", CXX_AT_REG, W_INT, 0, "rbx", true},
	{"p", CXX_AT_REG, W_P_NODE, 0, "rcx", true},
	{"pt", CXX_AT_REG, W_POINT, 0, "rsi", true},
	{"f", CXX_AT_REG, W_FLOAT, 0, "xmm0", true},
	{"moving", CXX_AT_EXPR, W_INT, 0, NULL, true},
	{"split", CXX_AT_EXPR, W_POINT, 0, NULL, true},
	{"spread", CXX_AT_EXPR, W_A_INT3, 0, NULL, true},
	{"lost", CXX_AT_EXPR, W_INT, 0, NULL, true},
	{"gone", CXX_AT_NONE, W_INT, 0, NULL, true},
	{"this", CXX_AT_REG, W_P_NODE, 0, "rcx", true},
};

typedef struct w_reg {
	const char *name;
	uint8_t raw[16];
	cxx_kind kind;
	w_id type;
	bool lvalue;
} w_reg;

typedef struct cxx_world {
	uint8_t mem[W_SIZE];
	w_reg regs[16];
	size_t n_regs;
	unsigned lookups, reads, writes;
} cxx_world;

static cxx_handle w_handle(w_id id)
{
	return (cxx_handle){id ? &w_types[id] : NULL, id};
}

static cxx_reg w_find_reg(cxx_world *w, const char *name)
{
	cxx_reg r = {.kind = CXX_UINT64};
	for (size_t i = 0; i < w->n_regs; i++)
		if (!strcmp(w->regs[i].name, name)) {
			r.bound = &w->regs[i];
			r.kind = w->regs[i].kind;
			r.type = w_handle(w->regs[i].type);
			r.lvalue = w->regs[i].lvalue;
		}
	return r;
}

static err w_symbol(void *u, str name, bool local, cxx_symbol *ret, diag *d)
{
	cxx_world *w = u;
	bool global = str_starts(name, STR("::"));
	w->lookups++;
	if (global)
		name = str_skip(name, 2);
	if (str_eq(name, STR("two")))
		return diag_set(d, ERR_AMBIGUOUS, "two of them");
	for (size_t i = 0; i < ARRAY_LEN(w_symbols); i++) {
		if (!str_eq(name, str_of(w_symbols[i].name)) || (local && !w_symbols[i].local) ||
			(global && w_symbols[i].local))
			continue;
		*ret = (cxx_symbol){.where = w_symbols[i].where,
			.local = w_symbols[i].local,
			.addr = w_symbols[i].addr,
			.off = (int64_t)w_symbols[i].addr,
			.type = w_handle(w_symbols[i].type)};
		if (w_symbols[i].reg)
			ret->reg = w_find_reg(w, w_symbols[i].reg);
		return ERR_OK;
	}
	return diag_set(d, ERR_NOTFOUND, "no such name");
}

/* moving: in rbx or, if that is odd, at 0x1340; split and spread: bytes alone. */
static err w_place(void *u, str name, cxx_place *ret, diag *d)
{
	cxx_world *w = u;
	*ret = (cxx_place){.where = CXX_AT_CONST, .n = 12};
	if (str_eq(name, STR("moving"))) {
		ret->where = w->regs[1].raw[0] & 1 ? CXX_AT_MEM : CXX_AT_REG;
		ret->addr = 0x1340;
		ret->reg = w_find_reg(w, "rbx");
		return ERR_OK;
	}
	if (str_eq(name, STR("lost")))
		return ERR_NOTFOUND;
	for (unsigned i = 0; i < 3; i++)
		put32(ret->bytes + 4 * i, 100 + i);
	return ERR_OK;
}

static err w_type(void *u, str name, cxx_handle *ret)
{
	static const struct {
		const char *name;
		w_id id;
	} also[] = {{"ULONG", W_ULONG}, {"LONG", W_LONG}, {"UCHAR", W_UCHAR}, {"PNODE", W_P_NODE},
		{"ULONG64", W_U64}, {"VOID", W_VOID}, {"std::point", W_POINT}, {"both", W_INT}};
	((cxx_world *)u)->lookups++;
	if (str_starts(name, STR("m!")))
		name = str_skip(name, 2);
	for (size_t i = 1; i < W_IDS; i++)
		if (w_types[i].name && str_eq(name, str_of(w_types[i].name))) {
			*ret = w_handle((w_id)i);
			return ERR_OK;
		}
	for (size_t i = 0; i < ARRAY_LEN(also); i++)
		if (str_eq(name, str_of(also[i].name))) {
			*ret = w_handle(also[i].id);
			return ERR_OK;
		}
	return ERR_NOTFOUND;
}

static err w_describe(void *u, cxx_handle h, cxx_desc *ret)
{
	if (!h.id || h.id >= W_IDS)
		return ERR_CORRUPT;
	*ret = (cxx_desc){.kind = w_types[h.id].kind,
		.is_unsigned = h.id == W_BIG,
		.size = w_types[h.id].size,
		.count = w_types[h.id].count,
		.elem = w_handle(w_types[h.id].elem),
		.word = w_types[h.id].word,
		.name = str_of(w_types[h.id].name),
		.forward = h.id == W_OPAQUE};
	return ERR_OK;
}

static err w_field(void *u, cxx_handle h, str name, cxx_field *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(w_fields); i++)
		if (w_fields[i].of == h.id && str_eq(name, str_of(w_fields[i].name))) {
			*ret = (cxx_field){.type = w_handle(w_fields[i].type),
				.path.offset = w_fields[i].offset,
				.bit_pos = w_fields[i].bit_pos,
				.bit_len = w_fields[i].bit_len,
				.is_static = w_fields[i].addr != 0,
				.addr = w_fields[i].addr};
			return ERR_OK;
		}
	return ERR_NOTFOUND;
}

static err w_base(void *u, cxx_handle derived, cxx_handle base, cxx_path *ret)
{
	if (derived.id != W_KID || (base.id != W_POINT && base.id != W_VEC))
		return ERR_NOTFOUND;
	*ret = (cxx_path){.offset = base.id == W_VEC ? 8 : 0};
	return ERR_OK;
}

static err w_enumerator(void *u, cxx_handle h, str name, uint64_t *ret)
{
	if (h.id != W_COLOUR || !str_eq(name, STR("RED")))
		return ERR_NOTFOUND;
	*ret = 0;
	return ERR_OK;
}

static bool w_reg_find(void *u, str name, cxx_reg *ret)
{
	char z[32];
	if (name.n >= sizeof z)
		return false;
	snprintf(z, sizeof z, "%.*s", STR_ARG(name));
	*ret = w_find_reg((cxx_world *)u, z);
	return ret->bound != NULL;
}

static err w_reg_get(void *u, const cxx_reg *r, uint8_t raw[16], diag *d)
{
	const w_reg *reg = r->bound;
	if (!strcmp(reg->name, "$ea"))
		return ERR_NOTFOUND;
	memcpy(raw, reg->raw, 16);
	return ERR_OK;
}

static err w_reg_set(void *u, const cxx_reg *r, const uint8_t raw[16], diag *d)
{
	cxx_world *w = u;
	const w_reg *reg = r->bound;
	memcpy(w->regs[reg - w->regs].raw, raw, 16);
	return ERR_OK;
}

static bool w_in(uint64_t addr, size_t n)
{
	return addr >= W_BASE && addr < W_BASE + W_SIZE && n <= W_BASE + W_SIZE - addr;
}

static err w_read(void *u, uint64_t addr, void *p, size_t n, diag *d)
{
	cxx_world *w = u;
	w->reads++;
	if (!w_in(addr, n))
		return ERR_FAULT;
	memcpy(p, w->mem + (addr - W_BASE), n);
	return ERR_OK;
}

static err w_write(void *u, uint64_t addr, const void *p, size_t n, diag *d)
{
	cxx_world *w = u;
	w->writes++;
	if (!w_in(addr, n))
		return ERR_FAULT;
	memcpy(w->mem + (addr - W_BASE), p, n);
	return ERR_OK;
}

/* Hexadecimal numbers only. */
static err w_masm(void *u, str text, uint64_t *ret, diag *d)
{
	if (!str_u64(str_trim(text), 16, ret))
		return diag_set(d, ERR_SYNTAX, "Syntax error at '%.*s'", STR_ARG(text));
	return ERR_OK;
}

static void w_put(cxx_world *w, uint64_t addr, uint64_t v, size_t n)
{
	le_put(w->mem + (addr - W_BASE), v, n);
}

static void w_add_reg(cxx_world *w, const char *name, uint64_t v, cxx_kind kind, w_id type)
{
	w_reg *r = &w->regs[w->n_regs++];
	*r = (w_reg){.name = name, .kind = kind, .type = type};
	put64(r->raw, v);
}

static void w_fill_node(cxx_world *w)
{
	static const double ratio = 2.5;
	static const float part = 0.25f;
	static const long double precise = 1.5L;
	uint8_t *m = w->mem;
	w_put(w, 0x1000, 0x1100, 8); /* first.next */
	w_put(w, 0x1008, 0x1300, 8); /* name */
	w_put(w, 0x1010, 1, 4);
	w_put(w, 0x1014, (uint32_t)-2, 4);
	w_put(w, 0x1018, 1 | 5 << 1 | 100 << 8, 4); /* state */
	w_put(w, 0x101c, 0x1f | 5 << 5, 4);	    /* low = -1, tint = 5 */
	w_put(w, 0x1020, 5, 4);			    /* paint */
	for (unsigned i = 0; i < 6; i++)
		w_put(w, 0x1024 + 4 * i, 10 * (i + 1), 4);
	w_put(w, 0x1040, 0x1122334455667788, 8);
	w_put(w, 0x1048, 0x5000, 8);
	memcpy(m + 0x50, &ratio, 8);
	w_put(w, 0x1058, 0xfff9, 2); /* small = -7 */
	w_put(w, 0x105a, 'A', 1);
	w_put(w, 0x105b, 1, 1);
	memcpy(m + 0x5c, &part, 4);
	w_put(w, 0x1060, 'w', 2);
	w_put(w, 0x1070, 5, 8);
	w_put(w, 0x1078, 1, 8); /* huge = 2^64 + 5 */
	memcpy(m + 0x80, &precise, 10);
}

static void cxx_world_init(cxx_world *w, cxx_env *env)
{
	memset(w, 0, sizeof *w);
	w_fill_node(w);
	w_put(w, 0x1110, 3, 4);
	w_put(w, 0x1114, 4, 4);
	for (unsigned i = 0; i < 4; i++)
		w_put(w, 0x1200 + 8 * i, UINT64_C(1) << 4 * i, 8);
	memcpy(w->mem + 0x300, "first", 6);
	w_put(w, 0x1340, 7, 4);
	w_put(w, 0x1348, 0x1000, 8);
	for (unsigned i = 0; i < 6; i++)
		w_put(w, 0x1350 + 4 * i, i, 4);
	w_put(w, 0x1370, 0x1010, 8);
	w_put(w, 0x1378, 0x1000, 8);
	w_put(w, 0x1380, 5, 4);
	w_put(w, 0x1388, UINT64_MAX, 8);
	w_put(w, 0x1390, 200, 1);
	w_put(w, 0x1392, 60000, 2);
	w_put(w, 0x1394, 4000000000u, 4);
	w_put(w, 0x1398, (uint64_t)-5, 8);
	w_put(w, 0x13a0, 9, 4);
	w_put(w, 0x13a8, 0x9000, 8);
	w_put(w, 0x1408, (uint32_t)-3, 4); /* i at rbp + 8 */
	w_add_reg(w, "rax", 0xffffffff80000000, CXX_UINT64, 0);
	w_add_reg(w, "rbx", 11, CXX_UINT64, 0);
	w_add_reg(w, "rcx", 0x1000, CXX_UINT64, 0);
	w_add_reg(w, "rbp", 0x1400, CXX_UINT64, 0);
	w_add_reg(w, "rsi", UINT64_C(0x600000005), CXX_UINT64, 0);
	w_add_reg(w, "rip", 0x5010, CXX_UINT64, 0);
	w_add_reg(w, "$ip", 0x5010, CXX_PTR, 0);
	w_add_reg(w, "$t0", 5, CXX_UINT64, 0);
	w_add_reg(w, "$t1", 0x1000, CXX_PTR, W_P_NODE);
	w_add_reg(w, "$t2", 0x1100, CXX_NONE, W_NODE);
	w->regs[w->n_regs - 1].lvalue = true;
	w_add_reg(w, "$proc", 0x1000, CXX_PTR, W_P_NODE);
	w_add_reg(w, "$ea", 0, CXX_PTR, 0);
	w_add_reg(w, "xmm0", 0x3fc00000, CXX_UINT128, 0); /* 1.5f */
	put64(w->regs[w->n_regs - 1].raw + 8, 0x1122);
	w_add_reg(w, "st0", 0, CXX_LDOUBLE, 0);
	static const long double half = -0.5L;
	memcpy(w->regs[w->n_regs - 1].raw, &half, 10);
	*env = (cxx_env){.u = w,
		.ptr_size = 8,
		.long_size = 4,
		.symbol = w_symbol,
		.place = w_place,
		.type = w_type,
		.describe = w_describe,
		.field = w_field,
		.base = w_base,
		.enumerator = w_enumerator,
		.reg = w_reg_find,
		.reg_get = w_reg_get,
		.reg_set = w_reg_set,
		.read = w_read,
		.write = w_write,
		.masm = w_masm};
}
