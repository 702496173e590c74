/* arena: see arena.h. Invariant: head is the block that allocation comes from; older ones follow.
 */
#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_MIN = 16 * 1024, ALIGN = 16 };

struct arena_block {
	arena_block *next;
	size_t used, size;
	_Alignas(16) unsigned char bytes[];
};

static _Noreturn void die(size_t n)
{
	fprintf(stderr, "ringside: out of memory (%zu bytes wanted)\n", n);
	abort();
}

void *mem_alloc(size_t n)
{
	void *p = calloc(1, n ? n : 1);
	if (!p)
		die(n);
	return p;
}

void *mem_realloc(void *p, size_t n)
{
	void *q = realloc(p, n ? n : 1);
	if (!q)
		die(n);
	return q;
}

char *mem_strdup(const char *s)
{
	size_t n = strlen(s) + 1;
	return memcpy(mem_alloc(n), s, n);
}

void mem_free(void *p)
{
	free(p);
}

void arena_init(arena *a)
{
	a->head = NULL;
	a->used = 0;
}

void arena_deinit(arena *a)
{
	for (arena_block *b = a->head, *next; b; b = next) {
		next = b->next;
		mem_free(b);
	}
	arena_init(a);
}

void arena_reset(arena *a)
{
	arena_block *keep = a->head;
	if (!keep)
		return;
	for (arena_block *b = keep->next, *next; b; b = next) {
		next = b->next;
		mem_free(b);
	}
	keep->next = NULL;
	keep->used = 0;
	a->used = 0;
}

void *arena_raw(arena *a, size_t n)
{
	if (n > SIZE_MAX - BLOCK_MIN)
		die(n);
	size_t need = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	arena_block *b = a->head;
	if (!b || b->size - b->used < need) {
		size_t grow = b && b->size < (1u << 20) ? b->size * 2 : BLOCK_MIN;
		size_t size = need > grow ? need : grow;
		b = mem_realloc(NULL, sizeof *b + size);
		b->used = 0;
		b->size = size;
		b->next = a->head;
		a->head = b;
	}
	void *p = b->bytes + b->used;
	b->used += need;
	a->used += need;
	return p;
}

void *arena_alloc(arena *a, size_t n)
{
	return memset(arena_raw(a, n), 0, n);
}

void *arena_array(arena *a, size_t n, size_t size)
{
	size_t total;
	if (__builtin_mul_overflow(n, size, &total))
		die(n);
	return arena_alloc(a, total);
}

void *arena_dup(arena *a, const void *p, size_t n)
{
	void *q = arena_raw(a, n);
	return n ? memcpy(q, p, n) : q;
}

char *arena_vprintf(arena *a, const char *fmt, va_list ap)
{
	va_list again;
	va_copy(again, ap);
	int n = fmt ? vsnprintf(NULL, 0, fmt, again) : 0;
	va_end(again);
	if (n < 0)
		n = 0;
	char *s = arena_alloc(a, (size_t)n + 1);
	if (!n)
		return s;
	vsnprintf(s, (size_t)n + 1, fmt, ap);
	return s;
}

char *arena_printf(arena *a, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *s = arena_vprintf(a, fmt, ap);
	va_end(ap);
	return s;
}
