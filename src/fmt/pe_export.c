/*
 * pe_export: the export directory, read sparingly. See pe.h.
 *
 * Invariant: struct pe_exports exists after the first question; its tables (addresses, ordinals,
 * names' RVAs) are read whole only when an address is asked for, since a lookup by name needs a
 * dozen names of thousands.
 */
#include "fmt/pe.h"

#include "base/bisect.h"

#include <stdlib.h>

enum { EXPORT_SIZE = 40 };

struct pe_exports {
	uint32_t name, base, nfuncs, nnames;
	uint32_t funcs_rva, names_rva, ords_rva;
	bool tables;	  /* the arrays below are there */
	uint8_t *funcs;	  /* nfuncs * 4 */
	uint8_t *names;	  /* nnames * 4 */
	uint8_t *ords;	  /* nnames * 2 */
	uint32_t *by_rva; /* function indices sorted by address, forwarders left out */
	size_t nby_rva;
	uint32_t *name_of; /* function index -> name index + 1 */
};

static err read_directory(const pe_view *p, struct pe_exports *x)
{
	uint8_t b[EXPORT_SIZE];
	if (!p->dir[PE_DIR_EXPORT].rva || p->dir[PE_DIR_EXPORT].size < EXPORT_SIZE)
		return ERR_NOTFOUND;
	TRY(pe_read(p, p->dir[PE_DIR_EXPORT].rva, b, sizeof b));
	x->name = le32(b + 12);
	x->base = le32(b + 16);
	x->nfuncs = le32(b + 20);
	x->nnames = le32(b + 24);
	x->funcs_rva = le32(b + 28);
	x->names_rva = le32(b + 32);
	x->ords_rva = le32(b + 36);
	if (x->nfuncs > PE_MAX_EXPORTS || x->nnames > PE_MAX_EXPORTS)
		return ERR_CORRUPT;
	uint32_t top = UINT32_MAX - 4 * PE_MAX_EXPORTS;
	if (x->funcs_rva > top || x->names_rva > top || x->ords_rva > top)
		return ERR_CORRUPT;
	return ERR_OK;
}

static err exports(pe_view *p, struct pe_exports **ret)
{
	if (!p->exports) {
		struct pe_exports *x = arena_new(p->a, struct pe_exports);
		err e = read_directory(p, x);
		if (e == ERR_FAULT)
			return e; /* may be readable later: paged out */
		p->exports = x;
		p->exports_err = e;
	}
	if (p->exports_err != ERR_OK)
		return p->exports_err;
	*ret = p->exports;
	return ERR_OK;
}

err pe_export_module(const pe_view *p, arena *a, str *ret)
{
	struct pe_exports x = {0};
	TRY(read_directory(p, &x));
	return pe_read_z(p, a, x.name, PE_MAX_NAME, ret);
}

/* Fills rva, ordinal and forward of function i. */
static err entry_of(
	const pe_view *p, arena *a, const struct pe_exports *x, uint32_t i, pe_export *e)
{
	uint8_t b[4];
	if (i >= x->nfuncs)
		return ERR_CORRUPT;
	if (x->funcs)
		memcpy(b, x->funcs + 4 * (size_t)i, 4);
	else
		TRY(pe_read(p, x->funcs_rva + 4 * i, b, 4));
	e->rva = le32(b);
	e->ordinal = x->base + i;
	e->forward = (str){"", 0};
	if (!e->rva)
		return ERR_NOTFOUND; /* a gap in the ordinals */
	uint32_t dir = p->dir[PE_DIR_EXPORT].rva;
	if (e->rva >= dir && e->rva - dir < p->dir[PE_DIR_EXPORT].size)
		TRY(pe_read_z(p, a, e->rva, PE_MAX_NAME, &e->forward));
	return ERR_OK;
}

static err name_at(const pe_view *p, arena *a, const struct pe_exports *x, uint32_t i, str *ret)
{
	uint8_t b[4];
	if (x->names)
		memcpy(b, x->names + 4 * (size_t)i, 4);
	else
		TRY(pe_read(p, x->names_rva + 4 * i, b, 4));
	return pe_read_z(p, a, le32(b), PE_MAX_NAME, ret);
}

static int order(str a, str b)
{
	int c = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
	return c ? c : a.n < b.n ? -1 : a.n > b.n;
}

err pe_export_find(pe_view *p, arena *a, str name, pe_export *ret)
{
	struct pe_exports *x;
	TRY(exports(p, &x));
	uint32_t lo = 0, hi = x->nnames;
	arena tmp;
	arena_init(&tmp);
	err e = ERR_NOTFOUND;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		str s;
		err r = name_at(p, &tmp, x, mid, &s);
		if (r != ERR_OK) {
			e = r;
			break;
		}
		int c = order(name, s);
		if (!c) {
			uint8_t b[2];
			pe_export out = {.name = {"", 0}};
			e = pe_read(p, x->ords_rva + 2 * mid, b, 2);
			if (e == ERR_OK)
				e = entry_of(p, a, x, le16(b), &out);
			if (e == ERR_OK) {
				out.name = str_dup(a, s);
				*ret = out;
			}
			break;
		}
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	arena_deinit(&tmp);
	return e;
}

/* ---- whole tables ---- */

/* Function index and address, the address leading, so that sorting is one comparison. */
static int by_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static err tables(pe_view *p, struct pe_exports *x)
{
	if (x->tables)
		return ERR_OK;
	uint8_t *f = arena_array(p->a, x->nfuncs, 4);
	uint8_t *n = arena_array(p->a, x->nnames, 4);
	uint8_t *o = arena_array(p->a, x->nnames, 2);
	TRY(pe_read(p, x->funcs_rva, f, 4 * (size_t)x->nfuncs));
	TRY(pe_read(p, x->names_rva, n, 4 * (size_t)x->nnames));
	TRY(pe_read(p, x->ords_rva, o, 2 * (size_t)x->nnames));
	x->funcs = f;
	x->names = n;
	x->ords = o;
	x->by_rva = arena_array(p->a, x->nfuncs, 4);
	x->name_of = arena_array(p->a, x->nfuncs, 4);
	arena tmp;
	arena_init(&tmp);
	uint64_t *keys = arena_array(&tmp, x->nfuncs, 8);
	size_t k = 0;
	for (uint32_t i = 0; i < x->nfuncs; i++) {
		uint32_t rva = le32(f + 4 * (size_t)i), dir = p->dir[PE_DIR_EXPORT].rva;
		if (rva && !(rva >= dir && rva - dir < p->dir[PE_DIR_EXPORT].size))
			keys[k++] = (uint64_t)rva << 32 | i;
	}
	qsort(keys, k, sizeof *keys, by_u64);
	for (size_t i = 0; i < k; i++)
		x->by_rva[i] = (uint32_t)keys[i];
	x->nby_rva = k;
	arena_deinit(&tmp);
	for (uint32_t i = x->nnames; i-- > 0;) /* the first of several names wins */
		if (le16(o + 2 * (size_t)i) < x->nfuncs)
			x->name_of[le16(o + 2 * (size_t)i)] = i + 1;
	x->tables = true;
	return ERR_OK;
}

static err whole_entry(
	const pe_view *p, arena *a, const struct pe_exports *x, uint32_t i, pe_export *ret)
{
	pe_export out = {.name = {"", 0}};
	TRY(entry_of(p, a, x, i, &out));
	if (x->name_of[i])
		TRY(name_at(p, a, x, x->name_of[i] - 1, &out.name));
	*ret = out;
	return ERR_OK;
}

/* Number of sorted entries at or below rva. */
static size_t upto(const struct pe_exports *x, uint32_t rva)
{
	return BISECT(i, x->nby_rva, le32(x->funcs + 4 * (size_t)x->by_rva[i]) <= rva);
}

err pe_export_at(pe_view *p, arena *a, uint32_t rva, pe_export *ret, uint32_t *disp)
{
	struct pe_exports *x;
	TRY(exports(p, &x));
	TRY(tables(p, x));
	size_t n = upto(x, rva);
	if (!n)
		return ERR_NOTFOUND;
	/* Of several at one address take one with a name. */
	uint32_t pick = x->by_rva[n - 1], at = le32(x->funcs + 4 * (size_t)pick);
	for (size_t i = n; i-- > 0 && le32(x->funcs + 4 * (size_t)x->by_rva[i]) == at;)
		if (x->name_of[x->by_rva[i]])
			pick = x->by_rva[i];
	pe_export e;
	TRY(whole_entry(p, a, x, pick, &e));
	*disp = rva - e.rva;
	*ret = e;
	return ERR_OK;
}

err pe_export_after(pe_view *p, arena *a, uint32_t rva, pe_export *ret, uint32_t *disp)
{
	struct pe_exports *x;
	TRY(exports(p, &x));
	TRY(tables(p, x));
	size_t n = upto(x, rva);
	if (n == x->nby_rva)
		return ERR_NOTFOUND;
	pe_export e;
	TRY(whole_entry(p, a, x, x->by_rva[n], &e));
	*disp = e.rva - rva;
	*ret = e;
	return ERR_OK;
}

err pe_export_each(
	pe_view *p, arena *a, bool (*cb)(void *u, const pe_export *e), void *u, size_t *lost)
{
	struct pe_exports *x;
	size_t bad = 0;
	TRY(exports(p, &x));
	TRY(tables(p, x));
	/* Names in the order of their functions: counting sort by chaining. */
	arena tmp;
	arena_init(&tmp);
	uint32_t *next = arena_array(&tmp, x->nnames, 4); /* name index + 1 of the same function */
	uint32_t *first = arena_array(&tmp, x->nfuncs, 4);
	for (uint32_t i = x->nnames; i-- > 0;) {
		uint16_t o = le16(x->ords + 2 * (size_t)i);
		if (o >= x->nfuncs) {
			bad++;
			continue;
		}
		next[i] = first[o];
		first[o] = i + 1;
	}
	bool go = true;
	for (uint32_t f = 0; f < x->nfuncs && go; f++) {
		pe_export e = {.name = {"", 0}};
		err r = entry_of(p, a, x, f, &e);
		if (r != ERR_OK) {
			bad += r != ERR_NOTFOUND;
			continue;
		}
		if (!first[f])
			go = cb(u, &e);
		for (uint32_t i = first[f]; i && go; i = next[i - 1]) {
			if (name_at(p, a, x, i - 1, &e.name) != ERR_OK)
				bad++;
			else
				go = cb(u, &e);
		}
	}
	arena_deinit(&tmp);
	if (lost)
		*lost = bad;
	return ERR_OK;
}
