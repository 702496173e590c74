/*
 * kd_req: one request, one reply. See kd_int.h.
 *
 * A request is repeated until it is acknowledged (kd_packet does that). When it was acknowledged
 * and nothing follows, or is not acknowledged for long, the two sides may count differently: RESET
 * makes the kernel send its state change again, which proves that it is there, and the request is
 * sent once more. A request that is not answered then either is one that this kernel does not know.
 */
#include "target/kd/kd_int.h"

bool kd_refused(const kd *k, uint32_t api)
{
	return k->served[api - KD_API_FIRST] == SERVED_NO;
}

err kd_status(uint32_t status)
{
	switch (status) {
	case 0:
		return ERR_OK;
	case KD_STATUS_INVALID:
		return ERR_ARG;
	default:
		return ERR_FAULT;
	}
}

static err not_stopped(kd *k, diag *d)
{
	switch (k->phase) {
	case PH_DEAD:
	case PH_NOLINK:
		return diag_set(d, ERR_DEAD, "the connection to the target is lost");
	case PH_PROMPT:
		return diag_set(d, ERR_STATE, "the target waits for an answer to its question");
	case PH_SILENT:
		return diag_set(d, ERR_STATE, "there is no contact with the target yet");
	default:
		return diag_set(d, ERR_STATE, "the target is running");
	}
}

static bool over(const kd *k)
{
	return k->got || k->cut || k->phase != PH_STOPPED;
}

/* Waits for the reply; false if the time is over. Bytes that still flow extend it. */
static bool await(kd *k, uint64_t quiet_ms, uint64_t most_ms)
{
	uint64_t begin = sys_now_ms(), last = begin, bytes = k->p.st.bytes_in;
	bool was_out = k->p.outstanding;
	for (;;) {
		uint64_t now = sys_now_ms();
		if (k->p.st.bytes_in != bytes || (was_out && !k->p.outstanding)) {
			bytes = k->p.st.bytes_in;
			was_out = k->p.outstanding;
			last = now;
		}
		if (over(k))
			return true;
		/* Kernels take a repeated request for the acknowledgement of their reply: that
		 * reply may be lost for good. */
		if (!k->p.outstanding && k->p.tries > 1 && quiet_ms > KD_REPEATED_MS)
			quiet_ms = KD_REPEATED_MS;
		if (now - last >= quiet_ms || now - begin >= most_ms)
			return false;
		kd_pump(k, last + quiet_ms);
	}
}

/* RESET, and wait until the kernel has sent its state change again. */
static bool dance(kd *k)
{
	for (int i = 0; i < 5; i++) {
		uint64_t end = sys_now_ms() + 500;
		k->state_again = false;
		kdp_reset(&k->p, sys_now_us());
		while (sys_now_ms() < end && !k->state_again && !k->cut && k->phase == PH_STOPPED) {
			/* The reply may still come, from before. */
			if (k->got)
				return true;
			kd_pump(k, end);
		}
		if (k->state_again || k->cut || k->phase != PH_STOPPED)
			return true;
	}
	k->p.reset_wanted = false;
	return false;
}

static err request(
	kd *k, kd_manip *m, const void *data, size_t n, uint64_t reply_ms, bool again, diag *d)
{
	uint8_t h[KD_MANIP_SIZE];
	const char *name = kd_api_name(m->api);
	if (k->phase != PH_STOPPED)
		return not_stopped(k, d);
	/* One answer that does not come is enough to leave: what is still to be undone does not
	 * wait once more each. */
	if (k->gave_up)
		return diag_set(d, ERR_TIMEOUT, "the target does not answer");
	/* The last thing sent may still be waiting for its acknowledgement: the reply to it came,
	 * or it was given up. */
	kdp_drop(&k->p);
	m->level = k->st.level;
	m->status = KD_STATUS_PENDING;
	kd_manip_pack(m, h);
	k->want = m->api;
	k->got = k->cut = false;
	err e = ERR_OK;
	for (int round = 0;; round++) {
		kdp_send(&k->p, KD_T_MANIPULATE, h, sizeof h, data, n, sys_now_us());
		bool in_time =
			await(k, k->deaf ? 1500 : reply_ms, round ? reply_ms : KD_GIVE_UP_MS * 5);
		if (in_time || round == 2 || (round && !again))
			break;
		bool acked = !k->p.outstanding;
		kdp_drop(&k->p);
		if (!dance(k)) {
			k->deaf = true;
			k->gave_up = k->t.leaving;
			e = diag_set(d, ERR_TIMEOUT, "the target %s %s and does not answer RESET",
				acked ? "took but never answered" : "does not acknowledge",
				name ? name : "a request");
			break;
		}
		if (k->got || k->cut)
			break;
		if (acked && !again) {
			e = ERR_TIMEOUT;
			break;
		}
	}
	k->want = 0;
	if (k->got) {
		k->got = false;
		return ERR_OK;
	}
	if (k->cut || k->phase != PH_STOPPED)
		return diag_set(d, ERR_DEAD,
			k->phase == PH_DEAD || k->phase == PH_NOLINK
				? "the connection is lost"
				: "the target has started anew");
	kdp_drop(&k->p);
	if (e == ERR_OK || (e == ERR_TIMEOUT && !k->deaf))
		return diag_set(
			d, ERR_TIMEOUT, "the target does not answer %s", name ? name : "a request");
	return e;
}

err kd_request(kd *k, kd_manip *m, const void *data, size_t n, diag *d)
{
	if (cancelled(k->t.host.cancel))
		return diag_set(d, ERR_CANCELLED, "cancelled");
	TRY(request(k, m, data, n, KD_REPLY_MS, true, d));
	k->served[m->api - KD_API_FIRST] = SERVED_YES;
	return ERR_OK;
}

err kd_request_optional(kd *k, kd_manip *m, const void *data, size_t n, bool probe, diag *d)
{
	uint8_t *served = &k->served[m->api - KD_API_FIRST];
	const char *name = kd_api_name(m->api);
	if (*served == SERVED_YES)
		return kd_request(k, m, data, n, d);
	if (*served == SERVED_NO)
		return diag_set(d, ERR_UNSUPPORTED, "this kernel does not serve %s", name);
	if (cancelled(k->t.host.cancel))
		return diag_set(d, ERR_CANCELLED, "cancelled");
	err e = request(k, m, data, n, KD_OPTIONAL_MS, false, d);
	bool no = e == ERR_TIMEOUT && !k->deaf;
	if (e == ERR_OK && probe && k->reply.status == KD_STATUS_UNSUCCESSFUL)
		no = true;
	else if (e == ERR_OK && !k->reply.status)
		*served = SERVED_YES;
	if (!no)
		return e;
	*served = SERVED_NO;
	return diag_set(d, ERR_UNSUPPORTED, "this kernel does not serve %s", name);
}

/* ---- streams ---- */

static void stream_send(kd *k, uint32_t api, uint64_t at, uint32_t flags, size_t n)
{
	uint8_t h[KD_MANIP_SIZE];
	kd_manip m = {
		.api = api, .level = k->st.level, .cpu = k->st.cpu, .status = KD_STATUS_PENDING};
	m.u.mem.addr = at;
	m.u.mem.count = (uint32_t)n;
	m.u.mem.actual = flags;
	kd_manip_pack(&m, h);
	kdp_send(&k->p, KD_T_MANIPULATE, h, sizeof h, NULL, 0, sys_now_us());
}

static size_t piece_size(size_t left)
{
	return left < KD_DATA_MAX ? left : KD_DATA_MAX;
}

/* Waits for the reply to one piece; on the way asks for the next one, at `next_at`. */
static bool stream_await(
	kd *k, uint32_t api, uint64_t next_at, uint32_t flags, size_t next_n, bool *asked)
{
	uint64_t last = sys_now_ms(), bytes = k->p.st.bytes_in;
	for (;;) {
		uint64_t now = sys_now_ms();
		if (k->p.st.bytes_in != bytes) {
			bytes = k->p.st.bytes_in;
			last = now;
		}
		if (over(k))
			return k->got;
		if (k->p.early_lost || now - last >= KD_REPEATED_MS * 2)
			return false;
		if (next_n && !*asked && kdp_early(&k->p)) {
			stream_send(k, api, next_at, flags, next_n);
			kd_flush(k);
			*asked = true;
		}
		kd_pump(k, last + KD_REPEATED_MS * 2);
	}
}

size_t kd_read_stream(
	kd *k, uint32_t api, uint64_t addr, uint32_t flags, uint8_t *b, size_t n, bool *end)
{
	size_t done = 0;
	bool good = true;
	kdp_drop(&k->p);
	k->want = api;
	k->got = k->cut = k->p.early_lost = false;
	k->streaming = true;
	stream_send(k, api, addr, flags, piece_size(n));
	while (good && done < n && !cancelled(k->t.host.cancel)) {
		size_t piece = piece_size(n - done), next = piece_size(n - done - piece);
		bool asked = false;
		k->want_addr = addr + done;
		good = stream_await(k, api, addr + done + piece, flags, next, &asked);
		if (!good)
			break;
		const kd_manip *r = &k->reply;
		size_t got = r->u.mem.actual < r->n ? r->u.mem.actual : r->n;
		if (got > piece)
			got = piece;
		if (got)
			memcpy(b + done, r->data, got);
		done += got;
		k->got = false;
		*end = !got || (got < piece && !((addr + done) & 4095));
		if (!asked && (got < piece || !next))
			break;
		if (!asked)
			stream_send(k, api, addr + done, flags, next);
		if (asked && got < piece) {
			/* The end of what can be read; the next piece was asked for in vain. */
			k->want_addr = addr + done - got + piece;
			asked = true;
			(void)stream_await(k, api, 0, 0, 0, &asked);
			k->got = false;
			break;
		}
	}
	/* Cancelled: the reply that is on its way is waited for, so that nobody takes it for his.
	 */
	if (good && k->p.outstanding) {
		bool none = true;
		(void)stream_await(k, api, 0, 0, 0, &none);
	}
	k->want = 0;
	k->want_addr = 0;
	k->got = k->streaming = false;
	if (!good) { /* one at a time from now on: this line does not bear it */
		k->no_stream = true;
		k->echoes = true;
		kdp_drop(&k->p);
	}
	return done;
}

err kd_send_only(kd *k, kd_manip *m, const void *data, size_t n, diag *d)
{
	uint8_t h[KD_MANIP_SIZE];
	if (k->phase != PH_STOPPED)
		return not_stopped(k, d);
	kdp_drop(&k->p);
	m->level = k->st.level;
	m->status = KD_STATUS_PENDING;
	kd_manip_pack(m, h);
	k->cut = false;
	kdp_send(&k->p, KD_T_MANIPULATE, h, sizeof h, data, n, sys_now_us());
	kd_flush(k);
	return ERR_OK;
}

err kd_version_get(kd *k, diag *d)
{
	if (k->have_version)
		return ERR_OK;
	kd_manip m = {.api = KD_GET_VERSION, .cpu = k->st.cpu};
	TRY(kd_request(k, &m, NULL, 0, d));
	if (k->reply.status)
		return diag_set(d, ERR_UNSUPPORTED, "the kernel refuses to tell its version (%08x)",
			k->reply.status);
	k->version = k->reply.u.version;
	k->have_version = true;
	return ERR_OK;
}
