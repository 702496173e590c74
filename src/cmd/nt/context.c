/*
 * context: .process, .thread, .context, .cache, .pagein, .cxr, .trap, .exr, !session.
 *
 * Everything but /i and .pagein only changes what the debugger looks at. /i and .pagein write a
 * request into the kernel, which does it when the target runs next and breaks in by itself.
 */
#include "cmd/nt/ntc.h"

enum { PAGE = 4096 };

/* ---- .process and .thread ---- */

typedef struct ctx_switches {
	bool invasive, decode, reload, all, wow;
} ctx_switches;

static err take_switches(cmd *c, str *rest, const char *known, ctx_switches *ret)
{
	str sw;
	while (cmd_arg_switch(rest, "/-", &sw))
		for (size_t i = 0; i < sw.n; i++) {
			if (!strchr(known, sw.p[i]))
				return cmd_fail(c, ERR_SYNTAX, "unknown switch /%c", sw.p[i]);
			switch (sw.p[i]) {
			case 'i':
				ret->invasive = true;
				break;
			case 'p':
				ret->decode = true;
				break;
			case 'r':
				ret->reload = true;
				break;
			case 'P':
				ret->all = true;
				break;
			default:
				ret->wow = true;
			}
		}
	return ERR_OK;
}

static void said_wait(cmd *c)
{
	out(c->e, "You need to continue execution (press 'g' <enter>) for the context\n"
		  "to be switched. When the debugger breaks in again, you will be in\n"
		  "the new process context.\n");
}

/* What /p and /P do once the process is chosen. */
static err decode_views(cmd *c, uint64_t process, const ctx_switches *sw)
{
	engine *e = c->e;
	if (sw->all && process) {
		os_process p;
		TRY(os_process_get(e->os, process, &p, &c->d));
		e->ctx.system = os_space(&p, false);
		out(e, ".cache forcedecodeptes done\n");
	} else if (sw->decode && process) {
		out(e, ".cache forcedecodeuser done\n");
	} else if (sw->decode || sw->all) {
		e->ctx.system = as_current();
		out(e, ".cache noforcedecodeptes done\n");
	}
	if (!sw->reload || (!sw->decode && !sw->all))
		return ERR_OK;
	if (cmd_row_find(STR(".reload")))
		return ntc_run(c, ".reload", "/user");
	out(e, "Loading User Symbols\n");
	return eng_reload(e, false, true, &c->d);
}

static err do_process(cmd *c, cmd_call *call)
{
	str rest = call->args;
	ctx_switches sw = {0};
	uint64_t addr = 0, now;
	engine *e = c->e;
	nt *n;
	TRY(ntc_get(c, &n));
	TRY(take_switches(c, &rest, "iprP", &sw));
	if (rest.n)
		TRY(cmd_arg_expr(c, &rest, &addr));
	TRY(cmd_arg_end(c, rest));
	if (sw.invasive) {
		if (!e->caps.live)
			return cmd_fail(c, ERR_UNSUPPORTED, "/i needs a live target");
		TRY(os_make_current(e->os, addr, &c->d));
		if (addr) {
			said_wait(c);
			return ERR_OK;
		}
	}
	TRY(eng_ctx_process(e, addr, addr && (sw.decode || sw.all), &c->d));
	TRY(eng_process(e, &now, &c->d));
	out(e, "Implicit process is now %s\n", out_addr(e, now));
	/* The target's own view serves user addresses then: that of another process. */
	uint64_t running;
	if (addr && e->ctx.user.kind == AS_CURRENT && e->caps.live &&
		ntc_running_process(c, &running) == ERR_OK && running != addr)
		out_as(e, OUT_WARNING, "WARNING: .cache forcedecodeuser is not enabled\n");
	diag_clear(&c->d);
	return decode_views(c, addr, &sw);
}

static err do_thread(cmd *c, cmd_call *call)
{
	str rest = call->args;
	ctx_switches sw = {0};
	uint64_t addr = 0, now;
	engine *e = c->e;
	os_thread t;
	nt *n;
	TRY(ntc_get(c, &n));
	TRY(take_switches(c, &rest, "prPw", &sw));
	if (rest.n)
		TRY(cmd_arg_expr(c, &rest, &addr));
	TRY(cmd_arg_end(c, rest));
	if (sw.wow)
		return cmd_fail(c, ERR_UNSUPPORTED,
			"/w: 32-bit (WOW64) contexts are not there yet; the thread's 64-bit "
			"context is shown "
			"without it");
	if (addr)
		TRY(os_thread_get(e->os, addr, &t, &c->d));
	TRY(eng_ctx_thread(e, addr, addr && (sw.decode || sw.all), &c->d));
	if (!addr && (sw.decode || sw.all))
		TRY(eng_ctx_process(e, 0, false, &c->d));
	TRY(eng_thread(e, &now, &c->d));
	out(e, "Using context of thread %s\n", out_addr(e, addr ? addr : now));
	if (!sw.decode && !sw.all)
		return ERR_OK;
	if (addr)
		out(e, "Implicit process is now %s\n", out_addr(e, t.process));
	return decode_views(c, addr ? t.process : 0, &sw);
}

/* ---- .context, .cache ---- */

static err do_context(cmd *c, cmd_call *call)
{
	str rest = call->args;
	uint64_t base;
	engine *e = c->e;
	nt *n;
	TRY(ntc_get(c, &n));
	if (!rest.n) {
		if (e->ctx.user.kind == AS_ROOT) {
			base = e->ctx.user.id & ~0xfffULL;
		} else {
			os_process p;
			TRY(ntc_implicit_process(c, &p));
			base = os_space(&p, true).id;
		}
		out(e, "User-mode page directory base is %llx\n", (unsigned long long)base);
		return ERR_OK;
	}
	TRY(cmd_arg_expr(c, &rest, &base));
	TRY(cmd_arg_end(c, rest));
	if (!base) {
		e->ctx.user = as_current();
		e->ctx.decode = false;
		return ERR_OK;
	}
	if (base >> 52)
		return cmd_fail(
			c, ERR_ARG, "%llx is no physical address", (unsigned long long)base);
	/* Reads through it: the target itself never looks through another table for us. */
	uint8_t probe[8];
	size_t got = 0;
	TRY(eng_read_phys(e, base & ~0xfffULL, 0, probe, sizeof probe, &got, &c->d));
	e->ctx.user = as_root(base & ~0xfffULL);
	e->ctx.decode = true;
	return ERR_OK;
}

static void show_cache(cmd *c)
{
	bool all = c->e->ctx.system.kind == AS_ROOT, user = c->e->ctx.decode;
	tgt_cache now;
	size_t used;
	tgt_cache_get(c->e->t, &now, &used);
	out(c->e, "Max cache size is       : %zu bytes (0x%zx KB)%s\n", now.pages * PAGE,
		now.pages * (PAGE / 1024), now.pages ? "" : " - cache disabled");
	out(c->e, "Total memory in cache   : %zu bytes (0x%zx KB)\n", used * PAGE,
		used * (PAGE / 1024));
	out(c->e, "Cache is held           : %s\n",
		now.hold ? "yes: memory may be shown as it was before the target ran (hold)"
			 : "no (unhold)");
	out(c->e, "Decode transition PTEs  : %s\n",
		now.mapped_only ? "no (nodecodeptes)" : "yes (decodeptes)");
	out(c->e, "Force decode            : %s\n",
		all    ? "all addresses (forcedecodeptes)"
		: user ? "user addresses (forcedecodeuser)"
		       : "no");
}

static err force_decode(cmd *c, bool all)
{
	os_process p;
	engine *e = c->e;
	TRY(ntc_implicit_process(c, &p));
	if (!e->ctx.decode)
		TRY(eng_ctx_process(e, p.id_addr, true, &c->d));
	if (all)
		e->ctx.system = os_space(&p, false);
	out(e, all ? ".cache forcedecodeptes done\n" : ".cache forcedecodeuser done\n");
	return ERR_OK;
}

/* .cache SizeInKB; a size below one page still keeps one. */
static err cache_size(cmd *c, str *rest, tgt_cache *to)
{
	uint64_t kb;
	TRY(cmd_arg_expr(c, rest, &kb));
	TRY(cmd_arg_end(c, *rest));
	if (kb >> 40)
		return cmd_fail(
			c, ERR_ARG, "%llx KB is more than any machine has", (unsigned long long)kb);
	to->pages = (size_t)((kb + PAGE / 1024 - 1) / (PAGE / 1024));
	TRY(tgt_cache_set(c->e->t, to, &c->d));
	out(c->e, "Max cache size is       : %zu bytes (0x%zx KB)%s\n", to->pages * PAGE,
		to->pages * (PAGE / 1024), to->pages ? "" : " - cache disabled");
	return ERR_OK;
}

static err cache_option(cmd *c, str *rest, tgt_cache *to, bool *known)
{
	engine *e = c->e;
	*known = true;
	if (cmd_arg_word(rest, "hold")) {
		to->hold = true;
	} else if (cmd_arg_word(rest, "unhold")) {
		to->hold = false;
	} else if (cmd_arg_word(rest, "decodeptes")) {
		to->mapped_only = false;
	} else if (cmd_arg_word(rest, "nodecodeptes")) {
		to->mapped_only = true;
	} else if (cmd_arg_word(rest, "forcedecodeptes")) {
		return force_decode(c, true);
	} else if (cmd_arg_word(rest, "forcedecodeuser")) {
		return force_decode(c, false);
	} else if (cmd_arg_word(rest, "noforcedecodeptes") ||
		   cmd_arg_word(rest, "noforcedecodeuser")) {
		e->ctx.system = e->ctx.user = as_current();
		e->ctx.decode = false;
		out(e, ".cache noforcedecodeptes done\n");
		return ERR_OK;
	} else {
		*known = false;
		return ERR_OK;
	}
	TRY(cmd_arg_end(c, *rest));
	return tgt_cache_set(e->t, to, &c->d);
}

static err do_cache(cmd *c, cmd_call *call)
{
	str rest = call->args;
	tgt_cache to;
	size_t used;
	uint64_t v;
	bool known;
	nt *n;
	TRY(ntc_get(c, &n));
	if (!rest.n) {
		show_cache(c);
		return ERR_OK;
	}
	tgt_cache_get(c->e->t, &to, &used);
	TRY(cache_option(c, &rest, &to, &known));
	if (known)
		return cmd_arg_end(c, rest);
	if (cmd_arg_word(&rest, "flushall")) {
		tgt_cache_flush(c->e->t, TGT_FLUSH_ALL, 0);
	} else if (cmd_arg_word(&rest, "flushu")) {
		tgt_cache_flush(c->e->t, TGT_FLUSH_USER, 0);
	} else if (cmd_arg_word(&rest, "flush")) {
		TRY(cmd_arg_expr(c, &rest, &v));
		tgt_cache_flush(c->e->t, TGT_FLUSH_PAGE, v);
	} else {
		return cache_size(c, &rest, &to);
	}
	return cmd_arg_end(c, rest);
}

/* ---- .pagein ---- */

static err do_pagein(cmd *c, cmd_call *call)
{
	str rest = call->args, sw;
	uint64_t process = 0, addr;
	bool force = false;
	engine *e = c->e;
	nt *n;
	TRY(ntc_get(c, &n));
	while (cmd_arg_switch(&rest, "/-", &sw)) {
		if (str_eq(sw, STR("p")))
			TRY(cmd_arg_expr(c, &rest, &process));
		else if (str_eq(sw, STR("f")))
			force = true;
		else
			return cmd_syntax(c, call->args);
	}
	TRY(cmd_arg_expr(c, &rest, &addr));
	TRY(cmd_arg_end(c, rest));
	if (!eng_is_user(e, addr) && !force)
		return cmd_fail(c, ERR_ARG,
			"%016llx is a kernel address: most kernels page in user memory only; /f "
			"asks all the same",
			(unsigned long long)addr);
	/* Without /p the address is meant in the process that the views look at. */
	if (!process && eng_is_user(e, addr)) {
		uint64_t running, implicit;
		TRY(ntc_running_process(c, &running));
		TRY(eng_process(e, &implicit, &c->d));
		if (implicit != running)
			process = implicit;
	}
	TRY(os_page_in(e->os, process, addr, &c->d));
	out(e, "You need to continue execution (press 'g' <enter>) for the pagein to be brought "
	       "in.\n"
	       "When the debugger breaks in again, the page will be present.\n");
	return ERR_OK;
}

/* ---- .cxr, .trap, .exr ---- */

static err show_set_regs(cmd *c)
{
	return ntc_run(c, "r", "");
}

static err reset_regs(cmd *c)
{
	eng_ctx_reset_regs(c->e);
	out(c->e, "Resetting default scope\n");
	return ERR_OK;
}

/* Below the stack pointer of the current processor, where nothing lives, 16-byte aligned. */
static err write_context(cmd *c)
{
	uint8_t image[X64_CONTEXT_SIZE];
	x64_regs r = {0};
	engine *e = c->e;
	TRY(eng_regs(e, X64_SET_GENERAL | X64_SET_DEBUG | X64_SET_FLOAT, &r, &c->d));
	memset(image, 0, sizeof image);
	x64_context_put(&r, image);
	uint64_t at = (r.gpr[X64_RSP] - 0x1000 - X64_CONTEXT_SIZE) & ~15ULL;
	TRY(eng_write(e, at, image, sizeof image, &c->d));
	out(e, "Context written to %s\n", out_addr(e, at));
	return ERR_OK;
}

/* The registers at the last event's exception; in a dump that is the stored context. */
static err do_ecxr(cmd *c, cmd_call *call)
{
	engine *e = c->e;
	TRY(cmd_arg_end(c, call->args));
	if (!e->has_event || e->ev.kind != TGT_EV_EXCEPTION)
		return cmd_fail(c, ERR_STATE,
			"Unable to get exception context: the last event is no exception");
	eng_ctx_reset(e);
	return show_set_regs(c);
}

static err do_cxr(cmd *c, cmd_call *call)
{
	str rest = call->args, sw;
	uint64_t size = X64_CONTEXT_SIZE, addr = 0;
	uint8_t image[X64_CONTEXT_SIZE];
	x64_regs r = {0};
	engine *e = c->e;
	TRY(eng_accessible(e, &c->d));
	while (rest.n > 1 && !str_starts(rest, STR("-1")) && cmd_arg_switch(&rest, "/-", &sw)) {
		if (str_eq(sw, STR("w"))) {
			TRY(cmd_arg_end(c, rest));
			return write_context(c);
		}
		if (!str_eq(sw, STR("f")))
			return cmd_syntax(c, call->args);
		TRY(cmd_arg_expr(c, &rest, &size));
	}
	if (!rest.n)
		return reset_regs(c);
	TRY(cmd_arg_expr(c, &rest, &addr));
	TRY(cmd_arg_end(c, rest));
	if (addr == ~0ULL && e->mode == ENG_USER && !e->caps.live)
		return do_ecxr(c, &(cmd_call){.row = call->row});
	if (addr == ~0ULL)
		return cmd_fail(c, ERR_UNSUPPORTED,
			"-1 (the context of a dump) needs a dump file as target");
	if (!addr)
		return cmd_fail(c, ERR_ARG, "a context at address 0 is not supported");
	if (size != X64_CONTEXT_SIZE)
		return cmd_fail(c, ERR_ARG, "Unable to convert context to canonical form");
	TRY(eng_read_all(e, addr, image, sizeof image, &c->d));
	/* ContextFlags names the machine in bit 20 (CONTEXT_AMD64, winnt.h). */
	if (!(le32(image + 0x30) & 0x100000))
		out_as(e, OUT_WARNING,
			"*** The record's flags (%08x) do not say that it is an AMD64 context.\n",
			le32(image + 0x30));
	if (x64_context_get(&r, image, 0, sizeof image) != ERR_OK)
		return cmd_fail(c, ERR_CORRUPT, "Unable to convert context to canonical form");
	eng_ctx_regs(e, REGS_CXR, addr, &r);
	return show_set_regs(c);
}

static err do_trap(cmd *c, cmd_call *call)
{
	str rest = call->args;
	uint64_t addr;
	x64_regs r;
	engine *e = c->e;
	nt *n;
	TRY(ntc_get(c, &n));
	if (!rest.n) {
		eng_ctx_reset_regs(e);
		return ERR_OK;
	}
	TRY(cmd_arg_expr(c, &rest, &addr));
	TRY(cmd_arg_end(c, rest));
	if (!addr)
		return cmd_fail(c, ERR_ARG, "there is no trap frame at address 0");
	TRY(os_trap_regs(e->os, addr, &r, &c->d));
	eng_ctx_regs(e, REGS_TRAP, addr, &r);
	out(e, "NOTE: The trap frame does not contain all registers.\n"
	       "Some register values may be zeroed or incorrect.\n");
	return show_set_regs(c);
}

/* Public names of what drivers and programs meet most (ntstatus.h). */
static const struct {
	uint32_t code;
	const char *name;
} exceptions[] = {
	{0x40010005, "Control-C exception"},
	{0x40010006, "Debug print exception"},
	{0x80000001, "Guard page violation"},
	{0x80000002, "Data misaligned"},
	{0x80000003, "Break instruction exception"},
	{0x80000004, "Single step exception"},
	{0xc0000005, "Access violation"},
	{0xc0000006, "In-page I/O error"},
	{0xc000001d, "Illegal instruction"},
	{0xc0000025, "Non-continuable exception"},
	{0xc0000026, "Invalid disposition"},
	{0xc000008c, "Array bounds exceeded"},
	{0xc0000094, "Integer divide-by-zero"},
	{0xc0000095, "Integer overflow"},
	{0xc0000096, "Privileged instruction"},
	{0xc00000fd, "Stack overflow"},
	{0xc0000374, "Heap corruption"},
	{0xc0000409, "Security check failure or stack buffer overrun"},
	{0xc0000420, "Assertion failure"},
	{0xe06d7363, "C++ EH exception"},
};

static void show_exr(
	cmd *c, uint64_t address, uint32_t code, uint32_t flags, uint32_t n, const uint64_t *params)
{
	engine *e = c->e;
	buf b;
	buf_init(&b, 1024);
	buf_addf(&b, "ExceptionAddress: %s", out_addr(e, address));
	buf name;
	buf_init(&name, 512);
	if (sym_format(e->syms, address, &name))
		buf_addf(&b, " (%s)", buf_z(&name));
	buf_deinit(&name);
	out(e, "%s\n   ExceptionCode: %08x", buf_z(&b), code);
	buf_deinit(&b);
	for (size_t i = 0; i < ARRAY_LEN(exceptions); i++)
		if (exceptions[i].code == code)
			out(e, " (%s)", exceptions[i].name);
	if (code > TGT_SIGNAL_CODE && code < TGT_SIGNAL_CODE + 128) {
		const sx_filter *f = sx_find(e, (str){0}, code);
		const char *signal = f ? f->name : sx_real_time_name(code);
		out(e, " (%s)", signal ? signal : "Unknown signal");
	}
	out(e, "\n  ExceptionFlags: %08x\nNumberParameters: %u\n", flags, n);
	for (uint32_t i = 0; i < n && i < TGT_EXR_PARAMS; i++)
		out(e, "   Parameter[%u]: %016llx\n", i, (unsigned long long)params[i]);
	if (code == 0xc0000005 && n >= 2)
		out(e, "Attempt to %s address %016llx\n",
			params[0] == 8 ? "execute non-executable"
			: params[0]    ? "write to"
				       : "read from",
			(unsigned long long)params[1]);
}

static err do_exr(cmd *c, cmd_call *call)
{
	str rest = call->args;
	uint64_t addr, params[TGT_EXR_PARAMS];
	uint8_t b[32 + 8 * TGT_EXR_PARAMS];
	engine *e = c->e;
	TRY(eng_accessible(e, &c->d));
	TRY(cmd_arg_expr(c, &rest, &addr));
	TRY(cmd_arg_end(c, rest));
	if (addr == ~0ULL) {
		if (!e->has_event || e->ev.kind != TGT_EV_EXCEPTION)
			return cmd_fail(c, ERR_NOTFOUND, "Last event was not an exception");
		show_exr(c, e->ev.exr_address, e->ev.code, e->ev.flags, e->ev.n_params,
			e->ev.params);
		return ERR_OK;
	}
	/* EXCEPTION_RECORD of 64-bit code (winnt.h): code, flags, next, address, count, parameters.
	 */
	TRY(eng_read_all(e, addr, b, 32, &c->d));
	uint32_t n = le32(b + 24);
	if (n > TGT_EXR_PARAMS) {
		out_as(e, OUT_WARNING,
			"*** %u parameters: this does not look like an exception record\n", n);
		n = 0;
	}
	if (n)
		TRY(eng_read_all(e, addr + 32, b + 32, 8 * n, &c->d));
	for (uint32_t i = 0; i < n; i++)
		params[i] = le64(b + 32 + 8 * i);
	show_exr(c, le64(b + 16), le32(b), le32(b + 4), n, params);
	return ERR_OK;
}

/* ---- !session ---- */

static err list_sessions(cmd *c)
{
	ntc_addrs v = {0};
	VEC(uint32_t) ids = {0};
	diag why;
	err e = ntc_processes(c, &v, &why);
	for (size_t i = 0; i < v.n && e == ERR_OK; i++) {
		os_process p;
		bool known = false;
		if (os_process_get(c->e->os, v.p[i], &p, NULL) != ERR_OK || !p.peb ||
			p.session >= OS_SESSION_UNKNOWN)
			continue;
		for (size_t j = 0; j < ids.n; j++)
			known |= ids.p[j] == p.session;
		if (!known)
			vec_push(&ids, p.session);
	}
	if (e == ERR_OK) {
		out(c->e, "Sessions on machine: %zu\n", ids.n);
		out(c->e, "Valid Sessions:");
		for (size_t j = 0; j < ids.n; j++)
			out(c->e, " %u", ids.p[j]);
		out(c->e, "\n");
		os_process now;
		char text[16];
		if (ntc_implicit_process(c, &now) == ERR_OK) {
			ntc_session_text(now.session, text);
			out(c->e, "Current Session %s\n", text);
		}
		ntc_note(c, "", &why);
	}
	vec_deinit(&ids);
	vec_deinit(&v);
	return e;
}

typedef struct by_session {
	uint32_t id;
	uint64_t found;
} by_session;

static bool in_session(void *u, const os_process *p)
{
	by_session *b = u;
	if (p->peb && p->session == b->id)
		b->found = p->id_addr;
	return !b->found;
}

static err do_session(cmd *c, cmd_call *call)
{
	str rest = call->args, sw;
	uint64_t v;
	by_session b = {0};
	engine *e = c->e;
	nt *n;
	TRY(ntc_get(c, &n));
	if (!rest.n)
		return list_sessions(c);
	if (!cmd_arg_switch(&rest, "-/", &sw) || !str_eq(sw, STR("s")))
		return cmd_syntax(c, call->args);
	TRY(cmd_arg_expr(c, &rest, &v));
	TRY(cmd_arg_end(c, rest));
	if (v == ~0ULL) {
		os_process p;
		uint64_t addr;
		TRY(ntc_running_process(c, &addr));
		TRY(os_process_get(e->os, addr, &p, &c->d));
		if (p.session >= OS_SESSION_UNKNOWN)
			return cmd_fail(
				c, ERR_NOTFOUND, "%s is in no session that is known", p.image);
		v = p.session;
	}
	b.id = (uint32_t)v;
	err r = os_process_each(e->os, in_session, &b, &c->d);
	if (!b.found)
		return r != ERR_OK ? r : cmd_fail(c, ERR_NOTFOUND, "there is no session %u", b.id);
	TRY(eng_ctx_process(e, b.found, true, &c->d));
	out(e, "Using session %u\nImplicit process is now %s\n", b.id, out_addr(e, b.found));
	return decode_views(c, b.found, &(ctx_switches){.all = true});
}

#define TARGET (CMD_KERNEL | CMD_TARGET)

static const cmd_row rows[] = {
	{".process", ".process [/i] [/p [/r]] [/P] [Process]", "Set the process context",
		"Chooses the process whose user memory and user modules commands look at. Only the "
		"debugger's "
		"view changes: the processor stays in the process that it is in (!process -1 0), "
		"and a "
		"breakpoint set on a user address goes, on g, into that one.\n\n"
		"  /p   read user addresses through the page tables of Process (on a live target "
		"they would "
		"otherwise be read in the process that runs)\n"
		"  /r   with /p: load the list of its user modules, as .reload /user\n"
		"  /P   as /p, for system addresses too\n"
		"  /i   have the system itself switch: use g then, and the target breaks in by "
		"itself with "
		"Process current. A breakpoint set after that goes into Process.\n\n"
		"Process is the address of an EPROCESS (!process 0 0 lists them). 0 or nothing "
		"goes back to the "
		"process of the current state; with /i it takes a switch back that was not done "
		"yet. The view "
		"lasts until the target runs.\n\n"
		"  .process /p /r ffffcb0889053080\n  .process /i ffffcb0889053080; g",
		TARGET, do_process},
	{".thread", ".thread [/p [/r]] [/P] [/w] [Thread]", "Set the register context to a thread",
		"Shows registers and stack of a thread that does not run now, as they were saved "
		"when it was "
		"switched away; only those that the system keeps are right. Thread is the address "
		"of an "
		"ETHREAD; 0 or nothing goes back to the current thread. /p, /r and /P work as for "
		".process, on "
		"the process that owns the thread. The registers cannot be changed, and the "
		"current thread "
		"stays what it is. Lasts until the target runs, or .thread, .cxr or .trap.",
		TARGET, do_thread},
	{".context", ".context [PageDirectoryBase]",
		"Set or show the page directory for user addresses",
		"PageDirectoryBase is the physical address of the top page table (DirBase of "
		"!process). 0 goes "
		"back to the one that the processor uses. Kernel addresses are not affected.",
		TARGET, do_context},
	{".cache", ".cache [Size | Option]", "Size and behaviour of the memory cache",
		"Without an argument: size and settings. Size is in KB (0: nothing is kept from "
		"one "
		"read to "
		"the next; the default is 0x4000, 16 MB). What was read is forgotten when the "
		"target runs or is written to. Options:\n"
		"  hold, unhold             keep what was read while the target runs: d*, u, k and "
		"expressions may\n"
		"                           then show old memory until it is flushed (default "
		"unhold)\n"
		"  decodeptes, nodecodeptes look for pages that are in transition or shared by a "
		"prototype, or not\n"
		"                           (default decodeptes)\n"
		"  forcedecodeuser          read user addresses through the page tables of the "
		"current process\n"
		"                           context\n"
		"  forcedecodeptes          read all addresses that way\n"
		"  noforcedecodeptes        neither (default)\n"
		"  flushall                 forget everything\n"
		"  flushu                   forget user-mode memory and what could not be read\n"
		"  flush Address            forget the 4096 bytes around Address\n"
		"The forcedecode options last until the target runs.",
		TARGET | CMD_LIVE, do_cache},
	{".pagein", ".pagein [/p Process] [/f] Address", "Have the system page in memory",
		"The system itself reads the page at Address in when the target runs: use g, and "
		"it breaks in "
		"again when it is done, with Process current if it was given. A page that is there "
		"already, or "
		"an address that is not valid, just breaks in again. /f asks for kernel addresses "
		"too, which "
		"most kernels refuse.",
		TARGET | CMD_LIVE, do_pagein},
	{".cxr", ".cxr [/f Size] [/w] [Address]", "Show a context record and use its registers",
		"Address is a CONTEXT in the target's memory, -1 that of a core (.ecxr). Without "
		"one the register context "
		"goes back to the "
		"processor's. /w writes the current registers to memory below the stack and prints "
		"where. "
		"Lasts until the target runs, or .thread, .cxr or .trap.",
		CMD_ANY | CMD_TARGET, do_cxr},
	{".ecxr", ".ecxr", "Show and use the registers at the exception",
		"Makes the thread of the last event's exception, with its registers there, the "
		"context of what follows. In a core that is what the core was written for.",
		CMD_USER | CMD_TARGET, do_ecxr},
	{".excr", ".excr", "Show and use the registers at the exception", "The same as .ecxr.",
		CMD_USER | CMD_TARGET, do_ecxr},
	{".trap", ".trap [Address]", "Show a trap frame and use its registers",
		"Address is a KTRAP_FRAME (!thread, kv). Without one the register context goes "
		"back to the "
		"processor's, and nothing is shown.",
		TARGET, do_trap},
	{".exr", ".exr Address | -1", "Show an exception record",
		"Address is an EXCEPTION_RECORD in the target's memory; -1 is the exception of the "
		"last event.",
		CMD_ANY | CMD_TARGET, do_exr},
	{"!session", "!session [-s Session]", "List sessions or set the session context",
		"-s makes a process of that session the process context and reads all addresses "
		"through its page "
		"tables (.cache forcedecodeptes), so that session memory is the session's. -1 is "
		"the session of "
		"the process that runs.",
		TARGET, do_session},
};

const cmd_family cmd_family_nt_context = {"Process and register contexts", rows, ARRAY_LEN(rows)};
