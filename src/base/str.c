/* str, buf, vec: see str.h. Refuses to know encodings other than ASCII, UTF-8 and UTF-16LE. */
#include "base/str.h"

#include <stdio.h>

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool str_eq(str a, str b)
{
	return a.n == b.n && (!a.n || !memcmp(a.p, b.p, a.n));
}

int str_icmp(str a, str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	for (size_t i = 0; i < n; i++) {
		unsigned char x = (unsigned char)chr_lower(a.p[i]);
		unsigned char y = (unsigned char)chr_lower(b.p[i]);
		if (x != y)
			return x < y ? -1 : 1;
	}
	return a.n == b.n ? 0 : a.n < b.n ? -1 : 1;
}

bool str_ieq(str a, str b)
{
	return a.n == b.n && !str_icmp(a, b);
}

bool str_starts(str s, str prefix)
{
	return s.n >= prefix.n && str_eq(str_take(s, prefix.n), prefix);
}

bool str_istarts(str s, str prefix)
{
	return s.n >= prefix.n && str_ieq(str_take(s, prefix.n), prefix);
}

bool str_iends(str s, str suffix)
{
	return s.n >= suffix.n && str_ieq(str_skip(s, s.n - suffix.n), suffix);
}

str str_trim(str s)
{
	while (s.n && blank(s.p[0]))
		s.p++, s.n--;
	while (s.n && blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

str str_skip(str s, size_t n)
{
	return n >= s.n ? (str){s.p ? s.p + s.n : s.p, 0} : (str){s.p + n, s.n - n};
}

str str_take(str s, size_t n)
{
	return (str){s.p, n < s.n ? n : s.n};
}

size_t str_find(str s, str what)
{
	if (!what.n)
		return 0;
	const char *p = s.n ? memmem(s.p, s.n, what.p, what.n) : NULL;
	return p ? (size_t)(p - s.p) : SIZE_MAX;
}

size_t str_chr(str s, char c)
{
	const char *p = s.n ? memchr(s.p, c, s.n) : NULL;
	return p ? (size_t)(p - s.p) : SIZE_MAX;
}

size_t str_rchr(str s, char c)
{
	const char *p = s.n ? memrchr(s.p, c, s.n) : NULL;
	return p ? (size_t)(p - s.p) : SIZE_MAX;
}

str str_base(str path)
{
	for (size_t i = path.n; i > 0; i--)
		if (path.p[i - 1] == '/' || path.p[i - 1] == '\\')
			return str_skip(path, i);
	return path;
}

str str_stem(str path)
{
	str b = str_base(path);
	size_t dot = str_rchr(b, '.');
	return dot == SIZE_MAX || dot == 0 ? b : str_take(b, dot);
}

str str_word(str *rest)
{
	str s = *rest;
	while (s.n && blank(s.p[0]))
		s = str_skip(s, 1);
	size_t n = 0;
	while (n < s.n && !blank(s.p[n]))
		n++;
	*rest = str_skip(s, n);
	return str_take(s, n);
}

char *str_z(arena *a, str s)
{
	char *z = arena_alloc(a, s.n + 1);
	if (s.n)
		memcpy(z, s.p, s.n);
	return z;
}

str str_dup(arena *a, str s)
{
	return (str){str_z(a, s), s.n};
}

str str_lower(arena *a, str s)
{
	char *z = str_z(a, s);
	for (size_t i = 0; i < s.n; i++)
		z[i] = chr_lower(z[i]);
	return (str){z, s.n};
}

const char *str_span(uint64_t ms, char ret[STR_SPAN_MAX])
{
	snprintf(ret, STR_SPAN_MAX, "%llu days %llu:%02llu:%02llu.%03llu",
		(unsigned long long)(ms / 86400000), (unsigned long long)(ms / 3600000 % 24),
		(unsigned long long)(ms / 60000 % 60), (unsigned long long)(ms / 1000 % 60),
		(unsigned long long)(ms % 1000));
	return ret;
}

str str_printf(arena *a, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *z = arena_vprintf(a, fmt, ap);
	va_end(ap);
	return str_of(z);
}

bool str_u64(str s, unsigned base, uint64_t *ret)
{
	uint64_t v = 0;
	if (!s.n)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = chr_lower(s.p[i]);
		unsigned digit = chr_digit(c)	 ? (unsigned)(c - '0')
				 : chr_letter(c) ? (unsigned)(c - 'a' + 10)
						 : 99;
		if (digit >= base || __builtin_mul_overflow(v, base, &v) ||
			__builtin_add_overflow(v, digit, &v))
			return false;
	}
	*ret = v;
	return true;
}

static size_t utf8_put(char *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

str str_from_utf16(arena *a, const uint8_t *le, size_t n)
{
	char *out = arena_array(a, n + 1, 4);
	size_t len = 0;
	for (size_t i = 0; i < n; i++) {
		uint32_t c = (uint32_t)(le[2 * i] | le[2 * i + 1] << 8);
		if (c >= 0xd800 && c < 0xdc00 && i + 1 < n) {
			uint32_t c2 = (uint32_t)(le[2 * i + 2] | le[2 * i + 3] << 8);
			if (c2 >= 0xdc00 && c2 < 0xe000) {
				c = 0x10000 + ((c - 0xd800) << 10) + (c2 - 0xdc00);
				i++;
			}
		}
		if (c >= 0xd800 && c < 0xe000)
			c = 0xfffd;
		len += utf8_put(out + len, c);
	}
	return (str){out, len};
}

/* ---- buf ---- */

void buf_init(buf *b, size_t max)
{
	*b = (buf){.max = max ? max : BUF_MAX_DEFAULT};
}

void buf_deinit(buf *b)
{
	mem_free(b->p);
	buf_init(b, b->max);
}

void buf_clear(buf *b)
{
	b->n = 0;
	b->toobig = false;
}

static bool buf_room(buf *b, size_t n)
{
	if (n > b->max - b->n || b->toobig) {
		b->toobig = true;
		return false;
	}
	size_t need = b->n + n + 1;
	if (need > b->cap) {
		size_t cap = b->cap ? b->cap * 2 : 256;
		b->cap = cap < need ? need : cap;
		b->p = mem_realloc(b->p, b->cap);
	}
	return true;
}

void buf_add(buf *b, const void *p, size_t n)
{
	if (!n || !buf_room(b, n))
		return;
	memcpy(b->p + b->n, p, n);
	b->n += n;
}

void buf_addc(buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_adds(buf *b, str s)
{
	buf_add(b, s.p, s.n);
}

void buf_addz(buf *b, const char *z)
{
	buf_add(b, z, strlen(z));
}

void buf_vaddf(buf *b, const char *fmt, va_list ap)
{
	va_list again;
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0 || !buf_room(b, (size_t)n))
		return;
	vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
	b->n += (size_t)n;
}

void buf_addf(buf *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	buf_vaddf(b, fmt, ap);
	va_end(ap);
}

void buf_pad(buf *b, size_t column)
{
	str s = buf_str(b);
	size_t nl = str_rchr(s, '\n');
	size_t width = nl == SIZE_MAX ? s.n : s.n - nl - 1;
	for (; width < column; width++)
		buf_addc(b, ' ');
}

const char *buf_z(buf *b)
{
	if (!b->p)
		return "";
	b->p[b->n] = 0;
	return b->p;
}

/* ---- vec ---- */

void vec_grow_(void **p, size_t *cap, size_t n, size_t size)
{
	if (n <= *cap)
		return;
	size_t want = *cap ? *cap * 2 : 8;
	if (want < n)
		want = n;
	*p = mem_realloc(*p, want * size);
	*cap = want;
}
