/*
 * ptrace: processes of this Linux host, through ptrace. See pt.h for the files and words.
 *
 * What holds for the program under it:
 * - A created process dies with the debugger (PTRACE_O_EXITKILL) until it is let go. One that was
 *   attached to lives on; pt_guard.c says how, and what is left to chance.
 * - The terminal: a created program gets a process group of its own, and if our standard input is
 *   our controlling terminal and we are in its foreground, it becomes the foreground group while
 *   it runs: Ctrl+C is the program's SIGINT (an event, code 40010005). At halt, which is what a
 *   caller does before it shows a stop, the terminal is taken back.
 * - Nothing that the backend does by itself is left in the program: no byte, no debug register, no
 *   page, no processor affinity, once it is detached from.
 */
#include "target/ptrace/pt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- lists ---- */

pt_proc *pt_proc_find(pt *p, pid_t pid)
{
	return map_get(&p->procs, (uint64_t)pid);
}

pt_thread *pt_thread_find(pt *p, pid_t tid)
{
	return map_get(&p->threads, (uint64_t)tid);
}

void pt_set_stopped(pt *p, pt_thread *th)
{
	if (th->at_stopped != SIZE_MAX)
		return;
	th->state = PT_STOPPED;
	th->at_stopped = p->stopped.n;
	vec_push(&p->stopped, th);
}

void pt_set_running(pt *p, pt_thread *th, pt_state s)
{
	th->state = s;
	if (th->at_stopped == SIZE_MAX)
		return;
	pt_thread *last = p->stopped.p[p->stopped.n - 1];
	p->stopped.p[th->at_stopped] = last;
	last->at_stopped = th->at_stopped;
	p->stopped.n--;
	th->at_stopped = SIZE_MAX;
}

pt_thread *pt_thread_add(pt *p, pt_proc *pr, pid_t tid)
{
	pt_thread *th = mem_alloc(sizeof *th);
	th->tid = tid;
	th->proc = pr;
	th->state = PT_BORN;
	th->at_stopped = SIZE_MAX;
	vec_push(&pr->threads, th);
	map_set(&p->threads, (uint64_t)tid, th);
	p->n_threads++;
	return th;
}

void pt_thread_free(pt *p, pt_thread *th)
{
	pt_proc *pr = th->proc;
	pt_set_running(p, th, PT_LEAVING);
	for (size_t i = 0; i < pr->threads.n; i++)
		if (pr->threads.p[i] == th) {
			vec_remove(&pr->threads, i);
			break;
		}
	if (pt_thread_find(p, th->tid) == th)
		map_del(&p->threads, (uint64_t)th->tid);
	p->n_threads--;
	vec_push(&p->dead_threads, th);
}

void pt_bury(pt *p)
{
	for (size_t i = 0; i < p->dead_threads.n; i++)
		mem_free(p->dead_threads.p[i]);
	for (size_t i = 0; i < p->dead_procs.n; i++)
		mem_free(p->dead_procs.p[i]);
	p->dead_threads.n = p->dead_procs.n = 0;
}

pt_space *pt_space_create(pid_t pid)
{
	char path[64];
	pt_space *s = mem_alloc(sizeof *s);
	snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
	s->refs = 1;
	s->pid = pid;
	s->mem = open(path, O_RDWR | O_CLOEXEC);
	map_init(&s->at);
	return s;
}

void pt_space_unref(pt_space *s)
{
	if (!s || --s->refs)
		return;
	if (s->mem >= 0)
		close(s->mem);
	for (size_t i = 0; i < s->sites.n; i++)
		mem_free(s->sites.p[i]);
	for (size_t i = 0; i < s->scratch.n; i++)
		mem_free(s->scratch.p[i]);
	vec_deinit(&s->sites);
	vec_deinit(&s->scratch);
	vec_deinit(&s->free_slots);
	map_deinit(&s->at);
	mem_free(s);
}

pt_proc *pt_proc_add(pt *p, pid_t pid)
{
	pt_proc *pr = mem_alloc(sizeof *pr);
	pr->pid = pid;
	pr->start = pt_start_time(pid);
	map_set(&p->procs, (uint64_t)pid, pr);
	vec_push(&p->proc_list, pr);
	p->had_process = true;
	return pr;
}

void pt_proc_free(pt *p, pt_proc *pr)
{
	while (pr->threads.n)
		pt_thread_free(p, pr->threads.p[pr->threads.n - 1]);
	pt_traps_forget(p, pr);
	pt_guard_stop(p, pr);
	pt_modules_free(pr);
	pt_space_unref(pr->space);
	vec_deinit(&pr->threads);
	for (size_t i = 0; i < p->proc_list.n; i++)
		if (p->proc_list.p[i] == pr) {
			vec_remove(&p->proc_list, i);
			break;
		}
	map_del(&p->procs, (uint64_t)pr->pid);
	if (pr->terminal)
		pt_terminal_back(p);
	pr->gone = true;
	pr->space = NULL;
	vec_push(&p->dead_procs, pr);
}

pid_t pt_via(const pt_proc *pr)
{
	pid_t any = 0;
	for (size_t i = 0; i < pr->threads.n; i++) {
		const pt_thread *th = pr->threads.p[i];
		if (th->leaving)
			continue;
		if (th->tid == pr->pid)
			return pr->pid;
		if (!any)
			any = th->tid;
	}
	return any ? any : pr->pid;
}

err pt_current(pt *p, as_t as, pt_proc **ret)
{
	pid_t pid = as.kind == AS_PROCESS ? (pid_t)as.id : p->last_pid;
	pt_proc *pr = NULL;
	if (as.kind != AS_PROCESS && as.kind != AS_CURRENT)
		return ERR_UNSUPPORTED;
	pr = pt_proc_find(p, pid);
	if (!pr && as.kind == AS_CURRENT && p->proc_list.n)
		pr = p->proc_list.p[0];
	if (!pr || !pr->space || pr->gone)
		return ERR_FAULT;
	*ret = pr;
	return ERR_OK;
}

/* ---- the table ---- */

static void caps(tgt *t, tgt_caps *ret)
{
	(void)t;
	*ret = (tgt_caps){
		.live = true,
		.threads = true,
		.spaces = 1u << AS_CURRENT | 1u << AS_PROCESS,
		.max_hard = PT_HARD,
		.can_step = true,
	};
}

static err units(tgt *t, uint64_t process_id, tgt_unit *ret, size_t cap, size_t *n_ret)
{
	pt *p = pt_of(t);
	size_t n = 0;
	for (size_t i = 0; i < p->proc_list.n; i++) {
		pt_proc *pr = p->proc_list.p[i];
		if (pr->shadow || pr->gone || (process_id && (uint64_t)pr->pid != process_id))
			continue;
		for (size_t k = 0; k < pr->threads.n; k++) {
			pt_thread *th = pr->threads.p[k];
			if (th->state == PT_LEAVING)
				continue;
			if (n < cap)
				ret[n] = (tgt_unit){(unit_t)th->tid, (uint64_t)pr->pid, th->frozen};
			n++;
		}
	}
	*n_ret = n;
	return ERR_OK;
}

static err processes(tgt *t, uint64_t *ret, size_t cap, size_t *n_ret)
{
	pt *p = pt_of(t);
	size_t n = 0;
	for (size_t i = 0; i < p->proc_list.n; i++) {
		pt_proc *pr = p->proc_list.p[i];
		if (pr->shadow || pr->gone)
			continue;
		if (n < cap)
			ret[n] = (uint64_t)pr->pid;
		n++;
	}
	*n_ret = n;
	return ERR_OK;
}

static err follow(tgt *t, bool on, diag *d)
{
	(void)d;
	pt_of(t)->follow = on;
	return ERR_OK;
}

static err ctl(tgt *t, tgt_ctl_code c, uint64_t arg, diag *d)
{
	pt *p = pt_of(t);
	switch (c) {
	case TGT_CTL_SWITCH:
	case TGT_CTL_DROP_FAULT: {
		pt_thread *th = pt_thread_find(p, (pid_t)arg);
		if (!th)
			return diag_set(d, ERR_NOTFOUND, "there is no thread %llx",
				(unsigned long long)arg);
		if (c == TGT_CTL_SWITCH)
			p->last_pid = th->proc->pid;
		else if (th->has_si && pt_own_fault(&th->si))
			th->chance = PT_NO_SIGNAL;
		return ERR_OK;
	}
	case TGT_CTL_SILENT_SIGNALS:
		/* Nobody may take a break-in or a trap away. */
		p->silent = arg & ~(1ull << (SIGTRAP - 1) | 1ull << (SIGSTOP - 1));
		return ERR_OK;
	default:
		return diag_set(d, ERR_UNSUPPORTED, "that is not possible with processes");
	}
}

static void describe(tgt *t, buf *out)
{
	pt *p = pt_of(t);
	size_t n = 0;
	(void)!processes(t, NULL, 0, &n);
	buf_addf(out, "%zu process%s of this system with %u thread%s through ptrace\n", n,
		n == 1 ? "" : "es", p->n_threads, p->n_threads == 1 ? "" : "s");
}

static size_t pt_close(tgt *t, tgt_leave how)
{
	pt *p = pt_of(t);
	while (p->proc_list.n) {
		pt_proc *pr = p->proc_list.p[p->proc_list.n - 1];
		if (pr->shadow || pt_part(t, (uint64_t)pr->pid, how, NULL) != ERR_OK)
			pt_proc_free(p, pr);
	}
	pt_unpin(p);
	pt_terminal_back(p);
	pt_watch_stop(p);
	for (size_t i = 0; i < p->queue.n; i++)
		mem_free(p->queue.p[i]);
	for (map_entry *e = NULL; (e = map_next(&p->traps, e));)
		mem_free(e->val);
	pt_bury(p);
	vec_deinit(&p->dead_threads);
	vec_deinit(&p->dead_procs);
	vec_deinit(&p->leftover);
	vec_deinit(&p->queue);
	vec_deinit(&p->stopped);
	vec_deinit(&p->proc_list);
	map_deinit(&p->procs);
	map_deinit(&p->threads);
	map_deinit(&p->early);
	map_deinit(&p->traps);
	if (p->tty >= 0)
		close(p->tty);
	mem_free(p);
	return 0;
}

static const tgt_ops ops = {
	.name = "ptrace",
	.close = pt_close,
	.caps = caps,
	.read = pt_read,
	.write = pt_write,
	.regs_get = pt_regs_get,
	.regs_set = pt_regs_set,
	.trap_add = pt_trap_add,
	.trap_del = pt_trap_del,
	.resume = pt_resume,
	.wait = pt_wait,
	.search = pt_search,
	.ctl = ctl,
	.interrupt = pt_interrupt,
	.halt = pt_halt,
	.pass = pt_pass,
	.reg_get = pt_reg_get,
	.units = units,
	.processes = processes,
	.freeze = pt_freeze,
	.info = pt_info,
	.create = pt_create,
	.attach = pt_attach,
	.part = pt_part,
	.follow_children = follow,
	.service = pt_service,
	.describe = describe,
};

err ptrace_open(const tgt_host *host, tgt **ret, diag *d)
{
	pt *p = mem_alloc(sizeof *p);
	p->t.ops = &ops;
	if (host)
		p->t.host = *host;
	map_init(&p->procs);
	map_init(&p->threads);
	map_init(&p->early);
	map_init(&p->traps);
	p->tty = -1;
	err e = pt_watch_start(p, d);
	if (e != ERR_OK) {
		pt_close(&p->t, TGT_ABANDON);
		return e;
	}
	*ret = &p->t;
	return ERR_OK;
}
