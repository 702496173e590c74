/*
 * state: the debugger's own state: .push and .pop, .quit_lock, .effmach, .sleep, .prefer_dml,
 * .beep, .chain and .extmatch, .exptr.
 *
 * Refuses to know targets beyond what the engine says of them. A saved context belongs to one stop:
 * .pop restores it only if the target has not run since.
 */
#include "cmd/state.h"

#include "cmd/lang.h"
#include "engine/track.h"
#include "target/target.h"

#include <stdio.h>
#include <time.h>

enum { PUSH_MAX = 256, SLEEP_SLICE_MS = 50 };

/* ---- .push, .pop ---- */

/* The engine's fields that are saved besides the contexts. */
#define EACH_SETTING(X)                                                                            \
	X(radix)                                                                                   \
	X(reg_mask)                                                                                \
	X(kframes) X(lines_on) X(show_regs) X(show_source) X(show_disasm) X(show_symbol) X(show_ea)

typedef struct pushed {
	eng_ctx ctx;
	bool has_ctx;
	uint64_t stops; /* tgt_stops when it was saved */
#define FIELD(f) __typeof__(((engine *)NULL)->f) f;
	EACH_SETTING(FIELD)
#undef FIELD
	cmd_memo memo;
	bool has_temps;
	uint64_t temps[ENG_TEMPS];
} pushed;

typedef struct push_stack {
	pushed *v[PUSH_MAX];
	size_t n;
} push_stack;

/* /r and /q, in any order. */
static err push_switches(cmd *c, str rest, bool *temps, bool *quiet)
{
	str sw;
	while (cmd_arg_switch(&rest, "/-", &sw)) {
		if (str_ieq(sw, STR("r")))
			*temps = true;
		else if (str_ieq(sw, STR("q")))
			*quiet = true;
		else
			return cmd_syntax(c, sw);
	}
	return cmd_arg_end(c, rest);
}

static err cmd_push(cmd *c, cmd_call *call)
{
	push_stack *s = cmd_state(c, "push", sizeof *s);
	engine *e = c->e;
	bool temps = false, quiet = false;
	TRY(push_switches(c, call->args, &temps, &quiet));
	if (s->n == PUSH_MAX)
		return cmd_fail(c, ERR_LIMIT, ".push: %d states are saved already; .pop drops one",
			PUSH_MAX);
	if (!s->v[s->n])
		s->v[s->n] = arena_new(&e->session, pushed);
	*s->v[s->n] = (pushed){.memo = c->memo, .has_temps = temps};
	pushed *p = s->v[s->n++];
#define SAVE(f) p->f = e->f;
	EACH_SETTING(SAVE)
#undef SAVE
	memcpy(p->temps, e->temps, sizeof p->temps);
	if (e->t && e->has_event) {
		p->ctx = eng_ctx_save(e);
		p->has_ctx = true;
		p->stops = tgt_stops(e->t);
	}
	return ERR_OK;
}

static err cmd_pop(cmd *c, cmd_call *call)
{
	push_stack *s = cmd_state(c, "push", sizeof *s);
	engine *e = c->e;
	bool temps = false, quiet = false;
	TRY(push_switches(c, call->args, &temps, &quiet));
	if (!s->n)
		return cmd_fail(c, ERR_STATE, ".pop: no state was saved with .push");
	const pushed *p = s->v[--s->n];
	if (temps && !p->has_temps)
		out_as(e, OUT_WARNING, "The pseudo-registers were not saved (.push /r)\n");
	else if (temps)
		memcpy(e->temps, p->temps, sizeof p->temps);
#define RESTORE(f) e->f = p->f;
	EACH_SETTING(RESTORE)
#undef RESTORE
	c->memo = p->memo;
	if (p->has_ctx && e->t && tgt_stops(e->t) == p->stops)
		eng_ctx_restore(e, &p->ctx);
	else if (p->has_ctx && !quiet)
		out_as(e, OUT_WARNING,
			"The target has run since: its contexts are as they are now\n");
	return ERR_OK;
}

/* ---- .quit_lock ---- */

typedef struct quit_lock {
	char *password;
} quit_lock;

static quit_lock *lock_of(cmd *c)
{
	return cmd_state(c, "quit_lock", sizeof(quit_lock));
}

err state_may_quit(cmd *c)
{
	const quit_lock *l = lock_of(c);
	if (!l->password)
		return ERR_OK;
	return cmd_fail(c, ERR_STATE,
		"The session is locked: .quit_lock /q Password unlocks it (.quit_lock shows the "
		"password)");
}

static err cmd_quit_lock(cmd *c, cmd_call *call)
{
	quit_lock *l = lock_of(c);
	str rest = call->args, sw, word;
	if (!rest.n) {
		if (l->password)
			out(c->e, "Quit lock is on, password '%s'\n", l->password);
		else
			out(c->e, "No quit lock\n");
		return ERR_OK;
	}
	bool set, known = cmd_arg_switch(&rest, "/-", &sw);
	set = known && str_ieq(sw, STR("s"));
	if (!set && !(known && str_ieq(sw, STR("q"))))
		return cmd_syntax(c, call->args);
	if (rest.n && rest.p[0] == '"')
		TRY(cmd_arg_quoted(c, &rest, false, &word));
	else
		word = str_word(&rest);
	TRY(cmd_arg_end(c, rest));
	if (!word.n)
		return cmd_fail(c, ERR_SYNTAX, ".quit_lock /%s needs a password", set ? "s" : "q");
	if (set) {
		/* The session's arena: a few bytes a change, gone with the session. */
		l->password = str_z(&c->e->session, word);
		out(c->e, "Quit lock set\n");
		return ERR_OK;
	}
	if (!l->password)
		return cmd_fail(c, ERR_STATE, "No quit lock is set");
	if (!str_eq(word, str_of(l->password)))
		return cmd_fail(c, ERR_ARG, "Incorrect password");
	l->password = NULL;
	out(c->e, "Quit lock removed\n");
	return ERR_OK;
}

/* ---- .effmach ---- */

typedef struct effmach {
	const char *word, *text;
} effmach;

/* Modes that the documentation knows; only x64 is what this debugger's targets are. */
static const effmach machines[] = {{"x86", "x86 compatible (x86)"}, {"ebc", "EFI byte code (EBC)"},
	{"arm", "ARM 64-bit (ARM64)"}, {"arm64", "ARM 64-bit (ARM64)"}, {"chpe", "CHPE (CHPE)"}};

static err cmd_effmach(cmd *c, cmd_call *call)
{
	str rest = call->args, w = str_word(&rest);
	TRY(cmd_arg_end(c, rest));
	if (!c->e->t)
		return cmd_fail(c, ERR_STATE, "There is no target");
	bool native = !w.n || str_eq(w, STR(".")) || str_eq(w, STR("#")) ||
		      str_ieq(w, STR("amd64")) || str_ieq(w, STR("x64"));
	for (size_t i = 0; !native && i < ARRAY_LEN(machines); i++)
		if (str_ieq(w, str_of(machines[i].word)))
			return cmd_fail(c, ERR_UNSUPPORTED,
				"Effective machine %s is not supported: this version looks at "
				"targets as x64 only",
				machines[i].text);
	if (!native)
		return cmd_fail(c, ERR_SYNTAX,
			"Unknown machine '%.*s': use . # amd64 x86 arm64 "
			"chpe ebc",
			STR_ARG(w));
	out(c->e, "Effective machine: x64 (AMD64)\n");
	return ERR_OK;
}

/* ---- .eventlog, .step_filter ---- */

static err cmd_eventlog(cmd *c, cmd_call *call)
{
	engine *e = c->e;
	buf b;
	TRY(cmd_arg_end(c, call->args));
	if (!e->has_event)
		return cmd_fail(c, ERR_NOTFOUND, "there was no event yet");
	buf_init(&b, 0);
	eng_event_log(e, &b);
	out_str(e, OUT_NORMAL, buf_str(&b));
	buf_deinit(&b);
	out(e, "Last event: %s\n", e->last_event[0] ? e->last_event : "(no exception)");
	return ERR_OK;
}

static err cmd_step_filter(cmd *c, cmd_call *call)
{
	str rest = call->args, sw, list = {0};
	if (cmd_arg_switch(&rest, "/-", &sw)) {
		if (!str_ieq(sw, STR("c")))
			return cmd_syntax(c, sw);
		TRY(cmd_arg_end(c, rest));
		TRY(eng_step_filter_set(c->e, STR(""), &c->d));
	} else if (rest.n) {
		if (rest.p[0] == '"')
			TRY(cmd_arg_quoted(c, &rest, false, &list));
		else
			list = str_word(&rest);
		TRY(cmd_arg_end(c, rest));
		TRY(eng_step_filter_set(c->e, list, &c->d));
	}
	list = eng_step_filter(c->e);
	if (!list.n)
		out(c->e, "No filter, all functions will be stepped into\n");
	else
		out(c->e, "Filter out code symbols matching:\n");
	while (list.n) {
		size_t end = str_find(list, STR(";"));
		str one = str_trim(end == SIZE_MAX ? list : str_take(list, end));
		if (one.n)
			out(c->e, "  %.*s\n", STR_ARG(one));
		list = end == SIZE_MAX ? (str){0} : str_skip(list, end + 1);
	}
	return ERR_OK;
}

/* ---- .sleep, .beep, .prefer_dml ---- */

static err cmd_sleep(cmd *c, cmd_call *call)
{
	str rest = call->args;
	uint64_t ms;
	TRY(cmd_arg_expr(c, &rest, &ms));
	TRY(cmd_arg_end(c, rest));
	uint64_t until = sys_now_ms() + ms;
	if (until < ms)
		return cmd_fail(c, ERR_ARG, "The time is too long");
	for (uint64_t now; (now = sys_now_ms()) < until;) {
		if (cancelled(&c->e->cancel))
			return ERR_CANCELLED;
		uint64_t left = until - now < SLEEP_SLICE_MS ? until - now : SLEEP_SLICE_MS;
		nanosleep(&(struct timespec){.tv_nsec = (long)left * 1000000}, NULL);
	}
	return ERR_OK;
}

static err cmd_beep(cmd *c, cmd_call *call)
{
	TRY(cmd_arg_end(c, call->args));
	out(c->e, "\a");
	return ERR_OK;
}

static err cmd_prefer_dml(cmd *c, cmd_call *call)
{
	bool *on = cmd_state(c, "prefer_dml", sizeof *on);
	TRY(misc_switch(c, call->args, true, on));
	out(c->e, "DML versions of commands %s by default\n", *on ? "on" : "off");
	if (*on)
		out(c->e, "(this front end shows text: links are left out)\n");
	return ERR_OK;
}

/* ---- .chain, .extmatch ---- */

/*
 * There are no extension DLLs: their commands are part of the debugger. The names are those under
 * which WinDbg loads what has the same commands; "!name.command" takes any name.
 */
static const char *const chain[] = {"kdexts", "ext", "kext"};

static err cmd_chain(cmd *c, cmd_call *call)
{
	str rest = call->args, sw;
	while (cmd_arg_switch(&rest, "/-", &sw))
		if (!str_ieq(sw, STR("D")))
			return cmd_syntax(c, sw);
	TRY(cmd_arg_end(c, rest));
	out(c->e, "Extension DLL chain:\n");
	for (size_t i = 0; i < ARRAY_LEN(chain); i++)
		out(c->e, "    %s: built in\n", chain[i]);
	out(c->e, "Extension DLLs for Windows cannot be loaded here\n");
	return ERR_OK;
}

static err cmd_extmatch(cmd *c, cmd_call *call)
{
	str rest = call->args, sw, dll = STR("*");
	bool bare = false;
	while (cmd_arg_switch(&rest, "/-", &sw)) {
		if (str_eq(sw, STR("n")))
			bare = true;
		else if (str_eq(sw, STR("e")))
			dll = str_word(&rest);
		else if (!str_eq(sw, STR("D")))
			return cmd_syntax(c, sw);
	}
	str pattern = str_word(&rest);
	TRY(cmd_arg_end(c, rest));
	if (!pattern.n || !dll.n)
		return cmd_syntax(c, call->args);
	if (!str_wild(dll, str_of(chain[0]), false))
		return ERR_OK;
	for (size_t f = 0; cmd_families[f]; f++)
		for (size_t i = 0; i < cmd_families[f]->n; i++) {
			const cmd_row *r = &cmd_families[f]->rows[i];
			if (r->name[0] != '!' || r->flags & CMD_LATER || !r->fn ||
				!str_wild(pattern, str_of(r->name + 1), false))
				continue;
			if (bare)
				out(c->e, "!%s\n", r->name + 1);
			else
				out(c->e, "!%s.%s\n", chain[0], r->name + 1);
		}
	return ERR_OK;
}

/* ---- .exptr ---- */

/* EXCEPTION_POINTERS (public winnt.h): two pointers, to the record and to the context. */
static err cmd_exptr(cmd *c, cmd_call *call)
{
	str rest = call->args;
	uint64_t at, record, context;
	char line[96];
	TRY(cmd_arg_expr(c, &rest, &at));
	TRY(cmd_arg_end(c, rest));
	TRY(eng_read_ptr(c->e, at, &record, &c->d));
	TRY(eng_read_ptr(c->e, at + c->e->ptr_size, &context, &c->d));
	out(c->e, "\n----- Exception record at %s:\n", out_addr(c->e, record));
	snprintf(line, sizeof line, ".exr 0x%llx", (unsigned long long)record);
	err e = lang_block(c, str_of(line));
	out(c->e, "\n----- Context record at %s:\n", out_addr(c->e, context));
	snprintf(line, sizeof line, ".cxr 0x%llx", (unsigned long long)context);
	err f = lang_block(c, str_of(line));
	return e != ERR_OK ? e : f;
}

static const cmd_row rows[] = {
	{".push", ".push [/r] [/q]", "Save the debugger's state",
		"Saved are the contexts (processor, process, thread, register and local context), "
		"the "
		"radix, the register mask, the stack length, what is shown at stops, and where d "
		"and "
		"u go on; /r also saves $t0 to $t19. .pop brings it back. /q is for warnings.\n",
		CMD_ANY | CMD_NOREPEAT, cmd_push},
	{".pop", ".pop [/r] [/q]", "Restore the state that .push saved",
		"/r also restores $t0 to $t19, if .push /r saved them. Contexts come back only if "
		"the target has not run since; /q is silent about that.\n",
		CMD_ANY | CMD_NOREPEAT, cmd_pop},
	{".quit_lock", ".quit_lock [/s Password | /q Password]",
		"Protect from quitting by accident",
		"/s sets the password: q, qq and qd are refused until /q with the same password. "
		"Alone it shows the lock with its password, which is no secret.\n",
		CMD_ANY | CMD_NOREPEAT, cmd_quit_lock},
	{".effmach", ".effmach [. | # | amd64]", "Show the processor mode that is in effect",
		"This version knows x64 only; the other documented modes (x86, arm64, chpe, ebc) "
		"are "
		"refused.\n",
		CMD_ANY, cmd_effmach},
	{".eventlog", ".eventlog", "Show the last events",
		"Exceptions, breakpoints that were hit, modules that came and went: the last 1024 "
		"characters of them. Steps are left out.\n",
		CMD_ANY, cmd_eventlog},
	{".step_filter", ".step_filter [\"Pattern[;Pattern...]\" | /c]",
		"Set, clear or show the functions that steps do not stop in",
		"Patterns are matched with module!function. A call of such a function is stepped "
		"over by t and its relatives; a step that begins or lands inside of one goes on to "
		"where it returns, as gu does. A new list replaces the old one, /c clears it.\n\n"
		"  .step_filter \"nt!Ex*;hal!*\"\n",
		CMD_ANY | CMD_NOREPEAT, cmd_step_filter},
	{".sleep", ".sleep Milliseconds", "Wait",
		"The number is in the default radix: .sleep 0n1000 is a second. The target stays "
		"as "
		"it is; Ctrl+C ends the wait.\n",
		CMD_ANY | CMD_NOREPEAT, cmd_sleep},
	{".beep", ".beep", "Ring the terminal's bell", NULL, CMD_ANY | CMD_NOREPEAT, cmd_beep},
	{".prefer_dml", ".prefer_dml [0|1]", "Say whether commands should print links",
		"Kept and shown; what is printed is text in any case.\n", CMD_ANY | CMD_NOREPEAT,
		cmd_prefer_dml},
	{".chain", ".chain [/D]", "List the extensions", NULL, CMD_ANY, cmd_chain},
	{".extmatch", ".extmatch [/n] [/e DllPattern] Pattern",
		"List the extension commands that match a pattern",
		"/n leaves the extension's name out, /e wants it to match.\n\n  .extmatch *proc*\n",
		CMD_ANY, cmd_extmatch},
	{".exptr", ".exptr Address", "Show an EXCEPTION_POINTERS structure",
		"The exception record as .exr shows it, then the context as .cxr does, which makes "
		"it the register context.\n",
		CMD_ANY | CMD_TARGET, cmd_exptr},
};

const cmd_family cmd_family_state = {"State of the debugger", rows, ARRAY_LEN(rows)};
