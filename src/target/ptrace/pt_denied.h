/*
 * pt_denied: why the kernel lets nobody trace a process, in words: which setting it is and what
 * allows it. The facts are looked up apart from the words, so that these are the same wherever
 * they are tried out. Sources: ptrace(2) "Ptrace access mode checking"; kernel.org,
 * admin-guide/LSM/Yama; proc(5).
 */
#ifndef RS_TARGET_PTRACE_PT_DENIED_H
#define RS_TARGET_PTRACE_PT_DENIED_H

#include "base/err.h"

#include <sys/types.h>

typedef struct pt_denied {
	pid_t pid;
	int why;	 /* errno of the refusal */
	bool child;	 /* it was started by us */
	bool may_trace;	 /* we have CAP_SYS_PTRACE */
	bool kernel;	 /* a thread of the kernel's */
	bool undumpable; /* its memory is to be kept from others of its user */
	bool more_caps;	 /* it has capabilities that we have not */
	bool filtered;	 /* we are under a seccomp filter */
	char yama;	 /* ptrace_scope's digit; 0 where there is no Yama */
	uint32_t uid, our_uid;
	pid_t tracer; /* 0 none */
	char tracer_name[32];
} pt_denied;

void pt_denied_look(pid_t pid, int why, bool child, pt_denied *ret);
/* Always ERR_DENIED. */
err pt_denied_say(const pt_denied *f, diag *d);

#endif
