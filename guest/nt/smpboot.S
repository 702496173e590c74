/*
 * The first instructions of the other processors: real mode at KiApStart's copy in low memory, then
 * straight to long mode with the boot processor's page tables. The parameters at the end are filled by
 * KiStartProcessors, which copies everything from KiApStart to KiApEnd to physical 0x8000.
 */
#define AT(label) (0x8000 + label - KiApStart)

	.section .rdata, "dr"
	.globl KiApStart
	.globl KiApEnd
	.globl KiApParameters
	.p2align 4
	.code16
KiApStart:
	cli
	xor %ax, %ax
	mov %ax, %ds
	lgdtl 0x8000 + (gdt_pointer - KiApStart)
	mov $0x20, %eax			/* PAE */
	mov %eax, %cr4
	mov 0x8000 + (KiApParameters - KiApStart), %eax
	mov %eax, %cr3
	mov $0xc0000080, %ecx		/* EFER: LME, NXE, SCE */
	mov $0x901, %eax
	xor %edx, %edx
	wrmsr
	mov $0x80010031, %eax		/* PG, WP, NE, ET, PE */
	mov %eax, %cr0
	ljmpl $8, $(0x8000 + (long_mode - KiApStart))

	.code64
long_mode:
	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov 0x8000 + (KiApParameters - KiApStart) + 8, %rsp
	mov 0x8000 + (KiApParameters - KiApStart) + 16, %rcx
	mov 0x8000 + (KiApParameters - KiApStart) + 24, %rax
	sub $0x28, %rsp
	xor %ebp, %ebp
	jmp *%rax

	.p2align 3
gdt:
	.quad 0
	.quad 0x00209a0000000000
	.quad 0x0000920000000000
gdt_pointer:
	.word 23
	.long 0x8000 + (gdt - KiApStart)
	.p2align 3
KiApParameters:
	.quad 0		/* page root, below 4 GB */
	.quad 0		/* stack */
	.quad 0		/* argument: KPCR */
	.quad 0		/* entry */
KiApEnd:
