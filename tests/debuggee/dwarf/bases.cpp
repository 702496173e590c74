// Virtual bases from both sides, pointers to members, a list, the names that compilers add.
#include <cstdio>

struct Top {
	int top = 1;
	virtual ~Top()
	{
	}
};
struct Plain { // without a table of virtual functions
	int plain = 9;
};
struct Left : virtual Top {
	int left = 2;
};
struct Right : virtual Top {
	int right = 3;
};
struct Bottom : Left, Right, virtual Plain {
	int bottom = 4;
	struct {
		short x, y;
	} at = {5, 6};
	int plus(int n)
	{
		return bottom + n;
	}
	virtual int minus(int n)
	{
		return bottom - n;
	}
};
struct A {
	long a = 1;
	virtual int fa()
	{
		return 1;
	}
};
struct B {
	long b = 2;
	virtual int fb()
	{
		return 2;
	}
};
struct C : A, B {
	long c = 3;
};
struct node {
	int v;
	const node *next;
	volatile node *prev;
};

static Bottom whole;
static Left part;

int main()
{
	node three = {3, nullptr, nullptr}, two = {2, &three, nullptr}, one = {1, &two, nullptr};
	three.prev = &two;
	two.prev = &one;
	Top *top = &whole, *other = &part, *no = nullptr;
	Plain *plain = &whole;
	C both;
	A *a = &both;
	B *b = &both, *nob = nullptr;
	C *c = &both, *noc = nullptr;
	int (Bottom::*plus)(int) = &Bottom::plus, (Bottom::*minus)(int) = &Bottom::minus;
	int (C::*second)() = (int (C::*)()) & B::fb;
	int Bottom::*datum = &Bottom::bottom, Bottom::*nothing = nullptr;
	std::printf("%s %s\n", __func__, __PRETTY_FUNCTION__);
	return (top->top + other->top + plain->plain + (int)(a->a + b->b + c->c) + !no + !nob + !noc +
		       (whole.*plus)(1) + (whole.*minus)(1) + (both.*second)() + whole.*datum +
		       !nothing + one.v) == 0;
}
