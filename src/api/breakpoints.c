/*
 * breakpoints: IDebugBreakpoint2 over the engine's breakpoints. A pointer is checked against the
 * table at each call, so that one that was removed by a command is an error and not a crash.
 */
#include "api/internal.h"

static rs_result enter(rs_session *s, const rs_breakpoint *b)
{
	API_ENTER(s);
	for (size_t i = 0; i < bp_count(s->e); i++)
		if (bp_nth(s->e, i) == b && !b->internal)
			return RS_S_OK;
	diag_set(&s->d, ERR_NOTFOUND, "the breakpoint does not exist any more");
	return RS_E_NOINTERFACE;
}

#define BP_ENTER(s, b)                                                                             \
	do {                                                                                       \
		rs_result bp_r_ = enter(s, b);                                                     \
		if (bp_r_ < 0)                                                                     \
			return bp_r_;                                                              \
	} while (0)

rs_result rs_add_breakpoint(rs_session *s, uint32_t type, uint32_t id, rs_breakpoint **ret)
{
	API_ENTER(s);
	if (!ret || type > RS_BREAKPOINT_DATA)
		return RS_E_INVALIDARG;
	if (!s->e->t)
		return RS_E_UNEXPECTED;
	bp_spec spec = {.id = id,
		.kind = type == RS_BREAKPOINT_DATA ? BP_BA : BP_BP,
		.has_addr = true,
		.disabled = true,
		.fresh = true,
		.size = 1,
		.access = TGT_TRAP_EXEC};
	return api_result(bp_add(s->e, &spec, ret, NULL, &s->d));
}

rs_result rs_remove_breakpoint(rs_session *s, rs_breakpoint *b)
{
	BP_ENTER(s, b);
	bp_remove(s->e, b);
	return RS_S_OK;
}

rs_result rs_get_number_breakpoints(rs_session *s, uint32_t *number)
{
	API_ENTER(s);
	if (!number)
		return RS_E_INVALIDARG;
	*number = 0;
	for (size_t i = 0; i < bp_count(s->e); i++)
		*number += !bp_nth(s->e, i)->internal;
	return RS_S_OK;
}

rs_result rs_get_breakpoint_by_id(rs_session *s, uint32_t id, rs_breakpoint **ret)
{
	API_ENTER(s);
	bp *b = bp_find(s->e, id);
	if (!ret)
		return RS_E_INVALIDARG;
	if (!b)
		return RS_E_NOINTERFACE;
	*ret = b;
	return RS_S_OK;
}

rs_result rs_get_breakpoint_by_index(rs_session *s, uint32_t index, rs_breakpoint **ret)
{
	API_ENTER(s);
	if (!ret)
		return RS_E_INVALIDARG;
	for (size_t i = 0; i < bp_count(s->e); i++) {
		bp *b = bp_nth(s->e, i);
		if (!b->internal && !index--) {
			*ret = b;
			return RS_S_OK;
		}
	}
	return RS_E_NOINTERFACE;
}

rs_result rs_breakpoint_get_id(rs_session *s, rs_breakpoint *b, uint32_t *id)
{
	BP_ENTER(s, b);
	if (!id)
		return RS_E_INVALIDARG;
	*id = b->id;
	return RS_S_OK;
}

rs_result rs_breakpoint_get_type(rs_session *s, rs_breakpoint *b, uint32_t *type)
{
	BP_ENTER(s, b);
	if (!type)
		return RS_E_INVALIDARG;
	*type = b->kind == BP_BA ? RS_BREAKPOINT_DATA : RS_BREAKPOINT_CODE;
	return RS_S_OK;
}

rs_result rs_breakpoint_get_flags(rs_session *s, rs_breakpoint *b, uint32_t *flags)
{
	BP_ENTER(s, b);
	if (!flags)
		return RS_E_INVALIDARG;
	*flags = (b->enabled ? RS_BREAKPOINT_ENABLED : 0) |
		 (b->deferred ? RS_BREAKPOINT_DEFERRED : 0) |
		 (b->go_only ? RS_BREAKPOINT_GO_ONLY : 0) |
		 (b->one_shot ? RS_BREAKPOINT_ONE_SHOT : 0) |
		 (b->adder_only ? RS_BREAKPOINT_ADDER_ONLY : 0);
	return RS_S_OK;
}

static rs_result change_flags(rs_session *s, rs_breakpoint *b, uint32_t flags, bool on)
{
	const uint32_t known = RS_BREAKPOINT_ENABLED | RS_BREAKPOINT_GO_ONLY |
			       RS_BREAKPOINT_ONE_SHOT | RS_BREAKPOINT_ADDER_ONLY;
	if (flags & ~known)
		return RS_E_INVALIDARG;
	if (flags & RS_BREAKPOINT_GO_ONLY)
		b->go_only = on;
	if (flags & RS_BREAKPOINT_ONE_SHOT)
		b->one_shot = on;
	if (flags & RS_BREAKPOINT_ADDER_ONLY)
		b->adder_only = on;
	if (flags & RS_BREAKPOINT_ENABLED)
		return api_result(bp_enable(s->e, b, on, &s->d));
	return RS_S_OK;
}

rs_result rs_breakpoint_add_flags(rs_session *s, rs_breakpoint *b, uint32_t flags)
{
	BP_ENTER(s, b);
	return change_flags(s, b, flags, true);
}

rs_result rs_breakpoint_remove_flags(rs_session *s, rs_breakpoint *b, uint32_t flags)
{
	BP_ENTER(s, b);
	return change_flags(s, b, flags, false);
}

rs_result rs_breakpoint_get_offset(rs_session *s, rs_breakpoint *b, uint64_t *offset)
{
	BP_ENTER(s, b);
	if (!offset)
		return RS_E_INVALIDARG;
	if (b->deferred)
		return RS_E_NOINTERFACE;
	*offset = b->loc.addr;
	return RS_S_OK;
}

rs_result rs_breakpoint_set_offset(rs_session *s, rs_breakpoint *b, uint64_t offset)
{
	BP_ENTER(s, b);
	if (b->deferred)
		return RS_E_UNEXPECTED;
	if (b->kind == BP_BA && b->size && offset % b->size)
		return RS_E_INVALIDARG;
	return api_result(bp_move(s->e, b, offset, &s->d));
}

rs_result rs_breakpoint_get_offset_expression(
	rs_session *s, rs_breakpoint *b, char *buffer, uint32_t size, uint32_t *needed)
{
	BP_ENTER(s, b);
	return api_copy(b->expr, buffer, size, needed);
}

rs_result rs_breakpoint_set_offset_expression(
	rs_session *s, rs_breakpoint *b, const char *expression)
{
	BP_ENTER(s, b);
	if (!expression || !*expression)
		return RS_E_INVALIDARG;
	return api_result(bp_move_expr(s->e, b, str_of(expression), &s->d));
}

static tgt_trap_kind kind_of(uint32_t access)
{
	if (access == RS_BREAK_EXECUTE)
		return TGT_TRAP_EXEC;
	if (access == RS_BREAK_IO)
		return TGT_TRAP_IO;
	return access == RS_BREAK_WRITE ? TGT_TRAP_WRITE : TGT_TRAP_RW;
}

rs_result rs_breakpoint_get_data_parameters(
	rs_session *s, rs_breakpoint *b, uint32_t *size, uint32_t *access)
{
	BP_ENTER(s, b);
	if (b->kind != BP_BA)
		return RS_E_NOINTERFACE;
	if (size)
		*size = b->size;
	if (access)
		*access = b->access == TGT_TRAP_EXEC	? RS_BREAK_EXECUTE
			  : b->access == TGT_TRAP_IO	? RS_BREAK_IO
			  : b->access == TGT_TRAP_WRITE ? RS_BREAK_WRITE
							: RS_BREAK_READ | RS_BREAK_WRITE;
	return RS_S_OK;
}

rs_result rs_breakpoint_set_data_parameters(
	rs_session *s, rs_breakpoint *b, uint32_t size, uint32_t access)
{
	BP_ENTER(s, b);
	if (b->kind != BP_BA)
		return RS_E_NOINTERFACE;
	bool mixed = access & RS_BREAK_EXECUTE && access != RS_BREAK_EXECUTE;
	if (!access || access > 15 || mixed)
		return RS_E_INVALIDARG;
	return api_result(bp_access_set(s->e, b, kind_of(access), size, &s->d));
}

rs_result rs_breakpoint_get_pass_count(rs_session *s, rs_breakpoint *b, uint32_t *count)
{
	BP_ENTER(s, b);
	if (!count)
		return RS_E_INVALIDARG;
	*count = b->passes;
	return RS_S_OK;
}

rs_result rs_breakpoint_set_pass_count(rs_session *s, rs_breakpoint *b, uint32_t count)
{
	BP_ENTER(s, b);
	if (!count)
		return RS_E_INVALIDARG;
	b->passes = b->left = count;
	return RS_S_OK;
}

rs_result rs_breakpoint_get_current_pass_count(rs_session *s, rs_breakpoint *b, uint32_t *count)
{
	BP_ENTER(s, b);
	if (!count)
		return RS_E_INVALIDARG;
	*count = b->left;
	return RS_S_OK;
}

rs_result rs_breakpoint_get_command(
	rs_session *s, rs_breakpoint *b, char *buffer, uint32_t size, uint32_t *needed)
{
	BP_ENTER(s, b);
	return api_copy(b->command, buffer, size, needed);
}

rs_result rs_breakpoint_set_command(rs_session *s, rs_breakpoint *b, const char *command)
{
	BP_ENTER(s, b);
	bp_command_set(s->e, b, str_of(command ? command : ""));
	return RS_S_OK;
}

rs_result rs_breakpoint_set_match_process(rs_session *s, rs_breakpoint *b, uint64_t process)
{
	BP_ENTER(s, b);
	os_process p;
	if (process) {
		err e = os_process_get(s->e->os, process, &p, &s->d);
		if (e != ERR_OK)
			return e == ERR_UNSUPPORTED ? RS_E_NOTIMPL : RS_E_NOINTERFACE;
	}
	b->process = process;
	return RS_S_OK;
}

rs_result rs_breakpoint_get_match_thread(rs_session *s, rs_breakpoint *b, uint64_t *thread)
{
	BP_ENTER(s, b);
	if (!thread)
		return RS_E_INVALIDARG;
	if (!b->thread)
		return RS_E_NOINTERFACE;
	*thread = b->thread;
	return RS_S_OK;
}

rs_result rs_breakpoint_set_match_thread(rs_session *s, rs_breakpoint *b, uint64_t thread)
{
	BP_ENTER(s, b);
	os_thread t;
	if (thread == RS_ANY_ID)
		thread = 0;
	if (b->kind == BP_BA && thread)
		return RS_E_INVALIDARG;
	if (thread && os_thread_get(s->e->os, thread, &t, &s->d) != ERR_OK)
		return RS_E_NOINTERFACE;
	b->thread = thread;
	return RS_S_OK;
}
