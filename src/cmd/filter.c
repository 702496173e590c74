/*
 * filter: sx, sxe, sxd, sxn, sxi, sxr, sx-: what is done about events and exceptions.
 */
#include "cmd/cmd.h"

static const char *break_text(sx_break b)
{
	return b == SX_BREAK	? "break"
	       : b == SX_SECOND ? "second-chance break"
	       : b == SX_OUTPUT ? "output"
				: "ignore";
}

static void show(cmd *c, const sx_filter *f)
{
	engine *e = c->e;
	if (f->code)
		out(e, "%4s - %s - %s", f->code, f->name, break_text(f->brk));
	else
		out(e, "%08x - %s - %s", f->number, f->name, break_text(f->brk));
	if (!f->is_event && !f->handled_by)
		out(e, " - %s", f->handled ? "handled" : "not handled");
	out(e, "\n");
	if (f->arg && *f->arg)
		out(e, "       (only break for %s)\n", f->arg);
	if (f->command && *f->command)
		out(e, "       Command: \"%s\"\n", f->command);
	if (f->command2 && *f->command2)
		out(e, "       Second command: \"%s\"\n", f->command2);
	if (f->handled_by)
		out(e, "%4s - %s continue - %s\n", f->handled_by, f->name,
			f->handled ? "handled" : "not handled");
}

static err cmd_sx(cmd *c, cmd_call *call)
{
	TRY(cmd_arg_end(c, call->args));
	bool events = true;
	for (size_t i = 0; i < sx_count(c->e); i++) {
		const sx_filter *f = sx_nth(c->e, i);
		if (events && !f->is_event) {
			out(c->e, "\n");
			events = false;
		}
		show(c, f);
	}
	out(c->e, "\n");
	show(c, sx_default(c->e));
	return ERR_OK;
}

static err cmd_sxr(cmd *c, cmd_call *call)
{
	TRY(cmd_arg_end(c, call->args));
	sx_reset(c->e);
	out(c->e, "sx state reset to defaults\n");
	return ERR_OK;
}

static void replace(char **slot, str text)
{
	mem_free(*slot);
	*slot = NULL;
	if (text.n) {
		*slot = mem_alloc(text.n + 1);
		memcpy(*slot, text.p, text.n);
	}
}

typedef struct wish {
	bool change, handling; /* set the status; -h: of the handling side */
	sx_break brk;
	bool has1, has2;
	str c1, c2;
} wish;

static void apply(sx_filter *f, const wish *w, bool handling)
{
	f->touched = true;
	if (w->change && (w->handling || handling)) {
		f->handled = w->brk == SX_BREAK;
	} else if (w->change) {
		f->brk = w->brk;
	}
	if (w->has1)
		replace(&f->command, w->c1);
	if (w->has2)
		replace(&f->command2, w->c2);
}

/* "av", "ld:nt", "ld nt", "*", "c0000005". */
static err target(cmd *c, str rest, const wish *w)
{
	size_t sep = 0;
	uint64_t number;
	while (sep < rest.n && rest.p[sep] != ':' && rest.p[sep] != ' ')
		sep++;
	str code = str_take(rest, sep), arg = str_trim(str_skip(rest, sep + (sep < rest.n)));
	if (str_eq(code, STR("*"))) {
		apply(sx_default(c->e), w, false);
		for (size_t i = 0; i < sx_count(c->e); i++)
			if (!sx_nth(c->e, i)->code)
				apply(sx_nth(c->e, i), w, false);
		return ERR_OK;
	}
	sx_filter *f = sx_find(c->e, code, 0);
	if (!f) {
		str text = code;
		uint32_t signal;
		if (c->e->mode == ENG_USER && sx_real_time(code, &signal))
			number = signal;
		else
			TRY(eng_eval_prefix(c->e, &text, &number, &c->d));
		if (!number || number > UINT32_MAX)
			number &= UINT32_MAX; /* a sign-extended c0000005 */
		f = sx_add(c->e, (uint32_t)number);
		if (!f)
			return cmd_fail(c, ERR_LIMIT, "too many exception filters");
	}
	bool handling = f->handled_by && str_ieq(str_of(f->handled_by), code);
	apply(f, w, handling);
	if (f->is_event)
		replace(&f->arg, arg);
	else if (arg.n)
		return cmd_syntax(c, arg);
	return ERR_OK;
}

static err cmd_sx_set(cmd *c, cmd_call *call)
{
	wish w = {.change = true};
	str rest = call->args, sw;

	switch (call->name.p[2]) {
	case 'e':
	case 'E':
		w.brk = SX_BREAK;
		break;
	case 'd':
	case 'D':
		w.brk = SX_SECOND;
		break;
	case 'n':
	case 'N':
		w.brk = SX_OUTPUT;
		break;
	case 'i':
	case 'I':
		w.brk = SX_IGNORE;
		break;
	default:
		w.change = false;
	}
	while (cmd_arg_switch(&rest, "-", &sw)) {
		if (str_eq(sw, STR("c"))) {
			w.has1 = true;
			TRY(cmd_arg_quoted(c, &rest, true, &w.c1));
		} else if (str_eq(sw, STR("c2"))) {
			w.has2 = true;
			TRY(cmd_arg_quoted(c, &rest, true, &w.c2));
		} else if (str_eq(sw, STR("h"))) {
			w.handling = true;
		} else {
			return cmd_fail(c, ERR_SYNTAX, "Unknown option '-%.*s'", STR_ARG(sw));
		}
	}
	if (!rest.n)
		return cmd_fail(c, ERR_SYNTAX,
			"%.*s needs an event (ld, av ...), an exception number or *",
			STR_ARG(call->name));
	return target(c, rest, &w);
}

#define SX_USAGE "[-c \"Cmd1\"] [-c2 \"Cmd2\"] [-h] {Exception | Event[:Arg] | *}"
#define SX_HELP                                                                                    \
	"-c and -c2 give commands for the first and second chance. -h changes whether an "         \
	"exception\n"                                                                              \
	"counts as handled, not whether it breaks. ld:PATTERN and ud:PATTERN name modules, "       \
	"out:PATTERN\n"                                                                            \
	"text of the target. * stands for all exceptions that sx does not list. In user mode "     \
	"signals\n"                                                                                \
	"are exceptions: by name (sigusr1, sigrtmin+3), or as what they mean (av, dz, ii, ip, "    \
	"cce, bpe).\n"

static const cmd_row rows[] = {
	{"sx", "sx", "Show what is done about events and exceptions", NULL, CMD_ANY, cmd_sx},
	{"sxe", "sxe " SX_USAGE, "Break when it happens (first chance)", SX_HELP, CMD_ANY,
		cmd_sx_set},
	{"sxd", "sxd " SX_USAGE, "Break at the second chance only", SX_HELP, CMD_ANY, cmd_sx_set},
	{"sxn", "sxn " SX_USAGE, "Only say that it happened", SX_HELP, CMD_ANY, cmd_sx_set},
	{"sxi", "sxi " SX_USAGE, "Ignore it", SX_HELP, CMD_ANY, cmd_sx_set},
	{"sxr", "sxr", "Reset all of it to the defaults", NULL, CMD_ANY, cmd_sxr},
	{"sx-", "sx- [-c \"Cmd1\"] [-c2 \"Cmd2\"] {Exception | Event | *}",
		"Change only the commands", SX_HELP, CMD_ANY, cmd_sx_set},
};

const cmd_family cmd_family_filter = {"Events and exceptions", rows, ARRAY_LEN(rows)};
