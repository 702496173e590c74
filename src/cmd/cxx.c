/*
 * cxx: the commands of C++ expressions: ?? .expr and r?. Refuses to know how expressions are
 * evaluated (eval/cxx.h) and how structures are listed (dt.c).
 *
 * A result is its type, then its value: "int 0n5", "unsigned int64 0xfffff800`12345678",
 * "struct _EPROCESS * 0xffffe000`00001000" and what dt shows of it.
 */
#include "cmd/cxx.h"

#include "cmd/lang.h"
#include "cmd/types.h"

#include "base/reader.h"
#include "engine/cxxenv.h"

enum { ELEMENTS_SHOWN = 64 };

typedef struct view {
	cmd *c;
	tv v;
	cxx_env env;
	buf b;
} view;

static err said(cmd *c, str text, err e)
{
	size_t at = c->d.src_begin;
	c->lang->fault = text.p + (at < text.n ? at : text.n);
	return e;
}

static err evaluate(cmd *c, const cxx_env *env, str text, cxx_value *ret)
{
	cxx_code *code;
	err e = cxx_compile(env, &c->a, text, NULL, &code, &c->d);
	if (e == ERR_OK)
		e = cxx_run(code, env, ret, &c->d);
	return e == ERR_OK ? e : said(c, text, e);
}

/* ---- values ---- */

static void add_character(view *w, const cxx_value *v)
{
	uint64_t x = cxx_value_unsigned(v);
	if (v->type->kind == CXX_CHAR)
		buf_addf(&w->b, "0n%lld", (long long)cxx_value_signed(v));
	else
		buf_addf(&w->b, x ? "0x%llx" : "%llu", (unsigned long long)x);
	if (x >= 0x20 && x < 0x7f)
		buf_addf(&w->b, " '%c'", (char)x);
	else
		buf_addz(&w->b, " ''");
}

static void add_real(view *w, const cxx_value *v)
{
	long double f = cxx_value_real(v);
	int digits = v->type->kind == CXX_FLOAT ? 8 : v->type->kind == CXX_DOUBLE ? 17 : 21;
	buf_addf(&w->b, "%.*Lg", digits, f);
}

/* "COLOUR_GREEN (0n5)", or the number alone with a remark. */
static void add_enum(view *w, const cxx_value *v)
{
	sym_type t = eng_cxx_sym_type(w->c->e, v->type);
	sym_field *f;
	size_t n = 0;
	int64_t x = cxx_value_signed(v);
	bool found = false;
	if (t.file && sym_type_fields(t, &w->c->a, &f, &n) == ERR_OK)
		for (size_t i = 0; i < n && !found; i++)
			if (f[i].is_enumerator && f[i].value == x) {
				buf_addf(&w->b, "%.*s (", STR_ARG(f[i].name));
				found = true;
			}
	if (v->type->is_unsigned)
		tv_hex((uint64_t)x, &w->b);
	else
		buf_addf(&w->b, "0n%lld", (long long)x);
	buf_addz(&w->b, found ? ")" : " (No matching name)");
}

static void add_member(view *w, const cxx_value *v)
{
	sym_type t = eng_cxx_sym_type(w->c->e, v->type);
	tv at = w->v;
	at.held = v->raw;
	at.held_n = sizeof v->raw;
	if (t.file)
		tv_value(&at, t, 0, &w->b);
	else
		tv_hex(cxx_value_unsigned(v), &w->b); /* &Class::member */
}

static void add_scalar(view *w, const cxx_value *v)
{
	uint64_t x = cxx_value_unsigned(v);
	switch (v->type->kind) {
	case CXX_BOOL:
		buf_addz(&w->b, x ? "true" : "false");
		return;
	case CXX_CHAR:
	case CXX_UCHAR:
	case CXX_WCHAR:
	case CXX_CHAR16:
	case CXX_CHAR32:
		add_character(w, v);
		return;
	case CXX_FLOAT:
	case CXX_DOUBLE:
	case CXX_LDOUBLE:
		add_real(w, v);
		return;
	case CXX_INT128:
	case CXX_UINT128:
		buf_addf(&w->b, "0x%016llx%016llx", (unsigned long long)le64(v->raw + 8),
			(unsigned long long)le64(v->raw));
		return;
	case CXX_ENUM:
		add_enum(w, v);
		return;
	case CXX_PTR:
		tv_pointer(&w->v, x, &w->b);
		return;
	case CXX_MEMBER:
		add_member(w, v);
		return;
	default:
		if (v->type->is_unsigned)
			tv_hex(x, &w->b);
		else
			buf_addf(&w->b, "0n%lld", (long long)cxx_value_signed(v));
		return;
	}
}

static void add_function(view *w, uint64_t at)
{
	sym s;
	uint64_t disp;
	if (w->c->e->syms && at && sym_at(w->c->e->syms, at, &s, &disp) == ERR_OK)
		buf_addf(&w->b, " %.*s!%.*s+%llx", STR_ARG(s.mod->name), STR_ARG(s.name),
			(unsigned long long)disp);
}

static bool is_character(const cxx_type *t)
{
	return t && t->kind >= CXX_CHAR && t->kind <= CXX_CHAR32;
}

static void flush(view *w)
{
	out_str(w->c->e, OUT_NORMAL, buf_str(&w->b));
	buf_clear(&w->b);
}

/* The text on a line of its own, as the documentation's samples have it. */
static void add_text(view *w, const cxx_type *elem, uint64_t at, uint64_t max)
{
	buf_addc(&w->b, ' ');
	if (!tv_chars(&w->v, elem->size, at, max, &w->b))
		buf_addf(&w->b, "\"--- memory read error at address 0x%s ---\"",
			out_addr(w->c->e, at));
	buf_addc(&w->b, '\n');
}

static err show_pointer(view *w, const cxx_value *v)
{
	uint64_t at = cxx_value_unsigned(v);
	const cxx_type *el = cxx_type_elem(&w->env, &w->c->a, v->type);
	if (el && el->kind == CXX_FUNC)
		add_function(w, at);
	buf_addc(&w->b, '\n');
	if (is_character(el) && at)
		add_text(w, el, at, 0);
	flush(w);
	if (!el || el->kind != CXX_STRUCT || el->forward || !el->size || !at)
		return ERR_OK;
	return dt_show_at(w->c, eng_cxx_sym_type(w->c->e, el), at, NULL, NULL, 0);
}

/* Text as text, other scalars one a line, structures only by their address. */
static err show_array(view *w, const cxx_value *v)
{
	const cxx_type *el = cxx_type_elem(&w->env, &w->c->a, v->type);
	if (v->text.p) {
		buf_addf(&w->b, "\"%.*s\"\n", STR_ARG(v->text));
		flush(w);
		return ERR_OK;
	}
	tv at = w->v;
	if (v->in_memory) {
		tv_pointer(&w->v, v->addr, &w->b);
	} else {
		at.held = v->raw;
		at.held_n = sizeof v->raw;
		at.lost = v->lost;
	}
	buf_addc(&w->b, '\n');
	uint64_t n = v->type->count < ELEMENTS_SHOWN ? v->type->count : ELEMENTS_SHOWN;
	sym_type t = el ? eng_cxx_sym_type(w->c->e, el) : (sym_type){0};
	if (is_character(el) && v->type->count && v->in_memory) {
		add_text(w, el, v->addr, v->type->count);
		n = 0;
	}
	if (!t.file || el->kind == CXX_STRUCT || el->kind == CXX_ARRAY)
		n = 0;
	for (uint64_t i = 0; i < n; i++) {
		TRY(lang_cancelled(w->c));
		buf_addf(&w->b, " [%02llu] ", (unsigned long long)i);
		tv_value(&at, t, v->addr + i * el->size, &w->b);
		buf_addc(&w->b, '\n');
	}
	if (n && n < v->type->count)
		buf_addf(&w->b, " ... %llu elements in all\n", (unsigned long long)v->type->count);
	flush(w);
	return ERR_OK;
}

static err show_struct(view *w, const cxx_value *v)
{
	sym_type t = eng_cxx_sym_type(w->c->e, v->type);
	buf_addc(&w->b, '\n');
	flush(w);
	if (v->in_memory)
		return dt_show_at(w->c, t, v->addr, NULL, NULL, 0);
	return dt_show_at(w->c, t, 0, v->raw, v->lost, sizeof v->raw);
}

static err show(view *w, const cxx_value *v)
{
	cxx_type_text(&w->env, &w->c->a, v->type, &w->b);
	switch (v->type->kind) {
	case CXX_STRUCT:
		return show_struct(w, v);
	case CXX_VOID:
		buf_addc(&w->b, '\n');
		flush(w);
		return ERR_OK;
	case CXX_ARRAY:
		buf_addc(&w->b, ' ');
		return show_array(w, v);
	case CXX_FUNC:
		buf_addc(&w->b, ' ');
		tv_pointer(&w->v, v->addr, &w->b);
		add_function(w, v->addr);
		buf_addc(&w->b, '\n');
		flush(w);
		return ERR_OK;
	case CXX_PTR:
		buf_addc(&w->b, ' ');
		add_scalar(w, v);
		return show_pointer(w, v);
	default:
		buf_addc(&w->b, ' ');
		add_scalar(w, v);
		buf_addc(&w->b, '\n');
		flush(w);
		return ERR_OK;
	}
}

err cxx_show(cmd *c, const cxx_value *v)
{
	view w = {.c = c};
	eng_cxx_env(c->e, &w.env);
	tv_init(&w.v, c);
	buf_init(&w.b, 1 << 20);
	err e = show(&w, v);
	buf_deinit(&w.b);
	return e;
}

static err cmd_evaluate_cxx(cmd *c, cmd_call *call)
{
	cxx_env env;
	cxx_value v;
	uint64_t x;
	eng_cxx_env(c->e, &env);
	TRY(evaluate(c, &env, call->args, &v));
	if (cxx_value_int(&v, &x, NULL) == ERR_OK)
		c->e->last_value = x;
	return cxx_show(c, &v);
}

/* ---- r? ---- */

err cxx_assign_temp(cmd *c, str text)
{
	cxx_env env;
	cxx_value v;
	str rest = str_trim(text);
	size_t n = rest.n && rest.p[0] == '@' ? 1 : 0, begin = n;
	while (n < rest.n && !strchr(" \t=", rest.p[n]))
		n++;
	str name = (str){rest.p + begin, n - begin};
	rest = str_trim(str_skip(rest, n));
	if (!name.n || !rest.n || rest.p[0] != '=')
		return cmd_syntax(c, name.n ? rest : text);
	rest = str_trim(str_skip(rest, 1));
	eng_cxx_env(c->e, &env);
	TRY(evaluate(c, &env, rest, &v));
	err e = eng_temp_set_typed(c->e, name, &v, &c->d);
	if (e != ERR_OK)
		c->lang->fault = name.p;
	return e;
}

/* ---- .expr ---- */

static const char *const evaluators[] = {
	"MASM - Microsoft Assembler expressions", "C++ - C++ source expressions"};

static err cmd_expr_kind(cmd *c, cmd_call *call)
{
	str rest = call->args, sw;
	if (cmd_arg_switch(&rest, "/-", &sw)) {
		str kind = str_trim(rest);
		bool cxx = str_ieq(kind, STR("c++"));
		if (str_ieq(sw, STR("q")) && !kind.n)
			out(c->e, "Available expression evaluators:\n    %s\n    %s\n",
				evaluators[0], evaluators[1]);
		else if (str_ieq(sw, STR("s")) && (cxx || str_ieq(kind, STR("masm"))))
			c->e->cxx_default = cxx;
		else
			return cmd_syntax(c, call->args);
	} else {
		TRY(cmd_arg_end(c, rest));
	}
	out(c->e, "Current expression evaluator: %s\n", evaluators[c->e->cxx_default]);
	return ERR_OK;
}

/* ---- rows ---- */

static const char help_cxx[] =
	"Shows type and value of a C++ expression; structures and what pointers to structures lead "
	"to "
	"are shown as dt does.\n"
	"\n"
	"Numbers are decimal, with 0x hexadecimal, with 0 octal; suffixes are u, l, ll and i64. A "
	"variable has its value and its type; locals of the current scope come first, $!name is "
	"only "
	"a local, module!name and ::name only a global one. Registers and pseudo-registers need @: "
	"@rax, @$t0; @$proc, @$thread, @$teb, @$peb point to their structures. Types may have a "
	"module "
	"and the words struct, union, enum: (nt!_EPROCESS *)@rcx, sizeof(_TEB).\n"
	"\n"
	"  a.b p->b p->*m a[i] x++ x-- ++x --x ! ~ - + * & sizeof (type)x static_cast<type>(x)\n"
	"  * / % + - << >> < <= > >= == != & ^ | && || ?: = += -= *= /= %= &= |= ^= <<= >>= ,\n"
	"\n"
	"Pointer arithmetic is scaled. Assignments change memory and variables of the target; "
	"registers are changed by r. Functions cannot be called.\n"
	"\n"
	"  #CONTAINING_RECORD(address, type, field)   #FIELD_OFFSET(type, field)\n"
	"  #RTL_FIELD_SIZE(type, field)               #RTL_SIZEOF_THROUGH_FIELD(type, field)\n"
	"  #RTL_CONTAINS_FIELD(pointer, size, field)  #RTL_NUMBER_OF(array)\n"
	"\n"
	"@@( ) and @@masm( ) hold a MASM expression, whose value is an unsigned int64; in MASM "
	"expressions @@( ) and @@c++( ) hold a C++ expression.\n"
	"\n"
	"  ?? @$proc->ImageFileName\n"
	"  ?? ((nt!_EPROCESS *)@rcx)->Pcb.DirectoryTableBase\n"
	"  ?? #CONTAINING_RECORD(@rbx, nt!_EPROCESS, ActiveProcessLinks)->UniqueProcessId\n"
	"  ?? *(int *)@@(`main.c:43` + 10)";

static const cmd_row rows[] = {
	{"?"
	 "?",
		"?"
		"? Expression",
		"Evaluate a C++ expression", help_cxx, CMD_ANY, cmd_evaluate_cxx},
	{".expr", ".expr [/s {masm | c++}] [/q]", "Show or choose the kind of expressions",
		"/s makes MASM or C++ the evaluator of all commands' expressions (?? always is "
		"C++); "
		"/q lists them. MASM is the default and the one to keep: with C++ a symbol is its "
		"value "
		"and not its address. @@( ) takes the other one for a part of an expression.",
		CMD_ANY | CMD_NOREPEAT, cmd_expr_kind},
};

const cmd_family cmd_family_cxx = {"C++ expressions", rows, ARRAY_LEN(rows)};
