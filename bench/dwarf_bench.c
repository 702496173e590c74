/*
 * dwarf_bench: one measured pass over the debug information of an ELF file, in a fresh process. Run
 * by bench/dwarf.
 *
 *   dwarf_bench sizes FILE               bytes of .debug_info and of the strings, build-id
 *   dwarf_bench touch FILE               every page of the sections that an index reads, once
 *   dwarf_bench index FILE [OUT]         our index; OUT: kept there too
 *   dwarf_bench keep FILE                our index, pages of the file not let go of
 *   dwarf_bench open FILE CACHE NAME     the index from disk, one name looked up
 *   dwarf_bench match FILE CACHE PATTERN a wildcard over all names; CACHE "-": indexed first
 *   dwarf_bench find FILE CACHE NAME     every entry of a name, as text
 *   dwarf_bench libdw FILE               every DIE through libdw, with its name
 *   dwarf_bench run COMMAND ...          runs it, output away; prints microseconds, peak KB, exit
 *                                        status and microseconds of CPU
 *
 * Sections must be uncompressed. Output: seconds of the pass itself and what it counted.
 */
#include "dwarf_sections.h"

#ifdef HAVE_LIBDW
#include <dwarf.h>
#include <elfutils/libdw.h>
#endif
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void fail(const diag *d)
{
	fprintf(stderr, "dwarf_bench: %s\n", d->text);
	exit(2);
}

static void forget(void *u, const uint8_t *p, size_t n)
{
	(void)u;
	uintptr_t a = ((uintptr_t)p + 4095) & ~(uintptr_t)4095,
		  b = ((uintptr_t)p + n) & ~(uintptr_t)4095;
	if (a < b)
		(void)madvise((void *)a, b - a, MADV_DONTNEED);
}

static size_t touch(dwx_bytes s)
{
	size_t sum = 0;
	for (size_t i = 0; i < s.n; i += 4096)
		sum += s.p[i];
	return sum;
}

static dwx *build(const dwarf_file *f, bool keep)
{
	diag d;
	dwx *x = NULL;
	dwx_options o = {.lowest = f->lowest, .forget = keep ? NULL : forget};
	if (dwx_build(&f->s, 1, &o, &x, &d) != ERR_OK)
		fail(&d);
	return x;
}

static dwx *open_or_build(const dwarf_file *f, const char *cache)
{
	diag d;
	dwx *x = NULL;
	if (!strcmp(cache, "-"))
		return build(f, false);
	if (dwx_open(cache, f->id.p, f->id.n, &f->s, 1, &x, &d) != ERR_OK)
		fail(&d);
	return x;
}

static bool count_one(void *u, const dwx_entry *e)
{
	(void)e;
	++*(size_t *)u;
	return true;
}

static bool show(void *u, const dwx_entry *e)
{
	buf b;
	buf_init(&b, 1 << 16);
	dwx_qualified(u, e, &b);
	printf("%#llx %d %#llx %#llx%s%s %.*s\n", (unsigned long long)e->die, e->kind,
		(unsigned long long)e->addr, (unsigned long long)e->value, e->decl ? " decl" : "",
		e->inlined ? " inlined" : "", STR_ARG(buf_str(&b)));
	buf_deinit(&b);
	return true;
}

#ifdef HAVE_LIBDW
static size_t walk(Dwarf_Die *die)
{
	size_t n = 0;
	Dwarf_Die child;
	do {
		n++;
		(void)dwarf_diename(die);
		if (dwarf_child(die, &child) == 0)
			n += walk(&child);
	} while (dwarf_siblingof(die, die) == 0);
	return n;
}

static size_t libdw(const char *path)
{
	int fd = open(path, O_RDONLY);
	Dwarf *w = dwarf_begin(fd, DWARF_C_READ);
	size_t n = 0;
	Dwarf_CU *cu = NULL;
	Dwarf_Die die;
	uint8_t type;
	while (dwarf_get_units(w, cu, &cu, NULL, &type, &die, NULL) == 0)
		n += walk(&die);
	dwarf_end(w);
	close(fd);
	return n;
}
#endif

static int run(char **cmd)
{
	uint64_t start = sys_now_us();
	pid_t pid = fork();
	if (!pid) {
		int fd = open("/dev/null", O_RDWR);
		dup2(fd, 0);
		dup2(fd, 1);
		dup2(fd, 2);
		execvp(cmd[0], cmd);
		_exit(127);
	}
	int status;
	struct rusage u;
	if (pid < 0 || wait4(pid, &status, 0, &u) < 0)
		return 1;
	printf("%llu %ld %d %lld\n", (unsigned long long)(sys_now_us() - start), u.ru_maxrss,
		WIFEXITED(status) ? WEXITSTATUS(status) : 255,
		(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000ll + u.ru_utime.tv_usec +
			u.ru_stime.tv_usec);
	return 0;
}

static void pass(const dwarf_file *f, const char *what, char **arg, int n)
{
	diag d = {0};
	size_t count = 0;
	uint64_t start = sys_now_us();
	dwx_stats st = {0};
	dwx *x = NULL;
	if (!strcmp(what, "touch")) {
		const dwx_bytes all[] = {
			f->s.info, f->s.abbrev, f->s.str, f->s.line_str, f->s.aranges};
		for (size_t i = 0; i < ARRAY_LEN(all); i++)
			count += touch(all[i]);
	} else if (!strcmp(what, "index") || !strcmp(what, "keep")) {
		x = build(f, what[0] == 'k');
		uint64_t built = sys_now_us();
		if (n > 0 && dwx_save(x, arg[0], f->id.p, f->id.n, &d) != ERR_OK)
			fail(&d);
		if (n > 0)
			printf("saved %.4f\n", (double)(sys_now_us() - built) / 1e6);
	} else if (!strcmp(what, "open") && n == 2) {
		x = open_or_build(f, arg[0]);
		(void)dwx_find(x, str_of(arg[1]), DWX_ALL, false, count_one, &count);
	} else if (!strcmp(what, "verify") && n == 1) {
		x = open_or_build(f, arg[0]);
		if (dwx_verify(x, NULL) != ERR_OK)
			exit(2);
	} else if (!strcmp(what, "match") && n == 2) {
		x = open_or_build(f, arg[0]);
		start = sys_now_us();
		(void)dwx_match(x, str_of(arg[1]), DWX_ALL, NULL, count_one, &count);
	} else if (!strcmp(what, "list") && n == 2) {
		x = open_or_build(f, arg[0]);
		(void)dwx_match(x, str_of(arg[1]), DWX_ALL, NULL, show, x);
	} else if (!strcmp(what, "find") && n == 2) {
		x = open_or_build(f, arg[0]);
		(void)dwx_find(x, str_of(arg[1]), DWX_ALL, false, show, x);
	}
	double s = (double)(sys_now_us() - start) / 1e6;
	if (x)
		dwx_stats_get(x, &st);
	printf("%.6f %zu\n", s, count);
	if (x)
		fprintf(stderr,
			"entries %zu scopes %zu units %zu ranges %zu damaged %zu left out %zu, "
			"%.1f MiB, peak %.1f MiB\n",
			st.entries, st.scopes, st.units, st.ranges, st.damaged, st.left_out,
			(double)st.bytes / 1048576, (double)st.peak / 1048576);
	dwx_destroy(x);
}

int main(int argc, char **argv)
{
	diag d = {0};
	dwarf_file f;
	if (argc > 2 && !strcmp(argv[1], "run"))
		return run(argv + 2);
	if (argc < 3)
		return 2;
#ifdef HAVE_LIBDW
	if (!strcmp(argv[1], "libdw")) {
		uint64_t start = sys_now_us();
		size_t n = libdw(argv[2]);
		printf("%.6f %zu\n", (double)(sys_now_us() - start) / 1e6, n);
		return 0;
	}
#endif
	if (dwarf_file_open(argv[2], &f, &d) != ERR_OK)
		fail(&d);
	if (!f.s.info.n)
		return fprintf(stderr, "dwarf_bench: %s: no uncompressed .debug_info\n", argv[2]),
		       2;
	if (!strcmp(argv[1], "sizes")) {
		printf("%zu %zu ", f.s.info.n, f.s.str.n);
		for (size_t i = 0; i < f.id.n; i++)
			printf("%02x", f.id.p[i]);
		printf("\n");
		return 0;
	}
	pass(&f, argv[1], argv + 3, argc - 3);
	sys_map_close(&f.map);
	return 0;
}
