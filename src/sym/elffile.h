/*
 * elffile: what the files of this room that read ELF and DWARF share.
 *
 *   elffile.c    an ELF file behind sym_file_ops; asks dwarf*.c for what the table does not know
 *   elftable.c   its symbols by number and by address
 *   elffind.c    one name, in the table and in DWARF
 *   pedwarf.c    a PE image with DWARF as such a file
 *   dwarffile.c  opening DWARF: sections, libdw handle, the index in the background
 *   dwarfunit.c  units: functions by address, scopes, names of entries
 *   dwarftype.c  types and their 32-bit ids
 *   dwarffield.c what is inside of them
 *   dwarfname.c  types by name
 *   dwarfline.c  lines in both directions
 *   dwarflocal.c locals, inlined calls, places of values
 *   dwarfcfi.c   one frame up
 *
 * Threads: everything here runs on the caller's thread, except the body of the index's thread,
 * which touches nothing but mapped sections.
 */
#ifndef RS_SYM_ELFFILE_H
#define RS_SYM_ELFFILE_H

#include "sym/priv.h"

typedef struct dwf dwf;

/* A symbol of the table, whatever the table is. */
typedef struct esym {
	str name;
	uint32_t rva, size;
	uint8_t rank; /* better ones of one address are higher */
	bool code, is_static, func, data;
} esym;

typedef struct elffile {
	sym_elf *img;	      /* counted; NULL for PE */
	struct sym_image *pe; /* counted; NULL for ELF */
	arena a;
	sys_map dbg; /* separate debug file; n = 0: none */
	elf_view dbgv;
	const char *dbg_path;
	uint64_t base; /* RVA 0 as the file's addresses count */
	elf_syms syms;
	bool dynamic; /* syms is the dynamic table: exports */
	esym *made;   /* symbols of another kind of table (COFF), or of two, instead of syms */
	size_t n_made;
	esym *plt; /* "puts@plt", by address; made with by_addr */
	size_t n_plt;
	uint32_t *by_addr; /* indexes of symbols, by address; NULL until needed */
	size_t n_by_addr;
	map by_name; /* hash of a raw name -> index of its first symbol + 1; made late */
	uint32_t *next_name;
	unsigned asked;
	map given; /* index of a DWARF name -> its text, kept */
	dwf *dw;   /* NULL: no DWARF, or not yet: sym_elf_dwarf */
	bool dw_later;
	uint8_t *packed; /* sections of a PE image as an ELF file; .gnu_debugdata unpacked */
} elffile;

static inline elffile *xf_of(sym_file *f)
{
	return f->u;
}

/* ---- elftable.c ---- */

enum { ELFT_MAX = 1 << 26 }; /* symbols that are looked at */
size_t elft_count(const elffile *x);
/* Symbol i of one of the file's tables, or of the one that counts. False: not a symbol that has an
 * address (section, file, undefined, thread-local). */
bool elft_get(const elffile *x, const elf_syms *t, size_t i, esym *ret);
bool elft_nth(const elffile *x, size_t i, esym *ret);
bool elft_in_code(const elffile *x, uint64_t vaddr);
/* Is a the name to show of two at one address? */
bool elft_better(const esym *a, const esym *b);
/* Position in by_addr of the first symbol above rva; by_addr is made when it is not there. */
size_t elft_upper(elffile *x, uint32_t rva);
uint32_t elft_rva(const elffile *x, size_t pos);
/* The best of those at the address of position pos, going down (or up) from there; its position. */
size_t elft_best(const elffile *x, size_t pos, int step, esym *ret);

/* ---- elffind.c ---- */

/* The find of sym_file_ops. */
err elffile_find(sym_file *f, str name, bool fold, sym_rec_fn *fn, void *u) MUST_CHECK;

/* ---- elffile.c ---- */

elffile *elffile_new(void);
/* What no sym_file owns yet. */
void elffile_drop(sym_store *s, elffile *x);
/* The file that x, from now on its own, is behind. */
sym_file *elffile_give(sym_store *s, const char *path, elffile *x);
/* Symbol i of the table, without name and type. */
void elffile_rec(const elffile *x, size_t i, const esym *s, sym_rec *r);
/* lazy: a mark that is looked into when somebody asks for the type. */
void elffile_add_type(sym_file *f, sym_rec *r, bool lazy);
struct dwx;
struct dwx_entry;
/* An entry of the index; false: nothing with an address or a value. */
bool elffile_entry_rec(sym_file *f, const struct dwx *ix, const struct dwx_entry *e, sym_rec *r);
/* Its name, kept. */
str elffile_entry_name(sym_file *f, const struct dwx *ix, const struct dwx_entry *e);
/* The symbol of the table at just this address. */
bool elffile_table_at(sym_file *f, uint32_t rva, bool code, sym_rec *r);

/* Symbols of m's ELF image. The file is shared by all modules of that image. */
err sym_elf_open(sym_mod *m, unsigned how, sym_file **ret, diag *d) MUST_CHECK;
bool sym_file_is_elf(const sym_file *f);
/* f's DWARF, opened now if it was not; NULL: none. f is an ELF file. */
dwf *sym_elf_dwarf(sym_file *f);

/* ---- pedwarf.c ---- */

/* DWARF of m's PE image (gcc, clang -gdwarf), inside of it or of the file it was stripped from,
 * with its COFF symbols and exports. ERR_NOTFOUND: neither the image's file, if this host has it,
 * nor a debug file has any. */
err sym_pe_dwarf_open(sym_mod *m, unsigned how, sym_file **ret, bool *mismatch, diag *d) MUST_CHECK;

/* ---- DWARF; ids of types are those of sym_type, addresses are RVAs ---- */

/* Opens the DWARF of f's file (debug file or image) and starts the index. ERR_NOTFOUND: none. */
err dwf_open(sym_file *f, const elf_view *v, const char *path, dwf **ret, diag *d) MUST_CHECK;
void dwf_close(dwf *x);
/* The index of names, waited for if need be. ERR_CANCELLED; ERR_NOTFOUND: there is none. */
err dwf_index(dwf *x, struct dwx **ret) MUST_CHECK;
/* The same if it costs next to nothing: it is ready, or the program is small. */
struct dwx *dwf_index_now(dwf *x);

/* It is still being made. */
bool dwf_index_pending(const dwf *x);
/* Adds a line for !lmi: whether the index is there, how large, and where it came from. */
void dwf_describe(dwf *x, buf *out);

/* Ids for the type of a symbol of the table that are looked into when somebody asks. */
uint32_t dwf_lazy_func(dwf *x, uint32_t rva);
uint32_t dwf_lazy_data(dwf *x, uint32_t rva, str name);
/* Type of a symbol of the table, 0: unknown, or not without waiting. */
uint32_t dwf_type_of(dwf *x, uint32_t rva, bool code, str name);

uint32_t dwf_entry_type(dwf *x, const struct dwx_entry *e); /* 0: none */
/* Place of a thread-local variable in its module's block. */
bool dwf_entry_tls(dwf *x, const struct dwx_entry *e, uint64_t *ret);

err dwf_func(dwf *x, uint32_t rva, sym_rec *ret, str *name) MUST_CHECK;
err dwf_type_find(dwf *x, str name, bool fold, uint32_t *ret) MUST_CHECK;
err dwf_type_get(dwf *x, uint32_t id, sym_type_info *ret) MUST_CHECK;
err dwf_type_fields(dwf *x, uint32_t id, arena *a, sym_field **ret, size_t *n_ret) MUST_CHECK;
err dwf_type_arg(dwf *x, uint32_t id, uint32_t i, uint32_t *ret) MUST_CHECK;
err dwf_type_like(dwf *x, str pattern, sym_type_fn *fn, void *u) MUST_CHECK;
err dwf_line_at(dwf *x, uint32_t rva, sym_line *ret) MUST_CHECK;
err dwf_line_find(dwf *x, arena *a, str file, uint32_t line, uint64_t **ret, size_t *n_ret,
	bool *exact) MUST_CHECK;
err dwf_source_each(dwf *x, bool (*fn)(void *u, str path), void *u) MUST_CHECK;
err dwf_locals(
	dwf *x, arena *a, uint32_t rva, bool whole, sym_local **ret, size_t *n_ret) MUST_CHECK;
err dwf_inlines(dwf *x, arena *a, uint32_t rva, sym_inline **ret, size_t *n_ret) MUST_CHECK;
err dwf_place(dwf *x, const sym_local *l, uint64_t slide, const x64_regs *regs,
	const mem_reader *mem, sym_place *ret, diag *d) MUST_CHECK;

#endif
