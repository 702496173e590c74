/* tlslib: a library with thread-local variables, for tls.c. */
__thread long kept = 5;
static __thread struct pair {
	int a, b;
} two = {1, 2};

__attribute__((noinline)) void used(int n)
{
	two.b += n;
}

long use(long by)
{
	static __thread short calls;
	calls++;
	kept += by;
	two.a++;
	used(calls);
	return kept;
}
