/* What C++ expressions look at in a Linux process: variables of every kind of type, locals of a caller.
 * Needs no C++ library. */
#include <stdio.h>
#include <wchar.h>

struct base {
	int id;
	static int made;
	virtual int twice() { return id * 2; }
};
int base::made = 3;

struct derived : base {
	double weight;
	int counts[3];
	unsigned low : 3;
	int high : 5;
	union {
		unsigned long whole;
		unsigned char bytes[8];
	};
	derived *next;
	int (*call)(derived *, int);
};

struct extra {
	long tag;
};

struct both : base, extra {
	int own;
} pair;

struct root {
	int deep = 11;
	virtual int who() { return deep; }
};
struct left : virtual root {
	int l = 12;
};
struct right : virtual root {
	int r = 13;
};
struct bottom : left, right {
	int b = 14;
} diamond;
struct lower : virtual bottom {
	int w = 15;
} below;
root *diamond_root = &diamond;
lower *nowhere;

struct limits {
	static const int most = 40;
	static const long least = -4;
	int v;
} limited;

enum class hue { red, green = 5, none = -1 };
enum plain { P_A, P_B = 7 };

namespace ns {
int global = 9;
template <class T> struct box {
	T v;
};
box<int> boxed{4};
template <class T, int N> struct ring {
	T items[N];
	int head = N;
};
ring<box<int> *, 3> rings;
}

derived one, two;
hue shade = hue::green;
plain chosen = P_B;
const char *text = "hello";
const wchar_t *wide = L"w\u00efde";
wchar_t letters[] = L"abc";
const char16_t *text16 = u"sixteen";
char16_t letters16[] = u"u16";
char32_t letters32[] = U"\u00e9x";
long double precise = 1.5L;
__int128 huge = ((__int128)1 << 64) + 5;
bool yes = true;
long negative = -7;
unsigned long long big = 1ull << 40;
float part = 0.5f;
int grid[2][3] = {{1, 2, 3}, {4, 5, 6}};

__attribute__((noinline)) void stop_here()
{
	__asm__ volatile("");
}

__attribute__((noinline)) int work(derived *p, int n, const int &ref)
{
	int total = 0;
	for (int i = 0; i < n; i++) {
		int piece = p->counts[i] + ref;
		total += piece;
		stop_here();
	}
	return total;
}

static int called(derived *d, int n)
{
	return d->id + n;
}

int main()
{
	one.id = 42;
	one.weight = 2.5;
	one.counts[0] = 1;
	one.counts[1] = 20;
	one.counts[2] = 300;
	one.low = 5;
	one.high = -2;
	one.whole = 0x1122334455667788;
	one.next = &two;
	one.call = called;
	two.id = 43;
	pair.tag = 5;
	pair.own = 6;
	int hundred = 100;
	int r = work(&one, 3, hundred);
	printf("%d\n", r);
	return 0;
}
