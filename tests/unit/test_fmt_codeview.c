/* CodeView records made by hand: numbers, ranges, annotations, short records. */
#include "fmt/codeview.h"

#include "test_fmt_util.h"

static void test_numbers(void **state)
{
	(void)state;
	static const struct {
		uint8_t b[20];
		size_t n;
		int64_t v;
		bool neg, bad;
	} t[] = {
		{{0x34, 0x12}, 2, 0x1234, false, false},
		{{0xff, 0x7f}, 2, 0x7fff, false, false},
		{{0x00, 0x80, 0xff}, 3, -1, true, false},
		{{0x01, 0x80, 0x00, 0x80}, 4, -32768, true, false},
		{{0x02, 0x80, 0xff, 0xff}, 4, 65535, false, false},
		{{0x03, 0x80, 0xfe, 0xff, 0xff, 0xff}, 6, -2, true, false},
		{{0x04, 0x80, 0xfe, 0xff, 0xff, 0xff}, 6, 0xfffffffe, false, false},
		{{0x09, 0x80, 0, 0, 0, 0, 0, 0, 0, 0x80}, 10, INT64_MIN, true, false},
		{{0x0a, 0x80, 1, 0, 0, 0, 1, 0, 0, 0}, 10, 0x100000001, false, false},
		{{0x17, 0x80, 5}, 18, 5, false, false},
		{{0x18, 0x80, 7}, 18, 7, false, false},
		{{0x04, 0x80, 0xfe, 0xff, 0xff}, 5, 0, false, true}, /* cut */
		{{0x05, 0x80, 0, 0, 0, 0}, 6, 0, false, true},	     /* a real number */
		{{0x34}, 1, 0, false, true},
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		reader r = rd_of(t[i].b, t[i].n);
		bool neg;
		uint64_t v = cv_number(&r, &neg);
		assert_int_equal(r.bad, t[i].bad);
		if (!t[i].bad) {
			assert_true((int64_t)v == t[i].v);
			assert_int_equal(neg, t[i].neg);
			assert_int_equal(r.pos, t[i].n);
		}
	}
}

static void test_notes(void **state)
{
	(void)state;
	/* 1-byte, 2-byte and 4-byte operands; signed ones; the two packed forms; padding ends it.
	 */
	static const uint8_t b[] = {CV_BA_CODE_DELTA, 0x7f, CV_BA_FILE, 0x81, 0x23,
		CV_BA_CODE_LENGTH, 0xc1, 0x02, 0x03, 0x04, CV_BA_LINE, 0x07, CV_BA_CODE_AND_LINE,
		0x2c, CV_BA_LENGTH_AND_CODE, 9, 5, 0, 0};
	static const cv_note want[] = {{CV_BA_CODE_DELTA, 0x7f, 0, 0}, {CV_BA_FILE, 0x123, 0, 0},
		{CV_BA_CODE_LENGTH, 0x1020304, 0, 0}, {CV_BA_LINE, 7, 0, -3},
		{CV_BA_CODE_AND_LINE, 12, 0, 1}, {CV_BA_LENGTH_AND_CODE, 9, 5, 0}};
	reader r = rd_of(b, sizeof b);
	cv_note n;
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		assert_true(cv_note_next(&r, &n));
		assert_memory_equal(&n, &want[i], sizeof n);
	}
	assert_false(cv_note_next(&r, &n));
	static const uint8_t bad[][3] = {
		{CV_BA_LINE}, {CV_BA_LINE, 0xc0, 1}, {CV_BA_LINE, 0xe0, 1}, {14, 1}};
	static const size_t len[] = {1, 3, 3, 2};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		r = rd_of(bad[i], len[i]);
		assert_false(cv_note_next(&r, &n));
	}
}

static cv_rec rec(uint16_t kind, const buf *b)
{
	return (cv_rec){kind, (const uint8_t *)b->p, b->n, 0};
}

static void test_ranges(void **state)
{
	(void)state;
	buf b;
	cv_range x;
	buf_init(&b, 0);
	b16(&b, 330); /* rcx */
	b16(&b, 1);
	b32(&b, 0x1234);
	b16(&b, 2);
	b16(&b, 50);
	b16(&b, 10);
	b16(&b, 5);
	cv_rec c = rec(S_DEFRANGE_REGISTER, &b);
	assert_true(cv_range_get(&c, &x));
	assert_true(x.where == CV_REG && x.reg == 330 && x.optional && !x.part && !x.full_scope);
	assert_true(x.begin == 0x1234 && x.seg == 2 && x.len == 50);
	assert_int_equal(rd_left(&x.gaps), 4);
	assert_string_equal(cv_reg_name(x.reg, 0x8664), "rcx");
	for (c.n = 0; c.n < 12; c.n++)
		assert_false(cv_range_get(&c, &x));
	buf_clear(&b);
	b32(&b, (uint32_t)-16);
	c = rec(S_DEFRANGE_FRAMEPOINTER_REL_FULL_SCOPE, &b);
	assert_true(cv_range_get(&c, &x));
	assert_true(x.where == CV_FRAME && x.off == -16 && x.full_scope);
	buf_clear(&b);
	b16(&b, 335);
	b16(&b, 8 << 4 | 1); /* member at 8 of a structure in pieces */
	b32(&b, 0x20);
	b32(&b, 0x10);
	b16(&b, 1);
	b16(&b, 4);
	c = rec(S_DEFRANGE_REGISTER_REL, &b);
	assert_true(cv_range_get(&c, &x));
	assert_true(
		x.where == CV_REGREL && x.reg == 335 && x.off == 0x20 && x.part && x.part_off == 8);
	c.kind = S_LOCAL;
	assert_false(cv_range_get(&c, &x));
	buf_clear(&b); /* a pointer to the variable lies in the frame */
	b16(&b, 335);
	b16(&b, 0);
	b32(&b, (uint32_t)-0x20);
	b32(&b, 12);
	b32(&b, 0x10);
	b16(&b, 1);
	b16(&b, 4);
	c = rec(S_DEFRANGE_REGISTER_REL_INDIR, &b);
	assert_true(cv_range_get(&c, &x));
	assert_true(x.where == CV_INDIR && x.reg == 335 && x.off == -0x20 && x.inner == 12 &&
		    !x.part && x.begin == 0x10 && x.len == 4);
	assert_false(rd_left(&x.gaps));
	for (c.n = 0; c.n < 20; c.n++)
		assert_false(cv_range_get(&c, &x));
	buf_clear(&b); /* programs */
	b32(&b, 77);
	b32(&b, 0x10);
	b16(&b, 1);
	b16(&b, 4);
	c = rec(S_DEFRANGE, &b);
	assert_true(cv_range_get(&c, &x));
	assert_true(
		x.where == CV_PROGRAM && !x.part && x.begin == 0x10 && x.seg == 1 && x.len == 4);
	buf_clear(&b);
	b32(&b, 77);
	b32(&b, 0x12345);
	b32(&b, 0x10);
	b16(&b, 1);
	b16(&b, 4);
	c = rec(S_DEFRANGE_SUBFIELD, &b);
	assert_true(cv_range_get(&c, &x));
	assert_true(x.where == CV_PROGRAM && x.part && x.part_off == 0x12345 && x.begin == 0x10);
	buf_clear(&b);
	b16(&b, 330);
	b16(&b, 0);
	b32(&b, 0xfffff004); /* 12 bits count */
	b32(&b, 0x10);
	b16(&b, 1);
	b16(&b, 4);
	c = rec(S_DEFRANGE_SUBFIELD_REGISTER, &b);
	assert_true(cv_range_get(&c, &x));
	assert_true(x.where == CV_REG && x.part && x.part_off == 4 && x.reg == 330);
	buf_clear(&b);
	b32(&b, 0x18);
	b32(&b, 0x10);
	b16(&b, 1);
	b16(&b, 4);
	c = rec(S_DEFRANGE_FRAMEPOINTER_REL, &b);
	assert_true(cv_range_get(&c, &x));
	assert_true(x.where == CV_FRAME && x.off == 0x18 && !x.full_scope && x.len == 4);
	buf_clear(&b);
	b32(&b, (uint32_t)-8);
	b32(&b, 0x1003);
	b32(&b, 16);
	b16(&b, 335);
	bz(&b, "by_value");
	c = rec(S_REGREL32_INDIR, &b);
	cv_rel v;
	str name;
	assert_true(cv_rel_get(&c, &v) && cv_name(&c, &name));
	assert_true(v.off == -8 && v.type == 0x1003 && v.inner == 16 && v.reg == 335 &&
		    str_eq(v.name, STR("by_value")) && str_eq(name, v.name));
	buf_deinit(&b);
}

static void test_records(void **state)
{
	(void)state;
	buf b;
	buf_init(&b, 0);
	for (uint32_t i = 0; i < 8; i++)
		b32(&b, i == 3 ? 100 : i);
	b16(&b, 1);
	buf_addc(&b, 0);
	bz(&b, "f");
	cv_proc p;
	str s;
	cv_rec c = rec(S_GPROC32, &b);
	assert_true(cv_proc_get(&c, &p));
	assert_true(p.size == 100 && p.off == 7 && p.type == 6 && p.seg == 1 &&
		    str_eq(p.name, STR("f")));
	assert_true(cv_name(&c, &s) && str_eq(s, STR("f")));
	c.n--; /* no NUL */
	assert_false(cv_proc_get(&c, &p));
	assert_false(cv_name(&c, &s));
	/* Every getter on every kind, whole and cut: no read from outside (a sanitizer watches). */
	for (uint32_t kind = 0; kind < 0x1200; kind++) {
		for (size_t n = 0; n <= b.n; n += 3) {
			uint8_t *copy = mem_alloc(n);
			memcpy(copy, b.p, n);
			cv_rec k = {(uint16_t)kind, copy, n, 0};
			cv_data d;
			cv_pub pub;
			cv_ref ref;
			cv_const con;
			cv_udt udt;
			cv_label lab;
			cv_scope sc;
			cv_rel rel;
			cv_local loc;
			cv_range ran;
			cv_frameproc fp;
			cv_inline in;
			int kinds = cv_proc_get(&k, &p) + cv_data_get(&k, &d) +
				    cv_pub_get(&k, &pub) + cv_ref_get(&k, &ref) +
				    cv_const_get(&k, &con) + cv_udt_get(&k, &udt) +
				    cv_label_get(&k, &lab) + cv_scope_get(&k, &sc) +
				    cv_rel_get(&k, &rel) + cv_local_get(&k, &loc) +
				    cv_range_get(&k, &ran) + cv_frameproc_get(&k, &fp) +
				    cv_inline_get(&k, &in);
			assert_true(kinds <= 1);
			if (kinds && cv_name(&k, &s))
				assert_true(s.n < n);
			mem_free(copy);
		}
	}
	buf_deinit(&b);
}

static void test_tables(void **state)
{
	(void)state;
	assert_string_equal(cv_sym_kind_name(0x1110), "S_GPROC32");
	assert_string_equal(cv_leaf_kind_name(0x1505), "LF_STRUCTURE");
	assert_null(cv_sym_kind_name(0x7777));
	assert_null(cv_leaf_kind_name(0x7777));
	assert_string_equal(cv_reg_name(335, 0x8664), "rsp");
	assert_string_equal(cv_reg_name(343, 0x8664), "r15");
	assert_string_equal(cv_reg_name(253, 0x8664), "xmm9");
	assert_string_equal(cv_reg_name(22, 0x14c), "ebp");
	assert_string_equal(cv_reg_name(30006, 0x14c), "vframe");
	assert_string_equal(cv_reg_name(69, 0xaa64), "x19");
	assert_string_equal(cv_reg_name(81, 0xaa64), "sp");
	assert_string_equal(cv_reg_name(131, 0xaa64), "s31");
	assert_string_equal(cv_reg_name(180, 0xaa64), "q0");
	assert_null(cv_reg_name(132, 0xaa64));
	assert_null(cv_reg_name(9999, 0x8664));
	assert_null(cv_reg_name(17, 0x1234));
	assert_int_equal(cv_frame_reg(1 << 14, false, 0x8664), 335);
	assert_int_equal(cv_frame_reg(2 << 16, true, 0x8664), 334);
	assert_int_equal(cv_frame_reg(2 << 16, false, 0x8664), 0);
	assert_true(cv_opens(S_GPROC32) && cv_opens(S_BLOCK32) && cv_opens(S_INLINESITE) &&
		    !cv_opens(S_LOCAL));
	assert_true(cv_closes(S_END) && cv_closes(S_INLINESITE_END) && !cv_closes(S_GPROC32));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_notes),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_tables),
	};
	return cmocka_run_group_tests_name("fmt_codeview", tests, NULL, NULL);
}
