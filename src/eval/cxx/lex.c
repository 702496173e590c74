/*
 * lex: characters to tokens, and literals to constants (decimal unless 0x or 0, no binary,
 * suffixes u l ll i64, a grave accent inside a 64-bit number). Refuses to know what a name means.
 */
#include "eval/cxx/tree.h"
#include "eval/name.h"

#include <stdlib.h>

static bool is_start(char c)
{
	return chr_letter(c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

static bool is_name(char c)
{
	return is_start(c) || chr_digit(c);
}

static str slice(str t, size_t begin, size_t end)
{
	return (str){t.p + begin, end - begin};
}

/* ---- names ---- */

/* From pos over words and scopes. Behind a module also ? @ and names in grave accents. */
static size_t scan_scopes(str t, size_t pos, bool qualified)
{
	for (;;) {
		char c = name_at(t, pos), next = name_at(t, pos + 1);
		if (c && (is_name(c) || (qualified && (c == '?' || c == '@')))) {
			pos++;
		} else if (c == ':' && next == ':' &&
			   (is_start(name_at(t, pos + 2)) ||
				   (qualified && name_at(t, pos + 2) == '`') ||
				   (name_at(t, pos + 2) == '~' && is_start(name_at(t, pos + 3))))) {
			pos += name_at(t, pos + 2) == '~' ? 3 : 2;
		} else if (qualified && c == '`') {
			size_t end = name_quoted_end(t, pos);
			if (end == pos)
				return pos;
			pos = end;
		} else {
			return pos;
		}
	}
}

/* A whole name at pos: words, scopes, one module. pos if there is none. */
static size_t scan_name(str t, size_t pos)
{
	size_t begin = pos;
	if (name_at(t, pos) == ':' && name_at(t, pos + 1) == ':' && is_start(name_at(t, pos + 2)))
		pos += 2;
	if (name_at(t, pos) == '$' && name_at(t, pos + 1) == '!' && is_start(name_at(t, pos + 2)))
		return scan_scopes(t, pos + 2, true);
	if (!is_start(name_at(t, pos)))
		return begin;
	size_t end = scan_scopes(t, pos, false);
	char next = name_at(t, end + 1);
	if (name_at(t, end) == '!' && next && (is_start(next) || next == '`' || next == '?'))
		return scan_scopes(t, end + 1, true);
	return end;
}

size_t tok_name_ends(str t, const token *tok, size_t *ends, size_t max)
{
	size_t n = 0, end = tok->end;
	bool qualified = str_chr(tok->text, '!') != SIZE_MAX;
	ends[n++] = end;
	while (!tok->quoted && n < max && name_at(t, end) == '<') {
		size_t close = name_template_end(t, end);
		if (close == end)
			break;
		end = scan_scopes(t, close, qualified);
		ends[n++] = end;
	}
	return n;
}

/* ---- tokens ---- */

/* Behind the quoted text at pos, at its end if it is never closed. */
static size_t scan_string(str t, size_t pos)
{
	char quote = name_at(t, pos++);
	while (pos < t.n && t.p[pos] != quote)
		pos += t.p[pos] == '\\' ? 2 : 1;
	return pos < t.n ? pos + 1 : t.n + 1;
}

size_t tok_close(str t, size_t pos)
{
	size_t depth = 0;
	while (pos < t.n) {
		char c = t.p[pos];
		if (c == '(') {
			depth++;
		} else if (c == ')' && !--depth) {
			return pos;
		} else if (c == '"') {
			pos = scan_string(t, pos);
			continue;
		} else if (c == '\'') {
			size_t end = scan_string(t, pos);
			if (end <= t.n && end - pos <= 6) {
				pos = end;
				continue;
			}
		}
		pos++;
	}
	return SIZE_MAX;
}

static token lex_switch(str t, size_t pos)
{
	token r = {.kind = T_SWITCH, .begin = pos, .masm = true};
	str rest = str_skip(t, pos + 2);
	size_t open = pos + 2;
	if (str_istarts(rest, STR("masm(")))
		open += 4;
	else if (str_istarts(rest, STR("c++("))) {
		open += 3;
		r.masm = false;
	}
	size_t close = name_at(t, open) == '(' ? tok_close(t, open) : SIZE_MAX;
	if (close == SIZE_MAX) {
		r.kind = T_BAD;
		r.end = pos + 2 < t.n ? pos + 2 : t.n;
		return r;
	}
	r.text = slice(t, open + 1, close);
	r.end = close + 1;
	return r;
}

static token lex_reg(str t, size_t pos)
{
	token r = {.kind = T_BAD, .begin = pos, .end = pos + 1};
	if (name_at(t, pos + 1) == '!' && name_at(t, pos + 2) == '"') {
		size_t end = scan_string(t, pos + 2);
		if (end > t.n)
			return r;
		r.kind = T_NAME;
		r.quoted = true;
		r.text = slice(t, pos + 3, end - 1);
		r.end = end;
		return r;
	}
	size_t end = pos + 1;
	while (end < t.n && is_name(t.p[end]))
		end++;
	r.text = slice(t, pos + 1, end);
	r.kind = r.text.n ? T_REG : T_BAD;
	r.end = end;
	return r;
}

/* pos behind digits of a number with everything that belongs to it. */
static size_t scan_number(str t, size_t pos)
{
	bool hex = name_at(t, pos) == '0' && (name_at(t, pos + 1) | 32) == 'x';
	size_t begin = pos;
	for (;; pos++) {
		char c = name_at(t, pos);
		bool sign = (c == '+' || c == '-') && !hex && pos > begin &&
			    (t.p[pos - 1] | 32) == 'e' && chr_digit(name_at(t, pos + 1));
		bool grave = c == '`' && name_hex(name_at(t, pos + 1)) < 16;
		if (!chr_digit(c) && !chr_letter(c) && c != '_' && c != '.' && !sign && !grave)
			return pos;
	}
}

token tok_at(str t, size_t pos)
{
	static const char *const ops[] = {"<<=", ">>=", "->*", "->", "++", "--", "<<", ">>",
		"<=", ">=", "==", "!=", "&&", "||",
		"+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", ".*", "::"};
	while (pos < t.n && strchr(" \t\r\n", t.p[pos]))
		pos++;
	if (name_at(t, pos) == '/' && name_at(t, pos + 1) == '/')
		pos = t.n;
	token r = {.kind = T_END, .begin = pos, .end = pos};
	if (pos >= t.n)
		return r;
	char c = t.p[pos], next = name_at(t, pos + 1);
	if (c == '@')
		return next == '@' ? lex_switch(t, pos) : lex_reg(t, pos);
	if (chr_digit(c) || (c == '.' && chr_digit(next))) {
		r.kind = T_NUMBER;
		r.end = scan_number(t, pos);
		r.text = slice(t, pos, r.end);
		return r;
	}
	bool prefix = (c == 'L' || c == 'u' || c == 'U') && (next == '\'' || next == '"');
	if (c == '\'' || c == '"' || prefix) {
		r.end = scan_string(t, pos + prefix);
		r.kind = name_at(t, pos + prefix) == '"' ? T_STRING : T_CHAR;
		if (r.end > t.n) {
			r.kind = T_BAD;
			r.end = t.n;
		}
		r.text = slice(t, pos, r.end);
		return r;
	}
	r.end = scan_name(t, pos);
	if (r.end > pos) {
		r.kind = T_NAME;
		r.text = slice(t, pos, r.end);
		return r;
	}
	if (c == '#' && is_start(next)) {
		r.kind = T_MACRO;
		r.end = scan_scopes(t, pos + 1, false);
		r.text = slice(t, pos + 1, r.end);
		return r;
	}
	r.kind = T_OP;
	r.end = pos + 1;
	r.op[0] = c;
	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		if (str_starts(str_skip(t, pos), str_of(ops[i]))) {
			r.end = pos + strlen(ops[i]);
			memcpy(r.op, ops[i], strlen(ops[i]) + 1);
			break;
		}
	if (!c || !strchr("+-*/%<>=!&|^~?:,.()[]", c))
		r.kind = T_BAD;
	return r;
}

void tok_next(parser *p)
{
	p->last = p->t.end;
	p->t = tok_at(p->text, p->t.end);
}

void tok_seek(parser *p, size_t pos)
{
	p->t = tok_at(p->text, pos);
}

bool tok_is(const parser *p, const char *op)
{
	return p->t.kind == T_OP && !strcmp(p->t.op, op);
}

bool tok_word(const parser *p, const char *word)
{
	return p->t.kind == T_NAME && !p->t.quoted && str_eq(p->t.text, str_of(word));
}

/* ---- literals ---- */

static err real_literal(parser *p, str s, node **ret)
{
	size_t begin = p->t.begin, end = p->t.end;
	char text[128], *stop;
	cxx_kind k = CXX_DOUBLE;
	if (s.n >= sizeof text)
		return cxx_p_syntax(p);
	memcpy(text, s.p, s.n);
	text[s.n] = 0;
	char last = (char)(text[s.n - 1] | 32);
	if (last == 'f' || last == 'l') {
		k = last == 'f' ? CXX_FLOAT : p->env->long_size == 8 ? CXX_LDOUBLE : CXX_DOUBLE;
		text[s.n - 1] = 0;
	}
	long double v = strtold(text, &stop);
	if (*stop || stop == text)
		return cxx_p_syntax(p);
	tok_next(p);
	TRY(cxx_build_const(p, cxx_type_basic(p->env, k), 0, begin, end, ret));
	(*ret)->n.f = k == CXX_FLOAT	? (long double)(float)v
		      : k == CXX_DOUBLE ? (long double)(double)v
					: v;
	return ERR_OK;
}

/* The letters behind the digits: u, l, ll, i64 in any order and case. False: something else. */
static bool suffix(str s, bool *u, unsigned *l)
{
	*u = false;
	*l = 0;
	while (s.n) {
		size_t n = 1;
		if (str_istarts(s, STR("i64")) || str_istarts(s, STR("ll"))) {
			if (*l)
				return false;
			*l = 2;
			n = (s.p[0] | 32) == 'i' ? 3 : 2;
		} else if ((s.p[0] | 32) == 'l' && !*l) {
			*l = 1;
		} else if ((s.p[0] | 32) == 'u' && !*u) {
			*u = true;
		} else {
			return false;
		}
		s = str_skip(s, n);
	}
	return true;
}

/* The first of C's kinds that holds v. */
static cxx_kind literal_kind(const cxx_env *env, uint64_t v, bool decimal, bool u, unsigned l)
{
	static const cxx_kind kinds[] = {
		CXX_INT, CXX_UINT, CXX_LONG, CXX_ULONG, CXX_INT64, CXX_UINT64};
	for (size_t i = l * 2; i < ARRAY_LEN(kinds); i++) {
		const cxx_type *t = cxx_type_basic(env, kinds[i]);
		bool is_signed = cxx_type_is_signed(t);
		unsigned bits = (unsigned)t->size * 8 - is_signed;
		if ((u && is_signed) || (decimal && !u && !is_signed && kinds[i] != CXX_UINT64))
			continue;
		if (bits >= 64 || !(v >> bits))
			return kinds[i];
	}
	return CXX_UINT64;
}

err tok_number(parser *p, node **ret)
{
	str s = p->t.text;
	size_t begin = p->t.begin, end = p->t.end, i = 0, digits = 0;
	bool hex = s.n > 1 && s.p[0] == '0' && (s.p[1] | 32) == 'x', grave = false, u;
	unsigned base = hex ? 16 : 10, l;
	uint64_t v = 0;
	if (!hex && (str_chr(s, '.') != SIZE_MAX || str_chr(s, 'e') != SIZE_MAX ||
			    str_chr(s, 'E') != SIZE_MAX))
		return real_literal(p, s, ret);
	if (hex)
		i = 2;
	else if (s.p[0] == '0' && s.n > 1 && (chr_digit(s.p[1]) || s.p[1] == '`'))
		base = 8;
	if (!hex && (s.p[s.n - 1] | 32) == 'f')
		return real_literal(p, s, ret);
	for (; i < s.n; i++) {
		if (s.p[i] == '`' && digits) {
			grave = true;
			continue;
		}
		unsigned digit = (unsigned)name_hex(s.p[i]);
		if (digit >= base)
			break;
		if (v > (UINT64_MAX - digit) / base)
			return cxx_fail(p->text, p->d, ERR_SYNTAX, begin, end, "Overflow error at");
		v = v * base + digit;
		digits++;
	}
	if (!digits || !suffix(str_skip(s, i), &u, &l))
		return cxx_p_syntax(p);
	cxx_kind k = literal_kind(p->env, v, base == 10, u, grave ? 2 : l);
	tok_next(p);
	return cxx_build_const(p, cxx_type_basic(p->env, k), v, begin, end, ret);
}

/* One character of a literal at *i; false if the escape is none. */
static bool escape(str s, size_t *i, uint32_t *ret)
{
	static const char from[] = "abfnrtv0'\"\\?", to[] = "\a\b\f\n\r\t\v\0'\"\\?";
	char c = s.p[(*i)++];
	if (c != '\\') {
		*ret = (unsigned char)c;
		return true;
	}
	if (*i >= s.n)
		return false;
	c = s.p[(*i)++];
	if (c == 'x') {
		size_t n = 0;
		uint32_t v = 0;
		while (*i < s.n && n < 8 && name_hex(s.p[*i]) < 16) {
			v = v << 4 | (uint32_t)name_hex(s.p[(*i)++]);
			n++;
		}
		*ret = v;
		return n > 0;
	}
	if (c >= '0' && c <= '7') {
		uint32_t v = (uint32_t)(c - '0');
		for (size_t n = 1; n < 3 && *i < s.n && s.p[*i] >= '0' && s.p[*i] <= '7'; n++)
			v = v << 3 | (uint32_t)(s.p[(*i)++] - '0');
		*ret = v;
		return true;
	}
	const char *known = memchr(from, c, sizeof from - 1);
	if (!known)
		return false;
	*ret = (unsigned char)to[known - from];
	return true;
}

/* L'a', u'a', U'a' */
static cxx_kind character_kind(char prefix)
{
	return prefix == 'u' ? CXX_CHAR16 : prefix == 'U' ? CXX_CHAR32 : CXX_WCHAR;
}

/* Code points of UTF-8 are not put together: a wide literal has its bytes' values above 0x7f. */
err tok_char(parser *p, node **ret)
{
	str s = p->t.text;
	size_t begin = p->t.begin, end = p->t.end, i = 1, n = 0;
	cxx_kind k = s.p[0] == '\'' ? CXX_CHAR : character_kind(s.p[0]);
	uint32_t v = 0, one;
	if (k != CXX_CHAR)
		i++;
	s = str_take(s, s.n - 1);
	for (; i < s.n; n++) {
		if (!escape(s, &i, &one))
			return cxx_p_syntax(p);
		v = k == CXX_CHAR ? v << 8 | (one & 0xff) : one;
	}
	if (!n || n > (k == CXX_CHAR ? 4u : 1u))
		return cxx_p_syntax(p);
	if (k == CXX_CHAR && n > 1)
		k = CXX_INT; /* 'ab' */
	const cxx_type *t = cxx_type_basic(p->env, k);
	tok_next(p);
	return cxx_build_const(p, t, cxx_num_wrap(t, v), begin, end, ret);
}

err tok_string(parser *p, node **ret)
{
	str s = p->t.text;
	size_t begin = p->t.begin, end = p->t.end, i = s.p[0] == '"' ? 1 : 2, n = 0;
	cxx_kind k = s.p[0] == '"' ? CXX_CHAR : character_kind(s.p[0]);
	uint32_t one;
	char *text = arena_alloc(p->a, s.n);
	s = str_take(s, s.n - 1);
	while (i < s.n) {
		if (!escape(s, &i, &one))
			return cxx_p_syntax(p);
		text[n++] = (char)one;
	}
	tok_next(p);
	TRY(cxx_build_node(p, N_STRING, cxx_type_array(p->a, cxx_type_basic(p->env, k), n + 1),
		NULL, NULL, begin, end, ret));
	(*ret)->text = (str){text, n};
	return ERR_OK;
}
