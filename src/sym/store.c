/*
 * store: modules by space and address, the scope, the list of unloaded ones, generations.
 *
 * Invariants: mods is sorted by (space, base) and has no two entries of one (space, base); a
 * module's pointer stays valid until sym_mod_remove or sym_mods_end takes it away; generation grows
 * with every change that could change an answer. What a target reports is bounded and never
 * trusted: ranges that wrap are cut, names are made safe before they reach the host's file system
 * (path.c).
 */
#include "sym/priv.h"

#include "base/bisect.h"

#include <stdlib.h>

void sym_touch(sym_store *s)
{
	s->generation++;
}

void sym_note(sym_store *s, bool noisy, const char *fmt, ...)
{
	if (!s->host.note || (noisy && !sym_noisy(s)))
		return;
	buf b;
	buf_init(&b, 16384);
	va_list ap;
	va_start(ap, fmt);
	buf_vaddf(&b, fmt, ap);
	va_end(ap);
	s->host.note(s->host.u, noisy, buf_str(&b));
	buf_deinit(&b);
}

sym_store *sym_store_create(const sym_host *host)
{
	sym_store *s = mem_alloc(sizeof *s);
	if (host)
		s->host = *host;
	s->options = SYMOPT_DEFAULT;
	s->generation = s->layout_gen = 1;
	s->net_connect_ms = 10000;
	s->net_stall_ms = 30000;
	map_init_fold(&s->unknown);
	sym_path_init(s);
	s->idents = sym_idents_create(str_of(s->cache_dir));
	return s;
}

static void mod_free(sym_mod *m)
{
	if (m->file)
		sym_file_unref(m->file);
	sym_image_leave(m);
	sym_elf_leave(m);
	if (m->img)
		sym_image_unref(m->store, m->img);
	mem_free((void *)(uintptr_t)m->name.p);
	mem_free((void *)(uintptr_t)m->image.p);
	mem_free((void *)(uintptr_t)m->path.p);
	mem_free((void *)(uintptr_t)m->symfile.p);
	mem_free(m);
}

void sym_store_destroy(sym_store *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->mods.n; i++)
		mod_free(s->mods.p[i]);
	vec_deinit(&s->mods);
	vec_deinit(&s->view);
	for (size_t i = 0; i < s->n_unloaded; i++)
		mem_free(s->unloaded_name[i]);
	sym_files_clear(s);
	sym_images_clear(s);
	sym_elfs_clear(s);
	sym_idents_destroy(s->idents);
	sym_path_deinit(s);
	map_deinit(&s->unknown);
	mem_free(s);
}

uint64_t sym_generation(const sym_store *s)
{
	return s->generation;
}

uint32_t sym_options(const sym_store *s)
{
	return s->options;
}

void sym_options_set(sym_store *s, uint32_t flags)
{
	/* Once set it stays ("Setting Symbol Options"). */
	s->options = flags | (s->options & SYMOPT_SECURE);
	sym_touch(s);
}

bool sym_noisy(const sym_store *s)
{
	return s->options & SYMOPT_DEBUG;
}

void sym_noisy_set(sym_store *s, bool on)
{
	s->options = on ? s->options | SYMOPT_DEBUG : s->options & ~SYMOPT_DEBUG;
}

void sym_net_limits(sym_store *s, unsigned connect_ms, unsigned stall_ms)
{
	s->net_connect_ms = connect_ms;
	s->net_stall_ms = stall_ms;
}

/* ---- scope ---- */

void sym_scope_set(sym_store *s, sym_space process)
{
	s->scope_ask = NULL;
	if (s->scope == process)
		return;
	s->scope = process;
	s->layout_gen++;
	sym_touch(s);
}

void sym_scope_ask(sym_store *s, sym_space (*ask)(void *u), void *u)
{
	s->scope_ask = ask;
	s->scope_u = u;
}

sym_space sym_scope(sym_store *s)
{
	sym_space (*ask)(void *) = s->scope_ask;
	if (ask) {
		s->scope_ask =
			NULL; /* the answer may need symbols itself: those of the system do */
		sym_scope_set(s, ask(s->scope_u));
	}
	return s->scope;
}

/* ---- finding a place in the sorted array ---- */

/* Index of the first module not below (space, base). */
static size_t lower(const sym_store *s, sym_space space, uint64_t base)
{
	sym_mod *const *m = s->mods.p;
	return BISECT(
		i, s->mods.n, m[i]->space < space || (m[i]->space == space && m[i]->base < base));
}

sym_mod *sym_mod_in(sym_store *s, sym_space space, uint64_t addr)
{
	size_t i = lower(s, space, addr);
	if (i < s->mods.n && s->mods.p[i]->space == space && s->mods.p[i]->base == addr)
		return s->mods.p[i];
	if (!i)
		return NULL;
	sym_mod *m = s->mods.p[i - 1];
	return m->space == space && addr - m->base < m->size ? m : NULL;
}

sym_mod *sym_mod_at(sym_store *s, uint64_t addr)
{
	sym_mod *m = sym_mod_in(s, 0, addr);
	sym_space scope = m ? 0 : sym_scope(s);
	return m || !scope ? m : sym_mod_in(s, scope, addr);
}

static int by_base(const void *a, const void *b)
{
	const sym_mod *x = *(sym_mod *const *)a, *y = *(sym_mod *const *)b;
	return x->base < y->base ? -1 : x->base > y->base;
}

sym_mod *sym_mod_nth(sym_store *s, size_t i)
{
	(void)sym_scope(s);
	if (s->view_gen != s->layout_gen) {
		s->view.n = 0;
		for (size_t k = 0; k < s->mods.n; k++)
			if (!s->mods.p[k]->space || s->mods.p[k]->space == s->scope)
				vec_push(&s->view, s->mods.p[k]);
		if (s->view.n)
			qsort(s->view.p, s->view.n, sizeof *s->view.p, by_base);
		s->view_gen = s->layout_gen;
	}
	return i < s->view.n ? s->view.p[i] : NULL;
}

sym_mod *sym_mod_find(sym_store *s, str name)
{
	sym_mod *m;
	if (!name.n)
		return NULL;
	for (size_t i = 0; (m = sym_mod_nth(s, i)); i++)
		if (str_ieq(m->name, name))
			return m;
	for (size_t i = 0; (m = sym_mod_nth(s, i)); i++)
		if (str_ieq(m->image, name) || str_ieq(str_stem(m->image), name))
			return m;
	return NULL;
}

/* ---- adding ---- */

static str own(str s)
{
	char *z = mem_alloc(s.n + 1);
	if (s.n)
		memcpy(z, s.p, s.n);
	return (str){z, s.n};
}

/* "libc" of libc.so.6; the whole of "python3.11": names of files on Linux have no extension. */
static str host_stem(str path)
{
	static const char *const images[] = {
		".exe", ".dll", ".sys", ".drv", ".ocx", ".cpl", ".acm"};
	str base = str_base(path);
	for (size_t i = 0; i < ARRAY_LEN(images); i++)
		if (str_iends(base, str_of(images[i])))
			return str_stem(path);
	if (base.n > 2 && base.p[0] == '[' && base.p[base.n - 1] == ']')
		return (str){base.p + 1, base.n - 2}; /* [vdso] */
	for (size_t at, from = 1;
		from < base.n && (at = str_find(str_skip(base, from), STR(".so"))) != SIZE_MAX;
		from += at + 3) {
		size_t end = from + at + 3;
		if (end == base.n || base.p[end] == '.')
			return str_take(base, from + at);
	}
	return base;
}

/* Module names are made of letters, digits and _ so that "mod!name" parses (dbghelp does the same).
 */
static str safe_name(arena *a, str path)
{
	bool host = path.n && (path.p[0] == '/' || path.p[0] == '[' ||
				      str_find(path, STR(".so.")) != SIZE_MAX);
	str stem = host ? host_stem(path) : str_stem(path);
	char *z = str_z(a, str_take(stem, 64));
	size_t n = strlen(z);
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)z[i];
		if (!(c >= '0' && c <= '9') && !((c | 32) >= 'a' && (c | 32) <= 'z') && c != '_' &&
			c != '$' && c < 0x80)
			z[i] = '_';
	}
	return (str){z, n};
}

static bool name_taken(sym_store *s, sym_space space, str name, uint64_t base)
{
	for (size_t i = lower(s, space, 0); i < s->mods.n && s->mods.p[i]->space == space; i++)
		if (s->mods.p[i]->base != base && str_ieq(s->mods.p[i]->name, name))
			return true;
	return false;
}

static sym_mod *mod_new(
	sym_store *s, sym_space space, uint64_t base, uint64_t size, str name, str path)
{
	arena a;
	arena_init(&a);
	if (!name.n)
		name = safe_name(&a, path);
	if (!name.n)
		name = str_printf(&a, "Unknown_Module_%llx", (unsigned long long)base);
	if (name_taken(s, space, name, base))
		name = str_printf(&a, "%.*s_%llx", STR_ARG(name), (unsigned long long)base);
	sym_mod *m = mem_alloc(sizeof *m);
	m->store = s;
	m->space = space;
	m->base = base;
	m->size = size;
	m->name = own(name);
	str image = str_base(path);
	m->image = own(str_take(image.n ? image : name, SYM_NAME_MAX));
	m->path = own(str_take(path, 4096));
	m->symfile = own((str){0});
	m->user = space != 0;
	arena_deinit(&a);
	return m;
}

sym_mod *sym_mod_add(sym_store *s, sym_space space, uint64_t base, uint64_t size,
	uint32_t timestamp, uint32_t checksum, str name, str path)
{
	if (size > UINT64_MAX - base)
		size = UINT64_MAX - base;
	size_t i = lower(s, space, base);
	if (i < s->mods.n && s->mods.p[i]->space == space && s->mods.p[i]->base == base) {
		sym_mod *m = s->mods.p[i];
		bool same = str_ieq(str_base(path), m->image) &&
			    (!timestamp || !m->timestamp || timestamp == m->timestamp) &&
			    (!size || !m->size || size == m->size || !m->timestamp);
		if (same) {
			m->mark = true;
			if (!m->checksum)
				m->checksum = checksum;
			/* A size that came without a time stamp was a guess at an image being
			 * loaded. */
			if (size && size != m->size) {
				m->size = size;
				sym_touch(s);
			}
			if (!m->timestamp)
				m->timestamp = timestamp;
			return m;
		}
		sym_mod_remove(s, m); /* another image took the place */
		i = lower(s, space, base);
	}
	if (s->mods.n >= SYM_MODS_MAX)
		return NULL;
	sym_mod *m = mod_new(s, space, base, size, name, path);
	m->timestamp = timestamp;
	m->checksum = checksum;
	m->mark = true;
	vec_push(&s->mods, m);
	memmove(s->mods.p + i + 1, s->mods.p + i, (s->mods.n - 1 - i) * sizeof *s->mods.p);
	s->mods.p[i] = m;
	s->layout_gen++;
	sym_touch(s);
	if (!m->size) { /* ask the image itself; a module without size finds no address */
		struct sym_image *img;
		if (!sym_mod_is_elf(m) && sym_mod_image(m, &img, NULL) != ERR_OK)
			m->size = 0x1000;
	}
	return m;
}

/* ---- removing ---- */

static void remember_unloaded(sym_store *s, const sym_mod *m)
{
	if (s->n_unloaded == SYM_UNLOADED_MAX)
		mem_free(s->unloaded_name[--s->n_unloaded]);
	memmove(s->unloaded + 1, s->unloaded, s->n_unloaded * sizeof s->unloaded[0]);
	memmove(s->unloaded_name + 1, s->unloaded_name, s->n_unloaded * sizeof s->unloaded_name[0]);
	str image = own(m->image);
	s->unloaded_name[0] = (char *)(uintptr_t)image.p;
	s->unloaded[0] = (sym_unloaded){m->space, m->base, m->size, image};
	s->n_unloaded++;
}

static void remove_at(sym_store *s, size_t i, bool remember)
{
	sym_mod *m = s->mods.p[i];
	if (remember)
		remember_unloaded(s, m);
	vec_remove(&s->mods, i);
	mod_free(m);
	s->layout_gen++;
	sym_touch(s);
}

void sym_mod_remove(sym_store *s, sym_mod *m)
{
	size_t i = lower(s, m->space, m->base);
	if (i < s->mods.n && s->mods.p[i] == m)
		remove_at(s, i, true);
}

/* A process that ended takes its list along: these are no unloaded modules. */
void sym_space_clear(sym_store *s, sym_space space)
{
	for (size_t i = lower(s, space, 0); i < s->mods.n && s->mods.p[i]->space == space;)
		remove_at(s, i, false);
}

void sym_mods_begin(sym_store *s, sym_space space)
{
	for (size_t i = lower(s, space, 0); i < s->mods.n && s->mods.p[i]->space == space; i++)
		s->mods.p[i]->mark = false;
}

void sym_mods_end(sym_store *s, sym_space space)
{
	for (size_t i = lower(s, space, 0); i < s->mods.n && s->mods.p[i]->space == space;) {
		if (s->mods.p[i]->mark)
			i++;
		else
			remove_at(s, i, true);
	}
	if (s->options & SYMOPT_DEFERRED_LOADS)
		return;
	/* -s, .symopt- 4: at once, but not while the list is still being read */
	for (size_t i = lower(s, space, 0); i < s->mods.n && s->mods.p[i]->space == space; i++)
		if (sym_mod_load(s->mods.p[i], NULL) == ERR_CANCELLED)
			break;
}

const sym_unloaded *sym_unloaded_nth(sym_store *s, size_t i)
{
	return i < s->n_unloaded ? &s->unloaded[i] : NULL;
}

void sym_mods_clear(sym_store *s)
{
	while (s->mods.n)
		remove_at(s, s->mods.n - 1, false);
	while (s->n_unloaded)
		mem_free(s->unloaded_name[--s->n_unloaded]);
	sym_scope_set(s, 0);
}
