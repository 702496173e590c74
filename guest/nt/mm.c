/*
 * Memory: physical pages, pool, page tables, sections of images, address spaces, paging.
 *
 * All RAM is mapped at MiDirectMap with large pages; pool lies there. User memory is described by
 * VADs and filled by page faults. An entry that is not valid is in one of NT's forms (nt.h):
 *
 *   0            nothing yet: the VAD says what                 (private memory: demand zero)
 *   prototype    page of an image: see the section's entry      (shared until written:
 * copy-on-write) transition   out of the working set, still in memory software     demand zero, or
 * in the paging file (PageFileHigh), which here is a part of RAM
 *
 * One lock, MmLock (IRQL 2), for page tables, VADs and the paging file.
 */
#include "../inc/ke.h"
#include "../kd/kdport.h"

MMPFN *MmPfnDatabase;
ULONG64 MmHighestPhysicalPage, MmLowestPhysicalPage = 1, MmNumberOfPhysicalPages, MmAvailablePages;
ULONG64 MmPteBase, MiDirectMap;
ULONG64 MmHighestUserAddress = MM_HIGHEST_USER_ADDRESS, MmUserProbeAddress = 0x7fffffff0000,
	MmSystemRangeStart = MM_SYSTEM_RANGE_START;
ULONG64 MmPhysicalMemoryTop;

enum { PAGEFILE_PAGES = 512, POOL_CLASSES = 6, VADS_MAX = 128 };
#define PTE_ADDRESS 0x000ffffffffff000ull
#define PFN_NONE    (~0ull)

static KSPIN_LOCK MmLock, MiFreeLock, MiPoolLock;
static ULONG64 MiFreePfn = PFN_NONE; /* chain through OriginalPte */
static LIST_ENTRY MiSectionList = {&MiSectionList, &MiSectionList};
static ULONG64 MiSharedDataPage, MiShadowRoot;
static UCHAR *MmPagingFile, MiPagingFileUsed[PAGEFILE_PAGES];
static char *MmNonPagedPoolStart;
static ULONG MiPoolPages;
static USHORT *MiPoolMap; /* a page: 0 free, 1..6 small blocks, 0x1000 + n first of n, 0xfff inside
			     a run */
static void *MiPoolFree[POOL_CLASSES];

/* ---- physical pages ---- */

static MMPFN *pfn_of(ULONG64 pa)
{
	return &MmPfnDatabase[pa / PAGE_SIZE];
}

/* A zeroed page with one reference. */
ULONG64 MiGetPage(void)
{
	KIRQL old = KeAcquireSpinLock(&MiFreeLock);
	ULONG64 pfn = MiFreePfn;

	if (pfn == PFN_NONE)
		KeBugCheckEx(NO_PAGES_AVAILABLE, MmAvailablePages, MmHighestPhysicalPage, 0, 0);
	MiFreePfn = MmPfnDatabase[pfn].OriginalPte.u.Long;
	MmAvailablePages--;
	KeReleaseSpinLock(&MiFreeLock, old);
	memset(&MmPfnDatabase[pfn], 0, sizeof(MMPFN));
	MmPfnDatabase[pfn].ReferenceCount = MmPfnDatabase[pfn].ShareCount = 1;
	memset(MiPhysical(pfn * PAGE_SIZE), 0, PAGE_SIZE);
	return pfn * PAGE_SIZE;
}

static void release_page(ULONG64 pa)
{
	KIRQL old = KeAcquireSpinLock(&MiFreeLock);
	MMPFN *p = pfn_of(pa);

	if (--p->ShareCount == 0) {
		p->ReferenceCount = 0;
		p->PteAddress = NULL;
		p->OriginalPte.u.Long = MiFreePfn;
		MiFreePfn = pa / PAGE_SIZE;
		MmAvailablePages++;
	}
	KeReleaseSpinLock(&MiFreeLock, old);
}

/* ---- page tables ---- */

static MMPTE *table_entry(ULONG64 table_pa, ULONG64 va, unsigned level)
{
	return (MMPTE *)MiPhysical(table_pa) + (va >> (12 + 9 * level) & 511);
}

/* The entry that maps va (level 1: a large page) or would; NULL if a table above it is missing. */
MMPTE *MiFindPte(ULONG64 root, ULONG64 va, unsigned *level_ret)
{
	ULONG64 table = root & PTE_ADDRESS;

	for (unsigned level = 3;; level--) {
		MMPTE *e = table_entry(table, va, level);
		*level_ret = level;
		if (level == 0 || (e->u.Hard.Valid && e->u.Hard.LargePage && level < 3))
			return e;
		if (!e->u.Hard.Valid)
			return NULL;
		table = e->u.Long & PTE_ADDRESS;
	}
}

/* Makes the tables above. A new top entry of a process also goes to its user root. */
static MMPTE *make_pte(ULONG64 root, ULONG64 user_root, ULONG64 va)
{
	ULONG64 table = root & PTE_ADDRESS;
	ULONG64 bits =
		0x863 |
		(va <= MM_HIGHEST_USER_ADDRESS ? 4 : 0); /* valid, writable, accessed, dirty */

	for (unsigned level = 3; level > 0; level--) {
		MMPTE *e = table_entry(table, va, level);
		if (!e->u.Hard.Valid) {
			e->u.Long = MiGetPage() | bits;
			if (level == 3 && user_root)
				*table_entry(user_root, va, 3) = *e;
		}
		table = e->u.Long & PTE_ADDRESS;
	}
	return table_entry(table, va, 0);
}

void MiMapKernelPage(ULONG64 va, ULONG64 pa, ULONG64 bits)
{
	make_pte(KeLoaderBlock->PageRoot, 0, va)->u.Long = pa | bits;
}

void MiUnmapKernelPage(ULONG64 va, bool free)
{
	unsigned level;
	MMPTE *e = MiFindPte(KeLoaderBlock->PageRoot, va, &level);
	ULONG64 pa = e->u.Long & PTE_ADDRESS;

	e->u.Long = 0;
	KeFlushTb();
	if (free)
		release_page(pa);
}

/* Variant b: makes a range of the kernel visible in the user roots. */
void MiShadowMap(ULONG64 va, ULONG64 size)
{
	if (!KVA_SHADOW)
		return;
	for (ULONG64 at = va & ~(PAGE_SIZE - 1); at < va + size; at += PAGE_SIZE) {
		unsigned level;
		MMPTE from = *MiFindPte(KeLoaderBlock->PageRoot, at, &level);
		if (level) {
			from.u.Long += at & ((PAGE_SIZE << 9 * level) - 1) & ~(PAGE_SIZE - 1);
			from.u.Hard.LargePage = 0;
		}
		*make_pte(MiShadowRoot, 0, at) = from;
	}
}

static void shadow_entry_code(void)
{
	const LOADER_IMAGE *nt = &KeLoaderBlock->Images[0];
	IMAGE_SECTION_HEADER *s = pe_sections((void *)nt->Base);

	for (unsigned i = 0; i < pe_headers((void *)nt->Base)->FileHeader.NumberOfSections; i++)
		if (!memcmp(s[i].Name, "KVASCODE", 8))
			MiShadowMap(nt->Base + s[i].VirtualAddress, s[i].VirtualSize);
}

/* ---- pool ---- */

static ULONG pool_run(ULONG pages)
{
	for (ULONG at = 0, free = 0; at < MiPoolPages; at++) {
		free = MiPoolMap[at] ? 0 : free + 1;
		if (free < pages)
			continue;
		at -= pages - 1;
		MiPoolMap[at] = (USHORT)(0x1000 + pages);
		for (ULONG i = 1; i < pages; i++)
			MiPoolMap[at + i] = 0xfff;
		return at;
	}
	KeBugCheckEx(NO_PAGES_AVAILABLE, pages, MiPoolPages, 1, 0);
}

void *ExAllocatePool(SIZE_T size)
{
	KIRQL old = KeAcquireSpinLock(&MiPoolLock);
	unsigned class = 0;
	void *p;

	while (class < POOL_CLASSES && size > 64ull << class)
		class ++;
	if (class == POOL_CLASSES) {
		p = MmNonPagedPoolStart +
		    pool_run((ULONG)(ROUND_UP(size, PAGE_SIZE) / PAGE_SIZE)) * PAGE_SIZE;
	} else {
		if (!MiPoolFree[class]) {
			ULONG page = pool_run(1);
			MiPoolMap[page] = (USHORT)(class + 1);
			for (SIZE_T at = 0; at < PAGE_SIZE; at += 64ull << class) {
				void **block =
					(void **)(MmNonPagedPoolStart + page * PAGE_SIZE + at);
				*block = MiPoolFree[class];
				MiPoolFree[class] = block;
			}
		}
		p = MiPoolFree[class];
		MiPoolFree[class] = *(void **)p;
	}
	KeReleaseSpinLock(&MiPoolLock, old);
	memset(p, 0, size);
	return p;
}

void ExFreePool(void *p)
{
	KIRQL old = KeAcquireSpinLock(&MiPoolLock);
	ULONG page = (ULONG)(((char *)p - MmNonPagedPoolStart) / PAGE_SIZE);
	USHORT use = MiPoolMap[page];

	if (use > 0x1000) {
		for (ULONG i = 0; i < use - 0x1000u; i++)
			MiPoolMap[page + i] = 0;
	} else {
		*(void **)p = MiPoolFree[use - 1];
		MiPoolFree[use - 1] = p;
	}
	KeReleaseSpinLock(&MiPoolLock, old);
}

/* ---- start ---- */

void MmInitSystem(void)
{
	ULONG64 at = KeLoaderBlock->FirstFree, top = KeLoaderBlock->MemoryTop & ~(PAGE_SIZE - 1);

	MmPhysicalMemoryTop = top;
	MmHighestPhysicalPage = top / PAGE_SIZE - 1;
	MmNumberOfPhysicalPages = top / PAGE_SIZE;
	MmPteBase = KeLoaderBlock->PteBase;
	MmPfnDatabase = MiPhysical(at);
	at += ROUND_UP(MmNumberOfPhysicalPages * sizeof(MMPFN), PAGE_SIZE);
	memset(MmPfnDatabase, 0, (SIZE_T)at - KeLoaderBlock->FirstFree);
	MiPoolPages = (ULONG)(top / PAGE_SIZE / 4);
	MiPoolMap = MiPhysical(at);
	memset(MiPoolMap, 0, MiPoolPages * sizeof *MiPoolMap);
	at += ROUND_UP(MiPoolPages * sizeof *MiPoolMap, PAGE_SIZE);
	MmNonPagedPoolStart = MiPhysical(at);
	at += MiPoolPages * PAGE_SIZE;
	MmPagingFile = MiPhysical(at);
	at += PAGEFILE_PAGES * PAGE_SIZE;
	for (ULONG64 pa = top - PAGE_SIZE; pa >= at; pa -= PAGE_SIZE) {
		MmPfnDatabase[pa / PAGE_SIZE].ShareCount = 1;
		release_page(pa);
	}
	MiPagingFileUsed[0] = 1; /* 0 in an entry means "no paging file" */

	MiMapKernelPage(
		MiDirectMap - 0x40000000, 0xfee00000, 0x8000000000000813ull); /* APIC: uncached */
	MiMapKernelPage(MiDirectMap - 0x40000000 + PAGE_SIZE, 0xfec00000,
		0x8000000000000813ull); /* I/O APIC */
	MiSharedDataPage = MiGetPage();
	MiMapKernelPage(KUSER_SHARED_KERNEL_VA, MiSharedDataPage, 0x8000000000000863ull);
	make_pte(KeLoaderBlock->PageRoot, 0, KeLoaderBlock->DriverBase);
	if (KVA_SHADOW) {
		MiShadowRoot = MiGetPage();
		shadow_entry_code();
	}
}

void MmReleaseLowMemory(void)
{
	table_entry(KeLoaderBlock->PageRoot, 0, 3)->u.Long = 0;
	KeFlushTb();
}

/* ---- sections: images as all processes share them ---- */

static ULONG64 choose_image_base(const LOADER_FILE *f)
{
	IMAGE_NT_HEADERS64 *nt = pe_headers(MiPhysical(f->Physical));

	if (!(nt->OptionalHeader.DllCharacteristics & 0x40)) /* not DYNAMIC_BASE */
		return pe_image_base(MiPhysical(f->Physical));
	if (nt->FileHeader.Characteristics & 0x2000) /* DLL */
		return 0x7ff800000000ull + KiRandom(0x6000) * 0x100000ull;
	return 0x7ff600000000ull + KiRandom(0x10000) * 0x10000ull;
}

static ULONG section_protection(const void *image, ULONG rva, bool *cold_ret)
{
	IMAGE_SECTION_HEADER *s = pe_sections(image);

	*cold_ret = false;
	for (unsigned i = 0; i < pe_headers(image)->FileHeader.NumberOfSections; i++, s++) {
		if (rva < s->VirtualAddress || rva >= s->VirtualAddress + s->VirtualSize)
			continue;
		*cold_ret = !memcmp(s->Name, ".cold", 6);
		if (s->Characteristics & PE_SCN_WRITE)
			return MM_WRITECOPY;
		return s->Characteristics & PE_SCN_EXECUTE ? MM_EXECUTE_READ : MM_READONLY;
	}
	return MM_READONLY;
}

static bool all_zero(const ULONG64 *page)
{
	for (unsigned i = 0; i < PAGE_SIZE / 8; i++)
		if (page[i])
			return false;
	return true;
}

static ULONG page_file_slot(void)
{
	for (ULONG i = 1; i < PAGEFILE_PAGES; i++) {
		if (MiPagingFileUsed[i])
			continue;
		MiPagingFileUsed[i] = 1;
		return i;
	}
	return 0;
}

/*
 * The image as it will run, page by page: all-zero pages are made on demand, those of a section
 * named .cold lie in the paging file, all others are in memory but in nobody's working set.
 */
static void make_prototypes(SECTION *s)
{
	ULONG pages = s->Size / PAGE_SIZE;
	MMPTE *proto = ExAllocatePool(pages * sizeof *proto);

	for (ULONG i = 0; i < pages; i++) {
		bool cold;
		char *from = (char *)s->Image + i * PAGE_SIZE;
		ULONG protection = section_protection(s->Image, (ULONG)(i * PAGE_SIZE), &cold);
		ULONG slot = cold ? page_file_slot() : 0;
		proto[i].u.Soft.Protection = protection;
		if (all_zero((ULONG64 *)from))
			continue;
		if (slot) {
			memcpy(MmPagingFile + slot * PAGE_SIZE, from, PAGE_SIZE);
			proto[i].u.Soft.PageFileHigh = slot;
			continue;
		}
		ULONG64 pa = MiGetPage();
		memcpy(MiPhysical(pa), from, PAGE_SIZE);
		pfn_of(pa)->PteAddress = &proto[i];
		pfn_of(pa)->OriginalPte.u.Soft.Prototype = 1;
		proto[i].u.Trans.Transition = 1;
		proto[i].u.Trans.PageFrameNumber = pa / PAGE_SIZE;
	}
	s->Segment.PrototypePte = s->Subsection.SubsectionBase = proto;
	s->Segment.TotalNumberOfPtes = s->Subsection.PtesInSubsection = pages;
}

SECTION *MmOpenImage(const char *name)
{
	for (LIST_ENTRY *e = MiSectionList.Flink; e != &MiSectionList; e = e->Flink)
		if (RtlSameName(CONTAINING_RECORD(e, SECTION, Link)->Name, name))
			return CONTAINING_RECORD(e, SECTION, Link);
	const LOADER_FILE *f = KiFindFile(name);
	if (!f)
		return NULL;
	SECTION *s = ExAllocatePool(sizeof *s);
	IMAGE_NT_HEADERS64 *nt = pe_headers(MiPhysical(f->Physical));
	WCHAR *path = ExAllocatePool(128);
	char text[64];

	RtlFormatTo(s->Name, sizeof s->Name, "%s", f->Name);
	s->Base = choose_image_base(f);
	s->Size = (ULONG)ROUND_UP(nt->OptionalHeader.SizeOfImage, PAGE_SIZE);
	s->EntryPoint = nt->OptionalHeader.AddressOfEntryPoint;
	s->TimeDateStamp = nt->FileHeader.TimeDateStamp;
	s->Image = ExAllocatePool(s->Size);
	pe_layout(MiPhysical(f->Physical), s->Image);
	pe_relocate(s->Image, s->Base);
	RtlFormatTo(text, sizeof text, "\\Windows\\System32\\%s", f->Name);
	RtlWiden(path, 64, text);
	RtlInitUnicodeString(&s->File.FileName, path);
	s->File.Type = 5;
	s->File.Size = sizeof s->File;
	s->ControlArea.Segment = &s->Segment;
	s->ControlArea.FilePointer.Object = &s->File;
	InitializeListHead(&s->ControlArea.ListHead);
	s->Segment.ControlArea = s->Subsection.ControlArea = &s->ControlArea;
	s->Segment.SizeOfSegment = s->Size;
	s->Segment.BasedAddress = (PVOID)s->Base;
	make_prototypes(s);
	InsertTailList(&MiSectionList, &s->Link);
	return s;
}

ULONG64 MmImageExport(SECTION *s, const char *name)
{
	ULONG rva = pe_export(s->Image, name);

	return rva ? s->Base + rva : 0;
}

/* ---- VADs: a tree by address, rebuilt in balance at each change ---- */

static ULONG64 vad_start(const MMVAD_SHORT *v)
{
	return (v->StartingVpn | (ULONG64)v->StartingVpnHigh << 32) * PAGE_SIZE;
}

static ULONG64 vad_end(const MMVAD_SHORT *v)
{
	return ((v->EndingVpn | (ULONG64)v->EndingVpnHigh << 32) + 1) * PAGE_SIZE;
}

static MMVAD_SHORT *find_vad(EPROCESS *p, ULONG64 va)
{
	RTL_BALANCED_NODE *n = p->VadRoot.Root;

	while (n) {
		MMVAD_SHORT *v = CONTAINING_RECORD(n, MMVAD_SHORT, VadNode);
		if (va < vad_start(v))
			n = n->Left;
		else if (va >= vad_end(v))
			n = n->Right;
		else
			return v;
	}
	return NULL;
}

static ULONG flatten(RTL_BALANCED_NODE *n, MMVAD_SHORT **ret, ULONG count)
{
	if (!n)
		return count;
	count = flatten(n->Left, ret, count);
	if (count < VADS_MAX)
		ret[count++] = CONTAINING_RECORD(n, MMVAD_SHORT, VadNode);
	return flatten(n->Right, ret, count);
}

static RTL_BALANCED_NODE *balance(MMVAD_SHORT **v, ULONG count, RTL_BALANCED_NODE *parent)
{
	if (!count)
		return NULL;
	RTL_BALANCED_NODE *n = &v[count / 2]->VadNode;
	n->Left = balance(v, count / 2, n);
	n->Right = balance(v + count / 2 + 1, count - count / 2 - 1, n);
	n->ParentValue = (ULONG64)parent;
	return n;
}

static void change_vads(EPROCESS *p, MMVAD_SHORT *add, MMVAD_SHORT *remove)
{
	MMVAD_SHORT *all[VADS_MAX + 1];
	ULONG n = flatten(p->VadRoot.Root, all, 0), kept = 0;

	for (ULONG i = 0; i < n; i++)
		if (all[i] != remove)
			all[kept++] = all[i];
	if (add) {
		ULONG i = kept++;
		for (; i > 0 && vad_start(all[i - 1]) > vad_start(add); i--)
			all[i] = all[i - 1];
		all[i] = add;
	}
	p->VadRoot.Root = balance(all, kept, NULL);
	p->VadCount = kept;
}

static MMVAD *new_vad(EPROCESS *p, ULONG64 base, ULONG64 size, ULONG type, ULONG protection)
{
	MMVAD *v = ExAllocatePool(sizeof *v);
	ULONG64 first = base / PAGE_SIZE, last = (base + size - 1) / PAGE_SIZE;

	v->Core.StartingVpn = (ULONG)first;
	v->Core.StartingVpnHigh = (UCHAR)(first >> 32);
	v->Core.EndingVpn = (ULONG)last;
	v->Core.EndingVpnHigh = (UCHAR)(last >> 32);
	v->Core.u.VadFlags.VadType = type;
	v->Core.u.VadFlags.Protection = protection;
	v->Core.u.VadFlags.PrivateMemory = type == 0;
	v->Core.u1.VadFlags1.MemCommit = type == 0;
	v->Core.u1.VadFlags1.CommitCharge = type ? 0 : (ULONG)(last - first + 1);
	change_vads(p, &v->Core, NULL);
	p->VirtualSize += size;
	if (p->VirtualSize > p->PeakVirtualSize)
		p->PeakVirtualSize = p->VirtualSize;
	return v;
}

static bool range_free(EPROCESS *p, ULONG64 base, ULONG64 size)
{
	for (ULONG64 va = base; va < base + size; va += PAGE_SIZE)
		if (find_vad(p, va))
			return false;
	return base >= 0x10000 && base + size <= MM_HIGHEST_USER_ADDRESS && p->VadCount < VADS_MAX;
}

NTSTATUS MmMapImage(EPROCESS *p, SECTION *s, ULONG64 *base_ret)
{
	KIRQL old = KeAcquireSpinLock(&MmLock);

	if (!range_free(p, s->Base, s->Size)) {
		KeReleaseSpinLock(&MmLock, old);
		return STATUS_UNSUCCESSFUL; /* our images never meet: nothing is mapped elsewhere */
	}
	MMVAD *v = new_vad(p, s->Base, s->Size, 2, MM_EXECUTE_WRITECOPY);
	v->Subsection = &s->Subsection;
	v->FirstPrototypePte = s->Segment.PrototypePte;
	v->LastContiguousPte = s->Segment.PrototypePte + s->Size / PAGE_SIZE - 1;
	for (ULONG i = 0; i < s->Size / PAGE_SIZE; i++) {
		bool cold;
		MMPTE *e = make_pte(p->Pcb.DirectoryTableBase, p->Pcb.UserDirectoryTableBase,
			s->Base + i * PAGE_SIZE);
		e->u.Long = 0;
		e->u.Proto.Prototype = 1;
		e->u.Proto.ProtoAddress = (LONG64)&s->Segment.PrototypePte[i];
		e->u.Proto.Protection = section_protection(s->Image, (ULONG)(i * PAGE_SIZE), &cold);
	}
	s->ControlArea.NumberOfMappedViews++;
	KeReleaseSpinLock(&MmLock, old);
	*base_ret = s->Base;
	return STATUS_SUCCESS;
}

/* *base 0: anywhere. */
NTSTATUS MmMapPrivate(EPROCESS *p, ULONG64 *base, ULONG64 size, ULONG protection)
{
	KIRQL old = KeAcquireSpinLock(&MmLock);
	NTSTATUS status = STATUS_NO_MEMORY;
	ULONG64 at = *base ? *base & ~0xfffull : (ULONG64)p->VadHint;

	size = ROUND_UP(size, PAGE_SIZE);
	if (size && size < 0x10000000) {
		while (!*base && !range_free(p, at, size) && at < 0x7ff000000000 &&
			p->VadCount < VADS_MAX)
			at += 0x10000;
		if (range_free(p, at, size)) {
			new_vad(p, at, size, 0, protection);
			if (!*base)
				p->VadHint = (PVOID)(at + ROUND_UP(size, 0x10000));
			*base = at;
			status = STATUS_SUCCESS;
		}
	}
	KeReleaseSpinLock(&MmLock, old);
	return status;
}

static void drop_pte(EPROCESS *p, MMPTE *e)
{
	if (e->u.Hard.Valid) {
		ULONG64 pa = e->u.Long & PTE_ADDRESS;
		if (!pfn_of(pa)->OriginalPte.u.Soft.Prototype)
			p->NumberOfPrivatePages--;
		p->Vm.WorkingSetSize--;
		release_page(pa);
	} else if (!e->u.Soft.Prototype && e->u.Soft.Transition) {
		release_page(e->u.Trans.PageFrameNumber * PAGE_SIZE);
		p->NumberOfPrivatePages--;
	} else if (!e->u.Soft.Prototype && e->u.Soft.PageFileHigh) {
		MiPagingFileUsed[e->u.Soft.PageFileHigh] = 0;
		p->NumberOfPrivatePages--;
	}
	e->u.Long = 0;
}

static void remove_vad(EPROCESS *p, MMVAD_SHORT *v)
{
	unsigned level;

	for (ULONG64 va = vad_start(v); va < vad_end(v); va += PAGE_SIZE) {
		MMPTE *e = MiFindPte(p->Pcb.DirectoryTableBase, va, &level);
		if (e)
			drop_pte(p, e);
	}
	if (v->u.VadFlags.VadType == 2)
		((MMVAD *)v)->Subsection->ControlArea->NumberOfMappedViews--;
	p->VirtualSize -= vad_end(v) - vad_start(v);
	change_vads(p, NULL, v);
	ExFreePool(v);
}

NTSTATUS MmUnmap(EPROCESS *p, ULONG64 base)
{
	KIRQL old = KeAcquireSpinLock(&MmLock);
	MMVAD_SHORT *v = find_vad(p, base);

	if (v)
		remove_vad(p, v);
	KeReleaseSpinLock(&MmLock, old);
	KeFlushTb();
	return v ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}

/* ---- faults ---- */

static ULONG64 hardware(ULONG64 pa, ULONG protection)
{
	ULONG64 bits = pa | 0x25; /* valid, user, accessed */

	if ((protection & 7) == MM_WRITECOPY || (protection & 7) == MM_EXECUTE_WRITECOPY)
		bits |= 0x200; /* CopyOnWrite */
	else if (protection & 4)
		bits |= 0x842; /* writable, dirty, Write */
	return protection & MM_EXECUTE ? bits : bits | 1ull << 63;
}

static bool allowed(ULONG protection, ULONG64 code)
{
	if (protection == MM_ZERO_ACCESS)
		return false;
	if (code & 2)
		return protection & 4;
	return !(code & 16) || protection & MM_EXECUTE;
}

static void read_page_file(ULONG64 pa, MMPTE *e)
{
	memcpy(MiPhysical(pa), MmPagingFile + e->u.Soft.PageFileHigh * PAGE_SIZE, PAGE_SIZE);
	MiPagingFileUsed[e->u.Soft.PageFileHigh] = 0;
}

/* The page behind a prototype entry, brought in if need be. */
static ULONG64 prototype_page(EPROCESS *p, MMPTE *proto)
{
	if (proto->u.Hard.Valid)
		return proto->u.Long & PTE_ADDRESS;
	ULONG protection = proto->u.Soft.Protection;
	ULONG64 pa;
	if (proto->u.Soft.Transition) {
		pa = proto->u.Trans.PageFrameNumber * PAGE_SIZE;
	} else {
		pa = MiGetPage();
		pfn_of(pa)->PteAddress = proto;
		pfn_of(pa)->OriginalPte.u.Soft.Prototype = 1;
		if (proto->u.Soft.PageFileHigh) {
			read_page_file(pa, proto);
			p->Vm.HardFaultCount++;
		}
	}
	proto->u.Long = hardware(pa, protection) & ~4ull;
	return pa;
}

static NTSTATUS resolve(EPROCESS *p, MMPTE *e, ULONG64 va, ULONG64 code, const MMVAD_SHORT *v)
{
	ULONG64 pa;

	if (e->u.Hard.Valid) {
		if (code & 2 && e->u.Hard.CopyOnWrite) {
			ULONG64 from = e->u.Long & PTE_ADDRESS;
			pa = MiGetPage();
			memcpy(MiPhysical(pa), MiPhysical(from), PAGE_SIZE);
			pfn_of(pa)->PteAddress = e;
			e->u.Long =
				hardware(pa, MM_READWRITE | (e->u.Hard.NoExecute ? 0 : MM_EXECUTE));
			release_page(from);
			p->NumberOfPrivatePages++;
			KeFlushTb();
			return STATUS_SUCCESS;
		}
		KiFlushPage(va);
		bool fine =
			(!(code & 2) || e->u.Hard.Dirty1) && (!(code & 16) || !e->u.Hard.NoExecute);
		return fine ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
	}
	ULONG protection = e->u.Long ? e->u.Soft.Protection : v->u.VadFlags.Protection;
	if (!allowed(protection, code))
		return STATUS_ACCESS_VIOLATION;
	if (e->u.Soft.Prototype) {
		pa = prototype_page(p, (MMPTE *)(LONG64)e->u.Proto.ProtoAddress);
		__atomic_add_fetch(&pfn_of(pa)->ShareCount, 1, __ATOMIC_SEQ_CST);
	} else if (e->u.Soft.Transition) {
		pa = e->u.Trans.PageFrameNumber * PAGE_SIZE;
	} else {
		pa = MiGetPage();
		pfn_of(pa)->PteAddress = e;
		if (e->u.Soft.PageFileHigh) {
			read_page_file(pa, e);
			p->Vm.HardFaultCount++;
		} else {
			p->NumberOfPrivatePages++;
		}
	}
	e->u.Long = hardware(pa, protection);
	if (++p->Vm.WorkingSetSize > p->Vm.PeakWorkingSetSize)
		p->Vm.PeakWorkingSetSize = p->Vm.WorkingSetSize;
	return STATUS_SUCCESS;
}

/* code: the processor's page-fault error code (1 present, 2 write, 16 fetch). */
NTSTATUS MmAccessFault(ULONG64 code, ULONG64 va, bool user)
{
	EPROCESS *p = PsGetCurrentProcess();
	KIRQL old = KeAcquireSpinLock(&MmLock);
	MMVAD_SHORT *v = find_vad(p, va);
	NTSTATUS status = STATUS_ACCESS_VIOLATION;

	(void)user;
	if (v) {
		MMPTE *e = make_pte(p->Pcb.DirectoryTableBase, p->Pcb.UserDirectoryTableBase, va);
		p->Vm.PageFaultCount++;
		status = resolve(p, e, va, code, v);
	}
	KeReleaseSpinLock(&MmLock, old);
	if (NT_SUCCESS(status))
		kd_page_appeared(va);
	return status;
}

bool MmDebugPageIn(ULONG64 va)
{
	EPROCESS *p = PsGetCurrentProcess();
	bool done = false;

	if (va > MM_HIGHEST_USER_ADDRESS || __atomic_exchange_n(&MmLock, 1, __ATOMIC_ACQUIRE))
		return false;
	MMVAD_SHORT *v = MiFreeLock || MiPoolLock ? NULL : find_vad(p, va);
	if (v)
		done = NT_SUCCESS(resolve(p,
			make_pte(p->Pcb.DirectoryTableBase, p->Pcb.UserDirectoryTableBase, va), va,
			0, v));
	KiUnspin(&MmLock);
	return done;
}

NTSTATUS MmProtect(EPROCESS *p, ULONG64 base, ULONG64 size, ULONG protection)
{
	KIRQL old = KeAcquireSpinLock(&MmLock);
	MMVAD_SHORT *v = find_vad(p, base);
	NTSTATUS status = STATUS_INVALID_PARAMETER;

	if (v && base + size <= vad_end(v)) {
		bool image = v->u.VadFlags.VadType == 2;
		for (ULONG64 va = base & ~(PAGE_SIZE - 1); va < base + size; va += PAGE_SIZE) {
			MMPTE *e = make_pte(
				p->Pcb.DirectoryTableBase, p->Pcb.UserDirectoryTableBase, va);
			bool shared = e->u.Hard.Valid ? pfn_of(e->u.Long & PTE_ADDRESS)
								->OriginalPte.u.Soft.Prototype
						      : e->u.Soft.Prototype;
			ULONG want = image && shared && protection & 4
					     ? protection | 1
					     : protection; /* write-copy */
			if (e->u.Hard.Valid)
				e->u.Long = hardware(e->u.Long & PTE_ADDRESS, want);
			else
				e->u.Soft.Protection = want;
		}
		status = STATUS_SUCCESS;
	}
	KeReleaseSpinLock(&MmLock, old);
	KeFlushTb();
	return status;
}

/* ---- address spaces ---- */

void MmCreateAddressSpace(EPROCESS *p)
{
	ULONG64 root = MiGetPage();
	MMPTE *table = MiPhysical(root);

	memcpy(table + 256, (MMPTE *)MiPhysical(KeLoaderBlock->PageRoot) + 256,
		256 * sizeof *table);
	table_entry(root, MmPteBase, 3)->u.Long = root | 0x8000000000000863ull;
	p->Pcb.DirectoryTableBase = root;
	if (KVA_SHADOW) {
		p->Pcb.UserDirectoryTableBase = MiGetPage();
		memcpy((MMPTE *)MiPhysical(p->Pcb.UserDirectoryTableBase) + 256,
			(MMPTE *)MiPhysical(MiShadowRoot) + 256, 256 * sizeof *table);
	}
	pfn_of(MiSharedDataPage)->ShareCount++;
	make_pte(root, p->Pcb.UserDirectoryTableBase, KUSER_SHARED_USER_VA)->u.Long =
		MiSharedDataPage | 0x8000000000000025ull;
	p->VadHint = (PVOID)(0x10000000000ull + KiRandom(0x1000000) * 0x10000ull);
}

static void free_tables(ULONG64 table, unsigned level, unsigned count)
{
	MMPTE *e = MiPhysical(table);

	for (unsigned i = 0; level > 0 && i < count; i++)
		if (e[i].u.Hard.Valid)
			free_tables(e[i].u.Long & PTE_ADDRESS, level - 1, 512);
	release_page(table);
}

/* The process runs nowhere any more. */
void MmCleanAddressSpace(EPROCESS *p)
{
	KIRQL old = KeAcquireSpinLock(&MmLock);
	unsigned level;

	while (p->VadRoot.Root)
		remove_vad(p, CONTAINING_RECORD(p->VadRoot.Root, MMVAD_SHORT, VadNode));
	MiFindPte(p->Pcb.DirectoryTableBase, KUSER_SHARED_USER_VA, &level)->u.Long = 0;
	pfn_of(MiSharedDataPage)->ShareCount--;
	KeFlushTb();
	free_tables(p->Pcb.DirectoryTableBase, 3, 256);
	if (KVA_SHADOW)
		release_page(p->Pcb.UserDirectoryTableBase);
	p->Pcb.DirectoryTableBase = p->Pcb.UserDirectoryTableBase = 0;
	KeReleaseSpinLock(&MmLock, old);
}

/* ---- paging out ---- */

static void out_of_working_set(EPROCESS *p, MMPTE *e)
{
	if (!e->u.Hard.Valid || !e->u.Hard.Dirty1)
		return;
	ULONG64 pa = e->u.Long & PTE_ADDRESS;
	if (pfn_of(pa)->OriginalPte.u.Soft.Prototype)
		return;
	MMPTE out = {{0}};
	out.u.Trans.Protection = e->u.Hard.NoExecute ? MM_READWRITE : MM_EXECUTE_READWRITE;
	out.u.Trans.Transition = 1;
	out.u.Trans.PageFrameNumber = pa / PAGE_SIZE;
	*e = out;
	p->Vm.WorkingSetSize--;
}

/* What VirtualUnlock does on NT when nothing is locked: private pages leave the working set. */
NTSTATUS MmTrim(EPROCESS *p, ULONG64 base, ULONG64 size)
{
	KIRQL old = KeAcquireSpinLock(&MmLock);
	MMVAD_SHORT *v = find_vad(p, base);
	bool fine = v && base + size <= vad_end(v) && base + size > base;
	unsigned level;

	for (ULONG64 va = base; fine && va < base + size; va += PAGE_SIZE) {
		MMPTE *e = MiFindPte(p->Pcb.DirectoryTableBase, va, &level);
		if (e)
			out_of_working_set(p, e);
	}
	KeFlushTb();
	KeReleaseSpinLock(&MmLock, old);
	return fine ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}

static bool in_transition(const MMPTE *e)
{
	return !e->u.Hard.Valid && !e->u.Soft.Prototype && e->u.Soft.Transition;
}

static bool write_page(MMPTE *e)
{
	ULONG64 pa = e->u.Trans.PageFrameNumber * PAGE_SIZE;
	ULONG slot = page_file_slot();
	MMPTE out = {{0}};

	if (!slot)
		return false;
	memcpy(MmPagingFile + slot * PAGE_SIZE, MiPhysical(pa), PAGE_SIZE);
	out.u.Soft.Protection = e->u.Trans.Protection;
	out.u.Soft.PageFileHigh = slot;
	*e = out;
	release_page(pa);
	return true;
}

/* The lowest pages in transition go to the paging file; a few stay, so that both states can be
 * seen. */
enum { TRANSITION_TARGET = 4 };

static void write_pages(EPROCESS *p)
{
	MMVAD_SHORT *all[VADS_MAX];
	ULONG n = flatten(p->VadRoot.Root, all, 0), waiting = 0;
	unsigned level;

	for (unsigned pass = 0; pass < 2; pass++) {
		for (ULONG i = 0; i < n; i++) {
			for (ULONG64 va = vad_start(all[i]); va < vad_end(all[i]);
				va += PAGE_SIZE) {
				MMPTE *e = MiFindPte(p->Pcb.DirectoryTableBase, va, &level);
				if (!e || !in_transition(e))
					continue;
				if (pass == 0)
					waiting++;
				else if (waiting > TRANSITION_TARGET && write_page(e))
					waiting--;
			}
		}
	}
}

void MiModifiedPageWriter(PVOID context)
{
	(void)context;
	for (;;) {
		LARGE_INTEGER second = {.QuadPart = -10000000};
		KeDelayExecutionThread(KernelMode, FALSE, &second);
		KIRQL old = KeAcquireSpinLock(&PspLock);
		for (LIST_ENTRY *e = PsActiveProcessHead.Flink; e != &PsActiveProcessHead;
			e = e->Flink) {
			EPROCESS *p = CONTAINING_RECORD(e, EPROCESS, ActiveProcessLinks);
			if (!p->Peb || p->Flags & PS_PROCESS_EXITING)
				continue;
			KiSpin(&MmLock);
			write_pages(p);
			KiUnspin(&MmLock);
		}
		KeReleaseSpinLock(&PspLock, old);
	}
}
