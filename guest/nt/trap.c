/*
 * Exceptions in C: from vector to EXCEPTION_RECORD, then to the debugger, to the handlers of the
 * interrupted code, to the debugger again, and at last to a bug check or the end of the process.
 *
 *   KiTrap -> KiDispatchException
 *     first chance:  KdTrap, then __try handlers (kernel) or ntdll!KiUserExceptionDispatcher (user)
 *     second chance: KdTrap, then KeBugCheckEx (kernel) or the end of the process (user)
 */
#include "../inc/ke.h"

extern ULONG NtGlobalFlag;
extern char KiReadMsrInstruction[], KiWriteMsrInstruction[], KiMsrFault[];
ULONG64 KeUserExceptionDispatcher; /* in ntdll; the same in every process */

void KeContextFromKframes(KTRAP_FRAME *tf, KEXCEPTION_FRAME *ef, CONTEXT *c)
{
	memset(c, 0, offsetof(CONTEXT, FltSave));
	memset(&c->VectorRegister, 0, sizeof *c - offsetof(CONTEXT, VectorRegister));
	c->ContextFlags = CONTEXT_ALL;
	c->Rax = tf->Rax, c->Rcx = tf->Rcx, c->Rdx = tf->Rdx;
	c->R8 = tf->R8, c->R9 = tf->R9, c->R10 = tf->R10, c->R11 = tf->R11;
	c->Rbp = tf->Rbp;
	c->Rbx = ef->Rbx, c->Rdi = ef->Rdi, c->Rsi = ef->Rsi;
	c->R12 = ef->R12, c->R13 = ef->R13, c->R14 = ef->R14, c->R15 = ef->R15;
	c->Rip = tf->Rip, c->Rsp = tf->Rsp, c->EFlags = tf->EFlags;
	c->SegCs = tf->SegCs, c->SegSs = tf->SegSs;
	c->SegDs = c->SegEs = c->SegGs = KGDT64_R3_DATA | RPL_MASK;
	c->SegFs = KGDT64_R3_CMTEB | RPL_MASK;
	c->Dr0 = READ_DR(0), c->Dr1 = READ_DR(1), c->Dr2 = READ_DR(2), c->Dr3 = READ_DR(3);
	c->Dr6 = READ_DR(6), c->Dr7 = READ_DR(7);
	__asm__ volatile("fxsave64 %0; stmxcsr %1" : "=m"(c->FltSave), "=m"(c->MxCsr));
}

/* user: the context comes from user mode or goes there: it may not take more rights. */
void KeContextToKframes(KTRAP_FRAME *tf, KEXCEPTION_FRAME *ef, const CONTEXT *c, bool user)
{
	tf->Rax = c->Rax, tf->Rcx = c->Rcx, tf->Rdx = c->Rdx;
	tf->R8 = c->R8, tf->R9 = c->R9, tf->R10 = c->R10, tf->R11 = c->R11;
	tf->Rbp = c->Rbp;
	ef->Rbx = c->Rbx, ef->Rdi = c->Rdi, ef->Rsi = c->Rsi;
	ef->R12 = c->R12, ef->R13 = c->R13, ef->R14 = c->R14, ef->R15 = c->R15;
	tf->Rip = c->Rip, tf->Rsp = c->Rsp;
	tf->EFlags = user ? (c->EFlags & 0x10dd5) | 0x202 : c->EFlags;
	if (user) {
		tf->SegCs = KGDT64_R3_CODE | RPL_MASK;
		tf->SegSs = KGDT64_R3_DATA | RPL_MASK;
		if (tf->Rip >> 47) /* iretq to a non-canonical address would fault in the kernel */
			tf->Rip = 0;
	}
	XMM_SAVE_AREA32 fx __attribute__((aligned(16))) = c->FltSave;
	fx.MxCsr &= 0xffbf;
	__asm__ volatile("fxrstor64 %0" : : "m"(fx));
}

NOINLINE static void try_copy(void *to, const void *from, SIZE_T n)
{
	KiCopyUser(to, from, n);
}

/* The user's side of the copy must lie below the kernel; a page that cannot be had ends in the
 * handler. */
NTSTATUS KeCopyUser(void *to, const void *from, SIZE_T n)
{
	ULONG64 low = (ULONG64)to < (ULONG64)from ? (ULONG64)to : (ULONG64)from;

	if (low + n < low || low + n > MM_HIGHEST_USER_ADDRESS + 1)
		return STATUS_ACCESS_VIOLATION;
	__try {
		try_copy(to, from, n);
	} __except (1) {
		return STATUS_ACCESS_VIOLATION;
	}
	return STATUS_SUCCESS;
}

/* What ntdll!KiUserExceptionDispatcher finds at its stack pointer. */
typedef struct _USER_EXCEPTION_FRAME {
	CONTEXT Context;
	ULONG64 Home[4];
	EXCEPTION_RECORD Record;
	ULONG64 Fill;
	ULONG64 Machine[6]; /* rip, cs, flags, rsp, ss, fill */
} USER_EXCEPTION_FRAME;

_Static_assert(
	sizeof(USER_EXCEPTION_FRAME) % 16 == 0 && offsetof(USER_EXCEPTION_FRAME, Machine) == 0x590,
	"frame");

static bool deliver_to_user(const EXCEPTION_RECORD *er, const CONTEXT *c, KTRAP_FRAME *tf)
{
	USER_EXCEPTION_FRAME f;
	ULONG64 sp = ((c->Rsp - 128) & ~15ull) - sizeof f;

	memset(&f, 0, sizeof f);
	f.Context = *c;
	f.Record = *er;
	f.Machine[0] = c->Rip, f.Machine[1] = c->SegCs, f.Machine[2] = c->EFlags;
	f.Machine[3] = c->Rsp, f.Machine[4] = c->SegSs;
	if (!NT_SUCCESS(KeCopyUser((void *)sp, &f, sizeof f)))
		return false;
	tf->Rsp = sp;
	tf->Rip = KeUserExceptionDispatcher;
	tf->EFlags &= ~0x100u;
	return true;
}

void KiDispatchException(
	EXCEPTION_RECORD *er, KEXCEPTION_FRAME *ef, KTRAP_FRAME *tf, bool first_chance)
{
	CONTEXT c;
	bool user = tf->SegCs & 1;

	KeContextFromKframes(tf, ef, &c);
	if (er->ExceptionCode == STATUS_BREAKPOINT)
		c.Rip--; /* on the int 3 itself */
	if (first_chance && KdTrap(tf, ef, er, &c, false))
		goto handled;
	if (first_chance && user && deliver_to_user(er, &c, tf))
		return;
	if (first_chance && !user && RtlDispatchException(er, &c))
		goto handled;
	if (KdTrap(tf, ef, er, &c, true))
		goto handled;
	if (!user)
		KeBugCheckEx(KMODE_EXCEPTION_NOT_HANDLED, (ULONG)er->ExceptionCode,
			(ULONG_PTR)er->ExceptionAddress, er->ExceptionInformation[0],
			er->ExceptionInformation[1]);
	char name[16] = "";
	memcpy(name, PsGetCurrentProcess()->ImageFileName, 15);
	DbgPrint("guest: %s ends with %x at %p\n", name, er->ExceptionCode, er->ExceptionAddress);
	PsTerminateProcess((EPROCESS *)KeGetCurrentThread()->Process, er->ExceptionCode);
	return;
handled:
	KeContextToKframes(tf, ef, &c, user);
}

/* Raised by RtlRaiseException in the kernel: no frame of a trap, so one is made. */
void RtlRaiseException(EXCEPTION_RECORD *er)
{
	CONTEXT c;

	RtlCaptureContext(&c);
	er->ExceptionAddress = (PVOID)c.Rip;
	if (!RtlDispatchException(er, &c))
		KeBugCheckEx(KMODE_EXCEPTION_NOT_HANDLED, (ULONG)er->ExceptionCode, c.Rip, 0, 0);
	RtlRestoreContext(&c, er);
}

static NTSTATUS general_protection(KTRAP_FRAME *tf, bool user)
{
	UCHAR op = 0;

	if (user && NT_SUCCESS(KeCopyUser(&op, (void *)tf->Rip, 1)) &&
		(op == 0xf4 || op == 0xfa || op == 0xfb || (op & 0xfc) == 0xec ||
			(op & 0xfc) == 0xe4))
		return STATUS_PRIVILEGED_INSTRUCTION;
	return STATUS_ACCESS_VIOLATION;
}

/* True: the page is there now. False: *er says what happened. */
static bool page_fault(KTRAP_FRAME *tf, EXCEPTION_RECORD *er, bool user)
{
	ULONG64 va = tf->FaultAddress, code = tf->ErrorCode;
	bool low = va <= MM_HIGHEST_USER_ADDRESS;

	if (low && KeGetCurrentIrql() < DISPATCH_LEVEL && NT_SUCCESS(MmAccessFault(code, va, user)))
		return true;
	er->ExceptionCode = STATUS_ACCESS_VIOLATION;
	er->NumberParameters = 2;
	er->ExceptionInformation[0] = code & 16 ? 8 : code >> 1 & 1;
	er->ExceptionInformation[1] = va;
	if (!user && KeGetCurrentIrql() >= DISPATCH_LEVEL)
		KeBugCheckEx(
			IRQL_NOT_LESS_OR_EQUAL, va, KeGetCurrentIrql(), code >> 1 & 1, tf->Rip);
	if (!user && !low)
		KeBugCheckEx(PAGE_FAULT_IN_NONPAGED_AREA, va, code, tf->Rip, 0);
	return false;
}

void KiTrap(KTRAP_FRAME *tf, KEXCEPTION_FRAME *ef, ULONG vector)
{
	static const NTSTATUS status[20] = {
		[0] = STATUS_INTEGER_DIVIDE_BY_ZERO,
		[1] = STATUS_SINGLE_STEP,
		[3] = STATUS_BREAKPOINT,
		[4] = STATUS_INTEGER_OVERFLOW,
		[5] = (NTSTATUS)0xc000008c, /* STATUS_ARRAY_BOUNDS_EXCEEDED */
		[6] = STATUS_ILLEGAL_INSTRUCTION,
		[7] = STATUS_ILLEGAL_INSTRUCTION,
		[10] = STATUS_ACCESS_VIOLATION,
		[11] = STATUS_ACCESS_VIOLATION,
		[12] = STATUS_ACCESS_VIOLATION,
		[13] = STATUS_ACCESS_VIOLATION,
		[16] = STATUS_FLOAT_MULTIPLE_FAULTS,
		[17] = (NTSTATUS)0x80000002, /* STATUS_DATATYPE_MISALIGNMENT */
		[19] = STATUS_FLOAT_MULTIPLE_FAULTS,
	};
	EXCEPTION_RECORD er;
	bool user = tf->SegCs & 1, chance = true;

	memset(&er, 0, sizeof er);
	er.ExceptionAddress = (PVOID)tf->Rip;
	er.ExceptionCode = vector < 20 ? status[vector] : 0;
	if (user)
		KeGetCurrentThread()->TrapFrame = tf;
	if (vector != 1 && vector != 3 && vector != 0x2d && tf->EFlags & 0x200)
		KiRestoreInterrupts(true);
	switch (vector) {
	case 3: /* ExceptionInformation[0] is BREAKPOINT_BREAK */
		er.ExceptionAddress = (PVOID)(tf->Rip - 1);
		er.NumberParameters = 1;
		break;
	case 13:
		if (tf->Rip == (ULONG64)KiReadMsrInstruction ||
			tf->Rip == (ULONG64)KiWriteMsrInstruction) {
			tf->Rip = (ULONG64)KiMsrFault;
			return;
		}
		er.ExceptionCode = general_protection(tf, user);
		if (er.ExceptionCode == STATUS_ACCESS_VIOLATION) {
			er.NumberParameters = 2;
			er.ExceptionInformation[1] = ~0ull;
		}
		break;
	case 14:
		if (page_fault(tf, &er, user))
			goto out;
		break;
	case 0x29: /* __fastfail(rcx): no handler may see it */
		er.ExceptionCode = STATUS_STACK_BUFFER_OVERRUN;
		er.ExceptionFlags = EXCEPTION_NONCONTINUABLE;
		er.NumberParameters = 1;
		er.ExceptionInformation[0] = tf->Rcx;
		if (!user)
			KeBugCheckEx(KERNEL_SECURITY_CHECK_FAILURE, tf->Rcx, (ULONG_PTR)tf,
				(ULONG_PTR)&er, 0);
		chance = false;
		break;
	case 0x2c:
		er.ExceptionCode = STATUS_ASSERTION_FAILURE;
		tf->Rip -= 2; /* on the int 2c */
		er.ExceptionAddress = (PVOID)tf->Rip;
		break;
	case 0x2d: /* the int 3 behind counts as the breakpoint */
		er.ExceptionCode = STATUS_BREAKPOINT;
		er.ExceptionAddress = (PVOID)tf->Rip;
		tf->Rip++;
		er.NumberParameters = 5;
		er.ExceptionInformation[0] = (ULONG)tf->Rax;
		er.ExceptionInformation[1] = tf->Rcx;
		er.ExceptionInformation[2] = tf->Rdx;
		er.ExceptionInformation[3] = tf->R8;
		er.ExceptionInformation[4] = tf->R9;
		break;
	}
	KiDispatchException(&er, ef, tf, chance);
out:
	__asm__ volatile("cli");
	if (user)
		KiReturnToUser(tf);
}

/* On a stack of its own, whatever the processor was doing. */
void KiParanoidTrap(KTRAP_FRAME *tf, KEXCEPTION_FRAME *ef, ULONG vector)
{
	if (vector == 2)
		KiFreezeTargetExecution(tf, ef);
	else if (vector == 1 || vector == 3)
		KiTrap(tf, ef, vector);
	else
		KeBugCheckEx(UNEXPECTED_KERNEL_MODE_TRAP, vector, (ULONG_PTR)tf, tf->Rip, tf->Rsp);
}

/* Interrupts off, the last C code before user mode: a thread that was told to end does so here. */
void KiReturnToUser(KTRAP_FRAME *tf)
{
	ETHREAD *t = PsGetCurrentThread();

	(void)tf;
	if (t->CrossThreadFlags & CT_TERMINATED) {
		KeLowerIrql(PASSIVE_LEVEL);
		KiRestoreInterrupts(true);
		PspExitThread(t->ExitStatus);
	}
}

void KiUnexpectedInterruptHandler(KTRAP_FRAME *tf)
{
	(void)tf; /* spurious, or an exception vector that nothing raises */
}

/* rip inside any kernel image, for RtlLookupFunctionEntry. */
ULONG64 RtlpImageBase(ULONG64 pc)
{
	KLDR_DATA_TABLE_ENTRY *m = pc >> 47 ? MiFindModule(pc) : NULL;

	return m ? (ULONG64)m->DllBase : 0;
}

void RtlpStackLimits(ULONG64 *low, ULONG64 *high)
{
	KTHREAD *t = KeGetCurrentThread();

	*low = (ULONG64)t->StackLimit;
	*high = (ULONG64)t->StackBase;
}
