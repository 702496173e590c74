/*
 * pt_trap: break instructions in processes, and debug registers of all their threads. See pt.h.
 *
 * A site outlives its byte: what was learnt of its instruction (pt_pass.c) serves again when the
 * byte comes back, if the instruction is still the same.
 *
 * A byte is put back only where ours still stands: a program that has written its own code over a
 * trap keeps it.
 *
 * Debug registers belong to threads: each thread of a process gets the same, new ones when they
 * first stop, before they have run an instruction. (Linux: ptrace_set_debugreg,
 * arch/x86/kernel/ptrace.c; layout of dr7: Intel SDM volume 3, 17.2.4.)
 */
#include "target/ptrace/pt.h"

#include <errno.h>

/* ---- sites ---- */

size_t pt_site_lower(const pt_space *s, uint64_t addr)
{
	size_t lo = 0, hi = s->sites.n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (s->sites.p[mid]->addr < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

pt_site *pt_site_at(pt_space *s, uint64_t addr)
{
	return map_get(&s->at, addr);
}

static bool in_use(const pt *p, const pt_space *s, const pt_site *k)
{
	if (k->planted || k->users || k->inner)
		return true;
	for (size_t i = 0; i < p->proc_list.n; i++) {
		const pt_proc *pr = p->proc_list.p[i];
		for (size_t j = 0; pr->space == s && j < pr->threads.n; j++)
			if (pr->threads.p[j]->pass == k || pr->threads.p[j]->in == k)
				return true;
	}
	return false;
}

/* What was learnt of places that have no trap any more: libraries come and go. */
static void forget_unused(pt *p, pt_space *s)
{
	size_t kept = 0;
	for (size_t i = 0; i < s->sites.n; i++) {
		pt_site *k = s->sites.p[i];
		if (in_use(p, s, k)) {
			s->sites.p[kept++] = k;
			continue;
		}
		if (k->slot)
			vec_push(&s->free_slots, k->slot);
		mem_free(k);
	}
	s->sites.n = kept;
}

static pt_site *site_get(pt *p, pt_space *s, uint64_t addr)
{
	size_t i = pt_site_lower(s, addr);
	if (i < s->sites.n && s->sites.p[i]->addr == addr)
		return s->sites.p[i];
	if (s->sites.n >= PT_SITES_KEEP && s->n_planted < s->sites.n / 2) {
		forget_unused(p, s);
		i = pt_site_lower(s, addr);
	}
	if (s->sites.n >= PT_SITES_MAX)
		return NULL;
	pt_site *k = mem_alloc(sizeof *k);
	k->addr = addr;
	vec_push(&s->sites, k);
	memmove(s->sites.p + i + 1, s->sites.p + i, (s->sites.n - 1 - i) * sizeof *s->sites.p);
	s->sites.p[i] = k;
	return k;
}

/* Is there a guard that has to know? One for each attached process of the space. */
static bool guard_byte(pt *p, pt_space *s, const pt_site *k, bool on)
{
	bool ok = true;
	for (size_t i = 0; i < p->proc_list.n; i++)
		if (p->proc_list.p[i]->space == s && p->proc_list.p[i]->guard)
			ok &= pt_guard_byte(p->proc_list.p[i], k->addr, k->orig, on);
	return ok;
}

static err plant(pt *p, pt_space *s, pt_site *k, diag *d)
{
	uint8_t b[X64_INSN_MAX], cc = PT_BREAK;
	size_t n = pt_raw_read(s, k->addr, b, sizeof b);
	if (!n)
		return diag_set(d, ERR_FAULT, "memory at %08x`%08x cannot be read",
			(uint32_t)(k->addr >> 32), (uint32_t)k->addr);
	k->orig = b[0];
	/* Neighbours may be planted: what is known of the instruction has their own bytes. */
	for (size_t i = 1; i < n && s->n_planted; i++) {
		pt_site *o = b[i] == PT_BREAK ? pt_site_at(s, k->addr + i) : NULL;
		if (o)
			b[i] = o->orig;
	}
	if (k->how != PT_HOW_UNKNOWN && (n < k->len || memcmp(b, k->bytes, k->len) != 0))
		k->how = PT_HOW_UNKNOWN;
	if (!guard_byte(p, s, k, true))
		return diag_set(d, ERR_LIMIT, "there are %d breakpoints in the process already",
			PT_SITES_MAX);
	if (pt_raw_write(s, k->addr, &cc, 1) != 1) {
		guard_byte(p, s, k, false);
		return diag_set(d, ERR_FAULT, "memory at %08x`%08x cannot be written",
			(uint32_t)(k->addr >> 32), (uint32_t)k->addr);
	}
	k->planted = true;
	s->n_planted++;
	map_set(&s->at, k->addr, k);
	return ERR_OK;
}

static void unplant(pt *p, pt_space *s, pt_site *k)
{
	uint8_t b;
	if (!k->planted)
		return;
	if (pt_raw_read(s, k->addr, &b, 1) == 1 && b == PT_BREAK && k->orig != PT_BREAK)
		(void)!pt_raw_write(s, k->addr, &k->orig, 1);
	k->planted = false;
	s->n_planted--;
	map_del(&s->at, k->addr);
	guard_byte(p, s, k, false);
}

static err site_use(pt *p, pt_proc *pr, uint64_t addr, bool inner, pt_site **ret, diag *d)
{
	pt_site *k = site_get(p, pr->space, addr);
	if (!k)
		return diag_set(d, ERR_LIMIT, "there are %d breakpoints in the process already",
			PT_SITES_MAX);
	if (!k->planted)
		TRY(plant(p, pr->space, k, d));
	if (inner)
		k->inner++;
	else
		k->users++;
	*ret = k;
	return ERR_OK;
}

err pt_site_inner(pt *p, pt_proc *pr, uint64_t addr, pt_site **ret)
{
	return site_use(p, pr, addr, true, ret, NULL);
}

void pt_site_release(pt *p, pt_proc *pr, pt_site *s, bool inner)
{
	uint32_t *n = inner ? &s->inner : &s->users;
	if (*n)
		--*n;
	if (!s->inner && !s->users)
		unplant(p, pr->space, s);
}

/* Did the caller ask for a trap there in this process (and not in another that shares memory)? */
bool pt_site_wanted(pt *p, const pt_proc *pr, const pt_site *s)
{
	if (!s->users)
		return false;
	if (pr->space->refs == 1)
		return true;
	for (map_entry *e = NULL; (e = map_next(&p->traps, e));) {
		const pt_trap *t = e->val;
		if (t->site == s && t->pid == pr->pid)
			return true;
	}
	return false;
}

/* ---- debug registers ---- */

static uint64_t dr7_of(const pt_proc *pr)
{
	static const uint8_t type[] = {
		[TGT_TRAP_EXEC] = 0, [TGT_TRAP_WRITE] = 1, [TGT_TRAP_RW] = 3};
	static const uint8_t len[] = {[1] = 0, [2] = 1, [4] = 3, [8] = 2};
	uint64_t v = 0;
	for (unsigned i = 0; i < PT_HARD; i++) {
		const pt_hard *h = &pr->hard[i];
		if (h->handle)
			v |= 1ull << (2 * i) | (uint64_t)type[h->kind] << (16 + 4 * i) |
			     (uint64_t)len[h->size] << (18 + 4 * i);
	}
	return v;
}

static bool hard_write(pt_thread *th)
{
	const pt_proc *pr = th->proc;
	uint64_t v = dr7_of(pr);
	if (!pt_dr_set(th, 7, 0))
		return false;
	for (unsigned i = 0; i < PT_HARD; i++)
		if (pr->hard[i].handle && !pt_dr_set(th, i, pr->hard[i].addr))
			return false;
	return !v || pt_dr_set(th, 7, v);
}

void pt_hard_apply(pt *p, pt_thread *th)
{
	(void)p;
	(void)!hard_write(th);
}

/* Registers of ours whose condition was met at this stop, as bits; dr6 is cleared. */
unsigned pt_hard_hit(pt *p, pt_thread *th, uint64_t *dr6)
{
	unsigned ours = 0;
	uint64_t v = 0;
	(void)p;
	for (unsigned i = 0; i < PT_HARD; i++)
		ours |= th->proc->hard[i].handle ? 1u << i : 0;
	if (!ours || !pt_dr_get(th, 6, &v))
		return 0;
	if (v & 15)
		(void)!pt_dr_set(th, 6, 0);
	*dr6 = v;
	return (unsigned)v & ours;
}

/* Prefers a number that no other process uses: a dr6 bit then tells the trap by itself. */
static int hard_free(pt *p, const pt_proc *pr)
{
	int any = -1;
	for (int i = 0; i < PT_HARD; i++) {
		bool elsewhere = false;
		if (pr->hard[i].handle)
			continue;
		for (size_t k = 0; k < p->proc_list.n; k++)
			elsewhere |= p->proc_list.p[k]->hard[i].handle != 0;
		if (!elsewhere)
			return i;
		if (any < 0)
			any = i;
	}
	return any;
}

static err hard_spread(pt *p, pt_proc *pr, diag *d)
{
	TRY(pt_halt_proc(p, pr, d));
	for (size_t i = 0; i < pr->threads.n; i++) {
		pt_thread *th = pr->threads.p[i];
		if (th->state == PT_STOPPED && !hard_write(th) && errno != ESRCH)
			return diag_set(
				d, ERR_ARG, "the system refuses this address: %s", strerror(errno));
	}
	return ERR_OK;
}

static err hard_add(pt *p, pt_proc *pr, const tgt_trap *t, uint64_t *handle_ret, diag *d)
{
	int i = hard_free(p, pr);
	if (t->kind == TGT_TRAP_IO)
		return diag_set(d, ERR_UNSUPPORTED, "user mode has no I/O breakpoints");
	if (i < 0)
		return diag_set(d, ERR_LIMIT,
			"all %d debug registers of process %d are in use; take a data breakpoint "
			"out first",
			PT_HARD, (int)pr->pid);
	if ((t->size != 1 && t->size != 2 && t->size != 4 && t->size != 8) ||
		(t->kind == TGT_TRAP_EXEC && t->size != 1))
		return diag_set(d, ERR_ARG, "a debug register watches 1, 2, 4 or 8 bytes");
	if (t->addr & (t->size - 1))
		return diag_set(
			d, ERR_ARG, "%u bytes must begin at a multiple of %u", t->size, t->size);
	pt_hard *h = &pr->hard[i];
	uint64_t handle = ++p->next_handle << 3 | (uint64_t)i;
	*h = (pt_hard){handle, t->addr, t->size, t->kind};
	err e = hard_spread(p, pr, d);
	if (e != ERR_OK) {
		*h = (pt_hard){0};
		(void)!hard_spread(p, pr, NULL);
		return e;
	}
	pr->n_hard++;
	pt_guard_hard(pr, true);
	*handle_ret = handle;
	return ERR_OK;
}

static void hard_del(pt *p, pt_proc *pr, uint64_t handle)
{
	bool any = false;
	for (unsigned i = 0; i < PT_HARD; i++) {
		if (pr->hard[i].handle == handle)
			pr->hard[i] = (pt_hard){0}, pr->n_hard--;
		any |= pr->hard[i].handle != 0;
	}
	(void)!hard_spread(p, pr, NULL);
	if (!any)
		pt_guard_hard(pr, false);
}

/* ---- traps ---- */

err pt_trap_add(tgt *t, const tgt_trap *trap, uint64_t *handle_ret, diag *d)
{
	pt *p = pt_of(t);
	pt_proc *pr;
	pt_site *s = NULL;
	uint64_t handle = 0;
	err e = pt_current(p, trap->as, &pr);
	if (e == ERR_FAULT)
		return diag_set(d, ERR_NOTFOUND, "there is no such process");
	if (e != ERR_OK)
		return diag_set(d, e, "breakpoints are set in processes");
	if (pr->look_only)
		return diag_set(d, ERR_UNSUPPORTED,
			"process %d was attached to without a right to change it", (int)pr->pid);
	if (trap->kind == TGT_TRAP_SOFT) {
		TRY(site_use(p, pr, trap->addr, false, &s, d));
		handle = ++p->next_handle << 3 | 4;
	} else {
		TRY(hard_add(p, pr, trap, &handle, d));
	}
	pt_trap *n = mem_alloc(sizeof *n);
	*n = (pt_trap){handle, *trap, pr->pid, s};
	map_set(&p->traps, handle, n);
	*handle_ret = handle;
	return ERR_OK;
}

err pt_trap_del(tgt *t, uint64_t handle, diag *d)
{
	pt *p = pt_of(t);
	pt_trap *k = map_get(&p->traps, handle);
	pt_proc *pr = k ? pt_proc_find(p, k->pid) : NULL;
	if (!k)
		return diag_set(d, ERR_NOTFOUND, "no such trap");
	map_del(&p->traps, handle);
	if (pr && k->site)
		pt_site_release(p, pr, k->site, false);
	else if (pr)
		hard_del(p, pr, handle);
	mem_free(k);
	return ERR_OK;
}

/* The handles of a process become void; nothing is written. */
void pt_traps_forget(pt *p, pt_proc *pr)
{
	VEC(uint64_t) dead = {0};
	for (map_entry *e = NULL; (e = map_next(&p->traps, e));) {
		pt_trap *k = e->val;
		if (k->pid == pr->pid)
			vec_push(&dead, k->handle);
	}
	for (size_t i = 0; i < dead.n; i++) {
		pt_trap *k = map_get(&p->traps, dead.p[i]);
		if (k->site && pr->space && pr->space->refs > 1)
			pt_site_release(p, pr, k->site, false);
		map_del(&p->traps, dead.p[i]);
		mem_free(k);
	}
	vec_deinit(&dead);
	memset(pr->hard, 0, sizeof pr->hard);
	pr->n_hard = 0;
}

void pt_traps_out(pt *p, pt_proc *pr)
{
	bool any = false;
	for (unsigned i = 0; i < PT_HARD; i++) {
		any |= pr->hard[i].handle != 0;
		pr->hard[i] = (pt_hard){0};
	}
	pr->n_hard = 0;
	if (any)
		(void)!hard_spread(p, pr, NULL);
	if (pr->space->refs > 1) { /* somebody else still wants the others */
		pt_traps_forget(p, pr);
	} else {
		for (size_t i = 0; i < pr->space->sites.n; i++) {
			pt_site *k = pr->space->sites.p[i];
			k->users = k->inner = 0;
			unplant(p, pr->space, k);
		}
	}
	pr->entry_site = pr->brk_site = NULL;
}
