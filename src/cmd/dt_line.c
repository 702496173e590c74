/*
 * dt_line: the words of dt's command line: options, the name, fields, the address. Which word is
 * what the documentation's page "dt (Display Type)" leaves open: an address is what can be nothing
 * else, or what is no field of the type.
 */
#include "cmd/dt.h"
#include "cmd/lang.h"

#include <ctype.h>

typedef struct dt_memo {
	char name[512];
} dt_memo;

const char dt_help[] =
	"dt [-n|y] [mod!]name [[-n|y]fields]\n"
	"   [address] [-l list] [-a[]|c|i|o|r[#]|v]   - list a type, with its values at address\n"
	"   -a[n] array elements on lines of their own    -b  blocks in full\n"
	"   -c    compact output                          -d  verbose with a wildcard\n"
	"   -e    enumerate                               -i  do not indent\n"
	"   -l f  follow a list by its link f             -n  the next word is a name\n"
	"   -o    no offsets                              -p  physical address\n"
	"   -r[n] expand n levels                         -s n enumerate types of n bytes\n"
	"   -t    types only                              -v  verbose\n"
	"   -y    the next word is the beginning of a name\n";

/* Up to a blank outside of parentheses and of a template's arguments. */
static str word(str *rest)
{
	str r = str_trim(*rest);
	size_t n = 0;
	int depth = 0, angle = 0;
	while (n < r.n && (depth > 0 || angle > 0 || !isspace((unsigned char)r.p[n]))) {
		depth += r.p[n] == '(';
		depth -= r.p[n] == ')';
		bool named = n && chr_word(r.p[n - 1]);
		angle += r.p[n] == '<' && (named || angle);
		angle -= r.p[n] == '>' && angle;
		n++;
	}
	if (angle > 0) /* they have no end: comparisons, then */
		for (n = 0; n < r.n && !isspace((unsigned char)r.p[n]);)
			n++;
	*rest = str_trim(str_skip(r, n));
	return str_take(r, n);
}

/* Words that begin or go on a type of C: "unsigned long", "struct _FOO *". */
static bool c_word(str w, bool *tag)
{
	static const char *const words[] = {"struct", "union", "enum", "class", "const", "volatile",
		"unsigned", "signed", "short", "long", "int", "char", "double", "__int64"};
	enum { TAGS = 6 }; /* a name follows these */
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (str_eq(w, str_of(words[i]))) {
			*tag = i < TAGS;
			return true;
		}
	return false;
}

/* A name of several words needs parentheses in WinDbg; words of C are understood without. */
static str type_words(dt *x, str w, str *rest)
{
	bool tag = false;
	if (!c_word(w, &tag))
		return w;
	for (str next; rest->n; *rest = next) {
		bool named = tag, more;
		next = *rest;
		str v = word(&next);
		more = c_word(v, &tag);
		bool stars = v.n;
		for (size_t i = 0; stars && i < v.n; i++)
			stars = v.p[i] == '*';
		if (!more && !stars && (!named || v.p[0] == '-'))
			break;
		w = str_printf(&x->c->a, "%.*s %.*s", STR_ARG(w), STR_ARG(v));
		if (!more)
			tag = false;
	}
	return w;
}

/* A word, and what an operator with blanks around it adds: "@rcx + 8", but not "@rcx -r2". */
static err expression(dt *x, str *rest, uint64_t *ret)
{
	str all = word(rest);
	while (rest->n > 2 && strchr("+-*/%&|", rest->p[0]) && isspace((unsigned char)rest->p[1])) {
		*rest = str_skip(*rest, 1);
		(void)word(rest);
		all.n = (size_t)(rest->p - all.p);
	}
	return lang_eval(x->c, str_trim(all), ret);
}

/* Options that are no more than a flag. */
static bool *flag_of(dt *x, char c)
{
	switch (c) {
	case 'b':
		return &x->blocks;
	case 'c':
		return &x->compact;
	case 'd':
	case 'v':
		return &x->verbose;
	case 'e':
		return &x->enumerate;
	case 'i':
		return &x->no_indent;
	case 'n':
		return &x->name_next;
	case 'o':
		return &x->no_offset;
	case 'p':
		return &x->phys;
	case 't':
		return &x->types_only;
	case 'y':
		return &x->prefix_next;
	default:
		return NULL;
	}
}

/* The options of one word, without its hyphen; rest: what follows the word. */
static err options(dt *x, str o, str *rest, bool *help)
{
	for (size_t i = 0; i < o.n;) {
		char c = o.p[i++];
		size_t digits = i;
		while (digits < o.n && isdigit((unsigned char)o.p[digits]))
			digits++;
		uint64_t v = 0;
		bool has_number = digits > i && str_u64((str){o.p + i, digits - i}, 10, &v);
		bool *flag = flag_of(x, c);
		if (flag) {
			*flag = true;
		} else if (c == 'h' || c == '?') {
			*help = true;
		} else if (c == 'a') {
			x->array = true;
			x->array_n = v;
			i = digits;
		} else if (c == 'r') {
			if (has_number && (v < 1 || v > 9))
				return cmd_fail(x->c, ERR_SYNTAX, "-r takes a depth from 1 to 9");
			x->depth = has_number ? (unsigned)v : DT_DEPTH_MAX;
			x->counted = has_number;
			i = digits;
		} else if (c == 'l') {
			x->link = word(rest);
			if (!x->link.n)
				return cmd_fail(x->c, ERR_SYNTAX,
					"-l needs the name of the field that links");
		} else if (c == 's') {
			TRY(expression(x, rest, &x->size));
			x->has_size = true;
		} else {
			return cmd_fail(
				x->c, ERR_SYNTAX, "dt has no option -%c; dt -h lists them", c);
		}
	}
	return ERR_OK;
}

static bool all_hex(str w)
{
	for (size_t i = 0; i < w.n; i++)
		if (!isxdigit((unsigned char)w.p[i]) && w.p[i] != '`')
			return false;
	return w.n > 0;
}

/* Words that can be nothing but an address: @rcx, 0x12, 7ffd`00001000, poi(...), (expression). */
static bool addressy(str w)
{
	if (!w.n)
		return false;
	if (w.p[0] == '@' || w.p[0] == '$' || isdigit((unsigned char)w.p[0]) || all_hex(w))
		return true;
	static const char *const ops[] = {"poi(", "qwo(", "dwo(", "wo(", "by(", "-(", "("};
	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		if (str_istarts(w, str_of(ops[i])))
			return true;
	return false;
}

/* In field position also a symbol with its module, or anything with an operator. */
static bool addressy_field(str w)
{
	if (addressy(w))
		return true;
	for (size_t i = 0; i < w.n; i++)
		if (strchr("!+/%&", w.p[i]) || (w.p[i] == '-' && i))
			return true;
	return false;
}

/* "(unsigned long)" is a name with blanks, "(@rcx+8)" an expression. */
static bool named_parens(dt *x, str w, str *name)
{
	sym_type t;
	if (w.n < 3 || w.p[0] != '(' || w.p[w.n - 1] != ')')
		return false;
	*name = str_trim((str){w.p + 1, w.n - 2});
	if (!x->c->e->syms)
		return false;
	str bare = *name;
	size_t open = str_chr(bare, '[');
	if (open != SIZE_MAX)
		bare = str_take(bare, open);
	return sym_type_find(x->c->e->syms, bare, &t, NULL) == ERR_OK;
}

static err take_address(dt *x, str *rest)
{
	if (x->has_addr)
		return cmd_fail(x->c, ERR_SYNTAX, "dt: a second address at '%.*s'", STR_ARG(*rest));
	TRY(expression(x, rest, &x->addr));
	x->has_addr = true;
	return ERR_OK;
}

static err take_name(dt *x, str w)
{
	dt_memo *memo = cmd_state(x->c, "dt", sizeof *memo);
	str inner;
	if (named_parens(x, w, &inner))
		w = inner;
	if (str_eq(w, STR("."))) {
		if (!memo->name[0])
			return cmd_fail(x->c, ERR_STATE, "dt: there is no last name to repeat");
		w = str_of(memo->name);
		out(x->c->e, "Using sym %.*s\n", STR_ARG(w));
	} else if (w.n < sizeof memo->name) {
		memcpy(memo->name, w.p, w.n);
		memo->name[w.n] = 0;
	}
	x->name = str_dup(&x->c->a, w);
	x->name_prefix = x->prefix_next;
	x->name_next = x->prefix_next = false;
	return ERR_OK;
}

static err take_field(dt *x, str w)
{
	if (x->n == DT_FIELDS_MAX)
		return cmd_fail(x->c, ERR_LIMIT, "dt: at most %d fields", DT_FIELDS_MAX);
	x->f[x->n++] = (dt_pattern){str_dup(&x->c->a, w), x->prefix_next, x->array, x->array_n};
	x->name_next = x->prefix_next = x->array = false;
	return ERR_OK;
}

static err words(dt *x, str rest, bool *help)
{
	bool array_for_name = false;
	uint64_t array_n = 0;
	rest = str_trim(rest);
	while (rest.n) {
		str before = rest, w = word(&rest), inner;
		bool forced = x->name_next || x->prefix_next;
		if (w.n > 1 && w.p[0] == '-' && isalpha((unsigned char)w.p[1]) && !x->name_next) {
			TRY(options(x, str_skip(w, 1), &rest, help));
			continue;
		}
		if (!x->name.n) {
			if (!forced && addressy(w) && !named_parens(x, w, &inner)) {
				rest = before;
				TRY(take_address(x, &rest));
				continue;
			}
			TRY(take_name(x, forced ? w : type_words(x, w, &rest)));
			if (x->array) { /* -a in front of the name is for the type */
				array_for_name = true;
				array_n = x->array_n;
				x->array = false;
			}
			continue;
		}
		if (!forced && addressy_field(w)) {
			rest = before;
			TRY(take_address(x, &rest));
			continue;
		}
		TRY(take_field(x, w));
	}
	if (array_for_name) {
		x->array = true;
		x->array_n = array_n;
	}
	return ERR_OK;
}

/* A last word that is no field of the type may be an address after all: dt _FOO MyVariable. */
static void last_as_address(dt *x)
{
	sym_type t;
	sym_field f;
	uint64_t v;
	if (!x->n || x->has_addr || x->f[x->n - 1].prefix || str_has_wild(x->f[x->n - 1].text) ||
		str_chr(x->f[x->n - 1].text, '.') != SIZE_MAX ||
		sym_type_find(x->c->e->syms, x->name, &t, NULL) != ERR_OK ||
		sym_type_field(t, x->f[x->n - 1].text, &f, NULL) == ERR_OK)
		return;
	masm_env env;
	lang_env(x->c, &env);
	if (masm_eval(&env, x->f[x->n - 1].text, NULL, &v, NULL) == ERR_OK) {
		x->addr = v;
		x->has_addr = true;
		x->n--;
	}
}

err dt_line(dt *x, str line, bool *help)
{
	TRY(words(x, line, help));
	if (x->name.n && !*help)
		last_as_address(x);
	return ERR_OK;
}
