/*
 * user_prog: what bench/user has debugged, and the clock of its rows.
 *
 *   user_prog N         calls hit() N times after a few to warm up, and writes microseconds a call,
 *                       as it sees them itself, to the file that BENCH_TIME names
 *   user_prog thread N  hit() once; then the same from a thread that it makes
 *   user_prog trace     calls trace_me() once: some ten thousand instructions in nested calls
 *   user_prog hold MIB  fills that much memory and calls hit()
 *   user_prog load LIB  loads a library and calls hit()
 *   user_prog run COMMAND ...   runs it with its output thrown away; prints microseconds, kilobytes
 * of peak memory, status, microseconds of processor time. From here and not from Python, whose own
 * size the kernel would count.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

volatile long total;
uint8_t *held; /* hold: where the memory is, and how much */
size_t held_size;

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Begins with push %rbp, as most functions do. */
__attribute__((noinline)) void hit(long i)
{
	volatile long kept = i;
	(void)kept;
	total++;
}

__attribute__((noinline)) long leaf(long i)
{
	volatile long v = i;
	for (int k = 0; k < 8; k++)
		v += k;
	return v;
}

__attribute__((noinline)) long middle(long i)
{
	return leaf(i) + leaf(i + 1);
}

__attribute__((noinline)) long trace_me(long n)
{
	volatile long sum = 0;
	for (long i = 0; i < n; i++)
		sum += middle(i);
	return sum;
}

static void hits(long n)
{
	enum { WARM = 200 };
	const char *to = getenv("BENCH_TIME");
	double t0 = 0;
	for (long i = -WARM; i < n; i++) {
		if (!i)
			t0 = now();
		hit(i < 0 ? 0 : i);
	}
	double us = (now() - t0) / (double)n;
	FILE *f = to ? fopen(to, "w") : NULL;
	if (f) {
		fprintf(f, "%.4f\n", us);
		fclose(f);
	}
}

static void *in_thread(void *arg)
{
	hits((long)arg);
	return NULL;
}

static void hold(size_t mib)
{
	held_size = mib << 20;
	held = malloc(held_size);
	uint64_t x = 88172645463325252ull; /* xorshift: no pattern that a search could use */
	for (size_t i = 0; held && i + 8 <= held_size; i += 8) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(held + i, &x, 8);
	}
	hit(0);
}

static int run(char **argv)
{
	struct rusage u;
	int status;
	double t0 = now();
	pid_t pid = fork();
	if (!pid) {
		int null = open("/dev/null", O_RDWR);
		for (int fd = 0; fd < 3; fd++)
			dup2(null, fd);
		execvp(argv[0], argv);
		_exit(127);
	}
	if (wait4(pid, &status, 0, &u) != pid)
		return 1;
	printf("%.0f %ld %d %ld\n", now() - t0, u.ru_maxrss,
		WIFEXITED(status) ? WEXITSTATUS(status) : 255,
		(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000l + u.ru_utime.tv_usec +
			u.ru_stime.tv_usec);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "run"))
		return run(argv + 2);
	if (argc > 1 && !strcmp(argv[1], "trace"))
		return (int)(trace_me(160) & 1);
	if (argc > 2 && !strcmp(argv[1], "thread")) {
		pthread_t t;
		hit(0);
		if (!pthread_create(&t, NULL, in_thread, (void *)atol(argv[2])))
			pthread_join(t, NULL);
	} else if (argc > 2 && !strcmp(argv[1], "hold"))
		hold((size_t)atol(argv[2]));
	else if (argc > 2 && !strcmp(argv[1], "load")) {
		if (!dlopen(argv[2], RTLD_NOW))
			fprintf(stderr, "%s\n", dlerror());
		hit(0);
	} else
		hits(argc > 1 ? atol(argv[1]) : 10);
	return 0;
}
