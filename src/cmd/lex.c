/*
 * lex: where commands, quotes, blocks and prefixes begin and end. Pure functions over text; refuses
 * to know what commands mean. Nothing here recurses, so nesting costs no stack.
 */
#include "cmd/lang.h"

bool lex_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

size_t lex_skip(str t, size_t pos)
{
	while (pos < t.n && lex_blank(t.p[pos]))
		pos++;
	return pos;
}

size_t lex_skip_breaks(str t, size_t pos)
{
	while (pos < t.n && (lex_blank(t.p[pos]) || t.p[pos] == ';'))
		pos++;
	return pos;
}

static size_t quote_close(str t, size_t pos, bool escapes)
{
	for (size_t q = pos + 1; q < t.n; q++) {
		if (t.p[q] == '\\' && escapes && q + 1 < t.n)
			q++;
		else if (t.p[q] == '"')
			return q + 1;
	}
	return SIZE_MAX;
}

/*
 * A backslash protects the quote behind it ("... \"x\" ..."), unless the string would then have no
 * end: "c:\dir\" is a path.
 */
size_t lex_quoted(str t, size_t pos)
{
	size_t end = quote_close(t, pos, true);
	if (end == SIZE_MAX)
		end = quote_close(t, pos, false);
	return end == SIZE_MAX ? pos + 1 : end;
}

size_t lex_command_end(str t, size_t pos)
{
	while (pos < t.n && t.p[pos] != ';' && t.p[pos] != '\n')
		pos = t.p[pos] == '"' ? lex_quoted(t, pos) : pos + 1;
	return pos;
}

size_t lex_line_end(str t, size_t pos)
{
	while (pos < t.n && t.p[pos] != '\n')
		pos++;
	return pos;
}

/* A comment at the start of a command: its end, or pos. */
static size_t comment_end(str t, size_t pos)
{
	if (t.p[pos] == '*')
		return lex_line_end(t, pos);
	bool dollars = t.p[pos] == '$' && pos + 1 < t.n && t.p[pos + 1] == '$';
	char next = pos + 2 < t.n ? t.p[pos + 2] : ' ';
	if (!dollars || next == '<' || next == '>')
		return pos;
	while (pos < t.n && t.p[pos] != ';' && t.p[pos] != '\n')
		pos++;
	return pos;
}

size_t lex_match(str t, size_t pos, char open, char close)
{
	size_t depth = 0;
	bool start = open == '{'; /* at the start of a command */
	while (pos < t.n) {
		char c = t.p[pos];
		if (start && depth && (c == '*' || c == '$')) {
			size_t end = comment_end(t, pos);
			start = false;
			if (end != pos) {
				pos = end;
				continue;
			}
		}
		if (c == '"') {
			pos = lex_quoted(t, pos);
			start = false;
			continue;
		}
		if (c == open)
			depth++;
		else if (c == close && !--depth)
			return pos;
		if (!lex_blank(c) || c == '\n')
			start = open == '{' && (c == ';' || c == '{' || c == '}' || c == '\n');
		pos++;
	}
	return SIZE_MAX;
}

bool lex_block(str t, size_t *pos, str *body)
{
	size_t open = lex_skip_breaks(t, *pos);
	if (open >= t.n || t.p[open] != '{')
		return false;
	size_t close = lex_match(t, open, '{', '}');
	if (close == SIZE_MAX)
		return false;
	*body = (str){t.p + open + 1, close - open - 1};
	*pos = close + 1;
	return true;
}

str lex_word(str t, size_t *pos)
{
	size_t begin = lex_skip(t, *pos), end = begin;
	if (begin < t.n && t.p[begin] == '"') {
		end = lex_quoted(t, begin);
		bool closed = end > begin + 1 && t.p[end - 1] == '"';
		if (!closed)
			end = t.n;
		*pos = end;
		return (str){t.p + begin + 1, end - begin - (closed ? 2 : 1)};
	}
	while (end < t.n && !lex_blank(t.p[end]))
		end++;
	*pos = end;
	return (str){t.p + begin, end - begin};
}

str lex_unescape(arena *a, str s)
{
	char *out = arena_alloc(a, s.n + 1);
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i], next = i + 1 < s.n ? s.p[i + 1] : 0;
		const char *hit = next ? strchr("ntr\"\\", next) : NULL;
		if (c == '\\' && hit) {
			c = "\n\t\r\"\\"[hit - "ntr\"\\"];
			i++;
		}
		out[n++] = c;
	}
	return (str){out, n};
}

bool lex_unit_prefix(str t, size_t *used, uint32_t *unit)
{
	size_t i = 0;
	uint32_t v = 0;
	while (i < t.n && t.p[i] >= '0' && t.p[i] <= '9') {
		v = v * 10 + (uint32_t)(t.p[i] - '0');
		if (++i > 4)
			return false;
	}
	if (!i || i >= t.n)
		return false;
	char c = t.p[i] | 32;
	if (!((c >= 'a' && c <= 'z') || t.p[i] == '.' || t.p[i] == '!' || t.p[i] == '?'))
		return false;
	*used = i;
	*unit = v;
	return true;
}

/* ~. ~# ~* ~N ~~[tid] ~[expr] in front of a command; "~2s" and its like are commands themselves. */
bool lex_thread_prefix(str t, size_t *used, str *thread)
{
	size_t i = 1;
	if (!t.n || t.p[0] != '~')
		return false;
	if (i < t.n && t.p[i] == '~')
		i++;
	if (i < t.n && t.p[i] == '[') {
		i = lex_match(t, i, '[', ']');
		if (i == SIZE_MAX)
			return false;
		i++;
	} else if (i == 1 && i < t.n && strchr(".#*", t.p[i])) {
		i++;
	} else {
		size_t digits = i;
		while (i < t.n && t.p[i] >= '0' && t.p[i] <= '9')
			i++;
		if (i == digits)
			return false;
	}
	size_t body = lex_skip(t, i);
	if (body >= t.n || t.p[body] == ';')
		return false;
	/* ~s ~e ~f ~u ~n ~m take the thread as their argument. */
	char c = t.p[body] | 32, next = body + 1 < t.n ? t.p[body + 1] : ' ';
	if (strchr("sefunm", c) && (lex_blank(next) || next == ';'))
		return false;
	*thread = (str){t.p + 1, i - 1};
	*used = body;
	return true;
}

size_t lex_extension(str text)
{
	size_t i = 1;
	while (i < text.n && chr_word(text.p[i]))
		i++;
	return i > 1 && i + 1 < text.n && text.p[i] == '.' && chr_word(text.p[i + 1]) ? i + 1 : 1;
}
