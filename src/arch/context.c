/*
 * The CONTEXT record of 64-bit NT as bytes. The layout is public: winnt.h, structure CONTEXT for
 * AMD64 (also Wine's include/winnt.h). Refuses to know packets and who stores the record where.
 */
#include "arch/x64.h"

#include "base/reader.h"

enum {
	CTX_FLAGS = 0x30,
	CTX_MXCSR = 0x34,
	CTX_SEG_CS = 0x38,
	CTX_SEG_DS = 0x3a,
	CTX_SEG_ES = 0x3c,
	CTX_SEG_FS = 0x3e,
	CTX_SEG_GS = 0x40,
	CTX_SEG_SS = 0x42,
	CTX_EFLAGS = 0x44,
	CTX_DR0 = 0x48, /* Dr0-3, Dr6, Dr7 */
	CTX_GPR = 0x78, /* Rax Rcx Rdx Rbx Rsp Rbp Rsi Rdi R8..R15: the processor's own numbering */
	CTX_RSP = CTX_GPR + 8 * X64_RSP,
	CTX_RIP = 0xf8,
	CTX_FLT = 0x100, /* XMM_SAVE_AREA32 */
	CTX_FLT_END = 0x300,
	FX_MXCSR = 24
};

/* CONTEXT_AMD64 and the flag of each part, winnt.h. */
enum {
	CONTEXT_AMD64 = 0x100000,
	CONTEXT_CONTROL = 1,
	CONTEXT_INTEGER = 2,
	CONTEXT_SEGMENTS = 4,
	CONTEXT_FLOATING_POINT = 8,
	CONTEXT_DEBUG_REGISTERS = 0x10
};

/* FLOAT starts at MxCsr, which NT keeps outside the FXSAVE image too and loads from there. */
static const struct {
	unsigned set;
	size_t begin, end;
	uint32_t flag;
} parts[] = {
	{X64_SET_CONTROL, CTX_SEG_CS, CTX_FLT, CONTEXT_CONTROL},
	{X64_SET_INTEGER, CTX_GPR, CTX_RIP, CONTEXT_INTEGER},
	{X64_SET_SEGMENTS, CTX_SEG_DS, CTX_SEG_SS, CONTEXT_SEGMENTS},
	{X64_SET_DEBUG, CTX_DR0, CTX_GPR, CONTEXT_DEBUG_REGISTERS},
	{X64_SET_FLOAT, CTX_MXCSR, CTX_FLT_END, CONTEXT_FLOATING_POINT},
};

void x64_context_range(unsigned sets, size_t *begin, size_t *end)
{
	size_t lo = X64_CONTEXT_SIZE, hi = 0;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (!(sets & parts[i].set))
			continue;
		lo = parts[i].begin < lo ? parts[i].begin : lo;
		hi = parts[i].end > hi ? parts[i].end : hi;
	}
	*begin = lo < hi ? lo : 0;
	*end = lo < hi ? hi : 0;
}

static void get_control(x64_regs *r, const uint8_t *c)
{
	r->seg[X64_CS] = le16(c + CTX_SEG_CS);
	r->seg[X64_SS] = le16(c + CTX_SEG_SS);
	r->eflags = le32(c + CTX_EFLAGS);
	r->gpr[X64_RSP] = le64(c + CTX_RSP);
	r->rip = le64(c + CTX_RIP);
}

static void get_segments(x64_regs *r, const uint8_t *c)
{
	r->seg[X64_DS] = le16(c + CTX_SEG_DS);
	r->seg[X64_ES] = le16(c + CTX_SEG_ES);
	r->seg[X64_FS] = le16(c + CTX_SEG_FS);
	r->seg[X64_GS] = le16(c + CTX_SEG_GS);
}

static void get_part(x64_regs *r, const uint8_t *c, unsigned set)
{
	switch (set) {
	case X64_SET_CONTROL:
		get_control(r, c);
		break;
	case X64_SET_INTEGER:
		for (int i = 0; i < X64_NGPR; i++)
			if (i != X64_RSP)
				r->gpr[i] = le64(c + CTX_GPR + 8 * i);
		break;
	case X64_SET_SEGMENTS:
		get_segments(r, c);
		break;
	case X64_SET_DEBUG:
		for (int i = 0; i < 6; i++)
			r->dr[i < 4 ? i : i + 2] = le64(c + CTX_DR0 + 8 * i);
		break;
	case X64_SET_FLOAT:
		memcpy(r->fx, c + CTX_FLT, sizeof r->fx);
		r->mxcsr = le32(c + CTX_MXCSR);
		break;
	}
}

err x64_context_get(x64_regs *r, const uint8_t *p, size_t begin, size_t n)
{
	if (begin > X64_CONTEXT_SIZE || n > X64_CONTEXT_SIZE - begin)
		return ERR_ARG;
	uint8_t c[X64_CONTEXT_SIZE] = {0};
	if (n)
		memcpy(c + begin, p, n);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (parts[i].begin < begin || parts[i].end > begin + n)
			continue;
		get_part(r, c, parts[i].set);
		r->valid |= parts[i].set;
	}
	return ERR_OK;
}

static void put_part(const x64_regs *r, uint8_t *c, unsigned set)
{
	switch (set) {
	case X64_SET_CONTROL:
		put16(c + CTX_SEG_CS, r->seg[X64_CS]);
		put16(c + CTX_SEG_SS, r->seg[X64_SS]);
		put32(c + CTX_EFLAGS, r->eflags);
		put64(c + CTX_RSP, r->gpr[X64_RSP]);
		put64(c + CTX_RIP, r->rip);
		break;
	case X64_SET_INTEGER:
		for (int i = 0; i < X64_NGPR; i++)
			if (i != X64_RSP)
				put64(c + CTX_GPR + 8 * i, r->gpr[i]);
		break;
	case X64_SET_SEGMENTS:
		put16(c + CTX_SEG_DS, r->seg[X64_DS]);
		put16(c + CTX_SEG_ES, r->seg[X64_ES]);
		put16(c + CTX_SEG_FS, r->seg[X64_FS]);
		put16(c + CTX_SEG_GS, r->seg[X64_GS]);
		break;
	case X64_SET_DEBUG:
		for (int i = 0; i < 6; i++)
			put64(c + CTX_DR0 + 8 * i, r->dr[i < 4 ? i : i + 2]);
		break;
	case X64_SET_FLOAT:
		memcpy(c + CTX_FLT, r->fx, sizeof r->fx);
		put32(c + CTX_FLT + FX_MXCSR, r->mxcsr);
		put32(c + CTX_MXCSR, r->mxcsr);
		break;
	}
}

void x64_context_put(const x64_regs *r, uint8_t p[X64_CONTEXT_SIZE])
{
	uint32_t flags = CONTEXT_AMD64;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (!(r->valid & parts[i].set))
			continue;
		put_part(r, p, parts[i].set);
		flags |= parts[i].flag;
	}
	put32(p + CTX_FLAGS, flags);
}
