/*
 * selector: dg: segment descriptors of the current processor's global descriptor table, in the
 * format of the processor's long mode (Intel SDM volume 3, chapters 3 and 7).
 */
#include "cmd/cmd.h"

#include "base/reader.h"

#include <stdio.h>

enum { SELECTORS_MAX = 256, SEL_TI = 4, SEL_RPL = 3, DESC_SYSTEM_BYTES = 16 };

/* Bits of a descriptor's second double word, shifted down by 8. */
enum { AT_TYPE = 0xf, AT_S = 0x10, AT_P = 0x80, AT_L = 0x2000, AT_DB = 0x4000, AT_G = 0x8000 };

static const char *type_text(uint32_t at, char *text, size_t n)
{
	static const char *const system[16] = {[2] = "LDT",
		[9] = "TSS64 Avl",
		[0xb] = "TSS64 Busy",
		[0xc] = "CallGate64",
		[0xe] = "IntGate64",
		[0xf] = "TrapGate64"};
	uint32_t type = at & AT_TYPE;
	if (!(at & AT_S))
		return system[type] ? system[type] : "<Reserved>";
	const char *access = type & 8 ? (type & 2 ? "RE" : "EO") : type & 2 ? "RW" : "RO";
	snprintf(text, n, "%s %s %s", type & 8 ? "Code" : "Data", access, type & 1 ? "Ac" : "  ");
	return text;
}

static err show_selector(cmd *c, const x64_regs *r, uint64_t sel)
{
	engine *e = c->e;
	uint8_t raw[DESC_SYSTEM_BYTES] = {0};
	char text[16];
	uint64_t index = sel & ~(uint64_t)(SEL_TI | SEL_RPL);
	if (sel & SEL_TI)
		return cmd_fail(c, ERR_UNSUPPORTED,
			"%04x lies in a local descriptor table, which NT for x64 does not use",
			(unsigned)sel);
	if (index + 7 > r->gdtr_limit) {
		out(e, "%04X Unable to get descriptor: the table ends at %04x\n", (unsigned)sel,
			r->gdtr_limit);
		return ERR_OK;
	}
	TRY(eng_read_all(e, r->gdtr_base + index, raw, 8, &c->d));
	uint32_t lo = le32(raw), hi = le32(raw + 4), at = hi >> 8;
	uint64_t base = lo >> 16 | (hi & 0xff) << 16 | (hi & 0xff000000);
	uint64_t limit = (lo & 0xffff) | (hi & 0xf0000);
	if (at & AT_G)
		limit = limit << 12 | 0xfff;
	/* System descriptors are twice as long: the base's upper half follows. */
	if (!(at & AT_S) && at & AT_TYPE && index + 15 <= r->gdtr_limit) {
		TRY(eng_read_all(e, r->gdtr_base + index + 8, raw + 8, 8, &c->d));
		base |= (uint64_t)le32(raw + 8) << 32;
	}
	out(e, "%04X %s %s %-10s %u %s %s %s %s %08x\n", (unsigned)sel, out_addr(e, base),
		out_addr(e, limit), type_text(at, text, sizeof text), at >> 5 & 3,
		at & AT_DB ? "Bg" : "Nb", at & AT_G ? "Pg" : "By", at & AT_P ? "P " : "NP",
		at & AT_L ? "Lo" : "Nl", (at & 0xff) | (at >> 4 & 0xf00));
	return ERR_OK;
}

static err cmd_dg(cmd *c, cmd_call *call)
{
	str rest = str_trim(call->args);
	uint64_t first, last;
	x64_regs r = {0};
	if (!rest.n)
		return cmd_fail(c, ERR_SYNTAX, "dg needs a selector");
	TRY(cmd_arg_expr(c, &rest, &first));
	last = first;
	if (rest.n)
		TRY(cmd_arg_expr(c, &rest, &last));
	TRY(cmd_arg_end(c, rest));
	if (first > 0xffff || last > 0xffff || last < first)
		return cmd_fail(
			c, ERR_ARG, "selectors are numbered 0 to ffff, the first one first");
	if ((last - first) / 8 >= SELECTORS_MAX)
		return cmd_fail(c, ERR_LIMIT, "at most 0x%x selectors can be shown", SELECTORS_MAX);
	TRY(eng_unit_regs(c->e, c->e->ctx.unit, X64_SET_SPECIAL, &r, &c->d));
	snprintf(c->memo.last_d, sizeof c->memo.last_d, "dg");
	out(c->e, "                                                    P Si Gr Pr Lo\n"
		  "Sel        Base              Limit          Type    l ze an es ng Flags\n"
		  "---- ----------------- ----------------- ---------- - -- -- -- -- --------\n");
	for (uint64_t sel = first; sel <= last; sel += 8) {
		TRY(show_selector(c, &r, sel));
		if (cancelled(&c->e->cancel))
			return ERR_CANCELLED;
	}
	return ERR_OK;
}

static const cmd_row rows[] = {
	{"dg", "dg FirstSelector [LastSelector]", "Display segment descriptors",
		"Shows the descriptors of the selectors in the current processor's global "
		"descriptor table: base, "
		"limit, type, privilege level, size (Bg big, Nb not), granularity (Pg pages, By "
		"bytes), presence, "
		"whether it is 64-bit code (Lo), and its attribute bits. At most 256 selectors.",
		CMD_KERNEL | CMD_TARGET, cmd_dg},
};

const cmd_family cmd_family_selector = {"Segment descriptors", rows, ARRAY_LEN(rows)};
