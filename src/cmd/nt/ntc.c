/*
 * ntc: shared parts of the NT commands. See ntc.h.
 */
#include "cmd/nt/ntc.h"

enum { STACK_FRAMES = 256, WAIT_BLOCKS_MAX = 64 };

err ntc_get(cmd *c, nt **ret)
{
	TRY(eng_accessible(c->e, &c->d));
	nt *n = nt_of(c->e->os);
	if (!n)
		return cmd_fail(c, ERR_UNSUPPORTED, "this command needs an NT kernel to look at");
	*ret = n;
	return ERR_OK;
}

err ntc_run(cmd *c, const char *name, const char *args)
{
	const cmd_row *row = cmd_row_find(str_of(name));
	if (!row || !row->fn)
		return cmd_fail(c, ERR_UNSUPPORTED, "%s is not there", name);
	cmd_call call = {.row = row, .name = str_of(name), .args = str_of(args)};
	return row->fn(c, &call);
}

void ntc_note(cmd *c, const char *indent, const diag *d)
{
	if (d->text[0])
		out_as(c->e, OUT_WARNING, "%s*** %s\n", indent, d->text);
}

void ntc_symbol(cmd *c, uint64_t addr, buf *b)
{
	if (!sym_format(c->e->syms, addr, b))
		buf_addf(b, "0x%016llx", (unsigned long long)addr);
}

/* ---- finding ---- */

err ntc_running_process(cmd *c, uint64_t *ret)
{
	uint64_t thread;
	return os_running(c->e->os, c->e->ctx.unit, &thread, ret, &c->d);
}

err ntc_implicit_process(cmd *c, os_process *ret)
{
	uint64_t addr;
	TRY(eng_process(c->e, &addr, &c->d));
	return os_process_get(c->e->os, addr, ret, &c->d);
}

static bool keep_process(void *u, const os_process *p)
{
	ntc_addrs *v = u;
	vec_push(v, p->id_addr);
	return true;
}

static bool keep_thread(void *u, const os_thread *t)
{
	ntc_addrs *v = u;
	vec_push(v, t->id_addr);
	return true;
}

/* A damaged list is no failure of the listing. */
static err soften(cmd *c, err e, diag *why)
{
	if (e != ERR_CORRUPT && e != ERR_FAULT) {
		if (e != ERR_OK)
			c->d = *why;
		diag_clear(why);
		return e;
	}
	return ERR_OK;
}

err ntc_processes(cmd *c, ntc_addrs *ret, diag *why)
{
	os *o = c->e->os;
	diag_clear(why);
	return soften(c, os_process_each(o, keep_process, ret, why), why);
}

err ntc_threads(cmd *c, uint64_t process, ntc_addrs *ret, diag *why)
{
	os *o = c->e->os;
	diag_clear(why);
	return soften(c, os_thread_each(o, process, keep_thread, ret, why), why);
}

typedef struct by_pid {
	uint64_t pid;
	os_process p;
	bool found;
} by_pid;

static bool is_pid(void *u, const os_process *p)
{
	by_pid *b = u;
	if (p->pid != b->pid)
		return true;
	b->p = *p;
	b->found = true;
	return false;
}

err ntc_process_of(cmd *c, uint64_t v, os_process *ret)
{
	os *o = c->e->os;
	by_pid b = {.pid = v};
	if (v >> 47)
		return os_process_get(o, v, ret, &c->d);
	err e = os_process_each(o, is_pid, &b, &c->d);
	if (b.found) {
		*ret = b.p;
		return ERR_OK;
	}
	return e != ERR_OK ? e
			   : cmd_fail(c, ERR_NOTFOUND, "there is no process with Cid %04llx",
				     (unsigned long long)v);
}

typedef struct by_tid {
	os *o;
	uint64_t tid, found;
	diag d;
} by_tid;

static bool is_tid(void *u, const os_thread *t)
{
	by_tid *b = u;
	if (t->tid == b->tid)
		b->found = t->id_addr;
	return !b->found;
}

static bool has_tid(void *u, const os_process *p)
{
	by_tid *b = u;
	/* A process whose list is damaged may still leave the others to look through. */
	if (os_thread_each(b->o, p->id_addr, is_tid, b, &b->d) == ERR_CANCELLED)
		return false;
	return !b->found;
}

err ntc_thread_by_tid(cmd *c, uint64_t tid, uint64_t *ret)
{
	by_tid b = {.o = c->e->os, .tid = tid};
	err e = os_process_each(b.o, has_tid, &b, &c->d);
	if (b.found) {
		*ret = b.found;
		return ERR_OK;
	}
	return e != ERR_OK ? e
			   : cmd_fail(c, ERR_NOTFOUND, "there is no thread with id %04llx",
				     (unsigned long long)tid);
}

/* ---- times ---- */

#define SHARED_DATA 0xfffff78000000000ULL /* KI_USER_SHARED_DATA, ntddk.h */

static void show_time(cmd *c, const char *indent, const char *name, uint64_t units)
{
	uint64_t ms = units / 10000, s = ms / 1000;
	char days[32] = "";
	if (s >= 86400)
		snprintf(days, sizeof days, "%llu Days ", (unsigned long long)(s / 86400));
	out(c->e, "%s%-25s %s%02llu:%02llu:%02llu.%03llu\n", indent, name, days,
		(unsigned long long)(s / 3600 % 24), (unsigned long long)(s / 60 % 60),
		(unsigned long long)(s % 60), (unsigned long long)(ms % 1000));
}

/* Ticks to 100 ns units; false: the kernel's clock rate is not known. */
static bool ticks(nt *n, uint64_t t, uint64_t *ret)
{
	uint64_t inc;
	if (nt_global_value(n, "KeMaximumIncrement", 4, &inc, NULL) != ERR_OK || !inc)
		return false;
	*ret = t * inc;
	return true;
}

static void show_ticks(cmd *c, nt *n, const char *indent, const char *name, uint64_t base,
	const char *type, const char *field)
{
	uint64_t t, units;
	if (nt_get(n, base, type, field, &t, NULL) != ERR_OK)
		return;
	if (ticks(n, t, &units))
		show_time(c, indent, name, units);
	else
		out(c->e, "%s%-25s %llu ticks\n", indent, name, (unsigned long long)t);
}

/* ---- a process ---- */

static void field_line(
	cmd *c, nt *n, uint64_t p, const char *name, const char *path, const char *fmt)
{
	uint64_t v;
	if (nt_get(n, p, "_EPROCESS", path, &v, NULL) != ERR_OK)
		return;
	out(c->e, "    %-33s ", name);
	out(c->e, fmt, (unsigned long long)v);
	out(c->e, "\n");
}

static void show_stats(cmd *c, nt *n, const os_process *p)
{
	uint64_t v, now, a = p->id_addr;
	static const struct {
		const char *path, *fmt;
	} counts[] = {{"VadCount", " Vads %llu"}, {"CloneRoot", " Clone %llx"},
		{"NumberOfPrivatePages", " Private %llu."},
		{"ModifiedPageCount", " Modified %llu."}, {"NumberOfLockedPages", " Locked %llu."}};
	if (nt_get(n, a, "_EPROCESS", "VadRoot.Root", &v, NULL) == ERR_OK ||
		nt_get(n, a, "_EPROCESS", "VadRoot", &v, NULL) == ERR_OK) {
		out(c->e, "    VadRoot %016llx", (unsigned long long)v);
		for (size_t i = 0; i < ARRAY_LEN(counts); i++)
			if (nt_get(n, a, "_EPROCESS", counts[i].path, &v, NULL) == ERR_OK)
				out(c->e, counts[i].fmt, (unsigned long long)v);
		out(c->e, "\n");
	}
	if (nt_get(n, a, "_EPROCESS", "DeviceMap", &v, NULL) == ERR_OK)
		out(c->e, "    DeviceMap %016llx\n", (unsigned long long)v);
	/* EX_FAST_REF keeps a count in its low four bits. */
	if (nt_get(n, a, "_EPROCESS", "Token.Object", &v, NULL) == ERR_OK ||
		nt_get(n, a, "_EPROCESS", "Token", &v, NULL) == ERR_OK)
		out(c->e, "    %-33s %016llx\n", "Token", (unsigned long long)(v & ~15ULL));
	nt_off f;
	uint8_t b[12];
	if (nt_get(n, a, "_EPROCESS", "CreateTime", &v, NULL) == ERR_OK && v &&
		nt_field(n, "_KUSER_SHARED_DATA", "SystemTime", &f, NULL) == ERR_OK &&
		nt_read(n, SHARED_DATA + f.off, b, sizeof b, NULL) == ERR_OK &&
		(now = le_get(b, 8)) > v)
		show_time(c, "    ", "ElapsedTime", now - v);
	show_ticks(c, n, "    ", "UserTime", a, "_EPROCESS", "Pcb.UserTime");
	show_ticks(c, n, "    ", "KernelTime", a, "_EPROCESS", "Pcb.KernelTime");
	field_line(c, n, a, "PeakVirtualSize", "PeakVirtualSize", "%llu");
	field_line(c, n, a, "VirtualSize", "VirtualSize", "%llu");
	field_line(c, n, a, "PageFaultCount", "Vm.PageFaultCount", "%llu");
	field_line(c, n, a, "BasePriority", "Pcb.BasePriority", "%llu");
	field_line(c, n, a, "CommitCharge", "CommitCharge", "%llu");
	if (nt_get(n, a, "_EPROCESS", "DebugPort", &v, NULL) == ERR_OK && v)
		out(c->e, "    %-33s %016llx\n", "DebugPort", (unsigned long long)v);
	if (nt_get(n, a, "_EPROCESS", "Job", &v, NULL) == ERR_OK && v)
		out(c->e, "    %-33s %016llx\n", "Job", (unsigned long long)v);
}

static err show_threads(cmd *c, const os_process *p, unsigned flags)
{
	os *o = c->e->os;
	ntc_addrs v = {0};
	diag why;
	err e = ntc_threads(c, p->id_addr, &v, &why);
	if (e == ERR_NOTFOUND) { /* a field that nothing tells: the other processes are listed all
				    the same */
		ntc_note(c, "        ", &c->d);
		diag_clear(&c->d);
		e = ERR_OK;
	}
	for (size_t i = 0; i < v.n && e == ERR_OK; i++) {
		os_thread t;
		if (cancelled(&c->e->cancel)) {
			e = cmd_fail(c, ERR_CANCELLED, "interrupted");
			break;
		}
		diag bad = {0};
		if (os_thread_get(o, v.p[i], &t, &bad) != ERR_OK)
			ntc_note(c, "        ", &bad);
		else
			e = ntc_show_thread(c, &t, flags, "        ");
	}
	vec_deinit(&v);
	if (e == ERR_OK)
		ntc_note(c, "        ", &why);
	return e;
}

/* A field that this kernel's symbols do not tell is no zero. */
static void show_field(
	buf *b, nt *n, const char *type, const char *field, const char *fmt, uint64_t v)
{
	if (nt_has(n, type, field))
		buf_addf(b, fmt, (unsigned long long)v);
	else
		buf_addc(b, '?');
}

void ntc_session_text(uint32_t session, char text[16])
{
	if (session == OS_SESSION_NONE || session == OS_SESSION_UNKNOWN)
		snprintf(text, 16, "%s", session == OS_SESSION_NONE ? "none" : "?");
	else
		snprintf(text, 16, "%u", session);
}

err ntc_show_process(cmd *c, const os_process *p, unsigned flags)
{
	nt *n;
	buf b;
	char session[16];
	TRY(ntc_get(c, &n));
	ntc_session_text(p->session, session);
	out(c->e, "PROCESS %016llx  SessionId: %s  Cid: %04llx    Peb: %08llx  ParentCid: %04llx\n",
		(unsigned long long)p->id_addr, session, (unsigned long long)p->pid,
		(unsigned long long)p->peb, (unsigned long long)p->parent_pid);
	buf_init(&b, 256);
	buf_addf(&b, "    DirBase: %08llx  ObjectTable: ", (unsigned long long)p->root);
	show_field(&b, n, "_EPROCESS", "ObjectTable", "%016llx", p->object_table);
	buf_addz(&b, "  HandleCount: ");
	show_field(&b, n, "_EPROCESS", "ObjectTable", "%3llu.", p->handle_count);
	out(c->e, "%s\n", buf_z(&b));
	buf_deinit(&b);
	out(c->e, "    Image: %s\n", p->image);
	if (flags & NTC_TIMES)
		show_stats(c, n, p);
	err e = ERR_OK;
	if (flags & (NTC_WAITS | NTC_STACKS)) {
		out(c->e, "\n");
		/* Bit 4 works with bit 0 only (documented). */
		bool look = flags & NTC_CONTEXT && flags & NTC_TIMES && p->peb;
		eng_ctx saved = eng_ctx_save(c->e);
		if (look) {
			diag bad = {0};
			if (eng_ctx_process(c->e, p->id_addr, true, &bad) != ERR_OK ||
				eng_reload(c->e, false, true, &bad) != ERR_OK)
				ntc_note(c, "    ", &bad);
		}
		e = show_threads(c, p, flags);
		if (look)
			eng_ctx_restore(c->e, &saved);
	}
	out(c->e, "\n");
	return e;
}

/* ---- stacks ---- */

void ntc_show_stack(cmd *c, const x64_regs *r, bool args, const char *indent)
{
	engine *e = c->e;
	eng_frame *f;
	size_t k;
	diag why = {0};
	arena a;
	buf b;
	arena_init(&a);
	buf_init(&b, 4096);
	if (eng_stack(e, &a, r, STACK_FRAMES, &f, &k, &why) != ERR_OK)
		k = 0;
	if (k)
		out(e,
			args ? "%sChild-SP          RetAddr           : Args to Child              "
			       "                   "
			       "                          : Call Site\n"
			     : "%sChild-SP          RetAddr           Call Site\n",
			indent);
	for (size_t i = 0; i < k; i++) {
		buf_clear(&b);
		buf_addf(&b, "%s%s ", indent, out_addr(e, f[i].sp));
		buf_addf(&b, "%s ", out_addr(e, f[i].ret));
		if (args) {
			/* The home space above the return address: the arguments, if the callee
			 * saved them. */
			uint8_t home[32];
			bool ok = f[i].ret_slot && eng_read_all(e, f[i].ret_slot + 8, home,
							   sizeof home, NULL) == ERR_OK;
			buf_addz(&b, ": ");
			for (int j = 0; j < 4; j++) {
				if (ok)
					buf_addf(&b, "%s ", out_addr(e, le_get(home + 8 * j, 8)));
				else
					buf_addz(&b, "????????`???????? ");
			}
			buf_addz(&b, ": ");
		}
		if (i && !f[i - 1].trap && !f[i].trap)
			out_caller(e, f[i].ip, &b);
		else
			out_symbol(e, f[i].ip, &b);
		buf_addc(&b, '\n');
		out_str(e, OUT_NORMAL, buf_str(&b));
	}
	if (why.text[0] && (!k || f[k - 1].ret))
		ntc_note(c, indent, &why);
	buf_deinit(&b);
	arena_deinit(&a);
}

/* ---- a thread ---- */

/* What a dispatcher object is, by DISPATCHER_HEADER.Type (KOBJECTS of the ReactOS NDK). */
static const char *object_name(uint64_t type)
{
	static const char *const names[] = {"NotificationEvent", "SynchronizationEvent", "Mutant",
		"ProcessObject", "QueueObject", "Semaphore", "Thread", "Gate", "NotificationTimer",
		"SynchronizationTimer"};
	type &= 0x7f;
	return type < ARRAY_LEN(names) ? names[type] : "Unknown";
}

static void show_waits(cmd *c, nt *n, uint64_t kt, const char *indent)
{
	uint64_t at, object, count, size;
	nt_off f;
	if (nt_get(n, kt, "_KTHREAD", "WaitBlockList", &at, NULL) != ERR_OK || !(at >> 47))
		return;
	bool array = nt_get(n, kt, "_KTHREAD", "WaitBlockCount", &count, NULL) == ERR_OK &&
		     nt_sizeof(n, "_KWAIT_BLOCK", &size, NULL) == ERR_OK;
	bool chain = !array && nt_field(n, "_KWAIT_BLOCK", "NextWaitBlock", &f, NULL) == ERR_OK;
	uint64_t first = at;
	for (int i = 0; i < WAIT_BLOCKS_MAX && (!array || (uint64_t)i < count); i++) {
		if (nt_get(n, at, "_KWAIT_BLOCK", "Object", &object, NULL) != ERR_OK ||
			!(object >> 47))
			return;
		out(c->e, "%s    %016llx  %s\n", indent, (unsigned long long)object,
			object_name(nt_get_or(n, object, "_DISPATCHER_HEADER", "Type", 0x7f)));
		if (array)
			at += size;
		else if (!chain ||
			 nt_get(n, at, "_KWAIT_BLOCK", "NextWaitBlock", &at, NULL) != ERR_OK ||
			 at == first || !(at >> 47))
			return;
	}
}

static void state_words(nt *n, const os_thread *t, uint64_t kt, buf *b)
{
	str s = nt_thread_state(n, t->state);
	if (t->running)
		buf_addf(b, "RUNNING on processor %x", t->unit);
	else if (str_eq(s, STR("WAIT"))) {
		str why = nt_wait_reason(n, t->wait_reason);
		buf_addf(b, "WAIT: (%.*s) %s %s", STR_ARG(why),
			t->wait_mode ? "UserMode" : "KernelMode",
			nt_get_or(n, kt, "_KTHREAD", "Alertable", 0) ? "Alertable"
								     : "Non-Alertable");
	} else if (str_eq(s, STR("READY")) || str_eq(s, STR("STANDBY"))) {
		buf_addf(b, "%.*s on processor %x", STR_ARG(s),
			(unsigned)nt_get_or(n, kt, "_KTHREAD", "NextProcessor", 0) & 0xff);
	} else {
		buf_adds(b, s);
	}
}

static void show_owner(cmd *c, nt *n, const os_thread *t, uint64_t kt, const char *indent)
{
	os *o = c->e->os;
	os_process p;
	uint64_t attached;
	if (os_process_get(o, t->process, &p, NULL) == ERR_OK)
		out(c->e, "%s%-25s %016llx       Image:         %s\n", indent, "Owning Process",
			(unsigned long long)p.id_addr, p.image);
	if (os_thread_process(o, t->id_addr, &attached, NULL) == ERR_OK && attached != t->process &&
		os_process_get(o, attached, &p, NULL) == ERR_OK)
		out(c->e, "%s%-25s %016llx       Image:         %s\n", indent, "Attached Process",
			(unsigned long long)p.id_addr, p.image);
	else
		out(c->e, "%s%-25s %-16s       Image:         %s\n", indent, "Attached Process",
			"N/A", "N/A");
	uint64_t v, tick, units;
	if (nt_get(n, kt, "_KTHREAD", "WaitTime", &v, NULL) == ERR_OK) {
		out(c->e, "%s%-25s %-10llu", indent, "Wait Start TickCount", (unsigned long long)v);
		if ((nt_global_value(n, "KeTickCount", 4, &tick, NULL) == ERR_OK ||
			    nt_get(n, SHARED_DATA, "_KUSER_SHARED_DATA", "TickCountQuad", &tick,
				    NULL) == ERR_OK) &&
			(tick &= 0xffffffff) >= v) {
			out(c->e, "     Ticks: %llu", (unsigned long long)(tick - v));
			if (ticks(n, tick - v, &units))
				out(c->e, " (%llu:%02llu:%02llu:%02llu.%03llu)",
					(unsigned long long)(units / 10000000 / 86400),
					(unsigned long long)(units / 10000000 / 3600 % 24),
					(unsigned long long)(units / 10000000 / 60 % 60),
					(unsigned long long)(units / 10000000 % 60),
					(unsigned long long)(units / 10000 % 1000));
		}
		out(c->e, "\n");
	}
	if (nt_get(n, kt, "_KTHREAD", "ContextSwitches", &v, NULL) == ERR_OK)
		out(c->e, "%s%-25s %-10llu     IdealProcessor: %llu\n", indent,
			"Context Switch Count", (unsigned long long)v,
			(unsigned long long)(nt_get_or(n, kt, "_KTHREAD", "IdealProcessor", 0) &
					     0xff));
	show_ticks(c, n, indent, "UserTime", kt, "_KTHREAD", "UserTime");
	show_ticks(c, n, indent, "KernelTime", kt, "_KTHREAD", "KernelTime");
}

static void show_start(cmd *c, const char *indent, const char *name, uint64_t addr)
{
	if (!addr)
		return;
	buf b;
	buf_init(&b, 1024);
	if (sym_format(c->e->syms, addr, &b))
		out(c->e, "%s%s %s (0x%016llx)\n", indent, name, buf_z(&b),
			(unsigned long long)addr);
	else
		out(c->e, "%s%s 0x%016llx\n", indent, name, (unsigned long long)addr);
	buf_deinit(&b);
}

/* The thread's own stack; its user half is only right seen through its own process. */
static void stack_of(cmd *c, const os_thread *t, unsigned flags, const char *indent)
{
	os *o = c->e->os;
	engine *e = c->e;
	x64_regs r = {0};
	diag bad = {0};
	uint64_t process = t->process, implicit = 0;
	if (os_thread_regs(o, t->id_addr, &r, &bad) != ERR_OK) {
		ntc_note(c, indent, &bad);
		return;
	}
	eng_ctx saved = eng_ctx_save(e);
	bool other = eng_process(e, &implicit, NULL) == ERR_OK && implicit != process;
	if (other && eng_ctx_process(e, process, true, &bad) != ERR_OK)
		ntc_note(c, indent, &bad);
	ntc_show_stack(c, &r, !(flags & NTC_SHORT_STACK), indent);
	eng_ctx_restore(e, &saved);
}

static void show_stack_and_priority(cmd *c, nt *n, const os_thread *t, uint64_t kt, const char *in)
{
	buf b;
	uint64_t call = nt_get_or(n, kt, "_KTHREAD", "CallbackStack", 0);
	buf_init(&b, 256);
	buf_addf(&b, "%sStack Init ", in);
	show_field(&b, n, "_KTHREAD", "InitialStack", "%016llx", t->initial_stack);
	buf_addz(&b, " Current ");
	show_field(&b, n, "_KTHREAD", "KernelStack", "%016llx", t->kernel_stack);
	buf_addf(&b, "\n%sBase ", in);
	show_field(&b, n, "_KTHREAD", "StackBase", "%016llx", t->stack_base);
	buf_addz(&b, " Limit ");
	show_field(&b, n, "_KTHREAD", "StackLimit", "%016llx", t->stack_limit);
	buf_addz(&b, " Call ");
	show_field(&b, n, "_KTHREAD", "CallbackStack", "%016llx", call);
	buf_addf(&b, "\n%sPriority ", in);
	show_field(&b, n, "_KTHREAD", "Priority", "%llu", t->priority);
	buf_addz(&b, " BasePriority ");
	show_field(&b, n, "_KTHREAD", "BasePriority", "%llu", t->base_priority);
	out_str(c->e, OUT_NORMAL, buf_str(&b));
	buf_deinit(&b);
}

err ntc_show_thread(cmd *c, const os_thread *t, unsigned flags, const char *indent)
{
	nt *n;
	buf b;
	nt_off f;
	TRY(ntc_get(c, &n));
	if (nt_field(n, "_ETHREAD", "Tcb", &f, NULL) != ERR_OK)
		f.off = 0;
	uint64_t kt = t->id_addr + f.off;
	buf_init(&b, 1024);
	buf_addf(&b, "%sTHREAD %016llx  Cid %04llx.%04llx  Teb: %016llx Win32Thread: ", indent,
		(unsigned long long)t->id_addr, (unsigned long long)t->pid,
		(unsigned long long)t->tid, (unsigned long long)t->teb);
	show_field(&b, n, "_KTHREAD", "Win32Thread", "%016llx",
		nt_get_or(n, kt, "_KTHREAD", "Win32Thread", 0));
	buf_addc(&b, ' ');
	state_words(n, t, kt, &b);
	buf_addc(&b, '\n');
	out_str(c->e, OUT_NORMAL, buf_str(&b));
	buf_deinit(&b);
	if (!(flags & NTC_WAITS))
		return ERR_OK;
	char in[64];
	snprintf(in, sizeof in, "%s", indent);
	if (str_eq(nt_thread_state(n, t->state), STR("WAIT")) && !t->running)
		show_waits(c, n, kt, indent);
	uint64_t v;
	if (nt_get(n, t->id_addr, "_ETHREAD", "ActiveImpersonationInfo", &v, NULL) == ERR_OK)
		out(c->e, "%s%s\n", in, v ? "Impersonating" : "Not impersonating");
	show_owner(c, n, t, kt, in);
	show_start(c, in, "Win32 Start Address", t->win32_start);
	show_start(c, in, "Start Address", t->win32_start == t->start ? 0 : t->start);
	show_stack_and_priority(c, n, t, kt, in);
	if (nt_get(n, kt, "_KTHREAD", "PriorityDecrement", &v, NULL) == ERR_OK)
		out(c->e, " PriorityDecrement %llu", (unsigned long long)v);
	out(c->e, "\n");
	if (flags & NTC_STACKS)
		stack_of(c, t, flags, in);
	out(c->e, "\n");
	return ERR_OK;
}
