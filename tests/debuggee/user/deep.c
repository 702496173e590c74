/* deep N: a recursion N deep, then prints its result; deep 0 never ends. */
#include <stdio.h>
#include <stdlib.h>

__attribute__((noinline)) long deep(long n)
{
	volatile char room[64];
	room[0] = (char)n;
	return n == 1 ? room[0] : 1 + deep(n - 1);
}

int main(int argc, char **argv)
{
	printf("%ld\n", deep(argc > 1 ? atol(argv[1]) : 10));
	return 0;
}
