/*
 * kdping CHANNEL: joins, shows version and a few bytes, hits a breakpoint at the instruction the
 * kernel stopped on, lets it go. For looking at a peer by hand; the tests use ping.c themselves.
 */
#include "ping.h"

#include <inttypes.h>
#include <stdio.h>

static ping p;

int main(int argc, char **argv)
{
	static ping_reply r;
	uint8_t code[16];
	if (argc != 2 || !ping_open(&p, argv[1])) {
		fprintf(stderr, "kdping unixto:PATH|tcpto:PORT\n");
		return 2;
	}
	do {
		if (!ping_wait(&p, 10000, true)) {
			fprintf(stderr, "no stop\n");
			return 1;
		}
		if (ping_u32(p.state) == 0x3031) {
			printf("load   %.*s at %" PRIx64 "\n", (int)p.state_data_n, (char *)p.state_data,
				ping_u64(p.state + 40));
			ping_continue(&p, false, 0x400);
		}
	} while (!p.have_state);
	printf("stop   processor %u of %u, pc %" PRIx64 ", exception %08x\n", p.state[6], p.state[8], ping_pc(&p),
		ping_u32(p.state + 32));
	if (!ping_ask(&p, 0x3146, 0, "", 0, NULL, 0, &r))
		return 1;
	printf("kernel build %u at %" PRIx64 "\n", r.header[18] | r.header[19] << 8, ping_u64(r.header + 32));
	if (!ping_read(&p, ping_pc(&p), code, sizeof(code)))
		return 1;
	printf("code  ");
	for (unsigned i = 0; i < sizeof(code); i++)
		printf(" %02x", code[i]);
	printf("\ntext   %s\n", p.text);
	if (code[0] == 0xcc && !ping_set_pc(&p, ping_pc(&p) + 1))
		return 1;
	bool good = ping_continue(&p, false, 0x400);
	ping_close(&p);
	return !good;
}
