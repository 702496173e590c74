/*
 * name: what both evaluators know of names in text: characters, and brackets that belong to a name.
 * Private to src/eval.
 */
#ifndef RS_EVAL_NAME_H
#define RS_EVAL_NAME_H

#include "base/str.h"

int name_hex(char c); /* the digit's value; 99 if it is none */

/* 0 behind the end. */
static inline char name_at(str t, size_t pos)
{
	return pos < t.n ? t.p[pos] : 0;
}

/* Behind the ' that closes the ` at pos (`anonymous namespace'), or pos if there is none nearby. */
size_t name_quoted_end(str t, size_t pos);
/* Behind the > that closes the < at pos, or pos. */
size_t name_template_end(str t, size_t pos);

#endif
