struct node { struct node *next; union { int i; float f; } u; enum kind { KIND_A, KIND_B = 300 } kind; struct inside { int z; } in; };
struct declared_only;
typedef struct { int x; } anonymous_t;
typedef int (*callback)(struct declared_only *, int);
enum { FLAG_ONE = 1, FLAG_TWO = 2, FLAG_BIG = 0x40000000 };
static struct node first = {0};
int global_counter = FLAG_TWO;
const char *const text = "text";
__thread int per_thread = 3;
static int helper(int v) { return v + 1; }
static inline int inlined_helper(int v) { return v * 2; }
extern int other(struct declared_only *d);
static callback keep;
anonymous_t anon;
int main(int argc, char **argv)
{
	static int in_function;
	struct local { int q; } l = {argc};
	first.u.i = argc;
	keep = (callback)argv;
	return helper(l.q) + inlined_helper(argc) + other(0) + in_function++ + per_thread + (keep != 0) + anon.x + KIND_B + text[0];
}
