/*
 * lang: what the files of the command interpreter share: lex.c (text), rows.c (which command),
 * args.c (what it is given), alias.c (replacement), script.c (control flow, files), cmd.c (the loop
 * that runs commands), log.c, shell.c, misc.c.
 *
 * A front end needs only cmd.h and the few functions at the end.
 */
#ifndef RS_CMD_LANG_H
#define RS_CMD_LANG_H

#include "cmd/cmd.h"

#include <stdio.h>

enum {
	LANG_DEPTH_MAX = 64,		 /* blocks, scripts and command lists inside each other */
	LANG_TEXT_MAX = 4 * 1024 * 1024, /* a line or script after replacement */
	LANG_ALIASES_MAX = 4096,
	LANG_CAPTURE_MAX = 16 * 1024 * 1024 /* output that .foreach or as /c may collect */
};

/* Why commands behind the current one are not run. */
typedef enum lang_unwind {
	UNWIND_NONE,
	UNWIND_BREAK,	 /* .break */
	UNWIND_CONTINUE, /* .continue */
	UNWIND_LEAVE,	 /* .leave */
	UNWIND_REPEAT,	 /* z: from the start of this text */
	UNWIND_END	 /* q, or the verdict inside a wait: everything */
} lang_unwind;

/* A .foreach variable or script argument: an alias that lives as long as its block. */
typedef struct lang_var {
	str name, value;
	const struct lang_var *up;
} lang_var;

typedef struct lang {
	map aliases;	      /* name -> char *, case-sensitive, insertion order */
	char *fixed[10];      /* $u0..$u9, NULL empty */
	const lang_var *vars; /* innermost first */
	unsigned depth, loops, catches;
	unsigned lists; /* command lists of breakpoints and filters that run */
	lang_unwind unwind;
	/* Set by commands that end somewhere else than their `;` (control flow, as): bytes of args.
	 */
	bool took;
	size_t taken;
	const char *text_end; /* of the text whose command runs */
	/* The line as the user typed it, while its own commands run; p NULL otherwise. */
	str typed;
	size_t prompt_width;
	str current;	   /* the command that runs, for "Syntax error in ..." */
	const char *fault; /* place in the text of the command that the error is about */
	bool said;	   /* said_text was printed, for the error that is on its way up */
	char said_text[DIAG_TEXT_MAX];

	char suffix;	      /* ss: 'a', 'w' or 0 */
	char *prompt_command; /* .pcmd */
	bool no_shell;	      /* .noshell */
	bool time_stamps;     /* .echotimestamps */
	char *command_line;   /* vercommand */

	/* See log.c. */
	bool tapped, debuggee_line_start, event_line_start;
	FILE *log;
	char *log_path;
	bool log_unicode;
	unsigned show_mask, log_mask; /* the engine's own mask is their union then */
	void (*below)(void *u, unsigned mask, str text);
	void *below_u;
} lang;

/* ---- lex.c: pure text ---- */

bool lex_blank(char c);			   /* space, tab, CR, LF */
size_t lex_skip(str t, size_t pos);	   /* blanks */
size_t lex_skip_breaks(str t, size_t pos); /* blanks and `;` */
/* Behind the string that starts with the quote at pos; pos + 1 if it is never closed. */
size_t lex_quoted(str t, size_t pos);
/* End of an ordinary command that starts at pos: `;` or line end outside quotes. */
size_t lex_command_end(str t, size_t pos);
size_t lex_line_end(str t, size_t pos);
/* t[pos] is open: the place of the partner, SIZE_MAX without one. Quotes and comments are skipped.
 */
size_t lex_match(str t, size_t pos, char open, char close);
/* { text } at *pos (blanks and `;` before it skipped); *pos moves behind it. */
bool lex_block(str t, size_t *pos, str *body);
/* A word, or quoted text without its quotes; moves *pos. */
str lex_word(str t, size_t *pos);
/* C escapes of a quoted string: \n \t \r \" \\ ; others stay. */
str lex_unescape(arena *a, str s);
/* The prefixes of a command: "2k", "~3 r". True with the lengths if there is one. */
bool lex_unit_prefix(str t, size_t *used, uint32_t *unit);
bool lex_thread_prefix(str t, size_t *used, str *thread);
/* "!mod.name" and "!name": where the name starts. */
size_t lex_extension(str t);

/* ---- alias.c ---- */

/* The text with every alias replaced; a text that starts with as, aS, ad or al is left alone.
 * ERR_LIMIT beyond LANG_TEXT_MAX. */
err alias_expand(cmd *c, arena *a, str text, str *ret) MUST_CHECK;
void alias_destroy(lang *l);
err alias_set(cmd *c, str name, str value) MUST_CHECK;
/* "r $.u3=text": handled here because the text is not a register value. */
bool alias_is_fixed_set(str command);
err alias_fixed_set(cmd *c, str command) MUST_CHECK;

/* ---- cmd.c ---- */

/* Runs text as a block: aliases replaced, every command. What it prints is already said. */
err lang_block(cmd *c, str text) MUST_CHECK;
/* As lang_block with the output collected in b. */
err lang_capture(cmd *c, str text, buf *b) MUST_CHECK;
/* Waits if a command before has set the target running. */
err lang_settle(cmd *c) MUST_CHECK;
/* The arguments without an end at the line's end: for commands that go over several lines. */
str lang_rest(cmd *c, const cmd_call *call);
/* A command that ends somewhere else than at its `;`: it used n bytes of its args. */
void lang_took(cmd *c, size_t n);

/* ERR_CANCELLED if the user asked to stop; loops ask at each turn. */
err lang_cancelled(cmd *c) MUST_CHECK;

/* ---- args.c ---- */

/* Whole-text condition or value with the default evaluator. */
err lang_eval(cmd *c, str text, uint64_t *ret) MUST_CHECK;
void lang_env(cmd *c, masm_env *ret);

/* ---- script.c ---- */

bool script_condition(void *cu, str commands, arena *a, masm_code **cond, str *then);
err script_file(cmd *c, str path, bool block, bool echo, const str *args, size_t n_args) MUST_CHECK;

/* ---- misc.c ---- */

/* "0", "1", or nothing, which toggles (or, with show, leaves it alone). */
err misc_switch(cmd *c, str args, bool show, bool *ret) MUST_CHECK;
str misc_now_text(arena *a); /* the host's time with date and zone */

/* ---- procs.c ---- */

/* A command with a thread prefix: its function once for each thread, looking through it. */
err procs_each(cmd *c, cmd_call *call) MUST_CHECK;
err procs_tilde(cmd *c, cmd_call *call) MUST_CHECK; /* ~ in user mode */
err procs_detach(cmd *c, cmd_call *call) MUST_CHECK;
/* The thread's line of ~. */
void procs_show_thread(cmd *c, const eng_thr *t);

/* ---- log.c ---- */

void log_close(cmd *c);
/* Prompt and typed line into the log file. */
void log_input(cmd *c, str prompt, str line);

/* ---- help.c ---- */

typedef enum help_kind { HELP_COMMANDS, HELP_META, HELP_EXTENSIONS } help_kind;
err help_list(cmd *c, help_kind kind);

/* ---- for front ends ---- */

/* The front end shows a prompt after a stop: runs .pcmd's command. */
err cmd_on_stop(cmd *c);
void cmd_set_command_line(cmd *c, str text); /* vercommand */
/* Runs a script file as -cf and $$< do; no error if there is no such file and `optional`. */
err cmd_run_file(cmd *c, const char *path, bool optional);

#endif
