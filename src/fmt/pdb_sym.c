/*
 * pdb_sym: names and addresses. See pdb.h.
 *
 * A name goes through the hash tables, an address through the contributions to one module, whose
 * functions and data are then listed once, sorted. Invariant: a module's entries all have an RVA.
 */
#include "fmt/pdb_impl.h"

#include "base/bisect.h"
#include "fmt/undname.h"

#include <stdlib.h>

enum {
	POLL = 4096, /* records between two looks at cancel */
	MOVES = 16,  /* from one piece of 64 KB to another, the same where one jumps about */
	WINDOW_BITS = 16,
	WALK_BACK = 64, /* entries looked at behind an address */
	CONTRIBS = 16	/* contributions looked at around an address */
};

/* ---- one record ---- */

static void place(pdb *f, pdb_sym *s, uint16_t seg, uint32_t off)
{
	s->seg = seg;
	s->off = off;
	s->rva = pdb_rva(f, seg, off);
}

static bool sym_of_proc(pdb *f, const cv_rec *c, pdb_sym *s)
{
	cv_proc p;
	if (!cv_proc_get(c, &p))
		return false;
	s->kind = PDB_FUNC;
	s->name = p.name;
	s->code = true;
	s->global = c->kind == S_GPROC32 || c->kind == S_GPROC32_ID;
	s->size = p.size;
	s->prolog = p.dbg_start;
	s->epilog = p.dbg_end;
	s->type = p.type;
	if (c->kind == S_GPROC32_ID || c->kind == S_LPROC32_ID || c->kind == S_LPROC32_DPC_ID) {
		str scope, name;
		if (pdb_func_id(f, p.type, &scope, &name, &s->type) != ERR_OK)
			s->type = 0;
	}
	place(f, s, p.seg, p.off);
	return true;
}

static bool sym_of_data(pdb *f, const cv_rec *c, pdb_sym *s)
{
	cv_data v;
	if (!cv_data_get(c, &v))
		return false;
	s->kind = cv_is_thread(c->kind) ? PDB_TLS : PDB_DATA;
	s->name = v.name;
	s->type = v.type;
	s->global = c->kind == S_GDATA32 || c->kind == S_GTHREAD32;
	place(f, s, v.seg, v.off);
	return true;
}

/* What the record says by itself: references are not followed, sizes of types not asked for. */
static bool pdb_sym_of(pdb *f, const cv_rec *c, uint32_t mod, pdb_sym *ret)
{
	pdb_sym s = {.rec = c->kind, .mod = mod, .at = c->at, .rva = PDB_NO_RVA};
	cv_pub pub;
	cv_ref ref;
	cv_const k;
	cv_udt udt;
	cv_label label;
	cv_scope scope;
	if (cv_pub_get(c, &pub)) {
		s.kind = PDB_PUBLIC;
		s.name = pub.name;
		s.global = true;
		s.code = pub.flags & (CV_PUB_CODE | CV_PUB_FUNCTION) || pdb_code_seg(f, pub.seg);
		place(f, &s, pub.seg, pub.off);
	} else if (cv_ref_get(c, &ref)) {
		s.kind = c->kind == S_DATAREF ? PDB_DATA : PDB_FUNC;
		s.name = ref.name;
		s.code = s.kind == PDB_FUNC;
		s.global = c->kind == S_PROCREF;
	} else if (cv_const_get(c, &k)) {
		s.kind = PDB_CONST;
		s.name = k.name;
		s.type = k.type;
		s.value = k.value;
		s.neg = k.neg;
		s.global = true;
	} else if (cv_udt_get(c, &udt)) {
		s.kind = PDB_UDT;
		s.name = udt.name;
		s.type = udt.type;
		s.global = true;
	} else if (cv_label_get(c, &label)) {
		s.kind = PDB_LABEL;
		s.name = label.name;
		s.code = true;
		place(f, &s, label.seg, label.off);
	} else if (c->kind == S_THUNK32 && cv_scope_get(c, &scope)) {
		s.kind = PDB_THUNK;
		s.name = scope.name;
		s.size = scope.size;
		s.code = true;
		place(f, &s, scope.seg, scope.off);
	} else if (!sym_of_data(f, c, &s) && !sym_of_proc(f, c, &s)) {
		return false;
	}
	*ret = s;
	return true;
}

/* A reference's target in its module. */
static bool follow(pdb *f, const cv_rec *c, pdb_sym *ret)
{
	cv_ref ref;
	cv_rec there;
	if (!cv_ref_get(c, &ref) || !ref.mod || !pdb_mod_rec(f, ref.mod - 1u, ref.off, &there))
		return false;
	pdb_sym s;
	if (!pdb_sym_of(f, &there, ref.mod - 1u, &s) || (s.kind != PDB_FUNC && s.kind != PDB_DATA))
		return false;
	*ret = s;
	return true;
}

static void fill_size(pdb *f, pdb_sym *s)
{
	if ((s->kind == PDB_DATA || s->kind == PDB_TLS) && s->type)
		s->size = (uint32_t)pdb_type_size(f, s->type);
}

err pdb_sym_fill(pdb *f, pdb_sym *s)
{
	if (cv_is_ref(s->rec) && s->mod == PDB_NO_MOD) {
		cv_rec c;
		pdb_sym full;
		if (f->syms == MSF_NONE || !pdb_rec_at(f, f->syms, s->at, UINT64_MAX, &c) ||
			!follow(f, &c, &full))
			return ERR_CORRUPT;
		*s = full;
	}
	fill_size(f, s);
	return ERR_OK;
}

err pdb_sym_again(pdb *f, uint32_t mod, uint32_t at, pdb_sym *ret)
{
	cv_rec c;
	pdb_sym s;
	bool have = mod == PDB_NO_MOD
			    ? f->syms != MSF_NONE && pdb_rec_at(f, f->syms, at, UINT64_MAX, &c)
			    : pdb_mod_rec(f, mod, at, &c);
	if (!have || !pdb_sym_of(f, &c, mod, &s))
		return ERR_CORRUPT;
	str name = s.name;
	TRY(pdb_sym_fill(f, &s));
	s.name = name;
	uint64_t window = ((uint64_t)s.mod << 32 | s.at) >> WINDOW_BITS;
	if (window != f->window && ++f->moves % MOVES == 0)
		(void)pdb_poll(f);
	f->window = window;
	*ret = s;
	return ERR_OK;
}

/* ---- by name ---- */

static bool same(str a, str b, bool fold)
{
	return fold ? str_ieq(a, b) : str_eq(a, b);
}

typedef struct wanted {
	str name;
	bool fold;
	unsigned kinds;
	pdb_sym_cb cb;
	void *u;
	size_t hits;
	bool stop;
} wanted;

static void offer(pdb *f, wanted *w, const cv_rec *c)
{
	str name;
	pdb_sym s;
	if (!cv_name(c, &name) || !same(name, w->name, w->fold) ||
		!pdb_sym_of(f, c, PDB_NO_MOD, &s) || !(w->kinds & PDB_MASK(s.kind)))
		return;
	if (cv_is_ref(c->kind) && !follow(f, c, &s))
		return;
	fill_size(f, &s);
	w->hits++;
	w->stop = !w->cb(w->u, &s);
}

static uint32_t bits_at(pdb *f, const pdb_hash *h, uint32_t word)
{
	return pdb_u32(f, h->bits.stream, h->bits.off + 4 * (uint64_t)word);
}

/* Records [*lo, *hi) of the bucket. The bitmap tells how many buckets before it are not empty. */
static bool bucket(pdb *f, const pdb_hash *h, uint32_t b, uint32_t *lo, uint32_t *hi)
{
	uint32_t nth = 0, word = b / 32, mask = bits_at(f, h, word);
	if (!(mask & 1u << b % 32))
		return false;
	for (uint32_t i = 0; i < word; i++)
		nth += (uint32_t)__builtin_popcount(bits_at(f, h, i));
	nth += (uint32_t)__builtin_popcount(mask & ((1u << b % 32) - 1));
	uint32_t n = h->recs.size / 8, nstarts = h->starts.size / 4;
	if (nth >= nstarts)
		return false;
	/* In units of 12 bytes, the size that a record once had in memory. */
	*lo = pdb_u32(f, h->starts.stream, h->starts.off + 4 * (uint64_t)nth) / 12;
	*hi = nth + 1 < nstarts
		      ? pdb_u32(f, h->starts.stream, h->starts.off + 4 * (uint64_t)nth + 4) / 12
		      : n;
	if (*hi > n)
		*hi = n;
	return *lo < *hi;
}

static void scan(pdb *f, wanted *w)
{
	pdb_iter it = pdb_iter_at(f, f->syms, 0, UINT64_MAX);
	cv_rec c;
	for (size_t i = 0; !w->stop && pdb_iter_next(&it, &c); i++) {
		if (i % POLL == 0 && pdb_poll(f))
			return;
		offer(f, w, &c);
	}
}

static err find(pdb *f, const pdb_hash *h, wanted *w)
{
	uint32_t lo, hi;
	cv_rec c;
	if (f->syms == MSF_NONE)
		return ERR_NOTFOUND;
	if (!h->ok) {
		scan(f, w); /* no table, or of the old form */
	} else if (bucket(f, h, pdb_hash_v1(w->name) % h->nbuckets, &lo, &hi)) {
		for (; lo < hi && !w->stop; lo++) {
			uint32_t off = pdb_u32(f, h->recs.stream, h->recs.off + 8 * (uint64_t)lo);
			if (off && pdb_rec_at(f, f->syms, off - 1, UINT64_MAX, &c))
				offer(f, w, &c);
		}
	}
	return w->hits ? ERR_OK : ERR_NOTFOUND;
}

err pdb_public_find(pdb *f, str name, bool fold, pdb_sym_cb cb, void *u)
{
	wanted w = {name, fold, PDB_MASK(PDB_PUBLIC), cb, u, 0, false};
	return find(f, &f->psi, &w);
}

err pdb_global_find(pdb *f, str name, bool fold, unsigned kinds, pdb_sym_cb cb, void *u)
{
	wanted w = {name, fold, kinds & ~PDB_MASK(PDB_PUBLIC), cb, u, 0, false};
	return find(f, &f->gsi, &w);
}

/* ---- scan ---- */

/* Letters that a match must hold, in any order: undecorated names have their scopes turned round.
 */
enum { LITERALS = 4, LITERAL_MAX = 64 };
typedef struct needles {
	char text[LITERALS][LITERAL_MAX]; /* lower case */
	size_t len[LITERALS];
	size_t rare[LITERALS]; /* where its least frequent letter stands: looked for first */
	size_t n;
} needles;

static void needle_add(needles *x, str s)
{
	while (s.n && s.p[0] == '_') /* `_f` also finds `f` */
		s = str_skip(s, 1);
	while (s.n && s.p[s.n - 1] == '_') /* a pair of them stands for `::` */
		s.n--;
	if (s.n < 2 || x->n == LITERALS)
		return;
	s = str_take(s, LITERAL_MAX);
	size_t rank = 0, at = 0;
	for (size_t i = 0; i < s.n; i++) {
		static const char by_frequency[] = "e_tiranosclpdumghfbyvwkxjzq";
		const char *p = strchr(by_frequency, chr_lower(s.p[i]));
		size_t r = p ? (size_t)(p - by_frequency) : 18;
		if (r > rank) {
			rank = r;
			at = i;
		}
		x->text[x->n][i] = chr_lower(s.p[i]);
	}
	x->rare[x->n] = at;
	x->len[x->n++] = s.n;
}

static needles needles_of(str pattern)
{
	needles x = {.n = 0};
	size_t from = 0;
	for (size_t i = 0; i <= pattern.n; i++) {
		char c = i < pattern.n ? pattern.p[i] : 0;
		bool pair = c == '_' && i + 1 < pattern.n && pattern.p[i + 1] == '_';
		if ((chr_word(c) || c == '$') && !pair)
			continue;
		/* The letter before # and + may come any number of times. */
		size_t end = (c == '#' || c == '+') && i > from ? i - 1 : i;
		needle_add(&x, (str){pattern.p + from, end - from});
		if (c == '\\') {
			i++;
		} else if (c == '[') {
			size_t close = str_chr(str_skip(pattern, i), ']');
			if (close != SIZE_MAX)
				i += close;
		}
		from = i + 1;
	}
	return x;
}

static bool equal(const char *p, const char *lit, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (chr_lower(p[i]) != lit[i])
			return false;
	return true;
}

static bool holds(str name, const char *lit, size_t n, size_t rare)
{
	if (name.n < n)
		return false;
	char c[2] = {lit[rare], lit[rare]};
	if (c[0] >= 'a' && c[0] <= 'z')
		c[1] = (char)(c[0] - 32);
	const char *begin = name.p + rare, *end = name.p + name.n - (n - 1 - rare);
	for (int i = 0; i < 2 && (!i || c[1] != c[0]); i++)
		for (const char *p = begin; p < end && (p = memchr(p, c[i], (size_t)(end - p)));
			p++)
			if (equal(p - rare, lit, n))
				return true;
	return false;
}

static bool may_match(const needles *x, str name)
{
	if (x->n && name.n && name.p[0] == '?') {
		/* A '?' behind the first character: templates and members that the compiler makes,
		 * whose readable form has words that do not stand in the decorated one. */
		if (memchr(name.p + 1, '?', name.n - 1))
			return true;
		/* Without one the qualified name ends at the first empty part. */
		for (const char *p = name.p, *end = p + name.n - 1;
			(p = memchr(p, '@', (size_t)(end - p))); p++)
			if (p[1] == '@') {
				name = str_take(name, (size_t)(p - name.p));
				break;
			}
	}
	for (size_t i = 0; i < x->n; i++)
		if (!holds(name, x->text[i], x->len[i], x->rare[i]))
			return false;
	return true;
}

static err each(pdb *f, unsigned kinds, const needles *x, pdb_sym_cb cb, void *u)
{
	cv_rec c;
	if (f->syms == MSF_NONE)
		return ERR_NOTFOUND;
	pdb_iter it = pdb_iter_at(f, f->syms, 0, UINT64_MAX);
	for (size_t i = 0; pdb_iter_next(&it, &c); i++) {
		pdb_sym s;
		str name;
		if (i % POLL == 0 && pdb_poll(f))
			return ERR_CANCELLED;
		if (c.kind == S_PUB32 && !(kinds & PDB_MASK(PDB_PUBLIC)))
			continue;
		if (c.kind == S_UDT && !(kinds & PDB_MASK(PDB_UDT)))
			continue;
		if (x->n && (!cv_name(&c, &name) || !may_match(x, name)))
			continue;
		if (pdb_sym_of(f, &c, PDB_NO_MOD, &s) && kinds & PDB_MASK(s.kind) && !cb(u, &s))
			return ERR_OK;
	}
	return it.bad ? ERR_CORRUPT : ERR_OK;
}

err pdb_each_name(pdb *f, unsigned kinds, pdb_sym_cb cb, void *u)
{
	needles x = {.n = 0};
	return each(f, kinds, &x, cb, u);
}

err pdb_each_like(pdb *f, unsigned kinds, str pattern, pdb_sym_cb cb, void *u)
{
	needles x = needles_of(pattern);
	return each(f, kinds, &x, cb, u);
}

err pdb_mod_each(pdb *f, uint32_t mod, bool deep, pdb_sym_cb cb, void *u)
{
	cv_rec c;
	int depth = 0;
	if (mod >= f->nmods || f->mods[mod].sym_size <= 4)
		return ERR_NOTFOUND;
	pdb_iter it = pdb_mod_iter(f, mod);
	for (size_t i = 0; pdb_iter_next(&it, &c); i++) {
		pdb_sym s;
		if (i % POLL == 0 && pdb_poll(f))
			return ERR_CANCELLED;
		if ((deep || !depth) && pdb_sym_of(f, &c, mod, &s)) {
			fill_size(f, &s);
			if (!cb(u, &s))
				return ERR_OK;
		}
		if (cv_opens(c.kind))
			depth++;
		else if (cv_closes(c.kind) && depth)
			depth--;
	}
	return it.bad ? ERR_CORRUPT : ERR_OK;
}

/* ---- publics by address ---- */

size_t pdb_npublics(pdb *f)
{
	return f->syms == MSF_NONE ? 0 : f->addr_map.size / 4;
}

static bool public_rec(pdb *f, size_t i, cv_rec *ret)
{
	uint32_t off = pdb_u32(f, f->addr_map.stream, f->addr_map.off + 4 * (uint64_t)i);
	return pdb_rec_at(f, f->syms, off, UINT64_MAX, ret) && ret->kind == S_PUB32;
}

err pdb_public_nth(pdb *f, size_t i, pdb_sym *ret)
{
	cv_rec c;
	if (i >= pdb_npublics(f))
		return ERR_NOTFOUND;
	return public_rec(f, i, &c) && pdb_sym_of(f, &c, PDB_NO_MOD, ret) ? ERR_OK : ERR_CORRUPT;
}

/* Number of publics at or below seg:off. */
static size_t publics_upto(pdb *f, uint16_t seg, uint32_t off)
{
	size_t lo = 0, hi = pdb_npublics(f);
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		cv_rec c;
		cv_pub p;
		if (!public_rec(f, mid, &c) || !cv_pub_get(&c, &p))
			return 0;
		if (p.seg < seg || (p.seg == seg && p.off <= off))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

err pdb_public_at(pdb *f, uint32_t rva, size_t *i, pdb_sym *ret)
{
	uint16_t seg;
	uint32_t off;
	pdb_sym s;
	if (!pdb_segoff(f, rva, &seg, &off))
		return ERR_NOTFOUND;
	size_t n = publics_upto(f, seg, off);
	if (!n)
		return ERR_NOTFOUND;
	TRY(pdb_public_nth(f, n - 1, &s));
	if (s.rva == PDB_NO_RVA || s.rva > rva)
		return ERR_NOTFOUND;
	/* The first of several at one address. */
	for (pdb_sym t; n > 1 && pdb_public_nth(f, n - 2, &t) == ERR_OK && t.rva == s.rva; n--)
		s = t;
	*i = n - 1;
	*ret = s;
	return ERR_OK;
}

/* ---- functions and data of a module by address ---- */

static int by_rva(const void *a, const void *b)
{
	const pdb_entry *x = a, *y = b;
	if (x->rva != y->rva)
		return x->rva < y->rva ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

static bool entry_of(pdb *f, const cv_rec *c, int depth, pdb_entry *e)
{
	uint16_t seg;
	uint32_t off;
	cv_proc p;
	cv_data v;
	cv_label l;
	cv_scope t;
	*e = (pdb_entry){.at = c->at, .rec = c->kind};
	if (cv_proc_get(c, &p)) {
		seg = p.seg;
		off = p.off;
		e->size = p.size;
	} else if (cv_is_data(c->kind) && cv_data_get(c, &v)) {
		seg = v.seg;
		off = v.off;
	} else if (c->kind == S_LABEL32 && !depth && cv_label_get(c, &l)) {
		seg = l.seg;
		off = l.off;
	} else if (c->kind == S_THUNK32 && cv_scope_get(c, &t)) {
		seg = t.seg;
		off = t.off;
		e->size = t.size;
	} else {
		return false;
	}
	e->rva = pdb_rva(f, seg, off);
	return e->rva != PDB_NO_RVA;
}

static const pdb_entry *pdb_entries(pdb *f, uint32_t mod, size_t *n)
{
	pdb_module *m = &f->mods[mod];
	if (!m->indexed) {
		m->indexed = true;
		VEC(pdb_entry) v = {0};
		pdb_iter it = pdb_mod_iter(f, mod);
		cv_rec c;
		pdb_entry e;
		int depth = 0;
		while (pdb_iter_next(&it, &c)) {
			if (entry_of(f, &c, depth, &e))
				vec_push(&v, e);
			if (cv_opens(c.kind))
				depth++;
			else if (cv_closes(c.kind) && depth)
				depth--;
		}
		if (v.n)
			qsort(v.p, v.n, sizeof *v.p, by_rva);
		m->entries = arena_dup(&f->a, v.p, v.n * sizeof *v.p);
		m->nentries = v.n;
		vec_deinit(&v);
	}
	*n = m->nentries;
	return m->entries;
}

/* Number of entries at or below rva. */
static size_t entries_upto(const pdb_entry *e, size_t n, uint32_t rva)
{
	return BISECT(i, n, e[i].rva <= rva);
}

static bool entry_sym(pdb *f, uint32_t mod, const pdb_entry *e, pdb_sym *ret)
{
	cv_rec c;
	if (!pdb_mod_rec(f, mod, e->at, &c) || !pdb_sym_of(f, &c, mod, ret))
		return false;
	fill_size(f, ret);
	return true;
}

err pdb_func_at(pdb *f, uint32_t rva, pdb_sym *ret)
{
	uint16_t seg;
	uint32_t off;
	pdb_contrib c;
	if (!pdb_segoff(f, rva, &seg, &off))
		return ERR_NOTFOUND;
	size_t i = pdb_contrib_at(f, seg, off), n;
	if (i == SIZE_MAX || !pdb_contrib_nth(f, (uint32_t)i, &c) || c.mod >= f->nmods)
		return ERR_NOTFOUND;
	const pdb_entry *e = pdb_entries(f, c.mod, &n);
	size_t k = entries_upto(e, n, rva);
	for (size_t back = 0; k > 0 && back < WALK_BACK; k--, back++) {
		const pdb_entry *x = &e[k - 1];
		if (!cv_is_proc(x->rec))
			continue;
		if (rva - x->rva >= x->size)
			return ERR_NOTFOUND;
		/* Folded functions share an address: the first one of the module. */
		while (k > 1 && e[k - 2].rva == x->rva && cv_is_proc(e[k - 2].rec))
			x = &e[--k - 1];
		return entry_sym(f, c.mod, x, ret) ? ERR_OK : ERR_CORRUPT;
	}
	return ERR_NOTFOUND;
}

static bool prefer(const pdb_entry *a, const pdb_entry *b)
{
	/* At one address: function, thunk, data, label; then the first of the module. */
	static const uint16_t order[] = {S_THUNK32, S_GDATA32, S_LDATA32, S_LABEL32};
	int ra = 0, rb = 0;
	for (int i = 0; i < (int)ARRAY_LEN(order); i++) {
		ra = a->rec == order[i] ? i + 1 : ra;
		rb = b->rec == order[i] ? i + 1 : rb;
	}
	return ra < rb;
}

/* Nearest private symbol at or below rva, from the modules whose code lies there. */
static bool private_at(pdb *f, uint32_t rva, pdb_sym *ret)
{
	uint16_t seg;
	uint32_t off;
	bool have = false;
	if (!pdb_segoff(f, rva, &seg, &off))
		return false;
	size_t i = pdb_contrib_at(f, seg, off);
	uint32_t last = PDB_NO_MOD;
	for (int tries = 0; i != SIZE_MAX && tries < CONTRIBS; tries++) {
		pdb_contrib c;
		if (!pdb_contrib_nth(f, (uint32_t)i, &c) || c.seg != seg)
			break;
		size_t n = 0;
		const pdb_entry *e =
			c.mod < f->nmods && c.mod != last ? pdb_entries(f, c.mod, &n) : NULL;
		last = c.mod;
		size_t k = e ? entries_upto(e, n, rva) : 0;
		if (k) {
			const pdb_entry *best = &e[k - 1];
			for (; k > 1 && e[k - 2].rva == e[k - 1].rva; k--)
				if (!prefer(best, &e[k - 2]))
					best = &e[k - 2];
			pdb_sym s;
			if ((!have || best->rva > ret->rva) && entry_sym(f, c.mod, best, &s)) {
				*ret = s;
				have = true;
			}
		}
		uint32_t begin = pdb_rva(f, c.seg, c.off);
		if (have && begin != PDB_NO_RVA && ret->rva >= begin)
			break; /* nothing of an earlier contribution can be nearer */
		i = i ? i - 1 : SIZE_MAX;
	}
	return have;
}

/* Global data stand in the global stream only, which is not sorted by address; but a public has the
 * same address, and its name leads to them through the hash. */
typedef struct same_place {
	uint32_t rva;
	bool hit;
	pdb_sym s;
} same_place;

static bool is_there(void *u, const pdb_sym *s)
{
	same_place *p = u;
	if (s->rva != p->rva)
		return true;
	p->s = *s;
	p->hit = true;
	return false;
}

static void public_to_data(pdb *f, pdb_sym *s)
{
	same_place p = {.rva = s->rva};
	arena tmp;
	if (!f->gsi.ok || s->code)
		return;
	arena_init(&tmp);
	str name = undname_short(&tmp, s->name, f->id.machine == 0x14c);
	err e = pdb_global_find(
		f, name, false, PDB_MASK(PDB_DATA) | PDB_MASK(PDB_TLS), is_there, &p);
	arena_deinit(&tmp);
	if (e == ERR_OK && p.hit)
		*s = p.s;
}

err pdb_sym_at(pdb *f, uint32_t rva, pdb_sym *ret, uint32_t *disp)
{
	pdb_sym pub, priv;
	size_t i;
	err e = pdb_public_at(f, rva, &i, &pub);
	if (e != ERR_OK && e != ERR_NOTFOUND)
		return e;
	bool have = private_at(f, rva, &priv);
	if (e != ERR_OK && !have)
		return ERR_NOTFOUND;
	if (!have || (e == ERR_OK && pub.rva > priv.rva)) {
		priv = pub;
		public_to_data(f, &priv);
	}
	*disp = rva - priv.rva;
	*ret = priv;
	return ERR_OK;
}

/* ---- the next one ---- */

static bool private_after(pdb *f, uint32_t rva, uint32_t below_rva, pdb_sym *ret)
{
	uint16_t seg;
	uint32_t off;
	bool have = false;
	if (!pdb_segoff(f, rva, &seg, &off))
		return false;
	size_t i = pdb_contrib_at(f, seg, off);
	uint32_t last = PDB_NO_MOD;
	if (i == SIZE_MAX)
		i = 0;
	for (int tries = 0; tries < CONTRIBS; tries++, i++) {
		pdb_contrib c;
		if (!pdb_contrib_nth(f, (uint32_t)i, &c))
			break;
		uint32_t begin = pdb_rva(f, c.seg, c.off);
		if (begin != PDB_NO_RVA && begin > rva &&
			(begin >= below_rva || (have && begin > ret->rva)))
			break;
		size_t n = 0;
		const pdb_entry *e =
			c.mod < f->nmods && c.mod != last ? pdb_entries(f, c.mod, &n) : NULL;
		last = c.mod;
		size_t k = e ? entries_upto(e, n, rva) : 0;
		pdb_sym s;
		if (e && k < n && e[k].rva < below_rva && (!have || e[k].rva < ret->rva) &&
			entry_sym(f, c.mod, &e[k], &s)) {
			*ret = s;
			have = true;
		}
	}
	return have;
}

err pdb_sym_after(pdb *f, uint32_t rva, pdb_sym *ret, uint32_t *disp)
{
	uint16_t seg;
	uint32_t off;
	pdb_sym s = {.rva = PDB_NO_RVA}, priv;
	bool have = false;
	if (!pdb_segoff(f, rva, &seg, &off))
		return ERR_NOTFOUND;
	for (size_t i = publics_upto(f, seg, off); i < pdb_npublics(f); i++) {
		have = pdb_public_nth(f, i, &s) == ERR_OK && s.rva != PDB_NO_RVA && s.rva > rva;
		if (have)
			break;
	}
	/* A private symbol at the public's own address is the better one. */
	if (private_after(f, rva, have && s.rva < PDB_NO_RVA - 1 ? s.rva + 1 : PDB_NO_RVA, &priv)) {
		s = priv;
		have = true;
	} else if (have) {
		public_to_data(f, &s);
	}
	if (!have)
		return ERR_NOTFOUND;
	*disp = s.rva - rva;
	*ret = s;
	return ERR_OK;
}
