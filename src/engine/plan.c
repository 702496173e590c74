/*
 * plan: how a request (g, p, t, gu, pa ...) is carried out leg by leg, and past a trap that stands
 * at the current pc.
 *
 *   begin -> resume --run leg-->  event at a temporary trap --> reached? --> done
 *              |  \--step leg-->  single-step event         --> count, kind, line --> done
 *              |  \--past leg-->  single-step event         --> arm the rest, run on
 *              ^------------------------- more -----------------------------------'
 *
 * Past a trap: the displaced instruction is emulated when other processors run (nothing slips
 * through, the trap never leaves) and otherwise stepped with the trap out, which is fewer bytes on
 * the wire. Invariant: temporary sites belong to the plan and are put back when it ends.
 */
#include "engine/internal.h"
#include "engine/track.h"

typedef enum leg { LEG_RUN, LEG_STEP, LEG_PAST } leg;

enum { TEMP_MAX = ENG_UNTIL_MAX + 2, OWED_MAX = 64, LEFT_MAX = 64 };

struct eng_plan {
	bool active;
	eng_exec x;
	leg leg;
	uint64_t thread; /* KTHREAD that the request is about */
	bool passed;	 /* the trap at pc was passed just now: run on as it is */
	bool moved;	 /* pc went past the program's own break instruction */
	bool unseen;	 /* pc was reached by passing a trap: an execute trap there must hit */
	/* Threads whose trap flag was set and whose single-step event has not come yet: another
	 * processor's stop can get in between, even one that the user sees. */
	uint64_t owed[OWED_MAX];
	size_t n_owed;
	/* Threads whose stop at a breakpoint was shown before another one was chosen (~2s): when
	 * they run next they go past it. */
	struct {
		unit_t unit;
		uint64_t pc;
	} left_at[LEFT_MAX];
	size_t n_left;
	uint64_t left;	       /* steps or kinds still to come */
	site *until[TEMP_MAX]; /* g addresses, gu's return */
	size_t n_until;
	uint64_t up_sp;	  /* gu: rsp must be above this */
	bool untried;	  /* an exception came before the instruction at pc: its trap is to hit */
	bool signalled;	  /* that nobody is shown, amid a step */
	bool interrupted; /* over: the instruction that it came at */
	site *over;	  /* behind the call that is stepped over */
	uint64_t over_sp; /* rsp at the call: recursion below does not count */
	uint64_t line_lo, line_hi; /* by_line: the line we are leaving */
	uint32_t line;
	bool stepped; /* at least one instruction was done: kinds are looked at */
};

struct eng_plan *plan_create(void)
{
	return mem_alloc(sizeof(struct eng_plan));
}

void plan_destroy(struct eng_plan *p)
{
	mem_free(p);
}

bool plan_free_run(const engine *e)
{
	const struct eng_plan *p = e->plan;
	if (!p->active)
		return true;
	return p->x.status == ST_GO || p->x.status == ST_GO_HANDLED ||
	       p->x.status == ST_GO_NOT_HANDLED;
}

static void drop_over(engine *e)
{
	struct eng_plan *p = e->plan;
	site *s = p->over;
	p->over = NULL;
	site_put(e, s);
}

void plan_end(engine *e)
{
	struct eng_plan *p = e->plan;
	drop_over(e);
	for (size_t i = 0; i < p->n_until; i++)
		site_put(e, p->until[i]);
	struct eng_plan clean = {.n_owed = p->n_owed, .n_left = p->n_left};
	memcpy(clean.owed, p->owed, sizeof clean.owed);
	memcpy(clean.left_at, p->left_at, sizeof clean.left_at);
	*p = clean;
}

static void owe(struct eng_plan *p, uint64_t thread)
{
	if (p->n_owed == OWED_MAX)
		memmove(p->owed, p->owed + 1, --p->n_owed * sizeof *p->owed);
	p->owed[p->n_owed++] = thread;
}

static bool settle(struct eng_plan *p, uint64_t thread)
{
	for (size_t i = 0; i < p->n_owed; i++)
		if (p->owed[i] == thread) {
			p->owed[i] = p->owed[--p->n_owed];
			return true;
		}
	return false;
}

static err unit_regs(engine *e, unsigned sets, x64_regs *r, diag *d)
{
	return tgt_regs_get(e->t, e->ev.unit, sets, r, d);
}

static err set_rip(engine *e, uint64_t rip, diag *d)
{
	x64_regs r = {0};
	TRY(unit_regs(e, X64_SET_CONTROL, &r, d));
	if (r.rip == rip)
		return ERR_OK;
	r.rip = rip;
	TRY(tgt_regs_set(e->t, e->ev.unit, X64_SET_CONTROL, &r, d));
	e->ev.pc = rip;
	e->ev.n_stream = 0;
	return ERR_OK;
}

/* A break instruction that the program itself contains would stop it for ever: step over it. */
static err past_own_break(engine *e, diag *d)
{
	uint8_t op[2] = {0};
	x64_regs r = {0};
	if (e->ev.kind != TGT_EV_EXCEPTION || e->ev.code != STATUS_BREAKPOINT || e->exec.has_start)
		return ERR_OK;
	/* It may be somewhere else by now, or have been killed: running on tells. */
	if (unit_regs(e, X64_SET_CONTROL, &r, NULL) != ERR_OK || r.rip != e->ev.pc)
		return ERR_OK;
	if (e->ev.n_stream >= 2)
		memcpy(op, e->ev.stream, 2);
	else if (tgt_read_all(e->t, eng_here(e), e->ev.pc, op, 2, NULL) != ERR_OK)
		return ERR_OK;
	unsigned n = op[0] == 0xcc ? 1 : op[0] == 0xcd && op[1] == 3 ? 2 : 0;
	if (!n)
		return ERR_OK;
	TRY(set_rip(e, e->ev.pc + n, d));
	e->plan->moved = true;
	return ERR_OK;
}

static site *temp_site(engine *e, uint64_t addr, bool hard)
{
	return site_get(e, hard ? TGT_TRAP_EXEC : TGT_TRAP_SOFT, eng_here(e), addr, hard ? 1 : 0);
}

static void note_line(engine *e, uint64_t pc)
{
	struct eng_plan *p = e->plan;
	sym_line l;
	p->line_lo = p->line_hi = 0;
	if (p->x.by_line && sym_line_at(e->syms, pc, &l) == ERR_OK) {
		p->line_lo = l.addr;
		p->line_hi = l.addr + l.size;
		p->line = l.line;
	}
}

static void left_forget(struct eng_plan *p, unit_t unit)
{
	for (size_t i = 0; i < p->n_left; i++)
		if (p->left_at[i].unit == unit)
			p->left_at[i--] = p->left_at[--p->n_left];
}

/* The event's thread is not looked at any more; if it stands on a breakpoint, it has hit it. */
static void leave(engine *e)
{
	struct eng_plan *p = e->plan;
	left_forget(p, e->ev.unit);
	if (e->ev.kind == TGT_EV_EXCEPTION && site_at(e, e->ev.pc) && p->n_left < LEFT_MAX) {
		p->left_at[p->n_left].unit = e->ev.unit;
		p->left_at[p->n_left++].pc = e->ev.pc;
	}
}

/* The armed software site at pc of a thread's process; NULL: none. */
static const site *armed_under(engine *e, const eng_thr *t, uint64_t pc)
{
	tgt_event where = {.process_id = t->proc->pid};
	for (size_t i = 0; i < e->bps->sites.n; i++) {
		const site *s = e->bps->sites.p[i];
		if (s->kind == TGT_TRAP_SOFT && s->addr == pc && s->state == SITE_ARMED &&
			site_in_process(s, &where))
			return s;
	}
	return NULL;
}

/* Those who were left at a breakpoint run again: past it. */
static void pass_those_left(engine *e)
{
	struct eng_plan *p = e->plan;
	for (size_t i = 0; i < p->n_left; i++) {
		unit_t unit = p->left_at[i].unit;
		if (p->active && p->x.alone && unit != e->ev.unit)
			continue;
		const eng_thr *t = eng_thr_find(e, unit);
		const site *s = t ? armed_under(e, t, p->left_at[i].pc) : NULL;
		x64_regs r = {0};
		if (s && tgt_regs_get(e->t, unit, X64_SET_CONTROL, &r, NULL) == ERR_OK &&
			r.rip == s->addr)
			(void)!tgt_pass(e->t, unit, s->handle, NULL);
		p->left_at[i--] = p->left_at[--p->n_left];
	}
}

/* ~2s and ~2 p: what is stepped is the thread that is looked at, not the one that reported. */
static err switch_thread(engine *e, diag *d)
{
	x64_regs r = {0};
	if (!e->caps.threads || !e->ctx.unit || e->ctx.unit == e->ev.unit)
		return ERR_OK;
	TRY(tgt_regs_get(e->t, e->ctx.unit, X64_SET_CONTROL, &r, d));
	left_forget(e->plan, e->ctx.unit);
	leave(e);
	procs_event_done(e, &e->ev);
	e->ev = (tgt_event){.kind = TGT_EV_EXCEPTION,
		.unit = e->ctx.unit,
		.thread = e->ctx.unit,
		.process_id = e->ctx.process,
		.pc = r.rip};
	return ERR_OK;
}

static err emu_read(void *u, uint64_t addr, void *buf_, size_t n)
{
	engine *e = u;
	return tgt_read_all(e->t, eng_here(e), addr, buf_, n, NULL);
}

static err emu_write(void *u, uint64_t addr, const void *buf_, size_t n)
{
	engine *e = u;
	size_t got = 0;
	err r = tgt_write(e->t, eng_here(e), addr, buf_, n, &got, NULL);
	return r == ERR_OK && got != n ? ERR_FAULT : r;
}

/* Executes the instruction at pc in the debugger; false if it must run in the target. */
static bool emulate(engine *e, const x64_insn *in)
{
	x64_regs r = {0};
	x64_mem m = {e, emu_read, emu_write};
	unsigned sets;
	bool reads, writes;

	if (!x64_emulate_needs(in, &sets, &reads, &writes))
		return false;
	sets |= X64_SET_CONTROL;
	if (unit_regs(e, sets, &r, NULL) != ERR_OK || x64_emulate(&r, in, &m) != ERR_OK)
		return false;
	if (tgt_regs_set(e->t, e->ev.unit, sets, &r, NULL) != ERR_OK)
		return false;
	e->ev.pc = r.rip;
	e->ev.n_stream = 0;
	e->plan->unseen = true;
	return true;
}

/*
 * The same on a kernel: ~1s and t steps processor 1. The one that stopped is first let past what it
 * stands on, or it would meet that again as soon as both run.
 */
static err switch_processor(engine *e, diag *d)
{
	unit_t from = e->ev.unit, to = e->ctx.unit;
	bool steps = e->exec.status == ST_STEP_INTO || e->exec.status == ST_STEP_OVER;
	uint64_t thread = to;
	x64_regs r = {0};
	x64_insn in;

	if (e->caps.threads || to == from || !(steps || e->exec.up))
		return ERR_OK;
	TRY(tgt_ctl(e->t, TGT_CTL_SWITCH, to, d)); /* before anything is changed: can it? */
	TRY(tgt_ctl(e->t, TGT_CTL_SWITCH, from, d));
	TRY(past_own_break(e, d));
	if (site_at(e, e->ev.pc) && eng_insn(e, e->ev.pc, &in, NULL) == ERR_OK)
		(void)emulate(e, &in);
	TRY(tgt_ctl(e->t, TGT_CTL_SWITCH, to, d));
	TRY(tgt_regs_get(e->t, to, X64_SET_CONTROL, &r, d));
	TRY(tgt_query(e->t, TGT_F_THREAD, &thread, sizeof thread, d));
	e->ev = (tgt_event){.kind = TGT_EV_EXCEPTION,
		.unit = to,
		.n_units = e->n_units,
		.thread = thread,
		.pc = r.rip};
	e->plan->unseen = e->plan->moved = false;
	return ERR_OK;
}

err plan_begin(engine *e, diag *d)
{
	struct eng_plan *p = e->plan;

	plan_end(e);
	insn_forget(e);
	TRY(switch_thread(e, d));
	TRY(switch_processor(e, d));
	if (e->exec.has_start)
		TRY(set_rip(e, e->exec.start, d));
	else
		TRY(past_own_break(e, d));
	p->active = true;
	p->x = e->exec;
	p->thread = e->ev.thread;
	p->left = p->x.count ? p->x.count : 1;
	note_line(e, e->ev.pc);
	for (size_t i = 0; i < p->x.n_until && i < ENG_UNTIL_MAX; i++)
		p->until[p->n_until++] = temp_site(e, p->x.until[i], p->x.until_hard);
	if (p->x.up) {
		x64_regs r = {0};
		eng_frame *f;
		size_t n;
		TRY(unit_regs(e, X64_SET_GENERAL, &r, d));
		TRY(eng_stack(e, &e->stop, &r, 2, &f, &n, d));
		if (n < 2 || !f[0].ret)
			return diag_set(
				d, ERR_FAULT, "gu: the caller of this function cannot be found");
		p->up_sp = f[1].sp;
		p->until[p->n_until++] = temp_site(e, f[0].ret, false);
	}
	return ERR_OK;
}

/* ---- resuming ---- */

static err go_at(engine *e, tgt_go how, const site *but, const x64_insn *in, diag *d)
{
	/* gh and gn say it; g and steps leave it to the filter of the exception that stopped. */
	bool handled = e->exec.status == ST_GO_HANDLED ||
		       (e->exec.status != ST_GO_NOT_HANDLED && filter_handled(e, e->reported));
	sites_arm(e, but);
	if (e->plan->n_left)
		pass_those_left(e);
	if (how == TGT_STEP)
		owe(e->plan, e->ev.thread);
	tgt_run run = {.unit = e->ev.unit,
		.go = how,
		.handled = handled,
		.alone = e->plan->active && e->plan->x.alone,
		.unseen = e->plan->passed || e->plan->unseen,
		.insn = in};
	e->plan->passed = e->plan->unseen = false;
	TRY(tgt_resume(e->t, &run, d));
	journal_settle(e);
	return ERR_OK;
}

static err go(engine *e, tgt_go how, const site *but, diag *d)
{
	return go_at(e, how, but, NULL, d);
}

/* Runs on from pc; a trap that stands there is passed first. */
static err run_on(engine *e, diag *d)
{
	struct eng_plan *p = e->plan;
	site *here = e->ev.kind == TGT_EV_EXCEPTION ? site_at(e, e->ev.pc) : NULL;
	x64_insn in;

	bool moved = p->moved, entered = call_entered(e);
	p->leg = LEG_RUN;
	p->moved = false;
	if (!here || p->passed || moved || entered || p->untried)
		return go(e, TGT_GO, NULL, d);
	/* Best is a target that can do it itself; what it passes must be in. */
	if (e->caps.threads) {
		sites_arm(e, NULL);
		if (here->state == SITE_ARMED &&
			tgt_pass(e->t, e->ev.unit, here->handle, NULL) == ERR_OK)
			return go(e, TGT_GO, NULL, d);
	}
	bool others = e->n_units > 1;
	if (others && eng_insn(e, e->ev.pc, &in, NULL) == ERR_OK && emulate(e, &in))
		return go(e, TGT_GO, NULL, d);
	p->leg = LEG_PAST;
	return go(e, TGT_STEP, here, d);
}

/* A system call cannot be traced into: the processor masks the trap flag on the way in, and when
 * sysret brings it back one instruction of the caller has run before the trap. */
static bool steps_over(const struct eng_plan *p, const x64_insn *in)
{
	if (in->flow == X64_FLOW_SYSCALL)
		return true;
	if (p->x.status != ST_STEP_OVER)
		return false;
	return in->flow == X64_FLOW_CALL || in->rep;
}

/* iretq and sysret load the flags, and with them lose the trap flag: where do they go? */
static bool return_address(engine *e, const x64_insn *in, uint64_t *ret)
{
	static const uint8_t sysret[] = {0x0f, 0x07};
	x64_regs r = {0};
	uint8_t raw[8];

	if (unit_regs(e, X64_SET_CONTROL | X64_SET_INTEGER, &r, NULL) != ERR_OK)
		return false;
	if (in->len >= 2 && !memcmp(in->bytes + in->len - 2, sysret, 2)) {
		*ret = r.gpr[X64_RCX];
		return true;
	}
	if (tgt_read_all(e->t, eng_here(e), r.gpr[X64_RSP], raw, sizeof raw, NULL) != ERR_OK)
		return false;
	*ret = le64(raw);
	/* A frame that leads nowhere is no frame: step as usual then. */
	return tgt_read_all(e->t, eng_here(e), *ret, raw, 1, NULL) == ERR_OK;
}

/* Out of a function that the step filter names: like gu, as a part of the step. */
static bool step_out(engine *e)
{
	struct eng_plan *p = e->plan;
	x64_regs r = {0};
	eng_frame *f;
	size_t n;

	if (unit_regs(e, X64_SET_GENERAL, &r, NULL) != ERR_OK ||
		eng_stack(e, &e->stop, &r, 2, &f, &n, NULL) != ERR_OK || n < 2 || !f[0].ret)
		return false;
	p->over_sp = f[1].sp;
	p->over = temp_site(e, f[0].ret, false);
	return true;
}

/*
 * A signal came between two steps, and its filter says that nobody wants to see it (a timer; Go
 * makes its threads give way by one every few milliseconds). The program handles it, then the step
 * goes on where it was: the handler is no part of what is stepped. Where there is no handler the
 * trap at the same instruction hits at once.
 */
static err through_handler(engine *e, diag *d)
{
	struct eng_plan *p = e->plan;
	if (!p->over) {
		x64_regs r = {0};
		TRY(unit_regs(e, X64_SET_CONTROL, &r, d));
		p->over_sp = r.gpr[X64_RSP];
		p->over = temp_site(e, e->ev.pc, false);
	}
	p->interrupted = true;
	p->signalled = false;
	return run_on(e, d);
}

/* Another thread's event came amid a step: what is stepped is still the plan's thread. False: that
 * has ended. */
static bool back_to_thread(engine *e)
{
	struct eng_plan *p = e->plan;
	unit_t unit = (unit_t)p->thread;
	x64_regs r = {0};
	if (!e->caps.threads || e->ev.unit == unit)
		return true;
	const eng_thr *t = eng_thr_find(e, unit);
	if (!t || tgt_halt(e->t, NULL) != ERR_OK ||
		tgt_regs_get(e->t, unit, X64_SET_CONTROL, &r, NULL) != ERR_OK)
		return false;
	if (e->ev.code == STATUS_BREAKPOINT) /* an old step's end hits what it stands on later */
		leave(e);
	e->ev = (tgt_event){.kind = TGT_EV_EXCEPTION,
		.unit = unit,
		.thread = unit,
		.process_id = t->proc->pid,
		.pc = r.rip};
	return true;
}

err plan_resume(engine *e, diag *d)
{
	struct eng_plan *p = e->plan;
	x64_insn in;

	if (!p->active || plan_free_run(e) || (p->over && !p->interrupted) || !back_to_thread(e))
		return run_on(e, d);
	if (p->signalled || p->interrupted)
		return through_handler(e, d);
	if (track_filtered(e, e->ev.pc) && step_out(e))
		return run_on(e, d);
	bool known = eng_insn(e, e->ev.pc, &in, NULL) == ERR_OK;
	uint64_t back;
	if (known && in.flow == X64_FLOW_SYSRET && return_address(e, &in, &back)) {
		p->over_sp = 0;
		p->over = temp_site(e, back, false);
		return run_on(e, d);
	}
	if (known && in.flow == X64_FLOW_SYSCALL)
		insn_forget(e);
	if (known && steps_over(p, &in)) {
		x64_regs r = {0};
		TRY(unit_regs(e, X64_SET_CONTROL, &r, d));
		p->over_sp = r.gpr[X64_RSP];
		p->over = temp_site(e, e->ev.pc + in.len, false);
		return run_on(e, d);
	}
	p->leg = LEG_STEP;
	return go_at(e, TGT_STEP, site_at(e, e->ev.pc), known ? &in : NULL, d);
}

/* ---- looking at events ---- */

static bool kind_matches(const x64_insn *in, unsigned at)
{
	switch (in->flow) {
	case X64_FLOW_CALL:
		return at & (AT_CALL | AT_BRANCH);
	case X64_FLOW_RET:
		return at & (AT_RET | AT_BRANCH);
	case X64_FLOW_JMP:
	case X64_FLOW_COND:
	case X64_FLOW_SYSCALL:
	case X64_FLOW_SYSRET:
		return at & AT_BRANCH;
	default:
		return false;
	}
}

/* In source mode a step goes on until another line begins. */
static bool same_line(engine *e, uint64_t pc)
{
	const struct eng_plan *p = e->plan;
	sym_line l;
	if (!p->x.by_line || !p->line_hi)
		return false;
	if (pc >= p->line_lo && pc < p->line_hi)
		return true;
	if (sym_line_at(e->syms, pc, &l) != ERR_OK)
		return false; /* code without lines: a step into it ends here, as WinDbg's does */
	return l.line == p->line || pc != l.addr;
}

/* An instruction (or a call as one) is done: does the request end here? */
static plan_verdict step_done(engine *e)
{
	struct eng_plan *p = e->plan;
	uint64_t pc = e->ev.pc;
	x64_insn in;

	if (!(p->x.has_to && pc == p->x.to) && track_filtered(e, pc))
		return PLAN_MORE;
	if (p->x.each) {
		e->inside_wait = true;
		p->x.status = p->x.each(p->x.each_u);
		return p->x.status == ST_BREAK ? PLAN_DONE : PLAN_MORE;
	}
	if (p->x.has_to) {
		if (pc == p->x.to)
			return PLAN_DONE;
	} else if (p->x.at) {
		if (eng_insn(e, pc, &in, NULL) != ERR_OK)
			return PLAN_DONE;
		if (!kind_matches(&in, p->x.at) || (p->x.by_line && same_line(e, pc)))
			return PLAN_MORE;
		if (!--p->left)
			return PLAN_DONE;
	} else {
		if (same_line(e, pc))
			return PLAN_MORE;
		note_line(e, pc);
		if (!--p->left)
			return PLAN_DONE;
	}
	if (!p->x.quiet) {
		e->inside_wait = true;
		eng_show_stop(e);
	}
	return PLAN_MORE;
}

plan_verdict plan_moved(engine *e)
{
	struct eng_plan *p = e->plan;
	if (!p->moved || plan_free_run(e))
		return PLAN_MORE;
	p->moved = false;
	e->ev.code = STATUS_SINGLE_STEP;
	e->prev_ip = e->last_ip;
	e->last_ip = e->ev.pc;
	ctx_from_event(e);
	return step_done(e);
}

static bool above(engine *e, uint64_t sp)
{
	x64_regs r = {0};
	return unit_regs(e, X64_SET_CONTROL, &r, NULL) == ERR_OK && r.gpr[X64_RSP] >= sp;
}

static plan_verdict at_temp(engine *e, const site *s)
{
	struct eng_plan *p = e->plan;
	bool mine = e->ev.thread == p->thread;

	if (s == p->over) {
		if (!mine || !above(e, p->over_sp))
			return PLAN_MORE;
		drop_over(e);
		if (p->interrupted) {
			p->interrupted = false;
			return PLAN_AGAIN;
		}
		return step_done(e);
	}
	for (size_t i = 0; i < p->n_until; i++) {
		if (p->until[i] != s)
			continue;
		if (p->x.up)
			return mine && above(e, p->up_sp) ? PLAN_DONE : PLAN_MORE;
		return mine || !p->x.until_thread ? PLAN_DONE : PLAN_MORE;
	}
	return PLAN_NOT_MINE;
}

plan_verdict plan_event(engine *e, const tgt_event *ev)
{
	struct eng_plan *p = e->plan;

	if (p->n_left)
		left_forget(p, ev->unit);
	p->untried = ev->code != STATUS_SINGLE_STEP && ev->code != STATUS_BREAKPOINT;
	if (ev->code == STATUS_BREAKPOINT && call_returned(e, ev))
		return PLAN_RETURNED;
	if (ev->code == STATUS_SINGLE_STEP) {
		site *hard = site_hard(e, ev->dr6);
		if (hard)
			return p->active ? at_temp(e, hard) : PLAN_NOT_MINE;
		if (!settle(p, ev->thread))
			return PLAN_NOT_MINE;
		p->passed = true;
		if (call_returned(e, ev))
			return PLAN_RETURNED;
		if (!p->active || p->leg != LEG_STEP || ev->thread != p->thread)
			return PLAN_MORE; /* a trap was passed, or an old debt: run on */
		return step_done(e);
	}
	if (!p->active)
		return PLAN_NOT_MINE;
	if (ev->code != STATUS_BREAKPOINT) {
		p->signalled = !plan_free_run(e) && !p->over && ev->thread == p->thread;
		return PLAN_NOT_MINE;
	}
	for (size_t i = 0; i < e->bps->sites.n; i++) {
		site *s = e->bps->sites.p[i];
		if (s->kind != TGT_TRAP_SOFT || s->addr != ev->pc || !site_in_process(s, ev))
			continue;
		plan_verdict v = at_temp(e, s);
		if (v != PLAN_NOT_MINE)
			return v;
	}
	return PLAN_NOT_MINE;
}
