/*
 * pt_guard: what becomes of a process that we attached to when the debugger is killed (SIGKILL, a
 * crash), and cannot take its bytes out itself. See pt.h. Created processes need none of this:
 * they end with the debugger (PTRACE_O_EXITKILL) until they are let go.
 *
 * Three things work together, for each attached process:
 *
 * 1. At a stop that is shown (after tgt_halt) every thread's stop has been taken by a wait and its
 *    pc is the one that shows: the kernel lets it go on from there, without a signal, when its
 *    tracer dies. The caller has its breaks taken out.
 * 2. A guard: a process of our own, forked at the attach, which has nothing open but the read end
 *    of a pipe and the victim's memory. A table that it shares with us says which bytes stand
 *    where, whether debug registers are set, and the affinity that a pinned thread had. The pipe's
 *    end of file is our death: it puts the bytes back, clears debug registers (by a short seize),
 *    gives the affinity back, and ends.
 * 3. A handler for SIGTRAP in the process itself, if it has none of its own: while the debugger
 *    lives it never runs, because we take every SIGTRAP. A stop that we have not made up our mind
 *    about is looked at without being taken (next_status in pt_wait.c): the kernel delivers its
 *    SIGTRAP when we die. Between our death and the guard's work a thread that meets a byte of
 *    ours, or stood in the stop of one, has the handler put its pc back and try again until the
 *    byte is gone. A SIGTRAP that is none of ours has its default action.
 *
 * Guaranteed: with 2 and 3 in place a SIGKILL at any moment but those named here leaves the program
 * running as if we had never been. What remains: a program with a SIGTRAP handler of its own (that
 * one gets the SIGTRAPs of the fraction of a millisecond before the guard is done; a thread that
 * stood in the stop of a hit goes on one byte too far); one that may not map pages, or runs under a
 * strict seccomp (no handler: the default action ends it in the same moments); the microseconds of
 * an injected system call, or of an instruction that is emulated in several writes; a guard that
 * is killed as well. After such a death the handler and its pages stay in the program and do no
 * harm.
 */
#include "target/ptrace/pt.h"

#include "base/reader.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- the handler, as it stands in the program ---- */

enum {
	DATA_OFF = PT_PAGE,	/* behind the code: */
	DATA_ACTION = DATA_OFF, /* a struct kernel_sigaction to set, and one to read */
	DATA_OLD = DATA_OFF + 32,
	DATA_COUNT = DATA_OFF + 64,
	DATA_TABLE = DATA_OFF + 72, /* addresses with a byte of ours; 0 free */
	STUB_SIZE = PT_PAGE + ((72 + PT_SITES_MAX * 8 + PT_PAGE - 1) / PT_PAGE) * PT_PAGE,
	SA_RESTORER_ = 0x04000000
};

/*
 * rdi signal, rsi siginfo_t, rdx ucontext_t: uc_mcontext.gregs[REG_RIP] is at 40 + 16 * 8.
 * (struct sigcontext, arch/x86/include/uapi/asm/sigcontext.h; struct ucontext; si_code is at 8.)
 */
__asm__(".pushsection .text\n"
	".balign 16\n"
	"pt_stub_begin:\n"
	"	mov 168(%rdx), %r8\n"
	"	lea -1(%r8), %r9\n"
	"	mov 8(%rsi), %eax\n"
	"	cmp $0x80, %eax\n" /* SI_KERNEL: int3 */
	"	je 1f\n"
	"	dec %eax\n" /* TRAP_BRKPT ... TRAP_HWBKPT: a step or a debug register of ours */
	"	cmp $3, %eax\n"
	"	jbe 9f\n"
	"	jmp 5f\n"
	"1:	mov pt_stub_begin+4096+64(%rip), %rcx\n"
	"	lea pt_stub_begin+4096+72(%rip), %r10\n"
	"2:	test %rcx, %rcx\n"
	"	jz 4f\n"
	"	dec %rcx\n"
	"	cmp %r9, (%r10,%rcx,8)\n"
	"	jne 2b\n"
	"	mov %r9, 168(%rdx)\n" /* one of ours: again, when somebody else has had a go */
	"	mov $24, %eax\n"      /* sched_yield */
	"	syscall\n"
	"	ret\n"
	"4:	cmpb $0xcc, (%r9)\n" /* behind no int3: it was moved on already */
	"	jne 9f\n"
	"	mov %r9, 168(%rdx)\n" /* the program's own: meet it again without us */
	"5:	push %rax\n"
	"	xor %eax, %eax\n"
	"	push %rax\n"	 /* mask */
	"	push %rax\n"	 /* restorer */
	"	push %rax\n"	 /* flags */
	"	push %rax\n"	 /* SIG_DFL */
	"	mov $13, %eax\n" /* rt_sigaction */
	"	mov $5, %edi\n"
	"	mov %rsp, %rsi\n"
	"	xor %edx, %edx\n"
	"	mov $8, %r10d\n"
	"	syscall\n"
	"	add $32, %rsp\n"
	"	pop %rax\n"
	"	cmp $0x80, %eax\n"
	"	je 9f\n"
	"	mov $39, %eax\n" /* getpid, kill: blocked until the handler returns */
	"	syscall\n"
	"	mov %eax, %edi\n"
	"	mov $5, %esi\n"
	"	mov $62, %eax\n"
	"	syscall\n"
	"9:	ret\n"
	"pt_stub_restorer:\n"
	"	mov $15, %eax\n" /* rt_sigreturn */
	"	syscall\n"
	"pt_stub_end:\n"
	".popsection\n");
extern const uint8_t pt_stub_begin[] __attribute__((visibility("hidden")));
extern const uint8_t pt_stub_restorer[] __attribute__((visibility("hidden")));
extern const uint8_t pt_stub_end[] __attribute__((visibility("hidden")));

/* ---- the table ---- */

typedef struct guard_entry {
	_Atomic uint64_t addr; /* 0 free; written last, cleared last */
	uint8_t orig;
} guard_entry;

typedef struct guard_table {
	atomic_uint n; /* entries that were ever used */
	atomic_bool hard, pinned;
	pid_t pid;
	uint64_t start;
	cpu_set_t cpus;
	guard_entry e[PT_SITES_MAX];
} guard_table;

struct pt_guard {
	guard_table *table;
	int pipe; /* write end; its closing by our death is the signal */
	map at;	  /* address -> index + 1 */
	VEC(unsigned) free;
	uint64_t stub; /* the handler's page in the program, 0 none */
	bool ignored;  /* SIGTRAP was ignored before */
	bool tried;
};

/* ---- the guard's own life: after fork, nothing that allocates or locks ---- */

static void restore_bytes(guard_table *t, int mem)
{
	unsigned n = atomic_load(&t->n);
	for (unsigned i = 0; i < n && i < PT_SITES_MAX; i++) {
		uint64_t addr = atomic_load(&t->e[i].addr);
		uint8_t b;
		if (addr && pread(mem, &b, 1, (off_t)addr) == 1 && b == PT_BREAK)
			(void)!pwrite(mem, &t->e[i].orig, 1, (off_t)addr);
	}
}

static void rest(void)
{
	struct timespec ts = {0, 2000000};
	nanosleep(&ts, NULL);
}

/* dr7 := 0 in one thread. */
static void clear_hard(pid_t tid)
{
	int status;
	for (int i = 0; i < 500; i++, rest()) {
		if (!ptrace(PTRACE_SEIZE, tid, NULL, NULL))
			break;
		if (errno == ESRCH)
			return;
	}
	if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) || waitpid(tid, &status, __WALL) != tid ||
		!WIFSTOPPED(status))
		return;
	(void)!ptrace(
		PTRACE_POKEUSER, tid, (void *)(offsetof(struct user, u_debugreg) + 7 * 8), NULL);
	int sig = status >> 16 ? 0 : WSTOPSIG(status);
	(void)!ptrace(PTRACE_DETACH, tid, NULL, (void *)(uintptr_t)(sig == SIGTRAP ? 0 : sig));
}

/* "/proc/" PID tail */
static void proc_path(char b[40], pid_t pid, const char *tail)
{
	char digits[12];
	size_t n = 6, k = 0;
	memcpy(b, "/proc/", 6);
	for (unsigned v = (unsigned)pid; v; v /= 10)
		digits[k++] = (char)('0' + v % 10);
	while (k)
		b[n++] = digits[--k];
	while (*tail)
		b[n++] = *tail++;
	b[n] = 0;
}

/* Numbers in the names of /proc/PID/task, without opendir (which allocates). */
static void each_thread(pid_t pid, void (*fn)(pid_t))
{
	struct {
		uint64_t ino;
		int64_t off;
		uint16_t reclen;
		uint8_t type;
		char name[];
	} * e; /* struct linux_dirent64, getdents(2) */
	_Alignas(8) char b[4096];
	char path[40];
	proc_path(path, pid, "/task");
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	for (long got; (got = syscall(SYS_getdents64, fd, b, sizeof b)) > 0;)
		for (long at = 0; at < got; at += e->reclen) {
			e = (void *)(b + at);
			pid_t tid = 0;
			for (const char *c = e->name; *c >= '0' && *c <= '9'; c++)
				tid = tid * 10 + (*c - '0');
			if (tid > 0)
				fn(tid);
		}
	close(fd);
}

static uint64_t start_time(pid_t pid)
{
	char path[40], b[1024];
	proc_path(path, pid, "/stat");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, b, sizeof b);
	if (fd >= 0)
		close(fd);
	uint64_t v = 0;
	if (n > 0)
		(void)!str_u64(pt_stat_word((str){b, (size_t)n}, PT_STAT_START), 10, &v);
	return v;
}

static void __attribute__((noreturn)) guard_main(guard_table *t, int pipe_fd, int mem_fd)
{
	sigset_t all;
	char c;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	(void)!prctl(PR_SET_NAME, "ringside-guard");
	(void)!setsid();
	(void)!chdir("/");
	/* Nothing of the debugger's is kept open: pipes of its callers least of all. */
	int keep[2] = {fcntl(pipe_fd, F_DUPFD_CLOEXEC, 100), fcntl(mem_fd, F_DUPFD_CLOEXEC, 101)};
	int low = keep[0] < keep[1] ? keep[0] : keep[1];
	int high = keep[0] < keep[1] ? keep[1] : keep[0];
	if (low < 0 || syscall(SYS_close_range, 0, low - 1, 0) ||
		(high > low + 1 && syscall(SYS_close_range, low + 1, high - 1, 0)) ||
		syscall(SYS_close_range, high + 1, ~0u, 0))
		for (int i = 0; i < 4096; i++) /* before Linux 5.9 */
			if (i != keep[0] && i != keep[1])
				close(i);
	ssize_t got;
	do
		got = read(keep[0], &c, 1);
	while (got < 0 && errno == EINTR);
	if (got > 0) /* we are no longer needed */
		_exit(0);
	restore_bytes(t, keep[1]);
	/* The number may be another process's by now; a stale memory descriptor does no harm. */
	if (start_time(t->pid) != t->start)
		_exit(0);
	if (atomic_load(&t->pinned))
		(void)!sched_setaffinity(t->pid, sizeof t->cpus, &t->cpus);
	if (atomic_load(&t->hard))
		each_thread(t->pid, clear_hard);
	_exit(0);
}

/* ---- start and stop ---- */

static err fork_guard(pt_guard *g, int mem, diag *d)
{
	int fd[2], status;
	if (pipe2(fd, O_CLOEXEC))
		return diag_set(d, ERR_IO, "pipe: %s", strerror(errno));
	/* Twice, so that it is nobody's child whom we would have to wait for. */
	pid_t pid = fork();
	if (!pid) {
		close(fd[1]);
		if (g->pipe >= 0)
			close(g->pipe);
		if (!fork())
			guard_main(g->table, fd[0], mem);
		_exit(0);
	}
	close(fd[0]);
	if (pid < 0) {
		close(fd[1]);
		return diag_set(d, ERR_IO, "fork: %s", strerror(errno));
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	g->pipe = fd[1];
	return ERR_OK;
}

err pt_guard_start(pt *p, pt_proc *pr, diag *d)
{
	(void)p;
	guard_table *t =
		mmap(NULL, sizeof *t, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (t == MAP_FAILED)
		return diag_set(d, ERR_IO, "mmap: %s", strerror(errno));
	t->pid = pr->pid;
	t->start = pr->start;
	pt_guard *g = mem_alloc(sizeof *g);
	g->table = t;
	g->pipe = -1;
	map_init(&g->at);
	err e = fork_guard(g, pr->space->mem, d);
	pr->guard = g;
	if (e != ERR_OK)
		pt_guard_stop(p, pr);
	return e;
}

void pt_guard_stop(pt *p, pt_proc *pr)
{
	pt_guard *g = pr->guard;
	char c = 'q';
	if (!g)
		return;
	pr->guard = NULL;
	p->n_handlers -= g->stub != 0;
	if (g->pipe >= 0) {
		(void)!write(g->pipe, &c, 1);
		close(g->pipe);
	}
	munmap(g->table, sizeof *g->table);
	map_deinit(&g->at);
	vec_deinit(&g->free);
	mem_free(g);
}

/* ---- what it has to know ---- */

/* The handler's own list; it never sees an address before the byte, nor loses one before it. */
static void stub_entry(pt_proc *pr, unsigned i, uint64_t addr)
{
	uint8_t b[8];
	pt_guard *g = pr->guard;
	if (!g->stub)
		return;
	put64(b, addr);
	(void)!pt_raw_write(pr->space, g->stub + DATA_TABLE + 8ull * i, b, sizeof b);
	put64(b, atomic_load(&g->table->n));
	(void)!pt_raw_write(pr->space, g->stub + DATA_COUNT, b, sizeof b);
}

bool pt_guard_byte(pt_proc *pr, uint64_t addr, uint8_t orig, bool on)
{
	pt_guard *g = pr->guard;
	uintptr_t i = (uintptr_t)map_get(&g->at, addr);
	if (!on) {
		if (!i)
			return true;
		atomic_store(&g->table->e[i - 1].addr, 0);
		stub_entry(pr, (unsigned)i - 1, 0);
		map_del(&g->at, addr);
		vec_push(&g->free, (unsigned)i - 1);
		return true;
	}
	if (!i) {
		unsigned n = atomic_load(&g->table->n);
		if (g->free.n)
			i = g->free.p[--g->free.n] + 1u;
		else if (n < PT_SITES_MAX)
			i = n + 1u;
		else
			return false;
		if (i > n)
			atomic_store(&g->table->n, (unsigned)i);
		map_set(&g->at, addr, (void *)i);
	}
	g->table->e[i - 1].orig = orig;
	atomic_store(&g->table->e[i - 1].addr, addr);
	stub_entry(pr, (unsigned)i - 1, addr);
	return true;
}

void pt_guard_hard(pt_proc *pr, bool on)
{
	if (pr->guard)
		atomic_store(&pr->guard->table->hard, on);
}

void pt_guard_cpus(pt_proc *pr, const cpu_set_t *set)
{
	if (!pr->guard)
		return;
	if (set)
		pr->guard->table->cpus = *set;
	atomic_store(&pr->guard->table->pinned, set != NULL);
}

/* ---- the handler ---- */

static bool sigaction_in(pt *p, pt_thread *th, uint64_t act, uint64_t old)
{
	const uint64_t arg[6] = {SIGTRAP, act, old, 8};
	uint64_t r = 1;
	return pt_inject(p, th, SYS_rt_sigaction, arg, &r) && !r;
}

/* struct sigaction as the kernel has it: handler, flags, restorer, mask */
static void put_action(uint8_t b[32], uint64_t handler, uint64_t restorer)
{
	put64(b, handler);
	put64(b + 8, handler > 1 ? SA_SIGINFO | SA_ONSTACK | SA_RESTORER_ : 0);
	put64(b + 16, handler > 1 ? restorer : 0);
	put64(b + 24, 0);
}

void pt_guard_handler(pt *p, pt_proc *pr, pt_thread *th)
{
	pt_guard *g = pr->guard;
	uint64_t cgt = 0, ign = 0, at = 0, r = 1;
	uint8_t act[32];
	if (!g || g->tried || pr->space->refs > 1)
		return;
	g->tried = true;
	if (!pt_status_field(th->tid, "SigCgt", 16, &cgt) ||
		!pt_status_field(th->tid, "SigIgn", 16, &ign) || cgt >> (SIGTRAP - 1) & 1)
		return;
	g->ignored = ign >> (SIGTRAP - 1) & 1;
	const uint64_t map_arg[6] = {0, STUB_SIZE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, (uint64_t)-1, 0};
	if (!pt_inject(p, th, SYS_mmap, map_arg, &at) || at > (uint64_t)-PT_PAGE)
		return;
	const uint64_t prot_arg[6] = {at, PT_PAGE, PROT_READ | PROT_EXEC};
	const uint64_t unmap_arg[6] = {at, STUB_SIZE};
	size_t n = (size_t)(pt_stub_end - pt_stub_begin);
	put_action(act, at, at + (uint64_t)(pt_stub_restorer - pt_stub_begin));
	bool ok = pt_raw_write(pr->space, at, pt_stub_begin, n) == n &&
		  pt_raw_write(pr->space, at + DATA_ACTION, act, sizeof act) == sizeof act &&
		  pt_inject(p, th, SYS_mprotect, prot_arg, &r) && !r;
	if (ok) {
		g->stub = at;
		for (map_entry *e = NULL; (e = map_next(&g->at, e));)
			stub_entry(pr, (unsigned)(uintptr_t)e->val - 1, e->key);
		ok = sigaction_in(p, th, at + DATA_ACTION, 0);
	}
	p->n_handlers += ok;
	if (!ok) {
		g->stub = 0;
		(void)!pt_inject(p, th, SYS_munmap, unmap_arg, &r);
	}
}

bool pt_guard_has_handler(const pt_proc *pr)
{
	return pr->guard && pr->guard->stub;
}

/* The process has its own action for SIGTRAP back: it is let go, or is to get a SIGTRAP. */
void pt_guard_handler_off(pt *p, pt_proc *pr, pt_thread *th)
{
	pt_guard *g = pr->guard;
	uint8_t act[32];
	uint64_t now = 0, r;
	if (!g || !g->stub)
		return;
	const uint64_t unmap_arg[6] = {g->stub, STUB_SIZE};
	put_action(act, g->ignored, 0);
	/* It may have set a handler of its own meanwhile. */
	if (pt_raw_write(pr->space, g->stub + DATA_ACTION, act, sizeof act) == sizeof act &&
		sigaction_in(p, th, 0, g->stub + DATA_OLD) &&
		pt_mem_u64(pr->space, g->stub + DATA_OLD, &now) && now == g->stub)
		(void)!sigaction_in(p, th, g->stub + DATA_ACTION, 0);
	(void)!pt_inject(p, th, SYS_munmap, unmap_arg, &r);
	g->stub = 0;
	p->n_handlers--;
}
