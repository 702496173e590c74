/*
 * test_target_peer: starts the programs of tests/kdpeer and drives the KD target against them.
 * Included by the tests of the KD backend only.
 */
#ifndef TEST_TARGET_PEER_H
#define TEST_TARGET_PEER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/reader.h"
#include "target/target.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Places in the toy machine; kdpeer's machine.h says the same. */
#define USER_FUNC  0x140001080ull
#define USER_COUNT 0x140002000ull
#define USER_COLD  0x140008000ull

typedef struct peer {
	pid_t pid;
	int out;
	char socket[64], name[128], tail[512];
} peer;

static tgt *T_;
static tgt_event E;
static char trace_text[1 << 16], notices[1 << 16], prints[1 << 16];
static unsigned requests; /* data packets that we sent, by the trace */

/* words: program and options; "@" stands for the channel's name, else it comes last. */
static void peer_start(peer *k, const char *program, const char *options)
{
	static unsigned number;
	static char path[600], words[1024];
	char *argv[32] = {path}, spec[80], line[256] = "";
	int n = 1, fd[2];
	snprintf(path, sizeof path, "%s/tests/kdpeer/%s", getenv("RS_BUILD_ROOT"), program);
	if (access(path, X_OK))
		fail_msg("%s is not built", path);
	snprintf(k->socket, sizeof k->socket, "/tmp/rs-kd-%d-%u", (int)getpid(), number++);
	snprintf(spec, sizeof spec, "unix:%s", k->socket);
	snprintf(words, sizeof words, "%s", options);
	bool placed = false;
	for (char *w = strtok(words, " "); w && n < 30; w = strtok(NULL, " ")) {
		bool at = !strcmp(w, "@");
		placed |= at || !strcmp(w, "pty:") || !strncmp(w, "tcp:", 4);
		argv[n++] = at ? spec : w;
	}
	if (!placed)
		argv[n++] = spec;
	assert_int_equal(pipe(fd), 0);
	k->pid = fork();
	if (!k->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fd[1], 1);
		close(fd[0]);
		execv(path, argv);
		_exit(127);
	}
	close(fd[1]);
	k->out = fd[0];
	for (size_t got = 0;
		got < sizeof line - 1 && !strchr(line, '\n') && read(k->out, line + got, 1) == 1;)
		line[++got] = 0;
	assert_int_equal(strncmp(line, "ready ", 6), 0);
	line[strcspn(line, "\n")] = 0;
	snprintf(k->name, sizeof k->name, "%.120s", line + 6);
}

static void peer_stop(peer *k)
{
	size_t n = 0;
	ssize_t got;
	int status;
	kill(k->pid, SIGTERM);
	while (n < sizeof k->tail - 1 &&
		(got = read(k->out, k->tail + n, sizeof k->tail - 1 - n)) > 0)
		n += (size_t)got;
	k->tail[n] = 0;
	close(k->out);
	waitpid(k->pid, &status, 0);
	unlink(k->socket);
}

/* The number behind a word of what the fake kernel says at its end. */
static unsigned long peer_number(const peer *k, const char *word)
{
	const char *at = strstr(k->tail, word);
	if (!at)
		fail_msg("no '%s' in: %s", word, k->tail);
	return strtoul(at + strlen(word), NULL, 10);
}

static void append(char *to, size_t cap, str s)
{
	size_t n = strlen(to);
	snprintf(to + n, cap - n, "%.*s\n", STR_ARG(s));
}

static void on_trace(void *u, str line)
{
	append(trace_text, sizeof trace_text, line);
	if (line.n > 4 && line.p[0] == '>' && (line.p[2] == '0' || line.p[2] == '1'))
		requests++;
}

static tgt_host host = {.trace = on_trace};

static void attach_with(const char *options, bool break_in)
{
	diag d = {0};
	kd_open_opts o = {break_in, 1};
	trace_text[0] = notices[0] = prints[0] = 0;
	requests = 0;
	if (kd_open(str_of(options), &o, &host, &T_, &d) != ERR_OK)
		fail_msg("%s: %s", options, d.text);
	assert_int_equal(tgt_ctl(T_, TGT_CTL_TRACE, 1, NULL), ERR_OK);
}

static void attach(const peer *k, bool break_in)
{
	char o[160];
	snprintf(o, sizeof o, "com:pipe,port=%s", k->socket);
	attach_with(o, break_in);
}

/* The next event that is neither print nor notice. */
static tgt_event_kind next(int ms)
{
	uint64_t end = sys_now_ms() + (uint64_t)ms;
	for (;;) {
		diag d = {0};
		uint64_t now = sys_now_ms();
		if (tgt_wait(T_, now < end ? (int)(end - now) : 0, &E, &d) != ERR_OK)
			fail_msg("wait: %s", d.text);
		if (E.kind == TGT_EV_NOTICE)
			append(notices, sizeof notices, E.text);
		else if (E.kind == TGT_EV_PRINT)
			append(prints, sizeof prints, E.text);
		else
			return E.kind;
	}
}

static void resume(tgt_go go)
{
	diag d = {0};
	tgt_run r = {.unit = E.unit, .go = go, .handled = true};
	if (tgt_resume(T_, &r, &d) != ERR_OK)
		fail_msg("resume: %s", d.text);
}

/* Lets everything pass until an exception. */
static void until_exception(void)
{
	for (int i = 0; i < 300; i++) {
		tgt_event_kind k = next(10000);
		if (k == TGT_EV_EXCEPTION)
			return;
		if (k == TGT_EV_TIMEOUT || k == TGT_EV_DEAD)
			fail_msg("no exception, but %d; notices: %s", (int)k, notices);
		if (k == TGT_EV_LOAD || k == TGT_EV_UNLOAD || k == TGT_EV_COMMAND)
			resume(TGT_GO);
	}
	fail_msg("too many events");
}

/* Behind the break instruction of a break-in. */
static void skip_break(void)
{
	x64_regs r = {0};
	assert_int_equal(E.code, 0x80000003);
	assert_int_equal(tgt_regs_get(T_, E.unit, X64_SET_CONTROL, &r, NULL), ERR_OK);
	assert_int_equal(r.rip, E.pc);
	r.rip++;
	assert_int_equal(tgt_regs_set(T_, E.unit, X64_SET_CONTROL, &r, NULL), ERR_OK);
}

/* Broken in, and ready to go on. */
static void attach_past_break(const peer *k)
{
	attach(k, true);
	until_exception();
	skip_break();
}

static uint64_t trap(tgt_trap_kind kind, uint64_t addr, uint32_t size)
{
	uint64_t h = 0;
	diag d = {0};
	tgt_trap t = {kind, as_current(), addr, size};
	if (tgt_trap_add(T_, &t, &h, &d) != ERR_OK)
		fail_msg("trap at %llx: %s", (unsigned long long)addr, d.text);
	return h;
}

static uint64_t number_at(uint64_t va)
{
	uint8_t b[8] = {0};
	diag d = {0};
	if (tgt_read_all(T_, as_current(), va, b, 8, &d) != ERR_OK)
		fail_msg("%s", d.text);
	return le64(b);
}

static void leave(tgt_leave how)
{
	tgt_close(T_, how);
	T_ = NULL;
}

#endif
