/*
 * rtl: what the kernel and ntdll both link (guest/rtl): strings, formatting, exception dispatch,
 * and the few routines that only assembly can write.
 */
#ifndef GUEST_RTL_H
#define GUEST_RTL_H

#include "nt.h"
#include "pe.h"

void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);
void *memmove(void *to, const void *from, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);

/* %d %u %x %llx %p %s %c %ws %wZ, with width, 0 and -. Returns the length, at most cap - 1. */
int RtlFormat(char *to, size_t cap, const char *format, va_list args);
int RtlFormatTo(char *to, size_t cap, const char *format, ...);
void RtlInitUnicodeString(UNICODE_STRING *s, const WCHAR *text);
size_t RtlWiden(WCHAR *to, size_t cap, const char *from); /* ASCII */
size_t RtlNarrow(char *to, size_t cap, const UNICODE_STRING *from);
bool RtlSameName(const char *a, const char *b); /* without case */

/* except.c */
typedef struct _RUNTIME_FUNCTION {
	ULONG BeginAddress;
	ULONG EndAddress;
	ULONG UnwindData;
} RUNTIME_FUNCTION;

typedef enum _EXCEPTION_DISPOSITION {
	ExceptionContinueExecution,
	ExceptionContinueSearch,
	ExceptionNestedException,
	ExceptionCollidedUnwind
} EXCEPTION_DISPOSITION;

typedef struct _DISPATCHER_CONTEXT {
	ULONG64 ControlPc;
	ULONG64 ImageBase;
	RUNTIME_FUNCTION *FunctionEntry;
	ULONG64 EstablisherFrame;
	ULONG64 TargetIp;
	CONTEXT *ContextRecord;
	PVOID LanguageHandler;
	PVOID HandlerData;
	PVOID HistoryTable;
	ULONG ScopeIndex;
	ULONG Fill0;
} DISPATCHER_CONTEXT;

typedef EXCEPTION_DISPOSITION EXCEPTION_ROUTINE(
	EXCEPTION_RECORD *, PVOID frame, CONTEXT *, DISPATCHER_CONTEXT *);

/* Each side knows its own modules: base of the image that holds pc, or 0. */
ULONG64 RtlpImageBase(ULONG64 pc);
/* The limits of the current stack. */
void RtlpStackLimits(ULONG64 *low, ULONG64 *high);

RUNTIME_FUNCTION *RtlLookupFunctionEntry(ULONG64 pc, ULONG64 *base_ret, PVOID history);
EXCEPTION_ROUTINE *RtlVirtualUnwind(ULONG handler_type, ULONG64 base, ULONG64 pc,
	RUNTIME_FUNCTION *f, CONTEXT *c, PVOID *data_ret, ULONG64 *frame_ret, PVOID pointers);
bool RtlDispatchException(EXCEPTION_RECORD *er, CONTEXT *c);
void RtlUnwindEx(
	PVOID frame, PVOID target, EXCEPTION_RECORD *er, PVOID value, CONTEXT *c, PVOID history);
void RtlUnwind(PVOID frame, PVOID target, EXCEPTION_RECORD *er, PVOID value);
void RtlRaiseException(EXCEPTION_RECORD *er);
void RtlRaiseStatus(NTSTATUS status);
EXCEPTION_DISPOSITION __C_specific_handler(
	EXCEPTION_RECORD *er, PVOID frame, CONTEXT *c, DISPATCHER_CONTEXT *d);

/* context.S */
void RtlCaptureContext(CONTEXT *c);
DECLSPEC_NORETURN void RtlRestoreContext(const CONTEXT *c, EXCEPTION_RECORD *er);
void DbgBreakPoint(void);
void DbgBreakPointWithStatus(ULONG status);
extern char RtlpBreakWithStatusInstruction[];
LONG DebugService(ULONG service, const void *a, ULONG_PTR b, ULONG_PTR c, ULONG_PTR d);

#endif
