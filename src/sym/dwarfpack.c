/*
 * dwarfpack: split units that were packed into one .dwp file. libdw (0.188) reads .dwo files only:
 * what a .dwp holds of one unit is made up into such a file, and that is given to libdw. Type units
 * that came from the unit's .dwo file are in it, too; of those that another one had as well the
 * packer keeps one, which is then looked for by its signature.
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

/* A type unit: where it stood in the .dwp's section, and stands in the file that is made up. */
typedef struct type_unit {
	uint64_t from, at, size;
} type_unit;

typedef struct packed {
	contribution c;
	VEC(type_unit) types;
	dwpart part;
	uint8_t *file;
	Dwarf_Die cu;
	bool ok;
} packed;

struct dwpack {
	map by_id; /* dwo_id -> packed */
	VEC(packed *) all;
};

static bool index_open(dwx_bytes b, unit_index *ix)
{
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

/* Did both come from one .dwo file? */
static bool same_file(const contribution *a, const contribution *b)
{
	return a->off[SECT_ABBREV] == b->off[SECT_ABBREV] &&
	       a->off[SECT_STR_OFFSETS] == b->off[SECT_STR_OFFSETS];
}

static unsigned types_section(const unit_index *ix)
{
	return ix->version == 5 ? SECT_INFO : SECT_TYPES;
}

static const char *types_name(const unit_index *ix)
{
	return ix->version == 5 ? ".debug_info" : ".debug_types";
}

/* Appends the type units of k's .dwo file. */
static void add_types(dwf *x, packed *k, buf *out)
{
	unit_index ix;
	if (!index_open(x->dwp.secs.tu_index, &ix))
		return;
	unsigned sec = types_section(&ix);
	for (uint32_t i = 0; i < ix.slots; i++) {
		contribution c;
		elf_part p;
		if (!row_get(&ix, i, &c) || !same_file(&c, &k->c) ||
			!slice(&x->dwp.v, types_name(&ix), &c, sec, false, &p) ||
			p.n > UNIT_MAX - out->n)
			continue;
		type_unit t = {c.off[sec], out->n, p.n};
		vec_push(&k->types, t);
		buf_add(out, p.p, p.n);
	}
}

static bool build_with(dwf *x, Dwarf_Die *skel, unsigned version, packed *k, buf *types)
{
	const elf_view *v = &x->dwp.v;
	elf_part part[16];
	size_t n = 0, size;
	const contribution *c = &k->c;
	n += slice(v, ".debug_info", c, SECT_INFO, false, &part[n]);
	n += slice(v, ".debug_abbrev", c, SECT_ABBREV, false, &part[n]);
	if (n < 2)
		return false;
	if (version == 5) { /* all in one section, the unit first */
		buf_add(types, part[0].p, part[0].n);
		add_types(x, k, types);
		part[0] = (elf_part){".debug_info", types->p, types->n};
	} else {
		add_types(x, k, types);
		if (types->n)
			part[n++] = (elf_part){".debug_types", types->p, types->n};
	}
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

static bool build(dwf *x, Dwarf_Die *skel, unsigned version, packed *k)
{
	buf types;
	buf_init(&types, UNIT_MAX);
	bool ok = build_with(x, skel, version, k, &types);
	buf_deinit(&types);
	return ok;
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
	if (!index_open(x->dwp.secs.cu_index, &ix) || !ix.slots)
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

/* The unit of this row, its skeleton looked for. */
static packed *unit_alone(dwf *x, const unit_index *ix, const contribution *c)
{
	Dwarf_Die skel;
	dwunit *u = skeleton_of(x, c->id, &skel) ? dwf_unit_of(x, &skel) : NULL;
	return u ? unit_of_row(x, ix, c, &skel) : NULL;
}

/* The entry at off of the type unit t, in a file with units of the same .dwo file. */
static bool type_entry(dwf *x, const contribution *t, unsigned sec, uint64_t off, Dwarf_Die *ret)
{
	unit_index ix;
	contribution c;
	if (!index_open(x->dwp.secs.cu_index, &ix))
		return false;
	for (uint32_t i = 0; i < ix.slots; i++) {
		packed *k = row_get(&ix, i, &c) && same_file(&c, t) ? unit_alone(x, &ix, &c) : NULL;
		for (size_t j = 0; k && j < k->types.n; j++)
			if (k->types.p[j].from == t->off[sec]) {
				uint64_t at = k->types.p[j].at + off;
				return (sec == SECT_TYPES ? dwarf_offdie_types(k->part.dbg, at, ret)
							  : dwarf_offdie(k->part.dbg, at, ret)) !=
				       NULL;
			}
	}
	return false;
}

static bool in_types(dwf *x, uint64_t off, Dwarf_Die *ret)
{
	unit_index ix;
	contribution c;
	if (!index_open(x->dwp.secs.tu_index, &ix))
		return false;
	unsigned sec = types_section(&ix);
	for (uint32_t i = 0; i < ix.slots; i++)
		if (row_get(&ix, i, &c) && off >= c.off[sec] && off - c.off[sec] < c.size[sec])
			return type_entry(x, &c, sec, off - c.off[sec], ret);
	return false;
}

bool dwf_dwp_entry(dwf *x, uint64_t off, bool types, Dwarf_Die *ret)
{
	unit_index ix;
	if (!index_open(x->dwp.secs.cu_index, &ix))
		return false;
	for (uint32_t i = 0; i < ix.slots && !types; i++) {
		contribution c;
		if (!row_get(&ix, i, &c) || off < c.off[SECT_INFO] ||
			off - c.off[SECT_INFO] >= c.size[SECT_INFO])
			continue;
		packed *k = unit_alone(x, &ix, &c);
		return k && dwarf_offdie(k->part.dbg, off - c.off[SECT_INFO], ret) != NULL;
	}
	return in_types(x, off, ret);
}

/* Offset of the type in its unit: behind the signature of the header, which is longer by a byte in
 * version 5 (the kind of unit). */
static bool type_offset(const dwf *x, const unit_index *ix, const contribution *c, uint32_t *ret)
{
	unsigned sec = types_section(ix);
	elf_part p;
	size_t at = ix->version == 5 ? 20 : 19;
	if (!slice(&x->dwp.v, types_name(ix), c, sec, false, &p) || p.n < at + 4 ||
		le32(p.p) == UINT32_MAX) /* 64-bit DWARF */
		return false;
	*ret = le32((const uint8_t *)p.p + at);
	return true;
}

bool dwf_dwp_type(dwf *x, uint64_t signature, Dwarf_Die *ret)
{
	unit_index ix;
	contribution c;
	uint32_t off;
	if (!index_open(x->dwp.secs.tu_index, &ix))
		return false;
	for (uint32_t i = 0; i < ix.slots; i++)
		if (le64(ix.r.p + ix.hashes + (size_t)i * 8) == signature && row_get(&ix, i, &c))
			return type_offset(x, &ix, &c, &off) &&
			       type_entry(x, &c, types_section(&ix), off, ret);
	return false;
}

void dwf_packs_free(dwf *x)
{
	if (!x->packs)
		return;
	for (size_t i = 0; i < x->packs->all.n; i++) {
		packed *k = x->packs->all.p[i];
		dwpart_close(&k->part);
		vec_deinit(&k->types);
		mem_free(k->file);
	}
	vec_deinit(&x->packs->all);
	map_deinit(&x->packs->by_id);
	mem_free(x->packs);
}
