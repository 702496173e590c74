/*
 * The DWARF name index against llvm-dwarfdump (dwarf_names.py says what must be found), on programs
 * that gcc and clang compile here in every way that changes the shape of the sections; the index on
 * disk, whole and damaged; sections that were bent.
 */
#include "dwarf_sections.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[300]; /* where this run compiles */

static int sh(const char *fmt, ...)
{
	char cmd[4096], all[8192];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(cmd, sizeof cmd, fmt, ap);
	va_end(ap);
	snprintf(all, sizeof all, "cd %s && D='%s/tests/unit/dwarf_demo' && %s", dir,
		getenv("RS_SOURCE_ROOT"), cmd);
	return system(all);
}

static bool have(const char *tool)
{
	return sh("command -v %s >/dev/null 2>&1", tool) == 0;
}

static const char *at(const char *name)
{
	static char path[2][1024];
	static int turn;
	turn = !turn;
	snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
	return path[turn];
}

static dwarf_file file(const char *name)
{
	dwarf_file f;
	diag d = {0};
	if (dwarf_file_open(at(name), &f, &d) != ERR_OK)
		fail_msg("%s", d.text);
	return f;
}

static dwx *index_of(const dwx_sections *s, size_t n)
{
	diag d = {0};
	dwx *x = NULL;
	dwx_progress p = {0};
	/* As dwarf_names.py: below is what the linker dropped. */
	dwx_options o = {.progress = &p, .lowest = 0x400};
	if (dwx_build(s, n, &o, &x, &d) != ERR_OK)
		fail_msg("%s", d.text);
	assert_true(atomic_load(&p.total) > 0);
	assert_int_equal(atomic_load(&p.done), atomic_load(&p.total));
	return x;
}

/* ---- lines like those of dwarf_names.py ---- */

typedef struct lines {
	const dwx *x;
	VEC(char *) line;
	bool no_place; /* only flags, kind and name */
	bool no_address;
} lines;

static const char *kind_name(unsigned kind)
{
	static const char *const name[] = {
		"func", "var", "struct", "union", "enum", "typedef", "base", "class", "enumerator"};
	return name[__builtin_ctz(kind)];
}

static bool add_line(void *u, const dwx_entry *e)
{
	lines *l = u;
	buf b;
	buf_init(&b, 1 << 16);
	if (!l->no_place)
		buf_addf(&b, "%d %d %#llx ", e->part, e->where, (unsigned long long)e->die);
	buf_addf(&b, "%s ", kind_name(e->kind));
	if (l->no_address && (e->kind & (DWX_FUNC | DWX_VAR)) && e->addr)
		buf_addz(&b, "?");
	else
		buf_addf(&b, "0x%llx",
			(unsigned long long)(e->kind & (DWX_FUNC | DWX_VAR) ? e->addr : e->value));
	buf_addf(&b, "%s%s%s%s | ", e->decl ? " decl" : "", e->external ? " external" : "",
		e->inlined ? " inlined" : "", e->tls ? " tls" : "");
	dwx_qualified(l->x, e, &b);
	vec_push(&l->line, mem_strdup(buf_z(&b)));
	buf_deinit(&b);
	return true;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_lines(lines *l)
{
	if (l->line.n)
		qsort(l->line.p, l->line.n, sizeof *l->line.p, by_text);
}

static void lines_of(const dwx *x, lines *l)
{
	l->x = x;
	assert_int_equal(dwx_match(x, STR("*"), DWX_ALL, NULL, add_line, l), ERR_OK);
	sort_lines(l);
}

static void lines_deinit(lines *l)
{
	for (size_t i = 0; i < l->line.n; i++)
		mem_free(l->line.p[i]);
	vec_deinit(&l->line);
}

static void read_lines(const char *name, lines *l)
{
	char text[8192];
	FILE *f = fopen(at(name), "r");
	assert_non_null(f);
	while (fgets(text, sizeof text, f)) {
		text[strcspn(text, "\n")] = 0;
		vec_push(&l->line, mem_strdup(text));
	}
	fclose(f);
	sort_lines(l);
}

/* part: what was got may be less. */
static void compare(const char *what, const lines *want, const lines *got, bool part)
{
	size_t i = 0, k = 0, bad = 0;
	while (i < want->line.n || k < got->line.n) {
		int c = i == want->line.n  ? 1
			: k == got->line.n ? -1
					   : strcmp(want->line.p[i], got->line.p[k]);
		if (c && !(part && c < 0) && bad++ < 10)
			print_error("%s: %s: %s\n", what, c < 0 ? "missing" : "too much",
				c < 0 ? want->line.p[i] : got->line.p[k]);
		i += c <= 0;
		k += c >= 0;
	}
	if (bad)
		fail_msg("%s: %zu lines differ", what, bad);
	assert_true(want->line.n > 20);
}

static void same_lines(const char *what, const lines *want, const lines *got)
{
	compare(what, want, got, false);
}

/* Lines without their places, each once. */
static void bare(lines *l)
{
	size_t out = 0;
	for (size_t i = 0; i < l->line.n; i++) {
		char *p = l->line.p[i];
		for (int k = 0; k < 3; k++)
			p = strchr(p, ' ') + 1;
		memmove(l->line.p[i], p, strlen(p) + 1);
	}
	sort_lines(l);
	for (size_t i = 0; i < l->line.n; i++)
		if (!out || strcmp(l->line.p[out - 1], l->line.p[i]))
			l->line.p[out++] = l->line.p[i];
		else
			mem_free(l->line.p[i]);
	l->line.n = out;
}

/* ---- against llvm-dwarfdump ---- */

static bool in_unit(void *u, const dwx_entry *e)
{
	const dwx *x = u;
	uint64_t cu = 0, die = 0;
	if (!e->addr || e->part)
		return true;
	if (dwx_cu_at(x, e->addr, &cu, &die) != ERR_OK)
		fail_msg("%.*s at %#llx is in no unit", STR_ARG(e->name),
			(unsigned long long)e->addr);
	assert_true(cu < die);
	/* Code of headers is in two units, which both claim the one copy that was kept. */
	if (str_eq(e->name, STR("main")) || str_eq(e->name, STR("c_entry")) ||
		str_eq(e->name, STR("same_name")) || str_eq(e->name, STR("norm")))
		assert_true(die < e->die);
	return true;
}

static void check(const char *name, const char *dwos)
{
	dwarf_file f[8] = {file(name)};
	dwx_sections s[8] = {f[0].s};
	size_t n = 1;
	char list[500];
	snprintf(list, sizeof list, "%s", dwos);
	for (char *save = NULL, *w = strtok_r(list, " ", &save); w;
		w = strtok_r(NULL, " ", &save)) {
		f[n] = file(w);
		s[n] = f[n].s;
		n++;
	}
	assert_int_equal(
		sh("python3 \"$D/../dwarf_names.py\" %s %s > %s.want", name, dwos, name), 0);
	dwx *x = index_of(s, n);
	char want_name[500];
	snprintf(want_name, sizeof want_name, "%s.want", name);
	lines want = {0}, got = {.no_address = n > 1};
	read_lines(want_name, &want);
	lines_of(x, &got);
	compare(name, &want, &got, n > 1);
	dwx_stats st;
	dwx_stats_get(x, &st);
	assert_int_equal(st.damaged, 0);
	assert_int_equal(st.left_out, 0);
	assert_int_equal(st.entries, got.line.n);
	if (n == 1)
		(void)dwx_match(x, STR("*"), DWX_FUNC, NULL, in_unit, x);
	else { /* their dump has no addresses: what is one for us may be several there */
		bare(&want);
		bare(&got);
		same_lines(name, &want, &got);
	}
	lines_deinit(&want);
	lines_deinit(&got);
	dwx_destroy(x);
	for (size_t i = 0; i < n; i++)
		sys_map_close(&f[i].map);
}

/* What changes the shape of the sections; C where it matters (structures hold no names there). */
static const struct {
	const char *flags;
	bool c;
} ways[] = {
	{"-gdwarf-4", true},
	{"-gdwarf-5 -O2", true},
	{"-gdwarf-4 -O2 -ffunction-sections -fdata-sections -Wl,--gc-sections", false},
	{"-gdwarf-5 -fdebug-types-section", false},
	{"-gdwarf-4 -fdebug-types-section", false},
	{"-gdwarf-2 -gstrict-dwarf", false},
};

static void compile_and_check(const char *cxx, const char *cc)
{
	if (!have(cxx) || !have("llvm-dwarfdump"))
		skip();
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		char name[64];
		snprintf(name, sizeof name, "%s-%zu", cxx, i);
		assert_int_equal(
			sh("%s -g -w %s $D/one.cpp $D/two.cpp -o %s", cxx, ways[i].flags, name), 0);
		check(name, "");
		if (!ways[i].c)
			continue;
		snprintf(name, sizeof name, "%s-%zu", cc, i);
		assert_int_equal(
			sh("%s -g -w %s $D/plain.c $D/other.c -o %s", cc, ways[i].flags, name), 0);
		check(name, "");
	}
}

static void gcc_names(void **state)
{
	compile_and_check("g++", "gcc");
}

static void clang_names(void **state)
{
	compile_and_check("clang++", "clang");
}

static void link_time_names(void **state)
{
	/* Definitions in one unit, their declarations in others. */
	if (!have("g++") || !have("llvm-dwarfdump"))
		skip();
	assert_int_equal(sh("g++ -g -w -O2 -flto $D/one.cpp $D/two.cpp -o lto"), 0);
	check("lto", "");
	assert_int_equal(sh("gcc -g -w -O2 -flto $D/plain.c $D/other.c -o lto-c"), 0);
	check("lto-c", "");
}

static bool note_skeleton(void *u, const dwx_skeleton *k)
{
	buf *b = u;
	assert_true(k->id != 0);
	assert_true(k->comp_dir.n > 0);
	buf_adds(b, k->dwo_name);
	buf_addc(b, ' ');
	return true;
}

static void split_names(void **state)
{
	static const char *const how[] = {"-gdwarf-4", "-gdwarf-5"};
	static const char *const compiler[] = {"g++", "clang++"};
	if (!have("llvm-dwarfdump"))
		skip();
	for (size_t i = 0; i < ARRAY_LEN(how) * 2; i++) {
		const char *cxx = compiler[i % 2], *flags = how[i / 2];
		char name[64];
		if (!have(cxx))
			continue;
		snprintf(name, sizeof name, "split%zu", i);
		assert_int_equal(sh("rm -f one.dwo two.dwo; %s -g -w -gsplit-dwarf %s -c "
				    "$D/one.cpp -o one.o && "
				    "%s -g -w -gsplit-dwarf %s -c $D/two.cpp -o two.o && "
				    "%s one.o two.o -o %s && test -e one.dwo",
					 cxx, flags, cxx, flags, cxx, name),
			0);
		check(name, "one.dwo two.dwo");
		dwarf_file f = file(name);
		buf b;
		buf_init(&b, 0);
		assert_int_equal(dwx_skeletons(&f.s, note_skeleton, &b), ERR_OK);
		assert_string_equal(buf_z(&b), "one.dwo two.dwo ");
		buf_deinit(&b);
		sys_map_close(&f.map);
	}
}

/* Addresses come from the program, the base from the skeleton: the same as without splitting. */
static void split_addresses(void **state)
{
	static const char *const how[] = {"-gdwarf-4", "-gdwarf-5"};
	if (!have("g++"))
		skip();
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(sh("g++ -g -w -O1 %s $D/one.cpp $D/two.cpp -o whole && "
				    "g++ -g -w -O1 -gsplit-dwarf %s -c $D/one.cpp $D/two.cpp && "
				    "g++ one.o two.o -o parts",
					 how[i], how[i]),
			0);
		dwarf_file f[4] = {file("whole"), file("parts"), file("one.dwo"), file("two.dwo")};
		dwx_sections s[3] = {f[1].s, f[2].s, f[3].s};
		lines want = {.no_place = true}, got = {.no_place = true};
		dwx *w = index_of(&f[0].s, 1), *x = index_of(s, 3);
		lines_of(w, &want);
		lines_of(x, &got);
		same_lines("split", &want, &got);
		dwx_destroy(w);
		dwx_destroy(x);
		if (have("dwp") && sh("dwp -e parts -o parts.dwp 2>/dev/null") == 0) {
			dwarf_file p = file("parts.dwp");
			dwx_sections two[2] = {f[1].s, p.s};
			lines packed = {.no_place = true};
			assert_true(p.s.cu_index.n > 0);
			x = index_of(two, 2);
			lines_of(x, &packed);
			same_lines("dwp", &want, &packed);
			dwx_destroy(x);
			lines_deinit(&packed);
			sys_map_close(&p.map);
		}
		lines_deinit(&want);
		lines_deinit(&got);
		for (size_t k = 0; k < 4; k++)
			sys_map_close(&f[k].map);
	}
}

/* dwz moves types to an alternate file and to partial units: the names stay the same. */
static void alternate_file(void **state)
{
	if (!have("dwz") || !have("g++"))
		skip();
	for (int version = 4; version <= 5; version++) {
		assert_int_equal(
			sh("rm -f za zb common; g++ -gdwarf-%d -w $D/one.cpp $D/two.cpp -o za && "
			   "g++ -gdwarf-%d -w -O1 $D/two.cpp $D/one.cpp -o zb && "
			   "cp za za-whole && dwz --devel-ignore-size -m common za zb 2>/dev/null "
			   "|| "
			   "dwz -L none -l none -m common za zb",
				version, version),
			0);
		if (sh("test -e common"))
			skip();
		dwarf_file whole = file("za-whole"), f = file("za"), alt = file("common");
		dwarf_file_alt(&f, &alt);
		assert_true(f.s.info.n < whole.s.info.n);
		lines want = {.no_place = true}, got = {.no_place = true};
		dwx *w = index_of(&whole.s, 1), *x = index_of(&f.s, 1);
		lines_of(w, &want);
		lines_of(x, &got);
		same_lines("dwz", &want, &got);
		dwx_destroy(w);
		dwx_destroy(x);
		lines_deinit(&want);
		lines_deinit(&got);
		sys_map_close(&whole.map);
		sys_map_close(&f.map);
		sys_map_close(&alt.map);
	}
}

/* ---- questions ---- */

static dwarf_file demo; /* C++, DWARF 5 */
static dwx *demo_index;

static bool join(void *u, const dwx_entry *e)
{
	lines *l = u;
	buf b;
	buf_init(&b, 0);
	buf_addf(&b, "%s ", kind_name(e->kind));
	dwx_qualified(l->x, e, &b);
	vec_push(&l->line, mem_strdup(buf_z(&b)));
	buf_deinit(&b);
	return true;
}

static void expect(lines *l, const char *want)
{
	buf b;
	buf_init(&b, 0);
	sort_lines(l);
	for (size_t i = 0; i < l->line.n; i++)
		buf_addf(&b, "%s%s", i ? ", " : "", l->line.p[i]);
	assert_string_equal(buf_z(&b), want);
	buf_deinit(&b);
	lines_deinit(l);
}

static void expect_find(const char *name, unsigned kinds, bool fold, const char *want)
{
	lines l = {.x = demo_index};
	assert_int_equal(dwx_find(demo_index, str_of(name), kinds, fold, join, &l),
		want[0] ? ERR_OK : ERR_NOTFOUND);
	expect(&l, want);
}

static void expect_match(const char *pattern, unsigned kinds, const char *want)
{
	lines l = {.x = demo_index};
	assert_int_equal(dwx_match(demo_index, str_of(pattern), kinds, NULL, join, &l),
		want[0] ? ERR_OK : ERR_NOTFOUND);
	expect(&l, want);
}

static void finding(void **state)
{
	expect_find("c_entry", DWX_ALL, false, "func c_entry");
	expect_find("C_Entry", DWX_ALL, false, "");
	expect_find("C_Entry", DWX_ALL, true, "func c_entry");
	expect_find("nothing_of_that", DWX_ALL, false, "");
	expect_find("c_entry", DWX_TYPES | DWX_VAR, false, "");
	expect_find("Deep", DWX_ALL, false, "struct geo::Widget::Impl::Deep");
	expect_find("Impl::Deep", DWX_ALL, false, "struct geo::Widget::Impl::Deep");
	expect_find("geo::Widget::Impl::Deep", DWX_ALL, false, "struct geo::Widget::Impl::Deep");
	expect_find("::geo::Widget::Impl::Deep", DWX_ALL, false, "struct geo::Widget::Impl::Deep");
	expect_find("::Widget::Impl::Deep", DWX_ALL, false, "");
	expect_find("Widget::Deep", DWX_ALL, false, "");
	expect_find("::Deep", DWX_ALL, false, "");
	/* inline and anonymous namespaces may be left out */
	expect_find("geo::Point::norm", DWX_ALL, false, "func geo::v2::Point::norm");
	expect_find("geo::v2::Point::norm", DWX_ALL, false, "func geo::v2::Point::norm");
	expect_find("::geo::Point::norm", DWX_ALL, false, "func geo::v2::Point::norm");
	expect_find("hidden_function", DWX_ALL, false,
		"func (anonymous namespace)::hidden_function, func (anonymous "
		"namespace)::hidden_function");
	expect_find("::hidden_function", DWX_ALL, false,
		"func (anonymous namespace)::hidden_function, func (anonymous "
		"namespace)::hidden_function");
	expect_find("inner::counter", DWX_ALL, false, "var (anonymous namespace)::inner::counter");
	expect_find("(anonymous namespace)::inner::counter", DWX_ALL, false,
		"var (anonymous namespace)::inner::counter");
	expect_find("same_name", DWX_ALL, false, "func same_name, func same_name");
	/* several sizes are several types */
	expect_find("Hidden", DWX_ALL, false,
		"struct (anonymous namespace)::Hidden, struct (anonymous namespace)::Hidden");
	/* brackets and operators */
	expect_find("geo::Box<int, 4>::at", DWX_ALL, false, "func geo::Box<int, 4>::at");
	expect_find("geo::Box<char, 2>::Node", DWX_ALL, false, "struct geo::Box<char, 2>::Node");
	expect_find(
		"geo::Box<int, 4>::operator<", DWX_ALL, false, "func geo::Box<int, 4>::operator<");
	expect_find("operator-", DWX_ALL, false, "func operator-");
	expect_find("geo::Colour::Red", DWX_ALL, false, "enumerator geo::Colour::Red");
	expect_find("geo::PlainB", DWX_ALL, false, "enumerator geo::PlainB");
	expect_find("Point::Y_AXIS", DWX_ALL, false, "enumerator geo::v2::Point::Y_AXIS");
	expect_find("geo::Box<geo::Colour, 1>::at", DWX_ALL, false,
		"func geo::Box<geo::Colour, 1>::at");
	expect_find("Turned::operator geo::v2::Point", DWX_ALL, false,
		"func Turned::operator geo::v2::Point");
	expect_find("Opaque", DWX_ALL, false, "struct Opaque");
	/* more scopes than there are */
	expect_find("geo::c_entry", DWX_ALL, false, "");
	expect_find("", DWX_ALL, false, "");
	expect_find("::", DWX_ALL, false, "");
	expect_find("geo::", DWX_ALL, false, "");
}

/* Before DWARF 5 nothing says of an anonymous namespace that its names are those around it. */
static void finding_before_5(void **state)
{
	dwx *now = demo_index;
	assert_int_equal(
		sh("g++ -g -w -gdwarf-4 -gstrict-dwarf $D/one.cpp $D/two.cpp -o demo4"), 0);
	dwarf_file f = file("demo4");
	demo_index = index_of(&f.s, 1);
	expect_find("::hidden_function", DWX_ALL, false,
		"func (anonymous namespace)::hidden_function, func (anonymous "
		"namespace)::hidden_function");
	expect_find(
		"::inner::counter", DWX_ALL, false, "var (anonymous namespace)::inner::counter");
	dwx_destroy(demo_index);
	demo_index = now;
	sys_map_close(&f.map);
}

static bool check_value(void *u, const dwx_entry *e)
{
	*(dwx_entry *)u = *e;
	return false;
}

static void values(void **state)
{
	dwx_entry e = {0}, same;
	assert_int_equal(
		dwx_find(demo_index, STR("PlainA"), DWX_ALL, false, check_value, &e), ERR_OK);
	assert_true((int64_t)e.value == -5);
	assert_true(dwx_nth(demo_index, e.index, &same));
	assert_int_equal(same.die, e.die);
	assert_false(dwx_nth(demo_index, UINT32_MAX, &same));
	assert_int_equal(
		dwx_find(demo_index, STR("Widget"), DWX_CLASS, false, check_value, &e), ERR_OK);
	assert_true(e.value > 16 && !e.decl && !e.addr);
	assert_int_equal(
		dwx_find(demo_index, STR("Opaque"), DWX_ALL, false, check_value, &e), ERR_OK);
	assert_true(e.decl);
	assert_int_equal(
		dwx_find(demo_index, STR("depth"), DWX_VAR, false, check_value, &e), ERR_OK);
	assert_true(e.tls && !e.addr);
	assert_int_equal(
		dwx_find(demo_index, STR("always"), DWX_FUNC, false, check_value, &e), ERR_OK);
	assert_true(e.inlined && !e.addr);
	uint64_t cu;
	assert_int_equal(dwx_cu_at(demo_index, 1, &cu, NULL), ERR_NOTFOUND);
	assert_int_equal(dwx_cu_at(demo_index, UINT64_MAX, &cu, NULL), ERR_NOTFOUND);
}

static void matching(void **state)
{
	expect_match("c_ent*", DWX_ALL, "func c_entry");
	expect_match("C_ENT*", DWX_ALL, "func c_entry");
	expect_match(
		"*deep*", DWX_ALL, "struct geo::Widget::Impl::Deep, var a::b::c::deep_variable");
	expect_match("a::b::*", DWX_ALL,
		"struct a::b::c::OnlyHere, var a::b::c::deep_variable, var a::b::c::folded, var "
		"a::b::c::only");
	expect_match("a::b::c::on*", DWX_VAR, "var a::b::c::only");
	expect_match("geo::Box<int, 4>::o*", DWX_ALL, "func geo::Box<int, 4>::operator<");
	expect_match("ge?::Box<int, 4>::o*", DWX_ALL, "func geo::Box<int, 4>::operator<");
	expect_match("geo::Colour::*", DWX_ALL,
		"enumerator geo::Colour::Green, enumerator geo::Colour::Red");
	expect_match("geo::Widget", DWX_ALL, "class geo::Widget");
	expect_match("geo::Widge", DWX_ALL, "");
	expect_match("geo::Widget::", DWX_ALL, "");
	expect_match("[op]p?que", DWX_VAR, "var opaque");
	expect_match("_c_entry", DWX_ALL, "func c_entry");
	expect_match("_geo::Widget", DWX_ALL, "class geo::Widget");
	expect_match("mai+n", DWX_ALL, "func main");
	expect_match("", DWX_ALL, "");
	cancel c = {0};
	lines l = {.x = demo_index};
	atomic_store(&c.flag, true);
	assert_int_equal(dwx_match(demo_index, STR("*"), DWX_ALL, &c, join, &l), ERR_CANCELLED);
	lines_deinit(&l);
}

static void stopping(void **state)
{
	cancel c = {0};
	dwx_options o = {.cancel = &c};
	dwx *x = NULL;
	diag d;
	atomic_store(&c.flag, true);
	assert_int_equal(dwx_build(&demo.s, 1, &o, &x, &d), ERR_CANCELLED);
	assert_null(x);
	dwx_sections none = {0};
	assert_int_equal(dwx_build(&none, 1, NULL, &x, &d), ERR_NOTFOUND);
	assert_int_equal(dwx_build(&none, 0, NULL, &x, &d), ERR_ARG);
}

static void let_go(void *u, const uint8_t *p, size_t n)
{
	*(size_t *)u += n;
	assert_true(p >= demo.map.p && p + n <= demo.map.p + demo.map.n);
}

static void pages(void **state)
{
	size_t n = 0;
	dwx_options o = {.forget = let_go, .u = &n};
	dwx *x = NULL;
	diag d;
	assert_int_equal(dwx_build(&demo.s, 1, &o, &x, &d), ERR_OK);
	assert_true(n >= demo.s.info.n);
	dwx_destroy(x);
}

/* ---- on disk ---- */

static const uint8_t id[20] = "an identity of 20 by";

static void disk(void **state)
{
	diag d = {0};
	dwx *x = NULL;
	lines want = {0}, got = {0};
	lines_of(demo_index, &want);
	assert_int_equal(dwx_save(demo_index, at("index"), id, sizeof id, &d), ERR_OK);
	assert_int_equal(dwx_open(at("index"), id, sizeof id, &demo.s, 1, &x, &d), ERR_OK);
	lines_of(x, &got);
	same_lines("from disk", &want, &got);
	dwx_stats a, b;
	dwx_stats_get(demo_index, &a);
	dwx_stats_get(x, &b);
	assert_true(b.mapped && !a.mapped && a.entries == b.entries && a.units == b.units &&
		    a.ranges == b.ranges && a.scopes == b.scopes);
	(void)dwx_match(x, STR("*"), DWX_FUNC, NULL, in_unit, x);
	assert_int_equal(dwx_verify(x, NULL), ERR_OK);
	assert_int_equal(dwx_verify(demo_index, NULL), ERR_OK);
	dwx_destroy(x);
	x = NULL;
	/* not ours */
	assert_int_equal(dwx_open(at("index"), id, 19, &demo.s, 1, &x, &d), ERR_NOTFOUND);
	assert_int_equal(dwx_open(at("index"), (const uint8_t *)"another of 20 bytes.", 20, &demo.s,
				 1, &x, &d),
		ERR_NOTFOUND);
	dwx_sections other = demo.s;
	other.str.n--;
	assert_int_equal(dwx_open(at("index"), id, sizeof id, &other, 1, &x, &d), ERR_NOTFOUND);
	assert_int_equal(dwx_open(at("no-index"), id, sizeof id, &demo.s, 1, &x, &d), ERR_NOTFOUND);
	assert_int_equal(dwx_save(demo_index, at("no/such/dir"), id, sizeof id, &d), ERR_NOTFOUND);
	assert_int_equal(dwx_save(demo_index, at("index"), id, 65, &d), ERR_ARG);
	assert_null(x);
	lines_deinit(&want);
	lines_deinit(&got);
}

static void put_file(const char *name, const uint8_t *p, size_t n)
{
	FILE *f = fopen(at(name), "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(p, 1, n, f), n);
	fclose(f);
}

static bool look(void *u, const dwx_entry *e)
{
	size_t *n = u;
	for (size_t i = 0; i < e->name.n; i++)
		*n += (uint8_t)e->name.p[i];
	return ++*n < 1 << 20;
}

static void use(const dwx *x)
{
	size_t n = 0;
	dwx_entry e;
	buf b;
	buf_init(&b, 1 << 16);
	(void)dwx_match(x, STR("*e*"), DWX_ALL, NULL, look, &n);
	(void)dwx_match(x, STR("geo::*"), DWX_ALL, NULL, look, &n);
	(void)dwx_find(x, STR("geo::Widget"), DWX_ALL, true, look, &n);
	(void)dwx_find(x, STR("c_entry"), DWX_ALL, false, look, &n);
	for (uint32_t i = 0; i < 2000 && dwx_nth(x, i, &e); i++) {
		buf_clear(&b);
		dwx_qualified(x, &e, &b);
		(void)dwx_cu_at(x, e.addr, NULL, NULL);
	}
	buf_deinit(&b);
}

static uint32_t dice(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static void damaged_disk(void **state)
{
	diag d = {0};
	sys_map m;
	uint32_t seed = 7;
	assert_int_equal(dwx_save(demo_index, at("index"), id, sizeof id, &d), ERR_OK);
	assert_int_equal(sys_map_open(at("index"), &m, &d), ERR_OK);
	uint8_t *p = mem_alloc(m.n);
	for (int i = 0; i < 400; i++) {
		dwx *x = NULL;
		memcpy(p, m.p, m.n);
		size_t n = m.n, where = i < 240 ? (size_t)i : 240 + dice(&seed) % (m.n - 240);
		p[where] ^= (uint8_t)(1u << dice(&seed) % 8);
		if (i % 5 == 4)
			for (int k = 0; k < 40; k++)
				p[240 + dice(&seed) % (m.n - 240)] = (uint8_t)dice(&seed);
		put_file("bad", p, n);
		err e = dwx_open(at("bad"), id, sizeof id, &demo.s, 1, &x, &d);
		if (i < 240) {
			assert_int_equal(e, ERR_CORRUPT);
			assert_non_null(strstr(d.text, "bad"));
			continue;
		}
		assert_int_equal(e, ERR_OK); /* only the header is summed at once */
		assert_int_equal(dwx_verify(x, NULL), ERR_CORRUPT);
		use(x);
		dwx_destroy(x);
	}
	for (size_t n = 0; n < m.n; n += 1 + m.n / 60) {
		dwx *x = NULL;
		put_file("bad", m.p, n);
		assert_int_equal(
			dwx_open(at("bad"), id, sizeof id, &demo.s, 1, &x, &d), ERR_CORRUPT);
	}
	mem_free(p);
	sys_map_close(&m);
}

/* ---- bent sections ---- */

static void bent_sections(void **state)
{
	uint32_t seed = 3;
	static const size_t all[] = {offsetof(dwx_sections, info), offsetof(dwx_sections, abbrev),
		offsetof(dwx_sections, str), offsetof(dwx_sections, line_str),
		offsetof(dwx_sections, aranges), offsetof(dwx_sections, rnglists)};
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		dwx_sections s = demo.s;
		dwx_bytes *which = (dwx_bytes *)((char *)&s + all[i]);
		size_t n = which->n;
		const uint8_t *from = which->p;
		for (int k = 0; k < 300 && n; k++) {
			size_t cut = k % 3 == 2 ? dice(&seed) % n + 1 : n;
			/* Ends where the section ends, so that a read behind it is seen. */
			uint8_t *q = mem_realloc(NULL, cut);
			dwx *x = NULL;
			diag d;
			memcpy(q, from, cut);
			for (uint32_t c = dice(&seed) % 8; c; c--)
				q[dice(&seed) % cut] = k % 2 ? (uint8_t)dice(&seed) : 0xff;
			*which = (dwx_bytes){q, cut};
			if (dwx_build(&s, 1, NULL, &x, &d) == ERR_OK)
				use(x);
			dwx_destroy(x);
			mem_free(q);
		}
	}
}

static int begin(void **state)
{
	snprintf(dir, sizeof dir, "%s/dwarf-index-XXXXXX", getenv("RS_BUILD_ROOT"));
	if (!mkdtemp(dir))
		return -1;
	if (sh("g++ -g -w -gdwarf-5 $D/one.cpp $D/two.cpp -o demo"))
		return -1;
	demo = file("demo");
	demo_index = index_of(&demo.s, 1);
	return 0;
}

static int end(void **state)
{
	dwx_destroy(demo_index);
	sys_map_close(&demo.map);
	return sh("rm -rf '%s'", dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gcc_names),
		cmocka_unit_test(clang_names),
		cmocka_unit_test(link_time_names),
		cmocka_unit_test(split_names),
		cmocka_unit_test(split_addresses),
		cmocka_unit_test(alternate_file),
		cmocka_unit_test(finding),
		cmocka_unit_test(finding_before_5),
		cmocka_unit_test(values),
		cmocka_unit_test(matching),
		cmocka_unit_test(stopping),
		cmocka_unit_test(pages),
		cmocka_unit_test(disk),
		cmocka_unit_test(damaged_disk),
		cmocka_unit_test(bent_sections),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
