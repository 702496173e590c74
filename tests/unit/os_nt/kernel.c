/*
 * A kernel's memory as a C program: the structures that os/nt reads, with the public NT names, filled
 * in by the compiler. Built at test time for Windows in two layouts (LAYOUT_B moves every field), so
 * that a constant offset in the debugger gives wrong answers in one of them. Never executed.
 *
 * The image is linked at KERNEL_BASE; the test lays it out there. `user_area` is copied to the
 * physical pages that the test's page tables map at USER_VA.
 */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define KERNEL_BASE 0xfffff80012340000ULL
#define USER_VA	    0x0000000140000000ULL
#define OFF(t, f)   ((u64)__builtin_offsetof(struct t, f))
#define VA(x)	    ((u64)&(x))

#ifdef LAYOUT_B
#define ORDER(x, y) u64 : 64; y; u64 : 64; x; u64 : 64;
#else
#define ORDER(x, y) x; y;
#endif

typedef struct _LIST_ENTRY {
	struct _LIST_ENTRY *Flink, *Blink;
} LIST_ENTRY;

typedef struct _UNICODE_STRING {
	u16 Length, MaximumLength;
	u16 *Buffer;
} UNICODE_STRING;

typedef struct _CLIENT_ID {
	u64 UniqueProcess, UniqueThread;
} CLIENT_ID;

typedef struct _DISPATCHER_HEADER {
	ORDER(u8 Type, u32 Lock)
} DISPATCHER_HEADER;

typedef struct _KPROCESS {
	DISPATCHER_HEADER Header;
#ifdef LAYOUT_B
	u64 UserDirectoryTableBase;
	LIST_ENTRY ThreadListHead; /* only here in this layout */
	u64 DirectoryTableBase;
#else
	u64 DirectoryTableBase[2]; /* as NT 5 has it */
#endif
	u8 BasePriority;
} KPROCESS;

typedef struct _OBJECT_TYPE {
	ORDER(u32 Index, UNICODE_STRING Name)
} OBJECT_TYPE;

typedef struct _OBJECT_HEADER_CREATOR_INFO {
	ORDER(LIST_ENTRY TypeList, u64 CreatorUniqueProcess)
} OBJECT_HEADER_CREATOR_INFO;

typedef struct _OBJECT_HEADER_NAME_INFO {
	ORDER(struct _OBJECT_DIRECTORY *Directory, UNICODE_STRING Name)
} OBJECT_HEADER_NAME_INFO;

/* In layout A as in NT 5, in layout B as in NT 10. */
typedef struct _OBJECT_HEADER {
#ifdef LAYOUT_B
	u64 HandleCount;
	u8 InfoMask, TypeIndex; /* mixed with a cookie and the header's address: the test does it */
	u64 PointerCount, Lock;
#else
	u64 PointerCount, HandleCount;
	OBJECT_TYPE *Type;
	u8 NameInfoOffset, HandleInfoOffset, QuotaInfoOffset, Flags;
#endif
	u64 Body;
} OBJECT_HEADER;

typedef struct _OBJECT_DIRECTORY_ENTRY {
	ORDER(struct _OBJECT_DIRECTORY_ENTRY *ChainLink, void *Object)
} OBJECT_DIRECTORY_ENTRY;

typedef struct _OBJECT_DIRECTORY {
#ifdef LAYOUT_B
	u64 Lock;
#endif
	OBJECT_DIRECTORY_ENTRY *HashBuckets[5];
} OBJECT_DIRECTORY;

typedef struct _OBJECT_SYMBOLIC_LINK {
	ORDER(u64 CreationTime, UNICODE_STRING LinkTarget)
} OBJECT_SYMBOLIC_LINK;

typedef struct _HANDLE_TABLE_ENTRY {
#ifdef LAYOUT_B
	u64 Unlocked : 1, RefCnt : 16, Attributes : 3,
		ObjectPointerBits : 44; /* filled by the test */
	u32 GrantedAccessBits : 25, NoRightsUpgrade : 1, Spare1 : 6;
	u32 Spare2;
#else
	void *Object;
	union {
		u32 GrantedAccess;
		u32 NextFreeTableEntry;
	};
#endif
} HANDLE_TABLE_ENTRY;

#ifdef LAYOUT_B
typedef struct _HANDLE_TABLE_FREE_LIST {
	u64 FreeListLock;
	u32 HandleCount, HighWaterMark;
} HANDLE_TABLE_FREE_LIST;
#endif

typedef struct _HANDLE_TABLE {
	ORDER(u32 NextHandleNeedingPool, void *TableCode)
#ifdef LAYOUT_B
	HANDLE_TABLE_FREE_LIST FreeLists[1];
#else
	u32 HandleCount;
#endif
} HANDLE_TABLE;

typedef struct _MM_SESSION_SPACE {
	ORDER(u32 Flags, u32 SessionId)
} MM_SESSION_SPACE;

typedef struct _RTL_BALANCED_NODE {
	ORDER(struct _RTL_BALANCED_NODE *Left, struct _RTL_BALANCED_NODE *Right)
} RTL_BALANCED_NODE;

typedef struct _RTL_AVL_TREE {
	RTL_BALANCED_NODE *Root;
} RTL_AVL_TREE;

typedef struct _EPROCESS {
#ifdef LAYOUT_B
	u64 Before[8];
	u8 ImageFileName[15];
	u64 InheritedFromUniqueProcessId;
	LIST_ENTRY ActiveProcessLinks;
	KPROCESS Pcb;
	void *ObjectTable;
	u64 Peb;
	void *Session;
	u64 UniqueProcessId;
	struct _RTL_AVL_TREE VadRoot;
#else
	KPROCESS Pcb;
	u64 Lock;
	struct _RTL_AVL_TREE VadRoot;
	u64 UniqueProcessId;
	LIST_ENTRY ActiveProcessLinks;
	void *Session;
	void *ObjectTable;
	u64 Peb;
	u64 InheritedFromUniqueProcessId;
	LIST_ENTRY ThreadListHead;
	u8 ImageFileName[15];
#endif
} EPROCESS;

typedef struct _KAPC_STATE {
	ORDER(LIST_ENTRY ApcListHead[2], KPROCESS *Process)
} KAPC_STATE;

typedef struct _KTHREAD {
	DISPATCHER_HEADER Header;
#ifdef LAYOUT_B
	KPROCESS *Process;
	u8 WaitReason;
	u8 State;
	LIST_ENTRY ThreadListEntry; /* only here in this layout */
	u64 KernelStack;
	KAPC_STATE ApcState;
	u64 Teb;
	u64 TrapFrame;
	u8 Priority;
	u8 WaitMode;
#else
	u64 InitialStack;
	u64 StackLimit;
	u64 KernelStack;
	u64 StackBase;
	KAPC_STATE ApcState;
	u8 State;
	u8 WaitMode;
	u8 WaitReason;
	u8 Priority;
	u8 BasePriority;
	u64 Teb;
	u64 TrapFrame;
	KPROCESS *Process;
#endif
} KTHREAD;

typedef struct _ETHREAD {
#ifdef LAYOUT_B
	u64 StartAddress;
	CLIENT_ID Cid;
	u64 Gap[3];
	KTHREAD Tcb;
#else
	KTHREAD Tcb;
	u64 StartAddress;
	CLIENT_ID Cid;
	LIST_ENTRY ThreadListEntry;
#endif
} ETHREAD;

typedef struct _KPRCB {
	ORDER(u32 MxCsr, KTHREAD *CurrentThread)
	KTHREAD *NextThread;
	KTHREAD *IdleThread;
	u8 DebuggerSavedIRQL;
} KPRCB;

typedef struct _KPCR {
	ORDER(u64 GdtBase, u64 IdtBase)
	KPRCB Prcb;
} KPCR;

/* public layout (winternl.h) in layout A, so that it can be read without types */
typedef struct _LDR_DATA_TABLE_ENTRY {
	LIST_ENTRY InLoadOrderLinks;
#ifdef LAYOUT_B
	u64 Moved[6];
	UNICODE_STRING BaseDllName;
	u32 SizeOfImage;
	u64 DllBase;
	UNICODE_STRING FullDllName;
	LIST_ENTRY InMemoryOrderLinks;
	u64 EntryPoint;
	u32 CheckSum;
	u32 TimeDateStamp;
#else
	LIST_ENTRY InMemoryOrderLinks;
	LIST_ENTRY InInitializationOrderLinks;
	u64 DllBase;
	u64 EntryPoint;
	u32 SizeOfImage;
	UNICODE_STRING FullDllName;
	UNICODE_STRING BaseDllName;
	u32 Flags;
	u16 LoadCount, TlsIndex;
	LIST_ENTRY HashLinks;
	u32 TimeDateStamp;
	u32 CheckSum;
#endif
} LDR_DATA_TABLE_ENTRY;

#ifdef LAYOUT_B
/* Layout A has no such type: then the user loader's serves drivers too. */
typedef struct _KLDR_DATA_TABLE_ENTRY {
	u32 CheckSum;
	u32 TimeDateStamp;
	u64 DllBase;
	LIST_ENTRY InLoadOrderLinks;
	u32 SizeOfImage;
	UNICODE_STRING BaseDllName, FullDllName;
} KENTRY;
#else
typedef LDR_DATA_TABLE_ENTRY KENTRY;
#endif

typedef struct _PEB_LDR_DATA {
#ifdef LAYOUT_B
	u64 Moved[3];
#else
	u32 Length;
	u8 Initialized;
	void *SsHandle;
#endif
	LIST_ENTRY InLoadOrderModuleList;
	LIST_ENTRY InMemoryOrderModuleList;
} PEB_LDR_DATA;

typedef struct _PEB {
#ifdef LAYOUT_B
	u64 Moved[9];
	u8 BeingDebugged;
	u64 ProcessParameters;
	u64 ImageBaseAddress;
#else
	u8 InheritedAddressSpace, ReadImageFileExecOptions, BeingDebugged, BitField;
	u64 Mutant;
	u64 ImageBaseAddress;
#endif
	u64 Ldr;
#ifndef LAYOUT_B
	u64 ProcessParameters;
#endif
} PEB;

typedef struct _RTL_USER_PROCESS_PARAMETERS {
	ORDER(u32 Flags, UNICODE_STRING ImagePathName)
	UNICODE_STRING CommandLine;
	ORDER(u64 Environment, u64 EnvironmentSize)
} RTL_USER_PROCESS_PARAMETERS;

typedef struct _NT_TIB {
	u64 ExceptionList, StackBase, StackLimit, SubSystemTib, FiberData, ArbitraryUserPointer, Self;
} NT_TIB;

typedef struct _TEB {
	NT_TIB NtTib;
	ORDER(u64 ProcessEnvironmentBlock, CLIENT_ID ClientId)
	ORDER(u32 LastErrorValue, u32 LastStatusValue)
} TEB;

typedef struct _MMVAD_FLAGS {
	u32 Lock : 1, VadType : 3, Protection : 5, PrivateMemory : 1;
} MMVAD_FLAGS;

typedef struct _MMVAD_SHORT {
	RTL_BALANCED_NODE VadNode; /* first: the tree's pointers are VADs */
	ORDER(u32 StartingVpn, u32 EndingVpn)
	u8 StartingVpnHigh, EndingVpnHigh;
	union {
		u32 LongFlags;
		MMVAD_FLAGS VadFlags;
	} u;
	union {
		u32 LongFlags1;
		struct {
			u32 CommitCharge : 31, MemCommit : 1;
		} VadFlags1;
	} u1;
} MMVAD_SHORT;

typedef struct _FILE_OBJECT {
	ORDER(u16 Type, UNICODE_STRING FileName)
	void *DeviceObject;
} FILE_OBJECT;

typedef struct _KDEVICE_QUEUE_ENTRY {
	LIST_ENTRY DeviceListEntry;
	u32 SortKey;
} KDEVICE_QUEUE_ENTRY;

typedef struct _KDEVICE_QUEUE {
	ORDER(LIST_ENTRY DeviceListHead, u8 Busy)
} KDEVICE_QUEUE;

typedef struct _IRP {
	ORDER(u16 Type, u32 Flags)
	union {
		struct {
			ORDER(u64 AuxiliaryBuffer, KDEVICE_QUEUE_ENTRY DeviceQueueEntry)
		} Overlay;
	} Tail;
} IRP;

typedef struct _DEVICE_NODE {
	ORDER(UNICODE_STRING InstancePath, UNICODE_STRING ServiceName)
} DEVICE_NODE;

/* In layout B drivers see another type than the kernel has. */
#ifdef LAYOUT_B
typedef struct _DEVOBJ_EXTENSION {
	u16 Type;
} DEVOBJ_EXTENSION;
typedef struct _EXTENDED_DEVOBJ_EXTENSION {
#else
typedef struct _DEVOBJ_EXTENSION {
#endif
	ORDER(u32 ExtensionFlags, DEVICE_NODE *DeviceNode)
	struct _DEVICE_OBJECT *AttachedTo;
} FULL_EXTENSION;

typedef struct _DEVICE_OBJECT {
	ORDER(u32 ReferenceCount, struct _DRIVER_OBJECT *DriverObject)
	ORDER(struct _DEVICE_OBJECT *NextDevice, struct _DEVICE_OBJECT *AttachedDevice)
	ORDER(IRP *CurrentIrp, u32 Flags)
	ORDER(u32 Characteristics, u32 DeviceType)
	ORDER(void *DeviceExtension, void *Vpb)
	ORDER(KDEVICE_QUEUE DeviceQueue, void *DeviceObjectExtension)
} DEVICE_OBJECT;

typedef struct _DRIVER_EXTENSION {
	ORDER(struct _DRIVER_OBJECT *DriverObject, u64 AddDevice)
} DRIVER_EXTENSION;

typedef struct _FAST_IO_DISPATCH {
	ORDER(u64 FastIoRead, u64 FastIoWrite)
} FAST_IO_DISPATCH;

typedef struct _DRIVER_OBJECT {
	ORDER(DEVICE_OBJECT *DeviceObject, UNICODE_STRING DriverName)
	ORDER(DRIVER_EXTENSION *DriverExtension, FAST_IO_DISPATCH *FastIoDispatch)
	ORDER(u64 DriverInit, u64 DriverUnload)
	u64 MajorFunction[28];
} DRIVER_OBJECT;

typedef struct _EX_FAST_REF {
	void *Object;
} EX_FAST_REF;

typedef struct _CONTROL_AREA {
	ORDER(u32 Flags, EX_FAST_REF FilePointer)
} CONTROL_AREA;

typedef struct _SUBSECTION {
	ORDER(u32 Flags, CONTROL_AREA *ControlArea)
} SUBSECTION;

typedef struct _MMVAD {
	MMVAD_SHORT Core;
	ORDER(u64 FirstPrototypePte, SUBSECTION *Subsection)
} MMVAD;

typedef struct _KSWITCH_FRAME {
#ifdef LAYOUT_B
	u64 Rbx, R15, Rbp;
	u64 MxCsr;
	u64 Return;
#else
	u64 P1Home, P2Home, P3Home, P4Home, P5Home;
	u32 MxCsr;
	u8 ApcBypass, Fill1[3];
	u64 Rbp;
	u64 Return;
#endif
} KSWITCH_FRAME;

typedef struct _KTRAP_FRAME {
	ORDER(u64 Rax, u64 Rcx)
	u64 Rbp;
	ORDER(u64 Rip, u64 Rsp)
	u16 SegCs;
	ORDER(u32 EFlags, u16 SegSs)
} KTRAP_FRAME;

typedef struct _MMPTE_SOFTWARE {
#ifdef LAYOUT_B /* as in later kernels */
	u64 Valid : 1, PageFileReserved : 1, PageFileAllocated : 1, Unused0 : 2, Protection : 5;
	u64 Prototype : 1, Transition : 1, PageFileLow : 4, UsedPageTableEntries : 10, Unused1 : 6;
	u64 PageFileHigh : 32;
#else
	u64 Valid : 1, PageFileLow : 4, Protection : 5, Prototype : 1, Transition : 1;
	u64 UsedPageTableEntries : 10, Reserved : 10, PageFileHigh : 32;
#endif
} MMPTE_SOFTWARE;

typedef struct _MMPTE_TRANSITION {
	u64 Valid : 1, Write : 1, Spare : 3, Protection : 5, Prototype : 1, Transition : 1;
	u64 PageFrameNumber : 36, Unused : 16;
} MMPTE_TRANSITION;

typedef struct _MMPTE_PROTOTYPE {
	u64 Valid : 1, DemandFillProto : 1, Hidden : 1, ReadOnly : 1, Combined : 1, Unused1 : 5;
	u64 Prototype : 1, Unused2 : 5;
	u64 ProtoAddress : 48;
} MMPTE_PROTOTYPE;

enum _KWAIT_REASON { Executive, FreePage, PageIn, PoolAllocation, DelayExecution, WrQueue = 9,
	MaximumWaitReason = 11 };

/* types that nothing else here mentions */
MMPTE_SOFTWARE UseSoftware;
MMPTE_TRANSITION UseTransition;
MMPTE_PROTOTYPE UsePrototype;
enum _KWAIT_REASON UseReason;

/* ---- a process's user memory: page 0 structures, page 1 names ---- */

#define UA(f)	(USER_VA + OFF(user_area, f))
#define UP(f)	((void *)UA(f))
#define USTRU(f, n) {n, n + 2, (u16 *)UA(f)}
struct user_area {
	union {
		struct {
			PEB peb;
			PEB_LDR_DATA ldr;
			LDR_DATA_TABLE_ENTRY exe, ntdll;
			RTL_USER_PROCESS_PARAMETERS params;
			TEB teb;
		};
		u8 page0[4096];
	};
	union {
		struct {
			u16 exe_path[32], exe_base[16], ntdll_path[32], ntdll_base[16];
			u16 command_line[32], environment[32];
		};
		u8 page1[4096];
	};
};
/* ---- objects ---- */

extern EPROCESS SystemProcess, HasherProcess, CaptureProcess;
extern ETHREAD SystemThread, HasherThread, CaptureThread, CaptureThread2;
extern LIST_ENTRY PsActiveProcessHead;

/* The object manager: \\ holds Device and DosDevices, Device holds Harddisk0 and Null in one
 * bucket. */
#ifdef LAYOUT_B
#define NAMED(o, t)    .InfoMask = 2, .TypeIndex = t
#define NAMED_CR(o, t) .InfoMask = 3, .TypeIndex = t
#define UNNAMED(o, t)  .TypeIndex = t
#define IN_USE(n)      .FreeLists = {{.HandleCount = n}}
#else
#define TYPE(t)                                                                                    \
	.Type = t == 2	 ? &TypeDirectory                                                          \
		: t == 3 ? &TypeLink                                                               \
		: t == 4 ? &TypeDevice                                                             \
		: t == 6 ? &TypeDriver                                                             \
			 : &TypeFile
#define NAMED(o, t) TYPE(t), .NameInfoOffset = sizeof(OBJECT_HEADER_NAME_INFO)
#define NAMED_CR(o, t)                                                                             \
	TYPE(t), .NameInfoOffset =                                                                 \
			 sizeof(OBJECT_HEADER_NAME_INFO) + sizeof(OBJECT_HEADER_CREATOR_INFO)
#define UNNAMED(o, t) TYPE(t)
#define IN_USE(n)     .HandleCount = n
#endif
#define WIDE(id, s) static u16 id[] = s
#define TEXT_OF(s)                                                                                 \
	{                                                                                          \
		sizeof s - 2, sizeof s, s                                                          \
	}
WIDE(DirectoryName, L"Directory");
WIDE(LinkName, L"SymbolicLink");
WIDE(DeviceName, L"Device");
WIDE(FileName, L"File");
WIDE(DriverText, L"Driver");
OBJECT_TYPE TypeDirectory = {.Name = TEXT_OF(DirectoryName), .Index = 2};
OBJECT_TYPE TypeLink = {.Name = TEXT_OF(LinkName), .Index = 3};
OBJECT_TYPE TypeDevice = {.Name = TEXT_OF(DeviceName), .Index = 4};
OBJECT_TYPE TypeFile = {.Name = TEXT_OF(FileName), .Index = 5};
OBJECT_TYPE TypeDriver = {.Name = TEXT_OF(DriverText), .Index = 6};
#ifdef LAYOUT_B
OBJECT_TYPE *ObTypeIndexTable[8] = {
	0, 0, &TypeDirectory, &TypeLink, &TypeDevice, &TypeFile, &TypeDriver};
u8 ObHeaderCookie = 0x5a;
#endif

/* What stands before a header, farthest first; the body begins at the header's last member. */
#define OBJECT(type)                                                                               \
	struct {                                                                                   \
		OBJECT_HEADER_NAME_INFO n;                                                         \
		OBJECT_HEADER_CREATOR_INFO c;                                                      \
		union {                                                                            \
			OBJECT_HEADER h;                                                           \
			struct {                                                                   \
				u8 head[OFF(_OBJECT_HEADER, Body)];                                \
				type body;                                                         \
			} b;                                                                       \
		} u;                                                                               \
	}
#define PLAIN(type)                                                                                \
	struct {                                                                                   \
		OBJECT_HEADER_NAME_INFO n;                                                         \
		union {                                                                            \
			OBJECT_HEADER h;                                                           \
			struct {                                                                   \
				u8 head[OFF(_OBJECT_HEADER, Body)];                                \
				type body;                                                         \
			} b;                                                                       \
		} u;                                                                               \
	}
#define ALIGNED __declspec(align(16))
WIDE(RootText, L"\\");
WIDE(DosDevicesText, L"DosDevices");
WIDE(DosTarget, L"\\??");
WIDE(DiskText, L"Harddisk0");
WIDE(NullText, L"Null");
WIDE(OpenText, L"\\boot.ini");
ALIGNED OBJECT(OBJECT_DIRECTORY) RootObject = {.n = {.Name = TEXT_OF(RootText)},
	.u = {.h = {NAMED_CR(RootObject, 2), .PointerCount = 12, .HandleCount = 1}}};
ALIGNED OBJECT(OBJECT_DIRECTORY) DeviceDirectory = {
	.n = {.Name = TEXT_OF(DeviceName), .Directory = &RootObject.u.b.body},
	.u = {.h = {NAMED_CR(DeviceDirectory, 2), .PointerCount = 7}}};
ALIGNED PLAIN(OBJECT_SYMBOLIC_LINK) DosDevices = {
	.n = {.Name = TEXT_OF(DosDevicesText), .Directory = &RootObject.u.b.body},
	.u = {.h = {NAMED(DosDevices, 3), .PointerCount = 1}}};
ALIGNED PLAIN(DEVICE_OBJECT) DiskDevice = {
	.n = {.Name = TEXT_OF(DiskText), .Directory = &DeviceDirectory.u.b.body},
	.u = {.h = {NAMED(DiskDevice, 4), .PointerCount = 6, .HandleCount = 2}}};
ALIGNED PLAIN(u64) NullDevice = {
	.n = {.Name = TEXT_OF(NullText), .Directory = &DeviceDirectory.u.b.body},
	.u = {.h = {NAMED(NullDevice, 4), .PointerCount = 2}}};
ALIGNED PLAIN(FILE_OBJECT) OpenFile = {
	.u = {.h = {UNNAMED(OpenFile, 5), .PointerCount = 3, .HandleCount = 1}}};
ALIGNED OBJECT(OBJECT_DIRECTORY) DriverDirectory = {
	.n = {.Name = TEXT_OF(DriverText), .Directory = &RootObject.u.b.body},
	.u = {.h = {NAMED_CR(DriverDirectory, 2), .PointerCount = 1}}};
WIDE(DiskDriverText, L"disk");
ALIGNED PLAIN(DRIVER_OBJECT) DiskDriver = {
	.n = {.Name = TEXT_OF(DiskDriverText), .Directory = &DriverDirectory.u.b.body},
	.u = {.h = {NAMED(DiskDriver, 6), .PointerCount = 4}}};
ALIGNED PLAIN(DEVICE_OBJECT) FilterDevice = {
	.u = {.h = {UNNAMED(FilterDevice, 4), .PointerCount = 1}}};
OBJECT_HEADER *Headers[] = {&RootObject.u.h, &DeviceDirectory.u.h, &DosDevices.u.h, &DiskDevice.u.h,
	&NullDevice.u.h, &OpenFile.u.h, &DriverDirectory.u.h, &DiskDriver.u.h, &FilterDevice.u.h};
/* Bodies that do not fit into the initialisers above: the test copies them. */
OBJECT_DIRECTORY_ENTRY RootEntries[2] = {
	{.Object = &DeviceDirectory.u.b.body}, {.Object = &DosDevices.u.b.body}};
OBJECT_DIRECTORY_ENTRY NullEntry = {.Object = &NullDevice.u.b.body};
OBJECT_DIRECTORY_ENTRY DiskEntry = {.Object = &DiskDevice.u.b.body, .ChainLink = &NullEntry};
OBJECT_DIRECTORY_ENTRY RootDriver = {.Object = &DriverDirectory.u.b.body};
OBJECT_DIRECTORY_ENTRY DriverEntryOf = {.Object = &DiskDriver.u.b.body};
OBJECT_DIRECTORY RootBody = {
	.HashBuckets = {[0] = &RootDriver, [1] = &RootEntries[0], [4] = &RootEntries[1]}};
OBJECT_DIRECTORY DriverBody = {.HashBuckets = {[3] = &DriverEntryOf}};
OBJECT_DIRECTORY DeviceBody = {.HashBuckets = {[2] = &DiskEntry}};
OBJECT_SYMBOLIC_LINK LinkBody = {.LinkTarget = TEXT_OF(DosTarget)};
FILE_OBJECT FileBody = {.FileName = TEXT_OF(OpenText), .DeviceObject = &DiskDevice.u.b.body};
/* disk made Harddisk0 and a device without a name that stands on top of it. */
WIDE(DiskPath, L"\\Driver\\disk");
WIDE(InstanceText, L"IDE\\DISK\\1");
WIDE(ServiceText, L"disk");
extern IRP Queued;
DEVICE_NODE DiskNode = {.InstancePath = TEXT_OF(InstanceText), .ServiceName = TEXT_OF(ServiceText)};
FULL_EXTENSION DiskExtension = {.ExtensionFlags = 0x10, .DeviceNode = &DiskNode};
FULL_EXTENSION FilterExtension = {.AttachedTo = &DiskDevice.u.b.body};
#define QUEUED_LINK &Queued.Tail.Overlay.DeviceQueueEntry.DeviceListEntry
DEVICE_OBJECT DiskBody = {.DriverObject = &DiskDriver.u.b.body,
	.ReferenceCount = 9,
	.DeviceType = 7,
	.Flags = 0x50,
	.AttachedDevice = &FilterDevice.u.b.body,
	.Characteristics = 0x101,
	.Vpb = &DiskNode,
	.DeviceExtension = &RootBody,
	.CurrentIrp = &Queued,
	.DeviceObjectExtension = &DiskExtension,
	.DeviceQueue = {.Busy = 1, .DeviceListHead = {QUEUED_LINK, QUEUED_LINK}}};
#define DISK_QUEUE                                                                                 \
	((LIST_ENTRY *)((u8 *)&DiskDevice.u.b.body +                                               \
			OFF(_DEVICE_OBJECT, DeviceQueue.DeviceListHead)))
IRP Queued = {.Tail = {.Overlay = {.DeviceQueueEntry = {{DISK_QUEUE, DISK_QUEUE}}}}};
DEVICE_OBJECT FilterBody = {.DriverObject = &DiskDriver.u.b.body,
	.NextDevice = &DiskDevice.u.b.body,
	.DeviceObjectExtension = &FilterExtension};
void *ObpRootDirectoryObject = &RootObject.u.b.body;

/* Handles: 4 and c in the first page of capture's table, 404 in the second; 44 among the ids. */
#ifdef LAYOUT_B
#define ENTRY(header, attributes, access)                                                          \
	{                                                                                          \
		.GrantedAccessBits = access, .Attributes = attributes                              \
	}
#else
#define ENTRY(header, attributes, access)                                                          \
	{                                                                                          \
		.Object = (u8 *)header + (attributes & 6),                                         \
		.GrantedAccess = access | (attributes & 1) << 25                                   \
	}
#endif
__declspec(align(4096)) HANDLE_TABLE_ENTRY HandlePage0[256] = {
	[1] = ENTRY(&RootObject.u.h, 2, 0xf), [3] = ENTRY(&OpenFile.u.h, 1, 0x120089)};
__declspec(align(4096)) HANDLE_TABLE_ENTRY HandlePage1[256] = {
	[1] = ENTRY(&DiskDevice.u.h, 0, 0x1f01ff)};
__declspec(align(4096)) HANDLE_TABLE_ENTRY IdPage[256] = {
	[0x11] = ENTRY(&NullDevice.u.b.body, 0, 0)};
void *EntryTargets[] = {&HandlePage0[1], &RootObject.u.h, &HandlePage0[3], &OpenFile.u.h,
	&HandlePage1[1], &DiskDevice.u.h, &IdPage[0x11], &NullDevice.u.b.body};
__declspec(align(16)) void *HandlePages[512] = {HandlePage0, HandlePage1};
HANDLE_TABLE CaptureHandles = {
	IN_USE(77), .TableCode = (u8 *)HandlePages + 1, .NextHandleNeedingPool = 0x800};
HANDLE_TABLE KernelHandles = {IN_USE(2), .TableCode = HandlePage0, .NextHandleNeedingPool = 0x400};
HANDLE_TABLE IdTable = {IN_USE(1), .TableCode = IdPage, .NextHandleNeedingPool = 0x400};
HANDLE_TABLE *ObpKernelHandleTable = &KernelHandles, *PspCidTable = &IdTable;
MM_SESSION_SPACE Session1 = {.SessionId = 3};

#ifdef LAYOUT_B
#define HEAD(a, b)  .Pcb.ThreadListHead = {&a.Tcb.ThreadListEntry, &b.Tcb.ThreadListEntry}
#define ROOTH(p)    (&p.Pcb.ThreadListHead)
#define LINKS(a, b) .Tcb.ThreadListEntry = {a, b}
#define LINK(t)	    (&t.Tcb.ThreadListEntry)
#define SHADOW(v)   .Pcb.UserDirectoryTableBase = v,
#define ROOT(v)	    .Pcb.DirectoryTableBase = v,
#else
#define HEAD(a, b)  .ThreadListHead = {&a.ThreadListEntry, &b.ThreadListEntry}
#define ROOTH(p)    (&p.ThreadListHead)
#define LINKS(a, b) .ThreadListEntry = {a, b}
#define LINK(t)	    (&t.ThreadListEntry)
#define SHADOW(v)
#define ROOT(v) .Pcb.DirectoryTableBase = {v},
#endif

extern MMVAD_SHORT VadRoot, VadLow;
extern MMVAD VadHigh;
#define COMMIT(n)  .u1 = {.VadFlags1 = {.CommitCharge = n}}
#define SPAN(a, b) .StartingVpn = a, .EndingVpn = b
MMVAD_SHORT VadRoot = {.VadNode = {.Left = &VadLow.VadNode, .Right = &VadHigh.Core.VadNode}, SPAN(0x140000, 0x140005),
	.u = {.VadFlags = {.Protection = 4, .PrivateMemory = 1}}, COMMIT(6)};
MMVAD_SHORT VadLow = {SPAN(0x7f0, 0x7ff), .u = {.VadFlags = {.Protection = 4, .PrivateMemory = 1}}, COMMIT(16)};
static u16 NtdllFile[] = L"\\Windows\\System32\\ntdll.dll";
__declspec(align(16)) FILE_OBJECT FileNtdll = {.FileName = {sizeof NtdllFile - 2, sizeof NtdllFile, NtdllFile}};
CONTROL_AREA AreaNtdll = {.FilePointer = {(u8 *)&FileNtdll + 7}}; /* with its count */
SUBSECTION SubNtdll = {.ControlArea = &AreaNtdll};
MMVAD VadHigh = {.Core = {SPAN(0xff800000, 0xff8000ff), .StartingVpnHigh = 7, .EndingVpnHigh = 7,
			.u = {.VadFlags = {.Protection = 7, .VadType = 2}}},
	.Subsection = &SubNtdll};

EPROCESS SystemProcess = {
	.Pcb = {.Header = {.Type = 3}},
	ROOT(0x1000)
	.UniqueProcessId = 4,
	.ActiveProcessLinks = {&HasherProcess.ActiveProcessLinks, &PsActiveProcessHead},
	.ImageFileName = "System",
	HEAD(SystemThread, SystemThread),
};
EPROCESS HasherProcess = {
	.Pcb = {.Header = {.Type = 3}},
	ROOT(0x2000 | 2) /* PCID in the low bits */
	SHADOW(1) /* "none" */
	.UniqueProcessId = 0x44,
	.InheritedFromUniqueProcessId = 4,
	.ActiveProcessLinks = {&CaptureProcess.ActiveProcessLinks, &SystemProcess.ActiveProcessLinks},
	.ImageFileName = "multihasher.ex", /* cut as the kernel cuts it */
	HEAD(HasherThread, HasherThread),
};
EPROCESS CaptureProcess = {
	.Pcb = {.Header = {.Type = 3}},
	ROOT(0x3000)
	SHADOW(0x8000 | 0x8000000000000000ULL)
	.UniqueProcessId = 0x48,
	.InheritedFromUniqueProcessId = 0x44,
	.Peb = USER_VA,
	.VadRoot = {&VadRoot.VadNode},
	.ObjectTable = &CaptureHandles,
	.Session = &Session1,
	.ActiveProcessLinks = {&PsActiveProcessHead, &HasherProcess.ActiveProcessLinks},
	.ImageFileName = {'f', 's', 'c', 'a', 'p', 't', 'u', 'r', 'e', '.', 'e', 'x', 'e', 'X', 'Y'},
	HEAD(CaptureThread, CaptureThread2),
};
LIST_ENTRY PsActiveProcessHead = {&SystemProcess.ActiveProcessLinks, &CaptureProcess.ActiveProcessLinks};
__declspec(dllexport) EPROCESS *PsInitialSystemProcess = &SystemProcess;

void KiSwapContext(void)
{
}
void KxUnexpectedInterrupt5(void)
{
}
void KeWaitForSingleObject(void)
{
}

/* The driver that DiskDriver stands for. */
DRIVER_EXTENSION DiskDriverExtension = {.AddDevice = (u64)&KeWaitForSingleObject};
FAST_IO_DISPATCH DiskFastIo = {.FastIoWrite = (u64)&KiSwapContext};
DRIVER_OBJECT DriverObjectBody = {.DeviceObject = &FilterDevice.u.b.body,
	.DriverName = TEXT_OF(DiskPath),
	.DriverExtension = &DiskDriverExtension,
	.FastIoDispatch = &DiskFastIo,
	.DriverInit = (u64)&KiSwapContext,
	.MajorFunction = {[3] = (u64)&KiSwapContext, [27] = (u64)&KeWaitForSingleObject}};

struct {
	KSWITCH_FRAME frame;
	u64 above[4];
} CaptureStack = {{.Rbp = 0x1122334455667788ULL, .Return = (u64)&KiSwapContext}, {(u64)&KeWaitForSingleObject, 0}};

KTRAP_FRAME CaptureTrap = {.Rax = 1, .Rcx = 2, .Rbp = 3, .Rip = USER_VA + 0x123, .Rsp = 0x7ff000,
	.SegCs = 0x33, .SegSs = 0x2b, .EFlags = 0x246};

#define APC(p) .ApcState = {.Process = &p.Pcb}, .Process = &p.Pcb

ETHREAD SystemThread = {
	.Tcb = {.Header = {.Type = 6}, .State = 2, .Priority = 8, APC(SystemProcess)},
	.Cid = {4, 8},
	LINKS(ROOTH(SystemProcess), ROOTH(SystemProcess)),
};
/* Attached to capture, owned by hasher. */
ETHREAD HasherThread = {
	.Tcb = {.Header = {.Type = 6}, .State = 2, .Teb = 0x7ffde000,
		.ApcState = {.Process = &CaptureProcess.Pcb}, .Process = &HasherProcess.Pcb},
	.Cid = {0x44, 0x50},
	LINKS(ROOTH(HasherProcess), ROOTH(HasherProcess)),
};
ETHREAD CaptureThread = {
	.Tcb = {.Header = {.Type = 6}, .State = 5, .WaitReason = 9, .Teb = UA(teb), .WaitMode = 1, .Priority = 12,
		.KernelStack = (u64)&CaptureStack, .TrapFrame = (u64)&CaptureTrap, APC(CaptureProcess)},
	.Cid = {0x48, 0x54},
	.StartAddress = USER_VA + 0x1000,
	LINKS(LINK(CaptureThread2), ROOTH(CaptureProcess)),
};
ETHREAD CaptureThread2 = {
	.Tcb = {.Header = {.Type = 6}, .State = 1, APC(CaptureProcess)},
	.Cid = {0x48, 0x58},
	LINKS(ROOTH(CaptureProcess), LINK(CaptureThread)),
};

KPCR Pcr0 = {.Prcb = {.CurrentThread = &HasherThread.Tcb,
		     .IdleThread = &SystemThread.Tcb,
		     .DebuggerSavedIRQL = 2}};
KPCR Pcr1 = {.Prcb = {.CurrentThread = &SystemThread.Tcb,
		     .IdleThread = &SystemThread.Tcb,
		     .DebuggerSavedIRQL = 7}};
KPRCB *KiProcessorBlock[4] = {&Pcr0.Prcb, &Pcr1.Prcb};
u32 KeNumberProcessors = 2;
u32 KeMaximumIncrement = 156250;

/* ---- kernel modules ---- */

extern KENTRY ModNt, ModHal, ModDump;
LIST_ENTRY PsLoadedModuleList = {&ModNt.InLoadOrderLinks, &ModDump.InLoadOrderLinks};
#define NAME(id, s) static u16 id[] = s
NAME(NtPath, L"\\SystemRoot\\system32\\ntkrnlmp.exe");
NAME(NtBase, L"ntkrnlmp.exe");
NAME(HalPath, L"\\SystemRoot\\system32\\hal.dll");
NAME(HalBase, L"hal.dll");
NAME(DumpPath, L"\\SystemRoot\\System32\\Drivers\\storport.sys");
NAME(DumpBase, L"dump_storport.sys");
#define USTR(s) {sizeof s - 2, sizeof s, s}
KENTRY ModNt = {.InLoadOrderLinks = {&ModHal.InLoadOrderLinks, &PsLoadedModuleList},
	.DllBase = KERNEL_BASE, .SizeOfImage = 0x100000, .TimeDateStamp = 0x11223344,
	.FullDllName = USTR(NtPath), .BaseDllName = USTR(NtBase)};
KENTRY ModHal = {.InLoadOrderLinks = {&ModDump.InLoadOrderLinks, &ModNt.InLoadOrderLinks},
	.DllBase = KERNEL_BASE + 0x200000, .SizeOfImage = 0x20000, .CheckSum = 0x4321,
	.FullDllName = USTR(HalPath), .BaseDllName = USTR(HalBase)};
KENTRY ModDump = {.InLoadOrderLinks = {&PsLoadedModuleList, &ModHal.InLoadOrderLinks},
	.DllBase = KERNEL_BASE + 0x300000, .SizeOfImage = 0x8000,
	.TimeDateStamp = 0x53060a10, /* in layout A half of a pointer: no time */
	.FullDllName = USTR(DumpPath), .BaseDllName = USTR(DumpBase)};

/* ---- the user memory's contents ---- */

__declspec(align(4096)) struct user_area user_area = {
	.peb = {.Ldr = UA(ldr), .BeingDebugged = 1, .ImageBaseAddress = USER_VA + 0x100000,
		.ProcessParameters = UA(params)},
	.params = {.ImagePathName = USTRU(exe_path, 32), .CommandLine = USTRU(command_line, 26),
		.Environment = UA(environment), .EnvironmentSize = 24},
	.teb = {.NtTib = {.StackBase = 0x7ff000, .Self = UA(teb)}, .ProcessEnvironmentBlock = USER_VA,
		.ClientId = {0x48, 0x54}, .LastErrorValue = 5, .LastStatusValue = 0xc0000034},
	.ldr = {.InLoadOrderModuleList = {UP(exe.InLoadOrderLinks), UP(ntdll.InLoadOrderLinks)}},
	.exe = {.InLoadOrderLinks = {UP(ntdll.InLoadOrderLinks), UP(ldr.InLoadOrderModuleList)},
		.DllBase = USER_VA + 0x100000, .SizeOfImage = 0x7000, .TimeDateStamp = 0xabcd,
		.FullDllName = USTRU(exe_path, 32), .BaseDllName = USTRU(exe_base, 26)},
	.ntdll = {.InLoadOrderLinks = {UP(ldr.InLoadOrderModuleList), UP(exe.InLoadOrderLinks)},
		.DllBase = 0x7ff800000000ULL, .SizeOfImage = 0x100000,
		.FullDllName = USTRU(ntdll_path, 24), .BaseDllName = USTRU(ntdll_base, 18)},
	.exe_path = L"C:\\fscapture.exe",
	.exe_base = L"fscapture.exe",
	.ntdll_path = L"C:\\ntdll.dll",
	.ntdll_base = L"ntdll.dll",
	.command_line = L"fscapture /all",
	.environment = L"A=1\0TEMP=C:\\",
};

/* A prototype entry: its frame is put in by the test. */
u64 ProtoEntry;

/* ---- what the debugger writes ---- */

volatile u32 ExpDebuggerWork;
u64 ExpDebuggerProcessAttach, ExpDebuggerPageIn;
#ifndef LAYOUT_B
u64 ExpDebuggerProcessKill; /* layout B is a kernel without it */
#endif

u64 KiBugCheckData[5] = {0xd1, 0x10, 2, 0, 0x44};
u64 MmHighestUserAddress = 0x7ffffffeffffULL;
char NtBuildLab[] = "19041.1.amd64fre.test";

/* ---- what the kernel publishes: offsets by wdbgexts.h ---- */

#define W(off) ((off) / 8)
extern u64 KdDebuggerDataBlock[];
LIST_ENTRY KdpDebuggerDataListHead = {(LIST_ENTRY *)KdDebuggerDataBlock, (LIST_ENTRY *)KdDebuggerDataBlock};
u64 KdDebuggerDataBlock[0x380 / 8] = {
	[0] = (u64)&KdpDebuggerDataListHead,
	[1] = (u64)&KdpDebuggerDataListHead,
	[W(0x10)] = 0x4742444bULL | 0x380ULL << 32,
	[W(0x18)] = KERNEL_BASE,
	[W(0x48)] = (u64)&PsLoadedModuleList,
	[W(0x50)] = (u64)&PsActiveProcessHead,
	[W(0x88)] = (u64)&KiBugCheckData,
	[W(0x1c8)] = (u64)&MmHighestUserAddress,
	[W(0x218)] = (u64)&KiProcessorBlock,
	[W(0x298)] = OFF(_KTHREAD, Teb) << 16 | OFF(_KTHREAD, KernelStack) << 32,
	[W(0x2a0)] = OFF(_KTHREAD, ApcState.Process) | OFF(_KTHREAD, State) << 16,
	[W(0x2a8)] = sizeof(EPROCESS) | OFF(_EPROCESS, Peb) << 16 |
		OFF(_EPROCESS, InheritedFromUniqueProcessId) << 32 |
		OFF(_EPROCESS, Pcb.DirectoryTableBase) << 48,
	[W(0x2b0)] = sizeof(KPRCB) | OFF(_KPRCB, CurrentThread) << 32,
	[W(0x2c0)] = sizeof(ETHREAD),
};

__declspec(dllexport) u64 PsGetProcessId(EPROCESS *p)
{
	return p->UniqueProcessId;
}
__declspec(dllexport) u8 *PsGetProcessImageFileName(EPROCESS *p)
{
	return p->ImageFileName;
}

int entry(void)
{
	return 0;
}
