/*
 * block: !peb !teb !dlls !envvar of a Linux process: what Windows keeps in the blocks of a process
 * and a thread, from where Linux has it.
 */
#include "cmd/lx/lx.h"

enum { ENVIRONMENT_MAX = 16384 };

/* The next of words that end with NUL each. */
static bool next_word(str *text, str *ret)
{
	if (!text->n)
		return false;
	size_t nul = str_chr(*text, 0);
	*ret = str_take(*text, nul);
	*text = nul == SIZE_MAX ? (str){0} : str_skip(*text, nul + 1);
	return true;
}

/* A text that a core may not have. */
static str text_or_none(cmd *c, tgt_info what)
{
	str s;
	if (lx_text(c, what, c->e->ctx.process, &s) == ERR_OK)
		return s;
	diag_clear(&c->d);
	return STR("");
}

static const sym_mod *program(engine *e)
{
	const eng_proc *p = eng_proc_find(e, e->ctx.process);
	return p ? sym_mod_at(e->syms, p->base) : NULL;
}

/* ---- !peb ---- */

err lx_peb(cmd *c, cmd_call *call)
{
	engine *e = c->e;
	const sym_mod *m = program(e);
	str words, w, all;
	buf b;
	TRY(cmd_arg_end(c, call->args));
	buf_init(&b, 1 << 20);
	words = text_or_none(c, TGT_I_CMDLINE);
	while (next_word(&words, &w))
		buf_addf(&b, "%s%.*s", b.n ? " " : "", STR_ARG(w));
	out(e, "PEB of process %llx (Linux has none; what it would tell)\n",
		(unsigned long long)e->ctx.process);
	if (m)
		out(e, "    ImageBaseAddress:         %s\n", out_addr(e, m->base));
	out(e, "    ImageFile:    '%.*s'\n    CommandLine:  '%s'\n",
		STR_ARG(text_or_none(c, TGT_I_EXE)), buf_z(&b));
	buf_deinit(&b);
	out(e, "    Base              Module\n");
	for (size_t i = 0; (m = sym_mod_nth(e->syms, i)); i++)
		out(e, "    %s %.*s\n", out_addr(e, m->base),
			STR_ARG(m->path.n ? m->path : m->name));
	all = text_or_none(c, TGT_I_ENVIRON);
	out(e, "    Environment:%s\n", all.n ? "" : "  (not known)");
	for (size_t n = 0; n < ENVIRONMENT_MAX && next_word(&all, &w); n++) {
		TRY(lang_cancelled(c));
		if (w.n)
			out(e, "        %.*s\n", STR_ARG(w));
	}
	return ERR_OK;
}

/* ---- !envvar ---- */

static err cmd_envvar(cmd *c, cmd_call *call)
{
	str rest = str_trim(call->args), name = str_word(&rest), text, w;
	TRY(cmd_arg_end(c, rest));
	if (!name.n)
		return cmd_fail(c, ERR_SYNTAX, "!envvar needs the name of a variable");
	TRY(lx_text(c, TGT_I_ENVIRON, c->e->ctx.process, &text));
	while (next_word(&text, &w))
		if (w.n > name.n && w.p[name.n] == '=' && str_starts(w, name)) {
			out(c->e, "        %.*s = %.*s\n", STR_ARG(name),
				STR_ARG(str_skip(w, name.n + 1)));
			return ERR_OK;
		}
	return cmd_fail(
		c, ERR_NOTFOUND, "%.*s is not defined in the process's environment", STR_ARG(name));
}

/* ---- !teb ---- */

err lx_teb(cmd *c, cmd_call *call)
{
	engine *e = c->e;
	x64_regs r = {0};
	linux_map m;
	str maps;
	buf name;
	TRY(cmd_arg_end(c, call->args));
	TRY(eng_unit_regs(e, e->ctx.unit, X64_SET_CONTROL | X64_SET_BASES, &r, &c->d));
	out(e, "TEB at %s (the thread's control block)\n", out_addr(e, r.fs_base));
	maps = text_or_none(c, TGT_I_MAPS);
	while (linux_map_next(&maps, &m))
		if (r.gpr[X64_RSP] >= m.start && r.gpr[X64_RSP] < m.end)
			out(e,
				"    StackBase:            %016llx\n    StackLimit:           "
				"%016llx\n",
				(unsigned long long)m.end, (unsigned long long)m.start);
	out(e, "    Self:                 %016llx\n", (unsigned long long)r.fs_base);
	out(e, "    ClientId:             %016llx . %016llx\n", (unsigned long long)e->ctx.process,
		(unsigned long long)e->ctx.unit);
	buf_init(&name, 256);
	if (tgt_info_get(e->t, TGT_I_THREAD_NAME, e->ctx.unit, &name, NULL) == ERR_OK && name.n)
		out(e, "    ThreadName:           %.*s\n", STR_ARG(str_trim(buf_str(&name))));
	buf_deinit(&name);
	return lx_gle(c, &(cmd_call){.row = call->row, .name = call->name});
}

/* ---- !dlls ---- */

err lx_dlls(cmd *c, cmd_call *call)
{
	engine *e = c->e;
	str rest = str_trim(call->args), sw;
	uint64_t holds = 0, entry;
	sym_mod *m;
	size_t shown = 0;
	while (cmd_arg_switch(&rest, "-", &sw)) {
		if (str_eq(sw, STR("c")))
			TRY(cmd_arg_expr(c, &rest, &holds));
		else if (!str_eq(sw, STR("l")))
			return cmd_fail(c, ERR_UNSUPPORTED,
				"!dlls of a Linux process has only -c and -l (see lm and !lmi)");
	}
	TRY(cmd_arg_end(c, rest));
	for (size_t i = 0; (m = sym_mod_nth(e->syms, i)); i++) {
		if (holds && (holds < m->base || holds - m->base >= m->size))
			continue;
		TRY(lang_cancelled(c));
		shown++;
		if (sym_entry_point(m, &entry, NULL) != ERR_OK)
			entry = 0;
		out(e, "\n0x%016llx: %.*s\n", (unsigned long long)m->base,
			STR_ARG(m->path.n ? m->path : m->name));
		out(e, "      Base   0x%016llx  EntryPoint  0x%016llx  Size        0x%08llx\n",
			(unsigned long long)m->base, (unsigned long long)entry,
			(unsigned long long)m->size);
	}
	return shown ? ERR_OK : cmd_fail(c, ERR_NOTFOUND, "No module holds %s", out_addr(e, holds));
}

static const cmd_row rows[] = {
	{"!envvar", "!envvar Name", "Show a variable of the process's environment",
		"As it was when the program began.", CMD_USER | CMD_TARGET, cmd_envvar},
};

const cmd_family cmd_family_lx_block = {"Blocks of a Linux process", rows, ARRAY_LEN(rows)};
