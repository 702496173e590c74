/*
 * An index file that somebody damaged, with a header that is right again: sums, sizes and identity
 * are put in place here, so that the tables and their bounds are what is looked at. Input: the file
 * from byte 128, where the table bounds begin. Seeds are made by make_dwarf_seeds.
 */
#include "fmt/dwarf_index_impl.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static bool on_entry(void *u, const dwx_entry *e)
{
	size_t *n = u;
	if (e->name.n)
		*n += (uint8_t)e->name.p[e->name.n - 1];
	return ++*n < 1 << 16;
}

static bool on_range(void *u, uint64_t begin, uint64_t end, uint64_t cu, uint64_t die)
{
	size_t *n = u;
	return ++*n < 1000 && begin + end + cu + die != 1;
}

/* Units, strings: what names may point into. */
static const uint8_t info[] = {/* DWARF 4 unit without a DIE */ 8, 0, 0, 0, 4, 0, 0, 0, 0, 0, 8, 0};
static const char text[] = "alpha\0beta\0gamma\0operator<\0delta<int, 4>\0geo\0x";

static void questions(const dwx *x)
{
	size_t n = 0;
	buf b;
	buf_init(&b, 1 << 16);
	(void)dwx_match(x, STR("*"), DWX_ALL, NULL, on_entry, &n);
	n = 0;
	(void)dwx_match(x, STR("al*a"), DWX_ALL, NULL, on_entry, &n);
	(void)dwx_find(x, STR("beta"), DWX_ALL, false, on_entry, &n);
	(void)dwx_find(x, STR("geo::gamma"), DWX_ALL, true, on_entry, &n);
	for (uint32_t i = 0; i < 200; i++) {
		dwx_entry e;
		if (!dwx_nth(x, i, &e))
			break;
		buf_clear(&b);
		dwx_qualified(x, &e, &b);
		(void)dwx_find(x, buf_str(&b), DWX_ALL, true, on_entry, &n);
		(void)dwx_cu_at(x, e.addr, NULL, NULL);
	}
	n = 0;
	dwx_cu_ranges(x, on_range, &n);
	n += dwx_verify(x, NULL) == ERR_OK;
	buf_deinit(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	enum { FIXED = 128, HEADER = 240, AT_FILE = 16, AT_SUM = 232 };
	dwx_sections s = {.info = {info, sizeof info}, .str = {(const uint8_t *)text, sizeof text}};
	uint8_t id[4] = {1, 2, 3, 4}, head[HEADER];
	char path[64];
	dwx *x = NULL;
	diag d;
	int fd = memfd_create("index", 0);
	if (fd < 0 || n < HEADER - FIXED)
		return fd < 0 ? 0 : close(fd);
	snprintf(path, sizeof path, "/tmp/fuzz_dwarf_cache.%ld", (long)getpid());
	/* A real header, of an index without entries. */
	if (dwx_build(&s, 1, NULL, &x, &d) != ERR_OK ||
		dwx_save(x, path, id, sizeof id, &d) != ERR_OK)
		abort();
	dwx_destroy(x);
	int real = open(path, O_RDONLY);
	if (real < 0 || read(real, head, HEADER) != HEADER)
		abort();
	close(real);
	unlink(path);
	memcpy(head + FIXED, p, AT_SUM - FIXED);
	put64(head + AT_FILE, FIXED + n);
	put64(head + AT_SUM, dwx_sum(0, head, AT_SUM));
	if (write(fd, head, HEADER) == HEADER &&
		write(fd, p + HEADER - FIXED, n - (HEADER - FIXED)) >= 0) {
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		x = NULL;
		if (dwx_open(path, id, sizeof id, &s, 1, &x, &d) == ERR_OK)
			questions(x);
		dwx_destroy(x);
	}
	return close(fd);
}
