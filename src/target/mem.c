/*
 * mem: memory as views show it: cached, translated, masked. See target.h.
 *
 * Refuses to know backends and what the memory means. The cache holds lines of 256 bytes in pages
 * of 4096, because over a serial line a page costs three times what a small piece costs, and
 * neighbours of what was read are mostly wanted next: a run that continues reads further and
 * further ahead.
 *
 * A backend's memory is readable or not by the page: a line that cannot be read is remembered as
 * bad until the target runs or memory is written. What is in the cache is masked already.
 */
#include "target/mem_int.h"

/* ---- life ---- */

tgt_mem *tgt_mem_of(tgt *t)
{
	if (t->mem)
		return t->mem;
	tgt_mem *m = mem_alloc(sizeof *m);
	arena_init(&m->pages_arena);
	map_init(&m->pages);
	map_init(&m->tlb);
	m->run = mem_alloc(MEM_RUN_MAX);
	m->la57 = -1;
	m->cache.pages = MEM_PAGES_MAX;
	t->mem = m;
	return m;
}

static uint64_t space_key(tgt_mem *m, as_t as, uint64_t addr);

void tgt_mem_free(tgt *t)
{
	tgt_mem *m = t->mem;
	if (!m)
		return;
	map_deinit(&m->pages);
	map_deinit(&m->tlb);
	arena_deinit(&m->pages_arena);
	vec_deinit(&m->spaces);
	vec_deinit(&m->traps);
	mem_free(m->run);
	mem_free(m);
	t->mem = NULL;
}

static void drop_all(tgt_mem *m)
{
	if (m->pages.live)
		map_clear(&m->pages);
	if (m->tlb.live)
		map_clear(&m->tlb);
	arena_reset(&m->pages_arena);
	m->spaces.n = 0;
}

void mem_drop(tgt *t)
{
	tgt_mem *m = t->mem;
	if (!m)
		return;
	if (!m->cache.hold) {
		drop_all(m);
		return;
	}
	m->age++;
	map_clear(&m->tlb);
}

uint64_t tgt_stops(tgt *t)
{
	return tgt_mem_of(t)->gen;
}

/* ---- .cache ---- */

void tgt_cache_get(tgt *t, tgt_cache *ret, size_t *used_ret)
{
	*ret = tgt_mem_of(t)->cache;
	*used_ret = t->mem->pages.live;
}

err tgt_cache_set(tgt *t, const tgt_cache *to, diag *d)
{
	tgt_mem *m = tgt_mem_of(t);
	if (to->pages > MEM_PAGES_LIMIT)
		return diag_set(d, ERR_ARG, "the cache's size must be at most %d KB",
			MEM_PAGES_LIMIT * (MEM_PAGE / 1024));
	if (to->pages < m->pages.live || (m->cache.hold && !to->hold))
		drop_all(m);
	m->cache = *to;
	return ERR_OK;
}

static bool flushed(const tgt_mem *m, const map_entry *e, tgt_flush what, uint64_t addr)
{
	uint64_t page = e->key & 0xfffffffffffffULL;
	as_t as = m->spaces.p[e->key >> 52];
	if (what == TGT_FLUSH_PAGE)
		return page == addr >> 12;
	return as.kind != AS_CURRENT || !(page >> 51);
}

void tgt_cache_flush(tgt *t, tgt_flush what, uint64_t addr)
{
	tgt_mem *m = tgt_mem_of(t);
	if (what == TGT_FLUSH_ALL) {
		drop_all(m);
		return;
	}
	/* A page that is seen through page tables is kept under its physical address. */
	for (map_entry *e = NULL; what == TGT_FLUSH_PAGE && (e = map_next(&m->tlb, e));) {
		uint64_t known = (uint64_t)(uintptr_t)e->val;
		if (!(known & 1) || !flushed(m, e, what, addr))
			continue;
		mem_page *p = map_get(&m->pages, space_key(m, as_phys(), known));
		if (p)
			p->valid = p->bad = 0;
	}
	for (map_entry *e = NULL; (e = map_next(&m->pages, e));) {
		mem_page *p = e->val;
		p->bad = 0;
		if (flushed(m, e, what, addr))
			p->valid = 0;
	}
	map_clear(&m->tlb);
}

/* ---- pages ---- */

static uint64_t space_key(tgt_mem *m, as_t as, uint64_t addr)
{
	size_t i = 0;
	if (as.kind == AS_CURRENT)
		as.id = 0;
	while (i < m->spaces.n && (m->spaces.p[i].kind != as.kind || m->spaces.p[i].id != as.id))
		i++;
	if (i == m->spaces.n)
		vec_push(&m->spaces, as);
	return (uint64_t)i << 52 | addr >> 12;
}

static void make_room(tgt *t)
{
	tgt_mem *m = t->mem;
	size_t max = m->cache.pages ? m->cache.pages : MEM_PAGES_MAX;
	if (m->pages.live >= max || m->tlb.live >= 8 * MEM_PAGES_MAX ||
		m->spaces.n >= MEM_SPACES_MAX)
		drop_all(m);
}

/* The page if it may be used now: a stale one only by views. */
static mem_page *page_get(tgt_mem *m, as_t as, uint64_t addr)
{
	mem_page *p = map_get(&m->pages, space_key(m, as, addr));
	return p && (p->age == m->age || m->viewing) ? p : NULL;
}

static mem_page *page_make(tgt_mem *m, as_t as, uint64_t addr)
{
	uint64_t key = space_key(m, as, addr);
	mem_page *p = map_get(&m->pages, key);
	if (!p) {
		p = arena_raw(&m->pages_arena, sizeof *p); /* a line is read before it is valid */
		p->valid = p->bad = 0;
		p->age = m->age;
		map_set(&m->pages, key, p);
	}
	if (p->age != m->age && !m->viewing) {
		p->valid = p->bad = 0;
		p->age = m->age;
	}
	return p;
}

static uint16_t line_mask(size_t first, size_t last)
{
	return (uint16_t)((0xffffu << first) & (0xffffu >> (MEM_LINES - 1 - last)));
}

/* ---- translation ---- */

static bool served(tgt *t, as_kind kind)
{
	tgt_caps c = {0};
	t->ops->caps(t, &c);
	return c.spaces >> kind & 1;
}

static err phys_reader(void *u, uint64_t addr, void *b, size_t n, size_t *n_ret)
{
	return tgt_read((tgt *)u, as_phys(), addr, b, n, n_ret, NULL);
}

static bool five_levels(tgt *t)
{
	tgt_mem *m = tgt_mem_of(t);
	if (m->la57 < 0) {
		x64_regs r = {0};
		m->la57 = 0;
		if (t->ops->regs_get && t->ops->regs_get(t, 0, X64_SET_SPECIAL, &r, NULL) == ERR_OK)
			m->la57 = (int)(r.cr4 >> 12 & 1); /* CR4.LA57, Intel SDM 3A 2.5 */
	}
	return m->la57 == 1;
}

err tgt_translate(tgt *t, uint64_t root, uint64_t va, x64_walk *w, diag *d)
{
	mem_reader phys = {t, phys_reader};
	err e = x64_walk_va(root, va, five_levels(t), &phys, w);
	if (e != ERR_OK)
		return diag_set(d, e, "a page table for %016llx cannot be read (root %llx)",
			(unsigned long long)va, (unsigned long long)root);
	if (!w->present)
		return diag_set(d, ERR_FAULT, "%016llx is not present (root %llx)",
			(unsigned long long)va, (unsigned long long)root);
	return ERR_OK;
}

/* Physical address of va, from the last walks if possible. */
static err phys_of(tgt *t, uint64_t root, uint64_t va, uint64_t *ret)
{
	tgt_mem *m = tgt_mem_of(t);
	make_room(t);
	uint64_t key = space_key(m, as_root(root), va);
	uint64_t known = (uint64_t)(uintptr_t)map_get(&m->tlb, key);
	if (!known) {
		x64_walk w;
		err e = tgt_translate(t, root, va, &w, NULL);
		if (e != ERR_OK && e != ERR_FAULT)
			return e;
		known = e == ERR_OK ? (w.phys & ~(uint64_t)(MEM_PAGE - 1)) | 1 : 2;
		/* Walking reads through the cache, which may have been dropped meanwhile. */
		key = space_key(m, as_root(root), va);
		map_set(&m->tlb, key, (void *)(uintptr_t)known);
	}
	if (known == 2)
		return ERR_FAULT;
	*ret = (known & ~(uint64_t)1) | (va & (MEM_PAGE - 1));
	return ERR_OK;
}

/* ---- reading ---- */

/* A run of lines from the backend into the cache. addr and n are multiples of a line. */
static err fetch(tgt *t, as_t as, uint64_t addr, size_t n)
{
	tgt_mem *m = t->mem;
	size_t got = 0;
	err e = t->ops->read(t, as, addr, m->run, n, &got);
	if (e != ERR_OK && e != ERR_FAULT)
		return e;
	if (e == ERR_FAULT)
		got = 0;
	if (got > n)
		got = n;
	trap_mask(t, as, addr, m->run, got);
	for (size_t off = 0; off + MEM_LINE <= got; off += MEM_LINE) {
		mem_page *p = page_make(m, as, addr + off);
		size_t line = (addr + off) % MEM_PAGE / MEM_LINE;
		memcpy(p->b + line * MEM_LINE, m->run + off, MEM_LINE);
		p->valid |= (uint16_t)(1u << line);
	}
	if (got < n) {
		/* What comes next faults; how far is known to the end of its page. */
		size_t off = got / MEM_LINE * MEM_LINE;
		mem_page *p = page_make(m, as, addr + off);
		size_t line = (addr + off) % MEM_PAGE / MEM_LINE;
		if (!got || (addr + off) % MEM_PAGE == 0)
			p->bad |= (uint16_t)~p->valid & line_mask(line, MEM_LINES - 1);
		else if (e == ERR_OK && got % MEM_LINE == 0)
			return ERR_OK; /* a short read inside of a page is no fault yet */
		else
			p->bad |= (uint16_t)(1u << line);
	}
	return ERR_OK;
}

/* How many bytes to fetch when the line at addr is missing and `want` bytes are asked from there.
 */
static size_t fetch_size(tgt *t, as_t as, uint64_t addr, size_t want)
{
	tgt_mem *m = t->mem;
	size_t n = (want + MEM_LINE - 1) / MEM_LINE * MEM_LINE;
	size_t line = addr % MEM_PAGE / MEM_LINE, before = 0;
	mem_page *p = page_get(m, as, addr);
	/* Lines right before that are there: a run; read as much again ahead, inside of the page.
	 */
	while (p && before < line && p->valid >> (line - 1 - before) & 1)
		before++;
	if (n < before * MEM_LINE)
		n = before * MEM_LINE;
	size_t room = MEM_PAGE - addr % MEM_PAGE;
	if (want <= room && n > room)
		n = room;
	if (n > MEM_RUN_MAX)
		n = MEM_RUN_MAX;
	if (addr + n < addr) /* the top of the address space */
		n = (size_t)(0 - addr);
	/* Not past lines that are there already. */
	for (size_t off = MEM_LINE; off < n; off += MEM_LINE) {
		p = page_get(m, as, addr + off);
		size_t l = (addr + off) % MEM_PAGE / MEM_LINE;
		if (p && (p->valid | p->bad) >> l & 1)
			return off;
	}
	return n;
}

/* Bytes at addr, up to the end of its line; fetches if needed. `left`: wanted from here on. */
static err line_read(tgt *t, as_t as, uint64_t addr, uint8_t *b, size_t left, size_t *n_ret)
{
	tgt_mem *m = tgt_mem_of(t);
	size_t line = addr % MEM_PAGE / MEM_LINE, in = addr % MEM_LINE;
	mem_page *p = page_get(m, as, addr);
	if (!p || !((p->valid | p->bad) >> line & 1)) {
		if (m->sparing && left <= 8 && in + left <= MEM_LINE &&
			!trap_in_range(t, as, addr, left))
			return t->ops->read(t, as, addr, b, left, n_ret);
		make_room(t);
		TRY(fetch(t, as, addr - in, fetch_size(t, as, addr - in, left + in)));
		p = page_get(m, as, addr);
	}
	if (!p || !(p->valid >> line & 1))
		return ERR_FAULT;
	size_t n = MEM_LINE - in;
	if (n > left)
		n = left;
	memcpy(b, p->b + line * MEM_LINE + in, n);
	*n_ret = n;
	return ERR_OK;
}

void tgt_read_sparingly(tgt *t, bool on)
{
	tgt_mem_of(t)->sparing = on;
}

bool mem_peek(tgt *t, as_t as, uint64_t addr, void *b, size_t n)
{
	if (!t->mem)
		return false;
	for (size_t i = 0; i < n; i++) {
		mem_page *p = page_get(t->mem, as, addr + i);
		if (!p || !(p->valid >> ((addr + i) % MEM_PAGE / MEM_LINE) & 1))
			return false;
		((uint8_t *)b)[i] = p->b[(addr + i) % MEM_PAGE];
	}
	return true;
}

static bool cached_kind(as_t as)
{
	return as.kind == AS_CURRENT || as.kind == AS_PROCESS || as.kind == AS_ROOT ||
	       (as.kind == AS_PHYS && !as.id);
}

/* One piece, inside of a page if it is translated here. */
static err piece_read(tgt *t, as_t as, bool walk, uint64_t addr, uint8_t *b, size_t n, size_t *got)
{
	if (!walk)
		return line_read(t, as, addr, b, n, got);
	uint64_t pa;
	TRY(phys_of(t, as.id, addr, &pa));
	if (n > MEM_PAGE - addr % MEM_PAGE)
		n = MEM_PAGE - addr % MEM_PAGE;
	TRY(line_read(t, as_phys(), pa, b, n, got));
	trap_mask(t, as, addr, b, *got);
	return ERR_OK;
}

static err read_fault(diag *d, err e, as_t as, uint64_t addr)
{
	static const char *const what[] = {"memory", "physical memory", "memory", "memory",
		"I/O port", "MSR", "control space", "bus data"};
	if (!d)
		return e;
	if (e == ERR_FAULT)
		return diag_set(d, e, "%s at %08x`%08x cannot be read", what[as.kind],
			(uint32_t)(addr >> 32), (uint32_t)addr);
	return diag_set(d, e, "reading %s at %08x`%08x: %s", what[as.kind], (uint32_t)(addr >> 32),
		(uint32_t)addr, err_name(e));
}

err tgt_read_view(tgt *t, as_t as, uint64_t addr, void *out, size_t n, size_t *n_ret, diag *d)
{
	tgt_mem *m = tgt_mem_of(t);
	m->viewing = m->cache.hold;
	err e = tgt_read(t, as, addr, out, n, n_ret, d);
	m->viewing = false;
	return e;
}

err tgt_read(tgt *t, as_t as, uint64_t addr, void *out, size_t n, size_t *n_ret, diag *d)
{
	uint8_t *b = out;
	size_t done = 0;
	err e = ERR_OK;
	if (!n) {
		*n_ret = 0;
		return ERR_OK;
	}
	if (!t->ops->read)
		return diag_set(d, ERR_UNSUPPORTED, "this target has no memory");
	if (!cached_kind(as)) {
		e = t->ops->read(t, as, addr, out, n, n_ret);
		return e == ERR_OK ? ERR_OK : read_fault(d, e, as, addr);
	}
	bool walk = as.kind == AS_ROOT && !served(t, AS_ROOT);
	if (!tgt_mem_of(t)->cache.pages)
		drop_all(t->mem);
	while (done < n) {
		size_t got = 0;
		if (cancelled(t->host.cancel)) {
			e = ERR_CANCELLED;
			break;
		}
		e = piece_read(t, as, walk, addr + done, b + done, n - done, &got);
		if (e != ERR_OK || addr + done + got == 0) {
			done += e == ERR_OK ? got : 0;
			break;
		}
		done += got;
	}
	if (!done || (e != ERR_OK && e != ERR_FAULT))
		return read_fault(d, e, as, addr + done);
	*n_ret = done;
	return ERR_OK;
}

err tgt_read_all(tgt *t, as_t as, uint64_t addr, void *out, size_t n, diag *d)
{
	size_t done = 0;
	while (done < n) {
		size_t got = 0;
		TRY(tgt_read(t, as, addr + done, (char *)out + done, n - done, &got, d));
		if (!got)
			return read_fault(d, ERR_FAULT, as, addr + done);
		done += got;
	}
	return ERR_OK;
}

/* ---- writing ---- */

/* What was written may be cached under other addresses too: everything is stale. What is held is
 * dropped for the pages that were named. */
static void written(tgt *t, uint64_t addr, size_t n)
{
	uint64_t last = (addr + (n ? n - 1 : 0)) / MEM_PAGE;
	for (uint64_t page = addr / MEM_PAGE; t->mem && t->mem->cache.hold; page++) {
		tgt_cache_flush(t, TGT_FLUSH_PAGE, page * MEM_PAGE);
		if (page == last)
			break;
	}
	mem_drop(t);
}

err tgt_write(tgt *t, as_t as, uint64_t addr, const void *from, size_t n, size_t *n_ret, diag *d)
{
	const uint8_t *b = from;
	size_t done = 0;
	err e = ERR_OK;
	if (!t->ops->write)
		return diag_set(d, ERR_UNSUPPORTED, "this target cannot be written");
	if (!n) {
		*n_ret = 0;
		return ERR_OK;
	}
	bool memory = cached_kind(as) || as.kind == AS_PHYS;
	bool walk = as.kind == AS_ROOT && !served(t, AS_ROOT);
	while (done < n && e == ERR_OK) {
		size_t got = 0, piece = n - done;
		if (cancelled(t->host.cancel)) {
			e = ERR_CANCELLED;
			break;
		}
		if (!memory) {
			e = t->ops->write(t, as, addr + done, b + done, piece, &got);
		} else if (walk) {
			uint64_t pa = 0, at = addr + done;
			if (piece > MEM_PAGE - at % MEM_PAGE)
				piece = MEM_PAGE - at % MEM_PAGE;
			e = phys_of(t, as.id, at, &pa);
			if (e == ERR_OK)
				e = trap_write_under(t, as_phys(), pa, b + done, piece, &got);
		} else {
			e = trap_write_under(t, as, addr + done, b + done, piece, &got);
		}
		if (e == ERR_OK && !got)
			e = ERR_FAULT;
		if (e == ERR_OK)
			done += got;
	}
	if (memory)
		written(t, addr, done);
	if (!done || (e != ERR_OK && e != ERR_FAULT)) {
		if (e == ERR_FAULT)
			return diag_set(d, e, "%s at %08x`%08x cannot be written",
				as.kind == AS_PHYS ? "physical memory" : "memory",
				(uint32_t)(addr >> 32), (uint32_t)addr);
		return diag_set(d, e, "writing at %08x`%08x: %s", (uint32_t)(addr >> 32),
			(uint32_t)addr, err_name(e));
	}
	*n_ret = done;
	return ERR_OK;
}
