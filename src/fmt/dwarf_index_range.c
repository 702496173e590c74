/*
 * dwarf_index_range: which unit's code an address lies in. .debug_aranges is believed for the units
 * that it has rows for; the others are asked themselves (DW_AT_low_pc, DW_AT_ranges).
 *
 * Invariant of the result: ranges are disjoint and sorted; where units overlap, the narrower range
 * wins.
 */
#include "fmt/dwarf_index_impl.h"

#include "base/bisect.h"

#include <stdlib.h>

enum { ROWS_MAX = 1 << 26, LIST_MAX = 1 << 20 };

bool dwx_alive(const dwx_unit *u, uint64_t addr, uint64_t lowest)
{
	/* Linkers leave 0, 1, -1 or -2 for code that they threw away (DWARF issue 200609.1). */
	uint64_t top = u->addr_size == 4 ? 0xffffffff : UINT64_MAX;
	return addr >= (lowest ? lowest : 1) && addr < top - 1;
}

/* ---- lists of ranges ---- */

/* false: enough. */
typedef bool range_fn(void *u, uint64_t begin, uint64_t end);

/* .debug_ranges, DWARF 4 section 2.17.3. */
static void old_list(const dwx_unit *u, uint64_t off, range_fn *fn, void *ctx)
{
	dwx_bytes b = u->s->ranges;
	uint64_t base = u->low, top = u->addr_size == 4 ? 0xffffffff : UINT64_MAX;
	unsigned size = u->addr_size;
	for (int i = 0; i < LIST_MAX && off <= b.n && b.n - off >= 2 * size; i++, off += 2 * size) {
		uint64_t lo = le_get(b.p + off, size), hi = le_get(b.p + off + size, size);
		if (!lo && !hi)
			return;
		if (lo == top)
			base = hi;
		else if (lo < hi && !fn(ctx, base + lo, base + hi))
			return;
	}
}

enum {
	DW_RLE_end_of_list,
	DW_RLE_base_addressx,
	DW_RLE_startx_endx,
	DW_RLE_startx_length,
	DW_RLE_offset_pair,
	DW_RLE_base_address,
	DW_RLE_start_end,
	DW_RLE_start_length
};

/* .debug_rnglists, DWARF 5 section 2.17.3. */
static void new_list(const dwx_unit *u, uint64_t pos, range_fn *fn, void *ctx)
{
	dwx_bytes b = u->s->rnglists;
	uint64_t base = u->low, lo, hi;
	unsigned size = u->addr_size;
	for (int i = 0; i < LIST_MAX && pos < b.n; i++) {
		uint8_t kind = b.p[pos++];
		bool ok = true;
		uint64_t x = 0, y = 0;
		if (kind == DW_RLE_end_of_list || kind > DW_RLE_start_length)
			return;
		if (kind >= DW_RLE_base_address) {
			if (b.n - pos < size)
				return;
			x = le_get(b.p + pos, size);
			pos += size;
		} else
			x = dwx_uleb(b.p, b.n, &pos);
		if (kind == DW_RLE_start_end) {
			if (pos > b.n || b.n - pos < size)
				return;
			y = le_get(b.p + pos, size);
			pos += size;
		} else if (kind != DW_RLE_base_addressx && kind != DW_RLE_base_address)
			y = dwx_uleb(b.p, b.n, &pos);
		if (pos > b.n)
			return;
		switch (kind) {
		case DW_RLE_base_addressx:
			if (!dwx_unit_addr(u, x, &base))
				return;
			continue;
		case DW_RLE_base_address:
			base = x;
			continue;
		case DW_RLE_startx_endx:
			ok = dwx_unit_addr(u, x, &lo) && dwx_unit_addr(u, y, &hi);
			break;
		case DW_RLE_startx_length:
			ok = dwx_unit_addr(u, x, &lo);
			hi = ok ? lo + y : 0;
			break;
		case DW_RLE_offset_pair:
			lo = base + x;
			hi = base + y;
			break;
		case DW_RLE_start_end:
			lo = x;
			hi = y;
			break;
		default:
			lo = x;
			hi = x + y;
		}
		if (ok && lo < hi && !fn(ctx, lo, hi))
			return;
	}
}

static void each_range(const dwx_unit *u, uint8_t form, uint64_t v, range_fn *fn, void *ctx)
{
	if (u->version < 5) {
		uint64_t off;
		if (!__builtin_add_overflow(v, u->ranges_base, &off))
			old_list(u, off, fn, ctx);
		return;
	}
	dwx_bytes b = u->s->rnglists;
	uint64_t at = u->rng_base + u->rng_add, off;
	if (form != 0x23) { /* not DW_FORM_rnglistx */
		new_list(u, v, fn, ctx);
		return;
	}
	if (__builtin_mul_overflow(v, (uint64_t)u->off_size, &off) ||
		__builtin_add_overflow(at, off, &off) || off > b.n || b.n - off < u->off_size)
		return;
	new_list(u, at + le_get(b.p + off, u->off_size), fn, ctx);
}

typedef struct first {
	const dwx_unit *u;
	uint64_t lowest, addr;
	bool found;
} first;

static bool on_first(void *ctx, uint64_t begin, uint64_t end)
{
	first *f = ctx;
	if (!dwx_alive(f->u, begin, f->lowest))
		return true;
	f->addr = begin;
	f->found = true;
	return false;
}

bool dwx_first_range(const dwx_unit *u, uint8_t form, uint64_t v, uint64_t lowest, uint64_t *ret)
{
	first f = {u, lowest, 0, false};
	each_range(u, form, v, on_first, &f);
	if (f.found)
		*ret = f.addr;
	return f.found;
}

/* ---- rows ---- */

typedef struct adder {
	dwx_builder *b;
	const dwx_unit *u;
} adder;

static bool add_row(dwx_builder *b, uint64_t begin, uint64_t end, uint64_t unit)
{
	dwx_row *last = b->rows.n ? &b->rows.p[b->rows.n - 1] : NULL;
	if (last && last->end == begin && last->unit == unit)
		last->end = end;
	else if (b->rows.n < ROWS_MAX)
		vec_push(&b->rows, (dwx_row){begin, end, unit});
	return b->rows.n < ROWS_MAX;
}

static bool on_row(void *ctx, uint64_t begin, uint64_t end)
{
	adder *a = ctx;
	return !dwx_alive(a->u, begin, a->b->o.lowest) || add_row(a->b, begin, end, a->u->off);
}

/* One set of .debug_aranges (DWARF 5, 6.1.2); true if it had a row. */
static bool read_set(dwx_builder *b, reader *r, uint64_t end, unsigned off_size)
{
	bool any = false;
	dwx_unit u = {0};
	uint64_t start = r->pos - (off_size == 8 ? 12 : 4);
	unsigned version = rd_u16(r);
	u.off = off_size == 8 ? rd_u64(r) : rd_u32(r);
	u.addr_size = rd_u8(r);
	unsigned seg = rd_u8(r), size = u.addr_size;
	if (r->bad || version != 2 || seg || (size != 4 && size != 8) || u.off > OFF_MASK)
		return false;
	uint64_t skip = (r->pos - start) % (2 * size);
	if (skip)
		rd_skip(r, 2 * size - skip);
	while (!r->bad && r->pos <= end && end - r->pos >= 2 * size) {
		const uint8_t *p = rd_bytes(r, 2 * size);
		uint64_t lo = le_get(p, size), n = le_get(p + size, size);
		if (!lo && !n)
			break;
		any = true; /* even if it is dead: the unit was thought of */
		if (n && dwx_alive(&u, lo, b->o.lowest) && lo + n > lo)
			add_row(b, lo, lo + n, u.off);
	}
	if (any)
		vec_push(&b->covered, u.off);
	return any;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

void dwx_aranges_read(dwx_builder *b)
{
	dwx_bytes s = b->part[0].aranges;
	reader r = rd_of(s.p, s.n);
	while (rd_left(&r) >= 12) {
		uint64_t len = rd_u32(&r);
		unsigned off_size = 4;
		if (len == 0xffffffff) {
			len = rd_u64(&r);
			off_size = 8;
		}
		if (r.bad || !len || len > rd_left(&r))
			break;
		uint64_t end = r.pos + len;
		(void)read_set(b, &r, end, off_size);
		rd_seek(&r, end);
	}
	if (b->covered.n)
		qsort(b->covered.p, b->covered.n, sizeof *b->covered.p, by_value);
}

void dwx_pair_range(dwx_builder *b, const dwx_unit *u, uint64_t low, const dwx_vals *v)
{
	adder a = {b, u};
	uint8_t form = v->form[SLOT_HIGH];
	uint64_t end = v->v[SLOT_HIGH];
	if (form == 0x1b || (form >= 0x29 && form <= 0x2c) || form == FORM_GNU_addr_index) {
		if (!dwx_unit_addr(u, end, &end))
			return;
	} else if (form != 0x01) /* since DWARF 4: the size */
		end += low;
	if (end > low)
		(void)on_row(&a, low, end);
}

bool dwx_unit_ranges(dwx_builder *b, const dwx_unit *u, const dwx_vals *v)
{
	uint64_t off = u->off;
	if (b->covered.n && bsearch(&off, b->covered.p, b->covered.n, sizeof off, by_value))
		return true;
	adder a = {b, u};
	if (HAS(v, SLOT_RANGES))
		each_range(u, v->form[SLOT_RANGES], v->v[SLOT_RANGES], on_row, &a);
	else if (HAS(v, SLOT_LOW) && HAS(v, SLOT_HIGH))
		dwx_pair_range(b, u, u->low, v);
	else
		return false;
	return true;
}

/* ---- finishing ---- */

static int by_begin(const void *a, const void *b)
{
	const dwx_row *x = a, *y = b;
	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	return x->end != y->end ? (x->end > y->end ? -1 : 1) : 0;
}

typedef struct out {
	dwx_range *p;
	size_t n, cap;
	dwx_builder *b;
} out;

static uint32_t unit_index(const dwx_builder *b, uint64_t off)
{
	size_t lo = BISECT(i, b->units.n, (b->units.p[i] & OFF_MASK) < off);
	return lo < b->units.n && (b->units.p[lo] & OFF_MASK) == off ? (uint32_t)lo : UINT32_MAX;
}

static void emit(out *o, uint64_t begin, uint64_t end, uint32_t unit)
{
	if (begin >= end || unit == UINT32_MAX)
		return;
	uint64_t n = end - begin > 0xffffffff ? 0xffffffff : end - begin; /* no code is larger */
	vec_grow_((void **)&o->p, &o->cap, o->n + 1, sizeof *o->p);
	o->p[o->n++] = (dwx_range){{begin, n | (uint64_t)unit << 32}};
}

enum { NEST_MAX = 64 };

/*
 * Rows come by begin, the wider first: those that are open nest like brackets, and the innermost
 * one owns what is emitted. One that ends behind the one around it is cut there.
 */
dwx_range *dwx_ranges_finish(dwx_builder *b, size_t *n)
{
	out o = {.b = b};
	dwx_row open[NEST_MAX];
	size_t depth = 0;
	uint64_t at = 0;
	if (b->rows.n)
		qsort(b->rows.p, b->rows.n, sizeof *b->rows.p, by_begin);
	for (size_t i = 0; i < b->rows.n; i++) {
		dwx_row r = b->rows.p[i];
		while (depth && open[depth - 1].end <= r.begin) {
			emit(&o, at, open[depth - 1].end, unit_index(b, open[depth - 1].unit));
			if (open[--depth].end > at)
				at = open[depth].end;
		}
		if (depth) {
			emit(&o, at, r.begin, unit_index(b, open[depth - 1].unit));
			if (r.end > open[depth - 1].end)
				r.end = open[depth - 1].end;
		}
		at = r.begin;
		if (depth == NEST_MAX)
			continue;
		open[depth++] = r;
	}
	while (depth) {
		emit(&o, at, open[depth - 1].end, unit_index(b, open[depth - 1].unit));
		if (open[--depth].end > at)
			at = open[depth].end;
	}
	*n = o.n;
	return o.p;
}
