/* Decorated names: output bounded, nothing added on refusal. */
#include "fmt/undname.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	str s = {(const char *)data, size};
	for (int how = 0; how < 2; how++) {
		buf b;
		buf_init(&b, 0);
		bool ok = undname(s, (und_how)how, &b);
		if ((!ok && b.n) || b.n > UND_MAX + 64)
			abort();
		buf_deinit(&b);
	}
	arena a;
	arena_init(&a);
	if (undname_short(&a, s, size & 1).n > size + UND_MAX + 64)
		abort();
	arena_deinit(&a);
	return 0;
}
