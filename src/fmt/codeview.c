/* codeview: see codeview.h. Invariant: nothing is read past rec.p + rec.n. */
#include "fmt/codeview.h"

/* PE_MACHINE_xxx, written out: this file knows records, not images. */
enum { M_I386 = 0x14c, M_AMD64 = 0x8664, M_ARM64 = 0xaa64 };

const char *cv_sym_kind_name(uint16_t kind)
{
	switch (kind) {
#define CV_SYM(name, value)                                                                        \
	case value:                                                                                \
		return #name;
#include "fmt/codeview.def"
	default:
		return NULL;
	}
}

const char *cv_leaf_kind_name(uint16_t kind)
{
	switch (kind) {
#define CV_LEAF(name, value)                                                                       \
	case value:                                                                                \
		return #name;
#include "fmt/codeview.def"
	default:
		return NULL;
	}
}

/* LF_NUMERIC leaves: below 0x8000 the word is the value itself. */
uint64_t cv_number(reader *r, bool *neg)
{
	uint16_t w = rd_u16(r);
	int64_t v;
	*neg = false;
	if (w < 0x8000)
		return w;
	switch (w) {
	case 0x8000: /* LF_CHAR */
		v = (int8_t)rd_u8(r);
		break;
	case 0x8001: /* LF_SHORT */
		v = (int16_t)rd_u16(r);
		break;
	case 0x8002: /* LF_USHORT */
		return rd_u16(r);
	case 0x8003: /* LF_LONG */
		v = (int32_t)rd_u32(r);
		break;
	case 0x8004: /* LF_ULONG */
		return rd_u32(r);
	case 0x8009: /* LF_QUADWORD */
		v = (int64_t)rd_u64(r);
		break;
	case 0x800a: /* LF_UQUADWORD */
		return rd_u64(r);
	case 0x8017: /* LF_OCTWORD: the low half is all that a debugger can show */
	case 0x8018: /* LF_UOCTWORD */
		v = (int64_t)rd_u64(r);
		rd_skip(r, 8);
		if (w == 0x8018)
			return (uint64_t)v;
		break;
	default:
		r->bad = true;
		return 0;
	}
	*neg = v < 0;
	return (uint64_t)v;
}

/* ---- symbols ---- */

bool cv_is_proc(uint16_t k)
{
	return k == S_GPROC32 || k == S_LPROC32 || k == S_GPROC32_ID || k == S_LPROC32_ID ||
	       k == S_LPROC32_DPC || k == S_LPROC32_DPC_ID;
}

bool cv_is_data(uint16_t k)
{
	return k == S_GDATA32 || k == S_LDATA32;
}

bool cv_is_thread(uint16_t k)
{
	return k == S_GTHREAD32 || k == S_LTHREAD32;
}

bool cv_is_ref(uint16_t k)
{
	return k == S_PROCREF || k == S_LPROCREF || k == S_DATAREF;
}

bool cv_opens(uint16_t k)
{
	return cv_is_proc(k) || k == S_BLOCK32 || k == S_THUNK32 || k == S_WITH32 ||
	       k == S_SEPCODE || k == S_INLINESITE || k == S_INLINESITE2 || k == S_GMANPROC ||
	       k == S_LMANPROC || k == S_GPROCIA64 || k == S_LPROCIA64;
}

bool cv_closes(uint16_t k)
{
	return k == S_END || k == S_PROC_ID_END || k == S_INLINESITE_END;
}

static reader body(const cv_rec *c)
{
	return rd_of(c->p, c->n);
}

bool cv_proc_get(const cv_rec *c, cv_proc *ret)
{
	if (!cv_is_proc(c->kind))
		return false;
	reader r = body(c);
	cv_proc p = {.parent = rd_u32(&r)};
	p.end = rd_u32(&r);
	p.next = rd_u32(&r);
	p.size = rd_u32(&r);
	p.dbg_start = rd_u32(&r);
	p.dbg_end = rd_u32(&r);
	p.type = rd_u32(&r);
	p.off = rd_u32(&r);
	p.seg = rd_u16(&r);
	p.flags = rd_u8(&r);
	p.name = rd_cstr(&r);
	if (!r.bad)
		*ret = p;
	return !r.bad;
}

bool cv_data_get(const cv_rec *c, cv_data *ret)
{
	if (!cv_is_data(c->kind) && !cv_is_thread(c->kind))
		return false;
	reader r = body(c);
	cv_data v = {.type = rd_u32(&r)};
	v.off = rd_u32(&r);
	v.seg = rd_u16(&r);
	v.name = rd_cstr(&r);
	if (!r.bad)
		*ret = v;
	return !r.bad;
}

bool cv_pub_get(const cv_rec *c, cv_pub *ret)
{
	if (c->kind != S_PUB32)
		return false;
	reader r = body(c);
	cv_pub v = {.flags = rd_u32(&r)};
	v.off = rd_u32(&r);
	v.seg = rd_u16(&r);
	v.name = rd_cstr(&r);
	if (!r.bad)
		*ret = v;
	return !r.bad;
}

bool cv_ref_get(const cv_rec *c, cv_ref *ret)
{
	if (!cv_is_ref(c->kind))
		return false;
	reader r = body(c);
	cv_ref v = {.sum = rd_u32(&r)};
	v.off = rd_u32(&r);
	v.mod = rd_u16(&r);
	v.name = rd_cstr(&r);
	if (!r.bad)
		*ret = v;
	return !r.bad;
}

bool cv_const_get(const cv_rec *c, cv_const *ret)
{
	if (c->kind != S_CONSTANT)
		return false;
	reader r = body(c);
	cv_const v = {.type = rd_u32(&r)};
	v.value = cv_number(&r, &v.neg);
	v.name = rd_cstr(&r);
	if (!r.bad)
		*ret = v;
	return !r.bad;
}

bool cv_udt_get(const cv_rec *c, cv_udt *ret)
{
	if (c->kind != S_UDT && c->kind != S_COBOLUDT)
		return false;
	reader r = body(c);
	cv_udt v = {.type = rd_u32(&r)};
	v.name = rd_cstr(&r);
	if (!r.bad)
		*ret = v;
	return !r.bad;
}

bool cv_label_get(const cv_rec *c, cv_label *ret)
{
	if (c->kind != S_LABEL32)
		return false;
	reader r = body(c);
	cv_label v = {.off = rd_u32(&r)};
	v.seg = rd_u16(&r);
	rd_skip(&r, 1);
	v.name = rd_cstr(&r);
	if (!r.bad)
		*ret = v;
	return !r.bad;
}

bool cv_scope_get(const cv_rec *c, cv_scope *ret)
{
	reader r = body(c);
	cv_scope v = {.parent = rd_u32(&r)};
	v.end = rd_u32(&r);
	if (c->kind == S_THUNK32) {
		rd_skip(&r, 4); /* next */
		v.off = rd_u32(&r);
		v.seg = rd_u16(&r);
		v.size = rd_u16(&r);
		rd_skip(&r, 1); /* ordinal */
	} else if (c->kind == S_BLOCK32) {
		v.size = rd_u32(&r);
		v.off = rd_u32(&r);
		v.seg = rd_u16(&r);
	} else {
		return false;
	}
	v.name = rd_cstr(&r);
	if (!r.bad)
		*ret = v;
	return !r.bad;
}

bool cv_rel_get(const cv_rec *c, cv_rel *ret)
{
	reader r = body(c);
	cv_rel v = {0};
	switch (c->kind) {
	case S_REGREL32:
		v.off = (int32_t)rd_u32(&r);
		v.type = rd_u32(&r);
		v.reg = rd_u16(&r);
		break;
	case S_REGREL32_INDIR: /* llvm/lib/DebugInfo/CodeView/SymbolRecordMapping.cpp */
		v.off = (int32_t)rd_u32(&r);
		v.type = rd_u32(&r);
		v.inner = (int32_t)rd_u32(&r);
		v.reg = rd_u16(&r);
		break;
	case S_BPREL32:
		v.off = (int32_t)rd_u32(&r);
		v.type = rd_u32(&r);
		break;
	case S_REGISTER:
		v.type = rd_u32(&r);
		v.reg = rd_u16(&r);
		break;
	default:
		return false;
	}
	v.name = rd_cstr(&r);
	if (!r.bad)
		*ret = v;
	return !r.bad;
}

bool cv_local_get(const cv_rec *c, cv_local *ret)
{
	reader r = body(c);
	cv_local v = {.type = rd_u32(&r)};
	if (c->kind == S_FILESTATIC)
		rd_skip(&r, 4); /* name of the module's file */
	else if (c->kind != S_LOCAL)
		return false;
	v.flags = rd_u16(&r);
	v.name = rd_cstr(&r);
	if (!r.bad)
		*ret = v;
	return !r.bad;
}

bool cv_range_get(const cv_rec *c, cv_range *ret)
{
	reader r = body(c);
	cv_range v = {0};
	uint32_t w;
	switch (c->kind) {
	case S_DEFRANGE:
		v.where = CV_PROGRAM;
		rd_skip(&r, 4);
		break;
	case S_DEFRANGE_SUBFIELD:
		v.where = CV_PROGRAM;
		rd_skip(&r, 4);
		v.part = true;
		v.part_off = rd_u32(&r);
		break;
	case S_DEFRANGE_REGISTER:
		v.where = CV_REG;
		v.reg = rd_u16(&r);
		v.optional = rd_u16(&r) & 1;
		break;
	case S_DEFRANGE_SUBFIELD_REGISTER:
		v.where = CV_REG;
		v.reg = rd_u16(&r);
		v.optional = rd_u16(&r) & 1;
		v.part = true;
		v.part_off = rd_u32(&r) & 0xfff;
		break;
	case S_DEFRANGE_FRAMEPOINTER_REL:
		v.where = CV_FRAME;
		v.off = (int32_t)rd_u32(&r);
		break;
	case S_DEFRANGE_FRAMEPOINTER_REL_FULL_SCOPE:
		v.where = CV_FRAME;
		v.off = (int32_t)rd_u32(&r);
		v.full_scope = true;
		break;
	case S_DEFRANGE_REGISTER_REL:
		v.where = CV_REGREL;
		v.reg = rd_u16(&r);
		w = rd_u16(&r); /* bit 0: spilled member of a structure; 4..15: its offset */
		v.part = w & 1;
		v.part_off = w >> 4;
		v.off = (int32_t)rd_u32(&r);
		break;
	case S_DEFRANGE_REGISTER_REL_INDIR: /* what a by-value structure of Win64 is behind */
		v.where = CV_INDIR;
		v.reg = rd_u16(&r);
		w = rd_u16(&r);
		v.part = w & 1;
		v.part_off = w >> 4;
		v.off = (int32_t)rd_u32(&r);
		v.inner = (int32_t)rd_u32(&r);
		break;
	default:
		return false;
	}
	if (!v.full_scope) {
		v.begin = rd_u32(&r);
		v.seg = rd_u16(&r);
		v.len = rd_u16(&r);
		v.gaps = rd_of(r.p + r.pos, rd_left(&r));
	}
	if (!r.bad)
		*ret = v;
	return !r.bad;
}

bool cv_frameproc_get(const cv_rec *c, cv_frameproc *ret)
{
	if (c->kind != S_FRAMEPROC)
		return false;
	reader r = body(c);
	cv_frameproc v = {.size = rd_u32(&r)};
	rd_skip(&r, 8); /* padding and its offset */
	v.save_size = rd_u32(&r);
	rd_skip(&r, 6); /* handler */
	v.flags = rd_u32(&r);
	if (!r.bad)
		*ret = v;
	return !r.bad;
}

uint16_t cv_frame_reg(uint32_t flags, bool param, uint16_t machine)
{
	/* Two bits each: 14-15 for locals, 16-17 for parameters. */
	static const uint16_t amd64[4] = {0, CV_AMD64_RSP, CV_AMD64_RBP, CV_AMD64_R13};
	static const uint16_t x86[4] = {0, CV_REG_VFRAME, CV_X86_EBP, CV_X86_EBX};
	static const uint16_t arm64[4] = {0, CV_ARM64_SP, CV_ARM64_FP, CV_ARM64_X19};
	uint32_t i = flags >> (param ? 16 : 14) & 3;
	return machine == M_AMD64 ? amd64[i] : machine == M_ARM64 ? arm64[i] : x86[i];
}

bool cv_inline_get(const cv_rec *c, cv_inline *ret)
{
	if (c->kind != S_INLINESITE && c->kind != S_INLINESITE2)
		return false;
	reader r = body(c);
	cv_inline v = {.parent = rd_u32(&r)};
	v.end = rd_u32(&r);
	v.inlinee = rd_u32(&r);
	if (c->kind == S_INLINESITE2)
		rd_skip(&r, 4); /* invocations */
	if (r.bad)
		return false;
	v.notes = rd_of(r.p + r.pos, rd_left(&r));
	*ret = v;
	return true;
}

/* Offset of the name in the kinds where it has a fixed place; 0: not one of them. */
static size_t name_offset(uint16_t kind)
{
	if (cv_is_proc(kind))
		return 35;
	if (cv_is_data(kind) || cv_is_thread(kind) || kind == S_PUB32 || cv_is_ref(kind))
		return 10;
	switch (kind) {
	case S_REGREL32:
		return 10;
	case S_REGREL32_INDIR:
		return 14;
	case S_BPREL32:
		return 8;
	case S_REGISTER:
	case S_LOCAL:
		return 6;
	case S_FILESTATIC:
		return 10;
	case S_UDT:
	case S_COBOLUDT:
	case S_OBJNAME:
		return 4;
	case S_LABEL32:
		return 7;
	case S_BLOCK32:
		return 18;
	case S_THUNK32:
		return 21;
	default:
		return 0;
	}
}

bool cv_name(const cv_rec *c, str *ret)
{
	size_t at = name_offset(c->kind);
	if (!at) {
		cv_const k;
		if (!cv_const_get(c, &k))
			return false;
		*ret = k.name;
		return true;
	}
	if (at >= c->n)
		return false;
	const uint8_t *end = memchr(c->p + at, 0, c->n - at);
	if (!end)
		return false;
	*ret = (str){(const char *)c->p + at, (size_t)(end - c->p - at)};
	return true;
}

/* ---- binary annotations ---- */

/* CVUncompressData of cvinfo.h: one, two or four bytes, told by the top bits. */
static uint32_t note_u(reader *r)
{
	uint8_t b = rd_u8(r);
	if (!(b & 0x80))
		return b;
	if (!(b & 0x40))
		return (uint32_t)(b & 0x3f) << 8 | rd_u8(r);
	if (b & 0x20) {
		r->bad = true;
		return 0;
	}
	uint32_t v = (uint32_t)(b & 0x1f) << 24;
	v |= (uint32_t)rd_u8(r) << 16;
	v |= (uint32_t)rd_u8(r) << 8;
	return v | rd_u8(r);
}

static int32_t note_s(uint32_t v)
{
	return v & 1 ? -(int32_t)(v >> 1) : (int32_t)(v >> 1);
}

bool cv_note_next(reader *r, cv_note *ret)
{
	if (!rd_left(r))
		return false;
	cv_note n = {.op = note_u(r)};
	if (r->bad || n.op < CV_BA_CODE_OFFSET || n.op > CV_BA_COLUMN_END)
		return false; /* 0 pads the record */
	n.a = note_u(r);
	switch (n.op) {
	case CV_BA_LINE:
	case CV_BA_COLUMN_END_DELTA:
		n.s = note_s(n.a);
		break;
	case CV_BA_CODE_AND_LINE: /* low nibble: code delta; the rest: line delta */
		n.s = note_s(n.a >> 4);
		n.a &= 0xf;
		break;
	case CV_BA_LENGTH_AND_CODE:
		n.b = note_u(r);
		break;
	default:
		break;
	}
	if (!r->bad)
		*ret = n;
	return !r->bad;
}

/* ---- registers ---- */

typedef struct regname {
	uint16_t reg;
	char name[6];
} regname;

static const regname regs64[] = {
#define CV_REG64(value, name) {value, name},
#include "fmt/codeview.def"
};
static const regname regs32[] = {
#define CV_REG32(value, name) {value, name},
#include "fmt/codeview.def"
};
static const regname regsa64[] = {
#define CV_REGA64(value, name) {value, name},
#include "fmt/codeview.def"
};
static const char arm_x[29][4] = {"x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10",
	"x11", "x12", "x13", "x14", "x15", "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23",
	"x24", "x25", "x26", "x27", "x28"};
static const char arm_w[31][4] = {"w0", "w1", "w2", "w3", "w4", "w5", "w6", "w7", "w8", "w9", "w10",
	"w11", "w12", "w13", "w14", "w15", "w16", "w17", "w18", "w19", "w20", "w21", "w22", "w23",
	"w24", "w25", "w26", "w27", "w28", "w29", "w30"};

/* S (single), D (double), Q (128 bits): 32 each, from 100, 140 and 180. */
static const char arm_f[3][32][4] = {
	{"s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "s12", "s13",
		"s14", "s15", "s16", "s17", "s18", "s19", "s20", "s21", "s22", "s23", "s24", "s25",
		"s26", "s27", "s28", "s29", "s30", "s31"},
	{"d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8", "d9", "d10", "d11", "d12", "d13",
		"d14", "d15", "d16", "d17", "d18", "d19", "d20", "d21", "d22", "d23", "d24", "d25",
		"d26", "d27", "d28", "d29", "d30", "d31"},
	{"q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7", "q8", "q9", "q10", "q11", "q12", "q13",
		"q14", "q15", "q16", "q17", "q18", "q19", "q20", "q21", "q22", "q23", "q24", "q25",
		"q26", "q27", "q28", "q29", "q30", "q31"},
};

const char *cv_reg_name(uint16_t reg, uint16_t machine)
{
	const regname *t = regs32;
	size_t n = ARRAY_LEN(regs32);
	if (machine == M_AMD64) {
		t = regs64;
		n = ARRAY_LEN(regs64);
	} else if (machine == M_ARM64) {
		if (reg >= 50 && reg < 79)
			return arm_x[reg - 50];
		if (reg >= 10 && reg < 41)
			return arm_w[reg - 10];
		if (reg >= 100 && reg < 220 && (reg - 100) % 40 < 32)
			return arm_f[(reg - 100) / 40][(reg - 100) % 40];
		t = regsa64;
		n = ARRAY_LEN(regsa64);
	} else if (machine != M_I386) {
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		if (t[i].reg == reg)
			return t[i].name;
	return reg == CV_REG_VFRAME && machine == M_I386 ? "vframe" : NULL;
}
