/*
 * kd: the target behind a KD link: opening, events, waiting, resuming, leaving. See kd_int.h.
 *
 * Events are queued as packets come and handed out by tgt_wait one at a time. What needs requests
 * of its own (the first stop of a session, a break-in byte that was left over) is done when the
 * event is taken from the queue, because only then nothing else is under way.
 */
#include "target/kd/kd_int.h"

#include <stdio.h>

enum { SURPLUS_MS = 1000, CLOSE_MS = 3000, EXC_BREAKPOINT = (int)0x80000003u };

/* ---- events ---- */

static void insert(kd *k, size_t at, const tgt_event *ev, str text, bool stop)
{
	kd_queued q = {.ev = *ev, .stop = stop};
	if (text.n) {
		q.text = mem_alloc(text.n + 1);
		memcpy(q.text, text.p, text.n);
		q.ev.text = (str){q.text, text.n};
	} else {
		q.ev.text = STR("");
	}
	vec_push(&k->queue, q);
	for (size_t i = k->queue.n - 1; i > at; i--)
		k->queue.p[i] = k->queue.p[i - 1];
	k->queue.p[at] = q;
}

void kd_post_event(kd *k, const tgt_event *ev, str text, bool stop)
{
	if (k->queue.n >= KD_QUEUE_MAX && ev->kind == TGT_EV_PRINT) {
		k->lost_prints++;
		return;
	}
	if (k->lost_prints) {
		tgt_event lost = {.kind = TGT_EV_NOTICE};
		char s[80];
		snprintf(s, sizeof s, "%llu prints of the target are lost.",
			(unsigned long long)k->lost_prints);
		k->lost_prints = 0;
		insert(k, k->queue.n, &lost, str_of(s), false);
	}
	insert(k, k->queue.n, ev, text, stop);
}

void kd_post(kd *k, tgt_event_kind kind, str text, unit_t unit)
{
	tgt_event e = {.kind = kind, .unit = unit, .n_units = k->n_cpu};
	kd_post_event(k, &e, text, false);
}

void kd_notice(kd *k, const char *fmt, ...)
{
	char s[2048];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(s, sizeof s, fmt, ap);
	va_end(ap);
	kd_post(k, TGT_EV_NOTICE, str_of(s), 0);
}

static void kd_notice_first(kd *k, const char *fmt, ...)
{
	char s[2048];
	tgt_event e = {.kind = TGT_EV_NOTICE, .n_units = k->n_cpu};
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(s, sizeof s, fmt, ap);
	va_end(ap);
	insert(k, 0, &e, str_of(s), false);
}

/* ---- caps, facts ---- */

static void caps(tgt *t, tgt_caps *ret)
{
	*ret = (tgt_caps){.kernel = true,
		.live = true,
		.spaces = 1u << AS_CURRENT | 1u << AS_PHYS | 1u << AS_IO | 1u << AS_MSR |
			  1u << AS_CONTROL | 1u << AS_BUS,
		.max_soft = KD_BREAKPOINTS,
		.max_hard = KD_HW_SLOTS,
		.phys_write = true,
		.can_step = true};
}

/* One pointer from the control space of a processor. */
static err control_fact(kd *k, unsigned space, unsigned slot, uint64_t *v, diag *d)
{
	uint64_t u = *v;
	uint8_t b[8];
	size_t n;
	if (u >= k->n_cpu || u >= KD_CPU_MAX)
		return diag_set(d, ERR_ARG, "there is no processor %llu", (unsigned long long)u);
	if (!k->facts[slot][u]) {
		TRY(kd_control_read(k, (unit_t)u, space, b, sizeof b, &n, d));
		if (n < sizeof b)
			return diag_set(d, ERR_CORRUPT, "only %zu bytes of a pointer came", n);
		k->facts[slot][u] = le64(b);
	}
	*v = k->facts[slot][u];
	return ERR_OK;
}

static err version_fact(kd *k, tgt_fact f, void *ret, size_t size, diag *d)
{
	TRY(kd_version_get(k, d));
	const kd_version *v = &k->version;
	if (f == TGT_F_VERSION) {
		tgt_version *o = ret;
		if (size != sizeof *o)
			return diag_set(d, ERR_ARG, "wrong size");
		*o = (tgt_version){v->major, v->minor, v->machine, v->flags, v->protocol,
			v->secondary, v->max_packet_type, v->max_state_change, v->max_manipulate,
			v->simulation};
		return ERR_OK;
	}
	*(uint64_t *)ret = f == TGT_F_KERNEL_BASE   ? v->kernel_base
			   : f == TGT_F_MODULE_LIST ? v->module_list
						    : v->debugger_data;
	return ERR_OK;
}

static err query_(kd *k, tgt_fact f, void *ret, size_t size, diag *d)
{
	size_t want = f == TGT_F_VERSION  ? sizeof(tgt_version)
		      : f == TGT_F_MEMORY ? sizeof(tgt_memory_info)
					  : sizeof(uint64_t);
	if (size != want)
		return diag_set(d, ERR_ARG, "wrong size");
	switch (f) {
	case TGT_F_KERNEL_BASE:
	case TGT_F_MODULE_LIST:
	case TGT_F_DEBUGGER_DATA:
	case TGT_F_VERSION:
		return version_fact(k, f, ret, size, d);
	case TGT_F_PCR:
		return control_fact(k, 0, 0, ret, d);
	case TGT_F_PRCB:
		return control_fact(k, 1, 1, ret, d);
	case TGT_F_THREAD:
		return control_fact(k, 3, 2, ret, d);
	case TGT_F_MEMORY:
		return kd_query_memory(k, ret, d);
	}
	return diag_set(d, ERR_UNSUPPORTED, "not known of a KD target");
}

static err query(tgt *t, tgt_fact f, void *ret, size_t size, diag *d)
{
	kd *k = kd_of(t);
	err e = query_(k, f, ret, size, d);
	kd_flush(k);
	return e;
}

/* ---- going on ---- */

static err send_continue(kd *k, bool step, bool handled, diag *d)
{
	kd_manip m = {.api = KD_CONTINUE2, .cpu = k->st.cpu};
	m.u.cont.status = handled ? KD_CONTINUE_HANDLED : KD_CONTINUE_NOT_HANDLED;
	m.u.cont.trace = step;
	m.u.cont.dr7 = kd_traps_dr7(k);
	/* "No range of symbols to trace in", as recorded debuggers send it. */
	m.u.cont.symbol_begin = m.u.cont.symbol_end = 1;
	TRY(kd_send_only(k, &m, NULL, 0, d));
	k->phase = PH_RUNNING;
	k->resets_then = k->p.st.resets_out;
	kd_stop_forget(k);
	if (k->surplus)
		k->surplus_until = sys_now_ms() + SURPLUS_MS;
	return ERR_OK;
}

/*
 * Makes another processor the one that is stopped. The kernel answers with that processor's state
 * change instead of a reply.
 */
static err switch_to(kd *k, unit_t u, diag *d)
{
	if (u == k->st.cpu)
		return ERR_OK;
	if (u >= k->n_cpu)
		return diag_set(d, ERR_ARG, "there is no processor %u", u);
	if (kd_refused(k, KD_SWITCH_PROCESSOR))
		return diag_set(d, ERR_UNSUPPORTED, "this kernel does not switch processors");
	kd_manip m = {.api = KD_SWITCH_PROCESSOR, .cpu = (uint16_t)u};
	k->switching = true;
	k->want = KD_SWITCH_PROCESSOR;
	k->got = false;
	size_t events = k->queue.n;
	err e = kd_send_only(k, &m, NULL, 0, d);
	uint64_t end = sys_now_ms() + KD_REPLY_MS;
	bool done = false;
	while (e == ERR_OK && !done && !k->got && !k->cut && sys_now_ms() < end) {
		kd_pump(k, end);
		for (size_t i = events; i < k->queue.n && !done; i++)
			done = k->queue.p[i].stop;
	}
	k->switching = false;
	k->want = 0;
	bool refused = k->got;
	k->got = false;
	if (e != ERR_OK)
		return e;
	if (!done) {
		k->served[KD_SWITCH_PROCESSOR - KD_API_FIRST] = SERVED_NO;
		return diag_set(d, refused ? ERR_UNSUPPORTED : ERR_TIMEOUT,
			"the kernel does not switch to processor %u", u);
	}
	/* The stop is the same stop: its event is not handed out again. */
	for (size_t i = events; i < k->queue.n; i++) {
		if (!k->queue.p[i].stop)
			continue;
		mem_free(k->queue.p[i].text);
		vec_remove(&k->queue, i);
		break;
	}
	return k->st.cpu == u ? ERR_OK
			      : diag_set(d, ERR_STATE,
					"the kernel switched to processor %u instead", k->st.cpu);
}

/* A stop that came while nobody waited, after the one that the caller knows. */
static bool stopped_anew(const kd *k)
{
	for (size_t i = 0; i < k->queue.n; i++)
		if (k->queue.p[i].stop)
			return k->phase == PH_STOPPED;
	return false;
}

static err resume_(kd *k, const tgt_run *how, diag *d)
{
	if (stopped_anew(k))
		return ERR_OK; /* the next wait shows it */
	if (k->phase == PH_STOPPED && how->unit != k->st.cpu && how->go == TGT_STEP)
		TRY(switch_to(k, how->unit, d));
	if (k->phase == PH_STOPPED) {
		TRY(kd_traps_arm(k, how->unseen, d));
		atomic_store(&k->interrupt, false);
	}
	return send_continue(k, how->go == TGT_STEP, how->handled, d);
}

static err resume(tgt *t, const tgt_run *how, diag *d)
{
	kd *k = kd_of(t);
	err e = resume_(k, how, d);
	kd_flush(k);
	return e;
}

static err answer(tgt *t, str text, diag *d)
{
	kd *k = kd_of(t);
	uint8_t h[KD_DEBUG_IO_SIZE];
	if (k->phase != PH_PROMPT)
		return diag_set(d, ERR_STATE, "the target has not asked anything");
	/* The kernel takes no more than it has room for. */
	text = str_take(text, k->prompt.answer_max);
	text = str_take(text, KD_PACKET_MAX - KD_DEBUG_IO_SIZE);
	kd_debug_io io = k->prompt;
	io.answer_max = (uint32_t)text.n;
	kd_debug_io_pack(&io, h);
	kdp_drop(&k->p);
	kdp_send(&k->p, KD_T_DEBUG_IO, h, sizeof h, text.p, text.n, sys_now_us());
	k->phase = PH_RUNNING;
	kd_flush(k);
	return ERR_OK;
}

/* ---- waiting ---- */

/* A break-in byte that the kernel found: DbgBreakPointWithStatus(DBG_STATUS_CONTROL_C), wdm.h. */
static bool is_break_in(kd *k, const tgt_event *ev)
{
	enum { DBG_STATUS_CONTROL_C = 1 };
	x64_regs r = {0};
	return ev->kind == TGT_EV_EXCEPTION && ev->code == (uint32_t)EXC_BREAKPOINT &&
	       ev->pc >> 63 && !ev->n_dropped && ev->n_stream && ev->stream[0] == 0xcc &&
	       kd_regs_get(&k->t, ev->unit, X64_SET_INTEGER, &r, NULL) == ERR_OK &&
	       r.gpr[X64_RCX] == DBG_STATUS_CONTROL_C;
}

/*
 * A break-in byte too many (sent twice, or to a target that had stopped already) is found by the
 * kernel right after it was let go: that stop is passed over. True if it was.
 */
static bool pass_surplus(kd *k, const tgt_event *ev)
{
	x64_regs r = {0};
	if (!k->surplus || ev->kind != TGT_EV_EXCEPTION)
		return false;
	if (k->surplus_new) {
		k->surplus_new = false;
		k->surplus -= k->surplus_own && is_break_in(k, ev);
		return false;
	}
	bool late = sys_now_ms() >= k->surplus_until;
	if (late)
		k->surplus = 0;
	if (late || k->want_break || !is_break_in(k, ev))
		return false;
	k->surplus--;
	if (kd_regs_get(&k->t, ev->unit, X64_SET_CONTROL, &r, NULL) != ERR_OK)
		return false;
	r.rip = ev->pc + 1;
	if (kd_regs_set(&k->t, ev->unit, X64_SET_CONTROL, &r, NULL) != ERR_OK)
		return false;
	return kd_traps_arm(k, true, NULL) == ERR_OK &&
	       send_continue(k, false, true, NULL) == ERR_OK;
}

/*
 * A debugger that died at this stop may have moved the PC already: the state change, which the
 * kernel sends again as it was, does not show it.
 */
static void correct_pc(kd *k, tgt_event *ev)
{
	x64_regs r = {0};
	if (k->have_version && k->version.machine != KD_MACHINE_AMD64)
		return;
	if (kd_regs_get(&k->t, ev->unit, X64_SET_CONTROL, &r, NULL) != ERR_OK || r.rip == ev->pc)
		return;
	ev->pc = k->st.pc = r.rip;
	ev->eflags = k->st.eflags = r.eflags;
	ev->n_stream = k->st.n_stream = 0;
}

/* The first stop of a session: who is it, and did somebody leave breakpoints behind? */
static void attach_finish(kd *k)
{
	k->attached = true;
	bool fresh = k->fresh;
	k->fresh = false;
	err e = kd_version_get(k, NULL);
	if (!fresh) {
		tgt_event ev = k->queue.p[0].ev;
		correct_pc(k, &ev);
		k->queue.p[0].ev = ev;
	}
	if (e == ERR_OK && k->version.machine != KD_MACHINE_AMD64)
		kd_notice_first(k,
			"The target is of machine type %04x%s; only x64 (%04x) is supported: "
			"memory can be "
			"read, registers, stacks and stepping cannot be trusted.",
			k->version.machine,
			k->version.machine == KD_MACHINE_I386	 ? " (x86)"
			: k->version.machine == KD_MACHINE_ARM64 ? " (ARM64)"
								 : "",
			KD_MACHINE_AMD64);
	if (!fresh && k->opts.reclaim) {
		unsigned n = kd_traps_reclaim(k);
		if (n)
			kd_notice_first(k,
				"Reclaimed %u breakpoint entr%s that a previous debugger left "
				"behind.",
				n, n == 1 ? "y" : "ies");
	}
	kd_flush(k);
}

/* A kernel that counts anew: the same one that gave us up, or another boot whose start was missed?
 */
static void recheck(kd *k)
{
	kd_version old = k->version;
	bool had = k->have_version;
	k->suspect = k->have_version = false;
	if (kd_version_get(k, NULL) != ERR_OK || !had)
		return;
	kd_version v = k->version;
	if (v.kernel_base == old.kernel_base && v.module_list == old.module_list &&
		v.debugger_data == old.debugger_data && v.minor == old.minor)
		return;
	size_t before = k->queue.n;
	kd_rebooted(k);
	k->phase = PH_STOPPED;
	k->ever_stopped = k->have_version = true;
	k->version = v;
	/* REBOOT goes before everything that is waiting. */
	if (k->queue.n == before + 1) {
		kd_queued q = k->queue.p[before];
		memmove(k->queue.p + 1, k->queue.p, before * sizeof q);
		k->queue.p[0] = q;
	}
}

/* Hands out the first event of the queue; false if there is none (any more). */
static bool take(kd *k, tgt_event *ret)
{
	while (k->queue.n) {
		kd_queued *q = &k->queue.p[0];
		bool here = q->stop && k->phase == PH_STOPPED;
		if (here && !k->attached) {
			attach_finish(k);
			continue; /* what it has to say comes first */
		}
		if (here && k->suspect) {
			recheck(k);
			continue;
		}
		tgt_event ev = q->ev;
		char *text = q->text;
		vec_remove(&k->queue, 0);
		if (here && pass_surplus(k, &ev)) {
			kd_flush(k);
			mem_free(text);
			continue;
		}
		mem_free(k->event_text);
		k->event_text = text;
		*ret = ev;
		return true;
	}
	return false;
}

static err wait_(tgt *t, int timeout_ms, tgt_event *ret, diag *d)
{
	kd *k = kd_of(t);
	uint64_t end = timeout_ms < 0 ? UINT64_MAX : sys_now_ms() + (uint64_t)timeout_ms;
	for (;;) {
		if (take(k, ret))
			return ERR_OK;
		if (k->phase == PH_DEAD)
			return diag_set(d, ERR_DEAD, "the connection is lost");
		if (cancelled(k->t.host.cancel) && k->phase != PH_STOPPED && timeout_ms < 0)
			return diag_set(d, ERR_CANCELLED, "cancelled");
		if (sys_now_ms() >= end) {
			kd_flush(k);
			*ret = (tgt_event){.kind = TGT_EV_TIMEOUT, .n_units = k->n_cpu};
			return ERR_OK;
		}
		kd_pump(k, end);
		k->got = false;
	}
}

static void interrupt(tgt *t)
{
	kd *k = kd_of(t);
	atomic_store(&k->interrupt, true);
	link_wake(k->link);
}

/* ---- control ---- */

static void set_running(kd *k)
{
	k->phase = PH_RUNNING;
	kd_stop_forget(k);
}

static err ctl_(kd *k, tgt_ctl_code c, uint64_t arg, diag *d)
{
	unsigned baud;
	kd_manip m = {.cpu = k->st.cpu};
	switch (c) {
	case TGT_CTL_TRACE:
		k->trace_on = arg != 0;
		return ERR_OK;
	case TGT_CTL_RESYNC:
		if (k->phase == PH_STOPPED) {
			kd_resync_start(k);
			kd_flush(k);
			uint64_t end = sys_now_ms() + 2000;
			k->state_again = false;
			while (!k->state_again && k->phase == PH_STOPPED && sys_now_ms() < end)
				kd_pump(k, end);
			k->dance = false;
			return k->state_again ? ERR_OK
					      : diag_set(d, ERR_TIMEOUT,
							"the target does not answer RESET");
		}
		k->synced = false;
		kdp_drop(&k->p);
		kd_resync_start(k);
		kd_flush(k);
		return ERR_OK;
	case TGT_CTL_CYCLE_SPEED:
		TRY(link_cycle_speed(k->link, &baud, d));
		kd_notice(k, "The speed is now %u baud on this side.", baud);
		return ERR_OK;
	case TGT_CTL_REBOOT:
		m.api = KD_REBOOT;
		TRY(kd_send_only(k, &m, NULL, 0, d));
		set_running(k);
		return ERR_OK;
	case TGT_CTL_CRASH:
		m.api = KD_CAUSE_BUGCHECK;
		m.u.bugcheck.code = (uint32_t)arg;
		TRY(kd_send_only(k, &m, NULL, 0, d));
		set_running(k);
		return ERR_OK;
	case TGT_CTL_SWITCH:
		if (k->phase != PH_STOPPED)
			return diag_set(d, ERR_STATE, "the target is not stopped");
		return switch_to(k, (unit_t)arg, d);
	case TGT_CTL_SILENT_SIGNALS:
	case TGT_CTL_DROP_FAULT:
		break;
	}
	return diag_set(d, ERR_UNSUPPORTED, "not possible with a KD target");
}

static err ctl(tgt *t, tgt_ctl_code c, uint64_t arg, diag *d)
{
	kd *k = kd_of(t);
	err e = ctl_(k, c, arg, d);
	kd_flush(k);
	return e;
}

/* ---- leaving ---- */

static void pump_until_stopped(kd *k)
{
	uint64_t end = sys_now_ms() + CLOSE_MS;
	kd_ask_break(k);
	while (k->phase == PH_RUNNING && sys_now_ms() < end)
		kd_pump(k, end);
}

/* A stop on a break instruction of the code itself (a break-in is one): go on behind it. */
static void step_over_break(kd *k)
{
	x64_regs r = {0};
	uint8_t now = 0;
	size_t got = 0;
	if (k->st.kind != KD_S_EXCEPTION || k->st.code != (uint32_t)EXC_BREAKPOINT || k->pc_moved)
		return;
	/* Not what the stop showed: that may have been a byte in a physical page, which is out by
	 * now, and the instruction below it has still to run. */
	if (kd_read(&k->t, as_current(), k->st.pc, &now, 1, &got) != ERR_OK || !got || now != 0xcc)
		return;
	if (kd_regs_get(&k->t, k->st.cpu, X64_SET_CONTROL, &r, NULL) != ERR_OK || r.rip != k->st.pc)
		return;
	r.rip++;
	(void)!kd_regs_set(&k->t, k->st.cpu, X64_SET_CONTROL, &r, NULL);
}

/* A byte too many must not stop the target once nobody is there to let it go. */
static void leave_no_break(kd *k)
{
	k->got = false;
	while (k->surplus && !k->cut && sys_now_ms() < k->surplus_until) {
		if (k->phase == PH_STOPPED) {
			k->surplus--;
			step_over_break(k);
			(void)!send_continue(k, false, true, NULL);
		}
		kd_pump(k, k->surplus_until);
	}
	if (k->phase == PH_STOPPED) {
		step_over_break(k);
		(void)!send_continue(k, false, true, NULL);
	}
}

/* Takes everything out and lets the target run; how many traps could not be taken out. */
static size_t detach(kd *k)
{
	if (k->phase == PH_PROMPT)
		(void)!answer(&k->t, STR("\n"), NULL);
	/* Running with traps in: it must stop once more to have them taken out. */
	if (k->phase == PH_RUNNING && kd_traps_in(k))
		pump_until_stopped(k);
	if (k->phase == PH_STOPPED) {
		kd_traps_out(k);
		step_over_break(k);
		(void)!send_continue(k, false, true, NULL);
		leave_no_break(k);
	}
	/* The kernel is not left in the middle of a packet. */
	uint64_t end = sys_now_ms() + 1000;
	while (k->p.outstanding && k->phase == PH_RUNNING && sys_now_ms() < end)
		kd_pump(k, end);
	kd_flush(k);
	return kd_traps_in(k);
}

static size_t close_(tgt *t, tgt_leave how)
{
	kd *k = kd_of(t);
	size_t left = 0;
	if (how == TGT_DETACH)
		left = detach(k);
	else if (how == TGT_LEAVE)
		kd_flush(k);
	for (size_t i = 0; i < k->queue.n; i++)
		mem_free(k->queue.p[i].text);
	vec_deinit(&k->queue);
	vec_deinit(&k->entries);
	for (size_t i = 0; i < KD_CPU_MAX; i++)
		mem_free(k->cpu[i]);
	kd_files_close(k);
	mem_free(k->event_text);
	buf_deinit(&k->noise);
	kdp_deinit(&k->p);
	link_close(k->link);
	mem_free(k);
	return left;
}

static const tgt_ops ops = {
	.name = "kd",
	.close = close_,
	.caps = caps,
	.query = query,
	.read = kd_read,
	.write = kd_write,
	.regs_get = kd_regs_get,
	.regs_set = kd_regs_set,
	.trap_add = kd_trap_add,
	.trap_del = kd_trap_del,
	.trap_del_many = kd_trap_del_many,
	.resume = resume,
	.wait = wait_,
	.answer = answer,
	.search = kd_search,
	.fill = kd_fill,
	.ctl = ctl,
	.interrupt = interrupt,
	.describe = kd_describe,
};

err kd_open(str options, const kd_open_opts *opts, const tgt_host *host, tgt **ret, diag *d)
{
	link_spec spec;
	link_t *link;
	TRY(link_spec_parse(options, NULL, &spec, d));
	TRY(link_open(&spec, &link, d));
	kd *k = mem_alloc(sizeof *k);
	k->t.ops = &ops;
	if (host)
		k->t.host = *host;
	k->opts = opts ? *opts : (kd_open_opts){.reclaim = 1};
	k->link = link;
	k->spec = spec;
	k->n_cpu = 1;
	k->pace_ns = 3000;
	kdp_init(&k->p);
	k->p.trace = kd_trace_frame;
	k->p.trace_u = k;
	buf_init(&k->noise, 256);
	kd_files_init(k);
	k->phase = PH_NOLINK;
	kd_link_state(k);
	if (k->opts.initial_break)
		kd_ask_break(k);
	*ret = &k->t;
	return ERR_OK;
}
