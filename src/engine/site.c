/*
 * site: where bytes and debug registers go. Several breakpoints share one.
 *
 *          site_get                 sites_arm                    stop is shown, last put
 *   (none) --------> IDLE ----------------------> ARMED ------------------------------> IDLE
 *                      \--- target refuses --> ERROR (said once, tried again at each resume)
 *
 * Invariant: while a stop is shown, no site is ARMED. A hit that is passed over leaves them in:
 * views are masked by the target room, and the fewest packets pass.
 *
 * A byte at a user address is planted by us, in the physical page that the current process (or the
 * one that the site names) maps there. The kernel's own table forgets which process an entry
 * belongs to: taken out while another one is current, some kernels write the saved byte into the
 * wrong process. Where the page is absent or physical memory cannot be written, the kernel's table
 * serves.
 */
#include "engine/internal.h"

#include <stdio.h>

struct bp_table *bp_table_create(void)
{
	return mem_alloc(sizeof(struct bp_table));
}

void bp_table_destroy(engine *e)
{
	struct bp_table *t = e->bps;
	if (!t)
		return;
	for (size_t i = 0; i < t->bps.n; i++) {
		arena_deinit(&t->bps.p[i]->mem);
		mem_free(t->bps.p[i]);
	}
	for (size_t i = 0; i < t->sites.n; i++)
		mem_free(t->sites.p[i]);
	vec_deinit(&t->bps);
	vec_deinit(&t->sites);
	mem_free(t);
	e->bps = NULL;
}

site *site_get(engine *e, tgt_trap_kind kind, as_t as, uint64_t addr, uint32_t size)
{
	struct bp_table *t = e->bps;
	for (size_t i = 0; i < t->sites.n; i++) {
		site *s = t->sites.p[i];
		if (s->kind == kind && s->as.kind == as.kind && s->as.id == as.id &&
			s->addr == addr && s->size == size) {
			s->refs++;
			return s;
		}
	}
	site *s = mem_alloc(sizeof *s);
	*s = (site){.kind = kind, .as = as, .addr = addr, .size = size, .refs = 1};
	vec_push(&t->sites, s);
	return s;
}

/* Another site whose byte is this one: processes share the pages of an image. */
static const site *sharer(engine *e, const site *but, uint64_t phys)
{
	struct bp_table *t = e->bps;
	for (size_t i = 0; i < t->sites.n; i++) {
		const site *s = t->sites.p[i];
		if (s != but && s->own && s->state == SITE_ARMED && s->phys == phys)
			return s;
	}
	return NULL;
}

static void disarm(engine *e, site *s)
{
	diag d = {0};
	if (s->state != SITE_ARMED)
		return;
	s->state = SITE_IDLE;
	if (!e->t || (s->own && sharer(e, s, s->phys)))
		return;
	if (tgt_trap_del(e->t, s->handle, &d) != ERR_OK) {
		out_as(e, OUT_ERROR, "Unable to remove breakpoint at %s: %s\n",
			out_addr(e, s->addr), d.text);
		return;
	}
	if (s->own)
		journal_retire(e, s->phys);
}

void site_put(engine *e, site *s)
{
	struct bp_table *t = e->bps;
	if (!s || --s->refs)
		return;
	disarm(e, s);
	if (s->kind == TGT_TRAP_SOFT)
		t->gone[t->n_gone++ % GONE_MAX] = s->addr;
	for (size_t i = 0; i < t->sites.n; i++)
		if (t->sites.p[i] == s) {
			vec_remove(&t->sites, i);
			break;
		}
	mem_free(s);
}

/* A byte in the page that root maps at the site; ERR_FAULT if the page is not there. */
static err arm_own(engine *e, site *s, uint64_t root, diag *d)
{
	x64_walk w = {0};
	uint8_t original = 0;
	size_t got = 0;

	err r = tgt_translate(e->t, root, s->addr, &w, d);
	if (r != ERR_OK || !w.present)
		return diag_set(d, ERR_FAULT, "the page is not resident");
	const site *there = sharer(e, s, w.phys);
	if (there) {
		s->handle = there->handle;
		s->own = true;
		s->phys = w.phys;
		s->original = there->original;
		s->state = SITE_ARMED;
		return ERR_OK;
	}
	TRY(tgt_read(e->t, as_phys(), w.phys, &original, 1, &got, d));
	/* Journal first: a crash between the two leaves an entry that mends nothing, not a byte
	 * that nobody knows of. */
	TRY(journal_add(e, w.phys, original, 0xcc, d));
	tgt_trap trap = {TGT_TRAP_SOFT, as_phys(), w.phys, 0};
	r = tgt_trap_add(e->t, &trap, &s->handle, d);
	if (r != ERR_OK) {
		journal_del(e, w.phys);
		return r;
	}
	s->own = true;
	s->phys = w.phys;
	s->original = original;
	s->state = SITE_ARMED;
	return ERR_OK;
}

static err arm_in_table(engine *e, site *s, diag *d)
{
	tgt_trap trap = {s->kind, s->as, s->addr, s->size};
	TRY(tgt_trap_add(e->t, &trap, &s->handle, d));
	s->own = false;
	s->state = SITE_ARMED;
	return ERR_OK;
}

/* In which page tables a byte of ours belongs; false: the target's own table plants it. */
static bool own_root(engine *e, const site *s, uint64_t *root)
{
	x64_regs r = {0};
	if (s->as.kind == AS_ROOT) {
		*root = s->as.id;
		return true;
	}
	if (e->mode != ENG_KERNEL || s->kind != TGT_TRAP_SOFT || !e->caps.phys_write ||
		!eng_is_user(e, s->addr))
		return false;
	if (tgt_regs_get(e->t, e->ev.unit, X64_SET_SPECIAL, &r, NULL) != ERR_OK)
		return false;
	*root = r.cr3;
	return true;
}

static void arm(engine *e, site *s)
{
	diag d = {0};
	uint64_t root;
	err r = ERR_FAULT;

	if (own_root(e, s, &root))
		r = arm_own(e, s, root, &d);
	if (s->as.kind == AS_ROOT) {
		s->absent = r == ERR_FAULT;
		if (s->absent)
			return; /* waits for the page: bl says so */
	} else if (r != ERR_OK) {
		r = arm_in_table(e, s, &d);
	}
	if (r == ERR_OK) {
		s->why[0] = 0;
		return;
	}
	bool said = s->state == SITE_ERROR && s->why[0];
	s->state = SITE_ERROR;
	snprintf(s->why, sizeof s->why, "%.150s", d.text);
	if (!said)
		out_as(e, OUT_ERROR, "Unable to insert breakpoint at %s: %s\n",
			out_addr(e, s->addr), s->why);
}

static void arm_kind(engine *e, const site *but, bool user)
{
	struct bp_table *t = e->bps;
	for (size_t i = 0; i < t->sites.n; i++) {
		site *s = t->sites.p[i];
		/* The same byte may be wanted by a site of another space at this address: leave it
		 * out together with `but`. */
		bool out_now = but && s->kind == TGT_TRAP_SOFT && s->addr == but->addr;
		if (eng_is_user(e, s->addr) != user)
			continue;
		if (out_now)
			disarm(e, s);
		else if (s->state != SITE_ARMED)
			arm(e, s);
	}
}

void sites_arm(engine *e, const site *but)
{
	/* Physical bytes go in last and come out first: the target's own table must never save one
	 * of ours as the original. */
	arm_kind(e, but, false);
	arm_kind(e, but, true);
	e->bps->armed = true;
}

void sites_disarm(engine *e)
{
	struct bp_table *t = e->bps;
	for (size_t i = 0; i < t->sites.n; i++)
		if (t->sites.p[i]->own)
			disarm(e, t->sites.p[i]);
	for (size_t i = 0; i < t->sites.n; i++)
		disarm(e, t->sites.p[i]);
	t->armed = false;
}

void sites_dropped(engine *e, const tgt_event *ev)
{
	struct bp_table *t = e->bps;
	for (uint32_t k = 0; k < ev->n_dropped; k++)
		for (size_t i = 0; i < t->sites.n; i++) {
			site *s = t->sites.p[i];
			if (s->state == SITE_ARMED && !s->own && s->kind == TGT_TRAP_SOFT &&
				s->addr == ev->dropped[k])
				s->state = SITE_IDLE;
		}
}

void sites_void(engine *e)
{
	struct bp_table *t = e->bps;
	for (size_t i = 0; i < t->sites.n; i++)
		t->sites.p[i]->state = SITE_IDLE;
	t->armed = false;
}

void sites_process_void(engine *e, uint64_t pid)
{
	struct bp_table *t = e->bps;
	for (size_t i = 0; i < t->sites.n; i++)
		if (t->sites.p[i]->as.kind == AS_PROCESS && t->sites.p[i]->as.id == pid)
			t->sites.p[i]->state = SITE_IDLE;
}

bool site_in_process(const site *s, const tgt_event *ev)
{
	return s->as.kind != AS_PROCESS || s->as.id == ev->process_id;
}

site *site_at(engine *e, uint64_t pc)
{
	struct bp_table *t = e->bps;
	for (size_t i = 0; i < t->sites.n; i++) {
		site *s = t->sites.p[i];
		if (s->kind == TGT_TRAP_SOFT && s->addr == pc && !s->absent &&
			site_in_process(s, &e->ev))
			return s;
	}
	return NULL;
}

bool site_was_at(engine *e, uint64_t pc)
{
	const struct bp_table *t = e->bps;
	for (unsigned i = 0; i < t->n_gone && i < GONE_MAX; i++)
		if (t->gone[i] == pc)
			return true;
	return false;
}

site *site_hard(engine *e, uint64_t dr6)
{
	struct bp_table *t = e->bps;
	for (unsigned reg = 0; reg < 4; reg++) {
		uint64_t handle = dr6 >> reg & 1 ? tgt_trap_in_register(e->t, reg) : 0;
		for (size_t i = 0; handle && i < t->sites.n; i++) {
			site *s = t->sites.p[i];
			if (s->kind != TGT_TRAP_SOFT && s->state == SITE_ARMED &&
				s->handle == handle)
				return s;
		}
	}
	return NULL;
}
