/*
 * selftest: the peers of this folder, checked with a debugger that shares no code with the product
 * (ping.c). Programs are looked for in $KDPEER_DIR, else in $RS_BUILD_ROOT/tests/kdpeer.
 */
#include "ping.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXCEPTION = 0x3030, LOAD = 0x3031, COMMAND = 0x3032 };
static const uint32_t BREAKPOINT = 0x80000003u, STEP = 0x80000004u;
static const uint64_t USER_FUNC = 0x140001080, USER_COUNT = 0x140002000, USER_COLD = 0x140008000;
static const uint32_t REFUSED = 0xC0000001u;

typedef struct peer {
	pid_t pid;
	int out;
	char socket[64];
	char name[128]; /* what the peer says after "ready": port or terminal */
	char tail[512];
} peer;

static ping P;
static ping_reply A;

static const char *program_dir(void)
{
	static char dir[512];
	const char *d = getenv("KDPEER_DIR"), *root = getenv("RS_BUILD_ROOT");
	snprintf(dir, sizeof(dir), "%s%s", d ? d : root ? root : ".", d ? "" : "/tests/kdpeer");
	return dir;
}

/* options: words separated by blanks. The channel stands where the word "--" is, else at the end; a
 * word that names a channel itself ("tcp:0") is kept instead. */
static void start(peer *k, const char *program, const char *options)
{
	static unsigned number;
	static char path[600], words[2048];
	char *argv[32] = {path}, unixspec[80];
	int n = 1, fd[2];
	snprintf(path, sizeof(path), "%s/%s", program_dir(), program);
	snprintf(k->socket, sizeof(k->socket), "/tmp/kdpeer-%d-%u", (int)getpid(), number++);
	snprintf(unixspec, sizeof(unixspec), "unix:%s", k->socket);
	snprintf(words, sizeof(words), "%s", options);
	bool placed = false;
	for (char *w = strtok(words, " "); w && n < 30; w = strtok(NULL, " ")) {
		if (!strcmp(w, "--")) {
			argv[n++] = unixspec;
			placed = true;
		} else {
			placed |= !strcmp(w, "tcp:0") || !strcmp(w, "pty:");
			argv[n++] = w;
		}
	}
	if (!placed)
		argv[n++] = unixspec;
	assert_int_equal(pipe(fd), 0);
	k->pid = fork();
	if (!k->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fd[1], 1);
		close(fd[0]);
		execv(path, argv);
		perror(path);
		_exit(127);
	}
	close(fd[1]);
	k->out = fd[0];
	size_t got = 0;
	char line[256] = "";
	while (got < sizeof(line) - 1 && !strchr(line, '\n') && read(k->out, line + got, 1) == 1)
		line[++got] = 0;
	assert_true(!strncmp(line, "ready ", 6));
	line[strcspn(line, "\n")] = 0;
	snprintf(k->name, sizeof(k->name), "%.120s", line + 6);
}

/* Ends a peer; what it said last is in tail. */
static void stop(peer *k)
{
	size_t n = 0;
	ssize_t got;
	kill(k->pid, SIGTERM);
	while (n < sizeof(k->tail) - 1 &&
		(got = read(k->out, k->tail + n, sizeof(k->tail) - 1 - n)) > 0)
		n += (size_t)got;
	k->tail[n] = 0;
	close(k->out);
	int status;
	waitpid(k->pid, &status, 0);
	unlink(k->socket);
	assert_true(WIFEXITED(status));
}

static unsigned long number_after(const peer *k, const char *word)
{
	const char *at = strstr(k->tail, word);
	assert_non_null(at);
	return strtoul(at + strlen(word), NULL, 10);
}

static void join(const peer *k)
{
	char spec[80];
	snprintf(spec, sizeof(spec), "unixto:%s", k->socket);
	assert_true(ping_open(&P, spec));
}

static unsigned state(void)
{
	return ping_u32(P.state);
}

static unsigned exception(void)
{
	return ping_u32(P.state + 32);
}

static uint64_t number(uint64_t va)
{
	uint8_t b[8];
	assert_true(ping_read(&P, va, b, 8));
	return ping_u64(b);
}

/* Lets load events and the like pass until an exception. */
static void until_exception(bool break_in)
{
	for (int i = 0; i < 200; i++) {
		assert_true(ping_wait(&P, 8000, break_in));
		if (state() == EXCEPTION)
			return;
		assert_true(ping_continue(&P, false, 0x400));
	}
	fail();
}

/* On from a stop, over the kernel's own int 3 if it stands on one. */
static void go(void)
{
	uint8_t b;
	if (exception() == BREAKPOINT && ping_read(&P, ping_pc(&P), &b, 1) && b == 0xcc)
		assert_true(ping_set_pc(&P, ping_pc(&P) + 1));
	assert_true(ping_continue(&P, false, 0x400));
}

static const char *kernel_of(const void *variant)
{
	return *(const char *)variant == 'a' ? "fakekernel-a" : "fakekernel-b";
}
static bool is_b(void **variant)
{
	return **(const char **)variant == 'b';
}

static uint64_t kernel_base(void)
{
	assert_true(ping_ask(&P, 0x3146, 0, "", 0, NULL, 0, &A));
	assert_int_equal(A.status, 0);
	return ping_u64(A.header + 32);
}

static unsigned ask(unsigned api, uint64_t a, uint64_t b, uint64_t c, const void *data, size_t n)
{
	uint64_t arg[3] = {a, b, c};
	assert_true(ping_ask(&P, api, 0, arg, sizeof(arg), data, n, &A));
	return A.status;
}

/* ---- tests; *state is "a" or "b" ---- */

static void test_memory(void **variant)
{
	peer k;
	start(&k, kernel_of(*variant), "--stopped");
	join(&k);
	until_exception(false);
	assert_int_equal(exception(), BREAKPOINT);
	assert_int_equal(ping_u64(P.state + 32 + 16), ping_pc(&P) + (is_b(variant) ? 0 : 1));
	assert_int_equal(P.state_data_n, is_b(variant) ? 0 : 4);
	uint64_t base = kernel_base();
	assert_int_equal(A.header[16], 0xf); /* a free build */
	assert_int_equal(A.header[20], 6);
	uint8_t mz[2], b[4] = {1, 2, 3, 4}, back[4];
	assert_true(ping_read(&P, base, mz, 2));
	assert_memory_equal(mz, "MZ", 2);
	/* one packet holds 3944 bytes; a read that runs off the end is short */
	assert_int_equal(ask(0x3130, base, 5000, 0, NULL, 0), 0);
	assert_int_equal(A.data_n, 3944);
	assert_int_equal(ask(0x3130, USER_COUNT + 0x1000 - 16, 64, 0, NULL, 0), REFUSED);
	assert_int_equal(A.data_n, 16);
	assert_int_equal(ping_u32(A.header + 28), 16);
	assert_int_equal(ask(0x3130, 0xdead0000beef, 16, 0, NULL, 0), REFUSED);
	assert_int_equal(A.data_n, 0);
	assert_int_equal(ask(0x3130, 0x8000000000000000, 16, 0, NULL, 0), REFUSED);
	assert_true(ping_write(&P, USER_COUNT + 0x100, b, 4));
	assert_true(ping_read(&P, USER_COUNT + 0x100, back, 4));
	assert_memory_equal(b, back, 4);
	assert_false(ping_write(&P, 0xdead0000beef, b, 4));
	/* physical: find the MZ page through the page tables */
	assert_int_equal(ask(0x3137, 2, 224, 0, NULL, 0), 0);
	assert_int_equal(A.data_n, 216);
	uint64_t table = ping_u64(A.data + 16);
	for (int shift = 39; shift >= 12; shift -= 9) {
		assert_int_equal(ask(0x313d, table + (base >> shift & 511) * 8, 8, 0, NULL, 0), 0);
		table = ping_u64(A.data) & 0xffffffffff000;
	}
	assert_int_equal(ask(0x313d, table, 2, 0, NULL, 0), 0);
	assert_memory_equal(A.data, "MZ", 2);
	assert_int_equal(ask(0x313d, 0xfee00020, 4, 0, NULL, 0), REFUSED);
	for (uint64_t caching = 1; caching <= 3; caching++)
		assert_int_equal(ask(0x313d, table, 2 | caching << 32, 0, NULL, 0),
			is_b(variant) ? 0 : REFUSED);
	ping_close(&P);
	stop(&k);
	assert_int_equal(number_after(&k, "int3 "), 0);
}

static void test_registers(void **variant)
{
	peer k;
	start(&k, kernel_of(*variant), "--stopped --processors 3");
	join(&k);
	until_exception(false);
	assert_int_equal(P.state[8], 3);
	for (unsigned n = 0; n < 3; n++) {
		assert_true(ping_ask(&P, 0x3132, n, "", 0, NULL, 0, &A));
		assert_int_equal(A.data_n, 1232);
		assert_int_equal(ping_u64(A.data + 0xf0), 0x1000 + n); /* r15 */
		assert_int_equal(ping_u64(A.data + 0xf8), n ? 0x140001000 : ping_pc(&P));
	}
	assert_true(ping_ask(&P, 0x3132, 3, "", 0, NULL, 0, &A));
	assert_int_equal(A.status, REFUSED);
	/* control space: three addresses and no more */
	uint64_t base = kernel_base();
	for (unsigned n = 0; n < 2; n++)
		for (uint64_t space = 0; space < 6; space++) {
			uint64_t arg[2] = {space, 8};
			assert_true(ping_ask(&P, 0x3137, n, arg, 16, NULL, 0, &A));
			assert_int_equal(A.status, space > 3 ? REFUSED : 0);
			if (space == 0)
				assert_int_equal(ping_u64(A.data), base + 0x4000 + n * 0x1000);
		}
	/* part of a context */
	uint32_t part[3] = {0xf8, 8, 0};
	assert_true(ping_ask(&P, 0x315f, 1, part, 12, NULL, 0, &A));
	assert_int_equal(A.status, is_b(variant) ? REFUSED : 0);
	if (!is_b(variant)) {
		assert_int_equal(A.data_n, 8);
		assert_int_equal(ping_u64(A.data), 0x140001000);
		uint64_t r15 = 0x1234;
		part[0] = 0xf0;
		assert_true(ping_ask(&P, 0x3160, 1, part, 12, &r15, 8, &A));
		assert_true(ping_ask(&P, 0x3132, 1, "", 0, NULL, 0, &A));
		assert_int_equal(ping_u64(A.data + 0xf0), 0x1234);
	}
	part[0] = 1232;
	assert_true(ping_ask(&P, 0x315f, 1, part, 12, NULL, 0, &A));
	assert_int_equal(A.status, REFUSED);
	/* another processor takes over, or is refused */
	if (is_b(variant)) {
		assert_true(ping_ask(&P, 0x3150, 1, "", 0, NULL, 0, &A));
		assert_int_equal(A.status, REFUSED);
	} else {
		assert_true(ping_tell(&P, 0x3150, 1));
		until_exception(false);
		assert_int_equal(P.state[6], 1);
		assert_int_equal(ping_pc(&P), 0x140001000);
		assert_int_equal(exception(), 0x80000007u);
	}
	ping_close(&P);
	stop(&k);
}

static void test_table_of_32(void **variant)
{
	peer k;
	uint32_t handle[33];
	start(&k, kernel_of(*variant), "--stopped");
	join(&k);
	until_exception(false);
	uint64_t at = kernel_base() + 0x1200; /* zeroes behind the code */
	uint8_t b;
	for (unsigned i = 0; i < 32; i++) {
		handle[i] = ping_breakpoint(&P, at + i);
		assert_in_range(handle[i], 1, 32);
		for (unsigned j = 0; j < i; j++)
			assert_int_not_equal(handle[i], handle[j]);
		assert_true(ping_read(&P, at + i, &b, 1));
		assert_int_equal(b, 0xcc);
	}
	assert_int_equal(ping_breakpoint(&P, at + 32), 0);
	assert_int_equal(A.status, 0); /* of the read before: the request itself was refused */
	assert_int_equal(ask(0x3134, at + 33, 0, 0, NULL, 0), REFUSED);
	assert_int_equal(ping_u32(A.header + 24), 0);
	assert_false(ping_restore(&P, 0));
	assert_false(ping_restore(&P, 33));
	assert_true(ping_restore(&P, handle[5]));
	assert_false(ping_restore(&P, handle[5]));
	assert_true(ping_read(&P, at + 5, &b, 1));
	assert_int_equal(b, 0);
	assert_int_equal(ping_breakpoint(&P, at + 6), 0);		  /* has one */
	assert_int_equal(ping_breakpoint(&P, 0xdead0000beef), handle[5]); /* absent: accepted */
	ping_close(&P);

	/* the next debugger finds them and can take all out */
	join(&k);
	until_exception(true);
	for (uint32_t h = 1; h <= 32; h++)
		assert_true(ping_restore(&P, h));
	assert_false(ping_restore(&P, 1));
	ping_close(&P);
	stop(&k);
	assert_int_equal(number_after(&k, "int3 "), 0);
}

/* Counts hits of one process's function, putting the byte back each time as a debugger does. */
static void test_hits_and_steps(void **variant)
{
	static const uint8_t lengths[] = {1, 7, 8, 4, 4};
	peer k;
	uint8_t b[16];
	start(&k, kernel_of(*variant), "--stopped --instructions 37");
	join(&k);
	until_exception(false);
	assert_int_not_equal(ping_breakpoint(&P, USER_FUNC), 0);
	go();
	for (unsigned hit = 0; hit < 100; hit++) {
		until_exception(false);
		assert_int_equal(exception(), BREAKPOINT);
		assert_int_equal(ping_pc(&P), USER_FUNC);
		assert_int_equal(P.state[6], 0); /* planted in the process of processor 0 */
		assert_int_equal(P.state[192 + 40], 0x33);
		assert_int_equal(P.state[192 + 20], 16);
		assert_int_equal(P.state[192 + 24], 0x53); /* not cc */
		assert_true(ping_read(&P, USER_FUNC, b, 1));
		assert_int_equal(b[0], 0x53); /* the kernel took it out */
		assert_int_equal(number(USER_COUNT), hit);
		for (unsigned s = 0; s < (hit == 3 ? 5 : 1); s++) {
			uint64_t pc = ping_pc(&P);
			assert_true(ping_continue(&P, true, 0x400));
			until_exception(false);
			assert_int_equal(exception(), STEP);
			assert_int_equal(P.state[6], 0);
			assert_int_equal(ping_pc(&P), pc + lengths[s]);
			assert_int_equal(P.state[192 + 1] & 0x40, 0x40); /* DR6.BS */
		}
		assert_int_not_equal(ping_breakpoint(&P, USER_FUNC), 0);
		assert_true(ping_continue(&P, false, 0x400));
	}
	until_exception(false);
	ping_continue(&P, false, 0x400);
	ping_close(&P);
	usleep(200000);
	stop(&k);
	assert_int_equal(number_after(&k, "int3 "), 0);
	assert_true(number_after(&k, "func1 ") > 50);
}

static void set_debug_register(unsigned processor, uint64_t va, uint64_t dr7)
{
	static uint8_t special[216];
	uint64_t arg[2] = {2, 216};
	assert_true(ping_ask(&P, 0x3137, processor, arg, 16, NULL, 0, &A));
	memcpy(special, A.data, 216);
	memcpy(special + 32, &va, 8);
	memcpy(special + 72, &dr7, 8);
	assert_true(ping_ask(&P, 0x3138, processor, arg, 16, special, 216, &A));
	assert_int_equal(A.status, 0);
}

static void test_hardware(void **variant)
{
	peer k;
	start(&k, kernel_of(*variant), "--stopped");
	join(&k);
	until_exception(false);
	uint8_t b;
	/* write of 8 bytes at the counter: stops behind the lock inc */
	for (unsigned n = 0; n < 2; n++)
		set_debug_register(n, USER_COUNT, 0x90401);
	if (ping_read(&P, ping_pc(&P), &b, 1) && b == 0xcc)
		assert_true(ping_set_pc(&P, ping_pc(&P) + 1));
	for (unsigned hit = 0; hit < 4; hit++) {
		assert_true(ping_continue(&P, false, 0x90401));
		until_exception(false);
		assert_int_equal(exception(), STEP);
		assert_int_equal(P.state[192] & 0xf, 1);
		assert_int_equal(ping_pc(&P), USER_FUNC + 16);
	}
	/* execute: needs the resume flag to go on */
	for (unsigned n = 0; n < 2; n++)
		set_debug_register(n, USER_FUNC, 0x400); /* it is the way on that turns it on */
	assert_true(ping_continue(&P, false, 0x401));
	until_exception(false);
	assert_int_equal(ping_pc(&P), USER_FUNC);
	unsigned first = P.state[6];
	assert_true(ping_continue(&P, false, 0x401));
	until_exception(false);
	assert_int_equal(ping_pc(&P), USER_FUNC);
	assert_int_equal(P.state[6], first); /* stuck, as the processor is without RF */
	ping_close(&P);
	stop(&k);
}

/* A stop in one process near the address of another process's breakpoint. */
static void test_same_address_elsewhere(void **variant)
{
	peer k;
	start(&k, kernel_of(*variant), "--stopped");
	join(&k);
	until_exception(false);
	assert_int_equal(P.state[6], 0);
	uint32_t handle = ping_breakpoint(&P, USER_FUNC + 8); /* behind an instruction or two */
	assert_int_not_equal(handle, 0);
	set_debug_register(1, USER_FUNC, 0x401);
	assert_true(ping_set_pc(&P, ping_pc(&P) + 1));
	assert_true(ping_continue(&P, false, 0x401));
	until_exception(false);
	for (unsigned i = 0; i < 10 && P.state[6] != 1; i++) {
		assert_int_equal(ping_pc(&P), USER_FUNC + 8); /* hit in its own process first */
		assert_true(ping_continue(&P, true, 0x401));
		until_exception(false);
		handle = ping_breakpoint(&P, USER_FUNC + 8);
		assert_true(ping_continue(&P, false, 0x401));
		until_exception(false);
	}
	assert_int_equal(P.state[6], 1);
	assert_int_equal(ping_pc(&P), USER_FUNC);
	assert_int_equal(P.state[192 + 24 + 8], 0xf0); /* that process's own byte */
	assert_int_equal(ping_restore(&P, handle), is_b(variant));
	assert_true(ping_continue(&P, false, 0x400));
	ping_close(&P);
	usleep(100000);
	stop(&k);
	assert_int_equal(number_after(&k, "int3 "), 0);
}

static void test_absent_page(void **variant)
{
	peer k;
	uint8_t b;
	start(&k, kernel_of(*variant), "--stopped --cold-after 20");
	join(&k);
	until_exception(false);
	assert_false(ping_read(&P, USER_COLD, &b, 1));
	assert_int_not_equal(ping_breakpoint(&P, USER_COLD), 0);
	assert_false(ping_read(&P, USER_COLD, &b, 1));
	go();
	until_exception(false);
	assert_int_equal(ping_pc(&P), USER_COLD);
	assert_int_equal(number(0x140002008), 20);
	assert_true(ping_read(&P, USER_COLD, &b, 1));
	assert_int_equal(b, 0x53);
	/* planted in process 0, taken out while process 1 is current */
	uint32_t handle = ping_breakpoint(&P, USER_FUNC);
	uint64_t kernel_work = kernel_base() + 0x1040;
	assert_int_not_equal(handle, 0);
	for (unsigned i = 0; i < 50 && P.state[6] != 1; i++) {
		ping_breakpoint(&P, kernel_work); /* refused if it is still there */
		assert_true(ping_continue(&P, false, 0x400));
		until_exception(false);
		if (ping_pc(&P) == USER_FUNC) {
			assert_true(ping_continue(&P, true, 0x400));
			until_exception(false);
			handle = ping_breakpoint(&P, USER_FUNC);
		} else {
			assert_int_equal(ping_pc(&P), kernel_work);
			assert_true(ping_continue(&P, true, 0x400));
			until_exception(false);
		}
	}
	assert_int_equal(P.state[6], 1);
	assert_true(ping_restore(&P, handle));
	for (uint32_t h = 1; h <= 32; h++)
		ping_restore(&P, h);
	assert_true(ping_continue(&P, false, 0x400));
	ping_close(&P);
	usleep(100000);
	stop(&k);
	assert_int_equal(number_after(&k, "int3 "), 0);
	assert_true(number_after(&k, "cold ") > 0);
}

/* What one variant serves the other refuses. */
static void test_optional(void **variant)
{
	peer k;
	start(&k, kernel_of(*variant), "--stopped");
	join(&k);
	until_exception(false);
	unsigned only_b = is_b(variant) ? 0 : REFUSED, only_a = is_b(variant) ? REFUSED : 0;
	uint64_t base = kernel_base();
	uint8_t b[4];

	assert_int_equal(ask(0x3156, base, 0x1000, 4, "PE\0\0", 4), only_b);
	if (is_b(variant)) {
		assert_int_equal(ping_u64(A.header + 16), base + 0x80);
		assert_int_equal(ask(0x3156, base, 0x1000, 4, "none", 4), 0x8000001a);
	}
	assert_int_equal(
		ask(0x315b, base + 0x1800, 4 | 1ull << 32 | 2ull << 48, 0, "xy", 2), only_b);
	assert_true(ping_read(&P, base + 0x1800, b, 4));
	assert_memory_equal(b, is_b(variant) ? "xyxy" : "\0\0\0\0", 4);
	assert_int_equal(ask(0x3157, 4, 0, 64, NULL, 0), only_b);
	if (is_b(variant)) {
		uint32_t bus[5] = {4, 0, 0, 0, 4};
		assert_true(ping_ask(&P, 0x3157, 0, bus, 20, NULL, 0, &A));
		assert_int_equal(ping_u32(A.data), 0x12378086);
	}
	assert_int_equal(ask(0x3159, 0, 0, 0, NULL, 0), only_b);
	assert_int_equal(ask(0x3142, base, 0, 0, NULL, 0), only_b);
	assert_int_equal(ask(0x3143, base, 0, 0, NULL, 0), only_b);
	assert_int_equal(ask(0x3151, USER_COLD, 0, 0, NULL, 0), only_b);
	assert_int_equal(ping_read(&P, USER_COLD, b, 1), is_b(variant));
	if (is_b(variant)) {
		assert_int_equal(ask(0x315a, 0, 0, 0, NULL, 0), 0);
		uint64_t batch[4] = {base + 0x1900, 0, base + 0x1901, 0};
		assert_int_equal(ask(0x3147, 2, 0, 0, batch, sizeof(batch)), 0);
		assert_int_equal(A.data_n, 32);
		uint32_t handles[2] = {ping_u32(A.data + 8), ping_u32(A.data + 24)};
		assert_int_not_equal(handles[0], 0);
		assert_int_not_equal(handles[1], 0);
		assert_int_equal(ask(0x3147, 1, 0, 0, batch, 16), REFUSED); /* there already */
		assert_int_equal(ask(0x3148, 2, 0, 0, handles, 8), 0);
		assert_int_equal(ask(0x3148, 2, 0, 0, handles, 8), REFUSED);
	} else {
		assert_int_equal(ask(0x3148, 1, 0, 0, "\1\0\0\0", 4), REFUSED);
	}
	assert_int_equal(ask(0x315c, base, 0, 0, NULL, 0), only_a);
	if (!is_b(variant)) {
		assert_int_equal(ping_u32(A.header + 32), 2);
		assert_int_equal(ask(0x315c, base, 0, 7, NULL, 0), 0xC000000D);
	}
	uint32_t port[7] = {1, 1, 0, 1, 0x3fd}, out[7] = {1, 1, 0, 1, 0x80, 0, 0x55};
	assert_true(ping_ask(&P, 0x3144, 0, port, 28, NULL, 0, &A));
	assert_int_equal(A.status, 0);
	assert_int_equal(ping_u32(A.header + 40), 0x60);
	port[0] = 3;
	assert_true(ping_ask(&P, 0x3144, 0, port, 28, NULL, 0, &A));
	assert_int_equal(A.status, 0xC000000D);
	port[0] = 1;
	port[4] = 0x80;
	assert_true(ping_ask(&P, 0x3145, 0, out, 28, NULL, 0, &A));
	assert_int_equal(A.status, 0);
	assert_true(ping_ask(&P, 0x3144, 0, port, 28, NULL, 0, &A));
	assert_int_equal(ping_u32(A.header + 40), 0x55);
	assert_int_equal(ask(0x3139, 0x3fd, 1, 0, NULL, 0), only_a);
	if (!is_b(variant)) {
		assert_int_equal(ping_u32(A.header + 28), 0x60);
		assert_int_equal(ask(0x3139, 0x3fd, 3, 0, NULL, 0), 0xC000000D);
		assert_int_equal(ask(0x313a, 0x80, 1 | 0x56ull << 32, 0, NULL, 0), 0);
		assert_int_equal(ask(0x3139, 0x80, 1, 0, NULL, 0), 0);
		assert_int_equal(ping_u32(A.header + 28), 0x56);
	}
	assert_int_equal(ask(0x3152, 0x1b, 0, 0, NULL, 0), 0);
	assert_int_equal(ping_u32(A.header + 20), 0xfee00900);
	assert_int_equal(
		ask(0x3152, 0xc0000102 + 0x77, 0, 0, NULL, 0), is_b(variant) ? 0xC000000E : 0);
	/* refused by all: special calls, custom breakpoints, partitions, numbers that do not exist
	 */
	static const uint16_t never[] = {0x313f, 0x3140, 0x3141, 0x315d, 0x315e, 0x3163, 0x4444};
	for (unsigned i = 0; i < 7; i++)
		assert_int_equal(ask(never[i], 0, 0, 0, NULL, 0), REFUSED);
	ping_close(&P);
	stop(&k);
}

static void test_events(void **variant)
{
	peer k;
	static uint8_t file[9000];
	uint32_t sum = 0;
	for (unsigned i = 0; i < sizeof(file); i++)
		sum += file[i] = (uint8_t)(i * 7);
	start(&k, kernel_of(*variant),
		"--print-every 7 --trace-every 11 --churn-every 20 --prompt-after 30 "
		"--command-after 40 --fault-after 50 --command k --file "
		"\\SystemRoot\\system32\\drivers\\toy.sys");
	join(&k);
	P.file = file;
	P.file_n = sizeof(file);
	unsigned loads = 0, unloads = 0, commands = 0, faults = 0;
	for (unsigned i = 0; i < 12; i++) {
		assert_true(ping_wait(&P, 5000, false));
		if (state() == LOAD) {
			assert_int_equal(ping_u32(P.state + 32), P.state_data_n);
			assert_int_equal(P.state_data[P.state_data_n - 1], 0);
			unloads += P.state[64] != 0;
			loads += !P.state[64];
			assert_true(ping_continue(&P, false, 0x400));
		} else if (state() == COMMAND) {
			commands++;
			assert_memory_equal(P.state_data, "toy\0k", 6);
			assert_true(ping_continue(&P, false, 0x400));
		} else {
			faults++;
			assert_int_equal(exception(), 0xC0000005u);
			assert_int_equal(ping_u32(P.state + 32 + 152), 0); /* second chance */
			assert_true(ping_continue(&P, false, 0x400));
		}
		if (commands && faults && unloads > 1)
			break;
	}
	assert_int_equal(commands, 1);
	assert_int_equal(faults, 1);
	assert_true(loads >= 3 && unloads >= 1);
	assert_true(P.traces > 0);
	assert_string_equal(P.file_name, "\\SystemRoot\\system32\\drivers\\toy.sys");
	char want[64];
	snprintf(want, sizeof(want), "length 9000, read 9000, sum %u", sum);
	assert_non_null(strstr(P.text, want));
	assert_non_null(strstr(P.text, "prompt: got 'i'"));
	ping_close(&P);
	stop(&k);
}

static void test_leaving_and_coming_back(void **variant)
{
	peer k;
	start(&k, kernel_of(*variant), "--boot-log --print-every 5");
	usleep(2500000); /* nobody is there: boot goes on by itself */
	join(&k);
	until_exception(true);
	uint64_t ticks = number(0x140002008);
	assert_true(ticks > 20);
	go();
	ping_close(&P); /* running */
	usleep(300000);
	join(&k);
	until_exception(true);
	assert_true(number(0x140002008) > ticks);
	ping_close(&P); /* stopped */
	join(&k);
	until_exception(true);
	assert_true(ping_reset(&P));
	kernel_base();
	/* a break-in that is waiting stops it again at once */
	channel_put(&P.line, 0x62);
	channel_flush(&P.line);
	usleep(400000);
	P.have_state = false;
	until_exception(false); /* told once more, because asked */
	go();
	until_exception(false);
	assert_int_equal(exception(), BREAKPOINT);
	/* reboot: everything from the start, somewhere else */
	uint64_t base = kernel_base();
	assert_true(ping_tell(&P, 0x313b, 0));
	P.out_id = P.in_id = 0x80800000u;
	assert_true(ping_wait(&P, 5000, false));
	assert_int_equal(state(), LOAD);
	assert_int_not_equal(kernel_base(), base);
	until_exception(true);
	assert_true(ping_tell(&P, 0x3149, 0));
	until_exception(false);
	assert_non_null(strstr(P.text, "*** Fatal System Error: 0x000000e2"));
	ping_close(&P);
	stop(&k);
	assert_int_equal(number_after(&k, "boots "), 2);
}

static void test_mid_packet(void **variant)
{
	peer k;
	start(&k, kernel_of(*variant), "--mid-packet");
	join(&k);
	until_exception(true);
	assert_true(ping_reset(&P));
	kernel_base();
	/* A damaged packet is asked for again at once, not left to the sender's clock. */
	static const uint8_t damaged[] = "0000\2\0\4\0\0\0\200\200\377\377\0\0abcd\252",
			     want[] = "iiii\5";
	for (size_t i = 0; i < sizeof damaged - 1; i++)
		channel_put(&P.line, damaged[i]);
	for (size_t i = 0; i < sizeof want; i++)
		assert_int_equal(channel_get(&P.line, 2000000), want[i]);
	ping_close(&P);
	stop(&k);
}

static void test_quirks(void **variant)
{
	peer k;
	if (is_b(variant))
		return;
	start(&k, kernel_of(*variant), "--stopped");
	join(&k);
	until_exception(false);
	/* never answered */
	assert_true(ping_tell(&P, 0x315a, 0));
	P.have_state = true;
	kernel_base();
	/* refused, and then the machine runs */
	assert_int_equal(ask(0x3147, 0, 0, 0, NULL, 0), REFUSED);
	P.have_state = false;
	until_exception(true);
	assert_int_equal(exception(), BREAKPOINT);
	ping_close(&P);
	stop(&k);
}

static void test_faults(void **variant)
{
	peer k, f;
	char options[160];
	start(&k, kernel_of(*variant), "--stopped");
	snprintf(
		options, sizeof(options), "--seed 5 --rate 0.02 --delay 50 -- unixto:%s", k.socket);
	start(&f, "faultproxy", options);
	join(&f);
	until_exception(true);
	uint64_t base = kernel_base();
	for (unsigned i = 0; i < 300; i++) {
		uint64_t v = i * 0x123456789abcdefull, back;
		assert_true(ping_write(&P, base + 0x2800 + i % 64 * 8, &v, 8));
		assert_true(ping_read(&P, base + 0x2800 + i % 64 * 8, &back, 8));
		assert_int_equal(v, back);
	}
	ping_close(&P);
	stop(&f);
	stop(&k);
	assert_true(number_after(&f, "drop ") + number_after(&f, "flip ") +
			    number_after(&f, "dup ") + number_after(&f, "cut ") >
		    5);
}

static void test_dead_link(void **variant)
{
	peer k, f;
	char options[160];
	start(&k, kernel_of(*variant), "--stopped");
	snprintf(options, sizeof(options), "--dead-after 3000 -- unixto:%s", k.socket);
	start(&f, "faultproxy", options);
	join(&f);
	until_exception(true);
	uint8_t b[512];
	unsigned good = 0;
	P.line.connections = 0;
	while (good < 20 && ping_read(&P, kernel_base(), b, sizeof(b)))
		if (++good == 2)
			break;
	ping_close(&P);
	stop(&f);
	stop(&k);
	assert_true(number_after(&f, "packets, ") > 0);
}

static void test_channels(void **variant)
{
	static const char *const options[] = {"--stopped tcp:0", "--stopped pty:"};
	for (unsigned i = 0; i < 2; i++) {
		peer k;
		char spec[160];
		start(&k, kernel_of(*variant), options[i]);
		snprintf(spec, sizeof(spec), "%s:%s", i ? "tty" : "tcpto", k.name);
		assert_true(ping_open(&P, spec));
		until_exception(true);
		kernel_base();
		assert_int_equal(ask(0x3130, ping_pc(&P), 3900, 0, NULL, 0), 0);
		go();
		ping_close(&P);
		stop(&k);
	}
}

static void test_mute(void **variant)
{
	peer k;
	start(&k, kernel_of(*variant), "--mute --print-every 3");
	join(&k);
	assert_false(ping_wait(&P, 1500, true));
	assert_int_equal(P.text_n, 0);
	ping_close(&P);
	stop(&k);
}

/* ---- replay ---- */

static void walk_replay(const char *files, unsigned least_loads)
{
	peer k;
	char options[1024];
	snprintf(options, sizeof(options), "-- %s", files);
	start(&k, "replay", options);
	join(&k);
	unsigned loads = 0;
	while (ping_wait(&P, 1500, false)) {
		loads += state() == LOAD;
		go();
	}
	assert_in_range(loads, least_loads, 10000);
	until_exception(true);
	assert_int_equal(exception(), BREAKPOINT);
	kernel_base();
	assert_int_equal(ask(0x3130, 0xdead0000beef, 16, 0, NULL, 0), REFUSED);
	assert_true(ping_continue(&P, true, 0x400));
	until_exception(false);
	assert_int_equal(exception(), STEP);
	assert_true(ping_continue(&P, false, 0x400));
	ping_close(&P);
	stop(&k);
	assert_true(number_after(&k, "answered ") > 0);
}

static void test_replay_sample(void **unused)
{
	(void)unused;
	const char *root = getenv("RS_SOURCE_ROOT");
	char file[512];
	snprintf(file, sizeof(file), "%s/tests/kdpeer/sample/toy.kd", root ? root : ".");
	walk_replay(file, 2);
}

static void test_replay_captures(void **unused)
{
	(void)unused;
	static const char *const names[] = {"boot", "attach-after-crash", "attach-requests",
		"breakpoint-step-hardware", "prompt-exception", "user-module-loads"};
	const char *root = getenv("RS_SOURCE_ROOT");
	char files[1024] = "", dir[512];
	struct stat st;
	snprintf(dir, sizeof(dir), "%s/../shared/kd-captures", root ? root : ".");
	if (stat(dir, &st)) {
		print_message("skipped: no recordings in %s\n", dir);
		skip();
	}
	for (unsigned i = 0; i < 6; i++) {
		size_t n = strlen(files);
		snprintf(files + n, sizeof(files) - n, "%s/%s.kd ", dir, names[i]);
	}
	walk_replay(files, 30);
}

#define BOTH(f) cmocka_unit_test_prestate(f, "a"), cmocka_unit_test_prestate(f, "b")

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_memory),
		BOTH(test_registers),
		BOTH(test_table_of_32),
		BOTH(test_hits_and_steps),
		BOTH(test_hardware),
		BOTH(test_same_address_elsewhere),
		BOTH(test_absent_page),
		BOTH(test_optional),
		BOTH(test_events),
		BOTH(test_leaving_and_coming_back),
		BOTH(test_mid_packet),
		BOTH(test_quirks),
		BOTH(test_faults),
		BOTH(test_dead_link),
		BOTH(test_channels),
		BOTH(test_mute),
		cmocka_unit_test(test_replay_sample),
		cmocka_unit_test(test_replay_captures),
	};
	alarm(300);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
