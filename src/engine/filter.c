/*
 * filter: the sx settings, and what they want for an event that no breakpoint and no plan explains.
 * Invariant: the table's order is that of filters.def, numbered exceptions behind it, "*" apart.
 */
#include "engine/internal.h"

#include <stdio.h>

static const struct row {
	const char *code, *handling, *name;
	uint32_t number;
	sx_break brk;
	bool handled;
} rows[] = {
#define FILTER(code, handling, name, number, brk, handled)                                         \
	{code, handling, name, number, brk, handled},
#include "engine/filters.def"
#undef FILTER
};

enum { SX_MAX = 256 };

struct filter_table {
	sx_filter f[SX_MAX];
	size_t n;
	sx_filter other;
};

static void forget(sx_filter *f)
{
	mem_free(f->command);
	mem_free(f->command2);
	mem_free(f->arg);
}

static void fill(struct filter_table *t)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		t->f[i] = (sx_filter){.code = rows[i].code,
			.handled_by = rows[i].handling,
			.name = rows[i].name,
			.number = rows[i].number,
			.is_event = !rows[i].number,
			.brk = rows[i].brk,
			.handled = rows[i].handled};
	t->n = ARRAY_LEN(rows);
	t->other = (sx_filter){.code = "*", .name = "Other exception", .brk = SX_SECOND};
}

static void empty(struct filter_table *t)
{
	for (size_t i = 0; i < t->n; i++)
		forget(&t->f[i]);
	forget(&t->other);
}

struct filter_table *filters_create(void)
{
	struct filter_table *t = mem_alloc(sizeof *t);
	fill(t);
	return t;
}

void filters_destroy(struct filter_table *t)
{
	if (!t)
		return;
	empty(t);
	mem_free(t);
}

void sx_reset(engine *e)
{
	empty(e->filters);
	fill(e->filters);
}

size_t sx_count(engine *e)
{
	return e->filters->n;
}

sx_filter *sx_nth(engine *e, size_t i)
{
	return i < e->filters->n ? &e->filters->f[i] : NULL;
}

sx_filter *sx_default(engine *e)
{
	return &e->filters->other;
}

sx_filter *sx_find(engine *e, str code, uint32_t number)
{
	struct filter_table *t = e->filters;
	for (size_t i = 0; i < t->n; i++) {
		sx_filter *f = &t->f[i];
		if (code.n && f->code &&
			(str_ieq(str_of(f->code), code) ||
				(f->handled_by && str_ieq(str_of(f->handled_by), code))))
			return f;
		if (!code.n && number && f->number == number)
			return f;
	}
	return NULL;
}

sx_filter *sx_add(engine *e, uint32_t number)
{
	struct filter_table *t = e->filters;
	sx_filter *f = sx_find(e, (str){0}, number);
	if (f || t->n == SX_MAX)
		return f;
	f = &t->f[t->n++];
	*f = (sx_filter){.number = number,
		.name = "Unknown exception",
		.brk = t->other.brk,
		.handled = t->other.handled};
	return f;
}

/* ---- deciding ---- */

/* Runs the filter's commands; a verdict of theirs wins over `status` by the usual precedence. */
static eng_status run_commands(engine *e, const char *commands, eng_status status)
{
	diag d = {0};
	if (!commands || !*commands || !e->hooks.run)
		return status;
	e->inside_wait = true;
	ctx_scope(e);
	e->verdict_given = false;
	str list = str_dup(&e->stop, str_of(commands));
	(void)!e->hooks.run(e->hooks.cu, list, &d);
	return e->verdict_given ? e->exec.status : status;
}

static void say_exception(engine *e, const sx_filter *f, const tgt_event *ev)
{
	out(e, "%s - code %08x (%s)\n", f->name, ev->code,
		ev->first_chance ? "first chance" : "!!! second chance !!!");
}

static eng_status exception(engine *e, const tgt_event *ev)
{
	sx_filter *f = sx_find(e, (str){0}, ev->code);
	if (!f)
		f = sx_default(e);
	snprintf(e->last_event, sizeof e->last_event, "%s - code %08x (%s)", f->name, ev->code,
		ev->first_chance ? "first chance" : "!!! second chance !!!");
	bool stop = f->brk == SX_BREAK || (f->brk == SX_SECOND && !ev->first_chance);
	if (stop || f->brk == SX_OUTPUT || f->brk == SX_SECOND)
		say_exception(e, f, ev);
	eng_status pass = f->handled ? ST_GO_HANDLED : ST_GO_NOT_HANDLED;
	eng_status s = run_commands(
		e, ev->first_chance ? f->command : f->command2, stop ? ST_BREAK : pass);
	return s;
}

static bool arg_matches(const sx_filter *f, str text, uint64_t base)
{
	uint64_t v;
	if (!f->arg || !*f->arg)
		return true;
	str a = str_of(f->arg);
	if (str_wild(a, text, false) || str_wild(a, str_stem(text), false) ||
		str_wild(a, str_base(text), false))
		return true;
	if (str_istarts(a, STR("0x")))
		a = str_skip(a, 2);
	return str_u64(a, 16, &v) && v == base;
}

static eng_status module(engine *e, const tgt_event *ev)
{
	bool load = ev->kind == TGT_EV_LOAD;
	sx_filter *f = sx_find(e, load ? STR("ld") : STR("ud"), 0);
	str path = str_of(ev->path);
	eng_status s = ST_GO;

	snprintf(e->last_event, sizeof e->last_event, "%s module %.200s at %s",
		load ? "Load" : "Unload", ev->path, out_addr(e, ev->base));
	if (f->brk != SX_IGNORE && arg_matches(f, path, ev->base)) {
		bool stop = f->brk == SX_BREAK;
		/* By default the notice is for verbose sessions: a boot loads hundreds. */
		if (stop || e->verbose || f->touched) {
			if (load)
				out(e, "ModLoad: %s %s   %s\n", out_addr(e, ev->base),
					out_addr(e, ev->base + ev->size), ev->path);
			else
				out(e, "Unload module %s at %s\n", ev->path, out_addr(e, ev->base));
		}
		s = stop ? ST_BREAK : ST_GO;
	}
	if (arg_matches(f, path, ev->base))
		s = run_commands(e, f->command, s);
	if (load && e->break_on_load) {
		e->break_on_load = false;
		s = ST_BREAK;
	}
	return s;
}

eng_status filter_event(engine *e, const tgt_event *ev)
{
	switch (ev->kind) {
	case TGT_EV_EXCEPTION:
		return exception(e, ev);
	case TGT_EV_LOAD:
	case TGT_EV_UNLOAD:
		return module(e, ev);
	default:
		return ST_GO;
	}
}

eng_status filter_output(engine *e, str text)
{
	sx_filter *f = sx_find(e, STR("out"), 0);
	if (f->brk == SX_IGNORE)
		return ST_GO;
	if (f->arg && *f->arg) {
		buf b;
		buf_init(&b, 1024);
		buf_addf(&b, "*%s*", f->arg);
		bool hit = str_wild(buf_str(&b), text, false);
		buf_deinit(&b);
		if (!hit)
			return ST_GO;
	}
	return f->brk == SX_BREAK ? ST_BREAK : ST_GO;
}
