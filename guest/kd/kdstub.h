/*
 * kdstub: what the stub's own files tell each other. Not for the kernel, which sees kdport.h.
 *
 *   kdlink.c     packets over bytes: framing, ids, ACK/RESEND/RESET, break-in
 *   kdbreak.c    the table of 32 breakpoints
 *   kdmemory.c   requests about memory, registers and devices
 *   kdstate.c    state changes and the loop that serves requests until the debugger continues
 *   kdio.c       text, prompts and files
 */
#ifndef KD_STUB_H
#define KD_STUB_H

#include "kdport.h"
#include "kdwire.h"

/* ---- kdlink.c ---- */

typedef enum kd_got {
	KD_GOT_PACKET,
	KD_GOT_NOTHING, /* time ran out */
	KD_GOT_RESEND	/* the debugger wants the last thing again (or asked for a reset or a break)
			 */
} kd_got;

/* A packet's payload in two pieces, as all of them are: a fixed header and data behind it. */
typedef struct kd_message {
	void *header;
	size_t header_n;
	uint8_t *data; /* sending: bytes; receiving: where they landed */
	size_t data_n;
} kd_message;

void kd_link_init(void);
/* Sends and waits for the ACK. Text, load events and "create file" are given up after some tries,
 * and then the debugger counts as absent; everything else is repeated until somebody answers. */
void kd_link_send(unsigned type, const kd_message *m);
/* Waits a while for a packet of this type whose payload is at least header_n bytes; fills *header,
 * points data at the rest (valid until the next receive). */
kd_got kd_link_receive(unsigned type, kd_message *m);
/* Whether a break-in byte came while we were talking; forgets it. */
bool kd_link_take_break(void);

/* ---- kdbreak.c ---- */

void kd_break_init(void);
uint32_t kd_break_add(uint64_t va); /* handle 1..32, 0: refused */
bool kd_break_remove(uint32_t handle);
void kd_break_remove_all(void);
/* Takes out all entries in [first, last] that belong to this address space; true if there were any.
 */
bool kd_break_remove_range(uint64_t first, uint64_t last);

/* ---- kdmemory.c ---- */

/* Where a request finds and leaves things. data: room for KD_PACKET_MAX. */
typedef struct kd_call {
	kd_manipulate *m;
	const uint8_t *in;
	size_t in_n;
	uint8_t *out;
	size_t out_n;
	CONTEXT *own;	    /* the context of the processor that is reported */
	unsigned processor; /* the one that is reported */
} kd_call;

/* The context of the processor that the request names; NULL: none such. */
CONTEXT *kd_context_of(const kd_call *c);
/* Serves one request but those that end a stop; false: this kernel does not know it. */
bool kd_serve(kd_call *c);

/* ---- kdstate.c ---- */

/* Reports and serves requests until the debugger continues; true: handled. */
bool kd_report(kd_state_change *change, const void *data, size_t data_n, CONTEXT *context);
extern bool kd_absent;

#endif
