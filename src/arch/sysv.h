/*
 * sysv: where the calling convention of System V for x86-64 (psABI, 3.2.3) puts arguments and
 * results. Knows classes of eightbytes, not types.
 */
#ifndef RS_ARCH_SYSV_H
#define RS_ARCH_SYSV_H

#include "arch/x64.h"

typedef enum sysv_class {
	SYSV_NONE,
	SYSV_INTEGER,
	SYSV_SSE,
	SYSV_X87,   /* long double: passed in memory, returned in st0 */
	SYSV_MEMORY /* on the stack; as a result where rdi points to */
} sysv_class;

enum { SYSV_REG_BYTES = 16, SYSV_RED_ZONE = 128, SYSV_STACK_MAX = 64 * 1024 };

/* One value: the classes of its eightbytes (of the first if that is X87 or MEMORY). */
typedef struct sysv_value {
	sysv_class cls[2];
	const uint8_t *p;
	size_t n;	/* bytes */
	unsigned align; /* 8 or 16: of what goes on the stack */
} sysv_value;

/*
 * Puts v[0..n) into r's integer and SSE registers, as many as there are (`first` integer ones are
 * taken already: a place for the result), the rest into stack, from its lowest address on; al gets
 * the number of SSE registers, as functions with a variable number of arguments want it. Changes
 * X64_SET_INTEGER and X64_SET_FLOAT of r. ERR_LIMIT: they need more than cap bytes of stack.
 */
err sysv_place(x64_regs *r, const sysv_value *v, size_t n, unsigned first, uint8_t *stack,
	size_t cap, size_t *stack_n) MUST_CHECK;

/* The first n bytes of a result of these classes, which is not in memory; n is at most 16. */
void sysv_result(const x64_regs *r, const sysv_class cls[2], uint8_t *p, size_t n);

#endif
