/*
 * pe: see pe.h. This file: headers, sections, reading by RVA, debug directory, .pdata.
 * pe_export.c has the exports, pe_version.c the version resource.
 *
 * Invariant: after pe_open the section table is in the arena, and no count from the image is
 * believed beyond its PE_MAX_xxx.
 */
#include "fmt/pe.h"

#include "base/bisect.h"

/* Sizes and offsets of learn.microsoft.com/windows/win32/debug/pe-format. */
enum {
	DOS_SIZE = 64,
	DOS_LFANEW = 0x3c,
	COFF_SIZE = 24, /* with the signature */
	OPT_DIRS_32 = 96,
	OPT_DIRS_64 = 112,
	SECTION_SIZE = 40,
	DEBUG_SIZE = 28,
	FUNC_SIZE = 12,
	HEAD_READ = 4096,
	WINDOW = 4096
};

/* ---- sources ---- */

static err bytes_read(void *u, uint64_t addr, void *dst, size_t n, size_t *n_ret)
{
	const str *s = u;
	if (addr >= s->n)
		return ERR_FAULT;
	size_t left = s->n - (size_t)addr;
	if (n > left)
		n = left;
	memcpy(dst, s->p + addr, n);
	*n_ret = n;
	return ERR_OK;
}

mem_reader pe_bytes(const str *s)
{
	return (mem_reader){(void *)(uintptr_t)s, bytes_read};
}

/* As much as the reader gives, which may take several short reads. */
static err fill(const mem_reader *m, uint64_t addr, void *dst, size_t n, size_t *n_ret)
{
	size_t done = 0;
	while (done < n) {
		size_t got = 0;
		err e = m->read(m->u, addr + done, (char *)dst + done, n - done, &got);
		if (e != ERR_OK && e != ERR_FAULT)
			return e;
		if (e != ERR_OK || !got)
			break;
		done += got;
	}
	*n_ret = done;
	return done || !n ? ERR_OK : ERR_FAULT;
}

/* ---- headers ---- */

static void read_optional(pe_view *p, reader *r, size_t opt_size)
{
	reader o = rd_sub(r, r->pos, opt_size < rd_left(r) ? opt_size : rd_left(r));
	p->plus = rd_u16(&o) == 0x20b;
	p->linker_major = rd_u8(&o);
	p->linker_minor = rd_u8(&o);
	rd_skip(&o, 12);
	p->entry = rd_u32(&o);
	rd_skip(&o, p->plus ? 4 : 8);
	p->preferred_base = p->plus ? rd_u64(&o) : rd_u32(&o);
	p->section_align = rd_u32(&o);
	p->file_align = rd_u32(&o);
	p->os_major = rd_u16(&o);
	p->os_minor = rd_u16(&o);
	p->image_major = rd_u16(&o);
	p->image_minor = rd_u16(&o);
	p->subsys_major = rd_u16(&o);
	p->subsys_minor = rd_u16(&o);
	rd_skip(&o, 4);
	p->image_size = rd_u32(&o);
	p->headers_size = rd_u32(&o);
	p->checksum = rd_u32(&o);
	p->subsystem = rd_u16(&o);
	p->dll_characteristics = rd_u16(&o);
	rd_skip(&o, p->plus ? 36 : 20);
	uint32_t ndirs = rd_u32(&o);
	for (uint32_t i = 0; i < ndirs && i < PE_NDIRS && !o.bad; i++) {
		uint32_t rva = rd_u32(&o), size = rd_u32(&o);
		if (!o.bad) {
			p->dir[i].rva = rva;
			p->dir[i].size = size;
		}
	}
}

static void read_sections(pe_view *p, reader *r, size_t nsec)
{
	p->sec = arena_array(p->a, nsec, sizeof *p->sec);
	for (size_t i = 0; i < nsec; i++) {
		const uint8_t *h = rd_bytes(r, SECTION_SIZE);
		if (!h)
			break;
		pe_section *s = &p->sec[p->nsec++];
		memcpy(s->name, h, 8);
		s->vsize = le32(h + 8);
		s->rva = le32(h + 12);
		s->raw_size = le32(h + 16);
		s->raw = le32(h + 20);
		s->flags = le32(h + 36);
		if (!s->vsize) /* old linkers leave it out */
			s->vsize = s->raw_size;
	}
}

static err parse_headers(pe_view *p, const uint8_t *head, size_t n, size_t *need, diag *d)
{
	reader r = rd_of(head, n);
	*need = 0;
	if (n < DOS_SIZE || head[0] != 'M' || head[1] != 'Z')
		return diag_set(d, ERR_CORRUPT, "no PE image: the MZ signature is missing");
	uint32_t nt = le32(head + DOS_LFANEW);
	if (nt > PE_MAX_HEADERS)
		return diag_set(d, ERR_CORRUPT, "no PE image: header offset 0x%x", nt);
	*need = (size_t)nt + COFF_SIZE + OPT_DIRS_64 + 8 * PE_NDIRS;
	rd_seek(&r, nt);
	uint32_t sig = rd_u32(&r);
	uint16_t machine = rd_u16(&r), nsec = rd_u16(&r);
	uint32_t stamp = rd_u32(&r);
	rd_skip(&r, 8);
	uint16_t opt_size = rd_u16(&r), chars = rd_u16(&r);
	if (r.bad)
		return diag_set(d, ERR_FAULT, "PE headers cannot be read");
	if (sig != 0x4550)
		return diag_set(d, ERR_CORRUPT, "no PE image: the PE signature is missing");
	if (nsec > PE_MAX_SECTIONS)
		return diag_set(d, ERR_CORRUPT, "PE header states %u sections", nsec);
	*need = r.pos + opt_size + (size_t)nsec * SECTION_SIZE;
	if (*need > n)
		return ERR_OK; /* the caller reads more */
	uint16_t magic = opt_size >= 2 ? le16(head + r.pos) : 0;
	size_t dirs = magic == 0x20b ? OPT_DIRS_64 : OPT_DIRS_32;
	if ((magic != 0x10b && magic != 0x20b) || opt_size < dirs)
		return diag_set(d, ERR_CORRUPT, "PE optional header is damaged");
	p->machine = machine;
	p->timestamp = stamp;
	p->characteristics = chars;
	read_optional(p, &r, opt_size);
	rd_skip(&r, opt_size);
	read_sections(p, &r, nsec);
	return ERR_OK;
}

err pe_open(pe_view *p, arena *a, const mem_reader *mem, uint64_t base, pe_layout layout, diag *d)
{
	pe_view v = {.mem = *mem, .base = base, .layout = layout, .a = a};
	uint8_t head[HEAD_READ];
	size_t got = 0, need = 0;
	err e = fill(mem, base, head, sizeof head, &got);
	if (e != ERR_OK)
		return diag_set(d, e, "PE headers cannot be read");
	TRY(parse_headers(&v, head, got, &need, d));
	if (need > got) {
		if (need > PE_MAX_HEADERS)
			return diag_set(d, ERR_CORRUPT, "PE headers of %zu bytes", need);
		uint8_t *more = arena_alloc(a, need);
		size_t all = 0;
		e = fill(mem, base, more, need, &all);
		if (e != ERR_OK || all < need)
			return diag_set(
				d, e != ERR_OK ? e : ERR_FAULT, "PE headers cannot be read");
		TRY(parse_headers(&v, more, all, &need, d));
		/* The header offset was in the first read, so `need` is now exact, but the bytes
		 * may have changed under us: a running target. */
		if (need > all)
			return diag_set(d, ERR_CORRUPT, "PE headers changed while they were read");
	}
	*p = v;
	return ERR_OK;
}

/* ---- reading by RVA ---- */

const pe_section *pe_section_at(const pe_view *p, uint32_t rva)
{
	for (size_t i = 0; i < p->nsec; i++)
		if (rva >= p->sec[i].rva && rva - p->sec[i].rva < p->sec[i].vsize)
			return &p->sec[i];
	return NULL;
}

/* The loader rounds the file pointer of a page-aligned image down to a sector. */
static uint32_t raw_start(const pe_view *p, const pe_section *s)
{
	return p->section_align >= 0x1000 ? s->raw & ~0x1ffu : s->raw;
}

bool pe_same_layout(const pe_view *image, const pe_view *file)
{
	if (image->machine != file->machine || image->entry != file->entry ||
		image->nsec > file->nsec)
		return false;
	for (size_t i = 0; i < image->nsec; i++) {
		const pe_section *a = &image->sec[i], *b = &file->sec[i];
		/* long names are places in a table, which is another one */
		if (a->rva != b->rva || a->vsize != b->vsize ||
			(a->name[0] != '/' && strcmp(a->name, b->name)))
			return false;
	}
	return image->nsec;
}

/* One piece of a file image: what lies in one section or in the headers. */
static err file_piece(const pe_view *p, uint32_t rva, uint8_t *dst, size_t n, size_t *n_ret)
{
	const pe_section *s = pe_section_at(p, rva);
	if (!s) {
		if (rva >= p->headers_size)
			return ERR_FAULT;
		size_t left = p->headers_size - rva;
		return fill(&p->mem, p->base + rva, dst, n < left ? n : left, n_ret);
	}
	uint32_t at = rva - s->rva;
	size_t left = s->vsize - at;
	if (n > left)
		n = left;
	if (at >= s->raw_size) {
		memset(dst, 0, n);
		*n_ret = n;
		return ERR_OK;
	}
	if (n > s->raw_size - at)
		n = s->raw_size - at;
	return fill(&p->mem, p->base + raw_start(p, s) + at, dst, n, n_ret);
}

err pe_read_some(const pe_view *p, uint32_t rva, void *dst, size_t n, size_t *n_ret)
{
	uint64_t limit = p->layout == PE_LOADED && p->image_size ? p->image_size : UINT32_MAX;
	if (rva >= limit)
		return ERR_FAULT;
	if (n > limit - rva)
		n = (size_t)(limit - rva);
	if (p->layout == PE_LOADED)
		return fill(&p->mem, p->base + rva, dst, n, n_ret);
	size_t done = 0;
	while (done < n) {
		size_t got = 0;
		err e = file_piece(p, rva + (uint32_t)done, (uint8_t *)dst + done, n - done, &got);
		if (e != ERR_OK && e != ERR_FAULT)
			return e;
		if (e != ERR_OK || !got)
			break;
		done += got;
	}
	*n_ret = done;
	return done || !n ? ERR_OK : ERR_FAULT;
}

err pe_read(const pe_view *p, uint32_t rva, void *dst, size_t n)
{
	size_t got = 0;
	if (!n)
		return ERR_OK;
	TRY(pe_read_some(p, rva, dst, n, &got));
	return got == n ? ERR_OK : ERR_FAULT;
}

err pe_read_z(const pe_view *p, arena *a, uint32_t rva, size_t max, str *ret)
{
	char text[PE_MAX_NAME + 64];
	size_t n = 0;
	if (max > PE_MAX_NAME)
		max = PE_MAX_NAME;
	while (n < max) {
		size_t got = 0;
		if (rva > UINT32_MAX - n)
			return ERR_FAULT;
		TRY(pe_read_some(p, rva + (uint32_t)n, text + n, 64, &got));
		const char *end = memchr(text + n, 0, got);
		if (end) {
			n = (size_t)(end - text);
			*ret = str_dup(a, (str){text, n < max ? n : max});
			return ERR_OK;
		}
		n += got;
	}
	return ERR_CORRUPT;
}

/* ---- debug directory ---- */

static err debug_entry(const pe_view *p, uint32_t i, pe_debug *ret)
{
	uint8_t b[DEBUG_SIZE];
	uint32_t rva = p->dir[PE_DIR_DEBUG].rva;
	if (!rva || (i + 1) * DEBUG_SIZE > p->dir[PE_DIR_DEBUG].size || i >= PE_MAX_DEBUG)
		return ERR_NOTFOUND;
	if (rva > UINT32_MAX - PE_MAX_DEBUG * DEBUG_SIZE)
		return ERR_CORRUPT;
	TRY(pe_read(p, rva + i * DEBUG_SIZE, b, sizeof b));
	*ret = (pe_debug){.type = le32(b + 12),
		.timestamp = le32(b + 4),
		.size = le32(b + 16),
		.rva = le32(b + 20),
		.raw = le32(b + 24)};
	return ERR_OK;
}

err pe_debug_each(const pe_view *p, bool (*cb)(void *u, const pe_debug *e), void *u)
{
	for (uint32_t i = 0;; i++) {
		pe_debug e;
		err r = debug_entry(p, i, &e);
		if (r == ERR_NOTFOUND)
			return i ? ERR_OK : ERR_NOTFOUND;
		if (r != ERR_OK)
			return r;
		if (!cb(u, &e))
			return ERR_OK;
	}
}

/* Bytes of the first entry of a type; in a file they may lie outside every section. */
static err debug_data(const pe_view *p, arena *a, uint32_t type, uint8_t **ret, size_t *n_ret)
{
	for (uint32_t i = 0;; i++) {
		pe_debug e;
		TRY(debug_entry(p, i, &e));
		if (e.type != type)
			continue;
		size_t n = e.size < PE_MAX_NAME ? e.size : PE_MAX_NAME, got = 0;
		uint8_t *b = arena_alloc(a, n + 1);
		if (e.rva)
			TRY(pe_read_some(p, e.rva, b, n, &got));
		else if (p->layout == PE_FILE && e.raw)
			TRY(fill(&p->mem, p->base + e.raw, b, n, &got));
		else
			return ERR_NOTFOUND;
		*ret = b;
		*n_ret = got;
		return ERR_OK;
	}
}

err pe_debug_codeview(const pe_view *p, arena *a, pe_codeview *ret)
{
	uint8_t *b = NULL;
	size_t n = 0;
	TRY(debug_data(p, a, PE_DEBUG_CODEVIEW, &b, &n));
	pe_codeview c = {0};
	size_t path;
	if (n >= 24 && le32(b) == 0x53445352) { /* RSDS */
		c.rsds = true;
		memcpy(c.guid, b + 4, 16);
		c.age = le32(b + 20);
		path = 24;
	} else if (n >= 16 && le32(b) == 0x3031424e) { /* NB10 */
		c.sig = le32(b + 8);
		c.age = le32(b + 12);
		path = 16;
	} else {
		return ERR_CORRUPT;
	}
	c.path = (str){(char *)b + path, strnlen((char *)b + path, n - path)};
	*ret = c;
	return ERR_OK;
}

err pe_debug_repro(const pe_view *p, arena *a, str *ret)
{
	for (uint32_t i = 0;; i++) {
		pe_debug e;
		TRY(debug_entry(p, i, &e));
		if (e.type != PE_DEBUG_REPRO)
			continue;
		uint8_t *b = NULL;
		size_t n = 0;
		if (debug_data(p, a, PE_DEBUG_REPRO, &b, &n) != ERR_OK || n < 4)
			*ret = (str){"", 0};
		else
			*ret = (str){(char *)b + 4, le32(b) < n - 4 ? le32(b) : n - 4};
		return ERR_OK;
	}
}

void pe_guid_text(const uint8_t g[16], bool bare, buf *out)
{
	const char *dash = bare ? "" : "-";
	buf_addf(out, "%s%08X%s%04X%s%04X%s%02X%02X%s", bare ? "" : "{", le32(g), dash, le16(g + 4),
		dash, le16(g + 6), dash, g[8], g[9], dash);
	for (int i = 10; i < 16; i++)
		buf_addf(out, "%02X", g[i]);
	if (!bare)
		buf_addc(out, '}');
}

/* ---- .pdata ---- */

size_t pe_func_count(const pe_view *p)
{
	if (p->machine != PE_MACHINE_AMD64 || !p->dir[PE_DIR_EXCEPTION].rva)
		return 0;
	uint64_t end = (uint64_t)p->dir[PE_DIR_EXCEPTION].rva + p->dir[PE_DIR_EXCEPTION].size;
	return end > UINT32_MAX ? 0 : p->dir[PE_DIR_EXCEPTION].size / FUNC_SIZE;
}

static pe_func func_of(const uint8_t *b)
{
	return (pe_func){le32(b), le32(b + 4), le32(b + 8)};
}

err pe_func_nth(const pe_view *p, size_t i, pe_func *ret)
{
	uint8_t b[FUNC_SIZE];
	if (i >= pe_func_count(p))
		return ERR_NOTFOUND;
	TRY(pe_read(p, p->dir[PE_DIR_EXCEPTION].rva + (uint32_t)i * FUNC_SIZE, b, sizeof b));
	*ret = func_of(b);
	return ERR_OK;
}

/* The last entry in [lo, hi) that begins at or below rva, read in one go. */
static err func_window(const pe_view *p, size_t lo, size_t hi, uint32_t rva, pe_func *ret)
{
	uint8_t win[WINDOW];
	TRY(pe_read(p, p->dir[PE_DIR_EXCEPTION].rva + (uint32_t)lo * FUNC_SIZE, win,
		(hi - lo) * FUNC_SIZE));
	size_t a = BISECT(i, hi - lo, le32(win + i * FUNC_SIZE) <= rva);
	if (!a)
		return ERR_NOTFOUND;
	*ret = func_of(win + (a - 1) * FUNC_SIZE);
	return ERR_OK;
}

err pe_func_at(const pe_view *p, uint32_t rva, pe_func *ret)
{
	size_t lo = 0, hi = pe_func_count(p);
	pe_func f;
	if (p->machine != PE_MACHINE_AMD64)
		return ERR_UNSUPPORTED;
	if (!hi)
		return ERR_NOTFOUND;
	while (hi - lo > WINDOW / FUNC_SIZE) {
		size_t mid = lo + (hi - lo) / 2;
		TRY(pe_func_nth(p, mid, &f));
		if (f.begin <= rva)
			lo = mid;
		else
			hi = mid;
	}
	TRY(func_window(p, lo, hi, rva, &f));
	if (rva >= f.end)
		return ERR_NOTFOUND;
	/* RUNTIME_FUNCTION_INDIRECT: the low bit says that `unwind` leads to another entry. */
	for (int hop = 0; f.unwind & 1; hop++) {
		uint8_t b[FUNC_SIZE];
		if (hop == 8)
			return ERR_CORRUPT;
		TRY(pe_read(p, f.unwind & ~1u, b, sizeof b));
		f.unwind = le32(b + 8);
	}
	*ret = f;
	return ERR_OK;
}
