/* pt_denied: see pt_denied.h. */
#include "target/ptrace/pt_denied.h"

#include "target/ptrace/pt.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CAP_SYS_PTRACE_BIT = 19 }; /* linux/capability.h */

static char yama_scope(void)
{
	char c = 0;
	int fd = open("/proc/sys/kernel/yama/ptrace_scope", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (read(fd, &c, 1) != 1)
		c = 0;
	close(fd);
	return c;
}

static void who_traces(pid_t pid, pt_denied *f)
{
	uint64_t tracer = 0;
	buf b;
	if (!pt_status_field(pid, "TracerPid", 10, &tracer) || !tracer)
		return;
	f->tracer = (pid_t)tracer;
	buf_init(&b, 256);
	if (pt_proc_text(f->tracer, "comm", &b) && b.n)
		snprintf(f->tracer_name, sizeof f->tracer_name, "%.*s", (int)(b.n - 1), b.p);
	buf_deinit(&b);
}

/* What /proc holds of a process belongs to root when the process is not to be looked into: proc(5),
 * PR_SET_DUMPABLE. */
static bool undumpable(pid_t pid, uint64_t uid)
{
	char path[64];
	struct stat st;
	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	return uid && !stat(path, &st) && !st.st_uid;
}

void pt_denied_look(pid_t pid, int why, bool child, pt_denied *ret)
{
	uint64_t uid = 0, ours = 0, theirs = 0, mode = 0, v;
	*ret = (pt_denied){.pid = pid, .why = why, .child = child, .our_uid = (uint32_t)geteuid()};
	who_traces(pid, ret);
	ret->yama = yama_scope();
	if (pt_status_field(pid, "Uid", 10, &uid))
		ret->uid = (uint32_t)uid;
	ret->kernel = pt_task_state(pid) && !pt_status_field(pid, "VmSize", 10, &v);
	ret->undumpable = undumpable(pid, uid);
	ret->may_trace = pt_status_field(getpid(), "CapEff", 16, &v) && v >> CAP_SYS_PTRACE_BIT & 1;
	ret->more_caps = pt_status_field(pid, "CapPrm", 16, &theirs) &&
			 pt_status_field(getpid(), "CapPrm", 16, &ours) && theirs & ~ours;
	ret->filtered = pt_status_field(getpid(), "Seccomp", 10, &mode) && mode;
}

static err by_yama(const pt_denied *f, diag *d)
{
	if (f->yama == '3')
		return diag_set(d, ERR_DENIED,
			"/proc/sys/kernel/yama/ptrace_scope is 3: nobody may trace until the "
			"system is started again with another value");
	return diag_set(d, ERR_DENIED,
		"/proc/sys/kernel/yama/ptrace_scope is %c: %s. Allow it with "
		"`sysctl kernel.yama.ptrace_scope=%d` as root, or run as root (sudo)%s",
		f->yama,
		f->yama == '1' ? "only a process's own ancestors may trace it"
			       : "only root may trace",
		f->child ? 1 : 0, f->yama == '1' ? ", or start the program from the debugger" : "");
}

err pt_denied_say(const pt_denied *f, diag *d)
{
	int pid = (int)f->pid;
	bool yama = f->yama == '2' || (f->yama == '1' && !f->child);
	if (f->tracer)
		return diag_set(d, ERR_DENIED,
			"process %d is already traced by process %d%s%s%s: detach that one first "
			"(-pv would have to trace it as well)",
			pid, (int)f->tracer, *f->tracer_name ? " (" : "", f->tracer_name,
			*f->tracer_name ? ")" : "");
	if (f->kernel)
		return diag_set(d, ERR_DENIED,
			"process %d is a thread of the kernel: it runs no program", pid);
	if (f->yama == '3')
		return by_yama(f, d);
	if (!f->may_trace && !f->our_uid && (f->uid || f->more_caps))
		return diag_set(d, ERR_DENIED,
			"this container's root lacks CAP_SYS_PTRACE: start it with "
			"--cap-add=SYS_PTRACE (and a seccomp profile that allows ptrace)");
	if (!f->may_trace && f->uid != f->our_uid)
		return diag_set(d, ERR_DENIED,
			"process %d belongs to user %u and you are user %u: run as that user or "
			"as root (sudo)",
			pid, f->uid, f->our_uid);
	if (!f->may_trace && yama)
		return by_yama(f, d);
	if (!f->may_trace && f->undumpable)
		return diag_set(d, ERR_DENIED,
			"process %d may not be looked into by others of its user: it said so "
			"(prctl PR_SET_DUMPABLE), or its program is set-user-ID or cannot be "
			"read. Run as root (sudo)",
			pid);
	if (!f->may_trace && f->more_caps)
		return diag_set(d, ERR_DENIED,
			"process %d has capabilities that you lack (CapPrm in /proc/%d/status): "
			"run as root (sudo)",
			pid, pid);
	if (f->filtered)
		return diag_set(d, ERR_DENIED,
			"ptrace of process %d: %s; a seccomp filter is active here: start the "
			"container with --security-opt seccomp=unconfined",
			pid, strerror(f->why));
	return diag_set(d, ERR_DENIED,
		"ptrace of process %d: %s; user, Yama and capabilities would allow it, so it is a "
		"security module's rule (AppArmor, SELinux: see the kernel's log)",
		pid, strerror(f->why));
}
