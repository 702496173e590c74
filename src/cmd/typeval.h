/*
 * typeval: a value of a type as text, the way dt, dv and x show it. Knows nothing of command lines.
 */
#ifndef RS_CMD_TYPEVAL_H
#define RS_CMD_TYPEVAL_H

#include "cmd/cmd.h"

/* Where the bytes of values are: memory of the current context, physical memory, or held here. */
typedef struct tv {
	engine *e;
	arena *a;
	bool phys;
	const uint8_t *held; /* not NULL: addresses count from 0 in these bytes */
	size_t held_n;
	const bool *lost; /* not NULL: those of the bytes held that nobody knows */
	bool unicode;	  /* .enable_unicode: arrays of and pointers to USHORT are text */
	bool long_radix;  /* .enable_long_status: long in the default radix */
	bool int_radix;	  /* .force_radix_output: other integers too */
	bool c_names;	  /* "struct _FOO" as x writes it, else "_FOO" */
} tv;

/* The current settings of the .enable_xxx commands. */
typedef struct tv_settings {
	bool unicode, long_radix, int_radix;
} tv_settings;
tv_settings *tv_settings_get(cmd *c);
void tv_init(tv *v, cmd *c);

bool tv_read(const tv *v, uint64_t addr, void *p, size_t n);
/* Type as dt writes it without an address: "Ptr64 _EPROCESS", "[15] UChar", "Uint4B". */
void tv_type(sym_type t, buf *out);
/* "Pos 3, 5 Bits" */
void tv_bit_type(const sym_field *f, buf *out);
/* The value: "0n5", "0xffffe000`12345678 _EPROCESS", "_UNICODE_STRING "text"", "[6] 0x1". */
void tv_value(const tv *v, sym_type t, uint64_t addr, buf *out);
/* n elements of a character type at addr as quoted text; false if elem is none or unreadable. */
bool tv_text(const tv *v, sym_type elem, uint64_t addr, uint64_t n, buf *out);
/* n characters of 1, 2 or 4 bytes at addr as quoted text, or (n 0) those up to a NUL; at most 256.
 * False if it cannot be read. */
bool tv_chars(const tv *v, uint64_t width, uint64_t addr, uint64_t n, buf *out);
/* Which of the fields is the variant that the object at base is, of a sum type; NULL: it is none,
 * or cannot be read. */
const sym_field *tv_variant(const tv *v, const sym_field *f, size_t n, uint64_t base);
void tv_bits(const tv *v, const sym_field *f, uint64_t addr, buf *out);
/* "0x1234" or "0xffffe000`12345678". */
void tv_hex(uint64_t value, buf *out);
void tv_pointer(const tv *v, uint64_t value, buf *out);

#endif
