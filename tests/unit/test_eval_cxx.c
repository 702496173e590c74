/* eval: C++ expressions - types, values, side effects, where they end, what their errors say,
 * over an environment without a target. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cxx_world.h"
#include "eval/masm.h"

static cxx_world w;
static cxx_env env;
static arena mem;

/* "int -3", "unsigned int64 5", "double 2.5", "struct point @1010", "struct _NODE * 0x1000". */
static void describe(const cxx_value *v, buf *b)
{
	const cxx_type *t = v->type;
	cxx_type_text(&env, &mem, t, b);
	if (v->text.p)
		buf_addf(b, " \"%.*s\"", STR_ARG(v->text));
	else if (t->kind == CXX_VOID)
		return;
	else if (t->kind == CXX_STRUCT || t->kind == CXX_ARRAY || t->kind == CXX_FUNC)
		v->in_memory ? buf_addf(b, " @%llx", (unsigned long long)v->addr)
			     : buf_addf(b, " =%llx", (unsigned long long)le64(v->raw));
	else if (t->kind == CXX_FLOAT || t->kind == CXX_DOUBLE || t->kind == CXX_LDOUBLE)
		buf_addf(b, " %.*Lg", t->kind == CXX_FLOAT ? 8 : 15, cxx_value_real(v));
	else if (t->kind == CXX_PTR)
		buf_addf(b, " 0x%llx", (unsigned long long)cxx_value_unsigned(v));
	else if (t->kind == CXX_INT128 || t->kind == CXX_UINT128)
		buf_addf(b, " 0x%llx:%llx", (unsigned long long)le64(v->raw + 8),
			(unsigned long long)le64(v->raw));
	else if (t->is_unsigned)
		buf_addf(b, " %llu", (unsigned long long)cxx_value_unsigned(v));
	else
		buf_addf(b, " %lld", (long long)cxx_value_signed(v));
}

static err evaluate(const char *text, buf *b, diag *d)
{
	cxx_code *c;
	cxx_value v;
	diag_clear(d);
	TRY(cxx_compile(&env, &mem, str_of(text), NULL, &c, d));
	TRY(cxx_run(c, &env, &v, d));
	assert_true(cxx_code_type(c) == v.type);
	describe(&v, b);
	return ERR_OK;
}

typedef struct row {
	const char *text, *want;
} row;

/* Each in a fresh world. */
static void check(const row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf b;
		diag d;
		buf_init(&b, 0);
		arena_init(&mem);
		cxx_world_init(&w, &env);
		if (evaluate(rows[i].text, &b, &d) != ERR_OK)
			buf_addz(&b, d.text);
		if (strcmp(buf_z(&b), rows[i].want))
			fail_msg("%s\ngave %s\nnot  %s", rows[i].text, buf_z(&b), rows[i].want);
		buf_deinit(&b);
		arena_deinit(&mem);
	}
}

static void literals(void **state)
{
	static const row rows[] = {
		{"0", "int 0"},
		{"10", "int 10"},
		{"0x10", "int 16"},
		{"010", "int 8"},
		{"0X1f", "int 31"},
		{"2147483647", "int 2147483647"},
		{"2147483648", "int64 2147483648"},
		{"0x7fffffff", "int 2147483647"},
		{"0x80000000", "unsigned int 2147483648"},
		{"0xffffffff", "unsigned int 4294967295"},
		{"0x100000000", "int64 4294967296"},
		{"0xffffffffffffffff", "unsigned int64 18446744073709551615"},
		{"18446744073709551615", "unsigned int64 18446744073709551615"},
		{"0x12345678`9abcdef0", "int64 1311768467463790320"},
		{"0xfffff800`00000000", "unsigned int64 18446735277616529408"},
		{"0`0", "int64 0"},
		{"5u", "unsigned int 5"},
		{"5U", "unsigned int 5"},
		{"5l", "long 5"},
		{"5L", "long 5"},
		{"5ul", "unsigned long 5"},
		{"5LU", "unsigned long 5"},
		{"5ll", "int64 5"},
		{"5i64", "int64 5"},
		{"5I64", "int64 5"},
		{"5ui64", "unsigned int64 5"},
		{"5ull", "unsigned int64 5"},
		{"0x80000000L", "unsigned long 2147483648"},
		{"4294967296u", "unsigned int64 4294967296"},
		{"1.5", "double 1.5"},
		{".5", "double 0.5"},
		{"1.", "double 1"},
		{"1e3", "double 1000"},
		{"1.5e-1", "double 0.15"},
		{"2.5f", "float 2.5"},
		{"0.1f", "float 0.1"},
		{"2.5L", "double 2.5"},
		{"'a'", "char 97"},
		{"'\\n'", "char 10"},
		{"'\\x41'", "char 65"},
		{"'\\101'", "char 65"},
		{"'\\''", "char 39"},
		{"'\\xff'", "char -1"},
		{"'ab'", "int 24930"},
		{"L'a'", "wchar_t 97"},
		{"u'a'", "char16_t 97"},
		{"U'a'", "char32_t 97"},
		{"\"abc\"", "char [4] \"abc\""},
		{"\"a\\\"b\"", "char [4] \"a\"b\""},
		{"L\"ab\"", "wchar_t [3] \"ab\""},
		{"true", "bool 1"},
		{"false", "bool 0"},
		{"nullptr", "void * 0x0"},
		{"18446744073709551616", "Overflow error at '18446744073709551616'"},
		{"0x", "Syntax error at '0x'"},
		{"0b11", "Syntax error at '0b11'"},
		{"0n10", "Syntax error at '0n10'"},
		{"089", "Syntax error at '089'"},
		{"5abc", "Syntax error at '5abc'"},
		{"5uu", "Syntax error at '5uu'"},
		{"''", "Syntax error at ''''"},
		{"'a", "Syntax error at ''a'"},
		{"\"abc", "Syntax error at '\"abc'"},
		{"'\\q'", "Syntax error at ''\\q''"},
		{"1.5.2", "Syntax error at '1.5.2'"},
	};
	check(rows, ARRAY_LEN(rows));
}

static void arithmetic(void **state)
{
	static const row rows[] = {
		{"1+2*3", "int 7"},
		{"(1+2)*3", "int 9"},
		{"7/2", "int 3"},
		{"-7/2", "int -3"},
		{"-7%3", "int -1"},
		{"7%-3", "int 1"},
		{"2147483647+1", "int -2147483648"},
		{"1u-2", "unsigned int 4294967295"},
		{"-1 + 1u", "unsigned int 0"},
		{"1L+1", "long 2"},
		{"1L+1u", "unsigned long 2"},
		{"1i64+1u", "int64 2"},
		{"1i64+1ui64", "unsigned int64 2"},
		{"'a'+1", "int 98"},
		{"'a'+'b'", "int 195"},
		{"true+true", "int 2"},
		{"uc+uc", "int 400"},
		{"us*us", "int -694967296"},
		{"ul+ul", "unsigned long 3705032704"},
		{"ul+ll", "int64 3999999995"},
		{"L'a'+1", "int 98"},
		{"1+2.5", "double 3.5"},
		{"1.5f+1", "float 2.5"},
		{"1.5f+1.5", "double 3"},
		{"0.1f+0.2f", "float 0.30000001"},
		{"7/2.0", "double 3.5"},
		{"first.precise*2", "long double 3"},
		{"first.huge+1", "int128 0x1:6"},
		{"first.huge*first.huge", "int128 0xa:19"},
		{"-first.huge", "int128 0xfffffffffffffffe:fffffffffffffffb"},
		{"first.huge/2", "int128 0x0:8000000000000002"},
		{"first.huge==18446744073709551621", "Overflow error at '18446744073709551621'"},
		{"5&3", "int 1"},
		{"5|3", "int 7"},
		{"5^3", "int 6"},
		{"~0", "int -1"},
		{"~0u", "unsigned int 4294967295"},
		{"~uc", "int -201"},
		{"1<<4", "int 16"},
		{"1<<31", "int -2147483648"},
		{"1<<32", "int 0"},
		{"1i64<<32", "int64 4294967296"},
		{"-16>>2", "int -4"},
		{"-16>>40", "int -1"},
		{"0xfffffff0>>4", "unsigned int 268435455"},
		{"1<<-1", "int 0"},
		{"uc<<4", "int 3200"},
		{"1<<1i64", "int 2"},
		{"+uc", "int 200"},
		{"-uc", "int -200"},
		{"-first.small", "int 7"},
		{"!5", "bool 0"},
		{"!0", "bool 1"},
		{"!!5", "bool 1"},
		{"!1.5", "bool 0"},
		{"- - 3", "int 3"},
		{"-+-3", "int 3"},
		{"2+3-4", "int 1"},
		{"100/10/5", "int 2"},
		{"1|2^3&1", "int 3"},
		{"1+1<<2", "int 8"},
		{"0x80000000 == 2147483648", "bool 1"},
		{"1/0", "Divide by zero error at '0'"},
		{"1%0", "Divide by zero error at '0'"},
		{"1/0.0", "Divide by zero error at '0.0'"},
		{"counter/(counter-7)", "Divide by zero error at '(counter-7)'"},
		{"(0-2147483647-1)/-1", "int -2147483648"},
		{"1.5%1", "Type conflict error at '1.5%1'"},
		{"1<<1.5", "Type conflict error at '1.5'"},
		{"~1.5", "Type conflict error at '1.5'"},
		{"1.5&1", "Type conflict error at '1.5&1'"},
	};
	check(rows, ARRAY_LEN(rows));
}

static void logic(void **state)
{
	static const row rows[] = {
		{"1==1", "bool 1"},
		{"1!=1", "bool 0"},
		{"1<2", "bool 1"},
		{"2<=1", "bool 0"},
		{"2>1", "bool 1"},
		{"2>=3", "bool 0"},
		{"-1<0", "bool 1"},
		{"-1<0u", "bool 0"},
		{"-1<ll", "bool 0"},
		{"0.1==0.1f", "bool 0"},
		{"1<2<3", "bool 1"},
		{"1==1&&2==2", "bool 1"},
		{"1&&0", "bool 0"},
		{"0||2", "bool 1"},
		{"0||0", "bool 0"},
		{"0&&1/0", "bool 0"},
		{"1||1/0", "bool 1"},
		{"0&&bad", "bool 0"},
		{"head&&head->at.x==1", "bool 1"},
		{"nullptr&&*(int*)0", "bool 0"},
		{"1||0&&0", "bool 1"},
		{"1?2:3", "int 2"},
		{"1?'a':'b'", "char 97"},
		{"1?'a':2", "int 97"},
		{"(1?counter:counter)=3,counter", "int 3"},
		{"1?hue:GREEN", "enum colour 5"},
		{"0?2:3", "int 3"},
		{"1?2:3.5", "double 2"},
		{"0?1:0?2:3", "int 3"},
		{"1?counter:bad", "int 7"},
		{"1?head:0", "struct _NODE * 0x1000"},
		{"0?head:0", "struct _NODE * 0x0"},
		{"1?first:second", "struct _NODE @1000"},
		{"(0?first:second).at.x", "int 3"},
		{"1,2", "int 2"},
		{"(1,2)+3", "int 5"},
		{"1?(2,3):4", "int 3"},
		{"1?2,3:4", "int 3"},
		{"hue==GREEN", "bool 1"},
		{"hue==RED", "bool 0"},
		{"hue!=RED&&1", "bool 1"},
		{"RED==hue", "Couldn't resolve error at 'RED==hue'"},
		{"head==&first", "bool 1"},
		{"head==0", "bool 0"},
		{"!head", "bool 0"},
		{"head<&second", "bool 1"},
		{"1?2", "Syntax error at '<EOL>'"},
		{"1?2:", "Syntax error at '<EOL>'"},
		{"first&&1", "Type conflict error at 'first&&1'"},
		{"first==second", "Type conflict error at 'first==second'"},
	};
	check(rows, ARRAY_LEN(rows));
}

static void names(void **state)
{
	static const row rows[] = {
		{"counter", "int 7"},
		{"m!first", "struct _NODE @1000"},
		{"first", "struct _NODE @1000"},
		{"table", "unsigned int64 [4] @1200"},
		{"text", "char [6] @1300"},
		{"hue", "enum colour 5"},
		{"limit", "enum big 18446744073709551615"},
		{"GREEN", "enum colour 5"},
		{"colour::BLUE", "enum colour -1"},
		{"K", "int 42"},
		{"K*2", "int 84"},
		{"uc", "unsigned char 200"},
		{"us", "unsigned short 60000"},
		{"ul", "unsigned long 4000000000"},
		{"ll", "int64 -5"},
		{"numbers", "class vec<int> @13a0"},
		{"numbers.n", "int 9"},
		{"vec<int>::made", "int 7"},
		{"m!`anonymous namespace'::hidden", "int 7"},
		{"where", "struct point @1010"},
		{"where.x", "int 1"},
		{"&where", "struct point * 0x1010"},
		{"shadow", "int 11"},
		{"$!shadow", "int 11"},
		{"m!shadow", "int 7"},
		{"::shadow", "int 7"},
		{"$!counter", "Couldn't resolve error at '$!counter'"},
		{"i", "int -3"},
		{"r", "int 11"},
		{"r+i", "int 8"},
		{"p->at.x", "int 1"},
		{"pt", "struct point =600000005"},
		{"pt.x", "int 5"},
		{"pt.y", "int 6"},
		{"f", "float 1.5"},
		{"f*2", "float 3"},
		{"moving", "int 7"},
		{"&moving", "int * 0x1340"},
		{"r=12,moving", "int 12"},
		{"r=12,moving=5,r", "int 5"},
		{"split", "struct point =6500000064"},
		{"split.y+split.x", "int 201"},
		{"split.*&point::y", "int 101"},
		{"spread", "int [3] =6500000064"},
		{"first.at=split,first.at.y", "int 101"},
		{"split.x=1", "No place that can be written error at 'split.x=1'"},
		{"&split", "No address: it is in a register; error at '&split'"},
		{"spread[1]", "int 101"},
		{"spread[3]", "Memory access error at 'spread[3]'"},
		{"spread[r]", "No address: it is in a register; error at 'spread[r]'"},
		{"table[-1]", "unsigned int64 0"},
		{"&table[5]", "unsigned int64 * 0x1228"},
		{"lost", "Value is not available here error at 'lost'"},
		{"sizeof(lost)", "unsigned int64 4"},
		{"gone", "Value is not available here error at 'gone'"},
		{"sizeof(gone)", "unsigned int64 4"},
		{"sizeof gone", "unsigned int64 4"},
		{"small", "short -7"},
		{"ratio", "double 2.5"},
		{"this->small", "short -7"},
		{"add", "int () @5000"},
		{"&add", "int (*)() 0x5000"},
		{"*add", "int () @5000"},
		{"m!entry", "void () @5100"},
		{"bare", "Type information missing error at 'bare'"},
		{"bare+1", "Type information missing error at 'bare+1'"},
		{"&bare", "void * 0x1348"},
		{"*(PNODE*)&bare", "struct _NODE * 0x1000"},
		{"(*(_NODE**)&bare)->at.x", "int 1"},
		{"nosuch", "Couldn't resolve error at 'nosuch'"},
		{"nosuch+1", "Couldn't resolve error at 'nosuch+1'"},
		{"m!nosuch", "Couldn't resolve error at 'm!nosuch'"},
		{"two", "Ambiguous symbol error at 'two'"},
		{"new", "This operator is not supported error at 'new'"},
		{"delete head", "This operator is not supported error at 'delete head'"},
		{"add(1,2)", "An expression cannot call functions (.call can); error at 'add(1,2)'"},
		{"first.handler(1)",
			"An expression cannot call functions (.call can); error at 'first.handler(1)'"},
		{"bad", "Memory access error at 'bad'"},
		{"&bad", "int * 0x9000"},
		{"bad_p->next", "Memory access error at 'bad_p->next'"},
		{"&bad_p->at.y", "int * 0x9014"},
		{"@!\"m!first\"", "struct _NODE @1000"},
		{"counter!=7", "bool 0"},
		{"counter // the rest", "int 7"},
	};
	check(rows, ARRAY_LEN(rows));
}

static void members(void **state)
{
	static const row rows[] = {
		{"first.next", "struct _NODE * 0x1100"},
		/* Go's names have points in them */
		{"pkg.node.next", "struct _NODE * 0x1100"},
		{"&pkg.node", "struct _NODE * 0x1000"},
		{"m!pkg.sub.node.next->at.x + 1", "int 4"},
		{"first.next->at.x", "int 3"},
		{"first.next->at", "struct point @1110"},
		{"(*first.next).at.y", "int 4"},
		{"head->name", "char * 0x1300"},
		{"*head->name", "char 102"},
		{"head->name[1]", "char 105"},
		{"first.at.y", "int -2"},
		{"first.state", "struct flags @1018"},
		{"first.state.ready", "unsigned int 1"},
		{"first.state.level", "unsigned int 5"},
		{"first.state.count", "unsigned int 100"},
		{"first.state.low", "int -1"},
		{"first.state.tint", "enum colour 5"},
		{"first.state.level+1", "int 6"},
		{"first.state.level-6", "int -1"},
		{"first.state.count<<8", "int 25600"},
		{"-first.state.level", "int -5"},
		{"first.paint", "enum colour 5"},
		{"first.paint+1", "int 6"},
		{"first.corners", "struct point [3] @1024"},
		{"first.corners[1].y", "int 40"},
		{"first.corners->x", "int 10"},
		{"(first.corners+2)->x", "int 50"},
		{"*first.corners", "struct point @1024"},
		{"first.content.whole", "unsigned int64 1234605616436508552"},
		{"first.content.half[1]", "unsigned int 287454020"},
		{"first.content.byte[0]", "unsigned char 136"},
		{"first.handler", "int (*)() 0x5000"},
		{"first.handler==add", "bool 1"},
		{"first.ratio", "double 2.5"},
		{"first.small", "short -7"},
		{"first.letter", "char 65"},
		{"first.yes", "bool 1"},
		{"first.part", "float 0.25"},
		{"first.wide", "wchar_t [4] @1060"},
		{"first.wide[0]", "wchar_t 119"},
		{"first.huge", "int128 0x1:5"},
		{"first.precise", "long double 1.5"},
		{"first.at.made", "int 7"},
		{"&first.at", "struct point * 0x1010"},
		{"&first.corners[2]", "struct point * 0x1034"},
		{"&head->at.y", "int * 0x1014"},
		{"&table", "unsigned int64 (*)[4] 0x1200"},
		{"*&counter", "int 7"},
		{"&*head", "struct _NODE * 0x1000"},
		{"table[2]", "unsigned int64 256"},
		{"2[table]", "unsigned int64 256"},
		{"*table", "unsigned int64 1"},
		{"*(table+3)", "unsigned int64 4096"},
		{"grid", "int [2][3] @1350"},
		{"grid[1]", "int [3] @135c"},
		{"grid[1][2]", "int 5"},
		{"*grid[1]", "int 3"},
		{"**(grid+1)", "int 3"},
		{"first.at.*&point::y", "int -2"},
		{"(&first.at)->*&point::y", "int -2"},
		{"&point::y", "int point::* 4"},
		{"head->_NODE::small", "short -7"},
		{"first.nosuch", "Type does not have given member error at 'nosuch'"},
		{"first->next", "Pointer expected error at 'first->next'"},
		{"head.next", "Type does not have given member error at 'next'"},
		{"counter.x", "Type does not have given member error at 'x'"},
		{"opaque_p->x", "Type conflict error at 'opaque_p->x'"},
		{"*opaque_p", "Type conflict error at 'opaque_p'"},
		{"((opaque*)opaque_p)->x",
			"Type is declared but not defined error at '((opaque*)opaque_p)->x'"},
		{"first.", "Syntax error at '<EOL>'"},
		{"first.5", "Extra character error at '.5'"},
		{"counter[0]", "Pointer or array expected error at 'counter[0]'"},
		{"table[1.5]", "Type conflict error at '1.5]'"},
		{"table[", "Syntax error at '<EOL>'"},
		{"*counter", "Pointer expected error at 'counter'"},
		{"&5", "No address error at '5'"},
		{"&first.state.level", "Address of a bit field error at 'first.state.level'"},
		{"&r", "No address: it is in a register; error at '&r'"},
		{"&@rax", "No address error at '@rax'"},
	};
	check(rows, ARRAY_LEN(rows));
}

static void pointers(void **state)
{
	static const row rows[] = {
		{"head+1", "struct _NODE * 0x1090"},
		{"1+head", "struct _NODE * 0x1090"},
		{"head-1", "struct _NODE * 0xf70"},
		{"table+1", "unsigned int64 * 0x1208"},
		{"&counter+1", "int * 0x1344"},
		{"&grid+1", "int (*)[2][3] 0x1368"},
		{"grid+1", "int (*)[3] 0x135c"},
		{"&table[3]-&table[1]", "int64 2"},
		{"&table[1]-&table[3]", "int64 -2"},
		{"first.next-head", "int64 1"},
		{"(char*)first.next-(char*)head", "int64 256"},
		{"(void*)head+1", "void * 0x1001"},
		{"opaque_p+8", "void * 0x1008"},
		{"head+uc", "struct _NODE * 0x8080"},
		{"head+-1", "struct _NODE * 0xf70"},
		{"head-head", "int64 0"},
		{"add+1", "Arithmetic on a function pointer error at 'add+1'"},
		{"head+head", "Type conflict error at 'head+head'"},
		{"head*2", "Type conflict error at 'head*2'"},
		{"1-head", "Type conflict error at 'head'"},
		{"head+1.5", "Type conflict error at '1.5'"},
		{"head-table", "Type conflict error at 'table'"},
		{"-head", "Type conflict error at 'head'"},
		{"~head", "Type conflict error at 'head'"},
		{"head&1", "Type conflict error at 'head&1'"},
		{"(opaque*)opaque_p+1", "Type has no size error at '(opaque*)opaque_p+1'"},
	};
	check(rows, ARRAY_LEN(rows));
}

static void casts(void **state)
{
	static const row rows[] = {
		{"(char)65", "char 65"},
		{"(unsigned char)-1", "unsigned char 255"},
		{"(char)200", "char -56"},
		{"(short)0x12345", "short 9029"},
		{"(unsigned short)-1", "unsigned short 65535"},
		{"(long)-1", "long -1"},
		{"(unsigned long)-1", "unsigned long 4294967295"},
		{"(unsigned long long)-1", "unsigned int64 18446744073709551615"},
		{"(long long)5", "int64 5"},
		{"(long long int)5", "int64 5"},
		{"(unsigned)5", "unsigned int 5"},
		{"(signed char)-1", "char -1"},
		{"(short int)5", "short 5"},
		{"(long unsigned int)5", "unsigned long 5"},
		{"(__int64)5", "int64 5"},
		{"(unsigned __int64)-1", "unsigned int64 18446744073709551615"},
		{"(unsigned int64)5", "unsigned int64 5"},
		{"(__int8)300", "char 44"},
		{"(__int16)-1", "short -1"},
		{"(unsigned __int32)-1", "unsigned int 4294967295"},
		{"(__int128)-1", "int128 0xffffffffffffffff:ffffffffffffffff"},
		{"(wchar_t)0x12345", "wchar_t 9029"},
		{"(bool)5", "bool 1"},
		{"(bool)0.5", "bool 1"},
		{"(int)2.9", "int 2"},
		{"(int)-2.9", "int -2"},
		{"(int)1e300", "int -2147483648"},
		{"(unsigned char)300.0", "unsigned char 44"},
		{"(float)0.1", "float 0.1"},
		{"(double)1", "double 1"},
		{"(long double)1", "double 1"},
		{"(double)0xffffffffffffffff", "double 1.84467440737096e+19"},
		{"(ULONG)-1", "unsigned long 4294967295"},
		{"(ULONG)(1)", "unsigned long 1"},
		{"(ULONG)'a'", "unsigned long 97"},
		{"(ULONG)~0", "unsigned long 4294967295"},
		{"(m!ULONG64)5", "unsigned int64 5"},
		{"(counter)-1", "int 6"},
		{"(counter)+(counter)", "int 14"},
		{"(counter)*2", "int 14"},
		{"(i)-1", "int -4"},
		{"(r)", "int 11"},
		{"(_NODE*)0x1000", "struct _NODE * 0x1000"},
		{"((_NODE*)0x1000)->at.y", "int -2"},
		{"((struct _NODE *)0x1000)->at.y", "int -2"},
		{"((m!_NODE*)0x1000)->at.y", "int -2"},
		{"((struct m!_NODE*)0x1000)->at.y", "int -2"},
		{"((const struct _NODE * const)0x1000)->at.y", "int -2"},
		{"(_NODE**)0x1348", "struct _NODE ** 0x1348"},
		{"**(_NODE**)0x1348", "struct _NODE @1000"},
		{"(*(_NODE**)0x1348)->at.y", "int -2"},
		{"*(int*)&counter", "int 7"},
		{"*(unsigned char*)&first.content", "unsigned char 136"},
		{"*(unsigned long long*)0x1208", "unsigned int64 16"},
		{"(void*)5", "void * 0x5"},
		{"(VOID*)5", "void * 0x5"},
		{"(char*)head", "char * 0x1000"},
		{"(ULONG64)head", "unsigned int64 4096"},
		{"(char)head", "char 0"},
		{"(std::point*)&first.at", "struct point * 0x1010"},
		{"(vec<int>*)&numbers", "class vec<int> * 0x13a0"},
		{"((vec<int>*)&numbers)->n", "int 9"},
		{"(PNODE)0x1000", "struct _NODE * 0x1000"},
		{"((PNODE)head)->at.x", "int 1"},
		{"(int(*)())add", "int (*)() 0x5000"},
		{"*(int(*)[3])grid", "int [3] @1350"},
		{"(*(int(*)[3])grid)[1]", "int 1"},
		{"(colour)5", "enum colour 5"},
		{"(colour)RED", "enum colour 0"},
		{"(enum colour)-1", "enum colour -1"},
		{"(int)hue", "int 5"},
		{"(void)counter", "void"},
		{"(point&)first.corners", "struct point @1024"},
		{"((point&)counter).x", "int 7"},
		{"(long&)first.ratio", "long 0"},
		{"(vec<int>*)&child", "class vec<int> * 0x1208"},
		{"(point*)&child", "struct point * 0x1200"},
		{"static_cast<vec<int>*>(&child)->n", "int 16"},
		{"reinterpret_cast<vec<int>*>(&child)", "class vec<int> * 0x1200"},
		{"(kid*)(vec<int>*)&child", "class kid * 0x1200"},
		{"(vec<int>*)(kid*)0", "class vec<int> * 0x0"},
		{"&(vec<int>&)child", "class vec<int> * 0x1208"},
		{"(_NODE*)&child", "struct _NODE * 0x1200"},
		{"static_cast<int>(2.5)", "int 2"},
		{"static_cast<unsigned char>(-1)", "unsigned char 255"},
		{"reinterpret_cast<_NODE*>(0x1000)->at.x", "int 1"},
		{"const_cast<char*>(head->name)", "char * 0x1300"},
		{"dynamic_cast<struct _NODE*>(head)->at.x", "int 1"},
		{"static_cast<vec<int>*>(opaque_p)", "class vec<int> * 0x1000"},
		{"int(2.5)", "int 2"},
		{"unsigned(-1)", "unsigned int 4294967295"},
		{"(char)(short)0x1ff", "char -1"},
		{"-(char)1", "int -1"},
		{"(char)1+1", "int 2"},
		{"(first)", "struct _NODE @1000"},
		{"(both)-1", "int -1"},
		{"(nosuch*)5", "Couldn't resolve error at 'nosuch*)5'"},
		{"(struct nosuch*)5", "Couldn't resolve error at 'nosuch*)5'"},
		{"(struct)5", "Syntax error at ')5'"},
		{"(unsigned float)5", "Syntax error at ')5'"},
		{"(long short)5", "Syntax error at 'short)5'"},
		{"(point)counter", "Cast to this type is not possible error at 'counter'"},
		{"(int)first", "Type conflict error at 'first'"},
		{"(char*)1.5", "Type conflict error at '1.5'"},
		{"(float)head", "Type conflict error at 'head'"},
		{"(int)", "Syntax error at '<EOL>'"},
		{"static_cast<nosuch>(1)", "Couldn't resolve error at 'nosuch>(1)'"},
	};
	check(rows, ARRAY_LEN(rows));
}

static void sizes_and_macros(void **state)
{
	static const row rows[] = {
		{"sizeof(int)", "unsigned int64 4"},
		{"sizeof(_NODE)", "unsigned int64 144"},
		{"sizeof(struct _NODE)", "unsigned int64 144"},
		{"sizeof(m!_NODE)", "unsigned int64 144"},
		{"sizeof(_NODE*)", "unsigned int64 8"},
		{"sizeof(int[3])", "unsigned int64 12"},
		{"sizeof(_NODE[2])", "unsigned int64 288"},
		{"sizeof(char[2147483647])", "unsigned int64 2147483647"},
		{"sizeof(char[2147483648])", "Syntax error at '])'"},
		{"sizeof(char[2147483647][2147483647])", "unsigned int64 4611686014132420609"},
		{"sizeof(char[2][2147483647][2147483647])", "Syntax error at ')'"},
		{"sizeof(first)", "unsigned int64 144"},
		{"sizeof first", "unsigned int64 144"},
		{"sizeof first.corners", "unsigned int64 24"},
		{"sizeof(first.corners)/sizeof(first.corners[0])", "unsigned int64 3"},
		{"sizeof(counter)+1", "unsigned int64 5"},
		{"sizeof counter+1", "unsigned int64 5"},
		{"sizeof(bad)", "unsigned int64 4"},
		{"sizeof(bad_p->next->at)", "unsigned int64 8"},
		{"sizeof 'a'", "unsigned int64 1"},
		{"sizeof \"abc\"", "unsigned int64 4"},
		{"sizeof(where)", "unsigned int64 8"},
		{"sizeof(long)", "unsigned int64 4"},
		{"sizeof(long double)", "unsigned int64 8"},
		{"sizeof(unsigned long long)", "unsigned int64 8"},
		{"sizeof(void)", "Type has no size error at 'sizeof(void)'"},
		{"sizeof(opaque)", "Type has no size error at 'sizeof(opaque)'"},
		{"sizeof(add)", "Type has no size error at 'sizeof(add)'"},
		{"sizeof(nosuch)", "Couldn't resolve error at 'nosuch)'"},
		{"#FIELD_OFFSET(_NODE, at)", "long 16"},
		{"#FIELD_OFFSET(_NODE, at.y)", "long 20"},
		{"#FIELD_OFFSET(_NODE, corners[2].y)", "long 56"},
		{"#FIELD_OFFSET(struct m!_NODE, next)", "long 0"},
		{"#FIELD_OFFSET(flags, low)", "long 4"},
		{"#FIELD_OFFSET(_NODE, nosuch)",
			"Type does not have given member error at 'nosuch)'"},
		{"#FIELD_OFFSET(nosuch, at)", "Couldn't resolve error at 'nosuch, at)'"},
		{"#FIELD_OFFSET(_NODE)", "Syntax error at ')'"},
		{"#RTL_FIELD_SIZE(_NODE, corners)", "unsigned int64 24"},
		{"#RTL_FIELD_SIZE(_NODE, name)", "unsigned int64 8"},
		{"#RTL_SIZEOF_THROUGH_FIELD(_NODE, name)", "unsigned int64 16"},
		{"#RTL_NUMBER_OF(table)", "unsigned int64 4"},
		{"#RTL_NUMBER_OF(first.corners)", "unsigned int64 3"},
		{"#RTL_NUMBER_OF(counter)", "Pointer or array expected error at 'counter)'"},
		{"#RTL_CONTAINS_FIELD(head, 0x90, at)", "bool 1"},
		{"#RTL_CONTAINS_FIELD(head, 0x14, at)", "bool 0"},
		{"#RTL_CONTAINS_FIELD(&first, sizeof(first), precise)", "bool 1"},
		{"#CONTAINING_RECORD(0x1010, _NODE, at)", "struct _NODE * 0x1000"},
		{"#CONTAINING_RECORD(&first.at, _NODE, at)->small", "short -7"},
		{"#CONTAINING_RECORD(&first.at.y, struct _NODE, at.y)->small", "short -7"},
		{"#CONTAINING_RECORD(@rcx + 0x10, m!_NODE, at)->at.x", "int 1"},
		{"#NOSUCH(1)", "No such macro error at '#NOSUCH(1)'"},
	};
	check(rows, ARRAY_LEN(rows));
}

static void registers(void **state)
{
	static const row rows[] = {
		{"@rax", "unsigned int64 18446744071562067968"},
		{"@rbx+1", "unsigned int64 12"},
		{"@$t0", "unsigned int64 5"},
		{"@$t0*2-1", "unsigned int64 9"},
		{"@$ip", "unsigned char * 0x5010"},
		{"@$ip+1", "unsigned char * 0x5011"},
		{"@$proc", "struct _NODE * 0x1000"},
		{"@$proc->at.x", "int 1"},
		{"@$t1->next->at.x", "int 3"},
		{"@$t1+1", "struct _NODE * 0x1090"},
		{"@$t2", "struct _NODE @1100"},
		{"@$t2.at.y", "int 4"},
		{"&@$t2", "struct _NODE * 0x1100"},
		{"@xmm0", "unsigned int128 0x1122:3fc00000"},
		{"@st0", "long double -0.5"},
		{"((_NODE*)@rcx)->at.x", "int 1"},
		{"(_NODE*)@rcx", "struct _NODE * 0x1000"},
		{"*(int*)(@rbp+8)", "int -3"},
		{"@rbx*(int)(@rax>@rbx)+7*(int)(@rax<@rbx)", "unsigned int64 11"},
		{"@$ea", "Bad register error at '@$ea'"},
		{"@nosuch", "Bad register error at '@nosuch'"},
		{"@", "Syntax error at '@'"},
		{"@rax=5", "Registers are changed by the r command, not by an expression; error at "
			   "'@rax=5'"},
		{"@$t0++", "Registers are changed by the r command, not by an expression; error at "
			   "'@$t0++'"},
		{"@@masm(1f)", "unsigned int64 31"},
		{"@@( 1f )", "unsigned int64 31"},
		{"@@masm(10)+1", "unsigned int64 17"},
		{"((_NODE*)@@(1000))->at.x", "int 1"},
		{"@@c++(1+2)*2", "int 6"},
		{"@@c++(first.at).x", "int 1"},
		{"@@(zz)", "Syntax error at 'zz'"},
		{"@@masm(10", "Syntax error at '@@masm(10'"},
		{"@@ (10)", "Syntax error at '@@ (10)'"},
	};
	check(rows, ARRAY_LEN(rows));
}

static void assignments(void **state)
{
	static const row rows[] = {
		{"counter=5", "int 5"},
		{"counter=5,counter", "int 5"},
		{"counter=3.9,counter", "int 3"},
		{"counter+=3", "int 10"},
		{"counter+=3,counter", "int 10"},
		{"counter-=8", "int -1"},
		{"counter*=2", "int 14"},
		{"counter/=2", "int 3"},
		{"counter%=4", "int 3"},
		{"counter<<=2", "int 28"},
		{"counter>>=1", "int 3"},
		{"counter&=3", "int 3"},
		{"counter|=8", "int 15"},
		{"counter^=1", "int 6"},
		{"counter*=1.5", "int 10"},
		{"counter+=1.5", "int 8"},
		{"uc+=100,uc", "unsigned char 44"},
		{"uc=300", "unsigned char 44"},
		{"ll=-1", "int64 -1"},
		{"first.ratio=1", "double 1"},
		{"first.ratio/=2,first.ratio", "double 1.25"},
		{"first.part*=3,first.part", "float 0.75"},
		{"first.precise+=1,first.precise", "long double 2.5"},
		{"first.huge=-1,first.huge", "int128 0xffffffffffffffff:ffffffffffffffff"},
		{"first.yes=0,first.yes", "bool 0"},
		{"first.yes=5,first.yes", "bool 1"},
		{"hue=GREEN", "enum colour 5"},
		{"hue=RED,hue", "enum colour 0"},
		{"hue=7,hue", "enum colour 7"},
		{"head=&second,head->at.x", "int 3"},
		{"head=0x1100,head->at.x", "int 3"},
		{"head=@@(1100),head", "struct _NODE * 0x1100"},
		{"head=0,head", "struct _NODE * 0x0"},
		{"head+=1,head", "struct _NODE * 0x1090"},
		{"head-=1,head", "struct _NODE * 0xf70"},
		{"first.at=second.at,first.at.x", "int 3"},
		{"(first.at=second.at).y", "int 4"},
		{"first.at=where,first.at.x", "int 1"},
		{"where.x=9,first.at.x", "int 9"},
		{"first.state.level=2,first.state.level", "unsigned int 2"},
		{"first.state.level=9", "unsigned int 1"},
		{"first.state.level+=1,first.state.level", "unsigned int 6"},
		{"first.state.level=0,first.state.count", "unsigned int 100"},
		{"first.state.level=0,first.state.ready", "unsigned int 1"},
		{"first.state.count=0xffffff,first.state.level", "unsigned int 5"},
		{"first.state.low=7,first.state.low", "int 7"},
		{"first.state.low=31,first.state.low", "int -1"},
		{"first.state.tint=RED,first.state.tint", "enum colour 0"},
		{"first.state.ready--,first.state.ready", "unsigned int 0"},
		{"counter++", "int 7"},
		{"counter++,counter", "int 8"},
		{"++counter", "int 8"},
		{"counter--,counter", "int 6"},
		{"--counter", "int 6"},
		{"++counter,counter", "int 8"},
		{"++counter+counter", "int 16"},
		{"counter++ + counter", "int 15"},
		{"head++,head", "struct _NODE * 0x1090"},
		{"uc++,uc", "unsigned char 201"},
		{"first.ratio++,first.ratio", "double 3.5"},
		{"(counter=3)=4,counter", "int 4"},
		{"counter=uc=5", "int 5"},
		{"counter=uc=300", "int 44"},
		{"(1?counter:uc)=3", "Lvalue expected error at '(1?counter:uc)=3'"},
		{"(1?counter:m!shadow)=3,counter", "int 3"},
		{"*&counter=9,counter", "int 9"},
		{"table[1]=5,table[1]", "unsigned int64 5"},
		{"head->at.x=9,first.at.x", "int 9"},
		{"*(char*)&counter=1,counter", "int 1"},
		{"((char*)&counter)[1]=1,counter", "int 263"},
		{"r=5,r", "int 5"},
		{"r+=1,r", "int 12"},
		{"r++,r", "int 12"},
		{"pt.y=1,pt.y", "int 1"},
		{"pt.y=1,pt.x", "int 5"},
		{"f=2,f", "float 2"},
		{"i=1,i", "int 1"},
		{"small=1,first.small", "short 1"},
		{"0&&(counter=1),counter", "int 7"},
		{"1||counter++,counter", "int 7"},
		{"0?counter++:5,counter", "int 7"},
		{"sizeof(counter++),counter", "int 7"},
		{"table[counter++-6]=1,counter", "int 8"},
		{"counter+=counter++,counter", "int 15"},
		{"5=3", "Lvalue expected error at '5=3'"},
		{"counter+1=3", "Lvalue expected error at 'counter+1=3'"},
		{"counter++=3", "Lvalue expected error at 'counter++=3'"},
		{"add=3", "Type conflict error at 'add=3'"},
		{"table=3", "Type conflict error at 'table=3'"},
		{"first=second.at", "Type conflict error at 'second.at'"},
		{"first=5", "Type conflict error at '5'"},
		{"counter=first", "Type conflict error at 'first'"},
		{"head=1.5", "Type conflict error at '1.5'"},
		{"head*=2", "Type conflict error at '2'"},
		{"counter/=0", "Divide by zero error at '0'"},
		{"counter%=1.5", "Type conflict error at '1.5'"},
		{"bad=5", "Memory access error at 'bad=5'"},
		{"gone=5", "Value is not available here error at 'gone=5'"},
		{"first++", "Type conflict error at 'first++'"},
		{"5++", "Lvalue expected error at '5++'"},
		{"counter=", "Syntax error at '<EOL>'"},
		{"\"abc\"=5", "Lvalue expected error at '\"abc\"=5'"},
	};
	check(rows, ARRAY_LEN(rows));
}

static void mistakes(void **state)
{
	static const row rows[] = {
		{"", "Numeric expression missing from '<EOL>'"},
		{"   ", "Numeric expression missing from '<EOL>'"},
		{"// only this", "Numeric expression missing from '<EOL>'"},
		{"(", "Syntax error at '<EOL>'"},
		{")", "Syntax error at ')'"},
		{"(1", "Syntax error at '<EOL>'"},
		{"1)", "Extra character error at ')'"},
		{"1 2", "Extra character error at '2'"},
		{"counter counter", "Extra character error at 'counter'"},
		{"1 +", "Syntax error at '<EOL>'"},
		{"+", "Syntax error at '<EOL>'"},
		{"1 + * 2", "Pointer expected error at '2'"},
		{"1 $ 2", "Extra character error at '$ 2'"},
		{"`a.c:3`", "Syntax error at '`a.c:3`'"},
		{".", "Syntax error at '.'"},
		{"1,,2", "Syntax error at ',2'"},
		{"#", "Syntax error at '#'"},
		{"1 \\ 2", "Syntax error at '\\ 2'"},
		{"\"abc\"+1", "No address in target memory error at '\"abc\"+1'"},
		{"*\"abc\"", "No address in target memory error at '\"abc\"'"},
		{"(void)1+1", "Type conflict error at '(void)1+1'"},
	};
	check(rows, ARRAY_LEN(rows));
}

/* How much of a command line belongs to an expression. */
static void extents(void **state)
{
	static const struct {
		const char *text;
		size_t used;
	} rows[] = {
		{"1", 1},
		{"1 ", 1},
		{"1 + 2", 5},
		{"1 L10", 1},
		{"&counter L5", 8},
		{"counter, 3", 7},
		{"(1,2) 3", 5},
		{"head->at.x \"cmd\"", 10},
		{"1 ? 2 : 3 4", 9},
		{"table[1] ; x", 8},
		{"(ULONG)5 L1", 8},
		{"*(int*)@rbp 4", 11},
		{"sizeof(int) 1", 11},
		{"sizeof counter 1", 14},
		{"vec<int>::made 3", 14},
		{"#FIELD_OFFSET(_NODE, at) 4", 24},
		{"@@masm(10) 3", 10},
		{"counter++ 3", 9},
		{"static_cast<int>(5) 6", 19},
		{"counter = 5 6", 11},
		{"-1 -1", 5},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t used = 0;
		diag d;
		cxx_code *c;
		arena_init(&mem);
		cxx_world_init(&w, &env);
		diag_clear(&d);
		err e = cxx_compile(&env, &mem, str_of(rows[i].text), &used, &c, &d);
		if (e != ERR_OK || used != rows[i].used)
			fail_msg("%s: %zu, not %zu: %s", rows[i].text, used, rows[i].used, d.text);
		size_t blind = cxx_extent(str_of(rows[i].text));
		/* without names a cast to a type of one word looks like two expressions */
		if (blind != rows[i].used && strcmp(rows[i].text, "(ULONG)5 L1"))
			fail_msg("%s: blind %zu, not %zu", rows[i].text, blind, rows[i].used);
		arena_deinit(&mem);
	}
	assert_int_equal(cxx_extent(STR("nosuch->x + 5 3")), 13);
	assert_int_equal(cxx_extent(STR("")), 0);
	assert_int_equal(cxx_extent(STR("+")), 0);
	assert_int_equal(cxx_extent(STR(")")), 0);
}

/* The range of an error, for the caret. */
static void ranges(void **state)
{
	static const struct {
		const char *text;
		size_t begin, end;
	} rows[] = {
		{"1 + nosuch * 2", 4, 10},
		{"first.nosuch", 6, 12},
		{"1/(counter-7)", 2, 13},
		{"1 + bad", 4, 7},
		{"@rax + @nosuch", 7, 14},
		{"(1", 2, 2},
		{"counter = first", 10, 15},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		buf b;
		diag d;
		buf_init(&b, 0);
		arena_init(&mem);
		cxx_world_init(&w, &env);
		assert_int_not_equal(evaluate(rows[i].text, &b, &d), ERR_OK);
		if (d.src_begin != rows[i].begin || d.src_end != rows[i].end)
			fail_msg("%s: %zu to %zu, not %zu to %zu", rows[i].text, d.src_begin,
				d.src_end, rows[i].begin, rows[i].end);
		arena_deinit(&mem);
		buf_deinit(&b);
	}
}

/* Once compiled an expression looks nothing up and sees what changes. */
static void compiled_once(void **state)
{
	cxx_code *c;
	cxx_value v;
	uint64_t x;
	arena_init(&mem);
	cxx_world_init(&w, &env);
	assert_int_equal(
		cxx_compile(&env, &mem, STR("p->at.x + r * K + i"), NULL, &c, NULL), ERR_OK);
	assert_true(cxx_code_scoped(c));
	w.lookups = 0;
	size_t used = mem.used;
	for (unsigned k = 0; k < 100; k++) {
		put64(w.regs[1].raw, k); /* rbx */
		assert_int_equal(cxx_run(c, &env, &v, NULL), ERR_OK);
		assert_int_equal(cxx_value_signed(&v), 1 + 42 * (int)k - 3);
	}
	assert_int_equal(w.lookups, 0);
	assert_int_equal(mem.used, used);
	assert_int_equal(cxx_compile(&env, &mem, STR("m!first.at.x+1"), NULL, &c, NULL), ERR_OK);
	assert_false(cxx_code_scoped(c));
	/* constants need nothing from the target */
	w.reads = 0;
	assert_int_equal(
		cxx_compile(&env, &mem, STR("#FIELD_OFFSET(_NODE, at.y) * sizeof(m!_NODE)"), NULL,
			&c, NULL),
		ERR_OK);
	assert_int_equal(cxx_run(c, &env, &v, NULL), ERR_OK);
	assert_int_equal(cxx_value_int(&v, &x, NULL), ERR_OK);
	assert_int_equal(x, 20 * 144);
	assert_int_equal(w.reads, 0);
	arena_deinit(&mem);
}

static void as_argument(void **state)
{
	static const struct {
		const char *text;
		err want;
		uint64_t v;
	} rows[] = {
		{"5", ERR_OK, 5},
		{"-1", ERR_OK, UINT64_MAX},
		{"(char)-1", ERR_OK, UINT64_MAX},
		{"0xffffffff", ERR_OK, 0xffffffff},
		{"head", ERR_OK, 0x1000},
		{"table", ERR_OK, 0x1200},
		{"add", ERR_OK, 0x5000},
		{"2.9", ERR_OK, 2},
		{"hue", ERR_OK, 5},
		{"true", ERR_OK, 1},
		{"first.state.level", ERR_OK, 5},
		{"first", ERR_SYNTAX, 0},
		{"(void)1", ERR_SYNTAX, 0},
		{"\"abc\"", ERR_SYNTAX, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cxx_code *c;
		cxx_value v;
		uint64_t x = 0;
		diag d = {0};
		arena_init(&mem);
		cxx_world_init(&w, &env);
		assert_int_equal(
			cxx_compile(&env, &mem, str_of(rows[i].text), NULL, &c, NULL), ERR_OK);
		assert_int_equal(cxx_run(c, &env, &v, NULL), ERR_OK);
		err e = cxx_value_int(&v, &x, &d);
		if (e != rows[i].want || x != rows[i].v)
			fail_msg("%s: %d %llx", rows[i].text, e, (unsigned long long)x);
		arena_deinit(&mem);
	}
}

/* 32-bit pointers, and the sizes of other systems. */
static void other_targets(void **state)
{
	static const struct {
		unsigned ptr, longs;
		const char *text, *want;
	} rows[] = {
		{4, 4, "sizeof(void*)", "unsigned int 4"},
		{4, 4, "(char*)0 - 1", "char * 0xffffffff"},
		{4, 4, "(int*)8-(int*)16", "int -2"},
		{8, 8, "sizeof(long)", "unsigned int64 8"},
		{8, 8, "5l", "long 5"},
		{8, 8, "2147483648", "long 2147483648"},
		{8, 8, "1l+1u", "long 2"},
		{8, 8, "1l+1ull", "unsigned int64 2"},
		{8, 8, "sizeof(wchar_t)", "unsigned int64 4"},
		{8, 8, "sizeof(long double)", "unsigned int64 16"},
		{8, 8, "1.5L*2", "long double 3"},
		{8, 8, "L'a'-L'b'", "int -1"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		buf b;
		diag d;
		buf_init(&b, 0);
		arena_init(&mem);
		cxx_world_init(&w, &env);
		env.ptr_size = rows[i].ptr;
		env.long_size = rows[i].longs;
		if (evaluate(rows[i].text, &b, &d) != ERR_OK)
			buf_addz(&b, d.text);
		assert_string_equal(buf_z(&b), rows[i].want);
		arena_deinit(&mem);
		buf_deinit(&b);
	}
}

/* ---- inside MASM ---- */

static err m_cxx(void *u, str text, uint64_t *ret, diag *d)
{
	cxx_code *c;
	cxx_value v;
	TRY(cxx_compile(&env, &mem, text, NULL, &c, d));
	TRY(cxx_run(c, &env, &v, d));
	return cxx_value_int(&v, ret, d);
}

static err m_prefix(void *u, str text, size_t *used, diag *d)
{
	cxx_code *c;
	return cxx_compile(&env, &mem, text, used, &c, d);
}

static void inside_masm(void **state)
{
	static const struct {
		bool by_default;
		const char *text;
		size_t used; /* 0: all of it */
		uint64_t v;
		const char *words; /* of the error, NULL none */
		size_t begin;
	} rows[] = {
		{false, "@@c++(counter) + 10", 0, 0x17, NULL, 0},
		{false, "@@(counter * 2) L4", 15, 14, NULL, 0},
		{false, "@@( (1, 2) )", 0, 2, NULL, 0},
		{false, "10 + @@c++(first.nosuch)", 0, 0,
			"Type does not have given member error at 'nosuch'", 17},
		{false, "@@c++(nosuch)", 0, 0, "Couldn't resolve error at 'nosuch'", 6},
		{false, "1 + @@c++(1/(counter-7))", 0, 0, "Divide by zero error at '(counter-7)'",
			12},
		{false, "@@c++(", 0, 0, "Syntax error at '('", 5},
		{true, "counter + 10", 0, 17, NULL, 0},
		{true, "010", 0, 8, NULL, 0},
		{true, "&counter L4", 8, 0x1340, NULL, 0},
		{true, "counter, 5", 7, 7, NULL, 0},
		{true, "@@(10)", 0, 16, NULL, 0},
		{true, "@@masm(10) + 1", 0, 17, NULL, 0},
		{true, "counter 5", 0, 0, "Extra character error at '5'", 8},
		{true, "nosuch", 0, 0, "Couldn't resolve error at 'nosuch'", 0},
		{true, "", 0, 0, "Numeric expression missing from '<EOL>'", 0},
		{true, "first", 0, 0, "Type conflict error", 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t v = 0;
		size_t used = 0;
		diag d = {0};
		arena_init(&mem);
		cxx_world_init(&w, &env);
		masm_env m = {.radix = 16,
			.ptr_size = 8,
			.cxx = m_cxx,
			.cxx_prefix = m_prefix,
			.cxx_default = rows[i].by_default};
		err e = masm_eval(&m, str_of(rows[i].text), rows[i].used ? &used : NULL, &v, &d);
		const char *words = rows[i].words;
		if (words ? e == ERR_OK || strncmp(d.text, words, strlen(words)) ||
					d.src_begin != rows[i].begin
			  : e != ERR_OK || v != rows[i].v || used != rows[i].used)
			fail_msg("%s: %d, %llx, %zu used, \"%s\" at %zu", rows[i].text, e,
				(unsigned long long)v, used, d.text, d.src_begin);
		arena_deinit(&mem);
	}
	/* how long a text is whose names mean nothing yet */
	masm_env m = {.radix = 16, .cxx = m_cxx, .cxx_prefix = m_prefix, .cxx_default = true};
	assert_int_equal(masm_extent(&m, STR("later!name + 4 \"k\"")), 14);
}

static void hostile(void **state)
{
	static const char *const parts[] = {"(", "-", "!", "*", "sizeof ", "(int)", "1+(", "a[",
		"1?", "1,", "@@c++(", "first.", "1||", "1=", "static_cast<int>(", "(int*)&",
		"#RTL_NUMBER_OF(", "vec<", "a::", "`", "\"", "'", "1+", "counter=", "1?1:"};
	char *text = mem_alloc(70000);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		for (size_t times = 20; times <= 20000; times *= 10) {
			size_t n = 0, k = strlen(parts[i]);
			for (size_t j = 0; j < times && n + k < 69000; j++, n += k)
				memcpy(text + n, parts[i], k);
			text[n++] = '1';
			buf b;
			diag d;
			cxx_code *c;
			cxx_value v;
			arena_init(&mem);
			buf_init(&b, 0);
			cxx_world_init(&w, &env);
			diag_clear(&d);
			err e = cxx_compile(&env, &mem, (str){text, n}, NULL, &c, &d);
			if (e == ERR_OK)
				e = cxx_run(c, &env, &v, &d);
			if (e != ERR_OK)
				assert_true(d.text[0] && d.src_begin <= n);
			/* Neither depth nor length is without end. */
			if (times == 20000 && (parts[i][1] == 0 || !strcmp(parts[i], "1+")) &&
				strchr("(-!*1", parts[i][0]))
				assert_int_equal(e, ERR_LIMIT);
			assert_true(cxx_extent((str){text, n}) <= n);
			arena_deinit(&mem);
			buf_deinit(&b);
		}
	mem_free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(literals),
		cmocka_unit_test(arithmetic),
		cmocka_unit_test(logic),
		cmocka_unit_test(names),
		cmocka_unit_test(members),
		cmocka_unit_test(pointers),
		cmocka_unit_test(casts),
		cmocka_unit_test(sizes_and_macros),
		cmocka_unit_test(registers),
		cmocka_unit_test(assignments),
		cmocka_unit_test(mistakes),
		cmocka_unit_test(extents),
		cmocka_unit_test(ranges),
		cmocka_unit_test(compiled_once),
		cmocka_unit_test(as_argument),
		cmocka_unit_test(other_targets),
		cmocka_unit_test(inside_masm),
		cmocka_unit_test(hostile),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
