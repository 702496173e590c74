/*
 * pt_run: letting threads run, and making them stop. See pt.h.
 *
 * Sharing a processor: a hit that is passed over costs two switches between program and debugger;
 * across processors each is a wake-up of another core, several times as slow. While hits or steps
 * of one thread follow each other, with nobody else's between them and without a halt, it and the
 * debugger are put on one processor; other threads stay where they are. The program has its own
 * affinity back at every halt, when it makes a thread or a child, and when we let it go.
 */
#include "target/ptrace/pt.h"

#include <errno.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef PTRACE_EVENT_STOP
#define PTRACE_EVENT_STOP 128
#endif

enum { STORM = 24 };

/* ---- one processor ---- */

void pt_unpin(pt *p)
{
	p->storm = 0;
	if (!p->pinned)
		return;
	pt_thread *th = pt_thread_find(p, p->pinned_tid);
	p->pinned = false;
	if (th && th->pinned) {
		(void)!sched_setaffinity(th->tid, sizeof th->cpus, &th->cpus);
		th->pinned = false;
		pt_guard_cpus(th->proc, NULL);
	}
	(void)!sched_setaffinity(0, sizeof p->our_cpus, &p->our_cpus);
}

/* The next stop of th comes soon: the last ones did. */
static void pt_storm(pt *p, pt_thread *th)
{
	cpu_set_t one;
	if (p->storm_tid != th->tid) {
		pt_unpin(p);
		p->storm_tid = th->tid;
	}
	if (p->pinned || ++p->storm < STORM)
		return;
	p->storm = 0;
	/* The guard gives the affinity of a process's first thread back, and only attached
	 * processes outlive us. */
	if (th->tid != th->proc->pid && !th->proc->created)
		return;
	int cpu = sched_getcpu();
	if (cpu < 0 || sched_getaffinity(th->tid, sizeof th->cpus, &th->cpus) ||
		sched_getaffinity(0, sizeof p->our_cpus, &p->our_cpus))
		return;
	if (!CPU_ISSET(cpu, &th->cpus)) /* not where it may not go */
		return;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	pt_guard_cpus(th->proc, &th->cpus);
	if (sched_setaffinity(th->tid, sizeof one, &one)) {
		pt_guard_cpus(th->proc, NULL);
		return;
	}
	th->pinned = true;
	p->pinned = true;
	p->pinned_tid = th->tid;
	(void)!sched_setaffinity(0, sizeof one, &one);
}

/* ---- one status ---- */

static void nap(unsigned us)
{
	struct timespec ts = {0, us * 1000l};
	nanosleep(&ts, NULL);
}

/* A leader whose end nobody hears of before that of all others. */
static bool ended_first(const pt_thread *th)
{
	return th->tid == th->proc->pid && pt_task_state(th->tid) == 'Z';
}

bool pt_await(const pt_thread *th, int *status)
{
	bool leader = th->tid == th->proc->pid;
	for (unsigned tries = 0;; tries++) {
		pid_t got = waitpid(th->tid, status, __WALL | (leader ? WNOHANG : 0));
		if (got == th->tid)
			return true;
		if ((got < 0 && errno != EINTR) || (tries % 64 == 63 && ended_first(th)))
			return false;
		if (leader && tries < 64)
			sched_yield();
		else if (leader)
			nap(20);
	}
}

/* ---- running ---- */

/* From the stop that th is in to one that means nothing. It executes nothing in between: the
 * interrupt is noticed on the way out of the kernel. */
static void move_on(pt *p, pt_thread *th)
{
	int status;
	if (!pt_regs_flush(th) || ptrace(PTRACE_INTERRUPT, th->tid, NULL, NULL) ||
		ptrace(PTRACE_CONT, th->tid, NULL, NULL))
		return;
	th->unwaited = th->trapped = false;
	bool told = pt_await(th, &status);
	th->regs_known = th->pc_known = false;
	if (!told)
		return;
	if (WIFSTOPPED(status) && status >> 16 == PTRACE_EVENT_STOP) {
		th->group_stop = WSTOPSIG(status) != SIGTRAP;
		return;
	}
	/* Something else was waiting for it: a signal, its end. */
	pt_status(p, th, status, NULL);
}

void pt_run(pt *p, pt_thread *th, bool step)
{
	uint64_t pc;
	int req = step ? PTRACE_SINGLESTEP : PTRACE_CONT;
	if (th->own_break) {
		bool still = pt_pc(th, &pc) && pc == th->own_break;
		th->own_break = 0;
		if (still)
			pt_pc_set(th, pc + 1);
		if (still && step && !th->sig) {
			pt_step_event(p, th, NULL);
			return;
		}
	}
	if (th->sig) /* a handler comes first; what it returns to is met again */
		th->pass = NULL;
	if (th->pass) {
		bool done = pt_pass_go(p, th);
		if (th->state != PT_STOPPED || th->queued)
			return;
		if (done && step) {
			pt_step_event(p, th, NULL);
			return;
		}
	}
	if (th->group_stop && !step) {
		req = PTRACE_LISTEN; /* which wants the stop that tells of it */
		if (th->trapped)
			move_on(p, th);
		if (th->state != PT_STOPPED || th->queued)
			return;
		if (!th->group_stop)
			req = PTRACE_CONT;
	}
	if (th->sig == SIGTRAP && pt_guard_has_handler(th->proc)) {
		pt_guard_handler_off(p, th->proc, th);
		th->fix_si = true;
	}
	if (th->sig && th->fix_si)
		(void)!ptrace(PTRACE_SETSIGINFO, th->tid, NULL, &th->si);
	(void)!pt_regs_flush(th);
	/* Killed meanwhile: ESRCH; then its end is what we wait for. */
	(void)!ptrace(req, th->tid, NULL, (void *)(uintptr_t)(req == PTRACE_LISTEN ? 0 : th->sig));
	th->sig = 0;
	th->chance = PT_NO_SIGNAL;
	th->has_si = th->fix_si = th->trapped = th->unwaited = false;
	th->regs_known = th->pc_known = th->pc_dirty = th->regs_dirty = false;
	th->by_hand = 0;
	th->was_step = step;
	th->step = false;
	pt_set_running(p, th, th->leaving ? PT_LEAVING : PT_RUNNING);
}

bool pt_may_run(const pt *p, const pt_thread *th)
{
	return !th->frozen && !th->queued && !th->proc->look_only &&
	       (!p->alone || th->tid == p->alone || th->favoured || th->leaving ||
		       th->proc->shadow);
}

static void pt_launch(pt *p)
{
	VEC(pt_thread *) go = {0};
	pt_terminal_give(p);
	if (p->found_stopped)
		pt_continue_found(p);
	if (p->stopped.n == 1) { /* no list for the most frequent case */
		pt_thread *th = p->stopped.p[0];
		if (pt_may_run(p, th))
			pt_run(p, th, th->step);
		return;
	}
	for (size_t i = 0; i < p->stopped.n; i++)
		if (pt_may_run(p, p->stopped.p[i]))
			vec_push(&go, p->stopped.p[i]);
	for (size_t i = 0; i < go.n; i++)
		if (go.p[i]->state == PT_STOPPED && pt_may_run(p, go.p[i]))
			pt_run(p, go.p[i], go.p[i]->step);
	vec_deinit(&go);
}

/* What becomes of the signal that the last event told of. */
static void decide(pt *p, bool handled)
{
	pt_thread *th = pt_thread_find(p, p->last);
	if (!th || th->state != PT_STOPPED || th->chance == PT_NO_SIGNAL || th->queued)
		return;
	pt_chance was = th->chance;
	th->chance = PT_NO_SIGNAL;
	if (handled)
		return;
	if (was == PT_FIRST && pt_signal_kills(th, th->ev_sig) && pt_second_chance(p, th))
		return;
	th->sig = th->ev_sig;
}

static bool someone_else_runs(const pt *p, pid_t but)
{
	for (size_t i = 0; i < p->proc_list.n; i++) {
		const pt_proc *pr = p->proc_list.p[i];
		for (size_t k = 0; k < pr->threads.n; k++)
			if (pr->threads.p[k]->tid != but && !pr->shadow &&
				(pr->threads.p[k]->state == PT_RUNNING ||
					pr->threads.p[k]->state == PT_BORN))
				return true;
	}
	return false;
}

/* A debug register that watches for execution at the pc would hit at once: the resume flag keeps
 * it quiet for one instruction (Intel SDM volume 3, 17.3.1.1). */
static void past_exec_trap(pt_thread *th)
{
	uint64_t pc;
	for (unsigned i = 0; i < PT_HARD; i++) {
		const pt_hard *h = &th->proc->hard[i];
		if (!h->handle || h->kind != TGT_TRAP_EXEC || !pt_pc(th, &pc) || pc != h->addr ||
			!pt_regs_fetch(th))
			continue;
		th->regs.eflags |= X64_FL_RF;
		(void)!pt_regs_store(th);
	}
}

err pt_resume(tgt *t, const tgt_run *how, diag *d)
{
	pt *p = pt_of(t);
	pt_thread *th = pt_thread_find(p, how->unit ? (pid_t)how->unit : p->last);
	if (how->alone && !th)
		return diag_set(d, ERR_NOTFOUND, "thread %x has ended", how->unit);
	if (how->alone && someone_else_runs(p, th->tid))
		TRY(pt_halt(t, d));
	if (!how->alone && p->alone)
		for (size_t i = 0; i < p->stopped.n; i++)
			p->stopped.p[i]->favoured = false;
	p->alone = how->alone ? th->tid : 0;
	decide(p, how->handled);
	if (p->stopped.n > 1)
		for (size_t i = 0; i < p->stopped.n; i++)
			p->stopped.p[i]->step = false;
	if (th) {
		th->step = how->go == TGT_STEP;
		if (th->proc->n_hard && !how->unseen && th->state == PT_STOPPED)
			past_exec_trap(th);
		if (p->last_kind == TGT_EV_EXCEPTION)
			pt_storm(p, th);
	}
	if (!p->queue.n && !(th && th->step && pt_step_by_hand(p, th, how->insn)))
		pt_launch(p);
	return ERR_OK;
}

/* ---- stopping ---- */

static bool interrupt(pt_thread *th)
{
	if (th->poked)
		return true;
	th->poked = !ptrace(PTRACE_INTERRUPT, th->tid, NULL, NULL);
	return th->poked;
}

static bool must_stop(const pt_thread *th)
{
	return (th->state == PT_RUNNING || th->state == PT_BORN) && !th->in_vfork;
}

/* One status of th if there is one. */
static bool collect(pt *p, pt_thread *th)
{
	int status;
	pid_t got = waitpid(th->tid, &status, __WALL | WNOHANG);
	if (got == th->tid) {
		pt_status(p, th, status, NULL);
		return true;
	}
	if (got < 0 && errno == ECHILD) { /* nothing of it is left */
		pt_status(p, th, 0, NULL);
		return true;
	}
	return false;
}

/* All threads of `only` (NULL: of all processes) stand still, or have had PT_STOP_MS to do so. */
static void halt_all(pt *p, pt_proc *only, pt_thread *one)
{
	uint64_t give_up = 0;
	unsigned us = 0;
	for (;;) {
		VEC(pt_thread *) open = {0};
		bool progress = false;
		for (size_t i = 0; i < p->proc_list.n; i++) {
			pt_proc *pr = p->proc_list.p[i];
			for (size_t k = 0; k < pr->threads.n && (!only || pr == only); k++)
				if (must_stop(pr->threads.p[k]) &&
					(!one || pr->threads.p[k] == one))
					vec_push(&open, pr->threads.p[k]);
		}
		for (size_t i = 0; i < open.n; i++)
			if (open.p[i]->state == PT_RUNNING)
				(void)!interrupt(open.p[i]);
		for (size_t i = 0; i < open.n; i++)
			if (must_stop(open.p[i]))
				progress |= collect(p, open.p[i]);
		for (size_t i = 0; us && !progress && i < open.n; i++)
			if (ended_first(open.p[i]))
				pt_set_running(p, open.p[i], PT_LEAVING);
		size_t n = open.n;
		if (give_up && sys_now_ms() > give_up)
			for (size_t i = 0; i < n; i++)
				open.p[i]->stuck = must_stop(open.p[i]);
		vec_deinit(&open);
		if (!n || (give_up && sys_now_ms() > give_up))
			return;
		if (progress) {
			us = 0;
			continue;
		}
		if (!give_up)
			give_up = sys_now_ms() + PT_STOP_MS;
		if (us)
			nap(us);
		else
			sched_yield();
		us = us ? (us < 2000 ? us * 2 : us) : 20;
	}
}

bool pt_halt_thread(pt *p, pt_thread *th)
{
	halt_all(p, NULL, th);
	return th->state == PT_STOPPED;
}

/* Its signal is gone with it, so nothing puts the pc of a hit back any more if we are killed: first
 * that is where it shows. */
void pt_take_stop(pt_thread *th)
{
	int status;
	if (th->unwaited) {
		(void)!pt_regs_flush(th);
		(void)!waitpid(th->tid, &status, __WALL | WNOHANG);
	}
	th->unwaited = false;
}

void pt_leave_call(pt *p, pt_thread *th)
{
	if (!th->in_call)
		return;
	th->in_call = false;
	move_on(p, th);
}

err pt_halt(tgt *t, diag *d)
{
	(void)d;
	pt *p = pt_of(t);
	halt_all(p, NULL, NULL);
	pt_unpin(p);
	p->shown = true;
	/* Should we be killed while they are looked at, they go on from where they show. */
	for (size_t i = 0; i < p->stopped.n; i++) {
		pt_thread *th = p->stopped.p[i];
		if (!th->proc->created)
			(void)!pt_regs_flush(th);
		pt_take_stop(th);
	}
	pt_terminal_back(p);
	return ERR_OK;
}

err pt_halt_proc(pt *p, pt_proc *only, diag *d)
{
	(void)d;
	halt_all(p, only, NULL);
	return ERR_OK;
}

bool pt_step_once(pt *p, pt_thread *th)
{
	static const int sync[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
	uint64_t old = 0, block = ~0ull;
	int status;
	for (size_t i = 0; i < ARRAY_LEN(sync); i++)
		block &= ~(1ull << (sync[i] - 1));
	if (!pt_regs_flush(th))
		return false;
	bool masked = !ptrace(PTRACE_GETSIGMASK, th->tid, (void *)8, &old) &&
		      !ptrace(PTRACE_SETSIGMASK, th->tid, (void *)8, &block);
	if (ptrace(PTRACE_SINGLESTEP, th->tid, NULL, NULL))
		return false;
	th->unwaited = false;
	bool told = pt_await(th, &status);
	th->regs_known = th->pc_known = false;
	if (masked)
		(void)!ptrace(PTRACE_SETSIGMASK, th->tid, (void *)8, &old);
	if (!told)
		return false;
	if (status >> 8 == SIGTRAP) {
		siginfo_t si;
		th->trapped = true;
		if (!ptrace(PTRACE_GETSIGINFO, th->tid, NULL, &si) && si.si_code != SI_KERNEL)
			return true;
	}
	pt_status(p, th, status, NULL);
	return false;
}

err pt_freeze(tgt *t, unit_t u, bool on, diag *d)
{
	pt *p = pt_of(t);
	pt_thread *th = pt_thread_find(p, (pid_t)u);
	if (!th || th->state == PT_LEAVING)
		return diag_set(d, ERR_NOTFOUND, "there is no thread %x", u);
	if (on && th->state != PT_STOPPED && !pt_halt_thread(p, th))
		return diag_set(d, ERR_STATE, "thread %x does not stop", u);
	th->frozen = on;
	return ERR_OK;
}
