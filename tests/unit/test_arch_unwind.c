/*
 * The unwinder against the emulator: small functions with their unwind data are run instruction by
 * instruction, and at each one the unwinder must find the caller's registers - in the prolog, in
 * the body, in the epilog, in chained pieces. Then machine frames, xmm registers, and damaged data.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "arch/x64.h"
#include "base/map.h"
#include "base/reader.h"

static const uint64_t BASE = 0xfffff80012340000, CALLER = 0xfffff80099990000,
		      TOP = 0xffffa00000800000;
enum { IMAGE = 0x4000, XDATA = 0x2000, MAX_FUNCS = 16 };

typedef struct machine {
	uint8_t image[IMAGE];
	x64_func func[MAX_FUNCS];
	size_t nfuncs;
	uint32_t code_end, xdata_end;
	map stack; /* address / 8 -> value, stored as a pointer to the arena */
	arena a;
	bool stack_broken;
} machine;

static err func(void *u, uint64_t pc, x64_func *ret)
{
	machine *m = u;
	for (size_t i = 0; i < m->nfuncs; i++)
		if (pc - BASE >= m->func[i].begin && pc - BASE < m->func[i].end) {
			*ret = m->func[i];
			return ERR_OK;
		}
	return ERR_NOTFOUND;
}

static err image(void *u, uint64_t addr, void *p, size_t n)
{
	machine *m = u;
	if (addr < BASE || addr - BASE > IMAGE || IMAGE - (addr - BASE) < n)
		return ERR_FAULT;
	memcpy(p, m->image + (addr - BASE), n);
	return ERR_OK;
}

static err stack_read(void *u, uint64_t addr, void *p, size_t n)
{
	machine *m = u;
	if (m->stack_broken)
		return ERR_FAULT;
	for (size_t i = 0; i < n; i += 8) {
		const uint64_t *v = map_get(&m->stack, addr + i);
		put64((uint8_t *)p + i, v ? *v : 0xbadbadbadbadbad0ull);
	}
	return ERR_OK;
}

static void stack_put(machine *m, uint64_t addr, uint64_t v)
{
	uint64_t *slot = arena_new(&m->a, uint64_t);
	*slot = v;
	map_set(&m->stack, addr, slot);
}

static err mem_write(void *u, uint64_t addr, const void *p, size_t n)
{
	assert_int_equal(n, 8);
	stack_put(u, addr, le64(p));
	return ERR_OK;
}

static uint32_t add_info(machine *m, const uint8_t *p, size_t n)
{
	uint32_t at = m->xdata_end;
	memcpy(m->image + at, p, n);
	m->xdata_end += (uint32_t)((n + 3) & ~3u);
	return at;
}

static x64_func add_func(machine *m, const uint8_t *code, size_t n, uint32_t info)
{
	x64_func f = {BASE, m->code_end, m->code_end + (uint32_t)n, info};
	memcpy(m->image + f.begin, code, n);
	m->code_end += (uint32_t)n;
	m->func[m->nfuncs++] = f;
	return f;
}

static const x64_unwind_env *env_of(machine *m, x64_unwind_env *env)
{
	*env = (x64_unwind_env){m, func, image, stack_read};
	return env;
}

static int setup(void **state)
{
	machine *m = mem_alloc(sizeof *m);
	m->code_end = 0x1000;
	m->xdata_end = XDATA;
	map_init(&m->stack);
	arena_init(&m->a);
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	machine *m = *state;
	map_deinit(&m->stack);
	arena_deinit(&m->a);
	mem_free(m);
	return 0;
}

static x64_regs caller_regs(void)
{
	x64_regs r = {.valid = X64_SET_GENERAL, .rip = CALLER, .eflags = 0x246};
	for (int i = 0; i < X64_NGPR; i++)
		r.gpr[i] = 0x4141000000000000ull + 0x1111u * (unsigned)i;
	r.gpr[X64_RSP] = TOP;
	return r;
}

static const int nonvolatile[] = {
	X64_RBX, X64_RBP, X64_RSI, X64_RDI, X64_R12, X64_R13, X64_R14, X64_R15, X64_RSP};

static void same_as_caller(const x64_regs *r, const x64_regs *want, uint64_t at)
{
	if (r->rip != want->rip)
		fail_msg("at +%llx: returns to %llx", (unsigned long long)(at - BASE),
			(unsigned long long)r->rip);
	for (size_t i = 0; i < ARRAY_LEN(nonvolatile); i++)
		if (r->gpr[nonvolatile[i]] != want->gpr[nonvolatile[i]])
			fail_msg("at +%llx: register %d is %llx, not %llx",
				(unsigned long long)(at - BASE), nonvolatile[i],
				(unsigned long long)r->gpr[nonvolatile[i]],
				(unsigned long long)want->gpr[nonvolatile[i]]);
}

/* Calls the function at `entry` and unwinds at each instruction until it has left the image. */
static int run(machine *m, uint64_t entry, uint64_t primary)
{
	x64_unwind_env env;
	x64_mem mem = {m, stack_read, mem_write};
	x64_regs caller = caller_regs(), r = caller;
	int steps = 0;
	r.gpr[X64_RSP] -= 8;
	stack_put(m, r.gpr[X64_RSP], CALLER);
	r.rip = entry;
	while (r.rip - BASE < m->code_end && r.rip >= BASE) {
		x64_insn in;
		x64_regs up = r;
		x64_frame_info info;
		assert_int_equal(x64_unwind(&up, env_of(m, &env), &info), ERR_OK);
		same_as_caller(&up, &caller, r.rip);
		assert_false(info.machine_frame);
		assert_int_equal(info.ret_slot, TOP - 8);
		assert_int_equal(info.func_begin, primary);
		assert_int_equal(x64_decode(m->image + (r.rip - BASE), 15, r.rip, &in), ERR_OK);
		assert_int_equal(x64_emulate(&r, &in, &mem), ERR_OK);
		steps++;
		assert_true(steps < 100);
	}
	return steps;
}

static void pushes_and_allocation(void **state)
{
	machine *m = *state;
	/* push rbp; push rbx; sub rsp,28h; mov rbx,rcx; xor ebp,ebp; add rsp,28h; pop; pop; ret */
	static const uint8_t code[] = {0x55, 0x53, 0x48, 0x83, 0xec, 0x28, 0x48, 0x89, 0xcb, 0x31,
		0xed, 0x48, 0x83, 0xc4, 0x28, 0x5b, 0x5d, 0xc3};
	static const uint8_t info[] = {1, 6, 3, 0, 6, 0x42, 2, 0x30, 1, 0x50, 0, 0};
	x64_func f = add_func(m, code, sizeof code, add_info(m, info, sizeof info));
	assert_int_equal(run(m, BASE + f.begin, BASE + f.begin), 9);
}

static void version_2_epilogs(void **state)
{
	machine *m = *state;
	static const uint8_t code[] = {0x55, 0x53, 0x48, 0x83, 0xec, 0x28, 0x48, 0x89, 0xcb, 0x31,
		0xed, 0x48, 0x83, 0xc4, 0x28, 0x5b, 0x5d, 0xc3};
	/* size 3 at the end, and a filler */
	static const uint8_t info[] = {2, 6, 5, 0, 3, 0x16, 0, 6, 6, 0x42, 2, 0x30, 1, 0x50, 0, 0};
	x64_func f = add_func(m, code, sizeof code, add_info(m, info, sizeof info));
	assert_int_equal(run(m, BASE + f.begin, BASE + f.begin), 9);
	/* Two epilogs: pop rbx; ret in the middle and at the end. */
	static const uint8_t code2[] = {
		0x53, 0x84, 0xc9, 0x75, 0x04, 0x31, 0xdb, 0x5b, 0xc3, 0xb3, 0x01, 0x5b, 0xc3};
	static const uint8_t info2[] = {2, 1, 3, 0, 2, 0x16, 6, 6, 1, 0x30, 0, 0};
	f = add_func(m, code2, sizeof code2, add_info(m, info2, sizeof info2));
	assert_in_range(run(m, BASE + f.begin, BASE + f.begin), 5, 7);
	/*
	 * A pop that is no epilog: only a version that lists its epilogs can tell. push rbx; push
	 * 1; pop rcx; ret is a lie (it would return to rbx), so unwinding at pop rcx must use the
	 * codes.
	 */
	static const uint8_t code3[] = {0x53, 0x90, 0x59, 0xeb, 0x00, 0x90, 0x5b, 0xc3};
	static const uint8_t info3[] = {2, 1, 3, 0, 2, 0x16, 0, 6, 1, 0x30, 0, 0};
	f = add_func(m, code3, sizeof code3, add_info(m, info3, sizeof info3));
	x64_unwind_env env;
	x64_frame_info fi;
	x64_regs r = caller_regs();
	r.rip = BASE + f.begin + 2;
	r.gpr[X64_RSP] = TOP - 16;
	stack_put(m, TOP - 16, 0xbb);
	stack_put(m, TOP - 8, CALLER);
	assert_int_equal(x64_unwind(&r, env_of(m, &env), &fi), ERR_OK);
	assert_int_equal(r.rip, CALLER);
	assert_int_equal(r.gpr[X64_RBX], 0xbb);
}

static void frame_register(void **state)
{
	machine *m = *state;
	/* push rbp; push r12; sub rsp,58h; lea rbp,[rsp+20h]; mov [rsp+40h],rsi; sub rsp,100h;
	 * mov rsi,rcx; mov r12,rdx; mov rsi,[rbp+20h]; lea rsp,[rbp+38h]; pop r12; pop rbp; ret */
	static const uint8_t code[] = {0x55, 0x41, 0x54, 0x48, 0x83, 0xec, 0x58, 0x48, 0x8d, 0x6c,
		0x24, 0x20, 0x48, 0x89, 0x74, 0x24, 0x40, 0x48, 0x81, 0xec, 0, 1, 0, 0, 0x48, 0x89,
		0xce, 0x49, 0x89, 0xd4, 0x48, 0x8b, 0x75, 0x20, 0x48, 0x8d, 0x65, 0x38, 0x41, 0x5c,
		0x5d, 0xc3};
	static const uint8_t info[] = {
		1, 0x11, 6, 0x25, 0x11, 0x64, 8, 0, 0xc, 3, 7, 0xa2, 3, 0xc0, 1, 0x50};
	x64_func f = add_func(m, code, sizeof code, add_info(m, info, sizeof info));
	assert_int_equal(run(m, BASE + f.begin, BASE + f.begin), 13);
}

static void large_frames(void **state)
{
	machine *m = *state;
	/* sub rsp,12340h; mov [rsp+12350h],rdi; mov rdi,rcx; mov rdi,[rsp+12350h]; add; ret */
	static const uint8_t code[] = {0x48, 0x81, 0xec, 0x40, 0x23, 1, 0, 0x48, 0x89, 0xbc, 0x24,
		0x50, 0x23, 1, 0, 0x48, 0x89, 0xcf, 0x48, 0x8b, 0xbc, 0x24, 0x50, 0x23, 1, 0, 0x48,
		0x81, 0xc4, 0x40, 0x23, 1, 0, 0xc3};
	static const uint8_t info[] = {1, 0xf, 4, 0, 0xf, 0x74, 0x6a, 0x24, 7, 1, 0x68, 0x24};
	x64_func f = add_func(m, code, sizeof code, add_info(m, info, sizeof info));
	assert_int_equal(run(m, BASE + f.begin, BASE + f.begin), 6);
	/* the same with 8800008h bytes, and a tail call at the end */
	static const uint8_t far_code[] = {0x48, 0x81, 0xec, 8, 0, 0x80, 8, 0x48, 0x89, 0xbc, 0x24,
		0x10, 0, 0x80, 8, 0x48, 0x89, 0xcf, 0x48, 0x8b, 0xbc, 0x24, 0x10, 0, 0x80, 8, 0x48,
		0x81, 0xc4, 8, 0, 0x80, 8, 0xe9, 0, 0x10, 0, 0};
	static const uint8_t far_info[] = {
		1, 0xf, 6, 0, 0xf, 0x75, 0x10, 0, 0x80, 8, 7, 0x11, 8, 0, 0x80, 8};
	f = add_func(m, far_code, sizeof far_code, add_info(m, far_info, sizeof far_info));
	assert_int_equal(run(m, BASE + f.begin, BASE + f.begin), 6);
}

static void add_chain(uint8_t *info, size_t at, const x64_func *f)
{
	put32(info + at, f->begin);
	put32(info + at + 4, f->end);
	put32(info + at + 8, f->unwind);
}

static void chained_pieces(void **state)
{
	machine *m = *state;
	/* push rbx; sub rsp,20h; mov rbx,rcx; jmp 2 */
	static const uint8_t code1[] = {0x53, 0x48, 0x83, 0xec, 0x20, 0x48, 0x89, 0xcb, 0xeb, 0};
	/* 2: mov [rsp+30h],rsi; mov rsi,rdx; mov rsi,[rsp+30h]; jmp 3 */
	static const uint8_t code2[] = {0x48, 0x89, 0x74, 0x24, 0x30, 0x48, 0x89, 0xd6, 0x48, 0x8b,
		0x74, 0x24, 0x30, 0xeb, 0};
	/* 3: nop; add rsp,20h; pop rbx; ret */
	static const uint8_t code3[] = {0x90, 0x48, 0x83, 0xc4, 0x20, 0x5b, 0xc3};
	static const uint8_t info1[] = {1, 5, 2, 0, 5, 0x32, 1, 0x30};
	uint8_t info2[8 + 12] = {1 | 4 << 3, 5, 2, 0, 5, 0x64, 6, 0};
	uint8_t info3[4 + 12] = {1 | 4 << 3};
	x64_func f1 = add_func(m, code1, sizeof code1, add_info(m, info1, sizeof info1));
	add_chain(info2, 8, &f1);
	x64_func f2 = add_func(m, code2, sizeof code2, add_info(m, info2, sizeof info2));
	/* The third piece through an indirect entry: bit 0 and the address of another entry. */
	add_chain(info3, 4, &f1);
	uint32_t real = add_info(m, info3, sizeof info3);
	uint8_t indirect[12];
	put32(indirect, f2.end);
	put32(indirect + 4, f2.end + sizeof code3);
	put32(indirect + 8, real);
	uint32_t at = add_info(m, indirect, sizeof indirect);
	(void)add_func(m, code3, sizeof code3, at | 1);
	assert_int_equal(run(m, BASE + f1.begin, BASE + f1.begin), 12);
}

static void leaf_functions(void **state)
{
	machine *m = *state;
	x64_unwind_env env;
	x64_frame_info fi;
	x64_regs r = caller_regs();
	r.rip = BASE + 0x3000;
	r.gpr[X64_RSP] = TOP - 8;
	stack_put(m, TOP - 8, CALLER);
	assert_int_equal(x64_unwind(&r, env_of(m, &env), &fi), ERR_OK);
	assert_true(fi.leaf);
	assert_int_equal(r.rip, CALLER);
	assert_int_equal(r.gpr[X64_RSP], TOP);
}

/* An interrupt handler: the processor pushed five words (and an error code). */
static void machine_frames(void **state)
{
	machine *m = *state;
	static const uint8_t code[] = {0x55, 0x48, 0x83, 0xec, 0x28, 0x90};
	x64_unwind_env env;
	x64_frame_info fi;
	for (uint8_t error = 0; error < 2; error++) {
		uint8_t info[] = {
			1, 5, 3, 0, 5, 0x42, 1, 0x50, 0, (uint8_t)(10 | error << 4), 0, 0};
		x64_func f = add_func(m, code, sizeof code, add_info(m, info, sizeof info));
		const uint64_t frame[] = {0x7ff612345678, 0x33, 0x10202, 0x12f000, 0x2b};
		x64_regs r = caller_regs();
		uint64_t at = TOP - 0x100;
		r.gpr[X64_RSP] = at;
		r.rip = BASE + f.begin + 5;
		r.seg[X64_CS] = 0x10;
		stack_put(m, at + 0x28, 0x5555);
		for (unsigned i = 0; i < ARRAY_LEN(frame); i++)
			stack_put(m, at + 0x30 + 8u * error + 8 * i, frame[i]);
		assert_int_equal(x64_unwind(&r, env_of(m, &env), &fi), ERR_OK);
		assert_true(fi.machine_frame);
		assert_int_equal(fi.ret_slot, 0);
		assert_int_equal(r.rip, frame[0]);
		assert_int_equal(r.gpr[X64_RSP], frame[3]); /* down to another stack is no error */
		assert_int_equal(r.gpr[X64_RBP], 0x5555);
		assert_int_equal(r.eflags, frame[2]);
		assert_int_equal(r.seg[X64_CS], 0x33);
		assert_int_equal(r.seg[X64_SS], 0x2b);
	}
}

/* ... and its end: add rsp,28h; pop rbp; iretq, at each of them. */
static void machine_frame_epilog(void **state)
{
	machine *m = *state;
	static const uint8_t code[] = {
		0x55, 0x48, 0x83, 0xec, 0x28, 0x90, 0x48, 0x83, 0xc4, 0x28, 0x5d, 0x48, 0xcf};
	static const uint8_t info[] = {1, 5, 3, 0, 5, 0x42, 1, 0x50, 0, 10, 0, 0};
	static const struct {
		uint8_t at, rsp;
	} t[] = {{5, 0}, {6, 0}, {10, 0x28}, {11, 0x30}};
	x64_func f = add_func(m, code, sizeof code, add_info(m, info, sizeof info));
	const uint64_t frame[] = {0x7ff612345678, 0x33, 0x202, 0x12f000, 0x2b}, base = TOP - 0x100;
	stack_put(m, base + 0x28, 0x5555);
	for (unsigned i = 0; i < ARRAY_LEN(frame); i++)
		stack_put(m, base + 0x30 + 8 * i, frame[i]);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		x64_unwind_env env;
		x64_frame_info fi;
		x64_regs r = caller_regs();
		r.rip = BASE + f.begin + t[i].at;
		r.gpr[X64_RSP] = base + t[i].rsp;
		if (t[i].at == 11)
			r.gpr[X64_RBP] = 0x5555;
		assert_int_equal(x64_unwind(&r, env_of(m, &env), &fi), ERR_OK);
		assert_true(fi.machine_frame);
		assert_int_equal(r.rip, frame[0]);
		assert_int_equal(r.gpr[X64_RSP], frame[3]);
		assert_int_equal(r.gpr[X64_RBP], 0x5555);
	}
}

static void xmm_registers(void **state)
{
	machine *m = *state;
	static const uint8_t code[] = {0x48, 0x83, 0xec, 0x48, 0x90, 0x90, 0x90, 0x90, 0x90};
	/* SAVE_XMM128_FAR xmm7 30h; SAVE_XMM128 xmm6 20h; sub rsp,48h */
	static const uint8_t info[] = {1, 6, 6, 0, 6, 0x79, 0x30, 0, 0, 0, 5, 0x68, 2, 0, 4, 0x82};
	x64_func f = add_func(m, code, sizeof code, add_info(m, info, sizeof info));
	x64_unwind_env env;
	x64_frame_info fi;
	x64_regs r = caller_regs();
	uint64_t at = TOP - 0x100;
	r.rip = BASE + f.begin + 8;
	r.gpr[X64_RSP] = at;
	stack_put(m, at + 0x20, 0x66);
	stack_put(m, at + 0x28, 0x67);
	stack_put(m, at + 0x30, 0x77);
	stack_put(m, at + 0x48, CALLER);
	x64_regs without = r;
	r.valid |= X64_SET_FLOAT;
	assert_int_equal(x64_unwind(&r, env_of(m, &env), &fi), ERR_OK);
	assert_int_equal(r.rip, CALLER);
	assert_int_equal(le64(r.fx + 160 + 6 * 16), 0x66);
	assert_int_equal(le64(r.fx + 160 + 6 * 16 + 8), 0x67);
	assert_int_equal(le64(r.fx + 160 + 7 * 16), 0x77);
	assert_int_equal(x64_unwind(&without, &env, &fi), ERR_OK);
	assert_int_equal(le64(without.fx + 160 + 6 * 16), 0);
}

static void text_of_codes(void **state)
{
	machine *m = *state;
	static const uint8_t code[] = {0x90};
	static const uint8_t info[] = {1 | 1 << 3, 0x11, 9, 0x25, 0x11, 0x64, 8, 0, 0xc, 3, 7, 0xa2,
		6, 0x01, 0x10, 0, 5, 0x68, 2, 0, 3, 0xc0, 0, 0, 0x34, 0x12, 0, 0};
	static const char want[] =
		"offs 11, unwind op 4, op info 6\tUWOP_SAVE_NONVOL FrameOffset: 40 reg: rsi.\n"
		"offs c, unwind op 3, op info 0\tUWOP_SET_FPREG reg: rbp, offset: 20.\n"
		"offs 7, unwind op 2, op info a\tUWOP_ALLOC_SMALL FrameOffset: 58.\n"
		"offs 6, unwind op 1, op info 0\tUWOP_ALLOC_LARGE FrameOffset: 80.\n"
		"offs 5, unwind op 8, op info 6\tUWOP_SAVE_XMM128 FrameOffset: 20 reg: xmm6.\n"
		"offs 3, unwind op 0, op info c\tUWOP_PUSH_NONVOL reg: r12.\n";
	x64_unwind_env env;
	x64_unwind_info ui;
	x64_func f = add_func(m, code, sizeof code, add_info(m, info, sizeof info));
	buf b;
	buf_init(&b, 0);
	assert_int_equal(x64_unwind_info_read(env_of(m, &env), &f, &ui), ERR_OK);
	for (unsigned i = 0, n; (n = x64_unwind_code_text(&ui, i, &b)); i += n)
		buf_addc(&b, '\n');
	assert_string_equal(buf_z(&b), want);
	assert_int_equal(ui.handler, 0x1234);
	assert_int_equal(ui.bytes, 4 + 20 + 4);
	buf_deinit(&b);
}

static void damaged_data(void **state)
{
	machine *m = *state;
	static const uint8_t code[] = {0x90, 0x90, 0x90, 0x90, 0x90, 0x90};
	static const struct {
		uint8_t info[16];
		err want;
	} t[] = {
		{{3, 0, 0, 0}, ERR_CORRUPT},		    /* version */
		{{1, 1, 1, 0, 1, 0x0c}, ERR_CORRUPT},	    /* no such operation */
		{{1, 1, 1, 0, 1, 0x01}, ERR_CORRUPT},	    /* operand cut off */
		{{1, 1, 2, 0, 1, 0x21, 0, 0}, ERR_CORRUPT}, /* third large form */
		{{1, 1, 1, 0, 1, 0x03}, ERR_CORRUPT},	    /* frame register 0 */
		{{1, 1, 1, 0, 1, 0x2a}, ERR_CORRUPT},	    /* machine frame of kind 2 */
		{{1, 1, 255, 0, 1, 0x02}, ERR_OK},	    /* many: they are there */
		{{1 | 4 << 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f}, ERR_FAULT},
	};
	x64_unwind_env env;
	x64_frame_info fi;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		m->nfuncs = 0;
		m->xdata_end = XDATA;
		memset(m->image + XDATA, 0, 0x1000);
		uint32_t at = add_info(m, t[i].info, sizeof t[i].info);
		x64_func f = add_func(m, code, sizeof code, at);
		x64_regs r = caller_regs(), before;
		r.rip = BASE + f.begin + 4;
		r.gpr[X64_RSP] = TOP - 0x4000;
		before = r;
		err e = x64_unwind(&r, env_of(m, &env), &fi);
		assert_int_equal(e, t[i].want);
		if (e != ERR_OK)
			assert_memory_equal(&r, &before, sizeof r);
	}
	/* A chain that bites its tail. */
	m->nfuncs = 0;
	m->xdata_end = XDATA;
	uint8_t info[4 + 12] = {1 | 4 << 3};
	x64_func f = {BASE, m->code_end, m->code_end + sizeof code, XDATA};
	add_chain(info, 4, &f);
	f = add_func(m, code, sizeof code, add_info(m, info, sizeof info));
	x64_regs r = caller_regs();
	r.rip = BASE + f.begin + 4;
	assert_int_equal(x64_unwind(&r, env_of(m, &env), &fi), ERR_CORRUPT);
	/* Entry that says its data is another entry, for ever. */
	m->func[0].unwind = XDATA | 1;
	put32(m->image + XDATA + 8, XDATA | 1);
	assert_int_equal(x64_unwind(&r, &env, &fi), ERR_CORRUPT);
	m->nfuncs = 0;
	m->stack_broken = true;
	assert_int_equal(x64_unwind(&r, &env, &fi), ERR_FAULT);
	m->stack_broken = false;
	/* rsp that wraps around is no caller */
	r.gpr[X64_RSP] = UINT64_MAX - 7;
	assert_int_equal(x64_unwind(&r, &env, &fi), ERR_CORRUPT);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {T(pushes_and_allocation), T(version_2_epilogs),
		T(frame_register), T(large_frames), T(chained_pieces), T(leaf_functions),
		T(machine_frames), T(machine_frame_epilog), T(xmm_registers), T(text_of_codes),
		T(damaged_data)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
