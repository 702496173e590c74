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

/* What user mode has besides. */
static const struct row signals[] = {
#define SIGNAL(code, name, number, brk) {code, NULL, name, TGT_SIGNAL_CODE + number, brk, false},
#define KEY(code, name, number)		{code, NULL, name, TGT_SIGNAL_CODE + number, SX_BREAK, true},
#include "engine/signals.def"
};
static const struct {
	const char *code, *of, *name;
	uint32_t number;
} other_names[] = {
#define OTHER_NAME(code, of, name, number) {code, of, name, TGT_SIGNAL_CODE + number},
#include "engine/signals.def"
};
static const struct real_time {
	const char *code, *name;
	uint32_t number;
} real_time[] = {
#define REAL_TIME(code, name, number) {code, name, TGT_SIGNAL_CODE + number},
#include "engine/signals.def"
};

enum { SX_MAX = 256 };

struct filter_table {
	sx_filter f[SX_MAX];
	size_t n;
	sx_filter other;
	bool signals; /* the rows of user mode are in */
	/* what was found last by number: each step and hit asks */
	uint32_t asked;
	sx_filter *found;
};

static void forget(sx_filter *f)
{
	mem_free(f->command);
	mem_free(f->command2);
	mem_free(f->arg);
}

static sx_filter from_row(const struct row *r)
{
	return (sx_filter){.code = r->code,
		.handled_by = r->handling,
		.name = r->name,
		.number = r->number,
		.is_event = !r->number,
		.brk = r->brk,
		.handled = r->handled};
}

static void fill(struct filter_table *t)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		t->f[i] = from_row(&rows[i]);
	t->n = ARRAY_LEN(rows);
	t->signals = false;
	t->other = (sx_filter){.code = "*", .name = "Other exception", .brk = SX_SECOND};
}

static void empty(struct filter_table *t)
{
	for (size_t i = 0; i < t->n; i++)
		forget(&t->f[i]);
	forget(&t->other);
	t->found = NULL;
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

/* A user-mode session stops at the initial break and at the end, and knows signals. What the user
 * said of a filter before stays. */
void filters_user(engine *e)
{
	struct filter_table *t = e->filters;
	sx_filter *ibp = sx_find(e, STR("ibp"), 0), *epr = sx_find(e, STR("epr"), 0);
	if (!ibp->touched)
		ibp->brk = e->no_initial_break ? SX_IGNORE : SX_BREAK;
	if (!epr->touched)
		epr->brk = e->final_break ? SX_BREAK : SX_IGNORE;
	for (size_t i = 0; !t->signals && i < ARRAY_LEN(signals) && t->n < SX_MAX; i++)
		t->f[t->n++] = from_row(&signals[i]);
	t->signals = true;
}

void sx_reset(engine *e)
{
	empty(e->filters);
	fill(e->filters);
	if (e->mode == ENG_USER)
		filters_user(e);
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

static sx_filter *look_up(struct filter_table *t, str code, uint32_t number)
{
	for (size_t i = 0; code.n && i < ARRAY_LEN(other_names); i++)
		if (str_ieq(code, str_of(other_names[i].code)))
			code = str_of(other_names[i].of);
	for (size_t i = 0; !code.n && number && i < ARRAY_LEN(other_names); i++)
		if (number == other_names[i].number)
			code = str_of(other_names[i].of);
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

sx_filter *sx_find(engine *e, str code, uint32_t number)
{
	struct filter_table *t = e->filters;
	if (code.n || !number)
		return look_up(t, code, number);
	if (!t->found || t->asked != number)
		t->found = look_up(t, code, number);
	t->asked = number;
	return t->found;
}

static const struct real_time *real_time_of(str code, uint32_t number)
{
	if (str_ieq(code, STR("sigrtmax")))
		return &real_time[ARRAY_LEN(real_time) - 1];
	for (size_t i = 0; i < ARRAY_LEN(real_time); i++)
		if (code.n ? str_ieq(code, str_of(real_time[i].code))
			   : number == real_time[i].number)
			return &real_time[i];
	return NULL;
}

bool sx_real_time(str code, uint32_t *ret)
{
	const struct real_time *rt = code.n ? real_time_of(code, 0) : NULL;
	if (rt)
		*ret = rt->number;
	return rt;
}

const char *sx_real_time_name(uint32_t number)
{
	const struct real_time *rt = real_time_of((str){0}, number);
	return rt ? rt->name : NULL;
}

sx_filter *sx_add(engine *e, uint32_t number)
{
	struct filter_table *t = e->filters;
	sx_filter *f = sx_find(e, (str){0}, number);
	const struct real_time *rt = real_time_of((str){0}, number);
	if (f || t->n == SX_MAX)
		return f;
	f = &t->f[t->n++];
	*f = (sx_filter){.number = number,
		.code = rt ? rt->code : NULL,
		.name = rt ? rt->name : "Unknown exception",
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
	(void)!tgt_halt(e->t, NULL);
	ctx_scope(e);
	e->verdict_given = false;
	str list = str_dup(&e->stop, str_of(commands));
	(void)!e->hooks.run(e->hooks.cu, list, &d);
	return e->verdict_given ? e->exec.status : status;
}

static const char *chance(const engine *e, const tgt_event *ev)
{
	if (!e->caps.live && !ev->initial)
		return "first/second chance not available";
	return ev->first_chance ? "first chance" : "!!! second chance !!!";
}

/* Signals have no code that anybody knows; in user mode it is said who had it. */
static void exception_text(engine *e, const sx_filter *f, const tgt_event *ev, buf *b)
{
	if (e->mode == ENG_USER)
		buf_addf(b, "(%llx.%x): ", (unsigned long long)ev->process_id, ev->unit);
	uint32_t number = ev->code - TGT_SIGNAL_CODE;
	const char *real_time_name = sx_real_time_name(ev->code);
	const char *name = real_time_name ? real_time_name : f->name;
	for (size_t i = 0; i < ARRAY_LEN(other_names); i++)
		if (other_names[i].number == ev->code)
			name = other_names[i].name;
	if (number && number < 128)
		buf_addf(b, "%s - signal %u (%s)", name, number, chance(e, ev));
	else
		buf_addf(b, "%s - code %08x (%s)", f->name, ev->code, chance(e, ev));
}

static eng_status exception(engine *e, const tgt_event *ev)
{
	sx_filter *f = sx_find(e, (str){0}, ev->code);
	buf b;
	if (!f)
		f = sx_default(e);
	/* The initial break is one of its own: -g and sxi ibp say nothing of other breaks. */
	const sx_filter *wish = ev->initial ? sx_find(e, STR("ibp"), 0) : f;
	bool stop = wish->brk == SX_BREAK || (wish->brk == SX_SECOND && !ev->first_chance);
	buf_init(&b, sizeof e->last_event - 1);
	exception_text(e, f, ev, &b);
	snprintf(e->last_event, sizeof e->last_event, "%s", buf_z(&b));
	buf_deinit(&b);
	if (stop || wish->brk == SX_OUTPUT || wish->brk == SX_SECOND)
		out(e, "%s\n", e->last_event);
	eng_status pass = f->handled || ev->initial ? ST_GO_HANDLED : ST_GO_NOT_HANDLED;
	eng_status s = run_commands(
		e, ev->first_chance ? f->command : f->command2, stop ? ST_BREAK : pass);
	return s;
}

bool filter_handled(engine *e, uint32_t code)
{
	const sx_filter *f = code ? sx_find(e, (str){0}, code) : NULL;
	return f ? f->handled : !code || sx_default(e)->handled;
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
		if (stop || e->verbose || f->touched || e->mode == ENG_USER) {
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

/* cpr epr ct et: "Create process 0:1234". */
static eng_status came_or_went(engine *e, const tgt_event *ev, const char *code, const char *what)
{
	const sx_filter *f = sx_find(e, str_of(code), 0);
	const eng_proc *p = eng_proc_find(e, ev->process_id);
	const eng_thr *t = eng_thr_find(e, ev->unit);
	bool process = ev->kind == TGT_EV_PROCESS || ev->kind == TGT_EV_PROCESS_EXIT;
	bool left = ev->kind == TGT_EV_PROCESS_EXIT || ev->kind == TGT_EV_THREAD_EXIT;
	uint64_t id = process ? ev->process_id : ev->unit;
	uint32_t number = process ? (p ? p->id : 0) : t ? t->id : 0;
	int n = snprintf(e->last_event, sizeof e->last_event, "%s %u:%llx", what, number,
		(unsigned long long)id);
	if (left)
		snprintf(e->last_event + n, sizeof e->last_event - (size_t)n, ", code %x",
			ev->exit_code);
	if (process && !arg_matches(f, str_of(p ? p->image : ""), ev->base))
		return ST_GO;
	if (f->brk != SX_IGNORE)
		out(e, "%s\n", e->last_event);
	return run_commands(e, f->command, f->brk == SX_BREAK ? ST_BREAK : ST_GO);
}

eng_status filter_event(engine *e, const tgt_event *ev)
{
	switch (ev->kind) {
	case TGT_EV_EXCEPTION:
		return exception(e, ev);
	case TGT_EV_LOAD:
	case TGT_EV_UNLOAD:
		return module(e, ev);
	case TGT_EV_PROCESS:
		return came_or_went(e, ev, "cpr", "Create process");
	case TGT_EV_PROCESS_EXIT:
		return came_or_went(e, ev, "epr", "Exit process");
	case TGT_EV_THREAD:
		return came_or_went(e, ev, "ct", "Create thread");
	case TGT_EV_THREAD_EXIT:
		return came_or_went(e, ev, "et", "Exit thread");
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
