/*
 * extent: how far an expression reaches, without its names being known.
 */
#include "eval/cxx/tree.h"

/* "(struct _X *)": what is inside reads like a type, so an operand follows. */
static bool like_cast(str inside)
{
	inside = str_trim(inside);
	token t = tok_at(inside, 0);
	return (inside.n && strchr("*&", inside.p[inside.n - 1])) ||
	       (t.kind == T_NAME && cxx_type_word(t.text));
}

/* Behind the bracket that closes the one at pos; SIZE_MAX without. */
static size_t behind_close(str text, size_t pos, bool *cast)
{
	unsigned depth = 0;
	*cast = false;
	if (text.p[pos] == '(') {
		size_t close = tok_close(text, pos);
		if (close == SIZE_MAX)
			return SIZE_MAX;
		*cast = like_cast((str){text.p + pos + 1, close - pos - 1});
		return close + 1;
	}
	for (token t = tok_at(text, pos); t.kind != T_END && t.kind != T_BAD;
		t = tok_at(text, t.end)) {
		depth += t.kind == T_OP && t.op[0] == '[';
		if (t.kind == T_OP && t.op[0] == ']' && !--depth)
			return t.end;
	}
	return SIZE_MAX;
}

size_t cxx_extent(str text)
{
	size_t end = 0, pos = 0;
	unsigned questions = 0;
	bool operand = true, cast; /* is one wanted? */
	text = str_take(text, CXX_TEXT_MAX);
	for (;;) {
		token t = tok_at(text, pos);
		if (t.kind == T_END || t.kind == T_BAD)
			return end;
		pos = t.end;
		bool open = t.kind == T_OP && (t.op[0] == '(' || t.op[0] == '[') && !t.op[1];
		if (operand && t.kind == T_OP && t.op[0] != '(') {
			if (!strchr("+-!~*&", t.op[0]) ||
				(t.op[1] && strcmp(t.op, "++") && strcmp(t.op, "--")))
				return end;
			continue;
		}
		if (!operand && t.kind != T_OP)
			return end;
		if (open) {
			pos = behind_close(text, t.begin, &cast);
			if (pos == SIZE_MAX)
				return end;
			if (operand && cast)
				continue;
		} else if (!operand) {
			bool post = !strcmp(t.op, "++") || !strcmp(t.op, "--");
			if (t.op[0] == '?')
				questions++;
			else if (t.op[0] == ':' && (t.op[1] || !questions--))
				return end;
			else if (strchr(",)]~", t.op[0]) || !strcmp(t.op, "!"))
				return end;
			if (!post) {
				operand = true;
				continue;
			}
		} else {
			size_t ends[8], n = tok_name_ends(text, &t, ends, ARRAY_LEN(ends));
			if (t.kind == T_NAME && !t.quoted)
				pos = ends[n - 1];
			if (str_iends(t.text, STR("_cast")))
				continue; /* what follows is still the operand */
			if (str_eq(t.text, STR("sizeof"))) {
				token next = tok_at(text, pos);
				if (next.kind != T_OP || strcmp(next.op, "("))
					continue;
				pos = behind_close(text, next.begin, &cast);
				if (pos == SIZE_MAX)
					return end;
			}
		}
		operand = false;
		end = pos;
	}
}
