/*
 * image_elf: an ELF executable or library, its segments as the loader would lay them out, before
 * relocation.
 *
 * A file that may lie anywhere (its first address is 0) is put where Linux puts a program when
 * addresses are not randomised, so that addresses here and in a live session agree.
 */
#include "target/image.h"

#include "fmt/elf.h"
#include "fmt/pe.h"

/* 2/3 of the address space, by the page: ELF_ET_DYN_BASE in the kernel's asm/elf.h */
#define PROGRAM_BASE 0x555555554000ull

/* The segment whose pages hold vaddr; a file is mapped by whole pages, so what stands beside a
 * segment in its first and last page is seen too. */
static const elf_phdr *segment_at(const elf_view *v, uint64_t vaddr)
{
	for (size_t i = 0; i < v->nph; i++) {
		const elf_phdr *h = &v->ph[i];
		uint64_t first = h->vaddr & ~4095ull;
		if (h->type == ELF_PT_LOAD && h->memsz <= INT64_MAX && vaddr >= first &&
			vaddr - first < image_page_up(h->memsz + (h->vaddr - first)))
			return h;
	}
	return NULL;
}

static size_t segment_read(const image *m, uint64_t vaddr, uint8_t *b, size_t n)
{
	const elf_phdr *h = segment_at(m->view, vaddr);
	if (!h)
		return 0;
	uint64_t lead = h->vaddr & 4095, first = h->vaddr - lead, at = vaddr - first;
	uint64_t size = image_page_up(h->memsz + lead);
	if (n > size - at)
		n = (size_t)(size - at);
	memset(b, 0, n);
	if (lead > h->off || h->off > m->file.n)
		return n;
	/* Zeros begin behind the file's part if the segment is larger in memory. */
	uint64_t off = h->off - lead, len = h->filesz + lead;
	if (h->memsz <= h->filesz)
		len = image_page_up(len);
	if (len > m->file.n - off)
		len = m->file.n - off;
	if (at < len)
		memcpy(b, m->file.p + off + at, len - at < n ? (size_t)(len - at) : n);
	return n;
}

static size_t read_segments(const image *m, uint64_t addr, uint8_t *b, size_t n)
{
	const elf_view *v = m->view;
	size_t done = 0, got;
	if (addr < m->base)
		return 0;
	while (done < n &&
		(got = segment_read(m, addr + done - m->base + v->base, b + done, n - done)))
		done += got;
	return done;
}

err image_elf_look(image *m, diag *d)
{
	elf_view *v = arena_new(&m->a, elf_view);
	TRY(elf_open(v, &m->a, m->file.p, m->file.n, d));
	if (v->machine != ELF_MACHINE_X64)
		return diag_set(d, ERR_UNSUPPORTED,
			"an ELF file for machine %u; only those for x64 can be opened", v->machine);
	if ((v->type != ELF_EXEC && v->type != ELF_DYN) || !v->span)
		return diag_set(d, ERR_UNSUPPORTED,
			"neither a program nor a library: nothing of it is ever loaded");
	if (v->span > INT64_MAX || v->base > INT64_MAX)
		return diag_set(d, ERR_CORRUPT, "its segments lie outside of any address space");
	m->view = v;
	m->read = read_segments;
	m->base = v->base ? v->base : PROGRAM_BASE;
	m->size = image_page_up(v->span);
	m->entry = v->entry ? v->entry - v->base + m->base : 0;
	m->machine = PE_MACHINE_AMD64;
	return ERR_OK;
}
