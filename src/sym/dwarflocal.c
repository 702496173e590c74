/*
 * dwarflocal: variables in scope, inlined calls, and where a value stands. A place that is a
 * register, a register and an offset, an address or a constant is told at once; what must be
 * computed keeps its expression (SYM_LOC_EXPR) until somebody has registers and memory.
 */
#include "sym/dwarf.h"

#include <stdlib.h>

struct dwf_expr {
	dwf *x;
	const Dwarf_Op *ops;
	size_t n;
	Dwarf_Attribute attr; /* for operations that refer to tables */
	Dwarf_Die func;
	uint64_t pc, fix;
	const uint8_t *bytes; /* a constant of any size, instead */
	size_t n_bytes;
};

enum { VALUE_MAX = SYM_PLACE_MAX };

/* ---- inlined calls ---- */

/* The child of at that holds pc and is a block or an inlined call. */
static bool inner(Dwarf_Die *at, uint64_t pc, uint64_t fix, Dwarf_Die *ret)
{
	Dwarf_Die die;
	if (dwarf_child(at, &die))
		return false;
	do {
		int tag = dwarf_tag(&die);
		if ((tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block ||
			    tag == DW_TAG_try_block || tag == DW_TAG_catch_block) &&
			dwf_haspc(&die, pc, fix)) {
			*ret = die;
			return true;
		}
	} while (!dwarf_siblingof(&die, &die));
	return false;
}

/* The range of die that holds pc. */
static void range_of(Dwarf_Die *die, uint64_t pc, uint64_t fix, uint64_t *lo, uint64_t *hi)
{
	Dwarf_Addr base, b, e;
	ptrdiff_t off = 0;
	for (int i = 0; i < 1024 && (off = dwarf_ranges(die, off, &base, &b, &e)) > 0; i++)
		if ((pc >= b && pc < e) || (fix && pc - fix >= b && pc - fix < e)) {
			uint64_t by = pc >= b && pc < e ? 0 : fix;
			*lo = b + by;
			*hi = e + by;
			return;
		}
}

static uint32_t number(Dwarf_Die *die, unsigned at)
{
	Dwarf_Attribute a;
	Dwarf_Word n;
	return dwarf_attr(die, at, &a) && !dwarf_formudata(&a, &n) && n <= UINT32_MAX ? (uint32_t)n
										      : 0;
}

static str call_file(dwf *x, dwunit *u, Dwarf_Die *die)
{
	Dwarf_Files *files;
	size_t n;
	uint32_t i = number(die, DW_AT_call_file);
	Dwarf_Attribute a;
	/* a split unit has a table of files of its own */
	if (!dwarf_attr(die, DW_AT_call_file, &a) ||
		(dwarf_getsrcfiles(&u->die, &files, &n) &&
			dwarf_getsrcfiles(&u->skel, &files, &n)) ||
		i >= n)
		return (str){"", 0};
	return dwf_path(x, u, dwarf_filesrc(files, i, NULL, NULL));
}

err dwf_inlines(dwf *x, arena *a, uint32_t rva, sym_inline **ret, size_t *n_ret)
{
	dwunit *u;
	dwfunc f;
	uint64_t pc = x->base + rva;
	VEC(sym_inline) v = {0};
	TRY(dwf_func_die(x, pc, &u, &f));
	Dwarf_Die at = f.die;
	for (int depth = 0; depth < DWF_SCOPE_DEPTH && inner(&at, pc, u->fix, &at); depth++) {
		if (dwarf_tag(&at) != DW_TAG_inlined_subroutine)
			continue;
		sym_inline s = {.call_file = call_file(x, u, &at),
			.call_line = number(&at, DW_AT_call_line)};
		buf b;
		buf_init(&b, 65536);
		dwf_qualified(x, &at, &b);
		s.name = str_dup(a, buf_str(&b));
		buf_deinit(&b);
		uint64_t lo = pc, hi = pc;
		range_of(&at, pc, u->fix, &lo, &hi);
		s.begin = lo - x->base;
		s.end = hi - x->base;
		if (v.n) { /* what is inside of it is where it has got to */
			v.p[v.n - 1].file = s.call_file;
			v.p[v.n - 1].line = s.call_line;
		}
		vec_push(&v, s);
	}
	sym_line l;
	if (v.n && dwf_line_at(x, rva, &l) == ERR_OK) {
		v.p[v.n - 1].file = l.file;
		v.p[v.n - 1].line = l.line;
	}
	size_t n = v.n;
	if (n) {
		*ret = arena_dup(a, v.p, n * sizeof **ret);
		*n_ret = n;
	}
	vec_deinit(&v);
	return n ? ERR_OK : ERR_NOTFOUND;
}

/* ---- places that need no evaluation ---- */

static void set_reg(sym_local *l, sym_loc_kind kind, unsigned reg, int64_t off)
{
	const char *name = dwf_reg_name(reg);
	if (!name || strlen(name) >= sizeof l->reg)
		return;
	strcpy(l->reg, name);
	l->loc = kind;
	l->off = off;
}

static bool breg(const Dwarf_Op *op, unsigned *reg, int64_t *off)
{
	if (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31) {
		*reg = op->atom - DW_OP_breg0;
		*off = (int64_t)op->number;
		return true;
	}
	if (op->atom == DW_OP_bregx) {
		*reg = (unsigned)op->number;
		*off = (int64_t)op->number2;
		return true;
	}
	return false;
}

/* The function's frame base as register and offset. */
static bool simple_base(
	dwf *x, Dwarf_Die *func, uint64_t pc, uint64_t fix, unsigned *reg, int64_t *off)
{
	Dwarf_Attribute a;
	Dwarf_Op *ops;
	size_t n;
	if (!dwf_attr(func, DW_AT_frame_base, &a) || !dwf_loc(&a, pc, fix, &ops, &n) || n != 1)
		return false;
	if (ops[0].atom == DW_OP_call_frame_cfa)
		return dwf_cfa_rule(x, pc, reg, off);
	if (ops[0].atom >= DW_OP_reg0 && ops[0].atom <= DW_OP_reg31) {
		*reg = ops[0].atom - DW_OP_reg0;
		*off = 0;
		return true;
	}
	return breg(&ops[0], reg, off);
}

typedef struct locals_ctx {
	dwf *x;
	arena *a;
	Dwarf_Die func;
	uint64_t pc, fix;
	bool whole;
	VEC(sym_local) v;
} locals_ctx;

static void fold(locals_ctx *k, uint64_t pc, Dwarf_Attribute *attr, const Dwarf_Op *ops, size_t n,
	sym_local *l)
{
	dwf *x = k->x;
	unsigned reg;
	int64_t off;
	uint64_t addr;
	l->loc = SYM_LOC_NONE;
	if (!n)
		return;
	unsigned op = ops[0].atom;
	if (n == 1 && op >= DW_OP_reg0 && op <= DW_OP_reg31)
		set_reg(l, SYM_LOC_REG, op - DW_OP_reg0, 0);
	else if (n == 1 && op == DW_OP_regx)
		set_reg(l, SYM_LOC_REG, (unsigned)ops[0].number, 0);
	else if (n == 1 && breg(&ops[0], &reg, &off))
		set_reg(l, SYM_LOC_REGREL, reg, off);
	else if (n == 1 && op == DW_OP_fbreg && simple_base(x, &k->func, pc, k->fix, &reg, &off))
		set_reg(l, SYM_LOC_REGREL, reg, (int64_t)((uint64_t)off + ops[0].number));
	else if (n == 1 && dwf_addr_of(attr, &ops[0], &addr) && addr >= x->base) {
		l->loc = SYM_LOC_STATIC;
		l->addr = addr - x->base;
	} else if (n == 2 && ops[1].atom == DW_OP_stack_value &&
		   ((op >= DW_OP_lit0 && op <= DW_OP_lit31) ||
			   (op >= DW_OP_const1u && op <= DW_OP_consts))) {
		l->loc = SYM_LOC_CONST;
		l->addr = op <= DW_OP_consts ? ops[0].number : op - DW_OP_lit0;
	}
	if (l->loc != SYM_LOC_NONE)
		return;
	struct dwf_expr *e = arena_new(k->a, struct dwf_expr);
	*e = (struct dwf_expr){.x = x,
		.ops = ops,
		.n = n,
		.attr = *attr,
		.func = k->func,
		.pc = pc,
		.fix = k->fix};
	l->loc = SYM_LOC_EXPR;
	l->expr = e;
}

static bool constant(dwf *x, arena *a, Dwarf_Die *die, sym_local *l)
{
	Dwarf_Attribute at;
	Dwarf_Word u;
	Dwarf_Sword s;
	Dwarf_Block b;
	const char *z;
	if (!dwf_attr(die, DW_AT_const_value, &at))
		return false;
	unsigned form = dwarf_whatform(&at);
	l->loc = SYM_LOC_CONST;
	if ((form == DW_FORM_sdata || form == DW_FORM_implicit_const) &&
		!dwarf_formsdata(&at, &s)) {
		l->addr = (uint64_t)s;
		return true;
	}
	struct dwf_expr *e = arena_new(a, struct dwf_expr);
	*e = (struct dwf_expr){.x = x};
	l->loc = SYM_LOC_EXPR;
	l->expr = e;
	if (!dwarf_formblock(&at, &b)) {
		e->bytes = b.data;
		e->n_bytes = b.length;
		return true;
	}
	if ((form == DW_FORM_string || form == DW_FORM_strp || form == DW_FORM_line_strp) &&
		(z = dwarf_formstring(&at))) {
		e->bytes = (const uint8_t *)z;
		e->n_bytes = strlen(z) + 1;
		return true;
	}
	l->expr = NULL;
	l->loc = SYM_LOC_CONST;
	if (!dwarf_formudata(&at, &u)) {
		l->addr = u;
		return true;
	}
	l->loc = SYM_LOC_NONE;
	return false;
}

/* whole: no place in time is meant; any place is better than none. */
static void place_of(locals_ctx *k, Dwarf_Die *die, sym_local *l)
{
	Dwarf_Attribute at;
	Dwarf_Op *ops;
	size_t n;
	if (!dwf_attr(die, DW_AT_location, &at)) {
		constant(k->x, k->a, die, l);
		return;
	}
	if (dwf_loc(&at, k->pc, k->fix, &ops, &n)) {
		fold(k, k->pc, &at, ops, n, l);
		return;
	}
	Dwarf_Addr base, lo, hi;
	if (k->whole && dwarf_getlocations(&at, 0, &base, &lo, &hi, &ops, &n) > 0)
		fold(k, lo, &at, ops, n, l);
}

/* ---- locals ---- */

static void add_local(locals_ctx *k, Dwarf_Die *die, int tag, uint32_t depth, uint32_t inl)
{
	const char *name = dwf_name(die);
	if (!name || k->v.n >= DWF_LOCALS_MAX || dwf_flag(die, DW_AT_declaration))
		return;
	uint32_t type = dwf_type_of_die(k->x, die);
	sym_local l = {.name = str_of(name),
		.param = tag == DW_TAG_formal_parameter,
		.type = {type ? k->x->f : NULL, type},
		.depth = depth,
		.inlined = inl};
	place_of(k, die, &l);
	vec_push(&k->v, l);
}

static void locals_in(locals_ctx *k, Dwarf_Die *at, uint32_t depth, uint32_t inl)
{
	Dwarf_Die die;
	if (depth > DWF_SCOPE_DEPTH || dwarf_child(at, &die))
		return;
	do {
		int tag = dwarf_tag(&die);
		if (tag == DW_TAG_formal_parameter || tag == DW_TAG_variable)
			add_local(k, &die, tag, depth, inl);
	} while (!dwarf_siblingof(&die, &die));
	if (dwarf_child(at, &die))
		return;
	do {
		int tag = dwarf_tag(&die);
		bool block = tag == DW_TAG_lexical_block || tag == DW_TAG_try_block ||
			     tag == DW_TAG_catch_block;
		bool call = tag == DW_TAG_inlined_subroutine;
		if (k->whole ? block : (block || call) && dwf_haspc(&die, k->pc, k->fix)) {
			/* a block without addresses of its own is only in the inlined copy's origin
			 */
			locals_in(k, &die, depth + 1, inl + call);
			if (!k->whole)
				break;
		}
	} while (!dwarf_siblingof(&die, &die));
}

err dwf_locals(dwf *x, arena *a, uint32_t rva, bool whole, sym_local **ret, size_t *n_ret)
{
	dwunit *u;
	dwfunc f;
	TRY(dwf_func_die(x, x->base + rva, &u, &f));
	locals_ctx k = {
		.x = x, .a = a, .func = f.die, .pc = x->base + rva, .fix = u->fix, .whole = whole};
	locals_in(&k, &f.die, 0, 0);
	*ret = arena_dup(a, k.v.n ? (void *)k.v.p : "", k.v.n * sizeof(sym_local));
	*n_ret = k.v.n;
	vec_deinit(&k.v);
	return ERR_OK;
}

/* ---- evaluation ---- */

typedef struct evaluation {
	const struct dwf_expr *e;
	dwf *x;
	Dwarf_Attribute attr;
	uint64_t slide;
	const x64_regs *regs;
	const mem_reader *mem;
	int depth;
	diag *d;
} evaluation;

static err eval(evaluation *v, const Dwarf_Op *ops, size_t n, dwe_result *ret);

static err env_reg(void *u, unsigned n, uint64_t *ret)
{
	evaluation *v = u;
	return dwf_reg_get(v->regs, n, ret) ? ERR_OK : ERR_NOTFOUND;
}

static err env_cfa(void *u, uint64_t *ret)
{
	evaluation *v = u;
	return dwf_cfa_at(v->x, v->e->pc, v->regs, v->mem, ret);
}

/* One plain value of a result: what a register or an address is, not what is there. */
static err plain_value(evaluation *v, const dwe_result *r, uint64_t *ret)
{
	if (r->n != 1)
		return ERR_UNSUPPORTED;
	switch (r->piece[0].kind) {
	case DWE_MEM:
	case DWE_VALUE:
		*ret = r->piece[0].v;
		return ERR_OK;
	case DWE_REG:
		return env_reg(v, (unsigned)r->piece[0].v, ret);
	default:
		return ERR_UNSUPPORTED;
	}
}

static err env_frame_base(void *u, uint64_t *ret)
{
	evaluation *v = u;
	Dwarf_Attribute a;
	Dwarf_Op *ops;
	size_t n;
	Dwarf_Die func = v->e->func;
	dwe_result r;
	if (v->depth >= DWE_DEPTH || !dwf_attr(&func, DW_AT_frame_base, &a) ||
		!dwf_loc(&a, v->e->pc, v->e->fix, &ops, &n))
		return ERR_NOTFOUND;
	evaluation in = *v;
	in.attr = a;
	in.depth++;
	TRY(eval(&in, ops, n, &r));
	return plain_value(&in, &r, ret);
}

static err env_addrx(void *u, const Dwarf_Op *op, uint64_t *ret)
{
	evaluation *v = u;
	Dwarf_Attribute a;
	Dwarf_Addr addr;
	Dwarf_Word w;
	if (dwarf_getlocation_attr(&v->attr, op, &a))
		return ERR_NOTFOUND;
	if (!dwarf_formaddr(&a, &addr)) {
		*ret = addr;
		return ERR_OK;
	}
	if (dwarf_formudata(&a, &w))
		return ERR_NOTFOUND;
	*ret = w;
	return ERR_OK;
}

static err env_implicit(void *u, const Dwarf_Op *op, const uint8_t **p, size_t *n)
{
	evaluation *v = u;
	Dwarf_Block b;
	if (dwarf_getlocation_implicit_value(&v->attr, op, &b))
		return ERR_CORRUPT;
	*p = b.data;
	*n = b.length;
	return ERR_OK;
}

static err env_tls(void *u, uint64_t offset, uint64_t *ret)
{
	evaluation *v = u;
	uint64_t block;
	sym_mod *m = sym_mod_at(v->x->s, v->x->base + v->slide);
	if (!m || m->file != v->x->f)
		return ERR_UNSUPPORTED;
	TRY(sym_tls_block(m, &block, NULL));
	*ret = block + offset;
	return ERR_OK;
}

/* The caller's call site that returns to r->rip, and what it says of parameter register `reg`. */
static err from_call_site(
	evaluation *v, x64_regs *r, uint64_t base, dwf *x, unsigned reg, uint64_t *ret);

static err env_entry_value(void *u, const Dwarf_Op *op, uint64_t *ret)
{
	evaluation *v = u;
	Dwarf_Attribute a;
	Dwarf_Op *ops;
	size_t n;
	unsigned reg;
	if (v->depth >= DWE_DEPTH || dwarf_getlocation_attr(&v->attr, op, &a) ||
		dwarf_getlocation(&a, &ops, &n) || n != 1)
		return ERR_UNSUPPORTED;
	if (ops[0].atom >= DW_OP_reg0 && ops[0].atom <= DW_OP_reg31)
		reg = ops[0].atom - DW_OP_reg0;
	else if (ops[0].atom == DW_OP_regx)
		reg = (unsigned)ops[0].number;
	else
		return ERR_UNSUPPORTED;
	sym_store *s = v->x->s;
	x64_regs up = *v->regs;
	x64_frame_info info;
	/* a frame's own pc is behind a call unless it is the innermost; one byte makes no odds */
	TRY(sym_cfi_unwind(s, &up, false, v->mem, &info, NULL));
	sym_mod *m = up.rip ? sym_mod_at(s, up.rip - 1) : NULL;
	if (!m || !m->file || !sym_file_is_elf(m->file) || !sym_elf_dwarf(m->file))
		return ERR_NOTFOUND;
	return from_call_site(v, &up, m->base, sym_elf_dwarf(m->file), reg, ret);
}

/* The entry for the call that returns to pc, in at or below. */
static bool call_site(Dwarf_Die *at, uint64_t pc, int depth, Dwarf_Die *ret)
{
	Dwarf_Die die;
	if (depth > DWF_SCOPE_DEPTH || dwarf_child(at, &die))
		return false;
	do {
		int tag = dwarf_tag(&die);
		Dwarf_Attribute a;
		Dwarf_Addr addr;
		if ((tag == DW_TAG_call_site && dwarf_attr(&die, DW_AT_call_return_pc, &a)) ||
			(tag == DW_TAG_GNU_call_site && dwarf_attr(&die, DW_AT_low_pc, &a))) {
			if (!dwarf_formaddr(&a, &addr) && addr == pc) {
				*ret = die;
				return true;
			}
		} else if ((tag == DW_TAG_lexical_block || tag == DW_TAG_inlined_subroutine) &&
			   call_site(&die, pc, depth + 1, ret)) {
			return true;
		}
	} while (!dwarf_siblingof(&die, &die));
	return false;
}

/* Is there an entry that both lead to: a function's own, its declaration, its abstract instance? */
static bool same_origin(const Dwarf_Die *a, const Dwarf_Die *b)
{
	static const unsigned links[] = {DW_AT_abstract_origin, DW_AT_specification};
	Dwarf_Die x = *a, y;
	for (int i = 0; i < DWF_CHAIN_MAX; i++) {
		y = *b;
		for (int k = 0; k < DWF_CHAIN_MAX; k++) {
			if (x.addr == y.addr)
				return true;
			if (!dwf_ref(&y, links[0], &y) && !dwf_ref(&y, links[1], &y))
				break;
		}
		if (!dwf_ref(&x, links[0], &x) && !dwf_ref(&x, links[1], &x))
			break;
	}
	return false;
}

static const char *linkage_name(Dwarf_Die *die)
{
	static const unsigned attrs[] = {DW_AT_linkage_name, DW_AT_MIPS_linkage_name, DW_AT_name};
	Dwarf_Attribute a;
	for (size_t i = 0; i < ARRAY_LEN(attrs); i++)
		if (dwf_attr(die, attrs[i], &a) && dwarf_formstring(&a))
			return dwarf_formstring(&a);
	return NULL;
}

/* The first address of what a call goes to: of a function in parts (hot, cold) the first part's. */
static bool entry_of(Dwarf_Die *func, uint64_t *ret)
{
	Dwarf_Addr base, lo, hi;
	if (dwarf_entrypc(func, &lo) && dwarf_ranges(func, 0, &base, &lo, &hi) <= 0)
		return false;
	*ret = lo;
	return true;
}

/*
 * Does the call at `site`, as the caller sees it, go to the function of v's expression? If not,
 * what was called jumped there in place of a call of its own, with parameters that nobody knows.
 */
static bool calls(evaluation *v, evaluation *caller, Dwarf_Die *site)
{
	Dwarf_Die func = v->e->func, origin;
	Dwarf_Attribute a;
	uint64_t entry;
	Dwarf_Op *ops;
	size_t n;
	dwe_result res;
	uint64_t to;
	if (!entry_of(&func, &entry))
		return false;
	entry += v->slide;
	if (dwarf_attr(site, DW_AT_call_target, &a) ||
		dwarf_attr(site, DW_AT_GNU_call_site_target, &a)) {
		evaluation in = *caller;
		in.attr = a;
		return !dwarf_getlocation(&a, &ops, &n) && eval(&in, ops, n, &res) == ERR_OK &&
		       plain_value(&in, &res, &to) == ERR_OK && to == entry;
	}
	if (!(dwarf_attr(site, DW_AT_call_origin, &a) ||
		    dwarf_attr(site, DW_AT_abstract_origin, &a)) ||
		!dwarf_formref_die(&a, &origin))
		return false;
	if (same_origin(&origin, &func))
		return true;
	/* of another unit, or by another of its names */
	const char *name = linkage_name(&origin);
	sym *names;
	arena tmp;
	bool found = false;
	if (!name)
		return false;
	arena_init(&tmp);
	if (sym_names_at(v->x->s, &tmp, entry, &names, &n) == ERR_OK)
		for (size_t i = 0; i < n && !found; i++)
			found = str_eq(names[i].raw, str_of(name));
	arena_deinit(&tmp);
	return found;
}

static err from_call_site(
	evaluation *v, x64_regs *r, uint64_t base, dwf *x, unsigned reg, uint64_t *ret)
{
	dwunit *u;
	dwfunc f;
	Dwarf_Die site, die;
	uint64_t pc = r->rip - base + x->base;
	TRY(dwf_func_die(x, pc - 1, &u, &f));
	if (!call_site(&f.die, pc, 0, &site))
		return ERR_NOTFOUND;
	struct dwf_expr e = {.x = x, .func = f.die, .pc = pc - 1};
	evaluation in = {.e = &e,
		.x = x,
		.slide = base - x->base,
		.regs = r,
		.mem = v->mem,
		.depth = v->depth + 1};
	if (!calls(v, &in, &site) || dwarf_child(&site, &die))
		return ERR_NOTFOUND;
	do {
		int tag = dwarf_tag(&die);
		Dwarf_Attribute a;
		Dwarf_Op *ops;
		size_t n;
		if (tag != DW_TAG_call_site_parameter && tag != DW_TAG_GNU_call_site_parameter)
			continue;
		if (!dwarf_attr(&die, DW_AT_location, &a) || dwarf_getlocation(&a, &ops, &n) ||
			n != 1 || ops[0].atom != DW_OP_reg0 + reg)
			continue;
		if (!dwarf_attr(&die, DW_AT_call_value, &a) &&
			!dwarf_attr(&die, DW_AT_GNU_call_site_value, &a))
			return ERR_NOTFOUND;
		if (dwarf_getlocation(&a, &ops, &n))
			return ERR_CORRUPT;
		dwe_result res;
		in.attr = a;
		TRY(eval(&in, ops, n, &res));
		return plain_value(&in, &res, ret);
	} while (!dwarf_siblingof(&die, &die));
	return ERR_NOTFOUND;
}

static err eval(evaluation *v, const Dwarf_Op *ops, size_t n, dwe_result *ret)
{
	dwe_env env = {.u = v,
		.reg = env_reg,
		.mem = v->mem,
		.frame_base = env_frame_base,
		.cfa = env_cfa,
		.addrx = env_addrx,
		.tls = env_tls,
		.entry_value = env_entry_value,
		.implicit = env_implicit,
		.slide = v->slide};
	return dwe_eval(ops, n, &env, ret, v->d);
}

/* ---- results ---- */

/* Copies bits [from, from+n) of in (in bits long) to bit `to` of out. */
static void copy_bits(uint8_t *out, size_t to, const uint8_t *in, size_t from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (in[(from + i) / 8] >> (from + i) % 8 & 1)
			out[(to + i) / 8] |= (uint8_t)(1 << (to + i) % 8);
}

static err piece_bytes(
	evaluation *v, const dwe_piece *p, uint8_t b[VALUE_MAX], size_t need, bool *known, diag *d)
{
	uint64_t w;
	memset(b, 0, VALUE_MAX);
	*known = true;
	switch (p->kind) {
	case DWE_NONE:
		*known = false;
		return ERR_OK;
	case DWE_MEM:
		if (mem_read_all(v->mem, p->v, b, need) != ERR_OK)
			return diag_set(d, ERR_FAULT, "memory at %llx cannot be read",
				(unsigned long long)p->v);
		return ERR_OK;
	case DWE_REG:
		if (p->v >= 17 && p->v < 33 && (v->regs->valid & X64_SET_FLOAT)) {
			memcpy(b, v->regs->fx + X64_FX_XMM + 16 * (p->v - 17), 16);
			return ERR_OK;
		}
		if (env_reg(v, (unsigned)p->v, &w) != ERR_OK) {
			*known = false;
			return ERR_OK;
		}
		put64(b, w);
		return ERR_OK;
	case DWE_VALUE:
		put64(b, p->v);
		return ERR_OK;
	case DWE_BYTES:
		memcpy(b, p->p, p->n < VALUE_MAX ? p->n : VALUE_MAX);
		return ERR_OK;
	}
	return ERR_CORRUPT;
}

static err gather(evaluation *v, const dwe_result *r, uint64_t size, sym_place *ret, diag *d)
{
	sym_place out = {.kind = SYM_PLACE_BYTES};
	size_t at = 0; /* in bits */
	for (size_t i = 0; i < r->n; i++) {
		const dwe_piece *p = &r->piece[i];
		uint8_t b[VALUE_MAX];
		bool known;
		uint64_t bits = p->bits ? p->bits : (size ? size * 8 : 64);
		if (bits + p->bit_from > VALUE_MAX * 8 || at + bits > VALUE_MAX * 8)
			return diag_set(
				d, ERR_LIMIT, "a value of more than %d bytes in pieces", VALUE_MAX);
		TRY(piece_bytes(v, p, b, (bits + p->bit_from + 7) / 8, &known, d));
		if (known)
			copy_bits(out.bytes, at, b, p->bit_from, bits);
		else if (bits)
			memset(out.lost + at / 8, true, (at + bits + 7) / 8 - at / 8);
		at += bits;
	}
	out.n = (at + 7) / 8;
	size_t lost = 0;
	for (size_t i = 0; i < out.n; i++)
		lost += out.lost[i];
	if (lost == out.n)
		return diag_set(d, ERR_NOTFOUND, "all pieces are optimised away");
	*ret = out;
	return ERR_OK;
}

err dwf_place(dwf *x, const sym_local *l, uint64_t slide, const x64_regs *regs,
	const mem_reader *mem, sym_place *ret, diag *d)
{
	const struct dwf_expr *e = l->expr;
	sym_type_info in;
	dwe_result r;
	if (!e)
		return diag_set(d, ERR_NOTFOUND, "%.*s is optimised away", STR_ARG(l->name));
	if (e->bytes) {
		*ret = (sym_place){.kind = SYM_PLACE_BYTES,
			.n = e->n_bytes < VALUE_MAX ? e->n_bytes : VALUE_MAX};
		memcpy(ret->bytes, e->bytes, ret->n);
		return ERR_OK;
	}
	evaluation v = {
		.e = e, .x = x, .attr = e->attr, .slide = slide, .regs = regs, .mem = mem, .d = d};
	TRY(eval(&v, e->ops, e->n, &r));
	if (!r.n)
		return diag_set(d, ERR_NOTFOUND, "%.*s is optimised away", STR_ARG(l->name));
	const dwe_piece *p = &r.piece[0];
	if (r.n == 1 && p->kind == DWE_MEM && !p->bit_from) {
		*ret = (sym_place){.kind = SYM_PLACE_MEM, .addr = p->v};
		return ERR_OK;
	}
	if (r.n == 1 && p->kind == DWE_REG && !p->bits) {
		const char *name = dwf_reg_name((unsigned)p->v);
		if (!name || strlen(name) >= sizeof ret->reg)
			return diag_set(d, ERR_UNSUPPORTED, "a register without a name");
		*ret = (sym_place){.kind = SYM_PLACE_REG};
		strcpy(ret->reg, name);
		return ERR_OK;
	}
	uint64_t size = sym_type_info_get(l->type, &in) == ERR_OK ? in.size : 8;
	return gather(&v, &r, size, ret, d);
}
