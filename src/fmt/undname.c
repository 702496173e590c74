/*
 * undname: see undname.h. A recursive-descent reader of MSVC's decorated names.
 *
 * Invariants: `bad` is sticky; depth is at most DEPTH and the text made at most MADE bytes, since
 * back references would otherwise let a short name grow without end. All text is made in one buffer
 * on the stack; nothing is allocated.
 *
 * Facts: llvm/lib/Demangle/MicrosoftDemangle.cpp, Wine dlls/msvcrt/undname.c and the tables in
 * "Visual C++ name mangling" (en.wikiversity.org). Wording of special members as Microsoft's
 * undname.
 */
#include "fmt/undname.h"

enum { DEPTH = 64, MADE = 8 * UND_MAX, REFS = 10, PARTS = 64 };

/* A type around a declared name: "int (__cdecl*" and ")(char)". */
typedef struct decl {
	str l, r;
	bool group; /* a function or array: a pointer to it needs parentheses */
} decl;

typedef struct und {
	str in;
	size_t pos;
	und_how how;
	str names[REFS];
	int nnames;
	decl types[REFS];
	int ntypes;
	int depth;
	char *mem; /* MADE bytes, of which the first `made` are used */
	size_t made;
	bool bad;
	bool cast;     /* the name is a conversion operator: its return type belongs to it */
	bool special6; /* vftable and the like: 6 or 7 follows */
	bool whole;    /* nothing follows the name */
} und;

static str qualified(und *u, bool symbol);
static decl type(und *u);
static str symbol(und *u, bool nested);

static const str none = {"", 0};

/* ---- text ---- */

static void put(und *u, const char *p, size_t n)
{
	if (n > MADE - u->made) {
		u->bad = true;
		return;
	}
	memcpy(u->mem + u->made, p, n);
	u->made += n;
}

static void put_number(und *u, long long v)
{
	char t[24];
	size_t i = sizeof t;
	unsigned long long x = v < 0 ? 0 - (unsigned long long)v : (unsigned long long)v;
	do
		t[--i] = (char)('0' + x % 10);
	while (x /= 10);
	if (v < 0)
		t[--i] = '-';
	put(u, t + i, sizeof t - i);
}

/* printf with just %s, %.*s and %lld: a wildcard search undecorates every name there is. */
static str text(und *u, const char *fmt, ...) PRINTF(2, 3);
static str text(und *u, const char *fmt, ...)
{
	size_t from = u->made;
	va_list ap;
	if (u->bad)
		return none;
	va_start(ap, fmt);
	while (*fmt && !u->bad) {
		const char *pc = fmt;
		while (*pc && *pc != '%')
			pc++;
		put(u, fmt, (size_t)(pc - fmt));
		fmt = pc;
		if (!*fmt)
			break;
		if (fmt[1] == '.') {
			int n = va_arg(ap, int);
			put(u, va_arg(ap, const char *), (size_t)n);
			fmt += 4;
		} else if (fmt[1] == 's') {
			const char *z = va_arg(ap, const char *);
			put(u, z, strlen(z));
			fmt += 2;
		} else {
			put_number(u, va_arg(ap, long long));
			fmt += 4;
		}
	}
	va_end(ap);
	if (u->made - from > UND_MAX)
		u->bad = true;
	return u->bad ? none : (str){u->mem + from, u->made - from};
}

static str joined(und *u, const char *before, str s, const char *behind)
{
	return text(u, "%s%.*s%s", before, STR_ARG(s), behind);
}

static int peek(const und *u)
{
	return u->pos < u->in.n ? (unsigned char)u->in.p[u->pos] : -1;
}

static int next(und *u)
{
	if (u->pos >= u->in.n) {
		u->bad = true;
		return -1;
	}
	return (unsigned char)u->in.p[u->pos++];
}

static bool eat(und *u, const char *what)
{
	size_t n = strlen(what);
	if (u->in.n - u->pos < n || memcmp(u->in.p + u->pos, what, n))
		return false;
	u->pos += n;
	return true;
}

static str fail(und *u)
{
	u->bad = true;
	return none;
}

static bool deeper(und *u)
{
	if (u->depth >= DEPTH)
		u->bad = true;
	u->depth++;
	return !u->bad;
}

/* '?' is minus; one digit is 1 to 10; else hexadecimal in A to P, ended by '@'. */
static int64_t number(und *u)
{
	bool minus = eat(u, "?");
	uint64_t v = 0;
	int c = next(u);
	if (c >= '0' && c <= '9') {
		v = (uint64_t)(c - '0') + 1;
	} else {
		for (int i = 0; c != '@' && !u->bad; c = next(u), i++) {
			if (c < 'A' || c > 'P' || i == 16)
				u->bad = true;
			else
				v = v << 4 | (uint64_t)(c - 'A');
		}
	}
	return (int64_t)(minus ? 0 - v : v);
}

static void remember(und *u, str name)
{
	for (int i = 0; i < u->nnames; i++)
		if (str_eq(u->names[i], name))
			return;
	if (u->nnames < REFS)
		u->names[u->nnames++] = name;
}

/* ---- names ---- */

static str identifier(und *u)
{
	size_t from = u->pos;
	while (peek(u) > 0 && peek(u) != '@')
		u->pos++;
	str s = {u->in.p + from, u->pos - from};
	if (next(u) != '@' || !s.n)
		return fail(u);
	return s;
}

static str template_arg(und *u, bool *skip)
{
	*skip = false;
	if (eat(u, "$$$V") || eat(u, "$$V") || eat(u, "$$Z") || eat(u, "$S")) {
		*skip = true;
		return none;
	}
	if (eat(u, "$0"))
		return text(u, "%lld", (long long)number(u));
	if (eat(u, "$M")) { /* the type of an `auto` parameter, then its value */
		if (!deeper(u))
			return none;
		(void)type(u);
		/* The value follows without its '$'. */
		str s = none;
		if (eat(u, "0"))
			s = text(u, "%lld", (long long)number(u));
		else if (eat(u, "1"))
			s = peek(u) == '?' ? joined(u, "&", symbol(u, true), "") : fail(u);
		else
			u->bad = true;
		u->depth--;
		return s;
	}
	if (eat(u, "$1") || eat(u, "$E")) {
		bool ref = u->in.p[u->pos - 1] == 'E';
		str s = peek(u) == '?' ? symbol(u, true) : eat(u, "@") ? STR("nullptr") : fail(u);
		return text(u, "%s%.*s", ref ? "" : "&", STR_ARG(s));
	}
	if (eat(u, "$2")) {
		int64_t mant = number(u), exp = number(u);
		return text(u, "%llde%lld", (long long)mant, (long long)exp);
	}
	if (eat(u, "$D") || eat(u, "$Q"))
		return text(u, "`template-parameter%lld'", (long long)number(u));
	/* Pointers to members: a symbol (not for F and G) and one to three numbers. */
	static const char kinds[] = "FGHIJ";
	for (int i = 0; kinds[i]; i++) {
		char tag[3] = {'$', kinds[i], 0};
		if (!eat(u, tag))
			continue;
		str s = text(u, "{");
		int nums = kinds[i] == 'J'			? 3
			   : kinds[i] == 'I' || kinds[i] == 'F' ? 2
			   : kinds[i] == 'G'			? 3
								: 1;
		bool first = true;
		if (kinds[i] >= 'H') {
			s = joined(u, "{", symbol(u, true), "");
			first = false;
		}
		for (int k = 0; k < nums && !u->bad; k++, first = false)
			s = text(u, "%.*s%s%lld", STR_ARG(s), first ? "" : ",",
				(long long)number(u));
		return text(u, "%.*s}", STR_ARG(s));
	}
	decl d = type(u);
	return d.r.n ? text(u, "%.*s%.*s", STR_ARG(d.l), STR_ARG(d.r)) : d.l;
}

static str special(und *u);

/* `?$` was read: name, arguments, '@'. Names and types inside count anew. */
static str template_name(und *u)
{
	if (!deeper(u))
		return none;
	und in = *u;
	in.nnames = in.ntypes = 0;
	in.cast = in.special6 = in.whole = false;
	str name = none, args = none;
	if (peek(&in) == '?') {
		in.pos++;
		name = special(&in);
	} else {
		name = identifier(&in);
		remember(&in, name);
	}
	bool first = true;
	while (!in.bad && !eat(&in, "@")) {
		bool skip;
		str s = template_arg(&in, &skip);
		if (skip)
			continue;
		args = text(&in, "%.*s%s%.*s", STR_ARG(args), first ? "" : ",", STR_ARG(s));
		first = false;
	}
	bool gap = args.n && args.p[args.n - 1] == '>';
	str out = text(&in, "%.*s<%.*s%s>", STR_ARG(name), STR_ARG(args), gap ? " " : "");
	u->pos = in.pos;
	u->made = in.made;
	u->bad = in.bad;
	u->cast |= in.cast;
	u->depth--;
	return out;
}

/* One scope: namespace, class, function. */
static str scope(und *u)
{
	int c = peek(u);
	if (c >= '0' && c <= '9') {
		u->pos++;
		return c - '0' < u->nnames ? u->names[c - '0'] : fail(u);
	}
	if (eat(u, "?$")) {
		str s = template_name(u);
		remember(u, s);
		return s;
	}
	if (eat(u, "?A")) { /* ?A0x1234abcd@ */
		size_t from = u->pos;
		while (peek(u) > 0 && peek(u) != '@')
			u->pos++;
		if (!eat(u, "@"))
			return fail(u);
		(void)from;
		remember(u, STR("`anonymous namespace'"));
		return STR("`anonymous namespace'");
	}
	if (c == '?') {
		u->pos++;
		if (eat(u, "Q")) { /* an interface in brackets */
			return joined(u, "[", identifier(u), "]");
		}
		if (peek(u) == '?') /* `?` of a nested symbol */
			return joined(u, "`", symbol(u, true), "'");
		int64_t n = number(u);
		return text(u, "`%lld'", (long long)n);
	}
	str s = identifier(u);
	if (!u->bad)
		remember(u, s);
	return s;
}

typedef struct op {
	char code[4];
	const char *name;
} op;

/* Codes behind '?'. Those with a backquote are members that the compiler makes. */
static const op ops[] = {
	{"2", "operator new"},
	{"3", "operator delete"},
	{"4", "operator="},
	{"5", "operator>>"},
	{"6", "operator<<"},
	{"7", "operator!"},
	{"8", "operator=="},
	{"9", "operator!="},
	{"A", "operator[]"},
	{"C", "operator->"},
	{"D", "operator*"},
	{"E", "operator++"},
	{"F", "operator--"},
	{"G", "operator-"},
	{"H", "operator+"},
	{"I", "operator&"},
	{"J", "operator->*"},
	{"K", "operator/"},
	{"L", "operator%"},
	{"M", "operator<"},
	{"N", "operator<="},
	{"O", "operator>"},
	{"P", "operator>="},
	{"Q", "operator,"},
	{"R", "operator()"},
	{"S", "operator~"},
	{"T", "operator^"},
	{"U", "operator|"},
	{"V", "operator&&"},
	{"W", "operator||"},
	{"X", "operator*="},
	{"Y", "operator+="},
	{"Z", "operator-="},
	{"_0", "operator/="},
	{"_1", "operator%="},
	{"_2", "operator>>="},
	{"_3", "operator<<="},
	{"_4", "operator&="},
	{"_5", "operator|="},
	{"_6", "operator^="},
	{"_7", "`vftable'"},
	{"_8", "`vbtable'"},
	{"_9", "`vcall'"},
	{"_A", "`typeof'"},
	{"_B", "`local static guard'"},
	{"_D", "`vbase destructor'"},
	{"_E", "`vector deleting destructor'"},
	{"_F", "`default constructor closure'"},
	{"_G", "`scalar deleting destructor'"},
	{"_H", "`vector constructor iterator'"},
	{"_I", "`vector destructor iterator'"},
	{"_J", "`vector vbase constructor iterator'"},
	{"_K", "`virtual displacement map'"},
	{"_L", "`eh vector constructor iterator'"},
	{"_M", "`eh vector destructor iterator'"},
	{"_N", "`eh vector vbase constructor iterator'"},
	{"_O", "`copy constructor closure'"},
	{"_P", "`udt returning'"},
	{"_S", "`local vftable'"},
	{"_T", "`local vftable constructor closure'"},
	{"_U", "operator new[]"},
	{"_V", "operator delete[]"},
	{"_X", "`placement delete closure'"},
	{"_Y", "`placement delete[] closure'"},
	{"__A", "`managed vector constructor iterator'"},
	{"__B", "`managed vector destructor iterator'"},
	{"__C", "`eh vector copy constructor iterator'"},
	{"__D", "`eh vector vbase copy constructor iterator'"},
	{"__G", "`vector copy constructor iterator'"},
	{"__H", "`vector vbase copy constructor iterator'"},
	{"__I", "`managed vector vbase copy constructor iterator'"},
	{"__J", "`local static thread guard'"},
	{"__L", "operator co_await"},
	{"__M", "operator<=>"},
};

/* A marker that qualified() replaces by the class's name. */
static const char CTOR[] = "\1", DTOR[] = "~\1";

static str rtti(und *u)
{
	int64_t n[4];
	str s;
	switch (next(u)) {
	case '0': {
		decl d = type(u);
		s = text(u, "%.*s%.*s `RTTI Type Descriptor'", STR_ARG(d.l), STR_ARG(d.r));
		u->whole = true;
		return s;
	}
	case '1':
		for (int i = 0; i < 4; i++)
			n[i] = number(u);
		return text(u, "`RTTI Base Class Descriptor at (%lld,%lld,%lld,%lld)'",
			(long long)n[0], (long long)n[1], (long long)n[2], (long long)n[3]);
	case '2':
		return STR("`RTTI Base Class Array'");
	case '3':
		return STR("`RTTI Class Hierarchy Descriptor'");
	case '4':
		u->special6 = true;
		return STR("`RTTI Complete Object Locator'");
	default:
		return fail(u);
	}
}

/* What follows the second '?' of "??...": operators and members that the compiler makes. */
static str special(und *u)
{
	if (eat(u, "0"))
		return (str){CTOR, 1};
	if (eat(u, "1"))
		return (str){DTOR, 2};
	if (eat(u, "B")) {
		u->cast = true;
		return STR("operator");
	}
	if (eat(u, "_R"))
		return rtti(u);
	bool init = eat(u, "__E");
	if (init || eat(u, "__F")) {
		str s = peek(u) == '?' ? symbol(u, true) : qualified(u, false);
		/* A symbol in here has its own '@', and then one more when it was a static member.
		 */
		if (peek(u) == '@')
			u->pos++;
		if (u->in.p[u->pos - 1] == '@' && u->pos < u->in.n && peek(u) == '@')
			u->pos++;
		u->whole = true;
		return init ? text(u, "`dynamic initializer for '%.*s''", STR_ARG(s))
			    : text(u, "`dynamic atexit destructor for '%.*s''", STR_ARG(s));
	}
	if (eat(u, "__K"))
		return joined(u, "operator \"\"", identifier(u), "");
	for (size_t i = ARRAY_LEN(ops); i-- > 0;) {
		if (eat(u, ops[i].code)) {
			u->special6 = !strcmp(ops[i].code, "_7") || !strcmp(ops[i].code, "_8") ||
				      !strcmp(ops[i].code, "_S");
			return str_of(ops[i].name);
		}
	}
	return fail(u);
}

static bool is_marker(str s)
{
	return (s.n == 1 && *s.p == 1) || (s.n > 1 && s.p[0] == '~' && s.p[1] == 1) ||
	       (s.n > 1 && s.p[0] == 1);
}

/* Constructors and destructors are called as their class, template arguments included. */
static str of_class(und *u, str marker, str klass)
{
	bool tilde = marker.p[0] == '~';
	str rest = str_skip(marker, tilde ? 2 : 1); /* template arguments of the constructor */
	return text(u, "%s%.*s%.*s", tilde ? "~" : "", STR_ARG(klass), STR_ARG(rest));
}

/* name@scope@...@@, innermost first. symbol: the first part may be an operator. */
static str qualified(und *u, bool is_symbol)
{
	str part[PARTS];
	int n = 0;
	if (!deeper(u))
		return none;
	if (is_symbol && peek(u) == '?' && u->pos + 1 < u->in.n && u->in.p[u->pos + 1] != '$') {
		u->pos++;
		part[n++] = special(u);
		if (u->whole) {
			u->depth--;
			return part[0];
		}
	} else if (is_symbol && eat(u, "?$")) {
		/* A function's own name with arguments is not numbered for references. */
		part[n++] = template_name(u);
	} else {
		part[n++] = scope(u);
	}
	while (!u->bad && !eat(u, "@")) {
		if (n == PARTS)
			u->bad = true;
		else
			part[n++] = scope(u);
	}
	if (!u->bad && is_marker(part[0]))
		part[0] = n > 1 ? of_class(u, part[0], part[1]) : fail(u);
	str out = u->bad ? none : part[n - 1];
	for (int i = n - 2; i >= 0 && !u->bad; i--)
		out = text(u, "%.*s::%.*s", STR_ARG(out), STR_ARG(part[i]));
	u->depth--;
	return out;
}

/* ---- types ---- */

typedef struct prim {
	char code;
	const char *name;
} prim;

static const prim prims[] = {{'X', "void"}, {'C', "signed char"}, {'D', "char"},
	{'E', "unsigned char"}, {'F', "short"}, {'G', "unsigned short"}, {'H', "int"},
	{'I', "unsigned int"}, {'J', "long"}, {'K', "unsigned long"}, {'M', "float"},
	{'N', "double"}, {'O', "long double"}, {0, NULL}};
static const prim prims_[] = {{'N', "bool"}, {'J', "__int64"}, {'K', "unsigned __int64"},
	{'W', "wchar_t"}, {'S', "char16_t"}, {'U', "char32_t"}, {'Q', "char8_t"}, {'D', "__int8"},
	{'E', "unsigned __int8"}, {'F', "__int16"}, {'G', "unsigned __int16"}, {'H', "__int32"},
	{'I', "unsigned __int32"}, {'L', "__int128"}, {'M', "unsigned __int128"}, {'P', "auto"},
	{'T', "decltype(auto)"}, {0, NULL}};

static str primitive(und *u, const prim *t, int c)
{
	for (; t->name; t++)
		if (t->code == c)
			return str_of(t->name);
	return fail(u);
}

/* A none, B const, C volatile, D both. */
static int cv(und *u)
{
	int c = next(u);
	if (c < 'A' || c > 'D')
		u->bad = true;
	return c - 'A';
}

static str with_cv(und *u, str s, int q)
{
	if (q & 1 && s.n > 6 && str_eq(str_skip(s, s.n - 6), STR(" const")))
		q &= ~1; /* a const pointer behind a reference to const says it twice */
	return !q ? s
		  : text(u, "%.*s%s%s", STR_ARG(s), q & 1 ? " const" : "",
			    q & 2 ? " volatile" : "");
}

static const char *convention(und *u)
{
	switch (next(u)) {
	case 'A':
	case 'B':
		return "__cdecl";
	case 'C':
	case 'D':
		return "__pascal";
	case 'E':
	case 'F':
		return "__thiscall";
	case 'G':
	case 'H':
		return "__stdcall";
	case 'I':
	case 'J':
		return "__fastcall";
	case 'M':
	case 'N':
		return "__clrcall";
	case 'O':
	case 'P':
		return "__eabi";
	case 'Q':
		return "__vectorcall";
	case 'S':
		return "__attribute__((__swiftcall__)) ";
	case 'W':
		return "__attribute__((__swiftasynccall__)) ";
	case 'w':
		return "__regcall";
	default:
		u->bad = true;
		return "";
	}
}

/* Parameters up to '@' or 'Z', then the exception specification. */
static str params(und *u)
{
	str out = none;
	if (eat(u, "X")) {
		out = STR("void");
	} else {
		bool first = true;
		for (;;) {
			if (u->bad || eat(u, "@"))
				break;
			if (eat(u, "Z")) {
				out = text(u, "%.*s%s...", STR_ARG(out), first ? "" : ",");
				break;
			}
			decl d = {none, none, false};
			int c = peek(u);
			if (c >= '0' && c <= '9') {
				u->pos++;
				if (c - '0' < u->ntypes)
					d = u->types[c - '0'];
				else
					u->bad = true;
			} else {
				size_t from = u->pos;
				d = type(u);
				/* One-letter types are not worth a reference. */
				if (u->pos - from > 1 && u->ntypes < REFS)
					u->types[u->ntypes++] = d;
			}
			out = text(u, "%.*s%s%.*s%.*s", STR_ARG(out), first ? "" : ",",
				STR_ARG(d.l), STR_ARG(d.r));
			first = false;
		}
	}
	if (eat(u, "_E"))
		return text(u, "(%.*s) noexcept", STR_ARG(out));
	if (!eat(u, "Z"))
		u->bad = true;
	return text(u, "(%.*s)", STR_ARG(out));
}

/* Calling convention, return type, parameters: around a name (or `*`). *ctor: no return type. */
static decl function(und *u, const char **conv, bool *ctor)
{
	decl ret = {none, none, false};
	*conv = convention(u);
	*ctor = eat(u, "@");
	if (!*ctor && !u->bad) {
		int q = 0;
		if (eat(u, "?"))
			q = cv(u);
		ret = type(u);
		ret.l = with_cv(u, ret.l, q);
	}
	str p = params(u);
	ret.r = text(u, "%.*s%.*s", STR_ARG(p), STR_ARG(ret.r));
	return ret;
}

/* E __ptr64, F __unaligned, I __restrict, G &, H && in front of a cv letter. */
static const char *ext(und *u, bool *unaligned)
{
	const char *ref = "";
	for (;;) {
		if (eat(u, "E") || eat(u, "I"))
			continue;
		if (eat(u, "F"))
			*unaligned = true;
		else if (eat(u, "G"))
			ref = " &";
		else if (eat(u, "H"))
			ref = " &&";
		else
			return ref;
	}
}

static decl pointer(und *u, const char *sign, int own)
{
	const char *conv;
	bool ctor, unaligned = false;
	decl d = {none, none, false};
	if (eat(u, "6") || eat(u, "7")) {
		d = function(u, &conv, &ctor);
		d.l = with_cv(u, text(u, "%.*s (%s%s", STR_ARG(d.l), conv, sign), own);
		d.r = text(u, ")%.*s", STR_ARG(d.r));
		return d;
	}
	if (eat(u, "8") || eat(u, "9")) {
		str klass = qualified(u, false);
		const char *ref = ext(u, &unaligned);
		int q = cv(u);
		d = function(u, &conv, &ctor);
		d.l = with_cv(u,
			text(u, "%.*s (%s %.*s::%s", STR_ARG(d.l), conv, STR_ARG(klass), sign),
			own);
		d.r = with_cv(u, text(u, ")%.*s", STR_ARG(d.r)), q);
		d.r = text(u, "%.*s%s", STR_ARG(d.r), ref);
		return d;
	}
	(void)ext(u, &unaligned);
	int q = 0, c = peek(u);
	str klass = none;
	if (c >= 'Q' && c <= 'T') { /* pointer to a data member */
		u->pos++;
		q = c - 'Q';
		klass = joined(u, "", qualified(u, false), "::");
	} else {
		q = cv(u);
	}
	d = type(u);
	d.l = with_cv(u, d.l, q);
	if (unaligned)
		d.l = text(u, "%.*s __unaligned", STR_ARG(d.l));
	d.l = text(u, "%.*s %s%.*s%s", STR_ARG(d.l), d.group ? "(" : "", STR_ARG(klass), sign);
	if (d.group)
		d.r = text(u, ")%.*s", STR_ARG(d.r));
	d.group = false;
	d.l = with_cv(u, d.l, own);
	return d;
}

static decl array(und *u)
{
	int64_t n = number(u);
	str dims = none;
	if (n < 1 || n > 32)
		u->bad = true;
	for (; n > 0 && !u->bad; n--)
		dims = text(u, "%.*s[%lld]", STR_ARG(dims), (long long)number(u));
	int q = 0;
	if (eat(u, "$$C"))
		q = cv(u);
	decl d = type(u);
	d.l = with_cv(u, d.l, q);
	d.r = text(u, " %.*s%.*s", STR_ARG(dims), STR_ARG(d.r));
	d.group = true;
	return d;
}

static str tag(und *u, const char *word)
{
	str s = qualified(u, false);
	return u->how == UND_NAME ? s : text(u, "%s %.*s", word, STR_ARG(s));
}

/* $$...: rvalue references, function types, nullptr_t, cv of template arguments. */
static decl dollar(und *u)
{
	decl d = {none, none, false};
	const char *conv;
	bool ctor, unaligned = false;
	if (eat(u, "$Q"))
		return pointer(u, "&&", 0);
	if (eat(u, "$R"))
		return pointer(u, "&&", 2);
	if (eat(u, "$A6")) {
		d = function(u, &conv, &ctor);
		d.l = text(u, "%.*s %s", STR_ARG(d.l), conv);
		d.group = true;
		return d;
	}
	if (eat(u, "$A8@@")) { /* a function type with cv or & of its own */
		const char *ref = ext(u, &unaligned);
		int q = cv(u);
		d = function(u, &conv, &ctor);
		d.l = text(u, "%.*s %s", STR_ARG(d.l), conv);
		d.r = joined(u, "", with_cv(u, d.r, q), ref);
		d.group = true;
		return d;
	}
	if (eat(u, "$B"))
		return type(u);
	if (eat(u, "$C")) {
		int q = cv(u);
		d = type(u);
		/* Microsoft's tools leave a blank behind the word, and PDBs have it in their names.
		 */
		d.l = joined(u, "", with_cv(u, d.l, q), q ? " " : "");
		return d;
	}
	if (eat(u, "$T")) {
		d.l = STR("std::nullptr_t");
		return d;
	}
	u->bad = true;
	return d;
}

static decl type_inner(und *u)
{
	decl d = {none, none, false};
	int c = next(u);
	switch (c) {
	case 'P':
	case 'Q':
	case 'R':
	case 'S':
		return pointer(u, "*", c - 'P');
	case 'A':
		return pointer(u, "&", 0);
	case 'B':
		return pointer(u, "&", 2);
	case 'T':
		d.l = tag(u, "union");
		return d;
	case 'U':
		d.l = tag(u, "struct");
		return d;
	case 'V':
		d.l = tag(u, "class");
		return d;
	case 'W':
		c = next(u);
		if (c < '0' || c > '7')
			u->bad = true;
		d.l = tag(u, "enum");
		return d;
	case 'Y':
		return array(u);
	case '?': {
		int q = cv(u);
		d = type(u);
		d.l = with_cv(u, d.l, q);
		return d;
	}
	case '$':
		return dollar(u);
	case '_':
		d.l = primitive(u, prims_, next(u));
		return d;
	default:
		d.l = primitive(u, prims, c);
		return d;
	}
}

static decl type(und *u)
{
	decl d = {none, none, false};
	if (deeper(u))
		d = type_inner(u);
	u->depth--;
	return d;
}

/* ---- symbols ---- */

static str variable(und *u, str name, int c)
{
	static const char *const access[] = {
		"private: static ", "protected: static ", "public: static "};
	bool unaligned = false;
	decl d = type(u);
	(void)ext(u, &unaligned);
	int q = 0, p = peek(u);
	if (p >= 'Q' && p <= 'T') { /* member pointer: cv and its class again */
		u->pos++;
		q = p - 'Q';
		(void)qualified(u, false);
	} else {
		q = cv(u);
	}
	/* The cv of a pointer variable stands in its type already; here it is that of the pointee.
	 */
	bool ptr = d.l.n && (d.l.p[d.l.n - 1] == '*' || d.l.p[d.l.n - 1] == '&');
	if (!ptr)
		d.l = with_cv(u, d.l, q);
	return text(u, "%s%.*s %.*s%.*s", c <= '2' ? access[c - '0'] : "", STR_ARG(d.l),
		STR_ARG(name), STR_ARG(d.r));
}

static str routine(und *u, str name, int c)
{
	static const char *const access[] = {"private: ", "protected: ", "public: "};
	static const char *const kind[] = {"", "static ", "virtual ", "virtual "};
	int k = c - 'A', member = k < 24, which = k / 2 % 4;
	const char *ref = "", *conv;
	bool unaligned = false, ctor;
	int q = 0;
	str thunk = none;
	if (member && which == 3)
		thunk = text(u, "`adjustor{%lld}'", (long long)number(u));
	if (member && which != 1) {
		ref = ext(u, &unaligned);
		q = cv(u);
	}
	decl d = function(u, &conv, &ctor);
	if (u->cast) {
		name = text(u, "%.*s %.*s", STR_ARG(name), STR_ARG(d.l));
		if (u->how == UND_NAME)
			return name;
	} else if (u->how == UND_NAME) {
		return name;
	}
	str tail = with_cv(u, d.r, q);
	return text(u, "%s%s%s%.*s%s%s %.*s%.*s%.*s%s", thunk.n ? "[thunk]: " : "",
		member ? access[k / 8] : "", member ? kind[which] : "",
		STR_ARG(u->cast ? none : d.l), u->cast || ctor ? "" : " ", conv, STR_ARG(name),
		STR_ARG(thunk), STR_ARG(tail), ref);
}

/* What follows the name of a table: cv and the bases that it is for. */
static str table(und *u, str name)
{
	static const char *const words[] = {"", "const ", "volatile ", "const volatile "};
	int q = cv(u);
	str bases = none;
	if (u->how == UND_FULL && !u->bad)
		name = joined(u, words[q], name, "");
	while (!u->bad && peek(u) >= 0 && !eat(u, "@")) {
		str s = qualified(u, false);
		bases = text(u, "%.*s%s`%.*s'", STR_ARG(bases), bases.n ? "s " : "", STR_ARG(s));
	}
	return bases.n ? text(u, "%.*s{for %.*s}", STR_ARG(name), STR_ARG(bases)) : name;
}

static str thunk(und *u, str name)
{
	int64_t a = 0, b = 0;
	if (eat(u, "B")) { /* `vcall'{offset, flat} */
		a = number(u);
		if (!eat(u, "A"))
			u->bad = true;
		(void)convention(u);
		return text(u, "%.*s{%lld,{flat}}", STR_ARG(name), (long long)a);
	}
	bool wide = eat(u, "R");
	int c = next(u);
	if (c < '0' || c > '5')
		return fail(u);
	if (wide) {
		a = number(u);
		b = number(u);
	}
	int64_t x = number(u), y = number(u);
	if (u->how == UND_FULL && wide)
		name = text(u, "%.*s`vtordispex{%lld,%lld,%lld,%lld}' ", STR_ARG(name),
			(long long)a, (long long)b, (long long)(int32_t)x, (long long)y);
	else if (u->how == UND_FULL)
		name = text(u, "%.*s`vtordisp{%lld,%lld}' ", STR_ARG(name), (long long)(int32_t)x,
			(long long)y);
	str s = routine(u, name, 'A' + (c - '0') / 2 * 8 + 4);
	return u->how == UND_FULL ? joined(u, "[thunk]: ", s, "") : s;
}

/* '?' name encoding. nested: inside another name, where the encoding must be read to its end. */
static str symbol(und *u, bool nested)
{
	if (!deeper(u) || !eat(u, "?"))
		return fail(u);
	bool cast = u->cast, special6 = u->special6, whole = u->whole;
	u->cast = u->special6 = u->whole = false;
	str s;
	if (eat(u, "?@")) { /* the name was too long: a hash stands for it */
		size_t from = u->pos - 3;
		(void)identifier(u);
		s = (str){u->in.p + from, u->pos - from};
	} else if (eat(u, "?_C@")) {
		u->pos = u->in.n;
		s = STR("`string'");
	} else {
		s = qualified(u, true);
		int c = u->whole && !nested ? -1 : peek(u);
		bool name_only = u->how == UND_NAME && !nested && !u->cast && !u->special6;
		if (u->bad || name_only || c < 0) {
			/* Types do not matter, or there are none. */
		} else if (u->whole && c != 'Y') {
			(void)eat(u, "@"); /* RTTI of a type: @8 */
			(void)eat(u, "8");
		} else if (c >= '0' && c <= '4') {
			u->pos++;
			str v = variable(u, s, c);
			s = u->how == UND_NAME ? s : v;
		} else if (c == '5') { /* guard, with its number */
			u->pos++;
			(void)number(u);
		} else if (c == '6' || c == '7') {
			u->pos++;
			s = table(u, s);
		} else if (c == '8' || c == '9') {
			u->pos++;
		} else if (c >= 'A' && c <= 'Z') {
			u->pos++;
			s = routine(u, s, c);
		} else if (c == '$') {
			u->pos++;
			s = thunk(u, s);
		} else {
			u->bad = true;
		}
	}
	u->cast = cast;
	u->special6 = special6;
	u->whole = whole;
	u->depth--;
	return s;
}

bool undname(str name, und_how how, buf *out)
{
	if (name.n < 2 || name.p[0] != '?' || name.n > UND_MAX)
		return false;
	char mem[MADE];
	und u = {.in = name, .mem = mem, .how = how};
	str s = symbol(&u, false);
	bool ok = !u.bad && s.n;
	if (ok)
		buf_adds(out, s);
	return ok;
}

/* C's decorations: @name@8 (__fastcall), name@@8 (__vectorcall), _name@12 (__stdcall), _name. */
static str undecorate_c(str name, bool x86)
{
	size_t at = str_rchr(name, '@');
	uint64_t bytes;
	bool digits = at != SIZE_MAX && at && str_u64(str_skip(name, at + 1), 10, &bytes);
	if (digits && name.p[at - 1] == '@' && at > 1)
		return str_take(name, at - 1);
	if (!x86)
		return name;
	if (digits && at > 1 && (name.p[0] == '_' || name.p[0] == '@'))
		return (str){name.p + 1, at - 1};
	return name.n > 1 && name.p[0] == '_' ? str_skip(name, 1) : name;
}

str undname_short(arena *a, str name, bool x86)
{
	static const str imp = {"__imp_", 6};
	str inner = str_starts(name, imp) ? str_skip(name, imp.n) : name;
	if (!inner.n || inner.p[0] != '?')
		return undecorate_c(name, x86);
	buf b;
	buf_init(&b, UND_MAX + 16);
	if (inner.n != name.n)
		buf_adds(&b, imp);
	str s = name;
	if (undname(inner, UND_NAME, &b))
		s = str_dup(a, buf_str(&b));
	buf_deinit(&b);
	return s;
}
