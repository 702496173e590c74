/* Seen by both units of the demo: what is equal in both must be one entry. */
#pragma once
namespace geo {
inline namespace v2 {
struct Point { int x, y; enum Axis { X_AXIS, Y_AXIS = 7 }; static int count; int norm() const; };
}
enum class Colour : unsigned char { Red, Green = 200 };
enum Plain { PlainA = -5, PlainB = 0x7fffffff };
template <class T, int N> struct Box {
	T items[N];
	struct Node { T value; Node *next; };
	Node *head;
	T &at(int i) { return items[i]; }
	bool operator<(const Box &o) const { return items[0] < o.items[0]; }
};
class Widget {
public:
	Widget();
	virtual ~Widget();
	virtual int area() const = 0;
	int twice() const { return area() * 2; }
	struct Impl;
	Impl *impl;
	union Any { int i; float f; } any;
	typedef unsigned long id_t;
	id_t id;
	static thread_local int depth;
};
using Ints = Box<int, 4>;
inline __attribute__((always_inline)) int always(int v) { return v * 3; }
inline int shared_inline(int v) { static int calls; return v + ++calls; }
}
struct Opaque;
extern "C" int c_entry(int);
extern Opaque *opaque;
