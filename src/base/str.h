/*
 * str: a view of text, pointer and length; it owns nothing and need not end in NUL.
 * buf: text or bytes that grow, up to a stated maximum. vec: typed growing array.
 */
#ifndef RS_BASE_STR_H
#define RS_BASE_STR_H

#include "base/arena.h"

#include <string.h>

typedef struct str {
	const char *p;
	size_t n;
} str;

#define STR(lit)   ((str){(lit), sizeof(lit) - 1})
#define STR_ARG(s) (int)(s).n, (s).p /* for "%.*s" */

static inline str str_of(const char *z)
{
	return (str){z, z ? strlen(z) : 0};
}

static inline str str_range(const char *begin, const char *end)
{
	return (str){begin, (size_t)(end - begin)};
}

/* Characters of ASCII, whatever the locale says. */
static inline bool chr_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline char chr_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 32) : c;
}

static inline bool chr_letter(char c)
{
	return chr_lower(c) >= 'a' && chr_lower(c) <= 'z';
}

/* What names are made of: a letter, a digit or an underscore. */
static inline bool chr_word(char c)
{
	return chr_letter(c) || chr_digit(c) || c == '_';
}

bool str_eq(str a, str b);
bool str_ieq(str a, str b); /* ASCII case folded */
int str_icmp(str a, str b); /* ASCII case folded order */
bool str_starts(str s, str prefix);
bool str_istarts(str s, str prefix);
bool str_iends(str s, str suffix);
str str_trim(str s);		  /* blanks (space, tab, CR, LF) at both ends */
str str_skip(str s, size_t n);	  /* without the first n bytes (or empty) */
str str_take(str s, size_t n);	  /* at most the first n bytes */
size_t str_find(str s, str what); /* SIZE_MAX if absent */
size_t str_chr(str s, char c);	  /* SIZE_MAX if absent */
size_t str_rchr(str s, char c);	  /* SIZE_MAX if absent */
str str_base(str path);		  /* after the last / or \ */
str str_stem(str path);		  /* str_base without its last extension */
str str_word(str *rest);	  /* next run of non-blanks, removed from rest */
str str_dup(arena *a, str s);	  /* the copy is NUL-terminated behind its end */
char *str_z(arena *a, str s);	  /* NUL-terminated copy */
str str_lower(arena *a, str s);
str str_printf(arena *a, const char *fmt, ...) PRINTF(2, 3);
enum { STR_SPAN_MAX = 40 };
const char *str_span(uint64_t ms, char ret[STR_SPAN_MAX]); /* "0 days 0:00:01.230" */
/* Digits of the base, all of s, no sign or prefix; false if not so or over 64 bits. */
bool str_u64(str s, unsigned base, uint64_t *ret);
/* UTF-16LE code units (unpaired surrogates become U+FFFD) to UTF-8. n in code units. */
str str_from_utf16(arena *a, const uint8_t *le, size_t n);

/*
 * WinDbg's wildcards ("String Wildcard Syntax"): * ? [list] # + \ ; ASCII case folded. `symbol`
 * adds the rule that one leading underscore matches any number of them. Never recurses deeper than
 * the pattern.
 */
bool str_wild(str pattern, str text, bool symbol);
bool str_has_wild(str pattern); /* true if pattern holds an unescaped wildcard character */

/* ---- buf ---- */

typedef struct buf {
	char *p;
	size_t n, cap, max;
	bool toobig; /* sticky: something was not added because max would be passed */
} buf;

enum { BUF_MAX_DEFAULT = 64 * 1024 * 1024 };

void buf_init(buf *b, size_t max); /* max 0: BUF_MAX_DEFAULT */
void buf_deinit(buf *b);
void buf_clear(buf *b);
void buf_add(buf *b, const void *p, size_t n);
void buf_addc(buf *b, char c);
void buf_adds(buf *b, str s);
void buf_addz(buf *b, const char *z);
void buf_addf(buf *b, const char *fmt, ...) PRINTF(2, 3);
void buf_vaddf(buf *b, const char *fmt, va_list ap);
void buf_pad(buf *b, size_t column); /* blanks until the current line is `column` wide */
static inline str buf_str(const buf *b)
{
	return (str){b->n ? b->p : "", b->n};
}
const char *buf_z(buf *b); /* NUL-terminated view, valid until the next change */

/* ---- vec ---- */

#define VEC(type)                                                                                  \
	struct {                                                                                   \
		type *p;                                                                           \
		size_t n, cap;                                                                     \
	}
void vec_grow_(void **p, size_t *cap, size_t n, size_t size);
#define vec_push(v, ...)                                                                           \
	do {                                                                                       \
		vec_grow_((void **)&(v)->p, &(v)->cap, (v)->n + 1, sizeof *(v)->p);                \
		(v)->p[(v)->n++] = (__VA_ARGS__);                                                  \
	} while (0)
#define vec_remove(v, i)                                                                           \
	do {                                                                                       \
		size_t vr_i_ = (i);                                                                \
		memmove((v)->p + vr_i_, (v)->p + vr_i_ + 1,                                        \
			((v)->n - vr_i_ - 1) * sizeof *(v)->p);                                    \
		(v)->n--;                                                                          \
	} while (0)
#define vec_deinit(v)                                                                              \
	do {                                                                                       \
		mem_free((v)->p);                                                                  \
		(v)->p = NULL;                                                                     \
		(v)->n = (v)->cap = 0;                                                             \
	} while (0)

#endif
