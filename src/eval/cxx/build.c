/*
 * build: typed nodes. What C++ says of operands is decided here, once: promotions, the usual
 * conversions, decay, scaling, what is an lvalue. Where the debugger's parser is more relaxed than
 * a compiler (an integer is assigned to a pointer, pointers of different types are compared) so is
 * this.
 */
#include "eval/cxx/tree.h"

err cxx_build_node(parser *p, node_kind k, const cxx_type *t, node *a, node *b, size_t begin,
	size_t end, node **ret)
{
	unsigned depth = 1;
	if (a && a->depth + 1u > depth)
		depth = a->depth + 1u;
	if (b && b->depth + 1u > depth)
		depth = b->depth + 1u;
	if (depth > CXX_DEPTH_MAX || ++p->nodes > CXX_NODES_MAX)
		return cxx_fail(p->text, p->d, ERR_LIMIT, begin, end, "Expression too long at");
	node *n = arena_new(p->a, node);
	*n = (node){.kind = (uint8_t)k,
		.depth = (uint16_t)depth,
		.begin = (uint32_t)begin,
		.end = (uint32_t)end,
		.type = t,
		.a = a,
		.b = b};
	*ret = n;
	return ERR_OK;
}

err cxx_build_const(parser *p, const cxx_type *t, cxx_u128 v, size_t begin, size_t end, node **ret)
{
	TRY(cxx_build_node(p, N_CONST, t, NULL, NULL, begin, end, ret));
	(*ret)->n.i = v;
	return ERR_OK;
}

static err conflict(parser *p, const node *n)
{
	return cxx_p_fail(p, ERR_SYNTAX, "Type conflict error at", n);
}

static const cxx_type *elem_of(parser *p, const cxx_type *t)
{
	const cxx_type *e = cxx_type_elem(p->env, p->a, t);
	return e ? e : &cxx_none;
}

/* Constants are folded: a tree that needs nothing from the target is one node. */
static err convert(parser *p, node *n, const cxx_type *t, node **ret)
{
	if (n->kind == N_CONST && cxx_type_is_scalar(n->type)) {
		num v = cxx_num_convert(n->n, n->type, t);
		uint32_t begin = n->begin, end = n->end;
		TRY(cxx_build_const(p, t, 0, begin, end, ret));
		(*ret)->n = v;
		return ERR_OK;
	}
	if (!n->lvalue && !n->bit_len && n->type->kind == t->kind && n->type->size == t->size &&
		t->kind != CXX_ENUM && t->kind != CXX_PTR) {
		*ret = n;
		return ERR_OK;
	}
	return cxx_build_node(p, N_CONVERT, t, n, NULL, n->begin, n->end, ret);
}

/* Arrays and functions become pointers, what has no type or value fails. */
static err cxx_build_value(parser *p, node *n, node **ret)
{
	const cxx_type *t = n->type;
	*ret = n;
	switch (t->kind) {
	case CXX_NONE:
		return cxx_p_fail(p, ERR_SYNTAX, "Type information missing error at", n);
	case CXX_ARRAY:
	case CXX_FUNC: {
		const cxx_type *to = t->kind == CXX_FUNC ? t : elem_of(p, t);
		if (n->kind == N_STRING || !n->lvalue)
			return cxx_p_fail(p, ERR_SYNTAX, "No address in target memory error at", n);
		return cxx_build_node(p, N_ADDR, cxx_type_pointer(p->env, p->a, to), n, NULL,
			n->begin, n->end, ret);
	}
	default:
		return ERR_OK;
	}
}

/* A value that an operator can work on: a number, a pointer. */
static err scalar(parser *p, node *n, node **ret)
{
	TRY(cxx_build_value(p, n, ret));
	if (!cxx_type_is_scalar((*ret)->type))
		return conflict(p, n);
	return ERR_OK;
}

err cxx_build_lvalue(parser *p, node *n, node **ret)
{
	n->lvalue = true;
	*ret = n;
	if (n->type->kind != CXX_REF)
		return ERR_OK;
	const cxx_type *to = elem_of(p, n->type);
	TRY(cxx_build_node(p, N_DEREF, to, n, NULL, n->begin, n->end, ret));
	(*ret)->lvalue = true;
	return ERR_OK;
}

/* ---- integers of C ---- */

static int rank(const cxx_type *t)
{
	static const uint8_t ranks[] = {[CXX_BOOL] = 0,
		[CXX_CHAR] = 1,
		[CXX_UCHAR] = 1,
		[CXX_WCHAR] = 2,
		[CXX_CHAR16] = 2,
		[CXX_CHAR32] = 3,
		[CXX_SHORT] = 2,
		[CXX_USHORT] = 2,
		[CXX_INT] = 3,
		[CXX_UINT] = 3,
		[CXX_LONG] = 4,
		[CXX_ULONG] = 4,
		[CXX_INT64] = 5,
		[CXX_UINT64] = 5,
		[CXX_INT128] = 6,
		[CXX_UINT128] = 6};
	return cxx_type_is_int(t) ? ranks[t->kind] : 3;
}

/* Everything below int becomes int; so does an enumeration that fits, and a small bit field. */
static const cxx_type *promoted(parser *p, const node *n)
{
	const cxx_type *t = n->type;
	if (t->kind == CXX_ENUM)
		return cxx_type_basic(p->env, t->size <= 4     ? t->is_unsigned ? CXX_UINT : CXX_INT
					      : t->is_unsigned ? CXX_UINT64
							       : CXX_INT64);
	if (t->kind == CXX_CHAR32)
		return cxx_type_basic(p->env, CXX_UINT);
	if (cxx_type_is_int(t) && (rank(t) < 3 || (n->bit_len && n->bit_len < 32)))
		return cxx_type_basic(p->env, CXX_INT);
	return t;
}

static const cxx_type *common(parser *p, const node *a, const node *b)
{
	const cxx_type *x = promoted(p, a), *y = promoted(p, b);
	if (cxx_type_is_float(x) || cxx_type_is_float(y))
		return !cxx_type_is_float(x)   ? y
		       : !cxx_type_is_float(y) ? x
		       : x->kind > y->kind     ? x
					       : y;
	if (x->is_unsigned == y->is_unsigned)
		return rank(x) >= rank(y) ? x : y;
	const cxx_type *u = x->is_unsigned ? x : y, *s = x->is_unsigned ? y : x;
	if (rank(u) >= rank(s))
		return u;
	if (s->size > u->size)
		return s;
	return cxx_type_basic(p->env, (cxx_kind)(s->kind + 1));
}

/* ---- casts ---- */

/* How a class lies to another one of the same object. */
typedef struct way {
	cxx_path path; /* to the other one */
	bool down;     /* which is its virtual base: there is a way only from object to object */
} way;

static bool is_base(parser *p, const cxx_type *derived, const cxx_type *base, cxx_path *ret)
{
	return p->env->base && derived->kind == CXX_STRUCT && base->kind == CXX_STRUCT &&
	       !cxx_type_same(derived, base) &&
	       p->env->base(p->env->u, derived->h, base->h, ret) == ERR_OK;
}

static way way_to(parser *p, const cxx_type *from, const cxx_type *to)
{
	way w = {0};
	if (p->as_it_is || is_base(p, from, to, &w.path) || !is_base(p, to, from, &w.path))
		return w;
	w.down = w.path.n_hops > 0;
	w.path.offset = 0 - w.path.offset;
	return w;
}

/* n, an lvalue or a pointer, brought to the object of class `to` around it. */
static err around(parser *p, node *n, const cxx_type *t, const cxx_type *from, const cxx_type *to,
	size_t end, node **ret)
{
	bool lvalue = n->lvalue && n->type->kind != CXX_PTR;
	if (!p->env->derived)
		return cxx_p_fail(
			p, ERR_SYNTAX, "Cast from a virtual base is not possible error at", n);
	TRY(cxx_build_node(p, N_DERIVED, t, n, NULL, n->begin, end, ret));
	(*ret)->from = from->h;
	(*ret)->to = to->h;
	(*ret)->lvalue = lvalue;
	return ERR_OK;
}

/* n, an lvalue or a pointer, brought to the virtual base that the hops lead to. */
static err hops(parser *p, node *n, const cxx_type *t, const cxx_path *path, size_t end, node **ret)
{
	bool lvalue = n->lvalue && n->type->kind != CXX_PTR;
	for (unsigned i = 0; i < path->n_hops; i++) {
		TRY(cxx_build_node(p, N_VBASE, t, n, NULL, n->begin, end, &n));
		n->hop = path->hop[i];
		n->lvalue = lvalue;
	}
	*ret = n;
	return ERR_OK;
}

/* A pointer to a class as one to another: of base and derived the address differs. */
static err adjust(parser *p, node *n, const cxx_type *t, node **ret)
{
	*ret = n;
	if (n->type->kind != CXX_PTR || t->kind != CXX_PTR)
		return ERR_OK;
	const cxx_type *from = elem_of(p, n->type), *to = elem_of(p, t);
	way by = way_to(p, from, to);
	if (by.down)
		return around(p, n, t, from, to, n->end, ret);
	TRY(hops(p, n, t, &by.path, n->end, ret));
	if (!by.path.offset)
		return ERR_OK;
	TRY(cxx_build_node(p, N_ADJUST, t, *ret, NULL, n->begin, n->end, ret));
	(*ret)->value = by.path.offset;
	return ERR_OK;
}

static bool castable(const cxx_type *from, const cxx_type *to)
{
	if (to->kind == CXX_VOID)
		return true;
	if (!cxx_type_is_scalar(from) || !cxx_type_is_scalar(to))
		return false;
	bool pointer = to->kind == CXX_PTR || to->kind == CXX_MEMBER || from->kind == CXX_PTR ||
		       from->kind == CXX_MEMBER;
	return !pointer || (!cxx_type_is_float(from) && !cxx_type_is_float(to));
}

err cxx_build_cast(parser *p, node *n, const cxx_type *t, size_t begin, node **ret)
{
	node *v;
	if (t->kind == CXX_REF) {
		/* (T &)x: the same place seen as a T. */
		if (!n->lvalue || n->bit_len)
			return conflict(p, n);
		const cxx_type *to = elem_of(p, t);
		way by = way_to(p, n->type, to);
		if (by.down) {
			TRY(around(p, n, to, n->type, to, n->end, ret));
			(*ret)->begin = (uint32_t)begin;
			return ERR_OK;
		}
		TRY(hops(p, n, to, &by.path, n->end, &n));
		TRY(cxx_build_node(p, N_FIELD, to, n, NULL, begin, n->end, ret));
		(*ret)->value = by.path.offset;
		(*ret)->lvalue = true;
		return ERR_OK;
	}
	if (t->kind == CXX_VOID)
		return cxx_build_node(p, N_CONVERT, t, n, NULL, begin, n->end, ret);
	if (t->kind == CXX_STRUCT && cxx_type_same(n->type, t)) {
		*ret = n;
		return ERR_OK;
	}
	if (!cxx_type_is_scalar(t))
		return cxx_p_fail(p, ERR_SYNTAX, "Cast to this type is not possible error at", n);
	TRY(cxx_build_value(p, n, &v));
	if (!castable(v->type, t))
		return conflict(p, n);
	TRY(adjust(p, v, t, &v));
	TRY(convert(p, v, t, ret));
	if (*ret == v) /* the result is no lvalue and has its own range */
		TRY(cxx_build_node(p, N_CONVERT, t, v, NULL, begin, n->end, ret));
	(*ret)->begin = (uint32_t)begin;
	return ERR_OK;
}

/* What an assignment does to its right side. */
static err implicit(parser *p, node *n, const cxx_type *t, node **ret)
{
	node *v;
	if (t->kind == CXX_STRUCT) {
		if (!n->lvalue || !cxx_type_same(n->type, t))
			return conflict(p, n);
		*ret = n;
		return ERR_OK;
	}
	TRY(cxx_build_value(p, n, &v));
	if (t->kind == CXX_VOID || !castable(v->type, t))
		return conflict(p, n);
	TRY(adjust(p, v, t, &v));
	return convert(p, v, t, ret);
}

/* ---- unary ---- */

err cxx_build_unary(parser *p, char op, node *n, size_t begin, node **ret)
{
	node *v;
	size_t end = n->end;
	TRY(scalar(p, n, &v));
	if (op == '!') {
		TRY(convert(p, v, cxx_type_basic(p->env, CXX_BOOL), &v));
		if (v->kind == N_CONST)
			return cxx_build_const(p, v->type, !v->n.i, begin, end, ret);
		return cxx_build_node(p, N_NOT, v->type, v, NULL, begin, end, ret);
	}
	if (!cxx_type_is_arith(v->type) || (op == '~' && cxx_type_is_float(v->type)))
		return conflict(p, n);
	const cxx_type *t = promoted(p, v);
	TRY(convert(p, v, t, &v));
	if (v->kind == N_CONST) {
		num r = v->n;
		if (op == '-')
			r = (num){cxx_num_wrap(t, 0 - r.i), -r.f};
		else if (op == '~')
			r.i = cxx_num_wrap(t, ~r.i);
		TRY(cxx_build_const(p, t, r.i, begin, end, ret));
		(*ret)->n.f = r.f;
		return ERR_OK;
	}
	if (op == '+')
		return cxx_build_node(p, N_CONVERT, t, v, NULL, begin, end, ret);
	return cxx_build_node(p, op == '-' ? N_NEG : N_COMPL, t, v, NULL, begin, end, ret);
}

/* The size that pointer arithmetic counts in. */
static err scale_of(parser *p, const node *n, uint64_t *ret)
{
	const cxx_type *el = elem_of(p, n->type);
	if (el->kind == CXX_FUNC)
		return cxx_p_fail(p, ERR_SYNTAX, "Arithmetic on a function pointer error at", n);
	*ret = el->kind == CXX_VOID ? 1 : el->size;
	if (!*ret || el->kind == CXX_NONE)
		return cxx_p_fail(p, ERR_SYNTAX, "Type has no size error at", n);
	return ERR_OK;
}

static err not_assignable(parser *p, const node *n)
{
	if (n->kind == N_REG)
		return cxx_p_fail(p, ERR_SYNTAX,
			"Registers are changed by the r command, not by an expression; error at",
			n);
	return cxx_p_fail(p, ERR_SYNTAX, "Lvalue expected error at", n);
}

err cxx_build_step(parser *p, cxx_op op, bool post, node *n, size_t begin, node **ret)
{
	uint64_t step = 1;
	if (!n->lvalue)
		return not_assignable(p, n);
	if (!cxx_type_is_arith(n->type) && n->type->kind != CXX_PTR)
		return conflict(p, n);
	if (n->type->kind == CXX_PTR)
		TRY(scale_of(p, n, &step));
	TRY(cxx_build_node(p, N_STEP, n->type, n, NULL, begin, p->last, ret));
	(*ret)->op = (uint8_t)op;
	(*ret)->post = post;
	(*ret)->value = step;
	(*ret)->lvalue = !post;
	(*ret)->bit_pos = n->bit_pos;
	(*ret)->bit_len = n->bit_len;
	return ERR_OK;
}

err cxx_build_deref(parser *p, node *n, size_t begin, node **ret)
{
	node *v;
	TRY(cxx_build_value(p, n, &v));
	if (v->type->kind != CXX_PTR)
		return cxx_p_fail(p, ERR_SYNTAX, "Pointer expected error at", n);
	const cxx_type *to = elem_of(p, v->type);
	if (to->kind == CXX_VOID)
		return conflict(p, n);
	TRY(cxx_build_node(p, N_DEREF, to, v, NULL, begin, n->end, ret));
	(*ret)->lvalue = true;
	return ERR_OK;
}

err cxx_build_address(parser *p, node *n, size_t begin, node **ret)
{
	if (n->type->kind == CXX_MEMBER && n->kind == N_CONST && !n->lvalue) {
		*ret = n; /* &Class::member */
		return ERR_OK;
	}
	if (!n->lvalue || n->bit_len)
		return n->kind == N_REG || !n->bit_len
			       ? cxx_p_fail(p, ERR_SYNTAX, "No address error at", n)
			       : cxx_p_fail(p, ERR_SYNTAX, "Address of a bit field error at", n);
	const cxx_type *to = n->type->kind == CXX_NONE ? &cxx_void : n->type;
	return cxx_build_node(
		p, N_ADDR, cxx_type_pointer(p->env, p->a, to), n, NULL, begin, n->end, ret);
}

/* ---- binary ---- */

static err fold(parser *p, node *n, node **ret)
{
	*ret = n;
	if (!n->a || n->a->kind != N_CONST || !n->b || n->b->kind != N_CONST)
		return ERR_OK;
	cxx_code c = {.text = p->text, .root = n};
	cxx_value v;
	if (cxx_run(&c, p->env, &v, NULL) != ERR_OK)
		return ERR_OK; /* division by zero is for the run to say */
	num r = {0};
	if (cxx_type_is_float(n->type))
		r.f = cxx_value_real(&v);
	else
		r.i = cxx_num_wrap(
			n->type, (cxx_u128)le64(v.raw) | (cxx_u128)le64(v.raw + 8) << 64);
	TRY(cxx_build_const(p, n->type, r.i, n->begin, n->end, ret));
	(*ret)->n.f = r.f;
	return ERR_OK;
}

static bool is_compare(cxx_op op)
{
	return op >= OP_EQ && op <= OP_GE;
}

static err pointer_add(
	parser *p, cxx_op op, node *ptr, node *i, size_t begin, size_t end, node **ret)
{
	uint64_t scale;
	if (!cxx_type_is_int(i->type) && i->type->kind != CXX_ENUM)
		return conflict(p, i);
	TRY(scale_of(p, ptr, &scale));
	TRY(cxx_build_node(p, N_PTRADD, ptr->type, ptr, i, begin, end, ret));
	(*ret)->op = (uint8_t)op;
	(*ret)->value = scale;
	return ERR_OK;
}

/* Of two pointers to classes of one object the one to the derived class becomes the other's. */
static err alike(parser *p, node **a, node **b)
{
	cxx_path unused;
	if ((*a)->type->kind != CXX_PTR || (*b)->type->kind != CXX_PTR)
		return ERR_OK;
	const cxx_type *x = elem_of(p, (*a)->type), *y = elem_of(p, (*b)->type);
	if (is_base(p, x, y, &unused))
		return adjust(p, *a, (*b)->type, a);
	return is_base(p, y, x, &unused) ? adjust(p, *b, (*a)->type, b) : ERR_OK;
}

/* At least one operand is a pointer. */
static err pointers(parser *p, cxx_op op, node *a, node *b, node **ret)
{
	bool pa = a->type->kind == CXX_PTR, pb = b->type->kind == CXX_PTR;
	size_t begin = a->begin, end = b->end;
	node *n;
	if (op == OP_ADD && pa != pb)
		return pa ? pointer_add(p, op, a, b, begin, end, ret)
			  : pointer_add(p, op, b, a, begin, end, ret);
	if (op == OP_SUB && pa && !pb)
		return pointer_add(p, op, a, b, begin, end, ret);
	if (op == OP_SUB && pa && pb) {
		uint64_t scale, other;
		TRY(scale_of(p, a, &scale));
		TRY(scale_of(p, b, &other));
		if (scale != other)
			return conflict(p, b);
		TRY(cxx_build_node(p, N_PTRDIFF,
			cxx_type_basic(p->env, p->env->ptr_size == 4 ? CXX_INT : CXX_INT64), a, b,
			begin, end, ret));
		(*ret)->value = scale;
		return ERR_OK;
	}
	if (is_compare(op)) {
		TRY(alike(p, &a, &b));
		const cxx_type *t = pa ? a->type : b->type;
		if (cxx_type_is_float(a->type) || cxx_type_is_float(b->type))
			return conflict(p, b);
		TRY(convert(p, a, t, &a));
		TRY(convert(p, b, t, &b));
		TRY(cxx_build_node(
			p, N_BINARY, cxx_type_basic(p->env, CXX_BOOL), a, b, begin, end, &n));
		n->op = (uint8_t)op;
		return fold(p, n, ret);
	}
	return conflict(p, pa ? a : b);
}

static err shift(parser *p, cxx_op op, node *a, node *b, node **ret)
{
	node *n;
	if (cxx_type_is_float(a->type) || cxx_type_is_float(b->type))
		return conflict(p, cxx_type_is_float(a->type) ? a : b);
	size_t begin = a->begin, end = b->end;
	TRY(convert(p, a, promoted(p, a), &a));
	TRY(convert(p, b, promoted(p, b), &b));
	TRY(cxx_build_node(p, N_SHIFT, a->type, a, b, begin, end, &n));
	n->op = (uint8_t)op;
	return fold(p, n, ret);
}

static err logical(parser *p, cxx_op op, node *a, node *b, node **ret)
{
	const cxx_type *t = cxx_type_basic(p->env, CXX_BOOL);
	size_t begin = a->begin, end = b->end;
	TRY(convert(p, a, t, &a));
	TRY(convert(p, b, t, &b));
	return cxx_build_node(p, op == OP_LAND ? N_AND : N_OR, t, a, b, begin, end, ret);
}

/* object .* member, pointer ->* member */
static err member_of(parser *p, cxx_op op, node *a, node *b, node **ret)
{
	node *v;
	if (op == OP_MEM_ARROW)
		TRY(cxx_build_deref(p, a, a->begin, &a));
	TRY(cxx_build_value(p, b, &v));
	if (v->type->kind != CXX_MEMBER || a->type->kind != CXX_STRUCT || !a->lvalue)
		return conflict(p, v->type->kind != CXX_MEMBER ? b : a);
	const cxx_type *to = elem_of(p, v->type);
	if (to->kind == CXX_FUNC)
		return conflict(p, b);
	TRY(cxx_build_node(p, N_MEMBER, to, a, v, a->begin, b->end, ret));
	return cxx_build_lvalue(p, *ret, ret);
}

/* 0 beside a pointer to a member is no offset, but none: -1 for data. */
static err null_member(parser *p, const node *member, node **n)
{
	if (member->type->kind != CXX_MEMBER || (*n)->kind != N_CONST ||
		!cxx_type_is_int((*n)->type) || (*n)->n.i)
		return ERR_OK;
	bool func = elem_of(p, member->type)->kind == CXX_FUNC;
	const cxx_type *t = cxx_type_member(p->a, elem_of(p, member->type), (str){0});
	return cxx_build_const(p, t, func ? 0 : UINT32_MAX, (*n)->begin, (*n)->end, n);
}

err cxx_build_binary(parser *p, cxx_op op, node *a, node *b, node **ret)
{
	node *x, *y, *n;
	if (op == OP_MEM_DOT || op == OP_MEM_ARROW)
		return member_of(p, op, a, b, ret);
	TRY(scalar(p, a, &x));
	TRY(scalar(p, b, &y));
	if (op == OP_LAND || op == OP_LOR)
		return logical(p, op, x, y, ret);
	if (x->type->kind == CXX_MEMBER || y->type->kind == CXX_MEMBER) {
		TRY(null_member(p, x, &y));
		TRY(null_member(p, y, &x));
		if (!is_compare(op) || x->type->kind != y->type->kind)
			return conflict(p, a);
		TRY(convert(p, x, cxx_type_basic(p->env, CXX_UINT), &x));
		TRY(convert(p, y, cxx_type_basic(p->env, CXX_UINT), &y));
	}
	if (x->type->kind == CXX_PTR || y->type->kind == CXX_PTR)
		return pointers(p, op, x, y, ret);
	if (op == OP_SHL || op == OP_SHR)
		return shift(p, op, x, y, ret);
	const cxx_type *t = common(p, x, y);
	bool bits = op == OP_MOD || op == OP_AND || op == OP_OR || op == OP_XOR;
	if (bits && cxx_type_is_float(t))
		return conflict(p, cxx_type_is_float(x->type) ? a : b);
	size_t begin = a->begin, end = b->end;
	TRY(convert(p, x, t, &x));
	TRY(convert(p, y, t, &y));
	TRY(cxx_build_node(p, N_BINARY, is_compare(op) ? cxx_type_basic(p->env, CXX_BOOL) : t, x, y,
		begin, end, &n));
	n->op = (uint8_t)op;
	return fold(p, n, ret);
}

err cxx_build_cond(parser *p, node *c, node *a, node *b, node **ret)
{
	node *x, *y;
	TRY(scalar(p, c, &c));
	TRY(convert(p, c, cxx_type_basic(p->env, CXX_BOOL), &c));
	bool place = a->lvalue && b->lvalue && !a->bit_len && !b->bit_len &&
		     cxx_type_same(a->type, b->type) &&
		     (a->type->kind == CXX_STRUCT || cxx_type_is_arith(a->type));
	if (place) {
		x = a;
		y = b;
	} else if (a->type->kind == CXX_VOID && b->type->kind == CXX_VOID) {
		x = a;
		y = b;
	} else {
		TRY(scalar(p, a, &x));
		TRY(scalar(p, b, &y));
		const cxx_type *t = x->type;
		if (x->type->kind == CXX_PTR || y->type->kind == CXX_PTR) {
			TRY(alike(p, &x, &y));
			t = x->type->kind == CXX_PTR ? x->type : y->type;
			if (cxx_type_is_float(x->type) || cxx_type_is_float(y->type))
				return conflict(p, b);
		} else if (x->type->kind == CXX_MEMBER || y->type->kind == CXX_MEMBER) {
			if (x->type->kind != y->type->kind)
				return conflict(p, b);
		} else if (!cxx_type_same(x->type, y->type)) {
			t = common(p, x, y);
		}
		TRY(convert(p, x, t, &x));
		TRY(convert(p, y, t, &y));
	}
	TRY(cxx_build_node(p, N_COND, x->type, x, y, c->begin, b->end, ret));
	if (c->depth + 1u > CXX_DEPTH_MAX)
		return cxx_p_fail(p, ERR_LIMIT, "Expression too long at", c);
	if (c->depth >= (*ret)->depth)
		(*ret)->depth = (uint16_t)(c->depth + 1u);
	(*ret)->c = c;
	(*ret)->lvalue = place;
	return ERR_OK;
}

err cxx_build_assign(parser *p, cxx_op op, node *a, node *b, node **ret)
{
	const cxx_type *work = NULL;
	uint64_t scale = 0;
	node *v;
	if (!a->lvalue)
		return not_assignable(p, a);
	if (a->type->kind == CXX_ARRAY || a->type->kind == CXX_FUNC || a->type->kind == CXX_NONE)
		return conflict(p, a);
	if (op == OP_NONE) {
		TRY(implicit(p, b, a->type, &v));
	} else {
		TRY(scalar(p, b, &v));
		if (a->type->kind == CXX_PTR) {
			if ((op != OP_ADD && op != OP_SUB) || !cxx_type_is_int(v->type))
				return conflict(p, b);
			TRY(scale_of(p, a, &scale));
		} else if (!cxx_type_is_arith(a->type) || !cxx_type_is_arith(v->type)) {
			return conflict(p, cxx_type_is_arith(a->type) ? b : a);
		} else {
			bool shifts = op == OP_SHL || op == OP_SHR;
			bool whole = shifts || op == OP_MOD || op == OP_AND || op == OP_OR ||
				     op == OP_XOR;
			work = shifts ? promoted(p, a) : common(p, a, v);
			if (whole && (cxx_type_is_float(work) || cxx_type_is_float(v->type)))
				return conflict(p, b);
			TRY(convert(p, v, shifts ? promoted(p, v) : work, &v));
		}
	}
	TRY(cxx_build_node(p, N_ASSIGN, a->type, a, v, a->begin, b->end, ret));
	(*ret)->op = (uint8_t)op;
	(*ret)->work = work;
	(*ret)->value = scale;
	(*ret)->lvalue = true;
	(*ret)->bit_pos = a->bit_pos;
	(*ret)->bit_len = a->bit_len;
	return ERR_OK;
}

/* ---- postfix ---- */

err cxx_build_index(parser *p, node *a, node *i, size_t end, node **ret)
{
	node *x, *y, *sum;
	size_t begin = a->begin;
	/* A known element of an array that may lie in no memory. */
	if (a->type->kind == CXX_ARRAY && a->lvalue && i->kind == N_CONST &&
		cxx_type_is_int(i->type)) {
		const cxx_type *el = elem_of(p, a->type);
		if (el->size) {
			TRY(cxx_build_node(p, N_FIELD, el, a, NULL, begin, end, ret));
			(*ret)->value = (uint64_t)i->n.i * el->size;
			return cxx_build_lvalue(p, *ret, ret);
		}
	}
	TRY(cxx_build_value(p, a, &x));
	TRY(cxx_build_value(p, i, &y));
	bool swapped = x->type->kind != CXX_PTR && y->type->kind == CXX_PTR;
	if (!swapped && x->type->kind != CXX_PTR)
		return cxx_p_fail(p, ERR_SYNTAX, "Pointer or array expected error at", a);
	TRY(pointer_add(p, OP_ADD, swapped ? y : x, swapped ? x : y, begin, end, &sum));
	TRY(cxx_build_node(p, N_DEREF, elem_of(p, sum->type), sum, NULL, begin, end, ret));
	(*ret)->lvalue = true;
	return ERR_OK;
}

err cxx_build_field(parser *p, node *n, str name, size_t name_at, size_t end, node **ret)
{
	cxx_field f = {0};
	const cxx_type *t;
	if (n->type->kind != CXX_STRUCT)
		return cxx_fail(p->text, p->d, ERR_SYNTAX, name_at, end,
			"Type does not have given member error at");
	if (n->type->forward)
		return cxx_p_fail(p, ERR_NOTFOUND, "Type is declared but not defined error at", n);
	err e = p->env->field ? p->env->field(p->env->u, n->type->h, name, &f) : ERR_NOTFOUND;
	if (e == ERR_NOTFOUND || e == ERR_ARG || e == ERR_SYNTAX)
		return cxx_fail(p->text, p->d, ERR_NOTFOUND, name_at, end,
			"Type does not have given member error at");
	TRY(e);
	TRY(cxx_type_of(p->env, p->a, f.type, &t));
	if (f.is_const && cxx_type_is_arith(t))
		return cxx_build_const(p, t, cxx_num_wrap(t, f.addr), n->begin, end, ret);
	if (f.is_static) {
		if (!f.addr || f.is_const)
			return cxx_fail(p->text, p->d, ERR_NOTFOUND, name_at, end,
				"Couldn't resolve error at");
		TRY(cxx_build_node(p, N_MEM, t, NULL, NULL, n->begin, end, ret));
		(*ret)->value = f.addr;
		return cxx_build_lvalue(p, *ret, ret);
	}
	if (!n->lvalue)
		return conflict(p, n);
	if (f.bit_len && (f.bit_len > 64 || f.bit_pos + f.bit_len > 128))
		return cxx_fail(
			p->text, p->d, ERR_CORRUPT, name_at, end, "Bit field is damaged error at");
	TRY(hops(p, n, n->type, &f.path, end, &n));
	TRY(cxx_build_node(p, N_FIELD, t, n, NULL, n->begin, end, ret));
	(*ret)->value = f.path.offset;
	(*ret)->bit_pos = f.bit_pos;
	(*ret)->bit_len = f.bit_len;
	return cxx_build_lvalue(p, *ret, ret);
}

err cxx_build_sizeof(parser *p, const cxx_type *t, size_t begin, size_t end, node **ret)
{
	if (t->kind == CXX_REF)
		t = elem_of(p, t);
	if (!t->size || t->kind == CXX_NONE || t->kind == CXX_VOID || t->kind == CXX_FUNC ||
		t->forward)
		return cxx_fail(p->text, p->d, ERR_SYNTAX, begin, end, "Type has no size error at");
	return cxx_build_const(p,
		cxx_type_basic(p->env, p->env->ptr_size == 4 ? CXX_UINT : CXX_UINT64), t->size,
		begin, end, ret);
}
