/*
 * PDBs compiled on the spot with clang and lld, compared with what the source says; the same file
 * with parts taken away or bent: stripped, no hash tables, contributions out of order, OMAP.
 */
#include "fmt/codeview.h"
#include "fmt/msf.h"
#include "fmt/pdb.h"
#include "fmt/pe.h"
#include "fmt/undname.h"

#include "test_fmt_util.h"

/* Line numbers matter: the tests name them. */
static const char source[] =
	"namespace ns {\n" /* 1 */
	"struct Base { virtual ~Base(); virtual int vf(int); int b; static int sm; };\n"
	"struct D : virtual Base {\n"
	"	unsigned x : 3; unsigned y : 5; int arr[4][2];\n"
	"	union { int u1; float u2; }; struct { short s1; char s2; };\n" /* 5 */
	"	enum E { A = -1, B = 2 } e; D *next; const volatile char *cv;\n"
	"	int (*fp)(int, ...); D &ref; long long big;\n"
	"	D(D &r) : ref(r) {} void over(int); void over(char); D &operator=(const D &);\n"
	"};\n"
	"}\n" /* 10 */
	"int ns::Base::sm = 3;\n"
	"ns::Base::~Base() {}\n"
	"int ns::Base::vf(int q) { return q + sm; }\n"
	"volatile int sink;\n"
	"__attribute__((noinline)) int opaque(int v) { sink = v; return sink; }\n" /* 15 */
	"static __attribute__((always_inline)) inline int twice(int k) {\n"
	"	int t = opaque(k);\n"
	"	return t + opaque(t);\n"
	"}\n"
	"extern \"C\" __attribute__((noinline)) int caller(int z, char *p) {\n" /* 20 */
	"	int w = twice(z);\n"
	"	return w + *p + twice(w);\n"
	"}\n"
	"extern \"C\" __attribute__((noinline, optnone)) int plain(int a, char *b) {\n"
	"	static int hits = 4;\n" /* 25 */
	"	int r = a + *b + hits++;\n"
	"	{ int inner = r * 2; r += inner; }\n"
	"	return r;\n"
	"}\n"
	"void ns::D::over(int i) { x = i; }\n" /* 30 */
	"void ns::D::over(char c) { y = c; }\n"
	"static int file_static = 7;\n"
	"extern const int konst = 77;\n"
	"typedef unsigned long ULONG_T;\n"
	"ULONG_T typed = 5; ns::D *object; __int128 wide;\n" /* 35 */
	"struct Big { char pad[100000]; int last; }; Big big_one;\n"
	"struct Many {\n"
#define F10(n)                                                                                     \
	"int f" n "0, f" n "1, f" n "2, f" n "3, f" n "4, f" n "5, f" n "6, f" n "7, f" n "8, f" n \
	"9;"
#define F100(n)                                                                                    \
	F10(n "0")                                                                                 \
	F10(n "1")                                                                                 \
	F10(n "2") F10(n "3") F10(n "4") F10(n "5") F10(n "6") F10(n "7") F10(n "8") F10(n "9")
#define F1000(n)                                                                                   \
	F100(n "0")                                                                                \
	F100(n "1")                                                                                \
	F100(n "2")                                                                                \
	F100(n "3") F100(n "4") F100(n "5") F100(n "6") F100(n "7") F100(n "8") F100(n "9")
	F1000("0") F1000("1") F1000("2") F1000("3")
		F1000("4") "\n} many; /* more than one field list can hold */\n"
			   "extern \"C\" int mainCRTStartup() {\n"
			   "	char c = 1; return caller(1, &c) + plain(2, &c) + file_static++ + "
			   "konst + typed + big_one.last + many.f0001;\n" /* 40 */
			   "}\n"
			   "extern \"C\" int _fltused = 0;\n"
			   "void operator delete(void *, unsigned long long) {}\n"
			   "void operator delete(void *) {}\n";

typedef struct world {
	char dir[600], pdb_path[700], exe_path[700];
	sys_map map;
	pdb *f;
} world;

static world g; /* one compilation for all tests */
static bool usable;

static int setup(void **state)
{
	char cmd[4096];
	diag d;
	if (!have_tool("clang") || !have_tool("lld-link"))
		return 0;
	snprintf(g.dir, sizeof g.dir, "%s", work_dir());
	snprintf(g.pdb_path, sizeof g.pdb_path, "%s/t.pdb", g.dir);
	snprintf(g.exe_path, sizeof g.exe_path, "%s/t.exe", g.dir);
	snprintf(cmd, sizeof cmd, "%s/t.cpp", g.dir);
	assert_int_equal(sys_write_file(cmd, STR(source), &d), ERR_OK);
	snprintf(cmd, sizeof cmd,
		"cd '%s' && clang --target=x86_64-pc-windows-msvc -g -gcodeview -O1 "
		"-fstandalone-debug -ffunction-sections -fno-rtti -w -c t.cpp -o t.obj "
		"&& lld-link /debug /pdb:t.pdb /out:t.exe /entry:mainCRTStartup /subsystem:console "
		"/nodefaultlib /opt:noref,noicf /force:unresolved t.obj >/dev/null 2>&1",
		g.dir);
	if (system(cmd)) {
		print_message("cannot compile: %s\n", cmd);
		return -1;
	}
	assert_int_equal(sys_map_open(g.pdb_path, &g.map, &d), ERR_OK);
	assert_int_equal(pdb_open(g.map.p, g.map.n, &g.f, &d), ERR_OK);
	usable = true;
	return 0;
}

static int teardown(void **state)
{
	if (!usable)
		return 0;
	pdb_close(g.f);
	sys_map_close(&g.map);
	work_dir_remove();
	return 0;
}

#define NEED()                                                                                     \
	if (!usable) {                                                                             \
		print_message("skipped: clang or lld-link is not installed\n");                    \
		skip();                                                                            \
	}

/* ---- symbols ---- */

typedef struct got {
	pdb_sym s;
	size_t n;
} got;

static bool keep(void *u, const pdb_sym *s)
{
	got *x = u;
	if (!x->n++)
		x->s = *s;
	return true;
}

static got global(pdb *f, const char *name, unsigned kinds)
{
	got x = {.n = 0};
	err e = pdb_global_find(f, str_of(name), false, kinds, keep, &x);
	if (e != ERR_OK)
		fail_msg("%s: %s", name, err_name(e));
	return x;
}

static void check_names(pdb *f)
{
	got x = global(f, "caller", PDB_ALL);
	assert_int_equal(x.n, 1);
	assert_int_equal(x.s.kind, PDB_FUNC);
	assert_true(x.s.code && x.s.global && x.s.size > 10 && x.s.rva >= 0x1000);
	got pub = {.n = 0};
	assert_int_equal(pdb_public_find(f, STR("caller"), false, keep, &pub), ERR_OK);
	assert_int_equal(pub.s.rva, x.s.rva);
	assert_true(pub.s.code);
	assert_int_equal(
		pdb_public_find(f, STR("?over@D@ns@@QEAAXH@Z"), false, keep, &pub), ERR_OK);
	assert_int_equal(pdb_public_find(f, STR("CALLER"), false, keep, &pub), ERR_NOTFOUND);
	assert_int_equal(pdb_public_find(f, STR("CaLLeR"), true, keep, &pub), ERR_OK);
	assert_int_equal(pdb_public_find(f, STR(""), true, keep, &pub), ERR_NOTFOUND);
	assert_int_equal(global(f, "ns::D::over", PDB_ALL).n, 2);
	assert_int_equal(global(f, "sink", PDB_ALL).s.kind, PDB_DATA);
	assert_int_equal(global(f, "sink", PDB_ALL).s.size, 4);
	x = global(f, "file_static", PDB_ALL);
	assert_false(x.s.global);
	assert_false(x.s.code);
	assert_int_equal(global(f, "ns::Base::sm", PDB_ALL).s.size, 4);
	assert_int_equal(global(f, "ULONG_T", PDB_MASK(PDB_UDT)).s.type, 0x22);
	assert_int_equal(global(f, "wide", PDB_ALL).s.size, 16);
	assert_int_equal(pdb_global_find(f, STR("caller"), false, PDB_MASK(PDB_DATA), keep, &x),
		ERR_NOTFOUND);
	assert_int_equal(
		pdb_global_find(f, STR("no such name"), false, PDB_ALL, keep, &x), ERR_NOTFOUND);
}

static void test_names(void **state)
{
	NEED();
	const pdb_id *id = pdb_id_get(g.f);
	assert_true(id->has_private && id->has_types && id->has_lines && !id->stripped &&
		    !id->fastlink);
	assert_int_equal(id->machine, 0x8664);
	check_names(g.f);
}

static void check_addresses(pdb *f)
{
	pdb_sym s, after;
	uint32_t disp, mod, begin, end;
	got x = global(f, "plain", PDB_ALL);
	assert_int_equal(pdb_sym_at(f, x.s.rva + 3, &s, &disp), ERR_OK);
	assert_true(str_eq(s.name, STR("plain")));
	assert_int_equal(disp, 3);
	assert_int_equal(s.kind, PDB_FUNC);
	assert_int_equal(pdb_func_at(f, x.s.rva + x.s.size - 1, &s), ERR_OK);
	assert_int_equal(s.at, x.s.at);
	assert_int_equal(pdb_mod_at(f, x.s.rva, &mod, &begin, &end), ERR_OK);
	assert_int_equal(mod, x.s.mod);
	assert_true(begin <= x.s.rva && end >= x.s.rva + x.s.size);
	/* Walk all of the code from symbol to symbol. */
	uint32_t rva = pdb_section_nth(f, 0)->rva, n = 0;
	while (pdb_sym_after(f, rva, &after, &disp) == ERR_OK && after.rva < 0x100000) {
		assert_true(after.rva > rva);
		assert_int_equal(disp, after.rva - rva);
		assert_int_equal(pdb_sym_at(f, after.rva, &s, &disp), ERR_OK);
		assert_int_equal(s.rva, after.rva);
		assert_int_equal(disp, 0);
		rva = after.rva;
		n++;
	}
	assert_true(n > 15);
	/* Data: a global through its public, a static of the file, one of a function. */
	x = global(f, "ns::Base::sm", PDB_ALL);
	assert_int_equal(pdb_sym_at(f, x.s.rva + 1, &s, &disp), ERR_OK);
	assert_true(str_eq(s.name, STR("ns::Base::sm")));
	assert_int_equal(s.kind, PDB_DATA);
	assert_int_equal(s.type, 0x74);
	x = global(f, "file_static", PDB_ALL);
	assert_int_equal(pdb_sym_at(f, x.s.rva, &s, &disp), ERR_OK);
	assert_true(str_eq(s.name, STR("file_static")));
	assert_int_equal(pdb_sym_at(f, 0xfffffff0, &s, &disp), ERR_NOTFOUND);
	assert_int_equal(pdb_func_at(f, 0, &s), ERR_NOTFOUND);
}

static void test_addresses(void **state)
{
	NEED();
	check_addresses(g.f);
}

static bool stop_at_once(void *u, const pdb_sym *s)
{
	(void)s;
	return ++*(int *)u < 3;
}

static void test_scan(void **state)
{
	NEED();
	int n = 0;
	assert_int_equal(pdb_each_name(g.f, PDB_ALL, stop_at_once, &n), ERR_OK);
	assert_int_equal(n, 3);
	cancel c = {false};
	pdb_cancel_set(g.f, &c);
	atomic_store(&c.flag, true);
	assert_int_equal(pdb_each_name(g.f, PDB_ALL, stop_at_once, &n), ERR_CANCELLED);
	pdb_cancel_set(g.f, NULL);
	got x = {.n = 0};
	assert_int_equal(pdb_each_name(g.f, PDB_MASK(PDB_FUNC), keep, &x), ERR_OK);
	assert_true(x.n > 8);
	assert_int_equal(x.s.rva, PDB_NO_RVA); /* not looked up yet */
	assert_int_equal(pdb_sym_fill(g.f, &x.s), ERR_OK);
	assert_true(x.s.rva != PDB_NO_RVA && x.s.size);
}

/* pdb_each_like may give too much, but nothing that matches may be missing. */
typedef struct like {
	str pattern;
	size_t given, hits;
} like;

static bool like_cb(void *u, const pdb_sym *s)
{
	like *x = u;
	buf b;
	buf_init(&b, 0);
	str name = undname(s->name, UND_NAME, &b) ? buf_str(&b) : s->name;
	x->given++;
	x->hits += str_wild(x->pattern, name, true);
	buf_deinit(&b);
	return true;
}

static void test_like(void **state)
{
	NEED();
	static const struct {
		const char *pattern;
		bool some, fewer;
	} t[] = {{"*", true, false}, {"caller", true, true}, {"CALL*", true, true},
		{"_caller", true, true}, {"ns::D::ov*", true, true}, {"*o?er", true, true},
		{"*over@*", false, true}, {"*destructor*", false, true},
		{"ns*op#erator*=", false, true}, {"cal+er", true, true}, {"cal#ler", true, true},
		{"calx#ler", true, true}, {"*operator*delete*", true, true},
		{"nothing_here", false, true}, {"\\caller", true, true}, {"[c]aller", true, true}};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		like all = {.pattern = str_of(t[i].pattern)}, some = all;
		assert_int_equal(pdb_each_name(g.f, PDB_ALL, like_cb, &all), ERR_OK);
		assert_int_equal(pdb_each_like(g.f, PDB_ALL, some.pattern, like_cb, &some), ERR_OK);
		if (some.hits != all.hits || (all.hits > 0) != t[i].some ||
			(some.given < all.given) != t[i].fewer)
			fail_msg("%s: %zu of %zu, given %zu of %zu", t[i].pattern, some.hits,
				all.hits, some.given, all.given);
	}
}

/* ---- types ---- */

typedef struct fields {
	pdb_field f[64];
	size_t n;
} fields;

static bool keep_field(void *u, const pdb_field *x)
{
	fields *l = u;
	if (l->n < ARRAY_LEN(l->f))
		l->f[l->n] = *x;
	l->n++;
	return true;
}

static const pdb_field *field(const fields *l, const char *name, size_t nth)
{
	for (size_t i = 0; i < l->n && i < ARRAY_LEN(l->f); i++)
		if (str_eq(l->f[i].name, str_of(name)) && !nth--)
			return &l->f[i];
	fail_msg("no field %s", name);
	return NULL;
}

static void check_type(pdb *f, uint32_t ti, const char *want)
{
	buf b;
	buf_init(&b, 0);
	pdb_type_name(f, ti, &b);
	assert_string_equal(buf_z(&b), want);
	buf_deinit(&b);
}

static void check_member(pdb *f, const fields *l, const char *name, uint64_t off, const char *type)
{
	const pdb_field *x = field(l, name, 0);
	assert_int_equal(x->kind, PDB_F_MEMBER);
	assert_int_equal(x->offset, off);
	check_type(f, x->type, type);
}

static void check_types(pdb *f)
{
	uint32_t ti, ptr;
	pdb_type t;
	fields l = {.n = 0};
	assert_int_equal(pdb_type_find(f, STR("ns::D"), false, &ti), ERR_OK);
	assert_int_equal(pdb_type_find(f, STR("NS::d"), true, &ptr), ERR_OK);
	assert_int_equal(ti, ptr);
	assert_int_equal(pdb_type_find(f, STR("NS::d"), false, &ptr), ERR_NOTFOUND);
	assert_int_equal(pdb_type_get(f, ti, &t), ERR_OK);
	assert_int_equal(t.kind, PDB_T_STRUCT);
	assert_true(str_eq(t.unique, STR(".?AUD@ns@@")));
	assert_int_equal(t.size, 0x70);
	assert_int_equal(pdb_type_fields(f, ti, keep_field, &l), ERR_OK);
	check_member(f, &l, "x", 8, "unsigned int");
	assert_int_equal(field(&l, "x", 0)->bit_len, 3);
	assert_int_equal(field(&l, "y", 0)->bit_pos, 3);
	assert_int_equal(field(&l, "y", 0)->bit_len, 5);
	check_member(f, &l, "arr", 12, "int [4][2]");
	check_member(f, &l, "u1", 44, "int");
	check_member(f, &l, "u2", 44, "float");
	check_member(f, &l, "s1", 48, "short");
	check_member(f, &l, "s2", 50, "char");
	check_member(f, &l, "e", 52, "ns::D::E");
	check_member(f, &l, "next", 56, "ns::D *");
	check_member(f, &l, "cv", 64, "const volatile char *");
	check_member(f, &l, "fp", 72, "int (*)(int, ...)");
	check_member(f, &l, "ref", 80, "ns::D &");
	check_member(f, &l, "big", 88, "__int64");
	check_type(f, field(&l, "over", 0)->type, "void (int)");
	check_type(f, field(&l, "over", 1)->type, "void (char)");
	const pdb_field *base = field(&l, "ns::Base", 0);
	assert_int_equal(base->kind, PDB_F_VBASE);
	uint32_t def = ti;
	assert_int_equal(pdb_type_get(f, field(&l, "next", 0)->type, &t), ERR_OK);
	assert_int_equal(pdb_type_strip(f, t.elem), def); /* through the declaration */
	assert_int_equal(pdb_type_pointer_to(f, t.elem, &ptr), ERR_OK);
	assert_int_equal(pdb_type_size(f, ptr), 8);
	/* Enumerators are signed as their type. */
	l.n = 0;
	assert_int_equal(pdb_type_find(f, STR("ns::D::E"), false, &ti), ERR_OK);
	assert_int_equal(pdb_type_fields(f, ti, keep_field, &l), ERR_OK);
	assert_int_equal(l.n, 2);
	assert_int_equal((int64_t)field(&l, "A", 0)->value, -1);
	assert_int_equal(field(&l, "B", 0)->value, 2);
	/* A typedef, a large offset, and 5000 fields over several lists. */
	assert_int_equal(pdb_type_find(f, STR("ULONG_T"), false, &ti), ERR_OK);
	check_type(f, ti, "unsigned long");
	l.n = 0;
	assert_int_equal(pdb_type_find(f, STR("Big"), false, &ti), ERR_OK);
	assert_int_equal(pdb_type_size(f, ti), 100004);
	assert_int_equal(pdb_type_fields(f, ti, keep_field, &l), ERR_OK);
	assert_int_equal(field(&l, "last", 0)->offset, 100000);
	l.n = 0;
	assert_int_equal(pdb_type_find(f, STR("Many"), false, &ti), ERR_OK);
	assert_int_equal(pdb_type_fields(f, ti, keep_field, &l), ERR_OK);
	assert_int_equal(l.n, 5000);
	assert_int_equal(field(&l, "f0063", 0)->offset, 4 * 63);
	assert_int_equal(pdb_type_find(f, STR("NoSuchType"), false, &ti), ERR_NOTFOUND);
	assert_int_equal(pdb_type_get(f, 0xfffffff, &t), ERR_NOTFOUND);
	assert_int_equal(pdb_type_size(f, 0x674), 8);
	check_type(f, 0x623, "unsigned __int64 *");
}

static void test_types(void **state)
{
	NEED();
	check_types(g.f);
}

typedef struct tags {
	size_t n, many, typedefs;
} tags;

static bool count_tags(void *u, const pdb_type *t)
{
	tags *x = u;
	x->n++;
	x->many += str_eq(t->name, STR("Many"));
	x->typedefs += t->kind == PDB_T_ALIAS;
	assert_false(t->forward);
	return true;
}

static void test_type_scan(void **state)
{
	NEED();
	tags x = {0};
	assert_int_equal(pdb_type_each(g.f, false, count_tags, &x), ERR_OK);
	assert_int_equal(x.many, 1);
	assert_int_equal(x.typedefs, 0);
	size_t n = x.n;
	assert_int_equal(pdb_type_each(g.f, true, count_tags, &x), ERR_OK);
	assert_true(x.n > 2 * n && x.typedefs > 0);
}

/* The hash answers the first questions by itself and later ones through chains: the same. */
static void test_type_hash(void **state)
{
	static const char *const names[] = {
		"ns::D", "Big", "Many", "ns::D::E", "ns::Base", "Nobody"};
	uint32_t first[ARRAY_LEN(names)] = {0}, fold[ARRAY_LEN(names)] = {0}, ti;
	NEED();
	pdb *f;
	diag d;
	assert_int_equal(pdb_open(g.map.p, g.map.n, &f, &d), ERR_OK);
	for (int round = 0; round < 12; round++)
		for (size_t i = 0; i < ARRAY_LEN(names); i++) {
			str n = str_of(names[i]);
			ti = 0;
			(void)!pdb_type_find(f, n, false, &ti);
			assert_int_equal(ti != 0, i + 1 < ARRAY_LEN(names));
			if (!round)
				first[i] = ti;
			assert_int_equal(ti, first[i]);
			ti = 0;
			(void)!pdb_type_find(f, n, true, &ti);
			if (!round)
				fold[i] = ti;
			assert_int_equal(ti, fold[i]);
		}
	pdb_close(f);
	/* the same for pointers, filed under the CRC of their record */
	size_t n = 0;
	assert_int_equal(pdb_open(g.map.p, g.map.n, &f, &d), ERR_OK);
	for (uint32_t i = 0x1000; i < 0x1000 + pdb_ntypes(f); i++) {
		pdb_type t;
		if (pdb_type_get(f, i, &t) != ERR_OK || t.kind != PDB_T_PTR || t.quals)
			continue;
		assert_int_equal(pdb_type_pointer_to(f, t.elem, &ti), ERR_OK);
		assert_int_equal(ti, t.elem < 0x1000 ? (t.elem | 0x600) : i);
		n++;
	}
	assert_true(n > 4);
	pdb_close(f);
}

static bool again_cb(void *u, const pdb_sym *s)
{
	pdb_sym full = *s, t;
	if (pdb_sym_fill(g.f, &full) != ERR_OK)
		return true;
	assert_int_equal(pdb_sym_again(g.f, full.mod, full.at, &t), ERR_OK);
	assert_true(str_eq(t.name, full.name) && t.rva == full.rva && t.at == full.at);
	assert_int_equal(pdb_sym_again(g.f, s->mod, s->at, &t), ERR_OK);
	assert_ptr_equal(t.name.p, s->name.p);
	assert_true(str_eq(t.name, s->name) && t.kind == full.kind && t.rva == full.rva &&
		    t.size == full.size && t.type == full.type && t.value == full.value &&
		    t.code == full.code && t.global == full.global);
	++*(size_t *)u;
	return true;
}

static void count_pass(void *u)
{
	++*(size_t *)u;
}

static void test_again(void **state)
{
	size_t n = 0, passes = 0;
	pdb_sym t;
	NEED();
	pdb_pass_set(g.f, count_pass, &passes);
	assert_int_equal(pdb_each_name(g.f, PDB_ALL, again_cb, &n), ERR_OK);
	pdb_pass_set(g.f, NULL, NULL);
	assert_true(n > 20 && passes > 0);
	assert_int_equal(pdb_sym_again(g.f, PDB_NO_MOD, 0xfffffff0, &t), ERR_CORRUPT);
	assert_int_equal(pdb_sym_again(g.f, 0x7ffffffe, 4, &t), ERR_CORRUPT);
}

/* ---- lines ---- */

static void test_lines(void **state)
{
	NEED();
	pdb_line l, *list;
	size_t n;
	bool exact;
	arena a;
	arena_init(&a);
	got x = global(g.f, "plain", PDB_ALL);
	assert_int_equal(pdb_line_at(g.f, x.s.rva, &l), ERR_OK);
	assert_int_equal(l.line, 24);
	assert_true(pdb_path_match(l.file, STR("t.cpp")));
	assert_int_equal(l.sum_kind, 1); /* MD5 */
	assert_int_equal(l.sum_len, 16);
	assert_int_equal(pdb_line_find(g.f, &a, STR("t.cpp"), 26, &list, &n, &exact), ERR_OK);
	assert_true(exact && n >= 1);
	assert_true(list[0].rva > x.s.rva && list[0].rva < x.s.rva + x.s.size);
	assert_int_equal(pdb_line_at(g.f, list[0].rva, &l), ERR_OK);
	assert_int_equal(l.line, 26);
	/* A line without code: the next one that has some. */
	assert_int_equal(pdb_line_find(g.f, &a, STR("t.cpp"), 25, &list, &n, &exact), ERR_OK);
	assert_false(exact);
	assert_int_equal(list[0].line, 26);
	/* Line 17 was inlined twice into caller, and stands nowhere else. */
	assert_int_equal(pdb_line_find(g.f, &a, STR("T.CPP"), 17, &list, &n, &exact), ERR_OK);
	assert_true(exact);
	assert_int_equal(n, 2);
	x = global(g.f, "caller", PDB_ALL);
	for (size_t i = 0; i < n; i++) {
		assert_true(list[i].inlined);
		assert_true(list[i].rva >= x.s.rva && list[i].rva < x.s.rva + x.s.size);
	}
	assert_int_equal(
		pdb_line_find(g.f, &a, STR("other.cpp"), 1, &list, &n, &exact), ERR_NOTFOUND);
	assert_true(pdb_path_match(STR("c:\\Dir\\a.C"), STR("dir/A.c")));
	assert_false(pdb_path_match(STR("c:\\dir\\ba.c"), STR("a.c")));
	assert_false(pdb_path_match(STR("a.c"), STR("")));
	arena_deinit(&a);
}

/* ---- locals ---- */

static const pdb_local *local(const pdb_local *l, size_t n, const char *name, size_t nth)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(l[i].name, str_of(name)) && !nth--)
			return &l[i];
	return NULL;
}

static void test_locals(void **state)
{
	NEED();
	arena a;
	arena_init(&a);
	pdb_local *l;
	pdb_line *lines;
	size_t n, nl;
	bool exact;
	got x = global(g.f, "plain", PDB_ALL);
	assert_int_equal(pdb_locals_at(g.f, &a, x.s.rva + x.s.size - 1, &l, &n), ERR_OK);
	const pdb_local *v = local(l, n, "a", 0);
	assert_true(v->param && v->loc == PDB_LOC_REGREL);
	assert_string_equal(pdb_reg_name(g.f, v->reg), "rsp");
	assert_int_equal(v->type, 0x74);
	assert_true(local(l, n, "b", 0)->param);
	assert_false(local(l, n, "r", 0)->param);
	assert_true(local(l, n, "a", 0)->off != local(l, n, "r", 0)->off);
	v = local(l, n, "plain::hits", 0);
	if (!v)
		v = local(l, n, "hits", 0);
	assert_int_equal(v->loc, PDB_LOC_STATIC);
	assert_true(v->rva != PDB_NO_RVA);
	assert_null(local(l, n, "inner", 0)); /* its block is over */
	assert_int_equal(pdb_line_find(g.f, &a, STR("t.cpp"), 27, &lines, &nl, &exact), ERR_OK);
	assert_int_equal(pdb_locals_at(g.f, &a, lines[0].rva, &l, &n), ERR_OK);
	assert_int_equal(local(l, n, "inner", 0)->depth, 1);
	assert_int_equal(pdb_locals_all(g.f, &a, &x.s, &l, &n), ERR_OK);
	assert_non_null(local(l, n, "inner", 0));
	/* Optimised: parameters in registers, with live ranges. */
	x = global(g.f, "caller", PDB_ALL);
	assert_int_equal(pdb_locals_at(g.f, &a, x.s.rva, &l, &n), ERR_OK);
	v = local(l, n, "z", 0);
	assert_int_equal(v->loc, PDB_LOC_REG);
	assert_string_equal(pdb_reg_name(g.f, v->reg), "ecx");
	assert_true(v->begin == x.s.rva && v->end > x.s.rva && v->end < x.s.rva + x.s.size);
	v = local(l, n, "p", 0);
	assert_string_equal(pdb_reg_name(g.f, v->reg), "rdx");
	/* Wherever one stands, what is told of a variable is told of there. */
	for (uint32_t at = x.s.rva; at < x.s.rva + x.s.size; at++) {
		assert_int_equal(pdb_locals_at(g.f, &a, at, &l, &n), ERR_OK);
		for (size_t i = 0; i < n; i++)
			if (l[i].loc != PDB_LOC_NONE)
				assert_true(l[i].begin <= at && at < l[i].end);
	}
	/* Inside the inlined call. */
	assert_int_equal(pdb_line_find(g.f, &a, STR("t.cpp"), 18, &lines, &nl, &exact), ERR_OK);
	pdb_inline *in;
	size_t nin;
	assert_int_equal(pdb_inlines_at(g.f, &a, lines[0].rva, &in, &nin), ERR_OK);
	assert_int_equal(nin, 1);
	assert_true(str_eq(in[0].name, STR("twice")));
	assert_int_equal(in[0].line, 18);
	assert_true(pdb_path_match(in[0].file, STR("t.cpp")));
	assert_true(in[0].begin <= lines[0].rva && in[0].end > lines[0].rva);
	pdb_line outer;
	assert_int_equal(pdb_line_at(g.f, lines[0].rva, &outer), ERR_OK);
	assert_int_equal(outer.line, 21); /* the call */
	assert_int_equal(pdb_locals_at(g.f, &a, lines[0].rva, &l, &n), ERR_OK);
	v = local(l, n, "t", 0);
	assert_non_null(v);
	assert_int_equal(v->inl, 1);
	assert_int_equal(local(l, n, "z", 0)->inl, 0);
	assert_int_equal(pdb_inlines_at(g.f, &a, x.s.rva, &in, &nin), ERR_NOTFOUND);
	arena_deinit(&a);
}

/* ---- bent copies ---- */

typedef struct copy {
	msf *m; /* of what is copied */
	str s[300];
	uint32_t n;
	buf img, dbi, tpi, psi, gsi, extra[3];
	pdb *f;
} copy;

static uint8_t *own(copy *c, uint32_t stream, buf *b)
{
	buf_init(b, 0);
	buf_add(b, c->s[stream].p, c->s[stream].n);
	c->s[stream].p = b->p;
	return (uint8_t *)b->p;
}

static void copy_init(copy *c)
{
	diag d;
	memset(c, 0, sizeof *c);
	assert_int_equal(msf_open(g.map.p, g.map.n, &c->m, &d), ERR_OK);
	msf *m = c->m;
	c->n = msf_count(m);
	for (uint32_t i = 0; i < c->n; i++)
		c->s[i] = msf_has(m, i) ? (str){(const char *)msf_view(m, i, 0, msf_size(m, i)),
						  msf_size(m, i)}
					: (str){NULL, 0};
}

static pdb *copy_open(copy *c)
{
	diag d;
	buf_init(&c->img, 0);
	msf_write(&c->img, c->s, c->n, 512, false);
	if (pdb_open(c->img.p, c->img.n, &c->f, &d) != ERR_OK)
		fail_msg("%s", d.text);
	return c->f;
}

static void copy_done(copy *c)
{
	pdb_close(c->f);
	msf_close(c->m);
	buf_deinit(&c->img);
	buf_deinit(&c->dbi);
	buf_deinit(&c->tpi);
	buf_deinit(&c->psi);
	buf_deinit(&c->gsi);
	for (int i = 0; i < 3; i++)
		buf_deinit(&c->extra[i]);
}

static void test_scattered(void **state)
{
	NEED();
	copy c;
	copy_init(&c);
	pdb *f = copy_open(&c);
	check_names(f);
	check_addresses(f);
	check_types(f);
	assert_true(pdb_held(f) < g.map.n / 2);
	copy_done(&c);
}

static void test_no_hashes(void **state)
{
	NEED();
	copy c;
	copy_init(&c);
	uint8_t *dbi = own(&c, 3, &c.dbi), *tpi = own(&c, 2, &c.tpi);
	put32(own(&c, le16(dbi + 12), &c.gsi), 0); /* the old form of the name tables */
	put32(own(&c, le16(dbi + 16), &c.psi) + 28, 0);
	put16(tpi + 20, 0xffff); /* no type hash stream */
	pdb *f = copy_open(&c);
	check_names(f);
	check_types(f);
	copy_done(&c);
}

/* A hash of one bucket: each question goes through all that is filed, with chains and without. */
static void test_type_hash_collides(void **state)
{
	NEED();
	copy c;
	copy_init(&c);
	uint8_t *tpi = own(&c, 2, &c.tpi);
	put32(tpi + 28, 1);
	uint8_t *values = own(&c, le16(tpi + 20), &c.extra[0]) + le32(tpi + 32);
	memset(values, 0, le32(tpi + 36));
	pdb *f = copy_open(&c);
	for (int i = 0; i < 3; i++)
		check_types(f);
	copy_done(&c);
}

/* ---- records made by hand ---- */

static size_t rec_begin(buf *b, uint16_t kind)
{
	size_t at = b->n;
	b16(b, 0);
	b16(b, kind);
	return at;
}

/* Types are padded by LF_PADn, symbols by zeroes. */
static void rec_end(buf *b, size_t at, bool type)
{
	while ((b->n - at) % 4)
		buf_addc(b, type ? (char)(0xf0 + 4 - (b->n - at) % 4) : 0);
	put16((uint8_t *)b->p + at, (uint16_t)(b->n - at - 2));
}

/* LF_CLASS2 and its like: count and size are numeric leaves, 0x12345 as LF_ULONG. */
static void wide_tag(buf *b, uint16_t leaf, uint32_t list, bool big, const char *name)
{
	size_t at = rec_begin(b, leaf);
	b32(b, CV_PROP_UNIQUE | 0x10000);
	b32(b, list);
	if (leaf != LF_UNION2) {
		b32(b, 0x1234);
		b32(b, 0x5678);
	}
	if (big) {
		b16(b, 0x8004);
		b32(b, 0x12345);
	} else {
		b16(b, 2);
	}
	b16(b, 0x8004);
	b32(b, 0x23456);
	bz(b, name);
	bz(b, "unique");
	rec_end(b, at, true);
}

static void pad(buf *b, size_t at)
{
	while ((b->n - at) % 4)
		buf_addc(b, (char)(0xf0 + 4 - (b->n - at) % 4));
}

/* leaf, attributes, type. */
static void member(buf *b, uint16_t leaf, uint16_t attributes, uint32_t type)
{
	b16(b, leaf);
	b16(b, attributes);
	b32(b, type);
}

/* Types 0x1000 ... of a file that has nothing else. */
static pdb *open_types(copy *c, uint32_t n)
{
	uint8_t *h = (uint8_t *)c->tpi.p;
	put32(h + 8, 0x1000);
	put32(h + 12, 0x1000 + n);
	put32(h + 16, (uint32_t)(c->tpi.n - 56));
	put16(h + 20, 0xffff); /* no hashes */
	c->s[2] = buf_str(&c->tpi);
	return copy_open(c);
}

/* Every kind of member, with a continuation list and an overloaded method. */
static void put_members(buf *b)
{
	size_t at = rec_begin(b, LF_METHODLIST); /* 0x1000: one plain, one that is introduced */
	member(b, 3, 0, 0x1111);
	member(b, 4 << 2 | 2, 0, 0x2222);
	b32(b, 0x18);
	rec_end(b, at, true);
	at = rec_begin(b, LF_FIELDLIST); /* 0x1001: what goes on */
	member(b, LF_NESTTYPEEX, 1, 0x74);
	bz(b, "nested_ex");
	pad(b, at);
	member(b, LF_FRIENDFCN, 0, 0x1112);
	bz(b, "friendly");
	pad(b, at);
	member(b, LF_FRIENDCLS, 0, 0x1113);
	member(b, LF_VFUNCOFF, 0, 0x1114);
	b32(b, 0x30);
	rec_end(b, at, true);
	at = rec_begin(b, LF_FIELDLIST); /* 0x1002 */
	member(b, LF_BCLASS, 3, 0x1004);
	b16(b, 0x8002);
	b16(b, 0x9000);
	member(b, LF_VBCLASS, 3, 0x1004);
	b32(b, 0x1115);
	b16(b, 8);
	b16(b, 2);
	member(b, LF_IVBCLASS, 3, 0x1004);
	b32(b, 0x1115);
	b16(b, 16);
	b16(b, 3);
	member(b, LF_VFUNCTAB, 0, 0x1116);
	member(b, LF_STMEMBER, 1, 0x75);
	bz(b, "statical");
	pad(b, at);
	member(b, LF_MEMBER, 2, 0x1005);
	b16(b, 24);
	bz(b, "bits");
	pad(b, at);
	member(b, LF_NESTTYPE, 0, 0x22);
	bz(b, "nested");
	pad(b, at);
	b16(b, LF_METHOD);
	b16(b, 2);
	b32(b, 0x1000);
	bz(b, "overloaded");
	pad(b, at);
	member(b, LF_ONEMETHOD, 6 << 2 | 3, 0x1117);
	b32(b, 0x40);
	bz(b, "pure");
	pad(b, at);
	b16(b, LF_ENUMERATE);
	b16(b, 3);
	b16(b, 0x8000);
	buf_addc(b, (char)-5);
	bz(b, "minus");
	pad(b, at);
	member(b, LF_INDEX, 0, 0x1001);
	rec_end(b, at, true);
	at = rec_begin(b, LF_STRUCTURE); /* 0x1003 */
	b16(b, 14);
	b16(b, 0);
	b32(b, 0x1002);
	b32(b, 0);
	b32(b, 0);
	b16(b, 64);
	bz(b, "all_kinds");
	rec_end(b, at, true);
	at = rec_begin(b, LF_STRUCTURE); /* 0x1004 */
	for (int i = 0; i < 8; i++)
		b16(b, 0);
	b16(b, 4);
	bz(b, "the_base");
	rec_end(b, at, true);
	at = rec_begin(b, LF_BITFIELD); /* 0x1005 */
	b32(b, 0x22);
	buf_addc(b, 5);
	buf_addc(b, 3);
	rec_end(b, at, true);
}

static void test_members(void **state)
{
	NEED();
	copy c;
	fields l = {.n = 0};
	uint32_t ti;
	copy_init(&c);
	buf_init(&c.tpi, 0);
	buf_add(&c.tpi, c.s[2].p, 56);
	put_members(&c.tpi);
	pdb *f = open_types(&c, 6);
	assert_int_equal(pdb_type_find(f, STR("all_kinds"), false, &ti), ERR_OK);
	assert_int_equal(pdb_type_fields(f, ti, keep_field, &l), ERR_OK);
	assert_int_equal(l.n, 15);
	static const struct {
		pdb_fkind kind;
		const char *name;
		uint32_t type;
		uint64_t offset;
	} want[] = {{PDB_F_BASE, "the_base", 0x1004, 0x9000}, {PDB_F_VBASE, "the_base", 0x1004, 8},
		{PDB_F_VBASE, "the_base", 0x1004, 16}, {PDB_F_VFPTR, "", 0x1116, 0},
		{PDB_F_STATIC, "statical", 0x75, 0}, {PDB_F_MEMBER, "bits", 0x22, 24},
		{PDB_F_NESTED, "nested", 0x22, 0}, {PDB_F_METHOD, "overloaded", 0x1111, 0},
		{PDB_F_METHOD, "overloaded", 0x2222, 0}, {PDB_F_METHOD, "pure", 0x1117, 0},
		{PDB_F_ENUMERATOR, "minus", 0, 0}, {PDB_F_NESTED, "nested_ex", 0x74, 0},
		{PDB_F_FRIEND, "friendly", 0x1112, 0}, {PDB_F_FRIEND, "", 0x1113, 0},
		{PDB_F_VFPTR, "", 0x1114, 0x30}};
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		const pdb_field *x = &l.f[i];
		if (x->kind != want[i].kind || !str_eq(x->name, str_of(want[i].name)) ||
			x->type != want[i].type || x->offset != want[i].offset)
			fail_msg("member %zu: kind %d %.*s type %x at %llx", i, x->kind,
				STR_ARG(x->name), x->type, (unsigned long long)x->offset);
	}
	assert_true(!l.f[1].indirect && l.f[1].value == 2 && l.f[2].indirect && l.f[2].value == 3);
	assert_true(l.f[5].bit_len == 5 && l.f[5].bit_pos == 3 && l.f[5].access == 2);
	assert_true(l.f[8].mprop == 4 && l.f[8].vtable == 0x18 && l.f[7].vtable == 0);
	assert_true(l.f[9].mprop == 6 && l.f[9].vtable == 0x40);
	assert_true(l.f[10].neg && (int64_t)l.f[10].value == -5);
	copy_done(&c);
}

static void test_wide_types(void **state)
{
	NEED();
	static const struct {
		uint16_t leaf;
		pdb_tkind kind;
		const char *name;
	} kinds[] = {{LF_CLASS2, PDB_T_CLASS, "wide_class"},
		{LF_STRUCTURE2, PDB_T_STRUCT, "wide_struct"},
		{LF_UNION2, PDB_T_UNION, "wide_union"},
		{LF_INTERFACE2, PDB_T_INTERFACE, "wide_interface"}};
	copy c;
	pdb_type t;
	uint32_t ti;
	fields l = {.n = 0};
	copy_init(&c);
	buf *b = &c.tpi;
	buf_init(b, 0);
	buf_add(b, c.s[2].p, 56);
	size_t at = rec_begin(b, LF_FIELDLIST);
	for (int i = 0; i < 2; i++) {
		b16(b, LF_MEMBER);
		b16(b, 3);
		b32(b, 0x74);
		b16(b, (unsigned)(4 * i));
		bz(b, i ? "bb" : "aa");
		pad(b, at);
	}
	rec_end(b, at, true);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		for (int big = 0; big < 2; big++)
			wide_tag(b, kinds[i].leaf, 0x1000, big, kinds[i].name);
	pdb *f = open_types(&c, 1 + 2 * (uint32_t)ARRAY_LEN(kinds));
	for (size_t i = 0; i < 2 * ARRAY_LEN(kinds); i++) {
		assert_int_equal(pdb_type_get(f, 0x1001 + (uint32_t)i, &t), ERR_OK);
		assert_int_equal(t.kind, kinds[i / 2].kind);
		assert_int_equal(t.count, i & 1 ? 0x12345 : 2);
		assert_int_equal(t.size, 0x23456);
		assert_true(str_eq(t.name, str_of(kinds[i / 2].name)));
		assert_true(str_eq(t.unique, STR("unique")) && !t.forward);
		assert_int_equal(t.derived, kinds[i / 2].leaf == LF_UNION2 ? 0 : 0x1234);
	}
	assert_int_equal(pdb_type_find(f, STR("wide_union"), false, &ti), ERR_OK);
	assert_int_equal(pdb_type_fields(f, ti, keep_field, &l), ERR_OK);
	assert_int_equal(l.n, 2);
	assert_int_equal(field(&l, "bb", 0)->offset, 4);
	copy_done(&c);
}

static void var(buf *b, const char *name)
{
	size_t at = rec_begin(b, S_LOCAL);
	b32(b, 0x74);
	b16(b, 0);
	bz(b, name);
	rec_end(b, at, false);
}

/* A range record: n words of its own, then where it holds. */
static void range(buf *b, uint16_t kind, const pdb_sym *s, uint32_t from, uint32_t len, size_t n,
	const uint16_t *words)
{
	size_t at = rec_begin(b, kind);
	for (size_t i = 0; i < n; i++)
		b16(b, words[i]);
	b32(b, s->off + from);
	b16(b, s->seg);
	b16(b, len);
	rec_end(b, at, false);
}

enum { RCX = 330, RDX = 331, RBP = 334, RSP = 335 };

/* A part that the range record just written, at at, does not hold for. */
static void gap(buf *b, size_t at, uint32_t from, uint32_t len)
{
	b16(b, from);
	b16(b, len);
	rec_end(b, at, false);
}

static void put_locals(buf *b, const pdb_sym *s)
{
	static const uint16_t program[] = {7, 0}, rcx[] = {RCX, 0}, part0[] = {RCX, 0, 0, 0},
			      part4[] = {7, 0, 4, 0}, part8[] = {RDX, 0, 8, 0},
			      indir[] = {RSP, 0, 0x20, 0, 12, 0}, frame[] = {0xfff8, 0xffff};
	size_t at = rec_begin(b, S_GPROC32);
	for (int i = 0; i < 3; i++)
		b32(b, 0);
	b32(b, s->size);
	for (int i = 0; i < 3; i++)
		b32(b, 0);
	b32(b, s->off);
	b16(b, s->seg);
	buf_addc(b, 0);
	bz(b, "caller");
	rec_end(b, at, false);
	at = rec_begin(b, S_FRAMEPROC);
	for (int i = 0; i < 5; i++)
		b32(b, 0);
	b16(b, 0);
	b32(b, 2 << 14);
	rec_end(b, at, false);
	var(b, "program_then_reg");
	range(b, S_DEFRANGE, s, 0, 4, 2, program);
	range(b, S_DEFRANGE_REGISTER, s, 0, 4, 2, rcx);
	var(b, "program_only");
	range(b, S_DEFRANGE, s, 0, 4, 2, program);
	var(b, "parts");
	range(b, S_DEFRANGE_SUBFIELD_REGISTER, s, 0, 4, 4, part0);
	range(b, S_DEFRANGE_SUBFIELD, s, 0, 4, 4, part4);
	range(b, S_DEFRANGE_SUBFIELD_REGISTER, s, 0, 4, 4, part8);
	var(b, "by_value");
	range(b, S_DEFRANGE_REGISTER_REL_INDIR, s, 0, 4, 6, indir);
	var(b, "later");
	range(b, S_DEFRANGE_FRAMEPOINTER_REL, s, 0, 2, 2, frame);
	range(b, S_DEFRANGE_REGISTER, s, 2, 2, 2, rcx);
	var(b, "holed");
	at = b->n;
	range(b, S_DEFRANGE_REGISTER, s, 0, 8, 2, rcx);
	gap(b, at, 2, 3);
	at = rec_begin(b, S_REGREL32_INDIR);
	b32(b, 0x30);
	b32(b, 0x74);
	b32(b, 4);
	b16(b, RSP);
	bz(b, "old_by_value");
	rec_end(b, at, false);
	rec_end(b, rec_begin(b, S_END), false);
}

static void test_made_locals(void **state)
{
	NEED();
	copy c;
	arena a;
	uint32_t mod;
	got x = global(g.f, "caller", PDB_ALL);
	assert_int_equal(pdb_mod_at(g.f, x.s.rva, &mod, NULL, NULL), ERR_OK);
	copy_init(&c);
	uint8_t *dbi = own(&c, 3, &c.dbi);
	reader r = rd_of(dbi + 64, le32(dbi + 24));
	for (uint32_t i = 0; i < mod; i++) {
		rd_skip(&r, 64);
		(void)rd_cstr(&r);
		(void)rd_cstr(&r);
		rd_align(&r, 4);
	}
	uint8_t *info = dbi + 64 + r.pos;
	buf *b = &c.extra[0];
	buf_init(b, 0);
	b32(b, 4);
	put_locals(b, &x.s);
	c.s[le16(info + 34)] = buf_str(b);
	put32(info + 36, (uint32_t)b->n);
	put32(info + 40, 0);
	put32(info + 44, 0);
	pdb *f = copy_open(&c);
	pdb_local *l;
	size_t n;
	arena_init(&a);
	assert_int_equal(pdb_locals_at(f, &a, x.s.rva, &l, &n), ERR_OK);
	assert_int_equal(n, 7);
	const pdb_local *v = local(l, n, "program_then_reg", 0);
	assert_true(v->loc == PDB_LOC_REG && v->reg == RCX && v->end == x.s.rva + 4);
	assert_int_equal(local(l, n, "program_only", 0)->loc, PDB_LOC_NONE);
	v = local(l, n, "parts", 0);
	assert_true(v->loc == PDB_LOC_NONE && v->npieces == 3);
	assert_true(v->pieces[0].loc == PDB_LOC_REG && v->pieces[0].reg == RCX);
	assert_true(v->pieces[1].loc == PDB_LOC_NONE && v->pieces[1].offset == 4);
	assert_true(v->pieces[2].loc == PDB_LOC_REG && v->pieces[2].offset == 8);
	v = local(l, n, "by_value", 0);
	assert_true(v->loc == PDB_LOC_INDIR && v->reg == RSP && v->off == 0x20 && v->inner == 12);
	v = local(l, n, "later", 0);
	assert_true(v->loc == PDB_LOC_REGREL && v->reg == RBP && v->off == -8);
	v = local(l, n, "old_by_value", 0);
	assert_true(v->loc == PDB_LOC_INDIR && v->reg == RSP && v->off == 0x30 && v->inner == 4);
	assert_int_equal(pdb_locals_at(f, &a, x.s.rva + 2, &l, &n), ERR_OK);
	v = local(l, n, "later", 0);
	assert_true(v->loc == PDB_LOC_REG && v->reg == RCX && v->begin == x.s.rva + 2);
	assert_int_equal(pdb_locals_at(f, &a, x.s.rva + 4, &l, &n), ERR_OK);
	assert_int_equal(local(l, n, "by_value", 0)->loc, PDB_LOC_NONE);
	assert_int_equal(local(l, n, "parts", 0)->npieces, 0);
	/* eight bytes less the three from the third on */
	for (uint32_t i = 0; i < 9; i++) {
		bool in = i < 2 || (i >= 5 && i < 8);
		assert_int_equal(pdb_locals_at(f, &a, x.s.rva + i, &l, &n), ERR_OK);
		v = local(l, n, "holed", 0);
		assert_int_equal(v->loc, in ? PDB_LOC_REG : PDB_LOC_NONE);
		if (in) {
			assert_int_equal(v->begin, x.s.rva + (i < 2 ? 0 : 5));
			assert_int_equal(v->end, x.s.rva + (i < 2 ? 2 : 8));
		}
	}
	arena_deinit(&a);
	copy_done(&c);
}

static void test_stripped(void **state)
{
	NEED();
	copy c;
	copy_init(&c);
	uint8_t *dbi = own(&c, 3, &c.dbi);
	put16(dbi + 56, le16(dbi + 56) | 2);
	reader r = rd_of(dbi + 64, le32(dbi + 24));
	while (rd_left(&r) > 64) { /* modules without streams */
		size_t at = r.pos;
		rd_skip(&r, 64);
		(void)rd_cstr(&r);
		(void)rd_cstr(&r);
		rd_align(&r, 4);
		put16(dbi + 64 + at + 34, 0xffff);
		put32(dbi + 64 + at + 36, 0);
		put32(dbi + 64 + at + 44, 0);
	}
	pdb *f = copy_open(&c);
	assert_true(pdb_id_get(f)->stripped);
	assert_false(pdb_id_get(f)->has_private);
	assert_false(pdb_id_get(f)->has_lines);
	got x = {.n = 0}, pub = {.n = 0};
	assert_int_equal(pdb_global_find(f, STR("caller"), false, PDB_MASK(PDB_FUNC), keep, &x),
		ERR_NOTFOUND);
	assert_int_equal(pdb_public_find(f, STR("caller"), false, keep, &pub), ERR_OK);
	pdb_sym s;
	uint32_t disp;
	assert_int_equal(pdb_sym_at(f, pub.s.rva + 5, &s, &disp), ERR_OK);
	assert_int_equal(s.kind, PDB_PUBLIC);
	assert_int_equal(disp, 5);
	assert_int_equal(pdb_func_at(f, pub.s.rva, &s), ERR_NOTFOUND);
	pdb_line l;
	assert_int_equal(pdb_line_at(f, pub.s.rva, &l), ERR_NOTFOUND);
	copy_done(&c);
}

static void test_contributions_unsorted(void **state)
{
	NEED();
	copy c;
	copy_init(&c);
	uint8_t *dbi = own(&c, 3, &c.dbi);
	uint8_t *p = dbi + 64 + le32(dbi + 24) + 4;
	size_t n = (le32(dbi + 28) - 4) / 28;
	assert_true(n > 10);
	for (size_t i = 0; i < n / 2; i++) { /* turned round */
		uint8_t tmp[28];
		memcpy(tmp, p + 28 * i, 28);
		memcpy(p + 28 * i, p + 28 * (n - 1 - i), 28);
		memcpy(p + 28 * (n - 1 - i), tmp, 28);
	}
	check_addresses(copy_open(&c));
	copy_done(&c);
}

static void pair(buf *b, uint32_t from, uint32_t to)
{
	b32(b, from);
	b32(b, to);
}

/* The first section moved by 0x10000, with a hole that went away. */
static void test_omap(void **state)
{
	NEED();
	copy c;
	copy_init(&c);
	uint8_t *dbi = own(&c, 3, &c.dbi);
	uint32_t dbg = 64 + le32(dbi + 24) + le32(dbi + 28) + le32(dbi + 32) + le32(dbi + 36) +
		       le32(dbi + 40) + le32(dbi + 52);
	assert_true(le32(dbi + 48) >= 22);
	for (int i = 0; i < 3; i++)
		buf_init(&c.extra[i], 0);
	pair(&c.extra[0], 0, 0); /* to source */
	pair(&c.extra[0], 0x11000, 0x1000);
	pair(&c.extra[0], 0x12000, 0);
	pair(&c.extra[1], 0, 0); /* from source */
	pair(&c.extra[1], 0x1000, 0x11000);
	pair(&c.extra[1], 0x2000, 0);
	buf_add(&c.extra[2], c.s[le16(dbi + dbg + 10)].p, c.s[le16(dbi + dbg + 10)].n);
	static const int slot[3] = {3, 4, 10};
	for (int i = 0; i < 3; i++) {
		put16(dbi + dbg + 2 * slot[i], (uint16_t)c.n);
		c.s[c.n++] = buf_str(&c.extra[i]);
	}
	pdb *f = copy_open(&c);
	assert_true(pdb_id_get(f)->omap);
	got x = global(g.f, "caller", PDB_ALL), y = global(f, "caller", PDB_ALL);
	assert_int_equal(y.s.rva, x.s.rva + 0x10000);
	pdb_sym s;
	uint32_t disp;
	assert_int_equal(pdb_sym_at(f, y.s.rva + 2, &s, &disp), ERR_OK);
	assert_true(str_eq(s.name, STR("caller")));
	assert_int_equal(disp, 2);
	assert_int_equal(global(f, "file_static", PDB_ALL).s.rva, PDB_NO_RVA);
	assert_int_equal(pdb_sym_at(f, 0x12000, &s, &disp), ERR_NOTFOUND);
	copy_done(&c);
}

/* Every stream cut at every place: no answer may come from outside (a sanitizer watches). */
static void test_cut(void **state)
{
	NEED();
	for (uint32_t i = 1; i < 5; i++) {
		for (size_t part = 0; part < 16; part++) {
			copy c;
			diag d;
			got x;
			uint32_t ti;
			arena a;
			pdb_local *l;
			size_t n;
			copy_init(&c);
			arena_init(&a);
			c.s[i].n = c.s[i].n * part / 16;
			buf_init(&c.img, 0);
			msf_write(&c.img, c.s, c.n, 4096, true);
			if (pdb_open(c.img.p, c.img.n, &c.f, &d) == ERR_OK) {
				if (pdb_global_find(c.f, STR("caller"), false, PDB_ALL, keep, &x) ==
						ERR_OK &&
					pdb_locals_at(c.f, &a, x.s.rva, &l, &n) == ERR_OK)
					assert_true(n > 0);
				if (pdb_type_find(c.f, STR("ns::D"), false, &ti) == ERR_OK) {
					fields k = {.n = 0};
					if (pdb_type_fields(c.f, ti, keep_field, &k) == ERR_OK)
						assert_true(k.n > 0);
				}
			} else {
				assert_true(d.text[0] != 0);
			}
			arena_deinit(&a);
			copy_done(&c);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_scan),
		cmocka_unit_test(test_like),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_type_scan),
		cmocka_unit_test(test_type_hash),
		cmocka_unit_test(test_type_hash_collides),
		cmocka_unit_test(test_again),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_locals),
		cmocka_unit_test(test_scattered),
		cmocka_unit_test(test_no_hashes),
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_wide_types),
		cmocka_unit_test(test_made_locals),
		cmocka_unit_test(test_stripped),
		cmocka_unit_test(test_contributions_unsorted),
		cmocka_unit_test(test_omap),
		cmocka_unit_test(test_cut),
	};
	return cmocka_run_group_tests_name("fmt_pdb", tests, setup, teardown);
}
