/*
 * elf_xz: .gnu_debugdata ("MiniDebugInfo" of the GDB manual): an ELF file, packed by xz, that holds
 * the symbol table of what the dynamic one does not name.
 */
#include "fmt/elf.h"

#include "base/sys.h"

#include <lzma.h>

enum { UNPACKED_MAX = 128 << 20, FIRST = 1 << 16 };
#define MEMORY_MAX ((uint64_t)128 << 20) /* xz -9 needs 65 MiB */

static err unpack(lzma_stream *z, uint8_t **p, size_t *n)
{
	size_t cap = 0;
	lzma_ret r = LZMA_OK;
	while (r == LZMA_OK) {
		if (*n == cap) {
			cap = cap ? cap * 2 : FIRST;
			if (cap > UNPACKED_MAX)
				return ERR_LIMIT;
			*p = mem_realloc(*p, cap);
		}
		z->next_out = *p + *n;
		z->avail_out = cap - *n;
		r = lzma_code(z, LZMA_FINISH);
		*n = cap - z->avail_out;
	}
	return r == LZMA_STREAM_END ? ERR_OK : r == LZMA_MEMLIMIT_ERROR ? ERR_LIMIT : ERR_CORRUPT;
}

err elf_debugdata(const elf_view *v, uint8_t **ret, size_t *n_ret, diag *d)
{
	const elf_sec *s = elf_sec_find(v, STR(".gnu_debugdata"));
	lzma_stream z = LZMA_STREAM_INIT;
	uint8_t *p = NULL;
	size_t n = 0;
	str b;
	if (!s || !elf_sec_bytes(v, s, &b) || !b.n)
		return ERR_NOTFOUND;
	if (lzma_stream_decoder(&z, MEMORY_MAX, 0) != LZMA_OK)
		return diag_set(d, ERR_LIMIT, ".gnu_debugdata cannot be unpacked");
	z.next_in = (const uint8_t *)b.p;
	z.avail_in = b.n;
	err e = unpack(&z, &p, &n);
	lzma_end(&z);
	if (e != ERR_OK) {
		mem_free(p);
		return diag_set(d, e, ".gnu_debugdata cannot be unpacked");
	}
	*ret = p;
	*n_ret = n;
	return ERR_OK;
}
