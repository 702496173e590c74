#include "shapes.h"
namespace geo {
int v2::Point::count = 4;
int Point::norm() const { return x * x + y * y; }
struct Widget::Impl { int secret; struct Deep { char c; } deep; };
Widget::Widget() : impl(new Impl), id(0) { any.i = 0; impl->secret = 1; impl->deep.c = 2; }
Widget::~Widget() { delete impl; }
thread_local int Widget::depth = 1;
}
namespace {
struct Hidden { long a; } hidden_object = {1};
int hidden_function(int v) { return v + (int)hidden_object.a; }
namespace inner { int counter = 9; }
}
namespace a { namespace b { namespace c { int deep_variable = 3; const int folded = 12; struct OnlyHere {} only; } } }
static int same_name(int v) { return v + 1; }
struct Derived : geo::Widget { int area() const override { return geo::always(7); } };
typedef struct { int in_typedef; } NamedByTypedef;
NamedByTypedef named;
enum { ANONYMOUS_ONE = 1, ANONYMOUS_TWO };
int uses_enum = ANONYMOUS_TWO;
union Both { int i; double d; } both;
geo::Ints ints;
geo::Plain plain = geo::PlainA;
geo::Colour colour = geo::Colour::Green;
geo::Point::Axis axis;
Opaque *opaque;
bool operator-(const geo::Point &p, int v) { return p.x > v; }
struct Turned { operator geo::Point() const { return {3, 4}; } } turned;
geo::Box<geo::Colour, 1> coloured;
auto lambda = [](int v) { struct InLambda { int q; } z = {v}; return z.q; };
extern "C" int c_entry(int v)
{
	static int local_static = 5;
	struct Local { int m; } l = {v};
	geo::Point p = {1, 2};
	Derived d;
	geo::Box<char, 2>::Node node = {'c', nullptr};
	return l.m + p.norm() + same_name(v) + hidden_function(v) + inner::counter + d.twice() + local_static++ +
	       geo::shared_inline(v) + node.value + ints.at(1) + (ints < ints) + lambda(v) + (p - 3) + a::b::c::folded + uses_enum + geo::Point(turned).norm() + (int)coloured.at(0) + geo::Widget::depth;
}
