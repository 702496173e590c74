/*
 * image: PE headers, exports and unwind data of a module, from a matching file on this host or from
 * the target, and shared by all modules of one identity (file name, timestamp, size, checksum).
 *
 * Target memory is read by whole pages, once: headers, .pdata, .xdata and the like never change.
 * Pages of code are kept too, but only for one base (relocations differ). A page that could not be
 * read is not remembered: it may be paged in later. The number of pages is bounded.
 *
 * A file is used only if its timestamp and size are the module's, or if the module's image is that
 * file stripped; its code only where no base relocation touches it.
 */
#include "sym/priv.h"

#include "fmt/pe.h"

#include <stdio.h>
#include <time.h>

enum { IMG_PAGE = 4096, IMG_PAGES_MAX = 4096, RELOC_DIR_MAX = 8 << 20 };

typedef struct sym_image {
	unsigned refs;
	uint64_t idle;
	str image; /* identity */
	uint32_t timestamp, size, checksum;
	arena a;
	pe_view pe;
	sys_map file;	 /* n = 0: from the target */
	str bytes;	 /* the same, for the reader */
	char *file_path; /* empty: from the target */
	map pages;	 /* base-independent: page RVA -> bytes */
	map code;	 /* base ^ RVA -> bytes */
	size_t n_pages;
	sym_mod *via; /* whose memory is read now */
	bool opened, larger;
	err open_err; /* of the last try to read the headers */
	bool rsds_known, has_rsds;
	pe_codeview rsds;
	uint8_t *reloc; /* a bit a page: touched by base relocations */
	bool reloc_known;
	sym_section *sections;
} sym_image;

/* ---- reading through the page caches ---- */

static uint8_t *page_read(sym_image *g, map *m, uint64_t key, uint32_t rva)
{
	uint8_t *p = map_get(m, key);
	if (p)
		return p;
	sym_store *s = g->via->store; /* target_read has looked */
	if (g->n_pages >= IMG_PAGES_MAX || !s->host.read)
		return NULL;
	uint8_t tmp[IMG_PAGE];
	for (size_t done = 0; done < IMG_PAGE;) {
		size_t n = 0;
		if (s->host.read(s->host.u, g->via->space, g->via->base + rva + done, tmp + done,
			    IMG_PAGE - done, &n) != ERR_OK ||
			!n)
			return NULL;
		done += n;
	}
	p = arena_dup(&g->a, tmp, IMG_PAGE);
	map_set(m, key, p);
	g->n_pages++;
	return p;
}

static bool is_code(const sym_image *g, uint32_t rva)
{
	const pe_section *sec = g->opened ? pe_section_at(&g->pe, rva) : NULL;
	return sec && (sec->flags & PE_SCN_EXECUTE);
}

static bool is_fixed(const sym_image *g, uint32_t rva)
{
	const pe_section *sec = g->opened ? pe_section_at(&g->pe, rva) : NULL;
	return !sec || !(sec->flags & PE_SCN_WRITE);
}

/* mem_reader over the target: addresses are RVAs of g->via. */
static err target_read(void *u, uint64_t addr, void *to, size_t n, size_t *n_ret)
{
	sym_image *g = u;
	if (!g->via || !g->via->store->host.read || addr > UINT32_MAX)
		return ERR_FAULT;
	sym_store *s = g->via->store;
	uint32_t rva = (uint32_t)addr, page = rva & ~(uint32_t)(IMG_PAGE - 1);
	size_t in = rva - page, k = IMG_PAGE - in;
	if (k > n)
		k = n;
	if (is_fixed(g, rva)) {
		bool code = is_code(g, rva);
		/* spread, so that two bases do not meet in one key */
		uint64_t key = code ? (g->via->base >> 12) * 0x9e3779b97f4a7c15 ^ page : page;
		uint8_t *p = page_read(g, code ? &g->code : &g->pages, key, page);
		if (p) {
			memcpy(to, p + in, k);
			*n_ret = k;
			return ERR_OK;
		}
	}
	return s->host.read(s->host.u, g->via->space, g->via->base + rva, to, k, n_ret);
}

/* ---- opening ---- */

static void image_free(sym_image *g)
{
	map_deinit(&g->pages);
	map_deinit(&g->code);
	sys_map_close(&g->file);
	mem_free(g->reloc);
	arena_deinit(&g->a);
	mem_free(g);
}

void sym_images_clear(sym_store *s)
{
	for (size_t i = 0; i < s->images.n; i++)
		image_free(s->images.p[i]);
	vec_deinit(&s->images);
}

void sym_image_ref(sym_image *g)
{
	g->refs++;
}

void sym_image_leave(sym_mod *m)
{
	if (m->img && m->img->via == m)
		m->img->via = NULL;
}

void sym_image_unref(sym_store *s, sym_image *g)
{
	g->refs--;
	if (g->refs)
		return;
	g->idle = s->generation;
	g->via = NULL;
	size_t oldest = SYM_IDLE_OLDEST(s->images);
	if (oldest != SIZE_MAX) {
		image_free(s->images.p[oldest]);
		vec_remove(&s->images, oldest);
	}
}

static void identify(sym_image *g, const sym_mod *m)
{
	g->timestamp = m->timestamp;
	g->size = (uint32_t)m->size;
	g->checksum = m->checksum;
}

static sym_image *image_new(sym_mod *m)
{
	sym_image *g = mem_alloc(sizeof *g);
	arena_init(&g->a);
	map_init(&g->pages);
	map_init(&g->code);
	g->refs = 1;
	g->image = str_dup(&g->a, m->image);
	identify(g, m);
	g->file_path = "";
	g->via = m;
	vec_push(&m->store->images, g);
	return g;
}

typedef struct file_try {
	sym_mod *m;
	sym_image *g;
	bool larger; /* one of the timestamp has another size */
} file_try;

/* The file that g's image in memory was stripped from, and not only its debug sections. */
static bool is_whole_of(const sym_image *g, const pe_view *file)
{
	if (!pe_same_layout(&g->pe, file))
		return false;
	for (size_t i = 0; i < g->pe.nsec; i++)
		if (g->pe.sec[i].raw_size && !file->sec[i].raw_size)
			return false;
	return true;
}

/* A candidate on this host: the same timestamp and size make it the same image. */
static bool image_accept(void *u, const char *path, bool from_store)
{
	file_try *x = u;
	sym_image *g = x->g;
	sys_map f;
	if (sys_map_open(path, &f, NULL) != ERR_OK)
		return false;
	str bytes = {(const char *)f.p, f.n};
	mem_reader r = pe_bytes(&bytes);
	arena a;
	arena_init(&a);
	pe_view v;
	bool ok = pe_open(&v, &a, &r, 0, PE_FILE, NULL) == ERR_OK &&
		  (!x->m->timestamp || v.timestamp == x->m->timestamp);
	if (ok && v.image_size != x->m->size && (x->m->size || x->m->timestamp)) {
		x->larger |= v.image_size > x->m->size;
		ok = g->opened && is_whole_of(g, &v);
	}
	arena_deinit(&a);
	if (ok) {
		str before = g->bytes;
		g->bytes = bytes;
		r = pe_bytes(&g->bytes);
		ok = pe_open(&v, &g->a, &r, 0, PE_FILE, NULL) == ERR_OK;
		if (!ok)
			g->bytes = before;
	}
	if (ok) {
		g->file = f;
		g->pe = v;
		g->file_path = str_z(&g->a, str_of(path));
		sym_note(x->m->store, true, "DBGENG:  %s - Image mapped.", path);
	} else {
		sys_map_close(&f);
		sym_note(x->m->store, true, "DBGENG:  %s - mismatched timestamp or size", path);
	}
	return ok;
}

/* *larger: there was one of the same timestamp, but with another size. */
static bool find_file(sym_mod *m, sym_image *g, bool *larger)
{
	sym_store *s = m->store;
	*larger = false;
	/* in a process of this host the path alone says which file it is */
	bool here = m->space && !m->timestamp && m->path.n && m->path.p[0] == '/';
	if ((!m->timestamp || !m->size) && !here)
		return false;
	file_try x = {.m = m, .g = g};
	char id[32];
	/* TimeDateStamp as 8 digits, SizeOfImage as it comes: the symbol store's key of an image.
	 */
	snprintf(id, sizeof id, "%08X%x", m->timestamp, (uint32_t)m->size);
	size_t dot = str_rchr(m->image, '.');
	sym_want w = {.name = m->image,
		.id = str_of(id),
		.ext = dot == SIZE_MAX ? (str){0} : str_skip(m->image, dot + 1),
		.local = true,
		.accept = image_accept,
		.u = &x};
	arena a;
	arena_init(&a);
	str host = sym_host_path(&a, m->path);
	bool ok = host.n && host.p[0] == '/' && sys_is_file(str_z(&a, host)) &&
		  image_accept(&x, str_z(&a, host), false);
	arena_deinit(&a);
	if (here)
		return ok;
	bool was = sym_noisy(s);
	sym_noisy_set(s, false); /* the search for images is no news */
	ok = ok || sym_dirs_locate(s, sym_exepath(s), &w, NULL) == ERR_OK ||
	     sym_path_locate(s, &w, NULL) == ERR_OK;
	sym_noisy_set(s, was);
	*larger = x.larger;
	return ok;
}

/* Sets what the module did not know about itself. */
static void learn(sym_mod *m, const sym_image *g)
{
	if (!m->size && g->pe.image_size) {
		m->size = g->pe.image_size;
		sym_touch(m->store);
	}
	if (!m->timestamp)
		m->timestamp = g->pe.timestamp;
	if (!m->checksum)
		m->checksum = g->pe.checksum;
}

static bool same_identity(const sym_image *g, const sym_mod *m)
{
	return m->timestamp && m->size && g->timestamp == m->timestamp &&
	       g->size == (uint32_t)m->size && g->checksum == m->checksum &&
	       str_ieq(g->image, m->image);
}

err sym_mod_image(sym_mod *m, sym_image **ret, diag *d)
{
	sym_store *s = m->store;
	if (!m->img && sym_mod_is_elf(m))
		return diag_set(d, ERR_UNSUPPORTED, "%.*s is an ELF image", STR_ARG(m->name));
	if (!m->img) {
		for (size_t i = 0; i < s->images.n && !m->img; i++)
			if (same_identity(s->images.p[i], m)) {
				m->img = s->images.p[i];
				m->img->refs++;
			}
		if (!m->img) {
			m->img = image_new(m);
			m->img->opened = find_file(m, m->img, &m->img->larger);
		}
	}
	sym_image *g = m->img;
	g->via = m;
	if (!g->opened) {
		mem_reader r = {g, target_read};
		err e = pe_open(&g->pe, &g->a, &r, 0, PE_LOADED, d);
		if (e != ERR_OK)
			return diag_add(d, e, "image header of %.*s", STR_ARG(m->name));
		g->opened = true;
		bool news = !m->timestamp || !m->size;
		learn(m, g);
		identify(g, m);
		/* only the header in memory said which file it is, or that it was stripped */
		if (news || g->larger)
			(void)find_file(m, g, &g->larger);
	}
	learn(m, g);
	*ret = g;
	return ERR_OK;
}

str sym_image_bytes(const sym_image *g)
{
	return g->file.n ? g->bytes : (str){0};
}

err sym_mod_pe(sym_mod *m, struct pe_view **ret, diag *d)
{
	sym_image *g;
	TRY(sym_mod_image(m, &g, d));
	*ret = &g->pe;
	return ERR_OK;
}

str sym_mod_image_path(sym_mod *m)
{
	if (m->elf)
		return str_of(m->elf->path);
	return m->img ? str_of(m->img->file_path) : (str){0};
}

err sym_image_rsds(sym_mod *m, uint8_t guid[16], uint32_t *age, str *path, diag *d)
{
	sym_image *g;
	TRY(sym_mod_image(m, &g, d));
	if (!g->rsds_known) {
		err e = pe_debug_codeview(&g->pe, &g->a, &g->rsds);
		if (e == ERR_FAULT)
			return diag_set(
				d, e, "debug directory of %.*s cannot be read", STR_ARG(m->name));
		g->rsds_known = true;
		g->has_rsds = e == ERR_OK && g->rsds.rsds;
	}
	if (!g->has_rsds)
		return diag_set(d, ERR_NOTFOUND, "%.*s names no PDB", STR_ARG(m->name));
	memcpy(guid, g->rsds.guid, 16);
	*age = g->rsds.age;
	*path = g->rsds.path;
	return ERR_OK;
}

/* ---- what the header of the room promises ---- */

err sym_unwind_func(
	sym_store *s, uint64_t pc, uint64_t *base, uint32_t *begin, uint32_t *end, uint32_t *unwind)
{
	sym_mod *m = sym_mod_at(s, pc);
	sym_image *g;
	pe_func f;
	if (!m || pc - m->base > UINT32_MAX)
		return ERR_NOTFOUND;
	TRY(sym_mod_image(m, &g, NULL));
	TRY(pe_func_at(&g->pe, (uint32_t)(pc - m->base), &f));
	*base = m->base;
	*begin = f.begin;
	*end = f.end;
	*unwind = f.unwind;
	return ERR_OK;
}

/* Which pages of a file are not what is in memory, because the loader relocates them. */
static bool relocated(sym_image *g, uint32_t rva, size_t n)
{
	if (!g->reloc_known) {
		g->reloc_known = true;
		g->reloc = mem_alloc(g->pe.image_size / IMG_PAGE / 8 + 2);
		uint32_t dir = g->pe.dir[PE_DIR_BASERELOC].rva,
			 size = g->pe.dir[PE_DIR_BASERELOC].size;
		uint8_t head[8];
		/* IMAGE_BASE_RELOCATION: page RVA, size of the block ("PE Format", .reloc section)
		 */
		for (uint32_t at = 0; dir && size <= RELOC_DIR_MAX && at + 8 <= size;) {
			if (pe_read(&g->pe, dir + at, head, 8) != ERR_OK)
				break;
			uint32_t page = le32(head), len = le32(head + 4);
			if (len < 8)
				break;
			if (len > 8 && page < g->pe.image_size) {
				g->reloc[page / IMG_PAGE / 8] |=
					(uint8_t)(1 << page / IMG_PAGE % 8);
				page += IMG_PAGE; /* the last word may reach over */
				g->reloc[page / IMG_PAGE / 8] |=
					(uint8_t)(1 << page / IMG_PAGE % 8);
			}
			at += len;
		}
	}
	for (uint64_t p = rva / IMG_PAGE; p <= (rva + n - 1) / IMG_PAGE; p++)
		if (p > g->pe.image_size / IMG_PAGE || (g->reloc[p / 8] >> p % 8 & 1))
			return true;
	return false;
}

static err mem_all(sym_mod *m, uint64_t addr, void *to, size_t n)
{
	sym_host *h = &m->store->host;
	for (size_t done = 0; done < n;) {
		size_t got = 0;
		if (!h->read)
			return ERR_FAULT;
		TRY(h->read(h->u, m->space, addr + done, (uint8_t *)to + done, n - done, &got));
		if (!got)
			return ERR_FAULT;
		done += got;
	}
	return ERR_OK;
}

err sym_image_read(sym_store *s, uint64_t addr, void *to, size_t n)
{
	sym_mod *m = sym_mod_at(s, addr);
	sym_image *g;
	if (!m)
		return ERR_NOTFOUND;
	if (!n)
		return ERR_OK;
	uint64_t off = addr - m->base;
	if (off > UINT32_MAX || n > m->size - off)
		return ERR_FAULT;
	uint32_t rva = (uint32_t)off;
	sym_elf *elf;
	if (sym_mod_elf(m, &elf, NULL) == ERR_OK)
		return sym_elf_read(m, elf, addr, to, n);
	if (sym_mod_image(m, &g, NULL) != ERR_OK || !is_fixed(g, rva))
		return mem_all(m, addr, to, n);
	if (g->file.n && pe_section_at(&g->pe, rva) && relocated(g, rva, n))
		return mem_all(m, addr, to, n);
	err e = pe_read(&g->pe, rva, to, n);
	return e == ERR_OK ? e : mem_all(m, addr, to, n);
}

err sym_entry_point(sym_mod *m, uint64_t *ret, diag *d)
{
	sym_image *g;
	sym_elf *elf;
	if (sym_mod_elf(m, &elf, NULL) == ERR_OK) {
		if (!elf->v.entry || elf->v.entry < elf->v.base)
			return diag_set(
				d, ERR_NOTFOUND, "%.*s has no entry point", STR_ARG(m->name));
		*ret = m->base + (elf->v.entry - elf->v.base);
		return ERR_OK;
	}
	TRY(sym_mod_image(m, &g, d));
	if (!g->pe.entry)
		return diag_set(d, ERR_NOTFOUND, "%.*s has no entry point", STR_ARG(m->name));
	*ret = m->base + g->pe.entry;
	return ERR_OK;
}

err sym_sections(sym_mod *m, const sym_section **ret, size_t *n_ret, diag *d)
{
	sym_image *g;
	sym_elf *elf;
	if (sym_mod_elf(m, &elf, NULL) == ERR_OK)
		return sym_elf_sections(elf, ret, n_ret);
	TRY(sym_mod_image(m, &g, d));
	if (!g->sections) {
		g->sections = arena_array(&g->a, g->pe.nsec, sizeof *g->sections);
		for (size_t i = 0; i < g->pe.nsec; i++) {
			const pe_section *p = &g->pe.sec[i];
			memcpy(g->sections[i].name, p->name, sizeof p->name);
			g->sections[i].rva = p->rva;
			g->sections[i].vsize = p->vsize;
			g->sections[i].flags = p->flags;
		}
	}
	*ret = g->sections;
	*n_ret = g->pe.nsec;
	return ERR_OK;
}

/* ---- !lmi ---- */

static const char *machine_name(uint16_t m)
{
	switch (m) {
	case PE_MACHINE_I386:
		return "I386";
	case PE_MACHINE_AMD64:
		return "X64";
	case PE_MACHINE_ARM64:
		return "ARM64";
	case PE_MACHINE_ARMNT:
		return "ARM";
	default:
		return "unknown";
	}
}

static const char *debug_name(uint32_t type)
{
	static const char *const names[] = {"UNKNOWN", "COFF", "CODEVIEW", "FPO", "MISC",
		"EXCEPTION", "FIXUP", "OMAP_TO_SRC", "OMAP_FROM_SRC", "BORLAND", "RESERVED10",
		"CLSID", "VC_FEATURE", "POGO", "ILTCG", "MPX", "REPRO", "EMBEDDED", "SPGO",
		"PDB_CHECKSUM", "EX_DLLCHARACTERISTICS"};
	return type < ARRAY_LEN(names) ? names[type] : "UNKNOWN";
}

typedef struct lmi {
	sym_image *g;
	buf *out;
	bool any;
} lmi;

static bool lmi_debug(void *u, const pe_debug *e)
{
	lmi *x = u;
	buf_addf(x->out, "%17s%s %5x, %5x, %7x ", "", debug_name(e->type), e->size, e->rva, e->raw);
	x->any = true;
	if (e->type == PE_DEBUG_CODEVIEW && x->g->has_rsds) {
		buf_addz(x->out, "RSDS - GUID: ");
		pe_guid_text(x->g->rsds.guid, false, x->out);
		buf_addf(x->out, "\n%17s  Age: %x, Pdb: %.*s", "", x->g->rsds.age,
			STR_ARG(x->g->rsds.path));
	} else {
		uint8_t b;
		buf_addz(x->out, pe_read(&x->g->pe, e->rva, &b, 1) == ERR_OK && e->rva
					 ? "[Data mapped]"
					 : "[Data not mapped]");
	}
	buf_addc(x->out, '\n');
	return true;
}

void sym_time(uint32_t timestamp, buf *out)
{
	time_t t = (time_t)timestamp;
	struct tm tm;
	char text[64];
	if (gmtime_r(&t, &tm) && strftime(text, sizeof text, "%a %b %e %H:%M:%S %Y", &tm))
		buf_addz(out, text);
}

/* IMAGE_FILE_DEBUG_STRIPPED (PE format, "Characteristics") */
enum { DEBUG_STRIPPED = 0x200 };

void sym_image_describe(sym_mod *m, buf *out)
{
	sym_image *g;
	sym_elf *elf;
	diag d;
	diag_clear(&d);
	if (sym_mod_elf(m, &elf, NULL) == ERR_OK) {
		sym_elf_describe(elf, out);
		return;
	}
	if (sym_mod_image(m, &g, &d) != ERR_OK) {
		buf_addf(out, "   *** %s\n", d.text);
		return;
	}
	const pe_view *p = &g->pe;
	/* the file is the one that the image was stripped from: larger */
	bool whole = g->file.n && m->size && p->image_size != m->size;
	buf_addf(out, "   Machine Type: %u (%s)\n", p->machine, machine_name(p->machine));
	buf_addf(out, "     Time Stamp: %x ", p->timestamp);
	sym_time(p->timestamp, out);
	buf_addf(out, "\n           Size: %x\n       CheckSum: %x\nCharacteristics: %x%s\n",
		whole ? (uint32_t)m->size : p->image_size, whole ? m->checksum : p->checksum,
		p->characteristics, p->characteristics & DEBUG_STRIPPED ? " stripped" : "");
	buf_addz(out, "Debug Data Dirs: Type  Size     VA  Pointer\n");
	lmi x = {g, out, false};
	if (pe_debug_each(p, lmi_debug, &x) != ERR_OK && !x.any)
		buf_addf(out, "%17snone\n", "");
	if (g->file.n)
		buf_addf(out,
			"     Image Type: FILE     - Image read from a file on this "
			"host%s.\n%17s%s\n",
			whole ? ": the one that it was stripped from" : "", "", g->file_path);
	else
		buf_addz(out, "     Image Type: MEMORY   - Image read successfully from loaded "
			      "memory.\n");
}
