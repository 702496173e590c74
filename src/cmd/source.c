/*
 * source: source lines: .lines, l+ l-, ls lsa lsc lsf lsf- lsp, .srcpath .lsrcpath, and the lines
 * that a stop shows. Where code came from is asked of the symbols; the text is read from files of
 * this host, found by the path as compiled, then along the source path with ever shorter tails of
 * it.
 *
 * Invariant: a file is mapped only while a command runs or a stop is shown; nothing here changes
 * the target.
 */
#include "cmd/source.h"

#include <ctype.h>
#include <stdio.h>

enum { PATH_MAX_ = 1024, SRCPATH_MAX = 8192, LINES_DEFAULT = 20, LINES_MAX = 10000 };

typedef struct source {
	char path[SRCPATH_MAX]; /* .srcpath */
	char file[PATH_MAX_];	/* lsf, or the last lsa */
	uint32_t line;		/* current line, 0: none yet */
	bool list_set;
	uint32_t lead, trail;		/* lsp */
	uint32_t list_lead, list_trail; /* lsp -a */
	bool l, o, s;			/* l+ options; t is the state "source-mode" */
	bool noisy;			/* .srcnoisy 1 */
} source;

static source *state(cmd *c)
{
	return cmd_state(c, "source", sizeof(source));
}

static bool *source_mode(cmd *c)
{
	return cmd_state(c, "source-mode", sizeof(bool));
}

/* ---- files ---- */

static bool is_there(cmd *c, const char *path)
{
	bool found = sys_is_file(path);
	if (state(c)->noisy)
		out_as(c->e, OUT_SYMBOLS, "DBGENG:    %s '%s'\n", found ? "found file" : "check",
			path);
	return found;
}

/* Path as compiled -> file of this host. */
static char *locate(cmd *c, str as_compiled)
{
	source *s = state(c);
	char *host = str_z(&c->a, as_compiled);
	if (s->noisy)
		out_as(c->e, OUT_SYMBOLS, "DBGENG:  Scan paths for '%s'\n", host);
	if (is_there(c, host))
		return host;
	bool other = strchr(host, '\\') != NULL;
	for (char *p = host; *p; p++)
		if (*p == '\\')
			*p = '/';
	if (other && is_there(c, host))
		return host;
	str dirs = str_of(s->path);
	while (dirs.n) {
		size_t semi = str_chr(dirs, ';');
		str dir = str_trim(str_take(dirs, semi));
		dirs = semi == SIZE_MAX ? (str){0} : str_skip(dirs, semi + 1);
		if (!dir.n || str_istarts(dir, STR("srv*")))
			continue;
		/* DIR/a/b/c.c, DIR/b/c.c, DIR/c.c */
		for (str tail = str_of(host); tail.n;) {
			char *p = arena_printf(&c->a, "%.*s/%.*s", STR_ARG(dir), STR_ARG(tail));
			for (char *q = p; *q; q++)
				if (*q == '\\')
					*q = '/';
			if (is_there(c, p))
				return p;
			size_t slash = str_chr(tail, '/');
			tail = slash == SIZE_MAX ? (str){0} : str_skip(tail, slash + 1);
		}
	}
	return NULL;
}

/* Appends lines [first, first+count) of the file, `here` marked (0: none). Moves the line. */
static err add_lines(
	cmd *c, const char *path, uint32_t first, uint32_t count, uint32_t here, buf *b)
{
	source *s = state(c);
	sys_map m;
	uint32_t line = 1, shown = 0;
	TRY(sys_map_open(path, &m, &c->d));
	str text = {(const char *)m.p, m.n};
	while (text.n && shown < count) {
		size_t nl = str_chr(text, '\n');
		str one = str_take(text, nl);
		text = nl == SIZE_MAX ? (str){0} : str_skip(text, nl + 1);
		if (line >= first) {
			while (one.n && one.p[one.n - 1] == '\r')
				one.n--;
			buf_addf(b, "%c%5u: %.*s\n", line == here ? '>' : ' ', line, STR_ARG(one));
			shown++;
		}
		line++;
	}
	sys_map_close(&m);
	s->line = first + shown;
	if (!shown)
		return cmd_fail(c, ERR_NOTFOUND, "%s has no line %u", path, first);
	return ERR_OK;
}

static err print_lines(cmd *c, const char *path, uint32_t first, uint32_t count, uint32_t here)
{
	buf b;
	buf_init(&b, 0);
	err r = add_lines(c, path, first, count, here, &b);
	out_str(c->e, OUT_NORMAL, buf_str(&b));
	buf_deinit(&b);
	return r;
}

static void remember_file(cmd *c, const char *path)
{
	source *s = state(c);
	snprintf(s->file, sizeof s->file, "%s", path);
}

static uint32_t list_count(cmd *c)
{
	source *s = state(c);
	return s->list_set ? s->list_lead + s->list_trail : LINES_DEFAULT;
}

/* first [, count], both decimal: line numbers are, whatever the radix. */
static err take_numbers(cmd *c, str *rest, uint32_t *first, uint32_t *count)
{
	uint32_t *const to[] = {first, count};
	for (size_t i = 0; i < 2; i++) {
		str r = str_trim(*rest);
		size_t n = 0;
		while (n < r.n && isdigit((unsigned char)r.p[n]))
			n++;
		uint64_t v;
		if (n && (!str_u64(str_take(r, n), 10, &v) || !v || v > INT32_MAX))
			return cmd_fail(c, ERR_ARG, "%.*s is no line number", (int)n, r.p);
		if (n)
			*to[i] = (uint32_t)v;
		r = str_trim(str_skip(r, n));
		*rest = r;
		if (!r.n || r.p[0] != ',')
			break;
		*rest = str_trim(str_skip(r, 1));
	}
	if (*count > LINES_MAX)
		*count = LINES_MAX;
	return cmd_arg_end(c, *rest);
}

static err line_of(cmd *c, uint64_t addr, sym_line *l)
{
	engine *e = c->e;
	if (!e->lines_on)
		return cmd_fail(c, ERR_STATE, "Source line support is off; .lines -e turns it on");
	if (!e->syms || sym_line_at(e->syms, addr, l) != ERR_OK)
		return cmd_fail(
			c, ERR_NOTFOUND, "No source line information for %s", out_addr(e, addr));
	return ERR_OK;
}

static err line_here(cmd *c, sym_line *l)
{
	if (!c->e->lines_on)
		return cmd_fail(c, ERR_STATE, "Source line support is off; .lines -e turns it on");
	return eng_scope_line(c->e, l, &c->d);
}

static err open_line(cmd *c, const sym_line *l, char **path)
{
	*path = locate(c, l->file);
	if (!*path)
		return cmd_fail(c, ERR_NOTFOUND,
			"Source file %.*s is not on this host; .srcpath says where to look",
			STR_ARG(l->file));
	remember_file(c, *path);
	return ERR_OK;
}

/* ---- stops ---- */

bool source_numbers(cmd *c)
{
	const source *s = state(c);
	return c->e->lines_on && c->e->show_source && (s->l || s->s);
}

bool source_text(cmd *c, uint64_t pc, buf *b)
{
	source *s = state(c);
	engine *e = c->e;
	sym_line l;
	char *path;
	size_t from = b->n;
	if (!s->s || !source_numbers(c) || !e->syms || sym_line_at(e->syms, pc, &l) != ERR_OK ||
		!l.line || !(path = locate(c, l.file))) /* 0: the compiler's own code */
		return false;
	/* A file that has changed may be too short for the line: nothing of it is shown then. */
	uint32_t lead = l.line > s->lead ? s->lead : l.line - 1;
	diag before = c->d;
	if (add_lines(c, path, l.line - lead, lead + 1 + s->trail, l.line, b) != ERR_OK) {
		b->n = from;
		c->d = before;
		return false;
	}
	remember_file(c, path);
	return true;
}

bool source_only(cmd *c)
{
	return state(c)->o;
}

/* ---- commands ---- */

static err cmd_ls(cmd *c, cmd_call *call)
{
	source *s = state(c);
	str rest = str_trim(call->args);
	uint32_t first = s->line ? s->line : 1, count = list_count(c);
	if (rest.n && rest.p[0] == '.') {
		sym_line l;
		char *path;
		rest = str_trim(str_skip(rest, 1));
		TRY(line_here(c, &l));
		TRY(open_line(c, &l, &path));
		first = l.line;
	}
	TRY(take_numbers(c, &rest, &first, &count));
	if (!s->file[0])
		return cmd_fail(
			c, ERR_STATE, "No current source file; lsf FILE or lsa ADDRESS opens one");
	return print_lines(c, s->file, first, count, 0);
}

static err cmd_lsa(cmd *c, cmd_call *call)
{
	source *s = state(c);
	str rest = str_trim(call->args);
	uint64_t addr;
	sym_line l;
	char *path;
	/* "lsa . ADDRESS": the period only says which file, and that is the one of the address */
	if (rest.n > 1 && rest.p[0] == '.' && isspace((unsigned char)rest.p[1]))
		rest = str_trim(str_skip(rest, 1));
	bool dot = str_eq(rest, STR(".")) || str_starts(rest, STR(".,"));
	if (dot) /* the frame's line: what it returns to may be another's */
		rest = str_skip(rest, 1);
	bool here = !rest.n || rest.p[0] == ',';
	if (!here)
		TRY(cmd_arg_expr(c, &rest, &addr));
	if (rest.n && rest.p[0] == ',')
		rest = str_skip(rest, 1);
	if (here)
		TRY(line_here(c, &l));
	else
		TRY(line_of(c, addr, &l));
	uint32_t lead = s->list_set ? s->list_lead : LINES_DEFAULT / 2;
	uint32_t first = l.line > lead ? l.line - lead : 1, count = list_count(c);
	TRY(take_numbers(c, &rest, &first, &count));
	TRY(open_line(c, &l, &path));
	return print_lines(c, path, first, count, l.line);
}

static err cmd_lsc(cmd *c, cmd_call *call)
{
	source *s = state(c);
	TRY(cmd_arg_end(c, call->args));
	if (!s->file[0])
		return cmd_fail(c, ERR_STATE, "No current source file");
	out(c->e, "Current: %s(%u)\n", s->file, s->line ? s->line : 1);
	return ERR_OK;
}

static err cmd_lsf(cmd *c, cmd_call *call)
{
	source *s = state(c);
	str rest = str_trim(call->args);
	bool unload = rest.n && rest.p[0] == '-' && call->glued;
	if (unload)
		rest = str_trim(str_skip(rest, 1));
	if (!rest.n)
		return cmd_syntax(c, call->args);
	char *path = locate(c, rest);
	if (unload) {
		if (!s->file[0] ||
			!(path ? !strcmp(path, s->file) : str_iends(str_of(s->file), rest)))
			return cmd_fail(c, ERR_NOTFOUND, "%.*s is not loaded", STR_ARG(rest));
		out(c->e, "Unloaded %s\n", s->file);
		s->file[0] = 0;
		s->line = 0;
		return ERR_OK;
	}
	if (!path)
		return cmd_fail(c, ERR_NOTFOUND, "Unable to find file '%.*s'", STR_ARG(rest));
	remember_file(c, path);
	s->line = 1;
	return ERR_OK;
}

static err two_numbers(cmd *c, str rest, uint32_t *lead, uint32_t *trail, bool *given)
{
	uint64_t v[2];
	size_t n = 0;
	for (; n < 2 && str_trim(rest).n; n++) {
		str w = str_word(&rest);
		if (!str_u64(w, 10, &v[n]) || v[n] > LINES_MAX)
			return cmd_fail(c, ERR_ARG, "%.*s is no number of lines", STR_ARG(w));
	}
	TRY(cmd_arg_end(c, rest));
	*given = n > 0;
	if (n == 1) { /* "more trailing lines" if odd */
		*lead = (uint32_t)(v[0] / 2);
		*trail = (uint32_t)(v[0] - v[0] / 2);
	} else if (n == 2) {
		*lead = (uint32_t)v[0];
		*trail = (uint32_t)v[1];
	}
	return ERR_OK;
}

static err cmd_lsp(cmd *c, cmd_call *call)
{
	source *s = state(c);
	str rest = str_trim(call->args), sw;
	bool all = false, given = false;
	if (cmd_arg_switch(&rest, "-/", &sw)) {
		if (!str_eq(sw, STR("a")))
			return cmd_fail(c, ERR_SYNTAX, "lsp has no option -%.*s", STR_ARG(sw));
		all = true;
	}
	uint32_t lead = 0, trail = 0;
	TRY(two_numbers(c, rest, &lead, &trail, &given));
	if (given && all) {
		s->list_lead = lead;
		s->list_trail = trail;
		s->list_set = true;
	} else if (given) {
		s->lead = lead;
		s->trail = trail;
	}
	out(c->e, "At the prompt, display %u source lines before and %u after\n", s->lead,
		s->trail);
	if (all)
		out(c->e, "For ls and lsa, display %u lines before and %u after\n",
			s->list_set ? s->list_lead : LINES_DEFAULT / 2,
			s->list_set ? s->list_trail : LINES_DEFAULT / 2);
	return ERR_OK;
}

static err cmd_lines(cmd *c, cmd_call *call)
{
	engine *e = c->e;
	str rest = str_trim(call->args);
	if (!rest.n || str_ieq(rest, STR("-t")))
		e->lines_on = !e->lines_on;
	else if (str_ieq(rest, STR("-e")))
		e->lines_on = true;
	else if (str_ieq(rest, STR("-d")))
		e->lines_on = false;
	else
		return cmd_syntax(c, rest);
	if (e->syms) {
		uint32_t o = sym_options(e->syms);
		sym_options_set(e->syms, e->lines_on ? o | 0x10 : o & ~0x10u);
	}
	out(e, "Line number information will %sbe loaded\n", e->lines_on ? "" : "not ");
	return ERR_OK;
}

/* Only those that are on, as CDB has it. */
static void show_options(cmd *c)
{
	const source *s = state(c);
	const struct {
		bool on;
		char letter;
		const char *text;
	} all[] = {{*source_mode(c), 't', "Step/trace by source line"},
		{s->l, 'l', "List source line at prompt"},
		{s->s, 's', "List source code at prompt"},
		{s->o, 'o', "Only show source code at prompt"}};
	unsigned mask = 0;
	for (unsigned i = 0; i < ARRAY_LEN(all); i++)
		mask |= (unsigned)all[i].on << i;
	out(c->e, "Source options are %x:\n", mask);
	for (unsigned i = 0; i < ARRAY_LEN(all); i++)
		if (all[i].on)
			out(c->e, "%6x/%c - %s\n", 1u << i, all[i].letter, all[i].text);
}

static err cmd_l_options(cmd *c, cmd_call *call)
{
	source *s = state(c);
	bool on = call->row->name[1] == '+';
	str rest = str_trim(call->args);
	if (!rest.n) {
		show_options(c);
		return ERR_OK;
	}
	char o = rest.p[0]; /* only the first one counts */
	bool all = o == '*';
	if (!strchr("lost*", o))
		return cmd_fail(c, ERR_SYNTAX, "%s takes one of l, o, s, t or *", call->row->name);
	if (o == 'l' || all)
		s->l = on;
	if (o == 'o' || all)
		s->o = on;
	if (o == 's' || all)
		s->s = on;
	if (o == 't' || all)
		*source_mode(c) = on;
	if (on && !c->e->lines_on)
		out_as(c->e, OUT_WARNING,
			"WARNING: source line support is off (.lines), the options have no "
			"effect\n");
	show_options(c);
	return ERR_OK;
}

static err cmd_srcpath(cmd *c, cmd_call *call)
{
	source *s = state(c);
	str rest = str_trim(call->args);
	bool add = rest.n && rest.p[0] == '+' && call->glued;
	if (add)
		rest = str_trim(str_skip(rest, 1));
	if (rest.n >= 2 && rest.p[0] == '"' && rest.p[rest.n - 1] == '"')
		rest = str_trim((str){rest.p + 1, rest.n - 2});
	if (rest.n) {
		char *now = add && s->path[0]
				    ? arena_printf(&c->a, "%s;%.*s", s->path, STR_ARG(rest))
				    : str_z(&c->a, rest);
		if (strlen(now) >= sizeof s->path)
			return cmd_fail(c, ERR_LIMIT,
				"the source path is longer than %d characters", SRCPATH_MAX - 1);
		strcpy(s->path, now);
	}
	out(c->e, "Source search path is: %s\n", s->path);
	return ERR_OK;
}

static err cmd_srcnoisy(cmd *c, cmd_call *call)
{
	source *s = state(c);
	str rest = str_trim(call->args);
	uint64_t how;
	if (rest.n) {
		TRY(cmd_arg_expr(c, &rest, &how));
		TRY(cmd_arg_end(c, rest));
		if (how > 3)
			return cmd_fail(c, ERR_ARG, ".srcnoisy takes 0, 1, 2 or 3");
		s->noisy = how & 1;
		sym_noisy_set(c->e->syms, how & 2);
	}
	out(c->e, "Noisy source loading: %s\nNoisy symbol loading: %s\n", s->noisy ? "on" : "off",
		sym_noisy(c->e->syms) ? "on" : "off");
	return ERR_OK;
}

static const cmd_row rows[] = {
	{".lines", ".lines [-e | -d | -t]", "Switch source line support on or off",
		"-e enables, -d disables, -t (the default) toggles. Off at the start, as in KD and "
		"CDB.",
		CMD_ANY, cmd_lines},
	{"l+", "l+[l | o | s | t | *]", "Switch on a source option",
		"One letter a command: l shows file and line number at the prompt, s the source "
		"line too (and those around it, see lsp), o with s nothing but the source: no "
		"registers, label and instruction. t is source mode: p and t step by lines. * is "
		"all. Without a letter the options are shown.\n\n"
		"Nothing of it has an effect before .lines -e; .prompt_allow -src hides l and s. "
		"Where there is no line, or its file is not found (.srcpath), a stop looks as "
		"without s and o.\n\n"
		"  .lines -e; l+t; l+s; l+o\n",
		CMD_ANY | CMD_SUFFIX | CMD_CASE, cmd_l_options},
	{"l-", "l-[l | o | s | t | *]", "Switch off a source option", "See l+.",
		CMD_ANY | CMD_SUFFIX | CMD_CASE, cmd_l_options},
	{"ls", "ls [.] [First] [, Count]", "List source lines",
		"Lines of the current source file from the current line on; the current line then "
		"is the one "
		"behind the last shown. With . the file and line of the current instruction are "
		"taken. "
		"Numbers are decimal.",
		CMD_ANY, cmd_ls},
	{"lsa", "lsa [.] Address [, First [, Count]]", "List source lines around an address",
		"Opens the source file of Address, marks its line with > and makes the file "
		"current.",
		CMD_ANY | CMD_TARGET, cmd_lsa},
	{"lsc", "lsc", "Show the current source file and line", NULL, CMD_ANY, cmd_lsc},
	{"lsf", "lsf File", "Load a source file",
		"Makes a file current for ls. It is looked for as given, then along .srcpath. lsf- "
		"unloads it.",
		CMD_ANY | CMD_SUFFIX, cmd_lsf},
	{"lsp", "lsp [-a] [LeadingLines TrailingLines | TotalLines]",
		"Set how many source lines are shown",
		"Without -a: at the prompt (l+s), where the line alone is shown at first; with -a: "
		"for ls and lsa. One number is divided between before and after.",
		CMD_ANY, cmd_lsp},
	{".srcpath", ".srcpath[+] [Directory[;...]]",
		"Set or show where source files are looked for",
		"A file is looked for under its path as compiled, then in each directory with ever "
		"shorter tails "
		"of that path.",
		CMD_ANY | CMD_SUFFIX | CMD_REST, cmd_srcpath},
	{".srcnoisy", ".srcnoisy [0 | 1 | 2 | 3]", "Say where source files are looked for",
		"0 nothing, 1 each file that is tried for a source, 2 how symbols are loaded (as "
		"!sym "
		"noisy), 3 both.",
		CMD_ANY, cmd_srcnoisy},
	{".lsrcpath", ".lsrcpath[+] [Directory[;...]]",
		"Set or show where source files are looked for",
		"The local path of a remote session; here the same as .srcpath.",
		CMD_ANY | CMD_SUFFIX | CMD_REST, cmd_srcpath},
};

const cmd_family cmd_family_source = {"Source lines", rows, ARRAY_LEN(rows)};
