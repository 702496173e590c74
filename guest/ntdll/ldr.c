/*
 * The user-mode loader: maps what a program imports, binds it, and keeps the three lists of
 * PEB->Ldr true, which is where a debugger learns the modules of a process.
 *
 * One recursive lock (LdrpLoaderLock) for the lists.
 */
#include "../inc/ntdll.h"

static PEB_LDR_DATA PebLdr;
static volatile ULONG64 LdrpLoaderLock; /* owner's thread id */
static ULONG LdrpLockCount;
static volatile LONG LdrpInitialized;

static void lock(void)
{
	ULONG64 self = (ULONG64)NtCurrentTeb()->ClientId.UniqueThread, none = 0;

	if (LdrpLoaderLock != self)
		while (!__atomic_compare_exchange_n(
			&LdrpLoaderLock, &none, self, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
			none = 0;
			NtYieldExecution();
		}
	LdrpLockCount++;
}

static void unlock(void)
{
	if (!--LdrpLockCount)
		__atomic_store_n(&LdrpLoaderLock, 0, __ATOMIC_SEQ_CST);
}

static LDR_DATA_TABLE_ENTRY *find_by(ULONG64 address, const char *name)
{
	LIST_ENTRY *head = &PebLdr.InLoadOrderModuleList;

	for (LIST_ENTRY *e = head->Flink; e && e != head; e = e->Flink) {
		LDR_DATA_TABLE_ENTRY *m =
			CONTAINING_RECORD(e, LDR_DATA_TABLE_ENTRY, InLoadOrderLinks);
		char base[32];
		if (name) {
			RtlNarrow(base, sizeof base, &m->BaseDllName);
			if (RtlSameName(base, name))
				return m;
		} else if (address - (ULONG64)m->DllBase < m->SizeOfImage) {
			return m;
		}
	}
	return NULL;
}

/* For the unwinder. */
ULONG64 RtlpImageBase(ULONG64 pc)
{
	lock();
	LDR_DATA_TABLE_ENTRY *m = find_by(pc, NULL);
	unlock();
	return m ? (ULONG64)m->DllBase : 0;
}

void RtlpStackLimits(ULONG64 *low, ULONG64 *high)
{
	*low = (ULONG64)NtCurrentTeb()->NtTib.StackLimit;
	*high = (ULONG64)NtCurrentTeb()->NtTib.StackBase;
}

static LDR_DATA_TABLE_ENTRY *insert(PVOID base, const char *name)
{
	IMAGE_NT_HEADERS64 *nt = pe_headers(base);
	LDR_DATA_TABLE_ENTRY *m = RtlAllocateHeap(NULL, 0, sizeof *m);
	WCHAR *text = RtlAllocateHeap(NULL, 0, 128);
	char path[64];

	RtlFormatTo(path, sizeof path, "C:\\Windows\\System32\\%s", name);
	RtlWiden(text, 64, path);
	RtlInitUnicodeString(&m->FullDllName, text);
	RtlInitUnicodeString(&m->BaseDllName, text + strlen(path) - strlen(name));
	m->DllBase = base;
	m->SizeOfImage = nt->OptionalHeader.SizeOfImage;
	m->TimeDateStamp = nt->FileHeader.TimeDateStamp;
	m->EntryPoint = nt->OptionalHeader.AddressOfEntryPoint
				? (char *)base + nt->OptionalHeader.AddressOfEntryPoint
				: NULL;
	m->Flags = 0x8000c | (nt->FileHeader.Characteristics & 0x2000 ? 0x4 : 0);
	m->ObsoleteLoadCount = 1;
	m->ReferenceCount = 1;
	InsertTailList(&PebLdr.InLoadOrderModuleList, &m->InLoadOrderLinks);
	InsertTailList(&PebLdr.InMemoryOrderModuleList, &m->InMemoryOrderLinks);
	InitializeListHead(&m->InInitializationOrderLinks);
	return m;
}

static NTSTATUS load(const char *name, LDR_DATA_TABLE_ENTRY **ret);

static uint64_t resolve(void *u, const char *module, const char *name)
{
	LDR_DATA_TABLE_ENTRY *m;

	(void)u;
	if (!NT_SUCCESS(load(module, &m)))
		return 0;
	uint32_t rva = pe_export(m->DllBase, name);
	return rva ? (ULONG64)m->DllBase + rva : 0;
}

/* The import table lies in a read-only section: writable (copy-on-write) for as long as this takes.
 */
static NTSTATUS bind(LDR_DATA_TABLE_ENTRY *m)
{
	IMAGE_DATA_DIRECTORY *iat = &pe_headers(m->DllBase)->OptionalHeader.DataDirectory[12];
	PVOID at = (char *)m->DllBase + iat->VirtualAddress;
	SIZE_T n = iat->Size;
	ULONG old;

	if (!iat->VirtualAddress)
		return STATUS_SUCCESS;
	NtProtectVirtualMemory(NtCurrentProcess(), &at, &n, PAGE_READWRITE, &old);
	const char *missing = pe_bind(m->DllBase, resolve, NULL);
	NtProtectVirtualMemory(NtCurrentProcess(), &at, &n, PAGE_READONLY, &old);
	if (!missing)
		return STATUS_SUCCESS;
	DbgPrint("LDR: %wZ wants %s\n", &m->BaseDllName, missing);
	return STATUS_ENTRYPOINT_NOT_FOUND;
}

static NTSTATUS start_dll(LDR_DATA_TABLE_ENTRY *m, ULONG reason)
{
	BOOL (*entry)(PVOID, ULONG, PVOID) = m->EntryPoint;

	if (reason == 1)
		InsertTailList(
			&PebLdr.InInitializationOrderModuleList, &m->InInitializationOrderLinks);
	return !entry || entry(m->DllBase, reason, NULL) ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
}

static void forget(LDR_DATA_TABLE_ENTRY *m)
{
	RemoveEntryList(&m->InLoadOrderLinks);
	RemoveEntryList(&m->InMemoryOrderLinks);
	RemoveEntryList(&m->InInitializationOrderLinks);
	NtUnmapViewOfSection(NtCurrentProcess(), m->DllBase);
	RtlFreeHeap(NULL, 0, m->FullDllName.Buffer);
	RtlFreeHeap(NULL, 0, m);
}

static NTSTATUS load(const char *name, LDR_DATA_TABLE_ENTRY **ret)
{
	LDR_DATA_TABLE_ENTRY *m = find_by(0, name);
	UNICODE_STRING u;
	WCHAR text[32];
	PVOID base;
	SIZE_T size;
	ULONG timestamp;

	if (m) {
		m->ReferenceCount++;
		*ret = m;
		return STATUS_SUCCESS;
	}
	RtlWiden(text, ARRAY_SIZE(text), name);
	RtlInitUnicodeString(&u, text);
	NTSTATUS status = NtMapViewOfSection(&u, &base, &size, &timestamp);
	if (!NT_SUCCESS(status))
		return status;
	m = insert(base, name);
	status = bind(m);
	if (NT_SUCCESS(status))
		status = start_dll(m, 1);
	if (!NT_SUCCESS(status)) {
		forget(m);
		return status;
	}
	*ret = m;
	return STATUS_SUCCESS;
}

NTSTATUS LdrLoadDll(const WCHAR *path, ULONG *flags, UNICODE_STRING *name, PVOID *base_ret)
{
	LDR_DATA_TABLE_ENTRY *m;
	char text[32];

	(void)path, (void)flags;
	RtlNarrow(text, sizeof text, name);
	lock();
	NTSTATUS status = load(text, &m);
	if (NT_SUCCESS(status))
		*base_ret = m->DllBase;
	unlock();
	return status;
}

NTSTATUS LdrUnloadDll(PVOID base)
{
	lock();
	LDR_DATA_TABLE_ENTRY *m = find_by((ULONG64)base, NULL);
	if (m && m->ObsoleteLoadCount != 0xffff && --m->ReferenceCount == 0) {
		start_dll(m, 0);
		forget(m);
	}
	unlock();
	return m ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}

NTSTATUS LdrGetProcedureAddress(PVOID base, ANSI_STRING *name, ULONG ordinal, PVOID *ret)
{
	char text[64];
	size_t n = name->Length < sizeof text - 1 ? name->Length : sizeof text - 1;

	(void)ordinal;
	memcpy(text, name->Buffer, n);
	text[n] = 0;
	uint32_t rva = pe_export(base, text);
	*ret = rva ? (char *)base + rva : NULL;
	return rva ? STATUS_SUCCESS : STATUS_ENTRYPOINT_NOT_FOUND;
}

static NTSTATUS LdrpInitializeProcess(PVOID ntdll)
{
	PEB *peb = NtCurrentPeb();
	char name[32];

	PebLdr.Length = sizeof PebLdr;
	InitializeListHead(&PebLdr.InLoadOrderModuleList);
	InitializeListHead(&PebLdr.InMemoryOrderModuleList);
	InitializeListHead(&PebLdr.InInitializationOrderModuleList);
	UNICODE_STRING image = peb->ProcessParameters->ImagePathName;
	size_t skip = 20; /* "C:\Windows\System32\" */
	UNICODE_STRING base = {(USHORT)(image.Length - 2 * skip), 0, image.Buffer + skip};
	RtlNarrow(name, sizeof name, &base);
	LDR_DATA_TABLE_ENTRY *exe = insert(peb->ImageBaseAddress, name);
	exe->ObsoleteLoadCount = 0xffff;
	peb->Ldr = &PebLdr;
	LDR_DATA_TABLE_ENTRY *own = insert(ntdll, "ntdll.dll");
	own->ObsoleteLoadCount = 0xffff;
	InsertTailList(&PebLdr.InInitializationOrderModuleList, &own->InInitializationOrderLinks);
	NTSTATUS status = bind(exe);
	PebLdr.Initialized = TRUE;
	return status;
}

/* The first code of every thread in user mode. */
void LdrInitializeThunk(CONTEXT *context, PVOID ntdll)
{
	NTSTATUS status = STATUS_SUCCESS;

	lock();
	if (!LdrpInitialized) {
		status = LdrpInitializeProcess(ntdll);
		LdrpInitialized = 1;
	}
	unlock();
	if (!NT_SUCCESS(status))
		NtTerminateProcess(NtCurrentProcess(), status);
	NtContinue(context, TRUE);
}
