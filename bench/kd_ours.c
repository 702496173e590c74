/*
 * kd_ours: what the debugger needs for one job, through its public API. Run by bench/kd.
 *
 *   kd_ours CONNECTION SYMBOLS attach             start to prompt, in parts; leaves the target
 * stopped kd_ours CONNECTION SYMBOLS facts EXPR         its value, and where KTHREAD has
 * ApcState.Process kd_ours CONNECTION SYMBOLS read EXPR BYTES    bytes a second kd_ours CONNECTION
 * SYMBOLS stop PLACE         requests between a breakpoint's state change and the prompt kd_ours
 * CONNECTION SYMBOLS hits PLACE SETUP N N hits passed over, then one that stops. In SETUP
 * (commands) {N} stands for N, {P} for the process of the first hit.
 *
 * Packets are counted from the packet trace (Ctrl+D) in a turn of its own, so that it costs no time
 * in the one that is timed. Prints "key value" lines.
 */
#include "ringside.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TRACED_HITS = 20 };

typedef struct bench {
	rs_session *s;
	bool counting;
	unsigned data, requests;
	double first_packet, version, last_reply, state;
	char text[4096];
	size_t text_n;
} bench;

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(bench *b, const char *what)
{
	fprintf(stderr, "kd_ours: %s: %s\n%.*s\n", what, rs_error_text(b->s), (int)b->text_n,
		b->text);
	exit(1);
}

/* A line that is there: UBSan makes gcc 12 look into what follows if it were not. */
static bool has(const char *line, size_t n, const char *word)
{
	return line && memmem(line, n, word, strlen(word));
}

/* Trace lines: "> 1 ReadVirtual ...", "< 0 StateChange ...", "> ACK 80800000". */
static void on_line(bench *b, const char *p, size_t n)
{
	bool in = p[0] == '<';
	if (n < 4 || (p[0] != '>' && !in) || p[1] != ' ')
		return;
	if (!b->first_packet)
		b->first_packet = now();
	if (p[2] != '0' && p[2] != '1')
		return; /* a control packet or a break-in */
	b->data++;
	bool state = has(p, n, "StateChange"), go = has(p, n, "Continue");
	if (getenv("KD_OURS_TRACE"))
		fprintf(stderr, "%.*s\n", (int)n, p);
	if (state) {
		b->state = now();
		b->requests = 0;
	} else if (in) {
		b->last_reply = now();
		if (has(p, n, "Version"))
			b->version = b->last_reply;
	} else if (!go) {
		b->requests++;
	}
}

static void on_output(void *u, uint32_t mask, const char *text, size_t n)
{
	bench *b = u;
	(void)mask;
	for (size_t at = 0; b->counting && at < n;) {
		const char *end = memchr(text + at, '\n', n - at);
		size_t len = end ? (size_t)(end - text) - at : n - at;
		on_line(b, text + at, len);
		at += len + 1;
	}
	if (b->counting || n > sizeof b->text - b->text_n)
		return;
	memcpy(b->text + b->text_n, text, n);
	b->text_n += n;
}

static void trace(bench *b, bool on)
{
	int is = 0;
	if (b->counting != on && rs_toggle_packet_trace(b->s, &is) != RS_S_OK)
		die(b, "tracing");
	b->counting = on;
	b->data = 0;
}

static void run(bench *b, const char *command)
{
	if (rs_execute(b->s, RS_OUTCTL_ALL_CLIENTS, command, 0) < 0)
		die(b, command);
}

/* Resumes and waits, as the command line does. */
static double go(bench *b)
{
	double t = now();
	char prompt[64];
	run(b, "g");
	if (rs_wait_for_event(b->s, 0, 120000) != RS_S_OK)
		die(b, "waiting");
	double took = now() - t;
	rs_output_current_state(b->s, RS_OUTCTL_ALL_CLIENTS, RS_CURRENT_DEFAULT);
	rs_get_prompt_text(b->s, prompt, sizeof prompt, NULL);
	return took;
}

static void attach(bench *b, const char *connection, const char *symbols, bool timed)
{
	double t = now();
	char prompt[64];
	rs_create(&b->s);
	rs_set_output_callbacks(b->s, on_output, b);
	rs_set_symbol_path(b->s, symbols);
	rs_add_engine_options(b->s, RS_ENGOPT_INITIAL_BREAK);
	if (rs_attach_kernel(b->s, RS_ATTACH_KERNEL_CONNECTION, connection) < 0)
		die(b, "attaching");
	trace(b, timed);
	if (rs_wait_for_event(b->s, 0, 60000) != RS_S_OK)
		die(b, "the first event");
	rs_output_current_state(b->s, RS_OUTCTL_ALL_CLIENTS, RS_CURRENT_DEFAULT);
	rs_get_prompt_text(b->s, prompt, sizeof prompt, NULL);
	double end = now();
	if (timed) {
		uint64_t at;
		unsigned requests = b->requests;
		double last = b->last_reply;
		double symbol = now();
		if (rs_get_offset_by_name(b->s, "nt!NtReadFile", &at) != RS_S_OK)
			die(b, "nt!NtReadFile");
		symbol = now() - symbol;
		printf("link %.6f\nversion %.6f\nmodules %.6f\nrest %.6f\nsymbol %.6f\ntotal "
		       "%.6f\nrequests %u\n",
			b->state - t, b->version - b->state, last - b->version, end - last, symbol,
			end - t, requests);
	}
	trace(b, false);
}

static void read_memory(bench *b, const char *expression, uint32_t size)
{
	uint64_t at;
	uint32_t got = 0;
	char *to = malloc(size);
	if (rs_evaluate(b->s, expression, &at, NULL) != RS_S_OK)
		die(b, expression);
	double t = now();
	if (rs_read_virtual(b->s, at, to, size, &got) < 0 || got != size)
		die(b, "reading");
	printf("rate %.0f\n", size / (now() - t));
	free(to);
}

static void stop(bench *b, const char *place)
{
	char command[256];
	snprintf(command, sizeof command, "bp %s", place);
	run(b, command);
	go(b); /* the first one also loads what is loaded once */
	for (int i = 0; i < 3; i++) {
		trace(b, true);
		go(b);
		printf("requests %u\n", b->requests);
		trace(b, false);
	}
}

static void setup(bench *b, const char *commands, unsigned n, uint64_t process)
{
	char out[1024];
	size_t k = 0;
	for (const char *p = commands; *p && k < sizeof out - 32; p++) {
		if (!strncmp(p, "{N}", 3))
			k += (size_t)snprintf(out + k, 32, "0n%u", n), p += 2;
		else if (!strncmp(p, "{P}", 3))
			k += (size_t)snprintf(out + k, 32, "%llx", (unsigned long long)process),
				p += 2;
		else
			out[k++] = *p;
	}
	out[k] = 0;
	run(b, out);
}

static void hits(bench *b, const char *place, const char *commands, unsigned n)
{
	char command[256];
	uint64_t process = 0;
	snprintf(command, sizeof command, "bp %s", place);
	run(b, command);
	go(b);
	if (rs_get_implicit_process_data_offset(b->s, &process) != RS_S_OK)
		die(b, "the process");
	run(b, "bc *");
	setup(b, commands, n, process);
	double took = go(b);
	run(b, "bc *");
	setup(b, commands, TRACED_HITS, process);
	trace(b, true);
	go(b);
	unsigned data = b->data;
	/* What the stop at the end costs on top is not a hit's. */
	unsigned shown = b->requests * 2;
	trace(b, false);
	run(b, "bc *");
	printf("seconds %.4f\nrate %.2f\npackets %.2f\n", took, n / took,
		(double)(data - shown) / TRACED_HITS);
}

static void facts(bench *b, const char *expression)
{
	uint64_t at;
	uint32_t offset;
	if (rs_evaluate(b->s, expression, &at, NULL) != RS_S_OK)
		die(b, expression);
	if (rs_get_field_offset(b->s, "nt!_KTHREAD", "ApcState.Process", &offset) != RS_S_OK)
		die(b, "nt!_KTHREAD.ApcState.Process");
	printf("address %llx\noffset %x\n", (unsigned long long)at, offset);
}

int main(int argc, char **argv)
{
	static bench b;
	const char *job = argc > 3 ? argv[3] : "";
	bool is_attach = !strcmp(job, "attach");
	if (!is_attach && !(argc == 5 && !strcmp(job, "facts")) &&
		!(argc == 6 && !strcmp(job, "read")) && !(argc == 5 && !strcmp(job, "stop")) &&
		!(argc == 7 && !strcmp(job, "hits"))) {
		fprintf(stderr, "usage: kd_ours CONNECTION SYMBOLS attach | facts EXPR | read EXPR "
				"BYTES | stop PLACE | "
				"hits PLACE SETUP N\n");
		return 2;
	}
	attach(&b, argv[1], argv[2], is_attach);
	if (*job == 'r')
		read_memory(&b, argv[4], (uint32_t)strtoul(argv[5], NULL, 0));
	else if (*job == 'f')
		facts(&b, argv[4]);
	else if (*job == 's')
		stop(&b, argv[4]);
	else if (*job == 'h')
		hits(&b, argv[4], argv[5], (unsigned)atoi(argv[6]));
	if (is_attach) /* as if killed: the next one attaches to a stopped target */
		rs_end_session(b.s, RS_END_REENTRANT);
	rs_destroy(b.s);
	return 0;
}
