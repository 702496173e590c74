/*
 * keys: Ctrl+C and the control keys of KD. Ctrl+C is a signal at any time; the others are seen by a
 * small thread while the target runs (the prompt's own editor sees them otherwise).
 *
 * Invariant: the terminal is in its own mode again whenever the prompt or a shell has it.
 */
#include "cli.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { TYPED_MAX = 1024, AGAIN_MS = 1500, LATE_MS = 1000 };

static struct {
	cli *c;
	atomic_int abandon;	/* times Ctrl+B was typed */
	atomic_long last_break; /* ms of the Ctrl+C before */
	pthread_t thread;
	int stop[2];
	bool watching;
	const char *late; /* keys count only after a while, when this is said; NULL: at once */
	struct termios saved;
	char typed[TYPED_MAX];
	size_t n_typed;
} k; /* signals have no other way to their session */

static long now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000L + t.tv_nsec / 1000000;
}

/* The first Ctrl+C breaks in or cancels; a second one soon after gives the prompt back. */
static void on_interrupt(int sig)
{
	long now = now_ms(), before = atomic_exchange(&k.last_break, now);
	(void)sig;
	if (!k.c || !k.c->s)
		return;
	rs_set_interrupt(k.c->s, RS_INTERRUPT_ACTIVE);
	if (before && now - before < AGAIN_MS)
		rs_set_interrupt(k.c->s, RS_INTERRUPT_EXIT);
}

void keys_init(cli *c)
{
	struct sigaction sa = {.sa_handler = on_interrupt};
	k.c = c;
	sigemptyset(&sa.sa_mask);
	sigaction(SIGINT, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
}

int keys_abandon(void)
{
	return atomic_load(&k.abandon);
}

static void act(cli *c, char key)
{
	int on = 0;
	const char *state = "";

	switch (key) {
	case 2: /* Ctrl+B */
		atomic_fetch_add(&k.abandon, 1);
		rs_set_interrupt(c->s, RS_INTERRUPT_EXIT);
		break;
	case 1: /* Ctrl+A */
		rs_set_kernel_connection_options(c->s, "cycle_speed");
		printf("Cycling the baud rate.\n");
		break;
	case 4: /* Ctrl+D */
		if (rs_toggle_packet_trace(c->s, &on) >= 0)
			printf("Packet trace is %s.\n", on ? "on" : "off");
		break;
	case 11: /* Ctrl+K */
		rs_cycle_reboot_break(c->s, &state);
		printf("%s\n", state);
		break;
	case 18: /* Ctrl+R */
		rs_set_kernel_connection_options(c->s, "resync");
		printf("Resynchronising with the target.\n");
		break;
	case 22: /* Ctrl+V */
		rs_toggle_verbose(c->s, &on);
		printf("Verbose mode is %s.\n", on ? "on" : "off");
		break;
	case 23: /* Ctrl+W */
		printf("Ringside %s\n", rs_version());
		break;
	default:
		break;
	}
	fflush(stdout);
}

static bool control_key(char ch)
{
	return ch && strchr("\001\002\004\013\022\026\027", ch);
}

bool keys_line(cli *c, const char *line)
{
	if (!control_key(line[0]))
		return false;
	act(c, line[0]);
	return true;
}

static void *watch(void *u)
{
	struct pollfd p[2] = {
		{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = k.stop[0], .events = POLLIN}};
	char ch;

	(void)u;
	/* What is typed before is the shell's. */
	if (k.late) {
		if (poll(&p[1], 1, LATE_MS) > 0)
			return NULL;
		fputs(k.late, stdout);
		fflush(stdout);
	}
	for (;;) {
		if (poll(p, 2, -1) < 0)
			continue;
		if (p[1].revents)
			return NULL;
		if (!(p[0].revents & POLLIN) || read(STDIN_FILENO, &ch, 1) != 1)
			return NULL;
		if (control_key(ch))
			act(k.c, ch);
		else if (k.n_typed < TYPED_MAX - 1)
			k.typed[k.n_typed++] = ch;
	}
}

void keys_watch_begin(cli *c, const char *late)
{
	struct termios raw;

	atomic_store(&k.last_break, 0); /* the one that ended an earlier wait is answered */
	/* A program has the terminal as it is, in its own process group: Ctrl+C reaches it as a
	 * signal, which stops it. */
	if (!c->terminal || rs_program_on_terminal(c->s) || tcgetattr(STDIN_FILENO, &k.saved) ||
		pipe(k.stop))
		return;
	raw = k.saved;
	raw.c_lflag &= ~(tcflag_t)(ICANON | IEXTEN);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	k.n_typed = 0;
	k.late = late;
	sigset_t block, old;
	sigemptyset(&block);
	sigaddset(&block, SIGINT);
	pthread_sigmask(
		SIG_BLOCK, &block, &old); /* Ctrl+C interrupts the waiting thread, not this one */
	k.watching = !pthread_create(&k.thread, NULL, watch, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!k.watching)
		tcsetattr(STDIN_FILENO, TCSANOW, &k.saved);
}

void keys_watch_end(cli *c)
{
	if (!k.watching)
		return;
	if (write(k.stop[1], "x", 1) == 1)
		pthread_join(k.thread, NULL);
	close(k.stop[0]);
	close(k.stop[1]);
	tcsetattr(STDIN_FILENO, TCSANOW, &k.saved);
	k.watching = false;
	k.typed[k.n_typed] = 0;
	line_push(c, k.typed);
}
