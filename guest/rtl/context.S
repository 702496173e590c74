/*
 * Context capture and restore, breakpoints and the debug service: the same code in the kernel and in
 * ntdll. DebugService is int 2d with the service in eax; the int 3 behind it is skipped by the trap,
 * so that a system without a debugger stub would stop there.
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

/* In CONTEXT from CxRax: Rax Rcx Rdx Rbx Rsp Rbp Rsi Rdi R8 ... R15 Rip. */
PROC RtlCaptureContext
	pushfq
	.seh_stackalloc 8
	.seh_endprologue
	mov [rcx + CxRax], rax
	mov [rcx + CxRax + 8], rcx
	mov [rcx + CxRax + 16], rdx
	mov [rcx + CxRax + 24], rbx
	lea rax, [rsp + 16]
	mov [rcx + CxRax + 32], rax
	mov [rcx + CxRax + 40], rbp
	mov [rcx + CxRax + 48], rsi
	mov [rcx + CxRax + 56], rdi
	mov [rcx + CxRax + 64], r8
	mov [rcx + CxRax + 72], r9
	mov [rcx + CxRax + 80], r10
	mov [rcx + CxRax + 88], r11
	mov [rcx + CxRax + 96], r12
	mov [rcx + CxRax + 104], r13
	mov [rcx + CxRax + 112], r14
	mov [rcx + CxRax + 120], r15
	mov rax, [rsp + 8]
	mov [rcx + CxRip], rax
	mov eax, [rsp]
	mov [rcx + CxEFlags], eax
	mov word ptr [rcx + CxSegCs], cs
	mov word ptr [rcx + CxSegCs + 2], ds
	mov word ptr [rcx + CxSegCs + 4], es
	mov word ptr [rcx + CxSegCs + 6], fs
	mov word ptr [rcx + CxSegCs + 8], gs
	mov word ptr [rcx + CxSegCs + 10], ss
	fxsave64 [rcx + CxFltSave]
	stmxcsr [rcx + CxMxCsr]
	mov dword ptr [rcx + CxContextFlags], 0x10000f
	mov rax, [rcx + CxRax]
	popfq
	ret
	.seh_endproc

PROC RtlRestoreContext
	.seh_endprologue
	fxrstor64 [rcx + CxFltSave]
	movzx eax, word ptr [rcx + CxSegCs + 10]
	push rax
	push [rcx + CxRax + 32]
	mov eax, [rcx + CxEFlags]
	push rax
	movzx eax, word ptr [rcx + CxSegCs]
	push rax
	push [rcx + CxRip]
	mov rax, [rcx + CxRax]
	mov rdx, [rcx + CxRax + 16]
	mov rbx, [rcx + CxRax + 24]
	mov rbp, [rcx + CxRax + 40]
	mov rsi, [rcx + CxRax + 48]
	mov rdi, [rcx + CxRax + 56]
	mov r8, [rcx + CxRax + 64]
	mov r9, [rcx + CxRax + 72]
	mov r10, [rcx + CxRax + 80]
	mov r11, [rcx + CxRax + 88]
	mov r12, [rcx + CxRax + 96]
	mov r13, [rcx + CxRax + 104]
	mov r14, [rcx + CxRax + 112]
	mov r15, [rcx + CxRax + 120]
	mov rcx, [rcx + CxRax + 8]
	iretq
	.seh_endproc

PROC DbgBreakPoint
	.seh_endprologue
	int 3
	ret
	.seh_endproc

	.globl RtlpBreakWithStatusInstruction
PROC DbgBreakPointWithStatus
	.seh_endprologue
RtlpBreakWithStatusInstruction:
	int 3
	ret
	.seh_endproc

/* (service, a, b, c, d): the trap finds them in eax, rcx, rdx, r8, r9. */
PROC DebugService
	.seh_endprologue
	mov eax, ecx
	mov rcx, rdx
	mov rdx, r8
	mov r8, r9
	mov r9, [rsp + 0x28]
	int 0x2d
	int 3
	ret
	.seh_endproc
