/*
 * test_target_suite: the target table's promises, the same for every backend: a scripted fake, a
 * Linux process through ptrace, an ELF core, a kernel over KD, a PE and an ELF image. What a
 * backend's capabilities leave out is skipped, counted and printed.
 *
 * A subject stands at its first stop: `code` is a function that its program calls over and over,
 * `data` eight bytes that can be changed without harm, `hole` an address where nothing is mapped.
 */
#pragma GCC diagnostic ignored "-Wunused-function"
#include "test_target_peer.h"

#include "core_build.h"
#include "ptrace_rig.h"
#include "target/fake/fake.h"

typedef struct subject {
	const char *name;
	tgt *t;
	tgt_caps caps;
	tgt_event ev; /* the first stop, later the last one */
	as_t as;
	uint64_t code, data, hole;
	bool has_code; /* it is called again and again */
} subject;

static unsigned checked, skipped;

#define MUST(expr)                                                                                 \
	do {                                                                                       \
		err e_ = (expr);                                                                   \
		if (e_ != ERR_OK)                                                                  \
			fail_msg("%s: %s: %s", s->name, #expr, err_name(e_));                      \
	} while (0)

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond))                                                                       \
			fail_msg("%s: not so: %s", s->name, #cond);                                \
	} while (0)

static bool runs(const subject *s, bool can, const char *what)
{
	if (can) {
		checked++;
		return true;
	}
	skipped++;
	print_message("           %s: %s: skipped\n", s->name, what);
	return false;
}

/* The next event that counts; loads, threads and the like are passed over. */
static void wait_stop(subject *s)
{
	for (int i = 0; i < 500; i++) {
		MUST(tgt_wait(s->t, 10000, &s->ev, NULL));
		CHECK(s->ev.kind != TGT_EV_TIMEOUT && s->ev.kind != TGT_EV_DEAD);
		if (s->ev.kind == TGT_EV_EXCEPTION)
			return;
		if (s->ev.kind != TGT_EV_PRINT && s->ev.kind != TGT_EV_NOTICE)
			MUST(tgt_resume(
				s->t, &(tgt_run){.unit = s->ev.unit, .handled = true}, NULL));
	}
	fail_msg("%s: too many events", s->name);
}

static void go(subject *s, tgt_go how)
{
	MUST(tgt_resume(s->t, &(tgt_run){.unit = s->ev.unit, .go = how, .handled = true}, NULL));
}

/* ---- the promises ---- */

static void first_stop(subject *s)
{
	x64_regs r = {0};
	checked++;
	CHECK(s->caps.spaces >> s->as.kind & 1);
	CHECK(s->ev.n_units >= 1);
	MUST(tgt_regs_get(s->t, s->ev.unit, X64_SET_CONTROL, &r, NULL));
	CHECK(r.valid & X64_SET_CONTROL);
	CHECK(r.rip == s->ev.pc);
	CHECK(tgt_regs_get(s->t, 0x7ffffff0, X64_SET_CONTROL, &r, NULL) != ERR_OK);
	if (s->ev.n_stream) {
		uint8_t b[TGT_STREAM_MAX];
		MUST(tgt_read_all(s->t, s->as, s->ev.pc, b, s->ev.n_stream, NULL));
		CHECK(!memcmp(b, s->ev.stream, s->ev.n_stream));
	}
}

static void reading(subject *s)
{
	uint8_t whole[256], piece, b = 0x5a;
	size_t n = 77;
	checked++;
	MUST(tgt_read_all(s->t, s->as, s->code, whole, sizeof whole, NULL));
	for (size_t i = 0; i < sizeof whole; i += 37) {
		MUST(tgt_read_all(s->t, s->as, s->code + i, &piece, 1, NULL));
		CHECK(piece == whole[i]);
	}
	CHECK(tgt_read(s->t, s->as, s->hole, &b, 1, &n, NULL) == ERR_FAULT);
	CHECK(tgt_read_all(s->t, s->as, s->hole, &b, 1, NULL) == ERR_FAULT);
	CHECK(tgt_read(s->t, s->as, s->data, &b, 0, &n, NULL) == ERR_OK && n == 0);
	/* a range that begins where something is and ends where nothing is: what there is */
	uint64_t edge = s->hole & ~4095ull;
	if (tgt_read_all(s->t, s->as, edge - 16, whole, 16, NULL) == ERR_OK) {
		MUST(tgt_read(s->t, s->as, edge - 16, whole, 64, &n, NULL));
		CHECK(n == 16);
	}
}

static void searching(subject *s)
{
	uint8_t pattern[8];
	uint64_t at = 0;
	checked++;
	MUST(tgt_read_all(s->t, s->as, s->code, pattern, sizeof pattern, NULL));
	MUST(tgt_search(s->t, s->as, s->code, 64, pattern, sizeof pattern, &at, NULL));
	CHECK(at == s->code);
	CHECK(tgt_search(s->t, s->as, s->code, 4, pattern, 8, &at, NULL) == ERR_NOTFOUND);
}

static void writing(subject *s)
{
	uint8_t old[8], b[8], now[8];
	size_t n = 0;
	diag d = {0};
	MUST(tgt_read_all(s->t, s->as, s->data, old, 8, NULL));
	for (size_t i = 0; i < 8; i++)
		b[i] = (uint8_t)(old[i] ^ 0xa5);
	if (!s->caps.live) {
		checked++;
		CHECK(tgt_write(s->t, s->as, s->data, b, 8, &n, &d) == ERR_UNSUPPORTED);
		CHECK(d.text[0]);
		MUST(tgt_read_all(s->t, s->as, s->data, now, 8, NULL));
		CHECK(!memcmp(now, old, 8));
		return;
	}
	checked++;
	MUST(tgt_write(s->t, s->as, s->data, b, 8, &n, NULL));
	CHECK(n == 8);
	MUST(tgt_read_all(s->t, s->as, s->data, now, 8, NULL));
	CHECK(!memcmp(now, b, 8));
	MUST(tgt_fill(s->t, s->as, s->data, 8, "ab", 2, NULL));
	MUST(tgt_read_all(s->t, s->as, s->data, now, 8, NULL));
	CHECK(!memcmp(now, "abababab", 8));
	MUST(tgt_write(s->t, s->as, s->data, old, 8, &n, NULL));
	CHECK(tgt_write(s->t, s->as, s->hole, b, 8, &n, &d) != ERR_OK);
}

static void registers(subject *s)
{
	x64_regs r = {0}, now = {0};
	uint64_t v = 0;
	diag d = {0};
	MUST(tgt_regs_get(s->t, s->ev.unit, X64_SET_INTEGER, &r, NULL));
	MUST(tgt_reg_get(s->t, s->ev.unit, x64_reg_find(STR("r12")), &v, NULL));
	CHECK(v == r.gpr[X64_R12]);
	uint64_t old = r.gpr[X64_R12];
	r.gpr[X64_R12] = old ^ 0x123456789abcdef0;
	checked++;
	if (!s->caps.live) {
		CHECK(tgt_regs_set(s->t, s->ev.unit, X64_SET_INTEGER, &r, &d) == ERR_UNSUPPORTED);
		CHECK(d.text[0]);
		return;
	}
	MUST(tgt_regs_set(s->t, s->ev.unit, X64_SET_INTEGER, &r, NULL));
	MUST(tgt_regs_get(s->t, s->ev.unit, X64_SET_INTEGER, &now, NULL));
	CHECK(now.gpr[X64_R12] == r.gpr[X64_R12]);
	CHECK(now.gpr[X64_RBX] == r.gpr[X64_RBX]);
	r.gpr[X64_R12] = old;
	MUST(tgt_regs_set(s->t, s->ev.unit, X64_SET_INTEGER, &r, NULL));
}

static void processes(subject *s)
{
	uint64_t pid = 0;
	size_t n = 0, all = 0;
	buf b;
	if (!runs(s, s->caps.threads, "processes and threads"))
		return;
	MUST(tgt_processes(s->t, &pid, 1, &n));
	CHECK(n == 1 && pid == s->ev.process_id);
	tgt_unit u[16];
	MUST(tgt_units(s->t, pid, u, 16, &n));
	CHECK(n >= 1 && u[0].process_id == pid);
	MUST(tgt_units(s->t, 0, NULL, 0, &all));
	CHECK(all == n);
	for (int i = TGT_I_CMDLINE; i <= TGT_I_STATUS; i++) {
		if (i == TGT_I_ENVIRON || i == TGT_I_FILES)
			continue;
		buf_init(&b, 0);
		MUST(tgt_info_get(s->t, (tgt_info)i, pid, &b, NULL));
		CHECK(b.n);
		buf_deinit(&b);
	}
	buf_init(&b, 0);
	CHECK(tgt_info_get(s->t, TGT_I_MAPS, 0x7ffffff0, &b, NULL) == ERR_NOTFOUND);
	CHECK(tgt_process_part(s->t, 0x7ffffff0, TGT_DETACH, NULL) != ERR_OK);
	buf_deinit(&b);
}

static void standing_still(subject *s)
{
	diag d = {0};
	if (!runs(s, !s->caps.live, "nothing runs"))
		return;
	tgt_run how = {.unit = s->ev.unit};
	CHECK(tgt_resume(s->t, &how, &d) == ERR_UNSUPPORTED);
	how.go = TGT_STEP;
	CHECK(tgt_resume(s->t, &how, &d) == ERR_UNSUPPORTED);
	CHECK(d.text[0]);
	tgt_event ev;
	MUST(tgt_wait(s->t, 0, &ev, NULL));
	CHECK(ev.kind == TGT_EV_TIMEOUT);
	CHECK(tgt_wait(s->t, -1, &ev, NULL) == ERR_DEAD);
	uint64_t h = 0;
	tgt_trap trap = {TGT_TRAP_SOFT, s->as, s->code, 0};
	CHECK(tgt_trap_add(s->t, &trap, &h, &d) == ERR_UNSUPPORTED);
}

/* Planted, never seen, written under, hit, and out again. */
static void traps(subject *s)
{
	uint8_t before[32], now[32];
	uint64_t h = 0, rip = 0;
	size_t n = 0;
	if (!runs(s, s->caps.live, "breakpoints"))
		return;
	tgt_trap where = {TGT_TRAP_SOFT, s->as, s->code, 0};
	MUST(tgt_read_all(s->t, s->as, s->code - 8, before, sizeof before, NULL));
	MUST(tgt_trap_add(s->t, &where, &h, NULL));
	CHECK(h != 0);
	MUST(tgt_read_all(s->t, s->as, s->code - 8, now, sizeof now, NULL));
	CHECK(!memcmp(now, before, sizeof now));
	MUST(tgt_write(s->t, s->as, s->code, before + 8, 1, &n, NULL));
	MUST(tgt_read_all(s->t, s->as, s->code, now, 1, NULL));
	CHECK(now[0] == before[8]);
	for (int i = 0; i < 2 && s->has_code; i++) {
		go(s, TGT_GO);
		wait_stop(s);
		CHECK(s->ev.code == 0x80000003);
		CHECK(s->ev.pc == s->code);
		MUST(tgt_halt(s->t, NULL));
		MUST(tgt_reg_get(s->t, s->ev.unit, x64_reg_find(STR("rip")), &rip, NULL));
		CHECK(rip == s->code);
		MUST(tgt_read_all(s->t, s->as, s->code - 8, now, sizeof now, NULL));
		CHECK(!memcmp(now, before, sizeof now));
		/* Past it: out, one step, in again. A target may have taken it out by itself. */
		bool gone = false;
		for (uint32_t k = 0; k < s->ev.n_dropped; k++)
			gone |= s->ev.dropped[k] == s->code;
		if (!gone)
			MUST(tgt_trap_del(s->t, h, NULL));
		if (s->caps.can_step) {
			go(s, TGT_STEP);
			wait_stop(s);
			CHECK(s->ev.code == 0x80000004);
			CHECK(s->ev.pc != s->code);
		}
		MUST(tgt_trap_add(s->t, &where, &h, NULL));
	}
	MUST(tgt_trap_del(s->t, h, NULL));
	MUST(tgt_read_all(s->t, s->as, s->code - 8, now, sizeof now, NULL));
	CHECK(!memcmp(now, before, sizeof now));
	CHECK(tgt_trap_del(s->t, h, NULL) != ERR_OK);
}

static void stepping(subject *s)
{
	if (!runs(s, s->caps.can_step, "stepping"))
		return;
	for (int i = 0; i < 3; i++) {
		uint64_t from = s->ev.pc, rip = 0;
		go(s, TGT_STEP);
		wait_stop(s);
		CHECK(s->ev.code == 0x80000004);
		CHECK(s->ev.pc != from);
		MUST(tgt_reg_get(s->t, s->ev.unit, x64_reg_find(STR("rip")), &rip, NULL));
		CHECK(rip == s->ev.pc);
	}
}

static void hardware(subject *s)
{
	uint64_t h = 0;
	if (!runs(s, s->caps.live && s->caps.max_hard && s->has_code, "debug registers"))
		return;
	tgt_trap where = {TGT_TRAP_EXEC, s->as, s->code, 1};
	MUST(tgt_trap_add(s->t, &where, &h, NULL));
	go(s, TGT_GO);
	wait_stop(s);
	CHECK(s->ev.code == 0x80000004 && s->ev.pc == s->code);
	MUST(tgt_halt(s->t, NULL));
	MUST(tgt_trap_del(s->t, h, NULL));
}

static void suite(subject *s)
{
	tgt_caps_get(s->t, &s->caps);
	first_stop(s);
	reading(s);
	searching(s);
	writing(s);
	registers(s);
	processes(s);
	standing_still(s);
	traps(s);
	stepping(s);
	hardware(s);
}

/* ---- the subjects ---- */

static void on_fake(void **state)
{
	/* call +2; jmp -7; mov eax,1; ret */
	static const uint8_t code[64] = {0xe8, 2, 0, 0, 0, 0xeb, 0xf9, 0xb8, 1, 0, 0, 0, 0xc3};
	uint8_t area[4096] = {1, 2, 3};
	fake *f = fake_create(NULL);
	fake_mem(f, as_current(), 0x140001000, area, sizeof area);
	fake_mem(f, as_current(), 0x140001100, code, sizeof code);
	fake_mem(f, as_current(), 0x140002000, area, sizeof area);
	fake_regs(f, 0)->rip = 0x140001100;
	fake_regs(f, 0)->gpr[X64_RSP] = 0x140002800;
	fake_execute(f, true, 0);
	fake_script(f, &(tgt_event){.kind = TGT_EV_EXCEPTION,
			       .code = 0x80000003,
			       .pc = 0x140001100,
			       .first_chance = true});
	subject at = {.name = "fake",
		.t = fake_tgt(f),
		.as = as_current(),
		.code = 0x140001107,
		.data = 0x140002100,
		.hole = 0x140003000,
		.has_code = true};
	subject *s = &at;
	fake_caps(f)->max_hard = 0; /* its processor has no debug registers */
	wait_stop(s);
	suite(s);
	tgt_close(s->t, TGT_DETACH);
}

static void on_ptrace(void **state)
{
	rig r;
	char b[64];
	rig_create(&r, "hits", "1000", "1", NULL);
	rig_start(&r);
	subject at = {.name = "ptrace",
		.t = r.t,
		.as = as_process(r.pid),
		.ev = r.ev,
		.code = rig_symbol(&r, "hit"),
		.data = rig_symbol(&r, "total"),
		.hole = 0x1000,
		.has_code = true};
	subject *s = &at;
	suite(s);
	/* Left to itself it ends as if nobody had been there. */
	tgt_close(s->t, TGT_DETACH);
	r.t = NULL;
	for (int i = 0; i < 500 && !strchr(rig_output(&r, b, sizeof b), '\n'); i++)
		usleep(20000);
	assert_string_equal(b, "1000\n");
	close(r.out);
	alarm(0);
}

static void on_core(void **state)
{
	static uint8_t code[4096], data[4096];
	core_build b = {.has_siginfo = true};
	for (size_t i = 0; i < sizeof code; i++)
		code[i] = (uint8_t)(i * 7);
	cb_seg(&b, 0x401000, sizeof code, code, sizeof code, ELF_PF_R | ELF_PF_X);
	cb_seg(&b, 0x602000, sizeof data, data, sizeof data, ELF_PF_R | ELF_PF_W);
	cb_thread(&b, 100, 0x401100, 0x602800);
	cb_thread(&b, 101, 0x401200, 0x602900);
	cb_auxv(&b, 6, 4096);
	put32(b.siginfo, 8);
	put32(b.siginfo + 8, 1);
	cb_write(&b, 0);
	subject at = {.name = "core",
		.as = as_process(100),
		.code = 0x401107,
		.data = 0x602100,
		.hole = 0x603000};
	subject *s = &at;
	MUST(core_open(b.path, NULL, &s->t, NULL));
	wait_stop(s);
	CHECK(s->ev.code == 0xc0000094);
	suite(s);
	tgt_close(s->t, TGT_DETACH);
	unlink(b.path);
}

static void on_kd(void **state)
{
	static const char *const kernels[] = {"fakekernel-a", "fakekernel-b"};
	for (int v = 0; v < 2; v++) {
		peer k;
		uint64_t base = 0;
		peer_start(&k, kernels[v], "--processors 1");
		attach(&k, true);
		until_exception();
		skip_break();
		subject at = {.name = kernels[v],
			.t = T_,
			.as = as_current(),
			.ev = E,
			.code = USER_FUNC,
			.has_code = true};
		subject *s = &at;
		s->ev.pc++; /* skip_break moved it */
		s->ev.n_stream = 0;
		MUST(tgt_query(T_, TGT_F_KERNEL_BASE, &base, 8, NULL));
		s->data = base + 0x11000;
		s->hole = 0x1000;
		suite(s);
		leave(TGT_DETACH);
		peer_stop(&k);
		assert_int_equal(peer_number(&k, "int3 "), 0);
	}
}

/* Files by themselves: an ELF program, and a PE one if the cross tools have built it. */
static void on_image(void **state)
{
	static const char *const files[] = {
		"tests/debuggee/user/user-hits", "tests/debuggee/debuggee.exe"};
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		char path[512];
		snprintf(path, sizeof path, "%s/%s", getenv("RS_BUILD_ROOT"), files[i]);
		if (i && access(path, R_OK))
			continue;
		subject at = {.name = i ? "PE image" : "ELF image", .as = as_current()};
		subject *s = &at;
		MUST(image_open(path, NULL, &s->t, NULL));
		MUST(tgt_wait(s->t, 0, &s->ev, NULL));
		CHECK(s->ev.kind == TGT_EV_LOAD);
		s->code = s->ev.pc;
		s->data = s->ev.base + 0x20;
		s->hole = s->ev.base - 4096;
		suite(s);
		tgt_close(s->t, TGT_DETACH);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(on_fake),
		cmocka_unit_test(on_ptrace),
		cmocka_unit_test(on_core),
		cmocka_unit_test(on_image),
		cmocka_unit_test(on_kd),
	};
	int r = cmocka_run_group_tests(tests, NULL, NULL);
	printf("target suite: %u checks done, %u left out by capabilities\n", checked, skipped);
	return r;
}
