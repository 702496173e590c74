/*
 * api: include/ringside.h over the engine and the command interpreter. What its files share.
 */
#ifndef RS_API_INTERNAL_H
#define RS_API_INTERNAL_H

#include "ringside.h"

#include "cmd/cmd.h"

#include <pthread.h>

struct rs_session {
	engine *e;
	cmd *c;
	pthread_t owner;
	diag d;
	rs_event_callbacks events;
	void *events_u;
	rs_output_fn *output;
	void *output_u;
	rs_input_fn *input;
	void *input_u;
	bool muted; /* RS_OUTCTL_IGNORE */
	bool traced;
	unsigned reboot_break; /* 0 none, 1 on reboot, 2 on first module */
	uint32_t options;
	atomic_uint interrupts; /* 1 << RS_INTERRUPT_xxx that wait */
};

/* RS_E_xxx for an err of the engine. */
rs_result api_result(err e);
/* RS_S_OK, or why the call may not be made now (wrong thread, NULL). Clears the error text. */
rs_result api_enter(rs_session *s);
/* Copies a string out the DbgEng way: RS_S_FALSE when truncated, *needed with the NUL. */
rs_result api_copy(str text, char *buffer, uint32_t size, uint32_t *needed);

#define API_ENTER(s)                                                                               \
	do {                                                                                       \
		rs_result api_r_ = api_enter(s);                                                   \
		if (api_r_ < 0)                                                                    \
			return api_r_;                                                             \
	} while (0)

#endif
