// What C++ adds: scopes, bases, members of all kinds, templates, references, operators.
#include <cstdio>
#include <string>
#include <vector>

namespace geo
{

struct Base {
	int tag;
	virtual ~Base()
	{
	}
	virtual int area(int scale) const
	{
		return tag * scale;
	}
};

struct Plain {
	long first;
};

class Shape : public Base, public Plain
{
      public:
	static int made;
	int sides;
	unsigned bits : 3;
	enum class Kind : signed char { round = -1, square = 2 } kind;
	Shape(int n) : sides(n), bits(5), kind(Kind::square)
	{
		made++;
	}
	int area(int scale) const override
	{
		return sides * scale;
	}
	bool operator<(const Shape &o) const
	{
		return sides < o.sides;
	}
	operator long() const
	{
		return sides;
	}
	struct Inner {
		char c;
	} inner;
};

int Shape::made = 0;

template <class T, int N> struct Box {
	T items[N];
	static T zero;
	T get(int i) const
	{
		return items[i];
	}
};

template <class T, int N> T Box<T, N>::zero = T();

namespace
{
int hidden(int z)
{
	static int counter;
	return counter += z;
}
} // namespace

inline namespace v2
{
int versioned = 2;
}

int by_reference(Shape &s, const Shape *p, int &&moved)
{
	return s.area(2) + p->sides + moved + hidden(1);
}

int overloaded(int a)
{
	return a;
}
int overloaded(const char *s)
{
	return s[0];
}

} // namespace geo

geo::Shape global_shape(4);
std::vector<geo::Shape *> list;
geo::Box<unsigned short, 2> words;

int main(int argc, char **argv)
{
	geo::Box<char, 3> box = {{1, 2, 3}};
	geo::Shape other(argc);
	auto lambda = [&](int k) { return k + other.sides + box.get(0); };
	std::string text(argv[0]);
	list.push_back(&other);
	int r = geo::by_reference(global_shape, &other, 3) + lambda(2) + box.zero;
	r += geo::overloaded(r) + geo::overloaded("x") + (int)text.size() + (global_shape < other);
	r += geo::versioned + (int)(long)other;
	return r == 12345;
}
