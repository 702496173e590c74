// C++ for the tests of the symbol room: a class, overloads, a template, a static member.
namespace ns {
class Thing {
public:
	int m;
	static int count;
	virtual int Method(int x);
	int Over(int x) { return x + m; }
	int Over(double x) { return (int)x + m; }
};
int Thing::count = 3;
int Thing::Method(int x) { return x * m + Over(x) + Over((double)x); }
template <typename T> __declspec(noinline) T twice(T x) { return x + x; }
}
extern "C" __declspec(dllexport) int UseThing(void)
{
	ns::Thing t;
	t.m = ns::twice(4);
	return t.Method(3) + (int)ns::twice(2.5);
}
