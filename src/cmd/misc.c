/*
 * misc: logs, times, switches of the session, version. Refuses to know terminals: .cls prints a
 * form feed, which a front end with a screen takes for "clear".
 *
 * While a log is open it sits between the engine and the front end (lang.below): the engine then
 * lets through what either of the two masks wants, and each side filters for itself.
 */
#include "cmd/lang.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

/* ---- log files ---- */

static void log_write(lang *l, str text)
{
	if (!l->log_unicode) {
		fwrite(text.p, 1, text.n, l->log);
		return;
	}
	/* UTF-8 to UTF-16LE; broken sequences become U+FFFD. */
	for (size_t i = 0; i < text.n;) {
		unsigned char ch = (unsigned char)text.p[i++];
		uint32_t v = ch;
		int more = ch >= 0xf0 ? 3 : ch >= 0xe0 ? 2 : ch >= 0xc0 ? 1 : 0;
		if (more)
			v = ch & (0x3f >> more);
		else if (ch >= 0x80)
			v = 0xfffd;
		for (; more && i < text.n && ((unsigned char)text.p[i] & 0xc0) == 0x80; more--)
			v = v << 6 | ((unsigned char)text.p[i++] & 0x3f);
		if (more || v > 0x10ffff)
			v = 0xfffd;
		uint32_t units[2] = {v, 0};
		if (v > 0xffff) {
			units[0] = 0xd800 + ((v - 0x10000) >> 10);
			units[1] = 0xdc00 + ((v - 0x10000) & 0x3ff);
		}
		for (int k = 0; k < (v > 0xffff ? 2 : 1); k++) {
			fputc((int)(units[k] & 0xff), l->log);
			fputc((int)(units[k] >> 8), l->log);
		}
	}
}

static void log_output(void *u, unsigned mask, str text)
{
	cmd *c = u;
	lang *l = c->lang;
	/* An echo of the line that is about to run: log_input writes that one. */
	bool echo = mask == OUT_PROMPT && str_find(text, STR("> ")) != SIZE_MAX;
	if ((mask & l->log_mask) && !echo) {
		log_write(l, text);
		fflush(l->log);
	}
	if (l->below && (mask & l->show_mask))
		l->below(l->below_u, mask, text);
}

void log_input(cmd *c, str prompt, str line)
{
	lang *l = c->lang;
	if (!l->log || !(l->log_mask & OUT_PROMPT))
		return;
	log_write(l, prompt);
	log_write(l, line);
	log_write(l, STR("\n"));
	fflush(l->log);
}

/* hooks.u is shared by all hooks of the front end, so the other calls are passed on. */
typedef struct log_hooks {
	err (*input)(void *u, str prompt, buf *line);
	eng_status (*notice)(void *u, const eng_notice *n);
} log_hooks;

static log_hooks *hooks_below(cmd *c)
{
	return cmd_state(c, "log hooks", sizeof(log_hooks));
}

static err log_hook_input(void *u, str prompt, buf *line)
{
	cmd *c = u;
	return hooks_below(c)->input(c->lang->below_u, prompt, line);
}

static eng_status log_hook_notice(void *u, const eng_notice *n)
{
	cmd *c = u;
	return hooks_below(c)->notice(c->lang->below_u, n);
}

static void hooks_insert(cmd *c)
{
	eng_hooks *h = &c->e->hooks;
	lang *l = c->lang;
	log_hooks *below = hooks_below(c);
	l->below = h->output;
	l->below_u = h->u;
	below->input = h->input;
	below->notice = h->notice;
	h->output = log_output;
	h->u = c;
	if (h->input)
		h->input = log_hook_input;
	if (h->notice)
		h->notice = log_hook_notice;
	l->show_mask = l->log_mask = c->e->out_mask;
}

static void hooks_remove(cmd *c)
{
	eng_hooks *h = &c->e->hooks;
	lang *l = c->lang;
	h->output = l->below;
	h->u = l->below_u;
	h->input = hooks_below(c)->input;
	h->notice = hooks_below(c)->notice;
	c->e->out_mask = l->show_mask;
}

void log_close(cmd *c)
{
	lang *l = c->lang;
	if (!l->log)
		return;
	hooks_remove(c);
	fclose(l->log);
	mem_free(l->log_path);
	l->log = NULL;
	l->log_path = NULL;
}

static err log_start(cmd *c, const char *path, bool append, bool unicode)
{
	lang *l = c->lang;
	log_close(c);
	FILE *f = fopen(path, append ? "ab" : "wb");
	if (!f)
		return cmd_fail(
			c, ERR_IO, "Log file '%s' could not be opened: %s", path, strerror(errno));
	l->log = f;
	l->log_path = mem_strdup(path);
	l->log_unicode = unicode;
	if (unicode && (!append || ftell(f) == 0))
		fwrite("\xff\xfe", 1, 2, f);
	hooks_insert(c);
	out(c->e, "Opened log file '%s'\n", path);
	return ERR_OK;
}

typedef struct log_options {
	bool time, unicode, automatic;
	str name;
} log_options;

static err log_parse(cmd *c, str args, log_options *o)
{
	size_t pos = 0;
	for (;;) {
		pos = lex_skip(args, pos);
		if (pos >= args.n)
			return ERR_OK;
		size_t at = pos;
		str w = lex_word(args, &pos);
		if (str_ieq(w, STR("/t")))
			o->time = true;
		else if (str_ieq(w, STR("/u")))
			o->unicode = true;
		else if (str_ieq(w, STR("/d")))
			o->automatic = true;
		else if (!o->name.n && !(w.n == 2 && w.p[0] == '/'))
			o->name = w;
		else
			return cmd_syntax(c, str_skip(args, at));
	}
}

/* name_PID_date_time.ext; the process is the debugger's own in kernel mode. */
static const char *log_name(cmd *c, const log_options *o)
{
	str name = o->name.n ? o->name : STR("dbgeng.log");
	if (o->automatic) {
		static const char *const kinds[] = {[ENG_NONE] = "notarget",
			[ENG_KERNEL] = "kernel",
			[ENG_LOCAL_KERNEL] = "localkernel",
			[ENG_USER] = "user",
			[ENG_IMAGE] = "image"};
		name = str_printf(&c->a, "ringside_%s.log", kinds[c->e->mode]);
	}
	if (!o->time)
		return str_z(&c->a, name);
	struct timespec ts;
	struct tm tm;
	clock_gettime(CLOCK_REALTIME, &ts);
	localtime_r(&ts.tv_sec, &tm);
	size_t dot = str_rchr(str_base(name), '.');
	size_t cut = dot == SIZE_MAX ? name.n : name.n - (str_base(name).n - dot);
	return arena_printf(&c->a, "%.*s_%04X_%04d-%02d-%02d_%02d-%02d-%02d-%03d%.*s", (int)cut,
		name.p, (unsigned)getpid(), tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
		tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(ts.tv_nsec / 1000000),
		STR_ARG(str_skip(name, cut)));
}

static err cmd_logopen(cmd *c, cmd_call *call)
{
	log_options o = {0};
	TRY(log_parse(c, call->args, &o));
	bool append = str_ieq(call->name, STR(".logappend"));
	return log_start(c, log_name(c, &o), append, o.unicode);
}

static err cmd_logclose(cmd *c, cmd_call *call)
{
	TRY(cmd_arg_end(c, call->args));
	if (!c->lang->log)
		return cmd_fail(c, ERR_STATE, "No log file open");
	out(c->e, "Closing open log file %s\n", c->lang->log_path);
	log_close(c);
	return ERR_OK;
}

static err cmd_logfile(cmd *c, cmd_call *call)
{
	TRY(cmd_arg_end(c, call->args));
	if (c->lang->log)
		out(c->e, "Log '%s' open\n", c->lang->log_path);
	else
		out(c->e, "No log file open\n");
	return ERR_OK;
}

/* ---- output mask ---- */

static err cmd_outmask(cmd *c, cmd_call *call)
{
	lang *l = c->lang;
	str rest = call->args, sw;
	unsigned *show = l->log ? &l->show_mask : &c->e->out_mask, mask = *show;
	bool remove = call->glued && rest.n && rest.p[0] == '-', keep_log = false;
	uint64_t v = 0;
	enum { MASK_DEFAULT = 0x3f7 };

	if (remove)
		rest = str_skip(rest, 1);
	bool all = false, standard = false;
	while (cmd_arg_switch(&rest, "/", &sw)) {
		keep_log |= str_ieq(sw, STR("l"));
		all |= str_ieq(sw, STR("a"));
		standard |= str_ieq(sw, STR("d"));
		if (sw.n != 1 || !strchr("lLaAdD", sw.p[0]))
			return cmd_syntax(c, sw);
	}
	if (all || standard) {
		TRY(cmd_arg_end(c, rest));
		mask = all ? 0xffffffff : MASK_DEFAULT | OUT_STATUS;
	} else if (str_trim(rest).n) {
		TRY(lang_eval(c, rest, &v));
		mask = remove ? mask & ~(unsigned)v : mask | (unsigned)v;
	}
	/* Said while normal output can be seen: before it is closed, or after it was opened. */
	bool before = *show & OUT_NORMAL;
	if (before)
		out(c->e, "Output mask is 0x%x\n", mask);
	*show = mask;
	if (l->log) {
		if (!keep_log)
			l->log_mask = mask;
		c->e->out_mask = l->show_mask | l->log_mask;
	}
	if (!before)
		out(c->e, "Output mask is 0x%x\n", mask);
	return ERR_OK;
}

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

static str span_text(arena *a, uint64_t t100ns)
{
	uint64_t s = t100ns / 10000000;
	return str_printf(a, "%llu days %llu:%02llu:%02llu.%03llu", (unsigned long long)(s / 86400),
		(unsigned long long)(s / 3600 % 24), (unsigned long long)(s / 60 % 60),
		(unsigned long long)(s % 60), (unsigned long long)(t100ns / 10000 % 1000));
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

static err cmd_time(cmd *c, cmd_call *call)
{
	str rest = call->args, sw;
	bool has_hours = false;
	uint64_t hours = 0, now, up;
	while (cmd_arg_switch(&rest, "-/", &sw)) {
		if (!str_ieq(sw, STR("h")))
			return cmd_syntax(c, sw);
		TRY(cmd_arg_expr(c, &rest, &hours));
		has_hours = true;
		if ((int64_t)hours < -14 || (int64_t)hours > 14)
			return cmd_fail(c, ERR_ARG, "The offset must be -14 to 14 hours");
	}
	TRY(cmd_arg_end(c, rest));
	if (c->e->mode != ENG_KERNEL && c->e->mode != ENG_LOCAL_KERNEL)
		return cmd_fail(c, ERR_STATE, "This target has no clock");
	TRY(shared_time(c, "SystemTime", &now));
	TRY(shared_time(c, "InterruptTime", &up));
	str when = time_text(&c->a, now, has_hours, (int64_t)hours), span = span_text(&c->a, up);
	out(c->e, "Debug session time: %.*s\n", STR_ARG(when));
	out(c->e, "System Uptime: %.*s\n", STR_ARG(span));
	return ERR_OK;
}

static err cmd_echotime(cmd *c, cmd_call *call)
{
	struct timespec ts;
	TRY(cmd_arg_end(c, call->args));
	clock_gettime(CLOCK_REALTIME, &ts);
	uint64_t now = (uint64_t)(ts.tv_sec * 10000000 + ts.tv_nsec / 100 + FILETIME_UNIX);
	str when = time_text(&c->a, now, false, 0);
	out(c->e, "Debugger (not debuggee) time: %.*s\n", STR_ARG(when));
	return ERR_OK;
}

/* ---- switches ---- */

/* "0", "1", or nothing, which toggles (or, with show, leaves it alone). */
static err set_switch(cmd *c, str args, bool show, bool *ret)
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

static err cmd_echotimestamps(cmd *c, cmd_call *call)
{
	TRY(set_switch(c, call->args, false, &c->lang->time_stamps));
	out(c->e, "Event timestamps are now %s\n", c->lang->time_stamps ? "enabled" : "disabled");
	return ERR_OK;
}

static err cmd_echocpunum(cmd *c, cmd_call *call)
{
	TRY(set_switch(c, call->args, false, &c->e->echo_cpu));
	out(c->e, "CPU number display is %s\n", c->e->echo_cpu ? "on" : "off");
	return ERR_OK;
}

static err cmd_allow_exec(cmd *c, cmd_call *call)
{
	bool allowed = !c->e->no_exec_cmds;
	TRY(set_switch(c, call->args, true, &allowed));
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
		if (target->fn(c, &sub) != ERR_OK)
			out(c->e, "Target: %s\n", c->d.text);
		diag_clear(&c->d);
		out(c->e, "\n");
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

static const char help_log[] = "/t puts the debugger's process number, date and time into the "
			       "name, /u writes UTF-16, /d chooses a\n"
			       "name by the kind of target. Without a name the file is dbgeng.log. "
			       "A log that is open is closed\n"
			       "first.\n";

static const char help_outmask[] = "Chooses what is shown. The bits: 1 normal, 2 errors, 4 "
				   "warnings, 8 more output, 10 prompt, 20\n"
				   "registers before the prompt, 40 warnings of extensions, 80 "
				   "output of the target, 100 input that the\n"
				   "target asks for, 200 symbol messages, 400 status. .outmask- "
				   "takes bits away, /l leaves the log\n"
				   "file's mask alone, /a shows everything, /d is the default.\n";

static const char help_prompt[] = "Items: dis (instruction), ea (effective address), reg "
				  "(registers), src (source line), sym (symbol).\n"
				  "Only items that are named change.\n"
				  "\n"
				  "  .prompt_allow -reg +ea\n";

static const cmd_row rows[] = {
	{".logopen", ".logopen [/t] [/u] [/d] [File]", "Writes what is shown into a new log file",
		help_log, CMD_ANY | CMD_NOREPEAT, cmd_logopen},
	{".logappend", ".logappend [/t] [/u] [/d] [File]", "Adds what is shown to a log file",
		help_log, CMD_ANY | CMD_NOREPEAT, cmd_logopen},
	{".logclose", ".logclose", "Closes the log file", NULL, CMD_ANY | CMD_NOREPEAT,
		cmd_logclose},
	{".logfile", ".logfile", "Shows the name of the log file", NULL, CMD_ANY, cmd_logfile},
	{".outmask", ".outmask[-] [/l] Expression  |  .outmask /a  |  .outmask /d",
		"Chooses what is shown", help_outmask, CMD_ANY | CMD_NOREPEAT, cmd_outmask},
	{".time", ".time [-h Hours]", "Shows the time of the target and how long it has been up",
		"Hours is an offset from UTC to show the time with; a negative one needs "
		"parentheses.\n",
		CMD_ANY | CMD_TARGET, cmd_time},
	{".echotime", ".echotime", "Shows the time of the debugger's machine", NULL, CMD_ANY,
		cmd_echotime},
	{".echotimestamps", ".echotimestamps [0|1]", "Switches time stamps of events on or off",
		NULL, CMD_ANY | CMD_NOREPEAT, cmd_echotimestamps},
	{".echocpunum", ".echocpunum [0|1]",
		"Switches the display of the processor's number on or off", NULL,
		CMD_KERNEL | CMD_NOREPEAT, cmd_echocpunum},
	{".allow_exec_cmds", ".allow_exec_cmds [0|1]",
		"Allows or forbids commands that let the target run", NULL, CMD_ANY | CMD_NOREPEAT,
		cmd_allow_exec},
	{"sq", "sq[e|d]", "Switches quiet mode on (e), off (d) or over",
		"In quiet mode there are no long notes at a break-in, and r takes an assignment "
		"without =.\n",
		CMD_ANY | CMD_SUFFIX | CMD_NOREPEAT, cmd_sq},
	{".pcmd", ".pcmd [-s CommandString | -c]",
		"Sets, clears or shows the command that runs at each stop",
		"A command string with blanks or semicolons needs double quotes.\n",
		CMD_ANY | CMD_NOREPEAT, cmd_pcmd},
	{".prompt_allow", ".prompt_allow [{+|-}Item]...",
		"Chooses what is shown when the target stops", help_prompt, CMD_ANY | CMD_NOREPEAT,
		cmd_prompt_allow},
	{".cls", ".cls", "Clears the screen", NULL, CMD_ANY | CMD_RAW | CMD_NOREPEAT, cmd_cls},
	{"version", "version", "Shows the versions of the target and of the debugger", NULL,
		CMD_ANY, cmd_version},
	{"vercommand", "vercommand", "Shows the command line that started the debugger", NULL,
		CMD_ANY, cmd_vercommand},
};

const cmd_family cmd_family_misc = {"Logs, display and settings", rows, ARRAY_LEN(rows)};
