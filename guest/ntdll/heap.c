/*
 * ntdll's run time: heap, debug output, raising exceptions, thread exit.
 */
#include "../inc/ntdll.h"

/* ---- heap: blocks of a power of two, one list each, from 64 KB pieces ---- */

typedef struct _HEAP_ENTRY {
	ULONG Class;
	ULONG Size;
	struct _HEAP_ENTRY *Next;
} HEAP_ENTRY;

enum { HEAP_CLASSES = 16, HEAP_PIECE = 0x10000 };

static HEAP_ENTRY *RtlpFreeList[HEAP_CLASSES];
static char *RtlpPiece;
static SIZE_T RtlpPieceLeft;
static volatile char RtlpHeapLock;

static HEAP_ENTRY *carve(SIZE_T size)
{
	if (RtlpPieceLeft < size) {
		SIZE_T n = size > HEAP_PIECE ? size : HEAP_PIECE;
		PVOID base = NULL;
		if (!NT_SUCCESS(NtAllocateVirtualMemory(NtCurrentProcess(), &base, 0, &n,
			    MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE)))
			return NULL;
		if (!NtCurrentPeb()->ProcessHeap)
			NtCurrentPeb()->ProcessHeap = base;
		RtlpPiece = base;
		RtlpPieceLeft = n;
	}
	HEAP_ENTRY *e = (HEAP_ENTRY *)RtlpPiece;
	RtlpPiece += size;
	RtlpPieceLeft -= size;
	return e;
}

PVOID RtlAllocateHeap(PVOID heap, ULONG flags, SIZE_T size)
{
	ULONG class = 0;

	(void)heap, (void)flags;
	while (class < HEAP_CLASSES && (32ull << class) - sizeof(HEAP_ENTRY) < size)
		class ++;
	if (class == HEAP_CLASSES)
		return NULL;
	while (__atomic_test_and_set(&RtlpHeapLock, __ATOMIC_ACQUIRE))
		NtYieldExecution();
	HEAP_ENTRY *e = RtlpFreeList[class];
	if (e)
		RtlpFreeList[class] = e->Next;
	else
		e = carve(32ull << class);
	__atomic_clear(&RtlpHeapLock, __ATOMIC_RELEASE);
	if (!e)
		return NULL;
	e->Class = class;
	e->Size = (ULONG)size;
	memset(e + 1, 0, size);
	return e + 1;
}

BOOLEAN RtlFreeHeap(PVOID heap, ULONG flags, PVOID p)
{
	HEAP_ENTRY *e = (HEAP_ENTRY *)p - 1;

	(void)heap, (void)flags;
	if (!p)
		return TRUE;
	while (__atomic_test_and_set(&RtlpHeapLock, __ATOMIC_ACQUIRE))
		NtYieldExecution();
	e->Next = RtlpFreeList[e->Class];
	RtlpFreeList[e->Class] = e;
	__atomic_clear(&RtlpHeapLock, __ATOMIC_RELEASE);
	return TRUE;
}

/* ---- debugging ---- */

ULONG DbgPrint(const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	int n = RtlFormat(text, sizeof text, format, args);
	va_end(args);
	if (DebugService(BREAKPOINT_PRINT, text, (ULONG_PTR)n, 101, 3) == STATUS_BREAKPOINT)
		DbgBreakPoint();
	return 0;
}

ULONG DbgPrompt(const char *prompt, char *reply, ULONG length)
{
	return (ULONG)DebugService(
		BREAKPOINT_PROMPT, prompt, strlen(prompt), (ULONG_PTR)reply, length);
}

/* ---- exceptions and the end ---- */

/* Through the kernel, so that a debugger has its first chance at software exceptions too. */
void RtlRaiseException(EXCEPTION_RECORD *er)
{
	CONTEXT c;
	ULONG64 base, frame;
	PVOID data;

	RtlCaptureContext(&c);
	RUNTIME_FUNCTION *f = RtlLookupFunctionEntry(c.Rip, &base, NULL);
	if (f)
		RtlVirtualUnwind(0, base, c.Rip, f, &c, &data, &frame, NULL);
	er->ExceptionAddress = (PVOID)c.Rip;
	NtRaiseException(er, &c, TRUE);
}

void RtlExitUserThread(NTSTATUS status)
{
	for (;;)
		NtTerminateThread(NtCurrentThread(), status);
}

BOOL DllMain(PVOID base, ULONG reason, PVOID reserved)
{
	(void)base, (void)reason, (void)reserved;
	return TRUE;
}
