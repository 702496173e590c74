/*
 * kdping [--tour] CHANNEL: joins, shows version and a few bytes, lets the kernel go. With --tour
 * also sets a breakpoint in the toy kernel, hits it, steps, and uses a debug register: enough to
 * record a sample from. For looking at a peer by hand; the tests use ping.c themselves.
 */
#include "ping.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static ping p;
static ping_reply r;

static bool stop_at(bool break_in)
{
	for (;;) {
		if (!ping_wait(&p, 10000, break_in)) {
			fprintf(stderr, "no stop\n");
			return false;
		}
		if (ping_u32(p.state) != 0x3031)
			break;
		printf("load   %.*s at %" PRIx64 "\n", (int)p.state_data_n, (char *)p.state_data,
			ping_u64(p.state + 40));
		ping_continue(&p, false, 0x400);
	}
	printf("stop   processor %u of %u, pc %" PRIx64 ", exception %08x\n", p.state[6],
		p.state[8], ping_pc(&p), ping_u32(p.state + 32));
	return true;
}

static bool go(void)
{
	uint8_t code[2];
	if (ping_read(&p, ping_pc(&p), code, 2) && code[0] == 0xcc &&
		!ping_set_pc(&p, ping_pc(&p) + 1))
		return false;
	return ping_continue(&p, false, 0x400);
}

static bool tour(uint64_t base)
{
	uint64_t work = base + 0x1040, special[2] = {2, 216};
	uint8_t regs[216];
	if (!ping_breakpoint(&p, work) || !go() || !stop_at(false))
		return false;
	for (int i = 0; i < 5; i++)
		if (!ping_continue(&p, true, 0x400) || !stop_at(false))
			return false;
	if (!ping_ask(&p, 0x3137, p.state[6], special, 16, NULL, 0, &r))
		return false;
	memcpy(regs, r.data, 216);
	memcpy(regs + 32, &work, 8);
	regs[72] = 1;
	if (!ping_ask(&p, 0x3138, p.state[6], special, 16, regs, 216, &r) ||
		!ping_continue(&p, false, 0x401) || !stop_at(false) ||
		!ping_continue(&p, false, 0x400))
		return false;
	return stop_at(true);
}

int main(int argc, char **argv)
{
	uint8_t code[16];
	bool touring = argc == 3 && !strcmp(argv[1], "--tour");
	if (argc != 2 + touring || !ping_open(&p, argv[argc - 1])) {
		fprintf(stderr, "kdping [--tour] unixto:PATH|tcpto:PORT\n");
		return 2;
	}
	if (!stop_at(true) || !ping_ask(&p, 0x3146, 0, "", 0, NULL, 0, &r))
		return 1;
	uint64_t base = ping_u64(r.header + 32);
	printf("kernel build %u at %" PRIx64 "\n", r.header[18] | r.header[19] << 8, base);
	if (!ping_read(&p, ping_pc(&p), code, sizeof(code)))
		return 1;
	printf("code  ");
	for (unsigned i = 0; i < sizeof(code); i++)
		printf(" %02x", code[i]);
	printf("\ntext   %s\n", p.text);
	ping_read(&p, 0xdead0000beef, code, sizeof(code));
	bool good = (!touring || tour(base)) && go();
	ping_close(&p);
	return !good;
}
