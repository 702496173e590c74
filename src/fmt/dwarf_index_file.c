/*
 * dwarf_index_file: a finished index on disk. The tables are written as they are, behind a header:
 *
 *   0    "RSDWIDX" and a zero      8  version      12  size of the header
 *   16   size of the file         24  sum of the sizes of all sections
 *   32   size of the id, 64 bytes of id
 *   104  units, damaged, left out
 *   128  six tables: offset, number of rows: entries, scopes, buckets, order, units, ranges
 *   224  sum of the tables       232  sum of the header before this
 *
 * All numbers little-endian, tables aligned to 8. Refuses to know directories and file names.
 */
#include "fmt/dwarf_index_impl.h"

enum {
	VERSION = 1,
	HEADER = 240,
	AT_VERSION = 8,
	AT_HEADER = 12,
	AT_FILE = 16,
	AT_SECTIONS = 24,
	AT_ID_N = 32,
	AT_ID = 40,
	ID_MAX = 64,
	AT_COUNTS = 104,
	AT_TABLES = 128,
	AT_SUM = 224,
	AT_HEADER_SUM = 232
};
static const char magic[8] = "RSDWIDX";
static const uint8_t row_size[DWX_TABLES] = {32, 16, 4, 4, 8, 16};

uint64_t dwx_sum(uint64_t seed, const uint8_t *p, size_t n)
{
	/* Four lanes, so that the multiplications do not wait for each other. */
	const uint64_t k = 0x9e3779b97f4a7c15ull;
	uint64_t a = seed ^ n * k, b = a + k, c = b + k, d = c + k;
	for (; n >= 32; n -= 32, p += 32) {
		a = (a ^ le64(p)) * k;
		b = (b ^ le64(p + 8)) * k;
		c = (c ^ le64(p + 16)) * k;
		d = (d ^ le64(p + 24)) * k;
		a ^= a >> 29;
		b ^= b >> 29;
		c ^= c >> 29;
		d ^= d >> 29;
	}
	for (; n; n--, p++) {
		a = (a ^ *p) * k;
		a ^= a >> 29;
	}
	a ^= (b << 13 | b >> 51) + (c << 29 | c >> 35) + (d << 43 | d >> 21);
	a *= k;
	return a ^ a >> 32;
}

static uint64_t sum_sizes(const dwx_sections *parts, size_t n)
{
	uint64_t h = n;
	for (size_t i = 0; i < n; i++) {
		const dwx_sections *s = &parts[i];
		const size_t size[] = {s->info.n, s->abbrev.n, s->str.n, s->line_str.n,
			s->str_offsets.n, s->types.n, s->alt_info.n, s->alt_abbrev.n, s->alt_str.n,
			s->alt_line_str.n};
		for (size_t k = 0; k < ARRAY_LEN(size); k++) {
			uint8_t b[8];
			put64(b, size[k]);
			h = dwx_sum(h, b, sizeof b);
		}
	}
	return h;
}

typedef struct table {
	const uint8_t *p;
	size_t n; /* rows */
} table;

static void tables_of(const dwx *x, table t[DWX_TABLES])
{
	t[0] = (table){x->recs, x->n_recs};
	t[1] = (table){x->scopes, x->n_scopes};
	t[2] = (table){x->buckets, x->n_buckets + 1};
	t[3] = (table){x->order, x->n_recs};
	t[4] = (table){x->units, x->n_units};
	t[5] = (table){x->ranges, x->n_ranges};
}

/* Of the tables and, in a file, of what fills them up to a multiple of 8. */
static uint64_t sum_tables(const table t[DWX_TABLES], bool mapped, const cancel *c)
{
	enum { STEP = 1 << 22 };
	static const uint8_t zeros[8];
	uint64_t h = 0;
	for (size_t i = 0; i < DWX_TABLES; i++) {
		size_t n = t[i].n * row_size[i];
		for (size_t at = 0; at < n && !cancelled(c); at += STEP)
			h = dwx_sum(h, t[i].p + at, n - at < STEP ? n - at : STEP);
		h = dwx_sum(h, mapped ? t[i].p + n : zeros, -n & 7);
	}
	return h;
}

err dwx_save(const dwx *x, const char *path, const uint8_t *id, size_t id_n, diag *d)
{
	static const char zeros[8];
	uint8_t h[HEADER] = {0};
	table t[DWX_TABLES];
	str piece[1 + 2 * DWX_TABLES];
	size_t n = 1;
	uint64_t at = HEADER;
	if (!id_n || id_n > ID_MAX)
		return diag_set(d, ERR_ARG, "a build-id of %zu bytes", id_n);
	tables_of(x, t);
	for (size_t i = 0; i < DWX_TABLES; i++) {
		size_t size = t[i].n * row_size[i], pad = -size & 7;
		put64(h + AT_TABLES + i * 16, at);
		put64(h + AT_TABLES + i * 16 + 8, t[i].n);
		piece[n++] = (str){(const char *)t[i].p, size};
		piece[n++] = (str){zeros, pad};
		at += size + pad;
	}
	memcpy(h, magic, sizeof magic);
	put32(h + AT_VERSION, VERSION);
	put32(h + AT_HEADER, HEADER);
	put64(h + AT_FILE, at);
	put64(h + AT_SECTIONS, sum_sizes(x->part, x->n_parts));
	put64(h + AT_ID_N, id_n);
	memcpy(h + AT_ID, id, id_n);
	put64(h + AT_COUNTS, x->stats.units);
	put64(h + AT_COUNTS + 8, x->stats.damaged);
	put64(h + AT_COUNTS + 16, x->stats.left_out);
	put64(h + AT_SUM, sum_tables(t, false, NULL));
	put64(h + AT_HEADER_SUM, dwx_sum(0, h, AT_HEADER_SUM));
	piece[0] = (str){(const char *)h, HEADER};
	return sys_write_pieces(path, piece, n, d);
}

/* Every table inside of the file, and sizes that fit each other. */
static bool tables_fit(const uint8_t *p, size_t n, table t[DWX_TABLES])
{
	for (size_t i = 0; i < DWX_TABLES; i++) {
		uint64_t off = le64(p + AT_TABLES + i * 16),
			 rows = le64(p + AT_TABLES + i * 16 + 8);
		if (off < HEADER || off > n || off & 7 || rows > (n - off) / row_size[i] ||
			(-(rows * row_size[i]) & 7) > n - off - rows * row_size[i])
			return false;
		t[i] = (table){p + off, rows};
	}
	size_t buckets = t[2].n - 1;
	return t[2].n >= 2 && !(buckets & (buckets - 1)) && t[3].n == t[0].n && t[1].n &&
	       t[0].n <= DWX_ENTRIES_MAX && t[1].n <= SCOPE_PARENT;
}

err dwx_open(const char *path, const uint8_t *id, size_t id_n, const dwx_sections *parts,
	size_t n_parts, dwx **ret, diag *d)
{
	sys_map m;
	table t[DWX_TABLES];
	err e = ERR_CORRUPT;
	if (!n_parts || n_parts > DWX_PARTS_MAX)
		return diag_set(d, ERR_ARG, "%zu files with debug information at once", n_parts);
	TRY(sys_map_open(path, &m, d));
	const uint8_t *p = m.p;
	if (m.n < HEADER || memcmp(p, magic, sizeof magic) || le32(p + AT_VERSION) != VERSION ||
		le32(p + AT_HEADER) != HEADER || le64(p + AT_FILE) != m.n ||
		le64(p + AT_HEADER_SUM) != dwx_sum(0, p, AT_HEADER_SUM))
		(void)diag_set(d, e, "%s: not an index, or a damaged one", path);
	else if (le64(p + AT_ID_N) != id_n || id_n > ID_MAX || memcmp(p + AT_ID, id, id_n))
		e = diag_set(d, ERR_NOTFOUND, "%s: another program's index", path);
	else if (le64(p + AT_SECTIONS) != sum_sizes(parts, n_parts))
		e = diag_set(d, ERR_NOTFOUND, "%s: made of other debug sections", path);
	else if (!tables_fit(p, m.n, t))
		(void)diag_set(d, e, "%s: tables that do not fit", path);
	else
		e = ERR_OK;
	if (e != ERR_OK) {
		sys_map_close(&m);
		return e;
	}
	dwx *x = mem_alloc(sizeof *x);
	*x = (dwx){.n_parts = n_parts,
		.recs = t[0].p,
		.scopes = t[1].p,
		.buckets = t[2].p,
		.order = t[3].p,
		.units = t[4].p,
		.ranges = t[5].p,
		.n_recs = t[0].n,
		.n_scopes = t[1].n,
		.n_buckets = t[2].n - 1,
		.n_units = t[4].n,
		.n_ranges = t[5].n,
		.map = m};
	x->stats = (dwx_stats){.units = le64(p + AT_COUNTS),
		.damaged = le64(p + AT_COUNTS + 8),
		.left_out = le64(p + AT_COUNTS + 16)};
	x->part = mem_alloc(n_parts * sizeof *x->part);
	memcpy(x->part, parts, n_parts * sizeof *x->part);
	*ret = x;
	return ERR_OK;
}

err dwx_verify(const dwx *x, const cancel *c)
{
	table t[DWX_TABLES];
	if (!x->map.n)
		return ERR_OK;
	tables_of(x, t);
	uint64_t sum = sum_tables(t, true, c);
	if (cancelled(c))
		return ERR_CANCELLED;
	return sum == le64(x->map.p + AT_SUM) ? ERR_OK : ERR_CORRUPT;
}
