/*
 * The system call stubs, one for each row of SYSTEM_SERVICES (services.inc is made from nt.h), and the
 * place where the kernel puts a thread that has had an exception.
 */
#include "offsets.h"

	.intel_syntax noprefix
	.text

.macro PROC name
	.globl \name
	.def \name; .scl 2; .type 32; .endef
	.p2align 4
	.seh_proc \name
\name:
.endm

.macro SERVICE name, number
	.globl \name
	.def \name; .scl 2; .type 32; .endef
	.p2align 4
\name:
	mov r10, rcx
	mov eax, \number
	syscall
	ret
.endm

#include "services.inc"

/*
 * rsp: CONTEXT, four home words, EXCEPTION_RECORD, and at 0x590 a machine frame (trap.c,
 * USER_EXCEPTION_FRAME), which lets the stack be unwound into the code that failed.
 */
PROC KiUserExceptionDispatcher
	.seh_pushframe
	.seh_stackalloc 0x590
	.seh_savereg rbp, CxRax + 40
	.seh_savereg rbx, CxRax + 24
	.seh_savereg rsi, CxRax + 48
	.seh_savereg rdi, CxRax + 56
	.seh_savereg r12, CxRax + 96
	.seh_savereg r13, CxRax + 104
	.seh_savereg r14, CxRax + 112
	.seh_savereg r15, CxRax + 120
	.seh_endprologue
	cld
	lea rcx, [rsp + 1232 + 32]
	mov rdx, rsp
	call RtlDispatchException
	test al, al
	jz 1f
	mov rcx, rsp
	xor edx, edx
	call NtContinue
	jmp 2f
1:	lea rcx, [rsp + 1232 + 32]
	mov rdx, rsp
	xor r8d, r8d		/* second chance */
	call NtRaiseException
2:	int 3
	.seh_endproc

/* A thread's first function after the loader: (start, argument). */
PROC RtlUserThreadStart
	sub rsp, 0x28
	.seh_stackalloc 0x28
	.seh_endprologue
	mov rax, rcx
	mov rcx, rdx
	call rax
	mov ecx, eax
	call RtlExitUserThread
	int 3
	.seh_endproc
