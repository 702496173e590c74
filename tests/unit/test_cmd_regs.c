/* r and rm: layout, single registers, types, setting, other processors. */
#include "cmd_rig.h"

#define CODE 0xfffff80000010000ull

static int setup(void **state)
{
	rig *r = rig_begin(state);
	static const uint8_t code[] = {
		0x48, 0x8b, 0x44, 0x8b, 0x10, 0x90}; /* mov rax,[rbx+rcx*4+10h] */
	fake_mem(r->f, as_current(), CODE, code, sizeof code);
	x64_regs *g = fake_regs(r->f, 0);
	for (int i = 0; i < X64_NGPR; i++)
		g->gpr[i] = 0x1000 + (unsigned)i;
	g->eflags = 0x246;
	g->seg[X64_CS] = 0x10;
	g->seg[X64_SS] = 0x18;
	g->seg[X64_DS] = g->seg[X64_ES] = 0x2b;
	g->seg[X64_FS] = 0x53;
	g->seg[X64_GS] = 0x2b;
	g->dr[6] = 0xffff0ff0;
	g->dr[7] = 0x400;
	g->cr0 = 0x80050033;
	g->cr3 = 0x1aa000;
	g->cr4 = 0x6f8;
	g->gdtr_base = 0xfffff80000001000;
	g->gdtr_limit = 0x57;
	g->idtr_limit = 0xfff;
	g->tr = 0x40;
	put16(g->fx, 0x27f);
	put32(g->fx + 160, 0x3f800000);
	*fake_regs(r->f, 1) = *g;
	fake_regs(r->f, 1)->gpr[X64_RAX] = 0xaaaa;
	fake_regs(r->f, 1)->rip = CODE + 5;
	rig_stop_at(r, CODE, 2);
	return 0;
}

static const char integers[] = "rax=0000000000001000 rbx=0000000000001003 rcx=0000000000001001\n"
			       "rdx=0000000000001002 rsi=0000000000001006 rdi=0000000000001007\n"
			       "rip=fffff80000010000 rsp=0000000000001004 rbp=0000000000001005\n"
			       " r8=0000000000001008  r9=0000000000001009 r10=000000000000100a\n"
			       "r11=000000000000100b r12=000000000000100c r13=000000000000100d\n"
			       "r14=000000000000100e r15=000000000000100f\n"
			       "iopl=0         nv up ei pl zr na pe nc\n";
static const char segments[] =
	"cs=0010  ss=0018  ds=002b  es=002b  fs=0053  gs=002b             efl=00000246\n";
static const char insn[] =
	"fffff800`00010000 488b448b10      mov     rax,qword ptr [rbx+rcx*4+10h] "
	"ds:002b:00000000`00005017=????????????????\n";

static void whole_display(void **state)
{
	rig *r = *state;
	char want[2048];
	snprintf(want, sizeof want, "%s%s%s", integers, segments, insn);
	expect(r, "r", want);
	/* without segments that of the operand is not known either */
	HAS(run_line(r, "rM 2"), "[rbx+rcx*4+10h] ds:");
	expect(r, "rM8", segments);
	expect(r, "rM 1a0",
		"dr0=0000000000000000 dr1=0000000000000000 dr2=0000000000000000\n"
		"dr3=0000000000000000 dr6=00000000ffff0ff0 dr7=0000000000000400 "
		"cr4=00000000000006f8\n"
		"cr0=0000000080050033 cr2=0000000000000000 cr3=00000000001aa000\n"
		"cr8=0000000000000000\n"
		"gdtr=fffff80000001000   gdtl=0057 idtr=0000000000000000   idtl=0fff tr=0040  "
		"ldtr=0000\n");
	const char *fp = run_line(r, "rF");
	HAS(fp, "fpcw=027F: rn 53 puozdi  fpsw=0000: top=0 cc=0000 --------  fptw=FFFF\n");
	HAS(fp, "st0= 0.000000000000000000000e+0000  st1= 0.000000000000000000000e+0000\n");
	HAS(run_line(r, "rX"), "xmm0=0 0 0 1\nxmm1=0 0 0 0\n");
	HAS(run_line(r, "rM 800"), "xmm0=0000000000000000 000000003f800000\n");
	HAS(run_line(r, "rM 10"), "mm0=0000000000000000  mm1=0000000000000000\n");
	HAS(run_line(r, "rY"), "AVX registers are not part");
	HAS(run_line(r, "rM 202"), "Ignored invalid bits 200\n");
}

/* What the current instruction is about to touch. */
static void effects(void **state)
{
	rig *r = *state;
	static const uint8_t code[] = {
		0x0f, 0x84, 0x10, 0, 0, 0, 0x8b, 0x44, 0x24, 0x08, 0x0f, 0x10, 0x06};
	x64_regs g = *fake_regs(r->f, 0);
	fake_mem(r->f, as_current(), CODE + 0x100, code, sizeof code);
	fake_mem(r->f, as_current(), 0xfffff80000020008, "\x78\x56\x34\x12", 4);
	g.rip = CODE + 0x100;
	g.valid = X64_SET_ALL;
	eng_ctx_regs(r->e, REGS_CXR, 0, &g);
	HAS(run_line(r, "r"), "je      fffff800`00010116 [br=1]\n");
	g.eflags = 0;
	eng_ctx_regs(r->e, REGS_CXR, 0, &g);
	HAS(run_line(r, "r"), "[br=0]\n");
	g.rip += 6;
	g.gpr[X64_RSP] = 0xfffff80000020000;
	eng_ctx_regs(r->e, REGS_CXR, 0, &g);
	HAS(run_line(r, "r"), "mov     eax,dword ptr [rsp+8] ss:0018:fffff800`00020008=12345678\n");
	g.rip += 4;
	g.gpr[X64_RSI] = 0xfffff80000020ff8;
	g.seg[X64_CS] = 0x33; /* user mode */
	eng_ctx_regs(r->e, REGS_CXR, 0, &g);
	HAS(run_line(r, "r"),
		"\n0033:fffff800`0001010a 0f1006          movups  xmm0,xmmword ptr [rsi] "
		"ds:002b:fffff800`00020ff8=????????????????0000000000000000\n");
	r->e->show_ea = false;
	assert_null(strstr(run_line(r, "r"), "ds:"));
}

static void masks(void **state)
{
	rig *r = *state;
	expect(r, "rm",
		"Register output mask is a:\n       2 - Integer state (64-bit)\n       8 - Segment "
		"registers\n");
	run_line(r, "rm 8");
	expect(r, "r", segments);
	expect(r, "rm 3; rm", "Register output mask is 2:\n       2 - Integer state (64-bit)\n");
	expect(r, "rm 0x100a", "Ignored invalid bits 1000\n");
	HAS(run_line(r, "rm"), "mask is a:");
	HAS(run_line(r, "rm ?"), "     100 - Descriptor");
	HAS(run_line(r, "rm x!"), "rror");
}

static void single_registers(void **state)
{
	rig *r = *state;
	expect(r, "r rax", "rax=0000000000001000\n");
	expect(r, "r eax,ax, al ah", "eax=00001000 ax=1000 al=00 ah=10\n");
	expect(r, "r zf", "zf=1\n");
	expect(r, "r @rbx", "rbx=0000000000001003\n");
	expect(r, "rcs", "cs=0010\n");
	expect(r, "r iopl, efl", "iopl=0 efl=00000246\n");
	expect(r, "r cr3", "cr3=00000000001aa000\n");
	expect(r, "r xmm0", "xmm0=0 0 0 1 (0000000000000000:000000003f800000)\n");
	expect(r, "r xmm0:4ub", "xmm0=63 128 0 0\n");
	expect(r, "r xmm0:f", "xmm0=0 0 0 1\n");
	expect(r, "r xmm0:uq", "xmm0=0 1065353216\n");
	expect(r, "r xmm0:2iw, zf", "xmm0=16256 0 zf=1\n");
	expect(r, "r st0", "st0= 0.000000000000000000000e+0000 (0:0000:0000000000000000)\n");
	expect(r, "r $t3", "$t3=0000000000000000\n");
	HAS(run_line(r, "r $ip"), "=fffff80000010000\n");
	HAS(run_line(r, "r rax:ub"), "no vector register");
	HAS(run_line(r, "r foo"), "Bad register error at 'foo'");
	HAS(run_line(r, "r xmm0:9zz"), "rror");
	HAS(run_line(r, "r rax,"), "rror");
	HAS(run_line(r, "r rax + 1"), "rror");
}

static void setting(void **state)
{
	rig *r = *state;
	x64_regs *g = fake_regs(r->f, 0);
	expect(r, "r rax=1234", "");
	assert_int_equal(g->gpr[X64_RAX], 0x1234);
	expect(r, "reax=eax-1", "");
	assert_int_equal(g->gpr[X64_RAX], 0x1233);
	expect(r, "r ah = ff, rbx = @rax + 1", "");
	assert_int_equal(g->gpr[X64_RAX], 0xff33);
	assert_int_equal(g->gpr[X64_RBX], 0xff34);
	run_line(r, "r zf=0");
	assert_int_equal(g->eflags, 0x206);
	run_line(r, "r$t1=5; r rcx=@$t1");
	assert_int_equal(g->gpr[X64_RCX], 5);
	expect(r, "rF st0=1.5; r st0",
		"st0= 1.500000000000000000000e+0000 (0:3fff:c000000000000000)\n");
	expect(r, "r st1=-1.234e+10; r st1",
		"st1=-1.234000000000000000000e+0010 (1:4020:b7e15d4000000000)\n");
	expect(r, "r xmm1=4 3 2 1; r xmm1", "xmm1=4 3 2 1 (4080000040400000:400000003f800000)\n");
	expect(r, "r xmm1:d=2.5; r xmm1:d", "xmm1=0 2.5\n");
	expect(r, "r xmm1:uq=1 2; r xmm1:uq", "xmm1=1 2\n");
	expect(r, "r xmm1l=7; r xmm1:uq", "xmm1=1 7\n");
	expect(r, "r mm2=1122334455667788; r mm2", "mm2=1122334455667788\n");
	HAS(run_line(r, "r xmm1=1 2 3 4 5"), "only 4");
	HAS(run_line(r, "r st0=abc"), "no number");
	HAS(run_line(r, "r $ra=1"), "read-only");
	/* quiet mode */
	r->e->quiet = true;
	run_line(r, "r rdx 77");
	assert_int_equal(g->gpr[X64_RDX], 0x77);
	/* asking */
	static const char *const lines[] = {"99", "", NULL};
	r->input = lines;
	expect(r, "r rdx=", "rdx=0000000000000077\nInput> ");
	assert_int_equal(g->gpr[X64_RDX], 0x99);
	run_line(r, "r rdx=");
	assert_int_equal(g->gpr[X64_RDX], 0x99);
}

static void other_processors(void **state)
{
	rig *r = *state;
	const char *got = run_line(r, "1r");
	HAS(got, "rax=000000000000aaaa ");
	HAS(got, "fffff800`00010005 90              nop\n");
	expect(r, "1r rax", "rax=000000000000aaaa\n");
	expect(r, "1r eax, zf", "eax=0000aaaa zf=1\n");
	HAS(run_line(r, "1r eax=1"), "cannot be changed");
	assert_int_equal(fake_regs(r->f, 1)->gpr[X64_RAX], 0xaaaa);
	HAS(run_line(r, "1r $t0"), "no processor prefix");
	HAS(run_line(r, "7r"), "rocessor");
}

static void of_the_instruction(void **state)
{
	rig *r = *state;
	expect(r, "r.", "rax=0000000000001000  rbx=0000000000001003  rcx=0000000000001001\n");
	expect(r, "1r.", "");
}

static void in_a_set_context(void **state)
{
	rig *r = *state;
	x64_regs g = {.valid = X64_SET_CONTROL | X64_SET_INTEGER, .rip = CODE + 5};
	eng_ctx_regs(r->e, REGS_THREAD, 0x1234, &g);
	const char *got = run_line(r, "r");
	assert_ptr_equal(strstr(got, "Last set context:\nrax=0000000000000000"), got);
	HAS(run_line(r, "r rax=1"), "cannot be changed");
	HAS(run_line(r, "r xmm0"), "not known in this register context");
	expect(r, "rF", "Last set context:\n");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, rig_teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {T(whole_display), T(effects), T(masks),
		T(single_registers), T(setting), T(other_processors), T(of_the_instruction),
		T(in_a_set_context)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
