/*
 * dwarf_index: questions to a finished index. Every number that comes out of a table is checked
 * here before it is used, because the tables may be a file that somebody damaged: answers may then
 * be wrong, but nothing outside of tables and sections is touched, and nothing runs in circles
 * (a scope's parent has a smaller number than itself).
 */
#include "base/bisect.h"
#include "base/wild.h"
#include "fmt/dwarf_index_impl.h"

void dwx_destroy(dwx *x)
{
	if (!x)
		return;
	if (x->map.n)
		sys_map_close(&x->map);
	else {
		mem_free((void *)(uintptr_t)x->recs);
		mem_free((void *)(uintptr_t)x->scopes);
		mem_free((void *)(uintptr_t)x->buckets);
		mem_free((void *)(uintptr_t)x->order);
		mem_free((void *)(uintptr_t)x->units);
		mem_free((void *)(uintptr_t)x->ranges);
	}
	mem_free(x->part);
	mem_free(x);
}

void dwx_stats_get(const dwx *x, dwx_stats *ret)
{
	*ret = x->stats;
	ret->entries = x->n_recs;
	ret->scopes = x->n_scopes;
	ret->ranges = x->n_ranges;
	ret->mapped = x->map.n != 0;
	ret->bytes = x->map.n ? x->map.n
			      : x->n_recs * 36 + x->n_scopes * 16 + (x->n_buckets + 1) * 4 +
					x->n_units * 8 + x->n_ranges * 16;
}

/* ---- words ---- */

static inline uint64_t rec_word(const dwx *x, size_t i, unsigned w)
{
	return le64(x->recs + i * sizeof(dwx_rec) + w * 8);
}

static inline uint32_t scope_of(const dwx *x, size_t i)
{
	uint32_t s = (uint32_t)(rec_word(x, i, 3) >> 32);
	return s < x->n_scopes ? s : 0;
}

static inline uint32_t scope_info(const dwx *x, uint32_t s)
{
	return (uint32_t)le64(x->scopes + (size_t)s * sizeof(dwx_scope) + 8);
}

/* Always smaller than s, except for 0. */
static inline uint32_t parent_of(const dwx *x, uint32_t s)
{
	uint32_t p = scope_info(x, s) & SCOPE_PARENT;
	return p < s ? p : 0;
}

static inline size_t first_of(const dwx *x, size_t s)
{
	if (s >= x->n_scopes)
		return x->n_recs;
	size_t f = le64(x->scopes + s * sizeof(dwx_scope) + 8) >> 32;
	return f < x->n_recs ? f : x->n_recs;
}

str dwx_name_of(const dwx_sections *parts, size_t n_parts, uint64_t word)
{
	size_t part = word >> NPART_SHIFT & 0xffff, off = word & OFF_MASK;
	dwx_sel sel = (dwx_sel)(word >> SEL_SHIFT & 7);
	unsigned len = (unsigned)(word >> LEN_SHIFT);
	if (part >= n_parts)
		return (str){"", 0};
	str s = dwx_section(&parts[part], sel);
	if (off >= s.n)
		return (str){"", 0};
	s = str_skip(s, off);
	if (len && len < NAME_LONG && len < s.n)
		return str_take(s, len);
	const char *nul = memchr(s.p, 0, s.n < DWX_NAME_MAX + 1 ? s.n : DWX_NAME_MAX + 1);
	return nul ? str_range(s.p, nul) : (str){"", 0};
}

static str name_of(const dwx *x, size_t i)
{
	return dwx_name_of(x->part, x->n_parts, rec_word(x, i, 1));
}

static str scope_text(const dwx *x, uint32_t s)
{
	if (scope_info(x, s) & SCOPE_ANON)
		return STR("(anonymous namespace)");
	return dwx_name_of(x->part, x->n_parts, le64(x->scopes + (size_t)s * sizeof(dwx_scope)));
}

/* Bytes of w that are A-Z get bit 0x20. */
static inline uint64_t fold8(uint64_t w)
{
	const uint64_t ones = 0x0101010101010101ull, high = ones << 7;
	uint64_t low = w & ~high;
	uint64_t from_a = low + ones * (0x80 - 'A'), past_z = low + ones * (0x80 - 'Z' - 1);
	return w | (from_a & ~past_z & ~w & high) >> 2;
}

uint32_t dwx_hash(str name)
{
	const uint64_t k = 0x9e3779b97f4a7c15ull;
	uint64_t h = name.n * k;
	const uint8_t *p = (const uint8_t *)name.p;
	size_t n = name.n;
	for (; n >= 8; n -= 8, p += 8) {
		h = (h ^ fold8(le64(p))) * k;
		h ^= h >> 32;
	}
	uint64_t w = 0;
	for (size_t i = 0; i < n; i++)
		w |= (uint64_t)p[i] << i * 8;
	h = (h ^ fold8(w)) * k;
	h ^= h >> 29;
	h *= 0xbf58476d1ce4e5b9ull;
	return (uint32_t)(h >> 32);
}

/* ---- entries ---- */

static void entry_get(const dwx *x, size_t i, dwx_entry *e)
{
	uint64_t w0 = rec_word(x, i, 0), w2 = rec_word(x, i, 2);
	unsigned bit = (unsigned)(w2 >> KIND_SHIFT & 15);
	bool place = bit <= 1;
	*e = (dwx_entry){
		.name = name_of(x, i),
		.die = w2 & OFF_MASK,
		.addr = place ? w0 : 0,
		.value = place ? 0 : w0,
		.scope = scope_of(x, i),
		.index = (uint32_t)i,
		.part = (uint16_t)(w2 >> PART_SHIFT),
		.kind = (uint16_t)(1u << (bit > 8 ? 8 : bit)),
		.where = (uint8_t)(w2 >> WHERE_SHIFT & 3),
		.decl = w2 & F_DECL,
		.external = w2 & F_EXTERNAL,
		.inlined = w2 & F_INLINED,
		.tls = w2 & F_TLS,
	};
}

bool dwx_nth(const dwx *x, uint32_t index, dwx_entry *ret)
{
	if (index >= x->n_recs)
		return false;
	entry_get(x, index, ret);
	return true;
}

/* From the outside in; `chain` holds at most DWX_DEPTH_MAX scopes, the innermost first. */
static size_t chain_of(const dwx *x, uint32_t s, uint32_t chain[DWX_DEPTH_MAX])
{
	size_t n = 0;
	for (; s && s < x->n_scopes && n < DWX_DEPTH_MAX; s = parent_of(x, s))
		chain[n++] = s;
	return n;
}

static void dwx_scope_name(const dwx *x, uint32_t scope, buf *out)
{
	uint32_t chain[DWX_DEPTH_MAX];
	size_t n = chain_of(x, scope, chain);
	for (size_t i = n; i-- > 0;) {
		buf_adds(out, scope_text(x, chain[i]));
		if (i)
			buf_addz(out, "::");
	}
}

void dwx_qualified(const dwx *x, const dwx_entry *e, buf *out)
{
	if (e->scope && e->scope < x->n_scopes) {
		dwx_scope_name(x, e->scope, out);
		buf_addz(out, "::");
	}
	buf_adds(out, e->name);
}

/* ---- by name ---- */

enum { PARTS_MAX = DWX_DEPTH_MAX };

typedef struct want {
	str part[PARTS_MAX]; /* scopes, outermost first; without the name itself */
	size_t n;
	bool rooted; /* began with :: */
	str name;
} want;

/* Behind "operator" the brackets belong to the name. */
static bool is_operator(str name, size_t at)
{
	static const char word[] = "operator";
	size_t n = sizeof word - 1;
	return str_starts(str_skip(name, at), STR("operator")) &&
	       (!at || !chr_word(name.p[at - 1])) && at + n < name.n && !chr_word(name.p[at + n]);
}

/* Splits at "::" outside of brackets; false: too many parts. */
static bool split(str name, want *w)
{
	*w = (want){.n = 0};
	size_t begin = 0;
	int depth = 0;
	if (str_starts(name, STR("::"))) {
		w->rooted = true;
		begin = 2;
	}
	for (size_t i = begin; i < name.n; i++) {
		char c = name.p[i];
		if (c == 'o' && !depth && is_operator(name, i))
			break;
		if (c == '<' || c == '(' || c == '{' || c == '[')
			depth++;
		else if ((c == '>' || c == ')' || c == '}' || c == ']') && depth)
			depth--;
		else if (!depth && c == ':' && i + 1 < name.n && name.p[i + 1] == ':') {
			if (w->n == PARTS_MAX)
				return false;
			w->part[w->n++] = str_range(name.p + begin, name.p + i);
			begin = i + 2;
			i++;
		}
	}
	w->name = str_skip(name, begin);
	return true;
}

static bool same(str a, str b, bool fold)
{
	return fold ? str_ieq(a, b) : str_eq(a, b);
}

static bool scope_fits(const dwx *x, uint32_t scope, const want *w, bool fold)
{
	size_t left = w->n;
	for (uint32_t s = scope; left || w->rooted; s = parent_of(x, s)) {
		if (!s)
			return !left;
		if (left && same(scope_text(x, s), w->part[left - 1], fold))
			left--;
		else if (!(scope_info(x, s) & (SCOPE_INLINE | SCOPE_ANON)))
			return false;
	}
	return true;
}

static size_t bucket(const dwx *x, size_t i)
{
	size_t at = le32(x->buckets + i * 4);
	return at < x->n_recs ? at : x->n_recs;
}

err dwx_find(const dwx *x, str name, unsigned kinds, bool fold, dwx_fn *fn, void *u)
{
	want w;
	if (!split(name, &w) || !w.name.n || !x->n_recs)
		return ERR_NOTFOUND;
	uint32_t hash = dwx_hash(w.name);
	size_t b = hash & (x->n_buckets - 1);
	err e = ERR_NOTFOUND;
	for (size_t k = bucket(x, b), end = bucket(x, b + 1); k < end; k++) {
		size_t i = le32(x->order + k * 4);
		if (i >= x->n_recs || (uint32_t)rec_word(x, i, 3) != hash)
			continue;
		unsigned bit = (unsigned)(rec_word(x, i, 2) >> KIND_SHIFT & 15);
		if (!(kinds >> bit & 1) || !same(name_of(x, i), w.name, fold) ||
			!scope_fits(x, scope_of(x, i), &w, fold))
			continue;
		dwx_entry entry;
		entry_get(x, i, &entry);
		e = ERR_OK;
		if (!fn(u, &entry))
			break;
	}
	return e;
}

/* ---- by wildcard ---- */

enum { TEXT_MAX = 1 << 17, POLL_EVERY = 4096 };

/* What a pattern begins with as it stands; nothing if its first characters may be left out. */
static str literal_prefix(str pattern)
{
	size_t n = 0;
	if (pattern.n && pattern.p[0] == '_')
		return (str){"", 0};
	while (n < pattern.n && !strchr("*?[#+\\", pattern.p[n]))
		n++;
	if (n < pattern.n && pattern.p[n] == '+' && n) /* + repeats what stands before it */
		n--;
	if (n < pattern.n && pattern.p[n] == '#' && n)
		n--;
	return str_take(pattern, n);
}

typedef enum agrees { NO, AS_FAR_AS_IT_GOES, YES } agrees;

typedef struct matcher {
	const dwx *x;
	wild w;
	str prefix;
	uint8_t *scope; /* agrees, by number */
	unsigned kinds;
	dwx_fn *fn;
	void *u;
	buf text;
	bool any;
} matcher;

/* Does the scope's text agree with the pattern's first characters? Needs only its parent's answer
 * and, for a few, the text itself. */
static uint8_t agreement(matcher *m, uint32_t s)
{
	uint8_t up = m->scope[parent_of(m->x, s)];
	if (up != AS_FAR_AS_IT_GOES)
		return up;
	buf_clear(&m->text);
	dwx_scope_name(m->x, s, &m->text);
	buf_addz(&m->text, "::");
	str t = buf_str(&m->text);
	if (t.n >= m->prefix.n)
		return str_istarts(t, m->prefix) ? YES : NO;
	return str_istarts(m->prefix, t) ? AS_FAR_AS_IT_GOES : NO;
}

/* false: stop. */
static bool match_scope(matcher *m, uint32_t s, const cancel *c)
{
	const dwx *x = m->x;
	buf_clear(&m->text);
	if (s) {
		dwx_scope_name(x, s, &m->text);
		buf_addz(&m->text, "::");
	}
	size_t head = m->text.n, end = first_of(x, (size_t)s + 1);
	for (size_t i = first_of(x, s); i < end; i++) {
		unsigned bit = (unsigned)(rec_word(x, i, 2) >> KIND_SHIFT & 15);
		if (!(m->kinds >> bit & 1))
			continue;
		if (!(i % POLL_EVERY) && cancelled(c))
			return false;
		str name = name_of(x, i), text = name;
		if (head) {
			m->text.n = head;
			buf_adds(&m->text, name);
			text = buf_str(&m->text);
		}
		if (!wild_match(&m->w, text))
			continue;
		dwx_entry e;
		entry_get(x, i, &e);
		m->any = true;
		if (!m->fn(m->u, &e))
			return false;
	}
	return true;
}

err dwx_match(const dwx *x, str wildcard, unsigned kinds, const cancel *c, dwx_fn *fn, void *u)
{
	matcher *m = mem_alloc(sizeof *m);
	*m = (matcher){
		.x = x, .prefix = literal_prefix(wildcard), .kinds = kinds, .fn = fn, .u = u};
	wild_init(&m->w, wildcard, true);
	buf_init(&m->text, TEXT_MAX);
	m->scope = mem_alloc(x->n_scopes);
	for (uint32_t s = 0; s < x->n_scopes; s++) {
		m->scope[s] = s ? agreement(m, s) : m->prefix.n ? AS_FAR_AS_IT_GOES : YES;
		m->text.toobig = false;
		if (m->scope[s] == NO || first_of(x, s) >= first_of(x, (size_t)s + 1))
			continue;
		if (!match_scope(m, s, c) || (!(s % POLL_EVERY) && cancelled(c)))
			break;
	}
	bool any = m->any;
	buf_deinit(&m->text);
	mem_free(m->scope);
	mem_free(m);
	if (cancelled(c))
		return ERR_CANCELLED;
	return any ? ERR_OK : ERR_NOTFOUND;
}

/* ---- by address ---- */

static bool range_get(
	const dwx *x, size_t i, uint64_t *begin, uint64_t *end, uint64_t *cu, uint64_t *die)
{
	const uint8_t *p = x->ranges + i * sizeof(dwx_range);
	uint64_t w = le64(p + 8), unit = w >> 32;
	if (unit >= x->n_units)
		return false;
	uint64_t word = le64(x->units + unit * 8);
	*begin = le64(p);
	*end = *begin + (uint32_t)w;
	*cu = word & OFF_MASK;
	*die = *cu + (word >> OFF_BITS & 0xfff);
	return true;
}

err dwx_cu_at(const dwx *x, uint64_t addr, uint64_t *cu, uint64_t *cu_die)
{
	size_t lo = BISECT(i, x->n_ranges, le64(x->ranges + i * sizeof(dwx_range)) <= addr);
	uint64_t begin, end, off, die;
	if (!lo || !range_get(x, lo - 1, &begin, &end, &off, &die) || addr < begin ||
		addr - begin >= end - begin)
		return ERR_NOTFOUND;
	if (cu)
		*cu = off;
	if (cu_die)
		*cu_die = die;
	return ERR_OK;
}

void dwx_cu_ranges(const dwx *x,
	bool (*fn)(void *u, uint64_t begin, uint64_t end, uint64_t cu, uint64_t cu_die), void *u)
{
	uint64_t begin, end, cu, die;
	for (size_t i = 0; i < x->n_ranges; i++)
		if (range_get(x, i, &begin, &end, &cu, &die) && !fn(u, begin, end, cu, die))
			return;
}
