/*
 * args: the arguments of commands: addresses, ranges, switches, words, strings. The documentation's
 * pages "Address and Address Range Syntax" and "Command Tokens".
 */
#include "cmd/lang.h"

enum { RANGE_MAX = 256 * 1024 * 1024 }; /* bytes of a range without L? */

/* The place in text that the words of c->d are about. */
static void set_fault(cmd *c, str text)
{
	size_t at = c->d.src_begin;
	c->lang->fault = text.p + (at < text.n ? at : text.n);
}

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
	while (i < rest->n && (chr_word(rest->p[i]) || rest->p[i] == '@'))
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
			while (i + n < r.n && n <= 3 && chr_word(r.p[i + n]))
				n++;
			bool ends = i + n >= r.n || lex_blank(r.p[i + n]);
			if (n > 1 && n <= 3 && ends && chr_letter(r.p[i + 1]))
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

static err range_error(cmd *c, str where)
{
	c->lang->fault = where.p;
	str all = str_trim(c->lang->current);
	return diag_set(
		&c->d, ERR_ARG, "Range error in '%.*s'", (int)(all.n < 400 ? all.n : 400), all.p);
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
	while (end < r.n && (chr_word(r.p[end]) || r.p[end] == '`'))
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
