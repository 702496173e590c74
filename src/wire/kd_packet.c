/*
 * kd_packet: the packet machine. See kd.h.
 *
 * Incoming bytes are kept until they are known to be a good frame or not the start of one:
 *
 *        +---------+   leader    +--------+  header fits  +---------+  sum, trailer good
 *   ---> | between | ----------> | header | ------------> | payload | --------------------> note
 *        +---------+             +--------+               +---------+
 *             ^     no header        |        damaged, stalled |
 *             +--- (one byte on) ----+-------------------------+  RESEND, one byte on
 *
 * "One byte on" means that the search for a leader starts again right behind the first byte of what
 * looked like a leader: a good packet inside of a damaged one is found.
 *
 * Invariants: in[in_begin..in_end) is what has not been judged; `out` holds whole frames only; the
 * outstanding packet is pkt[0..pkt_n) under number `id`.
 */
#include "wire/kd.h"

#include "base/map.h"

#include <assert.h>

enum { RTO_FIRST_US = 300000, RTO_MIN_US = 30000, RTO_MAX_US = 1000000, STALL_US = 500000 };

uint32_t kd_checksum(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += p[i];
	return sum;
}

void kdp_init(kdp *p)
{
	memset(p, 0, sizeof *p);
	p->id = KD_ID_FIRST;
	p->rto_us = RTO_FIRST_US;
	p->stall_us = STALL_US;
	buf_init(&p->out, 1 << 20);
}

void kdp_deinit(kdp *p)
{
	buf_deinit(&p->out);
}

void kdp_restart(kdp *p)
{
	p->in_begin = p->in_end = 0;
	p->id = KD_ID_FIRST;
	p->have_last = p->outstanding = p->reset_wanted = p->early = p->early_lost = false;
	p->sample_n = 0;
	buf_clear(&p->out);
}

static void emit(kdp *p, const void *frame, size_t n)
{
	buf_add(&p->out, frame, n);
	p->st.bytes_out += n;
	if (p->trace)
		p->trace(p->trace_u, true, (const uint8_t *)frame, n);
}

static void emit_control(kdp *p, kd_type t, uint32_t id)
{
	uint8_t f[KD_HEADER];
	put32(f, KD_LEADER_CONTROL);
	put16(f + 4, (uint16_t)t);
	put16(f + 6, 0);
	put32(f + 8, id);
	put32(f + 12, 0);
	p->st.control_out++;
	emit(p, f, sizeof f);
}

size_t kdp_feed(kdp *p, const void *bytes, size_t n, uint64_t now_us)
{
	if (p->in_begin) {
		memmove(p->in, p->in + p->in_begin, p->in_end - p->in_begin);
		p->in_end -= p->in_begin;
		p->in_begin = 0;
	}
	size_t room = sizeof p->in - p->in_end;
	if (n > room)
		n = room;
	memcpy(p->in + p->in_end, bytes, n);
	p->in_end += n;
	if (n)
		p->in_at = now_us;
	p->st.bytes_in += n;
	return n;
}

static void noise(kdp *p, const uint8_t *b, size_t n)
{
	if (!n)
		return;
	p->st.noise += n;
	if (p->trace)
		p->trace(p->trace_u, false, b, n);
	size_t keep = n < sizeof p->sample ? n : sizeof p->sample;
	b += n - keep;
	if (p->sample_n + keep > sizeof p->sample) {
		size_t drop = p->sample_n + keep - sizeof p->sample;
		memmove(p->sample, p->sample + drop, p->sample_n - drop);
		p->sample_n -= drop;
	}
	memcpy(p->sample + p->sample_n, b, keep);
	p->sample_n += keep;
}

/* Moves in_begin to the next leader, or to where one may begin at the very end. */
static void skip_to_leader(kdp *p)
{
	size_t i = p->in_begin;
	while (i < p->in_end) {
		uint8_t c = p->in[i];
		if (c == 0x30 || c == 0x69) {
			size_t k = 1;
			while (k < 4 && i + k < p->in_end && p->in[i + k] == c)
				k++;
			if (k == 4 || i + k == p->in_end)
				break;
		}
		i++;
	}
	noise(p, p->in + p->in_begin, i - p->in_begin);
	p->in_begin = i;
}

static bool data_type(uint16_t t)
{
	return t >= KD_T_STATE32 && t <= KD_T_FILE_IO && (t < KD_T_ACK || t > KD_T_RESET);
}

static bool data_id(uint32_t id)
{
	return (id & ~(uint32_t)(KD_SYNC | 1)) == KD_ID_FIRST;
}

typedef enum verdict { V_MORE, V_NOT, V_DAMAGED, V_GOOD } verdict;

/* Judges what begins with a leader at b. */
static verdict judge(const uint8_t *b, size_t n, size_t *size)
{
	if (n < 8)
		return V_MORE;
	bool control = b[0] == 0x69;
	uint16_t t = le16(b + 4), len = le16(b + 6);
	if (control ? t < KD_T_ACK || t > KD_T_RESET || len : !data_type(t) || len > KD_PAYLOAD_MAX)
		return V_NOT;
	if (n < KD_HEADER)
		return V_MORE;
	*size = KD_HEADER;
	/* Nothing guards a control packet but its zeros: one that lost a byte has swallowed the
	 * beginning of what followed. */
	if (control)
		return le32(b + 12) || (t == KD_T_ACK && !data_id(le32(b + 8))) ? V_NOT : V_GOOD;
	if (!data_id(le32(b + 8)))
		return V_NOT;
	*size = (size_t)KD_HEADER + len + 1;
	if (n < *size)
		return V_MORE;
	if (b[*size - 1] != KD_TRAILER || kd_checksum(b + KD_HEADER, len) != le32(b + 12))
		return V_DAMAGED;
	return V_GOOD;
}

/* The outstanding packet has arrived: time it, go on to the next number. */
static void acknowledged(kdp *p, uint64_t now)
{
	p->outstanding = false;
	p->id = (p->id & ~(uint32_t)KD_SYNC) ^ 1;
	if (p->tries != 1 || p->untimed || now < p->sent_at)
		return;
	/* As TCP does it (RFC 6298): only packets sent once are timed. */
	uint64_t rtt = now - p->sent_at;
	if (!p->srtt_us) {
		p->srtt_us = rtt ? rtt : 1;
		p->rttvar_us = rtt / 2;
	} else {
		uint64_t dev = rtt > p->srtt_us ? rtt - p->srtt_us : p->srtt_us - rtt;
		p->rttvar_us = (3 * p->rttvar_us + dev) / 4;
		p->srtt_us = (7 * p->srtt_us + rtt) / 8;
	}
}

static uint64_t rto(const kdp *p)
{
	if (!p->srtt_us)
		return RTO_FIRST_US;
	uint64_t t = p->srtt_us + 4 * p->rttvar_us + 5000;
	return t < RTO_MIN_US ? RTO_MIN_US : t > RTO_MAX_US ? RTO_MAX_US : t;
}

static bool take_control(kdp *p, uint16_t type, uint32_t id, kdp_note *ret, uint64_t now)
{
	p->st.control_in++;
	switch (type) {
	case KD_T_ACK:
		if (!p->outstanding || ((id ^ p->id) & ~(uint32_t)KD_SYNC))
			return false; /* of a packet long done */
		acknowledged(p, now);
		*ret = (kdp_note){.kind = KDP_ACK};
		return true;
	case KD_T_RESEND:
		p->st.resends_in++;
		if (p->outstanding) {
			/*
			 * It may be about a copy of an earlier packet, sent before ours came:
			 * answered at once it would make a copy of this one, and so on for ever. An
			 * acknowledgement comes within a round trip; only then it is repeated.
			 */
			uint64_t soon = p->srtt_us ? 2 * p->srtt_us + 500 : 0;
			if (soon < p->rto_us)
				p->rto_us = soon;
			kdp_tick(p, now);
			return false;
		}
		*ret = (kdp_note){.kind = KDP_RESEND};
		return true;
	default:
		p->st.resets_in++;
		p->have_last = false;
		p->id = KD_ID_FIRST;
		if (p->outstanding)
			put32(p->pkt + 8, p->id);
		if (p->answers_reset)
			emit_control(p, KD_T_RESET, 0);
		p->reset_wanted = false;
		*ret = (kdp_note){.kind = KDP_RESET};
		return true;
	}
}

static bool take_data(kdp *p, const uint8_t *b, size_t size, kdp_note *ret, uint64_t now)
{
	uint32_t id = le32(b + 8);
	uint64_t h = hash_bytes(b + 4, size - 4);
	bool sync = (id & KD_SYNC) != 0;

	bool early = p->early && id == p->early_id;
	if (early) {
		p->early = false;
		p->sent_at = now; /* from now on the next request may be answered */
	} else {
		emit_control(p, KD_T_ACK, id & ~(uint32_t)KD_SYNC);
	}
	/* A kernel that gave a packet up uses its number again for the next one: the number alone
	 * does not make a duplicate. */
	if (p->have_last && p->last_hash == h && !((p->last_id ^ id) & ~(uint32_t)KD_SYNC)) {
		p->st.duplicates++;
		return false;
	}
	p->have_last = true;
	p->last_id = id;
	p->last_hash = h;
	p->st.data_in++;
	/* The other side speaks only after it took our packet: its acknowledgement was lost. */
	if (p->outstanding && !early)
		acknowledged(p, now);
	else if (sync && !p->outstanding) /* it starts anew, and expects our first number */
		p->id = KD_ID_FIRST;
	*ret = (kdp_note){.kind = KDP_DATA,
		.type = le16(b + 4),
		.sync = sync,
		.p = b + KD_HEADER,
		.n = size - KD_HEADER - 1};
	return true;
}

/* A data packet that cannot be used: once more, please; unless it was acknowledged already. */
static void damaged(kdp *p, const uint8_t *b)
{
	p->st.damaged++;
	if (p->early) {
		p->early = false;
		p->early_lost = true;
		return;
	}
	emit_control(p, KD_T_RESEND, 0);
}

size_t kdp_missing(const kdp *p)
{
	const uint8_t *b = p->in + p->in_begin;
	size_t n = p->in_end - p->in_begin, size = 0;
	if (n < KD_HEADER || b[0] != 0x30 || judge(b, n, &size) != V_MORE || size <= n)
		return 0;
	return size - n;
}

bool kdp_early(kdp *p)
{
	const uint8_t *b = p->in + p->in_begin;
	if (p->outstanding || p->early || kdp_missing(p) < 64 || le16(b + 4) != KD_T_MANIPULATE ||
		p->in_end - p->in_begin < KD_HEADER + KD_MANIP_SIZE)
		return false;
	uint32_t id = le32(b + 8);
	if (p->have_last && !((p->last_id ^ id) & ~(uint32_t)KD_SYNC))
		return false; /* perhaps a repetition */
	p->early = true;
	p->early_lost = false;
	p->early_id = id;
	emit_control(p, KD_T_ACK, id & ~(uint32_t)KD_SYNC);
	return true;
}

bool kdp_next(kdp *p, kdp_note *ret, uint64_t now)
{
	for (;;) {
		skip_to_leader(p);
		const uint8_t *b = p->in + p->in_begin;
		size_t n = p->in_end - p->in_begin, size = 0;
		if (n < 4)
			return false;
		switch (judge(b, n, &size)) {
		case V_MORE:
			return false;
		case V_NOT:
			noise(p, b, 1);
			p->in_begin++;
			continue;
		case V_DAMAGED:
			damaged(p, b);
			noise(p, b, 1);
			p->in_begin++;
			continue;
		case V_GOOD:
			break;
		}
		if (p->trace)
			p->trace(p->trace_u, false, b, size);
		p->in_begin += size;
		if (b[0] == 0x69 ? take_control(p, le16(b + 4), le32(b + 8), ret, now)
				 : take_data(p, b, size, ret, now))
			return true;
	}
}

void kdp_tick(kdp *p, uint64_t now)
{
	if (p->outstanding && !p->early && now - p->sent_at >= p->rto_us) {
		uint64_t longer = p->tries < 2 ? rto(p) * 2 : p->rto_us * 2;
		kdp_again(p, now);
		p->rto_us = longer > RTO_MAX_US	  ? RTO_MAX_US
			    : longer < RTO_MIN_US ? RTO_MIN_US
						  : longer;
	}
	if (p->in_end > p->in_begin && now - p->in_at >= p->stall_us) {
		/* What is there stopped arriving in its middle. */
		const uint8_t *b = p->in + p->in_begin;
		if (p->in_end - p->in_begin >= 4 && b[0] == 0x30)
			damaged(p, b);
		noise(p, b, 1);
		p->in_begin++;
		p->in_at = now;
	}
}

uint64_t kdp_deadline(const kdp *p)
{
	uint64_t d = UINT64_MAX;
	if (p->outstanding && !p->early)
		d = p->sent_at + p->rto_us;
	if (p->in_end > p->in_begin && p->in_at + p->stall_us < d)
		d = p->in_at + p->stall_us;
	return d;
}

void kdp_send(
	kdp *p, kd_type t, const void *hdr, size_t hn, const void *data, size_t dn, uint64_t now)
{
	assert(!p->outstanding && hn + dn <= KD_PAYLOAD_MAX);
	uint8_t *f = p->pkt;
	if (hn)
		memcpy(f + KD_HEADER, hdr, hn);
	if (dn)
		memcpy(f + KD_HEADER + hn, data, dn);
	put32(f, KD_LEADER_DATA);
	put16(f + 4, (uint16_t)t);
	put16(f + 6, (uint16_t)(hn + dn));
	put32(f + 8, p->id);
	put32(f + 12, kd_checksum(f + KD_HEADER, hn + dn));
	f[KD_HEADER + hn + dn] = KD_TRAILER;
	p->pkt_n = KD_HEADER + hn + dn + 1;
	p->outstanding = true;
	p->tries = 1;
	p->sent_at = now;
	p->untimed = p->early;
	p->rto_us = rto(p);
	p->st.data_out++;
	emit(p, f, p->pkt_n);
}

void kdp_again(kdp *p, uint64_t now)
{
	if (!p->outstanding)
		return;
	p->tries++;
	p->sent_at = now;
	p->st.repeated++;
	emit(p, p->pkt, p->pkt_n);
}

void kdp_once_more(kdp *p, uint64_t now)
{
	p->id = KD_ID_FIRST;
	put32(p->pkt + 8, p->id);
	p->outstanding = true;
	p->tries = 1;
	p->untimed = true;
	p->sent_at = now;
	p->rto_us = rto(p);
	p->st.repeated++;
	emit(p, p->pkt, p->pkt_n);
}

void kdp_drop(kdp *p)
{
	if (!p->outstanding)
		return;
	p->outstanding = false;
	p->id = (p->id & ~(uint32_t)KD_SYNC) ^ 1;
}

void kdp_reset(kdp *p, uint64_t now)
{
	/* The number of a RESET is not looked at; recorded debuggers send the first one. */
	emit_control(p, KD_T_RESET, KD_ID_FIRST | KD_SYNC);
	p->st.resets_out++;
	p->reset_wanted = true;
	p->early = false;
	p->id = KD_ID_FIRST;
	p->have_last = false;
	if (p->outstanding) {
		put32(p->pkt + 8, p->id);
		p->tries++; /* whatever comes now says nothing about the round trip */
		p->sent_at = now;
	}
}

void kdp_breakin(kdp *p)
{
	uint8_t b = KD_BREAKIN;
	p->st.breakins++;
	emit(p, &b, 1);
}

err kd_frame_parse(const uint8_t *b, size_t n, kd_frame *ret)
{
	size_t size = 0;
	if (n < 4 || (b[0] != 0x30 && b[0] != 0x69) || b[1] != b[0] || b[2] != b[0] || b[3] != b[0])
		return ERR_CORRUPT;
	if (judge(b, n, &size) != V_GOOD || size != n)
		return ERR_CORRUPT;
	bool control = b[0] == 0x69;
	*ret = (kd_frame){
		control, le16(b + 4), le32(b + 8), b + KD_HEADER, control ? 0 : n - KD_HEADER - 1};
	return ERR_OK;
}
