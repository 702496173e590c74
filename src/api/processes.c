/*
 * processes: starting, attaching, leaving, and the processes and threads of a user-mode session:
 * the process part of IDebugClient5, and IDebugSystemObjects.
 */
#include "api/internal.h"

#include "os/linux/host.h"

static rs_result user_session(rs_session *s)
{
	if (s->e->t && s->e->mode == ENG_USER)
		return RS_S_OK;
	diag_set(&s->d, ERR_STATE, "the current target is no user-mode target");
	return RS_E_UNEXPECTED;
}

#define USER_ENTER(s)                                                                              \
	do {                                                                                       \
		API_ENTER(s);                                                                      \
		rs_result ue_ = user_session(s);                                                   \
		if (ue_ < 0)                                                                       \
			return ue_;                                                                \
	} while (0)

/* The next wait brings what was begun, also in a session that is stopped. */
static rs_result begun(rs_session *s, err r)
{
	if (r == ERR_OK && s->e->has_event && s->e->status == ST_BREAK)
		s->e->status = ST_GO;
	return api_result(r);
}

rs_result rs_create_process(
	rs_session *s, int argc, const char *const *argv, const char *directory, uint32_t flags)
{
	API_ENTER(s);
	if (argc < 1 || !argv || flags & ~(RS_CREATE_FOLLOW_CHILDREN | RS_CREATE_KEEP_ASLR))
		return RS_E_INVALIDARG;
	const char **words = mem_alloc(((size_t)argc + 1) * sizeof *words);
	memcpy(words, argv, (size_t)argc * sizeof *words);
	tgt_create how = {.path = words[0],
		.argv = words,
		.dir = directory,
		.children = flags & RS_CREATE_FOLLOW_CHILDREN,
		.keep_aslr = flags & RS_CREATE_KEEP_ASLR,
		.stdio = {-1, -1, -1}};
	s->e->follow_children |= how.children;
	err r = eng_create_process(s->e, &how, &s->d);
	mem_free(words);
	return begun(s, r);
}

rs_result rs_attach_process(rs_session *s, uint64_t system_id, uint32_t flags)
{
	API_ENTER(s);
	if (flags & ~RS_ATTACH_NONINVASIVE)
		return RS_E_INVALIDARG;
	return begun(s, eng_attach_process(s->e, system_id, flags & RS_ATTACH_NONINVASIVE, &s->d));
}

rs_result rs_get_running_process_system_id_by_executable_name(
	rs_session *s, const char *name, uint64_t *system_id)
{
	API_ENTER(s);
	if (!name || !system_id)
		return RS_E_INVALIDARG;
	arena a;
	linux_running *v;
	size_t n = 0;
	uint64_t found = 0, count = 0;
	arena_init(&a);
	err r = linux_host_processes(&a, &v, &n, &s->d);
	for (size_t i = 0; i < n; i++)
		if (linux_is_called(&v[i], str_of(name))) {
			found = v[i].pid;
			count++;
		}
	arena_deinit(&a);
	if (r != ERR_OK)
		return api_result(r);
	if (!count)
		diag_set(&s->d, ERR_NOTFOUND, "no process is called %s", name);
	else if (count > 1)
		diag_set(&s->d, ERR_AMBIGUOUS,
			"%llu processes are called %s: attach by number (-p)",
			(unsigned long long)count, name);
	else
		*system_id = found;
	return count == 1 ? RS_S_OK : RS_E_FAIL;
}

/* ---- leaving ---- */

static rs_result end_all(rs_session *s, tgt_leave how)
{
	USER_ENTER(s);
	/* TerminateProcesses ends attached ones as well, unlike the end of a session. */
	const eng_proc *p;
	for (size_t i = 0; how == TGT_KILL && (p = eng_proc_nth(s->e, i)); i++)
		if (p->how == PROC_ATTACHED)
			(void)!tgt_process_part(s->e->t, p->pid, TGT_KILL, NULL);
	eng_end(s->e, how);
	return RS_S_OK;
}

rs_result rs_detach_processes(rs_session *s)
{
	return end_all(s, TGT_DETACH);
}

rs_result rs_terminate_processes(rs_session *s)
{
	return end_all(s, TGT_KILL);
}

static rs_result part(rs_session *s, tgt_leave how)
{
	USER_ENTER(s);
	return api_result(eng_part_process(s->e, s->e->ctx.process, how, &s->d));
}

rs_result rs_detach_current_process(rs_session *s)
{
	return part(s, TGT_DETACH);
}

rs_result rs_terminate_current_process(rs_session *s)
{
	return part(s, TGT_KILL);
}

rs_result rs_abandon_current_process(rs_session *s)
{
	return part(s, TGT_ABANDON);
}

rs_result rs_get_exit_code(rs_session *s, uint32_t *code)
{
	API_ENTER(s);
	if (!code)
		return RS_E_INVALIDARG;
	*code = s->e->exit_code;
	return s->e->exited ? RS_S_OK : RS_S_FALSE;
}

/* ---- system objects ---- */

static const eng_proc *current(const rs_session *s)
{
	return eng_proc_find(s->e, s->e->ctx.process);
}

rs_result rs_get_number_processes(rs_session *s, uint32_t *number)
{
	USER_ENTER(s);
	uint32_t n = 0;
	if (!number)
		return RS_E_INVALIDARG;
	while (eng_proc_nth(s->e, n))
		n++;
	*number = n;
	return RS_S_OK;
}

rs_result rs_get_process_ids_by_index(
	rs_session *s, uint32_t index, uint32_t *id, uint64_t *system_id)
{
	USER_ENTER(s);
	const eng_proc *p = eng_proc_nth(s->e, index);
	if (!p)
		return RS_E_INVALIDARG;
	if (id)
		*id = p->id;
	if (system_id)
		*system_id = p->pid;
	return RS_S_OK;
}

rs_result rs_get_current_process_id(rs_session *s, uint32_t *id)
{
	USER_ENTER(s);
	const eng_proc *p = current(s);
	if (!id)
		return RS_E_INVALIDARG;
	if (!p)
		return RS_E_UNEXPECTED;
	*id = p->id;
	return RS_S_OK;
}

rs_result rs_set_current_process_id(rs_session *s, uint32_t id)
{
	USER_ENTER(s);
	const eng_proc *p;
	for (size_t i = 0; (p = eng_proc_nth(s->e, i)); i++)
		if (p->id == id)
			return api_result(eng_ctx_process(s->e, p->pid, false, &s->d));
	return RS_E_FAIL;
}

rs_result rs_get_current_process_system_id(rs_session *s, uint64_t *system_id)
{
	USER_ENTER(s);
	if (!system_id)
		return RS_E_INVALIDARG;
	*system_id = s->e->ctx.process;
	return RS_S_OK;
}

rs_result rs_get_number_threads(rs_session *s, uint32_t *number)
{
	USER_ENTER(s);
	const eng_proc *p = current(s);
	if (!number)
		return RS_E_INVALIDARG;
	*number = p ? (uint32_t)p->threads.n : 0;
	return RS_S_OK;
}

rs_result rs_get_thread_ids_by_index(
	rs_session *s, uint32_t index, uint32_t *id, uint32_t *system_id)
{
	USER_ENTER(s);
	const eng_proc *p = current(s);
	if (!p || index >= p->threads.n)
		return RS_E_INVALIDARG;
	if (id)
		*id = p->threads.p[index]->id;
	if (system_id)
		*system_id = p->threads.p[index]->tid;
	return RS_S_OK;
}

rs_result rs_get_current_thread_id(rs_session *s, uint32_t *id)
{
	USER_ENTER(s);
	const eng_thr *t = eng_thr_find(s->e, s->e->ctx.unit);
	if (!id)
		return RS_E_INVALIDARG;
	if (!t)
		return RS_E_UNEXPECTED;
	*id = t->id;
	return RS_S_OK;
}

rs_result rs_set_current_thread_id(rs_session *s, uint32_t id)
{
	USER_ENTER(s);
	const eng_proc *p = current(s);
	for (size_t i = 0; p && i < p->threads.n; i++)
		if (p->threads.p[i]->id == id)
			return api_result(eng_ctx_unit(s->e, p->threads.p[i]->tid, &s->d));
	return RS_E_FAIL;
}

rs_result rs_get_current_thread_system_id(rs_session *s, uint32_t *system_id)
{
	USER_ENTER(s);
	if (!system_id)
		return RS_E_INVALIDARG;
	*system_id = s->e->ctx.unit;
	return RS_S_OK;
}

rs_result rs_get_thread_id_by_system_id(rs_session *s, uint32_t system_id, uint32_t *id)
{
	USER_ENTER(s);
	const eng_thr *t = eng_thr_find(s->e, system_id);
	if (!id)
		return RS_E_INVALIDARG;
	if (!t)
		return RS_E_FAIL;
	*id = t->id;
	return RS_S_OK;
}
