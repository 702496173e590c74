/*
 * workspace: what survives a session - bu (and bm, which made bu) breakpoints, filters that were
 * changed, the symbol path - as a script of the very commands that recreate it, so that a user can
 * read and edit it. bp and ba are not saved: an address means nothing in the next session.
 */
#include "engine/internal.h"

enum { WORKSPACE_MAX = 1 << 20 };

static const char *sx_verb(sx_break b)
{
	return b == SX_BREAK ? "sxe" : b == SX_SECOND ? "sxd" : b == SX_OUTPUT ? "sxn" : "sxi";
}

static void filter_line(const sx_filter *f, buf *b)
{
	buf_addz(b, sx_verb(f->brk));
	if (f->command && *f->command)
		buf_addf(b, " -c \"%s\"", f->command);
	if (f->command2 && *f->command2)
		buf_addf(b, " -c2 \"%s\"", f->command2);
	if (f->code)
		buf_addf(b, " %s%s%s\n", f->code, f->arg && *f->arg ? ":" : "",
			f->arg ? f->arg : "");
	else
		buf_addf(b, " 0x%x\n", f->number);
}

err workspace_save(engine *e, const char *path, diag *d)
{
	buf b;
	buf_init(&b, WORKSPACE_MAX);
	buf_addz(&b, "$$ Ringside workspace: commands that recreate the session's bu breakpoints "
		     "and settings\n");
	str sympath = sym_path(e->syms);
	if (sympath.n)
		buf_addf(&b, ".sympath %.*s\n", STR_ARG(sympath));
	for (size_t i = 0; i < sx_count(e); i++)
		if (sx_nth(e, i)->touched)
			filter_line(sx_nth(e, i), &b);
	for (size_t i = 0; i < bp_count(e); i++) {
		const bp *p = bp_nth(e, i);
		if (p->internal || p->kind != BP_BU || p->process || p->thread)
			continue; /* EPROCESS and ETHREAD addresses do not live longer than the
				     session */
		bp_cmd_line(e, p, &b);
		buf_addc(&b, '\n');
		if (!p->enabled)
			buf_addf(&b, "bd %u\n", p->id);
	}
	err r = b.toobig ? diag_set(d, ERR_LIMIT, "the workspace is larger than %d bytes",
				   WORKSPACE_MAX)
			 : sys_write_file(path, buf_str(&b), d);
	buf_deinit(&b);
	return r;
}

err workspace_load(engine *e, const char *path, diag *d)
{
	arena a;
	str text;

	if (!e->hooks.run)
		return diag_set(d, ERR_STATE, "no command interpreter to load a workspace with");
	arena_init(&a);
	err r = sys_read_file(&a, path, WORKSPACE_MAX, &text, d);
	while (r == ERR_OK && text.n) {
		size_t nl = str_chr(text, '\n');
		str line = str_take(text, nl == SIZE_MAX ? text.n : nl);
		text = str_skip(text, line.n + 1);
		if (str_trim(line).n)
			r = e->hooks.run(e->hooks.cu, str_trim(line), d);
	}
	arena_deinit(&a);
	return r;
}
