/*
 * The multiboot entry (32-bit protected mode, paging off) and the jump into the 64-bit kernel.
 * Multiboot 1 specification: magic, flags (align modules, memory size), checksum.
 */
	.section .multiboot, "a"
	.align 4
	.long 0x1badb002, 3, -(0x1badb002 + 3)

	.text
	.code32
	.globl _start
_start:
	cli
	cld
	mov $stack_top, %esp
	push %ebx		/* multiboot information */
	call loader_main	/* returns the LOADER_PARAMETER_BLOCK */
	mov %eax, %esi

	mov %cr4, %ecx
	or $0x20, %ecx		/* PAE */
	mov %ecx, %cr4
	mov (%esi), %eax	/* PageRoot */
	mov %eax, %cr3
	mov $0xc0000080, %ecx	/* EFER: LME, NXE, SCE */
	rdmsr
	or $0x901, %eax
	wrmsr
	mov %cr0, %eax
	or $0x80010001, %eax	/* PG, WP, PE */
	mov %eax, %cr0
	lgdt gdt_pointer
	ljmp $8, $long_mode

	.code64
long_mode:
	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov %esi, %esi		/* clears the upper half */
	mov 24(%rsi), %rsp	/* Stack */
	mov 16(%rsi), %rcx	/* Block */
	mov 8(%rsi), %rax	/* Entry */
	sub $0x28, %rsp
	xor %ebp, %ebp
	jmp *%rax

	.align 8
gdt:
	.quad 0
	.quad 0x00209a0000000000
	.quad 0x0000920000000000
gdt_pointer:
	.word . - gdt - 1
	.long gdt

	.bss
	.align 16
	.skip 8192
stack_top:
