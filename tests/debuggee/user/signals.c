/*
 * signals segv|fpe|ill|bus|abort|int3|trap   does it, with the default action
 * signals catch segv|...                     the same with a handler that goes on behind it
 * signals usr1 N       sends itself SIGUSR1 N times, handled
 * signals alarm N      calls hit() N times while a timer sends SIGALRM; prints hits
 * signals queue N      queues N real-time signals with values while blocked, then takes them all
 * signals stop         stops itself by SIGSTOP, a child wakes it up
 * signals wait         sits in pause, read and nanosleep until SIGTERM; prints what was interrupted
 * signals ignore       ignores SIGSEGV... SIGUSR2 and sends it
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

volatile long total, caught, sum;
volatile int *volatile nowhere = (volatile int *)0x1234;
static sigjmp_buf back;

__attribute__((noinline)) void hit(long i)
{
	volatile long kept = i; /* a frame: push %rbp comes first */
	(void)kept;
	total++;
}

static void handler(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	caught++;
	sum += si->si_code == SI_QUEUE ? si->si_value.sival_int : 0;
	if (sig == SIGSEGV || sig == SIGFPE || sig == SIGILL || sig == SIGBUS)
		siglongjmp(back, 1);
}

static void handle(int sig)
{
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
	sigaction(sig, &sa, NULL);
}

static void crash(const char *how)
{
	volatile int zero = 0, seven = 7;
	if (!strcmp(how, "segv"))
		*nowhere = 1;
	else if (!strcmp(how, "read"))
		zero = *nowhere;
	else if (!strcmp(how, "jump"))
		((void (*)(void))0x1000)();
	else if (!strcmp(how, "fpe"))
		zero = seven / zero;
	else if (!strcmp(how, "ill"))
		__asm__ volatile("ud2");
	else if (!strcmp(how, "bus")) {
		FILE *f = tmpfile();
		char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fileno(f), 0);
		zero = *(volatile char *)p;
	} else if (!strcmp(how, "abort"))
		abort();
	else if (!strcmp(how, "int3"))
		__asm__ volatile("int3");
	else if (!strcmp(how, "trap"))
		raise(SIGTRAP);
	else if (!strcmp(how, "kill"))
		raise(SIGSEGV);
}

static void alarms(long n)
{
	struct itimerval it = {{0, 300}, {0, 300}};
	handle(SIGALRM);
	setitimer(ITIMER_REAL, &it, NULL);
	for (long i = 0; i < n; i++)
		hit(i);
	it = (struct itimerval){0};
	setitimer(ITIMER_REAL, &it, NULL);
	printf("%ld %s\n", total, caught ? "caught" : "none");
}

static void queued(long n)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 1);
	handle(SIGRTMIN + 1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (long i = 1; i <= n; i++)
		sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = (int)i});
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	printf("%ld %ld\n", caught, sum);
}

/* Whether a process stands still, proc(5) "stat". */
static int stands(pid_t pid)
{
	char path[64], b[512] = "";
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	FILE *f = fopen(path, "r");
	if (f) {
		(void)!fread(b, 1, sizeof b - 1, f);
		fclose(f);
	}
	const char *p = strrchr(b, ')');
	return p && (p[2] == 'T' || p[2] == 't');
}

/* The child wakes the parent once it has stood still for a while. */
static void stopped(void)
{
	pid_t me = getpid();
	int status = 0;
	if (!fork()) {
		int still = 0;
		for (int i = 0; i < 200 && still < 10; i++) {
			usleep(15000);
			still = stands(me) ? still + 1 : 0;
		}
		kill(me, SIGCONT);
		_exit(still < 10);
	}
	raise(SIGSTOP);
	wait(&status);
	puts(status ? "it never stopped" : "woken");
}

static void waiting(void)
{
	char c;
	int fd[2];
	if (pipe(fd))
		return;
	puts("ready");
	fflush(stdout);
	ssize_t n = read(fd[0], &c, 1);
	printf("%s\n", n < 0 ? strerror(errno) : "read");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";
	long n = argc > 2 ? atol(argv[2]) : 10;
	if (!strcmp(how, "catch") && argc > 2) {
		handle(SIGSEGV);
		handle(SIGFPE);
		handle(SIGILL);
		handle(SIGBUS);
		handle(SIGTRAP);
		if (!sigsetjmp(back, 1))
			crash(argv[2]);
		printf("caught %ld\n", caught);
	} else if (!strcmp(how, "usr1")) {
		handle(SIGUSR1);
		for (long i = 0; i < n; i++)
			raise(SIGUSR1);
		printf("%ld\n", caught);
	} else if (!strcmp(how, "alarm")) {
		alarms(n);
	} else if (!strcmp(how, "queue")) {
		queued(n);
	} else if (!strcmp(how, "stop")) {
		stopped();
	} else if (!strcmp(how, "wait")) {
		waiting();
	} else if (!strcmp(how, "ignore")) {
		signal(SIGUSR2, SIG_IGN);
		raise(SIGUSR2);
		puts("ignored");
	} else {
		crash(how);
	}
	return 0;
}
