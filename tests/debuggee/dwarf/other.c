/* The other unit of calls.c: defines what that only declares, and a static of the same name. */
#include "calls.h"

#include <stdlib.h>

struct hidden {
	int secret;
	char tail[3];
};

static int same_name = 2;
volatile int other_sink;

struct hidden *other_make(int n)
{
	struct hidden *h = calloc(1, sizeof *h);
	if (h)
		h->secret = n + same_name;
	return h;
}

int other_use(struct hidden *h)
{
	int got = h ? h->secret : 0;
	other_sink += got;
	return got;
}
