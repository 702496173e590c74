/*
 * cmd_rig: a stopped fake target with a command interpreter, its output in a buffer and its input
 * from a list. Shared by the tests of the memory, register and code commands; each includes it
 * once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/reader.h"
#include "cmd/cmd.h"
#include "target/fake/fake.h"

#include <stdio.h>

#define HELPER static __attribute__((unused))

typedef struct rig {
	engine *e;
	cmd *c;
	fake *f;
	buf out;
	const char *const *input; /* lines for Input>, NULL-terminated */
} rig;

static void rig_output(void *u, unsigned mask, str text)
{
	(void)mask;
	buf_adds(&((rig *)u)->out, text);
}

static err rig_input(void *u, str prompt, buf *line)
{
	rig *r = u;
	buf_adds(&r->out, prompt);
	if (!r->input || !*r->input)
		return ERR_STATE;
	buf_addz(line, *r->input++);
	return ERR_OK;
}

/* Fill the fake (r->f) between rig_create and rig_stop_at. */
HELPER void rig_create(rig *r)
{
	*r = (rig){0};
	buf_init(&r->out, 0);
	r->e = eng_create();
	r->e->hooks.u = r;
	r->e->hooks.output = rig_output;
	r->e->hooks.input = rig_input;
	r->c = cmd_create(r->e);
	r->f = fake_create(NULL);
	fake_caps(r->f)->kernel = true;
	fake_caps(r->f)->phys_write = true;
	/* As a KD backend: what is no memory is served too. */
	fake_version(
		r->f, &(tgt_version){.major = 15, .minor = 19041, .machine = 0x8664, .flags = 5});
	fake_fact(r->f, TGT_F_KERNEL_BASE, 0, 0xfffff80000000000);
	fake_fact(r->f, TGT_F_MODULE_LIST, 0, 0);
	fake_fact(r->f, TGT_F_DEBUGGER_DATA, 0, 0);
	fake_caps(r->f)->spaces |= 1u << AS_IO | 1u << AS_MSR;
}

HELPER void rig_stop_at(rig *r, uint64_t pc, unsigned units)
{
	tgt_event ev = {.kind = TGT_EV_EXCEPTION,
		.code = 0x80000003,
		.pc = pc,
		.n_units = units,
		.first_chance = true};
	fake_regs(r->f, 0)->rip = pc;
	fake_script(r->f, &ev);
	assert_int_equal(eng_attach(r->e, fake_tgt(r->f), ENG_KERNEL, NULL), ERR_OK);
	diag d = {0};
	if (eng_wait(r->e, 1000, &d) != ERR_OK)
		fail_msg("%s", d.text);
	buf_clear(&r->out);
}

HELPER void rig_destroy(rig *r)
{
	r->e->hooks.output = NULL;
	eng_end(r->e, TGT_ABANDON);
	r->e->hooks = (eng_hooks){0};
	cmd_destroy(r->c);
	eng_destroy(r->e);
	buf_deinit(&r->out);
}

/* The program's one rig, for a group's setup; *state is what its tests find. */
HELPER rig *rig_begin(void **state)
{
	static rig r;
	rig_create(&r);
	*state = &r;
	return &r;
}

HELPER int rig_teardown(void **state)
{
	rig_destroy(*state);
	return 0;
}

/* The output of a line. */
HELPER const char *run_line(rig *r, const char *line)
{
	buf_clear(&r->out);
	(void)!cmd_execute(r->c, str_of(line));
	return buf_z(&r->out);
}

HELPER void expect(rig *r, const char *line, const char *want)
{
	const char *got = run_line(r, line);
	if (strcmp(got, want))
		fail_msg("%s\ngave:\n%s\nnot:\n%s", line, got, want);
}

#define HAS(text, part)                                                                            \
	do {                                                                                       \
		const char *has_t_ = (text);                                                       \
		if (!strstr(has_t_, (part)))                                                       \
			fail_msg("no \"%s\" in: %s", (part), has_t_);                              \
	} while (0)
