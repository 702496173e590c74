/*
 * call: .call. A thread is sent into a function and gets its registers back when that returns; what
 * the function gave is $callret. Refuses to know expressions: arguments come as bytes with types.
 *
 *   eng_call        registers and stack are set up; the return address is the program's own start,
 *                   where nobody comes a second time, with a site of ours
 *   call_returned   is this stop that return?
 *   call_finish     result out, registers back
 *
 * Invariant: a thread has at most one call under way. Whoever lets the process go puts the
 * registers back first: without us the function would return into the program's start.
 */
#include "arch/sysv.h"
#include "engine/cxxenv.h"
#include "engine/internal.h"

#include <stdio.h>

enum {
	SAVED = X64_SET_GENERAL | X64_SET_BASES | X64_SET_FLOAT,
	DEPTH_MAX = 16,
	RESULT_MAX = 1 << 20,
	STACK_ALIGN = 64
};

typedef struct call {
	uint64_t process;
	unit_t thread;
	x64_regs saved;
	uint64_t callee, type_of, sp, result;
	site *back;
	bool fresh; /* it has not run yet: a breakpoint on its first instruction hits */
} call;

struct call_table {
	VEC(call *) v;
	call *returned; /* in the stop that is being decided */
};

static struct call_table *table(engine *e)
{
	if (!e->calls)
		e->calls = mem_alloc(sizeof *e->calls);
	return e->calls;
}

static call *find(engine *e, unit_t thread)
{
	for (size_t i = 0; e->calls && i < e->calls->v.n; i++)
		if (e->calls->v.p[i]->thread == thread)
			return e->calls->v.p[i];
	return NULL;
}

static void forget(engine *e, call *k)
{
	struct call_table *t = e->calls;
	for (size_t i = 0; i < t->v.n; i++)
		if (t->v.p[i] == k)
			vec_remove(&t->v, i);
	if (t->returned == k)
		t->returned = NULL;
	site_put(e, k->back);
	mem_free(k);
}

void calls_destroy(engine *e)
{
	while (e->calls && e->calls->v.n)
		forget(e, e->calls->v.p[0]);
	if (e->calls)
		vec_deinit(&e->calls->v);
	mem_free(e->calls);
	e->calls = NULL;
}

/* ---- classes (psABI, 3.2.3) ---- */

static sysv_class merge(sysv_class a, sysv_class b)
{
	if (a == b || b == SYSV_NONE)
		return a;
	if (a == SYSV_NONE)
		return b;
	if (a == SYSV_MEMORY || b == SYSV_MEMORY || a == SYSV_X87 || b == SYSV_X87)
		return SYSV_MEMORY;
	return a == SYSV_INTEGER || b == SYSV_INTEGER ? SYSV_INTEGER : SYSV_SSE;
}

static err classify(arena *a, sym_type t, uint64_t off, sysv_class cls[2], int depth, diag *d);

static err classify_parts(arena *a, sym_type t, uint64_t off, sysv_class cls[2], int depth, diag *d)
{
	sym_field *f;
	size_t n;
	TRY(sym_type_fields(t, a, &f, &n));
	for (size_t i = 0; i < n; i++) {
		if (f[i].is_static || f[i].is_method)
			continue;
		if (f[i].n_hops) {
			cls[0] = SYSV_MEMORY;
			return ERR_OK;
		}
		uint64_t word = (off + f[i].offset + f[i].bit_pos / 8) / 8;
		if (f[i].bit_len && word < 2) {
			cls[word] = merge(cls[word], SYSV_INTEGER);
			continue;
		}
		TRY(classify(a, f[i].type, off + f[i].offset, cls, depth + 1, d));
	}
	return ERR_OK;
}

/* Adds the classes of a value of type t that lies at off of the whole. */
static err classify(arena *a, sym_type t, uint64_t off, sysv_class cls[2], int depth, diag *d)
{
	sym_type_info in, el;
	sysv_class c = SYSV_INTEGER;
	TRY(sym_type_info_get(t, &in));
	if (depth > DEPTH_MAX)
		return diag_set(d, ERR_LIMIT, "a type is nested too deeply");
	switch (in.kind) {
	case SYM_T_VOID:
		return ERR_OK;
	case SYM_T_STRUCT:
	case SYM_T_CLASS:
	case SYM_T_UNION:
		if (in.size > SYSV_REG_BYTES || in.by_reference) {
			cls[0] = SYSV_MEMORY;
			return ERR_OK;
		}
		return classify_parts(a, t, off, cls, depth, d);
	case SYM_T_ARRAY:
		TRY(sym_type_info_get(in.elem, &el));
		for (uint64_t i = 0; el.size && off + i * el.size < SYSV_REG_BYTES && i < in.count;
			i++)
			TRY(classify(a, in.elem, off + i * el.size, cls, depth + 1, d));
		return ERR_OK;
	case SYM_T_COMPLEX:
		TRY(sym_type_info_get(in.elem, &el));
		TRY(classify(a, in.elem, off, cls, depth + 1, d));
		return classify(a, in.elem, off + el.size, cls, depth + 1, d);
	case SYM_T_FLOAT:
		if (in.size > 8 && !str_eq(in.name, STR("long double")))
			return diag_set(
				d, ERR_UNSUPPORTED, "a %.*s cannot be passed", STR_ARG(in.name));
		c = in.size > 8 ? SYSV_X87 : SYSV_SSE;
		break;
	case SYM_T_FUNC:
	case SYM_T_UNKNOWN:
		return diag_set(d, ERR_UNSUPPORTED, "a type is not known");
	default:
		break;
	}
	if ((c == SYSV_X87 && off) || (in.size && off % in.size)) /* not aligned */
		c = SYSV_MEMORY;
	for (uint64_t i = off / 8; i <= (off + (in.size ? in.size - 1 : 0)) / 8 && i < 2; i++)
		cls[i] = merge(cls[i], c == SYSV_X87 && i ? SYSV_NONE : c);
	if (cls[0] == SYSV_MEMORY || cls[1] == SYSV_MEMORY || (cls[1] == SYSV_X87 && off))
		cls[0] = SYSV_MEMORY;
	return ERR_OK;
}

static err value_of(arena *a, const eng_arg *g, sysv_value *ret, diag *d)
{
	sym_type_info in;
	*ret = (sysv_value){.p = g->p, .n = g->n, .align = 8};
	if (!g->type.file) {
		ret->cls[0] = g->real ? SYSV_SSE : SYSV_INTEGER;
		return ERR_OK;
	}
	TRY(sym_type_info_get(g->type, &in));
	TRY(classify(a, g->type, 0, ret->cls, 0, d));
	bool wide = (in.kind == SYM_T_INT || in.kind == SYM_T_UINT) && in.size == 16;
	if (ret->cls[0] == SYSV_X87 || wide)
		ret->align = 16;
	return ERR_OK;
}

/* ---- setting up ---- */

err eng_func_type(engine *e, uint64_t func, sym_type *ret, diag *d)
{
	sym s;
	uint64_t disp;
	sym_type_info in;
	if (!e->syms || sym_at(e->syms, func, &s, &disp) != ERR_OK || disp || !s.type.file ||
		sym_type_info_get(s.type, &in) != ERR_OK || in.kind != SYM_T_FUNC)
		return diag_set(
			d, ERR_NOTFOUND, "nothing is known of a function at %s", out_addr(e, func));
	*ret = s.type;
	return ERR_OK;
}

/* The start of the thread's program. */
static err way_back(engine *e, uint64_t process, uint64_t *ret, diag *d)
{
	const eng_proc *p = eng_proc_find(e, process);
	sym_mod *m = p ? sym_mod_at(e->syms, p->base) : NULL;
	if (!m)
		return diag_set(d, ERR_NOTFOUND, "the program's image is not known");
	return sym_entry_point(m, ret, d);
}

/* What the function will find: registers in r, the rest on the stack below. */
static err prepare(engine *e, call *k, sym_type func, const sysv_value *v, size_t n, x64_regs *r,
	uint64_t back, diag *d)
{
	sysv_class cls[2] = {SYSV_NONE, SYSV_NONE};
	sym_type_info fn, in;
	uint8_t *stack = arena_alloc(&e->stop, SYSV_STACK_MAX), raw[8];
	size_t used;
	TRY(sym_type_info_get(func, &fn));
	in = (sym_type_info){.kind = SYM_T_VOID};
	if (fn.elem.file)
		TRY(sym_type_info_get(fn.elem, &in));
	if (fn.elem.file)
		TRY(classify(&e->stop, fn.elem, 0, cls, 0, d));
	if (in.size > RESULT_MAX)
		return diag_set(d, ERR_LIMIT, "the result is larger than 1 MiB");
	bool in_memory = cls[0] == SYSV_MEMORY;
	err x = sysv_place(r, v, n, in_memory, stack, SYSV_STACK_MAX, &used);
	if (x != ERR_OK)
		return diag_set(d, x, "the arguments need more than 64 KiB of stack");
	uint64_t sp = r->gpr[X64_RSP] - SYSV_RED_ZONE - (in.size > 16 ? in.size : 16);
	k->result = sp &= ~(uint64_t)(STACK_ALIGN - 1);
	if (in_memory)
		r->gpr[X64_RDI] = k->result;
	sp = (sp - used) & ~(uint64_t)15;
	k->sp = sp;
	if (used)
		TRY(eng_write(e, sp, stack, used, d));
	le_put(raw, back, sizeof raw);
	TRY(eng_write(e, sp - 8, raw, sizeof raw, d));
	r->gpr[X64_RSP] = sp - 8;
	r->rip = k->callee;
	r->eflags &= ~(uint32_t)X64_FL_DF;
	return ERR_OK;
}

err eng_call(engine *e, uint64_t func, uint64_t like, const eng_arg *args, size_t n, diag *d)
{
	x64_regs r = {0};
	sym_type type;
	uint64_t back;
	TRY(eng_accessible(e, d));
	if (find(e, e->ctx.unit))
		return diag_set(d, ERR_STATE,
			"a call is under way on this thread: let it run (g), or .call /C");
	TRY(eng_func_type(e, like, &type, d));
	TRY(way_back(e, e->ctx.process, &back, d));
	sysv_value *v = arena_array(&e->stop, n, sizeof *v);
	for (size_t i = 0; i < n; i++)
		TRY(value_of(&e->stop, &args[i], &v[i], d));
	/* a frame of .frame is where the arguments were looked at, not where the thread stands */
	eng_ctx_reset_regs(e);
	TRY(eng_regs(e, SAVED, &r, d));
	call k = {.process = e->ctx.process,
		.thread = e->ctx.unit,
		.saved = r,
		.callee = func,
		.type_of = like,
		.fresh = true};
	TRY(prepare(e, &k, type, v, n, &r, back, d));
	TRY(eng_regs_write(e, X64_SET_CONTROL | X64_SET_INTEGER | X64_SET_FLOAT, &r, d));
	k.back = site_get(e, TGT_TRAP_SOFT, eng_here(e), back, 0);
	call *kept = mem_alloc(sizeof *kept);
	*kept = k;
	vec_push(&table(e)->v, kept);
	/* The exception that stopped the thread is not the function's. */
	e->reported = 0;
	return ERR_OK;
}

/* ---- the end ---- */

static err put_back(engine *e, const call *k, diag *d)
{
	TRY(tgt_regs_set(e->t, k->thread, SAVED, &k->saved, d));
	/* a fault of the function's is none of what the thread goes on with */
	(void)!tgt_ctl(e->t, TGT_CTL_DROP_FAULT, k->thread, NULL);
	if (e->ev.unit == k->thread) {
		e->ev.pc = k->saved.rip;
		e->ev.n_stream = 0;
	}
	insn_forget(e);
	return ERR_OK;
}

err eng_call_clear(engine *e, bool restore, diag *d)
{
	call *k = find(e, e->ctx.unit);
	TRY(eng_accessible(e, d));
	if (!k)
		return diag_set(d, ERR_NOTFOUND, "no call is under way on this thread");
	if (restore)
		TRY(put_back(e, k, d));
	forget(e, k);
	if (restore)
		ctx_from_event(e);
	return ERR_OK;
}

void calls_leave(engine *e, uint64_t process)
{
	for (size_t i = 0; e->calls && i < e->calls->v.n;) {
		call *k = e->calls->v.p[i];
		if (process && k->process != process) {
			i++;
			continue;
		}
		if (put_back(e, k, NULL) != ERR_OK)
			out_as(e, OUT_WARNING,
				"Thread %x is in the middle of a .call, and stays there.\n",
				k->thread);
		forget(e, k);
	}
}

void calls_gone(engine *e, const tgt_event *ev)
{
	bool all = ev->kind == TGT_EV_PROCESS_EXIT || ev->kind == TGT_EV_PROCESS;
	for (size_t i = 0; e->calls && i < e->calls->v.n;) {
		call *k = e->calls->v.p[i];
		if (all ? k->process == ev->process_id : k->thread == ev->unit)
			forget(e, k);
		else
			i++;
	}
}

bool call_entered(engine *e)
{
	call *k = find(e, e->ev.unit);
	bool fresh = k && k->fresh && e->ev.pc == k->callee;
	if (fresh)
		k->fresh = false;
	return fresh;
}

bool call_returned(engine *e, const tgt_event *ev)
{
	call *k = find(e, ev->unit);
	x64_regs r = {0};
	if (!k || k->back->addr != ev->pc ||
		tgt_regs_get(e->t, ev->unit, X64_SET_CONTROL, &r, NULL) != ERR_OK ||
		r.gpr[X64_RSP] != k->sp)
		return false;
	e->calls->returned = k;
	snprintf(e->last_event, sizeof e->last_event, "Function returned to .call");
	return true;
}

err eng_func_result(engine *e, arena *a, sym_type func, const x64_regs *r, uint64_t room,
	cxx_value *ret, diag *d)
{
	sysv_class cls[2] = {SYSV_NONE, SYSV_NONE};
	sym_type_info fn, in;
	cxx_env env;
	*ret = (cxx_value){0};
	TRY(sym_type_info_get(func, &fn));
	if (!fn.elem.file)
		return ERR_NOTFOUND;
	TRY(sym_type_info_get(fn.elem, &in));
	if (in.kind == SYM_T_VOID)
		return ERR_NOTFOUND;
	eng_cxx_env(e, &env);
	TRY(cxx_type_of(&env, a, (cxx_handle){fn.elem.file, fn.elem.id}, &ret->type));
	TRY(classify(a, fn.elem, 0, cls, 0, d));
	if (cls[0] == SYSV_MEMORY) {
		ret->lvalue = ret->in_memory = true;
		ret->addr = r->gpr[X64_RAX];
		return ERR_OK;
	}
	ret->has_raw = true;
	sysv_result(r, cls, ret->raw, in.size < SYSV_REG_BYTES ? in.size : SYSV_REG_BYTES);
	bool scalar = ret->type->kind != CXX_STRUCT && ret->type->kind != CXX_ARRAY;
	if (!room || (in.size <= 8 && scalar))
		return ERR_OK;
	/* what is larger than a pseudo-register is kept where it can be looked at */
	TRY(eng_write(e, room, ret->raw, in.size, d));
	ret->has_raw = false;
	ret->lvalue = ret->in_memory = true;
	ret->addr = room;
	return ERR_OK;
}

void call_finish(engine *e)
{
	call *k = e->calls ? e->calls->returned : NULL;
	x64_regs r = {0};
	sym_type func;
	cxx_value v;
	diag d;
	if (!k)
		return;
	diag_clear(&d);
	err x = tgt_regs_get(e->t, k->thread, SAVED, &r, &d);
	if (x == ERR_OK)
		x = eng_func_type(e, k->type_of, &func, &d);
	if (x == ERR_OK)
		x = eng_func_result(e, &e->stop, func, &r, k->result, &v, &d);
	bool is_void = x == ERR_NOTFOUND && !d.text[0];
	if (x == ERR_OK)
		x = eng_temp_set_typed(e, STR("$callret"), &v, &d);
	diag back;
	diag_clear(&back);
	if (put_back(e, k, &back) != ERR_OK)
		out_as(e, OUT_ERROR, "The registers of thread %x cannot be put back: %s\n",
			k->thread, back.text);
	forget(e, k);
	ctx_from_event(e);
	ctx_scope(e);
	if (x != ERR_OK && !is_void)
		out_as(e, OUT_ERROR, ".call: what the function returned is lost: %s\n", d.text);
	else if (is_void)
		out(e, ".call returns:\nvoid\n");
	else
		out(e, ".call returns:\n");
	if (x == ERR_OK && e->hooks.run)
		(void)!e->hooks.run(e->hooks.cu, STR("?? @$callret"), NULL);
}
