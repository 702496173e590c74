/*
 * scope: what the current frame means to names and lines: its instruction, its source line, its
 * variables. A call that the compiler put into a function counts as a frame: it shares the
 * function's registers and has names of its own.
 */
#include "engine/internal.h"

err eng_scope_ip(engine *e, uint64_t *ret, diag *d)
{
	TRY(eng_ip(e, ret, d));
	if (e->ctx.frame_set && e->ctx.frame_call && *ret)
		--*ret;
	return ERR_OK;
}

/* Inlined calls around pc, and how many of them the current frame is inside of. */
static size_t level(engine *e, arena *a, uint64_t pc, sym_inline **calls)
{
	size_t n = 0;
	*calls = NULL;
	if (sym_inlines(e->syms, a, pc, calls, &n) != ERR_OK || !n)
		return 0;
	return e->ctx.frame_out < n ? n - e->ctx.frame_out : 0;
}

err eng_scope_line(engine *e, sym_line *ret, diag *d)
{
	uint64_t pc;
	sym_inline *calls;
	sym_line l;
	TRY(eng_scope_ip(e, &pc, d));
	if (!e->syms || sym_line_at(e->syms, pc, &l) != ERR_OK)
		return diag_set(
			d, ERR_NOTFOUND, "No source line information for %s", out_addr(e, pc));
	size_t in = level(e, &e->stop, pc, &calls);
	if (e->ctx.frame_out && calls) {
		str file = in ? calls[in - 1].file : calls[0].call_file;
		if (file.n) {
			l.file = file;
			l.line = in ? calls[in - 1].line : calls[0].call_line;
		}
	}
	*ret = l;
	return ERR_OK;
}

err eng_locals(engine *e, arena *a, bool around, sym_local **ret, size_t *n_ret, diag *d)
{
	uint64_t pc;
	sym_inline *calls;
	sym_local *all;
	size_t n, k = 0;
	TRY(eng_scope_ip(e, &pc, d));
	if (!e->syms)
		return diag_set(d, ERR_STATE, "there is no target, so there are no symbols");
	TRY(sym_locals(e->syms, a, pc, &all, &n, d));
	size_t in = level(e, a, pc, &calls);
	for (size_t i = 0; i < n; i++)
		if (around ? all[i].inlined < in : all[i].inlined == in)
			all[k++] = all[i];
	*ret = all;
	*n_ret = k;
	return ERR_OK;
}
