/*
 * cmd: the command language - splitting, aliases, control flow, scripts, printing, error words -
 * against an engine with no target and with a small one of two processors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cmd/lang.h"

#include "base/reader.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- a target: nops at CODE, bytes at DATA, stops wherever it is sent ---- */

enum { DATA_SIZE = 4096 };
static const uint64_t CODE = 0xfffff80000010000, DATA = 0xfffff80000001000;

typedef struct toy {
	tgt t;
	uint8_t data[DATA_SIZE];
	uint64_t rip;
	bool stepping, running;
	unsigned resumes;
	size_t stuck; /* traps that cannot be taken out */
} toy;

static size_t toy_close(tgt *t, tgt_leave how)
{
	size_t left = how == TGT_DETACH ? ((toy *)t)->stuck : 0;
	mem_free(t);
	return left;
}

static void toy_caps(tgt *t, tgt_caps *ret)
{
	*ret = (tgt_caps){.kernel = true,
		.live = true,
		.spaces = 1 << AS_CURRENT,
		.max_hard = 4,
		.can_step = true};
}

static err toy_read(tgt *t, as_t as, uint64_t addr, void *p, size_t n, size_t *n_ret)
{
	toy *y = (toy *)t;
	if (addr >= DATA && addr < DATA + DATA_SIZE) {
		*n_ret = n < DATA + DATA_SIZE - addr ? n : (size_t)(DATA + DATA_SIZE - addr);
		memcpy(p, y->data + (addr - DATA), *n_ret);
		return ERR_OK;
	}
	if (addr < CODE || addr >= CODE + 65536)
		return ERR_FAULT;
	memset(p, 0x90, n);
	*n_ret = n;
	return ERR_OK;
}

static err toy_regs(tgt *t, unit_t u, unsigned sets, x64_regs *r, diag *d)
{
	*r = (x64_regs){.valid = ~0u, .rip = ((toy *)t)->rip, .seg = {0x10, 0x18}};
	r->gpr[0] = 0x100 + u;
	return ERR_OK;
}

static err toy_query(tgt *t, tgt_fact f, void *ret, size_t size, diag *d)
{
	memset(ret, 0, size);
	if (f == TGT_F_VERSION)
		*(tgt_version *)ret =
			(tgt_version){.major = 0xf, .minor = 19041, .machine = 0x8664, .flags = 5};
	return ERR_OK;
}

static err toy_trap_add(tgt *t, const tgt_trap *trap, uint64_t *handle, diag *d)
{
	*handle = trap->addr;
	return ERR_OK;
}

static err toy_trap_del(tgt *t, uint64_t handle, diag *d)
{
	return ERR_OK;
}

static err toy_resume(tgt *t, const tgt_run *how, diag *d)
{
	toy *y = (toy *)t;
	y->stepping = how->go == TGT_STEP;
	y->running = true;
	y->resumes++;
	y->rip += y->stepping ? 1 : 0x100;
	return ERR_OK;
}

static err toy_wait(tgt *t, int timeout_ms, tgt_event *ret, diag *d)
{
	toy *y = (toy *)t;
	*ret = (tgt_event){.kind = TGT_EV_EXCEPTION,
		.n_units = 2,
		.pc = y->rip,
		.first_chance = true,
		.code = y->running && y->stepping ? 0x80000004 : 0x80000003};
	if (y->running && y->stepping) {
		ret->has_report = true;
		ret->dr6 = 0x4000;
	}
	y->running = false;
	return ERR_OK;
}

static const tgt_ops toy_ops = {.name = "toy",
	.close = toy_close,
	.caps = toy_caps,
	.query = toy_query,
	.read = toy_read,
	.regs_get = toy_regs,
	.trap_add = toy_trap_add,
	.trap_del = toy_trap_del,
	.resume = toy_resume,
	.wait = toy_wait};

/* ---- the world ---- */

typedef struct world {
	engine *e;
	cmd *c;
	toy *y;
	buf out;
	const char *answers[4];
	size_t n_answers;
} world;

static void w_output(void *u, unsigned mask, str text)
{
	buf_adds(&((world *)u)->out, text);
}

static err w_input(void *u, str prompt, buf *line)
{
	world *w = u;
	if (!w->answers[w->n_answers])
		return ERR_STATE;
	buf_addz(line, w->answers[w->n_answers++]);
	return ERR_OK;
}

static int setup(void **state)
{
	world *w = mem_alloc(sizeof *w);
	w->e = eng_create();
	w->e->hooks.u = w;
	w->e->hooks.output = w_output;
	w->e->hooks.input = w_input;
	w->c = cmd_create(w->e);
	buf_init(&w->out, 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	world *w = *state;
	cmd_destroy(w->c);
	eng_destroy(w->e);
	buf_deinit(&w->out);
	mem_free(w);
	return 0;
}

static void attach(world *w)
{
	diag d = {0};
	w->y = mem_alloc(sizeof *w->y);
	w->y->t.ops = &toy_ops;
	w->y->rip = CODE;
	if (eng_attach(w->e, &w->y->t, ENG_KERNEL, &d) != ERR_OK ||
		eng_wait(w->e, -1, &d) != ERR_OK)
		fail_msg("attach: %s", d.text);
	buf_clear(&w->out);
}

static const char *run(world *w, const char *line)
{
	buf_clear(&w->out);
	(void)!cmd_execute(w->c, str_of(line));
	return buf_z(&w->out);
}

typedef struct row {
	const char *line, *want;
} row;

static void expect(world *w, const row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *got = run(w, rows[i].line);
		if (strcmp(got, rows[i].want) != 0)
			fail_msg("%s\n  gives:\n%s  not:\n%s", rows[i].line, got, rows[i].want);
	}
}
#define EXPECT(w, rows) expect((w), (rows), ARRAY_LEN(rows))

/* ---- tests ---- */

static void splitting(void **state)
{
	static const row rows[] = {
		{".echo a;.echo b", "a\nb\n"},
		{".echo \"a;b\"; .echo c", "a;b\nc\n"},
		{".echo it's fine", "it's fine\n"},
		{".echo 5\" disk; .echo x", "5\" disk\nx\n"},
		{".echo a   b  ", "a   b\n"},
		{"", ""},
		{" ;;  ; .echo x ;; ", "x\n"},
		{"* .echo a; .echo b", ""},
		{".echo a; * rest; .echo b", "a\n"},
		{"$$ a \"b ; .echo c", "c\n"},
		{".echo a $$ b", "a $$ b\n"},
		{".ECHO Upper", "Upper\n"},
		{"n10", "base is 10\n"},
		{"n 16", "base is 16\n"},
		{"n", "base is 16\n"},
		{".echo", "\n"},
		{".echo\"x\"", "x\n"},
		{"? 1 + 2; ? 3", "Evaluate expression: 3 = 00000000`00000003\n"
				 "Evaluate expression: 3 = 00000000`00000003\n"},
		{".echo one\n.echo two", "one\ntwo\n"},
		{".shell echo a; echo b\n.echo c", "a\nb\nc\n"},
		{".foreach /s (x \"1 2\")\n{\n.echo x\n}\n.echo end", "1\n2\nend\n"},
		{".while (0)\n{\n}\n.block\n{\n.echo a\n}\n.echo b", "a\nb\n"},
		{"?1+1", "Evaluate expression: 2 = 00000000`00000002\n"},
	};
	EXPECT(*state, rows);
}

static void aliases(void **state)
{
	static const row rows[] = {
		{"al", "No aliases\n"},
		{"as Hi hello; there  ", ""},
		{".echo Hi", "hello\nSyntax error in 'there'\n"},
		{"aS Two one two; .echo same line: Two", "same line: Two\n"},
		{".echo Two", "one two\n"},
		{".echo xTwo Twox Two.", "xTwo Twox Two.\n"},
		{".echo Two-x x-Two (Two)", "Two-x x-Two (Two)\n"},
		{".echo x${Two}x", "xone twox\n"},
		{".echo \"Two\"", "one two\n"},
		{".echo ${/d:Two} ${/d:None}", "1 0\n"},
		{".echo [${/f:Two}] [${/f:None}]", "[one two] []\n"},
		{".echo ${/n:Two} ${/n:None} ${/v:Two} ${None}",
			"Two ${/n:None} ${/v:Two} ${None}\n"},
		{".echo two", "two\n"}, /* case matters */
		{"aS Q \"a;b\"", ""},
		{"al", "  Alias            Value  \n -------          ------- \n Hi               "
		       "hello; there   \n"
		       " Two              one two \n Q                a;b \n"},
		{"ad Q", ""},
		{"ad Q", "No alias named 'Q' is defined\n"},
		{"ad /q Q", ""},
		/* The line is not looked at, so the name can be defined again. */
		{"as Two 2", ""},
		{" as Three Two", ""},
		{".echo Three", "2\n"},
		{"as Four Two", ""},
		{".echo Four", "Two\n"},
		{"as Name ${/v:Two}", ""},
		{"ad ${/v:Name}", ""},
		{"aS /x ${/v:A} 5 + 1; .block{.echo A}", "0x6\n"},
		{"ad A; aS /x A 5 + 1; .echo A", "A\n"},
		{"aS /x A 7", ""},
		{".echo A", "0x7\n"},
		{"aS /e E RS_TEST_VARIABLE; .block{.echo ${E}}", "from the environment\n"},
		{"as /c C .echo x; .echo y", ""},
		{".foreach /s (t \"${C}\") {.echo <${t}>}", "<x>\n<y>\n"},
		{"aS /e E RS_NO_SUCH_VARIABLE",
			"There is no environment variable 'RS_NO_SUCH_VARIABLE'\n"},
		{"ad *", ""},
		{"al", "No aliases\n"},
		{"as", "^ Syntax error in 'as'\n"},
		/* Fixed names. */
		{"r $.u0 = one", ""},
		{".echo [$u0]", "[one]\n"},
		/* Semicolons belong to the text. */
		{"r $.u6 = .echo p; .echo q", ""},
		{"$u6", "p\nq\n"},
		{".block {r $.u6 = r;s}; .echo \"$u6\"", ".echo p; .echo q\n"},
		{".echo \"$u6\"", "r;s\n"},
		{"r$.u2=2", ""},
		{"r $.u1=1+$u2", ""},
		{"r $.u2=6", ""},
		{"? $u1", "Evaluate expression: 3 = 00000000`00000003\n"},
		{".echo x$u2y$u29$u7z", "x6y69z\n"},
		{"r $.u5=\"a;b\"", ""},
		{".echo $u5", "a;b\n"},
		{"as Uses $u2 times", ""},
		{".echo Uses", "6 times\n"},
		{".echo ${$ntnsym}", "ntdll\n"},
	};
	setenv("RS_TEST_VARIABLE", "from the environment", 1);
	world *w = *state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *got = run(w, rows[i].line);
		/* Carets are another test's concern. */
		while (strchr(got, '^') && *got == ' ')
			got++;
		if (strcmp(got, rows[i].want) != 0)
			fail_msg("%s\n  gives:\n%s  not:\n%s", rows[i].line, got, rows[i].want);
	}
}

static void control_flow(void **state)
{
	static const row rows[] = {
		{".if (1) {.echo yes} .else {.echo no}", "yes\n"},
		{".if 0 {.echo yes} .else {.echo no}; .echo after", "no\nafter\n"},
		{".if (0) {.echo a} .elsif (2 > 1) {.echo b} .else {.echo c}", "b\n"},
		{".if (0) {.echo a} .elsif (0) {.echo b} .else {.echo c} ; .echo d", "c\nd\n"},
		{".if (0) {.echo a}; .echo b", "b\n"},
		{".if (1) {.echo a}\n.else\n{.echo b}\n.echo c", "a\nc\n"},
		{".if (1) {.if (0) {.echo x} .else {.echo \"}\"}}", "}\n"},
		{".if ($spat(\"a{b\", \"a*\")) {.echo brace}", "brace\n"},
		{".if (1) { $$ a comment with } and \"\n .echo ok }", "ok\n"},
		{".if (1) {\n* a comment with } and \"\n .echo ok }", "ok\n"},
		{".for (aS /x i 0; 0; .echo never) {.echo never}", ""},
		{".foreach /s (x \"1 2 3\") {.if (${x} == 2) {.continue}; .echo x}", "1\n3\n"},
		{".foreach /s (x \"1 2 3\") {.if (${x} == 2) {.break}; .echo x}; .echo end",
			"1\nend\n"},
		{".foreach /pS 2 /ps 4 /s (x \"1 2 3 4 5 6 7 8 9 a b c d\") {.echo x}",
			"3\n8\nd\n"},
		{".foreach (x {.echo a b; .echo c}) {.echo [${x}] x}", "[a] a\n[b] b\n[c] c\n"},
		{".foreach (x {.echo a b}) {.foreach (y {.echo 1 2}) {.echo x y}}",
			"a 1\na 2\nb 1\nb 2\n"},
		{".foreach /s (x \"a b\") {.foreach /s (x \"c\") {.echo x}; .echo x }",
			"c\na\nc\nb\n"},
		{".block {.echo a; .block{.echo b}} ; .echo c", "a\nb\nc\n"},
		{".catch {.echo a; ? nosuch; .echo b}; .echo c",
			"a\nCouldn't resolve error at 'nosuch'\nc\n"},
		{".catch {.echo a; .leave; .echo b}; .echo c", "a\nc\n"},
		{".catch {.foreach /s (x \"1 2\") {.echo x; .if (${x}==1) {.leave}}}; .echo c",
			"1\nc\n"},
		{".block {? nosuch; .echo a}; .echo b", "Couldn't resolve error at 'nosuch'\n"},
		{".foreach (x {? nosuch}) {.echo x}; .echo b",
			"Couldn't resolve error at 'nosuch'\n"},
		{"j (1) '.echo a; .echo b' ; '.echo c'", "a\nb\n"},
		{"j (0) '.echo a; .echo b' ; '.echo c'; .echo ignored", "c\n"},
		{"j 0 .echo a ; .echo b", "b\n"},
		{"j 1 .echo a ; .echo b", "a\n"},
		{"j (0) '' ; '.echo none'", "none\n"},
		{"j (1)  ; '.echo none'", ""},
		{"j (0) '.echo a'", ""},
		{"j (0) '.echo a'; '.echo open", "open\n"},
		{"j1 '.echo glued'", "glued\n"},
	};
	EXPECT(*state, rows);
}

/* Loops that need a variable use $exp, the last value that ? showed. */
static void loops(void **state)
{
	world *w = *state;
	engine *e = w->e;
	static const struct {
		const char *line;
		const char *echoes;
	} rows[] = {
		{".for (? 0; @$exp < 3; ? @$exp + 1) {.printf \"<%d>\", @$exp}", "<0><1><2>"},
		{"? 0; .while (@$exp < 2) {.printf \"<%d>\", @$exp; ? @$exp + 1}", "<0><1>"},
		{"? 2; .while (@$exp < 2) {.printf \"<%d>\", @$exp}; .printf \"<e>\"", "<e>"},
		{"? 5; .do {.printf \"<%d>\", @$exp; ? @$exp + 1} (@$exp < 5)", "<5>"},
		{"? 0; .do {.printf \"<%d>\", @$exp; ? @$exp + 1} (@$exp < 2); .printf \"<e>\"",
			"<0><1><e>"},
		{".for (? 0; ; ? @$exp + 1) {.printf \"<%d>\", @$exp; .if (@$exp == 1) {.break}}",
			"<0><1>"},
		{".for (? 0; @$exp < 4; ? @$exp + 1) {.if (@$exp & 1) {.continue}; .printf "
		 "\"<%d>\", @$exp}",
			"<0><2>"},
		{".for (? 0; @$exp < 2; ? @$exp + 1; .printf \"<s>\") {}", "<s><s>"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		/* Only what stands in angle brackets counts. */
		const char *got = run(w, rows[i].line);
		char marks[256];
		size_t n = 0;
		for (const char *p = got, *end; (p = strchr(p, '<')) && (end = strchr(p, '>'));
			p = end)
			while (p <= end && n < sizeof marks - 1)
				marks[n++] = *p++;
		marks[n] = 0;
		if (strcmp(marks, rows[i].echoes) != 0)
			fail_msg("%s\n  gives %s (%s)", rows[i].line, marks, got);
	}
	e->last_value = 0;
	run(w, "? @$exp + 1; z(@$exp < 5); .echo done");
	assert_int_equal(e->last_value, 5);
	assert_non_null(strstr(buf_z(&w->out), "done\n"));
}

static void errors(void **state)
{
	static const row rows[] = {
		{"nosuchcommand", "          ^ Syntax error in 'nosuchcommand'\n"},
		{".echo a; nosuchcommand x; .echo b",
			"a\n                   ^ Syntax error in 'nosuchcommand x'\n"},
		{"? 1 + nosuch", "                ^ Couldn't resolve error at 'nosuch'\n"},
		{"? 1 +", "               ^ Numeric expression missing from '<EOL>'\n"},
		{"? (1", "            ^ Syntax error at '(1'\n"},
		{"? 1 2", "              ^ Extra character error at '2'\n"},
		{"? @nosuch", "            ^ Bad register error at '@nosuch'\n"},
		{"? 1/0", "            ^ Operand error at '1/0'\n"},
		{"{.echo a}", "          ^ Syntax error in '{.echo a}'\n"},
		{"}", "          ^ Syntax error in '}'\n"},
		{"!nosuch 1", "No export nosuch found\n"},
		{"!mod.nosuch", "No export nosuch found\n"},
		{".nosuch", "          ^ Syntax error in '.nosuch'\n"},
		{".if (1) .echo a", "              ^ Syntax error in '.if (1) .echo a'\n"},
		{".else {.echo a}", "          ^ Syntax error in '.else {.echo a}'\n"},
		{".break", ".break is only possible inside of a loop\n"},
		{".leave", ".leave is only possible inside of .catch\n"},
		{"n 7", "            ^ Syntax error in 'n 7'\n"},
		{"al x", "             ^ Extra character error in 'al x'\n"},
		{".printf \"%d %d\", 1", "                            ^ No argument for '%d'\n"},
		{".printf \"%s\", 1", "Unknown conversion '%s' (strings in the target are %ma, "
				      "%mu, %msa and %msu)\n"},
		{".printf x", "                  ^ Syntax error in '.printf x'\n"},
		{".expr /s c++", "Current expression evaluator: C++ - C++ source expressions\n"},
		{".expr /s masm", "Current expression evaluator: MASM - Microsoft Assembler "
				  "expressions\n"},
		{"$$< /nonexistent/x", NULL},
		{".echo \"a\" b",
			"                    ^ Extra character error in '.echo \"a\" b'\n"},
		{"3 .echo", NULL},
	};
	world *w = *state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *got = run(w, rows[i].line);
		/* Without a target the prompt is "NoTarget> ". */
		const char *want = rows[i].want;
		if (!want) {
			assert_true(*got != 0);
			continue;
		}
		if (strcmp(got, want) != 0)
			fail_msg("%s\n  gives:\n%s  not:\n%s", rows[i].line, got, want);
	}
	assert_non_null(strstr(run(w, "$$< /nonexistent/x"), "Command file execution failed"));
}

static void values(void **state)
{
	static const row rows[] = {
		{"? -1", "Evaluate expression: -1 = ffffffff`ffffffff\n"},
		{"? 0x10 + 0t10 + 0y10", "Evaluate expression: 26 = 00000000`0000001a\n"},
		{"n 10; ? 12", "base is 10\nEvaluate expression: 12 = 00000000`0000000c\n"},
		{"n 16; ? 12", "base is 16\nEvaluate expression: 18 = 00000000`00000012\n"},
		{".expr", "Current expression evaluator: MASM - Microsoft Assembler expressions\n"},
		{".expr /s masm",
			"Current expression evaluator: MASM - Microsoft Assembler expressions\n"},
		{"ss w", "Symbol suffix is 'W'\n"},
		{"ss n", "Symbol suffix is off\n"},
		{".printf \"%d|%u|%x|%X|%o|%c|%%\\n\", -1, -1, ff, ff, 8, 41",
			"-1|4294967295|ff|FF|10|A|%\n"},
		{".printf \"%I64x %I64d %lld %ld %hx %hhd\\n\", 123456789a, -2, 0`ffffffff, "
		 "1`00000005, 12345, ff",
			"123456789a -2 4294967295 5 2345 -1\n"},
		{".printf \"[%5d][%-5d][%05x][%+d][%#x][%.3d]\\n\", 5, 5, 5, 5, 5, 5",
			"[    5][5    ][00005][+5][0x5][005]\n"},
		{".printf \"[%*d]\\n\", 4, 7", "[   7]\n"},
		{".printf \"%p\\n\", fffff80000001234", "fffff80000001234\n"},
		{".printf \"%f %lf %g\\n\", 3f800000, 4000000000000000, 40490fdb",
			"1.000000 2.000000 3.14159\n"},
		{".printf \"a\\tb \\\"q\\\"\\n\"", "a\tb \"q\"\n"},
		{".printf /D \"<b>x</b> &lt;y&gt;\\n\"", "x <y>\n"},
		{".printf /ow \"warn\\n\"", "warn\n"},
		{".printf \"%y\\n\", 1234", "00000000`00001234\n"},
		{".printf \"no end\"", "no end"},
	};
	EXPECT(*state, rows);
}

static void formats(void **state)
{
	world *w = *state;
	setenv("TZ", "PST8", 1);
	w->e->ptr_size = 4;
	/* The documented sample. */
	assert_string_equal(run(w, ".formats 1c407e62"),
		"Evaluate expression:\n"
		"  Hex:     1c407e62\n"
		"  Decimal: 473988706\n"
		"  Octal:   03420077142\n"
		"  Binary:  00011100 01000000 01111110 01100010\n"
		"  Chars:   .@~b\n"
		"  Time:    Mon Jan 07 15:31:46 1985\n"
		"  Float:   low 6.36908e-022 high 0\n"
		"  Double:  2.34182e-315\n");
	w->e->ptr_size = 8;
	assert_string_equal(run(w, ".formats 0n116444736000012345"),
		"Evaluate expression:\n"
		"  Hex:     019db1de`d53eb039\n"
		"  Decimal: 116444736000012345\n"
		"  Octal:   0006355435732517530071\n"
		"  Binary:  00000001 10011101 10110001 11011110 11010101 00111110 10110000 "
		"00111001\n"
		"  Chars:   .....>.9\n"
		"  Time:    Wed Dec 31 16:00:00.001 1969\n"
		"  Float:   low -1.3104e+013 high 5.79279e-038\n"
		"  Double:  6.92827e-301\n");
	assert_non_null(
		strstr(run(w, ".formats ffffffffffffffff"), "Time:    ***** Invalid FILETIME\n"));
	unsetenv("TZ");
}

static const char *write_file(const char *name, const char *text)
{
	static char path[256];
	snprintf(path, sizeof path, "%s/rs_lang_%d_%s",
		getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", (int)getpid(), name);
	diag d;
	if (sys_write_file(path, str_of(text), &d) != ERR_OK)
		fail_msg("%s", d.text);
	return path;
}

static void scripts(void **state)
{
	world *w = *state;
	char line[512], want[512];
	const char *p = write_file("a.txt", ".echo one\r\n\r\n.echo two\n$$ comment\n.echo three");
	snprintf(line, sizeof line, "$<%s", p);
	assert_string_equal(run(w, line),
		"NoTarget> .echo one\none\nNoTarget> .echo two\ntwo\nNoTarget> $$ comment\n"
		"NoTarget> .echo three\nthree\n");
	snprintf(line, sizeof line, "$$<%s; .echo after", p);
	assert_non_null(strstr(run(w, line), "three\nafter\n"));
	snprintf(line, sizeof line, "$<%s; .echo after", p);
	assert_non_null(strstr(run(w, line), "Command file execution failed"));

	unlink(p);
	p = write_file("b.txt",
		".foreach /s (x \"1 2\")\n{\n  .if (${x} == 1)\n  {\n    .echo one\n  }\n  .else\n"
		"  {\n    .echo other\n  }\n}\n.echo end\n");
	snprintf(line, sizeof line, "$$><%s", p);
	snprintf(want, sizeof want, "one\nother\nend\n");
	assert_non_null(strstr(run(w, line), want));

	unlink(p);
	p = write_file("my script.txt",
		"\xef\xbb\xbf.echo The first argument is ${$arg1}.\n"
		".echo The fifth argument is ${$arg5}.\n.echo The fourth argument is ${$arg4}.\n");
	snprintf(line, sizeof line,
		"$$>a< \"%s\" \"First one\" Two \"Three More\" Four; .echo after", p);
	assert_string_equal(run(w, line),
		"The first argument is First one.\nThe fifth argument is ${$arg5}.\n"
		"The fourth argument is Four.\nafter\n");

	unlink(p);
	p = write_file("words.txt", "one two\r\n three");
	snprintf(line, sizeof line, ".foreach /f (x \"%s\") {.echo [${x}]}", p);
	assert_string_equal(run(w, line), "[one]\n[two]\n[three]\n");
	assert_true(*run(w, ".foreach /f (x \"/nonexistent/x\") {.echo x}") != 0);

	unlink(p);
	p = write_file("loop.txt", "x");
	snprintf(line, sizeof line, ".echo again\n$$<%s\n", p);
	diag d;
	assert_int_equal(sys_write_file(p, str_of(line), &d), ERR_OK);
	snprintf(line, sizeof line, "$$<%s", p);
	assert_non_null(strstr(run(w, line), "nested too deeply"));
	unlink(p);
	/* The interpreter is as it was. */
	assert_string_equal(run(w, ".echo fine"), "fine\n");
}

static void logs(void **state)
{
	world *w = *state;
	char line[512], path[256];
	const char *p = write_file("log.txt", "old");
	snprintf(path, sizeof path, "%s", p);
	snprintf(line, sizeof line, ".logopen %s", path);
	assert_non_null(strstr(run(w, line), "Opened log file '"));
	run(w, ".echo logged");
	w->answers[0] = "x";
	buf b;
	buf_init(&b, 0);
	/* The other hooks go on working while the log sits in between. */
	assert_int_equal(w->e->hooks.input(w->e->hooks.u, STR("?"), &b), ERR_OK);
	assert_string_equal(buf_z(&b), "x");
	buf_deinit(&b);
	assert_non_null(strstr(run(w, ".outmask- /l 1"), "Output mask is"));
	assert_string_equal(run(w, ".echo only in the log"), "");
	run(w, ".outmask /d");
	assert_non_null(strstr(run(w, ".logfile"), "open"));
	assert_non_null(strstr(run(w, ".logclose"), "Closing open log file"));
	assert_string_equal(run(w, ".logfile"), "No log file open\n");
	assert_string_equal(run(w, ".logclose"), "No log file open\n");
	assert_string_equal(run(w, ".echo shown"), "shown\n");
	arena a;
	arena_init(&a);
	str text;
	diag d;
	assert_int_equal(sys_read_file(&a, path, 1 << 20, &text, &d), ERR_OK);
	assert_true(str_find(text, STR("NoTarget> .echo logged\nlogged\n")) != SIZE_MAX);
	assert_true(str_find(text, STR("only in the log\n")) != SIZE_MAX);
	assert_true(str_find(text, STR("old")) == SIZE_MAX);
	assert_true(str_find(text, STR("shown")) == SIZE_MAX);
	snprintf(line, sizeof line, ".logappend %s", path);
	run(w, line);
	run(w, ".echo added; .logclose");
	assert_int_equal(sys_read_file(&a, path, 1 << 20, &text, &d), ERR_OK);
	assert_true(str_find(text, STR("logged\n")) < str_find(text, STR("added\n")));
	assert_true(str_find(text, STR("added\n")) != SIZE_MAX);
	snprintf(line, sizeof line, ".logopen /u %s", path);
	run(w, line);
	run(w, ".logclose");
	assert_int_equal(sys_read_file(&a, path, 1 << 20, &text, &d), ERR_OK);
	assert_memory_equal(text.p, "\xff\xfeO\0p\0", 6);
	arena_deinit(&a);
	unlink(path);
}

static void shell(void **state)
{
	world *w = *state;
	static const row rows[] = {
		{".shell echo a; echo b", "a\nb\n"},
		{".shell -ci \".echo from here\" tr a-z A-Z", "FROM HERE\n"},
		{".shell -i - cat", ""},
		{".shell -o - echo x", ""},
		{".shell -q x", "                 ^ Syntax error in '.shell -q x'\n"},
		{".shell exit 3", ""},
	};
	EXPECT(w, rows);
	w->answers[0] = "echo hello";
	w->answers[1] = "exit";
	const char *got = run(w, ".shell");
	assert_non_null(strstr(got, "hello\n"));
	assert_non_null(strstr(got, "<.shell process may need input>"));
	/* A command that reads nothing of a lot of input neither hangs nor kills. */
	run(w, ".shell -ci \".foreach /s (x \\\"1 2 3 4 5 6 7 8 9\\\") {.help}\" true");
	run(w, ".noshell");
	assert_non_null(strstr(run(w, ".shell echo a"), "forbidden"));
}

static void stamps(void **state)
{
	world *w = *state;
	attach(w);
	run(w, ".echotimestamps 1");
	buf_clear(&w->out);
	out_as(w->e, OUT_DEBUGGEE, "first ");
	out_as(w->e, OUT_DEBUGGEE, "half\nsecond\n");
	int h, m, s, ms, year, used = 0;
	const char *got = buf_z(&w->out);
	assert_int_equal(
		sscanf(got, "%*3s %*3s %*2d %d:%d:%d.%d %d (UTC %*c %*d:%*d): first half\n%n", &h,
			&m, &s, &ms, &year, &used),
		5);
	assert_true(used && year >= 2024);
	assert_non_null(strstr(got + used, "): second\n"));
	/* What commands print has none; what is said about an event has. */
	assert_string_equal(run(w, ".echo plain"), "plain\n");
	run(w, "g; .echo x");
	assert_non_null(strstr(buf_z(&w->out), "(UTC "));
	run(w, ".echotimestamps 0");
	assert_null(strstr(run(w, "g; .echo x"), "(UTC "));
	assert_ptr_equal(w->e->hooks.u, w);
}

static void settings(void **state)
{
	static const row rows[] = {
		{"sq", "Quiet mode is ON\n"},
		{"sqd", "Quiet mode is OFF\n"},
		{"sqe", "Quiet mode is ON\n"},
		{".pcmd", "No per-prompt command\n"},
		{".pcmd -s \".echo stop; .echo twice\"",
			"Per-prompt command is '.echo stop; .echo twice'\n"},
		{".pcmd", "Per-prompt command is '.echo stop; .echo twice'\n"},
		{".echotimestamps", "Event timestamps are now enabled\n"},
		{".echotimestamps 0", "Event timestamps are now disabled\n"},
		{".outmask 8", "Output mask is 0x7ff\n"},
		{".outmask- 0x408", "Output mask is 0x3f7\n"},
		{".prompt_allow -reg -dis +ea -src",
			"Allow the following information to be displayed at the prompt:\n"
			"(Other settings can affect whether the information is actually "
			"displayed)\n"
			"   sym - Symbol for current instruction\n    ea - Effective address for "
			"current instruction\n"
			"Do not allow the following information to be displayed at the prompt:\n"
			"   dis - Disassembly of current instruction\n   reg - Register state\n"
			"   src - Source info for current instruction\n"},
		{".allow_exec_cmds 0", "Execution commands are not allowed\n"},
		{".allow_exec_cmds", "Execution commands are not allowed\n"},
		{".cls", "\f"},
	};
	world *w = *state;
	EXPECT(w, rows);
	buf_clear(&w->out);
	assert_int_equal(cmd_on_stop(w->c), ERR_OK);
	assert_string_equal(buf_z(&w->out), "stop\ntwice\n");
	cmd_set_command_line(w->c, STR("ringside -k x"));
	assert_string_equal(run(w, "vercommand"), "command line: 'ringside -k x'\n");
	assert_non_null(strstr(run(w, "version"), "Ringside version "));
	/* The version is the one of meson.build. */
	arena a;
	arena_init(&a);
	str text;
	diag d;
	const char *root = getenv("RS_SOURCE_ROOT");
	if (root && sys_read_file(&a, arena_printf(&a, "%s/meson.build", root), 1 << 20, &text,
			    &d) == ERR_OK) {
		size_t at = str_find(text, STR("version: '"));
		assert_true(at != SIZE_MAX);
		text = str_skip(text, at + 10);
		text = str_take(text, str_chr(text, '\''));
		assert_non_null(strstr(run(w, "version"),
			arena_printf(&a, "Ringside version %.*s\n", STR_ARG(text))));
	}
	arena_deinit(&a);
	assert_non_null(strstr(run(w, ".echotime"), "Debugger (not debuggee) time: "));
}

static void help(void **state)
{
	world *w = *state;
	assert_non_null(strstr(run(w, "?"), "\nal               List the user-named aliases\n"));
	assert_null(strstr(buf_z(&w->out), "\n.echo "));
	assert_non_null(strstr(run(w, ".help"), "\n.echo "));
	assert_non_null(strstr(run(w, ".help /D"), "\n.echo "));
	assert_non_null(strstr(run(w, "!help"), "!help "));
	assert_non_null(strstr(run(w, ".help printf"), ".printf [/D]"));
	assert_non_null(strstr(run(w, ".hh .foreach"), "/pS n  skips the first n pieces"));
	assert_non_null(strstr(run(w, ".help .log*"), ".logappend"));
	assert_non_null(strstr(run(w, ".help each"), ".foreach"));
	assert_string_equal(run(w, ".help zzzz"), "No help for 'zzzz'\n");
	static const char *const later[] = {".browse", "!gflag", "!avrf x", "!bitcount 1"};
	for (size_t i = 0; i < ARRAY_LEN(later); i++)
		assert_non_null(
			strstr(run(w, later[i]), "known but not available in this version"));
	/* Every row can be generated into docs: words everywhere, no full stop behind a summary. */
	for (size_t f = 0; cmd_families[f]; f++)
		for (size_t i = 0; i < cmd_families[f]->n; i++) {
			const cmd_row *r = &cmd_families[f]->rows[i];
			if (!r->name || !r->name[0] || !r->usage || !r->usage[0] || !r->summary ||
				!r->summary[0])
				fail_msg("row %s has no usage or summary", r->name);
			if (r->summary[strlen(r->summary) - 1] == '.')
				fail_msg("the summary of %s ends in a full stop", r->name);
			if (!(r->flags & CMD_LATER) && !r->fn)
				fail_msg("%s has no function", r->name);
			if (!(r->flags & CMD_ANY))
				fail_msg("%s works in no mode", r->name);
		}
}

static void matching(void **state)
{
	static const struct {
		const char *text, *name;
	} rows[] = {
		{"al", "al"},
		{"as x", "as"},
		{"aS x", "aS"},
		{".if(1){}", ".if"},
		{".iffy", NULL},
		{"?"
		 "? x",
			"?"
			"?"},
		{"?x", "?"},
		{"bp3 nt!x", "bp"},
		{"bl", "bl"},
		{"gu", "gu"},
		{"gh", "gh"},
		{"gH", "gh"},
		{"gN", "gN"},
		{"gn", "gn"},
		{"sxe ld", "sxe"},
		{"sx- x", "sx-"},
		{"$$>a<x", "$$>a<"},
		{"$<x", "$<"},
		{"~1s", "~"},
		{"!help", "!help"},
		{"!ext.help", "!help"},
		{"!HELP x", "!help"},
		{"z(1)", "z"},
		{"zz", NULL},
		{"n10", "n"},
		{"q", "q"},
		{"qx", NULL},
		{".logopenx", NULL},
		{".outmask- 1", ".outmask"},
		{"j(1) 'g'", "j"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t used = 0;
		const cmd_row *r = cmd_row_match(str_of(rows[i].text), &used);
		if (!!r != !!rows[i].name || (r && strcmp(r->name, rows[i].name) != 0))
			fail_msg("%s is taken for %s", rows[i].text, r ? r->name : "nothing");
	}
}

static void repeating(void **state)
{
	world *w = *state;
	assert_true(cmd_repeat_line(w->c, STR("? 1")).n > 0);
	assert_int_equal(cmd_repeat_line(w->c, STR("* x")).n, 0);
	assert_int_equal(cmd_repeat_line(w->c, STR("as a b")).n, 0);
	assert_int_equal(cmd_repeat_line(w->c, STR("")).n, 0);
	assert_int_equal(cmd_repeat_line(w->c, STR("$$ x")).n, 0);
	str line = cmd_repeat_line(w->c, STR("? 1; ? 2"));
	assert_int_equal(line.n, 8);
	assert_int_equal(cmd_repeat_line(w->c, STR("nosuch")).n, 0);
	/* A display without its address: it goes on where it ended. */
	assert_true(str_eq(cmd_repeat_line(w->c, STR("db 1000 L4")), STR("db")));
	assert_true(str_eq(cmd_repeat_line(w->c, STR("u 1000")), STR("u")));
	assert_int_equal(cmd_repeat_line(w->c, STR("db 1000; db 2000")).n, 16);
}

static void arguments(void **state)
{
	world *w = *state;
	static const struct {
		const char *text;
		uint64_t addr, count, bytes;
		bool given, has_count;
		const char *rest;
	} rows[] = {
		{"", 0x77, 8, 32, 0, 0, ""},
		{"1000", 0x1000, 8, 32, 1, 0, ""},
		{"1000 1007", 0x1000, 2, 8, 1, 1, ""},
		{"1000 L10", 0x1000, 16, 64, 1, 1, ""},
		{"1000 l10 5", 0x1000, 16, 64, 1, 1, "5"},
		{"1000L4", 0x1000, 4, 16, 1, 1, ""},
		{"1000 L 0n100", 0x1000, 100, 400, 1, 1, ""},
		{"80000000 L-8", 0x7fffffe0, 8, 32, 1, 1, ""},
		{"1000 L?10000000", 0x1000, 0x10000000, 0x40000000, 1, 1, ""},
		{"L4", 0x77, 4, 16, 1, 1, ""},
		{"1000, 100f", 0x1000, 4, 16, 1, 1, ""},
		{"%1000 L1", 0x1000, 1, 4, 1, 1, ""},
		{"ds:1000 L1", 0x1000, 1, 4, 1, 1, ""},
		{"1000 \"x\"", 0x1000, 8, 32, 1, 0, "\"x\""},
		{"1000 L(2+2)", 0x1000, 4, 16, 1, 1, ""},
		{"1000 L0x10", 0x1000, 16, 64, 1, 1, ""},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		str rest = str_of(rows[i].text);
		cmd_range r;
		if (cmd_arg_range(w->c, &rest, 4, 8, 0x77, &r) != ERR_OK)
			fail_msg("%s: %s", rows[i].text, w->c->d.text);
		if (r.addr != rows[i].addr || r.count != rows[i].count ||
			r.bytes != rows[i].bytes || r.given != rows[i].given ||
			r.has_count != rows[i].has_count)
			fail_msg("%s: %llx %llu %llu %d %d", rows[i].text,
				(unsigned long long)r.addr, (unsigned long long)r.count,
				(unsigned long long)r.bytes, r.given, r.has_count);
		assert_string_equal(rest.p, rows[i].rest);
	}
	static const char *const bad[] = {
		"1000 L10000000", "1000 fff", "&10:20", "1000 Lnosuch", "1000 L"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		str rest = str_of(bad[i]);
		cmd_range r;
		if (cmd_arg_range(w->c, &rest, 4, 8, 0, &r) == ERR_OK)
			fail_msg("%s is taken for a range", bad[i]);
	}
	str rest = STR("/c x"), got;
	assert_true(cmd_arg_switch(&rest, "/", &got));
	assert_true(str_eq(got, STR("c")) && str_eq(rest, STR("x")));
	assert_false(cmd_arg_switch(&rest, "/-", &got));
	rest = STR("word, next");
	assert_true(cmd_arg_word(&rest, "WORD"));
	assert_true(str_eq(rest, STR("next")));
	assert_false(cmd_arg_word(&rest, "ne"));
	rest = STR("\"a\\\"b\\n\" tail");
	assert_int_equal(cmd_arg_quoted(w->c, &rest, true, &got), ERR_OK);
	assert_true(str_eq(got, STR("a\"b\n")) && str_eq(rest, STR("tail")));
}

/* ---- with a target ---- */

static void prefixes(void **state)
{
	world *w = *state;
	attach(w);
	buf b;
	buf_init(&b, 0);
	cmd_prompt(w->c, &b);
	assert_string_equal(buf_z(&b), "0: kd");
	buf_deinit(&b);
	/* z takes a processor: rax is 0x100 on the first, 0x101 on the second. */
	w->e->last_value = 0;
	run(w, "? @$exp + 1; 1z((@rax == 101) & (@$exp < 3))");
	assert_int_equal(w->e->last_value, 3);
	w->e->last_value = 0;
	run(w, "? @$exp + 1; 0z((@rax == 101) & (@$exp < 3))");
	assert_int_equal(w->e->last_value, 1);
	w->e->last_value = 0;
	run(w, "? @$exp + 1; ||[@$t0 + 1] z((@rax == 101) & (@$exp < 3))");
	assert_int_equal(w->e->last_value, 3);
	assert_int_equal(w->e->ctx.unit, 0);
	assert_string_equal(run(w, "7z(0)"), "7 is not a valid processor number\n");
	assert_non_null(strstr(run(w, "1al"), "^ Syntax error in '1al'"));
}

static void strings(void **state)
{
	world *w = *state;
	attach(w);
	memcpy(w->y->data, "ansi text", 10);
	memcpy(w->y->data + 0x40, "w\0i\0d\0e\0\0", 10);
	put16(w->y->data + 0x80, 4);
	put64(w->y->data + 0x88, DATA);
	put16(w->y->data + 0xa0, 6);
	put64(w->y->data + 0xa8, DATA + 0x40);
	static const row rows[] = {
		{".printf \"%ma|%mu|%msa|%msu\\n\", fffff80000001000, fffff80000001040, "
		 "fffff80000001080, "
		 "fffff800000010a0",
			"ansi text|wide|ansi|wid\n"},
		{".printf \"[%12ma][%-6mu][%.3ma]\\n\", fffff80000001000, fffff80000001040, "
		 "fffff80000001000",
			"[   ansi text][wide  ][ans]\n"},
		{"aS /ma S fffff80000001000; .block{.echo ${S}}", "ansi text\n"},
		{"as /mu S fffff80000001040", ""},
		{".echo S", "wide\n"},
		{"as /msa S fffff80000001080", ""},
		{".echo S", "ansi\n"},
		{"as /msu S fffff800000010a0", ""},
		{".echo S", "wid\n"},
		{"? by(fffff80000001000)", "Evaluate expression: 97 = 00000000`00000061\n"},
		{".echo ${$ntsym}", "nt\n"},
	};
	EXPECT(w, rows);
	assert_non_null(strstr(run(w, "? poi(0)"), "^ Memory access error at 'poi(0)'"));
	assert_true(*run(w, ".printf \"%ma\", 0") != 0);
}

/* Commands behind one that sets the target running wait for its stop; the last one only sets. */
static void waiting(void **state)
{
	world *w = *state;
	attach(w);
	const char *got = run(w, "g; .printf \"<%p>\", @rip");
	assert_non_null(strstr(got, "<fffff80000010100>"));
	assert_int_equal(w->y->resumes, 1);
	assert_int_equal(w->e->status, ST_BREAK);
	got = run(w, "p; .printf \"<%p>\", @rip; p; .printf \"<%p>\", @rip");
	assert_non_null(strstr(got, "<fffff80000010101>"));
	assert_non_null(strstr(got, "<fffff80000010102>"));
	run(w, ".while (@rip < fffff80000010108) {t}; .echo done");
	assert_non_null(strstr(buf_z(&w->out), "done\n"));
	assert_int_equal(w->y->rip, CODE + 0x108);
	got = run(w, ".for (r $t0 = 0; @$t0 < 3; r $t0 = @$t0 + 1) {.printf \"<%d>\", @$t0}");
	assert_string_equal(got, "<0><1><2>");
	got = run(w, "r$t0=0; r$t1=0; .while (@$t0 < 10) {r $t0=@$t0+1; .if (@$t0 mod 3) "
		     "{.continue}; r $t1=@$t1+@$t0}; "
		     "? @$t1");
	assert_string_equal(got, "Evaluate expression: 45 = 00000000`0000002d\n");
	unsigned before = w->y->resumes;
	run(w, "g");
	assert_int_equal(w->y->resumes, before);
	assert_int_equal(w->e->status, ST_GO);
	diag d = {0};
	assert_int_equal(eng_wait(w->e, -1, &d), ERR_OK);
	assert_non_null(strstr(run(w, ".allow_exec_cmds 0; g"), "not allowed"));
}

/* What could not be taken out of a target that is left is said; there is nothing to say of one that
 * is abandoned. */
static void leaving(void **state)
{
	static const struct {
		size_t stuck;
		tgt_leave how;
		const char *want;
	} cases[] = {
		{0, TGT_DETACH, ""},
		{1, TGT_DETACH,
			"The target does not answer: 1 breakpoint could not be taken out and stays "
			"in it, to be reclaimed by the next session.\n"},
		{3, TGT_DETACH,
			"The target does not answer: 3 breakpoints could not be taken out and stay "
			"in it, to be reclaimed by the next session.\n"},
		{3, TGT_ABANDON, ""},
	};
	world *w = *state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		attach(w);
		w->y->stuck = cases[i].stuck;
		eng_end(w->e, cases[i].how);
		assert_string_equal(buf_z(&w->out), cases[i].want);
	}
}

static void conditions(void **state)
{
	static const struct {
		const char *text;
		bool is;
		uint64_t value; /* of the compiled condition with rax = 0x100 */
		const char *then;
	} rows[] = {
		{"j (@rax == 100) '.echo hit' ; 'gc'", true, 1, ".echo hit"},
		{"j (@rax == 1) '' ; 'gc'", true, 0, ""},
		{"j @rax>5 'gc' ; '.echo small'", true, 0, ".echo small"},
		{".if (@rax == 100) { .echo hit; k } .else { gc }", true, 1, ".echo hit; k"},
		{" .if (@rax & 1) {} .else {gc;} ", true, 0, ""},
		{".if (@rax) {gc} .else {.echo zero}", true, 0, ".echo zero"},
		{".if (@rax) {.echo a} .else {g}", false, 0, ""},
		{".if (@rax) {gc} .else {gc}", false, 0, ""},
		{".if (@rax) {.echo a} .else {gc}; .echo b", false, 0, ""},
		{".if (@rax) {.echo a}", false, 0, ""},
		{".echo x; gc", false, 0, ""},
		{"gc", false, 0, ""},
		{"j (nosuch) 'a' ; 'gc'", false, 0, ""},
		{"j ${x} 'a' ; 'gc'", false, 0, ""},
		{"", false, 0, ""},
		{".if (@rax) {.echo a} .elsif (1) {gc} .else {gc}", false, 0, ""},
	};
	world *w = *state;
	attach(w);
	arena a;
	arena_init(&a);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		masm_code *code = NULL;
		str then = {"", 0};
		bool is = w->e->hooks.condition(
			w->e->hooks.cu, str_of(rows[i].text), &a, &code, &then);
		if (is != rows[i].is)
			fail_msg("%s: %d", rows[i].text, is);
		if (!is)
			continue;
		masm_env env;
		uint64_t v;
		eng_masm_env(w->e, &env);
		assert_int_equal(masm_run(code, &env, &v, NULL), ERR_OK);
		assert_int_equal(v, rows[i].value);
		assert_true(str_eq(then, str_of(rows[i].then)));
	}
	arena_deinit(&a);
}

/* A breakpoint's command list runs while a line waits; neither disturbs the other. */
static void command_lists(void **state)
{
	world *w = *state;
	attach(w);
	assert_int_equal(w->e->hooks.run(w->e->hooks.cu, STR(".echo a; .echo b"), NULL), ERR_OK);
	assert_string_equal(buf_z(&w->out), "a\nb\n");
	diag d = {0};
	buf_clear(&w->out);
	assert_int_equal(w->e->hooks.run(w->e->hooks.cu, STR(".echo a; ? nosuch; .echo b"), &d),
		ERR_NOTFOUND);
	assert_string_equal(buf_z(&w->out), "a\nCouldn't resolve error at 'nosuch'\n");
	assert_string_equal(d.text, "Couldn't resolve error at 'nosuch'");
	/* Inside a wait an execution command is the verdict and ends the list. */
	buf_clear(&w->out);
	w->e->inside_wait = true;
	w->e->verdict_given = false;
	assert_int_equal(w->e->hooks.run(w->e->hooks.cu,
				 STR(".if (1) {.echo a; gc; .echo b}; .echo c"), NULL),
		ERR_OK);
	assert_true(w->e->verdict_given);
	w->e->inside_wait = false;
	assert_string_equal(buf_z(&w->out), "a\n");
}

/* ---- hostile ---- */

static void hostile(void **state)
{
	world *w = *state;
	buf b;
	static const char *const opens[] = {".block{", ".if (1) {", ".catch{",
		".foreach /s (x \"1\") {", "j 1 '", ".while (1) {", ".do {", "{", "${", "\"", "(",
		".for (;;) {"};
	for (size_t i = 0; i < ARRAY_LEN(opens); i++) {
		buf_init(&b, 0);
		for (int k = 0; k < 500; k++)
			buf_addz(&b, opens[i]);
		atomic_store(&w->e->cancel.flag, false);
		run(w, buf_z(&b));
		for (int k = 0; k < 500; k++)
			buf_addz(&b, "}");
		const char *said = i != 5 && i != 6 && i != 11 ? run(w, buf_z(&b)) : "";
		if (i < 3)
			assert_non_null(strstr(said, "nested too deeply"));
		buf_deinit(&b);
	}
	/* Aliases that would explode. */
	run(w, "as A 0123456789012345678901234567890123456789");
	for (int i = 0; i < 40; i++)
		run(w, " as A ${A}${A}");
	assert_true(w->out.n < 1 << 20);
	run(w, "ad *");
	assert_string_equal(run(w, ".echo fine"), "fine\n");
	/* Output that a list collects has an end. */
	buf_init(&b, 0);
	buf_addz(&b, ".foreach (x {.foreach /s (y \"");
	for (int i = 0; i < 300; i++)
		buf_addz(&b, "1 ");
	buf_addz(&b,
		"\") {.printf "
		"\"%4096d%4096d%4096d%4096d%4096d%4096d%4096d%4096d%4096d%4096d%4096d%4096d%4096d"
		"%4096d%4096d%4096d\", 1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1}}) {.echo x}");
	assert_non_null(strstr(run(w, buf_z(&b)), "too long"));
	buf_deinit(&b);
	assert_string_equal(run(w, ".echo fine"), "fine\n");
}

/* An endless loop ends when the user asks: here the output hook sets the flag. */
static engine *stop_me;

static void stop_output(void *u, unsigned mask, str text)
{
	buf_adds(&((world *)u)->out, text);
	if (((world *)u)->out.n > 100)
		atomic_store(&stop_me->cancel.flag, true);
}

static void stop_alarm(int sig)
{
	atomic_store(&stop_me->cancel.flag, true);
}

static void cancelling(void **state)
{
	static const char *const rows[] = {".while (1) {.echo x}", ".for (;;) {.echo x}",
		".do {.echo x} (1)", ".echo x; z(1)", ".while (1) {.catch {.echo x}}",
		".while (1) {.catch {? nosuch}}"};
	world *w = *state;
	stop_me = w->e;
	w->e->hooks.output = stop_output;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		run(w, rows[i]);
		assert_true(w->out.n > 100 && w->out.n < 1000);
	}
	/* Nothing in the body that would ask on its own. */
	static const char *const empty[] = {".while (1) {}", ".for (;;) {}", ".do {} (1)"};
	signal(SIGALRM, stop_alarm);
	for (size_t i = 0; i < ARRAY_LEN(empty); i++) {
		ualarm(50000, 50000); /* again and again: the first may come too early */
		run(w, empty[i]);
		ualarm(0, 0);
	}
	signal(SIGALRM, SIG_DFL);
	atomic_store(&w->e->cancel.flag, false);
	w->e->hooks.output = w_output;
	assert_string_equal(run(w, ".echo fine"), "fine\n");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {T(splitting), T(aliases), T(control_flow), T(loops),
		T(errors), T(values), T(formats), T(scripts), T(logs), T(shell), T(stamps),
		T(settings), T(help), T(matching), T(repeating), T(arguments), T(prefixes),
		T(strings), T(waiting), T(leaving), T(conditions), T(command_lists), T(hostile),
		T(cancelling)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
