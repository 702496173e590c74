/*
 * run: the stack machine behind masm_run. Reads registers and memory through the environment at the
 * moment it runs; allocates nothing, looks no symbol up. Refuses to know how text became a program.
 */
#include "eval/masm/code.h"

#include "base/reader.h"

err masm_fail(str text, diag *d, err e, const char *what, size_t begin, size_t end)
{
	if (!d)
		return e;
	str rest = str_trim(str_skip(text, begin));
	if (!rest.n)
		return diag_set_at(d, e, begin, begin, "%s '<EOL>'", what);
	return diag_set_at(d, e, begin, end > begin ? end : begin + 1, "%s '%.*s'", what,
		(int)(rest.n < 400 ? rest.n : 400), rest.p);
}

bool masm_apply(masm_opcode op, uint64_t a, uint64_t b, uint64_t *ret)
{
	switch (op) {
	case OP_ADD:
		*ret = a + b;
		return true;
	case OP_SUB:
		*ret = a - b;
		return true;
	case OP_MUL:
		*ret = a * b;
		return true;
	case OP_DIV:
		if (!b)
			return false;
		*ret = a / b;
		return true;
	case OP_MOD:
		if (!b)
			return false;
		*ret = a % b;
		return true;
	/* A count past the width shifts everything out instead of wrapping round. */
	case OP_SHL:
		*ret = b < 64 ? a << b : 0;
		return true;
	case OP_SHR:
		*ret = b < 64 ? a >> b : 0;
		return true;
	case OP_SAR: {
		uint64_t fill = a >> 63 ? ~UINT64_C(0) : 0;
		*ret = b >= 64 ? fill : b ? a >> b | fill << (64 - b) : a;
		return true;
	}
	case OP_EQ:
		*ret = a == b;
		return true;
	case OP_NE:
		*ret = a != b;
		return true;
	case OP_LT:
		*ret = a < b;
		return true;
	case OP_GT:
		*ret = a > b;
		return true;
	case OP_LE:
		*ret = a <= b;
		return true;
	case OP_GE:
		*ret = a >= b;
		return true;
	case OP_AND:
		*ret = a & b;
		return true;
	case OP_XOR:
		*ret = a ^ b;
		return true;
	case OP_OR:
		*ret = a | b;
		return true;
	default:
		return false;
	}
}

uint64_t masm_apply_unary(masm_opcode op, uint64_t a)
{
	switch (op) {
	case OP_NEG:
		return 0 - a;
	case OP_NOT:
		return !a;
	case OP_HI:
		return a >> 16 & 0xffff;
	default:
		return a & 0xffff; /* OP_LOW */
	}
}

/* An environment that failed without words gets WinDbg's. */
static err blame(const masm_code *c, const masm_op *op, diag *d, err e, const char *what)
{
	if (d && d->code != ERR_OK && e != ERR_NOTFOUND && e != ERR_FAULT && d->text[0]) {
		d->src_begin = op->begin;
		d->src_end = op->end;
		return e;
	}
	return masm_fail(c->text, d, e, what, op->begin, op->end);
}

static err run_read(
	const masm_code *c, const masm_op *op, const masm_env *env, uint64_t *top, diag *d)
{
	uint8_t bytes[8] = {0};
	if (!env->read)
		return masm_fail(
			c->text, d, ERR_UNSUPPORTED, "Memory access error at", op->begin, op->end);
	if (d)
		diag_clear(d);
	err e = env->read(env->u, op->op == OP_PREAD, *top, bytes, op->n, d);
	if (e != ERR_OK)
		return blame(c, op, d, e, "Memory access error at");
	*top = le_get(bytes, op->n);
	return ERR_OK;
}

static err run_reg(
	const masm_code *c, const masm_op *op, const masm_env *env, uint64_t *ret, diag *d)
{
	if (d)
		diag_clear(d);
	err e = op->value && env->reg_slot ? env->reg_slot(env->u, (uint32_t)op->value, ret, d)
					   : env->reg(env->u, op->name, ret, d);
	if (e == ERR_OK)
		return ERR_OK;
	if (e == ERR_CANCELLED || e == ERR_DEAD || e == ERR_TIMEOUT)
		return blame(c, op, d, e, "Bad register error at");
	return masm_fail(c->text, d, e, "Bad register error at", op->begin, op->end);
}

/* The operators that ask the environment; s is the stack, *sp its height. */
static err run_call(const masm_code *c, const masm_op *op, const masm_env *env, uint64_t *s,
	unsigned *sp, diag *d)
{
	uint64_t v = 0;
	err e = ERR_UNSUPPORTED;

	if (d)
		diag_clear(d);
	switch (op->op) {
	case OP_FNSUCC:
		*sp -= 2;
		if (env->fnsucc)
			e = env->fnsucc(env->u, s[*sp - 1], s[*sp], s[*sp + 1], &v, d);
		break;
	case OP_IMENT:
		if (env->entry)
			e = env->entry(env->u, s[*sp - 1], &v, d);
		break;
	case OP_VVALID:
		*sp -= 1;
		if (env->valid) {
			v = env->valid(env->u, s[*sp - 1], s[*sp]);
			e = ERR_OK;
		}
		break;
	default: /* OP_CXX */
		++*sp;
		if (env->cxx)
			e = env->cxx(env->u, op->name, &v, d);
		else
			return diag_set_at(d, ERR_UNSUPPORTED, op->begin, op->end,
				"C++ expressions are not supported here: '%.*s'",
				(int)(op->name.n < 200 ? op->name.n : 200), op->name.p);
		break;
	}
	if (e != ERR_OK && op->op == OP_CXX && d && d->text[0]) {
		/* Its words and place are about its own text. */
		d->src_begin += (size_t)op->value;
		d->src_end += (size_t)op->value;
		return e;
	}
	if (e != ERR_OK)
		return blame(c, op, d, e,
			op->op == OP_IMENT ? "Memory access error at" : "Operand error at");
	s[*sp - 1] = v;
	return ERR_OK;
}

err masm_run(const masm_code *c, const masm_env *env, uint64_t *ret, diag *d)
{
	uint64_t s[MASM_STACK_MAX] = {0};
	unsigned sp = 0;

	for (size_t i = 0; i < c->n_ops; i++) {
		const masm_op *op = &c->ops[i];
		switch (op->op) {
		case OP_CONST:
			s[sp++] = op->value;
			break;
		case OP_REG:
			TRY(run_reg(c, op, env, &s[sp], d));
			sp++;
			break;
		case OP_READ:
		case OP_PREAD:
			TRY(run_read(c, op, env, &s[sp - 1], d));
			break;
		case OP_NEG:
		case OP_NOT:
		case OP_HI:
		case OP_LOW:
			s[sp - 1] = masm_apply_unary(op->op, s[sp - 1]);
			break;
		case OP_FNSUCC:
		case OP_IMENT:
		case OP_VVALID:
		case OP_CXX:
			TRY(run_call(c, op, env, s, &sp, d));
			break;
		default:
			sp--;
			if (!masm_apply(op->op, s[sp - 1], s[sp], &s[sp - 1]))
				return masm_fail(c->text, d, ERR_ARG, "Operand error at", op->begin,
					op->end);
			break;
		}
	}
	*ret = s[0];
	return ERR_OK;
}
