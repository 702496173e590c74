/*
 * Breakpoints and execution through the command language, on the fake target: what is planted when,
 * what is said, and who gets the verdict.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cmd/cmd.h"
#include "target/fake/fake.h"

#include <stdio.h>

#define CODE 0xfffff80000001000ull
#define DATA 0xfffff80000008000ull

/*
 * 0 main: call f (+0x20); 5 call f; a inc qword [DATA]; 11 jmp main; 1f int 3
 * 20 f:   push rbx; 21 mov rbx,1; 28 sub rsp,20h; 2c add rsp,20h; 30 pop rbx; 31 ret
 */
static const uint8_t code[] = {
	0xe8,
	0x1b,
	0,
	0,
	0,
	0xe8,
	0x16,
	0,
	0,
	0,
	0x48,
	0xff,
	0x05,
	0xef,
	0x6f,
	0,
	0,
	0xeb,
	0xed,
	[0x1f] = 0xcc,
	0x53,
	0x48,
	0xc7,
	0xc3,
	1,
	0,
	0,
	0,
	0x48,
	0x83,
	0xec,
	0x20,
	0x48,
	0x83,
	0xc4,
	0x20,
	0x5b,
	0xc3,
};

typedef struct rig {
	engine *e;
	cmd *c;
	fake *f;
	buf out;
} rig;

static void on_output(void *u, unsigned mask, str text)
{
	(void)mask;
	buf_adds(&((rig *)u)->out, text);
}

/* Stopped by a break instruction that is said to stand at pc. */
static void start_at(rig *r, unsigned units, uint64_t pc)
{
	*r = (rig){0};
	buf_init(&r->out, 0);
	r->e = eng_create();
	r->e->hooks.u = r;
	r->e->hooks.output = on_output;
	r->c = cmd_create(r->e);
	r->f = fake_create(NULL);
	fake_mem(r->f, as_current(), CODE, code, sizeof code);
	fake_mem(r->f, as_current(), DATA, "\0", 1);
	fake_mem(r->f, as_current(), DATA + 0x1000, "\0", 1);
	for (unit_t u = 0; u < units; u++) {
		x64_regs *g = fake_regs(r->f, u);
		g->rip = pc;
		g->gpr[X64_RSP] = DATA + 0x1800;
	}
	fake_caps(r->f)->max_soft = 32;
	fake_execute(r->f, true, 3000);
	tgt_event ev = {
		.kind = TGT_EV_EXCEPTION,
		.code = 0x80000003,
		.pc = pc,
		.n_units = units,
		.first_chance = true,
	};
	fake_script(r->f, &ev);
	assert_int_equal(eng_attach(r->e, fake_tgt(r->f), ENG_USER, NULL), ERR_OK);
	assert_int_equal(eng_wait(r->e, 1000, NULL), ERR_OK);
	buf_clear(&r->out);
}

static void start(rig *r, unsigned units)
{
	start_at(r, units, CODE);
}

static void stop(rig *r)
{
	r->e->hooks.output = NULL;
	eng_end(r->e, TGT_DETACH);
	r->e->hooks = (eng_hooks){0};
	cmd_destroy(r->c);
	eng_destroy(r->e);
	buf_deinit(&r->out);
}

/* Runs a line, waits if it set the target running; the output since then. */
static const char *run(rig *r, const char *line)
{
	diag d = {0};
	buf_clear(&r->out);
	(void)!cmd_execute(r->c, str_of(line));
	while (r->e->t && r->e->status != ST_BREAK && r->e->status != ST_NO_DEBUGGEE) {
		err e = eng_wait(r->e, 2000, &d);
		if (e != ERR_OK)
			fail_msg("%s: %s", line, d.text);
	}
	return buf_z(&r->out);
}

static uint64_t rip(rig *r)
{
	uint64_t v = 0;
	assert_int_equal(eng_reg_get(r->e, STR("rip"), &v, NULL), ERR_OK);
	return v;
}

static uint64_t counter(rig *r)
{
	uint64_t v = 0;
	assert_int_equal(eng_read_uint(r->e, DATA, 8, &v, NULL), ERR_OK);
	return v;
}

#define HAS(text, part)                                                                            \
	do {                                                                                       \
		const char *has_t_ = (text);                                                       \
		if (!strstr(has_t_, (part)))                                                       \
			fail_msg("no \"%s\" in: %s", (part), has_t_);                              \
	} while (0)

static void hits_and_passes(void **state)
{
	rig r;
	start(&r, 1);
	run(&r, "bp fffff800`00001020");
	const fake_call *last = fake_resumed(r.f, 0);
	assert_true(!last || last->armed == 0); /* nothing is planted before the target resumes */
	HAS(run(&r, "g"), "Breakpoint 0 hit");
	assert_int_equal(rip(&r), CODE + 0x20);
	assert_int_equal(fake_resumed(r.f, 0)->armed, 1);
	/* Views never show the byte. */
	uint8_t b = 0;
	assert_int_equal(eng_read_all(r.e, CODE + 0x20, &b, 1, NULL), ERR_OK);
	assert_int_equal(b, 0x53);
	/* Two calls a round: the third hit from here is in the second round. */
	run(&r, "bc *");
	run(&r, "bp fffff800`00001020 3");
	HAS(run(&r, "bl"), "0003 (0003)");
	/* Arrivals by steps do not count. */
	run(&r, "r rip=fffff800`00001000");
	run(&r, "t");
	assert_int_equal(rip(&r), CODE + 0x20);
	HAS(run(&r, "bl"), "0003 (0003)");
	/* One that a step over a call runs into stops at once, whatever is left. */
	run(&r, "r rip=fffff800`00001000");
	HAS(run(&r, "p"), "Breakpoint 0 hit");
	assert_int_equal(rip(&r), CODE + 0x20);
	HAS(run(&r, "bl"), "0003 (0003)");
	uint64_t before = counter(&r);
	HAS(run(&r, "g"), "Breakpoint 0 hit");
	assert_int_equal(counter(&r) - before, 1);
	HAS(run(&r, "bl"), "0001 (0003)");
	run(&r, "g");
	assert_int_equal(counter(&r) - before, 2); /* after the first stop every hit triggers */
	stop(&r);
}

/*
 * A break instruction of the program's own is stepped over, but only while the program counter
 * stands on it: a target that has gone on by itself (a continue that it took late) goes on where it
 * is.
 */
static void own_break_instruction(void **state)
{
	rig r;
	for (int elsewhere = 0; elsewhere < 2; elsewhere++) {
		start_at(&r, 1, CODE + 0x1f);
		if (elsewhere)
			fake_regs(r.f, 0)->rip = CODE + 0x30;
		run(&r, "t");
		assert_int_equal(rip(&r), elsewhere ? CODE + 0x31 : CODE + 0x20);
		stop(&r);
	}
}

/* A disabled one is out of the target and is not met. */
static void disabled_ones_are_out(void **state)
{
	rig r;
	start(&r, 1);
	run(&r, "bp fffff800`00001020; bp fffff800`0000100a; bd 0");
	run(&r, "g");
	assert_int_equal(rip(&r), CODE + 0xa);
	assert_int_equal(fake_resumed(r.f, 0)->armed, 1);
	run(&r, "be 0; g");
	assert_int_equal(rip(&r), CODE + 0x20);
	stop(&r);
}

static void every_hit_counts(void **state)
{
	/* On one processor a trap is passed by a step, on several by emulation: no hit is lost. */
	for (unsigned units = 1; units <= 2; units++) {
		rig r;
		start(&r, units);
		run(&r, "bp fffff800`00001020 \"r $t0 = @$t0 + 1; .if (@$t0 < 0n50) {gc}\"");
		run(&r, "g");
		assert_int_equal(r.e->temps[0], 50);
		assert_int_equal(counter(&r), 24);
		stop(&r);
	}
}

/* Ctrl+C behind `g`, before the target has set off, is no wish that a stopped target may forget. */
static void interrupted_while_setting_off(void **state)
{
	rig r;
	start(&r, 1);
	assert_int_equal(eng_exec_set(r.e, &(eng_exec){.status = ST_GO}, NULL), ERR_OK);
	eng_interrupt(r.e);
	assert_int_equal(eng_wait(r.e, 2000, NULL), ERR_OK);
	assert_int_equal(r.e->status, ST_BREAK);
	/* It was for this run only. */
	assert_int_equal(eng_exec_set(r.e, &(eng_exec){.status = ST_GO}, NULL), ERR_OK);
	assert_int_equal(eng_wait(r.e, 100, NULL), ERR_TIMEOUT);
	stop(&r);
}

static void emulation_never_opens(void **state)
{
	rig r;
	start(&r, 2);
	run(&r, "bp fffff800`00001020 5");
	run(&r, "g");
	fake_calls_clear(r.f);
	run(&r, "g");
	size_t n;
	const fake_call *calls = fake_calls(r.f, &n);
	for (size_t i = 0; i < n; i++)
		if (calls[i].kind == FAKE_RESUME) {
			assert_int_equal(calls[i].run.go, TGT_GO);
			assert_int_equal(calls[i].armed, 1);
		}
	stop(&r);
}

/*
 * What is right behind a breakpoint that is passed over was reached without anybody looking: an
 * execute trap there has to hit (test_target_kd: execute_trap_at_the_pc). What a stop showed has
 * been seen.
 */
static void behind_a_passed_one_is_unseen(void **state)
{
	for (unsigned units = 1; units <= 2; units++) {
		rig r;
		size_t n, resumes = 0;
		bool unseen = false;
		start(&r, units);
		run(&r, "bp fffff800`00001020 \"gc\"");
		fake_calls_clear(r.f);
		run(&r, "g fffff800`00001028");
		assert_int_equal(rip(&r), CODE + 0x28);
		const fake_call *calls = fake_calls(r.f, &n);
		for (size_t i = 0; i < n; i++)
			if (calls[i].kind == FAKE_RESUME) {
				assert_false(unseen); /* the last one only */
				unseen = calls[i].run.unseen;
				resumes++;
			}
		assert_true(unseen);
		assert_int_equal(resumes, units == 1 ? 3 : 2);
		fake_calls_clear(r.f);
		run(&r, "t");
		calls = fake_calls(r.f, &n);
		for (size_t i = 0; i < n; i++)
			assert_false(calls[i].kind == FAKE_RESUME && calls[i].run.unseen);
		stop(&r);
	}
}

static void conditions(void **state)
{
	rig r;
	start(&r, 1);
	run(&r, "bp fffff800`00001020 \"j (poi(fffff800`00008000) >= 7) '.echo seven'; 'gc'\"");
	HAS(run(&r, "g"), "seven");
	assert_int_equal(counter(&r), 7);
	run(&r, "bc *; bp fffff800`00001020 \".if (poi(fffff800`00008000) >= 9) {.echo nine} .else "
		"{gc}\"");
	HAS(run(&r, "g"), "nine");
	assert_int_equal(counter(&r), 9);
	run(&r, "bs 0 \".echo logged; g\"");
	run(&r, "bsc 0 (poi(fffff800`00008000) == b) \".echo eleven\"");
	HAS(run(&r, "g"), "eleven");
	assert_int_equal(counter(&r), 11);
	/* A condition that cannot be evaluated stops and says so. */
	run(&r, "bsc 0 (poi(1234) == b) \".echo never\"");
	HAS(run(&r, "g"), "condition failed");
	stop(&r);
}

static void verdicts(void **state)
{
	rig r;
	start(&r, 1);
	/* A command list inside the wait: the execution command is the verdict, the rest is
	 * dropped. */
	run(&r, "bp fffff800`00001020 1 \".echo a; t; .echo b\"");
	const char *text = run(&r, "g");
	HAS(text, "a");
	assert_null(strstr(text, "b\n"));
	assert_int_equal(rip(&r), CODE + 0x21);
	/* gc keeps a step a step: p over the call, with a logging breakpoint inside. */
	assert_string_equal(run(&r, "bc *"), "");
	assert_string_equal(run(&r, "r rip=fffff800`00001000"), "");
	assert_int_equal(rip(&r), CODE);
	assert_string_equal(run(&r, "bp fffff800`00001028 \".echo in f; gc\""), "");
	HAS(run(&r, "p"), "in f");
	assert_int_equal(rip(&r), CODE + 5);
	/* What is said of the exception reaches the target; gn is careful at breakpoints. */
	run(&r, "bc *; bp fffff800`00001028; g");
	HAS(run(&r, "gn"), "use gN");
	assert_int_equal(rip(&r), CODE + 0x28);
	run(&r, "gN");
	assert_false(fake_resumed(r.f, 0)->run.handled);
	run(&r, "gh");
	assert_true(fake_resumed(r.f, 0)->run.handled);
	/* g leaves it to the exception's filter. */
	tgt_event av = {.kind = TGT_EV_EXCEPTION,
		.code = 0xc0000005,
		.pc = CODE + 0x28,
		.n_units = 1,
		.first_chance = true};
	for (int i = 0; i < 3; i++)
		fake_script(r.f, &av);
	HAS(run(&r, "bc *; g"), "Access violation");
	HAS(run(&r, "g"), "Access violation");
	assert_false(fake_resumed(r.f, 0)->run.handled);
	HAS(run(&r, "sxe -h av; g"), "Access violation");
	assert_true(fake_resumed(r.f, 0)->run.handled);
	stop(&r);
}

static void steps(void **state)
{
	rig r;
	start(&r, 1);
	run(&r, "p");
	assert_int_equal(rip(&r), CODE + 5);
	run(&r, "t");
	assert_int_equal(rip(&r), CODE + 0x20);
	run(&r, "t 2");
	assert_int_equal(rip(&r), CODE + 0x28);
	run(&r, "pt");
	assert_int_equal(rip(&r), CODE + 0x31);
	run(&r, "t");
	assert_int_equal(rip(&r), CODE + 0xa);
	run(&r, "tc");
	assert_int_equal(rip(&r), CODE);
	run(&r, "pa fffff800`0000100a");
	assert_int_equal(rip(&r), CODE + 0xa);
	run(&r, "th");
	assert_int_equal(rip(&r), CODE + 0x11);
	run(&r, "g fffff800`00001021");
	assert_int_equal(rip(&r), CODE + 0x21);
	HAS(run(&r, "p 2 \".echo done\""), "done");
	run(&r, "g = fffff800`00001000 fffff800`00001005");
	assert_int_equal(rip(&r), CODE + 5);
	run(&r, "p = fffff800`00001020");
	assert_int_equal(rip(&r), CODE + 0x21);
	HAS(run(&r, "t 0"), "at least 1");
	stop(&r);
}

static void limits_and_ids(void **state)
{
	rig r;
	char line[128];
	start(&r, 1);
	for (unsigned i = 0; i < 32; i++) {
		snprintf(line, sizeof line, "bp /f fffff800`%08x", 0x1000 + i);
		assert_string_equal(run(&r, line), "");
	}
	HAS(run(&r, "bp /f fffff800`00001031"), "32 software breakpoints");
	run(&r, "bc 1-1e"); /* ids are decimal: 1e is a mistake */
	HAS(run(&r, "bl"), "31 e");
	run(&r, "bc 1-30");
	const char *l = run(&r, "bl");
	HAS(l, " 0 e");
	HAS(l, "31 e");
	assert_null(strstr(l, " 7 e"));
	run(&r, "br 31 7");
	HAS(run(&r, "bl"), " 7 e");
	HAS(run(&r, "br 0 7"), "already exists");
	run(&r, "bd 7");
	HAS(run(&r, "bl 7"), " 7 d");
	run(&r, "be [3+4]");
	HAS(run(&r, "bl 7"), " 7 e");
	HAS(run(&r, "bc 99"), "No breakpoint 99");
	run(&r, "bc *");
	HAS(run(&r, "bp7 fffff800`00001020; bl"), " 7 e");
	HAS(run(&r, "bp fffff800`00001020 2"), "breakpoint 7 redefined");
	HAS(run(&r, "bu fffff800`00001020"), "breakpoint 7 redefined");
	HAS(run(&r, ".bpcmds"), "bu7 fffff800`00001020;");
	stop(&r);
}

static void one_shot_and_deferred(void **state)
{
	rig r;
	start(&r, 1);
	run(&r, "bp /1 fffff800`00001021");
	HAS(run(&r, "g"), "Breakpoint 0 hit");
	assert_int_equal(bp_count(r.e), 0);
	HAS(run(&r, "bp nosuch!thing"), "could not be resolved, adding deferred bp");
	HAS(run(&r, "bl"), "eu");
	HAS(run(&r, "bl"), "(nosuch!thing)");
	HAS(run(&r, ".bpcmds"), "bu0 nosuch!thing;");
	stop(&r);
}

static void up(void **state)
{
	rig r;
	start(&r, 1);
	run(&r, "t; gu");
	assert_int_equal(rip(&r), CODE + 5);
	stop(&r);
}

/*
 * 0: mov ecx,2; 5: call f; a: jmp a; 20 f: dec ecx; 22: js 29; 24: call f; 29: ret. The second
 * level's return address is the third's, too: what counts is the depth.
 */
static void up_and_over_in_recursion(void **state)
{
	static const uint8_t again[] = {0xb9, 2, 0, 0, 0, 0xe8, 0x16, 0, 0, 0, 0xeb,
		0xfe, [0x20] = 0xff, 0xc9, 0x78, 5, 0xe8, 0xf7, 0xff, 0xff, 0xff, 0xc3};
	rig r;
	uint64_t rsp;
	start(&r, 1);
	fake_mem(r.f, as_current(), CODE, again, sizeof again);
	tgt_cache_flush(r.e->t, TGT_FLUSH_ALL, 0);
	run(&r, "t 5");
	assert_int_equal(rip(&r), CODE + 0x20);
	assert_int_equal(eng_reg_get(r.e, STR("rsp"), &rsp, NULL), ERR_OK);
	assert_int_equal(rsp, DATA + 0x1800 - 16);
	run(&r, "gu");
	assert_int_equal(rip(&r), CODE + 0x29);
	assert_int_equal(eng_reg_get(r.e, STR("rsp"), &rsp, NULL), ERR_OK);
	assert_int_equal(rsp, DATA + 0x1800 - 8);
	/* The same for a step over the recursive call. */
	run(&r, "r rip=fffff800`00001024; r ecx=3; r rsp=@rsp; p");
	assert_int_equal(rip(&r), CODE + 0x29);
	assert_int_equal(eng_reg_get(r.e, STR("rsp"), &rsp, NULL), ERR_OK);
	assert_int_equal(rsp, DATA + 0x1800 - 8);
	stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hits_and_passes),
		cmocka_unit_test(own_break_instruction),
		cmocka_unit_test(disabled_ones_are_out),
		cmocka_unit_test(every_hit_counts),
		cmocka_unit_test(interrupted_while_setting_off),
		cmocka_unit_test(emulation_never_opens),
		cmocka_unit_test(behind_a_passed_one_is_unseen),
		cmocka_unit_test(conditions),
		cmocka_unit_test(verdicts),
		cmocka_unit_test(steps),
		cmocka_unit_test(limits_and_ids),
		cmocka_unit_test(one_shot_and_deferred),
		cmocka_unit_test(up),
		cmocka_unit_test(up_and_over_in_recursion),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
