/*
 * ubp: !ubp, !ubc, !ubd, !ube, !ubl: breakpoints in physical pages.
 *
 * The byte goes into the page itself, whoever maps it: every process that shares the page meets it.
 * It stays there while the target is stopped, as documented, so memory commands show it. A journal
 * on disk lets the next session mend the page if this one dies; an entry is written before its
 * byte. The engine knows nothing of these breakpoints: a hit shows as a break instruction.
 */
#include "cmd/nt/ntc.h"

enum { UBP_MAX = 32, INT3 = 0xcc };

typedef struct ubp {
	bool used, enabled;
	uint64_t va, phys, process;
	uint32_t contents; /* the aligned double word as it was */
	uint8_t original;
} ubp;

typedef struct ubp_state {
	bool warned;
	tgt *t; /* the target that the table is about */
	ubp b[UBP_MAX];
} ubp_state;

static ubp_state *state_of(cmd *c)
{
	ubp_state *s = cmd_state(c, "nt.ubp", sizeof *s);
	if (s->t != c->e->t) {
		bool warned = s->warned;
		*s = (ubp_state){.warned = warned, .t = c->e->t};
	}
	return s;
}

static err byte_at(cmd *c, uint64_t phys, uint8_t *ret)
{
	size_t got = 0;
	TRY(eng_read_phys(c->e, phys, 0, ret, 1, &got, &c->d));
	return got == 1 ? ERR_OK
			: cmd_fail(c, ERR_FAULT, "physical %llx cannot be read",
				  (unsigned long long)phys);
}

static err plant(cmd *c, ubp *b)
{
	uint8_t brk = INT3;
	TRY(byte_at(c, b->phys, &b->original));
	TRY(journal_add(c->e, b->phys, b->original, brk, &c->d));
	err e = eng_write_phys(c->e, b->phys, 0, &brk, 1, &c->d);
	if (e != ERR_OK) {
		journal_del(c->e, b->phys);
		return e;
	}
	b->enabled = true;
	return ERR_OK;
}

/* Takes the byte out, if it is still ours: the page may hold something else by now. */
static err take_out(cmd *c, ubp *b)
{
	uint8_t now;
	TRY(byte_at(c, b->phys, &now));
	if (now == INT3)
		TRY(eng_write_phys(c->e, b->phys, 0, &b->original, 1, &c->d));
	else
		out_as(c->e, OUT_WARNING,
			"The page at %llx was used for something else: nothing was written.\n",
			(unsigned long long)b->phys);
	journal_del(c->e, b->phys);
	b->enabled = false;
	return ERR_OK;
}

/* ---- !ubp ---- */

/* Physical address of va in the current context; not inside a page table on the way to it. */
static err resolve(cmd *c, uint64_t va, uint64_t *phys, uint64_t *process)
{
	engine *e = c->e;
	as_t as = eng_space(e, va);
	os_process p;
	x64_walk w = {0};
	TRY(ntc_implicit_process(c, &p));
	if (as.kind != AS_ROOT)
		as = os_space(&p, eng_is_user(e, va));
	err r = tgt_translate(e->t, as.id, va, &w, &c->d);
	if (r != ERR_OK && r != ERR_FAULT)
		return r;
	if (!w.present)
		return cmd_fail(c, ERR_FAULT,
			"%016llx is not in memory: a breakpoint in a physical page needs the page. "
			"Try .pagein",
			(unsigned long long)va);
	for (int i = 0; i < w.levels; i++)
		if ((w.entry[i].addr ^ w.phys) >> 12 == 0)
			return cmd_fail(c, ERR_ARG, "%016llx is inside a page table",
				(unsigned long long)va);
	*phys = w.phys;
	*process = p.id_addr;
	return ERR_OK;
}

static err do_ubp(cmd *c, cmd_call *call)
{
	str rest = call->args;
	uint64_t va, phys = 0, process = 0;
	ubp_state *s = state_of(c);
	ubp *b = NULL;
	nt *n;
	uint8_t four[4];
	size_t got = 0, id = 0;
	TRY(ntc_get(c, &n));
	TRY(cmd_arg_expr(c, &rest, &va));
	TRY(cmd_arg_end(c, rest));
	if (!c->e->caps.phys_write)
		return cmd_fail(
			c, ERR_UNSUPPORTED, "this target does not let physical memory be written");
	TRY(resolve(c, va, &phys, &process));
	for (size_t i = UBP_MAX; i-- > 0;) {
		if (s->b[i].used && s->b[i].phys == phys)
			return cmd_fail(c, ERR_EXISTS,
				"breakpoint %zu is at this physical address already", i);
		if (!s->b[i].used)
			b = &s->b[id = i];
	}
	if (!b)
		return cmd_fail(c, ERR_LIMIT, "there are %d breakpoints in physical pages already",
			UBP_MAX);
	if (!s->warned)
		out_as(c->e, OUT_WARNING,
			"This command is VERY DANGEROUS, and may crash your system!\n"
			"If you don't know what you are doing, enter \"!ubc *\" now!\n\n");
	s->warned = true;
	TRY(eng_read_phys(c->e, phys & ~3ULL, 0, four, sizeof four, &got, &c->d));
	*b = (ubp){
		.va = va, .phys = phys, .process = process, .contents = got == 4 ? le32(four) : 0};
	err e = plant(c, b);
	if (e != ERR_OK)
		return diag_add(&c->d, e, "planting breakpoint %zu", id);
	b->used = true;
	return ERR_OK;
}

/* ---- the others ---- */

typedef err ubp_fn(cmd *c, ubp *b);

static err clear(cmd *c, ubp *b)
{
	if (b->enabled)
		TRY(take_out(c, b));
	b->used = false;
	return ERR_OK;
}

static err disable(cmd *c, ubp *b)
{
	return b->enabled ? take_out(c, b) : ERR_OK;
}

static err enable(cmd *c, ubp *b)
{
	os_process p;
	x64_walk w = {0};
	if (b->enabled)
		return ERR_OK;
	/* The page may have moved since: the address is looked up again in the process it was set
	 * in. */
	TRY(os_process_get(c->e->os, b->process, &p, &c->d));
	if (tgt_translate(c->e->t, os_space(&p, eng_is_user(c->e, b->va)).id, b->va, &w, NULL) !=
			ERR_OK ||
		!w.present)
		return cmd_fail(
			c, ERR_FAULT, "%016llx is not in memory now", (unsigned long long)b->va);
	b->phys = w.phys;
	return plant(c, b);
}

static err for_ids(cmd *c, cmd_call *call, ubp_fn *fn)
{
	str rest = str_trim(call->args);
	ubp_state *s = state_of(c);
	uint64_t id;
	nt *n;
	TRY(ntc_get(c, &n));
	if (str_eq(rest, STR("*"))) {
		err first = ERR_OK;
		for (size_t i = 0; i < UBP_MAX; i++) {
			err e = s->b[i].used ? fn(c, &s->b[i]) : ERR_OK;
			if (first == ERR_OK)
				first = e; /* the others all the same */
		}
		return first;
	}
	TRY(cmd_arg_expr(c, &rest, &id));
	TRY(cmd_arg_end(c, rest));
	if (id >= UBP_MAX || !s->b[id].used)
		return cmd_fail(c, ERR_NOTFOUND, "there is no breakpoint %llu (!ubl lists them)",
			(unsigned long long)id);
	return fn(c, &s->b[id]);
}

static err do_ubc(cmd *c, cmd_call *call)
{
	return for_ids(c, call, clear);
}

static err do_ubd(cmd *c, cmd_call *call)
{
	return for_ids(c, call, disable);
}

static err do_ube(cmd *c, cmd_call *call)
{
	return for_ids(c, call, enable);
}

static err do_ubl(cmd *c, cmd_call *call)
{
	ubp_state *s = state_of(c);
	nt *n;
	TRY(ntc_get(c, &n));
	TRY(cmd_arg_end(c, call->args));
	for (size_t i = 0; i < UBP_MAX; i++) {
		ubp *b = &s->b[i];
		uint8_t now = INT3;
		if (!b->used)
			continue;
		/* Paged out or used otherwise: then it has ceased to exist (documented). */
		bool gone = b->enabled && byte_at(c, b->phys, &now) == ERR_OK && now != INT3;
		if (gone) {
			journal_del(c->e, b->phys);
			b->enabled = false;
		}
		out(c->e, "%2zu: %c %s (%s) %x %08x%s\n", i, b->enabled ? 'e' : 'd',
			out_addr(c->e, b->va), out_addr(c->e, b->phys), (unsigned)(b->phys & 3),
			b->contents,
			gone ? "  (gone: the page was used for something else; !ube sets it anew)"
			     : "");
	}
	diag_clear(&c->d);
	return ERR_OK;
}

#define TARGET (CMD_KERNEL | CMD_TARGET)

static const cmd_row rows[] = {
	{"!ubp", "!ubp Address", "Set a breakpoint in the physical page of an address",
		"Writes a break instruction into the page that Address is in, in the process "
		"context: every "
		"process that maps the page meets it. The page must be in memory; if it is paged "
		"out later the "
		"breakpoint is gone. A hit shows as a break instruction that the debugger did not "
		"set: disable "
		"the breakpoint (!ubd) before going on, there is no stepping past it. Dangerous, "
		"and said so at "
		"first use. bp /p is the better way to one process.\n\n"
		"The byte and its place are kept in a file, so that the next session can mend the "
		"page if this "
		"one dies.",
		TARGET | CMD_LIVE, do_ubp},
	{"!ubc", "!ubc Number | *", "Clear breakpoints in physical pages", NULL, TARGET | CMD_LIVE,
		do_ubc},
	{"!ubd", "!ubd Number | *", "Disable breakpoints in physical pages", NULL,
		TARGET | CMD_LIVE, do_ubd},
	{"!ube", "!ube Number | *", "Enable breakpoints in physical pages",
		"The address is looked up again in the process that it was set in.",
		TARGET | CMD_LIVE, do_ube},
	{"!ubl", "!ubl", "List breakpoints in physical pages",
		"Number, e or d (enabled, disabled), virtual address, physical address, position "
		"of the byte in its "
		"double word, and what that held before.",
		TARGET | CMD_LIVE, do_ubl},
};

const cmd_family cmd_family_nt_ubp = {"Breakpoints in physical pages", rows, ARRAY_LEN(rows)};
