/* What the tests of the symbol room look at: structures, statics, locals, a linked list, bit fields. */
typedef unsigned char UCHAR;
typedef unsigned short USHORT;
typedef unsigned long ULONG;
typedef unsigned long long ULONG64;
typedef struct _LIST_ENTRY { struct _LIST_ENTRY *Flink, *Blink; } LIST_ENTRY;
typedef struct _UNICODE_STRING { USHORT Length, MaximumLength; __WCHAR_TYPE__ *Buffer; } UNICODE_STRING;
enum color { RED, GREEN = 2, BLUE = -1 };
typedef struct _INNER { int a; union { long b; struct { short lo, hi; }; }; } INNER;
typedef struct _OUTER {
	LIST_ENTRY Links;
	UNICODE_STRING Name;
	INNER In[3];
	ULONG Flags : 3, Mode : 5, Rest : 24;
	enum color Color;
	struct _OUTER *Next;
	UCHAR Tag[8];
	double Ratio;
	int (*Call)(struct _OUTER *, int);
} OUTER;
OUTER g_outer;
int g_value = 42;
static int s_value = 7;
const char *g_text = "text";
ULONG64 g_big = 0x123456789abcdef0;
__declspec(noinline) int helper(int x)
{
	int twice = x * 2;
	return twice + s_value;
}
static __declspec(noinline) int hidden(OUTER *o, int n)
{
	return o->In[n].a + helper(n);
}
__declspec(dllexport) int Exported(OUTER *o, int n)
{
	int r = 0;
	for (int i = 0; i < n; i++) {
		int part = hidden(o, i);
		r += part;
	}
	g_value += r;
	return r;
}
int _fltused;
int entry(void *a, ULONG b, void *c) { g_outer.Call = (int (*)(OUTER *, int))Exported; return 1; }
