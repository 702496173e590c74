/*
 * extloop: extensions that run commands for each of something, or walk a list: !list, !dflink,
 * !dblink, !validatelist, !for_each_frame, !for_each_local, !for_each_register, !for_each_function.
 *
 * Their aliases (@#Local ...) are variables of the interpreter, as .foreach's is: replaced where
 * they stand between blanks, or as ${@#Local}, before the commands are parsed. Every list ends: at
 * a null, at its start, at an element seen before, at the count.
 */
#include "cmd/lang.h"

#include "base/map.h"
#include "cmd/code.h"

#include <stdio.h>

enum {
	LIST_MAX = 1 << 20,
	LINK_COUNT = 32, /* of !dflink and !dblink (documented) */
	FRAMES_MAX = 256,
	FUNCS_MAX = 1 << 20
};

/* ---- running commands ---- */

/* One turn of a loop. A command that fails does not end the loop; an interrupt does. */
static err turn(cmd *c, str commands)
{
	err e = lang_block(c, commands);
	if (e == ERR_CANCELLED || e == ERR_DEAD)
		return e;
	diag_clear(&c->d);
	return lang_cancelled(c);
}

/* The same with up to three aliases. */
static err turn_with(cmd *c, str commands, const lang_var *v, size_t n)
{
	lang *l = c->lang;
	const lang_var *before = l->vars;
	lang_var chain[4];
	for (size_t i = 0; i < n && i < ARRAY_LEN(chain); i++) {
		chain[i] = v[i];
		chain[i].up = l->vars;
		l->vars = &chain[i];
	}
	err e = turn(c, commands);
	l->vars = before;
	return e;
}

/* The commands of !for_each_xxx: in quotes or not. */
static err command_string(cmd *c, str args, str *ret)
{
	*ret = str_trim(args);
	if (!ret->n || ret->p[0] != '"')
		return ERR_OK;
	str rest = *ret;
	TRY(cmd_arg_quoted(c, &rest, false, ret));
	return cmd_arg_end(c, rest);
}

/* ---- !list ---- */

typedef struct list_args {
	str type, commands, arguments;
	bool echo;
	uint64_t max, start;
} list_args;

static err list_option(cmd *c, str *rest, char letter, list_args *x)
{
	uint64_t v;
	switch (letter) {
	case 't':
		x->type = str_word(rest);
		return x->type.n ? ERR_OK : cmd_syntax(c, *rest);
	case 'x':
		return cmd_arg_quoted(c, rest, true, &x->commands);
	case 'a':
		return cmd_arg_quoted(c, rest, true, &x->arguments);
	case 'm':
		/* A word: an expression would take the next option's mark for a minus. */
		TRY(lang_eval(c, str_word(rest), &v));
		x->max = v < LIST_MAX ? v : LIST_MAX;
		return ERR_OK;
	case 'e':
		x->echo = true;
		return ERR_OK;
	default:
		return cmd_fail(c, ERR_SYNTAX, "!list has no option -%c", letter);
	}
}

static err list_parse(cmd *c, str args, list_args *x)
{
	str rest = str_trim(args);
	*x = (list_args){.max = LIST_MAX, .commands = STR("dp")};
	/* Everything in one pair of quotes, with \" inside of it. */
	if (rest.n && rest.p[0] == '"') {
		str inner;
		TRY(cmd_arg_quoted(c, &rest, true, &inner));
		TRY(cmd_arg_end(c, rest));
		rest = str_trim(inner);
	}
	while (rest.n > 1 && rest.p[0] == '-') {
		char letter = rest.p[1];
		rest = str_trim(str_skip(rest, 2));
		TRY(list_option(c, &rest, letter, x));
		rest = str_trim(rest);
	}
	if (!x->type.n)
		return cmd_fail(c, ERR_SYNTAX, "!list needs -t Type.Field");
	TRY(cmd_arg_expr(c, &rest, &x->start));
	return cmd_arg_end(c, rest);
}

/*
 * How to go from element to element: the link is read at `link`, and what it holds is `back` bytes
 * into the next element. A link of type LIST_ENTRY, and its Flink, lead to the next LIST_ENTRY; a
 * pointer to the element's own type leads to its start.
 */
typedef struct list_step {
	uint64_t link, back;
} list_step;

static err list_step_of(cmd *c, str typefield, list_step *ret)
{
	size_t bang = str_chr(typefield, '!'), from = bang == SIZE_MAX ? 0 : bang;
	size_t dot = str_chr(str_skip(typefield, from), '.');
	sym_type t, elem;
	sym_type_info of, in, to;
	sym_field f, parent;
	if (dot == SIZE_MAX || from + dot + 1 >= typefield.n)
		return cmd_fail(c, ERR_SYNTAX, "'%.*s' names no field: write Type.Field",
			STR_ARG(typefield));
	str path = str_skip(typefield, from + dot + 1);
	TRY(sym_type_find(c->e->syms, str_take(typefield, from + dot), &t, &c->d));
	TRY(sym_type_field(t, path, &f, &c->d));
	if (sym_type_info_get(t, &of) != ERR_OK || sym_type_info_get(f.type, &in) != ERR_OK)
		return cmd_fail(
			c, ERR_NOTFOUND, "the type of '%.*s' is not known", STR_ARG(typefield));
	ret->link = ret->back = f.offset;
	if (in.kind != SYM_T_PTR)
		return ERR_OK; /* a LIST_ENTRY: its first member */
	elem = in.elem;
	size_t last = SIZE_MAX;
	for (size_t i = 0; i < path.n; i++)
		if (path.p[i] == '.')
			last = i;
	ret->back = 0;
	bool own = sym_type_info_get(elem, &to) == ERR_OK && str_eq(to.name, of.name);
	if (last != SIZE_MAX && !own) {
		TRY(sym_type_field(t, str_take(path, last), &parent, &c->d));
		ret->back = parent.offset;
	}
	return ERR_OK;
}

static err do_list(cmd *c, cmd_call *call)
{
	engine *e = c->e;
	list_args x;
	list_step step = {0};
	err r = ERR_OK;
	map seen;
	if (str_eq(str_trim(call->args), STR("-h"))) {
		out(e, "%s\n", call->row->usage);
		return ERR_OK;
	}
	TRY(list_parse(c, call->args, &x));
	TRY(list_step_of(c, x.type, &step));
	bool placed = str_find(x.commands, STR("$extret")) != SIZE_MAX;
	uint64_t at = x.start, before = e->extret;
	map_init(&seen);
	for (uint64_t i = 0; i < x.max && r == ERR_OK; i++) {
		uint64_t next;
		buf line;
		map_set(&seen, at, &seen);
		e->extret = at;
		e->last_data = at;
		buf_init(&line, LANG_TEXT_MAX);
		buf_adds(&line, x.commands);
		if (!placed)
			buf_addf(&line, " 0x%llx", (unsigned long long)at);
		if (x.arguments.n)
			buf_addf(&line, " %.*s", STR_ARG(x.arguments));
		if (x.echo)
			out(e, "%.*s\n", (int)line.n, buf_z(&line));
		r = turn(c, buf_str(&line));
		buf_deinit(&line);
		if (r != ERR_OK)
			break;
		r = eng_read_ptr(e, at + step.link, &next, &c->d);
		if (r != ERR_OK || !next || next - step.back == x.start)
			break;
		at = next - step.back;
		if (map_has(&seen, at)) {
			r = cmd_fail(c, ERR_CORRUPT,
				"the list loops back to %s, which is not its start",
				out_addr(e, at));
			break;
		}
	}
	map_deinit(&seen);
	e->extret = before;
	return r;
}

/* ---- !dflink, !dblink, !validatelist ---- */

static err do_links(cmd *c, cmd_call *call)
{
	engine *e = c->e;
	bool backwards = !strcmp(call->row->name, "!dblink");
	str rest = call->args;
	uint64_t at, max = LINK_COUNT, bias = 0, head, w[4];
	TRY(cmd_arg_expr(c, &rest, &at));
	if (rest.n)
		TRY(cmd_arg_expr(c, &rest, &max));
	if (rest.n)
		TRY(cmd_arg_expr(c, &rest, &bias));
	TRY(cmd_arg_end(c, rest));
	head = at;
	for (uint64_t i = 0; i < max && i < LIST_MAX; i++) {
		TRY(lang_cancelled(c));
		out(e, "%s ", out_addr(e, at));
		for (size_t k = 0; k < ARRAY_LEN(w); k++) {
			err r = eng_read_ptr(e, at + k * e->ptr_size, &w[k], &c->d);
			if (r != ERR_OK && k < 2) {
				out(e, "\n");
				return r;
			}
			if (r != ERR_OK)
				break;
			out(e, " %s", out_addr(e, w[k]));
		}
		diag_clear(&c->d);
		out(e, "\n");
		at = w[backwards] & ~bias;
		if (!at || at == head)
			break;
	}
	return ERR_OK;
}

static err do_validatelist(cmd *c, cmd_call *call)
{
	engine *e = c->e;
	str rest = call->args;
	uint64_t head, at, n = 0;
	err r = ERR_OK;
	map seen;
	TRY(cmd_arg_expr(c, &rest, &head));
	TRY(cmd_arg_end(c, rest));
	map_init(&seen);
	for (at = head; r == ERR_OK; n++) {
		uint64_t next, back;
		r = lang_cancelled(c);
		if (r == ERR_OK)
			r = eng_read_ptr(e, at, &next, &c->d);
		if (r == ERR_OK)
			r = eng_read_ptr(e, next + e->ptr_size, &back, &c->d);
		if (r != ERR_OK)
			break;
		if (back != at)
			r = cmd_fail(c, ERR_CORRUPT,
				"Blink of %s is %s: it should lead back to %s (element %llu)",
				out_addr(e, next), out_addr(e, back), out_addr(e, at),
				(unsigned long long)n);
		if (next == head)
			break;
		if (map_has(&seen, next) || n >= LIST_MAX)
			r = cmd_fail(c, ERR_CORRUPT, "the list loops back to %s, not to its head",
				out_addr(e, next));
		map_set(&seen, next, &seen);
		at = next;
	}
	map_deinit(&seen);
	if (r == ERR_OK)
		out(e, "Found list end after %llu entries\n", (unsigned long long)n);
	return r;
}

/* ---- !for_each_frame, !for_each_local, !for_each_register, !for_each_function ---- */

static err do_each_frame(cmd *c, cmd_call *call)
{
	engine *e = c->e;
	x64_regs regs;
	eng_frame *f;
	size_t n;
	str text;
	err r = ERR_OK;
	arena a;
	TRY(command_string(c, call->args, &text));
	eng_ctx saved = eng_ctx_save(e);
	TRY(eng_regs(e, X64_SET_GENERAL, &regs, &c->d));
	arena_init(&a);
	r = eng_stack(e, &a, &regs, FRAMES_MAX, &f, &n, &c->d);
	/* Why the walk ended early is no failure of this command. */
	if (r == ERR_OK) {
		diag_clear(&c->d);
		n = stack_lines(c, f, n);
	}
	text = str_dup(&a, text);
	for (size_t i = 0; r == ERR_OK && i < n; i++) {
		char frame[32];
		snprintf(frame, sizeof frame, ".frame 0x%zx", i);
		r = turn(c, str_of(frame));
		if (r == ERR_OK && text.n)
			r = turn(c, text);
		eng_ctx now = saved;
		now.frame = e->ctx.frame;
		if (r == ERR_OK)
			eng_ctx_restore(e, &now);
	}
	eng_ctx_restore(e, &saved);
	arena_deinit(&a);
	return r;
}

static err do_each_local(cmd *c, cmd_call *call)
{
	engine *e = c->e;
	sym_local *l;
	size_t n;
	str text;
	arena a;
	TRY(command_string(c, call->args, &text));
	arena_init(&a);
	text = str_dup(&a, text);
	err r = eng_locals(e, &a, false, &l, &n, &c->d);
	for (size_t i = 0; r == ERR_OK && i < n; i++) {
		lang_var v = {STR("@#Local"), l[i].name, NULL};
		if (text.n)
			r = turn_with(c, text, &v, 1);
		else
			out(e, "%.*s\n", STR_ARG(l[i].name));
	}
	arena_deinit(&a);
	return r;
}

/* "-c:Commands", to the end of the arguments. */
static err colon_option(cmd *c, str *rest, char *letter, str *value)
{
	*rest = str_trim(*rest);
	if (rest->n < 4 || rest->p[0] != '-' || rest->p[2] != ':')
		return cmd_syntax(c, *rest);
	*letter = rest->p[1];
	*rest = str_skip(*rest, 3);
	if (*letter == 'c') {
		TRY(command_string(c, *rest, value));
		*rest = (str){0};
	} else {
		*value = str_word(rest);
	}
	return ERR_OK;
}

static err do_each_register(cmd *c, cmd_call *call)
{
	static const char *const names[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
		"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rip", "efl", "cs", "ds",
		"es", "fs", "gs", "ss"};
	str rest = call->args, text = {0};
	char letter = 0, number[32];
	err r = ERR_OK;
	TRY(colon_option(c, &rest, &letter, &text));
	if (letter != 'c' || !text.n)
		return cmd_fail(c, ERR_SYNTAX, "!for_each_register needs -c:Commands");
	for (size_t i = 0; i < ARRAY_LEN(names) && r == ERR_OK; i++) {
		uint64_t value;
		if (eng_reg_get(c->e, str_of(names[i]), &value, NULL) != ERR_OK)
			continue;
		snprintf(number, sizeof number, "0x%llx", (unsigned long long)value);
		lang_var v[] = {{STR("@#RegisterName"), str_of(names[i]), NULL},
			{STR("@#RegisterValue"), str_of(number), NULL}};
		r = turn_with(c, text, v, ARRAY_LEN(v));
	}
	return r;
}

static err do_each_function(cmd *c, cmd_call *call)
{
	str rest = call->args, module = {0}, pattern = STR("*"), text = {0}, value;
	char letter;
	sym_list l = {0};
	buf both;
	err r;
	while (str_trim(rest).n) {
		TRY(colon_option(c, &rest, &letter, &value));
		if (letter == 'm')
			module = value;
		else if (letter == 'p')
			pattern = value;
		else if (letter == 'c')
			text = value;
		else
			return cmd_fail(
				c, ERR_SYNTAX, "!for_each_function has no option -%c:", letter);
	}
	if (!module.n || !text.n)
		return cmd_fail(
			c, ERR_SYNTAX, "!for_each_function needs -m:Module and -c:Commands");
	buf_init(&both, 0);
	buf_addf(&both, "%.*s!%.*s", STR_ARG(module), STR_ARG(pattern));
	r = sym_match(c->e->syms, buf_str(&both), SYM_M_FUNC | SYM_M_SORT_ADDR, &l, &c->d);
	buf_deinit(&both);
	for (size_t i = 0; r == ERR_OK && i < l.n && i < FUNCS_MAX; i++) {
		const sym *s = &l.p[i];
		char number[32];
		arena a;
		arena_init(&a);
		str mod = s->mod ? s->mod->name : STR("");
		snprintf(number, sizeof number, "0x%llx", (unsigned long long)s->addr);
		lang_var v[] = {
			{STR("@#SymbolName"),
				str_printf(&a, "%.*s!%.*s", STR_ARG(mod), STR_ARG(s->name)), NULL},
			{STR("@#SymbolAddress"), str_of(number), NULL},
			{STR("@#ModName"), mod, NULL}, {STR("@#FunctionName"), s->name, NULL}};
		r = turn_with(c, text, v, ARRAY_LEN(v));
		arena_deinit(&a);
	}
	sym_list_deinit(&l);
	return r;
}

static const cmd_row rows[] = {
	{"!list",
		"!list -t [Module!]Type.Field [-x \"Commands\"] [-a \"Arguments\"] [-e] [-m Max] "
		"StartAddress | -h",
		"Run commands for each element of a linked list",
		"Field is the link: a pointer to the next element, or a LIST_ENTRY or its Flink "
		"inside of it. $extret is the element's address; if Commands do not name it, it is "
		"put behind them, and Arguments behind that. Without Commands: dp. -e shows each "
		"command, -m sets how many elements at most. With several commands put all of it "
		"in "
		"quotes, and \\\" for the quotes inside.\n\n"
		"  !list -t nt!_EPROCESS.ActiveProcessLinks.Flink -x \"dt nt!_EPROCESS "
		"ImageFileName\" "
		"poi(nt!PsInitialSystemProcess)\n"
		"  !list \"-t nt!_LIST_ENTRY.Flink -x \\\"dp @$extret L2; .echo\\\" "
		"nt!PsLoadedModuleList\"\n",
		CMD_ANY | CMD_TARGET, do_list},
	{"!dflink", "!dflink Address [Count [Bias]]", "Show a list forwards",
		"Four words of each LIST_ENTRY, at most Count (0x20) of them; the bits of Bias are "
		"ignored in each link. dl can do more.\n",
		CMD_ANY | CMD_TARGET, do_links},
	{"!dblink", "!dblink Address [Count [Bias]]", "Show a list backwards",
		"As !dflink, along Blink.\n", CMD_ANY | CMD_TARGET, do_links},
	{"!validatelist", "!validatelist Address",
		"Check that the links of a list agree in both directions", NULL,
		CMD_ANY | CMD_TARGET, do_validatelist},
	{"!for_each_frame", "!for_each_frame [\"CommandString\"]",
		"Run commands once for each frame of the stack",
		"Each frame is shown and made the local context; afterwards the context is what it "
		"was.\n\n  !for_each_frame !for_each_local dt @#Local\n",
		CMD_ANY | CMD_TARGET | CMD_REST, do_each_frame},
	{"!for_each_local", "!for_each_local [\"CommandString\"]",
		"Run commands once for each local variable",
		"@#Local is the variable's name. Without commands the names are listed.\n",
		CMD_ANY | CMD_TARGET | CMD_REST, do_each_local},
	{"!for_each_register", "!for_each_register -c:CommandString",
		"Run commands once for each register",
		"@#RegisterName and @#RegisterValue stand for the register.\n",
		CMD_ANY | CMD_TARGET | CMD_REST, do_each_register},
	{"!for_each_function", "!for_each_function -m:Module -p:Pattern -c:CommandString",
		"Run commands once for each function that matches a pattern",
		"@#SymbolName, @#SymbolAddress, @#ModName and @#FunctionName stand for the "
		"function.\n\n"
		"  !for_each_function -m:nt -p:*Read* -c:.echo @#FunctionName\n",
		CMD_ANY | CMD_TARGET | CMD_REST, do_each_function},
};

const cmd_family cmd_family_extloop = {"Lists and loops", rows, ARRAY_LEN(rows)};
