/*
 * priv: what the files of this room share and nobody else sees.
 *
 * Ownership: the store owns modules, files and images. Modules hold counted references to a file
 * (symbols) and an image (headers); both are shared by identity and outlive an unloaded module for
 * a while, so that a driver that comes and goes is not read again.
 */
#ifndef RS_SYM_PRIV_H
#define RS_SYM_PRIV_H

#include "base/map.h"
#include "fmt/elf.h"
#include "sym/file.h"
#include "sym/sym.h"

/* Bounds on what a hostile target or path can make the store hold. */
enum {
	SYM_MODS_MAX = 32768,
	SYM_UNLOADED_MAX = 64,
	SYM_PATH_ELEMS_MAX = 64,
	SYM_STORES_MAX = 10, /* stores chained in one srv* element */
	SYM_NAME_MAX = 255,  /* file name of a symbol file or image */
	SYM_PATH_TEXT_MAX = 16384,
	SYM_FILES_IDLE_MAX = 48 /* files and images kept with nobody using them */
};

/* Where in the vector v (of what has refs and idle) the longest idle one stands, if there are more
 * than are kept; else SIZE_MAX. */
#define SYM_IDLE_OLDEST(v)                                                                         \
	({                                                                                         \
		size_t idle_ = 0, oldest_ = SIZE_MAX;                                              \
		for (size_t i_ = 0; i_ < (v).n; i_++) {                                            \
			if ((v).p[i_]->refs)                                                       \
				continue;                                                          \
			idle_++;                                                                   \
			if (oldest_ == SIZE_MAX || (v).p[i_]->idle < (v).p[oldest_]->idle)         \
				oldest_ = i_;                                                      \
		}                                                                                  \
		idle_ > SYM_FILES_IDLE_MAX ? oldest_ : SIZE_MAX;                                   \
	})

typedef enum sym_opt {
	SYMOPT_CASE_INSENSITIVE = 0x1,
	SYMOPT_UNDNAME = 0x2,
	SYMOPT_DEFERRED_LOADS = 0x4,
	SYMOPT_NO_CPP = 0x8,
	SYMOPT_LOAD_LINES = 0x10,
	SYMOPT_OMAP_FIND_NEAREST = 0x20,
	SYMOPT_LOAD_ANYTHING = 0x40,
	SYMOPT_IGNORE_CVREC = 0x80,
	SYMOPT_NO_UNQUALIFIED_LOADS = 0x100,
	SYMOPT_FAIL_CRITICAL_ERRORS = 0x200,
	SYMOPT_EXACT_SYMBOLS = 0x400,
	SYMOPT_PUBLICS_ONLY = 0x4000,
	SYMOPT_NO_PUBLICS = 0x8000,
	SYMOPT_NO_IMAGE_SEARCH = 0x20000,
	SYMOPT_SECURE = 0x40000,
	SYMOPT_DEBUG = (int)0x80000000 /* noisy */
} sym_opt;

enum { SYMOPT_DEFAULT = 0xB0227 }; /* KD and CDB: "Setting Symbol Options" */

/* ---- path ---- */

typedef enum sym_elem_kind { SYM_ELEM_DIR, SYM_ELEM_SRV, SYM_ELEM_CACHE } sym_elem_kind;

typedef struct sym_elem {
	sym_elem_kind kind;
	str text;		   /* as written */
	str store[SYM_STORES_MAX]; /* DIR, CACHE: one; SRV: left (nearest) to right */
	size_t n;
} sym_elem;

typedef struct sym_elems {
	arena a;
	sym_elem *e;
	size_t n;
	size_t dropped; /* elements beyond SYM_PATH_ELEMS_MAX */
} sym_elems;

/* cache_dir: what "cache*", "srv**x" and HTTP without a store mean. */
void sym_elems_parse(sym_elems *ret, str path, str cache_dir);
void sym_elems_deinit(sym_elems *p);
bool sym_is_url(str s);

/* A file that is looked for along the symbol path. */
typedef struct sym_want {
	str name;   /* file name without directories */
	str id;	    /* GUID+age or timestamp+size, as the symbol store spells it; may be empty */
	str ext;    /* extension of the image ("sys"), for DIR\symbols\EXT */
	bool local; /* no download */
	/* Opens the file; true ends the search. id_matched: found under its id in a store. */
	bool (*accept)(void *u, const char *path, bool from_store);
	void *u;
} sym_want;

/* ERR_OK: accept said yes. ERR_NOTFOUND; ERR_CANCELLED. Remembers what is not there. */
err sym_path_locate(sym_store *s, const sym_want *w, diag *d) MUST_CHECK;
/* Same over directories only (.exepath). */
err sym_dirs_locate(sym_store *s, str dirs, const sym_want *w, diag *d) MUST_CHECK;
/* Does an element of the path (or the default cache) hold this file? */
bool sym_path_covers(sym_store *s, str file);
bool sym_file_name_ok(str name);
/* dir/name as it exists on disk, whatever the case; NULL if it does not. */
char *sym_dir_entry(arena *a, str dir, str name);
/* Windows separators turned, trailing ones dropped. */
str sym_host_path(arena *a, str path);

/* ---- download, unpacking ---- */

typedef struct sym_net sym_net;
void sym_net_destroy(sym_net *n);
/* url to dest (made whole or not at all). ERR_NOTFOUND: the server has no such file. */
err sym_net_get(sym_store *s, const char *url, const char *dest, str what, diag *d) MUST_CHECK;
/* True if the bytes begin as a cabinet, SZDD or KWAJ file. */
bool sym_is_packed(const char *path);
err sym_unpack(sym_store *s, const char *packed, const char *dest, diag *d) MUST_CHECK;
err sym_copy_file(sym_store *s, const char *from, const char *to, diag *d) MUST_CHECK;

/* ---- identities ---- */

typedef struct sym_identity {
	str image; /* file name */
	uint32_t timestamp, size, checksum;
	uint8_t guid[16];
	uint32_t age;
	str pdb;  /* file name or path as the image says */
	str path; /* where it was found last; may be empty */
} sym_identity;

typedef struct sym_idents sym_idents;
sym_idents *sym_idents_create(str dir);
void sym_idents_destroy(sym_idents *x);
bool sym_idents_find(sym_idents *x, str image, uint32_t timestamp, uint32_t size, uint32_t checksum,
	sym_identity *ret);
/* The file's text; false, and nothing is kept, if a line of it is damaged. */
bool sym_idents_read(sym_idents *x, str text);
void sym_idents_add(sym_idents *x, const sym_identity *id);

/* ---- images ---- */

struct sym_image;
void sym_image_leave(sym_mod *m); /* m's memory is not to be read any more */
void sym_image_ref(struct sym_image *img);
void sym_image_unref(sym_store *s, struct sym_image *img);
/* The module's headers, read once per identity. */
err sym_mod_image(sym_mod *m, struct sym_image **ret, diag *d) MUST_CHECK;
/* Bytes of the image's file on this host; empty: the headers came from the target. */
str sym_image_bytes(const struct sym_image *img);
void sym_images_clear(sym_store *s); /* at the end: everything is idle by then */
/* Text of the image's debug directory and the like for !lmi. */
void sym_image_describe(sym_mod *m, buf *out);
/* RSDS record: from the image. ERR_NOTFOUND: none. pdb lives as long as the image. */
err sym_image_rsds(sym_mod *m, uint8_t guid[16], uint32_t *age, str *path, diag *d) MUST_CHECK;

/* ---- ELF images ---- */

typedef struct sym_elf {
	unsigned refs;
	uint64_t idle;
	arena a;
	elf_view v;
	sys_map file;  /* n = 0: from the target */
	uint8_t *copy; /* ... then this */
	const char *path;
	uint64_t dev, ino;
	int64_t mtime, mtime_ns;
	sym_section *sections;
	size_t n_sections;
	struct sym_cfi *cfi; /* unwind data, opened when first needed */
} sym_elf;

/* ERR_NOTFOUND: the module is no ELF image (and is not asked again). */
err sym_mod_elf(sym_mod *m, sym_elf **ret, diag *d) MUST_CHECK;
void sym_elf_leave(sym_mod *m);
void sym_elf_ref(sym_elf *g);
void sym_elf_unref(sym_store *s, sym_elf *g);
void sym_elfs_clear(sym_store *s);
err sym_elf_read(sym_mod *m, sym_elf *g, uint64_t addr, void *to, size_t n) MUST_CHECK;
err sym_elf_sections(sym_elf *g, const sym_section **ret, size_t *n_ret) MUST_CHECK;
void sym_elf_describe(sym_elf *g, buf *out);
void sym_cfi_free(struct sym_cfi *c); /* NULL legal */
/* Range that one entry of the unwind data covers: a function, or a part of it. */
err sym_cfi_func(sym_mod *m, uint64_t pc, uint64_t *begin, uint64_t *end) MUST_CHECK;
/* Where the current thread has m's thread-local variables. */
err sym_tls_block(sym_mod *m, uint64_t *ret, diag *d) MUST_CHECK;

/* The file that holds the debug information of g, if it is another one: build-id, debug link,
 * debuginfod. ERR_NOTFOUND: none; ERR_CANCELLED. */
err sym_debugfile_find(sym_mod *m, const elf_view *v, arena *a, char **ret, diag *d) MUST_CHECK;
/* The PE file with the DWARF of an image that has none itself: of its name (or with .debug), with
 * its sections and, unless any_time, its timestamp. *mismatch: another timestamp. ERR_NOTFOUND:
 * none, and if only the timestamp was wrong that is said; ERR_CANCELLED. */
struct pe_view;
err sym_pe_debugfile_find(sym_mod *m, const struct pe_view *image, bool any_time, arena *a,
	const char **ret, bool *mismatch, diag *d) MUST_CHECK;
/* The alternate file of dwz. */
err sym_altfile_find(
	sym_store *s, const char *of, str name, str id, arena *a, char **ret) MUST_CHECK;

/* ---- store ---- */

struct sym_store {
	sym_host host;
	VEC(sym_mod *) mods; /* sorted by (space, base) */
	sym_space scope;
	sym_space (*scope_ask)(void *u); /* not NULL: the scope is not known yet */
	void *scope_u;
	uint64_t generation;
	sym_unloaded unloaded[SYM_UNLOADED_MAX]; /* newest first */
	char *unloaded_name[SYM_UNLOADED_MAX];
	size_t n_unloaded;

	char *path, *exepath;
	char *cache_dir;
	sym_elems elems;
	uint32_t options;
	bool overwrite; /* .reload /o: caches are passed over and written anew */
	map missing;	/* "name/id" or URL: looked for and not there */
	map dead;	/* servers that did not answer */
	map two_tier;	/* store -> 1 one tier, 2 two tiers */
	sym_net *net;
	unsigned net_connect_ms, net_stall_ms;

	map unknown; /* unqualified names that no module has, as of unknown_gen */
	uint64_t unknown_gen;
	bool table_only; /* sym_find: DWARF that is not indexed yet is left alone for now */
	bool soon;	 /* sym_match: an index that is not ready is not waited for ... */
	bool left_out;	 /* ... and this was missing because of it */

	sym_idents *idents;
	sym_file *basic; /* among files: the types of C, for a store without symbols */
	VEC(sym_file *) files;
	VEC(struct sym_image *) images;
	VEC(sym_elf *) elfs;
	VEC(sym_mod *) view; /* modules in scope by base, rebuilt when view_gen is old */
	uint64_t view_gen;
	uint64_t layout_gen; /* modules or scope changed */
};

void sym_path_init(sym_store *s);
void sym_path_deinit(sym_store *s);
void sym_note(sym_store *s, bool noisy, const char *fmt, ...) PRINTF(3, 4);
void sym_touch(sym_store *s);

/* ---- lookup ---- */

enum { SYM_RANK_PUBLIC = 3 }; /* private records are above */
/* Of several symbols of one name or place the higher one counts; 0: what has no place. */
int sym_rank(sym_kind k);
/* The options (.symopt) leave symbols of this kind out. */
bool sym_kind_off(const sym_store *s, sym_kind k);
/* A record of m's file as callers see it. */
void sym_of_rec(sym_mod *m, const sym_rec *r, sym *ret);
/* "mod!rest"; false: no module was named. */
bool sym_split(str name, str *mod, str *rest);
/* Looks for name as it is written, then as each compiler would write it (fmt/respell.h), until find
 * does not answer ERR_NOTFOUND. The words in d are of the name as it was written, or of the
 * spelling that failed otherwise. */
typedef err sym_find_fn(sym_store *s, str name, void *ret, diag *d);
err sym_find_spelt(sym_store *s, str name, sym_find_fn *find, void *ret, diag *d) MUST_CHECK;
/* The module at addr and its symbols. */
err sym_mod_for(sym_store *s, uint64_t addr, sym_mod **m, sym_file **f) MUST_CHECK;

/* ---- symbol files ---- */

/* Loads m's symbols if deferred; NULL with an error when it has none (ERR_CANCELLED, ERR_NOTFOUND).
 */
err sym_mod_file(sym_mod *m, sym_file **ret, diag *d) MUST_CHECK;
void sym_file_unref(sym_file *f);
void sym_files_clear(sym_store *s);

#endif
