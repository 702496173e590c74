/* hits N [T]: T threads (1) call hit() N times each; the sum is printed, so that it can be compared
 * with what a debugger counted. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

volatile long total;

/* What a compiler puts at the start of most functions. */
__attribute__((noinline)) void hit(long i)
{
	volatile long kept = i; /* a frame: push %rbp comes first */
	(void)kept;
	__atomic_add_fetch(&total, 1, __ATOMIC_RELAXED);
}

static void *work(void *arg)
{
	for (long i = 0; i < (long)arg; i++)
		hit(i);
	return NULL;
}

int main(int argc, char **argv)
{
	long n = argc > 1 ? atol(argv[1]) : 10, t = argc > 2 ? atol(argv[2]) : 1;
	pthread_t id[64];
	if (t > 64)
		return 2;
	if (t == 1)
		work((void *)n);
	for (long i = 0; t > 1 && i < t; i++)
		pthread_create(&id[i], NULL, work, (void *)n);
	for (long i = 0; t > 1 && i < t; i++)
		pthread_join(id[i], NULL);
	printf("%ld\n", total);
	return (int)(total & 127);
}
