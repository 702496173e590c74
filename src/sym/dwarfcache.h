/*
 * dwarfcache: indexes of DWARF names on disk, one file per build-id, so that the second start does
 * not scan again.
 *
 * Nothing in here can fail the debugger: a directory that is missing, full or read-only means that
 * there is no cache. Files that are damaged or of another version are removed when they are met.
 * All functions may be called from any thread and by several processes at once (files appear whole,
 * by rename).
 */
#ifndef RS_SYM_DWARFCACHE_H
#define RS_SYM_DWARFCACHE_H

#include "fmt/dwarf_index.h"

/* The files of the directory together; the ones used longest ago go first. One index larger than
 * a quarter of it is not kept. */
#define DWARFCACHE_MAX ((uint64_t)1 << 30)

/* $XDG_CACHE_HOME/ringside/index or ~/.cache/ringside/index; empty: there is no place for it. */
str dwarfcache_dir(arena *a);

/* The index kept for this program, or false. dir: as dwarfcache_dir says. id: the build-id, 1-64
 * bytes; without one there is no cache. */
bool dwarfcache_get(str dir, const uint8_t *id, size_t id_n, const dwx_sections *parts,
	size_t n_parts, dwx **ret);
/* Keeps x and, when that passes max bytes (0: DWARFCACHE_MAX), removes what was used longest ago.
 * false: not kept; d (may be NULL) says why. */
bool dwarfcache_put(str dir, const uint8_t *id, size_t id_n, const dwx *x, uint64_t max, diag *d);
/* dwx_verify for an index that dwarfcache_get gave; a damaged one is removed from the directory.
 * false: damaged, build it anew (x stays safe to use, but its answers may be wrong). For a
 * background thread. */
bool dwarfcache_check(str dir, const uint8_t *id, size_t id_n, const dwx *x, const cancel *c);

#endif
