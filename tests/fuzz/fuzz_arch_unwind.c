/*
 * Hostile unwind data: the input is an image whose function table (begin, end, unwind) stands at
 * its start, and the stack of a thread in it. Walks up to 64 frames.
 */
#include "arch/x64.h"
#include "base/reader.h"

#include <stdlib.h>

enum { FUNCS = 4 };
static const uint64_t BASE = 0xfffff80000000000;

typedef struct input {
	const uint8_t *p;
	size_t n;
} input;

static err image(void *u, uint64_t addr, void *p, size_t n)
{
	input *in = u;
	if (addr < BASE || addr - BASE > in->n || in->n - (addr - BASE) < n)
		return ERR_FAULT;
	memcpy(p, in->p + (addr - BASE), n);
	return ERR_OK;
}

static err func(void *u, uint64_t pc, x64_func *ret)
{
	for (unsigned i = 0; i < FUNCS; i++) {
		uint8_t raw[12];
		if (image(u, BASE + i * sizeof raw, raw, sizeof raw) != ERR_OK)
			return ERR_NOTFOUND;
		*ret = (x64_func){BASE, le32(raw), le32(raw + 4), le32(raw + 8)};
		if (pc - BASE >= ret->begin && pc - BASE < ret->end)
			return ERR_OK;
	}
	return ERR_NOTFOUND;
}

/* The stack repeats the input, so that return addresses can be anything it holds. */
static err stack(void *u, uint64_t addr, void *p, size_t n)
{
	input *in = u;
	for (size_t i = 0; i < n; i++)
		((uint8_t *)p)[i] = in->p[(addr + i) % in->n];
	return ERR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	input in = {p, n};
	x64_unwind_env env = {&in, func, image, stack};
	x64_regs r = {.valid = X64_SET_ALL, .rip = BASE + 0x40};
	if (n < 64)
		return 0;
	x64_func first;
	x64_unwind_info ui;
	if (func(&in, r.rip, &first) == ERR_OK &&
		x64_unwind_info_read(&env, &first, &ui) == ERR_OK) {
		buf b;
		unsigned taken = 0, slots;
		buf_init(&b, 0);
		for (; (slots = x64_unwind_code_text(&ui, taken, &b)); taken += slots)
			;
		if (taken != ui.ncodes)
			abort();
		buf_deinit(&b);
	}
	r.gpr[X64_RSP] = 0xffff800000001000;
	r.gpr[X64_RBP] = r.gpr[X64_RSP] + 0x40;
	for (int i = 0; i < 64; i++) {
		x64_frame_info info;
		x64_regs before = r;
		if (x64_unwind(&r, &env, &info) != ERR_OK) {
			if (memcmp(&before, &r, sizeof r))
				abort();
			break;
		}
		if (!info.machine_frame && r.gpr[X64_RSP] <= before.gpr[X64_RSP])
			abort();
	}
	return 0;
}
