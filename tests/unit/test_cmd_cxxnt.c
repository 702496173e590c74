/*
 * cmd: C++ expressions over the compiled kernel of os_nt/kernel.c, in both layouts: the typed
 * pseudo-registers, pointers to structures, lists. Nothing here may know an offset.
 */
#include "os_nt/world.h"

#include "cmd/cmd.h"
#include "target/fake/fake.h"

typedef struct fix {
	world w;
	engine *e;
	cmd *c;
	fake *f;
	buf out;
} fix;

static void output(void *u, unsigned mask, str text)
{
	buf_adds(&((fix *)u)->out, text);
}

static int start(void **state, bool layout_b)
{
	fix *f = mem_alloc(sizeof *f);
	diag d = {0};
	tgt_version v = {.major = 0xf, .minor = 19041, .machine = 0x8664, .flags = 5};
	buf_init(&f->out, 0);
	world_build(&f->w, "cmd_cxxnt", layout_b, "");
	f->f = fake_create(NULL);
	fake_mem(f->f, as_current(), KERNEL_BASE, f->w.image, f->w.n);
	fake_version(f->f, &v);
	fake_fact(f->f, TGT_F_KERNEL_BASE, 0, KERNEL_BASE);
	fake_fact(f->f, TGT_F_MODULE_LIST, 0, 0);
	fake_fact(f->f, TGT_F_DEBUGGER_DATA, 0, 0);
	fake_caps(f->f)->kernel = true;
	fake_regs(f->f, 0)->rip = KERNEL_BASE + 0x1000;
	f->e = eng_create();
	f->e->hooks.u = f;
	f->e->hooks.output = output;
	sym_path_set(f->e->syms, str_of(f->w.dir));
	f->c = cmd_create(f->e);
	tgt_event ev = {.kind = TGT_EV_EXCEPTION,
		.code = 0x80000003,
		.pc = KERNEL_BASE + 0x1000,
		.n_units = 1,
		.first_chance = true,
		.n_params = 1};
	fake_script(f->f, &ev);
	assert_int_equal(eng_attach(f->e, fake_tgt(f->f), ENG_KERNEL, &d), ERR_OK);
	if (eng_wait(f->e, 1000, &d) != ERR_OK)
		fail_msg("first stop: %s", d.text);
	*state = f;
	return 0;
}

static int setup_a(void **state)
{
	return start(state, false);
}

static int setup_b(void **state)
{
	return start(state, true);
}

static int teardown(void **state)
{
	fix *f = *state;
	cmd_destroy(f->c);
	eng_destroy(f->e);
	world_free(&f->w);
	buf_deinit(&f->out);
	mem_free(f);
	return 0;
}

static const char *run(fix *f, const char *line)
{
	buf_clear(&f->out);
	(void)!cmd_execute(f->c, str_of(line));
	return buf_z(&f->out);
}

static void has(fix *f, const char *line, const char *want)
{
	if (!strstr(run(f, line), want))
		fail_msg("%s\nhas no \"%s\" in:\n%s", line, want, buf_z(&f->out));
}

static void structures(void **state)
{
	fix *f = *state;
	has(f, "?? nt!CaptureProcess.ImageFileName", "unsigned char [15] 0xfffff800`");
	has(f, "?? nt!CaptureProcess.ImageFileName", " \"fscapture.exeXY\"");
	has(f, "?? nt!CaptureProcess.UniqueProcessId", "unsigned int64 0x48");
	has(f, "?? ((nt!_EPROCESS *)@@(nt!HasherProcess))->UniqueProcessId", "unsigned int64 0x44");
	has(f, "?? &nt!CaptureProcess", "struct _EPROCESS * 0xfffff800`");
	has(f, "?? &nt!CaptureProcess", ".exeXY\"");
	/* From a link to the process that it is in, whatever the layout. */
	has(f,
		"?? #CONTAINING_RECORD(nt!SystemProcess.ActiveProcessLinks.Flink, nt!_EPROCESS, "
		"ActiveProcessLinks)->UniqueProcessId != 4",
		"bool true");
	has(f,
		"?? #CONTAINING_RECORD(&nt!CaptureProcess.ActiveProcessLinks, nt!_EPROCESS, "
		"ActiveProcessLinks) == &nt!CaptureProcess",
		"bool true");
	has(f,
		"?? #FIELD_OFFSET(nt!_EPROCESS, Pcb.DirectoryTableBase) - "
		"#FIELD_OFFSET(nt!_EPROCESS, "
		"Pcb) == #FIELD_OFFSET(nt!_KPROCESS, DirectoryTableBase)",
		"bool true");
	has(f, "?? nt!CaptureProcess.Pcb.DirectoryTableBase", "unsigned int64 0x");
	has(f, "?? sizeof(nt!_EPROCESS) > sizeof(nt!_KPROCESS)", "bool true");
	has(f, "?? nt!CaptureProcess.VadRoot.Root", "struct _RTL_BALANCED_NODE * 0x");
	has(f, "?? nt!_KWAIT_REASON::DelayExecution", "enum _KWAIT_REASON DelayExecution (0n4)");
	has(f, "?? (nt!_KWAIT_REASON)WrQueue", "enum _KWAIT_REASON WrQueue (0n9)");
	has(f, "?? nt!CaptureProcess.NoSuchField",
		"Type does not have given member error at 'NoSuchField'");
	has(f, "dt nt!_EPROCESS @@c++(&nt!CaptureProcess) UniqueProcessId", ": 0x48");
	has(f, "? @@c++(nt!CaptureProcess.UniqueProcessId) + 8", "Evaluate expression: 80 = ");
}

static void pseudo_registers(void **state)
{
	fix *f = *state;
	has(f, "?? @$proc", "struct _EPROCESS * 0xfffff800`");
	has(f, "?? @$proc->ImageFileName", " \"fscapture.exeXY\"");
	has(f, "?? @$proc == &nt!CaptureProcess", "bool true");
	has(f, "?? @$thread", "struct _ETHREAD * 0xfffff800`");
	has(f, "? @$proc == nt!CaptureProcess", "Evaluate expression: 1 = ");
	has(f, "r? $t1 = @$proc; ?? @$t1->UniqueProcessId", "unsigned int64 0x48");
	has(f,
		"r? $t1 = #CONTAINING_RECORD(@$t1->ActiveProcessLinks.Flink, nt!_EPROCESS, "
		"ActiveProcessLinks); ?? @$t1 != @$proc",
		"bool true");
	has(f, "?? @$proc = 0", "Registers are changed by the r command");
	/* A walk along the list of processes with typed pseudo-registers. */
	has(f,
		"r? $t1 = &nt!SystemProcess; r $t3 = 0; .while (@$t3 < 8) {r? $t1 = "
		"#CONTAINING_RECORD(@$t1->ActiveProcessLinks.Flink, nt!_EPROCESS, "
		"ActiveProcessLinks); .if (@@c++(@$t1->UniqueProcessId == 0x48)) {.echo found; "
		".break}; r $t3 = @$t3 + 1}",
		"found");
	has(f, ".process nt!HasherProcess; ?? @$proc->UniqueProcessId", "unsigned int64 0x44");
}

#define BOTH(fn)                                                                                   \
	cmocka_unit_test_setup_teardown(fn, setup_a, teardown),                                    \
		cmocka_unit_test_setup_teardown(fn, setup_b, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(structures),
		BOTH(pseudo_registers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
