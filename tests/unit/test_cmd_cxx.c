/*
 * cmd: ?? .expr r? and C++ expressions in other commands, over an image built by clang and lld in a
 * fake target whose memory and registers can be written. The kernel's types: test_cmd_cxxnt.c.
 */
#include "demo_rig.h"

static int setup(void **state)
{
	demo_begin(state);
	run_line(r, "ed demo!g_outer+20 11 22 33 44 55 66 0123456d ffffffff");
	return 0;
}

static void values(void **state)
{
	static const row rows[] = {
		{"?? g_value", "int 0n42\n"},
		{"?? demo!g_big", "unsigned int64 0x12345678`9abcdef0\n"},
		{"?? g_outer.In[1].a", "int 0n51\n"},
		{"?? g_outer.In[1].lo", "short 0n68\n"},
		{"?? g_outer.In", "struct _INNER [3] 0xfffff800`12343040\n"},
		{"?? g_outer.Flags", "unsigned long 5\n"},
		{"?? g_outer.Color", "enum color BLUE (0n-1)\n"},
		{"?? g_outer.Tag", "unsigned char [8] 0xfffff800`12343068\n \"Tagged\"\n"},
		{"?? g_text", "char * 0xfffff800`12343068\n \"Tagged\"\n"},
		{"?? g_outer.Call == Exported", "bool true\n"},
		{"?? g_outer.Call",
			"int (*)(struct _OUTER *, int) 0xfffff800`12341020 demo!Exported+0\n"},
		{"?? g_outer.Next->Next->In[0]", "struct _INNER\n"
						 "   +0x000 a                : 0n17\n"
						 "   +0x004 b                : 0n34\n"
						 "   +0x004 lo               : 0n34\n"
						 "   +0x006 hi               : 0n0\n"},
		{"?? #CONTAINING_RECORD(&g_outer.Name, _OUTER, Name)->In[0].a", "int 0n17\n"},
		{"?? ns::Thing::count", "int 0n3\n"},
		{"?? sizeof(ns::Thing)", "unsigned int64 0x10\n"},
		{"?? (ULONG)-1", "unsigned long 0xffffffff\n"},
		{"?? ((demo!_OUTER *)@@(demo!g_outer))->In[2].a", "int 0n85\n"},
	};
	check(rows, ARRAY_LEN(rows));
}

static void writes(void **state)
{
	static const row rows[] = {
		{"?? g_value = 7", "int 0n7\n"},
		{"?? g_value += 0x10", "int 0n23\n"},
		{"?? g_value++", "int 0n23\n"},
		{"dd demo!g_value L1", "fffff800`12343000  00000018\n"},
		{"?? g_outer.In[0] = g_outer.In[1]", "struct _INNER\n"
						     "   +0x000 a                : 0n51\n"
						     "   +0x004 b                : 0n68\n"
						     "   +0x004 lo               : 0n68\n"
						     "   +0x006 hi               : 0n0\n"},
		{"?? g_outer.Mode = 0x1f", "unsigned long 0x1f\n"},
		{"?? g_outer.Flags = 9", "unsigned long 1\n"},
		{"?? g_outer.Rest", "unsigned long 0x12345\n"},
		{"dd demo!g_outer+38 L1", "fffff800`12343058  012345f9\n"},
		{"?? g_outer.Color = GREEN", "enum color GREEN (0n2)\n"},
		{"?? g_outer.Ratio = 1.25", "double 1.25\n"},
		{"?? g_outer.Ratio *= 2", "double 2.5\n"},
		{"?? g_outer.Next = 0", "struct _OUTER * 0x00000000`00000000\n"},
		{"?? g_outer.Next = @@(demo!g_outer), g_outer.Next == &g_outer", "bool true\n"},
		{"?? g_outer.Tag[0] = 'J'", "unsigned char 0x4a 'J'\n"},
		{"?? (char *)g_outer.Tag", "char * 0xfffff800`12343068\n \"Jagged\"\n"},
		{"?? g_value = 42", "int 0n42\n"},
	};
	check(rows, ARRAY_LEN(rows));
}

/* In Exported: o at rsp+70h, n at rsp+6ch, r at rsp+44h ..., as clang -O0 lays them. */
static void locals(void **state)
{
	char line[128];
	check((row[]){{"?? o = &g_outer, 0", "int 0n0\n"}, {"?? n = 5", "int 0n5\n"}}, 2);
	check((row[]){{"?? n * 2", "int 0n10\n"}, {"?? o->In[1].a", "int 0n51\n"},
		      {"?? $!n", "int 0n5\n"}, {"?? ::n", "^ Couldn't resolve error at '::n'\n"}},
		3);
	/* dv shows what was assigned, and a frame's own variable hides a global one. */
	HAS(run_line(r, "dv n"), "n = 0n5");
	run_line(r, "?? r = 1234");
	HAS(run_line(r, "dv r"), "r = 0n1234");
	HAS(run_line(r, "? @@c++(&n)"), "Evaluate expression: ");
	/* elsewhere the names are gone */
	run_line(r, "r rip=demo!entry+4");
	snprintf(line, sizeof line, "?? n");
	HAS(run_line(r, line), "Couldn't resolve error at 'n'");
	run_line(r, "r rip=demo!Exported+30");
	HAS(run_line(r, line), "int 0n5");
}

/* @@c++( ) is compiled once, and anew when its names mean something else. */
static void kept(void **state)
{
	HAS(run_line(r, "?? n = 5"), "int 0n5");
	for (int i = 0; i < 3; i++)
		HAS(run_line(r, "? @@c++(n + g_value)"), "Evaluate expression: 47");
	HAS(run_line(r, "?? n = 6"), "int 0n6");
	HAS(run_line(r, "? @@c++(n + g_value)"), "Evaluate expression: 48");
	run_line(r, "r rip=demo!entry+4");
	HAS(run_line(r, "? @@c++(n + g_value)"), "Couldn't resolve error at 'n + g_value'");
	run_line(r, "r rip=demo!Exported+30");
	HAS(run_line(r, "? @@c++(n + g_value)"), "Evaluate expression: 48");
	/* more than are kept */
	for (int i = 0; i < 100; i++) {
		char line[64], want[64];
		snprintf(line, sizeof line, "? @@c++(g_value + %d)", i);
		snprintf(want, sizeof want, "Evaluate expression: %d = ", 42 + i);
		HAS(run_line(r, line), want);
	}
	/* each inside the other, to a limit */
	HAS(run_line(r, "? @@c++(@@masm(@@c++(@@masm(5) + 1) + 1) + 1)"),
		"Evaluate expression: 8 = ");
	char deep[2048];
	size_t n = (size_t)snprintf(deep, sizeof deep, "? ");
	for (int i = 0; i < 60; i++)
		n += (size_t)snprintf(deep + n, sizeof deep - n, "@@c++(@@masm(");
	n += (size_t)snprintf(deep + n, sizeof deep - n, "1");
	for (int i = 0; i < 60; i++)
		n += (size_t)snprintf(deep + n, sizeof deep - n, "))");
	HAS(run_line(r, deep), "nested too deeply");
}

static void typed_temps(void **state)
{
	static const row rows[] = {
		{"r? $t1 = &g_outer", ""},
		{"?? @$t1->In[2].a", "int 0n85\n"},
		{"?? &@$t1->In[1]", "struct _INNER * 0xfffff800`12343048\n"
				    "   +0x000 a                : 0n51\n"
				    "   +0x004 b                : 0n68\n"
				    "   +0x004 lo               : 0n68\n"
				    "   +0x006 hi               : 0n0\n"},
		{"? @$t1 == demo!g_outer", "Evaluate expression: 1 = 00000000`00000001\n"},
		{"r $t1", "$t1=fffff80012343020\n"},
		{"r? $t2 = g_outer.In[1]", ""},
		{"?? @$t2.a", "int 0n51\n"},
		{"?? @$t2.a = 52, g_outer.In[1].a", "int 0n52\n"},
		{"r? $t3 = g_outer.Color", ""},
		{"?? @$t3", "enum color GREEN (0n2)\n"},
		{"r? $t4 = 1.5f", ""},
		{"?? @$t4 * 2", "float 3\n"},
		{"r? $t5 = (char)'x'", ""},
		{"?? @$t5", "char 0n120 'x'\n"},
		{"r? $t6 = g_outer.In", ""},
		{"?? @$t6 + 1 == &g_outer.In[1]", "bool true\n"},
		{"r? $t7 = g_text", ""},
		{"?? @$t7[1]", "char 0n97 'a'\n"},
		{"r? $t8 = &g_text", ""},
		{"?? **@$t8", "char 0n74 'J'\n"},
		{"r? $t9 = -1", ""},
		{"?? @$t9", "int 0n-1\n"},
		{"r? $t10 = @$t1->Next", ""},
		{"?? @$t10->In[2].a", "int 0n85\n"},
		{"r? $t11 = (__int128)1",
			"A value of this type cannot be kept in a pseudo-register; its address "
			"can\n"},
		{"r? $t12 = \"abc\"",
			"A value of this type cannot be kept in a pseudo-register; its address "
			"can\n"},
		/* the types are found again when the symbols were loaded anew */
		{".reload /f demo.dll", ""},
		{"?? @$t1->In[2].a", "int 0n85\n"},
		{"?? @$t2.a", "int 0n52\n"},
		{"?? @$t8 == &g_text", "bool true\n"},
		{"r $t1 = 5", ""},
		{"?? @$t1", "unsigned int64 5\n"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *got = run_line(r, rows[i].line);
		/* errors stand behind a caret */
		const char *caret = strstr(got, "^ ");
		if (caret)
			got = caret + 2;
		if (strcmp(got, rows[i].want))
			fail_msg("%s\ngave:\n%s\nnot:\n%s", rows[i].line, got, rows[i].want);
	}
}

/* The default evaluator is what every command's expressions go through. */
static void default_evaluator(void **state)
{
	HAS(run_line(r, ".expr"), "MASM - Microsoft Assembler expressions");
	HAS(run_line(r, ".expr /s c++"), "Current expression evaluator: C++");
	HAS(run_line(r, "? g_value"), "Evaluate expression: 42 = ");
	HAS(run_line(r, "? 10 + 010"), "Evaluate expression: 18 = ");
	HAS(run_line(r, "? @@(10)"), "Evaluate expression: 16 = ");
	HAS(run_line(r, "dd &g_value L1"), "fffff800`12343000  0000002a");
	HAS(run_line(r, "dd demo!g_outer.Next L1"), "fffff800`12343020  ");
	HAS(run_line(r, ".if (g_value == 42) {.echo yes} .else {.echo no}"), "yes");
	HAS(run_line(r, "j g_value != 42 '.echo yes'; '.echo no'"), "no");
	HAS(run_line(r, ".printf \"%d %d\\n\", g_value, g_value + 1"), "42 43");
	HAS(run_line(r, "r $t0 = g_value * 2; ? @$t0"), "Evaluate expression: 84 = ");
	HAS(run_line(r, "bp demo!hidden; bl; bc *"), "demo!hidden");
	HAS(run_line(r, "? g_outer"), "Type conflict error");
	HAS(run_line(r, ".expr /s masm"), "Current expression evaluator: MASM");
	HAS(run_line(r, "? 10"), "Evaluate expression: 16 = ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values),
		cmocka_unit_test(writes),
		cmocka_unit_test(locals),
		cmocka_unit_test(kept),
		cmocka_unit_test(typed_temps),
		cmocka_unit_test(default_evaluator),
	};
	return cmocka_run_group_tests(tests, setup, demo_teardown);
}
