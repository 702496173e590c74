// Functions to be called by .call: every way in which the calling convention passes things.
#include <complex>
#include <cstdarg>
#include <cstdio>
#include <string>
#include <unistd.h>

struct point { int x, y; };
struct mixed { double d; int i; };
struct longs { long v[5]; };
struct floats { float a, b, c; };
struct word { float f; int i; };
enum color { RED, GREEN = 5, BLUE = -1 };
struct object {
	int k;
	virtual ~object() {}
	int add(int n) { return k + n; }
	std::string name() { return "object " + std::to_string(k); }
};

extern "C" {
int add(int a, int b) { return a + b; }
double scale(double d, float f, int n) { return d * f * n; }
long many(int a, long b, short c, char d, unsigned e, long f, long g, int h, double i)
{
	return a + 10 * b + 100 * c + 1000 * d + 10000 * e + 100000 * f + 1000000 * g + 10000000 * h + 100000000 * (long)i;
}
double floating(double a, double b, double c, double d, double e, double f, double g, double h, double i, long double j)
{
	return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i + 10 * (double)j;
}
point make_point(int x, int y) { return point{x, y}; }
mixed make_mixed(double d, int i) { return mixed{d, i}; }
longs make_longs(long n) { return longs{{n, n + 1, n + 2, n + 3, n + 4}}; }
floats make_floats(float a) { return floats{a, a + 1, a + 2}; }
int sum_of(point p, mixed q, longs b, floats f) { return p.x + p.y + (int)q.d + q.i + (int)b.v[4] + (int)f.c; }
int both_of(word w) { return (int)w.f + w.i; }
long double doubled(long double x) { return x * 2; }
__int128 tripled(__int128 x) { return x * 3; }
const char *text(int n) { return n ? "yes" : "no"; }
void store(int *p) { *p = 77; }
bool large(int n) { return n > 3; }
signed char minus(signed char c) { return -c; }
struct bits { int a : 5, b : 20, c : 7; unsigned d : 9; };
struct bits make_bits(int n) { return bits{n, n * 3, -n, (unsigned)n}; }
int sum_bits(bits b) { return b.a + b.b + b.c + b.d; }
#pragma pack(push, 1)
struct packed { char c; long l; };
#pragma pack(pop)
packed make_packed(char c, long l) { return packed{c, l}; }
long sum_packed(int a, packed p, int b) { return a + p.c + p.l + b; }
long widths(signed char a, short b, unsigned char c, unsigned short d, bool e, color f) { return a + 10L * b + 100L * c + 1000L * d + 10000L * e + 100000L * f; }
int total(int n, ...)
{
	va_list a;
	va_start(a, n);
	double s = 0;
	for (int i = 0; i < n; i++)
		s += i % 2 ? va_arg(a, int) : va_arg(a, double);
	va_end(a);
	return (int)s;
}
int fault(int *p) { return *p; }
int leaf(int n) // what it knows lies below its stack pointer
{
	volatile int v[24];
	for (int i = 0; i < 24; i++)
		v[i] = n + i;
	int s = 0;
	for (int i = 0; i < 24; i++)
		s += v[i];
	return s;
}
}
color pick(int n) { return n ? GREEN : RED; }
int one_more(const int &r) { return r + 1; }
std::complex<double> both(double d) { return {d, -d}; }
int target = 5;
word one_word = {2.5, 7};

int here(object *o) { return o->add(1) + (int)o->name().size(); }

int main(int argc, char **argv)
{
	object o;
	o.k = 9;
	point p{1, 2};
	mixed q{3.5, 4};
	longs b = make_longs(10);
	floats f = make_floats(6);
	bits w = make_bits(3);
	packed k = make_packed(7, 1000);
	volatile long unused = sum_bits(w) + sum_packed(1, k, 2) + widths(1, 2, 3, 4, true, RED);
	(void)unused;
	int n = here(&o) + one_more(3) + sum_of(p, q, b, f);
	n += leaf(2) - 324;
	printf("%d %d\n", n, argc > 1 ? usleep(1500000) : 0);
	return 0;
}
