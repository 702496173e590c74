/*
 * lx: commands on what Linux knows of a process: regions, descriptors, times, the auxiliary
 * vector, errno. All come from the target's tgt_info texts, so they work on cores as far as those
 * have them.
 */
#ifndef RS_CMD_LX_H
#define RS_CMD_LX_H

#include "cmd/lang.h"
#include "os/linux/linux.h"

enum { LX_TEXT_MAX = 64 * 1024 * 1024 };

/* A text of the current process (or of id), in c->a. */
err lx_text(cmd *c, tgt_info what, uint64_t id, str *ret) MUST_CHECK;
/* The next of the open files that TGT_I_FILES told of; false at the end. */
bool lx_file_next(str *text, uint64_t *number, str *target);
/* !peb !teb !dlls in user mode (block.c). */
err lx_peb(cmd *c, cmd_call *call) MUST_CHECK;
err lx_teb(cmd *c, cmd_call *call) MUST_CHECK;
err lx_dlls(cmd *c, cmd_call *call) MUST_CHECK;
/* !gle in user mode: errno of the current thread, or with -all of every thread. */
err lx_gle(cmd *c, cmd_call *call) MUST_CHECK;

/* Milliseconds: since the host's start (sleep included), since the process's own, in its kernel and
 * user code. */
typedef struct lx_times {
	uint64_t up, process, kernel, user;
} lx_times;

/* Of the current process. ERR_NOTFOUND on a core, which does not tell when it was made. */
err lx_times_get(cmd *c, lx_times *ret) MUST_CHECK;

#endif
