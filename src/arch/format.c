/*
 * The text of an instruction, as WinDbg prints it: MASM with a blank-padded mnemonic, numbers in
 * upper-case hexadecimal with h behind them, symbols in front of their address. Refuses to know
 * where symbols come from.
 */
#include "arch/zinsn.h"

#include <stdio.h>

enum { MNEMONIC_WIDTH = 8, BYTES_WIDTH = 16 };

/* Where WinDbg's mnemonic is another than Zydis'. */
static const struct {
	ZydisMnemonic m;
	const char *name;
} names[] = {
	{ZYDIS_MNEMONIC_JZ, "je"},
	{ZYDIS_MNEMONIC_JNZ, "jne"},
	{ZYDIS_MNEMONIC_JNB, "jae"},
	{ZYDIS_MNEMONIC_JNBE, "ja"},
	{ZYDIS_MNEMONIC_JNL, "jge"},
	{ZYDIS_MNEMONIC_JNLE, "jg"},
	{ZYDIS_MNEMONIC_SETZ, "sete"},
	{ZYDIS_MNEMONIC_SETNZ, "setne"},
	{ZYDIS_MNEMONIC_SETNB, "setae"},
	{ZYDIS_MNEMONIC_SETNBE, "seta"},
	{ZYDIS_MNEMONIC_SETNL, "setge"},
	{ZYDIS_MNEMONIC_SETNLE, "setg"},
	{ZYDIS_MNEMONIC_CMOVZ, "cmove"},
	{ZYDIS_MNEMONIC_CMOVNZ, "cmovne"},
	{ZYDIS_MNEMONIC_CMOVNB, "cmovae"},
	{ZYDIS_MNEMONIC_CMOVNBE, "cmova"},
	{ZYDIS_MNEMONIC_CMOVNL, "cmovge"},
	{ZYDIS_MNEMONIC_CMOVNLE, "cmovg"},
	{ZYDIS_MNEMONIC_FWAIT, "wait"},
	{ZYDIS_MNEMONIC_INT3, "int"},
	{ZYDIS_MNEMONIC_INT1, "int"},
	{ZYDIS_MNEMONIC_INSB, "ins"},
	{ZYDIS_MNEMONIC_INSW, "ins"},
	{ZYDIS_MNEMONIC_INSD, "ins"},
	{ZYDIS_MNEMONIC_OUTSB, "outs"},
	{ZYDIS_MNEMONIC_OUTSW, "outs"},
	{ZYDIS_MNEMONIC_OUTSD, "outs"},
	{ZYDIS_MNEMONIC_MOVSB, "movs"},
	{ZYDIS_MNEMONIC_MOVSW, "movs"},
	{ZYDIS_MNEMONIC_MOVSQ, "movs"},
	{ZYDIS_MNEMONIC_CMPSB, "cmps"},
	{ZYDIS_MNEMONIC_CMPSW, "cmps"},
	{ZYDIS_MNEMONIC_CMPSQ, "cmps"},
	{ZYDIS_MNEMONIC_STOSB, "stos"},
	{ZYDIS_MNEMONIC_STOSW, "stos"},
	{ZYDIS_MNEMONIC_STOSD, "stos"},
	{ZYDIS_MNEMONIC_STOSQ, "stos"},
	{ZYDIS_MNEMONIC_LODSB, "lods"},
	{ZYDIS_MNEMONIC_LODSW, "lods"},
	{ZYDIS_MNEMONIC_LODSD, "lods"},
	{ZYDIS_MNEMONIC_LODSQ, "lods"},
	{ZYDIS_MNEMONIC_SCASB, "scas"},
	{ZYDIS_MNEMONIC_SCASW, "scas"},
	{ZYDIS_MNEMONIC_SCASD, "scas"},
	{ZYDIS_MNEMONIC_SCASQ, "scas"},
};

const char *zinsn_name(const zinsn *z, bool *is_string)
{
	const char *name = NULL;
	ZydisMnemonic m = z->i.mnemonic;
	*is_string = z->i.meta.category == ZYDIS_CATEGORY_STRINGOP ||
		     z->i.meta.category == ZYDIS_CATEGORY_IOSTRINGOP;
	/* movsd and cmpsd are SSE instructions as well. */
	if (*is_string && m == ZYDIS_MNEMONIC_MOVSD)
		return "movs";
	if (*is_string && m == ZYDIS_MNEMONIC_CMPSD)
		return "cmps";
	if (m == ZYDIS_MNEMONIC_RET && z->i.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
		return "retf";
	/* 66 90: the two-byte nop */
	if (m == ZYDIS_MNEMONIC_NOP && z->i.opcode == 0x90 && z->i.operand_width == 16)
		return "xchg";
	if (m == ZYDIS_MNEMONIC_SYSRET && z->i.operand_width == 64)
		return "sysretq";
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (names[i].m == m)
			name = names[i].name;
	if (!name)
		name = ZydisMnemonicGetString(m);
	return name ? name : "???";
}

static void add_number(buf *out, uint64_t v)
{
	char digits[20];
	if (v < 10) {
		buf_addf(out, "%u", (unsigned)v);
		return;
	}
	snprintf(digits, sizeof digits, "%llX", (unsigned long long)v);
	buf_addf(out, "%s%sh", digits[0] >= 'A' ? "0" : "", digits);
}

static void add_addr(buf *out, const x64_names *n, uint64_t addr)
{
	if (n && n->name && n->name(n->u, addr, out))
		return;
	buf_addf(out, "%08x`%08x", (unsigned)(addr >> 32), (unsigned)addr);
}

static void add_reg(buf *out, ZydisRegister reg)
{
	const char *z = ZydisRegisterGetString(reg);
	if (reg >= ZYDIS_REGISTER_ST0 && reg <= ZYDIS_REGISTER_ST7)
		buf_addf(out, "st(%d)", reg - ZYDIS_REGISTER_ST0);
	else
		buf_addz(out, z ? z : "???");
}

static bool vector_insn(const zinsn *z)
{
	for (int i = 0; i < z->i.operand_count_visible; i++) {
		if (z->op[i].type != ZYDIS_OPERAND_TYPE_REGISTER)
			continue;
		ZydisRegisterClass c = ZydisRegisterGetClass(z->op[i].reg.value);
		if (c == ZYDIS_REGCLASS_MMX || c == ZYDIS_REGCLASS_XMM || c == ZYDIS_REGCLASS_YMM ||
			c == ZYDIS_REGCLASS_ZMM)
			return true;
	}
	return false;
}

static const char *size_name(const zinsn *z, unsigned bits)
{
	switch (bits) {
	case 8:
		return "byte ptr ";
	case 16:
		return "word ptr ";
	case 32:
		return "dword ptr ";
	case 48:
		return "fword ptr ";
	case 64:
		return vector_insn(z) ? "mmword ptr " : "qword ptr ";
	case 80:
		/* The descriptor-table registers' operand has ten bytes too, but no type of its
		 * own. */
		return z->i.meta.category == ZYDIS_CATEGORY_X87_ALU ? "tbyte ptr " : "";
	case 128:
		return z->i.mnemonic == ZYDIS_MNEMONIC_CMPXCHG16B ? "oword ptr " : "xmmword ptr ";
	case 256:
		return "ymmword ptr ";
	case 512:
		return vector_insn(z) ? "zmmword ptr " : "";
	default:
		return "";
	}
}

/* Operands that only name a place: no size in front of them. */
static bool untyped(const zinsn *z, const ZydisDecodedOperand *op)
{
	if (op->mem.type == ZYDIS_MEMOP_TYPE_AGEN)
		return z->i.mnemonic != ZYDIS_MNEMONIC_NOP;
	switch (z->i.mnemonic) {
	case ZYDIS_MNEMONIC_INVLPG:
	case ZYDIS_MNEMONIC_CLFLUSH:
	case ZYDIS_MNEMONIC_CLFLUSHOPT:
	case ZYDIS_MNEMONIC_CLWB:
	case ZYDIS_MNEMONIC_PREFETCH:
	case ZYDIS_MNEMONIC_PREFETCHW:
	case ZYDIS_MNEMONIC_PREFETCHNTA:
	case ZYDIS_MNEMONIC_PREFETCHT0:
	case ZYDIS_MNEMONIC_PREFETCHT1:
	case ZYDIS_MNEMONIC_PREFETCHT2:
	case ZYDIS_MNEMONIC_LGDT:
	case ZYDIS_MNEMONIC_LIDT:
	case ZYDIS_MNEMONIC_SGDT:
	case ZYDIS_MNEMONIC_SIDT:
		return true;
	default:
		return false;
	}
}

static void add_disp(buf *out, bool first, int64_t disp)
{
	if (!disp && !first)
		return;
	if (first) {
		add_number(out, (uint64_t)disp);
	} else {
		buf_addc(out, disp < 0 ? '-' : '+');
		add_number(out, disp < 0 ? 0 - (uint64_t)disp : (uint64_t)disp);
	}
}

static void add_mem(buf *out, const zinsn *z, const ZydisDecodedOperand *op, const x64_insn *in,
	const x64_names *n)
{
	const ZydisDecodedOperandMem *m = &op->mem;
	bool fs = m->segment == ZYDIS_REGISTER_FS, gs = m->segment == ZYDIS_REGISTER_GS;
	bool first = true;
	if (!untyped(z, op)) {
		unsigned bits = op->size;
		/* a long nop's operand has the operand size, but Zydis gives none */
		if (!bits)
			bits = z->i.operand_width;
		buf_addz(out, size_name(z, bits));
	}
	if (fs || gs)
		buf_addz(out, fs ? "fs:" : "gs:");
	buf_addc(out, '[');
	if (m->base == ZYDIS_REGISTER_RIP || m->base == ZYDIS_REGISTER_EIP) {
		uint64_t to = in->addr + in->len + (uint64_t)m->disp.value;
		add_addr(out, n, m->base == ZYDIS_REGISTER_EIP ? (uint32_t)to : to);
		buf_addc(out, ']');
		return;
	}
	if (m->base != ZYDIS_REGISTER_NONE) {
		add_reg(out, m->base);
		first = false;
	}
	if (m->index != ZYDIS_REGISTER_NONE) {
		if (!first)
			buf_addc(out, '+');
		add_reg(out, m->index);
		if (m->scale > 1)
			buf_addf(out, "*%u", m->scale);
		first = false;
	}
	if (first && !fs && !gs)
		add_addr(out, n, (uint64_t)m->disp.value);
	else
		add_disp(out, first, m->disp.value);
	buf_addc(out, ']');
}

static void add_imm(buf *out, const zinsn *z, const ZydisDecodedOperand *op, const x64_insn *in,
	const x64_names *n)
{
	uint64_t v = op->imm.value.u;
	if (op->imm.is_relative) {
		add_addr(out, n, in->addr + in->len + v);
		return;
	}
	/* Only a full 64-bit immediate can be an address of 64-bit code. */
	if (z->i.raw.imm[0].size == 64 && n && n->name) {
		size_t at = out->n;
		buf_addz(out, "offset ");
		if (n->name(n->u, v, out))
			return;
		out->n = at;
	}
	/* A sign-extended immediate is as wide as the operand it meets. */
	unsigned width = z->i.mnemonic == ZYDIS_MNEMONIC_PUSH ? 64 : z->op[0].size;
	if (op->imm.is_signed && width && width < 64)
		v &= (1ull << width) - 1;
	else if (!op->imm.is_signed && op->size && op->size < 64)
		v &= (1ull << op->size) - 1;
	add_number(out, v);
}

static void add_operand(buf *out, const zinsn *z, const ZydisDecodedOperand *op, const x64_insn *in,
	const x64_names *n)
{
	switch (op->type) {
	case ZYDIS_OPERAND_TYPE_REGISTER:
		add_reg(out, op->reg.value);
		break;
	case ZYDIS_OPERAND_TYPE_MEMORY:
		add_mem(out, z, op, in, n);
		break;
	case ZYDIS_OPERAND_TYPE_POINTER:
		buf_addf(out, "%04X:%08X", op->ptr.segment, op->ptr.offset);
		break;
	case ZYDIS_OPERAND_TYPE_IMMEDIATE:
		add_imm(out, z, op, in, n);
		break;
	default:
		break;
	}
}

/* movs, cmps, ins and the rest: the operands are implied, and WinDbg prints them. */
static void add_string_operands(buf *out, const zinsn *z, const char *name)
{
	bool narrow = z->i.address_width == 32;
	const char *di = narrow ? "[edi]" : "[rdi]", *si = narrow ? "[esi]" : "[rsi]";
	const char *seg = "";
	unsigned bits = 8;
	for (int i = 0; i < z->i.operand_count; i++)
		if (z->op[i].type == ZYDIS_OPERAND_TYPE_MEMORY) {
			bits = z->op[i].size;
			if (z->op[i].mem.segment == ZYDIS_REGISTER_FS)
				seg = "fs:";
			if (z->op[i].mem.segment == ZYDIS_REGISTER_GS)
				seg = "gs:";
		}
	const char *size = size_name(z, bits);
	if (!strcmp(name, "movs"))
		buf_addf(out, "%s%s,%s%s%s", size, di, size, seg, si);
	else if (!strcmp(name, "cmps"))
		buf_addf(out, "%s%s%s,%s%s", size, seg, si, size, di);
	else if (!strcmp(name, "ins"))
		buf_addf(out, "%s%s,dx", size, di);
	else if (!strcmp(name, "outs"))
		buf_addf(out, "dx,%s%s%s", size, seg, si);
	else if (!strcmp(name, "lods"))
		buf_addf(out, "%s%s%s", size, seg, si);
	else
		buf_addf(out, "%s%s", size, di);
}

static void add_prefixes(buf *out, const zinsn *z)
{
	static const struct {
		uint64_t attribute;
		const char *text;
	} prefixes[] = {
		{ZYDIS_ATTRIB_HAS_XACQUIRE, "xacquire "},
		{ZYDIS_ATTRIB_HAS_XRELEASE, "xrelease "},
		{ZYDIS_ATTRIB_HAS_LOCK, "lock "},
		{ZYDIS_ATTRIB_HAS_BND, "bnd "},
		{ZYDIS_ATTRIB_HAS_NOTRACK, "notrack "},
		{ZYDIS_ATTRIB_HAS_REP, "rep "},
		{ZYDIS_ATTRIB_HAS_REPE, "repe "},
		{ZYDIS_ATTRIB_HAS_REPNE, "repne "},
	};
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
		if (z->i.attributes & prefixes[i].attribute)
			buf_addz(out, prefixes[i].text);
	/* f3 c3, the old return for branch predictors: a prefix without meaning that WinDbg shows.
	 */
	if (z->i.mnemonic == ZYDIS_MNEMONIC_RET && z->i.raw.prefix_count &&
		z->i.raw.prefixes[0].value == 0xf3)
		buf_addz(out, "rep ");
}

static void add_mask(buf *out, const zinsn *z)
{
	const ZydisRegister k = z->i.avx.mask.reg;
	if (z->i.encoding != ZYDIS_INSTRUCTION_ENCODING_EVEX || k == ZYDIS_REGISTER_NONE ||
		k == ZYDIS_REGISTER_K0)
		return;
	buf_addc(out, '{');
	add_reg(out, k);
	buf_addc(out, '}');
	if (z->i.avx.mask.mode == ZYDIS_MASK_MODE_ZEROING ||
		z->i.avx.mask.mode == ZYDIS_MASK_MODE_CONTROL_ZEROING)
		buf_addz(out, "{z}");
}

/* WinDbg names the register first where the processor does not care. */
static bool swapped(const zinsn *z)
{
	return z->i.mnemonic == ZYDIS_MNEMONIC_XCHG && z->op[0].type == ZYDIS_OPERAND_TYPE_MEMORY;
}

static void add_operands(buf *out, const zinsn *z, const x64_insn *in, const x64_names *n)
{
	bool swap = swapped(z), any = false;
	for (int i = 0; i < z->i.operand_count_visible; i++) {
		const ZydisDecodedOperand *op = &z->op[swap && i < 2 ? 1 - i : i];
		/* The mask register of an EVEX instruction is printed with the first operand. */
		if (op->encoding == ZYDIS_OPERAND_ENCODING_MASK)
			continue;
		/* The reg field of a long nop means nothing. */
		if (z->i.mnemonic == ZYDIS_MNEMONIC_NOP && op->type == ZYDIS_OPERAND_TYPE_REGISTER)
			continue;
		if (any)
			buf_addc(out, ',');
		add_operand(out, z, op, in, n);
		if (!any)
			add_mask(out, z);
		any = true;
	}
}

void x64_format(const x64_insn *in, const x64_names *n, buf *out)
{
	zinsn z;
	bool is_string;
	size_t start = out->n;
	if (zinsn_decode(in->bytes, in->len, &z) != ERR_OK) {
		buf_addz(out, "???");
		return;
	}
	const char *name = zinsn_name(&z, &is_string);
	add_prefixes(out, &z);
	buf_addz(out, name);
	size_t bare = out->n;
	do
		buf_addc(out, ' ');
	while (out->n - start < MNEMONIC_WIDTH && !out->toobig);
	size_t operands = out->n;
	if (z.i.mnemonic == ZYDIS_MNEMONIC_INT3)
		buf_addc(out, '3');
	else if (z.i.mnemonic == ZYDIS_MNEMONIC_INT1)
		buf_addc(out, '1');
	else if (z.i.mnemonic == ZYDIS_MNEMONIC_XLAT)
		buf_addz(out, "byte ptr [rbx]");
	else if (!strcmp(name, "xchg") && z.i.mnemonic == ZYDIS_MNEMONIC_NOP)
		buf_addz(out, "ax,ax");
	else if (is_string)
		add_string_operands(out, &z, name);
	else
		add_operands(out, &z, in, n);
	if (out->n == operands)
		out->n = bare;
}

/* Where many bytes have pushed the mnemonic to the right its padding shrinks by as much. */
static void take_up_slack(buf *out, size_t mnemonic, size_t over)
{
	size_t blank = mnemonic, end;
	while (blank < out->n && out->p[blank] != ' ')
		blank++;
	for (end = blank; end < out->n && out->p[end] == ' '; end++)
		;
	if (end == out->n || end - blank < 2)
		return;
	size_t cut = end - blank - 1 < over ? end - blank - 1 : over;
	memmove(out->p + blank, out->p + blank + cut, out->n - blank - cut);
	out->n -= cut;
}

void x64_format_line(const x64_insn *in, const x64_names *n, buf *out)
{
	size_t width = in->len * 2u;
	for (size_t i = 0; i < in->len; i++) {
		buf_addc(out, "0123456789abcdef"[in->bytes[i] >> 4]);
		buf_addc(out, "0123456789abcdef"[in->bytes[i] & 15]);
	}
	/* At least one blank, however many bytes there are. */
	for (size_t i = width < BYTES_WIDTH ? width : BYTES_WIDTH - 1; i < BYTES_WIDTH; i++)
		buf_addc(out, ' ');
	size_t mnemonic = out->n;
	x64_format(in, n, out);
	if (width > BYTES_WIDTH)
		take_up_slack(out, mnemonic, width - BYTES_WIDTH);
}
