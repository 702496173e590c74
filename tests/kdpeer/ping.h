/*
 * ping: a deliberately small KD debugger, written against the public description only, to check the
 * peers of this folder with something that is not the product. Numbers are spelled out here again
 * on purpose.
 */
#ifndef KDPEER_PING_H
#define KDPEER_PING_H

#include "channel.h"

typedef struct ping {
	channel line;
	uint32_t out_id, in_id;
	uint8_t frame[4096]; /* last data packet's payload */
	size_t frame_n;
	unsigned frame_type;
	uint8_t state[240];
	uint8_t state_data[4096];
	size_t state_data_n;
	bool have_state;
	char text[65536]; /* what the kernel printed */
	size_t text_n;
	unsigned resends, resets, bad, traces;
	const uint8_t *file; /* content offered for any driver; NULL: refuse */
	size_t file_n;
	char file_name[256];
	char prompt_answer;
} ping;

typedef struct ping_reply {
	uint32_t status;
	uint8_t header[56];
	uint8_t data[4096];
	size_t data_n;
} ping_reply;

bool ping_open(ping *p, const char *spec);
void ping_close(ping *p);
/* Waits for a state change, breaking in once a second if asked to. */
bool ping_wait(ping *p, unsigned ms, bool break_in);
/* RESET handshake of a stopped kernel: ends with the state change again. */
bool ping_reset(ping *p);
/* arg: the 40 bytes behind the request's 16; short ones are padded. False: no answer. */
bool ping_ask(ping *p, unsigned api, unsigned processor, const void *arg, size_t arg_n,
	const void *data, size_t data_n, ping_reply *ret);
/* No reply is expected. */
bool ping_continue(ping *p, bool trace, uint64_t dr7);
bool ping_tell(ping *p, unsigned api, unsigned processor);

bool ping_read(ping *p, uint64_t va, void *to, size_t n);
bool ping_write(ping *p, uint64_t va, const void *from, size_t n);
uint32_t ping_breakpoint(ping *p, uint64_t va); /* handle or 0 */
bool ping_restore(ping *p, uint32_t handle);
bool ping_set_pc(ping *p, uint64_t pc);

static inline uint64_t ping_u64(const void *p)
{
	const uint8_t *b = p;
	uint64_t v = 0;
	for (int i = 7; i >= 0; i--)
		v = v << 8 | b[i];
	return v;
}
static inline uint32_t ping_u32(const void *p)
{
	const uint8_t *b = p;
	return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}
static inline uint64_t ping_pc(const ping *p)
{
	return ping_u64(p->state + 24);
}

#endif
