/*
 * user_ours: how long single commands take, through the public API. Run by bench/user.
 *
 *   user_ours PROGRAM ARGUMENTS COMMAND ...   starts the program, goes to its hit(), and prints for
 *                                             each command "key milliseconds characters", the key
 *                                             being what stands before the command's first '='
 *
 * A time is from giving the command to its return: what a user waits for, without the terminal.
 */
#include "ringside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static size_t said;
static char text[4096];

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void on_output(void *u, uint32_t mask, const char *p, size_t n)
{
	(void)u;
	(void)mask;
	size_t room = said < sizeof text ? sizeof text - said : 0;
	memcpy(text + (sizeof text - room), p, n < room ? n : room);
	said += n;
}

static void die(rs_session *s, const char *what)
{
	fprintf(stderr, "user_ours: %s: %s\n%.*s\n", what, rs_error_text(s),
		(int)(said < sizeof text ? said : sizeof text), text);
	exit(1);
}

static void go(rs_session *s)
{
	if (rs_execute(s, RS_OUTCTL_ALL_CLIENTS, "g", 0) < 0 ||
		rs_wait_for_event(s, 0, 120000) != RS_S_OK)
		die(s, "g");
}

int main(int argc, char **argv)
{
	char line[4096];
	rs_session *s;
	if (argc < 4)
		return 2;
	rs_create(&s);
	rs_set_output_callbacks(s, on_output, NULL);
	snprintf(line, sizeof line, ".create %s %s", argv[1], argv[2]);
	if (rs_execute(s, RS_OUTCTL_ALL_CLIENTS, line, 0) < 0)
		die(s, line);
	if (rs_wait_for_event(s, 0, 60000) != RS_S_OK)
		die(s, "the first event");
	if (rs_execute(s, RS_OUTCTL_ALL_CLIENTS, "bp hit", 0) < 0)
		die(s, "bp hit");
	go(s);
	for (int i = 3; i < argc; i++) {
		const char *eq = strchr(argv[i], '=');
		if (!eq)
			die(s, argv[i]);
		said = 0;
		double t0 = now();
		if (rs_execute(s, RS_OUTCTL_ALL_CLIENTS, eq + 1, 0) < 0)
			die(s, eq + 1);
		printf("%.*s %.3f %zu\n", (int)(eq - argv[i]), argv[i], now() - t0, said);
		if (getenv("USER_OURS_SAY"))
			fprintf(stderr, "%.*s\n", (int)(said < 1500 ? said : 1500), text);
	}
	fflush(stdout);
	rs_execute(s, RS_OUTCTL_ALL_CLIENTS, ".kill", 0);
	rs_destroy(s);
	return 0;
}
