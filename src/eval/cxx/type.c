/*
 * type: types of expressions: C's own, those of the environment, and pointers and arrays made of
 * them; and the parser of type names ("unsigned long long", "struct nt!_EPROCESS **", "int
 * (*)[4]").
 */
#include "eval/cxx/tree.h"

enum { ELEMENTS_MAX = 0x7fffffff, TEXT_DEPTH = 16 };

const cxx_type cxx_none = {.kind = CXX_NONE, .name = {"<no type>", 9}};
const cxx_type cxx_void = {.kind = CXX_VOID, .name = {"void", 4}};

#define ROW(k, bytes, uns, text)                                                                   \
	[k] = {.kind = (k),                                                                        \
		.size = (bytes),                                                                   \
		.is_unsigned = (uns),                                                              \
		.name = {(text), sizeof(text) - 1}}
#define COMMON                                                                                     \
	ROW(CXX_BOOL, 1, true, "bool"), ROW(CXX_CHAR, 1, false, "char"),                           \
		ROW(CXX_UCHAR, 1, true, "unsigned char"), ROW(CXX_CHAR16, 2, true, "char16_t"),    \
		ROW(CXX_CHAR32, 4, true, "char32_t"), ROW(CXX_SHORT, 2, false, "short"),           \
		ROW(CXX_USHORT, 2, true, "unsigned short"), ROW(CXX_INT, 4, false, "int"),         \
		ROW(CXX_UINT, 4, true, "unsigned int"), ROW(CXX_INT64, 8, false, "int64"),         \
		ROW(CXX_UINT64, 8, true, "unsigned int64"), ROW(CXX_INT128, 16, false, "int128"),  \
		ROW(CXX_UINT128, 16, true, "unsigned int128"), ROW(CXX_FLOAT, 4, false, "float"),  \
		ROW(CXX_DOUBLE, 8, false, "double"), ROW(CXX_LDOUBLE, 16, false, "long double")

/* Windows: long has 4 bytes, wchar_t 2; elsewhere 8 and 4. */
static const cxx_type basics[2][CXX_LDOUBLE + 1] = {
	{COMMON, ROW(CXX_WCHAR, 2, true, "wchar_t"), ROW(CXX_LONG, 4, false, "long"),
		ROW(CXX_ULONG, 4, true, "unsigned long")},
	{COMMON, ROW(CXX_WCHAR, 4, false, "wchar_t"), ROW(CXX_LONG, 8, false, "long"),
		ROW(CXX_ULONG, 8, true, "unsigned long")},
};

const cxx_type *cxx_type_basic(const cxx_env *env, cxx_kind k)
{
	return k == CXX_VOID ? &cxx_void : &basics[env->long_size == 8][k];
}

const cxx_type *cxx_type_pointer(const cxx_env *env, arena *a, const cxx_type *to)
{
	cxx_type *t = arena_new(a, cxx_type);
	*t = (cxx_type){.kind = CXX_PTR, .is_unsigned = true, .size = env->ptr_size, .elem = to};
	return t;
}

const cxx_type *cxx_type_array(arena *a, const cxx_type *of, uint64_t count)
{
	cxx_type *t = arena_new(a, cxx_type);
	*t = (cxx_type){.kind = CXX_ARRAY, .size = of->size * count, .count = count, .elem = of};
	return t;
}

const cxx_type *cxx_type_member(arena *a, const cxx_type *of, str owner)
{
	cxx_type *t = arena_new(a, cxx_type);
	*t = (cxx_type){
		.kind = CXX_MEMBER, .is_unsigned = true, .size = 4, .elem = of, .name = owner};
	return t;
}

bool cxx_type_is_int(const cxx_type *t)
{
	return t->kind >= CXX_BOOL && t->kind <= CXX_UINT128;
}

bool cxx_type_is_float(const cxx_type *t)
{
	return t->kind >= CXX_FLOAT && t->kind <= CXX_LDOUBLE;
}

bool cxx_type_is_arith(const cxx_type *t)
{
	return t->kind >= CXX_BOOL && t->kind <= CXX_ENUM;
}

bool cxx_type_is_signed(const cxx_type *t)
{
	return !t->is_unsigned;
}

bool cxx_type_is_scalar(const cxx_type *t)
{
	return cxx_type_is_arith(t) || t->kind == CXX_PTR || t->kind == CXX_MEMBER;
}

bool cxx_type_same(const cxx_type *a, const cxx_type *b)
{
	if (a == b)
		return true;
	if (a->kind != b->kind || a->size != b->size)
		return false;
	if (a->kind != CXX_STRUCT && a->kind != CXX_ENUM)
		return true;
	/* Two modules that were built from one header have a type each. */
	return (a->h.p == b->h.p && a->h.id == b->h.id) || str_eq(a->name, b->name);
}

/* ---- types of the environment ---- */

err cxx_type_of(const cxx_env *env, arena *a, cxx_handle h, const cxx_type **ret)
{
	cxx_desc s = {0};
	if (!h.p) {
		*ret = &cxx_none;
		return ERR_OK;
	}
	TRY(env->describe(env->u, h, &s));
	if (s.kind == CXX_VOID || s.kind == CXX_NONE || s.kind > CXX_MEMBER) {
		*ret = s.kind == CXX_VOID ? &cxx_void : &cxx_none;
		return ERR_OK;
	}
	bool basic = s.kind >= CXX_BOOL && s.kind <= CXX_LDOUBLE;
	if (basic && s.size == cxx_type_basic(env, s.kind)->size) {
		*ret = cxx_type_basic(env, s.kind);
		return ERR_OK;
	}
	cxx_type *t = arena_new(a, cxx_type);
	if (basic) {
		*t = *cxx_type_basic(env, s.kind);
		t->size = s.size <= 16 ? s.size : 16;
		t->name = s.name.n ? s.name : t->name; /* _Float16 */
		t->h = h;
		*ret = t;
		return ERR_OK;
	}
	*t = (cxx_type){.kind = s.kind,
		.is_unsigned = s.kind == CXX_ENUM ? s.is_unsigned : true,
		.forward = s.forward,
		.size = s.size,
		.count = s.count,
		.h = h,
		.elem_h = s.elem,
		.word = s.word,
		.name = s.name};
	if ((s.kind == CXX_PTR || s.kind == CXX_REF || s.kind == CXX_ENUM) &&
		(!s.size || s.size > 8))
		return ERR_CORRUPT;
	*ret = t;
	return ERR_OK;
}

const cxx_type *cxx_type_elem(const cxx_env *env, arena *a, const cxx_type *t)
{
	const cxx_type *elem = NULL;
	if (t->elem)
		return t->elem;
	if (!t->elem_h.p || cxx_type_of(env, a, t->elem_h, &elem) != ERR_OK)
		return NULL;
	return elem;
}

/* ---- text ---- */

static void params(const cxx_env *env, const cxx_type *f, buf *out)
{
	if (f->h.p && env->params)
		env->params(env->u, f->h, out);
	else
		buf_addz(out, "()");
}

static void type_text(const cxx_env *env, arena *a, const cxx_type *t, buf *out, int depth);

/* "int [2][3]" is an array of two int [3]; with a mark "int (*)[2][3]". */
static void array_text(
	const cxx_env *env, arena *a, const cxx_type *t, char mark, buf *out, int depth)
{
	uint64_t counts[8];
	size_t n = 0;
	while (t && t->kind == CXX_ARRAY && n < ARRAY_LEN(counts)) {
		counts[n++] = t->count;
		t = cxx_type_elem(env, a, t);
	}
	type_text(env, a, t ? t : &cxx_void, out, depth + 1);
	buf_addc(out, ' ');
	if (mark)
		buf_addf(out, "(%c)", mark);
	for (size_t i = 0; i < n; i++)
		buf_addf(out, "[%llu]", (unsigned long long)counts[i]);
}

static void type_text(const cxx_env *env, arena *a, const cxx_type *t, buf *out, int depth)
{
	const cxx_type *el = NULL;
	if (depth > TEXT_DEPTH) {
		buf_addz(out, "...");
		return;
	}
	if (t->kind == CXX_PTR || t->kind == CXX_REF || t->kind == CXX_ARRAY ||
		t->kind == CXX_FUNC || t->kind == CXX_MEMBER)
		el = cxx_type_elem(env, a, t);
	switch (t->kind) {
	case CXX_PTR:
	case CXX_REF: {
		char mark = t->kind == CXX_PTR ? '*' : '&';
		if (el && el->kind == CXX_FUNC) {
			const cxx_type *result = cxx_type_elem(env, a, el);
			type_text(env, a, result ? result : &cxx_void, out, depth + 1);
			buf_addf(out, " (%c)", mark);
			params(env, el, out);
			return;
		}
		if (el && el->kind == CXX_ARRAY) {
			array_text(env, a, el, mark, out, depth + 1);
			return;
		}
		type_text(env, a, el ? el : &cxx_void, out, depth + 1);
		if (out->n && out->p[out->n - 1] != '*')
			buf_addc(out, ' ');
		buf_addc(out, mark);
		return;
	}
	case CXX_ARRAY:
		array_text(env, a, t, 0, out, depth);
		return;
	case CXX_FUNC:
		type_text(env, a, el ? el : &cxx_void, out, depth + 1);
		buf_addc(out, ' ');
		params(env, t, out);
		return;
	case CXX_MEMBER: {
		bool func = el && el->kind == CXX_FUNC;
		const cxx_type *to = func ? cxx_type_elem(env, a, el) : el;
		type_text(env, a, to ? to : &cxx_void, out, depth + 1);
		buf_addf(out, func ? " (%.*s::*)" : " %.*s::*", STR_ARG(t->name));
		if (func)
			params(env, el, out);
		return;
	}
	default:
		if (t->word)
			buf_addf(out, "%s ", t->word);
		buf_adds(out, t->name);
		return;
	}
}

void cxx_type_text(const cxx_env *env, arena *a, const cxx_type *t, buf *out)
{
	type_text(env, a, t, out, 0);
}

/* ---- names of types ---- */

static bool is_any(str word, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(word, str_of(words[i])))
			return true;
	return false;
}

static const char *const tags[] = {"struct", "union", "class", "enum"};
static const char *const idle[] = {
	"const", "volatile", "__ptr64", "__ptr32", "__unaligned", "typename", "restrict"};
static const char *const base_words[] = {"void", "bool", "char", "wchar_t", "char8_t", "char16_t",
	"char32_t", "short", "int", "long", "float", "double", "signed", "unsigned", "__int8",
	"__int16", "__int32", "__int64", "__int128"};

bool cxx_type_word(str w)
{
	return is_any(w, tags, ARRAY_LEN(tags)) || is_any(w, idle, ARRAY_LEN(idle)) ||
	       is_any(w, base_words, ARRAY_LEN(base_words));
}

static void skip_idle(parser *p)
{
	while (p->t.kind == T_NAME && is_any(p->t.text, idle, ARRAY_LEN(idle)))
		tok_next(p);
}

typedef struct words {
	unsigned n_long;
	bool is_signed, is_unsigned, is_short;
	str base;
} words;

/* One word of a basic type; false: it does not go with those before. */
static bool take_word(words *w, str s)
{
	if (str_eq(s, STR("long")))
		return ++w->n_long <= 2 && !w->is_short;
	if (str_eq(s, STR("short"))) {
		w->is_short = true;
		return !w->n_long;
	}
	if (str_eq(s, STR("signed"))) {
		w->is_signed = true;
		return !w->is_unsigned;
	}
	if (str_eq(s, STR("unsigned"))) {
		w->is_unsigned = true;
		return !w->is_signed;
	}
	if (w->base.n)
		return false;
	w->base = s;
	return true;
}

static cxx_kind signed_kind(const words *w)
{
	static const struct {
		const char *name;
		cxx_kind kind;
	} rows[] = {{"__int8", CXX_CHAR}, {"char", CXX_CHAR}, {"__int16", CXX_SHORT},
		{"__int32", CXX_INT}, {"__int64", CXX_INT64}, {"int64", CXX_INT64},
		{"__int128", CXX_INT128}, {"int128", CXX_INT128}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (str_eq(w->base, str_of(rows[i].name)))
			return rows[i].kind;
	return w->n_long > 1 ? CXX_INT64 : w->n_long ? CXX_LONG : w->is_short ? CXX_SHORT : CXX_INT;
}

static bool words_kind(const parser *p, const words *w, cxx_kind *ret)
{
	static const struct {
		const char *name;
		cxx_kind kind;
	} rows[] = {{"void", CXX_VOID}, {"bool", CXX_BOOL}, {"wchar_t", CXX_WCHAR},
		{"char8_t", CXX_UCHAR}, {"char16_t", CXX_CHAR16}, {"char32_t", CXX_CHAR32},
		{"float", CXX_FLOAT}};
	bool sign = w->is_signed || w->is_unsigned, width = w->n_long || w->is_short;
	if (str_eq(w->base, STR("double"))) {
		bool wide = w->n_long == 1 && p->env->long_size == 8;
		*ret = wide ? CXX_LDOUBLE : CXX_DOUBLE;
		return !sign && !w->is_short && w->n_long < 2;
	}
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (str_eq(w->base, str_of(rows[i].name))) {
			*ret = rows[i].kind;
			return !sign && !width;
		}
	if (width && w->base.n && !str_eq(w->base, STR("int")))
		return false;
	*ret = (cxx_kind)(signed_kind(w) + (w->is_unsigned ? 1 : 0));
	return true;
}

static err basic_name(parser *p, const cxx_type **ret)
{
	words w = {0};
	cxx_kind k;
	for (skip_idle(p); p->t.kind == T_NAME; skip_idle(p)) {
		/* "int64" and "int128" are how results are shown: usable behind a sign. */
		bool shown = (w.is_signed || w.is_unsigned) && !w.base.n &&
			     (tok_word(p, "int64") || tok_word(p, "int128"));
		if (!shown && !is_any(p->t.text, base_words, ARRAY_LEN(base_words)))
			break;
		if (!take_word(&w, p->t.text))
			return cxx_p_syntax(p);
		tok_next(p);
	}
	if (!words_kind(p, &w, &k))
		return cxx_p_syntax(p);
	*ret = cxx_type_basic(p->env, k);
	return ERR_OK;
}

/* A tag or typedef at the token; ERR_NOTFOUND without words if there is none. */
static err named(parser *p, const cxx_type **ret)
{
	size_t ends[8], n = tok_name_ends(p->text, &p->t, ends, ARRAY_LEN(ends));
	cxx_handle h;
	size_t begin = p->t.begin;
	for (size_t i = n; i-- > 0;) {
		str name = p->t.quoted ? p->t.text : (str){p->text.p + begin, ends[i] - begin};
		if (str_starts(name, STR("::")))
			name = str_skip(name, 2);
		err e = p->env->type ? p->env->type(p->env->u, name, &h) : ERR_NOTFOUND;
		if (e == ERR_NOTFOUND)
			continue;
		TRY(e);
		TRY(cxx_type_of(p->env, p->a, h, ret));
		tok_seek(p, ends[i]);
		p->last = ends[i];
		return ERR_OK;
	}
	return ERR_NOTFOUND;
}

static err base_type(parser *p, bool *is, const cxx_type **ret)
{
	*is = false;
	if (p->t.kind != T_NAME)
		return ERR_OK;
	skip_idle(p);
	bool tag = !p->t.quoted && is_any(p->t.text, tags, ARRAY_LEN(tags));
	if (!tag && is_any(p->t.text, base_words, ARRAY_LEN(base_words))) {
		*is = true;
		return basic_name(p, ret);
	}
	if (tag) {
		tok_next(p);
		skip_idle(p);
		if (p->t.kind != T_NAME)
			return cxx_p_syntax(p);
	}
	err e = named(p, ret);
	if (e == ERR_NOTFOUND && !tag)
		return ERR_OK;
	if (e == ERR_NOTFOUND)
		return cxx_fail(
			p->text, p->d, e, p->t.begin, p->t.end, "Couldn't resolve error at");
	TRY(e);
	*is = true;
	skip_idle(p);
	return ERR_OK;
}

static err stars(parser *p, const cxx_type **t)
{
	unsigned n = 0;
	for (;; n++) {
		bool ref = tok_is(p, "&");
		if (!ref && !tok_is(p, "*"))
			return ERR_OK;
		if (n > 16 || (*t)->kind == CXX_REF)
			return cxx_p_syntax(p);
		cxx_type *made = arena_new(p->a, cxx_type);
		*made = *cxx_type_pointer(p->env, p->a, *t);
		made->kind = ref ? CXX_REF : CXX_PTR;
		*t = made;
		tok_next(p);
		skip_idle(p);
	}
}

/* "[2][3]": sizes are plain numbers. */
static err arrays(parser *p, const cxx_type **t)
{
	uint64_t counts[8];
	size_t n = 0;
	while (tok_is(p, "[")) {
		node *size;
		tok_next(p);
		if (n == ARRAY_LEN(counts) || p->t.kind != T_NUMBER)
			return cxx_p_syntax(p);
		TRY(tok_number(p, &size));
		if (!cxx_type_is_int(size->type) || size->n.i > ELEMENTS_MAX || !tok_is(p, "]"))
			return cxx_p_syntax(p);
		counts[n++] = (uint64_t)size->n.i;
		tok_next(p);
	}
	while (n--) {
		if ((*t)->kind == CXX_REF || (*t)->kind == CXX_FUNC || !(*t)->size ||
			(*t)->size > UINT32_MAX) /* times ELEMENTS_MAX fits 64 bits */
			return cxx_p_syntax(p);
		*t = cxx_type_array(p->a, *t, counts[n]);
	}
	return ERR_OK;
}

/* "(*)(int, char *)" and "(*)[4]" behind a base type. */
static err declarator(parser *p, const cxx_type **t)
{
	if (!tok_is(p, "("))
		return arrays(p, t);
	token after = tok_at(p->text, p->t.end);
	if (after.kind != T_OP || (strcmp(after.op, "*") && strcmp(after.op, "&")))
		return ERR_OK;
	size_t inner = p->t.end, close = tok_close(p->text, p->t.begin);
	if (close == SIZE_MAX)
		return cxx_p_syntax(p);
	tok_seek(p, close + 1);
	if (tok_is(p, "(")) {
		size_t end = tok_close(p->text, p->t.begin);
		if (end == SIZE_MAX)
			return cxx_p_syntax(p);
		cxx_type *f = arena_new(p->a, cxx_type);
		*f = (cxx_type){.kind = CXX_FUNC, .elem = *t};
		*t = f;
		tok_seek(p, end + 1);
	} else {
		TRY(arrays(p, t));
	}
	size_t behind = p->t.begin;
	tok_seek(p, inner);
	skip_idle(p);
	TRY(stars(p, t));
	if (!tok_is(p, ")"))
		return cxx_p_syntax(p);
	p->last = behind;
	tok_seek(p, behind);
	return ERR_OK;
}

err cxx_type_parse(parser *p, bool *is, const cxx_type **ret)
{
	const cxx_type *t = NULL;
	TRY(base_type(p, is, &t));
	if (!*is)
		return ERR_OK;
	TRY(stars(p, &t));
	TRY(declarator(p, &t));
	*ret = t;
	return ERR_OK;
}
