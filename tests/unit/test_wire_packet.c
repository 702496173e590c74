/* wire: the packet machine against damage of every kind, and against itself over a bad line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "wire/kd.h"

#include <stdlib.h>

/* One data frame as the other side would send it. */
static size_t frame(uint8_t *f, uint16_t type, uint32_t id, const void *p, size_t n)
{
	put32(f, KD_LEADER_DATA);
	put16(f + 4, type);
	put16(f + 6, (uint16_t)n);
	put32(f + 8, id);
	put32(f + 12, kd_checksum(p, n));
	memcpy(f + 16, p, n);
	f[16 + n] = KD_TRAILER;
	return 17 + n;
}

static size_t control(uint8_t *f, uint16_t type, uint32_t id)
{
	put32(f, KD_LEADER_CONTROL);
	put16(f + 4, type);
	put16(f + 6, 0);
	put32(f + 8, id);
	put32(f + 12, 0);
	return 16;
}

static void feed(kdp *p, const void *b, size_t n, uint64_t now)
{
	assert_int_equal(kdp_feed(p, b, n, now), n);
}

/* Control packets of a type in what the machine wants to send. */
static unsigned sent(const kdp *p, uint16_t type)
{
	unsigned n = 0;
	for (size_t i = 0; i + 16 <= p->out.n; i++)
		n += !memcmp(p->out.p + i, "iiii", 4) && le16(p->out.p + i + 4) == type;
	return n;
}

static kdp P;
static uint8_t F[8192];

static int setup(void **state)
{
	kdp_init(&P);
	return 0;
}

static int teardown(void **state)
{
	kdp_deinit(&P);
	return 0;
}

static void whole_and_in_pieces(void **state)
{
	kdp_note x;
	size_t n = frame(F, KD_T_DEBUG_IO, 0x80800800, "hello", 5);
	feed(&P, F, n, 0);
	assert_true(kdp_next(&P, &x, 0));
	assert_int_equal(x.kind, KDP_DATA);
	assert_true(x.sync);
	assert_memory_equal(x.p, "hello", 5);
	assert_int_equal(x.n, 5);
	assert_false(kdp_next(&P, &x, 0));
	/* The acknowledgement carries the number without the sync bit. */
	assert_int_equal(P.out.n, 16);
	assert_int_equal(le32(P.out.p + 8), 0x80800000);
	buf_clear(&P.out);

	n = frame(F, KD_T_DEBUG_IO, 0x80800001, "piece by piece", 14);
	for (size_t i = 0; i < n; i++) {
		assert_false(kdp_next(&P, &x, i));
		feed(&P, F + i, 1, i);
	}
	assert_true(kdp_next(&P, &x, n));
	assert_false(x.sync);
	assert_int_equal(sent(&P, KD_T_ACK), 1);
	assert_int_equal(P.st.noise, 0);
}

static void duplicates_are_acknowledged_and_dropped(void **state)
{
	kdp_note x;
	size_t n = frame(F, KD_T_DEBUG_IO, 0x80800000, "same", 4);
	feed(&P, F, n, 0);
	assert_true(kdp_next(&P, &x, 0));
	feed(&P, F, n, 0);
	assert_false(kdp_next(&P, &x, 0));
	assert_int_equal(sent(&P, KD_T_ACK), 2);
	assert_int_equal(P.st.duplicates, 1);
	/* The same number with other contents: the first was given up by its sender. */
	n = frame(F, KD_T_DEBUG_IO, 0x80800000, "else", 4);
	feed(&P, F, n, 0);
	assert_true(kdp_next(&P, &x, 0));
	assert_memory_equal(x.p, "else", 4);
}

static void noise_is_kept_apart(void **state)
{
	kdp_note x;
	static const char text[] = "Loading kernel... 0000 iii 00";
	size_t n = frame(F, KD_T_DEBUG_IO, 0x80800000, "x", 1);
	feed(&P, text, sizeof text - 1, 0);
	feed(&P, F, n, 0);
	feed(&P, "\x62zz", 3, 0);
	assert_true(kdp_next(&P, &x, 0));
	assert_memory_equal(x.p, "x", 1);
	assert_false(kdp_next(&P, &x, 0));
	assert_int_equal(P.st.noise, sizeof text - 1 + 3);
	assert_memory_equal(P.sample, text, 20);
	assert_int_equal(sent(&P, KD_T_RESEND), 0);
}

static void damage(void **state)
{
	kdp_note x;
	uint8_t payload[64];
	for (size_t i = 0; i < sizeof payload; i++)
		payload[i] = (uint8_t)(i * 7);
	size_t n = frame(F, KD_T_MANIPULATE, 0x80800000, payload, sizeof payload);
	/* Each single byte damaged in turn: never accepted, always recovered with the next packet.
	 */
	for (size_t i = 0; i < n; i++) {
		kdp_deinit(&P);
		kdp_init(&P);
		uint8_t g[128], h[128];
		memcpy(g, F, n);
		g[i] ^= 0x41;
		feed(&P, g, n, 0);
		bool got = kdp_next(&P, &x, 0);
		/* A packet type is not under the checksum: one bit turns it into another type. Nor
		 * is the number. */
		if (got && i != 4 && i != 8 && i != 9)
			fail_msg("accepted with byte %zu damaged", i);
		size_t m = frame(h, KD_T_DEBUG_IO, 0x80800001, "after", 5);
		for (uint64_t t = 0; t < 8 && !got; t++) {
			feed(&P, h, m, t * 300000);
			got = kdp_next(&P, &x, t * 300000);
			kdp_tick(&P, t * 300000 + 260000);
			got = got || kdp_next(&P, &x, t * 300000 + 260000);
		}
		if (!got)
			fail_msg("never recovered from damage to byte %zu", i);
	}
}

static void bad_checksum_and_trailer_ask_again(void **state)
{
	kdp_note x;
	size_t n = frame(F, KD_T_MANIPULATE, 0x80800000, "abcdef", 6);
	F[18] ^= 1;
	feed(&P, F, n, 0);
	assert_false(kdp_next(&P, &x, 0));
	assert_int_equal(sent(&P, KD_T_RESEND), 1);
	F[18] ^= 1;
	F[n - 1] = 0xab;
	feed(&P, F, n, 0);
	assert_false(kdp_next(&P, &x, 0));
	assert_int_equal(sent(&P, KD_T_RESEND), 2);
	assert_int_equal(sent(&P, KD_T_ACK), 0);
	F[n - 1] = KD_TRAILER;
	feed(&P, F, n, 0);
	assert_true(kdp_next(&P, &x, 0));
	assert_int_equal(sent(&P, KD_T_ACK), 1);
}

static void truncated(void **state)
{
	kdp_note x;
	uint8_t h[64];
	size_t n = frame(F, KD_T_MANIPULATE, 0x80800000, "0123456789012345678901234567890", 31);
	size_t m = frame(h, KD_T_DEBUG_IO, 0x80800001, "next", 4);
	/* Cut anywhere, followed by a good packet at once or after a silence. */
	for (size_t cut = 1; cut < n; cut++)
		for (int late = 0; late < 2; late++) {
			kdp_deinit(&P);
			kdp_init(&P);
			feed(&P, F, cut, 0);
			assert_false(kdp_next(&P, &x, 0));
			uint64_t t = 0;
			if (late) {
				assert_true(kdp_deadline(&P) <= P.stall_us);
				for (int i = 0; i < 4; i++, t += P.stall_us)
					kdp_tick(&P, t + P.stall_us);
			}
			feed(&P, h, m, t);
			bool got = kdp_next(&P, &x, t);
			/* What was cut swallows what follows until time shows that nothing comes.
			 */
			for (int i = 0; i < 4 && !got; i++, t += P.stall_us) {
				kdp_tick(&P, t + P.stall_us);
				got = kdp_next(&P, &x, t + P.stall_us);
			}
			if (!got || memcmp(x.p, "next", 4))
				fail_msg("cut after %zu bytes, late %d", cut, late);
		}
}

static void oversized(void **state)
{
	kdp_note x;
	size_t n = frame(F, KD_T_MANIPULATE, 0x80800000, "big", 3);
	put16(F + 6, 0xffff);
	feed(&P, F, n, 0);
	assert_false(kdp_next(&P, &x, 0));
	n = frame(F, KD_T_MANIPULATE, 0x80800000, "big", 3);
	feed(&P, F, n, 0);
	assert_true(kdp_next(&P, &x, 0));
	/* The largest one there is. */
	static uint8_t all[KD_PAYLOAD_MAX];
	n = frame(F, KD_T_MANIPULATE, 0x80800001, all, sizeof all);
	feed(&P, F, n, 0);
	assert_true(kdp_next(&P, &x, 0));
	assert_int_equal(x.n, sizeof all);
}

static void leaders_inside_of_payload(void **state)
{
	kdp_note x;
	size_t n = frame(F, KD_T_MANIPULATE, 0x80800000, "0000iiii0000iiiibbbb", 20);
	feed(&P, F, n, 0);
	assert_true(kdp_next(&P, &x, 0));
	assert_int_equal(x.n, 20);
	assert_false(kdp_next(&P, &x, 0));
	assert_int_equal(P.st.noise + P.st.control_in + P.st.damaged, 0);
}

static void acknowledgements_and_repetition(void **state)
{
	kdp_note x;
	kdp_send(&P, KD_T_MANIPULATE, "hdr", 3, "data", 4, 1000);
	assert_int_equal(le32(P.out.p + 8), 0x80800000);
	size_t one = P.out.n;
	assert_int_equal(one, 16 + 7 + 1);
	/* Not for this packet. */
	feed(&P, F, control(F, KD_T_ACK, 0x80800001), 2000);
	assert_false(kdp_next(&P, &x, 2000));
	assert_true(P.outstanding);
	/* Nothing comes: again, after longer and longer. */
	uint64_t first = kdp_deadline(&P);
	kdp_tick(&P, first - 1);
	assert_int_equal(P.out.n, one);
	kdp_tick(&P, first);
	assert_int_equal(P.out.n, 2 * one);
	assert_memory_equal(P.out.p, P.out.p + one, one);
	assert_true(kdp_deadline(&P) - first > first - 1000);
	/* RESEND: again at once. */
	feed(&P, F, control(F, KD_T_RESEND, 0), first + 5000);
	assert_false(kdp_next(&P, &x, first + 5000));
	assert_int_equal(P.out.n, 3 * one);
	feed(&P, F, control(F, KD_T_ACK, 0x80800000), first + 6000);
	assert_true(kdp_next(&P, &x, first + 6000));
	assert_int_equal(x.kind, KDP_ACK);
	assert_false(P.outstanding);
	buf_clear(&P.out);
	/* The next one has the other number, the one after that the first again. */
	kdp_send(&P, KD_T_MANIPULATE, "a", 1, NULL, 0, 0);
	assert_int_equal(le32(P.out.p + 8), 0x80800001);
	/* The answer itself says that it arrived. */
	feed(&P, F, frame(F, KD_T_MANIPULATE, 0x80800000, "reply", 5), 0);
	assert_true(kdp_next(&P, &x, 0));
	assert_int_equal(x.kind, KDP_DATA);
	assert_false(P.outstanding);
	buf_clear(&P.out);
	kdp_send(&P, KD_T_MANIPULATE, "b", 1, NULL, 0, 0);
	assert_int_equal(le32(P.out.p + 8), 0x80800000);
}

static void reset(void **state)
{
	kdp_note x;
	kdp_send(&P, KD_T_MANIPULATE, "a", 1, NULL, 0, 0);
	feed(&P, F, control(F, KD_T_ACK, 0x80800000), 0);
	assert_true(kdp_next(&P, &x, 0));
	kdp_send(&P, KD_T_MANIPULATE, "b", 1, NULL, 0, 0);
	buf_clear(&P.out);
	kdp_reset(&P, 10);
	assert_true(P.reset_wanted);
	assert_int_equal(sent(&P, KD_T_RESET), 1);
	/* From here on numbers start anew, also that of what is under way. */
	size_t before = P.out.n;
	kdp_again(&P, 15);
	assert_int_equal(le32(P.out.p + before + 8), 0x80800000);
	kdp_drop(&P);
	kdp_reset(&P, 16);
	kdp_send(&P, KD_T_MANIPULATE, "b", 1, NULL, 0, 17);
	buf_clear(&P.out);
	kdp_reset(&P, 18);
	feed(&P, F, control(F, KD_T_RESET, 0), 20);
	assert_true(kdp_next(&P, &x, 20));
	assert_int_equal(x.kind, KDP_RESET);
	assert_false(P.reset_wanted);
	/* RESET is not answered by RESET: that would never end. */
	assert_int_equal(sent(&P, KD_T_RESET), 1);
	/* The outstanding packet goes out under the first number. */
	buf_clear(&P.out);
	kdp_again(&P, 30);
	assert_int_equal(le32(P.out.p + 8), 0x80800000);
	/* A RESET of the other side does the same. */
	feed(&P, F, control(F, KD_T_ACK, 0x80800000), 31);
	assert_true(kdp_next(&P, &x, 31));
	kdp_send(&P, KD_T_MANIPULATE, "c", 1, NULL, 0, 32);
	feed(&P, F, control(F, KD_T_RESET, 0), 33);
	assert_true(kdp_next(&P, &x, 33));
	buf_clear(&P.out);
	kdp_again(&P, 34);
	assert_int_equal(le32(P.out.p + 8), 0x80800000);
	/* RESEND with nothing outstanding is told. */
	kdp_drop(&P);
	feed(&P, F, control(F, KD_T_RESEND, 0), 40);
	assert_true(kdp_next(&P, &x, 40));
	assert_int_equal(x.kind, KDP_RESEND);
}

/* ---- two machines over a line that damages one packet in a hundred ---- */

typedef struct line {
	uint8_t b[1 << 16];
	size_t n;
} line;

static uint64_t seed = 1;
static unsigned roll(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

/* What `from` wants to send, frame by frame, to `to`; about one frame in a hundred is hurt. */
static void carry(kdp *from, line *to)
{
	size_t at = 0, n = from->out.n;
	const uint8_t *b = (const uint8_t *)from->out.p;
	while (at < n) {
		size_t len = b[at] == 0x30 ? 17u + le16(b + at + 6) : b[at] == 0x69 ? 16 : 1;
		uint8_t *d = to->b + to->n;
		assert_true(at + len <= n && to->n + 2 * len < sizeof to->b);
		memcpy(d, b + at, len);
		at += len;
		if (roll(100)) {
			to->n += len;
			continue;
		}
		switch (roll(5)) {
		case 0: /* lost */
			break;
		case 1: /* a bit flips */
			d[roll((unsigned)len)] ^= (uint8_t)(1u << roll(8));
			to->n += len;
			break;
		case 2: /* twice */
			memcpy(d + len, d, len);
			to->n += 2 * len;
			break;
		case 3: /* cut */
			to->n += roll((unsigned)len);
			break;
		default: /* a byte too many */
			d[len] = (uint8_t)roll(256);
			to->n += len + 1;
			break;
		}
	}
	buf_clear(&from->out);
}

static void ten_thousand_requests(void **state)
{
	static kdp a, k;
	static line to_k, to_a;
	uint64_t now = 0;
	unsigned done = 0, answered = 0, wrong = 0;
	bool asking = false;
	kdp_init(&a);
	kdp_init(&k);
	k.answers_reset = true;
	while (done < 10000) {
		kdp_note x;
		uint8_t q[8], r[600];
		if (!asking) {
			put64(q, done);
			kdp_send(&a, KD_T_MANIPULATE, q, 8, NULL, 0, now);
			asking = true;
		}
		carry(&a, &to_k);
		feed(&k, to_k.b, to_k.n, now);
		to_k.n = 0;
		while (kdp_next(&k, &x, now))
			if (x.kind == KDP_DATA && x.n == 8) {
				for (size_t i = 0; i < sizeof r; i++)
					r[i] = (uint8_t)(x.p[0] + i);
				put64(r, le64(x.p));
				kdp_drop(&k);
				kdp_send(&k, KD_T_MANIPULATE, r, sizeof r, NULL, 0, now);
				answered++;
			}
		carry(&k, &to_a);
		feed(&a, to_a.b, to_a.n, now);
		to_a.n = 0;
		while (kdp_next(&a, &x, now)) {
			if (x.kind != KDP_DATA)
				continue;
			if (x.n != sizeof r || le64(x.p) != done ||
				x.p[599] != (uint8_t)(done + 599))
				wrong++;
			else
				done++;
			asking = false;
		}
		now += 1000;
		kdp_tick(&a, now);
		kdp_tick(&k, now);
		if (now > 3600ull * 1000000)
			fail_msg("stuck after %u requests", done);
	}
	assert_int_equal(wrong, 0);
	assert_int_equal(answered, 10000);
	print_message("%u repeated, %u damaged, %u duplicates\n", (unsigned)a.st.repeated,
		(unsigned)a.st.damaged, (unsigned)a.st.duplicates);
	assert_true(a.st.repeated > 20 && a.st.damaged > 10 && a.st.duplicates > 10);
	kdp_deinit(&a);
	kdp_deinit(&k);
}

/* Any bytes at all, in any pieces: nothing but good frames comes out, and the end is reached. */
static void random_bytes(void **state)
{
	kdp_note x;
	uint64_t now = 0;
	static uint8_t b[65536];
	for (size_t i = 0; i < sizeof b; i++)
		b[i] = roll(3) ? (uint8_t) "0i\xaa\x80\x07"[roll(5)] : (uint8_t)roll(256);
	for (size_t at = 0; at < sizeof b;) {
		size_t n = 1 + roll(900);
		at += kdp_feed(&P, b + at, n < sizeof b - at ? n : sizeof b - at, now);
		while (kdp_next(&P, &x, now))
			assert_true(x.kind != KDP_DATA || x.n <= KD_PAYLOAD_MAX);
		now += 300000;
		kdp_tick(&P, now);
		buf_clear(&P.out);
	}
	for (int i = 0; i < 20000 && P.in_end > P.in_begin; i++) {
		now += 300000;
		kdp_tick(&P, now);
		while (kdp_next(&P, &x, now))
			;
	}
	assert_int_equal(P.in_end, P.in_begin);
	assert_true(P.st.noise + 17 * P.st.data_in + 16 * P.st.control_in <= P.st.bytes_in);
	/* No more is taken than there is room for. */
	assert_int_equal(kdp_feed(&P, b, sizeof b, now), KDP_IN_MAX);
	assert_int_equal(kdp_feed(&P, b, 1, now), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(whole_and_in_pieces),
		T(duplicates_are_acknowledged_and_dropped),
		T(noise_is_kept_apart),
		T(damage),
		T(bad_checksum_and_trailer_ask_again),
		T(truncated),
		T(oversized),
		T(leaders_inside_of_payload),
		T(acknowledgements_and_repetition),
		T(reset),
		T(ten_thousand_requests),
		T(random_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
