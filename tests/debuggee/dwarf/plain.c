/* For compilers without POSIX: a PE image with DWARF inside. */
struct pair {
	int left;
	short right;
	struct pair *next;
};

struct pair pairs[3];
int plain_sink;

__attribute__((noinline)) int plain_leaf(struct pair *p, int n)
{
	int sum = p->left + n;
	plain_sink += sum;
	return sum;
}

int main(int argc, char **argv)
{
	int total = 0;
	for (int i = 0; i < 3; i++)
		total += plain_leaf(&pairs[i], argc);
	return total;
}
