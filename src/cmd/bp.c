/*
 * bp: breakpoint commands. Parses what the user typed into a bp_spec; everything else is the
 * engine's.
 *
 *   bp[ID] [Options] [Address [Passes]] ["Commands"]
 */
#include "cmd/cmd.h"

#include <ctype.h>
#include <stdio.h>

/* ---- ids ---- */

/* "3" or "[expr]" glued to the mnemonic, or at the start of a list item. */
static err parse_id(cmd *c, str *rest, uint32_t *ret)
{
	str s = *rest;
	uint64_t v;

	if (s.n && s.p[0] == '[') {
		size_t close = str_chr(s, ']');
		if (close == SIZE_MAX)
			return cmd_syntax(c, s);
		TRY(eng_eval(c->e, str_skip(str_take(s, close), 1), &v, &c->d));
		s = str_skip(s, close + 1);
	} else {
		size_t n = 0;
		while (n < s.n && isdigit((unsigned char)s.p[n]))
			n++;
		if (!n || !str_u64(str_take(s, n), 10, &v))
			return cmd_syntax(c, s);
		s = str_skip(s, n);
	}
	if (v >= BP_ID_ANY)
		return cmd_fail(c, ERR_ARG, "%llu is no breakpoint number", (unsigned long long)v);
	*ret = (uint32_t)v;
	*rest = s;
	return ERR_OK;
}

typedef VEC(uint32_t) id_list;

/*
 * With several processes in a session the commands are about the current one's breakpoints, and
 * those that wait for a process to resolve them. Numbers are the session's.
 */
static bool is_here(const engine *e, const bp *b)
{
	return !b->internal && (!b->owner || b->owner == e->ctx.process);
}

static err find_here(cmd *c, uint32_t id, bp **ret)
{
	bp *b = bp_find(c->e, id);
	if (!b)
		return cmd_fail(c, ERR_NOTFOUND, "No breakpoint %u", id);
	if (!is_here(c->e, b)) {
		const eng_proc *p = eng_proc_find(c->e, b->owner);
		return cmd_fail(c, ERR_NOTFOUND,
			"Breakpoint %u belongs to process %u; |%us makes that the current one", id,
			p ? p->id : 0, p ? p->id : 0);
	}
	*ret = b;
	return ERR_OK;
}

static bool name_matches(cmd *c, const bp *b, str pattern)
{
	buf o;
	buf_init(&o, 4096);
	if (b->expr.n)
		buf_adds(&o, b->expr);
	else if (c->e->syms)
		(void)sym_format(c->e->syms, b->loc.addr, &o);
	bool hit = str_wild(pattern, buf_str(&o), true);
	buf_deinit(&o);
	return hit;
}

static void add_matching(cmd *c, id_list *l, str pattern)
{
	for (size_t i = 0; i < bp_count(c->e); i++) {
		const bp *b = bp_nth(c->e, i);
		if (is_here(c->e, b) && (!pattern.n || name_matches(c, b, pattern)))
			vec_push(l, b->id);
	}
}

/* "*", "1", "2-5", "[@$t0]", "\"nt!*File\"", separated by blanks or commas. */
static err parse_list(cmd *c, str s, id_list *ret)
{
	for (;;) {
		while (s.n && (isspace((unsigned char)s.p[0]) || s.p[0] == ','))
			s = str_skip(s, 1);
		if (!s.n)
			return ERR_OK;
		if (s.p[0] == '*') {
			add_matching(c, ret, (str){0});
			s = str_skip(s, 1);
			continue;
		}
		if (s.p[0] == '"') {
			str pattern;
			TRY(cmd_arg_quoted(c, &s, false, &pattern));
			add_matching(c, ret, pattern);
			continue;
		}
		uint32_t lo, hi;
		TRY(parse_id(c, &s, &lo));
		hi = lo;
		if (s.n && s.p[0] == '-') {
			s = str_skip(s, 1);
			TRY(parse_id(c, &s, &hi));
		}
		if (s.n && !isspace((unsigned char)s.p[0]) && s.p[0] != ',')
			return cmd_syntax(c, s);
		bp *one;
		if (lo == hi)
			TRY(find_here(c, lo, &one));
		for (size_t i = 0; i < bp_count(c->e); i++) {
			const bp *b = bp_nth(c->e, i);
			if (is_here(c->e, b) && b->id >= lo && b->id <= hi)
				vec_push(ret, b->id);
		}
	}
}

/* ---- options ---- */

typedef struct options {
	bp_spec spec;
	bool data, to_address, params; /* bm: /a /d /( */
} options;

static err parse_options(cmd *c, str *rest, bool bm, options *o)
{
	str sw;
	uint64_t v;

	while (cmd_arg_switch(rest, "/", &sw)) {
		if (str_eq(sw, STR("1"))) {
			o->spec.one_shot = true;
		} else if (str_eq(sw, STR("f"))) {
			o->spec.force = true;
		} else if (str_eq(sw, STR("p")) || str_eq(sw, STR("P"))) {
			if (c->e->mode == ENG_USER)
				return cmd_fail(c, ERR_ARG, "/p is for kernel mode only");
			TRY(cmd_arg_expr(c, rest, &o->spec.process));
		} else if (str_eq(sw, STR("t")) || str_eq(sw, STR("T"))) {
			if (c->e->mode == ENG_USER)
				return cmd_fail(c, ERR_ARG, "/t is for kernel mode only");
			TRY(cmd_arg_expr(c, rest, &o->spec.thread));
		} else if (str_eq(sw, STR("c")) || str_eq(sw, STR("C"))) {
			TRY(cmd_arg_expr(c, rest, &v));
			if (o->spec.has_max || o->spec.has_min)
				return cmd_fail(c, ERR_ARG,
					"/c and /C exclude each other and may stand once");
			if (sw.p[0] == 'c')
				o->spec.has_max = true, o->spec.depth_max = (uint32_t)v;
			else
				o->spec.has_min = true, o->spec.depth_min = (uint32_t)v;
		} else if (str_eq(sw, STR("w"))) {
			return cmd_fail(c, ERR_UNSUPPORTED,
				"/w needs the data model, which is not there yet; use \"j "
				"(condition) ''; 'gc'\"");
		} else if (bm && str_eq(sw, STR("a"))) {
			o->data = true;
		} else if (bm && str_eq(sw, STR("d"))) {
			o->to_address = true;
		} else if (bm && str_eq(sw, STR("("))) {
			o->params = true;
		} else {
			return cmd_fail(c, ERR_SYNTAX, "Unknown option '/%.*s'", STR_ARG(sw));
		}
	}
	if (o->spec.process && c->e->os) {
		os_process p;
		err r = os_process_get(c->e->os, o->spec.process, &p, &c->d);
		if (r != ERR_OK)
			return diag_add(&c->d, r, "/p wants the address of an EPROCESS");
	}
	return ERR_OK;
}

/* ~2 bp: the thread that the prefix chose is the current one for this command. */
static void one_thread(cmd *c, const cmd_call *call, options *o)
{
	if (c->e->mode == ENG_USER && call->thread.p)
		o->spec.thread = c->e->ctx.unit;
}

/* The text of an expression that does not evaluate now: up to a blank outside brackets and quotes.
 */
static str expr_text(str s)
{
	int depth = 0;
	char quote = 0;
	for (size_t i = 0; i < s.n; i++) {
		char ch = s.p[i];
		if (quote) {
			if (ch == quote)
				quote = 0;
		} else if (ch == '`' || (ch == '"' && i && s.p[i - 1] == '!')) {
			quote = ch;
		} else if (ch == '(' || ch == '<') {
			depth++;
		} else if ((ch == ')' || ch == '>') && depth) {
			depth--;
		} else if ((isspace((unsigned char)ch) || ch == '"') && !depth) {
			return str_take(s, i);
		}
	}
	return s;
}

/* Address (optional), passes (optional), quoted commands (optional). */
static err parse_place(cmd *c, str *rest, options *o, bool *unresolved)
{
	str s = *rest;
	uint64_t v;

	*unresolved = false;
	if (!s.n || s.p[0] == '"') {
		TRY(eng_ip(c->e, &o->spec.addr, &c->d));
		o->spec.has_addr = true;
	} else {
		str before = s;
		eng_ctx saved = eng_ctx_save(c->e);
		/* A name in a process's own modules is meant when /p names that process. */
		if (o->spec.process)
			sym_scope_set(c->e->syms, o->spec.process);
		err r = eng_eval_prefix(c->e, &s, &o->spec.addr, &c->d);
		if (r == ERR_NOTFOUND && o->spec.process &&
			os_user_modules(c->e->os, o->spec.process, NULL) == ERR_OK) {
			/* Its modules were not asked for yet. */
			s = before;
			r = eng_eval_prefix(c->e, &s, &o->spec.addr, &c->d);
		}
		eng_ctx_restore(c->e, &saved);
		if (r == ERR_OK) {
			o->spec.has_addr = true;
			o->spec.expr = str_trim(str_take(before, before.n - s.n));
		} else if (r == ERR_NOTFOUND) {
			o->spec.expr = expr_text(before);
			s = str_trim(str_skip(before, o->spec.expr.n));
			*unresolved = true;
			diag_clear(&c->d);
		} else {
			return r;
		}
	}
	if (s.n && s.p[0] != '"') {
		TRY(cmd_arg_expr(c, &s, &v));
		if (!v || v > UINT32_MAX)
			return cmd_fail(c, ERR_ARG, "The number of passes must be 1 to 0xffffffff");
		o->spec.passes = (uint32_t)v;
	}
	if (s.n && s.p[0] == '"')
		TRY(cmd_arg_quoted(c, &s, true, &o->spec.command));
	*rest = s;
	return cmd_arg_end(c, s);
}

/* ---- where a user-mode breakpoint will land ---- */

static void image_name(engine *e, uint64_t process, char *name, size_t cap)
{
	os_process p;
	if (os_process_get(e->os, process, &p, NULL) == ERR_OK)
		snprintf(name, cap, "%s", p.image);
	else
		snprintf(name, cap, "%s", out_addr(e, process));
}

/* The byte goes into the process that the processor is in, whatever the view shows. */
static void warn_context(cmd *c, const bp_spec *s)
{
	engine *e = c->e;
	uint64_t thread, active, view;
	char there[OS_NAME_MAX], here[OS_NAME_MAX];

	if (e->mode != ENG_KERNEL || s->direct || s->process || !s->has_addr ||
		!eng_is_user(e, s->addr))
		return;
	if (os_running(e->os, e->ev.unit, &thread, &active, NULL) != ERR_OK ||
		eng_process(e, &view, NULL) != ERR_OK || view == active)
		return;
	image_name(e, active, there, sizeof there);
	image_name(e, view, here, sizeof here);
	out_as(e, OUT_WARNING,
		"Note: %s is a user-mode address and the processor is in %s, not in %s: on g the "
		"breakpoint lands in %s.\n"
		"      Use .process /i %s and g first, or bp /p %s %s to plant it in %s.\n",
		out_addr(e, s->addr), there, here, there, out_addr(e, view), out_addr(e, view),
		out_addr(e, s->addr), here);
}

static void choose_direct(cmd *c, bp_spec *s)
{
	s->direct = s->process && s->has_addr && s->kind != BP_BA && c->e->caps.phys_write &&
		    c->e->os && eng_is_user(c->e, s->addr);
}

static err set(cmd *c, const options *o)
{
	bp *b;
	bool redefined;
	TRY(bp_add(c->e, &o->spec, &b, &redefined, &c->d));
	if (redefined)
		out(c->e, "breakpoint %u redefined\n", b->id);
	if (b->direct) {
		x64_walk w;
		os_process p;
		if (os_process_get(c->e->os, b->process, &p, NULL) == ERR_OK &&
			(tgt_translate(c->e->t, os_space(&p, true).id, b->loc.addr, &w, NULL) !=
					ERR_OK ||
				!w.present)) {
			b->loc.site->absent = true;
			out(c->e,
				"The page is not resident; the breakpoint goes in when it is "
				"(.pagein /p %s %s brings it in).\n",
				out_addr(c->e, b->process), out_addr(c->e, b->loc.addr));
		}
	}
	return ERR_OK;
}

static err bp_or_bu(cmd *c, cmd_call *call, bp_kind kind)
{
	options o = {.spec = {.id = BP_ID_ANY, .kind = kind}};
	str rest = call->args;
	bool unresolved;

	if (call->glued && rest.n && rest.p[0] != '/') /* not "bp/1" */
		TRY(parse_id(c, &rest, &o.spec.id));
	rest = str_trim(rest);
	TRY(parse_options(c, &rest, false, &o));
	one_thread(c, call, &o);
	TRY(parse_place(c, &rest, &o, &unresolved));
	if (unresolved) {
		if (kind == BP_BP)
			out(c->e,
				"Bp expression '%.*s' could not be resolved, adding deferred bp\n",
				STR_ARG(o.spec.expr));
		o.spec.kind = BP_BU;
		o.spec.deferred = true;
	}
	choose_direct(c, &o.spec);
	warn_context(c, &o.spec);
	return set(c, &o);
}

static err cmd_bp(cmd *c, cmd_call *call)
{
	return bp_or_bu(c, call, BP_BP);
}

static err cmd_bu(cmd *c, cmd_call *call)
{
	return bp_or_bu(c, call, BP_BU);
}

static err cmd_ba(cmd *c, cmd_call *call)
{
	options o = {.spec = {.id = BP_ID_ANY, .kind = BP_BA}};
	str rest = call->args;
	bool unresolved;
	uint64_t size;

	if (call->glued && rest.n && (isdigit((unsigned char)rest.p[0]) || rest.p[0] == '['))
		TRY(parse_id(c, &rest, &o.spec.id));
	rest = str_trim(rest);
	if (!rest.n)
		return cmd_fail(c, ERR_SYNTAX, "ba needs an access (e, r, w or i) and a size");
	switch (tolower((unsigned char)rest.p[0])) {
	case 'e':
		o.spec.access = TGT_TRAP_EXEC;
		break;
	case 'r':
		o.spec.access = TGT_TRAP_RW;
		break;
	case 'w':
		o.spec.access = TGT_TRAP_WRITE;
		break;
	case 'i':
		o.spec.access = TGT_TRAP_IO;
		break;
	default:
		return cmd_fail(c, ERR_SYNTAX,
			"'%c' is no access: use e (execute), r (read or write), w (write) or i "
			"(I/O)",
			rest.p[0]);
	}
	rest = str_trim(str_skip(rest, 1));
	size_t n = 0;
	while (n < rest.n && isxdigit((unsigned char)rest.p[n]))
		n++;
	if (!n || !str_u64(str_take(rest, n), 16, &size))
		return cmd_fail(c, ERR_SYNTAX, "ba needs a size (1, 2, 4 or 8) behind the access");
	o.spec.size = size > 64 ? 64 : (uint32_t)size;
	rest = str_trim(str_skip(rest, n));
	TRY(parse_options(c, &rest, false, &o));
	one_thread(c, call, &o);
	TRY(parse_place(c, &rest, &o, &unresolved));
	if (unresolved) {
		out(c->e, "Bp expression '%.*s' could not be resolved, adding deferred bp\n",
			STR_ARG(o.spec.expr));
		o.spec.deferred = true;
	}
	return set(c, &o);
}

static err cmd_bm(cmd *c, cmd_call *call)
{
	options o = {.spec = {.id = BP_ID_ANY, .kind = BP_BU}};
	str rest = str_trim(call->args), pattern;
	sym_list found = {0};
	uint64_t passes;
	size_t made = 0;

	TRY(parse_options(c, &rest, true, &o));
	one_thread(c, call, &o);
	pattern = expr_text(rest);
	if (!pattern.n)
		return cmd_fail(c, ERR_SYNTAX, "bm needs a symbol pattern, such as nt!Nt*File");
	rest = str_trim(str_skip(rest, pattern.n));
	if (rest.n && rest.p[0] != '"') {
		TRY(cmd_arg_expr(c, &rest, &passes));
		o.spec.passes = (uint32_t)passes;
	}
	if (rest.n)
		TRY(cmd_arg_quoted(c, &rest, true, &o.spec.command));
	TRY(cmd_arg_end(c, rest));
	TRY(sym_match(
		c->e->syms, pattern, SYM_M_SORT_ADDR | (o.data ? 0 : SYM_M_FUNC), &found, &c->d));
	err r = ERR_OK;
	for (size_t i = 0; i < found.n && r == ERR_OK; i++) {
		const sym *s = &found.p[i];
		if (!o.data && !s->code)
			continue;
		bp *b;
		bp_spec spec = o.spec;
		spec.kind = o.to_address ? BP_BP : BP_BU;
		spec.has_addr = true;
		spec.addr = s->addr;
		spec.expr = o.to_address ? (str){0}
					 : str_printf(&c->a, "@!\"%.*s!%.*s\"",
						   STR_ARG(s->mod->name), STR_ARG(s->name));
		choose_direct(c, &spec);
		r = bp_add(c->e, &spec, &b, NULL, &c->d);
		if (r != ERR_OK)
			break;
		out(c->e, "%3u: %s @!\"%.*s!%.*s\"\n", b->id, out_addr(c->e, s->addr),
			STR_ARG(s->mod->name), STR_ARG(s->name));
		made++;
	}
	sym_list_deinit(&found);
	if (r == ERR_OK && !made)
		return cmd_fail(c, ERR_NOTFOUND, "No matching code symbols found for '%.*s'",
			STR_ARG(pattern));
	return r;
}

/* ---- managing ---- */

static err cmd_bl(cmd *c, cmd_call *call)
{
	str rest = call->args, sw;
	id_list ids = {0};
	bool addresses = false;

	while (cmd_arg_switch(&rest, "/", &sw)) {
		if (!str_ieq(sw, STR("L")))
			return cmd_fail(c, ERR_SYNTAX, "Unknown option '/%.*s'", STR_ARG(sw));
		addresses = true;
	}
	err r = ERR_OK;
	if (rest.n)
		r = parse_list(c, rest, &ids);
	else
		add_matching(c, &ids, (str){0});
	buf b;
	buf_init(&b, 0);
	for (size_t i = 0; i < ids.n && r == ERR_OK; i++) {
		bp_line(c->e, bp_find(c->e, ids.p[i]), addresses, &b);
		buf_addc(&b, '\n');
		out_str(c->e, OUT_NORMAL, buf_str(&b));
		buf_clear(&b);
	}
	if (r == ERR_OK)
		out(c->e, "\n");
	buf_deinit(&b);
	vec_deinit(&ids);
	return r;
}

typedef err list_fn(cmd *c, bp *b);

static err for_list(cmd *c, cmd_call *call, list_fn *fn)
{
	id_list ids = {0};
	if (!call->args.n)
		return cmd_fail(c, ERR_SYNTAX, "%.*s needs breakpoint numbers, or * for all",
			STR_ARG(call->name));
	err r = parse_list(c, call->args, &ids);
	for (size_t i = 0; i < ids.n && r == ERR_OK; i++) {
		bp *b = bp_find(c->e, ids.p[i]);
		if (b) /* "1 1-3" names one twice */
			r = fn(c, b);
	}
	vec_deinit(&ids);
	return r;
}

static err clear_one(cmd *c, bp *b)
{
	bp_remove(c->e, b);
	return ERR_OK;
}

static err disable_one(cmd *c, bp *b)
{
	return bp_enable(c->e, b, false, &c->d);
}

static err enable_one(cmd *c, bp *b)
{
	return bp_enable(c->e, b, true, &c->d);
}

static err cmd_bc(cmd *c, cmd_call *call)
{
	return for_list(c, call, clear_one);
}

static err cmd_bd(cmd *c, cmd_call *call)
{
	return for_list(c, call, disable_one);
}

static err cmd_be(cmd *c, cmd_call *call)
{
	return for_list(c, call, enable_one);
}

static err existing(cmd *c, str *rest, bp **ret)
{
	uint32_t id;
	TRY(parse_id(c, rest, &id));
	TRY(find_here(c, id, ret));
	*rest = str_trim(*rest);
	return ERR_OK;
}

static err cmd_br(cmd *c, cmd_call *call)
{
	str rest = call->args;
	bp *b;
	uint32_t to;

	if (!rest.n)
		return cmd_fail(c, ERR_SYNTAX, "br needs pairs: old number, new number");
	while (rest.n) {
		TRY(existing(c, &rest, &b));
		TRY(parse_id(c, &rest, &to));
		TRY(bp_renumber(c->e, b, to, &c->d));
		rest = str_trim(rest);
	}
	return ERR_OK;
}

static err cmd_bs(cmd *c, cmd_call *call)
{
	str rest = call->args, command = {0};
	bp *b;

	TRY(existing(c, &rest, &b));
	if (rest.n)
		TRY(cmd_arg_quoted(c, &rest, true, &command));
	TRY(cmd_arg_end(c, rest));
	bp_command_set(c->e, b, command);
	return ERR_OK;
}

static err cmd_bsc(cmd *c, cmd_call *call)
{
	str rest = call->args, condition, command = {0};
	bp *b;

	TRY(existing(c, &rest, &b));
	size_t quote = str_rchr(rest, '"') != SIZE_MAX ? str_chr(rest, '"') : SIZE_MAX;
	/* The condition is everything before the quoted commands. */
	condition = str_trim(str_take(rest, quote == SIZE_MAX ? rest.n : quote));
	if (!condition.n && quote != SIZE_MAX)
		TRY(cmd_arg_quoted(c, &rest, true, &condition));
	else
		rest = str_skip(rest, quote == SIZE_MAX ? rest.n : quote);
	rest = str_trim(rest);
	if (rest.n)
		TRY(cmd_arg_quoted(c, &rest, true, &command));
	if (!condition.n)
		return cmd_fail(c, ERR_SYNTAX, "bsc needs a condition");
	bp_command_set(c->e, b,
		str_printf(&c->a, "j %.*s '%.*s'; 'gc'", STR_ARG(condition), STR_ARG(command)));
	return ERR_OK;
}

static err cmd_bpcmds(cmd *c, cmd_call *call)
{
	buf b;
	buf_init(&b, 0);
	for (size_t i = 0; i < bp_count(c->e); i++)
		if (is_here(c->e, bp_nth(c->e, i))) {
			bp_cmd_line(c->e, bp_nth(c->e, i), &b);
			buf_addc(&b, '\n');
		}
	out_str(c->e, OUT_NORMAL, buf_str(&b));
	buf_deinit(&b);
	return ERR_OK;
}

static err cmd_bpsync(cmd *c, cmd_call *call)
{
	bool *on = cmd_state(c, "bpsync", sizeof *on);
	if (str_eq(call->args, STR("1")) || str_eq(call->args, STR("0")))
		*on = call->args.p[0] == '1';
	else if (call->args.n)
		return cmd_syntax(c, call->args);
	out(c->e, "Breakpoint synchronization %s\n", *on ? "enabled" : "disabled");
	if (*on && c->e->mode == ENG_KERNEL)
		out(c->e, "(In kernel mode a displaced instruction is emulated where possible: "
			  "nothing slips through.)\n");
	return ERR_OK;
}

static err cmd_workspace(cmd *c, cmd_call *call)
{
	str rest = call->args, verb = str_word(&rest);
	str file = str_trim(rest);
	char *path = file.n ? str_z(&c->a, file) : c->e->workspace;

	if (!verb.n) {
		out(c->e, "Workspace file: %s\n", c->e->workspace ? c->e->workspace : "none");
		return ERR_OK;
	}
	if (!path)
		return cmd_fail(c, ERR_ARG,
			"which file? .workspace %.*s FILE, or start with -W FILE", STR_ARG(verb));
	if (str_ieq(verb, STR("save"))) {
		TRY(workspace_save(c->e, path, &c->d));
		out(c->e, "Saved %s\n", path);
		return ERR_OK;
	}
	if (str_ieq(verb, STR("load")))
		return workspace_load(c->e, path, &c->d);
	return cmd_fail(c, ERR_SYNTAX, ".workspace takes save or load");
}

#define OPTIONS_HELP                                                                               \
	"Options:\n"                                                                               \
	"  /1            one-shot: deleted when it triggers\n"                                     \
	"  /p EPROCESS   only in this process (address, not PID); for a user-mode address the\n"   \
	"                byte is planted in that process through its page tables\n"                \
	"  /t ETHREAD    only in this thread (address, not TID)\n"                                 \
	"  /c N, /C N    only while the call stack is less, more, than N frames deep\n"            \
	"  /f            accept an address in the middle of an instruction\n"

static const cmd_row rows[] = {
	{"bp", "bp[ID] [Options] [Address [Passes]] [\"CommandString\"]",
		"Set a software breakpoint at an address",
		"Without an address: the current instruction. An address that does not resolve "
		"makes a\n"
		"deferred breakpoint (bu). Passes counts arrivals by g; the target stops at the "
		"last one.\n"
		"The commands run when it triggers; a command that runs the target ends "
		"them.\n" OPTIONS_HELP "A kernel has room for 32 software breakpoints. Bytes are "
		"in the target only while it runs.\n"
		"Example: bp nt!NtOpenFile 5 \"kb;g\"",
		CMD_ANY | CMD_LIVE | CMD_TARGET | CMD_SUFFIX, cmd_bp},
	{"bu", "bu[ID] [Options] [Address [Passes]] [\"CommandString\"]",
		"Set a breakpoint by expression, also before its module is loaded",
		"The expression is kept and evaluated again whenever a module is loaded or "
		"unloaded.\n" OPTIONS_HELP,
		CMD_ANY | CMD_LIVE | CMD_TARGET | CMD_SUFFIX, cmd_bu},
	{"bm", "bm [Options] SymbolPattern [Passes] [\"CommandString\"]",
		"Set breakpoints on all symbols that match a pattern",
		"Each match becomes a bu breakpoint.\n" OPTIONS_HELP
		"  /a            also matches in data\n"
		"  /d            convert to addresses (bp), which don't follow the module\n"
		"  /(            the pattern includes a parameter list\n",
		CMD_ANY | CMD_LIVE | CMD_TARGET, cmd_bm},
	{"ba", "ba[ID] Access Size [Options] [Address [Passes]] [\"CommandString\"]",
		"Set a processor breakpoint on access to data or execution",
		"Access: e execute (size 1), r read or write, w write, i I/O port. Size: 1, 2, 4 "
		"or 8; the\n"
		"address must be a multiple of it. The processor has four such "
		"breakpoints.\n" OPTIONS_HELP,
		CMD_ANY | CMD_LIVE | CMD_TARGET | CMD_SUFFIX, cmd_ba},
	{"bl", "bl [/L] [Breakpoints]", "List breakpoints",
		"Columns: number, e (enabled) or d, u if unresolved, address, access and size of "
		"ba, passes\n"
		"left and (at the start), symbol or (expression), \"commands\". /L shows "
		"addresses, not lines.\n"
		"In user mode bl and the commands below are about the current process's "
		"breakpoints (|Ns\nselects it) and those that are not resolved yet; numbers are "
		"unique in the session.",
		CMD_ANY, cmd_bl},
	{"bc", "bc Breakpoints", "Delete breakpoints",
		"Numbers, ranges (2-5), [expression], \"pattern\" or *.", CMD_ANY, cmd_bc},
	{"bd", "bd Breakpoints", "Disable breakpoints",
		"Numbers, ranges (2-5), [expression], \"pattern\" or *.", CMD_ANY, cmd_bd},
	{"be", "be Breakpoints", "Enable breakpoints",
		"Numbers, ranges (2-5), [expression], \"pattern\" or *.", CMD_ANY, cmd_be},
	{"br", "br OldID NewID [OldID2 NewID2 ...]", "Renumber breakpoints",
		"Fails if the new number is taken.", CMD_ANY, cmd_br},
	{"bs", "bs ID [\"CommandString\"]", "Replace the commands of a breakpoint",
		"Without commands: removes them.", CMD_ANY, cmd_bs},
	{"bsc", "bsc ID Condition [\"CommandString\"]",
		"Replace the condition and commands of a breakpoint",
		"The same as: bs ID \"j Condition 'CommandString'; 'gc'\".", CMD_ANY, cmd_bsc},
	{".bpcmds", ".bpcmds", "Show breakpoints as the commands that recreate them", NULL, CMD_ANY,
		cmd_bpcmds},
	{".bpsync", ".bpsync [0|1]", "Freeze other threads while a breakpoint is stepped past",
		NULL, CMD_ANY, cmd_bpsync},
	{".workspace", ".workspace [save|load [File]]", "Save or load bu breakpoints and settings",
		"The file is a script of commands. bu and bm breakpoints are in it, bp and ba are "
		"not: an\n"
		"address means nothing in the next session. -W FILE at start loads it, and saves "
		"at the end.",
		CMD_ANY, cmd_workspace},
};

const cmd_family cmd_family_bp = {"Breakpoints", rows, ARRAY_LEN(rows)};
