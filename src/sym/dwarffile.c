/*
 * dwarffile: the DWARF of one file opened: sections unpacked where they are compressed, libdw's
 * handle, the alternate file of dwz, split units, and the index of names that a thread makes.
 *
 * libdw's handles belong to the caller's thread. The index's thread sees mapped bytes only, and
 * opens .dwo files by itself.
 */
#include "sym/dwarf.h"

#include "sym/dwarfcache.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* ---- sections ---- */

enum { PARTS_MAX = 64, DWO_MAX = 65534, CACHE_MIN = 2 << 20 };

static const struct want {
	const char *name; /* behind ".debug_" */
	size_t off;	  /* in dwx_sections; SIZE_MAX: not there */
} wants[] = {
	{"info", offsetof(dwx_sections, info)},
	{"abbrev", offsetof(dwx_sections, abbrev)},
	{"str", offsetof(dwx_sections, str)},
	{"line_str", offsetof(dwx_sections, line_str)},
	{"str_offsets", offsetof(dwx_sections, str_offsets)},
	{"addr", offsetof(dwx_sections, addr)},
	{"aranges", offsetof(dwx_sections, aranges)},
	{"ranges", offsetof(dwx_sections, ranges)},
	{"rnglists", offsetof(dwx_sections, rnglists)},
	{"types", offsetof(dwx_sections, types)},
	{"cu_index", offsetof(dwx_sections, cu_index)},
	{"tu_index", offsetof(dwx_sections, tu_index)},
	{"line", SIZE_MAX},
	{"frame", SIZE_MAX},
};

/* "info" of ".debug_info", ".zdebug_info", ".debug_info.dwo"; empty if it is something else. */
static str debug_name(str name)
{
	if (str_starts(name, STR(".debug_")))
		name = str_skip(name, 7);
	else if (str_starts(name, STR(".zdebug_")))
		name = str_skip(name, 8);
	else
		return (str){0};
	if (name.n > 4 && str_eq(str_skip(name, name.n - 4), STR(".dwo")))
		name.n -= 4;
	return name;
}

static void note_section(dwpart *p, str name, const uint8_t *b, size_t n)
{
	name = debug_name(name);
	for (size_t i = 0; i < ARRAY_LEN(wants); i++)
		if (str_eq(name, str_of(wants[i].name)) && wants[i].off != SIZE_MAX) {
			dwx_bytes *to = (dwx_bytes *)((char *)&p->secs + wants[i].off);
			*to = (dwx_bytes){b, n};
		}
	if (str_eq(name, STR("line")))
		p->line = (str){(const char *)b, n};
	if (str_eq(name, STR("frame")))
		p->frame = (str){(const char *)b, n};
}

/* One unit of version 4 without entries. libdw takes no file without .debug_info, but an alternate
 * file may hold nothing but strings. */
static const uint8_t no_entries[] = {8, 0, 0, 0, 4, 0, 0, 0, 0, 0, 8, 0};

static bool has_section(const elf_view *v, str name)
{
	for (size_t i = 1; i < v->nsec; i++)
		if (str_eq(debug_name(v->sec[i].name), name))
			return true;
	return false;
}

/* Compressed sections: all that count go into a file that is made up. */
static err unpack_all(dwpart *p, arena *a, const elf_view *v, diag *d)
{
	elf_part part[PARTS_MAX];
	const elf_sec *from[PARTS_MAX];
	uint64_t at[PARTS_MAX], total = 0;
	size_t n = 0;
	for (size_t i = 1; i < v->nsec && n < PARTS_MAX; i++) {
		const elf_sec *s = &v->sec[i];
		str b;
		uint64_t size;
		if (!debug_name(s->name).n || !elf_sec_bytes(v, s, &b))
			continue;
		bool packed = elf_sec_packed(v, s, &size);
		size = packed ? size : b.n;
		total += size;
		/* 2000: no compressor reaches such a ratio; a lie about the size */
		if (total > ELF_MAX_UNPACKED || size > ELF_MAX_UNPACKED || size / 2000 > b.n + 1000)
			return diag_set(d, ERR_LIMIT, "its sections are too large unpacked");
		str name = s->name;
		if (name.p[1] == 'z')
			name = str_printf(a, ".%.*s", STR_ARG(str_skip(name, 2)));
		part[n] = (elf_part){str_z(a, name), packed ? NULL : b.p, size};
		from[n++] = s;
	}
	size_t own = n;
	if (!has_section(v, STR("info")) && n < PARTS_MAX)
		part[n++] = (elf_part){".debug_info", no_entries, sizeof no_entries};
	p->packed = elf_pack(part, n, &p->packed_n, at);
	for (size_t i = 0; i < own; i++) {
		if (!part[i].p)
			TRY(elf_sec_unpack(v, from[i], p->packed + at[i], part[i].n, d));
		note_section(p, str_of(part[i].name), p->packed + at[i], part[i].n);
	}
	return ERR_OK;
}

static err sections_of(dwpart *p, arena *a, const elf_view *v, diag *d)
{
	bool packed = has_section(v, STR("str")) && !has_section(v, STR("info"));
	uint64_t size;
	for (size_t i = 1; i < v->nsec; i++)
		packed = packed ||
			 (debug_name(v->sec[i].name).n && elf_sec_packed(v, &v->sec[i], &size));
	if (packed)
		return unpack_all(p, a, v, d);
	for (size_t i = 1; i < v->nsec; i++) {
		str b;
		if (debug_name(v->sec[i].name).n && elf_sec_bytes(v, &v->sec[i], &b))
			note_section(p, v->sec[i].name, (const uint8_t *)b.p, b.n);
	}
	return ERR_OK;
}

/* ---- parts ---- */

static err open_libdw(dwpart *p, const elf_view *v, const char *path, diag *d)
{
	elf_version(EV_CURRENT);
	if (p->packed) {
		p->elf = elf_memory((char *)p->packed, p->packed_n);
	} else if (path[0]) {
		/* by its descriptor: libdw looks for .dwo files beside it */
		p->fd = open(path, O_RDONLY | O_CLOEXEC);
		p->elf = p->fd < 0 ? NULL : elf_begin(p->fd, ELF_C_READ_MMAP, NULL);
	} else {
		p->elf = elf_memory((char *)(uintptr_t)v->p, v->n);
	}
	p->dbg = p->elf ? dwarf_begin_elf(p->elf, DWARF_C_READ, NULL) : NULL;
	if (!p->dbg)
		return diag_set(d, ERR_CORRUPT, "%s", p->elf ? dwarf_errmsg(-1) : elf_errmsg(-1));
	return ERR_OK;
}

void dwpart_close(dwpart *p)
{
	if (p->dbg)
		dwarf_end(p->dbg);
	if (p->elf)
		elf_end(p->elf);
	if (p->fd > 0)
		close(p->fd);
	mem_free(p->packed);
	sys_map_close(&p->map);
	*p = (dwpart){.fd = -1};
}

static err dwpart_open(
	dwpart *p, arena *a, const elf_view *v, const char *path, bool libdw, diag *d)
{
	sys_map m = p->map;
	elf_view own = p->v;
	*p = (dwpart){.fd = -1, .map = m, .v = own};
	err e = sections_of(p, a, v, d);
	if (e == ERR_OK && p->secs.info.n > DWF_INFO_MAX)
		e = diag_set(d, ERR_LIMIT, ".debug_info is larger than 4 GiB");
	if (e == ERR_OK && libdw)
		e = open_libdw(p, v, path, d);
	if (e != ERR_OK)
		dwpart_close(p);
	return e;
}

/* A file by its path. */
static err part_from(dwpart *p, arena *a, const char *path, bool libdw, diag *d)
{
	*p = (dwpart){.fd = -1};
	TRY(sys_map_open(path, &p->map, d));
	err e = elf_open(&p->v, a, p->map.p, p->map.n, d);
	if (e != ERR_OK) {
		dwpart_close(p);
		return e;
	}
	return dwpart_open(p, a, &p->v, path, libdw, d);
}

/* ---- the index ---- */

typedef struct skeletons {
	dwf *x;
	arena *a;
	VEC(dwx_skeleton) v;
} skeletons;

static bool skeleton(void *u, const dwx_skeleton *k)
{
	skeletons *q = u;
	if (k->dwo_name.n)
		vec_push(&q->v, *k);
	return q->v.n < DWO_MAX && !cancelled(&q->x->stop);
}

/* Where a .dwo file is: as compiled, else beside the program. */
static bool dwo_open(dwf *x, arena *a, const dwx_skeleton *k, dwpart *ret)
{
	str dir = str_take(str_of(x->path), str_rchr(str_of(x->path), '/'));
	const char *const places[] = {
		k->dwo_name.p[0] == '/'
			? str_z(a, k->dwo_name)
			: arena_printf(a, "%.*s/%.*s", STR_ARG(dir), STR_ARG(k->dwo_name)),
		arena_printf(a, "%.*s/%.*s", STR_ARG(k->comp_dir), STR_ARG(k->dwo_name)),
		arena_printf(a, "%.*s/%.*s", STR_ARG(dir), STR_ARG(str_base(k->dwo_name))),
	};
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (sys_is_file(places[i]) && part_from(ret, a, places[i], false, NULL) == ERR_OK)
			return true;
	return false;
}

static void open_dwos(dwf *x, arena *a)
{
	skeletons q = {.x = x, .a = a};
	if (dwx_skeletons(&x->main.secs, skeleton, &q) == ERR_OK && q.v.n && !x->has_dwp) {
		x->dwos = arena_array(a, q.v.n, sizeof *x->dwos);
		x->dwo_cu = arena_array(a, q.v.n, sizeof *x->dwo_cu);
		for (size_t i = 0; i < q.v.n && !cancelled(&x->stop); i++)
			if (dwo_open(x, a, &q.v.p[i], &x->dwos[x->n_dwos]))
				x->dwo_cu[x->n_dwos++] = q.v.p[i].cu;
	}
	vec_deinit(&q.v);
}

static void forget(void *u, const uint8_t *p, size_t n)
{
	sys_map m = {p, n};
	uintptr_t page = 4095, from = ((uintptr_t)p + page) & ~page,
		  to = ((uintptr_t)p + n) & ~page;
	if (to <= from)
		return;
	m.p = (const uint8_t *)from;
	m.n = to - from;
	sys_map_forget(&m);
}

/* Are all bytes that the index passes over pages of files? Those come back when they are looked at
 * again; what was unpacked into memory would be zero. */
static bool all_mapped(const dwf *x)
{
	bool ok = x->path[0] && !x->main.packed && !(x->has_alt && x->alt.packed) &&
		  !(x->has_dwp && x->dwp.packed);
	for (size_t i = 0; i < x->n_dwos; i++)
		ok = ok && !x->dwos[i].packed;
	return ok;
}

static void *index_thread(void *u)
{
	dwf *x = u;
	arena *a = &x->thread_a;
	open_dwos(x, a);
	size_t n = 1 + (x->has_dwp ? 1 : x->n_dwos);
	dwx_sections *parts = arena_array(a, n, sizeof *parts);
	parts[0] = x->main.secs;
	if (x->has_alt) {
		parts[0].alt_info = x->alt.secs.info;
		parts[0].alt_abbrev = x->alt.secs.abbrev;
		parts[0].alt_str = x->alt.secs.str;
		parts[0].alt_line_str = x->alt.secs.line_str;
	}
	if (x->has_dwp)
		parts[1] = x->dwp.secs;
	for (size_t i = 0; i < x->n_dwos && !x->has_dwp; i++)
		parts[1 + i] = x->dwos[i].secs;
	dwx *ix = NULL;
	/* .dwo files may change while the program's build-id does not; what is small is made faster
	 * than read */
	bool keep = x->id_n && x->cache_dir.n && !x->n_dwos && x->main.secs.info.n > CACHE_MIN;
	x->cached = keep && dwarfcache_get(x->cache_dir, x->id, x->id_n, parts, n, &ix);
	dwx_options o = {.cancel = &x->stop, .lowest = x->lowest, .progress = &x->progress};
	if (all_mapped(x))
		o.forget = forget;
	if (!x->cached && dwx_build(parts, n, &o, &ix, NULL) != ERR_OK)
		ix = NULL;
	x->ix = ix;
	atomic_store_explicit(&x->done, true, memory_order_release);
	/* after the answer is there: a damaged cache goes, and the next session makes it anew */
	if (x->cached)
		dwarfcache_check(x->cache_dir, x->id, x->id_n, ix, &x->stop);
	else if (ix && keep)
		dwarfcache_put(x->cache_dir, x->id, x->id_n, ix, 0, NULL);
	return NULL;
}

static void start_index(dwf *x)
{
	/* signals are for the threads that expect them */
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	x->started = !pthread_create(&x->thread, NULL, index_thread, x);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!x->started)
		index_thread(x); /* no thread to be had: now, then */
}

err dwf_index(dwf *x, dwx **ret)
{
	enum { POLL_US = 500, SAY_AFTER_MS = 300, SAY_EVERY_MS = 100 };
	sym_host *h = &x->s->host;
	uint64_t start = 0, said = 0;
	while (!atomic_load_explicit(&x->done, memory_order_acquire)) {
		if (cancelled(h->cancel))
			return ERR_CANCELLED;
		uint64_t now = sys_now_ms();
		start = start ? start : now;
		if (h->progress && now - start > SAY_AFTER_MS && now - said > SAY_EVERY_MS) {
			said = now;
			h->progress(h->u, str_base(str_of(x->path)), atomic_load(&x->progress.done),
				atomic_load(&x->progress.total));
		}
		usleep(POLL_US);
	}
	if (!x->ix)
		return ERR_NOTFOUND;
	*ret = x->ix;
	return ERR_OK;
}

dwx *dwf_index_now(dwf *x)
{
	dwx *ix;
	if (atomic_load_explicit(&x->done, memory_order_acquire))
		return x->ix;
	uint64_t all = x->main.secs.info.n + x->dwp.secs.info.n;
	return all <= DWF_SMALL && dwf_index(x, &ix) == ERR_OK ? ix : NULL;
}

bool dwf_index_pending(const dwf *x)
{
	return !atomic_load_explicit(&x->done, memory_order_acquire);
}

void dwf_describe(dwf *x, buf *out)
{
	dwx_stats st;
	if (!atomic_load_explicit(&x->done, memory_order_acquire)) {
		uint64_t total = atomic_load(&x->progress.total),
			 part = atomic_load(&x->progress.done);
		buf_addf(out,
			"     Name Index: PENDING  - %llu %% of the debug information read.\n",
			(unsigned long long)(total ? part * 100 / total : 0));
		return;
	}
	if (!x->ix) {
		buf_addz(
			out, "     Name Index: NONE     - The debug information cannot be read.\n");
		return;
	}
	dwx_stats_get(x->ix, &st);
	buf_addf(out, "     Name Index: READY    - %zu names, ", st.entries);
	if (x->cached)
		buf_addf(out, "read from %.*s.\n", STR_ARG(x->cache_dir));
	else
		buf_addz(out, "made in this session.\n");
	if (st.damaged)
		buf_addf(out, "%17sDamaged units, left out in part: %zu.\n", "", st.damaged);
}

/* ---- opening ---- */

static void open_alt(dwf *x, const elf_view *v)
{
	str name, id;
	char *path;
	arena tmp;
	diag why;
	if (!elf_debugaltlink(v, &name, &id))
		return;
	arena_init(&tmp);
	diag_set(&why, ERR_NOTFOUND, "it is missing");
	if (sym_altfile_find(x->s, x->path, name, id, &tmp, &path) == ERR_OK &&
		part_from(&x->alt, &x->a, str_z(&x->a, str_of(path)), true, &why) == ERR_OK) {
		x->has_alt = true;
		dwarf_setalt(x->main.dbg, x->alt.dbg);
	} else {
		sym_note(x->s, false,
			"*** WARNING: %s: names and types of its alternate debug file %.*s are not "
			"known: %s",
			x->path, STR_ARG(name), why.text);
	}
	arena_deinit(&tmp);
}

static void open_dwp(dwf *x)
{
	char *path = arena_printf(&x->a, "%s.dwp", x->path);
	x->has_dwp = sys_is_file(path) && part_from(&x->dwp, &x->a, path, false, NULL) == ERR_OK &&
		     x->dwp.secs.cu_index.n > 0;
}

static uint64_t lowest_code(const elf_view *v)
{
	uint64_t lo = UINT64_MAX;
	for (size_t i = 0; i < v->nph; i++)
		if (v->ph[i].type == ELF_PT_LOAD && (v->ph[i].flags & ELF_PF_X) &&
			v->ph[i].vaddr < lo)
			lo = v->ph[i].vaddr;
	return lo == UINT64_MAX ? 0 : lo;
}

err dwf_open(sym_file *f, const elf_view *v, const char *path, dwf **ret, diag *d)
{
	elffile *ef = xf_of(f);
	dwf *x = mem_alloc(sizeof *x);
	x->f = f;
	x->s = f->store;
	x->base = ef->base;
	x->main.fd = x->alt.fd = x->dwp.fd = -1;
	arena_init(&x->a);
	arena_init(&x->thread_a);
	x->path = str_z(&x->a, str_of(path));
	map_init(&x->units);
	map_init(&x->type_ids);
	map_init(&x->lazy);
	map_init(&x->statics);
	map_init(&x->by_source);
	map_init(&x->units_by_prog);
	err e = dwpart_open(&x->main, &x->a, v, x->path, true, d);
	if (e == ERR_OK && !x->main.secs.info.n)
		e = diag_set(d, ERR_NOTFOUND, "its .debug_info is empty");
	if (e != ERR_OK) {
		atomic_store(&x->done, true);
		dwf_close(x);
		return e;
	}
	const elf_view *iv = ef->img ? &ef->img->v : v;
	x->lowest = lowest_code(iv);
	x->id_n = iv->build_id_n;
	memcpy(x->id, iv->build_id, x->id_n);
	x->cache_dir = dwarfcache_dir(&x->a);
	open_alt(x, v);
	open_dwp(x);
	start_index(x);
	*ret = x;
	return ERR_OK;
}

void dwf_close(dwf *x)
{
	if (!x)
		return;
	atomic_store(&x->stop.flag, true);
	if (x->started)
		pthread_join(x->thread, NULL);
	dwx_destroy(x->ix);
	for (size_t i = 0; i < x->n_dwos; i++)
		dwpart_close(&x->dwos[i]);
	dwf_units_free(x);
	dwf_lines_free(x);
	vec_deinit(&x->types);
	map_deinit(&x->type_ids);
	map_deinit(&x->lazy);
	map_deinit(&x->statics);
	dwf_packs_free(x);
	dwpart_close(&x->main);
	dwpart_close(&x->alt);
	dwpart_close(&x->dwp);
	arena_deinit(&x->thread_a);
	arena_deinit(&x->a);
	mem_free(x);
}
