/* The ptrace backend: children, exec, attaching, letting go, and what survives a killed debugger.
 */
#include "ptrace_rig.h"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>

/* ---- children that nobody follows ---- */

/* They inherit our bytes and must not die of them; the parent's own hits are exact. */
static void children_not_followed(void **state)
{
	static const struct {
		const char *how, *n, *want;
	} c[] = {{"fork", "60", "60 0\n"}, {"vfork", "60", "60 60\n"}, {"spawn", "15", "15 0\n"}};
	rig r;
	char b[64];
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		rig_create(&r, "family", c[i].how, c[i].n, NULL);
		rig_start(&r);
		uint64_t at = rig_symbol(&r, "hit"), h = rig_trap(&r, at);
		assert_int_equal(rig_count_hits(&r, at, h, false), 0);
		assert_int_equal(r.processes, 1);
		assert_string_equal(rig_output(&r, b, sizeof b), c[i].want);
		rig_close(&r, TGT_KILL);
	}
}

/* Let go while a vfork child, which shares the memory, is under way. */
static void let_go_amid_vfork(void **state)
{
	rig r;
	char b[64];
	(void)state;
	rig_create(&r, "family", "slow", "3", NULL);
	rig_start(&r);
	uint64_t at = rig_symbol(&r, "hit");
	rig_trap(&r, at);
	rig_go(&r, TGT_GO, true);
	OK(&r, tgt_wait(r.t, 100, &r.ev, &r.d));
	assert_int_equal(r.ev.kind, TGT_EV_TIMEOUT);
	OK(&r, tgt_process_part(r.t, r.pid, TGT_DETACH, &r.d));
	int status = 0;
	for (int i = 0; i < 500 && waitpid((pid_t)r.pid, &status, WNOHANG) != (pid_t)r.pid; i++)
		usleep(10000);
	assert_int_equal(status, 0);
	assert_string_equal(rig_output(&r, b, sizeof b), "3 3\n");
	rig_close(&r, TGT_DETACH);
}

/* ---- children that are followed ---- */

static void children_followed(void **state)
{
	static const char *const how[] = {"fork", "vfork", "spawn"};
	rig r;
	char b[64];
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(how); i++) {
		unsigned child_hits = 0, started = 0, ended = 0, execs = 0, initials = 0;
		uint64_t traps = 0;
		rig_create(&r, "family", how[i], "12", NULL);
		rig_start(&r);
		OK(&r, tgt_follow_children(r.t, true, &r.d));
		uint64_t at = rig_symbol(&r, "hit"), main_trap = rig_trap(&r, at);
		(void)main_trap;
		for (;;) {
			rig_go(&r, TGT_GO, !r.ev.signal);
			rig_wait(&r);
			if (r.ev.kind == TGT_EV_DEAD)
				break;
			if (r.ev.kind == TGT_EV_PROCESS && r.ev.process_id != r.pid) {
				/* a new process, or its new image: no trap is inherited */
				if (r.ev.parent_id) {
					assert_int_equal(r.ev.parent_id, r.pid);
					started++;
				}
				execs++;
				tgt_trap trap = {TGT_TRAP_SOFT, as_process(r.ev.process_id), at, 0};
				OK(&r, tgt_trap_add(r.t, &trap, &traps, &r.d));
			}
			if (r.ev.initial) { /* where fork returns, or in the new image */
				assert_true(r.ev.process_id != r.pid && r.ev.pc != at);
				initials++;
			} else if (r.ev.kind == TGT_EV_EXCEPTION && r.ev.code == (uint32_t)BREAK) {
				assert_true(r.ev.process_id != r.pid);
				assert_int_equal(r.ev.pc, at);
				child_hits++;
				OK(&r, tgt_pass(r.t, r.ev.unit, traps, &r.d));
			}
			ended += r.ev.kind == TGT_EV_PROCESS_EXIT && r.ev.process_id != r.pid &&
				 r.ev.exit_code == 7;
		}
		assert_int_equal(child_hits, 12);
		assert_int_equal(ended, 12);
		assert_true(started >= 12);
		assert_int_equal(execs, !strcmp(how[i], "spawn") ? 24 : 12);
		/* vfork's runs in its parent's memory: nothing of its own to stop at */
		assert_int_equal(initials, !strcmp(how[i], "vfork") ? 0 : 12);
		rig_output(&r, b, sizeof b);
		assert_int_equal(atoi(b), 12);
		rig_close(&r, TGT_KILL);
	}
}

/* A fork loop: children come and go while the first process is stopped and asked again and again.
 */
static void fork_loop(void **state)
{
	rig r;
	char b[64];
	(void)state;
	rig_create(&r, "family", "fork", "100", NULL);
	rig_start(&r);
	rig_go(&r, TGT_GO, true);
	unsigned breaks = 0;
	for (;;) {
		OK(&r, tgt_wait(r.t, 3, &r.ev, &r.d));
		if (r.ev.kind == TGT_EV_TIMEOUT) {
			tgt_interrupt(r.t);
			continue;
		}
		if (r.ev.kind == TGT_EV_PROCESS_EXIT)
			break;
		if (r.ev.kind == TGT_EV_EXCEPTION) {
			breaks++;
			OK(&r, tgt_halt(r.t, &r.d));
		}
		rig_go(&r, TGT_GO, !r.ev.signal);
	}
	assert_true(breaks > 0);
	assert_string_equal(rig_output(&r, b, sizeof b), "100 0\n");
	rig_close(&r, TGT_KILL);
}

/* ---- exec ---- */

static void execs(const char *how)
{
	rig r;
	char hits[512], b[64];
	rig_program("hits", hits, sizeof hits);
	rig_create(&r, "family", how, hits, "33", NULL);
	rig_start(&r);
	uint64_t old = rig_symbol(&r, "hit");
	rig_trap(&r, old);
	while (r.processes < 2) {
		rig_go(&r, TGT_GO, !r.ev.signal);
		rig_wait(&r);
		assert_int_not_equal(r.ev.kind, TGT_EV_PROCESS_EXIT);
	}
	assert_int_equal(r.ev.process_id, r.pid);
	assert_int_equal(r.ev.unit, r.pid);
	assert_int_equal(r.ev.parent_id, 0);
	assert_non_null(strstr(r.ev.path, "user-hits"));
	tgt_unit u[4];
	size_t n = 0;
	OK(&r, tgt_units(r.t, r.pid, u, 4, &n));
	assert_int_equal(n, 1);
	memcpy(r.path, hits, sizeof r.path);
	r.base = r.ev.base;
	uint64_t at = rig_symbol(&r, "hit"), h = rig_trap(&r, at);
	assert_int_equal(rig_count_hits(&r, at, h, true), 33);
	assert_true(r.loads >= 4);
	assert_string_equal(rig_output(&r, b, sizeof b), "33\n");
	rig_close(&r, TGT_KILL);
}

static void exec_by_the_leader(void **state)
{
	(void)state;
	execs("exec");
}

static void exec_by_another_thread(void **state)
{
	(void)state;
	execs("texec");
}

/* A process that was attached to becomes another program: it is guarded and let go as before. */
static void attached_one_execs(void **state)
{
	rig r;
	int fd[2];
	char path[512];
	(void)state;
	assert_int_equal(pipe(fd), 0);
	rig_program("ticker", path, sizeof path);
	victim v = {.out = fd[0]};
	v.pid = fork();
	if (!v.pid) {
		dup2(fd[1], 1);
		execl("/bin/sh", "sh", "-c", "sleep 0.3; exec \"$0\"", path, (char *)NULL);
		_exit(127);
	}
	close(fd[1]);
	fcntl(v.out, F_SETFL, O_NONBLOCK);
	usleep(50000);
	rig_attach(&r, "ticker", v.pid);
	rig_until(&r, TGT_EV_EXCEPTION);
	assert_true(r.ev.initial);
	while (r.processes < 2) {
		rig_go(&r, TGT_GO, !r.ev.signal);
		rig_wait(&r);
	}
	assert_non_null(strstr(r.ev.path, "user-ticker"));
	r.base = r.ev.base;
	uint64_t at = rig_symbol(&r, "tick"), h = rig_trap(&r, at);
	for (int n = 0; n < 30;) {
		rig_go(&r, TGT_GO, !r.ev.signal);
		rig_wait(&r);
		assert_int_not_equal(r.ev.kind, TGT_EV_PROCESS_EXIT);
		if (r.ev.kind != TGT_EV_EXCEPTION)
			continue;
		assert_false(r.ev.initial); /* there is none for an exec */
		assert_int_equal(r.ev.pc, at);
		OK(&r, tgt_pass(r.t, r.ev.unit, h, &r.d));
		n++;
	}
	rig_close(&r, TGT_DETACH);
	assert_true(victim_lives(&v));
	victim_end(&v);
}

/* The first thread is a zombie while the process lives on. */
static void leader_gone(void **state)
{
	rig r;
	char b[64];
	(void)state;
	rig_create(&r, "family", "leader", "40", NULL);
	rig_start(&r);
	uint64_t at = rig_symbol(&r, "hit");
	assert_int_equal(rig_count_hits(&r, at, rig_trap(&r, at), true), 40);
	assert_int_equal(r.exit_code, 5);
	assert_string_equal(rig_output(&r, b, sizeof b), "40\n");
	rig_close(&r, TGT_KILL);
	/* and found so at an attach */
	victim v;
	char path[512];
	rig_program("family", path, sizeof path);
	v.pid = fork();
	if (!v.pid) {
		int null = open("/dev/null", O_RDWR);
		dup2(null, 1);
		execl(path, path, "leader", "2000000000", (char *)NULL);
		_exit(127);
	}
	usleep(200000);
	rig_attach(&r, "family", v.pid);
	rig_until(&r, TGT_EV_EXCEPTION);
	assert_true(r.ev.initial && r.ev.unit != (unit_t)v.pid);
	at = rig_symbol(&r, "hit");
	uint64_t h = rig_trap(&r, at);
	for (int i = 0; i < 20; i++) {
		rig_go(&r, TGT_GO, true);
		rig_wait(&r);
		assert_int_equal(r.ev.pc, at);
		OK(&r, tgt_pass(r.t, r.ev.unit, h, &r.d));
	}
	kill(v.pid, SIGKILL);
	rig_go(&r, TGT_GO, true);
	rig_until(&r, TGT_EV_PROCESS_EXIT);
	assert_int_equal(r.exit_code, 0x80 + SIGKILL);
	rig_close(&r, TGT_KILL);
	waitpid(v.pid, NULL, 0);
}

/* ---- attach and detach ---- */

static bool no_scratch_left(pid_t pid)
{
	char path[64], line[512];
	bool clean = true;
	snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof line, f)) /* anonymous and executable: nobody else has such */
		if (strstr(line, "r-xp") && strstr(line, " 00:00 0 \n"))
			clean = false;
	fclose(f);
	return clean;
}

static void attach_and_detach(void **state)
{
	(void)state;
	for (int threads = 1; threads < 5; threads += 3) {
		rig r;
		char n[16], path[64];
		uint8_t before[16], after[16];
		snprintf(n, sizeof n, "%d", threads);
		victim v = victim_start("ticker", n);
		assert_true(victim_lives(&v));
		rig_attach(&r, "ticker", v.pid);
		rig_until(&r, TGT_EV_EXCEPTION);
		assert_true(r.ev.initial && r.loads >= 4);
		tgt_unit u[8];
		size_t k = 0;
		OK(&r, tgt_units(r.t, r.pid, u, 8, &k));
		assert_int_equal(k, threads);
		uint64_t at = rig_symbol(&r, "tick");
		OK(&r, tgt_read_all(r.t, as_process(r.pid), at, before, sizeof before, &r.d));
		uint64_t h = rig_trap(&r, at), bits = 0;
		tgt_trap hw = {TGT_TRAP_WRITE, as_process(r.pid), rig_symbol(&r, "watched"), 8};
		/* the last one is a hit of the trap */
		for (int i = 0; i < 60 || r.ev.code != (uint32_t)BREAK; i++) {
			if (i == 30)
				OK(&r, tgt_trap_add(r.t, &hw, &bits, &r.d));
			rig_go(&r, TGT_GO, true);
			rig_wait(&r);
			if (r.ev.code == (uint32_t)BREAK)
				OK(&r, tgt_pass(r.t, r.ev.unit, h, &r.d));
			else
				assert_int_equal(r.ev.code, (uint32_t)STEP);
		}
		/* let go in the middle of it: a hit not yet passed, traps still in */
		rig_close(&r, TGT_DETACH);
		assert_true(victim_lives(&v));
		assert_true(no_scratch_left(v.pid));
		snprintf(path, sizeof path, "/proc/%d/mem", (int)v.pid);
		int fd = open(path, O_RDONLY);
		assert_int_equal(pread(fd, after, sizeof after, (off_t)at), sizeof after);
		close(fd);
		assert_memory_equal(after, before, sizeof before);
		/* again, as if nothing had been */
		rig_attach(&r, "ticker", v.pid);
		rig_until(&r, TGT_EV_EXCEPTION);
		assert_true(r.ev.initial);
		rig_close(&r, TGT_DETACH);
		assert_true(victim_lives(&v));
		victim_end(&v);
	}
}

/* A created process that is let go lives on without us. */
static void let_go_of_our_own(void **state)
{
	rig r;
	int fd[2];
	(void)state;
	assert_int_equal(pipe(fd), 0);
	rig_open(&r);
	const char *argv[] = {rig_program("ticker", r.path, sizeof r.path), NULL};
	tgt_create how = {.path = r.path, .argv = argv, .stdio = {-1, fd[1], -1}};
	OK(&r, tgt_process_create(r.t, &how, &r.pid, &r.d));
	close(fd[1]);
	rig_start(&r);
	uint64_t at = rig_symbol(&r, "tick"), h = rig_trap(&r, at);
	for (int i = 0; i < 10; i++) {
		rig_go(&r, TGT_GO, true);
		rig_wait(&r);
		assert_int_equal(r.ev.pc, at);
		OK(&r, tgt_pass(r.t, r.ev.unit, h, &r.d));
	}
	OK(&r, tgt_process_part(r.t, r.pid, TGT_DETACH, &r.d));
	rig_close(&r, TGT_KILL); /* has no one to kill any more */
	victim v = {(pid_t)r.pid, fd[0]};
	fcntl(v.out, F_SETFL, O_NONBLOCK);
	assert_true(victim_lives(&v));
	victim_end(&v);
}

/* One that would be killed by any system call made in its name: nothing is mapped into it, and the
 * instruction under a trap is emulated. */
static void strict_seccomp(void **state)
{
	rig r;
	(void)state;
	victim v = victim_start("ticker", "strict");
	assert_true(victim_lives(&v));
	rig_attach(&r, "ticker", v.pid);
	rig_until(&r, TGT_EV_EXCEPTION);
	assert_true(r.ev.initial);
	uint64_t at = rig_symbol(&r, "tick"), h = rig_trap(&r, at);
	for (int i = 0; i < 30; i++) {
		rig_go(&r, TGT_GO, true);
		rig_wait(&r);
		assert_int_equal(r.ev.kind, TGT_EV_EXCEPTION);
		assert_int_equal(r.ev.pc, at);
		OK(&r, tgt_pass(r.t, r.ev.unit, h, &r.d));
	}
	rig_close(&r, TGT_DETACH);
	assert_true(victim_lives(&v));
	victim_end(&v);
}

static char task_state(pid_t pid)
{
	char path[64], b[256] = "";
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, b, sizeof b - 1);
	if (fd >= 0)
		close(fd);
	const char *p = n > 0 ? strrchr(b, ')') : NULL;
	return p ? p[2] : 0;
}

static void abandoned(void **state)
{
	rig r;
	(void)state;
	victim v = victim_start("ticker", "2");
	assert_true(victim_lives(&v));
	rig_attach(&r, "ticker", v.pid);
	rig_until(&r, TGT_EV_EXCEPTION);
	rig_trap(&r, rig_symbol(&r, "tick"));
	rig_close(&r, TGT_ABANDON);
	usleep(50000);
	assert_int_equal(task_state(v.pid), 'T');
	kill(v.pid, SIGCONT);
	assert_true(victim_lives(&v));
	victim_end(&v);
}

/* A process that job control has stopped: it stays so until somebody says SIGCONT. */
static void attach_to_a_stopped_one(void **state)
{
	rig r;
	(void)state;
	victim v = victim_start("ticker", "2");
	assert_true(victim_lives(&v));
	kill(v.pid, SIGSTOP);
	usleep(20000);
	/* left without a go, it is as it was */
	rig_attach(&r, "ticker", v.pid);
	rig_until(&r, TGT_EV_NOTICE);
	assert_true(str_find(r.ev.text, STR("stopped before")) != SIZE_MAX);
	rig_until(&r, TGT_EV_EXCEPTION);
	assert_true(r.ev.initial);
	rig_close(&r, TGT_DETACH);
	char b[65536];
	while (read(v.out, b, sizeof b) > 0)
		;
	usleep(50000);
	assert_true(read(v.out, b, 1) < 0);
	/* a go continues it */
	rig_attach(&r, "ticker", v.pid);
	rig_until(&r, TGT_EV_EXCEPTION);
	rig_go(&r, TGT_GO, true);
	rig_wait(&r);
	assert_int_equal(r.ev.signal, SIGCONT);
	uint64_t at = rig_symbol(&r, "tick"), h = rig_trap(&r, at);
	for (int i = 0; i < 20; i++) {
		rig_go(&r, TGT_GO, !r.ev.signal);
		rig_wait(&r);
		assert_int_equal(r.ev.pc, at);
		OK(&r, tgt_pass(r.t, r.ev.unit, h, &r.d));
	}
	rig_close(&r, TGT_DETACH);
	assert_true(victim_lives(&v));
	victim_end(&v);
}

/* Threads come and go at every moment of attaching, stopping and letting go. */
static void attach_amid_threads(void **state)
{
	char path[512];
	(void)state;
	rig_program("threads", path, sizeof path);
	pid_t pid = fork();
	if (!pid) {
		int null = open("/dev/null", O_RDWR);
		dup2(null, 1);
		execl(path, path, "100000000", "8", (char *)NULL);
		_exit(127);
	}
	usleep(50000);
	for (int i = 0; i < 8; i++) {
		rig r;
		rig_attach(&r, "threads", pid);
		rig_until(&r, TGT_EV_EXCEPTION);
		assert_true(r.ev.initial);
		uint64_t at = rig_symbol(&r, "shared"), h = rig_trap(&r, at);
		for (int k = 0; k < 100; k++) {
			rig_go(&r, TGT_GO, true);
			rig_wait(&r);
			if (r.ev.kind != TGT_EV_EXCEPTION)
				continue;
			assert_int_equal(r.ev.pc, at);
			if (k % 16 == 0)
				OK(&r, tgt_halt(r.t, &r.d));
			OK(&r, tgt_pass(r.t, r.ev.unit, h, &r.d));
		}
		rig_close(&r, TGT_DETACH);
		usleep(2000);
		int status = 0;
		if (waitpid(pid, &status, WNOHANG))
			fail_msg("round %d: status %x", i, (unsigned)status);
		assert_int_not_equal(task_state(pid), 't');
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void looking_only(void **state)
{
	rig r;
	uint8_t b[4];
	uint64_t h;
	size_t got;
	x64_regs regs = {0};
	(void)state;
	victim v = victim_start("ticker", "3");
	assert_true(victim_lives(&v));
	rig_open(&r);
	rig_program("ticker", r.path, sizeof r.path);
	r.pid = (uint64_t)v.pid;
	OK(&r, tgt_process_attach(r.t, r.pid, true, &r.d));
	rig_until(&r, TGT_EV_EXCEPTION); /* told what is there as by any attach */
	assert_true(r.ev.initial && r.loads >= 4);
	tgt_unit u[4];
	size_t n = 0;
	OK(&r, tgt_units(r.t, r.pid, u, 4, &n));
	assert_int_equal(n, 3);
	for (size_t i = 0; i < n; i++)
		OK(&r, tgt_regs_get(r.t, u[i].unit, X64_SET_GENERAL, &regs, &r.d));
	OK(&r, tgt_read_all(r.t, as_process(r.pid), regs.rip, b, sizeof b, &r.d));
	tgt_trap trap = {TGT_TRAP_SOFT, as_process(r.pid), regs.rip, 0};
	assert_int_equal(tgt_trap_add(r.t, &trap, &h, &r.d), ERR_UNSUPPORTED);
	assert_int_not_equal(tgt_write(r.t, as_process(r.pid), regs.rip, b, 1, &got, &r.d), ERR_OK);
	char out[65536];
	while (read(v.out, out, sizeof out) > 0)
		;
	rig_go(&r, TGT_GO, true); /* but it does not run */
	OK(&r, tgt_wait(r.t, 50, &r.ev, &r.d));
	assert_int_equal(r.ev.kind, TGT_EV_TIMEOUT);
	assert_true(read(v.out, out, 1) < 0);
	rig_close(&r, TGT_DETACH);
	assert_true(victim_lives(&v));
	victim_end(&v);
}

/* ---- words ---- */

static void attach_errors(void **state)
{
	rig r;
	(void)state;
	rig_open(&r);
	assert_int_equal(tgt_process_attach(r.t, 0x3fffffff, false, &r.d), ERR_NOTFOUND);
	assert_int_equal(tgt_process_attach(r.t, (uint64_t)getpid(), false, &r.d), ERR_ARG);
	/* somebody else's */
	victim v = victim_start("ticker", "1");
	assert_true(victim_lives(&v));
	int go[2];
	char c;
	assert_int_equal(pipe(go), 0);
	pid_t other = fork();
	if (!other) {
		c = ptrace(PTRACE_SEIZE, v.pid, NULL, NULL) ? 'n' : 'y';
		(void)!write(go[1], &c, 1);
		for (;;)
			pause();
	}
	assert_int_equal(read(go[0], &c, 1), 1);
	assert_int_equal(c, 'y');
	assert_int_equal(tgt_process_attach(r.t, (uint64_t)v.pid, false, &r.d), ERR_DENIED);
	char want[64];
	snprintf(want, sizeof want, "traced by process %d", (int)other);
	assert_non_null(strstr(r.d.text, want));
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
	/* twice */
	OK(&r, tgt_process_attach(r.t, (uint64_t)v.pid, false, &r.d));
	assert_int_equal(tgt_process_attach(r.t, (uint64_t)v.pid, false, &r.d), ERR_EXISTS);
	rig_close(&r, TGT_DETACH);
	assert_true(victim_lives(&v));
	victim_end(&v);
	/* ended */
	pid_t zombie = fork();
	if (!zombie)
		_exit(0);
	usleep(50000);
	rig_open(&r);
	assert_int_equal(tgt_process_attach(r.t, (uint64_t)zombie, false, &r.d), ERR_NOTFOUND);
	rig_close(&r, TGT_DETACH);
	waitpid(zombie, NULL, 0);
}

/* A 32-bit program, written here: mov $29, %eax; int $0x80 (pause); jmp back. */
static void write_32_bit(const char *path)
{
	uint8_t b[0x60] = {0x7f, 'E', 'L', 'F', 1, 1, 1};
	put16(b + 16, 2); /* ET_EXEC */
	put16(b + 18, 3); /* EM_386 */
	put32(b + 20, 1);
	put32(b + 24, 0x8048054); /* entry */
	put32(b + 28, 52);	  /* program headers */
	put16(b + 40, 52);
	put16(b + 42, 32);
	put16(b + 44, 1);
	put32(b + 52, 1); /* PT_LOAD */
	put32(b + 60, 0x8048000);
	put32(b + 64, 0x8048000);
	put32(b + 68, sizeof b);
	put32(b + 72, sizeof b);
	put32(b + 76, 5);
	put32(b + 80, 4096);
	memcpy(b + 0x54, "\xb8\x1d\0\0\0\xcd\x80\xeb\xf7", 9);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	assert_int_equal(write(fd, b, sizeof b), sizeof b);
	close(fd);
}

static void thirty_two_bits(void **state)
{
	rig r;
	char path[64];
	int status;
	(void)state;
	snprintf(path, sizeof path, "/tmp/ringside-32-%d", (int)getpid());
	write_32_bit(path);
	pid_t pid = fork();
	if (!pid) {
		execl(path, path, (char *)NULL);
		_exit(126);
	}
	usleep(50000);
	if (waitpid(pid, &status, WNOHANG) == pid) {
		unlink(path);
		print_message("this system does not run 32-bit programs\n");
		skip();
	}
	/* attach: refused, and it goes on */
	rig_open(&r);
	assert_int_equal(tgt_process_attach(r.t, (uint64_t)pid, false, &r.d), ERR_UNSUPPORTED);
	assert_non_null(strstr(r.d.text, "32-bit"));
	rig_close(&r, TGT_DETACH);
	assert_int_equal(task_state(pid), 'S');
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	/* a program of ours that becomes one: said in words, and let go */
	rig_create(&r, "family", "exec", path, "x", NULL);
	rig_start(&r);
	rig_go(&r, TGT_GO, true);
	rig_wait(&r);
	assert_int_equal(r.ev.kind, TGT_EV_NOTICE);
	assert_non_null(memmem(r.ev.text.p, r.ev.text.n, "32-bit", 6));
	rig_wait(&r);
	assert_int_equal(r.ev.kind, TGT_EV_PROCESS_EXIT);
	pid = (pid_t)r.pid;
	rig_close(&r, TGT_DETACH);
	for (int i = 0; i < 100 && task_state(pid) != 'S'; i++)
		usleep(10000);
	assert_int_equal(task_state(pid), 'S');
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	unlink(path);
}

/* As another user: the words name the reason. Needs root to become nobody. */
static void another_user(void **state)
{
	(void)state;
	if (geteuid()) {
		print_message("not root: cannot become another user\n");
		skip();
	}
	victim v = victim_start("ticker", "1");
	assert_true(victim_lives(&v));
	pid_t pid = fork();
	if (!pid) {
		tgt *t;
		diag d = {0};
		if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
			_exit(3);
		if (ptrace_open(NULL, &t, &d) != ERR_OK)
			_exit(4);
		err e = tgt_process_attach(t, (uint64_t)v.pid, false, &d);
		bool words = strstr(d.text, "belongs to user 0") && strstr(d.text, "65534");
		tgt_close(t, TGT_DETACH);
		_exit(e == ERR_DENIED && words ? 0 : 5);
	}
	int status;
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	assert_true(victim_lives(&v));
	victim_end(&v);
}

/* ---- the debugger is killed ---- */

/* A debugger in a process of its own; it says when it has got so far. */
static pid_t debugger(victim *v, int what, int ready)
{
	pid_t pid = fork();
	if (pid)
		return pid;
	rig r;
	close(v->out);
	rig_attach(&r, "ticker", v->pid);
	alarm(20);
	rig_until(&r, TGT_EV_EXCEPTION);
	uint64_t at = rig_symbol(&r, "tick"), h = rig_trap(&r, at), hw;
	tgt_trap trap = {TGT_TRAP_WRITE, as_process(r.pid), rig_symbol(&r, "watched"), 8};
	if (what == 1)
		OK(&r, tgt_trap_add(r.t, &trap, &hw, &r.d));
	for (int i = 0;; i++) {
		rig_go(&r, TGT_GO, true);
		rig_wait(&r);
		if (r.ev.code == (uint32_t)BREAK)
			OK(&r, tgt_pass(r.t, r.ev.unit, h, &r.d));
		if (i == 100 && what == 2) { /* a shown stop: halted, everything out */
			OK(&r, tgt_halt(r.t, &r.d));
			OK(&r, tgt_trap_del(r.t, h, &r.d));
			(void)!write(ready, "r", 1);
			for (;;)
				pause();
		}
		if (i == 100)
			(void)!write(ready, "r", 1);
	}
}

/* Whether a thread of pid has debug registers switched on. */
static bool hard_left(pid_t pid)
{
	char path[64];
	bool any = false;
	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	DIR *dir = opendir(path);
	assert_non_null(dir);
	for (struct dirent *e; (e = readdir(dir));) {
		pid_t tid = (pid_t)atoi(e->d_name);
		int status;
		if (tid <= 0)
			continue;
		if (ptrace(PTRACE_SEIZE, tid, NULL, NULL)) {
			any = true; /* the guard has it: not done yet */
			continue;
		}
		ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
		assert_int_equal(waitpid(tid, &status, __WALL), tid);
		void *dr7 = (void *)(offsetof(struct user, u_debugreg) + 7 * 8);
		any |= ptrace(PTRACE_PEEKUSER, tid, dr7, NULL) != 0;
		int sig = WIFSTOPPED(status) && !(status >> 16) ? WSTOPSIG(status) : 0;
		ptrace(PTRACE_DETACH, tid, NULL, (void *)(uintptr_t)sig);
	}
	closedir(dir);
	return any;
}

static void killed(int what, const char *threads, int rounds)
{
	for (int i = 0; i < rounds; i++) {
		int ready[2];
		char c, path[512], mem[64];
		uint8_t code[1];
		assert_int_equal(pipe(ready), 0);
		victim v = victim_start("ticker", threads);
		assert_true(victim_lives(&v));
		pid_t dbg = debugger(&v, what, ready[1]);
		assert_int_equal(read(ready[0], &c, 1), 1);
		usleep((useconds_t)(i * 137 % 1000)); /* anywhere */
		kill(dbg, SIGKILL);
		waitpid(dbg, NULL, 0);
		close(ready[0]);
		close(ready[1]);
		if (!victim_lives(&v))
			fail_msg("round %d: the program did not survive", i);
		/* nothing of ours is left in its code */
		rig_program("ticker", path, sizeof path);
		snprintf(mem, sizeof mem, "/proc/%d/maps", (int)v.pid);
		FILE *f = fopen(mem, "r");
		unsigned long base = 0;
		assert_int_equal(fscanf(f, "%lx", &base), 1);
		fclose(f);
		snprintf(mem, sizeof mem, "/proc/%d/mem", (int)v.pid);
		int fd = open(mem, O_RDONLY);
		off_t at = (off_t)(base + rig_symbol_in(path, "tick"));
		for (int k = 0; k < 200; k++) {
			assert_int_equal(pread(fd, code, 1, at), 1);
			if (code[0] != 0xcc)
				break;
			usleep(10000);
		}
		close(fd);
		assert_int_not_equal(code[0], 0xcc);
		cpu_set_t cpus, ours; /* pinned to one processor while it was debugged */
		for (int k = 0; k < 200; k++) {
			sched_getaffinity(v.pid, sizeof cpus, &cpus);
			sched_getaffinity(0, sizeof ours, &ours);
			if (CPU_EQUAL(&cpus, &ours))
				break;
			usleep(10000);
		}
		assert_true(CPU_EQUAL(&cpus, &ours));
		for (int k = 0; k < 200 && what == 1 && hard_left(v.pid); k++)
			usleep(10000);
		assert_false(what == 1 && hard_left(v.pid));
		assert_true(victim_lives(&v));
		victim_end(&v);
	}
}

static void killed_while_hits_pass(void **state)
{
	(void)state;
	killed(0, "1", 12);
	killed(0, "4", 8);
}

static void killed_with_debug_registers(void **state)
{
	(void)state;
	killed(1, "1", 4);
	killed(1, "3", 4);
}

static void killed_at_a_shown_stop(void **state)
{
	(void)state;
	killed(2, "1", 2);
	killed(2, "3", 2);
}

/* What we created ends with us. */
static void created_ends_with_us(void **state)
{
	int fd[2];
	char c;
	pid_t child = 0;
	(void)state;
	assert_int_equal(pipe(fd), 0);
	pid_t dbg = fork();
	if (!dbg) {
		rig r;
		rig_create(&r, "ticker", NULL);
		rig_start(&r);
		pid_t p = (pid_t)r.pid;
		(void)!write(fd[1], &p, sizeof p);
		for (;;)
			pause();
	}
	assert_int_equal(read(fd[0], &child, sizeof child), sizeof child);
	kill(dbg, SIGKILL);
	waitpid(dbg, NULL, 0);
	close(fd[1]);
	c = 1;
	for (int i = 0; i < 500 && c; i++) {
		usleep(10000);
		c = task_state(child);
		c = c == 'Z' ? 0 : c;
	}
	assert_int_equal(c, 0);
	close(fd[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(children_not_followed),
		cmocka_unit_test(let_go_amid_vfork),
		cmocka_unit_test(children_followed),
		cmocka_unit_test(fork_loop),
		cmocka_unit_test(exec_by_the_leader),
		cmocka_unit_test(exec_by_another_thread),
		cmocka_unit_test(attached_one_execs),
		cmocka_unit_test(leader_gone),
		cmocka_unit_test(attach_and_detach),
		cmocka_unit_test(strict_seccomp),
		cmocka_unit_test(let_go_of_our_own),
		cmocka_unit_test(thirty_two_bits),
		cmocka_unit_test(abandoned),
		cmocka_unit_test(attach_to_a_stopped_one),
		cmocka_unit_test(attach_amid_threads),
		cmocka_unit_test(looking_only),
		cmocka_unit_test(attach_errors),
		cmocka_unit_test(another_user),
		cmocka_unit_test(killed_while_hits_pass),
		cmocka_unit_test(killed_with_debug_registers),
		cmocka_unit_test(killed_at_a_shown_stop),
		cmocka_unit_test(created_ends_with_us),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
