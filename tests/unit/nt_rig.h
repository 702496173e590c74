/*
 * nt_rig: the compiled kernel of os_nt/kernel.c in the fake target, stopped, with a command
 * interpreter, its output in a buffer. Included once by a test.
 */
#include "os_nt/world.h"

#include "cmd/cmd.h"
#include "target/fake/fake.h"

typedef struct fix {
	world w;
	bool layout_b;
	engine *e;
	cmd *c;
	fake *f;
	buf out;
	arena a;
	err last; /* of the last line that ran */
} fix;

static void output(void *u, unsigned mask, str text)
{
	buf_adds(&((fix *)u)->out, text);
}

/* list, data: the kernel's facts, for a run without symbols; 0: found by name. */
static fix *nt_rig_create(const char *who, bool layout_b, uint64_t list, uint64_t data)
{
	fix *f = mem_alloc(sizeof *f);
	tgt_version v = {.major = 0xf, .minor = 19041, .machine = 0x8664, .flags = 5};
	f->layout_b = layout_b;
	arena_init(&f->a);
	buf_init(&f->out, 0);
	world_build(&f->w, who, layout_b, "");
	setenv("XDG_STATE_HOME", f->w.dir, 1);
	f->f = fake_create(NULL);
	fake_mem(f->f, as_current(), KERNEL_BASE, f->w.image, f->w.n);
	fake_version(f->f, &v);
	fake_fact(f->f, TGT_F_KERNEL_BASE, 0, KERNEL_BASE);
	fake_fact(f->f, TGT_F_MODULE_LIST, 0, list);
	fake_fact(f->f, TGT_F_DEBUGGER_DATA, 0, data);
	*fake_caps(f->f) = (tgt_caps){.kernel = true,
		.live = true,
		.spaces = 1u << AS_CURRENT | 1u << AS_PHYS,
		.max_soft = 32,
		.max_hard = 4,
		.phys_write = true,
		.can_step = true};
	f->e = eng_create();
	f->e->hooks.u = f;
	f->e->hooks.output = output;
	if (!data)
		sym_path_set(f->e->syms, str_of(f->w.dir));
	f->c = cmd_create(f->e);
	return f;
}

static void nt_rig_stop(fix *f, unsigned units)
{
	diag d = {0};
	tgt_event ev = {.kind = TGT_EV_EXCEPTION,
		.code = 0x80000003,
		.pc = KERNEL_BASE + 0x1000,
		.n_units = units,
		.first_chance = true,
		.exr_address = KERNEL_BASE + 0x1000,
		.n_params = 1};
	for (unsigned i = units; i-- > 0;)
		fake_regs(f->f, i)->rip = KERNEL_BASE + 0x1000;
	fake_script(f->f, &ev);
	assert_int_equal(eng_attach(f->e, fake_tgt(f->f), ENG_KERNEL, &d), ERR_OK);
	if (eng_wait(f->e, 1000, &d) != ERR_OK)
		fail_msg("first stop: %s", d.text);
}

static int teardown(void **state)
{
	fix *f = *state;
	cmd_destroy(f->c);
	eng_destroy(f->e);
	world_free(&f->w);
	buf_deinit(&f->out);
	arena_deinit(&f->a);
	mem_free(f);
	return 0;
}
