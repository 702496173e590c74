/*
 * pt_inject: a system call in a stopped thread's name. Knows nothing of what it is for.
 *
 * The thread is sent to a `syscall` instruction that is there anyway (the vdso has one), stepped
 * once, and gets all its registers back, those that restart an interrupted call included. Signals
 * are blocked meanwhile, but for those that only the instruction itself could cause.
 *
 * A process under a strict seccomp filter (mode 1) would be killed by it: it is left alone.
 */
#include "target/ptrace/pt.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { VDSO_MAX = 64 * 1024 };

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

/* Address of a syscall instruction in the vdso, 0 if there is none. */
static uint64_t syscall_insn(pt_proc *pr)
{
	pt_region r;
	uint64_t ret = 0;
	uint8_t *b;
	if (!pr->vdso || !pt_region_at(pt_via(pr), pr->vdso, &r) || r.begin != pr->vdso ||
		r.end - r.begin > VDSO_MAX)
		return 0;
	size_t n = (size_t)(r.end - r.begin);
	b = mem_alloc(n);
	if (pt_mem_get(pr->space, r.begin, b, n)) {
		/* 0f 05 in the middle of something else would do as well: only these two run. */
		const uint8_t *hit = memmem(b, n, "\x0f\x05", 2);
		if (hit)
			ret = r.begin + (uint64_t)(hit - b);
	}
	mem_free(b);
	return ret;
}

static uint64_t async_signals(void)
{
	static const int sync[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
	uint64_t m = ~0ull;
	for (size_t i = 0; i < ARRAY_LEN(sync); i++)
		m &= ~(1ull << (sync[i] - 1));
	return m;
}

/* One step of th; a stop for anything but the step is waited out. False: it is gone. */
static bool one_step(pt *p, pt_thread *th)
{
	int status;
	for (int tries = 0; tries < 64; tries++) {
		if (ptrace(PTRACE_SINGLESTEP, th->tid, NULL, NULL))
			return false;
		th->unwaited = false;
		if (!pt_await(th, &status))
			return false;
		if (WIFEXITED(status) || WIFSIGNALED(status)) {
			pt_status(p, th, status, NULL);
			return false;
		}
		if (status >> 16 == PTRACE_EVENT_EXIT) {
			pt_status(p, th, status, NULL);
			return false;
		}
		if (status >> 16 || WSTOPSIG(status) != SIGTRAP) {
			/* SIGSTOP cannot be blocked, nor a group stop. It comes again. */
			if (!(status >> 16))
				syscall(SYS_tgkill, th->proc->pid, th->tid, WSTOPSIG(status));
			if (!(status >> 16) && WSTOPSIG(status) == SIGSTOP)
				th->sig = 0;
			continue;
		}
		return true;
	}
	return false;
}

bool pt_inject(pt *p, pt_thread *th, long nr, const uint64_t arg[6], uint64_t *ret)
{
	uint64_t mode = 0, old_mask = 0, block = async_signals(), at = syscall_insn(th->proc);
	if (!at || th->leaving || (pt_status_field(th->tid, "Seccomp", 10, &mode) && mode == 1))
		return false;
	/* pt_leave_call() and the like come first: a stop inside of a call loses rax. */
	if (th->in_call || !pt_regs_fetch(th))
		return false;
	struct user_regs_struct saved = th->regs, k = saved;
	bool masked = !ptrace(PTRACE_GETSIGMASK, th->tid, (void *)8, &old_mask) &&
		      !ptrace(PTRACE_SETSIGMASK, th->tid, (void *)8, &block);
	k.rip = at;
	k.rax = (unsigned long long)nr;
	k.orig_rax = (unsigned long long)-1;
	k.rdi = arg[0];
	k.rsi = arg[1];
	k.rdx = arg[2];
	k.r10 = arg[3];
	k.r8 = arg[4];
	k.r9 = arg[5];
	k.eflags &= ~0x100ull;
	bool ok = !ptrace(PTRACE_SETREGS, th->tid, NULL, &k) && one_step(p, th) &&
		  !ptrace(PTRACE_GETREGS, th->tid, NULL, &k);
	th->regs = saved;
	(void)!pt_regs_store(th);
	if (masked)
		(void)!ptrace(PTRACE_SETSIGMASK, th->tid, (void *)8, &old_mask);
	th->trapped = true; /* it stands in the stop of the step now */
	if (!ok || k.rip != at + 2)
		return false;
	*ret = k.rax;
	return true;
}

/* A free range of n bytes as near as possible to `near`, at most 1 GiB away. */
static uint64_t gap_near(pid_t pid, uint64_t near, size_t n)
{
	enum { REACH = 1 << 30 };
	buf b;
	pt_region r;
	uint64_t best = 0, end = 0x10000; /* mmap_min_addr */
	buf_init(&b, 0);
	if (pt_proc_text(pid, "maps", &b)) {
		str text = buf_str(&b);
		for (bool more = true; more;) {
			more = pt_region_next(&text, &r);
			uint64_t to = more ? r.begin : 0x7ffffffff000ull;
			if (to >= end + n && to <= 0x7ffffffff000ull) {
				uint64_t low = end, high = to - n, c;
				c = near < low ? low : near > high ? high : near;
				c &= ~(uint64_t)(PT_PAGE - 1);
				if (c < low)
					c += PT_PAGE;
				uint64_t far = c > near ? c - near : near - c;
				uint64_t was = best > near ? best - near : near - best;
				if (c <= high && far < REACH && (!best || far < was))
					best = c;
			}
			if (more)
				end = r.end;
		}
	}
	buf_deinit(&b);
	return best;
}

uint64_t pt_map_near(pt *p, pt_thread *th, uint64_t near, size_t n)
{
	for (int tries = 0; tries < 4; tries++) {
		uint64_t at = gap_near(th->tid, near, n), ret = 0;
		const uint64_t arg[6] = {at, n, PROT_READ | PROT_EXEC,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, (uint64_t)-1, 0};
		if (!at || !pt_inject(p, th, SYS_mmap, arg, &ret))
			return 0;
		if (ret == at)
			return at;
		if ((int64_t)ret != -EEXIST)
			return 0;
	}
	return 0;
}
