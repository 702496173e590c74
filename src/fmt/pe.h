/*
 * pe: PE32 and PE32+ images, as a file or as loaded in memory. Refuses to know where the bytes come
 * from: everything is read, sparingly, through a mem_reader.
 *
 * A pe_view stands on a reader and one of two layouts: PE_FILE (reader addresses are file offsets,
 * RVAs are translated by the section table) or PE_LOADED (RVA = reader address - base). Short
 * reads and pages that cannot be read are normal: what cannot be read answers ERR_FAULT, what makes
 * no sense ERR_CORRUPT, what is not there ERR_NOTFOUND. Counts from the image are bounded by
 * PE_MAX_xxx.
 *
 * Format: Microsoft "PE Format" (learn.microsoft.com/windows/win32/debug/pe-format).
 */
#ifndef RS_FMT_PE_H
#define RS_FMT_PE_H

#include "base/reader.h"
#include "base/source.h"

typedef enum pe_layout { PE_FILE, PE_LOADED } pe_layout;

enum {
	PE_MAX_SECTIONS = 1024,
	PE_MAX_HEADERS = 1 << 20, /* SizeOfHeaders */
	PE_MAX_EXPORTS = 1 << 17,
	PE_MAX_NAME = 4096, /* one export, import or module name */
	PE_MAX_DEBUG = 64,
	PE_MAX_RESOURCE = 1 << 16 /* version resource, bytes */
};

enum {
	PE_MACHINE_I386 = 0x14c,
	PE_MACHINE_ARMNT = 0x1c4,
	PE_MACHINE_AMD64 = 0x8664,
	PE_MACHINE_ARM64 = 0xaa64
};

typedef enum pe_dir {
	PE_DIR_EXPORT,
	PE_DIR_IMPORT,
	PE_DIR_RESOURCE,
	PE_DIR_EXCEPTION,
	PE_DIR_SECURITY,
	PE_DIR_BASERELOC,
	PE_DIR_DEBUG,
	PE_DIR_ARCHITECTURE,
	PE_DIR_GLOBALPTR,
	PE_DIR_TLS,
	PE_DIR_LOAD_CONFIG,
	PE_DIR_BOUND_IMPORT,
	PE_DIR_IAT,
	PE_DIR_DELAY_IMPORT,
	PE_DIR_COM,
	PE_DIR_RESERVED,
	PE_NDIRS
} pe_dir;

enum {
	PE_SCN_CODE = 0x20,
	PE_SCN_INIT_DATA = 0x40,
	PE_SCN_UNINIT_DATA = 0x80,
	PE_SCN_DISCARDABLE = 0x02000000,
	PE_SCN_EXECUTE = 0x20000000,
	PE_SCN_READ = 0x40000000,
	PE_SCN_WRITE = (int)0x80000000
};

typedef struct pe_section {
	char name[9]; /* NUL-terminated */
	uint32_t rva, vsize;
	uint32_t raw, raw_size; /* file offset and size */
	uint32_t flags;		/* PE_SCN_xxx */
} pe_section;

typedef struct pe_view {
	/* where from */
	mem_reader mem;
	uint64_t base; /* reader address of the image's first byte */
	pe_layout layout;
	/* headers */
	bool plus; /* PE32+ */
	uint16_t machine, characteristics, subsystem, dll_characteristics;
	uint16_t os_major, os_minor, image_major, image_minor, subsys_major, subsys_minor;
	uint8_t linker_major, linker_minor;
	uint32_t timestamp, checksum, image_size, headers_size, entry; /* entry: RVA, 0 none */
	uint32_t section_align, file_align;
	uint64_t preferred_base;
	struct {
		uint32_t rva, size;
	} dir[PE_NDIRS];
	pe_section *sec; /* in the arena given to pe_open */
	size_t nsec;
	arena *a;
	/* export tables, read on demand */
	struct pe_exports *exports;
	err exports_err;
} pe_view;

/* A reader over bytes in memory; *s must outlive it. Address 0 is the first byte. */
mem_reader pe_bytes(const str *s);

/* Reads the headers (one read of up to 4 KB, a second one only if they are longer). What the view
 * keeps lives in a; p itself may be anywhere. */
err pe_open(pe_view *p, arena *a, const mem_reader *mem, uint64_t base, pe_layout layout,
	diag *d) MUST_CHECK;

/* All n bytes at an RVA, or ERR_FAULT. In a file, what lies in a section behind its raw data reads
 * as zero, as the loader makes it. */
err pe_read(const pe_view *p, uint32_t rva, void *dst, size_t n) MUST_CHECK;
/* As much as there is; ERR_FAULT if nothing. */
err pe_read_some(const pe_view *p, uint32_t rva, void *dst, size_t n, size_t *n_ret) MUST_CHECK;
/* Text up to a NUL, at most max bytes of it, copied into a. */
err pe_read_z(const pe_view *p, arena *a, uint32_t rva, size_t max, str *ret) MUST_CHECK;

const pe_section *pe_section_at(const pe_view *p, uint32_t rva); /* NULL: none (headers too) */
/* Could image have become what it is by taking sections off the end of file, as strip does? */
bool pe_same_layout(const pe_view *image, const pe_view *file);

/* ---- exports ---- */

typedef struct pe_export {
	str name;	  /* empty: by ordinal only; in the arena asked for */
	uint32_t ordinal; /* biased, as a linker would use it */
	uint32_t rva;
	str forward; /* "NTDLL.RtlFoo" if forwarded (rva then points to this text), else empty */
} pe_export;

/* The image's own name from the export directory. */
err pe_export_module(const pe_view *p, arena *a, str *ret) MUST_CHECK;
/* Binary search that reads only the names it compares; exact case. */
err pe_export_find(pe_view *p, arena *a, str name, pe_export *ret) MUST_CHECK;
/* Nearest export at or below rva (not forwarders); *disp is the distance. Reads the address and
 * ordinal tables once, then only one name. */
err pe_export_at(pe_view *p, arena *a, uint32_t rva, pe_export *ret, uint32_t *disp) MUST_CHECK;
/* The next export above rva. */
err pe_export_after(pe_view *p, arena *a, uint32_t rva, pe_export *ret, uint32_t *disp) MUST_CHECK;
/* All, by ordinal order (an address with two names comes twice). Return false from cb to stop. An
 * entry whose name cannot be read is passed over and counted in *lost. */
err pe_export_each(pe_view *p, arena *a, bool (*cb)(void *u, const pe_export *e), void *u,
	size_t *lost) MUST_CHECK;

/* ---- COFF symbols and long section names, in the bytes of a file (pe_coff.c) ---- */

typedef struct pe_coff {
	str file;
	size_t sec_at, nsec;
	const uint8_t *sym; /* n = 0: stripped */
	size_t n;
	str names;
} pe_coff;

typedef struct pe_coff_sym {
	str name;
	uint32_t rva;
	bool defined, external, function, code;
} pe_coff_sym;

bool pe_coff_open(str file, pe_coff *ret);
/* False behind the last. bytes: empty if there are none in the file. */
bool pe_coff_section(const pe_coff *c, size_t i, str *name, str *bytes);
/* *next: the number of the next one. */
bool pe_coff_symbol(const pe_coff *c, size_t i, pe_coff_sym *ret, size_t *next);

/* ---- debug directory ---- */

enum {
	PE_DEBUG_CODEVIEW = 2,
	PE_DEBUG_MISC = 4,
	PE_DEBUG_POGO = 13,
	PE_DEBUG_REPRO = 16,
	PE_DEBUG_EX_DLLCHAR = 20
};

typedef struct pe_debug {
	uint32_t type; /* PE_DEBUG_xxx */
	uint32_t timestamp, size, rva, raw;
} pe_debug;

/* What links an image to its PDB. */
typedef struct pe_codeview {
	bool rsds;	  /* else NB10: sig instead of guid */
	uint8_t guid[16]; /* as stored */
	uint32_t sig, age;
	str path;
} pe_codeview;

err pe_debug_each(const pe_view *p, bool (*cb)(void *u, const pe_debug *e), void *u) MUST_CHECK;
err pe_debug_codeview(const pe_view *p, arena *a, pe_codeview *ret) MUST_CHECK;
/* Hash of a reproducible build (the timestamp is then no time). Empty if the entry has none. */
err pe_debug_repro(const pe_view *p, arena *a, str *ret) MUST_CHECK;
/* "{01234567-...}" style text of a GUID as stored: upper case, without braces or dashes if bare
 * (that plus the age in hex is the symbol server's key). */
void pe_guid_text(const uint8_t guid[16], bool bare, buf *out);

/* ---- .pdata (amd64) ---- */

typedef struct pe_func {
	uint32_t begin, end, unwind; /* RVAs */
} pe_func;

/* Entry that holds rva: binary search, the last 4 KB in one read. ERR_NOTFOUND: a leaf function. */
err pe_func_at(const pe_view *p, uint32_t rva, pe_func *ret) MUST_CHECK;
size_t pe_func_count(const pe_view *p);
err pe_func_nth(const pe_view *p, size_t i, pe_func *ret) MUST_CHECK;

/* ---- version resource ---- */

typedef struct pe_version {
	bool fixed; /* the numbers are there */
	uint16_t file[4], product[4];
	uint32_t flags, flags_mask, os, type, subtype;
	struct pe_version_str {
		str lang, key, value; /* lang as "040904b0" */
	} * strs;
	size_t nstrs;
} pe_version;

err pe_version_get(const pe_view *p, arena *a, pe_version *ret) MUST_CHECK;
str pe_version_find(const pe_version *v, str key); /* first language that has it; empty if none */

#endif
