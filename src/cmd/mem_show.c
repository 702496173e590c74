/*
 * mem_show: the d commands that show memory as numbers and text: d, da db dc dd dD df dp dq du dw
 * dW dyb dyd, and their physical relatives !db !dc !dd !dp !dq !du !dw. What follows pointers is in
 * mem_refs.c. Refuses to know where memory comes from: a mem_view answers.
 *
 * Invariant: memory that cannot be read shows as question marks and never ends a display.
 */
#include "cmd/memory.h"

#include "base/reader.h"

#include <stdio.h>

enum {
	SHOW_BYTES = 128, /* what is shown when no range is given */
	TEXT_COLUMNS = 48,
	TEXT_MAX = 4096, /* characters of da and du without a range */
	PHYS_TEXT = 16	 /* characters of !du */
};

typedef enum style { ST_HEX, ST_FLOAT, ST_BITS, ST_TEXT } style;

typedef struct shape {
	const char *name;
	style style;
	uint8_t size;	 /* bytes of a unit; 0: a pointer */
	uint8_t columns; /* units a line; 0: 16 bytes of them */
	uint16_t count;	 /* units without a range; 0: SHOW_BYTES of them */
	bool chars;	 /* characters behind the numbers */
} shape;

static const shape shapes[] = {
	{"da", ST_TEXT, 1, TEXT_COLUMNS, TEXT_MAX, false},
	{"du", ST_TEXT, 2, TEXT_COLUMNS, TEXT_MAX, false},
	{"db", ST_HEX, 1, 0, 0, true},
	{"dc", ST_HEX, 4, 0, 0, true},
	{"dd", ST_HEX, 4, 0, 0, false},
	{"dD", ST_FLOAT, 8, 3, 15, false},
	{"df", ST_FLOAT, 4, 4, 16, false},
	{"dp", ST_HEX, 0, 0, 0, false},
	{"dq", ST_HEX, 8, 0, 0, false},
	{"dw", ST_HEX, 2, 0, 0, false},
	{"dW", ST_HEX, 2, 0, 0, true},
	{"dyb", ST_BITS, 1, 4, 32, false},
	{"dyd", ST_BITS, 4, 1, 8, false},
};

typedef struct job {
	cmd *c;
	const shape *s;
	mem_view view;
	size_t size, columns;
	bool hash;	 /* the form of the ! commands: "#   e9000 ..." */
	bool unit_reads; /* !db -m: each unit by itself */
	uint64_t addr, count;
	bool given_count;
	uint8_t *bytes;
	bool *ok;
} job;

static bool all_ok(const bool *ok, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!ok[i])
			return false;
	return true;
}

static void add_line_start(job *j, uint64_t addr, buf *b)
{
	if (j->hash)
		buf_addf(b, "#%8llx ", (unsigned long long)addr);
	else
		buf_addf(b, "%s  ", out_addr(j->c->e, addr));
}

static void add_hex(buf *b, uint64_t v, size_t size, bool ok)
{
	static const char marks[] = "????????`????????";
	if (size == 8 && ok)
		buf_addf(b, "%08x`%08x", (unsigned)(v >> 32), (unsigned)v);
	else if (size == 8)
		buf_addz(b, marks);
	else if (ok)
		buf_addf(b, "%0*x", (int)size * 2, (unsigned)v);
	else
		buf_add(b, marks, size * 2);
}

static void add_float(buf *b, const uint8_t *p, size_t size, bool ok)
{
	uint64_t bits = le_get(p, size);
	uint32_t low = (uint32_t)bits;
	int width = size == 4 ? 16 : 24;
	char text[MEM_FLOAT_TEXT] = "????????";
	float f;
	double d;
	memcpy(&f, &low, 4);
	memcpy(&d, &bits, 8);
	if (ok)
		mem_float(size == 4 ? (double)f : d, size == 4 ? 8 : 16, text);
	buf_addf(b, "%*s", width, text);
}

/* ---- numbers ---- */

static void add_chars(job *j, buf *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_addc(b, j->ok[i] ? mem_char(j->bytes[i]) : '?');
}

static size_t unit_width(const job *j)
{
	if (j->s->style == ST_FLOAT)
		return j->size == 4 ? 16 : 24;
	return j->size == 8 ? 17 : j->size * 2;
}

static void numbers_line(job *j, uint64_t addr, size_t units, buf *b)
{
	add_line_start(j, addr, b);
	size_t start = b->n;
	for (size_t i = 0; i < units; i++) {
		const uint8_t *p = j->bytes + i * j->size;
		bool ok = all_ok(j->ok + i * j->size, j->size);
		if (i)
			buf_addc(b, j->size == 1 && i == 8 && j->columns == 16 ? '-' : ' ');
		if (j->s->style == ST_FLOAT)
			add_float(b, p, j->size, ok);
		else
			add_hex(b, le_get(p, j->size), j->size, ok);
		if (ok)
			j->c->e->last_data = le_get(p, j->size);
	}
	if (j->s->chars) {
		size_t width = j->columns * (unit_width(j) + 1) - 1;
		while (b->n < start + width)
			buf_addc(b, ' ');
		buf_addz(b, j->hash ? " " : "  ");
		add_chars(j, b, units * j->size);
	}
	buf_addc(b, '\n');
}

/* ---- bits ---- */

static void add_bits(buf *b, uint8_t v, bool ok)
{
	for (int i = 7; i >= 0; i--)
		buf_addc(b, !ok ? '?' : v >> i & 1 ? '1' : '0');
}

static void bits_header(job *j, buf *b)
{
	size_t groups = j->size == 4 ? 4 : j->columns;
	size_t indent = strlen(out_addr(j->c->e, 0)) + 2;
	if (j->size == 4) {
		buf_pad(b, indent);
		buf_addz(b, " 3          2          1          0\n");
		buf_pad(b, indent);
		buf_addz(b, "10987654 32109876 54321098 76543210\n");
	} else {
		buf_pad(b, indent);
		for (size_t i = 0; i < groups; i++)
			buf_addz(b, i ? " 76543210" : "76543210");
		buf_addc(b, '\n');
	}
	buf_pad(b, indent);
	for (size_t i = 0; i < groups; i++)
		buf_addz(b, i ? " --------" : "--------");
	buf_addc(b, '\n');
}

static void bits_line(job *j, uint64_t addr, size_t units, buf *b)
{
	add_line_start(j, addr, b);
	size_t start = b->n;
	for (size_t i = 0; i < units; i++) {
		for (size_t k = j->size; k-- > 0;) {
			if (b->n > start)
				buf_addc(b, ' ');
			add_bits(b, j->bytes[i * j->size + k], j->ok[i * j->size + k]);
		}
	}
	while (b->n < start + j->columns * j->size * 9 - 1)
		buf_addc(b, ' ');
	buf_addc(b, ' ');
	for (size_t i = 0; i < units; i++) {
		buf_addc(b, ' ');
		bool ok = all_ok(j->ok + i * j->size, j->size);
		add_hex(b, le_get(j->bytes + i * j->size, j->size), j->size, ok);
		if (ok)
			j->c->e->last_data = le_get(j->bytes + i * j->size, j->size);
	}
	buf_addc(b, '\n');
}

/* ---- reading and looping ---- */

/* Fills bytes and ok for `units` at addr; false if nothing of it can be read. */
static bool fetch(job *j, uint64_t addr, size_t units)
{
	if (!j->unit_reads)
		return mem_fill(&j->view, addr, j->bytes, j->ok, units * j->size);
	bool any = false;
	for (size_t i = 0; i < units; i++)
		any |= mem_fill(&j->view, addr + i * j->size, j->bytes + i * j->size,
			j->ok + i * j->size, j->size);
	return any;
}

static err phys_failed(job *j)
{
	return cmd_fail(j->c, ERR_FAULT,
		"physical memory read at %llx failed\n"
		"If you know the caching attributes used for the memory,\n"
		"try specifying [c], [uc] or [wc], as in %s [c] <params>.\n"
		"WARNING: Incorrect use of these flags will cause unpredictable\n"
		"processor corruption.  This may immediately (or at any time in\n"
		"the future until reboot) result in a system hang, incorrect data\n"
		"being displayed or other strange crashes and corruption.",
		(unsigned long long)j->addr, j->s->size == 1 ? "!db" : "!dd");
}

static err show_lines(job *j)
{
	buf b;
	err result = ERR_OK;
	buf_init(&b, 0);
	if (j->s->style == ST_BITS)
		bits_header(j, &b);
	for (uint64_t at = 0; at < j->count;) {
		size_t units = j->count - at < j->columns ? (size_t)(j->count - at) : j->columns;
		uint64_t addr = j->addr + at * j->size;
		bool any = fetch(j, addr, units);
		if (j->hash && !any && !at) {
			result = phys_failed(j);
			break;
		}
		if (j->s->style == ST_BITS)
			bits_line(j, addr, units, &b);
		else
			numbers_line(j, addr, units, &b);
		out_str(j->c->e, OUT_NORMAL, buf_str(&b));
		buf_clear(&b);
		at += units;
		if (cancelled(&j->c->e->cancel)) {
			result = ERR_CANCELLED;
			break;
		}
	}
	buf_deinit(&b);
	if (result == ERR_OK)
		j->addr += j->count * j->size;
	return result;
}

/* da, du: quoted lines until a zero, the end of the range, or a line of which nothing is there. */
static err show_text(job *j)
{
	buf b;
	bool end = false;
	err result = ERR_OK;
	buf_init(&b, 0);
	for (uint64_t at = 0; at < j->count && !end;) {
		size_t units = j->count - at < j->columns ? (size_t)(j->count - at) : j->columns;
		uint64_t addr = j->addr + at * j->size;
		bool any = fetch(j, addr, units);
		if (j->hash && !any && !at) {
			result = phys_failed(j);
			break;
		}
		size_t i;
		buf_clear(&b);
		add_line_start(j, addr, &b);
		buf_addc(&b, '"');
		for (i = 0; i < units && !end; i++) {
			const bool *ok = j->ok + i * j->size;
			uint64_t ch = le_get(j->bytes + i * j->size, j->size);
			end = all_ok(ok, j->size) && !ch;
			if (!end)
				buf_addc(&b, all_ok(ok, j->size) ? mem_char((uint32_t)ch) : '?');
		}
		buf_addz(&b, "\"\n");
		/* A line that holds nothing but the zero is only shown for an empty string. */
		if (!end || i > 1 || !at)
			out_str(j->c->e, OUT_NORMAL, buf_str(&b));
		at += i;
		end |= !any;
		if (end)
			j->count = at;
		if (cancelled(&j->c->e->cancel))
			result = ERR_CANCELLED;
		if (result != ERR_OK)
			break;
	}
	buf_deinit(&b);
	if (result == ERR_OK)
		j->addr += j->count * j->size;
	return result;
}

static err show(job *j)
{
	size_t line = j->columns * j->size;
	j->bytes = arena_alloc(&j->c->a, line);
	j->ok = arena_alloc(&j->c->a, line * sizeof *j->ok);
	return j->s->style == ST_TEXT ? show_text(j) : show_lines(j);
}

static const shape *shape_find(str name)
{
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
		if (str_eq(str_of(shapes[i].name), name))
			return &shapes[i];
	return NULL;
}

static void job_init(job *j, cmd *c, const shape *s)
{
	*j = (job){.c = c, .s = s, .size = s->size ? s->size : c->e->ptr_size};
	j->columns = s->columns ? s->columns : 16 / j->size;
	j->count = s->count ? s->count : SHOW_BYTES / j->size;
}

/* Where a display goes on that is given no address. */
static err start_address(cmd *c, uint64_t *ret)
{
	if (c->memo.has_next_d) {
		*ret = c->memo.next_d;
		return ERR_OK;
	}
	return eng_ip(c->e, ret, &c->d);
}

static err cmd_d_numbers(cmd *c, cmd_call *call)
{
	job j;
	str rest = call->args;
	uint64_t start;
	mem_options o;
	cmd_range r;
	job_init(&j, c, shape_find(str_of(call->row->name)));
	TRY(mem_options_get(c, &rest, &o));
	TRY(start_address(c, &start));
	TRY(cmd_arg_range(c, &rest, j.size, j.count, start, &r));
	TRY(cmd_arg_end(c, rest));
	j.view = o.view;
	if (o.columns)
		j.columns = o.columns;
	j.addr = r.addr;
	j.count = r.count;
	snprintf(c->memo.last_d, sizeof c->memo.last_d, "%s", call->row->name);
	TRY(show(&j));
	c->memo.next_d = j.addr;
	c->memo.has_next_d = true;
	return ERR_OK;
}

/* d: the most recent of all commands that begin with d. */
static err cmd_d(cmd *c, cmd_call *call)
{
	const char *name = c->memo.last_d[0] ? c->memo.last_d : "db";
	const cmd_row *row = cmd_row_find(str_of(name));
	cmd_call again = *call;
	if (!row || row->fn == cmd_d)
		return cmd_fail(c, ERR_STATE, "d has nothing to repeat");
	again.row = row;
	again.name = str_of(row->name);
	return row->fn(c, &again);
}

/* !db and the rest: physical memory by the form of the kernel extensions. */
static err cmd_phys(cmd *c, cmd_call *call)
{
	job j;
	cmd_range r;
	str rest = str_trim(call->args);
	uint64_t *next = cmd_state(c, "mem.phys", sizeof *next);
	job_init(&j, c, shape_find(str_skip(str_of(call->row->name), 1)));
	j.hash = true;
	j.view = (mem_view){c->e, true, mem_caching(&rest)};
	if (j.s->style == ST_TEXT)
		j.count = PHYS_TEXT;
	if (cmd_arg_word(&rest, "-m"))
		j.unit_reads = true;
	if (!j.view.cache)
		j.view.cache = mem_caching(&rest);
	TRY(cmd_arg_range(c, &rest, j.size, j.count, *next, &r));
	TRY(cmd_arg_end(c, rest));
	j.addr = r.addr;
	j.count = r.count;
	TRY(show(&j));
	*next = j.addr;
	return ERR_OK;
}

#define D_USAGE(name) name " [/c Width] [/p | /p[c] | /p[uc] | /p[wc]] [Range]"
#define D_HELP(what)                                                                               \
	what "\n\n"                                                                                \
	     "Range is an address, an address and a count (L Count), or two addresses. Without a " \
	     "range the "                                                                          \
	     "display goes on where the last one ended, at first at the current instruction.\n\n"  \
	     "/c Width sets the number of columns. /p reads physical memory (kernel mode); "       \
	     "/p[c], /p[uc] "                                                                      \
	     "and /p[wc] read it cached, uncached or write-combined. Memory that cannot be read "  \
	     "is shown "                                                                           \
	     "as question marks. Breakpoints never show: the bytes are the program's own."
#define D_FLAGS	      (CMD_ANY | CMD_TARGET)
#define P_USAGE(name) name " [[c] | [uc] | [wc]] [-m] [PhysicalAddress] [L Size]"
#define P_HELP                                                                                     \
	"Each line starts with # and the physical address. [c], [uc] and [wc] read cached, "       \
	"uncached "                                                                                \
	"or write-combined memory; -m reads one unit at a time. Without an address the display "   \
	"goes "                                                                                    \
	"on where the last one ended."
#define P_FLAGS (CMD_KERNEL | CMD_TARGET)

static const cmd_row rows[] = {
	{"d", "d [Options] [Range]", "Display memory in the format of the last d command",
		"Repeats the most recent command that begins with d, whatever its format (dds, dt, "
		"dv and dl "
		"included) with the options and range given here. Without such a command it is db.",
		CMD_ANY | CMD_TARGET, cmd_d},
	{"da", D_USAGE("da"), "Display memory as ASCII characters",
		D_HELP("Up to 48 characters a line in quotes until the first zero or the end of "
		       "the range; "
		       "what cannot be printed is a period."),
		D_FLAGS, cmd_d_numbers},
	{"db", D_USAGE("db"), "Display memory as bytes and characters",
		D_HELP("16 bytes a line with a hyphen between the eighth and ninth, then the "
		       "characters. "
		       "Default: 128 bytes."),
		D_FLAGS, cmd_d_numbers},
	{"dc", D_USAGE("dc"), "Display memory as double words and characters",
		D_HELP("Four double words a line, then the characters. Default: 32 double words."),
		D_FLAGS, cmd_d_numbers},
	{"dd", D_USAGE("dd"), "Display memory as double words (4 bytes)",
		D_HELP("Four double words a line. Default: 32 double words."), D_FLAGS,
		cmd_d_numbers},
	{"dD", D_USAGE("dD"), "Display memory as double-precision floating-point numbers",
		D_HELP("Three numbers of 8 bytes a line. Default: 15 numbers. The D is upper "
		       "case."),
		D_FLAGS | CMD_CASE, cmd_d_numbers},
	{"df", D_USAGE("df"), "Display memory as single-precision floating-point numbers",
		D_HELP("Four numbers of 4 bytes a line. Default: 16 numbers."), D_FLAGS,
		cmd_d_numbers},
	{"dp", D_USAGE("dp"), "Display memory as pointer-sized values",
		D_HELP("As dq on a 64-bit target, as dd on a 32-bit one. Default: 128 bytes."),
		D_FLAGS, cmd_d_numbers},
	{"dq", D_USAGE("dq"), "Display memory as quad words (8 bytes)",
		D_HELP("Two quad words a line. Default: 16 quad words."), D_FLAGS, cmd_d_numbers},
	{"du", D_USAGE("du"), "Display memory as Unicode (UTF-16) characters",
		D_HELP("Up to 48 characters a line in quotes until the first zero or the end of "
		       "the range; "
		       "what cannot be printed is a period."),
		D_FLAGS, cmd_d_numbers},
	{"dw", D_USAGE("dw"), "Display memory as words (2 bytes)",
		D_HELP("Eight words a line. Default: 64 words."), D_FLAGS, cmd_d_numbers},
	{"dW", D_USAGE("dW"), "Display memory as words and characters",
		D_HELP("Eight words a line, then the characters. Default: 64 words. The W is upper "
		       "case."),
		D_FLAGS | CMD_CASE, cmd_d_numbers},
	{"dyb", D_USAGE("dyb"), "Display memory as binary numbers and bytes",
		D_HELP("Four bytes a line in binary, then in hexadecimal. Default: 32 bytes."),
		D_FLAGS, cmd_d_numbers},
	{"dyd", D_USAGE("dyd"), "Display memory as binary numbers and double words",
		D_HELP("One double word a line in binary, then in hexadecimal. Default: 8 double "
		       "words."),
		D_FLAGS, cmd_d_numbers},
	{"!db", P_USAGE("!db"), "Display physical memory as bytes and characters", P_HELP, P_FLAGS,
		cmd_phys},
	{"!dc", P_USAGE("!dc"), "Display physical memory as double words and characters", P_HELP,
		P_FLAGS, cmd_phys},
	{"!dd", P_USAGE("!dd"), "Display physical memory as double words", P_HELP, P_FLAGS,
		cmd_phys},
	{"!dp", P_USAGE("!dp"), "Display physical memory as pointer-sized values", P_HELP, P_FLAGS,
		cmd_phys},
	{"!dq", P_USAGE("!dq"), "Display physical memory as quad words", P_HELP, P_FLAGS, cmd_phys},
	{"!du", P_USAGE("!du"), "Display physical memory as Unicode characters", P_HELP, P_FLAGS,
		cmd_phys},
	{"!dw", P_USAGE("!dw"), "Display physical memory as words", P_HELP, P_FLAGS, cmd_phys},
};

const cmd_family cmd_family_mem_show = {"Displaying memory", rows, ARRAY_LEN(rows)};
