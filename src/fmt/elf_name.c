/*
 * elf_name: names of C++ (Itanium ABI) and Rust in plain words, without parameters and results.
 * Types are only needed where they are template arguments. Refuses to guess: what it does not
 * understand (expressions in template arguments above all) stays as it is stored.
 *
 * Names are hostile. Substitutions make output exponential in the input, so all text lives in one
 * pool of a stated size; recursion is bounded, too.
 *
 * Source: Itanium C++ ABI, "External Names (a.k.a. Mangling)"; "Rust Symbol Mangling" (RFC 2603)
 * and rustc-demangle's description of the legacy scheme.
 */
#include "fmt/elf.h"

#include <stdio.h>

enum { POOL = 131072, SUBS_MAX = 256, DEPTH_MAX = 96, ARGS_MAX = 64, RAW_MAX = 8192 };

/* A type's text has two sides: "int (*" and ")(char)". */
typedef struct ty {
	str l, r;
	bool func; /* function or array: a '*' needs parentheses */
} ty;

typedef struct dem {
	const char *p, *end;
	char *pool;
	size_t used;
	bool bad;
	int depth;
	ty sub[SUBS_MAX];
	size_t n_sub;
	str args[ARGS_MAX]; /* of the template read last, for T_ */
	size_t n_args;
	str last; /* the last source name: constructors are called so */
} dem;

static char peek(const dem *d)
{
	return d->p < d->end ? *d->p : 0;
}

static char peek2(const dem *d)
{
	return d->p + 1 < d->end ? d->p[1] : 0;
}

static bool eat(dem *d, char c)
{
	if (peek(d) != c || !c)
		return false;
	d->p++;
	return true;
}

static str fail(dem *d)
{
	d->bad = true;
	return (str){"", 0};
}

static str cat(dem *d, const str *parts, size_t n)
{
	size_t total = 0;
	for (size_t i = 0; i < n; i++)
		total += parts[i].n;
	if (total > POOL - d->used)
		return fail(d);
	char *at = d->pool + d->used, *to = at;
	for (size_t i = 0; i < n; i++) {
		memcpy(to, parts[i].n ? parts[i].p : "", parts[i].n);
		to += parts[i].n;
	}
	d->used += total;
	return (str){at, total};
}

#define CAT(d, ...)                                                                                \
	cat(d, (const str[]){__VA_ARGS__}, sizeof((const str[]){__VA_ARGS__}) / sizeof(str))

static void add_sub(dem *d, ty t)
{
	if (d->n_sub == SUBS_MAX)
		d->bad = true;
	else if (!d->bad)
		d->sub[d->n_sub++] = t;
}

static size_t number(dem *d)
{
	size_t n = 0;
	if (!chr_digit(peek(d)))
		d->bad = true;
	while (chr_digit(peek(d)) && n < 1 << 20)
		n = n * 10 + (size_t)(*d->p++ - '0');
	return n;
}

static ty type(dem *d);
static str name(dem *d);
static str encoding(dem *d, bool params);
static str template_args(dem *d);

/* ---- names ---- */

static str identifier(dem *d)
{
	size_t n = number(d);
	if (d->bad || n > (size_t)(d->end - d->p) || !n)
		return fail(d);
	str s = {d->p, n};
	d->p += n;
	d->last = s;
	if (n >= 10 && !memcmp(s.p, "_GLOBAL_", 8) && s.p[9] == 'N')
		return STR("(anonymous namespace)");
	return s;
}

static const struct op {
	char code[3];
	const char *text;
} ops[] = {{"nw", " new"}, {"na", " new[]"}, {"dl", " delete"}, {"da", " delete[]"},
	{"aw", " co_await"}, {"ps", "+"}, {"ng", "-"}, {"ad", "&"}, {"de", "*"}, {"co", "~"},
	{"pl", "+"}, {"mi", "-"}, {"ml", "*"}, {"dv", "/"}, {"rm", "%"}, {"an", "&"}, {"or", "|"},
	{"eo", "^"}, {"aS", "="}, {"pL", "+="}, {"mI", "-="}, {"mL", "*="}, {"dV", "/="},
	{"rM", "%="}, {"aN", "&="}, {"oR", "|="}, {"eO", "^="}, {"ls", "<<"}, {"rs", ">>"},
	{"lS", "<<="}, {"rS", ">>="}, {"eq", "=="}, {"ne", "!="}, {"lt", "<"}, {"gt", ">"},
	{"le", "<="}, {"ge", ">="}, {"ss", "<=>"}, {"nt", "!"}, {"aa", "&&"}, {"oo", "||"},
	{"pp", "++"}, {"mm", "--"}, {"cm", ","}, {"pm", "->*"}, {"pt", "->"}, {"cl", "()"},
	{"ix", "[]"}, {"qu", "?"}};

static str operator_name(dem *d)
{
	char a = peek(d), b = peek2(d);
	if (a == 'c' && b == 'v') {
		d->p += 2;
		ty t = type(d);
		return CAT(d, STR("operator "), t.l, t.r);
	}
	if (a == 'l' && b == 'i') {
		d->p += 2;
		str s = identifier(d);
		return CAT(d, STR("operator\"\" "), s);
	}
	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		if (ops[i].code[0] == a && ops[i].code[1] == b) {
			d->p += 2;
			return d->last = CAT(d, STR("operator"), str_of(ops[i].text));
		}
	return fail(d);
}

/* Number behind Ut, Ul: "_" is the first, "0_" the second. */
static size_t discriminator(dem *d)
{
	size_t n = 1;
	if (chr_digit(peek(d)))
		n = number(d) + 2;
	if (!eat(d, '_'))
		d->bad = true;
	return n;
}

static str type_list(dem *d, char end)
{
	str all = {"", 0};
	if (peek(d) == 'v' && peek2(d) == end) {
		d->p++;
		return all;
	}
	for (int i = 0; !d->bad && peek(d) && peek(d) != end && i < 256; i++) {
		ty t = type(d);
		all = i ? CAT(d, all, STR(", "), t.l, t.r) : CAT(d, t.l, t.r);
	}
	return all;
}

static str unnamed(dem *d)
{
	char num[32];
	d->p++;
	if (eat(d, 't')) {
		snprintf(num, sizeof num, "%zu}", discriminator(d));
		return CAT(d, STR("{unnamed type#"), str_of(num));
	}
	if (!eat(d, 'l'))
		return fail(d);
	str params = type_list(d, 'E');
	if (!eat(d, 'E'))
		return fail(d);
	snprintf(num, sizeof num, ")#%zu}", discriminator(d));
	return CAT(d, STR("{lambda("), params, str_of(num));
}

static str tags(dem *d, str s)
{
	while (!d->bad && peek(d) == 'B') {
		d->p++;
		str keep = d->last, tag = identifier(d);
		d->last = keep;
		s = CAT(d, s, STR("[abi:"), tag, STR("]"));
	}
	return s;
}

static str unqualified(dem *d, str last)
{
	char c = peek(d);
	str s;
	if (c == 'L') { /* internal linkage */
		d->p++;
		c = peek(d);
	}
	if (chr_digit(c)) {
		s = identifier(d);
	} else if (c == 'U') {
		s = unnamed(d);
		d->last = s; /* its destructor has the name */
	} else if (c == 'C' && (chr_digit(peek2(d)) || peek2(d) == 'I')) {
		d->p++;
		bool inherits = eat(d, 'I');
		d->p++;
		if (inherits)
			type(d);
		s = last;
	} else if (c == 'D' && chr_digit(peek2(d))) {
		d->p += 2;
		s = CAT(d, STR("~"), last);
	} else if (c == 'D' && peek2(d) == 'C') {
		d->p += 2;
		s = STR("[");
		for (int i = 0; !d->bad && peek(d) != 'E' && i < 64; i++) {
			str one = identifier(d);
			s = CAT(d, s, i ? STR(", ") : (str){"", 0}, one);
		}
		s = eat(d, 'E') ? CAT(d, s, STR("]")) : fail(d);
	} else if (c >= 'a' && c <= 'z') {
		s = operator_name(d);
	} else {
		return fail(d);
	}
	return tags(d, s);
}

#define TRAITS "<char, std::char_traits<char> >"

/* S_, S0_, Sa ... ; *std: it was St, which a name must follow. prefix: members follow, whose class
 * is then spelled in full, as debug information does. */
static ty substitution(dem *d, bool prefix, bool *std)
{
	static const struct {
		char c;
		const char *text, *last, *full;
	} known[] = {{'t', "std", "std", NULL}, {'a', "std::allocator", "allocator", NULL},
		{'b', "std::basic_string", "basic_string", NULL},
		{'s', "std::string", "basic_string",
			"std::basic_string<char, std::char_traits<char>, std::allocator<char> >"},
		{'i', "std::istream", "basic_istream", "std::basic_istream" TRAITS},
		{'o', "std::ostream", "basic_ostream", "std::basic_ostream" TRAITS},
		{'d', "std::iostream", "basic_iostream", "std::basic_iostream" TRAITS}};
	*std = false;
	d->p++;
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (peek(d) == known[i].c) {
			d->p++;
			*std = known[i].c == 't';
			d->last = str_of(known[i].last);
			bool full = prefix && known[i].full;
			return (ty){.l = str_of(full ? known[i].full : known[i].text)};
		}
	size_t n = 0;
	if (peek(d) != '_') {
		while (chr_digit(peek(d)) || (peek(d) >= 'A' && peek(d) <= 'Z')) {
			char c = *d->p++;
			n = n * 36 + (size_t)(chr_digit(c) ? c - '0' : c - 'A' + 10);
			if (n > SUBS_MAX) {
				fail(d);
				return (ty){0};
			}
		}
		n++;
	}
	if (!eat(d, '_') || n >= d->n_sub) {
		fail(d);
		return (ty){0};
	}
	/* the last name of it, for a constructor that follows */
	str text = d->sub[n].l;
	size_t cut = text.n;
	int depth = 0;
	for (size_t i = text.n; i-- > 0;) {
		if (text.p[i] == '>') {
			depth++;
		} else if (text.p[i] == '<') {
			if (--depth == 0)
				cut = i;
		} else if (text.p[i] == ':' && !depth) {
			d->last = (str){text.p + i + 1, cut - i - 1};
			return d->sub[n];
		}
	}
	d->last = str_take(text, cut);
	return d->sub[n];
}

static str template_param(dem *d)
{
	size_t n = 0;
	d->p++;
	if (chr_digit(peek(d)))
		n = number(d) + 1;
	if (!eat(d, '_'))
		return fail(d);
	return n < d->n_args ? d->args[n] : STR("auto");
}

static str nested(dem *d)
{
	str s = {"", 0};
	d->p++;
	while (peek(d) == 'r' || peek(d) == 'V' || peek(d) == 'K')
		d->p++;
	if (peek(d) == 'R' || peek(d) == 'O')
		d->p++;
	for (int i = 0; !d->bad && i < 256; i++) {
		char c = peek(d);
		bool was_sub = false, std = false;
		if (c == 'E') {
			d->p++;
			return s.n ? s : fail(d);
		}
		if (c == 'S') {
			ty t = substitution(d, true, &std);
			if (s.n)
				return fail(d);
			s = CAT(d, t.l, t.r);
			was_sub = true;
		} else if (c == 'T') {
			s = template_param(d);
		} else if (c == 'I') {
			str last = d->last;
			if (!s.n)
				return fail(d);
			str args = template_args(d);
			d->last = last;
			s = CAT(d, s, args);
		} else if (c == 'M') { /* of a data member's initializer */
			d->p++;
			continue;
		} else {
			str u = unqualified(d, d->last);
			s = s.n ? CAT(d, s, STR("::"), u) : u;
		}
		if (!was_sub && peek(d) != 'E')
			add_sub(d, (ty){.l = s});
	}
	return fail(d);
}

static void skip_discriminator(dem *d)
{
	/* a bare underscore ends a reference temporary */
	if (peek(d) != '_' || (peek2(d) != '_' && !chr_digit(peek2(d))))
		return;
	d->p++;
	if (eat(d, '_')) {
		number(d);
		eat(d, '_');
	} else {
		number(d);
	}
}

static str local(dem *d)
{
	d->p++;
	str f = encoding(d, true);
	if (!eat(d, 'E'))
		return fail(d);
	if (eat(d, 's')) {
		skip_discriminator(d);
		return CAT(d, f, STR("::string literal"));
	}
	if (eat(d, 'd')) { /* a default argument */
		if (chr_digit(peek(d)))
			number(d);
		if (!eat(d, '_'))
			return fail(d);
	}
	str n = name(d);
	skip_discriminator(d);
	return CAT(d, f, STR("::"), n);
}

static str name_(dem *d)
{
	bool std = false, sub = false;
	str s;
	switch (peek(d)) {
	case 'N':
		return nested(d);
	case 'Z':
		return local(d);
	case 'S': {
		ty t = substitution(d, false, &std);
		s = t.l;
		sub = true;
		if (std) {
			str u = unqualified(d, d->last);
			s = CAT(d, s, STR("::"), u);
			sub = false;
		}
		break;
	}
	default:
		s = unqualified(d, d->last);
		break;
	}
	if (peek(d) == 'I') {
		if (!sub)
			add_sub(d, (ty){.l = s});
		str args = template_args(d);
		s = CAT(d, s, args);
	}
	return s;
}

static str name(dem *d)
{
	if (++d->depth > DEPTH_MAX)
		return fail(d);
	str s = name_(d);
	d->depth--;
	return s;
}

/* ---- template arguments ---- */

static str literal(dem *d)
{
	d->p++;
	if (peek(d) == '_' && peek2(d) == 'Z') {
		d->p += 2;
		str s = encoding(d, true);
		if (!eat(d, 'E'))
			return fail(d);
		return CAT(d, STR("&"), s);
	}
	char code = peek(d);
	ty t = type(d);
	str sign = eat(d, 'n') ? STR("-") : (str){"", 0};
	const char *from = d->p;
	while (peek(d) && peek(d) != 'E')
		d->p++;
	str v = str_range(from, d->p);
	if (!eat(d, 'E'))
		return fail(d);
	if (code == 'b')
		return str_eq(v, STR("0")) ? STR("false") : STR("true");
	if (code == 'D' || !v.n)
		return v.n && code != 'D' ? v : STR("nullptr");
	const char *suffix = code == 'i'   ? ""
			     : code == 'j' ? "u"
			     : code == 'l' ? "l"
			     : code == 'm' ? "ul"
			     : code == 'x' ? "ll"
			     : code == 'y' ? "ull"
					   : NULL;
	if (suffix)
		return CAT(d, sign, v, str_of(suffix));
	return CAT(d, STR("("), t.l, t.r, STR(")"), sign, v);
}

/* Of the expressions only the address of a function or variable. */
static str expression(dem *d)
{
	d->p++;
	if (!eat(d, 'a') || !eat(d, 'd') || peek(d) != 'L')
		return fail(d);
	str s = literal(d);
	return eat(d, 'E') ? s : fail(d);
}

static void template_arg(dem *d, str *all, str args[ARGS_MAX], size_t *n)
{
	str s;
	if (peek(d) == 'J') {
		d->p++;
		while (!d->bad && peek(d) && peek(d) != 'E')
			template_arg(d, all, args, n);
		if (!eat(d, 'E'))
			fail(d);
		return;
	}
	if (peek(d) == 'L') {
		s = literal(d);
	} else if (peek(d) == 'X') {
		s = expression(d);
	} else {
		ty t = type(d);
		s = CAT(d, t.l, t.r);
	}
	*all = all->n ? CAT(d, *all, STR(", "), s) : s;
	if (*n < ARGS_MAX)
		args[(*n)++] = s;
}

static str template_args(dem *d)
{
	str all = {"", 0}, args[ARGS_MAX];
	if (++d->depth > DEPTH_MAX)
		return fail(d);
	size_t n = 0;
	d->p++;
	/* operator< <int>: not a shift */
	str open = d->last.n && d->last.p[d->last.n - 1] == '<' ? STR(" <") : STR("<");
	while (!d->bad && peek(d) && peek(d) != 'E')
		template_arg(d, &all, args, &n);
	if (!eat(d, 'E'))
		return fail(d);
	memcpy(d->args, args, n * sizeof *args);
	d->n_args = n;
	d->depth--;
	bool space = all.n && all.p[all.n - 1] == '>';
	return CAT(d, open, all, space ? STR(" >") : STR(">"));
}

/* ---- types ---- */

static const char *builtin(char c)
{
	static const char *const names[26] = {['v' - 'a'] = "void",
		['w' - 'a'] = "wchar_t",
		['b' - 'a'] = "bool",
		['c' - 'a'] = "char",
		['a' - 'a'] = "signed char",
		['h' - 'a'] = "unsigned char",
		['s' - 'a'] = "short",
		['t' - 'a'] = "unsigned short",
		['i' - 'a'] = "int",
		['j' - 'a'] = "unsigned int",
		['l' - 'a'] = "long",
		['m' - 'a'] = "unsigned long",
		['x' - 'a'] = "long long",
		['y' - 'a'] = "unsigned long long",
		['n' - 'a'] = "__int128",
		['o' - 'a'] = "unsigned __int128",
		['f' - 'a'] = "float",
		['d' - 'a'] = "double",
		['e' - 'a'] = "long double",
		['g' - 'a'] = "__float128",
		['z' - 'a'] = "..."};
	return c >= 'a' && c <= 'z' ? names[c - 'a'] : NULL;
}

static ty pointer(dem *d, ty in, const char *mark)
{
	ty t = {.r = in.r};
	if (in.func) {
		t.l = CAT(d, in.l, STR("("), str_of(mark));
		t.r = CAT(d, STR(")"), in.r);
	} else {
		t.l = CAT(d, in.l, str_of(mark));
	}
	return t;
}

static ty function(dem *d)
{
	eat(d, 'Y');
	ty res = type(d);
	str params = type_list(d, 'E');
	if (peek(d) == 'R' || peek(d) == 'O')
		d->p++;
	if (!eat(d, 'E'))
		fail(d);
	return (ty){.l = CAT(d, res.l, STR(" ")),
		.r = CAT(d, STR("("), params, STR(")"), res.r),
		.func = true};
}

static ty array(dem *d)
{
	const char *from = d->p;
	while (chr_digit(peek(d)))
		d->p++;
	str n = str_range(from, d->p);
	if (!eat(d, '_')) {
		fail(d);
		return (ty){0};
	}
	ty el = type(d);
	return (ty){.l = el.func ? el.l : CAT(d, el.l, STR(" ")),
		.r = CAT(d, STR("["), n, STR("]"), el.r),
		.func = true};
}

static ty qualified(dem *d)
{
	bool r = eat(d, 'r'), v = eat(d, 'V'), k = eat(d, 'K');
	ty t = type(d);
	str q = CAT(d, k ? STR(" const") : (str){"", 0}, v ? STR(" volatile") : (str){"", 0},
		r ? STR(" restrict") : (str){"", 0});
	if (t.func)
		t.r = CAT(d, t.r, q);
	else
		t.l = CAT(d, t.l, q);
	return t;
}

/* D...: *subst: a substitution candidate */
static ty type_d(dem *d, bool *subst)
{
	static const struct {
		char c;
		const char *text;
	} plain[] = {{'d', "decimal64"}, {'e', "decimal128"}, {'f', "decimal32"}, {'h', "half"},
		{'i', "char32_t"}, {'s', "char16_t"}, {'u', "char8_t"}, {'a', "auto"},
		{'c', "decltype(auto)"}, {'n', "decltype(nullptr)"}};
	char c = peek2(d);
	d->p += 2;
	*subst = false;
	for (size_t i = 0; i < ARRAY_LEN(plain); i++)
		if (plain[i].c == c)
			return (ty){.l = str_of(plain[i].text)};
	*subst = true;
	if (c == 'p')
		return type(d);
	if (c == 'o') { /* noexcept */
		if (eat(d, 'F'))
			return function(d);
	} else if (c == 'F') { /* _Float16 ... */
		size_t n = number(d);
		char text[32];
		bool x = eat(d, 'x');
		if (!x)
			eat(d, '_');
		snprintf(text, sizeof text, "_Float%zu%s", n, x ? "x" : "");
		*subst = false;
		return (ty){.l = CAT(d, str_of(text))};
	} else if (c == 'v') {
		char text[40];
		size_t n = number(d);
		if (eat(d, '_')) {
			ty el = type(d);
			snprintf(text, sizeof text, " __vector(%zu)", n);
			return (ty){.l = CAT(d, el.l, str_of(text)), .r = el.r};
		}
	}
	fail(d);
	return (ty){0};
}

static ty type_(dem *d)
{
	char c = peek(d);
	ty t = {0};
	bool std, subst = true;
	const char *b = builtin(c);
	switch (c) {
	case 'r':
	case 'V':
	case 'K':
		t = qualified(d);
		break;
	case 'P':
		d->p++;
		t = pointer(d, type(d), "*");
		break;
	case 'R':
		d->p++;
		t = pointer(d, type(d), "&");
		break;
	case 'O':
		d->p++;
		t = pointer(d, type(d), "&&");
		break;
	case 'C':
	case 'G':
		d->p++;
		t = type(d);
		t.l = CAT(d, t.l, STR(" _Complex"));
		break;
	case 'F':
		d->p++;
		t = function(d);
		break;
	case 'A':
		d->p++;
		t = array(d);
		break;
	case 'M': {
		d->p++;
		ty cl = type(d), m = type(d);
		str mark = CAT(d, m.func ? STR("(") : STR(" "), cl.l, STR("::*"));
		t.l = CAT(d, m.l, mark);
		t.r = m.func ? CAT(d, STR(")"), m.r) : m.r;
		break;
	}
	case 'T':
		if (peek2(d) == 's' || peek2(d) == 'u' || peek2(d) == 'e') {
			d->p += 2;
			t.l = name(d);
			break;
		}
		t.l = template_param(d);
		if (peek(d) == 'I') {
			add_sub(d, t);
			str args = template_args(d);
			t.l = CAT(d, t.l, args);
		}
		break;
	case 'U': {
		if (peek2(d) == 'l' || peek2(d) == 't') {
			t.l = name(d);
			break;
		}
		d->p++;
		str q = identifier(d);
		if (peek(d) == 'I')
			template_args(d);
		t = type(d);
		t.l = CAT(d, t.l, STR(" "), q);
		break;
	}
	case 'D':
		if (chr_digit(peek2(d)) || peek2(d) == 'C')
			t.l = name(d);
		else
			t = type_d(d, &subst);
		break;
	case 'u':
		d->p++;
		t.l = identifier(d);
		if (peek(d) == 'I') {
			str args = template_args(d);
			t.l = CAT(d, t.l, args);
		}
		break;
	case 'S':
		if (peek2(d) == 't') {
			t.l = name(d);
			break;
		}
		t = substitution(d, false, &std);
		if (peek(d) == 'I') {
			str args = template_args(d);
			t.l = CAT(d, t.l, args);
		} else {
			subst = false;
		}
		break;
	default:
		if (b) {
			d->p++;
			t.l = str_of(b);
			subst = false;
		} else {
			t.l = name(d);
		}
		break;
	}
	if (subst)
		add_sub(d, t);
	return t;
}

static ty type(dem *d)
{
	if (++d->depth > DEPTH_MAX || d->bad) {
		fail(d);
		return (ty){0};
	}
	ty t = type_(d);
	d->depth--;
	return d->bad ? (ty){0} : t;
}

/* ---- encodings ---- */

static void call_offset(dem *d)
{
	char c = peek(d);
	d->p++;
	eat(d, 'n');
	number(d);
	if (c == 'v') {
		if (!eat(d, '_'))
			fail(d);
		eat(d, 'n');
		number(d);
	}
	if (!eat(d, '_'))
		fail(d);
}

static str special(dem *d)
{
	static const struct {
		char a, b;
		const char *text;
		bool of_type;
	} kinds[] = {{'T', 'V', "vtable for ", true}, {'T', 'T', "VTT for ", true},
		{'T', 'I', "typeinfo for ", true}, {'T', 'S', "typeinfo name for ", true},
		{'T', 'W', "TLS wrapper function for ", false},
		{'T', 'H', "TLS init function for ", false},
		{'G', 'V', "guard variable for ", false}};
	char a = peek(d), b = peek2(d);
	d->p += 2;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (kinds[i].a != a || kinds[i].b != b)
			continue;
		str s;
		if (kinds[i].of_type) {
			ty t = type(d);
			s = CAT(d, t.l, t.r);
		} else {
			s = name(d);
		}
		return CAT(d, str_of(kinds[i].text), s);
	}
	if (a == 'T' && (b == 'h' || b == 'v')) {
		d->p--;
		call_offset(d);
		str s = encoding(d, false);
		return CAT(
			d, b == 'h' ? STR("non-virtual thunk to ") : STR("virtual thunk to "), s);
	}
	if (a == 'T' && b == 'c') {
		call_offset(d);
		call_offset(d);
		str s = encoding(d, false);
		return CAT(d, STR("covariant return thunk to "), s);
	}
	if (a == 'T' && b == 'C') {
		ty derived = type(d);
		number(d);
		if (!eat(d, '_'))
			return fail(d);
		ty base = type(d);
		return CAT(d, STR("construction vtable for "), base.l, STR("-in-"), derived.l);
	}
	if (a == 'G' && b == 'R') {
		str s = name(d);
		while (chr_digit(peek(d)) || (peek(d) >= 'A' && peek(d) <= 'Z')) /* which one */
			d->p++;
		eat(d, '_');
		return CAT(d, STR("reference temporary for "), s);
	}
	if (a == 'G' && b == 'T') {
		bool safe = eat(d, 't');
		if (!safe && !eat(d, 'n'))
			return fail(d);
		str s = encoding(d, false);
		return CAT(d,
			safe ? STR("transaction clone for ") : STR("non-transaction clone for "),
			s);
	}
	return fail(d);
}

static str encoding_(dem *d, bool params)
{
	if (peek(d) == 'T' ||
		(peek(d) == 'G' && (peek2(d) == 'V' || peek2(d) == 'R' || peek2(d) == 'T')))
		return special(d);
	str s = name(d);
	/* parameters (and a result) only to get past them */
	for (int i = 0; params && !d->bad && peek(d) && peek(d) != 'E' && i < 256; i++)
		type(d);
	return s;
}

static str encoding(dem *d, bool params)
{
	if (++d->depth > DEPTH_MAX)
		return fail(d);
	str s = encoding_(d, params);
	d->depth--;
	return s;
}

/* ---- all ---- */

bool elf_undec(str raw, buf *out)
{
	if (!elf_decorated(raw) || raw.n > RAW_MAX)
		return false;
	if (elf_is_rust(raw))
		return elf_undec_rust(raw, out);
	char pool[POOL];
	dem d;
	d.pool = pool;
	d.used = d.n_sub = d.n_args = 0;
	d.bad = false;
	d.depth = 0;
	d.last = (str){"", 0};
	/* ".cold", ".part.0": what the compiler made of it */
	size_t dot = str_chr(raw, '.');
	if (dot == SIZE_MAX)
		dot = str_chr(raw, '@'); /* @plt */
	str suffix = dot == SIZE_MAX ? (str){"", 0} : str_skip(raw, dot);
	d.p = raw.p + 2;
	d.end = raw.p + raw.n - suffix.n;
	str s = encoding(&d, false);
	if (d.bad || !s.n)
		return false;
	buf_adds(out, s);
	buf_adds(out, suffix);
	return true;
}
