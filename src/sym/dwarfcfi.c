/*
 * dwarfcfi: one frame up by .eh_frame or .debug_frame, and the frame addresses (CFA) that locals
 * count from. The tables are libdw's; expressions in them run on fmt/dwarf_expr. An image's tables
 * are opened once.
 *
 * A breakpoint that counts frames walks up the same few functions at each hit. So the rules of an
 * address in .eh_frame are kept as a row: a register and an offset for the CFA, an offset from it
 * for each register saved. Rules that are more than that stay with libdw.
 *
 * Register numbers: System V ABI, AMD64 supplement, figure 3.36.
 */
#include "sym/dwarf.h"

#include <stdlib.h>

enum { DW_REG_RSP = 7, DW_REG_RA = 16, DW_REG_XMM0 = 17, DW_REGS = 17 };

static const uint8_t gpr_of[16] = {X64_RAX, X64_RDX, X64_RCX, X64_RBX, X64_RSI, X64_RDI, X64_RBP,
	X64_RSP, X64_R8, X64_R9, X64_R10, X64_R11, X64_R12, X64_R13, X64_R14, X64_R15};

const char *dwf_reg_name(unsigned n)
{
	static const char *const names[] = {"rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp",
		"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rip", "xmm0", "xmm1", "xmm2",
		"xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
		"xmm13", "xmm14", "xmm15", "st0", "st1", "st2", "st3", "st4", "st5", "st6", "st7",
		"mm0", "mm1", "mm2", "mm3", "mm4", "mm5", "mm6", "mm7", "efl", "es", "cs", "ss",
		"ds", "fs", "gs"};
	return n < ARRAY_LEN(names) ? names[n] : NULL;
}

bool dwf_reg_get(const x64_regs *r, unsigned n, uint64_t *ret)
{
	if (n < 16) {
		*ret = r->gpr[gpr_of[n]];
		return true;
	}
	if (n == DW_REG_RA) {
		*ret = r->rip;
		return true;
	}
	if (n >= DW_REG_XMM0 && n < DW_REG_XMM0 + 16 && (r->valid & X64_SET_FLOAT)) {
		/* FXSAVE: xmm0 at 160, 16 bytes each; the low half */
		*ret = le64(r->fx + X64_FX_XMM + 16 * (n - DW_REG_XMM0));
		return true;
	}
	return false;
}

/* ---- an image's tables ---- */

enum { ROWS = 64, ROW_SPAN = 256 };

typedef enum row_kind {
	ROW_SAME,
	ROW_UNDEFINED,
	ROW_SAVED, /* at CFA + off */
	ROW_CFA	   /* is CFA + off */
} row_kind;

typedef struct row {
	uint64_t vaddr, func; /* func: where the function begins, 0 unknown */
	int64_t cfa_off;
	int32_t off[DW_REGS], low; /* low: the lowest off of what is saved */
	uint8_t kind[DW_REGS], cfa_reg;
	bool used, plain, signal; /* plain: the rules are here; otherwise only libdw has them */
} row;

struct sym_cfi {
	Elf *elf;
	Dwarf_CFI *eh;
	row rows[ROWS]; /* by address, the last one that was asked for */
};

static struct sym_cfi *sym_elf_cfi(sym_elf *g)
{
	if (!g->cfi) {
		g->cfi = mem_alloc(sizeof *g->cfi);
		elf_version(EV_CURRENT);
		g->cfi->elf = elf_memory((char *)(uintptr_t)g->v.p, g->v.n);
		if (g->cfi->elf)
			g->cfi->eh = dwarf_getcfi_elf(g->cfi->elf);
	}
	return g->cfi;
}

void sym_cfi_free(struct sym_cfi *c)
{
	if (!c)
		return;
	if (c->eh)
		dwarf_cfi_end(c->eh);
	if (c->elf)
		elf_end(c->elf);
	mem_free(c);
}

/* The frame's rules at vaddr, from what there is. Free with free(). */
static Dwarf_Frame *frame_at(sym_elf *g, dwf *x, uint64_t vaddr)
{
	Dwarf_Frame *f = NULL;
	struct sym_cfi *c = g ? sym_elf_cfi(g) : NULL;
	if (c && c->eh && !dwarf_cfi_addrframe(c->eh, vaddr, &f))
		return f;
	/* belongs to the Dwarf, freed with it */
	Dwarf_CFI *own = x && x->main.frame.n ? dwarf_getcfi(x->main.dbg) : NULL;
	if (own && !dwarf_cfi_addrframe(own, vaddr, &f))
		return f;
	return NULL;
}

/* ---- rules ---- */

typedef struct rules {
	const x64_regs *r;
	uint64_t slide;
	const uint64_t *cfa; /* once it is known */
} rules;

/* libdw puts the CFA in front of a register's expression as DW_OP_call_frame_cfa. */
static err rule_cfa(void *u, uint64_t *ret)
{
	const rules *k = u;
	if (!k->cfa)
		return ERR_NOTFOUND;
	*ret = *k->cfa;
	return ERR_OK;
}

static err rule_reg(void *u, unsigned n, uint64_t *ret)
{
	const rules *k = u;
	return dwf_reg_get(k->r, n, ret) ? ERR_OK : ERR_NOTFOUND;
}

/* An expression of the tables: an address or a value, nothing in pieces. */
static err rule_eval(const Dwarf_Op *ops, size_t n, const rules *k, const mem_reader *mem,
	bool *is_value, uint64_t *ret, diag *d)
{
	dwe_env env = {.u = (void *)(uintptr_t)k,
		.reg = rule_reg,
		.cfa = rule_cfa,
		.mem = mem,
		.slide = k->slide};
	dwe_result res;
	TRY(dwe_eval(ops, n, &env, &res, d));
	if (res.n != 1)
		return diag_set(d, ERR_CORRUPT, "a rule of the unwind data gives no value");
	const dwe_piece *p = &res.piece[0];
	*is_value = p->kind == DWE_VALUE;
	if (p->kind == DWE_REG) {
		*is_value = true;
		return rule_reg((void *)(uintptr_t)k, (unsigned)p->v, ret);
	}
	if (p->kind != DWE_MEM && p->kind != DWE_VALUE)
		return diag_set(d, ERR_CORRUPT, "a rule of the unwind data gives no value");
	*ret = p->v;
	return ERR_OK;
}

static err cfa_of(Dwarf_Frame *f, const rules *k, const mem_reader *mem, uint64_t *ret, diag *d)
{
	Dwarf_Op *ops;
	size_t n;
	bool value;
	if (dwarf_frame_cfa(f, &ops, &n) || !n)
		return diag_set(d, ERR_CORRUPT, "the unwind data give no frame address");
	return rule_eval(ops, n, k, mem, &value, ret, d);
}

static sym_elf *elf_of(dwf *x)
{
	return xf_of(x->f)->img;
}

/* Whether the CFA is a register and an offset. */
static bool plain_cfa(Dwarf_Frame *f, unsigned *reg, int64_t *off)
{
	Dwarf_Op *ops;
	size_t n;
	if (dwarf_frame_cfa(f, &ops, &n) || n != 1)
		return false;
	if (ops[0].atom >= DW_OP_breg0 && ops[0].atom <= DW_OP_breg31) {
		*reg = ops[0].atom - DW_OP_breg0;
		*off = (int64_t)ops[0].number;
		return true;
	}
	*reg = (unsigned)ops[0].number;
	*off = (int64_t)ops[0].number2;
	return ops[0].atom == DW_OP_bregx && *reg < 16;
}

bool dwf_cfa_rule(dwf *x, uint64_t vaddr, unsigned *reg, int64_t *off)
{
	Dwarf_Frame *f = frame_at(elf_of(x), x, vaddr);
	bool ok = f && plain_cfa(f, reg, off);
	free(f);
	return ok;
}

err dwf_cfa_at(dwf *x, uint64_t vaddr, const x64_regs *r, const mem_reader *mem, uint64_t *ret)
{
	rules k = {.r = r};
	Dwarf_Frame *f = frame_at(elf_of(x), x, vaddr);
	if (!f)
		return ERR_NOTFOUND;
	err e = cfa_of(f, &k, mem, ret, NULL);
	free(f);
	return e;
}

/* ---- rows ---- */

/* One register's rule as libdw puts it: CFA, an offset if there is one, "value" if it is no place.
 */
static bool plain_rule(Dwarf_Frame *f, unsigned n, row *to)
{
	Dwarf_Op space[3], *ops;
	size_t nops;
	if (dwarf_frame_register(f, (int)n, space, &ops, &nops))
		return false;
	if (!nops) { /* libdw: NULL for "same value", else undefined */
		to->kind[n] = ops ? ROW_UNDEFINED : ROW_SAME;
		return true;
	}
	size_t at = 1;
	int64_t off = 0;
	if (ops[0].atom != DW_OP_call_frame_cfa)
		return false;
	if (at < nops && ops[at].atom == DW_OP_plus_uconst)
		off = (int64_t)ops[at++].number;
	to->kind[n] = ROW_SAVED;
	if (at < nops && ops[at].atom == DW_OP_stack_value) {
		to->kind[n] = ROW_CFA;
		at++;
	}
	to->off[n] = (int32_t)off;
	if (to->kind[n] == ROW_SAVED && off < to->low)
		to->low = (int32_t)off;
	return at == nops && off == (int32_t)off;
}

/* The rules at vaddr by .eh_frame; NULL if there are none, or none that a row can hold. */
static const row *row_at(sym_elf *g, uint64_t vaddr)
{
	struct sym_cfi *c = sym_elf_cfi(g);
	row *to = &c->rows[(vaddr ^ vaddr >> 6) % ROWS];
	Dwarf_Frame *f = NULL;
	unsigned reg;
	uint64_t end;
	if (to->used && to->vaddr == vaddr)
		return to->plain ? to : NULL;
	if (!c->eh || dwarf_cfi_addrframe(c->eh, vaddr, &f))
		return NULL;
	*to = (row){.vaddr = vaddr, .used = true};
	to->plain = plain_cfa(f, &reg, &to->cfa_off) && reg < 16;
	to->cfa_reg = (uint8_t)reg;
	for (unsigned n = 0; n < DW_REGS && to->plain; n++)
		to->plain = plain_rule(f, n, to);
	dwarf_frame_info(f, NULL, NULL, &to->signal);
	if (!elf_fde_at(&g->v, vaddr, &to->func, &end))
		to->func = 0;
	free(f);
	return to->plain ? to : NULL;
}

/* ---- one frame up ---- */

/* What a row's registers were saved to, in one read where it can be one. */
typedef struct saved {
	uint64_t cfa;
	uint32_t n; /* bytes below cfa */
	uint8_t b[ROW_SPAN];
} saved;

static void saved_read(const row *w, uint64_t cfa, const mem_reader *mem, saved *ret)
{
	ret->cfa = cfa;
	ret->n = (uint32_t)-w->low;
	if (w->low < -ROW_SPAN || mem_read_all(mem, cfa - ret->n, ret->b, ret->n) != ERR_OK)
		ret->n = 0;
}

static err saved_word(const saved *s, int32_t off, const mem_reader *mem, uint64_t *ret)
{
	uint8_t b[8];
	if (off <= -8 && (uint32_t)-off <= s->n) {
		*ret = le64(s->b + s->n + off);
		return ERR_OK;
	}
	TRY(mem_read_all(mem, s->cfa + (uint64_t)(int64_t)off, b, sizeof b));
	*ret = le64(b);
	return ERR_OK;
}

typedef enum rule_kind { RULE_SAME, RULE_UNDEFINED, RULE_SET } rule_kind;

static err no_stack(diag *d, uint64_t addr)
{
	return diag_set(d, ERR_FAULT, "the stack at %llx cannot be read", (unsigned long long)addr);
}

static err rule_in_row(const row *w, unsigned n, const saved *s, const mem_reader *mem,
	rule_kind *kind, uint64_t *ret, uint64_t *slot, diag *d)
{
	uint64_t at = s->cfa + (uint64_t)(int64_t)w->off[n];
	*slot = 0;
	*kind = RULE_SET;
	switch ((row_kind)w->kind[n]) {
	case ROW_SAME:
		*kind = RULE_SAME;
		return ERR_OK;
	case ROW_UNDEFINED:
		*kind = RULE_UNDEFINED;
		return ERR_OK;
	case ROW_CFA:
		*ret = at;
		return ERR_OK;
	case ROW_SAVED:
		break;
	}
	if (saved_word(s, w->off[n], mem, ret) != ERR_OK)
		return no_stack(d, at);
	*slot = at;
	return ERR_OK;
}

static err rule_of(Dwarf_Frame *f, unsigned n, const rules *k, const mem_reader *mem,
	rule_kind *kind, uint64_t *ret, uint64_t *slot, diag *d)
{
	Dwarf_Op space[3], *ops;
	size_t nops;
	bool value;
	uint64_t v;
	uint8_t b[8];
	*slot = 0;
	if (dwarf_frame_register(f, (int)n, space, &ops, &nops))
		return diag_set(d, ERR_CORRUPT, "the unwind data: %s", dwarf_errmsg(-1));
	if (!nops) { /* libdw: NULL for "same value", else undefined */
		*kind = ops ? RULE_UNDEFINED : RULE_SAME;
		return ERR_OK;
	}
	TRY(rule_eval(ops, nops, k, mem, &value, &v, d));
	if (!value) {
		if (mem_read_all(mem, v, b, 8) != ERR_OK)
			return no_stack(d, v);
		*slot = v;
		v = le64(b);
	}
	*kind = RULE_SET;
	*ret = v;
	return ERR_OK;
}

/* By w, or by f where that is NULL. */
static err up(x64_regs *r, const row *w, Dwarf_Frame *f, uint64_t slide, const mem_reader *mem,
	x64_frame_info *info, diag *d)
{
	saved s;
	rules k = {.r = r, .slide = slide};
	x64_regs caller = *r;
	uint64_t cfa = 0, slot = 0, v = 0, ra = 0, ra_slot = 0;
	bool ra_set = false;
	bool signal = false;
	if (w) {
		signal = w->signal;
		cfa = r->gpr[gpr_of[w->cfa_reg]] + (uint64_t)w->cfa_off;
		saved_read(w, cfa, mem, &s);
	} else {
		dwarf_frame_info(f, NULL, NULL, &signal);
		TRY(cfa_of(f, &k, mem, &cfa, d));
	}
	k.cfa = &cfa;
	caller.gpr[X64_RSP] = cfa; /* unless a rule says otherwise */
	for (unsigned n = 0; n < DW_REGS; n++) {
		rule_kind kind = RULE_SAME;
		err e = w ? rule_in_row(w, n, &s, mem, &kind, &v, &slot, d)
			  : rule_of(f, n, &k, mem, &kind, &v, &slot, d);
		if (e != ERR_OK && (n == DW_REG_RA || n == DW_REG_RSP))
			return e;
		if (e != ERR_OK || kind != RULE_SET)
			continue; /* a register that nobody can tell keeps what it had */
		if (n == DW_REG_RA) {
			ra = v;
			ra_slot = slot;
			ra_set = true;
		} else {
			caller.gpr[gpr_of[n]] = v;
		}
	}
	bool last = !ra_set; /* undefined: the outermost frame */
	if (!last && cfa <= r->gpr[X64_RSP] && !signal && caller.gpr[X64_RSP] <= r->gpr[X64_RSP] &&
		ra == r->rip)
		return diag_set(d, ERR_CORRUPT, "the unwind data lead nowhere");
	caller.rip = last ? 0 : ra;
	*r = caller;
	*info = (x64_frame_info){.machine_frame = signal, .ret_slot = ra_slot, .establisher = cfa};
	return ERR_OK;
}

err sym_cfi_func(sym_mod *m, uint64_t pc, uint64_t *begin, uint64_t *end)
{
	sym_elf *g;
	uint64_t lo, hi;
	TRY(sym_mod_elf(m, &g, NULL));
	uint64_t slide = m->base - g->v.base;
	if (!elf_fde_at(&g->v, pc - slide, &lo, &hi))
		return ERR_NOTFOUND;
	*begin = lo + slide;
	*end = hi + slide;
	return ERR_OK;
}

err sym_cfi_unwind(sym_store *s, x64_regs *r, bool call_site, const mem_reader *stack,
	x64_frame_info *info, diag *d)
{
	uint64_t pc = r->rip - (call_site ? 1 : 0);
	sym_mod *m = sym_mod_at(s, pc);
	sym_elf *g = NULL;
	if (!m)
		return diag_set(d, ERR_NOTFOUND, "no module at %llx", (unsigned long long)r->rip);
	err e = sym_mod_elf(m, &g, d);
	dwf *x = m->file && sym_file_is_elf(m->file) ? xf_of(m->file)->dw : NULL;
	if (e != ERR_OK && !x)
		return e;
	uint64_t base = g ? g->v.base : x->base;
	const row *w = g ? row_at(g, pc - m->base + base) : NULL;
	if (w) {
		TRY(up(r, w, NULL, m->base - base, stack, info, d));
		if (w->func)
			info->func_begin = w->func + m->base - base;
		return ERR_OK;
	}
	Dwarf_Frame *f = frame_at(g, x, pc - m->base + base);
	if (!f && !x && g) {
		/* .debug_frame may stand in a debug file, or was not looked at yet */
		sym_file *file;
		e = m->status == SYM_DEFERRED ? sym_mod_file(m, &file, NULL) : ERR_OK;
		if (e == ERR_CANCELLED)
			return diag_set(d, e, "cancelled");
		x = m->file && sym_file_is_elf(m->file) ? sym_elf_dwarf(m->file) : NULL;
		f = x ? frame_at(NULL, x, pc - m->base + base) : NULL;
	}
	if (!f)
		return diag_set(d, ERR_NOTFOUND, "%.*s has no unwind data for %llx",
			STR_ARG(m->name), (unsigned long long)r->rip);
	e = up(r, NULL, f, m->base - base, stack, info, d);
	free(f);
	uint64_t lo, hi;
	if (e == ERR_OK && g && elf_fde_at(&g->v, pc - m->base + base, &lo, &hi))
		info->func_begin = lo + m->base - base;
	return e;
}
