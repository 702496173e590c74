/*
 * symlook: x and ln - symbols by pattern, symbols near an address. Forms: the documentation's pages
 * "x (Examine Symbols)" and "ln (List Nearest Symbols)".
 */
#include "cmd/types.h"

#include "cmd/lang.h"

#include <ctype.h>
#include <stdlib.h>

/* ---- x ---- */

typedef struct ex {
	cmd *c;
	tv v;
	bool addr_only, name_only, brief, types, verbose, quoted, tight, has_size;
	uint64_t size;
	unsigned match; /* SYM_M_xxx */
	char sort;
} ex;

static void size_of(sym *s)
{
	sym_type_info in;
	if (!s->size && s->type.file && !s->code && sym_type_info_get(s->type, &in) == ERR_OK)
		s->size = in.size;
}

static void add_name(const ex *x, const sym *s, buf *b)
{
	if (x->quoted)
		buf_addf(b, "@!\"%.*s!%.*s\"", STR_ARG(s->mod->name), STR_ARG(s->name));
	else
		buf_addf(b, "%.*s!%.*s", STR_ARG(s->mod->name), STR_ARG(s->name));
}

/* Behind the name: parameters of a function, value of a variable. */
static void add_rest(const ex *x, const sym *s, buf *b)
{
	sym_type_info in;
	if (s->kind == SYM_K_CONST) {
		buf_addf(b, " = 0n%lld", (long long)s->addr);
	} else if (s->tls && !s->addr) {
		buf_addz(b, " = <thread-local, not in this thread>");
	} else if (!s->type.file || sym_type_info_get(s->type, &in) != ERR_OK) {
		if (s->code)
			buf_addf(b, "%s(<no parameter info>)", x->tight ? "" : " ");
		else
			buf_addz(b, " = <no type information>");
	} else if (in.kind == SYM_T_FUNC) {
		buf_addz(b, x->tight ? "" : " ");
		sym_type_params(s->type, b);
	} else {
		buf_addz(b, " = ");
		tv_value(&x->v, s->type, s->addr, b);
	}
}

static const char *kind_words(const sym *s)
{
	switch (s->kind) {
	case SYM_K_FUNC:
		return "prv func  ";
	case SYM_K_DATA:
		return s->is_static ? "prv static" : "prv global";
	case SYM_K_CONST:
		return "prv const ";
	case SYM_K_LABEL:
		return "prv label ";
	case SYM_K_EXPORT:
		return s->code ? "exp func  " : "exp global";
	default:
		return s->code ? "pub func  " : "pub global";
	}
}

static void show(const ex *x, const sym *s)
{
	buf b;
	bool nowhere = s->kind == SYM_K_CONST || (s->tls && !s->addr);
	const char *addr = nowhere ? "" : out_addr(x->c->e, s->addr);
	int width = (int)strlen(out_addr(x->c->e, 0));
	buf_init(&b, 1 << 20);
	if (x->addr_only) {
		buf_addf(&b, "%-*s ", width, addr);
	} else if (x->name_only) {
		add_name(x, s, &b);
	} else if (x->brief) {
		buf_addf(&b, "%-*s ", width, addr);
		add_name(x, s, &b);
	} else {
		if (x->verbose)
			buf_addf(&b, "%s %-*s %4llx ", kind_words(s), width, addr,
				(unsigned long long)s->size);
		else
			buf_addf(&b, "%-*s ", width, addr);
		if (x->types && s->type.file)
			sym_type_text(s->type, &b);
		else if (x->types)
			buf_addz(&b, "<NoType>");
		if (x->types)
			buf_addc(&b, ' ');
		add_name(x, s, &b);
		add_rest(x, s, &b);
	}
	buf_addc(&b, '\n');
	out_str(x->c->e, OUT_NORMAL, buf_str(&b));
	buf_deinit(&b);
}

static int by_addr(const void *a, const void *b)
{
	const sym *x = a, *y = b;
	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static int by_name(const void *a, const void *b)
{
	const sym *x = a, *y = b;
	int r = str_icmp(x->mod->name, y->mod->name);
	r = r ? r : str_icmp(x->name, y->name);
	return r ? r : by_addr(a, b);
}

static int by_size(const void *a, const void *b)
{
	const sym *x = a, *y = b;
	return x->size < y->size ? -1 : x->size > y->size ? 1 : by_name(a, b);
}

static void sort(sym_list *l, char how)
{
	if (!how || !l->n)
		return;
	qsort(l->p, l->n, sizeof *l->p,
		tolower(how) == 'a'   ? by_addr
		: tolower(how) == 'n' ? by_name
				      : by_size);
	if (isupper((unsigned char)how))
		for (size_t i = 0; i < l->n / 2; i++) {
			sym t = l->p[i];
			l->p[i] = l->p[l->n - 1 - i];
			l->p[l->n - 1 - i] = t;
		}
}

static err x_options(ex *x, str *rest)
{
	str sw;
	while (cmd_arg_switch(rest, "/", &sw))
		for (size_t i = 0; i < sw.n; i++)
			switch (sw.p[i]) {
			case '0':
				x->addr_only = true;
				break;
			case '1':
				x->name_only = true;
				break;
			case '2':
				x->brief = true;
				break;
			case 'D': /* markup is for windows: a console shows it plain */
				break;
			case 't':
				x->types = true;
				break;
			case 'v':
				x->verbose = true;
				break;
			case 'q':
				x->quoted = true;
				break;
			case 'p':
				x->tight = true;
				break;
			case 'f':
				x->match |= SYM_M_FUNC;
				break;
			case 'd':
				x->match |= SYM_M_DATA;
				break;
			case 's': {
				str n = str_word(rest); /* "8 /2" is no division */
				*rest = str_trim(*rest);
				TRY(lang_eval(x->c, n, &x->size));
				if (!x->size)
					return cmd_fail(
						x->c, ERR_ARG, "x /s takes a size other than zero");
				x->has_size = true;
				break;
			}
			case 'a':
			case 'A':
			case 'n':
			case 'N':
			case 'z':
			case 'Z':
				x->sort = sw.p[i];
				break;
			default:
				return cmd_fail(x->c, ERR_SYNTAX, "x has no option /%c", sw.p[i]);
			}
	return ERR_OK;
}

static bool fits(const ex *x, const sym *s)
{
	return !x->has_size || !s->size || s->size == x->size;
}

static bool show_each(void *u, const sym *found)
{
	ex *x = u;
	sym s = *found;
	size_of(&s);
	if (fits(x, &s))
		show(x, &s);
	return !cancelled(&x->c->e->cancel);
}

static void say_partial(engine *e)
{
	sym_mod *m;
	for (size_t i = 0; (m = sym_mod_nth(e->syms, i)); i++)
		if (m->partial)
			out(e,
				"Note: the debug information of %.*s is still being read: names "
				"and types that only it has are missing here.\n",
				STR_ARG(m->name));
}

/* By name or size, or backwards: everything is held until it is sorted. */
static err show_sorted(ex *x, str pattern)
{
	sym_list l;
	TRY(sym_match(x->c->e->syms, pattern, x->match, &l, &x->c->d));
	for (size_t i = 0; i < l.n; i++)
		size_of(&l.p[i]);
	sort(&l, x->sort);
	for (size_t i = 0; i < l.n && !cancelled(&x->c->e->cancel); i++)
		if (fits(x, &l.p[i]))
			show(x, &l.p[i]);
	sym_list_deinit(&l);
	return ERR_OK;
}

static err cmd_x(cmd *c, cmd_call *call)
{
	ex x = {.c = c};
	str rest = call->args;
	tv_init(&x.v, c);
	x.v.c_names = true;
	x.match = SYM_M_SOON;
	TRY(x_options(&x, &rest));
	rest = str_trim(rest);
	if (!rest.n)
		return cmd_syntax(c, rest);
	if (str_eq(rest, STR("*")))
		return dv_for_x(c);
	if (!c->e->syms)
		return cmd_fail(c, ERR_STATE, "there is no target, so there are no symbols");
	/* modules come by base address, so that the order of a listing is that of /a */
	err e = x.sort && x.sort != 'a'
			? show_sorted(&x, rest)
			: sym_match_each(c->e->syms, rest, x.match, show_each, &x, &c->d);
	if (e == ERR_NOTFOUND)
		return cmd_fail(c, e, "Couldn't resolve 'x %.*s': %s", STR_ARG(rest),
			arena_printf(&c->a, "%s", c->d.text));
	TRY(e);
	if (cancelled(&c->e->cancel))
		return cmd_fail(c, ERR_CANCELLED, "cancelled");
	say_partial(c->e);
	return ERR_OK;
}

/* ---- ln ---- */

static void add_place(engine *e, const sym *s, uint64_t disp, buf *b)
{
	buf_addf(b, "(%s)   %.*s!%.*s", out_addr(e, s->addr), STR_ARG(s->mod->name),
		STR_ARG(s->name));
	if (disp)
		buf_addf(b, "+0x%llx", (unsigned long long)disp);
}

static err cmd_ln(cmd *c, cmd_call *call)
{
	engine *e = c->e;
	str rest = call->args, sw;
	uint64_t addr, disp, after_disp;
	sym s, next, *all;
	sym_line line;
	size_t n;
	while (cmd_arg_switch(&rest, "/", &sw))
		if (!str_eq(sw, STR("D")))
			return cmd_fail(c, ERR_SYNTAX, "ln has no option /%.*s", STR_ARG(sw));
	if (str_trim(rest).n)
		TRY(cmd_arg_expr(c, &rest, &addr));
	else
		TRY(eng_ip(e, &addr, &c->d));
	TRY(cmd_arg_end(c, rest));
	if (!e->syms || sym_before(e->syms, addr, &s, &disp) != ERR_OK)
		return cmd_fail(c, ERR_NOTFOUND, "No symbols near %s", out_addr(e, addr));
	if (e->lines_on && sym_line_at(e->syms, addr, &line) == ERR_OK)
		out(e, "%.*s(%u)%s\n", STR_ARG(line.file), line.line,
			addr > line.addr ? arena_printf(&c->a, "+0x%llx",
						   (unsigned long long)(addr - line.addr))
					 : "");
	buf b;
	buf_init(&b, 1 << 20);
	add_place(e, &s, disp, &b);
	buf_addz(&b, "   |  ");
	if (sym_after(e->syms, addr, &next, &after_disp) == ERR_OK)
		add_place(e, &next, 0, &b);
	buf_addc(&b, '\n');
	if (!disp && sym_names_at(e->syms, &c->a, addr, &all, &n) == ERR_OK && n) {
		ex x = {.c = c};
		tv_init(&x.v, c);
		x.v.c_names = true;
		buf_addz(&b, "Exact matches:\n");
		for (size_t i = 0; i < n; i++) {
			buf_addz(&b, "    ");
			add_name(&x, &all[i], &b);
			add_rest(&x, &all[i], &b);
			buf_addc(&b, '\n');
		}
	}
	out_str(e, OUT_NORMAL, buf_str(&b));
	buf_deinit(&b);
	return ERR_OK;
}

static const cmd_row rows[] = {
	{"x",
		"x [/0 | /1 | /2] [/tvqpfd] [/s Size] [/a | /A | /n | /N | /z | /Z] "
		"{[Module!]Pattern | *}",
		"List the symbols that match a pattern",
		"Both parts of the pattern may hold wildcards (* ? [list] # +); case does not "
		"count, and one "
		"leading underscore stands for any number of them. A function shows its parameter "
		"types, a "
		"variable its value, public symbols (<no parameter info>) and <no type "
		"information>. "
		"Symbols are loaded as needed. x * lists the local variables. While the debug "
		"information of a large program is still being read, names of its symbol table are "
		"listed at once, with a note that others are missing; if there is none, the "
		"listing waits (Ctrl+C).\n"
		"\n"
		"/0  only addresses           /1  only names        /2  addresses and names\n"
		"/t  data type too            /v  kind and size too (in hexadecimal)\n"
		"/f  only functions           /d  only data         /s n  only symbols of n bytes\n"
		"/q  names in the quoted form @!\"name\"\n"
		"/p  no blank in front of the parameters\n"
		"/a /A /n /N /z /Z  sort by address, name or size, ascending or descending\n"
		"\n"
		"    kd> x nt!PsActive*\n"
		"    fffff800`031a6b90 nt!PsActiveProcessHead = <no type information>",
		CMD_ANY | CMD_TARGET | CMD_CASE, cmd_x},
	{"ln", "ln [/D] [Address]", "List the symbols nearest to an address",
		"The symbol at or below the address and the next one above it; names that start "
		"exactly "
		"there are listed under `Exact matches:`. With .lines the source line comes first. "
		"Without "
		"Address: the current instruction.\n"
		"\n"
		"    kd> ln nt!NtClose+4\n"
		"    (fffff800`02d3a9b0)   nt!NtClose+0x4   |  (fffff800`02d3aa30)   nt!NtOpenFile",
		CMD_ANY | CMD_TARGET, cmd_ln},
};

const cmd_family cmd_family_symlook = {"Looking at symbols", rows, ARRAY_LEN(rows)};
