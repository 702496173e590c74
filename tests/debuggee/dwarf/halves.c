/* A structure in registers of which one half is dead. */
struct pair {
	long gone, kept;
};

volatile long sink;

__attribute__((noinline)) void stop_here(void)
{
	sink++;
}

__attribute__((noinline)) long half(struct pair p)
{
	sink += p.gone;
	stop_here();
	return p.kept;
}

int main(int argc, char **argv)
{
	return half((struct pair){argc + 5, argc + 6}) & 1;
}
