/* The ptrace backend: breaks, passing over them, steps, threads, signals. */
#include "ptrace_rig.h"

#include <sched.h>

static unsigned long plain_output(const char *name, char *b, size_t cap)
{
	char path[512];
	rig_program(name, path, sizeof path);
	FILE *f = popen(path, "r");
	assert_non_null(f);
	size_t n = fread(b, 1, cap - 1, f);
	b[n] = 0;
	pclose(f);
	return n;
}

/* ---- passing over ---- */

/* Where one step from in may lead; what is computed may lead anywhere. */
static bool one_step(const x64_insn *in, uint64_t pc)
{
	uint64_t next = in->addr + in->len;
	bool rep = in->bytes[0] == 0xf3 && in->len == 2; /* a step is one turn */
	switch (in->flow) {
	case X64_FLOW_NEXT:
		return pc == next || (rep && pc == in->addr);
	case X64_FLOW_COND:
		return pc == next || pc == in->target;
	case X64_FLOW_JMP:
	case X64_FLOW_CALL:
		return !in->has_target || pc == in->target;
	default:
		return true;
	}
}

/* A trap on every kind of instruction at once; the program computes the same. */
static void every_kind_of_instruction(void **state)
{
	static const char *const label[] = {"at_push", "at_endbr", "at_nop", "at_riprel",
		"at_ripimm", "at_lea", "at_jmp", "at_jcc", "at_jccfar", "at_call", "at_callreg",
		"at_callmem", "at_jmpreg", "at_jmpmem", "at_ret", "at_retn", "at_loop", "at_jrcxz",
		"at_rep", "at_pushf", "at_sse", "at_fs", "at_leave"};
	enum { N = ARRAY_LEN(label) };
	rig r;
	char want[64], got[64];
	uint64_t at[N], handle[N];
	unsigned hits[N] = {0}, from = 0;
	x64_insn in[N];
	(void)state;
	plain_output("kinds", want, sizeof want);
	for (int stepping = 0; stepping < 2; stepping++) {
		rig_create(&r, "kinds", NULL);
		rig_start(&r);
		memset(hits, 0, sizeof hits);
		for (unsigned i = 0; i < N; i++) {
			uint8_t code[X64_INSN_MAX];
			at[i] = rig_symbol(&r, label[i]);
			handle[i] = rig_trap(&r, at[i]);
			OK(&r, tgt_read_all(
				       r.t, as_process(r.pid), at[i], code, sizeof code, &r.d));
			assert_int_equal(x64_decode(code, sizeof code, at[i], &in[i]), ERR_OK);
		}
		rig_go(&r, TGT_GO, true);
		for (;;) {
			unsigned i = 0;
			rig_wait(&r);
			if (r.ev.kind == TGT_EV_PROCESS_EXIT)
				break;
			assert_int_equal(r.ev.kind, TGT_EV_EXCEPTION);
			if (r.ev.code == (uint32_t)STEP) {
				/* behind the instruction, never in a copy */
				assert_true(r.ev.pc - r.base < 0x100000);
				assert_int_equal(rig_reg(&r, "rip"), r.ev.pc);
				if (!one_step(&in[from], r.ev.pc))
					fail_msg("a step from %s leads to +%llx", label[from],
						(unsigned long long)(r.ev.pc - at[from]));
				while (i < N && at[i] != r.ev.pc)
					i++;
				if (i < N) { /* from one straight to the next */
					hits[i]++;
					from = i;
					OK(&r, tgt_pass(r.t, r.ev.unit, handle[i], &r.d));
					rig_go(&r, TGT_STEP, true);
				} else {
					rig_go(&r, TGT_GO, true);
				}
				continue;
			}
			while (i < N && at[i] != r.ev.pc)
				i++;
			assert_true(i < N);
			hits[i]++;
			from = i;
			OK(&r, tgt_pass(r.t, r.ev.unit, handle[i], &r.d));
			rig_go(&r, stepping ? TGT_STEP : TGT_GO, true);
		}
		for (unsigned i = 0; i < N; i++) {
			unsigned n = !strcmp(label[i], "at_loop") ? 20 : 4;
			/* a step of rep movsb comes back to it */
			if (!strcmp(label[i], "at_rep") && stepping)
				n = hits[i] >= 4 ? hits[i] : 4;
			if (hits[i] != n)
				fail_msg("%s: %u hits", label[i], hits[i]);
		}
		assert_string_equal(rig_output(&r, got, sizeof got), want);
		rig_close(&r, TGT_KILL);
	}
}

static void syscall_is_refused(void **state)
{
	rig r;
	(void)state;
	rig_create(&r, "kinds", NULL);
	rig_start(&r);
	uint64_t at = rig_symbol(&r, "at_syscall"), h = rig_trap(&r, at);
	rig_go(&r, TGT_GO, true);
	rig_until(&r, TGT_EV_EXCEPTION);
	assert_int_equal(r.ev.pc, at);
	assert_int_equal(tgt_pass(r.t, r.ev.unit, h, &r.d), ERR_UNSUPPORTED);
	/* the caller's other way: out, step, in */
	OK(&r, tgt_halt(r.t, &r.d));
	OK(&r, tgt_trap_del(r.t, h, &r.d));
	rig_go(&r, TGT_STEP, true);
	rig_wait(&r);
	assert_int_equal(r.ev.code, (uint32_t)STEP);
	assert_int_equal(r.ev.pc, at + 2);
	rig_end(&r);
	rig_close(&r, TGT_KILL);
}

static void one_thread_exact(void **state)
{
	rig r;
	(void)state;
	for (int halts = 0; halts < 2; halts++) {
		rig_create(&r, "hits", "3000", NULL);
		rig_start(&r);
		uint64_t at = rig_symbol(&r, "hit");
		assert_int_equal(rig_count_hits(&r, at, rig_trap(&r, at), halts), 3000);
		rig_close(&r, TGT_KILL);
	}
}

static void eight_threads_exact(void **state)
{
	rig r;
	char b[64];
	(void)state;
	for (int halts = 0; halts < 2; halts++) {
		rig_create(&r, "hits", halts ? "100" : "500", "8", NULL);
		rig_start(&r);
		uint64_t at = rig_symbol(&r, "hit");
		assert_int_equal(
			rig_count_hits(&r, at, rig_trap(&r, at), halts), halts ? 800 : 4000);
		assert_string_equal(rig_output(&r, b, sizeof b), halts ? "800\n" : "4000\n");
		rig_close(&r, TGT_KILL);
	}
}

static void thousand_threads(void **state)
{
	rig r;
	char b[64];
	(void)state;
	rig_create(&r, "threads", "1000", "8", NULL);
	rig_start(&r);
	uint64_t at = rig_symbol(&r, "shared"), h = rig_trap(&r, at);
	unsigned n = 0;
	while (r.ev.kind != TGT_EV_PROCESS_EXIT) {
		if (r.ev.kind == TGT_EV_EXCEPTION && r.ev.code == (uint32_t)BREAK &&
			r.ev.pc == at) {
			n++;
			if (n % 64 == 0)
				OK(&r, tgt_halt(r.t, &r.d));
			OK(&r, tgt_pass(r.t, r.ev.unit, h, &r.d));
		}
		rig_go(&r, TGT_GO, true);
		rig_wait(&r);
	}
	rig_count(&r);
	assert_int_equal(n, 3000);
	assert_int_equal(r.threads, 1000);
	assert_int_equal(r.thread_exits, 1000);
	assert_string_equal(rig_output(&r, b, sizeof b), "3000\n");
	rig_close(&r, TGT_KILL);
}

static void deep_recursion(void **state)
{
	rig r;
	char b[64];
	(void)state;
	rig_create(&r, "deep", "2000", NULL);
	rig_start(&r);
	uint64_t at = rig_symbol(&r, "deep");
	assert_int_equal(rig_count_hits(&r, at, rig_trap(&r, at), false), 2000);
	assert_string_equal(rig_output(&r, b, sizeof b), "2000\n");
	rig_close(&r, TGT_KILL);
	/* until the stack is gone: an access violation by a write, twice, then the end */
	rig_create(&r, "deep", "0", NULL);
	rig_start(&r);
	rig_go(&r, TGT_GO, true);
	rig_wait(&r);
	assert_int_equal(r.ev.code, (uint32_t)ACCESS);
	assert_int_equal(r.ev.params[0], 1);
	assert_true(r.ev.params[1] - rig_reg(&r, "rsp") + 4096 < 8192);
	rig_go(&r, TGT_GO, false);
	rig_wait(&r);
	assert_true(r.ev.kind == TGT_EV_EXCEPTION && !r.ev.first_chance);
	rig_go(&r, TGT_GO, false);
	rig_wait(&r);
	assert_int_equal(r.exit_code, 0x80 + SIGSEGV);
	rig_close(&r, TGT_KILL);
}

/* The user's bytes win, and a copy of an instruction is never older than the instruction. */
static void self_modifying(void **state)
{
	rig r;
	char b[64];
	unsigned hits = 0;
	(void)state;
	rig_create(&r, "selfmod", NULL);
	rig_start(&r);
	uint64_t written = rig_symbol(&r, "written"), hw = rig_trap(&r, written), page = 0, hp = 0;
	rig_go(&r, TGT_GO, true);
	for (int calls = 0;;) {
		rig_wait(&r);
		if (r.ev.kind == TGT_EV_PROCESS_EXIT)
			break;
		if (r.ev.pc == written) {
			if (!calls++) {
				page = rig_u64(&r, rig_symbol(&r, "page"));
				hp = rig_trap(&r, page);
			} else {
				/* what the program wrote over the trap is what is there */
				uint8_t now[4];
				OK(&r, tgt_read_all(r.t, as_process(r.pid), page, now, 4, &r.d));
				assert_memory_equal(now, "\x6a\x02\x58\xc3", 4);
				OK(&r, tgt_trap_del(r.t, hp, &r.d));
				OK(&r, tgt_read_all(r.t, as_process(r.pid), page, now, 4, &r.d));
				assert_memory_equal(now, "\x6a\x02\x58\xc3", 4);
			}
			OK(&r, tgt_pass(r.t, r.ev.unit, hw, &r.d));
		} else {
			assert_int_equal(r.ev.pc, page);
			hits++;
			OK(&r, tgt_pass(r.t, r.ev.unit, hp, &r.d));
		}
		rig_go(&r, TGT_GO, true);
	}
	assert_int_equal(hits, 2);
	assert_string_equal(rig_output(&r, b, sizeof b), "1 3 2\n");
	rig_close(&r, TGT_KILL);
}

/* Traps at more places than can be remembered at once, one after the other. */
static void places_are_forgotten(void **state)
{
	rig r;
	uint64_t libc = 0, h = 0;
	(void)state;
	rig_create(&r, "hits", "20", NULL);
	for (;;) {
		rig_wait(&r);
		if (r.ev.kind == TGT_EV_LOAD && strstr(r.ev.path, "libc.so"))
			libc = r.ev.base;
		if (r.ev.initial)
			break;
		rig_go(&r, TGT_GO, true);
	}
	assert_true(libc != 0);
	uint64_t at = rig_symbol(&r, "hit"), mine = rig_trap(&r, at);
	for (uint64_t i = 0; i < 40000; i++) {
		tgt_trap trap = {TGT_TRAP_SOFT, as_process(r.pid), libc + 0x40000 + i, 0};
		OK(&r, tgt_trap_add(r.t, &trap, &h, &r.d));
		OK(&r, tgt_trap_del(r.t, h, &r.d));
	}
	assert_int_equal(rig_count_hits(&r, at, mine, false), 20);
	rig_close(&r, TGT_KILL);
}

/* ---- steps ---- */

static void steps(void **state)
{
	rig r;
	(void)state;
	rig_create(&r, "hits", "5", NULL);
	rig_start(&r);
	uint64_t at = rig_symbol(&r, "hit"), h = rig_trap(&r, at);
	rig_go(&r, TGT_GO, true);
	rig_until(&r, TGT_EV_EXCEPTION);
	assert_int_equal(r.ev.pc, at);
	uint64_t back = rig_u64(&r, rig_reg(&r, "rsp"));
	OK(&r, tgt_pass(r.t, r.ev.unit, h, &r.d));
	unsigned n = 0;
	uint64_t pc = at;
	while (r.ev.pc != back) {
		uint8_t code[16];
		x64_insn in;
		OK(&r, tgt_read_all(r.t, as_process(r.pid), pc, code, sizeof code, &r.d));
		assert_int_equal(x64_decode(code, sizeof code, pc, &in), ERR_OK);
		rig_go(&r, TGT_STEP, true);
		rig_wait(&r);
		assert_int_equal(r.ev.code, (uint32_t)STEP);
		assert_int_equal(r.ev.signal, 0);
		if (in.flow == X64_FLOW_NEXT)
			assert_int_equal(r.ev.pc, pc + in.len);
		pc = r.ev.pc;
		assert_true(++n < 100);
	}
	assert_true(n >= 2);
	rig_close(&r, TGT_KILL);
}

/* Steps before the instruction that stands at the pc, and says so if `tell`. */
static void step_told(rig *r, bool tell)
{
	uint8_t code[X64_INSN_MAX];
	x64_insn in;
	OK(r, tgt_read_all(r->t, as_process(r->pid), r->ev.pc, code, sizeof code, &r->d));
	assert_int_equal(x64_decode(code, sizeof code, r->ev.pc, &in), ERR_OK);
	tgt_run how = {
		.unit = r->ev.unit, .go = TGT_STEP, .handled = true, .insn = tell ? &in : NULL};
	OK(r, tgt_resume(r->t, &how, &r->d));
	rig_wait(r);
	assert_int_equal(r->ev.kind, TGT_EV_EXCEPTION);
}

/* Where the kernel has a thread that stands still, proc(5) "syscall". */
static uint64_t kernel_pc(const rig *r)
{
	char path[64], text[256];
	unsigned long long sp, pc;
	snprintf(path, sizeof path, "/proc/%d/syscall", (int)r->pid);
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	assert_true(n > 0);
	text[n] = 0;
	const char *last = strrchr(text, ' ');
	assert_non_null(last);
	while (last > text && last[-1] != ' ')
		last--;
	assert_int_equal(sscanf(last, "%llx %llx", &sp, &pc), 2);
	return pc;
}

/* Two programs side by side: one is told what it steps over and need not run for all of it. */
static void steps_by_hand(void **state)
{
	enum { N = 700 };
	rig r[2];
	char want[64], got[64];
	unsigned by_hand = 0;
	(void)state;
	plain_output("kinds", want, sizeof want);
	for (int i = 0; i < 2; i++) {
		rig_create(&r[i], "kinds", NULL);
		rig_start(&r[i]);
		uint64_t h = rig_trap(&r[i], rig_symbol(&r[i], "main"));
		rig_go(&r[i], TGT_GO, true);
		rig_wait(&r[i]);
		OK(&r[i], tgt_trap_del(r[i].t, h, &r[i].d));
	}
	for (unsigned n = 0; n < N; n++) {
		x64_regs regs[2] = {0};
		for (int i = 0; i < 2; i++) {
			step_told(&r[i], i);
			assert_int_equal(r[i].ev.code, (uint32_t)STEP);
			if (n % 3 == 0) /* not looked at each time: they are kept */
				OK(&r[i], tgt_regs_get(r[i].t, r[i].ev.unit, X64_SET_GENERAL,
						  &regs[i], &r[i].d));
			if (regs[i].gpr[X64_RAX] == r[i].pid) /* getpid in k_syscall */
				regs[i].gpr[X64_RAX] = 0;
		}
		assert_int_equal(r[0].ev.pc, r[1].ev.pc);
		assert_memory_equal(regs[0].gpr, regs[1].gpr, sizeof regs[0].gpr);
		if (regs[0].eflags != regs[1].eflags)
			fail_msg("step %u to %llx: flags %x, %x by hand", n,
				(unsigned long long)r[0].ev.pc, regs[0].eflags, regs[1].eflags);
		by_hand += kernel_pc(&r[1]) != r[1].ev.pc;
		assert_int_equal(kernel_pc(&r[0]), r[0].ev.pc);
	}
	assert_true(by_hand > N / 5);
	for (int i = 1; i >= 0; i--) { /* each gives back the processors that it found */
		rig_end(&r[i]);
		assert_string_equal(rig_output(&r[i], got, sizeof got), want);
		rig_close(&r[i], TGT_KILL);
	}
}

/* A signal that comes meanwhile is met soon; what was changed by hand holds behind its handler. */
static void steps_by_hand_meet_signals(void **state)
{
	rig r;
	(void)state;
	rig_create(&r, "kinds", NULL);
	rig_start(&r);
	uint64_t h = rig_trap(&r, rig_symbol(&r, "k_run")); /* a hundred that are done by hand */
	rig_go(&r, TGT_GO, true);
	rig_wait(&r);
	OK(&r, tgt_trap_del(r.t, h, &r.d));
	step_told(&r, true);
	kill((pid_t)r.pid, SIGUSR1);
	unsigned n = 0;
	while (!r.ev.signal) {
		step_told(&r, true);
		assert_true(++n < 64);
	}
	assert_int_equal(r.ev.signal, SIGUSR1);
	/* killed while it stands where only we have it */
	rig_go(&r, TGT_STEP, true);
	rig_wait(&r);
	while (kernel_pc(&r) == r.ev.pc)
		step_told(&r, true);
	kill((pid_t)r.pid, SIGKILL);
	rig_until(&r, TGT_EV_PROCESS_EXIT);
	rig_close(&r, TGT_KILL);
}

/* While hits follow each other both sit on one processor; a shown stop gives both theirs back. */
static void shares_a_processor(void **state)
{
	rig r;
	cpu_set_t all, ours, theirs;
	(void)state;
	sched_getaffinity(0, sizeof all, &all);
	if (CPU_COUNT(&all) < 2) {
		print_message("there is one processor only\n");
		skip();
	}
	rig_create(&r, "hits", "1000", NULL);
	rig_start(&r);
	uint64_t at = rig_symbol(&r, "hit"), h = rig_trap(&r, at);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 100; i++) {
			rig_go(&r, TGT_GO, true);
			rig_wait(&r);
			OK(&r, tgt_pass(r.t, r.ev.unit, h, &r.d));
		}
		sched_getaffinity(0, sizeof ours, &ours);
		sched_getaffinity((pid_t)r.pid, sizeof theirs, &theirs);
		assert_int_equal(CPU_COUNT(&ours), 1);
		assert_true(CPU_EQUAL(&ours, &theirs));
		OK(&r, tgt_halt(r.t, &r.d));
		sched_getaffinity(0, sizeof ours, &ours);
		sched_getaffinity((pid_t)r.pid, sizeof theirs, &theirs);
		assert_true(CPU_EQUAL(&ours, &all) && CPU_EQUAL(&theirs, &all));
	}
	rig_count_hits(&r, at, h, false); /* to the end, pinned again */
	sched_getaffinity(0, sizeof ours, &ours);
	assert_true(CPU_EQUAL(&ours, &all));
	rig_close(&r, TGT_KILL);
}

/* ---- threads ---- */

static void units_and_freezing(void **state)
{
	rig r;
	tgt_unit u[8];
	size_t n = 0;
	(void)state;
	rig_create(&r, "hits", "200000000", "3", NULL);
	rig_start(&r);
	while (r.threads < 3) {
		rig_go(&r, TGT_GO, true);
		rig_until(&r, TGT_EV_THREAD);
	}
	OK(&r, tgt_halt(r.t, &r.d));
	OK(&r, tgt_units(r.t, r.pid, u, 8, &n));
	assert_int_equal(n, 4);
	for (size_t i = 0; i < n; i++) {
		x64_regs regs = {0};
		assert_int_equal(u[i].process_id, r.pid);
		OK(&r, tgt_regs_get(r.t, u[i].unit, X64_SET_GENERAL, &regs, &r.d));
	}
	/* all but one worker frozen: only that one hits */
	uint64_t at = rig_symbol(&r, "hit"), h = rig_trap(&r, at);
	for (size_t i = 0; i < n; i++)
		OK(&r, tgt_freeze(r.t, u[i].unit, u[i].unit != u[2].unit, &r.d));
	for (int i = 0; i < 50; i++) {
		rig_go(&r, TGT_GO, true);
		rig_wait(&r);
		assert_int_equal(r.ev.unit, u[2].unit);
		OK(&r, tgt_pass(r.t, r.ev.unit, h, &r.d));
	}
	OK(&r, tgt_units(r.t, 0, u, 8, &n));
	assert_true(u[0].frozen && u[1].frozen && !u[2].frozen && u[3].frozen);
	/* alone: the others are not frozen, but stand */
	OK(&r, tgt_halt(r.t, &r.d));
	for (size_t i = 0; i < n; i++)
		OK(&r, tgt_freeze(r.t, u[i].unit, false, &r.d));
	for (int i = 0; i < 50; i++) {
		OK(&r, tgt_resume(r.t, &(tgt_run){u[1].unit, TGT_GO, true, .alone = true}, &r.d));
		rig_wait(&r);
		assert_int_equal(r.ev.unit, u[1].unit);
		assert_int_equal(r.ev.pc, at);
		OK(&r, tgt_pass(r.t, r.ev.unit, h, &r.d));
	}
	/* everybody again */
	bool seen[8] = {false};
	for (int i = 0; i < 2000 && !(seen[1] && seen[2] && seen[3]); i++) {
		rig_go(&r, TGT_GO, true);
		rig_wait(&r);
		for (size_t k = 0; k < n; k++)
			seen[k] |= u[k].unit == r.ev.unit;
		OK(&r, tgt_pass(r.t, r.ev.unit, h, &r.d));
	}
	assert_true(seen[1] && seen[2] && seen[3]);
	rig_close(&r, TGT_KILL);
}

/* A thread that runs alone starts another: that one runs as well. */
static void alone_with_a_new_thread(void **state)
{
	rig r;
	char b[64];
	(void)state;
	rig_create(&r, "threads", "20", "4", NULL);
	rig_start(&r);
	for (;;) {
		OK(&r, tgt_resume(
			       r.t, &(tgt_run){(unit_t)r.pid, TGT_GO, true, .alone = true}, &r.d));
		rig_wait(&r);
		if (r.ev.kind == TGT_EV_PROCESS_EXIT)
			break;
	}
	assert_int_equal(r.threads, 20);
	assert_string_equal(rig_output(&r, b, sizeof b), "60\n");
	rig_close(&r, TGT_KILL);
}

/* ---- debug registers ---- */

static uint64_t hard(rig *r, tgt_trap_kind kind, uint64_t addr, uint32_t size)
{
	uint64_t h = 0;
	tgt_trap trap = {kind, as_process(r->pid), addr, size};
	OK(r, tgt_trap_add(r->t, &trap, &h, &r->d));
	return h;
}

static void debug_registers(void **state)
{
	rig r;
	(void)state;
	rig_create(&r, "hits", "40", NULL);
	rig_start(&r);
	uint64_t total = rig_symbol(&r, "total"), at = rig_symbol(&r, "hit");
	uint64_t w = hard(&r, TGT_TRAP_WRITE, total, 8), x = hard(&r, TGT_TRAP_EXEC, at, 1);
	unsigned writes = 0, execs = 0;
	for (;;) {
		rig_go(&r, TGT_GO, true);
		rig_wait(&r);
		if (r.ev.kind == TGT_EV_PROCESS_EXIT)
			break;
		assert_int_equal(r.ev.code, (uint32_t)STEP);
		assert_true(r.ev.has_report);
		uint64_t h = 0;
		for (unsigned i = 0; i < 4; i++)
			if (r.ev.dr6 >> i & 1)
				h = tgt_trap_in_register(r.t, i);
		if (h == w) {
			writes++;
			assert_int_equal(rig_u64(&r, total), writes);
		} else {
			assert_int_equal(h, x);
			assert_int_equal(r.ev.pc, at);
			execs++;
		}
	}
	assert_int_equal(writes, 40);
	assert_int_equal(execs, 40);
	rig_close(&r, TGT_KILL);
}

static void debug_registers_of_later_threads(void **state)
{
	rig r;
	unsigned n = 0;
	(void)state;
	rig_create(&r, "threads", "30", "3", NULL);
	rig_start(&r);
	hard(&r, TGT_TRAP_EXEC, rig_symbol(&r, "shared"), 1);
	for (;;) {
		rig_go(&r, TGT_GO, true);
		rig_wait(&r);
		if (r.ev.kind == TGT_EV_PROCESS_EXIT)
			break;
		n += r.ev.kind == TGT_EV_EXCEPTION;
	}
	assert_int_equal(n, 90);
	rig_close(&r, TGT_KILL);
}

static void debug_registers_exhausted(void **state)
{
	rig r;
	uint64_t h[4], more;
	(void)state;
	rig_create(&r, "hits", "4", NULL);
	rig_start(&r);
	uint64_t total = rig_symbol(&r, "total");
	for (unsigned i = 0; i < 4; i++)
		h[i] = hard(&r, TGT_TRAP_WRITE, total + i, 1);
	tgt_trap trap = {TGT_TRAP_RW, as_process(r.pid), total, 8};
	assert_int_equal(tgt_trap_add(r.t, &trap, &more, &r.d), ERR_LIMIT);
	assert_non_null(strstr(r.d.text, "debug registers"));
	for (unsigned i = 0; i < 4; i++)
		OK(&r, tgt_trap_del(r.t, h[i], &r.d));
	OK(&r, tgt_trap_add(r.t, &trap, &more, &r.d));
	OK(&r, tgt_trap_del(r.t, more, &r.d));
	trap.addr++;
	assert_int_equal(tgt_trap_add(r.t, &trap, &more, &r.d), ERR_ARG);
	trap = (tgt_trap){TGT_TRAP_IO, as_process(r.pid), 0x60, 1};
	assert_int_equal(tgt_trap_add(r.t, &trap, &more, &r.d), ERR_UNSUPPORTED);
	/* none is left behind: nothing stops any more */
	rig_go(&r, TGT_GO, true);
	rig_wait(&r);
	assert_int_equal(r.ev.kind, TGT_EV_PROCESS_EXIT);
	rig_close(&r, TGT_KILL);
}

/* An execute trap set on the instruction that the thread stands at: seen is passed, unseen hits. */
static void execute_trap_at_the_pc(void **state)
{
	rig r;
	(void)state;
	for (int unseen = 0; unseen < 2; unseen++) {
		rig_create(&r, "hits", "1", NULL);
		rig_start(&r);
		uint64_t at = rig_symbol(&r, "hit"), h = rig_trap(&r, at);
		rig_go(&r, TGT_GO, true);
		rig_wait(&r);
		assert_int_equal(r.ev.pc, at);
		OK(&r, tgt_trap_del(r.t, h, &r.d));
		hard(&r, TGT_TRAP_EXEC, at, 1);
		OK(&r, tgt_resume(r.t, &(tgt_run){r.ev.unit, TGT_GO, true, .unseen = unseen != 0},
			       &r.d));
		rig_wait(&r);
		if (unseen)
			assert_int_equal(r.ev.pc, at);
		else
			assert_int_equal(r.ev.kind, TGT_EV_PROCESS_EXIT);
		rig_close(&r, TGT_KILL);
	}
}

/* ---- signals ---- */

/* Default action: first chance, second chance, the end. */
static void dies(const char *how, int sig, uint32_t code)
{
	rig r;
	uint8_t si[128];
	buf b;
	rig_create(&r, "signals", how, NULL);
	rig_start(&r);
	rig_go(&r, TGT_GO, true);
	rig_wait(&r);
	assert_int_equal(r.ev.kind, TGT_EV_EXCEPTION);
	assert_int_equal(r.ev.signal, sig);
	assert_int_equal(r.ev.code, code);
	assert_true(r.ev.first_chance);
	buf_init(&b, 0);
	OK(&r, tgt_info_get(r.t, TGT_I_SIGINFO, r.ev.unit, &b, &r.d));
	assert_int_equal(b.n, sizeof si);
	assert_int_equal(le32(b.p), (uint32_t)sig);
	buf_deinit(&b);
	rig_go(&r, TGT_GO, false);
	rig_wait(&r);
	assert_int_equal(r.ev.kind, TGT_EV_EXCEPTION);
	assert_int_equal(r.ev.code, code);
	assert_false(r.ev.first_chance);
	rig_go(&r, TGT_GO, false);
	rig_wait(&r);
	assert_int_equal(r.ev.kind, TGT_EV_PROCESS_EXIT);
	assert_int_equal(r.exit_code, 0x80 + (unsigned)sig);
	rig_close(&r, TGT_KILL);
}

static void default_actions(void **state)
{
	(void)state;
	dies("segv", SIGSEGV, (uint32_t)ACCESS);
	dies("fpe", SIGFPE, 0xc0000094);
	dies("ill", SIGILL, 0xc000001d);
	dies("bus", SIGBUS, 0xc0000006);
	dies("abort", SIGABRT, (uint32_t)TGT_SIGNAL_CODE + SIGABRT);
	dies("int3", SIGTRAP, (uint32_t)BREAK);
	dies("trap", SIGTRAP, (uint32_t)BREAK);
	dies("kill", SIGSEGV, (uint32_t)TGT_SIGNAL_CODE + SIGSEGV);
}

static void access_kinds(void **state)
{
	static const struct {
		const char *how;
		uint64_t kind, addr;
	} c[] = {{"segv", 1, 0x1234}, {"read", 0, 0x1234}, {"jump", 8, 0x1000}};
	rig r;
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		rig_create(&r, "signals", c[i].how, NULL);
		rig_start(&r);
		rig_go(&r, TGT_GO, true);
		rig_wait(&r);
		assert_int_equal(r.ev.code, (uint32_t)ACCESS);
		assert_int_equal(r.ev.n_params, 2);
		assert_int_equal(r.ev.params[0], c[i].kind);
		assert_int_equal(r.ev.params[1], c[i].addr);
		rig_close(&r, TGT_KILL);
	}
}

/* With a handler there is no second chance; the handler runs. */
static void handlers_run(void **state)
{
	static const char *const how[] = {"segv", "fpe", "ill", "bus", "int3", "trap"};
	rig r;
	char b[64];
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(how); i++) {
		unsigned n = 0;
		rig_create(&r, "signals", "catch", how[i], NULL);
		rig_start(&r);
		for (;;) {
			rig_go(&r, TGT_GO, false);
			rig_wait(&r);
			if (r.ev.kind == TGT_EV_PROCESS_EXIT)
				break;
			assert_true(r.ev.kind == TGT_EV_EXCEPTION && r.ev.first_chance);
			n++;
		}
		assert_int_equal(n, 1);
		assert_string_equal(rig_output(&r, b, sizeof b), "caught 1\n");
		rig_close(&r, TGT_KILL);
	}
}

/* Handled: the program never learns of it. */
static void swallowed(void **state)
{
	rig r;
	char b[64];
	unsigned n = 0;
	(void)state;
	rig_create(&r, "signals", "usr1", "20", NULL);
	rig_start(&r);
	for (;;) {
		rig_go(&r, TGT_GO, n % 2 != 0); /* every other one */
		rig_wait(&r);
		if (r.ev.kind == TGT_EV_PROCESS_EXIT)
			break;
		assert_int_equal(r.ev.code, (uint32_t)TGT_SIGNAL_CODE + SIGUSR1);
		n++;
	}
	assert_int_equal(n, 20);
	assert_string_equal(rig_output(&r, b, sizeof b), "10\n");
	rig_close(&r, TGT_KILL);
	/* the program's own int3 is left behind */
	rig_create(&r, "signals", "int3", NULL);
	rig_start(&r);
	rig_go(&r, TGT_GO, true);
	rig_wait(&r);
	assert_true(r.ev.n_stream && r.ev.stream[0] == 0xcc);
	rig_end(&r);
	assert_int_equal(r.exit_code, 0);
	rig_close(&r, TGT_KILL);
	/* an ignored signal has no second chance */
	rig_create(&r, "signals", "ignore", NULL);
	rig_start(&r);
	rig_go(&r, TGT_GO, true);
	rig_wait(&r);
	assert_int_equal(r.ev.signal, SIGUSR2);
	rig_go(&r, TGT_GO, false);
	rig_wait(&r);
	assert_int_equal(r.ev.kind, TGT_EV_PROCESS_EXIT);
	rig_close(&r, TGT_KILL);
}

/* Signals in the middle of passes: no hit is counted twice, no signal is lost or changed. */
static void signals_and_hits(void **state)
{
	rig r;
	char b[64];
	unsigned alarms = 0, n = 0;
	(void)state;
	for (int silent = 0; silent < 2; silent++) {
		rig_create(&r, "signals", "alarm", "3000", NULL);
		rig_start(&r);
		if (silent)
			OK(&r, tgt_ctl(r.t, TGT_CTL_SILENT_SIGNALS, 1ull << (SIGALRM - 1), &r.d));
		uint64_t at = rig_symbol(&r, "hit"), h = rig_trap(&r, at);
		for (alarms = n = 0; r.ev.kind != TGT_EV_PROCESS_EXIT; rig_wait(&r)) {
			assert_int_equal(r.ev.kind, TGT_EV_EXCEPTION);
			if (r.ev.signal == SIGALRM) {
				alarms++;
				assert_true(r.ev.pc >> 40 == r.base >> 40 || r.ev.pc > r.base);
			} else if (r.ev.pc == at) {
				n++;
				OK(&r, tgt_pass(r.t, r.ev.unit, h, &r.d));
			}
			rig_go(&r, TGT_GO, !r.ev.signal);
		}
		assert_int_equal(n, 3000);
		assert_true(silent ? !alarms : alarms > 0);
		assert_string_equal(rig_output(&r, b, sizeof b), "3000 caught\n");
		rig_close(&r, TGT_KILL);
	}
}

static void queued_signals(void **state)
{
	rig r;
	char b[64];
	(void)state;
	rig_create(&r, "signals", "queue", "30", NULL);
	rig_start(&r);
	while (r.ev.kind != TGT_EV_PROCESS_EXIT) {
		if (r.ev.signal)
			OK(&r, tgt_halt(r.t, &r.d));
		rig_go(&r, TGT_GO, !r.ev.signal);
		rig_wait(&r);
	}
	assert_string_equal(rig_output(&r, b, sizeof b), "30 465\n");
	rig_close(&r, TGT_KILL);
}

static void job_control(void **state)
{
	rig r;
	char b[64];
	bool stopped = false;
	(void)state;
	rig_create(&r, "signals", "stop", NULL);
	rig_start(&r);
	while (r.ev.kind != TGT_EV_PROCESS_EXIT) {
		if (r.ev.signal == SIGSTOP) {
			stopped = true;
			assert_int_equal(r.ev.code, (uint32_t)TGT_SIGNAL_CODE + SIGSTOP);
		}
		rig_go(&r, TGT_GO, !r.ev.signal);
		rig_wait(&r);
	}
	assert_true(stopped);
	assert_string_equal(rig_output(&r, b, sizeof b), "woken\n");
	rig_close(&r, TGT_KILL);
}

/* Halting and going on does not disturb a system call that waits. */
static void calls_are_restarted(void **state)
{
	rig r;
	char b[64];
	(void)state;
	rig_create(&r, "signals", "wait", NULL);
	rig_start(&r);
	rig_go(&r, TGT_GO, true);
	for (int i = 0; i < 500 && strcmp(rig_output(&r, b, sizeof b), "ready\n"); i++) {
		OK(&r, tgt_wait(r.t, 10, &r.ev, &r.d));
		assert_int_equal(r.ev.kind, TGT_EV_TIMEOUT);
	}
	for (int i = 0; i < 10; i++) {
		usleep(2000);
		tgt_interrupt(r.t);
		rig_wait(&r);
		OK(&r, tgt_halt(r.t, &r.d));
		/* calls that are made in its name in between */
		uint64_t made = 0;
		if (i == 5)
			OK(&r, tgt_serve(r.t, r.ev.unit,
				       &(tgt_service){.kind = TGT_SVC_MAP, .size = 4096}, &made,
				       &r.d));
		rig_go(&r, TGT_GO, true);
	}
	OK(&r, tgt_wait(r.t, 100, &r.ev, &r.d));
	assert_int_equal(r.ev.kind, TGT_EV_TIMEOUT);
	assert_string_equal(rig_output(&r, b, sizeof b), "ready\n");
	rig_close(&r, TGT_KILL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_instruction),
		cmocka_unit_test(syscall_is_refused),
		cmocka_unit_test(one_thread_exact),
		cmocka_unit_test(eight_threads_exact),
		cmocka_unit_test(thousand_threads),
		cmocka_unit_test(deep_recursion),
		cmocka_unit_test(self_modifying),
		cmocka_unit_test(places_are_forgotten),
		cmocka_unit_test(steps),
		cmocka_unit_test(steps_by_hand),
		cmocka_unit_test(steps_by_hand_meet_signals),
		cmocka_unit_test(shares_a_processor),
		cmocka_unit_test(units_and_freezing),
		cmocka_unit_test(alone_with_a_new_thread),
		cmocka_unit_test(debug_registers),
		cmocka_unit_test(debug_registers_of_later_threads),
		cmocka_unit_test(debug_registers_exhausted),
		cmocka_unit_test(execute_trap_at_the_pc),
		cmocka_unit_test(default_actions),
		cmocka_unit_test(access_kinds),
		cmocka_unit_test(handlers_run),
		cmocka_unit_test(swallowed),
		cmocka_unit_test(signals_and_hits),
		cmocka_unit_test(queued_signals),
		cmocka_unit_test(job_control),
		cmocka_unit_test(calls_are_restarted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
