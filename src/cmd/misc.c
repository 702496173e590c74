/*
 * misc: times, switches of the session, version. Refuses to know terminals: .cls prints a form
 * feed, which a front end with a screen takes for "clear".
 */
#include "cmd/lx/lx.h"

#include <time.h>

/* ---- times ---- */

static const int64_t FILETIME_UNIX = 116444736000000000; /* 1601-01-01 to 1970-01-01, 100 ns */

/* "Wed Jan 31 14:47:08.123 2001 (UTC + 1:00)" with the offset of `hours`, or of the host's zone. */
static str time_text(arena *a, uint64_t filetime, bool has_hours, int64_t hours)
{
	char day[32], clock[32];
	struct tm tm;
	time_t t = (time_t)(((int64_t)filetime - FILETIME_UNIX) / 10000000);
	unsigned ms = (unsigned)(filetime / 10000 % 1000);
	long offset = hours * 3600;
	if (has_hours) {
		time_t shifted = t + offset;
		gmtime_r(&shifted, &tm);
	} else {
		localtime_r(&t, &tm);
		offset = tm.tm_gmtoff;
	}
	strftime(day, sizeof day, "%a %b %d %H:%M:%S", &tm);
	strftime(clock, sizeof clock, "%Y", &tm);
	long minutes = (offset < 0 ? -offset : offset) / 60;
	return str_printf(a, "%s.%03u %s (UTC %c %ld:%02ld)", day, ms, clock,
		offset < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

/*
 * KUSER_SHARED_DATA lies at KI_USER_SHARED_DATA, a constant of the public wdm.h; where its fields
 * are comes from the symbols.
 */
static err shared_time(cmd *c, const char *field, uint64_t *ret)
{
	const uint64_t shared =
		c->e->ptr_size == 8 ? UINT64_C(0xfffff78000000000) : UINT64_C(0xffdf0000);
	sym_type t;
	sym_field f, low, high;
	uint64_t lo, hi;
	TRY(sym_type_find(c->e->syms, STR("nt!_KUSER_SHARED_DATA"), &t, &c->d));
	TRY(sym_type_field(t, str_of(field), &f, &c->d));
	TRY(sym_type_field(f.type, STR("LowPart"), &low, &c->d));
	TRY(sym_type_field(f.type, STR("High1Time"), &high, &c->d));
	TRY(eng_read_uint(c->e, shared + f.offset + low.offset, 4, &lo, &c->d));
	TRY(eng_read_uint(c->e, shared + f.offset + high.offset, 4, &hi, &c->d));
	*ret = hi << 32 | lo;
	return ERR_OK;
}

static uint64_t now_filetime(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)(ts.tv_sec * 10000000 + ts.tv_nsec / 100 + FILETIME_UNIX);
}

static void show_span(cmd *c, const char *what, uint64_t ms)
{
	char span[STR_SPAN_MAX];
	out(c->e, "%s: %s\n", what, str_span(ms, span));
}

static err cmd_time(cmd *c, cmd_call *call)
{
	str rest = call->args, sw;
	bool has_hours = false, user = c->e->mode == ENG_USER;
	uint64_t hours = 0, now = now_filetime(), up;
	lx_times t;
	while (cmd_arg_switch(&rest, "-/", &sw)) {
		if (!str_ieq(sw, STR("h")))
			return cmd_syntax(c, sw);
		TRY(cmd_arg_expr(c, &rest, &hours));
		has_hours = true;
		if ((int64_t)hours < -14 || (int64_t)hours > 14)
			return cmd_fail(c, ERR_ARG, "The offset must be -14 to 14 hours");
	}
	TRY(cmd_arg_end(c, rest));
	if (user) {
		TRY(lx_times_get(c, &t));
	} else if (c->e->mode == ENG_KERNEL || c->e->mode == ENG_LOCAL_KERNEL) {
		TRY(shared_time(c, "SystemTime", &now));
		TRY(shared_time(c, "InterruptTime", &up));
		t.up = up / 10000;
	} else {
		return cmd_fail(c, ERR_STATE, "This target has no clock");
	}
	str when = time_text(&c->a, now, has_hours, (int64_t)hours);
	out(c->e, "Debug session time: %.*s\n", STR_ARG(when));
	show_span(c, "System Uptime", t.up);
	if (user) {
		show_span(c, "Process Uptime", t.process);
		show_span(c, "  Kernel time", t.kernel);
		show_span(c, "  User time", t.user);
	}
	return ERR_OK;
}

str misc_now_text(arena *a)
{
	return time_text(a, now_filetime(), false, 0);
}

static err cmd_echotime(cmd *c, cmd_call *call)
{
	TRY(cmd_arg_end(c, call->args));
	str when = misc_now_text(&c->a);
	out(c->e, "Debugger (not debuggee) time: %.*s\n", STR_ARG(when));
	return ERR_OK;
}

/* ---- switches ---- */

err misc_switch(cmd *c, str args, bool show, bool *ret)
{
	uint64_t v;
	if (!str_trim(args).n) {
		if (!show)
			*ret = !*ret;
		return ERR_OK;
	}
	TRY(lang_eval(c, args, &v));
	if (v > 1)
		return cmd_syntax(c, args);
	*ret = v;
	return ERR_OK;
}

static err cmd_echocpunum(cmd *c, cmd_call *call)
{
	TRY(misc_switch(c, call->args, false, &c->e->echo_cpu));
	out(c->e, "CPU number display is %s\n", c->e->echo_cpu ? "on" : "off");
	return ERR_OK;
}

static err cmd_allow_exec(cmd *c, cmd_call *call)
{
	bool allowed = !c->e->no_exec_cmds;
	TRY(misc_switch(c, call->args, true, &allowed));
	c->e->no_exec_cmds = !allowed;
	out(c->e, "Execution commands are %s\n", allowed ? "allowed" : "not allowed");
	return ERR_OK;
}

static err cmd_sq(cmd *c, cmd_call *call)
{
	str how = str_trim(call->args);
	if (!how.n)
		c->e->quiet = !c->e->quiet;
	else if (str_ieq(how, STR("e")) || str_ieq(how, STR("d")))
		c->e->quiet = (how.p[0] | 32) == 'e';
	else
		return cmd_syntax(c, call->args);
	out(c->e, "Quiet mode is %s\n", c->e->quiet ? "ON" : "OFF");
	return ERR_OK;
}

static err cmd_pcmd(cmd *c, cmd_call *call)
{
	lang *l = c->lang;
	str rest = call->args, sw;
	if (cmd_arg_switch(&rest, "-/", &sw)) {
		str text = {"", 0};
		if (str_ieq(sw, STR("s"))) {
			if (rest.n && rest.p[0] == '"')
				TRY(cmd_arg_quoted(c, &rest, true, &text));
			else
				text = str_word(&rest);
			if (!text.n)
				return cmd_syntax(c, call->args);
		} else if (!str_ieq(sw, STR("c"))) {
			return cmd_syntax(c, call->args);
		}
		TRY(cmd_arg_end(c, rest));
		mem_free(l->prompt_command);
		l->prompt_command = text.n ? mem_strdup(str_z(&c->a, text)) : NULL;
	} else {
		TRY(cmd_arg_end(c, rest));
	}
	if (l->prompt_command)
		out(c->e, "Per-prompt command is '%s'\n", l->prompt_command);
	else
		out(c->e, "No per-prompt command\n");
	return ERR_OK;
}

typedef struct prompt_item {
	const char *name, *text;
	size_t at; /* of the bool in struct engine */
} prompt_item;

static const prompt_item prompt_items[] = {
	{"sym", "Symbol for current instruction", offsetof(engine, show_symbol)},
	{"dis", "Disassembly of current instruction", offsetof(engine, show_disasm)},
	{"ea", "Effective address for current instruction", offsetof(engine, show_ea)},
	{"reg", "Register state", offsetof(engine, show_regs)},
	{"src", "Source info for current instruction", offsetof(engine, show_source)},
};

static bool *prompt_flag(engine *e, const prompt_item *i)
{
	return (bool *)(void *)((char *)e + i->at);
}

static err cmd_prompt_allow(cmd *c, cmd_call *call)
{
	str rest = call->args, w;
	while ((w = str_word(&rest)).n) {
		const prompt_item *hit = NULL;
		for (size_t i = 0; i < ARRAY_LEN(prompt_items); i++)
			if (str_ieq(str_skip(w, 1), str_of(prompt_items[i].name)))
				hit = &prompt_items[i];
		if (!hit || (w.p[0] != '+' && w.p[0] != '-'))
			return cmd_syntax(c, w);
		*prompt_flag(c->e, hit) = w.p[0] == '+';
	}
	for (int allowed = 1; allowed >= 0; allowed--) {
		out(c->e, "%s the following information to be displayed at the prompt:\n",
			allowed ? "Allow" : "Do not allow");
		if (allowed)
			out(c->e, "(Other settings can affect whether the information is actually "
				  "displayed)\n");
		bool any = false;
		for (size_t i = 0; i < ARRAY_LEN(prompt_items); i++) {
			if (*prompt_flag(c->e, &prompt_items[i]) != (allowed != 0))
				continue;
			out(c->e, "%6s - %s\n", prompt_items[i].name, prompt_items[i].text);
			any = true;
		}
		if (!any)
			out(c->e, "   None\n");
	}
	return ERR_OK;
}

static err cmd_cls(cmd *c, cmd_call *call)
{
	out(c->e, "\f");
	return ERR_OK;
}

/* ---- version ---- */

/* Equals the version in meson.build; a test compares them. */
static const char version_text[] = "0.1.0";

static err cmd_version(cmd *c, cmd_call *call)
{
	TRY(cmd_arg_end(c, call->args));
	const cmd_row *target = cmd_row_find(STR("vertarget"));
	if (target && target->fn && c->e->t) {
		cmd_call sub = {.row = target, .name = STR("vertarget"), .args = STR("")};
		/* A target that says little is no reason to keep the debugger's own version back.
		 */
		err e = target->fn(c, &sub);
		if (e == ERR_OK)
			out(c->e, "\n");
		else if (e != ERR_UNSUPPORTED)
			out(c->e, "Target: %s\n\n", c->d.text);
		diag_clear(&c->d);
	}
	out(c->e, "Ringside version %s\n", version_text);
	if (c->lang->command_line)
		out(c->e, "command line: '%s'\n", c->lang->command_line);
	return ERR_OK;
}

static err cmd_vercommand(cmd *c, cmd_call *call)
{
	TRY(cmd_arg_end(c, call->args));
	out(c->e, "command line: '%s'\n", c->lang->command_line ? c->lang->command_line : "");
	return ERR_OK;
}

static const char help_prompt[] = "Items: dis (instruction), ea (effective address), reg "
				  "(registers), src (source line), sym (symbol).\n"
				  "Only items that are named change.\n"
				  "\n"
				  "  .prompt_allow -reg +ea\n";

static const cmd_row rows[] = {
	{".time", ".time [-h Hours]", "Show the time of the target and how long it has been up",
		"In user mode also how long the process has run and worked. Hours is an offset "
		"from "
		"UTC to show the time with; a negative one needs parentheses.\n",
		CMD_ANY | CMD_TARGET, cmd_time},
	{".echotime", ".echotime", "Show the time of the debugger's machine", NULL, CMD_ANY,
		cmd_echotime},
	{".echocpunum", ".echocpunum [0|1]",
		"Switch the display of the processor's number on or off", NULL,
		CMD_KERNEL | CMD_NOREPEAT, cmd_echocpunum},
	{".allow_exec_cmds", ".allow_exec_cmds [0|1]",
		"Allow or forbid commands that let the target run", NULL, CMD_ANY | CMD_NOREPEAT,
		cmd_allow_exec},
	{"sq", "sq[e|d]", "Switch quiet mode on (e), off (d) or over",
		"In quiet mode there are no long notes at a break-in, and r takes an assignment "
		"without =.\n",
		CMD_ANY | CMD_SUFFIX | CMD_NOREPEAT, cmd_sq},
	{".pcmd", ".pcmd [-s CommandString | -c]",
		"Set, clear or show the command that runs at each stop",
		"A command string with blanks or semicolons needs double quotes.\n",
		CMD_ANY | CMD_NOREPEAT, cmd_pcmd},
	{".prompt_allow", ".prompt_allow [{+|-}Item]...",
		"Choose what is shown when the target stops", help_prompt, CMD_ANY | CMD_NOREPEAT,
		cmd_prompt_allow},
	{".cls", ".cls", "Clear the screen", NULL, CMD_ANY | CMD_RAW | CMD_NOREPEAT, cmd_cls},
	{"version", "version", "Show the versions of the target and of the debugger", NULL, CMD_ANY,
		cmd_version},
	{"vercommand", "vercommand", "Show the command line that started the debugger", NULL,
		CMD_ANY, cmd_vercommand},
};

const cmd_family cmd_family_misc = {"Display and settings", rows, ARRAY_LEN(rows)};
