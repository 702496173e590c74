/*
 * test_target_core: cores as targets: events, threads, memory from the core and from mapped files,
 * texts, what is refused, what is cut off or damaged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core_build.h"
#include "target/target.h"

#include <elf.h>
#include <limits.h>
#include <sys/stat.h>
#include <time.h>
#include <utime.h>

enum { PAGE = 4096 };

static uint8_t page[4 * PAGE], stack[2 * PAGE];

static tgt *opened(core_build *b)
{
	tgt *t = NULL;
	diag d = {0};
	if (core_open(b->path, NULL, &t, &d) != ERR_OK)
		fail_msg("%s", d.text);
	return t;
}

static void event(tgt *t, tgt_event *ev)
{
	diag d = {0};
	if (tgt_wait(t, 0, ev, &d) != ERR_OK)
		fail_msg("%s", d.text);
}

static void done(core_build *b, tgt *t)
{
	tgt_close(t, TGT_DETACH);
	unlink(b->path);
}

static str text(tgt *t, tgt_info what, uint64_t id)
{
	static char last[8192];
	buf b;
	diag d = {0};
	buf_init(&b, 0);
	if (tgt_info_get(t, what, id, &b, &d) != ERR_OK)
		fail_msg("%s", d.text);
	assert_true(b.n < sizeof last);
	memcpy(last, b.n ? b.p : "", b.n);
	last[b.n] = 0;
	str s = {last, b.n};
	buf_deinit(&b);
	return s;
}

static void absent(tgt *t, tgt_info what, uint64_t id, const char *words)
{
	buf b;
	diag d = {0};
	buf_init(&b, 0);
	assert_int_not_equal(tgt_info_get(t, what, id, &b, &d), ERR_OK);
	if (!strstr(d.text, words))
		fail_msg("'%s' is not in '%s'", words, d.text);
	buf_deinit(&b);
}

static bool readable(tgt *t, uint64_t addr)
{
	uint8_t b;
	return tgt_read_all(t, as_current(), addr, &b, 1, NULL) == ERR_OK;
}

static uint8_t byte_at(tgt *t, uint64_t addr)
{
	uint8_t b = 0;
	diag d = {0};
	if (tgt_read_all(t, as_process(100), addr, &b, 1, &d) != ERR_OK)
		fail_msg("%s", d.text);
	return b;
}

/* Code at 401000: mov word ptr [rax],78h. A SIGSEGV there that wrote to 10. */
static void crash(core_build *b)
{
	static const uint8_t code[] = {0x66, 0xc7, 0x00, 0x78, 0x00};
	memset(b, 0, sizeof *b);
	for (size_t i = 0; i < sizeof page; i++)
		page[i] = (uint8_t)(i / 256 + 1);
	memcpy(page, code, sizeof code);
	cb_seg(b, 0x401000, PAGE, page, PAGE, PF_R | PF_X);
	cb_seg(b, 0x600000, 2 * PAGE, page, PAGE, PF_R | PF_W);
	cb_seg(b, 0x7ffff000, 2 * PAGE, stack, 2 * PAGE, PF_R | PF_W);
	cb_thread(b, 100, 0x401000, 0x7ffff800);
	b->thread[0].regs.gpr[X64_RAX] = 0x10;
	b->thread[0].cursig = 11;
	b->thread[0].utime = 1500000;
	cb_thread(b, 102, 0x401003, 0x7ffff900)->regs.fs_base = 0x1234;
	put32(b->siginfo, 11);
	put32(b->siginfo + 8, 1);
	put64(b->siginfo + 16, 0x10);
	b->has_siginfo = true;
}

static void test_events(void **state)
{
	core_build b;
	tgt_event ev;
	tgt_caps caps;
	diag d = {0};
	crash(&b);
	cb_write(&b, 0);
	tgt *t = opened(&b);
	tgt_caps_get(t, &caps);
	assert_false(caps.live);
	assert_false(caps.kernel);
	assert_true(caps.threads);
	event(t, &ev);
	assert_int_equal(ev.kind, TGT_EV_PROCESS);
	assert_int_equal(ev.process_id, 100);
	assert_int_equal(ev.unit, 100);
	assert_int_equal(ev.n_units, 2);
	tgt_run go = {.unit = 100, .go = TGT_GO}, step = {.unit = 100, .go = TGT_STEP};
	assert_int_equal(tgt_resume(t, &step, &d), ERR_UNSUPPORTED);
	assert_int_equal(tgt_resume(t, &go, &d), ERR_OK);
	event(t, &ev);
	assert_int_equal(ev.kind, TGT_EV_EXCEPTION);
	assert_int_equal(ev.code, 0xc0000005);
	assert_int_equal(ev.signal, 11);
	assert_int_equal(ev.pc, 0x401000);
	assert_int_equal(ev.n_params, 2);
	assert_int_equal(ev.params[0], 1); /* the instruction says that it wrote */
	assert_int_equal(ev.params[1], 0x10);
	assert_false(ev.first_chance);
	assert_int_equal(ev.n_stream, TGT_STREAM_MAX);
	assert_int_equal(ev.stream[1], 0xc7);
	assert_int_equal(tgt_resume(t, &go, &d), ERR_UNSUPPORTED);
	assert_non_null(strstr(d.text, "cannot run"));
	event(t, &ev);
	assert_int_equal(ev.kind, TGT_EV_TIMEOUT);
	assert_int_equal(tgt_wait(t, -1, &ev, &d), ERR_DEAD);
	done(&b, t);
}

/* Without siginfo the code is not known; without a signal it was a debugger who wrote it. */
static void test_signals(void **state)
{
	static const struct {
		int sig, code;
		uint32_t want;
		bool initial;
	} cases[] = {{8, 1, 0xc0000094, false}, {4, 2, 0xc000001d, false},
		{6, -6, 0x53490006, false}, {7, 1, 0x80000002, false}, {7, 2, 0xc0000006, false},
		{5, 1, 0x80000003, false}, {11, 0, 0x5349000b, false}, {0, 0, 0x80000003, true}};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		core_build b;
		tgt_event ev;
		crash(&b);
		b.thread[0].cursig = (uint16_t)cases[i].sig;
		b.has_siginfo = cases[i].sig != 0;
		put32(b.siginfo, (uint32_t)cases[i].sig);
		put32(b.siginfo + 8, (uint32_t)cases[i].code);
		cb_write(&b, 0);
		tgt *t = opened(&b);
		event(t, &ev);
		event(t, &ev);
		assert_int_equal(ev.code, cases[i].want);
		assert_int_equal(ev.initial, cases[i].initial);
		done(&b, t);
	}
	core_build b;
	tgt_event ev;
	crash(&b);
	b.has_siginfo = false;
	cb_write(&b, 0);
	tgt *t = opened(&b);
	event(t, &ev);
	event(t, &ev);
	assert_int_equal(ev.code, 0xc0000005);
	assert_int_equal(ev.params[1], 0x10); /* from the operand */
	done(&b, t);
}

static void test_threads(void **state)
{
	core_build b;
	x64_regs r = {0};
	tgt_unit u[4];
	uint64_t pid = 0;
	size_t n = 0;
	diag d = {0};
	crash(&b);
	cb_write(&b, 0);
	tgt *t = opened(&b);
	assert_int_equal(tgt_units(t, 100, u, 4, &n), ERR_OK);
	assert_int_equal(n, 2);
	assert_int_equal(u[1].unit, 102);
	assert_int_equal(u[1].process_id, 100);
	assert_int_equal(tgt_units(t, 101, u, 4, &n), ERR_NOTFOUND);
	assert_int_equal(tgt_processes(t, &pid, 1, &n), ERR_OK);
	assert_int_equal(pid, 100);
	assert_int_equal(tgt_regs_get(t, 102, X64_SET_GENERAL | X64_SET_BASES, &r, &d), ERR_OK);
	assert_int_equal(r.rip, 0x401003);
	assert_int_equal(r.fs_base, 0x1234);
	assert_int_equal(tgt_regs_get(t, 103, X64_SET_CONTROL, &r, &d), ERR_NOTFOUND);
	assert_int_equal(tgt_regs_get(t, 100, X64_SET_DEBUG, &r, &d), ERR_UNSUPPORTED);
	assert_int_equal(tgt_regs_set(t, 100, X64_SET_CONTROL, &r, &d), ERR_UNSUPPORTED);
	done(&b, t);
	crash(&b);
	b.thread[1].tid = 100;
	cb_write(&b, 0);
	assert_int_equal(core_open(b.path, NULL, &t, &d), ERR_CORRUPT);
	assert_non_null(strstr(d.text, "same id"));
	unlink(b.path);
}

static void test_memory(void **state)
{
	core_build b;
	uint8_t raw[3 * PAGE];
	size_t n = 0;
	diag d = {0};
	crash(&b);
	cb_write(&b, 0);
	tgt *t = opened(&b);
	assert_int_equal(tgt_read_all(t, as_process(100), 0x600000, raw, PAGE, &d), ERR_OK);
	assert_memory_equal(raw, page, PAGE);
	/* 0x601000 was mapped and not dumped; no file has it */
	assert_int_equal(tgt_read(t, as_current(), 0x600800, raw, sizeof raw, &n, &d), ERR_OK);
	assert_int_equal(n, 0x800);
	assert_false(readable(t, 0x601000));
	assert_false(readable(t, 0x400fff));
	assert_false(readable(t, 0));
	assert_false(readable(t, UINT64_MAX));
	assert_int_equal(tgt_read(t, as_process(101), 0x600000, raw, 1, &n, &d), ERR_NOTFOUND);
	assert_int_not_equal(tgt_write(t, as_current(), 0x600000, raw, 1, &n, &d), ERR_OK);
	assert_non_null(strstr(d.text, "cannot be written"));
	tgt_trap trap = {TGT_TRAP_SOFT, as_process(100), 0x401000, 0};
	uint64_t h;
	assert_int_not_equal(tgt_trap_add(t, &trap, &h, &d), ERR_OK);
	done(&b, t);
}

/* ---- mapped files ---- */

static char self[PATH_MAX];
static sys_map image;

/* This program's own file: its first page dumped, the others not. */
static void with_file(core_build *b, str path)
{
	crash(b);
	cb_seg(b, 0x10000000, PAGE, image.p, PAGE, PF_R);
	cb_seg(b, 0x10001000, PAGE, NULL, 0, PF_R | PF_X);
	cb_seg(b, 0x10002000, PAGE, NULL, 0, PF_R | PF_W);
	for (unsigned i = 0; i < 3; i++)
		b->file[b->nfile++] = (elfcore_file){0x10000000 + i * 0x1000ull,
			0x10001000 + i * 0x1000ull, i * 0x1000ull, path};
}

static void test_files(void **state)
{
	core_build b;
	uint8_t raw[64];
	diag d = {0};
	with_file(&b, str_of(self));
	cb_write(&b, 0);
	tgt *t = opened(&b);
	if (tgt_read_all(t, as_current(), 0x10001000, raw, sizeof raw, &d) != ERR_OK)
		fail_msg("%s", d.text);
	assert_memory_equal(raw, image.p + 0x1000, sizeof raw);
	assert_false(readable(t, 0x10002000)); /* nobody knows what was written there */
	done(&b, t);
}

/* Another file under that name: its header or its build-id differs. */
static void test_other_file(void **state)
{
	for (int way = 0; way < 3; way++) {
		core_build b;
		uint8_t first[PAGE];
		memcpy(first, image.p, PAGE);
		with_file(&b, way == 2 ? STR("/nonexistent/file (deleted)") : str_of(self));
		if (way == 0)
			first[40] ^= 1; /* e_shoff */
		for (size_t at = 0; way == 1 && at + 56 <= PAGE - 64; at += 56) {
			const uint8_t *h = image.p + 64 + at;
			if (le32(h) == PT_NOTE && le64(h + 8) + 20 < PAGE) {
				first[le64(h + 8) + 18] ^= 1;
				break;
			}
		}
		b.bytes[3] = first;
		cb_write(&b, 0);
		tgt *t = opened(&b);
		assert_true(readable(t, 0x10000000));
		assert_false(readable(t, 0x10001000));
		done(&b, t);
	}
}

/* A file that is no ELF and was not dumped: it must be older than the core, and regular. */
static void test_plain_file(void **state)
{
	char path[] = "/tmp/ringside-mapped-XXXXXX";
	int fd = mkstemp(path);
	core_build b;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "text of a file", 14), 14);
	close(fd);
	crash(&b);
	cb_seg(&b, 0x20000000, 3 * PAGE, NULL, 0, PF_R);
	b.file[b.nfile++] = (elfcore_file){0x20000000, 0x20003000, 0, str_of(path)};
	cb_seg(&b, 0x30000000, PAGE, NULL, 0, PF_R);
	b.file[b.nfile++] = (elfcore_file){0x30000000, 0x30001000, 0, STR("/dev/zero")};
	cb_write(&b, 0);
	tgt *t = opened(&b);
	assert_int_equal(byte_at(t, 0x20000005), 'o');
	assert_int_equal(byte_at(t, 0x20000ffe), 0); /* behind its end, in its last page */
	assert_false(readable(t, 0x20001000));
	assert_false(readable(t, 0x30000000));
	tgt_close(t, TGT_DETACH);
	struct utimbuf later = {0};
	later.actime = later.modtime = time(NULL) + 1000;
	assert_int_equal(utime(path, &later), 0);
	t = opened(&b);
	assert_false(readable(t, 0x20000000));
	done(&b, t);
	unlink(path);
}

/* ---- texts ---- */

/* argc, two arguments, NULL, one of the environment, NULL, auxiliary vector; strings above. */
static void stack_fill(core_build *b)
{
	uint64_t at = 0x7ffff800;
	uint8_t *p = stack + 0x800;
	memset(stack, 0, sizeof stack);
	const uint64_t words[] = {2, at + 0x400, at + 0x405, 0, at + 0x410, 0};
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		put64(p + i * 8, words[i]);
	cb_auxv(b, AT_PAGESZ, PAGE);
	cb_auxv(b, AT_RANDOM, at + 0x420);
	cb_auxv(b, AT_PHDR, 0x10000040);
	cb_auxv(b, AT_NULL, 0);
	memcpy(p + ARRAY_LEN(words) * 8, b->auxv, b->auxv_n);
	memcpy(p + 0x400, "made\0a b\0", 9);
	memcpy(p + 0x410, "HOME=/x", 8);
}

static void test_texts(void **state)
{
	core_build b;
	buf want;
	with_file(&b, str_of(self));
	stack_fill(&b);
	cb_write(&b, 0);
	tgt *t = opened(&b);
	assert_memory_equal(text(t, TGT_I_CMDLINE, 100).p, "made\0a b\0", 9);
	assert_string_equal(text(t, TGT_I_ENVIRON, 100).p, "HOME=/x");
	assert_string_equal(text(t, TGT_I_EXE, 100).p, self);
	assert_int_equal(text(t, TGT_I_AUXV, 100).n, 64);
	assert_string_equal(text(t, TGT_I_THREAD_NAME, 100).p, "made");
	absent(t, TGT_I_THREAD_NAME, 102, "name");
	absent(t, TGT_I_FILES, 100, "files");
	absent(t, TGT_I_SIGINFO, 102, "stopped");
	absent(t, TGT_I_MAPS, 55, "not a process");
	assert_int_equal(text(t, TGT_I_SIGINFO, 100).n, 128);
	assert_non_null(strstr(text(t, TGT_I_STATUS, 102).p, "Tgid:\t100\nPid:\t102\n"));
	assert_true(str_starts(text(t, TGT_I_STAT, 100), STR("100 (made) R 1 ")));
	buf_init(&want, 0);
	buf_addf(&want,
		"401000-402000 r-xp 00000000 00:00 0\n600000-602000 rw-p 00000000 00:00 0\n"
		"10000000-10001000 r--p 00000000 00:00 0 %s\n"
		"10001000-10002000 r-xp 00001000 00:00 0 %s\n"
		"10002000-10003000 rw-p 00002000 00:00 0 %s\n"
		"7ffff000-80001000 rw-p 00000000 00:00 0 [stack]\n",
		self, self, self);
	assert_string_equal(text(t, TGT_I_MAPS, 100).p, buf_z(&want));
	buf_deinit(&want);
	tgt_event ev;
	event(t, &ev);
	assert_string_equal(ev.path, self);
	assert_int_equal(ev.base, 0x10000000);
	done(&b, t);
	/* no vector on the stack: the 80 characters of the note are all there is */
	with_file(&b, str_of(self));
	stack_fill(&b);
	memset(stack, 0, sizeof stack);
	cb_write(&b, 0);
	t = opened(&b);
	assert_memory_equal(text(t, TGT_I_CMDLINE, 100).p, "made\0up", 8);
	absent(t, TGT_I_ENVIRON, 100, "environment");
	done(&b, t);
}

static void test_cut(void **state)
{
	core_build b;
	tgt_event ev;
	struct stat st;
	diag d = {0};
	tgt *t;
	with_file(&b, str_of(self));
	cb_write(&b, 0);
	assert_int_equal(stat(b.path, &st), 0);
	cb_write(&b, (size_t)b.seg[1].off + 256); /* the second segment begins, the rest is gone */
	t = opened(&b);
	event(t, &ev);
	assert_int_equal(ev.kind, TGT_EV_NOTICE);
	assert_true(str_find(ev.text, STR("cut off")) != SIZE_MAX);
	event(t, &ev);
	assert_int_equal(ev.kind, TGT_EV_PROCESS);
	assert_true(readable(t, 0x401000));
	assert_true(readable(t, 0x6000ff));
	assert_false(readable(t, 0x600100));
	assert_false(readable(t, 0x7ffff000));
	/* read-only, of a file that is no longer to be checked by its first page, but older */
	assert_true(readable(t, 0x10000000));
	done(&b, t);
	cb_write(&b, 200);
	assert_int_equal(core_open(b.path, NULL, &t, &d), ERR_CORRUPT);
	unlink(b.path);
	assert_int_not_equal(core_open(b.path, NULL, &t, &d), ERR_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_other_file),
		cmocka_unit_test(test_plain_file),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_cut),
	};
	if (!realpath("/proc/self/exe", self) || sys_map_open(self, &image, NULL) != ERR_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
