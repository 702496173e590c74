/*
 * Everything that enters or leaves the kernel: exceptions, interrupts, system calls, the switch from
 * one thread to another, and, in variant b (KVA_SHADOW), the trampolines between the two page-table
 * roots of a process.
 *
 *                       variant a                     variant b
 *   exception, user:    KiXxx                         KiXxxShadow (user root) -> KiXxx
 *   exception, kernel:  KiXxx                         KiXxxShadow -> KiXxx at once
 *   syscall:            KiSystemCall64                KiSystemCall64Shadow -> KiSystemServiceStart
 *   back to user:       iretq, sysretq                through KVASCODE, which loads the user root
 *   debug traps:        KiXxx, on a stack of their own, from anywhere in the above -> KxXxx where they can
 *
 * Each routine describes its frame with unwind codes, so a stack can be followed from kernel code through
 * the trap into user mode. rbp is 0x80 above the KTRAP_FRAME while one is being built or torn down.
 */
#include "offsets.h"

	.intel_syntax noprefix

/* ---- building blocks ---- */

.macro PROC name
	.globl \name
	.def \name; .scl 2; .type 32; .endef
	.p2align 4
	.seh_proc \name
\name:
.endm

/* The machine frame is there (with an error code, real or 0); makes the rest of a KTRAP_FRAME. */
.macro TRAP_PROLOGUE
	push rbp
	.seh_pushreg rbp
	sub rsp, TrapRbpOffset
	.seh_stackalloc TrapRbpOffset
	lea rbp, [rsp + 0x80]
	.seh_setframe rbp, 0x80
	.seh_endprologue
.endm

.macro SAVE_VOLATILE
	mov [rbp + TrRax], rax
	mov [rbp + TrRcx], rcx
	mov [rbp + TrRdx], rdx
	mov [rbp + TrR8], r8
	mov [rbp + TrR9], r9
	mov [rbp + TrR10], r10
	mov [rbp + TrR11], r11
	stmxcsr [rbp + TrMxCsr]
	cld
	mov al, [rbp + TrSegCs]
	and al, 1
	mov [rbp + TrPreviousMode], al
.endm

.macro RESTORE_VOLATILE
	mov r11, [rbp + TrR11]
	mov r10, [rbp + TrR10]
	mov r9, [rbp + TrR9]
	mov r8, [rbp + TrR8]
	mov rdx, [rbp + TrRdx]
	mov rcx, [rbp + TrRcx]
	mov rax, [rbp + TrRax]
.endm

/* The registers that C preserves: a debugger may look at them and change them. */
.macro SAVE_NONVOLATILE
	sub rsp, ExceptionFrameLength
	mov [rsp + ExRbx], rbx
	mov [rsp + ExRdi], rdi
	mov [rsp + ExRsi], rsi
	mov [rsp + ExR12], r12
	mov [rsp + ExR13], r13
	mov [rsp + ExR14], r14
	mov [rsp + ExR15], r15
	mov rax, [rbp + TrRbp]
	mov [rsp + ExRbp], rax
.endm

.macro RESTORE_NONVOLATILE
	mov rbx, [rsp + ExRbx]
	mov rdi, [rsp + ExRdi]
	mov rsi, [rsp + ExRsi]
	mov r12, [rsp + ExR12]
	mov r13, [rsp + ExR13]
	mov r14, [rsp + ExR14]
	mov r15, [rsp + ExR15]
.endm

/* In variant b the trampoline has already changed gs. */
.macro ENTER_FROM_USER
#if !KVA_SHADOW
	test byte ptr [rbp + TrSegCs], 1
	jz 8f
	swapgs
8:
#endif
.endm

/* Interrupts are off, volatile registers still in the frame. */
.macro LEAVE_TRAP
	test byte ptr [rbp + TrSegCs], 1
	jnz 9f
	RESTORE_VOLATILE
	lea rsp, [rbp + TrRbp]
	pop rbp
	add rsp, 8
	iretq
9:
	RESTORE_VOLATILE
	lea rsp, [rbp + TrRbp]
	pop rbp
	add rsp, 8
#if KVA_SHADOW
	jmp KiKernelExitShadow
#else
	swapgs
	iretq
#endif
.endm

/* ---- exceptions: KiTrap(trap frame, exception frame, vector); own_gs: nobody has changed gs before ---- */

.macro EXCEPTION_BODY name, vector, has_code, own_gs
PROC \name
	.if \has_code
	.seh_pushframe @code
	.else
	.seh_pushframe
	push 0
	.seh_stackalloc 8
	.endif
	TRAP_PROLOGUE
	SAVE_VOLATILE
	.if \own_gs
	ENTER_FROM_USER
	.endif
	mov rax, cr2
	mov [rbp + TrFaultAddress], rax
	SAVE_NONVOLATILE
	lea rcx, [rbp - 0x80]
	mov rdx, rsp
	mov r8d, \vector
	call KiTrap
	RESTORE_NONVOLATILE
	LEAVE_TRAP
	.seh_endproc
.endm

.macro EXCEPTION name, vector, has_code
	EXCEPTION_BODY \name, \vector, \has_code, 1
	SHADOW \name, \has_code
.endm

/* ---- interrupts: handler(trap frame) at an IRQL of its own ---- */

.macro INTERRUPT name, irql, handler
PROC \name
	.seh_pushframe
	push 0
	.seh_stackalloc 8
	TRAP_PROLOGUE
	SAVE_VOLATILE
	ENTER_FROM_USER
	mov rax, cr8
	mov [rbp + TrPreviousIrql], al
	mov ecx, \irql
	mov cr8, rcx
	lea rcx, [rbp - 0x80]
	sub rsp, 0x20
	call \handler
	cli
	movzx eax, byte ptr [rbp + TrPreviousIrql]
	mov cr8, rax
	test byte ptr [rbp + TrSegCs], 1
	jz 1f
	lea rcx, [rbp - 0x80]
	call KiReturnToUser
1:
	LEAVE_TRAP
	.seh_endproc
	SHADOW \name, 0
.endm

/*
 * Variant b: what the IDT points at. From user mode the processor stands on the transition stack with the user
 * root loaded; the frame moves to the thread's kernel stack. This section alone of the kernel's
 * code, with the processor's own pages, is mapped in the user roots.
 */
.macro SHADOW name, has_code
#if KVA_SHADOW
	.section KVASCODE, "xr"
PROC \name\()Shadow
	.if \has_code
	.seh_pushframe @code
	.else
	.seh_pushframe
	.endif
	.seh_endprologue
	test byte ptr [rsp + 8 + 8 * \has_code], 1
	jz \name
	swapgs
	mov gs:[PcShadowScratch], rax
	mov rax, gs:[PcKernelDirectoryTableBase]
	mov cr3, rax
	mov rax, rsp
	mov rsp, gs:[PcRspBase]
	.if \has_code
	push [rax + 40]
	.endif
	push [rax + 32]
	push [rax + 24]
	push [rax + 16]
	push [rax + 8]
	push [rax]
	mov rax, gs:[PcShadowScratch]
	jmp \name
	.seh_endproc
	.text
#endif
.endm

	.text
	EXCEPTION KiDivideErrorFault, 0, 0
	EXCEPTION_BODY KxDebugTrapOrFault, 1, 0, 0
	EXCEPTION_BODY KxBreakpointTrap, 3, 0, 0
	EXCEPTION KiOverflowTrap, 4, 0
	EXCEPTION KiBoundFault, 5, 0
	EXCEPTION KiInvalidOpcodeFault, 6, 0
	EXCEPTION KiNpxNotAvailableFault, 7, 0
	EXCEPTION KiInvalidTssFault, 10, 1
	EXCEPTION KiSegmentNotPresentFault, 11, 1
	EXCEPTION KiStackFault, 12, 1
	EXCEPTION KiGeneralProtectionFault, 13, 1
	EXCEPTION KiPageFault, 14, 1
	EXCEPTION KiFloatingErrorFault, 16, 0
	EXCEPTION KiAlignmentFault, 17, 1
	EXCEPTION KiXmmException, 19, 0
	EXCEPTION KiRaiseSecurityCheckFailure, 0x29, 0
	EXCEPTION KiRaiseAssertion, 0x2c, 0
	EXCEPTION KiDebugServiceTrap, 0x2d, 0

	INTERRUPT KiDpcInterrupt, 2, KiDispatchInterrupt
	INTERRUPT KiClockInterrupt, 13, KeClockInterruptNotify
	INTERRUPT KiIpiInterrupt, 14, KiIpiHandler
	INTERRUPT KiStrayWake, 15, KiStrayWakeHandler
	INTERRUPT KiUnexpectedInterrupt, 15, KiUnexpectedInterruptHandler

/*
 * Non-maskable interrupt (freezes a processor for the debugger, whatever it does) and double fault: on
 * stacks of their own, from any instruction, so gs and the root are looked at, not assumed.
 */
.macro PARANOID name, vector, has_code
PROC \name
	.if \has_code
	.seh_pushframe @code
	.else
	.seh_pushframe
	push 0
	.seh_stackalloc 8
	.endif
	TRAP_PROLOGUE
	SAVE_VOLATILE
	SAVE_NONVOLATILE
	mov ecx, 0xc0000101	/* gs base: the kernel's has the top bit */
	rdmsr
	mov r12d, edx
	test edx, edx
	js 1f
	swapgs
1:	mov r13, cr3
	mov rax, gs:[PcKernelDirectoryTableBase]
	cmp rax, r13
	je 2f
	mov cr3, rax
2:	lea rcx, [rbp - 0x80]
	mov rdx, rsp
	mov r8d, \vector
	call KiParanoidTrap
	mov rax, cr3
	cmp rax, r13
	je 3f
	mov cr3, r13
3:	test r12d, r12d
	js 4f
	swapgs
4:	RESTORE_NONVOLATILE
	RESTORE_VOLATILE
	lea rsp, [rbp + TrRbp]
	pop rbp
	add rsp, 8
	iretq
	.seh_endproc
.endm

#if KVA_SHADOW
	.section KVASCODE, "xr"
#endif
	PARANOID KiNmiInterrupt, 2, 0
	PARANOID KiDoubleFaultAbort, 8, 1

/*
 * Debug traps and breakpoints come from any instruction, too: a step or a breakpoint at the beginning or the
 * end of a system call meets the user's stack, gs or root in the kernel. So they have stacks of their own.
 * Most come from user mode or from where all three are the kernel's: those move at once to the stack that
 * any other exception would be on, and go on there (KxXxx) as one; the thread may be switched away, and the
 * own stack is free for the next. The others are handled where they are: nothing else happens on this
 * processor meanwhile.
 */
.macro DEBUG_EXCEPTION name, vector
	PARANOID Ki\name\()OnOwnStack, \vector, 0
PROC Ki\name
	.seh_pushframe
	push rax
	.seh_pushreg rax
	push rcx
	.seh_pushreg rcx
	push rdx
	.seh_pushreg rdx
	.seh_endprologue
	test byte ptr [rsp + 32], 1
	jz 1f
	swapgs
#if KVA_SHADOW
	mov rax, gs:[PcKernelDirectoryTableBase]
	mov cr3, rax
#endif
	mov rax, gs:[PcRspBase]
	jmp 2f
1:	mov ecx, 0xc0000101
	rdmsr
	test edx, edx
	jns 3f
#if KVA_SHADOW
	mov rax, cr3
	cmp rax, gs:[PcKernelDirectoryTableBase]
	jne 3f
	mov rax, gs:[PcRspBaseShadow]	/* the transition stack is too small, and carries a frame on its way */
	sub rax, [rsp + 48]
	cmp rax, 0x1000
	jb 3f
#endif
	mov rax, [rsp + 48]
	test rax, rax
	jns 3f			/* the user's, or a root on its way to cr3 */
	and rax, -16
2:	mov rcx, rsp
	mov rdx, [rcx + 56]
	mov [rax - 8], rdx
	mov rdx, [rcx + 48]
	mov [rax - 16], rdx
	mov rdx, [rcx + 40]
	mov [rax - 24], rdx
	mov rdx, [rcx + 32]
	mov [rax - 32], rdx
	mov rdx, [rcx + 24]
	mov [rax - 40], rdx
	mov rdx, [rcx + 16]
	mov [rax - 48], rdx
	lea rsp, [rax - 48]
	mov rdx, [rcx]
	mov rcx, [rcx + 8]
	pop rax
	jmp Kx\name
3:	pop rdx
	pop rcx
	pop rax
	jmp Ki\name\()OnOwnStack
	.seh_endproc
.endm

	DEBUG_EXCEPTION DebugTrapOrFault, 1
	DEBUG_EXCEPTION BreakpointTrap, 3

#if KVA_SHADOW
#define STRAY_WAKE KiStrayWakeShadow
#else
#define STRAY_WAKE KiStrayWake
#endif
PROC KiWakeInterrupt
	.seh_pushframe
	.seh_endprologue
	push rax
	lea rax, [rip + KiHaltResume]
	sub rax, [rsp + 8]
	cmp rax, 1		/* behind hlt, or before it: a non-maskable interrupt came between sti and hlt */
	pop rax
	ja STRAY_WAKE		/* came late: nobody sleeps */
	mov rsp, [rsp + 24]
	mov eax, 1
	jmp KiHaltResume
	.seh_endproc

#if KVA_SHADOW
/* rsp: a complete machine frame for user mode on the kernel stack; every register is the user's. */
PROC KiKernelExitShadow
	.seh_pushframe
	.seh_endprologue
	mov gs:[PcShadowScratch], rax
	mov gs:[PcShadowScratch + 8], rcx
	mov rax, gs:[PcRspBaseShadow]
	mov rcx, [rsp]
	mov [rax - 40], rcx
	mov rcx, [rsp + 8]
	mov [rax - 32], rcx
	mov rcx, [rsp + 16]
	mov [rax - 24], rcx
	mov rcx, [rsp + 24]
	mov [rax - 16], rcx
	mov rcx, [rsp + 32]
	mov [rax - 8], rcx
	lea rsp, [rax - 40]
	mov rax, gs:[PcUserDirectoryTableBase]
	mov cr3, rax
	mov rcx, gs:[PcShadowScratch + 8]
	mov rax, gs:[PcShadowScratch]
	swapgs
	iretq
	.seh_endproc

PROC KiSystemCall64Shadow
	.seh_pushframe
	.seh_endprologue
	swapgs
	mov gs:[PcUserRsp], rsp
	mov rsp, gs:[PcKernelDirectoryTableBase]
	mov cr3, rsp
	mov rsp, gs:[PcRspBase]
	jmp KiSystemServiceStart
	.seh_endproc
	.text
#endif

/*
 * System call: rcx = user rip, r11 = user flags, eax = number, r10 rdx r8 r9 and the user's stack =
 * arguments. The fixed part of the frame looks as if the processor had pushed it.
 */
PROC KiSystemCall64
	.seh_pushframe
	swapgs
	mov gs:[PcUserRsp], rsp
	mov rsp, gs:[PcRspBase]
	.globl KiSystemServiceStart
KiSystemServiceStart:
	push 0x2b
	push gs:[PcUserRsp]
	push r11
	push 0x33
	push rcx
	push 0
	.seh_stackalloc 8
	TRAP_PROLOGUE
	SAVE_VOLATILE
	mov [rbp + TrRbx], rbx
	mov [rbp + TrRdi], rdi
	mov [rbp + TrRsi], rsi
	SAVE_NONVOLATILE
	lea rcx, [rbp - 0x80]
	mov rdx, rsp
	sti
	call KiSystemService	/* true: leave with every register from the frame (NtContinue) */
	RESTORE_NONVOLATILE
	test al, al
	jnz 1f
	.globl KiSystemServiceExit
KiSystemServiceExit:
	mov rax, [rbp + TrRax]
	mov rdx, [rbp + TrRdx]
	mov r8, [rbp + TrR8]
	mov r10, [rbp + TrR10]
	mov rcx, [rbp + TrRip]
	mov r11d, [rbp + TrEFlags]
	mov r9, [rbp + TrRsp]
	mov rbp, [rbp + TrRbp]
	mov rsp, r9
#if KVA_SHADOW
	jmp KiSystemExitShadow
#else
	swapgs
	sysretq
#endif
1:	LEAVE_TRAP
	.seh_endproc

#if KVA_SHADOW
	.section KVASCODE, "xr"
PROC KiSystemExitShadow
	.seh_pushframe
	.seh_endprologue
	mov gs:[PcUserRsp], rsp
	mov rsp, gs:[PcUserDirectoryTableBase]
	mov cr3, rsp
	mov rsp, gs:[PcUserRsp]
	swapgs
	sysretq
	.seh_endproc
	.text
#endif

/* KiEnterUserMode(trap frame at the top of the kernel stack): how a thread gets to user mode first. */
PROC KiEnterUserMode
	.seh_endprologue
	cli
	lea rbp, [rcx + 0x80]
	xor ebx, ebx
	xor esi, esi
	xor edi, edi
	xor r12d, r12d
	xor r13d, r13d
	xor r14d, r14d
	xor r15d, r15d
	LEAVE_TRAP
	.seh_endproc

/*
 * KiSwapContext(from, to): returns when somebody switches back to `from`. Dispatcher lock held, IRQL 2.
 * The two frames are what a debugger finds under KTHREAD.KernelStack.
 */
PROC KiSwapContext
	sub rsp, ExReturn
	.seh_stackalloc ExReturn
	mov [rsp + ExRbx], rbx
	.seh_savereg rbx, ExRbx
	mov [rsp + ExRdi], rdi
	.seh_savereg rdi, ExRdi
	mov [rsp + ExRsi], rsi
	.seh_savereg rsi, ExRsi
	mov [rsp + ExR12], r12
	.seh_savereg r12, ExR12
	mov [rsp + ExR13], r13
	.seh_savereg r13, ExR13
	mov [rsp + ExR14], r14
	.seh_savereg r14, ExR14
	mov [rsp + ExR15], r15
	.seh_savereg r15, ExR15
	mov [rsp + ExRbp], rbp
	.seh_savereg rbp, ExRbp
	.seh_endprologue
	call SwapContext
	mov rbx, [rsp + ExRbx]
	mov rdi, [rsp + ExRdi]
	mov rsi, [rsp + ExRsi]
	mov r12, [rsp + ExR12]
	mov r13, [rsp + ExR13]
	mov r14, [rsp + ExR14]
	mov r15, [rsp + ExR15]
	mov rbp, [rsp + ExRbp]
	add rsp, ExReturn
	ret
	.seh_endproc

PROC SwapContext
	push rbp
	.seh_pushreg rbp
	sub rsp, SwitchRbp
	.seh_stackalloc SwitchRbp
	.seh_endprologue
	mov [rcx + ThKernelStack], rsp
	mov rax, [rcx + ThStateSaveArea]
	fxsave64 [rax]
	mov rsp, [rdx + ThKernelStack]
	mov rbx, rdx		/* rbx was saved by KiSwapContext; a new thread does not care */
	call KiSwapProcess	/* roots, gs, stack for the next trap; C, preserves rbx */
	mov rax, [rbx + ThStateSaveArea]
	fxrstor64 [rax]
	add rsp, SwitchRbp
	pop rbp
	ret
	.seh_endproc

/*
 * Sleep for the debugger's sake, interrupts off before and after: only KiWakeInterrupt can end it, because CR8
 * holds back everything else. Returns 1 if it did. The interrupt does not return by iretq: inside a non-maskable
 * interrupt that would let the next one in, onto the stack that is in use.
 */
	.globl KiHaltResume
PROC KiHaltUntilWoken
	.seh_endprologue
	xor eax, eax
	sti
	hlt
KiHaltResume:
	cli
	ret
	.seh_endproc

/* Where a new thread's KSWITCH_FRAME returns to: the end of its stack. */
PROC KiThreadStartup
	sub rsp, 0x20
	.seh_stackalloc 0x20
	.seh_endprologue
	call KiStartThread
	int 3
	.seh_endproc

/* The other processors' first 64-bit instruction is in smpboot.S; they come here with their stack. */

/* Copies that may fault on user addresses: the exception is caught by the caller's __try. */
PROC KiCopyUser
	push rdi
	.seh_pushreg rdi
	push rsi
	.seh_pushreg rsi
	.seh_endprologue
	mov rdi, rcx
	mov rsi, rdx
	mov rcx, r8
	rep movsb
	pop rsi
	pop rdi
	ret
	.seh_endproc

/* Reading a register that may not exist: KiTrap sends #GP here on to KiMsrFault. */
	.globl KiReadMsrInstruction
	.globl KiWriteMsrInstruction
	.globl KiMsrFault
PROC KiTryReadMsr		/* (msr, value *) -> bool */
	.seh_endprologue
	mov r8, rdx
KiReadMsrInstruction:
	rdmsr
	mov [r8], eax
	mov [r8 + 4], edx
	mov eax, 1
	ret
	.seh_endproc
PROC KiTryWriteMsr		/* (msr, value) -> bool */
	.seh_endprologue
	mov rax, rdx
	shr rdx, 32
KiWriteMsrInstruction:
	wrmsr
	mov eax, 1
	ret
	.seh_endproc
PROC KiMsrFault
	.seh_endprologue
	xor eax, eax
	ret
	.seh_endproc
