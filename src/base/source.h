/*
 * mem_reader: "bytes at an address", whoever holds them. Lets a room read memory (a target's, an
 * image file's) without knowing where it comes from.
 */
#ifndef RS_BASE_SOURCE_H
#define RS_BASE_SOURCE_H

#include "base/err.h"

typedef struct mem_reader {
	void *u;
	/* Short reads are normal: OK with *n_ret < n; ERR_FAULT only if nothing could be read. */
	err (*read)(void *u, uint64_t addr, void *p, size_t n, size_t *n_ret);
} mem_reader;

/* All n bytes or ERR_FAULT. */
static inline err mem_read_all(const mem_reader *m, uint64_t addr, void *p, size_t n)
{
	size_t done = 0;
	while (done < n) {
		size_t got = 0;
		err e = m->read(m->u, addr + done, (char *)p + done, n - done, &got);
		if (e != ERR_OK)
			return e;
		if (!got)
			return ERR_FAULT;
		done += got;
	}
	return ERR_OK;
}

#endif
