/*
 * modules: lm, ld, .reload, !lmi, !chksym. Forms: the documentation's pages of these commands and
 * "Symbol Status Abbreviations". What a module is and how it finds its symbols is the symbol
 * room's.
 */
#include "cmd/cmd.h"

#include "fmt/pe.h"

#include <ctype.h>
#include <stdlib.h>

static err need_syms(cmd *c)
{
	return c->e->syms ? ERR_OK
			  : cmd_fail(c, ERR_STATE, "there is no target, so there are no modules");
}

/* ---- lm ---- */

typedef struct lm {
	cmd *c;
	bool loaded_only, with_symbols, verbose, user, kernel, problems, checksum, names_only,
		by_name;
	bool image, full, image_name, mapped, timestamp;
	bool has_addr;
	uint64_t addr;
	str pattern; /* of the module's name */
	str path;    /* of the image's path */
} lm;

/* "C", "T", "M", "#" of the status column; blank if all is well. */
static char mark(sym_mod *m)
{
	if (m->status == SYM_DEFERRED)
		return ' ';
	if (m->mismatch)
		return 'M';
	if (sym_mod_is_elf(m))
		return ' '; /* which has neither */
	if (!m->timestamp)
		return 'T';
	return m->checksum || m->status == SYM_NONE || m->status == SYM_EXPORT ? ' ' : 'C';
}

static void add_time(uint32_t stamp, buf *b)
{
	if (stamp)
		sym_time(stamp, b);
	else
		buf_addz(b, "unavailable");
	buf_addf(b, " (%08X)", stamp);
}

static bool chosen(const lm *x, sym_mod *m)
{
	if ((x->user && !m->user) || (x->kernel && m->user))
		return false;
	if (x->with_symbols && m->status < SYM_EXPORT)
		return false;
	if (x->problems && m->status >= SYM_PUBLIC && mark(m) == ' ')
		return false;
	if (x->problems && m->status == SYM_DEFERRED)
		return false;
	if (x->has_addr && (x->addr < m->base || x->addr - m->base >= m->size))
		return false;
	if (x->pattern.n && !str_wild(x->pattern, m->name, false))
		return false;
	return !x->path.n || str_wild(x->path, m->path.n ? m->path : m->image, false);
}

static void line(const lm *x, sym_mod *m)
{
	engine *e = x->c->e;
	buf b;
	buf_init(&b, 65536);
	if (x->names_only) {
		out(e, "%.*s\n", STR_ARG(m->name));
		buf_deinit(&b);
		return;
	}
	buf_addf(&b, "%s %s   %-8.*s ", out_addr(e, m->base), out_addr(e, m->base + m->size),
		STR_ARG(m->name));
	if (x->full || x->image_name || x->mapped || x->timestamp) {
		buf_addz(&b, "  ");
		if (x->full)
			buf_addf(&b, "%.*s ", STR_ARG(m->path.n ? m->path : m->image));
		if (x->image_name)
			buf_addf(&b, "%-12.*s ", STR_ARG(m->image));
		if (x->mapped)
			buf_addf(&b, "%.*s ", STR_ARG(sym_mod_image_path(m)));
		if (x->timestamp)
			add_time(m->timestamp, &b);
	} else {
		str status = str_printf(&x->c->a, "(%s)", sym_status_text(m));
		buf_addf(&b, "%c %-23.*s", mark(m), STR_ARG(status));
		if (status.n > 21)
			buf_addz(&b, status.n == 22 ? " " : "  ");
		if (x->image)
			buf_adds(&b, m->image);
		else
			buf_adds(&b, m->symfile);
	}
	if (x->checksum)
		buf_addf(&b, " Checksum: %08X", m->checksum);
	while (b.n && b.p[b.n - 1] == ' ')
		b.n--;
	buf_addc(&b, '\n');
	out_str(e, OUT_NORMAL, buf_str(&b));
	buf_deinit(&b);
}

static void version_lines(engine *e, const pe_version *v)
{
	static const struct {
		uint32_t type;
		const char *text;
	} types[] = {{1, "App"}, {2, "Dll"}, {3, "Driver"}, {4, "Font"}, {5, "VXD"},
		{7, "Static library"}};
	if (v->fixed) {
		const char *type = "Unknown";
		for (size_t i = 0; i < ARRAY_LEN(types); i++)
			if (types[i].type == v->type)
				type = types[i].text;
		out(e, "    File version:     %u.%u.%u.%u\n", v->file[0], v->file[1], v->file[2],
			v->file[3]);
		out(e, "    Product version:  %u.%u.%u.%u\n", v->product[0], v->product[1],
			v->product[2], v->product[3]);
		out(e, "    File flags:       %X (Mask %X)\n", v->flags & v->flags_mask,
			v->flags_mask);
		out(e, "    File OS:          %X\n", v->os);
		out(e, "    File type:        %X.%X %s\n", v->type, v->subtype, type);
	}
	if (v->nstrs) {
		out(e, "    Translations:     %.4s.%.4s\n",
			v->strs[0].lang.n >= 8 ? v->strs[0].lang.p : "0000",
			v->strs[0].lang.n >= 8 ? v->strs[0].lang.p + 4 : "0000");
		out(e, "    Information from resource tables:\n");
	}
	for (size_t i = 0; i < v->nstrs; i++)
		if (str_eq(v->strs[i].lang, v->strs[0].lang))
			out(e, "        %.*s:%*s%.*s\n", STR_ARG(v->strs[i].key),
				v->strs[i].key.n < 17 ? (int)(17 - v->strs[i].key.n) : 1, "",
				STR_ARG(v->strs[i].value));
}

static void details(const lm *x, sym_mod *m)
{
	engine *e = x->c->e;
	struct pe_view *pe;
	diag d;
	diag_clear(&d);
	buf b;
	buf_init(&b, 4096);
	err known = sym_mod_pe(m, &pe, &d);
	bool elf = known != ERR_OK && sym_mod_is_elf(m);
	out(e, "    Loaded symbol image file: %.*s\n", STR_ARG(m->image));
	str mapped = sym_mod_image_path(m);
	if (mapped.n)
		out(e, "    Mapped memory image file: %.*s\n", STR_ARG(mapped));
	out(e, "    Image path: %.*s\n", STR_ARG(m->path.n ? m->path : m->image));
	out(e, "    Image name: %.*s\n", STR_ARG(m->image));
	if (elf) {
		if (sym_mod_build_id(m, &b, NULL) == ERR_OK)
			out(e, "    Build ID:         %s\n", buf_z(&b));
		out(e, "    ImageSize:        %08llX\n", (unsigned long long)m->size);
		buf_deinit(&b);
		return;
	}
	str repro;
	if (known == ERR_OK && pe_debug_repro(pe, &x->c->a, &repro) == ERR_OK)
		buf_addf(&b, "%08X (This is a reproducible build file hash, not a timestamp)",
			m->timestamp);
	else
		add_time(m->timestamp, &b);
	out(e, "    Timestamp:        %s\n", buf_z(&b));
	out(e, "    CheckSum:         %08X\n", m->checksum);
	out(e, "    ImageSize:        %08llX\n", (unsigned long long)m->size);
	pe_version v;
	if (known == ERR_OK && pe_version_get(pe, &x->c->a, &v) == ERR_OK)
		version_lines(e, &v);
	else if (known != ERR_OK)
		out(e, "    The image header cannot be read: %s\n", d.text);
	buf_deinit(&b);
}

static void unloaded(const lm *x)
{
	const sym_unloaded *u;
	bool said = false;
	sym_space scope = sym_scope(x->c->e->syms);
	for (size_t i = 0; (u = sym_unloaded_nth(x->c->e->syms, i)); i++) {
		if (u->space && u->space != scope)
			continue;
		if ((x->user && !u->space) || (x->kernel && u->space) ||
			(x->path.n && !str_wild(x->path, u->image, false)))
			continue;
		if (x->pattern.n && !str_wild(x->pattern, str_stem(u->image), false))
			continue;
		if (x->has_addr && (x->addr < u->base || x->addr - u->base >= u->size))
			continue;
		out(x->c->e, "%s%s %s   %.*s\n", said ? "" : "\nUnloaded modules:\n",
			out_addr(x->c->e, u->base), out_addr(x->c->e, u->base + u->size),
			STR_ARG(u->image));
		said = true;
	}
}

static int by_name(const void *a, const void *b)
{
	return str_icmp((*(sym_mod *const *)a)->name, (*(sym_mod *const *)b)->name);
}

/* The options stand in one run, glued to lm or not, until m, M or a takes the rest. */
static err lm_options(lm *x, str s)
{
	while ((s = str_trim(s)).n) {
		char ch = s.p[0];
		s = str_skip(s, 1);
		switch (ch) {
		case 'D':
		case 'f':
		case 'n':
		case 'p':
		case 't':
		case 'i':
			x->full |= ch == 'f';
			x->image_name |= ch == 'n';
			x->mapped |= ch == 'p';
			x->timestamp |= ch == 't';
			x->image |= ch == 'i';
			break;
		case 'o':
			x->loaded_only = true;
			break;
		case 'l':
			x->with_symbols = true;
			break;
		case 'v':
			x->verbose = true;
			break;
		case 'u':
			x->user = true;
			break;
		case 'k':
			x->kernel = true;
			break;
		case 'e':
			x->problems = true;
			break;
		case 'c':
			x->checksum = true;
			break;
		case '1':
			if (!s.n || s.p[0] != 'm')
				return cmd_syntax(x->c, s);
			x->names_only = true;
			s = str_skip(s, 1);
			break;
		case 's':
			if (!s.n || s.p[0] != 'm')
				return cmd_syntax(x->c, s);
			x->by_name = true;
			s = str_skip(s, 1);
			break;
		case 'a':
			TRY(cmd_arg_expr(x->c, &s, &x->addr));
			x->has_addr = true;
			break;
		case 'm':
			x->pattern = str_word(&s);
			if (!x->pattern.n)
				return cmd_fail(
					x->c, ERR_SYNTAX, "lm m needs a pattern of module names");
			break;
		case 'M':
			x->path = str_word(&s);
			if (!x->path.n)
				return cmd_fail(
					x->c, ERR_SYNTAX, "lm M needs a pattern of image paths");
			break;
		default:
			return cmd_fail(x->c, ERR_SYNTAX, "lm has no option %c", ch);
		}
	}
	return ERR_OK;
}

static err cmd_lm(cmd *c, cmd_call *call)
{
	lm x = {.c = c};
	sym_mod *m;
	VEC(sym_mod *) v = {0};
	TRY(need_syms(c));
	TRY(lm_options(&x, call->args));
	for (size_t i = 0; (m = sym_mod_nth(c->e->syms, i)); i++)
		if (chosen(&x, m))
			vec_push(&v, m);
	if (x.by_name && v.n)
		qsort(v.p, v.n, sizeof *v.p, by_name);
	int width = (int)strlen(out_addr(c->e, 0));
	if (!x.names_only)
		out(c->e, "%-*s %-*s   module name\n", width, "start", width, "end");
	err e = ERR_OK;
	for (size_t i = 0; i < v.n && e == ERR_OK; i++) {
		line(&x, v.p[i]);
		if (x.verbose && !x.names_only)
			details(&x, v.p[i]);
		if (cancelled(&c->e->cancel))
			e = cmd_fail(c, ERR_CANCELLED, "cancelled");
	}
	vec_deinit(&v);
	if (e == ERR_OK && !x.names_only && !x.loaded_only && !x.with_symbols && !x.problems)
		unloaded(&x);
	return e;
}

/* ---- ld ---- */

static void say_loaded(cmd *c, sym_mod *m, bool before)
{
	if (m->status >= SYM_EXPORT)
		out(c->e, "Symbols %sloaded for %.*s\n", before ? "already " : "",
			STR_ARG(m->name));
	else
		out(c->e, "No symbols found for %.*s\n", STR_ARG(m->name));
}

static err cmd_ld(cmd *c, cmd_call *call)
{
	str rest = call->args, sw, file = {0}, name = {0};
	sym_mod *m;
	size_t n = 0;
	TRY(need_syms(c));
	if (!cmd_arg_switch(&rest, "/", &sw)) {
		name = str_word(&rest);
		rest = str_trim(rest);
		if (!cmd_arg_switch(&rest, "/", &sw))
			sw = (str){0};
	}
	if (sw.n) {
		if (!str_ieq(sw, STR("f")))
			return cmd_fail(c, ERR_SYNTAX, "ld has no option /%.*s", STR_ARG(sw));
		file = str_word(&rest);
	}
	TRY(cmd_arg_end(c, rest));
	if (!name.n && !file.n)
		return cmd_syntax(c, call->args);
	for (size_t i = 0; (m = sym_mod_nth(c->e->syms, i)); i++) {
		if (file.n ? !str_wild(file, m->image, false) : !str_wild(name, m->name, false))
			continue;
		bool before = m->status != SYM_DEFERRED;
		n++;
		TRY(sym_mod_load(m, &c->d));
		say_loaded(c, m, before);
	}
	if (!n)
		return cmd_fail(
			c, ERR_NOTFOUND, "no module matches %.*s", STR_ARG(file.n ? file : name));
	bp_resolve_all(c->e);
	return ERR_OK;
}

/* ---- .reload ---- */

typedef struct reload {
	cmd *c;
	bool force, ignore, list, kernel_only, user_only, overwrite, system, unload, from_unloaded,
		verbose, literal;
	str module;
	bool has_base;
	uint64_t base, size, timestamp;
} reload;

static unsigned how(const reload *x)
{
	return (x->force || x->ignore ? SYM_LOAD_NOW : SYM_LOAD_DEFER) |
	       (x->ignore ? SYM_LOAD_MISMATCH : 0) | (x->overwrite ? SYM_LOAD_OVERWRITE : 0);
}

static err reload_one(const reload *x, sym_mod *m)
{
	if (cancelled(&x->c->e->cancel))
		return cmd_fail(x->c, ERR_CANCELLED, "cancelled");
	TRY(sym_mod_reload(m, how(x), &x->c->d));
	if (x->verbose)
		out(x->c->e, "%.*s - %s\n", STR_ARG(m->name), sym_status_text(m));
	return ERR_OK;
}

static bool matches(const reload *x, str name, str image)
{
	str pat = str_base(x->module);
	if (x->literal)
		return str_ieq(pat, image) || str_ieq(pat, name);
	return str_wild(pat, image, false) || str_wild(pat, name, false) ||
	       str_wild(str_stem(pat), name, false);
}

/* A row of dots, one a module, as the debuggers show that they are at it. */
static err reload_part(const reload *x, bool user)
{
	sym_mod *m;
	size_t n = 0;
	for (size_t i = 0; (m = sym_mod_nth(x->c->e->syms, i)); i++)
		n += m->user == user;
	if (x->c->e->mode == ENG_KERNEL || x->c->e->mode == ENG_LOCAL_KERNEL)
		out(x->c->e, "Loading %s Symbols\n", user ? "User" : "Kernel");
	else if (n) /* of an image or a program all are of one part */
		out(x->c->e, "Reloading current modules\n");
	size_t done = 0;
	for (size_t i = 0; (m = sym_mod_nth(x->c->e->syms, i)); i++) {
		if (m->user != user)
			continue;
		TRY(reload_one(x, m));
		if (!x->verbose)
			out(x->c->e, ".%s", ++done % 64 && done < n ? "" : "\n");
	}
	return ERR_OK;
}

static err reload_all(const reload *x)
{
	engine *e = x->c->e;
	bool kernel = !x->user_only, user = !x->kernel_only, show_user = user;
	if (e->os) {
		/* a target without lists (an image by itself) has the modules it has */
		err k = kernel ? eng_reload(e, true, false, &x->c->d) : ERR_OK;
		if (k != ERR_OK && k != ERR_UNSUPPORTED)
			return k;
		if (user) {
			diag d;
			diag_clear(&d);
			err r = eng_reload(e, false, true, &d);
			if (r == ERR_CANCELLED || (r != ERR_OK && x->user_only))
				return diag_set(&x->c->d, r, "%s", d.text);
			show_user = r == ERR_OK; /* the system process has no user modules */
		}
	}
	sym_failures_clear(e->syms);
	if (kernel)
		TRY(reload_part(x, false));
	if (show_user)
		TRY(reload_part(x, true));
	const sym_unloaded *u;
	bool any = false;
	for (size_t i = 0; kernel && (u = sym_unloaded_nth(e->syms, i)); i++) {
		if (u->space)
			continue;
		out(e, "%s.", any ? "" : "Loading unloaded module list\n");
		any = true;
	}
	out(e, "%s", any ? "\n" : "");
	return ERR_OK;
}

static err add_given(const reload *x)
{
	engine *e = x->c->e;
	sym_space space = eng_is_user(e, x->base) ? sym_scope(e->syms) : 0;
	sym_mod *old = sym_mod_in(e->syms, space, x->base);
	if (old && old->base == x->base)
		sym_mod_remove(e->syms, old);
	sym_mod *m = sym_mod_add(
		e->syms, space, x->base, x->size, (uint32_t)x->timestamp, 0, (str){0}, x->module);
	if (!m)
		return cmd_fail(
			x->c, ERR_LIMIT, "Unable to add module at %s", out_addr(e, x->base));
	return reload_one(x, m);
}

static err add_from_unloaded(const reload *x)
{
	const sym_unloaded *u;
	for (size_t i = 0; (u = sym_unloaded_nth(x->c->e->syms, i)); i++) {
		if (!matches(x, str_stem(u->image), u->image))
			continue;
		sym_mod *m = sym_mod_add(
			x->c->e->syms, u->space, u->base, u->size, 0, 0, (str){0}, u->image);
		return m ? reload_one(x, m) : cmd_fail(x->c, ERR_LIMIT, "too many modules");
	}
	return cmd_fail(x->c, ERR_NOTFOUND, "%.*s is not in the list of unloaded modules",
		STR_ARG(x->module));
}

static err for_matching(const reload *x, size_t *n_ret)
{
	sym_mod *m;
	size_t n = 0;
	for (size_t i = 0; (m = sym_mod_nth(x->c->e->syms, i));) {
		if (!matches(x, m->name, m->image)) {
			i++;
			continue;
		}
		n++;
		if (x->unload) {
			out(x->c->e, "Unloaded %.*s\n", STR_ARG(m->image));
			sym_mod_remove(x->c->e->syms, m); /* the next one moves to i */
		} else {
			TRY(reload_one(x, m));
			i++;
		}
	}
	*n_ret = n;
	return ERR_OK;
}

static err reload_named(const reload *x)
{
	engine *e = x->c->e;
	size_t n;
	if (x->has_base)
		return add_given(x);
	if (x->from_unloaded)
		return add_from_unloaded(x);
	TRY(for_matching(x, &n));
	if (!n && !x->unload && e->os) {
		/* not known yet: the target's list may have it by now */
		err r = eng_reload(e, true, false, NULL);
		if (r == ERR_CANCELLED)
			return cmd_fail(x->c, r, "cancelled");
		TRY(for_matching(x, &n));
	}
	if (n)
		return ERR_OK;
	if (x->unload)
		return cmd_fail(
			x->c, ERR_NOTFOUND, "Unable to find module '%.*s'", STR_ARG(x->module));
	return cmd_fail(x->c, ERR_NOTFOUND,
		"\"%.*s\" was not found in the image list.\n"
		"Please provide the full image name, including the extension (i.e. kernel32.dll)\n"
		"for more reliable results. Base address and size overrides can be given as\n"
		".reload <image.ext>=<base>,<size>.",
		STR_ARG(x->module));
}

/* name[=base[,size[,timestamp]]] */
static err module_arg(reload *x, str *rest)
{
	size_t n = 0;
	while (n < rest->n && rest->p[n] != '=' && !isspace((unsigned char)rest->p[n]))
		n++;
	x->module = str_take(*rest, n);
	*rest = str_skip(*rest, n);
	if (!rest->n || rest->p[0] != '=')
		return ERR_OK;
	*rest = str_skip(*rest, 1);
	x->has_base = true;
	uint64_t *const parts[] = {&x->base, &x->size, &x->timestamp};
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		TRY(eng_eval_prefix(x->c->e, rest, parts[i], &x->c->d));
		if (!rest->n || rest->p[0] != ',')
			break;
		*rest = str_skip(*rest, 1);
	}
	return ERR_OK;
}

static err reload_options(reload *x, str *rest)
{
	static const struct {
		const char *name;
		size_t off;
	} rows[] = {{"f", offsetof(reload, force)}, {"i", offsetof(reload, ignore)},
		{"l", offsetof(reload, list)}, {"n", offsetof(reload, kernel_only)},
		{"user", offsetof(reload, user_only)}, {"o", offsetof(reload, overwrite)},
		{"s", offsetof(reload, system)}, {"unl", offsetof(reload, from_unloaded)},
		{"u", offsetof(reload, unload)}, {"v", offsetof(reload, verbose)},
		{"w", offsetof(reload, literal)}, {"d", offsetof(reload, system)}};
	str sw;
	while (cmd_arg_switch(rest, "/-", &sw)) {
		size_t i = 0;
		while (i < ARRAY_LEN(rows) && !str_ieq(sw, str_of(rows[i].name)))
			i++;
		if (i == ARRAY_LEN(rows))
			return cmd_fail(
				x->c, ERR_SYNTAX, ".reload has no option /%.*s", STR_ARG(sw));
		*(bool *)((char *)x + rows[i].off) = true;
	}
	return ERR_OK;
}

static err cmd_reload(cmd *c, cmd_call *call)
{
	reload x = {.c = c};
	str rest = str_trim(call->args);
	if (str_eq(rest, STR("-?"))) {
		out(c->e, "%s\n", call->row->usage);
		return ERR_OK;
	}
	TRY(need_syms(c));
	TRY(reload_options(&x, &rest));
	TRY(module_arg(&x, &rest));
	TRY(cmd_arg_end(c, rest));
	if (x.kernel_only && x.user_only)
		return cmd_fail(c, ERR_ARG, "/n and /user exclude each other");
	if (x.list) {
		cmd_call list = *call;
		list.args = x.kernel_only ? STR("k") : x.user_only ? STR("u") : (str){0};
		return cmd_lm(c, &list);
	}
	if (!x.module.n && (x.unload || x.from_unloaded))
		return cmd_fail(c, ERR_SYNTAX, "which module?");
	err e = x.module.n ? reload_named(&x) : reload_all(&x);
	bp_resolve_all(c->e);
	return e;
}

/* ---- !lmi, !chksym ---- */

static err mod_arg(cmd *c, str *rest, sym_mod **ret)
{
	uint64_t addr;
	TRY(need_syms(c));
	str word = *rest;
	word = str_word(&word);
	sym_mod *m = sym_mod_find(c->e->syms, word);
	if (m) {
		(void)str_word(rest);
		*rest = str_trim(*rest);
	} else {
		TRY(cmd_arg_expr(c, rest, &addr));
		m = sym_mod_at(c->e->syms, addr);
	}
	if (!m)
		return cmd_fail(c, ERR_NOTFOUND, "%.*s is not a loaded module", STR_ARG(word));
	*ret = m;
	return ERR_OK;
}

static err cmd_lmi(cmd *c, cmd_call *call)
{
	sym_mod *m;
	str rest = call->args;
	if (!str_trim(rest).n)
		return cmd_syntax(c, rest);
	TRY(mod_arg(c, &rest, &m));
	TRY(cmd_arg_end(c, rest));
	buf b;
	buf_init(&b, 1 << 20);
	sym_lmi(m, &b);
	out_str(c->e, OUT_NORMAL, buf_str(&b));
	buf_deinit(&b);
	return ERR_OK;
}

static err cmd_chksym(cmd *c, cmd_call *call)
{
	sym_mod *m;
	str rest = call->args, pdb_name;
	if (!str_trim(rest).n)
		return cmd_syntax(c, rest);
	TRY(mod_arg(c, &rest, &m));
	TRY(cmd_arg_end(c, rest));
	TRY(sym_mod_load(m, &c->d));
	buf id;
	buf_init(&id, 256);
	err e = sym_mod_pdb_id(m, &id, &pdb_name, &c->d);
	if (e == ERR_OK) {
		out(c->e,
			"%.*s\n    Timestamp: %08X\n  SizeOfImage: %llX\n          pdb: %.*s\n     "
			" pdb sig: %s\n\n",
			STR_ARG(m->image), m->timestamp, (unsigned long long)m->size,
			STR_ARG(pdb_name), buf_z(&id));
		if (m->status < SYM_PUBLIC)
			out(c->e, "no PDB is loaded for %.*s (%s)\n", STR_ARG(m->name),
				sym_status_text(m));
		else
			out(c->e, "%.*s %s %.*s\n", STR_ARG(m->symfile),
				m->mismatch ? "does NOT match" : "matches", STR_ARG(m->image));
	}
	buf_deinit(&id);
	return e;
}

static const cmd_row rows[] = {
	{"lm", "lm [Options] [a Address] [m Pattern | M Pattern]",
		"List modules and the state of their symbols",
		"Options, in any order, with or without blanks between them:\n"
		"\n"
		"l  only modules whose symbols are loaded    o  no unloaded modules\n"
		"v  verbose: image, version, timestamp       e  only modules with a symbol "
		"problem\n"
		"u  user modules only                        k  kernel modules only\n"
		"c  checksums                                1m names only\n"
		"sm sorted by name instead of address        D  accepted (markup)\n"
		"i  image name instead of symbol file        f  full path\n"
		"n  image name                               p  image mapped on this host\n"
		"t  timestamp                                a  only the module that holds "
		"Address\n"
		"m  names that match the pattern             M  image paths that match\n"
		"\n"
		"State: deferred (not needed yet), pdb symbols (a stripped PDB), private pdb "
		"symbols, export "
		"symbols, no symbols. In front of it: M a PDB that does not match was accepted "
		"(.reload /i), "
		"T no timestamp, C no checksum.\n"
		"\n"
		"    kd> lm m nt\n"
		"    start             end                 module name\n"
		"    fffff800`02a00000 fffff800`02fe9000   nt         (pdb symbols)          "
		"/sym/ntkrnlmp.pdb",
		CMD_ANY | CMD_TARGET | CMD_SUFFIX | CMD_CASE, cmd_lm},
	{"ld", "ld Module [/f FileName]", "Load the symbols of a module now",
		"Module is a pattern of module names. With /f the image file names are compared "
		"instead.",
		CMD_ANY | CMD_TARGET, cmd_ld},
	{".reload", ".reload [Options] [Module[=Address[,Size[,Timestamp]]]]",
		"Renew the module list and forget loaded symbols",
		"Nothing is loaded until it is needed. Without Module all modules of the system "
		"and of the "
		"current process are looked at again. Module is an image name (wildcards allowed) "
		"or a module "
		"name; with an address a module is added by hand (the size is read from its header "
		"if not "
		"given). What was looked for in vain is looked for again.\n"
		"\n"
		"/f     load at once                  /i    accept a PDB that does not match "
		"(implies /f)\n"
		"/n     kernel modules only           /user user modules of the current process "
		"only\n"
		"/u     remove the module             /unl  take address and size from the "
		"unloaded list\n"
		"/l     only list                     /o    fetch again what caches hold (with "
		"/f)\n"
		"/s /d  accepted                      /v    verbose\n"
		"/w     Module is no pattern          -?    short help",
		CMD_ANY | CMD_TARGET, cmd_reload},
	{"!lmi", "!lmi Module", "Show what the headers of a module say",
		"Module is a name or an address. Machine, timestamp, size, debug data with GUID "
		"and age, and "
		"which symbols were loaded.",
		CMD_ANY | CMD_TARGET, cmd_lmi},
	{"!chksym", "!chksym Module", "Compare a module with its symbol file",
		"Shows the PDB that the image names, with GUID and age, and whether the loaded one "
		"is that.",
		CMD_ANY | CMD_TARGET, cmd_chksym},
};

const cmd_family cmd_family_modules = {"Modules and symbols", rows, ARRAY_LEN(rows)};
