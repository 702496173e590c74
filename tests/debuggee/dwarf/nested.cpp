/* Functions that stand in functions: a lambda, a member of a local class. */
volatile int sink;

__attribute__((noinline)) void stop_here()
{
	sink = sink + 1;
}

int main()
{
	int start = 5;
	auto add = [&start](int n) {
		int twice = n * 2;
		stop_here();
		return start + twice;
	};
	struct local {
		int v;
		int get(int k)
		{
			int sum = v + k;
			stop_here();
			return sum;
		}
	} l{7};
	return add(3) + l.get(4) == 22;
}
