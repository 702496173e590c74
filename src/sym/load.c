/*
 * load: from a module to its symbols. What the image says (or an identity remembered from before)
 * names a PDB by GUID and age; the PDB is shared if some module has it open, else looked for: where
 * it was last time, beside the image, along the symbol path. A PDB of another GUID or age is named
 * and passed over unless the user asked for it (.reload /i). Without PDB the exports must do.
 *
 * A lookup that failed is not repeated: the module stays NONE or EXPORT until .reload. A lookup
 * that the user cancelled leaves it deferred.
 */
#include "sym/elffile.h"

#include "fmt/pe.h"

#include <unistd.h>

/* ---- files ---- */

sym_file *sym_file_new(sym_store *s, const sym_file_ops *ops, const char *path, void *u)
{
	sym_file *f = mem_alloc(sizeof *f);
	f->ops = ops;
	f->store = s;
	f->refs = 1;
	f->path = mem_strdup(path);
	f->u = u;
	arena_init(&f->names);
	map_init(&f->undec);
	map_init(&f->tnames);
	map_init(&f->misses);
	vec_push(&s->files, f);
	return f;
}

static void file_free(sym_file *f)
{
	if (f->ops->close)
		f->ops->close(f);
	mem_free(f->path);
	arena_deinit(&f->names);
	map_deinit(&f->undec);
	map_deinit(&f->tnames);
	map_deinit(&f->misses);
	mem_free(f);
}

void sym_files_clear(sym_store *s)
{
	for (size_t i = 0; i < s->files.n; i++)
		file_free(s->files.p[i]);
	vec_deinit(&s->files);
}

/* Nobody uses it: kept for a while, because types and names of it may still be in use and the
 * module may come back. */
void sym_file_unref(sym_file *f)
{
	sym_store *s = f->store;
	if (--f->refs)
		return;
	f->idle = s->generation;
	size_t oldest = SYM_IDLE_OLDEST(s->files);
	if (oldest != SIZE_MAX) {
		file_free(s->files.p[oldest]);
		vec_remove(&s->files, oldest);
	}
}

/* ---- what is wanted ---- */

typedef struct wanted {
	sym_mod *m;
	uint8_t guid[16];
	uint32_t age;
	str pdb;       /* as the image says, or IMAGE.pdb */
	bool known;    /* GUID and age are */
	bool recalled; /* ... but from the identity cache only */
	str last;      /* path from the identity cache */
	unsigned how;
	/* results */
	sym_file *file;
	bool mismatch;
	bool said; /* a mismatch was reported */
	char bad_id[64];
	char bad[1024]; /* a PDB of that name with another GUID or age, for .reload /i */
} wanted;

static void set_symfile(sym_mod *m, const char *path)
{
	mem_free((void *)(uintptr_t)m->symfile.p);
	m->symfile = str_of(mem_strdup(path));
}

/* One that is open already. If nobody uses it, its place must still be there and on the path. */
static sym_file *shared(sym_store *s, const wanted *w)
{
	for (size_t i = 0; i < s->files.n; i++) {
		sym_file *f = s->files.p[i];
		if (f->age != w->age || memcmp(f->guid, w->guid, 16) || f->status < SYM_PUBLIC)
			continue;
		if (f->refs || (sym_path_covers(s, str_of(f->path)) && sys_is_file(f->path)))
			return f;
	}
	return NULL;
}

static void say_mismatch(wanted *w)
{
	if (w->said)
		return;
	buf b;
	buf_init(&b, 256);
	pe_guid_text(w->guid, true, &b);
	buf_addf(&b, "%X", w->age);
	sym_note(w->m->store, false,
		"*** WARNING: mismatched pdb %s: the image %.*s wants %.*s, the file is %s", w->bad,
		STR_ARG(w->m->image), STR_ARG(buf_str(&b)), w->bad_id);
	w->said = true;
	buf_deinit(&b);
}

static bool pdb_accept(void *u, const char *path, bool from_store)
{
	wanted *w = u;
	sym_store *s = w->m->store;
	sym_file *f;
	diag d;
	diag_clear(&d);
	if (sym_pdb_open(s, path, &f, &d) != ERR_OK) {
		sym_note(s, true, "DBGHELP: %s - %s", path, d.text);
		return false;
	}
	buf have;
	buf_init(&have, 256);
	bool match = w->known && sym_pdb_matches(f, w->guid, w->age, &have);
	bool take = match || !w->known; /* nothing to compare with: only asked for with /i */
	if (match) {
		memcpy(f->guid, w->guid, 16);
		f->age = w->age;
	} else if (w->known) {
		if (!w->bad[0] && strlen(path) < sizeof w->bad && have.n < sizeof w->bad_id) {
			strcpy(w->bad, path);
			strcpy(w->bad_id, buf_z(&have));
		}
		sym_note(s, true, "DBGHELP: %s - mismatched pdb", path);
	}
	buf_deinit(&have);
	if (!take) {
		sym_file_unref(f);
		return false;
	}
	w->file = f;
	w->mismatch = !match;
	return true;
}

/* ---- where to look ---- */

static bool try_path(wanted *w, const char *path)
{
	return path && sys_is_file(path) && pdb_accept(w, path, false);
}

/* Beside the image, if the image is a file of this host or the target's path is one. */
static bool try_beside(wanted *w, arena *a, str name)
{
	str image = sym_mod_image_path(w->m);
	if (!image.n)
		image = sym_host_path(a, w->m->path);
	size_t slash = str_rchr(image, '/');
	if (slash == SIZE_MAX || image.p[0] != '/')
		return false;
	return try_path(w, sym_dir_entry(a, str_take(image, slash), name));
}

static err look(wanted *w, diag *d)
{
	sym_store *s = w->m->store;
	arena a;
	arena_init(&a);
	str name = str_base(w->pdb);
	buf id;
	buf_init(&id, 256);
	if (w->known) {
		pe_guid_text(w->guid, true, &id);
		buf_addf(&id, "%X", w->age);
	}
	size_t dot = str_rchr(w->m->image, '.');
	sym_want want = {.name = name,
		.id = buf_str(&id),
		.ext = dot == SIZE_MAX ? (str){0} : str_skip(w->m->image, dot + 1),
		.accept = pdb_accept,
		.u = w};
	err e = ERR_OK;
	if (!sym_file_name_ok(name)) {
		e = diag_set(d, ERR_CORRUPT, "%.*s names a PDB that is no file name",
			STR_ARG(w->m->image));
	} else if (!(w->last.n && sym_path_covers(s, w->last) && try_path(w, str_z(&a, w->last))) &&
		   !(w->pdb.p[0] == '/' && try_path(w, str_z(&a, w->pdb))) &&
		   !try_beside(w, &a, name)) {
		e = sym_path_locate(s, &want, d);
		if (e == ERR_NOTFOUND) { /* "Final fallback locations" */
			str sub = str_printf(
				&a, ".;../%.*s", STR_ARG(want.ext.n ? want.ext : STR("dll")));
			e = sym_dirs_locate(s, sub, &want, d);
		}
	}
	if (e == ERR_NOTFOUND && w->bad[0] &&
		((w->how & SYM_LOAD_MISMATCH) || (s->options & SYMOPT_LOAD_ANYTHING))) {
		bool known = w->known;
		w->known = false;
		if (pdb_accept(w, w->bad, false))
			e = ERR_OK;
		w->known = known;
		if (e == ERR_OK) {
			w->mismatch = true;
			sym_note(s, false,
				"*** WARNING: mismatched pdb %s loaded for %.*s as asked", w->bad,
				STR_ARG(w->m->image));
		}
	}
	buf_deinit(&id);
	arena_deinit(&a);
	return e;
}

/* ---- loading ---- */

static void loaded(sym_mod *m, sym_file *f, bool mismatch)
{
	sym_store *s = m->store;
	m->file = f;
	m->status = f->status;
	m->mismatch = mismatch;
	set_symfile(m, f->path);
	sym_note(s, true, "DBGHELP: %.*s - %s\n        %s", STR_ARG(m->name),
		f->status == SYM_PRIVATE  ? "private symbols & lines"
		: f->status == SYM_PUBLIC ? "public symbols"
					  : "export symbols",
		f->path);
	sym_touch(s);
}

static void remember(const wanted *w)
{
	const sym_mod *m = w->m;
	sym_identity id = {.image = m->image,
		.timestamp = m->timestamp,
		.size = (uint32_t)m->size,
		.checksum = m->checksum,
		.age = w->age,
		.pdb = w->pdb,
		.path = w->file ? str_of(w->file->path) : (str){0}};
	memcpy(id.guid, w->guid, 16);
	sym_idents_add(m->store->idents, &id);
}

/* Fills in what PDB the module wants: from memory of before, else from its image. */
static void learn_wanted(wanted *w, arena *a, diag *d)
{
	sym_mod *m = w->m;
	sym_identity id;
	if (sym_idents_find(m->store->idents, m->image, m->timestamp, (uint32_t)m->size,
		    m->checksum, &id)) {
		memcpy(w->guid, id.guid, 16);
		w->age = id.age;
		w->pdb = id.pdb;
		w->last = id.path;
		w->known = w->recalled = true;
		return;
	}
	err e = sym_image_rsds(m, w->guid, &w->age, &w->pdb, d);
	w->known = e == ERR_OK;
	if (!w->known)
		w->pdb = str_printf(a, "%.*s.pdb", STR_ARG(str_stem(m->image)));
}

/*
 * What was recalled led to nothing: is it true at all? Two builds may share name, timestamp and
 * size. True if the image itself names another PDB, which is then what is wanted.
 */
static bool recall_was_wrong(wanted *w)
{
	uint8_t guid[16];
	uint32_t age;
	str path;
	w->recalled = false;
	if (sym_image_rsds(w->m, guid, &age, &path, NULL) != ERR_OK ||
		(age == w->age && !memcmp(guid, w->guid, 16)))
		return false;
	memcpy(w->guid, guid, 16);
	w->age = age;
	w->pdb = path;
	w->last = (str){0};
	w->bad[0] = 0;
	return true;
}

static void say_failed(sym_mod *m, err e, bool again)
{
	sym_store *s = m->store;
	if (again)
		return; /* another process has the same image: said before */
	if (str_eq(m->image, STR("linux-vdso.so.1")))
		return; /* the kernel's own code, which has no file: nothing is wrong */
	if (m->status == SYM_EXPORT)
		sym_note(s, false,
			"*** ERROR: Symbol file could not be found.  Defaulted to export symbols "
			"for %.*s - ",
			STR_ARG(m->image));
	else if (e == ERR_FAULT)
		sym_note(s, false,
			"*** ERROR: Module load completed but symbols could not be loaded for "
			"%.*s: its image "
			"header cannot be read",
			STR_ARG(m->image));
	else
		sym_note(s, false,
			"*** ERROR: Module load completed but symbols could not be loaded for %.*s",
			STR_ARG(m->image));
}

/* Under which a search that found nothing is remembered until .reload. */
static str in_vain_key(const wanted *w, arena *a)
{
	buf b;
	buf_init(&b, 512);
	buf_addf(&b, "pdb:%.*s/", STR_ARG(str_take(w->pdb, 256)));
	pe_guid_text(w->guid, true, &b);
	buf_addf(&b, "%X", w->age);
	str key = str_dup(a, buf_str(&b));
	buf_deinit(&b);
	return key;
}

/* ELF images know no PDB: their own tables, or the debug file's. */
static err load_elf(sym_mod *m, unsigned how, diag *d)
{
	sym_store *s = m->store;
	sym_file *f;
	diag why;
	diag_clear(&why);
	s->overwrite = how & SYM_LOAD_OVERWRITE;
	err e = sym_elf_open(m, how, &f, &why);
	s->overwrite = false;
	if (e == ERR_CANCELLED)
		return diag_set(d, e, "loading symbols of %.*s: cancelled", STR_ARG(m->name));
	if (e == ERR_OK) {
		loaded(m, f, false);
		return ERR_OK;
	}
	m->status = SYM_NONE;
	sym_note(s, true, "DBGHELP: %.*s - no symbols loaded", STR_ARG(m->name));
	sym_touch(s);
	return ERR_OK;
}

static err load(sym_mod *m, unsigned how, diag *d)
{
	sym_store *s = m->store;
	if (sym_mod_is_elf(m))
		return load_elf(m, how, d);
	wanted w = {.m = m, .how = how};
	arena a;
	arena_init(&a);
	diag why;
	diag_clear(&why);
	learn_wanted(&w, &a, &why);
	err e = ERR_NOTFOUND;
	sym_file *f = w.known ? shared(s, &w) : NULL;
	str vain = in_vain_key(&w, &a);
	bool again = w.known && map_hass(&s->missing, vain) && !(how & SYM_LOAD_MISMATCH);
	if (f) {
		f->refs++;
		w.file = f;
		e = ERR_OK;
	} else if (again) {
		sym_note(s, true, "DBGHELP: %.*s - not found before", STR_ARG(w.pdb));
	} else if (w.known || (how & SYM_LOAD_MISMATCH)) {
		s->overwrite = how & SYM_LOAD_OVERWRITE;
		e = look(&w, &why);
		if (e == ERR_NOTFOUND && w.recalled && recall_was_wrong(&w))
			e = look(&w, &why);
		s->overwrite = false;
	}
	if (e == ERR_OK) {
		loaded(m, w.file, w.mismatch);
		if (!w.mismatch)
			remember(&w);
	} else if (e == ERR_CANCELLED) {
		diag_set(d, e, "loading symbols of %.*s: cancelled", STR_ARG(m->name));
	} else {
		if (w.known && w.bad[0])
			say_mismatch(&w);
		if (w.known && !again)
			map_sets(&s->missing, in_vain_key(&w, &a), s);
		if (w.known && !again)
			remember(&w); /* the next session need not ask the image again */
		diag why2;
		diag_clear(&why2);
		err e2 = sym_pe_dwarf_open(m, how, &f, &w.mismatch, &why2);
		if (e2 == ERR_OK) {
			loaded(m, f, w.mismatch);
			arena_deinit(&a);
			return ERR_OK;
		}
		e2 = sym_exports_open(m, &f, &why2);
		if (e2 == ERR_OK) {
			loaded(m, f, false);
		} else {
			m->status = SYM_NONE;
			sym_note(s, true, "DBGHELP: %.*s - no symbols loaded", STR_ARG(m->name));
			sym_touch(s);
		}
		say_failed(m, e2, again);
		e = ERR_OK;
	}
	arena_deinit(&a);
	return e;
}

err sym_mod_load(sym_mod *m, diag *d)
{
	if (m->status != SYM_DEFERRED)
		return ERR_OK;
	if (cancelled(m->store->host.cancel))
		return diag_set(d, ERR_CANCELLED, "cancelled");
	return load(m, 0, d);
}

err sym_mod_file(sym_mod *m, sym_file **ret, diag *d)
{
	TRY(sym_mod_load(m, d));
	if (!m->file)
		return diag_set(d, ERR_NOTFOUND, "no symbols for %.*s", STR_ARG(m->name));
	struct sym_image *img; /* an export table is read through the module that asks */
	if (m->status == SYM_EXPORT && !m->elf)
		TRY(sym_mod_image(m, &img, d));
	*ret = m->file;
	return ERR_OK;
}

err sym_mod_reload(sym_mod *m, unsigned how, diag *d)
{
	sym_store *s = m->store;
	sym_failures_clear(s);
	if (m->file) {
		sym_file *f = m->file;
		m->file = NULL;
		/* a file that changed on disk, or is to be fetched anew, must not be shared again
		 */
		if (how & SYM_LOAD_OVERWRITE)
			memset(f->guid, 0, sizeof f->guid);
		sym_file_unref(f);
	}
	if (m->status <= SYM_NONE)
		sym_elf_leave(m);
	if (m->img && m->status <= SYM_NONE) { /* its headers may be readable now */
		sym_image_leave(m);
		sym_image_unref(s, m->img);
		m->img = NULL;
	}
	m->status = SYM_DEFERRED;
	m->mismatch = false;
	set_symfile(m, "");
	sym_touch(s);
	return how & SYM_LOAD_NOW ? load(m, how, d) : ERR_OK;
}

const char *sym_status_text(const sym_mod *m)
{
	switch (m->status) {
	case SYM_DEFERRED:
		return "deferred";
	case SYM_EXPORT:
		return "export symbols";
	case SYM_PUBLIC:
		return m->file && sym_file_is_elf(m->file) ? "elf symbols" : "pdb symbols";
	case SYM_PRIVATE:
		return m->file && sym_file_is_elf(m->file) ? "private dwarf symbols"
							   : "private pdb symbols";
	case SYM_NONE:
		break;
	}
	return "no symbols";
}

err sym_mod_pdb_id(sym_mod *m, buf *id, str *path, diag *d)
{
	uint8_t guid[16];
	uint32_t age;
	TRY(sym_image_rsds(m, guid, &age, path, d));
	pe_guid_text(guid, true, id);
	buf_addf(id, "%X", age);
	return ERR_OK;
}

void sym_lmi(sym_mod *m, buf *out)
{
	buf_addf(out, "Loaded Module Info: [%.*s] \n         Module: %.*s\n", STR_ARG(m->name),
		STR_ARG(m->name));
	buf_addf(out, "   Base Address: %016llx\n     Image Name: %.*s\n",
		(unsigned long long)m->base, STR_ARG(m->path.n ? m->path : m->image));
	sym_image_describe(m, out);
	switch (m->status) {
	case SYM_DEFERRED:
		buf_addz(out, "    Symbol Type: DEFERRED - No error - symbol load deferred\n"
			      "    Load Report: no symbols loaded\n");
		return;
	case SYM_NONE:
		buf_addf(out,
			"    Symbol Type: NONE     - %s not found from symbol search path.\n"
			"    Load Report: no symbols loaded\n",
			m->elf ? "Debug file" : "PDB");
		return;
	case SYM_EXPORT:
		buf_addf(out,
			"    Symbol Type: EXPORT   - %s not found\n    Load Report: export "
			"symbols\n",
			m->elf ? "Debug file" : "PDB");
		return;
	case SYM_PUBLIC:
	case SYM_PRIVATE:
		if (sym_file_is_elf(m->file))
			buf_addf(out,
				"    Symbol Type: %s - Symbols loaded successfully from %s.\n",
				m->status == SYM_PRIVATE ? "DWARF   " : "ELF     ",
				str_eq(m->symfile, sym_mod_image_path(m)) ? "the image"
									  : "a debug file");
		else
			buf_addf(out,
				"    Symbol Type: PDB      - Symbols loaded successfully from "
				"symbol search path%s.\n",
				m->mismatch ? " in spite of a mismatch" : "");
		buf_addf(out, "%17s%.*s\n    Load Report: %s symbols \n%17s%.*s\n", "",
			STR_ARG(m->symfile), m->status == SYM_PRIVATE ? "private" : "public", "",
			STR_ARG(m->symfile));
		if (sym_file_is_elf(m->file) && sym_elf_dwarf(m->file))
			dwf_describe(sym_elf_dwarf(m->file), out);
		return;
	}
}
