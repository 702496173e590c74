/*
 * disasm: u ub uu up, # and .asm: instructions as text. Whole functions (uf) are in disasm_func.c.
 * Refuses to know encodings: the arch room decodes and prints.
 */
#include "cmd/disasm.h"

#include "cmd/code.h"
#include "cmd/memory.h"
#include "cmd/source.h"

enum {
	DEFAULT_COUNT = 8,
	COUNT_MAX = 1 << 20,
	BACK_MAX = 1 << 16,   /* bytes that ub decodes from a function's start */
	SEARCH_MAX = 1 << 24, /* instructions that # looks at without a size */
	BYTES_WIDTH = 16,
	PATTERN_MAX = 256
};

/* .asm options and what # remembers. */
typedef struct disasm_state {
	bool no_code_bytes, ignore_width, source_line;
	bool has_pattern, has_addr;
	char pattern[PATTERN_MAX + 4];
	uint64_t addr;
} disasm_state;

static disasm_state *state(cmd *c)
{
	return cmd_state(c, "disasm", sizeof(disasm_state));
}

/* ---- lines ---- */

/* "nt!Foo+0x12 (fffff800`12345678)" */
static bool name_of(void *u, uint64_t addr, buf *b)
{
	engine *e = u;
	if (!e->syms || !sym_format(e->syms, addr, b))
		return false;
	buf_addf(b, " (%s)", out_addr(e, addr));
	return true;
}

void disasm_text(cmd *c, const x64_insn *in, bool symbols, buf *b)
{
	x64_names names = {c->e, name_of};
	x64_format(in, symbols ? &names : NULL, b);
}

void disasm_line(cmd *c, const x64_insn *in, bool symbols, buf *b)
{
	disasm_state *s = state(c);
	x64_names names = {c->e, name_of};
	sym_line l;
	if (s->source_line && c->e->syms && sym_line_at(c->e->syms, in->addr, &l) == ERR_OK)
		buf_addf(b, "%5u ", l.line);
	buf_addz(b, out_addr(c->e, in->addr));
	buf_addc(b, ' ');
	if (!s->no_code_bytes)
		x64_format_line(in, symbols ? &names : NULL, b);
	else
		x64_format(in, symbols ? &names : NULL, b);
	buf_addc(b, '\n');
}

static void bad_line(cmd *c, uint64_t addr, const uint8_t *byte, buf *b)
{
	buf_addf(b, "%s ", out_addr(c->e, addr));
	size_t column = b->n + BYTES_WIDTH;
	if (byte)
		buf_addf(b, "%02x", *byte);
	else
		buf_addz(b, "??");
	while (b->n < column)
		buf_addc(b, ' ');
	buf_addz(b, "???\n");
}

bool disasm_label(cmd *c, uint64_t addr, bool line, uint64_t *last, buf *b)
{
	engine *e = c->e;
	sym s;
	sym_line l;
	uint64_t disp, of;
	if (!e->syms)
		return false;
	bool found = sym_at(e->syms, addr, &s, &disp) == ERR_OK;
	if (found) {
		of = s.addr;
	} else { /* no symbol: the module and the offset in it still say where */
		sym_mod *m = sym_mod_at(e->syms, addr);
		if (!m)
			return false;
		of = m->base;
	}
	if (of == *last)
		return false;
	*last = of;
	if (found) { /* as sym_format has it, which would look it up again */
		buf_adds(b, s.mod->name);
		buf_addc(b, '!');
		buf_adds(b, s.name);
		if (disp)
			buf_addf(b, "+0x%llx", (unsigned long long)disp);
	} else if (!sym_format(e->syms, addr, b)) {
		return false;
	}
	if (line && sym_line_at(e->syms, addr, &l) == ERR_OK)
		buf_addf(b, " [%.*s @ %u]", STR_ARG(l.file), l.line);
	buf_addz(b, ":\n");
	return true;
}

/* The memory operand's address and value, or whether a branch will be taken. */
static void add_effect(cmd *c, const x64_insn *in, const x64_regs *r, buf *b)
{
	static const char hex[] = "0123456789abcdef"; /* a trace comes here for each step */
	uint64_t ea;
	uint8_t raw[16];
	bool ok[sizeof raw];
	mem_view v = {.e = c->e};
	if (in->flow == X64_FLOW_COND)
		buf_addz(b, x64_taken(in, r) ? " [br=1]" : " [br=0]");
	if (!in->has_mem || in->mem_size > sizeof raw || !x64_insn_ea(in, r, &ea))
		return;
	buf_addz(b, in->mem_stack ? " ss:" : " ds:");
	uint16_t selector = r->seg[in->mem_stack ? X64_SS : X64_DS];
	for (int shift = 12; r->valid & X64_SET_SEGMENTS && shift >= 0; shift -= 4)
		buf_addc(b, hex[selector >> shift & 15]);
	if (r->valid & X64_SET_SEGMENTS)
		buf_addc(b, ':');
	buf_addz(b, out_addr(c->e, ea));
	buf_addc(b, '=');
	(void)mem_fill(&v, ea, raw, ok, in->mem_size);
	for (size_t i = in->mem_size; i-- > 0;) {
		buf_addc(b, ok[i] ? hex[raw[i] >> 4] : '?');
		buf_addc(b, ok[i] ? hex[raw[i] & 15] : '?');
	}
}

/*
 * What the last steps showed, without effects: a trace goes through the same loop again and again.
 * Holds only from one shown step to the next stop, so that nothing can have changed names or
 * settings meanwhile: another event or a prompt makes a gap in the stops' numbers, or is not inside
 * of the wait.
 */
typedef struct shown {
	uint64_t addr;
	uint8_t len, bytes[X64_INSN_MAX];
	uint8_t n;
	char text[128];
} shown;

enum { SHOWN_SLOTS = 256 };

typedef struct shown_steps {
	uint64_t stop;
	shown slot[SHOWN_SLOTS];
} shown_steps;

static shown *shown_slot(cmd *c, uint64_t addr)
{
	shown_steps *s = cmd_state(c, "shown-steps", sizeof *s);
	engine *e = c->e;
	if (!e->inside_wait || !e->caps.threads || !e->t) {
		s->stop = 0;
		return NULL;
	}
	uint64_t stop = tgt_stops(e->t);
	if (s->stop != stop && s->stop + 1 != stop)
		for (size_t i = 0; i < SHOWN_SLOTS; i++)
			s->slot[i].len = 0;
	s->stop = stop;
	return &s->slot[(addr ^ addr >> 8) % SHOWN_SLOTS];
}

/* Label and line of in, which stands at the pc. */
static void show_insn(cmd *c, const x64_insn *in, bool user_cs, uint16_t cs, buf *b)
{
	shown *k = shown_slot(c, in->addr);
	uint64_t last = 0;
	size_t from = b->n;
	if (k && k->len == in->len && k->addr == in->addr &&
		!memcmp(k->bytes, in->bytes, in->len)) {
		buf_add(b, k->text, k->n);
		return;
	}
	if (c->e->show_symbol)
		(void)disasm_label(c, in->addr, source_numbers(c), &last, b);
	/* The selector tells user-mode code from the kernel's. */
	if (user_cs)
		buf_addf(b, "%04x:", cs);
	disasm_line(c, in, true, b);
	if (!k || b->n - from > sizeof k->text)
		return;
	*k = (shown){.addr = in->addr, .len = in->len, .n = (uint8_t)(b->n - from)};
	memcpy(k->bytes, in->bytes, in->len);
	memcpy(k->text, b->p + from, k->n);
}

void code_here(cmd *c, const x64_regs *r, buf *b)
{
	engine *e = c->e;
	x64_insn in;
	uint64_t last = 0;
	bool known = e->show_disasm && eng_insn(e, r->rip, &in, NULL) == ERR_OK;
	bool user_cs = e->mode == ENG_KERNEL && r->seg[X64_CS] & 3;
	if (!known) {
		if (e->show_symbol)
			(void)disasm_label(c, r->rip, source_numbers(c), &last, b);
		if (!e->show_disasm)
			return;
		if (user_cs)
			buf_addf(b, "%04x:", r->seg[X64_CS]);
		bad_line(c, r->rip, NULL, b);
		return;
	}
	show_insn(c, &in, user_cs, r->seg[X64_CS], b);
	if (e->show_ea) {
		b->n--; /* the line end */
		add_effect(c, &in, r, b);
		buf_addc(b, '\n');
	}
}

/* Registers, the source, and the place itself. */
static void add_place(cmd *c, uint64_t ip, str source, buf *b)
{
	engine *e = c->e;
	x64_regs r = {0};
	x64_insn in;
	/* The state change tells enough for most instructions; registers are asked for only when
	 * the instruction has an operand in memory to show. */
	bool at_event = e->has_event && e->ctx.unit == e->ev.unit && e->ctx.from == REGS_UNIT &&
			!e->ctx.frame_set;
	bool decoded = !e->show_regs && at_event && eng_insn(e, ip, &in, NULL) == ERR_OK;
	bool known = decoded && e->ev.has_report && !in.has_mem;
	if (known) {
		r.rip = ip;
		r.eflags = e->ev.eflags;
		r.seg[X64_CS] = e->ev.cs;
		r.valid = in.flow == X64_FLOW_COND ? X64_SET_CONTROL : 0;
	} else if (decoded && e->mode == ENG_USER && !in.has_mem && in.flow != X64_FLOW_COND) {
		r.rip = ip;
	} else if (eng_regs(e, X64_SET_GENERAL | regs_sets(c, e->show_regs ? e->reg_mask : 0), &r,
			   NULL) != ERR_OK) {
		return;
	}
	if (e->show_regs)
		regs_format(c, &r, e->reg_mask, b);
	buf_add(b, source.p, source.n);
	code_here(c, &r, b);
}

void code_show_stop(cmd *c)
{
	engine *e = c->e;
	uint64_t ip;
	buf b, source;

	if (eng_ip(e, &ip, NULL) != ERR_OK)
		return;
	buf_init(&b, 0);
	buf_init(&source, 0);
	if (source_text(c, ip, &source) && source_only(c))
		buf_add(&b, source.p, source.n);
	else
		add_place(c, ip, buf_str(&source), &b);
	buf_deinit(&source);
	if (b.n)
		out_str(e, OUT_PROMPT_REGS, buf_str(&b));
	buf_deinit(&b);
}

/* ---- reading ---- */

typedef struct code_view {
	cmd *c;
	bool phys;
} code_view;

/* ERR_FAULT: nothing there. ERR_CORRUPT: no instruction, *byte is its first byte. */
static err decode_at(const code_view *v, uint64_t addr, x64_insn *ret, uint8_t *byte)
{
	uint8_t raw[X64_INSN_MAX];
	size_t got = 0;
	engine *e = v->c->e;
	err r = v->phys ? eng_read_phys(e, addr, 0, raw, sizeof raw, &got, NULL)
			: eng_read(e, addr, raw, sizeof raw, &got, NULL);
	if (r != ERR_OK || !got)
		return ERR_FAULT;
	*byte = raw[0];
	r = x64_decode(raw, got, addr, ret);
	return r == ERR_OK ? r : ERR_CORRUPT;
}

/* ---- u, uu, up ---- */

typedef struct code_range {
	uint64_t addr;
	uint64_t count; /* instructions; 0: by end */
	uint64_t end;	/* behind the last byte */
	bool backwards; /* L-n */
} code_range;

static bool is_length(str s)
{
	return s.n >= 2 && (s.p[0] == 'L' || s.p[0] == 'l') &&
	       (strchr("?-@( \t", s.p[1]) || (s.p[1] >= '0' && s.p[1] <= '9') ||
		       ((s.p[1] | 32) >= 'a' && (s.p[1] | 32) <= 'f'));
}

/* An address, with "L n" instructions or up to a second address. */
static err parse_range(cmd *c, str *rest, uint64_t dflt, code_range *ret)
{
	code_range v = {.addr = dflt, .count = DEFAULT_COUNT};
	cmd_range r;
	str look = str_trim(*rest);
	if (look.n && !is_length(look))
		TRY(cmd_arg_expr(c, &look, &v.addr));
	bool length = is_length(look);
	/* The range's own rules (L?, L-, limits) are cmd_arg_range's. */
	TRY(cmd_arg_range(c, rest, 1, DEFAULT_COUNT, dflt, &r));
	if (r.has_count && length) {
		v.addr = r.addr;
		v.count = r.count;
		v.backwards = look.n > 1 && look.p[1] == '-';
		/* L-n counted bytes there; here it means instructions that end at the address. */
		if (v.backwards)
			v.addr = r.addr + r.bytes;
		if (v.count > COUNT_MAX)
			return cmd_fail(c, ERR_LIMIT, "at most 0x%x instructions", COUNT_MAX);
	} else if (r.has_count) {
		v.count = 0;
		v.end = r.addr + r.bytes;
	}
	*ret = v;
	return ERR_OK;
}

static err unassemble(const code_view *v, const code_range *r, bool across, uint64_t *next)
{
	cmd *c = v->c;
	uint64_t addr = r->addr, last = 0;
	err result = ERR_OK;
	buf b;
	buf_init(&b, 0);
	for (uint64_t i = 0; r->count ? i < r->count : addr < r->end; i++) {
		x64_insn in;
		uint8_t byte;
		err e = decode_at(v, addr, &in, &byte);
		if (!v->phys)
			(void)disasm_label(c, addr, c->e->lines_on, &last, &b);
		if (e == ERR_OK) {
			disasm_line(c, &in, !v->phys, &b);
			addr += in.len;
		} else {
			bad_line(c, addr, e == ERR_CORRUPT ? &byte : NULL, &b);
			addr++;
		}
		out_str(c->e, OUT_NORMAL, buf_str(&b));
		buf_clear(&b);
		if (e == ERR_FAULT && !across) {
			result = cmd_fail(c, ERR_FAULT, "Memory access error at '%s'",
				out_addr(c->e, addr - 1));
			break;
		}
		if (cancelled(&c->e->cancel)) {
			result = ERR_CANCELLED;
			break;
		}
	}
	buf_deinit(&b);
	*next = addr;
	return result;
}

/* Where u goes on: behind its last instruction, at first at the current one. */
static err start_address(cmd *c, uint64_t *ret)
{
	if (c->memo.has_next_u) {
		*ret = c->memo.next_u;
		return ERR_OK;
	}
	return eng_ip(c->e, ret, &c->d);
}

static err back(cmd *c, uint64_t addr, uint64_t count);

static err cmd_u(cmd *c, cmd_call *call)
{
	code_view v = {c, !strcmp(call->row->name, "up")};
	str rest = call->args;
	uint64_t start;
	code_range r;
	TRY(start_address(c, &start));
	TRY(parse_range(c, &rest, start, &r));
	TRY(cmd_arg_end(c, rest));
	if (r.backwards && !v.phys)
		return back(c, r.addr, r.count);
	err e = unassemble(&v, &r, !strcmp(call->row->name, "uu"), &c->memo.next_u);
	c->memo.has_next_u = true;
	return e;
}

/* ---- ub ---- */

/* Instructions from `from` on that end exactly at `to`; the last `want` are kept in ring. Returns
 * how many there are in all, 0 if decoding misses `to`. */
static uint64_t decode_up_to(
	const code_view *v, uint64_t from, uint64_t to, x64_insn *ring, uint64_t want)
{
	uint64_t n = 0, addr = from;
	while (addr < to) {
		x64_insn in;
		uint8_t byte;
		if (decode_at(v, addr, &in, &byte) != ERR_OK || cancelled(&v->c->e->cancel))
			return 0;
		ring[n++ % want] = in;
		addr += in.len;
	}
	return addr == to ? n : 0;
}

/* A place below addr where an instruction starts for certain. */
static bool known_start(cmd *c, uint64_t addr, uint64_t *ret)
{
	engine *e = c->e;
	uint64_t base, disp;
	uint32_t begin, end, unwind;
	sym s;
	if (!e->syms)
		return false;
	if (sym_unwind_func(e->syms, addr - 1, &base, &begin, &end, &unwind) == ERR_OK)
		*ret = base + begin;
	else if (sym_at(e->syms, addr - 1, &s, &disp) == ERR_OK && s.code)
		*ret = s.addr;
	else
		return false;
	return addr - *ret <= BACK_MAX;
}

/*
 * The `want` instructions in front of `to`, in order, at the end of list. From the function's start
 * if it is known; else from the farthest place from which decoding meets `to`: wrong starts fall
 * into step after a few instructions.
 */
static uint64_t before(const code_view *v, uint64_t to, uint64_t want, x64_insn *list)
{
	uint64_t from, n = 0;
	x64_insn *ring = arena_array(&v->c->a, (size_t)want, sizeof *ring);
	if (known_start(v->c, to, &from))
		n = decode_up_to(v, from, to, ring, want);
	for (uint64_t far = want * 4 + X64_INSN_MAX; !n && far > 0; far--)
		n = decode_up_to(v, to - far, to, ring, want);
	uint64_t kept = n < want ? n : want;
	for (uint64_t i = 0; i < kept; i++)
		list[want - kept + i] = ring[(n - kept + i) % want];
	return kept;
}

static err back(cmd *c, uint64_t addr, uint64_t count)
{
	code_view v = {c, false};
	x64_insn *list = arena_array(&c->a, (size_t)count, sizeof *list);
	uint64_t left = count, to = addr, last = 0;
	buf b;
	while (left) {
		uint64_t n = before(&v, to, left, list);
		if (!n)
			break;
		to = list[left - n].addr;
		left -= n;
		if (cancelled(&c->e->cancel))
			return ERR_CANCELLED;
	}
	if (left == count) {
		uint8_t byte;
		if (eng_read_all(c->e, addr - 1, &byte, 1, NULL) == ERR_OK)
			return cmd_fail(c, ERR_NOTFOUND,
				"Unable to find valid previous instruction for %s: no instruction "
				"ends there",
				out_addr(c->e, addr));
		return cmd_fail(
			c, ERR_FAULT, "Memory access error at '%s'", out_addr(c->e, addr - 1));
	}
	buf_init(&b, 0);
	for (uint64_t i = left; i < count; i++) {
		(void)disasm_label(c, list[i].addr, c->e->lines_on, &last, &b);
		disasm_line(c, &list[i], true, &b);
	}
	out_str(c->e, OUT_NORMAL, buf_str(&b));
	buf_deinit(&b);
	c->memo.next_u = addr;
	c->memo.has_next_u = true;
	return ERR_OK;
}

static err cmd_ub(cmd *c, cmd_call *call)
{
	str rest = call->args;
	uint64_t start;
	code_range r;
	TRY(start_address(c, &start));
	TRY(parse_range(c, &rest, start, &r));
	TRY(cmd_arg_end(c, rest));
	if (!r.count)
		return cmd_fail(c, ERR_SYNTAX, "ub takes Address L Count, not two addresses");
	return back(c, r.addr, r.count);
}

/* ---- # ---- */

static err search(cmd *c, uint64_t limit)
{
	disasm_state *s = state(c);
	code_view v = {c, false};
	str pattern = str_printf(&c->a, "*%s*", s->pattern);
	bool found = false;
	buf b;
	buf_init(&b, 0);
	for (uint64_t i = 0; limit ? i < limit : i < SEARCH_MAX && !found; i++) {
		x64_insn in;
		uint8_t byte;
		uint64_t last = 0;
		err e = decode_at(&v, s->addr, &in, &byte);
		if (e == ERR_FAULT || cancelled(&c->e->cancel)) {
			buf_deinit(&b);
			return e != ERR_FAULT ? ERR_CANCELLED
			       : found	      ? ERR_OK
					      : cmd_fail(c, e, "Memory access error at '%s'",
							out_addr(c->e, s->addr));
		}
		buf_clear(&b);
		if (e == ERR_OK)
			disasm_line(c, &in, true, &b);
		bool hit = e == ERR_OK && str_wild(pattern, str_trim(buf_str(&b)), false);
		if (hit) {
			buf label;
			buf_init(&label, 0);
			(void)disasm_label(c, in.addr, c->e->lines_on, &last, &label);
			out_str(c->e, OUT_NORMAL, buf_str(&label));
			out_str(c->e, OUT_NORMAL, buf_str(&b));
			buf_deinit(&label);
			found = true;
		}
		s->addr += e == ERR_OK ? in.len : 1;
	}
	buf_deinit(&b);
	if (!found)
		return cmd_fail(c, ERR_NOTFOUND, "'%s' was not found up to %s", s->pattern,
			out_addr(c->e, s->addr));
	return ERR_OK;
}

static err cmd_search(cmd *c, cmd_call *call)
{
	disasm_state *s = state(c);
	str rest = str_trim(call->args), pattern = {0};
	code_range r = {0};
	bool ready = s->has_pattern && s->has_addr, has_range;
	if (rest.n && rest.p[0] == '"')
		TRY(cmd_arg_quoted(c, &rest, false, &pattern));
	else
		pattern = str_word(&rest);
	rest = str_trim(rest);
	has_range = rest.n;
	if (pattern.n > PATTERN_MAX)
		return cmd_fail(
			c, ERR_LIMIT, "the pattern is longer than %d characters", PATTERN_MAX);
	if (has_range) {
		str all = rest;
		TRY(parse_range(c, &rest, s->addr, &r));
		TRY(cmd_arg_end(c, rest));
		if (is_length(all) && !s->has_addr)
			TRY(eng_ip(c->e, &r.addr, &c->d));
		s->addr = r.addr;
		/* Only an address: no limit. */
		str look = all;
		uint64_t ignored;
		if (!is_length(look)) {
			TRY(cmd_arg_expr(c, &look, &ignored));
			if (!str_trim(look).n)
				r.count = 0;
		}
	} else if (!s->has_addr) {
		TRY(eng_ip(c->e, &s->addr, &c->d));
	}
	s->has_addr = true;
	if (pattern.n) {
		memcpy(s->pattern, pattern.p, pattern.n);
		s->pattern[pattern.n] = 0;
	}
	s->has_pattern = true;
	/* The first time both are needed; what is missing is only initialised. */
	if (!ready && !(pattern.n && has_range))
		return ERR_OK;
	return search(c, r.count);
}

/* ---- .asm ---- */

static err cmd_asm(cmd *c, cmd_call *call)
{
	disasm_state *s = state(c);
	str rest = str_trim(call->args);
	bool on = !(rest.n && rest.p[0] == '-');
	const struct {
		const char *name;
		bool *value;
	} options[] = {{"ignore_output_width", &s->ignore_width},
		{"no_code_bytes", &s->no_code_bytes}, {"source_line", &s->source_line}};
	if (!on)
		rest = str_trim(str_skip(rest, 1));
	for (str word = str_word(&rest); word.n; word = str_word(&rest)) {
		size_t i = 0;
		while (i < ARRAY_LEN(options) && !str_ieq(word, str_of(options[i].name)))
			i++;
		if (i == ARRAY_LEN(options))
			return cmd_fail(c, ERR_SYNTAX,
				"'%.*s' is none of ignore_output_width, no_code_bytes, source_line",
				STR_ARG(word));
		*options[i].value = on;
	}
	out(c->e, "Assembly options:");
	bool any = false;
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (*options[i].value) {
			out(c->e, " %s", options[i].name);
			any = true;
		}
	out(c->e, any ? "\n" : " <none>\n");
	return ERR_OK;
}

#define U_HELP                                                                                     \
	"L Count counts instructions; two addresses are a range of bytes. Without an argument it " \
	"goes on "                                                                                 \
	"where the last one ended, at first at the current instruction. A line with the symbol "   \
	"stands in "                                                                               \
	"front whenever the function changes, with its source line if those are known. Bytes "     \
	"under "                                                                                   \
	"breakpoints are shown as the program has them."

static const cmd_row rows[] = {
	{"u", "u [Range | Address]", "Disassemble",
		"Shows 8 instructions from Address, or those of Range. " U_HELP,
		CMD_ANY | CMD_TARGET, cmd_u},
	{"ub", "ub [Address [L Count]]", "Disassemble backwards",
		"Shows the 8 (or Count) instructions that end just in front of Address. Decoding "
		"starts at the "
		"beginning of the function where unwind data or symbols tell it; elsewhere at a "
		"place from which "
		"it meets Address. Two addresses are not possible.",
		CMD_ANY | CMD_TARGET, cmd_ub},
	{"uu", "uu [Range | Address]", "Disassemble across memory that cannot be read",
		"As u, but goes on where memory cannot be read, with ?? for each byte. " U_HELP,
		CMD_ANY | CMD_TARGET, cmd_u},
	{"up", "up [Range | Address]", "Disassemble physical memory",
		"As u, on physical addresses; there are no symbols. " U_HELP,
		CMD_KERNEL | CMD_TARGET, cmd_u},
	{"#", "# [Pattern] [Address [L Size]]", "Search disassembly for a pattern",
		"Looks for Pattern in the lines that u would show from Address on: in address, "
		"bytes, mnemonic and "
		"operands. Wildcards are possible, case does not matter, a pattern with blanks "
		"stands in quotes. "
		"L Size limits the search to that many instructions and shows every match; without "
		"it the "
		"first match ends it. Without Pattern the last one is used, without Address the "
		"search goes on "
		"where the last one ended; the first time both are needed.",
		CMD_ANY | CMD_TARGET, cmd_search},
	{".asm", ".asm[-] [Options]", "Control how disassembly looks",
		"Options: ignore_output_width (no check of the line's width), no_code_bytes (no "
		"bytes), "
		"source_line (line number in front). With a minus sign they are turned off. "
		"Without options the "
		"current ones are shown.",
		CMD_ANY | CMD_SUFFIX, cmd_asm},
};

const cmd_family cmd_family_disasm = {"Disassembly", rows, ARRAY_LEN(rows)};
