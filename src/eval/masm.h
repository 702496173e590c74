/*
 * masm: the MASM expression evaluator (spec 5). Parses once into a masm_code, runs it as often as
 * needed without allocating or looking a symbol up again. Knows nothing of targets: everything comes
 * from the environment table.
 */
#ifndef RS_EVAL_MASM_H
#define RS_EVAL_MASM_H

#include "base/str.h"

typedef struct masm_env {
	void *u;
	unsigned radix;	   /* 8, 10 or 16 */
	unsigned ptr_size; /* 4 or 8 */
	bool kernel;	   /* sign extension of 32-bit constants without a grave accent */
	/* Symbol to address. ERR_NOTFOUND lets the parser try other readings. */
	err (*symbol)(void *u, str name, uint64_t *ret, diag *d);
	/* Register or pseudo-register without @ ("rax", "$t0", "$ip", "."); is it one? */
	bool (*is_reg)(void *u, str name);
	err (*reg)(void *u, str name, uint64_t *ret, diag *d);
	/* n 1 2 4 8; phys for $p.. operators. */
	err (*read)(void *u, bool phys, uint64_t addr, void *buf, size_t n, diag *d);
	/* `file:line`; module and file may be empty; line 0: none given. */
	err (*line)(void *u, str module, str file, uint32_t line, uint64_t *ret, diag *d);
	/* @@c++( ... ): NULL if there is no such evaluator. */
	err (*cxx)(void *u, str expr, uint64_t *ret, diag *d);
	err (*fnsucc)(void *u, uint64_t fn, uint64_t ret_value, uint64_t flag, uint64_t *ret, diag *d);
	err (*entry)(void *u, uint64_t base, uint64_t *ret, diag *d); /* $iment */
	bool (*valid)(void *u, uint64_t addr, uint64_t n);	       /* $vvalid */
} masm_env;

typedef struct masm_code masm_code; /* lives in the arena it was compiled into */

/*
 * Parses the longest expression at the start of text and stops, without error, before what cannot
 * continue it (a blank followed by a new operand, a comma, "L10" of a range ...); *used is its
 * length. Errors carry a range (diag.src_begin/end).
 */
err masm_compile(const masm_env *env, arena *a, str text, size_t *used, masm_code **ret, diag *d)
	MUST_CHECK;
/* Division by zero: "Operand error". Memory errors: "Memory access error". */
err masm_run(const masm_code *c, const masm_env *env, uint64_t *ret, diag *d) MUST_CHECK;
/* Both in one; the whole of text must be used unless used is given. */
err masm_eval(const masm_env *env, str text, size_t *used, uint64_t *ret, diag *d) MUST_CHECK;
/* True if the code reads nothing but constants and registers (no memory, no symbols left). */
bool masm_is_register_only(const masm_code *c);

#endif
