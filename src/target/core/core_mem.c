/*
 * core_mem: the memory of a core: its segments, cut where mappings of files begin and end, and the
 * mapped files where nothing was dumped. See core.h.
 *
 * A file of this host stands in only if it is the one that was mapped: where the core holds the
 * file's first page, ELF header and notes (the build-id) must be equal; where it does not, the file
 * must not have changed after the core was written. What was to be dumped and is cut off comes
 * from a file only where the process could not write.
 */
#include "target/core/core.h"

#include "base/bisect.h"
#include "base/map.h"
#include "fmt/elf.h"

#include <stdlib.h>
#include <sys/stat.h>

enum { HEADER = 64 };

/* ---- regions ---- */

static int by_address(const void *a, const void *b)
{
	const elfcore_seg *x = a, *y = b;
	return (x->vaddr > y->vaddr) - (x->vaddr < y->vaddr);
}

static int by_start(const void *a, const void *b)
{
	const elfcore_file *x = a, *y = b;
	return (x->start > y->start) - (x->start < y->start);
}

static core_map *map_of(core *c, map *known, str path)
{
	core_map *m = map_gets(known, path);
	if (!m) {
		m = &c->map[c->nmap++];
		m->path = path;
		map_sets(known, path, m);
	}
	return m;
}

static uint64_t seg_end(const elfcore_seg *s)
{
	return s ? s->vaddr + s->memsz : 0;
}

static void add_region(core *c, uint64_t start, uint64_t end, const elfcore_seg *s,
	const elfcore_file *f, core_map *m)
{
	core_region r = {.start = start, .end = end, .flags = ELF_PF_R};
	if (s) {
		uint64_t skip = start - s->vaddr, n = end - start;
		r.flags = s->flags;
		r.off = s->off + skip;
		r.dumped = s->filesz > skip ? s->filesz - skip : 0;
		if (r.dumped > n)
			r.dumped = n;
		r.have = r.off >= c->file.n		? 0
			 : c->file.n - r.off < r.dumped ? c->file.n - r.off
							: r.dumped;
	}
	if (f && f->off <= INT64_MAX) {
		r.map = m;
		r.map_off = f->off + (start - f->start);
		if (!r.map_off && !m->has_base) {
			m->base = start;
			m->has_base = true;
		}
	}
	c->region[c->nregion++] = r;
}

/* Both lists sorted; each step takes the longest piece from `at` with the same origin. */
void core_regions(core *c)
{
	size_t ns = c->c.nseg, nf = c->c.nfile, i = 0, j = 0;
	elfcore_seg *s = arena_array(&c->a, ns, sizeof *s);
	elfcore_file *f = arena_array(&c->a, nf, sizeof *f);
	map known;
	uint64_t at = 0;
	for (size_t k = 0; k < ns; k++)
		s[k] = c->c.seg[k];
	for (size_t k = 0; k < nf; k++)
		f[k] = c->c.file[k];
	if (ns)
		qsort(s, ns, sizeof *s, by_address);
	if (nf)
		qsort(f, nf, sizeof *f, by_start);
	map_init(&known);
	c->map = arena_array(&c->a, nf, sizeof *c->map);
	/* every step but the last ends at a start or an end of one of them */
	c->region = arena_array(&c->a, 2 * (ns + nf) + 1, sizeof *c->region);
	for (;;) {
		while (i < ns && seg_end(&s[i]) <= at)
			i++;
		while (j < nf && (f[j].end <= at || f[j].end <= f[j].start))
			j++;
		if (i == ns && j == nf)
			break;
		uint64_t sb = i == ns ? UINT64_MAX : s[i].vaddr > at ? s[i].vaddr : at;
		uint64_t fb = j == nf ? UINT64_MAX : f[j].start > at ? f[j].start : at;
		uint64_t begin = sb < fb ? sb : fb;
		bool in_s = i < ns && sb == begin, in_f = j < nf && fb == begin;
		uint64_t end = in_s ? seg_end(&s[i]) : f[j].end;
		if (in_f && f[j].end < end)
			end = f[j].end;
		if (!in_s && i < ns && sb < end)
			end = sb;
		if (!in_f && j < nf && fb < end)
			end = fb;
		if (end <= begin)
			break;
		add_region(c, begin, end, in_s ? &s[i] : NULL, in_f ? &f[j] : NULL,
			in_f ? map_of(c, &known, f[j].path) : NULL);
		at = end;
	}
	map_deinit(&known);
}

const core_region *core_region_at(const core *c, uint64_t addr)
{
	size_t lo = BISECT(i, c->nregion, c->region[i].end <= addr);
	return lo < c->nregion && c->region[lo].start <= addr ? &c->region[lo] : NULL;
}

/* ---- mapped files ---- */

/* The region that shows a file's first bytes, if these were dumped. */
static const core_region *head_of(const core *c, const core_map *m)
{
	for (size_t i = 0; i < c->nregion; i++)
		if (c->region[i].map == m && !c->region[i].map_off && c->region[i].have >= HEADER)
			return &c->region[i];
	return NULL;
}

static void note_patched(core_map *m, const elf_view *v, const elf_phdr *h)
{
	if (h->type != ELF_PT_LOAD || !(h->flags & ELF_PF_W) || !m->has_base ||
		m->n_patched == CORE_PATCHED || h->memsz > INT64_MAX)
		return;
	uint64_t lo = m->base + (h->vaddr - v->base);
	m->patched[m->n_patched].lo = lo & ~(uint64_t)(ELFCORE_PAGE - 1);
	m->patched[m->n_patched++].hi = lo + h->memsz;
}

/* Build-id and other notes as the core has them? If nothing can be compared, yes. */
static bool same_notes(const core *c, const core_region *r, core_map *m)
{
	arena a;
	elf_view v;
	bool same = true;
	arena_init(&a);
	if (elf_open(&v, &a, m->bytes.p, m->bytes.n, NULL) == ERR_OK)
		for (size_t i = 0; i < v.nph && same; i++) {
			const elf_phdr *h = &v.ph[i];
			note_patched(m, &v, h);
			if (r && h->type == ELF_PT_NOTE && h->off <= r->have &&
				h->filesz <= r->have - h->off && h->off <= m->bytes.n &&
				h->filesz <= m->bytes.n - h->off)
				same = !memcmp(c->file.p + r->off + h->off, m->bytes.p + h->off,
					(size_t)h->filesz);
		}
	arena_deinit(&a);
	return same;
}

static bool map_ready(core *c, core_map *m)
{
	struct stat st;
	if (m->tried)
		return m->fits;
	m->tried = true;
	char *path = mem_alloc(m->path.n + 1);
	memcpy(path, m->path.p, m->path.n);
	/* Never a device or a pipe: opening one does things. */
	bool there = path[0] == '/' && !stat(path, &st) && S_ISREG(st.st_mode) &&
		     sys_map_open(path, &m->bytes, NULL) == ERR_OK;
	mem_free(path);
	if (!there)
		return false;
	const core_region *head = head_of(c, m);
	if (head)
		m->fits = m->bytes.n >= HEADER &&
			  !memcmp(c->file.p + head->off, m->bytes.p, HEADER) &&
			  same_notes(c, head, m);
	else
		m->fits = st.st_mtim.tv_sec <= c->mtime && same_notes(c, NULL, m);
	return m->fits;
}

void core_mem_close(core *c)
{
	for (size_t i = 0; i < c->nmap; i++)
		if (c->map[i].bytes.p)
			sys_map_close(&c->map[i].bytes);
}

/* ---- reading ---- */

/* Bytes at `at` of a region, up to n; 0: they are nowhere. */
static size_t region_read(core *c, const core_region *r, uint64_t at, uint8_t *b, size_t n)
{
	if (n > r->end - r->start - at)
		n = (size_t)(r->end - r->start - at);
	if (at < r->have) {
		if (n > r->have - at)
			n = (size_t)(r->have - at);
		memcpy(b, c->file.p + r->off + at, n);
		return n;
	}
	if (!r->map || (r->flags & ELF_PF_W) || !map_ready(c, r->map))
		return 0;
	for (unsigned i = 0; i < r->map->n_patched; i++)
		if (r->start + at >= r->map->patched[i].lo && r->start + at < r->map->patched[i].hi)
			return 0;
	/* Behind the file's end its last page reads as zeros; further on there was nothing. */
	uint64_t off = r->map_off + at, size = r->map->bytes.n;
	uint64_t limit = (size + ELFCORE_PAGE - 1) & ~(uint64_t)(ELFCORE_PAGE - 1);
	if (off >= limit)
		return 0;
	if (n > limit - off)
		n = (size_t)(limit - off);
	size_t from_file = off >= size ? 0 : size - off < n ? (size_t)(size - off) : n;
	memcpy(b, r->map->bytes.p + (from_file ? off : 0), from_file);
	memset(b + from_file, 0, n - from_file);
	return n;
}

err core_read(tgt *t, as_t as, uint64_t addr, void *b, size_t n, size_t *n_ret)
{
	core *c = core_of(t);
	size_t done = 0;
	if (as.kind != AS_CURRENT && as.kind != AS_PROCESS)
		return ERR_UNSUPPORTED;
	if (as.kind == AS_PROCESS && as.id != c->pid)
		return ERR_NOTFOUND;
	while (done < n) {
		const core_region *r = core_region_at(c, addr + done);
		size_t got =
			r ? region_read(c, r, addr + done - r->start, (uint8_t *)b + done, n - done)
			  : 0;
		if (!got)
			break;
		done += got;
		if (addr + done < addr)
			break;
	}
	if (!done && n)
		return ERR_FAULT;
	*n_ret = done;
	return ERR_OK;
}

bool core_bytes(core *c, uint64_t addr, void *b, size_t n)
{
	size_t got = 0;
	return core_read(&c->t, as_current(), addr, b, n, &got) == ERR_OK && got == n;
}
