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

#include <stdio.h>

enum { RANGE_MAX = 256 * 1024 * 1024 }; /* bytes of a range without L? (spec 6.1) */

/* ---- life ---- */

static err hook_run(void *cu, str commands, diag *d);

static void hook_show_stop(void *u)
{
	code_show_stop((cmd *)u);
}

cmd *cmd_create(engine *e)
{
	cmd *c = mem_alloc(sizeof *c);
	c->e = e;
	arena_init(&c->a);
	map_init(&c->state);
	c->lang = lang_create(c);
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

lang *lang_create(cmd *c)
{
	lang *l = mem_alloc(sizeof *l);
	map_init(&l->aliases);
	return l;
}

void lang_destroy(cmd *c)
{
	lang *l = c->lang;
	log_close(c);
	alias_destroy(l);
	mem_free(l->prompt_command);
	mem_free(l->command_line);
	mem_free(l);
	c->lang = NULL;
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

/* ---- rows ---- */

const cmd_row *cmd_row_find(str name)
{
	const cmd_row *folded = NULL;
	for (size_t f = 0; cmd_families[f]; f++) {
		for (size_t i = 0; i < cmd_families[f]->n; i++) {
			const cmd_row *r = &cmd_families[f]->rows[i];
			if (str_eq(name, str_of(r->name)))
				return r;
			if (!(r->flags & CMD_CASE) && str_ieq(name, str_of(r->name)))
				folded = r;
		}
	}
	return folded;
}

static bool is_letter(char c)
{
	return ((unsigned char)c | 32) >= 'a' && ((unsigned char)c | 32) <= 'z';
}

static bool is_word_char(char c)
{
	return is_letter(c) || (c >= '0' && c <= '9') || c == '_';
}

/* May the text behind the name, which has n characters, follow it? */
static bool may_follow(const cmd_row *r, str text, size_t n)
{
	char next = n < text.n ? text.p[n] : 0, last = r->name[n - 1];
	if (!next || !is_word_char(next) || !is_word_char(last) || (r->flags & CMD_SUFFIX))
		return true;
	/* "n10", "bc0": a number may touch a command of letters. */
	return next >= '0' && next <= '9' && is_letter(r->name[0]);
}

/* "!mod.name": where the name starts that a row could have, or 1. */
static size_t extension_name(str text)
{
	size_t i = 1;
	while (i < text.n && is_word_char(text.p[i]))
		i++;
	return i > 1 && i + 1 < text.n && text.p[i] == '.' && is_word_char(text.p[i + 1]) ? i + 1
											  : 1;
}

/* Longest name that text starts with; among equals the exact spelling. skip: bytes of text between
 * the first character of the name and the rest ("!mod." before "process"). */
static const cmd_row *match_rows(str text, size_t *used)
{
	const cmd_row *best = NULL;
	size_t best_n = 0;
	bool best_exact = false;
	for (size_t f = 0; cmd_families[f]; f++) {
		for (size_t i = 0; i < cmd_families[f]->n; i++) {
			const cmd_row *r = &cmd_families[f]->rows[i];
			str name = str_of(r->name);
			if (name.n < best_n || name.n > text.n)
				continue;
			bool exact = str_starts(text, name);
			if (!exact && ((r->flags & CMD_CASE) || !str_istarts(text, name)))
				continue;
			if (name.n == best_n && (best_exact || !exact))
				continue;
			if (!may_follow(r, text, name.n))
				continue;
			best = r;
			best_n = name.n;
			best_exact = exact;
		}
	}
	*used = best_n;
	return best;
}

const cmd_row *cmd_row_match(str text, size_t *used)
{
	const cmd_row *r = match_rows(text, used);
	if (r || text.n < 2 || text.p[0] != '!')
		return r;
	size_t skip = extension_name(text);
	if (skip == 1)
		return NULL;
	char name[128];
	size_t n = text.n - skip;
	if (n > sizeof name - 1)
		n = sizeof name - 1;
	name[0] = '!';
	memcpy(name + 1, text.p + skip, n);
	r = match_rows((str){name, n + 1}, used);
	if (r)
		*used += skip - 1;
	return r;
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

static err range_error(cmd *c, str where)
{
	c->lang->fault = where.p;
	str all = str_trim(c->lang->current);
	return diag_set(
		&c->d, ERR_ARG, "Range error in '%.*s'", (int)(all.n < 400 ? all.n : 400), all.p);
}

/* The place in text that the words of c->d are about. */
static void set_fault(cmd *c, str text)
{
	size_t at = c->d.src_begin;
	c->lang->fault = text.p + (at < text.n ? at : text.n);
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
	if (text.n > 1 && text.p[0] == '!' && is_word_char(text.p[1])) {
		size_t begin = extension_name(text), end = begin;
		while (end < text.n && is_word_char(text.p[end]))
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

/* ---- arguments ---- */

void lang_env(cmd *c, masm_env *ret)
{
	eng_masm_env(c->e, ret);
	ret->suffix = c->lang->suffix;
}

err lang_eval(cmd *c, str text, uint64_t *ret)
{
	masm_env env;
	lang_env(c, &env);
	err e = masm_eval(&env, text, NULL, ret, &c->d);
	if (e != ERR_OK)
		set_fault(c, text);
	return e;
}

static void skip_separator(str *rest)
{
	size_t pos = lex_skip(*rest, 0);
	if (pos < rest->n && rest->p[pos] == ',')
		pos = lex_skip(*rest, pos + 1);
	*rest = str_skip(*rest, pos);
}

static err eval_prefix(cmd *c, str *rest, uint64_t *ret)
{
	masm_env env;
	size_t used = 0;
	lang_env(c, &env);
	err e = masm_eval(&env, *rest, &used, ret, &c->d);
	if (e != ERR_OK) {
		set_fault(c, *rest);
		return e;
	}
	*rest = str_skip(*rest, used);
	return ERR_OK;
}

/*
 * fs: and gs: add the segment's base; the other segments are flat in long mode (AMD64 Architecture
 * Programmer's Manual vol. 2, 4.5.3), and so is a selector given by number.
 */
static err segment_base(cmd *c, str name, uint64_t *ret)
{
	*ret = 0;
	if (str_ieq(name, STR("fs")) || str_ieq(name, STR("@fs")))
		return eng_reg_get(c->e, STR("fsbase"), ret, &c->d);
	if (str_ieq(name, STR("gs")) || str_ieq(name, STR("@gs")))
		return eng_reg_get(c->e, STR("gsbase"), ret, &c->d);
	return ERR_OK;
}

/* The segment in front of an address, removed from rest. */
static err take_segment(cmd *c, str *rest, uint64_t *base)
{
	size_t i = 0;
	*base = 0;
	while (i < rest->n && (is_word_char(rest->p[i]) || rest->p[i] == '@'))
		i++;
	if (!i || i + 1 >= rest->n || rest->p[i] != ':' || rest->p[i + 1] == ':')
		return ERR_OK;
	TRY(segment_base(c, str_take(*rest, i), base));
	*rest = str_skip(*rest, i + 1);
	return ERR_OK;
}

/*
 * Where an option like " /t" follows: it would read as a division. Only a blank, the slash, one or
 * two letters or digits and a blank or the end are taken for one, and not inside parentheses or
 * quotes.
 */
static size_t option_behind(str r)
{
	for (size_t i = 0, depth = 0; i < r.n; i++) {
		char ch = r.p[i];
		if (ch == '"') {
			i = lex_quoted(r, i) - 1;
		} else if (ch == '(' || ch == '[') {
			depth++;
		} else if ((ch == ')' || ch == ']') && depth) {
			depth--;
		} else if (ch == '/' && i && lex_blank(r.p[i - 1]) && !depth) {
			size_t n = 1;
			while (i + n < r.n && n <= 3 && is_word_char(r.p[i + n]))
				n++;
			bool ends = i + n >= r.n || lex_blank(r.p[i + n]);
			if (n > 1 && n <= 3 && ends && is_letter(r.p[i + 1]))
				return i;
		}
	}
	return r.n;
}

err cmd_arg_expr(cmd *c, str *rest, uint64_t *ret)
{
	uint64_t base = 0, v;
	str r = str_skip(*rest, lex_skip(*rest, 0)), whole = r;
	if (r.n && r.p[0] == '%')
		r = str_skip(r, 1);
	else if (r.n && !c->e->cxx_default && (r.p[0] == '&' || r.p[0] == '#')) {
		c->lang->fault = r.p;
		return cmd_fail(
			c, ERR_UNSUPPORTED, "16-bit addresses ('%c') are not supported", r.p[0]);
	}
	TRY(take_segment(c, &r, &base));
	r = str_take(r, option_behind(r));
	TRY(eval_prefix(c, &r, &v));
	r = (str){r.p, (size_t)(whole.p + whole.n - r.p)};
	skip_separator(&r);
	*rest = r;
	*ret = v + base;
	return ERR_OK;
}

bool cmd_arg_word(str *rest, const char *word)
{
	str w = str_of(word);
	if (!str_istarts(*rest, w))
		return false;
	char next = w.n < rest->n ? rest->p[w.n] : ' ';
	if (!lex_blank(next) && next != ',')
		return false;
	*rest = str_skip(*rest, w.n);
	skip_separator(rest);
	return true;
}

bool cmd_arg_switch(str *rest, const char *marks, str *ret)
{
	str r = str_skip(*rest, lex_skip(*rest, 0));
	if (r.n < 2 || !strchr(marks, r.p[0]) || lex_blank(r.p[1]))
		return false;
	size_t end = 1;
	while (end < r.n && !lex_blank(r.p[end]) && r.p[end] != '"' &&
		!(r.p[0] == '/' && r.p[end] == '/')) /* /p/r: two */
		end++;
	*ret = (str){r.p + 1, end - 1};
	*rest = str_skip(r, lex_skip(r, end));
	return true;
}

err cmd_arg_quoted(cmd *c, str *rest, bool escapes, str *ret)
{
	str r = str_skip(*rest, lex_skip(*rest, 0));
	if (!r.n || r.p[0] != '"')
		return cmd_syntax(c, r);
	size_t end = lex_quoted(r, 0);
	bool closed = end > 1 && r.p[end - 1] == '"';
	if (!closed)
		end = r.n; /* WinDbg takes an open string to the end of the line */
	str inside = {r.p + 1, end - (closed ? 2 : 1)};
	*ret = escapes ? lex_unescape(&c->a, inside) : inside;
	*rest = str_skip(r, lex_skip(r, end));
	return ERR_OK;
}

/* Is this the L of a range, and not a name that starts with l? */
static bool is_length(str r)
{
	if (!r.n || (r.p[0] | 32) != 'l')
		return false;
	if (r.n == 1)
		return false;
	if (lex_blank(r.p[1]) || strchr("?-(@$+", r.p[1]))
		return true;
	size_t end = 1;
	while (end < r.n && (is_word_char(r.p[end]) || r.p[end] == '`'))
		end++;
	for (size_t i = 1; i < end; i++) {
		char d = r.p[i] | 32;
		bool prefix = i == 2 && r.p[1] == '0' && strchr("xnty", d);
		bool suffix = i == end - 1 && i > 1 && d == 'h';
		bool digit =
			(r.p[i] >= '0' && r.p[i] <= '9') || (d >= 'a' && d <= 'f') || r.p[i] == '`';
		if (!prefix && !suffix && !digit)
			return false;
	}
	return end > 1 && (end >= r.n || r.p[end] != '!');
}

static err range_length(cmd *c, str *rest, size_t size, cmd_range *ret)
{
	str at = *rest, r = str_skip(*rest, 1);
	bool unlimited = false, back = false;
	uint64_t n;
	if (r.n && r.p[0] == '?') {
		unlimited = true;
		r = str_skip(r, 1);
	} else if (r.n && r.p[0] == '-') {
		back = true;
		r = str_skip(r, 1);
	}
	TRY(cmd_arg_expr(c, &r, &n));
	if (n > UINT64_MAX / size || (!unlimited && n * size > RANGE_MAX))
		return range_error(c, at);
	ret->count = n;
	ret->bytes = n * size;
	if (back)
		ret->addr -= ret->bytes;
	*rest = r;
	return ERR_OK;
}

err cmd_arg_range(cmd *c, str *rest, size_t size, uint64_t def, uint64_t dflt_addr, cmd_range *ret)
{
	cmd_range v = {.addr = dflt_addr, .count = def, .bytes = def * size};
	str r = str_skip(*rest, lex_skip(*rest, 0));
	if (!size)
		size = 1;
	if (r.n && !is_length(r)) {
		v.given = true;
		TRY(cmd_arg_expr(c, &r, &v.addr));
	}
	if (is_length(r)) {
		v.has_count = v.given = true;
		TRY(range_length(c, &r, size, &v));
	} else if (r.n && v.given && r.p[0] != '"' && r.p[0] != ';' && r.p[0] != '/') {
		uint64_t end;
		str at = r;
		TRY(cmd_arg_expr(c, &r, &end));
		if (end < v.addr || end - v.addr >= RANGE_MAX)
			return range_error(c, at);
		v.has_count = true;
		v.bytes = end - v.addr + 1;
		v.count = (v.bytes + size - 1) / size;
	}
	*rest = r;
	*ret = v;
	return ERR_OK;
}

err cmd_arg_end(cmd *c, str rest)
{
	size_t pos = lex_skip(rest, 0);
	if (pos >= rest.n)
		return ERR_OK;
	c->lang->fault = rest.p + pos;
	str all = str_trim(c->lang->current);
	return diag_set(&c->d, ERR_SYNTAX, "Extra character error in '%.*s'",
		(int)(all.n < 400 ? all.n : 400), all.p);
}

err cmd_input(cmd *c, const char *prompt, str *ret)
{
	if (!c->e->hooks.input)
		return cmd_fail(c, ERR_STATE, "Nobody is there to answer '%s'", prompt);
	buf line;
	buf_init(&line, LANG_TEXT_MAX);
	err e = c->e->hooks.input(c->e->hooks.u, str_of(prompt), &line);
	if (e == ERR_OK)
		*ret = str_dup(&c->a, str_trim(buf_str(&line)));
	else if (e == ERR_STATE)
		e = cmd_fail(c, e, "Nobody is there to answer '%s'", prompt);
	buf_deinit(&line);
	return e;
}
