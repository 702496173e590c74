/*
 * Runs one instruction on registers and memory instead of letting the processor do it: what stands
 * under a breakpoint is mostly a push, a mov or a sub, and going over it this way costs no step and
 * lets no other processor slip through. Intel SDM volume 2 says what each does to flags.
 *
 * Refuses to know fs: and gs: (their bases are not in x64_regs), lock prefixes, privileged and
 * vector instructions: those answer ERR_UNSUPPORTED and the caller steps for real.
 *
 * Invariant: registers are changed on a copy and memory last, so that a failure changes nothing.
 */
#include "arch/zinsn.h"

#include "base/reader.h"

typedef enum kind {
	K_NONE,
	K_NOP,
	K_MOV,
	K_MOVSX,
	K_LEA,
	K_ALU, /* add or adc sbb and sub xor cmp test inc dec neg not: see alu */
	K_SHIFT,
	K_BT,
	K_IMUL,
	K_XCHG,
	K_SETCC,
	K_CMOV,
	K_CONVERT, /* cbw cwde cdqe cwd cdq cqo */
	K_PUSH,
	K_POP,
	K_LEAVE,
	K_JMP,
	K_JCC,
	K_CALL,
	K_RET
} kind;

static const struct {
	ZydisMnemonic m;
	kind k;
} kinds[] = {
	{ZYDIS_MNEMONIC_NOP, K_NOP},
	{ZYDIS_MNEMONIC_ENDBR64, K_NOP},
	{ZYDIS_MNEMONIC_PAUSE, K_NOP},
	{ZYDIS_MNEMONIC_MOV, K_MOV},
	{ZYDIS_MNEMONIC_MOVZX, K_MOV},
	{ZYDIS_MNEMONIC_MOVSX, K_MOVSX},
	{ZYDIS_MNEMONIC_MOVSXD, K_MOVSX},
	{ZYDIS_MNEMONIC_LEA, K_LEA},
	{ZYDIS_MNEMONIC_ADD, K_ALU},
	{ZYDIS_MNEMONIC_OR, K_ALU},
	{ZYDIS_MNEMONIC_ADC, K_ALU},
	{ZYDIS_MNEMONIC_SBB, K_ALU},
	{ZYDIS_MNEMONIC_AND, K_ALU},
	{ZYDIS_MNEMONIC_SUB, K_ALU},
	{ZYDIS_MNEMONIC_XOR, K_ALU},
	{ZYDIS_MNEMONIC_CMP, K_ALU},
	{ZYDIS_MNEMONIC_TEST, K_ALU},
	{ZYDIS_MNEMONIC_INC, K_ALU},
	{ZYDIS_MNEMONIC_DEC, K_ALU},
	{ZYDIS_MNEMONIC_NEG, K_ALU},
	{ZYDIS_MNEMONIC_NOT, K_ALU},
	{ZYDIS_MNEMONIC_SHL, K_SHIFT},
	{ZYDIS_MNEMONIC_SHR, K_SHIFT},
	{ZYDIS_MNEMONIC_SAR, K_SHIFT},
	{ZYDIS_MNEMONIC_BT, K_BT},
	{ZYDIS_MNEMONIC_IMUL, K_IMUL},
	{ZYDIS_MNEMONIC_XCHG, K_XCHG},
	{ZYDIS_MNEMONIC_CBW, K_CONVERT},
	{ZYDIS_MNEMONIC_CWDE, K_CONVERT},
	{ZYDIS_MNEMONIC_CDQE, K_CONVERT},
	{ZYDIS_MNEMONIC_CWD, K_CONVERT},
	{ZYDIS_MNEMONIC_CDQ, K_CONVERT},
	{ZYDIS_MNEMONIC_CQO, K_CONVERT},
	{ZYDIS_MNEMONIC_PUSH, K_PUSH},
	{ZYDIS_MNEMONIC_POP, K_POP},
	{ZYDIS_MNEMONIC_LEAVE, K_LEAVE},
	{ZYDIS_MNEMONIC_JMP, K_JMP},
	{ZYDIS_MNEMONIC_CALL, K_CALL},
	{ZYDIS_MNEMONIC_RET, K_RET},
};

static const uint64_t CR4_CET = 1ull << 23;

static uint64_t mask_of(unsigned bits)
{
	return bits >= 64 ? UINT64_MAX : (1ull << bits) - 1;
}

static uint64_t sign_extend(uint64_t v, unsigned bits)
{
	return bits >= 64 ? v : (uint64_t)((int64_t)(v << (64 - bits)) >> (64 - bits));
}

static bool is_gpr(const ZydisDecodedOperand *op)
{
	return op->type == ZYDIS_OPERAND_TYPE_REGISTER && zinsn_gpr(op->reg.value) >= 0;
}

static bool is_mem(const ZydisDecodedOperand *op)
{
	return op->type == ZYDIS_OPERAND_TYPE_MEMORY;
}

/* ---- what is emulated ---- */

static kind mnemonic_kind(const zinsn *z)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (kinds[i].m == z->i.mnemonic)
			return kinds[i].k;
	switch (z->i.meta.category) {
	case ZYDIS_CATEGORY_COND_BR:
		return z->op[0].imm.is_relative ? K_JCC : K_NONE;
	case ZYDIS_CATEGORY_SETCC:
		return K_SETCC;
	case ZYDIS_CATEGORY_CMOV:
		return K_CMOV;
	default:
		return K_NONE;
	}
}

/* Only general registers, immediates and plain memory of up to 8 bytes. */
static bool plain_operands(const zinsn *z)
{
	for (int i = 0; i < z->i.operand_count_visible; i++) {
		const ZydisDecodedOperand *op = &z->op[i];
		if (op->type == ZYDIS_OPERAND_TYPE_POINTER)
			return false;
		if (op->type == ZYDIS_OPERAND_TYPE_REGISTER && !is_gpr(op))
			return false;
		if (is_mem(op) && (op->mem.segment == ZYDIS_REGISTER_FS ||
					  op->mem.segment == ZYDIS_REGISTER_GS ||
					  op->mem.type == ZYDIS_MEMOP_TYPE_MIB ||
					  op->mem.type == ZYDIS_MEMOP_TYPE_VSIB))
			return false;
		if (is_mem(op) && op->mem.type == ZYDIS_MEMOP_TYPE_MEM && op->size > 64)
			return false;
	}
	return true;
}

static kind kind_of(const zinsn *z)
{
	const uint64_t odd =
		ZYDIS_ATTRIB_HAS_LOCK | ZYDIS_ATTRIB_HAS_XACQUIRE | ZYDIS_ATTRIB_HAS_XRELEASE;
	kind k = mnemonic_kind(z);
	if (k == K_NOP)
		return K_NOP;
	if (k == K_NONE || z->i.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY ||
		z->i.attributes & odd || z->i.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR ||
		!plain_operands(z))
		return K_NONE;
	switch (k) {
	case K_XCHG: /* with memory it locks the bus */
		return is_gpr(&z->op[0]) && is_gpr(&z->op[1]) ? k : K_NONE;
	case K_BT: /* a register offset reaches beyond the memory operand */
		return is_mem(&z->op[0]) && is_gpr(&z->op[1]) ? K_NONE : k;
	case K_IMUL:
		return z->i.operand_count_visible >= 2 ? k : K_NONE;
	case K_POP: /* the address of a memory operand would use the new rsp */
		return is_gpr(&z->op[0]) && z->op[0].size == 64 ? k : K_NONE;
	case K_PUSH:
	case K_LEAVE:
		return z->i.operand_width == 64 ? k : K_NONE;
	case K_JMP:
	case K_CALL: /* a 16-bit operand size means different things on different processors */
		return z->i.attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE ? K_NONE : k;
	case K_RET:
	case K_JCC:
		return z->i.attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE ? K_NONE : k;
	default:
		return k;
	}
}

static void needs_of(const zinsn *z, kind k, unsigned *sets, bool *reads, bool *writes)
{
	*sets = X64_SET_CONTROL;
	*reads = *writes = false;
	if (k == K_NOP)
		return;
	for (int i = 0; i < z->i.operand_count; i++) {
		const ZydisDecodedOperand *op = &z->op[i];
		if (op->type == ZYDIS_OPERAND_TYPE_REGISTER && is_gpr(op) &&
			zinsn_gpr(op->reg.value) != X64_RSP)
			*sets |= X64_SET_INTEGER;
		if (!is_mem(op))
			continue;
		const ZydisRegister part[] = {op->mem.base, op->mem.index};
		for (size_t p = 0; p < ARRAY_LEN(part); p++) {
			int g = zinsn_gpr(part[p]);
			if (g >= 0 && g != X64_RSP)
				*sets |= X64_SET_INTEGER;
		}
		if (op->mem.type == ZYDIS_MEMOP_TYPE_AGEN)
			continue;
		*reads |= !!(op->actions & ZYDIS_OPERAND_ACTION_MASK_READ);
		*writes |= !!(op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE);
	}
}

/* K_NONE: not emulated. */
static kind look(const x64_insn *in, zinsn *z, unsigned *sets, bool *reads, bool *writes)
{
	if (zinsn_decode(in->bytes, in->len, z) != ERR_OK)
		return K_NONE;
	kind k = kind_of(z);
	if (k)
		needs_of(z, k, sets, reads, writes);
	return k;
}

bool x64_emulate_needs(const x64_insn *in, unsigned *sets, bool *reads, bool *writes)
{
	zinsn z;
	return look(in, &z, sets, reads, writes) != K_NONE;
}

/* The manual leaves flags of shl, bt and imul undefined: a processor sets them in its own way. It
 * leaves AF of and, or, xor, test undefined too, which all of them clear. */
bool x64_emulate_pure(const x64_insn *in)
{
	zinsn z;
	unsigned sets;
	bool reads, writes;
	kind k = look(in, &z, &sets, &reads, &writes);
	return k && !reads && !writes && k != K_SHIFT && k != K_BT && k != K_IMUL;
}

/* ---- operands ---- */

typedef struct emu {
	x64_regs r; /* the copy that becomes the result */
	const x64_regs *old;
	const x64_insn *in;
	const zinsn *z;
	const x64_mem *m;
	bool store; /* one write is pending, done last */
	uint64_t store_addr, store_value;
	size_t store_bytes;
} emu;

static bool high_byte(ZydisRegister reg)
{
	return reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH;
}

static uint64_t reg_get(const emu *s, ZydisRegister reg, unsigned bits)
{
	return s->old->gpr[zinsn_gpr(reg)] >> (high_byte(reg) ? 8 : 0) & mask_of(bits);
}

static void reg_set(emu *s, ZydisRegister reg, unsigned bits, uint64_t v)
{
	uint64_t *g = &s->r.gpr[zinsn_gpr(reg)];
	unsigned shift = high_byte(reg) ? 8 : 0;
	uint64_t mask = bits == 32 ? UINT64_MAX : mask_of(bits) << shift;
	*g = (*g & ~mask) | ((v & mask_of(bits)) << shift & mask);
}

static err mem_get(emu *s, uint64_t addr, size_t n, uint64_t *ret)
{
	uint8_t raw[8] = {0};
	if (!s->m || !s->m->read)
		return ERR_FAULT;
	TRY(s->m->read(s->m->u, addr, raw, n));
	*ret = le64(raw);
	return ERR_OK;
}

static void mem_set(emu *s, uint64_t addr, size_t n, uint64_t v)
{
	s->store = true;
	s->store_addr = addr;
	s->store_bytes = n;
	s->store_value = v;
}

static err op_get(emu *s, int i, uint64_t *ret)
{
	const ZydisDecodedOperand *op = &s->z->op[i];
	uint64_t ea;
	switch (op->type) {
	case ZYDIS_OPERAND_TYPE_REGISTER:
		*ret = reg_get(s, op->reg.value, op->size);
		return ERR_OK;
	case ZYDIS_OPERAND_TYPE_IMMEDIATE:
		*ret = op->imm.value.u;
		return ERR_OK;
	default:
		if (!zinsn_ea(s->z, op, s->in->addr, s->old, &ea))
			return ERR_UNSUPPORTED;
		return mem_get(s, ea, op->size / 8u, ret);
	}
}

static err op_set(emu *s, int i, uint64_t v)
{
	const ZydisDecodedOperand *op = &s->z->op[i];
	uint64_t ea;
	if (op->type == ZYDIS_OPERAND_TYPE_REGISTER) {
		reg_set(s, op->reg.value, op->size, v);
		return ERR_OK;
	}
	if (!zinsn_ea(s->z, op, s->in->addr, s->old, &ea))
		return ERR_UNSUPPORTED;
	mem_set(s, ea, op->size / 8u, v & mask_of(op->size));
	return ERR_OK;
}

/* ---- arithmetic ---- */

static void set_flag(emu *s, uint32_t bit, bool on)
{
	s->r.eflags = on ? s->r.eflags | bit : s->r.eflags & ~bit;
}

static void flags_szp(emu *s, uint64_t v, unsigned bits)
{
	set_flag(s, X64_FL_ZF, !(v & mask_of(bits)));
	set_flag(s, X64_FL_SF, v >> (bits - 1) & 1);
	set_flag(s, X64_FL_PF, !(__builtin_popcount((unsigned)(v & 0xff)) & 1));
}

static uint64_t add(emu *s, uint64_t a, uint64_t b, unsigned carry, unsigned bits)
{
	uint64_t v = (a + b + carry) & mask_of(bits);
	unsigned top = bits - 1;
	flags_szp(s, v, bits);
	set_flag(s, X64_FL_CF, ((a & b) | ((a | b) & ~v)) >> top & 1);
	set_flag(s, X64_FL_OF, ((a ^ v) & (b ^ v)) >> top & 1);
	set_flag(s, X64_FL_AF, (a ^ b ^ v) & 0x10);
	return v;
}

static uint64_t sub(emu *s, uint64_t a, uint64_t b, unsigned borrow, unsigned bits)
{
	uint64_t v = (a - b - borrow) & mask_of(bits);
	unsigned top = bits - 1;
	flags_szp(s, v, bits);
	set_flag(s, X64_FL_CF, ((~a & b) | ((~a | b) & v)) >> top & 1);
	set_flag(s, X64_FL_OF, ((a ^ b) & (a ^ v)) >> top & 1);
	set_flag(s, X64_FL_AF, (a ^ b ^ v) & 0x10);
	return v;
}

/* and, or, xor, test: AF is undefined; processors clear it. */
static uint64_t logic(emu *s, uint64_t v, unsigned bits)
{
	set_flag(s, X64_FL_CF | X64_FL_OF | X64_FL_AF, false);
	flags_szp(s, v, bits);
	return v;
}

static err alu(emu *s)
{
	unsigned bits = s->z->op[0].size;
	uint64_t a, b = 0, v;
	bool keep =
		s->z->i.mnemonic == ZYDIS_MNEMONIC_CMP || s->z->i.mnemonic == ZYDIS_MNEMONIC_TEST;
	uint32_t cf = s->old->eflags & X64_FL_CF;
	TRY(op_get(s, 0, &a));
	if (s->z->i.operand_count_visible > 1)
		TRY(op_get(s, 1, &b));
	a &= mask_of(bits);
	b &= mask_of(bits);
	switch (s->z->i.mnemonic) {
	case ZYDIS_MNEMONIC_ADD:
		v = add(s, a, b, 0, bits);
		break;
	case ZYDIS_MNEMONIC_ADC:
		v = add(s, a, b, cf, bits);
		break;
	case ZYDIS_MNEMONIC_SUB:
	case ZYDIS_MNEMONIC_CMP:
		v = sub(s, a, b, 0, bits);
		break;
	case ZYDIS_MNEMONIC_SBB:
		v = sub(s, a, b, cf, bits);
		break;
	case ZYDIS_MNEMONIC_AND:
	case ZYDIS_MNEMONIC_TEST:
		v = logic(s, a & b, bits);
		break;
	case ZYDIS_MNEMONIC_OR:
		v = logic(s, a | b, bits);
		break;
	case ZYDIS_MNEMONIC_XOR:
		v = logic(s, a ^ b, bits);
		break;
	case ZYDIS_MNEMONIC_INC:
		v = add(s, a, 1, 0, bits);
		set_flag(s, X64_FL_CF, cf);
		break;
	case ZYDIS_MNEMONIC_DEC:
		v = sub(s, a, 1, 0, bits);
		set_flag(s, X64_FL_CF, cf);
		break;
	case ZYDIS_MNEMONIC_NEG:
		v = sub(s, 0, a, 0, bits);
		break;
	default: /* not: no flags */
		v = ~a;
		break;
	}
	return keep ? ERR_OK : op_set(s, 0, v);
}

static err shift(emu *s)
{
	unsigned bits = s->z->op[0].size;
	uint64_t a, b, v;
	bool cf, of;
	TRY(op_get(s, 0, &a));
	TRY(op_get(s, 1, &b));
	unsigned n = b & (bits == 64 ? 63 : 31);
	if (!n)
		return op_set(s, 0, a); /* still clears the upper half of a 32-bit register */
	switch (s->z->i.mnemonic) {
	case ZYDIS_MNEMONIC_SHL:
		v = a << n;
		cf = n <= bits && a >> (bits - n) & 1;
		of = cf != (v >> (bits - 1) & 1);
		break;
	case ZYDIS_MNEMONIC_SHR:
		v = a >> n;
		cf = a >> (n - 1) & 1;
		of = a >> (bits - 1) & 1;
		break;
	default:
		a = sign_extend(a, bits);
		v = (uint64_t)((int64_t)a >> n);
		cf = (int64_t)a >> (n - 1) & 1;
		of = false;
		break;
	}
	flags_szp(s, v, bits);
	set_flag(s, X64_FL_CF, cf);
	set_flag(s, X64_FL_OF, of);
	set_flag(s, X64_FL_AF, false);
	return op_set(s, 0, v);
}

static err bit_test(emu *s)
{
	uint64_t a, b;
	TRY(op_get(s, 0, &a));
	TRY(op_get(s, 1, &b));
	set_flag(s, X64_FL_CF, a >> (b & (s->z->op[0].size - 1u)) & 1);
	return ERR_OK;
}

/* Two and three operands; SF ZF AF PF are undefined and stay. */
static err imul(emu *s)
{
	unsigned bits = s->z->op[0].size;
	int three = s->z->i.operand_count_visible > 2;
	uint64_t a, b;
	TRY(op_get(s, three ? 1 : 0, &a));
	TRY(op_get(s, three ? 2 : 1, &b));
	__int128 wide = (__int128)(int64_t)sign_extend(a, bits) * (int64_t)sign_extend(b, bits);
	uint64_t v = (uint64_t)wide & mask_of(bits);
	bool over = wide != (__int128)(int64_t)sign_extend(v, bits);
	set_flag(s, X64_FL_CF | X64_FL_OF, over);
	return op_set(s, 0, v);
}

/* ---- moves ---- */

static err mov(emu *s, bool sign)
{
	uint64_t v;
	TRY(op_get(s, 1, &v));
	return op_set(s, 0, sign ? sign_extend(v, s->z->op[1].size) : v);
}

static err lea(emu *s)
{
	uint64_t ea;
	if (!zinsn_ea(s->z, &s->z->op[1], s->in->addr, s->old, &ea))
		return ERR_UNSUPPORTED;
	return op_set(s, 0, ea);
}

static err xchg(emu *s)
{
	uint64_t a, b;
	TRY(op_get(s, 0, &a));
	TRY(op_get(s, 1, &b));
	TRY(op_set(s, 0, b));
	return op_set(s, 1, a);
}

static err cmov(emu *s)
{
	uint64_t a, b;
	TRY(op_get(s, 1, &b)); /* read whatever the condition says */
	TRY(op_get(s, 0, &a));
	return op_set(s, 0, x64_cond(s->z->i.opcode & 15, s->old->eflags) ? b : a);
}

static err convert(emu *s)
{
	uint64_t a = s->old->gpr[X64_RAX];
	switch (s->z->i.mnemonic) {
	case ZYDIS_MNEMONIC_CBW:
		reg_set(s, ZYDIS_REGISTER_AX, 16, sign_extend(a, 8));
		break;
	case ZYDIS_MNEMONIC_CWDE:
		reg_set(s, ZYDIS_REGISTER_EAX, 32, sign_extend(a, 16));
		break;
	case ZYDIS_MNEMONIC_CDQE:
		reg_set(s, ZYDIS_REGISTER_RAX, 64, sign_extend(a, 32));
		break;
	case ZYDIS_MNEMONIC_CWD:
		reg_set(s, ZYDIS_REGISTER_DX, 16, a >> 15 & 1 ? UINT64_MAX : 0);
		break;
	case ZYDIS_MNEMONIC_CDQ:
		reg_set(s, ZYDIS_REGISTER_EDX, 32, a >> 31 & 1 ? UINT64_MAX : 0);
		break;
	default:
		reg_set(s, ZYDIS_REGISTER_RDX, 64, a >> 63 ? UINT64_MAX : 0);
		break;
	}
	return ERR_OK;
}

/* ---- stack and flow ---- */

static void push(emu *s, uint64_t v)
{
	s->r.gpr[X64_RSP] = s->old->gpr[X64_RSP] - 8;
	mem_set(s, s->r.gpr[X64_RSP], 8, v);
}

/* The processor faults on the branch itself if the target is not canonical. */
static err jump(emu *s, uint64_t to)
{
	if (sign_extend(to, 48) != to)
		return ERR_UNSUPPORTED;
	s->r.rip = to;
	return ERR_OK;
}

static err branch(emu *s, kind k)
{
	uint64_t to = s->in->target, next = s->r.rip;
	if (s->r.valid & X64_SET_SPECIAL && s->r.cr4 & CR4_CET)
		return ERR_UNSUPPORTED; /* shadow stacks and landing pads are not followed */
	if (!s->in->has_target) {
		TRY(op_get(s, 0, &to));
	}
	TRY(jump(s, to));
	if (k == K_CALL)
		push(s, next);
	return ERR_OK;
}

static err ret(emu *s)
{
	uint64_t to, drop = 0;
	if (s->r.valid & X64_SET_SPECIAL && s->r.cr4 & CR4_CET)
		return ERR_UNSUPPORTED;
	if (s->z->i.operand_count_visible)
		drop = s->z->op[0].imm.value.u;
	TRY(mem_get(s, s->old->gpr[X64_RSP], 8, &to));
	s->r.gpr[X64_RSP] += 8 + drop;
	return jump(s, to);
}

static err jcc(emu *s)
{
	ZydisMnemonic m = s->z->i.mnemonic;
	if (m == ZYDIS_MNEMONIC_LOOP || m == ZYDIS_MNEMONIC_LOOPE || m == ZYDIS_MNEMONIC_LOOPNE) {
		unsigned bits = s->z->i.address_width;
		reg_set(s, bits == 64 ? ZYDIS_REGISTER_RCX : ZYDIS_REGISTER_ECX, bits,
			s->old->gpr[X64_RCX] - 1);
	}
	return x64_taken(s->in, s->old) ? jump(s, s->in->target) : ERR_OK;
}

static err pop(emu *s)
{
	uint64_t v;
	TRY(mem_get(s, s->old->gpr[X64_RSP], 8, &v));
	s->r.gpr[X64_RSP] += 8;
	return op_set(s, 0, v); /* pop rsp: the value wins */
}

static err leave(emu *s)
{
	uint64_t v, rbp = s->old->gpr[X64_RBP];
	TRY(mem_get(s, rbp, 8, &v));
	s->r.gpr[X64_RSP] = rbp + 8;
	s->r.gpr[X64_RBP] = v;
	return ERR_OK;
}

static err run(emu *s, kind k)
{
	uint64_t v;
	switch (k) {
	case K_MOV:
		return mov(s, false);
	case K_MOVSX:
		return mov(s, true);
	case K_LEA:
		return lea(s);
	case K_ALU:
		return alu(s);
	case K_SHIFT:
		return shift(s);
	case K_BT:
		return bit_test(s);
	case K_IMUL:
		return imul(s);
	case K_XCHG:
		return xchg(s);
	case K_SETCC:
		return op_set(s, 0, x64_cond(s->z->i.opcode & 15, s->old->eflags));
	case K_CMOV:
		return cmov(s);
	case K_CONVERT:
		return convert(s);
	case K_PUSH:
		TRY(op_get(s, 0, &v));
		push(s, v);
		return ERR_OK;
	case K_POP:
		return pop(s);
	case K_LEAVE:
		return leave(s);
	case K_JMP:
	case K_CALL:
		return branch(s, k);
	case K_JCC:
		return jcc(s);
	case K_RET:
		return ret(s);
	default:
		return ERR_OK; /* nop */
	}
}

err x64_emulate(x64_regs *r, const x64_insn *in, const x64_mem *m)
{
	zinsn z;
	unsigned sets;
	bool reads, writes;
	kind k = look(in, &z, &sets, &reads, &writes);
	if (!k)
		return ERR_UNSUPPORTED;
	if ((r->valid & sets) != sets)
		return ERR_ARG;
	emu s = {.r = *r, .old = r, .in = in, .z = &z, .m = m};
	s.r.rip = in->addr + in->len;
	TRY(run(&s, k));
	if (s.store) {
		uint8_t raw[8];
		put64(raw, s.store_value);
		if (!m || !m->write)
			return ERR_FAULT;
		TRY(m->write(m->u, s.store_addr, raw, s.store_bytes));
	}
	s.r.eflags &= ~(uint32_t)X64_FL_RF;
	*r = s.r;
	return ERR_OK;
}
