/*
 * wire: every frame of the recordings decodes, packs back into the same bytes and has a readable
 * line. The recordings live beside the source tree (../shared/kd-captures); a small sample is part
 * of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/sys.h"
#include "wire/kd.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

static size_t hex(str s, uint8_t *out, size_t cap)
{
	size_t n = 0;
	for (; s.n >= 2 && n < cap; s = str_skip(s, 2)) {
		uint64_t v;
		assert_true(str_u64(str_take(s, 2), 16, &v));
		out[n++] = (uint8_t)v;
	}
	assert_int_equal(s.n, 0);
	return n;
}

static unsigned frames, states, requests, replies, prints, stray;

static void check_state(const kd_frame *f)
{
	static uint8_t again[KD_PAYLOAD_MAX];
	kd_state s;
	assert_int_equal(kd_state_unpack(f->p, f->n, &s), ERR_OK);
	assert_int_equal(s.kind, le32(f->p));
	assert_true(s.has_report);
	assert_int_equal(s.n_cpu, 1);
	assert_true(s.pc >> 63);
	assert_int_equal(s.cs, 0x10);
	assert_int_equal(s.n_stream, 16);
	if (s.kind == KD_S_EXCEPTION && s.code == 0x80000003)
		assert_int_equal(s.address, s.pc + 1);
	if (s.kind == KD_S_LOAD)
		assert_true(str_iends(s.text, STR(".exe")) || str_iends(s.text, STR(".sys")) ||
			    str_iends(s.text, STR(".dll")));
	/* Paddings of the recorded kernel are not cleared; what we know must be the same. */
	size_t n = kd_state_pack(&s, again, sizeof again);
	kd_state t;
	assert_int_equal(kd_state_unpack(again, n, &t), ERR_OK);
	assert_true(str_eq(s.text, t.text));
	s.text = t.text = STR("");
	assert_memory_equal(&s, &t, sizeof s);
	states++;
}

static void check_manip(bool out, const kd_frame *f)
{
	uint8_t again[KD_MANIP_SIZE];
	kd_manip m;
	assert_int_equal(kd_manip_unpack(f->p, f->n, &m), ERR_OK);
	if (m.api != 0x3163) /* a number that does not exist was asked for on purpose */
		assert_non_null(kd_api_name(m.api));
	assert_int_equal(m.n, f->n - KD_MANIP_SIZE);
	kd_manip_pack(&m, again);
	assert_memory_equal(again, f->p, KD_MANIP_SIZE);
	out ? requests++ : replies++;
	if (!out && m.api == KD_GET_VERSION) {
		assert_int_equal(m.u.version.machine, KD_MACHINE_AMD64);
		assert_int_equal(m.u.version.kernel_base, 0xfffff80000400000);
	}
	if (!out && m.api == KD_READ_VIRTUAL && !m.status)
		assert_int_equal(m.u.mem.actual, m.n);
}

static void check_frame(bool out, const uint8_t *b, size_t n)
{
	kd_frame f;
	buf text;
	buf_init(&text, 0);
	kd_text(out, b, n, &text);
	assert_true(text.n > 2 && text.n < 400);
	buf_deinit(&text);
	if (kd_frame_parse(b, n, &f) != ERR_OK) {
		stray++;
		assert_true(out && n == 1 && b[0] == KD_BREAKIN);
		return;
	}
	frames++;
	if (f.control)
		return;
	if (f.type == KD_T_STATE64) {
		check_state(&f);
	} else if (f.type == KD_T_MANIPULATE) {
		check_manip(out, &f);
	} else {
		kd_debug_io io;
		uint8_t again[KD_DEBUG_IO_SIZE];
		assert_int_equal(f.type, KD_T_DEBUG_IO);
		assert_int_equal(kd_debug_io_unpack(f.p, f.n, &io), ERR_OK);
		kd_debug_io_pack(&io, again);
		/* A print leaves the second word as it was. */
		assert_memory_equal(again, f.p, io.api == KD_IO_PRINT ? 12 : 16);
		if (io.api == KD_IO_PRINT)
			assert_int_equal(io.length, io.text.n);
		prints++;
	}
}

static void check_file(const char *path)
{
	static uint8_t b[8192];
	static kdp p;
	kdp_note x;
	arena a;
	str all;
	uint64_t now = 0;
	unsigned data = 0, seen = 0;
	arena_init(&a);
	kdp_init(&p);
	assert_int_equal(sys_read_file(&a, path, 16 << 20, &all, NULL), ERR_OK);
	while (all.n) {
		size_t nl = str_chr(all, '\n');
		str line = str_trim(str_take(all, nl == SIZE_MAX ? all.n : nl));
		all = nl == SIZE_MAX ? STR("") : str_skip(all, nl + 1);
		if (!line.n || line.p[0] == '#')
			continue;
		(void)str_word(&line);
		bool out = str_eq(str_word(&line), STR(">"));
		size_t n = hex(str_word(&line), b, sizeof b);
		check_frame(out, b, n);
		if (out)
			continue;
		/* And through the machine, in pieces. */
		data += b[0] == 0x30;
		for (size_t i = 0; i < n; i += 11) {
			size_t k = n - i < 11 ? n - i : 11;
			assert_int_equal(kdp_feed(&p, b + i, k, now++), k);
			while (kdp_next(&p, &x, now))
				seen += x.kind == KDP_DATA;
		}
		buf_clear(&p.out);
	}
	assert_int_equal(p.st.noise, 0);
	assert_int_equal(p.st.damaged, 0);
	assert_int_equal(seen + p.st.duplicates, data);
	kdp_deinit(&p);
	arena_deinit(&a);
}

static void sample(void **state)
{
	char path[512];
	snprintf(path, sizeof path, "%s/tests/unit/test_wire_sample.kd", getenv("RS_SOURCE_ROOT"));
	check_file(path);
	print_message("%u frames, %u state changes, %u requests, %u replies, %u texts\n", frames,
		states, requests, replies, prints);
	assert_true(frames >= 60 && states >= 2 && requests >= 20 && replies >= 20 && prints >= 3);
	assert_int_equal(stray, 1);
}

static void recordings(void **state)
{
	char dir[512], path[1024];
	snprintf(dir, sizeof dir, "%s/../shared/kd-captures", getenv("RS_SOURCE_ROOT"));
	DIR *d = opendir(dir);
	if (!d) {
		print_message("no recordings in %s: skipped\n", dir);
		skip();
	}
	unsigned files = 0;
	frames = 0;
	for (struct dirent *e; (e = readdir(d));) {
		if (!str_iends(str_of(e->d_name), STR(".kd")))
			continue;
		snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
		check_file(path);
		files++;
	}
	closedir(d);
	assert_true(files >= 6 && frames > 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(sample), cmocka_unit_test(recordings)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
