/*
 * shell: .shell and .noshell. Refuses to know what is run. A child that ends early, talks without
 * end or reads nothing must not hang or kill the debugger: its standard input is a socket (no
 * SIGPIPE), everything is read in turns that ask for cancellation, and a cancelled child is killed
 * with its group.
 */
#include "cmd/lang.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TURN_MS = 100, QUIET_TURNS = 3 };

typedef struct shell_args {
	str in, out, err; /* file names; "-": nothing; p NULL: not given */
	str commands;	  /* -ci: debugger commands whose output is the input */
	bool has_commands, detached;
	str line; /* for sh -c; empty: interactive */
} shell_args;

typedef struct child {
	pid_t pid;
	int to, from; /* -1: none */
} child;

/* ---- starting ---- */

/* -1: failed (errno). Empty name or "-": /dev/null. */
static int open_file(cmd *c, str name, int flags)
{
	bool none = !name.n || str_eq(name, STR("-"));
	return open(none ? "/dev/null" : str_z(&c->a, name), flags | O_CLOEXEC, 0666);
}

/* In the child: only calls that are safe behind fork. */
static _Noreturn void become(int in, int out, int error, const char *line, bool detached)
{
	if (detached) {
		setsid();
		if (fork()) /* the child of the child belongs to nobody: no zombie is left */
			_exit(0);
	} else {
		setpgid(0, 0);
	}
	signal(SIGINT, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	dup2(in, 0);
	dup2(out, 1);
	dup2(error, 2);
	if (line)
		execl("/bin/sh", "sh", "-c", line, (char *)NULL);
	else
		execl("/bin/sh", "sh", (char *)NULL);
	_exit(127);
}

static void close_all(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* Opens the three ends of the child; those of the debugger go to ch. */
static bool open_ends(cmd *c, const shell_args *a, int ends[3], child *ch)
{
	int in[2], out[2];
	bool talk = !a->line.n || a->has_commands;
	if (talk) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in))
			return false;
		ends[0] = in[1];
		ch->to = in[0];
	} else if ((ends[0] = open_file(c, a->in, O_RDONLY)) < 0) {
		return false;
	}
	if (a->out.p || a->detached) {
		ends[1] = open_file(c, a->out, O_WRONLY | O_CREAT | O_TRUNC);
	} else if (!pipe2(out, O_CLOEXEC)) {
		ch->from = out[0];
		ends[1] = out[1];
	}
	if (ends[1] < 0)
		return false;
	ends[2] = a->err.p ? open_file(c, a->err, O_WRONLY | O_CREAT | O_TRUNC) : dup(ends[1]);
	return ends[2] >= 0;
}

static err start(cmd *c, const shell_args *a, child *ret)
{
	child ch = {-1, -1, -1};
	int ends[3] = {-1, -1, -1};
	const char *line = a->line.n ? str_z(&c->a, a->line) : NULL;

	if (!open_ends(c, a, ends, &ch) || (ch.pid = fork()) < 0) {
		int why = errno;
		close_all(ends, 3);
		close_all((int[]){ch.to, ch.from}, 2);
		return cmd_fail(c, ERR_IO, "The shell could not be started: %s", strerror(why));
	}
	if (!ch.pid)
		become(ends[0], ends[1], ends[2], line, a->detached);
	close_all(ends, 3);
	*ret = ch;
	return ERR_OK;
}

/* ---- talking ---- */

/* What the child has to say within a turn. False: it closed its output. */
static bool listen_turn(cmd *c, child *ch, int ms, bool *said)
{
	char text[4096];
	struct pollfd p = {ch->from, POLLIN, 0};
	*said = false;
	if (ch->from < 0)
		return false;
	if (poll(&p, 1, ms) <= 0)
		return true;
	ssize_t n = read(ch->from, text, sizeof text);
	if (n <= 0)
		return n < 0 && errno == EINTR;
	out_str(c->e, OUT_NORMAL, (str){text, (size_t)n});
	*said = true;
	return true;
}

/* Hands text to the child while listening, so that neither waits for the other for ever. */
static err feed(cmd *c, child *ch, str text)
{
	bool said;
	while (text.n) {
		TRY(lang_cancelled(c));
		ssize_t n = send(ch->to, text.p, text.n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0)
			text = str_skip(text, (size_t)n);
		else if (n < 0 && errno != EAGAIN && errno != EINTR)
			return ERR_OK; /* it reads no more: that is its choice */
		else
			listen_turn(c, ch, TURN_MS, &said);
	}
	return ERR_OK;
}

static err finish(cmd *c, child *ch, err e)
{
	int status;
	bool said;
	if (ch->to >= 0)
		close(ch->to);
	while (e == ERR_OK && (e = lang_cancelled(c)) == ERR_OK &&
		listen_turn(c, ch, TURN_MS, &said))
		;
	/* Output is closed, but the child may live on without it. */
	while (e == ERR_OK && waitpid(ch->pid, &status, WNOHANG) == 0) {
		e = lang_cancelled(c);
		poll(NULL, 0, TURN_MS / 10);
	}
	if (e != ERR_OK) {
		kill(-ch->pid, SIGKILL);
		kill(ch->pid, SIGKILL);
		waitpid(ch->pid, &status, 0);
	}
	if (ch->from >= 0)
		close(ch->from);
	return e;
}

/* No command: lines go to one shell until `exit` or .shell_quit. */
static err interact(cmd *c, child *ch)
{
	for (;;) {
		bool said = false, open = true;
		for (int quiet = 0; open && quiet < QUIET_TURNS; quiet = said ? 0 : quiet + 1) {
			TRY(lang_cancelled(c));
			open = listen_turn(c, ch, TURN_MS, &said);
		}
		if (!open)
			return ERR_OK;
		out(c->e, "<.shell process may need input>\n");
		str line;
		TRY(cmd_input(c, "Input>", &line));
		if (str_ieq(line, STR(".shell_quit")))
			return ERR_CANCELLED;
		TRY(feed(c, ch, line));
		TRY(feed(c, ch, STR("\n")));
		if (str_eq(line, STR("exit")))
			return ERR_OK;
	}
}

/* ---- the command ---- */

static err parse(cmd *c, str t, shell_args *a)
{
	size_t pos = lex_skip(t, 0);
	for (;; pos = lex_skip(t, pos)) {
		size_t at = pos;
		if (pos >= t.n || t.p[pos] != '-')
			break;
		str w = lex_word(t, &pos);
		str *to = str_eq(w, STR("-i"))	  ? &a->in
			  : str_eq(w, STR("-o"))  ? &a->out
			  : str_eq(w, STR("-e"))  ? &a->err
			  : str_eq(w, STR("-ci")) ? &a->commands
						  : NULL;
		if (str_eq(w, STR("-x"))) {
			a->detached = true;
		} else if (to) {
			*to = lex_word(t, &pos);
			if (!to->p || !to->n)
				return cmd_syntax(c, str_skip(t, at));
			a->has_commands |= to == &a->commands;
		} else {
			return cmd_syntax(c, str_skip(t, at));
		}
	}
	a->line = str_trim(str_skip(t, pos));
	if (!a->line.n && (a->in.p || a->out.p || a->has_commands || a->detached))
		return cmd_fail(c, ERR_SYNTAX, ".shell needs a command with these options");
	if (a->in.p && a->has_commands)
		return cmd_fail(c, ERR_ARG, "-i and -ci exclude each other");
	return ERR_OK;
}

static err run_shell(cmd *c, shell_args *a, str input)
{
	child ch;
	TRY(start(c, a, &ch));
	if (a->detached) {
		close_all((int[]){ch.to, ch.from}, 2);
		waitpid(ch.pid, NULL, 0);
		return ERR_OK;
	}
	if (a->line.n)
		return finish(c, &ch, a->has_commands ? feed(c, &ch, input) : ERR_OK);
	err e = interact(c, &ch);
	bool quit = e == ERR_CANCELLED && !cancelled(&c->e->cancel);
	e = finish(c, &ch, e);
	return quit ? ERR_OK : e;
}

static err cmd_shell(cmd *c, cmd_call *call)
{
	shell_args a = {0};
	buf input;
	if (c->lang->no_shell)
		return cmd_fail(c, ERR_DENIED, "Shell commands are forbidden (.noshell)");
	if (call->glued)
		return cmd_syntax(c, call->args);
	TRY(parse(c, call->args, &a));
	buf_init(&input, LANG_CAPTURE_MAX);
	err e = a.has_commands ? lang_capture(c, lex_unescape(&c->a, a.commands), &input) : ERR_OK;
	if (e == ERR_OK)
		e = run_shell(c, &a, buf_str(&input));
	buf_deinit(&input);
	return e;
}

/* For the rest of the session: whoever forbids it does not want it back by a script. */
static err cmd_noshell(cmd *c, cmd_call *call)
{
	TRY(cmd_arg_end(c, call->args));
	c->lang->no_shell = true;
	out(c->e, "Shell commands disabled\n");
	return ERR_OK;
}

static const char help_shell[] =
	"The whole rest of the line, semicolons included, goes to /bin/sh; what it prints is "
	"shown. Without a\n"
	"command a shell stays open and takes the following lines until exit or .shell_quit.\n"
	"\n"
	"  -i File          standard input (- for none, which is the default)\n"
	"  -o File -e File  standard output and error (- for none)\n"
	"  -ci \"Commands\"   runs debugger commands and gives their output to the shell command\n"
	"  -x               starts it detached, so that it outlives the debugger\n"
	"\n"
	"  .shell -ci \"lm\" sort -k3\n";

static const cmd_row rows[] = {
	{".shell", ".shell [-i File] [-o File [-e File]] [-ci \"Commands\"] [-x] [ShellCommand]",
		"Run a shell command", help_shell, CMD_ANY | CMD_REST | CMD_NOREPEAT, cmd_shell},
	{".noshell", ".noshell", "Forbid shell commands for the rest of the session", NULL,
		CMD_ANY | CMD_NOREPEAT, cmd_noshell},
};

const cmd_family cmd_family_shell = {"Shell", rows, ARRAY_LEN(rows)};
