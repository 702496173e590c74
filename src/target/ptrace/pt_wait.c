/*
 * pt_wait: what the kernel says of threads, made into events. See pt.h.
 *
 * One waitpid takes one status; what others have to say stays in the kernel until it is asked for
 * again, so nothing is lost and nothing is read twice. A hit of one of our breaks goes straight to
 * the caller; everything else that is found while somebody else is looked at goes to the queue.
 *
 *   status  exit       -> THREAD_EXIT, PROCESS_EXIT
 *           EVENT_*    -> new thread or process, exec, about to exit, group stop
 *           SIGTRAP    -> our break (one PEEKUSER tells), a step, a debug register, its own int3
 *           signal     -> exception, first chance
 *
 * A SIGTRAP that another program sends at the very moment when the pc stands one byte behind a
 * break of ours is taken for a hit: to tell them apart would cost another system call at each hit.
 */
#include "target/ptrace/pt.h"

#include "target/signals.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef PTRACE_EVENT_STOP
#define PTRACE_EVENT_STOP 128
#endif

/* ---- events ---- */

static void pt_fill(pt *p, pt_thread *th, pt_proc *pr, tgt_event_kind kind, tgt_event *ev)
{
	memset(ev, 0, sizeof *ev);
	ev->kind = kind;
	ev->n_units = p->n_threads;
	ev->process_id = (uint64_t)pr->pid;
	if (th) {
		ev->unit = (unit_t)th->tid;
		ev->thread = (uint64_t)th->tid;
	}
}

tgt_event *pt_event(pt *p, pt_thread *th, pt_proc *pr, tgt_event_kind kind)
{
	tgt_event *ev = mem_alloc(sizeof *ev);
	pt_fill(p, th, pr, kind, ev);
	if (th && th->state == PT_STOPPED) {
		th->queued++;
		(void)!pt_pc(th, &ev->pc);
	}
	vec_push(&p->queue, ev);
	return ev;
}

static tgt_event *pt_exception(pt *p, pt_thread *th, tgt_event *ret)
{
	tgt_event *ev = ret;
	if (ret)
		pt_fill(p, th, th->proc, TGT_EV_EXCEPTION, ret);
	else
		ev = pt_event(p, th, th->proc, TGT_EV_EXCEPTION);
	if (th->state == PT_STOPPED)
		(void)!pt_pc(th, &ev->pc);
	ev->exr_address = ev->pc;
	ev->first_chance = true;
	return ev;
}

tgt_event *pt_break_event(pt *p, pt_thread *th, tgt_event *ret)
{
	tgt_event *ev = pt_exception(p, th, ret);
	ev->code = (uint32_t)PT_CODE_BREAK;
	ev->n_params = 1;
	return ev;
}

/* Whoever it is about may not be there any more, or not be allowed to run. */
static bool pop(pt *p, tgt_event *ret)
{
	for (size_t i = 0; i < p->queue.n;) {
		tgt_event *ev = p->queue.p[i];
		pt_thread *th = pt_thread_find(p, (pid_t)ev->unit);
		pt_proc *pr = pt_proc_find(p, (pid_t)ev->process_id);
		bool past = ev->kind == TGT_EV_PROCESS_EXIT || ev->kind == TGT_EV_THREAD_EXIT ||
			    ev->kind == TGT_EV_NOTICE;
		if (th && th->state != PT_STOPPED && ev->kind == TGT_EV_EXCEPTION)
			th = NULL;
		if (!past && (!pr || (!th && ev->kind != TGT_EV_PROCESS))) {
			vec_remove(&p->queue, i);
			mem_free(ev);
			continue;
		}
		if (th && !past &&
			(th->frozen || (p->alone && th->tid != p->alone && !th->favoured))) {
			i++;
			continue;
		}
		if (th && th->queued && th->state == PT_STOPPED)
			th->queued--;
		/* The caller may have moved it meanwhile. */
		if (th && th->state == PT_STOPPED && !past && ev->kind != TGT_EV_EXCEPTION)
			(void)!pt_pc(th, &ev->pc);
		*ret = *ev;
		vec_remove(&p->queue, i);
		mem_free(ev);
		return true;
	}
	return false;
}

/* The instruction at the pc, for who wants to see whether it is a break of the program's own. */
static void stream(pt_thread *th, tgt_event *ev)
{
	size_t n = TGT_STREAM_MAX;
	while (n && !pt_mem_get(th->proc->space, ev->pc, ev->stream, n))
		n = ev->pc % PT_PAGE + n > PT_PAGE ? PT_PAGE - ev->pc % PT_PAGE : 0;
	ev->n_stream = (uint32_t)n;
}

/* ---- signals as exceptions ---- */

/* 0 read, 1 write, 8 execute. */
static uint64_t access_kind(pt_thread *th, uint64_t addr, uint64_t pc, uint64_t *ea)
{
	uint8_t b[X64_INSN_MAX];
	size_t n = sizeof b;
	x64_regs r = {.valid = X64_SET_GENERAL | X64_SET_BASES, .rip = pc};
	if (addr - pc < X64_INSN_MAX && pt_raw_read(th->proc->space, pc, b, 1) != 1)
		return 8;
	while (n && !pt_mem_get(th->proc->space, pc, b, n))
		n--;
	if (!pt_regs_fetch(th))
		return addr == pc ? 8 : 0;
	const struct user_regs_struct *k = &th->regs;
	const uint64_t g[X64_NGPR] = {k->rax, k->rcx, k->rdx, k->rbx, k->rsp, k->rbp, k->rsi,
		k->rdi, k->r8, k->r9, k->r10, k->r11, k->r12, k->r13, k->r14, k->r15};
	memcpy(r.gpr, g, sizeof g);
	r.fs_base = k->fs_base;
	r.gs_base = k->gs_base;
	return signal_access_kind(&r, b, n, addr, ea);
}

static void exception_of(pt_thread *th, const siginfo_t *si, tgt_event *ev)
{
	int sig = si->si_signo;
	uint64_t addr = (uint64_t)(uintptr_t)si->si_addr;
	ev->signal = sig;
	ev->code = signal_exception_code(sig, si->si_code);
	if (si->si_code <= 0 || (sig != SIGSEGV && sig != SIGBUS))
		return;
	bool nowhere = sig == SIGSEGV && si->si_code == SI_KERNEL;
	if (nowhere)
		addr = 0; /* a general protection fault names no address */
	ev->n_params = 2;
	ev->params[0] = access_kind(th, addr, ev->pc, nowhere ? &addr : NULL);
	ev->params[1] = addr;
}

/* Signals whose default action ends the process: signal(7). */
bool pt_signal_kills(const pt_thread *th, int sig)
{
	uint64_t ign = 0, cgt = 0, bit = 1ull << (sig - 1);
	switch (sig) {
	case SIGCHLD:
	case SIGCONT:
	case SIGURG:
	case SIGWINCH:
	case SIGSTOP:
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
		return false;
	default:
		break;
	}
	if (sig == SIGTRAP && pt_guard_has_handler(th->proc))
		return true;
	return pt_status_field(th->tid, "SigIgn", 16, &ign) &&
	       pt_status_field(th->tid, "SigCgt", 16, &cgt) && !(ign & bit) && !(cgt & bit);
}

bool pt_own_fault(const siginfo_t *si)
{
	int sig = si->si_signo;
	return si->si_code > 0 &&
	       (sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE || sig == SIGILL);
}

bool pt_second_chance(pt *p, pt_thread *th)
{
	if (!th->has_si)
		return false;
	tgt_event *ev = pt_exception(p, th, NULL);
	exception_of(th, &th->si, ev);
	if (th->own_break)
		ev->code = (uint32_t)PT_CODE_BREAK;
	ev->first_chance = false;
	th->chance = PT_SECOND;
	return true;
}

static bool report_signal(pt *p, pt_thread *th, tgt_event *ret)
{
	tgt_event *ev = pt_exception(p, th, ret);
	exception_of(th, &th->si, ev);
	th->ev_sig = th->si.si_signo;
	th->chance = PT_FIRST;
	stream(th, ev);
	return ret != NULL;
}

/* Nobody is to see this stop. */
static void go_on(pt *p, pt_thread *th, bool waiting)
{
	if (waiting && th->state == PT_STOPPED && pt_may_run(p, th))
		pt_run(p, th, th->was_step);
}

/*
 * A signal came before the copied instruction was executed. One that the instruction did not
 * raise itself can wait for it. False: the thread has something else to say now.
 */
static bool finish_copy(pt *p, pt_thread *th)
{
	pt_site *s = th->pass;
	siginfo_t si = th->si;
	th->pass = NULL;
	pt_pc_set(th, s->slot);
	th->pc_dirty = false; /* that is where the kernel has it */
	if (!pt_step_once(p, th)) {
		syscall(SYS_tgkill, th->proc->pid, th->tid, si.si_signo);
		return false;
	}
	th->in = s;
	pt_pass_home(p, th);
	th->si = si;
	th->has_si = th->fix_si = true;
	return true;
}

static bool signal_stop(pt *p, pt_thread *th, int sig, tgt_event *ret)
{
	bool waiting = ret != NULL;
	if (ptrace(PTRACE_GETSIGINFO, th->tid, NULL, &th->si))
		return false; /* killed */
	th->has_si = true;
	th->si.si_signo = sig;
	pt_site *s = th->in;
	if (s && pt_pass_home(p, th)) {
		bool own = pt_own_fault(&th->si);
		if (!own && !finish_copy(p, th))
			return false;
		if (own && (uint64_t)(uintptr_t)th->si.si_addr == s->slot &&
			(sig == SIGFPE || sig == SIGILL)) {
			th->si.si_addr = (void *)(uintptr_t)s->addr;
			th->fix_si = true;
		}
	}
	if (th->proc->shadow || (sig <= 64 && p->silent >> (sig - 1) & 1)) {
		th->sig = sig;
		go_on(p, th, waiting);
		return false;
	}
	return report_signal(p, th, ret);
}

/* ---- traps ---- */

bool pt_step_event(pt *p, pt_thread *th, tgt_event *ret)
{
	pt_exception(p, th, ret)->code = (uint32_t)PT_CODE_STEP;
	return ret != NULL;
}

static bool hit(pt *p, pt_thread *th, pt_site *s, tgt_event *ret)
{
	bool seen = pt_site_wanted(p, th->proc, s);
	th->in = NULL;
	pt_pc_set(th, s->addr);
	if (!ret) /* somebody else is looked at: it will meet it again */
		return false;
	bool inner = s->inner && pt_loader_hit(p, th, s);
	if (!seen) {
		if (s->planted)
			pt_pass_silently(p, th, s);
		go_on(p, th, true);
		return false;
	}
	if (inner && th->queued) /* what the loader did comes first */
		ret = NULL;
	(void)pt_break_event(p, th, ret);
	return ret != NULL;
}

/* The program's own int3: the pc goes back onto it, as NT has it; running goes on behind it. */
static bool own_break(pt *p, pt_thread *th, tgt_event *ret)
{
	uint64_t pc;
	if (pt_pc(th, &pc)) {
		pt_pc_set(th, pc - 1);
		th->own_break = pc - 1;
	}
	if (th->proc->shadow) {
		th->sig = SIGTRAP;
		go_on(p, th, ret != NULL);
		return false;
	}
	return report_signal(p, th, ret);
}

static bool hard_event(pt *p, pt_thread *th, uint64_t dr6, bool stepped, tgt_event *ret)
{
	tgt_event *ev = pt_exception(p, th, ret);
	ev->code = (uint32_t)PT_CODE_STEP;
	ev->has_report = true;
	ev->dr6 = (dr6 & 15) | (stepped ? 0x4000 : 0);
	(void)!pt_dr_get(th, 7, &ev->dr7);
	if (pt_regs_fetch(th)) {
		ev->eflags = (uint32_t)th->regs.eflags;
		ev->cs = (uint16_t)th->regs.cs;
		ev->ds = (uint16_t)th->regs.ds;
		ev->es = (uint16_t)th->regs.es;
		ev->fs = (uint16_t)th->regs.fs;
	}
	return ret != NULL;
}

static bool trap_stop(pt *p, pt_thread *th, tgt_event *ret)
{
	pt_proc *pr = th->proc;
	uint64_t pc, dr6 = 0;
	pt_site *s;
	th->trapped = true;
	if (!th->was_step && !pr->n_hard && pr->space->n_planted) {
		if (!pt_pc(th, &pc))
			return false;
		s = pt_site_at(pr->space, pc - 1);
		if (s)
			return hit(p, th, s, ret);
	}
	if (ptrace(PTRACE_GETSIGINFO, th->tid, NULL, &th->si))
		return false;
	int code = th->si.si_code;
	if (code == SI_KERNEL) {
		if (!pt_pc(th, &pc))
			return false;
		s = pt_site_at(pr->space, pc - 1);
		if (s)
			return hit(p, th, s, ret);
		th->has_si = true;
		return own_break(p, th, ret);
	}
	if (code == TRAP_TRACE || code == TRAP_BRKPT || code == TRAP_HWBKPT) {
		if (!th->pc_known) {
			th->pc = (uint64_t)(uintptr_t)th->si.si_addr;
			th->pc_known = true;
		}
		pt_pass_home(p, th);
		unsigned hard = pr->n_hard ? pt_hard_hit(p, th, &dr6) : 0;
		bool stepped = th->was_step && code != TRAP_HWBKPT;
		if (hard)
			return hard_event(p, th, dr6, stepped, ret);
		if (stepped) {
			pt_stepped(th);
			return pt_step_event(p, th, ret);
		}
	} else {
		pt_pass_home(p, th);
		/* The step that delivered a signal ends at its handler, which the kernel tells by
		 * ptrace_notify(SIGTRAP): the number is the code (signal_setup_done). */
		if (code == SIGTRAP && th->was_step)
			return pt_step_event(p, th, ret);
	}
	th->has_si = true;
	if (pr->shadow) {
		th->sig = SIGTRAP;
		go_on(p, th, ret != NULL);
		return false;
	}
	bool r = report_signal(p, th, ret);
	tgt_event *ev = ret ? ret : p->queue.p[p->queue.n - 1];
	if (code == TRAP_TRACE || code == TRAP_HWBKPT)
		ev->code = (uint32_t)PT_CODE_STEP;
	return r;
}

/* ---- life and death ---- */

static uint32_t code_of(int status)
{
	return WIFSIGNALED(status) ? 0x80u + (uint32_t)WTERMSIG(status)
				   : (uint32_t)WEXITSTATUS(status);
}

void pt_proc_ended(pt *p, pt_proc *pr, pid_t tid, uint32_t code)
{
	if (!pr->shadow) {
		tgt_event *ev = pt_event(p, NULL, pr, TGT_EV_PROCESS_EXIT);
		ev->unit = (unit_t)tid;
		ev->thread = (uint64_t)tid;
		ev->exit_code = code;
		ev->base = pr->base;
		ev->size = pr->size;
	}
	pt_proc_free(p, pr);
}

static void gone(pt *p, pt_thread *th, int status)
{
	pt_proc *pr = th->proc;
	pid_t tid = th->tid;
	uint32_t code = status ? code_of(status) : th->exit_code;
	bool told = th->leaving;
	if (tid == p->pinned_tid)
		pt_unpin(p);
	pt_thread_free(p, th);
	if (tid == pr->pid || !pr->threads.n) {
		pt_proc_ended(p, pr, tid, code);
		return;
	}
	if (told || pr->shadow)
		return;
	tgt_event *ev = pt_event(p, NULL, pr, TGT_EV_THREAD_EXIT);
	ev->unit = (unit_t)tid;
	ev->thread = (uint64_t)tid;
	ev->exit_code = code;
}

static bool last_one(const pt_thread *th)
{
	const pt_proc *pr = th->proc;
	for (size_t i = 0; i < pr->threads.n; i++)
		if (pr->threads.p[i] != th && !pr->threads.p[i]->leaving)
			return false;
	return true;
}

static void exiting(pt *p, pt_thread *th, bool waiting)
{
	unsigned long msg = 0;
	(void)!ptrace(PTRACE_GETEVENTMSG, th->tid, NULL, &msg);
	pt_pass_home(p, th);
	th->exit_code = code_of((int)msg);
	th->pass = NULL;
	bool tell = !th->proc->shadow && !th->leaving && !last_one(th);
	th->leaving = true;
	if (tell)
		pt_event(p, th, th->proc, TGT_EV_THREAD_EXIT)->exit_code = th->exit_code;
	else
		pt_run(p, th, false); /* nobody has a use for it: let it go, halted or not */
	(void)waiting;
}

/*
 * Our interrupt was noticed after the thread had met a trap and before it could say so: the SIGTRAP
 * is still to come, and would be taken for the program's own once the trap is out. True: it was
 * fetched.
 */
static bool trap_behind(pt *p, pt_thread *th)
{
	struct __ptrace_peeksiginfo_args args = {.nr = 1};
	siginfo_t si;
	int status;
	for (; args.off < 64; args.off++) {
		if (ptrace(PTRACE_PEEKSIGINFO, th->tid, &args, &si) != 1)
			return false;
		if (si.si_signo == SIGTRAP && si.si_code > 0)
			break;
	}
	if (args.off == 64 || ptrace(PTRACE_CONT, th->tid, NULL, NULL))
		return false;
	if (pt_await(th, &status))
		pt_status(p, th, status, NULL);
	return true;
}

/* The program at our terminal was stopped by job control, or goes on. As long as it is stopped,
 * what is typed is for us. */
static void terminal_follows(pt *p, pt_thread *th)
{
	if (!th->group_stop) {
		pt_terminal_give(p);
		return;
	}
	if (!p->tty_pgrp)
		return;
	pt_terminal_back(p);
	pt_event(p, NULL, th->proc, TGT_EV_NOTICE)->text =
		STR("The program is stopped. Ctrl+C gives the prompt; g there continues it.");
}

static void trap_event_stop(pt *p, pt_thread *th, int sig, bool waiting)
{
	if (!waiting && !th->new_thread && trap_behind(p, th))
		return;
	pt_pass_home(p, th);
	th->group_stop = sig != SIGTRAP;
	if (th->proc->terminal && waiting)
		terminal_follows(p, th);
	if (th->new_thread) {
		th->new_thread = false;
		if (th->proc->n_hard)
			pt_hard_apply(p, th);
		if (!th->proc->shadow) {
			pt_event(p, th, th->proc, TGT_EV_THREAD);
			return;
		}
	}
	go_on(p, th, waiting);
}

/* Somebody halts, and th has stopped inside of a system call, where its registers are not what
 * they will be: it goes on to the end of the call. Who halts waits for that stop. */
static void out_of_call(pt *p, pt_thread *th)
{
	bool vfork = th->in_vfork;
	if (th->state != PT_STOPPED)
		return;
	bool poked = !ptrace(PTRACE_INTERRUPT, th->tid, NULL, NULL);
	pt_run(p, th, false);
	th->poked = poked;
	th->in_vfork = vfork;
}

bool pt_status(pt *p, pt_thread *th, int status, tgt_event *ret)
{
	bool waiting = ret != NULL;
	if (!WIFSTOPPED(status)) {
		gone(p, th, status);
		return false;
	}
	th->poked = th->stuck = th->in_vfork = false;
	pt_set_stopped(p, th);
	switch (status >> 16) {
	case 0:
		if (WSTOPSIG(status) == SIGTRAP)
			return trap_stop(p, th, ret);
		return signal_stop(p, th, WSTOPSIG(status), ret);
	case PTRACE_EVENT_CLONE:
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
		pt_born(p, th, status >> 16);
		if (waiting)
			go_on(p, th, true);
		else
			out_of_call(p, th);
		return false;
	case PTRACE_EVENT_EXEC:
		pt_exec(p, th);
		return false;
	case PTRACE_EVENT_EXIT:
		exiting(p, th, waiting);
		return false;
	case PTRACE_EVENT_STOP:
		trap_event_stop(p, th, WSTOPSIG(status), waiting);
		return false;
	default: /* VFORK_DONE */
		if (waiting)
			go_on(p, th, true);
		else
			out_of_call(p, th);
		return false;
	}
}

/* A thread that we do not know: a new one whose parent's event is still to come, or one that we
 * let go before it stopped. */
void pt_unknown_status(pt *p, pid_t tid, int status)
{
	uint64_t tgid = 0;
	for (size_t i = 0; i < p->leftover.n; i++)
		if (p->leftover.p[i] == tid) {
			if (WIFSTOPPED(status))
				(void)!ptrace(PTRACE_DETACH, tid, NULL, NULL);
			vec_remove(&p->leftover, i);
			return;
		}
	if (!WIFSTOPPED(status)) {
		map_del(&p->early, (uint64_t)tid);
		return;
	}
	pt_proc *pr = pt_status_field(tid, "Tgid", 10, &tgid) ? pt_proc_find(p, (pid_t)tgid) : NULL;
	if (!pr) {
		map_set(&p->early, (uint64_t)tid, (void *)(uintptr_t)((unsigned)status + 1ul));
		return;
	}
	pt_thread *th = pt_thread_add(p, pr, tid);
	th->new_thread = status >> 16 == PTRACE_EVENT_STOP;
	th->favoured = p->alone != 0;
	pt_status(p, th, status, NULL);
	if (th->state == PT_STOPPED && !th->queued && pt_may_run(p, th))
		pt_run(p, th, false);
}

/* ---- the wait ---- */

static bool break_in(pt *p, tgt_event *ret)
{
	pt_thread *th = pt_thread_find(p, p->last);
	atomic_store(&p->watch.want_break, false);
	if (!th || th->state == PT_LEAVING || th->proc->shadow || th->in_vfork) {
		th = NULL;
		for (size_t i = 0; i < p->proc_list.n && !th; i++) {
			pt_proc *pr = p->proc_list.p[i];
			for (size_t k = 0; k < pr->threads.n && !pr->shadow && !th; k++)
				if (pr->threads.p[k]->state != PT_LEAVING &&
					!pr->threads.p[k]->in_vfork)
					th = pr->threads.p[k];
		}
	}
	if (!th) { /* all wait for vfork children: as soon as one can stop */
		atomic_store(&p->watch.want_break, true);
		return false;
	}
	pid_t tid = th->tid;
	if (th->state != PT_STOPPED && !pt_halt_thread(p, th) && pt_thread_find(p, tid) != th) {
		atomic_store(&p->watch.want_break, true); /* died meanwhile: another one */
		return false;
	}
	(void)pt_break_event(p, th, ret);
	return true;
}

static void dead(pt *p, tgt_event *ret)
{
	memset(ret, 0, sizeof *ret);
	ret->kind = TGT_EV_DEAD;
	ret->text = STR("the last process has ended");
	(void)p;
}

/* The kernel knows nothing of ours any more. */
static void all_lost(pt *p)
{
	while (p->proc_list.n) {
		pt_proc *pr = p->proc_list.p[0];
		pt_proc_ended(p, pr, pr->pid, pr->exit_code);
	}
}

/*
 * The next status. Taking a stop makes the kernel forget its signal: a thread whose tracer dies
 * then goes on from the pc as it is, which at a hit is one byte behind the break. So where the
 * program has our handler (pt_guard.c) a stop is only looked at until we have made up our mind: if
 * we die the handler gets the SIGTRAP, and knows what to do.
 */
static pid_t next_status(pt *p, int flags, int *status)
{
	if (!p->n_handlers)
		return wait4(-1, status, flags, NULL);
	for (;;) {
		siginfo_t si = {0};
		if (waitid(P_ALL, 0, &si, flags | WEXITED | WSTOPPED | WNOWAIT))
			return -1;
		pid_t tid = si.si_pid;
		pt_thread *th = tid ? pt_thread_find(p, tid) : NULL;
		if (th && (si.si_code == CLD_TRAPPED || si.si_code == CLD_STOPPED) &&
			!(si.si_status >> 8) && pt_guard_has_handler(th->proc)) {
			*status = si.si_status << 8 | 0x7f;
			th->unwaited = true;
			return tid;
		}
		/* 0: killed out of the stop since, and the next status is somebody's else */
		tid = tid ? wait4(tid, status, __WALL | WNOHANG, NULL) : 0;
		if (tid || !si.si_pid)
			return tid;
	}
}

static err wait_loop(pt *p, int timeout_ms, tgt_event *ret)
{
	int flags = __WALL | __WNOTHREAD | (timeout_ms == 0 ? WNOHANG : 0);
	for (;;) {
		int status;
		if (p->queue.n && pop(p, ret))
			return ERR_OK;
		if (atomic_load_explicit(&p->watch.want_break, memory_order_relaxed) &&
			break_in(p, ret))
			return ERR_OK;
		if (!p->proc_list.n) {
			if (p->queue.n)
				continue;
			dead(p, ret);
			return ERR_OK;
		}
		pid_t tid = next_status(p, flags, &status);
		if (tid > 0) {
			pt_thread *th = pt_thread_find(p, tid);
			if (!th)
				pt_unknown_status(p, tid, status);
			else if (pt_status(p, th, status, ret))
				return ERR_OK;
			else if (th->unwaited && th->state == PT_STOPPED)
				pt_take_stop(th);
			continue;
		}
		if (tid < 0 && errno == ECHILD) {
			all_lost(p);
			continue;
		}
		if (tid == 0 || pt_watch_late(p)) {
			memset(ret, 0, sizeof *ret);
			ret->kind = TGT_EV_TIMEOUT;
			return ERR_OK;
		}
		if (cancelled(p->t.host.cancel))
			return ERR_CANCELLED;
	}
}

err pt_wait(tgt *t, int timeout_ms, tgt_event *ret, diag *d)
{
	pt *p = pt_of(t);
	if (p->dead_threads.n || p->dead_procs.n)
		pt_bury(p);
	if (!p->had_process)
		return diag_set(d, ERR_STATE, "there is no process yet");
	pt_thread *last = p->n_handlers ? pt_thread_find(p, p->last) : NULL;
	if (last && last->state == PT_STOPPED)
		pt_take_stop(last);
	pt_watch_begin(p, timeout_ms);
	err e = wait_loop(p, timeout_ms, ret);
	pt_watch_end(p);
	if (e != ERR_OK)
		return diag_set(d, e, "waiting was cancelled");
	if (ret->kind == TGT_EV_TIMEOUT || ret->kind == TGT_EV_DEAD || ret->kind == TGT_EV_NOTICE)
		return ERR_OK;
	/* Not a hit or a step: what the caller starts now is not to inherit one processor. */
	if (p->pinned && ret->kind != TGT_EV_EXCEPTION)
		pt_unpin(p);
	p->last = (pid_t)ret->unit;
	p->last_pid = (pid_t)ret->process_id;
	p->last_kind = ret->kind;
	return ERR_OK;
}
