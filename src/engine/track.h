/*
 * track: what happened lately (.eventlog), and the functions that steps do not stop in
 * (.step_filter).
 */
#ifndef RS_ENGINE_TRACK_H
#define RS_ENGINE_TRACK_H

#include "engine/engine.h"

struct track *track_create(void);
void track_destroy(struct track *t);

/* Notes the event that the target is stopped at: what e->last_event says of it. */
void track_event(engine *e);
/* The last events, oldest first, a line each, at most 1024 characters. */
void eng_event_log(engine *e, buf *ret);

/* "mod!name;mod!other*": patterns that symbols are matched with; empty clears. */
err eng_step_filter_set(engine *e, str list, diag *d) MUST_CHECK;
str eng_step_filter(engine *e); /* as it was set */
/* Is pc in a function that the filter names? */
bool track_filtered(engine *e, uint64_t pc);

#endif
