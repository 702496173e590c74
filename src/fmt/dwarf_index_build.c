/*
 * dwarf_index_build: the tables while units are scanned, the order in which sections are gone
 * through, and the making of the finished index.
 *
 * While scanning, names are told apart by where they are (the linker merged equal strings), which
 * costs no look at the strings; only short ones that lie in .debug_info and those of .dwo files go
 * by their bytes. Programs include the same headers again and again, so the entry that follows an
 * entry is most often the one that followed it in the unit before: `follow` remembers it, and the
 * hash table is asked only when that is wrong.
 *
 * Finishing reads every name once: hashes it, merges what is equal after all, drops declarations of
 * what is defined, and sorts entries by scope, so that a wildcard can pass over whole scopes.
 *
 * Probing in all hash tables is bounded: names chosen to collide cost a duplicate, not time.
 */
#include "fmt/dwarf_index_impl.h"

#include "base/bisect.h"

#include <stdlib.h>

enum {
	PROBE_MAX = 128,
	PEND_PASSES = 8,
	AHEAD = 12, /* entries whose names are fetched before they are needed */
	FORGET_EVERY = 8 << 20
};

static inline uint64_t mix(uint64_t a, uint64_t b)
{
	uint64_t h = (a ^ b >> 29) * 0x9e3779b97f4a7c15ull;
	h ^= h >> 32;
	h = (h + b) * 0xbf58476d1ce4e5b9ull;
	return h ^ h >> 31;
}

bool dwx_poll(dwx_builder *b)
{
	if (!b->stop && cancelled(b->o.cancel))
		b->stop = ERR_CANCELLED;
	return b->stop != ERR_OK;
}

static void forget(dwx_builder *b, dwx_bytes s)
{
	if (b->o.forget && s.n)
		b->o.forget(b->o.u, s.p, s.n);
}

/* ---- entries ---- */

static bool same_key(const dwx_rec *r, uint64_t w0, uint64_t name, uint64_t w2, uint32_t scope)
{
	return r->w[1] == name && r->w[0] == w0 && !((r->w[2] ^ w2) & KEY_MASK) &&
	       (uint32_t)(r->w[3] >> 32) == scope;
}

static uint64_t key_hash(uint64_t w0, uint64_t name, uint64_t w2, uint32_t scope)
{
	return mix(mix(name, scope), w0 + (w2 & KEY_MASK));
}

static void grow_recs(dwx_builder *b)
{
	size_t cap = b->cap_rec ? b->cap_rec + b->cap_rec / 2 : 256;
	b->rec = mem_realloc(b->rec, cap * sizeof *b->rec);
	b->follow = mem_realloc(b->follow, cap * sizeof *b->follow);
	b->cap_rec = cap;
}

static uint32_t append(dwx_builder *b, uint64_t w0, uint64_t name, uint64_t w2, uint32_t scope)
{
	if (b->n_rec >= DWX_ENTRIES_MAX) {
		b->stop = ERR_LIMIT;
		return 0;
	}
	if (b->n_rec == b->cap_rec)
		grow_recs(b);
	b->rec[b->n_rec] = (dwx_rec){{w0, name, w2, (uint64_t)scope << 32}};
	b->follow[b->n_rec] = 0;
	return (uint32_t)b->n_rec++;
}

static void grow_slots(dwx_builder *b)
{
	size_t n = b->n_slots ? b->n_slots * 2 : 512;
	uint32_t *old = b->slot;
	size_t n_old = b->n_slots;
	b->slot = mem_alloc(n * sizeof *b->slot);
	b->n_slots = n;
	for (size_t i = 0; i < n_old; i++) {
		if (!old[i])
			continue;
		const dwx_rec *r = &b->rec[old[i]];
		size_t k = key_hash(r->w[0], r->w[1], r->w[2], (uint32_t)(r->w[3] >> 32));
		for (k &= n - 1; b->slot[k]; k = (k + 1) & (n - 1))
			;
		b->slot[k] = old[i];
	}
	mem_free(old);
}

uint32_t dwx_put(dwx_builder *b, uint64_t w0, uint64_t name, uint64_t w2, uint32_t scope)
{
	uint32_t guess = b->follow[b->last];
	if (guess && same_key(&b->rec[guess], w0, name, w2, scope))
		return b->last = guess;
	if ((b->n_keyed + 1) * 2 > b->n_slots)
		grow_slots(b);
	size_t k = key_hash(w0, name, w2, scope) & (b->n_slots - 1);
	uint32_t at = 0;
	int probes = 0;
	for (; b->slot[k] && probes < PROBE_MAX; probes++, k = (k + 1) & (b->n_slots - 1)) {
		if (same_key(&b->rec[b->slot[k]], w0, name, w2, scope)) {
			at = b->slot[k];
			break;
		}
	}
	if (!at) {
		at = append(b, w0, name, w2, scope);
		if (probes < PROBE_MAX && at) {
			b->slot[k] = at;
			b->n_keyed++;
		}
	}
	b->follow[b->last] = at;
	return b->last = at;
}

/* ---- scopes ---- */

static void grow_scope_slots(dwx_builder *b)
{
	size_t n = b->n_scope_slots ? b->n_scope_slots * 2 : 64;
	mem_free(b->scope_slot);
	b->scope_slot = mem_alloc(n * sizeof *b->scope_slot);
	b->n_scope_slots = n;
	for (size_t i = 1; i < b->n_scope; i++) {
		const dwx_scope *s = &b->scope[i];
		size_t k = mix(s->w[0], s->w[1] & SCOPE_PARENT) & (n - 1);
		for (; b->scope_slot[k]; k = (k + 1) & (n - 1))
			;
		b->scope_slot[k] = (uint32_t)i;
	}
}

static size_t depth_of(const dwx_builder *b, uint32_t scope)
{
	size_t n = 0;
	for (; scope && n < DWX_DEPTH_MAX; n++)
		scope = b->scope[scope].w[1] & SCOPE_PARENT;
	return n;
}

uint32_t dwx_scope_put(dwx_builder *b, uint32_t parent, uint64_t name, uint32_t flags)
{
	if ((b->n_scope + 1) * 2 > b->n_scope_slots)
		grow_scope_slots(b);
	size_t k = mix(name, parent) & (b->n_scope_slots - 1);
	int probes = 0;
	for (; b->scope_slot[k] && probes < PROBE_MAX; probes++) {
		dwx_scope *s = &b->scope[b->scope_slot[k]];
		if (s->w[0] == name && (s->w[1] & SCOPE_PARENT) == parent) {
			s->w[1] |= flags;
			return b->scope_slot[k];
		}
		k = (k + 1) & (b->n_scope_slots - 1);
	}
	if (b->n_scope >= SCOPE_PARENT || depth_of(b, parent) == DWX_DEPTH_MAX) {
		b->left_out++;
		return parent;
	}
	vec_grow_((void **)&b->scope, &b->cap_scope, b->n_scope + 1, sizeof *b->scope);
	b->scope[b->n_scope] = (dwx_scope){{name, parent | flags}};
	if (probes < PROBE_MAX)
		b->scope_slot[k] = (uint32_t)b->n_scope;
	return (uint32_t)b->n_scope++;
}

/* ---- names by their bytes ---- */

static void grow_names(dwx_builder *b)
{
	size_t n = b->n_name_slots ? b->n_name_slots * 2 : 64;
	dwx_name_slot *slot = mem_alloc(n * sizeof *slot);
	for (size_t i = 0; i < b->n_name_slots; i++) {
		if (!b->name[i].name)
			continue;
		size_t k = b->name[i].hash & (n - 1);
		for (; slot[k].name; k = (k + 1) & (n - 1))
			;
		slot[k] = b->name[i];
	}
	mem_free(b->name);
	b->name = slot;
	b->n_name_slots = n;
}

uint64_t dwx_name_put(dwx_builder *b, uint64_t word)
{
	str s = dwx_name_of(b->part, b->n_parts, word);
	uint32_t h = dwx_hash(s);
	if (!s.n || !word)
		return word;
	if ((b->n_names + 1) * 2 > b->n_name_slots)
		grow_names(b);
	size_t k = h & (b->n_name_slots - 1);
	int probes = 0;
	for (; b->name[k].name && probes < PROBE_MAX; probes++) {
		if (b->name[k].hash == h &&
			str_eq(dwx_name_of(b->part, b->n_parts, b->name[k].name), s))
			return b->name[k].name;
		k = (k + 1) & (b->n_name_slots - 1);
	}
	if (probes < PROBE_MAX) {
		b->name[k] = (dwx_name_slot){word, h};
		b->n_names++;
	}
	return word;
}

/* ---- going through the sections ---- */

static void told(dwx_builder *b, uint64_t bytes)
{
	b->done += bytes;
	if (b->o.progress)
		atomic_store_explicit(&b->o.progress->done, b->done, memory_order_relaxed);
}

static dwx_bytes section(const dwx_sections *s, dwx_where where)
{
	return where == DWX_IN_TYPES ? s->types : where == DWX_IN_ALT ? s->alt_info : s->info;
}

/* What units point into: each piece is read by one unit, so that it is not needed soon again. */
static void forget_tables(dwx_builder *b, const dwx_sections *s)
{
	forget(b, s->abbrev);
	forget(b, s->ranges);
	forget(b, s->rnglists);
	forget(b, s->str_offsets);
	forget(b, s->addr);
}

static void scan_section(dwx_builder *b, uint16_t part, dwx_where where)
{
	const dwx_sections *s = &b->part[part];
	dwx_bytes all = section(s, where);
	uint64_t off = 0, next = 0, kept = 0;
	dwx_unit u;
	while (off < all.n && !dwx_poll(b)) {
		if (!dwx_unit_read(s, where, part, off, b->dirs, &u, &next)) {
			b->damaged++;
			break;
		}
		if (!part && where == DWX_IN_INFO && u.die)
			vec_push(&b->units, off | (u.die - off) << OFF_BITS);
		vec_push(&b->unit_at[where], off);
		dwx_unit_scan(b, &u, true);
		b->n_units++;
		told(b, next - off);
		off = next;
		if (off - kept >= FORGET_EVERY) {
			/* From the start: a fault brings in what lies around, behind us too. */
			forget(b, (dwx_bytes){all.p, off});
			forget_tables(b, s);
			kept = off;
		}
	}
	told(b, all.n - (off < all.n ? off : all.n));
	forget(b, all);
	forget_tables(b, s);
}

/* Units of the alternate file, which are not gone through in order. */
static void list_alternate(dwx_builder *b, uint16_t part)
{
	uint64_t off = 0, next = 0;
	dwx_unit u;
	if (b->unit_at[DWX_IN_ALT].n)
		return;
	for (; dwx_unit_read(&b->part[part], DWX_IN_ALT, part, off, b->dirs, &u, &next); off = next)
		vec_push(&b->unit_at[DWX_IN_ALT], off);
}

static bool unit_of(
	dwx_builder *b, uint16_t part, dwx_where where, uint64_t at, dwx_unit *u, size_t *index)
{
	const uint64_t *list = b->unit_at[where].p;
	size_t lo = BISECT(i, b->unit_at[where].n, list[i] <= at);
	uint64_t next;
	if (!lo || !dwx_unit_read(&b->part[part], where, part, list[lo - 1], b->dirs, u, &next))
		return false;
	*index = lo - 1;
	return u->die && at >= u->die && at < u->end;
}

/* Units of the alternate file that this part imports, and what those import. */
static void scan_imported(dwx_builder *b, uint16_t part)
{
	if (!b->imported.n)
		return;
	list_alternate(b, part);
	uint8_t *seen = mem_alloc(b->unit_at[DWX_IN_ALT].n);
	for (size_t i = 0; i < b->imported.n && !dwx_poll(b); i++) {
		dwx_unit u;
		size_t k;
		if (!unit_of(b, part, DWX_IN_ALT, b->imported.p[i], &u, &k) || seen[k])
			continue;
		seen[k] = 1;
		dwx_unit_scan(b, &u, true);
		b->n_units++;
	}
	mem_free(seen);
	b->imported.n = 0;
	forget(b, b->part[part].alt_info);
}

static int by_target(const void *a, const void *b)
{
	const dwx_pend *x = a, *y = b;
	if (x->where != y->where)
		return x->where < y->where ? -1 : 1;
	return x->target < y->target ? -1 : x->target > y->target;
}

/* Definitions whose declaration is elsewhere: units that are referred to are walked again for their
 * scopes, each at most once a pass; a reference that leads on waits for the next one. */
static void resolve_pass(dwx_builder *b, uint16_t part)
{
	size_t n = b->pend.n, out = 0;
	dwx_where where = DWX_IN_INFO;
	uint64_t unit_end = 0;
	dwx_unit u = {0};
	dwx_bytes seen = {0};
	qsort(b->pend.p, n, sizeof *b->pend.p, by_target);
	for (size_t i = 0; i < n && !dwx_poll(b); i++) {
		dwx_pend *p = &b->pend.p[i];
		size_t k;
		if (where != p->where) {
			where = p->where;
			unit_end = 0;
			forget(b, seen);
			seen.n = 0;
			if (where == DWX_IN_ALT)
				list_alternate(b, part);
		}
		if (p->target >= unit_end || p->target < u.die) {
			unit_end = 0;
			if (!unit_of(b, part, p->where, p->target, &u, &k)) {
				p->target = UINT64_MAX;
				continue;
			}
			if (seen.n >= FORGET_EVERY) {
				forget(b, seen);
				seen.n = 0;
			}
			dwx_unit_scan(b, &u, false);
			unit_end = u.end;
			if (!seen.n || seen.p > u.sect.p + u.off)
				seen.p = u.sect.p + u.off;
			seen.n = (size_t)(u.sect.p + u.end - seen.p);
		}
		dwx_pend_resolve(b, &u, p);
	}
	forget(b, seen);
	for (size_t i = 0; i < n; i++)
		if (b->pend.p[i].target != UINT64_MAX)
			b->pend.p[out++] = b->pend.p[i];
	b->pend.n = out;
}

static int by_id(const void *a, const void *b)
{
	const dwx_skel *x = a, *y = b;
	return x->id < y->id ? -1 : x->id > y->id;
}

static void scan_part(dwx_builder *b, uint16_t part)
{
	const dwx_sections *s = &b->part[part];
	arena_reset(&b->dirs_arena);
	dwp_read(&b->dirs_arena, s->cu_index, &b->dirs[0]);
	dwp_read(&b->dirs_arena, s->tu_index, &b->dirs[1]);
	for (size_t i = 0; i < ARRAY_LEN(b->unit_at); i++)
		b->unit_at[i].n = 0;
	b->sigs.n = 0;
	b->sigs_known = false;
	if (!part)
		dwx_aranges_read(b);
	scan_section(b, part, DWX_IN_INFO);
	scan_section(b, part, DWX_IN_TYPES);
	scan_imported(b, part);
	for (int i = 0; i < PEND_PASSES && b->pend.n && !b->stop; i++)
		resolve_pass(b, part);
	b->pend.n = 0;
	if (!part && b->skels.n)
		qsort(b->skels.p, b->skels.n, sizeof *b->skels.p, by_id);
}

/* ---- finishing: reading names in the order of their places ---- */

/* Where a name lies in .debug_str or, behind that, .debug_info of the program; 0 elsewhere. */
static uint64_t name_place(const dwx_builder *b, uint64_t word)
{
	uint64_t off = word & OFF_MASK, sel = word >> SEL_SHIFT & 7;
	const dwx_sections *s = &b->part[0];
	if (word >> NPART_SHIFT & 0xffff)
		return 0;
	if (sel == SEL_STR)
		return off < s->str.n ? off : 0;
	return sel == SEL_INFO && off < s->info.n ? s->str.n + off : 0;
}

/* Numbers 1 ... n-1 of rows in the order of their names' places, more or less: then pages are read
 * once, one after the other. word: the first one's name; rows are step words long. */
static void order_names(
	const dwx_builder *b, const uint64_t *word, size_t step, size_t n, uint32_t *order)
{
	enum { PAGES_MAX = 1 << 16 };
	uint64_t bytes = b->part[0].str.n + b->part[0].info.n;
	unsigned shift = 12;
	while (bytes >> shift >= PAGES_MAX)
		shift++;
	size_t pages = (size_t)(bytes >> shift) + 1;
	uint32_t *start = mem_alloc((pages + 1) * sizeof *start);
	for (size_t i = 1; i < n; i++)
		start[(name_place(b, word[i * step]) >> shift) + 1]++;
	for (size_t k = 0; k < pages; k++)
		start[k + 1] += start[k];
	for (size_t i = 1; i < n; i++)
		order[start[name_place(b, word[i * step]) >> shift]++] = (uint32_t)i;
	mem_free(start);
}

/* Lets go of the names before this place when there are enough of them. */
static void forget_before(dwx_builder *b, uint64_t place, uint64_t *kept)
{
	dwx_bytes s = b->part[0].str, info = b->part[0].info;
	if (place <= *kept + FORGET_EVERY)
		return;
	forget(b, (dwx_bytes){s.p, place < s.n ? place : s.n});
	if (place > s.n)
		forget(b, (dwx_bytes){info.p, place - s.n});
	*kept = place;
}

static void forget_names(dwx_builder *b)
{
	for (size_t i = 0; i < b->n_parts; i++) {
		forget(b, b->part[i].info);
		forget(b, b->part[i].str);
		forget(b, b->part[i].line_str);
		forget(b, b->part[i].alt_str);
	}
}

/* ---- finishing: scopes ---- */

/* Hashes of the scopes' own names; 0 stands for none. */
static uint32_t *hash_scopes(dwx_builder *b)
{
	uint32_t *hash = mem_alloc(b->n_scope * sizeof *hash);
	uint32_t *order = mem_alloc(b->n_scope * sizeof *order);
	uint64_t kept = 0;
	order_names(b, &b->scope[0].w[0], 2, b->n_scope, order);
	for (size_t i = 0; i + 1 < b->n_scope; i++) {
		dwx_scope *s = &b->scope[order[i]];
		bool anon = (s->w[0] >> SEL_SHIFT & 7) == SEL_NONE;
		str name = anon ? STR("(") : dwx_name_of(b->part, b->n_parts, s->w[0]);
		uint64_t len = anon ? 0 : name.n < NAME_LONG ? name.n : NAME_LONG;
		s->w[0] = (s->w[0] & NAME_MASK) | len << LEN_SHIFT;
		hash[order[i]] = name.n ? dwx_hash(name) | 1 : 0;
		forget_before(b, name_place(b, s->w[0]), &kept);
	}
	mem_free(order);
	forget_names(b);
	return hash;
}

static bool same_scope(const dwx_builder *b, const dwx_scope *x, const dwx_scope *y)
{
	if (x->w[0] == y->w[0])
		return true;
	/* An anonymous one has no length: it differs from all with a name. */
	return x->w[0] >> LEN_SHIFT == y->w[0] >> LEN_SHIFT &&
	       str_eq(dwx_name_of(b->part, b->n_parts, x->w[0]),
		       dwx_name_of(b->part, b->n_parts, y->w[0]));
}

/* Numbers of scopes after equal ones were merged; the table is made smaller in place. */
static uint32_t *merge_scopes(dwx_builder *b)
{
	uint32_t *canon = mem_alloc(b->n_scope * sizeof *canon), *hash = hash_scopes(b);
	size_t n_slots = 16, out = 1;
	while (n_slots < b->n_scope * 2)
		n_slots *= 2;
	uint32_t *slot = mem_alloc(n_slots * sizeof *slot);
	for (size_t i = 1; i < b->n_scope; i++) {
		dwx_scope s = b->scope[i];
		uint32_t parent = canon[s.w[1] & SCOPE_PARENT], flags = s.w[1] & ~SCOPE_PARENT;
		uint32_t h = hash[i], probes = 0;
		if (!h) {
			canon[i] = parent;
			continue;
		}
		size_t k = mix(h, parent) & (n_slots - 1);
		for (; slot[k] && probes < PROBE_MAX; probes++, k = (k + 1) & (n_slots - 1)) {
			dwx_scope *t = &b->scope[slot[k]];
			if (hash[slot[k]] != h || (t->w[1] & SCOPE_PARENT) != parent ||
				!same_scope(b, t, &s))
				continue;
			t->w[1] |= flags;
			canon[i] = slot[k];
			break;
		}
		if (canon[i])
			continue;
		canon[i] = (uint32_t)out;
		hash[out] = h;
		if (probes < PROBE_MAX)
			slot[k] = (uint32_t)out;
		b->scope[out++] = (dwx_scope){{s.w[0], parent | flags}};
	}
	b->n_scope = out;
	mem_free(hash);
	mem_free(slot);
	return canon;
}

/* ---- finishing: entries ---- */

/* Hash, length and final scope of every entry; those without a name are marked. */
static void name_entries(dwx_builder *b, const uint32_t *canon)
{
	uint64_t kept = 0;
	/* `follow` is done with. */
	order_names(b, &b->rec[0].w[1], 4, b->n_rec, b->follow);
	for (size_t i = 0; i + 1 < b->n_rec; i++) {
		dwx_rec *r = &b->rec[b->follow[i]];
		if (i + AHEAD + 1 < b->n_rec)
			__builtin_prefetch(&b->rec[b->follow[i + AHEAD]], 1);
		str name = dwx_name_of(b->part, b->n_parts, r->w[1]);
		if (!name.n) {
			r->w[2] |= F_DROP;
			b->left_out++;
			continue;
		}
		uint64_t len = name.n < NAME_LONG ? name.n : NAME_LONG;
		r->w[1] = (r->w[1] & NAME_MASK) | len << LEN_SHIFT;
		r->w[3] = dwx_hash(name) | (uint64_t)canon[r->w[3] >> 32] << 32;
		forget_before(b, name_place(b, r->w[1]), &kept);
		if (!(i & 0xffff) && dwx_poll(b))
			return;
	}
}

/* What can stand for each other: a class may be declared as a struct. */
static unsigned family(uint64_t w2)
{
	unsigned bit = (unsigned)(w2 >> KIND_SHIFT & 15);
	return bit == 3 || bit == 7 ? 2 : bit;
}

/* 0 defined, 1 without an address of its own, 2 declared. */
static int weakness(const dwx_rec *r)
{
	unsigned f = family(r->w[2]);
	if (r->w[2] & F_DECL)
		return 2;
	return (f == 0 && (r->w[2] & F_INLINED)) || (f == 1 && !r->w[0] && !(r->w[2] & F_TLS));
}

typedef struct merger {
	dwx_builder *b;
	uint32_t *slot;
	size_t mask;
} merger;

static bool same_name(const merger *m, const dwx_rec *x, const dwx_rec *y)
{
	const dwx_builder *b = m->b;
	return x->w[1] == y->w[1] || str_eq(dwx_name_of(b->part, b->n_parts, x->w[1]),
					     dwx_name_of(b->part, b->n_parts, y->w[1]));
}

/* Is r superfluous beside o, which has the same scope, name and family and is not weaker? */
static bool superfluous(const dwx_rec *r, const dwx_rec *o)
{
	if (weakness(r))
		return true;
	return r->w[0] == o->w[0] && !((r->w[2] ^ o->w[2]) & KIND_MASK);
}

static void merge_entry(merger *m, uint32_t i)
{
	dwx_rec *r = &m->b->rec[i];
	unsigned f = family(r->w[2]);
	size_t k = mix(r->w[3], f) & m->mask;
	for (int probes = 0; probes < PROBE_MAX; probes++, k = (k + 1) & m->mask) {
		if (!m->slot[k]) {
			m->slot[k] = i;
			return;
		}
		const dwx_rec *o = &m->b->rec[m->slot[k]];
		if (o->w[3] != r->w[3] || family(o->w[2]) != f || !same_name(m, r, o))
			continue;
		if (superfluous(r, o)) {
			r->w[2] |= F_DROP;
			return;
		}
		if (f <= 1) /* one is enough to stand for all that have an address */
			return;
	}
}

static void merge_entries(dwx_builder *b)
{
	size_t n = 16;
	while (n < b->n_rec + b->n_rec / 2)
		n *= 2;
	merger m = {b, mem_alloc(n * sizeof(uint32_t)), n - 1};
	for (int weak = 0; weak <= 2; weak++)
		for (size_t i = 1; i < b->n_rec; i++)
			if (!(b->rec[i].w[2] & F_DROP) && weakness(&b->rec[i]) == weak)
				merge_entry(&m, (uint32_t)i);
	mem_free(m.slot);
}

/* Sorts entries by scope in place: `follow` holds where each one goes. */
static void sort_entries(dwx_builder *b)
{
	size_t n = 0;
	uint32_t *first = mem_alloc((b->n_scope + 1) * sizeof *first), *to = b->follow;
	for (size_t i = 1; i < b->n_rec; i++)
		if (!(b->rec[i].w[2] & F_DROP)) {
			b->rec[n++] = b->rec[i];
			first[(b->rec[i].w[3] >> 32) + 1]++;
		}
	for (size_t s = 0; s < b->n_scope; s++)
		first[s + 1] += first[s];
	for (size_t s = 0; s < b->n_scope; s++)
		b->scope[s].w[1] = (uint32_t)b->scope[s].w[1] | (uint64_t)first[s] << 32;
	for (size_t i = 0; i < n; i++)
		to[i] = first[b->rec[i].w[3] >> 32]++;
	for (size_t i = 0; i < n; i++)
		while (to[i] != i) {
			uint32_t j = to[i];
			dwx_rec r = b->rec[j];
			b->rec[j] = b->rec[i];
			b->rec[i] = r;
			to[i] = to[j];
			to[j] = j;
		}
	b->n_rec = n;
	mem_free(first);
}

static void make_buckets(const dwx_builder *b, dwx *x)
{
	size_t n = 1;
	while (n < b->n_rec / 2)
		n *= 2;
	uint32_t *start = mem_alloc((n + 1) * sizeof *start);
	uint32_t *order = mem_alloc(b->n_rec * sizeof *order);
	for (size_t i = 0; i < b->n_rec; i++)
		start[(uint32_t)b->rec[i].w[3] & (n - 1)]++;
	uint32_t sum = 0;
	for (size_t k = 0; k <= n; k++) { /* now the end of each */
		sum += start[k];
		start[k] = sum;
	}
	for (size_t i = b->n_rec; i-- > 0;)
		order[--start[(uint32_t)b->rec[i].w[3] & (n - 1)]] = (uint32_t)i;
	x->buckets = (const uint8_t *)start;
	x->order = (const uint8_t *)order;
	x->n_buckets = n;
}

static size_t held(const dwx_builder *b)
{
	return b->cap_rec * (sizeof(dwx_rec) + 4) + b->n_slots * 4 +
	       b->cap_scope * sizeof(dwx_scope) + b->n_scope_slots * 4 +
	       b->n_name_slots * sizeof(dwx_name_slot) + b->pend.cap * sizeof(dwx_pend) +
	       b->rows.cap * sizeof(dwx_row) + b->units.cap * 8;
}

static void note_peak(dwx_builder *b, size_t more)
{
	size_t n = held(b) + more;
	if (n > b->peak)
		b->peak = n;
}

static dwx *finish(dwx_builder *b)
{
	note_peak(b, 0);
	mem_free(b->slot);
	mem_free(b->scope_slot);
	mem_free(b->name);
	b->slot = b->scope_slot = NULL;
	b->name = NULL;
	b->n_slots = b->n_scope_slots = b->n_name_slots = 0;
	vec_deinit(&b->pend);
	uint32_t *canon = merge_scopes(b);
	name_entries(b, canon);
	mem_free(canon);
	if (b->stop)
		return NULL;
	note_peak(b, b->n_rec * 3 * 4);
	merge_entries(b);
	forget_names(b);
	sort_entries(b);
	mem_free(b->follow);
	b->follow = NULL;
	dwx *x = mem_alloc(sizeof *x);
	b->rec = mem_realloc(b->rec, (b->n_rec ? b->n_rec : 1) * sizeof *b->rec);
	b->cap_rec = b->n_rec;
	make_buckets(b, x);
	x->recs = (const uint8_t *)b->rec;
	x->n_recs = b->n_rec;
	x->scopes = (const uint8_t *)b->scope;
	x->n_scopes = b->n_scope;
	x->ranges = (const uint8_t *)dwx_ranges_finish(b, &x->n_ranges);
	x->units = (const uint8_t *)b->units.p;
	x->n_units = b->units.n;
	b->rec = NULL;
	b->scope = NULL;
	b->units.p = NULL;
	b->units.n = b->units.cap = 0;
	x->stats = (dwx_stats){.units = b->n_units,
		.damaged = b->damaged,
		.left_out = b->left_out,
		.peak = b->peak};
	return x;
}

static void builder_deinit(dwx_builder *b)
{
	mem_free(b->rec);
	mem_free(b->follow);
	mem_free(b->slot);
	mem_free(b->scope);
	mem_free(b->scope_slot);
	mem_free(b->name);
	vec_deinit(&b->units);
	for (size_t i = 0; i < ARRAY_LEN(b->unit_at); i++)
		vec_deinit(&b->unit_at[i]);
	vec_deinit(&b->imported);
	vec_deinit(&b->pend);
	vec_deinit(&b->rows);
	vec_deinit(&b->covered);
	vec_deinit(&b->sigs);
	vec_deinit(&b->skels);
	vec_deinit(&b->spans);
	dwx_abbrev_cache_deinit(&b->abbrevs);
	arena_deinit(&b->dirs_arena);
}

static bool too_large(const dwx_sections *s)
{
	return s->info.n > OFF_MASK || s->types.n > OFF_MASK || s->str.n > OFF_MASK ||
	       s->line_str.n > OFF_MASK || s->alt_info.n > OFF_MASK || s->alt_str.n > OFF_MASK ||
	       s->alt_line_str.n > OFF_MASK;
}

err dwx_build(const dwx_sections *parts, size_t n_parts, const dwx_options *o, dwx **ret, diag *d)
{
	uint64_t total = 0, abbrevs = 0;
	if (!n_parts || n_parts > DWX_PARTS_MAX)
		return diag_set(d, ERR_ARG, "%zu files with debug information at once", n_parts);
	for (size_t i = 0; i < n_parts; i++) {
		if (too_large(&parts[i]))
			return diag_set(d, ERR_LIMIT, "debug information over 64 GB");
		total += parts[i].info.n + parts[i].types.n;
		abbrevs += parts[i].abbrev.n + parts[i].alt_abbrev.n;
	}
	if (!total)
		return diag_set(d, ERR_NOTFOUND, "no .debug_info");
	dwx_builder b = {.part = parts, .n_parts = n_parts};
	if (o)
		b.o = *o;
	if (b.o.progress)
		atomic_store(&b.o.progress->total, total);
	/* Each table is read once or twice; a file that wants more is made to keep us busy. */
	b.abbrevs.budget = abbrevs * 64 + total * 2 + (1 << 20);
	arena_init(&b.dirs_arena);
	(void)append(&b, 0, 0, F_DROP, 0);
	vec_grow_((void **)&b.scope, &b.cap_scope, 1, sizeof *b.scope);
	b.scope[b.n_scope++] = (dwx_scope){{0, 0}};
	for (size_t i = 0; i < n_parts && !b.stop; i++)
		scan_part(&b, (uint16_t)i);
	dwx *x = b.stop ? NULL : finish(&b);
	err e = b.stop;
	builder_deinit(&b);
	if (!x)
		return diag_set(d, e, e == ERR_LIMIT ? "more than %d names" : "stopped (limit %d)",
			DWX_ENTRIES_MAX);
	x->part = mem_alloc(n_parts * sizeof *x->part);
	memcpy(x->part, parts, n_parts * sizeof *x->part);
	x->n_parts = n_parts;
	*ret = x;
	return ERR_OK;
}
