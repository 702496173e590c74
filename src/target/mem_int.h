/*
 * mem_int: what target.c, mem.c and trap.c share: the cache and the list of planted traps.
 */
#ifndef RS_TARGET_MEM_INT_H
#define RS_TARGET_MEM_INT_H

#include "base/map.h"
#include "target/target.h"

enum {
	MEM_PAGE = 4096,
	MEM_LINE = 256,
	MEM_LINES = MEM_PAGE / MEM_LINE,
	MEM_PAGES_MAX = 4096, /* default of tgt_cache.pages; then the cache starts over */
	MEM_PAGES_LIMIT = 64 * MEM_PAGES_MAX,
	MEM_SPACES_MAX = 4000,
	MEM_RUN_MAX = 64 * 1024, /* read from a backend in one go */
	TRAP_NEAR = 16		 /* bytes remembered around a trap: [addr - 8, addr + 8) */
};

typedef struct mem_page {
	uint16_t valid, bad; /* a bit a line */
	uint64_t age;	     /* tgt_mem.age when it was read */
	uint8_t b[MEM_PAGE];
} mem_page;

typedef enum trap_state { TRAP_FREE, TRAP_ARMED, TRAP_PENDING, TRAP_LOST } trap_state;

typedef struct trap_rec {
	trap_state state; /* PENDING: deleted by the caller, still planted; LOST: to be planted
			     again */
	tgt_trap t;
	uint64_t handle; /* the backend's */
	uint64_t gen;	 /* stop at which it was planted */
	bool orig_known;
	uint8_t orig;
	uint8_t near[TRAP_NEAR];
	uint16_t near_known;
} trap_rec;

typedef struct tgt_mem {
	arena pages_arena;
	map pages; /* key: space number << 52 | page number */
	map tlb;   /* the same for AS_ROOT: physical page | 1, or 2 for "not present" */
	VEC(as_t) spaces;
	uint8_t *run; /* MEM_RUN_MAX bytes */
	VEC(trap_rec) traps;
	uint64_t gen;	/* stops seen */
	uint64_t ev_pc; /* instruction bytes that the last stop brought along, without traps */
	uint32_t ev_n;
	uint8_t ev_stream[TGT_STREAM_MAX];
	int la57;     /* -1 unknown */
	bool sparing; /* tgt_read_sparingly */
	/* With cache.hold a page outlives what makes it stale: its age is behind then, and only
	 * views still take bytes of it. */
	tgt_cache cache;
	uint64_t age;
	bool viewing; /* inside of tgt_read_view */
} tgt_mem;

tgt_mem *tgt_mem_of(tgt *t);
void tgt_mem_free(tgt *t);
void mem_drop(tgt *t); /* what was read may be stale; kept for views while it is held */
/* Bytes of the cache, no request; false if not all of them are there. */
bool mem_peek(tgt *t, as_t as, uint64_t addr, void *b, size_t n);

/* trap.c */
void trap_mask(tgt *t, as_t as, uint64_t addr, uint8_t *b, size_t n);
err trap_write_under(
	tgt *t, as_t as, uint64_t addr, const uint8_t *b, size_t n, size_t *n_ret) MUST_CHECK;
err trap_flush(tgt *t, diag *d) MUST_CHECK; /* takes out what is pending, puts back what was lost */
void trap_event(tgt *t, tgt_event *ev);
/* Takes everything out; how many bytes that were planted here, not by the backend, are still in. */
size_t trap_leave(tgt *t);
bool trap_in_range(tgt *t, as_t as, uint64_t addr, uint64_t n);

#endif
