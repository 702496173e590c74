/* Decorated names: a table, nonsense, and growth. */
#include "fmt/undname.h"

#include "test_fmt_util.h"

static const struct {
	const char *in, *name, *full; /* full NULL: not compared */
} good[] = {
	{"?f@@YAXXZ", "f", "void __cdecl f(void)"},
	{"?f@ns@@YAHHPEBD@Z", "ns::f", "int __cdecl ns::f(int,char const *)"},
	{"?over@D@ns@@QEAAXH@Z", "ns::D::over", "public: void __cdecl ns::D::over(int)"},
	{"??0D@ns@@QEAA@AEAU01@@Z", "ns::D::D", "public: __cdecl ns::D::D(struct ns::D &)"},
	{"??1Base@ns@@UEAA@XZ", "ns::Base::~Base", "public: virtual __cdecl ns::Base::~Base(void)"},
	{"?sm@Base@ns@@2HA", "ns::Base::sm", "public: static int ns::Base::sm"},
	{"?g@@3PEAHEA", "g", "int * g"},
	{"?c@@3QBDB", "c", "char const * const c"},
	{"?v@S@@SAXXZ", "S::v", "public: static void __cdecl S::v(void)"},
	{"?p@S@@AEBAHXZ", "S::p", "private: int __cdecl S::p(void) const"},
	{"?q@S@@MEAA_NXZ", "S::q", "protected: virtual bool __cdecl S::q(void)"},
	{"?va@@YAXPEBDZZ", "va", "void __cdecl va(char const *,...)"},
	{"?n@@YAXX_E", "n", "void __cdecl n(void) noexcept"},
	{"??4S@@QEAAAEAU0@$$QEAU0@@Z",
		"S::operator=", "public: struct S & __cdecl S::operator=(struct S &&)"},
	{"??BS@@QEBAHXZ", "S::operator int", NULL},
	{"??BS@@QEBAPEBDXZ", "S::operator char const *", NULL},
	{"??2@YAPEAX_K@Z", "operator new", "void * __cdecl operator new(unsigned __int64)"},
	{"??_V@YAXPEAX@Z", "operator delete[]", NULL},
	{"??__MS@@QEAAHH@Z", "S::operator<=>", NULL},
	{"??__K_x@@YAHPEBD@Z", "operator \"\"_x", NULL},
	{"??_7type_info@@6B@", "type_info::`vftable'", "const type_info::`vftable'"},
	{"??_7D@@6BBase@@@", "D::`vftable'{for `Base'}", NULL},
	{"??_GD@@UEAAPEAXI@Z", "D::`scalar deleting destructor'", NULL},
	{"??_R0?AVfoo@@@8", "foo `RTTI Type Descriptor'", "class foo `RTTI Type Descriptor'"},
	{"??_R1A@?0A@EA@foo@@8", "foo::`RTTI Base Class Descriptor at (0,-1,0,64)'", NULL},
	{"??_R4foo@@6B@", "foo::`RTTI Complete Object Locator'", NULL},
	{"??_C@_05DMJDNLEJ@April@", "`string'", NULL},
	{"??@0123456789abcdef0123456789abcdef@", "??@0123456789abcdef0123456789abcdef@", NULL},
	{"??__Ex@ns@@YAXXZ", "`dynamic initializer for 'ns::x''", NULL},
	{"??__E?x@ns@@3HA@@YAXXZ", "`dynamic initializer for 'ns::x''", NULL},
	{"??__Fx@@YAXXZ", "`dynamic atexit destructor for 'x''", NULL},
	{"?x@?1??f@@YAXXZ@4HA", "`f'::`2'::x", "int `void __cdecl f(void)'::`2'::x"},
	{"??_B?1??f@@YAXXZ@51", "`f'::`2'::`local static guard'", NULL},
	{"?a@?A0x1234abcd@@YAXXZ", "`anonymous namespace'::a", NULL},
	{"??$t@H@@YAXH@Z", "t<int>", "void __cdecl t<int>(int)"},
	{"??$t@$0A@@@YAXXZ", "t<0>", NULL},
	{"??$t@$0?0@@YAXXZ", "t<-1>", NULL},
	{"??$t@$0CA@@@YAXXZ", "t<32>", NULL},
	{"??$t@$1?g@@YAXXZ@@YAXXZ", "t<&g>", NULL},
	{"??$t@$$V@@YAXXZ", "t<>", NULL},
	{"??$t@P6AHD@Z@@YAXXZ", "t<int (__cdecl*)(char)>", NULL},
	{"??$t@PEAY02H@@YAXXZ", "t<int (*) [3]>", NULL},
	{"??$t@$$BY0A@D@@YAXXZ", "t<char [0]>", NULL},
	{"??$t@$$CBH@@YAXXZ", "t<int const >", NULL},
	{"??$t@$$T@@YAXXZ", "t<std::nullptr_t>", NULL},
	{"??$t@$$A6AHD@Z@@YAXXZ", "t<int __cdecl(char)>", NULL},
	{"?m@?$vec@HV?$alloc@H@std@@@std@@QEAAXXZ", "std::vec<int,std::alloc<int> >::m",
		"public: void __cdecl std::vec<int,class std::alloc<int> >::m(void)"},
	{"??0?$vec@H@std@@QEAA@XZ", "std::vec<int>::vec<int>", NULL},
	{"??$?0H@S@@QEAA@H@Z", "S::S<int>", NULL},
	{"?e@@YAXW4color@ns@@@Z", "e", "void __cdecl e(enum ns::color)"},
	{"?r@@YAXAEBHAEIAH$$QEAH@Z", "r", NULL},
	{"?b@@YAXPEAUx@@0PEAUy@@1@Z", "b",
		"void __cdecl b(struct x *,struct x *,struct y *,struct y *)"},
	{"?mp@@YAXPEQx@@H@Z", "mp", "void __cdecl mp(int x::*)"},
	{"?mf@@YAXP8x@@EAAHH@Z@Z", "mf", "void __cdecl mf(int (__cdecl x::*)(int))"},
	{"?th@S@@WBA@EAAXXZ", "S::th",
		"[thunk]: public: virtual void __cdecl S::th`adjustor{16}'(void)"},
	{"??_EI@@$4PPPPPPPM@A@EAAPEAXI@Z", "I::`vector deleting destructor'",
		"[thunk]: public: virtual void * __cdecl I::`vector deleting "
		"destructor'`vtordisp{-4,0}' (unsigned int)"},
	{"??$?6U?$tr@D@std@@@std@@YAAEAV?$os@D@0@AEAV10@PEBD@Z", "std::operator<<<std::tr<char> >",
		"class std::os<char> & __cdecl std::operator<<<struct std::tr<char> >(class "
		"std::os<char> &,char const *)"},
	{"?ti@@YAX_J_K_W_S_U_N@Z", "ti",
		"void __cdecl ti(__int64,unsigned __int64,wchar_t,char16_t,char32_t,bool)"},
	{"?x86@@YGXPAHPBDQAD@Z", "x86", "void __stdcall x86(int *,char const *,char * const)"},
};

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		buf b;
		buf_init(&b, 0);
		bool ok = undname(str_of(good[i].in), UND_NAME, &b);
		if (!ok || strcmp(buf_z(&b), good[i].name))
			fail_msg("%s: %s, expected %s", good[i].in, ok ? buf_z(&b) : "refused",
				good[i].name);
		buf_clear(&b);
		if (good[i].full) {
			ok = undname(str_of(good[i].in), UND_FULL, &b);
			if (!ok || strcmp(buf_z(&b), good[i].full))
				fail_msg("%s: %s, expected %s", good[i].in,
					ok ? buf_z(&b) : "refused", good[i].full);
		}
		buf_deinit(&b);
	}
}

static void test_bad(void **state)
{
	(void)state;
	static const char *const bad[] = {"", "?", "??", "f", "_f", "?f", "?f@", "?@@YAXXZ",
		"??$t@", "??$t@H", "?1@@YAXXZ", "??_Z@@YAXXZ", "?f@@YAX9@Z", "??$t@$9@@YAXXZ",
		"?f@?", "??1@@QEAA@XZ", "?f@@a", "?f@@5"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		buf b;
		buf_init(&b, 0);
		buf_addz(&b, "before");
		bool ok = undname(str_of(bad[i]), UND_FULL, &b);
		if (ok)
			fail_msg("%s was taken: %s", bad[i], buf_z(&b));
		assert_string_equal(buf_z(&b), "before");
		buf_deinit(&b);
	}
	/* Every prefix of good names: refused or read, never out of bounds. */
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		for (size_t n = 0; n < strlen(good[i].in); n++) {
			buf b;
			buf_init(&b, 0);
			char *cut = mem_alloc(n + 1);
			memcpy(cut, good[i].in, n);
			if (!undname((str){cut, n}, UND_FULL, &b))
				assert_int_equal(b.n, 0);
			mem_free(cut);
			buf_deinit(&b);
		}
	}
}

/* Depth and size are bounded. */
static void test_growth(void **state)
{
	(void)state;
	buf in, out;
	buf_init(&in, 0);
	buf_init(&out, 0);
	buf_addz(&in, "?f@@YAX");
	for (int i = 0; i < 5000; i++)
		buf_addz(&in, "PEA");
	buf_addz(&in, "H@Z");
	assert_false(undname(buf_str(&in), UND_FULL, &out));
	buf_clear(&in);
	/* Each parameter is a function of the two before it, twice: 2^n. */
	buf_addz(&in, "?f@@YAXPEAUaaaaaaaaaaaaaaaaaaaaaaaaaaa@@");
	for (int i = 0; i < 9; i++)
		buf_addf(&in, "P6AX%d%d%d%d%d%d%d%d@Z", i, i, i, i, i, i, i, i);
	buf_addz(&in, "@Z");
	assert_false(undname(buf_str(&in), UND_FULL, &out));
	assert_true(undname(buf_str(&in), UND_NAME, &out)); /* the name itself is simple */
	assert_string_equal(buf_z(&out), "f");
	buf_deinit(&in);
	buf_deinit(&out);
}

static void test_short(void **state)
{
	(void)state;
	static const struct {
		const char *in, *x64, *x86;
	} t[] = {{"?f@C@@QEAAXXZ", "C::f", "C::f"}, {"__imp_?f@@YAXXZ", "__imp_f", "__imp_f"},
		{"plain", "plain", "plain"}, {"_cdecl", "_cdecl", "cdecl"},
		{"_std@12", "_std@12", "std"}, {"@fast@8", "@fast@8", "fast"},
		{"vec@@16", "vec", "vec"}, {"?bad", "?bad", "?bad"}, {"", "", ""},
		{"a@b", "a@b", "a@b"}, {"@", "@", "@"}, {"@@", "@@", "@@"}, {"_", "_", "_"}};
	arena a;
	arena_init(&a);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		assert_true(str_eq(undname_short(&a, str_of(t[i].in), false), str_of(t[i].x64)));
		assert_true(str_eq(undname_short(&a, str_of(t[i].in), true), str_of(t[i].x86)));
	}
	arena_deinit(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_short),
	};
	return cmocka_run_group_tests_name("fmt_undname", tests, NULL, NULL);
}
