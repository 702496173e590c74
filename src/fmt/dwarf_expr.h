/*
 * dwarf_expr: evaluates DWARF location expressions (versions 2 to 5 and the GNU forms) that libdw
 * has decoded, on a bounded stack. Refuses to know where registers and memory come from, and what a
 * DIE is: the environment answers.
 *
 * Invariants: at most DWE_STEPS operations and DWE_STACK values; branches stay inside; nested
 * expressions (entry values, calls) only through the environment, which bounds them by `depth`.
 *
 * Source: DWARF 5, sections 2.5 and 2.6; GNU extensions in binutils' include/dwarf2.def.
 */
#ifndef RS_FMT_DWARF_EXPR_H
#define RS_FMT_DWARF_EXPR_H

#include "base/source.h"

#include <elfutils/libdw.h>

enum { DWE_STACK = 64, DWE_STEPS = 4096, DWE_PIECES = 64, DWE_DEPTH = 4 };

typedef struct dwe_env {
	void *u;
	/* Register by its DWARF number; ERR_NOTFOUND: its value is not known here. */
	err (*reg)(void *u, unsigned n, uint64_t *ret);
	const mem_reader *mem;
	err (*frame_base)(void *u, uint64_t *ret);
	err (*cfa)(void *u, uint64_t *ret);
	/* DW_OP_addrx, DW_OP_constx. */
	err (*addrx)(void *u, const Dwarf_Op *op, uint64_t *ret);
	err (*tls)(void *u, uint64_t offset, uint64_t *ret);
	/* The value that an expression had when the function was entered. */
	err (*entry_value)(void *u, const Dwarf_Op *op, uint64_t *ret);
	/* DW_OP_implicit_value: its bytes. */
	err (*implicit)(void *u, const Dwarf_Op *op, const uint8_t **p, size_t *n);
	/* DW_OP_implicit_pointer: bytes of what is pointed to do not exist anywhere: refused. */
	uint64_t slide; /* added to DW_OP_addr */
} dwe_env;

typedef enum dwe_kind { DWE_NONE, DWE_MEM, DWE_REG, DWE_VALUE, DWE_BYTES } dwe_kind;

typedef struct dwe_piece {
	dwe_kind kind;
	uint64_t v; /* address, register's number, value */
	const uint8_t *p;
	size_t n;	   /* BYTES */
	uint32_t bits;	   /* 0: the whole value */
	uint32_t bit_from; /* first bit taken from the place */
} dwe_piece;

typedef struct dwe_result {
	dwe_piece piece[DWE_PIECES];
	size_t n; /* 0: the value is nowhere */
} dwe_result;

err dwe_eval(
	const Dwarf_Op *ops, size_t n, const dwe_env *env, dwe_result *ret, diag *d) MUST_CHECK;

#endif
