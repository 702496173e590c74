/* reader: see reader.h. Invariant: pos <= n unless bad. */
#include "base/reader.h"

const uint8_t *rd_bytes(reader *r, size_t n)
{
	if (r->bad || n > r->n - r->pos) {
		r->bad = true;
		return NULL;
	}
	const uint8_t *p = r->p + r->pos;
	r->pos += n;
	return p;
}

uint8_t rd_u8(reader *r)
{
	const uint8_t *p = rd_bytes(r, 1);
	return p ? *p : 0;
}

uint16_t rd_u16(reader *r)
{
	const uint8_t *p = rd_bytes(r, 2);
	return p ? le16(p) : 0;
}

uint32_t rd_u32(reader *r)
{
	const uint8_t *p = rd_bytes(r, 4);
	return p ? le32(p) : 0;
}

uint64_t rd_u64(reader *r)
{
	const uint8_t *p = rd_bytes(r, 8);
	return p ? le64(p) : 0;
}

str rd_cstr(reader *r)
{
	const uint8_t *end = rd_left(r) ? memchr(r->p + r->pos, 0, r->n - r->pos) : NULL;
	if (!end) {
		r->bad = true;
		return (str){"", 0};
	}
	str s = {(const char *)r->p + r->pos, (size_t)(end - (r->p + r->pos))};
	r->pos += s.n + 1;
	return s;
}

void rd_skip(reader *r, size_t n)
{
	(void)rd_bytes(r, n);
}

void rd_seek(reader *r, size_t pos)
{
	if (r->bad || pos > r->n)
		r->bad = true;
	else
		r->pos = pos;
}

void rd_align(reader *r, size_t to)
{
	size_t over = r->pos % to;
	if (over)
		rd_skip(r, to - over);
}

reader rd_sub(const reader *r, size_t pos, size_t n)
{
	if (r->bad || pos > r->n || n > r->n - pos)
		return (reader){.bad = true};
	return rd_of(r->p + pos, n);
}

uint64_t le_get(const void *p, size_t size)
{
	switch (size) {
	case 1:
		return *(const uint8_t *)p;
	case 2:
		return le16(p);
	case 4:
		return le32(p);
	default:
		return le64(p);
	}
}

void le_put(void *p, uint64_t v, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((uint8_t *)p)[i] = i < 8 ? (uint8_t)(v >> (8 * i)) : 0;
}
