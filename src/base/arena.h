/*
 * arena: memory that is freed all at once (command, stop, module, session).
 *
 * Allocation cannot fail from the caller's view: when the host is out of memory the process aborts
 * with a message, because a debugger that cannot allocate a few bytes cannot clean up either. Sizes
 * that come from a target or a file are checked against a stated maximum before they get here.
 */
#ifndef RS_BASE_ARENA_H
#define RS_BASE_ARENA_H

#include "base/err.h"

typedef struct arena_block arena_block;
typedef struct arena {
	arena_block *head;
	size_t used; /* bytes handed out since init or reset */
} arena;

void arena_init(arena *a);
void arena_deinit(arena *a);
/* Forgets everything but keeps one block for reuse. */
void arena_reset(arena *a);

/* Zeroed, 16-byte aligned. n = 0 gives a valid pointer. */
void *arena_alloc(arena *a, size_t n) __attribute__((returns_nonnull));
/* The same with what stood there before: for what is filled in at once. */
void *arena_raw(arena *a, size_t n) __attribute__((returns_nonnull));
/* n elements of size bytes; aborts on overflow. */
void *arena_array(arena *a, size_t n, size_t size) __attribute__((returns_nonnull));
void *arena_dup(arena *a, const void *p, size_t n) __attribute__((returns_nonnull));
char *arena_printf(arena *a, const char *fmt, ...) PRINTF(2, 3) __attribute__((returns_nonnull));
char *arena_vprintf(arena *a, const char *fmt, va_list ap) __attribute__((returns_nonnull));

#define arena_new(a, type) ((type *)arena_alloc((a), sizeof(type)))

/* Heap for things with their own lifetime; same rule on exhaustion. mem_free(NULL) is legal. */
void *mem_alloc(size_t n) __attribute__((returns_nonnull)); /* zeroed */
void *mem_realloc(void *p, size_t n) __attribute__((returns_nonnull));
char *mem_strdup(const char *s) __attribute__((returns_nonnull));
void mem_free(void *p);

#endif
