/*
 * The emulator against the processor that the tests run on: the same bytes, the same random
 * registers and flags, the same memory; what comes out must be equal but for flags that the manual
 * calls undefined.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "arch/x64.h"
#include "base/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#if defined(__x86_64__)

enum { PAGE = 4096, CODE_AT = 2048, DATA = 4096, STACK = 4096 };

/* Where the native run loads from and stores to. */
typedef struct native {
	uint64_t gpr[16];
	uint64_t flags;
	uint64_t entry;	 /* code to jump to */
	uint64_t landed; /* 0: fell through, 1: the landing pad of a taken branch */
	uint64_t host_rsp;
} native;
native arch_test_native;
extern void arch_test_run(void);
extern char arch_test_fell[], arch_test_taken[];

#define N	       "arch_test_native+"
#define LOAD(off, reg) "mov " N #off "(%rip), %" #reg "\n"
#define SAVE(off, reg) "mov %" #reg ", " N #off "(%rip)\n"
__asm__(".text\n.globl arch_test_run\n.type arch_test_run, @function\narch_test_run:\n"
	"push %rbx\npush %rbp\npush %r12\npush %r13\npush %r14\npush %r15\n" SAVE(
		152, rsp) "pushq " N "128(%rip)\npopfq\n" LOAD(0, rax) LOAD(8, rcx) LOAD(16,
		rdx) LOAD(24, rbx) LOAD(40, rbp) LOAD(48, rsi) LOAD(56, rdi) LOAD(64, r8) LOAD(72,
		r9) LOAD(80, r10) LOAD(88, r11) LOAD(96, r12) LOAD(104, r13) LOAD(112,
		r14) LOAD(120, r15) LOAD(32,
		rsp) "jmp *" N "136(%rip)\n"
		     ".globl arch_test_taken\narch_test_taken:\n"
		     "movq $1, " N "144(%rip)\njmp 1f\n"
		     ".globl arch_test_fell\narch_test_fell:\n"
		     "movq $0, " N "144(%rip)\n1:\n" SAVE(0, rax) SAVE(8, rcx) SAVE(16, rdx) SAVE(
			     24, rbx) SAVE(40, rbp) SAVE(48, rsi) SAVE(56, rdi) SAVE(64, r8)
			     SAVE(72, r9) SAVE(80, r10) SAVE(88, r11) SAVE(96, r12) SAVE(104, r13)
				     SAVE(112, r14) SAVE(120, r15) SAVE(32, rsp) LOAD(
					     152, rsp) "pushfq\npopq " N "128(%rip)\n"
						       "pop %r15\npop %r14\npop %r13\npop "
						       "%r12\npop %rbp\npop %rbx\nret\n"
						       ".size arch_test_run, .-arch_test_run\n");

/* Two memories: the one the processor works on and the emulator's, shown at the same addresses. */
typedef struct world {
	uint8_t *code; /* page; the instruction at CODE_AT */
	uint8_t *mem;  /* DATA bytes then STACK bytes */
	uint8_t shadow[DATA + STACK];
	bool wrote;
} world;

static err shadow_at(world *w, uint64_t addr, size_t n, uint8_t **ret)
{
	uint64_t base = (uint64_t)(uintptr_t)w->mem;
	if (addr < base || addr - base > sizeof w->shadow || sizeof w->shadow - (addr - base) < n)
		return ERR_FAULT;
	*ret = w->shadow + (addr - base);
	return ERR_OK;
}

static err shadow_read(void *u, uint64_t addr, void *p, size_t n)
{
	uint8_t *at;
	TRY(shadow_at(u, addr, n, &at));
	memcpy(p, at, n);
	return ERR_OK;
}

static err shadow_write(void *u, uint64_t addr, const void *p, size_t n)
{
	uint8_t *at;
	TRY(shadow_at(u, addr, n, &at));
	memcpy(at, p, n);
	((world *)u)->wrote = true;
	return ERR_OK;
}

static uint64_t seed = 0x9e3779b97f4a7c15ull;
static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Values at the edges are where flags go wrong. */
static uint64_t value(void)
{
	static const uint64_t edge[] = {0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff,
		0x80000000, 0xffffffff, 0x7fffffffffffffff, 0x8000000000000000, UINT64_MAX};
	return rnd() % 3 ? rnd() : edge[rnd() % ARRAY_LEN(edge)];
}

static void pad(uint8_t *p, const void *to)
{
	static const uint8_t jmp[6] = {0xff, 0x25, 0, 0, 0, 0}; /* jmp [rip+0] */
	memcpy(p, jmp, 6);
	put64(p + 6, (uint64_t)(uintptr_t)to);
}

enum {
	T_PLAIN,
	T_MEM = 1,    /* rbx points into the data */
	T_STACK = 2,  /* rsp and rbp into the stack */
	T_BRANCH = 4, /* may land on the pad at `target` bytes behind the instruction's start */
	T_RCX = 8,    /* small rcx */
	T_REGTO = 16, /* rax or [rbx] or [rsp] holds the pad's address */
	T_SMALL = 32  /* rcx below 8: index */
};

typedef struct insn_case {
	const char *hex;
	unsigned how;
	uint32_t undefined; /* flags not to compare */
} insn_case;

enum {
	U_AF = X64_FL_AF,
	U_SHIFT = X64_FL_AF | X64_FL_OF | X64_FL_CF, /* count above the width, or not one */
	U_BT = X64_FL_OF | X64_FL_SF | X64_FL_AF | X64_FL_PF,
	U_IMUL = X64_FL_SF | X64_FL_ZF | X64_FL_AF | X64_FL_PF
};
enum { TARGET = 64 }; /* relative branches of the cases go to the instruction's start + 64 */

static const insn_case cases[] = {
#include "arch_emulate_cases.inc"
};

static size_t from_hex(const char *hex, uint8_t *out)
{
	size_t n = 0;
	for (; hex[0]; hex++) {
		unsigned v;
		if (*hex == ' ')
			continue;
		sscanf(hex, "%2x", &v);
		out[n++] = (uint8_t)v;
		hex++;
	}
	return n;
}

static void one_round(world *w, const insn_case *t, const x64_insn *in)
{
	x64_regs r = {.valid = X64_SET_GENERAL, .rip = in->addr};
	native *v = &arch_test_native;
	uint64_t data = (uint64_t)(uintptr_t)w->mem, target = in->addr + TARGET;
	for (int i = 0; i < 16; i++)
		r.gpr[i] = value();
	for (size_t i = 0; i < DATA + STACK; i += 8)
		put64(w->mem + i, value());
	r.gpr[X64_RSP] = data + DATA + STACK / 2;
	if (t->how & T_STACK)
		r.gpr[X64_RBP] = data + DATA + STACK / 2 + 64 + rnd() % 8;
	if (t->how & T_MEM)
		r.gpr[X64_RBX] = data + DATA / 2 + rnd() % 64;
	if (t->how & T_RCX)
		r.gpr[X64_RCX] = rnd() % 3;
	if (t->how & T_SMALL)
		r.gpr[X64_RCX] = rnd() % 8;
	if (t->how & T_REGTO) {
		r.gpr[X64_RAX] = target;
		put64(w->mem + (r.gpr[X64_RSP] - data), target);
		if (t->how & T_MEM)
			put64(w->mem + (r.gpr[X64_RBX] - data), target);
	}
	r.eflags = (uint32_t)((rnd() & 0xcd5 & ~(uint64_t)X64_FL_DF) | 0x202);
	memcpy(w->shadow, w->mem, sizeof w->shadow);

	memcpy(v->gpr, r.gpr, sizeof v->gpr);
	v->flags = r.eflags;
	v->entry = in->addr;
	arch_test_run();

	x64_mem m = {w, shadow_read, shadow_write};
	x64_regs got = r;
	assert_int_equal(x64_emulate(&got, in, &m), ERR_OK);
	for (int i = 0; i < 16; i++)
		if (got.gpr[i] != v->gpr[i])
			fail_msg("%s: register %d is %llx, the processor says %llx", t->hex, i,
				(unsigned long long)got.gpr[i], (unsigned long long)v->gpr[i]);
	uint32_t care = 0xcd5 & ~t->undefined;
	if ((got.eflags ^ v->flags) & care)
		fail_msg("%s: flags %x, the processor says %x (before %x)", t->hex,
			got.eflags & care, (unsigned)v->flags & care, r.eflags);
	assert_int_equal(got.rip, v->landed ? target : in->addr + in->len);
	if (memcmp(w->shadow, w->mem, sizeof w->shadow))
		fail_msg("%s: memory differs", t->hex);
}

static void emulator_equals_processor(void **state)
{
	world *w = *state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t raw[16];
		x64_insn in;
		unsigned sets;
		bool reads, writes;
		size_t n = from_hex(cases[i].hex, raw);
		uint64_t addr = (uint64_t)(uintptr_t)w->code + CODE_AT;
		memset(w->code, 0xcc, PAGE);
		memcpy(w->code + CODE_AT, raw, n);
		pad(w->code + CODE_AT + n, arch_test_fell);
		pad(w->code + CODE_AT + TARGET, arch_test_taken);
		assert_int_equal(x64_decode(raw, n, addr, &in), ERR_OK);
		if (in.len != n || !x64_emulate_needs(&in, &sets, &reads, &writes))
			fail_msg("%s is not emulated", cases[i].hex);
		for (int round = 0; round < 300; round++) {
			w->wrote = false;
			one_round(w, &cases[i], &in);
			assert_true(!w->wrote || writes);
		}
	}
}

static int make_world(void **state)
{
	world *w = calloc(1, sizeof *w);
	w->code = mmap(
		NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	w->mem = mmap(
		NULL, DATA + STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*state = w;
	return w->code == MAP_FAILED || w->mem == MAP_FAILED;
}

static int free_world(void **state)
{
	world *w = *state;
	munmap(w->code, PAGE);
	munmap(w->mem, DATA + STACK);
	free(w);
	return 0;
}
#endif

/* ---- what must be refused or left alone ---- */

static err no_read(void *u, uint64_t addr, void *p, size_t n)
{
	(void)u, (void)addr, (void)p, (void)n;
	return ERR_FAULT;
}
static err no_write(void *u, uint64_t addr, const void *p, size_t n)
{
	(void)u, (void)addr, (void)p, (void)n;
	return ERR_FAULT;
}

static err emulate_bytes(x64_regs *r, const uint8_t *p, size_t n, const x64_mem *m)
{
	x64_insn in;
	err e = x64_decode(p, n, r->rip, &in);
	return e == ERR_OK ? x64_emulate(r, &in, m) : e;
}

static void refuses_what_it_cannot_do(void **state)
{
	static const char *const hex[] = {
		"65488b042588010000", /* mov rax,gs:[188h] */
		"64488b00",	      /* mov rax,fs:[rax] */
		"f0ff03",	      /* lock inc [rbx] */
		"4887 03",	      /* xchg rax,[rbx] */
		"0fa303",	      /* bt [rbx],eax */
		"0f20c0",	      /* mov rax,cr0 */
		"8ed8",		      /* mov ds,eax */
		"0f05", "cc", "cd2e", "48cf", "cb", "fa", "0f01f8", "9d", "f3a4", "48a5", "0f10c1",
		"66c3",	  /* 16-bit ret */
		"6650",	  /* push ax */
		"8f0424", /* pop [rsp] */
		"48f7e1", /* mul */
		"ff28",	  /* far jmp */
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(hex); i++) {
		uint8_t raw[16];
		size_t n = 0;
		for (const char *p = hex[i]; *p; p++) {
			unsigned v;
			if (*p == ' ')
				continue;
			sscanf(p++, "%2x", &v);
			raw[n++] = (uint8_t)v;
		}
		x64_regs r = {.valid = X64_SET_ALL, .rip = 0x1000}, before = r;
		x64_mem m = {NULL, no_read, no_write};
		unsigned sets;
		bool rd, wr;
		x64_insn in;
		assert_int_equal(x64_decode(raw, n, 0x1000, &in), ERR_OK);
		assert_false(x64_emulate_needs(&in, &sets, &rd, &wr));
		assert_int_equal(emulate_bytes(&r, raw, n, &m), ERR_UNSUPPORTED);
		assert_memory_equal(&r, &before, sizeof r);
	}
}

static void faults_change_nothing(void **state)
{
	static const uint8_t push_rbx[] = {0x53}, load[] = {0x48, 0x8b, 0x03},
			     add[] = {0x48, 0x01, 0x03};
	static const uint8_t call[] = {0xe8, 0, 1, 0, 0}, ret[] = {0xc3};
	x64_mem m = {NULL, no_read, no_write};
	x64_regs r = {.valid = X64_SET_GENERAL, .rip = 0x1000, .eflags = 0x246}, before = r;
	(void)state;
	assert_int_equal(emulate_bytes(&r, push_rbx, sizeof push_rbx, &m), ERR_FAULT);
	assert_int_equal(emulate_bytes(&r, load, sizeof load, &m), ERR_FAULT);
	assert_int_equal(emulate_bytes(&r, add, sizeof add, &m), ERR_FAULT);
	assert_int_equal(emulate_bytes(&r, call, sizeof call, &m), ERR_FAULT);
	assert_int_equal(emulate_bytes(&r, ret, sizeof ret, &m), ERR_FAULT);
	assert_memory_equal(&r, &before, sizeof r);
}

static void tells_what_it_needs(void **state)
{
	static const struct {
		uint8_t b[8];
		size_t n;
		unsigned sets;
		bool reads, writes;
	} t[] = {
		{{0x90}, 1, X64_SET_CONTROL, false, false},
		{{0xe9, 1, 0, 0, 0}, 5, X64_SET_CONTROL, false, false},
		{{0x48, 0x83, 0xec, 0x28}, 4, X64_SET_CONTROL, false, false},
		{{0xc3}, 1, X64_SET_CONTROL, true, false},
		{{0x53}, 1, X64_SET_CONTROL | X64_SET_INTEGER, false, true},
		{{0x48, 0x89, 0x5c, 0x24, 8}, 5, X64_SET_CONTROL | X64_SET_INTEGER, false, true},
		{{0x33, 0xc0}, 2, X64_SET_CONTROL | X64_SET_INTEGER, false, false},
		{{0x48, 0x8d, 0x03}, 3, X64_SET_CONTROL | X64_SET_INTEGER, false, false},
		{{0x5b}, 1, X64_SET_CONTROL | X64_SET_INTEGER, true, false},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		x64_insn in;
		unsigned sets;
		bool reads, writes;
		assert_int_equal(x64_decode(t[i].b, t[i].n, 0, &in), ERR_OK);
		assert_true(x64_emulate_needs(&in, &sets, &reads, &writes));
		assert_int_equal(sets, t[i].sets);
		assert_int_equal(reads, t[i].reads);
		assert_int_equal(writes, t[i].writes);
		x64_regs r = {.valid = sets & ~(unsigned)X64_SET_CONTROL};
		assert_int_equal(x64_emulate(&r, &in, NULL), ERR_ARG);
	}
}

static void clears_resume_flag_and_respects_cet(void **state)
{
	static const uint8_t nop[] = {0x90}, jmp[] = {0xff, 0xe0};
	x64_regs r = {.valid = X64_SET_GENERAL, .rip = 0x1000, .eflags = 0x10246};
	(void)state;
	assert_int_equal(emulate_bytes(&r, nop, 1, NULL), ERR_OK);
	assert_int_equal(r.eflags, 0x246);
	assert_int_equal(r.rip, 0x1001);
	r.gpr[X64_RAX] = 0x8000000000000000; /* not canonical: the processor must fault by itself */
	assert_int_equal(emulate_bytes(&r, jmp, 2, NULL), ERR_UNSUPPORTED);
	r.gpr[X64_RAX] = 0x2000;
	r.valid |= X64_SET_SPECIAL;
	r.cr4 = 1 << 23;
	assert_int_equal(emulate_bytes(&r, jmp, 2, NULL), ERR_UNSUPPORTED);
	r.cr4 = 0;
	assert_int_equal(emulate_bytes(&r, jmp, 2, NULL), ERR_OK);
	assert_int_equal(r.rip, 0x2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#if defined(__x86_64__)
		cmocka_unit_test_setup_teardown(emulator_equals_processor, make_world, free_world),
#endif
		cmocka_unit_test(refuses_what_it_cannot_do),
		cmocka_unit_test(faults_change_nothing),
		cmocka_unit_test(tells_what_it_needs),
		cmocka_unit_test(clears_resume_flag_and_respects_cet),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
