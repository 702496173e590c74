/*
 * host: what runs on this machine, debugged or not.
 */
#ifndef RS_OS_LINUX_HOST_H
#define RS_OS_LINUX_HOST_H

#include "base/str.h"

typedef struct linux_running {
	uint64_t pid;
	str name;
	bool cut; /* the name may go on: the kernel keeps 15 characters, and nothing says the rest
		   */
} linux_running;

/* Is that the process's name, as far as it is known? */
bool linux_is_called(const linux_running *p, str name);
/* By pid; what ends meanwhile is left out. In the arena. */
err linux_host_processes(arena *a, linux_running **ret, size_t *n_ret, diag *d) MUST_CHECK;

#endif
