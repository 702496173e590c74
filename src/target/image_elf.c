/*
 * image_elf: an ELF executable or library by itself as a static target (-z IMAGE): its segments as
 * the loader would lay them out, before relocation. See target.h; PE files: image.c.
 *
 * A file that may lie anywhere (its first address is 0) is put where Linux puts a program when
 * addresses are not randomised, so that addresses here and in a live session agree. Nothing runs:
 * the one event says that the image is there.
 */
#include "target/image_elf.h"

#include "fmt/elf.h"

#include <limits.h>
#include <stdlib.h>

/* 2/3 of the address space, by the page: ELF_ET_DYN_BASE in the kernel's asm/elf.h */
#define PROGRAM_BASE 0x555555554000ull

typedef struct image_elf {
	tgt t;
	arena a;
	sys_map file;
	elf_view v;
	uint64_t base; /* where v.base lies */
	char *path;
	bool told;
} image_elf;

static image_elf *image_of(tgt *t)
{
	return (image_elf *)(void *)t;
}

static uint64_t page_up(uint64_t v)
{
	return (v + 4095) & ~4095ull;
}

static void caps(tgt *t, tgt_caps *ret)
{
	*ret = (tgt_caps){.spaces = 1u << AS_CURRENT};
}

/* The segment whose pages hold vaddr; a file is mapped by whole pages, so what stands beside a
 * segment in its first and last page is seen too. */
static const elf_phdr *segment_at(const elf_view *v, uint64_t vaddr)
{
	for (size_t i = 0; i < v->nph; i++) {
		const elf_phdr *h = &v->ph[i];
		uint64_t first = h->vaddr & ~4095ull;
		if (h->type == ELF_PT_LOAD && h->memsz <= INT64_MAX && vaddr >= first &&
			vaddr - first < page_up(h->memsz + (h->vaddr - first)))
			return h;
	}
	return NULL;
}

static size_t segment_read(const image_elf *m, uint64_t vaddr, uint8_t *b, size_t n)
{
	const elf_phdr *h = segment_at(&m->v, vaddr);
	if (!h)
		return 0;
	uint64_t lead = h->vaddr & 4095, first = h->vaddr - lead, at = vaddr - first;
	uint64_t size = page_up(h->memsz + lead);
	if (n > size - at)
		n = (size_t)(size - at);
	memset(b, 0, n);
	if (lead > h->off || h->off > m->file.n)
		return n;
	/* Zeros begin behind the file's part if the segment is larger in memory. */
	uint64_t off = h->off - lead, len = h->filesz + lead;
	if (h->memsz <= h->filesz)
		len = page_up(len);
	if (len > m->file.n - off)
		len = m->file.n - off;
	if (at < len)
		memcpy(b, m->file.p + off + at, len - at < n ? (size_t)(len - at) : n);
	return n;
}

static err read_(tgt *t, as_t as, uint64_t addr, void *b, size_t n, size_t *n_ret)
{
	image_elf *m = image_of(t);
	size_t done = 0, got;
	if (as.kind != AS_CURRENT)
		return ERR_UNSUPPORTED;
	if (addr < m->base)
		return ERR_FAULT;
	while (done < n && (got = segment_read(m, addr + done - m->base + m->v.base,
				    (uint8_t *)b + done, n - done)))
		done += got;
	if (!done && n)
		return ERR_FAULT;
	*n_ret = done;
	return ERR_OK;
}

static err query(tgt *t, tgt_fact f, void *ret, size_t size, diag *d)
{
	if (f == TGT_F_VERSION && size == sizeof(tgt_version)) {
		*(tgt_version *)ret = (tgt_version){.machine = 0x8664}; /* checked when opened */
		return ERR_OK;
	}
	return diag_set(d, ERR_UNSUPPORTED, "not known of an image file");
}

static uint64_t entry(const image_elf *m)
{
	return m->v.entry ? m->v.entry - m->v.base + m->base : 0;
}

static err regs_get(tgt *t, unit_t u, unsigned sets, x64_regs *r, diag *d)
{
	if (u)
		return diag_set(d, ERR_ARG, "an image file has no processor %u", u);
	*r = (x64_regs){.valid = X64_SET_ALL, .rip = entry(image_of(t))};
	return ERR_OK;
}

static err wait_(tgt *t, int timeout_ms, tgt_event *ret, diag *d)
{
	image_elf *m = image_of(t);
	if (m->told) {
		if (timeout_ms < 0)
			return diag_set(d, ERR_DEAD, "nothing runs in an image file");
		*ret = (tgt_event){.kind = TGT_EV_TIMEOUT, .n_units = 1};
		return ERR_OK;
	}
	m->told = true;
	*ret = (tgt_event){.kind = TGT_EV_LOAD,
		.n_units = 1,
		.base = m->base,
		.size = page_up(m->v.span),
		.pc = entry(m)};
	str path = str_take(str_of(m->path), TGT_PATH_MAX - 1);
	memcpy(ret->path, path.p, path.n);
	return ERR_OK;
}

static void describe(tgt *t, buf *out)
{
	buf_addf(out, "image file %s\n", image_of(t)->path);
}

static void close_(tgt *t, tgt_leave how)
{
	image_elf *m = image_of(t);
	sys_map_close(&m->file);
	arena_deinit(&m->a);
	mem_free(m->path);
	mem_free(m);
}

static const tgt_ops ops = {
	.name = "image",
	.close = close_,
	.caps = caps,
	.query = query,
	.read = read_,
	.regs_get = regs_get,
	.wait = wait_,
	.describe = describe,
};

static err look(image_elf *m, diag *d)
{
	TRY(elf_open(&m->v, &m->a, m->file.p, m->file.n, d));
	if (m->v.machine != ELF_MACHINE_X64)
		return diag_set(d, ERR_UNSUPPORTED,
			"an ELF file for machine %u; only those for x64 can be opened",
			m->v.machine);
	if ((m->v.type != ELF_EXEC && m->v.type != ELF_DYN) || !m->v.span)
		return diag_set(d, ERR_UNSUPPORTED,
			"neither a program nor a library: nothing of it is ever loaded");
	if (m->v.span > INT64_MAX || m->v.base > INT64_MAX)
		return diag_set(d, ERR_CORRUPT, "its segments lie outside of any address space");
	m->base = m->v.base ? m->v.base : PROGRAM_BASE;
	return ERR_OK;
}

err image_elf_open(const char *path, const tgt_host *host, tgt **ret, diag *d)
{
	sys_map file;
	TRY(sys_map_open(path, &file, d));
	image_elf *m = mem_alloc(sizeof *m);
	char full[PATH_MAX];
	arena_init(&m->a);
	m->t.ops = &ops;
	if (host)
		m->t.host = *host;
	m->file = file;
	m->path = mem_strdup(realpath(path, full) ? full : path);
	err e = look(m, d);
	if (e != ERR_OK) {
		close_(&m->t, TGT_ABANDON);
		return diag_add(d, e, "%s", path);
	}
	*ret = &m->t;
	return ERR_OK;
}
