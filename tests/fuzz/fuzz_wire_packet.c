/*
 * fuzz: the packet machine fed with anything, in pieces that the input itself chooses, while it has
 * packets outstanding. First byte: what to do between pieces; each piece: length byte, bytes.
 */
#include "wire/kd.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *b, size_t n)
{
	static kdp p;
	uint64_t now = 0;
	if (!n)
		return 0;
	uint8_t how = *b++;
	n--;
	kdp_init(&p);
	while (n) {
		kdp_note x;
		size_t len = b[0] ? b[0] : n - 1;
		b++;
		n--;
		if (len > n)
			len = n;
		if (kdp_feed(&p, b, len, now) != len)
			abort();
		b += len;
		n -= len;
		if (how & 1 && !p.outstanding)
			kdp_send(&p, KD_T_MANIPULATE, "header", 6, "data", 4, now);
		while (kdp_next(&p, &x, now)) {
			if (x.kind != KDP_DATA)
				continue;
			if (x.n > KD_PAYLOAD_MAX || x.p < p.in || x.p + x.n > p.in + p.in_end)
				abort();
			if (how & 2)
				kdp_drop(&p);
		}
		if (p.in_begin > p.in_end || p.in_end - p.in_begin > KD_HEADER + KD_PAYLOAD_MAX)
			abort(); /* more than one packet is never kept back */
		if (how & 4)
			kdp_reset(&p, now);
		if (how & 8)
			kdp_tick(&p, now += 400000);
		now += 100;
		buf_clear(&p.out);
	}
	kdp_deinit(&p);
	return 0;
}
