/*
 * kinds: one small function for each kind of instruction that a trap may stand on; each is called
 * with a few arguments, and the sum of all results is printed. It must be the same with a trap
 * on every one of the labels at_*.
 */
#include <stdio.h>

__asm__(".text\n"
	/* name, instruction under the trap, rest */
	".macro fn name\n.globl \\name\n.type \\name, @function\n\\name:\n.endm\n"
	"fn k_push\n	at_push: push %rbx\n	mov %rdi, %rbx\n	lea 1(%rbx), %rax\n	"
	"pop %rbx\n	ret\n"
	"fn k_endbr\n	at_endbr: endbr64\n	lea 2(%rdi), %rax\n	ret\n"
	"fn k_nop\n	at_nop: nop\n	lea 3(%rdi), %rax\n	ret\n"
	"fn k_riprel\n	at_riprel: mov k_word(%rip), %rax\n	add %rdi, %rax\n	ret\n"
	"fn k_ripimm\n	at_ripimm: cmpl $0x1234, k_word(%rip)\n	sete %al\n	movzx %al, "
	"%eax\n	ret\n"
	"fn k_lea\n	at_lea: lea k_word(%rip), %rax\n	mov (%rax), %rax\n	ret\n"
	"fn k_jmp\n	at_jmp: jmp 1f\n	ud2\n1:	lea 4(%rdi), %rax\n	ret\n"
	"fn k_jcc\n	xor %eax, %eax\n	test $1, %dil\n	at_jcc: jz 1f\n	inc %rax\n1:	"
	"ret\n"
	"fn k_jccfar\n	xor %eax, %eax\n	test $2, %dil\n	at_jccfar: jnz k_far\n	inc "
	"%rax\n	ret\n"
	"fn k_call\n	at_call: call k_leaf\n	inc %rax\n	ret\n"
	"fn k_callreg\n	lea k_leaf(%rip), %rax\n	at_callreg: call *%rax\n	inc "
	"%rax\n	ret\n"
	"fn k_callmem\n	at_callmem: call *k_pointer(%rip)\n	inc %rax\n	ret\n"
	"fn k_jmpreg\n	lea k_leaf(%rip), %rax\n	at_jmpreg: jmp *%rax\n"
	"fn k_jmpmem\n	at_jmpmem: jmp *k_pointer(%rip)\n"
	"fn k_ret\n	mov %rdi, %rax\n	at_ret: ret\n"
	"fn k_retn\n	sub $16, %rsp\n	mov 16(%rsp), %rax\n	mov %rax, (%rsp)\n	mov %rdi, "
	"%rax\n	at_retn: ret $16\n"
	"fn k_loop\n	mov $5, %ecx\n	xor %eax, %eax\n1:	inc %rax\n	at_loop: loop "
	"1b\n	ret\n"
	"fn k_jrcxz\n	mov %rdi, %rcx\n	mov $1, %eax\n	at_jrcxz: jrcxz 1f\n	inc "
	"%rax\n1:	ret\n"
	"fn k_rep\n	lea k_from(%rip), %rsi\n	lea k_to(%rip), %rdi\n	mov $32, %ecx\n	"
	"at_rep: rep movsb\n"
	"	mov k_to+24(%rip), %rax\n	ret\n"
	"fn k_pushf\n	xor %eax, %eax\n	stc\n	at_pushf: pushf\n	pop %rax\n	"
	"and $1, %eax\n	ret\n"
	"fn k_sse\n	cvtsi2sd %rdi, %xmm0\n	at_sse: addsd k_double(%rip), %xmm0\n	cvttsd2si "
	"%xmm0, %rax\n	ret\n"
	"fn k_fs\n	at_fs: mov %fs:0, %rax\n	xor %eax, %eax\n	ret\n"
	"fn k_syscall\n	mov $39, %eax\n	at_syscall: syscall\n	xor %eax, %eax\n	ret\n"
	"fn k_leave\n	push %rbp\n	mov %rsp, %rbp\n	sub $32, %rsp\n	mov %rdi, "
	"%rax\n	at_leave: leave\n	ret\n"
	"fn k_run\n	mov %rdi, %rax\n	.rept 100\n	lea 3(%rax), %rax\n	.endr\n	"
	"ret\n"
	"k_far:	lea 9(%rdi), %rax\n	ret\n"
	"k_leaf:	lea 5(%rdi), %rax\n	ret\n"
	".data\n.balign 8\n"
	"k_word:	.quad 0x1234\n"
	"k_double:	.double 1.5\n"
	"k_pointer:	.quad k_leaf\n"
	"k_from:	.fill 32, 1, 3\n"
	"k_to:	.fill 32, 1, 0\n"
	".text\n");

#define KINDS(X)                                                                                   \
	X(k_push)                                                                                  \
	X(k_endbr)                                                                                 \
	X(k_nop)                                                                                   \
	X(k_riprel)                                                                                \
	X(k_ripimm)                                                                                \
	X(k_lea)                                                                                   \
	X(k_jmp)                                                                                   \
	X(k_jcc)                                                                                   \
	X(k_jccfar)                                                                                \
	X(k_call)                                                                                  \
	X(k_callreg)                                                                               \
	X(k_callmem)                                                                               \
	X(k_jmpreg)                                                                                \
	X(k_jmpmem)                                                                                \
	X(k_ret)                                                                                   \
	X(k_retn)                                                                                  \
	X(k_loop)                                                                                  \
	X(k_jrcxz)                                                                                 \
	X(k_rep)                                                                                   \
	X(k_pushf)                                                                                 \
	X(k_sse)                                                                                   \
	X(k_fs)                                                                                    \
	X(k_syscall)                                                                               \
	X(k_leave)                                                                                 \
	X(k_run)

#define DECLARE(f) long f(long);
KINDS(DECLARE)

int main(void)
{
#define LIST(f) f,
	static long (*const all[])(long) = {KINDS(LIST)};
	unsigned long sum = 0;
	for (long arg = 0; arg < 4; arg++)
		for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++)
			sum = sum * 31 + (unsigned long)all[i](arg);
	printf("%lx\n", sum);
	return 0;
}
