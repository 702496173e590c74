/*
 * kd_conn: the connection as a state machine: bytes in, notes out, attaching and staying attached.
 * See kd_int.h for the phases.
 *
 * Joining a kernel whose packet count is not known ("dance"): its state change is acknowledged and
 * kept back, RESET is sent, the kernel answers RESET and sends the state change once more; that one
 * counts. A kernel that runs takes no notice of RESET, one that waits for a request answers it, so
 * RESET is also what finds a kernel that was left stopped.
 */
#include "target/kd/kd_int.h"

#include "base/map.h"

#include <stdio.h>
#include <time.h>

enum {
	DANCE_EVERY_MS = 400,
	DANCE_TRIES = 6,
	BREAK_AFTER_RESET_MS = 50, /* a break-in byte is lost when bytes follow it at once */
	BREAK_CROSSED_MS = 120,
	BREAK_SILENCE_MS = 8000,
	CONTINUE_TRIES = 8,
	WRITE_MS = 2000,
	LEAVE_LOOK_MS = 50,
	DOZE_BYTES = 32,
	DOZE_MIN_NS = 20000,
	DOZE_MAX_NS = 1000000
};

/* ---- tracing ---- */

static void trace_line(kd *k, bool out, const uint8_t *p, size_t n)
{
	buf b;
	buf_init(&b, 4096);
	kd_text(out, p, n, &b);
	k->t.host.trace(k->t.host.u, buf_str(&b));
	buf_deinit(&b);
}

void kd_trace_frame(void *u, bool out, const uint8_t *frame, size_t n)
{
	kd *k = u;
	kd_frame f;
	if (!k->trace_on || !k->t.host.trace)
		return;
	bool stray = !out && kd_frame_parse(frame, n, &f) != ERR_OK;
	if (stray && k->noise.n < 64) {
		buf_add(&k->noise, frame, n);
		return;
	}
	if (k->noise.n) {
		trace_line(k, false, (const uint8_t *)k->noise.p, k->noise.n);
		buf_clear(&k->noise);
	}
	trace_line(k, out, frame, n);
}

/* ---- sending ---- */

void kd_flush(kd *k)
{
	buf *o = &k->p.out;
	if (!o->n)
		return;
	/* Bytes that do not get out are lost packets, which the protocol knows how to repeat. */
	if (k->phase != PH_NOLINK && k->phase != PH_DEAD)
		(void)!link_write(k->link, o->p, o->n, WRITE_MS, NULL);
	buf_clear(o);
}

void kd_resync_start(kd *k)
{
	k->dance = true;
	k->dance_left = DANCE_TRIES;
	k->reset_at = sys_now_ms() + DANCE_EVERY_MS;
	kdp_reset(&k->p, sys_now_us());
}

void kd_ask_break(kd *k)
{
	uint64_t now = sys_now_ms();
	if (!k->want_break) {
		k->want_break = true;
		k->break_since = now;
		k->break_said = false;
	}
}

/* ---- stops ---- */

void kd_stop_forget(kd *k)
{
	for (size_t i = 0; i < KD_CPU_MAX; i++) {
		if (k->cpu[i])
			k->cpu[i]->ctx_end = k->cpu[i]->ctx_begin = k->cpu[i]->sr_n = 0;
		k->facts[2][i] = 0; /* the running thread */
	}
	k->pc_moved = k->looked_for_stale = false;
}

/* The kernel has started anew: nothing that we knew of it holds. */
void kd_rebooted(kd *k)
{
	kd_traps_void(k);
	kd_stop_forget(k);
	memset(k->facts, 0, sizeof k->facts);
	memset(k->served, 0, sizeof k->served);
	k->have_version = k->ever_stopped = k->attached = k->no_phys_flags = false;
	k->fresh = k->synced = k->cut = true;
	k->dance = k->have_state = false;
	k->suspect = false;
	k->surplus = 0;
	kd_files_close(k);
	if (k->phase != PH_NOLINK && k->phase != PH_DEAD)
		k->phase = PH_RUNNING;
	kd_post(k, TGT_EV_REBOOT, STR(""), 0);
}

static bool is_kernel(str path)
{
	static const char *const names[] = {
		"ntoskrnl.exe", "ntkrnlmp.exe", "ntkrnlpa.exe", "ntkrpamp.exe", "ntkrla57.exe"};
	str base = str_base(path);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_ieq(base, str_of(names[i])))
			return true;
	return false;
}

static void event_of_state(const kd_state *s, tgt_event *e)
{
	static const tgt_event_kind kinds[] = {TGT_EV_EXCEPTION, TGT_EV_LOAD, TGT_EV_COMMAND};
	memset(e, 0, sizeof *e);
	e->kind = kinds[s->kind - KD_S_EXCEPTION];
	if (s->kind == KD_S_LOAD && s->unload)
		e->kind = TGT_EV_UNLOAD;
	e->unit = s->cpu;
	e->n_units = s->n_cpu;
	e->thread = s->thread;
	e->pc = s->pc;
	if (s->kind == KD_S_EXCEPTION) {
		e->code = s->code;
		e->flags = s->flags;
		e->exr_address = s->address;
		e->exr_record = s->record;
		e->n_params = s->n_params;
		memcpy(e->params, s->params, sizeof e->params);
		e->first_chance = s->first_chance != 0;
	} else if (s->kind == KD_S_LOAD) {
		e->base = s->base;
		e->size = s->size;
		e->process_id = s->process_id;
		e->checksum = s->checksum;
		str path = str_take(s->text, TGT_PATH_MAX - 1);
		if (path.n)
			memcpy(e->path, path.p, path.n);
	}
	e->has_report = s->has_report;
	if (s->has_report) {
		e->dr6 = s->dr6;
		e->dr7 = s->dr7;
		e->eflags = s->eflags;
		e->cs = s->cs;
		e->ds = s->ds;
		e->es = s->es;
		e->fs = s->fs;
		e->n_stream = s->n_stream;
		memcpy(e->stream, s->stream, s->n_stream);
	}
}

static void deliver(kd *k)
{
	const kd_state *s = &k->st;
	tgt_event e;

	if (s->kind == KD_S_LOAD && !s->unload && k->ever_stopped && is_kernel(s->text))
		kd_rebooted(k);
	/* The kernel's own image is reported while it starts: nobody was here before. */
	if (s->kind == KD_S_LOAD && !s->unload && is_kernel(s->text))
		k->fresh = true;
	event_of_state(s, &e);
	kd_stop_forget(k);
	if (!e.n_units || e.n_units > KD_CPU_MAX)
		e.n_units = e.n_units ? KD_CPU_MAX : 1;
	k->n_cpu = e.n_units;
	if (s->cpu < KD_CPU_MAX)
		k->facts[2][s->cpu] = s->thread;
	k->phase = PH_STOPPED;
	k->ever_stopped = true;
	k->have_state = false;
	k->deaf = false;
	kd_traps_dropped(k, &e);
	if (s->kind == KD_S_EXCEPTION) {
		if (k->want_break && k->breaks) {
			/* One of them may have made this stop, unless it was one already. */
			k->surplus = k->breaks;
			k->surplus_new = true;
			k->surplus_own = !k->was_stopped;
		}
		k->was_stopped = false;
		k->want_break = k->break_crossed = false;
		k->breaks = 0;
		k->break_at = 0; /* the next wish is a new one */
	}
	kd_post_event(k, &e, s->kind == KD_S_COMMAND ? s->text : STR(""), true);
}

static void on_state(kd *k, const uint8_t *p, size_t n, bool after_reset)
{
	kd_state s;
	if (kd_state_unpack(p, n, &s) != ERR_OK) {
		kd_notice(k, "A state change of %zu bytes does not decode; it is ignored.", n);
		return;
	}
	bool same = k->st_n == n && !memcmp(k->st_bytes, p, n);
	if (k->phase == PH_STOPPED && !k->switching && !k->p.reset_wanted && same) {
		k->state_again = true;
		return;
	}
	/* The RESET that is answered lay in the line before the continue (the machine was halted
	 * for a while): this is the stop that is to be left. */
	if (after_reset && same && k->phase == PH_RUNNING && k->p.st.resets_out == k->resets_then) {
		kdp_once_more(&k->p, sys_now_us());
		return;
	}
	memcpy(k->st_bytes, p, n);
	k->st_n = n;
	(void)!kd_state_unpack(k->st_bytes, n, &k->st);
	/* Once RESET is answered the state change comes again. A RESET that was sent to a kernel
	 * that ran never is. */
	if (k->p.reset_wanted && (k->dance || k->synced)) {
		k->have_state = true;
		/* That RESET may have met a kernel that ran, which passes it over: ask once more.
		 */
		if (!k->dance && k->phase != PH_STOPPED)
			kd_resync_start(k);
		return;
	}
	if (!k->synced) {
		k->have_state = true;
		kd_resync_start(k);
		return;
	}
	k->dance = false;
	if (k->phase == PH_STOPPED && after_reset && !k->switching) {
		k->state_again = true;
		if (same)
			return;
		/* a continue that was given up has been heard late: this is another stop */
	}
	deliver(k);
}

/* ---- what comes ---- */

static void on_debug_io(kd *k, const uint8_t *p, size_t n)
{
	kd_debug_io io;
	if (kd_debug_io_unpack(p, n, &io) != ERR_OK) {
		kd_notice(k, "A debug I/O packet of %zu bytes does not decode; it is ignored.", n);
		return;
	}
	str text = str_take(io.text, io.length);
	if (io.api == KD_IO_PRINT) {
		if (k->phase == PH_SILENT)
			k->phase = PH_RUNNING;
		kd_post(k, TGT_EV_PRINT, text, io.cpu);
		return;
	}
	k->prompt = io;
	k->prompt.text = STR("");
	if (k->phase != PH_PROMPT) {
		k->phase = PH_PROMPT;
		kd_post(k, TGT_EV_PROMPT, text, io.cpu);
	}
}

static void on_data(kd *k, const kdp_note *x)
{
	bool after_reset = k->just_reset;
	uint64_t hash = hash_bytes(x->p, x->n);
	bool again = after_reset && hash == k->last_hash;
	k->last_hash = hash;
	k->just_reset = false;
	if (k->breaks && sys_now_ms() - k->break_sent < BREAK_CROSSED_MS)
		k->break_crossed = true;
	if (x->sync && !after_reset) {
		/* The kernel counts from the start: it booted, or it had given its debugger up. */
		k->suspect |= k->ever_contact;
		k->synced = true;
	}
	k->contact = k->ever_contact = true;
	switch (x->type) {
	case KD_T_STATE64:
		on_state(k, x->p, x->n, after_reset);
		break;
	case KD_T_DEBUG_IO:
		/* What RESET crossed is sent once more. */
		if (!again || x->n < 4 || le32(x->p) != KD_IO_PRINT)
			on_debug_io(k, x->p, x->n);
		break;
	case KD_T_MANIPULATE:
		k->was_stopped |= !k->synced; /* answers a debugger before us */
		if (k->want && kd_manip_unpack(x->p, x->n, &k->reply) == ERR_OK &&
			k->reply.api == k->want &&
			(!k->want_addr || k->reply.u.mem.addr == k->want_addr))
			k->got = true;
		break;
	case KD_T_FILE_IO:
		kd_file_packet(k, x->p, x->n);
		break;
	case KD_T_STATE32:
		kd_notice(k, "The target speaks the 32-bit protocol (version 5 or older), which is "
			     "not supported.");
		break;
	default: /* trace I/O, control requests: acknowledged, and that is all */
		break;
	}
}

static void on_note(kd *k, const kdp_note *x)
{
	switch (x->kind) {
	case KDP_DATA:
		on_data(k, x);
		break;
	case KDP_ACK:
		k->contact = k->ever_contact = true;
		k->deaf = false;
		break;
	case KDP_RESEND:
		k->was_stopped |= !k->synced && !k->have_state;
		k->contact = k->ever_contact = true;
		/* The kernel is in the middle of a packet that a debugger left behind. */
		if (!k->synced)
			kd_resync_start(k);
		break;
	case KDP_RESET:
		k->was_stopped |= !k->have_state;
		k->contact = k->ever_contact = true;
		k->synced = k->just_reset = true;
		k->have_state = false;
		break;
	}
}

static void link_up(kd *k)
{
	buf b;
	kdp_restart(&k->p);
	k->phase = PH_SILENT;
	k->contact = k->synced = k->dance = k->just_reset = k->was_stopped = false;
	k->up_at = k->silence_at = sys_now_ms();
	k->silence_at += KD_SILENCE_MS;
	k->silences = 0;
	k->reset_at = k->up_at;
	k->break_at = k->up_at + BREAK_AFTER_RESET_MS;
	k->resets_left = k->spec.has_resets ? k->spec.resets : KD_RESETS_DEFAULT;
	if (k->spec.has_resets && !k->spec.resets)
		k->resets_left = UINT32_MAX;
	buf_init(&b, 1024);
	link_describe(k->link, &b);
	kd_notice(k, "Opened %s.", buf_z(&b));
	buf_deinit(&b);
}

void kd_link_state(kd *k)
{
	buf b;
	if (link_state_get(k->link) == LINK_UP) {
		link_up(k);
		return;
	}
	buf_init(&b, 1024);
	link_describe(k->link, &b);
	kd_notice(k, "Opened %s.\nWaiting to reconnect...", buf_z(&b));
	buf_deinit(&b);
}

static void link_down(kd *k)
{
	bool again = link_state_get(k->link) == LINK_CONNECTING;
	k->cut = true;
	k->phase = again ? PH_NOLINK : PH_DEAD;
	if (again) {
		kd_notice(k, "The connection is lost (%s). Waiting to reconnect...",
			link_trouble(k->link));
		return;
	}
	char text[512];
	snprintf(text, sizeof text, "The connection is lost: %s.", link_trouble(k->link));
	kd_post(k, TGT_EV_DEAD, str_of(text), 0);
}

/* ---- what was seen ---- */

static void quote_sample(const kdp *p, buf *b)
{
	size_t begin = p->sample_n > 120 ? p->sample_n - 120 : 0, text = 0;
	for (size_t i = begin; i < p->sample_n; i++)
		text += p->sample[i] == '\n' || p->sample[i] == '\r' || p->sample[i] == '\t' ||
			(p->sample[i] >= 0x20 && p->sample[i] < 0x7f);
	bool readable = text * 10 >= (p->sample_n - begin) * 8;
	buf_addz(b, readable ? "the last of them: \"" : "the last of them:");
	if (!readable && p->sample_n > 24)
		begin = p->sample_n - 24;
	for (size_t i = begin; i < p->sample_n; i++) {
		uint8_t c = p->sample[i];
		if (!readable)
			buf_addf(b, " %02x", c);
		else if (c >= 0x20 && c < 0x7f)
			buf_addc(b, (char)c);
		else
			buf_addc(b, c == '\n' ? '|' : ' ');
	}
	if (readable)
		buf_addc(b, '"');
}

static void seen_text(const kd *k, buf *b)
{
	const kd_stats *s = &k->p.st;
	if (!s->bytes_in) {
		buf_addz(b, "Nothing was received.");
		return;
	}
	if (s->data_in)
		buf_addf(b, "%llu packets came", (unsigned long long)s->data_in);
	else if (s->control_in)
		buf_addz(b, "Only acknowledgements came");
	if (s->noise) {
		buf_addf(b, "%s%llu bytes came that are no packets, ",
			s->data_in || s->control_in ? "; " : "", (unsigned long long)s->noise);
		quote_sample(&k->p, b);
	}
	buf_addc(b, '.');
	if (s->damaged)
		buf_addf(b, " %llu packets were damaged.", (unsigned long long)s->damaged);
}

static void advice(const kd *k, buf *b)
{
	const kd_stats *s = &k->p.st;
	if (!s->bytes_in)
		buf_addz(b, "If the target runs, Ctrl+C breaks in. If that changes nothing: was it "
			    "started with kernel debugging on (bcdedit /debug on, /dbgsettings "
			    "serial), "
			    "on this very port? Is another program connected to it?");
	else if (!s->data_in && !s->control_in && s->noise)
		buf_addz(b, k->spec.kind == LINK_SERIAL ? "If this is not the text of a boot "
							  "loader: is the speed right on both "
							  "sides (Ctrl+A changes it here)?"
							: "If this is the text of a boot loader, "
							  "the kernel comes later; if it is "
							  "all that ever comes, kernel debugging "
							  "is off or on another port.");
	else
		buf_addz(b, "Packets come but no answer to ours: Ctrl+R resynchronises; does the "
			    "other direction of the line work?");
}

void kd_describe(tgt *t, buf *out)
{
	static const char *const phases[] = {"no connection yet", "connected, no contact yet",
		"the target runs", "the target is stopped", "the target waits for an answer",
		"lost"};
	kd *k = kd_of(t);
	const kd_stats *s = &k->p.st;
	link_describe(k->link, out);
	buf_addf(out, ": %s.\n", phases[k->phase]);
	seen_text(k, out);
	buf_addf(out,
		"\nReceived %llu bytes: %llu data and %llu control packets, %llu repeated, %llu "
		"damaged, "
		"%llu stray bytes.\nSent %llu bytes: %llu data and %llu control packets, %llu "
		"repeated, "
		"%llu resets, %llu break-ins.\n",
		(unsigned long long)s->bytes_in, (unsigned long long)s->data_in,
		(unsigned long long)s->control_in, (unsigned long long)s->duplicates,
		(unsigned long long)s->damaged, (unsigned long long)s->noise,
		(unsigned long long)s->bytes_out, (unsigned long long)s->data_out,
		(unsigned long long)s->control_out, (unsigned long long)s->repeated,
		(unsigned long long)s->resets_out, (unsigned long long)s->breakins);
}

static void say_silence(kd *k, uint64_t now)
{
	buf b;
	buf_init(&b, 2048);
	buf_addf(&b, "No contact for %llu seconds. ", (unsigned long long)(now - k->up_at) / 1000);
	seen_text(k, &b);
	buf_addc(&b, ' ');
	advice(k, &b);
	kd_notice(k, "%s", buf_z(&b));
	buf_deinit(&b);
	k->silences++;
	k->silence_at = now + 30000;
}

/* ---- time ---- */

static void dance_timer(kd *k, uint64_t now)
{
	if (now < k->reset_at)
		return;
	if (k->dance_left) {
		k->dance_left--;
		k->reset_at = now + DANCE_EVERY_MS;
		kdp_reset(&k->p, sys_now_us());
		return;
	}
	/* No answer to RESET. Go on with the state change that came, if one did: numbers that do
	 * not match show in the first request. */
	k->dance = k->p.reset_wanted = false;
	if (k->have_state) {
		kd_notice(k, "The target does not answer RESET; going on without.");
		k->synced = true;
		deliver(k);
	}
}

/*
 * The byte is found when the kernel looks for it while it runs; one that comes while the kernel
 * waits for an acknowledgement, which then follows it, is lost. So the best moment is right behind
 * an acknowledgement, and a byte that a packet of the kernel crossed is not waited for.
 */
static void break_timer(kd *k, uint64_t now)
{
	bool again = k->break_crossed && now >= k->break_sent + BREAK_CROSSED_MS;
	if (k->p.outstanding || (now < k->break_at && !again))
		return;
	kdp_breakin(&k->p);
	k->breaks++;
	k->break_sent = now;
	k->break_crossed = false;
	k->break_at = now + KD_BREAK_EVERY_MS;
	if (k->contact && !k->break_said && now - k->break_since > BREAK_SILENCE_MS) {
		k->break_said = true;
		kd_notice(k,
			"The target has not answered the break-in for %llu seconds; it is still "
			"asked every second.",
			(unsigned long long)(now - k->break_since) / 1000);
	}
}

static void timers(kd *k, uint64_t now)
{
	if (k->phase != PH_SILENT && k->phase != PH_RUNNING)
		return;
	if (k->dance) {
		dance_timer(k, now);
		return;
	}
	if (!k->contact && now >= k->reset_at && k->resets_left) {
		if (k->resets_left != UINT32_MAX)
			k->resets_left--;
		/* Between two break-in bytes, away from both. */
		k->reset_at = now + KD_RESET_EVERY_MS;
		if (k->want_break && k->breaks)
			k->reset_at = k->break_at + KD_BREAK_EVERY_MS / 2;
		kdp_reset(&k->p, sys_now_us());
		kd_flush(k);
		if (k->break_at < now + BREAK_AFTER_RESET_MS)
			k->break_at = now + BREAK_AFTER_RESET_MS;
	}
	if (k->want_break)
		break_timer(k, now);
	if (!k->contact && now >= k->silence_at && k->silences < 3)
		say_silence(k, now);
	/* A continue that is never acknowledged was taken: the kernel runs and does not listen. */
	if (k->p.outstanding && k->p.tries > CONTINUE_TRIES)
		kdp_drop(&k->p);
}

static uint64_t next_timer(const kd *k)
{
	uint64_t t = UINT64_MAX, us = kdp_deadline(&k->p);
	if (us != UINT64_MAX)
		t = us / 1000 + 1;
	if (k->phase != PH_SILENT && k->phase != PH_RUNNING)
		return t;
	if (k->dance)
		return k->reset_at < t ? k->reset_at : t;
	if (!k->contact && k->resets_left && k->reset_at < t)
		t = k->reset_at;
	if (k->want_break && k->break_at < t)
		t = k->break_at;
	if (!k->contact && k->silences < 3 && k->silence_at < t)
		t = k->silence_at;
	return t;
}

/* ---- the pump ---- */

/* Whether anything was taken from the machine. */
static bool drain(kd *k)
{
	kdp_note x;
	bool any = false;
	while (!k->got && kdp_next(&k->p, &x, sys_now_us())) {
		on_note(k, &x);
		any = true;
	}
	return any;
}

/*
 * Everything read fits into the machine: it was drained before, so that it holds less than a
 * packet. After a reply nothing more is fed, because the reply lies in the machine's buffer.
 */
static void take_input(kd *k)
{
	uint8_t b[16384];
	size_t n, was_missing = kdp_missing(&k->p);
	uint64_t now = sys_now_us(), since = now - k->read_at;
	k->read_at = now;
	_Static_assert(sizeof b + KD_HEADER + KD_PAYLOAD_MAX + 1 <= KDP_IN_MAX, "room");
	while (!k->got && link_read(k->link, b, sizeof b, &n) == ERR_OK && n) {
		if (was_missing && n >= 8 && since < 5000)
			k->pace_ns = since * 1000 / n;
		was_missing = 0;
		(void)kdp_feed(&k->p, b, n, sys_now_us());
		drain(k);
		if (n < sizeof b)
			return;
	}
}

/*
 * While a packet is arriving byte by byte nobody has to look at every byte: that costs the sender a
 * wake-up for each. But a unix socket holds fewer than 280 writes of one byte and then stops the
 * sender: the pause is as long as some 32 bytes take, which leaves room for waking up late.
 */
static void doze(kd *k)
{
	size_t missing = kdp_missing(&k->p) / 2;
	if (k->streaming && !missing)
		missing = DOZE_BYTES; /* of the next reply, or of the acknowledgement before it */
	uint64_t ns = (missing < DOZE_BYTES ? missing : DOZE_BYTES) * k->pace_ns;
	if (ns < DOZE_MIN_NS)
		return;
	struct timespec t = {0, (long)(ns < DOZE_MAX_NS ? ns : DOZE_MAX_NS)};
	nanosleep(&t, NULL);
}

/* Whoever leaves does not want to wait any longer. Looked at often, since nobody may wake a link
 * that is about to be closed. */
static bool abandoned(kd *k)
{
	if (!k->t.leaving || !cancelled(k->t.host.abandon))
		return false;
	k->phase = PH_DEAD;
	k->cut = true;
	return true;
}

void kd_pump(kd *k, uint64_t until)
{
	if (abandoned(k))
		return;
	if (drain(k) || k->got)
		return;
	uint64_t now = sys_now_ms();
	/* Of a target that is stopped already nothing is asked. */
	if (atomic_exchange(&k->interrupt, false) && k->phase != PH_STOPPED)
		kd_ask_break(k);
	timers(k, now);
	kd_flush(k);
	uint64_t t = next_timer(k);
	if (until < t)
		t = until;
	int wait = t == UINT64_MAX ? -1 : t <= now ? 0 : t - now > 60000 ? 60000 : (int)(t - now);
	if (k->phase == PH_DEAD)
		return;
	if (k->t.leaving && (wait < 0 || wait > LEAVE_LOOK_MS))
		wait = LEAVE_LOOK_MS;
	doze(k);
	unsigned got = link_wait(k->link, wait);
	if (got & LINK_GOT_UP)
		link_up(k);
	if (got & LINK_GOT_INPUT)
		take_input(k);
	if (got & LINK_GOT_DOWN)
		link_down(k);
	kdp_tick(&k->p, sys_now_us());
	if (!k->got)
		kd_flush(k);
}
