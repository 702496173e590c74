/*
 * ptrace_rig: what the tests of the ptrace backend share: a program of tests/debuggee/user under a
 * target, its output in a file, addresses of its symbols.
 */
#ifndef TEST_PTRACE_RIG_H
#define TEST_PTRACE_RIG_H

#include "base/reader.h"
#include "base/sys.h"
#include "target/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BREAK = (int)0x80000003u, STEP = (int)0x80000004u, ACCESS = (int)0xc0000005u };

typedef struct rig {
	tgt *t;
	uint64_t pid, base;
	tgt_event ev;
	char path[512];
	int out; /* the program's standard output */
	diag d;
	unsigned loads, unloads, threads, thread_exits, processes, exits;
	uint32_t exit_code;
} rig;

#define OK(r, expr)                                                                                \
	do {                                                                                       \
		err ok_e_ = (expr);                                                                \
		if (ok_e_ != ERR_OK)                                                               \
			fail_msg("%s: %s", err_name(ok_e_), (r)->d.text);                          \
	} while (0)

static inline const char *rig_program(const char *name, char *b, size_t cap)
{
	const char *root = getenv("RS_BUILD_ROOT");
	snprintf(b, cap, "%s/tests/debuggee/user/user-%s", root ? root : ".", name);
	return b;
}

static inline bool rig_has(const char *name)
{
	char b[512];
	return !access(rig_program(name, b, sizeof b), X_OK);
}

static inline void rig_open(rig *r)
{
	memset(r, 0, sizeof *r);
	r->out = -1;
	alarm(100); /* a test that hangs says so */
	OK(r, ptrace_open(NULL, &r->t, &r->d));
}

static inline int rig_file(void)
{
	char name[] = "/tmp/ringside-test-XXXXXX";
	int fd = mkstemp(name);
	assert_true(fd >= 0);
	unlink(name);
	return fd;
}

/* Arguments behind the program's name, ended by NULL. */
static inline void rig_create(rig *r, const char *name, ...)
{
	const char *argv[16] = {0};
	size_t n = 1;
	va_list ap;
	rig_open(r);
	argv[0] = rig_program(name, r->path, sizeof r->path);
	va_start(ap, name);
	while (n < 15 && (argv[n] = va_arg(ap, const char *)))
		n++;
	va_end(ap);
	r->out = rig_file();
	tgt_create how = {.path = r->path, .argv = argv, .stdio = {-1, r->out, -1}};
	OK(r, tgt_process_create(r->t, &how, &r->pid, &r->d));
}

static inline void rig_close(rig *r, tgt_leave how)
{
	tgt_close(r->t, how);
	r->t = NULL;
	if (r->out >= 0)
		close(r->out);
	alarm(0);
}

/* What the program has printed. */
static inline const char *rig_output(rig *r, char *b, size_t cap)
{
	ssize_t n = pread(r->out, b, cap - 1, 0);
	b[n > 0 ? n : 0] = 0;
	return b;
}

static inline void rig_count(rig *r)
{
	switch (r->ev.kind) {
	case TGT_EV_LOAD:
		r->loads++;
		break;
	case TGT_EV_UNLOAD:
		r->unloads++;
		break;
	case TGT_EV_THREAD:
		r->threads++;
		break;
	case TGT_EV_THREAD_EXIT:
		r->thread_exits++;
		break;
	case TGT_EV_PROCESS:
		if (!r->processes++)
			r->base = r->ev.base;
		break;
	case TGT_EV_PROCESS_EXIT:
		r->exits++;
		r->exit_code = r->ev.exit_code;
		break;
	default:
		break;
	}
}

static inline void rig_wait(rig *r)
{
	OK(r, tgt_wait(r->t, 30000, &r->ev, &r->d));
	if (r->ev.kind == TGT_EV_TIMEOUT)
		fail_msg("nothing happened for 30 seconds");
	rig_count(r);
}

static inline void rig_go(rig *r, tgt_go go, bool handled)
{
	OK(r, tgt_resume(
		      r->t, &(tgt_run){.unit = r->ev.unit, .go = go, .handled = handled}, &r->d));
}

/* Runs on to the next event of a kind; others pass, signals as if nobody were there. */
static inline void rig_until(rig *r, tgt_event_kind kind)
{
	for (;;) {
		rig_wait(r);
		if (r->ev.kind == kind)
			return;
		if (r->ev.kind == TGT_EV_DEAD)
			fail_msg("the target is gone");
		rig_go(r, TGT_GO, !r->ev.signal);
	}
}

/* Up to the initial break. */
static inline void rig_start(rig *r)
{
	rig_until(r, TGT_EV_EXCEPTION);
	assert_true(r->ev.initial);
	assert_int_equal(r->ev.code, (uint32_t)BREAK);
}

static inline void rig_end(rig *r)
{
	rig_go(r, TGT_GO, true);
	rig_until(r, TGT_EV_PROCESS_EXIT);
	rig_go(r, TGT_GO, true);
	rig_wait(r);
	assert_int_equal(r->ev.kind, TGT_EV_DEAD);
}

/* Value of a symbol in the file's own table. */
static inline uint64_t rig_symbol_in(const char *path, const char *name)
{
	sys_map m;
	uint64_t v = 0;
	assert_int_equal(sys_map_open(path, &m, NULL), ERR_OK);
	uint64_t shoff = le64(m.p + 40);
	unsigned shnum = le16(m.p + 60);
	for (unsigned i = 0; i < shnum; i++) {
		const uint8_t *s = m.p + shoff + 64ull * i;
		if (le32(s + 4) != 2) /* SHT_SYMTAB */
			continue;
		const char *names =
			(const char *)m.p + le64(m.p + shoff + 64ull * le32(s + 40) + 24);
		for (uint64_t at = 0; at < le64(s + 32); at += 24) {
			const uint8_t *y = m.p + le64(s + 24) + at;
			if (!strcmp(names + le32(y), name))
				v = le64(y + 8);
		}
	}
	bool fixed = le16(m.p + 16) == 2; /* ET_EXEC */
	sys_map_close(&m);
	if (!v)
		fail_msg("%s has no symbol %s", path, name);
	return fixed ? v | 1ull << 63 : v;
}

static inline uint64_t rig_symbol(rig *r, const char *name)
{
	uint64_t v = rig_symbol_in(r->path, name);
	return v >> 63 ? v << 1 >> 1 : v + r->base;
}

static inline uint64_t rig_trap(rig *r, uint64_t addr)
{
	uint64_t h = 0;
	tgt_trap trap = {TGT_TRAP_SOFT, as_process(r->pid), addr, 0};
	OK(r, tgt_trap_add(r->t, &trap, &h, &r->d));
	return h;
}

static inline uint64_t rig_reg(rig *r, const char *name)
{
	uint64_t v = 0;
	OK(r, tgt_reg_get(r->t, r->ev.unit, x64_reg_find(str_of(name)), &v, &r->d));
	return v;
}

/*
 * Runs to the end of the process and counts the hits of one trap, all passed over. Every fourth
 * hit somebody halts, as a shown stop does.
 */
static inline unsigned rig_count_hits(rig *r, uint64_t addr, uint64_t handle, bool halts)
{
	unsigned n = 0;
	while (r->ev.kind != TGT_EV_PROCESS_EXIT) {
		bool hit = r->ev.kind == TGT_EV_EXCEPTION && r->ev.code == (uint32_t)BREAK &&
			   !r->ev.initial && r->ev.pc == addr;
		if (hit) {
			if (halts && n % 4 == 3)
				OK(r, tgt_halt(r->t, &r->d));
			n++;
			OK(r, tgt_pass(r->t, r->ev.unit, handle, &r->d));
		}
		rig_go(r, TGT_GO, !r->ev.signal);
		rig_wait(r);
	}
	return n;
}

static inline uint64_t rig_u64(rig *r, uint64_t addr)
{
	uint8_t b[8];
	OK(r, tgt_read_all(r->t, as_process(r->pid), addr, b, sizeof b, &r->d));
	return le64(b);
}

/* ---- a program that nobody debugs yet ---- */

typedef struct victim {
	pid_t pid;
	int out; /* a byte now and then while it lives */
} victim;

static inline victim victim_start(const char *name, const char *arg)
{
	char path[512];
	int fd[2];
	victim v;
	assert_int_equal(pipe(fd), 0);
	rig_program(name, path, sizeof path);
	v.pid = fork();
	if (!v.pid) {
		dup2(fd[1], 1);
		close(fd[0]);
		close(fd[1]);
		execl(path, path, arg, (char *)NULL);
		_exit(127);
	}
	close(fd[1]);
	v.out = fd[0];
	fcntl(v.out, F_SETFL, O_NONBLOCK);
	return v;
}

/* Whether it goes on: new bytes come within ten seconds. */
static inline bool victim_lives(victim *v)
{
	char b[65536];
	while (read(v->out, b, sizeof b) > 0)
		;
	for (int i = 0; i < 1000; i++) {
		int status;
		if (waitpid(v->pid, &status, WNOHANG) == v->pid) {
			print_message("victim: status %x\n", (unsigned)status);
			v->pid = 0;
			return false;
		}
		if (read(v->out, b, sizeof b) > 3)
			return true;
		usleep(10000);
	}
	return false;
}

static inline void victim_end(victim *v)
{
	if (v->pid > 0) {
		kill(v->pid, SIGKILL);
		waitpid(v->pid, NULL, 0);
	}
	close(v->out);
}

static inline void rig_attach(rig *r, const char *name, pid_t pid)
{
	rig_open(r);
	rig_program(name, r->path, sizeof r->path);
	r->pid = (uint64_t)pid;
	OK(r, tgt_process_attach(r->t, r->pid, false, &r->d));
}

#endif
