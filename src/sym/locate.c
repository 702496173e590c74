/*
 * locate: the walk along the symbol path to one file: directories, stores, servers, and copies into
 * the stores on the way.
 *
 * A store holds NAME/ID/NAME (two tiers, marked by index2.txt: NA/NAME/ID/NAME), NAME may be packed
 * (its last character is then '_'), or `file.ptr` beside it says where the file is.
 * Source: "Using SymSrv" (windows-driver-docs), symstore's "SymStore Storage Format".
 *
 * Refuses to know what a symbol file looks like: the caller's accept() opens it.
 */
#include "sym/priv.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

typedef struct walk {
	sym_store *s;
	const sym_want *w;
	arena a;
	err e;	   /* ERR_CANCELLED ends the walk */
	str cache; /* of the last cache* element */
} walk;

/* Is there such a file, and does the caller take it? */
static bool try_file(walk *k, const char *path, bool from_store)
{
	if (cancelled(k->s->host.cancel)) {
		k->e = ERR_CANCELLED;
		return false;
	}
	if (!path || !sys_is_file(path))
		return false;
	return k->w->accept(k->w->u, path, from_store);
}

/* Makes dir/…/NAME's directory. */
static bool make_dir_of(walk *k, const char *path)
{
	str dir = str_take(str_of(path), str_rchr(str_of(path), '/'));
	return dir.n && sys_mkdirs(str_z(&k->a, dir), NULL) == ERR_OK;
}

static str packed_name(arena *a, str name)
{
	char *z = str_z(a, name);
	z[name.n - 1] = '_';
	return (str){z, name.n};
}

/* NAME/ID below a store, with the second tier if the store has one. */
static char *store_dir(walk *k, str store, bool two)
{
	str n = k->w->name;
	if (two)
		return arena_printf(&k->a, "%.*s/%.*s/%.*s/%.*s", STR_ARG(store),
			STR_ARG(str_take(n, 2)), STR_ARG(n), STR_ARG(k->w->id));
	return arena_printf(&k->a, "%.*s/%.*s/%.*s", STR_ARG(store), STR_ARG(n), STR_ARG(k->w->id));
}

/* Resolves NAME/ID below a local store, whatever the case of both. NULL: not there. */
static char *store_find_dir(walk *k, str store)
{
	arena *a = &k->a;
	char *direct = store_dir(k, store, false);
	if (sys_is_dir(direct))
		return direct;
	char *top = NULL;
	if (sym_dir_entry(a, store, STR("index2.txt"))) {
		char *tier = sym_dir_entry(a, store, str_take(k->w->name, 2));
		top = tier ? sym_dir_entry(a, str_of(tier), k->w->name) : NULL;
	}
	if (!top)
		top = sym_dir_entry(a, store, k->w->name);
	return top && sys_is_dir(top) ? sym_dir_entry(a, str_of(top), k->w->id) : NULL;
}

/* The text behind "PATH:" of a file.ptr; empty if it says something else. */
static str file_ptr(walk *k, const char *path)
{
	str text;
	if (sys_read_file(&k->a, path, 4096, &text, NULL) != ERR_OK)
		return (str){0};
	text = str_trim(str_take(text, str_chr(text, '\n')));
	if (!str_istarts(text, STR("PATH:"))) {
		sym_note(k->s, true, "SYMSRV:  %s: %.*s", path, STR_ARG(text));
		return (str){0};
	}
	return str_trim(str_skip(text, 5));
}

typedef struct found {
	char *path; /* the file, packed or not */
	bool packed;
} found;

/* Looks into one local store. */
static bool store_look(walk *k, str store, found *ret)
{
	char *dir = store_find_dir(k, store);
	if (!dir)
		return false;
	char *p = sym_dir_entry(&k->a, str_of(dir), k->w->name);
	if (!p)
		p = sym_dir_entry(&k->a, str_of(dir), packed_name(&k->a, k->w->name));
	if (!p) {
		char *ptr = sym_dir_entry(&k->a, str_of(dir), STR("file.ptr"));
		str to = ptr ? file_ptr(k, ptr) : (str){0};
		if (to.n && !sym_is_url(to)) {
			to = sym_host_path(&k->a, to);
			p = to.p[0] == '/'
				    ? str_z(&k->a, to)
				    : arena_printf(&k->a, "%.*s/%.*s", STR_ARG(store), STR_ARG(to));
		}
	}
	if (!p || !sys_is_file(p))
		return false;
	*ret = (found){p, sym_is_packed(p)};
	return true;
}

static void url_part(buf *b, str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			strchr("-._~", c))
			buf_addc(b, (char)c);
		else
			buf_addf(b, "%%%02X", c);
	}
}

static char *url_of(walk *k, str store, bool two, str leaf)
{
	buf b;
	buf_init(&b, 8192);
	while (store.n && store.p[store.n - 1] == '/')
		store.n--;
	buf_adds(&b, store);
	buf_addc(&b, '/');
	if (two) {
		url_part(&b, str_take(k->w->name, 2));
		buf_addc(&b, '/');
	}
	if (k->w->id.n) {
		url_part(&b, k->w->name);
		buf_addc(&b, '/');
		url_part(&b, k->w->id);
		buf_addc(&b, '/');
	}
	url_part(&b, leaf);
	char *z = str_z(&k->a, buf_str(&b));
	buf_deinit(&b);
	return z;
}

/* One file from a server; what is not there is remembered. */
static err get(walk *k, const char *url, const char *dest)
{
	if (map_hass(&k->s->missing, str_of(url)))
		return ERR_NOTFOUND;
	diag d;
	diag_clear(&d);
	sym_note(k->s, true, "SYMSRV:  HTTPGET: %s", url);
	err e = sym_net_get(k->s, url, dest, k->w->name, &d);
	if (e == ERR_NOTFOUND)
		map_sets(&k->s->missing, str_of(url), k->s);
	if (e == ERR_OK)
		sym_note(k->s, true, "SYMSRV:  %s - OK", url);
	else
		sym_note(k->s, e == ERR_NOTFOUND || e == ERR_CANCELLED, "SYMSRV:  %s", d.text);
	return e;
}

/* Where a server's file.ptr may lead: to a server, or below the store it came from. */
static char *remote_ptr(walk *k, str store, const char *ptr)
{
	str to = file_ptr(k, ptr);
	unlink(ptr);
	if (!to.n || sym_is_url(to))
		return to.n ? str_z(&k->a, to) : NULL;
	str host = str_dup(&k->a, to);
	for (size_t i = 0; i < host.n; i++)
		if (host.p[i] == '\\')
			((char *)(uintptr_t)host.p)[i] = '/';
	if (host.p[0] == '/' || str_find(host, STR("..")) != SIZE_MAX ||
		str_chr(host, ':') != SIZE_MAX) {
		sym_note(k->s, true, "SYMSRV:  file.ptr of %.*s names %.*s: not followed",
			STR_ARG(store), STR_ARG(to));
		return NULL;
	}
	buf b;
	buf_init(&b, 8192);
	buf_adds(&b, store);
	while (host.n) {
		size_t slash = str_chr(host, '/');
		buf_addc(&b, '/');
		url_part(&b, str_take(host, slash));
		host = slash == SIZE_MAX ? (str){0} : str_skip(host, slash + 1);
	}
	char *z = str_z(&k->a, buf_str(&b));
	buf_deinit(&b);
	return z;
}

/* NAME, then NAME_, then file.ptr, in one layout of the server. */
static err server_layout(walk *k, str store, bool two, const char *dest)
{
	err e = get(k, url_of(k, store, two, k->w->name), dest);
	if (e != ERR_NOTFOUND)
		return e;
	e = get(k, url_of(k, store, two, packed_name(&k->a, k->w->name)), dest);
	if (e != ERR_NOTFOUND)
		return e;
	char *ptr = arena_printf(&k->a, "%s.ptr", dest);
	e = get(k, url_of(k, store, two, STR("file.ptr")), ptr);
	if (e != ERR_OK)
		return e;
	char *to = remote_ptr(k, store, ptr);
	return to ? get(k, to, dest) : ERR_NOTFOUND;
}

/* Downloads into dest (a file name in a store's own directory). */
static err server_get(walk *k, str store, const char *dest)
{
	if (map_hass(&k->s->dead, store))
		return ERR_NOTFOUND;
	if (!make_dir_of(k, dest)) {
		sym_note(k->s, false, "SYMSRV:  %s - cannot be written", dest);
		return ERR_DENIED;
	}
	uint64_t key = hash_fold(store);
	uintptr_t tiers = (uintptr_t)map_get(&k->s->two_tier, key);
	err e = server_layout(k, store, tiers == 2, dest);
	if (e == ERR_NOTFOUND && !tiers) {
		/* Asked once a session, only after a miss: is it a store of two tiers? */
		char *probe = arena_printf(&k->a, "%s.idx", dest);
		sym_want all = *k->w;
		const sym_want *w = k->w;
		all.id = (str){0};
		k->w = &all;
		char *url = url_of(k, store, false, STR("index2.txt"));
		k->w = w;
		err e2 = get(k, url, probe);
		if (e2 == ERR_OK)
			unlink(probe);
		if (e2 == ERR_OK || e2 == ERR_NOTFOUND)
			map_set(&k->s->two_tier, key, (void *)(uintptr_t)(e2 == ERR_OK ? 2 : 1));
		e = e2 == ERR_OK ? server_layout(k, store, true, dest) : e2;
	}
	if (e != ERR_OK && e != ERR_NOTFOUND && e != ERR_CANCELLED)
		map_sets(&k->s->dead, store, k->s);
	if (e != ERR_OK) {
		/* leave no empty NAME/ID behind */
		str dir = str_take(str_of(dest), str_rchr(str_of(dest), '/'));
		rmdir(str_z(&k->a, dir));
		rmdir(str_z(&k->a, str_take(dir, str_rchr(dir, '/'))));
	}
	return e;
}

/* Path of the wanted file in a store that keeps it. */
static char *store_dest(walk *k, str store)
{
	bool two = sys_is_file(arena_printf(&k->a, "%.*s/index2.txt", STR_ARG(store)));
	return arena_printf(&k->a, "%s/%.*s", store_dir(k, store, two), STR_ARG(k->w->name));
}

/* from (packed or not) becomes a plain file at `to`. */
static bool bring(walk *k, const found *from, const char *to)
{
	if (!strcmp(from->path, to) && !from->packed)
		return true;
	if (!make_dir_of(k, to))
		return false;
	diag d;
	diag_clear(&d);
	err e = from->packed ? sym_unpack(k->s, from->path, to, &d)
			     : sym_copy_file(k->s, from->path, to, &d);
	if (e == ERR_CANCELLED)
		k->e = e;
	else if (e != ERR_OK)
		sym_note(k->s, false, "SYMSRV:  %s", d.text);
	return e == ERR_OK;
}

/* Store i of the chain has it: copies to the left and tries the nearest copy. */
static bool chain_take(walk *k, const str *st, size_t i, found f)
{
	for (size_t j = i; j-- > 1;) { /* middle stores keep the form */
		char *to = store_dest(k, st[j]);
		if (f.packed)
			to[strlen(to) - 1] = '_';
		if (make_dir_of(k, to) && sym_copy_file(k->s, f.path, to, NULL) != ERR_OK)
			sym_note(k->s, true, "SYMSRV:  %s - cannot be written", to);
	}
	if (i == 0 && !f.packed)
		return try_file(k, f.path, true);
	char *to = store_dest(k, i ? st[0] : str_of(k->s->cache_dir));
	if (!bring(k, &f, to))
		return k->e == ERR_OK && !f.packed && try_file(k, f.path, true);
	return try_file(k, to, true);
}

static bool walk_chain(walk *k, const str *st, size_t n)
{
	for (size_t i = 0; i < n && k->e == ERR_OK; i++) {
		found f;
		if (!sym_is_url(st[i])) {
			if (k->s->overwrite && i + 1 < n)
				continue;
			if (store_look(k, st[i], &f)) {
				if (chain_take(k, st, i, f))
					return true;
			} else {
				sym_note(k->s, true, "SYMSRV:  UNC: %s/%.*s - path not found",
					store_dir(k, st[i], false), STR_ARG(k->w->name));
			}
			continue;
		}
		if (k->w->local)
			continue;
		/* The nearest store on the left takes the download; a server alone uses the
		 * default. */
		str to_store = i ? st[i - 1] : str_of(k->s->cache_dir);
		if (sym_is_url(to_store))
			to_store = str_of(k->s->cache_dir);
		if (!i && !k->s->overwrite && store_look(k, to_store, &f) &&
			chain_take(k, &to_store, 0, f))
			return true;
		char *dest = store_dest(k, to_store);
		char *raw = arena_printf(&k->a, "%s.part", dest);
		err e = server_get(k, st[i], raw);
		if (e == ERR_CANCELLED)
			k->e = e;
		if (e != ERR_OK)
			continue;
		f = (found){raw, sym_is_packed(raw)};
		bool middle = i > 1;
		if (f.packed && middle)
			dest[strlen(dest) - 1] = '_'; /* a middle store keeps it packed */
		diag d;
		diag_clear(&d);
		if (f.packed && !middle) {
			e = sym_unpack(k->s, raw, dest, &d);
			unlink(raw);
		} else {
			e = rename(raw, dest)
				    ? diag_set(&d, ERR_IO, "%s: %s", dest, strerror(errno))
				    : ERR_OK;
		}
		if (e != ERR_OK) {
			if (e == ERR_CANCELLED)
				k->e = e;
			else
				sym_note(k->s, false, "SYMSRV:  %s", d.text);
			continue;
		}
		f = (found){dest, f.packed && middle};
		if (i == 0 ? try_file(k, dest, true) : chain_take(k, st, i - 1, f))
			return true;
	}
	return false;
}

static bool walk_dir(walk *k, str dir)
{
	const sym_want *w = k->w;
	char *p;
	if (w->ext.n) {
		char *sub = sym_dir_entry(&k->a, dir, STR("symbols"));
		char *ext = sub ? sym_dir_entry(&k->a, str_of(sub), w->ext) : NULL;
		if (ext && (p = sym_dir_entry(&k->a, str_of(ext), w->name)) &&
			try_file(k, p, false))
			return true;
		ext = sym_dir_entry(&k->a, dir, w->ext);
		if (ext && sys_is_dir(ext) && (p = sym_dir_entry(&k->a, str_of(ext), w->name)) &&
			try_file(k, p, false))
			return true;
	}
	if ((p = sym_dir_entry(&k->a, dir, w->name)) && sys_is_file(p) && try_file(k, p, false))
		return true;
	found f;
	if (k->e == ERR_OK && w->id.n && store_look(k, dir, &f) && chain_take(k, &dir, 0, f))
		return true;
	if (!p)
		sym_note(k->s, true, "DBGHELP: %.*s/%.*s - file not found", STR_ARG(dir),
			STR_ARG(w->name));
	return false;
}

/* Copies what was found right of a cache* element into that cache. */
typedef struct keep {
	walk *k;
	const sym_want *inner;
} keep;

static bool keep_accept(void *u, const char *path, bool from_store)
{
	keep *x = u;
	walk *k = x->k;
	if (!x->inner->accept(x->inner->u, path, from_store))
		return false;
	if (k->cache.n && k->w->id.n) {
		char *to = store_dest(k, k->cache);
		if (!sys_is_file(to) && make_dir_of(k, to) &&
			sym_copy_file(k->s, path, to, NULL) != ERR_OK)
			sym_note(k->s, true, "SYMSRV:  %s - cannot be written", to);
	}
	return true;
}

static bool walk_elem(walk *k, const sym_elem *e)
{
	str chain[SYM_STORES_MAX + 1];
	size_t n = 0;
	switch (e->kind) {
	case SYM_ELEM_DIR:
		return walk_dir(k, e->store[0]);
	case SYM_ELEM_CACHE:
		k->cache = e->store[0];
		return k->w->id.n && walk_chain(k, e->store, 1);
	case SYM_ELEM_SRV:
		if (!k->w->id.n)
			return false;
		if (k->cache.n)
			chain[n++] = k->cache;
		for (size_t i = 0; i < e->n; i++)
			chain[n++] = e->store[i];
		return walk_chain(k, chain, n);
	}
	return false;
}

/* The id under which a store files something: hexadecimal digits only. */
static bool id_ok(str id)
{
	for (size_t i = 0; i < id.n; i++)
		if (!strchr("0123456789abcdefABCDEF", id.p[i]))
			return false;
	return id.n > 0 && id.n <= 64;
}

err sym_path_locate(sym_store *s, const sym_want *w, diag *d)
{
	if (!sym_file_name_ok(w->name))
		return diag_set(d, ERR_CORRUPT, "%.*s is no name for a file",
			STR_ARG(str_take(w->name, 64)));
	walk k = {.s = s};
	arena_init(&k.a);
	keep kp = {&k, w};
	sym_want mine = *w;
	mine.accept = keep_accept;
	mine.u = &kp;
	if (!id_ok(mine.id))
		mine.id = (str){0};
	k.w = &mine;
	bool ok = false;
	for (size_t i = 0; i < s->elems.n && !ok && k.e == ERR_OK; i++)
		ok = walk_elem(&k, &s->elems.e[i]);
	err e = ok ? ERR_OK : k.e != ERR_OK ? k.e : ERR_NOTFOUND;
	arena_deinit(&k.a);
	if (e != ERR_OK)
		diag_set(d, e, "%.*s is not on the symbol path", STR_ARG(w->name));
	return e;
}

err sym_dirs_locate(sym_store *s, str dirs, const sym_want *w, diag *d)
{
	if (!sym_file_name_ok(w->name))
		return diag_set(d, ERR_CORRUPT, "%.*s is no name for a file",
			STR_ARG(str_take(w->name, 64)));
	sym_elems el;
	sym_elems_parse(&el, dirs, str_of(s->cache_dir));
	walk k = {.s = s, .w = w};
	arena_init(&k.a);
	bool ok = false;
	for (size_t i = 0; i < el.n && !ok && k.e == ERR_OK; i++)
		if (el.e[i].kind == SYM_ELEM_DIR)
			ok = walk_dir(&k, el.e[i].store[0]);
	err e = ok ? ERR_OK : k.e != ERR_OK ? k.e : ERR_NOTFOUND;
	arena_deinit(&k.a);
	sym_elems_deinit(&el);
	return e == ERR_OK ? e : diag_set(d, e, "%.*s is not there", STR_ARG(w->name));
}
