/*
 * typeval: see typeval.h. The forms are those of the samples in the documentation of dt, x and dv;
 * numbers: signed ones decimal with 0n, unsigned ones hexadecimal (below 10 without 0x).
 *
 * Memory that cannot be read shows as question marks. Everything read is bounded: strings of 256
 * characters, pointers to pointers of 4 levels.
 */
#include "cmd/typeval.h"

#include "base/half.h"
#include "base/reader.h"

#include <stdio.h>

enum { TEXT_MAX = 256, WIDTH_MAX = 4, DEREF_MAX = 4, TYPE_DEPTH = 8 };

tv_settings *tv_settings_get(cmd *c)
{
	return cmd_state(c, "types", sizeof(tv_settings));
}

void tv_init(tv *v, cmd *c)
{
	const tv_settings *s = tv_settings_get(c);
	*v = (tv){.e = c->e,
		.a = &c->a,
		.unicode = s->unicode,
		.long_radix = s->long_radix,
		.int_radix = s->int_radix};
}

bool tv_read(const tv *v, uint64_t addr, void *p, size_t n)
{
	if (v->held) {
		if (addr > v->held_n || n > v->held_n - addr)
			return false;
		if (v->lost && memchr(v->lost + addr, true, n))
			return false;
		memcpy(p, v->held + addr, n);
		return true;
	}
	if (!v->phys)
		return eng_read_all(v->e, addr, p, n, NULL) == ERR_OK;
	size_t got = 0;
	return eng_read_phys(v->e, addr, 0, p, n, &got, NULL) == ERR_OK && got == n;
}

/* What a pointer leads to is memory, whatever held the pointer. */
static tv behind(const tv *v)
{
	tv m = *v;
	m.held = NULL;
	m.phys = false;
	return m;
}

/* ---- numbers ---- */

void tv_hex(uint64_t x, buf *out)
{
	if (x < 10)
		buf_addf(out, "%u", (unsigned)x);
	else if (x >> 32)
		buf_addf(out, "0x%08x`%08x", (unsigned)(x >> 32), (unsigned)x);
	else
		buf_addf(out, "0x%x", (unsigned)x);
}

void tv_pointer(const tv *v, uint64_t x, buf *out)
{
	buf_addf(out, "0x%s", out_addr(v->e, x));
}

static void radix_number(const tv *v, uint64_t x, buf *out)
{
	if (v->e->radix == 8)
		buf_addf(out, "0t%llo", (unsigned long long)x);
	else if (v->e->radix == 10)
		buf_addf(out, "0n%llu", (unsigned long long)x);
	else
		tv_hex(x, out);
}

static uint64_t widen(uint64_t x, uint64_t size)
{
	unsigned shift = size && size < 8 ? 64 - 8 * (unsigned)size : 0;
	return (uint64_t)((int64_t)(x << shift) >> shift);
}

static void integer(const tv *v, const sym_type_info *in, uint64_t x, buf *out)
{
	bool is_long = str_eq(in->name, STR("long")) || str_eq(in->name, STR("unsigned long"));
	if (is_long ? v->long_radix : v->int_radix)
		radix_number(v, x, out);
	else if (in->kind == SYM_T_INT)
		buf_addf(out, "0n%lld", (long long)widen(x, in->size));
	else
		tv_hex(x, out);
}

static void character(const sym_type_info *in, uint64_t x, buf *out)
{
	if (in->kind == SYM_T_CHAR)
		buf_addf(out, "0n%lld '", (long long)widen(x, in->size));
	else
		buf_addf(out, x ? "0x%llx '" : "%llu '", (unsigned long long)x);
	if (x >= 0x20 && x < 0x7f)
		buf_addc(out, (char)x);
	buf_addc(out, '\'');
}

static void real(const uint8_t *p, uint64_t size, str name, buf *out)
{
	if (size == 2) {
		bool b = str_find(name, STR("bf")) != SIZE_MAX;
		buf_addf(out, "%.5g", b ? bfloat_get(le16(p)) : half_get(le16(p)));
	} else if (size == 16 && str_find(name, STR("128")) != SIZE_MAX) {
		__float128 q; /* as exact as the host's own printf can */
		memcpy(&q, p, 16);
		buf_addf(out, "%.21Lg", (long double)q);
	} else if (size == 4) {
		float f;
		memcpy(&f, p, 4);
		buf_addf(out, "%.8g", (double)f);
	} else if (size == 8) {
		double d;
		memcpy(&d, p, 8);
		buf_addf(out, "%.17g", d);
	} else if (size >= 10) { /* x87 extended: the rest is padding */
		long double l = 0;
		memcpy(&l, p, 10);
		buf_addf(out, "%.21Lg", l);
	} else {
		buf_addz(out, "??");
	}
}

static void enumeration(const tv *v, sym_type t, const sym_type_info *in, uint64_t x, buf *out)
{
	sym_type_info under = {.kind = SYM_T_INT};
	sym_field *f;
	size_t n = 0;
	if (sym_type_info_get(in->elem, &under) != ERR_OK)
		under.kind = SYM_T_INT;
	bool is_signed = under.kind == SYM_T_INT || under.kind == SYM_T_CHAR;
	uint64_t wide = is_signed ? widen(x, in->size) : x;
	if (is_signed)
		buf_addf(out, "0n%lld", (long long)wide);
	else
		tv_hex(x, out);
	if (sym_type_fields(t, v->a, &f, &n) == ERR_OK)
		for (size_t i = 0; i < n; i++)
			if (f[i].is_enumerator && (uint64_t)f[i].value == wide) {
				buf_addf(out, " ( %.*s )", STR_ARG(f[i].name));
				return;
			}
	buf_addz(out, " (No matching name)");
}

/* ---- text ---- */

static void quote_bytes(const uint8_t *p, size_t n, buf *out)
{
	buf_addc(out, '"');
	for (size_t i = 0; i < n && p[i]; i++)
		buf_addc(out, p[i] >= 0x20 && p[i] < 0x7f ? (char)p[i] : '.');
	buf_addc(out, '"');
}

static void quote_utf16(const tv *v, const uint8_t *p, size_t n, buf *out)
{
	size_t len = 0;
	while (len < n && le16(p + 2 * len))
		len++;
	str s = str_from_utf16(v->a, p, len);
	buf_addc(out, '"');
	for (size_t i = 0; i < s.n; i++)
		buf_addc(out, (unsigned char)s.p[i] >= 0x20 ? s.p[i] : '.');
	buf_addc(out, '"');
}

/* UTF-8 of what is no control character, dots for what is no character at all. */
static void quote_utf32(const uint8_t *p, size_t n, buf *out)
{
	buf_addc(out, '"');
	for (uint32_t c; n && (c = le32(p)); p += 4, n--) {
		if (c < 0x20 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
			c = '.';
		if (c < 0x80)
			buf_addc(out, (char)c);
		else if (c < 0x800)
			buf_addf(out, "%c%c", 0xc0 | c >> 6, 0x80 | (c & 63));
		else if (c < 0x10000)
			buf_addf(out, "%c%c%c", 0xe0 | c >> 12, 0x80 | (c >> 6 & 63),
				0x80 | (c & 63));
		else
			buf_addf(out, "%c%c%c%c", 0xf0 | c >> 18, 0x80 | (c >> 12 & 63),
				0x80 | (c >> 6 & 63), 0x80 | (c & 63));
	}
	buf_addc(out, '"');
}

static void quote(const tv *v, const uint8_t *p, size_t n, size_t width, buf *out)
{
	if (width == 1)
		quote_bytes(p, n, out);
	else if (width == 2)
		quote_utf16(v, p, n, out);
	else
		quote_utf32(p, n, out);
}

/* Text of at most TEXT_MAX characters at addr, read up to its end or where memory ends. */
static bool text_at(const tv *v, uint64_t addr, size_t width, buf *out)
{
	uint8_t p[TEXT_MAX * WIDTH_MAX];
	size_t n = 0;
	bool ended = false;
	while (n < TEXT_MAX && !ended) {
		/* up to the next 16-byte border: strings near the end of a page stay readable */
		size_t k = (16 - (addr + n * width) % 16) / width;
		k = k ? k : 1;
		if (k > TEXT_MAX - n)
			k = TEXT_MAX - n;
		if (!tv_read(v, addr + n * width, p + n * width, k * width))
			break;
		for (size_t i = 0; i < k && !ended; i++, n++)
			ended = !le_get(p + n * width, width);
	}
	if (!n)
		return false;
	quote(v, p, n, width, out);
	return true;
}

/* char32_t, Rust's char, and wchar_t in programs of Linux. */
static bool is_utf32(const sym_type_info *in)
{
	return in->size == 4 && (in->kind == SYM_T_UINT || in->kind == SYM_T_INT) &&
	       (str_eq(in->name, STR("char32_t")) || str_eq(in->name, STR("wchar_t")) ||
		       str_eq(in->name, STR("char")));
}

static bool is_text(const tv *v, const sym_type_info *in, size_t *width)
{
	bool narrow = in->size == 1 &&
		      (in->kind == SYM_T_CHAR || in->kind == SYM_T_UINT || in->kind == SYM_T_INT);
	bool wide = in->size == 2 &&
		    (in->kind == SYM_T_WCHAR || (v->unicode && in->kind == SYM_T_UINT));
	*width = wide ? 2 : narrow ? 1 : 4;
	return narrow || wide || is_utf32(in);
}

/* ---- type names ---- */

static void type_text(sym_type t, buf *out, int depth)
{
	sym_type_info in;
	if (depth > TYPE_DEPTH || sym_type_info_get(t, &in) != ERR_OK) {
		buf_addz(out, "??");
		return;
	}
	switch (in.kind) {
	case SYM_T_VOID:
		buf_addz(out, "Void");
		return;
	case SYM_T_INT:
		if (in.size == 1)
			buf_addz(out, "Char");
		else
			buf_addf(out, "Int%lluB", (unsigned long long)in.size);
		return;
	case SYM_T_UINT:
		if (in.size == 1)
			buf_addz(out, "UChar");
		else
			buf_addf(out, "Uint%lluB", (unsigned long long)in.size);
		return;
	case SYM_T_BOOL:
		buf_addz(out, "Bool");
		return;
	case SYM_T_CHAR:
		buf_addz(out, "Char");
		return;
	case SYM_T_WCHAR:
		buf_addz(out, "Wchar");
		return;
	case SYM_T_FLOAT:
		buf_addz(out, in.size == 4 ? "Float" : in.size == 8 ? "Double" : "Real");
		return;
	case SYM_T_COMPLEX:
		buf_addz(out, "Complex ");
		type_text(in.elem, out, depth + 1);
		return;
	case SYM_T_HRESULT:
		buf_addz(out, "HRESULT");
		return;
	case SYM_T_PTR:
	case SYM_T_REF: {
		sym_type_info el;
		buf_addf(out, "Ptr%u ", in.size == 4 ? 32 : 64);
		if (sym_type_info_get(in.elem, &el) == ERR_OK && el.kind == SYM_T_FUNC) {
			buf_addz(out, "    ");
			sym_type_text(el.elem, out);
			buf_addc(out, ' ');
		} else {
			type_text(in.elem, out, depth + 1);
		}
		return;
	}
	case SYM_T_ARRAY:
		buf_addf(out, "[%llu] ", (unsigned long long)in.count);
		type_text(in.elem, out, depth + 1);
		return;
	case SYM_T_FUNC:
	case SYM_T_MEMBER:
		sym_type_text(t, out);
		return;
	case SYM_T_UNKNOWN:
		return;
	default:
		buf_adds(out, in.name);
		return;
	}
}

void tv_type(sym_type t, buf *out)
{
	type_text(t, out, 0);
}

void tv_bit_type(const sym_field *f, buf *out)
{
	buf_addf(out, "Pos %u, %u Bit%s", f->bit_pos, f->bit_len, f->bit_len == 1 ? "" : "s");
}

/* ---- well-known structures ---- */

static bool field_uint(const tv *v, sym_type t, uint64_t addr, str name, uint64_t *ret)
{
	sym_field f;
	sym_type_info in;
	uint8_t p[8];
	if (sym_type_field(t, name, &f, NULL) != ERR_OK ||
		sym_type_info_get(f.type, &in) != ERR_OK || !in.size || in.size > 8 ||
		!tv_read(v, addr + f.offset, p, in.size))
		return false;
	*ret = le_get(p, in.size);
	return true;
}

static bool list_entry(const tv *v, sym_type t, uint64_t addr, buf *out)
{
	uint64_t f, b;
	if (!field_uint(v, t, addr, STR("Flink"), &f) || !field_uint(v, t, addr, STR("Blink"), &b))
		return false;
	buf_addz(out, " [ ");
	tv_pointer(v, f, out);
	buf_addz(out, " - ");
	tv_pointer(v, b, out);
	buf_addz(out, " ]");
	return true;
}

static bool counted_string(const tv *v, sym_type t, uint64_t addr, size_t width, buf *out)
{
	uint64_t len, at;
	uint8_t p[TEXT_MAX * WIDTH_MAX];
	tv m = behind(v);
	if (!field_uint(v, t, addr, STR("Length"), &len) ||
		!field_uint(v, t, addr, STR("Buffer"), &at))
		return false;
	size_t n = len / width > TEXT_MAX ? TEXT_MAX : (size_t)(len / width);
	if (n && !tv_read(&m, at, p, n * width)) {
		buf_addf(out, " \"--- memory read error at address 0x%s ---\"", out_addr(v->e, at));
		return true;
	}
	buf_addc(out, ' ');
	if (width == 1)
		quote_bytes(p, n, out);
	else
		quote_utf16(v, p, n, out);
	return true;
}

static bool guid(const tv *v, uint64_t addr, buf *out)
{
	uint8_t g[16];
	if (!tv_read(v, addr, g, 16))
		return false;
	buf_addf(out, " {%08x-%04x-%04x-%02x%02x-", le32(g), le16(g + 4), le16(g + 6), g[8], g[9]);
	for (int i = 10; i < 16; i++)
		buf_addf(out, "%02x", g[i]);
	buf_addc(out, '}');
	return true;
}

/* Of Go: {str, len}. */
static bool go_string(const tv *v, sym_type t, uint64_t addr, buf *out)
{
	uint64_t len, at;
	uint8_t p[TEXT_MAX];
	tv m = behind(v);
	if (!field_uint(v, t, addr, STR("len"), &len) || !field_uint(v, t, addr, STR("str"), &at))
		return false;
	size_t n = len > TEXT_MAX ? TEXT_MAX : (size_t)len;
	if (n && !tv_read(&m, at, p, n))
		return false;
	buf_addc(out, ' ');
	quote_bytes(p, n, out);
	return true;
}

/* What is shown behind the name of some structures of the system's headers. */
static bool special(const tv *v, sym_type t, str name, uint64_t addr, buf *out)
{
	uint64_t x;
	if (str_eq(name, STR("_LIST_ENTRY")) || str_eq(name, STR("LIST_ENTRY64")))
		return list_entry(v, t, addr, out);
	if (str_eq(name, STR("_UNICODE_STRING")))
		return counted_string(v, t, addr, 2, out);
	if (str_eq(name, STR("_STRING")) || str_eq(name, STR("_ANSI_STRING")))
		return counted_string(v, t, addr, 1, out);
	if (str_eq(name, STR("_LARGE_INTEGER")) || str_eq(name, STR("_ULARGE_INTEGER"))) {
		if (!field_uint(v, t, addr, STR("QuadPart"), &x))
			return false;
		buf_addc(out, ' ');
		if (x >> 32)
			tv_hex(x, out);
		else
			buf_addf(out, "0x%llx", (unsigned long long)x);
		return true;
	}
	if (str_eq(name, STR("_GUID")))
		return guid(v, addr, out);
	if (str_eq(name, STR("string")))
		return go_string(v, t, addr, out);
	return false;
}

/* ---- sum types ---- */

const sym_field *tv_variant(const tv *v, const sym_field *f, size_t n, uint64_t base)
{
	const sym_field *rest = NULL;
	sym_type_info in;
	uint8_t p[8];
	uint64_t tag = 0;
	bool tagged = false;
	unsigned shift = 0;
	for (size_t i = 0; i < n && !tagged; i++)
		if (f[i].is_tag && !f[i].bit_len && sym_type_info_get(f[i].type, &in) == ERR_OK &&
			in.size && in.size <= 8) {
			if (!tv_read(v, base + f[i].offset, p, in.size))
				return NULL;
			shift = 64 - 8 * (unsigned)in.size;
			tag = le_get(p, in.size) << shift;
			tagged = true;
		}
	for (size_t i = 0; i < n; i++) {
		if (!f[i].is_variant)
			continue;
		if (f[i].is_else)
			rest = &f[i];
		else if (tagged && (uint64_t)f[i].value << shift == tag)
			return &f[i];
	}
	return rest; /* without a tag there is only one */
}

static void variant(const tv *v, sym_type t, uint64_t addr, buf *out)
{
	sym_field *f;
	size_t n;
	if (sym_type_fields(t, v->a, &f, &n) != ERR_OK)
		return;
	const sym_field *one = tv_variant(v, f, n, addr);
	if (one)
		buf_addf(out, " ( %.*s )", STR_ARG(one->name));
}

/* ---- values ---- */

static void value(const tv *v, sym_type t, uint64_t addr, buf *out, int depth);

static void struct_name(const tv *v, sym_type t, const sym_type_info *in, buf *out)
{
	if (v->c_names)
		sym_type_text(t, out);
	else
		buf_adds(out, in->name);
}

static void function_name(const tv *v, sym_type fn, uint64_t at, buf *out)
{
	sym_type_info in;
	sym s;
	uint64_t disp;
	buf_addz(out, "     ");
	if (sym_type_info_get(fn, &in) == ERR_OK && in.elem.file)
		sym_type_text(in.elem, out);
	buf_addz(out, "  ");
	if (v->e->syms && sym_at(v->e->syms, at, &s, &disp) == ERR_OK)
		buf_addf(out, "%.*s!%.*s+%llx", STR_ARG(s.mod->name), STR_ARG(s.name),
			(unsigned long long)disp);
	else
		buf_addz(out, "+0");
}

static void pointer(const tv *v, const sym_type_info *in, uint64_t at, buf *out, int depth)
{
	sym_type_info el;
	tv m = behind(v);
	size_t width;
	if (!at) {
		buf_addz(out, "(null) ");
		return;
	}
	tv_pointer(v, at, out);
	if (sym_type_info_get(in->elem, &el) != ERR_OK) {
		buf_addz(out, " ??");
		return;
	}
	if (el.kind == SYM_T_UNKNOWN)
		return; /* a table of virtual functions */
	if (el.kind == SYM_T_VOID) {
		buf_addz(out, v->c_names ? "" : " Void");
	} else if (el.kind == SYM_T_FUNC) {
		function_name(v, in->elem, at, out);
	} else if (is_text(v, &el, &width)) {
		buf_addz(out, v->c_names ? " " : "  ");
		if (!text_at(&m, at, width, out))
			buf_addf(out, "\"--- memory read error at address 0x%s ---\"",
				out_addr(v->e, at));
	} else if (el.kind >= SYM_T_STRUCT && el.kind <= SYM_T_UNION) {
		if (v->c_names)
			return;
		buf_addc(out, ' ');
		buf_adds(out, el.name);
		special(&m, in->elem, el.name, at, out);
	} else if (v->c_names) {
		return;
	} else if (depth < DEREF_MAX) {
		buf_addz(out, " -> ");
		value(&m, in->elem, at, out, depth + 1);
	}
}

static void array(
	const tv *v, sym_type t, const sym_type_info *in, uint64_t addr, buf *out, int depth)
{
	sym_type_info el;
	size_t width;
	if (sym_type_info_get(in->elem, &el) != ERR_OK) {
		buf_addf(out, "[%llu] ??", (unsigned long long)in->count);
		return;
	}
	if (v->c_names)
		sym_type_text(t, out);
	else
		buf_addf(out, "[%llu] ", (unsigned long long)in->count);
	if (is_text(v, &el, &width)) {
		uint8_t p[TEXT_MAX * WIDTH_MAX];
		size_t n = in->count > TEXT_MAX ? TEXT_MAX : (size_t)in->count;
		buf_addc(out, ' ');
		if (!tv_read(v, addr, p, n * width))
			buf_addz(out, "??");
		else
			quote(v, p, n, width, out);
	} else if (v->c_names) {
		return;
	} else if (el.kind >= SYM_T_STRUCT && el.kind <= SYM_T_UNION) {
		buf_adds(out, el.name);
	} else if (depth < DEREF_MAX) {
		value(v, in->elem, addr, out, depth + 1);
	}
}

/* The member that lies at an offset: "sides", "at.x". */
static bool member_named(const tv *v, sym_type t, uint64_t off, buf *out, int depth)
{
	sym_field *f;
	size_t n;
	sym_type_info in;
	if (depth > DEREF_MAX || sym_type_fields(t, v->a, &f, &n) != ERR_OK)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (f[i].is_static || f[i].is_method || f[i].n_hops || f[i].bit_len ||
			off < f[i].offset || sym_type_info_get(f[i].type, &in) != ERR_OK)
			continue;
		if (f[i].is_base ? off - f[i].offset < in.size &&
					   member_named(
						   v, f[i].type, off - f[i].offset, out, depth + 1)
				 : off == f[i].offset && f[i].name.n) {
			if (!f[i].is_base)
				buf_adds(out, f[i].name);
			return true;
		}
	}
	return false;
}

/* A pointer to a function: the code, or (odd) one more than the place in the table of virtual
 * functions; behind it what to add to `this`. */
static void member_function(const tv *v, const sym_type_info *in, const uint8_t *p, buf *out)
{
	uint64_t at = le64(p), plus = in->size >= 16 ? le64(p + 8) : 0;
	sym s;
	uint64_t disp;
	if (!at) {
		buf_addz(out, "(null) ");
		return;
	}
	if (in->size >= 16 && (at & 1)) {
		buf_addf(out, "virtual function 0n%llu", (unsigned long long)(at / 8));
	} else {
		tv_pointer(v, at, out);
		if (v->e->syms && sym_at(v->e->syms, at, &s, &disp) == ERR_OK)
			buf_addf(out, " %.*s!%.*s+%llx", STR_ARG(s.mod->name), STR_ARG(s.name),
				(unsigned long long)disp);
	}
	if (plus)
		buf_addf(out, ", this %+lld", (long long)plus);
}

static void member_pointer(const tv *v, const sym_type_info *in, uint64_t addr, buf *out)
{
	uint8_t p[16];
	sym_type_info el;
	if (!in->size || in->size > sizeof p || !tv_read(v, addr, p, in->size)) {
		buf_addz(out, "??");
		return;
	}
	uint64_t x = le_get(p, in->size < 8 ? in->size : 8);
	if (in->size >= 8 && sym_type_info_get(in->elem, &el) == ERR_OK && el.kind == SYM_T_FUNC) {
		member_function(v, in, p, out);
	} else if (widen(x, in->size) == UINT64_MAX) {
		buf_addz(out, "(null) ");
	} else {
		buf t;
		buf_init(&t, 4096);
		buf_addf(out, "+0x%03llx", (unsigned long long)x);
		if (in->owner.file && member_named(v, in->owner, x, &t, 0))
			buf_addf(out, " ( %.*s )", STR_ARG(buf_str(&t)));
		buf_deinit(&t);
	}
}

static void scalar(
	const tv *v, sym_type t, const sym_type_info *in, uint64_t addr, buf *out, int depth)
{
	uint8_t p[16];
	bool is_ptr = in->kind == SYM_T_PTR || in->kind == SYM_T_REF;
	bool wide = in->kind == SYM_T_FLOAT || in->kind == SYM_T_INT || in->kind == SYM_T_UINT;
	if (!in->size || in->size > (wide ? sizeof p : 8)) {
		buf_addz(out, "??");
		return;
	}
	if (!tv_read(v, addr, p, in->size)) {
		buf_addz(out, is_ptr ? "???? " : "??");
		return;
	}
	uint64_t x = le_get(p, in->size < 8 ? in->size : 8);
	if (in->size > 8 && in->kind != SYM_T_FLOAT)
		buf_addf(out, "0x%016llx%016llx", (unsigned long long)le_get(p + 8, in->size - 8),
			(unsigned long long)x);
	else if (is_ptr)
		pointer(v, in, x, out, depth);
	else if (in->kind == SYM_T_ENUM)
		enumeration(v, t, in, x, out);
	else if (in->kind == SYM_T_FLOAT)
		real(p, in->size, in->name, out);
	else if (in->kind == SYM_T_BOOL)
		buf_addf(out, "%llu", (unsigned long long)x);
	else if (in->kind == SYM_T_HRESULT)
		buf_addf(out, "0x%08x", (unsigned)x);
	else if (in->kind == SYM_T_CHAR || in->kind == SYM_T_WCHAR || in->size == 1 || is_utf32(in))
		character(in, x, out);
	else
		integer(v, in, x, out);
}

static void value(const tv *v, sym_type t, uint64_t addr, buf *out, int depth)
{
	sym_type_info in;
	if (sym_type_info_get(t, &in) != ERR_OK) {
		buf_addz(out, "??");
		return;
	}
	switch (in.kind) {
	case SYM_T_STRUCT:
	case SYM_T_CLASS:
	case SYM_T_UNION:
		struct_name(v, t, &in, out);
		if (in.variants)
			variant(v, t, addr, out);
		else
			special(v, t, in.name, addr, out);
		return;
	case SYM_T_ARRAY:
		array(v, t, &in, addr, out, depth);
		return;
	case SYM_T_FUNC:
		out_symbol(v->e, addr, out);
		return;
	case SYM_T_VOID:
		buf_addz(out, "Void");
		return;
	case SYM_T_UNKNOWN:
		buf_addz(out, "??");
		return;
	case SYM_T_COMPLEX:
		value(v, in.elem, addr, out, depth + 1);
		buf_addz(out, " + ");
		value(v, in.elem, addr + in.size / 2, out, depth + 1);
		buf_addc(out, 'i');
		return;
	case SYM_T_MEMBER:
		member_pointer(v, &in, addr, out);
		return;
	default:
		scalar(v, t, &in, addr, out, depth);
		return;
	}
}

void tv_value(const tv *v, sym_type t, uint64_t addr, buf *out)
{
	value(v, t, addr, out, 0);
}

bool tv_chars(const tv *v, uint64_t width, uint64_t addr, uint64_t n, buf *out)
{
	uint8_t p[TEXT_MAX * WIDTH_MAX];
	if (width != 1 && width != 2 && width != 4)
		return false;
	if (!n)
		return text_at(v, addr, width, out);
	n = n < TEXT_MAX ? n : TEXT_MAX;
	if (!tv_read(v, addr, p, n * width))
		return false;
	quote(v, p, n, width, out);
	return true;
}

bool tv_text(const tv *v, sym_type elem, uint64_t addr, uint64_t n, buf *out)
{
	sym_type_info in;
	size_t width;
	return n && sym_type_info_get(elem, &in) == ERR_OK && is_text(v, &in, &width) &&
	       tv_chars(v, width, addr, n, out);
}

void tv_bits(const tv *v, const sym_field *f, uint64_t addr, buf *out)
{
	sym_type_info in;
	uint8_t p[8];
	if (sym_type_info_get(f->type, &in) != ERR_OK || !in.size || in.size > 8 ||
		!tv_read(v, addr, p, in.size)) {
		buf_addz(out, "??");
		return;
	}
	uint64_t x = f->bit_pos < 64 ? le_get(p, in.size) >> f->bit_pos : 0;
	if (f->bit_len < 64)
		x &= ((uint64_t)1 << f->bit_len) - 1;
	buf_addz(out, "0y");
	for (unsigned i = f->bit_len; i-- > 0;)
		buf_addc(out, i < 64 && (x >> i & 1) ? '1' : '0');
	if (f->bit_len > 4)
		buf_addf(out, x ? " (0x%llx)" : " (%llu)", (unsigned long long)x);
}
