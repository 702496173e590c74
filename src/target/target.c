/*
 * target: the functions that callers use, over whatever backend there is. See target.h.
 *
 * An absent function answers "not supported". Searching and filling are done by reading and writing
 * where the backend cannot do them.
 */
#include "target/mem_int.h"

enum { SEARCH_STEP = 32768, FILL_STEP = 16384 };

static err absent(const tgt *t, diag *d, const char *what)
{
	return diag_set(d, ERR_UNSUPPORTED, "%s is not possible with this kind of target (%s)",
		what, t->ops->name);
}

void tgt_leave_begin(tgt *t)
{
	t->leaving = true;
	t->host.cancel = NULL;
}

size_t tgt_close(tgt *t, tgt_leave how)
{
	size_t left = 0;
	if (!t)
		return 0;
	tgt_leave_begin(t);
	if (how == TGT_DETACH)
		left = trap_leave(t);
	tgt_mem_free(t);
	if (t->ops->close)
		left += t->ops->close(t, how);
	else
		mem_free(t);
	return left;
}

void tgt_caps_get(tgt *t, tgt_caps *ret)
{
	*ret = (tgt_caps){0};
	if (t->ops->caps)
		t->ops->caps(t, ret);
}

/* What the page tables say, for targets that cannot be asked. */
static err memory_info(tgt *t, tgt_memory_info *mi, diag *d)
{
	x64_regs r = {0};
	x64_walk w;
	TRY(tgt_regs_get(t, 0, X64_SET_SPECIAL, &r, d));
	mi->space = mi->addr >> 63 ? 2 : 0;
	mi->flags = 0;
	err e = tgt_translate(t, r.cr3, mi->addr, &w, NULL);
	if (e == ERR_OK)
		mi->flags = 1u | (w.writable ? 2u : 0) | (w.executable ? 4u : 0);
	return e == ERR_FAULT ? ERR_OK : e;
}

err tgt_query(tgt *t, tgt_fact f, void *ret, size_t size, diag *d)
{
	if (!t->ops->query)
		return absent(t, d, "this query");
	err e = t->ops->query(t, f, ret, size, d);
	if (e != ERR_UNSUPPORTED || f != TGT_F_MEMORY || size != sizeof(tgt_memory_info))
		return e;
	diag_clear(d);
	return memory_info(t, ret, d);
}

err tgt_regs_get(tgt *t, unit_t u, unsigned sets, x64_regs *r, diag *d)
{
	return t->ops->regs_get ? t->ops->regs_get(t, u, sets, r, d)
				: absent(t, d, "reading registers");
}

err tgt_regs_set(tgt *t, unit_t u, unsigned sets, const x64_regs *r, diag *d)
{
	return t->ops->regs_set ? t->ops->regs_set(t, u, sets, r, d)
				: absent(t, d, "writing registers");
}

err tgt_resume(tgt *t, const tgt_run *how, diag *d)
{
	if (!t->ops->resume)
		return absent(t, d, "running");
	TRY(trap_flush(t, d));
	mem_drop(t);
	return t->ops->resume(t, how, d);
}

err tgt_wait(tgt *t, int timeout_ms, tgt_event *ret, diag *d)
{
	if (!t->ops->wait)
		return absent(t, d, "waiting for events");
	TRY(t->ops->wait(t, timeout_ms, ret, d));
	switch (ret->kind) {
	case TGT_EV_EXCEPTION:
	case TGT_EV_LOAD:
	case TGT_EV_UNLOAD:
	case TGT_EV_PROCESS:
	case TGT_EV_PROCESS_EXIT:
	case TGT_EV_THREAD:
	case TGT_EV_THREAD_EXIT:
	case TGT_EV_COMMAND:
		mem_drop(t);
		tgt_mem_of(t)->gen++;
		trap_event(t, ret);
		break;
	case TGT_EV_REBOOT:
		mem_drop(t);
		trap_event(t, ret);
		break;
	default:
		break;
	}
	return ERR_OK;
}

err tgt_answer(tgt *t, str text, diag *d)
{
	return t->ops->answer ? t->ops->answer(t, text, d) : absent(t, d, "answering");
}

err tgt_ctl(tgt *t, tgt_ctl_code c, uint64_t arg, diag *d)
{
	if (!t->ops->ctl)
		return absent(t, d, "this");
	/* Where the other processor stands the target may drop what we only think of as out. */
	if (c == TGT_CTL_SWITCH)
		TRY(trap_flush(t, d));
	err e = t->ops->ctl(t, c, arg, d);
	/* Another processor sees other memory. */
	if (e == ERR_OK && c == TGT_CTL_SWITCH)
		mem_drop(t);
	return e;
}

void tgt_interrupt(tgt *t)
{
	if (t->ops->interrupt)
		t->ops->interrupt(t);
}

void tgt_describe(tgt *t, buf *out)
{
	if (t->ops->describe)
		t->ops->describe(t, out);
}

/* ---- user mode ---- */

err tgt_halt(tgt *t, diag *d)
{
	return t->ops->halt ? t->ops->halt(t, d) : ERR_OK;
}

err tgt_reg_get(tgt *t, unit_t u, const x64_reg *reg, uint64_t *ret, diag *d)
{
	x64_regs r = {0};
	if (t->ops->reg_get)
		return t->ops->reg_get(t, u, reg, ret, d);
	TRY(tgt_regs_get(t, u, reg->set, &r, d));
	*ret = x64_reg_get(&r, reg);
	return ERR_OK;
}

err tgt_units(tgt *t, uint64_t process_id, tgt_unit *ret, size_t cap, size_t *n_ret)
{
	return t->ops->units ? t->ops->units(t, process_id, ret, cap, n_ret) : ERR_UNSUPPORTED;
}

err tgt_processes(tgt *t, uint64_t *ret, size_t cap, size_t *n_ret)
{
	return t->ops->processes ? t->ops->processes(t, ret, cap, n_ret) : ERR_UNSUPPORTED;
}

err tgt_freeze(tgt *t, unit_t u, bool on, diag *d)
{
	return t->ops->freeze ? t->ops->freeze(t, u, on, d) : absent(t, d, "freezing a thread");
}

err tgt_info_get(tgt *t, tgt_info what, uint64_t id, buf *ret, diag *d)
{
	return t->ops->info ? t->ops->info(t, what, id, ret, d)
			    : absent(t, d, "asking about a process");
}

err tgt_process_create(tgt *t, const tgt_create *how, uint64_t *process_id, diag *d)
{
	return t->ops->create ? t->ops->create(t, how, process_id, d)
			      : absent(t, d, "starting a process");
}

err tgt_process_attach(tgt *t, uint64_t process_id, bool noninvasive, diag *d)
{
	return t->ops->attach ? t->ops->attach(t, process_id, noninvasive, d)
			      : absent(t, d, "attaching to a process");
}

err tgt_process_part(tgt *t, uint64_t process_id, tgt_leave how, diag *d)
{
	if (!t->ops->part)
		return absent(t, d, "leaving one process");
	mem_drop(t);
	return t->ops->part(t, process_id, how, d);
}

err tgt_follow_children(tgt *t, bool on, diag *d)
{
	return t->ops->follow_children ? t->ops->follow_children(t, on, d)
				       : absent(t, d, "following children");
}

err tgt_serve(tgt *t, unit_t u, const tgt_service *s, uint64_t *ret, diag *d)
{
	if (!t->ops->service)
		return absent(t, d, "work in a process's name");
	mem_drop(t);
	return t->ops->service(t, u, s, ret, d);
}

/* ---- searching and filling ---- */

static err search_by_reading(tgt *t, as_t as, uint64_t addr, uint64_t n, const uint8_t *pat,
	size_t plen, uint64_t *ret, diag *d)
{
	uint8_t *b = mem_alloc(SEARCH_STEP + plen);
	size_t have = 0; /* bytes before `at` that may begin a match */
	uint64_t at = addr, end = addr + n;
	err e = ERR_NOTFOUND;
	while (at != end) {
		size_t want = end - at < SEARCH_STEP ? (size_t)(end - at) : SEARCH_STEP, got = 0;
		err r = tgt_read(t, as, at, b + have, want, &got, NULL);
		if (r != ERR_OK && r != ERR_FAULT) {
			e = r;
			break;
		}
		if (r == ERR_FAULT) { /* skip the page */
			uint64_t next = (at & ~(uint64_t)(MEM_PAGE - 1)) + MEM_PAGE;
			have = 0;
			if (next <= at || end - at <= next - at)
				break;
			at = next;
			continue;
		}
		size_t total = have + got;
		const uint8_t *hit = total >= plen ? memmem(b, total, pat, plen) : NULL;
		if (hit) {
			*ret = at - have + (uint64_t)(hit - b);
			e = ERR_OK;
			break;
		}
		size_t keep = total < plen - 1 ? total : plen - 1;
		memmove(b, b + total - keep, keep);
		have = keep;
		at += got;
	}
	mem_free(b);
	if (e == ERR_NOTFOUND)
		return diag_set(d, e, "the pattern is not there");
	return e == ERR_OK ? e : diag_set(d, e, "searching: %s", err_name(e));
}

err tgt_search(tgt *t, as_t as, uint64_t addr, uint64_t n, const void *pattern, size_t plen,
	uint64_t *ret, diag *d)
{
	if (!plen || plen > SEARCH_STEP)
		return diag_set(d, ERR_ARG, "a pattern has 1 to %d bytes", SEARCH_STEP);
	if (n < plen)
		return diag_set(d, ERR_NOTFOUND, "the pattern is longer than the range");
	/* The target itself would find planted bytes. */
	if (t->ops->search && !trap_in_range(t, as, addr, n)) {
		err e = t->ops->search(t, as, addr, n, pattern, plen, ret, d);
		if (e != ERR_UNSUPPORTED && e != ERR_ARG)
			return e;
	}
	return search_by_reading(t, as, addr, n, pattern, plen, ret, d);
}

err tgt_fill(tgt *t, as_t as, uint64_t addr, uint64_t n, const void *pattern, size_t plen, diag *d)
{
	if (!plen || plen > FILL_STEP)
		return diag_set(d, ERR_ARG, "a pattern has 1 to %d bytes", FILL_STEP);
	if (!n)
		return ERR_OK;
	if (t->ops->fill && !trap_in_range(t, as, addr, n)) {
		err e = t->ops->fill(t, as, addr, n, pattern, plen, d);
		if (e == ERR_OK)
			mem_drop(t);
		if (e != ERR_UNSUPPORTED)
			return e;
		diag_clear(d);
	}
	uint8_t *b = mem_alloc(FILL_STEP + plen);
	size_t unit = FILL_STEP / plen * plen;
	for (size_t i = 0; i < unit; i += plen)
		memcpy(b + i, pattern, plen);
	err e = ERR_OK;
	uint64_t done = 0;
	while (done < n && e == ERR_OK) {
		size_t phase = (size_t)(done % plen), want = unit - phase, got = 0;
		if (n - done < want)
			want = (size_t)(n - done);
		e = tgt_write(t, as, addr + done, b + phase, want, &got, d);
		done += got;
	}
	mem_free(b);
	return e;
}
