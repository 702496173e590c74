/*
 * cmd: the symbol, type and source commands on an image built by clang and lld that lies in a fake
 * target. What is expected is the form of the documentation's samples.
 */
#include "demo_rig.h"

static uint64_t addr_of(const char *name)
{
	sym v;
	diag d;
	diag_clear(&d);
	err e = sym_find(r->e->syms, str_of(name), &v, &d);
	if (e != ERR_OK && e != ERR_AMBIGUOUS)
		fail_msg("%s: %s", name, d.text);
	return v.addr;
}

static int setup(void **state)
{
	static const char *const lines[] = {
		"ed ffffd00011220800 1 2 3 4 5 6 7 8 9 a b c d e f 10 11 12 13",
		"eq demo!g_outer+10 0000000000080006 demo!g_outer+48",
		"ed demo!g_outer+38 0123456c",
	};
	demo_begin(state);
	run_lines(lines, ARRAY_LEN(lines));
	assert_true(addr_of("demo!g_outer") > BASE);
	return 0;
}

/* s -v: an object by its class's table, given itself or by a pointer. */
static void objects(void **state)
{
	static const char *const lines[] = {
		"eq ffffd00011220840 demo!ns::Thing::`vftable'",
		"eq ffffd00011220850 demo!ns::Thing::`vftable'",
		"ed ffffd00011220848 5",
		"ed ffffd00011220858 6",
		"eq ffffd00011220860 ffffd00011220840",
		"eq ffffd00011220868 ffffd00011220860",
	};
	char want[512];
	size_t n = 0;
	run_lines(lines, ARRAY_LEN(lines));
	for (unsigned k = 0; k < 2; k++)
		n += (size_t)snprintf(want + n, sizeof want - n,
			"ffffd000`112208%u0  demo!ns::Thing\n"
			"   +0x000 __VFN_table      : 0xfffff800`%08x\n"
			"   +0x008 m                : 0n%u\n"
			"   =fffff800`%08x count            : 0n3\n",
			4 + k, (unsigned)addr_of("demo!ns::Thing::`vftable'"), 5 + k,
			(unsigned)addr_of("demo!ns::Thing::count"));
	const row rows[] = {
		{"s -v ffffd00011220800 L80 ffffd00011220840", want},
		{"s -[1]v ffffd00011220800 L80 ffffd00011220860",
			"0xffffd000`11220840\n0xffffd000`11220850\n"},
		{"s -v ffffd00011220800 L80 ffffd00011220868",
			"no object with virtual functions there\n"},
	};
	check(rows, ARRAY_LEN(rows));
}

static void dt_types(void **state)
{
	static const row rows[] = {
		{"dt demo!_OUTER", "   +0x000 Links            : _LIST_ENTRY\n"
				   "   +0x010 Name             : _UNICODE_STRING\n"
				   "   +0x020 In               : [3] _INNER\n"
				   "   +0x038 Flags            : Pos 0, 3 Bits\n"
				   "   +0x038 Mode             : Pos 3, 5 Bits\n"
				   "   +0x038 Rest             : Pos 8, 24 Bits\n"
				   "   +0x03c Color            : color\n"
				   "   +0x040 Next             : Ptr64 _OUTER\n"
				   "   +0x048 Tag              : [8] UChar\n"
				   "   +0x050 Ratio            : Double\n"
				   "   +0x058 Call             : Ptr64     int \n"},
		{"dt _LIST_ENTRY", "demo!_LIST_ENTRY\n"
				   "   +0x000 Flink            : Ptr64 _LIST_ENTRY\n"
				   "   +0x008 Blink            : Ptr64 _LIST_ENTRY\n"},
		{"dt demo!color", "   RED = 0n0\n"
				  "   GREEN = 0n2\n"
				  "   BLUE = 0n-1\n"},
		{"dt -v demo!_LIST_ENTRY", "struct _LIST_ENTRY, 2 elements, 0x10 bytes\n"
					   "   +0x000 Flink            : Ptr64 to struct "
					   "_LIST_ENTRY, 2 elements, 0x10 bytes\n"
					   "   +0x008 Blink            : Ptr64 to struct "
					   "_LIST_ENTRY, 2 elements, 0x10 bytes\n"},
		{"dt -r1 demo!_INNER", "   +0x000 a                : Int4B\n"
				       "   +0x004 b                : Int4B\n"
				       "   +0x004 lo               : Int2B\n"
				       "   +0x006 hi               : Int2B\n"},
		{"dt ns::Thing", "demo!ns::Thing\n"
				 "   +0x000 __VFN_table      : Ptr64 \n"
				 "   +0x008 m                : Int4B\n"
				 "   =fffff800`1234301c count            : 0n3\n"},
		{"dt demo!_OUTER In Color", "   +0x020 In    : [3] _INNER\n"
					    "   +0x03c Color : color\n"},
		{"dt demo!_OUTER Links. Name", "   +0x000 Links : _LIST_ENTRY\n"
					       "      +0x000 Flink            : Ptr64 _LIST_ENTRY\n"
					       "      +0x008 Blink            : Ptr64 _LIST_ENTRY\n"
					       "   +0x010 Name  : _UNICODE_STRING\n"},
		{"dt -t demo!_*NT*", "                   demo!_LIST_ENTRY\n"
				     "                   demo!LIST_ENTRY\n"},
		{"dt demo!g_*", "fffff800`12343010  demo!g_big\n"
				"fffff800`12343020  demo!g_outer\n"
				"fffff800`12343008  demo!g_text\n"
				"fffff800`12343000  demo!g_value\n"},
		{"dt -v -s 10 demo!_L*", "Enumerating symbols matching demo!_L*, Size = 0x10\n"
					 "Address            Size Symbol\n"
					 "                    010 demo!_LIST_ENTRY\n"
					 "                    010 demo!LIST_ENTRY\n"},
		{"dt -s 10 -v demo!_U*", "Enumerating symbols matching demo!_U*, Size = 0x10\n"
					 "Address            Size Symbol\n"
					 "                    010 demo!_UNICODE_STRING\n"
					 "                    010 demo!UNICODE_STRING\n"},
		{"dt UCHAR", "UChar\n"},
		{"dt UCHAR[4]", "[4] UChar\n"},
		{"dt demo!Exported", "demo!Exported  int (struct _OUTER *, int)\n"},
		{"dt -ny ULO", "demo!ULONG\n"
			       "demo!ULONG64\n"
			       "Uint4B\n"},
	};
	check(rows, ARRAY_LEN(rows));
}

static void dt_values(void **state)
{
	static const row rows[] = {
		{"dt demo!g_outer",
			"   +0x000 Links            : _LIST_ENTRY [ 0xfffff800`12343030 - "
			"0xfffff800`12343040 ]\n"
			"   +0x010 Name             : _UNICODE_STRING \"慔杧摥\"\n"
			"   +0x020 In               : [3] _INNER\n"
			"   +0x038 Flags            : 0y100\n"
			"   +0x038 Mode             : 0y01101 (0xd)\n"
			"   +0x038 Rest             : 0y000000010010001101000101 (0x12345)\n"
			"   +0x03c Color            : 0n0 ( RED )\n"
			"   +0x040 Next             : 0xfffff800`12343020 _OUTER\n"
			"   +0x048 Tag              : [8]  \"Tagged\"\n"
			"   +0x050 Ratio            : 0\n"
			"   +0x058 Call             : 0xfffff800`12341020     int  "
			"demo!Exported+0\n"},
		{"dt demo!_OUTER demo!g_outer",
			"   +0x000 Links            : _LIST_ENTRY [ 0xfffff800`12343030 - "
			"0xfffff800`12343040 ]\n"
			"   +0x010 Name             : _UNICODE_STRING \"慔杧摥\"\n"
			"   +0x020 In               : [3] _INNER\n"
			"   +0x038 Flags            : 0y100\n"
			"   +0x038 Mode             : 0y01101 (0xd)\n"
			"   +0x038 Rest             : 0y000000010010001101000101 (0x12345)\n"
			"   +0x03c Color            : 0n0 ( RED )\n"
			"   +0x040 Next             : 0xfffff800`12343020 _OUTER\n"
			"   +0x048 Tag              : [8]  \"Tagged\"\n"
			"   +0x050 Ratio            : 0\n"
			"   +0x058 Call             : 0xfffff800`12341020     int  "
			"demo!Exported+0\n"},
		{"dt fffff80012343020 _OUTER Links",
			"demo!_OUTER\n"
			"   +0x000 Links : _LIST_ENTRY [ 0xfffff800`12343030 - 0xfffff800`12343040 "
			"]\n"},
		{"dt demo!_OUTER poi(demo!g_outer + 40) Color", "   +0x03c Color : 0n0 ( RED )\n"},
		{"dt fffff80012343000", "demo!g_value\n"
					"0n42\n"},
		{"dt demo!_OUTER Next.Color demo!g_outer",
			"   +0x040 Next : 0xfffff800`12343020 _OUTER\n"
			"      +0x03c Color            : 0n0 ( RED )\n"},
		{"dt demo!_OUTER Next.Next.Color demo!g_outer",
			"   +0x040 Next : 0xfffff800`12343020 _OUTER\n"
			"      +0x040 Next             : 0xfffff800`12343020 _OUTER\n"
			"         +0x03c Color            : 0n0 ( RED )\n"},
		{"dt -r1 demo!_OUTER Links demo!g_outer",
			"   +0x000 Links : _LIST_ENTRY [ 0xfffff800`12343030 - 0xfffff800`12343040 "
			"]\n"
			"      +0x000 Flink            : 0xfffff800`12343030 _LIST_ENTRY [ "
			"0x00000000`00080006 - 0xfffff800`12343068 ]\n"
			"      +0x008 Blink            : 0xfffff800`12343040 _LIST_ENTRY [ "
			"0x00000000`00000000 - 0x00000000`00000000 ]\n"},
		/* no list in a list in a list, unless a number says so */
		{"dt -r demo!_OUTER Links demo!g_outer",
			"   +0x000 Links : _LIST_ENTRY [ 0xfffff800`12343030 - 0xfffff800`12343040 "
			"]\n"
			"      +0x000 Flink            : 0xfffff800`12343030 _LIST_ENTRY [ "
			"0x00000000`00080006 - 0xfffff800`12343068 ]\n"
			"      +0x008 Blink            : 0xfffff800`12343040 _LIST_ENTRY [ "
			"0x00000000`00000000 - 0x00000000`00000000 ]\n"},
		{"dt -b demo!_OUTER Links In demo!g_outer",
			"   +0x000 Links : _LIST_ENTRY [ 0xfffff800`12343030 - 0xfffff800`12343040 "
			"]\n"
			"      +0x000 Flink            : 0xfffff800`12343030 _LIST_ENTRY [ "
			"0x00000000`00080006 - 0xfffff800`12343068 ]\n"
			"      +0x008 Blink            : 0xfffff800`12343040 _LIST_ENTRY [ "
			"0x00000000`00000000 - 0x00000000`00000000 ]\n"
			"   +0x020 In    : \n"
			"    [00] _INNER\n"
			"      +0x000 a                : 0n0\n"
			"      +0x004 b                : 0n0\n"
			"      +0x004 lo               : 0n0\n"
			"      +0x006 hi               : 0n0\n"
			"    [01] _INNER\n"
			"      +0x000 a                : 0n0\n"
			"      +0x004 b                : 0n0\n"
			"      +0x004 lo               : 0n0\n"
			"      +0x006 hi               : 0n0\n"
			"    [02] _INNER\n"
			"      +0x000 a                : 0n0\n"
			"      +0x004 b                : 0n0\n"
			"      +0x004 lo               : 0n0\n"
			"      +0x006 hi               : 0n0\n"},
		{"dt demo!_OUTER -a In demo!g_outer", "   +0x020 In : \n"
						      "    [00] _INNER\n"
						      "    [01] _INNER\n"
						      "    [02] _INNER\n"},
		{"dt demo!_OUTER -a2 In demo!g_outer", "   +0x020 In : \n"
						       "    [00] _INNER\n"
						       "    [01] _INNER\n"},
		{"dt demo!_OUTER In[1].a demo!g_outer", "   +0x028 In[1] : _INNER\n"
							"      +0x000 a                : 0n0\n"},
		{"dt -c demo!_INNER demo!g_outer+8", "+0x000 a : 0n305410112 +0x004 b : 0n-2048 "
						     "+0x004 lo : 0n-2048 +0x006 hi : 0n-1 \n"},
		{"dt -o -i demo!_INNER demo!g_outer", "a                : 0n305410096\n"
						      "b                : 0n-2048\n"
						      "lo               : 0n-2048\n"
						      "hi               : 0n-1\n"},
		{"dt -l Next demo!_OUTER -yoi Co demo!g_outer",
			"Next at 0xfffff800`12343020\n"
			"---------------------------------------------\n"
			"Color : 0n0 ( RED )\n"},
		{"dt -ca3 ULONG demo!g_big", "[0] 0x9abcdef0\n"
					     "[1] 0x12345678\n"
					     "[2] 7\n"},
		{"dt -a2 . demo!g_big", "Using sym ULONG\n"
					"[0] 0x9abcdef0\n"
					"[1] 0x12345678\n"},
		{"dt UCHAR[8] demo!g_outer+48", "[8]  \"Tagged\"\n"},
		{"dt (unsigned long) demo!g_value", "0x2a\n"},
		{"dt demo!_OUTER* demo!g_outer+40", "                   demo!_OUTER\n"
						    "                   demo!OUTER\n"},
		{"dt (demo!_OUTER *) demo!g_outer+40", "0xfffff800`12343020 _OUTER\n"},
		{"dt demo!g_text", "0xfffff800`12343068  \"Tagged\"\n"},
		{"dt demo!INNER 10", "   +0x000 a                : ??\n"
				     "   +0x004 b                : ??\n"
				     "   +0x004 lo               : ??\n"
				     "   +0x006 hi               : ??\n"
				     "Memory read error 00000000`00000010\n"},
		{"dt -p demo!_INNER 10", "   +0x000 a                : ??\n"
					 "   +0x004 b                : ??\n"
					 "   +0x004 lo               : ??\n"
					 "   +0x006 hi               : ??\n"
					 "Memory read error 00000000`00000010\n"},
	};
	check(rows, ARRAY_LEN(rows));
}

static void dt_refuses(void **state)
{
	static const row rows[] = {
		{"dt nosuch", "Symbol nosuch not found.\n"},
		{"dt demo!_OUTER Nope", "_OUTER has no field Nope\n"},
		{"dt UCHAR[0x4] demo!g_text", "[0x4]: subscripts are decimal numbers\n"},
		{"dt -z", "dt has no option -z; dt -h lists them\n"},
		{"dt .nope", "Symbol .nope not found.\n"},
		{"dt -r0 demo!_OUTER", "-r takes a depth from 1 to 9\n"},
		{"dt int a", "??\n"},
		{"dt -l Nope demo!_OUTER demo!g_outer", "_OUTER has no field Nope\n"},
		{"dt -l Color demo!_OUTER demo!g_outer", "-l Color is no pointer\n"},
	};
	check(rows, ARRAY_LEN(rows));
}

static void dt_switches(void **state)
{
	static const row rows[] = {
		{".force_radix_output 1", ""},
		{"dt demo!g_value", "0x2a\n"},
		{".force_radix_output 0", ""},
		{"dt demo!g_value", "0n42\n"},
		{".enable_long_status 1", ""},
		{"dt long demo!g_value", "0x2a\n"},
		{".enable_long_status 0", ""},
		{"dt long demo!g_value", "0n42\n"},
		{".enable_unicode 1", ""},
		{"dt USHORT[3] demo!g_outer+48", "[3]  \"慔杧摥\"\n"},
		{".enable_unicode 0", ""},
		{".enable_unicode 2", ".enable_unicode takes 0 or 1\n"},
		{".enable_unicode", "                   ^ Syntax error in '.enable_unicode'\n"},
	};
	check(rows, ARRAY_LEN(rows));
}

static void dv_forms(void **state)
{
	static const row rows[] = {
		{"dv", "              o = 0x00000010`0000000f\n"
		       "              n = 0n18\n"
		       "              r = 0n14\n"
		       "              i = 0n13\n"
		       "           part = 0n12\n"},
		{"dv /v", "ffffd000`11220838               o = 0x00000010`0000000f\n"
			  "ffffd000`11220844               n = 0n18\n"
			  "ffffd000`11220834               r = 0n14\n"
			  "ffffd000`11220830               i = 0n13\n"
			  "ffffd000`1122082c            part = 0n12\n"},
		{"dv /V", "ffffd000`11220838 @rsp+0x0038               o = 0x00000010`0000000f\n"
			  "ffffd000`11220844 @rsp+0x0044               n = 0n18\n"
			  "ffffd000`11220834 @rsp+0x0034               r = 0n14\n"
			  "ffffd000`11220830 @rsp+0x0030               i = 0n13\n"
			  "ffffd000`1122082c @rsp+0x002c            part = 0n12\n"},
		{"dv /t", "struct _OUTER * o = 0x00000010`0000000f\n"
			  "int n = 0n18\n"
			  "int r = 0n14\n"
			  "int i = 0n13\n"
			  "int part = 0n12\n"},
		{"dv /i /V", "prv param  ffffd000`11220838 @rsp+0x0038               o = "
			     "0x00000010`0000000f\n"
			     "prv param  ffffd000`11220844 @rsp+0x0044               n = 0n18\n"
			     "prv local  ffffd000`11220834 @rsp+0x0034               r = 0n14\n"
			     "prv local  ffffd000`11220830 @rsp+0x0030               i = 0n13\n"
			     "prv local  ffffd000`1122082c @rsp+0x002c            part = 0n12\n"},
		{"dv /f demo!helper", "                  @rsp+0x0004 x\n"
				      "                  @rsp+0x0000 twice\n"},
		{"dv /f demo!helper \"t*\"", "                  @rsp+0x0000 twice\n"},
		{"dv r*", "              r = 0n14\n"},
		{"dv /N", "              r = 0n14\n"
			  "           part = 0n12\n"
			  "              o = 0x00000010`0000000f\n"
			  "              n = 0n18\n"
			  "              i = 0n13\n"},
		{"dv /q", "dv has no flag /q\n"},
		{"x *", "ffffd000`11220838               o = 0x00000010`0000000f\n"
			"ffffd000`11220844               n = 0n18\n"
			"ffffd000`11220834               r = 0n14\n"
			"ffffd000`11220830               i = 0n13\n"
			"ffffd000`1122082c            part = 0n12\n"},
		{"dt part", "Local var @ 0xffffd0001122082c Type int\n"
			    "0n12\n"},
		{"dt r", "Local var @ 0xffffd00011220834 Type int\n"
			 "0n14\n"},
		{"dt O Color", "Local var @ 0xffffd00011220838 Type struct _OUTER *\n"
			       "   +0x03c Color : ??\n"},
	};
	check(rows, ARRAY_LEN(rows));
}

/* A return address behind a block's last call: the caller is still in the block, who stops there is
 * not. */
static void locals_of_a_caller(void **state)
{
	x64_regs regs = {0};
	eng_ctx saved = eng_ctx_save(r->e);
	uint64_t end = addr_of("demo!Exported") + 0x30, top = end + 0x400;

	assert_int_equal(eng_regs(r->e, X64_SET_GENERAL, &regs, NULL), ERR_OK);
	r->e->ctx.frame = 1;
	r->e->ctx.frame_set = true;
	r->e->ctx.frame_regs = regs;
	for (; end < top; end++) {
		r->e->ctx.frame_regs.rip = end;
		if (!strstr(run_line(r, "dv part"), "part = "))
			break;
	}
	assert_true(end < top);
	assert_null(strstr(run_line(r, "dt part"), "0n12"));
	r->e->ctx.frame_call = true;
	assert_non_null(strstr(run_line(r, "dv part"), "part = "));
	assert_non_null(strstr(run_line(r, "dt part"), "0n12"));
	eng_ctx_restore(r->e, &saved);
}

static void x_forms(void **state)
{
	static const row rows[] = {
		{"x demo!g_*", "fffff800`12343000 demo!g_value = 0n42\n"
			       "fffff800`12343008 demo!g_text = 0xfffff800`12343068 \"Tagged\"\n"
			       "fffff800`12343010 demo!g_big = 0x12345678`9abcdef0\n"
			       "fffff800`12343020 demo!g_outer = struct _OUTER\n"},
		{"x /t demo!g_value", "fffff800`12343000 int demo!g_value = 0n42\n"},
		{"x /v demo!*o*er",
			"prv func   fffff800`123411c0   1c demo!ns::Thing::Over (int)\n"
			"prv func   fffff800`123411e0   20 demo!ns::Thing::Over (double)\n"
			"prv global fffff800`12343020   60 demo!g_outer = struct _OUTER\n"},
		{"x /0 demo!g_v*", "fffff800`12343000 \n"},
		{"x /1 demo!g_*", "demo!g_value\n"
				  "demo!g_text\n"
				  "demo!g_big\n"
				  "demo!g_outer\n"},
		{"x /2 /Z demo!g_*", "fffff800`12343020 demo!g_outer\n"
				     "fffff800`12343008 demo!g_text\n"
				     "fffff800`12343010 demo!g_big\n"
				     "fffff800`12343000 demo!g_value\n"},
		{"x /s 8 /2 demo!g_*", "fffff800`12343008 demo!g_text\n"
				       "fffff800`12343010 demo!g_big\n"},
		{"x /q demo!g_value", "fffff800`12343000 @!\"demo!g_value\" = 0n42\n"},
		{"x /f /1 demo!*e*d", "demo!Exported\n"
				      "demo!ns::Thing::Method\n"},
		{"x /d /1 demo!*e*d", "demo!_fltused\n"},
		{"x /p demo!entry",
			"fffff800`123410e0 demo!entry(void *, unsigned long, void *)\n"},
		{"x demo!ns::twice<*", "fffff800`12341220 demo!ns::twice<int> (int)\n"
				       "fffff800`12341230 demo!ns::twice<double> (double)\n"},
		{"x demo!nothing*", ""},
		{"x nosuch!*", "Couldn't resolve 'x nosuch!*': no module nosuch\n"},
		{"x /w demo!*", "x has no option /w\n"},
		{"x", "     ^ Syntax error in 'x'\n"},
	};
	check(rows, ARRAY_LEN(rows));
}

static void ln_forms(void **state)
{
	static const row rows[] = {
		{"ln demo!Exported", "(fffff800`12341020)   demo!Exported   |  (fffff800`123410a0) "
				     "  demo!hidden\n"
				     "Exact matches:\n"
				     "    demo!Exported (struct _OUTER *, int)\n"},
		{"ln demo!Exported+5", "(fffff800`12341020)   demo!Exported+0x5   |  "
				       "(fffff800`123410a0)   demo!hidden\n"},
		{"ln 10", "No symbols near 00000000`00000010\n"},
		{".lines -e", "Line number information will be loaded\n"},
		{".lines -d", "Line number information will not be loaded\n"},
		{".lines", "Line number information will be loaded\n"},
	};
	check(rows, ARRAY_LEN(rows));
}

static void source_lines(void **state)
{
	HAS(run_line(r, ".lines -e"), "will be loaded");
	const char *got = run_line(r, "lsa demo!hidden");
	HAS(got, ">   32: {\n");
	HAS(got, "    33: \treturn o->In[n].a + helper(n);\n");
	HAS(run_line(r, "ls"), "    42: "); /* goes on behind the last one */
	HAS(run_line(r, "ls 2, 1"), "     2: typedef unsigned char UCHAR;\n");
	HAS(run_line(r, "lsc"), "demo.c(3)\n");
	HAS(run_line(r, "ls 100000"), "has no line 100000");
	HAS(run_line(r, "ln demo!Exported+30"), "demo.c(");
	HAS(run_line(r, "lsp -a 4"), "For ls and lsa, display 2 lines before and 2 after");
	HAS(run_line(r, "lsa demo!hidden"), "    30: }\n");
	HAS(run_line(r, "ls . , 1"), ": ");
	HAS(run_line(r, "lsf- demo.c"), "Unloaded ");
	HAS(run_line(r, "ls"), "No current source file");
	HAS(run_line(r, "lsf nowhere.c"), "Unable to find file 'nowhere.c'");
	/* along the source path, by ever shorter tails of the path */
	put_text(at_world("src/deep/some.c"), "first\nsecond\n");
	HAS(run_line(r, arena_printf(&world, ".srcpath /nowhere;%s", at_world("src"))),
		"Source search path is: /nowhere;");
	run_line(r, "lsf c:\\build\\deep\\some.c");
	HAS(run_line(r, "ls"), "     2: second\n");
	HAS(run_line(r, ".srcpath+ /more"), ";/more\n");
	HAS(run_line(r, ".lsrcpath"), ";/more\n");
	HAS(run_line(r, "l+t"), "1/t - Step/trace by source line");
	HAS(run_line(r, "l-*"), "Source options are 0:");
	HAS(run_line(r, "l+q"), "takes one of");
	HAS(run_line(r, ".lines -d"), "will not be loaded");
	HAS(run_line(r, "lsa demo!hidden"), "Source line support is off");
}

static void paths(void **state)
{
	HAS(run_line(r, ".sympath"), "Symbol search path is: /");
	HAS(run_line(r, ".sympath+ /no/such/dir"), "Error");
	HAS(run_line(r, ".exepath /x"), "Executable image search path is: /x\n");
	HAS(run_line(r, ".exepath+ /y"), "Executable image search path is: /x;/y\n");
	HAS(run_line(r, ".symopt"),
		"Symbol options are 0xB0227:\n  0x00000001 - SYMOPT_CASE_INSENSITIVE\n");
	HAS(run_line(r, ".symopt+ 10"), "SYMOPT_LOAD_LINES");
	HAS(run_line(r, ".symopt- 10"), "Symbol options are 0xB0227:");
	HAS(run_line(r, ".symopt+40000"), "SYMOPT_SECURE");
	HAS(run_line(r, ".symopt-40000"), "cannot be cleared");
	HAS(run_line(r, "!sym noisy"), "noisy mode");
	HAS(run_line(r, "!sym"), "noisy mode - symbol prompts off");
	HAS(run_line(r, "!sym quiet"), "quiet mode");
	HAS(run_line(r, "!sym loud"), "Syntax error");
	/* as the documentation shows it */
	run_line(r, arena_printf(&world, ".symfix %s", at_world("fix")));
	HAS(run_line(r, ".sympath"), "Symbol search path is: srv*\n");
	HAS(run_line(r, ".sympath"),
		arena_printf(&world, "cache*%s;SRV*https://msdl.microsoft.com/download/symbols\n",
			at_world("fix")));
	HAS(run_line(r, ".sympath /some;/where"), "Symbol search path is: /some;/where\n");
	run_line(r, ".symfix+");
	HAS(run_line(r, ".sympath"), "Symbol search path is: /some;/where;srv*\n");
	run_line(r, arena_printf(&world, ".sympath %s", at_world("priv")));
}

static void module_commands(void **state)
{
	const char *file = at_world("priv/demo.pdb");
	run_line(r, ".reload demo.dll");
	HAS(run_line(r, "lm m demo"),
		"start             end                 module name\n"
		"fffff800`12340000 fffff800`12346000   demo       (deferred)\n");
	expect(r, "lm 1m m d*", "demo\n");
	expect(r, "lm1mmd*", "demo\n");
	expect(r, "ld demo", "Symbols loaded for demo\n");
	expect(r, "ld demo", "Symbols already loaded for demo\n");
	expect(r, "ld /f demo.*", "Symbols already loaded for demo\n");
	HAS(run_line(r, "ld nothere"), "no module matches nothere");
	/* lld writes no checksum */
	HAS(run_line(r, "lm m demo"), arena_printf(&world,
					      "fffff800`12340000 fffff800`12346000   demo     C "
					      "(private pdb symbols)  %s\n",
					      file));
	HAS(run_line(r, "lm a (demo!g_value + 1)"), "   demo ");
	HAS(run_line(r, "lm e"), "   demo ");
	HAS(run_line(r, "lmkn m demo"), "   demo       demo.dll\n");
	assert_null(strstr(run_line(r, "lmu"), "demo"));
	const char *v = run_line(r, "lmvm demo");
	HAS(v, "    Image name: demo.dll\n");
	HAS(v, "(This is a reproducible build file hash, not a timestamp)\n");
	HAS(v, "    ImageSize:        00006000\n");
	HAS(run_line(r, "lm q"), "lm has no option q");
	HAS(run_line(r, "lm m"), "needs a pattern");
	HAS(run_line(r, "!lmi demo"), "    Symbol Type: PDB ");
	HAS(run_line(r, "!lmi demo"), "   Machine Type: 34404 (X64)\n");
	HAS(run_line(r, "!lmi demo!g_value"), "Loaded Module Info: [demo] \n");
	HAS(run_line(r, "!lmi 12"), "is not a loaded module");
	HAS(run_line(r, "!chksym demo"), "demo.pdb matches demo.dll\n");
	HAS(run_line(r, "!dh -f demo"), "    8664 machine (X64)\n");
	HAS(run_line(r, "!dh -s demo"), "   .text name\n");
	/* options behind the address */
	HAS(run_line(r, "!dh demo -s"), "   .text name\n");
	assert_null(strstr(run_line(r, "!dh demo -s"), "FILE HEADER"));
	HAS(run_line(r, "!dh demo -f"), "    8664 machine (X64)\n");
	assert_null(strstr(run_line(r, "!dh -s demo"), "FILE HEADER"));
	/* .reload forgets, /f loads at once, /i accepts another build's PDB */
	run_line(r, ".reload demo");
	HAS(run_line(r, "lm m demo"), "(deferred)");
	run_line(r, ".reload /f demo.dll");
	HAS(run_line(r, "lm m demo"), "(private pdb symbols)");
	build_demo(at_world("other"), "demo", true, "-O1");
	run("mv '%s' '%s.away'", file, file); /* else it is found beside the image */
	run_line(r, arena_printf(&world, ".sympath %s", at_world("other")));
	const char *mis = run_line(r, ".reload /f demo.dll");
	HAS(mis, "*** WARNING: mismatched pdb ");
	HAS(run_line(r, "lm m demo"), "(export symbols)");
	HAS(run_line(r, "x demo!*"), "demo!Exported (<no parameter info>)\n");
	HAS(run_line(r, ".reload /i demo.dll"), "loaded for demo.dll as asked");
	HAS(run_line(r, "lm m demo"), "demo     M (private pdb symbols)");
	HAS(run_line(r, "!chksym demo"), "does NOT match");
	run("mv '%s.away' '%s'", file, file);
	run_line(r, arena_printf(&world, ".sympath %s", at_world("priv")));
	HAS(run_line(r, ".reload nosuch.sys"), "\"nosuch.sys\" was not found in the image list.\n");
	HAS(run_line(r, ".reload /x"), ".reload has no option /x");
	HAS(run_line(r, ".reload /n /user"), "exclude each other");
	HAS(run_line(r, ".reload /l"), "module name\n");
	expect(r, ".reload /u demo", "Unloaded demo.dll\n");
	HAS(run_line(r, "lm m demo"), "module name\n\nUnloaded modules:\nfffff800`12340000 "
				      "fffff800`12346000   demo.dll\n");
	HAS(run_line(r, ".reload /u demo"), "Unable to find module 'demo'");
	run_line(r, ".reload /unl demo.dll");
	HAS(run_line(r, "lm o m demo"), "fffff800`12340000 fffff800`12346000   demo ");
	HAS(run_line(r, "? demo!g_value"), "fffff800`12343000");
}

/* Cancelled in the middle: the commands end and say so. */
static void cancelling(void **state)
{
	atomic_store(&r->e->cancel.flag, true);
	sym_list l;
	assert_int_equal(sym_match(r->e->syms, STR("demo!*"), 0, &l, NULL), ERR_CANCELLED);
	atomic_store(&r->e->cancel.flag, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(dt_types), cmocka_unit_test(dt_values),
		cmocka_unit_test(dt_refuses), cmocka_unit_test(dt_switches),
		cmocka_unit_test(dv_forms), cmocka_unit_test(locals_of_a_caller),
		cmocka_unit_test(x_forms), cmocka_unit_test(ln_forms),
		cmocka_unit_test(source_lines), cmocka_unit_test(paths),
		cmocka_unit_test(module_commands), cmocka_unit_test(objects),
		cmocka_unit_test(cancelling)};
	return cmocka_run_group_tests(tests, setup, demo_teardown);
}
