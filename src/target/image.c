/*
 * image: an executable file by itself as a static target (-z IMAGE): memory as the loader would lay
 * it out. See target.h. What depends on the format: image_pe.c, image_elf.c.
 *
 * Refuses to know what the image is for. Nothing runs: the one event says that the image is there.
 */
#include "target/image.h"

#include "fmt/elf.h"
#include "fmt/pe.h"

#include <limits.h>
#include <stdlib.h>

static image *image_of(tgt *t)
{
	return (image *)(void *)t;
}

static void caps(tgt *t, tgt_caps *ret)
{
	*ret = (tgt_caps){.spaces = 1u << AS_CURRENT};
}

static err read_(tgt *t, as_t as, uint64_t addr, void *b, size_t n, size_t *n_ret)
{
	image *m = image_of(t);
	if (as.kind != AS_CURRENT)
		return ERR_UNSUPPORTED;
	size_t got = m->read(m, addr, b, n);
	if (!got && n)
		return ERR_FAULT;
	*n_ret = got;
	return ERR_OK;
}

static err query(tgt *t, tgt_fact f, void *ret, size_t size, diag *d)
{
	if (f == TGT_F_VERSION && size == sizeof(tgt_version)) {
		*(tgt_version *)ret = (tgt_version){.machine = image_of(t)->machine};
		return ERR_OK;
	}
	return diag_set(d, ERR_UNSUPPORTED, "not known of an image file");
}

static err regs_get(tgt *t, unit_t u, unsigned sets, x64_regs *r, diag *d)
{
	image *m = image_of(t);
	if (u)
		return diag_set(d, ERR_ARG, "an image file has no processor %u", u);
	if (m->machine != PE_MACHINE_AMD64)
		return diag_set(d, ERR_UNSUPPORTED, "only images for x64 have registers here");
	*r = (x64_regs){.valid = X64_SET_ALL, .rip = m->entry};
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
		.base = m->base,
		.size = m->size,
		.checksum = m->checksum,
		.pc = m->entry};
	str path = str_take(str_of(m->path), TGT_PATH_MAX - 1);
	memcpy(ret->path, path.p, path.n);
	return ERR_OK;
}

static void describe(tgt *t, buf *out)
{
	buf_addf(out, "image file %s\n", image_of(t)->path);
}

static size_t close_(tgt *t, tgt_leave how)
{
	image *m = image_of(t);
	sys_map_close(&m->file);
	arena_deinit(&m->a);
	mem_free(m->path);
	mem_free(m);
	return 0;
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
	char full[PATH_MAX];
	TRY(sys_map_open(path, &file, d));
	image *m = mem_alloc(sizeof *m);
	arena_init(&m->a);
	m->t.ops = &ops;
	if (host)
		m->t.host = *host;
	m->file = file;
	m->path = mem_strdup(realpath(path, full) ? full : path);
	err e = elf_is(file.p, file.n) ? image_elf_look(m, d) : image_pe_look(m, d);
	if (e != ERR_OK) {
		close_(&m->t, TGT_ABANDON);
		return diag_add(d, e, "%s", path);
	}
	*ret = &m->t;
	return ERR_OK;
}
