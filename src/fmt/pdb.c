/*
 * pdb: open, streams, sections, modules. See pdb.h and pdb_impl.h.
 *
 * Opening reads the info stream, the DBI header with its module list and the section headers;
 * everything else waits for a question.
 */
#include "fmt/pdb_impl.h"

#include "base/bisect.h"
#include "fmt/pe.h"

#include <stdlib.h>

/* Layouts: docs/pdb/{pdbi_stream,dbi_stream,dbi_modules,dbi_sections,dbi_opt_debug,globals}.md in
 * github.com/microsoft/pdb-rs. */
enum {
	INFO_VC70 = 20000404,
	FEAT_MINI = 0x494e494d, /* "MINI" */
	DBI_HEADER = 64,
	MOD_HEADER = 64,
	CONTRIB_V60 = 28,
	CONTRIB_V2 = 32,
	PSI_HEADER = 28,
	HASH_HEADER = 16,
	SECTION_SIZE = 40,
	MAX_SECTIONS = 4096,
	MAX_MODULES = 1 << 20,
	MAX_NAMED = 4096,
	BUCKETS = 0x1000,
	BUCKETS_MINI = 0x3ffff
};

/* ---- small things ---- */

uint16_t pdb_u16(pdb *f, uint32_t stream, uint64_t off)
{
	uint8_t b[2];
	return msf_read(f->m, stream, off, b, 2) == ERR_OK ? le16(b) : 0;
}

uint32_t pdb_u32(pdb *f, uint32_t stream, uint64_t off)
{
	uint8_t b[4];
	return msf_read(f->m, stream, off, b, 4) == ERR_OK ? le32(b) : 0;
}

/* Text up to a NUL inside [off, end) of a stream; empty if there is none. */
static str pdb_text(pdb *f, uint32_t stream, uint64_t off, uint64_t end)
{
	const str none = {"", 0};
	uint64_t size = msf_size(f->m, stream);
	if (end > size)
		end = size;
	if (off >= end)
		return none;
	const uint8_t *p;
	size_t n = msf_span(f->m, stream, off, &p);
	if (n > end - off)
		n = (size_t)(end - off);
	const uint8_t *z = n ? memchr(p, 0, n) : NULL;
	if (z)
		return (str){(const char *)p, (size_t)(z - p)};
	/* Over the end of a contiguous piece: look for the NUL piece by piece, then take it whole.
	 */
	uint64_t at = off + n;
	while (n && at < end) {
		size_t k = msf_span(f->m, stream, at, &p);
		if (!k)
			return none;
		if (k > end - at)
			k = (size_t)(end - at);
		z = memchr(p, 0, k);
		if (z) {
			size_t len = (size_t)(at - off) + (size_t)(z - p);
			const uint8_t *b = msf_view(f->m, stream, off, len + 1);
			return b ? (str){(const char *)b, len} : none;
		}
		at += k;
	}
	return none;
}

uint32_t pdb_hash_v1(str s)
{
	const uint8_t *p = (const uint8_t *)s.p;
	uint32_t h = 0;
	size_t n = s.n;
	for (; n >= 4; n -= 4, p += 4)
		h ^= le32(p);
	if (n >= 2) {
		h ^= le16(p);
		n -= 2;
		p += 2;
	}
	if (n)
		h ^= *p;
	h |= 0x20202020;
	h ^= h >> 11;
	return h ^ h >> 16;
}

bool pdb_stop(const pdb *f)
{
	return cancelled(f->cancel);
}

bool pdb_poll(const pdb *f)
{
	if (f->pass)
		f->pass(f->pass_u);
	return cancelled(f->cancel);
}

/* ---- records ---- */

pdb_iter pdb_iter_at(pdb *f, uint32_t stream, uint64_t off, uint64_t end)
{
	uint64_t size = msf_size(f->m, stream);
	return (pdb_iter){.m = f->m, .stream = stream, .off = off, .end = end < size ? end : size};
}

bool pdb_iter_next(pdb_iter *it, cv_rec *ret)
{
	if (it->off >= it->end || it->end - it->off < 4)
		return false;
	if (it->left < 4) {
		it->left = msf_span(it->m, it->stream, it->off, &it->p);
		if (it->left > it->end - it->off)
			it->left = (size_t)(it->end - it->off);
	}
	uint8_t head[2];
	const uint8_t *h = it->p;
	if (it->left < 2) {
		if (msf_read(it->m, it->stream, it->off, head, 2) != ERR_OK) {
			it->bad = true;
			return false;
		}
		h = head;
	}
	size_t total = (size_t)le16(h) + 2;
	const uint8_t *p = it->p;
	if (total < 4 || total > it->end - it->off) {
		it->bad = true;
		return false;
	}
	if (total > it->left) {
		p = msf_view(it->m, it->stream, it->off, total);
		it->left = 0;
		if (!p) {
			it->bad = true;
			return false;
		}
	} else {
		it->p += total;
		it->left -= total;
	}
	*ret = (cv_rec){.kind = le16(p + 2), .p = p + 4, .n = total - 4, .at = (uint32_t)it->off};
	it->off += total;
	return true;
}

bool pdb_rec_at(pdb *f, uint32_t stream, uint64_t off, uint64_t end, cv_rec *ret)
{
	pdb_iter it = pdb_iter_at(f, stream, off, end);
	return pdb_iter_next(&it, ret);
}

pdb_iter pdb_mod_iter(pdb *f, uint32_t mod)
{
	const pdb_module *m = &f->mods[mod];
	return pdb_iter_at(f, m->stream, 4, m->sym_size);
}

bool pdb_mod_rec(pdb *f, uint32_t mod, uint32_t off, cv_rec *ret)
{
	return mod < f->nmods && off >= 4 &&
	       pdb_rec_at(f, f->mods[mod].stream, off, f->mods[mod].sym_size, ret);
}

/* ---- info stream ---- */

static err read_info(pdb *f, diag *d)
{
	uint64_t size = msf_size(f->m, PDB_STREAM_INFO);
	const uint8_t *p =
		size <= (1 << 24) ? msf_view(f->m, PDB_STREAM_INFO, 0, (size_t)size) : NULL;
	if (!p || size < 12)
		return diag_set(d, ERR_CORRUPT, "PDB info stream is missing");
	reader r = rd_of(p, (size_t)size);
	uint32_t version = rd_u32(&r);
	f->id.sig = rd_u32(&r);
	f->id.age = rd_u32(&r);
	if (version >= INFO_VC70) {
		const uint8_t *g = rd_bytes(&r, 16);
		if (!g)
			return diag_set(d, ERR_CORRUPT, "PDB info stream is cut off");
		memcpy(f->id.guid, g, 16);
	}
	/* Named streams: text, then a hash table of (offset in the text, stream). */
	uint32_t ntext = rd_u32(&r);
	const uint8_t *text = rd_bytes(&r, ntext);
	uint32_t count = rd_u32(&r);
	rd_skip(&r, 4);
	rd_skip(&r, 4 * (size_t)rd_u32(&r));
	rd_skip(&r, 4 * (size_t)rd_u32(&r));
	if (r.bad || count > MAX_NAMED)
		return ERR_OK; /* an old file without them, or damaged: nothing depends on it */
	f->named_names = arena_array(&f->a, count, sizeof *f->named_names);
	f->named_streams = arena_array(&f->a, count, sizeof *f->named_streams);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t key = rd_u32(&r), stream = rd_u32(&r);
		if (r.bad || key >= ntext || !memchr(text + key, 0, ntext - key))
			continue;
		f->named_names[f->nnamed] = str_of((const char *)text + key);
		f->named_streams[f->nnamed++] = stream;
	}
	rd_skip(&r, 4); /* name index, always 0 */
	while (rd_left(&r) >= 4)
		f->id.fastlink |= rd_u32(&r) == FEAT_MINI;
	return ERR_OK;
}

static uint32_t pdb_named(const pdb *f, str name)
{
	for (size_t i = 0; i < f->nnamed; i++)
		if (str_eq(f->named_names[i], name))
			return f->named_streams[i];
	return MSF_NONE;
}

/* docs/pdb/names_stream.md: signature, version, size, text. */
str pdb_name_str(pdb *f, uint32_t off)
{
	if (!f->names_read) {
		f->names_read = true;
		uint32_t s = pdb_named(f, STR("/names"));
		uint8_t h[12];
		if (s != MSF_NONE && msf_read(f->m, s, 0, h, 12) == ERR_OK && le32(h) == 0xeffeeffe)
			f->names = (pdb_part){s, 12, le32(h + 8)};
	}
	if (off >= f->names.size)
		return (str){"", 0};
	return pdb_text(f, f->names.stream, 12 + (uint64_t)off, 12 + (uint64_t)f->names.size);
}

/* ---- DBI ---- */

static void read_modules(pdb *f, pdb_part part)
{
	const uint8_t *p = msf_view(f->m, part.stream, part.off, part.size);
	if (!p)
		return;
	f->mods = arena_array(&f->a, part.size / (MOD_HEADER + 2), sizeof *f->mods);
	reader r = rd_of(p, part.size);
	while (rd_left(&r) > MOD_HEADER && f->nmods < MAX_MODULES) {
		const uint8_t *h = rd_bytes(&r, MOD_HEADER);
		pdb_module m = {.stream = le16(h + 34),
			.sym_size = le32(h + 36),
			.c11_size = le32(h + 40),
			.c13_size = le32(h + 44),
			.nfiles = le16(h + 48)};
		m.name = rd_cstr(&r);
		m.obj = rd_cstr(&r);
		if (r.bad)
			break;
		rd_align(&r, 4);
		uint64_t size = msf_size(f->m, m.stream);
		if (!msf_has(f->m, m.stream) || m.sym_size > size ||
			m.c11_size > size - m.sym_size ||
			m.c13_size > size - m.sym_size - m.c11_size)
			m.stream = MSF_NONE, m.sym_size = m.c11_size = m.c13_size = 0;
		if (m.sym_size > 4 && !str_eq(m.name, STR("* Linker *")))
			f->id.has_private = true;
		f->id.has_lines |= m.c13_size > 0;
		f->mods[f->nmods++] = m;
	}
	f->id.has_private &= !f->id.stripped;
}

/* Name table at off of a stream: header, records, bitmap, starts (docs/pdb/globals.md). */
static void read_hash(pdb *f, uint32_t stream, uint64_t off, uint64_t size, pdb_hash *h)
{
	uint8_t b[HASH_HEADER];
	if (size < HASH_HEADER || msf_read(f->m, stream, off, b, sizeof b) != ERR_OK)
		return;
	uint32_t nrec = le32(b + 8), nbuck = le32(b + 12);
	h->nbuckets = f->id.fastlink ? BUCKETS_MINI : BUCKETS;
	uint32_t nbits = (h->nbuckets + 32) / 32 * 4;
	if (le32(b) != 0xffffffff || le32(b + 4) != 0xf12f091a || nrec > size - HASH_HEADER ||
		nbuck > size - HASH_HEADER - nrec || nbuck < nbits)
		return;
	h->recs = (pdb_part){stream, off + HASH_HEADER, nrec & ~7u};
	h->bits = (pdb_part){stream, off + HASH_HEADER + nrec, nbits};
	h->starts = (pdb_part){stream, off + HASH_HEADER + nrec + nbits, (nbuck - nbits) & ~3u};
	h->ok = true;
}

static void read_symbol_tables(pdb *f, uint32_t gsi, uint32_t psi, uint32_t syms)
{
	f->syms = msf_has(f->m, syms) ? syms : MSF_NONE;
	if (f->syms == MSF_NONE)
		return;
	if (msf_has(f->m, gsi))
		read_hash(f, gsi, 0, msf_size(f->m, gsi), &f->gsi);
	uint8_t b[PSI_HEADER];
	if (!msf_has(f->m, psi) || msf_read(f->m, psi, 0, b, sizeof b) != ERR_OK)
		return;
	uint64_t left = msf_size(f->m, psi) - PSI_HEADER;
	uint32_t nhash = le32(b), nmap = le32(b + 4);
	if (nhash > left || nmap > left - nhash)
		return;
	read_hash(f, psi, PSI_HEADER, nhash, &f->psi);
	f->addr_map = (pdb_part){psi, PSI_HEADER + (uint64_t)nhash, nmap & ~3u};
}

static pdb_section *read_sections(pdb *f, uint32_t stream, size_t *n_ret)
{
	uint64_t n = msf_size(f->m, stream) / SECTION_SIZE;
	const uint8_t *p;
	if (n > MAX_SECTIONS)
		n = MAX_SECTIONS;
	p = n ? msf_view(f->m, stream, 0, (size_t)n * SECTION_SIZE) : NULL;
	if (!p)
		return NULL;
	pdb_section *s = arena_array(&f->a, (size_t)n, sizeof *s);
	for (size_t i = 0; i < n; i++, p += SECTION_SIZE) {
		memcpy(s[i].name, p, 8);
		s[i].vsize = le32(p + 8);
		s[i].rva = le32(p + 12);
		s[i].flags = le32(p + 36);
	}
	*n_ret = (size_t)n;
	return s;
}

static pdb_omap read_omap(pdb *f, uint32_t stream)
{
	uint64_t n = msf_size(f->m, stream) / 8;
	const uint8_t *p =
		n && n <= MSF_MAX_STITCH / 8 ? msf_view(f->m, stream, 0, (size_t)n * 8) : NULL;
	return (pdb_omap){p, p ? (size_t)n : 0};
}

/* Optional debug header: stream numbers by kind (docs/pdb/dbi_opt_debug.md). */
static void read_debug_header(pdb *f, pdb_part part)
{
	enum { OMAP_TO_SRC = 3, OMAP_FROM_SRC = 4, SECTIONS = 5, ORIGINAL_SECTIONS = 10 };
	uint32_t s[11];
	for (uint32_t i = 0; i < ARRAY_LEN(s); i++)
		s[i] = 2 * i + 2 <= part.size ? pdb_u16(f, part.stream, part.off + 2 * i)
					      : MSF_NONE;
	f->sec = read_sections(f, s[SECTIONS], &f->nsec);
	f->src_sec = f->sec;
	f->nsrc_sec = f->nsec;
	if (s[OMAP_FROM_SRC] == MSF_NONE)
		return;
	f->from_src = read_omap(f, s[OMAP_FROM_SRC]);
	f->to_src = read_omap(f, s[OMAP_TO_SRC]);
	size_t n = 0;
	pdb_section *src = f->from_src.n ? read_sections(f, s[ORIGINAL_SECTIONS], &n) : NULL;
	if (src) {
		f->src_sec = src;
		f->nsrc_sec = n;
		f->id.omap = true;
	}
}

static err read_dbi(pdb *f, diag *d)
{
	uint8_t h[DBI_HEADER];
	f->syms = MSF_NONE;
	if (msf_size(f->m, PDB_STREAM_DBI) < DBI_HEADER)
		return ERR_OK; /* a type server's or compiler's PDB: types only */
	if (msf_read(f->m, PDB_STREAM_DBI, 0, h, sizeof h) != ERR_OK)
		return diag_set(d, ERR_CORRUPT, "PDB debug information stream cannot be read");
	if (le32(h) != 0xffffffff)
		return diag_set(d, ERR_UNSUPPORTED, "PDB debug information is of an old version");
	f->id.dbi_age = le32(h + 8);
	f->id.stripped = le16(h + 56) & 2;
	f->id.machine = le16(h + 58);
	/* Sizes in header order; the last two stand the other way round in the stream. */
	static const uint8_t where[7] = {24, 28, 32, 36, 40, 52, 48};
	pdb_part part[7];
	uint64_t off = DBI_HEADER, size = msf_size(f->m, PDB_STREAM_DBI);
	for (int i = 0; i < 7; i++) {
		uint32_t n = le32(h + where[i]);
		if (n > size - off)
			return diag_set(d, ERR_CORRUPT, "PDB debug information stream is cut off");
		part[i] = (pdb_part){PDB_STREAM_DBI, off, n};
		off += n;
	}
	read_modules(f, part[0]);
	read_debug_header(f, part[6]);
	read_symbol_tables(f, le16(h + 12), le16(h + 16), le16(h + 20));
	f->file_info = part[3];
	if (part[1].size >= 4) {
		uint32_t version = pdb_u32(f, PDB_STREAM_DBI, part[1].off);
		f->contrib_size = version == 0xeffe0000 + 20140516   ? CONTRIB_V2
				  : version == 0xeffe0000 + 19970605 ? CONTRIB_V60
								     : 0;
		f->contribs = (pdb_part){PDB_STREAM_DBI, part[1].off + 4, part[1].size - 4};
		if (f->contrib_size)
			f->ncontribs = (uint32_t)(f->contribs.size / f->contrib_size);
	}
	return ERR_OK;
}

/* ---- types ---- */

static bool inside(const pdb *f, uint32_t stream, uint32_t off, uint32_t size)
{
	uint64_t n = msf_size(f->m, stream);
	return off <= n && size <= n - off;
}

/* docs/pdb/tpi_stream.md. */
static void read_tpi(pdb *f, uint32_t stream, pdb_tpi *t)
{
	uint8_t h[56];
	if (msf_read(f->m, stream, 0, h, sizeof h) != ERR_OK)
		return;
	uint32_t head = le32(h + 4), bytes = le32(h + 16), hash = le16(h + 20);
	t->stream = stream;
	t->first = le32(h + 8);
	t->end = le32(h + 12);
	t->key_size = le32(h + 24);
	t->nbuckets = le32(h + 28);
	if (head < 56 || !inside(f, stream, head, bytes) || t->first < 0x1000 ||
		t->end < t->first || (t->end - t->first) > bytes / 4)
		return;
	t->recs = (pdb_part){stream, head, bytes};
	t->ok = true;
	if (!msf_has(f->m, hash))
		return;
	uint32_t off = le32(h + 32), size = le32(h + 36);
	if (inside(f, hash, off, size) && (t->key_size == 4 || t->key_size == 2) && t->nbuckets &&
		size / t->key_size == t->end - t->first)
		t->hashes = (pdb_part){hash, off, size};
	off = le32(h + 40);
	size = le32(h + 44);
	if (inside(f, hash, off, size))
		t->index = (pdb_part){hash, off, size & ~7u};
}

/* ---- open ---- */

bool pdb_is(const void *p, size_t n)
{
	return msf_is(p, n);
}

err pdb_open(const void *p, size_t n, pdb **ret, diag *d)
{
	msf *m;
	TRY(msf_open(p, n, &m, d));
	pdb *f = mem_alloc(sizeof *f);
	f->m = m;
	arena_init(&f->a);
	map_init(&f->defs);
	f->id.compressed = msf_compressed(m);
	err e = read_info(f, d);
	if (e == ERR_OK)
		e = read_dbi(f, d);
	if (e != ERR_OK) {
		pdb_close(f);
		return e;
	}
	read_tpi(f, PDB_STREAM_TPI, &f->tpi);
	read_tpi(f, PDB_STREAM_IPI, &f->ipi);
	f->id.has_types = f->tpi.ok && f->tpi.end > f->tpi.first;
	*ret = f;
	return ERR_OK;
}

void pdb_close(pdb *f)
{
	if (!f)
		return;
	map_deinit(&f->defs);
	msf_close(f->m);
	arena_deinit(&f->a);
	mem_free(f);
}

const pdb_id *pdb_id_get(const pdb *f)
{
	return &f->id;
}

size_t pdb_held(const pdb *f)
{
	return f->a.used + msf_held(f->m);
}

void pdb_cancel_set(pdb *f, const cancel *c)
{
	f->cancel = c;
}

void pdb_pass_set(pdb *f, void (*fn)(void *u), void *u)
{
	f->pass = fn;
	f->pass_u = u;
}

/* ---- sections ---- */

size_t pdb_nsections(pdb *f)
{
	return f->nsec;
}

const pdb_section *pdb_section_nth(pdb *f, size_t i)
{
	return i < f->nsec ? &f->sec[i] : NULL;
}

bool pdb_code_seg(pdb *f, uint16_t seg)
{
	return seg && seg <= f->nsrc_sec &&
	       f->src_sec[seg - 1].flags & (PE_SCN_EXECUTE | PE_SCN_CODE);
}

/* Pairs (from, to), sorted by from; to 0: the code went away. */
static uint32_t omap_find(const pdb_omap *o, uint32_t rva)
{
	size_t lo = BISECT(i, o->n, le32(o->p + 8 * i) <= rva);
	if (!lo)
		return PDB_NO_RVA;
	uint32_t to = le32(o->p + 8 * lo - 4);
	return to ? to + (rva - le32(o->p + 8 * lo - 8)) : PDB_NO_RVA;
}

uint32_t pdb_rva(pdb *f, uint16_t seg, uint32_t off)
{
	if (!seg || seg > f->nsrc_sec)
		return PDB_NO_RVA;
	const pdb_section *s = &f->src_sec[seg - 1];
	if (off > UINT32_MAX - 1 - s->rva)
		return PDB_NO_RVA;
	uint32_t rva = s->rva + off;
	return f->id.omap ? omap_find(&f->from_src, rva) : rva;
}

bool pdb_segoff(pdb *f, uint32_t rva, uint16_t *seg, uint32_t *off)
{
	if (f->id.omap) {
		rva = omap_find(&f->to_src, rva);
		if (rva == PDB_NO_RVA)
			return false;
	}
	for (size_t i = 0; i < f->nsrc_sec; i++) {
		const pdb_section *s = &f->src_sec[i];
		if (rva < s->rva || rva - s->rva >= s->vsize)
			continue;
		*seg = (uint16_t)(i + 1);
		*off = rva - s->rva;
		return true;
	}
	return false;
}

/* ---- modules and contributions ---- */

uint32_t pdb_nmods(pdb *f)
{
	return f->nmods;
}

err pdb_mod_get(pdb *f, uint32_t mod, pdb_mod *ret)
{
	if (mod >= f->nmods)
		return ERR_NOTFOUND;
	const pdb_module *m = &f->mods[mod];
	*ret = (pdb_mod){m->name, m->obj, m->sym_size > 4, m->c13_size > 0, m->nfiles};
	return ERR_OK;
}

static bool contrib_raw(pdb *f, uint32_t i, pdb_contrib *ret)
{
	uint8_t b[20];
	if (msf_read(f->m, f->contribs.stream, f->contribs.off + (uint64_t)i * f->contrib_size, b,
		    sizeof b) != ERR_OK)
		return false;
	*ret = (pdb_contrib){
		.seg = le16(b), .off = le32(b + 4), .size = le32(b + 8), .mod = le16(b + 16)};
	return true;
}

bool pdb_contrib_nth(pdb *f, uint32_t i, pdb_contrib *ret)
{
	if (i >= f->ncontribs)
		return false;
	if (!f->sorted)
		return contrib_raw(f, i, ret);
	*ret = f->sorted[i];
	return true;
}

static bool below(const pdb_contrib *a, uint16_t seg, uint32_t off)
{
	return a->seg < seg || (a->seg == seg && a->off <= off);
}

static size_t contrib_search(pdb *f, uint16_t seg, uint32_t off)
{
	uint32_t lo = 0, hi = f->ncontribs;
	pdb_contrib c;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (!pdb_contrib_nth(f, mid, &c))
			return SIZE_MAX;
		if (below(&c, seg, off))
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo || !pdb_contrib_nth(f, lo - 1, &c) || c.seg != seg)
		return SIZE_MAX;
	return lo - 1;
}

static int by_segoff(const void *a, const void *b)
{
	const pdb_contrib *x = a, *y = b;
	if (x->seg != y->seg)
		return x->seg < y->seg ? -1 : 1;
	return x->off < y->off ? -1 : x->off > y->off;
}

/* Linkers write them sorted. Only when a search misses is that looked at, once; if it is not so, a
 * sorted copy is made. */
static bool contrib_sort(pdb *f)
{
	bool sorted = true;
	pdb_contrib last = {0}, c;
	if (f->contribs_checked)
		return false;
	f->contribs_checked = true;
	for (uint32_t i = 0; i < f->ncontribs && sorted; i++, last = c)
		sorted = contrib_raw(f, i, &c) && by_segoff(&last, &c) <= 0;
	if (sorted)
		return false;
	pdb_contrib *copy = arena_array(&f->a, f->ncontribs, sizeof *copy);
	for (uint32_t i = 0; i < f->ncontribs; i++)
		if (!contrib_raw(f, i, &copy[i]))
			return false;
	qsort(copy, f->ncontribs, sizeof *copy, by_segoff);
	f->sorted = copy;
	return true;
}

size_t pdb_contrib_at(pdb *f, uint16_t seg, uint32_t off)
{
	pdb_contrib c;
	size_t i = contrib_search(f, seg, off);
	bool hit = i != SIZE_MAX && pdb_contrib_nth(f, (uint32_t)i, &c) && off - c.off < c.size;
	if (!hit && contrib_sort(f))
		i = contrib_search(f, seg, off);
	return i;
}

err pdb_mod_at(pdb *f, uint32_t rva, uint32_t *mod, uint32_t *begin, uint32_t *end)
{
	uint16_t seg;
	uint32_t off;
	pdb_contrib c;
	if (!pdb_segoff(f, rva, &seg, &off))
		return ERR_NOTFOUND;
	size_t i = pdb_contrib_at(f, seg, off);
	if (i == SIZE_MAX || !pdb_contrib_nth(f, (uint32_t)i, &c) || off - c.off >= c.size ||
		c.mod >= f->nmods)
		return ERR_NOTFOUND;
	*mod = c.mod;
	if (begin)
		*begin = rva - (off - c.off);
	if (end)
		*end = rva - (off - c.off) + c.size;
	return ERR_OK;
}

/* Source files: module count, file count, two tables of u16, offsets of the names, names. */
err pdb_file_each(pdb *f, bool (*cb)(void *u, uint32_t mod, str path), void *u)
{
	pdb_part p = f->file_info;
	uint32_t nmods = p.size >= 4 ? pdb_u16(f, p.stream, p.off) : 0;
	if (p.size < 4 + 4 * (uint64_t)nmods)
		return ERR_NOTFOUND;
	const uint8_t *counts =
		msf_view(f->m, p.stream, p.off + 4 + 2 * (uint64_t)nmods, 2 * (size_t)nmods);
	if (!counts)
		return ERR_CORRUPT;
	/* The stated number of files is 16 bits wide and wraps; the modules' counts do not. */
	uint64_t total = 0, at = 4 + 4 * (uint64_t)nmods;
	for (uint32_t i = 0; i < nmods; i++)
		total += le16(counts + 2 * (size_t)i);
	if (4 * total > p.size - at)
		return ERR_CORRUPT;
	const uint8_t *offs = msf_view(f->m, p.stream, p.off + at, 4 * (size_t)total);
	uint64_t text = p.off + at + 4 * total;
	if (!offs)
		return ERR_CORRUPT;
	for (uint32_t i = 0; i < nmods; i++) {
		for (uint32_t k = le16(counts + 2 * (size_t)i); k; k--, offs += 4) {
			str s = pdb_text(f, p.stream, text + le32(offs), p.off + p.size);
			if (s.n && !cb(u, i, s))
				return ERR_OK;
		}
	}
	return ERR_OK;
}
