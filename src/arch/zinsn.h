/*
 * zinsn: inside of the arch room only: an instruction with its operands as Zydis sees them.
 */
#ifndef RS_ARCH_ZINSN_H
#define RS_ARCH_ZINSN_H

#include "arch/x64.h"

#include <Zydis/Zydis.h>

typedef struct zinsn {
	ZydisDecodedInstruction i;
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
} zinsn;

/* ERR_CORRUPT: no instruction; ERR_FAULT: the bytes end inside one. */
err zinsn_decode(const uint8_t *p, size_t n, zinsn *ret) MUST_CHECK;
/* Number of a general register whatever its width (ah..bh: those of rax..rbx), -1 for others. */
int zinsn_gpr(ZydisRegister reg);
/* Address of a memory operand. False for fs: and gs: (their bases are not in x64_regs), for vector
 * indices and when r lacks a set. */
bool zinsn_ea(const zinsn *z, const ZydisDecodedOperand *op, uint64_t addr, const x64_regs *r,
	uint64_t *ret);
/* The name that WinDbg gives to the mnemonic; *is_string for movs, stos and the like. */
const char *zinsn_name(const zinsn *z, bool *is_string);

#endif
