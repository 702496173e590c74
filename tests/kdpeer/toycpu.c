/*
 * toycpu: see toycpu.h. Encodings from the Intel SDM, volume 2.
 */
#include "toycpu.h"

#include <string.h>

enum { CF = 1, ZF = 0x40, SF = 0x80, TF = 0x100, RF = 0x10000 };

typedef struct run {
	CONTEXT *c;
	KSPECIAL_REGISTERS *special;
	const toy_memory *m;
	uint64_t fault;
	uint64_t wrote, wrote_n; /* for data breakpoints */
} run;

static uint64_t *reg(CONTEXT *c, unsigned n)
{
	/* CONTEXT keeps the sixteen registers in encoding order. */
	return &c->Rax + n;
}

static bool load(run *r, uint64_t va, uint64_t *ret)
{
	r->fault = va;
	return r->m->read(r->m->u, va, ret, 8) == 8;
}

static bool store(run *r, uint64_t va, uint64_t v)
{
	r->fault = va;
	r->wrote = va;
	r->wrote_n = 8;
	return r->m->write(r->m->u, va, &v, 8) == 8;
}

static bool push(run *r, uint64_t v)
{
	if (!store(r, r->c->Rsp - 8, v))
		return false;
	r->c->Rsp -= 8;
	return true;
}

static bool pop(run *r, uint64_t *ret)
{
	if (!load(r, r->c->Rsp, ret))
		return false;
	r->c->Rsp += 8;
	return true;
}

static void flags_of(CONTEXT *c, uint64_t v)
{
	c->EFlags &= ~(uint32_t)(ZF | SF);
	c->EFlags |= (v == 0 ? ZF : 0) | ((int64_t)v < 0 ? SF : 0);
}

/* Bits of DR6 for an instruction about to run at rip. */
static uint64_t execute_hits(const KSPECIAL_REGISTERS *s, uint64_t rip)
{
	const uint64_t *dr = &s->KernelDr0;
	uint64_t hits = 0;
	for (unsigned i = 0; i < 4; i++)
		if ((s->KernelDr7 >> (2 * i) & 3) && (s->KernelDr7 >> (16 + 4 * i) & 3) == 0 &&
			dr[i] == rip)
			hits |= 1u << i;
	return hits;
}

static uint64_t write_hits(const run *r)
{
	const uint64_t *dr = &r->special->KernelDr0;
	uint64_t hits = 0;
	for (unsigned i = 0; i < 4 && r->wrote_n; i++) {
		static const uint8_t length[4] = {1, 2, 8, 4};
		unsigned n = length[r->special->KernelDr7 >> (18 + 4 * i) & 3];
		if ((r->special->KernelDr7 >> (2 * i) & 3) &&
			(r->special->KernelDr7 >> (16 + 4 * i) & 1) &&
			dr[i] < r->wrote + r->wrote_n && r->wrote < dr[i] + n)
			hits |= 1u << i;
	}
	return hits;
}

static int32_t imm32(const uint8_t *p)
{
	int32_t v;
	memcpy(&v, p, 4);
	return v;
}

/* Instructions with a REX.W prefix; p stands behind it. 0: unknown, -1: fault, else length with
 * prefix. */
static int wide(run *r, const uint8_t *p, uint64_t at)
{
	CONTEXT *c = r->c;
	uint64_t v;
	switch (p[0]) {
	case 0x83: /* add, sub, cmp r, imm8 */
		v = *reg(c, p[1] & 7);
		if ((p[1] & 0xf8) == 0xc0)
			v += (uint64_t)(int64_t)(int8_t)p[2];
		else if ((p[1] & 0xf8) == 0xe8)
			v -= (uint64_t)(int64_t)(int8_t)p[2];
		else
			return 0;
		flags_of(c, v);
		*reg(c, p[1] & 7) = v;
		return 4;
	case 0x3d: /* cmp rax, imm32 */
		v = (uint64_t)(int64_t)imm32(p + 1);
		c->EFlags = (c->EFlags & ~(uint32_t)CF) | (c->Rax < v ? CF : 0);
		flags_of(c, c->Rax - v);
		return 6;
	case 0x8b: /* mov r, [rip+disp32] */
		if ((p[1] & 0xc7) != 5 ||
			!load(r, at + 7 + (uint64_t)(int64_t)imm32(p + 2), reg(c, p[1] >> 3 & 7)))
			return (p[1] & 0xc7) == 5 ? -1 : 0;
		return 7;
	case 0x89: /* mov [rip+disp32], r */
		if ((p[1] & 0xc7) != 5)
			return 0;
		v = *reg(c, p[1] >> 3 & 7);
		return store(r, at + 7 + (uint64_t)(int64_t)imm32(p + 2), v) ? 7 : -1;
	case 0xc7: /* mov r, imm32 */
		if ((p[1] & 0xf8) != 0xc0)
			return 0;
		*reg(c, p[1] & 7) = (uint64_t)(int64_t)imm32(p + 2);
		return 7;
	case 0xff: /* inc r */
		if ((p[1] & 0xf8) != 0xc0)
			return 0;
		flags_of(c, ++*reg(c, p[1] & 7));
		return 3;
	default:
		if ((p[0] & 0xf8) != 0xb8) /* mov r, imm64 */
			return 0;
		memcpy(reg(c, p[0] & 7), p + 1, 8);
		return 10;
	}
}

/* As wide; sets Rip itself for branches and then returns 0x100. */
static int narrow(run *r, const uint8_t *p, uint64_t at)
{
	CONTEXT *c = r->c;
	uint64_t v;
	switch (p[0]) {
	case 0x90:
		return 1;
	case 0xf3:
		return p[1] == 0x90 ? 2 : 0;
	case 0xc3:
		if (!pop(r, &v))
			return -1;
		c->Rip = v;
		return 0x100;
	case 0xe8:
		if (!push(r, at + 5))
			return -1;
		c->Rip = at + 5 + (uint64_t)(int64_t)imm32(p + 1);
		return 0x100;
	case 0xe9:
		c->Rip = at + 5 + (uint64_t)(int64_t)imm32(p + 1);
		return 0x100;
	case 0xeb:
		c->Rip = at + 2 + (uint64_t)(int64_t)(int8_t)p[1];
		return 0x100;
	case 0x72: /* jb */
		if (!(c->EFlags & CF))
			return 2;
		c->Rip = at + 2 + (uint64_t)(int64_t)(int8_t)p[1];
		return 0x100;
	case 0x31: /* xor eax, eax */
		if (p[1] != 0xc0)
			return 0;
		c->Rax = 0;
		flags_of(c, 0);
		return 2;
	case 0xff: /* call rax */
		if (p[1] != 0xd0)
			return 0;
		if (!push(r, at + 2))
			return -1;
		c->Rip = c->Rax;
		return 0x100;
	case 0xf0: /* lock inc qword [rip+disp32] */
		if (p[1] != 0x48 || p[2] != 0xff || p[3] != 0x05)
			return 0;
		v = at + 8 + (uint64_t)(int64_t)imm32(p + 4);
		uint64_t was;
		if (!load(r, v, &was) || !store(r, v, was + 1))
			return -1;
		flags_of(c, was + 1);
		return 8;
	default:
		if ((p[0] & 0xf8) == 0x50)
			return push(r, *reg(c, p[0] & 7)) ? 1 : -1;
		if ((p[0] & 0xf8) == 0x58)
			return pop(r, reg(c, p[0] & 7)) ? 1 : -1;
		return 0;
	}
}

toy_trap toy_step(CONTEXT *c, KSPECIAL_REGISTERS *special, const toy_memory *m, uint64_t *fault_va)
{
	uint8_t p[16] = {0};
	uint64_t at = c->Rip;
	run r = {c, special, m, at, 0, 0};
	*fault_va = at;
	if (m->read(m->u, at, p, 15) == 0)
		return TOY_FAULT;
	uint64_t hits = c->EFlags & RF ? 0 : execute_hits(special, at);
	if (hits) {
		special->KernelDr6 = hits;
		return TOY_DEBUG;
	}
	if (p[0] == 0xcc)
		return TOY_INT3;
	bool trace = c->EFlags & TF;
	c->EFlags &= ~(uint32_t)RF;
	toy_trap trap = TOY_NONE;
	int n;
	if (p[0] == 0x0f && p[1] == 0x05) {
		trap = TOY_SYSCALL;
		n = 2;
	} else if (p[0] == 0x48 && p[1] == 0x0f && p[2] == 0x07) {
		trap = TOY_SYSRET;
		n = 3;
	} else if (p[0] == 0x48 && p[1] == 0xcf) {
		trap = TOY_IRET;
		n = 2;
	} else {
		n = p[0] == 0x48 ? wide(&r, p + 1, at) : narrow(&r, p, at);
	}
	if (n <= 0) {
		*fault_va = r.fault;
		return n ? TOY_FAULT : TOY_ILLEGAL;
	}
	if (n < 0x100)
		c->Rip = at + (uint64_t)n;
	if (trap != TOY_NONE)
		return trap;
	hits = write_hits(&r) | (trace ? 0x4000 : 0);
	if (!hits)
		return TOY_NONE;
	special->KernelDr6 = hits;
	c->EFlags &= ~(uint32_t)TF;
	return TOY_DEBUG;
}
