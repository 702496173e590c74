/*
 * user: !peb, !teb, !gle, !dlls: the user-mode side of a process, read through its own page tables,
 * pages in transition included.
 */
#include "cmd/nt/ntc.h"

#include "base/map.h"
#include "cmd/lx/lx.h"

#include <time.h>

enum { ENVIRONMENT_MAX = 64 * 1024, DLLS_MAX = 4096 };

typedef struct user {
	cmd *c;
	nt *n;
	os_process p;
} user;

static err user_begin(cmd *c, user *u)
{
	u->c = c;
	TRY(ntc_get(c, &u->n));
	return ntc_implicit_process(c, &u->p);
}

static bool get(user *u, uint64_t at, const char *type, const char *path, uint64_t *ret)
{
	return nt_get_user(u->n, &u->p, at, type, path, ret, NULL) == ERR_OK;
}

static str text_at(user *u, uint64_t at, const char *type, const char *path)
{
	nt_off f;
	str s = STR("");
	if (nt_field(u->n, type, path, &f, NULL) != ERR_OK)
		return s;
	if (nt_read_string(u->n, &u->p, at + f.off, &u->c->a, &s, NULL) != ERR_OK)
		s = STR("< not readable >");
	return s;
}

static void pointer_line(user *u, uint64_t at, const char *type, const char *path, const char *name)
{
	uint64_t v;
	if (get(u, at, type, path, &v))
		out(u->c->e, "    %-22s%016llx\n", name, (unsigned long long)v);
}

static void yes_no(user *u, uint64_t at, const char *path, const char *name)
{
	uint64_t v;
	if (get(u, at, "_PEB", path, &v))
		out(u->c->e, "    %-26s%s\n", name, v ? "Yes" : "No");
}

static void date(uint32_t stamp, char text[64])
{
	time_t t = (time_t)stamp;
	struct tm tm;
	if (!gmtime_r(&t, &tm) || !strftime(text, 64, "%b %d %H:%M:%S %Y", &tm))
		text[0] = 0;
}

/* ---- loader lists ---- */

typedef bool dll_fn(user *u, uint64_t entry, void *x);

typedef struct dll_walk {
	user *u;
	uint32_t links;
	dll_fn *fn;
	void *x;
	size_t n;
} dll_walk;

static bool dll_link(void *v, uint64_t link)
{
	dll_walk *w = v;
	return w->n++ < DLLS_MAX && !cancelled(&w->u->c->e->cancel) &&
	       w->fn(w->u, link - w->links, w->x);
}

/* list: "InLoadOrder", "InMemoryOrder", "InInitializationOrder" */
static err dlls(user *u, uint64_t ldr, const char *list, dll_fn *fn, void *x)
{
	char head[64], link[64];
	nt_off h, l;
	snprintf(head, sizeof head, "%sModuleList", list);
	snprintf(link, sizeof link, "%sLinks", list);
	TRY(nt_field(u->n, "_PEB_LDR_DATA", head, &h, &u->c->d));
	TRY(nt_field(u->n, "_LDR_DATA_TABLE_ENTRY", link, &l, &u->c->d));
	dll_walk w = {u, l.off, fn, x, 0};
	diag bad = {0};
	err e = nt_list(u->n, &u->p, ldr + h.off, "the loader list", dll_link, &w, &bad);
	if (e == ERR_CORRUPT || e == ERR_FAULT) {
		ntc_note(u->c, "    ", &bad);
		return ERR_OK;
	}
	if (e != ERR_OK)
		u->c->d = bad;
	return e;
}

static bool peb_module(user *u, uint64_t at, void *x)
{
	static const char type[] = "_LDR_DATA_TABLE_ENTRY";
	uint64_t base = 0, stamp = 0;
	char when[64];
	(void)!get(u, at, type, "DllBase", &base);
	(void)!get(u, at, type, "TimeDateStamp", &stamp);
	date((uint32_t)stamp, when);
	str path = text_at(u, at, type, "FullDllName");
	out(u->c->e, "        %16llx %08llx %s %.*s\n", (unsigned long long)base,
		(unsigned long long)stamp, when, STR_ARG(path));
	return true;
}

/* ---- !peb ---- */

static void list_line(user *u, uint64_t ldr, const char *list, const char *name)
{
	nt_off f;
	char path[64];
	uint64_t links[2];
	uint8_t b[16];
	snprintf(path, sizeof path, "%sModuleList", list);
	if (nt_field(u->n, "_PEB_LDR_DATA", path, &f, NULL) != ERR_OK ||
		nt_read_user(u->n, &u->p, ldr + f.off, b, sizeof b, NULL) != ERR_OK)
		return;
	links[0] = le64(b);
	links[1] = le64(b + 8);
	out(u->c->e, "    %-37s%016llx . %016llx\n", name, (unsigned long long)links[0],
		(unsigned long long)links[1]);
}

static err peb_ldr(user *u, uint64_t peb)
{
	uint64_t ldr, v;
	if (!get(u, peb, "_PEB", "Ldr", &ldr))
		return ERR_OK;
	out(u->c->e, "    %-26s%016llx\n", "Ldr", (unsigned long long)ldr);
	if (!ldr) {
		out(u->c->e, "    *** The loader has not run yet\n");
		return ERR_OK;
	}
	if (get(u, ldr, "_PEB_LDR_DATA", "Initialized", &v))
		out(u->c->e, "    %-26s%s\n", "Ldr.Initialized:", v & 0xff ? "Yes" : "No");
	list_line(u, ldr, "InInitializationOrder", "Ldr.InInitializationOrderModuleList:");
	list_line(u, ldr, "InLoadOrder", "Ldr.InLoadOrderModuleList:");
	list_line(u, ldr, "InMemoryOrder", "Ldr.InMemoryOrderModuleList:");
	out(u->c->e, "                    Base TimeStamp                     Module\n");
	return dlls(u, ldr, "InLoadOrder", peb_module, NULL);
}

/* NAME=VALUE strings, each with its NUL, an empty one at the end. */
static void environment(user *u, uint64_t params)
{
	uint64_t at, size = ENVIRONMENT_MAX;
	static const char type[] = "_RTL_USER_PROCESS_PARAMETERS";
	if (!get(u, params, type, "Environment", &at))
		return;
	out(u->c->e, "    Environment:  %016llx\n", (unsigned long long)at);
	if (!at)
		return;
	if (!get(u, params, type, "EnvironmentSize", &size) || size > ENVIRONMENT_MAX)
		size = ENVIRONMENT_MAX;
	uint8_t *b = arena_alloc(&u->c->a, ENVIRONMENT_MAX);
	size_t n = 0;
	/* Page by page: the block may end right before memory that is not there. */
	while (n < size) {
		size_t piece = 4096 - (size_t)((at + n) & 4095);
		if (piece > size - n)
			piece = (size_t)(size - n);
		if (nt_read_user(u->n, &u->p, at + n, b + n, piece, NULL) != ERR_OK)
			break;
		n += piece;
	}
	for (size_t i = 0; i + 1 < n;) {
		size_t end = i;
		while (end + 1 < n && le16(b + end))
			end += 2;
		if (end == i)
			break;
		str s = str_from_utf16(&u->c->a, b + i, (end - i) / 2);
		out(u->c->e, "        %.*s\n", STR_ARG(s));
		i = end + 2;
	}
}

static void string_line(user *u, uint64_t at, const char *path, const char *name)
{
	static const char type[] = "_RTL_USER_PROCESS_PARAMETERS";
	if (!nt_has(u->n, type, path))
		return;
	str s = text_at(u, at, type, path);
	out(u->c->e, "    %-14s'%.*s'\n", name, STR_ARG(s));
}

static err do_peb(cmd *c, cmd_call *call)
{
	user u;
	str rest = call->args;
	uint64_t peb, v, probe;
	if (c->e->mode == ENG_USER)
		return lx_peb(c, call);
	TRY(user_begin(c, &u));
	peb = u.p.peb;
	if (rest.n)
		TRY(cmd_arg_expr(c, &rest, &peb));
	TRY(cmd_arg_end(c, rest));
	if (!peb)
		return cmd_fail(c, ERR_NOTFOUND,
			"process %016llx (%s) is a system process: it has no PEB. Choose one with "
			".process /p",
			(unsigned long long)u.p.id_addr, u.p.image);
	out(c->e, "PEB at %016llx\n", (unsigned long long)peb);
	err e = nt_get_user(u.n, &u.p, peb, "_PEB", "Ldr", &probe, &c->d);
	if (e != ERR_OK)
		return diag_add(&c->d, e, "the PEB cannot be read");
	yes_no(&u, peb, "InheritedAddressSpace", "InheritedAddressSpace:");
	yes_no(&u, peb, "ReadImageFileExecOptions", "ReadImageFileExecOptions:");
	yes_no(&u, peb, "BeingDebugged", "BeingDebugged:");
	if (get(&u, peb, "_PEB", "ImageBaseAddress", &v))
		out(c->e, "    %-26s%016llx\n", "ImageBaseAddress:", (unsigned long long)v);
	if (get(&u, peb, "_PEB", "NtGlobalFlag", &v))
		out(c->e, "    %-26s%llx\n", "NtGlobalFlag:", (unsigned long long)v);
	TRY(peb_ldr(&u, peb));
	pointer_line(&u, peb, "_PEB", "SubSystemData", "SubSystemData:");
	pointer_line(&u, peb, "_PEB", "ProcessHeap", "ProcessHeap:");
	pointer_line(&u, peb, "_PEB", "ProcessParameters", "ProcessParameters:");
	if (get(&u, peb, "_PEB", "ProcessParameters", &v) && v) {
		string_line(&u, v, "CurrentDirectory.DosPath", "CurrentDir:");
		string_line(&u, v, "WindowTitle", "WindowTitle:");
		string_line(&u, v, "ImagePathName", "ImageFile:");
		string_line(&u, v, "CommandLine", "CommandLine:");
		string_line(&u, v, "DllPath", "DllPath:");
		environment(&u, v);
	}
	return ERR_OK;
}

/* ---- !teb, !gle ---- */

/* The process that owns the thread: its memory holds the TEB. */
static err teb_of(cmd *c, user *u, str rest, uint64_t *ret)
{
	uint64_t thread;
	os_thread t;
	TRY(user_begin(c, u));
	if (rest.n) {
		TRY(cmd_arg_expr(c, &rest, ret));
		return cmd_arg_end(c, rest);
	}
	TRY(eng_thread(c->e, &thread, &c->d));
	TRY(os_thread_get(c->e->os, thread, &t, &c->d));
	if (!t.teb)
		return cmd_fail(c, ERR_NOTFOUND, "thread %016llx is a system thread: it has no TEB",
			(unsigned long long)thread);
	if (t.process != u->p.id_addr)
		TRY(os_process_get(c->e->os, t.process, &u->p, &c->d));
	*ret = t.teb;
	return ERR_OK;
}

static err do_teb(cmd *c, cmd_call *call)
{
	static const struct {
		const char *path, *name;
	} lines[] = {{"NtTib.ExceptionList", "ExceptionList:"}, {"NtTib.StackBase", "StackBase:"},
		{"NtTib.StackLimit", "StackLimit:"}, {"NtTib.SubSystemTib", "SubSystemTib:"},
		{"NtTib.FiberData", "FiberData:"},
		{"NtTib.ArbitraryUserPointer", "ArbitraryUserPointer:"}, {"NtTib.Self", "Self:"},
		{"EnvironmentPointer", "EnvironmentPointer:"}};
	static const struct {
		const char *path, *name;
	} after[] = {{"ActiveRpcHandle", "RpcHandle:"},
		{"ThreadLocalStoragePointer", "Tls Storage:"},
		{"ProcessEnvironmentBlock", "PEB Address:"}};
	static const struct {
		const char *path, *name, *fmt;
	} small[] = {{"LastErrorValue", "LastErrorValue:", "%lld"},
		{"LastStatusValue", "LastStatusValue:", "%llx"},
		{"CountOfOwnedCriticalSections", "Count Owned Locks:", "%lld"},
		{"HardErrorMode", "HardErrorMode:", "%lld"}};
	user u;
	uint64_t teb, a, b;
	uint8_t probe;
	if (c->e->mode == ENG_USER)
		return lx_teb(c, call);
	TRY(teb_of(c, &u, call->args, &teb));
	out(c->e, "TEB at %016llx\n", (unsigned long long)teb);
	err e = nt_read_user(u.n, &u.p, teb, &probe, 1, &c->d);
	if (e != ERR_OK)
		return diag_add(&c->d, e, "the TEB cannot be read");
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		pointer_line(&u, teb, "_TEB", lines[i].path, lines[i].name);
	if (get(&u, teb, "_TEB", "ClientId.UniqueProcess", &a) &&
		get(&u, teb, "_TEB", "ClientId.UniqueThread", &b))
		out(c->e, "    %-22s%016llx . %016llx\n", "ClientId:", (unsigned long long)a,
			(unsigned long long)b);
	for (size_t i = 0; i < ARRAY_LEN(after); i++)
		pointer_line(&u, teb, "_TEB", after[i].path, after[i].name);
	for (size_t i = 0; i < ARRAY_LEN(small); i++)
		if (get(&u, teb, "_TEB", small[i].path, &a)) {
			out(c->e, "    %-22s", small[i].name);
			out(c->e, small[i].fmt, (long long)a);
			out(c->e, "\n");
		}
	return ERR_OK;
}

/* What GetLastError most often says (winerror.h). */
static const struct {
	uint32_t code;
	const char *text;
} win32_errors[] = {{0, "The operation completed successfully."}, {1, "Incorrect function."},
	{2, "The system cannot find the file specified."},
	{3, "The system cannot find the path specified."}, {4, "The system cannot open the file."},
	{5, "Access is denied."}, {6, "The handle is invalid."},
	{8, "Not enough memory resources are available to process this command."},
	{13, "The data is invalid."},
	{14, "Not enough memory resources are available to complete this operation."},
	{15, "The system cannot find the drive specified."}, {18, "There are no more files."},
	{19, "The media is write protected."}, {21, "The device is not ready."},
	{31, "A device attached to the system is not functioning."},
	{32, "The process cannot access the file because it is being used by another process."},
	{38, "Reached the end of the file."}, {50, "The request is not supported."},
	{53, "The network path was not found."}, {80, "The file exists."},
	{87, "The parameter is incorrect."}, {109, "The pipe has been ended."},
	{112, "There is not enough space on the disk."},
	{120, "This function is not supported on this system."},
	{122, "The data area passed to a system call is too small."},
	{123, "The filename, directory name, or volume label syntax is incorrect."},
	{126, "The specified module could not be found."},
	{127, "The specified procedure could not be found."}, {145, "The directory is not empty."},
	{170, "The requested resource is in use."},
	{183, "Cannot create a file when that file already exists."},
	{187, "The specified system semaphore name was not found."},
	{193, "%1 is not a valid Win32 application."},
	{203, "The system could not find the environment option that was entered."},
	{231, "All pipe instances are busy."}, {232, "The pipe is being closed."},
	{234, "More data is available."}, {258, "The wait operation timed out."},
	{259, "No more data is available."}, {267, "The directory name is invalid."},
	{487, "Attempt to access invalid address."}, {995, "The I/O operation has been aborted."},
	{996, "Overlapped I/O event is not in a signaled state."},
	{997, "Overlapped I/O operation is in progress."},
	{998, "Invalid access to memory location."},
	{1008, "An attempt was made to reference a token that does not exist."},
	{1114, "A dynamic link library (DLL) initialization routine failed."},
	{1168, "Element not found."}, {1223, "The operation was canceled by the user."},
	{1314, "A required privilege is not held by the client."}, {1400, "Invalid window handle."},
	{1450, "Insufficient system resources exist to complete the requested service."},
	{1460, "This operation returned because the timeout period expired."}};

/* ntstatus.h */
static const struct {
	uint32_t code;
	const char *text;
} statuses[] = {{0, "STATUS_SUCCESS"}, {0x102, "STATUS_TIMEOUT"}, {0x103, "STATUS_PENDING"},
	{0x80000005, "STATUS_BUFFER_OVERFLOW"}, {0x80000006, "STATUS_NO_MORE_FILES"},
	{0x8000001a, "STATUS_NO_MORE_ENTRIES"}, {0xc0000001, "STATUS_UNSUCCESSFUL"},
	{0xc0000002, "STATUS_NOT_IMPLEMENTED"}, {0xc0000003, "STATUS_INVALID_INFO_CLASS"},
	{0xc0000004, "STATUS_INFO_LENGTH_MISMATCH"}, {0xc0000005, "STATUS_ACCESS_VIOLATION"},
	{0xc0000008, "STATUS_INVALID_HANDLE"}, {0xc000000d, "STATUS_INVALID_PARAMETER"},
	{0xc000000f, "STATUS_NO_SUCH_FILE"}, {0xc0000010, "STATUS_INVALID_DEVICE_REQUEST"},
	{0xc0000017, "STATUS_NO_MEMORY"}, {0xc0000018, "STATUS_CONFLICTING_ADDRESSES"},
	{0xc0000022, "STATUS_ACCESS_DENIED"}, {0xc0000023, "STATUS_BUFFER_TOO_SMALL"},
	{0xc0000024, "STATUS_OBJECT_TYPE_MISMATCH"}, {0xc0000033, "STATUS_OBJECT_NAME_INVALID"},
	{0xc0000034, "STATUS_OBJECT_NAME_NOT_FOUND"}, {0xc0000035, "STATUS_OBJECT_NAME_COLLISION"},
	{0xc000003a, "STATUS_OBJECT_PATH_NOT_FOUND"}, {0xc0000043, "STATUS_SHARING_VIOLATION"},
	{0xc0000061, "STATUS_PRIVILEGE_NOT_HELD"}, {0xc000007a, "STATUS_PROCEDURE_NOT_FOUND"},
	{0xc0000089, "STATUS_RESOURCE_DATA_NOT_FOUND"},
	{0xc000009a, "STATUS_INSUFFICIENT_RESOURCES"}, {0xc00000bb, "STATUS_NOT_SUPPORTED"},
	{0xc0000100, "STATUS_VARIABLE_NOT_FOUND"}, {0xc0000120, "STATUS_CANCELLED"},
	{0xc0000135, "STATUS_DLL_NOT_FOUND"}, {0xc0000139, "STATUS_ENTRYPOINT_NOT_FOUND"},
	{0xc0000142, "STATUS_DLL_INIT_FAILED"}, {0xc0000225, "STATUS_NOT_FOUND"}};

static void gle_lines(user *u, uint64_t teb)
{
	uint64_t v;
	const char *text = "<Unable to get error code text>";
	if (get(u, teb, "_TEB", "LastErrorValue", &v)) {
		for (size_t i = 0; i < ARRAY_LEN(win32_errors); i++)
			if (win32_errors[i].code == v)
				text = win32_errors[i].text;
		out(u->c->e, "LastErrorValue: (Win32) %#llx (%llu) - %s\n", (unsigned long long)v,
			(unsigned long long)v, text);
	} else {
		out(u->c->e, "LastErrorValue: not readable\n");
	}
	text = "<Unable to get error code text>";
	if (get(u, teb, "_TEB", "LastStatusValue", &v)) {
		for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
			if (statuses[i].code == v)
				text = statuses[i].text;
		out(u->c->e, "LastStatusValue: (NTSTATUS) %#llx - %s\n", (unsigned long long)v,
			text);
	}
}

static err gle_all(cmd *c)
{
	user u = {.c = c};
	ntc_addrs procs = {0};
	diag why, inner;
	TRY(ntc_get(c, &u.n));
	err e = ntc_processes(c, &procs, &why);
	for (size_t i = 0; i < procs.n && e == ERR_OK; i++) {
		ntc_addrs v = {0};
		if (os_process_get(c->e->os, procs.p[i], &u.p, NULL) != ERR_OK || !u.p.peb)
			continue;
		e = ntc_threads(c, u.p.id_addr, &v, &inner);
		for (size_t j = 0; j < v.n && e == ERR_OK; j++) {
			os_thread t;
			if (cancelled(&c->e->cancel))
				e = cmd_fail(c, ERR_CANCELLED, "interrupted");
			else if (os_thread_get(c->e->os, v.p[j], &t, NULL) == ERR_OK && t.teb) {
				out(c->e, "Last error for thread %llx.%llx (%s):\n",
					(unsigned long long)t.pid, (unsigned long long)t.tid,
					u.p.image);
				gle_lines(&u, t.teb);
			}
		}
		vec_deinit(&v);
	}
	vec_deinit(&procs);
	if (e == ERR_OK)
		ntc_note(c, "", &why);
	return e;
}

static err do_gle(cmd *c, cmd_call *call)
{
	user u;
	str rest = call->args, sw;
	uint64_t teb;
	if (c->e->mode == ENG_USER)
		return lx_gle(c, call);
	if (cmd_arg_switch(&rest, "-/", &sw)) {
		if (!str_eq(sw, STR("all")))
			return cmd_syntax(c, call->args);
		TRY(cmd_arg_end(c, rest));
		return gle_all(c);
	}
	TRY(teb_of(c, &u, rest, &teb));
	gle_lines(&u, teb);
	return ERR_OK;
}

/* ---- !dlls ---- */

typedef struct dll_want {
	bool has_addr;
	uint64_t addr;
	bool headers, version;
	size_t shown;
} dll_want;

/* LDRP_ flags as the documentation of !dlls and the public loader headers of ReactOS name them. */
static const struct {
	uint32_t bit;
	const char *name;
} ldrp[] = {{0x2, "LDRP_STATIC_LINK"}, {0x4, "LDRP_IMAGE_DLL"}, {0x1000, "LDRP_LOAD_IN_PROGRESS"},
	{0x4000, "LDRP_ENTRY_PROCESSED"}, {0x40000, "LDRP_DONT_CALL_FOR_THREADS"},
	{0x80000, "LDRP_PROCESS_ATTACH_CALLED"}, {0x400000, "LDRP_COR_IMAGE"},
	{0x1000000, "LDRP_COR_ILONLY"}, {0x80000000, "LDRP_REDIRECTED"}};

static bool show_dll(user *u, uint64_t at, void *x)
{
	static const char type[] = "_LDR_DATA_TABLE_ENTRY";
	dll_want *w = x;
	cmd *c = u->c;
	uint64_t base = 0, size = 0, entry = 0, flags, count;
	(void)!get(u, at, type, "DllBase", &base);
	(void)!get(u, at, type, "SizeOfImage", &size);
	(void)!get(u, at, type, "EntryPoint", &entry);
	if (w->has_addr && (w->addr < base || w->addr - base >= size))
		return true;
	w->shown++;
	str path = text_at(u, at, type, "FullDllName");
	out(c->e, "\n0x%08llx: %.*s\n", (unsigned long long)at, STR_ARG(path));
	out(c->e, "      Base   0x%08llx  EntryPoint  0x%08llx  Size        0x%08llx",
		(unsigned long long)base, (unsigned long long)entry, (unsigned long long)size);
	/* Older systems have none. */
	if (get(u, at, type, "DdagNode", &count))
		out(c->e, "    DdagNode     0x%08llx", (unsigned long long)count);
	out(c->e, "\n");
	if (get(u, at, type, "Flags", &flags)) {
		uint64_t loads = 0, tls = 0;
		if (!get(u, at, type, "ObsoleteLoadCount", &loads))
			(void)!get(u, at, type, "LoadCount", &loads);
		(void)!get(u, at, type, "TlsIndex", &tls);
		out(c->e, "      Flags  0x%08llx  LoadCount   0x%08llx  TlsIndex    0x%08llx\n",
			(unsigned long long)flags, (unsigned long long)loads,
			(unsigned long long)tls);
		for (size_t i = 0; i < ARRAY_LEN(ldrp); i++)
			if (flags & ldrp[i].bit)
				out(c->e, "             %s\n", ldrp[i].name);
	}
	if (w->headers || w->version) {
		sym_mod *m = sym_mod_in(c->e->syms, u->p.id_addr, base);
		buf b;
		buf_init(&b, 0);
		if (m)
			sym_lmi(m, &b);
		else
			buf_addz(&b, "      (not in the debugger's module list: .reload /user)\n");
		out_str(c->e, OUT_NORMAL, buf_str(&b));
		buf_deinit(&b);
	}
	return true;
}

static err do_dlls(cmd *c, cmd_call *call)
{
	user u;
	str rest = call->args, sw;
	dll_want w = {0};
	const char *list = "InLoadOrder";
	uint64_t entry = 0, ldr;
	if (c->e->mode == ENG_USER)
		return lx_dlls(c, call);
	TRY(user_begin(c, &u));
	while (cmd_arg_switch(&rest, "-/", &sw)) {
		if (str_eq(sw, STR("c"))) {
			TRY(cmd_arg_expr(c, &rest, &w.addr));
			w.has_addr = true;
			continue;
		}
		for (size_t i = 0; i < sw.n; i++)
			switch (sw.p[i]) {
			case 'f':
			case 's':
			case 'a':
				w.headers = true;
				break;
			case 'v':
				w.version = true;
				break;
			case 'i':
				list = "InInitializationOrder";
				break;
			case 'l':
				list = "InLoadOrder";
				break;
			case 'm':
				list = "InMemoryOrder";
				break;
			default:
				return cmd_syntax(c, call->args);
			}
	}
	if (rest.n)
		TRY(cmd_arg_expr(c, &rest, &entry));
	TRY(cmd_arg_end(c, rest));
	if (entry) {
		show_dll(&u, entry, &w);
		return ERR_OK;
	}
	if (!u.p.peb)
		return cmd_fail(c, ERR_NOTFOUND,
			"%s is a system process: it has no DLLs (choose one with .process /p)",
			u.p.image);
	TRY(nt_get_user(u.n, &u.p, u.p.peb, "_PEB", "Ldr", &ldr, &c->d));
	if (!ldr)
		return cmd_fail(c, ERR_NOTFOUND, "the loader of this process has not run yet");
	if (w.has_addr)
		out(c->e, "Dump dll containing 0x%08llx:\n", (unsigned long long)w.addr);
	TRY(dlls(&u, ldr, list, show_dll, &w));
	return w.has_addr && !w.shown ? cmd_fail(c, ERR_NOTFOUND, "no module holds %016llx",
						(unsigned long long)w.addr)
				      : ERR_OK;
}

#define TARGET (CMD_KERNEL | CMD_TARGET)

static const cmd_row rows[] = {
	{"!peb", "!peb [PEB-Address]", "Show the process environment block",
		"Loader lists, heap, parameters and environment of the process that .process looks "
		"at, or of the "
		"PEB at the address (which must be in that process). Of a Linux process: its "
		"image, "
		"modules, command line and environment.",
		TARGET | CMD_USER, do_peb},
	{"!teb", "!teb [TEB-Address]", "Show the thread environment block",
		"Of the thread of the register context (.thread), or at the address in the process "
		"that .process "
		"looks at.",
		TARGET | CMD_USER, do_teb},
	{"!gle", "!gle [-all]", "Show the last error of a thread",
		"What GetLastError would give, and the last NTSTATUS, of the register context's "
		"thread, or with "
		"-all of every user thread. In user mode on Linux: errno.",
		TARGET | CMD_USER, do_gle},
	{"!dlls", "!dlls [-f] [-s] [-a] [-v] [-i | -l | -m] [-c Address] [LoaderEntry]",
		"List loader entries of the current process",
		"In load order (-l, default), initialisation order (-i) or memory order (-m). -c "
		"shows only the "
		"module that holds Address; LoaderEntry only the entry at that address. -f, -s and "
		"-a add what "
		"the image headers say, -v the version.",
		TARGET | CMD_USER, do_dlls},
};

const cmd_family cmd_family_nt_user = {"User-mode structures (NT)", rows, ARRAY_LEN(rows)};
