/* The text of instructions, and what a decoded one says about itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "arch/x64.h"

#include <stdio.h>

static const uint64_t AT = 0x140001000;

static size_t from_hex(const char *hex, uint8_t *p)
{
	size_t n = 0;
	for (; *hex; hex += 2) {
		unsigned v;
		sscanf(hex, "%2x", &v);
		p[n++] = (uint8_t)v;
	}
	return n;
}

/* Everything in the four gigabytes at 1`00000000 belongs to nt!Foo. */
static bool name(void *u, uint64_t addr, buf *out)
{
	(void)u;
	if (addr >> 32 != 1)
		return false;
	buf_addf(out, "nt!Foo+0x%x (%08x`%08x)", (unsigned)addr, (unsigned)(addr >> 32),
		(unsigned)addr);
	return true;
}

static const x64_names names = {NULL, name};

static const struct {
	const char *hex, *text;
} texts[] = {
	{"488b442408", "mov     rax,qword ptr [rsp+8]"},
	{"e8fbffffff", "call    nt!Foo+0x40001000 (00000001`40001000)"},
	{"7510", "jne     nt!Foo+0x40001012 (00000001`40001012)"},
	{"4881c4ff000000", "add     rsp,0FFh"},
	{"4883e4f0", "and     rsp,0FFFFFFFFFFFFFFF0h"},
	{"65488b042588010000", "mov     rax,qword ptr gs:[188h]"},
	{"f3ab", "rep stos dword ptr [rdi]"},
	{"f3a4", "rep movs byte ptr [rdi],byte ptr [rsi]"},
	{"f348ab", "rep stos qword ptr [rdi]"},
	{"f0480fb111", "lock cmpxchg qword ptr [rcx],rdx"},
	{"f0830c2400", "lock or dword ptr [rsp],0"},
	{"90", "nop"},
	{"6690", "xchg    ax,ax"},
	{"0f1f440000", "nop     dword ptr [rax+rax]"},
	{"660f1f440000", "nop     word ptr [rax+rax]"},
	{"48b82003000080f7ffff", "mov     rax,0FFFFF78000000320h"},
	{"6aff", "push    0FFFFFFFFFFFFFFFFh"},
	{"83c8ff", "or      eax,0FFFFFFFFh"},
	{"48c7442420feffffff", "mov     qword ptr [rsp+20h],0FFFFFFFFFFFFFFFEh"},
	{"f20f1002", "movsd   xmm0,mmword ptr [rdx]"},
	{"0f29442420", "movaps  xmmword ptr [rsp+20h],xmm0"},
	{"0f0d09", "prefetchw [rcx]"},
	{"0f0138", "invlpg  [rax]"},
	{"0f0111", "lgdt    [rcx]"},
	{"0fae1424", "ldmxcsr dword ptr [rsp]"},
	{"480fc70f", "cmpxchg16b oword ptr [rdi]"},
	{"f30f6f01", "movdqu  xmm0,xmmword ptr [rcx]"},
	{"c5fc1001", "vmovups ymm0,ymmword ptr [rcx]"},
	{"87410c", "xchg    eax,dword ptr [rcx+0Ch]"},
	{"488705abffffff", "xchg    rax,qword ptr [nt!Foo+0x40000fb2 (00000001`40000fb2)]"},
	{"c3", "ret"},
	{"f3c3", "rep ret"},
	{"c21000", "ret     10h"},
	{"cb", "retf"},
	{"48cf", "iretq"},
	{"0f05", "syscall"},
	{"480f07", "sysretq"},
	{"cd29", "int     29h"},
	{"cd2c", "int     2Ch"},
	{"cc", "int     3"},
	{"f1", "int     1"},
	{"0f0b", "ud2"},
	{"ff1500100000", "call    qword ptr [nt!Foo+0x40002006 (00000001`40002006)]"},
	{"ffe0", "jmp     rax"},
	{"48ffe0", "jmp     rax"},
	{"ff6500", "jmp     qword ptr [rbp]"},
	{"f604250803fe7f01", "test    byte ptr [00000000`7ffe0308],1"},
	{"a1785634127f000000", "mov     eax,dword ptr [0000007f`12345678]"},
	{"6e", "outs    dx,byte ptr [rsi]"},
	{"66af", "scas    word ptr [rdi]"},
	{"f2ae", "repne scas byte ptr [rdi]"},
	{"d9c9", "fxch    st(1)"},
	{"db28", "fld     tbyte ptr [rax]"},
	{"dd4508", "fld     qword ptr [rbp+8]"},
	{"0fae01", "fxsave  [rcx]"},
	{"66480f7ec0", "movq    rax,xmm0"},
	{"488d0df0ff0000", "lea     rcx,[nt!Foo+0x40010ff7 (00000001`40010ff7)]"},
	{"488d4c2420", "lea     rcx,[rsp+20h]"},
	{"488b0c8d10000000", "mov     rcx,qword ptr [rcx*4+10h]"},
	{"d1e0", "shl     eax,1"},
	{"d3e8", "shr     eax,cl"},
	{"48c1e804", "shr     rax,4"},
	{"41b801000000", "mov     r8d,1"},
	{"6bc030", "imul    eax,eax,30h"},
	{"480fbae009", "bt      rax,9"},
	{"0f94c0", "sete    al"},
	{"0f4cc1", "cmovl   eax,ecx"},
	{"4863c8", "movsxd  rcx,eax"},
	{"0fb701", "movzx   eax,word ptr [rcx]"},
	{"440f20c0", "mov     rax,cr8"},
	{"0f22d8", "mov     cr3,rax"},
	{"0f23f8", "mov     dr7,rax"},
	{"ec", "in      al,dx"},
	{"ef", "out     dx,eax"},
	{"6783380a", "cmp     dword ptr [eax],0Ah"},
	{"3e488b00", "mov     rax,qword ptr [rax]"},
	{"62f17c4958c1", "vaddps  zmm0{k1},zmm0,zmm1"},
	{"e480", "in      al,80h"},
	{"660fd60424", "movq    mmword ptr [rsp],xmm0"},
	{"0f0100", "sgdt    [rax]"},
	{"0fc7f0", "rdrand  eax"},
	{"e3fe", "jrcxz   nt!Foo+0x40001000 (00000001`40001000)"},
	{"0fae5c2408", "stmxcsr dword ptr [rsp+8]"},
	{"48c7c0ffffffff", "mov     rax,0FFFFFFFFFFFFFFFFh"},
	{"66b8ffff", "mov     ax,0FFFFh"},
	{"04ff", "add     al,0FFh"},
	{"80c1ff", "add     cl,0FFh"},
	{"68ffffffff", "push    0FFFFFFFFFFFFFFFFh"},
	{"83fb0a", "cmp     ebx,0Ah"},
	{"c7042480000000", "mov     dword ptr [rsp],80h"},
	{"cd2e", "int     2Eh"},
	{"4c0fa3c1", "bt      rcx,r8"},
	{"fa", "cli"},
	{"9c", "pushfq"},
	{"48a5", "movs    qword ptr [rdi],qword ptr [rsi]"},
	{"f30f1efa", "endbr64"},
	{"d7", "xlat    byte ptr [rbx]"},
	{"69c010270000", "imul    eax,eax,2710h"},
	{"7a00", "jp      nt!Foo+0x40001002 (00000001`40001002)"},
	{"488d0424", "lea     rax,[rsp]"},
	{"48ff642440", "jmp     qword ptr [rsp+40h]"},
	{"e2fe", "loop    nt!Foo+0x40001000 (00000001`40001000)"},
	{"f390", "pause"},
	{"488bc4", "mov     rax,rsp"},
	{"4883c0f8", "add     rax,0FFFFFFFFFFFFFFF8h"},
	{"c645f880", "mov     byte ptr [rbp-8],80h"},
	{"488945f8", "mov     qword ptr [rbp-8],rax"},
};

static void text_is_as_windbg_prints_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		uint8_t raw[16];
		x64_insn in;
		buf b;
		buf_init(&b, 0);
		size_t n = from_hex(texts[i].hex, raw);
		assert_int_equal(x64_decode(raw, n, AT, &in), ERR_OK);
		assert_int_equal(in.len, n);
		x64_format(&in, &names, &b);
		assert_string_equal(buf_z(&b), texts[i].text);
		buf_deinit(&b);
	}
}

static void text_without_names(void **state)
{
	static const uint8_t call[] = {0xe8, 0xfb, 0xff, 0xff, 0xff},
			     lea[] = {0x48, 0x8d, 5, 0, 0, 0, 0};
	static const uint8_t mov[] = {0x48, 0xb8, 0, 0, 0, 0, 1, 0, 0, 0};
	x64_insn in;
	buf b;
	(void)state;
	buf_init(&b, 0);
	assert_int_equal(x64_decode(call, sizeof call, AT, &in), ERR_OK);
	x64_format(&in, NULL, &b);
	assert_string_equal(buf_z(&b), "call    00000001`40001000");
	buf_clear(&b);
	assert_int_equal(x64_decode(lea, sizeof lea, AT, &in), ERR_OK);
	x64_format(&in, NULL, &b);
	assert_string_equal(buf_z(&b), "lea     rax,[00000001`40001007]");
	buf_clear(&b);
	assert_int_equal(x64_decode(mov, sizeof mov, AT, &in), ERR_OK);
	x64_format(&in, NULL, &b);
	assert_string_equal(buf_z(&b), "mov     rax,100000000h");
	buf_clear(&b);
	x64_format(&in, &names, &b);
	assert_string_equal(buf_z(&b), "mov     rax,offset nt!Foo+0x0 (00000001`00000000)");
	buf_deinit(&b);
}

static void lines_keep_their_columns(void **state)
{
	static const struct {
		const char *hex, *text;
	} t[] = {
		{"90", "90              nop"},
		{"48b82003000080f7ffff", "48b82003000080f7ffff mov rax,0FFFFF78000000320h"},
		{"65488b042588010000", "65488b042588010000 mov   rax,qword ptr gs:[188h]"},
		{"488b842480000000", "488b842480000000 mov     rax,qword ptr [rsp+80h]"},
		{"f0480fba6b1000", "f0480fba6b1000  lock bts qword ptr [rbx+10h],0"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		uint8_t raw[16];
		x64_insn in;
		buf b;
		buf_init(&b, 0);
		assert_int_equal(x64_decode(raw, from_hex(t[i].hex, raw), AT, &in), ERR_OK);
		x64_format_line(&in, &names, &b);
		assert_string_equal(buf_z(&b), t[i].text);
		buf_deinit(&b);
	}
}

static void flow_of_instructions(void **state)
{
	static const struct {
		const char *hex;
		x64_flow flow;
		bool target;
		uint64_t to;
	} t[] = {
		{"90", X64_FLOW_NEXT, false, 0},
		{"e8fb000000", X64_FLOW_CALL, true, 0x140001100},
		{"ff10", X64_FLOW_CALL, false, 0},
		{"c3", X64_FLOW_RET, false, 0},
		{"c20800", X64_FLOW_RET, false, 0},
		{"ebfe", X64_FLOW_JMP, true, 0x140001000},
		{"ffe0", X64_FLOW_JMP, false, 0},
		{"7402", X64_FLOW_COND, true, 0x140001004},
		{"e3fe", X64_FLOW_COND, true, 0x140001000},
		{"e2fe", X64_FLOW_COND, true, 0x140001000},
		{"0f05", X64_FLOW_SYSCALL, false, 0},
		{"cd2e", X64_FLOW_SYSCALL, false, 0},
		{"48cf", X64_FLOW_SYSRET, false, 0},
		{"480f07", X64_FLOW_SYSRET, false, 0},
		{"cc", X64_FLOW_BREAK, false, 0},
		{"cd2c", X64_FLOW_BREAK, false, 0},
		{"cd29", X64_FLOW_BREAK, false, 0},
		{"0f0b", X64_FLOW_BREAK, false, 0},
		{"f4", X64_FLOW_BREAK, false, 0},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		uint8_t raw[16];
		x64_insn in;
		assert_int_equal(x64_decode(raw, from_hex(t[i].hex, raw), AT, &in), ERR_OK);
		assert_int_equal(in.flow, t[i].flow);
		assert_int_equal(in.has_target, t[i].target);
		assert_int_equal(in.target, t[i].to);
	}
}

static x64_insn decode(const char *hex)
{
	uint8_t raw[16];
	x64_insn in;
	assert_int_equal(x64_decode(raw, from_hex(hex, raw), AT, &in), ERR_OK);
	return in;
}

static void memory_operands(void **state)
{
	x64_regs r = {.valid = X64_SET_GENERAL};
	uint64_t ea;
	(void)state;
	r.gpr[X64_RAX] = 0x1000;
	r.gpr[X64_RCX] = 3;
	r.gpr[X64_RSP] = 0x8000;
	x64_insn in = decode("488944c820"); /* mov [rax+rcx*8+20h],rax */
	assert_true(in.has_mem && in.mem_write && in.mem_size == 8);
	assert_true(x64_insn_ea(&in, &r, &ea));
	assert_int_equal(ea, 0x1038);
	in = decode("0fb64424f8"); /* movzx eax,byte ptr [rsp-8] */
	assert_true(in.has_mem && !in.mem_write && in.mem_size == 1);
	r.valid = X64_SET_CONTROL;
	assert_true(x64_insn_ea(&in, &r, &ea));
	assert_int_equal(ea, 0x7ff8);
	in = decode("488b00");
	assert_false(x64_insn_ea(&in, &r, &ea)); /* rax is not known */
	in = decode("488b0510000000");
	assert_true(in.rip_relative && x64_insn_ea(&in, &r, &ea));
	assert_int_equal(ea, AT + 7 + 0x10);
	assert_int_equal(in.rip_target, ea);
	in = decode("488d0510000000"); /* lea touches nothing */
	assert_true(in.rip_relative && !in.has_mem);
	in = decode("65488b00");
	assert_false(x64_insn_ea(&in, &r, &ea));
	r.valid = X64_SET_GENERAL;
	in = decode("8b042578563412"); /* mov eax,dword ptr [12345678h] */
	assert_true(x64_insn_ea(&in, &r, &ea));
	assert_int_equal(ea, 0x12345678);
	r.gpr[X64_R12] = 0x2000;
	r.gpr[X64_R13] = 5;
	in = decode("438b44acf0"); /* mov eax,dword ptr [r12+r13*4-10h] */
	assert_true(x64_insn_ea(&in, &r, &ea));
	assert_int_equal(ea, 0x2004);
	r.gpr[X64_RAX] = 0xffffffff;
	in = decode("678b4001"); /* mov eax,dword ptr [eax+1] wraps at 32 bits */
	assert_true(x64_insn_ea(&in, &r, &ea));
	assert_int_equal(ea, 0);
	in = decode("c4e26990040e"); /* vpgatherdd: an index that is a vector */
	assert_false(x64_insn_ea(&in, &r, &ea));
	in = decode("0f1f00");
	assert_false(in.has_mem);
	assert_true(decode("f3a4").rep);
	assert_false(decode("a4").rep);
	assert_false(decode("f390").rep);
}

static void branches_taken(void **state)
{
	x64_regs r = {.valid = X64_SET_GENERAL};
	(void)state;
	x64_insn je = decode("7402"), jg = decode("7f02"), jrcxz = decode("e302"),
		 loop = decode("e202");
	assert_false(x64_taken(&je, &r));
	r.eflags = X64_FL_ZF;
	assert_true(x64_taken(&je, &r));
	assert_false(x64_taken(&jg, &r));
	r.eflags = X64_FL_SF | X64_FL_OF;
	assert_true(x64_taken(&jg, &r));
	assert_true(x64_taken(&jrcxz, &r));
	r.gpr[X64_RCX] = 1;
	assert_false(x64_taken(&jrcxz, &r));
	assert_false(x64_taken(&loop, &r));
	r.gpr[X64_RCX] = 2;
	assert_true(x64_taken(&loop, &r));
	x64_insn jmp = decode("eb00"), nop = decode("90");
	assert_true(x64_taken(&jmp, &r));
	assert_false(x64_taken(&nop, &r));
}

static void registers_named(void **state)
{
	const x64_reg *r[4];
	(void)state;
	x64_insn in = decode("488b448b10"); /* mov rax,[rbx+rcx*4+10h] */
	assert_int_equal(x64_insn_regs(&in, r, 4), 3);
	assert_string_equal(r[0]->name, "rax");
	assert_string_equal(r[1]->name, "rbx");
	assert_string_equal(r[2]->name, "rcx");
	assert_int_equal(x64_insn_regs(&in, r, 2), 2);
	in = decode("33c0"); /* each once */
	assert_int_equal(x64_insn_regs(&in, r, 4), 1);
	assert_string_equal(r[0]->name, "eax");
	in = decode("c3");
	assert_int_equal(x64_insn_regs(&in, r, 4), 0);
}

static void bytes_that_are_no_instruction(void **state)
{
	x64_insn in = {.len = 99};
	static const uint8_t cut[] = {0x48, 0x8b}, bad[] = {0x06},
			     longer[16] = {0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
				     0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90};
	(void)state;
	assert_int_equal(x64_decode(cut, sizeof cut, 0, &in), ERR_FAULT);
	assert_int_equal(x64_decode(cut, 0, 0, &in), ERR_FAULT);
	assert_int_equal(x64_decode(bad, sizeof bad, 0, &in), ERR_CORRUPT);
	assert_int_equal(x64_decode(longer, sizeof longer, 0, &in), ERR_CORRUPT);
	assert_int_equal(in.len, 99);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_as_windbg_prints_it),
		cmocka_unit_test(text_without_names),
		cmocka_unit_test(lines_keep_their_columns),
		cmocka_unit_test(flow_of_instructions),
		cmocka_unit_test(memory_operands),
		cmocka_unit_test(branches_taken),
		cmocka_unit_test(registers_named),
		cmocka_unit_test(bytes_that_are_no_instruction),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
