/*
 * fake: see fake.h. Refuses to know links and kernels.
 *
 * Invariants: planted traps are real bytes in the pages (orig beside each trap); the target is
 * stopped from the moment wait returns a stop until resume.
 */
#include "target/fake/fake.h"

#include "base/map.h"

#include <stdio.h>

enum {
	PAGE = 4096,
	CALLS_MAX = 100000,
	BUDGET = 100000,
	EXC_BREAK = (int)0x80000003u,
	EXC_STEP = (int)0x80000004u
};

typedef struct fake_space {
	as_t as;
	map pages; /* page number -> PAGE bytes */
} fake_space;

typedef struct fake_trap {
	bool used;
	tgt_trap t;
	as_t as; /* where it was planted */
	uint8_t orig;
	bool planted;
} fake_trap;

typedef struct fake_event {
	tgt_event ev;
	char *text;
} fake_event;

struct fake {
	tgt t;
	VEC(fake_space *) spaces;
	as_t current;
	x64_regs regs[FAKE_UNITS_MAX];
	unit_t n_units;
	uint64_t facts[FAKE_FACTS][FAKE_UNITS_MAX];
	bool has_fact[FAKE_FACTS][FAKE_UNITS_MAX];
	bool has_version;
	tgt_version version;
	tgt_caps caps;
	bool execute, running, stepping, prompt;
	bool interrupted;
	unsigned budget;
	unit_t unit; /* that reported, or was resumed */
	VEC(fake_trap) traps;
	VEC(fake_event) script;
	size_t next;
	VEC(fake_call) calls;
};

static fake *fake_of(tgt *t)
{
	return (fake *)(void *)t;
}

tgt *fake_tgt(fake *f)
{
	return &f->t;
}

static fake_call *record(fake *f, fake_call_kind kind)
{
	if (f->calls.n >= CALLS_MAX)
		f->calls.n = 0;
	vec_push(&f->calls, (fake_call){.kind = kind});
	return &f->calls.p[f->calls.n - 1];
}

/* ---- memory ---- */

static as_t resolve(const fake *f, as_t as)
{
	if (as.kind == AS_PHYS)
		as.id = 0;
	return as.kind == AS_CURRENT ? f->current : as;
}

static fake_space *space(fake *f, as_t as, bool make)
{
	as = resolve(f, as);
	for (size_t i = 0; i < f->spaces.n; i++)
		if (f->spaces.p[i]->as.kind == as.kind && f->spaces.p[i]->as.id == as.id)
			return f->spaces.p[i];
	if (!make)
		return NULL;
	fake_space *s = mem_alloc(sizeof *s);
	s->as = as;
	map_init(&s->pages);
	vec_push(&f->spaces, s);
	return s;
}

static uint8_t *byte_at(fake *f, as_t as, uint64_t addr, bool make)
{
	fake_space *s = space(f, as, make);
	uint8_t *p = s ? map_get(&s->pages, addr / PAGE) : NULL;
	if (!p && s && make) {
		p = mem_alloc(PAGE);
		map_set(&s->pages, addr / PAGE, p);
	}
	return p ? p + addr % PAGE : NULL;
}

void fake_mem(fake *f, as_t as, uint64_t addr, const void *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		*byte_at(f, as, addr + i, true) = ((const uint8_t *)bytes)[i];
}

void fake_unmap(fake *f, as_t as, uint64_t addr, uint64_t n)
{
	fake_space *s = space(f, as, false);
	for (uint64_t p = addr / PAGE; s && n && p <= (addr + n - 1) / PAGE; p++) {
		mem_free(map_get(&s->pages, p));
		map_del(&s->pages, p);
	}
}

bool fake_peek(fake *f, as_t as, uint64_t addr, void *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const uint8_t *p = byte_at(f, as, addr + i, false);
		if (!p)
			return false;
		((uint8_t *)bytes)[i] = *p;
	}
	return true;
}

void fake_current(fake *f, as_t as)
{
	f->current = as;
}

static err fake_read(tgt *t, as_t as, uint64_t addr, void *b, size_t n, size_t *n_ret)
{
	fake *f = fake_of(t);
	size_t done = 0;
	fake_call *c = record(f, FAKE_READ);
	c->as = as;
	c->addr = addr;
	c->n = n;
	if (f->running)
		return ERR_STATE;
	if (!(f->caps.spaces >> as.kind & 1))
		return ERR_UNSUPPORTED;
	while (done < n && fake_peek(f, as, addr + done, (char *)b + done, 1))
		done++;
	if (!done)
		return ERR_FAULT;
	*n_ret = done;
	return ERR_OK;
}

static err fake_write(tgt *t, as_t as, uint64_t addr, const void *b, size_t n, size_t *n_ret)
{
	fake *f = fake_of(t);
	size_t done = 0;
	fake_call *c = record(f, FAKE_WRITE);
	c->as = as;
	c->addr = addr;
	c->n = n;
	if (f->running)
		return ERR_STATE;
	if (!(f->caps.spaces >> as.kind & 1))
		return ERR_UNSUPPORTED;
	for (uint8_t *p; done < n && (p = byte_at(f, as, addr + done, false)); done++)
		*p = ((const uint8_t *)b)[done];
	if (!done)
		return ERR_FAULT;
	*n_ret = done;
	return ERR_OK;
}

/* ---- registers, facts ---- */

x64_regs *fake_regs(fake *f, unit_t u)
{
	if (u >= FAKE_UNITS_MAX)
		return NULL;
	if (u >= f->n_units)
		f->n_units = u + 1;
	return &f->regs[u];
}

static err fake_regs_get(tgt *t, unit_t u, unsigned sets, x64_regs *r, diag *d)
{
	fake *f = fake_of(t);
	fake_call *c = record(f, FAKE_REGS_GET);
	c->unit = u;
	c->n = sets;
	if (f->running)
		return diag_set(d, ERR_STATE, "the target is running");
	if (u >= f->n_units)
		return diag_set(d, ERR_ARG, "there is no processor %u", u);
	*r = f->regs[u];
	r->valid = X64_SET_ALL;
	return ERR_OK;
}

static err fake_regs_set(tgt *t, unit_t u, unsigned sets, const x64_regs *r, diag *d)
{
	fake *f = fake_of(t);
	fake_call *c = record(f, FAKE_REGS_SET);
	c->unit = u;
	c->n = sets;
	if (f->running)
		return diag_set(d, ERR_STATE, "the target is running");
	if (u >= f->n_units)
		return diag_set(d, ERR_ARG, "there is no processor %u", u);
	x64_regs *o = &f->regs[u];
	if (sets & X64_SET_CONTROL) {
		o->rip = r->rip;
		o->eflags = r->eflags;
		o->gpr[X64_RSP] = r->gpr[X64_RSP];
		o->seg[X64_CS] = r->seg[X64_CS];
		o->seg[X64_SS] = r->seg[X64_SS];
	}
	for (int i = 0; sets & X64_SET_INTEGER && i < X64_NGPR; i++)
		if (i != X64_RSP)
			o->gpr[i] = r->gpr[i];
	if (sets & X64_SET_SEGMENTS) {
		static const uint8_t s[] = {X64_DS, X64_ES, X64_FS, X64_GS};
		for (size_t i = 0; i < ARRAY_LEN(s); i++)
			o->seg[s[i]] = r->seg[s[i]];
	}
	if (sets & X64_SET_DEBUG)
		memcpy(o->dr, r->dr, sizeof o->dr);
	if (sets & X64_SET_FLOAT) {
		memcpy(o->fx, r->fx, sizeof o->fx);
		o->mxcsr = r->mxcsr;
	}
	if (sets & X64_SET_SPECIAL) {
		o->cr0 = r->cr0;
		o->cr2 = r->cr2;
		o->cr3 = r->cr3;
		o->cr4 = r->cr4;
		o->cr8 = r->cr8;
	}
	return ERR_OK;
}

void fake_fact(fake *f, tgt_fact fact, unit_t u, uint64_t value)
{
	if ((unsigned)fact >= FAKE_FACTS || u >= FAKE_UNITS_MAX)
		return;
	f->facts[fact][u] = value;
	f->has_fact[fact][u] = true;
}

void fake_version(fake *f, const tgt_version *v)
{
	f->version = *v;
	f->has_version = true;
}

static err fake_query(tgt *t, tgt_fact fact, void *ret, size_t size, diag *d)
{
	fake *f = fake_of(t);
	if (fact == TGT_F_VERSION) {
		if (!f->has_version || size != sizeof f->version)
			return diag_set(d, ERR_UNSUPPORTED, "no version is known");
		memcpy(ret, &f->version, size);
		return ERR_OK;
	}
	bool per_unit = fact == TGT_F_PCR || fact == TGT_F_PRCB || fact == TGT_F_THREAD;
	if (size != 8 || (unsigned)fact >= FAKE_FACTS)
		return diag_set(d, ERR_UNSUPPORTED, "not known");
	uint64_t u = per_unit ? *(uint64_t *)ret : 0;
	if (u >= FAKE_UNITS_MAX || !f->has_fact[fact][u])
		return diag_set(d, ERR_UNSUPPORTED, "not known");
	*(uint64_t *)ret = f->facts[fact][u];
	return ERR_OK;
}

tgt_caps *fake_caps(fake *f)
{
	return &f->caps;
}

static void fake_caps_get(tgt *t, tgt_caps *ret)
{
	*ret = fake_of(t)->caps;
}

/* ---- traps ---- */

static err fake_trap_add(tgt *t, const tgt_trap *trap, uint64_t *handle_ret, diag *d)
{
	fake *f = fake_of(t);
	fake_call *c = record(f, FAKE_TRAP_ADD);
	c->as = trap->as;
	c->addr = trap->addr;
	c->trap = trap->kind;
	bool soft = trap->kind == TGT_TRAP_SOFT;
	unsigned n = 0, most = soft ? f->caps.max_soft : f->caps.max_hard;
	as_t as = resolve(f, trap->as);
	for (size_t i = 0; i < f->traps.n; i++) {
		const fake_trap *x = &f->traps.p[i];
		n += x->used && (x->t.kind == TGT_TRAP_SOFT) == soft;
		if (x->used && soft && x->t.kind == TGT_TRAP_SOFT && x->t.addr == trap->addr &&
			x->as.kind == as.kind && x->as.id == as.id)
			return diag_set(d, ERR_FAULT, "the target refuses the breakpoint");
	}
	if (most && n >= most)
		return diag_set(d, ERR_LIMIT, "all %u %s are in use", most,
			soft ? "breakpoint entries" : "debug registers");
	fake_trap x = {.used = true, .t = *trap, .as = as};
	uint8_t *p = soft ? byte_at(f, as, trap->addr, false) : NULL;
	if (p) {
		x.orig = *p;
		x.planted = true;
		*p = 0xcc;
	}
	for (size_t i = 0; i < f->traps.n; i++)
		if (!f->traps.p[i].used) {
			f->traps.p[i] = x;
			*handle_ret = i + 1;
			return ERR_OK;
		}
	vec_push(&f->traps, x);
	*handle_ret = f->traps.n;
	return ERR_OK;
}

static void unplant(fake *f, fake_trap *x)
{
	uint8_t *p = x->planted ? byte_at(f, x->as, x->t.addr, false) : NULL;
	if (p)
		*p = x->orig;
	x->used = x->planted = false;
}

static err fake_trap_del(tgt *t, uint64_t handle, diag *d)
{
	fake *f = fake_of(t);
	fake_call *c = record(f, FAKE_TRAP_DEL);
	if (!handle || handle > f->traps.n || !f->traps.p[handle - 1].used)
		return diag_set(d, ERR_NOTFOUND, "no such trap");
	c->addr = f->traps.p[handle - 1].t.addr;
	c->trap = f->traps.p[handle - 1].t.kind;
	unplant(f, &f->traps.p[handle - 1]);
	return ERR_OK;
}

/* ---- running ---- */

static err exec_read(void *u, uint64_t addr, void *b, size_t n)
{
	return fake_peek(u, as_current(), addr, b, n) ? ERR_OK : ERR_FAULT;
}

static err exec_write(void *u, uint64_t addr, const void *b, size_t n)
{
	fake *f = u;
	for (size_t i = 0; i < n; i++)
		if (!byte_at(f, as_current(), addr + i, false))
			return ERR_FAULT;
	fake_mem(f, as_current(), addr, b, n);
	return ERR_OK;
}

static bool hw_at(const fake *f, uint64_t pc)
{
	for (size_t i = 0; i < f->traps.n; i++)
		if (f->traps.p[i].used && f->traps.p[i].t.kind == TGT_TRAP_EXEC &&
			f->traps.p[i].t.addr == pc)
			return true;
	return false;
}

/* One instruction of unit u. 0: done; else the exception code. */
static uint32_t execute_one(fake *f, unit_t u, bool first)
{
	x64_regs *r = &f->regs[u];
	x64_mem m = {f, exec_read, exec_write};
	uint8_t b[X64_INSN_MAX];
	size_t n = 0;
	x64_insn in;
	while (n < sizeof b && fake_peek(f, as_current(), r->rip + n, b + n, 1))
		n++;
	if (!n)
		return 0xc0000005; /* STATUS_ACCESS_VIOLATION */
	if (b[0] == 0xcc)
		return (uint32_t)EXC_BREAK;
	if (hw_at(f, r->rip) && !(first && r->eflags & X64_FL_RF))
		return (uint32_t)EXC_STEP;
	r->eflags &= ~(uint32_t)X64_FL_RF;
	r->valid = X64_SET_ALL;
	if (x64_decode(b, n, r->rip, &in) != ERR_OK)
		return 0xc000001d; /* STATUS_ILLEGAL_INSTRUCTION */
	err e = x64_emulate(r, &in, &m);
	return e == ERR_OK ? 0 : e == ERR_FAULT ? 0xc0000005 : 0xc000001d;
}

/* Runs; true if an exception came of it. */
static bool execute(fake *f, tgt_event *ret)
{
	unsigned budget = f->stepping ? 1 : f->budget ? f->budget : BUDGET;
	uint32_t code = 0;
	for (unsigned i = 0; i < budget && !code; i++)
		code = execute_one(f, f->unit, i == 0);
	if (!code && f->stepping)
		code = (uint32_t)EXC_STEP;
	if (!code)
		return false;
	*ret = (tgt_event){.kind = TGT_EV_EXCEPTION,
		.unit = f->unit,
		.code = code,
		.pc = f->regs[f->unit].rip,
		.first_chance = true};
	ret->exr_address = ret->pc;
	if (code == (uint32_t)EXC_STEP)
		ret->dr6 = hw_at(f, ret->pc) ? 1 : 0x4000;
	return true;
}

/* What a kernel adds to a stop: thread, instruction bytes, traps it took out. */
static void complete(fake *f, tgt_event *e)
{
	if (!e->n_units)
		e->n_units = f->n_units ? f->n_units : 1;
	bool stop = e->kind >= TGT_EV_EXCEPTION && e->kind <= TGT_EV_COMMAND;
	if (!stop)
		return;
	if (e->unit < FAKE_UNITS_MAX && e->unit < f->n_units && e->pc)
		f->regs[e->unit].rip = e->pc;
	if (!e->thread && e->unit < FAKE_UNITS_MAX)
		e->thread = f->facts[TGT_F_THREAD][e->unit];
	for (size_t i = 0; i < f->traps.n; i++) {
		fake_trap *x = &f->traps.p[i];
		if (!x->used || x->t.kind != TGT_TRAP_SOFT || x->t.addr - e->pc >= 16)
			continue;
		unplant(f, x);
		if (e->n_dropped < TGT_DROPPED_MAX)
			e->dropped[e->n_dropped++] = x->t.addr;
	}
	if (!e->n_stream)
		while (e->n_stream < TGT_STREAM_MAX &&
			fake_peek(f, as_current(), e->pc + e->n_stream, &e->stream[e->n_stream], 1))
			e->n_stream++;
	if (!e->has_report && e->unit < f->n_units) {
		const x64_regs *r = &f->regs[e->unit];
		e->has_report = true;
		e->eflags = r->eflags;
		e->cs = r->seg[X64_CS];
		e->dr7 = r->dr[7];
	}
}

static void hand_out(fake *f, const tgt_event *e, tgt_event *ret)
{
	bool stop = e->kind >= TGT_EV_EXCEPTION && e->kind <= TGT_EV_COMMAND;
	*ret = *e;
	complete(f, ret);
	if (stop) {
		f->running = f->stepping = false;
		f->unit = e->unit;
	}
	if (e->kind == TGT_EV_PROMPT)
		f->prompt = true;
	if (e->kind == TGT_EV_REBOOT)
		for (size_t i = 0; i < f->traps.n; i++)
			unplant(f, &f->traps.p[i]);
}

static err fake_wait(tgt *t, int timeout_ms, tgt_event *ret, diag *d)
{
	fake *f = fake_of(t);
	tgt_event e;
	if (f->interrupted && f->running) {
		f->interrupted = false;
		e = (tgt_event){.kind = TGT_EV_EXCEPTION,
			.code = (uint32_t)EXC_BREAK,
			.unit = f->unit,
			.pc = f->regs[f->unit].rip};
		hand_out(f, &e, ret);
		return ERR_OK;
	}
	if (f->running && f->execute && execute(f, &e)) {
		hand_out(f, &e, ret);
		return ERR_OK;
	}
	if (f->next < f->script.n) {
		hand_out(f, &f->script.p[f->next++].ev, ret);
		return ERR_OK;
	}
	if (timeout_ms < 0)
		return diag_set(d, ERR_DEAD, "the script is over");
	*ret = (tgt_event){.kind = TGT_EV_TIMEOUT, .n_units = f->n_units};
	return ERR_OK;
}

static err fake_resume(tgt *t, const tgt_run *how, diag *d)
{
	fake *f = fake_of(t);
	fake_call *c = record(f, FAKE_RESUME);
	c->run = *how;
	for (size_t i = 0; i < f->traps.n; i++) {
		if (!f->traps.p[i].used)
			continue;
		if (c->armed < ARRAY_LEN(c->armed_at))
			c->armed_at[c->armed] = f->traps.p[i].t.addr;
		c->armed++;
	}
	if (f->running)
		return diag_set(d, ERR_STATE, "the target is running");
	f->running = true;
	f->interrupted = false;
	f->stepping = how->go == TGT_STEP;
	f->unit = how->unit < FAKE_UNITS_MAX ? how->unit : 0;
	return ERR_OK;
}

static err fake_answer(tgt *t, str text, diag *d)
{
	fake *f = fake_of(t);
	fake_call *c = record(f, FAKE_ANSWER);
	snprintf(c->text, sizeof c->text, "%.*s", STR_ARG(text));
	if (!f->prompt)
		return diag_set(d, ERR_STATE, "the target has not asked anything");
	f->prompt = false;
	return ERR_OK;
}

static err fake_ctl(tgt *t, tgt_ctl_code code, uint64_t arg, diag *d)
{
	fake_call *c = record(fake_of(t), FAKE_CTL);
	c->n = code;
	c->addr = arg;
	return ERR_OK;
}

static void fake_interrupt(tgt *t)
{
	fake *f = fake_of(t);
	f->interrupted = true;
}

static size_t fake_close(tgt *t, tgt_leave how)
{
	fake *f = fake_of(t);
	for (size_t i = 0; i < f->spaces.n; i++) {
		fake_space *s = f->spaces.p[i];
		for (map_entry *e = NULL; (e = map_next(&s->pages, e));)
			mem_free(e->val);
		map_deinit(&s->pages);
		mem_free(s);
	}
	for (size_t i = 0; i < f->script.n; i++)
		mem_free(f->script.p[i].text);
	vec_deinit(&f->spaces);
	vec_deinit(&f->traps);
	vec_deinit(&f->script);
	vec_deinit(&f->calls);
	mem_free(f);
	return 0;
}

static const tgt_ops ops = {
	.name = "fake",
	.close = fake_close,
	.caps = fake_caps_get,
	.query = fake_query,
	.read = fake_read,
	.write = fake_write,
	.regs_get = fake_regs_get,
	.regs_set = fake_regs_set,
	.trap_add = fake_trap_add,
	.trap_del = fake_trap_del,
	.resume = fake_resume,
	.wait = fake_wait,
	.answer = fake_answer,
	.ctl = fake_ctl,
	.interrupt = fake_interrupt,
};

fake *fake_create(const tgt_host *host)
{
	fake *f = mem_alloc(sizeof *f);
	f->t.ops = &ops;
	if (host)
		f->t.host = *host;
	f->caps = (tgt_caps){.kernel = true,
		.live = true,
		.spaces = 1u << AS_CURRENT | 1u << AS_PHYS | 1u << AS_PROCESS,
		.max_soft = 32,
		.max_hard = 4,
		.phys_write = true,
		.can_step = true};
	f->n_units = 1;
	return f;
}

void fake_script(fake *f, const tgt_event *ev)
{
	fake_event e = {.ev = *ev};
	e.text = mem_alloc(ev->text.n + 1);
	if (ev->text.n)
		memcpy(e.text, ev->text.p, ev->text.n);
	e.ev.text = (str){e.text, ev->text.n};
	vec_push(&f->script, e);
}

void fake_execute(fake *f, bool yes, unsigned budget)
{
	f->execute = yes;
	f->budget = budget;
}

const fake_call *fake_calls(const fake *f, size_t *n)
{
	*n = f->calls.n;
	return f->calls.p;
}

void fake_calls_clear(fake *f)
{
	f->calls.n = 0;
}

const fake_call *fake_resumed(const fake *f, size_t i)
{
	for (size_t k = f->calls.n; k-- > 0;)
		if (f->calls.p[k].kind == FAKE_RESUME && !i--)
			return &f->calls.p[k];
	return NULL;
}
