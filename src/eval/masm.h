/*
 * masm: the MASM expression evaluator (documentation: "MASM Numbers and Operators"). Parses once
 * into a masm_code, runs it as often as needed without allocating or looking a symbol up again.
 * Knows nothing of targets: everything comes from the environment table.
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
	/* The name may be module!name, name, $!name (locals only) or any text from @!"...". */
	err (*symbol)(void *u, str name, uint64_t *ret, diag *d);
	/* Register or pseudo-register without @ ("rax", "$t0", "$ip", "."); is it one? */
	bool (*is_reg)(void *u, str name);
	/* A 32-bit register comes sign extended: only this side knows its width. */
	err (*reg)(void *u, str name, uint64_t *ret, diag *d);
	/* n 1 2 4 8; phys for $p.. operators. */
	err (*read)(void *u, bool phys, uint64_t addr, void *buf, size_t n, diag *d);
	/* `file:line`; module and file may be empty; line 0: none given. */
	err (*line)(void *u, str module, str file, uint32_t line, uint64_t *ret, diag *d);
	/* @@c++( ... ): NULL if there is no such evaluator. */
	err (*cxx)(void *u, str expr, uint64_t *ret, diag *d);
	/* The default evaluator is the C++ one (.expr /s c++): a whole text is C++ unless it is
	 * inside @@( ) or @@masm( ). cxx_prefix tells how long the C++ expression at the start of
	 * text is. */
	bool cxx_default;
	err (*cxx_prefix)(void *u, str text, size_t *used, diag *d);
	err (*fnsucc)(
		void *u, uint64_t fn, uint64_t ret_value, uint64_t flag, uint64_t *ret, diag *d);
	err (*entry)(void *u, uint64_t base, uint64_t *ret, diag *d); /* $iment */
	bool (*valid)(void *u, uint64_t addr, uint64_t n);	      /* $vvalid */
	/* Optional: a number (not 0) for a register, so that running code need not compare names.
	 */
	uint32_t (*reg_bind)(void *u, str name);
	err (*reg_slot)(void *u, uint32_t slot, uint64_t *ret, diag *d);
	char suffix; /* `ss`: 'a' or 'w' is tried behind a name that is not found; 0: no */
} masm_env;

typedef struct masm_code masm_code; /* lives in the arena it was compiled into */

/*
 * Parses the longest expression at the start of text and stops, without error, before what cannot
 * continue it (a blank followed by a new operand, a comma, "L10" of a range ...); *used is its
 * length. Errors carry a range (diag.src_begin/end).
 */
err masm_compile(
	const masm_env *env, arena *a, str text, size_t *used, masm_code **ret, diag *d) MUST_CHECK;
/* Division by zero: "Operand error". Memory errors: "Memory access error". */
err masm_run(const masm_code *c, const masm_env *env, uint64_t *ret, diag *d) MUST_CHECK;
/* Both in one; the whole of text must be used unless used is given. */
err masm_eval(const masm_env *env, str text, size_t *used, uint64_t *ret, diag *d) MUST_CHECK;
/*
 * How long the expression at the start of text is, taking every symbol for known: for a command
 * that keeps an expression which cannot be resolved yet (bu). 0 if there is none.
 */
size_t masm_extent(const masm_env *env, str text);

/* Display: 00000000`0000001a, or 0000001a if the target's pointers have 4 bytes. `ret` >= 18 bytes.
 */
enum { MASM_ADDR_TEXT = 20 };
void masm_format_addr(unsigned ptr_size, uint64_t v, char *ret);

#endif
