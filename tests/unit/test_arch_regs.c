/* Registers by name, the CONTEXT record, and the page walk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "arch/x64.h"
#include "base/reader.h"

static const x64_reg *reg(const char *name)
{
	const x64_reg *r = x64_reg_find(str_of(name));
	if (!r)
		fail_msg("no register %s", name);
	return r;
}

static void table_is_sound(void **state)
{
	const x64_reg *r;
	(void)state;
	for (size_t i = 0; (r = x64_reg_at(i)); i++) {
		assert_true(r->offset + r->bytes <= sizeof(x64_regs));
		assert_true(r->shift + r->bits <= r->bytes * 8);
		assert_ptr_equal(
			x64_reg_find(str_of(r->name)), r); /* and so no name stands twice */
		if (r->bits > 64)
			continue;
		/* Every bit can be set and read back. */
		x64_regs regs = {0};
		uint64_t all = r->bits == 64 ? UINT64_MAX : (1ull << r->bits) - 1;
		x64_reg_set(&regs, r, UINT64_MAX);
		assert_int_equal(x64_reg_get(&regs, r), all);
		x64_reg_set(&regs, r, 0);
		assert_int_equal(x64_reg_get(&regs, r), 0);
	}
	assert_null(x64_reg_find(STR("raxx")));
	assert_null(x64_reg_find(STR("ra")));
	assert_null(x64_reg_find(STR("")));
	assert_ptr_equal(x64_reg_find(STR("R10D")), reg("r10d"));
}

static void parts_of_registers(void **state)
{
	x64_regs r = {0};
	(void)state;
	x64_reg_set(&r, reg("rax"), 0x1122334455667788);
	assert_int_equal(x64_reg_get(&r, reg("eax")), 0x55667788);
	assert_int_equal(x64_reg_get(&r, reg("ax")), 0x7788);
	assert_int_equal(x64_reg_get(&r, reg("ah")), 0x77);
	assert_int_equal(x64_reg_get(&r, reg("al")), 0x88);
	x64_reg_set(&r, reg("ah"), 0x1ff);
	assert_int_equal(r.gpr[X64_RAX], 0x112233445566ff88);
	x64_reg_set(&r, reg("ax"), 1);
	assert_int_equal(r.gpr[X64_RAX], 0x1122334455660001);
	x64_reg_set(&r, reg("eax"), 2); /* clears the upper half */
	assert_int_equal(r.gpr[X64_RAX], 2);
	x64_reg_set(&r, reg("r9b"), 0xab);
	assert_int_equal(r.gpr[X64_R9], 0xab);
	x64_reg_set(&r, reg("zf"), 1);
	x64_reg_set(&r, reg("iopl"), 3);
	assert_int_equal(r.eflags, 0x3040);
	x64_reg_set(&r, reg("efl"), 0x246);
	assert_int_equal(x64_reg_get(&r, reg("pf")), 1);
	assert_int_equal(x64_reg_get(&r, reg("cf")), 0);
	x64_reg_set(&r, reg("cs"), 0x12345);
	assert_int_equal(r.seg[X64_CS], 0x2345);
	x64_reg_set(&r, reg("xmm3h"), 7);
	assert_int_equal(le64(r.fx + 160 + 3 * 16 + 8), 7);
	x64_reg_set(&r, reg("xmm3"), 9);
	assert_int_equal(le64(r.fx + 160 + 3 * 16 + 8), 0);
	assert_int_equal(x64_reg_get(&r, reg("xmm3l")), 9);
}

static void context_round_trip(void **state)
{
	x64_regs a = {.valid = X64_SET_ALL & ~X64_SET_SPECIAL}, b = {0};
	uint8_t c[X64_CONTEXT_SIZE] = {0};
	(void)state;
	for (int i = 0; i < X64_NGPR; i++)
		a.gpr[i] = 0x1111111111111111ull * (unsigned)i + 1;
	for (int i = 0; i < X64_NSEG; i++)
		a.seg[i] = (uint16_t)(0x10 + i);
	for (int i = 0; i < 8; i++)
		a.dr[i] = i == 4 || i == 5 ? 0 : 0xd00 + (unsigned)i;
	a.rip = 0xfffff80012345678;
	a.eflags = 0x246;
	a.mxcsr = 0x1f80;
	put32(a.fx + 24, a.mxcsr);
	a.fx[160] = 0x42;
	x64_context_put(&a, c);
	/* winnt.h: ContextFlags 0x30, EFlags 0x44, Rax 0x78, Rip 0xf8, Xmm0 0x1a0 */
	assert_int_equal(le32(c + 0x30), 0x10001f);
	assert_int_equal(le16(c + 0x38), a.seg[X64_CS]);
	assert_int_equal(le16(c + 0x42), a.seg[X64_SS]);
	assert_int_equal(le32(c + 0x44), 0x246);
	assert_int_equal(le64(c + 0x70), 0xd07);
	assert_int_equal(le64(c + 0x78), a.gpr[X64_RAX]);
	assert_int_equal(le64(c + 0x98), a.gpr[X64_RSP]);
	assert_int_equal(le64(c + 0xf0), a.gpr[X64_R15]);
	assert_int_equal(le64(c + 0xf8), a.rip);
	assert_int_equal(c[0x1a0], 0x42);
	assert_int_equal(x64_context_get(&b, c, 0, sizeof c), ERR_OK);
	assert_memory_equal(&a, &b, sizeof a);
}

static void context_in_parts(void **state)
{
	static const unsigned sets[] = {X64_SET_CONTROL, X64_SET_INTEGER, X64_SET_SEGMENTS,
		X64_SET_DEBUG, X64_SET_FLOAT, X64_SET_CONTROL | X64_SET_INTEGER, X64_SET_GENERAL,
		X64_SET_GENERAL | X64_SET_DEBUG};
	uint8_t c[X64_CONTEXT_SIZE];
	size_t begin, end;
	(void)state;
	for (size_t i = 0; i < sizeof c; i++)
		c[i] = (uint8_t)(i * 7);
	for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
		x64_regs r = {0};
		x64_context_range(sets[i], &begin, &end);
		assert_true(begin < end && end <= X64_CONTEXT_SIZE);
		assert_int_equal(x64_context_get(&r, c + begin, begin, end - begin), ERR_OK);
		assert_int_equal(r.valid & sets[i], sets[i]);
		/* One byte less and the set at that end is not whole. */
		x64_regs less = {0};
		assert_int_equal(x64_context_get(&less, c + begin, begin, end - begin - 1), ERR_OK);
		assert_int_not_equal(less.valid & sets[i], sets[i]);
	}
	x64_context_range(X64_SET_CONTROL | X64_SET_INTEGER, &begin, &end);
	assert_int_equal(end - begin, 0xc8);
	x64_context_range(X64_SET_SPECIAL, &begin, &end);
	assert_int_equal(end - begin, 0);
	x64_regs r = {0};
	assert_int_equal(x64_context_get(&r, c, 1000, 1000), ERR_ARG);
	/* A set that is not valid leaves its bytes alone. */
	x64_regs none = {.valid = X64_SET_DEBUG};
	uint8_t out[X64_CONTEXT_SIZE];
	memset(out, 0xee, sizeof out);
	x64_context_put(&none, out);
	assert_int_equal(out[0x78], 0xee);
	assert_int_equal(out[0x48], 0);
	assert_int_equal(le32(out + 0x30), 0x100010);
}

/* ---- page walk over a few pages of "physical memory" ---- */

enum { PHYS = 0x20000 };
static uint8_t phys[PHYS];

static err phys_read(void *u, uint64_t addr, void *p, size_t n, size_t *n_ret)
{
	(void)u;
	if (addr >= PHYS)
		return ERR_FAULT;
	*n_ret = n < PHYS - addr ? n : PHYS - addr;
	memcpy(p, phys + addr, *n_ret);
	return ERR_OK;
}

static const mem_reader phys_mem = {NULL, phys_read};
static const uint64_t P = 1, W = 2, U = 4, PS = 0x80, G = 0x100, NX = 1ull << 63;

static void entry(uint64_t table, unsigned i, uint64_t v)
{
	put64(phys + table + i * 8, v);
}

static x64_walk walk(uint64_t root, uint64_t va, bool la57)
{
	x64_walk w;
	assert_int_equal(x64_walk_va(root, va, la57, &phys_mem, &w), ERR_OK);
	return w;
}

static void walk_finds_pages(void **state)
{
	(void)state;
	memset(phys, 0, sizeof phys);
	/* root 0x1000; fffff800`00000000 is index 1f0, 0, 0, 0 */
	entry(0x1000, 0x1f0, 0x2000 | P | W);
	entry(0x2000, 0, 0x3000 | P | W);
	entry(0x3000, 0, 0x4000 | P | W);
	entry(0x4000, 5, 0x123456000 | P | W | G | NX);
	entry(0x3000, 1, 0x40200000 | 0x1000 | P | PS | W); /* 2 MB with the PAT bit */
	entry(0x2000, 1, 0x80000000 | P | PS | W | U);	    /* 1 GB */
	/* user half: writable and user only if every level agrees */
	entry(0x1000, 0, 0x5000 | P | U | W);
	entry(0x5000, 0, 0x6000 | P | U);
	entry(0x6000, 0, 0x7000 | P | U | W);
	entry(0x7000, 1, 0x9000 | P | U | W);
	entry(0x7000, 2, 0x9000 | P | W);

	x64_walk w = walk(0x1000 | 0xfff, 0xfffff80000005123, false);
	assert_true(w.present && w.writable && !w.user && !w.executable && w.global && !w.large);
	assert_int_equal(w.phys, 0x123456123);
	assert_int_equal(w.page_size, 4096);
	assert_int_equal(w.levels, 4);
	assert_int_equal(w.entry[3].addr, 0x4000 + 5 * 8);
	w = walk(0x1000, 0xfffff80000212345, false);
	assert_true(w.present && w.large && w.executable);
	assert_int_equal(w.phys, 0x40212345);
	assert_int_equal(w.page_size, 1 << 21);
	assert_int_equal(w.levels, 3);
	w = walk(0x1000, 0xfffff80052345678, false);
	assert_true(w.present && !w.user); /* the top level is a system one */
	assert_int_equal(w.phys, 0x92345678);
	assert_int_equal(w.page_size, 1 << 30);
	w = walk(0x1000, 0x1004, false);
	assert_true(w.present && w.user && !w.writable && w.executable);
	assert_int_equal(w.phys, 0x9004);
	w = walk(0x1000, 0x2004, false);
	assert_true(w.present && !w.user);
}

static void walk_meets_bad_tables(void **state)
{
	x64_walk w;
	(void)state;
	memset(phys, 0, sizeof phys);
	entry(0x1000, 0, 0x2000 | P);
	entry(0x1000, 1, 0x2000 | P | PS); /* no large page at this level */
	entry(0x1000, 2, 0xfff0000000 | P);
	entry(0x2000, 0, 0x3000 | P);
	entry(0x2000, 1, 0xc0000000 | 0x200000 | P | PS); /* 1 GB, misaligned */
	entry(0x3000, 1, 0x400000 | 0x2000 | P | PS);	  /* 2 MB, misaligned */
	entry(0x3000, 0, 0x1000 | P);			  /* a PTE table that is the root */
	w = walk(0x1000, 0x7000000000000, false);
	assert_false(w.present); /* not canonical */
	assert_int_equal(w.levels, 0);
	w = walk(0x1000, 0x200000, false);
	assert_true(!w.present && w.reserved);
	w = walk(0x1000, 0x40000000, false);
	assert_true(!w.present && w.reserved);
	w = walk(0x1000, 0x8000000000, false);
	assert_true(!w.present && w.reserved);
	assert_int_equal(w.levels, 1);
	w = walk(0x1000, 0x80000000, false);
	assert_true(!w.present && !w.reserved);
	assert_int_equal(w.levels, 2);
	w.levels = 77;
	assert_int_equal(x64_walk_va(0x1000, 0x10000000000, false, &phys_mem, &w), ERR_FAULT);
	assert_int_equal(w.levels, 77); /* untouched */
	w = walk(0x1000, 0, false);
	assert_true(w.present); /* a loop is only a strange mapping: five reads at most */
	assert_int_equal(w.phys, 0x2000);
}

static void walk_has_five_levels(void **state)
{
	(void)state;
	memset(phys, 0, sizeof phys);
	entry(0x1000, 0x100, 0x2000 | P | W | U);
	entry(0x2000, 0, 0x3000 | P | W | U);
	entry(0x3000, 0, 0x4000 | P | W | U);
	entry(0x4000, 0, 0x5000 | P | W | U);
	entry(0x5000, 7, 0x8000 | P | W | U);
	x64_walk w = walk(0x1000, 0xff00000000007010, true);
	assert_true(w.present && w.user && w.writable);
	assert_int_equal(w.levels, 5);
	assert_int_equal(w.phys, 0x8010);
	w = walk(0x1000, 0xff00000000007010, false);
	assert_false(w.present);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_is_sound),
		cmocka_unit_test(parts_of_registers),
		cmocka_unit_test(context_round_trip),
		cmocka_unit_test(context_in_parts),
		cmocka_unit_test(walk_finds_pages),
		cmocka_unit_test(walk_meets_bad_tables),
		cmocka_unit_test(walk_has_five_levels),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
