/*
 * sym_build: builds the images of sym_demo/ with clang and lld-link into the world's directory, and
 * lays an image out as a loader would. Include behind sym_world.h.
 */
#include "fmt/pe.h"

static void run(const char *fmt, ...) PRINTF(1, 2);
static void run(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *sh = arena_vprintf(&world, fmt, ap);
	va_end(ap);
	if (system(sh))
		fail_msg("failed: %s", sh);
}

static const char *source_root(void)
{
	const char *r = getenv("RS_SOURCE_ROOT");
	return r ? r : ".";
}

/* out/NAME.dll and out/NAME.pdb. debug: private symbols; else publics only. */
static void build_demo(const char *out, const char *name, bool debug, const char *defines)
{
	const char *g = debug ? "-g -gcodeview" : "";
	const char *common = "clang --target=x86_64-pc-windows-msvc -O0 -fno-rtti -fno-exceptions";
	run("mkdir -p '%s' && cd '%s' && %s -fshort-wchar %s %s -c %s/tests/unit/sym_demo/demo.c "
	    "-o c.obj && "
	    "%s %s %s -c %s/tests/unit/sym_demo/demo2.cpp -o cc.obj && "
	    "lld-link /nologo /Brepro /dll /nodefaultlib /entry:entry /debug /pdb:%s.pdb "
	    "/pdbaltpath:%s.pdb "
	    "/implib:%s.lib /out:%s.dll c.obj cc.obj",
		out, out, common, g, defines, source_root(), common, g, defines, source_root(),
		name, name, name, name);
}

typedef struct laid {
	uint8_t *p;
	size_t n;
	uint32_t timestamp;
} laid;

/* The image as it lies in memory. */
static laid lay_out(const char *path)
{
	str file = file_text(path);
	mem_reader r = pe_bytes(&file);
	pe_view v;
	assert_int_equal(pe_open(&v, &world, &r, 0, PE_FILE, NULL), ERR_OK);
	laid l = {arena_alloc(&world, v.image_size), v.image_size, v.timestamp};
	memcpy(l.p, file.p, v.headers_size);
	for (size_t i = 0; i < v.nsec; i++) {
		uint32_t n =
			v.sec[i].raw_size < v.sec[i].vsize ? v.sec[i].raw_size : v.sec[i].vsize;
		memcpy(l.p + v.sec[i].rva, file.p + v.sec[i].raw, n);
	}
	return l;
}
