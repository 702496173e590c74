/*
 * type: types and fields over the symbol files. Refuses to know records of any format: those answer
 * through sym_file_ops.
 *
 * A pointer that no file has is made here: the id carries a mark and a level (file.h). Basic types
 * have the ids of CodeView in every file, so that "unsigned long" works in a module without that
 * type, and in a store that has no file at all (then through the file of no module, `basic`).
 */
#include "sym/priv.h"

#include "base/wild.h"

enum {
	MADE_LEVELS = 7,
	MADE_SHIFT = 28,
	MADE_ID = (1 << MADE_SHIFT) - 1,
	ANON_DEPTH_MAX = 16,
	ALIAS_MAX = 1 << 20
};

/* ---- basic types ---- */

/* Type index, size, kind, names. Source: cvinfo.h, "Special Types" and following. */
static const struct basic {
	uint16_t id;
	uint8_t size;
	sym_type_kind kind;
	const char *name;
	const char *also; /* typedefs of the Windows headers, for files that do not have them */
} basics[] = {
	{0x03, 0, SYM_T_VOID, "void", "VOID"},
	{0x08, 4, SYM_T_HRESULT, "HRESULT", NULL},
	{0x10, 1, SYM_T_CHAR, "signed char", "INT8 int8_t"},
	{0x20, 1, SYM_T_UINT, "unsigned char", "UCHAR BYTE BOOLEAN UINT8 uint8_t"},
	{0x70, 1, SYM_T_CHAR, "char", "CHAR CCHAR"},
	{0x71, 2, SYM_T_WCHAR, "wchar_t", "WCHAR"},
	{0x7a, 2, SYM_T_WCHAR, "char16_t", NULL},
	{0x7b, 4, SYM_T_UINT, "char32_t", NULL},
	{0x11, 2, SYM_T_INT, "short", "SHORT INT16 int16_t"},
	{0x21, 2, SYM_T_UINT, "unsigned short", "USHORT WORD UINT16 uint16_t"},
	{0x12, 4, SYM_T_INT, "long", "LONG NTSTATUS"},
	{0x22, 4, SYM_T_UINT, "unsigned long", "ULONG DWORD ULONG32"},
	{0x74, 4, SYM_T_INT, "int", "INT BOOL INT32 int32_t"},
	{0x75, 4, SYM_T_UINT, "unsigned int", "UINT UINT32 uint32_t unsigned"},
	{0x13, 8, SYM_T_INT, "__int64", "LONG64 LONGLONG INT64 LONG_PTR int64_t"},
	{0x76, 8, SYM_T_INT, "__int64", "SSIZE_T"},
	{0x23, 8, SYM_T_UINT, "unsigned __int64",
		"ULONG64 ULONGLONG DWORD64 DWORDLONG UINT64 uint64_t"},
	{0x77, 8, SYM_T_UINT, "unsigned __int64", "ULONG_PTR SIZE_T UINT_PTR size_t"},
	{0x30, 1, SYM_T_BOOL, "bool", NULL},
	{0x40, 4, SYM_T_FLOAT, "float", "FLOAT"},
	{0x41, 8, SYM_T_FLOAT, "double", "DOUBLE"},
};

/* What is otherwise in programs of Linux (System V ABI, AMD64), under ids that CodeView leaves
 * free.
 */
static const struct basic lp64[] = {
	{0xe0, 8, SYM_T_INT, "long", NULL},
	{0xe1, 8, SYM_T_UINT, "unsigned long", NULL},
	{0xe2, 4, SYM_T_INT, "wchar_t", NULL},
	{0xe3, 16, SYM_T_FLOAT, "long double", NULL},
};

static const struct basic *basic_of(uint32_t id)
{
	for (size_t i = 0; i < ARRAY_LEN(lp64); i++)
		if (lp64[i].id == id)
			return &lp64[i];
	for (size_t i = 0; i < ARRAY_LEN(basics); i++)
		if (basics[i].id == id)
			return &basics[i];
	return NULL;
}

bool sym_basic_get(uint32_t id, sym_type_info *ret, uint32_t *elem)
{
	const struct basic *b = basic_of(id & 0xff);
	if (!b || id >= SYM_TYPE_BASIC_END)
		return false;
	uint32_t mode = id >> 8;
	if (!mode) {
		*ret = (sym_type_info){.kind = b->kind, .name = str_of(b->name), .size = b->size};
		return true;
	}
	/* pointer modes: 4 and 5 are 32 bits wide, 6 is 64 */
	*ret = (sym_type_info){.kind = SYM_T_PTR, .size = mode == 6 ? 8 : 4};
	*elem = id & 0xff;
	return true;
}

static uint32_t sym_basic_find(str name)
{
	for (size_t i = 0; i < ARRAY_LEN(basics); i++) {
		if (str_ieq(name, str_of(basics[i].name)))
			return basics[i].id;
		str also = str_of(basics[i].also);
		while (also.n)
			if (str_eq(str_word(&also), name))
				return basics[i].id;
	}
	return 0;
}

static err basic_get(sym_file *f, uint32_t id, sym_type_info *ret)
{
	uint32_t elem = 0;
	if (!sym_basic_get(id, ret, &elem))
		return ERR_NOTFOUND;
	if (elem) {
		ret->elem = (sym_type){f, elem};
		str *known = map_get(&f->tnames, id);
		if (!known) {
			known = arena_new(&f->names, str);
			*known = str_printf(&f->names, "%s *", basic_of(elem)->name);
			map_set(&f->tnames, id, known);
		}
		ret->name = *known;
	}
	return ERR_OK;
}

static const sym_file_ops basic_ops = {.name = "basic types", .type_get = basic_get};

static sym_file *basic_file(sym_store *s)
{
	if (!s->basic) {
		s->basic = sym_file_new(s, &basic_ops, "", NULL);
		s->basic->status = SYM_NONE;
	}
	return s->basic;
}

/* ---- made pointers ---- */

static bool is_made(uint32_t id)
{
	return id & (uint32_t)SYM_TYPE_MADE;
}

sym_type sym_type_ptr(sym_type t)
{
	uint32_t level = is_made(t.id) ? t.id >> MADE_SHIFT & 7 : 0;
	if (!t.file || level >= MADE_LEVELS || (!level && t.id > MADE_ID))
		return (sym_type){0};
	return (sym_type){
		t.file, (uint32_t)SYM_TYPE_MADE | (level + 1) << MADE_SHIFT | (t.id & MADE_ID)};
}

static sym_type made_elem(sym_type t)
{
	uint32_t level = t.id >> MADE_SHIFT & 7, id = t.id & MADE_ID;
	if (level > 1)
		id |= (uint32_t)SYM_TYPE_MADE | (level - 1) << MADE_SHIFT;
	return (sym_type){t.file, id};
}

static err made_get(sym_type t, sym_type_info *ret)
{
	sym_type_info in;
	sym_type elem = made_elem(t);
	TRY(sym_type_info_get(elem, &in));
	str *known = map_get(&t.file->tnames, t.id);
	if (!known) {
		known = arena_new(&t.file->names, str);
		*known = str_printf(&t.file->names, "%.*s%s", STR_ARG(in.name),
			in.kind == SYM_T_PTR || in.kind == SYM_T_REF ? "*" : " *");
		map_set(&t.file->tnames, t.id, known);
	}
	*ret = (sym_type_info){.kind = SYM_T_PTR, .name = *known, .size = 8, .elem = elem};
	return ERR_OK;
}

err sym_type_info_get(sym_type t, sym_type_info *ret)
{
	if (!t.file || !t.file->ops->type_get)
		return ERR_NOTFOUND;
	if (is_made(t.id))
		return made_get(t, ret);
	err e = t.file->ops->type_get(t.file, t.id, ret);
	if (e != ERR_OK && t.id < SYM_TYPE_BASIC_END)
		return basic_get(t.file, t.id, ret);
	return e;
}

err sym_type_arg(sym_type t, uint32_t i, sym_type *ret)
{
	uint32_t id;
	if (!t.file || is_made(t.id) || !t.file->ops->type_arg)
		return ERR_NOTFOUND;
	TRY(t.file->ops->type_arg(t.file, t.id, i, &id));
	*ret = (sym_type){t.file, id};
	return ERR_OK;
}

/* ---- names to types ---- */

static err find_in(sym_mod *m, str name, sym_type *ret, diag *d)
{
	sym_file *f;
	uint32_t id;
	TRY(sym_mod_file(m, &f, d));
	if (!f->ops->type_find)
		return ERR_NOTFOUND;
	err e = f->ops->type_find(f, name, false, &id);
	if (e == ERR_NOTFOUND && (m->store->options & SYMOPT_CASE_INSENSITIVE))
		e = f->ops->type_find(f, name, true, &id);
	if (e == ERR_OK)
		*ret = (sym_type){f, id};
	return e;
}

static err find_anywhere(sym_store *s, str name, sym_type *ret, diag *d)
{
	sym_mod *m;
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; (m = sym_mod_nth(s, i)); i++) {
			bool want = pass ? m->status == SYM_DEFERRED &&
						    !(s->options & SYMOPT_NO_UNQUALIFIED_LOADS)
					 : m->file != NULL;
			if (!want)
				continue;
			err e = find_in(m, name, ret, d);
			if (e == ERR_OK || e == ERR_CANCELLED)
				return e;
		}
	return ERR_NOTFOUND;
}

/* "struct _FOO", "const int" -> "_FOO", "int"; the number of '*' at the end. */
static str strip_words(str name, unsigned *stars)
{
	static const char *const words[] = {
		"struct", "union", "enum", "class", "const", "volatile"};
	*stars = 0;
	name = str_trim(name);
	for (bool again = true; again;) {
		again = false;
		for (size_t i = 0; i < ARRAY_LEN(words); i++) {
			str w = str_of(words[i]);
			if (str_starts(name, w) && name.n > w.n && name.p[w.n] == ' ') {
				name = str_trim(str_skip(name, w.n));
				again = true;
			}
		}
		if (name.n && name.p[name.n - 1] == '*') {
			++*stars;
			name = str_trim(str_take(name, name.n - 1));
			again = true;
		}
	}
	return name;
}

/* "long unsigned int" and the like as this file spells them; empty: not only words of C. The names
 * of a 64-bit Windows: long is 32 bits, long long is __int64, long double is double. */
static str c_integer(str name)
{
	enum { UNSIGNED, SIGNED, SHORT, LONG, INT, CHAR, DOUBLE, INT64, N_WORDS };
	static const char *const words[N_WORDS] = {
		"unsigned", "signed", "short", "long", "int", "char", "double", "__int64"};
	unsigned n[N_WORDS] = {0};
	while (name.n) {
		str w = str_word(&name);
		int i = 0;
		while (i < N_WORDS && !str_eq(w, str_of(words[i])))
			i++;
		if (i == N_WORDS)
			return (str){0};
		n[i]++;
		name = str_trim(name);
	}
	bool u = n[UNSIGNED];
	if (n[CHAR])
		return u ? STR("unsigned char") : n[SIGNED] ? STR("signed char") : STR("char");
	if (n[DOUBLE])
		return STR("double");
	if (n[SHORT])
		return u ? STR("unsigned short") : STR("short");
	if (n[LONG] > 1 || n[INT64])
		return u ? STR("unsigned __int64") : STR("__int64");
	if (n[LONG])
		return u ? STR("unsigned long") : STR("long");
	return u ? STR("unsigned int") : STR("int");
}

/* plain: as c_integer says. 0: not one that is another type on Linux. */
static uint32_t lp64_find(sym_store *s, sym_mod *m, str name, str plain)
{
	if (!m)
		m = sym_mod_nth(s, 0);
	if (!m || !sym_mod_is_elf(m))
		return 0;
	bool wide = str_eq(plain, STR("double")) && str_find(name, STR("long")) != SIZE_MAX;
	str want = wide ? STR("long double") : plain.n ? plain : name;
	for (size_t i = 0; i < ARRAY_LEN(lp64); i++)
		if (str_eq(want, str_of(lp64[i].name)))
			return lp64[i].id;
	return 0;
}

static err type_find(sym_store *s, str text, void *ret, diag *d)
{
	str name = str_trim(text);
	size_t bang = str_chr(name, '!');
	sym_mod *m = NULL;
	if (bang != SIZE_MAX && bang) {
		str mod = str_take(name, bang);
		unsigned none;
		mod = strip_words(mod, &none);
		m = sym_mod_find(s, mod);
		if (!m)
			return diag_set(d, ERR_NOTFOUND, "no module %.*s", STR_ARG(mod));
	}
	if (bang != SIZE_MAX)
		name = str_skip(name, bang + 1);
	unsigned stars;
	name = strip_words(name, &stars);
	if (!name.n)
		return diag_set(d, ERR_NOTFOUND, "no type name in %.*s", STR_ARG(text));
	str plain = c_integer(name);
	uint32_t basic = lp64_find(s, m, name, plain);
	if (!basic)
		basic = sym_basic_find(plain.n ? plain : name);
	/* the words of C come first; a module may well have its own BOOL */
	bool keyword = basic && name.p[0] >= 'a' && name.p[0] <= 'z';
	sym_type t = {0};
	err e = ERR_NOTFOUND;
	if (!keyword)
		e = m ? find_in(m, name, &t, d) : find_anywhere(s, name, &t, d);
	if (e == ERR_CANCELLED)
		return e;
	if (e != ERR_OK && basic) {
		sym_file *f = m && m->file ? m->file : basic_file(s);
		t = (sym_type){f->ops->type_get ? f : basic_file(s), basic};
		e = ERR_OK;
	}
	if (e != ERR_OK)
		return diag_set(d, ERR_NOTFOUND, "no type %.*s%s%.*s", STR_ARG(name),
			m ? " in " : "", m ? (int)m->name.n : 0, m ? m->name.p : "");
	while (stars--)
		t = sym_type_ptr(t);
	if (!t.file)
		return diag_set(d, ERR_LIMIT, "%.*s: too many levels of pointers", STR_ARG(text));
	*(sym_type *)ret = t;
	return ERR_OK;
}

err sym_type_find(sym_store *s, str text, sym_type *ret, diag *d)
{
	return sym_find_spelt(s, text, type_find, ret, d);
}

sym_mod *sym_type_mod(sym_store *s, sym_type t)
{
	sym_mod *m;
	for (size_t i = 0; t.file && (m = sym_mod_nth(s, i)); i++)
		if (m->file == t.file)
			return m;
	return NULL;
}

/* ---- fields ---- */

/* Static members have their address in the symbols, under their full name. */
static void static_address(sym_type t, sym_field *f)
{
	sym_mod *m = sym_type_mod(t.file->store, t);
	sym_type_info in;
	if (!m || sym_type_info_get(t, &in) != ERR_OK)
		return;
	arena a;
	arena_init(&a);
	sym x;
	if (sym_find(t.file->store,
		    str_printf(&a, "%.*s!%.*s::%.*s", STR_ARG(m->name), STR_ARG(in.name),
			    STR_ARG(f->name)),
		    &x, NULL) == ERR_OK)
		f->addr = x.addr;
	arena_deinit(&a);
}

err sym_type_fields(sym_type t, arena *a, sym_field **ret, size_t *n_ret)
{
	if (!t.file || is_made(t.id) || !t.file->ops->type_fields)
		return ERR_NOTFOUND;
	TRY(t.file->ops->type_fields(t.file, t.id, a, ret, n_ret));
	for (size_t i = 0; i < *n_ret; i++)
		if ((*ret)[i].is_static)
			static_address(t, &(*ret)[i]);
	return ERR_OK;
}

static bool anonymous(const sym_field *f)
{
	sym_type_info in;
	return f->type.file && !f->is_static && !f->is_method && (f->is_base || !f->name.n) &&
	       sym_type_info_get(f->type, &in) == ERR_OK && in.kind >= SYM_T_STRUCT &&
	       in.kind <= SYM_T_UNION;
}

err sym_field_in(const sym_field *in, sym_field *f)
{
	if (f->n_hops + in->n_hops > SYM_HOPS_MAX)
		return ERR_LIMIT;
	if (!f->n_hops)
		f->offset += in->offset;
	else
		f->hop[0].at += in->offset;
	memmove(f->hop + in->n_hops, f->hop, f->n_hops * sizeof *f->hop);
	memcpy(f->hop, in->hop, in->n_hops * sizeof *f->hop);
	f->n_hops = (uint8_t)(f->n_hops + in->n_hops);
	return ERR_OK;
}

/* One name in t, and in what lies in t without a name. */
static err field_one(sym_type t, arena *a, str name, bool fold, int depth, sym_field *ret)
{
	sym_field *f;
	size_t n;
	if (depth > ANON_DEPTH_MAX)
		return ERR_LIMIT;
	TRY(sym_type_fields(t, a, &f, &n));
	for (size_t i = 0; i < n; i++)
		if (!f[i].is_method && !f[i].is_base &&
			(fold ? str_ieq(f[i].name, name) : str_eq(f[i].name, name))) {
			*ret = f[i];
			return ERR_OK;
		}
	for (size_t i = 0; i < n; i++) {
		if (!anonymous(&f[i]))
			continue;
		if (field_one(f[i].type, a, name, fold, depth + 1, ret) == ERR_OK)
			return ret->is_static ? ERR_OK : sym_field_in(&f[i], ret);
	}
	return ERR_NOTFOUND;
}

/* "[3]" behind a name: the element. */
static err subscript(sym_field *f, str index, diag *d)
{
	sym_type_info in, el;
	uint64_t i;
	if (!str_u64(index, 10, &i))
		return diag_set(d, ERR_SYNTAX, "[%.*s]: subscripts are decimal", STR_ARG(index));
	TRY(sym_type_info_get(f->type, &in));
	if (in.kind != SYM_T_ARRAY)
		return diag_set(d, ERR_ARG, "%.*s is no array", STR_ARG(f->name));
	TRY(sym_type_info_get(in.elem, &el));
	if (in.count && i >= in.count)
		return diag_set(d, ERR_ARG, "%.*s has %llu elements", STR_ARG(f->name),
			(unsigned long long)in.count);
	f->offset += i * el.size;
	f->type = in.elem;
	return ERR_OK;
}

err sym_type_field(sym_type t, str path, sym_field *ret, diag *d)
{
	sym_field f;
	TRY(sym_type_member(t, path, &f, d));
	if (f.n_hops)
		return diag_set(d, ERR_UNSUPPORTED,
			"%.*s lies in a virtual base: only an object has its place", STR_ARG(path));
	*ret = f;
	return ERR_OK;
}

err sym_type_member(sym_type t, str path, sym_field *ret, diag *d)
{
	arena a;
	arena_init(&a);
	sym_field f = {.type = t}, base = {0};
	err e = path.n ? ERR_OK : diag_set(d, ERR_ARG, "no field name");
	while (e == ERR_OK && path.n) {
		size_t dot = str_chr(path, '.');
		str part = str_take(path, dot), index = {0};
		path = dot == SIZE_MAX ? (str){0} : str_skip(path, dot + 1);
		size_t open = str_chr(part, '[');
		if (open != SIZE_MAX && part.p[part.n - 1] == ']') {
			index = str_take(str_skip(part, open + 1), part.n - open - 2);
			part = str_take(part, open);
		}
		sym_type in = f.type;
		e = field_one(in, &a, part, false, 0, &f);
		if (e == ERR_NOTFOUND)
			e = field_one(in, &a, part, true, 0, &f);
		if (e != ERR_OK) {
			sym_type_info ti;
			bool known = sym_type_info_get(in, &ti) == ERR_OK;
			diag_set(d, e, "%.*s has no field %.*s", known ? (int)ti.name.n : 4,
				known ? ti.name.p : "type", STR_ARG(part));
			break;
		}
		if (index.p)
			e = subscript(&f, index, d);
		if (e == ERR_OK)
			e = sym_field_in(&base, &f);
		base = f;
	}
	if (e == ERR_OK)
		*ret = f;
	arena_deinit(&a);
	return e;
}

/* ---- patterns ---- */

typedef struct type_match {
	sym_mod *m;
	wild pat;
	arena *a;
	VEC(sym_type) types;
	VEC(str) names;
	map seen; /* a typedef that repeats its tag is one name */
	size_t looked;
} type_match;

static bool match_one(void *u, str name, uint32_t id)
{
	type_match *x = u;
	if ((++x->looked & 1023) == 0 && cancelled(x->m->store->host.cancel))
		return false;
	if (!wild_match(&x->pat, name) || map_hass(&x->seen, name))
		return true;
	map_sets(&x->seen, name, x);
	sym_type t = {x->m->file, id};
	vec_push(&x->types, t);
	vec_push(&x->names, str_printf(x->a, "%.*s!%.*s", STR_ARG(x->m->name), STR_ARG(name)));
	return x->types.n < ALIAS_MAX;
}

err sym_type_match(
	sym_store *s, arena *a, str text, sym_type **ret, str **names, size_t *n_ret, diag *d)
{
	size_t bang = str_chr(text, '!');
	str mod = bang == SIZE_MAX ? (str){0} : str_trim(str_take(text, bang));
	type_match x = {.a = a};
	err e = ERR_OK;
	wild_init(&x.pat, bang == SIZE_MAX ? text : str_trim(str_skip(text, bang + 1)), true);
	map_init(&x.seen);
	for (size_t i = 0; e == ERR_OK && (x.m = sym_mod_nth(s, i)); i++) {
		sym_file *f;
		if (mod.n ? !str_wild(mod, x.m->name, false) : !x.m->file)
			continue;
		map_clear(&x.seen);
		e = sym_mod_file(x.m, &f, d);
		if (e == ERR_OK && f->ops->type_like)
			e = f->ops->type_like(f, x.pat.pattern, match_one, &x);
		else if (e == ERR_OK && f->ops->type_each)
			e = f->ops->type_each(f, match_one, &x);
		if (e == ERR_NOTFOUND || e == ERR_FAULT)
			e = ERR_OK;
		if (cancelled(s->host.cancel))
			e = diag_set(d, ERR_CANCELLED, "cancelled");
	}
	if (e == ERR_OK) {
		*ret = arena_dup(
			a, x.types.n ? (void *)x.types.p : "", x.types.n * sizeof(sym_type));
		*names = arena_dup(a, x.names.n ? (void *)x.names.p : "", x.names.n * sizeof(str));
		*n_ret = x.types.n;
	}
	map_deinit(&x.seen);
	vec_deinit(&x.types);
	vec_deinit(&x.names);
	return e;
}

/* ---- C text ---- */

static void text(sym_type t, buf *out, int depth)
{
	sym_type_info in;
	if (depth > 16 || sym_type_info_get(t, &in) != ERR_OK) {
		buf_addz(out, "<unknown type>");
		return;
	}
	switch (in.kind) {
	case SYM_T_STRUCT:
		buf_addz(out, "struct ");
		break;
	case SYM_T_CLASS:
		buf_addz(out, "class ");
		break;
	case SYM_T_UNION:
		buf_addz(out, "union ");
		break;
	case SYM_T_ENUM:
		buf_addz(out, "enum ");
		break;
	case SYM_T_PTR:
	case SYM_T_REF: {
		sym_type_info el;
		char mark = in.kind == SYM_T_REF ? '&' : '*';
		if (sym_type_info_get(in.elem, &el) == ERR_OK && el.kind == SYM_T_FUNC) {
			text(el.elem, out, depth + 1);
			buf_addf(out, " (%c)", mark);
			sym_type_params(in.elem, out);
			return;
		}
		text(in.elem, out, depth + 1);
		if (!out->n || (out->p[out->n - 1] != '*' && out->p[out->n - 1] != '&'))
			buf_addc(out, ' ');
		buf_addc(out, mark);
		return;
	}
	case SYM_T_ARRAY: {
		/* dimensions from the left, as C writes them */
		sym_type el = in.elem;
		sym_type_info next;
		buf dims;
		buf_init(&dims, 4096);
		buf_addf(&dims, " [%llu]", (unsigned long long)in.count);
		for (int i = 0; i < 16 && sym_type_info_get(el, &next) == ERR_OK &&
				next.kind == SYM_T_ARRAY;
			i++, el = next.elem)
			buf_addf(&dims, "[%llu]", (unsigned long long)next.count);
		text(el, out, depth + 1);
		buf_adds(out, buf_str(&dims));
		buf_deinit(&dims);
		return;
	}
	case SYM_T_FUNC:
		text(in.elem, out, depth + 1);
		buf_addc(out, ' ');
		sym_type_params(t, out);
		return;
	case SYM_T_MEMBER: {
		sym_type_info el, of = {0};
		bool func = sym_type_info_get(in.elem, &el) == ERR_OK && el.kind == SYM_T_FUNC;
		if (in.owner.file && sym_type_info_get(in.owner, &of) != ERR_OK)
			of.name = (str){0};
		text(func ? el.elem : in.elem, out, depth + 1);
		buf_addf(out, func ? " (%.*s::*)" : " %.*s::*", STR_ARG(of.name));
		if (func)
			sym_type_params(in.elem, out);
		return;
	}
	default:
		break;
	}
	buf_adds(out, in.name);
}

void sym_type_params(sym_type t, buf *out)
{
	sym_type arg;
	uint32_t i = 0;
	buf_addc(out, '(');
	for (; i < 64 && sym_type_arg(t, i, &arg) == ERR_OK; i++) {
		if (i)
			buf_addz(out, ", ");
		if (!arg.file || !arg.id)
			buf_addz(out, "..."); /* T_NOTYPE ends a variable list */
		else
			text(arg, out, 8);
	}
	buf_addz(out, i ? ")" : "void)");
}

void sym_type_text(sym_type t, buf *out)
{
	text(t, out, 0);
}
