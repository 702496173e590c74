/*
 * nt_object: what the object manager puts before every object, its directories, and handle tables.
 *
 * Two generations are told apart by the fields that the kernel's types have. Up to NT 6.0 a header
 * points at its type and says how far before it the name stands; since 6.1 it has an index into
 * ObTypeIndexTable (since 10 mixed with a cookie and the header's own address) and a mask of the
 * parts that stand before it, each as large as its type. Entries of handle tables hold a pointer
 * with attributes in its low bits, or, since 6.3, bit fields. Where a type or a global is missing
 * the error names it.
 *
 * Sources: ReactOS sdk/include/ndk/obtypes.h, extypes.h, ntoskrnl/ex/handle.c; the fields' names
 * are those of Microsoft's public symbols.
 */
#include "os/nt/nt_int.h"

#include "base/reader.h"

enum {
	PAGE = 4096,
	HANDLE_STEP = 4,	   /* ntdef.h: the low two bits of a handle are the caller's */
	HANDLES_MAX = 1 << 24,	   /* of one table */
	DIRECTORY_MAX = 1 << 20,   /* entries */
	TABLE_LEVELS = 3,	   /* TableCode: level in the low two bits */
	LOW_BITS = 7,		   /* of a pointer in an entry: attributes */
	OLD_PROTECTED = 0x2000000, /* in GrantedAccess, where that is no attribute */
	INFO_CREATOR = 1,
	INFO_NAME = 2
};

static const char HEADER[] = "_OBJECT_HEADER";

/* ---- headers ---- */

static err type_by_index(nt *n, uint64_t header, uint64_t index, uint64_t *ret, diag *d)
{
	uint64_t table, cookie = 0;
	TRY(nt_global(&n->base, STR("ObTypeIndexTable"), &table, d));
	/* Before Windows 10 there is no cookie, and the index is plain. */
	if (nt_global_value(n, "ObHeaderCookie", 1, &cookie, NULL) == ERR_OK)
		index ^= cookie ^ (header >> 8 & 0xff);
	return nt_read_u64(n, table + 8 * index, ret, d);
}

/* Where the parts before a header are, if this build has such a part here; 0: not there. */
static uint64_t part_before(nt *n, uint64_t header, uint64_t mask, unsigned which)
{
	static const struct {
		unsigned bit;
		const char *type;
	} parts[] = {{INFO_CREATOR, "_OBJECT_HEADER_CREATOR_INFO"},
		{INFO_NAME, "_OBJECT_HEADER_NAME_INFO"}};
	uint64_t size;
	if (!(mask & which))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (!(mask & parts[i].bit))
			continue;
		if (nt_sizeof(n, parts[i].type, &size, NULL) != ERR_OK)
			return 0;
		header -= size;
		if (parts[i].bit == which)
			return header;
	}
	return 0;
}

err nt_object_of_header(nt *n, uint64_t header, nt_object *ret, diag *d)
{
	nt_off body;
	uint64_t v;
	nt_object o = {.header = header};
	TRY(nt_field(n, HEADER, "Body", &body, d));
	o.addr = header + body.off;
	TRY(nt_get(n, header, HEADER, "PointerCount", &o.pointers, d));
	TRY(nt_get(n, header, HEADER, "HandleCount", &o.handles, d));
	if (nt_get(n, header, HEADER, "TypeIndex", &v, NULL) == ERR_OK) {
		o.by_index = true;
		TRY(type_by_index(n, header, v, &o.type, d));
		v = nt_get_or(n, header, HEADER, "InfoMask", 0);
		o.creator_info = part_before(n, header, v, INFO_CREATOR);
		o.name_info = part_before(n, header, v, INFO_NAME);
	} else {
		TRY(nt_get(n, header, HEADER, "Type", &o.type, d));
		v = nt_get_or(n, header, HEADER, "NameInfoOffset", 0);
		o.name_info = v ? header - v : 0;
	}
	if (o.name_info)
		o.directory = nt_get_or(n, o.name_info, "_OBJECT_HEADER_NAME_INFO", "Directory", 0);
	*ret = o;
	return ERR_OK;
}

err nt_object_get(nt *n, uint64_t addr, nt_object *ret, diag *d)
{
	nt_off body;
	arena a;
	nt_object o;
	if (!nt_kernel_addr(addr))
		return diag_set(d, ERR_NOTFOUND, "%016llx is no object: not a kernel address",
			(unsigned long long)addr);
	TRY(nt_field(n, HEADER, "Body", &body, d));
	TRY(nt_object_of_header(n, addr - body.off, &o, d));
	/* Whatever stands before an address that is no object has hardly a type with a name. */
	arena_init(&a);
	bool named = nt_kernel_addr(o.type) && nt_object_type_name(n, o.type, &a).n;
	arena_deinit(&a);
	if (!named)
		return diag_set(d, ERR_NOTFOUND,
			"%016llx is no object: what stands before it is no header of one",
			(unsigned long long)addr);
	*ret = o;
	return ERR_OK;
}

static str string_at(nt *n, uint64_t base, const char *type, const char *path, arena *a)
{
	nt_off f;
	str s;
	if (!nt_kernel_addr(base) || nt_field(n, type, path, &f, NULL) != ERR_OK ||
		nt_read_string(n, NULL, base + f.off, a, &s, NULL) != ERR_OK)
		return STR("");
	return s;
}

str nt_object_type_name(nt *n, uint64_t type, arena *a)
{
	return string_at(n, type, "_OBJECT_TYPE", "Name", a);
}

str nt_object_name(nt *n, const nt_object *o, arena *a)
{
	return string_at(n, o->name_info, "_OBJECT_HEADER_NAME_INFO", "Name", a);
}

str nt_link_target(nt *n, uint64_t link, arena *a)
{
	return string_at(n, link, "_OBJECT_SYMBOLIC_LINK", "LinkTarget", a);
}

str nt_file_name(nt *n, uint64_t file, arena *a)
{
	return string_at(n, file, "_FILE_OBJECT", "FileName", a);
}

/* ---- directories ---- */

err nt_root_directory(nt *n, uint64_t *ret, diag *d)
{
	uint64_t at;
	TRY(nt_global(&n->base, STR("ObpRootDirectoryObject"), &at, d));
	return nt_read_u64(n, at, ret, d);
}

err nt_directory(nt *n, uint64_t dir, nt_directory_fn *fn, void *u, diag *d)
{
	static const char ENTRY[] = "_OBJECT_DIRECTORY_ENTRY";
	nt_off buckets;
	uint32_t seen = 0;
	TRY(nt_field(n, "_OBJECT_DIRECTORY", "HashBuckets", &buckets, d));
	for (uint32_t b = 0; b < buckets.whole / 8; b++) {
		/* An entry that is met again, by Brent's rule: it is remembered for twice as many
		 * steps each time. */
		uint64_t entry, object, mark = 0;
		uint32_t step = 1, left = 1;
		TRY(nt_read_u64(n, dir + buckets.off + 8 * (uint64_t)b, &entry, d));
		while (entry) {
			if (cancelled(n->base.host.cancel))
				return diag_set(d, ERR_CANCELLED, "interrupted");
			if (!nt_kernel_addr(entry) || entry == mark || ++seen > DIRECTORY_MAX)
				return diag_set(d, ERR_CORRUPT,
					"the directory at %016llx is damaged: bucket %u leads to "
					"%016llx",
					(unsigned long long)dir, b, (unsigned long long)entry);
			if (!--left) {
				mark = entry;
				left = step *= 2;
			}
			TRY(nt_get(n, entry, ENTRY, "Object", &object, d));
			if (!fn(u, b, object))
				return ERR_OK;
			TRY(nt_get(n, entry, ENTRY, "ChainLink", &entry, d));
		}
	}
	return ERR_OK;
}

typedef struct by_name {
	nt *n;
	arena *a;
	str name;
	uint64_t found;
} by_name;

static bool is_name(void *u, unsigned bucket, uint64_t object)
{
	by_name *b = u;
	nt_object o;
	if (nt_object_get(b->n, object, &o, NULL) != ERR_OK ||
		!str_ieq(nt_object_name(b->n, &o, b->a), b->name))
		return true;
	b->found = object;
	return false;
}

err nt_object_find(nt *n, str path, uint64_t *ret, diag *d)
{
	uint64_t at;
	arena a;
	arena_init(&a);
	err e = nt_root_directory(n, &at, d);
	for (str rest = path; e == ERR_OK && rest.n;) {
		nt_object o;
		while (rest.n && rest.p[0] == '\\')
			rest = str_skip(rest, 1);
		size_t end = str_chr(rest, '\\');
		str name = str_take(rest, end == SIZE_MAX ? rest.n : end);
		rest = str_skip(rest, name.n);
		if (!name.n)
			break;
		by_name b = {n, &a, name, 0};
		e = nt_object_get(n, at, &o, d);
		if (e == ERR_OK && !str_eq(nt_object_type_name(n, o.type, &a), STR("Directory")))
			e = diag_set(d, ERR_NOTFOUND,
				"%.*s: what stands before '%.*s' is no directory", STR_ARG(path),
				STR_ARG(name));
		if (e == ERR_OK)
			e = nt_directory(n, at, is_name, &b, d);
		if (e == ERR_OK && !b.found)
			e = diag_set(d, ERR_NOTFOUND, "%.*s: there is no '%.*s'", STR_ARG(path),
				STR_ARG(name));
		at = b.found;
	}
	arena_deinit(&a);
	*ret = at;
	return e;
}

/* ---- handles ---- */

/* Since 6.3 the count stands in the table's list of free entries. */
err nt_handle_count(nt *n, uint64_t table, uint64_t *ret, diag *d)
{
	static const char TABLE[] = "_HANDLE_TABLE";
	nt_off list;
	if (nt_get(n, table, TABLE, "HandleCount", ret, d) == ERR_OK)
		return ERR_OK;
	TRY(nt_field(n, TABLE, "FreeLists", &list, NULL));
	diag_clear(d);
	return nt_get(n, table + list.off, "_HANDLE_TABLE_FREE_LIST", "HandleCount", ret, d);
}

typedef struct entry_layout {
	nt_off pointer, access, attributes, next;
	bool bits; /* pointer and access are bit fields */
	bool has_attributes, has_next;
	uint64_t size;
} entry_layout;

static err layout_of(nt *n, entry_layout *l, diag *d)
{
	static const char ENTRY[] = "_HANDLE_TABLE_ENTRY";
	*l = (entry_layout){0};
	TRY(nt_sizeof(n, ENTRY, &l->size, d));
	if (l->size < 8 || l->size > PAGE / 2)
		return diag_set(d, ERR_CORRUPT, "nt!%s cannot be %llu bytes large", ENTRY,
			(unsigned long long)l->size);
	l->bits = nt_field(n, ENTRY, "ObjectPointerBits", &l->pointer, NULL) == ERR_OK;
	if (l->bits) {
		TRY(nt_field(n, ENTRY, "GrantedAccessBits", &l->access, d));
		l->has_attributes =
			nt_field(n, ENTRY, "Attributes", &l->attributes, NULL) == ERR_OK;
	} else {
		TRY(nt_field(n, ENTRY, "Object", &l->pointer, d));
		TRY(nt_field(n, ENTRY, "GrantedAccess", &l->access, d));
	}
	l->has_next = nt_field(n, ENTRY, "NextFreeTableEntry", &l->next, NULL) == ERR_OK;
	return ERR_OK;
}

static uint64_t take(const uint8_t *e, const entry_layout *l, const nt_off *f)
{
	if (!f->size || f->size > 8 || f->off + f->size > l->size)
		return 0;
	uint64_t v = le_get(e + f->off, f->size);
	if (f->bit_len && f->bit_len < 64)
		v = v >> f->bit_pos & ((1ULL << f->bit_len) - 1);
	return v;
}

static void decode(const uint8_t *e, const entry_layout *l, nt_handle *h)
{
	uint64_t v = take(e, l, &l->pointer);
	h->access = (uint32_t)take(e, l, &l->access);
	if (l->bits) {
		/* The pointer without its four low bits, which are zero, and its top ones. */
		v <<= 4;
		if (v && l->pointer.bit_len < 60)
			v |= ~0ULL << (l->pointer.bit_len + 4);
		if (l->has_attributes)
			h->attributes = (unsigned)take(e, l, &l->attributes);
	} else {
		h->attributes = v & (NT_HANDLE_INHERIT | NT_HANDLE_AUDIT);
		if (h->access & OLD_PROTECTED)
			h->attributes |= NT_HANDLE_PROTECTED;
		h->access &= ~(uint32_t)OLD_PROTECTED;
		v &= ~(uint64_t)LOW_BITS;
	}
	h->object = v;
	h->next_free = l->has_next ? take(e, l, &l->next) : 0;
}

/* Address of the page of entries that holds this index. */
static err page_of(nt *n, uint64_t code, uint64_t per_page, uint64_t index, uint64_t *ret, diag *d)
{
	uint64_t page = index / per_page, slots = PAGE / 8;
	unsigned level = code & 3;
	uint64_t at = code & ~3ULL;
	if (level >= TABLE_LEVELS)
		return diag_set(d, ERR_CORRUPT, "a handle table has no level %u", level);
	if (!level && page)
		return diag_set(d, ERR_NOTFOUND, "the table has one page of handles");
	if (level == 2)
		TRY(nt_read_u64(n, at + 8 * (page / slots), &at, d));
	if (level)
		TRY(nt_read_u64(n, at + 8 * (page % slots), &at, d));
	if (!nt_kernel_addr(at))
		return diag_set(d, ERR_CORRUPT, "the page of handle %llx is said to be at %016llx",
			(unsigned long long)(index * HANDLE_STEP), (unsigned long long)at);
	*ret = at;
	return ERR_OK;
}

err nt_handles(
	nt *n, uint64_t table, uint64_t first, uint64_t last, nt_handle_fn *fn, void *u, diag *d)
{
	entry_layout l;
	uint64_t code, end;
	uint8_t b[PAGE];
	TRY(layout_of(n, &l, d));
	TRY(nt_get(n, table, "_HANDLE_TABLE", "TableCode", &code, d));
	TRY(nt_get(n, table, "_HANDLE_TABLE", "NextHandleNeedingPool", &end, d));
	uint64_t per_page = PAGE / l.size;
	end /= HANDLE_STEP;
	if (end > HANDLES_MAX)
		return diag_set(d, ERR_CORRUPT, "the handle table at %016llx is damaged",
			(unsigned long long)table);
	if (last / HANDLE_STEP + 1 < end)
		end = last / HANDLE_STEP + 1;
	for (uint64_t i = first / HANDLE_STEP; i < end;) {
		uint64_t page = 0, k = i % per_page, stop = i - k + per_page;
		if (stop > end)
			stop = end;
		if (cancelled(n->base.host.cancel))
			return diag_set(d, ERR_CANCELLED, "interrupted");
		TRY(page_of(n, code, per_page, i, &page, d));
		TRY(nt_read(n, page + k * l.size, b, (size_t)((stop - i) * l.size), d));
		for (const uint8_t *e = b; i < stop; i++, k++, e += l.size) {
			nt_handle h = {.value = i * HANDLE_STEP, .entry = page + k * l.size};
			if (!k)
				continue; /* the table's own */
			decode(e, &l, &h);
			if (!fn(u, &h))
				return ERR_OK;
		}
	}
	return ERR_OK;
}
