/* map: see map.h. Open addressing over indexes into a dense entry array. */
#include "base/map.h"

uint64_t hash_bytes(const void *p, size_t n)
{
	const uint8_t *b = (const uint8_t *)p;
	uint64_t h = 0xcbf29ce484222325ull; /* FNV-1a */
	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * 0x100000001b3ull;
	return h ^ h >> 29;
}

uint64_t hash_fold(str s)
{
	uint64_t h = 0xcbf29ce484222325ull;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c >= 'A' && c <= 'Z')
			c += 32;
		h = (h ^ c) * 0x100000001b3ull;
	}
	return h ^ h >> 29;
}

static uint64_t mix(uint64_t k)
{
	k ^= k >> 33;
	k *= 0xff51afd7ed558ccdull;
	return k ^ k >> 33;
}

void map_init(map *m)
{
	*m = (map){0};
}

void map_init_fold(map *m)
{
	*m = (map){.fold = true};
}

void map_clear(map *m)
{
	for (size_t i = 0; i < m->n; i++)
		mem_free((void *)(uintptr_t)m->e[i].skey.p);
	m->n = m->live = 0;
	if (m->nslots)
		memset(m->slots, 0, m->nslots * sizeof *m->slots);
}

void map_deinit(map *m)
{
	map_clear(m);
	mem_free(m->e);
	mem_free(m->slots);
	*m = (map){.fold = m->fold};
}

static bool same(const map *m, const map_entry *e, uint64_t key, const str *s)
{
	if (!e->live || e->key != key)
		return false;
	return !s || (m->fold ? str_ieq(e->skey, *s) : str_eq(e->skey, *s));
}

static map_entry *find(const map *m, uint64_t key, const str *s)
{
	if (!m->nslots)
		return NULL;
	for (size_t i = mix(key) & (m->nslots - 1); m->slots[i]; i = (i + 1) & (m->nslots - 1)) {
		map_entry *e = &m->e[m->slots[i] - 1];
		if (same(m, e, key, s))
			return e;
	}
	return NULL;
}

static void link_slot(map *m, size_t index)
{
	size_t i = mix(m->e[index].key) & (m->nslots - 1);
	while (m->slots[i])
		i = (i + 1) & (m->nslots - 1);
	m->slots[i] = (uint32_t)index + 1;
}

static void grow(map *m)
{
	/* Dead entries are squeezed out here; the slot array is rebuilt. */
	size_t n = 0;
	for (size_t i = 0; i < m->n; i++)
		if (m->e[i].live)
			m->e[n++] = m->e[i];
	m->n = n;
	size_t nslots = 16;
	while (nslots < (n + 1) * 4)
		nslots *= 2;
	mem_free(m->slots);
	m->slots = mem_alloc(nslots * sizeof *m->slots);
	m->nslots = nslots;
	for (size_t i = 0; i < n; i++)
		link_slot(m, i);
}

static void set(map *m, uint64_t key, const str *s, void *val)
{
	map_entry *old = find(m, key, s);
	if (old) {
		old->val = val;
		return;
	}
	if ((m->n + 1) * 2 > m->nslots)
		grow(m);
	vec_grow_((void **)&m->e, &m->cap, m->n + 1, sizeof *m->e);
	map_entry e = {.key = key, .val = val, .live = true};
	if (s) {
		char *copy = mem_alloc(s->n + 1);
		if (s->n)
			memcpy(copy, s->p, s->n);
		e.skey = (str){copy, s->n};
	}
	m->e[m->n] = e;
	link_slot(m, m->n++);
	m->live++;
}

static bool del(map *m, uint64_t key, const str *s)
{
	map_entry *e = find(m, key, s);
	if (!e)
		return false;
	mem_free((void *)(uintptr_t)e->skey.p);
	e->skey = (str){0};
	e->live = false;
	e->val = NULL;
	m->live--;
	return true;
}

static uint64_t skey(const map *m, str s)
{
	return m->fold ? hash_fold(s) : hash_bytes(s.p, s.n);
}

void *map_get(const map *m, uint64_t key)
{
	map_entry *e = find(m, key, NULL);
	return e ? e->val : NULL;
}

bool map_has(const map *m, uint64_t key)
{
	return find(m, key, NULL);
}

void map_set(map *m, uint64_t key, void *val)
{
	set(m, key, NULL, val);
}

bool map_del(map *m, uint64_t key)
{
	return del(m, key, NULL);
}

void *map_gets(const map *m, str key)
{
	map_entry *e = find(m, skey(m, key), &key);
	return e ? e->val : NULL;
}

bool map_hass(const map *m, str key)
{
	return find(m, skey(m, key), &key);
}

void map_sets(map *m, str key, void *val)
{
	set(m, skey(m, key), &key, val);
}

bool map_dels(map *m, str key)
{
	return del(m, skey(m, key), &key);
}

map_entry *map_next(const map *m, map_entry *e)
{
	size_t i = e ? (size_t)(e - m->e) + 1 : 0;
	while (i < m->n && !m->e[i].live)
		i++;
	return i < m->n ? &m->e[i] : NULL;
}
