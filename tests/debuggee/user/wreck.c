/*
 * wreck segv|abort|hang: two threads that wait, then three calls deep with locals: writes to address
 * 16, calls abort, or sleeps for ever.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct cargo {
	int weight;
	const char *name;
	struct cargo *next;
};

struct cargo anvil = {42, "anvil", NULL}, feather = {1, "feather", &anvil};
static pthread_barrier_t all;
static volatile int never;

static void *hand(void *arg)
{
	long number = (long)arg;
	pthread_barrier_wait(&all);
	while (!never)
		pause();
	return (void *)number;
}

__attribute__((noinline)) static int sink(const struct cargo *c, const char *how)
{
	int depth = c->weight * 100;
	int *nowhere = (int *)16;
	errno = ENOSPC;
	if (!strcmp(how, "segv"))
		*nowhere = depth;
	else if (!strcmp(how, "abort"))
		abort();
	while (!never)
		pause();
	return depth;
}

__attribute__((noinline)) static int load(const struct cargo *c, const char *how)
{
	char label[16];
	snprintf(label, sizeof label, "%s x%d", c->name, c->weight);
	return sink(c->next, how) + label[0];
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "hang";
	pthread_t id;
	pthread_barrier_init(&all, NULL, 3);
	for (long i = 1; i <= 2; i++)
		if (pthread_create(&id, NULL, hand, (void *)i))
			return 3;
	pthread_barrier_wait(&all);
	usleep(20000); /* until both stand in pause */
	return load(&feather, how);
}
