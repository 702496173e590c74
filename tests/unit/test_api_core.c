/*
 * The public API: result codes and rules as documented for DbgEng, on the fake target.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "api/internal.h"
#include "base/sys.h"
#include "target/fake/fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CODE 0xfffff80000001000ull
#define DATA 0xfffff80000008000ull

/* 0: call +0x20; 5: inc qword [DATA]; c: jmp 0; 20: push rbx; pop rbx; ret */
static const uint8_t code[] = {0xe8, 0x1b, 0, 0, 0, 0x48, 0xff, 0x05, 0xf4, 0x6f, 0, 0, 0xeb,
	0xf2, [0x20] = 0x53, 0x5b, 0xc3};

typedef struct rig {
	rs_session *s;
	fake *f;
	unsigned hits, stop_at;
	buf out;
} rig;

static void on_output(void *u, uint32_t mask, const char *text, size_t n)
{
	(void)mask;
	buf_add(&((rig *)u)->out, text, n);
}

static void start(rig *r)
{
	*r = (rig){0};
	buf_init(&r->out, 0);
	assert_int_equal(rs_create(&r->s), RS_S_OK);
	rs_set_output_callbacks(r->s, on_output, r);
	r->f = fake_create(NULL);
	fake_mem(r->f, as_current(), CODE, code, sizeof code);
	fake_mem(r->f, as_current(), DATA, "\0", 1);
	fake_regs(r->f, 0)->rip = CODE;
	fake_regs(r->f, 0)->gpr[X64_RSP] = DATA + 0x800;
	fake_execute(r->f, true, 5000);
	fake_script(r->f, &(tgt_event){.kind = TGT_EV_EXCEPTION,
				  .code = 0x80000003,
				  .pc = CODE,
				  .n_units = 1,
				  .first_chance = true});
	assert_int_equal(eng_attach(r->s->e, fake_tgt(r->f), ENG_USER, NULL), ERR_OK);
}

static void attached(rig *r)
{
	start(r);
	assert_int_equal(rs_wait_for_event(r->s, 0, 1000), RS_S_OK);
}

static void stop(rig *r)
{
	rs_set_event_callbacks(r->s, NULL, NULL);
	rs_destroy(r->s);
	buf_deinit(&r->out);
}

static void without_a_target(void **state)
{
	rs_session *s;
	uint32_t status, needed, n;
	uint64_t v;
	char text[16];
	rs_breakpoint *bk;

	rs_create(&s);
	assert_int_equal(rs_get_execution_status(s, &status), RS_S_OK);
	assert_int_equal(status, RS_STATUS_NO_DEBUGGEE);
	assert_int_equal(rs_wait_for_event(s, 0, 10), RS_E_UNEXPECTED);
	assert_int_equal(rs_set_execution_status(s, RS_STATUS_GO), RS_E_UNEXPECTED);
	assert_int_equal(rs_set_execution_status(s, RS_STATUS_BREAK), RS_E_INVALIDARG);
	assert_int_equal(
		rs_get_kernel_connection_options(s, text, sizeof text, &needed), RS_E_UNEXPECTED);
	assert_int_equal(rs_set_kernel_connection_options(s, "resync"), RS_E_UNEXPECTED);
	assert_int_equal(rs_is_kernel_debugger_enabled(s), RS_S_FALSE);
	assert_int_equal(rs_attach_kernel(s, RS_ATTACH_LOCAL_KERNEL, NULL), RS_E_NOTIMPL);
	assert_int_equal(rs_attach_kernel(s, RS_ATTACH_EXDI_DRIVER, "x"), RS_E_NOTIMPL);
	assert_int_equal(
		rs_attach_kernel(s, 7, "com:pipe,port=/nonexistent/kd,reconnect"), RS_E_INVALIDARG);
	assert_int_equal(
		rs_attach_kernel(s, RS_ATTACH_KERNEL_CONNECTION, "com:pipe,port=/x,flavour=mint"),
		RS_E_INVALIDARG);
	assert_non_null(strstr(rs_error_text(s), "flavour"));
	assert_int_equal(rs_read_virtual(s, 0, &v, 8, NULL), RS_E_UNEXPECTED);
	assert_int_equal(rs_add_breakpoint(s, RS_BREAKPOINT_CODE, RS_ANY_ID, &bk), RS_E_UNEXPECTED);
	assert_int_equal(rs_end_session(s, RS_END_PASSIVE), RS_E_UNEXPECTED);
	assert_int_equal(rs_get_number_processors(s, &n), RS_E_UNEXPECTED);
	/* Expressions work without a target. */
	assert_int_equal(rs_evaluate(s, "2+3*4", &v, NULL), RS_S_OK);
	assert_int_equal(v, 14);
	assert_int_equal(rs_evaluate(s, "1/0", &v, NULL), RS_E_FAIL);
	assert_int_equal(rs_evaluate(s, "2+3 rest", &v, &n), RS_S_OK);
	assert_int_equal(n, 4);
	assert_int_equal(rs_execute(s, RS_OUTCTL_ALL_CLIENTS, "nosuchcommand", 0), RS_E_FAIL);
	assert_int_equal(rs_create(NULL), RS_E_INVALIDARG);
	rs_destroy(s);
	rs_destroy(NULL);
}

static void attach_is_complete_after_the_wait(void **state)
{
	rig r;
	uint64_t v;
	uint32_t status;
	start(&r);
	assert_int_equal(rs_read_virtual(r.s, CODE, &v, 8, NULL), RS_E_UNEXPECTED);
	assert_int_equal(rs_wait_for_event(r.s, 1, 1000), RS_E_INVALIDARG);
	assert_int_equal(rs_wait_for_event(r.s, 0, 1000), RS_S_OK);
	rs_get_execution_status(r.s, &status);
	assert_int_equal(status, RS_STATUS_BREAK);
	assert_int_equal(rs_read_virtual(r.s, CODE, &v, 8, NULL), RS_S_OK);
	assert_int_equal(rs_wait_for_event(r.s, 0, 10), RS_E_UNEXPECTED); /* nothing makes it run */
	assert_int_equal(rs_set_execution_status(r.s, RS_STATUS_STEP_INTO), RS_S_OK);
	assert_int_equal(rs_set_execution_status(r.s, RS_STATUS_GO), RS_E_ACCESSDENIED);
	assert_int_equal(rs_read_virtual(r.s, CODE, &v, 8, NULL), RS_E_UNEXPECTED);
	assert_int_equal(rs_wait_for_event(r.s, 0, 1000), RS_S_OK);
	assert_int_equal(rs_get_instruction_offset(r.s, &v), RS_S_OK);
	assert_int_equal(v, CODE + 0x20);
	/* A kernel's options are asked of a kernel only. */
	assert_int_equal(rs_get_kernel_connection_options(r.s, NULL, 0, NULL), RS_E_UNEXPECTED);
	stop(&r);
}

/* Nobody is at the other end: the attach itself is done at once, and is not complete. */
static void kernel_connection(void **state)
{
	char dir[] = "/tmp/rs-api-XXXXXX", options[64], text[64];
	uint32_t needed, status;
	uint64_t v;
	rs_session *s;
	assert_non_null(mkdtemp(dir));
	snprintf(options, sizeof options, "com:pipe,port=%s/kd,listen", dir);
	rs_create(&s);
	uint64_t begin = sys_now_ms();
	assert_int_equal(rs_attach_kernel(s, RS_ATTACH_KERNEL_CONNECTION, options), RS_S_OK);
	assert_true(sys_now_ms() - begin < 2000);
	rs_get_execution_status(s, &status);
	assert_int_not_equal(status, RS_STATUS_BREAK);
	assert_int_equal(rs_read_virtual(s, CODE, &v, 8, NULL), RS_E_UNEXPECTED);
	assert_int_equal(rs_get_kernel_connection_options(s, text, sizeof text, &needed), RS_S_OK);
	assert_string_equal(text, options);
	assert_int_equal(needed, strlen(options) + 1);
	assert_int_equal(rs_get_kernel_connection_options(s, text, 4, &needed), RS_S_FALSE);
	assert_string_equal(text, "com");
	assert_int_equal(rs_set_kernel_connection_options(s, "resync"), RS_S_OK);
	assert_int_equal(rs_set_kernel_connection_options(s, "cycle_speed"), RS_S_OK);
	assert_int_equal(rs_set_kernel_connection_options(s, "speed"), RS_E_INVALIDARG);
	assert_int_equal(rs_wait_for_event(s, 0, 50), RS_S_FALSE);
	assert_int_equal(rs_end_session(s, RS_END_PASSIVE), RS_S_OK);
	rs_destroy(s);
	assert_int_equal(rmdir(dir), 0);
}

static void memory_and_registers(void **state)
{
	rig r;
	uint8_t b[0x3000];
	uint32_t done, index, n, needed;
	uint64_t v;
	char name[4];
	attached(&r);
	assert_int_equal(rs_read_virtual(r.s, CODE, b, 16, &done), RS_S_OK);
	assert_int_equal(done, 16);
	assert_memory_equal(b, code, 14);
	assert_int_equal(rs_read_virtual(r.s, CODE, b, sizeof b, &done), RS_S_OK);
	assert_in_range(done, 1, 0x1000); /* short at the end of what is mapped */
	assert_int_equal(rs_read_virtual(r.s, 0x10, b, 4, &done), RS_E_FAIL);
	assert_int_equal(done, 0);
	v = 0x1122;
	assert_int_equal(rs_write_virtual(r.s, DATA + 0x10, &v, 8, &done), RS_S_OK);
	v = 0;
	assert_int_equal(rs_read_virtual(r.s, DATA + 0x10, &v, 8, &done), RS_S_OK);
	assert_int_equal(v, 0x1122);
	/* Physical memory is another space. */
	fake_mem(r.f, as_phys(), CODE & 0xffff, "physical", 8);
	assert_int_equal(rs_read_physical(r.s, CODE & 0xffff, b, 8, &done), RS_S_OK);
	assert_int_equal(done, 8);
	assert_memory_equal(b, "physical", 8);
	assert_int_equal(rs_write_physical(r.s, CODE & 0xffff, "PHYS", 4, &done), RS_S_OK);
	assert_int_equal(done, 4);
	assert_int_equal(rs_read_physical(r.s, CODE & 0xffff, b, 8, &done), RS_S_OK);
	assert_memory_equal(b, "PHYSical", 8);
	assert_int_equal(rs_get_index_by_name(r.s, "RSP", &index), RS_S_OK);
	assert_int_equal(rs_get_value(r.s, index, &v), RS_S_OK);
	assert_int_equal(v, DATA + 0x800);
	assert_int_equal(rs_set_value(r.s, index, DATA + 0x900), RS_S_OK);
	assert_int_equal(rs_get_stack_offset(r.s, &v), RS_S_OK);
	assert_int_equal(v, DATA + 0x900);
	assert_int_equal(
		rs_get_register_name(r.s, index, name, 3, &needed), RS_S_FALSE); /* truncated */
	assert_string_equal(name, "rs");
	assert_int_equal(needed, 4);
	assert_int_equal(rs_get_number_registers(r.s, &n), RS_S_OK);
	assert_int_equal(rs_get_value(r.s, n, &v), RS_E_INVALIDARG);
	assert_int_equal(rs_get_index_by_name(r.s, "eflags.none", &index), RS_E_NOINTERFACE);
	stop(&r);
}

static uint32_t on_breakpoint(void *u, rs_breakpoint *bk, uint32_t id)
{
	rig *r = u;
	(void)bk;
	(void)id;
	return ++r->hits < r->stop_at ? RS_STATUS_GO : RS_STATUS_BREAK;
}

static void breakpoint_objects(void **state)
{
	rig r;
	rs_breakpoint *bk, *other;
	uint32_t v, n;
	uint64_t a;
	char text[64];
	attached(&r);
	assert_int_equal(rs_add_breakpoint(r.s, 5, RS_ANY_ID, &bk), RS_E_INVALIDARG);
	assert_int_equal(rs_add_breakpoint(r.s, RS_BREAKPOINT_CODE, 4, &bk), RS_S_OK);
	assert_int_equal(rs_add_breakpoint(r.s, RS_BREAKPOINT_CODE, 4, &other), RS_E_INVALIDARG);
	rs_breakpoint_get_flags(r.s, bk, &v);
	assert_int_equal(v, 0); /* new: disabled, at 0 */
	rs_breakpoint_get_offset(r.s, bk, &a);
	assert_int_equal(a, 0);
	assert_int_equal(rs_breakpoint_get_data_parameters(r.s, bk, &v, &n), RS_E_NOINTERFACE);
	assert_int_equal(rs_breakpoint_set_offset_expression(r.s, bk, "nosuch!thing"), RS_S_OK);
	rs_breakpoint_get_flags(r.s, bk, &v);
	assert_int_equal(v, RS_BREAKPOINT_DEFERRED);
	assert_int_equal(rs_breakpoint_get_offset(r.s, bk, &a), RS_E_NOINTERFACE);
	assert_int_equal(rs_breakpoint_set_offset(r.s, bk, CODE), RS_E_UNEXPECTED);
	assert_int_equal(
		rs_breakpoint_set_offset_expression(r.s, bk, "fffff800`00001020"), RS_S_OK);
	assert_int_equal(rs_breakpoint_get_offset(r.s, bk, &a), RS_S_OK);
	assert_int_equal(a, CODE + 0x20);
	assert_int_equal(rs_breakpoint_add_flags(r.s, bk, RS_BREAKPOINT_DEFERRED), RS_E_INVALIDARG);
	assert_int_equal(rs_breakpoint_add_flags(r.s, bk, RS_BREAKPOINT_ENABLED), RS_S_OK);
	assert_int_equal(rs_breakpoint_get_match_thread(r.s, bk, &a), RS_E_NOINTERFACE);
	assert_int_equal(rs_breakpoint_set_pass_count(r.s, bk, 3), RS_S_OK);
	r.stop_at = 2;
	rs_set_event_callbacks(r.s, &(rs_event_callbacks){.breakpoint = on_breakpoint}, &r);
	rs_set_execution_status(r.s, RS_STATUS_GO);
	assert_int_equal(rs_wait_for_event(r.s, 0, 2000), RS_S_OK);
	assert_int_equal(r.hits, 2); /* the callback let the first one go on */
	rs_breakpoint_get_current_pass_count(r.s, bk, &v);
	assert_int_equal(v, 1);
	rs_breakpoint_get_pass_count(r.s, bk, &v);
	assert_int_equal(v, 3);
	assert_int_equal(rs_read_virtual(r.s, DATA, &a, 8, NULL), RS_S_OK);
	assert_int_equal(a, 3); /* third arrival triggered and was let go; the fourth stopped */
	assert_int_equal(
		rs_get_last_event_information(r.s, &v, &n, text, sizeof text, NULL), RS_S_OK);
	assert_int_equal(v, RS_EVENT_BREAKPOINT);
	assert_int_equal(rs_get_breakpoint_by_id(r.s, 4, &other), RS_S_OK);
	assert_ptr_equal(bk, other);
	assert_int_equal(rs_get_breakpoint_by_id(r.s, 9, &other), RS_E_NOINTERFACE);
	assert_int_equal(rs_get_breakpoint_by_index(r.s, 1, &other), RS_E_NOINTERFACE);
	rs_execute(r.s, RS_OUTCTL_IGNORE, "bc 4", 0);
	assert_int_equal(rs_breakpoint_get_id(r.s, bk, &v), RS_E_NOINTERFACE); /* it is gone */
	assert_int_equal(rs_get_number_breakpoints(r.s, &n), RS_S_OK);
	assert_int_equal(n, 0);
	assert_int_equal(rs_add_breakpoint(r.s, RS_BREAKPOINT_CODE, RS_ANY_ID, &bk), RS_S_OK);
	assert_int_equal(rs_remove_breakpoint(r.s, bk), RS_S_OK);
	assert_int_equal(rs_get_number_breakpoints(r.s, &n), RS_S_OK);
	assert_int_equal(n, 0);
	assert_int_equal(rs_remove_breakpoint(r.s, bk), RS_E_NOINTERFACE);
	/* Data breakpoints. */
	assert_int_equal(rs_add_breakpoint(r.s, RS_BREAKPOINT_DATA, RS_ANY_ID, &bk), RS_S_OK);
	assert_int_equal(
		rs_breakpoint_set_data_parameters(r.s, bk, 3, RS_BREAK_WRITE), RS_E_INVALIDARG);
	assert_int_equal(rs_breakpoint_set_data_parameters(r.s, bk, 4, RS_BREAK_READ), RS_S_OK);
	rs_breakpoint_get_data_parameters(r.s, bk, &n, &v);
	assert_int_equal(v, RS_BREAK_READ | RS_BREAK_WRITE);
	assert_int_equal(rs_breakpoint_set_offset(r.s, bk, DATA + 2), RS_E_INVALIDARG);
	assert_int_equal(rs_breakpoint_set_match_thread(r.s, bk, 1234), RS_E_INVALIDARG);
	stop(&r);
}

static uint32_t on_exception(void *u, const rs_exception *x)
{
	rig *r = u;
	assert_int_equal(x->code, 0x80000003);
	assert_true(x->first_chance);
	r->hits++;
	return RS_STATUS_NO_CHANGE;
}

static uint32_t let_go(void *u, rs_breakpoint *bk, uint32_t id)
{
	(void)bk;
	(void)id;
	return ++((rig *)u)->hits < 50 ? RS_STATUS_GO : RS_STATUS_BREAK;
}

/* Of what commands and callbacks want the highest status counts. */
static void verdicts_and_callbacks(void **state)
{
	rig r;
	uint64_t v;
	start(&r);
	rs_set_event_callbacks(r.s, &(rs_event_callbacks){.exception = on_exception}, &r);
	assert_int_equal(rs_wait_for_event(r.s, 0, 1000), RS_S_OK);
	assert_int_equal(r.hits, 1);
	r.hits = 0;
	rs_set_event_callbacks(r.s, &(rs_event_callbacks){.breakpoint = let_go}, &r);
	rs_execute(r.s, RS_OUTCTL_ALL_CLIENTS, "bp fffff800`00001020 \"t\"", 0);
	rs_set_execution_status(r.s, RS_STATUS_GO);
	assert_int_equal(rs_wait_for_event(r.s, 0, 2000), RS_S_OK);
	assert_int_equal(r.hits, 1);
	assert_int_equal(rs_get_instruction_offset(r.s, &v), RS_S_OK);
	assert_int_equal(v, CODE + 0x21);
	rs_execute(r.s, RS_OUTCTL_ALL_CLIENTS, "bc *; bp fffff800`00001020 \"gc\"", 0);
	r.hits = 49;
	rs_set_execution_status(r.s, RS_STATUS_GO);
	assert_int_equal(rs_wait_for_event(r.s, 0, 2000), RS_S_OK); /* the callback's BREAK */
	assert_int_equal(r.hits, 50);
	stop(&r);
}

static void sequences_wait_and_lone_ones_do_not(void **state)
{
	rig r;
	uint32_t status;
	attached(&r);
	assert_int_equal(rs_execute(r.s, RS_OUTCTL_ALL_CLIENTS, "t", 0), RS_S_OK);
	rs_get_execution_status(r.s, &status);
	assert_int_equal(status, RS_STATUS_STEP_INTO); /* only initiated */
	assert_int_equal(rs_wait_for_event(r.s, 0, 1000), RS_S_OK);
	buf_clear(&r.out);
	assert_int_equal(rs_execute(r.s, RS_OUTCTL_ALL_CLIENTS, "t; ? @$ip - fffff800`00001000", 0),
		RS_S_OK);
	assert_non_null(strstr(buf_z(&r.out), "= 00000000`00000021"));
	rs_get_execution_status(r.s, &status);
	assert_int_equal(status, RS_STATUS_BREAK);
	buf_clear(&r.out);
	assert_int_equal(rs_execute(r.s, RS_OUTCTL_IGNORE, ".echo unheard", 0), RS_S_OK);
	assert_int_equal(r.out.n, 0);
	stop(&r);
}

static void *from_another_thread(void *u)
{
	rig *r = u;
	uint64_t v;
	uint32_t status;
	if (rs_get_instruction_offset(r->s, &v) != RS_E_UNEXPECTED)
		return "a call from another thread went through";
	if (rs_get_execution_status(r->s, &status) != RS_S_OK ||
		rs_set_interrupt(r->s, RS_INTERRUPT_PASSIVE) != RS_S_OK)
		return "a call that any thread may make was refused";
	return NULL;
}

static void *soon(void *u)
{
	usleep(100000);
	rs_set_interrupt(((rig *)u)->s, ((rig *)u)->stop_at);
	return NULL;
}

/* The wait of one thread is ended by another: by a break, or by itself. */
static void interrupts(void **state)
{
	rig r;
	pthread_t t;
	uint32_t status;
	attached(&r);
	static const struct {
		uint32_t how;
		rs_result want;
	} row[] = {{RS_INTERRUPT_EXIT, RS_E_PENDING}, {RS_INTERRUPT_ACTIVE, RS_S_OK}};
	assert_int_equal(rs_set_execution_status(r.s, RS_STATUS_GO), RS_S_OK);
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		r.stop_at = row[i].how;
		assert_int_equal(pthread_create(&t, NULL, soon, &r), 0);
		assert_int_equal(rs_wait_for_event(r.s, 0, RS_INFINITE), row[i].want);
		pthread_join(t, NULL);
	}
	rs_get_execution_status(r.s, &status);
	assert_int_equal(status, RS_STATUS_BREAK);
	stop(&r);
}

static void threads(void **state)
{
	rig r;
	pthread_t t;
	void *why;
	attached(&r);
	assert_int_equal(pthread_create(&t, NULL, from_another_thread, &r), 0);
	pthread_join(t, &why);
	if (why)
		fail_msg("%s", (char *)why);
	assert_int_equal(rs_get_interrupt(r.s), RS_S_OK);
	assert_int_equal(rs_get_interrupt(r.s), RS_S_FALSE); /* reading it clears it */
	assert_int_equal(rs_set_interrupt(r.s, 9), RS_E_INVALIDARG);
	stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_target),
		cmocka_unit_test(attach_is_complete_after_the_wait),
		cmocka_unit_test(kernel_connection),
		cmocka_unit_test(memory_and_registers),
		cmocka_unit_test(breakpoint_objects),
		cmocka_unit_test(sequences_wait_and_lone_ones_do_not),
		cmocka_unit_test(verdicts_and_callbacks),
		cmocka_unit_test(interrupts),
		cmocka_unit_test(threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
