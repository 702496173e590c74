/* base: strings, wildcards, maps, bisection, the bounded reader, diagnostics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/bisect.h"
#include "base/half.h"
#include "base/map.h"
#include "base/reader.h"

#include <stdio.h>

static void wild(void **state)
{
	/* The pairs are those of the documentation's wildcard page. */
	static const struct {
		const char *pat, *text;
		bool symbol, want;
	} rows[] = {
		{"Lo#p", "Lp", 0, 1},
		{"Lo#p", "Loop", 0, 1},
		{"Lo+p", "Lp", 0, 0},
		{"Lo+p", "Looop", 0, 1},
		{"m[ia]#n", "mn", 0, 1},
		{"m[ia]#n", "maiain", 0, 1},
		{"m[ia]#n", "moon", 0, 0},
		{"Prog[er-t7]am", "Program", 0, 1},
		{"Prog[er-t7]am", "Prog7am", 0, 1},
		{"Prog[er-t7]am", "Proguam", 0, 0},
		{"a?+b", "ab", 0, 0},
		{"a?+b", "axb", 0, 1},
		{"a?+b", "axyzb", 0, 1},
		{"*", "", 0, 1},
		{"_main", "___MAIN", 1, 1},
		{"_main", "main", 1, 1},
		{"_main", "main", 0, 0},
		{"a\\*b", "a*b", 0, 1},
		{"a\\*b", "axb", 0, 0},
		{"*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaa", 0, 0},
		{"Nt*File", "NtCreateFile", 0, 1},
		{"?", "", 0, 0},
		{"[", "[", 0, 1},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (str_wild(str_of(rows[i].pat), str_of(rows[i].text), rows[i].symbol) !=
			rows[i].want)
			fail_msg("%s on %s", rows[i].pat, rows[i].text);
}

static void maps(void **state)
{
	map m;
	map_init(&m);
	for (uint64_t i = 0; i < 5000; i++)
		map_set(&m, i * 4096, (void *)(uintptr_t)(i + 1));
	for (uint64_t i = 0; i < 5000; i += 2)
		assert_true(map_del(&m, i * 4096));
	for (uint64_t i = 0; i < 5000; i++)
		assert_int_equal((uintptr_t)map_get(&m, i * 4096), i % 2 ? i + 1 : 0);
	assert_int_equal(m.live, 2500);
	assert_true(!map_has(&m, 0) && !map_del(&m, 0) && map_has(&m, 4096));
	size_t left = 0;
	for (map_entry *e = NULL; (e = map_next(&m, e));)
		left++;
	assert_int_equal(left, 2500);
	map_deinit(&m);

	map_init_fold(&m);
	map_sets(&m, STR("NtDll"), &m);
	assert_ptr_equal(map_gets(&m, STR("ntdll")), &m);
	assert_true(map_dels(&m, STR("NTDLL")));
	assert_null(map_gets(&m, STR("ntdll")));
	map_deinit(&m);
}

static void bounded(void **state)
{
	static const uint8_t bytes[] = {1, 2, 3, 4, 'h', 'i', 0, 9};
	reader r = rd_of(bytes, sizeof bytes);
	assert_int_equal(rd_u32(&r), 0x04030201);
	assert_true(str_eq(rd_cstr(&r), STR("hi")));
	assert_int_equal(rd_u16(&r), 0);
	assert_true(r.bad);
	assert_int_equal(rd_u8(&r), 0);
	reader s = rd_sub(&r, 0, 1);
	assert_true(s.bad);
	r = rd_of(bytes, 4);
	(void)rd_cstr(&r);
	assert_true(r.bad);
}

static void words(void **state)
{
	diag d = {0};
	assert_int_equal(diag_set(&d, ERR_FAULT, "no page at %x", 16), ERR_FAULT);
	(void)diag_add(&d, ERR_FAULT, "reading %s", "nt!X");
	assert_string_equal(d.text, "reading nt!X: no page at 10");
	char big[2000];
	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = 0;
	(void)diag_add(&d, ERR_FAULT, "%s", big);
	assert_int_equal(strlen(d.text), DIAG_TEXT_MAX - 1);
	assert_int_equal(diag_set(NULL, ERR_IO, "x"), ERR_IO);
}

static void buffers(void **state)
{
	buf b;
	buf_init(&b, 10);
	buf_addz(&b, "12345");
	buf_addf(&b, "%d", 67890);
	assert_false(b.toobig);
	buf_addc(&b, '!');
	assert_true(b.toobig);
	assert_string_equal(buf_z(&b), "1234567890");
	buf_deinit(&b);
	arena a;
	arena_init(&a);
	static const uint8_t u16[] = {'A', 0, 0xe9, 0, 0x3d, 0xd8, 0x00, 0xde, 0x00, 0xdc};
	str s = str_from_utf16(&a, u16, 5);
	assert_true(str_eq(s, STR("A\xc3\xa9\xf0\x9f\x98\x80\xef\xbf\xbd")));
	arena_deinit(&a);
}

/* Among n numbers, each twice, every place: in front, at, between, behind. */
static void bisecting(void **state)
{
	static const int v[] = {2, 2, 4, 4, 6, 6, 8, 8};
	for (size_t n = 0; n <= ARRAY_LEN(v); n++)
		for (int x = 0; x < 10; x++) {
			size_t lower = 0, upper = 0;
			while (lower < n && v[lower] < x)
				lower++;
			while (upper < n && v[upper] <= x)
				upper++;
			assert_int_equal(BISECT(i, n, v[i] < x), lower);
			assert_int_equal(BISECT(i, n, v[i] <= x), upper);
		}
}

/* Every half there and back; what lies between two goes to the nearer one, ties to the even one. */
static void halves(void **state)
{
	for (unsigned i = 0; i < 0x10000; i++) {
		double f = half_get((uint16_t)i), b = bfloat_get((uint16_t)i);
		if (f == f)
			assert_int_equal(half_put(f), i);
		else
			assert_true((half_put(f) & 0x7fff) > 0x7c00);
		if (b == b)
			assert_int_equal(bfloat_put(b), i);
		else
			assert_true((bfloat_put(b) & 0x7fff) > 0x7f80);
		if (i < 0x7bff) {
			double next = half_get((uint16_t)(i + 1)), mid = (f + next) / 2;
			assert_true(f < next);
			assert_int_equal(half_put(mid), i + (i & 1));
			assert_int_equal(half_put(mid + (next - f) / 8), i + 1);
			assert_int_equal(half_put(mid - (next - f) / 8), i);
		}
	}
	assert_true(half_get(0x3c00) == 1 && half_get(0xc000) == -2 && half_get(1) == 0x1p-24);
	assert_true(half_get(0x7bff) == 65504 && bfloat_get(0x3f80) == 1);
	assert_int_equal(half_put(65519), 0x7bff);
	assert_int_equal(half_put(65520), 0x7c00);
	assert_int_equal(half_put(-1e300), 0xfc00);
	assert_int_equal(half_put(1e-300), 0);
	assert_int_equal(half_put(0x1p-25), 0);
	assert_int_equal(half_put(0x1.8p-25), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wild),
		cmocka_unit_test(maps),
		cmocka_unit_test(bounded),
		cmocka_unit_test(words),
		cmocka_unit_test(buffers),
		cmocka_unit_test(bisecting),
		cmocka_unit_test(halves),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
