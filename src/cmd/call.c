/*
 * call: .call and .fnret: functions of the program, run from here or just returned. Refuses to know
 * how arguments travel: the engine does (engine/call.c).
 */
#include "cmd/cxx.h"

#include "base/reader.h"
#include "engine/cxxenv.h"

enum { ARGS_MAX = 64, ARG_MAX = 64 * 1024 };

/* The address of a function: its name, or an expression that leads to one. */
static err func_address(cmd *c, str text, uint64_t *ret)
{
	cxx_env env;
	cxx_code *code;
	cxx_value v;
	sym s;
	text = str_trim(text);
	if (!text.n)
		return cmd_fail(c, ERR_SYNTAX, "the function is missing");
	if (c->e->syms && sym_find(c->e->syms, text, &s, NULL) == ERR_OK && s.code) {
		*ret = s.addr;
		return ERR_OK;
	}
	eng_cxx_env(c->e, &env);
	TRY(cxx_compile(&env, &c->a, text, NULL, &code, &c->d));
	TRY(cxx_run(code, &env, &v, &c->d));
	return cxx_value_int(&v, ret, &c->d);
}

/* ---- .call ---- */

typedef struct call_args {
	cmd *c;
	cxx_env env;
	eng_arg v[ARGS_MAX];
	size_t n;
} call_args;

static err take_bytes(call_args *x, const cxx_value *v, size_t n, eng_arg *ret)
{
	if (n > ARG_MAX)
		return cmd_fail(x->c, ERR_LIMIT, "argument %zu is larger than 64 KiB", x->n + 1);
	uint8_t *p = arena_alloc(&x->c->a, n ? n : 1);
	if (v->in_memory && !v->has_raw)
		TRY(eng_read_all(x->c->e, v->addr, p, n, &x->c->d));
	else
		memcpy(p, v->raw, n < sizeof v->raw ? n : sizeof v->raw);
	ret->p = p;
	ret->n = n;
	return ERR_OK;
}

/* As compilers rely on it: extended to the register. */
static err extended(call_args *x, const cxx_value *v, eng_arg *ret)
{
	uint8_t *p = arena_alloc(&x->c->a, 8);
	uint64_t i;
	TRY(cxx_value_int(v, &i, &x->c->d));
	le_put(p, i, 8);
	ret->p = p;
	ret->n = 8;
	return ERR_OK;
}

static err address_of(call_args *x, const cxx_value *v, eng_arg *ret)
{
	uint8_t *p = arena_alloc(&x->c->a, 8);
	if (!v->in_memory)
		return cmd_fail(x->c, ERR_ARG, "argument %zu has no address", x->n + 1);
	le_put(p, v->addr, 8);
	*ret = (eng_arg){.p = p, .n = 8};
	return ERR_OK;
}

/* One that the function's type does not name: C's default promotions. */
static err extra(call_args *x, const cxx_value *v, eng_arg *ret)
{
	ret->real = v->type->kind == CXX_FLOAT || v->type->kind == CXX_DOUBLE;
	if (!ret->real)
		return extended(x, v, ret);
	double f = (double)cxx_value_real(v);
	uint8_t *p = arena_alloc(&x->c->a, sizeof f);
	memcpy(p, &f, sizeof f);
	ret->p = p;
	ret->n = sizeof f;
	return ERR_OK;
}

static err named(call_args *x, sym_type t, const sym_type_info *in, const cxx_value *v)
{
	eng_arg *g = &x->v[x->n];
	bool whole = in->kind == SYM_T_STRUCT || in->kind == SYM_T_CLASS || in->kind == SYM_T_UNION;
	if (in->kind == SYM_T_REF || (whole && in->by_reference))
		return address_of(x, v, g);
	if (whole && (v->type->kind != CXX_STRUCT || v->type->size != in->size))
		return cmd_fail(
			x->c, ERR_ARG, "argument %zu must be a %.*s", x->n + 1, STR_ARG(in->name));
	g->type = t;
	if (!whole && in->size < 8 && in->kind != SYM_T_FLOAT && in->kind != SYM_T_COMPLEX)
		return extended(x, v, g);
	return take_bytes(x, v, in->size, g);
}

/* The next argument at the start of *rest. */
static err one_arg(call_args *x, sym_type func, bool method, bool *open, str *rest)
{
	cmd *c = x->c;
	sym_type t = {0};
	sym_type_info in = {0};
	cxx_code *code;
	cxx_value v;
	size_t used, named_n = x->n - method;
	bool this = method && !x->n;
	err e = this || *open ? ERR_NOTFOUND : sym_type_arg(func, (uint32_t)named_n, &t);
	if (e == ERR_OK && !t.id) /* "..." */
		*open = true;
	bool known = e == ERR_OK && !*open;
	if (known)
		TRY(sym_type_info_get(t, &in));
	if (!known && !this && !*open)
		return cmd_fail(c, ERR_ARG, "the function takes %zu argument%s", x->n,
			x->n == 1 ? "" : "s");
	TRY(known ? cxx_compile_as(
			    &x->env, &c->a, *rest, (cxx_handle){t.file, t.id}, &used, &code, &c->d)
		  : cxx_compile(&x->env, &c->a, *rest, &used, &code, &c->d));
	TRY(cxx_run(code, &x->env, &v, &c->d));
	if (v.text.p)
		return cmd_fail(c, ERR_UNSUPPORTED,
			"a string in quotes is in the debugger's memory: write it to the program's "
			"(.dvalloc, eza) and give its address");
	TRY(known ? named(x, t, &in, &v) : extra(x, &v, &x->v[x->n]));
	x->n++;
	*rest = str_trim(str_skip(*rest, used));
	return ERR_OK;
}

static err all_args(call_args *x, sym_type func, str rest)
{
	cmd *c = x->c;
	sym_type_info fn;
	sym_type t;
	bool open = false;
	TRY(sym_type_info_get(func, &fn));
	for (rest = str_trim(rest); rest.n;) {
		if (x->n == ARGS_MAX)
			return cmd_fail(
				c, ERR_LIMIT, "a call takes at most %d arguments", ARGS_MAX);
		TRY(one_arg(x, func, fn.has_this, &open, &rest));
		if (!rest.n)
			break;
		if (rest.p[0] != ',')
			return cmd_syntax(c, rest);
		rest = str_trim(str_skip(rest, 1));
		if (!rest.n)
			return cmd_fail(c, ERR_SYNTAX, "an argument is missing behind the comma");
	}
	sym_type_info in = {0};
	if (fn.has_this && !x->n)
		return cmd_fail(
			c, ERR_ARG, "the first argument of a method is its object's address");
	if (!open && sym_type_arg(func, (uint32_t)(x->n - fn.has_this), &t) == ERR_OK && t.id &&
		sym_type_info_get(t, &in) == ERR_OK)
		return cmd_fail(
			c, ERR_ARG, "argument %zu is missing (%.*s)", x->n + 1, STR_ARG(in.name));
	return ERR_OK;
}

/* "f(a, (b))": the bracket that the last one closes. */
static bool split_call(str text, str *func, str *args)
{
	size_t depth = 0;
	text = str_trim(text);
	if (!text.n || text.p[text.n - 1] != ')')
		return false;
	for (size_t i = text.n; i-- > 0;) {
		if (text.p[i] == ')')
			depth++;
		else if (text.p[i] == '(' && !--depth) {
			*func = str_take(text, i);
			*args = (str){text.p + i + 1, text.n - i - 2};
			return true;
		}
	}
	return false;
}

static err cmd_call_func(cmd *c, cmd_call *call)
{
	str rest = str_trim(call->args), func, args, like = {0};
	uint64_t at, proto;
	sym_type t;
	bool loud = false;
	for (;;) {
		str word = rest, w = str_word(&word);
		if (str_eq(w, STR("/c")) || str_eq(w, STR("/C"))) {
			TRY(cmd_arg_end(c, word));
			TRY(eng_call_clear(c->e, w.p[1] == 'C', &c->d));
			if (w.p[1] == 'C')
				eng_show_stop(c->e);
			return ERR_OK;
		}
		if (str_eq(w, STR("/v")))
			loud = true;
		else if (str_eq(w, STR("/s")))
			like = str_word(&word);
		else
			break;
		rest = str_trim(word);
	}
	if (!split_call(rest, &func, &args))
		return cmd_fail(c, ERR_SYNTAX, ".call Function( Arguments )");
	TRY(func_address(c, func, &at));
	proto = at;
	if (like.n)
		TRY(func_address(c, like, &proto));
	if (eng_func_type(c->e, proto, &t, &c->d) != ERR_OK)
		return cmd_fail(c, ERR_NOTFOUND,
			"The parameters of %.*s are not known: name a function that has the same "
			"(.call /s Prototype %.*s( ... ))",
			STR_ARG(like.n ? like : func), STR_ARG(func));
	call_args *x = arena_new(&c->a, call_args);
	x->c = c;
	eng_cxx_env(c->e, &x->env);
	TRY(all_args(x, t, args));
	uint32_t pending = c->e->reported;
	TRY(eng_call(c->e, at, proto, x->v, x->n, &c->d));
	if (loud) {
		buf b;
		buf_init(&b, 4096);
		sym_type_text(t, &b);
		out(c->e, "Calling %s, a %.*s, with %zu arguments\n", out_addr(c->e, at),
			STR_ARG(buf_str(&b)), x->n);
		buf_deinit(&b);
	}
	out(c->e, "Thread is set up for call, 'g' will execute.\n"
		  "WARNING: This can have serious side-effects,\n"
		  "including deadlocks and corruption of the debuggee.\n");
	if (pending > TGT_SIGNAL_CODE && pending < TGT_SIGNAL_CODE + 128)
		out_as(c->e, OUT_WARNING, "WARNING: signal %u is not delivered to the thread.\n",
			pending - TGT_SIGNAL_CODE);
	return ERR_OK;
}

/* ---- .fnret ---- */

static err cmd_fnret(cmd *c, cmd_call *call)
{
	str rest = str_trim(call->args);
	x64_regs r = {0};
	uint64_t at;
	sym_type t;
	cxx_value v;
	str word = rest;
	bool keep = str_eq(str_word(&word), STR("/s"));
	rest = str_trim(keep ? word : rest);
	if (!rest.n)
		return cmd_fail(c, ERR_SYNTAX, ".fnret needs a function's address");
	TRY(cmd_arg_expr(c, &rest, &at));
	TRY(eng_func_type(c->e, at, &t, &c->d));
	TRY(eng_regs(c->e, X64_SET_INTEGER | X64_SET_FLOAT, &r, &c->d));
	if (rest.n) {
		TRY(cmd_arg_expr(c, &rest, &r.gpr[X64_RAX]));
		memcpy(r.fx + X64_FX_XMM, &r.gpr[X64_RAX], 8); /* whatever register it comes in */
		TRY(cmd_arg_end(c, rest));
	}
	err e = eng_func_result(c->e, &c->a, t, &r, 0, &v, &c->d);
	if (e == ERR_NOTFOUND && !c->d.text[0])
		return cmd_fail(c, e, "the function returns nothing");
	TRY(e);
	if (keep)
		TRY(eng_temp_set_typed(c->e, STR("$callret"), &v, &c->d));
	return cxx_show(c, &v);
}

static const char help_call[] =
	"Sends the current thread into a function of the program. g (or ~. g: this thread alone) "
	"then "
	"runs it, and when it returns the debugger stops, shows the result, keeps it in $callret, "
	"and "
	"the thread stands where it stood.\n"
	"\n"
	"Function    its name or an expression that leads to it\n"
	"Arguments   C++ expressions, converted to the parameters' types; a method's first is the "
	"address of its object\n"
	"/v          says what is called\n"
	"/s Prototype  the function has the parameters of Prototype: for one whose own are not "
	"known\n"
	"/c          the call under way on this thread is forgotten, its registers stay as they "
	"are\n"
	"/C          the same, and the thread gets back the registers that it had\n"
	"\n"
	"Strings in quotes cannot be arguments: the program does not have them. A result that does "
	"not "
	"fit into a register lies on the thread's stack until it runs.";

static const char help_fnret[] =
	"Shows what the function at Address returned: Value, or what is in the registers for "
	"results "
	"now (right behind gu), with the type that the function has. /s keeps it in $callret.";

static const cmd_row rows[] = {
	{".call", ".call [/v] [/s Prototype] Function( Arguments ) | .call /c | /C",
		"Call a function of the program", help_call, CMD_USER | CMD_LIVE | CMD_TARGET,
		cmd_call_func},
	{".fnret", ".fnret [/s] Address [Value]", "Display a function's return value", help_fnret,
		CMD_USER | CMD_TARGET, cmd_fnret},
};

const cmd_family cmd_family_call = {"Calling functions", rows, ARRAY_LEN(rows)};
