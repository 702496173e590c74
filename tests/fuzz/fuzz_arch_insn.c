/* Any bytes through the decoder, the text, effective addresses and the emulator. */
#include "arch/x64.h"
#include "base/reader.h"

#include <stdlib.h>

static err mem_read(void *u, uint64_t addr, void *p, size_t n)
{
	(void)u;
	memset(p, (int)(addr & 0xff), n);
	return addr & 0x100 ? ERR_FAULT : ERR_OK;
}
static err mem_write(void *u, uint64_t addr, const void *p, size_t n)
{
	(void)u, (void)p, (void)n;
	return addr & 0x200 ? ERR_FAULT : ERR_OK;
}

static bool name(void *u, uint64_t addr, buf *out)
{
	(void)u;
	if (addr & 1)
		return false;
	buf_addz(out, "nt!Foo");
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	x64_regs r = {.valid = X64_SET_ALL};
	x64_names names = {NULL, name};
	x64_mem mem = {NULL, mem_read, mem_write};
	reader rd = rd_of(p, n);
	for (int i = 0; i < X64_NGPR; i++)
		r.gpr[i] = 0x1234567 * (uint64_t)(i + 1);
	r.rip = 0xfffff80000001000;
	while (rd_left(&rd)) {
		x64_insn in;
		uint64_t ea;
		unsigned sets;
		bool reads, writes;
		size_t left = rd_left(&rd);
		if (x64_decode(rd.p + rd.pos, left, r.rip, &in) != ERR_OK) {
			rd_skip(&rd, 1);
			continue;
		}
		if (!in.len || in.len > left)
			abort();
		buf b;
		buf_init(&b, 0);
		x64_format_line(&in, &names, &b);
		const x64_reg *regs[4];
		(void)x64_insn_regs(&in, regs, 4);
		if (!b.n)
			abort();
		buf_deinit(&b);
		(void)x64_insn_ea(&in, &r, &ea);
		(void)x64_taken(&in, &r);
		x64_regs before = r;
		bool can = x64_emulate_needs(&in, &sets, &reads, &writes);
		err e = x64_emulate(&r, &in, &mem);
		if (e != ERR_OK && memcmp(&r, &before, sizeof r))
			abort();
		if (!can && e != ERR_UNSUPPORTED)
			abort();
		rd_skip(&rd, in.len);
	}
	return 0;
}
