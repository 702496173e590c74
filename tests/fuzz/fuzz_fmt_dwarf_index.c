/*
 * The DWARF index over sections that can hold anything. Input: for each section below a size of
 * three bytes, then the bytes of all; what is missing at the end is empty. Seeds are made by
 * make_dwarf_seeds.
 */
#include "base/reader.h"
#include "fmt/dwarf_index.h"

#include <stddef.h>
#include <stdlib.h>

/* Part, place in dwx_sections. The order is that of make_dwarf_seeds. */
static const struct {
	int part;
	size_t at;
} section[] = {
	{0, offsetof(dwx_sections, info)},
	{0, offsetof(dwx_sections, abbrev)},
	{0, offsetof(dwx_sections, str)},
	{0, offsetof(dwx_sections, line_str)},
	{0, offsetof(dwx_sections, str_offsets)},
	{0, offsetof(dwx_sections, addr)},
	{0, offsetof(dwx_sections, aranges)},
	{0, offsetof(dwx_sections, ranges)},
	{0, offsetof(dwx_sections, rnglists)},
	{0, offsetof(dwx_sections, types)},
	{0, offsetof(dwx_sections, alt_info)},
	{0, offsetof(dwx_sections, alt_abbrev)},
	{0, offsetof(dwx_sections, alt_str)},
	{1, offsetof(dwx_sections, info)},
	{1, offsetof(dwx_sections, abbrev)},
	{1, offsetof(dwx_sections, str)},
	{1, offsetof(dwx_sections, str_offsets)},
	{1, offsetof(dwx_sections, rnglists)},
	{1, offsetof(dwx_sections, types)},
	{1, offsetof(dwx_sections, cu_index)},
	{1, offsetof(dwx_sections, tu_index)},
};

typedef struct seen {
	const dwx *x;
	size_t n;
	buf text;
} seen;

static bool on_entry(void *u, const dwx_entry *e)
{
	seen *s = u;
	dwx_entry again;
	if (!e->name.n || e->name.n > DWX_NAME_MAX || !dwx_nth(s->x, e->index, &again) ||
		again.die != e->die)
		abort();
	buf_clear(&s->text);
	dwx_qualified(s->x, e, &s->text);
	if (e->addr)
		(void)dwx_cu_at(s->x, e->addr, NULL, NULL);
	return ++s->n < 500;
}

static bool found_itself(void *u, const dwx_entry *e)
{
	uint32_t *index = u;
	if (e->index == *index)
		*index = UINT32_MAX;
	return *index != UINT32_MAX;
}

typedef struct ranges {
	uint64_t last;
	const dwx *x;
} ranges;

static bool on_range(void *u, uint64_t begin, uint64_t end, uint64_t cu, uint64_t die)
{
	ranges *r = u;
	uint64_t at;
	if (begin < r->last || end <= begin || die <= cu)
		abort();
	r->last = end;
	if (dwx_cu_at(r->x, begin, &at, NULL) != ERR_OK || at != cu)
		abort();
	return true;
}

static bool on_skeleton(void *u, const dwx_skeleton *k)
{
	return k->dwo_name.n + k->comp_dir.n < SIZE_MAX && ++*(size_t *)u < 100;
}

static void questions(const dwx *x)
{
	seen s = {.x = x};
	buf_init(&s.text, 1 << 16);
	(void)dwx_match(x, STR("*"), DWX_ALL, NULL, on_entry, &s);
	(void)dwx_match(x, STR("a*b::?*"), DWX_ALL, NULL, on_entry, &s);
	(void)dwx_match(x, STR("geo::*"), DWX_TYPES, NULL, on_entry, &s);
	for (uint32_t i = 0; i < 50; i++) {
		dwx_entry e;
		uint32_t index = i;
		if (!dwx_nth(x, i, &e))
			break;
		/* What is in the index is found by its own name. */
		if (memchr(e.name.p, ':', e.name.n) || memchr(e.name.p, '<', e.name.n))
			continue;
		if (dwx_find(x, e.name, DWX_ALL, i & 1, found_itself, &index) != ERR_OK ||
			index != UINT32_MAX)
			abort();
	}
	ranges r = {0, x};
	dwx_cu_ranges(x, on_range, &r);
	buf_deinit(&s.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	dwx_sections s[2] = {0};
	size_t head = ARRAY_LEN(section) * 3, at = head, count = 0;
	dwx *x = NULL;
	if (n < head)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(section); i++) {
		size_t size = le16(p + i * 3) | (size_t)p[i * 3 + 2] << 16;
		if (size > n - at)
			size = n - at;
		/* Each in memory of its own: a read behind the end is seen. */
		uint8_t *copy = mem_realloc(NULL, size);
		if (size)
			memcpy(copy, p + at, size);
		*(dwx_bytes *)((char *)&s[section[i].part] + section[i].at) =
			(dwx_bytes){copy, size};
		at += size;
	}
	(void)dwx_skeletons(&s[0], on_skeleton, &count);
	if (dwx_build(s, s[1].info.n ? 2 : 1, NULL, &x, NULL) == ERR_OK)
		questions(x);
	dwx_destroy(x);
	for (size_t i = 0; i < ARRAY_LEN(section); i++)
		mem_free((void *)(uintptr_t)((dwx_bytes *)((char *)&s[section[i].part] +
							   section[i].at))
				 ->p);
	return 0;
}
