/*
 * hit: what happens when the target stops on one of our traps. The cheap questions come first: most
 * hits of a filtered breakpoint are passed over with what the state change carried and one read.
 *
 *   process (one read) -> thread (none) -> depth (a stack walk) -> passes -> condition -> commands
 */
#include "engine/internal.h"

#include <stdio.h>

enum { HITS_MAX = 64 };

static bool in_process(engine *e, const bp *b)
{
	uint64_t process;
	if (!b->process)
		return true;
	/* Not knowing is no reason to pass over: the user sees the stop and can judge. */
	if (eng_process(e, &process, NULL) != ERR_OK)
		return true;
	return process == b->process;
}

static bool depth_fits(engine *e, const bp *b)
{
	if (!b->has_max && !b->has_min)
		return true;
	x64_regs r = {0};
	size_t n;
	/* No further than the answer needs. */
	size_t limit = b->has_max ? b->depth_max : (size_t)b->depth_min + 1;
	if (eng_unit_regs(e, e->ev.unit, X64_SET_GENERAL, &r, NULL) != ERR_OK ||
		eng_depth(e, &r, limit, &n) != ERR_OK)
		return true;
	return b->has_max ? n < b->depth_max : n > b->depth_min;
}

/* A condition that cannot be evaluated stops the target: silence would hide the mistake. */
static bool condition_holds(engine *e, const bp *b)
{
	diag d = {0};
	uint64_t v = 0;
	masm_env env;

	if (!b->cond)
		return true;
	eng_masm_env(e, &env);
	if (masm_run(b->cond, &env, &v, &d) == ERR_OK)
		return v != 0;
	out_as(e, OUT_ERROR, "Breakpoint %u's condition failed: %s\n", b->id, d.text);
	return true;
}

static bool triggers(engine *e, bp *b, bool free_run)
{
	if (!in_process(e, b)) {
		if (b->direct && b->loc.site)
			b->loc.site->shared = true;
		return false;
	}
	if (b->thread && b->thread != e->ev.thread)
		return false;
	if (!depth_fits(e, b))
		return false;
	if (b->go_only && !free_run)
		return false;
	if (free_run && b->left > 1) {
		b->left--;
		return false;
	}
	return condition_holds(e, b);
}

/*
 * Runs one triggered breakpoint's commands, asks the client, and votes. A client's vote stands in
 * place of the default (break); together with a command's verdict the higher one counts. The
 * breakpoint may be gone afterwards.
 */
static eng_status act(engine *e, bp *b)
{
	diag d = {0};
	uint32_t id = b->id;
	str list = str_dup(&e->stop, b->cond ? b->then : b->command);
	bool had_commands = b->command.n > 0;
	eng_status verdict = ST_NO_CHANGE;

	b->hits++;
	if (list.n && e->hooks.run) {
		e->verdict_given = false;
		(void)!e->hooks.run(e->hooks.cu, list, &d);
		insn_forget(e);
		if (e->verdict_given)
			verdict = e->exec.status;
	}
	if (e->hooks.notice) {
		eng_notice n = {.kind = ENG_N_BREAKPOINT, .ev = &e->ev, .id = id};
		verdict = eng_status_max(verdict, e->hooks.notice(e->hooks.u, &n));
	}
	if (verdict == ST_NO_CHANGE)
		verdict = ST_BREAK;
	if (verdict == ST_BREAK) {
		snprintf(e->last_event, sizeof e->last_event, "Hit breakpoint %u", id);
		if (!had_commands)
			out(e, "Breakpoint %u hit\n", id);
	}
	b = bp_find(e, id);
	if (b && b->one_shot)
		bp_remove(e, b);
	return verdict;
}

hit_verdict bp_hit(engine *e, uint64_t pc, const site *s, bool free_run)
{
	uint32_t ids[HITS_MAX];
	size_t n = 0;
	bool ours = false;

	for (size_t i = 0; i < e->bps->bps.n && n < HITS_MAX; i++) {
		bp *b = e->bps->bps.p[i];
		bool here =
			s ? b->loc.site == s : b->kind != BP_BA && b->loc.site && b->loc.addr == pc;
		if (!here || b->internal || !site_in_process(b->loc.site, &e->ev))
			continue;
		ours = true;
		if (triggers(e, b, free_run))
			ids[n++] = b->id;
	}
	if (!n)
		return ours ? HIT_PASS : HIT_NONE;

	/* Command lists see the context of the hit, and may clear or renumber any breakpoint. */
	eng_status verdict = ST_NO_CHANGE;
	/* A vote without a command goes on as before; a command's verdict brings its own request.
	 */
	eng_exec wanted = {.same_as_before = true};
	e->verdict_given = false;
	e->inside_wait = true;
	(void)!tgt_halt(e->t, NULL); /* the lists may look at every thread */
	ctx_scope(e);
	for (size_t i = 0; i < n; i++) {
		bp *b = bp_find(e, ids[i]);
		if (!b)
			continue;
		eng_status v = act(e, b);
		if (eng_status_max(v, verdict) == v) {
			verdict = v;
			if (e->verdict_given)
				wanted = e->exec;
		}
	}
	if (verdict == ST_BREAK || verdict == ST_NO_CHANGE)
		return HIT_STOP;
	if (wanted.same_as_before)
		return HIT_PASS;
	e->exec = wanted;
	return HIT_NEW;
}
