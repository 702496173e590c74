/* deadlock: two threads that each have what the other one wants, a third that waits for one of them, one that waits for
 * a condition, and the first one, which waits for the end of another. */
#include <pthread.h>
#include <stddef.h>

pthread_mutex_t left = PTHREAD_MUTEX_INITIALIZER, right = PTHREAD_MUTEX_INITIALIZER, own = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t both;

__attribute__((noinline)) static void take(pthread_mutex_t *first, pthread_mutex_t *second)
{
	pthread_mutex_lock(first);
	pthread_barrier_wait(&both);
	pthread_mutex_lock(second);
}

static void *one(void *arg)
{
	take(&left, &right);
	return arg;
}

static void *other(void *arg)
{
	take(&right, &left);
	return arg;
}

static void *late(void *arg)
{
	pthread_barrier_wait(&both);
	pthread_mutex_lock(&left);
	return arg;
}

static void *waiter(void *arg)
{
	pthread_mutex_lock(&own);
	for (;;)
		pthread_cond_wait(&never, &own);
	return arg;
}

int main(void)
{
	static void *(*const work[])(void *) = {one, other, late, waiter};
	pthread_t t[4];
	pthread_barrier_init(&both, NULL, 3);
	for (int i = 0; i < 4; i++)
		if (pthread_create(&t[i], NULL, work[i], NULL))
			return 1;
	return pthread_join(t[0], NULL);
}
