/*
 * half: floating numbers of 16 bits, which compilers of this host may not have: IEEE 754 binary16
 * (_Float16) and bfloat16, the upper half of a float.
 */
#ifndef RS_BASE_HALF_H
#define RS_BASE_HALF_H

#include "base/str.h"

#include <string.h>

static inline double bfloat_get(uint16_t bits)
{
	float f;
	uint32_t wide = (uint32_t)bits << 16;
	memcpy(&f, &wide, 4);
	return (double)f;
}

static inline double half_get(uint16_t bits)
{
	uint32_t exp = bits >> 10 & 31, frac = bits & 0x3ff;
	double f;
	if (exp) { /* the same fraction with the exponent of a double */
		uint64_t wide = (uint64_t)(exp == 31 ? 2047 : exp + 1008) << 52 | (uint64_t)frac
											  << 42;
		memcpy(&f, &wide, 8);
	} else {
		f = (double)frac / (1 << 24);
	}
	return bits & 0x8000 ? -f : f;
}

/* x's upper bits, rounded to nearest, ties to even. */
static inline uint64_t round_shift(uint64_t x, unsigned shift)
{
	uint64_t half = (uint64_t)1 << (shift - 1), rest = x & (2 * half - 1), r = x >> shift;
	return r + (rest > half || (rest == half && (r & 1)));
}

static inline uint16_t bfloat_put(double f)
{
	float narrow = (float)f;
	uint32_t bits;
	memcpy(&bits, &narrow, 4);
	if (narrow != narrow)
		return (uint16_t)(bits >> 16 | 0x40);
	return (uint16_t)round_shift(bits, 16);
}

static inline uint16_t half_put(double f)
{
	uint64_t bits;
	memcpy(&bits, &f, 8);
	uint16_t sign = (uint16_t)(bits >> 48 & 0x8000);
	int exp = (int)(bits >> 52 & 2047) - 1008;
	uint64_t frac = bits & (((uint64_t)1 << 52) - 1);
	if (f != f)
		return sign | 0x7e00;
	if (exp >= 31)
		return sign | 0x7c00;
	if (exp < -10)
		return sign;
	if (exp <= 0) /* too small for a leading one */
		return sign | (uint16_t)round_shift(frac | (uint64_t)1 << 52, (unsigned)(43 - exp));
	return sign |
	       (uint16_t)round_shift((uint64_t)exp << 52 | frac, 42); /* may carry into exp */
}

#endif
