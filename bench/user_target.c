/*
 * user_target: the ptrace backend by itself (src/target/target.h, no engine), doing what
 * user_floor does by hand; for the benches of user mode.
 *
 *   user_target hits PROGRAM OFFSET N    N hits of PROGRAM+OFFSET are passed over, each after one
 *                                        look at rdi
 *   user_target step PROGRAM OFFSET N    N steps from there on
 *
 * Prints "microseconds a hit" and hits.
 */
#include "target/target.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void die(const diag *d)
{
	fprintf(stderr, "%s\n", d->text);
	exit(1);
}

int main(int argc, char **argv)
{
	diag d = {0};
	tgt *t;
	uint64_t pid, handle = 0, at = 0;
	tgt_event ev;
	if (argc != 5) {
		fprintf(stderr, "usage: user_target hits|step PROGRAM OFFSET N\n");
		return 2;
	}
	bool stepping = !strcmp(argv[1], "step");
	long n = atol(argv[4]), hits = 0;
	const char *args[] = {argv[2], stepping ? "1000000000" : argv[4], NULL};
	tgt_create how = {
		.path = argv[2], .argv = args, .stdio = {-1, open("/dev/null", O_WRONLY), -1}};
	const x64_reg *rdi = x64_reg_find(STR("rdi"));
	if (ptrace_open(NULL, &t, &d) != ERR_OK || tgt_process_create(t, &how, &pid, &d) != ERR_OK)
		die(&d);
	uint64_t t0 = sys_now_us();
	for (;;) {
		tgt_run run = {.handled = true};
		if (tgt_wait(t, -1, &ev, &d) != ERR_OK)
			die(&d);
		if (ev.kind == TGT_EV_PROCESS)
			at = ev.base + strtoull(argv[3], NULL, 16);
		if (ev.kind == TGT_EV_PROCESS_EXIT || hits == n)
			break;
		if (ev.initial) {
			tgt_trap trap = {TGT_TRAP_SOFT, as_process(pid), at, 0};
			if (tgt_trap_add(t, &trap, &handle, &d) != ERR_OK)
				die(&d);
		} else if (ev.kind == TGT_EV_EXCEPTION && stepping) {
			if (hits == 0 && handle) { /* the first stop was the trap */
				if (tgt_halt(t, &d) != ERR_OK ||
					tgt_trap_del(t, handle, &d) != ERR_OK)
					die(&d);
				handle = 0;
				t0 = sys_now_us();
			} else {
				hits++;
			}
			run.go = TGT_STEP;
		} else if (ev.kind == TGT_EV_EXCEPTION) {
			uint64_t v = 0;
			if (!hits++)
				t0 = sys_now_us();
			if (ev.pc != at || tgt_reg_get(t, ev.unit, rdi, &v, &d) != ERR_OK ||
				(v != UINT64_MAX && tgt_pass(t, ev.unit, handle, &d) != ERR_OK))
				die(&d);
		}
		run.unit = ev.unit;
		if (tgt_resume(t, &run, &d) != ERR_OK)
			die(&d);
	}
	printf("%.3f %ld\n", (double)(sys_now_us() - t0) / (double)hits, hits);
	tgt_close(t, TGT_KILL);
	return 0;
}
