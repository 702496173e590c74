/*
 * pe_version: the version resource of an image. See pe.h.
 *
 * The resource tree is walked to the first language of the first RT_VERSION; then the nested
 * VS_VERSIONINFO blocks are read (learn.microsoft.com/windows/win32/menurc/vs-versioninfo).
 */
#include "fmt/pe.h"

enum {
	RT_VERSION = 16,
	RES_DIR = 16, /* bytes of a directory header */
	RES_ENTRY = 8,
	RES_DATA = 16,
	MAX_ENTRIES = 4096,
	MAX_STRINGS = 1024,
	FIXED_SIZE = 52
};

/* Entry of the directory at `at` (offset in the resource section): the one with this id, or the
 * first. *leaf says whether ret is data or another directory. */
static err res_entry(const pe_view *p, uint32_t at, int id, uint32_t *ret, bool *leaf)
{
	uint32_t root = p->dir[PE_DIR_RESOURCE].rva;
	uint8_t b[RES_DIR];
	if (at > PE_MAX_RESOURCE * 1024u || root > UINT32_MAX - PE_MAX_RESOURCE * 2048u)
		return ERR_CORRUPT;
	TRY(pe_read(p, root + at, b, sizeof b));
	uint32_t n = (uint32_t)le16(b + 12) + le16(b + 14);
	for (uint32_t i = 0; i < n && i < MAX_ENTRIES; i++) {
		uint8_t e[RES_ENTRY];
		TRY(pe_read(p, root + at + RES_DIR + i * RES_ENTRY, e, sizeof e));
		if (id >= 0 && le32(e) != (uint32_t)id)
			continue;
		*leaf = !(le32(e + 4) >> 31);
		*ret = le32(e + 4) & 0x7fffffff;
		return ERR_OK;
	}
	return ERR_NOTFOUND;
}

static err res_version(const pe_view *p, arena *a, uint8_t **ret, size_t *n_ret)
{
	if (!p->dir[PE_DIR_RESOURCE].rva)
		return ERR_NOTFOUND;
	uint32_t at = 0;
	bool leaf = false;
	for (int level = 0; level < 3 && !leaf; level++)
		TRY(res_entry(p, at, level ? -1 : RT_VERSION, &at, &leaf));
	if (!leaf || at > PE_MAX_RESOURCE * 1024u)
		return ERR_CORRUPT;
	uint8_t d[RES_DATA];
	TRY(pe_read(p, p->dir[PE_DIR_RESOURCE].rva + at, d, sizeof d));
	size_t n = le32(d + 4) < PE_MAX_RESOURCE ? le32(d + 4) : PE_MAX_RESOURCE;
	uint8_t *b = arena_alloc(a, n);
	TRY(pe_read(p, le32(d), b, n));
	*ret = b;
	*n_ret = n;
	return ERR_OK;
}

/* One block: header, key, value; `rest` are its children. False at the end. */
typedef struct node {
	str key;
	reader value; /* bytes as stored */
	reader rest;
	bool text;
	uint16_t value_len; /* as stated: units if text */
} node;

static bool next_node(arena *a, reader *r, node *ret)
{
	rd_align(r, 4);
	size_t start = r->pos;
	uint16_t len = rd_u16(r), vlen = rd_u16(r), type = rd_u16(r);
	if (r->bad || len < 6)
		return false;
	/* Alignment counts from the start of the resource, which a sub-reader keeps if it starts at
	 * 0. */
	reader b = rd_sub(r, 0, start + len);
	rd_seek(&b, r->pos);
	size_t key = b.pos, units = 0;
	while (rd_u16(&b))
		units++;
	if (b.bad)
		return false;
	node n = {.text = type == 1, .value_len = vlen};
	n.key = str_from_utf16(a, b.p + key, units);
	if (rd_left(&b))
		rd_align(&b, 4);
	size_t bytes = n.text ? 2 * (size_t)vlen : vlen;
	if (bytes > rd_left(&b))
		bytes = rd_left(&b);
	n.value = rd_sub(&b, b.pos, bytes);
	rd_skip(&b, bytes);
	n.rest = b;
	rd_seek(r, start + len);
	*ret = n;
	return !r->bad;
}

static void read_fixed(pe_version *v, reader r)
{
	if (rd_left(&r) < FIXED_SIZE || rd_u32(&r) != 0xfeef04bd)
		return;
	rd_skip(&r, 4);
	uint32_t w[4];
	for (int i = 0; i < 4; i++)
		w[i] = rd_u32(&r);
	v->fixed = true;
	for (int i = 0; i < 2; i++) {
		v->file[2 * i] = (uint16_t)(w[i] >> 16);
		v->file[2 * i + 1] = (uint16_t)w[i];
		v->product[2 * i] = (uint16_t)(w[2 + i] >> 16);
		v->product[2 * i + 1] = (uint16_t)w[2 + i];
	}
	v->flags_mask = rd_u32(&r);
	v->flags = rd_u32(&r);
	v->os = rd_u32(&r);
	v->type = rd_u32(&r);
	v->subtype = rd_u32(&r);
}

static void read_strings(arena *a, pe_version *v, str lang, reader r)
{
	node s;
	while (v->nstrs < MAX_STRINGS && rd_left(&r) > 6 && next_node(a, &r, &s)) {
		size_t units = rd_left(&s.value) / 2;
		const uint8_t *t = rd_bytes(&s.value, 2 * units);
		while (t && units && !le16(t + 2 * (units - 1)))
			units--;
		v->strs[v->nstrs++] = (struct pe_version_str){
			lang, s.key, t ? str_from_utf16(a, t, units) : (str){"", 0}};
	}
}

err pe_version_get(const pe_view *p, arena *a, pe_version *ret)
{
	uint8_t *b = NULL;
	size_t n = 0;
	TRY(res_version(p, a, &b, &n));
	reader r = rd_of(b, n);
	node root, info, table;
	pe_version v = {0};
	if (!next_node(a, &r, &root) || !str_eq(root.key, STR("VS_VERSION_INFO")))
		return ERR_CORRUPT;
	v.strs = arena_array(a, MAX_STRINGS, sizeof *v.strs);
	read_fixed(&v, root.value);
	while (rd_left(&root.rest) > 6 && next_node(a, &root.rest, &info)) {
		if (!str_eq(info.key, STR("StringFileInfo")))
			continue;
		while (rd_left(&info.rest) > 6 && next_node(a, &info.rest, &table))
			read_strings(a, &v, table.key, table.rest);
	}
	*ret = v;
	return ERR_OK;
}

str pe_version_find(const pe_version *v, str key)
{
	for (size_t i = 0; i < v->nstrs; i++)
		if (str_ieq(v->strs[i].key, key))
			return v->strs[i].value;
	return (str){"", 0};
}
