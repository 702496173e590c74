/*
 * ntdll: what user mode may call: the system services (see nt/services.c for the ones that take
 * fewer arguments than NT's), the loader and the run-time routines.
 */
#ifndef GUEST_NTDLL_H
#define GUEST_NTDLL_H

#include "rtl.h"

typedef struct _IO_STATUS_BLOCK {
	union {
		NTSTATUS Status;
		PVOID Pointer;
	};
	ULONG_PTR Information;
} IO_STATUS_BLOCK;

static inline TEB *NtCurrentTeb(void)
{
	TEB *teb;
	__asm__("movq %%gs:%c1, %0"
		: "=r"(teb)
		: "i"(offsetof(TEB, NtTib) + offsetof(NT_TIB, Self)));
	return CONTAINING_RECORD(teb, TEB, NtTib);
}

static inline PEB *NtCurrentPeb(void)
{
	return NtCurrentTeb()->ProcessEnvironmentBlock;
}

NTSTATUS NtWaitForSingleObject(HANDLE h, BOOLEAN alertable, LARGE_INTEGER *timeout);
NTSTATUS NtReadFile(HANDLE file, HANDLE event, PVOID apc, PVOID apc_context, IO_STATUS_BLOCK *io,
	PVOID buffer, ULONG length, LARGE_INTEGER *offset, ULONG *key);
NTSTATUS NtWriteFile(HANDLE file, HANDLE event, PVOID apc, PVOID apc_context, IO_STATUS_BLOCK *io,
	const void *buffer, ULONG length, LARGE_INTEGER *offset, ULONG *key);
NTSTATUS NtSetEvent(HANDLE h, LONG *previous);
NTSTATUS NtCreateEvent(HANDLE *ret, ULONG access, PVOID attributes, ULONG type, BOOLEAN state);
NTSTATUS NtClose(HANDLE h);
NTSTATUS NtAllocateVirtualMemory(
	HANDLE p, PVOID *base, ULONG_PTR zero, SIZE_T *size, ULONG type, ULONG protect);
NTSTATUS NtFreeVirtualMemory(HANDLE p, PVOID *base, SIZE_T *size, ULONG type);
NTSTATUS NtProtectVirtualMemory(HANDLE p, PVOID *base, SIZE_T *size, ULONG protect, ULONG *old);
NTSTATUS NtMapViewOfSection(UNICODE_STRING *name, PVOID *base, SIZE_T *size, ULONG *timestamp);
NTSTATUS NtUnmapViewOfSection(HANDLE p, PVOID base);
NTSTATUS NtTerminateProcess(HANDLE p, NTSTATUS status);
NTSTATUS NtTerminateThread(HANDLE t, NTSTATUS status);
NTSTATUS NtQueryPerformanceCounter(LARGE_INTEGER *counter, LARGE_INTEGER *frequency);
NTSTATUS NtDelayExecution(BOOLEAN alertable, LARGE_INTEGER *interval);
NTSTATUS NtContinue(CONTEXT *c, BOOLEAN alert);
NTSTATUS NtYieldExecution(void);
NTSTATUS NtCreateThreadEx(HANDLE *ret, ULONG access, PVOID attributes, HANDLE process, PVOID start,
	PVOID argument, ULONG flags, SIZE_T zero_bits, SIZE_T stack, SIZE_T max_stack, PVOID list);
NTSTATUS NtCreateUserProcess(
	HANDLE *ret, UNICODE_STRING *image, UNICODE_STRING *arguments, ULONG flags);
NTSTATUS NtRaiseException(EXCEPTION_RECORD *er, CONTEXT *c, BOOLEAN first_chance);
NTSTATUS NtSystemDebugControl(
	ULONG command, PVOID in, ULONG in_n, PVOID out, ULONG out_n, ULONG *ret);
NTSTATUS NtShutdownSystem(ULONG action);
NTSTATUS NtUnlockVirtualMemory(HANDLE p, PVOID *base, SIZE_T *size, ULONG type);

PVOID RtlAllocateHeap(PVOID heap, ULONG flags, SIZE_T size); /* zeroed */
BOOLEAN RtlFreeHeap(PVOID heap, ULONG flags, PVOID p);
DECLSPEC_NORETURN void RtlExitUserThread(NTSTATUS status);
NTSTATUS LdrLoadDll(const WCHAR *path, ULONG *flags, UNICODE_STRING *name, PVOID *base_ret);
NTSTATUS LdrUnloadDll(PVOID base);
NTSTATUS LdrGetProcedureAddress(PVOID base, ANSI_STRING *name, ULONG ordinal, PVOID *ret);
ULONG DbgPrint(const char *format, ...);
ULONG DbgPrompt(const char *prompt, char *reply, ULONG length);

#endif
