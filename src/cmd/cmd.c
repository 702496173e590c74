/*
 * cmd: the loop that runs command lines: prefix, row, checks, function, error words.
 *
 *   text -> alias_expand -> run_commands -> run_one -> row->fn
 *                 ^                                       |
 *                 +--- lang_block (bodies of blocks) <----+
 *
 * Refuses to know what commands do. Invariants: every nested run passes through `enter_text`, which
 * bounds the depth; words of an error are printed once, where the command failed (lang.said); a
 * command finds c->a empty and its own.
 */
#include "cmd/code.h"
#include "cmd/lang.h"

/* ---- life ---- */

static err hook_run(void *cu, str commands, diag *d);

static void hook_show_stop(void *u)
{
	code_show_stop((cmd *)u);
}

static lang *lang_create(void)
{
	lang *l = mem_alloc(sizeof *l);
	map_init(&l->aliases);
	return l;
}

static void lang_destroy(cmd *c)
{
	lang *l = c->lang;
	log_close(c);
	alias_destroy(l);
	mem_free(l->prompt_command);
	mem_free(l->command_line);
	mem_free(l);
	c->lang = NULL;
}

cmd *cmd_create(engine *e)
{
	cmd *c = mem_alloc(sizeof *c);
	c->e = e;
	arena_init(&c->a);
	map_init(&c->state);
	c->lang = lang_create();
	e->hooks.run = hook_run;
	e->hooks.condition = script_condition;
	e->hooks.show_stop = hook_show_stop;
	e->hooks.cu = c;
	return c;
}

void cmd_destroy(cmd *c)
{
	if (!c)
		return;
	c->e->hooks.run = NULL;
	c->e->hooks.condition = NULL;
	c->e->hooks.show_stop = NULL;
	lang_destroy(c);
	for (map_entry *m = NULL; (m = map_next(&c->state, m));)
		mem_free(m->val);
	map_deinit(&c->state);
	arena_deinit(&c->a);
	mem_free(c);
}

void *cmd_state(cmd *c, const char *name, size_t size)
{
	void *p = map_gets(&c->state, str_of(name));
	if (!p) {
		p = mem_alloc(size);
		map_sets(&c->state, str_of(name), p);
	}
	return p;
}

/* ---- error words ---- */

err cmd_fail(cmd *c, err code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	diag_vset(&c->d, code, fmt, ap);
	va_end(ap);
	return code;
}

err cmd_syntax(cmd *c, str where)
{
	c->lang->fault = where.p;
	str all = str_trim(c->lang->current);
	return diag_set(&c->d, ERR_SYNTAX, "Syntax error in '%.*s'",
		(int)(all.n < 400 ? all.n : 400), all.p);
}

/* The words once, with a caret under the fault when it lies in what the user typed. */
static void say_error(cmd *c, err e)
{
	lang *l = c->lang;
	/* The same words from an inner command have been printed there. */
	if (l->said && !strcmp(l->said_text, c->d.text))
		return;
	l->said = true;
	memcpy(l->said_text, c->d.text, sizeof l->said_text);
	if (e == ERR_CANCELLED && !c->d.text[0])
		return;
	const char *words = c->d.text[0] ? c->d.text : err_name(e);
	bool typed = l->typed.p && l->fault >= l->typed.p && l->fault <= l->typed.p + l->typed.n;
	if (typed)
		out_as(c->e, OUT_ERROR, "%*s^ %s\n",
			(int)(l->prompt_width + (size_t)(l->fault - l->typed.p)), "", words);
	else
		out_as(c->e, OUT_ERROR, "%s\n", words);
}

err lang_cancelled(cmd *c)
{
	if (!cancelled(&c->e->cancel))
		return ERR_OK;
	diag_clear(&c->d);
	c->lang->said = false;
	return ERR_CANCELLED;
}

/* ---- one command ---- */

static bool is_running(const engine *e)
{
	switch (e->status) {
	case ST_GO:
	case ST_GO_HANDLED:
	case ST_GO_NOT_HANDLED:
	case ST_STEP_OVER:
	case ST_STEP_INTO:
	case ST_STEP_BRANCH:
		return true;
	default:
		return false;
	}
}

err lang_settle(cmd *c)
{
	if (c->e->inside_wait || !is_running(c->e))
		return ERR_OK;
	diag_clear(&c->d);
	TRY(eng_wait(c->e, -1, &c->d));
	cmd_show_stop(c);
	return c->e->broke_in ? ERR_CANCELLED : ERR_OK;
}

void cmd_show_stop(cmd *c)
{
	eng_show_stop(c->e);
	(void)!cmd_on_stop(c);
}

static err check_row(cmd *c, const cmd_call *call)
{
	engine *e = c->e;
	const cmd_row *r = call->row;
	const char *name = r->name;
	bool kernel = e->mode == ENG_KERNEL || e->mode == ENG_LOCAL_KERNEL;

	if (r->flags & CMD_LATER || !r->fn)
		return cmd_fail(c, ERR_UNSUPPORTED,
			"%s (%s) is known but not available in this version", name, r->summary);
	if (kernel && !(r->flags & CMD_KERNEL))
		return cmd_fail(c, ERR_UNSUPPORTED, "%s is not available in kernel mode", name);
	if (e->mode == ENG_USER && !(r->flags & CMD_USER))
		return cmd_fail(c, ERR_UNSUPPORTED, "%s is not available in user mode", name);
	if ((r->flags & CMD_LIVE) && (!e->t || e->mode == ENG_IMAGE || e->mode == ENG_LOCAL_KERNEL))
		return cmd_fail(c, ERR_STATE, "%s needs a live target", name);
	if ((r->flags & CMD_RUN) && e->no_exec_cmds)
		return cmd_fail(
			c, ERR_STATE, "Execution commands are not allowed (.allow_exec_cmds)");
	if (call->has_unit && !(r->flags & CMD_UNIT))
		return cmd_syntax(c, c->lang->current);
	if (call->has_unit && !e->caps.threads && call->unit >= e->n_units)
		return cmd_fail(c, ERR_ARG, "%u is not a valid processor number", call->unit);
	return r->flags & CMD_TARGET ? eng_accessible(e, &c->d) : ERR_OK;
}

/* A processor prefix looks through that processor for the length of the command. */
static err call_row(cmd *c, cmd_call *call)
{
	TRY(check_row(c, call));
	if (call->thread.p)
		return procs_each(c, call);
	if (!call->has_unit)
		return call->row->fn(c, call);
	eng_ctx saved = eng_ctx_save(c->e);
	err e = eng_ctx_unit(c->e, call->unit, &c->d);
	if (e == ERR_OK)
		e = call->row->fn(c, call);
	eng_ctx_restore(c->e, &saved);
	return e;
}

static err unknown_command(cmd *c, str text)
{
	if (text.n > 1 && text.p[0] == '!' && chr_word(text.p[1])) {
		size_t begin = lex_extension(text), end = begin;
		while (end < text.n && chr_word(text.p[end]))
			end++;
		c->lang->fault = NULL;
		return cmd_fail(c, ERR_NOTFOUND, "No export %.*s found", (int)(end - begin),
			text.p + begin);
	}
	return cmd_syntax(c, text);
}

/* ||[expression]: a processor by value; *used is 0 if the text does not start like that. */
static err unit_by_value(cmd *c, str t, size_t *used, cmd_call *call)
{
	uint64_t v;
	*used = 0;
	size_t close = str_starts(t, STR("||[")) ? lex_match(t, 2, '[', ']') : SIZE_MAX;
	if (close == SIZE_MAX || lex_skip(t, close + 1) >= t.n ||
		t.p[lex_skip(t, close + 1)] == ';')
		return ERR_OK;
	TRY(lang_eval(c, (str){t.p + 3, close - 3}, &v));
	call->unit = v > UINT32_MAX ? UINT32_MAX : (unit_t)v;
	call->has_unit = true;
	*used = lex_skip(t, close + 1);
	return ERR_OK;
}

/* Prefixes and row of the command at pos; *args_at is where its arguments start. */
static err parse_call(cmd *c, str t, size_t pos, cmd_call *call, size_t *args_at)
{
	bool user = c->e->mode == ENG_USER;
	size_t used = 0;
	str rest = str_skip(t, pos);
	if (user)
		lex_thread_prefix(rest, &used, &call->thread);
	else if (!(call->has_unit = lex_unit_prefix(rest, &used, &call->unit)))
		TRY(unit_by_value(c, rest, &used, call));
	pos += used;
	rest = str_skip(t, pos);
	call->row = cmd_row_match(rest, &used);
	if (!call->row) {
		size_t end = lex_command_end(t, pos);
		c->lang->current = (str){t.p + pos, end - pos};
		return unknown_command(c, c->lang->current);
	}
	call->name = str_take(rest, used);
	pos += used;
	call->glued = pos < t.n && !lex_blank(t.p[pos]) && t.p[pos] != ';';
	*args_at = lex_skip(str_take(t, lex_line_end(t, pos)), pos);
	return ERR_OK;
}

/* Comments, and what looks like a command but is handled before rows are looked at. */
static bool run_special(cmd *c, str t, size_t pos, size_t *next, err *ret)
{
	lang *l = c->lang;
	str rest = str_skip(t, pos);
	*ret = ERR_OK;
	if (rest.p[0] == '*') {
		*next = lex_line_end(t, pos);
		return true;
	}
	if (str_starts(rest, STR("$$")) &&
		!(rest.n > 2 && (rest.p[2] == '<' || rest.p[2] == '>'))) {
		while (pos < t.n && t.p[pos] != ';' && t.p[pos] != '\n')
			pos++;
		*next = pos;
		return true;
	}
	*next = lex_command_end(t, pos);
	l->current = (str){t.p + pos, *next - pos};
	if (rest.p[0] == '{' || rest.p[0] == '}') {
		*ret = cmd_syntax(c, rest);
		return true;
	}
	if (alias_is_fixed_set(l->current)) {
		/* The text of a fixed-name alias may hold semicolons: it is the rest of the line.
		 */
		*next = lex_line_end(t, pos);
		l->current = (str){t.p + pos, *next - pos};
		*ret = alias_fixed_set(c, l->current);
		return true;
	}
	return false;
}

static err run_row(cmd *c, str t, size_t pos, size_t *next)
{
	lang *l = c->lang;
	cmd_call call = {0};
	size_t args_at = pos;
	TRY(parse_call(c, t, pos, &call, &args_at));
	bool rest = call.row->flags & (CMD_REST | CMD_RAW);
	size_t end = rest ? lex_line_end(t, args_at) : lex_command_end(t, args_at);
	call.args = (str){t.p + args_at, end - args_at};
	if (!rest) {
		while (call.args.n && lex_blank(call.args.p[call.args.n - 1]))
			call.args.n--;
		l->current = (str){t.p + pos, end - pos};
	}
	l->text_end = t.p + t.n;
	l->took = false;
	err e = call_row(c, &call);
	*next = l->took ? args_at + l->taken : end;
	l->took = false;
	return e;
}

static err run_one(cmd *c, str t, size_t pos, size_t *next)
{
	lang *l = c->lang;
	err e = lang_settle(c);
	/* A command list inside a wait may have quit. */
	if (e == ERR_OK && c->quit) {
		*next = t.n;
		return ERR_OK;
	}
	diag_clear(&c->d);
	l->fault = NULL;
	l->said = false;
	if (e != ERR_OK) {
		say_error(c, e);
		return e;
	}
	arena outer = c->a;
	arena_init(&c->a);
	if (!run_special(c, t, pos, next, &e))
		e = run_row(c, t, pos, next);
	if (e != ERR_OK)
		say_error(c, e);
	arena_deinit(&c->a);
	c->a = outer;
	return e;
}

/* ---- texts ---- */

void lang_took(cmd *c, size_t n)
{
	c->lang->took = true;
	c->lang->taken = n;
}

str lang_rest(cmd *c, const cmd_call *call)
{
	return str_range(call->args.p, c->lang->text_end);
}

static err run_commands(cmd *c, str t)
{
	lang *l = c->lang;
	size_t pos = 0;
	for (;;) {
		pos = lex_skip_breaks(t, pos);
		if (pos >= t.n || c->quit)
			return ERR_OK;
		TRY(lang_cancelled(c));
		size_t next = t.n;
		TRY(run_one(c, t, pos, &next));
		if (c->quit || (c->e->inside_wait && c->e->verdict_given))
			l->unwind = UNWIND_END;
		if (l->unwind == UNWIND_REPEAT) {
			l->unwind = UNWIND_NONE;
			next = 0;
		}
		if (l->unwind != UNWIND_NONE)
			return ERR_OK;
		pos = next;
	}
}

static err enter_text(cmd *c)
{
	if (c->lang->depth >= LANG_DEPTH_MAX) {
		c->lang->said = false;
		c->lang->fault = NULL;
		err e = cmd_fail(
			c, ERR_LIMIT, "Commands are nested too deeply (%d levels)", LANG_DEPTH_MAX);
		say_error(c, e);
		return e;
	}
	c->lang->depth++;
	return ERR_OK;
}

err lang_block(cmd *c, str text)
{
	arena a;
	str expanded;
	TRY(enter_text(c));
	arena_init(&a);
	c->lang->said = false;
	err e = alias_expand(c, &a, text, &expanded);
	if (e != ERR_OK)
		say_error(c, e);
	else
		e = run_commands(c, expanded);
	arena_deinit(&a);
	c->lang->depth--;
	c->lang->took = false;
	return e;
}

err lang_capture(cmd *c, str text, buf *b)
{
	out_capture(c->e, b);
	err e = lang_block(c, text);
	out_release(c->e);
	if (e != ERR_OK) {
		/* The words of the error went into b: the caller's failure prints them for the
		 * user. */
		c->lang->said = false;
		c->lang->fault = NULL;
	}
	if (e == ERR_OK && b->toobig)
		return cmd_fail(c, ERR_LIMIT,
			"The output of the commands is too long (at most %zu bytes)", b->max);
	return e;
}

/* A breakpoint's or filter's command list: the state of the line outside is put aside. */
static err hook_run(void *cu, str commands, diag *d)
{
	cmd *c = cu;
	lang *l = c->lang, saved = *l;
	diag words = c->d;

	l->typed = (str){NULL, 0};
	l->vars = NULL;
	l->loops = l->catches = 0;
	l->unwind = UNWIND_NONE;
	l->lists++;
	err e = lang_block(c, commands);
	l->lists--;
	if (d)
		*d = c->d;
	l->typed = saved.typed;
	l->vars = saved.vars;
	l->loops = saved.loops;
	l->catches = saved.catches;
	l->unwind = saved.unwind;
	l->took = saved.took;
	l->taken = saved.taken;
	l->current = saved.current;
	l->text_end = saved.text_end;
	l->fault = saved.fault;
	l->said = saved.said;
	memcpy(l->said_text, saved.said_text, sizeof l->said_text);
	c->d = words;
	return e;
}

/* Some commands want the text of their line as it was typed. */
static bool is_raw_line(str line)
{
	size_t used;
	size_t pos = lex_skip_breaks(line, 0);
	const cmd_row *r = pos < line.n ? cmd_row_match(str_skip(line, pos), &used) : NULL;
	return r && (r->flags & CMD_RAW);
}

/* A line from the outside; carets point into it if no alias changed it. */
static err run_typed(cmd *c, str line)
{
	lang *l = c->lang;
	arena a;
	str text = line;
	err e = ERR_OK;

	arena_init(&a);
	l->said = false;
	if (is_raw_line(line))
		text = str_dup(&a, line);
	else
		e = alias_expand(c, &a, line, &text);
	if (e != ERR_OK) {
		say_error(c, e);
	} else {
		if (str_eq(text, line))
			l->typed = text;
		e = run_commands(c, text);
	}
	l->typed = (str){NULL, 0};
	arena_deinit(&a);
	return e;
}

err cmd_execute(cmd *c, str line)
{
	lang *l = c->lang;
	if (l->depth)
		return lang_block(c, line);
	buf prompt;
	buf_init(&prompt, 0);
	cmd_prompt(c, &prompt);
	buf_addz(&prompt, "> ");
	l->prompt_width = prompt.n;
	log_input(c, buf_str(&prompt), line);
	buf_deinit(&prompt);
	if (!c->e->inside_wait)
		atomic_store(&c->e->cancel.flag, false);
	TRY(enter_text(c));
	l->unwind = UNWIND_NONE;
	l->loops = l->catches = 0;
	err e = run_typed(c, line);
	l->unwind = UNWIND_NONE;
	l->depth--;
	return e;
}

/* ---- repeating ---- */

static const cmd_row *first_row(cmd *c, str line, str *name)
{
	size_t pos = lex_skip_breaks(line, 0), used = 0;
	uint32_t unit;
	str rest = str_skip(line, pos);
	if (!rest.n || rest.p[0] == '*' ||
		(str_starts(rest, STR("$$")) && !(rest.n > 2 && strchr("<>", rest.p[2]))))
		return NULL;
	if (lex_unit_prefix(rest, &used, &unit))
		rest = str_skip(rest, used);
	const cmd_row *r = cmd_row_match(rest, &used);
	*name = (str){line.p, (size_t)(rest.p - line.p) + used};
	return r;
}

str cmd_repeat_line(cmd *c, str line)
{
	static const char *const going_on[] = {"d", "da", "db", "dc", "dd", "dD", "df", "dp", "dq",
		"du", "dw", "dW", "dyb", "dyd", "dds", "dps", "dqs", "u", "up", "ur", "!db", "!dc",
		"!dd", "!dp", "!dq", "!du", "!dw"};
	str name;
	const cmd_row *r = first_row(c, line, &name);
	if (!r || (r->flags & CMD_NOREPEAT))
		return STR("");
	size_t end = lex_command_end(line, name.n);
	if (lex_skip_breaks(line, end) < line.n)
		return line;
	for (size_t i = 0; i < ARRAY_LEN(going_on); i++)
		if (!strcmp(r->name, going_on[i]))
			return name;
	return line;
}

/* ---- prompt ---- */

void cmd_prompt(cmd *c, buf *b)
{
	engine *e = c->e;
	switch (e->mode) {
	case ENG_KERNEL:
		if (e->n_units > 1 && e->echo_cpu)
			buf_addf(b, "%u: kd", e->ctx.unit);
		else
			buf_addz(b, "kd");
		break;
	case ENG_LOCAL_KERNEL:
		buf_addz(b, "lkd");
		break;
	case ENG_USER: {
		const eng_thr *t = eng_thr_find(e, e->ctx.unit);
		const eng_proc *p = t ? t->proc : eng_proc_find(e, e->ctx.process);
		buf_addf(b, "%u:%03u", p ? p->id : 0, t ? t->id : 0);
		break;
	}
	case ENG_IMAGE:
		buf_addf(b, "0:%03u", e->ctx.unit);
		break;
	default:
		buf_addz(b, "NoTarget");
		break;
	}
}

err cmd_on_stop(cmd *c)
{
	const char *text = c->lang->prompt_command;
	return text ? hook_run(c, str_of(text), NULL) : ERR_OK;
}

void cmd_set_command_line(cmd *c, str text)
{
	char *copy = mem_alloc(text.n + 1);
	memcpy(copy, text.p, text.n);
	mem_free(c->lang->command_line);
	c->lang->command_line = copy;
}

err cmd_run_file(cmd *c, const char *path, bool optional)
{
	if (optional && !sys_is_file(path))
		return ERR_OK;
	TRY(enter_text(c));
	arena outer = c->a;
	arena_init(&c->a);
	c->lang->said = false;
	err e = script_file(c, str_of(path), false, true, NULL, 0);
	if (e != ERR_OK)
		say_error(c, e);
	arena_deinit(&c->a);
	c->a = outer;
	c->lang->depth--;
	return e;
}
