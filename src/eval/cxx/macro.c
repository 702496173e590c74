/*
 * macro: CONTAINING_RECORD, FIELD_OFFSET and the other macros of Windows' headers that take types.
 */
#include "eval/cxx/tree.h"

static err macro_type(parser *p, const cxx_type **ret)
{
	bool is;
	token at = p->t;
	TRY(cxx_type_parse(p, &is, ret));
	if (!is)
		return cxx_fail(
			p->text, p->d, ERR_NOTFOUND, at.begin, at.end, "Couldn't resolve error at");
	return ERR_OK;
}

/* "a.b[2].c" of the structure `n`. */
static err field_path(parser *p, node *n, node **ret)
{
	for (;;) {
		if (p->t.kind != T_NAME)
			return cxx_p_syntax(p);
		str name = p->t.text;
		size_t begin = p->t.begin, end = p->t.end;
		tok_next(p);
		TRY(cxx_build_field(p, n, name, begin, end, &n));
		while (tok_is(p, "[")) {
			node *i;
			tok_next(p);
			TRY(cxx_parse_comma(p, &i));
			TRY(cxx_p_expect(p, "]"));
			TRY(cxx_build_index(p, n, i, p->last, &n));
		}
		if (!tok_is(p, "."))
			break;
		tok_next(p);
	}
	*ret = n;
	return ERR_OK;
}

/* Where the field lies in its structure: nothing of the target is read. */
static err offset_of(parser *p, const cxx_type *t, uint64_t *offset, node **field)
{
	node *zero, *n;
	cxx_value v;
	size_t begin = p->t.begin;
	cxx_env none = *p->env;
	none.read = NULL;
	none.reg_get = NULL;
	none.masm = NULL;
	TRY(cxx_build_const(p, cxx_type_pointer(p->env, p->a, t), 0, begin, begin, &zero));
	TRY(cxx_build_deref(p, zero, begin, &n));
	TRY(field_path(p, n, field));
	if (!(*field)->bit_len) {
		TRY(cxx_build_address(p, *field, begin, &n));
	} else {
		/* offsetof of a bit field: where the word that holds it begins */
		node whole = **field;
		whole.bit_len = whole.bit_pos = 0;
		node *copy = arena_dup(p->a, &whole, sizeof whole);
		TRY(cxx_build_address(p, copy, begin, &n));
	}
	cxx_code c = {.text = p->text, .root = n};
	TRY(cxx_run(&c, &none, &v, p->d));
	*offset = cxx_value_unsigned(&v);
	return ERR_OK;
}

static err containing_record(parser *p, size_t begin, node **ret)
{
	const cxx_type *t;
	node *addr, *off, *field;
	uint64_t offset;
	TRY(cxx_parse_assign(p, &addr));
	TRY(cxx_p_expect(p, ","));
	TRY(macro_type(p, &t));
	TRY(cxx_p_expect(p, ","));
	TRY(offset_of(p, t, &offset, &field));
	TRY(cxx_p_expect(p, ")"));
	const cxx_type *chars = cxx_type_pointer(p->env, p->a, cxx_type_basic(p->env, CXX_CHAR));
	TRY(cxx_build_cast(p, addr, chars, addr->begin, &addr));
	TRY(cxx_build_const(p, cxx_type_basic(p->env, CXX_UINT64), offset, begin, p->last, &off));
	TRY(cxx_build_binary(p, OP_SUB, addr, off, &addr));
	return cxx_build_cast(p, addr, cxx_type_pointer(p->env, p->a, t), begin, ret);
}

/* FIELD_OFFSET, RTL_FIELD_SIZE and RTL_SIZEOF_THROUGH_FIELD: (Type, Field) */
static err of_field(parser *p, str name, size_t begin, node **ret)
{
	const cxx_type *t;
	node *field;
	uint64_t offset, v;
	TRY(macro_type(p, &t));
	TRY(cxx_p_expect(p, ","));
	TRY(offset_of(p, t, &offset, &field));
	TRY(cxx_p_expect(p, ")"));
	if (str_eq(name, STR("FIELD_OFFSET")))
		return cxx_build_const(
			p, cxx_type_basic(p->env, CXX_LONG), offset, begin, p->last, ret);
	v = field->type->size;
	if (str_eq(name, STR("RTL_SIZEOF_THROUGH_FIELD")))
		v += offset;
	return cxx_build_const(p,
		cxx_type_basic(p->env, p->env->ptr_size == 4 ? CXX_UINT : CXX_UINT64), v, begin,
		p->last, ret);
}

/* RTL_CONTAINS_FIELD(Struct, Size, Field): does a structure of Size bytes have the field? Struct is
 * a pointer (or the structure itself). */
static err contains_field(parser *p, size_t begin, node **ret)
{
	node *object, *size, *field, *end;
	uint64_t offset;
	TRY(cxx_parse_assign(p, &object));
	TRY(cxx_p_expect(p, ","));
	TRY(cxx_parse_assign(p, &size));
	TRY(cxx_p_expect(p, ","));
	const cxx_type *t = object->type;
	if (t->kind == CXX_PTR)
		t = cxx_type_elem(p->env, p->a, t);
	if (!t || t->kind != CXX_STRUCT)
		return cxx_p_fail(p, ERR_SYNTAX, "Type conflict error at", object);
	TRY(offset_of(p, t, &offset, &field));
	TRY(cxx_p_expect(p, ")"));
	TRY(cxx_build_const(p, cxx_type_basic(p->env, CXX_UINT64), offset + field->type->size,
		begin, p->last, &end));
	return cxx_build_binary(p, OP_LE, end, size, ret);
}

static err number_of(parser *p, size_t begin, node **ret)
{
	node *n;
	TRY(cxx_parse_assign(p, &n));
	TRY(cxx_p_expect(p, ")"));
	if (n->type->kind != CXX_ARRAY)
		return cxx_p_fail(p, ERR_SYNTAX, "Pointer or array expected error at", n);
	return cxx_build_const(p,
		cxx_type_basic(p->env, p->env->ptr_size == 4 ? CXX_UINT : CXX_UINT64),
		n->type->count, begin, p->last, ret);
}

err cxx_parse_macro(parser *p, node **ret)
{
	str name = p->t.text;
	size_t begin = p->t.begin;
	token at = p->t;
	TRY(cxx_p_enter(p));
	tok_next(p);
	TRY(cxx_p_expect(p, "("));
	err e;
	if (str_eq(name, STR("CONTAINING_RECORD")))
		e = containing_record(p, begin, ret);
	else if (str_eq(name, STR("FIELD_OFFSET")) || str_eq(name, STR("RTL_FIELD_SIZE")) ||
		 str_eq(name, STR("RTL_SIZEOF_THROUGH_FIELD")))
		e = of_field(p, name, begin, ret);
	else if (str_eq(name, STR("RTL_CONTAINS_FIELD")))
		e = contains_field(p, begin, ret);
	else if (str_eq(name, STR("RTL_NUMBER_OF")))
		e = number_of(p, begin, ret);
	else
		e = cxx_fail(
			p->text, p->d, ERR_NOTFOUND, at.begin, at.end, "No such macro error at");
	p->nest--;
	return e;
}
