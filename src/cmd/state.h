/*
 * state: what the debugger itself can be told to keep, lock or show; see state.c.
 */
#ifndef RS_CMD_STATE_H
#define RS_CMD_STATE_H

#include "cmd/cmd.h"

/* ERR_STATE with words while .quit_lock forbids q, qq and qd. */
err state_may_quit(cmd *c) MUST_CHECK;

#endif
