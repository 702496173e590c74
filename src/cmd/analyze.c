/*
 * analyze: !analyze: what happened, where, and whose code it most likely was, put together from
 * what other commands show (.exr, u, kb). Knows no cases beyond the fault itself: what it says can
 * be looked up with those commands.
 */
#include "cmd/nt/ntc.h"
#include "cmd/stacks.h"

enum { FRAMES_MAX = 64, LOW = 0x10000, STACK_GAP = 0x11000 };

typedef struct analysis {
	cmd *c;
	bool loud, force;
	uint64_t ip;
	const char *what; /* for the bucket: INVALID_POINTER_READ ... */
	uint32_t code;
	eng_frame *frames;
	size_t n;
	const eng_frame *who; /* the frame that is most likely to blame; NULL unknown */
} analysis;

/* ---- bug checks ---- */

static const struct bug {
	uint32_t code;
	const char *name, *text, *arg[4];
	unsigned ip; /* which argument, 0 none */
} bugs[] = {
#define BUG(code, name, text, a, b, c, d, ip) {code, name, text, {a, b, c, d}, ip},
#include "cmd/bugcodes.def"
#undef BUG
};

static const struct bug *bug_of(uint32_t code)
{
	for (size_t i = 0; i < ARRAY_LEN(bugs); i++)
		if (bugs[i].code == code)
			return &bugs[i];
	return NULL;
}

static void show_bug(cmd *c, uint32_t code, const uint64_t p[4], size_t n)
{
	const struct bug *b = bug_of(code);
	out(c->e, "%s (%x)\n", b ? b->name : "Unknown bug check", code);
	if (b)
		out(c->e, "%s\n", b->text);
	out(c->e, "Arguments:\n");
	for (size_t i = 0; i < n; i++)
		out(c->e, "Arg%zu: %016llx%s%s\n", i + 1, (unsigned long long)p[i],
			b && b->arg[i][0] ? ", " : "", b ? b->arg[i] : "");
	out(c->e, "\n");
}

/* ---- whose code ---- */

/* How a kernel comes to its debugger; what led there is below. */
static bool is_way_down(const engine *e, const eng_frame *f)
{
	static const char *const names[] = {"DbgBreakPoint*", "RtlpBreakWithStatusInstruction",
		"KiBugCheckDebugBreak", "KeBugCheck*", "KiBugCheckDispatch"};
	sym s;
	uint64_t disp;
	if (e->mode == ENG_USER || sym_at(e->syms, f->ip, &s, &disp) != ERR_OK)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_wild(str_of(names[i]), s.name, true))
			return true;
	return false;
}

static void find_who(analysis *x)
{
	engine *e = x->c->e;
	size_t first = 0;
	for (size_t i = 0; i < x->n; i++) {
		sym_mod *m = sym_mod_at(e->syms, x->frames[i].ip);
		if (m && !stacks_system(e, m)) {
			x->who = &x->frames[i];
			return;
		}
	}
	while (first + 1 < x->n && is_way_down(e, &x->frames[first]))
		first++;
	x->who = x->n ? &x->frames[first] : NULL;
}

/* ---- exceptions ---- */

static const char *pointer_kind(const analysis *x)
{
	static const char *const names[2][3] = {
		{"INVALID_POINTER_READ", "INVALID_POINTER_WRITE", "INVALID_POINTER_EXECUTE"},
		{"NULL_POINTER_READ", "NULL_POINTER_WRITE", "NULL_POINTER_EXECUTE"}};
	const tgt_event *ev = &x->c->e->ev;
	uint64_t kind = ev->n_params ? ev->params[0] : 0, at = ev->n_params > 1 ? ev->params[1] : 0;
	uint64_t sp = x->n ? x->frames[0].sp : 0;
	if (at < sp && sp - at < STACK_GAP && x->n > FRAMES_MAX / 2)
		return "STACK_OVERFLOW";
	return names[at < LOW][kind == 1 ? 1 : kind == 8 ? 2 : 0];
}

static const char *exception_kind(const analysis *x)
{
	switch (x->code) {
	case 0xc0000005:
		return pointer_kind(x);
	case 0xc00000fd:
		return "STACK_OVERFLOW";
	case 0xc0000094:
		return "INTEGER_DIVIDE_BY_ZERO";
	case 0xc000001d:
		return "ILLEGAL_INSTRUCTION";
	case 0xc0000096:
		return "PRIVILEGED_INSTRUCTION";
	case 0x80000002:
		return "DATATYPE_MISALIGNMENT";
	case 0xc0000006:
		return "IN_PAGE_ERROR";
	case 0x80000003:
		return "BREAKPOINT";
	case TGT_SIGNAL_CODE + 6:
		return "ABORT";
	default:
		return "APPLICATION_FAULT";
	}
}

static void field(cmd *c, const char *name, const char *fmt, ...) PRINTF(3, 4);
static void field(cmd *c, const char *name, const char *fmt, ...)
{
	va_list ap;
	buf b;
	buf_init(&b, 4096);
	va_start(ap, fmt);
	buf_vaddf(&b, fmt, ap);
	va_end(ap);
	out(c->e, "%s:  %.*s\n\n", name, STR_ARG(buf_str(&b)));
	buf_deinit(&b);
}

/* Another command's output under a heading; what it cannot show is no reason to end here. */
static void section(cmd *c, const char *name, const char *command, const char *args)
{
	out(c->e, "%s: \n", name);
	if (ntc_run(c, command, args) != ERR_OK) {
		ntc_note(c, "", &c->d);
		diag_clear(&c->d);
	}
	out(c->e, "\n");
}

static void show_stack(cmd *c)
{
	const cmd_row *k = cmd_row_find(STR("k"));
	cmd_call call = {.row = k, .name = STR("k"), .args = STR("b"), .glued = true};
	out(c->e, "STACK_TEXT: \n");
	if (k->fn(c, &call) != ERR_OK) {
		ntc_note(c, "", &c->d);
		diag_clear(&c->d);
	}
	out(c->e, "\n");
}

static void banner(cmd *c, const char *title)
{
	static const char stars[] = "****************************************"
				    "***************************************";
	static const char empty[] = "*                                      "
				    "                                       *";
	out(c->e, "%s\n%s\n*%24s%-53s*\n%s\n%s\n\n", stars, empty, "", title, empty, stars);
}

static void show_source(analysis *x)
{
	cmd *c = x->c;
	sym_line l;
	char args[40];
	uint64_t at = x->who->ip - (x->who != x->frames);
	if (sym_line_at(c->e->syms, at, &l) != ERR_OK)
		return;
	field(c, "FAULTING_SOURCE_FILE", "%.*s", STR_ARG(l.file));
	field(c, "FAULTING_SOURCE_LINE_NUMBER", "%u", l.line);
	snprintf(args, sizeof args, "0x%llx", (unsigned long long)at);
	if (c->e->lines_on)
		section(c, "FAULTING_SOURCE_CODE", "lsa", args);
}

static void show_who(analysis *x)
{
	cmd *c = x->c;
	buf b;
	sym_mod *m;
	if (!x->who)
		return;
	buf_init(&b, 4096);
	if (x->who == x->frames)
		ntc_symbol(c, x->who->ip, &b);
	else
		out_caller(c->e, x->who->ip, &b);
	m = sym_mod_at(c->e->syms, x->who->ip);
	if (!x->loud) {
		out(c->e, "Probably caused by : %.*s ( %.*s )\n\n",
			m ? (int)str_base(m->path).n : 7, m ? str_base(m->path).p : "unknown",
			STR_ARG(buf_str(&b)));
		buf_deinit(&b);
		return;
	}
	field(c, "SYMBOL_NAME", "%.*s", STR_ARG(buf_str(&b)));
	if (m) {
		field(c, "MODULE_NAME", "%.*s", STR_ARG(m->name));
		field(c, "IMAGE_NAME", "%.*s", STR_ARG(str_base(m->path)));
	}
	show_source(x);
	size_t plus = str_rchr(buf_str(&b), '+');
	if (c->e->mode == ENG_USER)
		field(c, "FAILURE_BUCKET_ID", "%s_%x_%.*s", x->what, x->code,
			STR_ARG(str_take(buf_str(&b), plus)));
	else
		field(c, "FAILURE_BUCKET_ID", "0x%X_%.*s", x->code,
			STR_ARG(str_take(buf_str(&b), plus)));
	buf_deinit(&b);
}

static void show_place(analysis *x)
{
	char args[40];
	if (x->ip) {
		snprintf(args, sizeof args, "0x%llx L1", (unsigned long long)x->ip);
		section(x->c, "FAULTING_IP", "u", args);
	}
}

static err stack(analysis *x)
{
	engine *e = x->c->e;
	x64_regs r = {0};
	diag why;
	diag_clear(&why);
	eng_ctx_reset(e);
	TRY(eng_regs(e, X64_SET_GENERAL, &r, &x->c->d));
	return eng_stack(e, &x->c->a, &r, FRAMES_MAX, &x->frames, &x->n, &why);
}

static err user_mode(analysis *x)
{
	cmd *c = x->c;
	engine *e = c->e;
	bool exception = e->ev.kind == TGT_EV_EXCEPTION && !e->ev.initial && e->ev.code;
	if (!exception && !x->force)
		return cmd_fail(c, ERR_NOTFOUND,
			"The last event is no exception: !analyze -f analyses where the program "
			"stands");
	TRY(stack(x));
	x->code = exception ? e->ev.code : 0;
	x->ip = exception ? e->ev.exr_address : x->n ? x->frames[0].ip : 0;
	x->what = exception ? exception_kind(x) : "NO_EXCEPTION";
	find_who(x);
	banner(c, "Exception Analysis");
	if (!x->loud) {
		out(c->e, "%s (%x)\n\n", x->what, x->code);
		show_who(x);
		out(c->e, "Use !analyze -v to get detailed debugging information.\n");
		return ERR_OK;
	}
	show_place(x);
	if (exception)
		section(c, "EXCEPTION_RECORD", ".exr", "-1");
	const eng_proc *p = eng_proc_find(e, e->ctx.process);
	if (p)
		field(c, "PROCESS_NAME", "%.*s", STR_ARG(str_base(str_of(p->image))));
	field(c, "FAULTING_THREAD", "%08x", e->ctx.unit);
	if (x->code == 0xc0000005 && e->ev.n_params > 1)
		field(c,
			e->ev.params[0] == 1   ? "WRITE_ADDRESS"
			: e->ev.params[0] == 8 ? "EXECUTE_ADDRESS"
					       : "READ_ADDRESS",
			"%016llx", (unsigned long long)e->ev.params[1]);
	field(c, "DEFAULT_BUCKET_ID", "%s", x->what);
	show_stack(c);
	show_who(x);
	const eng_thr *t = eng_thr_find(e, e->ctx.unit);
	field(c, "STACK_COMMAND", "~%us; kb", t ? t->id : 0);
	return ERR_OK;
}

static err kernel_mode(analysis *x)
{
	cmd *c = x->c;
	uint32_t code = 0;
	uint64_t p[4] = {0};
	bool bug = os_bugcheck(c->e->os, &code, p, &c->d) == ERR_OK;
	if (!bug && !x->force)
		return cmd_fail(c, ERR_NOTFOUND,
			"There was no bug check: !analyze -f analyses where the processor stands");
	diag_clear(&c->d);
	TRY(stack(x));
	const struct bug *b = bug ? bug_of(code) : NULL;
	x->code = code;
	x->ip = b && b->ip ? p[b->ip - 1] : 0;
	find_who(x);
	banner(c, "Bugcheck Analysis");
	if (!x->loud) {
		if (bug)
			out(c->e, "BugCheck %X, {%llx, %llx, %llx, %llx}\n\n", code,
				(unsigned long long)p[0], (unsigned long long)p[1],
				(unsigned long long)p[2], (unsigned long long)p[3]);
		show_who(x);
		out(c->e, "Use !analyze -v to get detailed debugging information.\n");
		return ERR_OK;
	}
	if (bug)
		show_bug(c, code, p, 4);
	show_place(x);
	os_process proc;
	if (ntc_implicit_process(c, &proc) == ERR_OK)
		field(c, "PROCESS_NAME", "%s", proc.image);
	diag_clear(&c->d);
	show_stack(c);
	show_who(x);
	return ERR_OK;
}

/* ---- the command ---- */

static err show_code(cmd *c, str rest)
{
	uint64_t code, p[4] = {0};
	size_t n = 0;
	TRY(cmd_arg_expr(c, &rest, &code));
	for (; rest.n && n < ARRAY_LEN(p); n++)
		TRY(cmd_arg_expr(c, &rest, &p[n]));
	TRY(cmd_arg_end(c, rest));
	if (code > UINT32_MAX)
		return cmd_fail(c, ERR_ARG, "a bug check code has 32 bits");
	show_bug(c, (uint32_t)code, p, 4);
	return ERR_OK;
}

static err cmd_analyze(cmd *c, cmd_call *call)
{
	analysis x = {.c = c};
	bool hang = false;
	str rest = str_trim(call->args);
	while (rest.n) {
		str w = str_word(&rest);
		if (str_eq(w, STR("-show")))
			return show_code(c, str_trim(rest));
		if (str_starts(w, STR("-v")))
			x.loud = true;
		else if (str_eq(w, STR("-f")))
			x.force = true;
		else if (str_eq(w, STR("-hang")))
			hang = true;
		else if (str_eq(w, STR("-c")) || str_starts(w, STR("-x")))
			return cmd_fail(c, ERR_UNSUPPORTED,
				"!analyze %.*s is not available in this version", STR_ARG(w));
		else
			return cmd_syntax(c, w);
	}
	TRY(eng_accessible(c->e, &c->d));
	if (hang && c->e->mode != ENG_USER)
		return cmd_fail(c, ERR_UNSUPPORTED,
			"!analyze -hang is not available for kernel targets in this version");
	if (hang) {
		banner(c, "Hang Analysis");
		return hang_show(c);
	}
	return c->e->mode == ENG_USER ? user_mode(&x) : kernel_mode(&x);
}

static const cmd_row rows[] = {
	{"!analyze", "!analyze [-v] [-f] | -hang | -show BugCheckCode [Parameters]",
		"Analyse the last exception or bug check",
		"Says what happened, where, and whose code it most likely was: the first frame of "
		"the "
		"stack that is not in the system's own modules. The current thread becomes that of "
		"the event.\n"
		"\n"
		"-v     all of it: record, instruction, stack, source line\n"
		"-f     also where there was no exception or bug check\n"
		"-hang  what each thread of a Linux process waits for, and whether threads wait "
		"for "
		"each other\n"
		"-show  what a bug check code and its parameters mean; needs no target",
		CMD_ANY, cmd_analyze},
};

const cmd_family cmd_family_analyze = {"Analysis", rows, ARRAY_LEN(rows)};
