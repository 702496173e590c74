/*
 * sym: modules, symbols, types, lines. Takes memory through a callback; refuses to know targets and
 * operating systems.
 *
 * A module is known by (space, base): space 0 is the system's (kernel, seen from everywhere), any
 * other value is a process (its EPROCESS or pid). Lookups by name or address see space 0 and the
 * store's current scope. Files (a PDB, a PE image) are shared by all modules with the same identity
 * (image name, timestamp, size): a module seen before costs no target read.
 *
 * Nothing is loaded before it is asked for: a new module is `deferred`.
 *
 *   store.c   spaces, modules, scope          path.c    symbol path: grammar and the walk along it
 *   load.c    from a module to its symbols    net.c     one file from a symbol server
 *   lookup.c  name, address, wildcard, lines  unpack.c  packed files of symbol stores
 *   type.c    types and fields                ident.c   image -> PDB, remembered between sessions
 *   image.c   PE headers, .pdata, image bytes from target or file
 *   file.h    one symbol file behind sym_file_ops: pdbfile.c, exports.c; later DWARF
 *
 * A sym, sym_type or name stays valid as long as the generation does not change, at least.
 */
#ifndef RS_SYM_SYM_H
#define RS_SYM_SYM_H

#include "arch/x64.h"
#include "base/map.h"
#include "base/source.h"
#include "base/sys.h"

typedef uint64_t sym_space;
typedef struct sym_store sym_store;
typedef struct sym_file sym_file;
typedef struct sym_mod sym_mod;

typedef enum sym_status {
	SYM_DEFERRED,
	SYM_NONE,   /* looked for, nothing found: "no symbols" */
	SYM_EXPORT, /* from the image's export table */
	SYM_PUBLIC, /* "pdb symbols": a stripped PDB */
	SYM_PRIVATE /* "private pdb symbols" */
} sym_status;

struct sym_mod {
	sym_store *store;
	sym_space space;
	uint64_t base, size; /* size 0: not known yet, read from the headers */
	uint32_t timestamp, checksum;
	str name;    /* module name as typed: "nt", "fscapture" */
	str image;   /* file name: "ntoskrnl.exe" */
	str path;    /* as the target told */
	str symfile; /* path of what was loaded, empty if nothing */
	sym_status status;
	bool mismatch; /* loaded in spite of GUID+age (.reload /i) */
	bool user;
	bool mark;	       /* for refresh passes, see sym_mods_begin */
	bool partial;	       /* the last listing left names or types of it out: SYM_M_SOON */
	sym_file *file;	       /* NULL until loaded */
	struct sym_image *img; /* headers, sections, exports, .pdata; NULL until read */
	struct sym_elf *elf;   /* instead of img; NULL until read, or no ELF image */
	bool not_elf;	       /* found out */
};

typedef struct sym_host {
	void *u;
	/* Memory of a space; short reads are normal. NULL for none (tests). */
	err (*read)(void *u, sym_space space, uint64_t addr, void *buf, size_t n, size_t *n_ret);
	/* "SYMSRV: ..." and "DBGHELP: ..." lines (noisy), warnings about mismatches. */
	void (*note)(void *u, bool noisy, str line);
	/* Download progress; total 0 if unknown. */
	void (*progress)(void *u, str what, uint64_t done, uint64_t total);
	const cancel *cancel;
	/* Where the current thread keeps the thread-local variables of the module at base. own: it
	 * is the program, and so many bytes below the thread pointer; 0: a library. NULL: nobody
	 * knows. */
	err (*tls)(void *u, uint64_t base, uint64_t own, uint64_t *ret, diag *d);
	/* Appends the i-th name, from 0, by which the file that is mapped at base may be read if
	 * its path leads to nothing or to another file: it was deleted or replaced, or the process
	 * sees other directories. ERR_NOTFOUND: no more. NULL: nobody knows. */
	err (*file)(void *u, sym_space space, uint64_t base, unsigned i, buf *ret);
} sym_host;

sym_store *sym_store_create(const sym_host *host);
void sym_store_destroy(sym_store *s);

/* ---- scope and modules ---- */

void sym_scope_set(sym_store *s, sym_space process); /* 0: only the system's modules */
/* The scope is whatever `ask` says, and it is asked when a lookup needs it first; sym_scope_set
 * ends that. */
void sym_scope_ask(sym_store *s, sym_space (*ask)(void *u), void *u);
sym_space sym_scope(sym_store *s);

/* Adds or finds the module at (space, base). name may be empty: made from the path's stem
 * (ntoskrnl.exe, ntkrnlmp.exe and the like at the kernel's base become "nt" by the caller). */
/* NULL: over the maximum (32768 modules) or no range at all. */
sym_mod *sym_mod_add(sym_store *s, sym_space space, uint64_t base, uint64_t size,
	uint32_t timestamp, uint32_t checksum, str name, str path);
void sym_mod_remove(sym_store *s, sym_mod *m); /* goes to the unloaded list */
void sym_space_clear(sym_store *s, sym_space space);
/* The target is gone: every module of every space, and the unloaded list. Files stay for the next.
 */
void sym_mods_clear(sym_store *s);
/* Refresh: begin clears marks of the space, sym_mod_add marks, end removes what was not marked. */
void sym_mods_begin(sym_store *s, sym_space space);
void sym_mods_end(sym_store *s, sym_space space);

sym_mod *sym_mod_at(sym_store *s, uint64_t addr);		   /* in scope; NULL if none */
sym_mod *sym_mod_in(sym_store *s, sym_space space, uint64_t addr); /* exactly this space */
sym_mod *sym_mod_find(sym_store *s, str name); /* in scope; by module then image name */
/* In scope, by base address. i counts from 0; NULL behind the end. */
sym_mod *sym_mod_nth(sym_store *s, size_t i);

typedef struct sym_unloaded {
	sym_space space;
	uint64_t base, size;
	str image;
} sym_unloaded;
const sym_unloaded *sym_unloaded_nth(sym_store *s, size_t i); /* newest first, at most 64 */

/* Loads symbols now if deferred. OK even if it ended with SYM_EXPORT or SYM_NONE (see status);
 * ERR_CANCELLED if the user stopped it (the module stays deferred). */
err sym_mod_load(sym_mod *m, diag *d) MUST_CHECK;
typedef enum sym_load_how {
	SYM_LOAD_DEFER = 0,
	SYM_LOAD_NOW = 1,
	SYM_LOAD_MISMATCH = 2,
	SYM_LOAD_OVERWRITE = 4
} sym_load_how;
/* Forgets what was loaded (also a remembered failure) and, with NOW, loads again. */
err sym_mod_reload(sym_mod *m, unsigned how, diag *d) MUST_CHECK;
const char *sym_status_text(const sym_mod *m); /* "(private pdb symbols)" without parentheses */

/* Bumped whenever an answer could change: module added, removed, loaded, scope set. */
uint64_t sym_generation(const sym_store *s);

/* ---- path ---- */

void sym_path_set(sym_store *s, str path);
str sym_path(const sym_store *s);
/* One line per element, problems said. */
void sym_path_expand(sym_store *s, buf *out);
/* The whole path in one line, as `.sympath` shows it expanded; the table of its elements. */
void sym_path_expanded(sym_store *s, buf *out);
void sym_path_summary(sym_store *s, buf *out);
/* Default store for downloads: $XDG_CACHE_HOME or ~/.cache, /ringside/sym. Empty: back to that. */
void sym_cache_dir_set(sym_store *s, str dir);
void sym_exepath_set(sym_store *s, str path);
str sym_exepath(const sym_store *s);
/* Forgets what was looked for in vain and which servers were silent (.reload). */
void sym_failures_clear(sym_store *s);
/* Milliseconds until a silent server is given up: connecting, in the middle. */
void sym_net_limits(sym_store *s, unsigned connect_ms, unsigned stall_ms);
void sym_noisy_set(sym_store *s, bool on);
bool sym_noisy(const sym_store *s);
uint32_t sym_options(const sym_store *s); /* SYMOPT_xxx, default 0xB0227 */
void sym_options_set(sym_store *s, uint32_t flags);

/* ---- symbols ---- */

typedef enum sym_kind {
	SYM_K_PUBLIC,
	SYM_K_FUNC,
	SYM_K_DATA,
	SYM_K_EXPORT,
	SYM_K_CONST,
	SYM_K_LOCAL,
	SYM_K_PARAM,
	SYM_K_TYPEDEF,
	SYM_K_LABEL
} sym_kind;

typedef struct sym_type {
	sym_file *file; /* NULL: no type */
	uint32_t id;
} sym_type;

typedef struct sym {
	sym_mod *mod;
	str name; /* undecorated; lives as long as the module's file */
	str raw;  /* as stored (decorated); may equal name */
	sym_kind kind;
	bool code;	/* lies in executable memory */
	bool is_static; /* file scope */
	bool tls;	/* thread-local: addr is the current thread's, 0 if it has none */
	uint64_t addr;	/* SYM_K_CONST: the value */
	uint64_t size;	/* 0 if unknown */
	sym_type type;
} sym;

/*
 * "mod!name" or "name" (every module in scope, loaded ones first; deferred ones are loaded unless
 * SYMOPT_NO_UNQUALIFIED_LOADS). "mod" alone is a module: its base. `::` and `__` are the same.
 * ERR_NOTFOUND; ERR_AMBIGUOUS only where the caller must choose (overloads), ret then the first.
 */
err sym_find(sym_store *s, str name, sym *ret, diag *d) MUST_CHECK;
/* Nearest symbol at or below addr in its module; *disp the distance. Exact matches prefer
 * functions over publics. ERR_NOTFOUND: no module, no symbol, or addr lies in a function of its own
 * that has none. */
err sym_at(sym_store *s, uint64_t addr, sym *ret, uint64_t *disp) MUST_CHECK;
/* The same also where another function has begun in between (for ln). */
err sym_before(sym_store *s, uint64_t addr, sym *ret, uint64_t *disp) MUST_CHECK;
/* The next symbol above addr in its module (for ln). */
err sym_after(sym_store *s, uint64_t addr, sym *ret, uint64_t *disp) MUST_CHECK;
/* Every symbol that starts exactly at addr, best first (ln: "Exact matches"). */
err sym_names_at(sym_store *s, arena *a, uint64_t addr, sym **ret, size_t *n_ret) MUST_CHECK;
/* Appends "mod!name+0x12", "mod+0x1234" or nothing; true if something was appended. */
bool sym_format(sym_store *s, uint64_t addr, buf *out);

typedef enum sym_match_flags {
	SYM_M_FUNC = 1,
	SYM_M_DATA = 2,
	SYM_M_SORT_ADDR = 4,
	SYM_M_SORT_NAME = 8,
	SYM_M_NOLOAD = 16,
	/* What a module's debug information would have to be waited for is left out if something
	 * else of it matches; sym_mod.partial tells. Without: it is waited for. */
	SYM_M_SOON = 32
} sym_match_flags;
typedef struct sym_list {
	sym *p;
	size_t n, cap;
} sym_list;
/* "modpattern!pattern"; without '!' every module in scope. Duplicates (public and private at one
 * address) are merged. Names live as long as the files. Polls the host's cancel. */
err sym_match(sym_store *s, str pattern, unsigned flags, sym_list *ret, diag *d) MUST_CHECK;
void sym_list_deinit(sym_list *l);
/* The same one by one, by module and address whatever the flags say, holding little memory however
 * many there are. The names live until fn returns; false ends the listing. */
typedef bool sym_each_fn(void *u, const sym *s);
err sym_match_each(
	sym_store *s, str pattern, unsigned flags, sym_each_fn *fn, void *u, diag *d) MUST_CHECK;
/* Completion: symbols, types and modules in scope that start with prefix ("nt!PsA"), at most max,
 * sorted. */
err sym_complete(
	sym_store *s, arena *a, str prefix, size_t max, str **ret, size_t *n_ret) MUST_CHECK;

/* ---- lines ---- */

typedef struct sym_line {
	str file; /* path as compiled */
	uint32_t line;
	uint64_t addr; /* first address of the line's block */
	uint64_t size; /* of the block */
} sym_line;

err sym_line_at(sym_store *s, uint64_t addr, sym_line *ret) MUST_CHECK;
/* file may be partial (a suffix after a separator); mod empty: all in scope. Position: exactly the
 * line or the next one that has code; *exact tells. Several: every address of that line. */
err sym_line_find(sym_store *s, arena *a, str mod, str file, uint32_t line, uint64_t **ret,
	size_t *n_ret, bool *exact, diag *d) MUST_CHECK;

/* ---- locals ---- */

typedef enum sym_loc_kind {
	SYM_LOC_NONE /* optimised away */,
	SYM_LOC_REG,
	SYM_LOC_REGREL,
	SYM_LOC_STATIC,
	SYM_LOC_CONST,
	SYM_LOC_EXPR /* has to be evaluated: sym_local_place */
} sym_loc_kind;
typedef struct sym_local {
	str name;
	bool param;
	sym_type type;
	sym_loc_kind loc;
	char reg[8];		     /* register's name as in the x64 table */
	int64_t off;		     /* REGREL */
	uint64_t addr;		     /* STATIC; CONST: the value */
	uint32_t depth;		     /* nesting of its block, 0 the function's own */
	uint32_t inlined;	     /* 0: of the function itself; i: of the i-th of sym_inlines */
	const struct dwf_expr *expr; /* EXPR; addr is then the module's base */
	/* EXPR of a PDB: at [reg + off] lies a pointer, the variable `inner` behind it; or in
	 * pieces. */
	int64_t inner;
	const struct pdb_piece *pieces;
	size_t n_pieces;
} sym_local;
/* Locals in scope at pc, innermost block last. frame_size etc. are folded into off. */
err sym_locals(
	sym_store *s, arena *a, uint64_t pc, sym_local **ret, size_t *n_ret, diag *d) MUST_CHECK;
/* All of the function that holds pc, whatever the block (dv /f); locations as at its start. */
err sym_locals_all(
	sym_store *s, arena *a, uint64_t pc, sym_local **ret, size_t *n_ret, diag *d) MUST_CHECK;
/*
 * Where a local stands now, whatever kind of place it has. regs are the frame's, its caller's for
 * what a register held at entry is found by unwinding through mem (user addresses of the scope).
 * ERR_NOTFOUND: optimised away at this pc; ERR_FAULT: memory that the place depends on.
 */
typedef enum sym_place_kind { SYM_PLACE_MEM, SYM_PLACE_REG, SYM_PLACE_BYTES } sym_place_kind;
enum { SYM_PLACE_MAX = 256 };
typedef struct sym_place {
	sym_place_kind kind;
	uint64_t addr;		      /* MEM */
	char reg[8];		      /* REG: its name in the x64 table */
	uint8_t bytes[SYM_PLACE_MAX]; /* BYTES: the value itself; it cannot be written */
	size_t n;
	bool lost[SYM_PLACE_MAX]; /* BYTES: these are optimised away */
} sym_place;
err sym_local_place(sym_store *s, const sym_local *l, const x64_regs *regs, const mem_reader *mem,
	sym_place *ret, diag *d) MUST_CHECK;
typedef struct sym_inline {
	str name; /* with its scope */
	str file;
	uint32_t line; /* inside the inlined function */
	uint64_t begin, end;
	str call_file; /* where it is called, in the function around it; empty: unknown */
	uint32_t call_line;
} sym_inline;
/* Inlined calls that contain pc, outermost first. ERR_NOTFOUND: none. */
err sym_inlines(sym_store *s, arena *a, uint64_t pc, sym_inline **ret, size_t *n_ret) MUST_CHECK;
/* Function that contains pc, with its exact range and prolog end. */
typedef struct sym_func {
	sym sym;
	uint64_t begin, end;
	uint64_t prolog_end; /* 0 unknown */
} sym_func;
err sym_func_at(sym_store *s, uint64_t pc, sym_func *ret) MUST_CHECK;

/* ---- types ---- */

typedef enum sym_type_kind {
	SYM_T_VOID,
	SYM_T_INT,
	SYM_T_UINT,
	SYM_T_BOOL,
	SYM_T_CHAR,
	SYM_T_WCHAR,
	SYM_T_FLOAT,
	SYM_T_HRESULT,
	SYM_T_PTR,
	SYM_T_REF,
	SYM_T_ARRAY,
	SYM_T_STRUCT,
	SYM_T_CLASS,
	SYM_T_UNION,
	SYM_T_ENUM,
	SYM_T_FUNC,
	SYM_T_COMPLEX, /* two numbers of type elem */
	SYM_T_MEMBER,  /* pointer to a member of `owner`: elem is the member's type */
	SYM_T_UNKNOWN
} sym_type_kind;

typedef struct sym_type_info {
	sym_type_kind kind; /* modifiers and typedefs are looked through */
	str name;	    /* "_EPROCESS", "unsigned long", made up for pointers ("_EPROCESS *") */
	uint64_t size;	    /* bytes */
	sym_type elem;	    /* pointee, element, underlying, return type */
	sym_type owner;	    /* SYM_T_MEMBER: the class */
	uint64_t count;	    /* array elements */
	uint32_t n_fields;  /* fields (struct) or enumerators (enum) */
	bool forward;	    /* declared, not defined anywhere in this file */
	bool variants;	    /* a sum type: has fields that are variants */
	bool by_reference; /* class: arguments and results of it are in memory, whatever its size */
	bool has_this;	   /* function: its first parameter is not among those of sym_type_arg */
} sym_type_info;

/* A virtual base lies where its object says: at `at` stands the address of a table, in which the
 * distance (of pointer size) from there to the base stands at `slot`. */
typedef struct sym_hop {
	uint64_t at;
	int64_t slot;
} sym_hop;
enum { SYM_HOPS_MAX = 4 };

typedef struct sym_field {
	str name;
	sym_type type;
	uint64_t offset; /* from the start of the structure, or from the base that the last hop
			    leads to */
	sym_hop hop[SYM_HOPS_MAX];
	uint8_t n_hops;
	uint8_t bit_pos, bit_len; /* bit_len 0: no bit field */
	bool is_static, is_base, is_enumerator, is_method;
	/* Of a sum type (Rust's enum): the number that says which variant the object is; a variant,
	 * there if that number is value, or (else) if it is no other's. */
	bool is_tag, is_variant, is_else;
	bool is_const; /* static member that is value and may lie nowhere */
	int64_t value; /* enumerator, variant, constant */
	uint64_t addr; /* static member, 0 if unknown */
} sym_field;

/* "mod!_TYPE" or "_TYPE"; struct tags, typedefs, enums, and basic names ("unsigned char", "int",
 * "ULONG"); "_TYPE*" gives a pointer to it where the file has that type. */
err sym_type_find(sym_store *s, str name, sym_type *ret, diag *d) MUST_CHECK;
err sym_type_info_get(sym_type t, sym_type_info *ret) MUST_CHECK;
err sym_type_fields(sym_type t, arena *a, sym_field **ret, size_t *n_ret) MUST_CHECK;
/* "Pcb.DirectoryTableBase", through anonymous members; offset is from the start of t. */
err sym_type_field(sym_type t, str path, sym_field *ret, diag *d) MUST_CHECK;
/* The same also if it lies in a virtual base: ret->n_hops. sym_type_field says ERR_UNSUPPORTED. */
err sym_type_member(sym_type t, str path, sym_field *ret, diag *d) MUST_CHECK;
/* f, as found in a part of a structure that `in` leads to, as a field of the structure. */
err sym_field_in(const sym_field *in, sym_field *f) MUST_CHECK;
/* Pointer to t, whether the file has such a type or not. */
sym_type sym_type_ptr(sym_type t);
/* Type of a function's i-th parameter; ERR_NOTFOUND behind the last. */
err sym_type_arg(sym_type t, uint32_t i, sym_type *ret) MUST_CHECK;
/* C text with struct, union, enum, class: "struct _EPROCESS *", "int [4]", "long (int, char *)". */
void sym_type_text(sym_type t, buf *out);
/* Only a function's parameters: "(struct _EPROCESS *, int)". */
void sym_type_params(sym_type t, buf *out);
sym_mod *sym_type_mod(sym_store *s, sym_type t); /* a module that uses t's file */
err sym_type_match(sym_store *s, arena *a, str pattern, sym_type **ret, str **names, size_t *n_ret,
	diag *d) MUST_CHECK;

/* ---- image facts (PE headers of the module, from file or target) ---- */

/* RUNTIME_FUNCTION that holds pc; RVAs. ERR_NOTFOUND: none. Does not load symbols. */
err sym_unwind_func(sym_store *s, uint64_t pc, uint64_t *base, uint32_t *begin, uint32_t *end,
	uint32_t *unwind) MUST_CHECK;
/* Reads image bytes that never change (headers, .pdata, .xdata, code): from a matching local file
 * or the store's cache when there is one, else from the target. All or nothing. */
err sym_image_read(sym_store *s, uint64_t addr, void *buf, size_t n) MUST_CHECK;
err sym_entry_point(sym_mod *m, uint64_t *ret, diag *d) MUST_CHECK;
typedef struct sym_section {
	char name[9];
	uint32_t rva, vsize, flags; /* IMAGE_SCN_xxx */
} sym_section;
err sym_sections(sym_mod *m, const sym_section **ret, size_t *n_ret, diag *d) MUST_CHECK;
/* The image's headers for whoever wants more (!dh, lmv): valid until the module goes. */
struct pe_view;
/*
 * ELF images: r becomes the caller's registers, by .eh_frame or .debug_frame of the module that
 * holds r->rip (call_site: rip is a return address, the call stands in front of it). The outermost
 * frame says so: rip is then 0. info->machine_frame: a signal handler's frame was left, rip is
 * where the signal hit and no return address; establisher is the frame's address (CFA). Registers
 * that nobody can tell keep their values. ERR_NOTFOUND: no module or no unwind data for rip;
 * ERR_FAULT: the stack cannot be read.
 */
err sym_cfi_unwind(sym_store *s, x64_regs *r, bool call_site, const mem_reader *stack,
	x64_frame_info *info, diag *d) MUST_CHECK;
err sym_mod_pe(sym_mod *m, struct pe_view **ret, diag *d) MUST_CHECK;
/* Path of the image file on this host, empty if the headers came from the target. */
str sym_mod_image_path(sym_mod *m);
/* GUID+age as the symbol server spells it; what the image says, then what was loaded. */
err sym_mod_pdb_id(sym_mod *m, buf *id, str *path, diag *d) MUST_CHECK;
/* ELF images: whether the module is one (its headers are then read), and its build-id in hex. */
bool sym_mod_is_elf(sym_mod *m);
err sym_mod_build_id(sym_mod *m, buf *id, diag *d) MUST_CHECK;
/* Source files of the module as compiled; return false to stop. */
err sym_source_each(sym_mod *m, bool (*fn)(void *u, str path), void *u) MUST_CHECK;
/* Appends "Wed Jul  8 15:43:44 2015" (UTC). */
void sym_time(uint32_t timestamp, buf *out);
/* Lines of !lmi: "name: value" pairs ready to print. */
void sym_lmi(sym_mod *m, buf *out);

#endif
