/*
 * wild: see wild.h. The three ways agree on every pattern and text: tests/unit/test_base_wild.c.
 */
#include "base/wild.h"

static unsigned char lower(char c)
{
	return (unsigned char)chr_lower(c);
}

/* ---- the plain matcher ---- */

/* One pattern element at p: sets *next behind it; true if it matches character c. */
static bool wild_one(str pat, size_t at, unsigned char c, size_t *next)
{
	char p = pat.p[at];
	if (p == '\\' && at + 1 < pat.n) {
		*next = at + 2;
		return lower(pat.p[at + 1]) == c;
	}
	if (p == '?') {
		*next = at + 1;
		return true;
	}
	if (p == '[') {
		size_t close = at + 1;
		while (close < pat.n && pat.p[close] != ']')
			close++;
		if (close < pat.n) {
			bool hit = false;
			for (size_t i = at + 1; i < close; i++) {
				unsigned char lo = lower(pat.p[i]), hi = lo;
				if (i + 2 < close && pat.p[i + 1] == '-') {
					hi = lower(pat.p[i + 2]);
					i += 2;
				}
				hit |= c >= lo && c <= hi;
			}
			*next = close + 1;
			return hit;
		}
	}
	*next = at + 1;
	return lower(p) == c;
}

/*
 * Backtracking with one saved point per '*' is enough for plain globs; '#' and '+' repeat a single
 * element, so a state set (one bit per pattern position) keeps the worst case at pattern x text.
 */
typedef struct wild_set {
	uint64_t bits[WILD_MAX / 64 + 1];
} wild_set;

static bool set_has(const wild_set *s, size_t i)
{
	return s->bits[i / 64] >> (i % 64) & 1;
}

/* Adds position i and all that can be reached from it without a character. */
static void set_add(wild_set *s, str pat, size_t i)
{
	while (!set_has(s, i)) {
		s->bits[i / 64] |= 1ull << (i % 64);
		if (i >= pat.n)
			return;
		if (pat.p[i] == '*') {
			i++;
			continue;
		}
		size_t next;
		(void)wild_one(pat, i, 0, &next);
		if (next < pat.n && pat.p[next] == '#')
			i = next + 1; /* zero times */
		else
			return;
	}
}

/*
 * The rest of a pattern that begins with underscores. The first stands for any number of them, the
 * others for themselves: the text needs that many, and nothing is lost by passing over all it has.
 */
static str behind_underscores(str pat, size_t *others)
{
	size_t n = 1;
	while (n < pat.n && pat.p[n] == '_' &&
		(n + 1 == pat.n || (pat.p[n + 1] != '#' && pat.p[n + 1] != '+')))
		n++;
	*others = n - 1;
	return str_skip(pat, n);
}

static bool skip_underscores(str *text, size_t need)
{
	size_t n = 0;
	while (n < text->n && text->p[n] == '_')
		n++;
	*text = str_skip(*text, n);
	return n >= need;
}

bool wild_plain(str pat, str text, bool symbol)
{
	if (pat.n > WILD_MAX)
		return false;
	size_t need;
	if (symbol && pat.n && pat.p[0] == '_') {
		pat = behind_underscores(pat, &need);
		if (!skip_underscores(&text, need))
			return false;
	}
	wild_set now = {0};
	set_add(&now, pat, 0);
	for (size_t t = 0; t < text.n; t++) {
		wild_set then = {0};
		bool any = false;
		unsigned char c = lower(text.p[t]);
		for (size_t i = 0; i < pat.n; i++) {
			if (!set_has(&now, i))
				continue;
			if (pat.p[i] == '*') {
				set_add(&then, pat, i);
				any = true;
				continue;
			}
			size_t next;
			if (!wild_one(pat, i, c, &next))
				continue;
			bool repeat = next < pat.n && (pat.p[next] == '#' || pat.p[next] == '+');
			if (repeat) {
				set_add(&then, pat, i);
				next++;
			}
			set_add(&then, pat, next);
			any = true;
		}
		if (!any)
			return false;
		now = then;
	}
	return set_has(&now, pat.n);
}

/* ---- pieces ---- */

/* Letters from the most to the least frequent in names of symbols. */
static const char by_frequency[] = "e_tiranosclpdumghfbyvwkxjzq";

static size_t rarity(char c)
{
	const char *p = c ? strchr(by_frequency, c) : NULL;
	return p ? (size_t)(p - by_frequency) : 18;
}

static void piece_end(wild *w, size_t begin, size_t end)
{
	wild_piece *x = &w->piece[w->n_pieces++];
	size_t best = 0;
	*x = (wild_piece){(uint16_t)begin, (uint16_t)(end - begin), (uint16_t)(end - begin)};
	for (size_t i = begin; i < end; i++)
		if (!w->any[i] && (x->rare == x->n || rarity(w->text[i]) > best)) {
			x->rare = (uint16_t)(i - begin);
			best = rarity(w->text[i]);
		}
}

/* False if the pattern holds more than literals, '*' and '?'. */
static bool pieces_init(wild *w)
{
	str pat = w->pattern;
	size_t n = 0, begin = 0;
	w->n_pieces = 0;
	for (size_t i = 0; i < pat.n; i++) {
		char c = pat.p[i];
		if (c == '*') {
			/* "**" is "*": no empty pieces in the middle */
			if (n > begin || !w->n_pieces)
				piece_end(w, begin, n);
			begin = n;
			continue;
		}
		bool escaped = c == '\\' && i + 1 < pat.n;
		if (escaped)
			c = pat.p[++i];
		if (c == '[' && !escaped)
			return false;
		if (i + 1 < pat.n && (pat.p[i + 1] == '#' || pat.p[i + 1] == '+'))
			return false;
		w->any[n] = c == '?' && !escaped;
		w->text[n++] = (char)lower(c);
	}
	piece_end(w, begin, n);
	return true;
}

static bool piece_here(const wild *w, const wild_piece *x, const char *p)
{
	const char *t = w->text + x->at;
	const bool *any = w->any + x->at;
	for (size_t i = 0; i < x->n; i++)
		if ((char)lower(p[i]) != t[i] && !any[i])
			return false;
	return true;
}

/* Where the character stands next, in either case; end if nowhere. */
static const char *next_of(const char *p, const char *end, char c, char other)
{
	const char *a = memchr(p, c, (size_t)(end - p));
	if (!a)
		a = end;
	const char *b = c == other ? NULL : memchr(p, other, (size_t)(a - p));
	return b ? b : a;
}

/* The leftmost place of x in [p, end); NULL if there is none. */
static const char *piece_find(const wild *w, const wild_piece *x, const char *p, const char *end)
{
	if ((size_t)(end - p) < x->n)
		return NULL;
	if (x->rare == x->n)
		return p; /* '?' only, or nothing */
	char c = w->text[x->at + x->rare];
	char other = c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
	const char *stop = end - (x->n - 1 - x->rare);
	for (p += x->rare; p < stop && (p = next_of(p, stop, c, other)) < stop; p++)
		if (piece_here(w, x, p - x->rare))
			return p - x->rare;
	return NULL;
}

static bool pieces_match(const wild *w, str text)
{
	const wild_piece *first = w->piece, *last = first + w->n_pieces - 1;
	const char *p = text.p, *end = text.p + text.n;
	if (first == last)
		return text.n == first->n && piece_here(w, first, p);
	if (text.n < (size_t)first->n + last->n || !piece_here(w, first, p) ||
		!piece_here(w, last, end - last->n))
		return false;
	p += first->n;
	end -= last->n;
	for (const wild_piece *x = first + 1; x < last; x++) {
		p = piece_find(w, x, p, end);
		if (!p)
			return false;
		p += x->n;
	}
	return true;
}

/* ---- bits ---- */

/* One state in front of each element of the pattern, one behind the last. False: too many. */
static bool bits_init(wild *w)
{
	str pat = w->pattern;
	size_t n = 0;
	memset(w->takes, 0, sizeof w->takes);
	w->stays = w->skips = 0;
	for (size_t i = 0; i < pat.n; n++) {
		if (n == 63)
			return false;
		uint64_t bit = 1ull << n;
		bool star = pat.p[i] == '*';
		size_t next = i + 1;
		for (unsigned c = 0; c < 256; c++)
			if (star || wild_one(pat, i, lower((char)c), &next))
				w->takes[c] |= bit;
		i = next;
		bool again = !star && i < pat.n && (pat.p[i] == '#' || pat.p[i] == '+');
		if (star || again)
			w->stays |= bit;
		if (star || (again && pat.p[i] == '#'))
			w->skips |= bit;
		i += again;
	}
	w->last = 1ull << n;
	return true;
}

static uint64_t closure(const wild *w, uint64_t s)
{
	for (uint64_t more = s; (more = (more & w->skips) << 1 & ~s);)
		s |= more;
	return s;
}

static bool bits_match(const wild *w, str text)
{
	uint64_t s = closure(w, 1);
	for (size_t i = 0; i < text.n && s; i++) {
		s &= w->takes[(unsigned char)text.p[i]];
		s = closure(w, s << 1 | (s & w->stays));
	}
	return s & w->last;
}

/* ---- any pattern ---- */

void wild_init(wild *w, str pattern, bool symbol)
{
	w->skip_underscores = symbol && pattern.n && pattern.p[0] == '_';
	w->underscores = 0;
	w->pattern = w->skip_underscores ? behind_underscores(pattern, &w->underscores) : pattern;
	if (pattern.n > WILD_MAX)
		w->how = WILD_NONE;
	else if (str_eq(w->pattern, STR("*")))
		w->how = WILD_ALL;
	else if (pieces_init(w))
		w->how = WILD_PIECES;
	else
		w->how = bits_init(w) ? WILD_BITS : WILD_PLAIN;
}

bool wild_match(const wild *w, str text)
{
	if (!text.p)
		text.p = "";
	if (w->skip_underscores && !skip_underscores(&text, w->underscores))
		return false;
	switch (w->how) {
	case WILD_ALL:
		return true;
	case WILD_PIECES:
		return pieces_match(w, text);
	case WILD_BITS:
		return bits_match(w, text);
	case WILD_PLAIN:
		return wild_plain(w->pattern, text, false);
	default:
		return false;
	}
}

bool str_wild(str pattern, str text, bool symbol)
{
	wild w;
	wild_init(&w, pattern, symbol);
	return wild_match(&w, text);
}

bool str_has_wild(str pat)
{
	for (size_t i = 0; i < pat.n; i++) {
		if (pat.p[i] == '\\')
			i++;
		else if (strchr("*?[#+", pat.p[i]))
			return true;
	}
	return false;
}
