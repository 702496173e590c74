/*
 * signals: Linux signals as the exceptions that target.h promises. Shared by live processes and
 * cores. Refuses to know where siginfo, registers and code come from.
 */
#ifndef RS_TARGET_SIGNALS_H
#define RS_TARGET_SIGNALS_H

#include "target/target.h"

/* The exception code of a signal with this si_code (positive: the processor raised it). */
uint32_t signal_exception_code(int sig, int si_code);
/*
 * What an access to addr was: 0 read, 1 write, 8 execute. Linux does not tell, the instruction
 * does: code[n] are the bytes at r->rip. A fault that names no address has addr 0; *ea, if not
 * NULL and 0, then gets the operand's.
 */
uint64_t signal_access_kind(
	const x64_regs *r, const uint8_t *code, size_t n, uint64_t addr, uint64_t *ea);

#endif
