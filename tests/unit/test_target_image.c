/* target: a PE file as a static target. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/reader.h"
#include "target/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BASE 0x180000000ull

/* Headers at 0, .text (raw 0x400, RVA 0x1000), .data with more memory than file (RVA 0x3000). */
static size_t build(uint8_t *f)
{
	enum { OPT = 0x98, SEC = OPT + 240 };
	memset(f, 0, 0x800);
	memcpy(f, "MZ", 2);
	put32(f + 0x3c, 0x80);
	memcpy(f + 0x80, "PE\0\0", 4);
	put16(f + 0x84, 0x8664);
	put16(f + 0x86, 2);
	put16(f + 0x94, 240);
	put16(f + 0x96, 0x2022);
	put16(f + OPT, 0x20b);
	put32(f + OPT + 16, 0x1010); /* entry */
	put64(f + OPT + 24, BASE);
	put32(f + OPT + 32, 0x1000);
	put32(f + OPT + 36, 0x200);
	put32(f + OPT + 56, 0x5000); /* image */
	put32(f + OPT + 60, 0x400);  /* headers */
	put32(f + OPT + 64, 0x1234); /* checksum */
	put32(f + OPT + 108, 16);
	static const struct {
		const char *name;
		uint32_t vsize, rva, rawn, raw;
	} s[] = {{".text", 0x180, 0x1000, 0x200, 0x400}, {".data", 0x1800, 0x3000, 0x200, 0x600}};
	for (size_t i = 0; i < 2; i++) {
		uint8_t *h = f + SEC + 40 * i;
		memcpy(h, s[i].name, 5);
		put32(h + 8, s[i].vsize);
		put32(h + 12, s[i].rva);
		put32(h + 16, s[i].rawn);
		put32(h + 20, s[i].raw);
	}
	memset(f + 0x400, 0x90, 0x200);
	memset(f + 0x600, 0xdd, 0x200);
	return 0x800;
}

static char path[] = "/tmp/rs-image-XXXXXX";

static tgt *open_file(const uint8_t *f, size_t n, err want)
{
	diag d = {0};
	tgt *t = NULL;
	assert_int_equal(sys_write_file(path, (str){(const char *)f, n}, NULL), ERR_OK);
	err e = image_open(path, NULL, &t, &d);
	if (e != want)
		fail_msg("%s: %s", err_name(e), d.text);
	if (e != ERR_OK)
		assert_non_null(strstr(d.text, path));
	return t;
}

static void laid_out_as_loaded(void **state)
{
	uint8_t f[0x800], b[0x6000];
	tgt *t = open_file(f, build(f), ERR_OK);
	tgt_event e;
	tgt_version v;
	tgt_caps c;
	size_t n;
	diag d = {0};
	assert_int_equal(tgt_wait(t, 0, &e, NULL), ERR_OK);
	assert_int_equal(e.kind, TGT_EV_LOAD);
	assert_int_equal(e.base, BASE);
	assert_int_equal(e.size, 0x5000);
	assert_int_equal(e.checksum, 0x1234);
	assert_string_equal(e.path, path);
	assert_int_equal(tgt_wait(t, 0, &e, NULL), ERR_OK);
	assert_int_equal(e.kind, TGT_EV_TIMEOUT);
	assert_int_equal(tgt_wait(t, -1, &e, &d), ERR_DEAD);
	tgt_caps_get(t, &c);
	assert_false(c.live || c.kernel);
	assert_int_equal(tgt_query(t, TGT_F_VERSION, &v, sizeof v, NULL), ERR_OK);
	assert_int_equal(v.machine, 0x8664);
	/* Behind what the file has, also where nothing lies between the file and who asks. */
	memset(b, 0xcc, 8);
	tgt_read_sparingly(t, true);
	assert_int_equal(tgt_read_all(t, as_current(), BASE + 0x400, b, 8, NULL), ERR_OK);
	assert_true(le64(b) == 0);
	tgt_read_sparingly(t, false);
	assert_int_equal(tgt_read(t, as_current(), BASE, b, sizeof b, &n, NULL), ERR_OK);
	assert_int_equal(n, 0x5000);
	assert_memory_equal(b, f, 0x400);
	assert_int_equal(b[0x400], 0);
	assert_int_equal(b[0x1000], 0x90);
	assert_int_equal(b[0x2000], 0);
	assert_int_equal(b[0x31ff], 0xdd);
	assert_int_equal(b[0x3200], 0);
	assert_int_equal(tgt_read(t, as_current(), BASE - 8, b, 8, &n, NULL), ERR_FAULT);
	assert_int_equal(tgt_read(t, as_current(), BASE + 0x5000, b, 8, &n, NULL), ERR_FAULT);
	x64_regs r = {0};
	assert_int_equal(tgt_regs_get(t, 0, X64_SET_CONTROL, &r, NULL), ERR_OK);
	assert_int_equal(r.rip, BASE + 0x1010);
	/* What a file cannot do says so. */
	tgt_run go = {0};
	assert_int_equal(tgt_resume(t, &go, &d), ERR_UNSUPPORTED);
	assert_non_null(strstr(d.text, "image"));
	assert_int_equal(tgt_write(t, as_current(), BASE, b, 1, &n, &d), ERR_UNSUPPORTED);
	tgt_close(t, TGT_DETACH);
}

static void damaged(void **state)
{
	uint8_t f[0x800];
	size_t n = build(f);
	tgt *t = NULL;
	diag d = {0};
	assert_int_equal(image_open("/nonexistent/x.dll", NULL, &t, &d), ERR_NOTFOUND);
	put16(f, 0);
	(void)open_file(f, n, ERR_CORRUPT);
	/* Sections that point outside of the file read as zero. */
	build(f);
	put32(f + 0x98 + 240 + 20, 0xfffffff0);
	t = open_file(f, n, ERR_OK);
	uint8_t b[16];
	assert_int_equal(tgt_read_all(t, as_current(), BASE + 0x1000, b, 16, NULL), ERR_OK);
	assert_int_equal(b[0], 0);
	tgt_close(t, TGT_ABANDON);
	/* Every truncation opens or is refused, and can be read to its end. */
	for (size_t cut = 0; cut < n; cut += 7) {
		build(f);
		assert_int_equal(sys_write_file(path, (str){(const char *)f, cut}, NULL), ERR_OK);
		if (image_open(path, NULL, &t, NULL) != ERR_OK)
			continue;
		for (uint64_t at = BASE; at < BASE + 0x5000; at += 0x800)
			(void)!tgt_read_all(t, as_current(), at, b, 16, NULL);
		tgt_close(t, TGT_ABANDON);
	}
}

static int setup(void **state)
{
	int fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(laid_out_as_loaded), cmocka_unit_test(damaged)};
	return cmocka_run_group_tests(tests, setup, teardown);
}
