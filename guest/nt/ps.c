/*
 * Processes, threads, handles: creation, lists, exit. One lock, PspLock (IRQL 2), for the lists of
 * processes and threads and for handle tables; it is taken before MmLock and before
 * KiDispatcherLock.
 *
 * A process ends when its last thread does; the reaper (a system thread) then takes its address
 * space apart. Objects are freed with their last reference.
 */
#include "../inc/ke.h"
#include "../kd/kdport.h"

LIST_ENTRY PsActiveProcessHead = {&PsActiveProcessHead, &PsActiveProcessHead};
EPROCESS *PsInitialSystemProcess, *PsIdleProcess;
KSPIN_LOCK PspLock;
extern ULONG64 KeUserExceptionDispatcher;

static LIST_ENTRY HandleTableListHead = {&HandleTableListHead, &HandleTableListHead};
static LIST_ENTRY PspReaperList = {&PspReaperList, &PspReaperList};
static KEVENT PspReaperEvent;
static ULONG64 PspNextCid = 4, PspLdrInitializeThunk, PspRtlUserThreadStart;
static MM_SESSION_SPACE MiSessions[2];
static SECTION *PspNtdll;

enum { HANDLES = 60 };

/* ---- objects and handles ---- */

#define TYPE_NAME(s)                                                                               \
	{                                                                                          \
		sizeof s - sizeof(WCHAR), sizeof s, (WCHAR *)s                                     \
	}
static OBJECT_TYPE ExEventObjectType = {
	.Name = TYPE_NAME(L"Event"), .Index = EventNotificationObject};
static OBJECT_TYPE PsProcessType = {.Name = TYPE_NAME(L"Process"), .Index = ProcessObject};
static OBJECT_TYPE PsThreadType = {.Name = TYPE_NAME(L"Thread"), .Index = ThreadObject};
/* Our objects' types are those of their dispatcher headers. */
OBJECT_TYPE *ObTypeIndexTable[] = {[EventNotificationObject] = &ExEventObjectType,
	[EventSynchronizationObject] = &ExEventObjectType,
	[ProcessObject] = &PsProcessType,
	[ThreadObject] = &PsThreadType};

static OBJECT_HEADER *header_of(PVOID object)
{
	return CONTAINING_RECORD(object, OBJECT_HEADER, Body);
}

PVOID ObCreateObject(UCHAR type, SIZE_T size)
{
	OBJECT_HEADER *h = ExAllocatePool(sizeof *h + size);

	h->PointerCount = 1;
	h->TypeIndex = type;
	return h->Body;
}

void ObReference(PVOID object)
{
	__atomic_add_fetch(&header_of(object)->PointerCount, 1, __ATOMIC_SEQ_CST);
}

static void delete_process(EPROCESS *p)
{
	KIRQL old = KeAcquireSpinLock(&PspLock);

	RemoveEntryList(&p->ActiveProcessLinks);
	RemoveEntryList(&p->SessionProcessLinks);
	KeReleaseSpinLock(&PspLock, old);
	ExFreePool(p->SeAuditProcessCreationInfo.ImageFileName);
}

void ObDereference(PVOID object)
{
	OBJECT_HEADER *h = header_of(object);

	if (__atomic_sub_fetch(&h->PointerCount, 1, __ATOMIC_SEQ_CST))
		return;
	if (h->TypeIndex == ProcessObject)
		delete_process(object);
	ExFreePool(h);
}

DISPATCHER_HEADER *ObWaitHeader(PVOID object)
{
	switch (header_of(object)->TypeIndex) {
	case ProcessObject:
		return &((EPROCESS *)object)->Pcb.Header;
	case ThreadObject:
		return &((ETHREAD *)object)->Tcb.Header;
	default:
		return &((KEVENT *)object)->Header;
	}
}

static HANDLE_TABLE_ENTRY *entry_of(HANDLE_TABLE *t, HANDLE h)
{
	ULONG64 i = (ULONG64)h / 4;

	return t && i >= 1 && i < HANDLES && !((ULONG64)h & 3)
		       ? (HANDLE_TABLE_ENTRY *)t->TableCode + i
		       : NULL;
}

NTSTATUS ObCreateHandle(EPROCESS *p, PVOID object, HANDLE *ret)
{
	KIRQL old = KeAcquireSpinLock(&PspLock);
	HANDLE_TABLE *t = p->ObjectTable;
	NTSTATUS status = STATUS_NO_MEMORY;

	for (ULONG64 i = 1; t && i < HANDLES && status; i++) {
		HANDLE_TABLE_ENTRY *e = (HANDLE_TABLE_ENTRY *)t->TableCode + i;
		if (e->Object)
			continue;
		ObReference(object);
		header_of(object)->HandleCount++;
		e->Object = header_of(object);
		e->GrantedAccess = 0x1fffff;
		t->HandleCount++;
		*ret = (HANDLE)(i * 4);
		status = STATUS_SUCCESS;
	}
	KeReleaseSpinLock(&PspLock, old);
	return status;
}

NTSTATUS ObReferenceByHandle(HANDLE h, int type, PVOID *ret)
{
	ETHREAD *t = PsGetCurrentThread();
	PVOID object = NULL;

	KIRQL old = KeAcquireSpinLock(&PspLock);
	if (h == NtCurrentProcess()) {
		object = t->Tcb.Process;
	} else if (h == NtCurrentThread()) {
		object = t;
	} else {
		HANDLE_TABLE_ENTRY *e = entry_of(((EPROCESS *)t->Tcb.Process)->ObjectTable, h);
		object = e && e->Object ? e->Object->Body : NULL;
	}
	if (object && type >= 0 && header_of(object)->TypeIndex != type)
		object = NULL;
	if (object)
		ObReference(object);
	KeReleaseSpinLock(&PspLock, old);
	*ret = object;
	return object ? STATUS_SUCCESS : STATUS_INVALID_HANDLE;
}

NTSTATUS ObCloseHandle(EPROCESS *p, HANDLE h)
{
	KIRQL old = KeAcquireSpinLock(&PspLock);
	HANDLE_TABLE_ENTRY *e = entry_of(p->ObjectTable, h);
	PVOID object = e && e->Object ? e->Object->Body : NULL;

	if (object) {
		e->Object = NULL;
		p->ObjectTable->HandleCount--;
		header_of(object)->HandleCount--;
	}
	KeReleaseSpinLock(&PspLock, old);
	if (object)
		ObDereference(object);
	return object ? STATUS_SUCCESS : STATUS_INVALID_HANDLE;
}

/* ---- creation ---- */

static HANDLE next_cid(void)
{
	ULONG64 v = __atomic_fetch_add(&PspNextCid, 4 + KiRandom(16) * 4, __ATOMIC_SEQ_CST);

	return (HANDLE)v;
}

static EPROCESS *create_process(const char *name, HANDLE id, EPROCESS *parent, bool user)
{
	EPROCESS *p = ObCreateObject(ProcessObject, sizeof *p);
	OBJECT_NAME_INFORMATION *path = ExAllocatePool(sizeof *path + 128);
	char text[64];

	KeInitializeDispatcher(&p->Pcb.Header, ProcessObject, 0);
	InitializeListHead(&p->Pcb.ThreadListHead);
	InitializeListHead(&p->Pcb.ReadyListHead);
	InitializeListHead(&p->Pcb.ProfileListHead);
	InitializeListHead(&p->ThreadListHead);
	InitializeListHead(&p->SessionProcessLinks);
	InitializeListHead(&p->ActiveProcessLinks);
	p->Pcb.BasePriority = 8;
	p->Pcb.QuantumReset = 3;
	p->Pcb.Affinity = ~0ull;
	p->Pcb.ProcessId = (ULONG)(ULONG64)id;
	p->Pcb.DirectoryTableBase = KeLoaderBlock->PageRoot;
	p->UniqueProcessId = id;
	p->InheritedFromUniqueProcessId = parent ? parent->UniqueProcessId : 0;
	p->CreateTime.QuadPart = (LONG64)KeQuerySystemTime();
	p->PriorityClass = 2;
	p->Cookie = KiRandom(0x7fffffff);
	p->ExitStatus = 0x103;
	for (unsigned i = 0; i < 15 && name[i]; i++) /* a name of 15 has no terminator */
		p->ImageFileName[i] = name[i];
	RtlFormatTo(text, sizeof text, user ? "\\Windows\\System32\\%s" : "", name);
	RtlWiden((WCHAR *)(path + 1), 64, text);
	RtlInitUnicodeString(&path->Name, (WCHAR *)(path + 1));
	p->SeAuditProcessCreationInfo.ImageFileName = path;
	HANDLE_TABLE *t = ExAllocatePool(sizeof *t);
	t->TableCode = (ULONG64)ExAllocatePool(HANDLES * sizeof(HANDLE_TABLE_ENTRY));
	t->NextHandleNeedingPool = HANDLES * 4;
	t->QuotaProcess = p;
	t->UniqueProcessId = (ULONG)(ULONG64)id;
	p->ObjectTable = t;
	KIRQL old = KeAcquireSpinLock(&PspLock);
	InsertTailList(&HandleTableListHead, &t->HandleTableList);
	KeReleaseSpinLock(&PspLock, old);
	return p;
}

void PsInitSystem(void)
{
	MiSessions[1].SessionId = 1;
	InitializeListHead(&MiSessions[0].ProcessList);
	InitializeListHead(&MiSessions[1].ProcessList);
	KeInitializeDispatcher(&PspReaperEvent.Header, EventSynchronizationObject, 0);
	PsIdleProcess = create_process("Idle", 0, NULL, false);
	PsInitialSystemProcess = create_process("System", next_cid(), NULL, false);
	InsertTailList(&PsActiveProcessHead, &PsInitialSystemProcess->ActiveProcessLinks);
}

/*
 * The kernel stack of a thread that has not run: a switch frame that returns to KiThreadStartup, a
 * zero as the end of the stack, and for a user thread the trap frame that it will leave the kernel
 * with.
 */
static ETHREAD *create_thread(EPROCESS *p, SCHAR priority, PVOID start, PVOID context)
{
	ETHREAD *t = ObCreateObject(ThreadObject, sizeof *t);
	char *stack = ExAllocatePool(KERNEL_STACK_SIZE), *top = stack + KERNEL_STACK_SIZE;

	KeInitializeThread(&t->Tcb, &p->Pcb, priority);
	t->Tcb.StackLimit = stack;
	t->Tcb.StackBase = t->Tcb.InitialStack = top;
	t->Tcb.TrapFrame = (KTRAP_FRAME *)top - 1;
	KSWITCH_FRAME *sf = (KSWITCH_FRAME *)((char *)t->Tcb.TrapFrame - 32) - 1;
	sf->Return = (ULONG64)KiThreadStartup;
	t->Tcb.KernelStack = sf;
	t->StartAddress = t->Win32StartAddress = start;
	t->StartContext = context;
	t->Cid.UniqueProcess = p->UniqueProcessId;
	t->Cid.UniqueThread = next_cid();
	t->CreateTime.QuadPart = (LONG64)KeQuerySystemTime();
	t->ExitStatus = 0x103;
	InitializeListHead(&t->IrpList);
	return t;
}

static void start_thread(EPROCESS *p, ETHREAD *t)
{
	ObReference(t); /* its own, until the reaper */
	KIRQL old = KeAcquireSpinLock(&PspLock);
	InsertTailList(&p->Pcb.ThreadListHead, &t->Tcb.ThreadListEntry);
	InsertTailList(&p->ThreadListHead, &t->ThreadListEntry);
	if (++p->ActiveThreads > p->ActiveThreadsHighWatermark)
		p->ActiveThreadsHighWatermark = p->ActiveThreads;
	KiSpin(&KiDispatcherLock);
	KiReadyThread(&t->Tcb);
	KiUnspin(&KiDispatcherLock);
	KeReleaseSpinLock(&PspLock, old);
}

ETHREAD *PsCreateSystemThread(void (*start)(PVOID), PVOID context, SCHAR priority)
{
	ETHREAD *t = create_thread(PsInitialSystemProcess, priority, (PVOID)start, context);

	t->CrossThreadFlags = CT_SYSTEM_THREAD;
	t->Tcb.TrapFrame = NULL;
	start_thread(PsInitialSystemProcess, t);
	return t;
}

static void resolve_ntdll(void)
{
	if (PspNtdll)
		return;
	PspNtdll = MmOpenImage("ntdll.dll");
	if (!PspNtdll)
		KeBugCheckEx(PROCESS1_INITIALIZATION_FAILED, (ULONG)STATUS_DLL_NOT_FOUND, 0, 0, 0);
	PspLdrInitializeThunk = MmImageExport(PspNtdll, "LdrInitializeThunk");
	PspRtlUserThreadStart = MmImageExport(PspNtdll, "RtlUserThreadStart");
	KeUserExceptionDispatcher = MmImageExport(PspNtdll, "KiUserExceptionDispatcher");
}

/* Puts a string into user memory that is mapped in the current address space. */
static void put_string(UNICODE_STRING *s, WCHAR **at, const char *text)
{
	size_t n = RtlWiden(*at, 200, text);

	s->Buffer = *at;
	s->Length = (USHORT)(n * 2);
	s->MaximumLength = (USHORT)(n * 2 + 2);
	*at += n + 1;
}

/* Attached to the new process. */
static NTSTATUS build_peb(EPROCESS *p, SECTION *s, const char *arguments)
{
	ULONG64 peb_at = 0, parameters_at = 0;
	NTSTATUS status = MmMapPrivate(p, &peb_at, PAGE_SIZE, MM_READWRITE);

	if (NT_SUCCESS(status))
		status = MmMapPrivate(p, &parameters_at, PAGE_SIZE, MM_READWRITE);
	if (!NT_SUCCESS(status))
		return status;
	RTL_USER_PROCESS_PARAMETERS *u = (PVOID)parameters_at;
	WCHAR *text = (WCHAR *)(u + 1);
	char line[128];
	PEB *peb = (PEB *)peb_at;

	u->Length = u->MaximumLength = (ULONG)PAGE_SIZE;
	u->Flags = 1; /* normalized: pointers, not offsets */
	u->StandardOutput = (HANDLE)1;
	RtlFormatTo(line, sizeof line, "C:\\Windows\\System32\\%s", s->Name);
	put_string(&u->ImagePathName, &text, line);
	RtlFormatTo(line, sizeof line, "%s %s", s->Name, arguments);
	put_string(&u->CommandLine, &text, line);
	put_string(&u->CurrentDirectory.DosPath, &text, "C:\\Windows\\System32\\");
	put_string(&u->DllPath, &text, "C:\\Windows\\System32");
	put_string(&u->WindowTitle, &text, s->Name);
	put_string(&u->DesktopInfo, &text, "WinSta0\\Default");
	peb->ImageBaseAddress = (PVOID)s->Base;
	peb->ProcessParameters = u;
	peb->NumberOfProcessors = KeNumberProcessors;
	peb->OSMajorVersion = 10;
	peb->OSBuildNumber = GUEST_BUILD;
	peb->OSPlatformId = 2;
	peb->ImageSubsystem = 3;
	peb->SessionId = p->Session->SessionId;
	p->Peb = peb;
	return STATUS_SUCCESS;
}

/* Attached to the process: stack, TEB and first context of a thread. */
static NTSTATUS build_user_thread(EPROCESS *p, ETHREAD *t, ULONG64 start, ULONG64 argument)
{
	ULONG64 stack = 0, teb_at = 0, stack_size = 0x10000;
	NTSTATUS status = MmMapPrivate(p, &stack, stack_size, MM_READWRITE);

	if (NT_SUCCESS(status))
		status = MmMapPrivate(p, &teb_at, ROUND_UP(sizeof(TEB), PAGE_SIZE), MM_READWRITE);
	if (!NT_SUCCESS(status))
		return status;
	TEB *teb = (TEB *)teb_at;
	teb->NtTib.StackBase = (PVOID)(stack + stack_size);
	teb->NtTib.StackLimit = teb->DeallocationStack = (PVOID)stack;
	teb->NtTib.Self = &teb->NtTib;
	teb->ClientId = t->Cid;
	teb->ProcessEnvironmentBlock = p->Peb;
	teb->StaticUnicodeString.Buffer = teb->StaticUnicodeBuffer;
	teb->StaticUnicodeString.MaximumLength = sizeof teb->StaticUnicodeBuffer;
	t->Tcb.Teb = teb;
	t->Win32StartAddress = (PVOID)start;

	CONTEXT *c = (CONTEXT *)(stack + stack_size - 0x100 - sizeof *c);
	c->ContextFlags = CONTEXT_ALL & ~(CONTEXT_DEBUG_REGISTERS & 0xff);
	c->Rip = PspRtlUserThreadStart;
	c->Rcx = start;
	c->Rdx = argument;
	c->Rsp = stack + stack_size - 0x28;
	c->SegCs = KGDT64_R3_CODE | RPL_MASK;
	c->SegSs = KGDT64_R3_DATA | RPL_MASK;
	c->EFlags = 0x202;
	c->MxCsr = c->FltSave.MxCsr = 0x1f80;
	c->FltSave.ControlWord = 0x27f;

	KTRAP_FRAME *tf = t->Tcb.TrapFrame;
	tf->Rip = PspLdrInitializeThunk;
	tf->Rcx = (ULONG64)c;
	tf->Rdx = PspNtdll->Base;
	tf->Rsp = (ULONG64)c - 0x28;
	tf->SegCs = KGDT64_R3_CODE | RPL_MASK;
	tf->SegSs = KGDT64_R3_DATA | RPL_MASK;
	tf->EFlags = 0x202;
	tf->PreviousMode = UserMode;
	t->StartAddress = (PVOID)PspRtlUserThreadStart;
	return STATUS_SUCCESS;
}

NTSTATUS PsCreateUserThread(EPROCESS *p, ULONG64 start, ULONG64 argument, ETHREAD **ret)
{
	ETHREAD *t = create_thread(p, p->Pcb.BasePriority, (PVOID)start, NULL);
	KAPC_STATE save;

	KeStackAttachProcess(&p->Pcb, &save);
	NTSTATUS status = build_user_thread(p, t, start, argument);
	KeUnstackDetachProcess(&save);
	if (!NT_SUCCESS(status)) {
		ExFreePool(t->Tcb.StackLimit);
		ExFreePool(t->Tcb.StateSaveArea);
		ObDereference(t);
		return status;
	}
	ObReference(p);
	start_thread(p, t);
	*ret = t;
	return STATUS_SUCCESS;
}

NTSTATUS PsCreateUserProcess(
	const char *image, const char *arguments, EPROCESS *parent, EPROCESS **ret)
{
	resolve_ntdll();
	SECTION *s = MmOpenImage(image);
	if (!s)
		return STATUS_OBJECT_NAME_NOT_FOUND;
	EPROCESS *p = create_process(s->Name, next_cid(), parent, true);
	KAPC_STATE save;
	ETHREAD *t;
	ULONG64 base;

	MmCreateAddressSpace(p);
	p->Session = &MiSessions[parent == PsInitialSystemProcess ? 0 : 1];
	p->SectionObject = s;
	p->SectionBaseAddress = (PVOID)s->Base;
	p->ImageFilePointer = &s->File;
	NTSTATUS status = MmMapImage(p, s, &base);
	if (NT_SUCCESS(status))
		status = MmMapImage(p, PspNtdll, &base);
	KeStackAttachProcess(&p->Pcb, &save);
	if (NT_SUCCESS(status))
		status = build_peb(p, s, arguments);
	KeUnstackDetachProcess(&save);
	KIRQL old = KeAcquireSpinLock(&PspLock);
	InsertTailList(&PsActiveProcessHead, &p->ActiveProcessLinks);
	InsertTailList(&p->Session->ProcessList, &p->SessionProcessLinks);
	KeReleaseSpinLock(&PspLock, old);
	if (NT_SUCCESS(status))
		status = PsCreateUserThread(p, s->Base + s->EntryPoint, (ULONG64)p->Peb, &t);
	if (!NT_SUCCESS(status)) {
		MmCleanAddressSpace(p);
		ObDereference(p);
		return status;
	}
	ObDereference(t);
	*ret = p;
	return STATUS_SUCCESS;
}

/* ---- the end ---- */

static void free_user_stack(ETHREAD *t)
{
	EPROCESS *p = (EPROCESS *)t->Tcb.Process;
	TEB *teb = t->Tcb.Teb;
	ULONG64 stack;

	if (teb && NT_SUCCESS(KeCopyUser(&stack, &teb->DeallocationStack, sizeof stack))) {
		MmUnmap(p, stack);
		MmUnmap(p, (ULONG64)teb);
	}
}

/* The current thread ends here. IRQL 0, interrupts on. */
void PspExitThread(NTSTATUS status)
{
	ETHREAD *t = PsGetCurrentThread();
	EPROCESS *p = (EPROCESS *)t->Tcb.Process;

	if (p->ActiveThreads > 1)
		free_user_stack(t);
	KIRQL old = KeAcquireSpinLock(&PspLock);
	(void)old;
	t->ExitStatus = status;
	t->ExitTime.QuadPart = (LONG64)KeQuerySystemTime();
	RemoveEntryList(&t->Tcb.ThreadListEntry);
	RemoveEntryList(&t->ThreadListEntry);
	if (--p->ActiveThreads == 0) {
		p->Flags |= PS_PROCESS_EXITING;
		if (p->ExitStatus == 0x103)
			p->ExitStatus = status;
		p->ExitTime = t->ExitTime;
	}
	KiSpin(&KiDispatcherLock);
	KiUnspin(&PspLock);
	KiSignal(&t->Tcb.Header);
	t->Tcb.State = Terminated;
	InsertTailList(&PspReaperList, &t->ReaperLink);
	KiSignal(&PspReaperEvent.Header);
	KiSwapThread();
	KeBugCheckEx(CRITICAL_PROCESS_DIED, (ULONG_PTR)t, 0, 0, 0);
}

void PsTerminateProcess(EPROCESS *p, NTSTATUS status)
{
	KIRQL old = KeAcquireSpinLock(&PspLock);

	if (p->ExitStatus == 0x103)
		p->ExitStatus = status;
	for (LIST_ENTRY *e = p->ThreadListHead.Flink; e != &p->ThreadListHead; e = e->Flink) {
		ETHREAD *t = CONTAINING_RECORD(e, ETHREAD, ThreadListEntry);
		t->ExitStatus = status;
		t->CrossThreadFlags |= CT_TERMINATED;
		KiSpin(&KiDispatcherLock);
		KiAlertThread(&t->Tcb, STATUS_THREAD_IS_TERMINATING);
		KiUnspin(&KiDispatcherLock);
	}
	KeReleaseSpinLock(&PspLock, old);
}

static void finish_process(EPROCESS *p)
{
	LARGE_INTEGER tick = {.QuadPart = -CLOCK_INTERVAL};

	while (ExpAttachedProcess == p)
		KeDelayExecutionThread(KernelMode, FALSE, &tick);
	for (ULONG64 i = 1; i < HANDLES; i++)
		ObCloseHandle(p, (HANDLE)(i * 4));
	kd_process_gone(p->Pcb.DirectoryTableBase);
	MmCleanAddressSpace(p);
	KIRQL old = KeAcquireSpinLock(&PspLock);
	HANDLE_TABLE *t = p->ObjectTable;
	p->ObjectTable = NULL;
	p->Peb = NULL;
	RemoveEntryList(&t->HandleTableList);
	KeReleaseSpinLock(&PspLock, old);
	ExFreePool((PVOID)t->TableCode);
	ExFreePool(t);
	old = KeAcquireSpinLock(&KiDispatcherLock);
	KiSignal(&p->Pcb.Header);
	KeReleaseSpinLock(&KiDispatcherLock, old);
}

/* Frees what a thread cannot free itself. The lock proves that it has left its stack. */
void PspReaper(PVOID context)
{
	(void)context;
	for (;;) {
		KIRQL old = KeAcquireSpinLock(&KiDispatcherLock);
		LIST_ENTRY *e = IsListEmpty(&PspReaperList) ? NULL : PspReaperList.Flink;
		if (e)
			RemoveEntryList(e);
		KeReleaseSpinLock(&KiDispatcherLock, old);
		if (!e) {
			KeWaitForSingleObject(
				&PspReaperEvent.Header, Executive, KernelMode, FALSE, NULL);
			continue;
		}
		ETHREAD *t = CONTAINING_RECORD(e, ETHREAD, ReaperLink);
		EPROCESS *p = (EPROCESS *)t->Tcb.Process;
		ExFreePool(t->Tcb.StackLimit);
		ExFreePool(t->Tcb.StateSaveArea);
		if (p->Flags & PS_PROCESS_EXITING && !p->ActiveThreads && p->ObjectTable)
			finish_process(p);
		if (p != PsInitialSystemProcess)
			ObDereference(p);
		ObDereference(t);
	}
}
