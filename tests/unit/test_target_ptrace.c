/* The ptrace backend: life of a process, its modules, memory, registers, words of errors. */
#include "ptrace_rig.h"

/* ---- created processes ---- */

static void modules_before_constructors(void **state)
{
	rig r;
	bool program = false, libc = false, vdso = false;
	uint64_t loader = 0, end = 0;
	(void)state;
	rig_create(&r, "hits", "3", NULL);
	rig_wait(&r);
	assert_int_equal(r.ev.kind, TGT_EV_PROCESS);
	assert_true(r.ev.size > 0 && r.ev.base % 4096 == 0);
	assert_non_null(strstr(r.ev.path, "user-hits"));
	assert_int_equal(r.ev.parent_id, 0);
	for (rig_go(&r, TGT_GO, true); rig_wait(&r), r.ev.kind == TGT_EV_LOAD;
		rig_go(&r, TGT_GO, true)) {
		program |= r.ev.base == r.base && !libc && !loader;
		if (strstr(r.ev.path, "ld-linux")) {
			loader = r.ev.base;
			end = loader + r.ev.size;
		}
		libc |= strstr(r.ev.path, "libc.so.6") != NULL;
		vdso |= !strcmp(r.ev.path, "linux-vdso.so.1");
		uint8_t magic[4];
		OK(&r, tgt_read_all(r.t, as_process(r.pid), r.ev.base, magic, 4, &r.d));
		assert_memory_equal(magic, "\177ELF", 4);
		assert_true(r.ev.size >= 4096);
	}
	assert_true(program && loader && libc && vdso);
	assert_true(r.ev.kind == TGT_EV_EXCEPTION && r.ev.initial && r.ev.first_chance);
	/* main has not run, nor a constructor of a library: the loader is still at work */
	assert_int_equal(rig_u64(&r, rig_symbol(&r, "total")), 0);
	assert_true(r.ev.pc >= loader && r.ev.pc < end);
	rig_end(&r);
	char b[64];
	assert_string_equal(rig_output(&r, b, sizeof b), "3\n");
	assert_int_equal(r.exit_code, 3);
	rig_close(&r, TGT_KILL);
}

/* No loader: the entry point is where it stops; breakpoints work as anywhere. */
static void without_loader(const char *name)
{
	rig r;
	char b[64];
	if (!rig_has(name)) {
		print_message("%s was not built: musl-gcc is not here\n", name);
		skip();
	}
	rig_create(&r, name, "50", NULL);
	rig_start(&r);
	assert_true(r.base != 0);
	uint64_t at = rig_symbol(&r, "hit"), h = rig_trap(&r, at);
	assert_int_equal(rig_count_hits(&r, at, h, true), 50);
	assert_string_equal(rig_output(&r, b, sizeof b), "50\n");
	rig_close(&r, TGT_KILL);
}

static void static_program(void **state)
{
	(void)state;
	without_loader("hits-static");
}

static void static_pie(void **state)
{
	(void)state;
	without_loader("hits-static-pie");
}

static void musl_static(void **state)
{
	(void)state;
	without_loader("hits-musl-static");
}

static void musl(void **state)
{
	(void)state;
	without_loader("hits-musl");
}

static void create_errors(void **state)
{
	rig r;
	const char *argv[] = {"/nowhere/at-all", NULL};
	tgt_create how = {.path = argv[0], .argv = argv, .stdio = {-1, -1, -1}};
	(void)state;
	rig_open(&r);
	assert_int_equal(tgt_process_create(r.t, &how, &r.pid, &r.d), ERR_NOTFOUND);
	assert_non_null(strstr(r.d.text, "/nowhere/at-all"));
	argv[0] = how.path = "no-such-program-anywhere";
	assert_int_equal(tgt_process_create(r.t, &how, &r.pid, &r.d), ERR_NOTFOUND);
	assert_non_null(strstr(r.d.text, "PATH"));
	argv[0] = how.path = "/etc/passwd";
	assert_int_equal(tgt_process_create(r.t, &how, &r.pid, &r.d), ERR_DENIED);
	argv[0] = how.path = "true";
	how.dir = "/nowhere";
	assert_int_equal(tgt_process_create(r.t, &how, &r.pid, &r.d), ERR_NOTFOUND);
	size_t n = 9;
	OK(&r, tgt_processes(r.t, NULL, 0, &n));
	assert_int_equal(n, 0);
	rig_close(&r, TGT_KILL);
}

/* A file with a 32-bit header is refused in words, with nothing left behind. */
static void refuses_32_bit(void **state)
{
	rig r;
	char path[] = "/tmp/ringside-elf32-XXXXXX";
	uint8_t head[64] = {0x7f, 'E', 'L', 'F', 1, 1, 1};
	(void)state;
	int fd = mkstemp(path);
	assert_int_equal(write(fd, head, sizeof head), sizeof head);
	fchmod(fd, 0755);
	close(fd);
	const char *argv[] = {path, NULL};
	tgt_create how = {.path = path, .argv = argv, .stdio = {-1, -1, -1}};
	rig_open(&r);
	assert_int_equal(tgt_process_create(r.t, &how, &r.pid, &r.d), ERR_UNSUPPORTED);
	assert_non_null(strstr(r.d.text, "32-bit"));
	rig_close(&r, TGT_KILL);
	unlink(path);
}

static void environment_and_directory(void **state)
{
	rig r;
	char b[256];
	const char *argv[] = {"sh", "-c", "echo $RINGSIDE_TEST; pwd; exit 42", NULL};
	const char *envp[] = {"RINGSIDE_TEST=yes", "PATH=/usr/bin:/bin", NULL};
	(void)state;
	rig_open(&r);
	r.out = rig_file();
	tgt_create how = {
		.path = "sh", .argv = argv, .envp = envp, .dir = "/", .stdio = {-1, r.out, -1}};
	OK(&r, tgt_process_create(r.t, &how, &r.pid, &r.d));
	rig_start(&r);
	rig_end(&r);
	assert_int_equal(r.exit_code, 42);
	assert_string_equal(rig_output(&r, b, sizeof b), "yes\n/\n");
	rig_close(&r, TGT_KILL);
}

static void addresses_are_fixed(void **state)
{
	rig a, b;
	(void)state;
	rig_create(&a, "hits", NULL);
	rig_start(&a);
	rig_create(&b, "hits", NULL);
	rig_start(&b);
	assert_int_equal(a.base, b.base);
	rig_close(&a, TGT_KILL);
	rig_close(&b, TGT_KILL);
}

/* Ended from outside: PROCESS_EXIT, then DEAD, and no call hangs or crashes. */
static void killed_under_us(void **state)
{
	rig r;
	x64_regs regs = {0};
	(void)state;
	rig_create(&r, "ticker", "4", NULL);
	rig_start(&r);
	rig_go(&r, TGT_GO, true);
	for (int i = 0; i < 3; i++) {
		rig_wait(&r);
		assert_int_equal(r.ev.kind, TGT_EV_THREAD);
		if (i < 2)
			rig_go(&r, TGT_GO, true);
	}
	OK(&r, tgt_halt(r.t, &r.d));
	kill((pid_t)r.pid, SIGKILL);
	usleep(20000);
	(void)!tgt_regs_get(r.t, r.ev.unit, X64_SET_GENERAL, &regs, &r.d);
	uint8_t b[8];
	size_t got;
	(void)!tgt_read(r.t, as_process(r.pid), r.base, b, sizeof b, &got, &r.d);
	rig_go(&r, TGT_GO, true);
	rig_until(&r, TGT_EV_PROCESS_EXIT);
	assert_int_equal(r.exit_code, 0x80 + SIGKILL);
	rig_go(&r, TGT_GO, true);
	rig_wait(&r);
	assert_int_equal(r.ev.kind, TGT_EV_DEAD);
	rig_close(&r, TGT_KILL);
}

static void two_processes(void **state)
{
	rig r;
	uint64_t ids[4];
	size_t n = 0;
	unsigned ended = 0, modules[2] = {0};
	(void)state;
	rig_create(&r, "hits", "5", NULL);
	const char *argv[] = {r.path, "6", NULL};
	uint64_t second = 0;
	tgt_create how = {.path = r.path, .argv = argv, .stdio = {-1, r.out, -1}};
	OK(&r, tgt_process_create(r.t, &how, &second, &r.d));
	OK(&r, tgt_processes(r.t, ids, 4, &n));
	assert_int_equal(n, 2);
	for (;;) {
		rig_wait(&r);
		if (r.ev.kind == TGT_EV_DEAD)
			break;
		if (r.ev.kind == TGT_EV_PROCESS_EXIT) {
			ended++;
			assert_int_equal(r.ev.exit_code, r.ev.process_id == second ? 6 : 5);
		}
		modules[r.ev.process_id == second] += r.ev.kind == TGT_EV_LOAD;
		rig_go(&r, TGT_GO, true);
	}
	assert_int_equal(ended, 2);
	assert_int_equal(r.processes, 2);
	assert_true(modules[0] >= 4 && modules[0] == modules[1]);
	rig_close(&r, TGT_KILL);
}

static void one_of_two_is_killed(void **state)
{
	rig r;
	uint64_t second = 0;
	size_t n = 0;
	(void)state;
	rig_create(&r, "ticker", "3", NULL);
	rig_start(&r);
	const char *argv[] = {r.path, NULL};
	int null = open("/dev/null", O_WRONLY);
	tgt_create how = {.path = r.path, .argv = argv, .stdio = {-1, null, -1}};
	OK(&r, tgt_process_create(r.t, &how, &second, &r.d));
	rig_go(&r, TGT_GO, true);
	rig_until(&r, TGT_EV_EXCEPTION);
	assert_int_equal(r.ev.process_id, second);
	OK(&r, tgt_process_part(r.t, r.pid, TGT_KILL, &r.d));
	assert_true(kill((pid_t)r.pid, 0) < 0 && errno == ESRCH);
	OK(&r, tgt_processes(r.t, NULL, 0, &n));
	assert_int_equal(n, 1);
	rig_go(&r, TGT_GO, true);
	OK(&r, tgt_wait(r.t, 50, &r.ev, &r.d));
	assert_int_equal(r.ev.kind, TGT_EV_TIMEOUT);
	OK(&r, tgt_process_part(r.t, second, TGT_KILL, &r.d));
	rig_wait(&r);
	assert_int_equal(r.ev.kind, TGT_EV_DEAD);
	close(null);
	rig_close(&r, TGT_KILL);
}

/* ---- the terminal ---- */

/* A debugger in a session of its own, whose terminal this test holds the other end of. Its parts
 * say a letter each: running, control-C came as SIGINT, the terminal is ours again, it reads. */
static void __attribute__((noreturn)) session(const char *tty, int say)
{
	rig r;
	char c;
	setsid();
	int fd = open(tty, O_RDWR);
	dup2(fd, 0);
	if (fd < 0 || tcgetpgrp(0) != getpgrp())
		_exit(3);
	int null = open("/dev/null", O_WRONLY);
	rig_open(&r);
	const char *argv[] = {rig_program("ticker", r.path, sizeof r.path), NULL};
	tgt_create how = {.path = r.path, .argv = argv, .stdio = {-1, null, -1}};
	OK(&r, tgt_process_create(r.t, &how, &r.pid, &r.d));
	rig_start(&r);
	rig_go(&r, TGT_GO, true);
	bool given = tcgetpgrp(0) == (pid_t)r.pid;
	(void)!write(say, given ? "r" : "x", 1);
	rig_wait(&r);
	bool control_c = r.ev.code == 0x40010005 && r.ev.signal == SIGINT && r.ev.first_chance;
	(void)!write(say, control_c ? "c" : "x", 1);
	OK(&r, tgt_halt(r.t, &r.d));
	(void)!write(say, tcgetpgrp(0) == getpgrp() ? "b" : "x", 1);
	(void)!write(say, read(0, &c, 1) == 1 ? "i" : "x", 1);
	rig_go(&r, TGT_GO, true);
	given = tcgetpgrp(0) == (pid_t)r.pid;
	rig_close(&r, TGT_KILL);
	(void)!write(say, given && tcgetpgrp(0) == getpgrp() ? "e" : "x", 1);
	_exit(0);
}

static void terminal_is_handed_over(void **state)
{
	int say[2], master = posix_openpt(O_RDWR | O_NOCTTY);
	char c;
	(void)state;
	assert_true(master >= 0 && !grantpt(master) && !unlockpt(master));
	assert_int_equal(pipe(say), 0);
	pid_t pid = fork();
	if (!pid) {
		char name[64];
		close(say[0]);
		ptsname_r(master, name, sizeof name);
		close(master);
		session(name, say[1]);
	}
	close(say[1]);
	assert_int_equal(read(say[0], &c, 1), 1);
	assert_int_equal(c, 'r');
	assert_int_equal(write(master, "\003", 1), 1);
	assert_int_equal(read(say[0], &c, 1), 1);
	assert_int_equal(c, 'c');
	assert_int_equal(read(say[0], &c, 1), 1);
	assert_int_equal(c, 'b');
	assert_int_equal(write(master, "x\n", 2), 2);
	assert_int_equal(read(say[0], &c, 1), 1);
	assert_int_equal(c, 'i');
	assert_int_equal(read(say[0], &c, 1), 1);
	assert_int_equal(c, 'e');
	waitpid(pid, NULL, 0);
	close(master);
	close(say[0]);
}

/* ---- memory ---- */

static void memory_under_traps(void **state)
{
	rig r;
	uint8_t before[32], now[32], raw[32];
	size_t got;
	char path[64];
	(void)state;
	rig_create(&r, "hits", "10", NULL);
	rig_start(&r);
	uint64_t at = rig_symbol(&r, "hit");
	OK(&r, tgt_read_all(r.t, as_process(r.pid), at, before, sizeof before, &r.d));
	uint64_t h1 = rig_trap(&r, at), h2 = rig_trap(&r, at + 4);
	snprintf(path, sizeof path, "/proc/%d/mem", (int)r.pid);
	int fd = open(path, O_RDONLY);
	assert_int_equal(pread(fd, raw, sizeof raw, (off_t)at), sizeof raw);
	assert_int_equal(raw[0], 0xcc);
	assert_int_equal(raw[4], 0xcc);
	OK(&r, tgt_read_all(r.t, as_process(r.pid), at, now, sizeof now, &r.d));
	assert_memory_equal(now, before, sizeof now);
	/* A write goes under: the trap stays, the new bytes show and are what is left. */
	uint8_t patch[8] = {0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90};
	OK(&r, tgt_write(r.t, as_process(r.pid), at, patch, sizeof patch, &got, &r.d));
	assert_int_equal(got, sizeof patch);
	OK(&r, tgt_read_all(r.t, as_process(r.pid), at, now, sizeof now, &r.d));
	assert_memory_equal(now, patch, sizeof patch);
	assert_int_equal(pread(fd, raw, sizeof raw, (off_t)at), sizeof raw);
	assert_true(raw[0] == 0xcc && raw[1] == 0x90 && raw[4] == 0xcc);
	OK(&r, tgt_write(r.t, as_process(r.pid), at, before, 8, &got, &r.d));
	OK(&r, tgt_trap_del(r.t, h1, &r.d));
	OK(&r, tgt_trap_del(r.t, h2, &r.d));
	assert_int_equal(pread(fd, raw, sizeof raw, (off_t)at), sizeof raw);
	assert_memory_equal(raw, before, sizeof raw);
	close(fd);
	assert_int_equal(tgt_read(r.t, as_process(r.pid), 0x10, now, 1, &got, &r.d), ERR_FAULT);
	tgt_trap bad = {TGT_TRAP_SOFT, as_process(r.pid), 0x10, 0};
	assert_int_equal(tgt_trap_add(r.t, &bad, &h1, &r.d), ERR_FAULT);
	rig_end(&r);
	rig_close(&r, TGT_KILL);
}

static void searching(void **state)
{
	rig r;
	uint64_t hit = 0;
	uint8_t code[24];
	(void)state;
	rig_create(&r, "hits", NULL);
	rig_start(&r);
	uint64_t at = rig_symbol(&r, "hit");
	as_t as = as_process(r.pid);
	OK(&r, tgt_read_all(r.t, as, at, code, sizeof code, &r.d));
	/* a trap in the middle of what is looked for does not hide it */
	rig_trap(&r, at + 3);
	for (size_t n = 24; n >= 12; n -= 4) {
		OK(&r, tgt_search(r.t, as, r.base, 1ull << 20, code, n, &hit, &r.d));
		assert_int_equal(hit, at);
	}
	/* holes between mappings are skipped, and the whole address space is legal */
	OK(&r, tgt_search(r.t, as, 0, 1ull << 47, code, sizeof code, &hit, &r.d));
	assert_int_equal(hit, at);
	OK(&r, tgt_search(r.t, as, r.base + 1, 1ull << 46, "\177ELF\2", 5, &hit, &r.d));
	assert_true(hit > r.base && hit % 4096 == 0);
	assert_int_equal(
		tgt_search(r.t, as, at + 1, 16, code, sizeof code, &hit, &r.d), ERR_NOTFOUND);
	/* every place of a pattern, near a place that is almost one, of any length */
	uint8_t b[600];
	uint64_t sp = rig_reg(&r, "rsp") - 8192;
	size_t got;
	for (size_t len = 2; len < 40; len += 3)
		for (size_t place = 0; place < 70; place += 7) {
			uint8_t pat[40];
			memset(b, 0, sizeof b);
			for (size_t i = 0; i < len; i++)
				pat[i] = (uint8_t)(i % 3 ? 0 : 0x40 + i);
			memcpy(b + place, pat, len - 1);
			b[place + len - 1] = 0x99;
			memcpy(b + place + len, pat, len);
			OK(&r, tgt_write(r.t, as, sp, b, sizeof b, &got, &r.d));
			OK(&r, tgt_search(r.t, as, sp, sizeof b, pat, len, &hit, &r.d));
			uint8_t *want = memmem(b, sizeof b, pat, len);
			assert_int_equal(hit - sp, want - b);
			/* at the very end of what is searched; one byte less has none */
			uint64_t upto = (uint64_t)(want - b) + len;
			OK(&r, tgt_search(r.t, as, sp, upto, pat, len, &hit, &r.d));
			assert_int_equal(hit - sp, want - b);
			assert_int_equal(tgt_search(r.t, as, sp, upto - 1, pat, len, &hit, &r.d),
				ERR_NOTFOUND);
		}
	/* across the pieces that are read at a time, of whatever power of two they are */
	uint64_t low = (sp - 0x8000) & ~0xfffull;
	for (uint64_t piece = 0x1000; piece <= 0x8000; piece *= 2) {
		OK(&r, tgt_write(r.t, as, low + piece - 5, "across..it", 10, &got, &r.d));
		OK(&r, tgt_search(r.t, as, low, 0x8000 + 64, "across..it", 10, &hit, &r.d));
		assert_int_equal(hit - low, piece - 5);
		OK(&r, tgt_write(r.t, as, low + piece - 5, "          ", 10, &got, &r.d));
	}
	/* one byte, and a pattern that lies across the edge of two mappings that touch */
	OK(&r, tgt_search(r.t, as, r.base, 64, "E", 1, &hit, &r.d));
	assert_int_equal(hit, r.base + 1);
	uint8_t edge[8];
	OK(&r, tgt_read_all(r.t, as, r.base + 0x1000 - 4, edge, 8, &r.d));
	OK(&r, tgt_search(r.t, as, r.base + 0x1000 - 4, 64, edge, 8, &hit, &r.d));
	assert_int_equal(hit, r.base + 0x1000 - 4);
	rig_close(&r, TGT_KILL);
}

/* ---- registers ---- */

static void registers(void **state)
{
	rig r;
	x64_regs a = {0}, b = {0};
	unsigned sets = X64_SET_GENERAL | X64_SET_BASES | X64_SET_FLOAT | X64_SET_DEBUG;
	(void)state;
	rig_create(&r, "hits", "10", NULL);
	rig_start(&r);
	uint64_t at = rig_symbol(&r, "hit");
	rig_trap(&r, at);
	rig_go(&r, TGT_GO, true);
	rig_until(&r, TGT_EV_EXCEPTION);
	assert_int_equal(r.ev.pc, at);
	assert_int_equal(rig_reg(&r, "rip"), at);
	assert_int_equal(rig_reg(&r, "rdi"), 0);
	OK(&r, tgt_regs_get(r.t, r.ev.unit, sets, &a, &r.d));
	assert_int_equal(a.valid & sets, sets);
	assert_int_equal(a.rip, at);
	assert_true(a.fs_base != 0);
	assert_int_equal(rig_reg(&r, "rsp"), a.gpr[X64_RSP]);
	assert_int_equal(rig_reg(&r, "al"), a.gpr[X64_RAX] & 255);
	b = a;
	b.gpr[X64_RDI] = 0x1122334455667788;
	b.gpr[X64_RAX] = 0x8877665544332211;
	b.gpr[X64_R15] = 77;
	b.eflags ^= X64_FL_CF;
	b.fx[160] ^= 0x5a; /* xmm0 */
	OK(&r, tgt_regs_set(r.t, r.ev.unit, sets, &b, &r.d));
	memset(&a, 0, sizeof a);
	OK(&r, tgt_regs_get(r.t, r.ev.unit, sets, &a, &r.d));
	assert_int_equal(a.gpr[X64_RDI], 0x1122334455667788);
	assert_int_equal(a.gpr[X64_R15], 77);
	assert_int_equal(rig_reg(&r, "al"), 0x11);
	assert_int_equal(rig_reg(&r, "ah"), 0x22);
	assert_int_equal(rig_reg(&r, "eax"), 0x44332211);
	assert_int_equal(a.eflags, b.eflags);
	assert_int_equal(a.rip, at);
	assert_memory_equal(a.fx, b.fx, sizeof a.fx);
	assert_int_equal(tgt_regs_get(r.t, r.ev.unit, X64_SET_SPECIAL, &a, &r.d), ERR_UNSUPPORTED);
	/* moving the pc alone: behind the call, as if it had returned */
	uint64_t sp = a.gpr[X64_RSP];
	a.rip = rig_u64(&r, sp);
	a.gpr[X64_RSP] = sp + 8;
	a.gpr[X64_R15] = b.gpr[X64_R15];
	OK(&r, tgt_regs_set(r.t, r.ev.unit, X64_SET_CONTROL, &a, &r.d));
	rig_go(&r, TGT_GO, true);
	rig_until(&r, TGT_EV_EXCEPTION);
	assert_int_equal(r.ev.pc, at);
	rig_close(&r, TGT_KILL);
}

/* A debugger that moves the pc of a thread inside of a system call: the call is not restarted. */
static void pc_moved_in_a_call(void **state)
{
	rig r;
	x64_regs a = {0};
	char b[64];
	(void)state;
	rig_create(&r, "signals", "wait", NULL);
	rig_start(&r);
	rig_go(&r, TGT_GO, true);
	for (int i = 0; i < 500 && strcmp(rig_output(&r, b, sizeof b), "ready\n"); i++) {
		OK(&r, tgt_wait(r.t, 10, &r.ev, &r.d));
		assert_int_equal(r.ev.kind, TGT_EV_TIMEOUT);
	}
	usleep(20000);
	tgt_interrupt(r.t);
	rig_wait(&r);
	assert_true(r.ev.kind == TGT_EV_EXCEPTION && r.ev.code == (uint32_t)BREAK);
	OK(&r, tgt_regs_get(r.t, r.ev.unit, X64_SET_GENERAL, &a, &r.d));
	a.rip = rig_symbol(&r, "hit");
	OK(&r, tgt_regs_set(r.t, r.ev.unit, X64_SET_GENERAL, &a, &r.d));
	uint64_t at = a.rip;
	rig_trap(&r, at);
	rig_go(&r, TGT_GO, true);
	rig_wait(&r);
	assert_int_equal(r.ev.pc, at); /* not two bytes before */
	rig_close(&r, TGT_KILL);
}

/* ---- waiting ---- */

static void timeouts(void **state)
{
	rig r;
	(void)state;
	rig_create(&r, "ticker", NULL);
	rig_start(&r);
	rig_go(&r, TGT_GO, true);
	uint64_t t0 = sys_now_ms();
	OK(&r, tgt_wait(r.t, 150, &r.ev, &r.d));
	uint64_t took = sys_now_ms() - t0;
	assert_int_equal(r.ev.kind, TGT_EV_TIMEOUT);
	assert_true(took >= 149 && took < 3000);
	t0 = sys_now_ms();
	OK(&r, tgt_wait(r.t, 20, &r.ev, &r.d)); /* nearer than the helper expects */
	assert_int_equal(r.ev.kind, TGT_EV_TIMEOUT);
	assert_true(sys_now_ms() - t0 < 3000);
	OK(&r, tgt_wait(r.t, 0, &r.ev, &r.d));
	assert_int_equal(r.ev.kind, TGT_EV_TIMEOUT);
	rig_close(&r, TGT_KILL);
}

static void on_alarm(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	tgt_interrupt(si->si_value.sival_ptr);
}

static void interrupt_from_a_handler(void **state)
{
	rig r;
	timer_t timer;
	struct sigaction sa = {.sa_sigaction = on_alarm, .sa_flags = SA_SIGINFO | SA_RESTART}, old;
	(void)state;
	rig_create(&r, "ticker", "3", NULL);
	rig_start(&r);
	sigaction(SIGUSR1, &sa, &old);
	struct sigevent se = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	se.sigev_value.sival_ptr = r.t;
	assert_int_equal(timer_create(CLOCK_MONOTONIC, &se, &timer), 0);
	for (int i = 0; i < 20; i++) {
		struct itimerspec when = {.it_value = {0, 1000 + i * 300000}};
		rig_go(&r, TGT_GO, true);
		timer_settime(timer, 0, &when, NULL);
		do {
			OK(&r, tgt_wait(r.t, -1, &r.ev, &r.d));
			if (r.ev.kind == TGT_EV_THREAD)
				rig_go(&r, TGT_GO, true);
		} while (r.ev.kind == TGT_EV_THREAD);
		assert_int_equal(r.ev.kind, TGT_EV_EXCEPTION);
		assert_int_equal(r.ev.code, (uint32_t)BREAK);
		assert_int_equal(r.ev.signal, 0);
		assert_false(r.ev.initial);
	}
	timer_delete(timer);
	sigaction(SIGUSR1, &old, NULL);
	rig_close(&r, TGT_KILL);
}

/* ---- dlopen ---- */

static void thousand_loads(void **state)
{
	const char *library = "tiny.so";
	const unsigned n = 1000;
	rig r;
	char lib[512], b[64];
	uint64_t base = 0;
	(void)state;
	rig_program(library, lib, sizeof lib);
	rig_create(&r, "dlloop", lib, "1000", NULL);
	rig_start(&r);
	r.loads = r.unloads = 0;
	for (;;) {
		rig_go(&r, TGT_GO, true);
		rig_wait(&r);
		if (r.ev.kind == TGT_EV_PROCESS_EXIT)
			break;
		if (r.ev.kind == TGT_EV_LOAD && strstr(r.ev.path, library)) {
			base = r.ev.base;
			/* a breakpoint in each of them: gone with it, no harm done */
			uint64_t at = base + rig_symbol_in(lib, "tiny");
			rig_trap(&r, at);
		} else if (r.ev.kind == TGT_EV_UNLOAD) {
			assert_int_equal(r.ev.base, base);
			assert_non_null(strstr(r.ev.path, library));
		} else if (r.ev.kind == TGT_EV_EXCEPTION && r.ev.code == (uint32_t)BREAK) {
			uint64_t at = r.ev.pc;
			assert_int_equal(at, base + rig_symbol_in(lib, "tiny"));
			for (uint64_t h = 1; h < 5000; h++) /* whichever it is */
				if (tgt_pass(r.t, r.ev.unit, h, NULL) == ERR_OK) {
					OK(&r, tgt_trap_del(r.t, h, &r.d));
					break;
				}
		}
	}
	assert_int_equal(r.exit_code, 0);
	assert_int_equal(r.loads, n);
	assert_int_equal(r.unloads, n);
	snprintf(lib, sizeof lib, "%u\n", n * (n - 1) / 2 + n);
	assert_string_equal(rig_output(&r, b, sizeof b), lib);
	rig_close(&r, TGT_KILL);
}

/* The loader inside of a static program says what it does as well. */
static void static_pie_loads(void **state)
{
	rig r;
	char lib[512];
	(void)state;
	rig_program("tiny.so", lib, sizeof lib);
	rig_create(&r, "dlloop-static-pie", lib, "3", NULL);
	rig_start(&r);
	r.loads = 0;
	unsigned tiny = 0;
	while (r.ev.kind != TGT_EV_PROCESS_EXIT) {
		rig_go(&r, TGT_GO, true);
		rig_wait(&r);
		tiny += r.ev.kind == TGT_EV_LOAD && strstr(r.ev.path, "tiny.so");
	}
	assert_int_equal(r.exit_code, 0);
	assert_int_equal(tiny, 3);
	assert_true(r.unloads >= 3);
	rig_close(&r, TGT_KILL);
}

/* musl keeps what was loaded once. */
static void musl_load(void **state)
{
	rig r;
	char lib[512];
	(void)state;
	if (!rig_has("dlloop-musl")) {
		print_message("musl-gcc is not here\n");
		skip();
	}
	rig_program("tiny-musl.so", lib, sizeof lib);
	rig_create(&r, "dlloop-musl", lib, "3", NULL);
	rig_start(&r);
	r.loads = 0;
	rig_end(&r);
	assert_int_equal(r.exit_code, 0);
	assert_int_equal(r.loads, 1);
	rig_close(&r, TGT_KILL);
}

/* ---- what the system says ---- */

static void info(void **state)
{
	rig r;
	buf b;
	(void)state;
	rig_create(&r, "hits", "11", NULL);
	rig_start(&r);
	buf_init(&b, 0);
	OK(&r, tgt_info_get(r.t, TGT_I_EXE, r.pid, &b, &r.d));
	assert_non_null(strstr(buf_z(&b), "user-hits"));
	buf_clear(&b);
	OK(&r, tgt_info_get(r.t, TGT_I_CMDLINE, r.pid, &b, &r.d));
	assert_true(b.n > 3 && !memcmp(b.p + b.n - 4,
				       "\0"
				       "11",
				       4));
	static const tgt_info all[] = {
		TGT_I_ENVIRON, TGT_I_AUXV, TGT_I_MAPS, TGT_I_FILES, TGT_I_STAT, TGT_I_STATUS};
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		buf_clear(&b);
		OK(&r, tgt_info_get(r.t, all[i], r.pid, &b, &r.d));
		assert_true(b.n > 0);
	}
	buf_clear(&b);
	OK(&r, tgt_info_get(r.t, TGT_I_THREAD_NAME, r.ev.unit, &b, &r.d));
	assert_string_equal(buf_z(&b), "user-hits");
	assert_int_equal(tgt_info_get(r.t, TGT_I_EXE, 1, &b, &r.d), ERR_NOTFOUND);
	assert_int_equal(tgt_info_get(r.t, TGT_I_SIGINFO, r.pid, &b, &r.d), ERR_NOTFOUND);
	buf_deinit(&b);
	rig_close(&r, TGT_KILL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modules_before_constructors),
		cmocka_unit_test(static_program),
		cmocka_unit_test(static_pie),
		cmocka_unit_test(musl_static),
		cmocka_unit_test(musl),
		cmocka_unit_test(create_errors),
		cmocka_unit_test(refuses_32_bit),
		cmocka_unit_test(environment_and_directory),
		cmocka_unit_test(addresses_are_fixed),
		cmocka_unit_test(killed_under_us),
		cmocka_unit_test(two_processes),
		cmocka_unit_test(memory_under_traps),
		cmocka_unit_test(searching),
		cmocka_unit_test(registers),
		cmocka_unit_test(pc_moved_in_a_call),
		cmocka_unit_test(timeouts),
		cmocka_unit_test(interrupt_from_a_handler),
		cmocka_unit_test(thousand_loads),
		cmocka_unit_test(static_pie_loads),
		cmocka_unit_test(musl_load),
		cmocka_unit_test(one_of_two_is_killed),
		cmocka_unit_test(terminal_is_handed_over),
		cmocka_unit_test(info),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
