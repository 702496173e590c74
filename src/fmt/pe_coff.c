/*
 * pe_coff: what compilers of the GNU kind leave in a PE file beside the image: the COFF symbol
 * table, and sections whose names are longer than eight characters. Works on the bytes of a file;
 * nothing of it is in memory.
 *
 * Format: Microsoft "PE Format", "COFF Symbol Table", "COFF String Table".
 */
#include "fmt/pe.h"

enum { SYM = 18, SYMS_MAX = 1 << 24, CLASS_EXTERNAL = 2, CLASS_STATIC = 3, TYPE_FUNCTION = 0x20 };

bool pe_coff_open(str file, pe_coff *ret)
{
	reader r = rd_of(file.p, file.n);
	rd_seek(&r, 0x3c);
	uint32_t at = rd_u32(&r);
	rd_seek(&r, at);
	if (rd_u32(&r) != 0x4550)
		return false;
	rd_skip(&r, 2);
	uint16_t nsec = rd_u16(&r);
	rd_skip(&r, 4);
	uint32_t syms = rd_u32(&r), n = rd_u32(&r);
	uint16_t opt = rd_u16(&r);
	rd_skip(&r, 2);
	*ret = (pe_coff){.file = file, .sec_at = r.pos + opt, .nsec = nsec};
	if (r.bad || nsec > PE_MAX_SECTIONS || ret->sec_at > file.n ||
		(uint64_t)nsec * 40 > file.n - ret->sec_at)
		return false;
	if (syms && n && n < SYMS_MAX && (uint64_t)syms + (uint64_t)n * SYM + 4 <= file.n) {
		ret->sym = (const uint8_t *)file.p + syms;
		ret->n = n;
		/* the size counts its own four bytes */
		const char *names = file.p + syms + (size_t)n * SYM;
		uint32_t size = le32(names);
		size_t left = file.n - (size_t)(names - file.p);
		ret->names = (str){names, size < left ? size : left};
	}
	return true;
}

static str long_name(const pe_coff *c, uint64_t off)
{
	if (off < 4 || off >= c->names.n)
		return (str){"", 0};
	reader r = rd_of(c->names.p + off, c->names.n - off);
	str s = rd_cstr(&r);
	return r.bad ? (str){"", 0} : s;
}

static str short_name(const uint8_t *p)
{
	const void *end = memchr(p, 0, 8);
	return (str){(const char *)p, end ? (size_t)((const uint8_t *)end - p) : 8};
}

bool pe_coff_section(const pe_coff *c, size_t i, str *name, str *bytes)
{
	if (i >= c->nsec)
		return false;
	const uint8_t *p = (const uint8_t *)c->file.p + c->sec_at + i * 40;
	uint64_t off;
	*name = short_name(p);
	if (name->n > 1 && name->p[0] == '/' && str_u64(str_skip(*name, 1), 10, &off))
		*name = long_name(c, off);
	uint32_t vsize = le32(p + 8), raw_size = le32(p + 16), raw = le32(p + 20);
	*bytes = (str){"", 0};
	if (vsize && vsize < raw_size)
		raw_size = vsize; /* the rest fills the file up */
	if (raw <= c->file.n && raw_size <= c->file.n - raw)
		*bytes = (str){c->file.p + raw, raw_size};
	return true;
}

bool pe_coff_symbol(const pe_coff *c, size_t i, pe_coff_sym *ret, size_t *next)
{
	if (i >= c->n)
		return false;
	const uint8_t *p = c->sym + i * SYM;
	uint16_t sec = le16(p + 12);
	*next = i + 1 + p[17];
	*ret = (pe_coff_sym){.name = le32(p) ? short_name(p) : long_name(c, le32(p + 4)),
		.external = p[16] == CLASS_EXTERNAL,
		.function = le16(p + 14) == TYPE_FUNCTION};
	if ((p[16] != CLASS_EXTERNAL && p[16] != CLASS_STATIC) || !sec || sec > c->nsec ||
		!ret->name.n || ret->name.p[0] == '.')
		return true; /* nothing with an address */
	const uint8_t *s = (const uint8_t *)c->file.p + c->sec_at + (size_t)(sec - 1) * 40;
	ret->rva = le32(s + 12) + le32(p + 8);
	ret->code = le32(s + 36) & PE_SCN_EXECUTE;
	ret->defined = true;
	return true;
}
