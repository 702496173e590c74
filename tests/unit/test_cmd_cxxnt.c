/*
 * cmd: C++ expressions over the compiled kernel of os_nt/kernel.c, in both layouts: the typed
 * pseudo-registers, pointers to structures, lists. Nothing here may know an offset.
 */
#include "nt_rig.h"

static int start(void **state, bool layout_b)
{
	fix *f = nt_rig_create("cmd_cxxnt", layout_b, 0, 0);
	nt_rig_stop(f, 1);
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
	has(f, "?? nt!CaptureProcess.UniqueProcessId", "unsigned int64 0x");
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
