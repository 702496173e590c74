/*
 * name: see name.h.
 */
#include "eval/name.h"

enum { NAME_REACH = 1024 }; /* how far a bracket or quote inside a name is looked for */

bool name_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool name_is_alpha(char c)
{
	return ((unsigned char)c | 32) >= 'a' && ((unsigned char)c | 32) <= 'z';
}

int name_hex(char c)
{
	if (name_is_digit(c))
		return c - '0';
	if (name_is_alpha(c) && (c | 32) <= 'f')
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
