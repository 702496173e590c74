/*
 * elf: 64-bit little-endian ELF files: headers, sections, symbol tables, notes, the dynamic
 * section; and an image that a target has in memory, taken as a file. Refuses to know DWARF and
 * where the bytes came from.
 *
 * An elf_view stands on bytes that somebody else holds. Everything is bounded: counts by
 * ELF_MAX_xxx, ranges by the file. What a file says about itself is checked when it is used, so a
 * damaged section costs only what it holds.
 *
 * Source: "Tool Interface Standard ELF" and the gABI (refspecs.linuxfoundation.org/elf), the x86-64
 * psABI, the GNU extensions as described in the LSB and in binutils' documentation.
 */
#ifndef RS_FMT_ELF_H
#define RS_FMT_ELF_H

#include "base/reader.h"
#include "base/source.h"

enum {
	ELF_MAX_PHDRS = 1024,
	ELF_MAX_SECTIONS = 1 << 18,
	ELF_MAX_BUILD_ID = 64,
	ELF_MAX_NAME = 1 << 16,
	ELF_MAX_LOADED = 64 << 20 /* an image that is copied from a target */
};
#define ELF_MAX_UNPACKED ((uint64_t)3 << 30) /* a compressed section, unpacked */

enum { ELF_EXEC = 2, ELF_DYN = 3, ELF_CORE = 4, ELF_REL = 1 }; /* e_type */
enum { ELF_MACHINE_386 = 3, ELF_MACHINE_X64 = 62, ELF_MACHINE_ARM64 = 183 };
enum {
	ELF_PT_LOAD = 1,
	ELF_PT_DYNAMIC = 2,
	ELF_PT_INTERP = 3,
	ELF_PT_NOTE = 4,
	ELF_PT_TLS = 7,
	ELF_PT_GNU_EH_FRAME = 0x6474e550
};
enum { ELF_PF_X = 1, ELF_PF_W = 2, ELF_PF_R = 4 };
enum { ELF_SHT_SYMTAB = 2, ELF_SHT_NOTE = 7, ELF_SHT_NOBITS = 8, ELF_SHT_DYNSYM = 11 };
enum { ELF_SHF_WRITE = 1, ELF_SHF_ALLOC = 2, ELF_SHF_EXEC = 4, ELF_SHF_COMPRESSED = 0x800 };
enum {
	ELF_STT_NOTYPE,
	ELF_STT_OBJECT,
	ELF_STT_FUNC,
	ELF_STT_SECTION,
	ELF_STT_FILE,
	ELF_STT_COMMON,
	ELF_STT_TLS,
	ELF_STT_IFUNC = 10
};
enum { ELF_STB_LOCAL, ELF_STB_GLOBAL, ELF_STB_WEAK, ELF_STB_UNIQUE = 10 };

typedef struct elf_phdr {
	uint32_t type, flags;
	uint64_t off, vaddr, filesz, memsz, align;
} elf_phdr;

typedef struct elf_sec {
	str name;
	uint32_t type, link, info;
	uint64_t flags, addr, off, size;
} elf_sec;

/* A symbol table where it stands; n = 0: none. */
typedef struct elf_syms {
	const uint8_t *sym;
	size_t n;
	str names;
	const uint8_t *hash; /* .gnu.hash, may be NULL */
	size_t hash_n;
} elf_syms;

typedef struct elf_view {
	const uint8_t *p;
	size_t n;
	uint16_t type, machine;
	uint64_t entry;
	const elf_phdr *ph;
	size_t nph;
	const elf_sec *sec; /* [0] is the empty one */
	size_t nsec;
	uint64_t base; /* lowest address of a PT_LOAD, rounded down to its page */
	uint64_t span; /* from there to the end of the highest; 0: nothing is loaded */
	elf_syms symtab, dynsym;
	uint8_t build_id[ELF_MAX_BUILD_ID];
	size_t build_id_n;
} elf_view;

typedef struct elf_sym {
	str name; /* without @VERSION */
	uint64_t value, size;
	uint8_t type, bind;
	uint16_t shndx; /* 0: not defined here */
} elf_sym;

bool elf_is(const void *p, size_t n);
/* The view points into p and the arena. ERR_UNSUPPORTED: a 32-bit or big-endian file. */
err elf_open(elf_view *ret, arena *a, const void *p, size_t n, diag *d) MUST_CHECK;
/*
 * The image at base of memory as the bytes of a file: headers and segments, each at its address
 * less the lowest. What cannot be read is zero. Free with mem_free.
 */
err elf_from_memory(
	const mem_reader *m, uint64_t base, uint8_t **ret, size_t *n_ret, diag *d) MUST_CHECK;

const elf_sec *elf_sec_find(const elf_view *v, str name); /* NULL if there is none */
/* The section's bytes in the file, as they stand (perhaps packed). False: none, or not inside. */
bool elf_sec_bytes(const elf_view *v, const elf_sec *s, str *ret);
/* Is it packed: SHF_COMPRESSED or a .zdebug section? *size gets the size without packing. */
bool elf_sec_packed(const elf_view *v, const elf_sec *s, uint64_t *size);
/* Unpacks into to, size bytes as elf_sec_packed told. */
err elf_sec_unpack(
	const elf_view *v, const elf_sec *s, uint8_t *to, uint64_t size, diag *d) MUST_CHECK;
/* The file inside of .gnu_debugdata, unpacked: it has the functions that the dynamic table does not
 * name. Free with mem_free. ERR_NOTFOUND: no such section. */
err elf_debugdata(const elf_view *v, uint8_t **ret, size_t *n_ret, diag *d) MUST_CHECK;
/* File bytes behind an address; *n_ret bytes follow in the same segment. NULL: none. */
const uint8_t *elf_at(const elf_view *v, uint64_t vaddr, size_t *n_ret);
/* Value of a dynamic entry (DT_xxx); false if there is none. */
bool elf_dynamic(const elf_view *v, uint64_t tag, uint64_t *ret);

bool elf_sym_get(const elf_syms *t, size_t i, elf_sym *ret);
/* Through .gnu.hash; ERR_NOTFOUND, ERR_UNSUPPORTED: no such table. */
err elf_gnu_find(const elf_syms *t, str name, elf_sym *ret, size_t *index) MUST_CHECK;

/*
 * Calls fn for every jump of the procedure linkage table: address and length of the entry, and the
 * symbol of the table t (the dynamic one) that it goes to. Entries whose symbol is unknown are left
 * out.
 */
void elf_plt_each(
	const elf_view *v, void (*fn)(void *u, uint64_t addr, uint32_t n, str name), void *u);

/* Range of the unwind table's entry that covers addr, by .eh_frame_hdr; false: none, or a kind of
 * table that no linker of today writes. */
bool elf_fde_at(const elf_view *v, uint64_t addr, uint64_t *begin, uint64_t *end);

/* Entry i of an auxiliary vector (System V ABI, AMD64 supplement); false behind the last. */
bool elf_auxv_nth(str v, size_t i, uint64_t *type, uint64_t *value);
/* Value of the entry of that type (AT_xxx of <elf.h>); false: none. */
bool elf_auxv(str v, uint64_t type, uint64_t *ret);

/* Name and CRC of .gnu_debuglink. */
bool elf_debuglink(const elf_view *v, str *name, uint32_t *crc);
/* Name and build-id of .gnu_debugaltlink (dwz). */
bool elf_debugaltlink(const elf_view *v, str *name, str *id);
uint32_t elf_crc32(const void *p, size_t n);
void elf_build_id_text(const uint8_t *id, size_t n, buf *out);

/* One section of a file that is made up: see elf_pack. */
typedef struct elf_part {
	const char *name;
	const void *p;
	uint64_t n;
} elf_part;
/*
 * A minimal ELF file that holds these sections and nothing else, for a reader that only takes whole
 * files. Free with mem_free; at[i], if not NULL, gets where part i stands in it.
 */
uint8_t *elf_pack(const elf_part *part, size_t n, size_t *size, uint64_t *at);

/*
 * C++ (Itanium) and Rust names in plain words: the qualified name with its template arguments,
 * without parameters and result ("ns::T<int>::f"). False, and nothing added, if raw is no such name
 * or is not understood.
 */
bool elf_undec(str raw, buf *out);
/* Of these the ones of Rust. raw is decorated. */
bool elf_is_rust(str raw);
bool elf_undec_rust(str raw, buf *out);
/* Could raw be one? Cheap. */
static inline bool elf_decorated(str raw)
{
	return raw.n > 3 && raw.p[0] == '_' && (raw.p[1] == 'Z' || raw.p[1] == 'R');
}

#endif
