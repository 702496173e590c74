/*
 * mem_refs: the d commands that take memory for pointers: dda..dqu show what they point to, dds dps
 * dqs the nearest symbols, ds dS counted strings, dl dlb linked lists.
 *
 * Invariant: every list ends: at a null, at its head, at an element seen before, at MaxCount.
 */
#include "cmd/memory.h"

#include "base/map.h"
#include "base/reader.h"

#include <stdio.h>

enum {
	SHOW_BYTES = 128,
	TEXT_COLUMNS = 48,
	REF_TEXT_MAX = 256, /* characters shown behind a pointer */
	LIST_COUNT = 32,    /* elements of dl without a MaxCount */
	LIST_MAX = 1 << 20,
	LIST_SIZE_MAX = 256 /* pointers an element */
};

static err start_address(cmd *c, uint64_t *ret)
{
	if (c->memo.has_next_d) {
		*ret = c->memo.next_d;
		return ERR_OK;
	}
	return eng_ip(c->e, ret, &c->d);
}

static void went_on(cmd *c, const char *name, uint64_t next)
{
	snprintf(c->memo.last_d, sizeof c->memo.last_d, "%s", name);
	c->memo.next_d = next;
	c->memo.has_next_d = true;
}

static void add_value(buf *b, uint64_t v, size_t size)
{
	if (size == 8)
		buf_addf(b, "%08x`%08x", (unsigned)(v >> 32), (unsigned)v);
	else
		buf_addf(b, "%08x", (unsigned)v);
}

/* " nt!Foo+0x12 [file @ line]" or nothing. */
static void add_symbol(cmd *c, uint64_t addr, buf *b)
{
	engine *e = c->e;
	sym_line l;
	size_t at = b->n;
	buf_addc(b, ' ');
	if (!e->syms || !sym_format(e->syms, addr, b)) {
		b->n = at;
		return;
	}
	if (e->lines_on && sym_line_at(e->syms, addr, &l) == ERR_OK)
		buf_addf(b, " [%.*s @ %u]", STR_ARG(l.file), l.line);
}

/* The text at addr in quotes; nothing if it cannot be read. */
static void add_text(const mem_view *v, uint64_t addr, size_t unit, buf *b)
{
	uint8_t raw[REF_TEXT_MAX * 2];
	bool ok[sizeof raw];
	mem_view virt = {v->e, false, 0}; /* a pointer in physical memory still points to virtual */
	if (!mem_fill(&virt, addr, raw, ok, REF_TEXT_MAX * unit) || !ok[0])
		return;
	buf_addz(b, " \"");
	for (size_t i = 0; i < REF_TEXT_MAX && ok[i * unit + unit - 1]; i++) {
		uint64_t ch = le_get(raw + i * unit, unit);
		if (!ch)
			break;
		buf_addc(b, mem_char((uint32_t)ch));
	}
	buf_addc(b, '"');
}

static void add_reference(cmd *c, char kind, uint64_t value, size_t size, buf *b)
{
	engine *e = c->e;
	mem_view v = {e, false, 0};
	uint64_t there;
	switch (kind) {
	case 'a':
		add_text(&v, value, 1, b);
		break;
	case 'u':
		add_text(&v, value, 2, b);
		break;
	case 'p':
		if (eng_read_uint(e, value, size, &there, NULL) == ERR_OK) {
			buf_addc(b, ' ');
			add_value(b, there, size);
			add_symbol(c, there, b);
		}
		break;
	default: /* s: the word itself is the address */
		add_symbol(c, value, b);
		break;
	}
}

/* dda ddp ddu dds, dp., dq.: the second letter is the size, the third what is done with it. */
static err cmd_refs(cmd *c, cmd_call *call)
{
	const char *name = call->row->name;
	size_t size = name[1] == 'd' ? 4 : name[1] == 'q' ? 8 : c->e->ptr_size;
	str rest = call->args;
	uint64_t start;
	mem_options o;
	cmd_range r;
	buf b;
	TRY(mem_options_get(c, &rest, &o));
	TRY(start_address(c, &start));
	TRY(cmd_arg_range(c, &rest, size, SHOW_BYTES / size, start, &r));
	TRY(cmd_arg_end(c, rest));
	size_t columns = o.columns ? o.columns : 1;
	uint8_t raw[8];
	bool ok[sizeof raw];
	buf_init(&b, 0);
	for (uint64_t i = 0; i < r.count && !cancelled(&c->e->cancel); i++) {
		uint64_t at = r.addr + i * size;
		if (i % columns == 0)
			buf_addf(&b, "%s ", out_addr(c->e, at));
		buf_addc(&b, ' ');
		(void)mem_fill(&o.view, at, raw, ok, size);
		if (memchr(ok, 0, size)) {
			buf_addz(&b, size == 8 ? "????????`????????" : "????????");
		} else {
			c->e->last_data = le_get(raw, size);
			add_value(&b, c->e->last_data, size);
			add_reference(c, name[2], c->e->last_data, size, &b);
		}
		if (i % columns == columns - 1 || i + 1 == r.count) {
			buf_addc(&b, '\n');
			out_str(c->e, OUT_NORMAL, buf_str(&b));
			buf_clear(&b);
		}
	}
	buf_deinit(&b);
	went_on(c, name, r.addr + r.count * size);
	return cancelled(&c->e->cancel) ? ERR_CANCELLED : ERR_OK;
}

/* ---- ds, dS ---- */

static void string_lines(cmd *c, uint64_t addr, size_t chars, size_t unit, size_t columns)
{
	mem_view v = {c->e, false, 0};
	uint8_t raw[MEM_COLUMNS_MAX * 2];
	bool ok[sizeof raw];
	buf b;
	buf_init(&b, 0);
	for (size_t at = 0; (at < chars || !at) && !cancelled(&c->e->cancel); at += columns) {
		size_t n = chars - at < columns ? chars - at : columns;
		buf_addf(&b, "%s  \"", out_addr(c->e, addr + at * unit));
		bool any = mem_fill(&v, addr + at * unit, raw, ok, n * unit);
		for (size_t i = 0; i < n; i++) {
			bool known = ok[i * unit] && ok[i * unit + unit - 1];
			buf_addc(
				&b, known ? mem_char((uint32_t)le_get(raw + i * unit, unit)) : '?');
		}
		buf_addz(&b, "\"\n");
		/* A length that is no length would fill the screen with question marks. */
		if (!any)
			break;
	}
	out_str(c->e, OUT_NORMAL, buf_str(&b));
	buf_deinit(&b);
}

/* STRING and UNICODE_STRING (ntdef.h): Length and MaximumLength in bytes (u16), then a pointer. */
static err cmd_strings(cmd *c, cmd_call *call)
{
	engine *e = c->e;
	str rest = call->args;
	uint64_t addr, text;
	uint8_t head[16];
	mem_options o;
	size_t unit = call->row->name[1] == 'S' ? 2 : 1, pointer = e->ptr_size;
	TRY(mem_options_get(c, &rest, &o));
	if (o.view.phys)
		return cmd_fail(c, ERR_SYNTAX, "%s takes no /p option", call->row->name);
	if (str_trim(rest).n)
		TRY(cmd_arg_expr(c, &rest, &addr));
	else
		TRY(start_address(c, &addr));
	TRY(cmd_arg_end(c, rest));
	/* The pointer stands at its natural alignment. */
	TRY(eng_read_all(e, addr, head, pointer * 2, &c->d));
	text = le_get(head + pointer, pointer);
	e->last_data = text;
	string_lines(c, text, le16(head) / unit, unit, o.columns ? o.columns : TEXT_COLUMNS);
	went_on(c, call->row->name, addr + pointer * 2);
	return ERR_OK;
}

/* ---- dl, dlb ---- */

static bool element(cmd *c, uint64_t addr, size_t pointers, uint64_t *links)
{
	size_t size = c->e->ptr_size, columns = 16 / size, bytes = pointers * size;
	uint8_t *raw = arena_alloc(&c->a, bytes);
	bool *ok = arena_alloc(&c->a, bytes * sizeof *ok);
	mem_view v = {c->e, false, 0};
	buf b;
	buf_init(&b, 0);
	(void)mem_fill(&v, addr, raw, ok, bytes);
	for (size_t i = 0; i < pointers; i++) {
		if (i % columns == 0)
			buf_addf(&b, "%s ", out_addr(c->e, addr + i * size));
		buf_addc(&b, ' ');
		if (memchr(ok + i * size, 0, size))
			buf_addz(&b, size == 8 ? "????????`????????" : "????????");
		else
			add_value(&b, le_get(raw + i * size, size), size);
		if (i % columns == columns - 1 || i + 1 == pointers)
			buf_addc(&b, '\n');
	}
	out_str(c->e, OUT_NORMAL, buf_str(&b));
	buf_deinit(&b);
	/* Both links are needed even if fewer pointers are shown. */
	return eng_read_ptr(c->e, addr, &links[0], NULL) == ERR_OK &&
	       (eng_read_ptr(c->e, addr + size, &links[1], NULL) == ERR_OK || (links[1] = 0, true));
}

static err cmd_list(cmd *c, cmd_call *call)
{
	bool backwards = str_ieq(str_of(call->row->name), STR("dlb"));
	str rest = call->args;
	uint64_t head, max = LIST_COUNT, size = 2, links[2];
	err result = ERR_OK;
	map seen;
	if (!str_trim(rest).n)
		return cmd_fail(c, ERR_SYNTAX, "dl needs the address of a list");
	TRY(cmd_arg_expr(c, &rest, &head));
	if (rest.n)
		TRY(cmd_arg_expr(c, &rest, &max));
	if (rest.n)
		TRY(cmd_arg_expr(c, &rest, &size));
	TRY(cmd_arg_end(c, rest));
	if (!size || size > LIST_SIZE_MAX || max > LIST_MAX)
		return cmd_fail(c, ERR_LIMIT,
			"dl shows at most 0x%x elements of 1 to 0x%x pointers", LIST_MAX,
			LIST_SIZE_MAX);
	map_init(&seen);
	uint64_t at = head;
	for (uint64_t i = 0; i < max; i++) {
		map_set(&seen, at, &seen);
		if (!element(c, at, (size_t)size, links)) {
			result = cmd_fail(
				c, ERR_FAULT, "Memory access error at '%s'", out_addr(c->e, at));
			break;
		}
		uint64_t next = links[backwards];
		if (!next || next == head)
			break;
		if (map_has(&seen, next)) {
			out(c->e, "the list loops back to %s, which is not its head\n",
				out_addr(c->e, next));
			break;
		}
		if (cancelled(&c->e->cancel)) {
			result = ERR_CANCELLED;
			break;
		}
		at = next;
	}
	map_deinit(&seen);
	went_on(c, call->row->name, at);
	return result;
}

#define R_HELP(what)                                                                               \
	what "\n\n"                                                                                \
	     "Range defaults to 128 bytes behind the last display. /c Width sets the number of "   \
	     "columns "                                                                            \
	     "(default 1); /p, /p[c], /p[uc], /p[wc] take the pointers from physical memory. dd* " \
	     "means "                                                                              \
	     "4-byte pointers, dq* 8-byte ones, dp* the target's. The letters are case-sensitive."
#define R_ROW(name, summary, help)                                                                 \
	{                                                                                          \
		name, name " [/c Width] [/p | /p[c] | /p[uc] | /p[wc]] [Range]", summary,          \
			R_HELP(help), CMD_ANY | CMD_TARGET | CMD_CASE, cmd_refs                    \
	}
#define HELP_A "Each value is taken for the address of ASCII text, which is shown up to its zero."
#define HELP_U "Each value is taken for the address of Unicode text, which is shown up to its zero."
#define HELP_P                                                                                     \
	"Each value is taken for the address of another one, which is shown with its nearest "     \
	"symbol."
#define HELP_S                                                                                     \
	"Each value is shown with its nearest symbol and, when line numbers are on, its source "   \
	"line: "                                                                                   \
	"the quick look at a stack or a table of functions."

static const cmd_row rows[] = {
	R_ROW("dda", "Display 4-byte pointers and the ASCII text they point to", HELP_A),
	R_ROW("ddp", "Display 4-byte pointers and the values they point to", HELP_P),
	R_ROW("ddu", "Display 4-byte pointers and the Unicode text they point to", HELP_U),
	R_ROW("dpa", "Display pointers and the ASCII text they point to", HELP_A),
	R_ROW("dpp", "Display pointers and the values they point to", HELP_P),
	R_ROW("dpu", "Display pointers and the Unicode text they point to", HELP_U),
	R_ROW("dqa", "Display 8-byte pointers and the ASCII text they point to", HELP_A),
	R_ROW("dqp", "Display 8-byte pointers and the values they point to", HELP_P),
	R_ROW("dqu", "Display 8-byte pointers and the Unicode text they point to", HELP_U),
	R_ROW("dds", "Display double words and the symbols nearest to them", HELP_S),
	R_ROW("dps", "Display pointer-sized values and the symbols nearest to them", HELP_S),
	R_ROW("dqs", "Display quad words and the symbols nearest to them", HELP_S),
	{"ds", "ds [/c Width] [Address]", "Display a STRING or ANSI_STRING structure",
		"Shows the text of the counted string whose structure (Length, MaximumLength, "
		"Buffer) stands "
		"at Address; not for zero-terminated text, which da shows. /c Width sets the "
		"characters a "
		"line (default 48). The s is lower case.",
		CMD_ANY | CMD_TARGET | CMD_CASE, cmd_strings},
	{"dS", "dS [/c Width] [Address]", "Display a UNICODE_STRING structure",
		"Shows the text of the counted Unicode string whose structure (Length, "
		"MaximumLength, Buffer) "
		"stands at Address; not for zero-terminated text, which du shows. /c Width sets "
		"the characters "
		"a line (default 48). The S is upper case.",
		CMD_ANY | CMD_TARGET | CMD_CASE, cmd_strings},
	{"dl", "dl Address [MaxCount [Size]]", "Display a linked list",
		"Follows a LIST_ENTRY or SINGLE_LIST_ENTRY from Address through its first link and "
		"shows Size "
		"pointers (default 2) of each element, at most MaxCount elements (default 0x20). "
		"Ends at a null "
		"link, at the head, and at an element that was there before. Address is that of "
		"the link, not "
		"of the structure around it; starting at a list head, the first element shown is "
		"the head.",
		CMD_ANY | CMD_TARGET, cmd_list},
	{"dlb", "dlb Address [MaxCount [Size]]", "Display a linked list backwards",
		"As dl, but follows the second link (Blink) of each LIST_ENTRY.",
		CMD_ANY | CMD_TARGET, cmd_list},
};

const cmd_family cmd_family_mem_refs = {"Displaying what memory points to", rows, ARRAY_LEN(rows)};
