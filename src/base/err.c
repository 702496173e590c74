/* err and diag: see err.h. Refuses to know where the words go. */
#include "base/err.h"

#include <stdio.h>
#include <string.h>

const char *err_name(err e)
{
	static const char *const names[ERR_COUNT] = {
		[ERR_OK] = "success",
		[ERR_ARG] = "invalid argument",
		[ERR_SYNTAX] = "syntax error",
		[ERR_NOTFOUND] = "not found",
		[ERR_AMBIGUOUS] = "ambiguous",
		[ERR_EXISTS] = "already exists",
		[ERR_LIMIT] = "limit reached",
		[ERR_FAULT] = "memory access error",
		[ERR_UNSUPPORTED] = "not supported",
		[ERR_STATE] = "not possible now",
		[ERR_DENIED] = "permission denied",
		[ERR_IO] = "input/output error",
		[ERR_TIMEOUT] = "timed out",
		[ERR_CANCELLED] = "cancelled",
		[ERR_CORRUPT] = "damaged data",
		[ERR_DEAD] = "connection lost",
	};
	return (unsigned)e < ERR_COUNT && names[e] ? names[e] : "unknown error";
}

void diag_clear(diag *d)
{
	if (!d)
		return;
	d->code = ERR_OK;
	d->src_begin = d->src_end = 0;
	d->text[0] = 0;
}

err diag_vset(diag *d, err e, const char *fmt, va_list ap)
{
	if (!d)
		return e;
	d->code = e;
	d->src_begin = d->src_end = 0;
	vsnprintf(d->text, sizeof d->text, fmt, ap);
	return e;
}

err diag_set(diag *d, err e, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	diag_vset(d, e, fmt, ap);
	va_end(ap);
	return e;
}

err diag_set_at(diag *d, err e, size_t begin, size_t end, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	diag_vset(d, e, fmt, ap);
	va_end(ap);
	if (d) {
		d->src_begin = begin;
		d->src_end = end;
	}
	return e;
}

err diag_add(diag *d, err e, const char *fmt, ...)
{
	char head[DIAG_TEXT_MAX];
	va_list ap;

	if (!d)
		return e;
	if (!d->text[0])
		snprintf(d->text, sizeof d->text, "%s", err_name(e));
	d->code = e;
	va_start(ap, fmt);
	int n = vsnprintf(head, sizeof head, fmt, ap);
	va_end(ap);
	if (n < 0)
		return e;
	size_t room = sizeof head - 3, len = (size_t)n < room ? (size_t)n : room;
	memcpy(head + len, ": ", 2);
	len += 2;
	size_t tail = strlen(d->text);
	if (tail > sizeof head - 1 - len)
		tail = sizeof head - 1 - len;
	memcpy(head + len, d->text, tail);
	head[len + tail] = 0;
	memcpy(d->text, head, len + tail + 1);
	return e;
}
