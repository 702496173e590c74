/*
 * user_floor: the least that ptrace can do, for the benches of user mode to hold the debugger
 * against. Written from ptrace(2) alone: it shares no code with the product, knows one program
 * (tests/debuggee/user/hits.c: function hit() called N times, first argument 0, 1, 2 ...) and one
 * instruction at its start, which must be a plain copy (push %rbp, mov, sub ...: no branch, no
 * operand relative to rip).
 *
 *   user_floor copy PROGRAM OFFSET LENGTH N   each hit: wait4, PEEKUSER rip, PEEKUSER rdi (the
 *                                             condition), POKEUSER rip to a copy of the LENGTH
 *                                             bytes behind which a jump leads back, CONT
 *   user_floor regs PROGRAM OFFSET LENGTH N   the same with GETREGS and SETREGS
 *   user_floor depth PROGRAM OFFSET LENGTH N  copy, and the callers of hit() and of its caller are
 *                                             found at each hit: GETREGS, the word at rsp, the
 *                                             two at rbp
 *   user_floor thread PROGRAM OFFSET LENGTH N copy in a thread that the program made; the condition
 *                                             is the thread's number, nothing is read for it
 *   user_floor two PROGRAM OFFSET LENGTH N    byte back, rip back, SINGLESTEP, byte in, CONT
 *   user_floor step PROGRAM OFFSET LENGTH N   N times SINGLESTEP and wait4 from hit() on
 *   user_floor stepregs ...                   the same with GETREGS at each
 *   user_floor search PROGRAM OFFSET LENGTH N the program fills N MiB and calls hit(); all of it is
 *                                             read through /proc/PID/mem a MiB at a time, once by
 *                                             itself and once with memmem. Prints the seconds of
 * both
 *
 * OFFSET is hit()'s (hexadecimal) from the program's base. `-1` as the last argument puts program
 * and debugger on one processor, `-2` leaves them alone. Prints "microseconds a hit" and hits.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RIP offsetof(struct user_regs_struct, rip)
#define RDI offsetof(struct user_regs_struct, rdi)

static pid_t pid;
static int mem;

static void die(const char *what)
{
	perror(what);
	if (pid > 0)
		kill(pid, SIGKILL);
	exit(1);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Nonzero: a SIGTRAP stop. */
static int wait_trap(void)
{
	int status;
	if (wait4(pid, &status, __WALL, NULL) != pid)
		die("wait4");
	if (!WIFSTOPPED(status))
		return 0;
	if (status >> 8 != SIGTRAP)
		die("another stop");
	return 1;
}

static void put(uint64_t addr, const void *b, size_t n)
{
	if (pwrite(mem, b, n, (off_t)addr) != (ssize_t)n)
		die("pwrite");
}

static uint64_t start(const char *program, const char *mode, const char *n)
{
	char path[64], line[256];
	unsigned long base = 0;
	int status;
	pid = fork();
	if (!pid) {
		int null = open("/dev/null", O_WRONLY);
		dup2(null, 1);
		personality(ADDR_NO_RANDOMIZE);
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		if (mode)
			execl(program, program, mode, n, (char *)NULL);
		else
			execl(program, program, n, (char *)NULL);
		_exit(127);
	}
	if (wait4(pid, &status, 0, NULL) != pid || !WIFSTOPPED(status))
		die("exec");
	ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)(PTRACE_O_EXITKILL | PTRACE_O_TRACECLONE));
	snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
	FILE *f = fopen(path, "r");
	if (!f || !fgets(line, sizeof line, f) || sscanf(line, "%lx", &base) != 1)
		die("maps");
	fclose(f);
	snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
	mem = open(path, O_RDWR);
	return base;
}

/* A page for the copy, by a system call made at `at`, where the program stands. */
static uint64_t scratch(uint64_t at)
{
	struct user_regs_struct old, r;
	uint8_t saved[2], call[2] = {0x0f, 0x05};
	if (pread(mem, saved, 2, (off_t)at) != 2)
		die("pread");
	ptrace(PTRACE_GETREGS, pid, NULL, &old);
	r = old;
	r.rip = at;
	r.rax = SYS_mmap;
	r.rdi = (at & ~0xfffull) - 0x100000;
	r.rsi = 4096;
	r.rdx = PROT_READ | PROT_EXEC;
	r.r10 = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
	r.r8 = (unsigned long long)-1;
	r.r9 = 0;
	r.orig_rax = (unsigned long long)-1;
	put(at, call, 2);
	ptrace(PTRACE_SETREGS, pid, NULL, &r);
	ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
	if (!wait_trap())
		die("mmap");
	ptrace(PTRACE_GETREGS, pid, NULL, &r);
	put(at, saved, 2);
	ptrace(PTRACE_SETREGS, pid, NULL, &old);
	return r.rax;
}

static long copies(uint64_t at, uint64_t slot, int whole)
{
	long hits = 0, matches = 0;
	struct user_regs_struct r;
	for (;;) {
		if (!wait_trap())
			break;
		if (whole) {
			ptrace(PTRACE_GETREGS, pid, NULL, &r);
			matches += r.rdi == (unsigned long long)-1;
			r.rip = slot;
			ptrace(PTRACE_SETREGS, pid, NULL, &r);
		} else {
			if ((uint64_t)ptrace(PTRACE_PEEKUSER, pid, RIP, NULL) != at + 1)
				die("rip");
			matches += ptrace(PTRACE_PEEKUSER, pid, RDI, NULL) == -1;
			ptrace(PTRACE_POKEUSER, pid, RIP, slot);
		}
		hits++;
		ptrace(PTRACE_CONT, pid, NULL, NULL);
	}
	return matches ? -1 : hits;
}

static uint64_t word(uint64_t addr)
{
	uint64_t v;
	return pread(mem, &v, sizeof v, (off_t)addr) == sizeof v ? v : 0;
}

static long depths(uint64_t at, uint64_t slot)
{
	long hits = 0, matches = 0;
	struct user_regs_struct r;
	uint64_t frame[2];
	for (;;) {
		if (!wait_trap())
			break;
		ptrace(PTRACE_GETREGS, pid, NULL, &r);
		if (r.rip != at + 1)
			die("rip");
		unsigned depth = word(r.rsp) != 0;
		if (pread(mem, frame, sizeof frame, (off_t)r.rbp) == sizeof frame)
			depth += frame[1] != 0;
		matches += depth < 2;
		ptrace(PTRACE_POKEUSER, pid, RIP, slot);
		hits++;
		ptrace(PTRACE_CONT, pid, NULL, NULL);
	}
	return matches ? -1 : hits;
}

/* The first stop of a thread that was made is a SIGSTOP; its maker's is an event. */
static long in_thread(uint64_t at, uint64_t slot)
{
	long hits = 0;
	int status;
	for (;;) {
		pid_t tid = wait4(-1, &status, __WALL, NULL);
		if (tid < 0 || (tid == pid && !WIFSTOPPED(status)))
			break;
		if (!WIFSTOPPED(status))
			continue;
		if (status >> 8 == SIGTRAP) {
			if ((uint64_t)ptrace(PTRACE_PEEKUSER, tid, RIP, NULL) != at + 1)
				die("rip");
			ptrace(PTRACE_POKEUSER, tid, RIP, slot);
			hits++;
		}
		ptrace(PTRACE_CONT, tid, NULL, NULL);
	}
	return hits;
}

/* The largest mapping that can be written: what the program filled. */
static int search(void)
{
	static uint8_t b[1 << 20];
	static const uint8_t pattern[] = {0xde, 0xad, 0xbe, 0xef, 0x11, 0x22, 0x33, 0x44};
	char path[64], line[512], perms[8];
	unsigned long from, to, begin = 0, end = 0, found = 0;
	snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
	FILE *f = fopen(path, "r");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "%lx-%lx %7s", &from, &to, perms) == 3 && perms[1] == 'w' &&
			to - from > end - begin) {
			begin = from;
			end = to;
		}
	if (f)
		fclose(f);
	for (int look = 0; look < 2; look++) {
		double t0 = now();
		for (from = begin; from < end; from += sizeof b) {
			ssize_t n = pread(mem, b, sizeof b, (off_t)from);
			if (n <= 0)
				die("pread");
			found += look && memmem(b, (size_t)n, pattern, sizeof pattern);
		}
		printf("%.4f%c", (now() - t0) / 1e6, look ? '\n' : ' ');
	}
	return found != 0;
}

static long two_stops(uint64_t at, uint8_t orig)
{
	static const uint8_t cc = 0xcc;
	long hits = 0;
	struct user_regs_struct r;
	for (;;) {
		if (!wait_trap())
			break;
		ptrace(PTRACE_GETREGS, pid, NULL, &r);
		r.rip = at;
		ptrace(PTRACE_SETREGS, pid, NULL, &r);
		put(at, &orig, 1);
		ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
		if (!wait_trap())
			break;
		put(at, &cc, 1);
		hits++;
		ptrace(PTRACE_CONT, pid, NULL, NULL);
	}
	return hits;
}

static long steps(long n, int regs)
{
	struct user_regs_struct r;
	for (long i = 0; i < n; i++) {
		ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
		if (!wait_trap())
			return i;
		if (regs)
			ptrace(PTRACE_GETREGS, pid, NULL, &r);
	}
	return n;
}

int main(int argc, char **argv)
{
	static const uint8_t cc = 0xcc;
	uint8_t code[32];
	if (argc < 6 || argc > 7) {
		fprintf(stderr, "usage: user_floor copy|regs|depth|thread|two|step|stepregs|search "
				"PROGRAM OFFSET "
				"LENGTH N [-1|-2]\n");
		return 2;
	}
	const char *how = argv[1];
	if (argc == 6 || strcmp(argv[6], "-2")) {
		cpu_set_t one;
		CPU_ZERO(&one);
		CPU_SET(sched_getcpu(), &one);
		sched_setaffinity(0, sizeof one, &one); /* the child inherits it */
	}
	const char *mode = !strcmp(how, "thread")   ? "thread"
			   : !strcmp(how, "search") ? "hold"
						    : NULL;
	uint64_t at = start(argv[2], mode, strncmp(how, "step", 4) ? argv[5] : "1000000000");
	size_t len = (size_t)atoi(argv[4]);
	long n = atol(argv[5]), hits;
	at += strtoull(argv[3], NULL, 16);
	if (len > 15 || pread(mem, code, sizeof code, (off_t)at) != sizeof code)
		die("hit()");
	/* To hit() once, so that everything is loaded. In the first thread. */
	uint8_t orig = code[0];
	put(at, &cc, 1);
	ptrace(PTRACE_CONT, pid, NULL, NULL);
	if (!wait_trap())
		die("hit() was not reached");
	put(at, &orig, 1);
	if (!strcmp(how, "search")) {
		int bad = search();
		kill(pid, SIGKILL);
		return bad;
	}
	uint64_t slot = 0;
	if (strcmp(how, "two") && strncmp(how, "step", 4)) {
		uint8_t b[32];
		slot = scratch(at);
		memcpy(b, code, len);
		int32_t back = (int32_t)(at + len - (slot + len + 5));
		b[len] = 0xe9;
		memcpy(b + len + 1, &back, 4);
		put(slot, b, len + 5);
	}
	ptrace(PTRACE_POKEUSER, pid, RIP, at);
	double t0;
	if (!strncmp(how, "step", 4)) {
		t0 = now();
		hits = steps(n, !strcmp(how, "stepregs"));
	} else {
		put(at, &cc, 1);
		ptrace(PTRACE_CONT, pid, NULL, NULL);
		t0 = now();
		if (!slot)
			hits = two_stops(at, orig);
		else if (!strcmp(how, "depth"))
			hits = depths(at, slot);
		else if (!strcmp(how, "thread"))
			hits = in_thread(at, slot);
		else
			hits = copies(at, slot, !strcmp(how, "regs"));
	}
	printf("%.3f %ld\n", (now() - t0) / (double)hits, hits);
	kill(pid, SIGKILL);
	return 0;
}
