/*
 * dv: the variables in scope at the current instruction, with their places and values (the
 * documentation's page "dv (Display Local Variables)"). Live ranges come from the symbols: what is
 * nowhere at this instruction says so.
 *
 * Registers are those of the current register context and frame.
 */
#include "cmd/types.h"

#include "base/reader.h"

#include <ctype.h>
#include <stdlib.h>

typedef struct dv {
	cmd *c;
	tv v;
	bool kinds, shadowed, types, where, relative, values;
	char sort; /* a A n N z Z, 0: as declared */
	bool has_func;
	uint64_t func;
	str pattern;
	x64_regs regs;
	bool has_regs;
} dv;

typedef struct row {
	const sym_local *l;
	uint64_t addr, size;
	bool has_addr;	      /* in memory */
	const uint8_t *bytes; /* put together from several places */
	const bool *lost;     /* of these bytes */
	size_t n_bytes;
	size_t order;
} row;

static bool reg_value(const dv *x, const char *name, uint64_t *ret)
{
	const x64_reg *r = x64_reg_find(str_of(name));
	if (!x->has_regs || !r || !(x->regs.valid & r->set))
		return false;
	*ret = x64_reg_get(&x->regs, r);
	return true;
}

static err read_mem(void *u, uint64_t addr, void *p, size_t n, size_t *n_ret)
{
	return eng_read(u, addr, p, n, n_ret, NULL);
}

bool dv_place(cmd *c, const sym_local *l, const x64_regs *regs, sym_place *ret)
{
	mem_reader mem = {c->e, read_mem};
	return sym_local_place(c->e->syms, l, regs, &mem, ret, NULL) == ERR_OK;
}

/* A place that has to be worked out. */
static void work_out(const dv *x, row *r)
{
	sym_place p;
	uint64_t v;
	if (!x->has_regs || !dv_place(x->c, r->l, &x->regs, &p))
		return;
	if (p.kind == SYM_PLACE_MEM) {
		r->addr = p.addr;
		r->has_addr = true;
		return;
	}
	if (p.kind == SYM_PLACE_REG) {
		if (!reg_value(x, p.reg, &v))
			return;
		put64(p.bytes, v);
		p.n = 8;
	}
	r->bytes = arena_dup(&x->c->a, p.bytes, p.n);
	r->lost = arena_dup(&x->c->a, p.lost, p.n);
	r->n_bytes = p.n;
}

static row row_of(const dv *x, const sym_local *l, size_t order)
{
	row r = {.l = l, .order = order};
	sym_type_info in;
	uint64_t v;
	if (l->type.file && sym_type_info_get(l->type, &in) == ERR_OK)
		r.size = in.size;
	if (l->loc == SYM_LOC_STATIC) {
		r.addr = l->addr;
		r.has_addr = true;
	} else if (l->loc == SYM_LOC_REGREL && reg_value(x, l->reg, &v)) {
		r.addr = v + (uint64_t)l->off;
		r.has_addr = true;
	} else if (l->loc == SYM_LOC_EXPR) {
		work_out(x, &r);
	}
	return r;
}

/* ---- columns ---- */

static void place(const dv *x, const row *r, buf *b)
{
	size_t width = strlen(out_addr(x->c->e, 0));
	size_t start = b->n;
	if (r->has_addr && x->values)
		buf_addz(b, out_addr(x->c->e, r->addr));
	else if (r->l->loc == SYM_LOC_REG)
		buf_addf(b, "@%s", r->l->reg);
	else if (r->bytes || (r->l->loc == SYM_LOC_EXPR && !x->values))
		buf_addz(b, "<computed>");
	else if (r->l->loc == SYM_LOC_CONST)
		buf_addz(b, "<constant>");
	else if (r->l->loc == SYM_LOC_STATIC)
		buf_addz(b, out_addr(x->c->e, r->l->addr));
	else if (r->l->loc == SYM_LOC_NONE || x->values)
		buf_addz(b, "<unavailable>");
	while (b->n < start + width)
		buf_addc(b, ' ');
	if (x->relative) {
		start = b->n;
		if (r->l->loc == SYM_LOC_REGREL)
			buf_addf(b, " @%s%c0x%04llx", r->l->reg, r->l->off < 0 ? '-' : '+',
				(unsigned long long)(r->l->off < 0 ? -(uint64_t)r->l->off
								   : (uint64_t)r->l->off));
		while (b->n < start + 12)
			buf_addc(b, ' ');
	}
	buf_addc(b, ' ');
}

static void add_value(dv *x, const row *r, buf *b)
{
	uint8_t bytes[8];
	uint64_t v;
	tv at = x->v;
	if (!r->l->type.file) {
		buf_addz(b, "<no type information>");
	} else if (r->has_addr) {
		tv_value(&at, r->l->type, r->addr, b);
	} else if (r->bytes) {
		at.held = r->bytes;
		at.held_n = r->n_bytes;
		at.lost = r->lost;
		tv_value(&at, r->l->type, 0, b);
	} else if (r->l->loc == SYM_LOC_CONST ||
		   (r->l->loc == SYM_LOC_REG && reg_value(x, r->l->reg, &v))) {
		put64(bytes, r->l->loc == SYM_LOC_CONST ? r->l->addr : v);
		at.held = bytes;
		at.held_n = sizeof bytes;
		tv_value(&at, r->l->type, 0, b);
	} else {
		buf_addz(b, "<value unavailable>");
	}
}

static void show(dv *x, const row *r, const row *all, size_t n)
{
	buf b;
	str name = r->l->name;
	buf_init(&b, 1 << 20);
	if (x->shadowed) /* of several with one name the inner one hides the others */
		for (size_t i = 0; i < n; i++)
			if (&all[i] != r && str_eq(all[i].l->name, name) &&
				all[i].order > r->order) {
				name = str_printf(&x->c->a, "%.*s (shadowed @ depth %u)",
					STR_ARG(name), r->l->depth);
				break;
			}
	if (x->kinds)
		buf_addf(&b, "prv %-6s ",
			r->l->param		      ? "param"
			: r->l->loc == SYM_LOC_STATIC ? "static"
						      : "local");
	if (x->where || x->relative)
		place(x, r, &b);
	if (x->types && r->l->type.file) {
		sym_type_text(r->l->type, &b);
		buf_addf(&b, " %.*s", STR_ARG(name));
	} else if (!x->values) {
		buf_adds(&b, name);
	} else {
		buf_addf(&b, "%15.*s", STR_ARG(name));
	}
	if (x->values) {
		buf_addz(&b, " = ");
		add_value(x, r, &b);
	}
	buf_addc(&b, '\n');
	out_str(x->c->e, OUT_NORMAL, buf_str(&b));
	buf_deinit(&b);
}

/* ---- sorting ---- */

static int by_addr(const void *a, const void *b)
{
	const row *x = a, *y = b;
	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

static int by_name(const void *a, const void *b)
{
	const row *x = a, *y = b;
	int r = str_icmp(x->l->name, y->l->name);
	return r ? r : x->order < y->order ? -1 : 1;
}

static int by_size(const void *a, const void *b)
{
	const row *x = a, *y = b;
	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

static void sort_rows(row *r, size_t n, char how)
{
	if (!n || !how)
		return;
	qsort(r, n, sizeof *r,
		tolower(how) == 'a'   ? by_addr
		: tolower(how) == 'n' ? by_name
				      : by_size);
	if (isupper((unsigned char)how))
		for (size_t i = 0; i < n / 2; i++) {
			row t = r[i];
			r[i] = r[n - 1 - i];
			r[n - 1 - i] = t;
		}
}

/* ---- the command ---- */

/* The function's name, which compilers put into it where it is used: nobody wrote that. */
static bool made_name(str name)
{
	return str_eq(name, STR("__func__")) || str_eq(name, STR("__FUNCTION__")) ||
	       str_eq(name, STR("__PRETTY_FUNCTION__"));
}

static err list(dv *x)
{
	engine *e = x->c->e;
	sym_local *l;
	size_t n, k = 0;
	uint64_t ip = x->func;
	if (!e->syms)
		return cmd_fail(x->c, ERR_STATE, "there is no target, so there are no symbols");
	if (x->has_func) {
		TRY(sym_locals_all(e->syms, &x->c->a, ip, &l, &n, &x->c->d));
	} else {
		TRY(eng_regs(e, X64_SET_CONTROL | X64_SET_INTEGER, &x->regs, &x->c->d));
		x->has_regs = true;
		TRY(eng_scope_ip(e, &ip, &x->c->d));
		err e2 = eng_locals(e, &x->c->a, false, &l, &n, &x->c->d);
		if (e2 == ERR_CANCELLED)
			return e2;
		if (e2 != ERR_OK)
			return cmd_fail(x->c, e2,
				"Unable to enumerate locals, Win32 error 0n87\n"
				"Private symbols (symbols.pri) are required for locals: there are "
				"none for %s",
				out_addr(e, ip));
	}
	row *rows = arena_array(&x->c->a, n, sizeof *rows);
	for (size_t i = 0; i < n; i++)
		if (x->pattern.n ? str_wild(x->pattern, l[i].name, true) : !made_name(l[i].name))
			rows[k++] = row_of(x, &l[i], i);
	sort_rows(rows, k, x->sort);
	for (size_t i = 0; i < k; i++) {
		if (cancelled(&e->cancel))
			return cmd_fail(x->c, ERR_CANCELLED, "cancelled");
		show(x, &rows[i], rows, k);
	}
	return ERR_OK;
}

static err flag(dv *x, char f, str *rest)
{
	switch (f) {
	case 'i':
		x->kinds = true;
		return ERR_OK;
	case 'r':
		x->shadowed = true;
		return ERR_OK;
	case 't':
		x->types = true;
		return ERR_OK;
	case 'v':
		x->where = true;
		return ERR_OK;
	case 'V':
		x->where = x->relative = true;
		return ERR_OK;
	case 'a':
	case 'A':
	case 'n':
	case 'N':
	case 'z':
	case 'Z':
		x->sort = f;
		return ERR_OK;
	case 'f':
		TRY(cmd_arg_expr(x->c, rest, &x->func));
		x->has_func = x->where = x->relative = true;
		x->values = false;
		return ERR_OK;
	default:
		return cmd_fail(x->c, ERR_SYNTAX, "dv has no flag /%c", f);
	}
}

err cmd_dv(cmd *c, cmd_call *call)
{
	dv x = {.c = c, .values = true};
	str rest = call->args, sw;
	tv_init(&x.v, c);
	x.v.c_names = true;
	x.v.long_radix = true; /* "always displays long integers in the current number base" */
	while (!x.has_func && cmd_arg_switch(&rest, "/-", &sw))
		for (size_t i = 0; i < sw.n; i++)
			TRY(flag(&x, sw.p[i], &rest));
	rest = str_trim(rest);
	if (rest.n && rest.p[0] == '"')
		TRY(cmd_arg_quoted(c, &rest, false, &x.pattern));
	else if (rest.n)
		x.pattern = str_word(&rest);
	TRY(cmd_arg_end(c, rest));
	return list(&x);
}

err dv_for_x(cmd *c)
{
	dv x = {.c = c, .values = true, .where = true};
	tv_init(&x.v, c);
	x.v.c_names = true;
	return list(&x);
}
