/*
 * debuggee: a program that only debuggers look at. Built for Windows x64 with a PDB (meson.build), opened
 * with `ringside -z`; it is never run. Each thing below is there for a command to show: see tests/golden/.
 */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

typedef enum colour { COLOUR_RED, COLOUR_GREEN = 5, COLOUR_BLUE = -1 } colour;

typedef struct _LIST_ENTRY {
	struct _LIST_ENTRY *Flink, *Blink;
} LIST_ENTRY;

typedef struct flags {
	u32 ready : 1;
	u32 level : 3;
	u32 : 4;
	u32 count : 24;
} flags;

typedef union value {
	u64 whole;
	u32 half[2];
	u8 byte[8];
} value;

typedef struct point {
	int x, y;
} point;

typedef struct node {
	LIST_ENTRY links;
	struct node *next;
	const char *name;
	point at;
	flags state;
	value content;
	colour paint;
	point corners[3];
	int (*handler)(int, int);
} node;

/* Data that dt and d* can show without a process: initialised, so it is in the file. */
extern node first, second, third;
static int add(int a, int b);
node first = {{&second.links, &third.links}, &second, "first", {1, 2}, {1, 5, 100}, {0x1122334455667788ull},
	COLOUR_GREEN, {{10, 11}, {20, 21}, {30, 31}}, add};
node second = {{&third.links, &first.links}, &third, "second", {3, 4}, {0, 2, 200}, {2}, COLOUR_RED,
	{{0}}, add};
node third = {{&first.links, &second.links}, 0, "third", {-5, 6}, {1, 7, 0xffffff}, {3}, COLOUR_BLUE, {{0}}, 0};
const char greeting[] = "hello from the debuggee";
const u16 wide_greeting[] = {'w', 'i', 'd', 'e', 0};
u64 table[4] = {1, 0x10, 0x100, 0x1000};
double ratio = 2.5;
static int counter = 7;

static __attribute__((noinline)) int add(int a, int b)
{
	int sum = a + b;
	counter += sum;
	return sum;
}

__attribute__((noinline)) int sum_list(const node *head, int limit)
{
	int total = 0;
	for (const node *n = head; n && limit > 0; n = n->next, limit--) {
		point p = n->at;
		total = add(total, p.x * p.y);
		if (n->handler)
			total += n->handler(p.x, p.y);
	}
	return total;
}

__attribute__((noinline)) u64 choose(u64 which)
{
	switch (which) {
	case 0:
		return table[3];
	case 1:
		return first.content.whole;
	case 2:
		return (u64)second.content.half[0] * 3;
	case 3:
		return (u64)third.content.byte[0] + 40;
	case 4:
		return 0x1234;
	default:
		return which * 17 + 3;
	}
}

/* A frame larger than a page of locals has a prologue worth unwinding. */
__attribute__((noinline, dllexport)) int big_frame(int seed)
{
	volatile u32 room[64];
	for (int i = 0; i < 64; i++)
		room[i] = (u32)(seed * i);
	return (int)room[seed & 63] + sum_list(&first, 3);
}

extern int shapes_area(int);

int _fltused;

int start(void)
{
	return big_frame(3) + (int)choose(2) + shapes_area(4);
}
