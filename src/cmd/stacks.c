/*
 * stacks: !uniqstack and !findstack: the stacks of all threads of the current process at once.
 * Refuses to know how one stack is walked.
 */
#include "cmd/stacks.h"

#include "cmd/lang.h"
#include "cmd/nt/ntc.h"

enum { FRAMES_MAX = 256 };

err stacks_collect(cmd *c, thread_stack **ret, size_t *n_ret)
{
	engine *e = c->e;
	const eng_proc *p = eng_proc_find(e, e->ctx.process);
	size_t n = p ? p->threads.n : 0;
	if (!n)
		return cmd_fail(c, ERR_NOTFOUND, "the current process has no threads");
	thread_stack *v = arena_array(&c->a, n, sizeof *v);
	for (size_t i = 0; i < n; i++) {
		diag why = {0};
		v[i].t = p->threads.p[i];
		TRY(lang_cancelled(c));
		(void)!tgt_regs_get(e->t, v[i].t->tid, X64_SET_BASES, &v[i].r, NULL);
		if (tgt_regs_get(e->t, v[i].t->tid, X64_SET_GENERAL, &v[i].r, NULL) != ERR_OK ||
			eng_stack(e, &c->a, &v[i].r, FRAMES_MAX, &v[i].f, &v[i].n, &why) != ERR_OK)
			v[i].n = 0;
	}
	*ret = v;
	*n_ret = n;
	return ERR_OK;
}

void stacks_symbol(cmd *c, const thread_stack *v, size_t i, buf *b)
{
	if (i && !v->f[i - 1].trap && !v->f[i].trap)
		out_caller(c->e, v->f[i].ip, b);
	else
		out_symbol(c->e, v->f[i].ip, b);
}

bool stacks_system(const engine *e, const sym_mod *m)
{
	static const char *const user[] = {"libc", "libm", "libpthread", "libdl", "librt",
		"libgcc_s", "libstdc__", "libc__", "ld_*", "linux_vdso", "libasan", "libubsan"},
				 *const kernel[] = {"nt", "hal", "kdcom", "verifier"};
	const char *const *v = e->mode == ENG_USER ? user : kernel;
	size_t n = e->mode == ENG_USER ? ARRAY_LEN(user) : ARRAY_LEN(kernel);
	for (size_t i = 0; i < n; i++)
		if (str_wild(str_of(v[i]), m->name, true))
			return true;
	return false;
}

size_t stacks_own(cmd *c, const thread_stack *v)
{
	for (size_t i = 0; i < v->n; i++) {
		const sym_mod *m = sym_mod_at(c->e->syms, v->f[i].ip);
		if (m && !stacks_system(c->e, m))
			return i;
	}
	return 0;
}

/* ---- !uniqstack ---- */

static bool alike(const thread_stack *a, const thread_stack *b)
{
	bool same = a->n == b->n;
	for (size_t i = 0; i < a->n && same; i++)
		same = a->f[i].ip == b->f[i].ip;
	return same;
}

static err cmd_uniqstack(cmd *c, cmd_call *call)
{
	thread_stack *v;
	size_t n, twice = 0;
	TRY(cmd_arg_end(c, call->args));
	TRY(stacks_collect(c, &v, &n));
	out(c->e, "Processing %zu threads, please wait\n\n", n);
	for (size_t i = 0; i < n; i++) {
		TRY(lang_cancelled(c));
		for (size_t k = 0; k < i && !v[i].same; k++)
			v[i].same = !v[k].same && alike(&v[i], &v[k]);
		twice += v[i].same;
		if (v[i].same)
			continue;
		procs_show_thread(c, v[i].t);
		ntc_show_stack(c, &v[i].r, false, "");
		out(c->e, "\n");
	}
	out(c->e, "Total threads: %zu\n", n);
	if (!twice)
		return ERR_OK;
	out(c->e, "Duplicate callstacks: %zu (thread numbers follow):\n", twice);
	for (size_t i = 0, shown = 0; i < n; i++)
		if (v[i].same)
			out(c->e, "%s%u", shown++ ? ", " : "", v[i].t->id);
	out(c->e, "\n");
	return ERR_OK;
}

/* ---- !findstack ---- */

/* "module!symbol", or either of them; with wildcards. */
static bool matches(engine *e, const eng_frame *f, str text)
{
	sym s;
	uint64_t disp;
	const sym_mod *m = sym_mod_at(e->syms, f->ip);
	size_t mark = str_chr(text, '!');
	bool named = sym_at(e->syms, f->ip, &s, &disp) == ERR_OK;
	if (mark == SIZE_MAX)
		return (m && str_wild(text, m->name, true)) ||
		       (named && str_wild(text, s.name, true));
	return named && str_wild(str_take(text, mark), s.mod->name, true) &&
	       str_wild(str_skip(text, mark + 1), s.name, true);
}

static void show_match(cmd *c, const thread_stack *v, size_t i, bool hit)
{
	buf b;
	buf_init(&b, 4096);
	buf_addf(&b, "        %c %02zx %s ", hit ? '*' : ' ', i, out_addr(c->e, v->f[i].sp));
	buf_addf(&b, "%s ", out_addr(c->e, v->f[i].ret));
	stacks_symbol(c, v, i, &b);
	out(c->e, "%.*s\n", STR_ARG(buf_str(&b)));
	buf_deinit(&b);
}

static err cmd_findstack(cmd *c, cmd_call *call)
{
	str rest = str_trim(call->args), text = str_word(&rest);
	uint64_t level = 1;
	thread_stack *v;
	size_t n, found = 0;
	if (!text.n)
		return cmd_fail(c, ERR_SYNTAX, "!findstack needs a symbol or a module");
	rest = str_trim(rest);
	if (rest.n)
		TRY(cmd_arg_expr(c, &rest, &level));
	TRY(cmd_arg_end(c, rest));
	TRY(stacks_collect(c, &v, &n));
	for (size_t i = 0; i < n; i++) {
		size_t hits = 0;
		bool *hit = arena_array(&c->a, v[i].n + 1, sizeof *hit);
		TRY(lang_cancelled(c));
		for (size_t k = 0; k < v[i].n; k++)
			hits += hit[k] = matches(c->e, &v[i].f[k], text);
		if (!hits)
			continue;
		found++;
		out(c->e, "Thread %03u, %zu frame(s) match\n", v[i].t->id, hits);
		for (size_t k = 0; k < v[i].n && level; k++)
			if (hit[k] || level > 1)
				show_match(c, &v[i], k, hit[k]);
		if (level)
			out(c->e, "\n");
	}
	if (!found)
		out(c->e, "No thread has %.*s on its stack\n", STR_ARG(text));
	return ERR_OK;
}

static const cmd_row rows[] = {
	{"!uniqstack", "!uniqstack", "Show the stacks of all threads, each once",
		"Of threads that stand at the same places the first is shown; the numbers of the "
		"others "
		"follow.",
		CMD_USER | CMD_TARGET, cmd_uniqstack},
	{"!findstack", "!findstack Symbol [DisplayLevel]",
		"Find the threads that are in a function",
		"Symbol is a module, a function, or module!function, with wildcards. DisplayLevel "
		"0: "
		"only which threads; 1: the frames that match (default); 2: whole stacks, these "
		"marked.",
		CMD_USER | CMD_TARGET, cmd_findstack},
};

const cmd_family cmd_family_stacks = {"All stacks", rows, ARRAY_LEN(rows)};
