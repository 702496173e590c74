/* Hostile page tables: the input is physical memory; its first 16 bytes are the root and the
 * address. */
#include "arch/x64.h"
#include "base/reader.h"

#include <stdlib.h>

typedef struct input {
	const uint8_t *p;
	size_t n;
	int reads;
} input;

static err phys(void *u, uint64_t addr, void *p, size_t n, size_t *n_ret)
{
	input *in = u;
	in->reads++;
	if (addr >= in->n)
		return ERR_FAULT;
	*n_ret = n < in->n - addr ? n : in->n - addr;
	memcpy(p, in->p + addr, *n_ret);
	return ERR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	if (n < 16)
		return 0;
	for (int la57 = 0; la57 < 2; la57++) {
		input in = {p, n, 0};
		mem_reader m = {&in, phys};
		x64_walk w;
		if (x64_walk_va(le64(p), le64(p + 8), la57, &m, &w) != ERR_OK)
			continue;
		if (in.reads > 10 || w.levels > 5)
			abort();
		if (w.present && (w.phys ^ le64(p + 8)) & (w.page_size - 1))
			abort();
	}
	return 0;
}
