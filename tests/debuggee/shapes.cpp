// The C++ half of the debuggee: classes, overloads, a template, a namespace, virtual functions.
namespace shapes {

class shape {
public:
	virtual int area() const = 0;
	virtual const char *name() const { return "shape"; }
	int id = 1;

protected:
	static int made;
};
int shape::made = 2;

class square : public shape {
public:
	explicit square(int s) : side(s) { made++; }
	int area() const override { return side * side; }
	int side;
};

template <typename T> __attribute__((noinline)) T twice(T v)
{
	return v + v;
}

__attribute__((noinline)) int scale(int v)
{
	return v * 3;
}

__attribute__((noinline)) double scale(double v)
{
	return v * 3;
}

} // namespace shapes

extern "C" int shapes_area(int side)
{
	shapes::square s(side);
	const shapes::shape *p = &s;
	return p->area() + shapes::twice(side) + (int)shapes::twice(2.0) + shapes::scale(side) + (int)shapes::scale(1.5);
}

extern "C" int _purecall()
{
	return 0;
}
