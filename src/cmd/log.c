/*
 * log: log files, time stamps, the output mask.
 *
 * While a log is open or stamps are on, a tap sits between the engine and the front end: the engine
 * then lets through what either of the two masks wants, and each side filters for itself. The other
 * hooks share their user pointer with output, so the tap passes them on.
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

/*
 * Stamps stand before each line of the target's own output and before what the engine says about an
 * event (inside a wait, while no command list runs).
 */
static bool wants_stamp(cmd *c, unsigned mask, bool *line_start)
{
	lang *l = c->lang;
	if (!l->time_stamps)
		return false;
	if (mask & OUT_DEBUGGEE) {
		*line_start = l->debuggee_line_start;
		return true;
	}
	*line_start = l->event_line_start;
	return c->e->inside_wait && !l->lists && (mask & (OUT_NORMAL | OUT_STATUS));
}

static void pass_on(cmd *c, unsigned mask, str text)
{
	lang *l = c->lang;
	if (l->log && (mask & l->log_mask)) {
		log_write(l, text);
		fflush(l->log);
	}
	if (l->below && (mask & l->show_mask))
		l->below(l->below_u, mask, text);
}

static void pass_stamp(cmd *c, unsigned mask)
{
	arena a;
	arena_init(&a);
	str when = misc_now_text(&a);
	pass_on(c, mask, str_printf(&a, "%.*s: ", STR_ARG(when)));
	arena_deinit(&a);
}

/* .ofilter: which of the target's own output is shown and logged. */
typedef struct output_filter {
	char *text;    /* as it was given; NULL: everything */
	char *pattern; /* "*text*" */
	bool without;  /* only what does not match */
} output_filter;

static output_filter *filter_of(cmd *c)
{
	return cmd_state(c, "ofilter", sizeof(output_filter));
}

static bool tap_wanted(cmd *c)
{
	return c->lang->log || c->lang->time_stamps || filter_of(c)->text;
}

static void tap_output(void *u, unsigned mask, str text)
{
	cmd *c = u;
	lang *l = c->lang;
	bool line_start;
	if (mask & OUT_DEBUGGEE) {
		const output_filter *f = filter_of(c);
		if (f->text && str_wild(str_of(f->pattern), text, false) == f->without)
			return;
	}
	/* An echo of the line that is about to run: log_input writes that one into the log. */
	if (mask == OUT_PROMPT && str_find(text, STR("> ")) != SIZE_MAX) {
		if (l->below && (mask & l->show_mask))
			l->below(l->below_u, mask, text);
		return;
	}
	if (!wants_stamp(c, mask, &line_start)) {
		pass_on(c, mask, text);
		return;
	}
	bool *state = mask & OUT_DEBUGGEE ? &l->debuggee_line_start : &l->event_line_start;
	while (text.n) {
		size_t end = lex_line_end(text, 0);
		str line = str_take(text, end + 1);
		if (line_start)
			pass_stamp(c, mask);
		pass_on(c, mask, line);
		line_start = line.p[line.n - 1] == '\n';
		text = str_skip(text, line.n);
	}
	*state = line_start;
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
typedef struct tap_hooks {
	err (*input)(void *u, str prompt, buf *line);
	eng_status (*notice)(void *u, const eng_notice *n);
} tap_hooks;

static tap_hooks *hooks_below(cmd *c)
{
	return cmd_state(c, "tap", sizeof(tap_hooks));
}

static err tap_input(void *u, str prompt, buf *line)
{
	cmd *c = u;
	return hooks_below(c)->input(c->lang->below_u, prompt, line);
}

static eng_status tap_notice(void *u, const eng_notice *n)
{
	cmd *c = u;
	return hooks_below(c)->notice(c->lang->below_u, n);
}

/* Between the engine and the front end while a log is open or stamps are on. */
static void tap_insert(cmd *c)
{
	eng_hooks *h = &c->e->hooks;
	lang *l = c->lang;
	tap_hooks *below = hooks_below(c);
	l->below = h->output;
	l->below_u = h->u;
	below->input = h->input;
	below->notice = h->notice;
	h->output = tap_output;
	h->u = c;
	if (h->input)
		h->input = tap_input;
	if (h->notice)
		h->notice = tap_notice;
	l->show_mask = c->e->out_mask;
	l->tapped = true;
	l->debuggee_line_start = l->event_line_start = true;
}

static void tap_remove(cmd *c)
{
	eng_hooks *h = &c->e->hooks;
	lang *l = c->lang;
	h->output = l->below;
	h->u = l->below_u;
	h->input = hooks_below(c)->input;
	h->notice = hooks_below(c)->notice;
	c->e->out_mask = l->show_mask;
	l->tapped = false;
}

void log_close(cmd *c)
{
	lang *l = c->lang;
	if (!l->log)
		return;
	fclose(l->log);
	mem_free(l->log_path);
	l->log = NULL;
	l->log_path = NULL;
	if (tap_wanted(c))
		c->e->out_mask = l->show_mask;
	else
		tap_remove(c);
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
	if (!l->tapped)
		tap_insert(c);
	l->log_mask = l->show_mask;
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
	unsigned *show = l->tapped ? &l->show_mask : &c->e->out_mask, mask = *show;
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
	if (!keep_log)
		l->log_mask = mask;
	if (l->tapped)
		c->e->out_mask = l->show_mask | (l->log ? l->log_mask : 0);
	if (!before)
		out(c->e, "Output mask is 0x%x\n", mask);
	return ERR_OK;
}

/* ---- time stamps ---- */

static err cmd_echotimestamps(cmd *c, cmd_call *call)
{
	lang *l = c->lang;
	TRY(misc_switch(c, call->args, false, &l->time_stamps));
	if (l->time_stamps && !l->tapped)
		tap_insert(c);
	else if (l->tapped && !tap_wanted(c))
		tap_remove(c);
	out(c->e, "Event timestamps are now %s\n", l->time_stamps ? "enabled" : "disabled");
	return ERR_OK;
}

/* ---- .ofilter ---- */

static err cmd_ofilter(cmd *c, cmd_call *call)
{
	output_filter *f = filter_of(c);
	str rest = str_trim(call->args), text;
	bool without = str_starts(rest, STR("/!"));
	if (!rest.n) {
		if (f->text)
			out(c->e, "Only output of the target that %s '%s' is shown\n",
				f->without ? "does not hold" : "holds", f->text);
		else
			out(c->e, "All output of the target is shown\n");
		return ERR_OK;
	}
	if (without)
		rest = str_trim(str_skip(rest, 2));
	if (rest.n && rest.p[0] == '"') {
		TRY(cmd_arg_quoted(c, &rest, false, &text));
		TRY(cmd_arg_end(c, rest));
	} else {
		text = rest;
	}
	if (!text.n && without)
		return cmd_syntax(c, rest);
	*f = (output_filter){0};
	if (text.n) { /* in the session's arena: a few bytes a change */
		f->text = str_z(&c->e->session, text);
		f->pattern = arena_printf(&c->e->session, "*%.*s*", STR_ARG(text));
		f->without = without;
	}
	if (tap_wanted(c) && !c->lang->tapped)
		tap_insert(c);
	else if (!tap_wanted(c) && c->lang->tapped)
		tap_remove(c);
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

static const cmd_row rows[] = {
	{".logopen", ".logopen [/t] [/u] [/d] [File]", "Write what is shown into a new log file",
		help_log, CMD_ANY | CMD_NOREPEAT, cmd_logopen},
	{".logappend", ".logappend [/t] [/u] [/d] [File]", "Add what is shown to a log file",
		help_log, CMD_ANY | CMD_NOREPEAT, cmd_logopen},
	{".logclose", ".logclose", "Close the log file", NULL, CMD_ANY | CMD_NOREPEAT,
		cmd_logclose},
	{".logfile", ".logfile", "Show the name of the log file", NULL, CMD_ANY, cmd_logfile},
	{".outmask", ".outmask[-] [/l] Expression\n.outmask /a\n.outmask /d",
		"Choose what is shown", help_outmask, CMD_ANY | CMD_NOREPEAT, cmd_outmask},
	{".ofilter", ".ofilter [/!] [String]", "Show only some of the target's own output",
		"Only what holds String (with wildcards, in any case) is shown and logged; /! "
		"turns "
		"that\n"
		"round. .ofilter \"\" shows everything again. Questions of the target (DbgPrompt) "
		"are "
		"always shown.\n",
		CMD_ANY | CMD_NOREPEAT, cmd_ofilter},
	{".echotimestamps", ".echotimestamps [0|1]", "Switch time stamps of events on or off", NULL,
		CMD_ANY | CMD_NOREPEAT, cmd_echotimestamps},
};

const cmd_family cmd_family_log = {"Logs and output", rows, ARRAY_LEN(rows)};
