/* cxx: what other commands use of the C++ commands. */
#ifndef RS_CMD_CXX_H
#define RS_CMD_CXX_H

#include "cmd/cmd.h"
#include "eval/cxx.h"

/* A value as ?? shows it. */
err cxx_show(cmd *c, const cxx_value *v) MUST_CHECK;
/* "$t1 = expression", behind r?. */
err cxx_assign_temp(cmd *c, str text) MUST_CHECK;

#endif
