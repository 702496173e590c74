/*
 * script: control flow (.if .for .foreach .while .do .catch .block, j, z) and script files.
 *
 * These commands get the rest of the text, take what belongs to them (lang_took) and run bodies by
 * lang_block. Every loop asks lang_cancelled at each turn, so that an endless one can be stopped.
 */
#include "cmd/lang.h"

enum { SCRIPT_FILE_MAX = LANG_TEXT_MAX / 2, SCRIPT_ARGS_MAX = 64 };

/* ---- conditions and blocks ---- */

/* Text up to the block's `{`; parentheses and quotes are kept together, ${x} is no block. */
static bool take_condition(str t, size_t *pos, str *ret)
{
	size_t begin = lex_skip(t, *pos), q = begin;
	while (q < t.n) {
		char ch = t.p[q];
		if (ch == '"') {
			q = lex_quoted(t, q);
		} else if (ch == '(') {
			q = lex_match(t, q, '(', ')');
			if (q == SIZE_MAX)
				return false;
			q++;
		} else if (ch == '$' && q + 1 < t.n && t.p[q + 1] == '{') {
			q = lex_match(t, q + 1, '{', '}');
			if (q == SIZE_MAX)
				return false;
			q++;
		} else if (ch == '{' || ch == ';') {
			/* In a file run as one block a line end before { has become a semicolon. */
			size_t block = lex_skip_breaks(t, q);
			if (block >= t.n || t.p[block] != '{')
				return false;
			*ret = str_trim((str){t.p + begin, q - begin});
			*pos = block;
			return true;
		} else {
			q++;
		}
	}
	return false;
}

/* Waits first if a command before has set the target running: the condition is about its stop. */
static err test(cmd *c, str cond, bool *ret)
{
	uint64_t v;
	TRY(lang_settle(c));
	TRY(lang_eval(c, cond, &v));
	*ret = v != 0;
	return ERR_OK;
}

static bool word_at(str t, size_t pos, const char *word)
{
	str w = str_of(word), rest = str_skip(t, pos);
	if (!str_istarts(rest, w))
		return false;
	char next = w.n < rest.n ? rest.p[w.n] : ' ';
	return lex_blank(next) || next == '{' || next == '(' || next == ';';
}

typedef struct if_arm {
	str cond, body;
	bool is_else;
} if_arm;

/* One arm of an .if behind its keyword. */
static bool take_arm(str t, size_t *pos, bool is_else, if_arm *ret)
{
	if_arm arm = {.is_else = is_else};
	if (!is_else && (!take_condition(t, pos, &arm.cond) || !arm.cond.n))
		return false;
	if (!lex_block(t, pos, &arm.body))
		return false;
	*ret = arm;
	return true;
}

/* The next .elsif or .else; false if there is none. */
static bool next_arm(str t, size_t *pos, bool *is_else)
{
	size_t at = lex_skip_breaks(t, *pos);
	if (word_at(t, at, ".elsif")) {
		*is_else = false;
		*pos = at + 6;
		return true;
	}
	if (word_at(t, at, ".else")) {
		*is_else = true;
		*pos = at + 5;
		return true;
	}
	return false;
}

static err cmd_if(cmd *c, cmd_call *call)
{
	str t = lang_rest(c, call), body = {NULL, 0};
	size_t pos = 0;
	bool is_else = false, chosen = false;
	do {
		if_arm arm;
		size_t at = pos;
		if (!take_arm(t, &pos, is_else, &arm))
			return cmd_syntax(c, str_skip(t, at));
		if (!chosen) {
			if (is_else)
				chosen = true;
			else
				TRY(test(c, arm.cond, &chosen));
			body = arm.body;
		}
	} while (!is_else && next_arm(t, &pos, &is_else));
	err e = chosen ? lang_block(c, body) : ERR_OK;
	lang_took(c, pos);
	return e;
}

/* .elsif and .else are taken by .if; on their own they mean nothing. */
static err cmd_stray(cmd *c, cmd_call *call)
{
	return cmd_syntax(c, call->name);
}

/* ---- loops ---- */

typedef struct loop {
	str body, cond, step;
	bool test_first;
} loop;

/* What .break and .continue left behind: does the loop go on? */
static bool loop_goes_on(lang *l)
{
	if (l->unwind == UNWIND_CONTINUE)
		l->unwind = UNWIND_NONE;
	if (l->unwind == UNWIND_BREAK) {
		l->unwind = UNWIND_NONE;
		return false;
	}
	return l->unwind == UNWIND_NONE;
}

static err loop_turns(cmd *c, const loop *lp)
{
	bool go_on = true;
	for (bool first = true;; first = false) {
		TRY(lang_cancelled(c));
		if ((lp->test_first || !first) && lp->cond.n)
			TRY(test(c, lp->cond, &go_on));
		if (!go_on)
			return ERR_OK;
		TRY(lang_block(c, lp->body));
		if (!loop_goes_on(c->lang))
			return ERR_OK;
		if (lp->step.n)
			TRY(lang_block(c, lp->step));
		if (c->lang->unwind != UNWIND_NONE)
			return ERR_OK;
	}
}

static err run_loop(cmd *c, const loop *lp)
{
	c->lang->loops++;
	err e = loop_turns(c, lp);
	c->lang->loops--;
	return e;
}

static err cmd_while(cmd *c, cmd_call *call)
{
	loop lp = {.test_first = true};
	str t = lang_rest(c, call);
	size_t pos = 0;
	if (!take_condition(t, &pos, &lp.cond) || !lp.cond.n)
		return cmd_syntax(c, t);
	if (!lex_block(t, &pos, &lp.body))
		return cmd_syntax(c, str_skip(t, pos));
	err e = run_loop(c, &lp);
	lang_took(c, pos);
	return e;
}

static err cmd_do(cmd *c, cmd_call *call)
{
	loop lp = {0};
	str t = lang_rest(c, call);
	size_t pos = 0;
	if (!lex_block(t, &pos, &lp.body))
		return cmd_syntax(c, t);
	size_t begin = lex_skip_breaks(t, pos), end = lex_command_end(t, begin);
	lp.cond = str_trim((str){t.p + begin, end - begin});
	if (!lp.cond.n)
		return cmd_syntax(c, str_skip(t, pos));
	err e = run_loop(c, &lp);
	lang_took(c, end);
	return e;
}

static err cmd_for(cmd *c, cmd_call *call)
{
	str t = lang_rest(c, call);
	loop lp = {.test_first = true};
	size_t pos = lex_skip(t, 0), close;
	if (pos >= t.n || t.p[pos] != '(' || (close = lex_match(t, pos, '(', ')')) == SIZE_MAX)
		return cmd_syntax(c, t);
	str head = {t.p + pos + 1, close - pos - 1};
	size_t semi = lex_command_end(head, 0), semi2;
	if (semi >= head.n || (semi2 = lex_command_end(head, semi + 1)) >= head.n)
		return cmd_syntax(c, head);
	str init = str_take(head, semi);
	lp.cond = str_trim((str){head.p + semi + 1, semi2 - semi - 1});
	lp.step = str_trim(str_skip(head, semi2 + 1));
	if (str_eq(lp.cond, STR("{}")))
		lp.cond.n = 0;
	pos = close + 1;
	if (!lex_block(t, &pos, &lp.body))
		return cmd_syntax(c, str_skip(t, close + 1));
	TRY(lang_block(c, init));
	err e = run_loop(c, &lp);
	lang_took(c, pos);
	return e;
}

/* ---- .foreach ---- */

typedef struct foreach {
	uint64_t skip_first, skip_between;
	char from; /* 's', 'f' or 0: commands */
	str name, source, body;
	size_t used;
} foreach;

static err foreach_options(cmd *c, str t, size_t *pos, foreach *f)
{
	for (;;) {
		*pos = lex_skip(t, *pos);
		if (*pos + 1 >= t.n || t.p[*pos] != '/')
			return ERR_OK;
		size_t at = *pos;
		str o = lex_word(t, pos);
		if (str_eq(o, STR("/pS")) || str_eq(o, STR("/ps"))) {
			str rest = str_skip(t, *pos);
			uint64_t *to = o.p[2] == 'S' ? &f->skip_first : &f->skip_between;
			TRY(cmd_arg_expr(c, &rest, to));
			*pos = (size_t)(rest.p - t.p);
		} else if (str_ieq(o, STR("/s")) || str_ieq(o, STR("/f"))) {
			f->from = (char)(o.p[1] | 32);
		} else {
			return cmd_syntax(c, str_skip(t, at));
		}
	}
}

/* ( Name {commands} ) or ( Name "text" ) */
static err foreach_head(cmd *c, str t, size_t *pos, foreach *f)
{
	size_t p = lex_skip(t, *pos);
	if (p >= t.n || t.p[p] != '(')
		return cmd_syntax(c, str_skip(t, *pos));
	p = lex_skip(t, p + 1);
	size_t begin = p;
	while (p < t.n && !lex_blank(t.p[p]) && t.p[p] != '{' && t.p[p] != '"' && t.p[p] != ')')
		p++;
	f->name = (str){t.p + begin, p - begin};
	p = lex_skip(t, p);
	if (!f->name.n || p >= t.n)
		return cmd_syntax(c, str_skip(t, begin));
	if (f->from && t.p[p] == '"') {
		size_t end = lex_quoted(t, p);
		if (end == p + 1)
			return cmd_syntax(c, str_skip(t, p));
		f->source = (str){t.p + p + 1, end - p - 2};
		p = end;
	} else if (f->from || !lex_block(t, &p, &f->source)) {
		return cmd_syntax(c, str_skip(t, p));
	}
	p = lex_skip(t, p);
	if (p >= t.n || t.p[p] != ')')
		return cmd_syntax(c, str_skip(t, p));
	*pos = p + 1;
	return ERR_OK;
}

static err foreach_parse(cmd *c, str t, foreach *f)
{
	size_t pos = 0;
	TRY(foreach_options(c, t, &pos, f));
	TRY(foreach_head(c, t, &pos, f));
	if (!lex_block(t, &pos, &f->body))
		return cmd_syntax(c, str_skip(t, pos));
	f->used = pos;
	return ERR_OK;
}

static err foreach_token(cmd *c, const foreach *f, str token, bool *go_on)
{
	lang *l = c->lang;
	lang_var var = {f->name, token, l->vars};
	l->vars = &var;
	err e = lang_block(c, f->body);
	l->vars = var.up;
	*go_on = loop_goes_on(l);
	return e;
}

static err foreach_tokens(cmd *c, const foreach *f, str text)
{
	uint64_t skip = f->skip_first;
	bool go_on = true;
	str token;
	while (go_on && (token = str_word(&text)).n) {
		TRY(lang_cancelled(c));
		if (skip) {
			skip--;
			continue;
		}
		TRY(foreach_token(c, f, token, &go_on));
		skip = f->skip_between;
	}
	return ERR_OK;
}

static err foreach_source(cmd *c, const foreach *f, buf *b)
{
	if (f->from == 's') {
		buf_adds(b, f->source);
		return ERR_OK;
	}
	if (!f->from)
		return lang_capture(c, f->source, b);
	str text;
	TRY(sys_read_file(&c->a, str_z(&c->a, f->source), LANG_CAPTURE_MAX, &text, &c->d));
	buf_adds(b, text);
	return ERR_OK;
}

static err cmd_foreach(cmd *c, cmd_call *call)
{
	foreach
		f = {0};
	buf b;
	TRY(foreach_parse(c, lang_rest(c, call), &f));
	buf_init(&b, LANG_CAPTURE_MAX);
	err e = foreach_source(c, &f, &b);
	if (e == ERR_OK && c->lang->unwind == UNWIND_NONE) {
		c->lang->loops++;
		e = foreach_tokens(c, &f, buf_str(&b));
		c->lang->loops--;
	}
	buf_deinit(&b);
	lang_took(c, f.used);
	return e;
}

/* ---- jumps and plain blocks ---- */

static err jump(cmd *c, cmd_call *call, lang_unwind how, unsigned inside, const char *what)
{
	TRY(cmd_arg_end(c, call->args));
	if (!inside)
		return cmd_fail(
			c, ERR_STATE, "%s is only possible inside of %s", call->row->name, what);
	c->lang->unwind = how;
	return ERR_OK;
}

static err cmd_break(cmd *c, cmd_call *call)
{
	return jump(c, call, UNWIND_BREAK, c->lang->loops, "a loop");
}

static err cmd_continue(cmd *c, cmd_call *call)
{
	return jump(c, call, UNWIND_CONTINUE, c->lang->loops, "a loop");
}

static err cmd_leave(cmd *c, cmd_call *call)
{
	return jump(c, call, UNWIND_LEAVE, c->lang->catches, ".catch");
}

static err cmd_catch(cmd *c, cmd_call *call)
{
	lang *l = c->lang;
	str body, t = lang_rest(c, call);
	size_t pos = 0;
	if (!lex_block(t, &pos, &body))
		return cmd_syntax(c, t);
	l->catches++;
	err e = lang_block(c, body);
	l->catches--;
	if (l->unwind == UNWIND_LEAVE)
		l->unwind = UNWIND_NONE;
	lang_took(c, pos);
	/* The user's wish to stop and the loss of the target are not errors of the block. */
	return e == ERR_CANCELLED || e == ERR_DEAD ? e : ERR_OK;
}

static err cmd_block(cmd *c, cmd_call *call)
{
	str body, t = lang_rest(c, call);
	size_t pos = 0;
	if (!lex_block(t, &pos, &body))
		return cmd_syntax(c, t);
	err e = lang_block(c, body);
	lang_took(c, pos);
	return e;
}

/* ---- j and z ---- */

typedef struct j_parts {
	str cond, yes, no;
} j_parts;

/* 'commands' or a single command up to `;`. */
static str j_side(str t, size_t *pos)
{
	size_t begin = lex_skip(t, *pos), end;
	if (begin < t.n && t.p[begin] == '\'') {
		for (end = begin + 1; end < t.n && t.p[end] != '\'';)
			end++;
		*pos = end < t.n ? end + 1 : end;
		return (str){t.p + begin + 1, end - begin - 1};
	}
	end = lex_command_end(t, begin);
	*pos = end;
	return str_trim((str){t.p + begin, end - begin});
}

static bool j_parse(const masm_env *env, str t, j_parts *ret)
{
	size_t n = masm_extent(env, t), pos = n;
	if (!n)
		return false;
	ret->cond = str_take(t, n);
	ret->yes = j_side(t, &pos);
	pos = lex_skip(t, pos);
	ret->no = (str){t.p + t.n, 0};
	if (pos < t.n) {
		if (t.p[pos] != ';')
			return false;
		pos++;
		ret->no = j_side(t, &pos);
	}
	return true;
}

static err cmd_j(cmd *c, cmd_call *call)
{
	masm_env env;
	j_parts j;
	bool yes;
	lang_env(c, &env);
	if (!j_parse(&env, call->args, &j)) {
		/* Say what is wrong with the expression, if it is that. */
		str rest = call->args;
		uint64_t v;
		TRY(cmd_arg_expr(c, &rest, &v));
		return cmd_syntax(c, rest);
	}
	TRY(test(c, j.cond, &yes));
	return lang_block(c, yes ? j.yes : j.no);
}

static err cmd_z(cmd *c, cmd_call *call)
{
	uint64_t v;
	TRY(lang_eval(c, call->args, &v));
	if (v)
		c->lang->unwind = UNWIND_REPEAT;
	return ERR_OK;
}

/* ---- conditional breakpoints: recognised so that a hit can be decided without the interpreter
 * ---- */

static bool is_gc(str s)
{
	s = str_trim(s);
	while (s.n && (s.p[s.n - 1] == ';' || lex_blank(s.p[s.n - 1])))
		s.n--;
	return str_ieq(s, STR("gc"));
}

/* .if (cond) {yes} .else {no} and nothing else */
static bool if_else(str t, j_parts *ret)
{
	if_arm yes, no;
	size_t pos = 0;
	bool is_else;
	if (!take_arm(t, &pos, false, &yes) || !next_arm(t, &pos, &is_else) || !is_else ||
		!take_arm(t, &pos, true, &no) || lex_skip_breaks(t, pos) < t.n)
		return false;
	*ret = (j_parts){yes.cond, yes.body, no.body};
	return true;
}

bool script_condition(void *cu, str commands, arena *a, masm_code **cond, str *then)
{
	cmd *c = cu;
	masm_env env;
	j_parts j;
	str expanded, t = str_trim(commands);
	size_t used = 0;

	lang_env(c, &env);
	/* With aliases inside, the text means something else each time. */
	diag saved = c->d;
	bool plain = alias_expand(c, a, t, &expanded) == ERR_OK && str_eq(expanded, t) &&
		     str_find(t, STR("${")) == SIZE_MAX;
	c->d = saved;
	if (!plain || !t.n)
		return false;
	bool is_j = (t.p[0] | 32) == 'j' && t.n > 1 && (lex_blank(t.p[1]) || strchr("(@`", t.p[1]));
	if (is_j ? !j_parse(&env, str_skip(t, 1), &j)
		 : !word_at(t, 0, ".if") || !if_else(str_skip(t, 3), &j))
		return false;
	bool negate = is_gc(j.yes);
	if (negate == is_gc(j.no))
		return false;
	str text = negate ? str_printf(a, "not (%.*s)", STR_ARG(j.cond)) : str_dup(a, j.cond);
	if (masm_compile(&env, a, text, &used, cond, NULL) != ERR_OK ||
		str_trim(str_skip(text, used)).n)
		return false;
	*then = str_dup(a, str_trim(negate ? j.no : j.yes));
	return true;
}

/* ---- script files ---- */

static str decode(arena *a, str raw)
{
	const uint8_t *p = (const uint8_t *)raw.p;
	if (raw.n >= 2 && p[0] == 0xff && p[1] == 0xfe)
		return str_from_utf16(a, p + 2, (raw.n - 2) / 2);
	if (raw.n >= 3 && p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf)
		return str_skip(raw, 3);
	return raw;
}

/* ${$argN} becomes the N-th argument; without one it stays. */
static void add_args(buf *b, str text, const str *args, size_t n_args)
{
	while (text.n) {
		size_t at = str_find(text, STR("${$arg"));
		if (at == SIZE_MAX)
			break;
		buf_adds(b, str_take(text, at));
		text = str_skip(text, at);
		size_t close = str_chr(text, '}');
		uint64_t n = 0;
		if (close != SIZE_MAX && str_u64((str){text.p + 6, close - 6}, 10, &n) && n &&
			n <= n_args) {
			buf_adds(b, args[n - 1]);
			text = str_skip(text, close + 1);
		} else {
			buf_adds(b, str_take(text, 6));
			text = str_skip(text, 6);
		}
	}
	buf_adds(b, text);
}

static void echo_line(cmd *c, str line)
{
	buf b;
	buf_init(&b, 0);
	cmd_prompt(c, &b);
	buf_addz(&b, "> ");
	buf_adds(&b, line);
	buf_addc(&b, '\n');
	out_str(c->e, OUT_NORMAL, buf_str(&b));
	buf_deinit(&b);
}

static err run_lines(cmd *c, str text, bool echo)
{
	while (text.n && c->lang->unwind == UNWIND_NONE && !c->quit) {
		size_t end = lex_line_end(text, 0);
		str line = str_take(text, end);
		text = str_skip(text, end + 1);
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		if (!str_trim(line).n)
			continue;
		TRY(lang_cancelled(c));
		TRY(lang_settle(c));
		if (echo)
			echo_line(c, line);
		TRY(lang_block(c, line));
	}
	return ERR_OK;
}

static err run_as_block(cmd *c, buf *b, bool echo)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->p[i] == '\n' || b->p[i] == '\r')
			b->p[i] = ';';
	str text = buf_str(b);
	while (text.n && text.p[text.n - 1] == ';')
		text.n--;
	if (echo)
		echo_line(c, text);
	return lang_block(c, text);
}

err script_file(cmd *c, str path, bool block, bool echo, const str *args, size_t n_args)
{
	str raw;
	diag d;
	diag_clear(&d);
	if (!path.n)
		return cmd_syntax(c, path);
	err e = sys_read_file(&c->a, str_z(&c->a, path), SCRIPT_FILE_MAX, &raw, &d);
	if (e != ERR_OK)
		return cmd_fail(c, e, "Command file execution failed, %s",
			d.text[0] ? d.text : err_name(e));
	buf b;
	buf_init(&b, LANG_TEXT_MAX);
	add_args(&b, decode(&c->a, raw), args, n_args);
	if (b.toobig)
		e = cmd_fail(c, ERR_LIMIT, "The script is too long");
	else
		e = block ? run_as_block(c, &b, echo) : run_lines(c, buf_str(&b), echo);
	buf_deinit(&b);
	return e;
}

/* $< $>< $$< $$>< : the name is the whole argument, quotes around it are not part of it. */
static err cmd_script(cmd *c, cmd_call *call)
{
	str path = str_trim(call->args);
	if (path.n >= 2 && path.p[0] == '"' && path.p[path.n - 1] == '"')
		path = (str){path.p + 1, path.n - 2};
	bool block = str_chr(call->name, '>') != SIZE_MAX;
	return script_file(c, path, block, true, NULL, 0);
}

static err cmd_script_args(cmd *c, cmd_call *call)
{
	str args[SCRIPT_ARGS_MAX];
	size_t n = 0, pos = 0;
	str path = lex_word(call->args, &pos);
	for (;;) {
		size_t at = lex_skip(call->args, pos);
		if (at >= call->args.n)
			break;
		pos = at;
		str word = lex_word(call->args, &pos);
		if (n < SCRIPT_ARGS_MAX)
			args[n++] = word;
	}
	return script_file(c, path, true, false, args, n);
}

/* Comments are taken before rows are looked at; the rows are there for help. */
static err cmd_comment(cmd *c, cmd_call *call)
{
	return ERR_OK;
}

/* ---- rows ---- */

static const char help_if[] =
	"Runs the block of the first condition that is not zero. Braces are needed even around a "
	"single\n"
	"command; parentheses around a condition are optional.\n"
	"\n"
	"  .if (@rcx == 0) { .echo null } .elsif (@rcx < 10000) { .echo small } .else { db @rcx }\n"
	"\n"
	"In a breakpoint's command list of the form .if (Condition) { Commands } .else { gc } the "
	"condition\n"
	"is compiled when the breakpoint is set, so that hits that are passed over cost little.\n";
static const char help_for[] =
	"Like the for statement of C; several increment commands are separated by semicolons. An "
	"empty\n"
	"condition is true. .break and .continue work inside.\n"
	"\n"
	"  .for (r $t0 = 0; @$t0 < 5; r $t0 = @$t0 + 1) { .printf \"%d \", @$t0 }\n";
static const char help_foreach[] =
	"Splits text at blanks, tabs and line ends and runs the second block for each piece, with "
	"the\n"
	"variable standing for it. The text is the output of the commands in the first block (not "
	"shown),\n"
	"with /s a string, with /f the contents of a file.\n"
	"\n"
	"  /pS n  skips the first n pieces\n"
	"  /ps n  skips n pieces after each one that was used\n"
	"\n"
	"The variable is replaced where it stands between blanks; use ${Name} elsewhere.\n"
	"\n"
	"  .foreach (addr { s -[1]q 1000 L100 0 }) { dps addr L2 }\n";
static const char help_script[] =
	"Runs the commands in a file.\n"
	"\n"
	"           name may   commands may   whole file    arguments   shows the\n"
	"           hold ;     follow         as one block              commands\n"
	"  $<       yes        no             no            no          yes\n"
	"  $><      yes        no             yes           no          yes\n"
	"  $$<      no         yes            no            no          yes\n"
	"  $$><     no         yes            yes           no          yes\n"
	"  $$>a<    no         yes            yes           yes         no\n"
	"\n"
	"As one block means that each line end becomes a semicolon, so that a block in braces may "
	"be spread\n"
	"over several lines; write comments with $$ there, because * would end the file. $$>a< "
	"replaces\n"
	"${$arg1}, ${$arg2} ... in the text; arguments with blanks need double quotes.\n";

static const char help_j[] = "Runs the first command list if the expression is not zero, else the "
			     "second. A list of several\n"
			     "commands needs single quotes; either side may be empty. Nothing may "
			     "follow. As the command of a\n"
			     "breakpoint, with 'gc' on one side, the expression is compiled when "
			     "the breakpoint is set.\n"
			     "\n"
			     "  bp nt!NtCreateFile \"j (@r8 == 0) 'k; r'; 'gc'\"\n";

#define FLOW (CMD_ANY | CMD_REST | CMD_NOREPEAT)

static const cmd_row rows[] = {
	{".if",
		".if (Condition) { Commands } [.elsif (Condition) { Commands }]... [.else { "
		"Commands }]",
		"Run commands if a condition holds", help_if, FLOW, cmd_if},
	{".elsif", ".elsif (Condition) { Commands }", "A further condition of .if", help_if, FLOW,
		cmd_stray},
	{".else", ".else { Commands }", "What .if runs when no condition holds", help_if, FLOW,
		cmd_stray},
	{".for", ".for (Command; Condition; Command[; Command]...) { Commands }",
		"Repeat commands, with a start and an increment", help_for, FLOW, cmd_for},
	{".while", ".while (Condition) { Commands }", "Repeat commands while a condition holds",
		".break and .continue work inside. Ctrl+C ends an endless loop.\n", FLOW,
		cmd_while},
	{".do", ".do { Commands } (Condition)", "Run commands, and again while a condition holds",
		"The commands run at least once. The word while does not appear.\n", FLOW, cmd_do},
	{".foreach",
		".foreach [/pS n] [/ps n] ( Name { Commands } ) { Commands }\n"
		".foreach [/pS n] [/ps n] /s ( Name \"Text\" ) { Commands }\n"
		".foreach [/pS n] [/ps n] /f ( Name \"File\" ) { Commands }",
		"Run commands for each word of other commands' output", help_foreach, FLOW,
		cmd_foreach},
	{".break", ".break", "Leave the innermost loop", NULL, CMD_ANY | CMD_NOREPEAT, cmd_break},
	{".continue", ".continue", "Go on with the next turn of the innermost loop", NULL,
		CMD_ANY | CMD_NOREPEAT, cmd_continue},
	{".catch", ".catch { Commands }", "Keep an error inside the block from ending the program",
		"The error is shown, the rest of the block dropped, and what follows the block "
		"runs.\n",
		FLOW, cmd_catch},
	{".leave", ".leave", "Leave the innermost .catch block", NULL, CMD_ANY | CMD_NOREPEAT,
		cmd_leave},
	{".block", ".block { Commands }", "Run commands as a block of their own",
		"Aliases are replaced when a block is entered, so a block sees aliases that were "
		"set before\n"
		"it on the same line.\n",
		FLOW, cmd_block},
	{"j", "j Expression ['Commands'] ; ['Commands']", "Run one of two command lists", help_j,
		FLOW, cmd_j},
	{"z", "Commands ; [Processor] z(Expression)",
		"Repeat the commands before it while the value is not 0",
		"Everything to the left on the line is repeated; commands behind it run when the "
		"loop is done.\n",
		CMD_ANY | CMD_NOREPEAT | CMD_UNIT, cmd_z},
	{"$<", "$<Filename", "Run a script file", help_script, CMD_ANY | CMD_REST, cmd_script},
	{"$><", "$><Filename", "Run a script file as one block", help_script, CMD_ANY | CMD_REST,
		cmd_script},
	{"$$<", "$$<Filename", "Run a script file; commands may follow", help_script, CMD_ANY,
		cmd_script},
	{"$$><", "$$><Filename", "Run a script file as one block; commands may follow", help_script,
		CMD_ANY, cmd_script},
	{"$$>a<", "$$>a<Filename [Argument]...", "Run a script file with arguments", help_script,
		CMD_ANY, cmd_script_args},
	{"$$", "$$ Text", "Comment up to a semicolon or the end of the line", NULL,
		CMD_ANY | CMD_NOREPEAT, cmd_comment},
	{"*", "* Text", "Comment up to the end of the line", NULL, CMD_ANY | CMD_RAW | CMD_NOREPEAT,
		cmd_comment},
};

const cmd_family cmd_family_script = {"Control flow and script files", rows, ARRAY_LEN(rows)};
