/*
 * pdb_bench: one question to a PDB in a fresh process, so that the clock outside sees everything
 * from exec to the answer. Run by bench/pdb.
 *
 *   pdb_bench name FILE NAME      through the hash tables (globals, then publics)
 *   pdb_bench addr FILE RVA       symbol, source line, locals
 *   pdb_bench type FILE NAME      definition and fields
 *   pdb_bench wild FILE PATTERN   every global name and public
 *   pdb_bench undname FILE PATTERN  the same, publics undecorated
 *   pdb_bench scan FILE -         only the scan: how many names there are
 *   pdb_bench sample FILE N       N functions as "rva name" lines, spread over the file
 *   pdb_bench image FILE OUT      writes the headers of an image that belongs to FILE: its
 *                                 sections (without bytes) and its identity, for `ringside -z`
 *   pdb_bench evict FILE          drops the file from the page cache
 *   pdb_bench run COMMAND ...     runs it, output away; prints microseconds, peak KB, exit status
 * and microseconds of CPU (a small process as parent, whose own peak does not count as the child's)
 */
#include "fmt/pdb.h"
#include "fmt/undname.h"

#include "base/map.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct job {
	pdb *f;
	str pattern;
	buf tmp;
	bool undecorate;
	size_t seen, hits, every;
} job;

static bool show(void *u, const pdb_sym *s)
{
	(void)u;
	printf("%x %x %.*s\n", s->rva, s->size, STR_ARG(s->name));
	return true;
}

static bool count_field(void *u, const pdb_field *x)
{
	(void)x;
	++*(size_t *)u;
	return true;
}

static bool match(void *u, const pdb_sym *s)
{
	job *j = u;
	str name = s->name;
	j->seen++;
	if (j->undecorate && name.n && name.p[0] == '?') {
		buf_clear(&j->tmp);
		if (undname(name, UND_NAME, &j->tmp))
			name = buf_str(&j->tmp);
	}
	j->hits += str_wild(j->pattern, name, true);
	return true;
}

static bool tally(void *u, const pdb_sym *s)
{
	job *j = u;
	j->seen += s->name.n > 0;
	return true;
}

static bool sample(void *u, const pdb_sym *s)
{
	job *j = u;
	pdb_sym full = *s;
	if (j->seen++ % j->every == 0 && pdb_sym_fill(j->f, &full) == ERR_OK)
		show(NULL, &full);
	return true;
}

static int by_address(pdb *f, uint32_t rva)
{
	pdb_sym s;
	pdb_line l;
	pdb_local *v;
	arena a;
	uint32_t disp;
	size_t n = 0;
	if (pdb_sym_at(f, rva, &s, &disp) != ERR_OK)
		return 1;
	arena_init(&a);
	printf("%.*s+%x", STR_ARG(s.name), disp);
	if (pdb_line_at(f, rva, &l) == ERR_OK)
		printf(" %.*s:%u", STR_ARG(l.file), l.line);
	if (pdb_locals_at(f, &a, rva, &v, &n) == ERR_OK)
		printf(" %zu locals", n);
	printf("\n");
	arena_deinit(&a);
	return 0;
}

static int ask(pdb *f, const char *what, const char *arg)
{
	job j = {.f = f, .pattern = str_of(arg), .every = 1};
	uint32_t ti;
	size_t n = 0;
	if (!strcmp(what, "name"))
		return pdb_global_find(f, str_of(arg), false, PDB_ALL, show, NULL) != ERR_OK &&
		       pdb_public_find(f, str_of(arg), false, show, NULL) != ERR_OK;
	if (!strcmp(what, "addr"))
		return by_address(f, (uint32_t)strtoul(arg, NULL, 16));
	if (!strcmp(what, "type")) {
		if (pdb_type_find(f, str_of(arg), false, &ti) != ERR_OK ||
			pdb_type_fields(f, ti, count_field, &n) != ERR_OK)
			return 1;
		printf("%x %llu bytes %zu fields\n", ti, (unsigned long long)pdb_type_size(f, ti),
			n);
		return 0;
	}
	if (!strcmp(what, "wild") || !strcmp(what, "undname")) {
		buf_init(&j.tmp, 0);
		j.undecorate = what[0] == 'u';
		err e = pdb_each_like(f,
			PDB_MASK(PDB_PUBLIC) | PDB_MASK(PDB_FUNC) | PDB_MASK(PDB_DATA), j.pattern,
			match, &j);
		printf("%zu found\n", j.hits);
		buf_deinit(&j.tmp);
		return e != ERR_OK || !j.hits;
	}
	if (!strcmp(what, "scan")) {
		err e = pdb_each_name(f,
			PDB_MASK(PDB_PUBLIC) | PDB_MASK(PDB_FUNC) | PDB_MASK(PDB_DATA), tally, &j);
		printf("%zu names\n", j.seen);
		return e != ERR_OK;
	}
	if (!strcmp(what, "sample")) {
		err e = pdb_each_name(f, PDB_MASK(PDB_FUNC), tally, &j);
		j.every = j.seen / (strtoul(arg, NULL, 10) + 1) + 1;
		j.seen = 0;
		if (e == ERR_OK)
			e = pdb_each_name(f, PDB_MASK(PDB_FUNC), sample, &j);
		return e != ERR_OK;
	}
	fprintf(stderr, "pdb_bench: %s?\n", what);
	return 2;
}

static void put(buf *b, uint64_t v, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		buf_addc(b, (char)(v >> 8 * i));
}

static void zero_to(buf *b, size_t n)
{
	while (b->n < n)
		buf_addc(b, 0);
}

/* Offsets: learn.microsoft.com/windows/win32/debug/pe-format. */
enum { NT_AT = 64, OPT_SIZE = 240, PAGE = 4096, DEBUG_DIR = 28 };

static void put_section(buf *b, const char *name, uint32_t rva, uint32_t vsize, uint32_t raw,
	uint32_t raw_size, uint32_t flags)
{
	char padded[8] = {0};
	memcpy(padded, name, strnlen(name, sizeof padded));
	buf_add(b, padded, sizeof padded);
	put(b, vsize, 4);
	put(b, rva, 4);
	put(b, raw_size, 4);
	put(b, raw, 4);
	put(b, 0, 12);
	put(b, flags, 4);
}

static void put_headers(buf *b, pdb *f, uint32_t last, uint32_t headers)
{
	buf_addz(b, "MZ");
	zero_to(b, 0x3c);
	put(b, NT_AT, 4);
	put(b, 0x4550, 4);
	put(b, pdb_id_get(f)->machine, 2);
	put(b, pdb_nsections(f) + 1, 2);
	put(b, pdb_id_get(f)->sig, 4);
	put(b, 0, 8);
	put(b, OPT_SIZE, 2);
	put(b, 0x22, 2); /* executable, large addresses */
	size_t opt = b->n;
	put(b, 0x20b, 2);
	zero_to(b, opt + 24);
	put(b, 0x140000000, 8);
	put(b, PAGE, 4);
	put(b, 512, 4);
	zero_to(b, opt + 56);
	put(b, last + PAGE, 4); /* size of the image */
	put(b, headers, 4);
	zero_to(b, opt + 108);
	put(b, 16, 4);
	zero_to(b, opt + 112 + 6 * 8); /* debug directory */
	put(b, last, 4);
	put(b, DEBUG_DIR, 4);
	zero_to(b, opt + OPT_SIZE);
}

/* Sections as the PDB has them, then a page with the debug directory and the identity (RSDS). */
static int image(pdb *f, const char *path, const char *out)
{
	uint32_t last = 0, n = (uint32_t)pdb_nsections(f);
	uint32_t headers = (NT_AT + 24 + OPT_SIZE + 40 * (n + 1) + 511) & ~511u;
	str name = str_base(str_of(path));
	const pdb_section *s;
	buf b;
	for (uint32_t i = 0; i < n; i++) {
		s = pdb_section_nth(f, i);
		uint32_t end = (s->rva + s->vsize + PAGE - 1) & ~(PAGE - 1u);
		last = end > last ? end : last;
	}
	buf_init(&b, 0);
	put_headers(&b, f, last, headers);
	for (uint32_t i = 0; i < n; i++) {
		s = pdb_section_nth(f, i);
		put_section(&b, s->name, s->rva, s->vsize, 0, 0, s->flags);
	}
	put_section(&b, ".buildid", last, PAGE, headers, 512, 0x40000040);
	zero_to(&b, headers);
	put(&b, 0, 12);
	put(&b, 2, 4); /* CodeView */
	put(&b, 24 + name.n + 1, 4);
	put(&b, last + DEBUG_DIR, 4);
	put(&b, headers + DEBUG_DIR, 4);
	buf_addz(&b, "RSDS");
	buf_add(&b, pdb_id_get(f)->guid, 16);
	put(&b, pdb_id_get(f)->dbi_age, 4);
	buf_adds(&b, str_take(name, 400));
	zero_to(&b, headers + 512);
	FILE *o = fopen(out, "wb");
	bool ok = o && fwrite(b.p, 1, b.n, o) == b.n;
	if (!o || fclose(o) || !ok) {
		perror(out);
		return 1;
	}
	buf_deinit(&b);
	return 0;
}

static int evict(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED)) {
		perror(path);
		return 1;
	}
	close(fd);
	return 0;
}

static unsigned long long us_of(struct timeval t)
{
	return (unsigned long long)t.tv_sec * 1000000 + (unsigned long long)t.tv_usec;
}

static int run(char **argv)
{
	struct rusage use;
	int status = 0, null = open("/dev/null", O_RDWR | O_CLOEXEC);
	uint64_t start = sys_now_us();
	pid_t pid = vfork();
	if (!pid) {
		dup2(null, 1);
		dup2(null, 2);
		execvp(argv[0], argv);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &use) != pid)
		return 1;
	printf("%llu %ld %d %llu\n", (unsigned long long)(sys_now_us() - start), use.ru_maxrss,
		WIFEXITED(status) ? WEXITSTATUS(status) : 128,
		us_of(use.ru_utime) + us_of(use.ru_stime));
	return 0;
}

int main(int argc, char **argv)
{
	sys_map file;
	pdb *f;
	diag d;
	if (argc == 3 && !strcmp(argv[1], "evict"))
		return evict(argv[2]);
	if (argc > 2 && !strcmp(argv[1], "run"))
		return run(argv + 2);
	if (argc != 4) {
		fprintf(stderr, "usage: pdb_bench name|addr|type|wild|undname|scan|sample|image "
				"FILE ARGUMENT\n");
		return 2;
	}
	if (sys_map_open(argv[2], &file, &d) != ERR_OK ||
		pdb_open(file.p, file.n, &f, &d) != ERR_OK) {
		fprintf(stderr, "pdb_bench: %s\n", d.text);
		return 2;
	}
	int r = !strcmp(argv[1], "image") ? image(f, argv[2], argv[3]) : ask(f, argv[1], argv[3]);
	pdb_close(f);
	sys_map_close(&file);
	return r;
}
