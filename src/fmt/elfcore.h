/*
 * elfcore: the layout of ELF core files of 64-bit Linux on x64: program headers, notes, and the
 * structures inside of them, both ways. Pure packing: refuses to know where bytes come from, what
 * process they are of, and what is worth writing.
 *
 * Reading: views into bytes that somebody else holds; every count is bounded by the bytes that are
 * there. A file that ends too early is read as far as it goes. Writing: the caller gives segments
 * and notes, elfcore_layout says where they go.
 *
 * Sources: core(5) and elf(5) of the Linux manual; the kernel's public headers linux/elfcore.h
 * (elf_prstatus, elf_prpsinfo), linux/elf.h (note types) and asm/user.h (order of the registers);
 * the comment above fill_files_note in the kernel's fs/binfmt_elf.c for NT_FILE.
 */
#ifndef RS_FMT_ELFCORE_H
#define RS_FMT_ELFCORE_H

#include "arch/x64.h"
#include "base/reader.h"

enum {
	ELFCORE_PRSTATUS = 1,
	ELFCORE_FPREGSET = 2,
	ELFCORE_PRPSINFO = 3,
	ELFCORE_AUXV = 6,
	ELFCORE_XSTATE = 0x202,
	ELFCORE_SIGINFO = 0x53494749,
	ELFCORE_FILE = 0x46494c45
};

enum {
	ELFCORE_PRSTATUS_SIZE = 336,
	ELFCORE_PRPSINFO_SIZE = 136,
	ELFCORE_FPREGSET_SIZE = 512,
	ELFCORE_SIGINFO_SIZE = 128,
	ELFCORE_PAGE = 4096,
	ELFCORE_MAX_SEGS = 1 << 22,
	ELFCORE_MAX_NOTES = 1 << 28 /* bytes of one PT_NOTE segment */
};

typedef struct elfcore_seg {
	uint32_t flags; /* ELF_PF_xxx */
	uint64_t off, vaddr, filesz, memsz;
} elfcore_seg;

typedef struct elfcore_file {
	uint64_t start, end;
	uint64_t off; /* in the file, in bytes */
	str path;
} elfcore_file;

typedef struct elfcore_thread {
	uint32_t tid, ppid, pgrp, sid;
	int32_t signo, code, errnum; /* of the signal that stopped it */
	uint16_t cursig;
	uint64_t sigpend, sighold;
	uint64_t utime, stime, cutime, cstime; /* microseconds */
	x64_regs regs;	     /* FLOAT valid if there was an FPREGSET or XSTATE */
	str xstate, siginfo; /* empty: none */
} elfcore_thread;

typedef struct elfcore_process {
	char state; /* 'R' 'S' ... */
	uint8_t nice;
	uint64_t flags;
	uint32_t uid, gid, pid, ppid, pgrp, sid;
	char name[17], args[81]; /* NUL-terminated, cut by the format */
} elfcore_process;

typedef struct elfcore {
	const elfcore_seg *seg; /* in the file's order */
	size_t nseg;
	const elfcore_thread *thread; /* the one that was current first */
	size_t nthread;
	const elfcore_file *file;
	size_t nfile;
	str auxv;
	elfcore_process process;
	bool has_process;
	uint64_t end; /* bytes that the headers speak of: more than there are if it was cut */
	bool damaged; /* a note, or a table of them, does not hold what it says */
} elfcore;

/* An ELF file of any kind that says it is a core. */
bool elfcore_is(const void *p, size_t n);
/*
 * ERR_UNSUPPORTED: a core of another machine; ERR_CORRUPT: no core, or one in which not even one
 * thread is left.
 */
err elfcore_open(elfcore *ret, arena *a, const void *p, size_t n, diag *d) MUST_CHECK;

/* ---- writing ---- */

void elfcore_note_add(buf *b, const char *name, uint32_t type, const void *desc, size_t n);
/* fp_valid: an FPREGSET note follows. */
void elfcore_prstatus_put(
	const elfcore_thread *t, bool fp_valid, uint8_t to[ELFCORE_PRSTATUS_SIZE]);
void elfcore_prpsinfo_put(const elfcore_process *p, uint8_t to[ELFCORE_PRPSINFO_SIZE]);
/* The body of the NT_FILE note. */
void elfcore_files_put(const elfcore_file *f, size_t n, buf *to);
/*
 * Gives every segment its place (off) behind headers and notes, each at the start of a page, and
 * appends to `to` all bytes of the file before the first segment. Returns the file's whole size.
 */
uint64_t elfcore_layout(elfcore_seg *seg, size_t n, str notes, buf *to);

#endif
