/*
 * procs: the processes and threads of a user-mode session, by the numbers that `|` and `~` show.
 * Refuses to know commands and output.
 *
 * Numbers are given in the order of creation and are not used again within a session (processes)
 * or a process (threads). A thread does not run while it is frozen or its suspend count is above
 * zero; to the target both are the same.
 */
#include "engine/internal.h"

#include <stdio.h>

struct eng_procs {
	VEC(eng_proc *) v;
	uint32_t next;
	uint64_t awaited; /* threads that wait do so for this process; 0 none */
};

struct eng_procs *procs_create(void)
{
	return mem_alloc(sizeof(struct eng_procs));
}

static void proc_free(eng_proc *p)
{
	for (size_t i = 0; i < p->threads.n; i++)
		mem_free(p->threads.p[i]);
	vec_deinit(&p->threads);
	mem_free(p->image);
	mem_free(p);
}

void procs_clear(engine *e)
{
	struct eng_procs *t = e->procs;
	for (size_t i = 0; i < t->v.n; i++)
		proc_free(t->v.p[i]);
	vec_deinit(&t->v);
	t->next = 0;
	t->awaited = 0;
}

void procs_destroy(engine *e)
{
	procs_clear(e);
	mem_free(e->procs);
	e->procs = NULL;
}

eng_proc *eng_proc_nth(engine *e, size_t i)
{
	return i < e->procs->v.n ? e->procs->v.p[i] : NULL;
}

eng_proc *eng_proc_find(engine *e, uint64_t pid)
{
	for (size_t i = 0; i < e->procs->v.n; i++)
		if (e->procs->v.p[i]->pid == pid)
			return e->procs->v.p[i];
	return NULL;
}

eng_thr *eng_thr_find(engine *e, unit_t tid)
{
	for (size_t i = 0; i < e->procs->v.n; i++) {
		const eng_proc *p = e->procs->v.p[i];
		for (size_t k = 0; k < p->threads.n; k++)
			if (p->threads.p[k]->tid == tid)
				return p->threads.p[k];
	}
	return NULL;
}

static eng_thr *thread_add(engine *e, eng_proc *p, unit_t tid)
{
	eng_thr *t = eng_thr_find(e, tid);
	if (t)
		return t;
	t = mem_alloc(sizeof *t);
	*t = (eng_thr){.proc = p, .id = p->next_thread++, .tid = tid};
	vec_push(&p->threads, t);
	return t;
}

static void thread_remove(eng_proc *p, unit_t tid)
{
	for (size_t i = 0; i < p->threads.n; i++)
		if (p->threads.p[i]->tid == tid) {
			mem_free(p->threads.p[i]);
			vec_remove(&p->threads, i);
			return;
		}
}

static eng_proc *proc_add(engine *e, const tgt_event *ev)
{
	eng_proc *p = eng_proc_find(e, ev->process_id);
	if (!p) {
		p = mem_alloc(sizeof *p);
		*p = (eng_proc){.id = e->procs->next++, .pid = ev->process_id};
		p->how = ev->parent_id ? PROC_CHILD : e->creating ? PROC_CREATED : PROC_ATTACHED;
		p->noninvasive = p->how == PROC_ATTACHED && e->looking;
		vec_push(&e->procs->v, p);
	} else { /* exec: a new image, and of the threads only the one that called it */
		for (size_t i = 0; i < p->threads.n; i++)
			mem_free(p->threads.p[i]);
		p->threads.n = 0;
		p->next_thread = 0;
	}
	mem_free(p->image);
	size_t n = strlen(ev->path);
	p->image = mem_alloc(n + 1);
	memcpy(p->image, ev->path, n);
	p->base = ev->base;
	return p;
}

static void proc_remove(engine *e, uint64_t pid)
{
	struct eng_procs *t = e->procs;
	for (size_t i = 0; i < t->v.n; i++)
		if (t->v.p[i]->pid == pid) {
			proc_free(t->v.p[i]);
			vec_remove(&t->v, i);
			return;
		}
}

/* What the target says of its threads: for processes that were attached to with several. */
static void threads_sync(engine *e, eng_proc *p)
{
	size_t n = 0;
	if (tgt_units(e->t, p->pid, NULL, 0, &n) != ERR_OK || !n || n > PROC_THREADS_MAX)
		return;
	tgt_unit *u = mem_alloc(n * sizeof *u);
	size_t have = 0;
	if (tgt_units(e->t, p->pid, u, n, &have) == ERR_OK)
		for (size_t i = 0; i < n && i < have; i++)
			(void)thread_add(e, p, u[i].unit);
	mem_free(u);
}

err procs_wait_for(engine *e, uint64_t pid, diag *d)
{
	for (size_t i = 0; i < e->procs->v.n; i++) {
		const eng_proc *p = e->procs->v.p[i];
		for (size_t k = 0; k < p->threads.n; k++) {
			eng_thr *t = p->threads.p[k];
			if (t->frozen && !t->waits)
				continue; /* the user's own wish, which outlasts this */
			TRY(eng_thr_hold(e, t, t->suspend, true, d));
			t->waits = true;
		}
	}
	e->procs->awaited = pid;
	return ERR_OK;
}

static void wait_over(engine *e)
{
	e->procs->awaited = 0;
	for (size_t i = 0; i < e->procs->v.n; i++) {
		const eng_proc *p = e->procs->v.p[i];
		for (size_t k = 0; k < p->threads.n; k++) {
			eng_thr *t = p->threads.p[k];
			if (t->waits && t->frozen)
				(void)!eng_thr_hold(e, t, t->suspend, false, NULL);
			t->waits = false;
		}
	}
}

void procs_event(engine *e, const tgt_event *ev)
{
	eng_proc *p = eng_proc_find(e, ev->process_id);
	if (e->procs->awaited && ev->process_id == e->procs->awaited &&
		(ev->kind == TGT_EV_EXCEPTION || ev->kind == TGT_EV_PROCESS_EXIT))
		wait_over(e);
	if (ev->kind == TGT_EV_PROCESS || ev->kind == TGT_EV_PROCESS_EXIT ||
		ev->kind == TGT_EV_THREAD_EXIT)
		calls_gone(e, ev);
	switch (ev->kind) {
	case TGT_EV_PROCESS:
		p = proc_add(e, ev);
		(void)thread_add(e, p, ev->unit);
		threads_sync(e, p);
		break;
	case TGT_EV_THREAD:
		if (p)
			(void)thread_add(e, p, ev->unit);
		break;
	default:
		break;
	}
}

void procs_event_done(engine *e, const tgt_event *ev)
{
	eng_proc *p = eng_proc_find(e, ev->process_id);
	if (ev->kind == TGT_EV_THREAD_EXIT && p)
		thread_remove(p, ev->unit);
	else if (ev->kind == TGT_EV_PROCESS_EXIT)
		eng_proc_forget(e, ev->process_id);
}

void eng_proc_forget(engine *e, uint64_t pid)
{
	bp_process_gone(e, pid);
	sym_space_clear(e->syms, pid);
	proc_remove(e, pid);
}

err eng_thr_hold(engine *e, eng_thr *t, int suspend, bool frozen, diag *d)
{
	bool was = t->suspend > 0 || t->frozen, now = suspend > 0 || frozen;
	if (suspend < 0 || suspend > THR_SUSPEND_MAX)
		return diag_set(
			d, ERR_ARG, "Thread %u's suspend count would be %d", t->id, suspend);
	if (was != now)
		TRY(tgt_freeze(e->t, t->tid, now, d));
	t->suspend = suspend;
	t->frozen = frozen;
	return ERR_OK;
}
