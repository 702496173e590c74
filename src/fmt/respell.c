/*
 * respell: see respell.h. Outside of angle brackets nothing changes, and the operators < << > >>
 * are no brackets.
 */
#include "fmt/respell.h"

#include <string.h>

/* Is the bracket at i part of an operator's name? */
static bool of_operator(str s, size_t i)
{
	static const char word[] = "operator";
	size_t n = sizeof word - 1;
	while (i && strchr("<>-=", s.p[i - 1]))
		i--;
	return i >= n && !memcmp(s.p + i - n, word, n) && (i == n || !chr_word(s.p[i - n - 1]));
}

static char last_of(const buf *out, size_t start)
{
	return out->n > start ? buf_str(out).p[out->n - 1] : 0;
}

static char next_word(str s, size_t i)
{
	while (i < s.n && s.p[i] == ' ')
		i++;
	return i < s.n ? s.p[i] : 0;
}

void respell(str name, unsigned style, buf *out)
{
	size_t start = out->n, depth = 0;
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i], before = last_of(out, start);
		bool bracket = (c == '<' || c == '>') && !of_operator(name, i);
		if (bracket && c == '<') {
			depth++;
		} else if (bracket && depth) {
			depth--;
			if (before == '>' && !(style & RESPELL_TIGHT_CLOSE))
				buf_addc(out, ' ');
		} else if (depth && c == ' ') {
			/* a blank only parts words */
			char next = next_word(name, i);
			bool parts = chr_word(next) && (chr_word(before) || strchr("*&>)", before));
			if (!before || !parts || before == ' ')
				continue;
		} else if (depth && c == ',') {
			buf_addc(out, ',');
			if (!(style & RESPELL_TIGHT_COMMA))
				buf_addc(out, ' ');
			continue;
		} else if (depth && (c == '*' || c == '&') && (style & RESPELL_LOOSE_STAR) &&
			   (chr_word(before) || before == '>')) {
			buf_addc(out, ' ');
		}
		buf_addc(out, c);
	}
}

bool respell_next(str name, unsigned *style, buf *out)
{
	if (str_chr(name, '<') == SIZE_MAX)
		return false;
	while (*style < RESPELL_STYLES) {
		buf_clear(out);
		respell(name, (*style)++, out);
		if (!str_eq(buf_str(out), name))
			return true;
	}
	return false;
}
