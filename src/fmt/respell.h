/*
 * respell: the blanks in the arguments of templates, which every compiler and every person puts
 * elsewhere: "Ring<int,8>", "Ring<int, 8>", "vec<vec<int> >", "vec<vec<int>>", "box<T*>", "box<T
 * *>". Knows names only.
 */
#ifndef RS_FMT_RESPELL_H
#define RS_FMT_RESPELL_H

#include "base/str.h"

enum {
	RESPELL_TIGHT_COMMA = 1, /* "<int,8>", else "<int, 8>" */
	RESPELL_TIGHT_CLOSE = 2, /* ">>", else "> >" */
	RESPELL_LOOSE_STAR = 4,	 /* "T *", else "T*" */
	RESPELL_STYLES = 8
};

/* Appends name as a compiler of that style writes it. */
void respell(str name, unsigned style, buf *out);
/* out: the next spelling that is not name itself; *style counts from 0. False: there is no more. */
bool respell_next(str name, unsigned *style, buf *out);

#endif
