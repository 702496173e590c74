/*
 * pdb: Microsoft's program database, read lazily. Refuses to know where the bytes come from (the
 * caller maps the file and keeps it mapped) and what a debugger does with the answers.
 *
 * A name is looked up through the file's own hash tables, an address through its sorted tables;
 * only what a question needs is parsed. Per-module tables (functions by address, lines) are built
 * on the first question that falls into the module and kept. Not thread-safe: one caller at a time.
 *
 * Names are views into the file (or into copies that live as long): valid until pdb_close.
 * Addresses are RVAs, PDB_NO_RVA where a symbol has none (absolute, section not in the image). All
 * functions take damaged files: ERR_CORRUPT when nothing sensible can be said, ERR_NOTFOUND when
 * the file says that there is nothing.
 *
 *   pdb.c       open, streams, sections, modules     pdb_sym.c   names and addresses
 *   pdb_type.c  types                                pdb_line.c  lines
 *   pdb_local.c locals, inlined calls
 *
 * Format: docs/ in github.com/microsoft/pdb-rs and llvm.org/docs/PDB.
 */
#ifndef RS_FMT_PDB_H
#define RS_FMT_PDB_H

#include "base/reader.h"
#include "base/sys.h"

typedef struct pdb pdb;

enum { PDB_NO_RVA = 0xffffffff };
enum { PDB_NO_MOD = 0xffffffff };

typedef struct pdb_id {
	uint8_t guid[16]; /* as stored; text by pe_guid_text */
	uint32_t sig;	  /* time stamp of old files */
	uint32_t age;	  /* of the info stream */
	uint32_t dbi_age; /* what the image's debug directory is compared with; 0: no DBI stream */
	uint16_t machine; /* PE_MACHINE_xxx */
	bool stripped;	  /* "private symbols were removed" flag of the DBI header */
	bool has_private; /* at least one module has symbols */
	bool has_types;	  /* the type stream holds a record */
	bool has_lines;	  /* some module has line numbers */
	bool fastlink;	  /* /DEBUG:FASTLINK: the symbols proper are in the object files */
	bool compressed;  /* MSFZ */
	bool omap;	  /* addresses go through an OMAP */
} pdb_id;

bool pdb_is(const void *p, size_t n); /* starts like a PDB */
err pdb_open(const void *p, size_t n, pdb **ret, diag *d) MUST_CHECK;
void pdb_close(pdb *f);
const pdb_id *pdb_id_get(const pdb *f);
size_t pdb_held(const pdb *f); /* bytes of memory used besides the mapped file */
/* Stops long work (scans) when set; may be NULL. */
void pdb_cancel_set(pdb *f, const cancel *c);
/* Called now and then in the middle of scans: the mapped bytes that were read so far may be let go.
 */
void pdb_pass_set(pdb *f, void (*fn)(void *u), void *u);

/* ---- sections and modules ---- */

typedef struct pdb_section {
	char name[9];
	uint32_t rva, vsize, flags; /* IMAGE_SCN_xxx */
} pdb_section;

size_t pdb_nsections(pdb *f);
const pdb_section *pdb_section_nth(pdb *f, size_t i); /* segment number - 1 */
uint32_t pdb_rva(pdb *f, uint16_t seg, uint32_t off); /* PDB_NO_RVA if there is none */
bool pdb_segoff(pdb *f, uint32_t rva, uint16_t *seg, uint32_t *off);

typedef struct pdb_mod {
	str name; /* "d:\obj\foo.obj", "* Linker *" */
	str obj;  /* the library it came from, or the same */
	bool has_syms, has_lines;
	uint32_t nfiles;
} pdb_mod;

uint32_t pdb_nmods(pdb *f);
err pdb_mod_get(pdb *f, uint32_t mod, pdb_mod *ret) MUST_CHECK;
/* Module whose contribution holds rva; range of the contribution if wanted (may be NULL). */
err pdb_mod_at(pdb *f, uint32_t rva, uint32_t *mod, uint32_t *begin, uint32_t *end) MUST_CHECK;

/* ---- symbols ---- */

typedef enum pdb_kind {
	PDB_PUBLIC,
	PDB_FUNC,
	PDB_DATA, /* global or file or function static */
	PDB_TLS,  /* off is the offset in the thread's block */
	PDB_CONST,
	PDB_UDT, /* typedef, or the name of a structure */
	PDB_LABEL,
	PDB_THUNK,
	PDB_OTHER,
	PDB_NKINDS
} pdb_kind;
#define PDB_MASK(kind) (1u << (kind))
enum { PDB_ALL = (1 << PDB_NKINDS) - 1 };

typedef struct pdb_sym {
	str name; /* as stored: decorated for publics, "ns::Class::f" else */
	pdb_kind kind;
	uint16_t rec; /* S_xxx of the record */
	bool global;  /* not file or function scope */
	bool code;    /* function, or public with the code flag or in an executable section */
	uint16_t seg;
	uint32_t off;
	uint32_t rva;		 /* or PDB_NO_RVA */
	uint32_t size;		 /* of functions and thunks; data: of the type; 0 unknown */
	uint32_t type;		 /* type index; 0 none */
	uint32_t prolog, epilog; /* functions: offsets where the debuggable part starts and ends */
	uint64_t value;		 /* PDB_CONST, sign extended if neg */
	bool neg;
	uint32_t mod; /* module, or PDB_NO_MOD for the global stream */
	uint32_t at;  /* offset of the record in its stream */
} pdb_sym;

/* Return false to stop. */
typedef bool (*pdb_sym_cb)(void *u, const pdb_sym *s);

/* Every public of that name (decorated, as stored); fold: ASCII case does not count. */
err pdb_public_find(pdb *f, str name, bool fold, pdb_sym_cb cb, void *u) MUST_CHECK;
/* Every global record of that name: functions (followed into their module), data, constants,
 * typedefs; kinds is a set of PDB_MASK. */
err pdb_global_find(pdb *f, str name, bool fold, unsigned kinds, pdb_sym_cb cb, void *u) MUST_CHECK;

/* Publics by address: count, i-th, and the last one at or below rva (its index). */
size_t pdb_npublics(pdb *f);
err pdb_public_nth(pdb *f, size_t i, pdb_sym *ret) MUST_CHECK;
err pdb_public_at(pdb *f, uint32_t rva, size_t *i, pdb_sym *ret) MUST_CHECK;

/* Best symbol at or below rva: the nearest, and at one address a function or datum before a public.
 * *disp is the distance. */
err pdb_sym_at(pdb *f, uint32_t rva, pdb_sym *ret, uint32_t *disp) MUST_CHECK;
/* The next one above rva. */
err pdb_sym_after(pdb *f, uint32_t rva, pdb_sym *ret, uint32_t *disp) MUST_CHECK;
/* The function whose range contains rva (private symbols only). */
err pdb_func_at(pdb *f, uint32_t rva, pdb_sym *ret) MUST_CHECK;

/*
 * Fast scan of the global stream for wildcards. The callback sees name, kind, rec, global, at, and
 * for publics, data and constants everything else but a size; a function's address, size and type,
 * which cost a look into its module, and the size of data come with pdb_sym_fill. ERR_CANCELLED if
 * pdb_cancel_set's flag went up.
 */
err pdb_each_name(pdb *f, unsigned kinds, pdb_sym_cb cb, void *u) MUST_CHECK;
/*
 * As pdb_each_name, without most of the names that cannot match a WinDbg wildcard pattern (as
 * str_wild with `symbol` takes it), decorated or undecorated to a qualified name without
 * parameters: the letters of the pattern must all be there. The caller still matches what comes.
 */
err pdb_each_like(pdb *f, unsigned kinds, str pattern, pdb_sym_cb cb, void *u) MUST_CHECK;
err pdb_sym_fill(pdb *f, pdb_sym *s) MUST_CHECK;
/* The symbol of pdb_sym.mod and pdb_sym.at once more, filled; the name is that record's own. */
err pdb_sym_again(pdb *f, uint32_t mod, uint32_t at, pdb_sym *ret) MUST_CHECK;
/* Symbols of one module at its top level and (deep) inside functions: labels, function statics. */
err pdb_mod_each(pdb *f, uint32_t mod, bool deep, pdb_sym_cb cb, void *u) MUST_CHECK;

/* ---- types ---- */

typedef enum pdb_tkind {
	PDB_T_NONE, /* no type, or one that cannot be described */
	PDB_T_VOID,
	PDB_T_BOOL,
	PDB_T_CHAR,
	PDB_T_WCHAR,
	PDB_T_INT,
	PDB_T_UINT,
	PDB_T_FLOAT,
	PDB_T_COMPLEX,
	PDB_T_HRESULT,
	PDB_T_PTR,
	PDB_T_REF,
	PDB_T_RVREF,
	PDB_T_MEMPTR,
	PDB_T_ARRAY,
	PDB_T_STRUCT,
	PDB_T_CLASS,
	PDB_T_UNION,
	PDB_T_INTERFACE,
	PDB_T_ENUM,
	PDB_T_FUNC,
	PDB_T_METHOD,
	PDB_T_MODIFIER,
	PDB_T_BITFIELD,
	PDB_T_VTSHAPE,
	PDB_T_ALIAS
} pdb_tkind;

enum { PDB_CONST_ = 1, PDB_VOLATILE = 2, PDB_UNALIGNED = 4 }; /* pdb_type.quals */

typedef struct pdb_type {
	uint32_t ti;
	pdb_tkind kind;
	uint16_t leaf; /* LF_xxx; 0 for the basic types */
	str name; /* tag or basic type ("unsigned long"); empty for made types, see pdb_type_name */
	str unique;	 /* decorated tag (".?AUfoo@@"), empty if none */
	uint64_t size;	 /* bytes; arrays: all; forward declarations: 0 */
	uint32_t elem;	 /* pointee, element, modified, underlying (enum, bit field), return type */
	uint32_t fields; /* field list, 0 none */
	uint32_t count;	 /* members or enumerators as stated; parameters of a function */
	uint32_t index;	 /* arrays: type of the index */
	uint32_t args;	 /* functions: argument list */
	uint32_t klass;	 /* methods, member pointers: class */
	uint32_t this_type; /* methods: of `this`, 0 for static ones */
	int32_t this_adjust;
	uint32_t vshape, derived;
	uint16_t props; /* CV_PROP_xxx of structures and enums */
	uint8_t quals;	/* PDB_CONST_ ... of modifiers and pointers */
	uint8_t call;	/* calling convention (CV_CALL_xxx) */
	uint8_t bit_pos, bit_len;
	bool forward;	/* a declaration only */
	bool anonymous; /* <unnamed-tag> and the like */
} pdb_type;

uint32_t pdb_ntypes(pdb *f);	 /* records */
uint32_t pdb_type_first(pdb *f); /* first index that is a record (0x1000) */
/* Basic types (below pdb_type_first) too. */
err pdb_type_get(pdb *f, uint32_t ti, pdb_type *ret) MUST_CHECK;
/* Looks through modifiers and resolves a forward declaration; the same index if that is all. */
uint32_t pdb_type_strip(pdb *f, uint32_t ti);
/* The definition of a forward declaration through the hash; ti itself if it is none or has none. */
uint32_t pdb_type_def(pdb *f, uint32_t ti);
uint64_t pdb_type_size(pdb *f, uint32_t ti);
/* Definition of a tag name through the type hash, then a typedef through the global hash. */
err pdb_type_find(pdb *f, str name, bool fold, uint32_t *ti) MUST_CHECK;
/* C text: "struct"-less, "_EPROCESS *", "unsigned char [16]", "void (int, char *)". */
void pdb_type_name(pdb *f, uint32_t ti, buf *out);
/* Every structure, union and enum definition, and typedefs (as PDB_T_ALIAS with elem) if asked. */
err pdb_type_each(
	pdb *f, bool typedefs, bool (*cb)(void *u, const pdb_type *t), void *u) MUST_CHECK;
/* Without some of those that pattern cannot match, as pdb_each_like. */
err pdb_type_like(pdb *f, bool typedefs, str pattern, bool (*cb)(void *u, const pdb_type *t),
	void *u) MUST_CHECK;
/* A pointer type to ti that the file has. */
err pdb_type_pointer_to(pdb *f, uint32_t ti, uint32_t *ret) MUST_CHECK;

typedef enum pdb_fkind {
	PDB_F_MEMBER,
	PDB_F_STATIC,
	PDB_F_BASE,
	PDB_F_VBASE,
	PDB_F_ENUMERATOR,
	PDB_F_NESTED,
	PDB_F_METHOD,
	PDB_F_VFPTR,
	PDB_F_FRIEND
} pdb_fkind;

typedef struct pdb_field {
	pdb_fkind kind;
	str name;		  /* bases: name of their type */
	uint32_t type;		  /* bit fields: of the value, the LF_BITFIELD looked through */
	uint64_t offset;	  /* bytes; PDB_F_VBASE: of the virtual base pointer */
	uint8_t bit_pos, bit_len; /* bit_len 0: no bit field */
	uint8_t access;		  /* 1 private 2 protected 3 public */
	uint8_t mprop; /* methods: 0 vanilla 1 virtual 2 static 3 friend 4 intro 5 pure 6 pure intro
			*/
	bool indirect; /* PDB_F_VBASE: inherited through another base */
	bool anonymous; /* member of unnamed structure or union type with an empty name */
	uint64_t
		value; /* enumerator, sign extended if neg; PDB_F_VBASE: index in the vbase table */
	bool neg;
	uint32_t vtable; /* introducing virtual methods: offset in the vtable */
} pdb_field;

/* Fields of a structure or enum (declarations are resolved) or of a field list, overloads one by
 * one, continuation lists followed. ERR_NOTFOUND: declared only. */
err pdb_type_fields(
	pdb *f, uint32_t ti, bool (*cb)(void *u, const pdb_field *x), void *u) MUST_CHECK;
/* i-th type of an argument list or of a function's; ERR_NOTFOUND behind the end. */
err pdb_type_arg(pdb *f, uint32_t ti, uint32_t i, uint32_t *ret) MUST_CHECK;
/* Name and type of an LF_FUNC_ID or LF_MFUNC_ID (inlined functions); scope may be empty. */
err pdb_func_id(pdb *f, uint32_t id, str *scope, str *name, uint32_t *type) MUST_CHECK;

/* ---- lines ---- */

typedef struct pdb_line {
	str file; /* path as compiled */
	uint32_t line, line_end;
	uint16_t col, col_end; /* 0 unknown */
	uint32_t rva, size;    /* of the block of code */
	bool stmt;
	bool inlined;		   /* from an inlined function's table */
	uint8_t sum_kind, sum_len; /* 0 none 1 MD5 2 SHA1 3 SHA256 */
	const uint8_t *sum;
} pdb_line;

typedef bool (*pdb_line_cb)(void *u, const pdb_line *l);

/* The function's own line (the call's line where something is inlined). */
err pdb_line_at(pdb *f, uint32_t rva, pdb_line *ret) MUST_CHECK;
/* Lines of one module, in the file's order (inlined ones not). */
err pdb_line_each(pdb *f, uint32_t mod, pdb_line_cb cb, void *u) MUST_CHECK;
/* Source files of the whole program; several times if several modules have it. */
err pdb_file_each(pdb *f, bool (*cb)(void *u, uint32_t mod, str path), void *u) MUST_CHECK;
/*
 * Code of a source line, or of the next line that has code (*exact tells), in every module that has
 * the file, inlined copies included: one entry a run of code, ascending. file may be a suffix that
 * starts behind a separator; case and kind of slash do not count.
 */
err pdb_line_find(pdb *f, arena *a, str file, uint32_t line, pdb_line **ret, size_t *n_ret,
	bool *exact) MUST_CHECK;
/* True if path is file or ends in a separator and file, as pdb_line_find compares. */
bool pdb_path_match(str path, str file);

/* ---- locals and inlined calls ---- */

typedef enum pdb_loc {
	PDB_LOC_NONE,	/* optimised away here */
	PDB_LOC_REG,	/* reg */
	PDB_LOC_REGREL, /* [reg + off] */
	PDB_LOC_STATIC, /* rva */
	PDB_LOC_TLS,
	PDB_LOC_CONST, /* value */
	PDB_LOC_INDIR  /* [[reg + off] + inner] */
} pdb_loc;

typedef struct pdb_piece {
	uint32_t offset; /* in the variable */
	pdb_loc loc;
	uint16_t reg;
	int32_t off, inner;
} pdb_piece;

typedef struct pdb_local {
	str name;
	uint32_t type;
	bool param;
	pdb_loc loc;
	uint16_t reg; /* CodeView register number, see pdb_reg_name */
	int32_t off, inner;
	uint32_t rva;
	uint64_t value;
	uint32_t begin, end; /* range of this location; 0, 0xffffffff if the whole scope */
	uint32_t depth;	     /* nesting: 0 the function's own scope */
	uint32_t inl;	     /* 0: of the function; i: of the i-th entry of pdb_inlines_at */
	pdb_piece *pieces;   /* parts in different places (then loc is PDB_LOC_NONE) */
	size_t npieces;
} pdb_local;

/* Everything in scope at rva, outer scopes first, in the order declared. */
err pdb_locals_at(pdb *f, arena *a, uint32_t rva, pdb_local **ret, size_t *n_ret) MUST_CHECK;
/* All of a function, whatever the scope (for `x`, `dv /f`): locations that hold at its start. */
err pdb_locals_all(
	pdb *f, arena *a, const pdb_sym *func, pdb_local **ret, size_t *n_ret) MUST_CHECK;
/* "rcx", "xmm1"; NULL if unknown. The register's names on the file's machine. */
const char *pdb_reg_name(const pdb *f, uint16_t reg);

typedef struct pdb_inline {
	str scope, name; /* of the inlined function */
	uint32_t id;	 /* item index */
	uint32_t type;
	str file; /* of the line that rva belongs to inside it */
	uint32_t line;
	uint32_t begin, end; /* the piece of code that holds rva */
} pdb_inline;

/* Inlined calls that contain rva, outermost first. ERR_NOTFOUND: none. */
err pdb_inlines_at(pdb *f, arena *a, uint32_t rva, pdb_inline **ret, size_t *n_ret) MUST_CHECK;

#endif
