/*
 * demo_rig: the rig of cmd_rig.h with an image in its memory that clang and lld built of
 * sym_demo/demo.c: its symbols loaded, the processor inside of demo!Exported, g_outer filled. For
 * the commands over symbols, types and C++ expressions; each test program includes it once.
 */
#include "cmd_rig.h"
#include "sym_world.h"
#include "sym_build.h"

#define BASE  0xfffff80012340000ull
#define STACK 0xffffd00011220000ull

static rig *r;

HELPER void run_lines(const char *const *lines, size_t n)
{
	for (size_t i = 0; i < n; i++)
		run_line(r, lines[i]);
}

HELPER void demo_begin(void **state)
{
	static const char *const lines[] = {
		".reload demo.dll=fffff80012340000",
		"ld demo",
		"r rip=demo!Exported+30",
		"r rsp=ffffd00011220800",
		"eq demo!g_outer demo!g_outer+10 demo!g_outer+20",
		"eq demo!g_outer+40 demo!g_outer",
		"ea demo!g_outer+48 \"Tagged\"",
		"eq demo!g_outer+58 demo!Exported",
		"eq demo!g_text demo!g_outer+48",
	};
	static const uint8_t zero[4096];
	world_begin();
	build_demo(at_world("priv"), "demo", true, "");
	laid img = lay_out(at_world("priv/demo.dll"));
	r = rig_begin(state);
	sym_cache_dir_set(r->e->syms, str_of(at_world("cache")));
	fake_mem(r->f, as_current(), BASE, img.p, img.n);
	fake_mem(r->f, as_current(), STACK, zero, sizeof zero);
	fake_regs(r->f, 0)->gpr[X64_RSP] = STACK + 0x800;
	rig_stop_at(r, BASE + 0x1000, 1);
	run_line(r, arena_printf(&world, ".sympath %s", at_world("priv")));
	run_lines(lines, ARRAY_LEN(lines));
}

HELPER int demo_teardown(void **state)
{
	rig_teardown(state);
	world_end();
	return 0;
}

typedef struct row {
	const char *line, *want;
} row;

HELPER void check(const row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *got = run_line(r, rows[i].line);
		/* what the rig's empty kernel cannot tell is said once, by whoever asks first */
		while (!strncmp(got, "*** ERROR: Module load", 22))
			got = strchr(got, '\n') + 1;
		if (strcmp(got, rows[i].want))
			fail_msg("%s\ngave:\n%s\nnot:\n%s", rows[i].line, got, rows[i].want);
	}
}
