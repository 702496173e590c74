/*
 * msf: see msf.h.
 *
 * Invariants: every page or fragment that a stream states lies inside the file, and none belongs to
 * two streams; both are checked when the file is opened. Runs of a stream are ascending, gapless
 * and cover its size. A chunk is decompressed at most once.
 */
#include "fmt/msf.h"

#include "base/map.h"

#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

/* Signatures and layouts: msf.md and msfz.md of github.com/microsoft/pdb-rs/docs/pdb. */
static const uint8_t BIG_MAGIC[32] = "Microsoft C/C++ MSF 7.00\r\n\x1a\x44\x53\0\0";
static const uint8_t Z_MAGIC[32] = "Microsoft MSFZ Container\r\n\x1a\x41\x4c\x44\0";

enum {
	BIG_HEADER = 52,
	Z_HEADER = 80,
	Z_CHUNK = 20,
	NIL = 0xffffffff,
	Z_NONE = 0,
	Z_ZSTD = 1,
	Z_DEFLATE = 2
};
#define HELD_MAX  ((size_t)1 << 32) /* bytes of all decompressed chunks */
#define IN_CHUNKS ((uint64_t)1 << 63)

typedef struct chunk {
	uint64_t off, vbase; /* in the file; in the row of all decompressed chunks */
	uint32_t how, packed, size;
	uint8_t *data;
	bool bad;
} chunk;

typedef struct run {
	uint64_t off; /* in the stream */
	uint64_t len;
	const uint8_t *p;   /* NULL: in a chunk */
	uint32_t chunk, in; /* chunk and offset in it */
} run;

typedef struct stream {
	uint64_t size;
	size_t list; /* where its page or fragment list starts in the directory */
	run *runs;
	size_t nruns, last;
	bool nil, open;
} stream;

typedef struct stitch {
	struct stitch *next;
	uint64_t off;
	size_t n;
	uint32_t stream;
	uint8_t bytes[];
} stitch;

struct msf {
	const uint8_t *p;
	size_t n;
	bool z;
	uint32_t page_size, npages;
	uint8_t *dir;
	size_t ndir;
	stream *s;
	uint32_t ns;
	chunk *chunks;
	uint32_t nchunks;
	size_t held;
	arena a;
	map stitches;
};

bool msf_is(const void *p, size_t n)
{
	return n >= 32 && (!memcmp(p, BIG_MAGIC, 32) || !memcmp(p, Z_MAGIC, 32));
}

/* ---- Big MSF ---- */

static bool page_in(const msf *m, uint32_t page, size_t used)
{
	uint64_t off = (uint64_t)page * m->page_size;
	return page && page < m->npages && off <= m->n && used <= m->n - off;
}

static size_t div_up(uint64_t n, uint32_t by)
{
	return (size_t)((n + by - 1) / by);
}

/* The directory is scattered over pages, whose numbers stand in further pages. */
static err big_directory(msf *m, uint32_t size, diag *d)
{
	if (size > MSF_MAX_DIR || size > m->n || size < 4)
		return diag_set(d, ERR_CORRUPT, "MSF directory of %u bytes", size);
	size_t pages = div_up(size, m->page_size), per = m->page_size / 4;
	m->dir = arena_alloc(&m->a, pages * m->page_size);
	m->ndir = size;
	for (size_t i = 0; i < pages; i++) {
		size_t slot = BIG_HEADER + 4 * (i / per);
		if (slot + 4 > m->n || slot + 4 > m->page_size)
			return diag_set(d, ERR_CORRUPT, "MSF directory map passes the header page");
		uint32_t list = le32(m->p + slot);
		if (!page_in(m, list, 4 * (i % per) + 4))
			return diag_set(d, ERR_CORRUPT, "MSF directory map is on page %u of %u",
				list, m->npages);
		uint32_t page = le32(m->p + (uint64_t)list * m->page_size + 4 * (i % per));
		size_t used = i + 1 < pages ? m->page_size : size - i * m->page_size;
		if (!page_in(m, page, used))
			return diag_set(d, ERR_CORRUPT, "MSF directory is on page %u of %u", page,
				m->npages);
		memcpy(m->dir + i * m->page_size, m->p + (uint64_t)page * m->page_size, used);
	}
	return ERR_OK;
}

/* Every page inside the file and used once. Stream 0 is the old directory, whose pages may have
 * been given away since: it is not worth a complaint, but is not there if it lies outside. */
static err big_check(msf *m, diag *d)
{
	uint8_t *used = mem_alloc(m->npages / 8 + 1);
	err e = ERR_OK;
	for (size_t k = 0; m->ns && k < div_up(m->s[0].size, m->page_size); k++) {
		if (!page_in(m, le32(m->dir + m->s[0].list + 4 * k), m->page_size)) {
			m->s[0].size = 0;
			m->s[0].nil = true;
		}
	}
	for (uint32_t i = 1; i < m->ns && e == ERR_OK; i++) {
		size_t pages = div_up(m->s[i].size, m->page_size);
		for (size_t k = 0; k < pages; k++) {
			uint32_t page = le32(m->dir + m->s[i].list + 4 * k);
			size_t bytes =
				k + 1 < pages ? m->page_size
					      : (size_t)(m->s[i].size - (uint64_t)k * m->page_size);
			if (!page_in(m, page, bytes)) {
				e = diag_set(d, ERR_CORRUPT, "MSF stream %u is on page %u of %u", i,
					page, m->npages);
				break;
			}
			if (used[page / 8] & 1u << page % 8) {
				e = diag_set(
					d, ERR_CORRUPT, "MSF page %u belongs to two streams", page);
				break;
			}
			used[page / 8] |= (uint8_t)(1u << page % 8);
		}
	}
	mem_free(used);
	return e;
}

static err big_open(msf *m, diag *d)
{
	if (m->n < BIG_HEADER)
		return diag_set(d, ERR_CORRUPT, "MSF header is cut off");
	m->page_size = le32(m->p + 32);
	m->npages = le32(m->p + 40);
	uint32_t ps = m->page_size;
	if (ps < 512 || ps > 65536 || (ps & (ps - 1)))
		return diag_set(d, ERR_CORRUPT, "MSF page size %u", ps);
	if (m->npages > div_up(m->n, ps))
		m->npages = (uint32_t)div_up(m->n, ps); /* cut off: what is left may still do */
	TRY(big_directory(m, le32(m->p + 44), d));
	m->ns = le32(m->dir);
	if (m->ns > MSF_MAX_STREAMS || 4 + 4 * (size_t)m->ns > m->ndir)
		return diag_set(d, ERR_CORRUPT, "MSF directory states %u streams", m->ns);
	m->s = arena_array(&m->a, m->ns, sizeof *m->s);
	size_t at = 4 + 4 * (size_t)m->ns;
	for (uint32_t i = 0; i < m->ns; i++) {
		uint32_t size = le32(m->dir + 4 + 4 * (size_t)i);
		stream *s = &m->s[i];
		s->nil = size == NIL;
		s->size = s->nil ? 0 : size;
		s->list = at;
		size_t pages = div_up(s->size, ps);
		if (pages > (m->ndir - at) / 4)
			return diag_set(
				d, ERR_CORRUPT, "MSF stream %u passes the directory's end", i);
		at += 4 * pages;
	}
	return big_check(m, d);
}

static void big_runs(msf *m, stream *s)
{
	size_t pages = div_up(s->size, m->page_size), n = 0;
	const uint8_t *list = m->dir + s->list;
	for (size_t k = 0; k < pages; k++)
		n += !k || le32(list + 4 * k) != le32(list + 4 * k - 4) + 1;
	s->runs = arena_array(&m->a, n, sizeof *s->runs);
	for (size_t k = 0; k < pages; k++) {
		uint32_t page = le32(list + 4 * k);
		uint64_t off = (uint64_t)k * m->page_size;
		uint64_t len = s->size - off < m->page_size ? s->size - off : m->page_size;
		if (k && page == le32(list + 4 * k - 4) + 1)
			s->runs[s->nruns - 1].len += len;
		else
			s->runs[s->nruns++] = (run){
				.off = off, .len = len, .p = m->p + (uint64_t)page * m->page_size};
	}
}

/* ---- MSFZ ---- */

/* Exactly `size` bytes out of `packed`. */
static bool unpack(uint32_t how, const uint8_t *packed, size_t npacked, uint8_t *out, size_t size)
{
	if (how == Z_ZSTD)
		return ZSTD_decompress(out, size, packed, npacked) == size;
	z_stream z = {0};
	if (npacked > UINT32_MAX || size > UINT32_MAX || inflateInit2(&z, -MAX_WBITS) != Z_OK)
		return false;
	z.next_in = (Bytef *)(uintptr_t)packed;
	z.avail_in = (uInt)npacked;
	z.next_out = out;
	z.avail_out = (uInt)size;
	int r = inflate(&z, Z_FINISH);
	bool ok = r == Z_STREAM_END && z.total_out == size;
	inflateEnd(&z);
	return ok;
}

static err z_directory(msf *m, diag *d)
{
	uint64_t off = le64(m->p + 40);
	uint32_t how = le32(m->p + 60), packed = le32(m->p + 64), size = le32(m->p + 68);
	if (off > m->n || packed > m->n - off || size > MSF_MAX_DIR || how > Z_DEFLATE)
		return diag_set(d, ERR_CORRUPT, "MSFZ directory is outside the file");
	/* No algorithm here packs a directory better than this; a bomb states more. */
	if (size > (uint64_t)packed * 40000 + 4096)
		return diag_set(d, ERR_CORRUPT, "MSFZ directory of %u bytes in %u", size, packed);
	m->dir = arena_alloc(&m->a, size);
	m->ndir = size;
	if (how == Z_NONE) {
		if (packed != size)
			return diag_set(d, ERR_CORRUPT, "MSFZ directory sizes differ");
		memcpy(m->dir, m->p + off, size);
	} else if (!unpack(how, m->p + off, packed, m->dir, size)) {
		return diag_set(d, ERR_CORRUPT, "MSFZ directory cannot be decompressed");
	}
	return ERR_OK;
}

static err z_chunks(msf *m, diag *d)
{
	uint64_t off = le64(m->p + 48), vbase = 0;
	uint32_t size = le32(m->p + 76);
	m->nchunks = le32(m->p + 72);
	if (off > m->n || size > m->n - off || (uint64_t)m->nchunks * Z_CHUNK != size)
		return diag_set(d, ERR_CORRUPT, "MSFZ chunk table is outside the file");
	m->chunks = arena_array(&m->a, m->nchunks, sizeof *m->chunks);
	for (uint32_t i = 0; i < m->nchunks; i++) {
		const uint8_t *b = m->p + off + (size_t)i * Z_CHUNK;
		chunk *c = &m->chunks[i];
		*c = (chunk){.off = le64(b),
			.vbase = vbase,
			.how = le32(b + 8),
			.packed = le32(b + 12),
			.size = le32(b + 16)};
		vbase += c->size;
		if (!c->size || c->size > MSF_MAX_CHUNK || c->off > m->n ||
			c->packed > m->n - c->off || c->how > Z_DEFLATE ||
			(c->how == Z_NONE && c->packed != c->size))
			return diag_set(d, ERR_CORRUPT, "MSFZ chunk %u is damaged", i);
	}
	return ERR_OK;
}

typedef struct span {
	uint64_t begin, end;
} span;

static int by_begin(const void *a, const void *b)
{
	uint64_t x = ((const span *)a)->begin, y = ((const span *)b)->begin;
	return x < y ? -1 : x > y;
}

/* Where a compressed fragment lies in the row of chunks; false if not inside it. */
static bool z_chunked(const msf *m, uint64_t loc, uint32_t size, uint64_t *ret)
{
	uint32_t first = (uint32_t)(loc >> 32) & 0x7fffffff, in = (uint32_t)loc;
	if (first >= m->nchunks || in >= m->chunks[first].size)
		return false;
	const chunk *last = &m->chunks[m->nchunks - 1];
	*ret = m->chunks[first].vbase + in;
	return size <= last->vbase + last->size - *ret;
}

/* Walks the fragment lists; the second time round (all set) it records where everything lies. */
static err z_streams(msf *m, span *all, size_t *nall, diag *d)
{
	reader r = rd_of(m->dir, m->ndir);
	size_t n = 0;
	for (uint32_t i = 0; i < m->ns; i++) {
		stream *s = &m->s[i];
		*s = (stream){.list = r.pos};
		uint32_t size = rd_u32(&r);
		s->nil = size == NIL && !r.bad;
		while (!s->nil && size && !r.bad) {
			uint64_t loc = rd_u64(&r), at = loc;
			bool ok = loc & IN_CHUNKS ? z_chunked(m, loc, size, &at)
						  : loc <= m->n && size <= m->n - loc;
			if (!ok && !r.bad)
				return diag_set(
					d, ERR_CORRUPT, "MSFZ stream %u lies outside the file", i);
			at |= loc & IN_CHUNKS;
			if (all)
				all[n] = (span){at, at + size};
			n++;
			s->size += size;
			size = rd_u32(&r);
		}
		if (r.bad)
			return diag_set(
				d, ERR_CORRUPT, "MSFZ directory is cut off at stream %u", i);
	}
	*nall = n;
	return ERR_OK;
}

static err z_check(msf *m, diag *d)
{
	size_t n = 0;
	TRY(z_streams(m, NULL, &n, d));
	span *all = mem_alloc((n + m->nchunks + 3) * sizeof *all);
	err e = z_streams(m, all, &n, d);
	for (uint32_t i = 0; i < m->nchunks; i++)
		all[n++] = (span){m->chunks[i].off, m->chunks[i].off + m->chunks[i].packed};
	all[n++] = (span){0, Z_HEADER};
	all[n++] = (span){le64(m->p + 40), le64(m->p + 40) + le32(m->p + 64)};
	all[n++] = (span){le64(m->p + 48), le64(m->p + 48) + le32(m->p + 76)};
	qsort(all, n, sizeof *all, by_begin);
	uint64_t end = 0;
	for (size_t i = 0; i < n && e == ERR_OK; i++) {
		if (all[i].begin < end && all[i].end > all[i].begin)
			e = diag_set(d, ERR_CORRUPT, "MSFZ pieces overlap at 0x%llx",
				(unsigned long long)(all[i].begin & ~IN_CHUNKS));
		if (all[i].end > end)
			end = all[i].end;
	}
	mem_free(all);
	return e;
}

static err z_open(msf *m, diag *d)
{
	if (m->n < Z_HEADER)
		return diag_set(d, ERR_CORRUPT, "MSFZ header is cut off");
	if (le64(m->p + 32) != 0)
		return diag_set(d, ERR_UNSUPPORTED, "MSFZ version %llu is not known",
			(unsigned long long)le64(m->p + 32));
	m->ns = le32(m->p + 56);
	TRY(z_directory(m, d));
	if (m->ns > MSF_MAX_STREAMS || m->ns > m->ndir / 4)
		return diag_set(d, ERR_CORRUPT, "MSFZ header states %u streams", m->ns);
	TRY(z_chunks(m, d));
	m->s = arena_array(&m->a, m->ns, sizeof *m->s);
	return z_check(m, d);
}

static void z_runs(msf *m, stream *s)
{
	for (int pass = 0; pass < 2; pass++) {
		reader r = rd_of(m->dir, m->ndir);
		uint64_t off = 0;
		size_t n = 0;
		rd_seek(&r, s->list);
		for (uint32_t left = rd_u32(&r); left && left != NIL; left = rd_u32(&r)) {
			uint64_t loc = rd_u64(&r);
			run x = {.off = off, .len = left};
			if (!(loc & IN_CHUNKS)) {
				x.p = m->p + loc;
				if (pass)
					s->runs[n] = x;
				n++;
				off += left;
				continue;
			}
			x.chunk = (uint32_t)(loc >> 32) & 0x7fffffff;
			x.in = (uint32_t)loc;
			for (uint64_t rest = left; rest; x.chunk++, x.in = 0, n++) {
				uint64_t room = m->chunks[x.chunk].size - x.in;
				x.off = off;
				x.len = rest < room ? rest : room;
				if (pass)
					s->runs[n] = x;
				off += x.len;
				rest -= x.len;
			}
		}
		if (!pass)
			s->runs = arena_array(&m->a, n, sizeof *s->runs);
		s->nruns = n;
	}
}

static const uint8_t *chunk_bytes(msf *m, chunk *c)
{
	if (c->data || c->bad)
		return c->data;
	if (c->how == Z_NONE)
		return m->p + c->off;
	c->bad = true;
	if (m->held > HELD_MAX || c->size > (uint64_t)c->packed * 40000 + 4096)
		return NULL;
	uint8_t *b = mem_alloc(c->size);
	if (!unpack(c->how, m->p + c->off, c->packed, b, c->size)) {
		mem_free(b);
		return NULL;
	}
	c->bad = false;
	c->data = b;
	m->held += c->size;
	return b;
}

/* ---- both ---- */

err msf_open(const void *p, size_t n, msf **ret, diag *d)
{
	if (!msf_is(p, n))
		return diag_set(d, ERR_CORRUPT, "not an MSF file (no PDB signature)");
	msf *m = mem_alloc(sizeof *m);
	m->p = p;
	m->n = n;
	m->z = !memcmp(p, Z_MAGIC, 32);
	arena_init(&m->a);
	map_init(&m->stitches);
	err e = m->z ? z_open(m, d) : big_open(m, d);
	if (e != ERR_OK) {
		msf_close(m);
		return e;
	}
	*ret = m;
	return ERR_OK;
}

void msf_close(msf *m)
{
	if (!m)
		return;
	for (uint32_t i = 0; i < m->nchunks && m->chunks; i++)
		mem_free(m->chunks[i].data);
	map_deinit(&m->stitches);
	arena_deinit(&m->a);
	mem_free(m);
}

bool msf_compressed(const msf *m)
{
	return m->z;
}

uint32_t msf_count(const msf *m)
{
	return m->ns;
}

bool msf_has(const msf *m, uint32_t i)
{
	return i < m->ns && !m->s[i].nil;
}

uint64_t msf_size(const msf *m, uint32_t i)
{
	return i < m->ns ? m->s[i].size : 0;
}

size_t msf_held(const msf *m)
{
	return m->held + m->a.used;
}

size_t msf_span(msf *m, uint32_t i, uint64_t off, const uint8_t **ret)
{
	if (i >= m->ns || off >= m->s[i].size)
		return 0;
	stream *s = &m->s[i];
	if (!s->open) {
		s->open = true;
		if (m->z)
			z_runs(m, s);
		else
			big_runs(m, s);
	}
	run *x = &s->runs[s->last];
	if (off < x->off || off - x->off >= x->len) {
		size_t lo = 0, hi = s->nruns;
		while (hi - lo > 1) {
			size_t mid = (lo + hi) / 2;
			if (s->runs[mid].off <= off)
				lo = mid;
			else
				hi = mid;
		}
		s->last = lo;
		x = &s->runs[lo];
	}
	const uint8_t *b = x->p;
	if (!b) {
		b = chunk_bytes(m, &m->chunks[x->chunk]);
		if (!b)
			return 0;
		b += x->in;
	}
	*ret = b + (off - x->off);
	return (size_t)(x->len - (off - x->off));
}

err msf_read(msf *m, uint32_t i, uint64_t off, void *dst, size_t n)
{
	uint8_t *out = dst;
	while (n) {
		const uint8_t *b;
		size_t got = msf_span(m, i, off, &b);
		if (!got)
			return ERR_CORRUPT;
		if (got > n)
			got = n;
		memcpy(out, b, got);
		out += got;
		off += got;
		n -= got;
	}
	return ERR_OK;
}

const uint8_t *msf_peek(msf *m, uint32_t i, uint64_t off, size_t n)
{
	const uint8_t *b = (const uint8_t *)"";
	if (!n)
		return off <= msf_size(m, i) ? b : NULL;
	return msf_span(m, i, off, &b) >= n ? b : NULL;
}

const uint8_t *msf_view(msf *m, uint32_t i, uint64_t off, size_t n)
{
	const uint8_t *b = msf_peek(m, i, off, n);
	if (b)
		return b;
	if (n > MSF_MAX_STITCH || off > msf_size(m, i) || n > msf_size(m, i) - off)
		return NULL;
	uint64_t key[2] = {i, off}, h = hash_bytes(key, sizeof key);
	stitch *head = map_get(&m->stitches, h);
	for (stitch *x = head; x; x = x->next)
		if (x->stream == i && x->off == off && x->n >= n)
			return x->bytes;
	stitch *x = arena_alloc(&m->a, sizeof *x + n);
	if (msf_read(m, i, off, x->bytes, n) != ERR_OK)
		return NULL;
	x->next = head;
	x->stream = i;
	x->off = off;
	x->n = n;
	map_set(&m->stitches, h, x);
	return x->bytes;
}
