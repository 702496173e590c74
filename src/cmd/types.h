/* types: what dt.c, dv.c and types.c share. */
#ifndef RS_CMD_TYPES_H
#define RS_CMD_TYPES_H

#include "cmd/typeval.h"

err cmd_dt(cmd *c, cmd_call *call);
err cmd_dv(cmd *c, cmd_call *call);
/* x *: the local variables of the current scope with their places and values. */
err dv_for_x(cmd *c) MUST_CHECK;

#endif
