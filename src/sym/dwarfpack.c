/*
 * dwarfpack: split units that were packed into one .dwp file. libdw (0.188) reads .dwo files only:
 * what a .dwp holds of one unit is made up into such a file, and that is given to libdw.
 *
 * Source: DWARF 5, section 7.3.5; for version 2 of the index "DebugFissionDWP" (gcc.gnu.org/wiki).
 */
#include "sym/dwarf.h"

#include <stdio.h>

enum { COLUMNS_MAX = 16, UNITS_MAX = 1 << 20, SECTIONS = 9, UNIT_MAX = 256 << 20 };

/* Section numbers of the index. */
enum {
	SECT_INFO = 1,
	SECT_TYPES = 2,
	SECT_ABBREV = 3,
	SECT_LINE = 4,
	SECT_LOC = 5,
	SECT_STR_OFFSETS = 6,
	SECT_RNGLISTS = 8 /* version 2: macros */
};

typedef struct contribution {
	uint32_t off[SECTIONS], size[SECTIONS];
	uint64_t id;
} contribution;

typedef struct unit_index {
	reader r;
	unsigned version;
	uint32_t columns, units, slots;
	size_t hashes, rows, ids, offsets, sizes;
} unit_index;

typedef struct packed {
	contribution c;
	dwpart part;
	uint8_t *file;
	Dwarf_Die cu;
	bool ok;
} packed;

struct dwpack {
	map by_id; /* dwo_id -> packed */
	VEC(packed *) all;
};

static bool index_open(const dwf *x, unit_index *ix)
{
	dwx_bytes b = x->dwp.secs.cu_index;
	*ix = (unit_index){.r = rd_of(b.p, b.n)};
	reader *r = &ix->r;
	/* version 5: a half-word and padding; version 2: a word */
	ix->version = rd_u32(r) & 0xffff;
	ix->columns = rd_u32(r);
	ix->units = rd_u32(r);
	ix->slots = rd_u32(r);
	if (r->bad || ix->columns > COLUMNS_MAX || ix->units > UNITS_MAX ||
		ix->slots > UNITS_MAX * 4)
		return false;
	ix->hashes = 16;
	ix->rows = ix->hashes + (size_t)ix->slots * 8;
	ix->ids = ix->rows + (size_t)ix->slots * 4;
	ix->offsets = ix->ids + (size_t)ix->columns * 4;
	ix->sizes = ix->offsets + (size_t)ix->units * ix->columns * 4;
	return ix->sizes + (size_t)ix->units * ix->columns * 4 <= b.n;
}

static uint32_t word(const unit_index *ix, size_t at)
{
	return at + 4 <= ix->r.n ? le32(ix->r.p + at) : 0;
}

static bool row_get(const unit_index *ix, uint32_t slot, contribution *ret)
{
	uint32_t row = word(ix, ix->rows + (size_t)slot * 4);
	if (!row || row > ix->units)
		return false;
	*ret = (contribution){.id = le64(ix->r.p + ix->hashes + (size_t)slot * 8)};
	for (uint32_t c = 0; c < ix->columns; c++) {
		uint32_t sec = word(ix, ix->ids + (size_t)c * 4);
		size_t at = ((size_t)(row - 1) * ix->columns + c) * 4;
		if (sec < SECTIONS) {
			ret->off[sec] = word(ix, ix->offsets + at);
			ret->size[sec] = word(ix, ix->sizes + at);
		}
	}
	return true;
}

/* ---- one unit as a file ---- */

/* Without ".dwo": libdw passes over such sections where there are others, and .debug_addr is one.
 */
static bool slice(const elf_view *v, const char *plain, const contribution *c, unsigned sec,
	bool all, elf_part *out)
{
	char name[32];
	snprintf(name, sizeof name, "%s.dwo", plain);
	const elf_sec *s = elf_sec_find(v, str_of(name));
	str b;
	if (!s || !elf_sec_bytes(v, s, &b))
		return false;
	if (!all) {
		if (c->off[sec] > b.n || c->size[sec] > b.n - c->off[sec] || !c->size[sec])
			return false;
		b = (str){b.p + c->off[sec], c->size[sec]};
	}
	*out = (elf_part){plain, b.p, b.n};
	return true;
}

static bool build(dwf *x, Dwarf_Die *skel, unsigned version, packed *k)
{
	const elf_view *v = &x->dwp.v;
	elf_part part[16];
	size_t n = 0, size;
	const contribution *c = &k->c;
	n += slice(v, ".debug_info", c, SECT_INFO, false, &part[n]);
	n += slice(v, ".debug_abbrev", c, SECT_ABBREV, false, &part[n]);
	if (n < 2)
		return false;
	n += slice(v, ".debug_line", c, SECT_LINE, false, &part[n]);
	n += slice(
		v, version == 5 ? ".debug_loclists" : ".debug_loc", c, SECT_LOC, false, &part[n]);
	n += slice(v, ".debug_str_offsets", c, SECT_STR_OFFSETS, false, &part[n]);
	if (version == 5)
		n += slice(v, ".debug_rnglists", c, SECT_RNGLISTS, false, &part[n]);
	n += slice(v, ".debug_str", c, 0, true, &part[n]);
	/* addresses stand in the program, from the skeleton's base on */
	Dwarf_Attribute a;
	Dwarf_Word base = 0;
	dwx_bytes addr = x->main.secs.addr;
	if ((dwarf_attr(skel, DW_AT_addr_base, &a) || dwarf_attr(skel, DW_AT_GNU_addr_base, &a)) &&
		!dwarf_formudata(&a, &base) && base < addr.n)
		part[n++] = (elf_part){".debug_addr", addr.p + base, addr.n - base};
	/* version 4: ranges stand there, too */
	Dwarf_Word ranges = 0;
	if (version < 5 && x->main.secs.ranges.n) {
		if (dwarf_attr(skel, DW_AT_GNU_ranges_base, &a))
			dwarf_formudata(&a, &ranges);
		if (ranges < x->main.secs.ranges.n)
			part[n++] = (elf_part){".debug_ranges", x->main.secs.ranges.p + ranges,
				x->main.secs.ranges.n - ranges};
	}
	uint64_t total = 0;
	for (size_t i = 0; i < n; i++)
		total += part[i].n;
	if (total > UNIT_MAX)
		return false;
	k->file = elf_pack(part, n, &size, NULL);
	elf_version(EV_CURRENT);
	k->part.elf = elf_memory((char *)k->file, size);
	k->part.dbg = k->part.elf ? dwarf_begin_elf(k->part.elf, DWARF_C_READ, NULL) : NULL;
	Dwarf_Off next;
	size_t header;
	return k->part.dbg &&
	       !dwarf_next_unit(
		       k->part.dbg, 0, &next, &header, NULL, NULL, NULL, NULL, NULL, NULL) &&
	       dwarf_offdie(k->part.dbg, header, &k->cu);
}

static packed *unit_of_row(dwf *x, const unit_index *ix, const contribution *c, Dwarf_Die *skel)
{
	if (!x->packs) {
		x->packs = mem_alloc(sizeof *x->packs);
		map_init(&x->packs->by_id);
	}
	packed *k = map_get(&x->packs->by_id, c->id);
	if (!k) {
		k = arena_new(&x->a, packed);
		k->c = *c;
		k->part.fd = -1;
		map_set(&x->packs->by_id, c->id, k);
		vec_push(&x->packs->all, k);
		k->ok = build(x, skel, ix->version, k);
	}
	return k->ok ? k : NULL;
}

bool dwf_dwp_unit(dwf *x, Dwarf_Die *skel, uint64_t id, Dwarf_Die *ret)
{
	unit_index ix;
	if (!index_open(x, &ix) || !ix.slots)
		return false;
	for (uint32_t i = 0; i < ix.slots; i++) {
		contribution c;
		if (le64(ix.r.p + ix.hashes + (size_t)i * 8) != id || !row_get(&ix, i, &c))
			continue;
		packed *k = unit_of_row(x, &ix, &c, skel);
		if (k)
			*ret = k->cu;
		return k != NULL;
	}
	return false;
}

/* The skeleton of a packed unit. */
static bool skeleton_of(dwf *x, uint64_t id, Dwarf_Die *ret)
{
	Dwarf_CU *cu = NULL;
	uint8_t type;
	Dwarf_Die die;
	while (!dwarf_get_units(x->main.dbg, cu, &cu, NULL, &type, &die, NULL)) {
		uint64_t unit_id = 0;
		if (type == DW_UT_skeleton &&
			!dwarf_cu_info(cu, NULL, NULL, NULL, NULL, &unit_id, NULL, NULL) &&
			unit_id == id) {
			*ret = die;
			return true;
		}
	}
	return false;
}

bool dwf_dwp_entry(dwf *x, uint64_t off, Dwarf_Die *ret)
{
	unit_index ix;
	if (!index_open(x, &ix))
		return false;
	for (uint32_t i = 0; i < ix.slots; i++) {
		contribution c;
		Dwarf_Die skel;
		if (!row_get(&ix, i, &c) || off < c.off[SECT_INFO] ||
			off - c.off[SECT_INFO] >= c.size[SECT_INFO])
			continue;
		if (!skeleton_of(x, c.id, &skel))
			return false;
		dwunit *u = dwf_unit_of(x, &skel);
		packed *k = u ? unit_of_row(x, &ix, &c, &skel) : NULL;
		return k && dwarf_offdie(k->part.dbg, off - c.off[SECT_INFO], ret) != NULL;
	}
	return false;
}

void dwf_packs_free(dwf *x)
{
	if (!x->packs)
		return;
	for (size_t i = 0; i < x->packs->all.n; i++) {
		packed *k = x->packs->all.p[i];
		dwpart_close(&k->part);
		mem_free(k->file);
	}
	vec_deinit(&x->packs->all);
	map_deinit(&x->packs->by_id);
	mem_free(x->packs);
}
