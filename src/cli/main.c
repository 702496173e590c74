/*
 * main: the loop of the command line - prompt, execute, wait, show. A client of ringside.h only.
 *
 * Exit code: 0 the session ended as asked (q, end of input); 1 no target, or it was lost; 2 a
 * mistake on the command line.
 */
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static const char *colour(const cli *c, uint32_t mask)
{
	if (!c->colours)
		return NULL;
	if (mask & RS_OUTPUT_ERROR)
		return "\033[31m";
	if (mask & RS_OUTPUT_WARNING)
		return "\033[33m";
	if (mask & (RS_OUTPUT_DEBUGGEE | RS_OUTPUT_DEBUGGEE_PROMPT))
		return "\033[36m";
	if (mask & RS_OUTPUT_SYMBOLS)
		return "\033[2m";
	return NULL;
}

static int on_input(void *u, const char *prompt, char *buffer, size_t size)
{
	cli *c = u;
	char text[256];
	snprintf(text, sizeof text, "%s ", prompt);
	keys_watch_end(c); /* the terminal is the prompt's while it asks */
	bool ok = line_read(c, text, buffer, size);
	keys_watch_begin(c, NULL);
	return ok ? (int)strlen(buffer) : -1;
}

static void complain(const cli *c, const char *what)
{
	fprintf(stderr, "ringside: %s%s%s\n", what, *rs_error_text(c->s) ? ": " : "",
		rs_error_text(c->s));
}

static uint32_t status(const cli *c)
{
	uint32_t s = RS_STATUS_NO_DEBUGGEE;
	rs_get_execution_status(c->s, &s);
	return s;
}

static bool running(const cli *c)
{
	uint32_t s = status(c);
	return s != RS_STATUS_BREAK && s != RS_STATUS_NO_DEBUGGEE;
}

static void on_output(void *u, uint32_t mask, const char *text, size_t n)
{
	cli *c = u;
	const char *on = colour(c, mask);

	/* A progress line rewrites itself: only a person wants to see that. */
	if (mask & RS_OUTPUT_STATUS && n && text[0] == '\r' && !c->terminal)
		return;
	if (c->terminal && n == 1 && text[0] == '\f') { /* .cls */
		fputs("\033[H\033[2J", stdout);
		return;
	}
	if (on)
		fputs(on, stdout);
	fwrite(text, 1, n, stdout);
	if (on)
		fputs("\033[0m", stdout);
	if (n)
		c->at_line_start = text[n - 1] == '\n';
	/* A long listing into a file needs no write a line; what a running target says must be
	 * seen. */
	if (c->terminal || c->waiting)
		fflush(stdout);
}

/* Waits until the target stops. false: the session is over. */
static bool wait_and_show(cli *c)
{
	char line[64];

	while (running(c)) {
		fflush(stdout);
		keys_watch_begin(c, NULL);
		c->waiting = true;
		rs_result r = rs_wait_for_event(c->s, 0, RS_INFINITE);
		c->waiting = false;
		keys_watch_end(c);
		if (r == RS_S_OK) {
			rs_output_current_state(c->s, RS_OUTCTL_ALL_CLIENTS, RS_CURRENT_DEFAULT);
			return true;
		}
		if (keys_abandon())
			return false;
		if (r != RS_E_PENDING) {
			if (!c->at_line_start)
				putchar('\n');
			/* The target did not set off (gu with no caller, say): it is as stopped as
			 * it was. */
			if (status(c) == RS_STATUS_BREAK) {
				printf("%s\n", rs_error_text(c->s));
				return true;
			}
			uint32_t code;
			if (rs_get_exit_code(c->s, &code) == RS_S_OK)
				return false; /* the program came to its end */
			complain(c, "the target is lost");
			c->exit_code = 1;
			return false;
		}
		printf("The target is still running. q ends the session, ENTER waits on.\n");
		if (!line_read(c, "*BUSY*> ", line, sizeof line) || line[0] == 'q')
			return false;
	}
	return true;
}

static bool execute(cli *c, const char *command, bool echo)
{
	rs_execute(c->s, RS_OUTCTL_ALL_CLIENTS, command, echo ? RS_EXECUTE_ECHO : 0);
	if (rs_quit_requested(c->s))
		return false;
	return wait_and_show(c);
}

static uint32_t on_session(void *u, uint32_t status)
{
	cli *c = u;
	c->script_due |= status == RS_SESSION_ACTIVE;
	return RS_STATUS_NO_CHANGE;
}

/* -cfr: at the first prompt, and at the first one after each restart. */
static bool script_if_due(cli *c)
{
	char line[4200];

	if (!c->script_due || !c->o.restart_script || status(c) != RS_STATUS_BREAK)
		return true;
	c->script_due = false;
	snprintf(line, sizeof line, "$$<%s", c->o.restart_script);
	return execute(c, line, true);
}

/* Startup commands, then the prompt until the end. */
static void session(cli *c)
{
	char line[4096], text[256], prompt[260];

	if (!script_if_due(c))
		return;
	for (size_t i = 0; i < c->o.n_commands; i++)
		if (!execute(c, c->o.commands[i], true))
			return;
	for (;;) {
		if (!wait_and_show(c) || !script_if_due(c))
			return;
		rs_get_prompt_text(c->s, text, sizeof text, NULL);
		snprintf(prompt, sizeof prompt, "%s> ", text);
		if (!c->at_line_start)
			putchar('\n');
		if (!line_read(c, prompt, line, sizeof line) || keys_abandon())
			return;
		if (keys_line(c, line))
			continue;
		if (!line[strspn(line, " \t")]) {
			if (!c->last[0])
				continue;
			snprintf(line, sizeof line, "%s", c->last);
		}
		if (rs_get_repeat_line(c->s, line, c->last, sizeof c->last, NULL) != RS_S_OK)
			c->last[0] = 0;
		if (!execute(c, line, false))
			return;
	}
}

static bool attach(cli *c)
{
	const cli_options *o = &c->o;
	rs_result r = RS_S_OK;

	if (o->initial_break)
		rs_add_engine_options(c->s, RS_ENGOPT_INITIAL_BREAK);
	uint64_t pid = o->attach_pid;
	rs_add_engine_options(c->s, RS_ENGOPT_FINAL_BREAK);
	if (o->attach_name)
		r = rs_get_running_process_system_id_by_executable_name(c->s, o->attach_name, &pid);
	if (r >= 0 && pid)
		r = rs_attach_process(c->s, pid, o->noninvasive ? RS_ATTACH_NONINVASIVE : 0);
	else if (r >= 0 && o->program_argc)
		r = rs_create_process(c->s, o->program_argc, (const char *const *)o->program, NULL,
			o->children ? RS_CREATE_FOLLOW_CHILDREN : 0);
	else if (o->image)
		r = rs_open_image(c->s, o->image);
	else if (o->local || o->exdi)
		r = rs_attach_kernel(
			c->s, o->local ? RS_ATTACH_LOCAL_KERNEL : RS_ATTACH_EXDI_DRIVER, o->exdi);
	else if (o->have_k)
		r = rs_attach_kernel(c->s, RS_ATTACH_KERNEL_CONNECTION, o->connect);
	if (r < 0) {
		complain(c, o->program_argc ? "cannot start"
			    : o->image	    ? "cannot open"
					    : "cannot attach");
		c->exit_code = r == RS_E_INVALIDARG ? 2 : 1;
		return false;
	}
	if (o->have_k)
		printf("Waiting to reconnect...\n");
	fflush(stdout);
	return true;
}

static void settings(cli *c)
{
	const cli_options *o = &c->o;
	if (o->symbols)
		rs_set_symbol_path(c->s, o->symbols);
	if (o->verbose)
		rs_toggle_verbose(c->s, NULL);
	if (o->break_on_load) {
		rs_cycle_reboot_break(c->s, NULL);
		rs_cycle_reboot_break(c->s, NULL);
	}
	if (getenv("KDQUIET"))
		rs_execute(c->s, RS_OUTCTL_IGNORE, "sqe", 0);
	const char *evaluator = getenv("_NT_EXPR_EVAL");
	if (evaluator && !strcasecmp(evaluator, "c++"))
		rs_execute(c->s, RS_OUTCTL_IGNORE, ".expr /s c++", 0);
	for (size_t i = 0; i < o->n_before; i++)
		rs_execute(c->s, RS_OUTCTL_ALL_CLIENTS, o->before[i], 0);
}

/* -cf's default, and the workspace: both want a target that is stopped. */
static bool first_stop(cli *c)
{
	if (!wait_and_show(c))
		return false;
	if (c->o.workspace && rs_load_workspace(c->s, c->o.workspace) < 0) {
		complain(c, c->o.workspace);
		c->o.workspace = NULL; /* nothing of it is to be lost at the end */
	}
	if (!access("ntsd.ini", R_OK) && !c->o.n_commands && !c->o.restart_script)
		return execute(c, "$$<ntsd.ini", true);
	return true;
}

/* Takes what is ours out of the target; Ctrl+B ends that too. */
static void leave(cli *c)
{
	bool at_once = keys_abandon() > 1 || (keys_abandon() && running(c));
	keys_watch_begin(
		c, "Taking breakpoints out of the target. Ctrl+B leaves them where they are.\n");
	rs_end_session(c->s, at_once ? RS_END_REENTRANT : RS_END_PASSIVE);
	keys_watch_end(c);
}

static int run(cli *c, int argc, char **argv)
{
	if (c->o.show_help) {
		options_help(stdout);
		return 0;
	}
	if (c->o.show_version) {
		printf("Ringside %s\n", rs_version());
		return 0;
	}
	if (c->o.doctor)
		return doctor_run(&c->o);
	c->terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	c->colours = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	rs_create(&c->s);
	rs_set_output_callbacks(c->s, on_output, c);
	rs_set_input_callbacks(c->s, on_input, c);
	rs_set_event_callbacks(c->s, &(rs_event_callbacks){.session_status = on_session}, c);
	keys_init(c);
	rs_set_command_line(c->s, argc, (const char *const *)argv);
	printf("\nRingside Debugger Version %s\n\n", rs_version());
	settings(c);
	if (attach(c)) {
		line_init(c);
		if (first_stop(c))
			session(c);
		line_done(c);
	}
	if (c->o.workspace && c->exit_code == 0)
		rs_save_workspace(c->s, c->o.workspace);
	leave(c);
	rs_destroy(c->s);
	return c->exit_code;
}

int main(int argc, char **argv)
{
	cli c = {.at_line_start = true};
	int code = options_parse(argc, argv, &c.o) ? run(&c, argc, argv) : 2;
	options_free(&c.o);
	return code;
}
