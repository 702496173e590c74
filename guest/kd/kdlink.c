/*
 * kdlink: packets over a line of bytes.
 *
 * Refuses to know what the packets say, but for the first word of a payload, which tells whether a
 * message may be given up. One link, so one static state; the callers hold the machine (kdport.h).
 *
 *   send:     [packet] -> wait for ACK --- ACK with our id ------------> done, id toggles
 *                 ^            |---------- RESEND, RESET, break-in ---+
 *                 |            |---------- time out, tries left -------+
 *                 +------------------------------------------------------+
 *                              `---------- time out, none left: absent, ids start anew
 *   receive:  leader -> header -> payload -> trailer, checksum -> ACK -> id as expected? -> done
 *                                   bad: RESEND, start over            no: a repeat, dropped
 *
 * Invariants: `ours` is the id of the next packet out (with the sync bit until the first ACK),
 * `theirs` the id that the next packet in must carry.
 */
#include "kdstub.h"

/* Times are the kernel's own: the observed one waits some 15 ms and 20 times. On an emulated
 * UART on a busy host that makes needless repeats, so each wait is longer here. */
enum {
	KD_WAIT_BYTE_US = 50000, /* inside a packet */
	KD_WAIT_ACK_US = 60000,
	KD_WAIT_IDLE_US = 200000, /* for a leader when nothing is owed: callers loop */
	KD_TRIES = 20,
	KD_WAIT_SLOW_US = 500000 /* between repeats of a stop that nobody has answered yet */
};

static uint32_t ours, theirs;
static bool break_pending;
static uint8_t payload_in[KD_PACKET_MAX];

/* Set when messages were given up; a leader from the other side clears it. */
bool kd_absent;

static void set_absent(bool absent)
{
	if (kd_absent != absent) {
		kd_absent = absent;
		kd_port_present(!absent);
	}
}

void kd_link_init(void)
{
	ours = KD_ID_INITIAL | KD_ID_SYNC;
	theirs = KD_ID_INITIAL;
	break_pending = false;
	kd_absent = false;
}

bool kd_link_take_break(void)
{
	bool was = break_pending;
	break_pending = false;
	return was;
}

/* ---- out ---- */

static uint32_t put_bytes(const void *p, size_t n)
{
	const uint8_t *b = p;
	uint32_t sum = 0;
	for (size_t i = 0; i < n; i++) {
		kd_port_putc(b[i]);
		sum += b[i];
	}
	return sum;
}

static uint32_t sum_bytes(const void *p, size_t n)
{
	const uint8_t *b = p;
	uint32_t sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += b[i];
	return sum;
}

static void send_control(unsigned type, uint32_t id)
{
	kd_packet p = {KD_LEADER_CONTROL * 0x01010101u, (uint16_t)type, 0, id, 0};
	put_bytes(&p, sizeof(p));
}

static void send_data(unsigned type, const kd_message *m)
{
	kd_packet p = {KD_LEADER_DATA * 0x01010101u, (uint16_t)type,
		(uint16_t)(m->header_n + m->data_n), ours,
		sum_bytes(m->header, m->header_n) + sum_bytes(m->data, m->data_n)};
	put_bytes(&p, sizeof(p));
	put_bytes(m->header, m->header_n);
	put_bytes(m->data, m->data_n);
	kd_port_putc(KD_TRAILER);
}

/* ---- in ---- */

/*
 * Finds four equal leader bytes. A break-in byte counts when nothing follows it; one that a packet
 * follows at once is lost (so does the observed kernel: its debugger repeats it).
 */
static kd_got read_leader(uint32_t wait_us, uint8_t *ret)
{
	uint8_t last = 0;
	unsigned run = 0;
	while (run < 4) {
		int c = kd_port_getc(last == KD_BREAK_IN || run ? KD_WAIT_BYTE_US : wait_us);
		if (c < 0) {
			if (last != KD_BREAK_IN)
				return KD_GOT_NOTHING;
			break_pending = true;
			return KD_GOT_RESEND;
		}
		if (c == KD_LEADER_DATA || c == KD_LEADER_CONTROL)
			run = (uint8_t)c == last ? run + 1 : 1;
		else
			run = 0;
		last = (uint8_t)c;
	}
	set_absent(false);
	*ret = last;
	return KD_GOT_PACKET;
}

static bool read_bytes(void *to, size_t n)
{
	uint8_t *b = to;
	for (size_t i = 0; i < n; i++) {
		int c = kd_port_getc(KD_WAIT_BYTE_US);
		if (c < 0)
			return false;
		b[i] = (uint8_t)c;
	}
	return true;
}

static void reset_ids(void)
{
	/* The observed kernel answers a reset without the sync bit; the sysprogs description of
	 * KDCOM has it set on the first packet of either side. Both occur, so both are here. */
	ours = KD_ID_INITIAL | (KD_VARIANT_B ? KD_ID_SYNC : 0);
	theirs = KD_ID_INITIAL;
	send_control(KD_TYPE_RESET, 0);
}

/*
 * Reads what follows a leader. PACKET: a data packet that passed its checks is in payload_in and
 * *p, not yet acknowledged; or it was an ACK. NOTHING: it was no use. RESEND: a control packet asks
 * for a repeat.
 */
static kd_got read_rest(uint8_t leader, kd_packet *p)
{
	p->leader = leader * 0x01010101u;
	if (!read_bytes(&p->type, 2))
		return KD_GOT_NOTHING;
	/* A resend request counts from its type on: the rest of it may be lost in the noise that
	 * caused it. */
	if (leader == KD_LEADER_CONTROL && p->type == KD_TYPE_RESEND) {
		read_bytes(&p->count, sizeof(*p) - 6);
		return KD_GOT_RESEND;
	}
	if (!read_bytes(&p->count, sizeof(*p) - 6))
		return KD_GOT_NOTHING;
	if (leader == KD_LEADER_CONTROL) {
		if (p->type == KD_TYPE_RESET) {
			reset_ids();
			return KD_GOT_RESEND;
		}
		return p->type == KD_TYPE_ACK ? KD_GOT_PACKET : KD_GOT_NOTHING;
	}
	uint8_t trailer;
	if (p->count > KD_PACKET_MAX || !read_bytes(payload_in, p->count) ||
		!read_bytes(&trailer, 1) || trailer != KD_TRAILER ||
		sum_bytes(payload_in, p->count) != p->checksum) {
		send_control(KD_TYPE_RESEND, 0);
		return KD_GOT_NOTHING;
	}
	return KD_GOT_PACKET;
}

static bool expected_id(uint32_t id)
{
	/* The observed kernel compares the whole id, so a first request with the sync bit is a
	 * repeat to it. */
	return (KD_VARIANT_B ? id & ~KD_ID_SYNC : id) == theirs;
}

/* PACKET: acknowledged. */
static kd_got wait_ack(uint32_t wait_us)
{
	for (;;) {
		uint8_t leader;
		kd_packet p;
		kd_got got = read_leader(wait_us, &leader);
		if (got != KD_GOT_PACKET)
			return got;
		got = read_rest(leader, &p);
		if (got == KD_GOT_RESEND)
			return got;
		if (got == KD_GOT_NOTHING)
			continue;
		if (leader == KD_LEADER_CONTROL) {
			if (p.id == (ours & ~KD_ID_SYNC))
				return KD_GOT_PACKET;
			continue;
		}
		/*
		 * A data packet instead. If it is a new one the debugger has our packet and the
		 * ACK was lost; it will send its own again. The observed kernel concludes the same
		 * from a repeat of the old one, and then a reply that never arrived is not sent
		 * again.
		 */
		if (KD_VARIANT_B && !expected_id(p.id)) {
			send_control(KD_TYPE_ACK, p.id & ~KD_ID_SYNC);
			return KD_GOT_RESEND;
		}
		send_control(KD_TYPE_RESEND, 0);
		return KD_GOT_PACKET;
	}
}

static bool may_give_up(unsigned type, const kd_message *m)
{
	uint32_t word;
	kd_port_copy(&word, m->header, sizeof(word));
	switch (type) {
	case KD_TYPE_DEBUG_IO:
		return word == KD_IO_PRINT;
	case KD_TYPE_STATE_CHANGE:
		return word == KD_STATE_LOAD_SYMBOLS;
	case KD_TYPE_FILE_IO:
		return word == KD_FILE_CREATE;
	default:
		return true;
	}
}

void kd_link_send(unsigned type, const kd_message *m)
{
	unsigned tries = KD_TRIES;
	for (;;) {
		send_data(type, m);
		kd_got got = wait_ack(tries ? KD_WAIT_ACK_US : KD_WAIT_SLOW_US);
		if (got == KD_GOT_PACKET) {
			ours = (ours ^ 1) & ~KD_ID_SYNC;
			return;
		}
		if (got == KD_GOT_RESEND)
			continue;
		if (tries)
			tries--;
		if (!tries && may_give_up(type, m)) {
			set_absent(true);
			ours = KD_ID_INITIAL | KD_ID_SYNC;
			theirs = KD_ID_INITIAL;
			return;
		}
	}
}

kd_got kd_link_receive(unsigned type, kd_message *m)
{
	for (;;) {
		uint8_t leader;
		kd_packet p;
		kd_got got = read_leader(KD_WAIT_IDLE_US, &leader);
		if (got != KD_GOT_PACKET)
			return got;
		got = read_rest(leader, &p);
		if (got == KD_GOT_RESEND)
			return got;
		if (got == KD_GOT_NOTHING || leader == KD_LEADER_CONTROL)
			continue;
		if (p.count < m->header_n) {
			send_control(KD_TYPE_RESEND, 0);
			continue;
		}
		send_control(KD_TYPE_ACK, KD_VARIANT_B ? p.id & ~KD_ID_SYNC : p.id);
		if (!expected_id(p.id))
			continue;
		if (p.type != type)
			continue;
		theirs ^= 1;
		kd_port_copy(m->header, payload_in, m->header_n);
		m->data = payload_in + m->header_n;
		m->data_n = p.count - m->header_n;
		return KD_GOT_PACKET;
	}
}

bool kd_poll_break_in(void)
{
	static unsigned char polling;
	if (break_pending)
		return kd_link_take_break();
	/* Two processors that read one UART would tear its status from its data. */
	if (__atomic_exchange_n(&polling, 1, __ATOMIC_ACQUIRE))
		return false;
	bool found = false;
	int c;
	for (unsigned i = 0; i < 64 && (c = kd_port_getc(0)) >= 0; i++)
		found |= c == KD_BREAK_IN;
	__atomic_store_n(&polling, 0, __ATOMIC_RELEASE);
	return found;
}
