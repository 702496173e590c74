/*
 * dt: what the command's line asks for and where it stands: between dt_line.c, which reads the
 * line, and dt.c, which shows it.
 */
#ifndef RS_CMD_DT_H
#define RS_CMD_DT_H

#include "cmd/types.h"

enum {
	DT_FIELDS_MAX = 64, /* field patterns of one command */
	DT_DEPTH_MAX = 16   /* -r without a number, -b */
};

typedef struct dt_pattern {
	str text;    /* "Ldr.Flink", "m_t1.", "a..c." */
	bool prefix; /* -y */
	bool array;  /* -a in front of it */
	uint64_t array_n;
} dt_pattern;

typedef struct dt {
	cmd *c;
	tv v;
	/* options */
	bool blocks, compact, verbose, no_indent, no_offset, enumerate, types_only, phys, name_next,
		prefix_next;
	bool array;
	uint64_t array_n; /* 0: all */
	unsigned depth;	  /* -r */
	bool counted;	  /* -rN */
	bool has_size;
	uint64_t size;
	str link; /* -l */
	/* operands */
	str name;
	bool name_prefix;
	dt_pattern f[DT_FIELDS_MAX];
	size_t n;
	bool has_addr;
	uint64_t addr;
	/* state */
	size_t lines;
	struct dt_open {
		sym_type t;
		bool has;
		uint64_t at;
	} chain[DT_DEPTH_MAX + 2]; /* what is being expanded */
	size_t chain_n;
} dt;

extern const char dt_help[];
/* Reads the line into x, which holds a command and nothing else yet. */
err dt_line(dt *x, str line, bool *help) MUST_CHECK;

#endif
