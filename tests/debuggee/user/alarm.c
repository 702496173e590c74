/*
 * alarm [ignore]: a timer's signal every 2 ms, with a handler or ignored, while work() is called
 * again and again. It stops itself once, before it begins.
 */
#include <signal.h>
#include <sys/time.h>

volatile long handled, calls;

static void handler(int sig)
{
	handled++;
}

__attribute__((noinline)) long work(long n)
{
	long sum = 0;
	calls++;
	for (long i = 0; i < n; i++) {
		sum += i * n;
		__asm__ volatile("");
	}
	return sum;
}

int main(int argc, char **argv)
{
	struct sigaction a = {.sa_handler = argc > 1 ? SIG_IGN : handler, .sa_flags = SA_RESTART};
	struct itimerval t = {{0, 2000}, {0, 2000}};
	sigaction(SIGALRM, &a, 0);
	setitimer(ITIMER_REAL, &t, 0);
	__asm__ volatile("int3");
	while (work(10) >= 0)
		;
	return 0;
}
