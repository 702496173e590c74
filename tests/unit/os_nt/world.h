/*
 * world: builds the kernel of os_nt/kernel.c and lays it out, for the tests of os/nt and of the
 * commands over it.
 */
#ifndef RS_TEST_OS_NT_WORLD_H
#define RS_TEST_OS_NT_WORLD_H

#include "base/reader.h"
#include "base/sys.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define KERNEL_BASE 0xfffff80012340000ULL
#define USER_VA	    0x0000000140000000ULL

enum { IMAGE_MAX = 0x100000 };

typedef struct world {
	char dir[256];
	uint8_t *image;
	size_t n;
} world;

static inline void world_run(const char *fmt, ...) PRINTF(1, 2);
static inline void world_run(const char *fmt, ...)
{
	char line[2048];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	if (system(line) != 0)
		fail_msg("failed: %s", line);
}

/* Headers and sections at their addresses, as the boot loader does. */
static inline void world_lay_out(world *w)
{
	char path[300];
	str file;
	arena a;
	diag d = {0};
	arena_init(&a);
	snprintf(path, sizeof path, "%s/ntkrnlmp.exe", w->dir);
	assert_int_equal(sys_read_file(&a, path, IMAGE_MAX, &file, &d), ERR_OK);
	const uint8_t *p = (const uint8_t *)file.p;
	uint32_t pe = le32(p + 0x3c), n_sec = le16(p + pe + 6), opt = le16(p + pe + 20);
	w->n = le32(p + pe + 24 + 56);
	assert_true(w->n && w->n <= IMAGE_MAX);
	assert_true(le64(p + pe + 24 + 24) == KERNEL_BASE);
	w->image = mem_alloc(w->n);
	memcpy(w->image, p, le32(p + pe + 24 + 60));
	for (uint32_t i = 0; i < n_sec; i++) {
		const uint8_t *s = p + pe + 24 + opt + 40 * i;
		uint32_t n = le32(s + 16), vn = le32(s + 8);
		memcpy(w->image + le32(s + 12), p + le32(s + 20), n < vn ? n : vn);
	}
	arena_deinit(&a);
}

/* dir is also the symbol path. flags: more for the compiler. */
static inline void world_build(world *w, const char *who, bool layout_b, const char *flags)
{
	const char *src = getenv("RS_SOURCE_ROOT"), *tmp = getenv("RS_BUILD_ROOT");
	snprintf(w->dir, sizeof w->dir, "%s/%s_%d_%c", tmp ? tmp : "/tmp", who, (int)getpid(),
		layout_b ? 'b' : 'a');
	world_run("mkdir -p %s", w->dir);
	world_run("clang --target=x86_64-pc-windows-msvc -DLAYOUT_%c %s -O1 -g -gcodeview -ffreestanding -c "
		  "%s/tests/unit/os_nt/kernel.c -o %s/k.obj",
		layout_b ? 'B' : 'A', flags, src ? src : ".", w->dir);
	world_run("cd %s && lld-link /nologo /debug /dll /entry:entry /nodefaultlib /base:0x%llx /fixed:no "
		  "/out:ntkrnlmp.exe /pdb:ntkrnlmp.pdb /pdbaltpath:ntkrnlmp.pdb k.obj",
		w->dir, (unsigned long long)KERNEL_BASE);
	world_lay_out(w);
}

static inline void world_free(world *w)
{
	world_run("rm -rf %s", w->dir);
	mem_free(w->image);
}

#endif
