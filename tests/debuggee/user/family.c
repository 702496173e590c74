/*
 * family fork N      N children one after the other, each calls hit() once and exits with 7
 * family vfork N     the same by vfork; the child calls hit()
 * family slow N      the same; the child takes its time
 * family spawn N     posix_spawn of ourselves as `family once`
 * family exec PATH   becomes PATH
 * family texec PATH  a second thread becomes PATH while the first and a third wait
 * family leader N    the first thread ends at once, a second calls hit() N times
 * family once        calls hit() once
 * Prints how many children ended as they should.
 */
#include <pthread.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
volatile long total;
static char **args;

__attribute__((noinline)) void hit(long i)
{
	volatile long kept = i; /* a frame: push %rbp comes first */
	(void)kept;
	total++;
}

static void *become(void *arg)
{
	execl(arg, arg, args[3], (char *)NULL);
	_exit(9);
}

static void *idle(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void *alone(void *arg)
{
	usleep(50000);
	for (long i = 0; i < (long)arg; i++)
		hit(i);
	printf("%ld\n", total);
	fflush(stdout);
	exit(5);
	return arg;
}

static pid_t child(const char *how)
{
	if (!strcmp(how, "spawn")) {
		char *v[] = {args[0], "once", NULL};
		pid_t pid;
		return posix_spawn(&pid, args[0], NULL, NULL, v, environ) ? -1 : pid;
	}
	bool slow = !strcmp(how, "slow");
	pid_t pid = slow || !strcmp(how, "vfork") ? vfork() : fork();
	if (!pid) {
		if (slow)
			usleep(200000);
		hit(1);
		_exit(7);
	}
	return pid;
}

int main(int argc, char **argv)
{
	pthread_t t;
	int good = 0, status;
	args = argv;
	if (argc < 2)
		return 2;
	if (!strcmp(argv[1], "once")) {
		hit(0);
		return 7;
	}
	if (argc < 3)
		return 2;
	if (!strcmp(argv[1], "exec"))
		become(argv[2]);
	if (!strcmp(argv[1], "texec")) {
		pthread_create(&t, NULL, idle, NULL);
		usleep(20000);
		pthread_create(&t, NULL, become, argv[2]);
		pthread_join(t, NULL);
		return 3;
	}
	if (!strcmp(argv[1], "leader")) {
		pthread_create(&t, NULL, alone, (void *)atol(argv[2]));
		pthread_exit(NULL);
	}
	for (long i = 0; i < atol(argv[2]); i++) {
		pid_t pid = child(argv[1]);
		good += pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
			WEXITSTATUS(status) == 7;
	}
	printf("%d %ld\n", good, total);
	return 0;
}
