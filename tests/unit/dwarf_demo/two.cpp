#include "shapes.h"
struct Both; /* declared here, defined there */
struct Nowhere;
extern Both both;
extern Nowhere *nowhere;
Nowhere *nowhere;
static int same_name(int v) { return v - 1; }
namespace { struct Hidden { char other_size; } hidden_object = {1}; int hidden_function(int v) { return v - (int)hidden_object.other_size; } }
struct Second : geo::Widget { int area() const override { return 3; } };
template <class T> T templated(T v) { return v + 1; }
int unused_and_dropped(int v) { return v * 17; }
__attribute__((weak)) int (*pointer)(int) = same_name;
int main()
{
	Second s;
	geo::Ints i = {};
	return c_entry(1) + same_name(2) + hidden_function(3) + s.twice() + geo::shared_inline(4) + templated(1) + (int)templated(2.0) +
	       i.at(0) + (nowhere != nullptr) + (&both != nullptr) + geo::always(2);
}
