/*
 * nt: the structures of the guest that a debugger knows by name, with NT's public names for types
 * and fields (as Microsoft's public symbols show them), cut down to what this system uses.
 *
 * Shared by the kernel, drivers and user mode. Everything inside a LAYOUT macro moves in variant b;
 * what stands outside is fixed by the processor, by the ABI or by the KD protocol (kd/kdabi.h).
 */
#ifndef GUEST_NT_H
#define GUEST_NT_H

#include "ntdef.h"
#include "../kd/kdabi.h"

/* The groups of a LAYOUT are the sentences of these structures: set by hand. */
/* clang-format off */

/* ---- exceptions (winnt.h) ---- */

typedef struct _EXCEPTION_RECORD {
	NTSTATUS ExceptionCode;
	ULONG ExceptionFlags;
	struct _EXCEPTION_RECORD *ExceptionRecord;
	PVOID ExceptionAddress;
	ULONG NumberParameters;
	ULONG_PTR ExceptionInformation[EXCEPTION_MAXIMUM_PARAMETERS];
} EXCEPTION_RECORD; /* the same bytes as EXCEPTION_RECORD64 */

enum {
	EXCEPTION_NONCONTINUABLE = 1,
	EXCEPTION_UNWINDING = 2,
	EXCEPTION_EXIT_UNWIND = 4,
	EXCEPTION_STACK_INVALID = 8,
	EXCEPTION_TARGET_UNWIND = 0x20,
	EXCEPTION_UNWIND = EXCEPTION_UNWINDING | EXCEPTION_EXIT_UNWIND | EXCEPTION_TARGET_UNWIND
};

typedef struct _EXCEPTION_POINTERS {
	EXCEPTION_RECORD *ExceptionRecord;
	CONTEXT *ContextRecord;
} EXCEPTION_POINTERS;

/* ---- traps ---- */

/*
 * What every trap, interrupt and system call leaves on the kernel stack. The last six members are
 * pushed by the processor (and by the trap's first instructions), so they stay together in both
 * variants; rbp points 0x80 above the start.
 */
typedef struct _KTRAP_FRAME {
	LAYOUT4(
		ULONG64 P1Home; ULONG64 P2Home; ULONG64 P3Home; ULONG64 P4Home; ULONG64 P5;
		SCHAR PreviousMode; KIRQL PreviousIrql; UCHAR FaultIndicator; UCHAR ExceptionActive;
		ULONG MxCsr;,
		ULONG64 Rax; ULONG64 Rcx; ULONG64 Rdx; ULONG64 R8; ULONG64 R9; ULONG64 R10; ULONG64 R11;
		union { ULONG64 GsBase; ULONG64 GsSwap; };,
		M128A Xmm0; M128A Xmm1; M128A Xmm2; M128A Xmm3; M128A Xmm4; M128A Xmm5;
		union { ULONG64 FaultAddress; ULONG64 ContextRecord; };
		ULONG64 Dr0; ULONG64 Dr1; ULONG64 Dr2; ULONG64 Dr3; ULONG64 Dr6; ULONG64 Dr7;
		ULONG64 DebugControl;,
		USHORT SegDs; USHORT SegEs; USHORT SegFs; USHORT SegGs; ULONG64 TrapFrame;
		ULONG64 Rbx; ULONG64 Rdi; ULONG64 Rsi;)
	LAYOUT_B(ULONG64 Fill5;)
	ULONG64 Rbp;
	union { ULONG64 ErrorCode; ULONG64 ExceptionFrame; };
	ULONG64 Rip;
	USHORT SegCs;
	UCHAR Fill0;
	UCHAR Logging;
	USHORT Fill1[2];
	ULONG EFlags;
	ULONG Fill2;
	ULONG64 Rsp;
	USHORT SegSs;
	USHORT Fill3;
	ULONG Fill4;
} KTRAP_FRAME;

/* The registers that C code preserves, saved below the trap frame when an exception is dispatched and
 * by KiSwapContext. */
typedef struct _KEXCEPTION_FRAME {
	ULONG64 P1Home, P2Home, P3Home, P4Home, P5;
	LAYOUT2(
		ULONG64 TrapFrame; ULONG64 OutputBuffer; ULONG64 OutputLength; ULONG64 MxCsr;,
		ULONG64 Rbp; ULONG64 Rbx; ULONG64 Rdi; ULONG64 Rsi;
		ULONG64 R12; ULONG64 R13; ULONG64 R14; ULONG64 R15;)
	LAYOUT_B(ULONG64 Fill5;)
	ULONG64 Return;
} KEXCEPTION_FRAME;

/* KTHREAD.KernelStack of a thread that does not run points here: after Return, rsp is
 * KernelStack + sizeof(KSWITCH_FRAME), and the rest of the preserved registers follow from the unwind
 * data of the function that Return lies in (KiSwapContext). */
typedef struct _KSWITCH_FRAME {
	ULONG64 P1Home, P2Home, P3Home, P4Home, P5Home;
	LAYOUT2(ULONG MxCsr; KIRQL ApcBypass; UCHAR Fill1[3];, ULONG64 Fill2[2];)
	LAYOUT_B(ULONG64 Fill5;)
	ULONG64 Rbp;
	ULONG64 Return;
} KSWITCH_FRAME;

/* ---- page table entries ---- */

typedef struct _MMPTE_HARDWARE {
	ULONG64 Valid : 1;
	ULONG64 Dirty1 : 1; /* the processor's write bit */
	ULONG64 Owner : 1;
	ULONG64 WriteThrough : 1;
	ULONG64 CacheDisable : 1;
	ULONG64 Accessed : 1;
	ULONG64 Dirty : 1;
	ULONG64 LargePage : 1;
	ULONG64 Global : 1;
	ULONG64 CopyOnWrite : 1;
	ULONG64 Unused : 1;
	ULONG64 Write : 1;
	ULONG64 PageFrameNumber : 36;
	ULONG64 ReservedForHardware : 4;
	ULONG64 ReservedForSoftware : 4;
	ULONG64 WsleAge : 4;
	ULONG64 WsleProtection : 3;
	ULONG64 NoExecute : 1;
} MMPTE_HARDWARE;

/* Demand zero (PageFileHigh 0) or in the paging file. */
typedef struct _MMPTE_SOFTWARE {
	ULONG64 Valid : 1;
	ULONG64 PageFileReserved : 1;
	ULONG64 PageFileAllocated : 1;
	ULONG64 ColdPage : 1;
	ULONG64 SwizzleBit : 1;
	ULONG64 Protection : 5;
	ULONG64 Prototype : 1;
	ULONG64 Transition : 1;
	ULONG64 PageFileLow : 4;
	ULONG64 UsedPageTableEntries : 10;
	ULONG64 Unused : 6;
	ULONG64 PageFileHigh : 32;
} MMPTE_SOFTWARE;

/* Taken from the working set, still in memory. */
typedef struct _MMPTE_TRANSITION {
	ULONG64 Valid : 1;
	ULONG64 Write : 1;
	ULONG64 Spare : 1;
	ULONG64 IoTracker : 1;
	ULONG64 SwizzleBit : 1;
	ULONG64 Protection : 5;
	ULONG64 Prototype : 1;
	ULONG64 Transition : 1;
	ULONG64 PageFrameNumber : 36;
	ULONG64 Unused : 16;
} MMPTE_TRANSITION;

/* Belongs to a section: the truth is in the prototype entry at ProtoAddress. */
typedef struct _MMPTE_PROTOTYPE {
	ULONG64 Valid : 1;
	ULONG64 DemandFillProto : 1;
	ULONG64 HiberVerifyConverted : 1;
	ULONG64 ReadOnly : 1;
	ULONG64 SwizzleBit : 1;
	ULONG64 Protection : 5;
	ULONG64 Prototype : 1;
	ULONG64 Combined : 1;
	ULONG64 Unused1 : 4;
	LONG64 ProtoAddress : 48;
} MMPTE_PROTOTYPE;

typedef struct _MMPTE {
	union {
		ULONG64 Long;
		volatile ULONG64 VolatileLong;
		MMPTE_HARDWARE Hard;
		MMPTE_SOFTWARE Soft;
		MMPTE_TRANSITION Trans;
		MMPTE_PROTOTYPE Proto;
	} u;
} MMPTE;

/* ---- dispatcher objects ---- */

enum {
	EventNotificationObject = 0,
	EventSynchronizationObject = 1,
	ProcessObject = 3,
	ThreadObject = 6,
	TimerNotificationObject = 8
};

typedef struct _DISPATCHER_HEADER {
	LAYOUT2(UCHAR Type; UCHAR Signalling; UCHAR Size; UCHAR Reserved1; LONG SignalState;,
		LIST_ENTRY WaitListHead;)
} DISPATCHER_HEADER;

typedef struct _KEVENT {
	DISPATCHER_HEADER Header;
} KEVENT;

typedef struct _KTIMER {
	LAYOUT2(DISPATCHER_HEADER Header; ULONG64 DueTime;, LIST_ENTRY TimerListEntry; BOOLEAN Inserted;)
} KTIMER;

typedef struct _KWAIT_BLOCK {
	LAYOUT2(LIST_ENTRY WaitListEntry;, struct _KTHREAD *Thread; PVOID Object;)
} KWAIT_BLOCK;

typedef enum _KTHREAD_STATE {
	Initialized, Ready, Running, Standby, Terminated, Waiting, Transition, DeferredReady
} KTHREAD_STATE;

typedef enum _KWAIT_REASON {
	Executive, FreePage, PageIn, PoolAllocation, DelayExecution, Suspended, UserRequest,
	WrExecutive, WrFreePage, WrPageIn, WrPoolAllocation, WrDelayExecution, WrSuspended, WrUserRequest,
	WrEventPair, WrQueue, WrLpcReceive, WrLpcReply, WrVirtualMemory, WrPageOut
} KWAIT_REASON;

enum { KernelMode = 0, UserMode = 1 };

typedef struct _KAPC_STATE {
	LAYOUT2(LIST_ENTRY ApcListHead[2];, struct _KPROCESS *Process; UCHAR InProgressFlags;
		BOOLEAN KernelApcPending; BOOLEAN UserApcPending;)
} KAPC_STATE;

/* ---- threads and processes ---- */

typedef struct _KTHREAD {
	LAYOUT4(
		DISPATCHER_HEADER Header; PVOID SListFaultAddress; ULONG64 QuantumTarget;
		PVOID InitialStack; PVOID volatile StackLimit; PVOID StackBase; ULONG64 ThreadLock;
		ULONG64 CycleTime; ULONG CurrentRunTime; ULONG ContextSwitches; PVOID KernelStack;,
		KAPC_STATE ApcState; SCHAR Priority; SCHAR BasePriority; UCHAR Running; UCHAR State;
		UCHAR WaitReason; SCHAR WaitMode; KIRQL WaitIrql; SCHAR PreviousMode; LONG64 WaitStatus;
		KWAIT_BLOCK *WaitBlockList; LIST_ENTRY WaitListEntry; KWAIT_BLOCK WaitBlock[1]; KTIMER Timer;
		ULONG WaitTime; SCHAR Quantum;,
		PVOID Teb; KTRAP_FRAME *TrapFrame; PVOID FirstArgument; PVOID SystemCallNumber;
		ULONG NextProcessor; ULONG IdealProcessor; ULONG KernelTime; ULONG UserTime;
		PVOID StateSaveArea; BOOLEAN KernelStackResident; ULONG ThreadFlags;,
		struct _KPROCESS *Process; KAPC_STATE SavedApcState; LIST_ENTRY ThreadListEntry;
		ULONG64 Affinity; LONG SuspendCount; UCHAR ApcStateIndex; volatile LONG SwapBusy;)
} KTHREAD;

typedef struct _ETHREAD {
	KTHREAD Tcb;
	LAYOUT3(
		LARGE_INTEGER CreateTime; LARGE_INTEGER ExitTime; PVOID StartAddress; CLIENT_ID Cid;,
		PVOID Win32StartAddress; LIST_ENTRY ThreadListEntry; LONG ExitStatus; ULONG CrossThreadFlags;,
		LIST_ENTRY IrpList; PVOID StartContext; LIST_ENTRY ReaperLink;)
} ETHREAD;

enum { CT_TERMINATED = 1, CT_SYSTEM_THREAD = 0x10 };

typedef struct _KPROCESS {
	LAYOUT4(
		DISPATCHER_HEADER Header; LIST_ENTRY ProfileListHead; ULONG64 DirectoryTableBase;,
		LIST_ENTRY ThreadListHead; ULONG ProcessLock; ULONG64 DeepFreezeStartTime;,
		ULONG64 Affinity; LIST_ENTRY ReadyListHead; SCHAR BasePriority; SCHAR QuantumReset;
		ULONG ActiveProcessors; ULONG64 CycleTime; ULONG KernelTime; ULONG UserTime;,
		ULONG64 UserDirectoryTableBase; UCHAR AddressPolicy; ULONG ProcessId;)
} KPROCESS;

typedef struct _MMSUPPORT_FULL {
	LAYOUT2(ULONG64 WorkingSetSize; ULONG64 PeakWorkingSetSize;, ULONG PageFaultCount; ULONG HardFaultCount;)
} MMSUPPORT_FULL;

typedef struct _MM_SESSION_SPACE {
	LAYOUT2(LONG ReferenceCount; ULONG SessionId;, LIST_ENTRY ProcessList;)
} MM_SESSION_SPACE;

typedef struct _SE_AUDIT_PROCESS_CREATION_INFO {
	struct _OBJECT_NAME_INFORMATION *ImageFileName;
} SE_AUDIT_PROCESS_CREATION_INFO;

typedef struct _OBJECT_NAME_INFORMATION {
	UNICODE_STRING Name;
} OBJECT_NAME_INFORMATION;

typedef struct _EPROCESS {
	KPROCESS Pcb;
	LAYOUT4(
		ULONG64 ProcessLock; HANDLE UniqueProcessId; LIST_ENTRY ActiveProcessLinks; ULONG Flags2; ULONG Flags;
		LARGE_INTEGER CreateTime; ULONG64 ProcessQuotaUsage[2];,
		ULONG64 PeakVirtualSize; ULONG64 VirtualSize; LIST_ENTRY SessionProcessLinks;
		HANDLE InheritedFromUniqueProcessId; struct _PEB *Peb; MM_SESSION_SPACE *Session;
		PVOID SectionObject; PVOID SectionBaseAddress; EX_FAST_REF Token;,
		struct _HANDLE_TABLE *ObjectTable; struct _FILE_OBJECT *ImageFilePointer; UCHAR ImageFileName[15];
		UCHAR PriorityClass; SE_AUDIT_PROCESS_CREATION_INFO SeAuditProcessCreationInfo;
		LIST_ENTRY ThreadListHead; volatile ULONG ActiveThreads; ULONG ActiveThreadsHighWatermark;
		LARGE_INTEGER ExitTime;,
		RTL_AVL_TREE VadRoot; PVOID VadHint; ULONG64 VadCount; ULONG64 NumberOfPrivatePages;
		MMSUPPORT_FULL Vm; LONG ExitStatus; PVOID Win32Process; ULONG Cookie;)
} EPROCESS;

enum { PS_PROCESS_EXITING = 4, PS_PROCESS_DELETE = 8 };

/* Stands before every object that handles can name. */
typedef struct _OBJECT_HEADER {
	LAYOUT2(LONG64 PointerCount; LONG64 HandleCount;, UCHAR TypeIndex; UCHAR Flags; ULONG Spare;)
	__attribute__((aligned(16))) UCHAR Body[];
} OBJECT_HEADER;

/* In ObTypeIndexTable, by TypeIndex. */
typedef struct _OBJECT_TYPE {
	LAYOUT2(LIST_ENTRY TypeList; UNICODE_STRING Name;, ULONG Index; ULONG TotalNumberOfObjects;)
} OBJECT_TYPE;

/* One bucket, no levels: TableCode points at the entries. */
typedef struct _HANDLE_TABLE_ENTRY {
	LAYOUT2(OBJECT_HEADER *Object;, ULONG GrantedAccess; ULONG Spare;)
} HANDLE_TABLE_ENTRY;

typedef struct _HANDLE_TABLE {
	LAYOUT2(ULONG NextHandleNeedingPool; LONG ExtraInfoPages; volatile ULONG64 TableCode; EPROCESS *QuotaProcess;,
		LIST_ENTRY HandleTableList; ULONG UniqueProcessId; ULONG Flags; ULONG HandleCount;)
} HANDLE_TABLE;

/* ---- processors ---- */

typedef struct _KPROCESSOR_STATE {
	LAYOUT2(KSPECIAL_REGISTERS SpecialRegisters;, CONTEXT ContextFrame;)
} KPROCESSOR_STATE;

enum { MAXIMUM_PRIORITY = 32, MAXIMUM_PROCESSORS = 16 };

typedef struct _KPRCB {
	LAYOUT4(
		ULONG MxCsr; UCHAR LegacyNumber; UCHAR ReservedMustBeZero; BOOLEAN InterruptRequest; BOOLEAN IdleHalt;
		KTHREAD *CurrentThread; KTHREAD *NextThread; KTHREAD *IdleThread; UCHAR NestingLevel;
		UCHAR ClockOwner; ULONG Number; ULONG64 RspBase; ULONG64 UserRsp; ULONG64 PrcbLock; ULONG BuildType;,
		KPROCESSOR_STATE ProcessorState; SCHAR CpuType; UCHAR CpuID; USHORT CpuStep; ULONG MHz;
		UCHAR VendorString[13]; ULONG InitialApicId; CONTEXT *Context; ULONG64 KernelDirectoryTableBase;
		ULONG64 UserDirectoryTableBase; ULONG64 RspBaseShadow; ULONG64 ShadowFlags; ULONG64 ShadowScratch[4];,
		ULONG ReadySummary; LIST_ENTRY DispatcherReadyListHead[MAXIMUM_PRIORITY];
		ULONG KeContextSwitches; ULONG InterruptCount; ULONG KernelTime; ULONG UserTime; ULONG KeSystemCalls;,
		volatile ULONG IpiFrozen; volatile ULONG IpiFlush; volatile BOOLEAN QuantumEnd; volatile ULONG DebuggerWait;
		KTRAP_FRAME *FreezeTrapFrame; PVOID DpcStack; struct _KPCR *Pcr; KTHREAD *SwitchedFrom;)
} KPRCB;

/* What IpiFrozen says (NT's values). */
enum { IPI_FROZEN_RUNNING = 0, IPI_FROZEN_FROZEN = 2, IPI_FROZEN_THAW = 3, IPI_FROZEN_TARGET_FREEZE = 5 };

typedef struct _KPCR {
	LAYOUT2(
		union _KGDTENTRY64 *GdtBase; struct _KTSS64 *TssBase; ULONG64 UserRsp; struct _KPCR *Self;
		KPRCB *CurrentPrcb;,
		union _KIDTENTRY64 *IdtBase; KIRQL Irql; UCHAR SecondLevelCacheAssociativity; USHORT MajorVersion;
		USHORT MinorVersion; ULONG StallScaleFactor;)
	__attribute__((aligned(64))) KPRCB Prcb;
} KPCR;

typedef union _KGDTENTRY64 {
	ULONG64 Value;
	struct {
		USHORT LimitLow;
		USHORT BaseLow;
		UCHAR BaseMiddle;
		UCHAR Flags1;
		UCHAR Flags2;
		UCHAR BaseHigh;
	} Bytes;
} KGDTENTRY64;

typedef union _KIDTENTRY64 {
	struct {
		USHORT OffsetLow;
		USHORT Selector;
		USHORT IstIndex : 3;
		USHORT Reserved0 : 5;
		USHORT Type : 5;
		USHORT Dpl : 2;
		USHORT Present : 1;
		USHORT OffsetMiddle;
		ULONG OffsetHigh;
		ULONG Reserved1;
	};
	ULONG64 Alignment;
} KIDTENTRY64;

#pragma pack(push, 4)
typedef struct _KTSS64 {
	ULONG Reserved0;
	ULONG64 Rsp0, Rsp1, Rsp2;
	ULONG64 Ist[8];
	ULONG64 Reserved1;
	USHORT Reserved2;
	USHORT IoMapBase;
} KTSS64;
#pragma pack(pop)

/* NT's selectors. */
enum {
	KGDT64_NULL = 0, KGDT64_R0_CODE = 0x10, KGDT64_R0_DATA = 0x18, KGDT64_R3_CMCODE = 0x20,
	KGDT64_R3_DATA = 0x28, KGDT64_R3_CODE = 0x30, KGDT64_SYS_TSS = 0x40, KGDT64_R3_CMTEB = 0x50,
	RPL_MASK = 3
};

/* ---- memory ---- */

typedef struct _FILE_OBJECT {
	LAYOUT2(SHORT Type; SHORT Size; PVOID DeviceObject;, UNICODE_STRING FileName; ULONG Flags;)
} FILE_OBJECT;

typedef struct _SEGMENT {
	LAYOUT2(struct _CONTROL_AREA *ControlArea; ULONG TotalNumberOfPtes; ULONG64 SizeOfSegment;,
		PVOID BasedAddress; MMPTE *PrototypePte;)
} SEGMENT;

typedef struct _CONTROL_AREA {
	LAYOUT2(SEGMENT *Segment; LIST_ENTRY ListHead; ULONG64 NumberOfSectionReferences;,
		ULONG64 NumberOfMappedViews; EX_FAST_REF FilePointer;)
} CONTROL_AREA;

typedef struct _SUBSECTION {
	LAYOUT2(CONTROL_AREA *ControlArea; MMPTE *SubsectionBase;,
		ULONG PtesInSubsection; ULONG NumberOfFullSectors; struct _SUBSECTION *NextSubsection;)
} SUBSECTION;

typedef struct _MMVAD_FLAGS {
	ULONG Lock : 1;
	ULONG LockContended : 1;
	ULONG DeleteInProgress : 1;
	ULONG NoChange : 1;
	ULONG VadType : 3; /* 0 private, 2 image map */
	ULONG Protection : 5;
	ULONG PreferredNode : 7;
	ULONG PageSize : 2;
	ULONG PrivateMemory : 1;
} MMVAD_FLAGS;

typedef struct _MMVAD_SHORT {
	union {
		RTL_BALANCED_NODE VadNode;
		struct _MMVAD_SHORT *NextVad;
	};
	LAYOUT2(ULONG StartingVpn; ULONG EndingVpn; UCHAR StartingVpnHigh; UCHAR EndingVpnHigh;
		UCHAR CommitChargeHigh; LONG ReferenceCount;,
		union { ULONG LongFlags; MMVAD_FLAGS VadFlags; } u;
		union { ULONG LongFlags1; struct { ULONG CommitCharge : 31; ULONG MemCommit : 1; } VadFlags1; } u1;)
} MMVAD_SHORT;

typedef struct _MMVAD {
	MMVAD_SHORT Core;
	LAYOUT2(SUBSECTION *Subsection; MMPTE *FirstPrototypePte;, MMPTE *LastContiguousPte; LIST_ENTRY ViewLinks;)
} MMVAD;

typedef struct _MMPFN {
	LAYOUT2(MMPTE *PteAddress; MMPTE OriginalPte;, ULONG ReferenceCount; ULONG ShareCount;)
} MMPFN;

/* MMVAD_FLAGS.Protection and the Protection of software entries. */
enum {
	MM_ZERO_ACCESS = 0, MM_READONLY = 1, MM_EXECUTE = 2, MM_EXECUTE_READ = 3, MM_READWRITE = 4,
	MM_WRITECOPY = 5, MM_EXECUTE_READWRITE = 6, MM_EXECUTE_WRITECOPY = 7
};

/* ---- loader ---- */

typedef struct _KLDR_DATA_TABLE_ENTRY {
	LAYOUT3(LIST_ENTRY InLoadOrderLinks; PVOID ExceptionTable; ULONG ExceptionTableSize; PVOID GpValue;,
		PVOID DllBase; PVOID EntryPoint; ULONG SizeOfImage; UNICODE_STRING FullDllName;,
		UNICODE_STRING BaseDllName; ULONG Flags; USHORT LoadCount; PVOID SectionPointer; ULONG CheckSum;
		ULONG TimeDateStamp;)
} KLDR_DATA_TABLE_ENTRY;

typedef struct _LDR_DATA_TABLE_ENTRY {
	LAYOUT3(LIST_ENTRY InLoadOrderLinks; LIST_ENTRY InMemoryOrderLinks; LIST_ENTRY InInitializationOrderLinks;,
		PVOID DllBase; PVOID EntryPoint; ULONG SizeOfImage; UNICODE_STRING FullDllName;,
		UNICODE_STRING BaseDllName; ULONG Flags; USHORT ObsoleteLoadCount; USHORT TlsIndex; ULONG TimeDateStamp;
		ULONG ReferenceCount;)
} LDR_DATA_TABLE_ENTRY;

typedef struct _PEB_LDR_DATA {
	LAYOUT2(ULONG Length; UCHAR Initialized; PVOID SsHandle; LIST_ENTRY InLoadOrderModuleList;,
		LIST_ENTRY InMemoryOrderModuleList; LIST_ENTRY InInitializationOrderModuleList;
		PVOID EntryInProgress; UCHAR ShutdownInProgress;)
} PEB_LDR_DATA;

typedef struct _CURDIR {
	UNICODE_STRING DosPath;
	PVOID Handle;
} CURDIR;

typedef struct _RTL_USER_PROCESS_PARAMETERS {
	LAYOUT2(ULONG MaximumLength; ULONG Length; ULONG Flags; ULONG DebugFlags; PVOID ConsoleHandle;
		PVOID StandardInput; PVOID StandardOutput; PVOID StandardError; CURDIR CurrentDirectory;,
		UNICODE_STRING DllPath; UNICODE_STRING ImagePathName; UNICODE_STRING CommandLine; PVOID Environment;
		UNICODE_STRING WindowTitle; UNICODE_STRING DesktopInfo;)
} RTL_USER_PROCESS_PARAMETERS;

typedef struct _PEB {
	LAYOUT3(UCHAR InheritedAddressSpace; UCHAR ReadImageFileExecOptions; UCHAR BeingDebugged; UCHAR BitField;
		PVOID Mutant; PVOID ImageBaseAddress; PEB_LDR_DATA *Ldr; RTL_USER_PROCESS_PARAMETERS *ProcessParameters;,
		PVOID SubSystemData; PVOID ProcessHeap; PVOID FastPebLock; ULONG NumberOfProcessors; ULONG NtGlobalFlag;
		ULONG NumberOfHeaps; PVOID *ProcessHeaps;,
		ULONG OSMajorVersion; ULONG OSMinorVersion; USHORT OSBuildNumber; USHORT OSCSDVersion; ULONG OSPlatformId;
		ULONG ImageSubsystem; ULONG SessionId; UNICODE_STRING CSDVersion;)
} PEB;

typedef struct _NT_TIB {
	LAYOUT2(PVOID ExceptionList; PVOID StackBase; PVOID StackLimit; PVOID SubSystemTib;,
		PVOID FiberData; PVOID ArbitraryUserPointer; struct _NT_TIB *Self;)
} NT_TIB;

typedef struct _TEB {
	LAYOUT3(NT_TIB NtTib; PVOID EnvironmentPointer;, CLIENT_ID ClientId; PVOID ActiveRpcHandle;
		PVOID ThreadLocalStoragePointer; PEB *ProcessEnvironmentBlock; ULONG LastErrorValue;
		ULONG CountOfOwnedCriticalSections;, UNICODE_STRING StaticUnicodeString; WCHAR StaticUnicodeBuffer[261];
		PVOID DeallocationStack; PVOID TlsSlots[64]; NTSTATUS LastStatusValue; ULONG GuaranteedStackBytes;)
} TEB;

/*
 * The page that every process sees at 0x7ffe0000 and the kernel at 0xfffff78000000000: the public
 * layout, as far as debuggers read it, with names and offsets as in ntddk.h. GuestFlags is ours.
 */
typedef struct _KSYSTEM_TIME {
	ULONG LowPart;
	LONG High1Time;
	LONG High2Time;
} KSYSTEM_TIME;

typedef struct _KUSER_SHARED_DATA {
	ULONG TickCountLowDeprecated;
	ULONG TickCountMultiplier;
	volatile KSYSTEM_TIME InterruptTime;
	volatile KSYSTEM_TIME SystemTime;
	volatile KSYSTEM_TIME TimeZoneBias;
	USHORT ImageNumberLow;
	USHORT ImageNumberHigh;
	WCHAR NtSystemRoot[260];
	ULONG MaxStackTraceDepth;
	ULONG CryptoExponent;
	ULONG TimeZoneId;
	ULONG LargePageMinimum;
	ULONG AitSamplingValue;
	ULONG AppCompatFlag;
	ULONG64 RNGSeedVersion;
	ULONG GlobalValidationRunlevel;
	LONG TimeZoneBiasStamp;
	ULONG NtBuildNumber;
	ULONG NtProductType;
	BOOLEAN ProductTypeIsValid;
	UCHAR Reserved0[1];
	USHORT NativeProcessorArchitecture;
	ULONG NtMajorVersion;
	ULONG NtMinorVersion;
	UCHAR ProcessorFeatures[64];
	ULONG Reserved1;
	ULONG Reserved3;
	volatile ULONG TimeSlip;
	ULONG AlternativeArchitecture;
	ULONG BootId;
	LARGE_INTEGER SystemExpirationDate;
	ULONG SuiteMask;
	BOOLEAN KdDebuggerEnabled;
	UCHAR Spare2d5[3];
	volatile ULONG ActiveConsoleId;
	volatile ULONG DismountCount;
	ULONG ComPlusPackage;
	ULONG LastSystemRITEventTickCount;
	ULONG NumberOfPhysicalPages;
	BOOLEAN SafeBootMode;
	UCHAR Spare2ed[51];
	volatile KSYSTEM_TIME TickCount;
	ULONG Pad32c[0x100];
	volatile ULONG GuestFlags; /* what guest/run was asked for: GUEST_BUSY ... */
} KUSER_SHARED_DATA;

enum { GUEST_BUSY = 1 };

_Static_assert(__builtin_offsetof(KUSER_SHARED_DATA, NtBuildNumber) == 0x260, "NtBuildNumber");
_Static_assert(__builtin_offsetof(KUSER_SHARED_DATA, NtMajorVersion) == 0x26c, "NtMajorVersion");
_Static_assert(__builtin_offsetof(KUSER_SHARED_DATA, KdDebuggerEnabled) == 0x2d4, "KdDebuggerEnabled");
_Static_assert(__builtin_offsetof(KUSER_SHARED_DATA, TickCount) == 0x320, "TickCount");

#define KUSER_SHARED_USER_VA 0x7ffe0000ull
#define KUSER_SHARED_KERNEL_VA 0xfffff78000000000ull
#define MM_HIGHEST_USER_ADDRESS 0x00007ffffffeffffull
#define MM_SYSTEM_RANGE_START 0xffff800000000000ull
#define GUEST_BUILD 19045

/* ---- services ---- */

/*
 * The system services, one row each: number, name, count of arguments. The kernel builds its table and
 * ntdll its stubs from it. Some take fewer arguments than NT's; each says so where it is defined.
 */
#define SYSTEM_SERVICES(X) \
	X(0x04, NtWaitForSingleObject, 3) \
	X(0x06, NtReadFile, 9) \
	X(0x08, NtWriteFile, 9) \
	X(0x0e, NtSetEvent, 2) \
	X(0x0f, NtClose, 1) \
	X(0x18, NtAllocateVirtualMemory, 6) \
	X(0x1e, NtFreeVirtualMemory, 4) \
	X(0x28, NtMapViewOfSection, 4) \
	X(0x2a, NtUnmapViewOfSection, 2) \
	X(0x2c, NtTerminateProcess, 2) \
	X(0x31, NtQueryPerformanceCounter, 2) \
	X(0x34, NtDelayExecution, 2) \
	X(0x43, NtContinue, 2) \
	X(0x46, NtYieldExecution, 0) \
	X(0x48, NtCreateEvent, 5) \
	X(0x50, NtProtectVirtualMemory, 5) \
	X(0x53, NtTerminateThread, 2) \
	X(0xc2, NtCreateThreadEx, 11) \
	X(0xc9, NtCreateUserProcess, 4) \
	X(0x165, NtRaiseException, 3) \
	X(0x1b9, NtShutdownSystem, 1) \
	X(0x1c1, NtSystemDebugControl, 6) \
	X(0x1cb, NtUnlockVirtualMemory, 4)

enum { SERVICE_LIMIT = 0x200, SERVICE_ARGUMENTS_MAX = 12 };

#define NtCurrentProcess() ((HANDLE)(LONG64)-1)
#define NtCurrentThread() ((HANDLE)(LONG64)-2)

enum {
	MEM_COMMIT = 0x1000, MEM_RESERVE = 0x2000, MEM_RELEASE = 0x8000,
	PAGE_NOACCESS = 1, PAGE_READONLY = 2, PAGE_READWRITE = 4, PAGE_WRITECOPY = 8, PAGE_EXECUTE = 0x10,
	PAGE_EXECUTE_READ = 0x20, PAGE_EXECUTE_READWRITE = 0x40, PAGE_EXECUTE_WRITECOPY = 0x80
};

/* BREAKPOINT services of int 2d, and what DbgBreakPointWithStatus is given (ntddk.h, windbgkd.h). */
enum {
	BREAKPOINT_BREAK = 0, BREAKPOINT_PRINT = 1, BREAKPOINT_PROMPT = 2, BREAKPOINT_LOAD_SYMBOLS = 3,
	BREAKPOINT_UNLOAD_SYMBOLS = 4, BREAKPOINT_COMMAND_STRING = 5,
	DBG_STATUS_CONTROL_C = 1, DBG_STATUS_SYSRQ = 2, DBG_STATUS_BUGCHECK_FIRST = 3,
	DBG_STATUS_BUGCHECK_SECOND = 4, DBG_STATUS_FATAL = 5, DBG_STATUS_DEBUG_CONTROL = 6, DBG_STATUS_WORKER = 7
};

typedef struct _KD_SYMBOLS_INFO {
	PVOID BaseOfDll;
	PVOID ProcessId;
	ULONG CheckSum;
	ULONG SizeOfImage;
} KD_SYMBOLS_INFO;

#endif
