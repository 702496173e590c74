/*
 * path: the symbol path: its grammar, and what it is now. locate.c walks along it.
 *
 *   DIR                 DIR\symbols\EXT, DIR\EXT, DIR, and DIR taken as a symbol store
 *   cache* | cache*DIR  a store that is looked into, and that keeps what is found to its right
 *   srv*                the public store of Microsoft
 *   srv*A*B*C           stores, nearest first; what is found in one is copied to those on its left;
 *                       an empty one is the default cache; symsrv*DLL*... is the same
 *
 * Source: "Symbol path for Windows debuggers" (windows-driver-docs). Names come from images of the
 * target, so sym_file_name_ok() stands between them and the host's file system.
 */
#include "sym/priv.h"

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#define MS_STORE "https://msdl.microsoft.com/download/symbols"

/* ---- names ---- */

bool sym_file_name_ok(str name)
{
	if (!name.n || name.n > SYM_NAME_MAX || str_eq(name, STR(".")) || str_eq(name, STR("..")))
		return false;
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];
		if (c < 0x20 || c == 0x7f || strchr("/\\:*?\"<>|", c))
			return false;
	}
	return true;
}

bool sym_is_url(str s)
{
	return str_istarts(s, STR("http://")) || str_istarts(s, STR("https://"));
}

str sym_host_path(arena *a, str path)
{
	char *z = str_z(a, path);
	if (!sys_is_dir(z) && !sys_is_file(z))
		for (size_t i = 0; i < path.n; i++)
			if (z[i] == '\\')
				z[i] = '/';
	size_t n = path.n;
	while (n > 1 && z[n - 1] == '/')
		n--;
	z[n] = 0;
	return (str){z, n};
}

char *sym_dir_entry(arena *a, str dir, str name)
{
	char *direct = arena_printf(a, "%.*s/%.*s", STR_ARG(dir), STR_ARG(name));
	if (!access(direct, F_OK))
		return direct;
	char *found = NULL;
	DIR *d = opendir(str_z(a, dir));
	for (struct dirent *e; d && !found && (e = readdir(d));)
		if (str_ieq(str_of(e->d_name), name))
			found = arena_printf(a, "%.*s/%s", STR_ARG(dir), e->d_name);
	if (d)
		closedir(d);
	return found;
}

/* ---- grammar ---- */

static void add_store(sym_elem *e, str s)
{
	if (e->n < SYM_STORES_MAX)
		e->store[e->n++] = s;
}

static void parse_srv(sym_elems *p, sym_elem *e, str list, str cache_dir)
{
	e->kind = SYM_ELEM_SRV;
	if (!str_trim(list).n) {
		add_store(e, STR(MS_STORE));
		return;
	}
	for (bool more = true; more;) {
		size_t star = str_chr(list, '*');
		more = star != SIZE_MAX;
		str one = str_trim(str_take(list, star));
		list = more ? str_skip(list, star + 1) : (str){0};
		if (!one.n)
			add_store(e, cache_dir);
		else
			add_store(e, sym_is_url(one) ? one : sym_host_path(&p->a, one));
	}
}

static bool parse_elem(sym_elems *p, sym_elem *e, str text, str cache_dir)
{
	*e = (sym_elem){.text = text};
	if (str_istarts(text, STR("cache*"))) {
		str dir = str_trim(str_skip(text, 6));
		e->kind = SYM_ELEM_CACHE;
		/* cache*A*B: only the first is documented */
		dir = str_take(dir, str_chr(dir, '*'));
		add_store(e, dir.n ? sym_host_path(&p->a, dir) : cache_dir);
	} else if (str_istarts(text, STR("srv*"))) {
		parse_srv(p, e, str_skip(text, 4), cache_dir);
	} else if (str_ieq(text, STR("srv"))) {
		parse_srv(p, e, (str){0}, cache_dir);
	} else if (str_istarts(text, STR("symsrv*"))) {
		str rest = str_skip(text, 7);
		size_t star = str_chr(rest, '*'); /* behind the server DLL's name */
		parse_srv(p, e, star == SIZE_MAX ? (str){0} : str_skip(rest, star + 1), cache_dir);
	} else if (sym_is_url(text)) {
		parse_srv(p, e, text, cache_dir);
	} else {
		e->kind = SYM_ELEM_DIR;
		add_store(e, sym_host_path(&p->a, text));
	}
	return true;
}

void sym_elems_parse(sym_elems *ret, str path, str cache_dir)
{
	*ret = (sym_elems){0};
	arena_init(&ret->a);
	ret->e = arena_array(&ret->a, SYM_PATH_ELEMS_MAX, sizeof(sym_elem));
	path = str_dup(&ret->a, str_take(path, SYM_PATH_TEXT_MAX));
	cache_dir = str_dup(&ret->a, cache_dir);
	while (path.n) {
		size_t semi = str_chr(path, ';');
		str one = str_trim(str_take(path, semi));
		path = semi == SIZE_MAX ? (str){0} : str_skip(path, semi + 1);
		if (one.n >= 2 && one.p[0] == '"' && one.p[one.n - 1] == '"')
			one = str_trim((str){one.p + 1, one.n - 2});
		if (!one.n)
			continue;
		if (ret->n == SYM_PATH_ELEMS_MAX) {
			ret->dropped++;
			continue;
		}
		if (parse_elem(ret, &ret->e[ret->n], one, cache_dir))
			ret->n++;
	}
}

void sym_elems_deinit(sym_elems *p)
{
	arena_deinit(&p->a);
	*p = (sym_elems){0};
}

/* ---- the path of a store ---- */

static const char *default_cache(arena *a)
{
	const char *x = getenv("XDG_CACHE_HOME");
	if (x && x[0] == '/')
		return arena_printf(a, "%s/ringside/sym", x);
	const char *home = getenv("HOME");
	return arena_printf(a, "%s/.cache/ringside/sym", home && home[0] ? home : "/tmp");
}

/* A changed path makes worth trying again what was not found, and export symbols better. */
static void path_changed(sym_store *s)
{
	sym_elems_deinit(&s->elems);
	sym_elems_parse(&s->elems, str_of(s->path), str_of(s->cache_dir));
	sym_failures_clear(s);
	sym_touch(s);
}

void sym_path_set(sym_store *s, str path)
{
	arena a;
	arena_init(&a);
	char *old = s->path;
	s->path = mem_strdup(str_z(&a, str_take(path, SYM_PATH_TEXT_MAX)));
	mem_free(old);
	arena_deinit(&a);
	path_changed(s);
	/* "Lazy symbol loading": export symbols may get better, and a PDB whose place left the path
	 * is looked for again. */
	for (size_t i = 0; i < s->mods.n; i++) {
		sym_mod *m = s->mods.p[i];
		if (m->status == SYM_NONE || m->status == SYM_EXPORT ||
			(m->status >= SYM_PUBLIC && !sym_path_covers(s, m->symfile)))
			if (sym_mod_reload(m, SYM_LOAD_DEFER, NULL) != ERR_OK)
				continue;
	}
}

static bool below(str file, str dir)
{
	return dir.n && file.n > dir.n && str_starts(file, dir) &&
	       (dir.p[dir.n - 1] == '/' || str_skip(file, dir.n).p[0] == '/');
}

bool sym_path_covers(sym_store *s, str file)
{
	if (below(file, str_of(s->cache_dir)))
		return true;
	for (size_t i = 0; i < s->elems.n; i++)
		for (size_t k = 0; k < s->elems.e[i].n; k++)
			if (below(file, s->elems.e[i].store[k]))
				return true;
	return false;
}

str sym_path(const sym_store *s)
{
	return str_of(s->path);
}

void sym_cache_dir_set(sym_store *s, str dir)
{
	arena a;
	arena_init(&a);
	str host = sym_host_path(&a, dir);
	mem_free(s->cache_dir);
	s->cache_dir = mem_strdup(dir.n ? str_z(&a, host) : default_cache(&a));
	arena_deinit(&a);
	sym_idents_destroy(s->idents);
	s->idents = sym_idents_create(str_of(s->cache_dir));
	path_changed(s);
}

void sym_exepath_set(sym_store *s, str path)
{
	arena a;
	arena_init(&a);
	char *old = s->exepath;
	s->exepath = mem_strdup(str_z(&a, str_take(path, SYM_PATH_TEXT_MAX)));
	mem_free(old);
	arena_deinit(&a);
}

str sym_exepath(const sym_store *s)
{
	return str_of(s->exepath);
}

void sym_path_init(sym_store *s)
{
	arena a;
	arena_init(&a);
	/* "General Environment Variables": the alternative path comes first. */
	const char *alt = getenv("_NT_ALT_SYMBOL_PATH"), *nt = getenv("_NT_SYMBOL_PATH");
	const char *exe = getenv("_NT_EXECUTABLE_IMAGE_PATH");
	alt = alt ? alt : "";
	nt = nt ? nt : "";
	s->path = mem_strdup(arena_printf(&a, "%s%s%s", alt, *alt && *nt ? ";" : "", nt));
	s->exepath = mem_strdup(exe ? exe : "");
	s->cache_dir = mem_strdup(default_cache(&a));
	arena_deinit(&a);
	map_init_fold(&s->missing);
	map_init_fold(&s->dead);
	map_init(&s->two_tier);
	sym_elems_parse(&s->elems, str_of(s->path), str_of(s->cache_dir));
}

void sym_path_deinit(sym_store *s)
{
	map_deinit(&s->missing);
	map_deinit(&s->dead);
	map_deinit(&s->two_tier);
	sym_elems_deinit(&s->elems);
	sym_net_destroy(s->net);
	mem_free(s->path);
	mem_free(s->exepath);
	mem_free(s->cache_dir);
}

void sym_failures_clear(sym_store *s)
{
	map_clear(&s->missing);
	map_clear(&s->dead);
	map_clear(&s->two_tier);
}

static void elem_text(const sym_elem *e, str cache_dir, buf *out)
{
	if (e->kind == SYM_ELEM_DIR) {
		buf_adds(out, e->text);
		return;
	}
	buf_addz(out, e->kind == SYM_ELEM_CACHE ? "cache" : "SRV");
	for (size_t i = 0; i < e->n; i++)
		buf_addf(out, "*%.*s", STR_ARG(e->store[i]));
}

void sym_path_expanded(sym_store *s, buf *out)
{
	bool cached = false;
	for (size_t i = 0; i < s->elems.n; i++) {
		const sym_elem *e = &s->elems.e[i];
		if (i)
			buf_addc(out, ';');
		cached |= e->kind == SYM_ELEM_CACHE;
		if (e->kind == SYM_ELEM_SRV && e->n == 1 && sym_is_url(e->store[0]) && !cached)
			buf_addf(out, "cache*%s;", s->cache_dir); /* where its downloads go */
		elem_text(&s->elems.e[i], str_of(s->cache_dir), out);
	}
}

static const char *elem_problem(const sym_store *s, const sym_elem *e)
{
	arena a;
	arena_init(&a);
	const char *r = "";
	for (size_t i = 0; i < e->n && !*r; i++) {
		str one = e->store[i];
		bool last = i + 1 == e->n;
		if (sym_is_url(one)) {
			if (!last)
				r = "a server must be the last store of its chain";
		} else if (e->kind == SYM_ELEM_DIR ||
			   (e->kind == SYM_ELEM_SRV && last && e->n > 1) ||
			   (e->kind == SYM_ELEM_SRV && e->n == 1)) {
			if (!sys_is_dir(str_z(&a, one)))
				r = "no such directory";
		}
	}
	arena_deinit(&a);
	return r;
}

void sym_path_expand(sym_store *s, buf *out)
{
	for (size_t i = 0; i < s->elems.n; i++) {
		const char *p = elem_problem(s, &s->elems.e[i]);
		elem_text(&s->elems.e[i], str_of(s->cache_dir), out);
		buf_addf(out, "%s%s\n", *p ? "  - " : "", p);
	}
	if (s->elems.dropped)
		buf_addf(out, "%zu more elements - over the maximum of %d, ignored\n",
			s->elems.dropped, SYM_PATH_ELEMS_MAX);
}

void sym_path_summary(sym_store *s, buf *out)
{
	for (size_t i = 0; i < s->elems.n; i++) {
		const sym_elem *e = &s->elems.e[i];
		const char *p = elem_problem(s, e);
		buf_addf(out, "%-9s %36s %.*s%s%s%s\n",
			*p			  ? "Error"
			: e->kind == SYM_ELEM_DIR ? "OK"
						  : "Deferred",
			"", STR_ARG(e->text), *p ? " (" : "", p, *p ? ")" : "");
	}
}
