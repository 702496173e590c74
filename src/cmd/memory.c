/* memory: see memory.h. Refuses to know how commands print. */
#include "cmd/memory.h"

#include "base/reader.h"

#include <stdio.h>
#include <stdlib.h>

enum { PAGE = 4096 };

err mem_read(const mem_view *v, uint64_t addr, void *p, size_t n, size_t *n_ret, diag *d)
{
	return v->phys ? eng_read_phys(v->e, addr, v->cache, p, n, n_ret, d)
		       : eng_read(v->e, addr, p, n, n_ret, d);
}

err mem_write(const mem_view *v, uint64_t addr, const void *p, size_t n, diag *d)
{
	return v->phys ? eng_write_phys(v->e, addr, v->cache, p, n, d)
		       : eng_write(v->e, addr, p, n, d);
}

bool mem_fill(const mem_view *v, uint64_t addr, uint8_t *p, bool *ok, size_t n)
{
	bool any = false;
	memset(ok, 0, n * sizeof *ok);
	for (size_t at = 0; at < n;) {
		size_t got = 0;
		if (mem_read(v, addr + at, p + at, n - at, &got, NULL) == ERR_OK && got) {
			memset(ok + at, 1, got * sizeof *ok);
			at += got;
			any = true;
		} else {
			/* Memory comes and goes by pages. */
			at += PAGE - (addr + at) % PAGE;
		}
		if (cancelled(&v->e->cancel))
			break;
	}
	return any;
}

int mem_caching(str *rest)
{
	static const struct {
		const char *text;
		int cache;
	} kinds[] = {{"[c]", 1}, {"[uc]", 2}, {"[wc]", 3}};
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		str k = str_of(kinds[i].text);
		if (str_istarts(*rest, k)) {
			*rest = str_trim(str_skip(*rest, k.n));
			return kinds[i].cache;
		}
	}
	return 0;
}

static err phys_option(cmd *c, str *rest, mem_options *o)
{
	if (o->view.phys)
		return cmd_fail(c, ERR_SYNTAX, "only one /p option is possible");
	if (c->e->mode == ENG_USER)
		return cmd_fail(c, ERR_UNSUPPORTED, "/p needs a kernel-mode target");
	o->view.phys = true;
	o->view.cache = mem_caching(rest);
	if (rest->n && rest->p[0] == '[')
		return cmd_fail(c, ERR_SYNTAX, "caching is one of [c] [uc] [wc]");
	return ERR_OK;
}

err mem_options_get(cmd *c, str *rest, mem_options *ret)
{
	mem_options o = {.view = {.e = c->e}};
	uint64_t columns;
	*rest = str_trim(*rest);
	while (rest->n >= 2 && rest->p[0] == '/') {
		char letter = rest->p[1];
		str after = str_skip(*rest, 2);
		if (letter == 'c') {
			after = str_trim(after);
			TRY(cmd_arg_expr(c, &after, &columns));
			if (!columns || columns > MEM_COLUMNS_MAX)
				return cmd_fail(c, ERR_ARG, "/c takes a width from 1 to 0x%x",
					MEM_COLUMNS_MAX);
			o.columns = (unsigned)columns;
		} else if (letter == 'p') {
			TRY(phys_option(c, &after, &o));
		} else {
			return cmd_syntax(c, *rest);
		}
		*rest = str_trim(after);
	}
	*ret = o;
	return ERR_OK;
}

/* ---- values ---- */

/* Characters in single quotes at the start: true, with the value (the first character is its
 * highest byte, as in an expression). Longer ones are left alone. */
static bool quoted(str *rest, size_t size, uint64_t *ret)
{
	size_t end = rest->n && rest->p[0] == '\'' ? str_chr(str_skip(*rest, 1), '\'') : SIZE_MAX;
	if (end == SIZE_MAX || !end || end > size)
		return false;
	*ret = 0;
	for (size_t i = 0; i < end; i++)
		*ret = *ret << 8 | (uint8_t)rest->p[1 + i];
	*rest = str_skip(*rest, end + 2);
	return true;
}

static bool fits(uint64_t v, size_t size)
{
	if (size >= 8)
		return true;
	uint64_t high = v >> (8 * size - 1);
	/* unsigned, or a negative number sign-extended by the evaluator */
	return !(high >> 1) || high == UINT64_MAX >> (8 * size - 1);
}

static void skip_separator(str *rest)
{
	*rest = str_trim(*rest);
	if (rest->n && rest->p[0] == ',')
		*rest = str_trim(str_skip(*rest, 1));
}

err mem_values(cmd *c, str *rest, size_t size, buf *ret)
{
	*rest = str_trim(*rest);
	while (rest->n) {
		str at = *rest;
		uint64_t v;
		uint8_t raw[8];
		if (!quoted(rest, size, &v)) {
			TRY(cmd_arg_expr(c, rest, &v));
			if (!fits(v, size))
				return cmd_fail(
					c, ERR_SYNTAX, "Overflow error at '%.*s'", STR_ARG(at));
		}
		if (ret->n + size > MEM_VALUES_MAX)
			return cmd_fail(
				c, ERR_LIMIT, "more than %d bytes of values", MEM_VALUES_MAX);
		le_put(raw, v, size);
		buf_add(ret, raw, size);
		skip_separator(rest);
	}
	return ERR_OK;
}

err mem_floats(cmd *c, str *rest, size_t size, buf *ret)
{
	*rest = str_trim(*rest);
	while (rest->n) {
		size_t n = 0;
		while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\t' && rest->p[n] != ',')
			n++;
		char *end, *z = str_z(&c->a, str_take(*rest, n));
		double d = strtod(z, &end);
		float f = (float)d;
		uint32_t bits32;
		uint64_t bits64;
		uint8_t raw[8];
		if (!n || *end)
			return cmd_fail(c, ERR_SYNTAX, "'%s' is no floating-point number", z);
		memcpy(&bits32, &f, 4);
		memcpy(&bits64, &d, 8);
		le_put(raw, size == 4 ? bits32 : bits64, size);
		if (ret->n + size > MEM_VALUES_MAX)
			return cmd_fail(
				c, ERR_LIMIT, "more than %d bytes of values", MEM_VALUES_MAX);
		buf_add(ret, raw, size);
		*rest = str_skip(*rest, n);
		skip_separator(rest);
	}
	return ERR_OK;
}

void mem_float(double v, int digits, char text[MEM_FLOAT_TEXT])
{
	snprintf(text, MEM_FLOAT_TEXT, "%.*g", digits, v);
	char *e = strchr(text, 'e');
	/* "e+05" becomes "e+005" */
	if (e && strlen(e) == 4) {
		memmove(e + 3, e + 2, 3);
		e[2] = '0';
	}
}

static void put_unit(buf *b, uint32_t unit)
{
	uint8_t raw[2];
	put16(raw, (uint16_t)unit);
	buf_add(b, raw, 2);
}

void mem_utf16(str s, buf *ret)
{
	for (size_t i = 0; i < s.n;) {
		uint8_t c = (uint8_t)s.p[i];
		unsigned more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;
		uint32_t ch = more == 3 ? c & 7u : more == 2 ? c & 15u : more == 1 ? c & 31u : c;
		i++;
		if (c >= 0x80 && !more)
			ch = 0xfffd;
		for (; more && i < s.n && ((uint8_t)s.p[i] & 0xc0) == 0x80; more--)
			ch = ch << 6 | ((uint8_t)s.p[i++] & 0x3f);
		if (more || ch > 0x10ffff)
			ch = 0xfffd;
		if (ch >= 0x10000) {
			put_unit(ret, 0xd800 + ((ch - 0x10000) >> 10));
			put_unit(ret, 0xdc00 + ((ch - 0x10000) & 0x3ff));
		} else {
			put_unit(ret, ch);
		}
	}
}
