/*
 * nt_field: where a field of a kernel structure is.
 *
 * Order: the types of the kernel's symbol file; then, only if the file does not know the *type* at
 * all, what the kernel publishes: a member of KDDEBUGGER_DATA64, the code of an exported accessor
 * (PsGetProcessId is "mov rax,[rcx+n]; ret"), or a layout that a public header fixes for every
 * version of 64-bit NT. A field that its known type does not have is absent in this build: nothing
 * is guessed then.
 */
#include "os/nt/nt_int.h"

#include "base/reader.h"

#include <stdio.h>

/* fixed: offset + 1 by a public header; 0 none. */
typedef struct nt_fallback {
	const char *type, *path;
	const char *kd;	      /* member of KDDEBUGGER_DATA64 that holds the offset */
	const char *accessor; /* exported function that reads it */
	uint16_t fixed;
	uint8_t size;
	uint8_t bit_pos, bit_len;
} nt_fallback;

static const nt_fallback fallbacks[] = {
	{"_EPROCESS", "Peb", "OffsetEprocessPeb", "PsGetProcessPeb", 0, 8, 0, 0},
	{"_EPROCESS", "InheritedFromUniqueProcessId", "OffsetEprocessParentCID",
		"PsGetProcessInheritedFromUniqueProcessId", 0, 8, 0, 0},
	{"_KPROCESS", "DirectoryTableBase", "OffsetEprocessDirectoryTableBase", NULL, 0, 8, 0, 0},
	{"_EPROCESS", "UniqueProcessId", NULL, "PsGetProcessId", 0, 8, 0, 0},
	{"_EPROCESS", "ImageFileName", NULL, "PsGetProcessImageFileName", 0, 0, 0, 0},
	{"_EPROCESS", "Pcb", NULL, NULL, 1, 0, 0, 0}, /* ntddk.h: PEPROCESS is a PKPROCESS */
	{"_ETHREAD", "Tcb", NULL, NULL, 1, 0, 0, 0},  /* ntddk.h: PETHREAD is a PKTHREAD */
	{"_ETHREAD", "Cid.UniqueThread", NULL, "PsGetThreadId", 0, 8, 0, 0},
	{"_ETHREAD", "Cid.UniqueProcess", NULL, "PsGetThreadProcessId", 0, 8, 0, 0},
	{"_KTHREAD", "NextProcessor", "OffsetKThreadNextProcessor", NULL, 0, 4, 0, 0},
	{"_KTHREAD", "Teb", "OffsetKThreadTeb", "PsGetThreadTeb", 0, 8, 0, 0},
	{"_KTHREAD", "KernelStack", "OffsetKThreadKernelStack", NULL, 0, 8, 0, 0},
	{"_KTHREAD", "InitialStack", "OffsetKThreadInitialStack", NULL, 0, 8, 0, 0},
	{"_KTHREAD", "StackLimit", "OffsetKThreadStackLimit", NULL, 0, 8, 0, 0},
	{"_KTHREAD", "StackBase", "OffsetKThreadStackBase", NULL, 0, 8, 0, 0},
	{"_KTHREAD", "ApcState.Process", "OffsetKThreadApcProcess", NULL, 0, 8, 0, 0},
	{"_KTHREAD", "State", "OffsetKThreadState", NULL, 0, 1, 0, 0},
	{"_KTHREAD", "WaitReason", "OffsetKThreadWaitReason", NULL, 0, 1, 0, 0},
	{"_KTHREAD", "Process", NULL, "PsGetThreadProcess", 0, 8, 0, 0},
	{"_KPRCB", "CurrentThread", "OffsetPrcbCurrentThread", NULL, 0, 8, 0, 0},
	{"_KPRCB", "IdleThread", "OffsetPrcbIdleThread", NULL, 0, 8, 0, 0},
	{"_KPCR", "Prcb", "OffsetPcrContainedPrcb", NULL, 0, 0, 0, 0},
	{"_KPCR", "Self", "OffsetPcrSelfPcr", NULL, 0, 8, 0, 0},
	{"_KPCR", "CurrentPrcb", "OffsetPcrCurrentPrcb", NULL, 0, 8, 0, 0},
	/* winnt.h */
	{"_LIST_ENTRY", "Flink", NULL, NULL, 1 + 0, 8, 0, 0},
	{"_LIST_ENTRY", "Blink", NULL, NULL, 1 + 8, 8, 0, 0},
	/* ntdef.h */
	{"_UNICODE_STRING", "Length", NULL, NULL, 1 + 0, 2, 0, 0},
	{"_UNICODE_STRING", "MaximumLength", NULL, NULL, 1 + 2, 2, 0, 0},
	{"_UNICODE_STRING", "Buffer", NULL, NULL, 1 + 8, 8, 0, 0},
	/* winternl.h, 64-bit: PEB, PEB_LDR_DATA, LDR_DATA_TABLE_ENTRY, TEB */
	{"_PEB", "Ldr", NULL, NULL, 1 + 0x18, 8, 0, 0},
	{"_PEB", "BeingDebugged", NULL, NULL, 1 + 2, 1, 0, 0},
	{"_PEB", "ImageBaseAddress", NULL, NULL, 1 + 0x10, 8, 0, 0},
	{"_PEB", "ProcessParameters", NULL, NULL, 1 + 0x20, 8, 0, 0},
	{"_PEB_LDR_DATA", "InLoadOrderModuleList", NULL, NULL, 1 + 0x10, 16, 0, 0},
	{"_PEB_LDR_DATA", "InMemoryOrderModuleList", NULL, NULL, 1 + 0x20, 16, 0, 0},
	{"_LDR_DATA_TABLE_ENTRY", "InLoadOrderLinks", NULL, NULL, 1 + 0x00, 16, 0, 0},
	{"_LDR_DATA_TABLE_ENTRY", "InMemoryOrderLinks", NULL, NULL, 1 + 0x10, 16, 0, 0},
	{"_LDR_DATA_TABLE_ENTRY", "DllBase", NULL, NULL, 1 + 0x30, 8, 0, 0},
	{"_LDR_DATA_TABLE_ENTRY", "EntryPoint", NULL, NULL, 1 + 0x38, 8, 0, 0},
	{"_LDR_DATA_TABLE_ENTRY", "SizeOfImage", NULL, NULL, 1 + 0x40, 4, 0, 0},
	{"_LDR_DATA_TABLE_ENTRY", "FullDllName", NULL, NULL, 1 + 0x48, 16, 0, 0},
	{"_LDR_DATA_TABLE_ENTRY", "BaseDllName", NULL, NULL, 1 + 0x58, 16, 0, 0},
	{"_LDR_DATA_TABLE_ENTRY", "TimeDateStamp", NULL, NULL, 1 + 0x80, 4, 0, 0},
	{"_TEB", "ProcessEnvironmentBlock", NULL, NULL, 1 + 0x60, 8, 0, 0},
	/* NT_TIB, winnt.h */
	{"_NT_TIB", "StackBase", NULL, NULL, 1 + 8, 8, 0, 0},
	{"_NT_TIB", "StackLimit", NULL, NULL, 1 + 0x10, 8, 0, 0},
	{"_NT_TIB", "Self", NULL, NULL, 1 + 0x30, 8, 0, 0},
	/* Page-table entries of 64-bit NT as ReactOS publishes them
	   (sdk/include/ndk/amd64/mmtypes.h). */
	{"_MMPTE_SOFTWARE", "Protection", NULL, NULL, 1, 8, 5, 5},
	{"_MMPTE_SOFTWARE", "Prototype", NULL, NULL, 1, 8, 10, 1},
	{"_MMPTE_SOFTWARE", "Transition", NULL, NULL, 1, 8, 11, 1},
	{"_MMPTE_SOFTWARE", "PageFileLow", NULL, NULL, 1, 8, 1, 4},
	{"_MMPTE_SOFTWARE", "PageFileHigh", NULL, NULL, 1, 8, 32, 32},
	{"_MMPTE_TRANSITION", "PageFrameNumber", NULL, NULL, 1, 8, 12, 36},
	{"_MMPTE_PROTOTYPE", "ProtoAddress", NULL, NULL, 1, 8, 16, 48},
	{"_MMPTE_HARDWARE", "PageFrameNumber", NULL, NULL, 1, 8, 12, 36},
};

/* Fields whose value is an array or structure have no integer size; enums and pointers do. */
static void from_sym(const sym_field *f, nt_off *ret)
{
	sym_type_info ti, first;
	*ret = (nt_off){.off = (uint32_t)f->offset, .bit_pos = f->bit_pos, .bit_len = f->bit_len};
	if (sym_type_info_get(f->type, &ti) != ERR_OK)
		return;
	ret->whole = ti.size > UINT32_MAX ? 0 : (uint32_t)ti.size;
	switch (ti.kind) {
	case SYM_T_ARRAY:
		/* NT 5 has the page-table root of a process as DirectoryTableBase[2] */
		if (sym_type_info_get(ti.elem, &first) == ERR_OK && first.kind == SYM_T_UINT &&
			first.size == 8)
			ret->size = 8;
		return;
	case SYM_T_STRUCT:
	case SYM_T_CLASS:
	case SYM_T_UNION:
	case SYM_T_FUNC:
		/* LARGE_INTEGER, KAFFINITY unions and the like are read as the integer they are. */
		if (ti.kind == SYM_T_UNION && (ti.size == 8 || ti.size == 4))
			ret->size = (uint32_t)ti.size;
		return;
	default:
		if (ti.size == 1 || ti.size == 2 || ti.size == 4 || ti.size == 8)
			ret->size = (uint32_t)ti.size;
	}
}

/* mov rax,[rcx+n]; ret  /  lea rax,[rcx+n]; ret  /  mov eax,[rcx+n]; ret (Intel SDM vol. 2). */
static err from_accessor(nt *n, const char *name, uint32_t *off)
{
	uint8_t c[12];
	sym s;
	char full[100];
	size_t i = 0, len;
	snprintf(full, sizeof full, "nt!%s", name);
	TRY(sym_find(n->base.host.syms, str_of(full), &s, NULL));
	TRY(nt_read(n, s.addr, c, sizeof c, NULL));
	/* endbr64, where the compiler put it */
	if (le32(c) == 0xfa1e0ff3)
		i = 4;
	if (c[i] == 0x48)
		i++;
	if (c[i] != 0x8b && c[i] != 0x8d)
		return ERR_NOTFOUND;
	if (c[i + 1] == 0x41) {
		*off = c[i + 2];
		len = 3;
	} else if (c[i + 1] == 0x81 && i + 7 <= sizeof c) {
		*off = le32(c + i + 2);
		len = 6;
	} else {
		return ERR_NOTFOUND;
	}
	if (i + len >= sizeof c || c[i + len] != 0xc3 || *off > 0x4000 || (len == 3 && *off > 0x7f))
		return ERR_NOTFOUND;
	return ERR_OK;
}

static err fall_back(nt *n, const char *type, const char *path, nt_off *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(fallbacks); i++) {
		const nt_fallback *f = &fallbacks[i];
		uint64_t v = 0;
		uint32_t off = 0;
		if (strcmp(f->type, type) != 0 || strcmp(f->path, path) != 0)
			continue;
		/* An offset of zero in the block means "not filled in": none of these fields is
		 * first. */
		if (f->kd && nt_kd_value(n, str_of(f->kd), &v, NULL) == ERR_OK && v)
			off = (uint32_t)v;
		else if (f->accessor && from_accessor(n, f->accessor, &off) == ERR_OK)
			;
		else if (f->fixed)
			off = f->fixed - 1u;
		else
			return ERR_NOTFOUND;
		*ret = (nt_off){off, f->size <= 8 ? f->size : 0, f->bit_pos, f->bit_len, f->size};
		return ERR_OK;
	}
	return ERR_NOTFOUND;
}

sym_mod *nt_kernel_mod(nt *n)
{
	sym_store *s = n->base.host.syms;
	sym_mod *m = sym_mod_in(s, 0, n->kernel_base);
	if (!m && n->kernel_base)
		m = sym_mod_add(s, 0, n->kernel_base, 0, 0, 0, STR("nt"), STR("ntoskrnl.exe"));
	return m;
}

/* Everything that was learned is void when other symbols were loaded for the kernel. */
static void check_file(nt *n)
{
	sym_mod *m = nt_kernel_mod(n);
	sym_file *f = m ? m->file : NULL;
	if (f == n->types_of)
		return;
	map_clear(&n->fields);
	n->rows.n = 0;
	n->types_of = f;
}

static err look_up(nt *n, const char *type, const char *path, nt_off *ret, bool *known)
{
	char full[128];
	sym_type t;
	sym_field f;
	sym_type_info ti;
	snprintf(full, sizeof full, "nt!%s", type);
	err e = sym_type_find(n->base.host.syms, str_of(full), &t, NULL);
	if (e == ERR_CANCELLED)
		return e;
	/* A forward declaration is no knowledge of the type. */
	*known = e == ERR_OK && sym_type_info_get(t, &ti) == ERR_OK && !ti.forward;
	if (!*known)
		return ERR_NOTFOUND;
	TRY(sym_type_field(t, str_of(path), &f, NULL));
	if (f.is_static || f.is_method || f.offset > UINT32_MAX)
		return ERR_NOTFOUND;
	from_sym(&f, ret);
	return ERR_OK;
}

static err not_known(nt *n, const char *type, const char *path, diag *d)
{
	sym_mod *m = nt_kernel_mod(n);
	return diag_set(d, ERR_NOTFOUND,
		"nt!%s.%s is not known: %s. Check .sympath, then .reload /f nt", type, path,
		!m			    ? "the kernel's base address is not known"
		: m->status == SYM_DEFERRED ? "the kernel's symbols are not loaded"
		: m->status == SYM_NONE	    ? "the kernel has no symbols"
					    : "the kernel's symbols have no such field");
}

err nt_field(nt *n, const char *type, const char *path, nt_off *ret, diag *d)
{
	char key[160];
	nt_off off = {0};
	bool known = false;
	int len = snprintf(key, sizeof key, "%s.%s", type, path);
	if (len < 0 || (size_t)len >= sizeof key)
		return diag_set(d, ERR_ARG, "field name too long");
	check_file(n);
	uintptr_t at = (uintptr_t)map_gets(&n->fields, str_of(key));
	if (at) {
		if (n->rows.p[at - 1].e != ERR_OK)
			return not_known(n, type, path, d);
		*ret = n->rows.p[at - 1].off;
		return ERR_OK;
	}
	err e = look_up(n, type, path, &off, &known);
	check_file(n); /* the lookup may have loaded the symbols */
	if (e == ERR_CANCELLED)
		return diag_set(d, e, "looking for nt!%s: interrupted", type);
	if (e != ERR_OK && !known)
		e = fall_back(n, type, path, &off);
	/* Without types the block decides, and the block may only become readable later. */
	if (e == ERR_OK || known || n->kd_state == NT_KD_OK) {
		vec_push(&n->rows, (struct nt_row){off, e});
		map_sets(&n->fields, str_of(key), (void *)(uintptr_t)n->rows.n);
	}
	if (e != ERR_OK)
		return not_known(n, type, path, d);
	*ret = off;
	return ERR_OK;
}

bool nt_has(nt *n, const char *type, const char *path)
{
	nt_off f;
	return nt_field(n, type, path, &f, NULL) == ERR_OK;
}

err nt_sizeof(nt *n, const char *type, uint64_t *ret, diag *d)
{
	char full[128];
	sym_type t;
	sym_type_info ti;
	nt_kernel_mod(n);
	snprintf(full, sizeof full, "nt!%s", type);
	TRY(sym_type_find(n->base.host.syms, str_of(full), &t, d));
	TRY(sym_type_info_get(t, &ti));
	if (ti.forward || !ti.size)
		return diag_set(d, ERR_NOTFOUND, "the size of %s is not known", full);
	*ret = ti.size;
	return ERR_OK;
}
