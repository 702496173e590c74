/*
 * dh: !dh, the headers of an image in memory, line by line (the documentation's page "!dh"). Reads
 * through the symbol room's view of the image; fields that view does not keep are decoded here.
 * Offsets: "PE Format", learn.microsoft.com/windows/win32/debug/pe-format.
 */
#include "cmd/cmd.h"

#include "base/reader.h"
#include "fmt/pe.h"

#include <string.h>

enum { OPT_MAX = 256, DOS_LFANEW = 0x3c };

typedef struct flag {
	uint32_t bit;
	const char *text;
} flag;

static const flag characteristics[] = {
	{0x1, "Relocations stripped"},
	{0x2, "Executable"},
	{0x4, "Line numbers stripped"},
	{0x8, "Symbols stripped"},
	{0x20, "App can handle >2gb addresses"},
	{0x100, "32 bit word machine"},
	{0x200, "Debug information stripped"},
	{0x1000, "System"},
	{0x2000, "DLL"},
};

static const flag dll_characteristics[] = {
	{0x20, "High entropy VA supported"},
	{0x40, "Dynamic base"},
	{0x80, "Force integrity checks"},
	{0x100, "NX compatible"},
	{0x200, "No isolation"},
	{0x400, "No structured exception handler"},
	{0x800, "Do not bind"},
	{0x1000, "AppContainer"},
	{0x2000, "WDM driver"},
	{0x4000, "Guard"},
	{0x8000, "Terminal server aware"},
};

static const char *const subsystems[] = {"Unknown", "Native", "Windows GUI", "Windows CUI", NULL,
	"OS/2 CUI", NULL, "Posix CUI", NULL, "Windows CE GUI", "EFI application",
	"EFI boot service driver", "EFI runtime driver", "EFI ROM", "XBOX", NULL,
	"Boot application"};

static const char *const dirs[PE_NDIRS] = {"Export", "Import", "Resource", "Exception", "Security",
	"Base Relocation", "Debug", "Description", "Special", "Thread Storage",
	"Load Configuration", "Bound Import", "Import Address Table", "Delay Import",
	"COR20 Header", "Reserved"};

static void flags(engine *e, const flag *f, size_t n, uint32_t value)
{
	for (size_t i = 0; i < n; i++)
		if (value & f[i].bit)
			out(e, "            %s\n", f[i].text);
}

static const char *machine(uint16_t m)
{
	return m == PE_MACHINE_AMD64   ? "X64"
	       : m == PE_MACHINE_I386  ? "i386"
	       : m == PE_MACHINE_ARM64 ? "ARM64"
	       : m == PE_MACHINE_ARMNT ? "ARM Thumb-2"
				       : "unknown";
}

/* The raw optional header; zeros where it cannot be read. */
static void optional(const pe_view *p, uint8_t raw[OPT_MAX], uint16_t *size)
{
	uint8_t b[4], head[20];
	memset(raw, 0, OPT_MAX);
	*size = 0;
	if (pe_read(p, DOS_LFANEW, b, 4) != ERR_OK ||
		pe_read(p, le32(b) + 4, head, sizeof head) != ERR_OK)
		return;
	*size = le16(head + 16);
	size_t n = 0;
	if (pe_read_some(p, le32(b) + 24, raw, *size < OPT_MAX ? *size : OPT_MAX, &n) != ERR_OK)
		*size = 0;
}

static void stamp(engine *e, uint32_t t)
{
	buf b;
	buf_init(&b, 128);
	sym_time(t, &b);
	out(e, "%8X time date stamp %s\n", t, buf_z(&b));
	buf_deinit(&b);
}

static void file_headers(engine *e, const pe_view *p)
{
	uint8_t raw[OPT_MAX];
	uint16_t size;
	optional(p, raw, &size);
	out(e, "\nFile Type: %s\nFILE HEADER VALUES\n",
		p->characteristics & 0x2000 ? "DLL" : "EXECUTABLE IMAGE");
	out(e, "%8X machine (%s)\n%8zX number of sections\n", p->machine, machine(p->machine),
		p->nsec);
	stamp(e, p->timestamp);
	out(e, "\n%8X size of optional header\n%8X characteristics\n", size, p->characteristics);
	flags(e, characteristics, ARRAY_LEN(characteristics), p->characteristics);
	out(e, "\nOPTIONAL HEADER VALUES\n%8X magic #\n", p->plus ? 0x20b : 0x10b);
	out(e, "%5u.%02u linker version\n", p->linker_major, p->linker_minor);
	out(e, "%8X size of code\n%8X size of initialized data\n%8X size of uninitialized data\n",
		le32(raw + 4), le32(raw + 8), le32(raw + 12));
	out(e, "%8X address of entry point\n%8X base of code\n         ----- new -----\n", p->entry,
		le32(raw + 20));
	out(e, "%016llX image base\n", (unsigned long long)p->preferred_base);
	out(e, "%8X section alignment\n%8X file alignment\n", p->section_align, p->file_align);
	const char *sub = p->subsystem < ARRAY_LEN(subsystems) ? subsystems[p->subsystem] : NULL;
	out(e, "%8X subsystem (%s)\n", p->subsystem, sub ? sub : "unknown");
	out(e,
		"%5u.%02u operating system version\n%5u.%02u image version\n%5u.%02u subsystem "
		"version\n",
		p->os_major, p->os_minor, p->image_major, p->image_minor, p->subsys_major,
		p->subsys_minor);
	out(e, "%8X size of image\n%8X size of headers\n%8X checksum\n", p->image_size,
		p->headers_size, p->checksum);
	static const char *const sizes[] = {
		"stack reserve", "stack commit", "heap reserve", "heap commit"};
	for (size_t i = 0; i < 4; i++) {
		uint64_t v = p->plus ? le64(raw + 72 + 8 * i) : le32(raw + 72 + 4 * i);
		out(e, "%016llX size of %s\n", (unsigned long long)v, sizes[i]);
	}
	out(e, "%8X  DLL characteristics\n", p->dll_characteristics);
	flags(e, dll_characteristics, ARRAY_LEN(dll_characteristics), p->dll_characteristics);
	for (size_t i = 0; i < PE_NDIRS; i++)
		out(e, "%8X [%8X] address [size] of %s Directory\n", p->dir[i].rva, p->dir[i].size,
			dirs[i]);
	out(e, "\n");
}

static void section(engine *e, const pe_section *s, size_t number)
{
	out(e, "\nSECTION HEADER #%zX\n%8s name\n%8X virtual size\n%8X virtual address\n", number,
		s->name, s->vsize, s->rva);
	out(e, "%8X size of raw data\n%8X file pointer to raw data\n%8X flags\n", s->raw_size,
		s->raw, s->flags);
	if (s->flags & PE_SCN_CODE)
		out(e, "         Code\n");
	if (s->flags & PE_SCN_INIT_DATA)
		out(e, "         Initialized Data\n");
	if (s->flags & PE_SCN_UNINIT_DATA)
		out(e, "         Uninitialized Data\n");
	if (s->flags & PE_SCN_DISCARDABLE)
		out(e, "         Discardable\n");
	uint32_t align = s->flags >> 20 & 15;
	if (align && align < 15)
		out(e, "         Align%u\n", 1u << (align - 1));
	else
		out(e, "         (no align specified)\n");
	out(e, "        %s%s%s\n", s->flags & PE_SCN_EXECUTE ? " Execute" : "",
		s->flags & PE_SCN_READ ? " Read" : "",
		s->flags & (uint32_t)PE_SCN_WRITE ? " Write" : " Only");
}

typedef struct debug_ctx {
	engine *e;
} debug_ctx;

static bool debug_line(void *u, const pe_debug *d)
{
	static const char *const names[] = {
		"unknown", "coff", "cv", "fpo", "misc", "exception", "fixup"};
	const char *name = d->type < ARRAY_LEN(names)	    ? names[d->type]
			   : d->type == PE_DEBUG_POGO	    ? "pogo"
			   : d->type == PE_DEBUG_REPRO	    ? "repro"
			   : d->type == PE_DEBUG_EX_DLLCHAR ? "dllchar"
							    : "(other)";
	out(((debug_ctx *)u)->e, "    %-10s %8X %8X %8X\n", name, d->size, d->rva, d->raw);
	return true;
}

static void debug_dirs(cmd *c, const pe_view *p)
{
	pe_codeview cv;
	debug_ctx x = {c->e};
	out(c->e, "\nDebug Directories\n    Type           Size  Address  Pointer\n");
	if (pe_debug_each(p, debug_line, &x) != ERR_OK)
		out(c->e, "    none\n");
	if (pe_debug_codeview(p, &c->a, &cv) != ERR_OK)
		return;
	buf b;
	buf_init(&b, 256);
	if (cv.rsds)
		pe_guid_text(cv.guid, false, &b);
	else
		buf_addf(&b, "%08X", cv.sig);
	out(c->e, "    Format: %s, %s, %X, %.*s\n", cv.rsds ? "RSDS, guid" : "NB10, sig", buf_z(&b),
		cv.age, STR_ARG(cv.path));
	buf_deinit(&b);
}

typedef struct dh_shown {
	bool any, file, sections, help;
} dh_shown;

static err dh_switches(cmd *c, str *rest, dh_shown *x)
{
	str sw;
	while (cmd_arg_switch(rest, "-/", &sw)) {
		x->any = true;
		if (str_eq(sw, STR("f")))
			x->file = true;
		else if (str_eq(sw, STR("s")))
			x->sections = true;
		else if (str_eq(sw, STR("a")))
			x->file = x->sections = true;
		else if (str_eq(sw, STR("h")))
			x->help = true;
		else
			return cmd_fail(c, ERR_SYNTAX, "!dh has no option -%.*s", STR_ARG(sw));
	}
	return ERR_OK;
}

static bool is_blank(char ch)
{
	return ch == ' ' || ch == '\t';
}

/* Options may also stand behind the address ("!dh nt -f"): cut off what is one, so that the
 * expression does not take it for a subtraction. */
static str dh_before_options(str s)
{
	for (size_t i = 1; i + 1 < s.n; i++)
		if (is_blank(s.p[i - 1]) && s.p[i] == '-' && strchr("fsah", s.p[i + 1]) &&
			(i + 2 == s.n || is_blank(s.p[i + 2])))
			return str_take(s, i);
	return s;
}

static err cmd_dh(cmd *c, cmd_call *call)
{
	str rest = call->args;
	dh_shown x = {0};
	uint64_t addr;
	struct pe_view *p;
	TRY(dh_switches(c, &rest, &x));
	str where = dh_before_options(rest);
	rest = str_skip(rest, where.n);
	TRY(dh_switches(c, &rest, &x));
	if (x.help) {
		out(c->e, "%s\n%s\n", call->row->usage, call->row->help);
		return ERR_OK;
	}
	if (!x.any)
		x.file = x.sections = true;
	if (!str_trim(where).n)
		return cmd_syntax(c, where);
	TRY(cmd_arg_end(c, rest));
	TRY(cmd_arg_expr(c, &where, &addr));
	TRY(cmd_arg_end(c, where));
	sym_mod *m = c->e->syms ? sym_mod_at(c->e->syms, addr) : NULL;
	if (!m)
		return cmd_fail(c, ERR_NOTFOUND, "no module at %s", out_addr(c->e, addr));
	TRY(sym_mod_pe(m, &p, &c->d));
	if (x.file)
		file_headers(c->e, p);
	for (size_t i = 0; x.sections && i < p->nsec; i++)
		section(c->e, &p->sec[i], i + 1);
	if (x.file)
		debug_dirs(c, p);
	return ERR_OK;
}

static const cmd_row rows[] = {
	{"!dh", "!dh [-f | -s | -a] Address", "Show the headers of an image",
		"Address lies in a module (a module name will do).\n"
		"\n"
		"-f  file and optional header, directories, debug directory\n"
		"-s  section headers\n"
		"-a  both, also the default\n"
		"-h  this text",
		CMD_ANY | CMD_TARGET, cmd_dh},
};

const cmd_family cmd_family_dh = {"Image headers", rows, ARRAY_LEN(rows)};
