/* MSF and MSFZ containers: every stream read through each of the three doors, which must agree. */
#include "fmt/msf.h"

#include <stdlib.h>

static void check(int ok)
{
	if (!ok)
		abort();
}

static void one_stream(msf *m, uint32_t i)
{
	uint8_t buf_[300];
	uint64_t size = msf_size(m, i);
	size_t steps = 0;
	for (uint64_t off = 0; off < size && steps < 64; steps++) {
		const uint8_t *p, *v;
		size_t n = msf_span(m, i, off, &p), k = n < sizeof buf_ ? n : sizeof buf_;
		if (!n)
			return; /* a chunk that cannot be unpacked */
		check(n <= size - off);
		check(msf_read(m, i, off, buf_, k) == ERR_OK && !memcmp(buf_, p, k));
		k = size - off < sizeof buf_ ? (size_t)(size - off) : sizeof buf_;
		v = msf_view(m, i, off, k);
		if (v)
			check(msf_read(m, i, off, buf_, k) == ERR_OK && !memcmp(buf_, v, k));
		off += steps < 32 ? n
				  : n + size / 32; /* the beginning closely, the rest in strides */
	}
	check(!msf_view(m, i, size, 1) && msf_read(m, i, size, buf_, 1) != ERR_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	msf *m;
	if (msf_open(data, size, &m, NULL) != ERR_OK)
		return 0;
	for (uint32_t i = 0; i < msf_count(m) && i < 64; i++)
		one_stream(m, i);
	msf_close(m);
	return 0;
}
