/*
 * host: what runs on this machine, debugged or not.
 */
#ifndef RS_OS_LINUX_HOST_H
#define RS_OS_LINUX_HOST_H

#include "base/str.h"

typedef struct linux_running {
	uint64_t pid;
	str name; /* at most 15 characters of it: the kernel keeps no more */
} linux_running;

/* By pid; what ends meanwhile is left out. In the arena. */
err linux_host_processes(arena *a, linux_running **ret, size_t *n_ret, diag *d) MUST_CHECK;

#endif
