/*
 * test_fmt_elfcore: cores packed and read again, cut at every length, damaged at every byte, with
 * more segments than 16 bits count, and of other machines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fmt/elf.h"
#include "fmt/elfcore.h"

#include <stdlib.h>

/* Two threads, one with a signal, three segments, two files. */
static void sample(buf *out)
{
	elfcore_thread t = {.tid = 100,
		.ppid = 7,
		.pgrp = 8,
		.sid = 9,
		.signo = 11,
		.cursig = 11,
		.code = 1,
		.sigpend = 0x10,
		.sighold = 0x20,
		.utime = 1234567,
		.stime = 2000001,
		.regs.restart = UINT64_MAX};
	uint8_t prs[ELFCORE_PRSTATUS_SIZE], psi[ELFCORE_PRPSINFO_SIZE];
	uint8_t fx[ELFCORE_FPREGSET_SIZE], si[ELFCORE_SIGINFO_SIZE] = {11}, auxv[32] = {6};
	elfcore_process p = {.state = 'R',
		.nice = 3,
		.uid = 1000,
		.gid = 1001,
		.pid = 100,
		.ppid = 7,
		.pgrp = 8,
		.sid = 9,
		.name = "sample",
		.args = "sample -x y"};
	elfcore_file f[] = {{0x1000, 0x3000, 0, STR("/bin/one")},
		{0x8000, 0x9000, 0x5000, STR("/lib/two words.so")}};
	elfcore_seg s[] = {{ELF_PF_R, 0, 0x1000, 0x1000, 0x2000},
		{ELF_PF_R | ELF_PF_W, 0, 0x4000, 0x1800, 0x1800},
		{ELF_PF_R | ELF_PF_X, 0, 0x8000, 0, 0x1000}};
	buf notes, body;
	for (unsigned i = 0; i < X64_NGPR; i++)
		t.regs.gpr[i] = 0x1111111100000000 + i;
	for (unsigned i = 0; i < X64_NSEG; i++)
		t.regs.seg[i] = (uint16_t)(0x30 + i);
	t.regs.rip = 0x8010;
	t.regs.eflags = 0x246;
	t.regs.fs_base = 0x7f0000000000;
	t.regs.gs_base = 0x7f0000001000;
	for (size_t i = 0; i < sizeof fx; i++)
		fx[i] = (uint8_t)i;
	put32(fx + 24, 0x1f80);
	buf_init(&notes, 0);
	buf_init(&body, 0);
	elfcore_prstatus_put(&t, true, prs);
	elfcore_prpsinfo_put(&p, psi);
	elfcore_files_put(f, 2, &body);
	elfcore_note_add(&notes, "CORE", ELFCORE_PRSTATUS, prs, sizeof prs);
	elfcore_note_add(&notes, "CORE", ELFCORE_PRPSINFO, psi, sizeof psi);
	elfcore_note_add(&notes, "CORE", ELFCORE_SIGINFO, si, sizeof si);
	elfcore_note_add(&notes, "CORE", ELFCORE_AUXV, auxv, sizeof auxv);
	elfcore_note_add(&notes, "CORE", ELFCORE_FILE, body.p, body.n);
	elfcore_note_add(&notes, "CORE", ELFCORE_FPREGSET, fx, sizeof fx);
	t.tid = 101;
	t.signo = t.cursig = 0;
	elfcore_prstatus_put(&t, false, prs);
	elfcore_note_add(&notes, "CORE", ELFCORE_PRSTATUS, prs, sizeof prs);
	elfcore_note_add(&notes, "LINUX", ELFCORE_XSTATE, fx, sizeof fx);
	elfcore_note_add(&notes, "OTHER", 77, "abc", 3);
	uint64_t size = elfcore_layout(s, 3, buf_str(&notes), out);
	assert_int_equal(s[0].off, out->n);
	assert_int_equal(s[1].off, out->n + 0x1000);
	assert_int_equal(size, out->n + 0x3000);
	for (size_t i = out->n; i < size; i++)
		buf_addc(out, (char)(i >> 8));
	buf_deinit(&notes);
	buf_deinit(&body);
}

static void test_again(void **state)
{
	buf b;
	arena a;
	elfcore c;
	diag d = {0};
	buf_init(&b, 0);
	arena_init(&a);
	sample(&b);
	assert_true(elfcore_is(b.p, b.n));
	assert_int_equal(elfcore_open(&c, &a, b.p, b.n, &d), ERR_OK);
	assert_false(c.damaged);
	assert_true(c.end <= b.n && c.end > b.n - 0x1000);
	assert_int_equal(c.nthread, 2);
	assert_int_equal(c.nseg, 3);
	assert_int_equal(c.nfile, 2);
	assert_int_equal(c.auxv.n, 32);
	const elfcore_thread *t = c.thread;
	assert_int_equal(t->tid, 100);
	assert_int_equal(t->cursig, 11);
	assert_int_equal(t->code, 1);
	assert_int_equal(t->ppid, 7);
	assert_int_equal(t->sigpend, 0x10);
	assert_int_equal(t->sighold, 0x20);
	assert_int_equal(t->utime, 1234567);
	assert_int_equal(t->stime, 2000001);
	assert_true(t->regs.restart == UINT64_MAX);
	for (unsigned i = 0; i < X64_NGPR; i++)
		assert_int_equal(t->regs.gpr[i], 0x1111111100000000 + i);
	for (unsigned i = 0; i < X64_NSEG; i++)
		assert_int_equal(t->regs.seg[i], 0x30 + i);
	assert_int_equal(t->regs.rip, 0x8010);
	assert_int_equal(t->regs.eflags, 0x246);
	assert_int_equal(t->regs.fs_base, 0x7f0000000000);
	assert_int_equal(t->regs.gs_base, 0x7f0000001000);
	assert_int_equal(t->regs.mxcsr, 0x1f80);
	assert_int_equal(t->regs.fx[100], 100);
	assert_int_equal(t->siginfo.n, ELFCORE_SIGINFO_SIZE);
	/* the second's floating point registers are only in its XSTATE */
	assert_int_equal(t[1].tid, 101);
	assert_true(t[1].regs.valid & X64_SET_FLOAT);
	assert_int_equal(t[1].siginfo.n, 0);
	assert_int_equal(t[1].xstate.n, 512);
	assert_string_equal(c.process.name, "sample");
	assert_string_equal(c.process.args, "sample -x y");
	assert_int_equal(c.process.uid, 1000);
	assert_int_equal(c.process.state, 'R');
	assert_int_equal(c.file[1].off, 0x5000);
	assert_true(str_eq(c.file[1].path, STR("/lib/two words.so")));
	assert_int_equal(c.seg[1].vaddr, 0x4000);
	assert_int_equal(c.seg[1].filesz, 0x1800);
	assert_int_equal(c.seg[2].memsz, 0x1000);
	assert_int_equal(c.seg[2].flags, ELF_PF_R | ELF_PF_X);
	arena_deinit(&a);
	buf_deinit(&b);
}

/* Every length: opened as far as it goes once the first thread is there, refused before. */
static void test_cut(void **state)
{
	buf b;
	size_t opened = 0, refused = 0;
	buf_init(&b, 0);
	sample(&b);
	for (size_t n = 0; n < b.n; n += n < 0x1000 ? 1 : 97) {
		uint8_t *copy = malloc(n ? n : 1); /* its end is seen by the sanitizer */
		arena a;
		elfcore c;
		diag d = {0};
		memcpy(copy, b.p, n);
		arena_init(&a);
		err e = elfcore_open(&c, &a, copy, n, &d);
		if (e == ERR_OK) {
			opened++;
			assert_int_equal(c.thread[0].tid, 100);
			assert_true(c.end > n || n > c.end - 0x1000);
		} else {
			refused++;
			assert_true(d.text[0]);
			assert_true(n < 1024);
		}
		arena_deinit(&a);
		free(copy);
	}
	assert_true(opened > 1000 && refused > 500);
	buf_deinit(&b);
}

static void test_damaged(void **state)
{
	buf b;
	buf_init(&b, 0);
	sample(&b);
	for (size_t i = 0; i < 0x900; i++)
		for (unsigned v = 0; v < 3; v++) {
			static const uint8_t values[] = {0, 0x7f, 0xff};
			char was = b.p[i];
			arena a;
			elfcore c;
			b.p[i] = (char)values[v];
			arena_init(&a);
			if (elfcore_open(&c, &a, b.p, b.n, NULL) == ERR_OK) {
				assert_true(c.nthread > 0);
				for (size_t k = 0; k < c.nfile; k++)
					assert_true(c.file[k].path.n < 100);
			}
			arena_deinit(&a);
			b.p[i] = was;
		}
	buf_deinit(&b);
}

static void refused(buf *b, size_t at, uint8_t value, const char *words)
{
	arena a;
	elfcore c;
	diag d = {0};
	char was = b->p[at];
	b->p[at] = (char)value;
	arena_init(&a);
	assert_int_not_equal(elfcore_open(&c, &a, b->p, b->n, &d), ERR_OK);
	if (!strstr(d.text, words))
		fail_msg("'%s' is not in '%s'", words, d.text);
	arena_deinit(&a);
	b->p[at] = was;
}

static void test_others(void **state)
{
	buf b;
	buf_init(&b, 0);
	sample(&b);
	refused(&b, 18, 183, "ARM64");
	refused(&b, 18, 3, "x86");
	refused(&b, 4, 1, "32-bit");
	refused(&b, 5, 2, "a program for");
	refused(&b, 16, 2, "not an ELF core");
	refused(&b, 54, 55, "damaged");
	refused(&b, 33, 0xff, "no program headers");
	buf_deinit(&b);
}

static void test_many(void **state)
{
	enum { N = 70000 };
	elfcore_seg *s = calloc(N, sizeof *s);
	elfcore_thread t = {.tid = 5};
	uint8_t prs[ELFCORE_PRSTATUS_SIZE];
	buf b, notes;
	arena a;
	elfcore c;
	diag d = {0};
	buf_init(&b, 0);
	buf_init(&notes, 0);
	arena_init(&a);
	for (size_t i = 0; i < N; i++)
		s[i] = (elfcore_seg){
			.flags = ELF_PF_R, .vaddr = 0x10000 + i * 0x2000, .memsz = 0x1000};
	elfcore_prstatus_put(&t, false, prs);
	elfcore_note_add(&notes, "CORE", ELFCORE_PRSTATUS, prs, sizeof prs);
	elfcore_layout(s, N, buf_str(&notes), &b);
	assert_int_equal(le16(b.p + 56), 0xffff);
	assert_int_equal(elfcore_open(&c, &a, b.p, b.n, &d), ERR_OK);
	assert_int_equal(c.nseg, N);
	assert_int_equal(c.seg[N - 1].vaddr, 0x10000 + (N - 1) * 0x2000ull);
	assert_int_equal(c.thread[0].tid, 5);
	arena_deinit(&a);
	buf_deinit(&b);
	buf_deinit(&notes);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_again),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
