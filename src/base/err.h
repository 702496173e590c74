/*
 * err and diag: how every room reports failure.
 *
 * An action returns `err` (ERR_OK is 0). The words live in the caller's `diag`: the place that
 * fails sets them, each level above prepends what it was doing ("reading nt!PsLoadedModuleList:
 * ..."). A probing call passes d = NULL and costs no formatting.
 */
#ifndef RS_BASE_ERR_H
#define RS_BASE_ERR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum err {
	ERR_OK = 0,
	ERR_ARG,	 /* the caller's argument makes no sense */
	ERR_SYNTAX,	 /* text (command, expression, option) does not parse; diag has a range */
	ERR_NOTFOUND,	 /* a name, file, module, process ... does not exist */
	ERR_AMBIGUOUS,	 /* a name means several things */
	ERR_EXISTS,	 /* already there */
	ERR_LIMIT,	 /* a stated maximum was reached */
	ERR_FAULT,	 /* target memory cannot be read or written */
	ERR_UNSUPPORTED, /* this target, kernel or build cannot do it */
	ERR_STATE,	 /* not possible now (target running, no target, ...) */
	ERR_DENIED,	 /* the system forbids it */
	ERR_IO,		 /* the host's file or socket failed */
	ERR_TIMEOUT,	 /* nothing came in time */
	ERR_CANCELLED,	 /* the user asked to stop */
	ERR_CORRUPT,	 /* bytes of a file, packet or list are damaged */
	ERR_DEAD,	 /* the link or the target is gone */
	ERR_COUNT
} err;

#define MUST_CHECK   __attribute__((warn_unused_result))
#define PRINTF(a, b) __attribute__((format(printf, a, b)))

enum { DIAG_TEXT_MAX = 1024 };

typedef struct diag {
	err code;
	size_t src_begin, src_end; /* range of the source text that is at fault; equal if none */
	char text[DIAG_TEXT_MAX];  /* NUL-terminated; empty if code is ERR_OK */
} diag;

/* The name of a code ("not found"), never NULL. */
const char *err_name(err e);

/* Sets code and words, forgetting what was there; returns e so that it can be returned at once. */
err diag_set(diag *d, err e, const char *fmt, ...) PRINTF(3, 4);
err diag_vset(diag *d, err e, const char *fmt, va_list ap);
/* As diag_set, with the range [begin, end) of the source text at fault. */
err diag_set_at(diag *d, err e, size_t begin, size_t end, const char *fmt, ...) PRINTF(5, 6);
/* Prepends "words: " to what is there and returns e; sets the code's name first if diag was empty.
 */
err diag_add(diag *d, err e, const char *fmt, ...) PRINTF(3, 4);
void diag_clear(diag *d);

/* Returns from the calling function when the expression is not ERR_OK. */
#define TRY(expr)                                                                                  \
	do {                                                                                       \
		err try_e_ = (expr);                                                               \
		if (try_e_ != ERR_OK)                                                              \
			return try_e_;                                                             \
	} while (0)

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
