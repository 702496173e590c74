/*
 * image_pe: a PE file as the loader would lay it out at its preferred base, before relocation and
 * imports. Pages of the image that belong to no section read as zero, as they would when loaded.
 */
#include "target/image.h"

#include "fmt/pe.h"

/* Copies what of [src, src + len) at RVA `rva` falls into [at, at + n). */
static void overlay(
	const image *m, uint8_t *b, uint64_t at, size_t n, uint64_t rva, uint64_t src, uint64_t len)
{
	if (src >= m->file.n)
		return;
	if (len > m->file.n - src)
		len = m->file.n - src;
	uint64_t lo = at > rva ? at : rva, hi = at + n < rva + len ? at + n : rva + len;
	if (lo < hi)
		memcpy(b + (lo - at), m->file.p + src + (lo - rva), (size_t)(hi - lo));
}

static size_t read_sections(const image *m, uint64_t addr, uint8_t *b, size_t n)
{
	const pe_view *pe = m->view;
	uint64_t at = addr - m->base, size = image_page_up(m->size);
	if (at >= size)
		return 0;
	if (n > size - at)
		n = (size_t)(size - at);
	memset(b, 0, n);
	overlay(m, b, at, n, 0, 0, pe->headers_size);
	for (size_t i = 0; i < pe->nsec; i++) {
		const pe_section *s = &pe->sec[i];
		uint64_t v = s->vsize ? image_page_up(s->vsize) : s->raw_size;
		overlay(m, b, at, n, s->rva, s->raw, s->raw_size < v ? s->raw_size : v);
	}
	return n;
}

err image_pe_look(image *m, diag *d)
{
	pe_view *pe = arena_new(&m->a, pe_view);
	str *bytes = arena_new(&m->a, str); /* the view reads through it */
	*bytes = (str){(const char *)m->file.p, m->file.n};
	mem_reader r = pe_bytes(bytes);
	TRY(pe_open(pe, &m->a, &r, 0, PE_FILE, d));
	m->view = pe;
	m->read = read_sections;
	m->base = pe->preferred_base;
	m->size = pe->image_size;
	m->entry = pe->entry ? m->base + pe->entry : 0;
	m->checksum = pe->checksum;
	m->machine = pe->machine;
	return ERR_OK;
}
