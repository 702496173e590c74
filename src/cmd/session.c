/*
 * session: ending and restarting a session, the current processor, the last event, driver
 * replacement.
 */
#include "cmd/lang.h"
#include "cmd/state.h"

#include <ctype.h>

static err quit(cmd *c, tgt_leave how)
{
	TRY(state_may_quit(c));
	c->quit = true;
	c->quit_how = how;
	return ERR_OK;
}

/*
 * WinDbg's q leaves the target stopped. A frozen machine without a debugger helps nobody, so here q
 * takes the breakpoints out and lets it run (docs/architecture.md, "Where we differ").
 */
static err cmd_q(cmd *c, cmd_call *call)
{
	TRY(cmd_arg_end(c, call->args));
	return quit(c, c->e->mode == ENG_USER ? TGT_KILL : TGT_DETACH);
}

static err cmd_qd(cmd *c, cmd_call *call)
{
	TRY(cmd_arg_end(c, call->args));
	return quit(c, TGT_DETACH);
}

static err cmd_detach(cmd *c, cmd_call *call)
{
	if (c->e->mode == ENG_USER)
		return procs_detach(c, call);
	TRY(cmd_arg_end(c, call->args));
	TRY(eng_accessible(c->e, &c->d));
	eng_end(c->e, TGT_DETACH);
	out(c->e, "Detached\n");
	return ERR_OK;
}

static err cmd_opendump(cmd *c, cmd_call *call)
{
	str path = str_trim(call->args);
	if (str_starts(path, STR("/c")))
		return cmd_fail(c, ERR_UNSUPPORTED,
			"archives (.cab) cannot be opened: take the dump out of it first");
	if (path.n > 1 && path.p[0] == '"' && path.p[path.n - 1] == '"')
		path = str_take(str_skip(path, 1), path.n - 2);
	if (!path.n)
		return cmd_fail(c, ERR_SYNTAX, ".opendump needs a file");
	if (c->e->t)
		return cmd_fail(c, ERR_STATE,
			"a session has one dump or other targets, not both: end this one first "
			"(.detach, .kill)");
	TRY(eng_open_image(c->e, str_z(&c->a, path), &c->d));
	out(c->e, "Opened '%.*s'\n", STR_ARG(path));
	return ERR_OK;
}

/* .restart: a program starts again; to a kernel it is as if a new debugger attached. */
static err cmd_restart(cmd *c, cmd_call *call)
{
	engine *e = c->e;
	TRY(cmd_arg_end(c, call->args));
	if (e->mode == ENG_USER || (!e->t && e->launch))
		return eng_restart(e, &c->d);
	TRY(eng_accessible(e, &c->d));
	if (e->mode != ENG_KERNEL)
		return cmd_fail(c, ERR_UNSUPPORTED, ".restart: this target cannot be restarted");
	str options = str_dup(&c->a, e->connect_options);
	eng_end(e, TGT_DETACH);
	e->initial_break = true;
	TRY(eng_attach_kernel(e, options, &c->d));
	return ERR_OK;
}

static err cmd_lastevent(cmd *c, cmd_call *call)
{
	engine *e = c->e;
	TRY(cmd_arg_end(c, call->args));
	if (!e->has_event)
		return cmd_fail(c, ERR_NOTFOUND, "there was no event yet");
	str text = str_of(e->last_event[0] ? e->last_event : "(no exception)");
	if (e->caps.threads) {
		const eng_thr *t = eng_thr_find(e, e->ev.unit);
		size_t who = str_starts(text, STR("(")) ? str_find(text, STR("): ")) : SIZE_MAX;
		if (who != SIZE_MAX) /* said in front as it is */
			text = str_skip(text, who + 3);
		out(e, "Last event: %llx.%x: %.*s\n", (unsigned long long)e->ev.process_id,
			e->ev.unit, STR_ARG(text));
		out(e, "  thread %u, instruction %s\n", t ? t->id : 0, out_addr(e, e->ev.pc));
		return ERR_OK;
	}
	out(e, "Last event: %.*s\n", STR_ARG(text));
	out(e, "  processor %u, thread %s, instruction %s\n", e->ev.unit, out_addr(e, e->ev.thread),
		out_addr(e, e->ev.pc));
	return ERR_OK;
}

static err cmd_event_code(cmd *c, cmd_call *call)
{
	engine *e = c->e;
	uint8_t bytes[64];
	size_t n = 0;
	TRY(cmd_arg_end(c, call->args));
	TRY(eng_read(e, e->ev.pc, bytes, sizeof bytes, &n, &c->d));
	out(e, "%zu code bytes at %s\n", n, out_addr(e, e->ev.pc));
	for (size_t i = 0; i < n; i++)
		out(e, "%02x%s", bytes[i], i % 16 == 15 || i + 1 == n ? "\n" : " ");
	return ERR_OK;
}

/* ~ in kernel mode: processors. "~2s" makes one current. */
static err cmd_tilde(cmd *c, cmd_call *call)
{
	engine *e = c->e;
	str s = str_trim(call->args);
	uint64_t unit;

	if (e->mode == ENG_USER)
		return procs_tilde(c, call);
	if (!s.n) {
		for (unit_t u = 0; u < e->n_units; u++)
			out(e, "%c %3u  processor %u%s\n", u == e->ctx.unit ? '.' : ' ', u, u,
				u == e->ev.unit ? "  (last event)" : "");
		return ERR_OK;
	}
	size_t n = 0;
	while (n < s.n && isdigit((unsigned char)s.p[n]))
		n++;
	str verb = str_trim(str_skip(s, n));
	if (!n && str_ieq(s, STR("s"))) {
		eng_show_stop(e);
		return ERR_OK;
	}
	if (!n || !str_u64(str_take(s, n), 10, &unit) || !str_ieq(verb, STR("s")))
		return cmd_fail(c, ERR_SYNTAX,
			"In kernel mode ~ addresses processors: ~ lists them, ~Ns makes one "
			"current");
	TRY(eng_ctx_unit(e, (unit_t)(unit > UINT32_MAX ? UINT32_MAX : unit), &c->d));
	eng_show_stop(e);
	return ERR_OK;
}

/* ---- .kdfiles ---- */

enum { KDFILES_MAX = 1024, KDFILES_FILE_MAX = 1 << 20 };

typedef struct kdfile {
	str from, to;
} kdfile;

/* Strings live in the session's arena. */
typedef struct kdfiles {
	size_t n;
	str source;
	arena *mem;
	kdfile v[KDFILES_MAX];
} kdfiles;

static bool same_path(str a, str b)
{
	/* The kernel may ask by \SystemRoot\..., \??\C:\... or a bare name: the longer ends in the
	 * shorter, on a separator. */
	if (a.n < b.n) {
		str t = a;
		a = b;
		b = t;
	}
	if (!str_iends(a, b))
		return false;
	return a.n == b.n || a.p[a.n - b.n - 1] == '\\' || b.p[0] == '\\';
}

static bool kdfiles_map(void *u, str target_path, char *host_path, size_t cap)
{
	const kdfiles *k = u;
	for (size_t i = 0; i < k->n; i++)
		if (same_path(target_path, k->v[i].from) && k->v[i].to.n < cap) {
			memcpy(host_path, k->v[i].to.p, k->v[i].to.n);
			host_path[k->v[i].to.n] = 0;
			return true;
		}
	return false;
}

static err kdfiles_load(cmd *c, kdfiles *k, str path)
{
	str text, lines[3];
	size_t n = 0;

	TRY(sys_read_file(&c->a, str_z(&c->a, path), KDFILES_FILE_MAX, &text, &c->d));
	k->n = 0;
	while (text.n) {
		size_t nl = str_chr(text, '\n');
		str line = str_trim(str_take(text, nl == SIZE_MAX ? text.n : nl));
		text = str_skip(text, nl == SIZE_MAX ? text.n : nl + 1);
		if (!n && (!line.n || line.p[0] == '#'))
			continue;
		lines[n++] = line;
		if (n < 3)
			continue;
		if (!str_ieq(lines[0], STR("map")) || !lines[1].n || !lines[2].n ||
			k->n == KDFILES_MAX)
			break;
		k->v[k->n++] = (kdfile){str_dup(k->mem, lines[1]), str_dup(k->mem, lines[2])};
		n = 0;
	}
	if (n) {
		k->n = 0;
		return cmd_fail(c, ERR_CORRUPT,
			"Unable to load file associations: '%.*s' does not begin a record of the "
			"lines map, old path, new path",
			STR_ARG(lines[0]));
	}
	k->source = str_dup(k->mem, path);
	out(c->e, "KD file associations loaded from '%.*s'\n", STR_ARG(path));
	return ERR_OK;
}

static err kdfiles_save(cmd *c, const kdfiles *k, str path)
{
	buf b;
	buf_init(&b, KDFILES_FILE_MAX);
	for (size_t i = 0; i < k->n; i++)
		buf_addf(&b, "map\n%.*s\n%.*s\n\n", STR_ARG(k->v[i].from), STR_ARG(k->v[i].to));
	err r = sys_write_file(str_z(&c->a, path), buf_str(&b), &c->d);
	buf_deinit(&b);
	if (r == ERR_OK)
		out(c->e, "KD file associations saved to '%.*s'\n", STR_ARG(path));
	return r;
}

static err cmd_kdfiles(cmd *c, cmd_call *call)
{
	kdfiles *k = cmd_state(c, "kdfiles", sizeof *k);
	str rest = call->args, sw;

	k->mem = &c->e->session;
	c->e->file_map = kdfiles_map;
	c->e->file_map_u = k;
	if (!rest.n) {
		if (!k->n) {
			out(c->e, "KD file associations are empty\n");
			return ERR_OK;
		}
		if (k->source.n)
			out(c->e, "KD file associations loaded from '%.*s'\n", STR_ARG(k->source));
		for (size_t i = 0; i < k->n; i++)
			out(c->e, "%.*s ->\n    %.*s\n", STR_ARG(k->v[i].from),
				STR_ARG(k->v[i].to));
		return ERR_OK;
	}
	if (!cmd_arg_switch(&rest, "-", &sw))
		return kdfiles_load(c, k, rest);
	if (str_eq(sw, STR("m"))) {
		str from = str_word(&rest), to = str_word(&rest);
		if (!from.n || !to.n || k->n == KDFILES_MAX)
			return cmd_fail(c, ERR_SYNTAX, ".kdfiles -m OldPath NewPath");
		k->v[k->n++] = (kdfile){str_dup(k->mem, from), str_dup(k->mem, to)};
		return ERR_OK;
	}
	if (str_eq(sw, STR("s")))
		return kdfiles_save(c, k, str_trim(rest));
	if (str_eq(sw, STR("c"))) {
		k->n = 0;
		k->source = (str){0};
		out(c->e, "KD file associations cleared\n");
		return ERR_OK;
	}
	return cmd_fail(c, ERR_SYNTAX, "Unknown option '-%.*s'", STR_ARG(sw));
}

static const cmd_row rows[] = {
	{"q", "q", "End the session",
		"Breakpoints are taken out and the target runs on. A second Ctrl+B while this "
		"waits\n"
		"abandons the target as it is. In user mode programs that were started from here "
		"end,\n"
		"and processes that were attached to run on.",
		CMD_ANY | CMD_NOREPEAT, cmd_q},
	{"qq", "qq", "End the session (also of a remote server)", NULL, CMD_ANY | CMD_NOREPEAT,
		cmd_q},
	{"qd", "qd", "End the session and leave the target running", NULL, CMD_ANY | CMD_NOREPEAT,
		cmd_qd},
	{".detach", ".detach", "Take breakpoints out and let the target run without a debugger",
		NULL, CMD_ANY | CMD_NOREPEAT, cmd_detach},
	{".opendump", ".opendump DumpFile", "Open a dump",
		"As the command line's -z: a core of a Linux process, or an image. Only where "
		"there is "
		"no target.",
		CMD_ANY | CMD_NOREPEAT, cmd_opendump},
	{".restart", ".restart", "Begin again as if a new debugger had attached",
		"In user mode the program that was started last is ended and started again; "
		"breakpoints by name stay.",
		CMD_ANY | CMD_NOREPEAT, cmd_restart},
	{".lastevent", ".lastevent", "Show the last event", NULL, CMD_ANY, cmd_lastevent},
	{".event_code", ".event_code", "Show the code bytes at the last event", NULL,
		CMD_ANY | CMD_TARGET, cmd_event_code},
	{"~", "~ | ~Thread [s | f | u | n | m | e Commands]",
		"List processors (kernel) or threads (user), or make one current",
		"Kernel mode: after ~2s registers and stacks are those of processor 2, and p, t "
		"and gu step it (some kernels refuse that).\n"
		"User mode: Thread is a number, . (current), # (of the last event), * (all), "
		"~[TID] or [Expression]. s makes it the current one, f freezes, u unfreezes, n and "
		"m raise\n"
		"and lower its suspend count, e runs commands for each. In front of a command it "
		"is looked through:\n"
		"~*k, ~2 r, ~2 bp Function; ~2 g and ~2 p run that thread alone.",
		CMD_ANY | CMD_TARGET | CMD_SUFFIX, cmd_tilde},
	{".kdfiles", ".kdfiles [MapFile | -m OldPath NewPath | -s File | -c]",
		"Offer files of this host in place of target drivers",
		"The map file holds records of three lines: map, the target's path, the path here; "
		"# begins\n"
		"a comment between records. The target asks whenever it loads a module.",
		CMD_KERNEL, cmd_kdfiles},
};

const cmd_family cmd_family_session = {"Session", rows, ARRAY_LEN(rows)};
