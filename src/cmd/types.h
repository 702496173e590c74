/* types: what dt.c, dv.c and types.c share. */
#ifndef RS_CMD_TYPES_H
#define RS_CMD_TYPES_H

#include "cmd/typeval.h"

err cmd_dt(cmd *c, cmd_call *call);
err cmd_dv(cmd *c, cmd_call *call);
/* What dt shows of a structure at addr; held not NULL: its bytes are there, addr counts in them,
 * and those marked in lost (or NULL) are unknown. */
err dt_show_at(cmd *c, sym_type t, uint64_t addr, const uint8_t *held, const bool *lost,
	size_t held_n) MUST_CHECK;
/* Where a variable stands now, for registers regs; false if nowhere. */
bool dv_place(cmd *c, const sym_local *l, const x64_regs *regs, sym_place *ret);
/* x *: the local variables of the current scope with their places and values. */
err dv_for_x(cmd *c) MUST_CHECK;

#endif
