/*
 * pdb_type: the type streams (TPI and IPI). See pdb.h.
 *
 * A type is found by index through the index substream (one entry every 8 KB) and a short walk, by
 * name by looking for its bucket number in the hash values, which stand in type order. Damaged
 * files may hold cycles: every walk from type to type has a stated depth.
 */
#include "fmt/pdb_impl.h"

#include "base/bisect.h"

#include <zlib.h>

enum {
	WALK = 4096,	       /* records from an index entry to the one wanted */
	CHAINS_AFTER = 16,     /* questions to the hash that are answered without chains */
	BUCKETS_MAX = 1 << 20, /* of a hash that is worth chains; linkers write 0x3ffff at most */
	POLL = 4096
};

/* ---- records by index ---- */

/* Walks the whole stream once and remembers where every 64th record stands. */
static void make_marks(pdb *f, pdb_tpi *t)
{
	size_t cap = (t->end - t->first) / PDB_MARK_EVERY + 1;
	t->marks = arena_array(&f->a, cap, sizeof *t->marks);
	pdb_iter it = pdb_iter_at(f, t->stream, t->recs.off, t->recs.off + t->recs.size);
	cv_rec c;
	for (size_t i = 0; i < t->end - t->first && pdb_iter_next(&it, &c); i++)
		if (i % PDB_MARK_EVERY == 0)
			t->marks[t->nmarks++] = c.at;
}

static bool walk_to(pdb *f, pdb_tpi *t, uint64_t off, uint32_t steps, cv_rec *ret)
{
	pdb_iter it = pdb_iter_at(f, t->stream, off, t->recs.off + t->recs.size);
	cv_rec c;
	do {
		if (!pdb_iter_next(&it, &c))
			return false;
	} while (steps-- > 0);
	*ret = c;
	return true;
}

static uint32_t index_type(pdb *f, const pdb_tpi *t, uint32_t i)
{
	return pdb_u32(f, t->index.stream, t->index.off + 8 * (uint64_t)i);
}

/* Number of index entries at or below ti. */
static uint32_t index_upto(pdb *f, const pdb_tpi *t, uint32_t ti)
{
	return (uint32_t)BISECT(i, t->index.size / 8, index_type(f, t, (uint32_t)i) <= ti);
}

/* Offsets of the records of index entry i, n of them; 0 for those that are damaged. */
static const uint32_t *block_of(pdb *f, pdb_tpi *t, uint32_t i, uint32_t n)
{
	if (!t->blocks)
		t->blocks = arena_array(&f->a, t->index.size / 8, sizeof *t->blocks);
	if (!t->blocks[i]) {
		uint64_t off = pdb_u32(f, t->index.stream, t->index.off + 8 * (uint64_t)i + 4);
		uint32_t *at = arena_array(&f->a, n, sizeof *at);
		pdb_iter it =
			pdb_iter_at(f, t->stream, t->recs.off + off, t->recs.off + t->recs.size);
		cv_rec c;
		for (uint32_t k = 0; k < n && pdb_iter_next(&it, &c); k++)
			at[k] = c.at;
		t->blocks[i] = at;
	}
	return t->blocks[i];
}

bool pdb_tpi_rec(pdb *f, pdb_tpi *t, uint32_t ti, cv_rec *ret)
{
	if (!t->ok || ti < t->first || ti >= t->end)
		return false;
	if (!t->marks) {
		uint32_t n = index_upto(f, t, ti);
		if (n) {
			uint32_t from = index_type(f, t, n - 1);
			uint32_t end = n < t->index.size / 8 ? index_type(f, t, n) : t->end;
			/* a block as the file says, unless that makes no sense */
			if (from >= t->first && end > ti && end <= t->end && end - from <= WALK) {
				uint32_t at = block_of(f, t, n - 1, end - from)[ti - from];
				return at && pdb_rec_at(f, t->stream, at,
						     t->recs.off + t->recs.size, ret);
			}
		}
		make_marks(f, t);
	}
	size_t mark = (ti - t->first) / PDB_MARK_EVERY;
	return mark < t->nmarks &&
	       walk_to(f, t, t->marks[mark], (ti - t->first) % PDB_MARK_EVERY, ret);
}

uint32_t pdb_ntypes(pdb *f)
{
	return f->tpi.ok ? f->tpi.end - f->tpi.first : 0;
}

uint32_t pdb_type_first(pdb *f)
{
	return f->tpi.ok ? f->tpi.first : 0x1000;
}

/* ---- basic types ---- */

typedef struct basic {
	uint8_t id, size;
	pdb_tkind kind;
	const char *name;
} basic;

/* docs/codeview/primitive_types.md; names as C spells them. */
static const basic basics[] = {
	{0x03, 0, PDB_T_VOID, "void"},
	{0x08, 4, PDB_T_HRESULT, "HRESULT"},
	{0x10, 1, PDB_T_INT, "signed char"},
	{0x20, 1, PDB_T_UINT, "unsigned char"},
	{0x68, 1, PDB_T_INT, "signed char"},
	{0x69, 1, PDB_T_UINT, "unsigned char"},
	{0x70, 1, PDB_T_CHAR, "char"},
	{0x71, 2, PDB_T_WCHAR, "wchar_t"},
	{0x7a, 2, PDB_T_WCHAR, "char16_t"},
	{0x7b, 4, PDB_T_WCHAR, "char32_t"},
	{0x7c, 1, PDB_T_CHAR, "char8_t"},
	{0x11, 2, PDB_T_INT, "short"},
	{0x21, 2, PDB_T_UINT, "unsigned short"},
	{0x72, 2, PDB_T_INT, "short"},
	{0x73, 2, PDB_T_UINT, "unsigned short"},
	{0x12, 4, PDB_T_INT, "long"},
	{0x22, 4, PDB_T_UINT, "unsigned long"},
	{0x74, 4, PDB_T_INT, "int"},
	{0x75, 4, PDB_T_UINT, "unsigned int"},
	{0x13, 8, PDB_T_INT, "__int64"},
	{0x23, 8, PDB_T_UINT, "unsigned __int64"},
	{0x76, 8, PDB_T_INT, "__int64"},
	{0x77, 8, PDB_T_UINT, "unsigned __int64"},
	{0x14, 16, PDB_T_INT, "__int128"},
	{0x24, 16, PDB_T_UINT, "unsigned __int128"},
	{0x78, 16, PDB_T_INT, "__int128"},
	{0x79, 16, PDB_T_UINT, "unsigned __int128"},
	{0x46, 2, PDB_T_FLOAT, "_Float16"},
	{0x40, 4, PDB_T_FLOAT, "float"},
	{0x45, 4, PDB_T_FLOAT, "float"},
	{0x44, 6, PDB_T_FLOAT, "float48"},
	{0x41, 8, PDB_T_FLOAT, "double"},
	{0x42, 10, PDB_T_FLOAT, "long double"},
	{0x43, 16, PDB_T_FLOAT, "__float128"},
	{0x50, 8, PDB_T_COMPLEX, "_Complex float"},
	{0x51, 16, PDB_T_COMPLEX, "_Complex double"},
	{0x52, 20, PDB_T_COMPLEX, "_Complex long double"},
	{0x30, 1, PDB_T_BOOL, "bool"},
	{0x31, 2, PDB_T_BOOL, "bool16"},
	{0x32, 4, PDB_T_BOOL, "bool32"},
	{0x33, 8, PDB_T_BOOL, "bool64"},
	{0x34, 16, PDB_T_BOOL, "bool128"},
};

static err basic_get(uint32_t ti, pdb_type *t)
{
	/* Bits 8-10: 0 the type itself, else a pointer to it: 4 32-bit, 6 64-bit, 7 128-bit. */
	static const uint8_t width[8] = {0, 2, 4, 4, 4, 6, 8, 16};
	uint32_t mode = ti >> 8 & 7;
	if (ti & 0xf800)
		return ERR_CORRUPT;
	if (ti == 0x103) { /* std::nullptr_t */
		t->kind = PDB_T_PTR;
		t->elem = 0x03;
		t->size = 8;
		t->name = STR("std::nullptr_t");
		return ERR_OK;
	}
	if (mode) {
		t->kind = PDB_T_PTR;
		t->elem = ti & 0xff;
		t->size = width[mode];
		return ERR_OK;
	}
	if (ti == 0 || ti == 7) {
		t->name = ti ? STR("<not translated>") : STR("<no type>");
		return ERR_OK;
	}
	for (size_t i = 0; i < ARRAY_LEN(basics); i++) {
		if (basics[i].id == ti) {
			t->kind = basics[i].kind;
			t->size = basics[i].size;
			t->name = str_of(basics[i].name);
			return ERR_OK;
		}
	}
	return ERR_NOTFOUND;
}

/* ---- records ---- */

bool pdb_is_tag(uint16_t leaf)
{
	switch (leaf) {
	case LF_CLASS:
	case LF_STRUCTURE:
	case LF_INTERFACE:
	case LF_UNION:
	case LF_ENUM:
	case LF_CLASS2:
	case LF_STRUCTURE2:
	case LF_UNION2:
	case LF_INTERFACE2:
		return true;
	default:
		return false;
	}
}

static bool unnamed(str s)
{
	static const char *const tags[] = {"<unnamed-tag>", "__unnamed", "<anonymous-tag>"};
	size_t colon = str_rchr(s, ':');
	str last = colon == SIZE_MAX ? s : str_skip(s, colon + 1);
	for (size_t i = 0; i < ARRAY_LEN(tags); i++)
		if (str_eq(last, str_of(tags[i])))
			return true;
	return !s.n;
}

static void read_names(reader *r, pdb_type *t)
{
	t->name = rd_cstr(r);
	if (t->props & CV_PROP_UNIQUE && rd_left(r))
		t->unique = rd_cstr(r);
	t->forward = t->props & CV_PROP_FWDREF;
	t->anonymous = unnamed(t->name);
}

static void read_tag(reader *r, pdb_type *t)
{
	/* LF_xxx2 have 32 bits of properties, and the count as a numeric leaf behind the indices.
	 */
	bool wide = t->leaf >= LF_CLASS2, neg;
	bool is_union = t->leaf == LF_UNION || t->leaf == LF_UNION2;
	if (!wide)
		t->count = rd_u16(r);
	t->props = rd_u16(r);
	if (wide)
		rd_skip(r, 2);
	t->fields = rd_u32(r);
	if (!is_union) {
		t->derived = rd_u32(r);
		t->vshape = rd_u32(r);
	}
	if (wide)
		t->count = (uint32_t)cv_number(r, &neg);
	t->size = cv_number(r, &neg);
	read_names(r, t);
	t->kind = is_union						? PDB_T_UNION
		  : t->leaf == LF_CLASS || t->leaf == LF_CLASS2		? PDB_T_CLASS
		  : t->leaf == LF_INTERFACE || t->leaf == LF_INTERFACE2 ? PDB_T_INTERFACE
									: PDB_T_STRUCT;
}

static void read_pointer(reader *r, pdb_type *t)
{
	t->elem = rd_u32(r);
	uint32_t attr = rd_u32(r), mode = attr >> 5 & 7;
	t->size = attr >> 13 & 0x3f;
	if (!t->size)
		t->size = (attr & 0x1f) == 0xc ? 8 : (attr & 0x1f) == 0xa ? 4 : 0;
	t->quals = (uint8_t)((attr & 0x400 ? PDB_CONST_ : 0) | (attr & 0x200 ? PDB_VOLATILE : 0) |
			     (attr & 0x800 ? PDB_UNALIGNED : 0));
	t->kind = mode == 1		   ? PDB_T_REF
		  : mode == 4		   ? PDB_T_RVREF
		  : mode == 2 || mode == 3 ? PDB_T_MEMPTR
					   : PDB_T_PTR;
	if (t->kind == PDB_T_MEMPTR)
		t->klass = rd_u32(r);
}

static void read_function(reader *r, pdb_type *t)
{
	bool method = t->leaf == LF_MFUNCTION;
	t->kind = method ? PDB_T_METHOD : PDB_T_FUNC;
	t->elem = rd_u32(r);
	if (method) {
		t->klass = rd_u32(r);
		t->this_type = rd_u32(r);
	}
	t->call = rd_u8(r);
	rd_skip(r, 1); /* attributes */
	t->count = rd_u16(r);
	t->args = rd_u32(r);
	if (method)
		t->this_adjust = (int32_t)rd_u32(r);
}

static err type_of(pdb *f, const cv_rec *c, uint32_t ti, pdb_type *ret)
{
	reader r = rd_of(c->p, c->n);
	pdb_type t = {.ti = ti, .leaf = c->kind};
	bool neg;
	switch (c->kind) {
	case LF_MODIFIER:
		t.kind = PDB_T_MODIFIER;
		t.elem = rd_u32(&r);
		t.quals = rd_u16(&r) & 7;
		break;
	case LF_POINTER:
		read_pointer(&r, &t);
		break;
	case LF_PROCEDURE:
	case LF_MFUNCTION:
		read_function(&r, &t);
		break;
	case LF_ARRAY:
		t.kind = PDB_T_ARRAY;
		t.elem = rd_u32(&r);
		t.index = rd_u32(&r);
		t.size = cv_number(&r, &neg);
		t.name = rd_cstr(&r);
		break;
	case LF_ENUM:
		t.kind = PDB_T_ENUM;
		t.count = rd_u16(&r);
		t.props = rd_u16(&r);
		t.elem = rd_u32(&r);
		t.fields = rd_u32(&r);
		read_names(&r, &t);
		if (!t.forward && t.elem < pdb_type_first(f))
			t.size = pdb_type_size(f, t.elem);
		break;
	case LF_BITFIELD:
		t.kind = PDB_T_BITFIELD;
		t.elem = rd_u32(&r);
		t.bit_len = rd_u8(&r);
		t.bit_pos = rd_u8(&r);
		break;
	case LF_VTSHAPE:
		t.kind = PDB_T_VTSHAPE;
		t.count = rd_u16(&r);
		break;
	case LF_ALIAS:
		t.kind = PDB_T_ALIAS;
		t.elem = rd_u32(&r);
		t.name = rd_cstr(&r);
		break;
	default:
		if (pdb_is_tag(c->kind))
			read_tag(&r, &t);
		break; /* lists have no kind of their own */
	}
	if (r.bad)
		return ERR_CORRUPT;
	*ret = t;
	return ERR_OK;
}

err pdb_type_get(pdb *f, uint32_t ti, pdb_type *ret)
{
	cv_rec c;
	if (ti < pdb_type_first(f)) {
		pdb_type t = {.ti = ti};
		TRY(basic_get(ti, &t));
		*ret = t;
		return ERR_OK;
	}
	if (!pdb_tpi_rec(f, &f->tpi, ti, &c))
		return ERR_NOTFOUND;
	return type_of(f, &c, ti, ret);
}

uint64_t pdb_type_size(pdb *f, uint32_t ti)
{
	pdb_type t;
	for (int i = 0; i < PDB_TYPE_DEPTH && ti; i++) {
		if (pdb_type_get(f, ti, &t) != ERR_OK)
			return 0;
		if (t.kind == PDB_T_MODIFIER || t.kind == PDB_T_BITFIELD || t.kind == PDB_T_ALIAS) {
			ti = t.elem;
		} else if (t.forward) {
			uint32_t def = pdb_type_def(f, ti);
			if (def == ti)
				return 0;
			ti = def;
		} else {
			return t.size;
		}
	}
	return 0;
}

/* ---- the hash ---- */

static uint32_t hash_of(pdb *f, const pdb_tpi *t, uint32_t i)
{
	uint64_t at = t->hashes.off + (uint64_t)i * t->key_size;
	return t->key_size == 4 ? pdb_u32(f, t->hashes.stream, at)
				: pdb_u16(f, t->hashes.stream, at);
}

static void make_chains(pdb *f, pdb_tpi *t)
{
	uint32_t n = t->end - t->first;
	t->heads = arena_array(&f->a, t->nbuckets, sizeof *t->heads);
	t->chain = arena_array(&f->a, n, sizeof *t->chain);
	for (uint32_t i = n; i-- > 0;) {
		uint32_t b = hash_of(f, t, i);
		if (b < t->nbuckets) {
			t->chain[i] = t->heads[b];
			t->heads[b] = i + 1;
		}
	}
}

/*
 * Next type from *ti on whose hash value is want; false at the end. *ti is the first type of all or
 * stands behind one that this found.
 */
static bool hash_next(pdb *f, pdb_tpi *t, uint32_t want, uint32_t *ti)
{
	uint32_t n = t->end - t->first, i = *ti - t->first;
	if (!i && !t->heads && ++t->asked > CHAINS_AFTER && t->nbuckets <= BUCKETS_MAX)
		make_chains(f, t);
	if (t->heads) {
		uint32_t next = i ? t->chain[i - 1] : t->heads[want];
		*ti = t->first + next - 1;
		return next != 0;
	}
	while (i < n) {
		const uint8_t *p;
		size_t left = msf_span(
			f->m, t->hashes.stream, t->hashes.off + (uint64_t)i * t->key_size, &p);
		size_t k = left / t->key_size;
		if (!left)
			return false;
		if (!k) { /* a value across the end of a piece */
			uint8_t b[4];
			if (msf_read(f->m, t->hashes.stream,
				    t->hashes.off + (uint64_t)i * t->key_size, b,
				    t->key_size) != ERR_OK)
				return false;
			if (le_get(b, t->key_size) == want) {
				*ti = t->first + i;
				return true;
			}
			i++;
			continue;
		}
		if (k > n - i)
			k = n - i;
		for (size_t j = 0; j < k; j++) {
			if ((t->key_size == 4 ? le32(p + 4 * j) : le16(p + 2 * j)) == want) {
				*ti = t->first + i + (uint32_t)j;
				return true;
			}
		}
		i += (uint32_t)k;
	}
	return false;
}

/* The next record from *ti on that may have this hash: in a file without hashes every one. */
static bool candidate(pdb *f, pdb_tpi *t, uint32_t hash, uint32_t *ti)
{
	if (!t->ok || *ti >= t->end)
		return false;
	return t->hashes.size ? hash_next(f, t, hash % t->nbuckets, ti) : !pdb_stop(f);
}

/* A definition by tag, or by decorated tag if unique is not empty. */
static uint32_t find_tag(pdb *f, str key, str name, str unique, bool fold)
{
	pdb_tpi *t = &f->tpi;
	uint32_t hash = pdb_hash_v1(key);
	for (uint32_t ti = t->first; candidate(f, t, hash, &ti); ti++) {
		pdb_type x;
		cv_rec c;
		if (!pdb_tpi_rec(f, t, ti, &c) || !(pdb_is_tag(c.kind) || c.kind == LF_ALIAS) ||
			type_of(f, &c, ti, &x) != ERR_OK || x.forward)
			continue;
		if (unique.n && x.unique.n ? str_eq(unique, x.unique)
			: fold		   ? str_ieq(name, x.name)
					   : str_eq(name, x.name))
			return ti;
	}
	return 0;
}

uint32_t pdb_type_def(pdb *f, uint32_t ti)
{
	pdb_type t;
	if (ti < pdb_type_first(f) || pdb_type_get(f, ti, &t) != ERR_OK || !t.forward)
		return ti;
	uintptr_t known = (uintptr_t)map_get(&f->defs, ti);
	if (!known) {
		/* Definitions inside functions are filed under their decorated name. */
		uint32_t def = t.anonymous ? 0 : find_tag(f, t.name, t.name, t.unique, false);
		if (!def && t.unique.n)
			def = find_tag(f, t.unique, t.name, t.unique, false);
		known = def ? def : ti;
		map_set(&f->defs, ti, (void *)known);
	}
	return (uint32_t)known;
}

uint32_t pdb_type_strip(pdb *f, uint32_t ti)
{
	pdb_type t;
	for (int i = 0; i < PDB_TYPE_DEPTH; i++) {
		if (pdb_type_get(f, ti, &t) != ERR_OK ||
			(t.kind != PDB_T_MODIFIER && t.kind != PDB_T_ALIAS))
			break;
		ti = t.elem;
	}
	return pdb_type_def(f, ti);
}

static bool take_udt(void *u, const pdb_sym *s)
{
	*(uint32_t *)u = s->type;
	return false;
}

err pdb_type_find(pdb *f, str name, bool fold, uint32_t *ret)
{
	uint32_t ti = f->tpi.ok ? find_tag(f, name, name, (str){"", 0}, fold) : 0;
	if (!ti && pdb_global_find(f, name, fold, PDB_MASK(PDB_UDT), take_udt, &ti) != ERR_OK)
		return ERR_NOTFOUND;
	if (!ti)
		return ERR_NOTFOUND;
	*ret = pdb_type_def(f, ti);
	return ERR_OK;
}

err pdb_type_pointer_to(pdb *f, uint32_t ti, uint32_t *ret)
{
	bool wide = f->id.machine != 0x14c && f->id.machine != 0x1c4;
	if (ti < pdb_type_first(f) && !(ti & 0x700)) {
		*ret = ti | (wide ? 0x600 : 0x400);
		return ERR_OK;
	}
	/* Types without a name are filed under the CRC of their record (docs/pdb/tpi_stream.md):
	 * without the inversions of the usual one. A plain pointer has only one form. */
	uint8_t rec[12] = {0x0a, 0x00, 0x02, 0x10};
	put32(rec + 4, ti);
	put32(rec + 8, wide ? 0x1000c : 0x800a);
	uint32_t crc = ~(uint32_t)crc32(0xffffffff, rec, sizeof rec);
	pdb_tpi *t = &f->tpi;
	for (uint32_t p = t->first; candidate(f, t, crc, &p); p++) {
		pdb_type x;
		if (pdb_type_get(f, p, &x) == ERR_OK && x.kind == PDB_T_PTR && x.elem == ti &&
			!x.quals) {
			*ret = p;
			return ERR_OK;
		}
	}
	return ERR_NOTFOUND;
}

/* ---- all of them ---- */

typedef struct alias_cb {
	bool (*cb)(void *u, const pdb_type *t);
	void *u;
	bool stop;
} alias_cb;

static bool give_alias(void *u, const pdb_sym *s)
{
	alias_cb *a = u;
	pdb_type t = {.ti = s->type, .kind = PDB_T_ALIAS, .name = s->name, .elem = s->type};
	a->stop = !a->cb(a->u, &t);
	return !a->stop;
}

err pdb_type_each(pdb *f, bool typedefs, bool (*cb)(void *u, const pdb_type *t), void *u)
{
	return pdb_type_like(f, typedefs, STR("*"), cb, u);
}

err pdb_type_like(
	pdb *f, bool typedefs, str pattern, bool (*cb)(void *u, const pdb_type *t), void *u)
{
	pdb_tpi *t = &f->tpi;
	if (!t->ok)
		return ERR_NOTFOUND;
	pdb_iter it = pdb_iter_at(f, t->stream, t->recs.off, t->recs.off + t->recs.size);
	cv_rec c;
	for (uint32_t ti = t->first; ti < t->end && pdb_iter_next(&it, &c); ti++) {
		pdb_type x;
		if (ti % POLL == 0 && pdb_poll(f))
			return ERR_CANCELLED;
		if (pdb_is_tag(c.kind) && type_of(f, &c, ti, &x) == ERR_OK && !x.forward &&
			!cb(u, &x))
			return ERR_OK;
	}
	if (it.bad)
		return ERR_CORRUPT;
	alias_cb a = {cb, u, false};
	if (typedefs) {
		err e = pdb_each_like(f, PDB_MASK(PDB_UDT), pattern, give_alias, &a);
		return e == ERR_NOTFOUND ? ERR_OK : e;
	}
	return ERR_OK;
}

/* ---- IPI ---- */

static str string_id(pdb *f, uint32_t id)
{
	cv_rec c;
	if (!pdb_tpi_rec(f, &f->ipi, id, &c) || c.kind != LF_STRING_ID)
		return (str){"", 0};
	reader r = rd_of(c.p, c.n);
	rd_skip(&r, 4); /* list of further pieces, for very long ones */
	return rd_cstr(&r);
}

err pdb_func_id(pdb *f, uint32_t id, str *scope, str *name, uint32_t *type)
{
	cv_rec c;
	pdb_type t;
	if (!pdb_tpi_rec(f, &f->ipi, id, &c) || (c.kind != LF_FUNC_ID && c.kind != LF_MFUNC_ID))
		return ERR_NOTFOUND;
	reader r = rd_of(c.p, c.n);
	uint32_t parent = rd_u32(&r), ti = rd_u32(&r);
	str n = rd_cstr(&r), s = {"", 0};
	if (r.bad)
		return ERR_CORRUPT;
	if (c.kind == LF_FUNC_ID)
		s = string_id(f, parent);
	else if (pdb_type_get(f, parent, &t) == ERR_OK)
		s = t.name;
	*scope = s;
	*name = n;
	*type = ti;
	return ERR_OK;
}
