/*
 * wait: the one loop that resumes the target and waits for it.
 *
 *   request -> plan_begin -> plan_resume -> tgt_wait -> event
 *                               ^                        |
 *                               |      text, notice: shown, go on
 *                               |      whose stop is it? plan - breakpoints - filters
 *                               +---- none wants to stop
 *                                                        | someone does
 *                                            traps out, context to the event, return
 *
 * Invariant: on return with ERR_OK the target is stopped, accessible, and holds none of our bytes.
 */
#include "engine/internal.h"
#include "engine/track.h"

#include <stdio.h>

typedef enum outcome { GO_ON, NEW_REQUEST, SHOW_STOP, KEEP_WAITING } outcome;

enum { EXIT_POLL_MS = 100 };

/* ---- text from the target ---- */

static outcome print(engine *e, const tgt_event *ev)
{
	out_str(e, OUT_DEBUGGEE, ev->text);
	/* A print leaves the target running; stopping on it means asking for a break. */
	if (filter_output(e, ev->text) == ST_BREAK)
		tgt_interrupt(e->t);
	return KEEP_WAITING;
}

static outcome prompt(engine *e, const tgt_event *ev)
{
	diag d = {0};
	buf line;

	out_str(e, OUT_DEBUGGEE_PROMPT, ev->text);
	buf_init(&line, 4096);
	eng_status before = e->status;
	e->status = ST_WAIT_INPUT;
	err r = e->hooks.input ? e->hooks.input(e->hooks.u, STR("Input>"), &line) : ERR_STATE;
	e->status = before;
	if (r != ERR_OK)
		out_as(e, OUT_WARNING,
			"\nThe target asks and nobody can answer: an empty line was sent.\n");
	if (tgt_answer(e->t, r == ERR_OK ? buf_str(&line) : (str){"", 0}, &d) != ERR_OK)
		out_as(e, OUT_ERROR, "Sending the answer: %s\n", d.text);
	buf_deinit(&line);
	return KEEP_WAITING;
}

/* ---- modules ---- */

static void module_event(engine *e, const tgt_event *ev)
{
	sym_space space = 0;
	uint64_t process;

	if (ev->kind == TGT_EV_UNLOAD && ev->base == UINT64_MAX)
		return; /* a process ended; which modules it had is not said */
	if (e->caps.threads)
		space = ev->process_id;
	else if (eng_is_user(e, ev->base) && eng_process(e, &process, NULL) == ERR_OK)
		space = process;
	if (ev->kind == TGT_EV_LOAD) {
		str name = ev->base == e->kernel_base ? STR("nt") : (str){0};
		(void)sym_mod_add(e->syms, space, ev->base, ev->size, 0, ev->checksum, name,
			str_of(ev->path));
	} else {
		sym_mod *m = sym_mod_in(e->syms, space, ev->base);
		if (m) {
			bp_module_gone(e, m->base, m->size ? m->size : 1);
			sym_mod_remove(e->syms, m);
		}
	}
	bp_resolve_all(e);
	eng_notice_send(e, ENG_N_SYMBOLS, ev->kind == TGT_EV_LOAD ? 1 : 2);
}

/* ---- stops ---- */

/* DbgBreakPointWithStatus's argument: DBG_STATUS_BUGCHECK_FIRST to DBG_STATUS_FATAL in wdm.h. */
static bool bug_check_note(engine *e)
{
	static const char *const when[] = {
		"Debugger entered on first try; bug check callbacks have not been invoked.",
		"Debugger entered on second try; bug check callbacks have been invoked.",
		"Debugger entered for good: the system does not go on from here.",
	};
	uint64_t status, params[4];
	uint32_t code;
	if (eng_reg_get(e, STR("rcx"), &status, NULL) != ERR_OK || status < 3 || status > 5)
		return false;
	out(e, "A fatal system error has occurred.\n%s\n", when[status - 3]);
	if (os_bugcheck(e->os, &code, params, NULL) == ERR_OK)
		out(e, "BugCheck %X, {%llx, %llx, %llx, %llx}\n", code,
			(unsigned long long)params[0], (unsigned long long)params[1],
			(unsigned long long)params[2], (unsigned long long)params[3]);
	out(e, "\n");
	return true;
}

static void long_break_note(engine *e, const tgt_event *ev)
{
	sym s;
	uint64_t disp;
	if (ev->code != STATUS_BREAKPOINT || !e->syms ||
		sym_at(e->syms, ev->pc, &s, &disp) != ERR_OK || disp)
		return;
	if (!str_starts(s.name, STR("DbgBreakPointWithStatus")) &&
		!str_starts(s.name, STR("RtlpBreakWithStatusInstruction")))
		return;
	if (bug_check_note(e) || e->quiet)
		return;
	out(e, "*******************************************************************************\n"
	       "*   This break-in was asked for: Ctrl+C in the debugger, a break key on the   *\n"
	       "*   target, or .process /i and .pagein doing their work. It is no bug check.  *\n"
	       "*   g <Enter> lets the target run on; q <Enter> ends the session.             *\n"
	       "*******************************************************************************\n");
}

static outcome from_status(engine *e, eng_status s)
{
	switch (s) {
	case ST_BREAK:
		return SHOW_STOP;
	case ST_STEP_INTO:
	case ST_STEP_OVER:
	case ST_STEP_BRANCH:
		return e->verdict_given && !e->exec.same_as_before ? NEW_REQUEST : GO_ON;
	case ST_GO_NOT_HANDLED:
		if (!e->verdict_given)
			e->exec.status = ST_GO_NOT_HANDLED;
		return e->verdict_given && !e->exec.same_as_before ? NEW_REQUEST : GO_ON;
	default:
		return e->verdict_given && !e->exec.same_as_before ? NEW_REQUEST : GO_ON;
	}
}

/* The filter's own wish is a default: a client's vote replaces it, unless a command gave a verdict.
 */
static eng_status voted(engine *e, eng_status wish, eng_notice_kind kind, const tgt_event *ev)
{
	if (!e->hooks.notice)
		return wish;
	eng_status vote = e->hooks.notice(e->hooks.u, &(eng_notice){.kind = kind, .ev = ev});
	if (vote == ST_NO_CHANGE)
		return wish;
	return e->verdict_given ? eng_status_max(wish, vote) : vote;
}

static outcome exception(engine *e, tgt_event *ev)
{
	bool soft = ev->code == STATUS_BREAKPOINT;
	bool hard = ev->code == STATUS_SINGLE_STEP;

	plan_verdict p = plan_event(e, ev);
	if (p == PLAN_RETURNED)
		return SHOW_STOP;
	hit_verdict h = HIT_NONE;
	if (p == PLAN_AGAIN)
		return GO_ON;
	if (soft)
		h = bp_hit(e, ev->pc, NULL, plan_free_run(e));
	else if (hard && site_hard(e, ev->dr6))
		h = bp_hit(e, ev->pc, site_hard(e, ev->dr6), plan_free_run(e));
	if (h == HIT_STOP || p == PLAN_DONE) {
		if (h != HIT_STOP) /* a hit names itself */
			snprintf(e->last_event, sizeof e->last_event, "Step completed");
		return SHOW_STOP;
	}
	if (h == HIT_NEW)
		return NEW_REQUEST;
	if (h == HIT_PASS || p == PLAN_MORE)
		return GO_ON;
	/* A byte of ours that was cleared while another processor had met it already: there is
	 * nothing at that place any more but the instruction itself, which is still to be executed.
	 */
	bool real = ev->n_stream && (ev->stream[0] == 0xcc || ev->stream[0] == 0xcd);
	if (soft && (site_at(e, ev->pc) || (site_was_at(e, ev->pc) && !real)))
		return GO_ON;
	e->verdict_given = false;
	eng_status s = filter_event(e, ev);
	outcome o = from_status(e, voted(e, s, ENG_N_EXCEPTION, ev));
	if (o == SHOW_STOP)
		long_break_note(e, ev);
	return o;
}

static eng_notice_kind notice_kind(tgt_event_kind k)
{
	switch (k) {
	case TGT_EV_PROCESS:
		return ENG_N_PROCESS;
	case TGT_EV_PROCESS_EXIT:
		return ENG_N_PROCESS_EXIT;
	case TGT_EV_THREAD:
		return ENG_N_THREAD;
	default:
		return ENG_N_THREAD_EXIT;
	}
}

static outcome event(engine *e, tgt_event *ev, diag *d)
{
	eng_status s;

	switch (ev->kind) {
	case TGT_EV_PRINT:
		return print(e, ev);
	case TGT_EV_PROMPT:
		return prompt(e, ev);
	case TGT_EV_NOTICE:
		out_as(e, OUT_STATUS, "%.*s\n", STR_ARG(ev->text));
		return KEEP_WAITING;
	case TGT_EV_REBOOT:
		out(e, "Target rebooted: breakpoints by address, modules and contexts are "
		       "forgotten.\n");
		eng_rebooted(e);
		if (e->break_on_reboot) /* its first image is reported by now: it is stopped */
			eng_interrupt(e);
		return KEEP_WAITING;
	case TGT_EV_COMMAND:
		out(e, "Target command string: %.*s\n", STR_ARG(ev->text));
		return GO_ON;
	case TGT_EV_LOAD:
	case TGT_EV_UNLOAD:
		module_event(e, ev);
		if (!e->caps.live)
			return SHOW_STOP; /* a static image "loads" once and then lies still */
		e->verdict_given = false;
		s = filter_event(e, ev);
		return from_status(
			e, voted(e, s, ev->kind == TGT_EV_LOAD ? ENG_N_LOAD : ENG_N_UNLOAD, ev));
	case TGT_EV_EXCEPTION: {
		outcome o = exception(e, ev);
		return e->caps.live ? o : SHOW_STOP; /* a dump's last event, whatever filters say */
	}
	case TGT_EV_PROCESS:
	case TGT_EV_PROCESS_EXIT:
	case TGT_EV_THREAD:
	case TGT_EV_THREAD_EXIT:
		e->verdict_given = false;
		s = filter_event(e, ev);
		return from_status(e, voted(e, s, notice_kind(ev->kind), ev));
	default:
		return KEEP_WAITING;
	}
}

static bool stops(const tgt_event *ev)
{
	switch (ev->kind) {
	case TGT_EV_EXCEPTION:
	case TGT_EV_LOAD:
	case TGT_EV_UNLOAD:
	case TGT_EV_COMMAND:
	case TGT_EV_PROCESS:
	case TGT_EV_PROCESS_EXIT:
	case TGT_EV_THREAD:
	case TGT_EV_THREAD_EXIT:
		return true;
	default:
		return false;
	}
}

/* Takes a stop in: what every later step relies on. */
static err arrived(engine *e, const tgt_event *ev, diag *d)
{
	bool first = !e->has_event;
	e->prev_ip = e->has_event ? e->last_ip : 0;
	e->last_ip = ev->pc;
	e->ev = *ev;
	e->has_event = true;
	if (ev->kind != TGT_EV_EXCEPTION || ev->code != STATUS_SINGLE_STEP)
		insn_forget(e);
	if (ev->n_units)
		e->n_units = ev->n_units;
	e->last_event[0] = 0;
	e->reported = ev->kind == TGT_EV_EXCEPTION && !ev->initial ? ev->code : 0;
	sites_dropped(e, ev);
	if (ev->kind == TGT_EV_PROCESS || ev->kind == TGT_EV_PROCESS_EXIT)
		sites_process_void(e, ev->process_id);
	os_stopped(e->os);
	ctx_from_event(e);
	if (!e->os || first) {
		e->inside_wait = true;
		err r = eng_connected(e, d);
		if (r != ERR_OK)
			return diag_add(d, r, "looking at the target for the first time");
	}
	procs_event(e, ev);
	if (ev->kind == TGT_EV_PROCESS_EXIT) {
		e->exited = true;
		e->exit_code = ev->exit_code;
	}
	return ERR_OK;
}

static void stopped(engine *e)
{
	diag d = {0};
	e->reached = e->plan_active_exec;
	if (tgt_halt(e->t, &d) != ERR_OK)
		out_as(e, OUT_ERROR, "Stopping the other threads: %s\n", d.text);
	sites_disarm(e);
	plan_end(e);
	e->status = ST_BREAK;
	e->inside_wait = false;
	e->running = false;
	ctx_from_event(e);
	ctx_scope(e);
	e->broke_in = atomic_exchange(&e->break_wanted, false);
	atomic_store(&e->cancel.flag, false);
	eng_notice_send(e, ENG_N_ENGINE, 2);
}

static err died(engine *e)
{
	e->inside_wait = false;
	e->running = false;
	eng_end(e, TGT_ABANDON);
	return ERR_DEAD;
}

/* Preparing or resuming failed: the target is as it was, unless it is gone. */
static err stuck(engine *e, err r)
{
	if (r == ERR_DEAD)
		return died(e);
	stopped(e);
	/* Ctrl+C: it is stopped, as wished */
	return r == ERR_CANCELLED && e->broke_in ? ERR_OK : r;
}

static err resume(engine *e, diag *d)
{
	/* Ctrl+C must not cut this short: an instruction would be half emulated. It is looked at
	 * when the target stops next. */
	const cancel *c = e->t->host.cancel;
	e->t->host.cancel = NULL;
	arena_reset(&e->stop);
	procs_event_done(e, &e->ev);
	e->inside_wait = true; /* the target is still stopped while the next leg is prepared */
	err r = plan_resume(e, d);
	e->t->host.cancel = c;
	e->inside_wait = false;
	if (r == ERR_OK)
		e->running = true;
	/* One that came while traps went in: the target was still stopped and has forgotten it. */
	if (r == ERR_OK && atomic_load(&e->break_wanted))
		tgt_interrupt(e->t);
	return r;
}

/* The request is fulfilled: the target stands where it is. */
static err finished(engine *e)
{
	bool done_cmd = e->plan_active_exec.command.n && e->hooks.run;
	str after = e->plan_active_exec.command;
	stopped(e);
	call_finish(e);
	e->plan_active_exec.command = (str){0}; /* once: the next stop may be of a new process */
	if (done_cmd)
		(void)!e->hooks.run(e->hooks.cu, after, NULL);
	return ERR_OK;
}

/* Starts what is asked for. *done: the target need not run for it. */
static err begin(engine *e, bool *done, diag *d)
{
	e->plan_active_exec = e->exec;
	TRY(plan_begin(e, d));
	if (plan_moved(e) == PLAN_DONE) {
		snprintf(e->last_event, sizeof e->last_event, "Step completed");
		*done = true;
		return ERR_OK;
	}
	return resume(e, d);
}

err eng_wait(engine *e, int timeout_ms, diag *d)
{
	bool done = false;
	uint64_t deadline = timeout_ms < 0 ? 0 : sys_now_ms() + (uint64_t)timeout_ms;

	if (!e->t)
		return diag_set(d, ERR_STATE, "No runnable debuggees");
	if (e->inside_wait)
		return diag_set(d, ERR_STATE, "a wait is under way already");
	if (e->status == ST_BREAK)
		return diag_set(d, ERR_STATE,
			"nothing makes the target run: set the execution status first");
	if (e->has_event && !e->running) {
		e->inside_wait = true;
		err r = begin(e, &done, d);
		if (r != ERR_OK)
			return stuck(e, r);
		if (done)
			return finished(e);
	}
	for (;;) {
		tgt_event ev = {0};
		/* Short waits, so that an exit request from another thread is seen soon. */
		int left = EXIT_POLL_MS;
		if (timeout_ms >= 0) {
			uint64_t now = sys_now_ms(), rest = now >= deadline ? 0 : deadline - now;
			left = rest < EXIT_POLL_MS ? (int)rest : EXIT_POLL_MS;
		}
		e->running = true;
		if (atomic_exchange(&e->exit_wait, false))
			return diag_set(d, ERR_CANCELLED, "the wait was ended by an exit request");
		atomic_store(&e->cancel.flag, false);
		TRY(tgt_wait(e->t, left, &ev, d));
		if (ev.kind == TGT_EV_TIMEOUT) {
			if (timeout_ms < 0 || sys_now_ms() < deadline)
				continue;
			return diag_set(d, ERR_TIMEOUT, "no event in %d ms", timeout_ms);
		}
		if (ev.kind == TGT_EV_DEAD) {
			diag_set(d, ERR_DEAD, "%.*s", STR_ARG(ev.text));
			return died(e);
		}
		if (stops(&ev)) {
			e->inside_wait = true;
			err r = arrived(e, &ev, d);
			if (r == ERR_DEAD)
				return died(e);
			if (r != ERR_OK) {
				stopped(e);
				return r;
			}
		}
		outcome o = event(e, stops(&ev) ? &e->ev : &ev, d);
		if (stops(&ev))
			track_event(e);
		if (o == KEEP_WAITING)
			continue;
		if (o != SHOW_STOP && atomic_load(&e->break_wanted) && ev.kind == TGT_EV_EXCEPTION)
			o = SHOW_STOP; /* Ctrl+C during a step or a storm of passed-over hits */
		if (o == SHOW_STOP)
			return finished(e);
		err r = o == NEW_REQUEST ? begin(e, &done, d) : resume(e, d);
		if (r != ERR_OK)
			return stuck(e, r);
		if (done)
			return finished(e);
	}
}
