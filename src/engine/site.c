/*
 * site: where bytes and debug registers go. Several breakpoints share one.
 *
 *          site_get                 sites_arm                    stop is shown, last put
 *   (none) --------> IDLE ----------------------> ARMED ------------------------------> IDLE
 *                      \--- target refuses --> ERROR (said once, tried again at each resume)
 *
 * Invariant: while a stop is shown, no site is ARMED. A hit that is passed over leaves them in: views
 * are masked by the target room, and the fewest packets pass.
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
		if (s->kind == kind && s->as.kind == as.kind && s->as.id == as.id && s->addr == addr &&
			s->size == size) {
			s->refs++;
			return s;
		}
	}
	site *s = mem_alloc(sizeof *s);
	*s = (site){.kind = kind, .as = as, .addr = addr, .size = size, .refs = 1};
	vec_push(&t->sites, s);
	return s;
}

static void disarm(engine *e, site *s)
{
	diag d = {0};
	if (s->state != SITE_ARMED)
		return;
	s->state = SITE_IDLE;
	if (!e->t)
		return;
	if (tgt_trap_del(e->t, s->handle, &d) != ERR_OK) {
		out_as(e, OUT_ERROR, "Unable to remove breakpoint at %s: %s\n", out_addr(e, s->addr), d.text);
		return;
	}
	if (s->as.kind == AS_ROOT)
		journal_del(e, s->phys);
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

/* A byte in one process's page: found through its page tables, planted physically. */
static err arm_in_process(engine *e, site *s, diag *d)
{
	x64_walk w = {0};
	uint8_t original = 0;
	size_t got = 0;

	err r = tgt_translate(e->t, s->as.id, s->addr, &w, d);
	s->absent = r != ERR_OK || !w.present;
	if (s->absent)
		return ERR_OK; /* waits for the page: bl says so */
	s->phys = w.phys;
	TRY(tgt_read(e->t, as_phys(), w.phys, &original, 1, &got, d));
	s->original = original;
	/* Journal first: a crash between the two leaves an entry that mends nothing, not a byte that
	 * nobody knows of. */
	TRY(journal_add(e, w.phys, original, 0xcc, d));
	tgt_trap trap = {TGT_TRAP_SOFT, as_phys(), w.phys, 0};
	r = tgt_trap_add(e->t, &trap, &s->handle, d);
	if (r != ERR_OK) {
		journal_del(e, w.phys);
		return r;
	}
	s->state = SITE_ARMED;
	return ERR_OK;
}

static void arm(engine *e, site *s)
{
	diag d = {0};
	err r;

	if (s->as.kind == AS_ROOT) {
		r = arm_in_process(e, s, &d);
	} else {
		tgt_trap trap = {s->kind, s->as, s->addr, s->size};
		r = tgt_trap_add(e->t, &trap, &s->handle, &d);
		if (r == ERR_OK)
			s->state = SITE_ARMED;
	}
	if (r == ERR_OK) {
		s->why[0] = 0;
		return;
	}
	bool said = s->state == SITE_ERROR && s->why[0];
	s->state = SITE_ERROR;
	snprintf(s->why, sizeof s->why, "%.150s", d.text);
	if (!said)
		out_as(e, OUT_ERROR, "Unable to insert breakpoint at %s: %s\n", out_addr(e, s->addr), s->why);
}

static void arm_kind(engine *e, const site *but, bool in_process)
{
	struct bp_table *t = e->bps;
	for (size_t i = 0; i < t->sites.n; i++) {
		site *s = t->sites.p[i];
		/* The same byte may be wanted by a site of another space at this address: leave it out
		 * together with `but`. */
		bool out_now = but && s->kind == TGT_TRAP_SOFT && s->addr == but->addr;
		if ((s->as.kind == AS_ROOT) != in_process)
			continue;
		if (out_now)
			disarm(e, s);
		else if (s->state != SITE_ARMED)
			arm(e, s);
	}
}

void sites_arm(engine *e, const site *but)
{
	/* Physical bytes go in last and come out first: the target's own table must never save one of
	 * ours as the original. */
	arm_kind(e, but, false);
	arm_kind(e, but, true);
	e->bps->armed = true;
}

void sites_disarm(engine *e)
{
	struct bp_table *t = e->bps;
	for (size_t i = 0; i < t->sites.n; i++)
		if (t->sites.p[i]->as.kind == AS_ROOT)
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
			if (s->state == SITE_ARMED && s->as.kind != AS_ROOT && s->kind == TGT_TRAP_SOFT &&
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

site *site_at(engine *e, uint64_t pc)
{
	struct bp_table *t = e->bps;
	for (size_t i = 0; i < t->sites.n; i++)
		if (t->sites.p[i]->kind == TGT_TRAP_SOFT && t->sites.p[i]->addr == pc && !t->sites.p[i]->absent)
			return t->sites.p[i];
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
			if (s->kind != TGT_TRAP_SOFT && s->state == SITE_ARMED && s->handle == handle)
				return s;
		}
	}
	return NULL;
}
