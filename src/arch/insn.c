/*
 * Instructions: what a stepping or disassembling debugger must know of one, decoded by Zydis.
 * Refuses to know memory and symbols. The text of an instruction is format.c's business.
 *
 * Invariant: an x64_insn carries its bytes, so everything else about it can be found again.
 */
#include "arch/zinsn.h"

err zinsn_decode(const uint8_t *p, size_t n, zinsn *ret)
{
	ZydisDecoder d;
	if (!ZYAN_SUCCESS(ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)))
		return ERR_UNSUPPORTED;
	if (n > X64_INSN_MAX)
		n = X64_INSN_MAX;
	ZyanStatus s =
		n ? ZydisDecoderDecodeFull(&d, p, n, &ret->i, ret->op) : ZYDIS_STATUS_NO_MORE_DATA;
	if (s == ZYDIS_STATUS_NO_MORE_DATA)
		return n < X64_INSN_MAX ? ERR_FAULT : ERR_CORRUPT;
	return ZYAN_SUCCESS(s) ? ERR_OK : ERR_CORRUPT;
}

/* The memory operand that the instruction names itself (lea's address included), or NULL. */
static const ZydisDecodedOperand *zinsn_mem(const zinsn *z)
{
	for (int i = 0; i < z->i.operand_count_visible; i++)
		if (z->op[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
			return &z->op[i];
	return NULL;
}

int zinsn_gpr(ZydisRegister reg)
{
	switch (ZydisRegisterGetClass(reg)) {
	case ZYDIS_REGCLASS_GPR8:
		/* al cl dl bl ah ch dh bh spl bpl sil dil r8b.. in Zydis' order */
		if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH)
			return reg - ZYDIS_REGISTER_AH;
		if (reg >= ZYDIS_REGISTER_SPL)
			return reg - ZYDIS_REGISTER_SPL + 4;
		return reg - ZYDIS_REGISTER_AL;
	case ZYDIS_REGCLASS_GPR16:
	case ZYDIS_REGCLASS_GPR32:
	case ZYDIS_REGCLASS_GPR64:
		return ZydisRegisterGetId(reg);
	default:
		return -1;
	}
}

static bool is_rip(ZydisRegister reg)
{
	return reg == ZYDIS_REGISTER_RIP || reg == ZYDIS_REGISTER_EIP;
}

/* The value of an address part, 0 for none (-1); false if r cannot tell. */
static bool gpr_part(const x64_regs *r, int g, uint64_t *ret)
{
	*ret = g < 0 ? 0 : r->gpr[g];
	return g < 0 || r->valid & (g == X64_RSP ? X64_SET_CONTROL : X64_SET_INTEGER);
}

static bool part(const x64_regs *r, ZydisRegister reg, uint64_t *ret)
{
	int g = zinsn_gpr(reg);
	return (g >= 0 || reg == ZYDIS_REGISTER_NONE) && gpr_part(r, g, ret);
}

bool zinsn_ea(const zinsn *z, const ZydisDecodedOperand *op, uint64_t addr, const x64_regs *r,
	uint64_t *ret)
{
	const ZydisDecodedOperandMem *m = &op->mem;
	uint64_t base, index, ea;
	if (m->segment == ZYDIS_REGISTER_FS || m->segment == ZYDIS_REGISTER_GS)
		return false;
	if (is_rip(m->base)) {
		base = addr + z->i.length;
		index = 0;
	} else if (!part(r, m->base, &base) || !part(r, m->index, &index)) {
		return false;
	}
	ea = base + index * m->scale + (uint64_t)m->disp.value;
	*ret = z->i.address_width == 32 ? (uint32_t)ea : ea;
	return true;
}

static x64_flow flow_of(const zinsn *z)
{
	switch (z->i.mnemonic) {
	case ZYDIS_MNEMONIC_INT:
	case ZYDIS_MNEMONIC_SYSCALL:
	case ZYDIS_MNEMONIC_SYSENTER:
	case ZYDIS_MNEMONIC_VMCALL:
		/* int 29h (fast fail) and int 2ch, 2dh (assertions, debug service) stop as int 3
		 * does. */
		if (z->i.mnemonic == ZYDIS_MNEMONIC_INT && z->op[0].imm.value.u >= 0x29 &&
			z->op[0].imm.value.u <= 0x2d && z->op[0].imm.value.u != 0x2a)
			return X64_FLOW_BREAK;
		return X64_FLOW_SYSCALL;
	case ZYDIS_MNEMONIC_IRET:
	case ZYDIS_MNEMONIC_IRETD:
	case ZYDIS_MNEMONIC_IRETQ:
	case ZYDIS_MNEMONIC_SYSRET:
	case ZYDIS_MNEMONIC_SYSEXIT:
		return X64_FLOW_SYSRET;
	case ZYDIS_MNEMONIC_INT3:
	case ZYDIS_MNEMONIC_INT1:
	case ZYDIS_MNEMONIC_UD0:
	case ZYDIS_MNEMONIC_UD1:
	case ZYDIS_MNEMONIC_UD2:
	case ZYDIS_MNEMONIC_HLT:
		return X64_FLOW_BREAK;
	default:
		break;
	}
	switch (z->i.meta.category) {
	case ZYDIS_CATEGORY_CALL:
		return X64_FLOW_CALL;
	case ZYDIS_CATEGORY_RET:
		return X64_FLOW_RET;
	case ZYDIS_CATEGORY_UNCOND_BR:
		return X64_FLOW_JMP;
	case ZYDIS_CATEGORY_COND_BR:
		return X64_FLOW_COND;
	default:
		return X64_FLOW_NEXT;
	}
}

static bool has_rep(const zinsn *z)
{
	const uint64_t rep = ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE;
	bool is_string;
	(void)zinsn_name(z, &is_string);
	return is_string && z->i.attributes & rep;
}

/* So that whoever shows an operand again and again need not decode again. */
static void fill_ea(x64_insn *in, const zinsn *z, const ZydisDecodedOperandMem *m)
{
	int base = zinsn_gpr(m->base), index = zinsn_gpr(m->index);
	bool rip = is_rip(m->base);
	in->ea_plain = z->i.address_width == 64 && m->segment != ZYDIS_REGISTER_FS &&
		       m->segment != ZYDIS_REGISTER_GS &&
		       (rip || base >= 0 || m->base == ZYDIS_REGISTER_NONE) &&
		       (index >= 0 || m->index == ZYDIS_REGISTER_NONE);
	in->ea_base = (int8_t)base;
	in->ea_index = (int8_t)index;
	in->ea_scale = m->scale;
	in->ea_disp = rip ? in->rip_target : (uint64_t)m->disp.value;
}

static void fill_mem(x64_insn *in, const zinsn *z)
{
	const ZydisDecodedOperand *m = zinsn_mem(z);
	if (!m)
		return;
	if (is_rip(m->mem.base)) {
		in->rip_relative = true;
		in->rip_target = in->addr + in->len + (uint64_t)m->mem.disp.value;
		if (z->i.address_width == 32)
			in->rip_target = (uint32_t)in->rip_target;
	}
	/* lea, and the operand of a long nop, name an address without touching it. */
	if (m->mem.type == ZYDIS_MEMOP_TYPE_AGEN || z->i.mnemonic == ZYDIS_MNEMONIC_NOP)
		return;
	in->has_mem = true;
	in->mem_stack = zinsn_gpr(m->mem.base) == X64_RSP || zinsn_gpr(m->mem.base) == X64_RBP;
	in->mem_size = (uint8_t)(m->size / 8 > UINT8_MAX ? UINT8_MAX : m->size / 8);
	in->mem_write = m->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
	fill_ea(in, z, &m->mem);
}

err x64_decode(const uint8_t *p, size_t n, uint64_t addr, x64_insn *ret)
{
	zinsn z;
	x64_insn in = {.addr = addr};
	TRY(zinsn_decode(p, n, &z));
	in.len = z.i.length;
	memcpy(in.bytes, p, in.len);
	in.flow = flow_of(&z);
	in.rep = has_rep(&z);
	for (int i = 0; i < z.i.operand_count_visible; i++) {
		if (z.op[i].type != ZYDIS_OPERAND_TYPE_IMMEDIATE || !z.op[i].imm.is_relative)
			continue;
		in.has_target = in.flow != X64_FLOW_NEXT;
		in.target = addr + in.len + z.op[i].imm.value.u;
	}
	fill_mem(&in, &z);
	*ret = in;
	return ERR_OK;
}

bool x64_insn_ea(const x64_insn *in, const x64_regs *r, uint64_t *ret)
{
	zinsn z;
	uint64_t base, index;
	if (!in->has_mem)
		return false;
	if (in->ea_plain) {
		if (!gpr_part(r, in->ea_base, &base) || !gpr_part(r, in->ea_index, &index))
			return false;
		*ret = base + index * in->ea_scale + in->ea_disp;
		return true;
	}
	if (zinsn_decode(in->bytes, in->len, &z) != ERR_OK)
		return false;
	return zinsn_ea(&z, zinsn_mem(&z), in->addr, r, ret);
}

static size_t add_reg(ZydisRegister reg, const x64_reg **ret, size_t n, size_t max)
{
	const char *name = ZydisRegisterGetString(reg);
	const x64_reg *r = name ? x64_reg_find(str_of(name)) : NULL;
	for (size_t i = 0; i < n; i++)
		if (ret[i] == r)
			return n;
	if (!r || n == max)
		return n;
	ret[n] = r;
	return n + 1;
}

size_t x64_insn_regs(const x64_insn *in, const x64_reg **ret, size_t max)
{
	zinsn z;
	size_t n = 0;
	if (zinsn_decode(in->bytes, in->len, &z) != ERR_OK)
		return 0;
	for (int i = 0; i < z.i.operand_count_visible; i++) {
		const ZydisDecodedOperand *op = &z.op[i];
		if (op->type == ZYDIS_OPERAND_TYPE_REGISTER) {
			n = add_reg(op->reg.value, ret, n, max);
		} else if (op->type == ZYDIS_OPERAND_TYPE_MEMORY) {
			n = add_reg(op->mem.base, ret, n, max);
			n = add_reg(op->mem.index, ret, n, max);
		}
	}
	return n;
}

/* Intel SDM volume 1, appendix B: the low four bits of the opcode are the condition. */
static bool condition(unsigned cc, uint32_t f)
{
	bool sf = f & X64_FL_SF, of = f & X64_FL_OF, yes = false;
	switch (cc >> 1 & 7) {
	case 0:
		yes = of;
		break;
	case 1:
		yes = f & X64_FL_CF;
		break;
	case 2:
		yes = f & X64_FL_ZF;
		break;
	case 3:
		yes = f & (X64_FL_CF | X64_FL_ZF);
		break;
	case 4:
		yes = sf;
		break;
	case 5:
		yes = f & X64_FL_PF;
		break;
	case 6:
		yes = sf != of;
		break;
	case 7:
		yes = f & X64_FL_ZF || sf != of;
		break;
	}
	return cc & 1 ? !yes : yes;
}

bool x64_cond(unsigned cc, uint32_t eflags)
{
	return condition(cc & 15, eflags);
}

bool x64_taken(const x64_insn *in, const x64_regs *r)
{
	zinsn z;
	if (in->flow != X64_FLOW_COND)
		return in->flow != X64_FLOW_NEXT && in->flow != X64_FLOW_BREAK;
	if (zinsn_decode(in->bytes, in->len, &z) != ERR_OK)
		return false;
	uint64_t rcx = r->gpr[X64_RCX];
	bool wide = z.i.address_width == 64;
	uint64_t left = wide ? rcx - 1 : (uint32_t)(rcx - 1);
	switch (z.i.mnemonic) {
	case ZYDIS_MNEMONIC_JRCXZ:
		return !rcx;
	case ZYDIS_MNEMONIC_JECXZ:
		return !(uint32_t)rcx;
	case ZYDIS_MNEMONIC_LOOP:
		return left;
	case ZYDIS_MNEMONIC_LOOPE:
		return left && r->eflags & X64_FL_ZF;
	case ZYDIS_MNEMONIC_LOOPNE:
		return left && !(r->eflags & X64_FL_ZF);
	default:
		return condition(z.i.opcode & 15, r->eflags);
	}
}
