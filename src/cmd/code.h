/*
 * code: what the files that show registers, instructions and stacks share. See disasm.c.
 */
#ifndef RS_CMD_CODE_H
#define RS_CMD_CODE_H

#include "cmd/cmd.h"

/*
 * The place where r stands: "nt!Foo+0x12 [file @ line]:\n" (as far as stops show it), then
 * "addr bytes text", for user-mode code of a kernel target with its selector in front, and what the
 * instruction is about to touch: " ds:002b:fffff800`12345678=0000000000000001", " [br=1]". With ??
 * where there is no instruction.
 */
void code_here(cmd *c, const x64_regs *r, buf *b);

/* The place where the current context stands, as every stop shows it; with registers if they are
 * on. */
void code_show_stop(cmd *c);

/* How many lines k shows for these frames: inlined calls have lines of their own. */
size_t stack_lines(cmd *c, const eng_frame *f, size_t n);

/* All registers that mask (rm's bits) selects, as r prints them. Groups that are not valid in r are
 * left out. */
void regs_format(cmd *c, const x64_regs *r, unsigned mask, buf *b);
/* x64_set bits that regs_format needs for mask. */
unsigned regs_sets(cmd *c, unsigned mask);

#endif
