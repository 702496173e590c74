/*
 * kdabi: the public records that cross the debugger link, under their NT names, so that a kernel
 * that includes this header carries them in its PDB (_CONTEXT, _EXCEPTION_RECORD64,
 * _DBGKD_GET_VERSION64, _KDDEBUGGER_DATA64 ...).
 *
 * Layouts: winnt.h (CONTEXT, EXCEPTION_RECORD64), wdbgexts.h (version, debugger data), windbgkd.h
 * (everything else), as published in Microsoft's SDK headers and in ReactOS' sdk/include. Natural
 * alignment reproduces all of them; the sizes are checked at the end of this file.
 *
 * No dependency but <stdint.h>: compiles freestanding for the guest and on the host for tests.
 */
#ifndef KD_ABI_H
#define KD_ABI_H

#include <stdint.h>

/* ---- winnt.h ---- */

typedef struct _M128A {
	uint64_t Low;
	int64_t High;
} __attribute__((aligned(16))) M128A;

typedef struct _XSAVE_FORMAT {
	uint16_t ControlWord, StatusWord;
	uint8_t TagWord, Reserved1;
	uint16_t ErrorOpcode;
	uint32_t ErrorOffset;
	uint16_t ErrorSelector, Reserved2;
	uint32_t DataOffset;
	uint16_t DataSelector, Reserved3;
	uint32_t MxCsr, MxCsr_Mask;
	M128A FloatRegisters[8];
	M128A XmmRegisters[16];
	uint8_t Reserved4[96];
} XMM_SAVE_AREA32;

typedef struct _CONTEXT {
	uint64_t P1Home, P2Home, P3Home, P4Home, P5Home, P6Home;
	uint32_t ContextFlags;
	uint32_t MxCsr;
	uint16_t SegCs, SegDs, SegEs, SegFs, SegGs, SegSs;
	uint32_t EFlags;
	uint64_t Dr0, Dr1, Dr2, Dr3, Dr6, Dr7;
	uint64_t Rax, Rcx, Rdx, Rbx, Rsp, Rbp, Rsi, Rdi;
	uint64_t R8, R9, R10, R11, R12, R13, R14, R15;
	uint64_t Rip;
	XMM_SAVE_AREA32 FltSave;
	M128A VectorRegister[26];
	uint64_t VectorControl;
	uint64_t DebugControl;
	uint64_t LastBranchToRip, LastBranchFromRip;
	uint64_t LastExceptionToRip, LastExceptionFromRip;
} CONTEXT;

enum {
	CONTEXT_AMD64 = 0x00100000,
	CONTEXT_CONTROL = CONTEXT_AMD64 | 1,
	CONTEXT_INTEGER = CONTEXT_AMD64 | 2,
	CONTEXT_SEGMENTS = CONTEXT_AMD64 | 4,
	CONTEXT_FLOATING_POINT = CONTEXT_AMD64 | 8,
	CONTEXT_DEBUG_REGISTERS = CONTEXT_AMD64 | 0x10,
	CONTEXT_ALL = CONTEXT_AMD64 | 0x1f
};

enum { EXCEPTION_MAXIMUM_PARAMETERS = 15 };

typedef struct _EXCEPTION_RECORD64 {
	uint32_t ExceptionCode;
	uint32_t ExceptionFlags;
	uint64_t ExceptionRecord;
	uint64_t ExceptionAddress;
	uint32_t NumberParameters;
	uint32_t __unusedAlignment;
	uint64_t ExceptionInformation[EXCEPTION_MAXIMUM_PARAMETERS];
} EXCEPTION_RECORD64;

/* Status codes that the protocol itself uses (ntstatus.h). */
#define KD_STATUS_SUCCESS	       0x00000000u
#define KD_STATUS_UNSUCCESSFUL	       0xC0000001u
#define KD_STATUS_INVALID_PARAMETER    0xC000000Du
#define KD_STATUS_MISALIGNMENT	       0x80000002u
#define KD_STATUS_BREAKPOINT	       0x80000003u
#define KD_STATUS_SINGLE_STEP	       0x80000004u
#define KD_STATUS_NO_MORE_ENTRIES      0x8000001Au
#define KD_STATUS_NO_SUCH_DEVICE       0xC000000Eu
#define KD_STATUS_WAKE_SYSTEM_DEBUGGER 0x80000007u
#define KD_DBG_EXCEPTION_HANDLED       0x00010001u
#define KD_DBG_CONTINUE		       0x00010002u
#define KD_DBG_EXCEPTION_NOT_HANDLED   0x80010001u

/* ---- the special registers of control space 2 (216 bytes) ---- */

typedef struct _KDESCRIPTOR {
	uint16_t Pad[3];
	uint16_t Limit;
	uint64_t Base;
} KDESCRIPTOR;

typedef struct _KSPECIAL_REGISTERS {
	uint64_t Cr0, Cr2, Cr3, Cr4;
	uint64_t KernelDr0, KernelDr1, KernelDr2, KernelDr3, KernelDr6, KernelDr7;
	KDESCRIPTOR Gdtr, Idtr;
	uint16_t Tr, Ldtr;
	uint32_t MxCsr;
	uint64_t DebugControl;
	uint64_t LastBranchToRip, LastBranchFromRip;
	uint64_t LastExceptionToRip, LastExceptionFromRip;
	uint64_t Cr8;
	uint64_t MsrGsBase, MsrGsSwap, MsrStar, MsrLStar, MsrCStar, MsrSyscallMask;
} KSPECIAL_REGISTERS;

/* ---- wdbgexts.h ---- */

typedef struct _DBGKD_GET_VERSION64 {
	uint16_t MajorVersion; /* high byte: DBGKD_MAJOR_NT = 0; low byte: 0xF free, 0xC checked */
	uint16_t MinorVersion; /* build number */
	uint8_t ProtocolVersion;    /* 6: 64 bit, version 2 */
	uint8_t KdSecondaryVersion; /* 2: the CONTEXT above */
	uint16_t Flags;
	uint16_t MachineType; /* 0x8664 */
	uint8_t MaxPacketType;
	uint8_t MaxStateChange;
	uint8_t MaxManipulate;
	uint8_t Simulation;
	uint16_t Unused[1];
	uint64_t KernBase;
	uint64_t PsLoadedModuleList;
	uint64_t DebuggerDataList;
} DBGKD_GET_VERSION64;

enum { DBGKD_VERS_FLAG_MP = 1, DBGKD_VERS_FLAG_DATA = 2, DBGKD_VERS_FLAG_PTR64 = 4 };

typedef struct _KD_LIST_ENTRY64 {
	uint64_t Flink, Blink;
} KD_LIST_ENTRY64;

typedef struct _DBGKD_DEBUG_DATA_HEADER64 {
	KD_LIST_ENTRY64 List;
	uint32_t OwnerTag; /* 'KDBG' in memory order */
	uint32_t Size;
} DBGKD_DEBUG_DATA_HEADER64;

#define KDBG_TAG 0x4742444Bu

typedef struct _KDDEBUGGER_DATA64 {
	DBGKD_DEBUG_DATA_HEADER64 Header;
	uint64_t KernBase;
	uint64_t BreakpointWithStatus;
	uint64_t SavedContext;
	uint16_t ThCallbackStack, NextCallback, FramePointer;
	uint16_t PaeEnabled;
	uint64_t KiCallUserMode;
	uint64_t KeUserCallbackDispatcher;
	uint64_t PsLoadedModuleList;
	uint64_t PsActiveProcessHead;
	uint64_t PspCidTable;
	uint64_t ExpSystemResourcesList;
	uint64_t ExpPagedPoolDescriptor;
	uint64_t ExpNumberOfPagedPools;
	uint64_t KeTimeIncrement;
	uint64_t KeBugCheckCallbackListHead;
	uint64_t KiBugcheckData;
	uint64_t IopErrorLogListHead;
	uint64_t ObpRootDirectoryObject;
	uint64_t ObpTypeObjectType;
	uint64_t MmSystemCacheStart, MmSystemCacheEnd, MmSystemCacheWs;
	uint64_t MmPfnDatabase;
	uint64_t MmSystemPtesStart, MmSystemPtesEnd;
	uint64_t MmSubsectionBase;
	uint64_t MmNumberOfPagingFiles;
	uint64_t MmLowestPhysicalPage, MmHighestPhysicalPage, MmNumberOfPhysicalPages;
	uint64_t MmMaximumNonPagedPoolInBytes;
	uint64_t MmNonPagedSystemStart, MmNonPagedPoolStart, MmNonPagedPoolEnd;
	uint64_t MmPagedPoolStart, MmPagedPoolEnd, MmPagedPoolInformation;
	uint64_t MmPageSize;
	uint64_t MmSizeOfPagedPoolInBytes;
	uint64_t MmTotalCommitLimit, MmTotalCommittedPages;
	uint64_t MmSharedCommit, MmDriverCommit, MmProcessCommit, MmPagedPoolCommit;
	uint64_t MmExtendedCommit;
	uint64_t MmZeroedPageListHead, MmFreePageListHead, MmStandbyPageListHead;
	uint64_t MmModifiedPageListHead, MmModifiedNoWritePageListHead;
	uint64_t MmAvailablePages, MmResidentAvailablePages;
	uint64_t PoolTrackTable;
	uint64_t NonPagedPoolDescriptor;
	uint64_t MmHighestUserAddress, MmSystemRangeStart, MmUserProbeAddress;
	uint64_t KdPrintCircularBuffer, KdPrintCircularBufferEnd;
	uint64_t KdPrintWritePointer, KdPrintRolloverCount;
	uint64_t MmLoadedUserImageList;
	uint64_t NtBuildLab;
	uint64_t KiNormalSystemCall;
	uint64_t KiProcessorBlock;
	uint64_t MmUnloadedDrivers, MmLastUnloadedDriver;
	uint64_t MmTriageActionTaken;
	uint64_t MmSpecialPoolTag;
	uint64_t KernelVerifier;
	uint64_t MmVerifierData;
	uint64_t MmAllocatedNonPagedPool;
	uint64_t MmPeakCommitment;
	uint64_t MmTotalCommitLimitMaximum;
	uint64_t CmNtCSDVersion;
	uint64_t MmPhysicalMemoryBlock;
	uint64_t MmSessionBase, MmSessionSize;
	uint64_t MmSystemParentTablePage;
	uint64_t MmVirtualTranslationBase;
	uint16_t OffsetKThreadNextProcessor;
	uint16_t OffsetKThreadTeb;
	uint16_t OffsetKThreadKernelStack;
	uint16_t OffsetKThreadInitialStack;
	uint16_t OffsetKThreadApcProcess;
	uint16_t OffsetKThreadState;
	uint16_t OffsetKThreadBStore;
	uint16_t OffsetKThreadBStoreLimit;
	uint16_t SizeEProcess;
	uint16_t OffsetEprocessPeb;
	uint16_t OffsetEprocessParentCID;
	uint16_t OffsetEprocessDirectoryTableBase;
	uint16_t SizePrcb;
	uint16_t OffsetPrcbDpcRoutine;
	uint16_t OffsetPrcbCurrentThread;
	uint16_t OffsetPrcbMhz;
	uint16_t OffsetPrcbCpuType;
	uint16_t OffsetPrcbVendorString;
	uint16_t OffsetPrcbProcStateContext;
	uint16_t OffsetPrcbNumber;
	uint16_t SizeEThread;
	uint64_t KdPrintCircularBufferPtr;
	uint64_t KdPrintBufferSize;
	uint64_t KeLoaderBlock;
	uint16_t SizePcr;
	uint16_t OffsetPcrSelfPcr;
	uint16_t OffsetPcrCurrentPrcb;
	uint16_t OffsetPcrContainedPrcb;
	uint16_t OffsetPcrInitialBStore;
	uint16_t OffsetPcrBStoreLimit;
	uint16_t OffsetPcrInitialStack;
	uint16_t OffsetPcrStackLimit;
	uint16_t OffsetPrcbPcrPage;
	uint16_t OffsetPrcbProcStateSpecialReg;
	uint16_t GdtR0Code, GdtR0Data, GdtR0Pcr, GdtR3Code, GdtR3Data, GdtR3Teb;
	uint16_t GdtLdt, GdtTss, Gdt64R3CmCode, Gdt64R3CmTeb;
	uint64_t IopNumTriageDumpDataBlocks;
	uint64_t IopTriageDumpDataBlocks;
	uint64_t VfCrashDataBlock;
	uint64_t MmBadPagesDetected;
	uint64_t MmZeroedPageSingleBitErrorsDetected;
	uint64_t EtwpDebuggerData;
	uint16_t OffsetPrcbContext;
	uint16_t OffsetPrcbMaxBreakpoints;
	uint16_t OffsetPrcbMaxWatchpoints;
	uint32_t OffsetKThreadStackLimit;
	uint32_t OffsetKThreadStackBase;
	uint32_t OffsetKThreadQueueListEntry;
	uint32_t OffsetEThreadIrpList;
	uint16_t OffsetPrcbIdleThread;
	uint16_t OffsetPrcbNormalDpcState;
	uint16_t OffsetPrcbDpcStack;
	uint16_t OffsetPrcbIsrStack;
	uint16_t SizeKDPC_STACK_FRAME;
	uint16_t OffsetKPriQueueThreadListHead;
	uint16_t OffsetKThreadWaitReason;
	uint16_t Padding;
	uint64_t PteBase;
} KDDEBUGGER_DATA64;

_Static_assert(sizeof(CONTEXT) == 1232, "CONTEXT");
_Static_assert(__builtin_offsetof(CONTEXT, Rip) == 0xf8, "CONTEXT.Rip");
_Static_assert(__builtin_offsetof(CONTEXT, FltSave) == 0x100, "CONTEXT.FltSave");
_Static_assert(sizeof(EXCEPTION_RECORD64) == 152, "EXCEPTION_RECORD64");
_Static_assert(sizeof(KSPECIAL_REGISTERS) == 216, "KSPECIAL_REGISTERS");
_Static_assert(sizeof(DBGKD_GET_VERSION64) == 40, "DBGKD_GET_VERSION64");
_Static_assert(__builtin_offsetof(KDDEBUGGER_DATA64, PsLoadedModuleList) == 0x48, "KDBG");
_Static_assert(__builtin_offsetof(KDDEBUGGER_DATA64, KiProcessorBlock) == 0x218, "KDBG");

#endif
