/*
 * procs: processes and threads of a user-mode session: `|`, `~`, and what begins and ends them.
 *
 * A thread is chosen by `.` (current), `#` (of the event), `*` (all), its number, `~[TID]`, or
 * `[Expression]` (a TID, too); a process in the same ways.
 */
#include "cmd/lang.h"
#include "cmd/nt/ntc.h"

#include "os/linux/host.h"
#include "os/linux/linux.h"

#include <ctype.h>

enum { WORDS_MAX = 1024, CREATEDIR_MAX = 4096 };

/* ---- choosing ---- */

typedef struct chosen {
	unit_t *p;
	size_t n;
	bool all;
} chosen;

static const eng_proc *current_process(engine *e)
{
	const eng_proc *p = eng_proc_find(e, e->ctx.process);
	return p ? p : eng_proc_nth(e, 0);
}

static err choose_by_tid(cmd *c, str expr, chosen *ret)
{
	uint64_t tid;
	TRY(lang_eval(c, expr, &tid));
	const eng_thr *t = tid <= UINT32_MAX ? eng_thr_find(c->e, (unit_t)tid) : NULL;
	if (!t)
		return cmd_fail(c, ERR_NOTFOUND, "there is no thread with the id %llx",
			(unsigned long long)tid);
	ret->p = arena_alloc(&c->a, sizeof *ret->p);
	ret->p[0] = t->tid;
	ret->n = 1;
	return ERR_OK;
}

/* sel: what stands behind the tilde. */
static err choose(cmd *c, str sel, chosen *ret)
{
	engine *e = c->e;
	const eng_proc *p = current_process(e);
	uint64_t number;
	*ret = (chosen){0};
	if (!p)
		return cmd_fail(c, ERR_STATE, "there is no process");
	if (str_starts(sel, STR("~")))
		sel = str_skip(sel, 1);
	if (sel.n > 2 && sel.p[0] == '[' && sel.p[sel.n - 1] == ']')
		return choose_by_tid(c, (str){sel.p + 1, sel.n - 2}, ret);
	ret->p = arena_alloc(&c->a, (p->threads.n + 1) * sizeof *ret->p);
	ret->all = str_eq(sel, STR("*"));
	bool any = ret->all || str_eq(sel, STR("."));
	for (size_t i = 0; i < p->threads.n; i++) {
		const eng_thr *t = p->threads.p[i];
		if (ret->all || (str_eq(sel, STR(".")) && t->tid == e->ctx.unit) ||
			(str_eq(sel, STR("#")) && t->tid == e->ev.unit) ||
			(str_u64(sel, 10, &number) && t->id == number))
			ret->p[ret->n++] = t->tid;
	}
	if (!ret->n && !any)
		return cmd_fail(c, ERR_NOTFOUND, "'~%.*s' is not a thread of process %u",
			STR_ARG(sel), p->id);
	return ERR_OK;
}

/* bp bu bm ba: for all threads is what they are without a prefix. */
static bool sets_breakpoint(const cmd_row *row)
{
	return !strcmp(row->name, "bp") || !strcmp(row->name, "bu") || !strcmp(row->name, "bm") ||
	       !strcmp(row->name, "ba");
}

err procs_each(cmd *c, cmd_call *call)
{
	engine *e = c->e;
	chosen who;
	err r = ERR_OK;
	str sel = call->thread;

	if (str_eq(sel, STR("*")) && sets_breakpoint(call->row)) {
		call->thread = (str){0};
		return call->row->fn(c, call);
	}
	TRY(choose(c, sel, &who));
	if (call->row->flags & CMD_RUN) {
		if (who.n != 1)
			return cmd_fail(c, ERR_UNSUPPORTED,
				"only one thread at a time can be run: ~N %s", call->row->name);
		TRY(eng_ctx_unit(e, who.p[0], &c->d));
		TRY(call->row->fn(c, call));
		e->exec.alone = true;
		return ERR_OK;
	}
	eng_ctx saved = eng_ctx_save(e);
	for (size_t i = 0; i < who.n && r == ERR_OK; i++) {
		const eng_thr *t = eng_thr_find(e, who.p[i]);
		if (!t)
			continue;
		r = eng_ctx_unit(e, t->tid, &c->d);
		if (r == ERR_OK && who.n > 1)
			out(e, "\n%c%3u  Id: %llx.%x\n", t->tid == saved.unit ? '.' : ' ', t->id,
				(unsigned long long)t->proc->pid, t->tid);
		if (r == ERR_OK)
			r = call->row->fn(c, call);
		if (r == ERR_OK)
			r = lang_cancelled(c);
	}
	eng_ctx_restore(e, &saved);
	return r;
}

/* ---- ~ ---- */

void procs_show_thread(cmd *c, const eng_thr *t)
{
	engine *e = c->e;
	x64_regs r = {0};
	buf name;
	char mark = t->tid == e->ctx.unit ? '.' : t->tid == e->ev.unit ? '#' : ' ';
	bool known = tgt_regs_get(e->t, t->tid, X64_SET_BASES, &r, NULL) == ERR_OK;

	out(e, "%c%3u  Id: %llx.%x Suspend: %d Teb: %s %s", mark, t->id,
		(unsigned long long)t->proc->pid, t->tid, t->suspend + 1,
		known ? out_addr(e, r.fs_base) : "????????`????????",
		t->frozen ? "Frozen" : "Unfrozen");
	buf_init(&name, 256);
	if (tgt_info_get(e->t, TGT_I_THREAD_NAME, t->tid, &name, NULL) == ERR_OK && name.n)
		out(e, " \"%.*s\"", STR_ARG(str_trim(buf_str(&name))));
	buf_deinit(&name);
	out(e, "\n");
}

static err hold(cmd *c, const chosen *who, char verb)
{
	for (size_t i = 0; i < who->n; i++) {
		eng_thr *t = eng_thr_find(c->e, who->p[i]);
		if (!t)
			continue;
		int suspend = t->suspend + (verb == 'n') - (verb == 'm');
		bool frozen = verb == 'f' || (verb != 'u' && t->frozen);
		TRY(eng_thr_hold(c->e, t, suspend, frozen, &c->d));
	}
	return ERR_OK;
}

static bool is_blocked(str commands)
{
	size_t used;
	size_t at = lex_skip_breaks(commands, 0);
	const cmd_row *r = at < commands.n ? cmd_row_match(str_skip(commands, at), &used) : NULL;
	return r && (r->flags & CMD_RUN || !strcmp(r->name, "j") || !strcmp(r->name, "z"));
}

/* ~N e commands: errors of one command do not stop the next. */
static err each_runs(cmd *c, const chosen *who, str commands)
{
	eng_ctx saved = eng_ctx_save(c->e);
	if (is_blocked(commands))
		return cmd_fail(c, ERR_UNSUPPORTED,
			"~ e runs no commands that make the target run, and neither j nor z");
	err r = ERR_OK;
	for (size_t i = 0; i < who->n && r == ERR_OK; i++) {
		if (eng_ctx_unit(c->e, who->p[i], &c->d) == ERR_OK)
			(void)!lang_block(c, commands);
		r = lang_cancelled(c);
	}
	eng_ctx_restore(c->e, &saved);
	return r;
}

/* Length of the thread that text starts with: ".", "#", "*", digits, [expr], ~[tid]. */
static size_t selector_length(str t)
{
	size_t i = str_starts(t, STR("~")) ? 1 : 0;
	if (i < t.n && t.p[i] == '[') {
		size_t close = lex_match(t, i, '[', ']');
		return close == SIZE_MAX ? 0 : close + 1;
	}
	if (!i && t.n && strchr(".#*", t.p[0]))
		return 1;
	size_t digits = i;
	while (i < t.n && isdigit((unsigned char)t.p[i]))
		i++;
	return i > digits ? i : 0;
}

err procs_tilde(cmd *c, cmd_call *call)
{
	engine *e = c->e;
	str all = lang_rest(c, call), s = str_trim(call->args);
	size_t n = selector_length(s);
	chosen who;

	if (!n && str_ieq(s, STR("s"))) {
		eng_show_stop(e);
		return ERR_OK;
	}
	TRY(choose(c, n ? str_take(s, n) : STR("*"), &who));
	str verb = str_trim(str_skip(s, n));
	if (!verb.n) {
		for (size_t i = 0; i < who.n; i++) {
			const eng_thr *t = eng_thr_find(e, who.p[i]);
			if (t)
				procs_show_thread(c, t);
			TRY(lang_cancelled(c));
		}
		return ERR_OK;
	}
	char v = (char)tolower((unsigned char)verb.p[0]);
	bool bare = verb.n == 1;
	if (v == 'e' && verb.n > 1 && lex_blank(verb.p[1])) {
		str commands = str_range(verb.p + 1, all.p + all.n);
		err r = each_runs(c, &who, str_trim(commands));
		lang_took(c, (size_t)(all.p + all.n - call->args.p));
		return r;
	}
	if (bare && v == 's') {
		if (who.n != 1)
			return cmd_fail(c, ERR_ARG, "~*s: one thread can be the current one");
		TRY(eng_ctx_unit(e, who.p[0], &c->d));
		eng_show_stop(e);
		return ERR_OK;
	}
	if (bare && strchr("funm", v))
		return hold(c, &who, v);
	return cmd_syntax(c, verb);
}

/* ---- | ---- */

static const char *how_text(const engine *e, const eng_proc *p)
{
	return !e->caps.live		? "dump"
	       : p->how == PROC_CREATED ? "create"
	       : p->how == PROC_CHILD	? "child"
					: "attach";
}

static void show_process(cmd *c, const eng_proc *p)
{
	engine *e = c->e;
	char mark = p->pid == e->ctx.process ? '.' : p->pid == e->ev.process_id ? '#' : ' ';
	out(e, "%c%3u\tid: %llx\t%s\tname: %.*s\n", mark, p->id, (unsigned long long)p->pid,
		how_text(e, p), STR_ARG(str_base(str_of(p->image))));
}

static bool process_is(cmd *c, const eng_proc *p, str sel, uint64_t pid)
{
	uint64_t number;
	if (!sel.n || str_eq(sel, STR("*")))
		return true;
	if (str_eq(sel, STR(".")))
		return p->pid == c->e->ctx.process;
	if (str_eq(sel, STR("#")))
		return p->pid == c->e->ev.process_id;
	if (sel.p[sel.n - 1] == ']')
		return p->pid == pid;
	return str_u64(sel, 10, &number) && p->id == number;
}

static err cmd_pipe(cmd *c, cmd_call *call)
{
	engine *e = c->e;
	str s = str_trim(call->args);
	size_t n = selector_length(s), shown = 0;
	str sel = str_take(s, n), verb = str_trim(str_skip(s, n));
	uint64_t pid = 0;
	const eng_proc *p;

	if (sel.n && sel.p[sel.n - 1] == ']') {
		size_t open = str_chr(sel, '[');
		TRY(lang_eval(c, (str){sel.p + open + 1, sel.n - open - 2}, &pid));
	}
	if (verb.n && !str_ieq(verb, STR("s")))
		return cmd_syntax(c, verb);
	for (size_t i = 0; (p = eng_proc_nth(e, i)); i++) {
		if (!process_is(c, p, sel, pid))
			continue;
		shown++;
		if (!verb.n) {
			show_process(c, p);
			continue;
		}
		TRY(eng_ctx_process(e, p->pid, false, &c->d));
		eng_show_stop(e);
		return ERR_OK;
	}
	if (!shown)
		return cmd_fail(
			c, ERR_NOTFOUND, "'|%.*s' is not a process of this session", STR_ARG(sel));
	return ERR_OK;
}

/* ---- beginning ---- */

/* Words of a command line as a shell's plain words: blanks part, quotes keep together. */
static err split(cmd *c, str line, const char ***ret)
{
	const char **v = arena_alloc(&c->a, (WORDS_MAX + 1) * sizeof *v);
	size_t n = 0;
	for (size_t at = lex_skip(line, 0); at < line.n; at = lex_skip(line, at)) {
		buf b;
		buf_init(&b, line.n + 1);
		for (char quote = 0; at < line.n && (quote || !lex_blank(line.p[at])); at++) {
			char ch = line.p[at];
			if (quote ? ch == quote : ch == '"' || ch == '\'')
				quote = quote ? 0 : ch;
			else
				buf_addc(&b, ch);
		}
		if (n == WORDS_MAX) {
			buf_deinit(&b);
			return cmd_fail(
				c, ERR_LIMIT, "a command line has at most %d words", WORDS_MAX);
		}
		v[n++] = str_z(&c->a, buf_str(&b));
		buf_deinit(&b);
	}
	v[n] = NULL;
	*ret = v;
	return ERR_OK;
}

static err cmd_create_(cmd *c, cmd_call *call)
{
	str rest = call->args, sw;
	tgt_create how = {.stdio = {-1, -1, -1}};
	const char *dir = cmd_state(c, "createdir", CREATEDIR_MAX);
	const char **v = NULL;
	bool alone = false;

	while (cmd_arg_switch(&rest, "-", &sw)) {
		if (str_eq(sw, STR("o")))
			how.children = true;
		else if (str_eq(sw, STR("f")))
			alone = true;
		else
			return cmd_fail(c, ERR_SYNTAX, "Unknown option '-%.*s'", STR_ARG(sw));
	}
	TRY(split(c, rest, &v));
	if (!v[0])
		return cmd_fail(c, ERR_SYNTAX, ".create needs a command line");
	how.path = v[0];
	how.argv = v;
	how.dir = *dir ? dir : NULL;
	TRY(alone ? eng_create_alone(c->e, &how, &c->d) : eng_create_process(c->e, &how, &c->d));
	out(c->e, "Create will proceed with next execution\n");
	return ERR_OK;
}

static err cmd_createdir(cmd *c, cmd_call *call)
{
	char *dir = cmd_state(c, "createdir", CREATEDIR_MAX);
	str path = str_trim(call->args);
	if (path.n >= CREATEDIR_MAX)
		return cmd_fail(c, ERR_LIMIT, "the path is too long");
	if (path.n) {
		memcpy(dir, path.p, path.n);
		dir[path.n] = 0;
	}
	out(c->e, "Create dir: %s\n", *dir ? dir : "(the debugger's own)");
	return ERR_OK;
}

static err cmd_attach(cmd *c, cmd_call *call)
{
	str rest = call->args, sw;
	bool look = false;
	uint64_t pid;
	while (cmd_arg_switch(&rest, "-", &sw)) {
		if (!str_eq(sw, STR("v")))
			return cmd_fail(c, ERR_SYNTAX, "Unknown option '-%.*s'", STR_ARG(sw));
		look = true;
	}
	if (!rest.n)
		return cmd_fail(c, ERR_SYNTAX, ".attach needs a process id");
	TRY(cmd_arg_expr(c, &rest, &pid));
	TRY(cmd_arg_end(c, rest));
	TRY(eng_attach_process(c->e, pid, look, &c->d));
	out(c->e, "Attach will occur on next execution\n");
	return ERR_OK;
}

static err cmd_childdbg(cmd *c, cmd_call *call)
{
	bool on = c->e->follow_children;
	TRY(misc_switch(c, call->args, true, &on));
	if (c->e->t && c->e->caps.threads)
		TRY(tgt_follow_children(c->e->t, on, &c->d));
	c->e->follow_children = on;
	out(c->e, "Processes created by the current process will %sbe debugged\n",
		on ? "" : "not ");
	return ERR_OK;
}

/* ---- ending ---- */

static err leave(cmd *c, cmd_call *call, tgt_leave how, const char *done)
{
	TRY(cmd_arg_end(c, call->args));
	TRY(eng_part_process(c->e, c->e->ctx.process, how, &c->d));
	out(c->e, "%s\n", done);
	return ERR_OK;
}

err procs_detach(cmd *c, cmd_call *call)
{
	return leave(c, call, TGT_DETACH, "Detached");
}

static err cmd_abandon(cmd *c, cmd_call *call)
{
	return leave(c, call, TGT_ABANDON, "Abandoned: the process is left stopped");
}

static err cmd_kill(cmd *c, cmd_call *call)
{
	str rest = call->args, sw;
	if (c->e->mode != ENG_USER)
		return ntc_kill(c, call);
	if (cmd_arg_switch(&rest, "/-", &sw) && !str_eq(sw, STR("h")) && !str_eq(sw, STR("n")))
		return cmd_fail(c, ERR_SYNTAX, "Unknown option '/%.*s'", STR_ARG(sw));
	call->args = rest;
	return leave(c, call, TGT_KILL, "Terminated");
}

/* ---- what runs on this host ---- */

static err cmd_tlist(cmd *c, cmd_call *call)
{
	linux_running *v;
	size_t n;
	str pattern = str_trim(call->args);
	TRY(linux_host_processes(&c->a, &v, &n, &c->d));
	for (size_t i = 0; i < n; i++)
		if (!pattern.n || str_wild(pattern, v[i].name, false))
			out(c->e, " 0n%llu %.*s\n", (unsigned long long)v[i].pid,
				STR_ARG(v[i].name));
	return ERR_OK;
}

static void show_time(cmd *c, const char *what, uint64_t ticks)
{
	char span[STR_SPAN_MAX];
	out(c->e, "%s: %s\n", what, str_span(linux_ticks_ms(ticks), span));
}

static err cmd_ttime(cmd *c, cmd_call *call)
{
	linux_stat st;
	buf b;
	TRY(cmd_arg_end(c, call->args));
	buf_init(&b, 4096);
	err r = tgt_info_get(c->e->t, TGT_I_THREAD_STAT, c->e->ctx.unit, &b, &c->d);
	if (r == ERR_OK && linux_stat_parse(buf_str(&b), &st) != ERR_OK)
		r = cmd_fail(c, ERR_CORRUPT, "the thread's stat text makes no sense");
	if (r == ERR_OK) {
		show_time(c, "Kernel", st.system_ticks);
		show_time(c, "User", st.user_ticks);
	}
	buf_deinit(&b);
	return r;
}

/* .breakin: no kernel debugger looks at this host, as the documentation's own words have it. */
static err cmd_breakin(cmd *c, cmd_call *call)
{
	TRY(cmd_arg_end(c, call->args));
	return cmd_fail(c, ERR_UNSUPPORTED,
		"No kernel debugger is attached to this machine: .breakin has nobody to break "
		"into");
}

static const cmd_row rows[] = {
	{"|", "| [. | # | * | N | [PID]] [s]", "List processes, or make one current",
		"| alone lists all. |Ns makes process N the current one; |~[PID]s does it by its "
		"id.\n"
		"A dot marks the current process, # the one of the last event.",
		CMD_USER | CMD_TARGET | CMD_SUFFIX, cmd_pipe},
	{".create", ".create [-o] [-f] CommandLine", "Start another program in this session",
		"-o debugs its children, too. -f freezes all threads of the session until the new "
		"process has\nan exception, as its initial break is one, or ends. The process "
		"appears with the next execution.",
		CMD_USER | CMD_NOREPEAT, cmd_create_},
	{".createdir", ".createdir [Path]", "Directory in which .create starts programs", NULL,
		CMD_USER, cmd_createdir},
	{".attach", ".attach [-v] PID", "Attach to another process",
		"-v only looks: the process is stopped, there are no events, and .detach lets it "
		"run.\n"
		"The id is an expression: 0n1234 is decimal.",
		CMD_USER | CMD_NOREPEAT, cmd_attach},
	{".abandon", ".abandon", "Leave the current process stopped, without a debugger", NULL,
		CMD_USER | CMD_LIVE | CMD_TARGET | CMD_NOREPEAT, cmd_abandon},
	{".kill", ".kill [Process]", "End a process on the target",
		"User mode: the current process ends. Kernel mode: the process that the EPROCESS "
		"address names;\n"
		"it ends when the target runs.",
		CMD_ANY | CMD_LIVE | CMD_TARGET | CMD_NOREPEAT, cmd_kill},
	{".childdbg", ".childdbg [0 | 1]", "Debug processes that the program starts",
		"As the command line's -o. A child of fork has its initial break where fork "
		"returns, what a\nchild executes has one when its libraries are mapped; a child of "
		"vfork has none of its own.\nsxi ibp and -g do without initial breaks.",
		CMD_USER, cmd_childdbg},
	{".tlist", ".tlist [Pattern]", "List the processes of this host", NULL, CMD_ANY, cmd_tlist},
	{".ttime", ".ttime", "Show how long the current thread ran", NULL, CMD_USER | CMD_TARGET,
		cmd_ttime},
	{".breakin", ".breakin", "Break into the kernel debugger", NULL, CMD_USER, cmd_breakin},
};

const cmd_family cmd_family_procs = {"Processes and threads", rows, ARRAY_LEN(rows)};
