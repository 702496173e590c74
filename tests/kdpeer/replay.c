/*
 * replay: a target made of recordings. It boots with the recorded text, prompts and load events,
 * answers each request as the recorded kernel answered the same request, stops with a recorded stop
 * when it is broken into or stepped, and refuses what was never recorded (0xC0000001).
 *
 * A recording is a text file, one packet (or run of stray bytes) a line: "seconds direction hex",
 * `>` from the debugger, `<` from the kernel. Memory payloads over 64 bytes have been zeroed by
 * whoever made it.
 *
 * Framing is the stub's (guest/kd/kdlink.c); nothing else of the stub is in here.
 *
 *   replay CHANNEL FILE...
 */
#include "channel.h"

#include "kd/kdstub.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FRAMES_MAX = 4096, BYTES_MAX = 8 << 20, IMAGE_MAX = 65536, RUN_MS = 50 };

typedef struct recorded {
	bool from_kernel;
	unsigned type;	  /* packet type; 0: stray bytes or control */
	const uint8_t *p; /* payload */
	size_t n;
	bool used;
} recorded;

static struct {
	channel line;
	recorded f[FRAMES_MAX];
	size_t n;
	uint8_t *bytes;
	size_t bytes_n;
	struct { /* memory as last seen in short reads and instruction streams */
		uint64_t va;
		uint8_t byte;
	} image[IMAGE_MAX];
	size_t image_n;
	uint64_t planted; /* address of the last breakpoint that the recording granted */
	uint32_t planted_handle;
	bool stop_asked;
	unsigned answered, guessed, refused;
} R;
static volatile sig_atomic_t stopping;

static void on_signal(int sig)
{
	(void)sig;
	printf("answered %u guessed %u refused %u\n", R.answered, R.guessed, R.refused);
	fflush(stdout);
	_exit(0);
}

/* ---- the port that kdlink needs ---- */

void kd_port_putc(uint8_t byte)
{
	channel_put(&R.line, byte);
}

int kd_port_getc(uint32_t wait_us)
{
	return channel_get(&R.line, wait_us);
}

void kd_port_copy(void *to, const void *from, size_t n)
{
	if (n)
		memcpy(to, from, n);
}

void kd_port_present(bool present)
{
	(void)present;
}

/* ---- reading recordings ---- */

static uint32_t u32(const void *p)
{
	uint32_t v;
	memcpy(&v, p, 4);
	return v;
}

static uint64_t u64(const void *p)
{
	uint64_t v;
	memcpy(&v, p, 8);
	return v;
}

static bool is(const recorded *r, bool from_kernel, unsigned type, uint32_t word)
{
	return r->from_kernel == from_kernel && r->type == type && r->n >= 4 && u32(r->p) == word;
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool add_line(const char *s)
{
	double when;
	char mark;
	int at = 0;
	if (s[0] == '#' || s[0] == '\n')
		return true;
	if (sscanf(s, "%lf %c %n", &when, &mark, &at) != 2 || (mark != '<' && mark != '>'))
		return false;
	uint8_t *b = R.bytes + R.bytes_n;
	size_t n = 0;
	for (s += at; digit(s[0]) >= 0 && digit(s[1]) >= 0 && R.bytes_n + n < BYTES_MAX; s += 2)
		b[n++] = (uint8_t)(digit(s[0]) << 4 | digit(s[1]));
	R.bytes_n += n;
	if (R.n == FRAMES_MAX || !n)
		return false;
	recorded *r = &R.f[R.n++];
	*r = (recorded){mark == '<', 0, b, n, false};
	if (n >= 17 && u32(b) == 0x30303030u && (size_t)(b[6] | b[7] << 8) == n - 17) {
		r->type = b[4];
		r->p = b + 16;
		r->n = n - 17;
	}
	return true;
}

static bool add_file(const char *path)
{
	static char line[2 * 8192 + 64];
	FILE *f = fopen(path, "r");
	bool good = f != NULL;
	unsigned number = 0;
	while (good && fgets(line, sizeof(line), f)) {
		number++;
		good = add_line(line);
		if (!good)
			fprintf(stderr, "%s:%u: not a recorded frame\n", path, number);
	}
	if (f)
		fclose(f);
	else
		perror(path);
	/* Nothing pairs across files. */
	if (good && R.n < FRAMES_MAX)
		R.f[R.n++] = (recorded){false, 0, (const uint8_t *)"", 0, true};
	return good;
}

/* ---- what was seen of memory ---- */

static uint8_t *image_at(uint64_t va)
{
	for (size_t i = 0; i < R.image_n; i++)
		if (R.image[i].va == va)
			return &R.image[i].byte;
	return NULL;
}

static void learn(uint64_t va, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n && R.image_n < IMAGE_MAX; i++) {
		uint8_t *at = image_at(va + i);
		if (!at) {
			R.image[R.image_n].va = va + i;
			at = &R.image[R.image_n++].byte;
			*at = p[i];
		}
	}
}

static void learn_all(void)
{
	for (size_t i = 0; i < R.n; i++) {
		const recorded *r = &R.f[i];
		if (!r->from_kernel)
			continue;
		if (r->type == KD_TYPE_STATE_CHANGE && r->n >= 240 &&
			(r->p[212] | r->p[213] << 8) <= 16)
			learn(u64(r->p + 24), r->p + 216, r->p[212]);
		if (is(r, true, KD_TYPE_MANIPULATE, KD_READ_VIRTUAL) && r->n > 56 &&
			r->n <= 56 + 64)
			learn(u64(r->p + 16), r->p + 56, r->n - 56);
	}
}

/* ---- finding what was recorded ---- */

/* Whether a request is the same as a recorded one, whatever processor level and leftover status it
 * carried. Data that a recording has zeroed is not compared. */
static bool same_request(
	const recorded *r, const kd_manipulate *m, const uint8_t *data, size_t data_n)
{
	const uint8_t *p = (const uint8_t *)m;
	return r->n == sizeof(*m) + data_n && u32(r->p) == m->api && !memcmp(r->p + 6, p + 6, 2) &&
	       !memcmp(r->p + 16, p + 16, sizeof(*m) - 16) &&
	       (data_n > 64 || !memcmp(r->p + 56, data, data_n));
}

/* The reply to the request at i: the next manipulate packet from the kernel before another request.
 */
static size_t reply_of(size_t i)
{
	for (size_t k = i + 1; k < R.n; k++) {
		if (R.f[k].used && !R.f[k].n)
			return 0;
		if (!R.f[k].from_kernel && R.f[k].type == KD_TYPE_MANIPULATE &&
			memcmp(R.f[k].p, R.f[i].p, R.f[i].n < R.f[k].n ? R.f[i].n : R.f[k].n))
			return 0;
		if (R.f[k].from_kernel && R.f[k].type == KD_TYPE_MANIPULATE)
			return u32(R.f[k].p) == u32(R.f[i].p) ? k : 0;
	}
	return 0;
}

/* The recorded request like this one that has not been used, else the last used. SIZE_MAX: none. */
static size_t find_request(const kd_manipulate *m, const uint8_t *data, size_t data_n)
{
	size_t found = SIZE_MAX;
	for (size_t i = 0; i < R.n; i++) {
		const recorded *r = &R.f[i];
		if (r->from_kernel || r->type != KD_TYPE_MANIPULATE || r->n < sizeof(*m) ||
			!same_request(r, m, data, data_n) || !reply_of(i))
			continue;
		found = i;
		if (!r->used)
			break;
	}
	return found;
}

/* The next stop of a kind in recorded order, round and round. after: what the debugger did before
 * it. */
typedef enum why { AFTER_BREAK_IN, AFTER_STEP, AFTER_GO, BY_ITSELF } why;

static why why_stopped(size_t i)
{
	while (i-- > 0) {
		const recorded *r = &R.f[i];
		if (r->used && !r->n)
			break;
		if (!r->from_kernel && !r->type && r->n >= 1 && r->p[0] == KD_BREAK_IN)
			return AFTER_BREAK_IN;
		if (is(r, false, KD_TYPE_MANIPULATE, KD_CONTINUE2))
			return u32(r->p + 20) ? AFTER_STEP : AFTER_GO;
	}
	return BY_ITSELF;
}

static const recorded *next_stop(why kind, size_t *cursor)
{
	for (size_t n = 0; n < R.n; n++) {
		size_t i = (*cursor + n) % R.n;
		if (is(&R.f[i], true, KD_TYPE_STATE_CHANGE, KD_STATE_EXCEPTION) &&
			why_stopped(i) == kind) {
			*cursor = i + 1;
			return &R.f[i];
		}
	}
	return NULL;
}

/* ---- talking ---- */

static void send(unsigned type, const uint8_t *p, size_t n)
{
	kd_message m = {(void *)p, n, NULL, 0};
	kd_link_send(type, &m);
	channel_flush(&R.line);
}

/* Text that the kernel printed before it answered. */
static void send_text_between(size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if (is(&R.f[i], true, KD_TYPE_DEBUG_IO, KD_IO_PRINT))
			send(KD_TYPE_DEBUG_IO, R.f[i].p, R.f[i].n);
}

static void note(const kd_manipulate *m, const uint8_t *data, size_t data_n, const recorded *reply)
{
	uint32_t status = u32(reply->p + 8);
	if (status)
		return;
	if (m->api == KD_WRITE_BREAKPOINT) {
		R.planted = m->u.breakpoint.address;
		R.planted_handle = u32(reply->p + 24);
	}
	if (m->api == KD_RESTORE_BREAKPOINT && m->u.handle == R.planted_handle)
		R.planted = 0;
	for (size_t i = 0; m->api == KD_WRITE_VIRTUAL && i < data_n; i++) {
		uint8_t *at = image_at(m->u.memory.address + i);
		if (at)
			*at = data[i];
	}
}

/* Not recorded word for word. */
static void improvise(kd_manipulate *m)
{
	static uint8_t packet[KD_PACKET_MAX];
	size_t n = 0;
	const recorded *like = NULL;
	m->status = KD_STATUS_UNSUCCESSFUL;
	if (m->api == KD_READ_VIRTUAL) {
		for (const uint8_t *b; n < m->u.memory.count && n < KD_PACKET_MAX - sizeof(*m) &&
				       (b = image_at(m->u.memory.address + n));
			n++)
			packet[sizeof(*m) + n] = *b;
		m->status = n == m->u.memory.count ? KD_STATUS_SUCCESS : KD_STATUS_UNSUCCESSFUL;
		m->u.memory.actual = (uint32_t)n;
	} else if (m->api == KD_GET_CONTEXT || m->api == KD_GET_VERSION) {
		for (size_t i = 0; i < R.n && !like; i++)
			if (is(&R.f[i], true, KD_TYPE_MANIPULATE, m->api) && !u32(R.f[i].p + 8))
				like = &R.f[i];
	}
	if (like) {
		R.guessed++;
		send(KD_TYPE_MANIPULATE, like->p, like->n);
		return;
	}
	R.guessed += n != 0;
	R.refused += n == 0;
	memcpy(packet, m, sizeof(*m));
	send(KD_TYPE_MANIPULATE, packet, sizeof(*m) + n);
}

static void answer(kd_manipulate *m, const kd_message *in)
{
	static uint8_t data[KD_PACKET_MAX]; /* in->data is overwritten while we send */
	size_t n = in->data_n;
	memcpy(data, in->data, n);
	size_t i = find_request(m, data, n);
	if (i == SIZE_MAX) {
		improvise(m);
		return;
	}
	size_t reply = reply_of(i);
	R.f[i].used = true;
	R.answered++;
	send_text_between(i, reply);
	note(m, data, n, &R.f[reply]);
	send(KD_TYPE_MANIPULATE, R.f[reply].p, R.f[reply].n);
}

/* A state change and everything until the debugger continues; true: with the trace flag. */
static bool stop(const recorded *change)
{
	send(KD_TYPE_STATE_CHANGE, change->p, change->n);
	while (!stopping) {
		kd_manipulate m;
		kd_message in = {&m, sizeof(m), NULL, 0};
		switch (kd_link_receive(KD_TYPE_MANIPULATE, &in)) {
		case KD_GOT_NOTHING:
			if (kd_absent && u32(change->p) == KD_STATE_LOAD_SYMBOLS)
				return false;
			continue;
		case KD_GOT_RESEND:
			send(KD_TYPE_STATE_CHANGE, change->p, change->n);
			continue;
		case KD_GOT_PACKET:
			break;
		}
		if (m.api == KD_CONTINUE)
			return false;
		if (m.api == KD_CONTINUE2)
			return m.u.resume.trace != 0 && (int32_t)m.u.resume.status >= 0;
		answer(&m, &in);
	}
	return false;
}

static void prompt(const recorded *r)
{
	kd_debug_io back;
	kd_message in = {&back, sizeof(back), NULL, 0};
	kd_got got = KD_GOT_RESEND;
	while (got != KD_GOT_PACKET) {
		if (got == KD_GOT_RESEND)
			send(KD_TYPE_DEBUG_IO, r->p, r->n);
		got = kd_link_receive(KD_TYPE_DEBUG_IO, &in);
	}
}

/* Text, prompts, load events and stops that nobody asked for, of all recordings in order; what was
 * printed in answer to a request waits for that request. */
static void boot(void)
{
	bool asked = false;
	for (size_t i = 0; i < R.n && !stopping; i++) {
		const recorded *r = &R.f[i];
		if (!r->from_kernel && r->type == KD_TYPE_MANIPULATE)
			asked = u32(r->p) != KD_CONTINUE2;
		if (r->used && !r->n)
			asked = false;
		if (is(r, true, KD_TYPE_MANIPULATE, r->n >= 4 ? u32(r->p) : 0))
			asked = false;
		if (asked)
			continue;
		if (is(r, true, KD_TYPE_DEBUG_IO, KD_IO_PRINT))
			send(KD_TYPE_DEBUG_IO, r->p, r->n);
		else if (is(r, true, KD_TYPE_DEBUG_IO, KD_IO_GET_STRING))
			prompt(r);
		else if (is(r, true, KD_TYPE_STATE_CHANGE, KD_STATE_LOAD_SYMBOLS) ||
			 (is(r, true, KD_TYPE_STATE_CHANGE, KD_STATE_EXCEPTION) &&
				 why_stopped(i) == BY_ITSELF))
			stop(r);
	}
}

static void run(void)
{
	size_t breaks = 0, steps = 0, goes = 0;
	while (!stopping) {
		const recorded *change = NULL;
		channel_idle(&R.line, 1000);
		if (kd_poll_break_in())
			change = next_stop(AFTER_BREAK_IN, &breaks);
		for (bool step = false; change;
			step = stop(change), change = step ? next_stop(AFTER_STEP, &steps) : NULL)
			;
		/* A breakpoint that the recording planted is hit as the recording says. */
		if (R.planted && (change = next_stop(AFTER_GO, &goes)) &&
			u64(change->p + 24) == R.planted) {
			usleep(RUN_MS * 1000);
			R.planted = 0;
			for (bool step = stop(change);
				step && (change = next_stop(AFTER_STEP, &steps));)
				step = stop(change);
		}
	}
}

int main(int argc, char **argv)
{
	char name[128];
	R.bytes = malloc(BYTES_MAX + 8192);
	if (argc < 3 || !R.bytes) {
		fprintf(stderr, "replay CHANNEL FILE...\n");
		return 2;
	}
	for (int i = 2; i < argc; i++)
		if (!add_file(argv[i]))
			return 1;
	learn_all();
	if (!channel_open(&R.line, argv[1], name, sizeof(name)))
		return 1;
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	printf("ready %s\n", name);
	fflush(stdout);
	kd_link_init();
	/* Nobody would hear the boot. */
	while (R.line.fd < 0)
		channel_idle(&R.line, 100000);
	boot();
	run();
	free(R.bytes);
	return 0;
}
