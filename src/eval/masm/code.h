/*
 * code: what the MASM compiler hands to the runner: a flat program for a small stack machine.
 *
 * Private to src/eval/masm. Invariants: the program leaves exactly one value; it never needs more
 * than MASM_STACK_MAX slots (the compiler counted); every name and range lies in the same arena.
 */
#ifndef RS_EVAL_MASM_CODE_H
#define RS_EVAL_MASM_CODE_H

#include "eval/masm.h"

enum {
	MASM_STACK_MAX = 128, /* slots of the running program */
	MASM_OPS_MAX = 4096,  /* instructions of one expression */
	MASM_DEPTH_MAX =
		64, /* parentheses, brackets, unary operators and calls inside each other */
	MASM_TEXT_MAX = 65536,
};

typedef enum masm_opcode {
	OP_CONST, /* push value */
	OP_REG,	  /* push register `name` (or slot `value` if value is not 0) */
	OP_READ,  /* n bytes at the top, virtual */
	OP_PREAD, /* n bytes at the top, physical */
	OP_NEG,
	OP_NOT,
	OP_HI,
	OP_LOW,
	OP_ADD,
	OP_SUB,
	OP_MUL,
	OP_DIV,
	OP_MOD,
	OP_SHL,
	OP_SHR,
	OP_SAR,
	OP_EQ,
	OP_NE,
	OP_LT,
	OP_GT,
	OP_LE,
	OP_GE,
	OP_AND,
	OP_XOR,
	OP_OR,
	OP_FNSUCC, /* three values */
	OP_IMENT,  /* one */
	OP_VVALID, /* two */
	OP_CXX, /* push the value of the C++ expression `name`, which starts at `value` in text */
} masm_opcode;

typedef struct masm_op {
	uint8_t op, n;
	uint32_t begin, end; /* what to show when it fails, in masm_code.text */
	uint64_t value;
	str name;
} masm_op;

struct masm_code {
	str text;
	size_t n_ops;
	masm_op *ops;
};

/* The result of a binary operation; false for division by zero. */
bool masm_apply(masm_opcode op, uint64_t a, uint64_t b, uint64_t *ret);
uint64_t masm_apply_unary(masm_opcode op, uint64_t a);
/* "WHAT at 'rest of text from begin'" with the range. */
err masm_fail(str text, diag *d, err e, const char *what, size_t begin, size_t end);

#endif
