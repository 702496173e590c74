/*
 * toycpu: runs the dozen x64 instructions that the toy programs are made of, with traps as the
 * processor has them: int 3, single step, the four debug registers, page faults.
 *
 * Refuses to know page tables, processes and the debugger: memory comes through `toy_memory`.
 */
#ifndef KDPEER_TOYCPU_H
#define KDPEER_TOYCPU_H

#include "kd/kdabi.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct toy_memory {
	void *u;
	/* Copies up to n bytes at va, returns how many from the front are there. */
	size_t (*read)(void *u, uint64_t va, void *to, size_t n);
	size_t (*write)(void *u, uint64_t va, const void *from, size_t n);
} toy_memory;

typedef enum toy_trap {
	TOY_NONE,
	TOY_INT3,    /* Rip stands on it */
	TOY_DEBUG,   /* step or debug register; special->KernelDr6 says which */
	TOY_FAULT,   /* *fault_va; Rip stands on the instruction */
	TOY_SYSCALL, /* Rip stands behind it */
	TOY_SYSRET,
	TOY_IRET,
	TOY_ILLEGAL
} toy_trap;

toy_trap toy_step(CONTEXT *c, KSPECIAL_REGISTERS *special, const toy_memory *m, uint64_t *fault_va);

#endif
