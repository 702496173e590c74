/*
 * nt_mod: loader lists into the symbol store: the kernel's (PsLoadedModuleList) and a process's
 * (PEB->Ldr).
 *
 * Where the loader's data are paged out, the process's VADs know its images all the same: they
 * stand in kernel memory, with range and file.
 *
 * A list is read whole before the store is touched; if it turned out damaged, what was read is
 * added and nothing that is known already is thrown away.
 */
#include "os/nt/nt_int.h"

#include <stdio.h>

typedef struct entry {
	uint64_t base, size;
	uint32_t timestamp, checksum;
	str path, name;
} entry;

typedef struct load {
	nt *n;
	const os_process *p; /* NULL: the kernel's list */
	const char *type;    /* _KLDR_DATA_TABLE_ENTRY or _LDR_DATA_TABLE_ENTRY */
	uint32_t links;
	arena a;
	VEC(entry) v;
	err e;
	diag *d;
} load;

static err get(load *l, uint64_t at, const char *path, uint64_t *ret, diag *d)
{
	return l->p ? nt_get_user(l->n, l->p, at, l->type, path, ret, d)
		    : nt_get(l->n, at, l->type, path, ret, d);
}

static uint64_t get_or(load *l, uint64_t at, const char *path, uint64_t dflt)
{
	uint64_t v;
	return get(l, at, path, &v, NULL) == ERR_OK ? v : dflt;
}

static str name_at(load *l, uint64_t at, const char *path)
{
	nt_off f;
	str s = STR("");
	if (nt_field(l->n, l->type, path, &f, NULL) == ERR_OK &&
		nt_read_string(l->n, l->p, at + f.off, &l->a, &s, NULL) != ERR_OK)
		s = STR("");
	return s;
}

static void warn(load *l, const char *fmt, uint64_t a, uint64_t b)
{
	if (l->n->base.host.warn)
		l->n->base.host.warn(l->n->base.host.u,
			str_printf(&l->a, fmt, (unsigned long long)a, (unsigned long long)b));
}

static str mapped_file(load *l, uint64_t addr)
{
	uint64_t root;
	nt_vad v;
	if (nt_vad_root(l->n, l->p, &root, NULL) != ERR_OK ||
		nt_vad_find(l->n, root, addr, &v, NULL) != ERR_OK)
		return STR("");
	return nt_vad_file(l->n, &v, &l->a);
}

/*
 * In the kernel's list only the kernel's own type tells the time: where the user loader's type has
 * it, drivers have something else (LoadedImports in ReactOS's ldrtypes.h, CoverageSection later),
 * and taken for a time that would make the module look like another image in the same place. 0 says
 * unknown; the image's headers tell when it is loaded. All ones and one less are no times either.
 */
static uint32_t stamp(load *l, uint64_t at)
{
	if (!l->p && strcmp(l->type, "_KLDR_DATA_TABLE_ENTRY") != 0)
		return 0;
	uint32_t v = (uint32_t)get_or(l, at, "TimeDateStamp", 0);
	return v >= 0xfffffffe ? 0 : v;
}

static bool one(void *u, uint64_t link)
{
	load *l = u;
	uint64_t at = link - l->links;
	entry m = {0};
	l->e = get(l, at, "DllBase", &m.base, l->d);
	if (l->e == ERR_OK)
		l->e = get(l, at, "SizeOfImage", &m.size, l->d);
	if (l->e != ERR_OK)
		return false;
	bool kernel = nt_kernel_addr(m.base);
	if (m.base & 0xfff || kernel == (l->p != NULL) || !m.base || m.size > 0x80000000) {
		/* The very first entry tells whether the types fit this kernel at all. */
		if (!l->v.n) {
			l->e = diag_set(l->d, ERR_CORRUPT,
				"the entry at %016llx does not look like nt!%s (base %016llx, size "
				"%llx): "
				"do the symbols belong to this kernel?",
				(unsigned long long)at, l->type, (unsigned long long)m.base,
				(unsigned long long)m.size);
			return false;
		}
		warn(l, "module entry %016llx left out: its base %016llx makes no sense", at,
			m.base);
		return true;
	}
	m.timestamp = stamp(l, at);
	m.checksum = (uint32_t)get_or(l, at, "CheckSum", 0);
	m.path = name_at(l, at, "FullDllName");
	str base = name_at(l, at, "BaseDllName");
	if (!m.path.n)
		m.path = base;
	if (!m.path.n && l->p)
		m.path = mapped_file(l, m.base);
	if (!m.path.n)
		m.path = str_printf(&l->a, "Unknown_Module_%016llx", (unsigned long long)m.base);
	/* dump_ drivers: loaded under a name that is not their file's. */
	if (base.n && !str_ieq(str_base(m.path), base))
		m.name = str_stem(base);
	if (!l->p && m.base == l->n->kernel_base)
		m.name = STR("nt");
	vec_push(&l->v, m);
	return true;
}

/* The list at head into l->v. */
static err gather(load *l, uint64_t head, const char *what, diag *d)
{
	l->d = d;
	err e = nt_list(l->n, l->p, head, what, one, l, d);
	return e != ERR_OK ? e : l->e;
}

/* What was gathered into the store; the rest of the space goes if that was all. */
static void store(load *l, sym_space space, bool complete)
{
	sym_store *s = l->n->base.host.syms;
	sym_mods_begin(s, space);
	for (size_t i = 0; i < l->v.n; i++) {
		const entry *m = &l->v.p[i];
		sym_mod *mod = sym_mod_add(
			s, space, m->base, m->size, m->timestamp, m->checksum, m->name, m->path);
		if (mod)
			mod->user = l->p != NULL;
	}
	if (complete)
		sym_mods_end(s, space);
	vec_deinit(&l->v);
	arena_deinit(&l->a);
}

err nt_kernel_modules(os *o, diag *d)
{
	nt *n = (nt *)o;
	load l = {.n = n, .type = "_KLDR_DATA_TABLE_ENTRY"};
	nt_off f;
	uint64_t head = n->module_list;
	diag lost = {0};
	/* The kernel first, so that the types of the list can come from its symbols. */
	if (!nt_kernel_mod(n))
		return diag_set(d, ERR_NOTFOUND, "the kernel's base address is not known");
	if (!nt_kernel_addr(head))
		TRY(nt_global(o, STR("PsLoadedModuleList"), &head, d));
	/* Before 5.1 and in ReactOS drivers are in entries of the user loader's type. */
	if (!nt_has(n, l.type, "DllBase"))
		l.type = "_LDR_DATA_TABLE_ENTRY";
	TRY(nt_field(n, l.type, "InLoadOrderLinks", &f, d));
	TRY(nt_field(n, l.type, "DllBase", &f, d));
	TRY(nt_field(n, l.type, "InLoadOrderLinks", &f, d));
	l.links = f.off;
	arena_init(&l.a);
	err e = gather(&l, head, "the module list nt!PsLoadedModuleList", &lost);
	store(&l, 0, e == ERR_OK);
	/* While the kernel starts there is none: load events say what comes. */
	if (e == ERR_STATE)
		return ERR_OK;
	if (e != ERR_OK && d)
		*d = lost;
	return e;
}

/* An image that the list did not have. */
static bool vad_image(void *u, const nt_vad *v, unsigned level)
{
	load *l = u;
	entry m = {.base = v->start << 12, .size = (v->end + 1 - v->start) << 12};
	if (v->private_memory || v->type != NT_VAD_IMAGE || v->end < v->start ||
		m.size > 0x80000000)
		return true;
	for (size_t i = 0; i < l->v.n; i++)
		if (l->v.p[i].base == m.base)
			return true;
	m.path = nt_vad_file(l->n, v, &l->a);
	if (!m.path.n)
		m.path = str_printf(&l->a, "Unknown_Module_%016llx", (unsigned long long)m.base);
	vec_push(&l->v, m);
	return true;
}

/* PEB->Ldr: as much of it as is in memory. *what names the part that was read. */
static err loader_list(load *l, const char **what, diag *d)
{
	char name[80];
	nt_off f;
	uint64_t ldr;
	*what = "PEB";
	TRY(nt_field(l->n, l->type, "InLoadOrderLinks", &f, d));
	l->links = f.off;
	TRY(nt_field(l->n, "_PEB_LDR_DATA", "InLoadOrderModuleList", &f, d));
	err e = nt_get_user(l->n, l->p, l->p->peb, "_PEB", "Ldr", &ldr, d);
	if (e != ERR_OK)
		return diag_add(
			d, e, "PEB is paged out (Peb = %016llx)", (unsigned long long)l->p->peb);
	if (!ldr)
		return diag_set(d, ERR_FAULT,
			"process %016llx has no loader data yet (Peb.Ldr is 0): it is still being "
			"started",
			(unsigned long long)l->p->id_addr);
	*what = "loader list (Peb.Ldr)";
	snprintf(name, sizeof name, "the loader list of process %016llx",
		(unsigned long long)l->p->id_addr);
	e = gather(l, ldr + f.off, name, d);
	return e != ERR_OK ? diag_add(d, e, "Peb.Ldr = %016llx", (unsigned long long)ldr) : e;
}

err nt_user_modules(os *o, uint64_t process, diag *d)
{
	nt *n = (nt *)o;
	os_process p;
	load l = {.n = n, .p = &p, .type = "_LDR_DATA_TABLE_ENTRY"};
	const char *what;
	uint64_t root;
	diag why = {0};
	TRY(nt_process(o, process, &p, d));
	if (!p.peb) {
		sym_space_clear(n->base.host.syms, process);
		return ERR_OK;
	}
	arena_init(&l.a);
	err e = loader_list(&l, &what, &why), from_vads = ERR_NOTFOUND;
	if ((e == ERR_FAULT || e == ERR_CORRUPT || e == ERR_STATE) &&
		nt_vad_root(n, &p, &root, NULL) == ERR_OK)
		from_vads = nt_vad_walk(n, root, vad_image, &l, NULL);
	if (from_vads == ERR_OK && l.v.n) {
		if (n->base.host.warn)
			n->base.host.warn(n->base.host.u,
				str_printf(&l.a,
					"%s of process %016llx is %s: what is missing of its "
					"modules comes from the VADs",
					what, (unsigned long long)process,
					e == ERR_FAULT	 ? "not in memory"
					: e == ERR_STATE ? "not set up"
							 : "not whole"));
		e = ERR_OK;
	}
	store(&l, process, e == ERR_OK);
	return e != ERR_OK ? diag_set(d, e, "%s", why.text) : e;
}
