/*
 * process: !process, !thread, !running, !ready, !stacks, !for_each_process, !for_each_thread.
 *
 * Refuses to know where fields are (os/nt does) and how stacks unwind (the engine does). A damaged
 * list ends a listing with a line that says so, after what was found.
 */
#include "cmd/nt/ntc.h"

/* Numbers behind a command: none, some, with words for what is left. */
static err take_flags(cmd *c, str *rest, unsigned dflt, unsigned *ret)
{
	uint64_t v = dflt;
	if (rest->n)
		TRY(cmd_arg_expr(c, rest, &v));
	*ret = (unsigned)v;
	return ERR_OK;
}

/* ---- !process ---- */

typedef struct process_filter {
	bool has_session;
	uint64_t session;
	str module, image;
} process_filter;

/* The kernel keeps 15 bytes, most builds 14 characters and a NUL: a longer name matches its start.
 */
static bool image_matches(const os_process *p, str want)
{
	str have = str_of(p->image);
	return str_ieq(have, want) || (have.n >= 14 && want.n > have.n && str_istarts(want, have));
}

static bool has_module(cmd *c, const os_process *p, str want)
{
	sym_store *s = c->e->syms;
	sym_space before = sym_scope(s);
	bool found = false;
	if (!p->peb || os_user_modules(c->e->os, p->id_addr, NULL) != ERR_OK)
		return false;
	sym_scope_set(s, p->id_addr);
	sym_mod *m;
	for (size_t i = 0; !found && (m = sym_mod_nth(s, i)); i++)
		found = m->space == p->id_addr &&
			(str_wild(want, m->name, false) || str_ieq(want, m->image));
	sym_scope_set(s, before);
	return found;
}

static bool passes(cmd *c, const os_process *p, const process_filter *f)
{
	return (!f->has_session || p->session == f->session) &&
	       (!f->image.n || image_matches(p, f->image)) &&
	       (!f->module.n || has_module(c, p, f->module));
}

static err list_all(cmd *c, const process_filter *f, unsigned flags)
{
	os *o = c->e->os;
	ntc_addrs v = {0};
	diag why;
	err e = ntc_processes(c, &v, &why);
	if (e == ERR_OK && !f->image.n)
		out(c->e, "**** NT ACTIVE PROCESS DUMP ****\n");
	for (size_t i = 0; i < v.n && e == ERR_OK; i++) {
		os_process p;
		diag bad = {0};
		if (cancelled(&c->e->cancel)) {
			e = cmd_fail(c, ERR_CANCELLED, "interrupted");
			break;
		}
		if (os_process_get(o, v.p[i], &p, &bad) != ERR_OK) {
			ntc_note(c, "", &bad);
			continue;
		}
		/* Nothing is said when none passes: .foreach would take the words for processes. */
		if (!passes(c, &p, f))
			continue;
		e = ntc_show_process(c, &p, flags);
	}
	vec_deinit(&v);
	if (e == ERR_OK)
		ntc_note(c, "", &why);
	return e;
}

static err do_process(cmd *c, cmd_call *call)
{
	str rest = call->args, sw;
	process_filter f = {0};
	uint64_t which = ~0ULL;
	unsigned flags;
	os_process p;
	nt *n;
	TRY(ntc_get(c, &n));
	while (cmd_arg_switch(&rest, "/", &sw)) {
		if (str_ieq(sw, STR("s"))) {
			TRY(cmd_arg_expr(c, &rest, &f.session));
			f.has_session = true;
		} else if (str_ieq(sw, STR("m"))) {
			f.module = str_word(&rest);
			rest = str_trim(rest);
		} else {
			return cmd_syntax(c, call->args);
		}
	}
	bool given = rest.n > 0;
	if (given)
		TRY(cmd_arg_expr(c, &rest, &which));
	else if (f.has_session || f.module.n)
		which = 0, given = true;
	TRY(take_flags(c, &rest, !given || !which || which == ~0ULL ? 3 : 0xf, &flags));
	f.image = str_trim(rest);
	if (f.image.n && which)
		return cmd_fail(c, ERR_SYNTAX,
			"an image name needs 0 as the process: !process 0 %x %.*s", flags,
			STR_ARG(f.image));
	if (!which)
		return list_all(c, &f, flags);
	if (which == ~0ULL) {
		TRY(ntc_running_process(c, &which));
	} else if (!(which >> 47)) {
		out(c->e, "Searching for Process with Cid == %llx\n", (unsigned long long)which);
	}
	TRY(ntc_process_of(c, which, &p));
	return ntc_show_process(c, &p, flags);
}

/* ---- !thread ---- */

static err do_thread(cmd *c, cmd_call *call)
{
	str rest = call->args, sw;
	bool owner = false, is_tid = false;
	uint64_t addr = ~0ULL;
	unsigned flags;
	os *o = c->e->os;
	os_thread t;
	nt *n;
	TRY(ntc_get(c, &n));
	/* -1 is an address: the current thread. */
	while (!str_starts(rest, STR("-1")) && cmd_arg_switch(&rest, "-/", &sw)) {
		for (size_t i = 0; i < sw.n; i++) {
			if (sw.p[i] == 'p')
				owner = true;
			else if (sw.p[i] == 't')
				is_tid = true;
			else
				return cmd_syntax(c, call->args);
		}
	}
	if (rest.n)
		TRY(cmd_arg_expr(c, &rest, &addr));
	TRY(take_flags(c, &rest, NTC_WAITS | NTC_STACKS, &flags));
	TRY(cmd_arg_end(c, rest));
	if (addr == ~0ULL) {
		uint64_t process;
		if (is_tid)
			return cmd_fail(c, ERR_SYNTAX, "-t needs a thread id");
		TRY(os_running(o, c->e->ctx.unit, &addr, &process, &c->d));
	} else if (is_tid) {
		out(c->e, "Looking for thread Cid = %llx ...\n", (unsigned long long)addr);
		TRY(ntc_thread_by_tid(c, addr, &addr));
	}
	TRY(os_thread_get(o, addr, &t, &c->d));
	if (owner) {
		os_process p;
		TRY(os_process_get(o, t.process, &p, &c->d));
		TRY(ntc_show_process(c, &p, 0));
	}
	eng_ctx saved = eng_ctx_save(c->e);
	bool look = flags & NTC_CONTEXT && t.process;
	if (look) {
		diag bad = {0};
		if (eng_ctx_process(c->e, t.process, true, &bad) != ERR_OK ||
			eng_reload(c->e, false, true, &bad) != ERR_OK)
			ntc_note(c, "", &bad);
	}
	err e = ntc_show_thread(c, &t, flags, "");
	if (look)
		eng_ctx_restore(c->e, &saved);
	return e;
}

/* ---- !running ---- */

/* KPRCB.LockQueue: one mark a queued spin lock; the low bits of Lock say owner (2) and waiter (1).
 */
static void lock_marks(nt *n, uint64_t prcb, char marks[17])
{
	nt_off f;
	uint64_t size;
	memset(marks, '.', 16);
	marks[16] = 0;
	if (nt_field(n, "_KPRCB", "LockQueue", &f, NULL) != ERR_OK ||
		nt_sizeof(n, "_KSPIN_LOCK_QUEUE", &size, NULL) != ERR_OK || !size)
		return;
	for (unsigned i = 0; i < 16 && (i + 1) * size <= f.whole; i++) {
		uint64_t v = nt_get_or(n, prcb + f.off + i * size, "_KSPIN_LOCK_QUEUE", "Lock", 0);
		if (v & 3)
			marks[i] = v & 2 ? 'O' : 'W';
	}
}

typedef struct on_cpu {
	uint64_t prcb, current, next, idle; /* KTHREADs */
} on_cpu;

static err read_cpu(cmd *c, nt *n, unit_t u, on_cpu *ret, diag *d)
{
	on_cpu s = {0};
	uint64_t process;
	nt_off tcb;
	TRY(nt_prcb(n, u, &s.prcb, d));
	TRY(os_running(c->e->os, u, &s.current, &process, d));
	if (nt_field(n, "_ETHREAD", "Tcb", &tcb, NULL) == ERR_OK)
		s.current += tcb.off;
	s.next = nt_get_or(n, s.prcb, "_KPRCB", "NextThread", 0);
	s.idle = nt_get_or(n, s.prcb, "_KPRCB", "IdleThread", 0);
	*ret = s;
	return ERR_OK;
}

static err do_running(cmd *c, cmd_call *call)
{
	str rest = call->args, sw;
	bool idle = false, stack = false;
	nt *n;
	TRY(ntc_get(c, &n));
	while (cmd_arg_switch(&rest, "-/", &sw))
		for (size_t i = 0; i < sw.n; i++) {
			if (sw.p[i] == 'i')
				idle = true;
			else if (sw.p[i] == 't')
				stack = true;
			else
				return cmd_syntax(c, call->args);
		}
	TRY(cmd_arg_end(c, rest));
	uint32_t units = nt_units(n);
	uint64_t all = units >= 64 ? ~0ULL : (1ULL << units) - 1, idlers = 0;
	for (unit_t u = 0; u < units && u < 64; u++) {
		on_cpu s;
		if (read_cpu(c, n, u, &s, NULL) == ERR_OK && s.idle && s.current == s.idle)
			idlers |= 1ULL << u;
	}
	out(c->e, "System Processors:  (%016llx)\n  Idle Processors:  (%016llx)\n",
		(unsigned long long)all, (unsigned long long)idlers);
	if (all == idlers && !idle) {
		out(c->e, "All processors idle.\n");
		return ERR_OK;
	}
	out(c->e, "\n       Prcb              Current         (pri) Next            (pri) Idle\n");
	for (unit_t u = 0; u < units; u++) {
		on_cpu s;
		char marks[17], next[32] = "";
		diag bad = {0};
		if (cancelled(&c->e->cancel))
			return cmd_fail(c, ERR_CANCELLED, "interrupted");
		if (read_cpu(c, n, u, &s, &bad) != ERR_OK) {
			ntc_note(c, "  ", &bad);
			continue;
		}
		if (!idle && s.idle && s.current == s.idle)
			continue;
		if (s.next)
			snprintf(next, sizeof next, "%016llx (%2llu)", (unsigned long long)s.next,
				(unsigned long long)nt_get_or(
					n, s.next, "_KTHREAD", "Priority", 0));
		lock_marks(n, s.prcb, marks);
		out(c->e, "%3u  %016llx  %016llx (%2llu) %-21s %016llx  %s\n", u,
			(unsigned long long)s.prcb, (unsigned long long)s.current,
			(unsigned long long)nt_get_or(n, s.current, "_KTHREAD", "Priority", 0),
			next, (unsigned long long)s.idle, marks);
		if (stack) {
			x64_regs r = {0};
			out(c->e, "\n");
			if (eng_unit_regs(c->e, u, X64_SET_CONTROL | X64_SET_INTEGER, &r, &bad) ==
				ERR_OK)
				ntc_show_stack(c, &r, false, "");
			else
				ntc_note(c, "  ", &bad);
			out(c->e, "\n");
		}
	}
	return ERR_OK;
}

/* ---- every thread ---- */

/* Threads of all processes. Damage is noted at once and the walk goes on with the next process. */
static err all_threads(cmd *c, ntc_addrs *ret)
{
	ntc_addrs procs = {0};
	diag why, inner;
	err e = ntc_processes(c, &procs, &why);
	for (size_t i = 0; i < procs.n && e == ERR_OK; i++) {
		e = ntc_threads(c, procs.p[i], ret, &inner);
		ntc_note(c, "", &inner);
	}
	vec_deinit(&procs);
	if (e == ERR_OK)
		ntc_note(c, "", &why);
	return e;
}

static err do_ready(cmd *c, cmd_call *call)
{
	str rest = call->args;
	unsigned flags;
	os *o = c->e->os;
	ntc_addrs v = {0};
	size_t shown = 0;
	nt *n;
	TRY(ntc_get(c, &n));
	TRY(take_flags(c, &rest, NTC_WAITS | NTC_STACKS, &flags));
	TRY(cmd_arg_end(c, rest));
	if (flags & 0x10) /* here: return addresses only */
		flags = (flags & ~0x10u) | NTC_SHORT_STACK;
	err e = all_threads(c, &v);
	/* States 1 READY, 7 DEFERRED_READY; highest priority first. */
	for (int pri = 31; pri >= 0 && e == ERR_OK; pri--) {
		bool head = false;
		for (size_t i = 0; i < v.n && e == ERR_OK; i++) {
			os_thread t;
			if (cancelled(&c->e->cancel)) {
				e = cmd_fail(c, ERR_CANCELLED, "interrupted");
			} else if (v.p[i] && os_thread_get(o, v.p[i], &t, NULL) == ERR_OK &&
				   (t.state == 1 || t.state == 7)) {
				if ((t.priority > 31 ? 31 : t.priority) != pri)
					continue;
				if (!head)
					out(c->e, "Ready Threads at priority %d\n", pri);
				head = true;
				shown++;
				v.p[i] = 0;
				e = ntc_show_thread(c, &t, flags, "    ");
			} else {
				v.p[i] = 0; /* not ready: not asked again */
			}
		}
	}
	vec_deinit(&v);
	if (e == ERR_OK && !shown)
		out(c->e, "No threads in READY state\n");
	return e;
}

/* ---- !stacks ---- */

static const char *stack_state(const os_thread *t)
{
	static const char *const names[] = {
		"INIT", "READY", "RUNNING", "STANDBY", "TERM", "Blocked", "TRANS", "DREADY"};
	return t->running ? "RUNNING" : t->state < ARRAY_LEN(names) ? names[t->state] : "????";
}

/* The frames a reader wants first: not the scheduler's own. */
static bool is_scheduler(const char *name)
{
	static const char *const own[] = {"nt!KiSwapContext", "nt!SwapContext", "nt!KiSwapThread",
		"nt!KiCommitThreadWait", "nt!KeWaitFor", "nt!KeDelayExecution", "nt!KeRemoveQueue",
		"nt!KiBlock"};
	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		if (!strncmp(name, own[i], strlen(own[i])))
			return true;
	return false;
}

static err stack_row(
	cmd *c, const os_thread *t, uint64_t detail, str filter, bool *head, const char *image)
{
	engine *e = c->e;
	x64_regs r = {0};
	eng_frame *f = NULL;
	size_t k = 0, from = 0;
	arena a;
	buf b, line;
	diag bad = {0}, why = {0};
	bool paged_out = false, match = !filter.n;
	arena_init(&a);
	buf_init(&b, 4096);
	buf_init(&line, 1 << 20);
	if (os_thread_regs(e->os, t->id_addr, &r, &bad) != ERR_OK)
		paged_out = bad.code == ERR_FAULT;
	else if (eng_stack(e, &a, &r, 64, &f, &k, &why) != ERR_OK)
		k = 0;
	char left[80];
	snprintf(left, sizeof left, "%4llx.%06llx  %016llx  %-8s ", (unsigned long long)t->pid,
		(unsigned long long)t->tid, (unsigned long long)t->id_addr, stack_state(t));
	if (detail < 2)
		while (from + 1 < k) {
			buf_clear(&b);
			out_symbol(e, f[from].ip, &b);
			if (!is_scheduler(buf_z(&b)))
				break;
			from++;
		}
	for (size_t i = 0; i < k; i++) {
		buf_clear(&b);
		out_symbol(e, f[i].ip, &b);
		if (filter.n &&
			str_find(str_lower(&a, buf_str(&b)), str_lower(&a, filter)) != SIZE_MAX)
			match = true;
		if (i == from || (detail >= 2 && i > from))
			buf_addf(
				&line, "%*s%s\n", i == from ? 0 : (int)strlen(left), "", buf_z(&b));
	}
	if (!k)
		buf_addz(&line, paged_out ? "Stack paged out\n" : "(no stack)\n");
	/* Summary 0 leaves out what is not in memory (documented). */
	if (match && (detail >= 1 || k)) {
		if (!*head)
			out(e, "                                          [%s]\n", image);
		*head = true;
		out(e, "%s%s", left, buf_z(&line));
	}
	buf_deinit(&line);
	buf_deinit(&b);
	arena_deinit(&a);
	return ERR_OK;
}

static err do_stacks(cmd *c, cmd_call *call)
{
	str rest = call->args;
	uint64_t detail = 0;
	os *o = c->e->os;
	ntc_addrs procs = {0};
	diag why, inner;
	nt *n;
	TRY(ntc_get(c, &n));
	if (rest.n)
		TRY(cmd_arg_expr(c, &rest, &detail));
	str filter = str_trim(rest);
	if (detail > 2)
		return cmd_fail(c, ERR_SYNTAX, "detail is 0, 1 or 2");
	err e = ntc_processes(c, &procs, &why);
	if (e == ERR_OK)
		out(c->e, "Proc.Thread  .Thread           ThreadState  Blocker\n");
	for (size_t i = 0; i < procs.n && e == ERR_OK; i++) {
		ntc_addrs v = {0};
		os_process p;
		bool head = false;
		if (os_process_get(o, procs.p[i], &p, NULL) == ERR_OK)
			e = ntc_threads(c, p.id_addr, &v, &inner);
		for (size_t j = 0; j < v.n && e == ERR_OK; j++) {
			os_thread t;
			if (cancelled(&c->e->cancel))
				e = cmd_fail(c, ERR_CANCELLED, "interrupted");
			else if (os_thread_get(o, v.p[j], &t, NULL) == ERR_OK)
				e = stack_row(c, &t, detail, filter, &head, p.image);
		}
		vec_deinit(&v);
	}
	vec_deinit(&procs);
	if (e == ERR_OK)
		ntc_note(c, "", &why);
	return e;
}

/* ---- for each ---- */

/* Every occurrence of the alias becomes the value, before any other parsing (documented). */
static str replace(arena *a, str text, str what, str by)
{
	buf b;
	size_t at;
	buf_init(&b, 1 << 20);
	while ((at = str_find(text, what)) != SIZE_MAX) {
		buf_add(&b, text.p, at);
		buf_adds(&b, by);
		text = str_skip(text, at + what.n);
	}
	buf_adds(&b, text);
	str ret = str_dup(a, buf_str(&b));
	buf_deinit(&b);
	return ret;
}

static err for_each(
	cmd *c, cmd_call *call, str alias, const char *dflt, err (*list)(cmd *, ntc_addrs *))
{
	str text = str_trim(call->args);
	ntc_addrs v = {0};
	arena a; /* c->a is emptied by the commands that run inside */
	nt *n;
	TRY(ntc_get(c, &n));
	arena_init(&a);
	if (text.n && text.p[0] == '"') {
		str inner;
		err q = cmd_arg_quoted(c, &text, false, &inner);
		if (q != ERR_OK) {
			arena_deinit(&a);
			return q;
		}
		text = inner;
	}
	text = str_dup(&a, text.n ? text : str_of(dflt));
	err e = list(c, &v);
	for (size_t i = 0; i < v.n && e == ERR_OK; i++) {
		if (cancelled(&c->e->cancel)) {
			e = cmd_fail(c, ERR_CANCELLED, "interrupted");
			break;
		}
		str addr = str_printf(&a, "0x%016llx", (unsigned long long)v.p[i]);
		/* A command that fails for one element does not end the loop. */
		err one = cmd_execute(c, replace(&a, text, alias, addr));
		if (one == ERR_CANCELLED || one == ERR_DEAD)
			e = one;
		else
			diag_clear(&c->d);
	}
	vec_deinit(&v);
	arena_deinit(&a);
	return e;
}

static err list_processes(cmd *c, ntc_addrs *v)
{
	diag why;
	err e = ntc_processes(c, v, &why);
	if (e == ERR_OK)
		ntc_note(c, "", &why);
	return e;
}

static err do_each_process(cmd *c, cmd_call *call)
{
	return for_each(c, call, STR("@#Process"), "!process @#Process 1", list_processes);
}

static err do_each_thread(cmd *c, cmd_call *call)
{
	return for_each(c, call, STR("@#Thread"), "!thread @#Thread 2", all_threads);
}

#define TARGET (CMD_KERNEL | CMD_TARGET)

static const cmd_row rows[] = {
	{"!process",
		"!process [/s Session] [/m Module] [Process [Flags]]\n!process 0 Flags ImageName",
		"Display one process or all of them",
		"Process is the address of an EPROCESS, a process id, 0 for all processes, or -1 "
		"for the process "
		"that the current processor is in (also when it is left out). What .process looks "
		"at plays no "
		"part here: !process -1 0 shows where the processor really is.\n\n"
		"Flags, in any combination:\n"
		"  1   times, priorities, memory counts\n"
		"  2   threads and what they wait for\n"
		"  4   threads; together with 2 each with its stack, alone one line a thread\n"
		"  8   stacks without arguments\n"
		"  10  looks through the process itself while it is shown (needs 1; its user "
		"symbols are "
		"reloaded)\n"
		"The default is 3 for 0, -1 and nothing, F for one process.\n\n"
		"ImageName must match what the EPROCESS holds: the file name with its extension, "
		"no blanks, cut "
		"after 14 or 15 characters (a longer name matches its beginning).\n\n"
		"  !process 0 0                   every process, three lines each\n"
		"  !process 0 0 fscapture.exe     the address of one by name\n"
		"  !process 44 7                  process id 0x44 with threads and stacks",
		TARGET, do_process},
	{"!thread", "!thread [-p] [-t] [Address [Flags]]", "Display a thread",
		"Address is an ETHREAD; nothing or -1 means the thread that the current processor "
		"runs. With -t it "
		"is a thread id. -p shows the process that owns the thread first.\n\n"
		"Flags: 2 waits and times, 4 (with 2) the stack, 8 the stack without arguments, 10 "
		"user symbols "
		"of the owning process are reloaded for the stack. The default is 6.",
		TARGET, do_thread},
	{"!running", "!running [-i] [-t]", "List the threads that run on all processors",
		"-i includes idle processors, -t adds each processor's stack. The last column are "
		"the 16 queued "
		"spin locks: . free, O owned here, W waited for.",
		TARGET, do_running},
	{"!ready", "!ready [Flags]", "List threads that are ready to run, by falling priority",
		"Flags as for !thread, except 10: return addresses only. The default is 6.", TARGET,
		do_ready},
	{"!stacks", "!stacks [Detail [Filter]]", "Summarise the stack of every thread",
		"Detail 0 shows one line a thread, 1 also threads whose stack is paged out, 2 the "
		"whole stacks. "
		"Only threads with Filter in the name of one of their frames are shown if it is "
		"given.\n\n"
		"  !stacks 2 nt!KeWaitForSingleObject",
		TARGET, do_stacks},
	{"!for_each_process", "!for_each_process [\"CommandString\"]",
		"Run commands once for each process",
		"@#Process in CommandString is replaced by the address of the process before "
		"anything else is "
		"parsed. Without commands: !process @#Process 1. Ctrl+C ends the loop.\n\n"
		"  !for_each_process \".process /p @#Process; !peb\"",
		TARGET | CMD_REST, do_each_process},
	{"!for_each_thread", "!for_each_thread [\"CommandString\"]",
		"Run commands once for each thread",
		"@#Thread in CommandString is replaced by the address of the thread before "
		"anything else is "
		"parsed. Without commands: !thread @#Thread 2. Ctrl+C ends the loop.",
		TARGET | CMD_REST, do_each_thread},
};

const cmd_family cmd_family_nt_process = {"Processes and threads (NT)", rows, ARRAY_LEN(rows)};
