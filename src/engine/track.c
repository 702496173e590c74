/*
 * track: a ring of what the last events were, and the step filter's patterns made ready.
 *
 * Refuses to know how a step is carried out: plan.c asks whether a place is filtered and steps out
 * of it. Names are matched as module!name, with WinDbg's rules for symbol patterns.
 */
#include "engine/internal.h"

#include "base/wild.h"
#include "engine/track.h"

#include <stdio.h>

enum {
	LOG_LINES = 32,
	LOG_LINE = 192,
	LOG_CHARS = 1024, /* what .eventlog shows (documented) */
	FILTERS_MAX = 64
};

struct track {
	char line[LOG_LINES][LOG_LINE];
	uint64_t n; /* lines ever; the last LOG_LINES of them are kept */
	char *filter;
	wild *pattern[FILTERS_MAX];
	size_t n_patterns;
};

struct track *track_create(void)
{
	return mem_alloc(sizeof(struct track));
}

static void drop_filter(struct track *t)
{
	for (size_t i = 0; i < t->n_patterns; i++)
		mem_free(t->pattern[i]);
	t->n_patterns = 0;
	mem_free(t->filter);
	t->filter = NULL;
}

void track_destroy(struct track *t)
{
	if (!t)
		return;
	drop_filter(t);
	mem_free(t);
}

/* ---- recent events ---- */

void track_event(engine *e)
{
	struct track *t = e->track;
	char *line = t->line[t->n % LOG_LINES];
	const tgt_event *ev = &e->ev;
	/* Steps are the user's own doing and would push out everything else. */
	if (!e->last_event[0] || str_starts(str_of(e->last_event), STR("Step completed")))
		return;
	if (e->caps.threads)
		snprintf(line, LOG_LINE, "%04llx.%04x: %s", (unsigned long long)ev->process_id,
			ev->unit, e->last_event);
	else
		snprintf(line, LOG_LINE, "%s", e->last_event);
	t->n++;
}

void eng_event_log(engine *e, buf *ret)
{
	const struct track *t = e->track;
	uint64_t first = t->n, used = 0;
	while (first && t->n - first < LOG_LINES) {
		size_t n = strlen(t->line[(first - 1) % LOG_LINES]) + 1;
		if (used + n > LOG_CHARS)
			break;
		used += n;
		first--;
	}
	for (; first < t->n; first++)
		buf_addf(ret, "%s\n", t->line[first % LOG_LINES]);
}

/* ---- step filter ---- */

err eng_step_filter_set(engine *e, str list, diag *d)
{
	struct track *t = e->track;
	char *text = mem_alloc(list.n + 1);
	size_t n = 0;
	memcpy(text, list.p, list.n);
	for (str rest = {text, list.n}; rest.n;) {
		size_t end = 0;
		while (end < rest.n && rest.p[end] != ';')
			end++;
		n += str_trim(str_take(rest, end)).n != 0;
		rest = str_skip(rest, end + 1);
	}
	if (n > FILTERS_MAX) {
		mem_free(text);
		return diag_set(d, ERR_LIMIT, "a step filter has at most %d patterns", FILTERS_MAX);
	}
	drop_filter(t);
	t->filter = text;
	for (str rest = {text, list.n}; rest.n;) {
		size_t end = 0;
		while (end < rest.n && rest.p[end] != ';')
			end++;
		str one = str_trim(str_take(rest, end));
		if (one.n) {
			wild *w = mem_alloc(sizeof *w);
			wild_init(w, one, true);
			t->pattern[t->n_patterns++] = w;
		}
		rest = str_skip(rest, end + 1);
	}
	return ERR_OK;
}

str eng_step_filter(engine *e)
{
	return str_of(e->track->n_patterns ? e->track->filter : "");
}

bool track_filtered(engine *e, uint64_t pc)
{
	const struct track *t = e->track;
	sym s;
	uint64_t disp;
	bool hit = false;
	if (!t->n_patterns || !e->syms || sym_at(e->syms, pc, &s, &disp) != ERR_OK)
		return false;
	buf full;
	buf_init(&full, 0);
	if (s.mod)
		buf_addf(&full, "%.*s!", STR_ARG(s.mod->name));
	buf_addf(&full, "%.*s", STR_ARG(s.name));
	for (size_t i = 0; i < t->n_patterns && !hit; i++)
		hit = wild_match(t->pattern[i], buf_str(&full));
	buf_deinit(&full);
	return hit;
}
