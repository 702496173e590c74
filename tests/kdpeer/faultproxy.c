/*
 * faultproxy: sits between a debugger and a target, and damages, loses, repeats, delays and cuts
 * what passes. Seeded: the same traffic meets the same faults.
 *
 * It splits both streams into packets (a stray byte passes by itself) and rolls one die a packet
 * and, if asked, one a byte. With --record it writes what it let through in the form of the
 * captures in
 * ../shared/kd-captures: "seconds direction hex", payloads over 64 bytes zeroed.
 *
 *   faultproxy [options] DEBUGGER-SIDE TARGET-SIDE      e.g. unix:/tmp/p unixto:/tmp/guest
 */
#include "channel.h"

#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { FRAME_MAX = 16 + 4096 + 1, PARTIAL_MS = 30, ZERO_OVER = 64 };
enum { DROP, FLIP, DUPLICATE, DELAY, CUT, KINDS };
static const char *const kind_names[KINDS] = {"drop", "flip", "dup", "delay", "cut"};

typedef struct way {
	channel *from, *to;
	char mark; /* as in a capture */
	double packet_rate, byte_rate;
	uint8_t b[FRAME_MAX];
	size_t n;
	uint64_t since, hold_until; /* ms */
	unsigned long packets, bytes, hurt[KINDS], hurt_bytes;
} way;

static struct {
	uint64_t random;
	unsigned kinds; /* bits */
	unsigned long dead_after, close_after, passed;
	unsigned delay_ms;
	FILE *record;
	uint64_t start_us;
} P;
static volatile sig_atomic_t stopping;

static void on_signal(int sig)
{
	(void)sig;
	stopping = 1;
}

static uint64_t now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* xorshift64* (Vigna) */
static uint64_t roll(void)
{
	P.random ^= P.random >> 12;
	P.random ^= P.random << 25;
	P.random ^= P.random >> 27;
	return P.random * 0x2545F4914F6CDD1Dull;
}

static bool chance(double rate)
{
	return rate > 0 && (double)(roll() >> 11) / 9007199254740992.0 < rate;
}

static size_t below(size_t n)
{
	return (size_t)(roll() % n);
}

static uint32_t sum_of(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;
	while (n--)
		sum += *p++;
	return sum;
}

/* Fixed headers are kept; data behind them is zeroed when long, and the checksum made right again.
 */
static void record(const way *w, const uint8_t *b, size_t n)
{
	static uint8_t copy[FRAME_MAX];
	if (!P.record || !n || w->to->fd < 0)
		return;
	memcpy(copy, b, n);
	if (n > 17 && !memcmp(b, "0000", 4)) {
		size_t head = b[4] == 7 ? 240 : b[4] == 2 ? 56 : b[4] == 11 ? 64 : 16;
		size_t end = n - 1;
		if (16 + head + ZERO_OVER < end &&
			sum_of(b + 16, end - 16) == (uint32_t)(b[12] | b[13] << 8 | b[14] << 16)) {
			memset(copy + 16 + head, 0, end - 16 - head);
			uint32_t sum = sum_of(copy + 16, end - 16);
			for (int i = 0; i < 4; i++)
				copy[12 + i] = (uint8_t)(sum >> (8 * i));
		}
	}
	fprintf(P.record, "%.6f %c ", (double)(now_us() - P.start_us) / 1e6, w->mark);
	for (size_t i = 0; i < n; i++)
		fprintf(P.record, "%02x", copy[i]);
	fputc('\n', P.record);
	fflush(P.record);
}

static void pass(way *w, const uint8_t *b, size_t n)
{
	P.passed += n;
	w->bytes += n;
	if (P.dead_after && P.passed > P.dead_after)
		return;
	for (size_t i = 0; i < n; i++) {
		uint8_t byte = b[i];
		if (chance(w->byte_rate)) {
			w->hurt_bytes++;
			switch (below(3)) {
			case 0:
				continue;
			case 1:
				byte ^= (uint8_t)(1u << below(8));
				break;
			default:
				channel_put(w->to, byte);
				break;
			}
		}
		channel_put(w->to, byte);
	}
	channel_flush(w->to);
	record(w, b, n);
}

static int pick_kind(void)
{
	int kind;
	do
		kind = (int)below(KINDS);
	while (!(P.kinds & 1u << kind));
	return kind;
}

/* One whole packet, or what there is of it. */
static void deliver(way *w)
{
	size_t n = w->n;
	w->n = 0;
	w->packets += n > 1;
	if (n == 1 || !chance(w->packet_rate)) {
		pass(w, w->b, n);
		return;
	}
	int kind = pick_kind();
	w->hurt[kind]++;
	switch (kind) {
	case DROP:
		if (below(2)) { /* one byte of it */
			size_t at = below(n);
			memmove(w->b + at, w->b + at + 1, n - at - 1);
			pass(w, w->b, n - 1);
		}
		break;
	case FLIP:
		w->b[below(n)] ^= (uint8_t)(1u << below(8));
		pass(w, w->b, n);
		break;
	case DUPLICATE:
		pass(w, w->b, n);
		pass(w, w->b, n);
		break;
	case DELAY:
		w->hold_until = now_us() / 1000 + 1 + below(P.delay_ms);
		w->n = n; /* delivered undamaged when the time has come */
		break;
	case CUT:
		pass(w, w->b, below(n));
		break;
	}
}

/* How long the packet that starts in b is; 0: not known yet; 1: no packet. */
static size_t frame_length(const way *w)
{
	if (w->b[0] != 0x30 && w->b[0] != 0x69)
		return 1;
	for (size_t i = 1; i < w->n && i < 4; i++)
		if (w->b[i] != w->b[0])
			return 1;
	if (w->n < 16)
		return 0;
	size_t count = (size_t)w->b[6] | (size_t)w->b[7] << 8;
	return w->b[0] == 0x69 || count > 4096 ? 16 : 16 + count + 1;
}

static void pump(way *w)
{
	uint64_t ms = now_us() / 1000;
	if (w->hold_until) {
		if (ms < w->hold_until)
			return;
		w->hold_until = 0;
		size_t n = w->n;
		w->n = 0;
		pass(w, w->b, n);
	}
	int c;
	while (!w->hold_until && (c = channel_get(w->from, 0)) >= 0) {
		if (!w->n)
			w->since = ms;
		w->b[w->n++] = (uint8_t)c;
		size_t length = frame_length(w);
		if (length == 1 && w->n > 1) { /* a false start: its first bytes are strays */
			size_t n = w->n - 1;
			uint8_t last = w->b[n];
			pass(w, w->b, n);
			w->b[0] = last;
			w->n = 1;
			length = frame_length(w);
		}
		if (length && w->n >= length)
			deliver(w);
	}
	if (w->n && !w->hold_until && ms - w->since >= PARTIAL_MS)
		deliver(w);
}

static void report(const way *w, const char *name)
{
	printf("%s: %lu packets, %lu bytes;", name, w->packets, w->bytes);
	for (int i = 0; i < KINDS; i++)
		printf(" %s %lu", kind_names[i], w->hurt[i]);
	printf(" bytes %lu\n", w->hurt_bytes);
}

static void usage(void)
{
	fputs("faultproxy [options] DEBUGGER-SIDE TARGET-SIDE\n"
	      "  --seed N --rate R        chance of a fault a packet, both ways (0.01 = 1 %)\n"
	      "  --up R --down R          to the target, to the debugger\n"
	      "  --byte-rate R            chance of a fault a byte\n"
	      "  --kinds drop,flip,dup,delay,cut   default all\n"
	      "  --delay MS               longest delay, default 300\n"
	      "  --dead-after N           after N bytes nothing passes any more\n"
	      "  --close-after N          after N bytes both sides are closed\n"
	      "  --record FILE\n",
		stderr);
	exit(2);
}

static unsigned parse_kinds(const char *s)
{
	unsigned bits = 0;
	for (int i = 0; i < KINDS; i++)
		if (strstr(s, kind_names[i]))
			bits |= 1u << i;
	if (!bits)
		usage();
	return bits;
}

static void run(way *up, way *down, channel *near, channel *far)
{
	unsigned seen = 0;
	while (!stopping) {
		struct pollfd p[2] = {{near->fd >= 0 ? near->fd : near->listener, POLLIN, 0},
			{far->fd, POLLIN, 0}};
		if (up->hold_until)
			p[0].fd = -1;
		if (down->hold_until)
			p[1].fd = -1;
		poll(p, 2, up->n || down->n ? 5 : 200);
		if (near->fd < 0) {
			channel_idle(near, 0);
			up->n = 0;
		}
		pump(up);
		pump(down);
		if (near->connections != seen) {
			seen = near->connections;
			down->n = down->hold_until ? down->n : 0;
		}
		if (far->fd < 0 || (P.close_after && P.passed > P.close_after))
			break;
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"seed", 1, NULL, 's'}, {"rate", 1, NULL, 'r'},
		{"up", 1, NULL, 'u'}, {"down", 1, NULL, 'd'}, {"byte-rate", 1, NULL, 'b'},
		{"kinds", 1, NULL, 'k'}, {"delay", 1, NULL, 'D'}, {"dead-after", 1, NULL, 'x'},
		{"close-after", 1, NULL, 'c'}, {"record", 1, NULL, 'R'}, {0}};
	static channel near, far;
	static way up = {.from = &near, .to = &far, .mark = '>'};
	static way down = {.from = &far, .to = &near, .mark = '<'};
	uint64_t seed = 1;
	int c;
	P.kinds = (1u << KINDS) - 1;
	P.delay_ms = 300;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 'r':
			up.packet_rate = down.packet_rate = atof(optarg);
			break;
		case 'u':
			up.packet_rate = atof(optarg);
			break;
		case 'd':
			down.packet_rate = atof(optarg);
			break;
		case 'b':
			up.byte_rate = down.byte_rate = atof(optarg);
			break;
		case 'k':
			P.kinds = parse_kinds(optarg);
			break;
		case 'D':
			P.delay_ms = (unsigned)atoi(optarg) + 1;
			break;
		case 'x':
			P.dead_after = strtoul(optarg, NULL, 0);
			break;
		case 'c':
			P.close_after = strtoul(optarg, NULL, 0);
			break;
		case 'R':
			P.record = fopen(optarg, "w");
			break;
		default:
			usage();
		}
	}
	if (optind + 2 != argc)
		usage();
	P.random = seed * 0x9E3779B97F4A7C15ull + 1;
	P.start_us = now_us();
	if (P.record)
		fprintf(P.record, "# seconds direction(> debugger to kernel, < kernel to debugger) "
				  "one frame or "
				  "stray bytes in hex; memory payloads over 64 bytes are zeroed\n");
	char name[128], other[128];
	if (!channel_open(&far, argv[optind + 1], other, sizeof(other)) ||
		!channel_open(&near, argv[optind], name, sizeof(name)))
		return 1;
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	printf("ready %s\n", name);
	fflush(stdout);
	run(&up, &down, &near, &far);
	channel_close(&near);
	channel_close(&far);
	report(&up, "up");
	report(&down, "down");
	if (P.record)
		fclose(P.record);
	return 0;
}
