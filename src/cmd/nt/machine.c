/*
 * machine: vertarget, .bugcheck, .reboot, .crash, .kill: the target as a whole.
 */
#include "cmd/nt/ntc.h"

static err do_vertarget(cmd *c, cmd_call *call)
{
	buf b;
	TRY(cmd_arg_end(c, call->args));
	TRY(eng_accessible(c->e, &c->d));
	buf_init(&b, 0);
	err e = os_version(c->e->os, &b, &c->d);
	if (e == ERR_OK)
		out_str(c->e, OUT_NORMAL, buf_str(&b));
	buf_deinit(&b);
	return e;
}

static err do_bugcheck(cmd *c, cmd_call *call)
{
	uint32_t code = 0;
	uint64_t p[4] = {0};
	TRY(cmd_arg_end(c, call->args));
	err e = os_bugcheck(c->e->os, &code, p, &c->d);
	if (e != ERR_OK && e != ERR_NOTFOUND)
		return e;
	if (e == ERR_NOTFOUND && !str_starts(str_of(c->d.text), STR("there was no bug check")))
		return e;
	diag_clear(&c->d);
	out(c->e, "Bugcheck code %08X\n", code);
	out(c->e, "Arguments");
	for (int i = 0; i < 4; i++)
		out(c->e, " %s", out_addr(c->e, p[i]));
	out(c->e, "\n");
	return ERR_OK;
}

/* The target went off by itself: the next wait looks for what it sends. */
static void runs_now(engine *e)
{
	e->exec = (eng_exec){.status = ST_GO};
	e->plan_active_exec = e->exec;
	e->status = ST_GO;
	e->running = true;
}

static err not_inside(cmd *c)
{
	return c->e->inside_wait
		       ? cmd_fail(c, ERR_STATE,
				 "not possible in the command list of a breakpoint or event")
		       : ERR_OK;
}

static err do_reboot(cmd *c, cmd_call *call)
{
	TRY(cmd_arg_end(c, call->args));
	TRY(not_inside(c));
	TRY(tgt_ctl(c->e->t, TGT_CTL_REBOOT, 0, &c->d));
	out(c->e, "The target reboots. Breakpoints by address are forgotten once it is back.\n");
	runs_now(c->e);
	return ERR_OK;
}

enum { MANUALLY_INITIATED_CRASH = 0xe2 }; /* bug check reference */

/* The kernel's own routine, called in place of what the processor was doing: works on kernels that
 * do not serve the request, and leaves a proper bug check. */
static err call_bugcheck(cmd *c, uint64_t fn)
{
	engine *e = c->e;
	x64_regs r = {0};
	uint8_t frame[0x30];
	TRY(eng_unit_regs(
		e, e->ev.unit, X64_SET_CONTROL | X64_SET_INTEGER | X64_SET_SEGMENTS, &r, &c->d));
	if (r.seg[X64_CS] & 3)
		return cmd_fail(c, ERR_UNSUPPORTED, "user code");
	/* As after a call: rsp + 8 on a 16-byte boundary, home space and the fifth argument above.
	 */
	uint64_t sp = ((r.gpr[X64_RSP] - 0x100) & ~15ULL) - 8;
	memset(frame, 0, sizeof frame);
	TRY(tgt_write(e->t, as_current(), sp, frame, sizeof frame, &(size_t){0}, &c->d));
	r.gpr[X64_RSP] = sp;
	r.gpr[X64_RCX] = MANUALLY_INITIATED_CRASH;
	r.gpr[X64_RDX] = r.gpr[X64_R8] = r.gpr[X64_R9] = 0;
	r.rip = fn;
	TRY(eng_regs_write(e, X64_SET_CONTROL | X64_SET_INTEGER, &r, &c->d));
	return eng_exec_set(e, &(eng_exec){.status = ST_GO}, &c->d);
}

static err do_crash(cmd *c, cmd_call *call)
{
	engine *e = c->e;
	uint64_t fn;
	uint32_t code;
	uint64_t params[4];
	TRY(cmd_arg_end(c, call->args));
	TRY(not_inside(c));
	if (os_bugcheck(e->os, &code, params, NULL) == ERR_OK)
		return cmd_fail(c, ERR_STATE,
			"the target is in a bug check already (%08X): use g to let it go on with "
			"it",
			code);
	eng_ctx_reset(e);
	if (os_global(e->os, STR("KeBugCheckEx"), &fn, NULL) == ERR_OK &&
		call_bugcheck(c, fn) == ERR_OK)
		return ERR_OK;
	diag_clear(&c->d);
	TRY(tgt_ctl(e->t, TGT_CTL_CRASH, MANUALLY_INITIATED_CRASH, &c->d));
	runs_now(e);
	return ERR_OK;
}

err ntc_kill(cmd *c, cmd_call *call)
{
	str rest = call->args;
	uint64_t addr = 0;
	os_process p;
	nt *n;
	TRY(ntc_get(c, &n));
	if (rest.n)
		TRY(cmd_arg_expr(c, &rest, &addr));
	TRY(cmd_arg_end(c, rest));
	if (!addr)
		TRY(ntc_running_process(c, &addr));
	TRY(os_process_get(c->e->os, addr, &p, &c->d));
	TRY(os_kill(c->e->os, addr, &c->d));
	out(c->e, "%s (process %s) ends when the target runs next: use g.\n", p.image,
		out_addr(c->e, addr));
	return ERR_OK;
}

/* ---- !dbgprint ---- */

enum { PRINT_MAX = 16 << 20, PRINT_STEP = 4096 };

typedef struct print_ring {
	uint64_t base, size, write;
	uint64_t rolled; /* times that writing began anew */
} print_ring;

/* What KDDEBUGGER_DATA64 names at `name`, read; the block has addresses of variables there. */
static err behind(nt *n, const char *name, size_t size, uint64_t *ret, diag *d)
{
	uint64_t at;
	uint8_t b[8] = {0};
	TRY(nt_kd_value(n, str_of(name), &at, d));
	if (!at)
		return diag_set(d, ERR_NOTFOUND, "the kernel does not say where %s is", name);
	TRY(nt_read(n, at, b, size, d));
	*ret = le64(b);
	return ERR_OK;
}

/* The size can be changed at boot; older kernels have the one static buffer (wdbgexts.h). */
static err find_ring(nt *n, print_ring *ret, diag *d)
{
	print_ring r = {0};
	uint64_t end;
	if (behind(n, "KdPrintCircularBufferPtr", 8, &r.base, NULL) != ERR_OK ||
		behind(n, "KdPrintBufferSize", 4, &r.size, NULL) != ERR_OK || !r.base || !r.size) {
		TRY(nt_kd_value(n, STR("KdPrintCircularBuffer"), &r.base, d));
		TRY(nt_kd_value(n, STR("KdPrintCircularBufferEnd"), &end, d));
		r.size = end - r.base;
	}
	TRY(behind(n, "KdPrintWritePointer", 8, &r.write, d));
	TRY(behind(n, "KdPrintRolloverCount", 4, &r.rolled, d));
	if (!r.base || !r.size || r.size > PRINT_MAX || r.write - r.base > r.size)
		return diag_set(d, ERR_CORRUPT,
			"the print buffer is damaged: %llx bytes at %016llx, written up to %016llx",
			(unsigned long long)r.size, (unsigned long long)r.base,
			(unsigned long long)r.write);
	*ret = r;
	return ERR_OK;
}

static err show_printed(cmd *c, nt *n, uint64_t at, uint64_t size)
{
	while (size) {
		char text[PRINT_STEP];
		size_t part = size < sizeof text ? (size_t)size : sizeof text, k = 0;
		if (cancelled(&c->e->cancel))
			return cmd_fail(c, ERR_CANCELLED, "interrupted");
		TRY(nt_read(n, at, text, part, &c->d));
		for (size_t i = 0; i < part; i++)
			if (text[i] == '\n' || text[i] == '\t' ||
				(text[i] >= 0x20 && text[i] < 0x7f))
				text[k++] = text[i];
			else if (text[i] && text[i] != '\r')
				text[k++] = '.';
		out_str(c->e, OUT_NORMAL, (str){text, k});
		at += part;
		size -= part;
	}
	return ERR_OK;
}

static err do_dbgprint(cmd *c, cmd_call *call)
{
	print_ring r = {0};
	nt *n;
	TRY(ntc_get(c, &n));
	TRY(cmd_arg_end(c, call->args));
	TRY(find_ring(n, &r, &c->d));
	if (r.rolled)
		TRY(show_printed(c, n, r.write, r.base + r.size - r.write));
	TRY(show_printed(c, n, r.base, r.write - r.base));
	out(c->e, "\n");
	return ERR_OK;
}

static const cmd_row rows[] = {
	{"!dbgprint", "!dbgprint", "Show what the target printed lately",
		"The kernel's own buffer of DbgPrint text, oldest first, also of what was printed "
		"before this session.",
		CMD_KERNEL | CMD_TARGET, do_dbgprint},
	{"vertarget", "vertarget", "Show the version of the target system", NULL,
		CMD_ANY | CMD_TARGET, do_vertarget},
	{".bugcheck", ".bugcheck", "Show the data of a bug check",
		"Code and four arguments, all zero if there was none.", CMD_KERNEL | CMD_TARGET,
		do_bugcheck},
	{".reboot", ".reboot", "Restart the target machine",
		"The connection is taken up again when the system reaches its debugger. "
		"Breakpoints by address "
		"are forgotten, those by name (bu) stay.",
		CMD_KERNEL | CMD_TARGET | CMD_LIVE | CMD_RUN | CMD_NOREPEAT, do_reboot},
	{".crash", ".crash", "Make the target issue a bug check",
		"Bug check E2, MANUALLY_INITIATED_CRASH, at once. In a bug check already, use g "
		"instead.",
		CMD_KERNEL | CMD_TARGET | CMD_LIVE | CMD_RUN | CMD_NOREPEAT, do_crash},
};

const cmd_family cmd_family_nt_machine = {"The target machine", rows, ARRAY_LEN(rows)};
