/*
 * file: one symbol file behind a table of functions, so that lookup, types and lines do not know
 * PDB from an export table (or, later, DWARF). Addresses in here are RVAs; a sym_file knows no
 * module: several modules at different bases use the same one.
 *
 * An absent function means "this kind of file has none of that": the callers answer ERR_NOTFOUND.
 */
#ifndef RS_SYM_FILE_H
#define RS_SYM_FILE_H

#include "fmt/pdb.h"
#include "sym/sym.h"

enum { SYM_NO_RVA = 0xffffffff };

typedef struct sym_rec {
	str name; /* undecorated; empty in each() of everything if that is still to do */
	str raw;  /* as stored */
	sym_kind kind;
	bool code, is_static;
	bool tls; /* thread-local: value is the place in the module's block, rva none */
	uint32_t rva;
	uint64_t size, value;
	uint32_t type, prolog, prolog_end;
	pdb_sym pdb; /* what the PDB backend needs for fill() */
} sym_rec;

/* Return false to stop. */
typedef bool sym_rec_fn(void *u, const sym_rec *r);
typedef bool sym_type_fn(void *u, str name, uint32_t id);

typedef struct sym_file_ops {
	const char *name;
	void (*close)(sym_file *f);
	/* Every symbol of exactly this name, decorated or not. */
	err (*find)(sym_file *f, str name, bool fold, sym_rec_fn *fn, void *u);
	err (*at)(sym_file *f, uint32_t rva, sym_rec *ret, uint32_t *disp);
	err (*after)(sym_file *f, uint32_t rva, sym_rec *ret, uint32_t *disp);
	err (*func)(sym_file *f, uint32_t rva, sym_rec *ret);
	/* Every name that the pattern matches and some that it does not: a hint that saves
	 * undecorating; "*" and "" are all. Address, size and type may be missing: fill(). */
	err (*each)(sym_file *f, str pattern, sym_rec_fn *fn, void *u);
	void (*fill)(sym_file *f, sym_rec *r);

	err (*type_find)(sym_file *f, str name, bool fold, uint32_t *ret);
	err (*type_get)(sym_file *f, uint32_t id, sym_type_info *ret);
	err (*type_fields)(sym_file *f, uint32_t id, arena *a, sym_field **ret, size_t *n_ret);
	err (*type_arg)(sym_file *f, uint32_t id, uint32_t i, uint32_t *ret);
	err (*type_each)(sym_file *f, sym_type_fn *fn, void *u);

	/* addr and STATIC addresses of what these return are RVAs. */
	err (*line_at)(sym_file *f, uint32_t rva, sym_line *ret);
	err (*line_find)(sym_file *f, arena *a, str file, uint32_t line, uint64_t **ret,
		size_t *n_ret, bool *exact);
	err (*locals)(
		sym_file *f, arena *a, uint32_t rva, bool whole, sym_local **ret, size_t *n_ret);
	err (*inlines)(sym_file *f, arena *a, uint32_t rva, sym_inline **ret, size_t *n_ret);
	/* Every symbol that starts exactly at rva. */
	err (*exact)(sym_file *f, uint32_t rva, sym_rec_fn *fn, void *u);
	err (*source_each)(sym_file *f, bool (*fn)(void *u, str path), void *u);

	/* What follows only saves time and memory: absent, the callers do without. */

	/* A record that each() or find() gave, filled as by fill(), from its pdb.mod and pdb.at;
	 * raw, not name. With this a long listing keeps 16 bytes a record. */
	err (*again)(sym_file *f, uint32_t mod, uint32_t at, sym_rec *ret);
	/* As type_each, without most of the names that the pattern does not match. */
	err (*type_like)(sym_file *f, str pattern, sym_type_fn *fn, void *u);
	/* Appends the undecorated form of raw; false, and nothing, if it is not decorated. */
	bool (*undec)(sym_file *f, str raw, buf *out);
	/* Where a SYM_LOC_EXPR stands; mod_base is its module's. */
	err (*local_place)(sym_file *f, const sym_local *l, uint64_t mod_base, const x64_regs *regs,
		const mem_reader *mem, sym_place *ret, diag *d);
} sym_file_ops;

struct sym_file {
	const sym_file_ops *ops;
	sym_store *store;
	unsigned refs;
	uint64_t idle; /* order in which files fell idle */
	char *path;    /* on this host; empty if none */
	sym_status status;
	uint8_t guid[16];
	uint32_t age;
	arena names; /* undecorated names, type names */
	map undec;   /* raw name's address -> str */
	map tnames;  /* type id -> str */
	map misses;  /* names that are not in here */
	void *u;     /* the backend's own */
};

/* Opens path if it is a PDB. The file starts with one reference and status PUBLIC or PRIVATE. */
err sym_pdb_open(sym_store *s, const char *path, sym_file **ret, diag *d) MUST_CHECK;
/* Whether that PDB belongs to guid and age; the PDB's own in text for a message (may be NULL). */
bool sym_pdb_matches(const sym_file *f, const uint8_t guid[16], uint32_t age, buf *text);
/* Exports of the module's image; ERR_NOTFOUND if it has none. */
err sym_exports_open(sym_mod *m, sym_file **ret, diag *d) MUST_CHECK;
sym_file *sym_file_new(sym_store *s, const sym_file_ops *ops, const char *path, void *u);

/*
 * Type ids: below 0x1000 the basic types of CodeView (T_xxx with their pointer modes); bit 31 marks
 * a pointer made here: bits 28-30 hold the level, the rest the type pointed to. Source: cvinfo.h in
 * github.com/microsoft/microsoft-pdb.
 */
enum { SYM_TYPE_MADE = (int)0x80000000, SYM_TYPE_BASIC_END = 0x1000 };
bool sym_basic_get(uint32_t id, sym_type_info *ret, uint32_t *elem);

/* Undecorated view of raw, kept in f. */
str sym_file_undec(sym_file *f, str raw);
/* The same in a, for names that are shown once. */
str sym_file_undec_in(sym_file *f, str raw, arena *a);

#endif
