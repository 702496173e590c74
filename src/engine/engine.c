/*
 * engine: the session - attach, the first look at a target, what a stop shows, the end. The loop
 * that runs the target is in wait.c.
 */
#include "engine/cxxenv.h"
#include "engine/internal.h"
#include "engine/track.h"
#include "fmt/elfcore.h"

#include <stdio.h>
#include <time.h>

/* ---- what the symbol room asks for ---- */

static err host_read(void *u, sym_space space, uint64_t addr, void *p, size_t n, size_t *n_ret)
{
	engine *e = u;
	os_process proc;

	if (!e->t)
		return ERR_STATE;
	if (e->caps.threads)
		return tgt_read(
			e->t, as_process(space ? space : e->ctx.process), addr, p, n, n_ret, NULL);
	if (!space || space == e->ctx.process)
		return tgt_read(e->t, eng_space(e, addr), addr, p, n, n_ret, NULL);
	TRY(os_process_get(e->os, space, &proc, NULL));
	return tgt_read(e->t, os_space(&proc, true), addr, p, n, n_ret, NULL);
}

static void host_note(void *u, bool noisy, str line)
{
	out_as((engine *)u, noisy ? OUT_SYMBOLS : OUT_WARNING, "%.*s\n", STR_ARG(line));
}

static void host_progress(void *u, str what, uint64_t done, uint64_t total)
{
	if (total)
		out_as((engine *)u, OUT_STATUS, "\r%.*s: %llu of %llu KB", STR_ARG(what),
			(unsigned long long)(done >> 10), (unsigned long long)(total >> 10));
	else
		out_as((engine *)u, OUT_STATUS, "\r%.*s: %llu KB", STR_ARG(what),
			(unsigned long long)(done >> 10));
}

static void host_warn(void *u, str line)
{
	out_as((engine *)u, OUT_WARNING, "%.*s\n", STR_ARG(line));
}

/* ---- life ---- */

static void defaults(engine *e)
{
	e->radix = 16;
	e->ptr_size = 8;
	e->reg_mask = 2 | 8; /* 64-bit integers, segments */
	e->kframes = 256;
	e->show_disasm = e->show_symbol = e->show_source = e->show_ea = true;
	e->out_mask = OUT_DEFAULT;
	e->refuse_mid_insn = true;
	e->echo_cpu = true;
	e->status = ST_NO_DEBUGGEE;
	e->n_units = 1;
}

static err host_tls(void *u, uint64_t base, uint64_t own, uint64_t *ret, diag *d)
{
	engine *e = u;
	x64_regs r = {0};
	if (!e->t || !e->caps.threads || !e->os)
		return diag_set(
			d, ERR_UNSUPPORTED, "this target has no threads with such variables");
	TRY(tgt_regs_get(e->t, e->ctx.unit, X64_SET_BASES, &r, d));
	if (!r.fs_base)
		return diag_set(d, ERR_STATE, "the thread has not set its thread pointer yet");
	if (own) {
		*ret = r.fs_base - own;
		return ERR_OK;
	}
	return os_tls_block(e->os, e->ctx.process, base, r.fs_base, ret, d);
}

static err host_file(void *u, sym_space space, uint64_t base, unsigned i, buf *ret)
{
	return os_file_at(((engine *)u)->os, space, base, i, ret);
}

engine *eng_create(void)
{
	engine *e = mem_alloc(sizeof *e);
	sym_host host = {e, host_read, host_note, host_progress, &e->cancel, host_tls, host_file};

	defaults(e);
	arena_init(&e->session);
	arena_init(&e->stop);
	e->outs = out_state_create();
	e->bps = bp_table_create();
	e->filters = filters_create();
	e->procs = procs_create();
	e->plan = plan_create();
	e->track = track_create();
	e->insns = insn_cache_create();
	e->syms = sym_store_create(&host);
	return e;
}

void eng_destroy(engine *e)
{
	if (!e)
		return;
	eng_end(e, TGT_ABANDON);
	bp_table_destroy(e);
	procs_destroy(e);
	launch_forget(e);
	filters_destroy(e->filters);
	plan_destroy(e->plan);
	track_destroy(e->track);
	insn_cache_destroy(e->insns);
	cxx_state_destroy(e);
	sym_store_destroy(e->syms);
	out_state_destroy(e->outs);
	arena_deinit(&e->stop);
	arena_deinit(&e->session);
	mem_free(e->exec_command);
	mem_free(e->workspace);
	mem_free(e);
}

void eng_notice_send(engine *e, eng_notice_kind kind, uint64_t arg)
{
	if (e->hooks.notice)
		(void)e->hooks.notice(
			e->hooks.u, &(eng_notice){.kind = kind, .ev = &e->ev, .arg = arg});
}

err eng_attach(engine *e, tgt *t, eng_mode mode, diag *d)
{
	if (e->t)
		return diag_set(d, ERR_STATE, "a target is attached already; .detach or q first");
	e->t = t;
	e->mode = mode;
	tgt_caps_get(t, &e->caps);
	e->has_event = false;
	e->exited = false;
	if (mode == ENG_USER)
		filters_user(e);
	e->status = ST_GO; /* accessible only after the first event */
	e->exec = (eng_exec){.status = ST_GO};
	return ERR_OK;
}

/* What a backend asks of its owner. */
static void trace_line(void *u, str line)
{
	out_as((engine *)u, OUT_STATUS, "%.*s\n", STR_ARG(line));
}

static bool file_map(void *u, str target_path, char *host_path, size_t cap)
{
	engine *e = u;
	return e->file_map && e->file_map(e->file_map_u, target_path, host_path, cap);
}

err eng_attach_kernel(engine *e, str options, diag *d)
{
	tgt_host host = {e, &e->cancel, &e->abandon, trace_line, file_map};
	kd_open_opts opts = {.initial_break = e->initial_break, .reclaim = 1};
	tgt *t;

	if (e->t)
		return diag_set(d, ERR_STATE, "a target is attached already; .detach or q first");
	e->connect_options = str_dup(&e->session, options);
	TRY(kd_open(options, &opts, &host, &t, d));
	return eng_attach(e, t, ENG_KERNEL, d);
}

err eng_open_user(engine *e, tgt **ret, diag *d)
{
	tgt_host host = {e, &e->cancel, &e->abandon, trace_line, NULL};
	return ptrace_open(&host, ret, d);
}

err eng_open_image(engine *e, const char *path, diag *d)
{
	tgt_host host = {e, &e->cancel, &e->abandon, trace_line, NULL};
	tgt *t;

	sys_map file;
	TRY(sys_map_open(path, &file, d));
	bool core = elfcore_is(file.p, file.n);
	sys_map_close(&file);
	if (core)
		TRY(core_open(path, &host, &t, d));
	else
		TRY(image_open(path, &host, &t, d));
	e->connect_options = str_dup(&e->session, str_of(path));
	return eng_attach(e, t, core ? ENG_USER : ENG_IMAGE, d);
}

/* Only what was started from here ends with the session. */
static void spare_attached(engine *e)
{
	const eng_proc *p;
	for (size_t i = 0; (p = eng_proc_nth(e, i)); i++)
		if (p->how == PROC_ATTACHED || (p->how == PROC_CHILD && !e->launch)) {
			sites_disarm(e);
			(void)!tgt_process_part(e->t, p->pid, TGT_DETACH, NULL);
		}
}

void eng_end(engine *e, tgt_leave how)
{
	bool clean = false; /* nothing of ours is in the target afterwards */
	if (!e->t)
		return;
	tgt_leave_begin(e->t);
	atomic_store(&e->leaving, true);
	if (how != TGT_ABANDON)
		(void)!tgt_halt(e->t, NULL); /* traps are taken out below */
	if (how == TGT_KILL)
		spare_attached(e);
	if (how == TGT_DETACH || how == TGT_LEAVE)
		calls_leave(e, 0);
	calls_destroy(e);
	if (how != TGT_ABANDON) {
		size_t n;
		plan_end(e);
		sites_disarm(e);
		/* Bytes that !ubp planted are in nobody's table but the journal. */
		if (e->mode == ENG_KERNEL && e->status == ST_BREAK)
			clean = journal_repair(e, &n, NULL) == ERR_OK && how == TGT_DETACH;
	} else {
		sites_void(e);
		plan_end(e);
	}
	tgt *t = e->t;
	e->t = NULL;
	size_t left = tgt_close(t, how);
	atomic_store(&e->leaving, false);
	if (atomic_exchange(&e->abandon.flag, false)) {
		clean = false;
		out_as(e, OUT_WARNING,
			"Abandoned: what was not taken out of the target yet stays in it, and is "
			"reclaimed by the next session.\n");
	} else if (left) {
		clean = false;
		out_as(e, OUT_WARNING,
			"The target does not answer: %zu breakpoint%s could not be taken out and "
			"stay%s in it, to be reclaimed by the next session.\n",
			left, left == 1 ? "" : "s", left == 1 ? "s" : "");
	}
	if (clean)
		journal_forget(e);
	os_destroy(e->os);
	e->os = NULL;
	sym_mods_clear(e->syms);
	journal_destroy(e);
	bp_target_gone(e);
	procs_clear(e);
	e->caps = (tgt_caps){0};
	e->status = ST_NO_DEBUGGEE;
	e->mode = ENG_NONE;
	e->has_event = false;
	eng_notice_send(e, ENG_N_SESSION, 1);
}

/* ---- the first stop ---- */

static const char *machine_text(uint16_t machine)
{
	switch (machine) {
	case 0x8664:
		return "x64";
	case 0x14c:
		return "x86";
	case 0xaa64:
		return "ARM64";
	default:
		return "unknown machine";
	}
}

static void banner_path(engine *e, const char *none)
{
	str path = sym_path(e->syms);
	if (!path.n)
		path = str_of(none);
	out(e, "Symbol search path is: %.*s\n", STR_ARG(path));
}

/* In two halves: what looking at the kernel has to say about symbols belongs between them. */
static void banner_contact(engine *e)
{
	char when[64];
	time_t now = time(NULL);
	struct tm tm;

	strftime(when, sizeof when, "%a %b %e %H:%M:%S %Y", localtime_r(&now, &tm));
	out(e, "Connected to Windows %u %s target at (%s), ptr64 %s\n", e->version.minor,
		machine_text(e->version.machine), when, e->ptr_size == 8 ? "TRUE" : "FALSE");
	out(e, "Kernel Debugger connection established.\n");
	banner_path(e, "*** Invalid *** (set one with .sympath or _NT_SYMBOL_PATH)");
}

/* CommandLine: only for a program that was started here, as CDB has it. */
static void banner_user(engine *e)
{
	buf b;
	buf_init(&b, 65536);
	if (e->creating &&
		tgt_info_get(e->t, TGT_I_CMDLINE, e->ev.process_id, &b, NULL) == ERR_OK) {
		for (size_t i = 0; i + 1 < b.n; i++)
			if (!b.p[i])
				b.p[i] = ' ';
		out(e, "CommandLine: %s\n", buf_z(&b));
	}
	buf_deinit(&b);
	banner_path(e, "(the system's: beside the image, /usr/lib/debug, debuginfod)");
}

static void banner_system(engine *e)
{
	buf b;
	buf_init(&b, 0);
	if (os_version(e->os, &b, NULL) == ERR_OK)
		out_str(e, OUT_NORMAL, buf_str(&b));
	buf_deinit(&b);
}

static void mend_pages(engine *e)
{
	diag d = {0};
	size_t n = 0;
	err r = journal_repair(e, &n, &d);
	if (r == ERR_OK)
		journal_forget(e);
	if (n) {
		out(e,
			"Mended %zu byte(s) that a session before this one had left in physical "
			"pages.\n",
			n);
		e->ev.n_stream =
			0; /* may show one: the target perhaps stopped on it, and it is no more */
	}
	if (r != ERR_OK)
		out_as(e, OUT_WARNING, "The journal of planted bytes: %s\n", d.text);
}

err eng_connected(engine *e, diag *d)
{
	os_host host = {e, e->t, e->syms, &e->cancel, &e->n_units, host_warn};
	diag why = {0};

	tgt_caps_get(e->t, &e->caps);
	if (e->mode == ENG_USER) {
		e->os = os_linux_create(&host);
		banner_user(e);
		/* Of what does not run nobody reports what it loads. */
		if (!e->caps.live && os_user_modules(e->os, e->ev.process_id, &why) != ERR_OK)
			out_as(e, OUT_WARNING, "Loaded modules: %s\n", why.text);
		eng_notice_send(e, ENG_N_SESSION, 0);
		return ERR_OK;
	}
	if (e->mode != ENG_KERNEL) {
		e->os = os_none_create(&host);
		eng_notice_send(e, ENG_N_SESSION, 0);
		return ERR_OK;
	}
	TRY(tgt_query(e->t, TGT_F_VERSION, &e->version, sizeof e->version, d));
	if (e->version.machine != 0x8664)
		out_as(e, OUT_WARNING,
			"The target is %s (machine %04x); only x64 is known: memory commands work, "
			"others will not.\n",
			machine_text(e->version.machine), e->version.machine);
	e->ptr_size = e->version.flags & 4 ? 8 : 4; /* DBGKD_VERS_FLAG_PTR64 */
	TRY(tgt_query(e->t, TGT_F_KERNEL_BASE, &e->kernel_base, 8, d));
	TRY(tgt_query(e->t, TGT_F_MODULE_LIST, &e->module_list, 8, d));
	TRY(tgt_query(e->t, TGT_F_DEBUGGER_DATA, &e->debugger_data, 8, d));
	e->os = os_nt_create(&host, &e->version, e->kernel_base, e->module_list, e->debugger_data);
	ctx_from_event(e);
	banner_contact(e);
	/* During early boot there is no list yet: load events fill it. */
	if (os_kernel_modules(e->os, &why) != ERR_OK)
		out_as(e, OUT_WARNING, "Loaded module list: %s\n", why.text);
	banner_system(e);
	mend_pages(e);
	bp_resolve_all(e);
	eng_notice_send(e, ENG_N_SESSION, 0);
	return ERR_OK;
}

void eng_rebooted(engine *e)
{
	plan_end(e);
	bp_target_gone(e);
	os_destroy(e->os);
	e->os = NULL;
	sym_mods_clear(e->syms);
	e->has_event = false;
	eng_notice_send(e, ENG_N_SESSION, 5);
}

/* How it looks is the interpreter's business; when it is shown is the engine's. */
void eng_show_stop(engine *e)
{
	if (e->hooks.show_stop)
		e->hooks.show_stop(e->hooks.cu);
}

err eng_reload(engine *e, bool kernel, bool user, diag *d)
{
	uint64_t process;
	TRY(eng_accessible(e, d));
	if (kernel)
		TRY(os_kernel_modules(e->os, d));
	if (user) {
		TRY(eng_process(e, &process, d));
		TRY(os_user_modules(e->os, process, d));
	}
	bp_resolve_all(e);
	eng_notice_send(e, ENG_N_SYMBOLS, 1);
	return ERR_OK;
}

eng_status eng_status_max(eng_status a, eng_status b)
{
	/* Highest first; the numbers themselves do not follow it. */
	static const eng_status order[] = {ST_BREAK, ST_STEP_INTO, ST_STEP_BRANCH, ST_STEP_OVER,
		ST_GO_NOT_HANDLED, ST_GO_HANDLED, ST_GO, ST_IGNORE_EVENT, ST_RESTART_REQUESTED,
		ST_NO_CHANGE};
	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		if (a == order[i] || b == order[i])
			return order[i];
	return ST_NO_CHANGE;
}

err eng_exec_set(engine *e, const eng_exec *x, diag *d)
{
	if (!e->t)
		return diag_set(d, ERR_STATE, "No runnable debuggees; attach to a target first");
	if (e->no_exec_cmds)
		return diag_set(
			d, ERR_STATE, "Execution commands are not allowed (.allow_exec_cmds 0)");
	if (!e->caps.live)
		return diag_set(
			d, ERR_UNSUPPORTED, "No runnable debuggees: this target is not live");
	if (e->status != ST_BREAK && !e->inside_wait)
		return diag_set(d, ERR_STATE, "The target is running already");
	const eng_proc *p = e->caps.threads ? eng_proc_find(e, e->ctx.process) : NULL;
	if (p && p->noninvasive)
		return diag_set(d, ERR_UNSUPPORTED,
			"The debugger is not attached, so process execution cannot be monitored.");
	/* The quoted command outlives the line that it came from. */
	char *command = x->command.n ? mem_alloc(x->command.n + 1) : NULL;
	if (command)
		memcpy(command, x->command.p, x->command.n);
	mem_free(e->exec_command);
	e->exec_command = command;
	e->exec = *x;
	e->exec.command = str_of(command);
	if (e->inside_wait)
		e->verdict_given = true;
	else
		e->status = x->status;
	return ERR_OK;
}

void eng_interrupt(engine *e)
{
	/* While the target runs the flag is another one: `cancel` would end the very wait that has
	 * to see the break. A command list inside the wait is cancelled as well. */
	if (!e->t || e->status == ST_BREAK || e->inside_wait)
		atomic_store(&e->cancel.flag, true);
	if (e->t && e->status != ST_BREAK) {
		atomic_store(&e->break_wanted, true);
		tgt_interrupt(e->t);
	}
}

void eng_exit_wait(engine *e)
{
	if (atomic_load(&e->leaving))
		atomic_store(&e->abandon.flag, true);
	else
		atomic_store(&e->exit_wait, true);
}
