/*
 * decode: numbers explained: !error, !filetime, !ioctldecode, !whattime. Nothing here reads the
 * target, except !whattime for the length of its clock's tick.
 */
#include "cmd/lang.h"

#include <time.h>

/* ---- !error ---- */

typedef struct error_name {
	uint32_t value;
	const char *name, *words;
} error_name;

#define NT(value, name, words)
#define WIN32(value, name, words) {value, name, words},
static const error_name win32[] = {
#include "cmd/errors.def"
};
#undef NT
#undef WIN32
#define NT(value, name, words) {value, name, words},
#define WIN32(value, name, words)
static const error_name nt[] = {
#include "cmd/errors.def"
};
#undef NT
#undef WIN32

static const error_name *find(const error_name *v, size_t n, uint32_t value)
{
	for (size_t i = 0; i < n; i++)
		if (v[i].value == value)
			return &v[i];
	return NULL;
}

static void say(cmd *c, const char *kind, uint32_t value, const error_name *e)
{
	if (e)
		out(c->e, "Error code: (%s) 0x%x (%u) - %s: %s\n", kind, value, value, e->name,
			e->words);
	else
		out(c->e, "Error code: (%s) 0x%x (%u) - <not known here>\n", kind, value, value);
}

static err cmd_error(cmd *c, cmd_call *call)
{
	/* FACILITY_WIN32 and FACILITY_NT_BIT of an HRESULT (public winerror.h). */
	enum { HR_WIN32 = 0x8007, HR_NT = 0x10000000 };
	str rest = call->args;
	uint64_t v, flags = 0;
	TRY(cmd_arg_expr(c, &rest, &v));
	if (rest.n)
		TRY(cmd_arg_expr(c, &rest, &flags));
	TRY(cmd_arg_end(c, rest));
	uint32_t value = (uint32_t)v;
	if (v != value && v != (uint64_t)(int64_t)(int32_t)value)
		return cmd_fail(c, ERR_ARG, "%llx is more than 32 bits", (unsigned long long)v);
	const error_name *status = find(nt, ARRAY_LEN(nt), value);
	const error_name *wrapped = find(nt, ARRAY_LEN(nt), value & ~(uint32_t)HR_NT);
	if (flags & 1 || (value >> 31 && status))
		say(c, "NTSTATUS", value, status);
	else if (value >> 16 == HR_WIN32)
		say(c, "HRESULT of Win32", value, find(win32, ARRAY_LEN(win32), value & 0xffff));
	else if (value & HR_NT && value >> 31 && wrapped)
		say(c, "HRESULT of NTSTATUS", value, wrapped);
	else if (value >> 30 == 3)
		say(c, "NTSTATUS", value, NULL);
	else
		say(c, "Win32", value, find(win32, ARRAY_LEN(win32), value));
	return ERR_OK;
}

/* ---- !filetime, !whattime ---- */

static err cmd_filetime(cmd *c, cmd_call *call)
{
	const uint64_t to_unix = 116444736000000000u; /* 1601-01-01 to 1970-01-01, 100 ns */
	str rest = call->args;
	uint64_t v;
	struct tm tm;
	char text[64];
	TRY(cmd_arg_expr(c, &rest, &v));
	TRY(cmd_arg_end(c, rest));
	time_t t = (time_t)(((int64_t)(v / 10000000)) - (int64_t)(to_unix / 10000000));
	if (v >> 63 || !localtime_r(&t, &tm) ||
		!strftime(text, sizeof text, "%m/%d/%Y %H:%M:%S", &tm))
		return cmd_fail(c, ERR_ARG, "%llx is no FILETIME", (unsigned long long)v);
	out(c->e, " %s.%03u (%s)\n", text + (text[0] == '0'), (unsigned)(v / 10000 % 1000),
		tm.tm_zone ? tm.tm_zone : "local");
	return ERR_OK;
}

/* The clock's tick in 100 ns: what the kernel says, else the usual 15.625 ms. */
static uint64_t tick_length(cmd *c)
{
	uint64_t v;
	if (c->e->t && eng_eval(c->e, STR("nt!KeMaximumIncrement"), &v, NULL) == ERR_OK &&
		eng_read_uint(c->e, v, 4, &v, NULL) == ERR_OK && v)
		return v;
	return 156250;
}

static err cmd_whattime(cmd *c, cmd_call *call)
{
	str rest = call->args;
	uint64_t ticks;
	TRY(cmd_arg_expr(c, &rest, &ticks));
	TRY(cmd_arg_end(c, rest));
	uint64_t per = tick_length(c);
	if (per && ticks > UINT64_MAX / per)
		return cmd_fail(c, ERR_ARG, "%llu ticks are more than a clock can count",
			(unsigned long long)ticks);
	uint64_t ms = ticks * per / 10000, s = ms / 1000;
	out(c->e, "%llu Ticks in Standard Time: ", (unsigned long long)ticks);
	if (s >= 86400)
		out(c->e, " %llu days", (unsigned long long)(s / 86400));
	out(c->e, " %02u:%02u:%02u.%03us\n", (unsigned)(s / 3600 % 24), (unsigned)(s / 60 % 60),
		(unsigned)(s % 60), (unsigned)(ms % 1000));
	return ERR_OK;
}

/* ---- !ioctldecode ---- */

/* FILE_DEVICE_xxx of public ntddk.h / winioctl.h, by number. */
static const char *const devices[] = {NULL, "BEEP", "CD_ROM", "CD_ROM_FILE_SYSTEM", "CONTROLLER",
	"DATALINK", "DFS", "DISK", "DISK_FILE_SYSTEM", "FILE_SYSTEM", "INPORT_PORT", "KEYBOARD",
	"MAILSLOT", "MIDI_IN", "MIDI_OUT", "MOUSE", "MULTI_UNC_PROVIDER", "NAMED_PIPE", "NETWORK",
	"NETWORK_BROWSER", "NETWORK_FILE_SYSTEM", "NULL", "PARALLEL_PORT", "PHYSICAL_NETCARD",
	"PRINTER", "SCANNER", "SERIAL_MOUSE_PORT", "SERIAL_PORT", "SCREEN", "SOUND", "STREAMS",
	"TAPE", "TAPE_FILE_SYSTEM", "TRANSPORT", "UNKNOWN", "VIDEO", "VIRTUAL_DISK", "WAVE_IN",
	"WAVE_OUT", "8042_PORT", "NETWORK_REDIRECTOR", "BATTERY", "BUS_EXTENDER", "MODEM", "VDM",
	"MASS_STORAGE", "SMB", "KS", "CHANGER", "SMARTCARD", "ACPI", "DVD", "FULLSCREEN_VIDEO",
	"DFS_FILE_SYSTEM", "DFS_VOLUME", "SERENUM", "TERMSRV", "KSEC", "FIPS", "INFINIBAND"};

static err cmd_ioctldecode(cmd *c, cmd_call *call)
{
	/* CTL_CODE: device << 16 | access << 14 | function << 2 | method. */
	static const char *const methods[] = {
		"METHOD_BUFFERED", "METHOD_IN_DIRECT", "METHOD_OUT_DIRECT", "METHOD_NEITHER"};
	static const char *const access[] = {"FILE_ANY_ACCESS", "FILE_READ_ACCESS",
		"FILE_WRITE_ACCESS", "FILE_READ_ACCESS | FILE_WRITE_ACCESS"};
	str rest = call->args;
	uint64_t v;
	TRY(cmd_arg_expr(c, &rest, &v));
	TRY(cmd_arg_end(c, rest));
	uint32_t code = (uint32_t)v, device = code >> 16;
	const char *name = device < ARRAY_LEN(devices) ? devices[device] : NULL;
	out(c->e, "IOCTL          : 0x%x\n", code);
	if (name)
		out(c->e, "Device Type    : 0x%x (FILE_DEVICE_%s)\n", device, name);
	else
		out(c->e, "Device Type    : 0x%x%s\n", device,
			device >= 0x8000 ? " (of a vendor)" : "");
	out(c->e, "Method         : 0x%x %s\n", code & 3, methods[code & 3]);
	out(c->e, "Access         : %s\n", access[code >> 14 & 3]);
	out(c->e, "Function       : 0x%x%s\n", code >> 2 & 0xfff,
		(code >> 2 & 0xfff) >= 0x800 ? " (of a vendor)" : "");
	return ERR_OK;
}

static const cmd_row rows[] = {
	{"!error", "!error Value [Flags]", "Explain an error value",
		"Win32 and Winsock codes, NTSTATUS values, and HRESULTs that hold one of them. "
		"Flags 1 "
		"reads any value as an NTSTATUS. Only the more usual ones are known.\n",
		CMD_ANY, cmd_error},
	{"!filetime", "!filetime Time", "Show a FILETIME as a date", NULL, CMD_ANY, cmd_filetime},
	{"!whattime", "!whattime Ticks", "Show clock ticks as a time",
		"A tick is what nt!KeMaximumIncrement says, or 15.625 ms.\n", CMD_KERNEL,
		cmd_whattime},
	{"!ioctldecode", "!ioctldecode IoctlCode", "Show the parts of an I/O control code", NULL,
		CMD_ANY, cmd_ioctldecode},
};

const cmd_family cmd_family_decode = {"Numbers explained", rows, ARRAY_LEN(rows)};
