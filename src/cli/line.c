/*
 * line: reading a line. On a terminal libedit with history and completion; otherwise plain lines,
 * echoed behind their prompt.
 */
#include "cli.h"

#include <errno.h>
#include <histedit.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* libedit's callbacks carry no pointer of ours but EL_CLIENTDATA; this is the editor it hangs on.
 */
typedef struct editor {
	EditLine *el;
	History *history;
	char prompt[256];
	char file[1024];
	char *typed_ahead;
} editor;

static editor ed; /* one terminal a process */

static char *prompt_of(EditLine *el)
{
	(void)el;
	return ed.prompt;
}

/* Longest common beginning of the candidates; longer than what is typed: it is inserted. */
static size_t common(char **list, size_t n)
{
	size_t len = strlen(list[0]);
	for (size_t i = 1; i < n; i++) {
		size_t k = 0;
		while (k < len && list[i][k] == list[0][k])
			k++;
		len = k;
	}
	return len;
}

static void show_candidates(char **list, size_t n)
{
	size_t width = 0, column = 0;
	for (size_t i = 0; i < n; i++)
		if (strlen(list[i]) > width)
			width = strlen(list[i]);
	width += 2;
	putchar('\n');
	for (size_t i = 0; i < n; i++) {
		printf("%-*s", (int)width, list[i]);
		column += width;
		if (column + width > 80 || i + 1 == n) {
			putchar('\n');
			column = 0;
		}
	}
	fflush(stdout);
}

static unsigned char complete(EditLine *el, int ch)
{
	cli *c;
	char **list;
	size_t start;
	const LineInfo *info = el_line(el);
	char line[4096];
	size_t n = (size_t)(info->lastchar - info->buffer),
	       at = (size_t)(info->cursor - info->buffer);

	(void)ch;
	if (n >= sizeof line || el_get(el, EL_CLIENTDATA, &c))
		return CC_ERROR;
	memcpy(line, info->buffer, n);
	line[n] = 0;
	size_t found = rs_complete(c->s, line, at, 200, &list, &start);
	unsigned char r = CC_ERROR;
	if (found) {
		size_t len = common(list, found), typed = at - start;
		if (len > typed || found == 1) {
			el_deletestr(el, (int)typed);
			char *text = strndup(list[0], len);
			el_insertstr(el, text);
			free(text);
			if (found == 1)
				el_insertstr(el, " ");
			r = CC_REFRESH;
		} else {
			show_candidates(list, found);
			r = CC_REDISPLAY;
		}
	}
	rs_free_completions(list, found);
	return r;
}

/* Control keys act at once at the prompt. */
static unsigned char control(EditLine *el, int ch)
{
	cli *c;
	char line[2] = {(char)ch, 0};
	if (el_get(el, EL_CLIENTDATA, &c))
		return CC_ERROR;
	putchar('\n');
	keys_line(c, line);
	return keys_abandon() ? CC_EOF : CC_REDISPLAY;
}

void line_init(cli *c)
{
	HistEvent ev;
	static const char *const keys[] = {"^B", "^D", "^K", "^R", "^V", "^W", "^A"};
	const char *home = getenv("HOME"), *state = getenv("XDG_STATE_HOME");

	if (!c->terminal)
		return;
	ed.el = el_init("ringside", stdin, stdout, stderr);
	ed.history = history_init();
	history(ed.history, &ev, H_SETSIZE, 1000);
	history(ed.history, &ev, H_SETUNIQUE, 1);
	if (state && *state)
		snprintf(ed.file, sizeof ed.file, "%s/ringside_history", state);
	else if (home && *home)
		snprintf(ed.file, sizeof ed.file, "%s/.ringside_history", home);
	if (ed.file[0])
		history(ed.history, &ev, H_LOAD, ed.file);
	el_set(ed.el, EL_CLIENTDATA, c);
	el_set(ed.el, EL_PROMPT, prompt_of);
	el_set(ed.el, EL_EDITOR, "emacs");
	el_set(ed.el, EL_HIST, history, ed.history);
	el_set(ed.el, EL_ADDFN, "rs-complete", "complete commands and symbols", complete);
	el_set(ed.el, EL_ADDFN, "rs-control", "debugger control keys", control);
	el_set(ed.el, EL_BIND, "^I", "rs-complete", NULL);
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		el_set(ed.el, EL_BIND, keys[i], "rs-control", NULL);
	el_set(ed.el, EL_SIGNAL, 0);
}

void line_done(cli *c)
{
	HistEvent ev;
	(void)c;
	if (!ed.el)
		return;
	if (ed.file[0])
		history(ed.history, &ev, H_SAVE, ed.file);
	history_end(ed.history);
	el_end(ed.el);
	free(ed.typed_ahead);
	ed = (editor){0};
}

void line_push(cli *c, const char *text)
{
	(void)c;
	if (ed.el && *text) {
		free(ed.typed_ahead);
		ed.typed_ahead = strdup(text);
		el_push(ed.el, ed.typed_ahead);
	}
}

static bool read_terminal(cli *c, const char *prompt, char *buffer, size_t size)
{
	HistEvent ev;
	int n;

	snprintf(ed.prompt, sizeof ed.prompt, "%s", prompt);
	const char *line = el_gets(ed.el, &n);
	if (!line || n <= 0)
		return false;
	size_t len = strcspn(line, "\n");
	if (len >= size) {
		fprintf(stderr, "The line is longer than %zu characters and was not run.\n",
			size - 1);
		len = 0;
	}
	memcpy(buffer, line, len);
	buffer[len] = 0;
	if (len)
		history(ed.history, &ev, H_ENTER, buffer);
	c->at_line_start = true;
	return true;
}

/* A signal (Ctrl+C while nothing runs) is no end of the input; what came before it is kept. */
static int plain_char(void)
{
	int ch;
	while ((ch = getchar()) == EOF && ferror(stdin) && errno == EINTR)
		clearerr(stdin);
	return ch;
}

static bool read_plain(cli *c, const char *prompt, char *buffer, size_t size)
{
	size_t len = 0;
	int ch;

	fputs(prompt, stdout);
	fflush(stdout);
	while ((ch = plain_char()) != EOF && ch != '\n' && len + 1 < size)
		buffer[len++] = (char)ch;
	if (ch == EOF && !len) {
		putchar('\n');
		return false;
	}
	if (ch != EOF && ch != '\n') {
		while ((ch = plain_char()) != EOF && ch != '\n')
			;
		fprintf(stderr, "The line is longer than %zu characters and was not run.\n",
			size - 1);
		len = 0;
	}
	buffer[len] = 0;
	if (len && buffer[len - 1] == '\r')
		buffer[len - 1] = 0;
	printf("%s\n", buffer);
	c->at_line_start = true;
	return true;
}

bool line_read(cli *c, const char *prompt, char *buffer, size_t size)
{
	return ed.el ? read_terminal(c, prompt, buffer, size) : read_plain(c, prompt, buffer, size);
}
