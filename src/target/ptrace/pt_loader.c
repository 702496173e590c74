/*
 * pt_loader: which modules are mapped, from what the kernel (auxiliary vector) and the dynamic
 * loader (r_debug, link_map) publish for debuggers. See pt.h.
 *
 * Everything read here is the program's memory, which may be damaged or hostile: lists are bounded
 * and walked once, tables have stated maxima.
 *
 * A created process runs up to the loader's first report of a consistent list: its libraries are
 * mapped then and none of their constructors has run. glibc and musl both call _dl_debug_state at
 * that moment, an empty function; its address is in the loader's own symbol table. A program
 * without a loader (static, static-pie) has its initial break at its entry point. So does what a
 * child that is followed executes; the child itself has one where fork returns, unless it runs in
 * its parent's memory (vfork, posix_spawn): that one is about to execute something.
 *
 * Sources: link.h; System V gABI (dynamic section); glibc elf/rtld-debugger-interface.txt.
 */
#include "target/ptrace/pt.h"

#include "base/reader.h"
#include "fmt/elf.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum {
	PHDRS_MAX = 256,
	DYNAMIC_MAX = 1024,
	SYMBOLS_MAX = 65536,
	NAMESPACES_MAX = 16,
	PHDR_SIZE = 56,
	DYN_SIZE = 16,
	SYM_SIZE = 24
};

void pt_modules_free(pt_proc *pr)
{
	for (size_t i = 0; i < pr->modules.n; i++)
		mem_free(pr->modules.p[i].path);
	vec_deinit(&pr->modules);
	pr->base = pr->size = pr->bias = pr->dynamic = 0;
	pr->r_debug = pr->r_brk = 0;
}

/* ---- program headers ---- */

typedef struct extent {
	uint64_t low, high; /* of the PT_LOADs, without bias, whole pages */
	uint64_t dynamic, phdr_vaddr;
	bool has_phdr, has_dynamic, has_load;
} extent;

static bool phdrs_read(pt_space *s, uint64_t at, uint64_t n, extent *ret)
{
	uint8_t b[PHDR_SIZE];
	extent x = {.low = UINT64_MAX};
	if (n > PHDRS_MAX)
		return false;
	for (uint64_t i = 0; i < n; i++) {
		if (!pt_mem_get(s, at + i * PHDR_SIZE, b, sizeof b))
			return false;
		uint32_t type = le32(b);
		uint64_t vaddr = le64(b + 16), memsz = le64(b + 40);
		if (type == PT_LOAD && memsz && vaddr + memsz > vaddr) {
			uint64_t end = (vaddr + memsz + PT_PAGE - 1) & ~(uint64_t)(PT_PAGE - 1);
			vaddr &= ~(uint64_t)(PT_PAGE - 1);
			x.low = vaddr < x.low ? vaddr : x.low;
			x.high = end > x.high ? end : x.high;
			x.has_load = true;
		} else if (type == PT_DYNAMIC) {
			x.dynamic = vaddr;
			x.has_dynamic = true;
		} else if (type == PT_PHDR) {
			x.phdr_vaddr = vaddr;
			x.has_phdr = true;
		}
	}
	*ret = x;
	return x.has_load;
}

/* An ELF header at base, which is where its first PT_LOAD lies. */
static bool image_read(pt_space *s, uint64_t base, extent *ret)
{
	uint8_t b[64];
	if (!pt_mem_get(s, base, b, sizeof b) || memcmp(b, ELFMAG, SELFMAG) != 0 ||
		b[EI_CLASS] != ELFCLASS64 || le16(b + 54) != PHDR_SIZE)
		return false;
	return phdrs_read(s, base + le64(b + 32), le16(b + 56), ret);
}

/* ---- modules ---- */

static pt_module *module_at(pt_proc *pr, uint64_t base)
{
	for (size_t i = 0; i < pr->modules.n; i++)
		if (pr->modules.p[i].base == base)
			return &pr->modules.p[i];
	return NULL;
}

static void put_path(tgt_event *ev, const char *path)
{
	snprintf(ev->path, sizeof ev->path, "%s", path);
}

/* Seen from another mount namespace a file may be found through the process's root only. */
static void visible_path(const pt_proc *pr, const char *path, char *b, size_t cap)
{
	snprintf(b, cap, "%s", path);
	if (path[0] == '/' && access(path, F_OK)) {
		char through[TGT_PATH_MAX];
		int n = snprintf(through, sizeof through, "/proc/%d/root%s", (int)pt_via(pr), path);
		if (n > 0 && (size_t)n < sizeof through && !access(through, F_OK))
			snprintf(b, cap, "%s", through);
	}
}

static void module_add(
	pt *p, pt_proc *pr, pt_thread *th, uint64_t base, uint64_t size, const char *path)
{
	char shown[TGT_PATH_MAX];
	pt_module *old = module_at(pr, base);
	if (old) {
		old->seen = true;
		return;
	}
	if (pr->modules.n >= PT_MODULES_MAX)
		return;
	visible_path(pr, path, shown, sizeof shown);
	vec_push(&pr->modules, (pt_module){base, size, true, mem_strdup(shown)});
	tgt_event *ev = pt_event(p, th, pr, TGT_EV_LOAD);
	ev->base = base;
	ev->size = size;
	put_path(ev, shown);
}

static void modules_drop_unseen(pt *p, pt_proc *pr, pt_thread *th)
{
	for (size_t i = 0; i < pr->modules.n;) {
		pt_module m = pr->modules.p[i];
		if (m.seen) {
			i++;
			continue;
		}
		tgt_event *ev = pt_event(p, th, pr, TGT_EV_UNLOAD);
		ev->base = m.base;
		ev->size = m.size;
		put_path(ev, m.path);
		mem_free(m.path);
		vec_remove(&pr->modules, i);
	}
}

/* File that is mapped at addr, from /proc/PID/maps. */
static bool mapped_path(const pt_proc *pr, uint64_t addr, char *b, size_t cap, uint64_t *begin)
{
	pt_region r;
	if (!pt_region_at(pt_via(pr), addr, &r) || addr < r.begin || r.path[0] != '/')
		return false;
	snprintf(b, cap, "%s", r.path);
	*begin = r.begin - r.offset;
	b[pt_path_len(b, strlen(b))] = 0;
	return true;
}

/* ---- link_map ---- */

/* The lowest address of the object whose bias is l_addr and whose dynamic section is at l_ld. */
static bool object_base(pt_proc *pr, uint64_t l_addr, uint64_t l_ld, uint64_t *base, extent *x)
{
	char path[TGT_PATH_MAX];
	uint64_t begin;
	if (image_read(pr->space, l_addr, x)) {
		*base = l_addr;
		return true;
	}
	/* Not linked at 0: its file's mappings tell. */
	if (!mapped_path(pr, l_ld, path, sizeof path, &begin))
		return false;
	buf b;
	bool ok = false;
	buf_init(&b, 0);
	if (pt_proc_text(pt_via(pr), "maps", &b)) {
		str text = buf_str(&b);
		pt_region r;
		while (!ok && pt_region_next(&text, &r))
			if (!r.offset && !strcmp(r.path, path) &&
				image_read(pr->space, r.begin, x)) {
				*base = r.begin;
				ok = true;
			}
	}
	buf_deinit(&b);
	return ok;
}

static void object_add(
	pt *p, pt_proc *pr, pt_thread *th, uint64_t l_addr, uint64_t l_ld, uint64_t l_name)
{
	char name[TGT_PATH_MAX];
	uint64_t base, begin;
	extent x;
	if (!pt_mem_text(pr->space, l_name, name, sizeof name))
		name[0] = 0;
	if (l_ld == pr->dynamic && pr->dynamic) { /* the program itself */
		pt_module *m = module_at(pr, pr->base);
		if (m)
			m->seen = true;
		return;
	}
	if (!object_base(pr, l_addr, l_ld, &base, &x))
		return;
	pt_module *old = module_at(pr, base);
	if (old) {
		old->seen = true;
		return;
	}
	if (base == pr->vdso)
		snprintf(name, sizeof name, "linux-vdso.so.1");
	else if (name[0] != '/' && !mapped_path(pr, base, name, sizeof name, &begin))
		return;
	module_add(p, pr, th, base, x.high - x.low, name);
}

/* One list; false if it is damaged. */
static bool list_walk(pt *p, pt_proc *pr, pt_thread *th, uint64_t at)
{
	uint8_t b[40];
	size_t n = 0;
	uint64_t prev = 0;
	for (; at; n++) {
		/* l_addr, l_name, l_ld, l_next, l_prev */
		if (n >= PT_MODULES_MAX || !pt_mem_get(pr->space, at, b, sizeof b) ||
			le64(b + 32) != prev)
			return false;
		object_add(p, pr, th, le64(b), le64(b + 16), le64(b + 8));
		prev = at;
		at = le64(b + 24);
	}
	return true;
}

/* r_debug: int version; link_map *map; brk; int state; ldbase; (version 2) next */
static bool debug_read(pt_proc *pr, uint64_t at, uint8_t b[48])
{
	return at && pt_mem_get(pr->space, at, b, 40) && le32(b) && le32(b) < 16;
}

static void modules_update(pt *p, pt_proc *pr, pt_thread *th)
{
	uint8_t b[48];
	bool whole = true;
	for (size_t i = 0; i < pr->modules.n; i++) {
		pt_module *m = &pr->modules.p[i];
		/* what the lists need not hold */
		m->seen = m->base == pr->base || m->base == pr->vdso || m->base == pr->interp;
	}
	uint64_t at = pr->r_debug;
	for (int i = 0; at && i < NAMESPACES_MAX; i++) {
		if (!debug_read(pr, at, b)) {
			whole = false;
			break;
		}
		whole &= list_walk(p, pr, th, le64(b + 8));
		uint64_t next = 0;
		if (le32(b) < 2 || !pt_mem_u64(pr->space, at + 40, &next))
			break;
		at = next;
	}
	if (whole) /* a damaged list does not unload anything */
		modules_drop_unseen(p, pr, th);
}

/* ---- finding r_debug ---- */

static uint64_t debug_pointer(pt_proc *pr)
{
	uint8_t b[DYN_SIZE];
	for (size_t i = 0; pr->dynamic && i < DYNAMIC_MAX; i++) {
		if (!pt_mem_get(pr->space, pr->dynamic + i * DYN_SIZE, b, sizeof b) ||
			le64(b) == DT_NULL)
			break;
		if (le64(b) == DT_DEBUG)
			return le64(b + 8);
	}
	return 0;
}

/* A symbol that the loader exports, from its dynamic symbol table in memory. */
static uint64_t loader_symbol(pt_proc *pr, uint64_t base, const char *name)
{
	extent x;
	uint8_t b[DYN_SIZE], sym[SYM_SIZE];
	char got[64];
	uint64_t symtab = 0, strtab = 0, strsz = 0;
	if (!base || !image_read(pr->space, base, &x) || !x.has_dynamic)
		return 0;
	uint64_t bias = base - x.low;
	for (size_t i = 0; i < DYNAMIC_MAX; i++) {
		if (!pt_mem_get(pr->space, bias + x.dynamic + i * DYN_SIZE, b, sizeof b) ||
			le64(b) == DT_NULL)
			break;
		uint64_t v = le64(b + 8);
		if (le64(b) == DT_SYMTAB)
			symtab = v < base ? v + bias : v; /* relocated already or not */
		else if (le64(b) == DT_STRTAB)
			strtab = v < base ? v + bias : v;
		else if (le64(b) == DT_STRSZ)
			strsz = v;
	}
	/* The string table follows the symbols everywhere; otherwise there is no count to be had
	 * but from the hash tables. */
	if (!symtab || strtab <= symtab || (strtab - symtab) / SYM_SIZE > SYMBOLS_MAX)
		return 0;
	for (uint64_t i = 1; i < (strtab - symtab) / SYM_SIZE; i++) {
		if (!pt_mem_get(pr->space, symtab + i * SYM_SIZE, sym, sizeof sym))
			break;
		if (le32(sym) < strsz && le64(sym + 8) && le16(sym + 6) &&
			pt_mem_text(pr->space, strtab + le32(sym), got, sizeof got) &&
			!strcmp(got, name))
			return bias + le64(sym + 8);
	}
	return 0;
}

/* ---- starting ---- */

static void auxv_read(pt_proc *pr)
{
	buf b;
	buf_init(&b, 8192);
	if (pt_proc_text(pt_via(pr), "auxv", &b)) {
		str v = buf_str(&b);
		elf_auxv(v, AT_ENTRY, &pr->entry);
		elf_auxv(v, AT_BASE, &pr->interp);
		elf_auxv(v, AT_PHDR, &pr->phdr);
		elf_auxv(v, AT_PHNUM, &pr->phnum);
		elf_auxv(v, AT_SYSINFO_EHDR, &pr->vdso);
	}
	buf_deinit(&b);
}

static void program_read(pt_proc *pr)
{
	extent x;
	char path[TGT_PATH_MAX];
	uint64_t begin;
	if (!phdrs_read(pr->space, pr->phdr, pr->phnum, &x))
		return;
	if (x.has_phdr)
		pr->bias = pr->phdr - x.phdr_vaddr;
	else if (mapped_path(pr, pr->phdr, path, sizeof path, &begin))
		pr->bias = begin - x.low;
	pr->base = pr->bias + x.low;
	pr->size = x.high - x.low;
	pr->dynamic = x.has_dynamic ? pr->bias + x.dynamic : 0;
}

/*
 * A static program that can load libraries has the loader's functions in itself; only its symbol
 * table tells where. Sets r_debug; returns the address of _dl_debug_state, 0 if there is none.
 */
static uint64_t static_symbols(pt_proc *pr)
{
	char link[64];
	sys_map m;
	uint64_t state = 0, debug = 0;
	snprintf(link, sizeof link, "/proc/%d/exe", (int)pt_via(pr));
	if (sys_map_open(link, &m, NULL) != ERR_OK)
		return 0;
	reader all = rd_of(m.p, m.n), r = all;
	rd_seek(&r, 40); /* e_shoff; e_shentsize at 58, e_shnum at 60 */
	uint64_t shoff = rd_u64(&r);
	rd_seek(&r, 58);
	unsigned size = rd_u16(&r), n = rd_u16(&r);
	for (unsigned i = 0; i < n && size == 64; i++) {
		reader s = rd_sub(&all, shoff + 64ull * i, 64);
		rd_skip(&s, 4);
		if (rd_u32(&s) != SHT_SYMTAB)
			continue;
		rd_skip(&s, 16);
		uint64_t off = rd_u64(&s), bytes = rd_u64(&s);
		uint32_t strings = rd_u32(&s);
		reader t = rd_sub(&all, shoff + 64ull * strings, 64);
		rd_skip(&t, 24);
		uint64_t str_off = rd_u64(&t), str_size = rd_u64(&t);
		reader names = rd_sub(&all, str_off, str_size), y = rd_sub(&all, off, bytes);
		while (rd_left(&y) >= SYM_SIZE) {
			uint32_t name = rd_u32(&y);
			rd_skip(&y, 2);
			bool defined = rd_u16(&y) != 0;
			uint64_t value = rd_u64(&y);
			rd_skip(&y, 8);
			reader at = names;
			rd_seek(&at, name);
			if (!defined || rd_left(&at) < 9 || at.p[name] != '_')
				continue;
			str text = rd_cstr(&at);
			if (str_eq(text, STR("_dl_debug_state")))
				state = value;
			else if (str_eq(text, STR("_r_debug")))
				debug = value;
		}
	}
	sys_map_close(&m);
	if (!state || !debug)
		return 0;
	pr->r_debug = pr->bias + debug;
	return pr->bias + state;
}

static void exe_path(const pt_proc *pr, char *b, size_t cap)
{
	char link[64];
	snprintf(link, sizeof link, "/proc/%d/exe", (int)pt_via(pr));
	ssize_t n = readlink(link, b, cap - 1);
	b[n > 0 ? pt_path_len(b, (size_t)n) : 0] = 0;
}

static void brk_plant(pt *p, pt_proc *pr, uint64_t addr)
{
	if (pr->brk_site || !addr || pr->look_only)
		return;
	if (pt_site_inner(p, pr, addr, &pr->brk_site) == ERR_OK)
		pr->r_brk = addr;
}

/* What the program's own dynamic section leads to, once the loader has filled it in. */
static bool rendezvous(pt *p, pt_proc *pr)
{
	uint8_t b[48];
	pr->r_debug = debug_pointer(pr);
	if (!debug_read(pr, pr->r_debug, b)) {
		pr->r_debug = 0;
		return false;
	}
	uint64_t brk = le64(b + 16);
	if (pr->brk_site && brk && brk != pr->r_brk) {
		pt_site_release(p, pr, pr->brk_site, true);
		pr->brk_site = NULL;
	}
	brk_plant(p, pr, brk);
	return true;
}

static void add_mapped_image(pt *p, pt_proc *pr, pt_thread *th, uint64_t base, const char *path)
{
	extent x;
	if (base && image_read(pr->space, base, &x))
		module_add(p, pr, th, base, x.high - x.low, path);
}

void pt_loader_start(pt *p, pt_proc *pr, pt_thread *th, bool fresh)
{
	char path[TGT_PATH_MAX];
	uint64_t begin;
	if (fresh || !pr->phdr) {
		pr->entry = pr->interp = pr->phdr = pr->phnum = pr->vdso = 0;
		auxv_read(pr);
	}
	program_read(pr);
	exe_path(pr, path, sizeof path);
	tgt_event *ev = pt_event(p, th, pr, TGT_EV_PROCESS);
	ev->base = pr->base;
	ev->size = pr->size;
	ev->parent_id = (uint64_t)pr->parent;
	put_path(ev, path);
	if (pr->size)
		module_add(p, pr, th, pr->base, pr->size, path);
	if (mapped_path(pr, pr->interp, path, sizeof path, &begin))
		add_mapped_image(p, pr, th, pr->interp, path);
	add_mapped_image(p, pr, th, pr->vdso, "linux-vdso.so.1");
	if (!fresh) {
		uint64_t brk = 0;
		if (rendezvous(p, pr))
			modules_update(p, pr, th);
		else if (!pr->interp && (brk = static_symbols(pr))) {
			brk_plant(p, pr, brk);
			modules_update(p, pr, th);
		}
		if (pr->parent && pr->space->refs == 1)
			pt_break_event(p, th, NULL)->initial = true;
		return;
	}
	uint64_t brk =
		pr->interp ? loader_symbol(pr, pr->interp, "_dl_debug_state") : static_symbols(pr);
	if (brk)
		brk_plant(p, pr, brk);
	/* Without a loader, or with one that does not say: the entry point. */
	if (pt_site_inner(p, pr, pr->entry, &pr->entry_site) != ERR_OK)
		pr->entry_site = NULL;
}

/* ---- stops ---- */

static void loaded(pt *p, pt_proc *pr, pt_thread *th)
{
	bool wanted = pr->phase == PT_LOADING || pr->parent;
	pr->phase = PT_READY;
	if (pr->entry_site)
		pt_site_release(p, pr, pr->entry_site, true);
	pr->entry_site = NULL;
	if (wanted)
		pt_break_event(p, th, NULL)->initial = true;
}

bool pt_loader_hit(pt *p, pt_thread *th, pt_site *s)
{
	pt_proc *pr = th->proc;
	uint8_t b[48];
	if (s == pr->brk_site) {
		bool known = pr->r_debug || rendezvous(p, pr);
		if (known && debug_read(pr, pr->r_debug, b) && !le32(b + 24)) { /* RT_CONSISTENT */
			modules_update(p, pr, th);
			if (pr->phase != PT_READY && pr->interp)
				loaded(p, pr, th);
		}
		return true;
	}
	if (s == pr->entry_site) {
		if (pr->interp && rendezvous(p, pr))
			modules_update(p, pr, th);
		loaded(p, pr, th);
		return true;
	}
	return false;
}
