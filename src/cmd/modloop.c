/*
 * modloop: !for_each_module: a command list once for every module in scope, kernel or user mode.
 *
 * The aliases are replaced as text before the list is parsed (documented), and only the documented
 * ones: another @# name stays what it is.
 */
#include "cmd/cmd.h"

#include "fmt/pe.h"

typedef struct facts {
	cmd *c;
	sym_mod *m;
	size_t index;
	arena a;
	str file_version, product_version;
	bool has_version; /* read already */
} facts;

static err image_read(void *u, uint64_t addr, void *p, size_t n, size_t *n_ret)
{
	err e = sym_image_read(((facts *)u)->c->e->syms, addr, p, n);
	if (e == ERR_OK)
		*n_ret = n;
	return e;
}

/* The version resource costs reads: only when an alias asks for it. */
static void versions(facts *f)
{
	pe_view pe;
	pe_version v;
	if (f->has_version)
		return;
	f->has_version = true;
	f->file_version = f->product_version = STR("");
	mem_reader r = {f, image_read};
	if (pe_open(&pe, &f->a, &r, f->m->base, PE_LOADED, NULL) == ERR_OK &&
		pe_version_get(&pe, &f->a, &v) == ERR_OK) {
		f->file_version = pe_version_find(&v, STR("FileVersion"));
		f->product_version = pe_version_find(&v, STR("ProductVersion"));
	}
}

/* DEBUG_SYMTYPE_xxx and DEBUG_MODULE_xxx of dbgeng.h. */
static unsigned sym_type_of(const sym_mod *m)
{
	switch (m->status) {
	case SYM_DEFERRED:
		return 5;
	case SYM_EXPORT:
		return 4;
	case SYM_PUBLIC:
	case SYM_PRIVATE:
		return 3;
	default:
		return 0;
	}
}

static str value_of(facts *f, str alias)
{
	sym_mod *m = f->m;
	arena *a = &f->a;
	str path = m->path.n ? m->path : m->image, symfile = m->symfile.n ? m->symfile : m->image;
	const struct {
		const char *name;
		str text;
	} texts[] = {{"ModuleName", m->name}, {"ImageName", m->user ? path : m->image},
		{"LoadedImageName", m->user ? path : m->image}, {"MappedImageName", STR("")},
		{"SymbolFileName", symfile}};
	const struct {
		const char *name;
		uint64_t v;
	} numbers[] = {{"ModuleIndex", f->index}, {"ModuleNameSize", m->name.n + 1},
		{"ImageNameSize", (m->user ? path.n : m->image.n) + 1},
		{"LoadedImageNameSize", (m->user ? path.n : m->image.n) + 1},
		{"MappedImageNameSize", 1}, {"SymbolFileNameSize", symfile.n + 1},
		{"Size", m->size}, {"TimeDateStamp", m->timestamp}, {"Checksum", m->checksum},
		{"Flags", m->user ? 2 : 0}, {"SymbolType", sym_type_of(m)}};
	if (str_eq(alias, STR("Base")))
		return str_printf(a, "0x%016llx", (unsigned long long)m->base);
	if (str_eq(alias, STR("End")))
		return str_printf(a, "0x%016llx", (unsigned long long)(m->base + m->size));
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (str_eq(alias, str_of(texts[i].name)))
			return str_dup(a, texts[i].text);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (str_eq(alias, str_of(numbers[i].name)))
			return str_printf(a, "0x%llx", (unsigned long long)numbers[i].v);
	bool file = str_eq(alias, STR("FileVersion"));
	if (file || str_eq(alias, STR("ProductVersion"))) {
		versions(f);
		return file ? f->file_version : f->product_version;
	}
	return (str){0};
}

static bool letter(char c)
{
	return ((c | 32) >= 'a' && (c | 32) <= 'z');
}

/* @#Name and ${@#Name} become values. */
static str expand(facts *f, str text)
{
	buf b;
	buf_init(&b, 1 << 20);
	while (text.n) {
		bool braces = str_starts(text, STR("${@#"));
		size_t at = braces ? 4 : 2, end = at;
		if (!braces && !str_starts(text, STR("@#"))) {
			buf_addc(&b, text.p[0]);
			text = str_skip(text, 1);
			continue;
		}
		while (end < text.n && letter(text.p[end]))
			end++;
		str v = value_of(f, (str){text.p + at, end - at});
		if (v.p && (!braces || (end < text.n && text.p[end] == '}'))) {
			buf_adds(&b, v);
			end += braces;
		} else {
			buf_add(&b, text.p, end);
		}
		text = str_skip(text, end);
	}
	str ret = str_dup(&f->a, buf_str(&b));
	buf_deinit(&b);
	return ret;
}

static const char default_list[] =
	".echo @#ModuleIndex : @#Base @#End @#ModuleName @#ImageName @#LoadedImageName";

/* The modules as they are now: the commands may load and unload some. */
typedef struct place {
	sym_space space;
	uint64_t base;
} place;

static err do_each_module(cmd *c, cmd_call *call)
{
	sym_store *s = c->e->syms;
	VEC(place) all = {0};
	arena a;
	str text = str_trim(call->args);
	err e = ERR_OK;
	if (text.n && text.p[0] == '"') {
		str inner;
		TRY(cmd_arg_quoted(c, &text, false, &inner));
		text = inner;
	}
	arena_init(&a);
	text = str_dup(&a, text.n ? text : str_of(default_list));
	sym_mod *m;
	for (size_t i = 0; (m = sym_mod_nth(s, i)); i++)
		vec_push(&all, (place){m->space, m->base});
	for (size_t i = 0; i < all.n && e == ERR_OK; i++) {
		if (cancelled(&c->e->cancel)) {
			e = cmd_fail(c, ERR_CANCELLED, "interrupted");
			break;
		}
		facts f = {.c = c, .m = sym_mod_in(s, all.p[i].space, all.p[i].base), .index = i};
		if (!f.m)
			continue;
		arena_init(&f.a);
		err one = cmd_execute(c, expand(&f, text));
		arena_deinit(&f.a);
		/* A command that fails for one module does not end the loop. */
		if (one == ERR_CANCELLED || one == ERR_DEAD)
			e = one;
		else
			diag_clear(&c->d);
	}
	vec_deinit(&all);
	arena_deinit(&a);
	return e;
}

static const cmd_row rows[] = {
	{"!for_each_module", "!for_each_module [\"CommandString\"]",
		"Run commands once for each module",
		"These words in CommandString are replaced for each module before anything else is "
		"parsed: "
		"@#ModuleIndex @#ModuleName @#ImageName @#LoadedImageName @#MappedImageName "
		"@#SymbolFileName "
		"(and each name with Size behind it: its length + 1), @#Base @#End @#Size "
		"@#TimeDateStamp "
		"@#Checksum @#Flags @#SymbolType @#FileVersion @#ProductVersion. They are "
		"case-sensitive and "
		"need blanks around them; ${@#ModuleName} needs none. Without commands the modules "
		"are listed. "
		"Ctrl+C ends the loop.\n\n"
		"  !for_each_module x ${@#ModuleName}!*Debug*Flag*\n"
		"  !for_each_module s-a @#Base @#End \"MZ\"",
		CMD_ANY | CMD_TARGET | CMD_REST, do_each_module},
};

const cmd_family cmd_family_modloop = {"Modules, one by one", rows, ARRAY_LEN(rows)};
