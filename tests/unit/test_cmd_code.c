/*
 * u ub uf uu up, #, .asm, k and .frame, on images built for the test: cmd_demo/code.s (every form
 * of flow, an interrupt's frame) and sym_demo/demo.c (source lines, parameters).
 */
#include "cmd_rig.h"

#include <stdlib.h>
#include <unistd.h>

#define BASE   0xfffff80010000000ull
#define DEMO   0xfffff80020000000ull
#define WORK_5 1601
#define STACK  0xffffa00000100000ull

static char dir[] = "/tmp/rs-code-XXXXXX";
static arena world;

static const char *root(void)
{
	const char *r = getenv("RS_SOURCE_ROOT");
	return r ? r : ".";
}

static void shell(const char *fmt, ...) PRINTF(1, 2);
static void shell(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *line = arena_vprintf(&world, fmt, ap);
	va_end(ap);
	if (system(line))
		fail_msg("failed: %s", line);
}

static int build(void **state)
{
	(void)state;
	arena_init(&world);
	if (!mkdtemp(dir))
		return 1;
	setenv("XDG_CACHE_HOME", dir, 1);
	setenv("XDG_STATE_HOME", dir, 1);
	unsetenv("_NT_SYMBOL_PATH");
	shell("cd %s && clang --target=x86_64-pc-windows-msvc -c %s/tests/unit/cmd_demo/code.s -o "
	      "code.obj && "
	      "lld-link /nologo /Brepro /dll /nodefaultlib /entry:entry /base:0x180000000 /debug "
	      "/pdb:code.pdb /pdbaltpath:code.pdb /out:code.dll code.obj",
		dir, root());
	shell("cd %s && clang --target=x86_64-pc-windows-msvc -O0 -g -gcodeview -c "
	      "%s/tests/unit/sym_demo/demo.c -o demo.obj && "
	      "lld-link /nologo /Brepro /dll /nodefaultlib /entry:entry /debug /pdb:demo.pdb "
	      "/pdbaltpath:demo.pdb /out:demo.dll demo.obj",
		dir, root());
	return 0;
}

static int clean(void **state)
{
	(void)state;
	shell("rm -rf '%s'", dir);
	arena_deinit(&world);
	return 0;
}

/* The image as a loader lays it out (offsets: Microsoft's PE specification). */
static void load(rig *r, const char *name, uint64_t base)
{
	str file;
	diag d = {0};
	char *path = arena_printf(&world, "%s/%s.dll", dir, name);
	if (sys_read_file(&world, path, 1 << 20, &file, &d) != ERR_OK)
		fail_msg("%s", d.text);
	const uint8_t *p = (const uint8_t *)file.p, *nt = p + le32(p + 0x3c), *opt = nt + 24;
	const uint8_t *sec = opt + le16(nt + 20);
	fake_mem(r->f, as_current(), base, p, le32(opt + 60));
	for (unsigned i = 0; i < le16(nt + 6); i++, sec += 40) {
		uint32_t n = le32(sec + 8) < le32(sec + 16) ? le32(sec + 8) : le32(sec + 16);
		uint8_t *bytes = arena_alloc(&world, le32(sec + 8));
		memcpy(bytes, p + le32(sec + 20), n);
		fake_mem(r->f, as_current(), base + le32(sec + 12), bytes, le32(sec + 8));
	}
	assert_non_null(sym_mod_add(
		r->e->syms, 0, base, le32(opt + 56), le32(nt + 8), 0, str_of(name), str_of(path)));
}

static void put_stack(rig *r, uint64_t addr, uint64_t v)
{
	uint8_t raw[8];
	put64(raw, v);
	fake_mem(r->f, as_current(), addr, raw, 8);
}

/*
 * In inner, called by handler, which interrupted outer behind its first call; outer was called by
 * entry, whose caller is nobody.
 */
static int setup(void **state)
{
	rig *r = rig_begin(state);
	sym_path_set(r->e->syms, str_of(dir));
	x64_regs *g = fake_regs(r->f, 0);
	g->gpr[X64_RSP] = STACK;
	g->gpr[X64_RBX] = 0x77;
	g->eflags = 0x246;
	put_stack(r, STACK, BASE + 0x105a); /* inner -> handler */
	put_stack(r, STACK + 8, 0xa1);	    /* home slots of inner */
	put_stack(r, STACK + 0x10, 0xa2);
	put_stack(r, STACK + 0x38, 0xbb);	   /* rbp */
	put_stack(r, STACK + 0x40, BASE + 0x1010); /* machine frame */
	put_stack(r, STACK + 0x48, 0x10);
	put_stack(r, STACK + 0x50, 0x202);
	put_stack(r, STACK + 0x58, STACK + 0x100);
	put_stack(r, STACK + 0x60, 0x18);
	put_stack(r, STACK + 0x120, 0x1234);	    /* rbx of outer's caller */
	put_stack(r, STACK + 0x128, BASE + 0x1070); /* outer -> entry */
	put_stack(r, STACK + 0x130, 0);
	load(r, "code", BASE);
	load(r, "demo", DEMO);
	rig_stop_at(r, BASE + 0x1040, 1);
	/* attaching looked for a kernel's list and found none: the modules are the test's own */
	if (!sym_mod_find(r->e->syms, STR("code"))) {
		load(r, "code", BASE);
		load(r, "demo", DEMO);
	}
	return 0;
}

/* ---- u ---- */

static void forwards(void **state)
{
	rig *r = *state;
	expect(r, "u code!outer L7",
		"code!outer:\n"
		"fffff800`10001000 53              push    rbx\n"
		"fffff800`10001001 4883ec20        sub     rsp,20h\n"
		"fffff800`10001005 89cb            mov     ebx,ecx\n"
		"fffff800`10001007 85c9            test    ecx,ecx\n"
		"fffff800`10001009 742b            je      code!outer+0x36 (fffff800`10001036)\n"
		"fffff800`1000100b e830000000      call    code!inner (fffff800`10001040)\n"
		"fffff800`10001010 ff15ea1f0000    call    qword ptr [code!pointer "
		"(fffff800`10003000)]\n");
	/* goes on; nine bytes are more than the column */
	expect(r, "u L2",
		"code!outer+0x16:\n"
		"fffff800`10001016 ffd0            call    rax\n"
		"fffff800`10001018 65488b042588010000 mov   rax,qword ptr gs:[188h]\n");
	/* two addresses are bytes */
	expect(r, "u code!outer code!outer+4",
		"code!outer:\n"
		"fffff800`10001000 53              push    rbx\n"
		"fffff800`10001001 4883ec20        sub     rsp,20h\n");
	/* a line for each new symbol */
	expect(r, "u code!inner+b L2",
		"code!inner+0xb:\n"
		"fffff800`1000104b c3              ret\n"
		"fffff800`1000104c cc              int     3\n");
	HAS(run_line(r, "u code!inner+f L2"), "int     3\ncode!handler:\nfffff800`10001050 55");
	/* at first at the current instruction, eight of them */
	r->c->memo.has_next_u = false;
	const char *got = run_line(r, "u");
	assert_ptr_equal(strstr(got, "code!inner:\nfffff800`10001040 8d4101 "), got);
	size_t lines = 0;
	for (const char *p = got; *p; p++)
		lines += *p == '\n';
	assert_int_equal(lines, 9);
}

static void unreadable_code(void **state)
{
	rig *r = *state;
	fake_mem(r->f, as_current(), 0xfffff80030000ffe, "\x90\x06", 2);
	const char *got = run_line(r, "u fffff80030000ffe L4");
	HAS(got, "fffff800`30000ffe 90              nop\n"
		 "fffff800`30000fff 06              ???\n"
		 "fffff800`30001000 ??              ???\n");
	HAS(got, "Memory access error");
	expect(r, "uu fffff80030000fff L3",
		"fffff800`30000fff 06              ???\n"
		"fffff800`30001000 ??              ???\n"
		"fffff800`30001001 ??              ???\n");
}

static void backwards(void **state)
{
	rig *r = *state;
	expect(r, "ub code!outer+10 L3",
		"code!outer+0x7:\n"
		"fffff800`10001007 85c9            test    ecx,ecx\n"
		"fffff800`10001009 742b            je      code!outer+0x36 (fffff800`10001036)\n"
		"fffff800`1000100b e830000000      call    code!inner (fffff800`10001040)\n");
	expect(r, "u code!outer+10 L-1",
		"code!outer+0xb:\n"
		"fffff800`1000100b e830000000      call    code!inner (fffff800`10001040)\n");
	/* across a function's start */
	HAS(run_line(r, "ub code!handler+1 L3"),
		"fffff800`1000104f cc              int     3\ncode!handler:\n"
		"fffff800`10001050 55              push    rbp\n");
	/* without symbols: where decoding falls into step */
	static const uint8_t bytes[] = {0x48, 0x89, 0x5c, 0x24, 8, 0x57, 0x48, 0x83, 0xec, 0x20,
		0x48, 0x8b, 0xd9, 0x48, 0x8b, 0xfa, 0xe8, 0, 0, 0, 0, 0x90};
	fake_mem(r->f, as_current(), 0xfffff80030000100, bytes, sizeof bytes);
	HAS(run_line(r, "ub fffff80030000115 L2"),
		"fffff800`3000010d 488bfa          mov     rdi,rdx\n"
		"fffff800`30000110 e800000000      call    fffff800`30000115\n");
	/* What begins before the address and ends behind it is none of them. */
	static const uint8_t odd[] = {0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90,
		0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0xe8, 0x90, 0x90, 0, 0, 0};
	fake_mem(r->f, as_current(), 0xfffff80030000200, odd, sizeof odd);
	expect(r, "ub fffff80030000213 L1", "fffff800`30000212 90              nop\n");
	HAS(run_line(r, "ub code!outer code!outer+4"), "not two addresses");
	HAS(run_line(r, "ub fffff80040000000"), "Memory access error");
}

static void physical_code(void **state)
{
	rig *r = *state;
	static const uint8_t bytes[] = {0x53, 0xe8, 0, 0, 0, 0, 0xc3};
	fake_mem(r->f, as_phys(), 0x2000, bytes, sizeof bytes);
	expect(r, "up 2000 L3",
		"00000000`00002000 53              push    rbx\n"
		"00000000`00002001 e800000000      call    00000000`00002006\n"
		"00000000`00002006 c3              ret\n");
}

static void breakpoints_never_show(void **state)
{
	rig *r = *state;
	run_line(r, "bp code!outer+1");
	HAS(run_line(r, "u code!outer+1 L1"), "4883ec20        sub     rsp,20h");
}

static void options(void **state)
{
	rig *r = *state;
	expect(r, ".asm", "Assembly options: <none>\n");
	expect(r, ".asm no_code_bytes", "Assembly options: no_code_bytes\n");
	expect(r, "u code!outer L1", "code!outer:\nfffff800`10001000 push    rbx\n");
	expect(r, ".asm- no_code_bytes", "Assembly options: <none>\n");
	HAS(run_line(r, ".asm foo"), "'foo' is none of");
	/* with line numbers the number stands in front */
	run_line(r, ".asm source_line");
	r->e->lines_on = true;
	HAS(run_line(r, "u demo!helper L1"), "   27 fffff800`2000");
}

/* ---- uf ---- */

static void whole_function(void **state)
{
	rig *r = *state;
	static const char want[] =
		"code!outer:\n"
		"fffff800`10001000 53              push    rbx\n"
		"fffff800`10001001 4883ec20        sub     rsp,20h\n"
		"fffff800`10001005 89cb            mov     ebx,ecx\n"
		"fffff800`10001007 85c9            test    ecx,ecx\n"
		"fffff800`10001009 742b            je      code!outer+0x36 (fffff800`10001036)  "
		"Branch\n"
		"\n"
		"code!outer+0xb:\n"
		"fffff800`1000100b e830000000      call    code!inner (fffff800`10001040)\n"
		"fffff800`10001010 ff15ea1f0000    call    qword ptr [code!pointer "
		"(fffff800`10003000)]\n"
		"fffff800`10001016 ffd0            call    rax\n"
		"fffff800`10001018 65488b042588010000 mov   rax,qword ptr gs:[188h]\n"
		"fffff800`10001021 488b15d81f0000  mov     rdx,qword ptr [code!pointer "
		"(fffff800`10003000)]\n"
		"fffff800`10001028 4883c420        add     rsp,20h\n"
		"fffff800`1000102c 5b              pop     rbx\n"
		"fffff800`1000102d c3              ret\n"
		"\n"
		"code!outer+0x36:\n"
		"fffff800`10001036 31c0            xor     eax,eax\n"
		"fffff800`10001038 ebd1            jmp     code!outer+0xb (fffff800`1000100b)  "
		"Branch\n";
	expect(r, "uf code!outer", want);
	expect(r, "uf code!outer+38", want); /* from within the far piece too */
	expect(r, "uf /o code!outer", want);
	const char *got = run_line(r, "uf /i code!inner");
	HAS(got, "6 instructions scanned\n");
	HAS(got, "jne     code!inner+0xb (fffff800`1000104b)  Branch\n");
	HAS(got, "jmp     code!outer (fffff800`10001000)\n"); /* a tail call: not followed, no mark
							       */
	assert_null(strstr(got, "push    rbx"));
	expect(r, "uf /c code!outer",
		"code!outer (fffff800`10001000)\n"
		"  code!outer+0xb (fffff800`1000100b):\n"
		"    call to code!inner (fffff800`10001040)\n"
		"  code!outer+0x10 (fffff800`10001010):\n"
		"    call to 00000001`80001040 (00000001`80001040)\n" /* as linked: not relocated */
		"  code!outer+0x16 (fffff800`10001016):\n"
		"    unresolvable call: call    rax\n");
	HAS(run_line(r, "uf fffff80040000000"), "No code found, aborting");
	HAS(run_line(r, "uf /z code!outer"), "rror");
}

/* What only a table leads to belongs to the function, and the table itself is no code. */
static void switches(void **state)
{
	rig *r = *state;
	expect(r, "uf code!chooser",
		"code!chooser:\n"
		"fffff800`10001080 488d1511000000  lea     rdx,[code!chooser+0x18 "
		"(fffff800`10001098)]\n"
		"fffff800`10001087 4863048a        movsxd  rax,dword ptr [rdx+rcx*4]\n"
		"fffff800`1000108b 4801d0          add     rax,rdx\n"
		"fffff800`1000108e ffe0            jmp     rax\n"
		"\n"
		"code!chooser+0x10:\n"
		"fffff800`10001090 31c0            xor     eax,eax\n"
		"fffff800`10001092 c3              ret\n"
		"\n"
		"code!chooser+0x13:\n"
		"fffff800`10001093 89c8            mov     eax,ecx\n"
		"fffff800`10001095 c3              ret\n");
	const char *got = run_line(r, "uf code!picker");
	HAS(got, "jmp     rax\n\ncode!picker+0x");
	HAS(got, "xor     eax,eax\n");
	HAS(got, "mov     eax,ecx\n");
}

static void function_entries(void **state)
{
	rig *r = *state;
	const char *got = run_line(r, ".fnent code!outer+38");
	HAS(got, "Debugger function entry for:\n    code!outer+0x36 (fffff800`10001036)\n\n"
		 "BeginAddress      = 00000000`00001036\n"
		 "EndAddress        = 00000000`0000103a\n"
		 "UnwindInfoAddress = 00000000`0000");
	HAS(got, ", 10 bytes\n  version 1, flags 4, prolog 0, codes 0\n\n"
		 "Chained to:\n"
		 "BeginAddress      = 00000000`00001000\n");
	HAS(got, ", 8 bytes\n"
		 "  version 1, flags 0, prolog 5, codes 2\n"
		 "  00: offs 5, unwind op 2, op info 3\tUWOP_ALLOC_SMALL FrameOffset: 20.\n"
		 "  01: offs 1, unwind op 0, op info 3\tUWOP_PUSH_NONVOL reg: rbx.\n");
	HAS(run_line(r, ".fnent code!handler"), "UWOP_PUSH_MACHFRAME.\n");
	HAS(run_line(r, ".fnent code!inner"), "No function entry for fffff800`10001040");
	HAS(run_line(r, ".fnent"), "needs an address");
}

/* ---- # ---- */

static void pattern_search(void **state)
{
	rig *r = *state;
	expect(r, "# gs:", ""); /* no address yet: only remembered */
	expect(r, "# rax code!outer",
		"code!outer+0x16:\nfffff800`10001016 ffd0            call    rax\n");
	expect(r, "#",
		"code!outer+0x18:\nfffff800`10001018 65488b042588010000 mov   rax,qword ptr "
		"gs:[188h]\n");
	expect(r, "# mov*rdx code!outer",
		"code!outer+0x21:\n"
		"fffff800`10001021 488b15d81f0000  mov     rdx,qword ptr [code!pointer "
		"(fffff800`10003000)]\n");
	expect(r, "# \"sub     rsp\" code!outer",
		"code!outer+0x1:\nfffff800`10001001 4883ec20        sub     rsp,20h\n");
	expect(r, "# 85C9 code!outer",
		"code!outer+0x7:\nfffff800`10001007 85c9            test    ecx,ecx\n");
	/* a size limits it and shows every match */
	const char *got = run_line(r, "# call code!outer L8");
	HAS(got, "call    code!inner");
	HAS(got, "call    rax");
	HAS(run_line(r, "# wbinvd code!outer L8"),
		"'wbinvd' was not found up to fffff800`10001018");
	HAS(run_line(r, "# wbinvd code!entry"), "rror");
}

/* ---- k ---- */

static void backtrace(void **state)
{
	rig *r = *state;
	static const char plain[] = " # Child-SP          RetAddr               Call Site\n"
				    "00 ffffa000`00100000 fffff800`1000105a     code!inner\n"
				    "01 ffffa000`00100008 fffff800`10001010     code!handler+0xa\n"
				    "02 ffffa000`00100100 fffff800`10001070     code!outer+0x10\n"
				    "03 ffffa000`00100130 00000000`00000000     code!entry\n";
	expect(r, "k", plain);
	expect(r, "kn", plain);
	expect(r, "kL 4", plain);
	expect(r, "k L", plain);
	expect(r, "k 1",
		" # Child-SP          RetAddr               Call Site\n"
		"00 ffffa000`00100000 fffff800`1000105a     code!inner\n");
	expect(r, "kc 2", " # Call Site\n00 code!inner\n01 code!handler+0xa\n");
	expect(r, "kf 3",
		" #   Memory  Child-SP          RetAddr               Call Site\n"
		"00           ffffa000`00100000 fffff800`1000105a     code!inner\n"
		"01        8  ffffa000`00100008 fffff800`10001010     code!handler+0xa\n"
		"02       f8  ffffa000`00100100 fffff800`10001070     code!outer+0x10\n");
	expect(r, "kb 1",
		" # RetAddr               : Args to Child                                          "
		"                 "
		": Call Site\n"
		"00 fffff800`1000105a     : 00000000`000000a1 00000000`000000a2 00000000`00000000 "
		"00000000`00000000 : code!inner\n");
	expect(r, "kv 2",
		" # Child-SP          RetAddr               : Args to Child                        "
		"       "
		"                            : Call Site\n"
		"00 ffffa000`00100000 fffff800`1000105a     : 00000000`000000a1 00000000`000000a2 "
		"00000000`00000000 00000000`00000000 : code!inner\n"
		"01 ffffa000`00100008 fffff800`10001010     : 00000000`00000000 00000000`00000000 "
		"00000000`00000000 00000000`00000000 : code!handler+0xa (TrapFrame @ "
		"ffffa000`00100008)\n");
	/* from elsewhere */
	expect(r, "k = ffffa00000100100 fffff80010001010 1",
		" # Child-SP          RetAddr               Call Site\n"
		"00 ffffa000`00100100 fffff800`10001070     code!outer+0x10\n");
	HAS(run_line(r, "k = ffffa00000100128 5"),
		"00 ffffa000`00100128 fffff800`10001070     code!inner\n");
	HAS(run_line(r, "k ="), "needs a stack pointer");
	HAS(run_line(r, "k 0"), "number of frames");
	HAS(run_line(r, "kz"), "rror");
}

static void raw_stack(void **state)
{
	rig *r = *state;
	expect(r, "kd 2",
		"ffffa000`00100000  fffff800`1000105a code!handler+0xa\n"
		"ffffa000`00100008  00000000`000000a1\n");
	expect(r, ".kframes 2", "Default stack trace depth is 0n2 frames\n");
	expect(r, ".kframes", "Default stack trace depth is 0n2 frames\n");
	HAS(run_line(r, "k"), "01 ffffa000");
	assert_null(strstr(run_line(r, "k"), "02 ffffa000"));
	HAS(run_line(r, ".kframes 0"), "number of frames");
	HAS(run_line(r, "dps ffffa00000100000 L1"),
		"ffffa000`00100000  fffff800`1000105a code!handler+0xa\n");
}

static void frames(void **state)
{
	rig *r = *state;
	expect(r, ".frame", "00 ffffa000`00100000 fffff800`1000105a     code!inner\n");
	expect(r, ".frame 2", "02 ffffa000`00100100 fffff800`10001070     code!outer+0x10\n");
	HAS(run_line(r, "? @$frame"), "= 00000000`00000002");
	HAS(run_line(r, "k 1"), "00 ffffa000`00100000"); /* the stack is still the whole one */
	expect(r, ".f-", "01 ffffa000`00100008 fffff800`10001010     code!handler+0xa\n");
	expect(r, ".f+", "02 ffffa000`00100100 fffff800`10001070     code!outer+0x10\n");
	HAS(run_line(r, ".frame /r 3"), "rbx=0000000000001234"); /* restored from outer's frame */
	HAS(run_line(r, ".frame 20"), "Cannot find frame 0x20");
	HAS(run_line(r, ".frame = 1000"), "only x86");
	expect(r, ".frame 0", "00 ffffa000`00100000 fffff800`1000105a     code!inner\n");
	HAS(run_line(r, ".f-"), "Cannot find previous frame");
}

/* demo!helper with private symbols: parameters and source lines. */
static void parameters_and_lines(void **state)
{
	rig *r = *state;
	x64_regs g = *fake_regs(r->f, 0);
	uint64_t helper;
	assert_int_equal(eng_eval(r->e, STR("demo!helper"), &helper, NULL), ERR_OK);
	/* at the return of helper: its parameter lies in its home or frame slot */
	char line[128];
	snprintf(line, sizeof line, "u %llx L1", (unsigned long long)helper);
	r->e->lines_on = r->e->show_source = true;
	HAS(run_line(r, line), "demo.c @ ");
	g.rip = helper;
	g.gpr[X64_RSP] = STACK;
	eng_ctx_regs(r->e, REGS_CXR, 0x1000, &g);
	const char *got = run_line(r, "kp 1");
	HAS(got, "*** Stack trace for last set context");
	HAS(got, "demo!helper(int x = ");
	HAS(got, "demo.c @ ");
	HAS(run_line(r, "kP 1"), "demo!helper(\n\t\t\tint x = ");
	assert_null(strstr(run_line(r, "kpL 1"), "demo.c"));
	assert_null(strstr(run_line(r, "kcp 1"), "Child-SP"));
}

static const char *shown(rig *r)
{
	buf_clear(&r->out);
	eng_show_stop(r->e);
	return buf_z(&r->out);
}

/* What l+s, l+l and l+o make of a stop in a driver with a PDB. */
static void source_at_stops(void **state)
{
	rig *r = *state;
	x64_regs g = *fake_regs(r->f, 0);
	assert_int_equal(eng_eval(r->e, STR("demo!helper"), &g.rip, NULL), ERR_OK);
	g.gpr[X64_RSP] = STACK;
	eng_ctx_regs(r->e, REGS_CXR, 0x1000, &g);
	char *plain = arena_printf(&world, "%s", shown(r));
	assert_int_equal(strncmp(plain, "demo!helper:\n", 13), 0);
	HAS(run_line(r, "l+s"), "source line support is off");
	assert_string_equal(shown(r), plain);
	assert_null(strstr(run_line(r, ".lines -e"), "WARNING"));
	const char *got = shown(r);
	assert_int_equal(strncmp(got, ">   27: {\ndemo!helper [", 23), 0);
	HAS(got, "demo.c @ 27]:\n");
	run_line(r, ".prompt_allow -src");
	assert_string_equal(shown(r), plain);
	run_line(r, ".prompt_allow +src");
	run_line(r, "l+o");
	assert_string_equal(shown(r), ">   27: {\n");
	run_line(r, "lsp 1 2");
	assert_string_equal(shown(r), "    26: __declspec(noinline) int helper(int x)\n>   27: {\n"
				      "    28: \tint twice = x * 2;\n"
				      "    29: \treturn twice + s_value;\n");
	HAS(run_line(r, "ls 30,1"), "    30: }\n");
	/* o alone, and l alone */
	run_line(r, "l-s");
	assert_string_equal(shown(r), plain);
	run_line(r, "l+l");
	HAS(shown(r), "demo!helper [");
	HAS(run_line(r, "u demo!helper L1"), "demo.c @ 27]:");
	run_line(r, "l-*");
	assert_string_equal(shown(r), plain);
}

/* ---- real frames ---- */

static err run_read(void *u, uint64_t addr, void *p, size_t n)
{
	return eng_read_all(((rig *)u)->e, addr, p, n, NULL);
}

static err run_write(void *u, uint64_t addr, const void *p, size_t n)
{
	return eng_write(((rig *)u)->e, addr, p, n, NULL);
}

static const int kept[] = {X64_RBX, X64_RBP, X64_RSI, X64_RDI, X64_R12, X64_R13, X64_R14, X64_R15};

/* The outermost frame's caller must be the one that the run was started from. */
static void check_stack(rig *r, const x64_regs *now, const x64_regs *start, uint64_t caller)
{
	eng_frame *f;
	size_t n;
	diag why = {0};
	arena a;
	arena_init(&a);
	assert_int_equal(eng_stack(r->e, &a, now, 100, &f, &n, &why), ERR_OK);
	size_t last = n;
	for (size_t i = 0; i < n; i++)
		if (f[i].ret == caller && f[i].ret_slot == start->gpr[X64_RSP])
			last = i;
	if (last == n)
		fail_msg("at %llx the stack does not lead to its start (%zu frames) %s",
			(unsigned long long)now->rip, n, why.text);
	/* and so must the registers that calls keep */
	x64_regs up = f[last].regs;
	eng_frame *g;
	size_t m;
	if (eng_stack(r->e, &a, &up, 2, &g, &m, NULL) == ERR_OK && m == 2)
		for (size_t i = 0; i < ARRAY_LEN(kept); i++)
			if (g[1].regs.gpr[kept[i]] != start->gpr[kept[i]])
				fail_msg("at %llx register %d is lost",
					(unsigned long long)now->rip, kept[i]);
	arena_deinit(&a);
}

/*
 * Compiled code, run by the emulator from its first instruction to its return: at each instruction
 * the stack must be walked back to the start.
 */
static void stack_at_every_instruction(void **state)
{
	static const char *const levels[] = {"-O0", "-O1", "-Oz"};
	rig *r = *state;
	const uint64_t base = 0xfffff80050000000, top = STACK + 0x80000,
		       caller = 0xfffff80060000000;
	static const uint8_t zero[16];
	fake_mem(r->f, as_current(), top - 0x10000, zero, 8);
	for (uint64_t at = top - 0x10000; at <= top; at += 0x1000)
		fake_mem(r->f, as_current(), at, zero, sizeof zero);
	for (size_t l = 0; l < ARRAY_LEN(levels); l++) {
		char *name = arena_printf(&world, "calls%zu", l);
		uint64_t work, image = base + l * 0x100000, steps = 0;
		shell("cd %s && clang --target=x86_64-pc-windows-msvc %s -fno-vectorize "
		      "-fno-slp-vectorize "
		      "-mno-stack-arg-probe -w -c %s/tests/unit/cmd_demo/calls.c -o %s.obj && "
		      "lld-link /nologo "
		      "/Brepro /dll /nodefaultlib /entry:entry /debug /pdb:%s.pdb "
		      "/pdbaltpath:%s.pdb "
		      "/out:%s.dll %s.obj",
			dir, levels[l], root(), name, name, name, name, name);
		load(r, name, image);
		char *symbol = arena_printf(&world, "%s!work", name);
		assert_int_equal(eng_eval(r->e, str_of(symbol), &work, NULL), ERR_OK);
		x64_regs g = {.valid = X64_SET_GENERAL, .rip = work, .eflags = 0x246};
		for (size_t i = 0; i < ARRAY_LEN(kept); i++)
			g.gpr[kept[i]] = 0x4141414100000000 + i;
		g.gpr[X64_RCX] = 5;
		g.gpr[X64_RSP] = top - 8;
		uint8_t raw[8];
		put64(raw, caller);
		assert_int_equal(eng_write(r->e, top - 8, raw, 8, NULL), ERR_OK);
		x64_regs start = g;
		x64_mem m = {r, run_read, run_write};
		while (g.rip != caller) {
			x64_insn in;
			diag d = {0};
			check_stack(r, &g, &start, caller);
			if (eng_insn(r->e, g.rip, &in, &d) != ERR_OK)
				fail_msg("%s: %s", name, d.text);
			err e = x64_emulate(&g, &in, &m);
			if (e != ERR_OK) {
				buf b;
				buf_init(&b, 0);
				x64_format(&in, NULL, &b);
				fail_msg("%s: \"%s\" at %llx: %s", name, buf_z(&b),
					(unsigned long long)in.addr, err_name(e));
			}
			assert_true(++steps < 20000);
		}
		for (size_t i = 0; i < ARRAY_LEN(kept); i++)
			assert_int_equal(g.gpr[kept[i]], start.gpr[kept[i]]);
		assert_int_equal(g.gpr[X64_RSP], top);
		/* work(5): the same whatever the optimisation */
		assert_int_equal((int64_t)g.gpr[X64_RAX], WORK_5);
		assert_true(steps > 300);
	}
}

/* bm makes a bu of each function that matches; /a takes data, too, /d makes bp. bl has lines or
 * not. */
static void breakpoints_by_pattern(void **state)
{
	rig *r = *state;
	HAS(run_line(r, "bm demo!help*"), "demo!helper");
	HAS(run_line(r, ".bpcmds"), "bu0 @!\"demo!helper\";");
	r->e->lines_on = true;
	HAS(run_line(r, "bl"), "demo.c @ ");
	assert_null(strstr(run_line(r, "bl /L"), "demo.c"));
	run_line(r, "bc *; bm /d demo!help*");
	HAS(run_line(r, ".bpcmds"), "bp0 0x");
	run_line(r, "bc *; bm demo!g_*");
	assert_string_equal(run_line(r, ".bpcmds"), "");
	run_line(r, "bm /a demo!g_*");
	HAS(run_line(r, ".bpcmds"), "demo!g_");
	run_line(r, "bc *");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, rig_teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {T(forwards), T(unreadable_code), T(backwards),
		T(physical_code), T(breakpoints_never_show), T(options), T(whole_function),
		T(switches), T(function_entries), T(pattern_search), T(backtrace), T(raw_stack),
		T(frames), T(parameters_and_lines), T(breakpoints_by_pattern), T(source_at_stops),
		T(stack_at_every_instruction)};
	return cmocka_run_group_tests(tests, build, clean);
}
