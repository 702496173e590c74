/*
 * dwarf_index: which names a program's DWARF (4 and 5, also 2 and 3) holds and where, found in one
 * pass over .debug_info at the speed of reading it. Knows names, kinds, addresses and places;
 * types, locations and everything else about an entry is somebody else's (libdw), who gets its
 * offset.
 *
 * Refuses to know files: takes sections as bytes and gives places in them. The bytes are hostile:
 * a unit that is damaged is left at the damage and counted (dwx_stats.damaged), the rest is
 * indexed.
 *
 * Collected: functions (defined, or inlined everywhere), variables of namespaces and classes,
 * struct, class, union, enum, typedef and basic types, enumerators; each with the namespaces and
 * classes around it. What is only declared is there (decl) if nothing of that name and kind is
 * defined. Not collected: what lies in functions, members, methods that have no definition, names
 * that are imported. The same type seen in many units (same scope, name, kind, size) is one entry,
 * the first; static functions and variables of one name are several, but one that several units
 * hold at one address is one. A function without code of its own (inlined) is dropped where one
 * with the same scope and name has code.
 *
 * Threads and lifetime: dwx_build, dwx_open, dwx_save and dwx_verify run on any thread, for any
 * number of programs at once. A finished index never changes: every function that takes a
 * `const dwx *` may be called from several threads at once, until dwx_destroy. The bytes of the
 * sections must stay where they are until then; the dwx_sections itself is copied. Names in entries
 * point into these bytes.
 *
 * Split DWARF: the names are in .dwo files. Ask dwx_skeletons which ones, open those that are there
 * (dwo_name is relative to comp_dir), and give the sections of each as a further part: parts[0] is
 * the program, parts[1 ...] are .dwo files (sections .debug_info.dwo etc.), or a single .dwp with
 * its cu_index and tu_index. Units are tied to their skeleton by dwo_id; .debug_addr is the
 * program's. An entry's `part` tells in which of them its `die` lies.
 *
 * dwz: alt_* are the sections of the alternate file of this part; of its units those are indexed
 * that the part imports.
 */
#ifndef RS_FMT_DWARF_INDEX_H
#define RS_FMT_DWARF_INDEX_H

#include "base/str.h"
#include "base/sys.h"

typedef struct dwx dwx;

typedef struct dwx_bytes {
	const uint8_t *p;
	size_t n;
} dwx_bytes;

/* Uncompressed, relocated; what is not there stays empty. */
typedef struct dwx_sections {
	dwx_bytes info, abbrev, str, line_str, str_offsets, addr, aranges, ranges, rnglists, types;
	dwx_bytes alt_info, alt_abbrev, alt_str, alt_line_str;
	dwx_bytes cu_index, tu_index; /* .dwp */
} dwx_sections;

enum {
	DWX_PARTS_MAX = 65535,
	DWX_ENTRIES_MAX = 1 << 28,
	DWX_DEPTH_MAX = 256, /* of scopes; entries nested deeper are left out */
	DWX_NAME_MAX = 65535 /* bytes; longer names are left out */
};

typedef enum dwx_kind {
	DWX_FUNC = 1,
	DWX_VAR = 2,
	DWX_STRUCT = 4,
	DWX_UNION = 8,
	DWX_ENUM = 16,
	DWX_TYPEDEF = 32,
	DWX_BASE = 64,
	DWX_CLASS = 128,
	DWX_ENUMERATOR = 256,
	DWX_TYPES = DWX_STRUCT | DWX_UNION | DWX_ENUM | DWX_TYPEDEF | DWX_BASE | DWX_CLASS,
	DWX_ALL = 511
} dwx_kind;

/* Which section `die` is an offset in: .debug_info, .debug_types (libdw: dwarf_offdie_types), or
 * .debug_info of the alternate file. */
typedef enum dwx_where { DWX_IN_INFO, DWX_IN_TYPES, DWX_IN_ALT } dwx_where;

typedef struct dwx_entry {
	str name;	/* unqualified; lives as long as the sections */
	uint64_t die;	/* offset of the DIE that defines it: for a method's code the one outside of
			 * the class, which points to the declaration */
	uint64_t addr;	/* functions, variables: 0 unknown. Thread-local variables have none */
	uint64_t value; /* types: size in bytes (0 unknown); enumerators: the constant */
	uint32_t scope; /* for dwx_qualified; 0: global */
	uint32_t index; /* of this entry, below dwx_stats.entries; for dwx_nth */
	uint16_t part;
	uint16_t kind; /* one of dwx_kind */
	uint8_t where; /* dwx_where */
	bool decl;     /* declared only */
	bool external; /* visible to other units (DW_AT_external) */
	bool inlined;  /* a function that has no code of its own */
	bool tls;      /* a thread-local variable */
} dwx_entry;

typedef bool dwx_fn(void *u, const dwx_entry *e); /* false: stop */

/* Bytes of the sections scanned so far; any thread may look. */
typedef struct dwx_progress {
	atomic_size_t done, total;
} dwx_progress;

typedef struct dwx_options {
	const cancel *cancel;	/* polled every few hundred microseconds */
	dwx_progress *progress; /* may be NULL */
	/* Called with ranges of the sections that the pass is through with, so that the owner of a
	 * file mapping can let go of the pages (madvise MADV_DONTNEED): they will be read again by
	 * lookups. Never called for bytes that were not given. NULL: keep. */
	void (*forget)(void *u, const uint8_t *p, size_t n);
	void *u;
	/* Addresses below this one belong to code that the linker threw away (it leaves 0); 0 means
	 * 1. Give the lowest address of an executable segment. */
	uint64_t lowest;
} dwx_options;

typedef struct dwx_skeleton {
	uint64_t cu;  /* offset of the unit in .debug_info */
	uint64_t id;  /* dwo_id */
	str dwo_name; /* as compiled; empty if unreadable */
	str comp_dir;
} dwx_skeleton;

/* Calls fn for every skeleton unit; only reads unit headers and each unit's first DIE (3 ms for
 * 2000 units). false from fn stops. */
err dwx_skeletons(const dwx_sections *s, bool (*fn)(void *u, const dwx_skeleton *k), void *u);

/* o may be NULL. ERR_NOTFOUND: no .debug_info; ERR_CANCELLED; ERR_LIMIT. */
err dwx_build(const dwx_sections *parts, size_t n_parts, const dwx_options *o, dwx **ret,
	diag *d) MUST_CHECK;
void dwx_destroy(dwx *x); /* NULL legal */

/*
 * Every entry of that name: "c" in any scope, "A::B::c" where the scopes end in A::B ("::c" and
 * "::A::c": exactly). Inline and anonymous namespaces may be left out. fold: ASCII case folded.
 * ERR_NOTFOUND if there is none (fn was not called).
 */
err dwx_find(const dwx *x, str name, unsigned kinds, bool fold, dwx_fn *fn, void *u);
/* Over qualified names ("A::B::c"), by the rules of str_wild with symbol = true, case folded.
 * Anonymous namespaces are spelled "(anonymous namespace)". ERR_NOTFOUND as above. No order.
 * ERR_CANCELLED if c is set meanwhile (c may be NULL). */
err dwx_match(const dwx *x, str wildcard, unsigned kinds, const cancel *c, dwx_fn *fn, void *u);
bool dwx_nth(const dwx *x, uint32_t index, dwx_entry *ret);	/* false: no such entry */
void dwx_qualified(const dwx *x, const dwx_entry *e, buf *out); /* appends "A::B::c" */

/* Unit of parts[0] whose code holds addr (in split DWARF the skeleton): from .debug_aranges, for
 * units without from their own ranges. *cu: offset of the unit's header, *cu_die: of its first DIE
 * (either may be NULL). */
err dwx_cu_at(const dwx *x, uint64_t addr, uint64_t *cu, uint64_t *cu_die);
/* Every range of code with its unit, by address; false from fn stops. */
void dwx_cu_ranges(const dwx *x,
	bool (*fn)(void *u, uint64_t begin, uint64_t end, uint64_t cu, uint64_t cu_die), void *u);

typedef struct dwx_stats {
	size_t entries, scopes, units, ranges;
	size_t damaged;	 /* units that were left before their end */
	size_t left_out; /* names too long or nested too deep */
	size_t bytes;	 /* of the index, mapped or allocated */
	size_t peak;	 /* allocated while building; 0 if it came from a file */
	bool mapped;
} dwx_stats;
void dwx_stats_get(const dwx *x, dwx_stats *ret);

/*
 * On disk. The file begins with a header (magic, version, id, sizes of the sections, checksum of
 * the header), then the tables; it is mapped as it is. dwx_open checks the header and the bounds of
 * every table; that is enough for memory safety whatever the tables hold. dwx_verify checks the
 * sum over everything: run it in the background and drop the index when it fails.
 * ERR_NOTFOUND: no such file or another program's; ERR_CORRUPT: damaged.
 */
err dwx_save(const dwx *x, const char *path, const uint8_t *id, size_t id_n, diag *d) MUST_CHECK;
err dwx_open(const char *path, const uint8_t *id, size_t id_n, const dwx_sections *parts,
	size_t n_parts, dwx **ret, diag *d) MUST_CHECK;
err dwx_verify(const dwx *x, const cancel *c) MUST_CHECK;

#endif
