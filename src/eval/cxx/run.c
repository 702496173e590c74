/*
 * run: values and places of a tree. Reads and writes registers and memory through the environment;
 * allocates nothing, looks no name up. Refuses to know how text became a tree.
 *
 * An lvalue is run as a place exactly once, so side effects happen once.
 */
#include "eval/cxx/tree.h"

#include "base/half.h"

typedef enum place_kind { IN_MEMORY, IN_REG, IN_BYTES } place_kind;

typedef struct place {
	place_kind where;
	uint64_t addr; /* in memory; else the byte in the register or in the runner's bytes */
	cxx_reg reg;
} place;

typedef struct runner {
	const cxx_code *c;
	const cxx_env *env;
	diag *d;
	/* The last place that was only bytes: it is read before another one is asked for. */
	uint8_t bytes[CXX_RAW_MAX];
	bool lost[CXX_RAW_MAX];
	size_t n_bytes;
} runner;

static err value_of(runner *r, const node *n, num *ret);
static err place_of(runner *r, const node *n, place *ret);

/* ---- numbers ---- */

cxx_u128 cxx_num_wrap(const cxx_type *t, cxx_u128 v)
{
	if (t->kind == CXX_BOOL)
		return v != 0;
	if (!t->size || t->size >= 16)
		return v;
	unsigned shift = 128 - 8 * (unsigned)t->size;
	v <<= shift;
	if (t->is_unsigned)
		return v >> shift;
	return (cxx_u128)((cxx_i128)v >> shift);
}

static cxx_u128 bytes_u128(const uint8_t raw[16])
{
	return (cxx_u128)le64(raw) | (cxx_u128)le64(raw + 8) << 64;
}

static bool is_bfloat(const cxx_type *t)
{
	return str_find(t->name, STR("bf")) != SIZE_MAX;
}

num cxx_num_load(const cxx_type *t, const uint8_t raw[16])
{
	num v = {0};
	if (t->kind == CXX_FLOAT && t->size == 2) {
		v.f = (long double)(is_bfloat(t) ? bfloat_get(le16(raw)) : half_get(le16(raw)));
	} else if (t->kind == CXX_FLOAT) {
		float f;
		uint32_t bits = le32(raw);
		memcpy(&f, &bits, 4);
		v.f = (long double)f;
	} else if (t->kind == CXX_DOUBLE) {
		double f;
		uint64_t bits = le64(raw);
		memcpy(&f, &bits, 8);
		v.f = (long double)f;
	} else if (t->kind == CXX_LDOUBLE) {
		/* x87 extended: 64 bits of mantissa, sign and exponent in 16 */
		memcpy(&v.f, raw, 10);
	} else {
		v.i = cxx_num_wrap(t, bytes_u128(raw));
	}
	return v;
}

static void num_store(const cxx_type *t, num v, uint8_t raw[16])
{
	memset(raw, 0, 16);
	if (t->kind == CXX_FLOAT && t->size == 2) {
		put16(raw, is_bfloat(t) ? bfloat_put((double)v.f) : half_put((double)v.f));
	} else if (t->kind == CXX_FLOAT) {
		float f = (float)v.f;
		uint32_t bits;
		memcpy(&bits, &f, 4);
		put32(raw, bits);
	} else if (t->kind == CXX_DOUBLE) {
		double f = (double)v.f;
		uint64_t bits;
		memcpy(&bits, &f, 8);
		put64(raw, bits);
	} else if (t->kind == CXX_LDOUBLE) {
		memcpy(raw, &v.f, 10);
	} else {
		put64(raw, (uint64_t)v.i);
		put64(raw + 8, (uint64_t)(v.i >> 64));
	}
}

static long double rounded(const cxx_type *t, long double f)
{
	if (t->kind == CXX_FLOAT && t->size == 2) {
		uint8_t raw[16];
		num v = {.f = f};
		num_store(t, v, raw);
		return cxx_num_load(t, raw).f;
	}
	return t->kind == CXX_FLOAT    ? (long double)(float)f
	       : t->kind == CXX_DOUBLE ? (long double)(double)f
				       : f;
}

num cxx_num_convert(num v, const cxx_type *from, const cxx_type *to)
{
	num r = {0};
	if (cxx_type_is_float(to)) {
		if (!cxx_type_is_float(from))
			v.f = from->is_unsigned ? (long double)v.i : (long double)(cxx_i128)v.i;
		r.f = rounded(to, v.f);
		return r;
	}
	if (!cxx_type_is_float(from)) {
		/* a pointer to a data member is nothing if it is -1 */
		bool offset = from->kind == CXX_MEMBER && from->size <= 8 &&
			      !(from->elem && from->elem->kind == CXX_FUNC);
		r.i = cxx_num_wrap(to, offset && to->kind == CXX_BOOL
					       ? v.i != cxx_num_wrap(from, ~(cxx_u128)0)
					       : v.i);
		return r;
	}
	if (to->kind == CXX_BOOL) {
		r.i = v.f != 0;
		return r;
	}
	/* Out of range is undefined in C++: here the smallest number, as processors do it. */
	if (v.f > -0x1p126L && v.f < 0x1p126L)
		r.i = cxx_num_wrap(to, (cxx_u128)(cxx_i128)v.f);
	else
		r.i = cxx_num_wrap(to, (cxx_u128)1 << (8 * to->size - 1));
	return r;
}

static bool compare(cxx_op op, int order)
{
	switch (op) {
	case OP_EQ:
		return order == 0;
	case OP_NE:
		return order != 0;
	case OP_LT:
		return order < 0;
	case OP_GT:
		return order == 1;
	case OP_LE:
		return order < 0 || order == 0;
	default:
		return order == 0 || order == 1;
	}
}

/* -1, 0, 1; 2 if one is no number: then only != holds. */
static int order_of(const cxx_type *t, num a, num b)
{
	if (cxx_type_is_float(t))
		return a.f < b.f ? -1 : a.f > b.f ? 1 : a.f == b.f ? 0 : 2;
	if (t->is_unsigned)
		return a.i < b.i ? -1 : a.i > b.i;
	return (cxx_i128)a.i < (cxx_i128)b.i ? -1 : (cxx_i128)a.i > (cxx_i128)b.i;
}

static bool divide(const cxx_type *t, cxx_op op, num a, num b, num *ret)
{
	if (!b.i)
		return false;
	if (t->is_unsigned)
		ret->i = op == OP_DIV ? a.i / b.i : a.i % b.i;
	else if (b.i == ~(cxx_u128)0) /* the smallest by -1 does not fit */
		ret->i = op == OP_DIV ? 0 - a.i : 0;
	else
		ret->i = (cxx_u128)(op == OP_DIV ? (cxx_i128)a.i / (cxx_i128)b.i
						 : (cxx_i128)a.i % (cxx_i128)b.i);
	ret->i = cxx_num_wrap(t, ret->i);
	return true;
}

/* Both are of type t; so is the result. False: division by zero. */
static bool arith(const cxx_type *t, cxx_op op, num a, num b, num *ret)
{
	*ret = (num){0};
	if (cxx_type_is_float(t)) {
		ret->f = rounded(t, op == OP_ADD   ? a.f + b.f
				    : op == OP_SUB ? a.f - b.f
				    : op == OP_MUL ? a.f * b.f
						   : a.f / b.f);
		return op != OP_DIV || b.f != 0;
	}
	switch (op) {
	case OP_ADD:
		ret->i = a.i + b.i;
		break;
	case OP_SUB:
		ret->i = a.i - b.i;
		break;
	case OP_MUL:
		ret->i = a.i * b.i;
		break;
	case OP_AND:
		ret->i = a.i & b.i;
		break;
	case OP_OR:
		ret->i = a.i | b.i;
		break;
	case OP_XOR:
		ret->i = a.i ^ b.i;
		break;
	default:
		return divide(t, op, a, b, ret);
	}
	ret->i = cxx_num_wrap(t, ret->i);
	return true;
}

/* Counts outside the width shift everything out. */
static num shifted(const cxx_type *t, cxx_op op, num a, num count)
{
	num r = {0};
	bool out = count.i >= 8 * t->size;
	bool negative = !t->is_unsigned && (cxx_i128)a.i < 0;
	if (op == OP_SHL)
		r.i = out ? 0 : a.i << (unsigned)count.i;
	else if (out)
		r.i = negative ? ~(cxx_u128)0 : 0;
	else
		r.i = negative ? (cxx_u128)((cxx_i128)a.i >> (unsigned)count.i)
			       : a.i >> (unsigned)count.i;
	r.i = cxx_num_wrap(t, r.i);
	return r;
}

/* ---- errors ---- */

static err fail(runner *r, const node *n, err e, const char *what)
{
	return cxx_fail(r->c->text, r->d, e, n->begin, n->end, what);
}

/* An environment that failed without words, or only could not reach memory, gets WinDbg's words. */
static err blame(runner *r, const node *n, err e, const char *what)
{
	if (r->d && r->d->code != ERR_OK && e != ERR_NOTFOUND && e != ERR_FAULT && r->d->text[0]) {
		r->d->src_begin = n->begin;
		r->d->src_end = n->end;
		return e;
	}
	return fail(r, n, e, what);
}

static err read_reg(runner *r, const node *n, const cxx_reg *reg, uint8_t raw[16])
{
	memset(raw, 0, 16);
	if (!r->env->reg_get)
		return fail(r, n, ERR_UNSUPPORTED, "Bad register error at");
	if (r->d)
		diag_clear(r->d);
	err e = r->env->reg_get(r->env->u, reg, raw, r->d);
	return e == ERR_OK ? e : blame(r, n, e, "Bad register error at");
}

/* ---- places ---- */

static uint64_t cut(const runner *r, uint64_t addr)
{
	return r->env->ptr_size == 4 ? (uint32_t)addr : addr;
}

/* Where the virtual base lies of what is at `at`. */
static err virtual_base(runner *r, const node *n, uint64_t at, uint64_t *ret)
{
	unsigned size = r->env->ptr_size;
	uint8_t raw[2][8] = {0};
	at = cut(r, at + n->hop.at);
	if (!r->env->read)
		return fail(r, n, ERR_FAULT, "Memory access error at");
	if (r->d)
		diag_clear(r->d);
	err e = r->env->read(r->env->u, at, raw[0], size, r->d);
	if (e == ERR_OK)
		e = r->env->read(r->env->u, cut(r, le64(raw[0]) + (uint64_t)n->hop.slot), raw[1],
			size, r->d);
	if (e != ERR_OK)
		return blame(r, n, e, "Memory access error at");
	*ret = cut(r, at + le64(raw[1]));
	return ERR_OK;
}

/* From a virtual base back to what it is a base of. */
static err derived(runner *r, const node *n, uint64_t at, uint64_t *ret)
{
	if (r->d)
		diag_clear(r->d);
	err e = r->env->derived(r->env->u, n->from, n->to, at, ret, r->d);
	return e == ERR_OK ? e : blame(r, n, e, "Cast from a virtual base error at");
}

static err read_bytes(runner *r, const node *n, const place *p, void *to, size_t size)
{
	uint8_t raw[16];
	size_t limit = p->where == IN_REG ? sizeof raw : r->n_bytes;
	if (p->where != IN_MEMORY) {
		if (p->addr > limit || size > limit - p->addr)
			return fail(r, n, ERR_FAULT, "Memory access error at");
		if (p->where == IN_REG)
			TRY(read_reg(r, n, &p->reg, raw));
		else if (memchr(r->lost + p->addr, true, size))
			return fail(r, n, ERR_NOTFOUND, "Value is not available here error at");
		memcpy(to, (p->where == IN_REG ? raw : r->bytes) + p->addr, size);
		return ERR_OK;
	}
	if (!r->env->read)
		return fail(r, n, ERR_FAULT, "Memory access error at");
	if (r->d)
		diag_clear(r->d);
	err e = r->env->read(r->env->u, p->addr, to, size, r->d);
	return e == ERR_OK ? e : blame(r, n, e, "Memory access error at");
}

static err write_bytes(runner *r, const node *n, const place *p, const void *from, size_t size)
{
	err e;
	uint8_t raw[16];
	if (p->where == IN_BYTES)
		return fail(r, n, ERR_STATE, "No place that can be written error at");
	if (p->where == IN_REG) {
		if (p->addr > 16 || size > 16 - p->addr || !r->env->reg_set)
			return fail(r, n, ERR_FAULT, "Memory access error at");
		TRY(read_reg(r, n, &p->reg, raw));
		memcpy(raw + p->addr, from, size);
		if (r->d)
			diag_clear(r->d);
		e = r->env->reg_set(r->env->u, &p->reg, raw, r->d);
		return e == ERR_OK ? e : blame(r, n, e, "Bad register error at");
	}
	if (!r->env->write)
		return fail(r, n, ERR_FAULT, "Memory access error at");
	if (r->d)
		diag_clear(r->d);
	e = r->env->write(r->env->u, p->addr, from, size, r->d);
	return e == ERR_OK ? e : blame(r, n, e, "Memory access error at");
}

/* The bytes that a bit field lies in: its word, or more if it goes beyond. */
static size_t bit_bytes(const node *n)
{
	size_t size = (size_t)n->type->size, need = (n->bit_pos + n->bit_len + 7u) / 8u;
	size = size < need || size > 16 ? need : size;
	return size <= 16 ? size : 16;
}

static num bits_of(const node *n, cxx_u128 word)
{
	num v = {0};
	unsigned shift = 128 - n->bit_len;
	cxx_u128 x = word >> n->bit_pos << shift;
	v.i = n->type->is_unsigned ? x >> shift : (cxx_u128)((cxx_i128)x >> shift);
	return v;
}

/* The value of scalar type at a place. */
static err load(runner *r, const node *n, const place *p, num *ret)
{
	uint8_t raw[16] = {0};
	if (n->bit_len) {
		TRY(read_bytes(r, n, p, raw, bit_bytes(n)));
		*ret = bits_of(n, bytes_u128(raw));
		return ERR_OK;
	}
	size_t size = (size_t)n->type->size;
	if (!size || size > 16)
		return fail(r, n, ERR_SYNTAX, "Type conflict error at");
	TRY(read_bytes(r, n, p, raw, n->type->kind == CXX_LDOUBLE && size > 10 ? 10 : size));
	*ret = cxx_num_load(n->type, raw);
	return ERR_OK;
}

/* Stores and gives back what stands there now (bit fields are cut). */
static err store(runner *r, const node *n, const place *p, num v, num *ret)
{
	uint8_t raw[16] = {0};
	size_t size = (size_t)n->type->size;
	*ret = v;
	if (n->bit_len) {
		size = bit_bytes(n);
		TRY(read_bytes(r, n, p, raw, size));
		cxx_u128 mask = (~(cxx_u128)0 >> (128 - n->bit_len)) << n->bit_pos;
		num word = {.i = (bytes_u128(raw) & ~mask) | (v.i << n->bit_pos & mask)};
		static const cxx_type whole = {
			.kind = CXX_UINT128, .is_unsigned = true, .size = 16};
		num_store(&whole, word, raw);
		*ret = bits_of(n, word.i);
	} else {
		num_store(n->type, v, raw);
		if (n->type->kind == CXX_LDOUBLE && size > 10)
			size = 10;
	}
	if (!size || size > 16)
		return fail(r, n, ERR_SYNTAX, "Type conflict error at");
	return write_bytes(r, n, p, raw, size);
}

static err copy(runner *r, const node *n, const place *to, const place *from, uint64_t size)
{
	uint8_t chunk[4096];
	if (size > CXX_COPY_MAX)
		return fail(r, n, ERR_LIMIT, "Structure is too large to be copied error at");
	for (uint64_t at = 0; at < size;) {
		size_t k = size - at < sizeof chunk ? (size_t)(size - at) : sizeof chunk;
		place f = *from, t = *to;
		f.addr += at;
		t.addr += at;
		TRY(read_bytes(r, n, &f, chunk, k));
		TRY(write_bytes(r, n, &t, chunk, k));
		at += k;
	}
	return ERR_OK;
}

/* Runs an assignment: the place that was written, and for scalars what stands there. */
static err assign(runner *r, const node *n, place *where, num *ret)
{
	num a, b;
	TRY(place_of(r, n->a, where));
	*ret = (num){0};
	if (n->type->kind == CXX_STRUCT) {
		place from;
		TRY(place_of(r, n->b, &from));
		return copy(r, n, where, &from, n->type->size);
	}
	TRY(value_of(r, n->b, &b));
	if (n->op == OP_NONE)
		return store(r, n->a, where, b, ret);
	TRY(load(r, n->a, where, &a));
	if (!n->work) { /* a pointer moves */
		cxx_u128 by = b.i * n->value;
		a.i = cxx_num_wrap(n->type, n->op == OP_ADD ? a.i + by : a.i - by);
		return store(r, n->a, where, a, ret);
	}
	num x = cxx_num_convert(a, n->type, n->work), v;
	if (n->op == OP_SHL || n->op == OP_SHR)
		v = shifted(n->work, (cxx_op)n->op, x, b);
	else if (!arith(n->work, (cxx_op)n->op, x, b, &v))
		return fail(r, n->b, ERR_ARG, "Divide by zero error at");
	return store(r, n->a, where, cxx_num_convert(v, n->work, n->type), ret);
}

/* ++ and --; *old is the value before. */
static err step(runner *r, const node *n, place *where, num *old, num *now)
{
	TRY(place_of(r, n->a, where));
	TRY(load(r, n->a, where, old));
	num v = *old;
	if (cxx_type_is_float(n->type))
		v.f = rounded(n->type, n->op == OP_ADD ? v.f + 1 : v.f - 1);
	else
		v.i = cxx_num_wrap(n->type, n->op == OP_ADD ? v.i + n->value : v.i - n->value);
	return store(r, n->a, where, v, now);
}

static err local_place(runner *r, const node *n, place *ret)
{
	cxx_place p = {0};
	if (!r->env->place)
		return fail(r, n, ERR_NOTFOUND, "Value is not available here error at");
	if (r->d)
		diag_clear(r->d);
	err e = r->env->place(r->env->u, n->text, &p, r->d);
	if (e != ERR_OK)
		return blame(r, n, e,
			e == ERR_FAULT ? "Memory access error at"
				       : "Value is not available here error at");
	ret->addr = p.addr;
	ret->reg = p.reg;
	if (p.where == CXX_AT_REG) {
		ret->where = IN_REG;
		ret->addr = 0;
	} else if (p.where == CXX_AT_CONST) {
		ret->where = IN_BYTES;
		ret->addr = 0;
		r->n_bytes = p.n < sizeof r->bytes ? p.n : sizeof r->bytes;
		memcpy(r->bytes, p.bytes, r->n_bytes);
		memcpy(r->lost, p.lost, r->n_bytes);
	}
	return ERR_OK;
}

static err place_of(runner *r, const node *n, place *ret)
{
	num v, old;
	*ret = (place){0};
	switch (n->kind) {
	case N_MEM:
		ret->addr = n->value;
		return ERR_OK;
	case N_NOWHERE:
		return fail(r, n, ERR_NOTFOUND, "Value is not available here error at");
	case N_REGVAR:
		ret->where = IN_REG;
		ret->reg = n->reg;
		return ERR_OK;
	case N_LOCAL:
		return local_place(r, n, ret);
	case N_REGREL: {
		uint8_t raw[16];
		TRY(read_reg(r, n, &n->reg, raw));
		ret->addr = cut(r, le64(raw) + n->value);
		return ERR_OK;
	}
	case N_DEREF:
		TRY(value_of(r, n->a, &v));
		ret->addr = (uint64_t)v.i;
		return ERR_OK;
	case N_FIELD:
		TRY(place_of(r, n->a, ret));
		ret->addr += n->value;
		if (ret->where == IN_MEMORY)
			ret->addr = cut(r, ret->addr);
		return ERR_OK;
	case N_VBASE:
		TRY(place_of(r, n->a, ret));
		if (ret->where != IN_MEMORY)
			return fail(
				r, n, ERR_UNSUPPORTED, "No address: it is in a register; error at");
		return virtual_base(r, n, ret->addr, &ret->addr);
	case N_DERIVED:
		TRY(place_of(r, n->a, ret));
		if (ret->where != IN_MEMORY)
			return fail(
				r, n, ERR_UNSUPPORTED, "No address: it is in a register; error at");
		return derived(r, n, ret->addr, &ret->addr);
	case N_MEMBER:
		TRY(value_of(r, n->b, &v));
		TRY(place_of(r, n->a, ret));
		ret->addr += (uint64_t)v.i;
		return ERR_OK;
	case N_COND:
		TRY(value_of(r, n->c, &v));
		return place_of(r, v.i ? n->a : n->b, ret);
	case N_COMMA: {
		place unused;
		if (cxx_type_is_scalar(n->a->type))
			TRY(value_of(r, n->a, &v));
		else if (n->a->lvalue)
			TRY(place_of(r, n->a, &unused));
		return place_of(r, n->b, ret);
	}
	case N_ASSIGN:
		return assign(r, n, ret, &v);
	case N_STEP:
		return step(r, n, ret, &old, &v);
	default:
		return fail(r, n, ERR_SYNTAX, "Lvalue expected error at");
	}
}

/* ---- values ---- */

static err run_masm(runner *r, const node *n, num *ret)
{
	uint64_t v = 0;
	if (!r->env->masm)
		return fail(r, n, ERR_UNSUPPORTED, "Operand error at");
	if (r->d)
		diag_clear(r->d);
	err e = r->env->masm(r->env->u, n->text, &v, r->d);
	if (e != ERR_OK) {
		if (r->d && r->d->text[0]) {
			r->d->src_begin = n->begin;
			r->d->src_end = n->end;
			return e;
		}
		return fail(r, n, e, "Operand error at");
	}
	ret->i = v;
	return ERR_OK;
}

static err run_two(runner *r, const node *n, num *ret)
{
	num a, b;
	TRY(value_of(r, n->a, &a));
	TRY(value_of(r, n->b, &b));
	*ret = (num){0};
	switch (n->kind) {
	case N_SHIFT:
		*ret = shifted(n->type, (cxx_op)n->op, a, b);
		return ERR_OK;
	case N_PTRADD: {
		cxx_u128 by = b.i * n->value;
		ret->i = cxx_num_wrap(n->type, n->op == OP_ADD ? a.i + by : a.i - by);
		return ERR_OK;
	}
	case N_PTRDIFF: {
		/* in the width of addresses, so that it may be negative */
		int64_t bytes = r->env->ptr_size == 4 ? (int32_t)((uint32_t)a.i - (uint32_t)b.i)
						      : (int64_t)((uint64_t)a.i - (uint64_t)b.i);
		ret->i = (cxx_u128)((cxx_i128)bytes / (cxx_i128)n->value);
		return ERR_OK;
	}
	default:
		if (n->op >= OP_EQ && n->op <= OP_GE) {
			ret->i = compare((cxx_op)n->op, order_of(n->a->type, a, b));
			return ERR_OK;
		}
		if (!arith(n->type, (cxx_op)n->op, a, b, ret))
			return fail(r, n->b, ERR_ARG, "Divide by zero error at");
		return ERR_OK;
	}
}

static err run_convert(runner *r, const node *n, num *ret)
{
	num v;
	place unused;
	*ret = (num){0};
	if (n->type->kind == CXX_VOID) {
		if (cxx_type_is_scalar(n->a->type))
			return value_of(r, n->a, &v);
		return n->a->lvalue ? place_of(r, n->a, &unused) : ERR_OK;
	}
	TRY(value_of(r, n->a, &v));
	*ret = cxx_num_convert(v, n->a->type, n->type);
	return ERR_OK;
}

static err run_pair(runner *r, const node *n, num *ret)
{
	num v;
	place unused;
	switch (n->kind) {
	case N_AND:
	case N_OR:
		TRY(value_of(r, n->a, ret));
		if ((ret->i != 0) == (n->kind == N_OR))
			return ERR_OK;
		return value_of(r, n->b, ret);
	case N_COND:
		TRY(value_of(r, n->c, &v));
		return value_of(r, v.i ? n->a : n->b, ret);
	default: /* N_COMMA */
		if (cxx_type_is_scalar(n->a->type))
			TRY(value_of(r, n->a, &v));
		else if (n->a->lvalue)
			TRY(place_of(r, n->a, &unused));
		return value_of(r, n->b, ret);
	}
}

static err value_of(runner *r, const node *n, num *ret)
{
	place p;
	num old;
	*ret = (num){0};
	switch (n->kind) {
	case N_CONST:
		*ret = n->n;
		return ERR_OK;
	case N_REG: {
		uint8_t raw[16];
		TRY(read_reg(r, n, &n->reg, raw));
		*ret = cxx_num_load(n->type, raw);
		return ERR_OK;
	}
	case N_MASM:
		return run_masm(r, n, ret);
	case N_ADDR:
		TRY(place_of(r, n->a, &p));
		if (p.where != IN_MEMORY)
			return fail(r, n, ERR_SYNTAX, "No address: it is in a register; error at");
		ret->i = cut(r, p.addr);
		return ERR_OK;
	case N_CONVERT:
		return run_convert(r, n, ret);
	case N_ADJUST:
		TRY(value_of(r, n->a, ret));
		if (ret->i)
			ret->i = cxx_num_wrap(n->type, ret->i + n->value);
		return ERR_OK;
	case N_VBASE: {
		uint64_t at;
		TRY(value_of(r, n->a, ret));
		if (!ret->i)
			return ERR_OK;
		TRY(virtual_base(r, n, (uint64_t)ret->i, &at));
		ret->i = at;
		return ERR_OK;
	}
	case N_DERIVED: {
		uint64_t at;
		TRY(value_of(r, n->a, ret));
		if (!ret->i)
			return ERR_OK;
		TRY(derived(r, n, (uint64_t)ret->i, &at));
		ret->i = at;
		return ERR_OK;
	}
	case N_NEG:
		TRY(value_of(r, n->a, ret));
		*ret = (num){cxx_num_wrap(n->type, 0 - ret->i), -ret->f};
		return ERR_OK;
	case N_NOT:
		TRY(value_of(r, n->a, ret));
		ret->i = !ret->i;
		return ERR_OK;
	case N_COMPL:
		TRY(value_of(r, n->a, ret));
		ret->i = cxx_num_wrap(n->type, ~ret->i);
		return ERR_OK;
	case N_BINARY:
	case N_SHIFT:
	case N_PTRADD:
	case N_PTRDIFF:
		return run_two(r, n, ret);
	case N_AND:
	case N_OR:
	case N_COND:
	case N_COMMA:
		return run_pair(r, n, ret);
	case N_ASSIGN:
		return assign(r, n, &p, ret);
	case N_STEP:
		TRY(step(r, n, &p, &old, ret));
		if (n->post)
			*ret = old;
		return ERR_OK;
	case N_STRING:
		return fail(r, n, ERR_SYNTAX, "Type conflict error at");
	default:
		TRY(place_of(r, n, &p));
		return load(r, n, &p, ret);
	}
}

/* ---- results ---- */

/* An lvalue keeps its place; what has more than a number's bytes is not read. */
static err place_result(runner *r, const node *n, cxx_value *v)
{
	place p;
	num x = {0};
	bool scalar = cxx_type_is_scalar(n->type), written = false;
	if (n->kind == N_ASSIGN && scalar) {
		TRY(assign(r, n, &p, &x));
		written = true;
	} else {
		TRY(place_of(r, n, &p));
	}
	v->lvalue = true;
	v->in_memory = p.where == IN_MEMORY;
	v->addr = v->in_memory ? p.addr : 0;
	v->bit_pos = n->bit_pos;
	v->bit_len = n->bit_len;
	if (scalar) {
		if (!written)
			TRY(load(r, n, &p, &x));
		num_store(n->type, x, v->raw);
		v->has_raw = true;
	} else if (!v->in_memory) {
		size_t limit = p.where == IN_REG ? 16 : r->n_bytes;
		size_t size = n->type->size < limit ? (size_t)n->type->size : limit;
		if (p.where == IN_BYTES && p.addr + size <= r->n_bytes) {
			/* as much of it as there is */
			memcpy(v->raw, r->bytes + p.addr, size);
			memcpy(v->lost, r->lost + p.addr, size);
		} else {
			TRY(read_bytes(r, n, &p, v->raw, size));
		}
		v->has_raw = true;
	}
	return ERR_OK;
}

err cxx_run(const cxx_code *c, const cxx_env *env, cxx_value *ret, diag *d)
{
	runner r = {.c = c, .env = env, .d = d};
	const node *n = c->root;
	cxx_value v = {.type = n->type};
	num x;
	if (n->kind == N_STRING) {
		v.text = n->text;
	} else if (n->type->kind == CXX_NONE) {
		return fail(&r, n, ERR_SYNTAX, "Type information missing error at");
	} else if (n->lvalue) {
		TRY(place_result(&r, n, &v));
	} else {
		TRY(value_of(&r, n, &x));
		num_store(n->type, x, v.raw);
		v.has_raw = n->type->kind != CXX_VOID;
	}
	*ret = v;
	return ERR_OK;
}

static cxx_u128 wide_of(const cxx_value *v)
{
	return cxx_num_wrap(v->type, bytes_u128(v->raw));
}

int64_t cxx_value_signed(const cxx_value *v)
{
	return (int64_t)cxx_value_unsigned(v);
}

uint64_t cxx_value_unsigned(const cxx_value *v)
{
	return (uint64_t)wide_of(v);
}

long double cxx_value_real(const cxx_value *v)
{
	return cxx_num_load(v->type, v->raw).f;
}

err cxx_value_int(const cxx_value *v, uint64_t *ret, diag *d)
{
	static const cxx_type wide = {.kind = CXX_INT64, .size = 8};
	const cxx_type *t = v->type;
	if (v->text.p || t->kind == CXX_VOID || t->kind == CXX_STRUCT || t->kind == CXX_NONE)
		return diag_set(d, ERR_SYNTAX,
			"Type conflict error: the result is no number and no address");
	if (t->kind == CXX_ARRAY || t->kind == CXX_FUNC) {
		if (!v->in_memory)
			return diag_set(d, ERR_SYNTAX,
				"Type conflict error: the result is no number and no address");
		*ret = v->addr;
	} else if (cxx_type_is_float(t)) {
		*ret = (uint64_t)cxx_num_convert(cxx_num_load(t, v->raw), t, &wide).i;
	} else {
		*ret = (uint64_t)wide_of(v);
	}
	return ERR_OK;
}
