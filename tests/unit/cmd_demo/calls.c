/* Functions whose stacks the tests walk at every instruction: recursion, many saved registers, frames
 * of variable size, tail calls. No floating point: the tests run it by emulation. */
typedef long long i64;
#define KEEP __declspec(noinline)
volatile i64 sink;

KEEP i64 leaf(i64 a, i64 b)
{
	return a * b + 3;
}

KEEP i64 many(i64 a, i64 b, i64 c, i64 d, i64 e, i64 f)
{
	i64 p = leaf(a, b), q = leaf(c, d), r = leaf(e, f), s = leaf(a, f), t = leaf(b, e), u = leaf(c, c);
	sink += p;
	return leaf(p + q, r + s) + leaf(t, u) + p - q + r - s + t - u + a + b + c + d + e + f;
}

KEEP i64 dynamic(i64 n)
{
	volatile unsigned char *p = __builtin_alloca((unsigned)(n * 16 + 8));
	for (i64 i = 0; i < n * 8; i++)
		p[i] = (unsigned char)leaf(i, n);
	return p[n] + many(n, p[0], p[1], n, 1, 2);
}

KEEP i64 big(i64 n)
{
	volatile i64 table[300];
	for (int i = 0; i < 5; i++)
		table[i * 50] = leaf(i, n);
	return table[50] + table[100];
}

KEEP i64 tail(i64 n)
{
	return many(n, n, n, n, n, n);
}

KEEP i64 recurse(i64 n)
{
	switch (n) {
	case 0:
		return 1;
	case 1:
		return tail(n);
	case 2:
		return dynamic(n) + recurse(n - 1);
	case 3:
		return big(n) + recurse(n - 1);
	default:
		return recurse(n - 1) + leaf(n, 2);
	}
}

__declspec(dllexport) i64 work(i64 n)
{
	return recurse(n) + many(1, 2, 3, 4, 5, 6);
}

int entry(void *a, unsigned b, void *c)
{
	return (int)work(4);
}
