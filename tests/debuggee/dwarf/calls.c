/* What C has: types, statics, inlined calls, locals in registers, a stack through a signal frame.
 * Run without arguments it ends; with one it stops itself deep inside, in a signal handler. */
#include "calls.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum fruit { APPLE = -3, PEAR, PLUM = 7 };

struct point {
	int x, y;
	const char *name;
};

struct mixed {
	struct point at, *next;
	unsigned lo : 3;
	unsigned mid : 7;
	int sign : 5;
	union {
		unsigned long whole;
		struct {
			unsigned short half[4];
		};
	};
	char grid[3][5];
	int (*call)(struct point *, double);
	struct hidden *opaque; /* defined in the other unit */
	enum fruit fruit;
	_Bool yes;
	long double wide;
	void *any;
};

typedef struct mixed mixed_t;
typedef unsigned long word;

static mixed_t table[2];
mixed_t *shared_table = table;
int matrix[2][3][4];
static int same_name = 1;
word a_word = 0x1122334455667788;
__thread int per_thread = 99;
volatile int sink;

static inline __attribute__((always_inline)) int twice(int v)
{
	int doubled = v * 2;
	sink += doubled;
	return doubled;
}

static inline __attribute__((always_inline)) int four_times(int v)
{
	int half = twice(v);
	return twice(half);
}

__attribute__((noinline)) int leaf(int n, const char *text)
{
	static int counter = 5;
	counter += n;
	sink += (int)strlen(text);
	return counter;
}

__attribute__((noinline)) int inlining(int n)
{
	int r = four_times(n);
	if (r > 3) {
		int inner = r + leaf(n, "inner");
		sink += inner;
		r += inner;
	}
	return r + same_name;
}

__attribute__((noinline)) static void stop_here(int sig)
{
	char local_buffer[40];
	memset(local_buffer, sig, sizeof local_buffer);
	sink += local_buffer[3];
	kill(getpid(), SIGSTOP);
	sink++;
}

static void handler(int sig)
{
	stop_here(sig + 1);
	sink++;
}

__attribute__((noinline)) static int third(struct point *p, double d)
{
	int kept = p->x + (int)d;
	raise(SIGUSR1);
	sink += kept;
	return kept;
}

__attribute__((noinline)) static int second(int n)
{
	struct point here = {n, n + 1, "here"};
	int r = third(&here, 2.5);
	return r + here.y;
}

__attribute__((noinline)) int first(int n)
{
	int big[100];
	memset(big, n, sizeof big);
	int r = second(n + 1);
	return r + big[n];
}

int main(int argc, char **argv)
{
	table[0].call = third;
	table[1].mid = 77;
	table[0].opaque = other_make(argc);
	int r = inlining(argc) + leaf(argc, argv[0]) + other_use(table[0].opaque);
	per_thread += r;
	if (argc > 1) {
		signal(SIGUSR1, handler);
		r += first(7);
	}
	return r == 123456;
}
