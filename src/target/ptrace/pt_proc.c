/*
 * pt_proc: how processes come under the debugger and leave it. See pt.h.
 *
 * create: the child waits on a pipe until it is seized, then execs: the first stop is the new
 * image's, with no instruction of it executed, and no signal is needed to get there.
 *
 * Children: fork copies our bytes along, so a child that nobody follows gets its own back before it
 * is let go. A vfork child (posix_spawn's too) shares the memory: it stays traced, unseen, and
 * passes over the bytes until it execs or ends (`shadow`).
 */
#include "target/ptrace/pt.h"
#include "target/ptrace/pt_denied.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef PTRACE_EVENT_STOP
#define PTRACE_EVENT_STOP 128
#endif

enum { KILL_MS = 5000, CLONE_VM_ = 0x100, CLONE_THREAD_ = 0x10000 };

static unsigned pt_options(const pt_proc *pr)
{
	return PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC |
	       PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACEEXIT | (pr->created ? PTRACE_O_EXITKILL : 0);
}

/* ---- the terminal ---- */

static void set_foreground(int tty, pid_t pgrp)
{
	sigset_t block, old;
	sigemptyset(&block);
	sigaddset(&block, SIGTTOU); /* from the background it would stop us */
	pthread_sigmask(SIG_BLOCK, &block, &old);
	(void)!tcsetpgrp(tty, pgrp);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static bool stopped_by_job_control(const pt_proc *pr)
{
	for (size_t i = 0; i < pr->threads.n; i++)
		if (pr->threads.p[i]->group_stop)
			return true;
	return false;
}

/* As a shell's fg does for a program that job control has stopped, once somebody has looked. */
void pt_terminal_give(pt *p)
{
	bool shown = p->shown;
	p->shown = false;
	if (p->tty < 0 || p->tty_pgrp)
		return;
	for (size_t i = 0; i < p->proc_list.n; i++) {
		const pt_proc *pr = p->proc_list.p[i];
		bool stopped = pr->terminal && stopped_by_job_control(pr);
		if (!pr->terminal || (stopped && !shown))
			continue;
		pid_t now = tcgetpgrp(p->tty);
		if (now != getpgrp())
			return;
		p->tty_pgrp = now;
		set_foreground(p->tty, pr->pid);
		if (stopped)
			kill(-pr->pid, SIGCONT);
		return;
	}
}

/* Processes that stood still before we came; left without a go, they are as they were. */
void pt_continue_found(pt *p)
{
	p->found_stopped = false;
	for (size_t i = 0; i < p->proc_list.n; i++) {
		pt_proc *pr = p->proc_list.p[i];
		if (pr->found_stopped)
			kill(pr->pid, SIGCONT);
		pr->found_stopped = false;
	}
}

void pt_terminal_back(pt *p)
{
	if (p->tty < 0 || !p->tty_pgrp)
		return;
	set_foreground(p->tty, p->tty_pgrp);
	p->tty_pgrp = 0;
}

/* Our controlling terminal, if it is our standard input and ours to give. */
static bool terminal_is_ours(pt *p)
{
	if (!isatty(0) || tcgetpgrp(0) != getpgrp())
		return false;
	if (p->tty < 0)
		p->tty = fcntl(0, F_DUPFD_CLOEXEC, 10);
	return p->tty >= 0;
}

/* ---- create ---- */

static err find_program(const char *name, buf *path, diag *d)
{
	const char *search = getenv("PATH");
	struct stat st;
	if (strchr(name, '/')) {
		buf_addz(path, name);
		if (stat(buf_z(path), &st))
			return diag_set(d, ERR_NOTFOUND, "%s: %s", name, strerror(errno));
		if (!S_ISREG(st.st_mode) || access(buf_z(path), X_OK))
			return diag_set(
				d, ERR_DENIED, "%s is not a program that can be executed", name);
		return ERR_OK;
	}
	for (str rest = str_of(search ? search : "/usr/local/bin:/usr/bin:/bin"); rest.n;) {
		size_t colon = str_chr(rest, ':');
		str dir = str_take(rest, colon);
		rest = colon == SIZE_MAX ? STR("") : str_skip(rest, colon + 1);
		buf_clear(path);
		buf_addf(path, "%.*s/%s", STR_ARG(dir.n ? dir : STR(".")), name);
		if (!stat(buf_z(path), &st) && S_ISREG(st.st_mode) && !access(buf_z(path), X_OK))
			return ERR_OK;
	}
	return diag_set(d, ERR_NOTFOUND, "there is no program %s in PATH", name);
}

/* Between fork and exec: nothing here may take a lock or allocate. */
static void __attribute__((noreturn))
child(const tgt_create *how, const char *path, int go, int report, bool terminal)
{
	char c;
	int e;
	sigset_t none;
	if (terminal)
		(void)!setpgid(0, 0);
	while (read(go, &c, 1) < 0 && errno == EINTR)
		;
	for (int i = 1; i < 65; i++) /* what we ignore the program need not */
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int i = 0; i < 3; i++)
		if (how->stdio[i] >= 0 && how->stdio[i] != i && dup2(how->stdio[i], i) < 0)
			goto failed;
	if (how->dir && chdir(how->dir))
		goto failed;
	if (!how->keep_aslr) {
		int now = personality(0xffffffff);
		if (now >= 0)
			(void)!personality((unsigned)now | ADDR_NO_RANDOMIZE);
	}
	execve(path, (char *const *)how->argv, how->envp ? (char *const *)how->envp : environ);
failed:
	e = errno;
	(void)!write(report, &e, sizeof e);
	_exit(127);
}

/* Waits for the exec of a child that was just released. */
static err await_exec(pt *p, pid_t pid, int report, const char *path, diag *d)
{
	int status, why = 0;
	for (;;) {
		pid_t got = waitpid(pid, &status, __WALL);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return diag_set(d, ERR_IO, "waiting for %s: %s", path, strerror(errno));
		if (!WIFSTOPPED(status))
			break;
		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8))
			return ERR_OK;
		int sig = status >> 16 ? 0 : WSTOPSIG(status);
		(void)!ptrace(PTRACE_CONT, pid, NULL, (void *)(uintptr_t)sig);
	}
	(void)p;
	if (read(report, &why, sizeof why) == (ssize_t)sizeof why && why)
		return diag_set(d, why == ENOENT ? ERR_NOTFOUND : ERR_DENIED, "%s: %s", path,
			strerror(why));
	return diag_set(d, ERR_IO, "%s ended before it was executed", path);
}

static bool is_32_bit(pid_t pid)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
	return pt_elf_class(path) == 1;
}

static err refuse_32(diag *d, const char *what)
{
	return diag_set(d, ERR_UNSUPPORTED,
		"%s is a 32-bit program: only 64-bit (x86-64) programs can be debugged", what);
}

static err spawn(pt *p, const tgt_create *how, const char *path, bool terminal, pid_t *ret, diag *d)
{
	int go[2], report[2];
	unsigned opts = pt_options(&(pt_proc){.created = true});
	if (pipe2(go, O_CLOEXEC))
		return diag_set(d, ERR_IO, "pipe: %s", strerror(errno));
	if (pipe2(report, O_CLOEXEC)) {
		close(go[0]);
		close(go[1]);
		return diag_set(d, ERR_IO, "pipe: %s", strerror(errno));
	}
	pid_t pid = fork();
	if (!pid) {
		close(go[1]);
		child(how, path, go[0], report[1], terminal);
	}
	int why = errno;
	close(go[0]);
	close(report[1]);
	err e = ERR_OK;
	if (pid < 0) {
		e = diag_set(d, ERR_IO, "fork: %s", strerror(why));
	} else {
		if (terminal)
			(void)!setpgid(pid, pid);
		if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)(uintptr_t)opts)) {
			pt_denied f;
			pt_denied_look(pid, errno, true, &f);
			e = pt_denied_say(&f, d);
			kill(pid, SIGKILL);
			waitpid(pid, NULL, __WALL);
		}
	}
	close(go[1]); /* its read ends */
	if (e == ERR_OK)
		e = await_exec(p, pid, report[0], path, d);
	close(report[0]);
	if (e == ERR_OK)
		*ret = pid;
	return e;
}

/* A process with a new image: tell of it and of what is mapped so far. */
static void pt_process_started(pt *p, pt_proc *pr, pt_thread *th)
{
	pt_loader_start(p, pr, th, pr->phase != PT_READY);
}

err pt_create(tgt *t, const tgt_create *how, uint64_t *process_id, diag *d)
{
	pt *p = pt_of(t);
	buf path;
	pid_t pid = 0;
	if (!how->path || !how->argv || !how->argv[0])
		return diag_set(d, ERR_ARG, "no program is named");
	buf_init(&path, PATH_MAX);
	pt_unpin(p); /* the child would inherit it */
	bool terminal = how->stdio[0] < 0 && terminal_is_ours(p);
	err e = find_program(how->path, &path, d);
	if (e == ERR_OK && pt_elf_class(buf_z(&path)) == 1)
		e = refuse_32(d, how->path);
	if (e == ERR_OK)
		e = spawn(p, how, buf_z(&path), terminal, &pid, d);
	buf_deinit(&path);
	TRY(e);
	if (is_32_bit(pid)) { /* a script's interpreter, say */
		kill(pid, SIGKILL);
		while (waitpid(pid, NULL, __WALL) == pid)
			(void)!ptrace(PTRACE_CONT, pid, NULL, NULL);
		return refuse_32(d, how->path);
	}
	pt_proc *pr = pt_proc_add(p, pid);
	pr->created = true;
	pr->terminal = terminal;
	pr->phase = PT_LOADING;
	pr->space = pt_space_create(pid);
	p->follow |= how->children;
	pt_thread *th = pt_thread_add(p, pr, pid);
	pt_set_stopped(p, th);
	th->in_call = true;
	pt_leave_call(p, th);
	if (pt_proc_find(p, pid) == pr)
		pt_process_started(p, pr, th);
	*process_id = (uint64_t)pid;
	return ERR_OK;
}

/* ---- attach ---- */

/* Seizes the threads that are not ours yet. Returns how many were new; -1 with errno. */
static int seize_threads(pt *p, pt_proc *pr, unsigned opts)
{
	char path[64];
	int n = 0;
	snprintf(path, sizeof path, "/proc/%d/task", (int)pr->pid);
	DIR *dir = opendir(path);
	if (!dir)
		return -1;
	for (struct dirent *e; (e = readdir(dir));) {
		pid_t tid = (pid_t)atoi(e->d_name);
		if (tid <= 0 || pt_thread_find(p, tid))
			continue;
		if (ptrace(PTRACE_SEIZE, tid, NULL, (void *)(uintptr_t)opts)) {
			int why = errno;
			char state = pt_task_state(tid);
			uint64_t tracer = 0;
			/* born of a thread that is seized already: its parent's event tells of it
			 */
			if (pt_status_field(tid, "TracerPid", 10, &tracer) &&
				tracer == (uint64_t)syscall(SYS_gettid))
				continue;
			if (why == ESRCH || state == 'Z' || state == 'X' || !state)
				continue; /* ended, or a leader that waits for the others */
			closedir(dir);
			errno = why;
			return -1;
		}
		pt_thread *th = pt_thread_add(p, pr, tid);
		th->state = PT_RUNNING;
		n++;
	}
	closedir(dir);
	return n;
}

static err check_victim(pt *p, uint64_t id, diag *d)
{
	char path[64];
	if (!id || id > INT_MAX || (kill((pid_t)id, 0) && errno == ESRCH))
		return diag_set(
			d, ERR_NOTFOUND, "there is no process %llu", (unsigned long long)id);
	pid_t pid = (pid_t)id;
	if (pid == getpid())
		return diag_set(d, ERR_ARG, "that is the debugger itself");
	pt_proc *old = pt_proc_find(p, pid);
	if (old && old->start == pt_start_time(pid))
		return diag_set(d, ERR_EXISTS, "process %d is debugged already", (int)pid);
	if (old) /* the number is another process's now */
		pt_proc_ended(p, old, pid, old->exit_code);
	uint64_t tgid = id;
	if (pt_status_field(pid, "Tgid", 10, &tgid) && tgid != id)
		return diag_set(d, ERR_ARG, "%d is a thread of process %llu", (int)pid,
			(unsigned long long)tgid);
	if (pt_task_state(pid) == 'Z') {
		snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
		struct stat st;
		if (stat(path, &st) || st.st_nlink <= 3)
			return diag_set(d, ERR_NOTFOUND, "process %d has ended", (int)pid);
	}
	if (is_32_bit(pid)) {
		snprintf(path, sizeof path, "process %d", (int)pid);
		return refuse_32(d, path);
	}
	return ERR_OK;
}

/* None of its threads has stopped: it is let go of as soon as one does. */
static err unstoppable(pt *p, pt_proc *pr, diag *d)
{
	int pid = (int)pr->pid;
	char state = pt_task_state(pr->pid);
	for (size_t i = 0; i < pr->threads.n; i++)
		vec_push(&p->leftover, pr->threads.p[i]->tid);
	pt_proc_free(p, pr);
	return diag_set(d, ERR_STATE,
		"process %d does not stop: it waits in the kernel for something that cannot be "
		"interrupted (state %c; a device, or its vforked child)",
		pid, state);
}

err pt_attach(tgt *t, uint64_t process_id, bool noninvasive, diag *d)
{
	pt *p = pt_of(t);
	TRY(check_victim(p, process_id, d));
	pt_unpin(p);
	pid_t pid = (pid_t)process_id;
	pt_proc *pr = pt_proc_add(p, pid);
	unsigned opts = noninvasive ? 0 : pt_options(pr);
	int n, why = 0;
	/* New threads of seized ones are seized by the kernel; others may slip through once. */
	while ((n = seize_threads(p, pr, opts)) > 0)
		;
	why = errno;
	pr->look_only = noninvasive;
	pr->phase = PT_READY;
	pr->space = pt_space_create(pt_via(pr));
	if (n < 0 || !pr->threads.n || pr->space->mem < 0) {
		if (n >= 0 && pr->space->mem < 0)
			why = errno;
		for (size_t i = 0; i < pr->threads.n; i++) {
			if (pt_halt_thread(p, pr->threads.p[i]))
				(void)!ptrace(PTRACE_DETACH, pr->threads.p[i]->tid, NULL, NULL);
		}
		bool ended = why == ESRCH || why == ENOENT || (n >= 0 && !pr->threads.n);
		pt_proc_free(p, pr);
		if (ended)
			return diag_set(d, ERR_NOTFOUND, "process %d has ended", (int)pid);
		pt_denied f;
		pt_denied_look(pid, why, false, &f);
		return pt_denied_say(&f, d);
	}
	(void)!pt_halt_proc(p, pr, NULL);
	if (pt_proc_find(p, pid) != pr || !pr->threads.n)
		return diag_set(d, ERR_NOTFOUND, "process %d has ended", (int)pid);
	pt_thread *th = NULL;
	for (size_t i = 0; i < pr->threads.n; i++) {
		pt_thread *k = pr->threads.p[i];
		if (k->state == PT_STOPPED && (!th || k->tid == pid))
			th = k;
		k->new_thread = false;
	}
	if (!th)
		return unstoppable(p, pr, d);
	pr->found_stopped = !noninvasive && stopped_by_job_control(pr);
	p->found_stopped = p->found_stopped || pr->found_stopped;
	err e = noninvasive ? ERR_OK : pt_guard_start(p, pr, d);
	if (e != ERR_OK) {
		(void)!pt_part(t, process_id, TGT_DETACH, NULL);
		return e;
	}
	pt_process_started(p, pr, th);
	if (!noninvasive)
		pt_guard_handler(p, pr, th);
	if (pt_proc_find(p, pid) != pr || th->state != PT_STOPPED)
		return diag_set(d, ERR_NOTFOUND, "process %d has ended", (int)pid);
	if (pr->found_stopped)
		pt_event(p, NULL, pr, TGT_EV_NOTICE)->text =
			STR("The process was stopped before. g continues it; left without, it "
			    "stays stopped.");
	pt_break_event(p, th, NULL)->initial = true;
	return ERR_OK;
}

/* ---- births ---- */

/* The flags of the clone that th is in; 0 for fork. */
static uint64_t clone_flags(pt_thread *th, int event)
{
	uint64_t flags = 0;
	if (event == PTRACE_EVENT_VFORK)
		return CLONE_VM_;
	if (event == PTRACE_EVENT_FORK || !pt_regs_fetch(th))
		return 0;
	if (th->regs.orig_rax == SYS_clone)
		return th->regs.rdi;
	if (th->regs.orig_rax == SYS_clone3 &&
		pt_mem_u64(th->proc->space, th->regs.rdi, &flags)) /* clone_args.flags */
		return flags;
	return event == PTRACE_EVENT_CLONE ? CLONE_VM_ | CLONE_THREAD_ : 0;
}

static bool await_child(pt *p, pid_t pid, int *status)
{
	void *early = map_get(&p->early, (uint64_t)pid);
	pid_t got;
	if (early) {
		map_del(&p->early, (uint64_t)pid);
		*status = (int)((uintptr_t)early - 1);
		return WIFSTOPPED(*status);
	}
	do
		got = waitpid(pid, status, __WALL);
	while (got < 0 && errno == EINTR);
	return got == pid && WIFSTOPPED(*status);
}

static void new_thread(pt *p, pt_thread *th, pid_t tid)
{
	void *early = map_get(&p->early, (uint64_t)tid);
	if (pt_thread_find(p, tid))
		return;
	pt_thread *n = pt_thread_add(p, th->proc, tid);
	n->new_thread = true;
	n->favoured = p->alone != 0;
	if (!early)
		return;
	map_del(&p->early, (uint64_t)tid);
	pt_status(p, n, (int)((uintptr_t)early - 1), NULL);
}

/* Our bytes in a copy of the parent's memory. */
static void clean_copy(const pt_space *parent, pt_space *copy)
{
	for (size_t i = 0; i < parent->sites.n; i++) {
		const pt_site *k = parent->sites.p[i];
		uint8_t b;
		if (k->planted && pt_raw_read(copy, k->addr, &b, 1) == 1 && b == PT_BREAK)
			(void)!pt_raw_write(copy, k->addr, &k->orig, 1);
	}
}

static void copy_loader(pt_proc *to, const pt_proc *from)
{
	to->entry = from->entry;
	to->phdr = from->phdr;
	to->phnum = from->phnum;
	to->interp = from->interp;
	to->vdso = from->vdso;
}

void pt_born(pt *p, pt_thread *th, int event)
{
	unsigned long msg = 0;
	int status = 0;
	pt_proc *parent = th->proc;
	if (ptrace(PTRACE_GETEVENTMSG, th->tid, NULL, &msg) || !msg)
		return;
	pid_t pid = (pid_t)msg;
	uint64_t flags = clone_flags(th, event);
	if (th->pinned) { /* which the child has inherited */
		(void)!sched_setaffinity(pid, sizeof th->cpus, &th->cpus);
		pt_unpin(p);
	}
	if (flags & CLONE_THREAD_) {
		new_thread(p, th, pid);
		return;
	}
	th->in_vfork = event == PTRACE_EVENT_VFORK;
	if (!await_child(p, pid, &status))
		return;
	bool shared = flags & CLONE_VM_, follow = p->follow && !parent->shadow;
	if (!shared && !follow) {
		pt_space *s = pt_space_create(pid);
		clean_copy(parent->space, s);
		pt_space_unref(s);
		(void)!ptrace(PTRACE_DETACH, pid, NULL, NULL);
		return;
	}
	pt_proc *pr = pt_proc_add(p, pid);
	pr->parent = parent->pid;
	pr->created = parent->created;
	pr->shadow = !follow;
	pr->phase = PT_READY;
	if (shared) {
		pr->space = parent->space;
		pr->space->refs++;
	} else {
		pr->space = pt_space_create(pid);
		clean_copy(parent->space, pr->space);
	}
	copy_loader(pr, parent);
	pt_thread *n = pt_thread_add(p, pr, pid);
	pt_set_stopped(p, n);
	n->favoured = p->alone != 0;
	if (!pr->created && follow) {
		(void)!pt_guard_start(p, pr, NULL);
		pt_guard_handler(p, pr, n);
	}
	if (follow)
		pt_process_started(p, pr, n);
	else
		pt_run(p, n, false);
}

/* ---- exec ---- */

void pt_exec(pt *p, pt_thread *th)
{
	pt_proc *pr = th->proc;
	bool created = pr->created;
	pid_t pid = pr->pid;
	pt_unpin(p);
	if (pr->shadow || is_32_bit(pid)) {
		bool shadow = pr->shadow;
		(void)!ptrace(PTRACE_DETACH, th->tid, NULL, NULL);
		if (!shadow) {
			tgt_event *ev = pt_event(p, NULL, pr, TGT_EV_NOTICE);
			ev->text = STR("The process executes a 32-bit program now, which cannot be "
				       "debugged; it runs on by itself.");
			pt_proc_ended(p, pr, th->tid, 0);
		} else {
			pt_proc_free(p, pr);
		}
		return;
	}
	/* The thread that called exec has the leader's id now; the others are gone. */
	for (size_t i = pr->threads.n; i-- > 0;)
		if (pr->threads.p[i] != th)
			pt_thread_free(p, pr->threads.p[i]);
	pt_traps_forget(p, pr);
	pt_guard_stop(p, pr);
	pt_modules_free(pr);
	pt_space_unref(pr->space);
	pr->space = pt_space_create(pid);
	pr->entry_site = pr->brk_site = NULL;
	pr->phase = PT_EXECED;
	th->pass = th->in = NULL;
	th->own_break = 0;
	th->regs_known = th->pc_known = th->pc_dirty = false;
	th->leaving = th->new_thread = false;
	th->in_call = true;
	pt_leave_call(p, th);
	if (pt_proc_find(p, pid) != pr || th->state != PT_STOPPED)
		return;
	if (!created)
		(void)!pt_guard_start(p, pr, NULL);
	pt_process_started(p, pr, th);
	pt_guard_handler(p, pr, th);
}

/* ---- letting go ---- */

static void nap(void)
{
	struct timespec ts = {0, 1000000};
	nanosleep(&ts, NULL);
}

/* Ends a process and takes in what the kernel still says of it. */
static void put_down(pt *p, pt_proc *pr)
{
	pid_t pid = pr->pid;
	uint64_t until = sys_now_ms() + KILL_MS;
	int status;
	kill(pid, SIGKILL);
	while (pt_proc_find(p, pid) == pr && sys_now_ms() < until) {
		pid_t tid = wait4(-1, &status, __WALL | __WNOTHREAD | WNOHANG, NULL);
		if (tid < 0 && errno == ECHILD)
			break;
		if (tid <= 0) {
			nap();
			continue;
		}
		pt_thread *th = pt_thread_find(p, tid);
		uint64_t tgid = 0;
		if (th && th->proc != pr) {
			pt_status(p, th, status, NULL);
		} else if (WIFSTOPPED(status) && (th || (pt_status_field(tid, "Tgid", 10, &tgid) &&
								tgid == (uint64_t)pid))) {
			(void)!ptrace(PTRACE_CONT, tid, NULL, NULL);
		} else if (!th) {
			pt_unknown_status(p, tid, status);
		} else {
			pt_thread_free(p, th);
			if (tid == pid || !pr->threads.n)
				break;
		}
	}
}

/* The signal that a thread takes along. */
static int last_signal(const pt_thread *th)
{
	if (th->sig)
		return th->sig;
	if (th->chance == PT_NO_SIGNAL || th->ev_sig == SIGTRAP || th->ev_sig == SIGINT)
		return 0;
	return th->ev_sig;
}

static void let_go(pt *p, pt_thread *th)
{
	uint64_t pc;
	if (th->own_break && pt_pc(th, &pc) && pc == th->own_break)
		pt_pc_set(th, pc + 1);
	(void)!pt_regs_flush(th);
	if (th->fix_si && last_signal(th))
		(void)!ptrace(PTRACE_SETSIGINFO, th->tid, NULL, &th->si);
	(void)!ptrace(PTRACE_DETACH, th->tid, NULL, (void *)(uintptr_t)last_signal(th));
	(void)p;
}

/* A thread on its way out stays a zombie until its tracer has waited for it. */
static bool reaped(const pt_thread *th)
{
	for (int i = 0; i < 200; i++) {
		pid_t got = waitpid(th->tid, NULL, __WALL | WNOHANG);
		if (got)
			return true;
		if (th->tid == th->proc->pid && th->proc->threads.n > 1)
			return false; /* the leader ends last */
		nap();
	}
	return false;
}

/* vfork children that we trace for the sake of pr's bytes: they are let go with it. */
static void halt_shadows(pt *p, const pt_proc *pr)
{
	for (size_t i = 0; i < p->proc_list.n; i++) {
		pt_proc *s = p->proc_list.p[i];
		if (!s->shadow || s->space != pr->space || !pr->space)
			continue;
		(void)!pt_halt_proc(p, s, NULL);
		if (i < p->proc_list.n && p->proc_list.p[i] == s) {
			pt_space_unref(s->space);
			s->space = NULL;
		} else { /* it ended meanwhile */
			i--;
		}
	}
}

static void let_shadows_go(pt *p, const pt_proc *pr)
{
	for (size_t i = p->proc_list.n; i-- > 0;) {
		pt_proc *s = p->proc_list.p[i];
		if (!s->shadow || s->space || s->parent != pr->pid)
			continue;
		for (size_t k = 0; k < s->threads.n; k++)
			if (s->threads.p[k]->state == PT_STOPPED)
				let_go(p, s->threads.p[k]);
		pt_proc_free(p, s);
	}
}

/* Whether a thread that waited for its vfork child has come to a stop since. */
static bool vfork_over(const pt_thread *th)
{
	int status;
	for (uint64_t until = sys_now_ms() + PT_STOP_MS; sys_now_ms() < until; nap())
		if (waitpid(th->tid, &status, __WALL | WNOHANG) == th->tid)
			return WIFSTOPPED(status);
	return false;
}

err pt_part(tgt *t, uint64_t process_id, tgt_leave how, diag *d)
{
	pt *p = pt_of(t);
	pt_proc *pr = pt_proc_find(p, (pid_t)process_id);
	if (!pr)
		return diag_set(d, ERR_NOTFOUND, "process %llu is not debugged",
			(unsigned long long)process_id);
	if (how == TGT_KILL) {
		pt_unpin(p);
		put_down(p, pr);
		if (pt_proc_find(p, (pid_t)process_id) == pr)
			pt_proc_free(p, pr);
		return ERR_OK;
	}
	(void)!pt_halt_proc(p, pr, NULL);
	pt_unpin(p);
	if (pt_proc_find(p, (pid_t)process_id) != pr)
		return ERR_OK; /* it ended by itself */
	halt_shadows(p, pr);
	if (!pr->look_only) {
		pt_traps_out(p, pr);
		pt_scratch_drop(p, pr);
	}
	let_shadows_go(p, pr);
	if (pt_proc_find(p, (pid_t)process_id) != pr)
		return ERR_OK;
	if (how != TGT_DETACH)
		kill(pr->pid, SIGSTOP);
	for (size_t i = 0; i < pr->threads.n; i++) {
		pt_thread *th = pr->threads.p[i];
		if (th->state == PT_STOPPED || (th->in_vfork && vfork_over(th)))
			let_go(p, th);
		else if (th->state != PT_LEAVING || !reaped(th))
			vec_push(&p->leftover, th->tid);
	}
	pt_proc_free(p, pr);
	return ERR_OK;
}
