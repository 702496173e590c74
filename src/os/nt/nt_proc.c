/*
 * nt_proc: EPROCESS, one and all of them.
 *
 * Refuses to know threads and modules. An address is taken for a process only if its dispatcher
 * header says so (DISPATCHER_HEADER.Type 3, ProcessObject; KOBJECTS of the ReactOS NDK), or, where
 * that is not filled in, if its page-table root makes sense.
 */
#include "os/nt/nt_int.h"

enum { OBJ_PROCESS = 3 };

static uint64_t inner(nt *n, const char *type, const char *path)
{
	nt_off f;
	return nt_field(n, type, path, &f, NULL) == ERR_OK ? f.off : 0;
}

uint64_t nt_eprocess_of(nt *n, uint64_t kprocess)
{
	return kprocess ? kprocess - inner(n, "_EPROCESS", "Pcb") : 0;
}

uint64_t nt_kprocess_of(nt *n, uint64_t eprocess)
{
	return eprocess + inner(n, "_EPROCESS", "Pcb");
}

uint64_t nt_ethread_of(nt *n, uint64_t kthread)
{
	return kthread ? kthread - inner(n, "_ETHREAD", "Tcb") : 0;
}

uint64_t nt_kthread_of(nt *n, uint64_t ethread)
{
	return ethread + inner(n, "_ETHREAD", "Tcb");
}

/* The session's number stands in the session's own structure, whose name changed over time. */
static uint32_t session_of(nt *n, uint64_t addr)
{
	static const char *const types[] = {"_PSP_SESSION_SPACE", "_MM_SESSION_SPACE"};
	uint64_t at, v;
	if (nt_get(n, addr, "_EPROCESS", "SessionId", &v, NULL) == ERR_OK)
		return (uint32_t)v;
	if (nt_get(n, addr, "_EPROCESS", "Session", &at, NULL) != ERR_OK)
		return OS_SESSION_UNKNOWN;
	if (!at)
		return OS_SESSION_NONE;
	for (size_t i = 0; nt_kernel_addr(at) && i < ARRAY_LEN(types); i++)
		if (nt_get(n, at, types[i], "SessionId", &v, NULL) == ERR_OK)
			return (uint32_t)v;
	return OS_SESSION_UNKNOWN;
}

static void image_of(nt *n, uint64_t addr, os_process *p)
{
	nt_off f;
	uint8_t b[OS_NAME_MAX];
	if (nt_field(n, "_EPROCESS", "ImageFileName", &f, NULL) != ERR_OK)
		return;
	/* 15 characters wherever the length is not told (documented with !process). */
	size_t len = f.whole ? f.whole : 15;
	if (len > OS_NAME_MAX - 1)
		len = OS_NAME_MAX - 1;
	if (nt_read(n, addr + f.off, b, len, NULL) != ERR_OK)
		return;
	size_t i = 0;
	for (; i < len && b[i]; i++)
		p->image[i] = b[i] >= 0x20 && b[i] != 0x7f ? (char)b[i] : '?';
	p->image[i] = 0;
}

static err fill(nt *n, uint64_t addr, os_process *ret, diag *d)
{
	os_process p = {.id_addr = addr};
	uint64_t kp = nt_kprocess_of(n, addr), v;
	TRY(nt_get(n, kp, "_KPROCESS", "DirectoryTableBase", &v, d));
	p.root = nt_root(v);
	/* 0 or 1: page tables are not shadowed (kernel isolation off, or this process is exempt).
	 */
	p.user_root = nt_root(nt_get_or(n, kp, "_KPROCESS", "UserDirectoryTableBase", 0));
	if (!p.user_root)
		p.user_root = p.root;
	TRY(nt_get(n, addr, "_EPROCESS", "UniqueProcessId", &p.pid, d));
	p.parent_pid = nt_get_or(n, addr, "_EPROCESS", "InheritedFromUniqueProcessId", 0);
	p.peb = nt_get_or(n, addr, "_EPROCESS", "Peb", 0);
	p.object_table = nt_get_or(n, addr, "_EPROCESS", "ObjectTable", 0);
	if (nt_kernel_addr(p.object_table) &&
		nt_handle_count(n, p.object_table, &v, NULL) == ERR_OK)
		p.handle_count = (uint32_t)v;
	p.session = session_of(n, addr);
	image_of(n, addr, &p);
	*ret = p;
	return ERR_OK;
}

err nt_process(os *o, uint64_t addr, os_process *ret, diag *d)
{
	nt *n = (nt *)o;
	os_process p;
	if (!nt_kernel_addr(addr) || addr & 7)
		return diag_set(d, ERR_NOTFOUND, "%016llx is no process: not a kernel address",
			(unsigned long long)addr);
	uint64_t type = nt_get_or(n, nt_kprocess_of(n, addr), "_KPROCESS", "Header.Type", 0);
	if (type && (type & 0x7f) != OBJ_PROCESS)
		return diag_set(d, ERR_NOTFOUND,
			"TYPE mismatch for process object at %016llx (dispatcher type %llu, not "
			"%d)",
			(unsigned long long)addr, (unsigned long long)type, OBJ_PROCESS);
	TRY(fill(n, addr, &p, d));
	if (!p.root)
		return diag_set(d, ERR_NOTFOUND, "%016llx is no process: it has no page tables",
			(unsigned long long)addr);
	*ret = p;
	return ERR_OK;
}

typedef struct walk {
	nt *n;
	os_process_fn *fn;
	void *u;
	uint32_t links;
	err e;
	diag *d;
} walk;

static bool one(void *u, uint64_t entry)
{
	walk *w = u;
	os_process p;
	w->e = fill(w->n, entry - w->links, &p, w->d);
	return w->e == ERR_OK && w->fn(w->u, &p);
}

/* Without types: the first process is PsInitialSystemProcess, a documented export of the kernel. */
static err links_offset(nt *n, uint64_t head, uint32_t *ret, diag *d)
{
	nt_off f;
	uint64_t first, sys;
	diag why = {0};
	err e = nt_field(n, "_EPROCESS", "ActiveProcessLinks", &f, &why);
	if (e == ERR_OK) {
		*ret = f.off;
		return ERR_OK;
	}
	sym_type t;
	bool typed = sym_type_find(n->base.host.syms, STR("nt!_EPROCESS"), &t, NULL) == ERR_OK;
	if (!typed && nt_global_value(n, "PsInitialSystemProcess", 8, &sys, NULL) == ERR_OK &&
		nt_read_u64(n, head, &first, NULL) == ERR_OK && first > sys &&
		first - sys < 0x4000) {
		*ret = (uint32_t)(first - sys);
		return ERR_OK;
	}
	return diag_set(d, e, "%s", why.text);
}

err nt_processes(os *o, os_process_fn *fn, void *u, diag *d)
{
	nt *n = (nt *)o;
	uint64_t head;
	walk w = {.n = n, .fn = fn, .u = u, .d = d};
	TRY(nt_global(o, STR("PsActiveProcessHead"), &head, d));
	TRY(links_offset(n, head, &w.links, d));
	err e = nt_list(n, NULL, head, "the process list nt!PsActiveProcessHead", one, &w, d);
	return e != ERR_OK ? e : w.e;
}
