/* threads TOTAL AT_ONCE: that many threads one after the other, AT_ONCE alive at a time; each calls
 * shared() three times. Prints how often shared() ran. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

volatile long total;

__attribute__((noinline)) void shared(long i)
{
	volatile long kept = i; /* a frame: push %rbp comes first */
	(void)kept;
	__atomic_add_fetch(&total, 1, __ATOMIC_RELAXED);
}

static void *work(void *arg)
{
	for (int i = 0; i < 3; i++)
		shared((long)arg);
	return NULL;
}

int main(int argc, char **argv)
{
	long n = argc > 1 ? atol(argv[1]) : 16, at_once = argc > 2 ? atol(argv[2]) : 8;
	pthread_t id[64];
	if (at_once > 64)
		return 2;
	for (long i = 0; i < n + at_once; i++) {
		if (i >= at_once && i - at_once < n)
			pthread_join(id[i % at_once], NULL);
		if (i < n && pthread_create(&id[i % at_once], NULL, work, (void *)i))
			return 3;
	}
	printf("%ld\n", total);
	return 0;
}
