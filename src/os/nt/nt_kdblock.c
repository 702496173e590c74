/*
 * nt_kdblock: KDDEBUGGER_DATA64, what a kernel publishes about itself for debuggers.
 *
 * Layout: wdbgexts.h of the Windows SDK (also ReactOS sdk/include/psdk/wdbgexts.h). It only ever
 * grew at its end, so a shorter block of an older kernel is a prefix: every access is checked
 * against the size that the block gives for itself. Some kernels keep the block encoded while no
 * debugger was enabled at boot: recognised by its tag and said.
 *
 * Refuses to know what the values mean.
 */
#include "os/nt/nt_int.h"

#include "base/reader.h"

#include <stdio.h>

enum {
	KD_TAG = 0x4742444b, /* "KDBG" */
	KD_HEADER = 0x18,    /* DBGKD_DEBUG_DATA_HEADER64: List, OwnerTag, Size */
	KD_OFF_TAG = 0x10,
	KD_OFF_SIZE = 0x14,
	KD_OFF_KERN_BASE = 0x18,
	KD_MIN = 0x58, /* up to PsActiveProcessHead */
	KD_LIST_MAX = 16
};

/* The 64-bit members from offset 0x18 on, in order; "" is the word of four small members at 0x30.
 */
static const char *const kd_words[] = {
	"KernBase",
	"BreakpointWithStatus",
	"SavedContext",
	"",
	"KiCallUserMode",
	"KeUserCallbackDispatcher",
	"PsLoadedModuleList",
	"PsActiveProcessHead",
	"PspCidTable",
	"ExpSystemResourcesList",
	"ExpPagedPoolDescriptor",
	"ExpNumberOfPagedPools",
	"KeTimeIncrement",
	"KeBugCheckCallbackListHead",
	"KiBugcheckData",
	"IopErrorLogListHead",
	"ObpRootDirectoryObject",
	"ObpTypeObjectType",
	"MmSystemCacheStart",
	"MmSystemCacheEnd",
	"MmSystemCacheWs",
	"MmPfnDatabase",
	"MmSystemPtesStart",
	"MmSystemPtesEnd",
	"MmSubsectionBase",
	"MmNumberOfPagingFiles",
	"MmLowestPhysicalPage",
	"MmHighestPhysicalPage",
	"MmNumberOfPhysicalPages",
	"MmMaximumNonPagedPoolInBytes",
	"MmNonPagedSystemStart",
	"MmNonPagedPoolStart",
	"MmNonPagedPoolEnd",
	"MmPagedPoolStart",
	"MmPagedPoolEnd",
	"MmPagedPoolInformation",
	"MmPageSize",
	"MmSizeOfPagedPoolInBytes",
	"MmTotalCommitLimit",
	"MmTotalCommittedPages",
	"MmSharedCommit",
	"MmDriverCommit",
	"MmProcessCommit",
	"MmPagedPoolCommit",
	"MmExtendedCommit",
	"MmZeroedPageListHead",
	"MmFreePageListHead",
	"MmStandbyPageListHead",
	"MmModifiedPageListHead",
	"MmModifiedNoWritePageListHead",
	"MmAvailablePages",
	"MmResidentAvailablePages",
	"PoolTrackTable",
	"NonPagedPoolDescriptor",
	"MmHighestUserAddress",
	"MmSystemRangeStart",
	"MmUserProbeAddress",
	"KdPrintCircularBuffer",
	"KdPrintCircularBufferEnd",
	"KdPrintWritePointer",
	"KdPrintRolloverCount",
	"MmLoadedUserImageList",
	"NtBuildLab",
	"KiNormalSystemCall",
	"KiProcessorBlock",
	"MmUnloadedDrivers",
	"MmLastUnloadedDriver",
	"MmTriageActionTaken",
	"MmSpecialPoolTag",
	"KernelVerifier",
	"MmVerifierData",
	"MmAllocatedNonPagedPool",
	"MmPeakCommitment",
	"MmTotalCommitLimitMaximum",
	"CmNtCSDVersion",
	"MmPhysicalMemoryBlock",
	"MmSessionBase",
	"MmSessionSize",
	"MmSystemParentTablePage",
	"MmVirtualTranslationBase",
};
_Static_assert(
	0x18 + 8 * (ARRAY_LEN(kd_words) - 1) == 0x290, "MmVirtualTranslationBase is at 0x290");

typedef struct kd_member {
	const char *name;
	uint16_t off;
	uint8_t size;
} kd_member;

static const kd_member kd_members[] = {
	{"OffsetKThreadNextProcessor", 0x298, 2},
	{"OffsetKThreadTeb", 0x29a, 2},
	{"OffsetKThreadKernelStack", 0x29c, 2},
	{"OffsetKThreadInitialStack", 0x29e, 2},
	{"OffsetKThreadApcProcess", 0x2a0, 2},
	{"OffsetKThreadState", 0x2a2, 2},
	{"SizeEProcess", 0x2a8, 2},
	{"OffsetEprocessPeb", 0x2aa, 2},
	{"OffsetEprocessParentCID", 0x2ac, 2},
	{"OffsetEprocessDirectoryTableBase", 0x2ae, 2},
	{"SizePrcb", 0x2b0, 2},
	{"OffsetPrcbDpcRoutine", 0x2b2, 2},
	{"OffsetPrcbCurrentThread", 0x2b4, 2},
	{"OffsetPrcbMhz", 0x2b6, 2},
	{"OffsetPrcbCpuType", 0x2b8, 2},
	{"OffsetPrcbVendorString", 0x2ba, 2},
	{"OffsetPrcbProcStateContext", 0x2bc, 2},
	{"OffsetPrcbNumber", 0x2be, 2},
	{"SizeEThread", 0x2c0, 2},
	{"L1tfHighPhysicalBitIndex", 0x2c2, 1},
	{"L1tfSwizzleBitIndex", 0x2c3, 1},
	{"KdPrintCircularBufferPtr", 0x2c8, 8},
	{"KdPrintBufferSize", 0x2d0, 8},
	{"KeLoaderBlock", 0x2d8, 8},
	{"SizePcr", 0x2e0, 2},
	{"OffsetPcrSelfPcr", 0x2e2, 2},
	{"OffsetPcrCurrentPrcb", 0x2e4, 2},
	{"OffsetPcrContainedPrcb", 0x2e6, 2},
	{"OffsetPrcbProcStateSpecialReg", 0x2f2, 2},
	{"GdtR0Code", 0x2f4, 2},
	{"GdtR3Code", 0x2fa, 2},
	{"OffsetPrcbContext", 0x338, 2},
	{"OffsetPrcbMaxBreakpoints", 0x33a, 2},
	{"OffsetPrcbMaxWatchpoints", 0x33c, 2},
	{"OffsetKThreadStackLimit", 0x340, 4},
	{"OffsetKThreadStackBase", 0x344, 4},
	{"OffsetKThreadQueueListEntry", 0x348, 4},
	{"OffsetEThreadIrpList", 0x34c, 4},
	{"OffsetPrcbIdleThread", 0x350, 2},
	{"OffsetKThreadWaitReason", 0x35c, 2},
	{"PteBase", 0x360, 8},
};

/* What older headers or kernels call the same thing. */
static const struct {
	const char *name, *real;
} kd_alias[] = {
	{"KiBugCheckData", "KiBugcheckData"},
	{"MmLastUnloadedDrivers", "MmLastUnloadedDriver"},
};

size_t nt_kd_global(str name)
{
	if (!name.n)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(kd_alias); i++)
		if (str_eq(name, str_of(kd_alias[i].name)))
			name = str_of(kd_alias[i].real);
	for (size_t i = 0; i < ARRAY_LEN(kd_words); i++)
		if (str_eq(name, str_of(kd_words[i])))
			return 0x18 + 8 * i;
	return 0;
}

static err no_block(nt *n, diag *d, const char *fmt, uint64_t at)
{
	n->kd_state = NT_KD_NONE;
	snprintf(n->kd_why, sizeof n->kd_why, fmt, (unsigned long long)at);
	return diag_set(d, ERR_NOTFOUND, "%s", n->kd_why);
}

/* Takes the block at addr if it is one. *encoded: something is there, under another tag. */
static err take_block(nt *n, uint64_t addr, bool *other)
{
	uint8_t h[KD_HEADER];
	TRY(nt_read(n, addr, h, sizeof h, NULL));
	uint32_t tag = le32(h + KD_OFF_TAG), size = le32(h + KD_OFF_SIZE);
	if (tag != KD_TAG) {
		*other = true;
		return ERR_NOTFOUND;
	}
	if (size < KD_MIN)
		return ERR_CORRUPT;
	if (size > NT_KD_MAX)
		size = NT_KD_MAX;
	TRY(nt_read(n, addr, n->kd, size, NULL));
	uint64_t base = le64(n->kd + KD_OFF_KERN_BASE);
	if (base && n->kernel_base && base != n->kernel_base)
		return ERR_CORRUPT;
	n->kd_n = size;
	n->kd_state = NT_KD_OK;
	return ERR_OK;
}

/* The list that DBGKD_GET_VERSION64.DebuggerDataList leads to; its head has no tag. */
static err find_in_list(nt *n, bool *other)
{
	uint64_t at;
	if (!nt_kernel_addr(n->debugger_data))
		return ERR_NOTFOUND;
	TRY(nt_read_u64(n, n->debugger_data, &at, NULL));
	for (int i = 0; i < KD_LIST_MAX && nt_kernel_addr(at) && at != n->debugger_data; i++) {
		if (take_block(n, at, other) == ERR_OK)
			return ERR_OK;
		TRY(nt_read_u64(n, at, &at, NULL));
	}
	return ERR_NOTFOUND;
}

static err nt_kd_load(nt *n, diag *d)
{
	bool other = false;
	sym s;
	if (n->kd_state == NT_KD_OK)
		return ERR_OK;
	if (n->kd_state == NT_KD_NONE)
		return diag_set(d, ERR_NOTFOUND, "%s", n->kd_why);
	if (find_in_list(n, &other) == ERR_OK)
		return ERR_OK;
	/* A target that gives no list, or one whose block was not linked in yet. */
	if (n->debugger_data && take_block(n, n->debugger_data, &(bool){false}) == ERR_OK)
		return ERR_OK;
	if (sym_find(n->base.host.syms, STR("nt!KdDebuggerDataBlock"), &s, NULL) == ERR_OK) {
		err e = take_block(n, s.addr, &other);
		if (e == ERR_OK)
			return ERR_OK;
		if (e == ERR_CORRUPT)
			return no_block(n, d, "KDDEBUGGER_DATA64 at %016llx is damaged", s.addr);
		if (other)
			return no_block(n, d,
				"KDDEBUGGER_DATA64 at %016llx is encoded (its tag is not KDBG): "
				"this kernel was "
				"booted with debugging off; what it would tell has to come from "
				"symbols",
				s.addr);
	}
	if (other)
		return no_block(n, d,
			"the debugger data list at %016llx holds no readable KDDEBUGGER_DATA64 "
			"(encoded, or of "
			"another owner): what it would tell has to come from symbols",
			n->debugger_data);
	return no_block(n, d, "no KDDEBUGGER_DATA64 was found (debugger data list at %016llx)",
		n->debugger_data);
}

err nt_kd_at(nt *n, size_t off, size_t size, uint64_t *ret)
{
	TRY(nt_kd_load(n, NULL));
	if (off + size > n->kd_n)
		return ERR_NOTFOUND;
	*ret = le_get(n->kd + off, size);
	return ERR_OK;
}

err nt_kd_value(nt *n, str name, uint64_t *ret, diag *d)
{
	size_t off = nt_kd_global(name), size = 8;
	for (size_t i = 0; !off && i < ARRAY_LEN(kd_members); i++)
		if (str_eq(name, str_of(kd_members[i].name))) {
			off = kd_members[i].off;
			size = kd_members[i].size;
		}
	if (!off)
		return diag_set(
			d, ERR_NOTFOUND, "KDDEBUGGER_DATA64 has no member %.*s", STR_ARG(name));
	TRY(nt_kd_load(n, d));
	if (nt_kd_at(n, off, size, ret) != ERR_OK)
		return diag_set(d, ERR_NOTFOUND,
			"this kernel's KDDEBUGGER_DATA64 (%zu bytes) ends before %.*s", n->kd_n,
			STR_ARG(name));
	return ERR_OK;
}
