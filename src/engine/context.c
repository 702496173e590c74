/*
 * context: which processor, process, thread and frame commands look at, and the memory and register
 * views that follow from it.
 *
 * System addresses are the same in every page table, so they are read as the target sees them
 * (AS_CURRENT). User addresses go through `user`: AS_CURRENT by default, or the page-table root of
 * the process that .process /p chose. The symbol scope follows the implicit process.
 */
#include "engine/internal.h"

err eng_accessible(engine *e, diag *d)
{
	if (!e->t)
		return diag_set(
			d, ERR_STATE, "No runnable debuggees; attach to a target first (-k, -z)");
	if (e->status != ST_BREAK && !e->inside_wait)
		return diag_set(d, ERR_STATE, "Target is running; break in first (Ctrl+C)");
	return ERR_OK;
}

/* ---- memory ---- */

bool eng_is_user(engine *e, uint64_t addr)
{
	if (e->mode == ENG_IMAGE)
		return false;
	return os_is_user(e->os, addr);
}

as_t eng_here(const engine *e)
{
	return e->caps.threads ? as_process(e->ev.process_id) : as_current();
}

as_t eng_space(engine *e, uint64_t addr)
{
	return eng_is_user(e, addr) ? e->ctx.user : e->ctx.system;
}

/*
 * A page that is not mapped may be in memory all the same (transition, prototype): the system knows
 * where. Reads to the end of that page at most.
 */
static err read_soft(engine *e, as_t as, uint64_t addr, void *p, size_t n, size_t *n_ret)
{
	x64_walk w = {0};
	uint64_t phys, room = 4096 - addr % 4096;
	tgt_cache cache;
	size_t used;

	tgt_cache_get(e->t, &cache, &used);
	if (cache.mapped_only || as.kind != AS_ROOT)
		return ERR_FAULT;
	(void)!tgt_translate(e->t, as.id, addr, &w, NULL);
	if (w.present || !w.levels || os_soft_pte(e->os, &w, addr, &phys, NULL) != ERR_OK)
		return ERR_FAULT;
	return tgt_read(e->t, as_phys(), phys, p, n < room ? n : (size_t)room, n_ret, NULL);
}

err eng_read(engine *e, uint64_t addr, void *p, size_t n, size_t *n_ret, diag *d)
{
	TRY(eng_accessible(e, d));
	as_t as = eng_space(e, addr);
	err r = tgt_read_view(e->t, as, addr, p, n, n_ret, d);
	/* A listing over a dead link would be question marks to the end. */
	if (r == ERR_DEAD && !atomic_exchange(&e->cancel.flag, true))
		out_as(e, OUT_ERROR, "The connection to the target is lost.\n");
	if (r == ERR_FAULT && read_soft(e, as, addr, p, n, n_ret) == ERR_OK) {
		diag_clear(d);
		return ERR_OK;
	}
	return r;
}

err eng_read_all(engine *e, uint64_t addr, void *p, size_t n, diag *d)
{
	for (size_t done = 0; done < n;) {
		size_t got = 0;
		TRY(eng_read(e, addr + done, (uint8_t *)p + done, n - done, &got, d));
		if (!got)
			return diag_set(d, ERR_FAULT, "Memory access error at '%s'",
				out_addr(e, addr + done));
		done += got;
	}
	return ERR_OK;
}

static err write_all(engine *e, as_t as, uint64_t addr, const void *p, size_t n, diag *d)
{
	for (size_t done = 0; done < n;) {
		size_t got = 0;
		TRY(tgt_write(e->t, as, addr + done, (const uint8_t *)p + done, n - done, &got, d));
		if (!got)
			return diag_set(d, ERR_FAULT, "Memory access error at '%s'",
				out_addr(e, addr + done));
		done += got;
	}
	return ERR_OK;
}

err eng_write(engine *e, uint64_t addr, const void *p, size_t n, diag *d)
{
	TRY(eng_accessible(e, d));
	TRY(write_all(e, eng_space(e, addr), addr, p, n, d));
	e->ev.n_stream = 0; /* may hold what was there before */
	insn_forget(e);
	if (e->hooks.notice)
		e->hooks.notice(e->hooks.u, &(eng_notice){.kind = ENG_N_TARGET, .arg = 2});
	return ERR_OK;
}

err eng_read_uint(engine *e, uint64_t addr, size_t size, uint64_t *ret, diag *d)
{
	uint8_t raw[8];
	assert(size <= sizeof raw);
	TRY(eng_read_all(e, addr, raw, size, d));
	*ret = le_get(raw, size);
	return ERR_OK;
}

err eng_read_ptr(engine *e, uint64_t addr, uint64_t *ret, diag *d)
{
	return eng_read_uint(e, addr, e->ptr_size, ret, d);
}

err eng_read_phys(engine *e, uint64_t addr, int cache, void *p, size_t n, size_t *n_ret, diag *d)
{
	TRY(eng_accessible(e, d));
	return tgt_read(e->t, (as_t){AS_PHYS, (uint64_t)cache}, addr, p, n, n_ret, d);
}

err eng_write_phys(engine *e, uint64_t addr, int cache, const void *p, size_t n, diag *d)
{
	TRY(eng_accessible(e, d));
	return write_all(e, (as_t){AS_PHYS, (uint64_t)cache}, addr, p, n, d);
}

/* Reads units of `size` bytes up to a zero one, page by page so that the end of a mapping is no
 * error for a string that ends before it. */
static err read_units(engine *e, buf *b, uint64_t addr, size_t size, size_t max, diag *d)
{
	static const uint8_t zero[2];
	while (b->n / size < max) {
		uint8_t chunk[256];
		size_t want = sizeof chunk - (addr + b->n) % sizeof chunk, got = 0;
		if (want > (max - b->n / size) * size)
			want = (max - b->n / size) * size;
		if (want < size)
			want = size; /* an odd string: one unit lies across the border */
		err r = eng_read(e, addr + b->n, chunk, want, &got, b->n ? NULL : d);
		got -= got % size;
		if (r != ERR_OK || !got)
			return b->n ? ERR_OK : r != ERR_OK ? r : ERR_FAULT;
		for (size_t i = 0; i < got; i += size)
			if (!memcmp(chunk + i, zero, size)) {
				buf_add(b, chunk, i);
				return ERR_OK;
			}
		buf_add(b, chunk, got);
	}
	return ERR_OK;
}

err eng_read_str(engine *e, arena *a, uint64_t addr, size_t max, str *ret, diag *d)
{
	buf b;
	buf_init(&b, max + 1);
	err r = read_units(e, &b, addr, 1, max, d);
	if (r == ERR_OK)
		*ret = str_dup(a, buf_str(&b));
	buf_deinit(&b);
	return r;
}

err eng_read_wstr(engine *e, arena *a, uint64_t addr, size_t max, str *ret, diag *d)
{
	buf b;
	buf_init(&b, max * 2 + 2);
	err r = read_units(e, &b, addr, 2, max, d);
	if (r == ERR_OK)
		*ret = str_from_utf16(a, (const uint8_t *)b.p, b.n / 2);
	buf_deinit(&b);
	return r;
}

err eng_read_ustring(engine *e, arena *a, uint64_t addr, str *ret, diag *d)
{
	/* UNICODE_STRING: Length, MaximumLength (u16, bytes), pointer at its natural alignment. */
	uint8_t head[16];
	size_t ptr_at = e->ptr_size == 8 ? 8 : 4;
	TRY(eng_read_all(e, addr, head, ptr_at + e->ptr_size, d));
	size_t n = le16(head) / 2;
	uint64_t p = le_get(head + ptr_at, e->ptr_size);
	uint8_t *text = arena_alloc(a, n * 2);
	if (n)
		TRY(eng_read_all(e, p, text, n * 2, d));
	*ret = str_from_utf16(a, text, n);
	return ERR_OK;
}

/* ---- registers ---- */

err eng_unit_regs(engine *e, unit_t u, unsigned sets, x64_regs *ret, diag *d)
{
	TRY(eng_accessible(e, d));
	return tgt_regs_get(e->t, u, sets, ret, d);
}

err eng_regs(engine *e, unsigned sets, x64_regs *ret, diag *d)
{
	const x64_regs *set = e->ctx.frame_set		 ? &e->ctx.frame_regs
			      : e->ctx.from != REGS_UNIT ? &e->ctx.regs
							 : NULL;
	if (!set)
		return eng_unit_regs(e, e->ctx.unit, sets, ret, d);
	TRY(eng_accessible(e, d));
	if (sets & ~set->valid & X64_SET_SPECIAL) {
		/* Control registers belong to the processor, not to a saved context. */
		x64_regs r = *set;
		x64_regs unit = {0};
		TRY(tgt_regs_get(e->t, e->ctx.unit, X64_SET_SPECIAL, &unit, d));
		r.cr0 = unit.cr0, r.cr2 = unit.cr2, r.cr3 = unit.cr3, r.cr4 = unit.cr4,
		r.cr8 = unit.cr8;
		r.gdtr_base = unit.gdtr_base, r.idtr_base = unit.idtr_base;
		r.gdtr_limit = unit.gdtr_limit, r.idtr_limit = unit.idtr_limit;
		r.tr = unit.tr, r.ldtr = unit.ldtr;
		r.valid |= X64_SET_SPECIAL;
		*ret = r;
		return ERR_OK;
	}
	*ret = *set;
	return ERR_OK;
}

err eng_regs_write(engine *e, unsigned sets, const x64_regs *r, diag *d)
{
	TRY(eng_accessible(e, d));
	if (e->ctx.from != REGS_UNIT || e->ctx.frame_set)
		return diag_set(d, ERR_STATE,
			"Registers of a set context cannot be changed; .thread or .frame 0 resets "
			"it");
	bool events = !e->has_event || e->ctx.unit == e->ev.unit;
	if (!events && !e->caps.threads)
		return diag_set(d, ERR_STATE, "Registers of other processors cannot be changed");
	TRY(tgt_regs_set(e->t, e->ctx.unit, sets, r, d));
	if (events && sets & X64_SET_CONTROL && e->ev.pc != r->rip) {
		e->ev.pc = r->rip;
		e->ev.n_stream = 0; /* the bytes of the state change were those of the old place */
	}
	e->ev.has_report = false;
	if (e->hooks.notice)
		e->hooks.notice(e->hooks.u, &(eng_notice){.kind = ENG_N_TARGET, .arg = 1});
	return ERR_OK;
}

err eng_ip(engine *e, uint64_t *ret, diag *d)
{
	if (e->ctx.from == REGS_UNIT && !e->ctx.frame_set && e->has_event &&
		e->ctx.unit == e->ev.unit) {
		TRY(eng_accessible(e, d));
		*ret = e->ev.pc;
		return ERR_OK;
	}
	x64_regs r = {0};
	TRY(eng_regs(e, X64_SET_CONTROL, &r, d));
	*ret = r.rip;
	return ERR_OK;
}

/* ---- changing it ---- */

static void frame_reset(engine *e)
{
	e->ctx.frame = 0;
	e->ctx.frame_set = false;
	e->ctx.frame_out = 0;
}

void eng_ctx_reset_regs(engine *e)
{
	e->ctx.from = REGS_UNIT;
	e->ctx.from_addr = 0;
	frame_reset(e);
}

/* Process that runs on a unit, for the symbol scope; 0 if nobody knows. */
static uint64_t unit_process(engine *e, unit_t u, uint64_t *thread)
{
	uint64_t process = 0;
	return os_running(e->os, u, thread, &process, NULL) == ERR_OK ? process : 0;
}

void ctx_from_event(engine *e)
{
	e->ctx = (eng_ctx){.unit = e->ev.unit,
		.user = eng_here(e),
		.system = eng_here(e),
		.process = e->caps.threads ? e->ev.process_id : 0,
		.thread = e->ev.thread};
	if (e->syms)
		sym_scope_set(e->syms, e->ctx.process);
}

static sym_space process_for_symbols(void *u)
{
	uint64_t process;
	return eng_process(u, &process, NULL) == ERR_OK ? process : 0;
}

void ctx_scope(engine *e)
{
	/* One read, when the first name or user address is looked up: a hit whose condition needs
	 * neither is passed over without. */
	if (e->mode == ENG_KERNEL && e->syms && !e->ctx.process)
		sym_scope_ask(e->syms, process_for_symbols, e);
}

void eng_ctx_reset(engine *e)
{
	ctx_from_event(e);
	ctx_scope(e);
}

err eng_process(engine *e, uint64_t *ret, diag *d)
{
	TRY(eng_accessible(e, d));
	if (!e->ctx.process) {
		uint64_t process = 0;
		if (e->ctx.thread) {
			/* Filtered breakpoints ask this at each hit. */
			tgt_read_sparingly(e->t, true);
			err r = os_thread_process(e->os, e->ctx.thread, &process, d);
			tgt_read_sparingly(e->t, false);
			TRY(r);
		} else {
			uint64_t thread;
			TRY(os_running(e->os, e->ctx.unit, &thread, &process, d));
		}
		e->ctx.process = process;
		if (e->syms)
			sym_scope_set(e->syms, process);
	}
	*ret = e->ctx.process;
	return ERR_OK;
}

err eng_thread(engine *e, uint64_t *ret, diag *d)
{
	TRY(eng_accessible(e, d));
	if (!e->ctx.thread) {
		uint64_t process;
		TRY(os_running(e->os, e->ctx.unit, &e->ctx.thread, &process, d));
	}
	*ret = e->ctx.thread;
	return ERR_OK;
}

static err ctx_thread(engine *e, unit_t tid, diag *d)
{
	const eng_thr *t = eng_thr_find(e, tid);
	if (!t)
		return diag_set(d, ERR_NOTFOUND, "there is no thread %x", tid);
	e->ctx = (eng_ctx){.unit = tid,
		.thread = tid,
		.process = t->proc->pid,
		.user = as_process(t->proc->pid),
		.system = as_process(t->proc->pid)};
	sym_scope_set(e->syms, t->proc->pid);
	return ERR_OK;
}

err eng_ctx_unit(engine *e, unit_t u, diag *d)
{
	TRY(eng_accessible(e, d));
	if (e->caps.threads)
		return ctx_thread(e, u, d);
	if (u >= e->n_units)
		return diag_set(d, ERR_NOTFOUND,
			"%u is not a valid processor number: the target has %u", u, e->n_units);
	if (u == e->ev.unit) {
		eng_ctx_reset(e);
		return ERR_OK;
	}
	x64_regs r = {0};
	TRY(tgt_regs_get(e->t, u, X64_SET_SPECIAL, &r, d));
	uint64_t thread = 0;
	e->ctx = (eng_ctx){.unit = u, .system = as_current(), .user = as_root(r.cr3)};
	e->ctx.process = unit_process(e, u, &thread);
	e->ctx.thread = thread;
	if (e->syms)
		sym_scope_set(e->syms, e->ctx.process);
	return ERR_OK;
}

err eng_ctx_process(engine *e, uint64_t process, bool decode, diag *d)
{
	TRY(eng_accessible(e, d));
	if (e->caps.threads) {
		const eng_proc *p = eng_proc_find(e, process ? process : e->ev.process_id);
		if (!p || !p->threads.n)
			return diag_set(d, ERR_NOTFOUND, "there is no process %llx",
				(unsigned long long)process);
		return ctx_thread(e, p->threads.p[0]->tid, d);
	}
	if (!process) {
		e->ctx.process = 0;
		e->ctx.decode = false;
		e->ctx.user = as_current();
		return eng_process(e, &process, d);
	}
	os_process p;
	TRY(os_process_get(e->os, process, &p, d));
	e->ctx.process = process;
	e->ctx.decode = decode;
	e->ctx.user = decode ? os_space(&p, true) : as_current();
	if (e->syms)
		sym_scope_set(e->syms, process);
	return ERR_OK;
}

err eng_ctx_thread(engine *e, uint64_t thread, bool decode, diag *d)
{
	TRY(eng_accessible(e, d));
	if (e->caps.threads)
		return ctx_thread(e, (unit_t)(thread ? thread : e->ev.thread), d);
	if (!thread) {
		eng_ctx_reset_regs(e);
		e->ctx.thread = e->ctx.unit == e->ev.unit ? e->ev.thread : 0;
		return eng_thread(e, &thread, d);
	}
	x64_regs r = {0};
	TRY(os_thread_regs(e->os, thread, &r, d));
	if (decode) {
		os_thread t;
		TRY(os_thread_get(e->os, thread, &t, d));
		TRY(eng_ctx_process(e, t.process, true, d));
	}
	eng_ctx_regs(e, REGS_THREAD, thread, &r);
	e->ctx.thread = thread;
	return ERR_OK;
}

void eng_ctx_regs(engine *e, eng_regs_from from, uint64_t addr, const x64_regs *r)
{
	e->ctx.from = from;
	e->ctx.from_addr = addr;
	e->ctx.regs = *r;
	frame_reset(e);
}

err eng_ctx_frame(engine *e, uint32_t n, diag *d)
{
	x64_regs top = {0};
	eng_frame *frames;
	size_t count;

	frame_reset(e);
	if (!n)
		return ERR_OK;
	TRY(eng_regs(e, X64_SET_GENERAL, &top, d));
	TRY(eng_stack(e, &e->stop, &top, (size_t)n + 1, &frames, &count, NULL));
	if (n >= count)
		return diag_set(
			d, ERR_NOTFOUND, "Cannot find frame 0x%x, previous scope unchanged", n);
	e->ctx.frame = n;
	e->ctx.frame_set = true;
	e->ctx.frame_regs = frames[n].regs;
	return ERR_OK;
}

eng_ctx eng_ctx_save(engine *e)
{
	return e->ctx;
}

void eng_ctx_restore(engine *e, const eng_ctx *saved)
{
	e->ctx = *saved;
	if (e->syms)
		sym_scope_set(e->syms, e->ctx.process);
}
