/*
 * elf_rust: Rust's names in plain words: its own (_R..., "v0": paths and generic arguments, without
 * the crates' hashes) and those of before, which look like C++'s. Refuses to guess, as elf_name.c
 * does.
 *
 * Back references make output exponential in the input: both output and steps are bounded.
 *
 * Source: "Rust Symbol Mangling v0", doc.rust-lang.org/rustc/symbol-mangling/v0.html.
 */
#include "fmt/elf.h"

#include <ctype.h>
#include <stdio.h>

enum { OUT_MAX = 16384, STEPS_MAX = 20000, DEPTH_MAX = 128 };

typedef struct rs {
	const char *p;
	size_t n, at;
	buf *out;
	size_t was;
	bool bad, quiet;
	int depth, steps;
	unsigned lifetimes;
} rs;

static char peek(const rs *r)
{
	return r->at < r->n ? r->p[r->at] : 0;
}

static bool eat(rs *r, char c)
{
	if (peek(r) != c)
		return false;
	r->at++;
	return true;
}

static void say(rs *r, str s)
{
	if (r->quiet || r->bad)
		return;
	if (r->out->n - r->was + s.n > OUT_MAX)
		r->bad = true;
	else
		buf_adds(r->out, s);
}

static void sayz(rs *r, const char *z)
{
	say(r, str_of(z));
}

/* base-62-number: "_" is 0, "0_" is 1 */
static uint64_t base62(rs *r)
{
	uint64_t v = 0;
	if (eat(r, '_'))
		return 0;
	for (int i = 0; i < 12; i++) { /* 11 digits hold 64 bits */
		char c = peek(r);
		unsigned d;
		if (c >= '0' && c <= '9')
			d = (unsigned)(c - '0');
		else if (c >= 'a' && c <= 'z')
			d = (unsigned)(c - 'a') + 10;
		else if (c >= 'A' && c <= 'Z')
			d = (unsigned)(c - 'A') + 36;
		else if (eat(r, '_'))
			return v + 1;
		else
			break;
		r->at++;
		v = v * 62 + d;
	}
	r->bad = true;
	return 0;
}

static uint64_t disambiguator(rs *r)
{
	return eat(r, 's') ? base62(r) + 1 : 0;
}

/* Punycode (RFC 3492) to UTF-8, for identifiers of up to 128 characters. */
static void punycode(rs *r, str s)
{
	uint32_t c[128];
	size_t n = 0, delim = str_rchr(s, '_');
	if (delim != SIZE_MAX) {
		for (size_t i = 0; i < delim && n < 128; i++)
			c[n++] = (unsigned char)s.p[i];
		s = str_skip(s, delim + 1);
	}
	uint32_t code = 128, i = 0, bias = 72;
	bool first = true;
	for (size_t at = 0; at < s.n;) {
		uint32_t old = i, w = 1;
		for (uint32_t k = 36;; k += 36) {
			if (at >= s.n) {
				r->bad = true;
				return;
			}
			char ch = s.p[at++];
			uint32_t d = ch >= 'a' && ch <= 'z'   ? (uint32_t)(ch - 'a')
				     : ch >= '0' && ch <= '9' ? (uint32_t)(ch - '0') + 26
							      : 99;
			uint32_t t = k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias;
			if (d == 99 || (d && w > (UINT32_MAX - i) / d)) {
				r->bad = true;
				return;
			}
			i += d * w;
			if (d < t)
				break;
			if (w > UINT32_MAX / 36) {
				r->bad = true;
				return;
			}
			w *= 36 - t;
		}
		uint32_t delta = (i - old) / (first ? 700 : 2), k = 0, len = (uint32_t)n + 1;
		first = false;
		for (delta += delta / len; delta > 455; k += 36)
			delta /= 35;
		bias = k + 36 * delta / (delta + 38);
		code += i / len;
		i %= len;
		if (n == 128 || code > 0x10ffff) {
			r->bad = true;
			return;
		}
		memmove(c + i + 1, c + i, (n - i) * sizeof *c);
		c[i++] = code;
		n++;
	}
	for (size_t j = 0; j < n; j++) {
		char u[4];
		size_t k = 0;
		if (c[j] < 0x80) {
			u[k++] = (char)c[j];
		} else if (c[j] < 0x800) {
			u[k++] = (char)(0xc0 | c[j] >> 6);
			u[k++] = (char)(0x80 | (c[j] & 63));
		} else if (c[j] < 0x10000) {
			u[k++] = (char)(0xe0 | c[j] >> 12);
			u[k++] = (char)(0x80 | (c[j] >> 6 & 63));
			u[k++] = (char)(0x80 | (c[j] & 63));
		} else {
			u[k++] = (char)(0xf0 | c[j] >> 18);
			u[k++] = (char)(0x80 | (c[j] >> 12 & 63));
			u[k++] = (char)(0x80 | (c[j] >> 6 & 63));
			u[k++] = (char)(0x80 | (c[j] & 63));
		}
		say(r, (str){u, k});
	}
}

/* undisambiguated-identifier; returns whether it is empty */
static bool identifier(rs *r)
{
	bool puny = eat(r, 'u');
	size_t n = 0;
	if (peek(r) < '0' || peek(r) > '9') {
		r->bad = true;
		return true;
	}
	if (!eat(r, '0'))
		while (peek(r) >= '0' && peek(r) <= '9' && n < 1 << 20)
			n = n * 10 + (size_t)(r->p[r->at++] - '0');
	eat(r, '_');
	if (n > r->n - r->at) {
		r->bad = true;
		return true;
	}
	str s = {r->p + r->at, n};
	r->at += n;
	if (puny)
		punycode(r, s);
	else
		say(r, s);
	return !n;
}

static void path(rs *r, bool value);
static void type(rs *r);
static void constant(rs *r);

static bool enter(rs *r)
{
	if (++r->depth > DEPTH_MAX || ++r->steps > STEPS_MAX)
		r->bad = true;
	return !r->bad;
}

/* Follows a back reference with fn; what comes behind it goes on where it stood. */
static void back(rs *r, void (*fn)(rs *r))
{
	size_t from = r->at - 1; /* of the 'B' */
	uint64_t to = base62(r);
	if (r->bad || to >= from) {
		r->bad = true;
		return;
	}
	if (r->quiet)
		return;
	size_t at = r->at;
	r->at = (size_t)to;
	if (enter(r))
		fn(r);
	r->depth--;
	r->at = at;
}

static void path_value(rs *r)
{
	path(r, true);
}

static void path_type(rs *r)
{
	path(r, false);
}

static void lifetime(rs *r, uint64_t i)
{
	char z[4] = "'_";
	if (i && i <= r->lifetimes && r->lifetimes - i < 26)
		z[1] = (char)('a' + (r->lifetimes - i));
	sayz(r, z);
}

static void generic_arg(rs *r)
{
	if (eat(r, 'L'))
		lifetime(r, base62(r));
	else if (eat(r, 'K'))
		constant(r);
	else
		type(r);
}

static void generic_args(rs *r)
{
	for (bool first = true; !r->bad && !eat(r, 'E'); first = false) {
		if (!first)
			sayz(r, ", ");
		generic_arg(r);
	}
}

static void quiet_path(rs *r)
{
	bool was = r->quiet;
	r->quiet = true;
	path(r, false);
	r->quiet = was;
}

static void path_(rs *r, bool value)
{
	char c = peek(r);
	r->at++;
	switch (c) {
	case 'C':
		disambiguator(r);
		identifier(r);
		break;
	case 'N': {
		char ns = peek(r);
		r->at++;
		path(r, value);
		uint64_t dis = disambiguator(r);
		if (ns >= 'A' && ns <= 'Z') { /* closures, shims */
			char num[32];
			sayz(r, ns == 'C' ? "::{closure" : ns == 'S' ? "::{shim" : "::{");
			size_t at = r->out->n;
			sayz(r, ":");
			if (identifier(r) && !r->bad && !r->quiet)
				r->out->n = at;
			snprintf(num, sizeof num, "#%llu}", (unsigned long long)dis);
			sayz(r, num);
		} else if (ns >= 'a' && ns <= 'z') {
			size_t at = r->out->n;
			sayz(r, "::");
			if (identifier(r) && !r->bad && !r->quiet)
				r->out->n = at; /* without a name: nothing to say */
		} else {
			r->bad = true;
		}
		break;
	}
	case 'M':
		disambiguator(r);
		quiet_path(r);
		sayz(r, "<");
		type(r);
		sayz(r, ">");
		break;
	case 'X':
		disambiguator(r);
		quiet_path(r);
		/* fall through */
	case 'Y':
		sayz(r, "<");
		type(r);
		sayz(r, " as ");
		path(r, false);
		sayz(r, ">");
		break;
	case 'I':
		path(r, value);
		if (value)
			sayz(r, "::");
		sayz(r, "<");
		generic_args(r);
		sayz(r, ">");
		break;
	case 'B':
		back(r, value ? path_value : path_type);
		break;
	default:
		r->bad = true;
		break;
	}
}

static void path(rs *r, bool value)
{
	if (enter(r))
		path_(r, value);
	r->depth--;
}

static const char *basic(char c)
{
	static const char *const names[26] = {['a' - 'a'] = "i8",
		['b' - 'a'] = "bool",
		['c' - 'a'] = "char",
		['d' - 'a'] = "f64",
		['e' - 'a'] = "str",
		['f' - 'a'] = "f32",
		['h' - 'a'] = "u8",
		['i' - 'a'] = "isize",
		['j' - 'a'] = "usize",
		['l' - 'a'] = "i32",
		['m' - 'a'] = "u32",
		['n' - 'a'] = "i128",
		['o' - 'a'] = "u128",
		['p' - 'a'] = "_",
		['s' - 'a'] = "i16",
		['t' - 'a'] = "u16",
		['u' - 'a'] = "()",
		['v' - 'a'] = "...",
		['x' - 'a'] = "i64",
		['y' - 'a'] = "u64",
		['z' - 'a'] = "!"};
	return c >= 'a' && c <= 'z' ? names[c - 'a'] : NULL;
}

/* "for<'a, 'b> ": the lifetimes are only counted */
static unsigned binder(rs *r)
{
	uint64_t n = eat(r, 'G') ? base62(r) + 1 : 0;
	if (n > 26) {
		r->bad = true;
		n = 0;
	}
	r->lifetimes += (unsigned)n;
	return (unsigned)n;
}

static void fn_type(rs *r)
{
	unsigned n = binder(r);
	if (eat(r, 'U'))
		sayz(r, "unsafe ");
	if (eat(r, 'K')) {
		sayz(r, "extern \"");
		if (eat(r, 'C'))
			sayz(r, "C");
		else
			identifier(r);
		sayz(r, "\" ");
	}
	sayz(r, "fn(");
	for (bool first = true; !r->bad && !eat(r, 'E'); first = false) {
		if (!first)
			sayz(r, ", ");
		type(r);
	}
	sayz(r, ")");
	if (!eat(r, 'u')) {
		sayz(r, " -> ");
		type(r);
	}
	r->lifetimes -= n;
}

static void dyn_type(rs *r)
{
	unsigned n = binder(r);
	sayz(r, "dyn ");
	for (bool first = true; !r->bad && !eat(r, 'E'); first = false) {
		if (!first)
			sayz(r, " + ");
		path(r, false);
		while (!r->bad && eat(r, 'p')) {
			sayz(r, "<");
			identifier(r);
			sayz(r, " = ");
			type(r);
			sayz(r, ">");
		}
	}
	r->lifetimes -= n;
	if (!eat(r, 'L')) {
		r->bad = true;
		return;
	}
	uint64_t l = base62(r);
	if (l) {
		sayz(r, " + ");
		lifetime(r, l);
	}
}

static void type_(rs *r)
{
	char c = peek(r);
	const char *b = basic(c);
	r->at++;
	if (b) {
		sayz(r, b);
		return;
	}
	switch (c) {
	case 'A':
		sayz(r, "[");
		type(r);
		sayz(r, "; ");
		constant(r);
		sayz(r, "]");
		break;
	case 'S':
		sayz(r, "[");
		type(r);
		sayz(r, "]");
		break;
	case 'T': {
		int n = 0;
		sayz(r, "(");
		for (; !r->bad && !eat(r, 'E'); n++) {
			if (n)
				sayz(r, ", ");
			type(r);
		}
		sayz(r, n == 1 ? ",)" : ")");
		break;
	}
	case 'R':
	case 'Q':
		sayz(r, "&");
		if (eat(r, 'L')) {
			uint64_t l = base62(r);
			if (l) {
				lifetime(r, l);
				sayz(r, " ");
			}
		}
		sayz(r, c == 'Q' ? "mut " : "");
		type(r);
		break;
	case 'P':
	case 'O':
		sayz(r, c == 'P' ? "*const " : "*mut ");
		type(r);
		break;
	case 'F':
		fn_type(r);
		break;
	case 'D':
		dyn_type(r);
		break;
	case 'B':
		back(r, type);
		break;
	default:
		r->at--;
		path(r, false);
		break;
	}
}

static void type(rs *r)
{
	if (enter(r))
		type_(r);
	r->depth--;
}

static void constant_(rs *r)
{
	if (eat(r, 'B')) {
		back(r, constant);
		return;
	}
	char t = peek(r);
	r->at++;
	if (t == 'p') {
		sayz(r, "_");
		return;
	}
	if (!basic(t)) {
		r->bad = true; /* values of structures: nobody needs them */
		return;
	}
	bool neg = eat(r, 'n');
	size_t from = r->at;
	while (peek(r) && peek(r) != '_')
		r->at++;
	str hex = {r->p + from, r->at - from};
	uint64_t v = 0;
	char num[40];
	if (!eat(r, '_') || (hex.n && !str_u64(hex, 16, &v))) {
		r->bad = true;
		return;
	}
	if (t == 'b')
		snprintf(num, sizeof num, "%s", v ? "true" : "false");
	else if (t == 'c' && v >= 0x20 && v < 0x7f)
		snprintf(num, sizeof num, "'%c'", (char)v);
	else
		snprintf(num, sizeof num, "%s%llu", neg ? "-" : "", (unsigned long long)v);
	sayz(r, num);
}

static void constant(rs *r)
{
	if (enter(r))
		constant_(r);
	r->depth--;
}

static bool new_name(str raw, buf *out)
{
	size_t was = out->n;
	/* ".llvm.123": the compiler's */
	size_t dot = str_chr(raw, '.');
	raw = str_skip(str_take(raw, dot), 2);
	rs r = {.p = raw.p, .n = raw.n, .out = out, .was = was};
	if (raw.n && raw.p[0] >= '0' && raw.p[0] <= '9')
		return false; /* an encoding version that is not there yet */
	path(&r, true);
	if (r.bad || out->n == was) {
		out->n = was;
		return false;
	}
	return true;
}

/* ---- the old scheme: _ZN...17h<16 digits>E ---- */

static bool is_old(str raw)
{
	size_t n = raw.n;
	const char *dot = memmem(raw.p, n, "E.llvm.", 7);
	if (dot)
		n = (size_t)(dot + 1 - raw.p);
	if (n < 25 || memcmp(raw.p, "_ZN", 3) != 0 || raw.p[n - 1] != 'E' ||
		memcmp(raw.p + n - 20, "17h", 3) != 0)
		return false;
	for (size_t i = n - 17; i < n - 1; i++)
		if (!isxdigit((unsigned char)raw.p[i]))
			return false;
	return true;
}

static void old_part(str s, buf *out)
{
	static const struct {
		const char *code, *text;
	} escapes[] = {{"$SP$", "@"}, {"$BP$", "*"}, {"$RF$", "&"}, {"$LT$", "<"}, {"$GT$", ">"},
		{"$LP$", "("}, {"$RP$", ")"}, {"$C$", ","}};
	if (str_starts(s, STR("_$")))
		s = str_skip(s, 1);
	while (s.n) {
		size_t i = 0;
		if (str_starts(s, STR(".."))) {
			buf_addz(out, "::");
			s = str_skip(s, 2);
			continue;
		}
		if (s.p[0] == '$') {
			for (; i < ARRAY_LEN(escapes); i++)
				if (str_starts(s, str_of(escapes[i].code)))
					break;
			size_t end = str_chr(str_skip(s, 1), '$');
			uint64_t c;
			if (i < ARRAY_LEN(escapes)) {
				buf_addz(out, escapes[i].text);
				s = str_skip(s, strlen(escapes[i].code));
				continue;
			}
			if (end != SIZE_MAX && end > 1 && s.p[1] == 'u' &&
				str_u64((str){s.p + 2, end - 1}, 16, &c) && c >= 0x20 && c < 0x7f) {
				buf_addc(out, (char)c);
				s = str_skip(s, end + 2);
				continue;
			}
		}
		buf_addc(out, s.p[0]);
		s = str_skip(s, 1);
	}
}

static bool old_name(str raw, buf *out)
{
	size_t was = out->n;
	const char *p = raw.p + 3, *end = raw.p + raw.n;
	bool first = true;
	while (p < end && *p != 'E') {
		size_t n = 0;
		while (p < end && chr_digit(*p) && n < 1 << 20)
			n = n * 10 + (size_t)(*p++ - '0');
		if (!n || n > (size_t)(end - p)) {
			out->n = was;
			return false;
		}
		if (n == 17 && p[0] == 'h' && p + 17 < end && p[17] == 'E')
			break; /* the hash */
		if (!first)
			buf_addz(out, "::");
		first = false;
		old_part((str){p, n}, out);
		p += n;
	}
	return out->n > was;
}

bool elf_is_rust(str raw)
{
	return raw.n > 2 && (raw.p[1] == 'R' || is_old(raw));
}

bool elf_undec_rust(str raw, buf *out)
{
	return raw.p[1] == 'R' ? new_name(raw, out) : old_name(raw, out);
}
