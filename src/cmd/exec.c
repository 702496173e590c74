/*
 * exec: commands that make the target run. They only say what is wanted (eng_exec_set); the wait
 * that follows does it.
 */
#include "base/map.h"
#include "cmd/cmd.h"

#include <ctype.h>

static str blanks(str s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = str_skip(s, 1);
	return s;
}

/* "= StartAddress" */
static err parse_start(cmd *c, str *rest, eng_exec *x)
{
	*rest = blanks(*rest);
	if (!rest->n || rest->p[0] != '=')
		return ERR_OK;
	*rest = blanks(str_skip(*rest, 1));
	x->has_start = true;
	return cmd_arg_expr(c, rest, &x->start);
}

/*
 * A break address whose name is not known yet is kept as a deferred breakpoint, as the
 * documentation has it; one that goes when it was hit.
 */
static err defer(cmd *c, str *rest, bool hard)
{
	bp_spec s = {.id = BP_ID_ANY, .kind = BP_BU, .one_shot = true, .deferred = true};
	bp *made;
	bool redefined;
	size_t n = 0;
	while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\t' && rest->p[n] != ',')
		n++;
	s.expr = str_take(*rest, n);
	*rest = str_trim(str_skip(*rest, n));
	if (hard)
		return cmd_fail(c, ERR_NOTFOUND,
			"'%.*s' is not known: a processor breakpoint cannot wait for it",
			STR_ARG(s.expr));
	diag_clear(&c->d);
	out(c->e, "Bp expression '%.*s' could not be resolved, adding deferred bp\n",
		STR_ARG(s.expr));
	return bp_add(c->e, &s, &made, &redefined, &c->d);
}

static err go(cmd *c, cmd_call *call, eng_status status, bool hard)
{
	eng_exec x = {.status = status, .until_hard = hard};
	str rest = call->args;

	TRY(parse_start(c, &rest, &x));
	while (rest.n) {
		if (x.n_until == ENG_UNTIL_MAX)
			return cmd_fail(
				c, ERR_LIMIT, "g takes at most %d addresses", ENG_UNTIL_MAX);
		str before = rest;
		err r = cmd_arg_expr(c, &rest, &x.until[x.n_until]);
		if (r == ERR_NOTFOUND) {
			rest = before;
			TRY(defer(c, &rest, hard));
			continue;
		}
		TRY(r);
		if (c->e->refuse_mid_insn)
			TRY(bp_check_boundary(c->e, x.until[x.n_until], &c->d));
		x.n_until++;
	}
	x.until_thread = status != ST_GO;
	return eng_exec_set(c->e, &x, &c->d);
}

static err cmd_g(cmd *c, cmd_call *call)
{
	return go(c, call, ST_GO, false);
}

static err cmd_ga(cmd *c, cmd_call *call)
{
	return go(c, call, ST_GO, true);
}

static err cmd_gh(cmd *c, cmd_call *call)
{
	return go(c, call, ST_GO_HANDLED,
		tolower((unsigned char)call->name.p[call->name.n - 1]) == 'a');
}

static err cmd_gn(cmd *c, cmd_call *call)
{
	bool force = call->name.p[1] == 'N';
	const tgt_event *ev = &c->e->ev;
	if (!force && c->e->has_event && ev->kind == TGT_EV_EXCEPTION && ev->code == 0x80000003)
		return cmd_fail(c, ERR_STATE,
			"The target stopped at a breakpoint: gn would pass it on as an exception; "
			"use gN to do so");
	return go(c, call, ST_GO_NOT_HANDLED,
		tolower((unsigned char)call->name.p[call->name.n - 1]) == 'a');
}

static err cmd_gu(cmd *c, cmd_call *call)
{
	eng_exec x = {.status = ST_GO, .up = true};
	TRY(cmd_arg_end(c, call->args));
	return eng_exec_set(c->e, &x, &c->d);
}

/* Goes on in the way that the breakpoint was reached. */
static err cmd_gc(cmd *c, cmd_call *call)
{
	eng_exec x = c->e->inside_wait ? c->e->plan_active_exec : c->e->reached;
	TRY(cmd_arg_end(c, call->args));
	x.same_as_before = c->e->inside_wait;
	x.has_start = false;
	if (!x.status)
		x.status = ST_GO;
	return eng_exec_set(c->e, &x, &c->d);
}

/* ---- steps ---- */

static bool by_line(cmd *c)
{
	const bool *source = cmd_state(c, "source-mode", sizeof *source);
	return c->e->lines_on && *source;
}

/* p t pa ta pc tc pt tt pct tct ph th, each with an optional r. */
static err cmd_step(cmd *c, cmd_call *call)
{
	eng_exec x = {0};
	str name = call->name, rest = call->args;
	uint64_t count = 1;

	x.status = tolower((unsigned char)name.p[0]) == 'p' ? ST_STEP_OVER : ST_STEP_INTO;
	name = str_skip(name, 1);
	if (name.n && tolower((unsigned char)name.p[name.n - 1]) == 'r') {
		x.toggle_regs = true;
		name = str_take(name, name.n - 1);
	}
	if (str_ieq(name, STR("c")))
		x.at = AT_CALL;
	else if (str_ieq(name, STR("t")))
		x.at = AT_RET;
	else if (str_ieq(name, STR("ct")))
		x.at = AT_CALL | AT_RET;
	else if (str_ieq(name, STR("h")))
		x.at = AT_BRANCH;
	x.by_line = by_line(c) && !str_ieq(name, STR("a"));
	/* Steps to a kind of instruction show only where they end; plain ones show each. */
	x.quiet = x.at != 0;
	TRY(parse_start(c, &rest, &x));
	if (str_ieq(name, STR("a"))) {
		if (!rest.n)
			return cmd_fail(c, ERR_SYNTAX, "%.*s needs the address to stop at",
				STR_ARG(call->name));
		x.has_to = true;
		TRY(cmd_arg_expr(c, &rest, &x.to));
	} else if (rest.n && rest.p[0] != '"') {
		TRY(cmd_arg_expr(c, &rest, &count));
	}
	if (rest.n)
		TRY(cmd_arg_quoted(c, &rest, true, &x.command));
	TRY(cmd_arg_end(c, rest));
	if (!count)
		return cmd_fail(c, ERR_ARG, "The count must be at least 1");
	x.count = count;
	if (x.toggle_regs)
		c->e->show_regs = !c->e->show_regs;
	return eng_exec_set(c->e, &x, &c->d);
}

/* ---- wt ---- */

typedef struct wt_func {
	uint64_t begin;
	str name;
	uint64_t calls, min, max, total;
} wt_func;

typedef struct wt_level {
	wt_func *f;
	uint64_t own, children;
} wt_level;

typedef struct wt_run {
	cmd *c;
	VEC(wt_level) stack;
	VEC(wt_func *) table; /* in the order in which they returned first */
	map at;		      /* where a call led to -> wt_func; several may be of one function */
	map by_begin;
	uint64_t instructions, system_calls;
	uint64_t max_depth, end;
	bool call, ret; /* what the step under way is */
	err failed;
	bool has_depth, no_calls, no_indent, no_summary, no_show_ret, addresses, ret_values,
		ret_hex;
} wt_run;

static str func_name(cmd *c, uint64_t pc, uint64_t *begin)
{
	sym_func f;
	sym s;
	uint64_t disp;
	buf b;

	buf_init(&b, 4096);
	*begin = pc;
	if (sym_func_at(c->e->syms, pc, &f) == ERR_OK)
		*begin = f.begin;
	else if (sym_at(c->e->syms, pc, &s, &disp) == ERR_OK)
		*begin = s.addr;
	out_symbol(c->e, *begin, &b);
	str name = str_dup(&c->a, buf_str(&b));
	buf_deinit(&b);
	return name;
}

/* Looked up once for each place that is called. */
static wt_func *wt_func_at(wt_run *w, uint64_t pc)
{
	wt_func *f = map_get(&w->at, pc);
	if (f)
		return f;
	uint64_t begin;
	str name = func_name(w->c, pc, &begin);
	f = map_get(&w->by_begin, begin);
	if (!f) {
		f = arena_new(&w->c->a, wt_func);
		*f = (wt_func){.begin = begin, .name = name, .min = UINT64_MAX};
		map_set(&w->by_begin, begin, f);
	}
	map_set(&w->at, pc, f);
	return f;
}

static void wt_line(wt_run *w, const wt_level *l, size_t depth)
{
	engine *e = w->c->e;
	if (w->no_calls)
		return;
	out(e, "%5llu %5llu [%3zu] %*s", (unsigned long long)l->own,
		(unsigned long long)l->children, depth, w->no_indent ? 0 : (int)depth * 2, "");
	if (w->addresses)
		out(e, "%s ", out_addr(e, l->f->begin));
	out(e, "%.*s", STR_ARG(l->f->name));
}

static void wt_push(wt_run *w, uint64_t pc)
{
	vec_push(&w->stack, (wt_level){.f = wt_func_at(w, pc)});
}

static void wt_pop(wt_run *w)
{
	wt_level l = w->stack.p[w->stack.n - 1];
	size_t depth = w->stack.n - 1;
	uint64_t rax = 0;

	wt_line(w, &l, depth);
	if (!w->no_calls) {
		if (w->ret_values && eng_reg_get(w->c->e, STR("rax"), &rax, NULL) == ERR_OK)
			out(w->c->e, w->ret_hex ? " rax = %llx" : " rax = %lld",
				(unsigned long long)rax);
		out(w->c->e, "\n");
	}
	w->stack.n--;
	if (w->stack.n)
		w->stack.p[w->stack.n - 1].children += l.own + l.children;
	if (!l.f->calls++)
		vec_push(&w->table, l.f);
	l.f->total += l.own;
	l.f->min = l.own < l.f->min ? l.own : l.f->min;
	l.f->max = l.own > l.f->max ? l.own : l.f->max;
}

static void wt_summary(wt_run *w)
{
	engine *e = w->c->e;
	out(e, "\n%llu instructions were executed in %llu events (0 from other threads)\n\n",
		(unsigned long long)w->instructions, (unsigned long long)w->instructions);
	out(e, "Function Name                               Invocations MinInst MaxInst AvgInst\n");
	for (size_t i = 0; i < w->table.n; i++) {
		const wt_func *t = w->table.p[i];
		out(e, "%-43.*s %11llu %7llu %7llu %7llu\n", STR_ARG(t->name),
			(unsigned long long)t->calls, (unsigned long long)t->min,
			(unsigned long long)t->max, (unsigned long long)(t->total / t->calls));
	}
	if (w->system_calls)
		out(e, "\n%llu system calls were executed\n", (unsigned long long)w->system_calls);
	else
		out(e, "\n0 system calls were executed\n");
}

/* Counts the instruction at ip, which is about to be executed, and says how: by itself, or as one
 * with what it calls where calls at this depth are not entered. ST_BREAK: the trace ends here. */
static eng_status wt_next(wt_run *w, uint64_t ip)
{
	x64_insn in;
	if (w->end && ip == w->end)
		return ST_BREAK;
	w->failed = eng_insn(w->c->e, ip, &in, &w->c->d);
	if (w->failed != ERR_OK)
		return ST_BREAK;
	bool deep = w->has_depth && w->stack.n > w->max_depth, call = in.flow == X64_FLOW_CALL;
	w->call = call && !deep;
	w->ret = in.flow == X64_FLOW_RET;
	w->instructions++;
	w->stack.p[w->stack.n - 1].own++;
	w->system_calls += in.flow == X64_FLOW_SYSCALL;
	return (call && deep) || in.flow == X64_FLOW_SYSCALL ? ST_STEP_OVER : ST_STEP_INTO;
}

/* Inside of the wait: stopping and resuming for each instruction would cost several times more. */
static eng_status wt_step_done(void *u)
{
	wt_run *w = u;
	uint64_t ip = w->c->e->ev.pc;
	if (w->call) {
		wt_push(w, ip);
	} else if (w->ret) {
		wt_pop(w);
		if (!w->stack.n)
			return ST_BREAK;
	}
	return wt_next(w, ip);
}

static err wt_loop(wt_run *w, uint64_t ip)
{
	cmd *c = w->c;
	eng_exec x = {.status = wt_next(w, ip),
		.count = 1,
		.quiet = true,
		.each = wt_step_done,
		.each_u = w};
	if (x.status == ST_BREAK)
		return w->failed;
	TRY(eng_exec_set(c->e, &x, &c->d));
	err r = eng_wait(c->e, -1, &c->d);
	/* What is kept of the request (gc) must not come back here. */
	c->e->reached.each = c->e->exec.each = NULL;
	TRY(r);
	TRY(w->failed);
	return str_starts(str_of(c->e->last_event), STR("Step completed")) ? ERR_OK : ERR_CANCELLED;
}

static err cmd_wt(cmd *c, cmd_call *call)
{
	wt_run w = {.c = c};
	str rest = call->args, sw;
	eng_exec start = {0};
	uint64_t ip;

	while (cmd_arg_switch(&rest, "-", &sw)) {
		if (str_eq(sw, STR("l"))) {
			/* A word: an expression would take the next option's mark for a minus. */
			w.has_depth = true;
			str depth = str_word(&rest);
			if (!depth.n)
				return cmd_fail(c, ERR_SYNTAX, "wt: -l needs a depth");
			TRY(eng_eval(c->e, depth, &w.max_depth, &c->d));
		} else if (str_eq(sw, STR("nc")))
			w.no_calls = true;
		else if (str_eq(sw, STR("ni")))
			w.no_indent = true;
		else if (str_eq(sw, STR("ns")))
			w.no_summary = true;
		else if (str_eq(sw, STR("nw")))
			; /* no warnings: there are none */
		else if (str_eq(sw, STR("oa")))
			w.addresses = true;
		else if (str_eq(sw, STR("or")))
			w.ret_values = true;
		else if (str_eq(sw, STR("oR")))
			w.ret_values = w.ret_hex = true;
		else
			return cmd_fail(c, ERR_UNSUPPORTED,
				"wt: option -%.*s is not known (there are -l -nc -ni -ns -nw -oa "
				"-or -oR)",
				STR_ARG(sw));
	}
	TRY(parse_start(c, &rest, &start));
	if (rest.n)
		TRY(cmd_arg_expr(c, &rest, &w.end));
	TRY(cmd_arg_end(c, rest));
	if (c->e->inside_wait)
		return cmd_fail(c, ERR_STATE, "wt cannot run inside a breakpoint's commands");
	if (start.has_start)
		TRY(eng_reg_set(c->e, STR("rip"), start.start, &c->d));
	TRY(eng_ip(c->e, &ip, &c->d));
	uint64_t begin;
	x64_insn in;
	str name = func_name(c, ip, &begin);
	TRY(eng_insn(c->e, ip, &in, &c->d));
	bool at_call = in.flow == X64_FLOW_CALL;
	if (begin != ip && !at_call && !w.end) {
		eng_exec x = {.status = ST_STEP_OVER, .count = 1};
		return eng_exec_set(c->e, &x, &c->d); /* in the middle of a function wt is p */
	}
	out(c->e, "Tracing %.*s to return address", STR_ARG(name));
	uint64_t ra = 0;
	if (at_call)
		ra = ip + in.len;
	else
		(void)!eng_reg_get(c->e, STR("$ra"), &ra, NULL);
	out(c->e, " %s\n", out_addr(c->e, ra));
	if (at_call && !w.end)
		w.end = ra;
	map_init(&w.at);
	map_init(&w.by_begin);
	wt_push(&w, ip);
	err r = wt_loop(&w, ip);
	while (w.stack.n)
		wt_pop(&w);
	if (!w.no_summary)
		wt_summary(&w);
	vec_deinit(&w.stack);
	vec_deinit(&w.table);
	map_deinit(&w.at);
	map_deinit(&w.by_begin);
	if (r == ERR_CANCELLED) {
		out(c->e, "Trace ended early.\n");
		r = ERR_OK;
	}
	if (r == ERR_OK)
		eng_show_stop(c->e);
	return r;
}

#define RUN   (CMD_ANY | CMD_LIVE | CMD_TARGET | CMD_RUN | CMD_SUFFIX)
#define EXACT (CMD_ANY | CMD_LIVE | CMD_TARGET | CMD_RUN)

#define STEP_HELP                                                                                  \
	"= StartAddress sets the instruction pointer first. Count: how many; each step is shown. " \
	"The\n"                                                                                    \
	"quoted command runs after the last step. The form with r toggles the register display.\n"

#define STEPS(over, into, args, what, more)                                                        \
	{over, over "[r] [= StartAddress] " args, "Step over " what, STEP_HELP more, EXACT,        \
		cmd_step},                                                                         \
		{into, into "[r] [= StartAddress] " args, "Trace into " what, STEP_HELP more,      \
			EXACT, cmd_step},                                                          \
		{over "r", over "r [= StartAddress] " args,                                        \
			"The same as " over ", toggling registers", NULL, EXACT, cmd_step},        \
	{                                                                                          \
		into "r", into "r [= StartAddress] " args,                                         \
			"The same as " into ", toggling registers", NULL, EXACT, cmd_step          \
	}

static const cmd_row rows[] = {
	{"g", "g[a] [= StartAddress] [BreakAddress ...]", "Let the target run",
		"Runs until a break address (at most 10), a breakpoint, an event or Ctrl+C. ga "
		"makes the\n"
		"break addresses processor breakpoints. A name that is not known yet becomes a "
		"deferred\n"
		"breakpoint that is deleted when it is hit.",
		RUN, cmd_g},
	{"ga", "ga [= StartAddress] [BreakAddress ...]",
		"Let the target run to processor breakpoints", NULL, EXACT, cmd_ga},
	{"gh", "gh[a] [= StartAddress] [BreakAddress ...]",
		"Let the target run; the exception is handled", NULL, EXACT, cmd_gh},
	{"gha", "gha [= StartAddress] [BreakAddress ...]", "gh with processor breakpoints", NULL,
		EXACT, cmd_gh},
	{"gn", "gn[a] [= StartAddress] [BreakAddress ...]",
		"Let the target run; the exception is not handled",
		"Refused when the target stopped at a breakpoint; gN does it all the same.",
		EXACT | CMD_CASE, cmd_gn},
	{"gN", "gN[a] [= StartAddress] [BreakAddress ...]",
		"Let the target run; the exception, even a breakpoint, is not handled", NULL,
		EXACT | CMD_CASE, cmd_gn},
	{"gna", "gna [= StartAddress] [BreakAddress ...]", "gn with processor breakpoints", NULL,
		EXACT | CMD_CASE, cmd_gn},
	{"gNa", "gNa [= StartAddress] [BreakAddress ...]", "gN with processor breakpoints", NULL,
		EXACT | CMD_CASE, cmd_gn},
	{"gu", "gu", "Run until this instance of the function returns",
		"Decided by the stack depth: recursion does not end it.", EXACT, cmd_gu},
	{"gc", "gc", "Go on in the way the conditional breakpoint was reached",
		"For conditions in command strings: a step stays a step.", EXACT, cmd_gc},
	STEPS("p", "t", "[Count] [\"Command\"]", "instructions or lines", ""),
	STEPS("pa", "ta", "StopAddress [\"Command\"]", "each instruction up to an address", ""),
	STEPS("pc", "tc", "[Count] [\"Command\"]", "to the next call", ""),
	STEPS("pt", "tt", "[Count] [\"Command\"]", "to the next return", ""),
	STEPS("pct", "tct", "[Count] [\"Command\"]", "to the next call or return", ""),
	STEPS("ph", "th", "[Count] [\"Command\"]", "to the next branching instruction", ""),
	{"wt", "wt [-l Depth] [-nc] [-ni] [-ns] [-oa] [-or] [-oR] [= StartAddress] [EndAddress]",
		"Trace a whole function and report",
		"At the start of a function: to its return; on a call: until it is back; elsewhere "
		"the same\n"
		"as p. A line a function: own instructions, those of its callees, depth, name. -l "
		"limits the\n"
		"depth, -nc hides the lines, -ni the indent, -ns the summary, -oa shows addresses, "
		"-or and\n"
		"-oR the return values.",
		EXACT & ~CMD_RUN, cmd_wt},
};

const cmd_family cmd_family_exec = {"Execution", rows, ARRAY_LEN(rows)};
