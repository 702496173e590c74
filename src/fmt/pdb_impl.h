/*
 * pdb_impl: what the files of the PDB reader share. Nobody else includes it.
 *
 * Every offset that is kept was checked against its stream when the file was opened; what stands
 * behind an offset is checked each time it is read.
 */
#ifndef RS_FMT_PDB_IMPL_H
#define RS_FMT_PDB_IMPL_H

#include "fmt/codeview.h"
#include "fmt/msf.h"
#include "fmt/pdb.h"

#include "base/map.h"

enum { PDB_STREAM_INFO = 1, PDB_STREAM_TPI = 2, PDB_STREAM_DBI = 3, PDB_STREAM_IPI = 4 };

/* A part of a stream. */
typedef struct pdb_part {
	uint32_t stream;
	uint64_t off;
	uint32_t size;
} pdb_part;

/* GSI or PSI name table: records sorted by bucket, and a bitmap of the buckets that are not empty.
 */
typedef struct pdb_hash {
	bool ok;
	pdb_part recs;	 /* 8 bytes each */
	pdb_part bits;	 /* one bit a bucket */
	pdb_part starts; /* 4 bytes for each bit that is set */
	uint32_t nbuckets;
} pdb_hash;

/* One function, thunk or datum of a module, for searches by address. */
typedef struct pdb_entry {
	uint32_t rva, size, at;
	uint16_t rec;
} pdb_entry;

typedef struct pdb_module {
	str name, obj;
	uint32_t stream; /* MSF_NONE: nothing known about it */
	uint32_t sym_size, c11_size, c13_size, nfiles;
	pdb_entry *entries; /* sorted by rva; built on the first question */
	size_t nentries;
	bool indexed;
	struct pdb_lines *lines; /* on the first question */
} pdb_module;

/* TPI or IPI. */
typedef struct pdb_tpi {
	bool ok;
	uint32_t stream, first, end;
	pdb_part recs;
	pdb_part hashes; /* one value of key_size bytes a record */
	pdb_part index;	 /* (type, offset) pairs, some 8 KB apart */
	uint32_t key_size, nbuckets;
	uint32_t **blocks; /* by index entry: where its records stand; made when one is asked for */
	uint32_t
		*marks; /* record offsets by type / PDB_MARK_EVERY, when the index does not serve */
	size_t nmarks;
	/* The hash as chains of types, made when single questions would cost more: first type of a
	 * bucket + 1, next one of the same bucket + 1; both count from `first`. */
	uint32_t *heads, *chain;
	unsigned asked;
} pdb_tpi;
enum { PDB_MARK_EVERY = 64 };

typedef struct pdb_omap {
	const uint8_t *p; /* pairs of u32 */
	size_t n;
} pdb_omap;

typedef struct pdb_contrib {
	uint16_t seg;
	uint32_t off, size, mod;
} pdb_contrib;

struct pdb {
	msf *m;
	arena a;
	pdb_id id;
	const cancel *cancel;
	void (*pass)(void *u);
	void *pass_u;
	uint64_t window; /* of a module that a reference led to last, and how often that changed */
	unsigned moves;
	/* info stream */
	str *named_names;
	uint32_t *named_streams;
	size_t nnamed;
	/* DBI */
	pdb_part contribs, file_info;
	size_t contrib_size; /* bytes of an entry */
	uint32_t ncontribs;
	pdb_contrib *sorted; /* only if the file's are not in order */
	bool contribs_checked;
	uint32_t syms; /* stream of the global symbols; MSF_NONE if absent */
	pdb_hash gsi, psi;
	pdb_part addr_map;
	pdb_module *mods;
	uint32_t nmods;
	pdb_section *sec, *src_sec; /* of the image; of the addresses before OMAP */
	size_t nsec, nsrc_sec;
	pdb_omap to_src, from_src;
	/* types */
	pdb_tpi tpi, ipi;
	map defs; /* declaration -> definition + 1 */
	/* names */
	pdb_part names;
	bool names_read;
};

/* ---- pdb.c ---- */

/* Little-endian values in a stream; 0 behind the end. */
uint16_t pdb_u16(pdb *f, uint32_t stream, uint64_t off);
uint32_t pdb_u32(pdb *f, uint32_t stream, uint64_t off);
/* String of the "/names" table. */
str pdb_name_str(pdb *f, uint32_t off);
/* LHashPbCb (docs/pdb/hashing.md). */
uint32_t pdb_hash_v1(str s);
bool pdb_stop(const pdb *f);
/* The same in a scan, once per POLL records: tells pdb_pass_set's function too. */
bool pdb_poll(const pdb *f);
/* Entry of the contributions, in order. */
bool pdb_contrib_nth(pdb *f, uint32_t i, pdb_contrib *ret);
/* Index of the last contribution that starts at or below seg:off in its segment; SIZE_MAX: none. */
size_t pdb_contrib_at(pdb *f, uint16_t seg, uint32_t off);
bool pdb_code_seg(pdb *f, uint16_t seg);

/* Records of a stream, one after the other. */
typedef struct pdb_iter {
	msf *m;
	uint32_t stream;
	uint64_t off, end;
	const uint8_t *p; /* at off */
	size_t left;	  /* contiguous bytes from p */
	bool bad;	  /* a record made no sense */
} pdb_iter;

pdb_iter pdb_iter_at(pdb *f, uint32_t stream, uint64_t off, uint64_t end);
bool pdb_iter_next(pdb_iter *it, cv_rec *ret);
/* The record at off. */
bool pdb_rec_at(pdb *f, uint32_t stream, uint64_t off, uint64_t end, cv_rec *ret);
/* A module's symbols (behind the signature); its record at off. */
pdb_iter pdb_mod_iter(pdb *f, uint32_t mod);
bool pdb_mod_rec(pdb *f, uint32_t mod, uint32_t off, cv_rec *ret);

/* ---- pdb_line.c ---- */

/* A module's C13 line information, found once. */
typedef struct pdb_frag { /* one DEBUG_S_LINES subsection: the lines of a function */
	uint32_t rva, size;
	const uint8_t *p; /* behind its header */
	uint32_t n;
	bool columns;
} pdb_frag;
typedef struct pdb_inlinee {
	uint32_t id, file, line; /* file: offset in the checksums */
} pdb_inlinee;
typedef struct pdb_lines {
	pdb_frag *frags; /* sorted by rva */
	size_t nfrags;
	pdb_inlinee *inl; /* sorted by id */
	size_t ninl;
	const uint8_t *sums;
	size_t nsums;
	const uint8_t *imports, *exports; /* item indices shared between modules (LTCG) */
	size_t nimports, nexports;
} pdb_lines;

pdb_lines *pdb_lines_of(pdb *f, uint32_t mod); /* never NULL; empty if there are none */
/* Path (and checksum into l, if not NULL) of an offset in a module's file checksums. */
str pdb_file_at(pdb *f, const pdb_lines *m, uint32_t off, pdb_line *l);

/* An item index of a module, with bit 31 for "imported", to one of the whole file. */
uint32_t pdb_item_id(pdb *f, uint32_t mod, uint32_t id);

/* ---- pdb_local.c ---- */

/* One piece of an inlined call's code. */
typedef struct pdb_row {
	uint32_t begin, end; /* relative to the function */
	uint32_t line, file;
} pdb_row;
/* Decodes the annotations of an inline site; rows live in a. */
size_t pdb_rows(pdb *f, arena *a, uint32_t mod, const cv_inline *site, pdb_row **ret);

/* ---- pdb_type.c ---- */

enum { PDB_TYPE_DEPTH = 32 }; /* modifiers, pointers ... on top of each other */
bool pdb_tpi_rec(pdb *f, pdb_tpi *t, uint32_t ti, cv_rec *ret);
bool pdb_is_tag(uint16_t leaf); /* class, union, enum and their like */

#endif
