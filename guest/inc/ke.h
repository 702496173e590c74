/*
 * ke: what the parts of the kernel know of each other. One block a file of guest/nt/; the
 * structures that a debugger reads are in nt.h.
 */
#ifndef GUEST_KE_H
#define GUEST_KE_H

#include "nt.h"
#include "loader.h"
#include "rtl.h"

#define PAGE_SIZE	  4096ull
#define KERNEL_STACK_SIZE (6 * PAGE_SIZE)
enum {
	PASSIVE_LEVEL = 0,
	APC_LEVEL = 1,
	DISPATCH_LEVEL = 2,
	CLOCK_LEVEL = 13,
	IPI_LEVEL = 14,
	HIGH_LEVEL = 15
};
enum {
	VECTOR_DPC = 0x2f,
	VECTOR_CLOCK = 0xd1,
	VECTOR_IPI = 0xe1,
	VECTOR_WAKE = 0xf1,
	VECTOR_SPURIOUS = 0xff
};
enum { CLOCK_INTERVAL = 100000 }; /* 10 ms in units of 100 ns */

typedef volatile ULONG64 KSPIN_LOCK;

/* ---- processor ---- */

static inline KPCR *KeGetPcr(void)
{
	KPCR *pcr;
	__asm__ volatile("movq %%gs:%c1, %0" : "=r"(pcr) : "i"(offsetof(KPCR, Self)));
	return pcr;
}

static inline KPRCB *KeGetCurrentPrcb(void)
{
	return &KeGetPcr()->Prcb;
}

/* Not through Self: the thread may move to another processor between two instructions. */
static inline KTHREAD *KeGetCurrentThread(void)
{
	KTHREAD *t;
	__asm__ volatile("movq %%gs:%c1, %0"
			 : "=r"(t)
			 : "i"(offsetof(KPCR, Prcb) + offsetof(KPRCB, CurrentThread)));
	return t;
}

static inline ETHREAD *PsGetCurrentThread(void)
{
	return (ETHREAD *)KeGetCurrentThread();
}

static inline EPROCESS *PsGetCurrentProcess(void) /* the attached one */
{
	return (EPROCESS *)KeGetCurrentThread()->ApcState.Process;
}

static inline KIRQL KeGetCurrentIrql(void)
{
	ULONG64 v;
	__asm__ volatile("movq %%cr8, %0" : "=r"(v) : : "memory");
	return (KIRQL)v;
}

static inline void KeLowerIrql(KIRQL irql)
{
	__asm__ volatile("movq %0, %%cr8" : : "r"((ULONG64)irql) : "memory");
}

static inline KIRQL KeRaiseIrql(KIRQL irql)
{
	KIRQL old = KeGetCurrentIrql();
	KeLowerIrql(irql);
	return old;
}

static inline void KiSpin(KSPIN_LOCK *lock)
{
	while (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE))
		while (*lock)
			__asm__ volatile("pause");
}

static inline void KiUnspin(KSPIN_LOCK *lock)
{
	__atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

static inline KIRQL KeAcquireSpinLock(KSPIN_LOCK *lock)
{
	KIRQL old = KeRaiseIrql(DISPATCH_LEVEL);
	KiSpin(lock);
	return old;
}

static inline void KeReleaseSpinLock(KSPIN_LOCK *lock, KIRQL old)
{
	KiUnspin(lock);
	KeLowerIrql(old);
}

#define READ_CR(n)                                                                                 \
	({                                                                                         \
		ULONG64 v_;                                                                        \
		__asm__ volatile("movq %%cr" #n ", %0" : "=r"(v_) : : "memory");                   \
		v_;                                                                                \
	})
#define WRITE_CR(n, v) __asm__ volatile("movq %0, %%cr" #n : : "r"((ULONG64)(v)) : "memory")
#define READ_DR(n)                                                                                 \
	({                                                                                         \
		ULONG64 v_;                                                                        \
		__asm__ volatile("movq %%dr" #n ", %0" : "=r"(v_));                                \
		v_;                                                                                \
	})
#define WRITE_DR(n, v) __asm__ volatile("movq %0, %%dr" #n : : "r"((ULONG64)(v)))

static inline ULONG64 KiReadMsr(ULONG msr)
{
	ULONG lo, hi;
	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return lo | (ULONG64)hi << 32;
}

static inline void KiWriteMsr(ULONG msr, ULONG64 v)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((ULONG)v), "d"((ULONG)(v >> 32)) : "memory");
}

static inline ULONG64 KiReadTsc(void)
{
	ULONG lo, hi;
	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return lo | (ULONG64)hi << 32;
}

static inline ULONG64 KiReadFlags(void)
{
	ULONG64 f;
	__asm__ volatile("pushfq; popq %0" : "=r"(f) : : "memory");
	return f;
}

static inline bool KiDisableInterrupts(void)
{
	ULONG64 f = KiReadFlags();
	__asm__ volatile("cli" : : : "memory");
	return f & 0x200;
}

static inline void KiRestoreInterrupts(bool enable)
{
	if (enable)
		__asm__ volatile("sti" : : : "memory");
}

static inline void KiFlushPage(ULONG64 va)
{
	__asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

static inline void KiOutByte(USHORT port, UCHAR v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline UCHAR KiInByte(USHORT port)
{
	UCHAR v;
	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

/* ---- hal.dll ---- */

void HalInitSystem(ULONG64 apic_va, ULONG64 io_apic_va);
void HalInitializeProcessor(void);
typedef struct _HAL_CLOCK {
	ULONG Entry, Left;
} HAL_CLOCK;
void HalRestClock(HAL_CLOCK *ret);
void HalBorrowClock(const HAL_CLOCK *c, ULONG vector); /* 0: given back */
void HalResumeClock(const HAL_CLOCK *c);
void HalRouteSerial(ULONG apic_id, ULONG vector);
void HalStartClock(ULONG vector, ULONG microseconds);
void HalRequestIpi(ULONG apic_id, ULONG vector);
void HalSendNmi(ULONG apic_id);
void HalStartProcessor(ULONG apic_id, ULONG page);
void HalEndOfInterrupt(void);
bool HalInService(ULONG vector);
ULONG HalProcessorCount(void);
void KeStallExecutionProcessor(ULONG microseconds);
void HalDisplayString(const char *s);
DECLSPEC_NORETURN void HalReturnToFirmware(void);

/* ---- init.c ---- */

extern LOADER_PARAMETER_BLOCK *KeLoaderBlock;
extern KPRCB *KiProcessorBlock[MAXIMUM_PROCESSORS];
extern volatile ULONG KeNumberProcessors;
extern ULONG64 KiRandomState;
KPCR *KiCreateProcessor(ULONG number);
void KiLoadProcessor(KPCR *pcr);
ULONG KiRandom(ULONG limit);
void KiStartProcessors(void);
const LOADER_FILE *KiFindFile(const char *name);
#define SharedUserData ((KUSER_SHARED_DATA *)KUSER_SHARED_KERNEL_VA)

/* ---- trap.c ---- */

void KeContextFromKframes(KTRAP_FRAME *tf, KEXCEPTION_FRAME *ef, CONTEXT *c);
void KeContextToKframes(KTRAP_FRAME *tf, KEXCEPTION_FRAME *ef, const CONTEXT *c, bool user);
void KiDispatchException(
	EXCEPTION_RECORD *er, KEXCEPTION_FRAME *ef, KTRAP_FRAME *tf, bool first_chance);
void KiReturnToUser(KTRAP_FRAME *tf);
DECLSPEC_NORETURN void KiEnterUserMode(KTRAP_FRAME *tf);
void KiCopyUser(void *to, const void *from, SIZE_T n);
NTSTATUS KeCopyUser(
	void *to, const void *from, SIZE_T n); /* to or from user memory, faults caught */
int KiHaltUntilWoken(void);
int KiTryReadMsr(ULONG msr, ULONG64 *ret);
int KiTryWriteMsr(ULONG msr, ULONG64 value);

/* ---- sched.c ---- */

extern KSPIN_LOCK KiDispatcherLock;
void KiSwapContext(KTHREAD *from, KTHREAD *to);
void KiThreadStartup(void);
void KiReadyThread(KTHREAD *t);
void KiAlertThread(KTHREAD *t, NTSTATUS status);
void KiSwapThread(void);
void KiUnwaitThread(KTHREAD *t, NTSTATUS status);
void KiSignal(DISPATCHER_HEADER *h);
void KeInitializeThread(KTHREAD *t, KPROCESS *p, SCHAR priority);
void KeInitializeDispatcher(DISPATCHER_HEADER *h, UCHAR type, LONG state);
NTSTATUS KeWaitForSingleObject(PVOID object, KWAIT_REASON reason, SCHAR mode, BOOLEAN alertable,
	const LARGE_INTEGER *timeout);
NTSTATUS KeDelayExecutionThread(SCHAR mode, BOOLEAN alertable, const LARGE_INTEGER *interval);
void KeSetEvent(KEVENT *e);
void KeYield(void);
void KeStackAttachProcess(KPROCESS *p, KAPC_STATE *save);
void KeUnstackDetachProcess(KAPC_STATE *save);
ULONG64 KeQueryInterruptTime(void);
ULONG64 KeQuerySystemTime(void);
void KeFlushTb(void); /* on all processors */
DECLSPEC_NORETURN void KiIdleLoop(void);

/* ---- mm.c ---- */

/* clang-format off */
typedef struct _SECTION {
	LAYOUT2(LIST_ENTRY Link; CHAR Name[32]; ULONG64 Base; ULONG Size; ULONG EntryPoint; ULONG TimeDateStamp;,
		CONTROL_AREA ControlArea; SEGMENT Segment; SUBSECTION Subsection; FILE_OBJECT File; void *Image;)
} SECTION;
/* clang-format on */

extern MMPFN *MmPfnDatabase;
extern ULONG64 MmHighestPhysicalPage, MmAvailablePages, MmPteBase;
extern ULONG64 MiDirectMap;
void MmInitSystem(void);
void MmReleaseLowMemory(void);
void *ExAllocatePool(SIZE_T size); /* zeroed; never fails: bug check when exhausted */
void ExFreePool(void *p);
ULONG64 MiGetPage(void);
void MiMapKernelPage(ULONG64 va, ULONG64 pa, ULONG64 bits);
void MiUnmapKernelPage(ULONG64 va, bool free);
MMPTE *MiFindPte(ULONG64 root, ULONG64 va, unsigned *level_ret);
SECTION *MmOpenImage(const char *name);
NTSTATUS MmMapImage(EPROCESS *p, SECTION *s, ULONG64 *base_ret);
NTSTATUS MmMapPrivate(EPROCESS *p, ULONG64 *base, ULONG64 size, ULONG protection);
NTSTATUS MmUnmap(EPROCESS *p, ULONG64 base);
NTSTATUS MmProtect(EPROCESS *p, ULONG64 base, ULONG64 size, ULONG protection);
NTSTATUS MmAccessFault(ULONG64 code, ULONG64 va, bool user);
ULONG64 MmImageExport(SECTION *s, const char *name);
bool MmDebugPageIn(ULONG64 va); /* from the debugger: fails rather than wait */
extern ULONG64 MmPhysicalMemoryTop;
void MmCreateAddressSpace(EPROCESS *p);
void MmCleanAddressSpace(EPROCESS *p);
NTSTATUS MmTrim(EPROCESS *p, ULONG64 base, ULONG64 size);
void MiModifiedPageWriter(PVOID context);
void MiShadowMap(ULONG64 va, ULONG64 size);

static inline void *MiPhysical(ULONG64 pa)
{
	return (void *)(MiDirectMap + pa);
}

/* ---- ps.c ---- */

extern LIST_ENTRY PsActiveProcessHead;
extern EPROCESS *PsInitialSystemProcess, *PsIdleProcess;
extern KSPIN_LOCK PspLock;
void PsInitSystem(void);
ETHREAD *PsCreateSystemThread(void (*start)(PVOID), PVOID context, SCHAR priority);
NTSTATUS PsCreateUserProcess(
	const char *image, const char *arguments, EPROCESS *parent, EPROCESS **ret);
NTSTATUS PsCreateUserThread(EPROCESS *p, ULONG64 start, ULONG64 argument, ETHREAD **ret);
DECLSPEC_NORETURN void PspExitThread(NTSTATUS status);
void PsTerminateProcess(EPROCESS *p, NTSTATUS status);
NTSTATUS ObCreateHandle(EPROCESS *p, PVOID object, HANDLE *ret);
NTSTATUS ObReferenceByHandle(HANDLE h, int type, PVOID *ret); /* type -1: any */
PVOID ObCreateObject(UCHAR type, SIZE_T size);
DISPATCHER_HEADER *ObWaitHeader(PVOID object);
NTSTATUS ObCloseHandle(EPROCESS *p, HANDLE h);
void ObDereference(PVOID object);
void ObReference(PVOID object);

/* ---- ldr.c: kernel images ---- */

/* clang-format off */
typedef struct _DRIVER_OBJECT {
	LAYOUT2(SHORT Type; SHORT Size; PVOID DriverStart; ULONG DriverSize; KLDR_DATA_TABLE_ENTRY *DriverSection;,
		UNICODE_STRING DriverName; PVOID DriverInit; void (*DriverUnload)(struct _DRIVER_OBJECT *);)
} DRIVER_OBJECT;
/* clang-format on */

extern LIST_ENTRY PsLoadedModuleList;
void MiInitializeLoadedModuleList(void);
void MiReportLoadedModules(void);
KLDR_DATA_TABLE_ENTRY *MiFindModule(ULONG64 va);
NTSTATUS MmLoadSystemImage(const char *name, DRIVER_OBJECT **ret);
void MmUnloadSystemImage(DRIVER_OBJECT *d);

/* ---- kdglue.c, dbg.c, bugcheck.c ---- */

extern bool KdDebuggerEnabled, KdDebuggerNotPresent;
void KdInitSystem(void);
__attribute__((noreturn)) void KdPushPackets(void);
bool KdTrap(KTRAP_FRAME *tf, KEXCEPTION_FRAME *ef, EXCEPTION_RECORD *er, CONTEXT *c,
	bool second_chance);
void KdCheckForDebugBreak(void); /* from the clock interrupt */
void KiFreezeTargetExecution(KTRAP_FRAME *tf, KEXCEPTION_FRAME *ef);
void KiSaveSpecialRegisters(KSPECIAL_REGISTERS *s);
void ExpCheckDebuggerWork(void);
void ExpDebuggerWorker(PVOID context);
extern volatile ULONG ExpDebuggerWork;
extern EPROCESS *volatile ExpAttachedProcess;
ULONG DbgPrint(const char *format, ...);
ULONG DbgPrintEx(ULONG component, ULONG level, const char *format, ...);
ULONG DbgPrompt(const char *prompt, char *reply, ULONG length);
void DbgLoadImageSymbols(STRING *name, PVOID base, ULONG_PTR process);
void DbgUnLoadImageSymbols(STRING *name, PVOID base, ULONG_PTR process);
DECLSPEC_NORETURN void KeBugCheckEx(ULONG code, ULONG_PTR a, ULONG_PTR b, ULONG_PTR c, ULONG_PTR d);
extern ULONG64 KiBugCheckData[5];

enum {
	IRQL_NOT_LESS_OR_EQUAL = 0x0a,
	KMODE_EXCEPTION_NOT_HANDLED = 0x1e,
	PAGE_FAULT_IN_NONPAGED_AREA = 0x50,
	MANUALLY_INITIATED_CRASH = 0xe2,
	NO_PAGES_AVAILABLE = 0x4d,
	UNEXPECTED_KERNEL_MODE_TRAP = 0x7f,
	CRITICAL_PROCESS_DIED = 0xef,
	PROCESS1_INITIALIZATION_FAILED = 0x6b,
	KERNEL_SECURITY_CHECK_FAILURE = 0x139
};

#endif
