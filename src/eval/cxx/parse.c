/*
 * parse: the grammar of C++ expressions as the debugger has it, and names.
 *
 * The parser stops where an operand is followed by no operator, so a command line's next argument
 * ends the expression without being looked at.
 *
 * Invariant: every recursion passes through `cxx_p_enter`, which counts.
 */
#include "eval/cxx/tree.h"

static err parse_unary(parser *p, node **ret);

/* ---- errors ---- */

err cxx_fail(str text, diag *d, err e, size_t begin, size_t end, const char *what)
{
	if (!d)
		return e;
	str rest = str_trim(str_skip(text, begin));
	if (!rest.n)
		return diag_set_at(d, e, begin < text.n ? begin : text.n,
			begin < text.n ? begin : text.n, "%s '<EOL>'", what);
	return diag_set_at(d, e, begin, end > begin ? end : begin + 1, "%s '%.*s'", what,
		(int)(rest.n < 400 ? rest.n : 400), rest.p);
}

err cxx_p_fail(parser *p, err e, const char *what, const node *n)
{
	return cxx_fail(p->text, p->d, e, n->begin, n->end, what);
}

err cxx_p_syntax(parser *p)
{
	return cxx_fail(p->text, p->d, ERR_SYNTAX, p->t.begin, p->t.end, "Syntax error at");
}

err cxx_p_enter(parser *p)
{
	if (++p->nest > CXX_NEST_MAX)
		return cxx_fail(p->text, p->d, ERR_LIMIT, p->t.begin, p->t.end,
			"Expression nested too deeply at");
	return ERR_OK;
}

err cxx_p_expect(parser *p, const char *op)
{
	if (!tok_is(p, op))
		return cxx_p_syntax(p);
	tok_next(p);
	return ERR_OK;
}

/* ---- names ---- */

/* ERR_NOTFOUND without words if there is no such symbol. */
static err ask(parser *p, str name, bool local, cxx_symbol *s)
{
	*s = (cxx_symbol){0};
	if (!p->env->symbol)
		return ERR_NOTFOUND;
	err e = p->env->symbol(p->env->u, name, local, s, p->d);
	if (e == ERR_NOTFOUND && p->d)
		diag_clear(p->d);
	return e;
}

static err symbol_node(
	parser *p, str name, const cxx_symbol *s, size_t begin, size_t end, node **ret)
{
	static const node_kind kinds[] = {[CXX_AT_NONE] = N_NOWHERE,
		[CXX_AT_MEM] = N_MEM,
		[CXX_AT_REG] = N_REGVAR,
		[CXX_AT_REGREL] = N_REGREL,
		[CXX_AT_CONST] = N_CONST,
		[CXX_AT_CODE] = N_MEM,
		[CXX_AT_EXPR] = N_LOCAL};
	const cxx_type *t;
	TRY(cxx_type_of(p->env, p->a, s->type, &t));
	if (s->where == CXX_AT_CONST) {
		if (!cxx_type_is_scalar(t))
			t = cxx_type_basic(p->env, CXX_INT64);
		if (cxx_type_is_float(t)) {
			uint8_t raw[16] = {0};
			put64(raw, s->addr);
			TRY(cxx_build_const(p, t, 0, begin, end, ret));
			(*ret)->n = cxx_num_load(t, raw);
			return ERR_OK;
		}
		return cxx_build_const(p, t, cxx_num_wrap(t, s->addr), begin, end, ret);
	}
	if (s->where == CXX_AT_CODE && t->kind == CXX_NONE) {
		/* An entry point of which only the address is known is a function all the same. */
		cxx_type *f = arena_new(p->a, cxx_type);
		*f = (cxx_type){.kind = CXX_FUNC};
		t = f;
	}
	TRY(cxx_build_node(p, kinds[s->where], t, NULL, NULL, begin, end, ret));
	(*ret)->value = s->where == CXX_AT_REGREL ? (uint64_t)s->off : s->addr;
	(*ret)->reg = s->reg;
	(*ret)->text = s->where == CXX_AT_EXPR ? str_dup(p->a, name) : (str){0};
	return cxx_build_lvalue(p, *ret, ret);
}

/* A member of the object that the current function belongs to. */
static err this_field(parser *p, str name, size_t begin, size_t end, node **ret)
{
	cxx_symbol s;
	node *self, *object;
	if (str_find(name, STR("::")) != SIZE_MAX)
		return ERR_NOTFOUND;
	TRY(ask(p, STR("this"), true, &s));
	TRY(symbol_node(p, STR("this"), &s, begin, end, &self));
	const cxx_type *to =
		self->type->kind == CXX_PTR ? cxx_type_elem(p->env, p->a, self->type) : NULL;
	cxx_field f;
	if (!to || to->kind != CXX_STRUCT || !p->env->field ||
		p->env->field(p->env->u, to->h, name, &f) != ERR_OK)
		return ERR_NOTFOUND;
	TRY(cxx_build_deref(p, self, begin, &object));
	return cxx_build_field(p, object, name, begin, end, ret);
}

/* A::b where A is a type: as a pointer to member, its value the offset. */
static err class_member(parser *p, str name, size_t begin, size_t end, node **ret)
{
	size_t at = SIZE_MAX;
	if (str_starts(name, STR("::")))
		name = str_skip(name, 2);
	for (size_t i = 0; i + 1 < name.n; i++)
		if (name.p[i] == ':' && name.p[i + 1] == ':')
			at = i;
	cxx_handle h;
	cxx_field f;
	const cxx_type *t;
	if (at == SIZE_MAX || !at || !p->env->type || !p->env->field)
		return ERR_NOTFOUND;
	TRY(p->env->type(p->env->u, str_take(name, at), &h));
	TRY(p->env->field(p->env->u, h, str_skip(name, at + 2), &f));
	TRY(cxx_type_of(p->env, p->a, f.type, &t));
	if (f.is_const && cxx_type_is_arith(t))
		return cxx_build_const(p, t, cxx_num_wrap(t, f.addr), begin, end, ret);
	if (f.is_static || f.bit_len || f.path.n_hops)
		return ERR_NOTFOUND;
	return cxx_build_const(
		p, cxx_type_member(p->a, t, str_take(name, at)), f.path.offset, begin, end, ret);
}

static err one_name(parser *p, str name, size_t begin, size_t end, node **ret)
{
	cxx_symbol s;
	bool local = str_starts(name, STR("$!")), global = str_starts(name, STR("::"));
	if (local)
		name = str_skip(name, 2);
	if (!global && str_chr(name, '!') == SIZE_MAX)
		p->scoped = true;
	err e = ask(p, name, local, &s);
	if (e == ERR_OK) {
		/* a member hides what is global; a class may have its name in another case */
		err member = s.local || local || global ? ERR_NOTFOUND
							: this_field(p, name, begin, end, ret);
		if (member == ERR_NOTFOUND && s.folded)
			member = class_member(p, name, begin, end, ret);
		return member != ERR_NOTFOUND ? member : symbol_node(p, name, &s, begin, end, ret);
	}
	if (e != ERR_NOTFOUND || local)
		return e;
	e = global ? ERR_NOTFOUND : this_field(p, name, begin, end, ret);
	if (e == ERR_NOTFOUND)
		e = class_member(p, name, begin, end, ret);
	return e;
}

/* An enumerator of the enumeration that the other operand has. */
static err near_enumerator(parser *p, str name, size_t begin, size_t end, node **ret)
{
	uint64_t v;
	if (!p->near || !p->near->h.p || !p->env->enumerator)
		return ERR_NOTFOUND;
	TRY(p->env->enumerator(p->env->u, p->near->h, name, &v));
	return cxx_build_const(p, p->near, cxx_num_wrap(p->near, v), begin, end, ret);
}

/* "main.table" of Go: the name of a variable, where `main` is none. */
static err dotted_name(parser *p, size_t begin, size_t end, node **ret)
{
	size_t ends[8], n = 0;
	token dot = tok_at(p->text, end);
	while (n < ARRAY_LEN(ends) && dot.kind == T_OP && !strcmp(dot.op, ".")) {
		token part = tok_at(p->text, dot.end);
		if (dot.begin != end || part.begin != dot.end || part.kind != T_NAME || part.quoted)
			break;
		ends[n++] = end = part.end;
		dot = tok_at(p->text, end);
	}
	while (n-- > 0) {
		err e = one_name(p, (str){p->text.p + begin, ends[n] - begin}, begin, ends[n], ret);
		if (e == ERR_NOTFOUND)
			continue;
		TRY(e);
		p->last = ends[n];
		tok_seek(p, ends[n]);
		return ERR_OK;
	}
	return ERR_NOTFOUND;
}

static err parse_name(parser *p, node **ret)
{
	size_t ends[8], n = tok_name_ends(p->text, &p->t, ends, ARRAY_LEN(ends));
	size_t begin = p->t.begin;
	token t = p->t;
	for (size_t i = n; i-- > 0;) {
		str name = t.quoted ? t.text : (str){p->text.p + begin, ends[i] - begin};
		err e = one_name(p, name, begin, ends[i], ret);
		if (e == ERR_NOTFOUND)
			e = near_enumerator(p, name, begin, ends[i], ret);
		if (e == ERR_OK) {
			p->last = ends[i];
			tok_seek(p, ends[i]);
			return ERR_OK;
		}
		if (e == ERR_NOTFOUND)
			continue;
		if (e == ERR_AMBIGUOUS)
			return cxx_fail(
				p->text, p->d, e, begin, ends[i], "Ambiguous symbol error at");
		if (p->d && !p->d->text[0])
			return cxx_fail(
				p->text, p->d, e, begin, ends[i], "Couldn't resolve error at");
		return e;
	}
	if (!t.quoted && dotted_name(p, begin, t.end, ret) == ERR_OK)
		return ERR_OK;
	return cxx_fail(p->text, p->d, ERR_NOTFOUND, begin, t.end, "Couldn't resolve error at");
}

static err parse_reg(parser *p, node **ret)
{
	cxx_reg r = {0};
	const cxx_type *t;
	size_t begin = p->t.begin, end = p->t.end;
	if (!p->env->reg || !p->env->reg(p->env->u, p->t.text, &r))
		return cxx_fail(p->text, p->d, ERR_NOTFOUND, begin, end, "Bad register error at");
	if (p->t.text.p[0] == '$')
		p->scoped = true;
	if (r.type.p)
		TRY(cxx_type_of(p->env, p->a, r.type, &t));
	else if (r.kind == CXX_PTR)
		t = cxx_type_pointer(p->env, p->a, cxx_type_basic(p->env, CXX_UCHAR));
	else
		t = cxx_type_basic(p->env, r.kind);
	const cxx_type *held = r.lvalue ? cxx_type_pointer(p->env, p->a, t) : t;
	TRY(cxx_build_node(p, N_REG, held, NULL, NULL, begin, end, ret));
	(*ret)->reg = r;
	(*ret)->reg.name = str_dup(p->a, p->t.text);
	tok_next(p);
	return r.lvalue ? cxx_build_deref(p, *ret, begin, ret) : ERR_OK;
}

/* ---- casts or parentheses ---- */

static bool starts_operand(const token *t)
{
	if (t->kind == T_OP)
		return strchr("+-~!*&(", t->op[0]) &&
		       (!t->op[1] || !strcmp(t->op, "++") || !strcmp(t->op, "--"));
	return t->kind != T_END && t->kind != T_BAD;
}

/*
 * Could what stands at the name that is looked at, up to a closing parenthesis, be a type? Only the
 * shape is looked at: a name, then stars and the like. `sure`: also if no operand follows.
 */
static bool type_shape(const parser *p, bool sure)
{
	size_t ends[8], n = tok_name_ends(p->text, &p->t, ends, ARRAY_LEN(ends));
	for (size_t i = n; i-- > 0;) {
		token t = tok_at(p->text, ends[i]);
		bool stars = false;
		while ((t.kind == T_OP && (!strcmp(t.op, "*") || !strcmp(t.op, "&"))) ||
			(t.kind == T_NAME && cxx_type_word(t.text))) {
			stars = true;
			t = tok_at(p->text, t.end);
		}
		if (t.kind != T_OP)
			continue;
		if (!strcmp(t.op, "(")) {
			token next = tok_at(p->text, t.end);
			if (next.kind == T_OP && !strcmp(next.op, "*"))
				return true;
		}
		if (!strcmp(t.op, "[") && (stars || sure))
			return true;
		if (strcmp(t.op, ")"))
			continue;
		token next = tok_at(p->text, t.end);
		if (stars || sure || starts_operand(&next))
			return true;
	}
	return false;
}

/* "type)" at the token that is looked at, which then is behind the parenthesis. */
static err parse_type_in(parser *p, bool sure, bool *is, const cxx_type **ret)
{
	token before = p->t;
	size_t last = p->last;
	cxx_symbol s;
	*is = false;
	if (p->t.kind != T_NAME)
		return ERR_OK;
	if (p->t.quoted || !cxx_type_word(p->t.text)) {
		if (!type_shape(p, sure))
			return ERR_OK;
		p->scoped = true;
		if (ask(p, p->t.text, true, &s) == ERR_OK)
			return ERR_OK;
	}
	TRY(cxx_type_parse(p, is, ret));
	if (*is && !tok_is(p, ")")) {
		if (cxx_type_word(before.text))
			return cxx_p_syntax(p);
		*is = false;
	}
	if (*is) {
		tok_next(p);
	} else {
		p->t = before;
		p->last = last;
	}
	return ERR_OK;
}

static err parse_group(parser *p, node **ret)
{
	const cxx_type *t;
	size_t begin = p->t.begin;
	bool is;
	TRY(cxx_p_enter(p));
	tok_next(p);
	TRY(parse_type_in(p, false, &is, &t));
	if (is) {
		node *n;
		const cxx_type *near = p->near;
		p->near = t->kind == CXX_ENUM ? t : near;
		TRY(parse_unary(p, &n));
		p->near = near;
		TRY(cxx_build_cast(p, n, t, begin, ret));
	} else {
		TRY(cxx_parse_comma(p, ret));
		TRY(cxx_p_expect(p, ")"));
		(*ret)->begin = (uint32_t)begin;
		(*ret)->end = (uint32_t)p->last;
	}
	p->nest--;
	return ERR_OK;
}

/* static_cast<type>(value) */
static err parse_named_cast(parser *p, node **ret)
{
	const cxx_type *t;
	size_t begin = p->t.begin;
	bool is, as_it_is = tok_word(p, "reinterpret_cast");
	node *n;
	TRY(cxx_p_enter(p));
	tok_next(p);
	TRY(cxx_p_expect(p, "<"));
	token at = p->t;
	TRY(cxx_type_parse(p, &is, &t));
	if (!is)
		return cxx_fail(
			p->text, p->d, ERR_NOTFOUND, at.begin, at.end, "Couldn't resolve error at");
	TRY(cxx_p_expect(p, ">"));
	TRY(cxx_p_expect(p, "("));
	TRY(cxx_parse_comma(p, &n));
	TRY(cxx_p_expect(p, ")"));
	p->nest--;
	p->as_it_is = as_it_is;
	err e = cxx_build_cast(p, n, t, begin, ret);
	p->as_it_is = false;
	return e;
}

/* ---- operands ---- */

static err parse_sizeof(parser *p, node **ret)
{
	const cxx_type *t;
	size_t begin = p->t.begin;
	node *n;
	bool is = false;
	TRY(cxx_p_enter(p));
	tok_next(p);
	if (tok_is(p, "(")) {
		token open = p->t;
		size_t last = p->last;
		tok_next(p);
		TRY(parse_type_in(p, true, &is, &t));
		if (!is) {
			p->t = open;
			p->last = last;
		}
	}
	if (!is) {
		TRY(parse_unary(p, &n));
		t = n->type;
	}
	p->nest--;
	return cxx_build_sizeof(p, t, begin, p->last, ret);
}

/* int(x) */
static err parse_function_cast(parser *p, node **ret)
{
	const cxx_type *t;
	size_t begin = p->t.begin;
	bool is;
	node *n;
	TRY(cxx_p_enter(p));
	TRY(cxx_type_parse(p, &is, &t));
	TRY(cxx_p_expect(p, "("));
	TRY(cxx_parse_comma(p, &n));
	TRY(cxx_p_expect(p, ")"));
	p->nest--;
	return cxx_build_cast(p, n, t, begin, ret);
}

static err parse_word(parser *p, node **ret)
{
	static const char *const casts[] = {
		"static_cast", "reinterpret_cast", "const_cast", "dynamic_cast"};
	static const char *const never[] = {"new", "delete", "throw"};
	size_t begin = p->t.begin, end = p->t.end;
	for (size_t i = 0; i < ARRAY_LEN(casts); i++)
		if (tok_word(p, casts[i]))
			return parse_named_cast(p, ret);
	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		if (tok_word(p, never[i]))
			return cxx_fail(p->text, p->d, ERR_SYNTAX, begin, end,
				"This operator is not supported error at");
	if (tok_word(p, "sizeof"))
		return parse_sizeof(p, ret);
	if (tok_word(p, "true") || tok_word(p, "false")) {
		bool v = tok_word(p, "true");
		tok_next(p);
		return cxx_build_const(p, cxx_type_basic(p->env, CXX_BOOL), v, begin, end, ret);
	}
	if (tok_word(p, "nullptr")) {
		tok_next(p);
		return cxx_build_const(
			p, cxx_type_pointer(p->env, p->a, &cxx_void), 0, begin, end, ret);
	}
	if (!p->t.quoted && cxx_type_word(p->t.text))
		return parse_function_cast(p, ret);
	return parse_name(p, ret);
}

/* @@c++( ) is parsed as its own text, so that positions fit; @@masm( ) is run when it is needed. */
static err parse_switch(parser *p, node **ret)
{
	token t = p->t;
	if (t.masm) {
		tok_next(p);
		TRY(cxx_build_node(p, N_MASM, cxx_type_basic(p->env, CXX_UINT64), NULL, NULL,
			t.begin, t.end, ret));
		(*ret)->text = str_dup(p->a, t.text);
		return ERR_OK;
	}
	TRY(cxx_p_enter(p));
	tok_seek(p, (size_t)(t.text.p - p->text.p) - 1);
	TRY(cxx_p_expect(p, "("));
	TRY(cxx_parse_comma(p, ret));
	TRY(cxx_p_expect(p, ")"));
	p->nest--;
	return ERR_OK;
}

static err parse_operand(parser *p, node **ret)
{
	switch (p->t.kind) {
	case T_NUMBER:
		return tok_number(p, ret);
	case T_CHAR:
		return tok_char(p, ret);
	case T_STRING:
		return tok_string(p, ret);
	case T_NAME:
		return parse_word(p, ret);
	case T_REG:
		return parse_reg(p, ret);
	case T_MACRO:
		return cxx_parse_macro(p, ret);
	case T_SWITCH:
		return parse_switch(p, ret);
	default:
		if (tok_is(p, "("))
			return parse_group(p, ret);
		return cxx_p_syntax(p);
	}
}

static err parse_member(parser *p, bool arrow, node *n, node **ret)
{
	tok_next(p);
	if (p->t.kind != T_NAME || p->t.quoted)
		return cxx_p_syntax(p);
	str name = p->t.text;
	size_t begin = p->t.begin, end = p->t.end;
	/* p->Base::member: the base says nothing that the member's name does not. */
	for (size_t i = 0; i + 1 < name.n; i++)
		if (name.p[i] == ':' && name.p[i + 1] == ':') {
			name = str_skip(name, i + 2);
			i = 0;
		}
	tok_next(p);
	if (arrow)
		TRY(cxx_build_deref(p, n, n->begin, &n));
	return cxx_build_field(p, n, name, begin, end, ret);
}

static err parse_postfix(parser *p, node **ret)
{
	node *n, *i;
	TRY(parse_operand(p, &n));
	for (;;) {
		if (tok_is(p, "[")) {
			TRY(cxx_p_enter(p));
			tok_next(p);
			TRY(cxx_parse_comma(p, &i));
			TRY(cxx_p_expect(p, "]"));
			TRY(cxx_build_index(p, n, i, p->last, &n));
			p->nest--;
		} else if (tok_is(p, ".") || tok_is(p, "->")) {
			TRY(parse_member(p, tok_is(p, "->"), n, &n));
		} else if (tok_is(p, "++") || tok_is(p, "--")) {
			cxx_op op = tok_is(p, "++") ? OP_ADD : OP_SUB;
			tok_next(p);
			TRY(cxx_build_step(p, op, true, n, n->begin, &n));
		} else if (tok_is(p, "(") &&
			   (n->type->kind == CXX_FUNC || n->type->kind == CXX_PTR)) {
			return cxx_fail(p->text, p->d, ERR_UNSUPPORTED, n->begin, p->t.begin,
				"An expression cannot call functions (.call can); error at");
		} else {
			*ret = n;
			return ERR_OK;
		}
	}
}

static err parse_unary(parser *p, node **ret)
{
	size_t begin = p->t.begin;
	char op = p->t.op[0];
	node *n;
	bool step = tok_is(p, "++") || tok_is(p, "--");
	if (p->t.kind != T_OP || !strchr("+-!~*&", op) || (p->t.op[1] && !step))
		return parse_postfix(p, ret);
	TRY(cxx_p_enter(p));
	tok_next(p);
	TRY(parse_unary(p, &n));
	p->nest--;
	if (step)
		return cxx_build_step(p, op == '+' ? OP_ADD : OP_SUB, false, n, begin, ret);
	if (op == '*')
		return cxx_build_deref(p, n, begin, ret);
	if (op == '&')
		return cxx_build_address(p, n, begin, ret);
	return cxx_build_unary(p, op, n, begin, ret);
}

/* ---- operators ---- */

typedef struct binary_row {
	const char *text;
	uint8_t op, level; /* 0 binds loosest */
} binary_row;

enum { LEVELS = 11 };

static const binary_row *binary_at(const parser *p)
{
	static const binary_row rows[] = {
		{"||", OP_LOR, 0},
		{"&&", OP_LAND, 1},
		{"|", OP_OR, 2},
		{"^", OP_XOR, 3},
		{"&", OP_AND, 4},
		{"==", OP_EQ, 5},
		{"!=", OP_NE, 5},
		{"<", OP_LT, 6},
		{">", OP_GT, 6},
		{"<=", OP_LE, 6},
		{">=", OP_GE, 6},
		{"<<", OP_SHL, 7},
		{">>", OP_SHR, 7},
		{"+", OP_ADD, 8},
		{"-", OP_SUB, 8},
		{"*", OP_MUL, 9},
		{"/", OP_DIV, 9},
		{"%", OP_MOD, 9},
		{".*", OP_MEM_DOT, 10},
		{"->*", OP_MEM_ARROW, 10},
	};
	if (p->t.kind != T_OP)
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (!strcmp(p->t.op, rows[i].text))
			return &rows[i];
	return NULL;
}

/* Recursion is at most LEVELS deep between two calls of `cxx_p_enter`. */
static err parse_binary(parser *p, unsigned level, node **ret)
{
	node *a, *b;
	const cxx_type *near = p->near;
	TRY(parse_unary(p, &a));
	for (;;) {
		p->near = near;
		const binary_row *row = binary_at(p);
		if (!row || row->level < level) {
			*ret = a;
			return ERR_OK;
		}
		if (a->type->kind == CXX_ENUM)
			p->near = a->type;
		tok_next(p);
		TRY(parse_binary(p, row->level + 1u, &b));
		TRY(cxx_build_binary(p, (cxx_op)row->op, a, b, &a));
	}
}

static err parse_cond(parser *p, node **ret)
{
	node *c, *a, *b;
	TRY(parse_binary(p, 0, &c));
	if (!tok_is(p, "?")) {
		*ret = c;
		return ERR_OK;
	}
	TRY(cxx_p_enter(p));
	tok_next(p);
	TRY(cxx_parse_comma(p, &a));
	TRY(cxx_p_expect(p, ":"));
	TRY(cxx_parse_assign(p, &b));
	p->nest--;
	return cxx_build_cond(p, c, a, b, ret);
}

static bool assign_at(const parser *p, cxx_op *op)
{
	static const struct {
		const char *text;
		cxx_op op;
	} rows[] = {{"=", OP_NONE}, {"+=", OP_ADD}, {"-=", OP_SUB}, {"*=", OP_MUL}, {"/=", OP_DIV},
		{"%=", OP_MOD}, {"&=", OP_AND}, {"|=", OP_OR}, {"^=", OP_XOR}, {"<<=", OP_SHL},
		{">>=", OP_SHR}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (tok_is(p, rows[i].text)) {
			*op = rows[i].op;
			return true;
		}
	return false;
}

err cxx_parse_assign(parser *p, node **ret)
{
	node *a, *b;
	cxx_op op;
	TRY(parse_cond(p, &a));
	if (!assign_at(p, &op)) {
		*ret = a;
		return ERR_OK;
	}
	const cxx_type *near = p->near;
	TRY(cxx_p_enter(p));
	tok_next(p);
	p->near = a->type->kind == CXX_ENUM ? a->type : NULL;
	TRY(cxx_parse_assign(p, &b));
	p->near = near;
	p->nest--;
	return cxx_build_assign(p, op, a, b, ret);
}

err cxx_parse_comma(parser *p, node **ret)
{
	node *a, *b;
	TRY(cxx_p_enter(p));
	TRY(cxx_parse_assign(p, &a));
	while (tok_is(p, ",")) {
		tok_next(p);
		TRY(cxx_parse_assign(p, &b));
		size_t begin = a->begin;
		TRY(cxx_build_node(p, N_COMMA, b->type, a, b, begin, b->end, &a));
		a->lvalue = b->lvalue;
		a->bit_pos = b->bit_pos;
		a->bit_len = b->bit_len;
	}
	p->nest--;
	*ret = a;
	return ERR_OK;
}

/* ---- entries ---- */

static err compile(const cxx_env *env, arena *a, str text, const cxx_type *to, size_t *used,
	cxx_code **ret, diag *d)
{
	parser p = {.env = env, .a = a, .text = str_take(text, CXX_TEXT_MAX), .d = d};
	node *root;
	/* As deep as cxx_parse_comma is, so that what is taken here is one expression there. */
	p.nest = used ? 1 : 0;
	if (d)
		diag_clear(d);
	tok_seek(&p, 0);
	if (p.t.kind == T_END)
		return cxx_fail(p.text, d, ERR_SYNTAX, p.text.n, p.text.n,
			"Numeric expression missing from");
	err e = used ? cxx_parse_assign(&p, &root) : cxx_parse_comma(&p, &root);
	if (e == ERR_OK && !used && p.t.kind != T_END)
		e = p.t.kind == T_BAD ? cxx_p_syntax(&p)
				      : cxx_fail(p.text, d, ERR_SYNTAX, p.t.begin, p.t.end,
						"Extra character error at");
	if (e == ERR_OK && to)
		e = cxx_build_cast(&p, root, to, 0, &root);
	if (e != ERR_OK) {
		/* What the environment failed with has no place in this text. */
		if (d && !d->text[0])
			return cxx_fail(p.text, d, e, p.t.begin, p.t.end, "Syntax error at");
		if (d && d->src_begin > p.text.n)
			d->src_begin = d->src_end = p.text.n;
		return e;
	}
	if (d)
		diag_clear(d); /* words of readings that were given up */
	cxx_code *c = arena_new(a, cxx_code);
	*c = (cxx_code){.text = str_dup(a, used ? str_take(p.text, p.last) : p.text),
		.root = root,
		.scoped = p.scoped};
	*ret = c;
	if (used)
		*used = p.last < p.text.n ? p.last : p.text.n;
	return ERR_OK;
}

err cxx_compile(const cxx_env *env, arena *a, str text, size_t *used, cxx_code **ret, diag *d)
{
	return compile(env, a, text, NULL, used, ret, d);
}

err cxx_compile_as(const cxx_env *env, arena *a, str text, cxx_handle to, size_t *used,
	cxx_code **ret, diag *d)
{
	const cxx_type *t;
	TRY(cxx_type_of(env, a, to, &t));
	bool scalar = t->kind != CXX_STRUCT && t->kind != CXX_ARRAY && t->kind != CXX_REF;
	return compile(env, a, text, scalar ? t : NULL, used, ret, d);
}

const cxx_type *cxx_code_type(const cxx_code *c)
{
	return c->root->type;
}

bool cxx_code_scoped(const cxx_code *c)
{
	return c->scoped;
}
