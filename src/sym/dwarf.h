/*
 * dwarf: what the files dwarf*.c share: one file's DWARF, its units, its entries. See elffile.h for
 * who does what.
 *
 * A Dwarf_Die stays valid as long as its Dwarf; entries are kept by value. An entry is known by the
 * address of its bytes (die.addr), which is the same in whatever way libdw led to it.
 */
#ifndef RS_SYM_DWARF_H
#define RS_SYM_DWARF_H

#include "fmt/dwarf_expr.h"
#include "fmt/dwarf_index.h"
#include "sym/elffile.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <libelf.h>
#include <pthread.h>

enum {
	DWF_SCOPE_DEPTH = 64,
	DWF_FIELDS_MAX = 65536,
	DWF_FUNCS_MAX = 1 << 20, /* of one unit */
	DWF_LOCALS_MAX = 16384,
	DWF_CHAIN_MAX = 64, /* typedefs, references from one entry to the next */
	/* .debug_info up to here is indexed so fast that nobody notices the wait */
	DWF_SMALL = 24 << 20
};
#define DWF_INFO_MAX ((uint64_t)4 << 30) /* bytes of .debug_info */

/* Sections of one file, unpacked, and libdw's handle on them. */
typedef struct dwpart {
	Dwarf *dbg;
	Elf *elf;
	int fd; /* -1: none */
	sys_map map;
	elf_view v;
	uint8_t *packed; /* sections that were compressed, as a file that is made up */
	size_t packed_n;
	dwx_sections secs;
	str line, frame; /* .debug_line, .debug_frame */
} dwpart;

typedef struct dwfunc {
	uint64_t lo, hi;
	Dwarf_Die die;
} dwfunc;

/* A namespace or class in .debug_info: entries between begin and end lie in it. */
typedef struct dwscope {
	Dwarf_Off begin, end;
	uint32_t parent; /* index + 1 */
	const char *name;
	bool anon;
} dwscope;

typedef struct dwrow {
	uint64_t addr;
	const char *file;
	uint32_t line;
	bool stmt, end, prolog_end;
} dwrow;

typedef struct dwunit {
	Dwarf_Die skel; /* in the program's own .debug_info: has the lines */
	Dwarf_Die die;	/* has the contents: in a .dwo file, or skel once more */
	bool walked, nested, scoped, lines_read;
	VEC(dwfunc) funcs;   /* by address */
	VEC(dwscope) scopes; /* by begin */
	VEC(dwrow) rows;     /* by address */
	const char *comp_dir;
	/* Packed units do not know their skeleton's base address: what they give in ranges and
	 * location lists may count from it. 0: nothing of the kind. */
	uint64_t fix;
} dwunit;

typedef enum tkind { TK_DIE, TK_DIM, TK_FUNC_AT, TK_DATA_AT } tkind;
/* What a type id stands for. */
typedef struct tent {
	Dwarf_Die die;
	tkind kind;
	uint32_t arg;	   /* DIM: which dimension; xxx_AT: RVA */
	uint32_t resolved; /* of xxx_AT: id + 1; of declarations: id of the definition + 1 */
	str name;	   /* DATA_AT */
	sym_type_info *info;
	bool failed;
} tent;

/* The entry that answers for a type id. */
typedef struct dwplain {
	Dwarf_Die die;
	uint32_t dim; /* arrays */
	bool is_void, forward;
	const char *alias; /* the typedef next to it, the only name of a struct without a tag */
} dwplain;

typedef struct dwo_ref {
	uint64_t cu; /* skeleton's offset */
	uint64_t id;
} dwo_ref;

/* One line program's file, by base name. */
typedef struct dwsource {
	uint32_t next; /* of the same hash, + 1 */
	uint64_t prog; /* offset in .debug_line */
	str name, dir; /* dir may be relative to the unit's, or empty */
	uint64_t hash;
} dwsource;

struct dwf {
	sym_file *f;
	sym_store *s;
	uint64_t base; /* RVA 0 */
	uint64_t lowest;
	char *path;
	dwpart main, alt, dwp;
	bool has_alt, has_dwp;
	arena a;

	map units; /* die.addr of the unit's DIE -> dwunit */
	VEC(dwunit *) all_units;
	Dwarf_Aranges *aranges;
	size_t n_aranges;
	bool aranges_read;

	VEC(tent) types;
	map type_ids; /* die.addr -> id */
	map lazy;     /* rva of lazy ids */
	map statics;  /* address of a function's static variable + 1 -> its Dwarf_Die */
	bool statics_read;

	/* lines by file name */
	bool sources_read;
	VEC(dwsource) sources;
	map by_source;	   /* hash of the base name, folded -> index + 1 */
	map units_by_prog; /* offset in .debug_line -> dwunit */

	/* the index: made by a thread */
	pthread_t thread;
	bool started;
	arena thread_a; /* the thread's, and of what it leaves */
	atomic_bool done;
	cancel stop;
	dwx_progress progress;
	dwx *ix;     /* when done; NULL: failed */
	bool cached; /* when done: it is from the disk */
	uint8_t id[ELF_MAX_BUILD_ID];
	size_t id_n;
	str cache_dir;
	dwpart *dwos; /* opened by the thread */
	size_t n_dwos;
	uint64_t *dwo_cu;     /* skeletons of parts 1... */
	struct dwpack *packs; /* units of the .dwp that were asked for */
};

/* ---- dwarffile.c ---- */
void dwpart_close(dwpart *p);

/* ---- dwarfpack.c ---- */
/* The contents of a skeleton; skel is its entry. */
bool dwf_dwp_unit(dwf *x, Dwarf_Die *skel, uint64_t id, Dwarf_Die *ret);
/* The entry at this offset of the .dwp's .debug_info, or .debug_types. */
bool dwf_dwp_entry(dwf *x, uint64_t off, bool types, Dwarf_Die *ret);
/* A type by its signature. */
bool dwf_dwp_type(dwf *x, uint64_t signature, Dwarf_Die *ret);
void dwf_packs_free(dwf *x);

/* ---- dwarfunit.c ---- */
/* Unit whose contents (or skeleton) hold this DIE. */
dwunit *dwf_unit_of(dwf *x, Dwarf_Die *die);
err dwf_unit_at(dwf *x, uint64_t vaddr, dwunit **ret) MUST_CHECK;
err dwf_func_die(dwf *x, uint64_t vaddr, dwunit **u, dwfunc *ret) MUST_CHECK;
bool dwf_entry_die(dwf *x, const dwx_entry *e, Dwarf_Die *ret);
/* Does die hold pc; the location of attr at pc. fix: the unit's. */
bool dwf_haspc(Dwarf_Die *die, uint64_t pc, uint64_t fix);
bool dwf_loc(Dwarf_Attribute *a, uint64_t pc, uint64_t fix, Dwarf_Op **ops, size_t *n);
/* Address that an operation of attr pushes, also by its index in .debug_addr. */
bool dwf_addr_of(Dwarf_Attribute *attr, const Dwarf_Op *op, uint64_t *ret);
/* Attribute, through specification and abstract origin. */
bool dwf_attr(Dwarf_Die *die, unsigned at, Dwarf_Attribute *ret);
bool dwf_flag(Dwarf_Die *die, unsigned at);
/* The entry an attribute refers to. */
bool dwf_ref(Dwarf_Die *die, unsigned at, Dwarf_Die *ret);
/* The same for types, whose signature may lead to another packed unit. */
bool dwf_type_ref(dwf *x, Dwarf_Attribute *a, Dwarf_Die *ret);
const char *dwf_name(Dwarf_Die *die); /* NULL: none */
/* "ns::Class::name"; false: no name. */
bool dwf_qualified(dwf *x, Dwarf_Die *die, buf *out);
void dwf_units_free(dwf *x);

/* ---- dwarftype.c ---- */
uint32_t dwf_type_id(dwf *x, Dwarf_Die *die);
/* Type of a variable, member, parameter; 3 (void) if it has none. */
uint32_t dwf_type_of_die(dwf *x, Dwarf_Die *die);

/* Typedefs, qualifiers and declarations are looked through. */
err dwf_type_plain(dwf *x, uint32_t id, dwplain *ret) MUST_CHECK;

/* ---- dwarfline.c ---- */
uint64_t dwf_prolog_end(dwf *x, dwunit *u, const dwfunc *f); /* 0: unknown */
str dwf_path(dwf *x, dwunit *u, const char *file);
void dwf_lines_free(dwf *x);

/* ---- dwarfcfi.c ---- */
struct sym_cfi;
/* The rule for the CFA at vaddr: register (DWARF number) and offset. False: none so simple. */
bool dwf_cfa_rule(dwf *x, uint64_t vaddr, unsigned *reg, int64_t *off);
const char *dwf_reg_name(unsigned n); /* NULL: unknown */
bool dwf_reg_get(const x64_regs *r, unsigned n, uint64_t *ret);
err dwf_cfa_at(
	dwf *x, uint64_t vaddr, const x64_regs *r, const mem_reader *mem, uint64_t *ret) MUST_CHECK;

#endif
