/*
 * wild: a WinDbg string wildcard (str_wild in str.h has the rules) made ready for many texts.
 *
 * Most patterns hold nothing but literals, '*' and '?': those become pieces that are looked for one
 * after the other. Lists, '#' and '+' make a set of states, one bit each, that moves through the
 * text. What has more states than a word has bits goes to the plain matcher.
 */
#ifndef RS_BASE_WILD_H
#define RS_BASE_WILD_H

#include "base/str.h"

enum { WILD_MAX = 512 }; /* characters of a pattern; longer ones match nothing */

typedef enum wild_how {
	WILD_NONE,   /* matches nothing */
	WILD_ALL,    /* "*" */
	WILD_PIECES, /* literals, '?' and '*' */
	WILD_BITS,
	WILD_PLAIN
} wild_how;

typedef struct wild_piece {
	uint16_t at, n; /* in wild.text */
	uint16_t rare;	/* where to look first; n if it holds nothing but '?' */
} wild_piece;

typedef struct wild {
	str pattern; /* the caller's; behind its underscores, of which one is any number of them */
	wild_how how;
	bool skip_underscores;
	size_t underscores; /* that the text must begin with: the pattern's but one */
	/* pieces: text in lower case, `any` tells the '?'; the first and the last are anchored */
	char text[WILD_MAX];
	bool any[WILD_MAX];
	wild_piece piece[WILD_MAX / 2 + 2];
	size_t n_pieces;
	/* bits: which states a character takes on, which may stay, which may be passed over */
	uint64_t takes[256], stays, skips, last;
} wild;

/* pattern must live as long as w. */
void wild_init(wild *w, str pattern, bool symbol);
bool wild_match(const wild *w, str text);
/* The plain matcher by itself: what the others are tested against. */
bool wild_plain(str pattern, str text, bool symbol);

#endif
