/* ELF images behind the symbol room: names and addresses from symbol tables, module facts, separate
 * debug files by link, build-id and debuginfod, images that are only in memory. */
#include "sym/file.h"

#include "sym_world.h"
#include "elf_world.h"

#include <sys/auxv.h>

#define BASE 0x555500000000ull

static said x;
static sym_store *s;

static int setup(void **state)
{
	world_begin();
	unsetenv("DEBUGINFOD_URLS");
	setenv("HOME", at_world("home"), 1);
	return 0;
}

static int teardown(void **state)
{
	world_end();
	return 0;
}

static sym_mod *open_file(const char *path)
{
	s = file_store(&x);
	return sym_mod_add(s, SPACE, BASE, 0, 0, 0, (str){0}, str_of(path));
}

static void load(sym_mod *m)
{
	diag d;
	diag_clear(&d);
	if (sym_mod_load(m, &d) != ERR_OK)
		fail_msg("%s", d.text);
}

static void close_store(void)
{
	sym_store_destroy(s);
	buf_deinit(&x.notes);
}

/* ---- names of modules ---- */

static void module_names(void **state)
{
	static const char *const table[][2] = {
		{"/lib/x86_64-linux-gnu/libc.so.6", "libc"},
		{"/lib64/ld-linux-x86-64.so.2", "ld_linux_x86_64"},
		{"/usr/bin/python3.11", "python3_11"},
		{"/usr/bin/git", "git"},
		{"/usr/lib/libstdc++.so.6.0.30", "libstdc__"},
		{"/opt/a.so/b.sound", "b_sound"},
		{"[vdso]", "vdso"},
		{"linux-vdso.so.1", "linux_vdso"},
		{"/home/u/.wine/drive_c/notepad.exe", "notepad"},
		{"\\SystemRoot\\system32\\hal.dll", "hal"},
	};
	s = file_store(&x);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		sym_mod *m = sym_mod_add(
			s, SPACE, BASE + i * 0x100000, 0x1000, 0, 0, (str){0}, str_of(table[i][0]));
		if (!str_eq(m->name, str_of(table[i][1])))
			fail_msg("%s: %.*s", table[i][0], STR_ARG(m->name));
		assert_ptr_equal(sym_mod_find(s, m->name), m);
		assert_ptr_equal(sym_mod_find(s, m->image), m);
	}
	close_store();
}

/* ---- the symbol table against nm ---- */

typedef struct nm_line {
	uint64_t addr;
	char kind, name[512];
} nm_line;

static size_t run_nm(const char *options, const char *path, nm_line *l, size_t max)
{
	FILE *f = popen(arena_printf(&world, "nm %s %s 2>/dev/null", options, path), "r");
	char line[1024];
	size_t n = 0;
	while (f && n < max && fgets(line, sizeof line, f)) {
		unsigned long addr;
		if (sscanf(line, "%lx %c %511[^\n]", &addr, &l[n].kind, l[n].name) == 3) {
			l[n].addr = addr;
			n++;
		}
	}
	if (f)
		pclose(f);
	return n;
}

static bool found_one(void *u, const sym *v)
{
	size_t *n = u;
	++*n;
	return true;
}

static void against_nm(const char *name, uint64_t base)
{
	if (!program_there(name))
		return;
	print_message("  %s\n", name);
	nm_line *l = arena_array(&world, 4096, sizeof *l);
	size_t n = run_nm("-C", program(name), l, 4096), tried = 0;
	sym_mod *m = open_file(program(name));
	load(m);
	for (size_t i = 0; i < n; i++) {
		sym v, *all;
		uint64_t disp, addr = BASE + l[i].addr - base;
		size_t count;
		bool hit = false;
		if (strchr("aAUwvN", l[i].kind) || (l[i].kind | 32) == 'b' ||
			l[i].addr < base + 0x400)
			continue; /* no address, or an offset in the thread's block */
		if (addr >= m->base + m->size)
			continue;
		if (sym_at(s, addr, &v, &disp) != ERR_OK)
			fail_msg("%s: nothing at %llx, %s", name, (unsigned long long)addr,
				l[i].name);
		if (disp)
			fail_msg("%s: %.*s+%llx where %s is", name, STR_ARG(v.name),
				(unsigned long long)disp, l[i].name);
		/* one of the names there is nm's, less the parameters */
		assert_int_equal(sym_names_at(s, &world, addr, &all, &count), ERR_OK);
		char *paren = strchr(l[i].name, '(');
		for (size_t k = 0; k < count; k++) {
			/* functions around it have parameters in nm's words */
			str tail = str_skip(all[k].name, str_rchr(all[k].name, ':') + 1);
			hit |= str_eq(all[k].name, str_of(l[i].name)) ||
			       (paren && str_find(str_of(l[i].name), tail) != SIZE_MAX) ||
			       str_find(all[k].name, STR("{lambda")) != SIZE_MAX ||
			       str_find(all[k].name, STR("operator")) != SIZE_MAX;
		}
		if (!hit)
			fail_msg("%s: %.*s is %s", name, STR_ARG(all[0].name), l[i].name);
		tried++;
	}
	assert_true(tried > 15);
	/* every name leads to its address */
	n = run_nm("", program(name), l, 4096);
	for (size_t i = 0; i < n; i++) {
		sym v;
		if (!strchr("TtDdRr", l[i].kind) || l[i].addr < base + 0x400)
			continue;
		err e = sym_find(s, str_of(l[i].name), &v, NULL);
		if (e != ERR_AMBIGUOUS && (e != ERR_OK || v.addr != BASE + l[i].addr - base))
			fail_msg("%s: %s is at %llx", name, l[i].name,
				e == ERR_OK ? (unsigned long long)v.addr : 0);
	}
	size_t k = 0;
	diag d;
	assert_int_equal(sym_match_each(s, STR("*!*"), 0, found_one, &k, &d), ERR_OK);
	assert_true(k >= tried / 2);
	close_store();
}

static void tables(void **state)
{
	against_nm("c5", 0);
	against_nm("c-none", 0);
	against_nm("c-exec", 0x400000);
	against_nm("cxx5", 0);
	against_nm("cxx4-clang", 0);
	against_nm("c-static-pie", 0);
}

/* The C library with another build-id: no debug file that is installed here fits. */
static char *c_library(void)
{
	static const char path[] = "/lib/x86_64-linux-gnu/libc.so.6";
	elf_view v;
	if (!sys_is_file(path))
		skip();
	str f = file_text(path);
	uint8_t *p = (uint8_t *)(uintptr_t)f.p;
	assert_int_equal(elf_open(&v, &world, f.p, f.n, NULL), ERR_OK);
	uint8_t *id = v.build_id_n ? memmem(p, f.n, v.build_id, v.build_id_n) : NULL;
	if (id)
		id[0] ^= 0xff;
	char *copy = at_world("lib/libc.so.6");
	put_file(copy, f.p, f.n);
	return copy;
}

static void exports(void **state)
{
	sym_mod *m = open_file(c_library());
	if (!sym_mod_is_elf(m)) {
		close_store();
		skip();
	}
	load(m);
	sym v;
	diag d;
	diag_clear(&d);
	if (m->status != SYM_EXPORT) { /* it has more symbols than it exports */
		close_store();
		skip();
	}
	assert_string_equal(sym_status_text(m), "export symbols");
	assert_int_equal(sym_find(s, STR("libc!malloc"), &v, &d), ERR_OK);
	assert_true(v.kind == SYM_K_EXPORT && v.code && v.addr > BASE);
	assert_int_equal(sym_find(s, STR("libc!environ"), &v, &d), ERR_OK);
	assert_false(v.code);
	assert_int_equal(sym_find(s, STR("libc!MALLOC"), &v, &d), ERR_OK); /* case folded */
	assert_int_equal(sym_find(s, STR("libc!nosuchname"), &v, &d), ERR_NOTFOUND);
	sym_list l;
	assert_int_equal(
		sym_match(s, STR("libc!mem*py"), SYM_M_FUNC | SYM_M_SORT_NAME, &l, &d), ERR_OK);
	bool cpy = false;
	for (size_t i = 0; i < l.n; i++)
		cpy |= str_eq(l.p[i].name, STR("memcpy"));
	assert_true(cpy);
	sym_list_deinit(&l);
	/* the versions of a name are no part of it */
	assert_int_equal(sym_match(s, STR("libc!*@*"), 0, &l, &d), ERR_OK);
	assert_int_equal(l.n, 0);
	sym_list_deinit(&l);
	close_store();
}

/* The functions of the program that was stripped, as nm lists those of its debug file. */
static FILE *functions_by_nm(void)
{
	return popen(arena_printf(&world, "nm -S %s 2>/dev/null", program("stripped.debug")), "r");
}

static bool next_function(FILE *f, unsigned long *addr, unsigned long *size, char name[256])
{
	char line[512], kind;
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "%lx %lx %c %255s", addr, size, &kind, name) == 4 &&
			(kind | 32) == 't' && *size >= 8 && name[0] != '_')
			return true;
	return false;
}

/* Without symbols the unwind data know where functions begin and end. */
static void functions_without_names(void **state)
{
	size_t tried = 0;
	load(open_file(program("stripped-bare")));
	FILE *f = functions_by_nm();
	unsigned long addr, size;
	char name[256];
	while (next_function(f, &addr, &size, name)) {
		sym_func fn;
		assert_int_equal(sym_func_at(s, BASE + addr + 3, &fn), ERR_OK);
		assert_int_equal(fn.begin, BASE + addr);
		assert_int_equal(fn.end, BASE + addr + size);
		tried++;
	}
	if (f)
		pclose(f);
	assert_true(tried >= 8);
	close_store();
}

/* Code behind the end of the nearest symbol, in another function: it is not that symbol's. */
static void functions_without_a_name_of_theirs(void **state)
{
	size_t named = 0, tried = 0;
	load(open_file(program("one-name")));
	FILE *f = functions_by_nm();
	unsigned long addr, size;
	char name[256];
	while (next_function(f, &addr, &size, name)) {
		uint64_t disp;
		sym near;
		err e = sym_at(s, BASE + addr + 3, &near, &disp);
		if (!strcmp(name, "leaf")) {
			assert_int_equal(e, ERR_OK);
			assert_true(str_eq(near.name, STR("leaf")) && disp == 3);
			named++;
			continue;
		}
		assert_int_equal(e, ERR_NOTFOUND);
		if (sym_before(s, BASE + addr + 3, &near, &disp) == ERR_OK && near.code &&
			str_eq(near.name, STR("leaf")))
			tried++;
	}
	if (f)
		pclose(f);
	assert_int_equal(named, 1);
	assert_true(tried >= 4);
	close_store();
}

/* ---- facts ---- */

static void facts(void **state)
{
	sym_mod *m = open_file(program("c-exec"));
	buf b;
	buf_init(&b, 0);
	diag d;
	uint64_t entry;
	const sym_section *sec;
	size_t n;
	bool text = false;
	assert_true(sym_mod_is_elf(m));
	assert_true(m->size >= 0x4000);
	assert_true(sym_mod_at(s, BASE + 0x2000) == m);
	assert_int_equal(sym_entry_point(m, &entry, &d), ERR_OK);
	assert_int_equal(sym_sections(m, &sec, &n, &d), ERR_OK);
	for (size_t i = 0; i < n; i++)
		if (!strcmp(sec[i].name, ".text")) {
			text = true;
			assert_true(sec[i].flags & 0x20000000);
			assert_true(entry - BASE >= sec[i].rva &&
				    entry - BASE < sec[i].rva + sec[i].vsize);
		}
	assert_true(text);
	uint8_t code[4];
	assert_int_equal(sym_image_read(s, entry, code, 4), ERR_OK);
	assert_memory_equal(code, "\x31\xed", 2); /* _start: xor ebp,ebp (or endbr64 before it) */
	assert_int_equal(sym_mod_build_id(m, &b, &d), ERR_OK);
	assert_int_equal(b.n, 40);
	buf_clear(&b);
	load(m);
	sym_lmi(m, &b);
	assert_non_null(strstr(buf_z(&b), "Build ID: "));
	assert_non_null(strstr(buf_z(&b), "DWARF"));
	/* what is asked of PE images says what this is */
	struct pe_view *pe;
	diag_clear(&d);
	assert_int_equal(sym_mod_pe(m, &pe, &d), ERR_UNSUPPORTED);
	assert_non_null(strstr(d.text, "ELF"));
	buf_deinit(&b);
	close_store();
}

/* ---- separate debug files ---- */

static void expect(const char *path, const char *sympath, const char *status)
{
	sym_mod *m = open_file(path);
	sym_path_set(s, str_of(sympath));
	load(m);
	if (strcmp(sym_status_text(m), status) != 0)
		fail_msg("%s with path '%s': %s", path, sympath, sym_status_text(m));
	close_store();
}

static void debug_files(void **state)
{
	expect(program("stripped"), "", "private dwarf symbols");
	expect(program("stripped-bare"), "", "export symbols");
	expect(program("wrong/stripped"), "", "export symbols"); /* another program's file */
	/* a tree of build-ids, an element of the symbol path */
	expect(program("stripped-bare"), program_path("debug"), "private dwarf symbols");
	expect(program("wrong/stripped"), program_path("debug"), "private dwarf symbols");
	/* a folder with the file of the link's name */
	char *away = at_world("away/stripped");
	str f = file_text(program("stripped"));
	put_file(away, f.p, f.n);
	expect(away, "", "export symbols");
	expect(away, program_path(""), "private dwarf symbols");
	/* a path that is set later makes worth trying again */
	sym_mod *m = open_file(program("stripped-bare"));
	load(m);
	assert_int_equal(m->status, SYM_EXPORT);
	sym_path_set(s, str_of(program_path("debug")));
	load(m);
	assert_int_equal(m->status, SYM_PRIVATE);
	sym v;
	assert_int_equal(sym_find(s, STR("stripped_bare!leaf"), &v, NULL), ERR_OK);
	close_store();
}

/* Names in .gnu_debugdata. */
static void mini_debug_data(void **state)
{
	char *path = program("mini");
	sym v;
	uint64_t disp;
	sym_mod *m = open_file(path);
	load(m);
	assert_int_equal(m->status, SYM_PUBLIC);
	assert_int_equal(sym_find(s, STR("mini!second"), &v, NULL), ERR_OK);
	assert_true(v.code && v.is_static && v.size > 8);
	assert_int_equal(sym_at(s, v.addr + 5, &v, &disp), ERR_OK);
	assert_true(str_eq(v.name, STR("second")) && disp == 5);
	/* the dynamic table is still there */
	assert_int_equal(sym_find(s, STR("mini!__bss_start"), &v, NULL), ERR_NOTFOUND);
	assert_int_equal(sym_find(s, STR("mini!printf"), &v, NULL), ERR_NOTFOUND);
	close_store();
	/* damaged, at every byte of its header and at some others: said, and the rest goes on */
	str f = file_text(path);
	elf_view e;
	assert_int_equal(elf_open(&e, &world, f.p, f.n, NULL), ERR_OK);
	const elf_sec *sec = elf_sec_find(&e, STR(".gnu_debugdata"));
	assert_non_null(sec);
	for (size_t i = 0; i < sec->size; i += i < 32 ? 1 : 97) {
		char *bad = arena_dup(&world, f.p, f.n);
		bad[sec->off + i] ^= 0x55;
		put_file(at_world("mini-bad"), bad, f.n);
		m = open_file(at_world("mini-bad"));
		assert_true(sym_mod_load(m, NULL) == ERR_OK);
		assert_true(m->status == SYM_EXPORT || m->status == SYM_NONE);
		assert_non_null(strstr(buf_z(&x.notes), ".gnu_debugdata"));
		close_store();
	}
}

static void stop_it(void *u, str what, uint64_t done, uint64_t total)
{
	atomic_store(&x.stop.flag, true);
}

static void debuginfod(void **state)
{
	http h;
	sym_mod *m = open_file(program("stripped-bare"));
	buf id;
	buf_init(&id, 0);
	assert_int_equal(sym_mod_build_id(m, &id, NULL), ERR_OK);
	close_store();
	str f = file_text(program("stripped.debug"));
	put_file(at_world("srv/buildid/%s/debuginfo", buf_z(&id)), f.p, f.n);
	http_start(&h, at_world("srv"));
	setenv("DEBUGINFOD_URLS", at_world("nothing"), 1);
	setenv("DEBUGINFOD_URLS", arena_printf(&world, "http://127.0.0.1:%d", h.port), 1);
	m = open_file(program("stripped-bare"));
	sym_cache_dir_set(s, str_of(at_world("cache1")));
	load(m);
	assert_int_equal(m->status, SYM_PRIVATE);
	assert_int_equal(atomic_load(&h.requests), 1);
	assert_true(sys_is_file(at_world("cache1/buildid/%s/debuginfo", buf_z(&id))));
	assert_true(x.progress > 0);
	close_store();
	/* from the cache: nobody is asked */
	m = open_file(program("stripped-bare"));
	sym_cache_dir_set(s, str_of(at_world("cache1")));
	load(m);
	assert_int_equal(m->status, SYM_PRIVATE);
	assert_int_equal(atomic_load(&h.requests), 1);
	close_store();
	/* by the symbol path; not there: asked once */
	unsetenv("DEBUGINFOD_URLS");
	m = open_file(program("stripped-bare"));
	sym_path_set(s, str_of(arena_printf(&world, "srv*%s*http://127.0.0.1:%d/none",
				at_world("cache2"), h.port)));
	load(m);
	assert_int_equal(m->status, SYM_EXPORT);
	assert_int_equal(atomic_load(&h.requests), 2);
	sym_mod *again = sym_mod_add(s, SPACE, BASE + 0x10000000, 0, 0, 0, STR("twice"),
		str_of(program("stripped-bare")));
	load(again);
	assert_int_equal(atomic_load(&h.requests), 2);
	close_store();
	m = open_file(program("stripped-bare"));
	sym_path_set(s, str_of(arena_printf(
				&world, "srv*%s*http://127.0.0.1:%d", at_world("cache2"), h.port)));
	load(m);
	assert_int_equal(m->status, SYM_PRIVATE);
	assert_true(sys_is_file(at_world("cache2/buildid/%s/debuginfo", buf_z(&id))));
	close_store();
	/* cancelled: the module stays deferred */
	h.slow_word = "buildid";
	m = open_file(program("stripped-bare"));
	sym_cache_dir_set(s, str_of(at_world("cache3")));
	sym_path_set(s, str_of(arena_printf(&world, "srv*http://127.0.0.1:%d", h.port)));
	s->host.progress = stop_it; /* in the middle of the file */
	diag d;
	int before = atomic_load(&h.requests);
	assert_int_equal(sym_mod_load(m, &d), ERR_CANCELLED);
	assert_int_equal(m->status, SYM_DEFERRED);
	assert_int_equal(atomic_load(&h.requests), before + 1);
	assert_false(sys_is_file(at_world("cache3/buildid/%s/debuginfo", buf_z(&id))));
	atomic_store(&x.stop.flag, false);
	close_store();
	http_stop(&h);
	buf_deinit(&id);
}

/* ---- images that are only in memory ---- */

static void in_memory(void **state)
{
	running r;
	run_start(&r, program("c5"));
	uint64_t base = 0;
	sym_mod *vdso = NULL, *m;
	for (size_t i = 0; (m = sym_mod_nth(r.s, i)); i++) {
		if (str_eq(m->name, STR("vdso")))
			vdso = m;
		if (str_eq(m->name, STR("c5")))
			base = m->base;
	}
	diag d;
	diag_clear(&d);
	sym v;
	if (vdso) {
		assert_true(vdso->size >= 0x1000);
		assert_int_equal(sym_find(r.s, STR("vdso!__vdso_clock_gettime"), &v, &d), ERR_OK);
		assert_true(v.addr > vdso->base && v.addr < vdso->base + vdso->size);
	}
	/* the program once more, as if its file were gone */
	assert_true(base != 0);
	sym_space_clear(r.s, SPACE);
	m = sym_mod_add(r.s, SPACE, base, 0, 0, 0, (str){0}, STR("/gone/c5"));
	assert_true(sym_mod_is_elf(m));
	buf id;
	buf_init(&id, 0);
	assert_int_equal(sym_mod_build_id(m, &id, &d), ERR_OK);
	/* the build-id still leads to a debug file: c5 and its stripped copy have the same */
	sym_path_set(r.s, str_of(program_path("debug")));
	load(m);
	assert_int_equal(m->status, SYM_PRIVATE);
	assert_int_equal(sym_find(r.s, STR("c5!leaf"), &v, &d), ERR_OK);
	/* another file in its place is not believed */
	sym_space_clear(r.s, SPACE);
	m = sym_mod_add(r.s, SPACE, base, 0, 0, 0, (str){0}, str_of(program("cxx5")));
	assert_int_equal(sym_mod_build_id(m, &id, &d), ERR_OK);
	assert_memory_equal(id.p, id.p + 40, 40);
	buf_deinit(&id);
	run_end(&r);
}

/* ---- damage ---- */

static bool any(void *u, const sym *v)
{
	return true;
}

static void answered(err e)
{
	assert_true(e >= ERR_OK && e < ERR_COUNT);
}

/* Files with bytes that lie, all the way through libdw: an answer or an error, never a crash. */
static void damaged(void **state)
{
	static const char *const names[] = {"c5-o2", "cxx4-clang", "c4-o2"};
	uint32_t seed = 4711;
	diag d;
	for (int round = 0; round < 60; round++) {
		const char *name = names[round % 3];
		if (!program_there(name))
			continue;
		str f = file_text(program_path(name));
		uint8_t *p = (uint8_t *)(uintptr_t)f.p;
		for (int i = 0; i < 40; i++) {
			seed = seed * 1103515245 + 12345;
			size_t at = 4096 + (seed >> 4) % (f.n - 4096);
			p[at] ^= (uint8_t)(1 << (seed >> 28) % 8);
		}
		char *path = at_world("bad/%d", round);
		put_file(path, p, f.n);
		sym_mod *m = open_file(path);
		err e = sym_mod_load(m, &d);
		assert_true(e == ERR_OK || e == ERR_CORRUPT);
		answered(sym_match_each(s, STR("*!*a*"), 0, any, NULL, &d));
		sym_type *t;
		str *tn;
		size_t n = 0;
		if (sym_type_match(s, &world, STR("*!*"), &t, &tn, &n, &d) == ERR_OK)
			for (size_t i = 0; i < n; i++) {
				sym_field *fl;
				size_t k;
				sym_type_info in;
				buf b;
				buf_init(&b, 0);
				sym_type_text(t[i], &b);
				buf_deinit(&b);
				if (sym_type_info_get(t[i], &in) == ERR_OK)
					answered(sym_type_fields(t[i], &world, &fl, &k));
			}
		for (uint64_t pc = BASE + 0x1000; pc < BASE + 0x1800; pc += 7) {
			sym_local *l;
			sym_inline *il;
			sym_line line;
			sym_func fn;
			size_t k;
			answered(sym_locals(s, &world, pc, &l, &k, &d));
			answered(sym_inlines(s, &world, pc, &il, &k));
			answered(sym_line_at(s, pc, &line));
			answered(sym_func_at(s, pc, &fn));
			x64_regs regs = {.valid = X64_SET_GENERAL, .rip = pc};
			mem_reader none = {NULL, NULL};
			running dead = {.pid = 0x3fffffff};
			none = (mem_reader){&dead, run_mem};
			x64_frame_info info;
			answered(sym_cfi_unwind(s, &regs, false, &none, &info, &d));
		}
		close_store();
		unlink(path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(module_names),
		cmocka_unit_test(tables),
		cmocka_unit_test(exports),
		cmocka_unit_test(functions_without_names),
		cmocka_unit_test(functions_without_a_name_of_theirs),
		cmocka_unit_test(facts),
		cmocka_unit_test(debug_files),
		cmocka_unit_test(mini_debug_data),
		cmocka_unit_test(debuginfod),
		cmocka_unit_test(in_memory),
		cmocka_unit_test(damaged),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
