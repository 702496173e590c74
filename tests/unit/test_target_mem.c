/* target: masking, caching, translation and lazy traps, over the fake backend. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/reader.h"
#include "target/fake/fake.h"
#include "target/mem_int.h"

#include <stdio.h>
#include <stdlib.h>

#define KCODE 0xfffff80000401000ull
#define UCODE 0x140001000ull

static fake *F;
static tgt *T_;

static int setup(void **state)
{
	F = fake_create(NULL);
	T_ = fake_tgt(F);
	return 0;
}

static int teardown(void **state)
{
	tgt_close(T_, TGT_DETACH);
	return 0;
}

static unsigned calls(fake_call_kind kind)
{
	size_t n;
	unsigned k = 0;
	const fake_call *c = fake_calls(F, &n);
	for (size_t i = 0; i < n; i++)
		k += c[i].kind == kind;
	return k;
}

static void stop_at(uint64_t pc)
{
	tgt_event e;
	tgt_run go = {.go = TGT_GO, .handled = true};
	fake_script(F, &(tgt_event){.kind = TGT_EV_EXCEPTION, .code = 0x80000003, .pc = pc});
	if (tgt_wait(T_, 0, &e, NULL) == ERR_OK && e.kind == TGT_EV_EXCEPTION)
		return;
	assert_int_equal(tgt_resume(T_, &go, NULL), ERR_OK);
	assert_int_equal(tgt_wait(T_, 0, &e, NULL), ERR_OK);
}

static void go_and_stop(uint64_t pc, tgt_event *e)
{
	tgt_run go = {.go = TGT_GO, .handled = true};
	assert_int_equal(tgt_resume(T_, &go, NULL), ERR_OK);
	fake_script(F, &(tgt_event){.kind = TGT_EV_EXCEPTION, .code = 0x80000003, .pc = pc});
	assert_int_equal(tgt_wait(T_, 0, e, NULL), ERR_OK);
}

static uint64_t plant(as_t as, uint64_t addr)
{
	uint64_t h = 0;
	tgt_trap t = {TGT_TRAP_SOFT, as, addr, 0};
	diag d = {0};
	if (tgt_trap_add(T_, &t, &h, &d) != ERR_OK)
		fail_msg("%s", d.text);
	return h;
}

static uint8_t view(as_t as, uint64_t addr)
{
	uint8_t b = 0;
	assert_int_equal(tgt_read_all(T_, as, addr, &b, 1, NULL), ERR_OK);
	return b;
}

static uint8_t really(as_t as, uint64_t addr)
{
	uint8_t b = 0;
	assert_true(fake_peek(F, as, addr, &b, 1));
	return b;
}

static void fill(as_t as, uint64_t addr, size_t n)
{
	uint8_t b[64];
	for (size_t i = 0; i < n; i += sizeof b) {
		for (size_t j = 0; j < sizeof b; j++)
			b[j] = (uint8_t)((addr + i + j) * 31 >> 3 | 1);
		fake_mem(F, as, addr + i, b, sizeof b);
	}
}

static void cached_until_it_runs(void **state)
{
	uint8_t b[64];
	tgt_event e;
	fill(as_current(), KCODE, 4096);
	stop_at(KCODE + 0x800);
	fake_calls_clear(F);
	for (int i = 0; i < 10; i++)
		assert_int_equal(
			tgt_read_all(T_, as_current(), KCODE + 8 * i, b, 16, NULL), ERR_OK);
	assert_int_equal(calls(FAKE_READ), 1);
	go_and_stop(KCODE + 0x800, &e);
	assert_int_equal(tgt_read_all(T_, as_current(), KCODE, b, 16, NULL), ERR_OK);
	assert_int_equal(calls(FAKE_READ), 2);
	/* What was written is seen at once. */
	size_t n;
	assert_int_equal(tgt_write(T_, as_current(), KCODE + 2, "xyz", 3, &n, NULL), ERR_OK);
	assert_int_equal(n, 3);
	assert_int_equal(tgt_read_all(T_, as_current(), KCODE, b, 16, NULL), ERR_OK);
	assert_memory_equal(b + 2, "xyz", 3);
}

static uint8_t seen(bool view, uint64_t addr)
{
	uint8_t b = 0;
	size_t n;
	assert_int_equal(
		(view ? tgt_read_view : tgt_read)(T_, as_current(), addr, &b, 1, &n, NULL), ERR_OK);
	return b;
}

static void behind_our_back(uint64_t addr, uint8_t to)
{
	fake_mem(F, as_current(), addr, &to, 1);
}

/* .cache: what is held, what is flushed, and how much. */
static void cache_settings(void **state)
{
	const uint64_t user = UCODE;
	tgt_cache c;
	tgt_event e;
	size_t used, n;
	diag d = {0};
	fill(as_current(), KCODE, 4096);
	fill(as_current(), user, 4096);
	stop_at(KCODE + 0x800);
	tgt_cache_get(T_, &c, &used);
	assert_false(c.hold);
	assert_int_equal(used, 0);

	/* Held: views see what was, everybody else what is. */
	c.hold = true;
	assert_int_equal(tgt_cache_set(T_, &c, &d), ERR_OK);
	uint8_t was = seen(true, KCODE), user_was = seen(true, user);
	go_and_stop(KCODE + 0x800, &e);
	behind_our_back(KCODE, (uint8_t)(was + 1));
	behind_our_back(user, (uint8_t)(user_was + 1));
	assert_int_equal(seen(true, KCODE), was);
	assert_int_equal(seen(true, user), user_was);
	tgt_cache_flush(T_, TGT_FLUSH_USER, 0);
	assert_int_equal(seen(true, user), (uint8_t)(user_was + 1));
	assert_int_equal(seen(true, KCODE), was);
	tgt_cache_flush(T_, TGT_FLUSH_PAGE, user);
	assert_int_equal(seen(true, KCODE), was);
	assert_int_equal(seen(false, KCODE), (uint8_t)(was + 1));
	go_and_stop(KCODE + 0x800, &e);
	behind_our_back(KCODE, was);
	assert_int_equal(seen(true, KCODE), (uint8_t)(was + 1));
	tgt_cache_flush(T_, TGT_FLUSH_PAGE, KCODE + 0x777);
	assert_int_equal(seen(true, KCODE), was);
	/* Our own writes are seen at once. */
	go_and_stop(KCODE + 0x800, &e);
	assert_int_equal(tgt_write(T_, as_current(), KCODE, "\x77", 1, &n, NULL), ERR_OK);
	assert_int_equal(seen(true, KCODE), 0x77);
	/* Letting go of what is held forgets it. */
	go_and_stop(KCODE + 0x800, &e);
	behind_our_back(KCODE, 0x78);
	c.hold = false;
	assert_int_equal(tgt_cache_set(T_, &c, &d), ERR_OK);
	c.hold = true;
	assert_int_equal(tgt_cache_set(T_, &c, &d), ERR_OK);
	assert_int_equal(seen(true, KCODE), 0x78);
	c.hold = false;
	assert_int_equal(tgt_cache_set(T_, &c, &d), ERR_OK);
	/* All of it goes. */
	fake_calls_clear(F);
	(void)seen(true, KCODE);
	tgt_cache_flush(T_, TGT_FLUSH_ALL, 0);
	(void)seen(true, KCODE);
	(void)seen(true, KCODE);
	assert_int_equal(calls(FAKE_READ), 2);

	/* No cache: each read asks. */
	c.pages = 0;
	assert_int_equal(tgt_cache_set(T_, &c, &d), ERR_OK);
	fake_calls_clear(F);
	for (int i = 0; i < 5; i++)
		(void)seen(true, KCODE + 1);
	assert_int_equal(calls(FAKE_READ), 5);
	c.pages = 1;
	assert_int_equal(tgt_cache_set(T_, &c, &d), ERR_OK);
	fake_calls_clear(F);
	for (int i = 0; i < 5; i++)
		(void)seen(true, KCODE + 0x400);
	assert_int_equal(calls(FAKE_READ), 1);
	(void)seen(true, user);
	(void)seen(true, KCODE + 0x400);
	assert_int_equal(calls(FAKE_READ), 3);
	c.pages = SIZE_MAX;
	assert_int_equal(tgt_cache_set(T_, &c, &d), ERR_ARG);
}

static void faults_are_remembered_and_reads_are_short(void **state)
{
	uint8_t b[9000];
	size_t n = 0;
	tgt_event e;
	diag d = {0};
	fill(as_current(), KCODE, 8192);
	stop_at(KCODE);
	fake_calls_clear(F);
	assert_int_equal(tgt_read(T_, as_current(), KCODE + 100, b, sizeof b, &n, NULL), ERR_OK);
	assert_int_equal(n, 8192 - 100);
	for (int i = 0; i < 5; i++)
		assert_int_equal(tgt_read(T_, as_current(), KCODE + 8192 + 300 * i, b, 8, &n, &d),
			ERR_FAULT);
	assert_non_null(strstr(d.text, "fffff800`00403"));
	unsigned before = calls(FAKE_READ);
	assert_true(before <= 2);
	assert_int_equal(tgt_read_all(T_, as_current(), KCODE + 8190, b, 4, NULL), ERR_FAULT);
	assert_int_equal(calls(FAKE_READ), before);
	/* The page may come while the target runs. */
	go_and_stop(KCODE, &e);
	fill(as_current(), KCODE + 8192, 4096);
	assert_int_equal(tgt_read_all(T_, as_current(), KCODE + 8190, b, 4, NULL), ERR_OK);
}

static void a_word_read_sparingly_brings_no_neighbours(void **state)
{
	uint8_t b[16], want[16];
	fill(as_current(), KCODE, 4096);
	stop_at(KCODE + 0x800);
	assert_true(fake_peek(F, as_current(), KCODE + 8, want, sizeof want));
	fake_calls_clear(F);
	tgt_read_sparingly(T_, true);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(tgt_read_all(T_, as_current(), KCODE + 8, b, 8, NULL), ERR_OK);
		assert_memory_equal(b, want, 8);
	}
	assert_int_equal(calls(FAKE_READ), 2); /* not kept */
	size_t n;
	assert_int_equal(fake_calls(F, &n)[0].n, 8);
	assert_int_equal(tgt_read_all(T_, as_current(), KCODE + 8, b, 16, NULL), ERR_OK);
	tgt_read_sparingly(T_, false);
	assert_int_equal(tgt_read_all(T_, as_current(), KCODE + 8, b, 8, NULL), ERR_OK);
	assert_int_equal(calls(FAKE_READ), 3);
}

static void large_reads_go_out_in_large_pieces(void **state)
{
	static uint8_t b[300000], want[300000];
	fill(as_current(), KCODE, 400000);
	stop_at(KCODE);
	fake_calls_clear(F);
	assert_int_equal(tgt_read_all(T_, as_current(), KCODE + 77, b, sizeof b, NULL), ERR_OK);
	assert_true(fake_peek(F, as_current(), KCODE + 77, want, sizeof want));
	assert_memory_equal(b, want, sizeof b);
	assert_true(calls(FAKE_READ) <= 6);
	/* The top of the address space is no trap. */
	fill(as_current(), 0xffffffffffffe000ull, 8192);
	size_t n;
	tgt_event e;
	go_and_stop(KCODE, &e);
	assert_int_equal(
		tgt_read(T_, as_current(), 0xffffffffffffff00ull, b, 4096, &n, NULL), ERR_OK);
	assert_int_equal(n, 256);
}

static void planted_bytes_do_not_show(void **state)
{
	uint8_t b[64], want[64];
	fill(as_current(), KCODE, 4096);
	fake_peek(F, as_current(), KCODE, want, sizeof want);
	stop_at(KCODE + 0x800);
	/* Once with the byte known before, once without. */
	for (int known = 0; known < 2; known++) {
		if (known)
			(void)view(as_current(), KCODE + 5);
		uint64_t h = plant(as_current(), KCODE + 5);
		assert_int_equal(really(as_current(), KCODE + 5), 0xcc);
		assert_int_equal(tgt_read_all(T_, as_current(), KCODE, b, sizeof b, NULL), ERR_OK);
		assert_memory_equal(b, want, sizeof b);
		assert_int_equal(really(as_current(), KCODE + 5), 0xcc);
		tgt_event e;
		assert_int_equal(tgt_trap_del(T_, h, NULL), ERR_OK);
		/* Deleted, still planted, still not shown. */
		assert_int_equal(tgt_read_all(T_, as_current(), KCODE, b, sizeof b, NULL), ERR_OK);
		assert_memory_equal(b, want, sizeof b);
		go_and_stop(KCODE + 0x800, &e);
		assert_int_equal(really(as_current(), KCODE + 5), want[5]);
		assert_int_equal(fake_resumed(F, 0)->armed, 0);
	}
	/* An int 3 of the program's own stays visible. */
	fake_mem(F, as_current(), KCODE + 0x40, "\xcc", 1);
	plant(as_current(), KCODE + 0x41);
	tgt_event e;
	go_and_stop(KCODE + 0x800, &e);
	assert_int_equal(view(as_current(), KCODE + 0x40), 0xcc);
	assert_int_not_equal(view(as_current(), KCODE + 0x41), 0xcc);
	/* A trap on an int 3 of the program's own shows that int 3. */
	fake_mem(F, as_current(), KCODE + 0x50, "\xcc", 1);
	go_and_stop(KCODE + 0x800, &e);
	plant(as_current(), KCODE + 0x50);
	assert_int_equal(view(as_current(), KCODE + 0x50), 0xcc);
}

static void writes_go_under(void **state)
{
	uint8_t b[8];
	size_t n;
	tgt_event e;
	fill(as_current(), KCODE, 4096);
	stop_at(KCODE + 0x800);
	plant(as_current(), KCODE + 2);
	uint64_t h = plant(as_current(), KCODE + 4);
	assert_int_equal(tgt_write(T_, as_current(), KCODE, "ABCDEFGH", 8, &n, NULL), ERR_OK);
	assert_int_equal(n, 8);
	assert_int_equal(tgt_read_all(T_, as_current(), KCODE, b, 8, NULL), ERR_OK);
	assert_memory_equal(b, "ABCDEFGH", 8);
	assert_int_equal(really(as_current(), KCODE + 2), 0xcc);
	assert_int_equal(really(as_current(), KCODE + 4), 0xcc);
	assert_int_equal(really(as_current(), KCODE + 3), 'D');
	/* Taken out, the new byte is there. */
	assert_int_equal(tgt_trap_del(T_, h, NULL), ERR_OK);
	go_and_stop(KCODE + 0x800, &e);
	assert_int_equal(really(as_current(), KCODE + 4), 'E');
	assert_int_equal(really(as_current(), KCODE + 2), 0xcc);
	/* Filling over traps does the same. */
	assert_int_equal(tgt_fill(T_, as_current(), KCODE, 100, "ab", 2, NULL), ERR_OK);
	assert_int_equal(tgt_read_all(T_, as_current(), KCODE, b, 8, NULL), ERR_OK);
	assert_memory_equal(b, "abababab", 8);
	assert_int_equal(really(as_current(), KCODE + 2), 0xcc);
	/* And searching finds what views show. */
	uint64_t at = 0;
	assert_int_equal(tgt_search(T_, as_current(), KCODE, 4096, "babab", 5, &at, NULL), ERR_OK);
	assert_int_equal(at, KCODE + 1);
	assert_int_equal(
		tgt_search(T_, as_current(), KCODE, 4096, "\xcc", 1, &at, NULL), ERR_NOTFOUND);
}

static void out_and_in_again_costs_nothing(void **state)
{
	tgt_event e;
	fill(as_current(), KCODE, 4096);
	stop_at(KCODE + 0x800);
	uint64_t h[5];
	for (int i = 0; i < 5; i++)
		h[i] = plant(as_current(), KCODE + 16 * i);
	go_and_stop(KCODE + 0x800, &e);
	fake_calls_clear(F);
	for (int i = 0; i < 5; i++)
		assert_int_equal(tgt_trap_del(T_, h[i], NULL), ERR_OK);
	for (int i = 0; i < 5; i++)
		h[i] = plant(as_current(), KCODE + 16 * i);
	go_and_stop(KCODE + 0x800, &e);
	assert_int_equal(calls(FAKE_TRAP_ADD) + calls(FAKE_TRAP_DEL), 0);
	assert_int_equal(fake_resumed(F, 0)->armed, 5);
	/* Twice at one place is refused; a handle works once. */
	tgt_trap t = {TGT_TRAP_SOFT, as_current(), KCODE, 0};
	uint64_t x;
	assert_int_equal(tgt_trap_add(T_, &t, &x, NULL), ERR_EXISTS);
	assert_int_equal(tgt_trap_del(T_, h[0], NULL), ERR_OK);
	assert_int_equal(tgt_trap_del(T_, h[0], NULL), ERR_NOTFOUND);
	assert_int_equal(tgt_trap_del(T_, 4711, NULL), ERR_NOTFOUND);
}

static void full_table_makes_room_of_what_is_pending(void **state)
{
	fill(as_current(), KCODE, 4096);
	stop_at(KCODE + 0x800);
	uint64_t h[33], x;
	for (int i = 0; i < 32; i++)
		h[i] = plant(as_current(), KCODE + 16 * i);
	tgt_trap t = {TGT_TRAP_SOFT, as_current(), KCODE + 16 * 32, 0};
	diag d = {0};
	assert_int_equal(tgt_trap_add(T_, &t, &x, &d), ERR_LIMIT);
	assert_non_null(strstr(d.text, "32"));
	assert_int_equal(tgt_trap_del(T_, h[7], NULL), ERR_OK);
	assert_int_equal(tgt_trap_add(T_, &t, &x, NULL), ERR_OK);
	assert_int_not_equal(really(as_current(), KCODE + 16 * 7), 0xcc);
}

static void dropped_by_the_target(void **state)
{
	tgt_event e;
	fill(as_current(), KCODE, 4096);
	stop_at(KCODE + 0x800);
	plant(as_current(), KCODE + 0x20);
	plant(as_current(), KCODE + 0x2f);
	uint64_t far = plant(as_current(), KCODE + 0x30);
	uint8_t want = view(as_current(), KCODE + 0x21);
	go_and_stop(KCODE + 0x20, &e);
	assert_int_equal(e.n_dropped, 2);
	assert_int_not_equal(e.stream[0], 0xcc);
	assert_int_equal(view(as_current(), KCODE + 0x21), want);
	/* They are void: the same places can be planted again, the third still stands. */
	fake_calls_clear(F);
	plant(as_current(), KCODE + 0x20);
	plant(as_current(), KCODE + 0x2f);
	/* The bytes below are known from the stop itself. */
	assert_int_not_equal(view(as_current(), KCODE + 0x20), 0xcc);
	assert_int_equal(calls(FAKE_TRAP_DEL), 0);
	assert_int_equal(tgt_trap_del(T_, far, NULL), ERR_OK);
	go_and_stop(KCODE + 0x800, &e);
	assert_int_equal(fake_resumed(F, 0)->armed, 2);
}

/* ---- physical memory and page tables ---- */

static void map_page(uint64_t root, uint64_t va, uint64_t pa, bool present)
{
	uint64_t table = root;
	for (int level = 3; level >= 0; level--) {
		unsigned i = va >> (12 + 9 * level) & 511;
		uint64_t v = level ? root + 0x10000 * (uint64_t)level +
					     (va >> (12 + 9 * level) & 7) * 0x1000
				   : pa;
		uint8_t b[8];
		put64(b, v | (present || level ? 7 : 0));
		fake_mem(F, as_phys(), table + 8 * i, b, 8);
		table = v;
	}
}

static void through_a_root(void **state)
{
	uint8_t b[32], w[32];
	size_t n;
	const uint64_t root = 0x1ad000;
	fill(as_phys(), 0x55000, 4096);
	fill(as_phys(), 0x77000, 4096);
	map_page(root, UCODE, 0x55000, true);
	map_page(root, UCODE + 0x1000, 0x77000, true);
	map_page(root, UCODE + 0x2000, 0x99000, false);
	stop_at(KCODE);
	x64_walk walk;
	assert_int_equal(tgt_translate(T_, root | 0xfff, UCODE + 0x123, &walk, NULL), ERR_OK);
	assert_int_equal(walk.phys, 0x55123);
	assert_int_equal(tgt_translate(T_, root, UCODE + 0x2123, &walk, NULL), ERR_FAULT);
	assert_int_equal(tgt_read_all(T_, as_root(root), UCODE + 0xff0, b, 32, NULL), ERR_OK);
	fake_peek(F, as_phys(), 0x55ff0, w, 16);
	fake_peek(F, as_phys(), 0x77000, w + 16, 16);
	assert_memory_equal(b, w, 32);
	assert_int_equal(tgt_read(T_, as_root(root), UCODE + 0x1ff0, b, 32, &n, NULL), ERR_OK);
	assert_int_equal(n, 16);
	diag d = {0};
	assert_int_equal(tgt_read(T_, as_root(root), UCODE + 0x2000, b, 32, &n, &d), ERR_FAULT);
	/* Translations are kept. */
	fake_calls_clear(F);
	assert_int_equal(tgt_read_all(T_, as_root(root), UCODE + 0x10, b, 8, NULL), ERR_OK);
	assert_int_equal(tgt_read(T_, as_root(root), UCODE + 0x2008, b, 8, &n, NULL), ERR_FAULT);
	assert_true(calls(FAKE_READ) <= 1);
	/* Writing crosses the page, too. */
	assert_int_equal(tgt_write(T_, as_root(root), UCODE + 0xffe, "WXYZ", 4, &n, NULL), ERR_OK);
	assert_int_equal(n, 4);
	assert_int_equal(really(as_phys(), 0x55fff), 'X');
	assert_int_equal(really(as_phys(), 0x77001), 'Z');
	assert_int_equal(view(as_root(root), UCODE + 0x1001), 'Z');
}

static void physical_traps(void **state)
{
	const uint64_t root = 0x1ad000;
	tgt_event e;
	uint8_t b[32], w[32];
	fill(as_phys(), 0x55000, 4096);
	map_page(root, UCODE, 0x55000, true);
	stop_at(KCODE);
	fake_peek(F, as_phys(), 0x55100, w, 32);
	uint64_t h = plant(as_phys(), 0x55108);
	assert_int_equal(really(as_phys(), 0x55108), 0xcc);
	go_and_stop(KCODE, &e);
	/* Neither in physical memory nor in any process that maps the page. */
	assert_int_equal(tgt_read_all(T_, as_phys(), 0x55100, b, 32, NULL), ERR_OK);
	assert_memory_equal(b, w, 32);
	go_and_stop(KCODE, &e);
	assert_int_equal(tgt_read_all(T_, as_root(root), UCODE + 0x100, b, 32, NULL), ERR_OK);
	assert_memory_equal(b, w, 32);
	/* Writes through the page tables go under it. */
	size_t n;
	assert_int_equal(tgt_write(T_, as_root(root), UCODE + 0x107, "123", 3, &n, NULL), ERR_OK);
	assert_int_equal(really(as_phys(), 0x55108), 0xcc);
	assert_int_equal(view(as_root(root), UCODE + 0x108), '2');
	assert_int_equal(view(as_phys(), 0x55108), '2');
	/* Out: the new byte. */
	assert_int_equal(tgt_trap_del(T_, h, NULL), ERR_OK);
	go_and_stop(KCODE, &e);
	assert_int_equal(really(as_phys(), 0x55108), '2');
	/* Out when the page holds something else by now: it is left alone. */
	h = plant(as_phys(), 0x55108);
	go_and_stop(KCODE, &e);
	fake_mem(F, as_phys(), 0x55108, "N", 1);
	assert_int_equal(tgt_trap_del(T_, h, NULL), ERR_OK);
	go_and_stop(KCODE, &e);
	assert_int_equal(really(as_phys(), 0x55108), 'N');
	/* Leaving takes out what is left. */
	plant(as_phys(), 0x55108);
	go_and_stop(KCODE, &e);
	assert_int_equal(really(as_phys(), 0x55108), 0xcc);
	trap_leave(T_);
	assert_int_equal(really(as_phys(), 0x55108), 'N');
}

static void through_a_root_of_five_levels(void **state)
{
	const uint64_t root = 0x1ad000, top = 0x2ad000;
	uint8_t b[8];
	x64_walk walk;
	fill(as_phys(), 0x55000, 4096);
	map_page(root, UCODE, 0x55000, true);
	put64(b, root | 7);
	fake_mem(F, as_phys(), top, b, 8);
	fake_regs(F, 0)->cr4 = 1 << 12;
	stop_at(KCODE);
	assert_int_equal(tgt_translate(T_, top, UCODE + 0x123, &walk, NULL), ERR_OK);
	assert_int_equal(walk.levels, 5);
	assert_int_equal(walk.phys, 0x55123);
}

/* A virtual trap seen in physical memory: recognised by what is around it. */
static void shared_pages(void **state)
{
	uint8_t page[4096], b[32], w[32];
	tgt_event e;
	for (size_t i = 0; i < sizeof page; i++)
		page[i] = (uint8_t)(i * 37 + 11);
	fake_mem(F, as_current(), KCODE, page, sizeof page);
	fake_mem(F, as_phys(), 0x88000, page, sizeof page);
	stop_at(KCODE + 0x800);
	(void)view(as_current(), KCODE + 0x100);
	plant(as_current(), KCODE + 0x108);
	fake_mem(F, as_phys(), 0x88108, "\xcc", 1);
	memcpy(w, page + 0x100, 32);
	assert_int_equal(tgt_read_all(T_, as_phys(), 0x88100, b, 32, NULL), ERR_OK);
	assert_memory_equal(b, w, 32);
	/* The same place in a page of other contents: a real int 3. */
	memset(page, 0x90, sizeof page);
	page[0x108] = 0xcc;
	fake_mem(F, as_phys(), 0x99000, page, sizeof page);
	assert_int_equal(view(as_phys(), 0x99108), 0xcc);
	go_and_stop(KCODE + 0x800, &e);
}

static void user_traps_belong_to_the_process_of_their_stop(void **state)
{
	tgt_event e;
	as_t a = {AS_PROCESS, 1}, b = {AS_PROCESS, 2};
	fill(a, UCODE, 4096);
	fill(b, UCODE, 4096);
	fake_mem(F, b, UCODE + 3, "Q", 1);
	fake_current(F, a);
	stop_at(KCODE);
	uint64_t h = plant(as_current(), UCODE);
	assert_int_equal(really(a, UCODE), 0xcc);
	fake_current(F, b);
	go_and_stop(KCODE, &e);
	assert_int_not_equal(view(as_current(), UCODE), 0xcc);
	/* Deleted here and planted here: that is another process, nothing may be reused. */
	assert_int_equal(tgt_trap_del(T_, h, NULL), ERR_OK);
	plant(as_current(), UCODE);
	assert_int_equal(really(b, UCODE), 0xcc);
	assert_int_not_equal(really(a, UCODE), 0xcc);
	/* Both at once. */
	fake_current(F, a);
	go_and_stop(KCODE, &e);
	plant(as_current(), UCODE);
	assert_int_equal(really(a, UCODE), 0xcc);
	assert_int_equal(really(b, UCODE), 0xcc);
}

static void reboot_voids_everything(void **state)
{
	tgt_event e;
	fill(as_current(), KCODE, 4096);
	stop_at(KCODE + 0x800);
	uint64_t h = plant(as_current(), KCODE);
	tgt_run go = {.go = TGT_GO, .handled = true};
	fake_script(F, &(tgt_event){.kind = TGT_EV_REBOOT});
	assert_int_equal(tgt_resume(T_, &go, NULL), ERR_OK);
	assert_int_equal(tgt_wait(T_, 0, &e, NULL), ERR_OK);
	assert_int_equal(e.kind, TGT_EV_REBOOT);
	fake_script(F, &(tgt_event){.kind = TGT_EV_EXCEPTION, .pc = KCODE + 0x800});
	assert_int_equal(tgt_wait(T_, 0, &e, NULL), ERR_OK);
	assert_int_equal(tgt_trap_del(T_, h, NULL), ERR_NOTFOUND);
	plant(as_current(), KCODE);
}

/* The fake runs code: a loop counts, a trap stops it, a step goes one on. */
static void the_fake_executes(void **state)
{
	tgt_event e;
	/* inc rax; jmp -5 */
	fake_mem(F, as_current(), KCODE, "\x48\xff\xc0\xeb\xfb", 5);
	fake_regs(F, 0)->rip = KCODE;
	fake_execute(F, true, 1000);
	stop_at(KCODE);
	tgt_run step = {.go = TGT_STEP, .handled = true}, go = {.go = TGT_GO, .handled = true};
	assert_int_equal(tgt_resume(T_, &step, NULL), ERR_OK);
	assert_int_equal(tgt_wait(T_, 0, &e, NULL), ERR_OK);
	assert_int_equal(e.code, 0x80000004);
	assert_int_equal(e.pc, KCODE + 3);
	plant(as_current(), KCODE);
	assert_int_equal(tgt_resume(T_, &go, NULL), ERR_OK);
	assert_int_equal(tgt_wait(T_, 0, &e, NULL), ERR_OK);
	assert_int_equal(e.code, 0x80000003);
	assert_int_equal(e.pc, KCODE);
	assert_int_equal(e.n_dropped, 1);
	x64_regs r = {0};
	assert_int_equal(tgt_regs_get(T_, 0, X64_SET_INTEGER, &r, NULL), ERR_OK);
	assert_int_equal(r.gpr[X64_RAX], 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {T(cached_until_it_runs), T(cache_settings),
		T(faults_are_remembered_and_reads_are_short), T(large_reads_go_out_in_large_pieces),
		T(a_word_read_sparingly_brings_no_neighbours), T(planted_bytes_do_not_show),
		T(writes_go_under), T(out_and_in_again_costs_nothing),
		T(full_table_makes_room_of_what_is_pending), T(dropped_by_the_target),
		T(through_a_root), T(through_a_root_of_five_levels), T(physical_traps),
		T(shared_pages), T(user_traps_belong_to_the_process_of_their_stop),
		T(reboot_voids_everything), T(the_fake_executes)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
