/*
 * The lexer of the command language on any text: every function stays inside the text, moves on,
 * and alias replacement and the search for conditions neither crash nor grow without bound.
 * Commands are not run: they would do to this machine what the text says.
 */
#include "cmd/lang.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void lexer(str t)
{
	for (size_t pos = 0; pos < t.n;) {
		size_t end = lex_command_end(t, pos);
		assert(end >= pos && end <= t.n);
		pos = end + 1;
	}
	for (size_t pos = 0; pos < t.n && pos < 64; pos++) {
		size_t q = lex_quoted(t, pos), b = pos, m;
		assert(q > pos && q <= t.n);
		m = lex_match(t, pos, '{', '}');
		assert(m == SIZE_MAX || m < t.n);
		m = lex_match(t, pos, '(', ')');
		assert(m == SIZE_MAX || m < t.n);
		str body;
		if (lex_block(t, &b, &body))
			assert(b > pos && b <= t.n && body.p >= t.p && body.p + body.n < t.p + t.n);
	}
	for (size_t pos = 0; lex_skip(t, pos) < t.n;) {
		size_t before = pos;
		str w = lex_word(t, &pos);
		assert(pos > before && pos <= t.n && w.p >= t.p && w.p + w.n <= t.p + t.n);
	}
	size_t used = 0;
	uint32_t unit;
	str thread;
	if (lex_unit_prefix(t, &used, &unit) || lex_thread_prefix(t, &used, &thread))
		assert(used && used < t.n);
	const cmd_row *r = cmd_row_match(t, &used);
	assert(!r || (used && used <= t.n));
}

static void interpreter(cmd *c, str t)
{
	arena a;
	str expanded, then = {0};
	masm_code *code = NULL;
	cmd_range range;

	arena_init(&a);
	/* The first line becomes an alias for the rest. */
	size_t nl = lex_line_end(t, 0);
	if (nl < t.n && nl) {
		(void)!alias_set(c, str_take(t, nl < 3 ? nl : 3), str_skip(t, nl + 1));
		const lang_var v = {str_take(t, nl), str_skip(t, nl + 1), NULL};
		c->lang->vars = &v;
		if (alias_expand(c, &a, t, &expanded) == ERR_OK)
			assert(expanded.n <= LANG_TEXT_MAX);
		c->lang->vars = NULL;
	}
	if (alias_is_fixed_set(t))
		(void)!alias_fixed_set(c, t);
	if (script_condition(c, t, &a, &code, &then))
		assert(code && then.p);
	c->lang->current = t;
	str rest = t, text;
	if (cmd_arg_range(c, &rest, 8, 16, 0, &range) == ERR_OK)
		assert(rest.p >= t.p && rest.p + rest.n == t.p + t.n);
	rest = t;
	if (cmd_arg_quoted(c, &rest, true, &text) == ERR_OK)
		assert(rest.p + rest.n == t.p + t.n);
	rest = t;
	while (cmd_arg_switch(&rest, "/-", &text))
		assert(rest.p + rest.n == t.p + t.n);
	(void)cmd_repeat_line(c, t);
	text = cmd_repeat_line(c, t);
	assert(!text.n || (text.p >= t.p && text.p + text.n <= t.p + t.n));
	arena_deinit(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Exact size on the heap, so that a read behind the end is seen. */
	char *copy = mem_alloc(size);
	memcpy(copy, data, size);
	str t = {copy, size};
	engine *e = eng_create();
	cmd *c = cmd_create(e);
	lexer(t);
	interpreter(c, t);
	cmd_destroy(c);
	eng_destroy(e);
	mem_free(copy);
	return 0;
}
