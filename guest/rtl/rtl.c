/*
 * Strings and formatting for the kernel and ntdll. No state.
 */
#include "../inc/rtl.h"

void *memcpy(void *to, const void *from, size_t n)
{
	void *d = to;
	size_t words = n / 8, rest = n % 8;
	__asm__ volatile("rep movsq" : "+D"(d), "+S"(from), "+c"(words) : : "memory");
	__asm__ volatile("rep movsb" : "+D"(d), "+S"(from), "+c"(rest) : : "memory");
	return to;
}

void *memset(void *to, int c, size_t n)
{
	void *d = to;
	__asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
	return to;
}

void *memmove(void *to, const void *from, size_t n)
{
	char *d = to;
	const char *s = from;

	if (d <= s || d >= s + n)
		return memcpy(to, from, n);
	while (n--)
		*(volatile char *)(d + n) = s[n];
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const UCHAR *x = a, *y = b;

	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

size_t strlen(const char *s)
{
	const char *p = s;

	while (*(volatile const char *)p)
		p++;
	return p - s;
}

int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return (UCHAR)*a - (UCHAR)*b;
}

bool RtlSameName(const char *a, const char *b)
{
	for (;; a++, b++) {
		char x = *a >= 'A' && *a <= 'Z' ? *a + 32 : *a,
		     y = *b >= 'A' && *b <= 'Z' ? *b + 32 : *b;
		if (x != y)
			return false;
		if (!x)
			return true;
	}
}

void RtlInitUnicodeString(UNICODE_STRING *s, const WCHAR *text)
{
	size_t n = 0;

	while (text && text[n])
		n++;
	s->Buffer = (WCHAR *)text;
	s->Length = (USHORT)(n * 2);
	s->MaximumLength = text ? (USHORT)(n * 2 + 2) : 0;
}

size_t RtlWiden(WCHAR *to, size_t cap, const char *from)
{
	size_t n = 0;

	for (; from[n] && n + 1 < cap; n++)
		to[n] = (UCHAR)from[n];
	to[n] = 0;
	return n;
}

size_t RtlNarrow(char *to, size_t cap, const UNICODE_STRING *from)
{
	size_t n = 0;

	for (; n < from->Length / 2u && n + 1 < cap; n++)
		to[n] = (char)from->Buffer[n];
	to[n] = 0;
	return n;
}

struct out {
	char *to;
	size_t n, cap;
};

static void put(struct out *o, char c)
{
	if (o->n + 1 < o->cap)
		o->to[o->n++] = c;
}

static void put_text(struct out *o, const char *s, const WCHAR *w, int n, int width, bool left)
{
	int pad = width > n ? width - n : 0;

	for (; pad && !left; pad--)
		put(o, ' ');
	for (int i = 0; i < n; i++)
		put(o, s ? s[i] : (char)w[i]);
	for (; pad; pad--)
		put(o, ' ');
}

static void put_number(
	struct out *o, ULONG64 v, unsigned base, bool minus, int width, bool zero, bool left)
{
	char digits[24];
	int n = sizeof digits;

	do
		digits[--n] = "0123456789abcdef"[v % base];
	while (v /= base);
	while (zero && (int)sizeof digits - n < width - minus && n > 1)
		digits[--n] = '0';
	if (minus)
		digits[--n] = '-';
	put_text(o, digits + n, NULL, (int)sizeof digits - n, width, left);
}

static int text_length(const char *s, const WCHAR *w)
{
	int n = 0;

	while (s ? s[n] : w[n])
		n++;
	return n;
}

int RtlFormat(char *to, size_t cap, const char *f, va_list args)
{
	struct out o = {to, 0, cap};

	for (; *f; f++) {
		if (*f != '%') {
			put(&o, *f);
			continue;
		}
		bool left = false, zero = false, wide = false;
		int width = 0, longs = 0;
		for (f++; *f == '-' || *f == '0'; f++)
			*f == '-' ? (left = true) : (zero = true);
		for (; *f >= '0' && *f <= '9'; f++)
			width = width * 10 + *f - '0';
		for (; *f == 'l' || *f == 'w' || *f == 'I'; f++) {
			*f == 'w' ? (wide = true) : longs++;
			if (f[0] == 'I' && f[1] == '6')
				f += 2, longs = 2;
		}
		if (*f == 's') {
			const char *s = wide || longs ? NULL : va_arg(args, const char *);
			const WCHAR *w = wide || longs ? va_arg(args, const WCHAR *) : NULL;
			if (!s && !w)
				s = "(null)";
			put_text(&o, s, w, text_length(s, w), width, left);
		} else if (*f == 'Z') {
			const UNICODE_STRING *u = va_arg(args, const UNICODE_STRING *);
			put_text(&o, NULL, u->Buffer, u->Length / 2, width, left);
		} else if (*f == 'c') {
			put(&o, (char)va_arg(args, int));
		} else if (*f == 'p') {
			put_number(&o, va_arg(args, ULONG64), 16, false, 16, true, left);
		} else if (*f == 'd' || *f == 'i') {
			LONG64 v = longs > 1 ? va_arg(args, LONG64) : va_arg(args, int);
			put_number(
				&o, v < 0 ? -(ULONG64)v : (ULONG64)v, 10, v < 0, width, zero, left);
		} else if (*f == 'u' || *f == 'x' || *f == 'X') {
			ULONG64 v = longs > 1 ? va_arg(args, ULONG64) : va_arg(args, ULONG);
			put_number(&o, v, *f == 'u' ? 10 : 16, false, width, zero, left);
		} else if (*f) {
			put(&o, *f);
		} else {
			break;
		}
	}
	if (cap)
		to[o.n] = 0;
	return (int)o.n;
}

int RtlFormatTo(char *to, size_t cap, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int n = RtlFormat(to, cap, format, args);
	va_end(args);
	return n;
}
