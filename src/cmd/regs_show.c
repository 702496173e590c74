/*
 * regs_show: the layout of all registers, group by group as rm's mask selects. Refuses to know
 * where the values come from. The layout is WinDbg's; what its documents do not show (floating
 * point) follows the same habits: highest element first, numbers as C's %g prints them.
 */
#include "cmd/code.h"
#include "cmd/memory.h"
#include "cmd/regs.h"

#include "base/reader.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* FXSAVE image (Intel SDM volume 1, table 10-2). */
enum {
	FX_FCW = 0,
	FX_FSW = 2,
	FX_FTW = 4,
	FX_FOP = 6,
	FX_FIP = 8,
	FX_FDP = 16,
	FX_ST0 = 32,
	FX_XMM0 = 160
};
enum { EXT_BIAS = 16383 };

unsigned regs_sets(cmd *c, unsigned mask)
{
	unsigned sets = 0;
	if (mask & (RM_INT32 | RM_INT64))
		sets |= X64_SET_CONTROL | X64_SET_INTEGER;
	if (mask & RM_SEGMENTS)
		sets |= X64_SET_CONTROL | X64_SET_SEGMENTS;
	if (mask & (RM_FLOAT | RM_MMX | RM_XMM | RM_XMM_INT))
		sets |= X64_SET_FLOAT;
	if (mask & RM_DEBUG)
		sets |= X64_SET_DEBUG | (c->e->mode == ENG_KERNEL ? X64_SET_SPECIAL : 0);
	if (mask & (RM_CONTROL | RM_TASK))
		sets |= X64_SET_SPECIAL;
	return sets;
}

unsigned regs_mask_served(cmd *c)
{
	unsigned mask = RM_INT32 | RM_INT64 | RM_FLOAT | RM_SEGMENTS | RM_MMX | RM_DEBUG | RM_XMM |
			RM_XMM_INT;
	return c->e->mode == ENG_USER ? mask : mask | RM_CONTROL | RM_TASK;
}

static long double ext80_get(const uint8_t *p)
{
	uint64_t m = le64(p);
	unsigned e = le16(p + 8);
	long double v;
	if ((e & 0x7fff) == 0x7fff)
		v = m << 1 ? (long double)NAN : (long double)INFINITY;
	else
		v = ldexpl((long double)m, (int)(e & 0x7fff) - EXT_BIAS - 63);
	return e & 0x8000 ? -v : v;
}

void ext80_put(uint8_t *p, long double v)
{
	int e = 0;
	unsigned sign = signbit(v) ? 0x8000 : 0;
	uint64_t m = 0;
	v = fabsl(v);
	if (isnan(v) || isinf(v)) {
		m = isnan(v) ? 0xc000000000000000 : 0x8000000000000000;
		e = 0x7fff;
	} else if (v > 0) {
		m = (uint64_t)ldexpl(frexpl(v, &e), 64);
		e += EXT_BIAS - 1;
		if (e <= 0) { /* too small for the host's own format to be normal */
			m = e > -63 ? m >> (1 - e) : 0;
			e = 0;
		}
	}
	put64(p, m);
	put16(p + 8, (uint16_t)((unsigned)e | sign));
}

void ext80_format(const uint8_t *p, buf *b)
{
	char text[64];
	snprintf(text, sizeof text, "%+.21Le", ext80_get(p));
	if (text[0] == '+')
		text[0] = ' ';
	/* four digits of exponent, as wide as the format allows */
	char *e = strchr(text, 'e');
	if (!e) {
		buf_addz(b, text);
		return;
	}
	buf_addf(b, "%.*s%c%04d", (int)(e - text) + 1, text, e[1], atoi(e + 2));
}

static void integers(const x64_regs *r, buf *b)
{
	static const struct {
		const char *label;
		int gpr; /* -1: rip */
	} order[] = {{"rax", X64_RAX}, {"rbx", X64_RBX}, {"rcx", X64_RCX}, {"rdx", X64_RDX},
		{"rsi", X64_RSI}, {"rdi", X64_RDI}, {"rip", -1}, {"rsp", X64_RSP}, {"rbp", X64_RBP},
		{" r8", X64_R8}, {" r9", X64_R9}, {"r10", X64_R10}, {"r11", X64_R11},
		{"r12", X64_R12}, {"r13", X64_R13}, {"r14", X64_R14}, {"r15", X64_R15}};
	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		uint64_t v = order[i].gpr < 0 ? r->rip : r->gpr[order[i].gpr];
		buf_addf(b, "%s=%016llx%c", order[i].label, (unsigned long long)v,
			i % 3 == 2 || i + 1 == ARRAY_LEN(order) ? '\n' : ' ');
	}
}

static void flags(const x64_regs *r, buf *b)
{
	uint32_t f = r->eflags;
	buf_addf(b, "iopl=%x %s %s %s %s %s %s %s %s %s %s\n", f >> 12 & 3,
		f >> 20 & 1 ? "vip" : "   ", f >> 19 & 1 ? "vif" : "   ",
		f & X64_FL_OF ? "ov" : "nv", f & X64_FL_DF ? "dn" : "up",
		f & X64_FL_IF ? "ei" : "di", f & X64_FL_SF ? "ng" : "pl",
		f & X64_FL_ZF ? "zr" : "nz", f & X64_FL_AF ? "ac" : "na",
		f & X64_FL_PF ? "pe" : "po", f & X64_FL_CF ? "cy" : "nc");
}

static void segments(const x64_regs *r, buf *b)
{
	buf_addf(b, "cs=%04x  ss=%04x  ds=%04x  es=%04x  fs=%04x  gs=%04x             efl=%08x\n",
		r->seg[X64_CS], r->seg[X64_SS], r->seg[X64_DS], r->seg[X64_ES], r->seg[X64_FS],
		r->seg[X64_GS], r->eflags);
}

/* The letters whose bit is set, the first for the highest bit; '-' for the others. */
static void letters(uint32_t bits, const char *names, buf *b)
{
	for (size_t n = strlen(names), i = 0; i < n; i++)
		buf_addc(b, bits >> (n - 1 - i) & 1 ? names[i] : '-');
}

static void x87(const x64_regs *r, buf *b)
{
	static const char *const rounding[] = {"rn", "rd", "ru", "rz"};
	static const char *const precision[] = {"24", "??", "53", "64"};
	uint32_t cw = le16(r->fx + FX_FCW), sw = le16(r->fx + FX_FSW), tags = 0;
	unsigned top = sw >> 11 & 7;
	/* The image keeps one bit a register, the old tag word two: 3 means empty. */
	for (unsigned i = 0; i < 8; i++)
		tags |= (r->fx[FX_FTW] >> i & 1 ? 0u : 3u) << 2 * i;
	buf_addf(b, "fpcw=%04X: %s %s ", cw, rounding[cw >> 10 & 3], precision[cw >> 8 & 3]);
	letters(cw >> 0 & 0x3f, "puozdi", b);
	buf_addf(b, "  fpsw=%04X: top=%u cc=%u%u%u%u ", sw, top, sw >> 14 & 1, sw >> 10 & 1,
		sw >> 9 & 1, sw >> 8 & 1);
	letters((sw >> 15 & 1) << 7 | (sw & 0x7f), "bspuozdi", b);
	buf_addf(b, "  fptw=%04X\n", tags);
	buf_addf(b, "            fopcode=%04X  fpip=%04x:%08x  fpdp=%04x:%08x\n",
		le16(r->fx + FX_FOP), le16(r->fx + FX_FIP + 4), le32(r->fx + FX_FIP),
		le16(r->fx + FX_FDP + 4), le32(r->fx + FX_FDP));
	for (unsigned i = 0; i < 8; i++) {
		buf_addf(b, "st%u=", i);
		ext80_format(r->fx + FX_ST0 + 16 * i, b);
		buf_addz(b, i % 2 ? "\n" : "  ");
	}
}

static void mmx(const x64_regs *r, buf *b)
{
	for (unsigned i = 0; i < 8; i++)
		buf_addf(b, "mm%u=%016llx%s", i, (unsigned long long)le64(r->fx + FX_ST0 + 16 * i),
			i % 2 ? "\n" : "  ");
}

void xmm_floats(const uint8_t *p, buf *b)
{
	for (int i = 3; i >= 0; i--) {
		uint32_t bits = le32(p + 4 * i);
		char text[MEM_FLOAT_TEXT];
		float f;
		memcpy(&f, &bits, 4);
		mem_float((double)f, 6, text);
		buf_addf(b, "%s%s", text, i ? " " : "");
	}
}

static void xmm(const x64_regs *r, buf *b)
{
	for (unsigned i = 0; i < 16; i++) {
		buf_addf(b, "xmm%u=", i);
		xmm_floats(r->fx + FX_XMM0 + 16 * i, b);
		buf_addc(b, '\n');
	}
}

static void xmm_integers(const x64_regs *r, buf *b)
{
	for (unsigned i = 0; i < 16; i++) {
		const uint8_t *p = r->fx + FX_XMM0 + 16 * i;
		buf_addf(b, "xmm%u=%016llx %016llx\n", i, (unsigned long long)le64(p + 8),
			(unsigned long long)le64(p));
	}
}

static void debug(cmd *c, const x64_regs *r, buf *b)
{
	buf_addf(b, "dr0=%016llx dr1=%016llx dr2=%016llx\n", (unsigned long long)r->dr[0],
		(unsigned long long)r->dr[1], (unsigned long long)r->dr[2]);
	buf_addf(b, "dr3=%016llx dr6=%016llx dr7=%016llx", (unsigned long long)r->dr[3],
		(unsigned long long)r->dr[6], (unsigned long long)r->dr[7]);
	if (c->e->mode == ENG_KERNEL && r->valid & X64_SET_SPECIAL)
		buf_addf(b, " cr4=%016llx", (unsigned long long)r->cr4);
	buf_addc(b, '\n');
}

static void control(const x64_regs *r, buf *b)
{
	buf_addf(b, "cr0=%016llx cr2=%016llx cr3=%016llx\ncr8=%016llx\n",
		(unsigned long long)r->cr0, (unsigned long long)r->cr2, (unsigned long long)r->cr3,
		(unsigned long long)r->cr8);
}

static void task(const x64_regs *r, buf *b)
{
	buf_addf(b, "gdtr=%016llx   gdtl=%04x idtr=%016llx   idtl=%04x tr=%04x  ldtr=%04x\n",
		(unsigned long long)r->gdtr_base, r->gdtr_limit, (unsigned long long)r->idtr_base,
		r->idtr_limit, r->tr, r->ldtr);
}

void regs_format(cmd *c, const x64_regs *r, unsigned mask, buf *b)
{
	bool has_float = r->valid & X64_SET_FLOAT;
	if (mask & (RM_INT32 | RM_INT64)) {
		integers(r, b);
		flags(r, b);
	}
	if (mask & RM_SEGMENTS)
		segments(r, b);
	if (mask & RM_FLOAT && has_float)
		x87(r, b);
	if (mask & RM_MMX && has_float)
		mmx(r, b);
	if (mask & RM_XMM && has_float)
		xmm(r, b);
	if (mask & RM_XMM_INT && has_float)
		xmm_integers(r, b);
	if (mask & RM_DEBUG && r->valid & X64_SET_DEBUG)
		debug(c, r, b);
	if (mask & RM_CONTROL && r->valid & X64_SET_SPECIAL)
		control(r, b);
	if (mask & RM_TASK && r->valid & X64_SET_SPECIAL)
		task(r, b);
}
