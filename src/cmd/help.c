/*
 * help: lists and pages made from the command rows. Refuses to hold a word about any command.
 */
#include "cmd/lang.h"

typedef struct help_entry {
	const cmd_row *row;
	const char *family;
} help_entry;

typedef VEC(help_entry) help_entries;

static help_kind kind_of(const cmd_row *r)
{
	return r->name[0] == '.' && r->name[1] ? HELP_META
	       : r->name[0] == '!'	       ? HELP_EXTENSIONS
					       : HELP_COMMANDS;
}

static void collect(help_entries *v, help_kind kind, str pattern)
{
	for (size_t f = 0; cmd_families[f]; f++)
		for (size_t i = 0; i < cmd_families[f]->n; i++) {
			const cmd_row *r = &cmd_families[f]->rows[i];
			if (kind_of(r) == kind &&
				(!pattern.n || str_wild(pattern, str_of(r->name), false)))
				vec_push(v, (help_entry){r, cmd_families[f]->title});
		}
	/* By name, folded; what folds equal stays in the order of the tables. */
	for (size_t i = 1; i < v->n; i++)
		for (size_t k = i;
			k && str_icmp(str_of(v->p[k - 1].row->name), str_of(v->p[k].row->name)) > 0;
			k--) {
			help_entry t = v->p[k];
			v->p[k] = v->p[k - 1];
			v->p[k - 1] = t;
		}
}

static void print_entries(cmd *c, const help_entries *v)
{
	for (size_t i = 0; i < v->n; i++)
		out(c->e, "%-16s %s%s\n", v->p[i].row->name, v->p[i].row->summary,
			v->p[i].row->flags & CMD_LATER ? " (not available yet)" : "");
}

err help_list(cmd *c, help_kind kind)
{
	static const char *const titles[] = {
		[HELP_COMMANDS] = "Commands (.help lists meta-commands, !help extensions, .help "
				  "Name tells more):",
		[HELP_META] = "Meta-commands (? lists commands, !help extensions, .help Name tells "
			      "more):",
		[HELP_EXTENSIONS] = "Extensions (? lists commands, .help meta-commands, .help Name "
				    "tells more):",
	};
	help_entries v = {0};
	collect(&v, kind, (str){NULL, 0});
	out(c->e, "%s\n\n", titles[kind]);
	print_entries(c, &v);
	if (kind == HELP_COMMANDS)
		out(c->e, "\nNumbers and operators of expressions: .help ?\n");
	vec_deinit(&v);
	return ERR_OK;
}

static void print_flags(cmd *c, const cmd_row *r)
{
	bool kernel = r->flags & CMD_KERNEL, user = r->flags & CMD_USER;
	out(c->e, "\nModes: %s%s\n",
		kernel && user ? "kernel, user"
		: kernel       ? "kernel"
			       : "user",
		r->flags & CMD_LIVE ? "; live targets only" : "");
}

static void print_page(cmd *c, const cmd_row *r)
{
	out(c->e, "%s\n\n%s.\n", r->usage, r->summary);
	if (r->flags & CMD_LATER)
		out(c->e, "Not available in this version.\n");
	if (r->help) {
		size_t n = strlen(r->help);
		out(c->e, "\n%s%s", r->help, n && r->help[n - 1] == '\n' ? "" : "\n");
	}
	print_flags(c, r);
}

/* A name with or without its dot or exclamation mark; what a command line would run. */
static const cmd_row *find_page(cmd *c, str name)
{
	static const char *const marks[] = {"", ".", "!"};
	const cmd_row *r = NULL;
	for (size_t i = 0; i < ARRAY_LEN(marks) && !r; i++)
		r = cmd_row_find(str_printf(&c->a, "%s%.*s", marks[i], STR_ARG(name)));
	size_t used;
	if (!r && (r = cmd_row_match(name, &used)) && used != name.n && !(r->flags & CMD_SUFFIX))
		r = NULL;
	return r;
}

static err print_matches(cmd *c, str pattern, str topic)
{
	help_entries v = {0};
	for (int k = HELP_COMMANDS; k <= HELP_EXTENSIONS; k++) {
		static const char *const marks[] = {"", ".", "!"};
		help_entries part = {0};
		str p = pattern;
		if (k && p.n && p.p[0] != marks[k][0])
			p = str_printf(&c->a, "%s%.*s", marks[k], STR_ARG(pattern));
		collect(&part, (help_kind)k, p);
		for (size_t i = 0; i < part.n; i++)
			vec_push(&v, part.p[i]);
		vec_deinit(&part);
	}
	size_t n = v.n;
	print_entries(c, &v);
	vec_deinit(&v);
	return n ? ERR_OK : cmd_fail(c, ERR_NOTFOUND, "No help for '%.*s'", STR_ARG(topic));
}

static err help_topic(cmd *c, str topic)
{
	const cmd_row *r = find_page(c, topic);
	if (r) {
		print_page(c, r);
		return ERR_OK;
	}
	/* A part of a name lists what holds it. */
	return print_matches(c,
		str_has_wild(topic) ? topic : str_printf(&c->a, "*%.*s*", STR_ARG(topic)), topic);
}

static err cmd_help(cmd *c, cmd_call *call)
{
	str rest = call->args, sw;
	/* /D asks for links; the list is the same without them. */
	if (cmd_arg_switch(&rest, "/", &sw) && !str_ieq(sw, STR("D")))
		return cmd_syntax(c, call->args);
	rest = str_trim(rest);
	bool extensions = str_ieq(call->name, STR("!help"));
	if (!rest.n)
		return help_list(c, extensions ? HELP_EXTENSIONS : HELP_META);
	return help_topic(c, rest);
}

static err cmd_hh(cmd *c, cmd_call *call)
{
	str topic = str_trim(call->args);
	if (topic.n)
		return help_topic(c, topic);
	for (size_t f = 0; cmd_families[f]; f++) {
		out(c->e, "%s\n", cmd_families[f]->title);
		for (size_t i = 0; i < cmd_families[f]->n; i++) {
			const cmd_row *r = &cmd_families[f]->rows[i];
			out(c->e, "    %-16s %s\n", r->name, r->summary);
		}
	}
	return ERR_OK;
}

static const cmd_row rows[] = {
	{".help", ".help [/D] [Name | Pattern]", "List the meta-commands, or explain a command",
		"A name may be given with or without its dot or exclamation mark; a pattern lists "
		"what matches.\n"
		"/D is taken and changes nothing: there are no links in plain text.\n",
		CMD_ANY, cmd_help},
	{".hh", ".hh [Name]", "Show the manual: every family of commands, or one command", NULL,
		CMD_ANY | CMD_RAW, cmd_hh},
	{"!help", "!help [Name | Pattern]", "List the extensions, or explain one", NULL, CMD_ANY,
		cmd_help},
};

const cmd_family cmd_family_help = {"Help", rows, ARRAY_LEN(rows)};
