/*
 * disasm: lines of disassembly, for disasm.c (u and relatives) and disasm_func.c (uf).
 */
#ifndef RS_CMD_DISASM_H
#define RS_CMD_DISASM_H

#include "cmd/cmd.h"

/* Mnemonic and operands, with symbols for addresses if wanted. */
void disasm_text(cmd *c, const x64_insn *in, bool symbols, buf *b);
/* "addr bytes text\n" under .asm's options. */
void disasm_line(cmd *c, const x64_insn *in, bool symbols, buf *b);
/* "nt!Foo+0x12 [file @ line]:\n", the bracket if `line`, if addr belongs to another symbol than
 * *last (its address), which is brought up to date. */
bool disasm_label(cmd *c, uint64_t addr, bool line, uint64_t *last, buf *b);

#endif
