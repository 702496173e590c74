/*
 * cmd: the command language. Text -> lexer (`;`, quotes, braces, aliases) -> row -> function.
 *
 * A command is a row in its family's table: name, usage, summary, help, flags, function. Help,
 * completion, docs/commands/ and the man page are generated from the rows. Refuses to know
 * terminals.
 *
 * A command function gets the text behind its name (blanks skipped, quotes and braces untouched)
 * and returns err; the interpreter prints the words of c->d. Long work polls
 * cancelled(&c->e->cancel). Scratch memory: c->a, freed when the command is done.
 */
#ifndef RS_CMD_CMD_H
#define RS_CMD_CMD_H

#include "engine/bp.h"

typedef struct cmd cmd;

typedef struct cmd_call {
	const struct cmd_row *row;
	str name;   /* as typed: "dt", ".Process", "!process" */
	str args;   /* behind the name, trimmed of leading blanks, up to `;` (or all, CMD_REST) */
	bool glued; /* args followed the name with no blank: "bp3", "r$t0=1" */
	bool has_unit; /* processor prefix: "2r" */
	unit_t unit;
	str thread; /* thread prefix "~2", without the tilde; p NULL if there is none */
} cmd_call;

typedef err cmd_fn(cmd *c, cmd_call *call);

enum {
	CMD_KERNEL = 1, /* works in kernel mode */
	CMD_USER = 2,	/* works in user mode */
	CMD_ANY = 3,
	CMD_LIVE = 4,	      /* needs a target that can run */
	CMD_TARGET = 8,	      /* needs a target that is stopped; the interpreter checks */
	CMD_REST = 0x10,      /* takes the rest of the line, `;` included */
	CMD_RAW = 0x20,	      /* as CMD_REST and no alias replacement either */
	CMD_SUFFIX = 0x40,    /* arguments may be glued to the name: bp3, r$t0=1, lmvm, ~0s */
	CMD_CASE = 0x80,      /* the name is case-sensitive (dD, gN, eD ...) */
	CMD_RUN = 0x100,      /* makes the target run: refused in ~e, ends lists inside a wait */
	CMD_NOREPEAT = 0x200, /* ENTER does not repeat it */
	CMD_UNIT = 0x400,     /* takes a processor prefix */
	CMD_LATER = 0x800     /* documented, not there yet: typed, it says so */
};

typedef struct cmd_row {
	const char *name;    /* "bp", ".process", "!process" */
	const char *usage;   /* "bp[ID] [Options] [Address [Passes]] [\"CommandString\"]" */
	const char *summary; /* one line without full stop */
	const char
		*help; /* paragraphs: parameters, behaviour, examples; NULL if usage says it all */
	unsigned flags;
	cmd_fn *fn;
} cmd_row;

typedef struct cmd_family {
	const char *title; /* "Breakpoints": a page of docs/commands/ */
	const cmd_row *rows;
	size_t n;
} cmd_family;

/* All families, NULL-terminated; table.c lists them. */
extern const cmd_family *const cmd_families[];

/* State that commands of one family keep between calls, created on first use. */
typedef struct cmd_memo {
	uint64_t next_d, next_u;   /* where d and u go on */
	char last_d[8], last_e[8]; /* "db": repeated by d; e */
	bool has_next_d, has_next_u;
} cmd_memo;

struct cmd {
	engine *e;
	diag d;	 /* words of the command that failed */
	arena a; /* scratch of the command that runs */
	cmd_memo memo;
	struct lang *lang; /* aliases, scripts, logs: see lang.h */
	map state;	   /* per-family state by name: cmd_state() */
	bool quit;	   /* q, qq, qd ran: the front end ends; */
	tgt_leave quit_how;
	int exit_code;
};

cmd *cmd_create(engine *e); /* sets e->hooks.run and .condition */
void cmd_destroy(cmd *c);

/*
 * Runs a line: aliases, `;`, control flow. Between commands of the line that set the target running
 * there is an implicit wait; the last one only sets the status (the caller waits), as DbgEng does.
 * Errors of single commands are printed and end the line; the return value is the last one.
 */
err cmd_execute(cmd *c, str line);
/* "0: kd", "lkd", "0:000": the prompt without its bracket. */
void cmd_prompt(cmd *c, buf *ret);
/* What a stop shows, then the per-prompt command (.pcmd). */
void cmd_show_stop(cmd *c);
/* What ENTER runs after this line: the line, for d and u only the command (they go on where they
 * ended), nothing for lines that are not repeated. */
str cmd_repeat_line(cmd *c, str line);
const cmd_row *cmd_row_find(str name); /* exact name; NULL */
/* Row for text that starts with a command, *used its length in text; NULL if there is none. */
const cmd_row *cmd_row_match(str text, size_t *used);

/* Zeroed state of `size` bytes that lives as long as c; the same for the same name. */
void *cmd_state(cmd *c, const char *name, size_t size);

/* ---- arguments ---- */

/* "Address-like" expression at the start of *rest (moves on, blanks skipped). */
err cmd_arg_expr(cmd *c, str *rest, uint64_t *ret) MUST_CHECK;
/* True and moved on if *rest starts with the word (then blank, end or comma); case folded. */
bool cmd_arg_word(str *rest, const char *word);
/* "/x" or "-x" switches: if *rest starts with one, its letters without the mark are returned and
 * *rest moves on. marks: "/", "-" or "/-". */
bool cmd_arg_switch(str *rest, const char *marks, str *ret);
/* A quoted string at the start: contents with C escapes resolved when `escapes`. */
err cmd_arg_quoted(cmd *c, str *rest, bool escapes, str *ret) MUST_CHECK;

typedef struct cmd_range {
	uint64_t addr;
	uint64_t count; /* objects */
	uint64_t bytes;
	bool given;	/* false: nothing was typed, defaults used */
	bool has_count; /* false: only an address was typed */
} cmd_range;
/*
 * addr [addr | L count | L? count | L- count]. size: bytes of an object; def: default count.
 * Nothing typed: given = false, addr = dflt_addr. Without L? at most 256 MB.
 */
err cmd_arg_range(cmd *c, str *rest, size_t size, uint64_t def, uint64_t dflt_addr,
	cmd_range *ret) MUST_CHECK;
/* ERR_SYNTAX "Extra characters ..." unless *rest is blank. */
err cmd_arg_end(cmd *c, str rest) MUST_CHECK;

/* Prints "Syntax error in '...'" style words into c->d and returns ERR_SYNTAX. */
err cmd_syntax(cmd *c, str where) MUST_CHECK;
err cmd_fail(cmd *c, err code, const char *fmt, ...) PRINTF(3, 4) MUST_CHECK;

/* A line from the user for Input> (e*, r X=); ERR_STATE when nobody can answer. */
err cmd_input(cmd *c, const char *prompt, str *ret) MUST_CHECK;

#endif
