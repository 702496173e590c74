/*
 * ntc: what the NT command families share: the way to the kernel's structures, and the displays of
 * a process, a thread and a stack that several commands print.
 */
#ifndef RS_CMD_NT_NTC_H
#define RS_CMD_NT_NTC_H

#include "cmd/cmd.h"
#include "base/reader.h"
#include "os/nt/nt.h"

#include <stdio.h>

/* ERR_UNSUPPORTED with words unless the target's system is NT. */
err ntc_get(cmd *c, nt **ret) MUST_CHECK;
/* Runs another command's row ("r", ".reload") with these arguments, in the same call. */
err ntc_run(cmd *c, const char *name, const char *args) MUST_CHECK;
/* "What ran into trouble" as a line of the listing, which goes on. */
void ntc_note(cmd *c, const char *indent, const diag *d);

/* Process that the current processor is in, whatever .process looks at. */
err ntc_running_process(cmd *c, uint64_t *ret) MUST_CHECK;
/* Process that views look at. */
err ntc_implicit_process(cmd *c, os_process *ret) MUST_CHECK;
/* Address (kernel half) or process id. */
err ntc_process_of(cmd *c, uint64_t v, os_process *ret) MUST_CHECK;
/* The thread with this id, in any process. */
err ntc_thread_by_tid(cmd *c, uint64_t tid, uint64_t *ret) MUST_CHECK;

/* Addresses of all processes or of a process's threads; a damaged list gives what was found and
 * words in *why (empty otherwise). */
typedef VEC(uint64_t) ntc_addrs;
err ntc_processes(cmd *c, ntc_addrs *ret, diag *why) MUST_CHECK;
err ntc_threads(cmd *c, uint64_t process, ntc_addrs *ret, diag *why) MUST_CHECK;

/* flags as of !process and !thread. */
enum { NTC_TIMES = 1, NTC_WAITS = 2, NTC_STACKS = 4, NTC_SHORT_STACK = 8, NTC_CONTEXT = 0x10 };
err ntc_show_process(cmd *c, const os_process *p, unsigned flags) MUST_CHECK;
/* "1", "none" for system processes, "?" where the symbols do not tell. */
void ntc_session_text(uint32_t session, char text[16]);
err ntc_show_thread(cmd *c, const os_thread *t, unsigned flags, const char *indent) MUST_CHECK;
/* The stack that starts with these registers, in the current views. */
void ntc_show_stack(cmd *c, const x64_regs *r, bool args, const char *indent);
/* "nt!Foo+0x12" or "0x0000...". */
void ntc_symbol(cmd *c, uint64_t addr, buf *b);

/* .kill and !handle in kernel mode. */
err ntc_kill(cmd *c, cmd_call *call) MUST_CHECK;
err ntc_handle(cmd *c, cmd_call *call) MUST_CHECK;

#endif
