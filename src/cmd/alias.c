/*
 * alias: replacement of text before it is parsed ("Using Aliases"), and as aS ad al.
 *
 * Order: $u0..$u9 anywhere; then, from left to right, ${...} tokens and user-named aliases that
 * stand alone. What a user-named alias stands for is not looked at again, except for $uN in it.
 * Variables of .foreach and ${$argN} are aliases of an inner scope: the innermost wins.
 */
#include "cmd/lang.h"

#include <stdlib.h>

enum { ALIAS_VALUE_MAX = 1024 * 1024 };

/* ---- lookup ---- */

static bool automatic(cmd *c, str name, str *ret)
{
	engine *e = c->e;
	if (str_eq(name, STR("$ntnsym")) || str_eq(name, STR("$ntsym")) ||
		str_eq(name, STR("$ntwsym"))) {
		bool kernel = e->mode == ENG_KERNEL || e->mode == ENG_LOCAL_KERNEL;
		*ret = kernel ? STR("nt") : STR("ntdll");
		return true;
	}
	/* No dump is open: the names exist and are empty. */
	static const char *const empty[] = {"$CurrentDumpFile", "$CurrentDumpPath",
		"$CurrentDumpArchiveFile", "$CurrentDumpArchivePath"};
	for (size_t i = 0; i < ARRAY_LEN(empty); i++)
		if (str_eq(name, str_of(empty[i]))) {
			*ret = STR("");
			return true;
		}
	return false;
}

/* Value of a user-named alias, variable or automatic alias. */
static bool alias_find(cmd *c, str name, str *ret)
{
	for (const lang_var *v = c->lang->vars; v; v = v->up)
		if (str_eq(v->name, name)) {
			*ret = v->value;
			return true;
		}
	const char *value = map_gets(&c->lang->aliases, name);
	if (value) {
		*ret = str_of(value);
		return true;
	}
	return automatic(c, name, ret);
}

err alias_set(cmd *c, str name, str value)
{
	lang *l = c->lang;
	if (!name.n)
		return cmd_syntax(c, name);
	if (value.n > ALIAS_VALUE_MAX)
		return cmd_fail(
			c, ERR_LIMIT, "The alias is too long (at most %d bytes)", ALIAS_VALUE_MAX);
	char *old = map_gets(&l->aliases, name);
	if (!old && l->aliases.live >= LANG_ALIASES_MAX)
		return cmd_fail(c, ERR_LIMIT, "There are %d aliases already", LANG_ALIASES_MAX);
	char *copy = mem_alloc(value.n + 1);
	memcpy(copy, value.p, value.n);
	map_sets(&l->aliases, name, copy);
	mem_free(old);
	return ERR_OK;
}

/* ---- replacement ---- */

static void add_fixed(lang *l, str text, buf *b)
{
	for (size_t i = 0; i < text.n;) {
		bool fixed = i + 2 < text.n && text.p[i] == '$' && text.p[i + 1] == 'u' &&
			     text.p[i + 2] >= '0' && text.p[i + 2] <= '9';
		if (!fixed) {
			buf_addc(b, text.p[i++]);
			continue;
		}
		const char *v = l->fixed[text.p[i + 2] - '0'];
		if (v)
			buf_addz(b, v);
		i += 3;
	}
}

/* ${name}, ${/x:name} at pos: adds what it stands for, or itself; returns its length, 0 if none. */
static size_t add_token(cmd *c, str text, size_t pos, buf *b)
{
	size_t close = pos + 2;
	while (close < text.n && text.p[close] != '}' && text.p[close] != '\n')
		close++;
	if (close >= text.n || text.p[close] != '}')
		return 0;
	str whole = {text.p + pos, close + 1 - pos};
	str name = str_trim((str){text.p + pos + 2, close - pos - 2}), value;
	char mode = 0;
	if (name.n >= 3 && name.p[0] == '/' && name.p[2] == ':') {
		mode = (char)(name.p[1] | 32);
		name = str_trim(str_skip(name, 3));
	}
	bool found = alias_find(c, name, &value);
	switch (mode) {
	case 'd':
		buf_addc(b, found ? '1' : '0');
		break;
	case 'f':
		if (found)
			add_fixed(c->lang, value, b);
		break;
	case 'n':
		buf_adds(b, found ? name : whole);
		break;
	case 0:
		if (found)
			add_fixed(c->lang, value, b);
		else
			buf_adds(b, whole);
		break;
	default: /* /v, and what nobody knows */
		buf_adds(b, whole);
		break;
	}
	return whole.n;
}

static bool is_edge(char c)
{
	return lex_blank(c) || c == ';' || c == '"';
}

static void add_named(cmd *c, str text, buf *b)
{
	bool start = true;
	for (size_t i = 0; i < text.n;) {
		if (text.p[i] == '$' && i + 1 < text.n && text.p[i + 1] == '{') {
			size_t used = add_token(c, text, i, b);
			if (used) {
				i += used;
				start = false;
				continue;
			}
		}
		if (!start || is_edge(text.p[i])) {
			start = is_edge(text.p[i]);
			buf_addc(b, text.p[i++]);
			continue;
		}
		size_t end = i;
		while (end < text.n && !is_edge(text.p[end]))
			end++;
		str value;
		/* A word that holds ${ is looked at piece by piece. */
		str word = {text.p + i, end - i};
		if (str_find(word, STR("${")) == SIZE_MAX && alias_find(c, word, &value)) {
			add_fixed(c->lang, value, b);
			i = end;
		} else {
			buf_addc(b, text.p[i++]);
		}
		start = false;
	}
}

/* A line that starts like an alias command is left alone, so that aliases can be redefined. */
static bool is_alias_line(str t)
{
	return t.n >= 2 && (t.p[0] | 32) == 'a' && strchr("sSdDlL", t.p[1]);
}

err alias_expand(cmd *c, arena *a, str text, str *ret)
{
	lang *l = c->lang;
	bool any = l->vars || l->aliases.live || str_chr(text, '$') != SIZE_MAX;

	if (text.n > LANG_TEXT_MAX)
		return cmd_fail(c, ERR_LIMIT, "The command is too long");
	if (!any || is_alias_line(text)) {
		*ret = str_dup(a, text);
		return ERR_OK;
	}
	buf fixed, named;
	buf_init(&fixed, LANG_TEXT_MAX);
	buf_init(&named, LANG_TEXT_MAX);
	add_fixed(l, text, &fixed);
	add_named(c, buf_str(&fixed), &named);
	bool fits = !fixed.toobig && !named.toobig;
	if (fits)
		*ret = str_dup(a, buf_str(&named));
	buf_deinit(&fixed);
	buf_deinit(&named);
	return fits ? ERR_OK
		    : cmd_fail(c, ERR_LIMIT, "The command is too long after alias replacement");
}

/* ---- r $.uN=text ---- */

bool alias_is_fixed_set(str t)
{
	size_t i = 1;
	if (!t.n || (t.p[0] | 32) != 'r')
		return false;
	i = lex_skip(t, i);
	return str_starts(str_skip(t, i), STR("$.u")) && i + 3 < t.n && t.p[i + 3] >= '0' &&
	       t.p[i + 3] <= '9';
}

err alias_fixed_set(cmd *c, str t)
{
	size_t i = lex_skip(t, 1) + 3, n = (size_t)(t.p[i] - '0');
	i = lex_skip(t, i + 1);
	if (i >= t.n || t.p[i] != '=')
		return cmd_syntax(c, str_skip(t, i));
	str value = str_trim(str_skip(t, i + 1));
	char *copy = mem_alloc(value.n + 1);
	memcpy(copy, value.p, value.n);
	mem_free(c->lang->fixed[n]);
	c->lang->fixed[n] = copy;
	return ERR_OK;
}

/* ---- as aS ad al ---- */

/* "${/v:Name}" as the name of as and ad means Name. */
static str bare_name(str s)
{
	if (str_starts(s, STR("${/v:")) && s.p[s.n - 1] == '}')
		return str_trim((str){s.p + 5, s.n - 6});
	return s;
}

typedef struct as_args {
	str name;
	char how[4]; /* "", "e", "ma", "mu", "msa", "msu", "x", "f", "c" */
	str value;
	size_t used;
} as_args;

static err as_parse(cmd *c, str t, bool phrase, as_args *ret)
{
	static const char *const hows[] = {"e", "ma", "mu", "msa", "msu", "x", "f", "c"};
	size_t pos = lex_skip(t, 0), word = pos;
	as_args r = {0};

	if (pos < t.n && t.p[pos] == '/') {
		str how = lex_word(t, &pos);
		for (size_t i = 0; i < ARRAY_LEN(hows); i++)
			if (str_ieq(str_skip(how, 1), str_of(hows[i])))
				strcpy(r.how, hows[i]);
		if (!r.how[0])
			return cmd_syntax(c, str_skip(t, word));
	}
	pos = lex_skip(t, pos);
	word = pos;
	while (pos < t.n && !lex_blank(t.p[pos]))
		pos++;
	r.name = bare_name((str){t.p + word, pos - word});
	if (!r.name.n)
		return cmd_syntax(c, str_skip(t, word));
	while (pos < t.n && (t.p[pos] == ' ' || t.p[pos] == '\t'))
		pos++;
	bool to_line_end =
		(!r.how[0] && !phrase) || r.how[0] == 'c' || (r.how[0] == 'f' && !phrase);
	size_t end = to_line_end ? lex_line_end(t, pos) : lex_command_end(t, pos);
	r.value = (str){t.p + pos, end - pos};
	if (!r.how[0] && phrase && r.value.n && r.value.p[0] == '"') {
		size_t close = lex_quoted(t, pos);
		r.value = (str){t.p + pos + 1, close - pos - (close > pos + 1 ? 2 : 1)};
		end = close;
	} else if (r.how[0]) {
		r.value = str_trim(r.value);
	}
	r.used = end;
	*ret = r;
	return ERR_OK;
}

/* ANSI_STRING: Length, MaximumLength, Buffer (ntdef.h); the buffer is pointer-aligned. */
static err read_counted(cmd *c, uint64_t addr, str *ret)
{
	enum { TEXT_MAX = 65536 };
	uint64_t length, at;
	size_t done = 0;
	TRY(eng_read_uint(c->e, addr, 2, &length, &c->d));
	TRY(eng_read_ptr(c->e, addr + c->e->ptr_size, &at, &c->d));
	char *text = arena_alloc(&c->a, TEXT_MAX);
	if (length)
		TRY(eng_read(c->e, at, text, length, &done, &c->d));
	*ret = (str){text, done};
	return ERR_OK;
}

static err as_from_memory(cmd *c, const as_args *r, str *ret)
{
	uint64_t addr;
	TRY(lang_eval(c, r->value, &addr));
	if (!strcmp(r->how, "ma"))
		return eng_read_str(c->e, &c->a, addr, 65536, ret, &c->d);
	if (!strcmp(r->how, "mu"))
		return eng_read_wstr(c->e, &c->a, addr, 65536, ret, &c->d);
	if (!strcmp(r->how, "msu"))
		return eng_read_ustring(c->e, &c->a, addr, ret, &c->d);
	return read_counted(c, addr, ret);
}

static err as_value(cmd *c, const as_args *r, buf *b)
{
	str text = {"", 0};
	switch (r->how[0]) {
	case 0:
		text = r->value;
		break;
	case 'e': {
		const char *v = getenv(str_z(&c->a, r->value));
		if (!v)
			return cmd_fail(c, ERR_NOTFOUND, "There is no environment variable '%.*s'",
				STR_ARG(r->value));
		text = str_of(v);
		break;
	}
	case 'x': {
		uint64_t v;
		TRY(lang_eval(c, r->value, &v));
		buf_addf(b, "0x%llx", (unsigned long long)v);
		return ERR_OK;
	}
	case 'f': {
		diag d;
		diag_clear(&d);
		/* The documented words for a file that cannot be read. */
		if (sys_read_file(&c->a, str_z(&c->a, r->value), ALIAS_VALUE_MAX, &text, &d) !=
			ERR_OK)
			return cmd_fail(c, ERR_IO, "Out of memory (%s)", d.text);
		break;
	}
	case 'c':
		return lang_capture(c, r->value, b);
	default:
		TRY(as_from_memory(c, r, &text));
		break;
	}
	buf_adds(b, text);
	return ERR_OK;
}

static err cmd_as(cmd *c, cmd_call *call)
{
	as_args r;
	bool phrase = call->name.n == 2 && call->name.p[1] == 'S';
	TRY(as_parse(c, call->args, phrase, &r));
	lang_took(c, r.used);
	buf b;
	buf_init(&b, ALIAS_VALUE_MAX);
	err e = as_value(c, &r, &b);
	if (e == ERR_OK && b.toobig)
		e = cmd_fail(
			c, ERR_LIMIT, "The alias is too long (at most %d bytes)", ALIAS_VALUE_MAX);
	if (e == ERR_OK)
		e = alias_set(c, r.name, buf_str(&b));
	buf_deinit(&b);
	/* as /c runs commands, which may have taken something themselves. */
	lang_took(c, r.used);
	return e;
}

static void alias_clear(lang *l)
{
	for (map_entry *e = NULL; (e = map_next(&l->aliases, e));)
		mem_free(e->val);
	map_clear(&l->aliases);
}

static err cmd_ad(cmd *c, cmd_call *call)
{
	size_t pos = 0;
	bool quiet = false;
	str name = lex_word(call->args, &pos);
	if (str_ieq(name, STR("/q"))) {
		quiet = true;
		name = lex_word(call->args, &pos);
	}
	name = bare_name(name);
	if (!name.n)
		return cmd_syntax(c, call->args);
	TRY(cmd_arg_end(c, str_skip(call->args, pos)));
	if (str_eq(name, STR("*"))) {
		alias_clear(c->lang);
		return ERR_OK;
	}
	char *old = map_gets(&c->lang->aliases, name);
	if (!old)
		return quiet ? ERR_OK
			     : cmd_fail(c, ERR_NOTFOUND, "No alias named '%.*s' is defined",
				       STR_ARG(name));
	map_dels(&c->lang->aliases, name);
	mem_free(old);
	return ERR_OK;
}

static err cmd_al(cmd *c, cmd_call *call)
{
	TRY(cmd_arg_end(c, call->args));
	if (!c->lang->aliases.live) {
		out(c->e, "No aliases\n");
		return ERR_OK;
	}
	out(c->e, "  Alias            Value  \n -------          ------- \n");
	for (map_entry *e = NULL; (e = map_next(&c->lang->aliases, e));)
		out(c->e, " %-16.*s %s \n", STR_ARG(e->skey), (const char *)e->val);
	return ERR_OK;
}

void alias_destroy(lang *l)
{
	alias_clear(l);
	map_deinit(&l->aliases);
	for (size_t i = 0; i < ARRAY_LEN(l->fixed); i++)
		mem_free(l->fixed[i]);
}

static const char help_as[] =
	"Defines or redefines a user-named alias. as takes the rest of the line as the text, "
	"semicolons\n"
	"and quotes included; aS ends at a semicolon unless the text is in quotes.\n"
	"\n"
	"  /e     the value of an environment variable of the debugger\n"
	"  /ma    the NUL-terminated ANSI string at an address;  /mu  the same for Unicode\n"
	"  /msa   the ANSI_STRING at an address;                 /msu the UNICODE_STRING\n"
	"  /x     a 64-bit value, written like 0x6\n"
	"  /f     the contents of a file (with aS; no quotes around the name)\n"
	"  /c     the output of commands\n"
	"\n"
	"An alias is replaced where it stands alone: at the start of a line or behind a blank, a "
	"semicolon\n"
	"or a double quote, and before one of these or the end. ${Name} is replaced anywhere:\n"
	"  ${Name}     the text; unchanged if there is no such alias\n"
	"  ${/d:Name}  1 if it is defined, 0 if not        ${/f:Name}  the text or nothing\n"
	"  ${/n:Name}  the name if it is defined           ${/v:Name}  never replaced\n"
	"\n"
	"Replacement happens before a line or block is parsed: a new alias is seen by the next "
	"line, or in\n"
	"a new block of the same line. A line that begins with as, aS, ad or al gets no "
	"replacement; put a\n"
	"semicolon or blank before it to get one. $u0 to $u9 are fixed names, set with r $.u0=text "
	"and\n"
	"replaced wherever they appear.\n"
	"\n"
	"  aS /x Here @rip; .block{.echo ${Here}}\n"
	"  as Locks !locks; !running\n";

static const cmd_row rows[] = {
	{"as", "as Name Text\nas {/e|/ma|/mu|/msa|/msu|/x|/c} Name Value",
		"Define an alias; the text is the rest of the line", help_as,
		CMD_ANY | CMD_REST | CMD_CASE | CMD_NOREPEAT, cmd_as},
	{"aS",
		"aS Name Phrase\naS Name \"Phrase\"\naS {/e|/ma|/mu|/msa|/msu|/x|/f} Name "
		"Value",
		"Define an alias; the text ends at a semicolon", help_as,
		CMD_ANY | CMD_REST | CMD_CASE | CMD_NOREPEAT, cmd_as},
	{"ad", "ad [/q] Name\nad *", "Delete an alias, or all",
		"/q keeps quiet if there is no such alias. The fixed names $u0 to $u9 stay.",
		CMD_ANY | CMD_NOREPEAT, cmd_ad},
	{"al", "al", "List the user-named aliases", NULL, CMD_ANY, cmd_al},
};

const cmd_family cmd_family_alias = {"Aliases", rows, ARRAY_LEN(rows)};
