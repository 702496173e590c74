/*
 * doctor: what on this machine is ready for debugging, and what to do where it is not.
 */
#include "cli.h"

#include <stdlib.h>
#include <string.h>
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

int doctor_run(const cli_options *o)
{
	char where[4096];
	int code = 0;

	printf("Ringside %s\n", rs_version());
	bool qemu = in_path("qemu-system-x86_64", where, sizeof where);
	say(qemu, qemu ? where : "qemu-system-x86_64",
		"needed for the bundled guest: apt-get install qemu-system-x86");
	say(!access("/dev/kvm", R_OK | W_OK), "/dev/kvm can be used",
		"virtual machines run without acceleration; add yourself to the group kvm");
	say(!access("/dev/ttyS0", R_OK | W_OK), "/dev/ttyS0 can be used",
		"only needed for a real serial line; add yourself to the group dialout");
	check_symbols();
	if (o->connect && !check_endpoint(o))
		code = 1;
	else if (!o->connect)
		printf("  Give -k OPTIONS to have a kernel endpoint tried.\n");
	return code;
}
