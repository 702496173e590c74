/*
 * own: .dvalloc .dvfree .closehandle: what the current process is made to do to itself. Refuses to
 * know how a target makes it.
 */
#include "cmd/lx/lx.h"

enum { PAGE = 4096 };

static err serve(cmd *c, const tgt_service *s, uint64_t *ret)
{
	return tgt_serve(c->e->t, c->e->ctx.unit, s, ret, &c->d);
}

static uint64_t whole_pages(uint64_t n)
{
	return n > UINT64_MAX - PAGE ? n : (n + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}

static err cmd_dvalloc(cmd *c, cmd_call *call)
{
	str rest = str_trim(call->args);
	tgt_service s = {.kind = TGT_SVC_MAP};
	uint64_t at;
	for (;;) {
		str word = rest, w = str_word(&word);
		if (str_ieq(w, STR("/r")))
			s.reserve = true;
		else if (!str_ieq(w, STR("/b")))
			break;
		rest = str_trim(word);
		if (str_ieq(w, STR("/b")))
			TRY(cmd_arg_expr(c, &rest, &s.addr));
	}
	if (!rest.n)
		return cmd_fail(c, ERR_SYNTAX, ".dvalloc needs a size");
	TRY(cmd_arg_expr(c, &rest, &s.size));
	TRY(cmd_arg_end(c, rest));
	if (!s.size)
		return cmd_fail(c, ERR_ARG, "a size of 0 is no allocation");
	uint64_t asked = s.size;
	s.size = whole_pages(s.size);
	TRY(serve(c, &s, &at));
	out(c->e, "Allocated %llx bytes starting at %s\n", (unsigned long long)asked,
		out_addr(c->e, at));
	c->e->last_value = at;
	return ERR_OK;
}

static err cmd_dvfree(cmd *c, cmd_call *call)
{
	str rest = str_trim(call->args), word = rest;
	tgt_service s = {.kind = TGT_SVC_UNMAP};
	uint64_t unused;
	if (str_ieq(str_word(&word), STR("/d"))) {
		s.kind = TGT_SVC_EMPTY;
		rest = str_trim(word);
	}
	TRY(cmd_arg_expr(c, &rest, &s.addr));
	if (!rest.n)
		return cmd_fail(c, ERR_SYNTAX, ".dvfree needs an address and a size");
	TRY(cmd_arg_expr(c, &rest, &s.size));
	TRY(cmd_arg_end(c, rest));
	uint64_t asked = s.size;
	s.size = whole_pages(s.size);
	TRY(serve(c, &s, &unused));
	out(c->e, "Freed %llx bytes starting at %s\n", (unsigned long long)asked,
		out_addr(c->e, s.addr));
	return ERR_OK;
}

/* All that are open now; one that another thread closes meanwhile is none of ours. */
static err close_all(cmd *c)
{
	str text, target;
	uint64_t number, unused;
	size_t n = 0;
	TRY(lx_text(c, TGT_I_FILES, c->e->ctx.process, &text));
	while (lx_file_next(&text, &number, &target)) {
		err e = serve(c, &(tgt_service){.kind = TGT_SVC_CLOSE, .addr = number}, &unused);
		if (e == ERR_STATE || e == ERR_UNSUPPORTED)
			return e;
		n += e == ERR_OK;
	}
	out(c->e, "Closed %zu handles\n", n);
	return ERR_OK;
}

static err cmd_closehandle(cmd *c, cmd_call *call)
{
	str rest = str_trim(call->args), word = rest;
	uint64_t handle, unused;
	if (str_eq(str_word(&word), STR("-a"))) {
		TRY(cmd_arg_end(c, word));
		return close_all(c);
	}
	if (!rest.n)
		return cmd_fail(c, ERR_SYNTAX, ".closehandle needs a descriptor, or -a");
	TRY(cmd_arg_expr(c, &rest, &handle));
	TRY(cmd_arg_end(c, rest));
	TRY(serve(c, &(tgt_service){.kind = TGT_SVC_CLOSE, .addr = handle}, &unused));
	out(c->e, "Closed handle %llx\n", (unsigned long long)handle);
	return ERR_OK;
}

static const cmd_row rows[] = {
	{".dvalloc", ".dvalloc [/b BaseAddress] [/r] Size", "Allocate memory in the process",
		"The memory can be read, written and executed; its address is the value of $exp. "
		"/b "
		"says where it is to begin, /r only keeps the addresses. The current thread makes "
		"the system call.",
		CMD_USER | CMD_LIVE | CMD_TARGET, cmd_dvalloc},
	{".dvfree", ".dvfree [/d] BaseAddress Size", "Free memory of the process",
		"Whole pages. /d: they keep their addresses and lose what they hold.",
		CMD_USER | CMD_LIVE | CMD_TARGET, cmd_dvfree},
	{".closehandle", ".closehandle Handle | -a", "Close a file descriptor of the process",
		"-a closes all. !handle lists them.", CMD_USER | CMD_LIVE | CMD_TARGET,
		cmd_closehandle},
};

const cmd_family cmd_family_lx_own = {"In the process's name", rows, ARRAY_LEN(rows)};
