/*
 * sympath: where symbols and images are looked for, and the switches of the symbol engine:
 * .sympath, .symfix, .symopt, .exepath, !sym. Setting a path loads nothing.
 */
#include "cmd/cmd.h"

static err need_syms(cmd *c)
{
	return c->e->syms ? ERR_OK
			  : cmd_fail(c, ERR_STATE, "there is no symbol engine without a session");
}

/* old;new, or new alone. */
static str joined(cmd *c, str old, str more, bool append)
{
	if (!append || !old.n)
		return more;
	return str_printf(&c->a, "%.*s;%.*s", STR_ARG(old), STR_ARG(more));
}

/* ".sympath+" arrives as "+" glued to the name. */
static bool take_sign(cmd_call *call, char sign)
{
	str a = call->args;
	if (!a.n || a.p[0] != sign || !call->glued)
		return false;
	call->args = str_trim(str_skip(a, 1));
	return true;
}

static str unquote(str s)
{
	s = str_trim(s);
	if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
		s = str_trim((str){s.p + 1, s.n - 2});
	return s;
}

static void show_sympath(cmd *c)
{
	buf b;
	buf_init(&b, 1 << 20);
	str path = sym_path(c->e->syms);
	if (!path.n)
		buf_addz(&b, "Symbol search path is: *** Invalid ***\n"
			     "*** Symbol loading may be unreliable without a symbol search path.   "
			     "        *\n"
			     "*** Use .symfix to have the debugger choose a symbol path.           "
			     "        *\n"
			     "*** After setting your symbol path, use .reload to refresh symbol "
			     "locations. *\n");
	else
		buf_addf(&b, "Symbol search path is: %.*s\n", STR_ARG(path));
	buf_addz(&b, "Expanded Symbol search path is: ");
	sym_path_expanded(c->e->syms, &b);
	buf_addz(&b, "\n");
	if (path.n) {
		buf_addz(&b, "\n************* Path validation summary **************\n"
			     "Response                         Time (ms)     Location\n");
		sym_path_summary(c->e->syms, &b);
	}
	out_str(c->e, OUT_NORMAL, buf_str(&b));
	buf_deinit(&b);
}

static err cmd_sympath(cmd *c, cmd_call *call)
{
	TRY(need_syms(c));
	bool add = take_sign(call, '+');
	str path = unquote(call->args);
	if (path.n) {
		sym_path_set(c->e->syms, joined(c, sym_path(c->e->syms), path, add));
		bp_resolve_all(c->e);
	}
	show_sympath(c);
	return ERR_OK;
}

static err cmd_symfix(cmd *c, cmd_call *call)
{
	TRY(need_syms(c));
	bool add = take_sign(call, '+');
	str cache = unquote(call->args);
	/* As documented: it prints as srv*, and expands to cache*CACHE;SRV*URL. */
	if (cache.n)
		sym_cache_dir_set(c->e->syms, cache);
	sym_path_set(c->e->syms, joined(c, sym_path(c->e->syms), STR("srv*"), add));
	return ERR_OK;
}

static err cmd_exepath(cmd *c, cmd_call *call)
{
	TRY(need_syms(c));
	bool add = take_sign(call, '+');
	str path = unquote(call->args);
	if (path.n)
		sym_exepath_set(c->e->syms, joined(c, sym_exepath(c->e->syms), path, add));
	out(c->e, "Executable image search path is: %.*s\n", STR_ARG(sym_exepath(c->e->syms)));
	return ERR_OK;
}

/* ---- options ---- */

static const struct opt {
	uint32_t bit;
	const char *name;
} opts[] = {
	{0x1, "CASE_INSENSITIVE"},
	{0x2, "UNDNAME"},
	{0x4, "DEFERRED_LOADS"},
	{0x8, "NO_CPP"},
	{0x10, "LOAD_LINES"},
	{0x20, "OMAP_FIND_NEAREST"},
	{0x40, "LOAD_ANYTHING"},
	{0x80, "IGNORE_CVREC"},
	{0x100, "NO_UNQUALIFIED_LOADS"},
	{0x200, "FAIL_CRITICAL_ERRORS"},
	{0x400, "EXACT_SYMBOLS"},
	{0x800, "ALLOW_ABSOLUTE_SYMBOLS"},
	{0x1000, "IGNORE_NT_SYMPATH"},
	{0x2000, "INCLUDE_32BIT_MODULES"},
	{0x4000, "PUBLICS_ONLY"},
	{0x8000, "NO_PUBLICS"},
	{0x10000, "AUTO_PUBLICS"},
	{0x20000, "NO_IMAGE_SEARCH"},
	{0x40000, "SECURE"},
	{0x80000, "NO_PROMPTS"},
	{0x80000000, "DEBUG"},
};

static void show_options(cmd *c)
{
	uint32_t o = sym_options(c->e->syms);
	out(c->e, "Symbol options are 0x%X:\n", o);
	for (size_t i = 0; i < ARRAY_LEN(opts); i++)
		if (o & opts[i].bit)
			out(c->e, "  0x%08x - SYMOPT_%s\n", opts[i].bit, opts[i].name);
}

static err cmd_symopt(cmd *c, cmd_call *call)
{
	uint64_t v;
	TRY(need_syms(c));
	bool minus = take_sign(call, '-');
	if (!minus)
		take_sign(call, '+');
	str rest = call->args;
	if (str_trim(rest).n) {
		TRY(cmd_arg_expr(c, &rest, &v));
		TRY(cmd_arg_end(c, rest));
		uint32_t o = sym_options(c->e->syms), bits = (uint32_t)v;
		if (minus && (bits & o & 0x40000))
			out(c->e, "SYMOPT_SECURE cannot be cleared\n");
		sym_options_set(c->e->syms, minus ? o & ~bits : o | bits);
		if (bits & 0x10)
			c->e->lines_on = !minus;
	}
	show_options(c);
	return ERR_OK;
}

static err cmd_sym(cmd *c, cmd_call *call)
{
	str rest = call->args;
	TRY(need_syms(c));
	sym_store *s = c->e->syms;
	str what = str_word(&rest), how = str_word(&rest);
	uint32_t o = sym_options(s);
	if (!what.n) {
		out(c->e,
			"!sym <noisy/quiet - prompts/prompts off> - %s mode - symbol prompts %s\n",
			sym_noisy(s) ? "noisy" : "quiet", o & 0x80000 ? "off" : "on");
		return ERR_OK;
	}
	if (str_ieq(what, STR("noisy")) || str_ieq(what, STR("quiet"))) {
		sym_noisy_set(s, str_ieq(what, STR("noisy")));
		out(c->e, "%s mode - symbol prompts %s\n", sym_noisy(s) ? "noisy" : "quiet",
			o & 0x80000 ? "off" : "on");
		return ERR_OK;
	}
	if (!str_ieq(what, STR("prompts")) || (how.n && !str_ieq(how, STR("off"))))
		return cmd_syntax(c, call->args);
	/* there are no dialogs here; the setting is kept because .symopt shows it */
	sym_options_set(s, how.n ? o | 0x80000 : o & ~0x80000u);
	out(c->e, "%s mode - symbol prompts %s\n", sym_noisy(s) ? "noisy" : "quiet",
		how.n ? "off" : "on");
	return ERR_OK;
}

static const cmd_row rows[] = {
	{".sympath", ".sympath[+] [Path[;...]]", "Set or show the symbol path",
		"Elements, separated by semicolons, from left to right:\n"
		"\n"
		"DIR                  DIR/symbols/EXT, DIR/EXT, DIR, and DIR as a symbol store\n"
		"srv*                 Microsoft's public symbol server\n"
		"srv*STORE            a store: a directory or an http or https URL\n"
		"srv*CACHE*STORE      the same, kept in CACHE; several caches may be chained\n"
		"cache*, cache*DIR    keeps everything found to its right\n"
		"\n"
		"The default cache is $XDG_CACHE_HOME/ringside/sym (~/.cache/ringside/sym). "
		".sympath+ appends. "
		"Nothing is loaded; modules with export symbols only are tried again when next "
		"needed, as "
		"are PDBs whose place is no longer on the path. At the start the path is taken "
		"from "
		"_NT_ALT_SYMBOL_PATH and _NT_SYMBOL_PATH.",
		CMD_ANY | CMD_SUFFIX | CMD_REST, cmd_sympath},
	{".symfix", ".symfix[+] [Cache]", "Set the symbol path to Microsoft's public server",
		"Files are kept in Cache, or in the default cache. .symfix+ appends to the path "
		"instead of "
		"replacing it.",
		CMD_ANY | CMD_SUFFIX | CMD_REST, cmd_symfix},
	{".symopt", ".symopt[+ | -] [Flags]", "Set, clear or show symbol options",
		"Flags is the sum of SYMOPT_ values. Without a sign they are set. Of importance "
		"here: 1 case "
		"does not count; 10 source lines; 40 load PDBs that do not match; 100 no loading "
		"for unqualified "
		"names; 4000 public symbols only; 8000 no public symbols; 80000000 noisy.",
		CMD_ANY | CMD_SUFFIX, cmd_symopt},
	{".exepath", ".exepath[+] [Directory[;...]]",
		"Set or show where image files are looked for",
		"A local copy of an image (same timestamp and size) saves reading headers and "
		"unwind data from "
		"the target. At the start the path is taken from _NT_EXECUTABLE_IMAGE_PATH.",
		CMD_ANY | CMD_SUFFIX | CMD_REST, cmd_exepath},
	{"!sym", "!sym [noisy | quiet | prompts [off]]",
		"Say what happens while symbols are loaded",
		"noisy shows each place that is looked at, each request to a server and its "
		"result; quiet, the "
		"default, only warnings. prompts is accepted: there are no dialogs.",
		CMD_ANY, cmd_sym},
};

const cmd_family cmd_family_sympath = {"Symbol path and options", rows, ARRAY_LEN(rows)};
