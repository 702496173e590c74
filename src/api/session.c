/*
 * session: creating, attaching, waiting, executing: IDebugClient5 and most of IDebugControl3.
 */
#include "api/internal.h"
#include "cmd/lang.h"

#include <stdio.h>

rs_result api_result(err e)
{
	switch (e) {
	case ERR_OK:
		return RS_S_OK;
	case ERR_ARG:
	case ERR_SYNTAX:
	case ERR_EXISTS:
		return RS_E_INVALIDARG;
	case ERR_NOTFOUND:
	case ERR_AMBIGUOUS:
	case ERR_FAULT:
	case ERR_LIMIT:
	case ERR_IO:
	case ERR_CORRUPT:
	case ERR_CANCELLED:
		return RS_E_FAIL;
	case ERR_UNSUPPORTED:
		return RS_E_NOTIMPL;
	case ERR_DENIED:
		return RS_E_ACCESSDENIED;
	case ERR_TIMEOUT:
		return RS_S_FALSE;
	default:
		return RS_E_UNEXPECTED;
	}
}

rs_result api_enter(rs_session *s)
{
	if (!s)
		return RS_E_INVALIDARG;
	if (!pthread_equal(s->owner, pthread_self()))
		return RS_E_UNEXPECTED;
	diag_clear(&s->d);
	return RS_S_OK;
}

rs_result api_copy(str text, char *buffer, uint32_t size, uint32_t *needed)
{
	if (needed)
		*needed = (uint32_t)text.n + 1;
	if (!buffer || !size)
		return text.n + 1 > size ? RS_S_FALSE : RS_S_OK;
	size_t n = text.n < size - 1 ? text.n : size - 1;
	memcpy(buffer, text.p, n);
	buffer[n] = 0;
	return n < text.n ? RS_S_FALSE : RS_S_OK;
}

/* ---- hooks of the engine ---- */

static void on_output(void *u, unsigned mask, str text)
{
	rs_session *s = u;
	if (s->output && !s->muted)
		s->output(s->output_u, mask, text.p, text.n);
}

static err on_input(void *u, str prompt, buf *line)
{
	rs_session *s = u;
	char text[4096], ask[256];

	if (!s->input)
		return ERR_STATE;
	snprintf(ask, sizeof ask, "%.*s", STR_ARG(prompt));
	int n = s->input(s->input_u, ask, text, sizeof text);
	if (n < 0 || (size_t)n >= sizeof text)
		return ERR_STATE;
	buf_add(line, text, (size_t)n);
	return ERR_OK;
}

static eng_status vote(uint32_t v)
{
	return v <= ST_RESTART_REQUESTED ? (eng_status)v : ST_NO_CHANGE;
}

static eng_status api_notice(void *u, const eng_notice *n)
{
	rs_session *s = u;
	const rs_event_callbacks *cb = &s->events;
	const tgt_event *ev = n->ev;
	rs_exception x;

	switch (n->kind) {
	case ENG_N_BREAKPOINT:
		return cb->breakpoint
			       ? vote(cb->breakpoint(s->events_u, bp_find(s->e, n->id), n->id))
			       : ST_NO_CHANGE;
	case ENG_N_EXCEPTION:
		if (!cb->exception)
			return ST_NO_CHANGE;
		x = (rs_exception){
			ev->code, ev->flags, ev->exr_address, ev->n_params, {0}, ev->first_chance};
		for (uint32_t i = 0; i < ev->n_params && i < TGT_EXR_PARAMS; i++)
			x.parameters[i] = ev->params[i];
		return vote(cb->exception(s->events_u, &x));
	case ENG_N_LOAD:
		return cb->load_module ? vote(cb->load_module(s->events_u, ev->base,
						 (uint32_t)ev->size, ev->path, ev->checksum))
				       : ST_NO_CHANGE;
	case ENG_N_UNLOAD:
		return cb->unload_module ? vote(cb->unload_module(s->events_u, ev->path, ev->base))
					 : ST_NO_CHANGE;
	case ENG_N_PROCESS:
		return cb->create_process ? vote(cb->create_process(s->events_u, ev->process_id,
						    ev->path, ev->base))
					  : ST_NO_CHANGE;
	case ENG_N_PROCESS_EXIT:
		return cb->exit_process
			       ? vote(cb->exit_process(s->events_u, ev->process_id, ev->exit_code))
			       : ST_NO_CHANGE;
	case ENG_N_THREAD:
		return cb->create_thread
			       ? vote(cb->create_thread(s->events_u, ev->process_id, ev->unit))
			       : ST_NO_CHANGE;
	case ENG_N_THREAD_EXIT:
		return cb->exit_thread ? vote(cb->exit_thread(s->events_u, ev->unit, ev->exit_code))
				       : ST_NO_CHANGE;
	case ENG_N_SESSION:
		return cb->session_status ? vote(cb->session_status(s->events_u, (uint32_t)n->arg))
					  : ST_NO_CHANGE;
	case ENG_N_TARGET:
		return cb->change_debuggee_state
			       ? vote(cb->change_debuggee_state(s->events_u, (uint32_t)n->arg))
			       : ST_NO_CHANGE;
	case ENG_N_ENGINE:
		return cb->change_engine_state
			       ? vote(cb->change_engine_state(s->events_u, (uint32_t)n->arg))
			       : ST_NO_CHANGE;
	case ENG_N_SYMBOLS:
		return cb->change_symbol_state
			       ? vote(cb->change_symbol_state(s->events_u, (uint32_t)n->arg))
			       : ST_NO_CHANGE;
	default:
		return ST_NO_CHANGE;
	}
}

/* ---- life ---- */

const char *rs_version(void)
{
	return RS_VERSION;
}

rs_result rs_create(rs_session **session)
{
	if (!session)
		return RS_E_INVALIDARG;
	rs_session *s = mem_alloc(sizeof *s);
	s->owner = pthread_self();
	s->e = eng_create();
	s->e->hooks.u = s;
	s->e->hooks.output = on_output;
	s->e->hooks.input = on_input;
	s->e->hooks.notice = api_notice;
	s->c = cmd_create(s->e);
	*session = s;
	return RS_S_OK;
}

/* As the command said that asked for the end, if one did (q, qd). */
static void end_passively(rs_session *s)
{
	eng_end(s->e, s->c->quit ? s->c->quit_how : TGT_DETACH);
}

void rs_destroy(rs_session *s)
{
	if (!s)
		return;
	if (s->e->t)
		end_passively(s);
	/* The interpreter's state may be used by hooks: the engine goes first in what it calls. */
	s->e->hooks = (eng_hooks){0};
	cmd_destroy(s->c);
	eng_destroy(s->e);
	mem_free(s);
}

const char *rs_error_text(const rs_session *s)
{
	return s ? s->d.text : "";
}

rs_result rs_attach_kernel(rs_session *s, uint32_t flags, const char *options)
{
	API_ENTER(s);
	if (flags == RS_ATTACH_LOCAL_KERNEL || flags == RS_ATTACH_EXDI_DRIVER) {
		diag_set(&s->d, ERR_UNSUPPORTED, "%s",
			flags == RS_ATTACH_LOCAL_KERNEL
				? "debugging the local kernel is not supported on this system"
				: "the EXDI transport is not supported yet; use -k");
		return RS_E_NOTIMPL;
	}
	if (flags != RS_ATTACH_KERNEL_CONNECTION) {
		diag_set(&s->d, ERR_ARG, "unknown kind of kernel attach: %u", flags);
		return RS_E_INVALIDARG;
	}
	s->e->initial_break = s->options & RS_ENGOPT_INITIAL_BREAK;
	return api_result(eng_attach_kernel(s->e, str_of(options ? options : ""), &s->d));
}

rs_result rs_open_image(rs_session *s, const char *path)
{
	API_ENTER(s);
	if (!path)
		return RS_E_INVALIDARG;
	return api_result(eng_open_image(s->e, path, &s->d));
}

static rs_result live_kernel(rs_session *s)
{
	if (s->e->t && s->e->mode == ENG_KERNEL)
		return RS_S_OK;
	diag_set(&s->d, ERR_STATE, "the current target is no live kernel target");
	return RS_E_UNEXPECTED;
}

rs_result rs_get_kernel_connection_options(
	rs_session *s, char *buffer, uint32_t size, uint32_t *needed)
{
	API_ENTER(s);
	rs_result r = live_kernel(s);
	return r < 0 ? r : api_copy(s->e->connect_options, buffer, size, needed);
}

rs_result rs_set_kernel_connection_options(rs_session *s, const char *options)
{
	/* Any thread: no error text is written. */
	if (!s || !options)
		return RS_E_INVALIDARG;
	if (!s->e->t || s->e->mode != ENG_KERNEL)
		return RS_E_UNEXPECTED;
	if (str_ieq(str_of(options), STR("resync")))
		return api_result(tgt_ctl(s->e->t, TGT_CTL_RESYNC, 0, NULL));
	if (str_ieq(str_of(options), STR("cycle_speed"))) {
		err e = tgt_ctl(s->e->t, TGT_CTL_CYCLE_SPEED, 0, NULL);
		return e == ERR_UNSUPPORTED ? RS_S_OK
					    : api_result(e); /* nothing to cycle unless COM */
	}
	return RS_E_INVALIDARG;
}

rs_result rs_is_kernel_debugger_enabled(rs_session *s)
{
	API_ENTER(s);
	return RS_S_FALSE;
}

rs_result rs_end_session(rs_session *s, uint32_t flags)
{
	if (flags == RS_END_REENTRANT && s) {
		eng_end(s->e, TGT_ABANDON);
		return RS_S_OK;
	}
	API_ENTER(s);
	if (flags > RS_END_REENTRANT)
		return RS_E_INVALIDARG;
	if (!s->e->t)
		return RS_E_UNEXPECTED;
	if (flags == RS_END_PASSIVE)
		end_passively(s);
	else
		eng_end(s->e, flags == RS_END_ACTIVE_TERMINATE && s->e->mode == ENG_USER
				      ? TGT_KILL
				      : TGT_DETACH);
	return RS_S_OK;
}

/* ---- waiting and running ---- */

rs_result rs_wait_for_event(rs_session *s, uint32_t flags, uint32_t timeout_ms)
{
	API_ENTER(s);
	if (flags)
		return RS_E_INVALIDARG;
	if (s->e->inside_wait)
		return RS_E_FAIL;
	if (!s->e->t) {
		diag_set(&s->d, ERR_STATE, "no target can produce events");
		return RS_E_UNEXPECTED;
	}
	int timeout = timeout_ms == RS_INFINITE || timeout_ms > INT32_MAX ? -1 : (int)timeout_ms;
	err e = eng_wait(s->e, timeout, &s->d);
	if (atomic_fetch_and(&s->interrupts, ~(1u << RS_INTERRUPT_EXIT)) & 1u << RS_INTERRUPT_EXIT)
		return RS_E_PENDING;
	if (e == ERR_CANCELLED)
		return RS_E_PENDING;
	return api_result(e);
}

rs_result rs_get_execution_status(rs_session *s, uint32_t *status)
{
	if (!s || !status)
		return RS_E_INVALIDARG;
	*status = s->e->inside_wait && s->e->status != ST_WAIT_INPUT ? RS_STATUS_BREAK
								     : (uint32_t)s->e->status;
	return RS_S_OK;
}

rs_result rs_set_execution_status(rs_session *s, uint32_t status)
{
	API_ENTER(s);
	if (status < RS_STATUS_GO || status > RS_STATUS_STEP_INTO)
		return RS_E_INVALIDARG;
	if (!s->e->t || s->e->status == ST_WAIT_INPUT)
		return RS_E_UNEXPECTED;
	if (!s->e->caps.live)
		return RS_E_NOINTERFACE;
	if (s->e->status != ST_BREAK && !s->e->inside_wait)
		return RS_E_ACCESSDENIED;
	eng_exec x = {.status = (eng_status)status, .count = 1};
	return api_result(eng_exec_set(s->e, &x, &s->d));
}

rs_result rs_set_interrupt(rs_session *s, uint32_t flags)
{
	if (!s || flags > RS_INTERRUPT_EXIT)
		return RS_E_INVALIDARG;
	atomic_fetch_or(&s->interrupts, 1u << flags);
	if (flags == RS_INTERRUPT_ACTIVE)
		eng_interrupt(s->e);
	else if (flags == RS_INTERRUPT_EXIT)
		eng_exit_wait(s->e);
	return RS_S_OK;
}

rs_result rs_get_interrupt(rs_session *s)
{
	if (!s)
		return RS_E_INVALIDARG;
	return atomic_exchange(&s->interrupts, 0) ? RS_S_OK : RS_S_FALSE;
}

rs_result rs_execute(rs_session *s, uint32_t output_control, const char *command, uint32_t flags)
{
	API_ENTER(s);
	if (!command)
		return RS_E_INVALIDARG;
	if (flags & RS_EXECUTE_ECHO) {
		buf b;
		buf_init(&b, 0);
		if (s->e->t && s->e->status == ST_BREAK)
			cmd_prompt(s->c, &b);
		buf_addf(&b, "> %s\n", command);
		out_str(s->e, OUT_PROMPT, buf_str(&b));
		buf_deinit(&b);
	}
	s->muted = output_control == RS_OUTCTL_IGNORE;
	atomic_store(&s->e->cancel.flag, false);
	err e = cmd_execute(s->c, str_of(command));
	s->muted = false;
	if (e != ERR_OK)
		s->d = s->c->d;
	/* Whatever went wrong in a command is RS_E_FAIL to the caller of Execute. */
	return e == ERR_OK ? RS_S_OK : RS_E_FAIL;
}

rs_result rs_execute_command_file(
	rs_session *s, uint32_t output_control, const char *file, uint32_t flags)
{
	API_ENTER(s);
	if (!file)
		return RS_E_INVALIDARG;
	s->muted = output_control == RS_OUTCTL_IGNORE;
	atomic_store(&s->e->cancel.flag, false);
	err e = cmd_run_file(s->c, file, false);
	s->muted = false;
	if (e != ERR_OK)
		s->d = s->c->d;
	return e == ERR_OK ? RS_S_OK : RS_E_FAIL;
}

rs_result rs_evaluate(rs_session *s, const char *expression, uint64_t *value, uint32_t *remainder)
{
	API_ENTER(s);
	if (!expression || !value)
		return RS_E_INVALIDARG;
	str rest = str_of(expression);
	err e = remainder ? eng_eval_prefix(s->e, &rest, value, &s->d)
			  : eng_eval(s->e, rest, value, &s->d);
	if (e == ERR_OK && remainder)
		*remainder = (uint32_t)(rest.p - expression);
	return e == ERR_OK ? RS_S_OK : RS_E_FAIL;
}

rs_result rs_output_current_state(rs_session *s, uint32_t output_control, uint32_t flags)
{
	API_ENTER(s);
	err e = eng_accessible(s->e, &s->d);
	if (e == ERR_OK) {
		s->muted = output_control == RS_OUTCTL_IGNORE;
		cmd_show_stop(s->c);
		s->muted = false;
	}
	return api_result(e);
}

rs_result rs_get_prompt_text(rs_session *s, char *buffer, uint32_t size, uint32_t *needed)
{
	API_ENTER(s);
	buf b;
	buf_init(&b, 0);
	cmd_prompt(s->c, &b);
	rs_result r = api_copy(buf_str(&b), buffer, size, needed);
	buf_deinit(&b);
	return r;
}

rs_result rs_get_number_processors(rs_session *s, uint32_t *number)
{
	API_ENTER(s);
	if (!number)
		return RS_E_INVALIDARG;
	if (!s->e->t || !s->e->has_event)
		return RS_E_UNEXPECTED;
	*number = s->e->n_units;
	return RS_S_OK;
}

static uint32_t event_type(tgt_event_kind k)
{
	switch (k) {
	case TGT_EV_LOAD:
		return RS_EVENT_LOAD_MODULE;
	case TGT_EV_UNLOAD:
		return RS_EVENT_UNLOAD_MODULE;
	case TGT_EV_PROCESS:
		return RS_EVENT_CREATE_PROCESS;
	case TGT_EV_PROCESS_EXIT:
		return RS_EVENT_EXIT_PROCESS;
	case TGT_EV_THREAD:
		return RS_EVENT_CREATE_THREAD;
	case TGT_EV_THREAD_EXIT:
		return RS_EVENT_EXIT_THREAD;
	default:
		return RS_EVENT_EXCEPTION;
	}
}

rs_result rs_get_last_event_information(rs_session *s, uint32_t *type, uint32_t *processor,
	char *description, uint32_t size, uint32_t *needed)
{
	API_ENTER(s);
	if (!s->e->has_event)
		return RS_E_UNEXPECTED;
	bool hit = str_starts(str_of(s->e->last_event), STR("Hit breakpoint"));
	if (type)
		*type = hit ? RS_EVENT_BREAKPOINT : event_type(s->e->ev.kind);
	if (processor)
		*processor = s->e->ev.unit;
	return api_copy(str_of(s->e->last_event), description, size, needed);
}

rs_result rs_read_bug_check_data(rs_session *s, uint32_t *code, uint64_t args[4])
{
	API_ENTER(s);
	if (!code || !args)
		return RS_E_INVALIDARG;
	err e = eng_accessible(s->e, &s->d);
	if (e == ERR_OK)
		e = os_bugcheck(s->e->os, code, args, &s->d);
	return api_result(e);
}

/* ---- options ---- */

static rs_result set_options(rs_session *s, uint32_t options)
{
	const uint32_t known =
		RS_ENGOPT_INITIAL_BREAK | RS_ENGOPT_FINAL_BREAK | RS_ENGOPT_SYNCHRONIZE_BREAKPOINTS;
	if (options & ~known)
		return RS_E_INVALIDARG;
	s->options = options;
	s->e->initial_break = options & RS_ENGOPT_INITIAL_BREAK;
	s->e->final_break = options & RS_ENGOPT_FINAL_BREAK;
	return RS_S_OK;
}

rs_result rs_add_engine_options(rs_session *s, uint32_t options)
{
	API_ENTER(s);
	return set_options(s, s->options | options);
}

rs_result rs_remove_engine_options(rs_session *s, uint32_t options)
{
	API_ENTER(s);
	return set_options(s, s->options & ~options);
}

rs_result rs_get_engine_options(rs_session *s, uint32_t *options)
{
	API_ENTER(s);
	if (!options)
		return RS_E_INVALIDARG;
	*options = s->options;
	return RS_S_OK;
}

rs_result rs_set_event_callbacks(rs_session *s, const rs_event_callbacks *callbacks, void *u)
{
	API_ENTER(s);
	s->events = callbacks ? *callbacks : (rs_event_callbacks){0};
	s->events_u = u;
	return RS_S_OK;
}

rs_result rs_set_output_callbacks(rs_session *s, rs_output_fn *fn, void *u)
{
	API_ENTER(s);
	s->output = fn;
	s->output_u = u;
	return RS_S_OK;
}

rs_result rs_set_input_callbacks(rs_session *s, rs_input_fn *fn, void *u)
{
	API_ENTER(s);
	s->input = fn;
	s->input_u = u;
	return RS_S_OK;
}
