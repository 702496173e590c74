/*
 * link: a byte channel to a target: unix socket, TCP, serial line or pseudo-terminal.
 *
 * Refuses to know packets. Everything is non-blocking; link_wait is the only place that sleeps, and
 * link_wake (async-signal-safe, any thread) ends it. A link that is lost goes back to connecting if
 * its spec says `reconnect`, else it is dead for good.
 *
 *   link_open -> LINK_CONNECTING -> link_wait: LINK_UP -> link_read/link_write ... LINK_DOWN
 *                      ^                                                              |
 *                      +------------------------- reconnect --------------------------+
 */
#ifndef RS_LINK_LINK_H
#define RS_LINK_LINK_H

#include "base/str.h"

typedef enum link_kind { LINK_PIPE, LINK_TCP, LINK_SERIAL } link_kind;

/*
 * What a KD option string says (WinDbg's -k). Missing com parameters are taken from the environment
 * (_NT_DEBUG_PORT, _NT_DEBUG_BAUD_RATE).
 */
typedef struct link_spec {
	link_kind kind;
	char path[256]; /* pipe and serial: file name; TCP: host */
	unsigned port;	/* TCP */
	unsigned baud;	/* serial */
	bool reconnect; /* open again after a loss, and wait for the other end at the start */
	bool listen;	/* pipe: make the socket and wait for the target to connect */
	bool has_resets;
	unsigned resets; /* RESET packets while synchronising; 0: no limit */
} link_spec;

/* getenv_ may be NULL (getenv). ERR_SYNTAX with the range of the option at fault; ERR_UNSUPPORTED
 * for transports that do not exist yet. */
err link_spec_parse(
	str options, const char *(*getenv_)(const char *), link_spec *ret, diag *d) MUST_CHECK;

typedef enum link_state { LINK_CONNECTING, LINK_UP, LINK_DEAD } link_state;

typedef struct link_t link_t;

/* Tries to connect at once; waiting for the other end is no error when the spec allows it. */
err link_open(const link_spec *spec, link_t **ret, diag *d) MUST_CHECK;
/* Over a descriptor that the caller opened (tests, inherited sockets); it is closed with the link.
 */
err link_adopt(int fd, link_t **ret, diag *d) MUST_CHECK;
void link_close(link_t *l); /* NULL legal */

link_state link_state_get(const link_t *l);

enum { LINK_GOT_INPUT = 1, LINK_GOT_WAKE = 2, LINK_GOT_UP = 4, LINK_GOT_DOWN = 8 };
/*
 * Sleeps until there is something or timeout_ms passed (-1: for ever); returns LINK_GOT_xxx, 0 at a
 * timeout. LINK_GOT_UP: connected just now. LINK_GOT_DOWN: lost; link_state tells whether for good.
 */
unsigned link_wait(link_t *l, int timeout_ms);
/* What is there: ERR_OK with *n_ret = 0 if nothing. Losing the link shows in the next link_wait. */
err link_read(link_t *l, void *buf, size_t cap, size_t *n_ret) MUST_CHECK;
/* All n bytes, sleeping at most timeout_ms while the other end does not take them. ERR_TIMEOUT:
 * part of it may have gone out. */
err link_write(link_t *l, const void *buf, size_t n, int timeout_ms, diag *d) MUST_CHECK;
void link_wake(link_t *l); /* async-signal-safe */
/* Next of 19200, 38400, 57600, 115200; ERR_UNSUPPORTED unless serial. */
err link_cycle_speed(link_t *l, unsigned *baud_ret, diag *d) MUST_CHECK;
void link_describe(const link_t *l, buf *out); /* "pipe /tmp/kd (listening)" */
/* Why it is down, "" if it never was. */
const char *link_trouble(const link_t *l);

#endif
