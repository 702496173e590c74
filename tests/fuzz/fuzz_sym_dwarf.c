/* A file with DWARF that nobody vouches for, through everything that hands it to libdw: symbols,
 * types, lines, locals, places of values, frames. */
#include "sym/priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SPACE = 5 };
#define BASE 0x7000000ull

static err no_read(void *u, sym_space space, uint64_t addr, void *p, size_t n, size_t *n_ret)
{
	return ERR_FAULT;
}

static err stack_read(void *u, uint64_t addr, void *p, size_t n, size_t *n_ret)
{
	memset(p, (int)(addr >> 3), n);
	*n_ret = n;
	return ERR_OK;
}

static bool each_sym(void *u, const sym *s)
{
	int *n = u;
	return ++*n < 200;
}

static bool each_source(void *u, str path)
{
	int *n = u;
	return ++*n < 50;
}

static void types(sym_store *s, arena *a)
{
	sym_type *t;
	str *names;
	size_t n;
	if (sym_type_match(s, a, STR("*!*"), &t, &names, &n, NULL) != ERR_OK)
		return;
	for (size_t i = 0; i < n && i < 100; i++) {
		sym_field *f;
		size_t k;
		sym_type_info in;
		buf b;
		buf_init(&b, 1 << 16);
		sym_type_text(t[i], &b);
		sym_type_params(t[i], &b);
		buf_deinit(&b);
		if (sym_type_info_get(t[i], &in) == ERR_OK &&
			sym_type_fields(t[i], a, &f, &k) == ERR_OK)
			for (size_t j = 0; j < k; j++)
				if (sym_type_info_get(f[j].type, &in) != ERR_OK)
					break;
	}
}

static void code(sym_store *s, arena *a, uint64_t pc)
{
	sym_local *l;
	sym_inline *il;
	sym_line line;
	sym_func fn;
	size_t n;
	x64_regs r = {.valid = X64_SET_GENERAL | X64_SET_BASES, .rip = pc};
	x64_frame_info info;
	mem_reader mem = {NULL, stack_read};
	r.gpr[X64_RSP] = 0x7fff0000;
	r.fs_base = 0x12345678;
	for (int whole = 0; whole < 2; whole++)
		if ((whole ? sym_locals_all(s, a, pc, &l, &n, NULL)
			   : sym_locals(s, a, pc, &l, &n, NULL)) == ERR_OK)
			for (size_t i = 0; i < n && i < 100; i++) {
				sym_place p;
				if (sym_local_place(s, &l[i], &r, &mem, &p, NULL) != ERR_OK)
					continue;
			}
	uint64_t *at;
	bool exact;
	if (sym_line_at(s, pc, &line) == ERR_OK &&
		sym_line_find(s, a, (str){0}, line.file, line.line, &at, &n, &exact, NULL) !=
			ERR_OK)
		n = 0;
	if (sym_inlines(s, a, pc, &il, &n) != ERR_OK || sym_func_at(s, pc, &fn) != ERR_OK)
		n = 0;
	for (int i = 0; i < 8 && r.rip; i++)
		if (sym_cfi_unwind(s, &r, i > 0, &mem, &info, NULL) != ERR_OK)
			break;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	char path[64];
	int fd = memfd_create("elf", 0), seen = 0;
	if (fd < 0 || write(fd, p, n) != (ssize_t)n)
		abort();
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	setenv("XDG_CACHE_HOME", "/nonexistent", 1);
	sym_host h = {.read = no_read};
	sym_store *s = sym_store_create(&h);
	arena a;
	arena_init(&a);
	sym_scope_set(s, SPACE);
	sym_mod *m = sym_mod_add(s, SPACE, BASE, 0, 0, 0, STR("f"), str_of(path));
	if (m && sym_mod_load(m, NULL) == ERR_OK && m->file) {
		sym v;
		if (sym_match_each(s, STR("f!*a*"), 0, each_sym, &seen, NULL) != ERR_OK ||
			sym_find(s, STR("f!main"), &v, NULL) != ERR_OK)
			seen = 0;
		types(s, &a);
		uint64_t entry;
		if (sym_entry_point(m, &entry, NULL) == ERR_OK)
			code(s, &a, entry);
		for (uint64_t off = 0x100; off < m->size && off < 0x2000; off += 61)
			code(s, &a, BASE + off);
		seen = 0;
		if (sym_source_each(m, each_source, &seen) != ERR_OK)
			seen = 0;
		buf b;
		buf_init(&b, 1 << 16);
		sym_lmi(m, &b);
		buf_deinit(&b);
	}
	arena_deinit(&a);
	sym_store_destroy(s);
	close(fd);
	return 0;
}
