/*
 * What the files of this room share and nobody else sees.
 */
#ifndef RS_ENGINE_INTERNAL_H
#define RS_ENGINE_INTERNAL_H

#include "base/reader.h"
#include "engine/bp.h"

#include <assert.h>

struct out_state *out_state_create(void);
void out_state_destroy(struct out_state *s);

/* ---- exception codes (public ntstatus.h) ---- */

enum {
	STATUS_BREAKPOINT = 0x80000003u,
	STATUS_SINGLE_STEP = 0x80000004u,
	STATUS_ASSERTION_FAILURE = 0xc0000420u,
};

/* ---- processes (procs.c) ---- */

struct eng_procs *procs_create(void);
void procs_clear(engine *e);
void procs_destroy(engine *e);
/* Before and after an event is decided: who came is there already, who goes is there still. */
/* Freezes all threads that are there until `pid` has an exception or ends. */
err procs_wait_for(engine *e, uint64_t pid, diag *d) MUST_CHECK;
void procs_event(engine *e, const tgt_event *ev);
void procs_event_done(engine *e, const tgt_event *ev);
/* Breakpoints of a process that ended: those by name wait for the next. */
void bp_process_gone(engine *e, uint64_t pid);

/* ---- sites (site.c) ---- */

enum { GONE_MAX = 64 };

struct bp_table {
	VEC(bp *) bps; /* by id */
	VEC(site *) sites;
	bool armed;		 /* some site is armed in the target */
	uint64_t gone[GONE_MAX]; /* where software sites were lately */
	unsigned n_gone;
};

struct bp_table *bp_table_create(void);
void bp_table_destroy(engine *e);
/* Finds or makes the site and takes a reference. */
site *site_get(engine *e, tgt_trap_kind kind, as_t as, uint64_t addr, uint32_t size);
void site_put(engine *e, site *s);
/* The site whose trap explains a stop at pc, or with these DR6 bits; NULL if none. */
site *site_at(engine *e, uint64_t pc);
/* Can this event be about that site? In user mode a site belongs to one process. */
bool site_in_process(const site *s, const tgt_event *ev);
/* The sites of a process that ended or runs another image: their traps are gone with it. */
void sites_process_void(engine *e, uint64_t pid);
site *site_hard(engine *e, uint64_t dr6);
/* Was a byte of ours there until a moment ago? Another processor may have met it before it went. */
bool site_was_at(engine *e, uint64_t pc);
/* Arms every wanted site except `but` (may be NULL). Failures are kept in the site and said once.
 */
void sites_arm(engine *e, const site *but);
void sites_disarm(engine *e);
/* Handles that the target dropped by itself become void. */
void sites_dropped(engine *e, const tgt_event *ev);
/* Everything in the target is void (reboot). */
void sites_void(engine *e);

/* ---- breakpoint hits (hit.c) ---- */

typedef enum hit_verdict {
	HIT_NONE, /* no breakpoint of ours is there */
	HIT_PASS, /* none wants to stop: go on as before */
	HIT_NEW,  /* a command list gave a verdict: e->exec is the new request */
	HIT_STOP
} hit_verdict;

/*
 * Decides for the current event at soft address pc, or for the hardware site s (else NULL).
 * Messages are printed and command lists run. free_run: the target ran by g (pass counts go down).
 */
hit_verdict bp_hit(engine *e, uint64_t pc, const site *s, bool free_run);

/* ---- plans (plan.c) ---- */

typedef enum plan_verdict {
	PLAN_NOT_MINE, /* the plan does not explain this stop */
	PLAN_MORE,     /* explained, go on */
	PLAN_AGAIN,    /* explained; it has been here before, nothing else is looked at */
	PLAN_RETURNED, /* what .call had called has returned: stop, whatever was asked for */
	PLAN_DONE      /* explained, the request is fulfilled: stop */
} plan_verdict;

struct eng_plan *plan_create(void);
void plan_destroy(struct eng_plan *p);
/* Starts what e->exec asks for from the current stop. */
err plan_begin(engine *e, diag *d);
void plan_end(engine *e);
/* A step that begins on the program's own break instruction has made it by plan_begin: what now?
 * PLAN_MORE: the target must run. */
plan_verdict plan_moved(engine *e);
/* Gets the target going for the next leg, past a trap at pc if there is one. */
err plan_resume(engine *e, diag *d);
/* Looks at an exception event. */
plan_verdict plan_event(engine *e, const tgt_event *ev);
/* Is the request a free run (g and friends)? */
bool plan_free_run(const engine *e);

/* ---- calls of functions (call.c) ---- */

void calls_destroy(engine *e);
/* Threads of a process that is left (0: of all) get their registers back. */
void calls_leave(engine *e, uint64_t process);
/* A thread or process ended, or runs another image. */
void calls_gone(engine *e, const tgt_event *ev);
/* The event's thread stands on the first instruction of what it was sent into, and was not there
 * by itself: a trap there is still to hit. True once. */
bool call_entered(engine *e);
/* Is this trap or step the return? call_finish then takes the result, in a stop that is shown. */
bool call_returned(engine *e, const tgt_event *ev);
void call_finish(engine *e);

/* ---- stacks (stack.c) ---- */

/* How many frames there are from start on, counted up to max: nothing is kept. */
err eng_depth(engine *e, const x64_regs *start, size_t max, size_t *ret);

/* ---- decoded instructions (insn.c) ---- */

struct insn_cache *insn_cache_create(void);
void insn_cache_destroy(struct insn_cache *c);
/* Code may have changed, or may do so before the next event. */
void insn_forget(engine *e);

/* ---- filters (filter.c) ---- */

struct filter_table *filters_create(void);
void filters_destroy(struct filter_table *f);
/* Does this exception count as handled when nobody says so (sx's right column)? 0: it does. */
bool filter_handled(engine *e, uint32_t code);
/* The defaults of user mode. */
void filters_user(engine *e);
/* Says and decides what the filters want for an event that no breakpoint and no plan explains. */
eng_status filter_event(engine *e, const tgt_event *ev);
/* sx out: does this text of the target stop it? */
eng_status filter_output(engine *e, str text);

/* ---- stops (engine.c, context.c) ---- */

/* Everything back to the event's; no request to the target. */
void ctx_from_event(engine *e);
/* The symbol scope of the implicit process: for stops that are shown. */
void ctx_scope(engine *e);
void journal_destroy(engine *e);
/* First stop after attach or reboot: version, system, modules, banner. */
err eng_connected(engine *e, diag *d);
/* The target started anew: everything known of it is void. */
void eng_rebooted(engine *e);
err eng_open_user(engine *e, tgt **ret, diag *d) MUST_CHECK;
void launch_forget(engine *e);
void eng_notice_send(engine *e, eng_notice_kind kind, uint64_t arg);

#endif
