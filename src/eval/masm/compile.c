/*
 * compile: MASM expression text to a program for run.c.
 *
 * Grammar, loosest first: or | xor | and | comparisons | shifts | + - | * / mod ; unary ; operand.
 * The parser stops where an operand is followed by no operator, so a command line's next argument
 * ends the expression without being looked at. Constants and symbols are folded as they come.
 *
 * Invariants: every recursion passes through `enter`, which counts; `sp` is the height of the stack
 * at the place of the program that is being written.
 */
#include "eval/masm/code.h"

#include "eval/cxx.h"
#include "eval/name.h"

typedef struct parser {
	const masm_env *env;
	arena *a;
	str text;
	size_t pos;
	diag *d;
	VEC(masm_op) ops;
	unsigned sp, depth;
	bool probe; /* take unknown symbols for 0: only the extent matters */
} parser;

static err parse_binary(parser *p, unsigned level);

/* ---- characters ---- */

static bool is_name_start(char c)
{
	return chr_letter(c) || c == '_' || c == '?' || c == '$';
}

static bool is_name(char c)
{
	return is_name_start(c) || chr_digit(c) || c == '@' || (unsigned char)c >= 0x80;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static char at(const parser *p, size_t pos)
{
	return name_at(p->text, pos);
}

static void skip_blanks(parser *p)
{
	while (is_blank(at(p, p->pos)))
		p->pos++;
}

static str slice(const parser *p, size_t begin, size_t end)
{
	return (str){p->text.p + begin, end - begin};
}

/* ---- errors and output ---- */

static err fail(parser *p, err e, const char *what, size_t begin, size_t end)
{
	return masm_fail(p->text, p->d, e, what, begin, end);
}

static err missing(parser *p)
{
	return fail(p, ERR_SYNTAX, "Numeric expression missing from", p->pos, p->pos + 1);
}

static err syntax(parser *p, size_t begin, size_t end)
{
	return fail(p, ERR_SYNTAX, "Syntax error at", begin, end);
}

static err enter(parser *p)
{
	if (++p->depth > MASM_DEPTH_MAX)
		return fail(p, ERR_LIMIT, "Expression nested too deeply at", p->pos, p->pos + 1);
	return ERR_OK;
}

static err emit(parser *p, masm_op op, int effect)
{
	if (p->ops.n >= MASM_OPS_MAX || (int)p->sp + effect > MASM_STACK_MAX)
		return fail(p, ERR_LIMIT, "Expression too long at", op.begin, op.end);
	p->sp = (unsigned)((int)p->sp + effect);
	vec_push(&p->ops, op);
	return ERR_OK;
}

static err emit_const(parser *p, uint64_t v, size_t begin, size_t end)
{
	return emit(p,
		(masm_op){
			.op = OP_CONST, .value = v, .begin = (uint32_t)begin, .end = (uint32_t)end},
		1);
}

/* Unary operation on the top value. */
static err emit_unary(parser *p, masm_opcode op, unsigned n, size_t begin)
{
	masm_op *top = &p->ops.p[p->ops.n - 1];
	if (top->op == OP_CONST && op >= OP_NEG && op <= OP_LOW) {
		top->value = masm_apply_unary(op, top->value);
		return ERR_OK;
	}
	return emit(p,
		(masm_op){.op = (uint8_t)op,
			.n = (uint8_t)n,
			.begin = (uint32_t)begin,
			.end = (uint32_t)p->pos},
		0);
}

static err emit_binary(parser *p, masm_opcode op, size_t begin)
{
	masm_op *right = &p->ops.p[p->ops.n - 1], *left = right - 1;
	if (p->ops.n >= 2 && right->op == OP_CONST && left->op == OP_CONST &&
		masm_apply(op, left->value, right->value, &left->value)) {
		p->ops.n--;
		p->sp--;
		return ERR_OK;
	}
	return emit(p,
		(masm_op){.op = (uint8_t)op, .begin = (uint32_t)begin, .end = (uint32_t)p->pos},
		-1);
}

/* ---- names ---- */

/* From pos over a name; "main.table" is one in Go. `qualified`: behind module!, where ` and ' may
 * be part of it. */
static size_t scan_name(const parser *p, size_t pos, bool qualified)
{
	for (;;) {
		char c = at(p, pos), next = at(p, pos + 1);
		if (c && is_name(c)) {
			pos++;
		} else if (c == ':' && next == ':' &&
			   (is_name(at(p, pos + 2)) || at(p, pos + 2) == '~' ||
				   (qualified && at(p, pos + 2) == '`'))) {
			pos += at(p, pos + 2) == '~' ? 3 : 2;
		} else if (qualified && c == '`') {
			size_t end = name_quoted_end(p->text, pos);
			if (end == pos)
				return pos;
			pos = end;
		} else if ((c == '.' || (qualified && c == '\'')) && next && is_name(next)) {
			pos++;
		} else {
			return pos;
		}
	}
}

static bool reg_known(const parser *p, str name)
{
	return p->env->is_reg && p->env->is_reg(p->env->u, name);
}

/* Registers that are tried before the hexadecimal reading: the documented x86 set and its wide
 * form. */
static bool is_common_reg(str s)
{
	static const char *const names[] = {"ax", "bx", "cx", "dx", "si", "di", "bp", "sp", "ip"};
	if (str_ieq(s, STR("efl")))
		return true;
	if (s.n != 3 || ((s.p[0] | 32) != 'e' && (s.p[0] | 32) != 'r'))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_ieq(str_skip(s, 1), str_of(names[i])))
			return true;
	return false;
}

static err emit_reg(parser *p, str name, size_t begin, size_t end)
{
	masm_op op = {.op = OP_REG, .begin = (uint32_t)begin, .end = (uint32_t)end};
	op.name = str_dup(p->a, name);
	if (p->env->reg_bind && p->env->reg_slot)
		op.value = p->env->reg_bind(p->env->u, op.name);
	p->pos = end;
	return emit(p, op, 1);
}

/* ERR_NOTFOUND, without words, if there is no such symbol. */
static err find_symbol(parser *p, str name, uint64_t *ret)
{
	if (!p->env->symbol)
		return ERR_NOTFOUND;
	err e = p->env->symbol(p->env->u, name, ret, p->d);
	if (e != ERR_NOTFOUND || !p->env->suffix || name.n > 2048)
		return e;
	char longer[2049];
	memcpy(longer, name.p, name.n);
	longer[name.n] = (p->env->suffix | 32) == 'a' ? 'A' : 'W';
	return p->env->symbol(p->env->u, (str){longer, name.n + 1}, ret, p->d);
}

static err take_symbol(parser *p, uint64_t v, size_t begin, size_t end)
{
	p->pos = end;
	return emit_const(p, v, begin, end);
}

/*
 * The symbol whose text starts at `name`, known to reach `from` (its reading starts at begin, for
 * messages). With template arguments in reach the longest reading that exists wins, because '<' is
 * also an operator.
 */
static err parse_symbol(parser *p, size_t begin, size_t name, size_t from, bool qualified)
{
	size_t ends[8], n = 0, end = scan_name(p, from, qualified);
	uint64_t v = 0;

	if (end == from)
		return syntax(p, begin, end);
	ends[n++] = end;
	while (n < ARRAY_LEN(ends) && at(p, end) == '<') {
		size_t close = name_template_end(p->text, end);
		if (close == end)
			break;
		end = scan_name(p, close, qualified);
		ends[n++] = end;
	}
	for (size_t i = n; i-- > 0;) {
		err e = find_symbol(p, slice(p, name, ends[i]), &v);
		if (e == ERR_OK)
			return take_symbol(p, v, begin, ends[i]);
		if (e != ERR_NOTFOUND) {
			if (e == ERR_AMBIGUOUS)
				return fail(p, e, "Ambiguous symbol error at", begin, ends[i]);
			if (p->d) {
				p->d->src_begin = begin;
				p->d->src_end = ends[i];
			}
			return e;
		}
	}
	if (p->probe)
		return take_symbol(p, 0, begin, ends[n - 1]);
	return fail(p, ERR_NOTFOUND, "Couldn't resolve error at", begin, ends[0]);
}

/* ---- numbers ---- */

/*
 * Digits of the base from pos; grave accents between digits are allowed and turn sign extension
 * off. False on more than 64 bits.
 */
static bool scan_digits(
	const parser *p, size_t *pos, unsigned base, uint64_t *v, bool *grave, size_t *count)
{
	bool fits = true;
	for (;; (*pos)++) {
		char c = at(p, *pos);
		if (c == '`' && *count && name_hex(at(p, *pos + 1)) < (int)base) {
			*grave = true;
			continue;
		}
		int digit = name_hex(c);
		if (digit >= (int)base)
			return fits;
		if (*v > (UINT64_MAX - (unsigned)digit) / base)
			fits = false;
		*v = *v * base + (unsigned)digit;
		++*count;
	}
}

static unsigned prefix_base(const parser *p)
{
	if (at(p, p->pos) != '0')
		return 0;
	switch (at(p, p->pos + 1) | 32) {
	case 'x':
		return 16;
	case 'n':
		return 10;
	case 't':
		return 8;
	case 'y':
		return 2;
	default:
		return 0;
	}
}

/* "L10", "L?100", "L-8" glued to a number: the range's length, not part of it. */
static bool is_range_tail(const parser *p, size_t pos)
{
	char next = at(p, pos + 1);
	return (at(p, pos) | 32) == 'l' && (name_hex(next) < 16 || next == '?' || next == '-');
}

static err emit_number(parser *p, uint64_t v, bool fits, bool grave, size_t begin, size_t end)
{
	if (!fits)
		return fail(p, ERR_SYNTAX, "Overflow error at", begin, end);
	if (p->env->kernel && !grave && v >= 0x80000000 && v <= 0xffffffff)
		v |= UINT64_C(0xffffffff00000000);
	p->pos = end;
	return emit_const(p, v, begin, end);
}

/* A number at p->pos, if the whole word there is one; *is false leaves everything alone. */
static err parse_number(parser *p, bool *is)
{
	size_t begin = p->pos, pos, count = 0;
	uint64_t v = 0;
	bool grave = false, fits;
	unsigned base = prefix_base(p);

	*is = true;
	if (base) {
		pos = begin + 2;
		fits = scan_digits(p, &pos, base, &v, &grave, &count);
		if (!is_name(at(p, pos)) || is_range_tail(p, pos))
			return emit_number(p, v, fits, grave, begin, pos);
		*is = false;
		return ERR_OK;
	}
	/* The h suffix: a reading as hexadecimal whatever the radix is. */
	pos = begin;
	fits = scan_digits(p, &pos, 16, &v, &grave, &count);
	if (count && (at(p, pos) | 32) == 'h' && !is_name(at(p, pos + 1)) &&
		at(p, pos + 1) != '!' && (p->env->radix == 16 || chr_digit(at(p, begin))))
		return emit_number(p, v, fits, grave, begin, pos + 1);
	if (p->env->radix != 16) {
		pos = begin, count = 0, v = 0, grave = false;
		fits = scan_digits(p, &pos, p->env->radix, &v, &grave, &count);
	}
	char next = at(p, pos);
	bool member = next == ':' && at(p, pos + 1) == ':';
	bool module = next == '!' && at(p, pos + 1) != '=';
	if (count && !member && !module && (!is_name(next) || is_range_tail(p, pos)))
		return emit_number(p, v, fits, grave, begin, pos);
	*is = false;
	return ERR_OK;
}

/* ---- strings, source lines, other evaluators ---- */

/* "text" with C escapes, or @"text" without. */
static err parse_string(parser *p, str *ret)
{
	skip_blanks(p);
	size_t begin = p->pos;
	bool raw = at(p, p->pos) == '@';
	if (raw)
		p->pos++;
	if (at(p, p->pos) != '"')
		return syntax(p, begin, begin + 1);
	size_t limit = p->pos + 1, n = 0;
	while (limit < p->text.n && at(p, limit) != '"')
		limit += at(p, limit) == '\\' && !raw ? 2 : 1;
	if (limit >= p->text.n)
		return syntax(p, begin, p->text.n);
	char *out = arena_alloc(p->a, limit - p->pos);
	for (p->pos++; p->pos < limit; p->pos++) {
		char c = at(p, p->pos);
		if (c == '\\' && !raw) {
			c = at(p, ++p->pos);
			c = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
		}
		out[n++] = c;
	}
	p->pos++;
	*ret = (str){out, n};
	return ERR_OK;
}

/* `[[module!]file][:line]` */
static err parse_source_line(parser *p)
{
	size_t begin = p->pos, end = begin + 1;
	while (at(p, end) && at(p, end) != '`')
		end++;
	if (at(p, end) != '`' || end == begin + 1)
		return syntax(p, begin, end);
	str inside = str_trim(slice(p, begin + 1, end)), module = {"", 0}, file = inside;
	size_t bang = str_chr(inside, '!');
	if (bang != SIZE_MAX) {
		module = str_take(inside, bang);
		file = str_skip(inside, bang + 1);
	}
	/* The last colon starts the line, unless what follows is no number (c:\src\x.c). */
	size_t colon = str_rchr(file, ':');
	uint64_t line = 0, v = 0;
	if (colon != SIZE_MAX) {
		str digits = str_skip(file, colon + 1);
		bool hex = str_istarts(digits, STR("0x"));
		if (str_u64(hex ? str_skip(digits, 2) : digits, hex ? 16 : 10, &line) &&
			line <= UINT32_MAX)
			file = str_take(file, colon);
		else if (colon != 1)
			return syntax(p, begin, end + 1);
	}
	err e = ERR_UNSUPPORTED;
	if (p->d)
		diag_clear(p->d);
	if (p->env->line)
		e = p->env->line(p->env->u, module, file, (uint32_t)line, &v, p->d);
	if (e != ERR_OK && !p->probe) {
		if (p->d && p->d->text[0] && e != ERR_NOTFOUND) {
			p->d->src_begin = begin;
			p->d->src_end = end + 1;
			return e;
		}
		return fail(p, e, "Couldn't resolve error at", begin, end + 1);
	}
	return take_symbol(p, v, begin, end + 1);
}

/* From behind the opening parenthesis to its partner; strings are skipped. */
static err find_close(parser *p, size_t open, size_t *ret)
{
	size_t depth = 1;
	for (size_t q = open + 1; q < p->text.n; q++) {
		char c = at(p, q);
		if (c == '"' || c == '\'') {
			size_t s = q + 1;
			while (s < p->text.n && at(p, s) != c)
				s += at(p, s) == '\\' ? 2 : 1;
			/* A lone apostrophe is no string. */
			if (s < p->text.n)
				q = s;
		} else if (c == '(') {
			depth++;
		} else if (c == ')' && !--depth) {
			*ret = q;
			return ERR_OK;
		}
	}
	return syntax(p, open, p->text.n);
}

static err parse_group(parser *p, char close, size_t open)
{
	TRY(enter(p));
	p->pos++;
	TRY(parse_binary(p, 0));
	skip_blanks(p);
	if (at(p, p->pos) != close)
		return syntax(p, p->pos < p->text.n ? p->pos : open, p->pos + 1);
	p->pos++;
	p->depth--;
	return ERR_OK;
}

/* @@( ) @@c++( ) @@masm( ): the first two hold C++. */
static err parse_switch(parser *p)
{
	size_t begin = p->pos, open = begin + 2, close = begin;
	bool masm = str_istarts(str_skip(p->text, open), STR("masm("));
	if (masm) {
		p->pos = open + 4;
		return parse_group(p, ')', p->pos);
	}
	if (str_istarts(str_skip(p->text, open), STR("c++(")))
		open += 3;
	if (at(p, open) != '(')
		return syntax(p, begin, open + 1);
	TRY(find_close(p, open, &close));
	p->pos = close + 1;
	return emit(p,
		(masm_op){.op = OP_CXX,
			.begin = (uint32_t)begin,
			.end = (uint32_t)p->pos,
			.value = open + 1,
			.name = str_dup(p->a, slice(p, open + 1, close))},
		1);
}

/* ---- functions ---- */

static err expect(parser *p, char c)
{
	skip_blanks(p);
	if (at(p, p->pos) != c)
		return syntax(p, p->pos, p->pos + 1);
	p->pos++;
	return ERR_OK;
}

static int compare_text(str a, str b, bool fold)
{
	if (fold)
		return str_icmp(a, b);
	int c = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
	return c ? c : (a.n > b.n) - (a.n < b.n);
}

static err parse_string_function(parser *p, str name, size_t begin)
{
	str a, b;
	TRY(expect(p, '('));
	TRY(parse_string(p, &a));
	TRY(expect(p, ','));
	TRY(parse_string(p, &b));
	TRY(expect(p, ')'));
	uint64_t v;
	if (str_ieq(name, STR("$spat"))) {
		v = str_wild(b, a, false);
	} else {
		int c = compare_text(a, b, str_ieq(name, STR("$sicmp")));
		v = c < 0 ? UINT64_MAX : c > 0;
	}
	return emit_const(p, v, begin, p->pos);
}

static err parse_value_function(parser *p, masm_opcode op, unsigned n_args, size_t begin)
{
	TRY(enter(p));
	TRY(expect(p, '('));
	for (unsigned i = 0; i < n_args; i++) {
		if (i)
			TRY(expect(p, ','));
		TRY(parse_binary(p, 0));
	}
	TRY(expect(p, ')'));
	p->depth--;
	return emit(p,
		(masm_op){.op = (uint8_t)op, .begin = (uint32_t)begin, .end = (uint32_t)p->pos},
		1 - (int)n_args);
}

static err parse_function(parser *p, str word, size_t begin, size_t end, bool *is)
{
	static const struct {
		const char *name;
		uint8_t op, args; /* args 0: two strings */
	} rows[] = {
		{"$fnsucc", OP_FNSUCC, 3},
		{"$iment", OP_IMENT, 1},
		{"$vvalid", OP_VVALID, 2},
		{"$scmp", 0, 0},
		{"$sicmp", 0, 0},
		{"$spat", 0, 0},
	};
	*is = false;
	size_t open = end;
	while (is_blank(at(p, open)))
		open++;
	if (at(p, open) != '(')
		return ERR_OK;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (!str_ieq(word, str_of(rows[i].name)))
			continue;
		*is = true;
		p->pos = end;
		return rows[i].args ? parse_value_function(p, rows[i].op, rows[i].args, begin)
				    : parse_string_function(p, word, begin);
	}
	return ERR_OK;
}

/* ---- operands ---- */

/* @reg, @$pseudo, @!"symbol", @@( ) */
static err parse_at(parser *p)
{
	size_t begin = p->pos;
	char next = at(p, begin + 1);

	if (next == '@')
		return parse_switch(p);
	if (next == '!' && at(p, begin + 2) == '"') {
		str name;
		uint64_t v = 0;
		p->pos = begin + 2;
		TRY(parse_string(p, &name));
		err e = find_symbol(p, name, &v);
		if (e == ERR_NOTFOUND && !p->probe)
			return fail(p, e, "Couldn't resolve error at", begin, p->pos);
		if (e != ERR_OK && e != ERR_NOTFOUND)
			return e;
		return take_symbol(p, v, begin, p->pos);
	}
	size_t end = begin + 1;
	while (chr_letter(at(p, end)) || chr_digit(at(p, end)) || at(p, end) == '_' ||
		at(p, end) == '$')
		end++;
	if (end == begin + 1)
		return syntax(p, begin, end);
	if (!reg_known(p, slice(p, begin + 1, end)))
		return fail(p, ERR_NOTFOUND, "Bad register error at", begin, end);
	return emit_reg(p, slice(p, begin + 1, end), begin, end);
}

/* A word that starts with a letter, _ ? or $: register, number, symbol, function. */
static err parse_word(parser *p)
{
	size_t begin = p->pos, end = scan_name(p, begin, false);
	str word = slice(p, begin, end);
	bool is;

	if (at(p, end) == '!' && at(p, end + 1) != '=') {
		size_t name = end + 1;
		if (!is_name_start(at(p, name)) && at(p, name) != '`')
			return syntax(p, begin, name);
		return parse_symbol(p, begin, begin, name, true);
	}
	if (word.p[0] == '$') {
		TRY(parse_function(p, word, begin, end, &is));
		if (is)
			return ERR_OK;
		/* Before symbols: their names almost never start with $, and this way no module's
		 * symbols are loaded to find that out. */
		if (reg_known(p, word))
			return emit_reg(p, word, begin, end);
	}
	if (is_common_reg(word) && reg_known(p, word))
		return emit_reg(p, word, begin, end);
	TRY(parse_number(p, &is));
	if (is)
		return ERR_OK;
	/* What cannot be resolved may still be a register; only then is the failure final. */
	bool reg = reg_known(p, word);
	if (p->probe && reg)
		return emit_reg(p, word, begin, end);
	err e = parse_symbol(p, begin, begin, begin, false);
	if (e == ERR_NOTFOUND && reg) {
		if (p->d)
			diag_clear(p->d);
		return emit_reg(p, word, begin, end);
	}
	return e;
}

static err parse_operand(parser *p)
{
	skip_blanks(p);
	size_t begin = p->pos;
	char c = at(p, begin), next = at(p, begin + 1);
	bool is;

	if (c == '(')
		return parse_group(p, ')', begin);
	if (c == '[')
		return parse_group(p, ']', begin);
	if (c == '@')
		return parse_at(p);
	if (c == '`')
		return parse_source_line(p);
	if (c == '!' && is_name_start(next))
		return parse_symbol(p, begin, begin + 1, begin + 1, false);
	if (c == '.' && !is_name(next))
		return emit_reg(p, STR("."), begin, begin + 1);
	if (chr_digit(c)) {
		TRY(parse_number(p, &is));
		if (is)
			return ERR_OK;
		return syntax(p, begin, scan_name(p, begin, false));
	}
	if (is_name_start(c))
		return parse_word(p);
	if (c == '.' || c == '\'' || c == '"' || c == '\\' || c == '#' || c == '~')
		return syntax(p, begin, begin + 1);
	return missing(p);
}

/* ---- operators ---- */

static bool word_is(const parser *p, size_t pos, const char *word)
{
	size_t n = strlen(word);
	return str_istarts(str_skip(p->text, pos), str_of(word)) && !is_name(at(p, pos + n)) &&
	       at(p, pos + n) != '!' && !(at(p, pos + n) == ':' && at(p, pos + n + 1) == ':');
}

typedef struct unary_row {
	const char *word;
	uint8_t op, n; /* n 0: the target's pointer size */
} unary_row;

static const unary_row *unary_at(const parser *p)
{
	static const unary_row rows[] = {
		{"not", OP_NOT, 0},
		{"hi", OP_HI, 0},
		{"low", OP_LOW, 0},
		{"by", OP_READ, 1},
		{"wo", OP_READ, 2},
		{"dwo", OP_READ, 4},
		{"qwo", OP_READ, 8},
		{"poi", OP_READ, 0},
		{"$pby", OP_PREAD, 1},
		{"$pwo", OP_PREAD, 2},
		{"$pdwo", OP_PREAD, 4},
		{"$pqwo", OP_PREAD, 8},
		{"$ppoi", OP_PREAD, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (word_is(p, p->pos, rows[i].word))
			return &rows[i];
	return NULL;
}

static err parse_unary(parser *p)
{
	skip_blanks(p);
	size_t begin = p->pos;
	char c = at(p, begin);
	const unary_row *row = NULL;

	if (c != '+' && c != '-' && !(row = unary_at(p)))
		return parse_operand(p);
	TRY(enter(p));
	p->pos += row ? strlen(row->word) : 1;
	TRY(parse_unary(p));
	p->depth--;
	if (c == '+')
		return ERR_OK;
	if (c == '-')
		return emit_unary(p, OP_NEG, 0, begin);
	unsigned n = row->n ? row->n : p->env->ptr_size == 4 ? 4 : 8;
	return emit_unary(p, row->op, n, begin);
}

typedef struct binary_row {
	const char *text;
	uint8_t op, level; /* 0 binds loosest */
} binary_row;

/* The operator behind the value at pos (blanks skipped), or NULL. */
static const binary_row *binary_at(const parser *p, size_t pos)
{
	/* Longer spellings stand before their prefixes. */
	static const binary_row rows[] = {
		{"or", OP_OR, 0},
		{"|", OP_OR, 0},
		{"xor", OP_XOR, 1},
		{"^", OP_XOR, 1},
		{"and", OP_AND, 2},
		{"&", OP_AND, 2},
		{">>>", OP_SAR, 4},
		{">>", OP_SHR, 4},
		{"<<", OP_SHL, 4},
		{"==", OP_EQ, 3},
		{"=", OP_EQ, 3},
		{"!=", OP_NE, 3},
		{"<=", OP_LE, 3},
		{">=", OP_GE, 3},
		{"<", OP_LT, 3},
		{">", OP_GT, 3},
		{"+", OP_ADD, 5},
		{"-", OP_SUB, 5},
		{"*", OP_MUL, 6},
		{"/", OP_DIV, 6},
		{"mod", OP_MOD, 6},
		{"%", OP_MOD, 6},
	};
	str rest = str_skip(p->text, pos);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *t = rows[i].text;
		if (chr_letter(t[0]) ? word_is(p, pos, t) : str_starts(rest, str_of(t)))
			return &rows[i];
	}
	return NULL;
}

enum { LEVELS = 7 };

static err parse_binary(parser *p, unsigned level)
{
	skip_blanks(p);
	size_t begin = p->pos;
	TRY(parse_unary(p));
	for (;;) {
		size_t pos = p->pos;
		while (is_blank(at(p, pos)))
			pos++;
		const binary_row *row = binary_at(p, pos);
		if (!row || row->level < level)
			return ERR_OK;
		p->pos = pos + strlen(row->text);
		/* Recursion is at most LEVELS deep between two calls of `enter`. */
		TRY(parse_binary(p, row->level + 1u));
		TRY(emit_binary(p, row->op, begin));
	}
}

/* ---- entries ---- */

/* The default evaluator is C++: the whole expression is one value from there. */
static err compile_cxx(parser *p)
{
	size_t n = 0;
	if (p->probe)
		n = cxx_extent(p->text);
	else
		TRY(p->env->cxx_prefix(p->env->u, p->text, &n, p->d));
	if (!n)
		return missing(p);
	p->pos = n;
	masm_op op = {.op = OP_CXX, .end = (uint32_t)n, .name = str_dup(p->a, slice(p, 0, n))};
	return emit(p, op, 1);
}

static err compile(parser *p)
{
	if (p->text.n > MASM_TEXT_MAX)
		p->text.n = MASM_TEXT_MAX;
	if (p->d)
		diag_clear(p->d);
	bool cxx = p->env->cxx_default && p->env->cxx && p->env->cxx_prefix;
	err e = cxx ? compile_cxx(p) : parse_binary(p, 0);
	if (e == ERR_OK && p->d)
		diag_clear(p->d); /* words of readings that were tried and given up */
	return e;
}

err masm_compile(const masm_env *env, arena *a, str text, size_t *used, masm_code **ret, diag *d)
{
	parser p = {.env = env, .a = a, .text = text, .d = d};
	err e = compile(&p);
	if (e == ERR_OK) {
		masm_code *c = arena_new(a, masm_code);
		c->text = str_dup(a, str_take(p.text, p.pos));
		c->n_ops = p.ops.n;
		c->ops = arena_dup(a, p.ops.p, p.ops.n * sizeof *p.ops.p);
		*ret = c;
		if (used)
			*used = p.pos;
	}
	vec_deinit(&p.ops);
	return e;
}

size_t masm_extent(const masm_env *env, str text)
{
	arena a;
	arena_init(&a);
	parser p = {.env = env, .a = &a, .text = text, .probe = true};
	size_t n = compile(&p) == ERR_OK ? p.pos : 0;
	vec_deinit(&p.ops);
	arena_deinit(&a);
	return n;
}

err masm_eval(const masm_env *env, str text, size_t *used, uint64_t *ret, diag *d)
{
	arena a;
	masm_code *c;
	size_t n = 0;

	arena_init(&a);
	err e = masm_compile(env, &a, text, &n, &c, d);
	if (e == ERR_OK && !used && str_trim(str_skip(text, n)).n) {
		while (is_blank(text.p[n]))
			n++;
		e = masm_fail(text, d, ERR_SYNTAX, "Extra character error at", n, n + 1);
	}
	/* The words of the command's rest belong to the message, so run over the full text. */
	if (e == ERR_OK) {
		c->text = text;
		e = masm_run(c, env, ret, d);
	}
	if (e == ERR_OK && used)
		*used = n;
	arena_deinit(&a);
	return e;
}

void masm_format_addr(unsigned ptr_size, uint64_t v, char *ret)
{
	static const char digits[] = "0123456789abcdef";
	uint32_t high = (uint32_t)(v >> 32), low = (uint32_t)v;
	bool narrow = ptr_size == 4 && (!high || (high == UINT32_MAX && low >> 31));
	char *w = ret;

	if (!narrow) {
		for (int i = 28; i >= 0; i -= 4)
			*w++ = digits[high >> i & 15];
		*w++ = '`';
	}
	for (int i = 28; i >= 0; i -= 4)
		*w++ = digits[low >> i & 15];
	*w = 0;
}
