/*
 * bp: what the user asked for, and its resolution to an address. Refuses to know how a byte gets
 * into the target (site.c) and what happens at a hit (hit.c).
 *
 * Invariant: an enabled breakpoint with an address holds one reference to its site; a disabled or
 * unresolved one holds none.
 */
#include "engine/internal.h"

#include <stdio.h>

bp *bp_find(engine *e, uint32_t id)
{
	for (size_t i = 0; i < e->bps->bps.n; i++)
		if (e->bps->bps.p[i]->id == id && !e->bps->bps.p[i]->internal)
			return e->bps->bps.p[i];
	return NULL;
}

bp *bp_nth(engine *e, size_t i)
{
	return i < e->bps->bps.n ? e->bps->bps.p[i] : NULL;
}

size_t bp_count(engine *e)
{
	return e->bps->bps.n;
}

static void changed(engine *e)
{
	if (e->hooks.notice)
		e->hooks.notice(e->hooks.u, &(eng_notice){.kind = ENG_N_ENGINE, .arg = 4});
}

/* ---- sites of a breakpoint ---- */

static tgt_trap_kind trap_kind(const bp *b)
{
	return b->kind == BP_BA ? b->access : TGT_TRAP_SOFT;
}

static err bind(engine *e, bp *b, diag *d)
{
	as_t as = e->caps.threads ? as_process(b->owner) : as_current();
	if (b->loc.site || !b->enabled || b->deferred)
		return ERR_OK;
	if (b->direct) {
		os_process p;
		TRY(os_process_get(e->os, b->process, &p, d));
		as = os_space(&p, true);
	}
	b->loc.site = site_get(e, trap_kind(b), as, b->loc.addr, b->kind == BP_BA ? b->size : 0);
	return ERR_OK;
}

static void unbind(engine *e, bp *b)
{
	site *s = b->loc.site;
	b->loc.site = NULL;
	site_put(e, s);
}

/* ---- where: checks ---- */

err bp_check_boundary(engine *e, uint64_t addr, diag *d)
{
	uint64_t base, start = 0;
	uint32_t begin, end, unwind;
	sym s;
	uint64_t disp;

	if (!e->syms)
		return ERR_OK;
	/* The start of code that is known to begin an instruction: unwind data, else a symbol. */
	if (sym_unwind_func(e->syms, addr, &base, &begin, &end, &unwind) == ERR_OK)
		start = base + begin;
	else if (sym_at(e->syms, addr, &s, &disp) == ERR_OK && disp < 4096 && s.code)
		start = s.addr;
	for (uint64_t at = start; start && at < addr;) {
		x64_insn in;
		if (eng_insn(e, at, &in, NULL) != ERR_OK)
			return ERR_OK; /* data between the code, or not readable: no opinion */
		if (at + in.len > addr) {
			buf b;
			buf_init(&b, 1024);
			x64_names names = eng_names(e);
			x64_format(&in, &names, &b);
			err r = diag_set(d, ERR_ARG,
				"%s is inside the instruction at %s (%s); a breakpoint there would "
				"corrupt it",
				out_addr(e, addr), out_addr(e, at), buf_z(&b));
			buf_deinit(&b);
			return r;
		}
		at += in.len;
	}
	return ERR_OK;
}

static err check_access(const bp_spec *s, diag *d)
{
	if (s->size != 1 && s->size != 2 && s->size != 4 && s->size != 8)
		return diag_set(d, ERR_ARG,
			"A processor breakpoint's size must be 1, 2, 4 or 8, not %u", s->size);
	if (s->access == TGT_TRAP_EXEC && s->size != 1)
		return diag_set(d, ERR_ARG, "The size of an execute breakpoint must be 1");
	if (s->access == TGT_TRAP_IO && s->size == 8)
		return diag_set(d, ERR_ARG, "The size of an I/O breakpoint must be 1, 2 or 4");
	if (s->has_addr && s->addr % s->size)
		return diag_set(d, ERR_ARG,
			"Data breakpoint must be aligned: %llx is no multiple of %u",
			(unsigned long long)s->addr, s->size);
	return ERR_OK;
}

/* What makes two breakpoints "the same place". */
static bool same_place(const engine *e, const bp *b, const bp_spec *s)
{
	bool hard = s->kind == BP_BA;
	if ((b->kind == BP_BA) != hard || b->internal != s->internal)
		return false;
	if (hard && (b->access != s->access || b->size != s->size))
		return false;
	if (b->process != s->process || b->thread != s->thread || b->has_max != s->has_max ||
		b->has_min != s->has_min || b->depth_max != s->depth_max ||
		b->depth_min != s->depth_min)
		return false;
	if (e->caps.threads && b->owner != e->ctx.process)
		return false;
	if (b->deferred || !s->has_addr)
		return b->deferred && !s->has_addr && str_ieq(b->expr, s->expr);
	return b->loc.addr == s->addr;
}

/* What takes an entry of the kernel's table: what is disabled or not resolved yet does not. */
static bool takes_entry(const bp *b)
{
	return b->kind != BP_BA && !b->internal && !b->direct && b->enabled && !b->deferred;
}

static size_t soft_count(engine *e)
{
	size_t n = 0;
	for (size_t i = 0; i < e->bps->bps.n; i++)
		n += takes_entry(e->bps->bps.p[i]);
	return n;
}

static size_t hard_count(engine *e, uint64_t owner)
{
	size_t n = 0;
	for (size_t i = 0; i < e->bps->bps.n; i++) {
		const bp *b = e->bps->bps.p[i];
		n += b->kind == BP_BA && b->enabled && b->owner == owner;
	}
	return n;
}

/* ---- making and changing ---- */

void bp_command_set(engine *e, bp *b, str command)
{
	b->command = str_dup(&b->mem, command);
	b->cond = NULL;
	b->then = (str){0};
	if (command.n && e->hooks.condition)
		(void)e->hooks.condition(e->hooks.cu, b->command, &b->mem, &b->cond, &b->then);
}

static uint32_t free_id(engine *e)
{
	uint32_t id = 0;
	while (bp_find(e, id))
		id++;
	return id;
}

/* Keeps the vector sorted by id, internal ones last. */
static void sort_in(engine *e, bp *b)
{
	struct bp_table *t = e->bps;
	size_t i = t->bps.n;
	vec_push(&t->bps, b);
	while (i > 0 && (t->bps.p[i - 1]->internal > b->internal ||
				(t->bps.p[i - 1]->internal == b->internal &&
					t->bps.p[i - 1]->id > b->id))) {
		t->bps.p[i] = t->bps.p[i - 1];
		i--;
	}
	t->bps.p[i] = b;
}

static void take_out(engine *e, bp *b)
{
	struct bp_table *t = e->bps;
	for (size_t i = 0; i < t->bps.n; i++)
		if (t->bps.p[i] == b) {
			vec_remove(&t->bps, i);
			return;
		}
}

static void fill(engine *e, bp *b, const bp_spec *s)
{
	b->kind = s->kind;
	b->enabled = !s->disabled;
	b->one_shot = s->one_shot;
	b->deferred = !s->has_addr;
	b->internal = s->internal;
	b->direct = s->direct;
	b->expr = str_dup(&b->mem, s->expr);
	b->loc.addr = s->has_addr ? s->addr : 0;
	b->process = s->process;
	b->owner = e->caps.threads ? e->ctx.process : 0;
	b->thread = s->thread;
	b->has_max = s->has_max, b->depth_max = s->depth_max;
	b->has_min = s->has_min, b->depth_min = s->depth_min;
	b->passes = b->left = s->passes ? s->passes : 1;
	b->access = s->access;
	b->size = s->size;
	b->go_only = s->go_only;
	b->adder_only = s->adder_only;
	b->adder = s->adder;
	b->hits = 0;
	bp_command_set(e, b, s->command);
}

static err limits(engine *e, const bp_spec *s, diag *d)
{
	if (e->bps->bps.n >= BP_MAX)
		return diag_set(d, ERR_LIMIT, "There can be at most %d breakpoints", BP_MAX);
	bool soft = s->kind != BP_BA && !s->internal && !s->direct && !s->disabled && s->has_addr;
	if (soft && e->caps.max_soft && soft_count(e) >= e->caps.max_soft)
		return diag_set(d, ERR_LIMIT,
			"The kernel has room for %u software breakpoints and all are in use; clear "
			"one with bc, or use ba",
			e->caps.max_soft);
	if (s->kind == BP_BA && e->caps.max_hard &&
		hard_count(e, e->caps.threads ? e->ctx.process : 0) >= e->caps.max_hard)
		return diag_set(d, ERR_LIMIT,
			"The processor has %u breakpoint registers and all are in use; clear one "
			"with bc",
			e->caps.max_hard);
	return ERR_OK;
}

err bp_add(engine *e, const bp_spec *s, bp **ret, bool *redefined_ret, diag *d)
{
	bp *b = NULL;
	bool named = s->id != BP_ID_ANY;

	if (e->t && !e->caps.live)
		return diag_set(d, ERR_STATE,
			"No runnable debuggees: this target does not run, so nothing can be hit");
	if (s->kind == BP_BA && !s->disabled)
		TRY(check_access(s, d));
	if (s->kind != BP_BA && s->has_addr && !s->disabled && !s->force && e->refuse_mid_insn)
		TRY(bp_check_boundary(e, s->addr, d));
	if (named)
		b = bp_find(e, s->id);
	if (b && s->fresh)
		return diag_set(d, ERR_EXISTS, "Breakpoint %u already exists", s->id);
	for (size_t i = 0; !b && !s->fresh && i < e->bps->bps.n; i++)
		if (same_place(e, e->bps->bps.p[i], s))
			b = e->bps->bps.p[i];
	bool redefined = b != NULL;
	if (b && b->kind == BP_BA && !named)
		return diag_set(d, ERR_EXISTS,
			"Breakpoint %u already watches this; use bs to change its command", b->id);
	if (!b) {
		TRY(limits(e, s, d));
		b = mem_alloc(sizeof *b);
		arena_init(&b->mem);
		b->id = named ? s->id : s->internal ? BP_ID_ANY : free_id(e);
		fill(e, b, s);
		err r = bind(e, b, d);
		if (r != ERR_OK) {
			arena_deinit(&b->mem);
			mem_free(b);
			return r;
		}
		sort_in(e, b);
	} else {
		unbind(e, b);
		fill(e, b, s);
		TRY(bind(e, b, d));
	}
	*ret = b;
	if (redefined_ret)
		*redefined_ret = redefined;
	if (!s->internal)
		changed(e);
	return ERR_OK;
}

void bp_remove(engine *e, bp *b)
{
	bool internal = b->internal;
	unbind(e, b);
	take_out(e, b);
	arena_deinit(&b->mem);
	mem_free(b);
	if (!internal)
		changed(e);
}

err bp_enable(engine *e, bp *b, bool on, diag *d)
{
	if (b->enabled == on)
		return ERR_OK;
	if (on && b->kind == BP_BA && e->caps.max_hard &&
		hard_count(e, b->owner) >= e->caps.max_hard)
		return diag_set(d, ERR_LIMIT,
			"The processor's %u breakpoint registers are all in use", e->caps.max_hard);
	if (on && b->kind != BP_BA && !b->internal && !b->direct && !b->deferred &&
		e->caps.max_soft && soft_count(e) >= e->caps.max_soft)
		return diag_set(d, ERR_LIMIT,
			"The kernel's %u entries for software breakpoints are all in use",
			e->caps.max_soft);
	b->enabled = on;
	if (!on) {
		unbind(e, b);
	} else {
		err r = bind(e, b, d);
		if (r != ERR_OK) {
			b->enabled = false;
			return r;
		}
	}
	changed(e);
	return ERR_OK;
}

err bp_renumber(engine *e, bp *b, uint32_t id, diag *d)
{
	if (b->id == id)
		return ERR_OK;
	if (bp_find(e, id))
		return diag_set(d, ERR_EXISTS, "Breakpoint %u already exists", id);
	take_out(e, b);
	b->id = id;
	sort_in(e, b);
	changed(e);
	return ERR_OK;
}

err bp_move(engine *e, bp *b, uint64_t addr, diag *d)
{
	unbind(e, b);
	b->deferred = false;
	b->loc.addr = addr;
	TRY(bind(e, b, d));
	changed(e);
	return ERR_OK;
}

err bp_access_set(engine *e, bp *b, tgt_trap_kind access, uint32_t size, diag *d)
{
	bp_spec s = {.kind = BP_BA,
		.access = access,
		.size = size,
		.has_addr = !b->deferred,
		.addr = b->loc.addr};
	TRY(check_access(&s, d));
	unbind(e, b);
	b->access = access;
	b->size = size;
	TRY(bind(e, b, d));
	changed(e);
	return ERR_OK;
}

/* ---- following modules ---- */

static void resolve(engine *e, bp *b)
{
	uint64_t addr;
	bool was = b->deferred;
	uint64_t old = b->loc.addr;
	eng_ctx ctx = eng_ctx_save(e);

	/* One that has no process yet belongs to the process that can resolve it first. */
	bool adopted = e->caps.threads && !b->owner;
	if (adopted)
		b->owner = e->ctx.process;
	if (b->process || b->owner)
		sym_scope_set(e->syms, b->process ? b->process : b->owner);
	bool ok = eng_eval(e, b->expr, &addr, NULL) == ERR_OK;
	eng_ctx_restore(e, &ctx);
	if (ok && !was && addr == old)
		return;
	if (ok && e->refuse_mid_insn && b->kind != BP_BA &&
		bp_check_boundary(e, addr, NULL) != ERR_OK)
		ok = false;
	if (!ok && adopted)
		b->owner = 0;
	unbind(e, b);
	b->deferred = !ok;
	b->loc.addr = ok ? addr : 0;
	if (ok)
		(void)!bind(e, b, NULL);
	bp_command_set(e, b, b->command); /* its condition may name the symbols, too */
}

err bp_move_expr(engine *e, bp *b, str expr, diag *d)
{
	b->expr = str_dup(&b->mem, expr);
	if (b->kind == BP_BP)
		b->kind = BP_BU;
	unbind(e, b);
	b->deferred = true;
	b->loc.addr = 0;
	resolve(e, b);
	changed(e);
	return ERR_OK;
}

void bp_resolve_all(engine *e)
{
	for (size_t i = 0; i < e->bps->bps.n; i++) {
		bp *b = e->bps->bps.p[i];
		if (b->expr.n && (b->kind == BP_BU || b->deferred))
			resolve(e, b);
	}
}

void bp_module_gone(engine *e, uint64_t base, uint64_t size)
{
	for (size_t i = e->bps->bps.n; i-- > 0;) {
		bp *b = e->bps->bps.p[i];
		if (b->deferred || b->loc.addr < base || b->loc.addr - base >= size || b->internal)
			continue;
		if (b->kind == BP_BU) {
			unbind(e, b);
			b->deferred = true;
			b->loc.addr = 0;
		} else if (b->kind == BP_BP) {
			bp_remove(e, b);
		}
	}
}

void bp_process_gone(engine *e, uint64_t pid)
{
	for (size_t i = e->bps->bps.n; i-- > 0;) {
		bp *b = e->bps->bps.p[i];
		if (b->owner != pid)
			continue;
		if (!b->expr.n || b->internal || b->kind == BP_BA) {
			bp_remove(e, b);
			continue;
		}
		unbind(e, b);
		b->deferred = true;
		b->loc.addr = 0;
		b->owner = 0;
		b->thread = 0;
	}
}

void bp_target_gone(engine *e)
{
	sites_void(e);
	for (size_t i = e->bps->bps.n; i-- > 0;) {
		bp *b = e->bps->bps.p[i];
		bool by_name = b->kind == BP_BU || (e->mode == ENG_USER && b->kind == BP_BP);
		b->owner = 0;
		if (!by_name || !b->expr.n || b->internal || b->process) {
			bp_remove(e, b);
		} else {
			unbind(e, b);
			b->deferred = true;
			b->loc.addr = 0;
		}
	}
}

/* ---- showing ---- */

static char access_letter(tgt_trap_kind k)
{
	return k == TGT_TRAP_EXEC ? 'e' : k == TGT_TRAP_WRITE ? 'w' : k == TGT_TRAP_IO ? 'i' : 'r';
}

static void quoted(buf *b, str s)
{
	buf_addz(b, " \"");
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_addc(b, '\\');
		buf_addc(b, s.p[i]);
	}
	buf_addc(b, '"');
}

void bp_line(engine *e, const bp *b, bool addresses, buf *o)
{
	sym_line line;
	buf_addf(o, "%2u %c%c ", b->id, b->enabled ? 'e' : 'd', b->deferred ? 'u' : ' ');
	if (b->deferred)
		buf_pad(o, 22);
	else if (!addresses && e->lines_on && sym_line_at(e->syms, b->loc.addr, &line) == ERR_OK)
		buf_addf(o, "%s [%.*s @ %u]", out_addr(e, b->loc.addr), STR_ARG(line.file),
			line.line);
	else
		buf_addz(o, out_addr(e, b->loc.addr));
	if (b->kind == BP_BA)
		buf_addf(o, " %c %u", access_letter(b->access), b->size);
	else
		buf_addz(o, "    ");
	buf_addf(o, " %04x (%04x) ", b->left, b->passes);
	const eng_proc *owner = eng_proc_find(e, b->owner);
	const eng_thr *thread = owner ? eng_thr_find(e, (unit_t)b->thread) : NULL;
	if (owner && thread)
		buf_addf(o, " %u:~%03u ", owner->id, thread->id);
	else if (e->mode == ENG_USER)
		buf_addf(o, " %u:**** ", owner ? owner->id : 0);
	if (b->deferred) {
		buf_addf(o, "(%.*s)", STR_ARG(b->expr));
	} else if (e->syms) {
		/* A user address means something in the process that the breakpoint is bound to. */
		sym_space scope = sym_scope(e->syms);
		if (b->process || b->owner)
			sym_scope_set(e->syms, b->process ? b->process : b->owner);
		(void)sym_format(e->syms, b->loc.addr, o);
		sym_scope_set(e->syms, scope);
	}
	if (b->command.n)
		quoted(o, b->command);
	if (b->process)
		buf_addf(o, "\n     Match process data %s", out_addr(e, b->process));
	if (b->thread && !thread)
		buf_addf(o, "\n     Match thread data %s", out_addr(e, b->thread));
	if (b->has_max)
		buf_addf(o, "\n     Match call stack depth less than %u", b->depth_max);
	if (b->has_min)
		buf_addf(o, "\n     Match call stack depth greater than %u", b->depth_min);
	const site *s = b->loc.site;
	if (b->direct)
		buf_addf(o, "\n     Planted in this process only%s%s",
			s && s->absent ? " (page not resident: waiting for it)" : "",
			s && s->shared
				? " (page is shared: hits of other processes are passed over)"
				: "");
	if (s && s->state == SITE_ERROR)
		buf_addf(o, "\n     Not inserted: %s", s->why);
}

void bp_cmd_line(engine *e, const bp *b, buf *o)
{
	buf_addf(o, "%s%u", b->kind == BP_BA ? "ba" : b->kind == BP_BU ? "bu" : "bp", b->id);
	if (b->kind == BP_BA)
		buf_addf(o, " %c%u", access_letter(b->access), b->size);
	if (b->one_shot)
		buf_addz(o, " /1");
	if (b->process)
		buf_addf(o, " /p 0x%llx", (unsigned long long)b->process);
	if (b->thread)
		buf_addf(o, " /t 0x%llx", (unsigned long long)b->thread);
	if (b->has_max)
		buf_addf(o, " /c 0x%x", b->depth_max);
	if (b->has_min)
		buf_addf(o, " /C 0x%x", b->depth_min);
	bool as_expr = b->expr.n && (b->kind == BP_BU || b->deferred);
	if (as_expr)
		buf_addf(o, " %.*s", STR_ARG(b->expr));
	else
		buf_addf(o, " 0x%s", out_addr(e, b->loc.addr));
	if (b->passes != 1)
		buf_addf(o, " 0x%x", b->passes);
	if (b->command.n)
		quoted(o, b->command);
	/* The documented samples have a blank before the `;` behind addresses only. */
	buf_addz(o, as_expr || b->command.n ? ";" : " ;");
}
