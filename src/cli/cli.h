/*
 * cli: the command line, a client of include/ringside.h and of nothing else. What its files share.
 *
 *   main.c     the loop: prompt, execute, wait        options.c  the command line
 *   line.c     reading a line, history, completion    keys.c     signals and control keys
 *   doctor.c   --doctor
 */
#ifndef RS_CLI_H
#define RS_CLI_H

#include "ringside.h"

#include <stdbool.h>
#include <stdio.h>

enum { CLI_COMMANDS_MAX = 32 };

typedef struct cli_options {
	const char *connect; /* -k */
	bool local, have_k;  /* -kl, a -k was there */
	const char *exdi;    /* -kx */
	const char *image;   /* -z */
	int program_argc;    /* the program and its words */
	char *const *program;
	uint64_t attach_pid;			/* -p */
	const char *attach_name;		/* -pn */
	bool noninvasive;			/* -pv */
	bool children;				/* -o */
	const char *commands[CLI_COMMANDS_MAX]; /* -c, -cf as "$$<file", settings; in order */
	size_t n_commands;
	const char *before[CLI_COMMANDS_MAX]; /* run before anything is attached */
	size_t n_before;
	char *owned[2 * CLI_COMMANDS_MAX]; /* texts that were put together */
	size_t n_owned;
	const char *restart_script; /* -cfr */
	const char *symbols;	    /* -y */
	const char *workspace;	    /* -W */
	bool initial_break, verbose, no_inifile, break_on_load;
	bool doctor, show_version, show_help;
} cli_options;

/* false: a message was printed, exit with 2. Strings are argv's or the options' own. */
bool options_parse(int argc, char **argv, cli_options *ret);
void options_free(cli_options *o);
void options_help(FILE *to);

typedef struct cli {
	rs_session *s;
	cli_options o;
	bool terminal; /* standard input is one: line editing, keys */
	bool colours;
	bool at_line_start; /* of what was printed */
	bool script_due;    /* a target came, or came anew, since -cfr's script ran */
	bool waiting;	    /* the target runs, or a command list of its events does */
	char last[4096];    /* command that an empty line repeats */
	int exit_code;
} cli;

/* A line without newline into buffer; false at the end of input. The prompt is shown; when input is
 * no terminal, prompt and line are echoed so that a transcript reads like a session. */
bool line_read(cli *c, const char *prompt, char *buffer, size_t size);
void line_init(cli *c);
void line_done(cli *c);
/* What was typed while the target ran comes first at the next prompt. */
void line_push(cli *c, const char *text);

void keys_init(cli *c);
/* Around a wait: control keys work, other typing is kept. With `late` (static) both begin only when
 * it takes long, and that text says so. */
void keys_watch_begin(cli *c, const char *late);
void keys_watch_end(cli *c);
/* Acts on a line that begins with a control character (Ctrl+D ENTER ...); false: it is none. */
bool keys_line(cli *c, const char *line);
/* Ctrl+B was typed; the number of times. */
int keys_abandon(void);

int doctor_run(const cli_options *o);

#endif
