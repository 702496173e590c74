/* The ptrace backend: whom the kernel does not let us attach to, and which words say so; process
 * numbers that are used again. */
#include "ptrace_rig.h"

#include "target/ptrace/pt_denied.h"

#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

enum { NOBODY = 65534 };

/* ---- words ---- */

/* Each fact by itself and those that go before others: the setting is named, and what allows it. */
static void every_reason(void **state)
{
	static const struct {
		pt_denied f;
		const char *want[3], *never;
	} c[] = {
		{{.tracer = 77, .tracer_name = "gdb", .yama = '3'},
			{"already traced by process 77 (gdb)", "detach that one"}, "yama"},
		{{.tracer = 77}, {"already traced by process 77:"}, "()"},
		{{.kernel = true, .may_trace = true}, {"thread of the kernel"}, "sudo"},
		{{.uid = 5, .our_uid = 6}, {"belongs to user 5 and you are user 6", "sudo"},
			"yama"},
		{{.uid = 5, .our_uid = 6, .yama = '1'}, {"belongs to user 5"}, "yama"},
		{{.uid = 5, .our_uid = 6, .yama = '3'}, {"ptrace_scope is 3", "started again"},
			"sudo"},
		{{.uid = 5, .our_uid = 5, .yama = '1', .undumpable = true},
			{"/proc/sys/kernel/yama/ptrace_scope is 1",
				"sysctl kernel.yama.ptrace_scope=0",
				"start the program from the debugger"},
			"DUMPABLE"},
		{{.uid = 5, .our_uid = 5, .yama = '2'},
			{"ptrace_scope is 2: only root", "ptrace_scope=0", "sudo"},
			"from the debugger"},
		{{.yama = '3', .may_trace = true}, {"ptrace_scope is 3"}, "sudo"},
		{{.yama = '1', .may_trace = true}, {"security module"}, "yama/ptrace_scope"},
		{{.yama = '0', .uid = 5, .our_uid = 5}, {"security module"}, "yama/ptrace_scope"},
		/* a program that we start: 1 allows it */
		{{.uid = 5, .our_uid = 5, .yama = '2', .child = true},
			{"ptrace_scope is 2", "sysctl kernel.yama.ptrace_scope=1"},
			"from the debugger"},
		{{.uid = 5, .our_uid = 5, .yama = '1', .child = true, .filtered = true},
			{"seccomp filter"}, "yama/"},
		{{.uid = 5}, {"root lacks CAP_SYS_PTRACE", "--cap-add=SYS_PTRACE"}, "sudo"},
		{{.more_caps = true}, {"root lacks CAP_SYS_PTRACE"}, "sudo"},
		{{.uid = 5, .our_uid = 5, .undumpable = true, .more_caps = true},
			{"PR_SET_DUMPABLE", "set-user-ID", "sudo"}, "yama"},
		{{.uid = 5, .our_uid = 5, .more_caps = true}, {"capabilities", "CapPrm", "sudo"},
			"DUMPABLE"},
		{{.may_trace = true, .filtered = true},
			{"seccomp filter", "seccomp=unconfined", "not permitted"}, "sudo"},
		{{.may_trace = true}, {"not permitted", "security module"}, "seccomp"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		diag d = {0};
		pt_denied f = c[i].f;
		f.pid = 4321;
		f.why = EPERM;
		assert_int_equal(pt_denied_say(&f, &d), ERR_DENIED);
		for (size_t k = 0; k < 3 && c[i].want[k]; k++)
			if (!strstr(d.text, c[i].want[k]))
				fail_msg("%zu: no '%s' in: %s", i, c[i].want[k], d.text);
		if (strstr(d.text, c[i].never))
			fail_msg("%zu: '%s' in: %s", i, c[i].never, d.text);
	}
}

/* ---- real refusals ---- */

static void as_ourselves(void)
{
}

static void as_nobody(void)
{
	if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
		setresuid(NOBODY, NOBODY, NOBODY) || prctl(PR_SET_DUMPABLE, 1))
		_exit(9);
}

static void as_nobody_hidden(void)
{
	as_nobody();
	if (prctl(PR_SET_DUMPABLE, 0))
		_exit(9);
}

static void as_nobody_with_capabilities(void)
{
	if (prctl(PR_SET_KEEPCAPS, 1))
		_exit(9);
	as_nobody();
}

static void as_root_of_a_container(void)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2];
	if (syscall(SYS_capget, &head, data))
		_exit(9);
	data[0].effective &= ~(1u << CAP_SYS_PTRACE);
	data[0].permitted &= ~(1u << CAP_SYS_PTRACE);
	data[0].inheritable &= ~(1u << CAP_SYS_PTRACE);
	if (syscall(SYS_capset, &head, data))
		_exit(9);
}

static void as_filtered(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ptrace, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {ARRAY_LEN(code), code};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		_exit(9);
}

/* A process that sleeps, once it has become somebody. */
static pid_t sleeper(void (*become)(void))
{
	int ready[2];
	char c;
	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	if (!pid) {
		become();
		(void)!write(ready[1], "r", 1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

typedef struct answer {
	err e;
	char text[1024];
} answer;

/* What somebody is told who attaches to pid; 0: who starts a program. */
static answer ask(void (*become)(void), pid_t pid)
{
	answer a = {.e = ERR_IO};
	int fd[2];
	assert_int_equal(pipe(fd), 0);
	pid_t who = fork();
	if (!who) {
		const char *argv[] = {"/bin/true", NULL};
		tgt_create how = {.path = argv[0], .argv = argv, .stdio = {-1, -1, -1}};
		tgt *t;
		diag d = {0};
		uint64_t id;
		become();
		if (ptrace_open(NULL, &t, &d) != ERR_OK)
			_exit(8);
		a.e = pid ? tgt_process_attach(t, (uint64_t)pid, false, &d)
			  : tgt_process_create(t, &how, &id, &d);
		snprintf(a.text, sizeof a.text, "%s", d.text);
		tgt_close(t, pid ? TGT_DETACH : TGT_KILL);
		(void)!write(fd[1], &a, sizeof a);
		_exit(0);
	}
	close(fd[1]);
	assert_int_equal(read(fd[0], &a, sizeof a), (ssize_t)sizeof a);
	close(fd[0]);
	assert_int_equal(waitpid(who, NULL, 0), who);
	return a;
}

static char yama(void)
{
	char c = '0';
	int fd = open("/proc/sys/kernel/yama/ptrace_scope", O_RDONLY);
	if (fd >= 0) {
		(void)!read(fd, &c, 1);
		close(fd);
	}
	return c;
}

/* Asks the kernel for each of them: the words are those of the reason that it has. */
static void refused(void **state)
{
	static const struct {
		void (*debugger)(void), (*victim)(void);
		const char *want;
		bool by_yama; /* where it is on it comes first */
	} c[] = {
		{as_ourselves, as_nobody_hidden, NULL, false},
		{as_nobody, as_nobody, NULL, true},
		{as_nobody, as_nobody_hidden, "PR_SET_DUMPABLE", true},
		{as_nobody, as_nobody_with_capabilities, "CapPrm", true},
		{as_nobody, as_ourselves, "belongs to user 0 and you are user 65534", false},
		{as_root_of_a_container, as_nobody, "--cap-add=SYS_PTRACE", false},
		{as_root_of_a_container, as_ourselves, "--cap-add=SYS_PTRACE", false},
		{as_filtered, as_nobody, "seccomp filter", false},
	};
	(void)state;
	pt_denied us;
	pt_denied_look(getpid(), 0, false, &us);
	if (geteuid() || !us.may_trace || yama() == '3') {
		print_message("not root, or not one that may trace: nothing to try\n");
		skip();
	}
	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		pid_t pid = sleeper(c[i].victim);
		answer a = ask(c[i].debugger, pid);
		const char *want = c[i].by_yama && yama() != '0' ? "yama/ptrace_scope" : c[i].want;
		if ((a.e == ERR_OK) != !want || (want && a.e != ERR_DENIED) ||
			(want && !strstr(a.text, want)))
			fail_msg("%zu: %s: %s", i, err_name(a.e), a.text);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	/* a program of our own, where even that is forbidden */
	answer a = ask(as_filtered, 0);
	assert_int_equal(a.e, ERR_DENIED);
	assert_non_null(strstr(a.text, "seccomp filter"));
}

static void thread_of_the_kernel(void **state)
{
	char b[32] = "";
	(void)state;
	int fd = open("/proc/2/comm", O_RDONLY); /* outside of containers it is always this one */
	ssize_t n = fd < 0 ? 0 : read(fd, b, sizeof b - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0 || strcmp(b, "kthreadd\n")) {
		print_message("no thread of the kernel is to be seen here\n");
		skip();
	}
	answer a = ask(as_ourselves, 2);
	assert_int_equal(a.e, ERR_DENIED);
	assert_non_null(strstr(a.text, "process 2 is a thread of the kernel"));
}

/* ---- numbers that are used again ---- */

/* A ticker with a number of our choice; pid 0 where nobody may choose. */
static victim ticker_as(pid_t number, const char *arg)
{
	char path[512];
	pid_t set[1] = {number};
	struct clone_args a = {
		.exit_signal = SIGCHLD, .set_tid = (uint64_t)(uintptr_t)set, .set_tid_size = 1};
	int fd[2];
	long pid = -1;
	assert_int_equal(pipe(fd), 0);
	rig_program("ticker", path, sizeof path);
	for (int i = 0; i < 500 && pid < 0; i++) {
		pid = syscall(SYS_clone3, &a, sizeof a);
		if (!pid) {
			dup2(fd[1], 1);
			close(fd[0]);
			close(fd[1]);
			execl(path, path, arg, (char *)NULL);
			_exit(127);
		}
		if (pid < 0 && errno != EEXIST) /* somebody has it just now */
			break;
		if (pid < 0)
			usleep(10000);
	}
	close(fd[1]);
	fcntl(fd[0], F_SETFL, O_NONBLOCK);
	return (victim){pid < 0 ? 0 : (pid_t)pid, fd[0]};
}

/*
 * A process that we trace has its number until our wait has taken its end, so only somebody who
 * takes that away from us (an application that waits for whatever child ends) lets the number be
 * used again under our eyes. Attaching to it tells of the old one's end, and nothing of what we
 * knew of that is taken for the new one's.
 */
static void number_used_again(void **state)
{
	uint8_t before[8], now[8];
	tgt_unit u[8];
	size_t n = 0;
	int status;
	rig r;
	(void)state;
	victim v = victim_start("ticker", "1");
	assert_true(victim_lives(&v));
	rig_attach(&r, "ticker", v.pid);
	rig_until(&r, TGT_EV_EXCEPTION);
	uint64_t at = rig_symbol(&r, "tick");
	OK(&r, tgt_read_all(r.t, as_process(r.pid), at, before, sizeof before, &r.d));
	uint64_t h = rig_trap(&r, at);
	rig_go(&r, TGT_GO, true);
	rig_wait(&r);
	assert_int_equal(r.ev.pc, at);
	kill(v.pid, SIGKILL);
	while (waitpid(v.pid, &status, __WALL) == v.pid && WIFSTOPPED(status))
		(void)!ptrace(PTRACE_CONT, v.pid, NULL, NULL);
	assert_true(WIFSIGNALED(status));
	close(v.out);
	v = ticker_as(v.pid, "3");
	if (!v.pid) {
		print_message("process numbers cannot be chosen here: %s\n", strerror(errno));
		rig_close(&r, TGT_DETACH);
		skip();
	}
	assert_true(victim_lives(&v));

	OK(&r, tgt_process_attach(r.t, r.pid, false, &r.d));
	rig_wait(&r);
	assert_int_equal(r.ev.kind, TGT_EV_PROCESS_EXIT);
	rig_go(&r, TGT_GO, true);
	r.processes = 0;
	rig_until(&r, TGT_EV_EXCEPTION);
	assert_true(r.ev.initial && r.processes == 1);
	OK(&r, tgt_units(r.t, r.pid, u, 8, &n));
	assert_int_equal(n, 3);
	assert_int_equal(tgt_trap_del(r.t, h, &r.d), ERR_NOTFOUND);
	at = rig_symbol(&r, "tick");
	OK(&r, tgt_read_all(r.t, as_process(r.pid), at, now, sizeof now, &r.d));
	assert_memory_equal(now, before, sizeof now);
	rig_trap(&r, at);
	rig_go(&r, TGT_GO, true);
	rig_wait(&r);
	assert_int_equal(r.ev.pc, at);
	rig_close(&r, TGT_DETACH);
	assert_true(victim_lives(&v));
	victim_end(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_reason),
		cmocka_unit_test(refused),
		cmocka_unit_test(thread_of_the_kernel),
		cmocka_unit_test(number_used_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
