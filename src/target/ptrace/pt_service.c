/*
 * pt_service: what only the process itself can do to itself: map and unmap memory, close a file.
 * A system call in a stopped thread's name; see pt_inject.c.
 */
#include "target/ptrace/pt.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

static err made(pt *p, pt_thread *th, long nr, const uint64_t arg[6], const char *what,
	uint64_t *ret, diag *d)
{
	uint64_t r = 0;
	pt_leave_call(p, th);
	if (!pt_inject(p, th, nr, arg, &r))
		return diag_set(d, ERR_STATE,
			"the process cannot be made to %s: it has ended, or a seccomp filter "
			"forbids it",
			what);
	if (r > (uint64_t)-4096)
		return diag_set(d, ERR_ARG, "the system refuses to %s: %s", what,
			r == (uint64_t)-EEXIST ? "something is there already"
					       : strerror((int)-(int64_t)r));
	*ret = r;
	return ERR_OK;
}

err pt_service(tgt *t, unit_t u, const tgt_service *s, uint64_t *ret, diag *d)
{
	pt *p = pt_of(t);
	pt_thread *th = pt_thread_find(p, (pid_t)u);
	uint64_t unused;
	if (!th || th->state != PT_STOPPED)
		return diag_set(d, ERR_STATE, "thread %x is not stopped", u);
	if (th->proc->look_only)
		return diag_set(d, ERR_UNSUPPORTED,
			"process %d was attached to without a right to change it",
			(int)th->proc->pid);
	switch (s->kind) {
	case TGT_SVC_MAP: {
		uint64_t how = MAP_PRIVATE | MAP_ANONYMOUS | (s->addr ? MAP_FIXED_NOREPLACE : 0);
		uint64_t may = s->reserve ? PROT_NONE : PROT_READ | PROT_WRITE | PROT_EXEC;
		const uint64_t arg[6] = {s->addr, s->size, may,
			how | (s->reserve ? MAP_NORESERVE : 0), (uint64_t)-1, 0};
		return made(p, th, SYS_mmap, arg, "map memory", ret, d);
	}
	case TGT_SVC_UNMAP: {
		const uint64_t arg[6] = {s->addr, s->size};
		return made(p, th, SYS_munmap, arg, "unmap that memory", &unused, d);
	}
	case TGT_SVC_EMPTY: {
		const uint64_t arg[6] = {s->addr, s->size, MADV_DONTNEED};
		return made(p, th, SYS_madvise, arg, "give that memory up", &unused, d);
	}
	case TGT_SVC_CLOSE: {
		const uint64_t arg[6] = {s->addr};
		return made(p, th, SYS_close, arg, "close that descriptor", &unused, d);
	}
	}
	return ERR_UNSUPPORTED;
}
