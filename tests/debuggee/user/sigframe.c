/* sigframe: a signal that a function sends to itself without the C library, so that its stack is
 * inner, handler, the library's return trampoline, outer, main on every machine. */
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

struct place {
	int line;
	const char *what;
};

volatile int seen;

static inline __attribute__((always_inline)) int doubled(int v)
{
	int twice = v * 2;
	seen += twice;
	return twice;
}

__attribute__((noinline)) void inner(int sig, double weight)
{
	int kept = sig + (int)weight;
	seen += kept;
}

static void handler(int sig)
{
	int next = sig + 1;
	inner(next, 2.5);
	seen++;
}

__attribute__((noinline)) int outer(struct place *p, long pid)
{
	int before = doubled(p->line);
	long r = SYS_kill;
	__asm__ volatile("syscall" : "+a"(r) : "D"(pid), "S"(SIGUSR1) : "rcx", "r11", "memory");
	seen += before;
	return before + (int)r;
}

int main(void)
{
	struct place here = {42, "here"};
	signal(SIGUSR1, handler);
	return outer(&here, getpid()) != 84;
}
