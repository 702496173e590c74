/* os: a target without a system, and a system that lacks something: words instead of a crash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "os/os.h"

static diag d;

/* What a call that cannot be answered says. */
static const char *words(err e)
{
	assert_int_equal(e, ERR_UNSUPPORTED);
	assert_int_equal(d.code, ERR_UNSUPPORTED);
	return d.text;
}

static bool no_process(void *u, const os_process *p)
{
	fail_msg("there is no process");
	return false;
}

static bool no_thread(void *u, const os_thread *t)
{
	fail_msg("there is no thread");
	return false;
}

static void nothing_there(os *o)
{
	static const char none[] = "this target has no operating system";
	os_process p;
	os_thread t;
	x64_regs r;
	x64_walk w = {0};
	uint64_t a = 1, b = 2, params[4];
	uint32_t code = 3;
	buf text;
	buf_init(&text, 0);
	os_stopped(o);
	assert_string_equal(words(os_process_each(o, no_process, NULL, &d)), none);
	assert_string_equal(words(os_thread_each(o, 1, no_thread, NULL, &d)), none);
	assert_string_equal(words(os_process_get(o, 1, &p, &d)), none);
	assert_string_equal(words(os_thread_get(o, 1, &t, &d)), none);
	assert_string_equal(words(os_running(o, 0, &a, &b, &d)), none);
	assert_string_equal(words(os_thread_process(o, 1, &a, &d)), none);
	assert_string_equal(words(os_thread_regs(o, 1, &r, &d)), none);
	assert_string_equal(words(os_trap_regs(o, 1, &r, &d)), none);
	assert_string_equal(words(os_kernel_modules(o, &d)), none);
	assert_string_equal(words(os_user_modules(o, 1, &d)), none);
	assert_string_equal(words(os_make_current(o, 1, &d)), none);
	assert_string_equal(words(os_page_in(o, 1, 1, &d)), none);
	assert_string_equal(words(os_kill(o, 1, &d)), none);
	assert_string_equal(words(os_soft_pte(o, &w, 1, &a, &d)), none);
	assert_string_equal(words(os_bugcheck(o, &code, params, &d)), none);
	assert_string_equal(words(os_version(o, &text, &d)), none);
	assert_string_equal(words(os_tls_block(o, 1, 1, 1, &a, &d)), none);
	assert_string_equal(words(os_global(o, STR("x"), &a, &d)), none);
	assert_true(a == 1 && b == 2 && code == 3 && !text.n);
	assert_true(os_is_user(o, 0x7fffffffffffull));
	assert_false(os_is_user(o, 0xfffff80000000000ull));
	os_destroy(o);
}

static void no_system(void **state)
{
	nothing_there(NULL);
	nothing_there(os_none_create(&(os_host){0}));
}

/* Processes of Linux have no kernel's things. */
static void no_kernel(void **state)
{
	os *o = os_linux_create(&(os_host){0});
	uint32_t code;
	uint64_t params[4];
	assert_string_equal(words(os_bugcheck(o, &code, params, &d)),
		"a bug check belongs to kernel debugging");
	assert_string_equal(words(os_make_current(o, 1, &d)),
		"making a process current belongs to kernel debugging");
	assert_int_equal(os_kernel_modules(o, &d), ERR_OK);
	os_destroy(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_system), cmocka_unit_test(no_kernel)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
