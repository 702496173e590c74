/*
 * dwarf_sections: the debug sections of a 64-bit ELF file that is trusted (a test's, a
 * benchmark's), for dwarf_index. Compressed sections are not read.
 */
#ifndef RS_TEST_DWARF_SECTIONS_H
#define RS_TEST_DWARF_SECTIONS_H

#include "base/reader.h"
#include "fmt/dwarf_index.h"

typedef struct dwarf_file {
	sys_map map;
	dwx_sections s;
	dwx_bytes id; /* build-id */
	uint64_t lowest;
} dwarf_file;

static inline dwx_bytes *dwarf_slot(dwx_sections *s, str name)
{
	static const struct {
		const char *name;
		size_t at;
	} row[] = {
		{".debug_info", offsetof(dwx_sections, info)},
		{".debug_abbrev", offsetof(dwx_sections, abbrev)},
		{".debug_str", offsetof(dwx_sections, str)},
		{".debug_line_str", offsetof(dwx_sections, line_str)},
		{".debug_str_offsets", offsetof(dwx_sections, str_offsets)},
		{".debug_addr", offsetof(dwx_sections, addr)},
		{".debug_aranges", offsetof(dwx_sections, aranges)},
		{".debug_ranges", offsetof(dwx_sections, ranges)},
		{".debug_rnglists", offsetof(dwx_sections, rnglists)},
		{".debug_types", offsetof(dwx_sections, types)},
		{".debug_cu_index", offsetof(dwx_sections, cu_index)},
		{".debug_tu_index", offsetof(dwx_sections, tu_index)},
	};
	if (str_starts(name, STR(".debug_")) && str_iends(name, STR(".dwo")))
		name.n -= 4;
	for (size_t i = 0; i < ARRAY_LEN(row); i++)
		if (str_eq(name, str_of(row[i].name)))
			return (dwx_bytes *)((char *)s + row[i].at);
	return NULL;
}

static inline err dwarf_file_open(const char *path, dwarf_file *ret, diag *d)
{
	dwarf_file f = {0};
	TRY(sys_map_open(path, &f.map, d));
	const uint8_t *p = f.map.p;
	size_t n = f.map.n;
	if (n < 64 || memcmp(p, "\177ELF\2\1", 6))
		return diag_set(d, ERR_UNSUPPORTED, "%s: not a 64-bit ELF file", path);
	uint64_t sh = le64(p + 40), count = le16(p + 60), names = le16(p + 62);
	if (sh > n || (n - sh) / 64 < count || names >= count)
		return diag_set(d, ERR_CORRUPT, "%s: section table", path);
	uint64_t str_off = le64(p + sh + names * 64 + 24);
	f.lowest = UINT64_MAX;
	for (uint64_t i = 0; i < count; i++) {
		const uint8_t *h = p + sh + i * 64;
		uint64_t off = le64(h + 24), size = le64(h + 32), flags = le64(h + 8);
		const char *name = (const char *)p + str_off + le32(h);
		if ((flags & 4) && le64(h + 16) < f.lowest) /* SHF_EXECINSTR */
			f.lowest = le64(h + 16);
		if (le32(h + 4) == 8 || off > n || size > n - off) /* SHT_NOBITS */
			continue;
		if (!strcmp(name, ".note.gnu.build-id") && size > 16)
			f.id = (dwx_bytes){p + off + 16, size - 16};
		dwx_bytes *slot = flags & 0x800 ? NULL : dwarf_slot(&f.s, str_of(name));
		if (slot)
			*slot = (dwx_bytes){p + off, size};
	}
	if (f.lowest == UINT64_MAX)
		f.lowest = 0;
	*ret = f;
	return ERR_OK;
}

/* Makes b the alternate file (dwz -m) of a. */
static inline void dwarf_file_alt(dwarf_file *a, const dwarf_file *b)
{
	a->s.alt_info = b->s.info;
	a->s.alt_abbrev = b->s.abbrev;
	a->s.alt_str = b->s.str;
	a->s.alt_line_str = b->s.line_str;
}

#endif
