/*
 * pcr: !pcr, !prcb, !irql, !idt: what belongs to one processor.
 */
#include "cmd/nt/ntc.h"

enum { IDT_MAX = 256, GATE = 16 };

static err take_unit(cmd *c, cmd_call *call, nt *n, unit_t dflt, unit_t *ret)
{
	str rest = call->args;
	uint64_t v = call->has_unit ? call->unit : dflt;
	if (rest.n)
		TRY(cmd_arg_expr(c, &rest, &v));
	TRY(cmd_arg_end(c, rest));
	if (v >= nt_units(n))
		return cmd_fail(c, ERR_NOTFOUND, "there is no processor %llu: the target has %u",
			(unsigned long long)v, nt_units(n));
	*ret = (unit_t)v;
	return ERR_OK;
}

static void line(cmd *c, const char *name, uint64_t v)
{
	out(c->e, "%27s: %016llx\n", name, (unsigned long long)v);
}

/* A line only if the build has the field. */
static void field(
	cmd *c, nt *n, uint64_t base, const char *type, const char *path, const char *name)
{
	uint64_t v;
	if (nt_get(n, base, type, path, &v, NULL) == ERR_OK)
		line(c, name, v);
}

static err do_pcr(cmd *c, cmd_call *call)
{
	static const char *const tib[] = {"ExceptionList", "StackBase", "StackLimit",
		"SubSystemTib", "Version", "ArbitraryUserPointer", "Self"};
	unit_t u;
	uint64_t pcr, prcb;
	nt *n;
	char name[64], path[64];
	TRY(ntc_get(c, &n));
	TRY(take_unit(c, call, n, c->e->ctx.unit, &u));
	TRY(nt_pcr(n, u, &pcr, &c->d));
	TRY(nt_prcb(n, u, &prcb, &c->d));
	out(c->e, "KPCR for Processor %u at %016llx:\n", u, (unsigned long long)pcr);
	out(c->e, "    Major %llu Minor %llu\n",
		(unsigned long long)nt_get_or(n, pcr, "_KPCR", "MajorVersion", 1),
		(unsigned long long)nt_get_or(n, pcr, "_KPCR", "MinorVersion", 1));
	for (size_t i = 0; i < ARRAY_LEN(tib); i++) {
		snprintf(name, sizeof name, "NtTib.%s",
			i == 6	 ? "SelfTib"
			: i == 5 ? "UserPointer"
				 : tib[i]);
		snprintf(path, sizeof path, "NtTib.%s", tib[i]);
		field(c, n, pcr, "_KPCR", path, name);
	}
	out(c->e, "\n");
	field(c, n, pcr, "_KPCR", "Self", "SelfPcr");
	line(c, "Prcb", prcb);
	field(c, n, pcr, "_KPCR", "Irql", "Irql");
	field(c, n, pcr, "_KPCR", "IdtBase", "IDT");
	field(c, n, pcr, "_KPCR", "GdtBase", "GDT");
	field(c, n, pcr, "_KPCR", "TssBase", "TSS");
	out(c->e, "\n");
	field(c, n, prcb, "_KPRCB", "CurrentThread", "CurrentThread");
	field(c, n, prcb, "_KPRCB", "NextThread", "NextThread");
	field(c, n, prcb, "_KPRCB", "IdleThread", "IdleThread");
	return ERR_OK;
}

static err do_prcb(cmd *c, cmd_call *call)
{
	unit_t u;
	uint64_t prcb, v;
	nt *n;
	static const char *const times[][2] = {{"DpcTime", "Dpc"}, {"InterruptTime", "Interrupt"},
		{"KernelTime", "Kernel"}, {"UserTime", "User"}};
	TRY(ntc_get(c, &n));
	TRY(take_unit(c, call, n, 0, &u));
	TRY(nt_prcb(n, u, &prcb, &c->d));
	out(c->e, "PRCB for Processor %u at %016llx:\n", u, (unsigned long long)prcb);
	out(c->e, "Current IRQL -- ");
	if (nt_get(n, prcb, "_KPRCB", "DebuggerSavedIRQL", &v, NULL) == ERR_OK)
		out(c->e, "%llu\n", (unsigned long long)v);
	else
		out(c->e, "not known\n");
	out(c->e, "Threads--  Current %016llx Next %016llx Idle %016llx\n",
		(unsigned long long)nt_get_or(n, prcb, "_KPRCB", "CurrentThread", 0),
		(unsigned long long)nt_get_or(n, prcb, "_KPRCB", "NextThread", 0),
		(unsigned long long)nt_get_or(n, prcb, "_KPRCB", "IdleThread", 0));
	out(c->e, "Processor Index %u Number (%llu, %llu) GroupSetMember %llx\n", u,
		(unsigned long long)nt_get_or(n, prcb, "_KPRCB", "Group", 0),
		(unsigned long long)nt_get_or(n, prcb, "_KPRCB", "Number", u),
		(unsigned long long)nt_get_or(
			n, prcb, "_KPRCB", "GroupSetMember", u < 64 ? 1ULL << u : 0));
	if (nt_get(n, prcb, "_KPRCB", "InterruptCount", &v, NULL) == ERR_OK)
		out(c->e, "Interrupt Count -- %08llx\n", (unsigned long long)v);
	bool any = false;
	for (size_t i = 0; i < ARRAY_LEN(times); i++)
		if (nt_get(n, prcb, "_KPRCB", times[i][0], &v, NULL) == ERR_OK) {
			out(c->e, "%s%-9s %08llx", any ? " " : "Times -- ", times[i][1],
				(unsigned long long)v);
			any = true;
		}
	if (any)
		out(c->e, "\n");
	return ERR_OK;
}

/* Names of wdm.h for x64; what lies between belongs to devices. */
static err do_irql(cmd *c, cmd_call *call)
{
	static const char *const names[] = {[0] = "LOW_LEVEL",
		[1] = "APC_LEVEL",
		[2] = "DISPATCH_LEVEL",
		[5] = "CMCI_LEVEL",
		[12] = "SYNCH_LEVEL",
		[13] = "CLOCK_LEVEL",
		[14] = "IPI_LEVEL",
		[15] = "HIGH_LEVEL"};
	unit_t u;
	uint64_t prcb, v;
	nt *n;
	TRY(ntc_get(c, &n));
	TRY(take_unit(c, call, n, c->e->ctx.unit, &u));
	TRY(nt_prcb(n, u, &prcb, &c->d));
	TRY(nt_get(n, prcb, "_KPRCB", "DebuggerSavedIRQL", &v, &c->d));
	out(c->e, "Debugger saved IRQL for processor 0x%x -- %llu", u, (unsigned long long)v);
	if (v < ARRAY_LEN(names) && names[v])
		out(c->e, " (%s)", names[v]);
	out(c->e, "\n");
	return ERR_OK;
}

/* ---- !idt ---- */

static err idt_of(cmd *c, nt *n, unit_t u, uint64_t *base, uint32_t *count)
{
	x64_regs r = {0};
	uint64_t pcr;
	if (eng_unit_regs(c->e, u, X64_SET_SPECIAL, &r, NULL) == ERR_OK && r.idtr_base) {
		*base = r.idtr_base;
		*count = (r.idtr_limit + 1u) / GATE;
	} else {
		TRY(nt_pcr(n, u, &pcr, &c->d));
		TRY(nt_get(n, pcr, "_KPCR", "IdtBase", base, &c->d));
		*count = IDT_MAX;
	}
	if (*count > IDT_MAX)
		*count = IDT_MAX;
	return ERR_OK;
}

/* The interrupt object of a vector; 0 if there is none or the build keeps them elsewhere. */
static uint64_t interrupt_object(nt *n, uint64_t prcb, uint32_t vector)
{
	nt_off f;
	uint64_t v;
	if (nt_field(n, "_KPRCB", "InterruptObject", &f, NULL) != ERR_OK ||
		(vector + 1) * 8 > f.whole ||
		nt_read_u64(n, prcb + f.off + 8 * vector, &v, NULL) != ERR_OK || !(v >> 47))
		return 0;
	return v;
}

static void show_vector(cmd *c, nt *n, uint64_t prcb, const uint8_t *g, uint32_t vector, bool all)
{
	/* Gate descriptor of 64-bit mode: Intel SDM vol. 3, figure 6-8. */
	uint64_t to = le16(g) | (uint64_t)le16(g + 6) << 16 | (uint64_t)le32(g + 8) << 32, v;
	buf b;
	if (!(g[5] & 0x80)) {
		if (all)
			out(c->e, "%02x:\tnot present\n", vector);
		return;
	}
	uint64_t object = interrupt_object(n, prcb, vector);
	if (object && nt_get(n, object, "_KINTERRUPT", "ServiceRoutine", &v, NULL) == ERR_OK &&
		v >> 47)
		to = v;
	buf_init(&b, 1024);
	ntc_symbol(c, to, &b);
	bool dull = !object && (str_find(buf_str(&b), STR("UnexpectedInterrupt")) != SIZE_MAX ||
				       str_find(buf_str(&b), STR("KiIsrThunk")) != SIZE_MAX);
	if (all || !dull) {
		out(c->e, "%02x:\t%016llx %s", vector, (unsigned long long)to, buf_z(&b));
		if (object)
			out(c->e, " (KINTERRUPT %016llx)", (unsigned long long)object);
		if (g[4] & 7)
			out(c->e, "\tStack: IST %u", g[4] & 7);
		out(c->e, "\n");
	}
	buf_deinit(&b);
}

static err do_idt(cmd *c, cmd_call *call)
{
	str rest = call->args, sw;
	bool all = false, one = false;
	uint64_t vector = 0, base, prcb;
	uint32_t count;
	uint8_t gates[IDT_MAX * GATE];
	size_t got = 0;
	unit_t u = call->has_unit ? call->unit : c->e->ctx.unit;
	nt *n;
	TRY(ntc_get(c, &n));
	while (cmd_arg_switch(&rest, "-/", &sw)) {
		if (!str_eq(sw, STR("a")))
			return cmd_syntax(c, call->args);
		all = true;
	}
	if (rest.n) {
		TRY(cmd_arg_expr(c, &rest, &vector));
		one = all = true;
	}
	TRY(cmd_arg_end(c, rest));
	TRY(idt_of(c, n, u, &base, &count));
	TRY(nt_prcb(n, u, &prcb, &c->d));
	if (one && vector >= count)
		return cmd_fail(c, ERR_ARG, "the table has %u entries", count);
	TRY(tgt_read(c->e->t, as_current(), base, gates, count * GATE, &got, &c->d));
	out(c->e, "Dumping IDT: %016llx\n\n", (unsigned long long)base);
	for (uint32_t i = 0; i < count && (i + 1) * GATE <= got; i++) {
		if (cancelled(&c->e->cancel))
			return cmd_fail(c, ERR_CANCELLED, "interrupted");
		if (!one || i == vector)
			show_vector(c, n, prcb, gates + (size_t)i * GATE, i, all);
	}
	return ERR_OK;
}

#define TARGET (CMD_KERNEL | CMD_TARGET | CMD_UNIT)

static const cmd_row rows[] = {
	{"!pcr", "!pcr [Processor]", "Show the processor control region",
		"The KPCR of Processor, by default the current one. dt nt!_KPCR shows all of it.",
		TARGET, do_pcr},
	{"!prcb", "!prcb [Processor]", "Show the processor control block",
		"The KPRCB of Processor, by default processor 0. dt nt!_KPRCB shows all of it.",
		TARGET, do_prcb},
	{"!irql", "!irql [Processor]", "Show the IRQL before the debugger stopped a processor",
		"What the kernel saved when it stopped, of Processor or the current one; !pcr "
		"shows "
		"the one of now.",
		TARGET, do_irql},
	{"!idt", "!idt [-a] [Vector]", "Show interrupt handlers",
		"Lists the interrupt descriptor table of the current processor: vector, handler, "
		"interrupt object. "
		"Vectors that lead to the system's handler for unexpected interrupts are left out "
		"unless -a is "
		"given. With Vector only that entry is shown.",
		TARGET, do_idt},
};

const cmd_family cmd_family_nt_pcr = {"Processor structures (NT)", rows, ARRAY_LEN(rows)};
