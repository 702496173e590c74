/*
 * Start-up: the boot processor from the loader to the idle loop, the other processors, and each
 * one's KPCR, descriptor tables and registers.
 *
 *   KiSystemStartup: memory -> processor 0 -> processes -> debugger (first packet) -> idle loop
 *   Phase1Initialization (a thread): other processors -> clocks -> drivers -> smss.exe
 */
#include "../inc/ke.h"

LOADER_PARAMETER_BLOCK *KeLoaderBlock;
KPRCB *KiProcessorBlock[MAXIMUM_PROCESSORS];
volatile ULONG KeNumberProcessors;
ULONG64 KiRandomState;
ULONG NtGlobalFlag;
ULONG NtBuildNumber = 0xf0000000 | GUEST_BUILD; /* free build */
char NtBuildLab[] = "19045.1.amd64fre.ringside_guest"
#ifdef VARIANT_B
		    "_b"
#endif
	;

static KIDTENTRY64 KiIdt[256] __attribute__((aligned(4096)));
extern char KiApStart[], KiApEnd[], KiApParameters[];

#if KVA_SHADOW
#define TRAP(name) name##Shadow
void KiSystemCall64Shadow(void);
#define SYSTEM_CALL KiSystemCall64Shadow
#else
#define TRAP(name)  name
void KiSystemCall64(void);
#define SYSTEM_CALL KiSystemCall64
#endif

/* clang-format off */
#define TRAPS(X) \
	X(0x00, KiDivideErrorFault, 0, 0) X(0x04, KiOverflowTrap, 3, 0) X(0x05, KiBoundFault, 0, 0) \
	X(0x06, KiInvalidOpcodeFault, 0, 0) X(0x07, KiNpxNotAvailableFault, 0, 0) \
	X(0x0a, KiInvalidTssFault, 0, 0) X(0x0b, KiSegmentNotPresentFault, 0, 0) \
	X(0x0c, KiStackFault, 0, 0) X(0x0d, KiGeneralProtectionFault, 0, 0) X(0x0e, KiPageFault, 0, 0) \
	X(0x10, KiFloatingErrorFault, 0, 0) X(0x11, KiAlignmentFault, 0, 0) X(0x13, KiXmmException, 0, 0) \
	X(0x29, KiRaiseSecurityCheckFailure, 3, 0) X(0x2c, KiRaiseAssertion, 3, 0) \
	X(0x2d, KiDebugServiceTrap, 3, 0) X(VECTOR_DPC, KiDpcInterrupt, 0, 0) \
	X(VECTOR_CLOCK, KiClockInterrupt, 0, 0) X(VECTOR_IPI, KiIpiInterrupt, 0, 0)
/* clang-format on */

#define DECLARE(vector, name, dpl, ist) void TRAP(name)(void);
TRAPS(DECLARE)
void TRAP(KiUnexpectedInterrupt)(void);
void KiDebugTrapOrFault(void);
void KiBreakpointTrap(void);
void KiNmiInterrupt(void);
void KiWakeInterrupt(void);
void KiDoubleFaultAbort(void);

ULONG KiRandom(ULONG limit)
{
	KiRandomState ^= KiRandomState << 13;
	KiRandomState ^= KiRandomState >> 7;
	KiRandomState ^= KiRandomState << 17;
	return (ULONG)(KiRandomState >> 24) % limit;
}

const LOADER_FILE *KiFindFile(const char *name)
{
	for (ULONG i = 0; i < KeLoaderBlock->FileCount; i++)
		if (RtlSameName(KeLoaderBlock->Files[i].Name, name))
			return &KeLoaderBlock->Files[i];
	return NULL;
}

static void set_gate(ULONG vector, void (*handler)(void), UCHAR dpl, UCHAR ist)
{
	ULONG64 a = (ULONG64)handler;
	KIDTENTRY64 e = {{(USHORT)a, KGDT64_R0_CODE, ist, 0, 0xe, dpl, 1, (USHORT)(a >> 16),
		(ULONG)(a >> 32), 0}};

	KiIdt[vector] = e;
}

static void build_idt(void)
{
	for (ULONG i = 0; i < 256; i++)
		set_gate(i, TRAP(KiUnexpectedInterrupt), 0, 0);
#define GATE(vector, name, dpl, ist) set_gate(vector, TRAP(name), dpl, ist);
	TRAPS(GATE)
	set_gate(1, KiDebugTrapOrFault, 0, 3);
	set_gate(2, KiNmiInterrupt, 0, 2);
	set_gate(3, KiBreakpointTrap, 3, 4);
	set_gate(VECTOR_WAKE, KiWakeInterrupt, 0, 0);
	set_gate(8, KiDoubleFaultAbort, 0, 1);
}

/*
 * The processor's own memory: KPCR with KPRCB, then GDT and TSS, then its special stacks. One
 * block, so that variant b can map it in the user roots.
 */
enum { STACKS_PAGES = 15 };

KPCR *KiCreateProcessor(ULONG number)
{
	SIZE_T pcr_size = ROUND_UP(sizeof(KPCR), PAGE_SIZE),
	       size = pcr_size + (1 + STACKS_PAGES) * PAGE_SIZE;
	char *block = ExAllocatePool(size);
	KPCR *pcr = (KPCR *)block;
	KPRCB *prcb = &pcr->Prcb;
	char *stacks = block + pcr_size + PAGE_SIZE;

	pcr->Self = pcr;
	pcr->CurrentPrcb = prcb;
	pcr->GdtBase = (KGDTENTRY64 *)(block + pcr_size);
	pcr->TssBase = (KTSS64 *)(block + pcr_size + 0x200);
	pcr->IdtBase = KiIdt;
	pcr->MajorVersion = pcr->MinorVersion = 1;
	pcr->TssBase->Ist[1] = (ULONG64)stacks + 2 * PAGE_SIZE;	 /* double fault */
	pcr->TssBase->Ist[2] = (ULONG64)stacks + 6 * PAGE_SIZE;	 /* NMI */
	pcr->TssBase->Ist[3] = (ULONG64)stacks + 10 * PAGE_SIZE; /* debug trap */
	pcr->TssBase->Ist[4] = (ULONG64)stacks + 14 * PAGE_SIZE; /* breakpoint */
	pcr->TssBase->IoMapBase = sizeof(KTSS64);
	prcb->RspBaseShadow = (ULONG64)stacks + 15 * PAGE_SIZE;

	ULONG64 tss = (ULONG64)pcr->TssBase;
	pcr->GdtBase[KGDT64_R0_CODE / 8].Value = 0x00209b0000000000;
	pcr->GdtBase[KGDT64_R0_DATA / 8].Value = 0x00cf93000000ffff;
	pcr->GdtBase[KGDT64_R3_CMCODE / 8].Value = 0x00cffb000000ffff;
	pcr->GdtBase[KGDT64_R3_DATA / 8].Value = 0x00cff3000000ffff;
	pcr->GdtBase[KGDT64_R3_CODE / 8].Value = 0x0020fb0000000000;
	pcr->GdtBase[KGDT64_R3_CMTEB / 8].Value = 0x0040f30000003c00;
	pcr->GdtBase[KGDT64_SYS_TSS / 8].Value = (sizeof(KTSS64) - 1) | (tss & 0xffffff) << 16 |
						 0x89ull << 40 | (tss >> 24 & 0xff) << 56;
	pcr->GdtBase[KGDT64_SYS_TSS / 8 + 1].Value = tss >> 32;

	prcb->Pcr = pcr;
	prcb->Number = prcb->InitialApicId = number;
	prcb->LegacyNumber = (UCHAR)number;
	prcb->MxCsr = 0x1f80;
	prcb->MHz = 1000;
	prcb->CpuType = 6;
	prcb->Context = &prcb->ProcessorState.ContextFrame;
	prcb->KernelDirectoryTableBase = KeLoaderBlock->PageRoot;
	ULONG vendor[3], leaf = 0;
	__asm__("cpuid" : "+a"(leaf), "=b"(vendor[0]), "=c"(vendor[2]), "=d"(vendor[1]));
	memcpy(prcb->VendorString, vendor, 12);
	for (ULONG i = 0; i < MAXIMUM_PRIORITY; i++)
		InitializeListHead(&prcb->DispatcherReadyListHead[i]);
	KiProcessorBlock[number] = prcb;
	MiShadowMap((ULONG64)block, size);
	return pcr;
}

/* Loads the tables and control registers of the processor that calls. */
void KiLoadProcessor(KPCR *pcr)
{
	struct {
		USHORT limit;
		ULONG64 base;
	} __attribute__((packed)) gdtr = {0x5f, (ULONG64)pcr->GdtBase},
				  idtr = {sizeof KiIdt - 1, (ULONG64)KiIdt};

	__asm__ volatile("lgdt %0; lidt %1" : : "m"(gdtr), "m"(idtr));
	__asm__ volatile("movl %0, %%ds; movl %0, %%es; movl %0, %%ss" : : "r"(KGDT64_R0_DATA));
	__asm__ volatile("movl %0, %%fs; movl %0, %%gs" : : "r"(0));
	__asm__ volatile("pushq %0; leaq 1f(%%rip), %%rax; pushq %%rax; lretq; 1:"
			 :
			 : "i"((ULONG64)KGDT64_R0_CODE)
			 : "rax", "memory");
	__asm__ volatile("ltr %w0" : : "r"(KGDT64_SYS_TSS));
	KiWriteMsr(0xc0000101, (ULONG64)pcr); /* gs base */
	KiWriteMsr(0xc0000102, 0);	      /* the user's, swapped in on the way out */
	KiWriteMsr(0xc0000081, 0x23ull << 48 | (ULONG64)KGDT64_R0_CODE << 32);
	KiWriteMsr(0xc0000082, (ULONG64)SYSTEM_CALL);
	KiWriteMsr(0xc0000084, 0x4700); /* cleared by syscall: NT DF IF TF */
	WRITE_CR(0, (READ_CR(0) & ~0x4ull) | 0x50032);
	WRITE_CR(4, READ_CR(4) | 0x688); /* PGE, OSFXSR, OSXMMEXCPT, DE */
	__asm__ volatile("fninit");
	ULONG mxcsr = 0x1f80;
	__asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
	KeLowerIrql(DISPATCH_LEVEL);
}

/* The processor's idle thread runs on the stack that it was started on. */
static void make_idle_thread(KPRCB *prcb, ULONG64 stack_top)
{
	ETHREAD *t = ExAllocatePool(sizeof *t);

	KeInitializeThread(&t->Tcb, &PsIdleProcess->Pcb, 0);
	t->Tcb.StackBase = t->Tcb.InitialStack = (PVOID)stack_top;
	t->Tcb.StackLimit = (PVOID)(stack_top - KERNEL_STACK_SIZE);
	t->Tcb.State = Running;
	t->Tcb.Running = TRUE;
	t->Tcb.NextProcessor = t->Tcb.IdealProcessor = prcb->Number;
	t->CrossThreadFlags = CT_SYSTEM_THREAD;
	t->StartAddress = (PVOID)KiIdleLoop;
	InsertTailList(&PsIdleProcess->Pcb.ThreadListHead, &t->Tcb.ThreadListEntry);
	InsertTailList(&PsIdleProcess->ThreadListHead, &t->ThreadListEntry);
	prcb->IdleThread = prcb->CurrentThread = &t->Tcb;
	prcb->RspBase = stack_top;
	prcb->Pcr->TssBase->Rsp0 = KVA_SHADOW ? prcb->RspBaseShadow : stack_top;
}

static void start_this_processor(void)
{
	HalInitializeProcessor();
	KiSaveSpecialRegisters(&KeGetCurrentPrcb()->ProcessorState.SpecialRegisters);
	__atomic_add_fetch(&KeNumberProcessors, 1, __ATOMIC_SEQ_CST);
}

static void KiApEntry(KPCR *pcr)
{
	KiLoadProcessor(pcr);
	start_this_processor();
	HalStartClock(VECTOR_CLOCK, CLOCK_INTERVAL / 10);
	KiIdleLoop();
}

/* Brings up the others one by one; the identity map of low memory is still there. */
void KiStartProcessors(void)
{
	ULONG count = HalProcessorCount();
	char *low = MiPhysical(0x8000);

	memcpy(low, KiApStart, KiApEnd - KiApStart);
	ULONG64 *parameters = (ULONG64 *)(low + (KiApParameters - KiApStart));
	for (ULONG n = 1; n < count && n < MAXIMUM_PROCESSORS; n++) {
		KPCR *pcr = KiCreateProcessor(n);
		ULONG64 stack = (ULONG64)ExAllocatePool(KERNEL_STACK_SIZE) + KERNEL_STACK_SIZE;
		make_idle_thread(&pcr->Prcb, stack);
		parameters[0] = KeLoaderBlock->PageRoot;
		parameters[1] = stack;
		parameters[2] = (ULONG64)pcr;
		parameters[3] = (ULONG64)KiApEntry;
		HalStartProcessor(n, 8);
		for (ULONG wait = 0; KeNumberProcessors == n && wait < 200; wait++)
			KeStallExecutionProcessor(10000);
		if (KeNumberProcessors == n) {
			KiProcessorBlock[n] = NULL;
			HalDisplayString("a processor does not start\n");
			break;
		}
	}
}

/* A switch on the loader's command line: "busy", "uartloop". */
static bool option(const char *name)
{
	const char *s = KeLoaderBlock->CommandLine;

	for (size_t n = strlen(name); *s; s++)
		if (!memcmp(s, name, n))
			return true;
	return false;
}

static void fill_shared_data(void)
{
	KUSER_SHARED_DATA *u = SharedUserData;

	RtlWiden(u->NtSystemRoot, 260, "C:\\Windows");
	u->ImageNumberLow = u->ImageNumberHigh = 0x8664;
	u->NtBuildNumber = GUEST_BUILD;
	u->NtProductType = 1;
	u->ProductTypeIsValid = TRUE;
	u->NativeProcessorArchitecture = 9;
	u->NtMajorVersion = 10;
	u->TickCountMultiplier = 10u << 24;
	u->KdDebuggerEnabled = 3;
	u->NumberOfPhysicalPages = (ULONG)(KeLoaderBlock->MemoryTop / PAGE_SIZE);
	u->GuestFlags = option("busy") ? GUEST_BUSY : 0;
}

static void Phase1Initialization(PVOID context)
{
	DRIVER_OBJECT *beeper;

	(void)context;
	KiStartProcessors();
	MmReleaseLowMemory();
	DbgPrint("guest: %u processors, %u MB\n", KeNumberProcessors,
		(ULONG)(KeLoaderBlock->MemoryTop >> 20));
	MmLoadSystemImage("null.sys", &beeper);
	PsCreateSystemThread(MiModifiedPageWriter, NULL, 16);
	void LooperThread(PVOID);
	PsCreateSystemThread(LooperThread, NULL, 8);
	EPROCESS *smss;
	NTSTATUS status = PsCreateUserProcess("smss.exe", "", PsInitialSystemProcess, &smss);
	if (!NT_SUCCESS(status))
		KeBugCheckEx(PROCESS1_INITIALIZATION_FAILED, (ULONG)status, 0, 0, 0);
	ObDereference(smss);
	/* The thread goes on as a worker: it serves the debugger's requests (nt!ExpDebuggerWork).
	 */
	for (;;) {
		LARGE_INTEGER wait = {.QuadPart = -5000000};
		KeDelayExecutionThread(KernelMode, FALSE, &wait);
		ExpCheckDebuggerWork();
	}
}

/* The driver that comes and goes: the list of modules is never the same for long. */
void LooperThread(PVOID context)
{
	(void)context;
	for (;;) {
		DRIVER_OBJECT *driver;
		LARGE_INTEGER wait = {.QuadPart = -20000000};
		if (NT_SUCCESS(MmLoadSystemImage("looper.sys", &driver))) {
			KeDelayExecutionThread(KernelMode, FALSE, &wait);
			MmUnloadSystemImage(driver);
		}
		wait.QuadPart = -30000000;
		KeDelayExecutionThread(KernelMode, FALSE, &wait);
	}
}

void KiSystemStartup(LOADER_PARAMETER_BLOCK *block)
{
	KeLoaderBlock = block;
	KiRandomState = block->Seed | 1;
	MiDirectMap = block->DirectMap;
	HalDisplayString("guest: kernel starts\n");
	MmInitSystem();
	build_idt();
	MiShadowMap((ULONG64)KiIdt, sizeof KiIdt);
	KPCR *pcr = KiCreateProcessor(0);
	KiLoadProcessor(pcr);
	HalInitSystem(MiDirectMap - 0x40000000,
		MiDirectMap - 0x40000000 + PAGE_SIZE); /* mapped there by MmInitSystem */
	PsInitSystem();
	make_idle_thread(&pcr->Prcb, block->Stack);
	start_this_processor();
	void PspReaper(PVOID);
	PsCreateSystemThread(PspReaper, NULL, 16);
	fill_shared_data();
	HalStartClock(VECTOR_CLOCK,
		CLOCK_INTERVAL / 10); /* heard from the idle loop on; the stub waits by it */
	MiInitializeLoadedModuleList();
	KdInitSystem();
	if (option("uartloop"))
		KdPushPackets();
	MiReportLoadedModules();
	PsCreateSystemThread(Phase1Initialization, NULL, 9);
	KiIdleLoop();
}
