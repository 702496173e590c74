/*
 * nt: the os table for NT-family kernels, and what commands that print kernel structures need
 * beyond it: fields by name, globals, reading through a process, the kernel's own debugger data
 * block.
 *
 * Refuses to know output. A field's place comes from the kernel's symbols; where there are no
 * types, from what the kernel publishes in KDDEBUGGER_DATA64, from its exported accessor functions,
 * or from a layout that a public header fixes for all versions. When none has it the error names
 * the type, the field and what to do.
 */
#ifndef RS_OS_NT_NT_H
#define RS_OS_NT_NT_H

#include "os/os.h"

typedef struct nt nt;

/* NULL if o is another system. */
nt *nt_of(os *o);

enum { NT_UNITS_MAX = 256, NT_STRING_MAX = 32768 };

/* Where a field is. size: bytes to read (bit fields: of the container); 0 for aggregates. */
typedef struct nt_off {
	uint32_t off;
	uint32_t size;
	uint8_t bit_pos, bit_len; /* bit_len 0: no bit field */
	uint32_t whole;		  /* bytes of the whole field (arrays, structures) */
} nt_off;

/*
 * Offset of path ("Tcb.State") in nt!type. ERR_NOTFOUND: the type is known and has no such field in
 * this build (then it is optional and no reason to complain), or nothing is known about it (words
 * in d). Cached for the session, forgotten when the kernel's symbols are loaded anew.
 */
err nt_field(nt *n, const char *type, const char *path, nt_off *ret, diag *d) MUST_CHECK;
bool nt_has(nt *n, const char *type, const char *path);
/* Size of nt!type in bytes. */
err nt_sizeof(nt *n, const char *type, uint64_t *ret, diag *d) MUST_CHECK;

/* Value of the field of the structure at base in kernel memory, zero extended. */
err nt_get(nt *n, uint64_t base, const char *type, const char *path, uint64_t *ret,
	diag *d) MUST_CHECK;
/* As nt_get; dflt when the field does not exist or cannot be read. */
uint64_t nt_get_or(nt *n, uint64_t base, const char *type, const char *path, uint64_t dflt);
/* As nt_get, for a structure in a process's user memory. */
err nt_get_user(nt *n, const os_process *p, uint64_t base, const char *type, const char *path,
	uint64_t *ret, diag *d) MUST_CHECK;
/* Bit field of a value that was read: false if the build has no such field. */
bool nt_bits(nt *n, const char *type, const char *path, uint64_t value, uint64_t *ret);

/* Kernel memory, all or nothing. */
err nt_read(nt *n, uint64_t addr, void *to, size_t size, diag *d) MUST_CHECK;
err nt_read_u64(nt *n, uint64_t addr, uint64_t *ret, diag *d) MUST_CHECK;
/* User memory of p through its page tables, pages in transition included; all or nothing. */
err nt_read_user(
	nt *n, const os_process *p, uint64_t addr, void *to, size_t size, diag *d) MUST_CHECK;
/* UNICODE_STRING at addr to UTF-8; p NULL: kernel memory. At most NT_STRING_MAX bytes. */
err nt_read_string(
	nt *n, const os_process *p, uint64_t addr, arena *a, str *ret, diag *d) MUST_CHECK;

/* Value (not address) of an integer global; size 1 2 4 8. */
err nt_global_value(nt *n, const char *name, size_t size, uint64_t *ret, diag *d) MUST_CHECK;
/* Fields of KDDEBUGGER_DATA64 by the names of wdbgexts.h. ERR_NOTFOUND: none, or the block of this
 * kernel is shorter. Value as stored there: mostly an address. */
err nt_kd_value(nt *n, str name, uint64_t *ret, diag *d) MUST_CHECK;

/* Walks a LIST_ENTRY list; entries are addresses of the links. p NULL: kernel memory. ERR_STATE: a
 * null head, the list was never initialised; ERR_CORRUPT: damaged, what was walked before counts.
 */
typedef bool nt_link_fn(void *u, uint64_t entry);
err nt_list(nt *n, const os_process *p, uint64_t head, const char *what, nt_link_fn *fn, void *u,
	diag *d) MUST_CHECK;

/* KPCR and KPRCB of a processor. */
err nt_prcb(nt *n, unit_t u, uint64_t *ret, diag *d) MUST_CHECK;
err nt_pcr(nt *n, unit_t u, uint64_t *ret, diag *d) MUST_CHECK;
uint32_t nt_units(nt *n); /* processors that answer; at least 1 */

/* Virtual address of the table entry that maps va, 1 = PTE ... 4 = PXE; 0 if the base is unknown.
 */
uint64_t nt_pte_address(nt *n, uint64_t va, int level);
/* The inverse: the address that the PTE at addr maps; false if addr is not among page tables. */
bool nt_pte_to_va(nt *n, uint64_t addr, uint64_t *ret);

/* What a not-present entry says, in words ("page file 0 offset 1234"); never empty. */
void nt_pte_words(nt *n, uint64_t value, buf *out);

/* ---- VADs: ranges of a process's user space ---- */

typedef struct nt_vad {
	uint64_t at, left, right;
	uint64_t start, end; /* page numbers, end included */
	uint64_t commit, protect, type;
	bool private_memory;
} nt_vad;

enum { NT_VAD_IMAGE = 2 }; /* MI_VAD_TYPE: a mapped image */

/* ERR_NOTFOUND: this kernel's symbols do not know VADs. */
err nt_vad_root(nt *n, const os_process *p, uint64_t *ret, diag *d) MUST_CHECK;
err nt_vad_read(nt *n, uint64_t at, nt_vad *ret, diag *d) MUST_CHECK;
/* In order of addresses. ERR_CORRUPT at the end if the tree was damaged somewhere. */
typedef bool nt_vad_fn(void *u, const nt_vad *v, unsigned level);
err nt_vad_walk(nt *n, uint64_t root, nt_vad_fn *fn, void *u, diag *d) MUST_CHECK;
/* The one that holds a user address. */
err nt_vad_find(nt *n, uint64_t root, uint64_t addr, nt_vad *ret, diag *d) MUST_CHECK;
/* Path of the mapped file; empty if there is none or the types on the way are missing. */
str nt_vad_file(nt *n, const nt_vad *v, arena *a);

/* ---- objects ---- */

typedef struct nt_object {
	uint64_t addr, header;
	uint64_t type; /* OBJECT_TYPE */
	uint64_t handles, pointers;
	uint64_t creator_info, name_info; /* what stands before the header; 0: not there */
	uint64_t directory;		  /* that it is named in, 0: none */
	bool by_index;			  /* the header holds the number of its type */
} nt_object;

/* ERR_NOTFOUND: there is no object, or the kernel's types do not tell. */
err nt_object_get(nt *n, uint64_t addr, nt_object *ret, diag *d) MUST_CHECK;
err nt_object_of_header(nt *n, uint64_t header, nt_object *ret, diag *d) MUST_CHECK;
/* Empty where there is none, or it cannot be read. */
str nt_object_name(nt *n, const nt_object *o, arena *a);
str nt_object_type_name(nt *n, uint64_t type, arena *a);
str nt_link_target(nt *n, uint64_t link, arena *a);
str nt_file_name(nt *n, uint64_t file, arena *a);

err nt_root_directory(nt *n, uint64_t *ret, diag *d) MUST_CHECK;
/* The object at "\Device\Null"; "\" is the root itself. Links are not followed. */
err nt_object_find(nt *n, str path, uint64_t *ret, diag *d) MUST_CHECK;
typedef bool nt_directory_fn(void *u, unsigned bucket, uint64_t object);
/* ERR_CORRUPT: damaged, what was told before counts. */
err nt_directory(nt *n, uint64_t dir, nt_directory_fn *fn, void *u, diag *d) MUST_CHECK;

enum { NT_HANDLE_PROTECTED = 1, NT_HANDLE_INHERIT = 2, NT_HANDLE_AUDIT = 4 }; /* ntdef.h: OBJ_* */

typedef struct nt_handle {
	uint64_t value;	 /* as programs know it */
	uint64_t entry;	 /* address of its entry */
	uint64_t object; /* the header (in PspCidTable the object itself); 0: free */
	uint64_t next_free;
	uint32_t access;
	unsigned attributes;
} nt_handle;

err nt_handle_count(nt *n, uint64_t table, uint64_t *ret, diag *d) MUST_CHECK;
/* The handles of a table from first to last, free ones included. */
typedef bool nt_handle_fn(void *u, const nt_handle *h);
err nt_handles(nt *n, uint64_t table, uint64_t first, uint64_t last, nt_handle_fn *fn, void *u,
	diag *d) MUST_CHECK;

/* Names of KTHREAD_STATE and KWAIT_REASON values (wdm.h); the kernel's own enums come first. */
str nt_thread_state(nt *n, uint64_t v);
str nt_wait_reason(nt *n, uint64_t v);

#endif
