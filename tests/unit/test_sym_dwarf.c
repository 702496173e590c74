/* DWARF behind the symbol room: types, lines, locals, inlined calls, places of values and frames,
 * in every way in which compilers store them. */
#include "sym/dwarf.h"
#include "sym/file.h"

#include "sym_world.h"
#include "elf_world.h"

#define BASE 0x555500000000ull

static said x;
static sym_store *s;

static sym_mod *open_program(const char *name)
{
	char *path = program(name);
	s = file_store(&x);
	sym_mod *m = sym_mod_add(s, SPACE, BASE, 0, 0, 0, STR("prog"), str_of(path));
	diag d;
	diag_clear(&d);
	if (sym_mod_load(m, &d) != ERR_OK)
		fail_msg("%s", d.text);
	assert_int_equal(m->status, SYM_PRIVATE);
	assert_string_equal(sym_status_text(m), "private dwarf symbols");
	return m;
}

static void close_program(void)
{
	sym_store_destroy(s);
	buf_deinit(&x.notes);
}

static int setup(void **state)
{
	world_begin();
	return 0;
}

static int teardown(void **state)
{
	world_end();
	return 0;
}

static sym find(const char *name)
{
	sym v;
	diag d;
	diag_clear(&d);
	if (sym_find(s, str_of(name), &v, &d) != ERR_OK)
		fail_msg("%s: %s", name, d.text);
	return v;
}

static sym_type type_of(const char *name)
{
	sym_type t;
	diag d;
	diag_clear(&d);
	if (sym_type_find(s, str_of(name), &t, &d) != ERR_OK)
		fail_msg("%s: %s", name, d.text);
	return t;
}

static char *text_of(sym_type t)
{
	buf b;
	buf_init(&b, 0);
	sym_type_text(t, &b);
	char *z = str_z(&world, buf_str(&b));
	buf_deinit(&b);
	return z;
}

static sym_field field(const char *type, const char *path)
{
	sym_field f;
	diag d;
	diag_clear(&d);
	if (sym_type_field(type_of(type), str_of(path), &f, &d) != ERR_OK)
		fail_msg("%s.%s: %s", type, path, d.text);
	return f;
}

/* ---- C types, whoever wrote them ---- */

static void c_types(const char *name)
{
	if (!program_there(name))
		return;
	print_message("  %s\n", name);
	open_program(name);
	sym_type_info in;
	assert_int_equal(sym_type_info_get(type_of("prog!mixed"), &in), ERR_OK);
	assert_int_equal(in.kind, SYM_T_STRUCT);
	assert_int_equal(in.size, 112);
	assert_true(str_eq(in.name, STR("mixed")));
	assert_int_equal(field("prog!mixed", "at.name").offset, 8);
	assert_int_equal(field("prog!mixed", "next").offset, 16);
	assert_string_equal(text_of(field("prog!mixed", "next").type), "struct point *");
	sym_field f = field("prog!mixed", "lo");
	assert_true(f.offset == 24 && f.bit_pos == 0 && f.bit_len == 3);
	f = field("prog!mixed", "mid");
	assert_true(f.offset == 24 && f.bit_pos == 3 && f.bit_len == 7);
	f = field("prog!mixed", "sign");
	assert_true(f.offset == 24 && f.bit_pos == 10 && f.bit_len == 5);
	assert_string_equal(text_of(f.type), "int");
	/* through members without names */
	assert_int_equal(field("prog!mixed", "whole").offset, 32);
	assert_int_equal(field("prog!mixed", "half[2]").offset, 36);
	/* arrays of arrays: by the first subscript first */
	f = field("prog!mixed", "grid");
	assert_int_equal(f.offset, 40);
	assert_int_equal(sym_type_info_get(f.type, &in), ERR_OK);
	assert_true(in.kind == SYM_T_ARRAY && in.count == 3 && in.size == 15);
	assert_int_equal(sym_type_info_get(in.elem, &in), ERR_OK);
	assert_true(in.kind == SYM_T_ARRAY && in.count == 5 && in.size == 5);
	f = field("prog!mixed", "call");
	assert_int_equal(sym_type_info_get(f.type, &in), ERR_OK);
	assert_int_equal(in.kind, SYM_T_PTR);
	assert_string_equal(text_of(f.type), "int (*)(struct point *, double)");
	/* declared here, defined in the other unit */
	f = field("prog!mixed", "opaque");
	assert_int_equal(sym_type_info_get(f.type, &in), ERR_OK);
	sym_type hidden = in.elem;
	assert_int_equal(sym_type_info_get(hidden, &in), ERR_OK);
	assert_true(in.kind == SYM_T_STRUCT && in.size == 8 && !in.forward);
	diag d;
	assert_int_equal(sym_type_field(hidden, STR("tail"), &f, &d), ERR_OK);
	assert_int_equal(f.offset, 4);
	/* enumerations */
	assert_int_equal(sym_type_info_get(type_of("prog!fruit"), &in), ERR_OK);
	assert_true(in.kind == SYM_T_ENUM && in.size == 4 && in.n_fields == 3);
	sym_field *all;
	size_t n;
	assert_int_equal(sym_type_fields(type_of("prog!fruit"), &world, &all, &n), ERR_OK);
	assert_int_equal(n, 3);
	assert_true(str_eq(all[0].name, STR("APPLE")) && all[0].value == -3);
	assert_true(str_eq(all[1].name, STR("PEAR")) && all[1].value == -2);
	assert_true(str_eq(all[2].name, STR("PLUM")) && all[2].value == 7);
	sym v = find("prog!PLUM");
	assert_true(v.kind == SYM_K_CONST && v.addr == 7);
	/* typedefs are looked through */
	assert_int_equal(sym_type_info_get(type_of("prog!mixed_t"), &in), ERR_OK);
	assert_int_equal(in.size, 112);
	assert_int_equal(sym_type_info_get(field("prog!mixed", "wide").type, &in), ERR_OK);
	assert_true(in.kind == SYM_T_FLOAT && in.size == 16);
	assert_int_equal(sym_type_info_get(field("prog!mixed", "yes").type, &in), ERR_OK);
	assert_true(in.kind == SYM_T_BOOL && in.size == 1);
	assert_string_equal(text_of(field("prog!mixed", "any").type), "void *");
	/* variables have types, too */
	v = find("prog!matrix");
	assert_int_equal(v.size, 96);
	assert_int_equal(sym_type_info_get(v.type, &in), ERR_OK);
	assert_true(in.kind == SYM_T_ARRAY && in.count == 2 && in.size == 96);
	assert_string_equal(text_of(v.type), "int [2][3][4]");
	assert_string_equal(text_of(find("prog!shared_table").type), "struct mixed *");
	/* the words of C as this system means them */
	assert_int_equal(sym_type_info_get(type_of("unsigned long"), &in), ERR_OK);
	assert_true(in.size == 8 && in.kind == SYM_T_UINT);
	assert_int_equal(sym_type_info_get(type_of("prog!long int"), &in), ERR_OK);
	assert_true(in.size == 8 && in.kind == SYM_T_INT);
	assert_int_equal(sym_type_info_get(type_of("wchar_t"), &in), ERR_OK);
	assert_int_equal(in.size, 4);
	assert_int_equal(sym_type_info_get(type_of("long double"), &in), ERR_OK);
	assert_int_equal(in.size, 16);
	assert_int_equal(sym_type_info_get(type_of("word"), &in), ERR_OK);
	assert_int_equal(in.size, 8);
	v = find("prog!leaf");
	assert_true(v.code && v.kind == SYM_K_FUNC);
	buf b;
	buf_init(&b, 0);
	sym_type_params(v.type, &b);
	assert_string_equal(buf_z(&b), "(int, char *)");
	buf_deinit(&b);
	/* two statics of one name: said to be ambiguous. Optimised, they are constants. */
	if (!strcmp(name, "c5") || !strcmp(name, "c4-clang") || !strcmp(name, "stripped"))
		assert_int_equal(sym_find(s, STR("prog!same_name"), &v, &d), ERR_AMBIGUOUS);
	sym_type *t;
	str *names;
	assert_int_equal(sym_type_match(s, &world, STR("prog!*ix*"), &t, &names, &n, &d), ERR_OK);
	assert_int_equal(n, 2);
	assert_int_equal(sym_type_find(s, STR("prog!no_such_type"), &t[0], &d), ERR_NOTFOUND);
	close_program();
}

static void types_in_c(void **state)
{
	static const char *const all[] = {"c5", "c4-o2", "c4-block", "c5-o2", "c5-clang",
		"c4-clang", "c-exec", "c-frame", "split4-gcc/prog", "split5-gcc/prog",
		"split4-clang/prog", "split5-clang/prog", "packed4-gcc/prog", "packed4-clang/prog",
		"packed5-clang/prog", "stripped", "dwz-a", "dwz-b", "dwz-c", "dwz-d"};
	size_t n = 0;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		n += program_there(all[i]);
		c_types(all[i]);
	}
	if (!n)
		skip();
}

/* ---- Fortran ---- */

static void types_in_fortran(void **state)
{
	static const struct {
		const char *name, *type;
		uint64_t size;
	} all[] = {{"ps", "struct shapes::point [3]", 48}, {"text", "char [10]", 10},
		{"m", "integer(kind=4) [3][2]", 24}, {"from", "integer(kind=4) [7]", 28},
		{"deep", "integer(kind=4) [4][3][2]", 96}};
	size_t n, found = 0;
	sym_local *l;
	sym f;
	diag d;
	if (!program_there("columns"))
		skip();
	open_program("columns");
	diag_clear(&d);
	assert_int_equal(sym_find(s, STR("prog!MAIN__"), &f, &d), ERR_OK);
	assert_int_equal(sym_locals_all(s, &world, f.addr, &l, &n, &d), ERR_OK);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < ARRAY_LEN(all); k++) {
			sym_type_info in;
			buf b;
			if (!str_eq(l[i].name, str_of(all[k].name)))
				continue;
			buf_init(&b, 4096);
			sym_type_text(l[i].type, &b);
			assert_string_equal(buf_z(&b), all[k].type);
			buf_deinit(&b);
			assert_int_equal(sym_type_info_get(l[i].type, &in), ERR_OK);
			assert_int_equal(in.size, all[k].size);
			found++;
		}
	assert_int_equal(found, ARRAY_LEN(all));
	f = find("prog!__shapes_MOD_total");
	assert_string_equal(text_of(f.type), "integer(kind=4) [4]");
	close_program();
}

/* ---- C++ ---- */

static void cxx_types(const char *name)
{
	if (!program_there(name))
		return;
	print_message("  %s\n", name);
	open_program(name);
	sym_type_info in;
	sym_field *f;
	size_t n, bases = 0, methods = 0;
	diag d;
	diag_clear(&d);
	assert_int_equal(sym_type_info_get(type_of("prog!geo::Shape"), &in), ERR_OK);
	assert_true(in.kind == SYM_T_CLASS && in.size == 32);
	assert_true(str_eq(in.name, STR("geo::Shape")));
	assert_int_equal(sym_type_fields(type_of("prog!geo::Shape"), &world, &f, &n), ERR_OK);
	for (size_t i = 0; i < n; i++) {
		bases += f[i].is_base;
		methods += f[i].is_method;
		if (str_eq(f[i].name, STR("geo::Plain")))
			assert_true(f[i].is_base && f[i].offset == 16);
		if (str_eq(f[i].name, STR("made")))
			assert_true(
				f[i].is_static && f[i].addr == find("prog!geo::Shape::made").addr);
	}
	assert_int_equal(bases, 2);
	assert_true(methods >= 3);
	sym_field one = field("prog!geo::Shape", "bits");
	assert_true(one.bit_len == 3);
	/* members of bases are members */
	assert_int_equal(field("prog!geo::Shape", "tag").offset, 8);
	assert_int_equal(field("prog!geo::Shape", "first").offset, 16);
	assert_int_equal(sym_type_info_get(field("prog!geo::Shape", "kind").type, &in), ERR_OK);
	assert_true(in.kind == SYM_T_ENUM && in.size == 1);
	assert_true(str_eq(in.name, STR("geo::Shape::Kind")));
	assert_int_equal(
		sym_type_fields(field("prog!geo::Shape", "kind").type, &world, &f, &n), ERR_OK);
	assert_true(n == 2 && f[0].value == -1 && f[1].value == 2);
	assert_int_equal(sym_type_info_get(type_of("prog!geo::Box<char, 3>"), &in), ERR_OK);
	assert_int_equal(in.size, 3);
	/* gcc says short int */
	assert_int_equal(
		sym_type_info_get(type_of("prog!geo::Box<unsigned short, 2>"), &in), ERR_OK);
	assert_int_equal(in.size, 4);
	sym v = find("prog!geo::by_reference");
	buf b;
	buf_init(&b, 0);
	sym_type_params(v.type, &b);
	assert_string_equal(buf_z(&b), "(class geo::Shape &, class geo::Shape *, int &)");
	buf_deinit(&b);
	assert_true(find("prog!geo::by_reference").addr == find("geo__by_reference").addr);
	err e = sym_find(s, STR("prog!geo::overloaded"), &v, &d);
	assert_int_equal(e, ERR_AMBIGUOUS);
	v = find("prog!geo::versioned"); /* in an inline namespace */
	assert_int_equal(v.size, 4);
	/* a static of a function, in a namespace without a name */
	v = find("prog!geo::(anonymous namespace)::hidden::counter");
	assert_string_equal(text_of(v.type), "int");
	v = find("prog!global_shape");
	assert_string_equal(text_of(v.type), "class geo::Shape");
	sym_list l;
	assert_int_equal(sym_match(s, STR("prog!geo::*area*"), SYM_M_FUNC, &l, &d), ERR_OK);
	for (size_t i = 0; i < l.n; i++)
		assert_true(str_find(l.p[i].name, STR("area")) != SIZE_MAX);
	assert_true(l.n >= 1);
	sym_list_deinit(&l);
	/* of packed type units there is one for two units */
	if (sym_find(s, STR("prog!second_plain"), &v, &d) == ERR_OK) {
		assert_string_equal(text_of(v.type), "struct geo::Plain");
		assert_int_equal(sym_type_info_get(v.type, &in), ERR_OK);
		assert_true(!in.forward && in.size == 8);
	} else {
		assert_false(str_starts(str_of(name), STR("typed")));
	}
	close_program();
}

static void types_in_cxx(void **state)
{
	static const char *const all[] = {"cxx5", "cxx4-clang", "cxx-types", "cxx5-types", "cxx-gz",
		"cxx-zdebug", "cxx-zstd", "typed4-g++/prog", "typed4-clang++/prog",
		"typed5-g++/prog", "typed5-clang++/prog"};
	size_t n = 0;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		n += program_there(all[i]);
		cxx_types(all[i]);
	}
	if (!n)
		skip();
}

/* ---- lines ---- */

/* The line of calls.c that holds text. */
static uint32_t line_of(const char *text)
{
	char *path =
		arena_printf(&world, "%s/tests/debuggee/dwarf/calls.c", getenv("RS_SOURCE_ROOT"));
	str f = file_text(path);
	size_t at = str_find(f, str_of(text));
	assert_true(at != SIZE_MAX);
	uint32_t n = 1;
	for (size_t i = 0; i < at; i++)
		n += f.p[i] == '\n';
	return n;
}

static void lines_of(const char *name)
{
	if (!program_there(name))
		return;
	print_message("  %s\n", name);
	open_program(name);
	uint64_t *p;
	size_t n;
	bool exact;
	diag d;
	diag_clear(&d);
	sym_line l;
	sym_func f;
	uint32_t want = line_of("int r = second(n + 1);");
	assert_int_equal(
		sym_line_find(s, &world, (str){0}, STR("calls.c"), want, &p, &n, &exact, &d),
		ERR_OK);
	assert_int_equal(n, 1);
	assert_true(exact);
	sym first = find("prog!first");
	assert_int_equal(sym_func_at(s, p[0], &f), ERR_OK);
	assert_int_equal(f.begin, first.addr);
	assert_int_equal(f.end - f.begin, first.size);
	assert_true(f.prolog_end > f.begin && f.prolog_end < f.end);
	assert_int_equal(sym_line_at(s, p[0], &l), ERR_OK);
	assert_int_equal(l.line, want);
	assert_true(str_iends(l.file, STR("/tests/debuggee/dwarf/calls.c")));
	assert_true(l.file.p[0] == '/');
	assert_true(p[0] >= l.addr && p[0] < l.addr + l.size);
	/* with more of the path; with too much of it */
	assert_int_equal(sym_line_find(s, &world, STR("prog"), STR("dwarf/calls.c"), want, &p, &n,
				 &exact, &d),
		ERR_OK);
	assert_int_equal(sym_line_find(s, &world, STR("prog"), STR("wrong/calls.c"), want, &p, &n,
				 &exact, &d),
		ERR_NOTFOUND);
	/* a comment: the next line that has code */
	assert_int_equal(
		sym_line_find(s, &world, (str){0}, STR("calls.c"),
			line_of("__attribute__((noinline)) int first"), &p, &n, &exact, &d),
		ERR_OK);
	assert_int_equal(p[0], first.addr);
	assert_int_equal(
		sym_line_find(s, &world, (str){0}, STR("calls.c"), 100000, &p, &n, &exact, &d),
		ERR_NOTFOUND);
	close_program();
}

static void lines(void **state)
{
	static const char *const all[] = {"c5", "c4-o2", "c4-block", "c5-o2", "c5-clang",
		"c4-clang", "c-exec", "c-frame", "split4-gcc/prog", "split5-gcc/prog",
		"split4-clang/prog", "split5-clang/prog", "packed4-gcc/prog", "packed4-clang/prog",
		"packed5-clang/prog", "stripped", "dwz-a", "dwz-b", "dwz-c", "dwz-d"};
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		lines_of(all[i]);
}

static bool count_source(void *u, str path)
{
	size_t *n = u;
	*n += str_iends(path, STR("/calls.c")) || str_iends(path, STR("/other.c"));
	return true;
}

static void sources(void **state)
{
	sym_mod *m = open_program("c5");
	size_t n = 0;
	assert_int_equal(sym_source_each(m, count_source, &n), ERR_OK);
	assert_int_equal(n, 2);
	close_program();
}

/* ---- inlined calls ---- */

static void inlined_in(const char *name)
{
	if (!program_there(name))
		return;
	print_message("  %s\n", name);
	open_program(name);
	sym f = find("prog!inlining");
	sym_inline *l;
	size_t n = 0, deep = 0, at = 0;
	for (uint64_t pc = f.addr; pc < f.addr + f.size; pc++)
		if (sym_inlines(s, &world, pc, &l, &n) == ERR_OK && n == 2) {
			deep++;
			at = pc;
			assert_true(str_eq(l[0].name, STR("four_times")));
			assert_true(str_eq(l[1].name, STR("twice")));
			assert_true(l[1].begin <= pc && pc < l[1].end);
			assert_true(l[0].begin >= f.addr && l[0].end <= f.addr + f.size);
			assert_int_equal(l[0].call_line, line_of("int r = four_times(n);"));
			assert_true(l[1].call_line == line_of("int half = twice(v);") ||
				    l[1].call_line == line_of("return twice(half);"));
			assert_int_equal(l[0].line, l[1].call_line);
			assert_true(str_iends(l[1].call_file, STR("calls.c")));
		}
	assert_true(deep > 0);
	sym_local *v;
	diag d;
	assert_int_equal(sym_locals(s, &world, at, &v, &n, &d), ERR_OK);
	bool outer = false, inner = false, between = false;
	for (size_t i = 0; i < n; i++) {
		outer |= str_eq(v[i].name, STR("n")) && v[i].param && !v[i].inlined;
		between |= str_eq(v[i].name, STR("half")) && v[i].inlined == 1;
		inner |= str_eq(v[i].name, STR("doubled")) && v[i].inlined == 2 && v[i].depth > 0;
	}
	assert_true(outer && between && inner);
	/* all of the function, whatever the block: none of other functions */
	assert_int_equal(sym_locals_all(s, &world, f.addr, &v, &n, &d), ERR_OK);
	outer = inner = false;
	for (size_t i = 0; i < n; i++) {
		assert_false(v[i].inlined);
		outer |= str_eq(v[i].name, STR("r"));
		inner |= str_eq(v[i].name, STR("inner"));
	}
	assert_true(outer && inner);
	close_program();
}

static void inlined(void **state)
{
	static const char *const all[] = {"c5", "c4-o2", "c4-block", "c5-o2", "c5-clang",
		"c4-clang", "c-exec", "split4-gcc/prog", "split5-gcc/prog", "split4-clang/prog",
		"split5-clang/prog", "packed4-gcc/prog", "packed4-clang/prog",
		"packed5-clang/prog"};
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		inlined_in(all[i]);
}

/* ---- PE images with DWARF inside ---- */

static void pe_image_of(const char *name)
{
	if (!program_there(name))
		return;
	print_message("  %s\n", name);
	s = file_store(&x);
	sym_mod *m = sym_mod_add(s, SPACE, BASE, 0, 0, 0, STR("prog"), str_of(program(name)));
	diag d;
	diag_clear(&d);
	if (sym_mod_load(m, &d) != ERR_OK)
		fail_msg("%s", d.text);
	assert_string_equal(sym_status_text(m), "private dwarf symbols");
	assert_true(m->size > 0x8000 && m->timestamp);
	sym v = find("prog!plain_leaf");
	assert_true(v.code && v.addr > BASE && v.addr < BASE + m->size);
	buf b;
	buf_init(&b, 0);
	sym_type_params(v.type, &b);
	assert_string_equal(buf_z(&b), "(struct pair *, int)");
	buf_deinit(&b);
	assert_string_equal(text_of(find("prog!pairs").type), "struct pair [3]");
	assert_int_equal(field("prog!pair", "next").offset, 8);
	/* long has 32 bits there */
	sym_type_info in;
	assert_int_equal(sym_type_info_get(type_of("prog!long"), &in), ERR_OK);
	assert_int_equal(in.size, 4);
	sym_func f;
	sym_line l;
	sym_local *loc;
	size_t n;
	assert_int_equal(sym_func_at(s, v.addr + 3, &f), ERR_OK);
	assert_true(f.begin == v.addr && f.end > f.begin);
	assert_int_equal(sym_line_at(s, v.addr, &l), ERR_OK);
	assert_true(str_iends(l.file, STR("plain.c")) && l.line >= 11 && l.line <= 15);
	assert_int_equal(sym_locals(s, &world, v.addr, &loc, &n, &d), ERR_OK);
	assert_int_equal(n, 3);
	assert_true(str_eq(loc[0].name, STR("p")) && loc[0].loc == SYM_LOC_REG);
	assert_string_equal(loc[0].reg, "rcx");
	close_program();
}

static void pe_images(void **state)
{
	if (!program_there("pe-clang.exe") && !program_there("pe.exe"))
		skip();
	pe_image_of("pe.exe");
	pe_image_of("pe5.exe");
	pe_image_of("pe-clang.exe");
}

/* Memory of a target that has loaded the headers of a PE image at BASE, no more. */
static err headers_only(void *u, uint64_t space, uint64_t addr, void *to, size_t n, size_t *n_ret)
{
	if (space || addr < BASE || addr - BASE >= 0x1000)
		return ERR_FAULT;
	uint64_t left = 0x1000 - (addr - BASE);
	*n_ret = n < left ? n : left;
	memcpy(to, (uint8_t *)u + (addr - BASE), *n_ret);
	return ERR_OK;
}

typedef struct loaded {
	uint8_t header[0x1000];
	const char *path; /* the module's */
	str dir;	  /* symbol path */
	unsigned how;
	buf notes;
} loaded;

static void gather(void *u, bool noisy, str line)
{
	loaded *l = u;
	if (!noisy)
		buf_add(&l->notes, line.p, line.n);
}

static void header_of(loaded *l, const char *name)
{
	sys_map f;
	assert_int_equal(sys_map_open(program(name), &f, NULL), ERR_OK);
	memcpy(l->header, f.p, sizeof l->header);
	sys_map_close(&f);
}

/* The status of symbols when a target has this header in memory. */
static void pe_in_memory(loaded *l, const char *status)
{
	sym_host host = {.u = l->header, .read = headers_only, .note = gather};
	assert_ptr_equal(l, l->header); /* one pointer for both functions */
	buf_init(&l->notes, 0);
	s = sym_store_create(&host);
	sym_path_set(s, l->dir);
	sym_mod *m = sym_mod_add(s, 0, BASE, 0, 0, 0, STR("prog"), str_of(l->path));
	assert_int_equal(sym_mod_reload(m, SYM_LOAD_NOW | l->how, NULL), ERR_OK);
	assert_string_equal(sym_status_text(m), status);
	if (m->status == SYM_PRIVATE) {
		sym v = find("prog!plain_leaf");
		uint8_t code[4];
		assert_true(v.code && v.addr - BASE < 0x2000);
		/* code and unwind data stand in for pages that the target has not in memory */
		if (!m->mismatch)
			assert_int_equal(sym_image_read(s, v.addr, code, sizeof code), ERR_OK);
		/* but the size is the image's */
		char *size = arena_printf(
			&world, "Size: %x\n", le32(l->header + le32(l->header + 0x3c) + 24 + 56));
		buf b;
		buf_init(&b, 0);
		sym_lmi(m, &b);
		assert_non_null(strstr(buf_z(&b), size));
		buf_deinit(&b);
		assert_int_equal(field("prog!pair", "next").offset, 8);
	}
	sym_store_destroy(s);
}

/* A module of which only base and path are known, as from a load event or with -z: what its header
 * in memory says identifies the file. */
static void pe_images_by_their_headers(void **state)
{
	loaded l = {.dir = STR("/nowhere")};
	if (!program_there("pe-clang.exe"))
		skip();
	l.path = program("pe-clang.exe");
	header_of(&l, "pe-clang.exe");
	pe_in_memory(&l, "private dwarf symbols");
	buf_deinit(&l.notes);
	l.header[le32(l.header + 0x3c) + 8]++; /* another build: TimeDateStamp */
	pe_in_memory(&l, "no symbols");
	buf_deinit(&l.notes);
}

/* What strip leaves of the header: no debug sections, and a smaller image. */
static void strip_header(loaded *l)
{
	uint8_t *pe = l->header + le32(l->header + 0x3c), *opt = pe + 24;
	uint8_t *sec = opt + le16(pe + 20);
	unsigned n = 0;
	while (n < le16(pe + 6) && sec[n * 40] != '/')
		n++;
	assert_true(n && n < le16(pe + 6));
	put32(opt + 56, le32(sec + n * 40 + 12)); /* SizeOfImage */
	pe[6] = (uint8_t)n;
}

/* A stripped image in the target, the file it was made from on the symbol path. */
static void pe_images_that_were_stripped(void **state)
{
	loaded l = {.path = "\\SystemRoot\\pe-clang.exe", .dir = str_of(program_path(""))};
	if (!program_there("pe-clang.exe"))
		skip();
	header_of(&l, "pe-clang.exe");
	strip_header(&l);
	uint8_t *pe = l.header + le32(l.header + 0x3c);
	pe_in_memory(&l, "private dwarf symbols");
	buf_deinit(&l.notes);
	put32(pe + 24 + 24, 0x12340000); /* a loader writes the base that it chose */
	pe_in_memory(&l, "private dwarf symbols");
	buf_deinit(&l.notes);
	/* strip without -p has the time of its own run */
	pe[8]++;
	pe_in_memory(&l, "no symbols");
	assert_non_null(strstr(buf_z(&l.notes), "pe-clang.exe has the sections of pe-clang.exe"));
	buf_deinit(&l.notes);
	l.how = SYM_LOAD_MISMATCH;
	pe_in_memory(&l, "private dwarf symbols");
	buf_deinit(&l.notes);
	/* other code is another program, whatever is asked */
	pe[24 + le16(pe + 20) + 8]++; /* VirtualSize of the first section */
	pe_in_memory(&l, "no symbols");
	buf_deinit(&l.notes);
}

/* ---- a program that runs ---- */

static int64_t value_of(running *r, const sym_local *l, const x64_regs *regs)
{
	sym_place p;
	diag d;
	diag_clear(&d);
	uint8_t b[8] = {0};
	sym_type_info in;
	if (sym_local_place(r->s, l, regs, &r->mem, &p, &d) != ERR_OK)
		fail_msg("%.*s: %s", STR_ARG(l->name), d.text);
	assert_int_equal(sym_type_info_get(l->type, &in), ERR_OK);
	size_t n = in.size < 8 ? in.size : 8;
	if (p.kind == SYM_PLACE_MEM)
		assert_int_equal(mem_read_all(&r->mem, p.addr, b, n), ERR_OK);
	else if (p.kind == SYM_PLACE_BYTES)
		memcpy(b, p.bytes, n);
	else
		put64(b, x64_reg_get(regs, x64_reg_find(str_of(p.reg))));
	uint64_t v = le_get(b, n);
	return n == 4 ? (int32_t)v : (int64_t)v;
}

/* A local of this name at pc; false: it has no place there. */
static bool local_at(running *r, uint64_t pc, const char *name, sym_local *ret)
{
	sym_local *l;
	size_t n;
	diag d;
	if (sym_locals(r->s, &world, pc, &l, &n, &d) != ERR_OK)
		return false;
	for (size_t i = 0; i < n; i++)
		if (str_eq(l[i].name, str_of(name)) && l[i].loc != SYM_LOC_NONE) {
			*ret = l[i];
			return true;
		}
	return false;
}

typedef struct frame {
	x64_regs regs;
	uint64_t pc; /* for lookups */
	char name[64];
	bool signal;
} frame;

static size_t stack_of(running *r, frame f[64])
{
	x64_regs regs = r->regs;
	bool call_site = false;
	size_t n = 0;
	for (; n < 64 && regs.rip; n++) {
		x64_frame_info info;
		diag d;
		diag_clear(&d);
		buf b;
		buf_init(&b, 0);
		f[n] = (frame){.regs = regs, .pc = regs.rip - (call_site ? 1 : 0)};
		sym_format(r->s, f[n].pc, &b);
		snprintf(f[n].name, sizeof f[n].name, "%.*s",
			(int)str_take(buf_str(&b), str_chr(buf_str(&b), '+')).n, buf_z(&b));
		buf_deinit(&b);
		if (sym_cfi_unwind(r->s, &regs, call_site, &r->mem, &info, &d) != ERR_OK)
			fail_msg("frame %zu, %s: %s", n, f[n].name, d.text);
		f[n].signal = info.machine_frame;
		call_site = !info.machine_frame;
	}
	return n;
}

/* known: so many of the values that are looked for have a place for certain */
static void frames_of(const char *name, size_t known)
{
	if (!program_there(name))
		return;
	print_message("  %s\n", name);
	running r;
	frame f[64];
	run_start(&r, program(name));
	size_t n = stack_of(&r, f);
	/* stop_here, its caller handler (or inlined there), the signal's frame, raise and what it
	 * calls, third, second, first, main, the C library's start */
	static const char *const want[] = {"!third", "!second", "!first", "!main", "!_start"};
	size_t at = 0, signals = 0;
	for (size_t i = 0; i < n; i++) {
		signals += f[i].signal;
		if (at < ARRAY_LEN(want) && str_iends(str_of(f[i].name), str_of(want[at])))
			at++;
	}
	for (size_t i = 0; i < n && at < ARRAY_LEN(want); i++)
		print_message("    %zu %s\n", i, f[i].name);
	assert_int_equal(at, ARRAY_LEN(want));
	assert_int_equal(signals, 1);
	assert_true(n >= 9 && n < 20);
	/* values far up the stack: registers of callers came back */
	size_t values = 0;
	for (size_t i = 0; i < n; i++) {
		sym_local l;
		if (str_iends(str_of(f[i].name), STR("!second")) &&
			local_at(&r, f[i].pc, "here", &l)) {
			sym_place p;
			uint8_t b[8];
			assert_int_equal(
				sym_local_place(r.s, &l, &f[i].regs, &r.mem, &p, NULL), ERR_OK);
			values++;
			if (p.kind == SYM_PLACE_MEM) {
				assert_int_equal(mem_read_all(&r.mem, p.addr, b, 8), ERR_OK);
				assert_int_equal(le32(b), 8);
				assert_int_equal(le32(b + 4), 9);
			}
		}
		if (str_iends(str_of(f[i].name), STR("!first")) && local_at(&r, f[i].pc, "n", &l)) {
			assert_int_equal(value_of(&r, &l, &f[i].regs), 7);
			values++;
		}
		if (str_iends(str_of(f[i].name), STR("!main")) &&
			local_at(&r, f[i].pc, "argc", &l)) {
			assert_int_equal(value_of(&r, &l, &f[i].regs), 2);
			values++;
		}
		if (str_iends(str_of(f[i].name), STR("!third")) &&
			local_at(&r, f[i].pc, "kept", &l)) {
			assert_int_equal(value_of(&r, &l, &f[i].regs), 10);
			values++;
		}
	}
	assert_true(values >= known);
	/* a thread's own variable, of the program itself */
	sym v;
	diag d;
	assert_int_equal(sym_find(r.s, STR("a_word"), &v, &d), ERR_OK);
	uint8_t b[8];
	assert_int_equal(mem_read_all(&r.mem, v.addr, b, 8), ERR_OK);
	assert_true(le64(b) == 0x1122334455667788);
	run_end(&r);
}

static void frames(void **state)
{
	static const char *const all[] = {"c5", "c4-o2", "c5-o2", "c5-clang", "c-exec",
		"c-static-pie", "c-frame", "c-none", "split4-gcc/prog", "split5-gcc/prog",
		"split4-clang/prog", "split5-clang/prog"};
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		frames_of(all[i], 0);
	/* without optimisation all are there */
	static const char *const plain[] = {"c5", "c4-clang", "c4-block", "stripped"};
	for (size_t i = 0; i < ARRAY_LEN(plain); i++)
		frames_of(plain[i], 4);
}

/* ---- every row of .eh_frame ---- */

static uint64_t word_at(uint64_t addr)
{
	return addr * 0x9e3779b97f4a7c15ull >> 8;
}

static err made_stack(void *u, uint64_t addr, void *p, size_t n, size_t *n_ret)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)p)[i] = (uint8_t)(word_at((addr + i) & ~7ull) >> 8 * ((addr + i) & 7));
	*n_ret = n;
	return ERR_OK;
}

static x64_regs made_regs(uint64_t pc)
{
	x64_regs r = {.valid = X64_SET_GENERAL, .rip = pc};
	for (unsigned i = 0; i < X64_NGPR; i++)
		r.gpr[i] = 0x700000000000ull + i * 0x10000ull;
	return r;
}

static unsigned reg_of(const char *name)
{
	static const char *const names[X64_NGPR] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi",
		"rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"};
	for (unsigned i = 0; i < X64_NGPR; i++)
		if (!strcmp(names[i], name))
			return i;
	fail_msg("no register %s", name);
	return 0;
}

/* A row as readelf has it: "rsp+16" for the frame address, "c-8" for what is saved below it, "u" or
 * "s" for what is not. False: a rule that has no such form. */
static bool by_readelf(char *cells, char *columns, x64_regs *r, uint64_t *slot)
{
	char *a, *b, *reg = strtok_r(cells, " \n", &a), *sign = strpbrk(reg, "+-");
	x64_regs was = *r;
	if (!sign)
		return false;
	uint64_t cfa = (uint64_t)strtoll(sign, NULL, 10);
	*sign = 0;
	cfa += was.gpr[reg_of(reg)];
	r->gpr[X64_RSP] = cfa;
	r->rip = *slot = 0;
	for (char *name = strtok_r(columns, " \n", &b); name; name = strtok_r(NULL, " \n", &b)) {
		char *rule = strtok_r(NULL, " \n", &a);
		if (!rule || (rule[0] != 'c' && strcmp(rule, "u") && strcmp(rule, "s")))
			return false;
		if (rule[0] != 'c')
			continue;
		uint64_t at = cfa + (uint64_t)strtoll(rule + 1, NULL, 10);
		if (!strcmp(name, "ra")) {
			r->rip = word_at(at);
			*slot = at;
		} else {
			r->gpr[reg_of(name)] = word_at(at);
		}
	}
	return true;
}

/* Asked for the first time, again, and after others that may have taken its place. */
static void rows_of(const char *path, size_t least)
{
	char cmd[1024], line[512], columns[512] = "", copy[512];
	mem_reader mem = {NULL, made_stack};
	uint64_t last[16] = {0};
	size_t rows = 0;
	s = file_store(&x);
	assert_non_null(sym_mod_add(s, SPACE, BASE, 0x10000000, 0, 0, STR("it"), str_of(path)));
	snprintf(cmd, sizeof cmd, "readelf --debug-dump=frames-interp '%s' 2>/dev/null", path);
	FILE *f = popen(cmd, "r");
	assert_non_null(f);
	while (fgets(line, sizeof line, f)) {
		char *end;
		uint64_t vaddr = strtoull(line, &end, 16), slot;
		if (strstr(line, " LOC ")) {
			snprintf(columns, sizeof columns, "%s", strstr(line, "CFA") + 3);
			continue;
		}
		/* a row, and not that of a CIE */
		if (end != line + 16 || !vaddr || strstr(line, "CIE") || strstr(line, "FDE"))
			continue;
		x64_regs want = made_regs(BASE + vaddr);
		strcpy(copy, columns);
		if (!by_readelf(end, copy, &want, &slot))
			continue;
		for (int turn = 0; turn < 3; turn++) {
			x64_regs r = made_regs(BASE + vaddr), other = made_regs(0);
			x64_frame_info info = {0}, none;
			if (turn == 2)
				for (size_t i = 0; i < ARRAY_LEN(last); i++) {
					other = made_regs(BASE + last[i]);
					(void)!sym_cfi_unwind(s, &other, false, &mem, &none, NULL);
				}
			err e = sym_cfi_unwind(s, &r, false, &mem, &info, NULL);
			if (e != ERR_OK || r.rip != want.rip ||
				memcmp(r.gpr, want.gpr, sizeof r.gpr) || info.ret_slot != slot ||
				info.machine_frame)
				fail_msg("%s %llx, turn %d: %s, rip %llx for %llx", path,
					(unsigned long long)vaddr, turn, err_name(e),
					(unsigned long long)r.rip, (unsigned long long)want.rip);
		}
		last[rows++ % ARRAY_LEN(last)] = vaddr;
	}
	pclose(f);
	print_message("  %s: %zu rows\n", path, rows);
	assert_true(rows >= least);
	close_program();
}

static void every_row(void **state)
{
	char us[512] = ""; /* a larger one */
	assert_true(readlink("/proc/self/exe", us, sizeof us - 1) > 0);
	rows_of(program("c5-o2"), 10);
	rows_of(us, 500);
}

/* A deep stack costs little once the tables are open. */
static void frames_are_fast(void **state)
{
	running r;
	frame f[64];
	run_start(&r, program("c5-o2"));
	size_t n = stack_of(&r, f);
	uint64_t best = UINT64_MAX;
	for (int i = 0; i < 20; i++) {
		x64_regs regs = r.regs;
		x64_frame_info info;
		bool call_site = false;
		uint64_t t = sys_now_us();
		for (size_t k = 0; k < n && regs.rip; k++) {
			assert_int_equal(
				sym_cfi_unwind(r.s, &regs, call_site, &r.mem, &info, NULL), ERR_OK);
			call_site = !info.machine_frame;
		}
		t = sys_now_us() - t;
		if (t < best)
			best = t;
	}
	print_message("  %zu frames in %llu us\n", n, (unsigned long long)best);
	assert_true(best < 20000);
	run_end(&r);
}

/* ---- expressions ---- */

static void expressions(void **state)
{
	/* what every function of the optimised programs says about its variables must evaluate or
	 * be refused in words */
	static const char *const all[] = {"c4-o2", "c5-o2", "c5-clang"};
	for (size_t k = 0; k < ARRAY_LEN(all); k++) {
		if (!program_there(all[k]))
			continue;
		open_program(all[k]);
		static const char *const funcs[] = {
			"main", "inlining", "leaf", "first", "second", "third", "other_use"};
		x64_regs regs = {.valid = X64_SET_GENERAL};
		said none = {0};
		mem_reader mem = {&none, NULL};
		size_t tried = 0;
		for (size_t i = 0; i < ARRAY_LEN(funcs); i++) {
			sym f;
			if (sym_find(s, str_of(funcs[i]), &f, NULL) != ERR_OK)
				continue;
			for (uint64_t pc = f.addr; pc < f.addr + f.size; pc++) {
				sym_local *l;
				size_t n;
				if (sym_locals(s, &world, pc, &l, &n, NULL) != ERR_OK)
					continue;
				for (size_t j = 0; j < n; j++) {
					sym_place p;
					diag d;
					diag_clear(&d);
					uint8_t b;
					size_t got;
					mem.read = run_mem;
					running dead = {.pid = 0x3fffffff};
					mem.u = &dead;
					err e = sym_local_place(s, &l[j], &regs, &mem, &p, &d);
					if (e != ERR_OK)
						assert_true(d.text[0] != 0);
					(void)b;
					(void)got;
					tried++;
				}
			}
		}
		assert_true(tried > 100);
		close_program();
	}
}

/* ---- listings while the index is being made ---- */

static dwf *pending;

static void wait_over(void *u, str what, uint64_t done, uint64_t total)
{
	x.progress++;
	atomic_store(&pending->done, true);
}

/* As if the program was large and its index still far from done. */
static void unfinish(sym_mod *m)
{
	dwx *ix;
	pending = sym_elf_dwarf(m->file);
	assert_int_equal(dwf_index(pending, &ix), ERR_OK);
	pending->main.secs.info.n = DWF_SMALL + 1;
	atomic_store(&pending->done, false);
	x.progress = 0;
}

static size_t listed(const char *pattern, unsigned flags)
{
	sym_list l;
	diag d;
	diag_clear(&d);
	if (sym_match(s, str_of(pattern), flags, &l, &d) != ERR_OK)
		fail_msg("%s: %s", pattern, d.text);
	size_t n = l.n;
	sym_list_deinit(&l);
	return n;
}

/* "one-symbol" has one name in its symbol table, and DWARF. */
static void listing_amid_index(void **state)
{
	program("one-symbol");
	sym_mod *m = open_program("one-symbol");
	s->host.progress = wait_over;
	unfinish(m);
	/* the table has something: at once, and said */
	assert_int_equal(listed("prog!*e*", SYM_M_SOON), 1);
	assert_true(m->partial);
	assert_int_equal(x.progress, 0);
	/* it has nothing: waited for */
	assert_int_equal(listed("prog!fir*", SYM_M_SOON), 1);
	assert_true(!m->partial);
	assert_true(x.progress > 0);
	/* the note is of the last listing only */
	assert_true(listed("prog!*e*", SYM_M_SOON) > 1);
	assert_true(!m->partial);
	/* who acts on what is listed waits */
	unfinish(m);
	assert_true(listed("prog!*e*", SYM_M_FUNC) > 1);
	assert_true(x.progress > 0);
	/* cancelled meanwhile */
	unfinish(m);
	sym_list l;
	atomic_store(&x.stop.flag, true);
	assert_int_equal(sym_match(s, STR("prog!*e*"), 0, &l, NULL), ERR_CANCELLED);
	assert_int_equal(x.progress, 0); /* nobody waited for the rest */
	atomic_store(&x.stop.flag, false);
	atomic_store(&pending->done, true);
	close_program();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listing_amid_index),
		cmocka_unit_test(types_in_c),
		cmocka_unit_test(types_in_fortran),
		cmocka_unit_test(types_in_cxx),
		cmocka_unit_test(lines),
		cmocka_unit_test(sources),
		cmocka_unit_test(inlined),
		cmocka_unit_test(pe_images),
		cmocka_unit_test(pe_images_by_their_headers),
		cmocka_unit_test(pe_images_that_were_stripped),
		cmocka_unit_test(frames),
		cmocka_unit_test(every_row),
		cmocka_unit_test(frames_are_fast),
		cmocka_unit_test(expressions),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
