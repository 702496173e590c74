/*
 * dwarf_expr: the stack machine; see dwarf_expr.h. Values are 64 bits wide; typed stack entries of
 * DWARF 5 are taken as such where the type makes no difference, and refused otherwise.
 */
#include "fmt/dwarf_expr.h"

#include "base/reader.h"

#include <dwarf.h>

typedef struct machine {
	const Dwarf_Op *ops;
	size_t n;
	const dwe_env *env;
	uint64_t s[DWE_STACK];
	size_t depth;
	dwe_piece
		loc; /* of the simple expression so far; DWE_NONE: the stack's top is an address */
	bool has_loc;
	dwe_result out;
	diag *d;
} machine;

static err bad(machine *m, const char *what)
{
	return diag_set(m->d, ERR_CORRUPT, "DWARF expression: %s", what);
}

static err push(machine *m, uint64_t v)
{
	if (m->depth == DWE_STACK)
		return bad(m, "stack overflow");
	m->s[m->depth++] = v;
	return ERR_OK;
}

static err pop(machine *m, uint64_t *v)
{
	if (!m->depth)
		return bad(m, "stack underflow");
	*v = m->s[--m->depth];
	return ERR_OK;
}

static err pick(machine *m, size_t i)
{
	if (i >= m->depth)
		return bad(m, "stack underflow");
	return push(m, m->s[m->depth - 1 - i]);
}

static err deref(machine *m, uint64_t size)
{
	uint64_t addr = 0;
	uint8_t b[8] = {0};
	TRY(pop(m, &addr));
	if (size != 1 && size != 2 && size != 4 && size != 8)
		return bad(m, "a dereference of an odd size");
	if (!m->env->mem || mem_read_all(m->env->mem, addr, b, size) != ERR_OK)
		return diag_set(
			m->d, ERR_FAULT, "memory at %llx cannot be read", (unsigned long long)addr);
	return push(m, le_get(b, size));
}

static err reg_value(machine *m, uint64_t n, uint64_t *ret)
{
	if (n > 255 || !m->env->reg || m->env->reg(m->env->u, (unsigned)n, ret) != ERR_OK)
		return diag_set(m->d, ERR_NOTFOUND, "the value of register %llu is not known here",
			(unsigned long long)n);
	return ERR_OK;
}

static err binary(machine *m, unsigned op)
{
	uint64_t b = 0, a = 0, r;
	TRY(pop(m, &b));
	TRY(pop(m, &a));
	int64_t sa = (int64_t)a, sb = (int64_t)b;
	switch (op) {
	case DW_OP_and:
		r = a & b;
		break;
	case DW_OP_div:
		if (!b)
			return bad(m, "division by zero");
		r = b == UINT64_MAX ? 0 - a : (uint64_t)(sa / sb);
		break;
	case DW_OP_minus:
		r = a - b;
		break;
	case DW_OP_mod:
		if (!b)
			return bad(m, "division by zero");
		r = a % b;
		break;
	case DW_OP_mul:
		r = a * b;
		break;
	case DW_OP_or:
		r = a | b;
		break;
	case DW_OP_plus:
		r = a + b;
		break;
	case DW_OP_shl:
		r = b < 64 ? a << b : 0;
		break;
	case DW_OP_shr:
		r = b < 64 ? a >> b : 0;
		break;
	case DW_OP_shra:
		r = (uint64_t)(sa >> (b < 64 ? b : 63));
		break;
	case DW_OP_xor:
		r = a ^ b;
		break;
	case DW_OP_eq:
		r = a == b;
		break;
	case DW_OP_ge:
		r = sa >= sb;
		break;
	case DW_OP_gt:
		r = sa > sb;
		break;
	case DW_OP_le:
		r = sa <= sb;
		break;
	case DW_OP_lt:
		r = sa < sb;
		break;
	default:
		r = a != b;
		break;
	}
	return push(m, r);
}

static err unary(machine *m, unsigned op)
{
	uint64_t a = 0;
	TRY(pop(m, &a));
	if (op == DW_OP_abs)
		a = (int64_t)a < 0 ? 0 - a : a;
	else if (op == DW_OP_neg)
		a = 0 - a;
	else
		a = ~a;
	return push(m, a);
}

static err swap(machine *m, size_t n)
{
	if (m->depth < n)
		return bad(m, "stack underflow");
	uint64_t *t = m->s + m->depth, top = t[-1];
	if (n == 2) {
		t[-1] = t[-2];
		t[-2] = top;
	} else { /* rot: the top becomes the third */
		t[-1] = t[-2];
		t[-2] = t[-3];
		t[-3] = top;
	}
	return ERR_OK;
}

/* Where a branch from op i by `by` bytes leads; the end of the expression is a place, too. */
static err branch(machine *m, size_t *i, int16_t by)
{
	/* libdw gives offsets of operations; a branch counts from the one behind it, three bytes on
	 */
	uint64_t to = m->ops[*i].offset + 3 + (uint64_t)(int64_t)by;
	for (size_t k = 0; k < m->n; k++)
		if (m->ops[k].offset == to) {
			*i = k - 1; /* the loop adds one */
			return ERR_OK;
		}
	if (m->n && to > m->ops[m->n - 1].offset) {
		*i = m->n - 1;
		return ERR_OK;
	}
	return bad(m, "a branch into nowhere");
}

static err set_loc(machine *m, dwe_piece p)
{
	if (m->has_loc)
		return bad(m, "two places without a piece between them");
	m->loc = p;
	m->has_loc = true;
	return ERR_OK;
}

/* Ends the current simple location. */
static err piece(machine *m, uint64_t bits, uint64_t from)
{
	dwe_piece p = {0};
	if (m->out.n == DWE_PIECES || bits > 1 << 20 || from > 1 << 20)
		return diag_set(m->d, ERR_LIMIT, "DWARF expression: too many or too large pieces");
	if (m->has_loc) {
		p = m->loc;
	} else if (m->depth) {
		p.kind = DWE_MEM;
		p.v = m->s[--m->depth];
	}
	p.bits = (uint32_t)bits;
	p.bit_from = (uint32_t)from;
	m->out.piece[m->out.n++] = p;
	m->has_loc = false;
	m->depth = 0;
	return ERR_OK;
}

static err from_env(machine *m, err (*fn)(void *u, uint64_t *ret), const char *what)
{
	uint64_t v = 0;
	if (!fn || fn(m->env->u, &v) != ERR_OK)
		return diag_set(m->d, ERR_NOTFOUND, "%s is not known here", what);
	return push(m, v);
}

static err one(machine *m, size_t *i)
{
	const Dwarf_Op *op = &m->ops[*i];
	const dwe_env *e = m->env;
	unsigned a = op->atom;
	uint64_t v = 0;
	const uint8_t *p;
	size_t n;
	if (a >= DW_OP_lit0 && a <= DW_OP_lit31)
		return push(m, a - DW_OP_lit0);
	if (a >= DW_OP_reg0 && a <= DW_OP_reg31)
		return set_loc(m, (dwe_piece){.kind = DWE_REG, .v = a - DW_OP_reg0});
	if (a >= DW_OP_breg0 && a <= DW_OP_breg31) {
		TRY(reg_value(m, a - DW_OP_breg0, &v));
		return push(m, v + op->number);
	}
	switch (a) {
	case DW_OP_nop:
		return ERR_OK;
	case DW_OP_addr:
		return push(m, op->number + e->slide);
	case DW_OP_addrx:
	case DW_OP_GNU_addr_index:
	case DW_OP_constx:
	case DW_OP_GNU_const_index:
		if (!e->addrx || e->addrx(e->u, op, &v) != ERR_OK)
			return bad(m, "an address that is not in the table");
		return push(m, v + (a == DW_OP_addrx || a == DW_OP_GNU_addr_index ? e->slide : 0));
	case DW_OP_const1u:
	case DW_OP_const1s:
	case DW_OP_const2u:
	case DW_OP_const2s:
	case DW_OP_const4u:
	case DW_OP_const4s:
	case DW_OP_const8u:
	case DW_OP_const8s:
	case DW_OP_constu:
	case DW_OP_consts:
		return push(m, op->number);
	case DW_OP_dup:
		return pick(m, 0);
	case DW_OP_over:
		return pick(m, 1);
	case DW_OP_pick:
		return pick(m, op->number);
	case DW_OP_drop:
		return pop(m, &v);
	case DW_OP_swap:
		return swap(m, 2);
	case DW_OP_rot:
		return swap(m, 3);
	case DW_OP_deref:
		return deref(m, 8);
	case DW_OP_deref_size:
		return deref(m, op->number);
	case DW_OP_deref_type:
	case DW_OP_GNU_deref_type:
		return deref(m, op->number);
	case DW_OP_abs:
	case DW_OP_neg:
	case DW_OP_not:
		return unary(m, a);
	case DW_OP_and:
	case DW_OP_div:
	case DW_OP_minus:
	case DW_OP_mod:
	case DW_OP_mul:
	case DW_OP_or:
	case DW_OP_plus:
	case DW_OP_shl:
	case DW_OP_shr:
	case DW_OP_shra:
	case DW_OP_xor:
	case DW_OP_eq:
	case DW_OP_ge:
	case DW_OP_gt:
	case DW_OP_le:
	case DW_OP_lt:
	case DW_OP_ne:
		return binary(m, a);
	case DW_OP_plus_uconst:
		TRY(pop(m, &v));
		return push(m, v + op->number);
	case DW_OP_skip:
		return branch(m, i, (int16_t)op->number);
	case DW_OP_bra:
		TRY(pop(m, &v));
		return v ? branch(m, i, (int16_t)op->number) : ERR_OK;
	case DW_OP_regx:
		return set_loc(m, (dwe_piece){.kind = DWE_REG, .v = op->number});
	case DW_OP_regval_type:
	case DW_OP_GNU_regval_type:
		TRY(reg_value(m, op->number, &v));
		return push(m, v);
	case DW_OP_bregx:
		TRY(reg_value(m, op->number, &v));
		return push(m, v + op->number2);
	case DW_OP_fbreg:
		TRY(from_env(m, e->frame_base ? e->frame_base : NULL, "the frame base"));
		m->s[m->depth - 1] += op->number;
		return ERR_OK;
	case DW_OP_call_frame_cfa:
		return from_env(m, e->cfa, "the frame's address");
	case DW_OP_form_tls_address:
	case DW_OP_GNU_push_tls_address:
		TRY(pop(m, &v));
		if (!e->tls || e->tls(e->u, v, &v) != ERR_OK)
			return diag_set(m->d, ERR_UNSUPPORTED,
				"a thread-local variable whose block is not known");
		return push(m, v);
	case DW_OP_entry_value:
	case DW_OP_GNU_entry_value:
		if (!e->entry_value || e->entry_value(e->u, op, &v) != ERR_OK)
			return diag_set(m->d, ERR_NOTFOUND,
				"the value at entry to the function is not known any more");
		return push(m, v);
	case DW_OP_convert:
	case DW_OP_reinterpret:
	case DW_OP_GNU_convert:
	case DW_OP_GNU_reinterpret:
		return ERR_OK; /* integers of 64 bits or fewer, by far the most */
	case DW_OP_stack_value:
		TRY(pop(m, &v));
		return set_loc(m, (dwe_piece){.kind = DWE_VALUE, .v = v});
	case DW_OP_implicit_value:
		if (!e->implicit || e->implicit(e->u, op, &p, &n) != ERR_OK)
			return bad(m, "a value without bytes");
		return set_loc(m, (dwe_piece){.kind = DWE_BYTES, .p = p, .n = n});
	case DW_OP_piece:
		return piece(m, op->number <= 1 << 17 ? op->number * 8 : UINT64_MAX, 0);
	case DW_OP_bit_piece:
		return piece(m, op->number, op->number2);
	case DW_OP_implicit_pointer:
	case DW_OP_GNU_implicit_pointer:
		return diag_set(m->d, ERR_NOTFOUND, "a pointer to something optimised away");
	default:
		return diag_set(m->d, ERR_UNSUPPORTED, "DWARF operation 0x%x", a);
	}
}

err dwe_eval(const Dwarf_Op *ops, size_t n, const dwe_env *env, dwe_result *ret, diag *d)
{
	machine m; /* stack and pieces stay as they are: zeroing them is most of a simple expression
		    */
	size_t steps = 0;
	m.ops = ops;
	m.n = n;
	m.env = env;
	m.depth = 0;
	m.loc = (dwe_piece){0};
	m.has_loc = false;
	m.out.n = 0;
	m.d = d;
	for (size_t i = 0; i < n; i++) {
		if (++steps > DWE_STEPS)
			return diag_set(d, ERR_LIMIT, "DWARF expression: it does not end");
		TRY(one(&m, &i));
	}
	if (!m.out.n && (m.has_loc || m.depth))
		TRY(piece(&m, 0, 0));
	memcpy(ret->piece, m.out.piece, m.out.n * sizeof *ret->piece);
	ret->n = m.out.n;
	return ERR_OK;
}
