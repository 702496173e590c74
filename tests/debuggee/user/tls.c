/*
 * tls LIBRARY: thread-local variables of the program and of a library that it loads, in two
 * threads. stop(1): the first thread, before it used the library's; stop(2): behind that; stop(3)
 * and stop(4): the same in the second thread.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

__thread int mine = 11;
static __thread struct {
	char letter;
	int number;
} place = {'p', 7};
volatile int stops;
static long (*use)(long by);

__attribute__((noinline)) void stop(int n)
{
	stops = n;
}

static void *second(void *arg)
{
	mine = 100;
	place.number++;
	stop(3);
	use(20);
	stop(4);
	return arg;
}

int main(int argc, char **argv)
{
	pthread_t t;
	void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
	use = library ? (long (*)(long))dlsym(library, "use") : NULL;
	if (!use)
		return 1;
	place.letter++;
	stop(1);
	use(3);
	stop(2);
	if (pthread_create(&t, NULL, second, NULL))
		return 1;
	pthread_join(t, NULL);
	printf("%ld\n", use(1));
	return 0;
}
