/*
 * channel: one byte stream to one peer at a time, over a unix socket, TCP port or pseudo terminal.
 * Like the serial line of a virtual machine: while nobody is connected, output goes nowhere.
 */
#ifndef KDPEER_CHANNEL_H
#define KDPEER_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CHANNEL_OUT = 8192, CHANNEL_IN = 8192 };

typedef struct channel {
	int listener; /* -1: none */
	int fd;	      /* -1: nobody there */
	bool pty;
	unsigned connections; /* so far */
	size_t out_n, in_pos, in_n;
	uint8_t out[CHANNEL_OUT], in[CHANNEL_IN];
} channel;

/*
 * spec: "unix:PATH" listen, "unixto:PATH" connect, "tcp:PORT" listen on loopback (0: any),
 * "tcpto:PORT" connect, "pty:" (name[] receives the other end; for tcp the port in decimal),
 * "tty:PATH" an existing terminal.
 * False: message on stderr.
 */
bool channel_open(channel *c, const char *spec, char *name, size_t name_n);
void channel_put(channel *c, uint8_t byte); /* buffered */
void channel_flush(channel *c);
/* The next byte, or -1 after wait_us microseconds without one. Flushes first; accepts a waiting
 * peer. */
int channel_get(channel *c, uint32_t wait_us);
/* Sleeps up to wait_us or until there is input. */
void channel_idle(channel *c, uint32_t wait_us);
void channel_close(channel *c);

#endif
