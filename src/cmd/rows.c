/*
 * rows: which row of the families' tables a text means.
 */
#include "cmd/lang.h"

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

/* May the text behind the name, which has n characters, follow it? */
static bool may_follow(const cmd_row *r, str text, size_t n)
{
	char next = n < text.n ? text.p[n] : 0, last = r->name[n - 1];
	if (!next || !chr_word(next) || !chr_word(last) || (r->flags & CMD_SUFFIX))
		return true;
	/* "n10", "bc0": a number may touch a command of letters. */
	return next >= '0' && next <= '9' && chr_letter(r->name[0]);
}

/* Longest name that text starts with; among equals the exact spelling. */
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
	size_t skip = lex_extension(text);
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
