/*
 * disasm_func: uf: a whole function by following its flow, pieces that the compiler moved elsewhere
 * included. Refuses to believe symbols' sizes: what belongs to the function is what it can reach
 * and what unwind data or symbols do not give to another one.
 *
 * Invariant: each instruction is visited once and there are at most INSNS_MAX.
 */
#include "cmd/disasm.h"

#include "base/map.h"
#include "base/reader.h"

#include <stdlib.h>

enum { INSNS_MAX = 64 * 1024, TABLE_BACK = 8, TABLE_MAX = 1024 };

typedef struct flow {
	cmd *c;
	uint64_t start;
	bool has_primary;
	x64_func primary; /* first unwind entry of the function */
	uint64_t symbol;  /* address of the function's symbol, 0 none */
	VEC(x64_insn) insns;
	VEC(uint64_t) todo;
	map seen;   /* addresses decoded or queued */
	map target; /* branch targets: they start a block */
	bool incomplete;
} flow;

/* ---- whose address is it ---- */

static err env_image(void *u, uint64_t addr, void *p, size_t n)
{
	engine *e = u;
	if (sym_image_read(e->syms, addr, p, n) == ERR_OK)
		return ERR_OK;
	return eng_read_all(e, addr, p, n, NULL);
}

static bool primary_of(engine *e, uint64_t addr, x64_func *ret)
{
	x64_unwind_env env = {.u = e, .image = env_image};
	x64_func f;
	return e->syms &&
	       sym_unwind_func(e->syms, addr, &f.base, &f.begin, &f.end, &f.unwind) == ERR_OK &&
	       x64_func_primary(&env, &f, ret) == ERR_OK;
}

/* Where the function begins: at its symbol, or without one where its unwind data begin. */
static uint64_t symbol_of(engine *e, uint64_t addr)
{
	sym s;
	sym_func fn;
	uint64_t disp;
	if (!e->syms)
		return 0;
	if (sym_at(e->syms, addr, &s, &disp) == ERR_OK)
		return s.addr;
	return sym_func_at(e->syms, addr, &fn) == ERR_OK ? fn.begin : 0;
}

static bool in_function(flow *f, uint64_t addr)
{
	x64_func p;
	if (addr == f->start)
		return true;
	if (f->has_primary && primary_of(f->c->e, addr, &p))
		return p.base == f->primary.base && p.begin == f->primary.begin;
	uint64_t s = symbol_of(f->c->e, addr);
	/* Without symbols and unwind data only nearness is left. */
	return s ? s == f->symbol : !f->symbol && addr - f->start < INSNS_MAX;
}

/* ---- following it ---- */

static void queue(flow *f, uint64_t addr)
{
	if (map_has(&f->seen, addr))
		return;
	map_set(&f->seen, addr, f);
	vec_push(&f->todo, addr);
}

/* A switch's jump: lea gives a base (the table itself, or the image), a load with a scaled index
 * and perhaps a displacement finds the entry, and base plus entry is the target. The table ends
 * where an entry leaves the function or code begins. */
static void follow_table(flow *f)
{
	uint64_t base = 0;
	int64_t disp = 0;
	size_t i = f->insns.n - 1;
	for (size_t back = 0; !base && i > 0 && back < TABLE_BACK; back++) {
		const x64_insn *in = &f->insns.p[--i];
		size_t op = (in->bytes[0] & 0xf0) == 0x40;
		uint8_t modrm = in->bytes[op + 1];
		if (in->bytes[op] == 0x8d && in->rip_relative)
			base = in->rip_target;
		else if (in->bytes[op] == 0x8b && modrm >> 6 == 2 && (modrm & 7) == 4 &&
			 in->len == op + 7)
			disp = (int32_t)le32(in->bytes + op + 3);
	}
	for (size_t k = 0; base && k < TABLE_MAX; k++) {
		uint64_t at = base + (uint64_t)disp + k * 4, to;
		uint8_t raw[4];
		if (map_has(&f->seen, at) ||
			eng_read_all(f->c->e, at, raw, sizeof raw, NULL) != ERR_OK)
			return;
		to = base + (uint64_t)(int64_t)(int32_t)le32(raw);
		if (!in_function(f, to))
			return;
		map_set(&f->target, to, f);
		queue(f, to);
	}
}

/* True if execution can go on behind the instruction. */
static bool falls_through(flow *f, const x64_insn *in)
{
	uint8_t next;
	switch (in->flow) {
	case X64_FLOW_RET:
	case X64_FLOW_JMP:
	case X64_FLOW_SYSRET:
		return false;
	case X64_FLOW_BREAK:
		/* ud2 and int 29h do not come back; int 3 does, unless it is filling. */
		if ((in->bytes[0] == 0x0f && in->len == 2) ||
			(in->bytes[0] == 0xcd && in->bytes[1] == 0x29))
			return false;
		return in->bytes[0] != 0xcc ||
		       (eng_read_all(f->c->e, in->addr + 1, &next, 1, NULL) == ERR_OK &&
			       next != 0xcc);
	default:
		return true;
	}
}

static void visit(flow *f, uint64_t addr)
{
	/* Straight on from addr until the flow ends or meets what is known. */
	for (;;) {
		x64_insn in;
		if (eng_insn(f->c->e, addr, &in, NULL) != ERR_OK || f->insns.n >= INSNS_MAX) {
			f->incomplete = true;
			return;
		}
		vec_push(&f->insns, in);
		bool branch = in.flow == X64_FLOW_JMP || in.flow == X64_FLOW_COND;
		if (branch && in.has_target && in_function(f, in.target)) {
			map_set(&f->target, in.target, f);
			queue(f, in.target);
		}
		if (in.flow == X64_FLOW_JMP && !in.has_target && !in.rip_relative)
			follow_table(f);
		if (!falls_through(f, &in))
			return;
		addr += in.len;
		if (map_has(&f->seen, addr) || !in_function(f, addr))
			return;
		map_set(&f->seen, addr, f);
		if (cancelled(&f->c->e->cancel))
			return;
	}
}

static err follow(flow *f)
{
	queue(f, f->start);
	while (f->todo.n) {
		uint64_t addr = f->todo.p[--f->todo.n];
		visit(f, addr);
		if (cancelled(&f->c->e->cancel))
			return ERR_CANCELLED;
	}
	if (!f->insns.n)
		return cmd_fail(f->c, ERR_FAULT, "No code found, aborting");
	return ERR_OK;
}

/* ---- showing it ---- */

static int by_offset(const void *a, const void *b, void *start)
{
	uint64_t base = *(const uint64_t *)start;
	uint64_t x = ((const x64_insn *)a)->addr - base, y = ((const x64_insn *)b)->addr - base;
	return x < y ? -1 : x > y;
}

static void add_branch_mark(flow *f, const x64_insn *in, buf *b)
{
	if ((in->flow != X64_FLOW_JMP && in->flow != X64_FLOW_COND) || !in->has_target ||
		!map_has(&f->target, in->target))
		return;
	b->n--; /* the line end */
	buf_addz(b, "  Branch\n");
}

static void show_code(flow *f)
{
	engine *e = f->c->e;
	uint64_t expect = 0;
	buf b;
	buf_init(&b, 0);
	for (size_t i = 0; i < f->insns.n; i++) {
		const x64_insn *in = &f->insns.p[i];
		if (!i || in->addr != expect || map_has(&f->target, in->addr)) {
			uint64_t last = UINT64_MAX;
			if (i)
				buf_addc(&b, '\n');
			(void)disasm_label(f->c, in->addr, f->c->e->lines_on, &last, &b);
		}
		disasm_line(f->c, in, true, &b);
		add_branch_mark(f, in, &b);
		expect = in->addr + in->len;
	}
	out_str(e, OUT_NORMAL, buf_str(&b));
	buf_deinit(&b);
}

static void add_named(engine *e, uint64_t addr, buf *b)
{
	out_symbol(e, addr, b);
	buf_addf(b, " (%s)", out_addr(e, addr));
}

static void show_calls(flow *f)
{
	engine *e = f->c->e;
	buf b;
	buf_init(&b, 0);
	add_named(e, f->start, &b);
	buf_addc(&b, '\n');
	for (size_t i = 0; i < f->insns.n; i++) {
		const x64_insn *in = &f->insns.p[i];
		uint64_t to = in->target;
		if (in->flow != X64_FLOW_CALL)
			continue;
		bool known = in->has_target || (in->rip_relative && eng_read_ptr(e, in->rip_target,
									    &to, NULL) == ERR_OK);
		buf_addz(&b, "  ");
		add_named(e, in->addr, &b);
		buf_addz(&b, known ? ":\n    call to " : ":\n    unresolvable call: ");
		if (known)
			add_named(e, to, &b);
		else
			disasm_text(f->c, in, true, &b);
		buf_addc(&b, '\n');
	}
	out_str(e, OUT_NORMAL, buf_str(&b));
	buf_deinit(&b);
}

static err run(flow *f, bool calls, bool count, bool by_address)
{
	uint64_t base = by_address ? 0 : f->start;
	TRY(follow(f));
	qsort_r(f->insns.p, f->insns.n, sizeof *f->insns.p, by_offset, &base);
	if (f->incomplete)
		out_as(f->c->e, OUT_WARNING,
			"Flow analysis was incomplete, some code may be missing\n");
	if (count)
		out(f->c->e, "%zu instructions scanned\n\n", f->insns.n);
	if (calls)
		show_calls(f);
	else
		show_code(f);
	return ERR_OK;
}

/* Where the function that holds addr starts. */
static uint64_t function_start(cmd *c, flow *f, uint64_t addr)
{
	f->has_primary = primary_of(c->e, addr, &f->primary);
	if (f->has_primary)
		return f->primary.base + f->primary.begin;
	f->symbol = symbol_of(c->e, addr);
	return f->symbol ? f->symbol : addr;
}

static err cmd_uf(cmd *c, cmd_call *call)
{
	flow f = {.c = c};
	str rest = call->args, sw;
	uint64_t addr;
	bool calls = false, count = false, by_address = false;
	while (cmd_arg_switch(&rest, "/", &sw)) {
		for (size_t i = 0; i < sw.n; i++) {
			calls |= sw.p[i] == 'c';
			count |= sw.p[i] == 'i';
			by_address |= sw.p[i] == 'o';
			/* D and O make links, which plain text has not; m allows what is allowed
			 * anyway. */
			if (!strchr("cioDOm", sw.p[i]))
				return cmd_syntax(c, sw);
		}
	}
	if (str_trim(rest).n)
		TRY(cmd_arg_expr(c, &rest, &addr));
	else
		TRY(eng_ip(c->e, &addr, &c->d));
	TRY(cmd_arg_end(c, rest));
	f.start = function_start(c, &f, addr);
	f.symbol = symbol_of(c->e, f.start);
	map_init(&f.seen);
	map_init(&f.target);
	err e = run(&f, calls, count, by_address);
	map_deinit(&f.seen);
	map_deinit(&f.target);
	vec_deinit(&f.insns);
	vec_deinit(&f.todo);
	return e;
}

static const cmd_row rows[] = {
	{"uf", "uf [/c] [/i] [/o] [/m] [/D] [/O] Address", "Disassemble a whole function",
		"Shows all of the function that holds Address, found by following its flow from "
		"the first "
		"instruction; pieces that were moved away from the rest are included. Blocks that "
		"are jumped to start "
		"with their symbol; jumps inside the function are marked Branch. The order is that "
		"of the offsets "
		"from the function's start.\n\n"
		"/c: only calls, with what they call. /i: the number of instructions too. /o: "
		"order by address. /m, "
		"/D, /O: accepted; exits need no relaxing here, and links exist only where a front "
		"end shows them.",
		CMD_ANY | CMD_TARGET, cmd_uf},
};

const cmd_family cmd_family_disasm_func = {"Disassembling functions", rows, ARRAY_LEN(rows)};
