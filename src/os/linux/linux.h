/*
 * linux: what the texts of Linux's /proc say (proc(5)), whether they come from a live process or
 * were made from a core's notes. Parsers only; every number is checked.
 */
#ifndef RS_OS_LINUX_H
#define RS_OS_LINUX_H

#include "os/os.h"

typedef struct linux_map {
	uint64_t start, end, offset, inode;
	bool r, w, x, shared;
	str path; /* "" anonymous; "[stack]", "[heap]", "[vdso]" ... */
} linux_map;

/* The next line of a maps text; false at its end. Lines that make no sense are left out. */
bool linux_map_next(str *rest, linux_map *ret);

typedef struct linux_stat {
	str name; /* of the program or thread, without parentheses */
	char state;
	uint64_t parent, user_ticks, system_ticks, start_ticks;
} linux_stat;
/* ERR_CORRUPT: not the text of a stat file. */
err linux_stat_parse(str text, linux_stat *ret) MUST_CHECK;
uint64_t linux_ticks_ms(uint64_t ticks); /* of a stat's times */
/* Value behind "Name:" in a status text, trimmed; "" if there is none. */
str linux_status_value(str text, str name);

/* os_ops' tls_block. */
err linux_tls_block(
	os *o, uint64_t pid, uint64_t base, uint64_t pointer, uint64_t *ret, diag *d) MUST_CHECK;

#endif
