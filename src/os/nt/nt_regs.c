/*
 * nt_regs: saved registers of threads: the frame that the context switch leaves, and trap frames.
 *
 * KTHREAD.KernelStack of a thread that does not run points at _KSWITCH_FRAME; its last member,
 * Return, is where the switch was called from, and the stack above the frame is that caller's. From
 * there unwind data leads on, so the few registers that the frame holds are all that is needed.
 * Where symbols do not have that type, the return address into the switch's caller is looked for by
 * name.
 */
#include "os/nt/nt_int.h"

#include "base/reader.h"

enum {
	FRAME_MAX = 4096,
	KERNEL_CS = 0x10,
	KERNEL_SS = 0x18
}; /* KGDT64_R0_CODE, _R0_DATA (ReactOS NDK) */

static const struct {
	const char *name;
	uint8_t reg;
} gprs[] = {
	{"Rax", X64_RAX},
	{"Rcx", X64_RCX},
	{"Rdx", X64_RDX},
	{"Rbx", X64_RBX},
	{"Rbp", X64_RBP},
	{"Rsi", X64_RSI},
	{"Rdi", X64_RDI},
	{"R8", X64_R8},
	{"R9", X64_R9},
	{"R10", X64_R10},
	{"R11", X64_R11},
	{"R12", X64_R12},
	{"R13", X64_R13},
	{"R14", X64_R14},
	{"R15", X64_R15},
};

/* The whole structure in one read. */
static err read_frame(nt *n, const char *type, uint64_t addr, uint8_t *b, uint64_t *size, diag *d)
{
	TRY(nt_sizeof(n, type, size, d));
	if (*size > FRAME_MAX)
		return diag_set(d, ERR_CORRUPT, "nt!%s has %llu bytes: wrong symbols", type,
			(unsigned long long)*size);
	err e = nt_read(n, addr, b, *size, d);
	return e == ERR_OK ? e : diag_add(d, e, "nt!%s at %016llx", type, (unsigned long long)addr);
}

static bool pick(
	nt *n, const char *type, const char *path, const uint8_t *b, uint64_t size, uint64_t *ret)
{
	nt_off f;
	if (nt_field(n, type, path, &f, NULL) != ERR_OK || !f.size ||
		f.off + (uint64_t)f.size > size)
		return false;
	*ret = le_get(b + f.off, f.size);
	return true;
}

static void pick_gprs(nt *n, const char *type, const uint8_t *b, uint64_t size, x64_regs *r)
{
	for (size_t i = 0; i < ARRAY_LEN(gprs); i++)
		pick(n, type, gprs[i].name, b, size, &r->gpr[gprs[i].reg]);
}

static err no_field(const char *type, const char *path, diag *d)
{
	return diag_set(d, ERR_NOTFOUND,
		"nt!%s.%s is not known: check .sympath, then .reload /f nt", type, path);
}

/* Who calls the switch, or stands in for it on the stack of a thread that never ran. */
static bool is_switch_caller(sym_store *s, uint64_t v)
{
	static const char *const names[] = {"KiSwapContext", "KiThreadStartup", "KiStartUserThread",
		"KiStartSystemThread", "KxStartUserThread", "KxStartSystemThread"};
	sym f;
	uint64_t disp;
	if (!nt_kernel_addr(v) || !sym_mod_in(s, 0, v) || sym_at(s, v, &f, &disp) != ERR_OK ||
		!f.code)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_eq(f.name, str_of(names[i])))
			return true;
	return false;
}

/* No type for the frame: it ends with rbp and the return address, that much the code itself shows.
 */
static err regs_by_name(nt *n, uint64_t sp, x64_regs *r, diag *d)
{
	uint8_t b[0x100];
	TRY(nt_read(n, sp, b, sizeof b, d));
	for (size_t i = 8; i + 8 <= sizeof b; i += 8) {
		uint64_t v = le64(b + i);
		if (!is_switch_caller(n->base.host.syms, v))
			continue;
		r->rip = v;
		r->gpr[X64_RBP] = le64(b + i - 8);
		r->gpr[X64_RSP] = sp + i + 8;
		return ERR_OK;
	}
	return diag_set(d, ERR_NOTFOUND,
		"the saved registers at %016llx are not understood: nt!_KSWITCH_FRAME is not "
		"known, and no "
		"return into nt!KiSwapContext is there. Check .sympath, then .reload /f nt",
		(unsigned long long)sp);
}

static err switched_regs(nt *n, uint64_t thread, x64_regs *ret, diag *d)
{
	static const char type[] = "_KSWITCH_FRAME";
	uint8_t b[FRAME_MAX];
	uint64_t sp, size = 0, kt = nt_kthread_of(n, thread);
	x64_regs r = {0};
	TRY(nt_get(n, kt, "_KTHREAD", "KernelStack", &sp, d));
	if (!nt_kernel_addr(sp) || sp & 7)
		return diag_set(d, ERR_CORRUPT, "thread %016llx has no kernel stack (%016llx)",
			(unsigned long long)thread, (unsigned long long)sp);
	/* KernelStackResident 0: the stack itself may be paged out. */
	bool typed = nt_has(n, type, "Return");
	err e = typed ? read_frame(n, type, sp, b, &size, d) : regs_by_name(n, sp, &r, d);
	if (e == ERR_FAULT && !nt_get_or(n, kt, "_KTHREAD", "KernelStackResident", 1))
		return diag_set(d, e, "the kernel stack of thread %016llx is paged out",
			(unsigned long long)thread);
	if (e != ERR_OK)
		return e;
	if (typed) {
		if (!pick(n, type, "Return", b, size, &r.rip))
			return no_field(type, "Return", d);
		pick_gprs(n, type, b, size, &r);
		r.gpr[X64_RSP] = sp + size;
	}
	r.seg[X64_CS] = KERNEL_CS;
	r.seg[X64_SS] = KERNEL_SS;
	r.valid = X64_SET_CONTROL | X64_SET_INTEGER;
	*ret = r;
	return ERR_OK;
}

err nt_thread_regs(os *o, uint64_t thread, x64_regs *ret, diag *d)
{
	nt *n = (nt *)o;
	nt_units_fill(n);
	for (unit_t u = 0; u < n->n_units; u++)
		if (n->unit_thread[u] == thread) {
			x64_regs r = {0};
			TRY(tgt_regs_get(o->host.t, u, X64_SET_GENERAL, &r, d));
			*ret = r;
			return ERR_OK;
		}
	return switched_regs(n, thread, ret, d);
}

err nt_trap_regs(os *o, uint64_t addr, x64_regs *ret, diag *d)
{
	nt *n = (nt *)o;
	static const char type[] = "_KTRAP_FRAME";
	uint8_t b[FRAME_MAX];
	uint64_t size, v;
	x64_regs r = {0};
	TRY(read_frame(n, type, addr, b, &size, d));
	if (!pick(n, type, "Rip", b, size, &r.rip))
		return no_field(type, "Rip", d);
	if (!pick(n, type, "Rsp", b, size, &r.gpr[X64_RSP]))
		return no_field(type, "Rsp", d);
	pick_gprs(n, type, b, size, &r);
	if (pick(n, type, "EFlags", b, size, &v))
		r.eflags = (uint32_t)v;
	if (pick(n, type, "SegCs", b, size, &v))
		r.seg[X64_CS] = (uint16_t)v;
	if (pick(n, type, "SegSs", b, size, &v))
		r.seg[X64_SS] = (uint16_t)v;
	r.valid = X64_SET_CONTROL | X64_SET_INTEGER;
	*ret = r;
	return ERR_OK;
}
