/*
 * kernelbase.dll: thin wrappers from the Windows names to ntdll, with the last error kept in the
 * TEB. They exist so that a stack looks like one: program, KERNELBASE, ntdll, nt.
 */
#include "../inc/win.h"

static BOOL check(NTSTATUS status)
{
	NtCurrentTeb()->LastStatusValue = status;
	if (NT_SUCCESS(status))
		return TRUE;
	ULONG error = 317; /* ERROR_MR_MID_NOT_FOUND: what NT says for a status without an error */
	if (status == STATUS_INVALID_HANDLE)
		error = 6;
	else if (status == STATUS_NO_MEMORY)
		error = 8;
	else if (status == STATUS_INVALID_PARAMETER)
		error = 87;
	else if (status == STATUS_ACCESS_VIOLATION)
		error = 998;
	else if (status == STATUS_DLL_NOT_FOUND || status == STATUS_OBJECT_NAME_NOT_FOUND)
		error = 126;
	SetLastError(error);
	return FALSE;
}

ULONG GetLastError(void)
{
	return NtCurrentTeb()->LastErrorValue;
}

void SetLastError(ULONG code)
{
	NtCurrentTeb()->LastErrorValue = code;
}

BOOL WriteFile(HANDLE file, const void *buffer, ULONG n, ULONG *done, PVOID overlapped)
{
	IO_STATUS_BLOCK io;
	NTSTATUS status = NtWriteFile(file, NULL, NULL, overlapped, &io, buffer, n, NULL, NULL);

	if (done)
		*done = NT_SUCCESS(status) ? (ULONG)io.Information : 0;
	return check(status);
}

BOOL ReadFile(HANDLE file, PVOID buffer, ULONG n, ULONG *done, ULONG64 offset)
{
	IO_STATUS_BLOCK io;
	LARGE_INTEGER at = {.QuadPart = (LONG64)offset};
	NTSTATUS status = NtReadFile(file, NULL, NULL, NULL, &io, buffer, n, &at, NULL);

	if (done)
		*done = NT_SUCCESS(status) ? (ULONG)io.Information : 0;
	return check(status);
}

BOOL CloseHandle(HANDLE h)
{
	return check(NtClose(h));
}

HANDLE CreateEventW(PVOID attributes, BOOL manual, BOOL state, const WCHAR *name)
{
	HANDLE h = NULL;

	(void)attributes, (void)name;
	return check(NtCreateEvent(&h, 0x1f0003, NULL, manual ? 0 : 1, (BOOLEAN)state)) ? h : NULL;
}

BOOL SetEvent(HANDLE h)
{
	return check(NtSetEvent(h, NULL));
}

ULONG WaitForSingleObject(HANDLE h, ULONG milliseconds)
{
	LARGE_INTEGER t = {.QuadPart = -(LONG64)milliseconds * 10000};
	NTSTATUS status =
		NtWaitForSingleObject(h, FALSE, milliseconds == (ULONG)INFINITE ? NULL : &t);

	if (status == STATUS_TIMEOUT)
		return WAIT_TIMEOUT;
	return check(status) ? WAIT_OBJECT_0 : (ULONG)-1;
}

void Sleep(ULONG milliseconds)
{
	LARGE_INTEGER t = {.QuadPart = -(LONG64)milliseconds * 10000};

	NtDelayExecution(FALSE, &t);
}

BOOL SwitchToThread(void)
{
	return NtYieldExecution() == STATUS_SUCCESS;
}

HANDLE CreateThread(DWORD (*start)(PVOID), PVOID argument)
{
	HANDLE h = NULL;

	return check(NtCreateThreadEx(&h, 0x1fffff, NULL, NtCurrentProcess(), (PVOID)start,
		       argument, 0, 0, 0, 0, NULL))
		       ? h
		       : NULL;
}

BOOL CreateProcessW(const WCHAR *image, const WCHAR *arguments, HANDLE *ret)
{
	UNICODE_STRING i, a;

	RtlInitUnicodeString(&i, image);
	RtlInitUnicodeString(&a, arguments ? arguments : L"");
	return check(NtCreateUserProcess(ret, &i, &a, 0));
}

BOOL TerminateProcess(HANDLE h, ULONG code)
{
	return check(NtTerminateProcess(h, (NTSTATUS)code));
}

void ExitProcess(ULONG code)
{
	for (;;)
		NtTerminateProcess(NtCurrentProcess(), (NTSTATUS)code);
}

void ExitThread(ULONG code)
{
	RtlExitUserThread((NTSTATUS)code);
}

const WCHAR *GetCommandLineW(void)
{
	return NtCurrentPeb()->ProcessParameters->CommandLine.Buffer;
}

ULONG GetCurrentProcessId(void)
{
	return (ULONG)(ULONG64)NtCurrentTeb()->ClientId.UniqueProcess;
}

ULONG GetCurrentThreadId(void)
{
	return (ULONG)(ULONG64)NtCurrentTeb()->ClientId.UniqueThread;
}

BOOL IsDebuggerPresent(void)
{
	return NtCurrentPeb()->BeingDebugged;
}

void DebugBreak(void)
{
	DbgBreakPoint();
}

void OutputDebugStringA(const char *text)
{
	DbgPrint("%s", text);
}

PVOID GetProcessHeap(void)
{
	return NtCurrentPeb()->ProcessHeap;
}

PVOID HeapAlloc(PVOID heap, ULONG flags, SIZE_T size)
{
	return RtlAllocateHeap(heap, flags, size);
}

BOOL HeapFree(PVOID heap, ULONG flags, PVOID p)
{
	return RtlFreeHeap(heap, flags, p);
}

PVOID VirtualAlloc(PVOID base, SIZE_T size, ULONG type, ULONG protect)
{
	return check(NtAllocateVirtualMemory(NtCurrentProcess(), &base, 0, &size, type, protect))
		       ? base
		       : NULL;
}

BOOL VirtualFree(PVOID base, SIZE_T size, ULONG type)
{
	return check(NtFreeVirtualMemory(NtCurrentProcess(), &base, &size, type));
}

BOOL VirtualProtect(PVOID base, SIZE_T size, ULONG protect, ULONG *old)
{
	return check(NtProtectVirtualMemory(NtCurrentProcess(), &base, &size, protect, old));
}

BOOL VirtualUnlock(PVOID base, SIZE_T size)
{
	return check(NtUnlockVirtualMemory(NtCurrentProcess(), &base, &size, 1));
}

ULONG64 GetTickCount64(void)
{
	LARGE_INTEGER now;

	NtQueryPerformanceCounter(&now, NULL);
	return (ULONG64)now.QuadPart / 10000;
}

BOOL QueryPerformanceCounter(LARGE_INTEGER *ret)
{
	return check(NtQueryPerformanceCounter(ret, NULL));
}

PVOID LoadLibraryW(const WCHAR *name)
{
	UNICODE_STRING u;
	PVOID base = NULL;

	RtlInitUnicodeString(&u, name);
	return check(LdrLoadDll(NULL, NULL, &u, &base)) ? base : NULL;
}

BOOL FreeLibrary(PVOID base)
{
	return check(LdrUnloadDll(base));
}

PVOID GetProcAddress(PVOID base, const char *name)
{
	ANSI_STRING s = {(USHORT)strlen(name), (USHORT)(strlen(name) + 1), (CHAR *)name};
	PVOID p = NULL;

	return check(LdrGetProcedureAddress(base, &s, 0, &p)) ? p : NULL;
}

void RaiseException(ULONG code, ULONG flags, ULONG count, const ULONG_PTR *arguments)
{
	EXCEPTION_RECORD er;

	memset(&er, 0, sizeof er);
	er.ExceptionCode = (NTSTATUS)code;
	er.ExceptionFlags = flags & EXCEPTION_NONCONTINUABLE;
	er.NumberParameters =
		count < EXCEPTION_MAXIMUM_PARAMETERS ? count : EXCEPTION_MAXIMUM_PARAMETERS;
	if (arguments)
		memcpy(er.ExceptionInformation, arguments, er.NumberParameters * sizeof *arguments);
	RtlRaiseException(&er);
}

BOOL DllMain(PVOID base, ULONG reason, PVOID reserved)
{
	(void)base, (void)reason, (void)reserved;
	return TRUE;
}
