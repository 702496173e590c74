/*
 * trap: planted breakpoints as seen from above: they cost as few requests as possible and never
 * show. See target.h.
 *
 * - Deleting is lazy: a trap that is deleted and added again while the target is stopped costs
 *   nothing; what is really gone is taken out when the target is resumed.
 * - A view never shows a planted byte: where one stands, the byte below it is shown. That byte is
 *   known from the cache or from the instruction bytes of the stop, for free; if from neither, the
 * trap is taken out for a moment the first time somebody looks.
 * - Writes go under: the new byte is what views show, the trap stays.
 * - A byte at a physical address is planted here, not by the backend.
 * - A trap in a process (AS_PROCESS) is the backend's wholly: it keeps its bytes out of what its
 *   read gives and takes writes under them, and they are taken out at once, because a process
 *   outlives its debugger.
 *
 * A planted byte may be seen through other spaces (a page shared by processes, physical memory).
 * There it is recognised by its place in the page and the bytes around it.
 */
#include "target/mem_int.h"

enum { BREAK = 0xcc, NEAR_BEFORE = 8, NEAR_NEED = 4 };

static bool backends_own(const trap_rec *r)
{
	return r->t.as.kind == AS_PROCESS;
}

static bool planted(const trap_rec *r)
{
	return r->t.kind == TGT_TRAP_SOFT && !backends_own(r) &&
	       (r->state == TRAP_ARMED || r->state == TRAP_PENDING);
}

static bool kernel_addr(uint64_t a)
{
	return a >> 63;
}

static void near_from(trap_rec *r, const uint8_t *b, uint64_t addr, size_t n)
{
	for (size_t i = 0; i < TRAP_NEAR; i++) {
		uint64_t a = r->t.addr - NEAR_BEFORE + i;
		if (a - addr >= n || (a ^ r->t.addr) >> 12)
			continue;
		r->near[i] = b[a - addr];
		r->near_known |= (uint16_t)(1u << i);
		if (i == NEAR_BEFORE) {
			r->orig = b[a - addr];
			r->orig_known = true;
		}
	}
}

/* What is known of the byte below without asking. */
static void learn_free(tgt *t, trap_rec *r)
{
	tgt_mem *m = tgt_mem_of(t);
	uint8_t b;
	if (r->t.as.kind == AS_CURRENT && r->t.addr - m->ev_pc < m->ev_n)
		near_from(r, m->ev_stream, m->ev_pc, m->ev_n);
	for (size_t i = 0; i < TRAP_NEAR; i++) {
		uint64_t a = r->t.addr - NEAR_BEFORE + i;
		if (mem_peek(t, r->t.as, a, &b, 1))
			near_from(r, &b, a, 1);
	}
}

/* Takes the trap out, looks, puts it back. */
static void learn(tgt *t, trap_rec *r)
{
	uint8_t b[TRAP_NEAR];
	uint64_t begin = r->t.addr - NEAR_BEFORE, page = r->t.addr & ~(uint64_t)(MEM_PAGE - 1);
	if (begin < page || begin > r->t.addr)
		begin = page;
	uint64_t end = r->t.addr + TRAP_NEAR - NEAR_BEFORE;
	if (end > page + MEM_PAGE || end < page)
		end = page + MEM_PAGE;
	size_t got = 0;
	if (r->orig_known || r->t.as.kind != AS_CURRENT || !t->ops->trap_del ||
		t->ops->trap_del(t, r->handle, NULL) != ERR_OK)
		return;
	if (t->ops->read(t, r->t.as, begin, b, (size_t)(end - begin), &got) == ERR_OK)
		near_from(r, b, begin, got);
	if (t->ops->trap_add(t, &r->t, &r->handle, NULL) != ERR_OK)
		r->state = r->state == TRAP_PENDING ? TRAP_FREE : TRAP_LOST;
}

/* Whether the bytes around [at] (the place of r's trap in b) are those around the trap. */
static bool near_match(const trap_rec *r, const uint8_t *b, size_t n, size_t at)
{
	unsigned same = 0;
	for (size_t i = 0; i < TRAP_NEAR; i++) {
		size_t j = at + i;
		if (i == NEAR_BEFORE || !(r->near_known >> i & 1) || j < NEAR_BEFORE ||
			j - NEAR_BEFORE >= n)
			continue;
		uint8_t c = b[j - NEAR_BEFORE];
		if (c != r->near[i] && c != BREAK)
			return false;
		same += c == r->near[i];
	}
	return same >= NEAR_NEED || n < TRAP_NEAR;
}

static void mask_at(tgt *t, trap_rec *r, uint8_t *b, size_t n, size_t at, bool sure)
{
	if (b[at] != BREAK)
		return;
	if (!r->orig_known)
		learn(t, r);
	if (!r->orig_known)
		return;
	if (sure || near_match(r, b, n, at))
		b[at] = r->orig;
}

void trap_mask(tgt *t, as_t as, uint64_t addr, uint8_t *b, size_t n)
{
	tgt_mem *m = t->mem;
	if (!m || !n)
		return;
	for (size_t i = 0; i < m->traps.n; i++) {
		trap_rec *r = &m->traps.p[i];
		if (!planted(r))
			continue;
		bool trap_phys = r->t.as.kind == AS_PHYS, view_phys = as.kind == AS_PHYS;
		if (trap_phys == view_phys) {
			if (r->t.addr - addr < n)
				mask_at(t, r, b, n, (size_t)(r->t.addr - addr),
					trap_phys || kernel_addr(r->t.addr));
			continue;
		}
		/* The same byte through another space: the same place in some page. */
		for (uint64_t at = (r->t.addr - addr) & (MEM_PAGE - 1); at < n; at += MEM_PAGE)
			mask_at(t, r, b, n, (size_t)at, false);
	}
}

bool trap_in_range(tgt *t, as_t as, uint64_t addr, uint64_t n)
{
	for (size_t i = 0; t->mem && i < t->mem->traps.n; i++) {
		const trap_rec *r = &t->mem->traps.p[i];
		if (planted(r) &&
			(r->t.as.kind == AS_PHYS || as.kind == AS_PHYS || r->t.addr - addr < n))
			return true;
	}
	return false;
}

/* ---- writes ---- */

static trap_rec *next_under(tgt *t, as_t as, uint64_t addr, size_t n, size_t from)
{
	trap_rec *best = NULL;
	for (size_t i = 0; t->mem && i < t->mem->traps.n; i++) {
		trap_rec *r = &t->mem->traps.p[i];
		bool same = (r->t.as.kind == AS_PHYS) == (as.kind == AS_PHYS);
		uint64_t off = r->t.addr - addr;
		if (planted(r) && same && off >= from && off < n &&
			(!best || off < best->t.addr - addr))
			best = r;
	}
	return best;
}

static err write_all(tgt *t, as_t as, uint64_t addr, const uint8_t *b, size_t n, size_t *n_ret)
{
	return n ? t->ops->write(t, as, addr, b, n, n_ret) : ERR_OK;
}

/* One byte that has a trap on it. */
static err write_byte(tgt *t, as_t as, trap_rec *r, uint8_t byte)
{
	size_t got;
	if (r->t.as.kind == AS_PHYS) { /* the byte below is ours to keep */
		r->orig = byte;
		r->orig_known = true;
		return ERR_OK;
	}
	TRY(t->ops->trap_del(t, r->handle, NULL));
	err e = t->ops->write(t, as, r->t.addr, &byte, 1, &got);
	err back = t->ops->trap_add(t, &r->t, &r->handle, NULL);
	if (back != ERR_OK)
		r->state = r->state == TRAP_PENDING ? TRAP_FREE : TRAP_LOST;
	if (e == ERR_OK) {
		r->orig = byte;
		r->orig_known = true;
	}
	return e;
}

err trap_write_under(tgt *t, as_t as, uint64_t addr, const uint8_t *b, size_t n, size_t *n_ret)
{
	size_t done = 0;
	err e = ERR_OK;
	while (done < n && e == ERR_OK) {
		trap_rec *r = next_under(t, as, addr, n, done);
		size_t until = r ? (size_t)(r->t.addr - addr) : n, got = 0;
		if (until > done) {
			e = write_all(t, as, addr + done, b + done, until - done, &got);
			if (e == ERR_OK)
				done += got;
			if (e == ERR_OK && done < until)
				break; /* short */
			continue;
		}
		e = write_byte(t, as, r, b[done]);
		if (e == ERR_OK)
			done++;
	}
	/* The neighbourhood by which a trap is recognised is now what was written. */
	for (size_t i = 0; t->mem && i < t->mem->traps.n; i++) {
		trap_rec *r = &t->mem->traps.p[i];
		if (!planted(r) || r->t.addr + TRAP_NEAR - addr >= n + 2 * TRAP_NEAR)
			continue;
		if ((r->t.as.kind == AS_PHYS) == (as.kind == AS_PHYS))
			near_from(r, b, addr, done);
		else
			r->near_known = 0;
	}
	if (!done && e != ERR_OK)
		return e;
	*n_ret = done;
	return ERR_OK;
}

/* ---- planting ---- */

static err phys_plant(tgt *t, trap_rec *r, diag *d)
{
	uint8_t cc = BREAK;
	size_t got;
	uint64_t begin = r->t.addr & ~(uint64_t)(MEM_LINE - 1);
	uint8_t line[MEM_LINE];
	if (!t->ops->write)
		return diag_set(d, ERR_UNSUPPORTED, "this target cannot be written");
	TRY(tgt_read_all(t, as_phys(), begin, line, sizeof line, d));
	near_from(r, line, begin, sizeof line);
	if (t->ops->write(t, as_phys(), r->t.addr, &cc, 1, &got) != ERR_OK)
		return diag_set(d, ERR_FAULT, "physical memory at %llx cannot be written",
			(unsigned long long)r->t.addr);
	return ERR_OK;
}

/* Puts the byte back, unless the page holds something else by now. */
static err phys_unplant(tgt *t, trap_rec *r, diag *d)
{
	uint8_t b;
	size_t got = 0;
	err e = t->ops->read(t, as_phys(), r->t.addr, &b, 1, &got);
	if (e == ERR_OK && b == BREAK)
		e = t->ops->write(t, as_phys(), r->t.addr, &r->orig, 1, &got);
	if (e != ERR_OK)
		return diag_set(d, e, "the breakpoint at physical %llx cannot be taken out",
			(unsigned long long)r->t.addr);
	return ERR_OK;
}

static bool by_us(const trap_rec *r)
{
	return r->t.kind == TGT_TRAP_SOFT && r->t.as.kind == AS_PHYS;
}

static err take_out(tgt *t, trap_rec *r, diag *d)
{
	err e = by_us(r) ? phys_unplant(t, r, d) : t->ops->trap_del(t, r->handle, d);
	if (e == ERR_NOTFOUND)
		e = ERR_OK;
	if (e == ERR_OK)
		r->state = TRAP_FREE;
	return e;
}

err trap_flush(tgt *t, diag *d)
{
	uint64_t handles[64];
	size_t n = 0;
	tgt_mem *m = t->mem;
	if (!m)
		return ERR_OK;
	for (size_t i = 0; i < m->traps.n && n < ARRAY_LEN(handles); i++)
		if (m->traps.p[i].state == TRAP_PENDING && !by_us(&m->traps.p[i]) &&
			m->traps.p[i].t.kind == TGT_TRAP_SOFT)
			handles[n++] = m->traps.p[i].handle;
	bool many = n > 1 && t->ops->trap_del_many &&
		    t->ops->trap_del_many(t, handles, n, NULL) == ERR_OK;
	for (size_t i = 0, k = 0; i < m->traps.n; i++) {
		trap_rec *r = &m->traps.p[i];
		if (r->state == TRAP_PENDING) {
			if (many && !by_us(r) && k < n && r->handle == handles[k]) {
				k++;
				r->state = TRAP_FREE;
				continue;
			}
			TRY(take_out(t, r, d));
		} else if (r->state == TRAP_LOST) {
			TRY(t->ops->trap_add(t, &r->t, &r->handle, d));
			r->state = TRAP_ARMED;
		}
	}
	return ERR_OK;
}

static trap_rec *slot(tgt_mem *m)
{
	for (size_t i = 0; i < m->traps.n; i++)
		if (m->traps.p[i].state == TRAP_FREE)
			return &m->traps.p[i];
	vec_push(&m->traps, (trap_rec){0});
	return &m->traps.p[m->traps.n - 1];
}

static bool same_trap(const tgt_trap *a, const tgt_trap *b)
{
	return a->kind == b->kind && a->as.kind == b->as.kind && a->as.id == b->as.id &&
	       a->addr == b->addr && (a->kind == TGT_TRAP_SOFT || a->size == b->size);
}

static err plant(tgt *t, trap_rec *r, diag *d)
{
	if (by_us(r))
		return phys_plant(t, r, d);
	if (!t->ops->trap_add)
		return diag_set(d, ERR_UNSUPPORTED, "this target has no breakpoints");
	err e = t->ops->trap_add(t, &r->t, &r->handle, d);
	return e;
}

err tgt_trap_add(tgt *t, const tgt_trap *trap, uint64_t *handle_ret, diag *d)
{
	tgt_mem *m = tgt_mem_of(t);
	for (size_t i = 0; i < m->traps.n; i++) {
		trap_rec *r = &m->traps.p[i];
		if (r->state == TRAP_FREE || !same_trap(&r->t, trap))
			continue;
		/* At a user address the entry belongs to the process of the stop it was made at. */
		bool ours = r->t.as.kind == AS_PHYS || backends_own(r) || kernel_addr(trap->addr) ||
			    r->gen == m->gen;
		if (r->state != TRAP_PENDING && ours)
			return diag_set(d, ERR_EXISTS, "there is such a trap already");
		if (r->state == TRAP_PENDING && ours) {
			r->state = TRAP_ARMED;
			*handle_ret = i + 1;
			return ERR_OK;
		}
		if (r->state == TRAP_PENDING)
			TRY(take_out(t, r, d));
	}
	trap_rec n = {.state = TRAP_ARMED, .t = *trap, .gen = m->gen};
	if (trap->kind == TGT_TRAP_SOFT && !backends_own(&n))
		learn_free(t, &n);
	err e = plant(t, &n, d);
	if (e == ERR_LIMIT || e == ERR_FAULT || e == ERR_EXISTS) {
		bool pending = false;
		for (size_t i = 0; i < m->traps.n; i++)
			pending |= m->traps.p[i].state == TRAP_PENDING;
		if (pending) {
			TRY(trap_flush(t, d));
			diag_clear(d);
			e = plant(t, &n, d);
		}
	}
	TRY(e);
	trap_rec *r = slot(m);
	*r = n;
	*handle_ret = (uint64_t)(r - m->traps.p) + 1;
	return ERR_OK;
}

err tgt_trap_del(tgt *t, uint64_t handle, diag *d)
{
	tgt_mem *m = tgt_mem_of(t);
	if (!handle || handle > m->traps.n)
		return diag_set(d, ERR_NOTFOUND, "no such trap");
	trap_rec *r = &m->traps.p[handle - 1];
	if (r->state == TRAP_LOST) {
		r->state = TRAP_FREE;
		return ERR_OK;
	}
	if (r->state != TRAP_ARMED)
		return diag_set(d, ERR_NOTFOUND, "no such trap");
	if (r->t.kind != TGT_TRAP_SOFT || backends_own(r))
		return take_out(t, r, d);
	r->state = TRAP_PENDING;
	return ERR_OK;
}

err tgt_pass(tgt *t, unit_t u, uint64_t handle, diag *d)
{
	tgt_mem *m = tgt_mem_of(t);
	if (!t->ops->pass || !handle || handle > m->traps.n ||
		m->traps.p[handle - 1].state != TRAP_ARMED)
		return ERR_UNSUPPORTED;
	return t->ops->pass(t, u, m->traps.p[handle - 1].handle, d);
}

uint64_t tgt_trap_in_register(tgt *t, unsigned i)
{
	tgt_mem *m = tgt_mem_of(t);
	for (size_t k = 0; k < m->traps.n; k++) {
		const trap_rec *r = &m->traps.p[k];
		/* Backends number hardware traps so that the low bits are the register. */
		if (r->state == TRAP_ARMED && r->t.kind != TGT_TRAP_SOFT && (r->handle & 3) == i)
			return k + 1;
	}
	return 0;
}

/* ---- stops ---- */

void trap_event(tgt *t, tgt_event *ev)
{
	tgt_mem *m = tgt_mem_of(t);
	if (ev->kind == TGT_EV_REBOOT) {
		m->traps.n = 0;
		m->ev_n = 0;
		m->la57 = -1;
		return;
	}
	/* With the image go its traps; the backend has forgotten them. */
	if (ev->kind == TGT_EV_PROCESS || ev->kind == TGT_EV_PROCESS_EXIT)
		for (size_t i = 0; i < m->traps.n; i++)
			if (backends_own(&m->traps.p[i]) && m->traps.p[i].t.as.id == ev->process_id)
				m->traps.p[i].state = TRAP_FREE;
	for (size_t i = 0; i < m->traps.n; i++) {
		trap_rec *r = &m->traps.p[i];
		if (r->t.kind != TGT_TRAP_SOFT || by_us(r) || !planted(r))
			continue;
		for (uint32_t j = 0; j < ev->n_dropped; j++)
			if (ev->dropped[j] == r->t.addr)
				r->state = TRAP_FREE;
	}
	if (ev->n_stream) {
		/* Without what the backend took out; what still stands may show. */
		for (size_t i = 0; i < m->traps.n; i++) {
			trap_rec *r = &m->traps.p[i];
			uint64_t at = r->t.addr - ev->pc;
			if (by_us(r))
				at &= MEM_PAGE - 1;
			if (planted(r) && r->orig_known && at < ev->n_stream)
				mask_at(t, r, ev->stream, ev->n_stream, (size_t)at, !by_us(r));
		}
		memcpy(m->ev_stream, ev->stream, sizeof m->ev_stream);
	}
	m->ev_pc = ev->pc;
	m->ev_n = ev->n_stream;
}

size_t trap_leave(tgt *t)
{
	tgt_mem *m = t->mem;
	size_t left = 0;
	if (!m)
		return 0;
	for (size_t i = 0; i < m->traps.n; i++)
		if (planted(&m->traps.p[i]) && by_us(&m->traps.p[i]))
			left += take_out(t, &m->traps.p[i], NULL) != ERR_OK;
	(void)!trap_flush(t, NULL);
	return left;
}
