/*
 * win: what the programs call: kernelbase.dll's functions under their Windows names (with fewer
 * features).
 */
#ifndef GUEST_WIN_H
#define GUEST_WIN_H

#include "ntdll.h"

/*
 * A function at the same address in every program that has one (multihasher!HashBuffer and
 * fscapture!CaptureFrame): a breakpoint that lands in the wrong process lands on an instruction.
 */
#define SAME_PLACE __attribute__((noinline, aligned(1024), section(".text$same")))

enum { INFINITE = -1, WAIT_OBJECT_0 = 0, WAIT_TIMEOUT = 258 };
#define STD_OUTPUT     ((HANDLE)1) /* the guest's console */
#define CAPTURE_DEVICE ((HANDLE)2) /* takes any bytes, gives a test picture */
#define GUEST_FLAGS    (((volatile KUSER_SHARED_DATA *)KUSER_SHARED_USER_VA)->GuestFlags)

BOOL CloseHandle(HANDLE h);
HANDLE CreateEventW(PVOID attributes, BOOL manual, BOOL state, const WCHAR *name);
BOOL CreateProcessW(const WCHAR *image, const WCHAR *arguments, HANDLE *ret);
HANDLE CreateThread(DWORD (*start)(PVOID), PVOID argument);
void DebugBreak(void);
DECLSPEC_NORETURN void ExitProcess(ULONG code);
DECLSPEC_NORETURN void ExitThread(ULONG code);
BOOL FreeLibrary(PVOID base);
const WCHAR *GetCommandLineW(void);
ULONG GetCurrentProcessId(void);
ULONG GetCurrentThreadId(void);
ULONG GetLastError(void);
PVOID GetProcAddress(PVOID base, const char *name);
PVOID GetProcessHeap(void);
ULONG64 GetTickCount64(void);
PVOID HeapAlloc(PVOID heap, ULONG flags, SIZE_T size);
BOOL HeapFree(PVOID heap, ULONG flags, PVOID p);
BOOL IsDebuggerPresent(void);
PVOID LoadLibraryW(const WCHAR *name);
void OutputDebugStringA(const char *text);
BOOL QueryPerformanceCounter(LARGE_INTEGER *ret);
void RaiseException(ULONG code, ULONG flags, ULONG count, const ULONG_PTR *arguments);
BOOL ReadFile(HANDLE file, PVOID buffer, ULONG n, ULONG *done, ULONG64 offset);
BOOL SetEvent(HANDLE h);
void SetLastError(ULONG code);
void Sleep(ULONG milliseconds);
BOOL SwitchToThread(void);
BOOL TerminateProcess(HANDLE h, ULONG code);
PVOID VirtualAlloc(PVOID base, SIZE_T size, ULONG type, ULONG protect);
BOOL VirtualFree(PVOID base, SIZE_T size, ULONG type);
BOOL VirtualProtect(PVOID base, SIZE_T size, ULONG protect, ULONG *old);
BOOL VirtualUnlock(PVOID base, SIZE_T size);
ULONG WaitForSingleObject(HANDLE h, ULONG milliseconds);
BOOL WriteFile(HANDLE file, const void *buffer, ULONG n, ULONG *done, PVOID overlapped);

#endif
