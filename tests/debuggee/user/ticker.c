/* ticker strict: one thread that seccomp allows nothing but read and write.
 * ticker [T]: T threads call tick() all the time, the first one beat() as well; once in about a
 * millisecond a byte goes to standard output, so that whoever reads it knows that it lives. Ends
 * when nobody reads. */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

volatile long ticks, watched;

__attribute__((noinline)) void tick(long i)
{
	volatile long kept = i; /* a frame: push %rbp comes first */
	(void)kept;
	__atomic_add_fetch(&ticks, 1, __ATOMIC_RELAXED);
}

__attribute__((noinline)) void beat(long i)
{
	volatile long kept = i;
	(void)kept;
}

static void *work(void *arg)
{
	for (long i = 0;; i++) {
		tick(i);
		watched = i;
		if (i % 16 == 0)
			usleep(500);
	}
	return arg;
}

int main(int argc, char **argv)
{
	pthread_t t;
	signal(SIGPIPE, SIG_IGN);
	if (argc > 1 && !strcmp(argv[1], "strict")) {
		prctl(PR_SET_SECCOMP, 1); /* SECCOMP_MODE_STRICT */
		for (long i = 0;; i++) {
			tick(i);
			for (volatile long k = 0; k < 200000; k++)
				;
			if (write(1, ".", 1) != 1)
				__asm__ volatile("hlt");
		}
	}
	for (int i = 1; i < (argc > 1 ? atoi(argv[1]) : 1); i++)
		pthread_create(&t, NULL, work, NULL);
	for (long i = 0;; i++) {
		tick(i);
		beat(i);
		watched = i;
		if (i % 16 == 0)
			usleep(500);
		if (write(1, ".", 1) != 1)
			return 0;
	}
}
