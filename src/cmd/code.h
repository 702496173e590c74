/*
 * code: what the files that show registers, instructions and stacks share. See disasm.c.
 */
#ifndef RS_CMD_CODE_H
#define RS_CMD_CODE_H

#include "cmd/cmd.h"

/* "nt!Foo+0x12 [file @ line]:\n" (if there is a symbol and as far as stops show it) and
 * "addr bytes text\n", or "addr ??              ???\n" where there is no instruction. */
void code_at(cmd *c, uint64_t addr, buf *b);

/* All registers that mask (rm's bits) selects, as r prints them. Groups that are not valid in r are
 * left out. */
void regs_format(cmd *c, const x64_regs *r, unsigned mask, buf *b);
/* x64_set bits that regs_format needs for mask. */
unsigned regs_sets(cmd *c, unsigned mask);

#endif
