/*
 * nt_thread: ETHREAD, one and those of a process, and which of them run now.
 *
 * Refuses to know registers. Which thread runs where is asked once a stop and kept until the next.
 */
#include "os/nt/nt_int.h"

#include <stdio.h>

enum { OBJ_THREAD = 6 }; /* ThreadObject of KOBJECTS (ReactOS NDK) */

/* ---- processors ---- */

err nt_prcb(nt *n, unit_t u, uint64_t *ret, diag *d)
{
	uint64_t v = u, at;
	if (tgt_query(n->base.host.t, TGT_F_PRCB, &v, sizeof v, NULL) == ERR_OK &&
		nt_kernel_addr(v)) {
		*ret = v;
		return ERR_OK;
	}
	TRY(nt_global(&n->base, STR("KiProcessorBlock"), &at, d));
	TRY(nt_read_u64(n, at + 8ULL * u, &v, d));
	if (!nt_kernel_addr(v))
		return diag_set(d, ERR_NOTFOUND, "there is no processor %u", u);
	*ret = v;
	return ERR_OK;
}

err nt_pcr(nt *n, unit_t u, uint64_t *ret, diag *d)
{
	uint64_t v = u;
	nt_off f;
	if (tgt_query(n->base.host.t, TGT_F_PCR, &v, sizeof v, NULL) == ERR_OK &&
		nt_kernel_addr(v)) {
		*ret = v;
		return ERR_OK;
	}
	TRY(nt_prcb(n, u, &v, d));
	TRY(nt_field(n, "_KPCR", "Prcb", &f, d));
	*ret = v - f.off;
	return ERR_OK;
}

static err current_thread(nt *n, unit_t u, uint64_t *ret, diag *d)
{
	uint64_t v = u, prcb;
	if (tgt_query(n->base.host.t, TGT_F_THREAD, &v, sizeof v, NULL) == ERR_OK &&
		nt_kernel_addr(v)) {
		*ret = nt_ethread_of(n, v);
		return ERR_OK;
	}
	TRY(nt_prcb(n, u, &prcb, d));
	TRY(nt_get(n, prcb, "_KPRCB", "CurrentThread", &v, d));
	if (!nt_kernel_addr(v))
		return diag_set(d, ERR_CORRUPT, "processor %u runs no thread (%016llx)", u,
			(unsigned long long)v);
	*ret = nt_ethread_of(n, v);
	return ERR_OK;
}

static uint32_t count_units(nt *n)
{
	uint64_t v, at;
	uint32_t k = 0;
	/* A byte in old kernels, four now: a number too large is read as a byte. */
	if (nt_global_value(n, "KeNumberProcessors", 4, &v, NULL) == ERR_OK) {
		if (v > NT_UNITS_MAX)
			v &= 0xff;
		if (v && v <= NT_UNITS_MAX)
			return (uint32_t)v;
	}
	if (nt_global(&n->base, STR("KiProcessorBlock"), &at, NULL) == ERR_OK)
		while (k < NT_UNITS_MAX && nt_read_u64(n, at + 8ULL * k, &v, NULL) == ERR_OK &&
			nt_kernel_addr(v))
			k++;
	return k ? k : 1;
}

void nt_units_fill(nt *n)
{
	if (n->units_known)
		return;
	n->units_known = true;
	n->n_units = count_units(n);
	for (unit_t u = 0; u < n->n_units; u++)
		if (current_thread(n, u, &n->unit_thread[u], NULL) != ERR_OK)
			n->unit_thread[u] = 0;
}

uint32_t nt_units(nt *n)
{
	nt_units_fill(n);
	return n->n_units;
}

err nt_running(os *o, unit_t u, uint64_t *thread, uint64_t *process, diag *d)
{
	uint64_t t, p;
	TRY(current_thread((nt *)o, u, &t, d));
	TRY(nt_thread_process(o, t, &p, d));
	*thread = t;
	*process = p;
	return ERR_OK;
}

err nt_thread_process(os *o, uint64_t thread, uint64_t *process, diag *d)
{
	nt *n = (nt *)o;
	uint64_t v;
	TRY(nt_get(n, nt_kthread_of(n, thread), "_KTHREAD", "ApcState.Process", &v, d));
	if (!nt_kernel_addr(v))
		return diag_set(d, ERR_CORRUPT, "thread %016llx has no process (%016llx)",
			(unsigned long long)thread, (unsigned long long)v);
	*process = nt_eprocess_of(n, v);
	return ERR_OK;
}

/* ---- threads ---- */

static uint64_t owner_of(nt *n, uint64_t thread)
{
	uint64_t kt = nt_kthread_of(n, thread), v;
	if (nt_get(n, kt, "_KTHREAD", "Process", &v, NULL) == ERR_OK && nt_kernel_addr(v))
		return nt_eprocess_of(n, v);
	if (nt_get(n, thread, "_ETHREAD", "ThreadsProcess", &v, NULL) == ERR_OK &&
		nt_kernel_addr(v))
		return v; /* before 6.1 */
	return nt_eprocess_of(n, nt_get_or(n, kt, "_KTHREAD", "ApcState.Process", 0));
}

static err fill(nt *n, uint64_t addr, os_thread *ret, diag *d)
{
	os_thread t = {.id_addr = addr};
	uint64_t kt = nt_kthread_of(n, addr), v;
	TRY(nt_get(n, kt, "_KTHREAD", "State", &v, d));
	t.state = (uint8_t)v;
	t.process = owner_of(n, addr);
	t.pid = nt_get_or(n, addr, "_ETHREAD", "Cid.UniqueProcess", 0);
	t.tid = nt_get_or(n, addr, "_ETHREAD", "Cid.UniqueThread", 0);
	t.start = nt_get_or(n, addr, "_ETHREAD", "StartAddress", 0);
	t.win32_start = nt_get_or(n, addr, "_ETHREAD", "Win32StartAddress", 0);
	t.teb = nt_get_or(n, kt, "_KTHREAD", "Teb", 0);
	t.trap_frame = nt_get_or(n, kt, "_KTHREAD", "TrapFrame", 0);
	t.initial_stack = nt_get_or(n, kt, "_KTHREAD", "InitialStack", 0);
	t.stack_base = nt_get_or(n, kt, "_KTHREAD", "StackBase", 0);
	t.stack_limit = nt_get_or(n, kt, "_KTHREAD", "StackLimit", 0);
	t.kernel_stack = nt_get_or(n, kt, "_KTHREAD", "KernelStack", 0);
	t.wait_reason = (uint8_t)nt_get_or(n, kt, "_KTHREAD", "WaitReason", 0);
	t.wait_mode = (uint8_t)nt_get_or(n, kt, "_KTHREAD", "WaitMode", 0);
	t.priority = (uint8_t)nt_get_or(n, kt, "_KTHREAD", "Priority", 0);
	t.base_priority = (uint8_t)nt_get_or(n, kt, "_KTHREAD", "BasePriority", 0);
	nt_units_fill(n);
	for (unit_t u = 0; u < n->n_units && !t.running; u++)
		if (n->unit_thread[u] == addr) {
			t.running = true;
			t.unit = u;
		}
	*ret = t;
	return ERR_OK;
}

err nt_thread(os *o, uint64_t addr, os_thread *ret, diag *d)
{
	nt *n = (nt *)o;
	if (!nt_kernel_addr(addr) || addr & 7)
		return diag_set(d, ERR_NOTFOUND, "%016llx is no thread: not a kernel address",
			(unsigned long long)addr);
	uint64_t type = nt_get_or(n, nt_kthread_of(n, addr), "_KTHREAD", "Header.Type", 0);
	if (type && (type & 0x7f) != OBJ_THREAD)
		return diag_set(d, ERR_NOTFOUND,
			"TYPE mismatch for thread object at %016llx (dispatcher type %llu, not %d)",
			(unsigned long long)addr, (unsigned long long)type, OBJ_THREAD);
	return fill(n, addr, ret, d);
}

typedef struct walk {
	nt *n;
	os_thread_fn *fn;
	void *u;
	uint32_t links;
	err e;
	diag *d;
} walk;

static bool one(void *u, uint64_t entry)
{
	walk *w = u;
	os_thread t;
	w->e = fill(w->n, entry - w->links, &t, w->d);
	return w->e == ERR_OK && w->fn(w->u, &t);
}

err nt_threads(os *o, uint64_t process, os_thread_fn *fn, void *u, diag *d)
{
	nt *n = (nt *)o;
	walk w = {.n = n, .fn = fn, .u = u, .d = d};
	nt_off head, link;
	uint64_t at;
	char what[64];
	/* Two lists hold the same threads; which head and which link belong together is fixed. */
	if (nt_field(n, "_EPROCESS", "ThreadListHead", &head, NULL) == ERR_OK &&
		nt_field(n, "_ETHREAD", "ThreadListEntry", &link, NULL) == ERR_OK) {
		at = process + head.off;
		w.links = link.off;
	} else {
		TRY(nt_field(n, "_KPROCESS", "ThreadListHead", &head, d));
		TRY(nt_field(n, "_KTHREAD", "ThreadListEntry", &link, d));
		at = nt_kprocess_of(n, process) + head.off;
		w.links = link.off + (uint32_t)(nt_kthread_of(n, 0));
	}
	snprintf(what, sizeof what, "the thread list of process %016llx",
		(unsigned long long)process);
	err e = nt_list(n, NULL, at, what, one, &w, d);
	return e != ERR_OK ? e : w.e;
}

/* ---- words ---- */

/* KTHREAD_STATE (ReactOS NDK ketypes.h), as !thread prints them. */
static const char *const states[] = {"INITIALIZED", "READY", "RUNNING", "STANDBY", "TERMINATED",
	"WAIT", "TRANSITION", "DEFERRED_READY", "GATEWAIT", "WAITFORPROCESSINSWAP"};

str nt_thread_state(nt *n, uint64_t v)
{
	return v < ARRAY_LEN(states) ? str_of(states[v]) : STR("UNKNOWN");
}

/* KWAIT_REASON, wdm.h. */
static const char *const reasons[] = {"Executive", "FreePage", "PageIn", "PoolAllocation",
	"DelayExecution", "Suspended", "UserRequest", "WrExecutive", "WrFreePage", "WrPageIn",
	"WrPoolAllocation", "WrDelayExecution", "WrSuspended", "WrUserRequest", "WrEventPair",
	"WrQueue", "WrLpcReceive", "WrLpcReply", "WrVirtualMemory", "WrPageOut", "WrRendezvous",
	"WrKeyedEvent", "WrTerminated", "WrProcessInSwap", "WrCpuRateControl", "WrCalloutStack",
	"WrKernel", "WrResource", "WrPushLock", "WrMutex", "WrQuantumEnd", "WrDispatchInt",
	"WrPreempted", "WrYieldExecution", "WrFastMutex", "WrGuardedMutex", "WrRundown",
	"WrAlertByThreadId", "WrDeferredPreempt", "WrPhysicalFault", "WrIoRing", "WrMdlCache",
	"WrRcu"};

str nt_wait_reason(nt *n, uint64_t v)
{
	sym_type t;
	sym_field *f;
	size_t k;
	arena a;
	str ret = v < ARRAY_LEN(reasons) ? str_of(reasons[v]) : STR("Unknown");
	arena_init(&a);
	if (sym_type_find(n->base.host.syms, STR("nt!_KWAIT_REASON"), &t, NULL) == ERR_OK &&
		sym_type_fields(t, &a, &f, &k) == ERR_OK) {
		for (size_t i = 0; i < k; i++)
			/* MaximumWaitReason is the end of the enum, not a reason. */
			if (f[i].is_enumerator && (uint64_t)f[i].value == v &&
				!str_starts(f[i].name, STR("Maximum"))) {
				/* Only a name that outlives the arena may be handed out. */
				for (size_t r = 0; r < ARRAY_LEN(reasons); r++)
					if (str_eq(f[i].name, str_of(reasons[r])))
						ret = str_of(reasons[r]);
				break;
			}
	}
	arena_deinit(&a);
	return ret;
}
