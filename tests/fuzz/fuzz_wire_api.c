/*
 * fuzz: contents of packets. First byte: packet type; the rest: payload. What decodes must pack and
 * decode to the same again, and every frame has a line of text.
 */
#include "wire/kd.h"

#include <stdlib.h>

static void state(const uint8_t *p, size_t n)
{
	static uint8_t out[KD_PAYLOAD_MAX + KD_STATE_SIZE + 2];
	kd_state s, t;
	if (kd_state_unpack(p, n, &s) != ERR_OK)
		return;
	size_t m = kd_state_pack(&s, out, sizeof out);
	if (!m || kd_state_unpack(out, m, &t) != ERR_OK || t.kind != s.kind || t.pc != s.pc ||
		s.text.n > n || t.n_params != s.n_params || s.n_stream > KD_STREAM_MAX)
		abort();
}

static void manip(const uint8_t *p, size_t n)
{
	uint8_t a[KD_MANIP_SIZE], b[KD_MANIP_SIZE];
	kd_manip m, k;
	if (kd_manip_unpack(p, n, &m) != ERR_OK)
		return;
	kd_manip_pack(&m, a);
	if (kd_manip_unpack(a, sizeof a, &k) != ERR_OK)
		abort();
	kd_manip_pack(&k, b);
	if (memcmp(a, b, sizeof a))
		abort();
}

static void others(const uint8_t *p, size_t n)
{
	uint8_t a[KD_FILE_IO_SIZE];
	kd_debug_io d;
	kd_file_io f;
	if (kd_debug_io_unpack(p, n, &d) == ERR_OK) {
		if (d.text.n > n)
			abort();
		kd_debug_io_pack(&d, a);
	}
	if (kd_file_io_unpack(p, n, &f) == ERR_OK) {
		if (f.n > n)
			abort();
		kd_file_io_pack(&f, a);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *b, size_t n)
{
	static uint8_t frame[KD_HEADER + KD_PAYLOAD_MAX + 1];
	kd_frame f;
	buf text;
	if (!n || n - 1 > KD_PAYLOAD_MAX)
		return 0;
	uint8_t type = b[0];
	b++;
	n--;
	state(b, n);
	manip(b, n);
	others(b, n);
	put32(frame, KD_LEADER_DATA);
	put16(frame + 4, type);
	put16(frame + 6, (uint16_t)n);
	put32(frame + 8, KD_ID_FIRST);
	put32(frame + 12, kd_checksum(b, n));
	memcpy(frame + KD_HEADER, b, n);
	frame[KD_HEADER + n] = KD_TRAILER;
	buf_init(&text, 4096);
	kd_text(type & 1, frame, KD_HEADER + n + 1, &text);
	kd_text(false, b, n, &text);
	if (text.toobig)
		abort();
	buf_deinit(&text);
	if (kd_frame_parse(frame, KD_HEADER + n + 1, &f) == ERR_OK && f.n != n)
		abort();
	(void)!kd_frame_parse(b, n, &f);
	return 0;
}
