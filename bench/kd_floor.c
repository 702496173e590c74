/*
 * kd_floor: the least that the KD link can do, for bench/kd to hold the debugger against. Written
 * from the protocol alone: it shares no code with the product, knows nothing, checks little, and
 * sends nothing that is not needed for the loop at hand.
 *
 *   kd_floor push SOCKET SECONDS                 bytes a second of a guest that only pushes
 * (guest/run --uartloop) kd_floor hits SOCKET LOOP ADDRESS N [OFFSET] N hits of a breakpoint,
 * passed over
 *
 * A hit that is passed over takes, with E for a state change, Q/R for a request and its reply, C
 * for continue:
 *
 *   step      E C(trace) E Q(write breakpoint) R C                       one processor: step with
 * the trap out emulate   E Q(context) R Q(write the pushed word) R Q(set context) R Q(write
 * breakpoint) R C register  E Q(set RF) R C                                            a debug
 * register instead of a byte
 *
 * "process" puts one read of 8 bytes (KTHREAD.ApcState.Process) before it, "context" one read of
 * the general registers. The kernel takes its breakpoint out by itself at each stop near it: that
 * is why it is written again. Each packet is acknowledged; acknowledgements travel with the next
 * packet. Prints "key value" lines.
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
	ACK = 4,
	RESEND = 5,
	RESET = 6,
	FIRST_ID = (int)0x80800000u,
	SYNC = 0x800,
	HEAD = 16,
	RECORD = 56
};
enum { SR_DR0 = 32, SR_DR7 = 72, STATE_EFLAGS = 208, STATE_STREAM = 216 };
enum {
	CTX_EFLAGS = 0x44,
	CTX_GPR = 0x78,
	CTX_RSP = 0x98,
	CTX_RIP = 0xf8,
	CTX_END = 0x100,
	RF = 0x10000
};

typedef struct line {
	int fd;
	uint8_t in[65536], out[8192];
	size_t pos, n, out_n;
	uint32_t out_id, last_id;
	uint64_t sent, got, packets;
	bool unacked;
	double us_per_byte;
	uint8_t p[8192]; /* the last data packet */
	size_t p_n;
	unsigned p_type;
	uint8_t out_packet[1024];
	size_t out_packet_n;
} line;

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what)
{
	fprintf(stderr, "kd_floor: %s\n", what);
	exit(1);
}

static void put(uint8_t *b, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		b[i] = (uint8_t)(v >> 8 * i);
}

static uint64_t get(const uint8_t *b, size_t n)
{
	uint64_t v = 0;
	while (n--)
		v = v << 8 | b[n];
	return v;
}

static void nap(double us)
{
	struct timespec t = {0, (long)(us * 1000)};
	nanosleep(&t, NULL);
}

static void flush(line *l)
{
	for (size_t done = 0; done < l->out_n;) {
		ssize_t k = send(l->fd, l->out + done, l->out_n - done, MSG_NOSIGNAL);
		if (k < 0 && errno != EINTR)
			die("sending");
		done += k > 0 ? (size_t)k : 0;
	}
	l->sent += l->out_n;
	l->out_n = 0;
}

/* Until n bytes are there. Bytes come one at a time: it is not worth waking up for each. */
static bool need(line *l, size_t n, int ms)
{
	double began = 0;
	size_t had = 0;
	while (l->n - l->pos < n) {
		size_t missing = n - (l->n - l->pos);
		if (l->pos) {
			memmove(l->in, l->in + l->pos, l->n - l->pos);
			l->n -= l->pos;
			l->pos = 0;
		}
		struct pollfd f = {l->fd, POLLIN, 0};
		if (poll(&f, 1, ms) == 0)
			return false;
		ssize_t k = read(l->fd, l->in + l->n, sizeof l->in - l->n);
		if (k <= 0)
			die("the guest has closed the connection");
		l->n += (size_t)k;
		l->got += (uint64_t)k;
		if (!began) {
			began = now();
			had = l->n;
		} else if (l->n - had > 32) {
			l->us_per_byte = (now() - began) * 1e6 / (double)(l->n - had);
		}
		missing = missing > (size_t)k ? missing - (size_t)k : 0;
		double us = l->us_per_byte * (double)(missing / 2 < 128 ? missing / 2 : 128);
		if (us > 60)
			nap(us < 1000 ? us : 1000);
	}
	return true;
}

static void control(line *l, unsigned type, uint32_t id)
{
	uint8_t *h = l->out + l->out_n;
	memset(h, 0x69, 4);
	put(h + 4, type, 4);
	put(h + 8, id, 4);
	put(h + 12, 0, 4);
	l->out_n += HEAD;
}

static void again(line *l)
{
	memcpy(l->out + l->out_n, l->out_packet, l->out_packet_n);
	l->out_n += l->out_packet_n;
	flush(l);
}

static void data(line *l, const uint8_t *body, size_t n)
{
	uint8_t *h = l->out_packet;
	uint32_t sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += body[i];
	memset(h, 0x30, 4);
	put(h + 4, 2 | n << 16, 4);
	put(h + 8, l->out_id, 4);
	put(h + 12, sum, 4);
	memcpy(h + HEAD, body, n);
	h[HEAD + n] = 0xaa;
	l->out_packet_n = HEAD + n + 1;
	l->unacked = true;
	l->packets++;
	again(l);
}

/* The next data packet; its acknowledgement waits for what is sent next. 0: silence, RESET: that
 * came. */
static int receive(line *l, int ms)
{
	for (;;) {
		flush(l);
		if (!need(l, HEAD, ms)) {
			if (!l->unacked)
				return 0;
			again(l);
			continue;
		}
		uint8_t *h = l->in + l->pos;
		if ((h[0] != 0x30 && h[0] != 0x69) || memcmp(h, h + 1, 3)) {
			l->pos++;
			continue;
		}
		uint32_t type = (uint32_t)get(h + 4, 2), id = (uint32_t)get(h + 8, 4);
		if (h[0] == 0x69) {
			l->pos += HEAD;
			if (type == ACK && l->unacked && id == l->out_id) {
				l->out_id ^= 1;
				l->unacked = false;
			} else if (type == RESEND && l->unacked) {
				again(l);
			} else if (type == RESET) {
				l->out_id = (uint32_t)FIRST_ID;
				l->last_id = 1;
				l->unacked = false;
				return RESET;
			}
			continue;
		}
		size_t n = (size_t)get(h + 6, 2);
		if (!need(l, HEAD + n + 1, 1000)) {
			l->pos++;
			continue;
		}
		h = l->in + l->pos;
		uint32_t sum = 0;
		for (size_t i = 0; i < n; i++)
			sum += h[HEAD + i];
		l->pos += HEAD + n + 1;
		if (h[HEAD + n] != 0xaa || sum != get(h + 12, 4)) {
			control(l, RESEND, 0);
			continue;
		}
		control(l, ACK, id & ~(uint32_t)SYNC);
		if (id == l->last_id && !(id & SYNC))
			continue;
		l->last_id = id;
		if (id & SYNC)
			l->out_id = (uint32_t)FIRST_ID;
		if (l->unacked) { /* it answers: it has our packet */
			l->out_id ^= 1;
			l->unacked = false;
		}
		if (type == 3) /* a print */
			continue;
		memcpy(l->p, h + HEAD, n);
		l->p_n = n;
		l->p_type = type;
		l->packets++;
		return 0x100;
	}
}

static uint8_t processor;

static void request(line *l, unsigned api, uint64_t a, uint32_t b, const void *more, size_t more_n)
{
	uint8_t m[RECORD + 512] = {0};
	put(m, api, 4);
	m[6] = processor;
	put(m + 8, 0x103, 4);
	if (api == 0x315f || api == 0x3160) { /* context in parts: offset, count, copied */
		put(m + 16, a, 4);
		put(m + 20, b, 4);
	} else {
		put(m + 16, a, 8);
		put(m + 24, b, 4);
	}
	if (more_n)
		memcpy(m + RECORD, more, more_n);
	data(l, m, RECORD + more_n);
	do
		if (receive(l, 1000) == 0)
			die("no reply");
	while (l->p_type != 2 || get(l->p, 4) != api);
	if (get(l->p + 8, 4)) {
		fprintf(stderr, "request %x: status %x\n", api, (unsigned)get(l->p + 8, 4));
		exit(1);
	}
}

static void resume(line *l, bool trace, uint64_t dr7)
{
	uint8_t m[RECORD] = {0};
	put(m, 0x313c, 4);
	m[6] = processor;
	put(m + 16, 0x00010002, 4); /* DBG_CONTINUE */
	put(m + 20, trace, 4);
	put(m + 24, dr7, 8);
	put(m + 32, 1, 8);
	put(m + 40, 1, 8);
	data(l, m, sizeof m);
}

/* The next stop; loads of modules are let pass. */
static void stop(line *l, uint64_t dr7)
{
	for (;;) {
		if (receive(l, 20000) != 0x100)
			die("no stop");
		if (l->p_type != 7)
			continue;
		processor = l->p[6];
		if (get(l->p, 4) == 0x3030)
			return;
		resume(l, false, dr7);
	}
}

/* Both count from the start after a RESET, which a kernel that is stopped answers and then sends
 * its stop again. */
static bool reset(line *l)
{
	control(l, RESET, 0);
	flush(l);
	if (receive(l, 500) != RESET)
		return false;
	while (receive(l, 2000) == 0x100)
		if (l->p_type == 7) {
			processor = l->p[6];
			return true;
		}
	return false;
}

static void join(line *l)
{
	for (int tries = 0; tries < 20; tries++) {
		l->out[l->out_n++] = 0x62;
		flush(l);
		bool seen = receive(l, 1000) == 0x100;
		flush(l);
		for (int k = 0; k < (seen ? 10 : 1); k++)
			if (reset(l))
				return;
	}
	die("no contact");
}

static uint64_t pc_of(const line *l)
{
	return get(l->p + 24, 8);
}

static line *open_line(const char *path)
{
	static line l;
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof a.sun_path)
		die("path too long");
	strcpy(a.sun_path, path);
	l.fd = socket(AF_UNIX, SOCK_STREAM, 0);
	for (int i = 0; connect(l.fd, (struct sockaddr *)&a, sizeof a); i++) {
		if (i == 100)
			die("cannot connect");
		nap(50000);
	}
	l.out_id = (uint32_t)FIRST_ID;
	return &l;
}

/* Two ways to wait for bytes take turns: a wake-up for each burst, and short naps. The better one
 * counts. */
static int push(const char *path, double seconds)
{
	line *l = open_line(path);
	double best = 0, rate[2] = {0, 0}, most[2] = {0, 0};
	size_t bytes[2] = {0, 0};
	static uint8_t b[65536];
	for (double end = now() + 1; now() < end;) /* until it starts */
		if (read(l->fd, b, sizeof b) <= 0)
			die("closed");
	for (double begin = now(); now() < begin + seconds;) {
		for (int way = 0; way < 2; way++) {
			size_t n = 0;
			double t = now(), end = t + 0.5, took;
			while (now() < end) {
				if (way)
					nap(150);
				ssize_t k = read(l->fd, b, sizeof b);
				if (k <= 0)
					die("closed");
				n += (size_t)k;
			}
			took = now() - t;
			bytes[way] += n;
			rate[way] += took;
			if ((double)n / took > most[way])
				most[way] = (double)n / took;
		}
	}
	for (int way = 0; way < 2; way++) {
		double r = (double)bytes[way] / rate[way];
		best = r > best ? r : best;
	}
	printf("woken %.0f\nnaps %.0f\nrate %.0f\n", (double)bytes[0] / rate[0],
		(double)bytes[1] / rate[1], best);
	return 0;
}

/* The instruction under the breakpoint is a push of a register, of 1 or 2 bytes: the stop tells
 * which. */
static void emulate_push(line *l, uint64_t pc, const uint8_t *code)
{
	uint8_t c[CTX_END - CTX_GPR];
	bool rex = (code[0] & 0xf0) == 0x40;
	size_t reg = rex ? (code[1] & 7u) | (code[0] & 1u) << 3 : code[0] & 7u;
	if ((code[rex] & 0xf8) != 0x50)
		die("the breakpoint is not on a push");
	request(l, 0x315f, CTX_GPR, sizeof c, NULL, 0);
	memcpy(c, l->p + RECORD, sizeof c);
	uint64_t sp = get(c + CTX_RSP - CTX_GPR, 8) - 8;
	request(l, 0x3131, sp, 8, c + 8 * reg, 8);
	put(c + CTX_RSP - CTX_GPR, sp, 8);
	put(c + CTX_RIP - CTX_GPR, pc + 1 + rex, 8);
	request(l, 0x3160, CTX_RSP, CTX_END - CTX_RSP, c + CTX_RSP - CTX_GPR, CTX_END - CTX_RSP);
}

static void write_breakpoint(line *l, uint64_t pc)
{
	request(l, 0x3134, pc, 0, NULL, 0);
}

static void debug_register(line *l, uint64_t pc, unsigned cpus)
{
	uint8_t sr[216];
	for (unsigned i = 0; i < cpus; i++) {
		processor = (uint8_t)i;
		request(l, 0x3137, 2, sizeof sr, NULL, 0);
		memcpy(sr, l->p + RECORD, sizeof sr);
		put(sr + SR_DR0, pc, 8);
		put(sr + SR_DR7, pc ? 0x401 : 0x400, 8);
		request(l, 0x3138, 2, sizeof sr, sr, sizeof sr);
	}
}

/* One instruction without a hit. */
static void resume_flag(line *l, uint32_t eflags)
{
	uint8_t f[4];
	put(f, eflags | RF, 4);
	request(l, 0x3160, CTX_EFLAGS, sizeof f, f, sizeof f);
}

static int hits(const char *path, const char *loop, uint64_t at, unsigned n, uint64_t offset)
{
	line *l = open_line(path);
	bool process = strstr(loop, "process") != NULL, context = strstr(loop, "context") != NULL;
	bool step = !strncmp(loop, "step", 4), reg = !strncmp(loop, "register", 8);
	uint64_t dr7 = reg ? 0x401 : 0x400;
	double began = 0;
	unsigned seen = 0;
	uint64_t bytes_in = 0, bytes_out = 0, packets = 0;
	join(l);
	uint8_t stopped_on = processor;
	uint8_t rip[8];
	put(rip, pc_of(l) + 1, 8);
	unsigned cpus = (unsigned)get(l->p + 8, 4);
	if (reg)
		debug_register(l, at, cpus);
	else
		write_breakpoint(l, at);
	processor = stopped_on;
	request(l, 0x3160, CTX_RIP, 8, rip, 8);
	resume(l, false, dr7);
	for (;;) {
		stop(l, dr7);
		uint64_t thread = get(l->p + 16, 8), pc = pc_of(l);
		if (pc != at) { /* a break-in byte too many: behind its int 3 */
			put(rip, pc + (get(l->p + 32, 4) == 0x80000003), 8);
			request(l, 0x3160, CTX_RIP, 8, rip, 8);
			resume(l, false, dr7);
			continue;
		}
		if (!began) {
			began = now();
			bytes_in = l->got;
			bytes_out = l->sent;
			packets = l->packets;
		} else if (++seen == n) {
			break;
		}
		uint32_t eflags = (uint32_t)get(l->p + STATE_EFLAGS, 4);
		uint8_t code[2];
		memcpy(code, l->p + STATE_STREAM, 2);
		if (process)
			request(l, 0x3130, thread + offset, 8, NULL, 0);
		if (context && (step || reg))
			request(l, 0x315f, CTX_GPR, CTX_END - CTX_GPR, NULL, 0);
		if (step) {
			resume(l, true, dr7);
			stop(l, dr7);
			write_breakpoint(l, at);
		} else if (reg) {
			resume_flag(l, eflags);
		} else {
			emulate_push(l, at, code);
			write_breakpoint(l, at);
		}
		resume(l, false, dr7);
	}
	double took = now() - began;
	printf("hits %u\nseconds %.4f\nrate %.2f\npackets %.2f\nin %.1f\nout %.1f\n", n, took,
		n / took, (double)(l->packets - packets) / n, (double)(l->got - bytes_in) / n,
		(double)(l->sent - bytes_out) / n);
	/* A debug register is taken out; the kernel's entry it has taken out itself. */
	if (reg)
		debug_register(l, 0, cpus);
	resume(l, false, 0x400);
	for (int i = 0; l->unacked && i < 20; i++)
		(void)receive(l, 20);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "push"))
		return push(argv[2], atof(argv[3]));
	if (argc >= 6 && !strcmp(argv[1], "hits"))
		return hits(argv[2], argv[3], strtoull(argv[4], NULL, 16), (unsigned)atoi(argv[5]),
			argc > 6 ? strtoull(argv[6], NULL, 16) : 0);
	fprintf(stderr,
		"kd_floor push SOCKET SECONDS | kd_floor hits SOCKET LOOP ADDRESS N [OFFSET]\n");
	return 2;
}
