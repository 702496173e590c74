/*
 * nt_ver: which kernel this is and how it died: vertarget's lines, bug check data.
 *
 * Every line but the first is there only if the kernel lets its facts be read.
 */
#include "os/nt/nt_int.h"

#include "base/reader.h"

#include <time.h>

/* KI_USER_SHARED_DATA of 64-bit NT: ntddk.h. */
#define SHARED_DATA 0xfffff78000000000ULL

err nt_bugcheck(os *o, uint32_t *code, uint64_t params[4], diag *d)
{
	nt *n = (nt *)o;
	uint64_t at;
	uint8_t b[40];
	/* Five pointers: "dq NT!KiBugCheckData L5" (.bugcheck's page). */
	TRY(nt_global(o, STR("KiBugCheckData"), &at, d));
	err e = nt_read(n, at, b, sizeof b, d);
	if (e != ERR_OK)
		return diag_add(d, e, "nt!KiBugCheckData");
	if (!le64(b))
		return diag_set(d, ERR_NOTFOUND, "there was no bug check");
	*code = le32(b);
	for (int i = 0; i < 4; i++)
		params[i] = le64(b + 8 * (i + 1));
	return ERR_OK;
}

static bool text_global(nt *n, const char *name, char *ret, size_t cap)
{
	uint64_t at;
	size_t got = 0;
	if (nt_global(&n->base, str_of(name), &at, NULL) != ERR_OK ||
		tgt_read(n->base.host.t, as_current(), at, ret, cap - 1, &got, NULL) != ERR_OK)
		return false;
	ret[got] = 0;
	size_t i = 0;
	while (ret[i] >= 0x20 && ret[i] < 0x7f)
		i++;
	ret[i] = 0;
	return i > 0;
}

/* KSYSTEM_TIME: LowPart, High1Time, High2Time (ntddk.h). */
static bool shared_time(nt *n, const char *path, uint64_t *ret)
{
	nt_off f;
	uint8_t b[12];
	if (nt_field(n, "_KUSER_SHARED_DATA", path, &f, NULL) != ERR_OK ||
		nt_read(n, SHARED_DATA + f.off, b, sizeof b, NULL) != ERR_OK ||
		le32(b + 4) != le32(b + 8))
		return false;
	*ret = le64(b);
	return *ret != 0;
}

static void product(nt *n, buf *out)
{
	static const char *const kinds[] = {"?", "WinNt", "LanManNt", "Server"};
	static const struct {
		uint32_t bit;
		const char *name;
	} suites[] = {{0x2, "Enterprise"}, {0x10, "TerminalServer"}, {0x40, "EmbeddedNT"},
		{0x80, "DataCenter"}, {0x100, "SingleUserTS"}, {0x200, "Personal"},
		{0x400, "Blade"}};
	uint64_t kind = nt_get_or(n, SHARED_DATA, "_KUSER_SHARED_DATA", "NtProductType", 0);
	uint64_t suite = nt_get_or(n, SHARED_DATA, "_KUSER_SHARED_DATA", "SuiteMask", 0);
	if (!kind || kind >= ARRAY_LEN(kinds))
		return;
	buf_addf(out, "Product: %s", kinds[kind]);
	bool any = false;
	for (size_t i = 0; i < ARRAY_LEN(suites); i++)
		if (suite & suites[i].bit) {
			buf_addf(out, "%s %s", any ? "" : ", suite:", suites[i].name);
			any = true;
		}
	buf_addc(out, '\n');
}

static void times(nt *n, buf *out)
{
	uint64_t t;
	/* 100 ns units since 1601. */
	if (shared_time(n, "SystemTime", &t) && t / 10000000 > 11644473600ULL) {
		time_t s = (time_t)(t / 10000000 - 11644473600ULL);
		struct tm tm;
		char text[64];
		if (gmtime_r(&s, &tm) && strftime(text, sizeof text, "%a %b %e %H:%M:%S", &tm))
			buf_addf(out, "Debug session time: %s.%03u %d (UTC)\n", text,
				(unsigned)(t / 10000 % 1000), tm.tm_year + 1900);
	}
	if (shared_time(n, "InterruptTime", &t)) {
		char span[STR_SPAN_MAX];
		buf_addf(out, "System Uptime: %s\n", str_span(t / 10000, span));
	}
}

static const char *product_name(uint32_t build)
{
	/* Build numbers as Microsoft's release information pages list them. */
	return build >= 22000	? "Windows 11"
	       : build >= 10240 ? "Windows 10"
	       : build >= 9600	? "Windows 8.1"
	       : build >= 9200	? "Windows 8"
	       : build >= 7600	? "Windows 7"
	       : build >= 6000	? "Windows Vista"
				: "Windows";
}

err nt_version(os *o, buf *out, diag *d)
{
	nt *n = (nt *)o;
	char lab[128];
	/* DBGKD_VERS_FLAG_MP 1; major 0xF is a free build, 0xC a checked one (wdbgexts.h). */
	bool checked = (n->version.major & 0xff) == 0x0c, mp = n->version.flags & 1;
	uint32_t units = nt_units(n);
	/* Early in the boot the kernel's own count is one; the state change may know better. */
	if (o->host.n_units && *o->host.n_units > units)
		units = *o->host.n_units;
	buf_addf(out, "%s Kernel Version %u %s", product_name(n->version.minor), n->version.minor,
		mp || units > 1 ? "MP" : "UP");
	if (mp || units > 1)
		buf_addf(out, " (%u procs)", units);
	buf_addf(out, " %s x64\n", checked ? "Checked" : "Free");
	product(n, out);
	if (text_global(n, "NtBuildLabEx", lab, sizeof lab) ||
		text_global(n, "NtBuildLab", lab, sizeof lab))
		buf_addf(out, "Edition build lab: %s\n", lab);
	buf_addf(out, "Kernel base = 0x%08x`%08x PsLoadedModuleList = 0x%08x`%08x\n",
		(unsigned)(n->kernel_base >> 32), (unsigned)n->kernel_base,
		(unsigned)(n->module_list >> 32), (unsigned)n->module_list);
	times(n, out);
	return ERR_OK;
}
