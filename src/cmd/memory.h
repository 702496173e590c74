/*
 * memory: what the memory commands share: a view of virtual or physical memory with holes, the /c
 * and /p options, and lists of values to enter, fill or search for.
 */
#ifndef RS_CMD_MEMORY_H
#define RS_CMD_MEMORY_H

#include "cmd/cmd.h"

enum {
	MEM_COLUMNS_MAX = 256,
	MEM_VALUES_MAX = 64 * 1024, /* bytes that one e, f or s command may list */
	MEM_CHUNK = 64 * 1024	    /* moved, compared or searched at a time */
};

typedef struct mem_view {
	engine *e;
	bool phys;
	int cache; /* as eng_read_phys */
} mem_view;

/* Short reads are normal, as eng_read. */
err mem_read(
	const mem_view *v, uint64_t addr, void *p, size_t n, size_t *n_ret, diag *d) MUST_CHECK;
err mem_write(const mem_view *v, uint64_t addr, const void *p, size_t n, diag *d) MUST_CHECK;
/* All that can be read of [addr, addr+n): ok[i] tells whether p[i] is real. False if nothing is. */
bool mem_fill(const mem_view *v, uint64_t addr, uint8_t *p, bool *ok, size_t n);

typedef struct mem_options {
	mem_view view;
	unsigned columns; /* /c; 0: not given */
} mem_options;
/* Options in front of a range: /c WIDTH, /p, /p[c] /p[uc] /p[wc]; *rest moves behind them. */
err mem_options_get(cmd *c, str *rest, mem_options *ret) MUST_CHECK;
/* "[c]", "[uc]", "[wc]" at the start of *rest: the cache number, 0 if there is none. */
int mem_caching(str *rest);

/*
 * Values of `size` bytes until *rest is used up: expressions, or characters in single quotes (at
 * most `size` of them; the first is the highest byte: 'VUTS' stands in memory as S T U V).
 * ERR_SYNTAX "Overflow error" if one does not fit.
 */
err mem_values(cmd *c, str *rest, size_t size, buf *ret) MUST_CHECK;
/* Decimal floating-point values, float (4) or double (8). */
err mem_floats(cmd *c, str *rest, size_t size, buf *ret) MUST_CHECK;
/* %g with `digits` significant ones, the exponent of at least three as Microsoft's C writes it. */
enum { MEM_FLOAT_TEXT = 40 };
void mem_float(double v, int digits, char text[MEM_FLOAT_TEXT]);
/* UTF-8 text as UTF-16LE. */
void mem_utf16(str s, buf *ret);

/* '.' for what has no glyph. */
static inline char mem_char(uint32_t ch)
{
	return ch >= 0x20 && ch < 0x7f ? (char)ch : '.';
}

#endif
