/*
 * Threads: ready queues per processor, preemption, waits, timers, attaching to another process.
 *
 * One lock, KiDispatcherLock, protects all of it; it is held at IRQL 2 across KiSwapContext and
 * released by the thread that was switched to. A thread that becomes ready goes to an idle
 * processor, or else to the queue of its ideal one; a processor with an empty queue takes from the
 * others.
 *
 *   Initialized -> Ready -> Running -> Waiting -> Ready ...        -> Terminated
 */
#include "../inc/ke.h"

KSPIN_LOCK KiDispatcherLock;
ULONG KeTimeIncrement = CLOCK_INTERVAL;
static LIST_ENTRY KiTimerListHead = {&KiTimerListHead, &KiTimerListHead};
static ULONG64 KiInterruptTime;
enum { QUANTUM = 3 }; /* ticks */

void KeInitializeDispatcher(DISPATCHER_HEADER *h, UCHAR type, LONG state)
{
	h->Type = type;
	h->SignalState = state;
	InitializeListHead(&h->WaitListHead);
}

void KeInitializeThread(KTHREAD *t, KPROCESS *p, SCHAR priority)
{
	XMM_SAVE_AREA32 *fx = ExAllocatePool(512);

	fx->ControlWord = 0x27f;
	fx->MxCsr = 0x1f80;
	fx->MxCsr_Mask = 0xffff;
	t->StateSaveArea = fx;
	KeInitializeDispatcher(&t->Header, ThreadObject, 0);
	t->Header.Size = sizeof(KTHREAD) / 4 > 255 ? 255 : (UCHAR)(sizeof(KTHREAD) / 4);
	t->Process = t->ApcState.Process = p;
	InitializeListHead(&t->ApcState.ApcListHead[0]);
	InitializeListHead(&t->ApcState.ApcListHead[1]);
	InitializeListHead(&t->WaitListEntry);
	InitializeListHead(&t->WaitBlock[0].WaitListEntry);
	InitializeListHead(&t->Timer.TimerListEntry);
	KeInitializeDispatcher(&t->Timer.Header, TimerNotificationObject, 0);
	t->WaitBlockList = t->WaitBlock;
	t->WaitBlock[0].Thread = t;
	t->Priority = t->BasePriority = priority;
	t->Quantum = QUANTUM;
	t->State = Initialized;
	t->KernelStackResident = TRUE;
	t->Affinity = ~0ull;
	static ULONG next;
	ULONG count = KeNumberProcessors ? KeNumberProcessors : 1;
	t->IdealProcessor = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED) % count;
}

/* ---- queues; dispatcher lock held ---- */

static void enqueue(KPRCB *prcb, KTHREAD *t, bool front)
{
	LIST_ENTRY *head = &prcb->DispatcherReadyListHead[t->Priority];

	t->State = Ready;
	t->NextProcessor = prcb->Number;
	if (front)
		InsertHeadList(head, &t->WaitListEntry);
	else
		InsertTailList(head, &t->WaitListEntry);
	prcb->ReadySummary |= 1u << t->Priority;
}

static KTHREAD *dequeue(KPRCB *prcb, int at_least)
{
	if (!prcb->ReadySummary)
		return NULL;
	int priority = 31 - __builtin_clz(prcb->ReadySummary);
	if (priority < at_least)
		return NULL;
	LIST_ENTRY *head = &prcb->DispatcherReadyListHead[priority];
	KTHREAD *t = CONTAINING_RECORD(head->Flink, KTHREAD, WaitListEntry);
	RemoveEntryList(&t->WaitListEntry);
	if (IsListEmpty(head))
		prcb->ReadySummary &= ~(1u << priority);
	return t;
}

static KTHREAD *select_thread(KPRCB *prcb)
{
	KTHREAD *t = dequeue(prcb, 0);

	for (ULONG i = 1; !t && i < KeNumberProcessors; i++)
		t = dequeue(KiProcessorBlock[(prcb->Number + i) % KeNumberProcessors], 0);
	return t;
}

static void request_dispatch(KPRCB *prcb)
{
	HalRequestIpi(prcb->InitialApicId, VECTOR_DPC);
}

void KiReadyThread(KTHREAD *t)
{
	KPRCB *prcb = KiProcessorBlock[t->IdealProcessor % KeNumberProcessors];

	for (ULONG i = 0; i < KeNumberProcessors; i++) {
		KPRCB *other = KiProcessorBlock[(t->IdealProcessor + i) % KeNumberProcessors];
		if (other->CurrentThread == other->IdleThread && !other->ReadySummary) {
			prcb = other;
			break;
		}
	}
	enqueue(prcb, t, false);
	if (prcb->CurrentThread == prcb->IdleThread || t->Priority > prcb->CurrentThread->Priority)
		request_dispatch(prcb);
}

/* Called from SwapContext on the new stack: everything that belongs to a thread and is in the
 * processor. */
void KiSwapProcess(KTHREAD *from, KTHREAD *to)
{
	KPRCB *prcb = KeGetCurrentPrcb();
	KPROCESS *p = to->ApcState.Process;

	prcb->CurrentThread = to;
	prcb->SwitchedFrom = from;
	prcb->RspBase = (ULONG64)to->InitialStack;
	if (!KVA_SHADOW)
		prcb->Pcr->TssBase->Rsp0 = prcb->RspBase;
	prcb->KernelDirectoryTableBase = p->DirectoryTableBase;
	prcb->UserDirectoryTableBase = p->UserDirectoryTableBase;
	if (READ_CR(3) != p->DirectoryTableBase)
		WRITE_CR(3, p->DirectoryTableBase);
	KiWriteMsr(0xc0000102, (ULONG64)to->Teb);
	prcb->KeContextSwitches++;
	to->ContextSwitches++;
	from->Running = FALSE;
	to->Running = TRUE;
	to->State = Running;
	to->NextProcessor = prcb->Number;
}

/* The current thread has been put where it belongs; runs another one. Returns when it runs again.
 */
void KiSwapThread(void)
{
	KPRCB *prcb = KeGetCurrentPrcb();
	KTHREAD *from = prcb->CurrentThread, *to = select_thread(prcb);

	if (!to)
		to = prcb->IdleThread;
	if (to == from) {
		from->State = Running;
		return;
	}
	KiSwapContext(from, to);
}

/* First code of a new thread, after KiThreadStartup: the lock is still held for it. */
void KiStartThread(void)
{
	ETHREAD *t = PsGetCurrentThread();

	KeReleaseSpinLock(&KiDispatcherLock, PASSIVE_LEVEL);
	KiRestoreInterrupts(true);
	void (*start)(PVOID) = (void *)t->StartAddress;
	if (!(t->CrossThreadFlags & CT_SYSTEM_THREAD)) {
		KTRAP_FRAME *tf = t->Tcb.TrapFrame;
		__asm__ volatile("cli");
		KiReturnToUser(tf);
		KiEnterUserMode(tf);
	}
	start(t->StartContext);
	PspExitThread(STATUS_SUCCESS);
}

static bool anything_ready(void)
{
	for (ULONG i = 0; i < KeNumberProcessors; i++)
		if (KiProcessorBlock[i]->ReadySummary)
			return true;
	return false;
}

/* Interrupts are off between the question and hlt, so that no wake-up is lost. */
void KiIdleLoop(void)
{
	KeLowerIrql(PASSIVE_LEVEL);
	for (;;) {
		__asm__ volatile("cli");
		if (!anything_ready()) {
			__asm__ volatile("sti; hlt");
			continue;
		}
		__asm__ volatile("sti");
		KIRQL old = KeAcquireSpinLock(&KiDispatcherLock);
		KiSwapThread();
		KeReleaseSpinLock(&KiDispatcherLock, old);
	}
}

void KeYield(void)
{
	KIRQL old = KeAcquireSpinLock(&KiDispatcherLock);
	KTHREAD *t = KeGetCurrentThread();

	enqueue(KeGetCurrentPrcb(), t, false);
	KiSwapThread();
	KeReleaseSpinLock(&KiDispatcherLock, old);
}

/* ---- interrupts ---- */

static void set_time(volatile KSYSTEM_TIME *to, ULONG64 v)
{
	to->High2Time = (LONG)(v >> 32);
	to->LowPart = (ULONG)v;
	to->High1Time = (LONG)(v >> 32);
}

ULONG64 KeQueryInterruptTime(void)
{
	return KiInterruptTime;
}

/* 100 ns since 1601: the guest always starts on the 17th of January 2024. */
ULONG64 KeQuerySystemTime(void)
{
	return 133500000000000000ull + KiInterruptTime;
}

void KeClockInterruptNotify(KTRAP_FRAME *tf)
{
	KPRCB *prcb = KeGetCurrentPrcb();
	KTHREAD *t = prcb->CurrentThread;
	bool user = tf->SegCs & 1;

	if (user)
		t->TrapFrame = tf;
	HalEndOfInterrupt();
	prcb->InterruptCount++;
	user ? (t->UserTime++, prcb->UserTime++) : (t->KernelTime++, prcb->KernelTime++);
	user ? t->Process->UserTime++ : t->Process->KernelTime++;
	bool dispatch = false;
	if (prcb->Number == 0) {
		KiInterruptTime += CLOCK_INTERVAL;
		set_time(&SharedUserData->InterruptTime, KiInterruptTime);
		set_time(&SharedUserData->SystemTime, KeQuerySystemTime());
		set_time(&SharedUserData->TickCount, KiInterruptTime / CLOCK_INTERVAL);
		KTIMER *first = CONTAINING_RECORD(KiTimerListHead.Flink, KTIMER, TimerListEntry);
		dispatch = &first->TimerListEntry != &KiTimerListHead &&
			   first->DueTime <= KiInterruptTime;
	}
	if (t != prcb->IdleThread && --t->Quantum <= 0) {
		prcb->QuantumEnd = TRUE;
		dispatch = true;
	}
	if (dispatch)
		request_dispatch(prcb);
	KdCheckForDebugBreak();
}

static void expire_timers(void)
{
	while (!IsListEmpty(&KiTimerListHead)) {
		KTIMER *timer = CONTAINING_RECORD(KiTimerListHead.Flink, KTIMER, TimerListEntry);
		if (timer->DueTime > KiInterruptTime)
			break;
		KiUnwaitThread(CONTAINING_RECORD(timer, KTHREAD, Timer), STATUS_TIMEOUT);
	}
}

/* The software interrupt at IRQL 2: timers, the end of a quantum, a better thread. */
void KiDispatchInterrupt(KTRAP_FRAME *tf)
{
	KPRCB *prcb = KeGetCurrentPrcb();
	KTHREAD *t = prcb->CurrentThread;

	if (tf->SegCs & 1)
		t->TrapFrame = tf;
	HalEndOfInterrupt();
	KiRestoreInterrupts(true);
	KiSpin(&KiDispatcherLock);
	expire_timers();
	bool quantum = prcb->QuantumEnd;
	prcb->QuantumEnd = FALSE;
	if (quantum && t->Quantum <= 0)
		t->Quantum = QUANTUM;
	if (t != prcb->IdleThread) {
		/* The idle loop looks for itself when hlt returns. */
		KTHREAD *next = dequeue(prcb, quantum ? t->Priority : t->Priority + 1);
		if (next) {
			enqueue(prcb, t, !quantum);
			KiSwapContext(t, next);
		}
	}
	KiUnspin(&KiDispatcherLock);
}

/* Requests from other processors: for now only "forget your translations". */
void KiIpiHandler(KTRAP_FRAME *tf)
{
	KPRCB *prcb = KeGetCurrentPrcb();

	if (tf->SegCs & 1)
		prcb->CurrentThread->TrapFrame = tf;
	HalEndOfInterrupt();
	WRITE_CR(3, READ_CR(3));
	prcb->IpiFlush = 0;
}

void KeFlushTb(void)
{
	KIRQL old = KeRaiseIrql(DISPATCH_LEVEL);
	KPRCB *self = KeGetCurrentPrcb();

	WRITE_CR(3, READ_CR(3));
	for (ULONG i = 0; i < KeNumberProcessors; i++) {
		if (KiProcessorBlock[i] == self)
			continue;
		KiProcessorBlock[i]->IpiFlush = 1;
		HalRequestIpi(KiProcessorBlock[i]->InitialApicId, VECTOR_IPI);
	}
	for (ULONG i = 0; i < KeNumberProcessors; i++)
		while (KiProcessorBlock[i] != self && KiProcessorBlock[i]->IpiFlush)
			__asm__ volatile("pause");
	KeLowerIrql(old);
}

/* ---- waiting ---- */

static void start_timer(KTIMER *timer, LONG64 due)
{
	LIST_ENTRY *e = KiTimerListHead.Flink;

	timer->DueTime = due < 0 ? KiInterruptTime - due : (ULONG64)due;
	while (e != &KiTimerListHead &&
		CONTAINING_RECORD(e, KTIMER, TimerListEntry)->DueTime <= timer->DueTime)
		e = e->Flink;
	InsertTailList(e, &timer->TimerListEntry);
	timer->Inserted = TRUE;
}

void KiUnwaitThread(KTHREAD *t, NTSTATUS status)
{
	RemoveEntryList(&t->WaitBlock[0].WaitListEntry);
	RemoveEntryList(&t->Timer.TimerListEntry);
	t->Timer.Inserted = FALSE;
	t->WaitStatus = status;
	KiReadyThread(t);
}

/* The thread has been told to end: out of a user wait, or off its processor to notice. Lock held.
 */
void KiAlertThread(KTHREAD *t, NTSTATUS status)
{
	if (t->State == Waiting && t->WaitMode == UserMode)
		KiUnwaitThread(t, status);
	else if (t->State == Running)
		request_dispatch(KiProcessorBlock[t->NextProcessor]);
}

/* The object has been signalled: wakes one waiter (synchronization event) or all. */
void KiSignal(DISPATCHER_HEADER *h)
{
	h->SignalState = 1;
	while (h->SignalState && !IsListEmpty(&h->WaitListHead)) {
		KWAIT_BLOCK *b =
			CONTAINING_RECORD(h->WaitListHead.Flink, KWAIT_BLOCK, WaitListEntry);
		if (h->Type == EventSynchronizationObject)
			h->SignalState = 0;
		KiUnwaitThread(b->Thread, STATUS_SUCCESS);
	}
}

void KeSetEvent(KEVENT *e)
{
	KIRQL old = KeAcquireSpinLock(&KiDispatcherLock);

	KiSignal(&e->Header);
	KeReleaseSpinLock(&KiDispatcherLock, old);
}

/* timeout: NULL for ever, negative relative, in 100 ns. object NULL: only the timeout. */
static NTSTATUS KiCommitThreadWait(
	DISPATCHER_HEADER *h, KWAIT_REASON reason, SCHAR mode, const LARGE_INTEGER *timeout)
{
	KIRQL old = KeAcquireSpinLock(&KiDispatcherLock);
	KTHREAD *t = KeGetCurrentThread();
	NTSTATUS status = STATUS_SUCCESS;

	if (h && h->SignalState) {
		if (h->Type == EventSynchronizationObject)
			h->SignalState = 0;
	} else if (mode == UserMode && ((ETHREAD *)t)->CrossThreadFlags & CT_TERMINATED) {
		status = STATUS_THREAD_IS_TERMINATING;
	} else if (timeout && timeout->QuadPart == 0) {
		status = STATUS_TIMEOUT;
	} else {
		t->WaitReason = (UCHAR)reason;
		t->WaitMode = mode;
		t->WaitIrql = old;
		t->WaitTime = (ULONG)(KiInterruptTime / CLOCK_INTERVAL);
		t->WaitBlock[0].Object = h ? (PVOID)h : (PVOID)&t->Timer;
		if (h)
			InsertTailList(&h->WaitListHead, &t->WaitBlock[0].WaitListEntry);
		if (timeout)
			start_timer(&t->Timer, timeout->QuadPart);
		t->State = Waiting;
		t->Quantum = QUANTUM;
		KiSwapThread();
		status = (NTSTATUS)t->WaitStatus;
	}
	KeReleaseSpinLock(&KiDispatcherLock, old);
	return status;
}

NTSTATUS KeWaitForSingleObject(PVOID object, KWAIT_REASON reason, SCHAR mode, BOOLEAN alertable,
	const LARGE_INTEGER *timeout)
{
	(void)alertable;
	return KiCommitThreadWait(object, reason, mode, timeout);
}

NTSTATUS KeDelayExecutionThread(SCHAR mode, BOOLEAN alertable, const LARGE_INTEGER *interval)
{
	(void)alertable;
	NTSTATUS status = KiCommitThreadWait(NULL, DelayExecution, mode, interval);
	return status == STATUS_TIMEOUT ? STATUS_SUCCESS : status;
}

/* ---- another process's address space ---- */

static void load_process(KTHREAD *t, KPROCESS *p)
{
	KIRQL old = KeRaiseIrql(DISPATCH_LEVEL);
	KPRCB *prcb = KeGetCurrentPrcb();

	t->ApcState.Process = p;
	prcb->KernelDirectoryTableBase = p->DirectoryTableBase;
	prcb->UserDirectoryTableBase = p->UserDirectoryTableBase;
	WRITE_CR(3, p->DirectoryTableBase);
	KeLowerIrql(old);
}

/* The thread keeps its owner (KTHREAD.Process); what changes is ApcState.Process and the page
 * tables. */
void KeStackAttachProcess(KPROCESS *p, KAPC_STATE *save)
{
	KTHREAD *t = KeGetCurrentThread();

	*save = t->ApcState;
	t->SavedApcState = t->ApcState;
	t->ApcStateIndex = 1;
	load_process(t, p);
}

void KeUnstackDetachProcess(KAPC_STATE *save)
{
	KTHREAD *t = KeGetCurrentThread();

	load_process(t, save->Process);
	t->ApcStateIndex = save->Process == t->Process ? 0 : 1;
}
