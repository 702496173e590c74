// Numbers of rare kinds, vectors, an enumeration that is only declared, members of nameless unions.
typedef float four __attribute__((vector_size(16)));

enum class level : unsigned char; // complete all the same, its values elsewhere

struct numbers {
	_Float16 half;
	__float128 quad;
	long double wide;
	__int128 huge;
	float _Complex pair;
	double _Complex twice;
	four vector;
	level low;
	union {
		int whole;
		struct {
			short low16, high16;
		};
	};
	int tail[];
};

alignas(16) numbers all = {(_Float16)1.5, 2.5, 3.25L, -5, 1.5f, -1.0, {1, 2, 3, 4}, (level)7, {0x00020001}};

int main()
{
	level here = all.low;
	_Float16 tiny[] = {(_Float16)-0.1, (_Float16)65504, (_Float16)6e-8f, (_Float16)0};
	__imag__ all.pair = 2;
	__imag__ all.twice = 0.5;
	__asm__ volatile("" : : "r"(tiny), "r"(&here) : "memory");
	return (int)here == (int)tiny[0];
}
