/* Containers: Big MSF and MSFZ, well formed and damaged. */
#include "fmt/msf.h"

#include "test_fmt_util.h"

typedef struct sample {
	str s[7];
	char *big;
	buf img;
} sample;

/* Sizes around the page: empty, one byte, one page, a page and one, many, nil. */
static void make(sample *t, uint32_t page)
{
	static const size_t sizes[7] = {0, 1, 0, 513, 4096, 100000, 0};
	memset(t, 0, sizeof *t);
	t->big = mem_alloc(200000);
	uint32_t x = 1;
	for (size_t i = 0; i < 200000; i++)
		t->big[i] = (char)((x = x * 1664525 + 1013904223) >> 28); /* packs well */
	for (int i = 0; i < 7; i++)
		t->s[i] = (str){t->big + 1000 * i, sizes[i]};
	t->s[2].n = page;
	t->s[6].p = NULL;
	buf_init(&t->img, 0);
}

static void drop(sample *t)
{
	mem_free(t->big);
	buf_deinit(&t->img);
}

static void check_all(const sample *t, msf *m)
{
	char out[100000];
	assert_int_equal(msf_count(m), 7);
	for (uint32_t i = 0; i < 7; i++) {
		assert_int_equal(msf_has(m, i), t->s[i].p != NULL);
		assert_int_equal(msf_size(m, i), t->s[i].n);
		assert_int_equal(msf_read(m, i, 0, out, t->s[i].n), ERR_OK);
		assert_memory_equal(out, t->s[i].p ? t->s[i].p : "", t->s[i].n);
		if (t->s[i].n)
			assert_int_equal(msf_read(m, i, 1, out, t->s[i].n), ERR_CORRUPT);
		const uint8_t *p;
		for (uint64_t off = 0, k; off < t->s[i].n; off += k) {
			k = msf_span(m, i, off, &p);
			assert_true(k > 0 && k <= t->s[i].n - off);
			assert_memory_equal(p, t->s[i].p + off, k);
		}
		assert_int_equal(msf_span(m, i, t->s[i].n, &p), 0);
	}
	for (size_t off = 0; off + 700 < t->s[5].n; off += 333) {
		const uint8_t *v = msf_view(m, 5, off, 700);
		assert_non_null(v);
		assert_memory_equal(v, t->s[5].p + off, 700);
		assert_ptr_equal(msf_view(m, 5, off, 700), v); /* copied at most once */
	}
	assert_null(msf_view(m, 5, t->s[5].n - 10, 11));
	assert_null(msf_view(m, 5, UINT64_MAX - 3, 8));
	assert_null(msf_view(m, 7, 0, 1));
	assert_non_null(msf_view(m, 0, 0, 0));
	assert_false(msf_has(m, 7));
}

static void test_big(void **state)
{
	(void)state;
	static const uint32_t pages[] = {512, 1024, 4096, 65536};
	for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
		for (int row = 0; row < 2; row++) {
			sample t;
			msf *m;
			diag d;
			make(&t, pages[i]);
			msf_write(&t.img, t.s, 7, pages[i], row);
			assert_true(msf_is(t.img.p, t.img.n));
			assert_int_equal(msf_open(t.img.p, t.img.n, &m, &d), ERR_OK);
			assert_false(msf_compressed(m));
			check_all(&t, m);
			/* In a row everything is found in place. */
			if (row)
				assert_non_null(msf_peek(m, 5, 0, t.s[5].n));
			else if (pages[i] < 4096)
				assert_null(msf_peek(m, 5, 0, t.s[5].n));
			msf_close(m);
			drop(&t);
		}
	}
}

static void test_msfz(void **state)
{
	(void)state;
	for (uint32_t how = 0; how < 3; how++) {
		sample t;
		msf *m;
		diag d;
		make(&t, 700);
		msfz_write(&t.img, t.s, 7, 5000, how);
		assert_int_equal(msf_open(t.img.p, t.img.n, &m, &d), ERR_OK);
		assert_true(msf_compressed(m));
		size_t before = msf_held(m);
		uint8_t byte;
		assert_int_equal(msf_read(m, 5, 50000, &byte, 1), ERR_OK);
		/* Only the chunk that was touched is decompressed. */
		assert_true(msf_held(m) - before <= 5000 + 4096);
		check_all(&t, m);
		msf_close(m);
		drop(&t);
	}
}

static err open_bytes(const buf *b, size_t n)
{
	msf *m;
	diag d = {0};
	/* An exact copy, so that a sanitizer sees any read behind it. */
	char *copy = mem_alloc(n);
	memcpy(copy, b->p, n);
	err e = msf_open(copy, n, &m, &d);
	if (e == ERR_OK)
		msf_close(m);
	else
		assert_true(d.text[0] != 0);
	mem_free(copy);
	return e;
}

static void test_big_damage(void **state)
{
	(void)state;
	sample t;
	make(&t, 512);
	msf_write(&t.img, t.s, 7, 512, false);
	uint8_t *p = (uint8_t *)t.img.p;
	size_t n = t.img.n;
	assert_int_equal(open_bytes(&t.img, n), ERR_OK);
	assert_int_equal(open_bytes(&t.img, 20), ERR_CORRUPT);
	assert_int_equal(open_bytes(&t.img, 40), ERR_CORRUPT);
	assert_int_equal(open_bytes(&t.img, n / 2), ERR_CORRUPT); /* the directory is at the end */
	struct {
		size_t off;
		uint32_t v;
	} bad[] = {{32, 0}, {32, 511}, {32, 1 << 20}, {32, 256}, {44, 0}, {44, 0xfffffff0}, {52, 0},
		{52, 0xffff}, {52, (uint32_t)(n / 512)}};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		uint32_t old = le32(p + bad[i].off);
		put32(p + bad[i].off, bad[i].v);
		assert_int_equal(open_bytes(&t.img, n), ERR_CORRUPT);
		put32(p + bad[i].off, old);
	}
	/* The directory itself: number of streams, sizes, pages. */
	uint8_t *dir = p + (size_t)le32(p + (size_t)le32(p + 52) * 512) * 512;
	assert_int_equal(le32(dir), 7);
	put32(dir, 0x7fffffff);
	assert_int_equal(open_bytes(&t.img, n), ERR_CORRUPT);
	put32(dir, 7);
	uint32_t size = le32(dir + 4 + 4 * 5);
	put32(dir + 4 + 4 * 5, 0xfffffffe);
	assert_int_equal(open_bytes(&t.img, n), ERR_CORRUPT);
	put32(dir + 4 + 4 * 5, size);
	size_t first = 4 + 4 * 7; /* page of stream 1 */
	uint32_t page = le32(dir + first);
	put32(dir + first, 0); /* the header */
	assert_int_equal(open_bytes(&t.img, n), ERR_CORRUPT);
	put32(dir + first, 0xffffffff);
	assert_int_equal(open_bytes(&t.img, n), ERR_CORRUPT);
	put32(dir + first, le32(dir + first + 4)); /* belongs to stream 2 */
	assert_int_equal(open_bytes(&t.img, n), ERR_CORRUPT);
	put32(dir + first, page);
	assert_int_equal(open_bytes(&t.img, n), ERR_OK);
	drop(&t);
}

static void test_msfz_damage(void **state)
{
	(void)state;
	sample t;
	make(&t, 700);
	msfz_write(&t.img, t.s, 7, 5000, 0);
	uint8_t *p = (uint8_t *)t.img.p;
	size_t n = t.img.n;
	for (size_t cut = 0; cut < n; cut += 97)
		assert_int_not_equal(open_bytes(&t.img, cut), ERR_OK);
	put64(p + 32, 1); /* version */
	assert_int_equal(open_bytes(&t.img, n), ERR_UNSUPPORTED);
	put64(p + 32, 0);
	struct {
		size_t off;
		uint32_t v;
	} bad[] = {{40, 0xffffffff}, {48, 0xffffffff}, {56, 0x7fffffff}, {60, 3}, {64, 0},
		{68, 0x7fffffff}, {72, 0x10000000}, {76, 19}};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		uint32_t old = le32(p + bad[i].off);
		put32(p + bad[i].off, bad[i].v);
		assert_int_equal(open_bytes(&t.img, n), ERR_CORRUPT);
		put32(p + bad[i].off, old);
	}
	/* A directory that would grow beyond what any algorithm does is not unpacked at all. */
	uint32_t size = le32(p + 68);
	put32(p + 68, le32(p + 64) * 40000 + 4097);
	msf *bomb;
	diag why = {0};
	assert_int_equal(msf_open(p, n, &bomb, &why), ERR_CORRUPT);
	assert_non_null(strstr(why.text, "bytes in"));
	put32(p + 68, size);
	/* Two chunks at one place. */
	uint8_t *table = p + le64(p + 48), *dir = p + le64(p + 40);
	uint64_t off = le64(table);
	put64(table, le64(table + 20));
	assert_int_equal(open_bytes(&t.img, n), ERR_CORRUPT);
	put64(table, off);
	/* Stream 0 is empty, stream 1 has one fragment in the chunks: send it to no chunk. */
	assert_int_equal(le32(dir), 0);
	uint64_t loc = le64(dir + 8);
	put64(dir + 8, (uint64_t)1 << 63 | (uint64_t)1000 << 32);
	assert_int_equal(open_bytes(&t.img, n), ERR_CORRUPT);
	put64(dir + 8, loc);
	/* A damaged chunk is found out when it is read, and only its streams suffer. */
	memset(p + le64(table + 20), 0x55, 16);
	msf *m;
	diag d;
	uint8_t b[8];
	assert_int_equal(msf_open(p, n, &m, &d), ERR_OK);
	assert_int_equal(msf_read(m, 1, 0, b, 1), ERR_OK);
	assert_int_equal(msf_read(m, 5, 4000, b, 8), ERR_CORRUPT);
	assert_int_equal(msf_read(m, 5, 4000, b, 8), ERR_CORRUPT);
	assert_int_equal(msf_read(m, 5, 20, b, 8), ERR_OK);
	msf_close(m);
	drop(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_big),
		cmocka_unit_test(test_msfz),
		cmocka_unit_test(test_big_damage),
		cmocka_unit_test(test_msfz_damage),
	};
	return cmocka_run_group_tests_name("fmt_msf", tests, NULL, NULL);
}
