/*
 * map: hash tables from uint64_t or str to a pointer. Keys of type str are copied into the table.
 * Iteration order is insertion order as long as nothing was removed.
 */
#ifndef RS_BASE_MAP_H
#define RS_BASE_MAP_H

#include "base/str.h"

typedef struct map_entry {
	uint64_t key;
	str skey; /* only in string maps; copy owned by the map */
	void *val;
	bool live;
} map_entry;

typedef struct map {
	map_entry *e;
	size_t n, live, cap;
	uint32_t *slots; /* index + 1 into e; 0 empty */
	size_t nslots;
	bool fold; /* string keys: ASCII case folded */
} map;

void map_init(map *m);
void map_init_fold(map *m); /* string keys compare case folded */
void map_deinit(map *m);
void map_clear(map *m);

void *map_get(const map *m, uint64_t key); /* NULL if absent */
bool map_has(const map *m, uint64_t key);
void map_set(map *m, uint64_t key, void *val);
bool map_del(map *m, uint64_t key);

void *map_gets(const map *m, str key);
bool map_hass(const map *m, str key);
void map_sets(map *m, str key, void *val);
bool map_dels(map *m, str key);

/* for (map_entry *e = NULL; (e = map_next(&m, e));) ... ; removing the current entry is legal. */
map_entry *map_next(const map *m, map_entry *e);

uint64_t hash_bytes(const void *p, size_t n);
uint64_t hash_fold(str s);

#endif
