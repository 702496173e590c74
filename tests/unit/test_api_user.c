/* The API in user mode, as a client sees it: only ringside.h. */
#include "ringside.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { HITS = 25, THREADS = 4 };

typedef struct seen {
	rs_session *s;
	unsigned hits, processes, exits, threads, thread_exits, loads;
	uint32_t exit_code;
	char text[8192];
	const char *interrupt_at; /* ask for a break when this was output; NULL: never */
} seen;

static uint32_t on_breakpoint(void *u, rs_breakpoint *bp, uint32_t id)
{
	seen *c = u;
	uint32_t thread;
	c->hits++;
	assert_int_equal(rs_get_current_thread_id(c->s, &thread), RS_S_OK);
	return RS_STATUS_GO;
}

static uint32_t on_process(void *u, uint64_t system_id, const char *image, uint64_t base)
{
	seen *c = u;
	assert_true(system_id != 0 && base != 0 && strstr(image, "user-hits"));
	c->processes++;
	return RS_STATUS_NO_CHANGE;
}

static uint32_t on_process_exit(void *u, uint64_t system_id, uint32_t code)
{
	seen *c = u;
	c->exits++;
	c->exit_code = code;
	return RS_STATUS_NO_CHANGE;
}

static uint32_t on_thread(void *u, uint64_t process, uint32_t tid)
{
	((seen *)u)->threads++;
	return RS_STATUS_NO_CHANGE;
}

static uint32_t on_thread_exit(void *u, uint32_t tid, uint32_t code)
{
	((seen *)u)->thread_exits++;
	return RS_STATUS_NO_CHANGE;
}

static uint32_t on_load(void *u, uint64_t base, uint32_t size, const char *path, uint32_t sum)
{
	((seen *)u)->loads++;
	return RS_STATUS_NO_CHANGE;
}

static const char *program(const char *name)
{
	static char path[1024];
	snprintf(path, sizeof path, "%s/tests/debuggee/user/%s", getenv("RS_BUILD_ROOT"), name);
	return path;
}

static void begin(seen *c)
{
	static const rs_event_callbacks cb = {.breakpoint = on_breakpoint,
		.create_process = on_process,
		.exit_process = on_process_exit,
		.create_thread = on_thread,
		.exit_thread = on_thread_exit,
		.load_module = on_load};
	memset(c, 0, sizeof *c);
	assert_int_equal(rs_create(&c->s), RS_S_OK);
	rs_set_event_callbacks(c->s, &cb, c);
}

static void start(seen *c, const char *count, const char *threads)
{
	const char *argv[] = {program("user-hits"), count, threads, NULL};
	assert_int_equal(rs_create_process(c->s, 3, argv, NULL, 0), RS_S_OK);
	assert_int_equal(rs_wait_for_event(c->s, 0, 60000), RS_S_OK);
}

static void go(rs_session *s)
{
	assert_int_equal(rs_set_execution_status(s, RS_STATUS_GO), RS_S_OK);
}

/* A program with threads: every hit of a breakpoint set by API is counted, births and deaths are
 * told, its exit code is known. */
static void test_hits(void **state)
{
	seen c;
	rs_breakpoint *bp;
	uint32_t n = 0, code = 0, flags;
	char count[16], threads[16];

	snprintf(count, sizeof count, "%d", HITS);
	snprintf(threads, sizeof threads, "%d", THREADS);
	begin(&c);
	start(&c, count, threads);
	assert_int_equal(c.processes, 1);
	assert_true(c.loads >= 2);
	assert_int_equal(rs_get_number_threads(c.s, &n), RS_S_OK);
	assert_int_equal(n, 1);
	assert_int_equal(rs_get_exit_code(c.s, &code), RS_S_FALSE);
	assert_int_equal(rs_add_breakpoint(c.s, RS_BREAKPOINT_CODE, RS_ANY_ID, &bp), RS_S_OK);
	assert_int_equal(rs_breakpoint_set_offset_expression(c.s, bp, "user_hits!hit"), RS_S_OK);
	assert_int_equal(rs_breakpoint_get_flags(c.s, bp, &flags), RS_S_OK);
	assert_false(flags & RS_BREAKPOINT_DEFERRED);
	assert_int_equal(rs_breakpoint_add_flags(c.s, bp, RS_BREAKPOINT_ENABLED), RS_S_OK);
	go(c.s);
	/* Nothing stops it: the wait ends with the program. */
	assert_int_equal(rs_wait_for_event(c.s, 0, 120000), RS_E_UNEXPECTED);
	assert_int_equal(c.hits, HITS * THREADS);
	assert_int_equal(c.threads, THREADS);
	assert_int_equal(c.exits, 1);
	assert_int_equal(c.exit_code, HITS * THREADS & 127);
	assert_int_equal(rs_get_exit_code(c.s, &code), RS_S_OK);
	assert_int_equal(code, c.exit_code);
	assert_int_equal(rs_get_number_threads(c.s, &n), RS_E_UNEXPECTED);
	rs_destroy(c.s);
}

/* Two processes in one session, chosen by number; the first runs on while the second starts. The
 * end of the session ends both. */
static void test_two_processes(void **state)
{
	seen c;
	uint32_t n = 0, id;
	uint64_t first = 0, second = 0;

	begin(&c);
	start(&c, "1000000000000", "1");
	start(&c, "1", "1");
	assert_int_equal(rs_get_number_processes(c.s, &n), RS_S_OK);
	assert_int_equal(n, 2);
	assert_int_equal(rs_get_current_process_id(c.s, &id), RS_S_OK);
	assert_int_equal(id, 1);
	assert_int_equal(rs_get_current_process_system_id(c.s, &second), RS_S_OK);
	assert_int_equal(rs_set_current_process_id(c.s, 0), RS_S_OK);
	assert_int_equal(rs_get_current_process_system_id(c.s, &first), RS_S_OK);
	assert_true(first && second && first != second);
	assert_true(rs_set_current_process_id(c.s, 7) < 0);
	assert_int_equal(rs_end_session(c.s, RS_END_ACTIVE_TERMINATE), RS_S_OK);
	assert_int_equal(kill((pid_t)first, 0), -1);
	assert_int_equal(kill((pid_t)second, 0), -1);
	rs_destroy(c.s);
}

static void on_output(void *u, uint32_t mask, const char *text, size_t n)
{
	seen *c = u;
	size_t used = strlen(c->text);
	snprintf(c->text + used, sizeof c->text - used, "%.*s", (int)n, text);
	if (c->interrupt_at && strstr(c->text, c->interrupt_at))
		rs_set_interrupt(c->s, RS_INTERRUPT_ACTIVE);
}

/* Ctrl+C amid ~*e: the commands for the other threads do not come, the current thread stays. */
static void test_interrupted_threads(void **state)
{
	seen c;
	uint32_t first, id;

	begin(&c);
	start(&c, "1", "8");
	rs_set_event_callbacks(c.s, NULL, NULL); /* a hit stops */
	rs_set_output_callbacks(c.s, on_output, &c);
	assert_int_equal(rs_execute(c.s, 0, "bp user_hits!hit; g", 0), RS_S_OK);
	assert_int_equal(rs_wait_for_event(c.s, 0, 60000), RS_S_OK);
	c.text[0] = 0;
	assert_int_equal(rs_execute(c.s, 0, "~*e .echo there", 0), RS_S_OK);
	assert_non_null(strstr(strstr(c.text, "there") + 1, "there"));
	c.text[0] = 0;
	c.interrupt_at = "there 1";
	assert_int_equal(rs_get_current_thread_id(c.s, &first), RS_S_OK);
	assert_int_not_equal(first, 0); /* the hit is in another than the first of the list */
	assert_true(rs_execute(c.s, 0, "~*e .printf \"there %d\\n\", $tid != 0", 0) < 0);
	assert_null(strstr(strstr(c.text, "there") + 1, "there"));
	assert_int_equal(rs_get_current_thread_id(c.s, &id), RS_S_OK);
	assert_int_equal(id, first);
	rs_destroy(c.s);
}

/* What .ttime says of a thread in user mode, in ms. */
static unsigned thread_time(seen *c, const char *thread)
{
	unsigned hours, minutes, seconds, ms;
	char line[32];
	c->text[0] = 0;
	snprintf(line, sizeof line, "%ss; .ttime", thread);
	assert_int_equal(rs_execute(c->s, 0, line, 0), RS_S_OK);
	const char *user = strstr(c->text, "User: 0 days ");
	assert_non_null(user);
	assert_int_equal(sscanf(user + 13, "%u:%u:%u.%u", &hours, &minutes, &seconds, &ms), 4);
	return ((hours * 60 + minutes) * 60 + seconds) * 1000 + ms;
}

/* Each thread's time is its own: the first one only waits for the other, which counts. */
static void test_thread_times(void **state)
{
	seen c;
	unsigned busy = 0;
	const char *first, *second;

	begin(&c);
	start(&c, "1000000000000", "2");
	rs_set_output_callbacks(c.s, on_output, &c);
	for (int i = 0; i < 100 && busy < 300; i++) {
		go(c.s);
		assert_int_equal(rs_wait_for_event(c.s, 0, 200), RS_S_FALSE);
		assert_int_equal(rs_set_interrupt(c.s, RS_INTERRUPT_ACTIVE), RS_S_OK);
		assert_int_equal(rs_wait_for_event(c.s, 0, 60000), RS_S_OK);
		busy = thread_time(&c, "~1");
	}
	assert_in_range(busy, 300, 100000);
	assert_in_range(thread_time(&c, "~0"), 0, 100);
	c.text[0] = 0;
	assert_int_equal(rs_execute(c.s, 0, "!runaway", 0), RS_S_OK);
	first = strstr(c.text, "  0:");
	second = strstr(c.text, "  1:");
	assert_true(first && second && first > second); /* the longest first */
	assert_int_equal(rs_end_session(c.s, RS_END_ACTIVE_TERMINATE), RS_S_OK);
	rs_destroy(c.s);
}

static pid_t named_child(const char *name)
{
	int ready[2];
	char byte;
	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	if (!pid) {
		prctl(PR_SET_NAME, name);
		if (write(ready[1], "", 1) == 1)
			pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Processes of the host, by name: found, not alone, listed. */
static void test_names(void **state)
{
	seen c;
	uint64_t found = 0;
	char name[16], row[64], other[64];

	snprintf(name, sizeof name, "rs %d", (int)getpid());
	begin(&c);
	rs_set_output_callbacks(c.s, on_output, &c);
	pid_t one = named_child(name);
	assert_int_equal(
		rs_get_running_process_system_id_by_executable_name(c.s, name, &found), RS_S_OK);
	assert_int_equal(found, one);
	pid_t two = named_child(name);
	assert_true(rs_get_running_process_system_id_by_executable_name(c.s, name, &found) < 0);
	assert_non_null(strstr(rs_error_text(c.s), "2 processes are called"));
	snprintf(row, sizeof row, ".tlist %s", name);
	assert_int_equal(rs_execute(c.s, 0, row, 0), RS_S_OK);
	snprintf(row, sizeof row, " 0n%d %s\n", one < two ? one : two, name);
	snprintf(other, sizeof other, " 0n%d %s\n", one < two ? two : one, name);
	assert_int_equal(strncmp(c.text, row, strlen(row)), 0);
	assert_string_equal(c.text + strlen(row), other);
	end_child(one);
	end_child(two);
	rs_destroy(c.s);
}

/* Names that begin alike, and are longer than what the kernel keeps of them. */
static void test_long_names(void **state)
{
	static const char *const names[] = {"rs_a_very_long_name_one", "rs_a_very_long_name_two"};
	char path[2][1100], row[64];
	pid_t pid[2];
	seen c;

	begin(&c);
	rs_set_output_callbacks(c.s, on_output, &c);
	for (int i = 0; i < 2; i++) {
		uint64_t found = 0;
		snprintf(path[i], sizeof path[i], "%s/%s", getenv("RS_BUILD_ROOT"), names[i]);
		unlink(path[i]);
		assert_int_equal(symlink(program("user-ticker"), path[i]), 0);
		pid[i] = fork();
		if (!pid[i]) {
			dup2(open("/dev/null", 1), 1);
			execl(path[i], path[i], NULL);
			_exit(127);
		}
		for (int k = 0; k < 1000 && found != (uint64_t)pid[i]; k++) {
			usleep(10000);
			(void)rs_get_running_process_system_id_by_executable_name(
				c.s, names[i], &found);
		}
		assert_int_equal(found, pid[i]);
	}
	assert_true(rs_get_running_process_system_id_by_executable_name(
			    c.s, "rs_a_very_long_name_six", &(uint64_t){0}) < 0);
	c.text[0] = 0;
	assert_int_equal(rs_execute(c.s, 0, ".tlist rs_a_very_long_name_t*", 0), RS_S_OK);
	snprintf(row, sizeof row, " 0n%d %s\n", pid[1], names[1]);
	assert_string_equal(c.text, row);
	for (int i = 0; i < 2; i++) {
		end_child(pid[i]);
		unlink(path[i]);
	}
	rs_destroy(c.s);
}

/* Attached to, looked at, left: it lives on. */
static void test_attach(void **state)
{
	seen c;
	pid_t pid = fork();
	uint64_t ip = 0;
	char text[64];

	if (!pid) {
		int null = open("/dev/null", 1);
		dup2(null, 1);
		execl(program("user-ticker"), "user-ticker", NULL);
		_exit(127);
	}
	usleep(200000);
	memset(&c, 0, sizeof c);
	assert_int_equal(rs_create(&c.s), RS_S_OK);
	assert_int_equal(rs_attach_process(c.s, (uint64_t)pid, 0), RS_S_OK);
	assert_int_equal(rs_wait_for_event(c.s, 0, 60000), RS_S_OK);
	assert_int_equal(rs_get_instruction_offset(c.s, &ip), RS_S_OK);
	assert_true(ip != 0);
	rs_get_prompt_text(c.s, text, sizeof text, NULL);
	assert_string_equal(text, "0:000");
	assert_int_equal(rs_detach_processes(c.s), RS_S_OK);
	rs_destroy(c.s);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_refusals(void **state)
{
	seen c;
	const char *none[] = {"/nonexistent/program", NULL};
	uint64_t pid;
	uint32_t n;

	begin(&c);
	assert_int_equal(rs_create_process(c.s, 0, none, NULL, 0), RS_E_INVALIDARG);
	assert_true(rs_create_process(c.s, 1, none, NULL, 0) < 0);
	assert_non_null(strstr(rs_error_text(c.s), "/nonexistent/program"));
	assert_true(rs_attach_process(c.s, 0x7ffffff0, 0) < 0);
	assert_true(rs_error_text(c.s)[0] != 0);
	assert_true(
		rs_get_running_process_system_id_by_executable_name(c.s, "no such name", &pid) < 0);
	assert_int_equal(rs_get_number_threads(c.s, &n), RS_E_UNEXPECTED);
	assert_int_equal(rs_wait_for_event(c.s, 0, 1), RS_E_UNEXPECTED);
	rs_destroy(c.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hits),
		cmocka_unit_test(test_two_processes),
		cmocka_unit_test(test_interrupted_threads),
		cmocka_unit_test(test_thread_times),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_attach),
		cmocka_unit_test(test_refusals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
