/*
 * System services: the table, the dispatcher, and the services themselves. Those that take fewer
 * arguments than NT's or mean less say so.
 *
 * User pointers are only touched through KeCopyUser.
 */
#include "../inc/ke.h"

/* Counters that a person at the debugger can watch. */
volatile ULONG IopWriteCount, IopReadCount;
volatile ULONG64 IopWriteBytes, IopWriteChecksum;

typedef struct _IO_STATUS_BLOCK {
	union {
		NTSTATUS Status;
		PVOID Pointer;
	};
	ULONG_PTR Information;
} IO_STATUS_BLOCK;

enum { HANDLE_CONSOLE = 1 };

static NTSTATUS put_value(PVOID user, const void *v, SIZE_T n)
{
	return KeCopyUser(user, v, n);
}

/* ---- objects ---- */

NTSTATUS NtWaitForSingleObject(HANDLE h, BOOLEAN alertable, LARGE_INTEGER *timeout)
{
	LARGE_INTEGER t;
	PVOID object;

	if (timeout && !NT_SUCCESS(KeCopyUser(&t, timeout, sizeof t)))
		return STATUS_ACCESS_VIOLATION;
	NTSTATUS status = ObReferenceByHandle(h, -1, &object);
	if (!NT_SUCCESS(status))
		return status;
	status = KeWaitForSingleObject(
		ObWaitHeader(object), UserRequest, UserMode, alertable, timeout ? &t : NULL);
	ObDereference(object);
	return status;
}

NTSTATUS NtCreateEvent(HANDLE *ret, ULONG access, PVOID attributes, ULONG type, BOOLEAN state)
{
	KEVENT *e = ObCreateObject((UCHAR)(type & 1), sizeof *e);
	EPROCESS *p = (EPROCESS *)KeGetCurrentThread()->Process;
	HANDLE h;

	(void)access, (void)attributes;
	KeInitializeDispatcher(&e->Header, (UCHAR)(type & 1), state);
	NTSTATUS status = ObCreateHandle(p, e, &h);
	ObDereference(e);
	return NT_SUCCESS(status) ? put_value(ret, &h, sizeof h) : status;
}

NTSTATUS NtSetEvent(HANDLE h, LONG *previous)
{
	PVOID object;
	NTSTATUS status = ObReferenceByHandle(h, -1, &object);

	(void)previous;
	if (!NT_SUCCESS(status))
		return status;
	DISPATCHER_HEADER *header = ObWaitHeader(object);
	if (header->Type == EventNotificationObject || header->Type == EventSynchronizationObject)
		KeSetEvent(object);
	else
		status = STATUS_INVALID_HANDLE;
	ObDereference(object);
	return status;
}

NTSTATUS NtClose(HANDLE h)
{
	return ObCloseHandle((EPROCESS *)KeGetCurrentThread()->Process, h);
}

/* ---- files: the console, and one device that takes and gives any number of bytes ---- */

NTSTATUS NtWriteFile(HANDLE file, HANDLE event, PVOID apc, PVOID apc_context, IO_STATUS_BLOCK *io,
	PVOID buffer, ULONG length, LARGE_INTEGER *offset, ULONG *key)
{
	IO_STATUS_BLOCK done = {.Status = STATUS_SUCCESS, .Information = length};
	char part[129];

	(void)event, (void)apc, (void)apc_context, (void)offset, (void)key;
	for (ULONG at = 0; at < length;) {
		ULONG n = length - at < 128 ? length - at : 128;
		NTSTATUS status = KeCopyUser(part, (char *)buffer + at, n);
		if (!NT_SUCCESS(status))
			return status;
		ULONG64 sum = 0;
		for (ULONG i = 0; i < n; i++)
			sum += (UCHAR)part[i];
		IopWriteChecksum += sum;
		part[n] = 0;
		if (file == (HANDLE)HANDLE_CONSOLE)
			HalDisplayString(part);
		at += n;
	}
	__atomic_add_fetch(&IopWriteCount, 1, __ATOMIC_RELAXED);
	IopWriteBytes += length;
	return put_value(io, &done, sizeof done);
}

/* The device gives the bytes offset, offset + 1, ...: a frame grabber with a test picture. */
NTSTATUS NtReadFile(HANDLE file, HANDLE event, PVOID apc, PVOID apc_context, IO_STATUS_BLOCK *io,
	PVOID buffer, ULONG length, LARGE_INTEGER *offset, ULONG *key)
{
	IO_STATUS_BLOCK done = {.Status = STATUS_SUCCESS, .Information = length};
	LARGE_INTEGER from = {.QuadPart = 0};
	UCHAR part[128];

	(void)file, (void)event, (void)apc, (void)apc_context, (void)key;
	if (offset && !NT_SUCCESS(KeCopyUser(&from, offset, sizeof from)))
		return STATUS_ACCESS_VIOLATION;
	for (ULONG at = 0; at < length;) {
		ULONG n = length - at < 128 ? length - at : 128;
		for (ULONG i = 0; i < n; i++)
			part[i] = (UCHAR)(from.QuadPart + at + i);
		NTSTATUS status = KeCopyUser((char *)buffer + at, part, n);
		if (!NT_SUCCESS(status))
			return status;
		at += n;
	}
	__atomic_add_fetch(&IopReadCount, 1, __ATOMIC_RELAXED);
	return put_value(io, &done, sizeof done);
}

/* ---- memory ---- */

static EPROCESS *current(void)
{
	return (EPROCESS *)KeGetCurrentThread()->Process;
}

static ULONG protection_of(ULONG page)
{
	switch (page) {
	case PAGE_READONLY:
		return MM_READONLY;
	case PAGE_READWRITE:
	case PAGE_WRITECOPY:
		return MM_READWRITE;
	case PAGE_EXECUTE:
	case PAGE_EXECUTE_READ:
		return MM_EXECUTE_READ;
	case PAGE_EXECUTE_READWRITE:
	case PAGE_EXECUTE_WRITECOPY:
		return MM_EXECUTE_READWRITE;
	default:
		return MM_ZERO_ACCESS;
	}
}

/* Only the current process; reserves and commits at once. */
NTSTATUS NtAllocateVirtualMemory(
	HANDLE process, PVOID *base, ULONG_PTR zero_bits, SIZE_T *size, ULONG type, ULONG protect)
{
	ULONG64 at, n;

	(void)zero_bits, (void)type;
	if (process != NtCurrentProcess())
		return STATUS_NOT_IMPLEMENTED;
	if (!NT_SUCCESS(KeCopyUser(&at, base, sizeof at)) ||
		!NT_SUCCESS(KeCopyUser(&n, size, sizeof n)))
		return STATUS_ACCESS_VIOLATION;
	NTSTATUS status = MmMapPrivate(current(), &at, n, protection_of(protect));
	if (!NT_SUCCESS(status))
		return status;
	n = ROUND_UP(n, PAGE_SIZE);
	put_value(size, &n, sizeof n);
	return put_value(base, &at, sizeof at);
}

NTSTATUS NtFreeVirtualMemory(HANDLE process, PVOID *base, SIZE_T *size, ULONG type)
{
	ULONG64 at;

	(void)size, (void)type;
	if (process != NtCurrentProcess())
		return STATUS_NOT_IMPLEMENTED;
	if (!NT_SUCCESS(KeCopyUser(&at, base, sizeof at)))
		return STATUS_ACCESS_VIOLATION;
	return MmUnmap(current(), at);
}

NTSTATUS NtProtectVirtualMemory(
	HANDLE process, PVOID *base, SIZE_T *size, ULONG protect, ULONG *old)
{
	ULONG64 at, n;

	(void)old;
	if (process != NtCurrentProcess())
		return STATUS_NOT_IMPLEMENTED;
	if (!NT_SUCCESS(KeCopyUser(&at, base, sizeof at)) ||
		!NT_SUCCESS(KeCopyUser(&n, size, sizeof n)))
		return STATUS_ACCESS_VIOLATION;
	return MmProtect(current(), at, n, protection_of(protect));
}

/* Nothing is ever locked here; so this takes the pages out of the working set, as it does on NT
 * then. */
NTSTATUS NtUnlockVirtualMemory(HANDLE process, PVOID *base, SIZE_T *size, ULONG type)
{
	ULONG64 at, n;

	(void)type;
	if (process != NtCurrentProcess())
		return STATUS_NOT_IMPLEMENTED;
	if (!NT_SUCCESS(KeCopyUser(&at, base, sizeof at)) ||
		!NT_SUCCESS(KeCopyUser(&n, size, sizeof n)))
		return STATUS_ACCESS_VIOLATION;
	return MmTrim(current(), at, n);
}

static NTSTATUS take_name(const UNICODE_STRING *from, char *to, SIZE_T cap)
{
	UNICODE_STRING u;
	WCHAR text[64];

	if (!NT_SUCCESS(KeCopyUser(&u, from, sizeof u)) || u.Length >= sizeof text ||
		u.Length / 2u >= cap)
		return STATUS_INVALID_PARAMETER;
	if (!NT_SUCCESS(KeCopyUser(text, u.Buffer, u.Length)))
		return STATUS_ACCESS_VIOLATION;
	u.Buffer = text;
	RtlNarrow(to, cap, &u);
	return STATUS_SUCCESS;
}

/* NtOpenSection and NtMapViewOfSection in one, by image name: (name, base *, size *, timestamp *).
 */
NTSTATUS NtMapViewOfSection(UNICODE_STRING *name, PVOID *base, SIZE_T *size, ULONG *timestamp)
{
	char text[32];
	ULONG64 at, n;

	NTSTATUS status = take_name(name, text, sizeof text);
	if (!NT_SUCCESS(status))
		return status;
	SECTION *s = MmOpenImage(text);
	if (!s)
		return STATUS_DLL_NOT_FOUND;
	status = MmMapImage(current(), s, &at);
	if (!NT_SUCCESS(status))
		return status;
	n = s->Size;
	put_value(size, &n, sizeof n);
	put_value(timestamp, &s->TimeDateStamp, sizeof s->TimeDateStamp);
	return put_value(base, &at, sizeof at);
}

NTSTATUS NtUnmapViewOfSection(HANDLE process, PVOID base)
{
	return process == NtCurrentProcess() ? MmUnmap(current(), (ULONG64)base)
					     : STATUS_NOT_IMPLEMENTED;
}

/* ---- threads and processes ---- */

NTSTATUS NtDelayExecution(BOOLEAN alertable, LARGE_INTEGER *interval)
{
	LARGE_INTEGER t;

	if (!NT_SUCCESS(KeCopyUser(&t, interval, sizeof t)))
		return STATUS_ACCESS_VIOLATION;
	return KeDelayExecutionThread(UserMode, alertable, &t);
}

NTSTATUS NtYieldExecution(void)
{
	KeYield();
	return STATUS_SUCCESS;
}

NTSTATUS NtQueryPerformanceCounter(LARGE_INTEGER *counter, LARGE_INTEGER *frequency)
{
	LARGE_INTEGER now = {.QuadPart = (LONG64)KeQueryInterruptTime()},
		      f = {.QuadPart = 10000000};

	if (frequency)
		put_value(frequency, &f, sizeof f);
	return put_value(counter, &now, sizeof now);
}

NTSTATUS NtCreateThreadEx(HANDLE *ret, ULONG access, PVOID attributes, HANDLE process, PVOID start,
	PVOID argument, ULONG flags, SIZE_T zero_bits, SIZE_T stack, SIZE_T max_stack, PVOID list)
{
	EPROCESS *p;
	ETHREAD *t;
	HANDLE h = NULL;

	(void)access, (void)attributes, (void)flags, (void)zero_bits, (void)stack, (void)max_stack,
		(void)list;
	NTSTATUS status = ObReferenceByHandle(process, ProcessObject, (PVOID *)&p);
	if (!NT_SUCCESS(status))
		return status;
	status = PsCreateUserThread(p, (ULONG64)start, (ULONG64)argument, &t);
	if (NT_SUCCESS(status)) {
		status = ObCreateHandle(current(), t, &h);
		ObDereference(t);
	}
	ObDereference(p);
	return NT_SUCCESS(status) ? put_value(ret, &h, sizeof h) : status;
}

/* (process handle *, image name, arguments, parent 0): far fewer arguments than NT's. */
NTSTATUS NtCreateUserProcess(
	HANDLE *ret, UNICODE_STRING *image, UNICODE_STRING *arguments, ULONG flags)
{
	char name[32], line[48] = "";
	EPROCESS *p;
	HANDLE h;

	(void)flags;
	NTSTATUS status = take_name(image, name, sizeof name);
	if (NT_SUCCESS(status) && arguments)
		status = take_name(arguments, line, sizeof line);
	if (NT_SUCCESS(status))
		status = PsCreateUserProcess(name, line, current(), &p);
	if (!NT_SUCCESS(status))
		return status;
	status = ObCreateHandle(current(), p, &h);
	ObDereference(p);
	return NT_SUCCESS(status) ? put_value(ret, &h, sizeof h) : status;
}

NTSTATUS NtTerminateThread(HANDLE thread, NTSTATUS status)
{
	if (thread && thread != NtCurrentThread())
		return STATUS_NOT_IMPLEMENTED;
	PspExitThread(status);
}

NTSTATUS NtTerminateProcess(HANDLE process, NTSTATUS exit_status)
{
	EPROCESS *p;
	NTSTATUS status = ObReferenceByHandle(
		process ? process : NtCurrentProcess(), ProcessObject, (PVOID *)&p);

	if (!NT_SUCCESS(status))
		return status;
	PsTerminateProcess(p, exit_status);
	ObDereference(p);
	return STATUS_SUCCESS; /* the current thread ends on its way back */
}

/* SysDbgBreakPoint = 6 (phnt): the kernel runs its breakpoint; other commands are not here. */
NTSTATUS NtSystemDebugControl(
	ULONG command, PVOID in, ULONG in_n, PVOID out, ULONG out_n, ULONG *ret)
{
	(void)in, (void)in_n, (void)out, (void)out_n, (void)ret;
	if (command != 6)
		return STATUS_NOT_IMPLEMENTED;
	if (!KdDebuggerEnabled || KdDebuggerNotPresent)
		return STATUS_DEBUGGER_INACTIVE;
	DbgBreakPointWithStatus(DBG_STATUS_DEBUG_CONTROL);
	return STATUS_SUCCESS;
}

/* Action 1 restarts; 0x52494e47 ("RING") is ours: a bug check on request. */
NTSTATUS NtShutdownSystem(ULONG action)
{
	if (action == 0x52494e47)
		KeBugCheckEx(MANUALLY_INITIATED_CRASH, 1, 2, 3, 4);
	HalReturnToFirmware();
}

/* These two replace the whole register set; KiSystemService does them itself. */
NTSTATUS NtContinue(CONTEXT *context, BOOLEAN alert)
{
	(void)context, (void)alert;
	return STATUS_SUCCESS;
}

NTSTATUS NtRaiseException(EXCEPTION_RECORD *er, CONTEXT *context, BOOLEAN first_chance)
{
	(void)er, (void)context, (void)first_chance;
	return STATUS_SUCCESS;
}

/* ---- dispatch ---- */

typedef NTSTATUS SERVICE(ULONG64, ULONG64, ULONG64, ULONG64, ULONG64, ULONG64, ULONG64, ULONG64,
	ULONG64, ULONG64, ULONG64, ULONG64);

/* NT keeps offsets in KiServiceTable; addresses say the same and show in a memory dump. */
#define ROW(number, name, arguments) [number] = (SERVICE *)name,
static SERVICE *const KiServiceTable[SERVICE_LIMIT] = {SYSTEM_SERVICES(ROW)};
#define COUNT(number, name, arguments) [number] = arguments,
static const UCHAR KiArgumentTable[SERVICE_LIMIT] = {SYSTEM_SERVICES(COUNT)};

static bool load_context(KTRAP_FRAME *tf, KEXCEPTION_FRAME *ef, const CONTEXT *user)
{
	CONTEXT c;

	if (!NT_SUCCESS(KeCopyUser(&c, user, sizeof c)))
		return false;
	KeContextToKframes(tf, ef, &c, true);
	return true;
}

static bool raise_exception(KTRAP_FRAME *tf, KEXCEPTION_FRAME *ef)
{
	EXCEPTION_RECORD er;
	bool first_chance = (BOOLEAN)tf->R8;

	if (!NT_SUCCESS(KeCopyUser(&er, (void *)tf->R10, sizeof er)) ||
		!load_context(tf, ef, (CONTEXT *)tf->Rdx))
		return false;
	if (er.NumberParameters > EXCEPTION_MAXIMUM_PARAMETERS)
		return false;
	if (er.ExceptionCode == STATUS_BREAKPOINT)
		tf->Rip++; /* KiDispatchException takes it back */
	KiDispatchException(&er, ef, tf, first_chance);
	return true;
}

/* Result in tf->Rax. True: the whole frame is to be loaded, not only the results of a call. */
bool KiSystemService(KTRAP_FRAME *tf, KEXCEPTION_FRAME *ef)
{
	KTHREAD *t = KeGetCurrentThread();
	ULONG number = (ULONG)tf->Rax;
	ULONG64 a[SERVICE_ARGUMENTS_MAX] = {tf->R10, tf->Rdx, tf->R8, tf->R9};
	NTSTATUS status = STATUS_INVALID_SYSTEM_SERVICE;
	bool whole = false;

	t->TrapFrame = tf;
	t->SystemCallNumber = (PVOID)(ULONG64)number;
	t->PreviousMode = UserMode;
	KeGetCurrentPrcb()->KeSystemCalls++;
	if (number < SERVICE_LIMIT && KiServiceTable[number]) {
		ULONG n = KiArgumentTable[number];
		status = n > 4 ? KeCopyUser(a + 4, (void *)(tf->Rsp + 0x28), (n - 4) * 8)
			       : STATUS_SUCCESS;
		if (NT_SUCCESS(status) && KiServiceTable[number] == (SERVICE *)NtContinue)
			whole = load_context(tf, ef, (CONTEXT *)tf->R10);
		else if (NT_SUCCESS(status) &&
			 KiServiceTable[number] == (SERVICE *)NtRaiseException)
			whole = raise_exception(tf, ef);
		else if (NT_SUCCESS(status))
			status = KiServiceTable[number](a[0], a[1], a[2], a[3], a[4], a[5], a[6],
				a[7], a[8], a[9], a[10], a[11]);
	}
	if (!whole)
		tf->Rax = (ULONG)status;
	__asm__ volatile("cli");
	KiReturnToUser(tf);
	return whole;
}
