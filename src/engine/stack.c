/*
 * stack: frames from unwind data, across user/kernel and trap frames.
 *
 * Invariant: rsp only grows within one stack; a walk that makes no progress ends with words. Image
 * bytes (unwind codes) may come from a file or cache, stack bytes always from the current view.
 */
#include "engine/internal.h"

enum { STACK_MAX = 4096, GUESS_WORDS = 256, CALL_MAX = 7 };

static err env_func(void *u, uint64_t pc, x64_func *ret)
{
	engine *e = u;
	return sym_unwind_func(e->syms, pc, &ret->base, &ret->begin, &ret->end, &ret->unwind);
}

static err env_image(void *u, uint64_t addr, void *p, size_t n)
{
	engine *e = u;
	if (sym_image_read(e->syms, addr, p, n) == ERR_OK)
		return ERR_OK;
	return eng_read_all(e, addr, p, n, NULL);
}

static err env_stack(void *u, uint64_t addr, void *p, size_t n)
{
	return eng_read_all((engine *)u, addr, p, n, NULL);
}

/* Does a call instruction end at addr? */
static bool after_call(engine *e, uint64_t addr)
{
	uint8_t code[CALL_MAX];
	if (!sym_mod_at(e->syms, addr) ||
		eng_read_all(e, addr - CALL_MAX, code, sizeof code, NULL) != ERR_OK)
		return false;
	for (size_t n = 2; n <= CALL_MAX; n++) {
		x64_insn in;
		if (x64_decode(code + CALL_MAX - n, n, addr - n, &in) == ERR_OK && in.len == n &&
			in.flow == X64_FLOW_CALL)
			return true;
	}
	return false;
}

/*
 * Unwind data that is not in memory (an image page that nobody touched yet) does not hide the
 * callers: the nearest word above rsp that points behind a call is taken for the return address.
 */
static bool guess_caller(engine *e, x64_regs *r, x64_frame_info *info)
{
	uint64_t sp = r->gpr[X64_RSP];
	for (size_t i = 0; i < GUESS_WORDS; i++, sp += 8) {
		uint64_t v;
		if (eng_read_uint(e, sp, 8, &v, NULL) != ERR_OK)
			return false;
		if (!after_call(e, v))
			continue;
		r->rip = v;
		r->gpr[X64_RSP] = sp + 8;
		r->valid = X64_SET_CONTROL;
		info->ret_slot = sp;
		return true;
	}
	return false;
}

err eng_stack(engine *e, arena *a, const x64_regs *start, size_t max, eng_frame **ret,
	size_t *n_ret, diag *why)
{
	x64_unwind_env env = {e, env_func, env_image, env_stack};
	VEC(eng_frame) v = {0};
	x64_regs r = *start;
	bool guessed = false; /* the first guess is what to tell: all below follows from it */

	TRY(eng_accessible(e, why));
	if (max > STACK_MAX)
		max = STACK_MAX;
	diag_clear(why);
	while (v.n < max) {
		x64_frame_info info = {0};
		eng_frame f = {.sp = r.gpr[X64_RSP], .ip = r.rip, .regs = r};
		err x = x64_unwind(&r, &env, &info);
		if (x != ERR_OK && guess_caller(e, &r, &info)) {
			if (!guessed)
				diag_set(why, x,
					"Unwind data for %s cannot be read; callers from there are "
					"guessed (the image on the symbol path would tell)",
					out_addr(e, f.ip));
			guessed = true;
			x = ERR_OK;
		}
		if (x != ERR_OK && !guessed)
			diag_set(why, x, "Unwinding past %s: %s", out_addr(e, f.ip), err_name(x));
		if (x == ERR_OK)
			f.ret = r.rip;
		f.ret_slot = info.ret_slot;
		f.func = info.func_begin;
		f.trap = info.machine_frame;
		f.leaf = info.leaf;
		vec_push(&v, f);
		if (x != ERR_OK || !r.rip || cancelled(&e->cancel))
			break;
		/* A leaf below the top means that there is no unwind data where there should be. */
		if (info.leaf && v.n > 1 && !v.p[v.n - 2].trap) {
			if (!guessed)
				diag_set(why, ERR_NOTFOUND,
					"no unwind data for %s: frames below may be wrong",
					out_addr(e, f.ip));
			if (!sym_mod_at(e->syms, r.rip))
				break;
		}
		bool same_half = eng_is_user(e, f.sp) == eng_is_user(e, r.gpr[X64_RSP]);
		if (same_half && !info.machine_frame && r.gpr[X64_RSP] <= f.sp)
			break;
	}
	*ret = arena_dup(a, v.p, v.n * sizeof *v.p);
	*n_ret = v.n;
	vec_deinit(&v);
	return ERR_OK;
}
