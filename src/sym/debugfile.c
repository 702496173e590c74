/*
 * debugfile: where the debug information of an ELF file is when it was split off: by build-id in
 * the debug directories of the system and of the symbol path, by .gnu_debuglink with its checksum,
 * at debuginfod servers; and dwz's alternate file. And the file with the DWARF of a PE image that
 * was stripped: by name along the symbol path.
 *
 * Sources: "Separate Debug Files" (GDB manual), the debuginfod web API (debuginfod(8)), "PE Format"
 * (Microsoft). Refuses to believe names: a file counts when its build-id is the one wanted, or its
 * checksum; a PE file when its timestamp and its sections are.
 */
#include "sym/priv.h"

#include "fmt/pe.h"

#include <stdlib.h>

#define SYSTEM_DIR "/usr/lib/debug"

typedef struct hunt {
	sym_store *s;
	const elf_view *v; /* NULL: only the build-id counts */
	const uint8_t *id;
	size_t id_n;
	str hex;
	str what; /* is fetched from a server, for the eye */
	arena *a;
	const char *found;
	bool alt;
} hunt;

/* Opens path and compares. crc: of the debug link, if the build-id does not decide. */
static bool is_it(hunt *h, const char *path, const uint32_t *crc)
{
	sys_map f;
	elf_view v;
	bool ok = false;
	if (!sys_is_file(path) || sys_map_open(path, &f, NULL) != ERR_OK)
		return false;
	arena a;
	arena_init(&a);
	if (elf_open(&v, &a, f.p, f.n, NULL) == ERR_OK) {
		bool useful = elf_sec_find(&v, STR(".debug_info")) ||
			      elf_sec_find(&v, STR(".zdebug_info")) || v.symtab.n || h->alt;
		if (h->id_n && v.build_id_n)
			ok = useful && v.build_id_n == h->id_n &&
			     !memcmp(v.build_id, h->id, h->id_n);
		else if (crc)
			ok = useful && elf_crc32(f.p, f.n) == *crc;
		if (!ok)
			sym_note(
				h->s, true, "DBGHELP: %s - not the debug file of this image", path);
	}
	arena_deinit(&a);
	sys_map_close(&f);
	if (ok)
		h->found = path;
	return ok;
}

/* ---- by build-id ---- */

static bool by_id_in(hunt *h, str dir)
{
	if (h->id_n < 2 || sym_is_url(dir))
		return false;
	str rest = str_skip(h->hex, 2);
	/* the last two: what a debuginfod client keeps, ours and others' */
	const char *const places[] = {
		arena_printf(h->a, "%.*s/.build-id/%.2s/%.*s.debug", STR_ARG(dir), h->hex.p,
			STR_ARG(rest)),
		arena_printf(h->a, "%.*s/%.2s/%.*s.debug", STR_ARG(dir), h->hex.p, STR_ARG(rest)),
		arena_printf(h->a, "%.*s/buildid/%.*s/debuginfo", STR_ARG(dir), STR_ARG(h->hex)),
		arena_printf(h->a, "%.*s/%.*s/debuginfo", STR_ARG(dir), STR_ARG(h->hex)),
	};
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (is_it(h, places[i], NULL))
			return true;
	return false;
}

static bool by_id(hunt *h)
{
	sym_store *s = h->s;
	for (size_t i = 0; i < s->elems.n; i++)
		for (size_t k = 0; k < s->elems.e[i].n; k++)
			if (by_id_in(h, s->elems.e[i].store[k]))
				return true;
	return by_id_in(h, STR(SYSTEM_DIR)) || by_id_in(h, str_of(s->cache_dir));
}

/* ---- by debug link ---- */

static bool by_link(hunt *h, str image)
{
	str name;
	uint32_t crc;
	if (!elf_debuglink(h->v, &name, &crc) || !sym_file_name_ok(name))
		return false;
	size_t slash = str_rchr(image, '/');
	if (slash != SIZE_MAX) {
		str dir = str_take(image, slash);
		const char *const places[] = {
			arena_printf(h->a, "%.*s/%.*s", STR_ARG(dir), STR_ARG(name)),
			arena_printf(h->a, "%.*s/.debug/%.*s", STR_ARG(dir), STR_ARG(name)),
			arena_printf(h->a, SYSTEM_DIR "%.*s/%.*s", STR_ARG(dir), STR_ARG(name)),
		};
		for (size_t i = 0; i < ARRAY_LEN(places); i++)
			if (!str_eq(str_of(places[i]), image) && is_it(h, places[i], &crc))
				return true;
	}
	for (size_t i = 0; i < h->s->elems.n; i++) {
		const sym_elem *e = &h->s->elems.e[i];
		if (e->kind == SYM_ELEM_DIR && is_it(h,
						       arena_printf(h->a, "%.*s/%.*s",
							       STR_ARG(e->store[0]), STR_ARG(name)),
						       &crc))
			return true;
	}
	return false;
}

/* ---- debuginfod ---- */

static err fetch(hunt *h, str url, str store)
{
	sym_store *s = h->s;
	while (url.n && url.p[url.n - 1] == '/')
		url.n--;
	char *full =
		arena_printf(h->a, "%.*s/buildid/%.*s/debuginfo", STR_ARG(url), STR_ARG(h->hex));
	if (map_hass(&s->missing, str_of(full)) || map_hass(&s->dead, url))
		return ERR_NOTFOUND;
	char *dir = arena_printf(h->a, "%.*s/buildid/%.*s", STR_ARG(store), STR_ARG(h->hex));
	char *dest = arena_printf(h->a, "%s/debuginfo", dir);
	diag d;
	diag_clear(&d);
	err e = sys_mkdirs(dir, &d);
	if (e == ERR_OK) {
		sym_note(s, true, "SYMSRV:  HTTPGET: %s", full);
		e = sym_net_get(s, full, dest, h->what, &d);
	}
	if (e == ERR_OK) {
		sym_note(s, true, "SYMSRV:  %s - OK", full);
		return is_it(h, dest, NULL) ? ERR_OK : ERR_NOTFOUND;
	}
	sym_note(s, e == ERR_NOTFOUND || e == ERR_CANCELLED, "SYMSRV:  %s", d.text);
	if (e == ERR_NOTFOUND)
		map_sets(&s->missing, str_of(full), s);
	else if (e != ERR_CANCELLED)
		map_sets(&s->dead, url, s);
	return e == ERR_CANCELLED ? e : ERR_NOTFOUND;
}

static err by_server(hunt *h)
{
	sym_store *s = h->s;
	if (!h->id_n)
		return ERR_NOTFOUND;
	str store = str_of(s->cache_dir);
	for (size_t i = 0; i < s->elems.n; i++) {
		const sym_elem *el = &s->elems.e[i];
		if (el->kind == SYM_ELEM_CACHE && el->n)
			store = el->store[0];
		for (size_t k = 0; el->kind == SYM_ELEM_SRV && k < el->n; k++) {
			/* Microsoft's store has no ELF files */
			if (!sym_is_url(el->store[k]) ||
				str_find(el->store[k], STR("msdl.microsoft.com")) != SIZE_MAX)
				continue;
			err e = fetch(h, el->store[k], k ? el->store[0] : store);
			if (e != ERR_NOTFOUND)
				return e;
		}
	}
	str urls = str_of(getenv("DEBUGINFOD_URLS"));
	while (urls.n) {
		str one = str_word(&urls);
		err e = one.n && sym_is_url(one) ? fetch(h, one, str_of(s->cache_dir))
						 : ERR_NOTFOUND;
		if (e != ERR_NOTFOUND)
			return e;
	}
	return ERR_NOTFOUND;
}

static bool others_cache(hunt *h)
{
	const char *p = getenv("DEBUGINFOD_CACHE_PATH"), *x = getenv("XDG_CACHE_HOME"),
		   *home = getenv("HOME");
	if (p && p[0])
		return by_id_in(h, str_of(p));
	if (x && x[0])
		return by_id_in(h, str_of(arena_printf(h->a, "%s/debuginfod_client", x)));
	return home && home[0] &&
	       by_id_in(h, str_of(arena_printf(h->a, "%s/.cache/debuginfod_client", home)));
}

err sym_debugfile_find(sym_mod *m, const elf_view *v, arena *a, char **ret, diag *d)
{
	sym_store *s = m->store;
	hunt h = {.s = s, .v = v, .id = v->build_id, .id_n = v->build_id_n, .a = a};
	buf b;
	buf_init(&b, 256);
	elf_build_id_text(v->build_id, v->build_id_n, &b);
	h.hex = str_dup(a, buf_str(&b));
	buf_deinit(&b);
	str image = sym_mod_image_path(m);
	if (!image.n)
		image = m->path;
	h.what = str_of(arena_printf(a, "%.*s.debug", STR_ARG(str_base(image))));
	err e = by_id(&h) || by_link(&h, image) || others_cache(&h) ? ERR_OK : by_server(&h);
	if (e == ERR_OK)
		*ret = str_z(a, str_of(h.found));
	return e == ERR_OK ? e
			   : diag_set(d, e, "no debug file of %.*s%s", STR_ARG(m->name),
				     e == ERR_CANCELLED ? ": cancelled" : "");
}

err sym_altfile_find(sym_store *s, const char *of, str name, str id, arena *a, char **ret)
{
	buf b;
	buf_init(&b, 256);
	elf_build_id_text((const uint8_t *)id.p, id.n, &b);
	hunt h = {.s = s,
		.id = (const uint8_t *)id.p,
		.id_n = id.n,
		.hex = str_dup(a, buf_str(&b)),
		.a = a,
		.alt = true};
	buf_deinit(&b);
	/* relative to the file that names it */
	str dir = str_take(str_of(of), str_rchr(str_of(of), '/'));
	char *direct = name.p[0] == '/' ? str_z(a, name)
					: arena_printf(a, "%.*s/%.*s", STR_ARG(dir), STR_ARG(name));
	if (is_it(&h, direct, NULL) || by_id(&h)) {
		*ret = str_z(a, str_of(h.found));
		return ERR_OK;
	}
	return ERR_NOTFOUND;
}

/* ---- PE images that were stripped ---- */

typedef struct pe_hunt {
	sym_mod *m;
	const pe_view *image;
	bool any_time; /* .reload /i */
	arena *a;
	const char *found;
	bool mismatch;
	char late[1024]; /* all is right but its timestamp */
	uint32_t late_time;
} pe_hunt;

static bool has_dwarf(str bytes)
{
	pe_coff c;
	str name, sec;
	if (!pe_coff_open(bytes, &c))
		return false;
	for (size_t i = 0; pe_coff_section(&c, i, &name, &sec); i++)
		if (sec.n && str_eq(name, STR(".debug_info")))
			return true;
	return false;
}

static bool pe_accept(void *u, const char *path, bool from_store)
{
	pe_hunt *h = u;
	sys_map f;
	if (sys_map_open(path, &f, NULL) != ERR_OK)
		return false;
	str bytes = {(const char *)f.p, f.n};
	mem_reader r = pe_bytes(&bytes);
	pe_view v;
	arena a;
	arena_init(&a);
	bool fits = pe_open(&v, &a, &r, 0, PE_FILE, NULL) == ERR_OK && has_dwarf(bytes) &&
		    pe_same_layout(h->image, &v);
	bool time = fits && v.timestamp == h->image->timestamp;
	if (time || (fits && h->any_time)) {
		h->found = arena_printf(h->a, "%s", path);
		h->mismatch = !time;
	} else if (fits && !h->late[0] && strlen(path) < sizeof h->late) {
		strcpy(h->late, path);
		h->late_time = v.timestamp;
	} else if (!fits) {
		sym_note(h->m->store, true, "DBGHELP: %s - not the debug file of this image", path);
	}
	arena_deinit(&a);
	sys_map_close(&f);
	return h->found;
}

err sym_pe_debugfile_find(sym_mod *m, const pe_view *image, bool any_time, arena *a,
	const char **ret, bool *mismatch, diag *d)
{
	sym_store *s = m->store;
	pe_hunt h = {.m = m, .image = image, .any_time = any_time, .a = a};
	const str names[] = {
		m->image,
		str_printf(a, "%.*s.debug", STR_ARG(m->image)),
		str_printf(a, "%.*s.debug", STR_ARG(str_stem(m->image))),
	};
	size_t dot = str_rchr(m->image, '.');
	err e = ERR_NOTFOUND;
	for (size_t i = 0; i < ARRAY_LEN(names) && e == ERR_NOTFOUND; i++) {
		sym_want w = {.name = names[i],
			.ext = dot == SIZE_MAX ? (str){0} : str_skip(m->image, dot + 1),
			.local = true,
			.accept = pe_accept,
			.u = &h};
		if (!sym_file_name_ok(names[i]))
			continue;
		e = sym_path_locate(s, &w, NULL);
		if (e == ERR_NOTFOUND)
			e = sym_dirs_locate(s, sym_exepath(s), &w, NULL);
	}
	if (e == ERR_OK) {
		*ret = h.found;
		*mismatch = h.mismatch;
		return ERR_OK;
	}
	if (h.late[0])
		sym_note(s, false,
			"*** WARNING: %s has the sections of %.*s, but timestamp %08x instead of "
			"%08x: .reload /i %.*s takes it",
			h.late, STR_ARG(m->image), h.late_time, image->timestamp, STR_ARG(m->name));
	return diag_set(d, e, "no debug file of %.*s%s", STR_ARG(m->name),
		e == ERR_CANCELLED ? ": cancelled" : "");
}
