/*
 * expr: commands about values: ? .formats n ss .printf .echo. Refuses to know how expressions
 * are evaluated (eval/) and where text goes (engine's out).
 */
#include "cmd/lang.h"

#include <time.h>

/* ---- ? ---- */

static bool is_narrow(const engine *e, uint64_t v)
{
	return e->ptr_size == 4 && (v <= UINT32_MAX || v >= UINT64_C(0xffffffff80000000));
}

static err cmd_evaluate(cmd *c, cmd_call *call)
{
	uint64_t v;
	char hex[MASM_ADDR_TEXT];
	if (!call->args.n)
		return help_list(c, HELP_COMMANDS);
	TRY(lang_eval(c, call->args, &v));
	c->e->last_value = v;
	masm_format_addr(c->e->ptr_size, v, hex);
	long long shown = is_narrow(c->e, v) ? (int32_t)v : (int64_t)v;
	out(c->e, "Evaluate expression: %lld = %s\n", shown, hex);
	return ERR_OK;
}

/* ---- .formats ---- */

static void add_binary(buf *b, uint64_t v, unsigned bytes)
{
	for (unsigned i = bytes; i-- > 0;) {
		for (int bit = 7; bit >= 0; bit--)
			buf_addc(b, v >> (i * 8 + (unsigned)bit) & 1 ? '1' : '0');
		if (i)
			buf_addc(b, ' ');
	}
}

static void add_chars(buf *b, uint64_t v, unsigned bytes)
{
	for (unsigned i = bytes; i-- > 0;) {
		char ch = (char)(v >> i * 8);
		buf_addc(b, ch >= 0x20 && ch < 0x7f ? ch : '.');
	}
}

/* A value that fits 32 bits is seconds since 1970, a larger one a FILETIME (100 ns since 1601). */
static void add_time(buf *b, uint64_t v)
{
	static const uint64_t unix_epoch = UINT64_C(116444736000000000);
	static const uint64_t last = UINT64_C(0x7fff35f4f06c58ff); /* end of the year 30827 */
	bool filetime = v > UINT32_MAX;
	struct tm tm;
	char text[64];
	if (filetime && v > last) {
		buf_addz(b, "***** Invalid FILETIME");
		return;
	}
	time_t t = filetime ? (time_t)(((int64_t)v - (int64_t)unix_epoch) / 10000000) : (time_t)v;
	if (filetime && v < unix_epoch && v % 10000000)
		t--;
	if (!localtime_r(&t, &tm)) {
		buf_addz(b, "***** Invalid");
		return;
	}
	strftime(text, sizeof text, "%a %b %d %H:%M:%S", &tm);
	buf_addz(b, text);
	if (filetime)
		buf_addf(b, ".%03u", (unsigned)(v / 10000 % 1000));
	buf_addf(b, " %d", tm.tm_year + 1900);
}

/* %g with three digits of exponent, as in the documented samples. */
static void add_float(buf *b, double d)
{
	char text[48];
	snprintf(text, sizeof text, "%g", d);
	char *exp = strchr(text, 'e');
	if (exp && strlen(exp) == 4) {
		memmove(exp + 3, exp + 2, 3);
		exp[2] = '0';
	}
	buf_addz(b, text);
}

static float float_of(uint32_t bits)
{
	float f;
	memcpy(&f, &bits, sizeof f);
	return f;
}

static double double_of(uint64_t bits)
{
	double d;
	memcpy(&d, &bits, sizeof d);
	return d;
}

static err cmd_formats(cmd *c, cmd_call *call)
{
	uint64_t v;
	char hex[MASM_ADDR_TEXT];
	buf b;
	if (!call->args.n)
		return cmd_syntax(c, call->args);
	TRY(lang_eval(c, call->args, &v));
	bool narrow = is_narrow(c->e, v);
	unsigned bytes = narrow ? 4 : 8;
	if (narrow)
		v = (uint32_t)v;
	masm_format_addr(c->e->ptr_size, v, hex);
	buf_init(&b, 0);
	buf_addf(&b, "Evaluate expression:\n  Hex:     %s\n", hex);
	buf_addf(&b, "  Decimal: %lld\n", narrow ? (long long)(int32_t)v : (long long)v);
	buf_addf(&b, "  Octal:   %0*llo\n", narrow ? 11 : 22, (unsigned long long)v);
	buf_addz(&b, "  Binary:  ");
	add_binary(&b, v, bytes);
	buf_addz(&b, "\n  Chars:   ");
	add_chars(&b, v, bytes);
	buf_addz(&b, "\n  Time:    ");
	add_time(&b, v);
	buf_addz(&b, "\n  Float:   low ");
	add_float(&b, float_of((uint32_t)v));
	buf_addz(&b, " high ");
	add_float(&b, float_of((uint32_t)(v >> 32)));
	buf_addz(&b, "\n  Double:  ");
	add_float(&b, double_of(v));
	buf_addc(&b, '\n');
	out_str(c->e, OUT_NORMAL, buf_str(&b));
	buf_deinit(&b);
	return ERR_OK;
}

/* ---- n, ss ---- */

static err cmd_radix(cmd *c, cmd_call *call)
{
	str arg = str_trim(call->args);
	uint64_t v = c->e->radix;
	/* Decimal whatever the radix is: "n 10" always means ten. */
	if (arg.n && (!str_u64(arg, 10, &v) || (v != 8 && v != 10 && v != 16)))
		return cmd_syntax(c, call->args);
	c->e->radix = (unsigned)v;
	out(c->e, "base is %u\n", c->e->radix);
	return ERR_OK;
}

static err cmd_suffix(cmd *c, cmd_call *call)
{
	str arg = str_trim(call->args);
	if (arg.n == 1 && strchr("aAwWnN", arg.p[0]))
		c->lang->suffix = (arg.p[0] | 32) == 'n' ? 0 : (char)(arg.p[0] | 32);
	else if (arg.n)
		return cmd_syntax(c, call->args);
	char s = c->lang->suffix;
	out(c->e, "Symbol suffix is %s\n", s == 'a' ? "'A'" : s == 'w' ? "'W'" : "off");
	return ERR_OK;
}

/* ---- .echo ---- */

static err cmd_echo(cmd *c, cmd_call *call)
{
	str text = call->args;
	if (text.n && text.p[0] == '"') {
		size_t end = lex_quoted(text, 0);
		bool closed = end > 1 && text.p[end - 1] == '"';
		if (closed && lex_skip(text, end) < text.n)
			return cmd_arg_end(c, str_skip(text, end));
		text = (str){text.p + 1, (closed ? end : text.n) - (closed ? 2 : 1)};
	}
	out(c->e, "%.*s\n", STR_ARG(text));
	return ERR_OK;
}

/* ---- .printf ---- */

typedef struct spec {
	char flags[8];
	int width, precision; /* -1: none */
	enum { LEN_32, LEN_16, LEN_8, LEN_64 } len;
	bool l;	      /* the letter l was there: doubles */
	char conv[4]; /* "d", "ma", "msu", "ly" ... */
} spec;

typedef struct printer {
	cmd *c;
	str args; /* the expressions that are left */
	buf out;
} printer;

static err next_value(printer *p, const char *conv, uint64_t *ret)
{
	size_t pos = lex_skip(p->args, 0);
	if (pos < p->args.n && p->args.p[pos] == ',')
		pos = lex_skip(p->args, pos + 1);
	p->args = str_skip(p->args, pos);
	if (!p->args.n) {
		p->c->lang->fault = p->args.p;
		return cmd_fail(p->c, ERR_SYNTAX, "No argument for '%%%s'", conv);
	}
	return cmd_arg_expr(p->c, &p->args, ret);
}

static err parse_number(printer *p, str f, size_t *i, int *ret)
{
	enum { WIDTH_MAX = 4096 };
	uint64_t v = 0;
	if (*i < f.n && f.p[*i] == '*') {
		++*i;
		TRY(next_value(p, "*", &v));
	} else {
		while (*i < f.n && f.p[*i] >= '0' && f.p[*i] <= '9' && v <= WIDTH_MAX)
			v = v * 10 + (uint64_t)(f.p[(*i)++] - '0');
	}
	if (v > WIDTH_MAX)
		return cmd_fail(p->c, ERR_LIMIT, "A width of a conversion is too large");
	*ret = (int)v;
	return ERR_OK;
}

static void parse_length(str f, size_t *i, spec *s)
{
	for (;; ++*i) {
		str r = str_skip(f, *i);
		if (str_starts(r, STR("I64"))) {
			s->len = LEN_64;
			*i += 2;
		} else if (str_starts(r, STR("I32"))) {
			s->len = LEN_32;
			*i += 2;
		} else if (str_starts(r, STR("ll"))) {
			s->len = LEN_64;
			s->l = true;
			++*i;
		} else if (r.n > 1 && r.p[0] == 'l' && r.p[1] != 'y') {
			s->l = true; /* a long of Windows has 32 bits */
		} else if (str_starts(r, STR("hh"))) {
			s->len = LEN_8;
			++*i;
		} else if (str_starts(r, STR("h"))) {
			s->len = LEN_16;
		} else if (!str_starts(r, STR("L")) && !str_starts(r, STR("w"))) {
			return;
		}
	}
}

/* f[*i] stands behind the %. */
static err parse_spec(printer *p, str f, size_t *i, spec *s)
{
	static const char *const longer[] = {"ma", "mu", "msa", "msu", "ly"};
	size_t n = 0, begin = *i;
	*s = (spec){.width = -1, .precision = -1};
	for (; *i < f.n && strchr("-+ #0", f.p[*i]); ++*i)
		if (n < 5 && !strchr(s->flags, f.p[*i]))
			s->flags[n++] = f.p[*i];
	if (*i < f.n && (f.p[*i] == '*' || (f.p[*i] >= '1' && f.p[*i] <= '9')))
		TRY(parse_number(p, f, i, &s->width));
	if (*i < f.n && f.p[*i] == '.') {
		++*i;
		TRY(parse_number(p, f, i, &s->precision));
	}
	parse_length(f, i, s);
	str r = str_skip(f, *i);
	for (size_t k = 0; k < ARRAY_LEN(longer); k++)
		if (str_starts(r, str_of(longer[k]))) {
			strcpy(s->conv, longer[k]);
			*i += strlen(longer[k]);
			return ERR_OK;
		}
	if (!r.n || !strchr("diouxXcCpNeEfgGy", r.p[0])) {
		str bad = str_take(str_skip(f, begin), *i + 1 - begin);
		const char *why = r.n && (r.p[0] == 's' || r.p[0] == 'S')
					  ? " (strings in the target are %ma, %mu, %msa and %msu)"
					  : "";
		return cmd_fail(
			p->c, ERR_SYNTAX, "Unknown conversion '%%%.*s'%s", STR_ARG(bad), why);
	}
	s->conv[0] = r.p[0];
	++*i;
	return ERR_OK;
}

static void add_padded(buf *b, const spec *s, str text)
{
	if (s->precision >= 0)
		text = str_take(text, (size_t)s->precision);
	size_t pad = s->width > 0 && (size_t)s->width > text.n ? (size_t)s->width - text.n : 0;
	bool left = strchr(s->flags, '-') != NULL;
	for (size_t i = 0; i < pad && !left; i++)
		buf_addc(b, ' ');
	buf_adds(b, text);
	for (size_t i = 0; i < pad && left; i++)
		buf_addc(b, ' ');
}

/* The host's printf does integers and floats; the format is put together from checked parts. */
static void host_format(char *f, const spec *s, const char *len)
{
	size_t n = (size_t)sprintf(f, "%%%s", s->flags);
	if (s->width >= 0)
		n += (size_t)sprintf(f + n, "%d", s->width);
	if (s->precision >= 0)
		n += (size_t)sprintf(f + n, ".%d", s->precision);
	sprintf(f + n, "%s%c", len, s->conv[0]);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void add_integer(buf *b, const spec *s, uint64_t v)
{
	char f[48], text[4352];
	bool is_signed = s->conv[0] == 'd' || s->conv[0] == 'i';
	static const unsigned bits[] = {[LEN_32] = 32, [LEN_16] = 16, [LEN_8] = 8, [LEN_64] = 64};
	unsigned shift = 64 - bits[s->len];
	host_format(f, s, "ll");
	if (is_signed)
		snprintf(text, sizeof text, f, (long long)((int64_t)(v << shift) >> shift));
	else
		snprintf(text, sizeof text, f, (unsigned long long)(v << shift >> shift));
	buf_addz(b, text);
}

static void add_real(buf *b, const spec *s, uint64_t v)
{
	char f[48], text[8704];
	host_format(f, s, "");
	snprintf(text, sizeof text, f, s->l ? double_of(v) : (double)float_of((uint32_t)v));
	buf_addz(b, text);
}
#pragma GCC diagnostic pop

static void add_symbol(printer *p, const spec *s, uint64_t v)
{
	engine *e = p->c->e;
	buf b;
	sym_line l;
	buf_init(&b, 0);
	if (e->syms && sym_format(e->syms, v, &b))
		buf_addf(&b, " (%s)", out_addr(e, v));
	else
		buf_addf(&b, "%s", out_addr(e, v));
	if (s->conv[0] == 'l' && e->syms && sym_line_at(e->syms, v, &l) == ERR_OK)
		buf_addf(&b, " [%.*s @ %u]", STR_ARG(l.file), l.line);
	add_padded(&p->out, s, buf_str(&b));
	buf_deinit(&b);
}

/* ANSI_STRING and UNICODE_STRING begin with Length, MaximumLength; Buffer is pointer-aligned. */
static err counted_ansi(cmd *c, uint64_t addr, str *ret)
{
	uint64_t n, at;
	size_t got = 0;
	TRY(eng_read_uint(c->e, addr, 2, &n, &c->d));
	TRY(eng_read_ptr(c->e, addr + c->e->ptr_size, &at, &c->d));
	char *text = arena_alloc(&c->a, n + 1);
	if (n)
		TRY(eng_read(c->e, at, text, n, &got, &c->d));
	*ret = (str){text, got};
	return ERR_OK;
}

static err add_string(printer *p, const spec *s, uint64_t addr)
{
	enum { TEXT_MAX = 65536 };
	cmd *c = p->c;
	str text;
	if (!strcmp(s->conv, "ma"))
		TRY(eng_read_str(c->e, &c->a, addr, TEXT_MAX, &text, &c->d));
	else if (!strcmp(s->conv, "mu"))
		TRY(eng_read_wstr(c->e, &c->a, addr, TEXT_MAX, &text, &c->d));
	else if (!strcmp(s->conv, "msu"))
		TRY(eng_read_ustring(c->e, &c->a, addr, &text, &c->d));
	else
		TRY(counted_ansi(c, addr, &text));
	add_padded(&p->out, s, text);
	return ERR_OK;
}

static err add_value(printer *p, const spec *s)
{
	uint64_t v;
	char text[24];
	TRY(next_value(p, s->conv, &v));
	switch (s->conv[0]) {
	case 'm':
		return add_string(p, s, v);
	case 'l':
	case 'y':
		add_symbol(p, s, v);
		return ERR_OK;
	case 'p':
		snprintf(text, sizeof text, "%0*llx", p->c->e->ptr_size == 4 ? 8 : 16,
			(unsigned long long)(p->c->e->ptr_size == 4 ? (uint32_t)v : v));
		add_padded(&p->out, s, str_of(text));
		return ERR_OK;
	case 'N':
		snprintf(text, sizeof text, "%016llX", (unsigned long long)v);
		add_padded(&p->out, s, str_of(text));
		return ERR_OK;
	case 'c':
	case 'C':
		text[0] = (char)v;
		add_padded(&p->out, s, (str){text, 1});
		return ERR_OK;
	case 'd':
	case 'i':
	case 'o':
	case 'u':
	case 'x':
	case 'X':
		add_integer(&p->out, s, v);
		return ERR_OK;
	default:
		add_real(&p->out, s, v);
		return ERR_OK;
	}
}

static err print_format(printer *p, str f)
{
	for (size_t i = 0; i < f.n;) {
		spec s;
		if (f.p[i] != '%') {
			buf_addc(&p->out, f.p[i++]);
			continue;
		}
		if (++i < f.n && f.p[i] == '%') {
			buf_addc(&p->out, '%');
			i++;
			continue;
		}
		TRY(parse_spec(p, f, &i, &s));
		TRY(add_value(p, &s));
	}
	return ERR_OK;
}

/* Debugger markup as text: tags go, entities become characters. */
static str without_markup(arena *a, str t)
{
	static const struct {
		const char *name;
		char ch;
	} entities[] = {{"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}};
	char *w = arena_alloc(a, t.n + 1);
	size_t n = 0;
	while (t.n) {
		size_t skip = 0;
		if (t.p[0] == '<') {
			size_t end = str_chr(t, '>');
			skip = end == SIZE_MAX ? 0 : end + 1;
		}
		for (size_t i = 0; !skip && i < ARRAY_LEN(entities); i++)
			if (str_starts(t, str_of(entities[i].name))) {
				w[n++] = entities[i].ch;
				skip = strlen(entities[i].name);
			}
		if (!skip) {
			w[n++] = t.p[0];
			skip = 1;
		}
		t = str_skip(t, skip);
	}
	return (str){w, n};
}

static err printf_options(cmd *c, str *rest, bool *markup, unsigned *mask)
{
	static const struct {
		const char *name;
		unsigned mask;
	} levels[] = {{"od", OUT_DEBUGGEE}, {"oD", OUT_DEBUGGEE_PROMPT}, {"oe", OUT_ERROR},
		{"on", OUT_NORMAL}, {"op", OUT_PROMPT}, {"oP", OUT_PROMPT_REGS},
		{"os", OUT_SYMBOLS}, {"ov", OUT_VERBOSE}, {"ow", OUT_WARNING}};
	str sw;
	while (cmd_arg_switch(rest, "/", &sw)) {
		bool known = str_eq(sw, STR("D"));
		*markup |= known;
		for (size_t i = 0; i < ARRAY_LEN(levels); i++)
			if (str_eq(sw, str_of(levels[i].name))) {
				*mask = levels[i].mask;
				known = true;
			}
		if (!known)
			return cmd_syntax(c, sw);
	}
	return ERR_OK;
}

static err cmd_printf(cmd *c, cmd_call *call)
{
	printer p = {.c = c, .args = call->args};
	bool markup = false;
	unsigned mask = OUT_NORMAL;
	str format;
	TRY(printf_options(c, &p.args, &markup, &mask));
	TRY(cmd_arg_quoted(c, &p.args, true, &format));
	buf_init(&p.out, LANG_TEXT_MAX);
	err e = print_format(&p, format);
	if (e == ERR_OK)
		out_str(c->e, mask,
			markup ? without_markup(&c->a, buf_str(&p.out)) : buf_str(&p.out));
	buf_deinit(&p.out);
	return e;
}

/* ---- rows ---- */

static const char help_masm[] =
	"Numbers are in the current radix (n), with 0x hexadecimal, 0n decimal, 0t octal, 0y "
	"binary, or an h\n"
	"behind hexadecimal digits. In kernel mode a constant from 80000000 to ffffffff is sign "
	"extended\n"
	"unless it holds a grave accent. A word is tried as one of the usual registers, as a "
	"number, as a\n"
	"symbol and as a register; @name is always a register, module!name and !name always a "
	"symbol.\n"
	"\n"
	"  + - not hi low      unary               * / mod % + -      arithmetic\n"
	"  by wo dwo qwo poi   memory, virtual     << >> >>>          shifts (>>> keeps the sign)\n"
	"  $pby $pwo $pdwo     memory, physical    = == < > <= >= !=  comparisons: 1 or 0\n"
	"  $pqwo $ppoi                             and & xor ^ or |   bits\n"
	"\n"
	"  $vvalid(addr, n)  $iment(base)  $fnsucc(fn, value, flag)  $scmp(\"a\", \"b\")  "
	"$sicmp(\"a\", \"b\")\n"
	"  $spat(\"text\", \"pattern\")  `module!file.c:line`  . (instruction pointer)\n"
	"\n"
	"  ? poi(@rsp) - nt!KiSystemCall64\n";

static const char help_printf[] =
	"Prints as printf of C does; no line end is added. Arguments are expressions, separated by "
	"commas.\n"
	"\n"
	"  %d %u %x %o %c      32 bits; %I64x and %llx 64 bits, %hx 16 bits\n"
	"  %f %e %g            a float in 32 bits; %lf a double in 64 bits\n"
	"  %p                  an address of the target\n"
	"  %ma %mu             text at an address, ANSI and Unicode, up to a NUL\n"
	"  %msa %msu           text of the ANSI_STRING or UNICODE_STRING at an address\n"
	"  %y %ly              symbol at an address; %ly with the source line\n"
	"\n"
	"/D takes debugger markup (shown as plain text); /od /oD /oe /on /op /oP /os /ov /ow "
	"choose the kind\n"
	"of output: target, prompt of the target, error, normal, prompt, registers, symbols, more, "
	"warning.\n"
	"\n"
	"  .printf \"%p is %y\\n\", @rip, @rip\n";

static const cmd_row rows[] = {
	{"?", "? [Expression]", "Evaluate an expression; alone, list the commands", help_masm,
		CMD_ANY, cmd_evaluate},
	{".formats", ".formats Expression", "Show a value in many formats",
		"Hexadecimal, decimal, octal, binary, characters, time (seconds since 1970, or a "
		"FILETIME if the\n"
		"value has more than 32 bits), two floats, a double.\n",
		CMD_ANY, cmd_formats},
	{"n", "n [8|10|16]", "Show or set the radix of numbers", NULL, CMD_ANY | CMD_NOREPEAT,
		cmd_radix},
	{"ss", "ss [a|w|n]", "Show or set a letter to try behind a symbol that is not found",
		"a tries the name with A behind it, w with W, n nothing (the default). Only in "
		"expressions.\n",
		CMD_ANY | CMD_NOREPEAT, cmd_suffix},
	{".echo", ".echo Text\n.echo \"Text\"", "Print text",
		"The text ends at a semicolon unless it is in double quotes, which are not "
		"printed.\n",
		CMD_ANY, cmd_echo},
	{".printf", ".printf [/D] [/oX] \"Format\" [, Expression]...", "Print values with a format",
		help_printf, CMD_ANY, cmd_printf},
};

const cmd_family cmd_family_expr = {"Expressions and printing", rows, ARRAY_LEN(rows)};
