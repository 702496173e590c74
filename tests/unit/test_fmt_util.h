/*
 * What the tests of src/fmt share: a writer of MSF and MSFZ containers, and running tools.
 */
#ifndef TEST_FMT_UTIL_H
#define TEST_FMT_UTIL_H

#include "base/reader.h"
#include "base/sys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

static inline void b16(buf *b, unsigned v)
{
	uint8_t x[2];
	put16(x, (uint16_t)v);
	buf_add(b, x, 2);
}

static inline void b32(buf *b, uint32_t v)
{
	uint8_t x[4];
	put32(x, v);
	buf_add(b, x, 4);
}

static inline void b64(buf *b, uint64_t v)
{
	uint8_t x[8];
	put64(x, v);
	buf_add(b, x, 8);
}

static inline void bz(buf *b, const char *s)
{
	buf_add(b, s, strlen(s) + 1);
}

static inline void balign(buf *b, size_t to)
{
	while (b->n % to)
		buf_addc(b, 0);
}

/* ---- MSF ---- */

/* Pages of the streams are dealt out round robin, so that neighbours of a stream are apart; in_row:
 * one stream after the other. p[i].p NULL: a nil stream. */
static inline void msf_write(buf *out, const str *s, uint32_t n, uint32_t page, bool in_row)
{
	uint32_t count[512] = {0}, *pages[512] = {0}, next = 3, left = 0;
	buf dir;
	buf_init(&dir, 0);
	assert_true(n < 512);
	b32(&dir, n);
	for (uint32_t i = 0; i < n; i++) {
		b32(&dir, s[i].p ? (uint32_t)s[i].n : 0xffffffff);
		count[i] = s[i].p ? (uint32_t)((s[i].n + page - 1) / page) : 0;
		pages[i] = mem_alloc(count[i] * sizeof(uint32_t));
		left += count[i];
	}
	if (in_row) {
		for (uint32_t i = 0; i < n; i++)
			for (uint32_t k = 0; k < count[i]; k++)
				pages[i][k] = next++;
	} else {
		for (uint32_t k = 0; left; k++)
			for (uint32_t i = 0; i < n; i++)
				if (k < count[i]) {
					pages[i][k] = next++;
					left--;
				}
	}
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t k = 0; k < count[i]; k++)
			b32(&dir, pages[i][k]);
	uint32_t ndir = (uint32_t)((dir.n + page - 1) / page), map_page = next++, dir_page = next;
	next += ndir;
	uint8_t *img = mem_alloc((size_t)next * page);
	memcpy(img,
		"Microsoft C/C++ MSF 7.00\r\n\x1a"
		"DS\0\0",
		32);
	put32(img + 32, page);
	put32(img + 36, 1);
	put32(img + 40, next);
	put32(img + 44, (uint32_t)dir.n);
	put32(img + 52, map_page);
	for (uint32_t i = 0; i < ndir; i++)
		put32(img + (size_t)map_page * page + 4 * i, dir_page + i);
	memcpy(img + (size_t)dir_page * page, dir.p, dir.n);
	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t k = 0; k < count[i]; k++) {
			size_t at = (size_t)k * page, len = s[i].n - at < page ? s[i].n - at : page;
			memcpy(img + (size_t)pages[i][k] * page, s[i].p + at, len);
		}
		mem_free(pages[i]);
	}
	buf_add(out, img, (size_t)next * page);
	mem_free(img);
	buf_deinit(&dir);
}

/* ---- MSFZ ---- */

static inline size_t pack(uint32_t how, const void *p, size_t n, uint8_t *out, size_t cap)
{
	if (how == 0) {
		memcpy(out, p, n);
		return n;
	}
	if (how == 1) {
		size_t k = ZSTD_compress(out, cap, p, n, 3);
		assert_false(ZSTD_isError(k));
		return k;
	}
	z_stream z = {0};
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (Bytef *)(uintptr_t)p;
	z.avail_in = (uInt)n;
	z.next_out = out;
	z.avail_out = (uInt)cap;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	size_t k = z.total_out;
	deflateEnd(&z);
	return k;
}

/*
 * Every third stream is stored as it is, the others one behind the other in chunks of `chunk` bytes
 * that are packed in turn with zstd, deflate and not at all; streams larger than a chunk get two
 * fragments, of which the first one lies outside the chunks.
 */
static inline void msfz_write(buf *out, const str *s, uint32_t n, uint32_t chunk, uint32_t dir_how)
{
	buf dir, row, file;
	buf_init(&dir, 0);
	buf_init(&row, 0);
	buf_init(&file, 0);
	for (int i = 0; i < 80; i++)
		buf_addc(&file, 0);
	for (uint32_t i = 0; i < n; i++) {
		size_t plain = !s[i].p ? 0 : i % 3 == 0 ? s[i].n : s[i].n > chunk ? 100 : 0;
		if (!s[i].p) {
			b32(&dir, 0xffffffff);
			continue;
		}
		if (plain) {
			b32(&dir, (uint32_t)plain);
			b64(&dir, file.n);
			buf_add(&file, s[i].p, plain);
		}
		if (s[i].n > plain) {
			b32(&dir, (uint32_t)(s[i].n - plain));
			b64(&dir, (uint64_t)1 << 63 | (uint64_t)(row.n / chunk) << 32 |
					  row.n % chunk);
			buf_add(&row, s[i].p + plain, s[i].n - plain);
		}
		b32(&dir, 0);
	}
	uint32_t nchunks = (uint32_t)((row.n + chunk - 1) / chunk);
	size_t cap = (row.n > dir.n ? row.n : dir.n) + chunk + 1024;
	uint8_t *tmp = mem_alloc(cap);
	buf table;
	buf_init(&table, 0);
	for (uint32_t i = 0; i < nchunks; i++) {
		size_t len = row.n - (size_t)i * chunk < chunk ? row.n - (size_t)i * chunk : chunk;
		uint32_t how = (i + 1) % 3;
		size_t k = pack(how, row.p + (size_t)i * chunk, len, tmp, cap);
		b64(&table, file.n);
		b32(&table, how);
		b32(&table, (uint32_t)k);
		b32(&table, (uint32_t)len);
		buf_add(&file, tmp, k);
	}
	size_t k = pack(dir_how, dir.p, dir.n, tmp, cap);
	uint8_t *h = (uint8_t *)file.p;
	memcpy(h,
		"Microsoft MSFZ Container\r\n\x1a"
		"ALD\0\0",
		32);
	put64(h + 40, file.n);
	put64(h + 48, file.n + k);
	put32(h + 56, n);
	put32(h + 60, dir_how);
	put32(h + 64, (uint32_t)k);
	put32(h + 68, (uint32_t)dir.n);
	put32(h + 72, nchunks);
	put32(h + 76, (uint32_t)table.n);
	buf_add(&file, tmp, k);
	buf_add(&file, table.p, table.n);
	buf_add(out, file.p, file.n);
	mem_free(tmp);
	buf_deinit(&dir);
	buf_deinit(&row);
	buf_deinit(&file);
	buf_deinit(&table);
}

/* ---- tools ---- */

static inline bool have_tool(const char *name)
{
	char cmd[200];
	snprintf(cmd, sizeof cmd, "command -v %s >/dev/null 2>&1", name);
	return system(cmd) == 0;
}

/* A directory of our own under the build folder (or /tmp). */
static inline const char *work_dir(void)
{
	static char dir[512];
	const char *root = getenv("RS_BUILD_ROOT");
	if (!dir[0]) {
		snprintf(dir, sizeof dir, "%s/fmt-test.XXXXXX", root ? root : "/tmp");
		assert_non_null(mkdtemp(dir));
	}
	return dir;
}

static inline void work_dir_remove(void)
{
	char cmd[600];
	snprintf(cmd, sizeof cmd, "rm -rf '%s'", work_dir());
	assert_int_equal(system(cmd), 0);
}

#endif
