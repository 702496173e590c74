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
 *   pdb_bench evict FILE          drops the file from the page cache
 *   pdb_bench run COMMAND ...     runs it, output away; prints microseconds, peak KB and exit
 * status (a small process as parent, whose own peak does not count as the child's)
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
	printf("%llu %ld %d\n", (unsigned long long)(sys_now_us() - start), use.ru_maxrss,
		WIFEXITED(status) ? WEXITSTATUS(status) : 128);
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
		fprintf(stderr,
			"usage: pdb_bench name|addr|type|wild|undname|sample FILE ARGUMENT\n");
		return 2;
	}
	if (sys_map_open(argv[2], &file, &d) != ERR_OK ||
		pdb_open(file.p, file.n, &f, &d) != ERR_OK) {
		fprintf(stderr, "pdb_bench: %s\n", d.text);
		return 2;
	}
	int r = ask(f, argv[1], argv[3]);
	pdb_close(f);
	sys_map_close(&file);
	return r;
}
