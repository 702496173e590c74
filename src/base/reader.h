/*
 * reader: bounded little-endian cursor over bytes that nobody vouches for.
 *
 * The first read past the end sets `bad`, and from then on every read yields zero: a parser reads a
 * whole header and checks once. No casts of the bytes, no alignment demands.
 */
#ifndef RS_BASE_READER_H
#define RS_BASE_READER_H

#include "base/str.h"

typedef struct reader {
	const uint8_t *p;
	size_t n, pos;
	bool bad;
} reader;

static inline reader rd_of(const void *p, size_t n)
{
	return (reader){(const uint8_t *)p, n, 0, false};
}

static inline size_t rd_left(const reader *r)
{
	return r->bad ? 0 : r->n - r->pos;
}

uint8_t rd_u8(reader *r);
uint16_t rd_u16(reader *r);
uint32_t rd_u32(reader *r);
uint64_t rd_u64(reader *r);
/* n bytes in place, or NULL (and bad). */
const uint8_t *rd_bytes(reader *r, size_t n);
/* Text up to a NUL, which is skipped; without NUL the reader goes bad. */
str rd_cstr(reader *r);
void rd_skip(reader *r, size_t n);
void rd_seek(reader *r, size_t pos);
void rd_align(reader *r, size_t to); /* relative to the start of r */
/* A reader over [pos, pos+n) of r; bad if that is not inside. Does not move r. */
reader rd_sub(const reader *r, size_t pos, size_t n);

static inline uint16_t le16(const void *p)
{
	const uint8_t *b = (const uint8_t *)p;
	return (uint16_t)(b[0] | b[1] << 8);
}
static inline uint32_t le32(const void *p)
{
	return le16(p) | (uint32_t)le16((const uint8_t *)p + 2) << 16;
}
static inline uint64_t le64(const void *p)
{
	return le32(p) | (uint64_t)le32((const uint8_t *)p + 4) << 32;
}
static inline void put16(void *p, uint16_t v)
{
	uint8_t *b = (uint8_t *)p;
	b[0] = (uint8_t)v;
	b[1] = (uint8_t)(v >> 8);
}
static inline void put32(void *p, uint32_t v)
{
	put16(p, (uint16_t)v);
	put16((uint8_t *)p + 2, (uint16_t)(v >> 16));
}
static inline void put64(void *p, uint64_t v)
{
	put32(p, (uint32_t)v);
	put32((uint8_t *)p + 4, (uint32_t)(v >> 32));
}
/* Little-endian value of size 1, 2, 4 or 8. */
uint64_t le_get(const void *p, size_t size);
void le_put(void *p, uint64_t v, size_t size);

#endif
