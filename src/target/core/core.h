/*
 * core: what the files of the core target share.
 *
 *   core.c       the table, events, registers
 *   core_mem.c   regions, and the bytes behind them
 *   core_text.c  the texts of tgt_info, in the form of /proc
 */
#ifndef RS_TARGET_CORE_H
#define RS_TARGET_CORE_H

#include "fmt/elfcore.h"
#include "target/target.h"

enum { CORE_NOTICES = 4, CORE_PATCHED = 8, CORE_TEXT_MAX = 64 << 20 };

/* A file that was mapped: opened when it is asked for, used if it is the one. */
typedef struct core_map {
	str path;
	bool tried, fits;
	sys_map bytes;
	uint64_t base; /* where its first byte was mapped */
	bool has_base;
	/* Addresses that the loader wrote to before it took away the right to (RELRO): the file
	 * has not what was there. */
	struct {
		uint64_t lo, hi;
	} patched[CORE_PATCHED];
	unsigned n_patched;
} core_map;

/* A piece of the address space with one origin. */
typedef struct core_region {
	uint64_t start, end;
	uint32_t flags;	       /* ELF_PF_xxx */
	uint64_t dumped, have; /* bytes from start that the core has by its headers, and has */
	uint64_t off;	       /* of these in the core */
	core_map *map;	       /* NULL: no file was mapped there */
	uint64_t map_off;
} core_region;

typedef struct core {
	tgt t;
	arena a;
	sys_map file;
	char *path;
	elfcore c;
	uint64_t pid;
	int64_t mtime;	     /* of the core file: what changed later is not what was mapped */
	core_region *region; /* sorted, without overlaps */
	size_t nregion;
	core_map *map;
	size_t nmap;
	unsigned told; /* events given so far */
	const char *notice[CORE_NOTICES];
	unsigned n_notice, notices_told;
	char *args, *env; /* words of the command line and environment, NUL-ended; NULL unknown */
	size_t args_n, env_n;
} core;

static inline core *core_of(tgt *t)
{
	return (core *)(void *)t;
}

/* ---- core_mem.c ---- */

void core_regions(core *c);
const core_region *core_region_at(const core *c, uint64_t addr); /* NULL: none */
/* As tgt_ops.read. */
err core_read(tgt *t, as_t as, uint64_t addr, void *b, size_t n, size_t *n_ret);
bool core_bytes(core *c, uint64_t addr, void *b, size_t n); /* all or nothing */
void core_mem_close(core *c);

/* ---- core_text.c ---- */

const core_region *core_exe_region(const core *c); /* of the program's file; NULL unknown */
err core_info(tgt *t, tgt_info what, uint64_t id, buf *ret, diag *d);

#endif
