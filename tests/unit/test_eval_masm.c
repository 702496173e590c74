/* eval: MASM expressions - values, where they end, what their errors say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "eval/masm.h"

#include "base/reader.h"

#include <stdio.h>

/* ---- an environment of its own: a few names, 64 bytes of memory at 0x1000 ---- */

typedef struct world {
	unsigned symbol_calls, reg_calls, slot_calls;
	uint64_t rip;
} world;

static err w_symbol(void *u, str name, uint64_t *ret, diag *d)
{
	static const struct {
		const char *name;
		uint64_t v;
	} rows[] = {
		{"nt", 0xfffff80000000000}, {"nt!NtCreateFile", 0xfffff80000123450},
		{"NtCreateFile", 0xfffff80000123450}, {"nt!KiSystemCall64", 0xfffff80000456780},
		{"nt!fade", 0xfffff80000000fad}, {"fade", 0xfffff80000000fad}, {"Foo::Bar", 0x1122},
		{"m!Foo::~Foo", 0x3344}, {"m!vec<int>::push", 0x5566}, {"m!vec<int>", 0x5577},
		{"m!pair<a,b<c>>", 0x5588}, {"m!`anonymous namespace'::f", 0x7788},
		{"m!C::`vftable'", 0x8899}, {"m!don't", 0x99aa}, {"m!_Old@8", 0xaabb},
		{"m!std::operator<", 0xbbcc}, {"std::pair<int, char>::operator=", 0xccdd},
		{"$!local", 0xddee}, {"m!x", 0x1000}, {"main.table", 0x2200},
		{"CreateFileW", 0x4242}, {"a", 1}, /* must lose against the number */
		{"eax", 2},			   /* must lose against the register */
	};
	world *w = u;
	w->symbol_calls++;
	if (str_ieq(name, STR("two")))
		return diag_set(d, ERR_AMBIGUOUS, "two of them");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (str_ieq(name, str_of(rows[i].name))) {
			*ret = rows[i].v;
			return ERR_OK;
		}
	return diag_set(d, ERR_NOTFOUND, "no such name");
}

static const char *const reg_names[] = {
	"rax", "eax", "rip", ".", "$t0", "$ip", "$ea", "r8", "cf", "ebx", "al"};

static bool w_is_reg(void *u, str name)
{
	for (size_t i = 0; i < ARRAY_LEN(reg_names); i++)
		if (str_ieq(name, str_of(reg_names[i])))
			return true;
	return false;
}

static err w_reg(void *u, str name, uint64_t *ret, diag *d)
{
	world *w = u;
	w->reg_calls++;
	if (str_ieq(name, STR("$ea")))
		return diag_set(d, ERR_NOTFOUND, "none");
	if (str_ieq(name, STR("rip")) || str_eq(name, STR(".")) || str_ieq(name, STR("$ip")))
		*ret = w->rip;
	else if (str_ieq(name, STR("$t0")))
		*ret = 0x80000001;
	else if (str_ieq(name, STR("eax")))
		*ret = 0xffffffff80000000;
	else if (str_ieq(name, STR("ebx")))
		*ret = 0xeb;
	else
		*ret = 0x10;
	return ERR_OK;
}

static err w_read(void *u, bool phys, uint64_t addr, void *out, size_t n, diag *d)
{
	uint64_t base = phys ? 0x5000 : 0x1000;
	if (addr < base || addr + n > base + 64)
		return diag_set(d, ERR_FAULT, "no memory there");
	for (size_t i = 0; i < n; i++)
		((uint8_t *)out)[i] = (uint8_t)(addr - base + i + (phys ? 0x40 : 1));
	return ERR_OK;
}

static err w_line(void *u, str module, str file, uint32_t line, uint64_t *ret, diag *d)
{
	if (str_eq(file, STR("x.c")) && line == 12)
		*ret = str_eq(module, STR("m")) ? 0x2012 : 0x1012;
	else if (str_eq(file, STR("c:\\src\\x.c")))
		*ret = 0x3000 + line;
	else if (!file.n)
		*ret = 0x4000 + line;
	else
		return diag_set(d, ERR_NOTFOUND, "no such line");
	return ERR_OK;
}

static err w_cxx(void *u, str expr, uint64_t *ret, diag *d)
{
	*ret = expr.n;
	return ERR_OK;
}

static err w_fnsucc(void *u, uint64_t fn, uint64_t v, uint64_t flag, uint64_t *ret, diag *d)
{
	*ret = fn == 1 ? (flag ? !v : !!v) : 7;
	return ERR_OK;
}

static err w_entry(void *u, uint64_t base, uint64_t *ret, diag *d)
{
	*ret = base + 0x99;
	return ERR_OK;
}

static bool w_valid(void *u, uint64_t addr, uint64_t n)
{
	return addr >= 0x1000 && addr + n <= 0x1040;
}

static masm_env env_of(world *w)
{
	*w = (world){.rip = 0xfffff80000123456};
	return (masm_env){.u = w,
		.radix = 16,
		.ptr_size = 8,
		.kernel = false,
		.symbol = w_symbol,
		.is_reg = w_is_reg,
		.reg = w_reg,
		.read = w_read,
		.line = w_line,
		.cxx = w_cxx,
		.fnsucc = w_fnsucc,
		.entry = w_entry,
		.valid = w_valid};
}

/* ---- values ---- */

typedef struct value_row {
	const char *text;
	uint64_t want;
} value_row;

static void expect_values(const masm_env *env, const value_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t v = 0xdead;
		diag d;
		diag_clear(&d);
		err e = masm_eval(env, str_of(rows[i].text), NULL, &v, &d);
		if (e != ERR_OK)
			fail_msg("%s: %s", rows[i].text, d.text);
		if (v != rows[i].want)
			fail_msg("%s is 0x%llx, not 0x%llx", rows[i].text, (unsigned long long)v,
				(unsigned long long)rows[i].want);
	}
}

static void numbers(void **state)
{
	static const value_row hex[] = {
		{"0", 0},
		{"10", 16},
		{"0x10", 16},
		{"0X1f", 31},
		{"0n10", 10},
		{"0t10", 8},
		{"0y101", 5},
		{"4ab3h", 0x4ab3},
		{"4AB3H", 0x4ab3},
		{"0x4AB3", 0x4ab3},
		{"0x", 0},
		{"0n", 0},
		{"0t + 1", 1},
		{"beef", 0xbeef},
		{"beefh", 0xbeef},
		{"a", 10},
		{"add", 0xadd},
		{"fffff800`00123456", 0xfffff80000123456},
		{"fffff80000123456", 0xfffff80000123456},
		{"0`EEAA1122", 0xeeaa1122},
		{"0x0`ffffffff", 0xffffffff},
		{"80000000", 0x80000000},
		{"ffffffffffffffff", UINT64_MAX},
		{"0b1", 0xb1},
		{"fade", 0xfade},
		{"!fade", 0xfffff80000000fad},
		{"nt!fade", 0xfffff80000000fad},
	};
	static const value_row dec[] = {
		{"10", 10},
		{"0x10", 16},
		{"12h", 18},
		{"0ah", 10},
		{"0t17", 15},
		{"99", 99},
		{"fade", 0xfffff80000000fad},
		{"a", 1},
	};
	static const value_row oct[] = {{"17", 15}, {"0n9", 9}, {"10h", 16}, {"777", 511}};
	world w;
	masm_env env = env_of(&w);
	expect_values(&env, hex, ARRAY_LEN(hex));
	env.radix = 10;
	expect_values(&env, dec, ARRAY_LEN(dec));
	env.radix = 8;
	expect_values(&env, oct, ARRAY_LEN(oct));
}

static void sign_extension(void **state)
{
	static const value_row kernel[] = {
		{"EEAA1122", 0xffffffffeeaa1122},
		{"00000000EEAA1122", 0xffffffffeeaa1122},
		{"00000000`EEAA1122", 0xeeaa1122},
		{"0`EEAA1122", 0xeeaa1122},
		{"7fffffff", 0x7fffffff},
		{"80000000", 0xffffffff80000000},
		{"100000000", 0x100000000},
		{"0n2147483648", 0xffffffff80000000},
		{"( 0x0`FFFFFFFF & EEAA1122 )", 0xeeaa1122},
		/* Results are not extended, pseudo-registers neither; a 32-bit register is. */
		{"7fffffff + 1", 0x80000000},
		{"@$t0", 0x80000001},
		{"@eax", 0xffffffff80000000},
	};
	world w;
	masm_env env = env_of(&w);
	env.kernel = true;
	expect_values(&env, kernel, ARRAY_LEN(kernel));
}

static void operators(void **state)
{
	static const value_row rows[] = {
		{"1+2*3", 7},
		{"(1+2)*3", 9},
		{"[1+2]*3", 9},
		{"8-2-1", 5},
		{"0n100/7", 14},
		{"0n100 mod 7", 2},
		{"0n100 % 7", 2},
		{"1<<4", 16},
		{"80 >> 4", 8},
		{"-10 >> 4", 0x0fffffffffffffff},
		{"-10 >>> 4", UINT64_MAX},
		{"1 << 40", 0},
		{"1 << 3 + 1", 16},
		{"4 & 4 = 4", 0},
		{"(4 & 4) = 4", 1},
		{"1 = 1", 1},
		{"1 == 2", 0},
		{"1 != 2", 1},
		{"1 < 2", 1},
		{"2 <= 2", 1},
		{"3 > 4", 0},
		{"3 >= 4", 0},
		{"c & a", 8},
		{"c and a", 8},
		{"c | 3", 15},
		{"c or 3", 15},
		{"c ^ a", 6},
		{"c XOR a", 6},
		{"1 or 2 xor 3 and 1", 3},
		{"-1", UINT64_MAX},
		{"+5", 5},
		{"- - 5", 5},
		{"not 0", 1},
		{"NOT 5", 0},
		{"not(0)", 1},
		{"hi 12345678", 0x1234},
		{"low 12345678", 0x5678},
		{"hi(1`12345678)", 0x1234},
		{"not 1 + 1", 1},
		{"@rax + 0x10 + 0t10 + 0y10", 0x2a},
		{"2*-3", (uint64_t)-6},
		{"1 - -1", 2},
		{"5 - 3 + 1", 3},
		{"0-1 > 0", 1},
	};
	world w;
	masm_env env = env_of(&w);
	expect_values(&env, rows, ARRAY_LEN(rows));
}

static void memory(void **state)
{
	static const value_row rows[] = {
		{"by 1000", 0x01},
		{"by(1001)", 2},
		{"wo 1000", 0x0201},
		{"dwo 1000", 0x04030201},
		{"qwo(1000)", 0x0807060504030201},
		{"poi(1000)", 0x0807060504030201},
		{"poi 1000 + 1", 0x0807060504030202},
		{"poi(1000+8) & ff", 9},
		{"$pby 5000", 0x40},
		{"$pwo(5001)", 0x4241},
		{"$pdwo 5000", 0x43424140},
		{"$pqwo 5000", 0x4746454443424140},
		{"$ppoi(5000)", 0x4746454443424140},
		{"by(m!x + 3)", 4},
		{"poi(m!x)", 0x0807060504030201},
	};
	world w;
	masm_env env = env_of(&w);
	expect_values(&env, rows, ARRAY_LEN(rows));
	env.ptr_size = 4;
	uint64_t v;
	assert_int_equal(masm_eval(&env, STR("poi(1000)"), NULL, &v, NULL), ERR_OK);
	assert_int_equal(v, 0x04030201);
}

static void names(void **state)
{
	static const value_row rows[] = {
		{"nt", 0xfffff80000000000},
		{"NT!ntcreatefile", 0xfffff80000123450},
		{"nt!NtCreateFile+10", 0xfffff80000123460},
		{"NtCreateFile", 0xfffff80000123450},
		{"Foo::Bar", 0x1122},
		{"m!Foo::~Foo", 0x3344},
		{"m!vec<int>::push", 0x5566},
		{"m!vec<int>+1", 0x5578},
		{"m!pair<a,b<c>>", 0x5588},
		{"m!`anonymous namespace'::f", 0x7788},
		{"m!C::`vftable'", 0x8899},
		{"m!don't", 0x99aa},
		{"m!_Old@8", 0xaabb},
		{"main.table + 8", 0x2208},
		{"@!\"m!std::operator<\"", 0xbbcc},
		{"@!\"std::pair<int, char>::operator=\"", 0xccdd},
		{"$!local", 0xddee},
		{"!a", 1},
		{"m!x<5", 0},
		{"m!x < 2000", 1},
		{"m!x!=1", 1},
		{".", 0xfffff80000123456},
		{". + 1", 0xfffff80000123457},
		{"@$ip", 0xfffff80000123456},
		{"$ip", 0xfffff80000123456},
		{"rip", 0xfffff80000123456},
		{"@RIP", 0xfffff80000123456},
		{"eax", 0xffffffff80000000},
		{"ebx", 0xeb},
		{"r8", 0x10},
		{"cf", 0xcf},
		{"@cf", 0x10},
		{"al", 0x10},
		{"`x.c:12`", 0x1012},
		{"`m!x.c:12`", 0x2012},
		{"`c:\\src\\x.c:0x10` + 1", 0x3011},
		{"`c:\\src\\x.c:10`", 0x300a},
		{"`:7`", 0x4007},
		{"`c:\\src\\x.c`", 0x3000},
	};
	world w;
	masm_env env = env_of(&w);
	expect_values(&env, rows, ARRAY_LEN(rows));
	uint64_t v;
	assert_int_equal(masm_eval(&env, STR("CreateFile"), NULL, &v, NULL), ERR_NOTFOUND);
	env.suffix = 'w';
	assert_int_equal(masm_eval(&env, STR("CreateFile"), NULL, &v, NULL), ERR_OK);
	assert_int_equal(v, 0x4242);
}

static void functions(void **state)
{
	static const value_row rows[] = {
		{"$scmp(\"abc\", \"abd\")", UINT64_MAX},
		{"$scmp(\"b\", \"a\")", 1},
		{"$scmp(\"a\",\"a\")", 0},
		{"$scmp(\"A\",\"a\")", UINT64_MAX},
		{"$sicmp(\"A\",\"a\")", 0},
		{"$spat(\"Program\", \"prog*\")", 1},
		{"$spat(\"x\", \"y?\")", 0},
		{"$spat(@\"c:\\dir\\name.txt\", \"*name*\")", 1},
		{"$scmp(\"a\\\"b\", @\"a\")", 1},
		{"$scmp(\"a\\nb\", \"a\nb\")", 0},
		{"$fnsucc(1, 5, 0)", 1},
		{"$fnsucc(1, 5, 1)", 0},
		{"$fnsucc(1, 0, 1) + 1", 2},
		{"$iment(nt)", 0xfffff80000000099},
		{"$vvalid(1000, 40)", 1},
		{"$vvalid(1000, 41)", 0},
		{"not($vvalid(0, f))", 1},
		{"@@(a + (b))", 7},
		{"@@c++(x) + 1", 2},
		{"@@masm(10 + 1)", 0x11},
		{"@@masm(@@(ab) + 1)", 3},
		{"@@(\")\")", 3},
		{"@@c++((x)->y)", 6},
	};
	world w;
	masm_env env = env_of(&w);
	expect_values(&env, rows, ARRAY_LEN(rows));
}

/* ---- where an expression ends ---- */

static void ends(void **state)
{
	static const struct {
		const char *text;
		uint64_t want;
		const char *rest;
	} rows[] = {
		{"nt!NtCreateFile 5 \"cmd\"", 0xfffff80000123450, " 5 \"cmd\""},
		{"nt L10", 0xfffff80000000000, " L10"},
		{"1000L10", 0x1000, "L10"},
		{"1000l?5", 0x1000, "l?5"},
		{"1000L-20", 0x1000, "L-20"},
		{"1000 1 2 3", 0x1000, " 1 2 3"},
		{"1 + 2 3", 3, " 3"},
		{"1 - 2 3", UINT64_MAX, " 3"},
		{"1,2", 1, ",2"},
		{"(1) {x}", 1, " {x}"},
		{"1;2", 1, ";2"},
		{"1)", 1, ")"},
		{"1 \"x\"", 1, " \"x\""},
		{"poi(1000)L4", 0x0807060504030201, "L4"},
		{"nt!fade 'x'", 0xfffff80000000fad, " 'x'"},
		{"5 order", 5, " order"},
		{"5 model", 5, " model"},
		{"m!x .", 0x1000, " ."},
		{"1 (2)", 1, " (2)"},
		{"10:20", 16, ":20"},
		{"0x10L5", 16, "L5"},
		{"5 @rax", 5, " @rax"},
	};
	world w;
	masm_env env = env_of(&w);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		str text = str_of(rows[i].text);
		uint64_t v = 0;
		size_t used = 0;
		diag d;
		diag_clear(&d);
		if (masm_eval(&env, text, &used, &v, &d) != ERR_OK)
			fail_msg("%s: %s", rows[i].text, d.text);
		assert_int_equal(v, rows[i].want);
		assert_string_equal(text.p + used, rows[i].rest);
	}
	/* What cannot be resolved still has an extent, for bu. */
	assert_int_equal(masm_extent(&env, STR("drv!Entry+5 \"g\"")), 11);
	assert_int_equal(masm_extent(&env, STR("drv!T<int>::f 5")), 13);
	assert_int_equal(masm_extent(&env, STR("gone")), 4);
	assert_int_equal(masm_extent(&env, STR(") x")), 0);
}

/* ---- errors ---- */

static void errors(void **state)
{
	static const struct {
		const char *text;
		err want;
		const char *words;
		size_t begin, end;
	} rows[] = {
		{"nosuch", ERR_NOTFOUND, "Couldn't resolve error at 'nosuch'", 0, 6},
		{"1 + nt!gone + 2", ERR_NOTFOUND, "Couldn't resolve error at 'nt!gone + 2'", 4, 11},
		{"", ERR_SYNTAX, "Numeric expression missing from '<EOL>'", 0, 0},
		{"1 + ", ERR_SYNTAX, "Numeric expression missing from '<EOL>'", 4, 4},
		{"1 + )", ERR_SYNTAX, "Numeric expression missing from ')'", 4, 5},
		{"(1", ERR_SYNTAX, "Syntax error at '(1'", 0, 3},
		{"(1]", ERR_SYNTAX, "Syntax error at ']'", 2, 3},
		{"1 / 0", ERR_ARG, "Operand error at '1 / 0'", 0, 5},
		{"5 mod (1-1)", ERR_ARG, "Operand error at '5 mod (1-1)'", 0, 11},
		{"1 + by 0", ERR_FAULT, "Memory access error at 'by 0'", 4, 8},
		{"$pby(0)", ERR_FAULT, "Memory access error at '$pby(0)'", 0, 7},
		{"@nosuch", ERR_NOTFOUND, "Bad register error at '@nosuch'", 0, 7},
		{"2*@$ea", ERR_NOTFOUND, "Bad register error at '@$ea'", 2, 6},
		{"1foo", ERR_SYNTAX, "Syntax error at '1foo'", 0, 4},
		{"0n12ab", ERR_SYNTAX, "Syntax error at '0n12ab'", 0, 6},
		{"0y12", ERR_SYNTAX, "Syntax error at '0y12'", 0, 4},
		{"1ffffffffffffffff", ERR_SYNTAX, "Overflow error at '1ffffffffffffffff'", 0, 17},
		{"two", ERR_AMBIGUOUS, "Ambiguous symbol error at 'two'", 0, 3},
		{"1 2", ERR_SYNTAX, "Extra character error at '2'", 2, 3},
		{"$spat( \"c:\\dir\\\", \"*f*\" )", ERR_SYNTAX, "Syntax error at '*f*\" )'", 19,
			20},
		{"$spat(\"a\"", ERR_SYNTAX, "Syntax error at '<EOL>'", 9, 9},
		{"$scmp(\"a", ERR_SYNTAX, "Syntax error at '\"a'", 6, 8},
		{"nt!", ERR_SYNTAX, "Syntax error at 'nt!'", 0, 3},
		{"`x.c:99`", ERR_NOTFOUND, "Couldn't resolve error at '`x.c:99`'", 0, 8},
		{"`x.c", ERR_SYNTAX, "Syntax error at '`x.c'", 0, 4},
		{"@@(1", ERR_SYNTAX, "Syntax error at '(1'", 2, 4},
		{"@ rax", ERR_SYNTAX, "Syntax error at '@ rax'", 0, 1},
		{"\"x\"", ERR_SYNTAX, "Syntax error at '\"x\"'", 0, 1},
		{"a || b", ERR_SYNTAX, "Numeric expression missing from '| b'", 3, 4},
		{"@$nosuch + 1", ERR_NOTFOUND, "Bad register error at '@$nosuch + 1'", 0, 8},
	};
	world w;
	masm_env env = env_of(&w);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t v = 0x77;
		diag d;
		diag_clear(&d);
		err e = masm_eval(&env, str_of(rows[i].text), NULL, &v, &d);
		if (e != rows[i].want)
			fail_msg("%s: code %d (%s)", rows[i].text, e, d.text);
		assert_string_equal(d.text, rows[i].words);
		if (d.src_begin != rows[i].begin || d.src_end != rows[i].end)
			fail_msg("%s: range %zu..%zu", rows[i].text, d.src_begin, d.src_end);
		assert_int_equal(v, 0x77);
		assert_int_equal(
			masm_eval(&env, str_of(rows[i].text), NULL, &v, NULL), rows[i].want);
	}
	env.cxx = NULL;
	diag d;
	uint64_t v;
	assert_int_equal(masm_eval(&env, STR("@@(x)"), NULL, &v, &d), ERR_UNSUPPORTED);
}

/* ---- compiled code ---- */

static err slot_get(void *u, uint32_t slot, uint64_t *ret, diag *d)
{
	((world *)u)->slot_calls++;
	*ret = slot == 3 ? 0x1234 : 0;
	return ERR_OK;
}

static uint32_t slot_bind(void *u, str name)
{
	return str_ieq(name, STR("rip")) ? 3 : 0;
}

static void compiled(void **state)
{
	world w;
	masm_env env = env_of(&w);
	arena a;
	masm_code *c = NULL;
	uint64_t v = 0;
	size_t used;

	arena_init(&a);
	/* Text dies after compilation; the code must not care. */
	char text[] = "@rip = nt!NtCreateFile + 6 and by(m!x)";
	assert_int_equal(masm_compile(&env, &a, str_of(text), &used, &c, NULL), ERR_OK);
	assert_int_equal(used, sizeof text - 1);
	memset(text, '#', sizeof text - 1);
	unsigned symbols = w.symbol_calls;
	size_t memory_used = a.used;
	for (int i = 0; i < 10; i++)
		assert_int_equal(masm_run(c, &env, &v, NULL), ERR_OK);
	assert_int_equal(v, 1);
	w.rip = 5;
	assert_int_equal(masm_run(c, &env, &v, NULL), ERR_OK);
	assert_int_equal(v, 0);
	assert_int_equal(w.symbol_calls, symbols);
	assert_int_equal(a.used, memory_used);

	env.reg_bind = slot_bind;
	env.reg_slot = slot_get;
	assert_int_equal(masm_compile(&env, &a, STR("@rip + @rax"), NULL, &c, NULL), ERR_OK);
	w.reg_calls = 0;
	assert_int_equal(masm_run(c, &env, &v, NULL), ERR_OK);
	assert_int_equal(v, 0x1244);
	assert_int_equal(w.slot_calls, 1);
	assert_int_equal(w.reg_calls, 1);
	arena_deinit(&a);
}

static void repeat(buf *b, const char *s, int n)
{
	for (int i = 0; i < n; i++)
		buf_addz(b, s);
}

/* Depth and size are bounded, and refusing says so. */
static void hostile(void **state)
{
	static const struct {
		const char *open, *mid, *close;
		int n;
		err want;
	} rows[] = {
		{"(", "1", ")", 60, ERR_OK},
		{"(", "1", ")", 100000, ERR_LIMIT},
		{"-", "1", "", 100000, ERR_LIMIT},
		{"poi ", "1", "", 100000, ERR_LIMIT},
		{"[", "1", "]", 1000, ERR_LIMIT},
		{"@@masm(", "1", ")", 1000, ERR_LIMIT},
		{"$iment(", "1", ")", 1000, ERR_LIMIT},
		{"1+", "1", "", 1000, ERR_OK},
		{"@rax+", "1", "", 20000, ERR_LIMIT},
		{"1 or 1 xor 1 and 1 = 1 << 1 + 1 * (", "1", ")", 15, ERR_OK},
		{"@al or @al xor @al and @al = @al << @al + @al * (", "1", ")", 50, ERR_LIMIT},
		{"a<", "1", "", 2000, ERR_OK},
		{"m!`", "1", "", 3000, ERR_SYNTAX},
		{"$scmp(\"\",\"\")+", "1", "", 3000, ERR_OK},
	};
	world w;
	masm_env env = env_of(&w);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		buf b;
		uint64_t v;
		diag d;
		buf_init(&b, 0);
		diag_clear(&d);
		repeat(&b, rows[i].open, rows[i].n);
		buf_addz(&b, rows[i].mid);
		repeat(&b, rows[i].close, rows[i].n);
		err e = masm_eval(&env, buf_str(&b), NULL, &v, &d);
		if (e != rows[i].want)
			fail_msg("%s x %d: %d %.80s", rows[i].open, rows[i].n, e, d.text);
		buf_deinit(&b);
	}
}

static void display(void **state)
{
	char t[MASM_ADDR_TEXT];
	masm_format_addr(8, 0x1a, t);
	assert_string_equal(t, "00000000`0000001a");
	masm_format_addr(4, 0x8f, t);
	assert_string_equal(t, "0000008f");
	masm_format_addr(4, 0xffffffff80000000, t);
	assert_string_equal(t, "80000000");
	masm_format_addr(4, 0xffffffff70000000, t);
	assert_string_equal(t, "ffffffff`70000000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(sign_extension),
		cmocka_unit_test(operators),
		cmocka_unit_test(memory),
		cmocka_unit_test(names),
		cmocka_unit_test(functions),
		cmocka_unit_test(ends),
		cmocka_unit_test(errors),
		cmocka_unit_test(compiled),
		cmocka_unit_test(hostile),
		cmocka_unit_test(display),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
