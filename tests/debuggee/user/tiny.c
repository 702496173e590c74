/* The library of dlloop; its constructor tells whether it ran. */
volatile long constructed;

__attribute__((constructor)) static void begin(void)
{
	constructed++;
}

long tiny(long i)
{
	return i + constructed;
}
