/*
 * The kernel's side of debugging that is not protocol: DbgPrint and friends, bug checks, and the
 * worker that does for the debugger what only running code can do.
 */
#include "../inc/ke.h"

ULONG64 KiBugCheckData[5];
volatile ULONG ExpDebuggerWork;
volatile ULONG64 ExpDebuggerProcessAttach, ExpDebuggerProcessKill, ExpDebuggerPageIn;

static ULONG print(ULONG component, ULONG level, const char *format, va_list args)
{
	char text[512];
	int n = RtlFormat(text, sizeof text, format, args);

	HalDisplayString(text);
	LONG status = DebugService(BREAKPOINT_PRINT, text, (ULONG_PTR)n, component, level);
	if (status == STATUS_BREAKPOINT) /* the debugger wants a break */
		DbgBreakPointWithStatus(DBG_STATUS_CONTROL_C);
	return 0;
}

ULONG DbgPrint(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print(101, 3, format, args);
	va_end(args);
	return 0;
}

ULONG DbgPrintEx(ULONG component, ULONG level, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print(component, level, format, args);
	va_end(args);
	return 0;
}

/* Returns the length of the answer. */
ULONG DbgPrompt(const char *prompt, char *reply, ULONG length)
{
	return (ULONG)DebugService(
		BREAKPOINT_PROMPT, prompt, strlen(prompt), (ULONG_PTR)reply, length);
}

static ULONG image_field(PVOID base, bool checksum)
{
	IMAGE_OPTIONAL_HEADER64 *o = &pe_headers(base)->OptionalHeader;

	return checksum ? o->CheckSum : o->SizeOfImage;
}

void DbgLoadImageSymbols(STRING *name, PVOID base, ULONG_PTR process)
{
	KD_SYMBOLS_INFO info = {
		base, (PVOID)process, image_field(base, true), image_field(base, false)};

	DebugService(BREAKPOINT_LOAD_SYMBOLS, name, (ULONG_PTR)&info, 0, 0);
}

void DbgUnLoadImageSymbols(STRING *name, PVOID base, ULONG_PTR process)
{
	KD_SYMBOLS_INFO info = {
		base, (PVOID)process, image_field(base, true), image_field(base, false)};

	DebugService(BREAKPOINT_UNLOAD_SYMBOLS, name, (ULONG_PTR)&info, 0, 0);
}

/* ---- bug check ---- */

static void print_bug_check(void)
{
	/* The form that debuggers and people know. */
	DbgPrint("\n*** Fatal System Error: 0x%08x\n", (ULONG)KiBugCheckData[0]);
	DbgPrint("                       (0x%p,0x%p,0x%p,0x%p)\n\n", KiBugCheckData[1],
		KiBugCheckData[2], KiBugCheckData[3], KiBugCheckData[4]);
}

/*
 * Parameters first, then the debugger: status 3 while the system could still be looked at, status 4
 * for ever after. Without a debugger the machine stops here.
 */
void KeBugCheckEx(ULONG code, ULONG_PTR a, ULONG_PTR b, ULONG_PTR c, ULONG_PTR d)
{
	static volatile ULONG once;
	KPRCB *prcb = KeGetCurrentPrcb();

	RtlCaptureContext(&prcb->ProcessorState.ContextFrame);
	KiSaveSpecialRegisters(&prcb->ProcessorState.SpecialRegisters);
	__asm__ volatile("cli");
	if (!__atomic_exchange_n(&once, 1, __ATOMIC_SEQ_CST)) {
		KiBugCheckData[0] = code;
		KiBugCheckData[1] = a, KiBugCheckData[2] = b, KiBugCheckData[3] = c,
		KiBugCheckData[4] = d;
		print_bug_check();
		DbgBreakPointWithStatus(DBG_STATUS_BUGCHECK_FIRST);
	}
	for (;;) {
		DbgBreakPointWithStatus(DBG_STATUS_BUGCHECK_SECOND);
		if (KdDebuggerNotPresent)
			for (;;)
				__asm__ volatile("hlt");
	}
}

/* ---- requests that the debugger leaves in variables (.process /i, .pagein, .kill) ---- */

/* The reaper leaves this process's page tables alone while the worker uses them. */
EPROCESS *volatile ExpAttachedProcess;

/* Only a process that is still on the list: the debugger's pointer may be old. */
static EPROCESS *live_process(ULONG64 address, bool attach)
{
	EPROCESS *found = NULL;
	KIRQL old = KeAcquireSpinLock(&PspLock);

	for (LIST_ENTRY *e = PsActiveProcessHead.Flink; e != &PsActiveProcessHead; e = e->Flink)
		if (CONTAINING_RECORD(e, EPROCESS, ActiveProcessLinks) == (EPROCESS *)address)
			found = (EPROCESS *)address;
	if (found && (found->Flags & PS_PROCESS_EXITING || !found->Pcb.DirectoryTableBase))
		found = NULL;
	if (found && found != PsInitialSystemProcess)
		ObReference(found);
	if (attach)
		ExpAttachedProcess = found;
	KeReleaseSpinLock(&PspLock, old);
	return found;
}

NOINLINE static void touch(const char *user)
{
	char byte;

	KeCopyUser(&byte, user, 1); /* the fault brings the page in */
}

/*
 * In a system thread, attached to the process asked for: break in, so that the debugger finds that
 * process's address space active. A debugger that asked for something impossible gets its break all
 * the same.
 */
void ExpDebuggerWorker(PVOID context)
{
	EPROCESS *attach = live_process(
		__atomic_exchange_n(&ExpDebuggerProcessAttach, 0, __ATOMIC_SEQ_CST), true);
	EPROCESS *kill = live_process(
		__atomic_exchange_n(&ExpDebuggerProcessKill, 0, __ATOMIC_SEQ_CST), false);
	ULONG64 page = __atomic_exchange_n(&ExpDebuggerPageIn, 0, __ATOMIC_SEQ_CST);
	KAPC_STATE save;

	(void)context;
	ExpDebuggerWork = 2; /* in progress, as in NT */
	if (attach)
		KeStackAttachProcess(&attach->Pcb, &save);
	if (page)
		touch((const char *)page);
	if (kill && kill != PsInitialSystemProcess)
		PsTerminateProcess(kill, (NTSTATUS)0xc0000001);
	ExpDebuggerWork = 0;
	DbgBreakPointWithStatus(DBG_STATUS_WORKER);
	if (attach)
		KeUnstackDetachProcess(&save);
	ExpAttachedProcess = NULL;
	if (attach && attach != PsInitialSystemProcess)
		ObDereference(attach);
	if (kill && kill != PsInitialSystemProcess)
		ObDereference(kill);
}

void ExpCheckDebuggerWork(void)
{
	if (ExpDebuggerWork == 1)
		ExpDebuggerWorker(NULL);
}
