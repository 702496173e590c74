/*
 * Registers by name: the table of regs.def, and values in and out of an x64_regs. Refuses to know
 * where registers come from.
 *
 * Invariant: every row's container lies inside x64_regs and its value inside the container.
 */
#include "arch/x64.h"

#include "base/reader.h"

#define REG(name, set, member, add, bytes, shift, bits, zeroes)                                    \
	{name, X64_SET_##set, offsetof(x64_regs, member) + (add), bytes, shift, bits, zeroes},
static const x64_reg regs[] = {
#include "regs.def"
};
#undef REG

const x64_reg *x64_reg_find(str name)
{
	for (size_t i = 0; i < ARRAY_LEN(regs); i++) {
		const char *z = regs[i].name;
		/* One folded letter decides most rows. */
		if (name.n && (z[0] | 0x20) == (name.p[0] | 0x20) && str_ieq(str_of(z), name))
			return &regs[i];
	}
	return NULL;
}

const x64_reg *x64_reg_at(size_t i)
{
	return i < ARRAY_LEN(regs) ? &regs[i] : NULL;
}

static uint64_t value_mask(const x64_reg *reg)
{
	return reg->bits >= 64 ? UINT64_MAX : (1ull << reg->bits) - 1;
}

static size_t low_bytes(const x64_reg *reg)
{
	return reg->bytes > 8 ? 8 : reg->bytes;
}

/* The fields of x64_regs are host integers; fx is bytes in target order, which is little-endian. */
static uint64_t container_get(const x64_regs *r, const x64_reg *reg)
{
	const uint8_t *p = (const uint8_t *)r + reg->offset;
	uint16_t v16;
	uint32_t v32;
	uint64_t v64;
	if (reg->offset >= offsetof(x64_regs, fx))
		return le_get(p, low_bytes(reg));
	switch (reg->bytes) {
	case 2:
		memcpy(&v16, p, 2);
		return v16;
	case 4:
		memcpy(&v32, p, 4);
		return v32;
	default:
		memcpy(&v64, p, 8);
		return v64;
	}
}

static void container_set(x64_regs *r, const x64_reg *reg, uint64_t v)
{
	uint8_t *p = (uint8_t *)r + reg->offset;
	uint16_t v16 = (uint16_t)v;
	uint32_t v32 = (uint32_t)v;
	if (reg->offset >= offsetof(x64_regs, fx))
		le_put(p, v, low_bytes(reg));
	else if (reg->bytes == 2)
		memcpy(p, &v16, 2);
	else if (reg->bytes == 4)
		memcpy(p, &v32, 4);
	else
		memcpy(p, &v, 8);
}

uint64_t x64_reg_get(const x64_regs *r, const x64_reg *reg)
{
	return container_get(r, reg) >> reg->shift & value_mask(reg);
}

void x64_reg_set(x64_regs *r, const x64_reg *reg, uint64_t v)
{
	uint64_t mask = value_mask(reg) << reg->shift;
	uint64_t old = reg->zeroes ? 0 : container_get(r, reg);
	container_set(r, reg, (old & ~mask) | (v << reg->shift & mask));
	/* Setting the low half of a wide register as a number leaves nothing stale above it. */
	if (reg->bytes > 8)
		memset((uint8_t *)r + reg->offset + 8, 0, reg->bytes - 8u);
}
