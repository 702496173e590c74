/* A parameter that is dead: what it was at entry stands in the caller's call site, but only if the
 * caller called this function, and not one that jumped here. */
volatile int sink;

__attribute__((noipa)) void stop_here(void)
{
	sink++;
}

__attribute__((noipa)) int leaf(int used, int gone)
{
	sink += gone;
	stop_here();
	return used + sink;
}

__attribute__((noipa)) int hop(int used, int gone)
{
	return leaf(used, gone + 100);
}

__attribute__((noipa)) int through(int (*to)(int, int), int used)
{
	int r = to(used, 7) + used;
	return to ? r + (int)(long)to : r; /* keeps it */
}

__attribute__((noipa, cold)) void rare(void)
{
	sink = 0;
}

/* in two parts */
__attribute__((noipa)) int parted(int used, int gone)
{
	sink += gone;
	stop_here();
	if (used > 1000) {
		sink += 5;
		rare();
		sink *= 3;
	}
	return used + sink;
}

int main(void)
{
	return (parted(8, 9) + leaf(1, 2) + hop(3, 4) + through(leaf, 5) + through(hop, 6)) & 1;
}
