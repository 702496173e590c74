/*
 * image: a PE file by itself as a static target (-z IMAGE): memory as the loader would lay it out
 * at its preferred base, before relocation and imports. See target.h. ELF files: image_elf.c.
 *
 * Refuses to know what the image is for. Nothing runs: the one event says that the image is there.
 * Pages of the image that belong to no section read as zero, as they would when loaded.
 */
#include "target/image_elf.h"

#include "fmt/elf.h"
#include "fmt/pe.h"

#include <limits.h>
#include <stdlib.h>

typedef struct image {
	tgt t;
	arena a;
	sys_map file;
	str bytes;
	pe_view pe;
	char *path;
	bool told;
} image;

static image *image_of(tgt *t)
{
	return (image *)(void *)t;
}

static void caps(tgt *t, tgt_caps *ret)
{
	*ret = (tgt_caps){.spaces = 1u << AS_CURRENT};
}

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

static err read_(tgt *t, as_t as, uint64_t addr, void *b, size_t n, size_t *n_ret)
{
	image *m = image_of(t);
	if (as.kind != AS_CURRENT)
		return ERR_UNSUPPORTED;
	uint64_t at = addr - m->pe.preferred_base, size = (m->pe.image_size + 4095ull) & ~4095ull;
	if (at >= size)
		return ERR_FAULT;
	if (n > size - at)
		n = (size_t)(size - at);
	memset(b, 0, n);
	overlay(m, b, at, n, 0, 0, m->pe.headers_size);
	for (size_t i = 0; i < m->pe.nsec; i++) {
		const pe_section *s = &m->pe.sec[i];
		uint64_t v = s->vsize ? (s->vsize + 4095ull) & ~4095ull : s->raw_size;
		overlay(m, b, at, n, s->rva, s->raw, s->raw_size < v ? s->raw_size : v);
	}
	*n_ret = n;
	return ERR_OK;
}

static err query(tgt *t, tgt_fact f, void *ret, size_t size, diag *d)
{
	image *m = image_of(t);
	if (f == TGT_F_VERSION && size == sizeof(tgt_version)) {
		*(tgt_version *)ret = (tgt_version){.machine = m->pe.machine};
		return ERR_OK;
	}
	return diag_set(d, ERR_UNSUPPORTED, "not known of an image file");
}

static err regs_get(tgt *t, unit_t u, unsigned sets, x64_regs *r, diag *d)
{
	image *m = image_of(t);
	if (u)
		return diag_set(d, ERR_ARG, "an image file has no processor %u", u);
	if (m->pe.machine != PE_MACHINE_AMD64)
		return diag_set(d, ERR_UNSUPPORTED, "only images for x64 have registers here");
	*r = (x64_regs){.valid = X64_SET_ALL};
	if (m->pe.entry)
		r->rip = m->pe.preferred_base + m->pe.entry;
	return ERR_OK;
}

static err wait_(tgt *t, int timeout_ms, tgt_event *ret, diag *d)
{
	image *m = image_of(t);
	if (m->told) {
		if (timeout_ms < 0)
			return diag_set(d, ERR_DEAD, "nothing runs in an image file");
		*ret = (tgt_event){.kind = TGT_EV_TIMEOUT, .n_units = 1};
		return ERR_OK;
	}
	m->told = true;
	*ret = (tgt_event){.kind = TGT_EV_LOAD,
		.n_units = 1,
		.base = m->pe.preferred_base,
		.size = m->pe.image_size,
		.checksum = m->pe.checksum};
	if (m->pe.entry)
		ret->pc = m->pe.preferred_base + m->pe.entry;
	str path = str_take(str_of(m->path), TGT_PATH_MAX - 1);
	memcpy(ret->path, path.p, path.n);
	return ERR_OK;
}

static void describe(tgt *t, buf *out)
{
	image *m = image_of(t);
	buf_addf(out, "image file %s\n", m->path);
}

static void close_(tgt *t, tgt_leave how)
{
	image *m = image_of(t);
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

err image_open(const char *path, const tgt_host *host, tgt **ret, diag *d)
{
	sys_map file;
	TRY(sys_map_open(path, &file, d));
	if (elf_is(file.p, file.n)) {
		sys_map_close(&file);
		return image_elf_open(path, host, ret, d);
	}
	image *m = mem_alloc(sizeof *m);
	char full[PATH_MAX];
	arena_init(&m->a);
	m->t.ops = &ops;
	if (host)
		m->t.host = *host;
	m->file = file;
	m->path = mem_strdup(realpath(path, full) ? full : path);
	m->bytes = (str){(const char *)file.p, file.n};
	mem_reader r = pe_bytes(&m->bytes);
	err e = pe_open(&m->pe, &m->a, &r, 0, PE_FILE, d);
	if (e != ERR_OK) {
		close_(&m->t, TGT_ABANDON);
		return diag_add(d, e, "%s", path);
	}
	*ret = &m->t;
	return ERR_OK;
}
