/*
 * x64: what the processor defines, and nothing else: registers, instructions, page tables, unwind
 * codes. Refuses to know files, links and targets: memory comes in through callbacks.
 *
 *   regs.c     register table (regs.def), subregisters, flags
 *   context.c  the CONTEXT record
 *   insn.c     decoding (Zydis)
 *   format.c   WinDbg-style text
 *   emulate.c  runs one instruction on an x64_regs
 *   walk.c     page-table walk
 *   unwind.c   one frame up, from UNWIND_INFO
 */
#ifndef RS_ARCH_X64_H
#define RS_ARCH_X64_H

#include "base/source.h"
#include "base/str.h"

/* ---- registers ---- */

enum {
	X64_RAX,
	X64_RCX,
	X64_RDX,
	X64_RBX,
	X64_RSP,
	X64_RBP,
	X64_RSI,
	X64_RDI,
	X64_R8,
	X64_R9,
	X64_R10,
	X64_R11,
	X64_R12,
	X64_R13,
	X64_R14,
	X64_R15,
	X64_NGPR
};
enum { X64_ES, X64_CS, X64_SS, X64_DS, X64_FS, X64_GS, X64_NSEG };

/* Groups that a target can fetch and that `valid` counts. */
typedef enum x64_set {
	X64_SET_CONTROL = 1,	/* rip rsp eflags cs ss */
	X64_SET_INTEGER = 2,	/* the other general registers */
	X64_SET_SEGMENTS = 4,	/* ds es fs gs */
	X64_SET_DEBUG = 8,	/* dr0-3 dr6 dr7 */
	X64_SET_FLOAT = 0x10,	/* x87, SSE: the FXSAVE image and mxcsr */
	X64_SET_SPECIAL = 0x20, /* cr0 cr2 cr3 cr4 cr8, gdtr idtr tr ldtr */
	X64_SET_BASES = 0x40,	/* fs_base gs_base restart: user mode; a CONTEXT has none */
	X64_SET_GENERAL = X64_SET_CONTROL | X64_SET_INTEGER | X64_SET_SEGMENTS,
	X64_SET_ALL = 0x3f /* what a kernel target serves */
} x64_set;

typedef struct x64_regs {
	uint32_t valid; /* x64_set bits that hold something */
	uint64_t gpr[X64_NGPR];
	uint64_t rip;
	uint32_t eflags;
	uint16_t seg[X64_NSEG];
	uint64_t dr[8]; /* 4 and 5 unused */
	uint64_t cr0, cr2, cr3, cr4, cr8;
	uint64_t gdtr_base, idtr_base;
	uint16_t gdtr_limit, idtr_limit, tr, ldtr;
	uint64_t fs_base, gs_base;
	uint64_t restart; /* the system call that may be begun again, -1 none: Linux's orig_rax */
	uint32_t mxcsr;
	uint8_t fx[512]; /* FXSAVE64 layout */
} x64_regs;

enum { X64_FX_ST = 32, X64_FX_XMM = 160 }; /* where st0 and xmm0 are in fx */

enum {
	X64_FL_CF = 1,
	X64_FL_PF = 4,
	X64_FL_AF = 0x10,
	X64_FL_ZF = 0x40,
	X64_FL_SF = 0x80,
	X64_FL_TF = 0x100,
	X64_FL_IF = 0x200,
	X64_FL_DF = 0x400,
	X64_FL_OF = 0x800,
	X64_FL_RF = 0x10000
};

/* One name that `r` and expressions know: rax, eax, ax, al, ah, zf, iopl, xmm0, st0, mm0 ... */
typedef struct x64_reg {
	const char *name;
	uint16_t set;	 /* x64_set it lives in */
	uint16_t offset; /* into x64_regs */
	uint8_t bytes;	 /* width of the container at offset: 2 4 8 10 16 */
	uint8_t shift;	 /* lowest bit of the value inside the container */
	uint8_t bits;	 /* width of the value: 1 2 8 16 32 64 80 128 */
	uint8_t zeroes;	 /* writing clears the rest of the container (eax) */
} x64_reg;

const x64_reg *x64_reg_find(str name); /* NULL if there is none; case folded */
const x64_reg *x64_reg_at(size_t i);   /* the table in order, NULL behind its end */
uint64_t x64_reg_get(const x64_regs *r, const x64_reg *reg); /* low 64 bits */
void x64_reg_set(x64_regs *r, const x64_reg *reg, uint64_t v);

/* ---- the CONTEXT record of 64-bit NT (winnt.h), 1232 bytes; also KD's wire form ---- */

enum { X64_CONTEXT_SIZE = 1232 };
/* Byte range [*begin, *end) of the CONTEXT that holds these sets (SPECIAL has none). */
void x64_context_range(unsigned sets, size_t *begin, size_t *end);
/* Reads bytes [begin, begin+n) of a CONTEXT into r; whole sets that lie inside become valid. */
err x64_context_get(x64_regs *r, const uint8_t *p, size_t begin, size_t n) MUST_CHECK;
/* Writes r's valid sets into a whole CONTEXT image and sets ContextFlags. */
void x64_context_put(const x64_regs *r, uint8_t p[X64_CONTEXT_SIZE]);

/* ---- instructions ---- */

typedef enum x64_flow {
	X64_FLOW_NEXT, /* falls through */
	X64_FLOW_CALL,
	X64_FLOW_RET,
	X64_FLOW_JMP,
	X64_FLOW_COND,	  /* jcc, loop, jrcxz */
	X64_FLOW_SYSCALL, /* syscall, sysenter, int n (not 3) */
	X64_FLOW_SYSRET,  /* iretq, sysret */
	X64_FLOW_BREAK	  /* int3, int 2c..., ud2, hlt */
} x64_flow;

enum { X64_INSN_MAX = 15 };

typedef struct x64_insn {
	uint64_t addr;
	uint8_t len;
	uint8_t bytes[X64_INSN_MAX];
	x64_flow flow;
	bool has_target; /* direct branch: target is known */
	uint64_t target;
	bool rep;     /* rep/repne string instruction: a step stays on it */
	bool has_mem; /* explicit memory operand; ea from x64_insn_ea */
	uint8_t mem_size;
	bool mem_write;
	bool mem_stack; /* addressed by rsp or rbp: the segment is ss */
	bool rip_relative;
	uint64_t rip_target; /* address of the rip-relative operand */
	/* The address of the operand in memory, if it is of 64-bit registers and numbers only. */
	bool ea_plain;
	int8_t ea_base, ea_index; /* general registers, -1 none */
	uint8_t ea_scale;
	uint64_t ea_disp;
} x64_insn;

/* The operand of an address, as text ("nt!Foo+0x12 (fffff800`12345678)"); return false for none. */
typedef struct x64_names {
	void *u;
	bool (*name)(void *u, uint64_t addr, buf *out);
} x64_names;

/* ERR_CORRUPT if the bytes are no instruction, ERR_FAULT if they end inside one. */
err x64_decode(const uint8_t *p, size_t n, uint64_t addr, x64_insn *ret) MUST_CHECK;
/* WinDbg's operand text: "mov     rax,qword ptr [rsp+8]", "call    nt!Foo (fffff800`00001234)".
 * names may be NULL. Appends to out; no newline. regs (may be NULL) adds nothing here. */
void x64_format(const x64_insn *in, const x64_names *names, buf *out);
/* What u prints behind the address: the bytes in a column of 16, then the text. */
void x64_format_line(const x64_insn *in, const x64_names *names, buf *out);
/* Effective address of the memory operand; false if none or a needed set is not valid. */
bool x64_insn_ea(const x64_insn *in, const x64_regs *r, uint64_t *ret);
/* Registers that the instruction names, those of addresses included, each once and in the order of
 * its operands; implied ones (the stack pointer of push) are left out. Returns how many, at most
 * max. */
size_t x64_insn_regs(const x64_insn *in, const x64_reg **ret, size_t max);
/* Condition code of jcc, setcc, cmovcc (0 o, 1 no, 2 b ... 15 g) against flags. */
bool x64_cond(unsigned cc, uint32_t eflags);
/* Whether a branch is taken with these registers (loop and jrcxz look at rcx). */
bool x64_taken(const x64_insn *in, const x64_regs *r);

typedef struct x64_mem {
	void *u;
	err (*read)(void *u, uint64_t addr, void *buf, size_t n); /* all or nothing */
	err (*write)(void *u, uint64_t addr, const void *buf, size_t n);
} x64_mem;

/*
 * Executes one instruction on r (and memory), as the processor would, flags included.
 * ERR_UNSUPPORTED: not one of the instructions that are emulated (r and memory are then untouched).
 * `sets` of r must be valid: CONTROL and INTEGER. gs_base/fs_base are only needed for segment
 * overrides, which are unsupported.
 */
err x64_emulate(x64_regs *r, const x64_insn *in, const x64_mem *m) MUST_CHECK;
/* Which sets (bits of x64_set) and whether memory the emulation of `in` would touch; false if it is
 * not emulated. Lets a caller fetch the least. */
bool x64_emulate_needs(const x64_insn *in, unsigned *sets, bool *reads, bool *writes);
/* Whether it touches general registers and flags only, and no flag that is left undefined: then
 * nobody can tell the result from the processor's. */
bool x64_emulate_pure(const x64_insn *in);

/* ---- page tables (4 levels; 5 when la57) ---- */

typedef enum x64_walk_level { X64_PXE = 4, X64_PPE = 3, X64_PDE = 2, X64_PTE = 1 } x64_walk_level;

typedef struct x64_walk {
	int levels; /* entries read, from the top */
	struct {
		uint64_t addr; /* physical address of the entry */
		uint64_t value;
	} entry[5]; /* index = levels read so far, top first */
	bool present;
	uint64_t phys;	    /* of the address itself, if present */
	uint64_t page_size; /* 4096, 2 MiB, 1 GiB */
	bool user, writable, executable, global, large;
	bool reserved; /* the last entry is present but malformed: every access faults */
} x64_walk;

/* root: CR3 (low bits ignored). ERR_FAULT if a table cannot be read; otherwise OK, see present. */
err x64_walk_va(
	uint64_t root, uint64_t va, bool la57, const mem_reader *phys, x64_walk *ret) MUST_CHECK;

/* ---- unwinding (PE32+ .pdata) ---- */

typedef struct x64_func {
	uint64_t base;		     /* image base */
	uint32_t begin, end, unwind; /* RUNTIME_FUNCTION, RVAs */
} x64_func;

typedef struct x64_unwind_env {
	void *u;
	/* ERR_NOTFOUND: no entry (a leaf function, or no image there). */
	err (*func)(void *u, uint64_t pc, x64_func *ret);
	/* Image bytes (unwind info): may come from a file. All or nothing. */
	err (*image)(void *u, uint64_t addr, void *buf, size_t n);
	/* Stack bytes. All or nothing. */
	err (*stack)(void *u, uint64_t addr, void *buf, size_t n);
} x64_unwind_env;

/* UNWIND_INFO of an entry, indirect entries followed. */
typedef struct x64_unwind_info {
	uint64_t addr;	/* where it stands */
	uint32_t bytes; /* its size, without a handler's data */
	unsigned version, flags, prolog, ncodes, frame_reg, frame_off;
	bool chained;
	x64_func parent;  /* chained */
	uint32_t handler; /* RVA, 0 none */
	uint8_t code[256 * 2];
} x64_unwind_info;
/* ERR_CORRUPT: not a version that is known. Uses only env's image. */
err x64_unwind_info_read(
	const x64_unwind_env *env, const x64_func *f, x64_unwind_info *ret) MUST_CHECK;
/* Appends what code i says; returns how many slots it takes, 0 behind the end. */
unsigned x64_unwind_code_text(const x64_unwind_info *ui, unsigned i, buf *out);

/* The first entry of the function that f is a piece of (chained unwind data): equal for all pieces
 * of one function. Uses only env's image. */
err x64_func_primary(const x64_unwind_env *env, const x64_func *f, x64_func *ret) MUST_CHECK;

typedef struct x64_frame_info {
	bool machine_frame;   /* an exception or interrupt frame was crossed */
	bool leaf;	      /* no unwind data */
	uint64_t ret_slot;    /* address the return address was read from (0: machine frame) */
	uint64_t func_begin;  /* start of the function's primary entry, 0 if unknown */
	uint64_t establisher; /* frame pointer (rsp after prolog) of the frame that was left */
} x64_frame_info;

/* Turns r into its caller's registers. ERR_FAULT: stack or image unreadable; ERR_CORRUPT: bad codes
 * or no progress. */
err x64_unwind(x64_regs *r, const x64_unwind_env *env, x64_frame_info *info) MUST_CHECK;

#endif
