/*
 * elfimage: the ELF file of a module: from the file of that name on this host if it is the one that
 * is loaded, else copied from the target's memory once. Shared by all modules of one file (device,
 * inode, time, size) or of one build-id; what comes from memory without a build-id belongs to its
 * module.
 *
 * Refuses to know symbols. PE images are image.c's.
 */
#include "sym/priv.h"

#include <stdio.h>
#include <sys/stat.h>

/* ---- which modules are asked at all ---- */

/*
 * Modules of NT systems come with a time stamp or a path with backslashes: they are never asked, so
 * that a list of a thousand of them costs no read.
 */
static bool may_be_elf(const sym_mod *m)
{
	if (m->timestamp || m->checksum)
		return false;
	if (!m->space) /* a file by itself (-z) */
		return m->path.n && m->path.p[0] == '/';
	return !m->path.n || m->path.p[0] == '/' || m->path.p[0] == '[' ||
	       str_find(m->path, STR(".so")) != SIZE_MAX; /* linux-vdso.so.1 */
}

static err mod_read(void *u, uint64_t addr, void *p, size_t n, size_t *n_ret)
{
	sym_mod *m = u;
	sym_host *h = &m->store->host;
	return h->read ? h->read(h->u, m->space, addr, p, n, n_ret) : ERR_FAULT;
}

static void elf_free(sym_elf *g)
{
	sym_cfi_free(g->cfi);
	sys_map_close(&g->file);
	mem_free(g->copy);
	arena_deinit(&g->a);
	mem_free(g);
}

void sym_elfs_clear(sym_store *s)
{
	for (size_t i = 0; i < s->elfs.n; i++)
		elf_free(s->elfs.p[i]);
	vec_deinit(&s->elfs);
}

void sym_elf_ref(sym_elf *g)
{
	g->refs++;
}

void sym_elf_unref(sym_store *s, sym_elf *g)
{
	if (--g->refs)
		return;
	g->idle = s->generation;
	size_t oldest = SYM_IDLE_OLDEST(s->elfs);
	if (oldest != SIZE_MAX) {
		elf_free(s->elfs.p[oldest]);
		vec_remove(&s->elfs, oldest);
	}
}

/* ---- a file of this host ---- */

static bool same_stat(const sym_elf *g, const struct stat *st)
{
	return g->path[0] && g->dev == st->st_dev && g->ino == st->st_ino &&
	       g->mtime == st->st_mtim.tv_sec && g->mtime_ns == st->st_mtim.tv_nsec &&
	       g->file.n == (size_t)st->st_size;
}

static sym_elf *known_file(sym_store *s, const struct stat *st)
{
	for (size_t i = 0; i < s->elfs.n; i++)
		if (same_stat(s->elfs.p[i], st))
			return s->elfs.p[i];
	return NULL;
}

static sym_elf *elf_new(sym_store *s)
{
	sym_elf *g = mem_alloc(sizeof *g);
	arena_init(&g->a);
	g->path = "";
	vec_push(&s->elfs, g);
	return g;
}

static void drop_last(sym_store *s)
{
	elf_free(s->elfs.p[--s->elfs.n]);
}

static err open_file(sym_store *s, const char *path, sym_elf **ret, diag *d)
{
	struct stat st;
	if (stat(path, &st) || !S_ISREG(st.st_mode))
		return diag_set(d, ERR_NOTFOUND, "%s: no such file", path);
	sym_elf *g = known_file(s, &st);
	if (g) {
		*ret = g;
		return ERR_OK;
	}
	sys_map f;
	TRY(sys_map_open(path, &f, d));
	if (!elf_is(f.p, f.n)) {
		sys_map_close(&f);
		return diag_set(d, ERR_CORRUPT, "%s: not an ELF file", path);
	}
	g = elf_new(s);
	g->file = f;
	g->path = str_z(&g->a, str_of(path));
	g->dev = st.st_dev;
	g->ino = st.st_ino;
	g->mtime = st.st_mtim.tv_sec;
	g->mtime_ns = st.st_mtim.tv_nsec;
	err e = elf_open(&g->v, &g->a, f.p, f.n, d);
	if (e != ERR_OK) {
		drop_last(s);
		return e;
	}
	*ret = g;
	return ERR_OK;
}

/* Is this file what the module has in memory? The header tells, and its notes (build-id). */
static bool matches(sym_mod *m, const sym_elf *g)
{
	enum { HEADER = 64, NOTE_MAX = 1024 };
	uint8_t here[NOTE_MAX];
	mem_reader r = {m, mod_read};
	if (mem_read_all(&r, m->base, here, HEADER) != ERR_OK)
		return true; /* nothing to compare with */
	if (memcmp(g->v.p, here, HEADER) != 0)
		return false;
	for (size_t i = 0; i < g->v.nph; i++) {
		const elf_phdr *h = &g->v.ph[i];
		size_t left;
		const uint8_t *p = elf_at(&g->v, h->vaddr, &left);
		if (h->type == ELF_PT_NOTE && h->filesz <= NOTE_MAX && p && left >= h->filesz &&
			mem_read_all(&r, m->base + (h->vaddr - g->v.base), here, h->filesz) ==
				ERR_OK &&
			memcmp(p, here, h->filesz) != 0)
			return false;
	}
	return true;
}

/* ---- from memory ---- */

static err open_memory(sym_mod *m, sym_elf **ret, diag *d)
{
	sym_store *s = m->store;
	mem_reader r = {m, mod_read};
	uint8_t *copy;
	size_t n;
	TRY(elf_from_memory(&r, m->base, &copy, &n, d));
	sym_elf *g = elf_new(s);
	g->copy = copy;
	err e = elf_open(&g->v, &g->a, copy, n, d);
	if (e != ERR_OK) {
		drop_last(s);
		return e;
	}
	for (size_t i = 0; g->v.build_id_n && i + 1 < s->elfs.n; i++) {
		sym_elf *o = s->elfs.p[i];
		if (o->copy && o->v.build_id_n == g->v.build_id_n && o->v.n == g->v.n &&
			!memcmp(o->v.build_id, g->v.build_id, g->v.build_id_n)) {
			drop_last(s);
			g = o;
			break;
		}
	}
	*ret = g;
	return ERR_OK;
}

/* ---- the module's ---- */

static err try_file(sym_mod *m, const char *path, sym_elf **ret, diag *d)
{
	sym_store *s = m->store;
	sym_elf *g = NULL;
	TRY(open_file(s, path, &g, d));
	if (matches(m, g)) {
		*ret = g;
		return ERR_OK;
	}
	sym_note(s, true, "DBGENG:  %s - not the file that is loaded", path);
	sym_elf_ref(g);
	sym_elf_unref(s, g);
	return ERR_NOTFOUND;
}

static err file_elsewhere(sym_mod *m, sym_elf **ret, diag *d)
{
	const sym_host *h = &m->store->host;
	err e = ERR_NOTFOUND;
	buf b;
	buf_init(&b, 4096);
	for (unsigned i = 0;
		e != ERR_OK && h->file && h->file(h->u, m->space, m->base, i, &b) == ERR_OK; i++) {
		e = try_file(m, buf_z(&b), ret, d);
		buf_clear(&b);
	}
	buf_deinit(&b);
	return e == ERR_OK ? e : ERR_NOTFOUND;
}

err sym_mod_elf(sym_mod *m, sym_elf **ret, diag *d)
{
	if (m->elf) {
		*ret = m->elf;
		return ERR_OK;
	}
	if (m->not_elf || !may_be_elf(m))
		return diag_set(d, ERR_NOTFOUND, "%.*s is no ELF image", STR_ARG(m->name));
	sym_store *s = m->store;
	arena a;
	arena_init(&a);
	sym_elf *g = NULL;
	diag why;
	diag_clear(&why);
	err e = ERR_NOTFOUND;
	if (m->path.n && m->path.p[0] == '/')
		e = try_file(m, str_z(&a, m->path), &g, &why);
	arena_deinit(&a);
	if (e == ERR_NOTFOUND && m->path.n && m->path.p[0] == '/')
		e = file_elsewhere(m, &g, &why);
	if (e != ERR_OK && e != ERR_UNSUPPORTED) {
		err e2 = open_memory(m, &g, &why);
		m->not_elf = e2 != ERR_OK && e2 != ERR_FAULT;
		e = e2;
	} else if (e == ERR_UNSUPPORTED) {
		m->not_elf = true;
	}
	if (e != ERR_OK)
		return diag_set(d, e, "%.*s: %s", STR_ARG(m->name), why.text);
	m->elf = g;
	sym_elf_ref(g);
	if (m->size < g->v.span && g->v.span <= UINT64_MAX - m->base) {
		m->size = g->v.span;
		sym_touch(s);
	}
	*ret = g;
	return ERR_OK;
}

bool sym_mod_is_elf(sym_mod *m)
{
	sym_elf *g;
	return sym_mod_elf(m, &g, NULL) == ERR_OK;
}

void sym_elf_leave(sym_mod *m)
{
	if (m->elf)
		sym_elf_unref(m->store, m->elf);
	m->elf = NULL;
	m->not_elf = false;
}

/* ---- what the header of the room promises ---- */

err sym_mod_build_id(sym_mod *m, buf *id, diag *d)
{
	sym_elf *g;
	TRY(sym_mod_elf(m, &g, d));
	if (!g->v.build_id_n)
		return diag_set(d, ERR_NOTFOUND, "%.*s has no build-id", STR_ARG(m->name));
	elf_build_id_text(g->v.build_id, g->v.build_id_n, id);
	return ERR_OK;
}

err sym_elf_read(sym_mod *m, sym_elf *g, uint64_t addr, void *to, size_t n)
{
	uint64_t vaddr = addr - m->base + g->v.base;
	for (size_t i = 0; i < g->v.nph; i++) {
		const elf_phdr *h = &g->v.ph[i];
		/* text relocations are rare, and their files say so; writable data changes */
		if (h->type != ELF_PT_LOAD || (h->flags & ELF_PF_W) || vaddr < h->vaddr ||
			vaddr - h->vaddr >= h->filesz)
			continue;
		size_t left;
		const uint8_t *p = elf_at(&g->v, vaddr, &left);
		if (p && n <= left) {
			memcpy(to, p, n);
			return ERR_OK;
		}
	}
	mem_reader r = {m, mod_read};
	return mem_read_all(&r, addr, to, n);
}

err sym_elf_sections(sym_elf *g, const sym_section **ret, size_t *n_ret)
{
	/* IMAGE_SCN_xxx, so that whoever shows flags needs no second table */
	enum { CODE = 0x20, DATA = 0x40, BSS = 0x80, EXEC = 0x20000000, READ = 0x40000000 };
	if (!g->sections) {
		g->sections = arena_array(&g->a, g->v.nsec + g->v.nph, sizeof *g->sections);
		for (size_t i = 1; i < g->v.nsec; i++) {
			const elf_sec *s = &g->v.sec[i];
			if (!(s->flags & ELF_SHF_ALLOC) || s->addr < g->v.base ||
				s->addr - g->v.base > UINT32_MAX || s->size > UINT32_MAX)
				continue;
			sym_section *o = &g->sections[g->n_sections++];
			str name = str_take(s->name, sizeof o->name - 1);
			memcpy(o->name, name.p, name.n);
			o->rva = (uint32_t)(s->addr - g->v.base);
			o->vsize = (uint32_t)s->size;
			o->flags = (uint32_t)READ;
			o->flags |= s->flags & ELF_SHF_WRITE ? 0x80000000u : 0;
			o->flags |= s->flags & ELF_SHF_EXEC	? (uint32_t)(CODE | EXEC)
				    : s->type == ELF_SHT_NOBITS ? (uint32_t)BSS
								: (uint32_t)DATA;
		}
		for (size_t i = 0; i < g->v.nph && !g->n_sections; i++) {
			const elf_phdr *h = &g->v.ph[i];
			if (h->type != ELF_PT_LOAD || h->vaddr - g->v.base > UINT32_MAX ||
				h->memsz > UINT32_MAX)
				continue;
			sym_section *o = &g->sections[g->n_sections++];
			snprintf(o->name, sizeof o->name, "LOAD%zu", i < 999 ? i : 999);
			o->rva = (uint32_t)(h->vaddr - g->v.base);
			o->vsize = (uint32_t)h->memsz;
			o->flags = (uint32_t)READ | (h->flags & ELF_PF_W ? 0x80000000u : 0) |
				   (h->flags & ELF_PF_X ? (uint32_t)(CODE | EXEC) : (uint32_t)DATA);
		}
	}
	*ret = g->sections;
	*n_ret = g->n_sections;
	return ERR_OK;
}

void sym_elf_describe(sym_elf *g, buf *out)
{
	static const char *const types[] = {"none", "REL", "EXEC", "DYN", "CORE"};
	buf_addf(out, "   Machine Type: %u (%s)\n", g->v.machine,
		g->v.machine == ELF_MACHINE_X64 ? "X64" : "unknown");
	buf_addf(out, "      File Type: ELF %s\n",
		g->v.type < ARRAY_LEN(types) ? types[g->v.type] : "unknown");
	buf_addz(out, "       Build ID: ");
	if (g->v.build_id_n)
		elf_build_id_text(g->v.build_id, g->v.build_id_n, out);
	else
		buf_addz(out, "none");
	buf_addf(out, "\n           Size: %llx\n", (unsigned long long)g->v.span);
	str name;
	uint32_t crc;
	if (elf_debuglink(&g->v, &name, &crc))
		buf_addf(out, "     Debug Link: %.*s, CRC %08x\n", STR_ARG(name), crc);
	if (g->path[0])
		buf_addf(out,
			"     Image Type: FILE     - Image read from a file on this "
			"host.\n%17s%s\n",
			"", g->path);
	else
		buf_addz(out, "     Image Type: MEMORY   - Image read successfully from loaded "
			      "memory.\n");
}
