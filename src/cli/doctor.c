/*
 * doctor: what on this machine is ready for debugging, and what to do where it is not.
 */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static bool in_path(const char *program, char *found, size_t size)
{
	const char *path = getenv("PATH");
	while (path && *path) {
		size_t n = strcspn(path, ":");
		snprintf(found, size, "%.*s/%s", (int)n, path, program);
		if (!access(found, X_OK))
			return true;
		path += n + (path[n] == ':');
	}
	return false;
}

static void say(bool ok, const char *what, const char *advice)
{
	printf("  [%s] %s%s%s\n", ok ? "ok" : "--", what, ok || !*advice ? "" : ": ",
		ok ? "" : advice);
}

static void check_symbols(void)
{
	rs_session *s;
	char path[4096], command[64] = ".sympath";

	rs_create(&s);
	rs_get_symbol_path(s, path, sizeof path, NULL);
	say(*path, "symbol path",
		"none; set _NT_SYMBOL_PATH or use -y, e.g. "
		"srv*https://msdl.microsoft.com/download/symbols");
	if (*path)
		printf("       %s\n", path);
	(void)command;
	rs_destroy(s);
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	char dir[4096];
	snprintf(dir, sizeof dir, "%s", cache && *cache ? cache : home ? home : ".");
	say(!access(dir, W_OK), "symbol cache directory can be written",
		"set XDG_CACHE_HOME to a directory that can");
}

static void print(void *u, uint32_t mask, const char *text, size_t n)
{
	(void)u;
	(void)mask;
	printf("       %.*s%s", (int)n, text, n && text[n - 1] == '\n' ? "" : "\n");
}

static bool check_endpoint(const cli_options *o)
{
	rs_session *s;
	rs_create(&s);
	rs_set_output_callbacks(s, print, NULL);
	rs_result r = rs_attach_kernel(s, RS_ATTACH_KERNEL_CONNECTION, o->connect);
	if (r >= 0)
		r = rs_wait_for_event(s, 0, 6000);
	bool ok = r == RS_S_OK;
	say(ok, "kernel target answers",
		r == RS_S_FALSE ? "connected, but it is running or silent; -b asks it to break in"
				: rs_error_text(s));
	rs_destroy(s);
	return ok || r == RS_S_FALSE;
}

/* Whether KVM makes virtual machines: the device can be there, and writable, without it. */
static void check_kvm(void)
{
	char advice[512] = "virtual machines run without acceleration";
	size_t n = strlen(advice);
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int version = fd < 0 ? -1 : ioctl(fd, KVM_GET_API_VERSION, 0);
	int vm = version == KVM_API_VERSION ? ioctl(fd, KVM_CREATE_VM, 0) : -1;
	int e = errno;

	if (fd < 0)
		snprintf(advice + n, sizeof advice - n, "; %s%s", strerror(e),
			e == EACCES ? ": add yourself to the group kvm" : "");
	else if (version < 0)
		snprintf(advice + n, sizeof advice - n, "; /dev/kvm is no KVM: %s", strerror(e));
	else if (version != KVM_API_VERSION)
		snprintf(advice + n, sizeof advice - n, "; its version is %d, not %d", version,
			KVM_API_VERSION);
	else if (vm < 0)
		snprintf(advice + n, sizeof advice - n, "; KVM makes no virtual machine: %s",
			strerror(e));
	if (vm >= 0)
		close(vm);
	if (fd >= 0)
		close(fd);
	say(vm >= 0, "KVM makes a virtual machine", advice);
}

/* Yama decides who may attach to whom (kernel.org, admin-guide/LSM/Yama). */
static void check_attach(void)
{
	static const char *const advice[] = {"",
		"only programs started here can be debugged, not attached to: "
		"sysctl kernel.yama.ptrace_scope=0, or run as root",
		"attaching needs CAP_SYS_PTRACE: run as root, or sysctl "
		"kernel.yama.ptrace_scope=0",
		"nothing can be debugged until the next boot of this machine"};
	FILE *f = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
	int scope = 0;
	if (f && fscanf(f, "%d", &scope) != 1)
		scope = 0;
	if (f)
		fclose(f);
	bool ok = scope <= 0 || (scope < 3 && !geteuid());
	say(ok, "processes of this host can be attached to (-p)",
		advice[scope > 3    ? 3
			: scope < 0 ? 0
				    : scope]);
}

int doctor_run(const cli_options *o)
{
	char where[4096];
	int code = 0;

	printf("Ringside %s\n", rs_version());
	bool qemu = in_path("qemu-system-x86_64", where, sizeof where);
	say(qemu, qemu ? where : "qemu-system-x86_64",
		"needed for the bundled guest: apt-get install qemu-system-x86");
	check_kvm();
	check_attach();
	say(!access("/dev/ttyS0", R_OK | W_OK), "/dev/ttyS0 can be used",
		"only needed for a real serial line; add yourself to the group dialout");
	check_symbols();
	if (o->connect && !check_endpoint(o))
		code = 1;
	else if (!o->connect)
		printf("  Give -k OPTIONS to have a kernel endpoint tried.\n");
	return code;
}
