/*
 * name: see name.h.
 */
#include "eval/name.h"

enum { NAME_REACH = 1024 }; /* how far a bracket or quote inside a name is looked for */

int name_hex(char c)
{
	if (chr_digit(c))
		return c - '0';
	if (chr_letter(c) && (c | 32) <= 'f')
		return (c | 32) - 'a' + 10;
	return 99;
}

size_t name_quoted_end(str t, size_t pos)
{
	size_t depth = 0;
	for (size_t q = pos; name_at(t, q) && q - pos < NAME_REACH; q++) {
		if (t.p[q] == '`')
			depth++;
		else if (t.p[q] == '\'' && !--depth)
			return q + 1;
	}
	return pos;
}

size_t name_template_end(str t, size_t pos)
{
	size_t depth = 0;
	for (size_t q = pos; name_at(t, q) && q - pos < NAME_REACH; q++) {
		char c = t.p[q];
		if (c == '<')
			depth++;
		else if (c == '>' && !--depth)
			return q + 1;
		else if (c == ';' || c == '"' || c == '{' || c == '}')
			break;
	}
	return pos;
}
