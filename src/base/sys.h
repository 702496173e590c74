/*
 * sys: the few things taken from the host: clock, cancellation, whole files.
 */
#ifndef RS_BASE_SYS_H
#define RS_BASE_SYS_H

#include "base/str.h"

#include <stdatomic.h>

/* Set from a signal handler or another thread, polled by long work. */
typedef struct cancel {
	atomic_bool flag;
} cancel;

static inline bool cancelled(const cancel *c)
{
	return c && atomic_load_explicit(&c->flag, memory_order_relaxed);
}

uint64_t sys_now_ms(void); /* monotonic */
uint64_t sys_now_us(void); /* monotonic */

/* A file in memory, read-only. */
typedef struct sys_map {
	const uint8_t *p;
	size_t n;
} sys_map;

err sys_map_open(const char *path, sys_map *ret, diag *d) MUST_CHECK;
void sys_map_close(sys_map *m);
/* Its pages no longer count as ours until they are touched again: for passes over a large file. */
void sys_map_forget(const sys_map *m);
size_t sys_mapped(void); /* bytes of files that are in our memory now; 0 unknown */
err sys_read_file(arena *a, const char *path, size_t max, str *ret, diag *d) MUST_CHECK;
/* Written to a temporary beside it and renamed, so that a crash never leaves half a file. */
err sys_write_file(const char *path, str bytes, diag *d) MUST_CHECK;
/* The same for n pieces one after the other. */
err sys_write_pieces(const char *path, const str *piece, size_t n, diag *d) MUST_CHECK;
bool sys_is_dir(const char *path);
bool sys_is_file(const char *path);
err sys_mkdirs(const char *path, diag *d) MUST_CHECK;

#endif
