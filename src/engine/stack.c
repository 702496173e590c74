/*
 * stack: frames from unwind data, across user/kernel, trap and signal frames: .pdata of PE images,
 * or DWARF's call frame information where an image has that.
 *
 * Invariant: rsp only grows within one stack; a walk that makes no progress ends with words. Image
 * bytes (unwind codes) may come from a file or cache, stack bytes always from the current view.
 */
#include "engine/internal.h"

enum { FRAME_MAX = 1 << 20, STACK_MAX = 4096, GUESS_WORDS = 256, CALL_MAX = 7, START_MAX = 64 };

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

/* Does a call instruction end at addr? The page before may not be there. */
static bool call_ends(engine *e, uint64_t addr)
{
	uint8_t code[CALL_MAX];
	size_t have = CALL_MAX;
	if (eng_read_all(e, addr - have, code, have, NULL) != ERR_OK) {
		have = addr % 4096 < CALL_MAX ? (size_t)(addr % 4096) : 0;
		if (eng_read_all(e, addr - have, code, have, NULL) != ERR_OK)
			return false;
	}
	for (size_t n = 2; n <= have; n++) {
		x64_insn in;
		if (x64_decode(code + have - n, n, addr - n, &in) == ERR_OK && in.len == n &&
			in.flow == X64_FLOW_CALL)
			return true;
	}
	return false;
}

/* What a signal handler returns to: the kernel put that address there, no call. */
static bool signal_return(engine *e, uint64_t addr)
{
	static const uint8_t code[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
	uint8_t raw[sizeof code];
	return e->mode == ENG_USER && eng_read_all(e, addr, raw, sizeof raw, NULL) == ERR_OK &&
	       !memcmp(raw, code, sizeof code);
}

/* Leaves the frame whose return address is at slot. False: what is there can be none. */
static bool leave_by(engine *e, x64_regs *r, uint64_t slot, x64_frame_info *info)
{
	uint64_t to;
	if (eng_read_uint(e, slot, 8, &to, NULL) != ERR_OK ||
		!(call_ends(e, to) || signal_return(e, to)))
		return false;
	info->ret_slot = slot;
	r->rip = to;
	r->gpr[X64_RSP] = slot + 8;
	return true;
}

/*
 * Unwind data that is not there, or not in memory (an image page that nobody touched yet), does not
 * hide the callers: the nearest word above rsp that can be a return address into a module is taken
 * for it.
 */
static bool guess_caller(engine *e, x64_regs *r, x64_frame_info *info)
{
	uint64_t sp = r->gpr[X64_RSP], v;
	for (size_t i = 0; i < GUESS_WORDS; i++, sp += 8) {
		if (eng_read_uint(e, sp, 8, &v, NULL) != ERR_OK)
			return false;
		if (sym_mod_at(e->syms, v) && leave_by(e, r, sp, info)) {
			r->valid = X64_SET_CONTROL;
			return true;
		}
	}
	return false;
}

static err read_stack(void *u, uint64_t addr, void *p, size_t n, size_t *n_ret)
{
	return eng_read((engine *)u, addr, p, n, n_ret, NULL);
}

/* The code that the system gave a program's first thread to: nobody called it. */
static bool in_start(engine *e, sym_mod *m, uint64_t pc)
{
	uint64_t entry, disp;
	sym k;
	return sym_entry_point(m, &entry, NULL) == ERR_OK && pc - entry < START_MAX &&
	       (sym_at(e->syms, pc, &k, &disp) != ERR_OK || pc - disp <= entry);
}

/*
 * What the code itself tells of a frame that nobody describes: where a function begins or ends the
 * return address is the nearest word, elsewhere that of rbp's frame is, if there is one.
 */
static bool by_the_code(engine *e, x64_regs *r, bool call_site, x64_frame_info *info)
{
	static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa},
			     mov_rbp_rsp[] = {0x48, 0x89, 0xe5};
	enum { PUSH_RBP = 0x55, RET = 0xc3 };
	uint64_t rsp = r->gpr[X64_RSP], rbp = r->gpr[X64_RBP], saved;
	uint8_t code[4] = {0};
	size_t n;
	if (!call_site && eng_read(e, r->rip, code, sizeof code, &n, NULL) == ERR_OK) {
		if ((code[0] == PUSH_RBP || code[0] == RET ||
			    !memcmp(code, endbr64, sizeof endbr64)) &&
			leave_by(e, r, rsp, info))
			return true;
		if (!memcmp(code, mov_rbp_rsp, sizeof mov_rbp_rsp))
			rbp = rsp; /* pushed just now */
	}
	if (rbp >= rsp && rbp - rsp <= FRAME_MAX &&
		eng_read_uint(e, rbp, 8, &saved, NULL) == ERR_OK && leave_by(e, r, rbp + 8, info)) {
		r->gpr[X64_RBP] = saved;
		return true;
	}
	return !call_site && leave_by(e, r, rsp, info);
}

/*
 * One frame up. An image with .pdata is NT's; call frame information is asked for all others. A
 * call site's rules are those of the call instruction, not of what follows it.
 */
static err one_up(engine *e, x64_regs *r, bool call_site, x64_frame_info *info)
{
	x64_unwind_env env = {e, env_func, env_image, env_stack};
	mem_reader stack = {e, read_stack};
	sym_mod *m = e->mode == ENG_USER ? sym_mod_at(e->syms, r->rip) : NULL;
	if (e->mode != ENG_USER || (m && !sym_mod_is_elf(m)))
		return x64_unwind(r, &env, info);
	err x = sym_cfi_unwind(e->syms, r, call_site, &stack, info, NULL);
	if (x != ERR_NOTFOUND)
		return x;
	/* Code that nobody describes. */
	if (m && in_start(e, m, r->rip)) {
		r->rip = 0;
		return ERR_OK;
	}
	info->leaf = true;
	return by_the_code(e, r, call_site, info) ? ERR_OK : ERR_NOTFOUND;
}

typedef struct walk {
	engine *e;
	diag *why;
	x64_regs r;
	size_t n;     /* frames so far */
	bool trap;    /* the last one is a trap frame */
	bool guessed; /* the first guess is what to tell: all below follows from it */
} walk;

/* The frame that w stands in, and on to its caller. False: it has none. */
static bool walk_on(walk *w, eng_frame *f)
{
	engine *e = w->e;
	x64_frame_info info = {0};
	bool below_call = w->n && !w->trap;
	*f = (eng_frame){.sp = w->r.gpr[X64_RSP], .ip = w->r.rip, .regs = w->r};
	err x = one_up(e, &w->r, below_call, &info);
	if (x != ERR_OK && guess_caller(e, &w->r, &info)) {
		if (!w->guessed)
			diag_set(w->why, x,
				x == ERR_NOTFOUND
					? "No unwind data for %s: callers from there are guessed"
					: "Unwind data for %s cannot be read; callers from there "
					  "are "
					  "guessed (the image on the symbol path would tell)",
				out_addr(e, f->ip));
		w->guessed = true;
		x = ERR_OK;
	}
	if (x != ERR_OK && !w->guessed)
		diag_set(w->why, x, "Unwinding past %s: %s", out_addr(e, f->ip), err_name(x));
	if (x == ERR_OK)
		f->ret = w->r.rip;
	f->ret_slot = info.ret_slot;
	f->func = info.func_begin;
	f->trap = info.machine_frame;
	f->leaf = info.leaf;
	w->n++;
	w->trap = f->trap;
	if (x != ERR_OK || !w->r.rip || cancelled(&e->cancel))
		return false;
	/* A leaf below the top means that there is no unwind data where there should be. */
	if (info.leaf && below_call) {
		if (!w->guessed)
			diag_set(w->why, ERR_NOTFOUND,
				"No unwind data for %s: frames below may be wrong",
				out_addr(e, f->ip));
		if (!sym_mod_at(e->syms, w->r.rip))
			return false;
	}
	bool same_half = eng_is_user(e, f->sp) == eng_is_user(e, w->r.gpr[X64_RSP]);
	return !same_half || info.machine_frame || w->r.gpr[X64_RSP] > f->sp;
}

err eng_stack(engine *e, arena *a, const x64_regs *start, size_t max, eng_frame **ret,
	size_t *n_ret, diag *why)
{
	VEC(eng_frame) v = {0};
	walk w = {.e = e, .why = why, .r = *start};
	eng_frame f;

	TRY(eng_accessible(e, why));
	if (max > STACK_MAX)
		max = STACK_MAX;
	diag_clear(why);
	for (bool more = true; more && v.n < max;) {
		more = walk_on(&w, &f);
		vec_push(&v, f);
	}
	*ret = arena_dup(a, v.p, v.n * sizeof *v.p);
	*n_ret = v.n;
	vec_deinit(&v);
	return ERR_OK;
}

err eng_depth(engine *e, const x64_regs *start, size_t max, size_t *ret)
{
	walk w = {.e = e, .r = *start};
	eng_frame f;

	TRY(eng_accessible(e, NULL));
	if (max > STACK_MAX)
		max = STACK_MAX;
	*ret = 0;
	/* The last one counts whether it has a caller or not. */
	for (bool more = max > 0; more;)
		more = ++*ret < max && walk_on(&w, &f);
	return ERR_OK;
}
