/*
 * nt: the table, its state, and reads of kernel and user memory.
 *
 * Refuses to know structures: those are the other files' business. Invariant: nothing is read from
 * the target at creation, and nothing that a stop could change is kept over `stopped`.
 */
#include "os/nt/nt_int.h"

#include "base/reader.h"

#include <stdio.h>

static void nt_destroy(os *o)
{
	nt *n = (nt *)o;
	map_deinit(&n->fields);
	vec_deinit(&n->rows);
	mem_free(n);
}

static void nt_stopped(os *o)
{
	nt *n = (nt *)o;
	n->units_known = false;
	n->n_units = 0;
	/* Early in boot the block is not filled in yet: a failure counts for one stop only. */
	if (n->kd_state == NT_KD_NONE)
		n->kd_state = NT_KD_UNREAD;
}

static bool nt_is_user(os *o, uint64_t addr)
{
	nt *n = (nt *)o;
	if (addr >= NT_KERNEL_MIN)
		return false;
	if (!n->highest_user) {
		uint64_t v = 0;
		/* nt!MmHighestUserAddress: documented in "User space and system space". */
		if (nt_global_value(n, "MmHighestUserAddress", 8, &v, NULL) != ERR_OK ||
			v < 0x10000 || v >= NT_KERNEL_MIN)
			v = 0x00007fffffffffffULL;
		n->highest_user =
			v | 0xffff; /* the last 64 KB are no-access, but the user's side */
	}
	return addr <= n->highest_user;
}

static const struct os_ops nt_ops = {
	.name = "nt",
	.absent = "is not known of this system",
	.destroy = nt_destroy,
	.stopped = nt_stopped,
	.processes = nt_processes,
	.threads = nt_threads,
	.process = nt_process,
	.thread = nt_thread,
	.running = nt_running,
	.thread_process = nt_thread_process,
	.thread_regs = nt_thread_regs,
	.trap_regs = nt_trap_regs,
	.kernel_modules = nt_kernel_modules,
	.user_modules = nt_user_modules,
	.make_current = nt_make_current,
	.page_in = nt_page_in,
	.kill = nt_kill,
	.soft_pte = nt_soft_pte,
	.bugcheck = nt_bugcheck,
	.version = nt_version,
	.is_user = nt_is_user,
	.global = nt_global,
};

os *os_nt_create(const os_host *host, const tgt_version *v, uint64_t kernel_base,
	uint64_t module_list, uint64_t debugger_data)
{
	nt *n = mem_alloc(sizeof *n);
	n->base.ops = &nt_ops;
	n->base.host = *host;
	n->version = *v;
	n->kernel_base = kernel_base;
	n->module_list = module_list;
	n->debugger_data = debugger_data;
	map_init(&n->fields);
	return &n->base;
}

nt *nt_of(os *o)
{
	return o && o->ops == &nt_ops ? (nt *)o : NULL;
}

/* ---- memory ---- */

err nt_read(nt *n, uint64_t addr, void *to, size_t size, diag *d)
{
	return tgt_read_all(n->base.host.t, as_current(), addr, to, size, d);
}

err nt_read_u64(nt *n, uint64_t addr, uint64_t *ret, diag *d)
{
	uint8_t b[8];
	TRY(nt_read(n, addr, b, sizeof b, d));
	*ret = le64(b);
	return ERR_OK;
}

/* One piece that does not cross a page, where the target does not see the page by itself. */
static err read_soft(nt *n, const os_process *p, uint64_t addr, void *to, size_t size, diag *d)
{
	x64_walk w = {0};
	uint64_t phys = 0;
	err e = tgt_translate(n->base.host.t, os_space(p, true).id, addr, &w, d);
	if (e != ERR_OK && (e != ERR_FAULT || !w.levels))
		return e;
	if (w.present)
		phys = w.phys;
	else
		TRY(nt_soft_pte(&n->base, &w, addr, &phys, d));
	return tgt_read_all(n->base.host.t, as_phys(), phys, to, size, d);
}

err nt_read_user(nt *n, const os_process *p, uint64_t addr, void *to, size_t size, diag *d)
{
	tgt *t = n->base.host.t;
	as_t as = os_space(p, true);
	size_t done = 0;
	while (done < size) {
		uint64_t at = addr + done;
		size_t piece = 4096 - (size_t)(at & 4095), got = 0;
		if (piece > size - done)
			piece = size - done;
		err e = tgt_read(t, as, at, (char *)to + done, piece, &got, NULL);
		if (e == ERR_OK && got == piece) {
			done += piece;
			continue;
		}
		if (e == ERR_DEAD || e == ERR_CANCELLED)
			return diag_set(d, e, "%s", err_name(e));
		e = read_soft(n, p, at, (char *)to + done, piece, d);
		if (e != ERR_OK)
			return diag_add(d, e, "user memory of process %016llx",
				(unsigned long long)p->id_addr);
		done += piece;
	}
	return ERR_OK;
}

static err read_any(nt *n, const os_process *p, uint64_t addr, void *to, size_t size, diag *d)
{
	return p ? nt_read_user(n, p, addr, to, size, d) : nt_read(n, addr, to, size, d);
}

err nt_read_string(nt *n, const os_process *p, uint64_t addr, arena *a, str *ret, diag *d)
{
	nt_off len, ptr;
	uint8_t b[8];
	TRY(nt_field(n, "_UNICODE_STRING", "Length", &len, d));
	TRY(nt_field(n, "_UNICODE_STRING", "Buffer", &ptr, d));
	TRY(read_any(n, p, addr + len.off, b, 2, d));
	size_t bytes = le16(b) & ~1u;
	TRY(read_any(n, p, addr + ptr.off, b, 8, d));
	uint64_t at = le64(b);
	if (!bytes || !at) {
		*ret = STR("");
		return ERR_OK;
	}
	if (bytes > NT_STRING_MAX)
		bytes = NT_STRING_MAX;
	uint8_t *raw = arena_alloc(a, bytes);
	TRY(read_any(n, p, at, raw, bytes, d));
	*ret = str_from_utf16(a, raw, bytes / 2);
	return ERR_OK;
}

/* ---- values of fields ---- */

static uint64_t take(const nt_off *f, const uint8_t *b)
{
	uint64_t v = le_get(b, f->size);
	if (f->bit_len) {
		v >>= f->bit_pos;
		if (f->bit_len < 64)
			v &= (1ULL << f->bit_len) - 1;
	}
	return v;
}

static err get_any(nt *n, const os_process *p, uint64_t base, const char *type, const char *path,
	uint64_t *ret, diag *d)
{
	nt_off f;
	uint8_t b[8];
	TRY(nt_field(n, type, path, &f, d));
	if (f.size != 1 && f.size != 2 && f.size != 4 && f.size != 8)
		return diag_set(d, ERR_ARG, "nt!%s.%s is no integer", type, path);
	err e = read_any(n, p, base + f.off, b, f.size, d);
	if (e != ERR_OK)
		return diag_add(
			d, e, "reading %s.%s of %016llx", type, path, (unsigned long long)base);
	*ret = take(&f, b);
	return ERR_OK;
}

err nt_get(nt *n, uint64_t base, const char *type, const char *path, uint64_t *ret, diag *d)
{
	return get_any(n, NULL, base, type, path, ret, d);
}

uint64_t nt_get_or(nt *n, uint64_t base, const char *type, const char *path, uint64_t dflt)
{
	uint64_t v = dflt;
	return get_any(n, NULL, base, type, path, &v, NULL) == ERR_OK ? v : dflt;
}

err nt_get_user(nt *n, const os_process *p, uint64_t base, const char *type, const char *path,
	uint64_t *ret, diag *d)
{
	return get_any(n, p, base, type, path, ret, d);
}

bool nt_bits(nt *n, const char *type, const char *path, uint64_t value, uint64_t *ret)
{
	nt_off f;
	uint8_t b[16] = {0};
	if (nt_field(n, type, path, &f, NULL) != ERR_OK || f.off + f.size > 8 || !f.size)
		return false;
	put64(b, value);
	*ret = take(&f, b + f.off);
	return true;
}

/* ---- globals ---- */

err nt_global(os *o, str name, uint64_t *addr, diag *d)
{
	nt *n = (nt *)o;
	char full[128];
	sym s;
	if (name.n > 100)
		return diag_set(d, ERR_NOTFOUND, "no such global");
	nt_kernel_mod(n);
	snprintf(full, sizeof full, "nt!%.*s", STR_ARG(name));
	err e = sym_find(n->base.host.syms, str_of(full), &s, NULL);
	if ((e == ERR_OK || e == ERR_AMBIGUOUS) && s.kind != SYM_K_CONST) {
		*addr = s.addr;
		return ERR_OK;
	}
	if (e == ERR_CANCELLED || e == ERR_DEAD)
		return diag_set(d, e, "looking for %s: %s", full, err_name(e));
	size_t off = nt_kd_global(name);
	uint64_t v = 0;
	if (off && nt_kd_at(n, off, 8, &v) == ERR_OK && v) {
		*addr = v;
		return ERR_OK;
	}
	return diag_set(d, ERR_NOTFOUND,
		"nt!%.*s is not known: the kernel has no symbols here%s (set .sympath, then "
		".reload nt)",
		STR_ARG(name), off ? " and its KDDEBUGGER_DATA64 does not have it" : "");
}

err nt_global_value(nt *n, const char *name, size_t size, uint64_t *ret, diag *d)
{
	uint64_t at;
	uint8_t b[8];
	TRY(nt_global(&n->base, str_of(name), &at, d));
	err e = nt_read(n, at, b, size, d);
	if (e != ERR_OK)
		return diag_add(d, e, "reading nt!%s", name);
	*ret = le_get(b, size);
	return ERR_OK;
}

/* ---- lists ---- */

err nt_list(nt *n, const os_process *p, uint64_t head, const char *what, nt_link_fn *fn, void *u,
	diag *d)
{
	nt_off flink;
	uint8_t b[8];
	map seen;
	size_t count = 0;
	TRY(nt_field(n, "_LIST_ENTRY", "Flink", &flink, d));
	err e = read_any(n, p, head + flink.off, b, 8, d);
	if (e != ERR_OK)
		return diag_add(d, e, "%s at %016llx", what, (unsigned long long)head);
	uint64_t at = le64(b), before = head;
	if (!at)
		return diag_set(
			d, ERR_STATE, "%s is not set up yet: the system is still starting", what);
	map_init(&seen);
	while (at != head) {
		if (cancelled(n->base.host.cancel)) {
			e = diag_set(d, ERR_CANCELLED, "interrupted");
			break;
		}
		bool wild =
			at & 7 || (p ? at < 0x10000 || at >= NT_KERNEL_MIN : !nt_kernel_addr(at));
		const char *why = wild ? "a wild pointer" : map_has(&seen, at) ? "a loop" : NULL;
		if (!why && count == OS_LIST_MAX)
			why = "no end";
		/* The next link first: what fn does may move the target's memory. */
		if (!why && read_any(n, p, at + flink.off, b, 8, NULL) != ERR_OK)
			why = "an unreadable entry";
		if (why) {
			e = diag_set(d, ERR_CORRUPT,
				"%s is damaged: after %016llx comes %s, %016llx (%zu entries "
				"before it)",
				what, (unsigned long long)before, why, (unsigned long long)at,
				count);
			break;
		}
		map_set(&seen, at, n);
		count++;
		before = at;
		uint64_t next = le64(b);
		if (!fn(u, at))
			break;
		at = next;
	}
	map_deinit(&seen);
	return e;
}
