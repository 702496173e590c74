/*
 * regs: what regs.c (the commands) and regs_show.c (the layout) share.
 */
#ifndef RS_CMD_REGS_H
#define RS_CMD_REGS_H

#include "cmd/cmd.h"

/* Bits of rm's mask (documented with rm). */
enum {
	RM_INT32 = 1,
	RM_INT64 = 2,
	RM_FLOAT = 4,
	RM_SEGMENTS = 8,
	RM_MMX = 0x10,
	RM_DEBUG = 0x20,
	RM_XMM = 0x40,
	RM_CONTROL = 0x80,
	RM_TASK = 0x100,
	RM_YMM = 0x200,
	RM_YMM_INT = 0x400,
	RM_XMM_INT = 0x800,
	RM_ZMM = 0x1000,
	RM_ZMM_INT = 0x2000,
	RM_OPMASK = 0x4000
};

/* The bits that this kind of target has registers for: a CONTEXT holds no more than FXSAVE does. */
unsigned regs_mask_served(cmd *c);

/* The 80-bit format of the x87 registers. */
void ext80_put(uint8_t *p, long double v);
void ext80_format(const uint8_t *p, buf *b); /* " 1.234000000000000000000e+0010" */

void xmm_floats(const uint8_t *p, buf *b); /* four, the highest first */

#endif
