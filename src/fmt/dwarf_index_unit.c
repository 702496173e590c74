/*
 * dwarf_index_unit: unit headers of DWARF 2-5, directories of .dwp files, and what units look up by
 * index. Refuses to know DIEs.
 */
#include "fmt/dwarf_index_impl.h"

#include "base/bisect.h"

#include <stdlib.h>

uint64_t dwx_uleb(const uint8_t *p, uint64_t end, uint64_t *pos)
{
	uint64_t v = 0, at = *pos;
	for (unsigned shift = 0; at < end; shift += 7) {
		uint8_t c = p[at++];
		if (shift < 64)
			v |= (uint64_t)(c & 0x7f) << shift;
		if (!(c & 0x80)) {
			*pos = at;
			return v;
		}
	}
	*pos = end + 1;
	return 0;
}

static uint64_t get_off(reader *r, unsigned size)
{
	return size == 8 ? rd_u64(r) : rd_u32(r);
}

static const dwp_row *row_of(const dwp_dir *d, uint64_t info)
{
	size_t lo = BISECT(i, d->n, d->row[i].info < info);
	return lo < d->n && d->row[lo].info == info ? &d->row[lo] : NULL;
}

/* Where a unit's share of a .dwp's sections begins. */
static void apply_dirs(const dwp_dir *dirs, dwx_unit *u)
{
	const dwp_row *row = NULL;
	for (size_t i = 0; dirs && i < 2 && !row; i++)
		row = row_of(&dirs[i], u->off);
	if (!row)
		return;
	u->abbrev_off += row->abbrev;
	u->str_add = row->str_offsets;
	u->rng_add = row->rnglists;
}

static void read_type(reader *r, dwx_unit *u)
{
	/* DWARF 5, 7.5.1: what follows depends on the kind of unit. */
	if (u->type == DW_UT_skeleton || u->type == DW_UT_split_compile)
		u->id = rd_u64(r);
	if (u->type == DW_UT_type || u->type == DW_UT_split_type) {
		u->sig = rd_u64(r);
		u->type_die = u->off + get_off(r, u->off_size);
	}
}

bool dwx_unit_read(const dwx_sections *s, dwx_where where, uint16_t part, uint64_t off,
	const dwp_dir *dirs, dwx_unit *u, uint64_t *next)
{
	*u = (dwx_unit){.s = s, .where = where, .part = part, .off = off};
	u->sect = where == DWX_IN_TYPES ? s->types : where == DWX_IN_ALT ? s->alt_info : s->info;
	u->abbrev = where == DWX_IN_ALT ? s->alt_abbrev : s->abbrev;
	if (off >= u->sect.n)
		return false;
	reader r = rd_of(u->sect.p, u->sect.n);
	rd_seek(&r, off);
	uint64_t len = rd_u32(&r);
	u->off_size = 4;
	if (len == 0xffffffff) {
		len = rd_u64(&r);
		u->off_size = 8;
	} else if (len >= 0xfffffff0)
		return false;
	if (r.bad || !len || len > u->sect.n - r.pos)
		return false;
	u->end = r.pos + len;
	*next = u->end;
	u->version = rd_u16(&r);
	if (u->version >= 5) {
		u->type = rd_u8(&r);
		u->addr_size = rd_u8(&r);
		u->abbrev_off = get_off(&r, u->off_size);
		read_type(&r, u);
	} else {
		u->abbrev_off = get_off(&r, u->off_size);
		u->addr_size = rd_u8(&r);
		if (where == DWX_IN_TYPES) {
			u->sig = rd_u64(&r);
			u->type_die = off + get_off(&r, u->off_size);
		}
	}
	bool known = u->version >= 2 && u->version <= 5 &&
		     (u->addr_size == 4 || u->addr_size == 8) &&
		     (u->version < 5 || (u->type >= DW_UT_compile && u->type <= DW_UT_split_type));
	if (r.bad || r.pos > u->end || !known)
		return true; /* die stays 0 */
	u->die = r.pos;
	u->addr = s->addr;
	if (u->version >= 5 && part) { /* no attribute tells: behind the header of the table */
		u->str_base = u->off_size == 8 ? 16 : 8;
		u->rng_base = u->off_size == 8 ? 20 : 12;
	}
	apply_dirs(dirs, u);
	return true;
}

bool dwx_unit_addr(const dwx_unit *u, uint64_t index, uint64_t *ret)
{
	uint64_t at;
	if (__builtin_mul_overflow(index, (uint64_t)u->addr_size, &at) ||
		__builtin_add_overflow(at, u->addr_base, &at) || at > u->addr.n ||
		u->addr.n - at < u->addr_size)
		return false;
	*ret = le_get(u->addr.p + at, u->addr_size);
	return true;
}

bool dwx_unit_str(const dwx_unit *u, uint64_t index, uint64_t *ret)
{
	dwx_bytes t = u->s->str_offsets;
	uint64_t at;
	if (u->where == DWX_IN_ALT || __builtin_mul_overflow(index, (uint64_t)u->off_size, &at) ||
		__builtin_add_overflow(at, u->str_base, &at) ||
		__builtin_add_overflow(at, u->str_add, &at) || at > t.n || t.n - at < u->off_size)
		return false;
	uint64_t off = le_get(t.p + at, u->off_size);
	if (off >= u->s->str.n)
		return false;
	*ret = off | (uint64_t)SEL_STR << SEL_SHIFT | (uint64_t)u->part << NPART_SHIFT;
	return true;
}

/* ---- .dwp ---- */

static int by_info(const void *a, const void *b)
{
	uint64_t x = ((const dwp_row *)a)->info, y = ((const dwp_row *)b)->info;
	return x < y ? -1 : x > y;
}

static void set_column(dwp_row *row, uint32_t id, unsigned version, uint64_t v)
{
	/* Section ids: DWARF 5 table 7.1; version 2 differs in 2 (types) and above 4. */
	if (id == 1 || (id == 2 && version == 2))
		row->info = v;
	else if (id == 3)
		row->abbrev = v;
	else if (id == 6)
		row->str_offsets = v;
	else if (id == 8 && version == 5)
		row->rnglists = v;
}

/* DWARF 5, 7.3.5.3: header, hash table, its indexes, column ids, offsets, sizes. */
void dwp_read(arena *a, dwx_bytes b, dwp_dir *ret)
{
	*ret = (dwp_dir){0};
	if (b.n < 16)
		return;
	unsigned version = le32(b.p) == 2 ? 2 : le16(b.p);
	uint64_t cols = le32(b.p + 4), rows = le32(b.p + 8), slots = le32(b.p + 12);
	uint64_t ids = 16 + slots * 12;
	if ((version != 2 && version != 5) || !cols || cols > 16 || ids > b.n ||
		(b.n - ids) / 4 / cols < rows + 1)
		return;
	dwp_row *row = arena_array(a, rows, sizeof *row);
	for (uint64_t i = 0; i < rows; i++)
		for (uint64_t c = 0; c < cols; c++)
			set_column(&row[i], le32(b.p + ids + c * 4), version,
				le32(b.p + ids + (i + 1) * cols * 4 + c * 4));
	if (rows)
		qsort(row, rows, sizeof *row, by_info);
	*ret = (dwp_dir){row, rows};
}
