/*
 * Kernel images: PsLoadedModuleList, drivers loaded and unloaded while the system runs, and what
 * the debugger is told about them (\SystemRoot paths, load and unload events).
 */
#include "../inc/ke.h"
#include "../kd/kdport.h"

LIST_ENTRY PsLoadedModuleList = {&PsLoadedModuleList, &PsLoadedModuleList};
KSPIN_LOCK PsLoadedModuleSpinLock;

typedef struct _MODULE_NAMES {
	WCHAR Full[64];
	char Ansi[64];
} MODULE_NAMES;

static KIRQL lock_list(void)
{
	KIRQL old = KeRaiseIrql(HIGH_LEVEL); /* exceptions look modules up at any IRQL */

	KiSpin(&PsLoadedModuleSpinLock);
	return old;
}

KLDR_DATA_TABLE_ENTRY *MiFindModule(ULONG64 va)
{
	KLDR_DATA_TABLE_ENTRY *found = NULL;
	KIRQL old = lock_list();

	for (LIST_ENTRY *e = PsLoadedModuleList.Flink; e != &PsLoadedModuleList && !found;
		e = e->Flink) {
		KLDR_DATA_TABLE_ENTRY *m =
			CONTAINING_RECORD(e, KLDR_DATA_TABLE_ENTRY, InLoadOrderLinks);
		if (va >= (ULONG64)m->DllBase && va < (ULONG64)m->DllBase + m->SizeOfImage)
			found = m;
	}
	KeReleaseSpinLock(&PsLoadedModuleSpinLock, old);
	return found;
}

static void insert_module(const char *name, const char *folder, ULONG64 base, ULONG size)
{
	KLDR_DATA_TABLE_ENTRY *m = ExAllocatePool(sizeof *m);
	MODULE_NAMES *names = ExAllocatePool(sizeof *names);
	IMAGE_NT_HEADERS64 *nt = pe_headers((void *)base);
	IMAGE_DATA_DIRECTORY *exceptions = &nt->OptionalHeader.DataDirectory[PE_EXCEPTION];

	RtlFormatTo(names->Ansi, sizeof names->Ansi, "\\SystemRoot\\system32\\%s%s", folder, name);
	RtlWiden(names->Full, 64, names->Ansi);
	RtlInitUnicodeString(&m->FullDllName, names->Full);
	RtlInitUnicodeString(&m->BaseDllName, names->Full + strlen(names->Ansi) - strlen(name));
	m->DllBase = (PVOID)base;
	m->SizeOfImage = size;
	m->EntryPoint = (PVOID)(base + nt->OptionalHeader.AddressOfEntryPoint);
	m->CheckSum = nt->OptionalHeader.CheckSum;
	m->TimeDateStamp = nt->FileHeader.TimeDateStamp;
	m->LoadCount = 1;
	m->Flags = 0x4000;
	m->ExceptionTable = (PVOID)(base + exceptions->VirtualAddress);
	m->ExceptionTableSize = exceptions->Size;
	KIRQL old = lock_list();
	InsertTailList(&PsLoadedModuleList, &m->InLoadOrderLinks);
	KeReleaseSpinLock(&PsLoadedModuleSpinLock, old);
}

void MiInitializeLoadedModuleList(void)
{
	for (ULONG i = 0; i < KeLoaderBlock->ImageCount; i++)
		insert_module(KeLoaderBlock->Images[i].Name, "", KeLoaderBlock->Images[i].Base,
			(ULONG)KeLoaderBlock->Images[i].Size);
}

/* The debugger gets the names in ASCII: the path as it stands before BaseDllName's buffer. */
static void report(KLDR_DATA_TABLE_ENTRY *m, bool load)
{
	char path[64];
	STRING name = {0, sizeof path, path};

	name.Length = (USHORT)RtlNarrow(path, sizeof path, &m->FullDllName);
	if (load)
		DbgLoadImageSymbols(&name, m->DllBase, ~0ull);
	else
		DbgUnLoadImageSymbols(&name, m->DllBase, ~0ull);
}

void MiReportLoadedModules(void)
{
	for (LIST_ENTRY *e = PsLoadedModuleList.Flink; e != &PsLoadedModuleList; e = e->Flink)
		report(CONTAINING_RECORD(e, KLDR_DATA_TABLE_ENTRY, InLoadOrderLinks), true);
}

static uint64_t resolve_import(void *u, const char *module, const char *name)
{
	(void)u;
	for (LIST_ENTRY *e = PsLoadedModuleList.Flink; e != &PsLoadedModuleList; e = e->Flink) {
		KLDR_DATA_TABLE_ENTRY *m =
			CONTAINING_RECORD(e, KLDR_DATA_TABLE_ENTRY, InLoadOrderLinks);
		char base[32];
		RtlNarrow(base, sizeof base, &m->BaseDllName);
		uint32_t rva = RtlSameName(base, module) ? pe_export(m->DllBase, name) : 0;
		if (rva)
			return (ULONG64)m->DllBase + rva;
	}
	return 0;
}

static ULONG64 choose_base(ULONG size)
{
	for (;;) {
		ULONG64 base = KeLoaderBlock->DriverBase + KiRandom(0x3ff0) * 0x10000ull;
		bool free = true;
		for (ULONG64 va = base; va < base + size + PAGE_SIZE; va += PAGE_SIZE)
			free &= !MiFindModule(va);
		if (free)
			return base;
	}
}

/* Everything writable while it is put together, then as the sections say. */
static void protect(ULONG64 base, ULONG size)
{
	for (ULONG at = 0; at < size; at += PAGE_SIZE) {
		IMAGE_SECTION_HEADER *s = pe_sections((void *)base);
		ULONG64 bits = 0x8000000000000021ull;
		unsigned level;
		for (unsigned k = 0; k < pe_headers((void *)base)->FileHeader.NumberOfSections;
			k++, s++) {
			if (at < s->VirtualAddress || at >= s->VirtualAddress + s->VirtualSize)
				continue;
			if (s->Characteristics & PE_SCN_WRITE)
				bits |= 0x842;
			if (s->Characteristics & PE_SCN_EXECUTE)
				bits &= ~(1ull << 63);
		}
		MMPTE *e = MiFindPte(READ_CR(3), base + at, &level);
		e->u.Long = (e->u.Long & 0x000ffffffffff000ull) | bits;
	}
	KeFlushTb();
}

static void unmap(ULONG64 base, ULONG size)
{
	for (ULONG at = 0; at < size; at += PAGE_SIZE)
		MiUnmapKernelPage(base + at, true);
}

NTSTATUS MmLoadSystemImage(const char *name, DRIVER_OBJECT **ret)
{
	const LOADER_FILE *f = KiFindFile(name);

	if (!f)
		return STATUS_OBJECT_NAME_NOT_FOUND;
	void *file = MiPhysical(f->Physical);
	ULONG size = (ULONG)ROUND_UP(pe_headers(file)->OptionalHeader.SizeOfImage, PAGE_SIZE);
	ULONG64 base = choose_base(size);
	for (ULONG at = 0; at < size; at += PAGE_SIZE)
		MiMapKernelPage(base + at, MiGetPage(), 0x863);
	pe_layout(file, (void *)base);
	pe_relocate((void *)base, base);
	const char *missing = pe_bind((void *)base, resolve_import, NULL);
	if (missing) {
		DbgPrint("guest: %s wants %s\n", name, missing);
		unmap(base, size);
		return STATUS_ENTRYPOINT_NOT_FOUND;
	}
	protect(base, size);
	kd_page_appeared(base);
	insert_module(f->Name, "drivers\\", base, size);
	KLDR_DATA_TABLE_ENTRY *m = MiFindModule(base);
	report(m, true);

	DRIVER_OBJECT *d = ExAllocatePool(sizeof *d);
	d->Type = 4;
	d->Size = sizeof *d;
	d->DriverStart = (PVOID)base;
	d->DriverSize = size;
	d->DriverSection = m;
	d->DriverName = m->BaseDllName;
	d->DriverInit = m->EntryPoint;
	NTSTATUS (*entry)(DRIVER_OBJECT *, UNICODE_STRING *) = m->EntryPoint;
	NTSTATUS status = entry(d, &m->FullDllName);
	if (!NT_SUCCESS(status)) {
		MmUnloadSystemImage(d);
		return status;
	}
	*ret = d;
	return STATUS_SUCCESS;
}

void MmUnloadSystemImage(DRIVER_OBJECT *d)
{
	KLDR_DATA_TABLE_ENTRY *m = d->DriverSection;

	if (d->DriverUnload)
		d->DriverUnload(d);
	report(m, false);
	KIRQL old = lock_list();
	RemoveEntryList(&m->InLoadOrderLinks);
	KeReleaseSpinLock(&PsLoadedModuleSpinLock, old);
	unmap((ULONG64)m->DllBase, m->SizeOfImage);
	ExFreePool(m->FullDllName.Buffer);
	ExFreePool(m);
	ExFreePool(d);
}
