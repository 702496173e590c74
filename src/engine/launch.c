/*
 * launch: starting programs, attaching to processes and leaving them, one by one.
 *
 * The words of the last start are kept, because .restart wants them again.
 */
#include "engine/internal.h"

struct eng_launch {
	arena mem;
	tgt_create how; /* strings in mem */
};

static void launch_free(struct eng_launch *l)
{
	if (!l)
		return;
	arena_deinit(&l->mem);
	mem_free(l);
}

void launch_forget(engine *e)
{
	launch_free(e->launch);
	e->launch = NULL;
}

static const char *const *words_dup(arena *a, const char *const *v)
{
	size_t n = 0;
	if (!v)
		return NULL;
	while (v[n])
		n++;
	const char **copy = arena_alloc(a, (n + 1) * sizeof *copy);
	for (size_t i = 0; i < n; i++)
		copy[i] = str_z(a, str_of(v[i]));
	copy[n] = NULL;
	return copy;
}

static struct eng_launch *launch_dup(const tgt_create *how)
{
	struct eng_launch *l = mem_alloc(sizeof *l);
	arena_init(&l->mem);
	l->how = *how;
	l->how.path = str_z(&l->mem, str_of(how->path));
	l->how.argv = words_dup(&l->mem, how->argv);
	l->how.envp = words_dup(&l->mem, how->envp);
	l->how.dir = how->dir ? str_z(&l->mem, str_of(how->dir)) : NULL;
	return l;
}

/* The user-mode target, opened if there is none. */
static err user_target(engine *e, bool *fresh, diag *d)
{
	tgt *t;
	*fresh = false;
	if (e->t && e->mode == ENG_USER && e->caps.live)
		return eng_accessible(e, d);
	if (e->t)
		return diag_set(d, ERR_STATE,
			"a target of another kind is attached already; .detach or q first");
	TRY(eng_open_user(e, &t, d));
	*fresh = true;
	return eng_attach(e, t, ENG_USER, d);
}

static err failed(engine *e, bool fresh, err r)
{
	if (fresh)
		eng_end(e, TGT_ABANDON);
	return r;
}

static err create(engine *e, const tgt_create *how, uint64_t *pid, diag *d)
{
	bool fresh;
	tgt_create h = *how;

	TRY(user_target(e, &fresh, d));
	h.children |= e->follow_children;
	err r = tgt_process_create(e->t, &h, pid, d);
	if (r != ERR_OK)
		return failed(e, fresh, r);
	e->creating = true;
	e->looking = false;
	struct eng_launch *l = launch_dup(how);
	launch_forget(e);
	e->launch = l;
	return ERR_OK;
}

err eng_create_process(engine *e, const tgt_create *how, diag *d)
{
	uint64_t pid;
	return create(e, how, &pid, d);
}

err eng_create_alone(engine *e, const tgt_create *how, diag *d)
{
	uint64_t pid;
	TRY(create(e, how, &pid, d));
	return procs_wait_for(e, pid, d);
}

err eng_attach_process(engine *e, uint64_t pid, bool noninvasive, diag *d)
{
	bool fresh;
	TRY(user_target(e, &fresh, d));
	err r = tgt_process_attach(e->t, pid, noninvasive, d);
	if (r != ERR_OK)
		return failed(e, fresh, r);
	e->creating = false;
	e->looking = noninvasive;
	return ERR_OK;
}

err eng_restart(engine *e, diag *d)
{
	if (!e->launch)
		return diag_set(d, ERR_STATE,
			".restart: no program was started from here (use .create or .attach)");
	struct eng_launch *l = e->launch;
	e->launch = NULL; /* outlives the session that it came from */
	if (e->t)
		eng_end(e, TGT_KILL);
	err r = eng_create_process(e, &l->how, d);
	if (r == ERR_OK)
		launch_free(l);
	else
		e->launch = l;
	return r;
}

err eng_part_process(engine *e, uint64_t pid, tgt_leave how, diag *d)
{
	TRY(eng_accessible(e, d));
	if (!eng_proc_find(e, pid))
		return diag_set(
			d, ERR_NOTFOUND, "there is no process %llx", (unsigned long long)pid);
	if (!eng_proc_nth(e, 1)) {
		eng_end(e, how);
		return ERR_OK;
	}
	if (how == TGT_DETACH)
		calls_leave(e, pid);
	TRY(tgt_process_part(e->t, pid, how, d));
	eng_proc_forget(e, pid);
	if (e->ctx.process == pid || e->ev.process_id == pid) {
		/* Its event is nobody's any more: look at what is left. */
		const eng_proc *p = eng_proc_nth(e, 0);
		e->ev = (tgt_event){.kind = TGT_EV_EXCEPTION,
			.process_id = p->pid,
			.unit = p->threads.n ? p->threads.p[0]->tid : 0};
		e->ev.thread = e->ev.unit;
		x64_regs r = {0};
		if (tgt_regs_get(e->t, e->ev.unit, X64_SET_CONTROL, &r, NULL) == ERR_OK)
			e->ev.pc = r.rip;
		eng_ctx_reset(e);
	}
	return ERR_OK;
}
