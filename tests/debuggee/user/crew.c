/*
 * crew: three threads are started one after the other and wait; in each of four rounds main() wakes
 * them all up, each calls duty() and over() once, and main() goes on when `need` more duties are done.
 * A debugger that holds a thread back writes how many are to be waited for into `need`. Prints how
 * often each was on duty.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>

enum { CREW = 3, ROUNDS = 4 };

struct member {
	int id;
	sem_t wake;
	volatile int duties;
};

struct member crew[CREW];
volatile int need = CREW, done;
static sem_t ready, finished;

/* All are there and wait. */
__attribute__((noinline)) void assembled(void)
{
	__asm__ volatile("" ::: "memory");
}

__attribute__((noinline)) void duty(struct member *m, int round)
{
	m->duties += round > 0;
}

__attribute__((noinline)) void over(struct member *m)
{
	done += m->duties > 0; /* read by nobody but the debugger */
}

__attribute__((noinline)) void round_over(int round)
{
	__asm__ volatile("" ::"r"(round) : "memory");
}

static void *member_main(void *arg)
{
	struct member *m = arg;
	sem_post(&ready);
	for (int round = 1; round <= ROUNDS; round++) {
		while (sem_wait(&m->wake))
			;
		duty(m, round);
		over(m);
		sem_post(&finished);
	}
	return NULL;
}

int main(void)
{
	pthread_t t[CREW];
	sem_init(&ready, 0, 0);
	sem_init(&finished, 0, 0);
	for (int i = 0; i < CREW; i++) {
		crew[i].id = i + 1;
		sem_init(&crew[i].wake, 0, 0);
		pthread_create(&t[i], NULL, member_main, &crew[i]);
		while (sem_wait(&ready))
			;
	}
	assembled();
	for (int round = 1; round <= ROUNDS; round++) {
		for (int i = 0; i < CREW; i++)
			sem_post(&crew[i].wake);
		for (int i = 0; i < need; i++)
			while (sem_wait(&finished))
				;
		round_over(round);
	}
	for (int i = 0; i < CREW; i++)
		pthread_join(t[i], NULL);
	printf("%d %d %d\n", crew[0].duties, crew[1].duties, crew[2].duties);
	return 0;
}
