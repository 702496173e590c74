/*
 * dwarf_index_impl: what the files of the DWARF name index share.
 *
 *   dwarf_index.c         questions to a finished index
 *   dwarf_index_file.c    the same tables on disk
 *   dwarf_index_build.c   the builder's tables; duplicates out, order in
 *   dwarf_index_scan.c    one unit: its DIEs, what their references mean
 *   dwarf_index_abbrev.c  abbreviations compiled into programs that pass over or take apart a DIE
 *   dwarf_index_unit.c    unit headers, .dwp directories, skeletons, indexed addresses and strings
 *   dwarf_index_range.c   ranges of code and the units that they belong to
 *
 * A finished index is a few tables of little-endian words without pointers: an entry has 32 bytes,
 * a scope 16. In memory and in a file they look the same, and every number in them is checked where
 * it is used, because a file can hold anything.
 *
 * Source of all numbers of DWARF: DWARF 4 and 5 standards (dwarfstd.org), sections 7.4-7.28; GNU
 * extensions: gcc.gnu.org/wiki/DebugFission, DebugFissionDWP, and dwarf2.h of GNU binutils.
 */
#ifndef RS_FMT_DWARF_INDEX_IMPL_H
#define RS_FMT_DWARF_INDEX_IMPL_H

#include "base/map.h"
#include "base/reader.h"
#include "fmt/dwarf_index.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "tables are built in the host's order and read as little-endian"
#endif

/* ---- the words of the tables ---- */

/*
 * entry: w[0] address, size or constant
 *        w[1] name: offset 0-35, section 36-38, part 39-54, length 55-63 (NAME_LONG: look)
 *        w[2] DIE offset 0-35, part 36-51, kind 52-55, where 56-57, flags 58-63
 *        w[3] hash of the case-folded name 0-31, scope 32-63
 * scope: w[0] name as above, w[1] parent 0-27, flags 28-31, first entry 32-63
 * unit:  offset 0-35, size of its header 36-47
 * range: w[0] begin, w[1] length 0-31, unit 32-63
 */
typedef struct dwx_rec {
	uint64_t w[4];
} dwx_rec;
typedef struct dwx_scope {
	uint64_t w[2];
} dwx_scope;
typedef struct dwx_range {
	uint64_t w[2];
} dwx_range;

enum {
	OFF_BITS = 36,
	SEL_SHIFT = 36,
	NPART_SHIFT = 39,
	LEN_SHIFT = 55,
	NAME_LONG = 511,
	PART_SHIFT = 36,
	KIND_SHIFT = 52,
	WHERE_SHIFT = 56
};
#define OFF_MASK   (((uint64_t)1 << OFF_BITS) - 1)
#define NAME_MASK  (((uint64_t)1 << LEN_SHIFT) - 1) /* without the length */
#define KIND_MASK  ((uint64_t)15 << KIND_SHIFT)
#define F_DECL	   ((uint64_t)1 << 58)
#define F_EXTERNAL ((uint64_t)1 << 59)
#define F_INLINED  ((uint64_t)1 << 60)
#define F_TLS	   ((uint64_t)1 << 61)
#define F_DROP	   ((uint64_t)1 << 63) /* while building */
#define KEY_MASK   (KIND_MASK | F_DECL | F_INLINED | F_TLS)

#define SCOPE_PARENT 0x0fffffffu
#define SCOPE_INLINE 0x10000000u
#define SCOPE_ANON   0x20000000u

/* Sections that hold names. */
typedef enum dwx_sel {
	SEL_STR,
	SEL_LINE_STR,
	SEL_INFO,
	SEL_TYPES,
	SEL_ALT_STR,
	SEL_ALT_LINE_STR,
	SEL_ALT_INFO,
	SEL_NONE /* anonymous */
} dwx_sel;
#define NAME_ANON ((uint64_t)SEL_NONE << SEL_SHIFT)

struct dwx {
	dwx_sections *part;
	size_t n_parts;
	/* tables; n_buckets is a power of two, buckets has one more */
	const uint8_t *recs, *scopes, *buckets, *order, *units, *ranges;
	size_t n_recs, n_scopes, n_buckets, n_units, n_ranges;
	sys_map map; /* what they lie in; empty if they were built */
	dwx_stats stats;
};

static inline str dwx_section(const dwx_sections *s, dwx_sel sel)
{
	const dwx_bytes *b;
	switch (sel) {
	case SEL_STR:
		b = &s->str;
		break;
	case SEL_LINE_STR:
		b = &s->line_str;
		break;
	case SEL_INFO:
		b = &s->info;
		break;
	case SEL_TYPES:
		b = &s->types;
		break;
	case SEL_ALT_STR:
		b = &s->alt_str;
		break;
	case SEL_ALT_LINE_STR:
		b = &s->alt_line_str;
		break;
	case SEL_ALT_INFO:
		b = &s->alt_info;
		break;
	default:
		return (str){"", 0};
	}
	return (str){(const char *)b->p, b->n};
}

/* The bytes that a name word stands for; empty if it points nowhere or they are too long. */
str dwx_name_of(const dwx_sections *parts, size_t n_parts, uint64_t word);
uint32_t dwx_hash(str name); /* case folded */

/* ---- file ---- */

enum { DWX_TABLES = 6 };
/* Sizes of all sections in one number: an index of other bytes is not this one's. */
uint64_t dwx_sum(uint64_t seed, const uint8_t *p, size_t n);

/* ---- units ---- */

typedef struct dwx_unit {
	const dwx_sections *s;
	dwx_bytes sect, abbrev; /* the section it lies in, and the one its abbreviations are in */
	dwx_where where;
	uint16_t part;
	uint64_t off, die, end; /* header, first DIE, behind the last, in sect */
	uint64_t abbrev_off;
	uint16_t version;
	uint8_t type; /* DW_UT_xxx, 0 before DWARF 5 */
	uint8_t addr_size, off_size;
	uint64_t id;		/* of a skeleton or split unit, 0 unknown */
	uint64_t sig, type_die; /* type unit: its signature, offset of the type's DIE in sect */
	/* from the first DIE and the .dwp directory */
	uint64_t str_base, addr_base, rng_base, ranges_base, low;
	uint64_t str_add, rng_add;
	dwx_bytes addr;	   /* .debug_addr that addr_base is in */
	uint32_t language; /* 0 unknown */
} dwx_unit;

/* One row of a .dwp directory. */
typedef struct dwp_row {
	uint64_t info, abbrev, str_offsets, rnglists;
} dwp_row;
typedef struct dwp_dir {
	dwp_row *row; /* by info */
	size_t n;
} dwp_dir;
void dwp_read(arena *a, dwx_bytes b, dwp_dir *ret);

enum {
	DW_UT_compile = 1,
	DW_UT_type = 2,
	DW_UT_partial = 3,
	DW_UT_skeleton = 4,
	DW_UT_split_compile = 5,
	DW_UT_split_type = 6
};

/*
 * The header at off. false: nothing of it can be used, nor what follows. With *next behind the unit
 * it can be passed over even if u->die is 0: a version or size that nobody knows.
 */
bool dwx_unit_read(const dwx_sections *s, dwx_where where, uint16_t part, uint64_t off,
	const dwp_dir *dirs, dwx_unit *u, uint64_t *next);
bool dwx_unit_addr(const dwx_unit *u, uint64_t index, uint64_t *ret); /* of .debug_addr */
/* Name word of a string by index; false if there is none. */
bool dwx_unit_str(const dwx_unit *u, uint64_t index, uint64_t *ret);
uint64_t dwx_uleb(const uint8_t *p, uint64_t end, uint64_t *pos); /* *pos > end: damaged */

/* ---- abbreviations ---- */

typedef enum dwx_class {
	CLS_SKIP,
	CLS_FUNC,
	CLS_VAR,
	CLS_STRUCT,
	CLS_UNION,
	CLS_CLASS,
	CLS_ENUM,
	CLS_TYPEDEF,
	CLS_BASE,
	CLS_ENUMERATOR,
	CLS_NAMESPACE,
	CLS_UNIT,
	CLS_IMPORT,
	CLS_MEMBER /* a static one's declaration, before DWARF 5 */
} dwx_class;

/* What is taken out of a DIE. */
typedef enum dwx_slot {
	SLOT_NAME,
	SLOT_LOW,
	SLOT_HIGH,
	SLOT_RANGES,
	SLOT_DECL,
	SLOT_EXTERNAL,
	SLOT_SPEC,
	SLOT_ORIGIN,
	SLOT_LOC,
	SLOT_SIBLING,
	SLOT_SIZE,
	SLOT_INLINE,
	SLOT_ENUM_CLASS,
	SLOT_CONST,
	SLOT_EXPORT,
	SLOT_IMPORT,
	SLOT_SIGNATURE,
	SLOT_LANG,
	SLOT_STR_BASE,
	SLOT_ADDR_BASE,
	SLOT_RNG_BASE,
	SLOT_RANGES_BASE,
	SLOT_DWO_NAME,
	SLOT_DWO_ID,
	SLOT_COMP_DIR,
	SLOT_COUNT
} dwx_slot;

typedef struct dwx_vals {
	uint32_t have; /* bit per slot */
	uint8_t form[SLOT_COUNT];
	uint64_t v[SLOT_COUNT]; /* number; offset in the section of a string or block */
	uint64_t block_n;	/* size of SLOT_LOC's block */
} dwx_vals;
#define HAS(v, slot) ((v)->have >> (slot)&1)

enum { AB_CHILDREN = 1, AB_SIMPLE = 2, AB_DECL = 4, AB_VALID = 8, AB_SIBLING = 16 };
typedef struct dwx_ab {
	uint32_t skip, take; /* programs: indexes into op */
	uint16_t fixed;	     /* AB_SIMPLE: bytes of all attributes */
	uint8_t cls, fl;
	uint32_t unused;
} dwx_ab;

typedef struct dwx_abbrevs {
	uint64_t off; /* key: where it was read, and for what sizes */
	const uint8_t *sect;
	uint16_t version;
	uint8_t addr_size, off_size;
	bool used;
	uint64_t age;
	dwx_ab *ab; /* by code */
	size_t n, cap;
	VEC(uint32_t) op;
} dwx_abbrevs;

enum { ABBREV_CODE_MAX = 1 << 20, ABBREV_TABLES = 8 };
typedef struct dwx_abbrev_cache {
	dwx_abbrevs t[ABBREV_TABLES];
	uint64_t tick;
	uint64_t budget; /* work that may still be done: tables that are read again and again */
} dwx_abbrev_cache;

/* The table for u; NULL if it is damaged or the budget is spent. */
const dwx_abbrevs *dwx_abbrevs_get(dwx_abbrev_cache *c, const dwx_unit *u);
void dwx_abbrev_cache_deinit(dwx_abbrev_cache *c);

/* Operations: low 8 bits; what they need above. POS: section bytes; pos behind end: damaged. */
typedef enum dwx_op {
	OP_END,
	OP_SKIP,  /* n bytes */
	OP_ULEB,  /* a number of variable length */
	OP_BLOCK, /* size in 1, 2, 4 bytes, 0: variable; then as many */
	OP_CSTR,
	OP_INDIRECT, /* form in the data */
	OP_SIBLING,  /* form: where the sibling is; ends a program that passes over */
	OP_TAKE,     /* slot 8-15, form 16-23, size 24-31 if it is 1-8 bytes */
	OP_CONST     /* slot 8-15; the value is in the next two */
} dwx_op;

/* Internal names of forms: DWARF's own below 0x40, GNU's and LLVM's moved there. */
enum {
	FORM_GNU_addr_index = 0x41,
	FORM_GNU_str_index = 0x42,
	FORM_GNU_ref_alt = 0x43,
	FORM_GNU_strp_alt = 0x44,
	FORM_LLVM_addrx_offset = 0x45
};
/* Takes a DIE's attributes apart; the position behind them, UINT64_MAX if they are damaged. */
uint64_t dwx_take(
	const dwx_abbrevs *t, const dwx_unit *u, uint32_t prog, uint64_t pos, dwx_vals *v);
/* Passes over them. *sibling: 0 if it does not tell. */
uint64_t dwx_pass(
	const dwx_abbrevs *t, const dwx_unit *u, uint32_t prog, uint64_t pos, uint64_t *sibling);

/* ---- building ---- */

typedef struct dwx_span {
	uint64_t begin, end; /* end 0: still open */
	uint32_t scope, parent;
} dwx_span;

/* A definition whose declaration lies in another unit or behind it. */
typedef struct dwx_pend {
	uint64_t target; /* offset, UINT64_MAX: done */
	dwx_where where;
	uint16_t part;
	uint16_t tries;
	uint64_t w0, w2;
} dwx_pend;

typedef struct dwx_skel {
	uint64_t id, addr_base, ranges_base;
} dwx_skel;

/* A type unit of this part. */
typedef struct dwx_sig {
	uint64_t sig, unit, name; /* name: 0 not looked for yet */
	dwx_where where;
} dwx_sig;

typedef struct dwx_row {
	uint64_t begin, end, unit; /* unit: its offset */
} dwx_row;

typedef struct dwx_name_slot {
	uint64_t name;
	uint32_t hash;
} dwx_name_slot;

typedef struct dwx_builder {
	const dwx_sections *part;
	size_t n_parts;
	dwx_options o;
	size_t polls;
	err stop; /* ERR_CANCELLED or ERR_LIMIT: unwind */

	/* entries; 0 is none. follow: which one came after this one last time. */
	dwx_rec *rec;
	uint32_t *follow;
	size_t n_rec, cap_rec;
	uint32_t last;
	uint32_t *slot;
	size_t n_slots, n_keyed;

	dwx_scope *scope;
	size_t n_scope, cap_scope;
	uint32_t *scope_slot;
	size_t n_scope_slots;

	dwx_name_slot *name; /* names known by their bytes: short ones, those of .dwo files */
	size_t n_names, n_name_slots;

	VEC(uint64_t) units;	  /* unit words of part 0's .debug_info */
	VEC(uint64_t) unit_at[3]; /* offsets of this part's units by dwx_where, for references */
	VEC(uint64_t) imported;	  /* offsets in .debug_info of this part's alternate file */
	VEC(dwx_pend) pend;
	VEC(dwx_row) rows;
	VEC(uint64_t) covered; /* units that .debug_aranges knows */
	VEC(dwx_sig) sigs;     /* by signature, once they are needed */
	bool sigs_known;
	VEC(dwx_skel) skels; /* sorted by id once part 0 is done */
	VEC(dwx_span) spans; /* of this unit */
	dwx_abbrev_cache abbrevs;
	arena dirs_arena;
	dwp_dir dirs[2]; /* cu, tu of this part */

	size_t n_units, damaged, left_out, done;
	size_t peak;
} dwx_builder;

bool dwx_poll(dwx_builder *b); /* true: unwind */
uint32_t dwx_put(dwx_builder *b, uint64_t w0, uint64_t name, uint64_t w2, uint32_t scope);
uint32_t dwx_scope_put(dwx_builder *b, uint32_t parent, uint64_t name, uint32_t flags);
/* The first name word with the same bytes. */
uint64_t dwx_name_put(dwx_builder *b, uint64_t word);

/* Collects the unit's entries; collect false: only its spans. */
void dwx_unit_scan(dwx_builder *b, dwx_unit *u, bool collect);
/* What a definition at a declaration in this unit, whose spans are complete, is called. */
void dwx_pend_resolve(dwx_builder *b, const dwx_unit *u, dwx_pend *p);

/* ---- ranges ---- */

/* First address of DW_AT_ranges; false: none alive. */
bool dwx_first_range(const dwx_unit *u, uint8_t form, uint64_t v, uint64_t lowest, uint64_t *ret);
void dwx_aranges_read(dwx_builder *b);
/* false: the unit does not tell; its functions must. */
bool dwx_unit_ranges(dwx_builder *b, const dwx_unit *u, const dwx_vals *v);
/* From DW_AT_low_pc, which is low, and DW_AT_high_pc. */
void dwx_pair_range(dwx_builder *b, const dwx_unit *u, uint64_t low, const dwx_vals *v);
/* Disjoint, by address; *n of them. */
dwx_range *dwx_ranges_finish(dwx_builder *b, size_t *n);
bool dwx_alive(const dwx_unit *u, uint64_t addr, uint64_t lowest);

#endif
