/*
 * pdb_local: variables in scope at an address and the inlined calls around it. See pdb.h.
 *
 * A function's records are walked from its S_xPROC32 to the matching end, keeping a stack of scopes
 * (blocks, inlined calls) of which each is live at the address or not. Invariant: a local is
 * reported only from a chain of live scopes.
 */
#include "fmt/pdb_impl.h"

#include "base/bisect.h"

enum { MAX_SCOPES = 128, MAX_LOCALS = 65536, MAX_ROWS = 65536 };

const char *pdb_reg_name(const pdb *f, uint16_t reg)
{
	return cv_reg_name(reg, f->id.machine);
}

/* ---- inline sites ---- */

static const pdb_inlinee *inlinee(const pdb_lines *m, uint32_t id)
{
	size_t lo = BISECT(i, m->ninl, m->inl[i].id < id);
	return lo < m->ninl && m->inl[lo].id == id ? &m->inl[lo] : NULL;
}

typedef VEC(pdb_row) rows;

static void row_end(rows *v, uint32_t end)
{
	if (v->n && !v->p[v->n - 1].end)
		v->p[v->n - 1].end = end;
}

/*
 * A code offset starts a row and ends the one before. A length alone, which clang writes, ends the
 * row and counts for the next offset (llvm/lib/MC/MCCodeView.cpp). A length with an offset, which
 * Microsoft's compiler writes, does not: taken otherwise, sites of published PDBs pass the end of
 * their function.
 */
size_t pdb_rows(pdb *f, arena *a, uint32_t mod, const cv_inline *site, pdb_row **ret)
{
	const pdb_inlinee *in = inlinee(pdb_lines_of(f, mod), site->inlinee);
	uint32_t code = 0, file = in ? in->file : UINT32_MAX;
	int64_t line = in ? in->line : 0;
	reader r = site->notes;
	cv_note n;
	rows v = {0};
	while (v.n < MAX_ROWS && cv_note_next(&r, &n)) {
		switch (n.op) {
		case CV_BA_FILE:
			file = n.a;
			break;
		case CV_BA_LINE:
			line += n.s;
			break;
		case CV_BA_CODE_OFFSET:
		case CV_BA_CODE_DELTA:
		case CV_BA_CODE_AND_LINE:
			code += n.a;
			line += n.op == CV_BA_CODE_AND_LINE ? n.s : 0;
			row_end(&v, code);
			vec_push(&v, (pdb_row){code, 0, (uint32_t)line, file});
			break;
		case CV_BA_CODE_LENGTH:
			code += n.a;
			row_end(&v, code);
			break;
		case CV_BA_LENGTH_AND_CODE:
			code += n.b;
			row_end(&v, code);
			vec_push(&v, (pdb_row){code, code + n.a, (uint32_t)line, file});
			break;
		default:
			break; /* columns, kinds of ranges */
		}
	}
	row_end(&v, code);
	*ret = arena_dup(a, v.p, v.n * sizeof *v.p);
	size_t count = v.n;
	vec_deinit(&v);
	return count;
}

/* The row that holds off, widened over the rows that touch it. */
static bool row_at(
	const pdb_row *r, size_t n, uint32_t off, size_t *hit, uint32_t *begin, uint32_t *end)
{
	for (size_t i = 0; i < n; i++) {
		if (off < r[i].begin || off >= r[i].end)
			continue;
		size_t lo = i, hi = i;
		while (lo > 0 && r[lo - 1].end == r[lo].begin)
			lo--;
		while (hi + 1 < n && r[hi + 1].begin == r[hi].end)
			hi++;
		*hit = i;
		*begin = r[lo].begin;
		*end = r[hi].end;
		return true;
	}
	return false;
}

/* ---- the walk ---- */

typedef struct scope {
	bool live;
	uint32_t inl; /* inlined call that it belongs to, 0 none */
} scope;

typedef struct walk {
	pdb *f;
	arena *a;
	pdb_sym func;
	uint32_t rva;
	bool all; /* every scope is live */
	scope stack[MAX_SCOPES];
	size_t depth; /* of stack; 0 is the function */
	size_t lost;  /* scopes deeper than the stack */
	VEC(pdb_local) locals;
	VEC(pdb_inline) inlines;
	uint32_t frame_flags;
	uint32_t nparams; /* S_REGREL32 that still are parameters */
	/* the variable whose ranges come now */
	bool open;
	VEC(pdb_piece) pieces;
	bool placed;
} walk;

static bool live(const walk *w)
{
	return !w->lost && w->stack[w->depth].live;
}

static void push(walk *w, bool on, uint32_t inl)
{
	if (w->depth + 1 >= MAX_SCOPES) {
		w->lost++;
		return;
	}
	bool under = live(w);
	w->stack[++w->depth] = (scope){under && on, inl};
}

static void open_block(walk *w, const cv_rec *c)
{
	cv_scope s;
	bool on = w->all;
	uint32_t at;
	if (!on && c->kind == S_BLOCK32 && cv_scope_get(c, &s)) {
		at = pdb_rva(w->f, s.seg, s.off);
		on = at != PDB_NO_RVA && w->rva >= at && w->rva - at < s.size;
	}
	push(w, on, w->stack[w->depth].inl);
}

static void open_site(walk *w, const cv_rec *c)
{
	cv_inline s;
	pdb_row *r;
	size_t hit;
	uint32_t begin, end;
	if (!live(w) || !cv_inline_get(c, &s)) {
		push(w, false, 0);
		return;
	}
	size_t n = pdb_rows(w->f, w->a, w->func.mod, &s, &r);
	bool on = row_at(r, n, w->rva - w->func.rva, &hit, &begin, &end);
	if (!on && w->all && n) {
		on = true;
		hit = 0;
		begin = r[0].begin;
		end = r[0].end;
	}
	if (!on) {
		push(w, false, 0);
		return;
	}
	pdb_inline x = {.id = pdb_item_id(w->f, w->func.mod, s.inlinee),
		.line = r[hit].line,
		.begin = w->func.rva + begin,
		.end = w->func.rva + end,
		.scope = {"", 0},
		.name = {"", 0}};
	if (pdb_func_id(w->f, x.id, &x.scope, &x.name, &x.type) != ERR_OK)
		x.type = 0;
	x.file = pdb_file_at(w->f, pdb_lines_of(w->f, w->func.mod), r[hit].file, NULL);
	vec_push(&w->inlines, x);
	push(w, true, (uint32_t)w->inlines.n);
}

/* ---- variables ---- */

static void close_local(walk *w)
{
	if (w->open && w->pieces.n) {
		pdb_local *l = &w->locals.p[w->locals.n - 1];
		l->pieces = arena_dup(w->a, w->pieces.p, w->pieces.n * sizeof *w->pieces.p);
		l->npieces = w->pieces.n;
	}
	w->pieces.n = 0;
	w->open = w->placed = false;
}

static pdb_local *add(walk *w, str name, uint32_t type)
{
	close_local(w);
	if (!live(w) || w->locals.n >= MAX_LOCALS)
		return NULL;
	pdb_local l = {.name = name,
		.type = type,
		.end = UINT32_MAX,
		.depth = (uint32_t)w->depth,
		.inl = w->stack[w->depth].inl};
	vec_push(&w->locals, l);
	return &w->locals.p[w->locals.n - 1];
}

/* Registers of S_BPREL32, which names none. */
static uint16_t base_reg(const walk *w)
{
	return w->f->id.machine == 0x8664   ? CV_AMD64_RBP
	       : w->f->id.machine == 0xaa64 ? CV_ARM64_FP
					    : CV_X86_EBP;
}

static void add_rel(walk *w, const cv_rel *v, uint16_t kind)
{
	pdb_local *l = add(w, v->name, v->type);
	if (!l)
		return;
	l->loc = kind == S_REGISTER	    ? PDB_LOC_REG
		 : kind == S_REGREL32_INDIR ? PDB_LOC_INDIR
					    : PDB_LOC_REGREL;
	l->reg = kind == S_BPREL32 ? base_reg(w) : v->reg;
	l->off = v->off;
	l->inner = v->inner;
	/* These records do not tell parameters; they come first, in the order of the type. */
	if (!l->depth && w->nparams) {
		l->param = true;
		w->nparams--;
	}
}

/* Does the range hold rva, and what piece of code around it? */
static bool holds(walk *w, const cv_range *x, uint32_t *begin, uint32_t *end)
{
	*begin = 0;
	*end = UINT32_MAX;
	if (x->full_scope)
		return true;
	uint32_t from = pdb_rva(w->f, x->seg, x->begin);
	if (from == PDB_NO_RVA || w->rva < from || w->rva - from >= x->len)
		return false;
	uint32_t off = w->rva - from, lo = 0, hi = x->len;
	reader g = x->gaps;
	while (rd_left(&g) >= 4) {
		uint32_t gap = rd_u16(&g), len = rd_u16(&g);
		if (off >= gap && off - gap < len)
			return false;
		if (gap + len <= off && gap + len > lo)
			lo = gap + len;
		if (gap > off && gap < hi)
			hi = gap;
	}
	*begin = from + lo;
	*end = from + hi;
	return true;
}

static void add_range(walk *w, const cv_range *x)
{
	uint32_t begin, end;
	if (!w->open || !w->locals.n || (x->where == CV_PROGRAM && !x->part))
		return; /* a program alone says no more than no range at all */
	pdb_local *l = &w->locals.p[w->locals.n - 1];
	bool here = holds(w, x, &begin, &end);
	/* Without an address that counts, any place is better than none. */
	if (!here && !(w->all && l->loc == PDB_LOC_NONE && !w->pieces.n))
		return;
	if (!here) {
		begin = pdb_rva(w->f, x->seg, x->begin);
		end = begin == PDB_NO_RVA ? begin : begin + x->len;
	} else if (w->placed && !x->part) {
		return; /* the first of several wins */
	}
	uint16_t reg = x->where == CV_FRAME
			       ? cv_frame_reg(w->frame_flags, l->param, w->f->id.machine)
			       : x->reg;
	pdb_loc loc = x->where == CV_REG     ? PDB_LOC_REG
		      : x->where == CV_INDIR ? PDB_LOC_INDIR
		      : reg		     ? PDB_LOC_REGREL
					     : PDB_LOC_NONE;
	if (x->part) {
		vec_push(&w->pieces, (pdb_piece){x->part_off, loc, reg, x->off, x->inner});
		return;
	}
	w->placed |= here;
	l->loc = loc;
	l->reg = reg;
	l->off = x->off;
	l->inner = x->inner;
	l->begin = begin;
	l->end = end;
}

static void variable(walk *w, const cv_rec *c)
{
	cv_local v;
	cv_rel rel;
	cv_range range;
	cv_data data;
	cv_const k;
	pdb_local *l;
	if (cv_range_get(c, &range)) {
		add_range(w, &range);
	} else if (cv_local_get(c, &v)) {
		l = add(w, v.name, v.type);
		if (l)
			l->param = v.flags & CV_LOCAL_PARAM;
		w->open = l != NULL;
	} else if (cv_rel_get(c, &rel)) {
		add_rel(w, &rel, c->kind);
	} else if (cv_data_get(c, &data)) {
		l = add(w, data.name, data.type);
		if (l) {
			l->loc = cv_is_thread(c->kind) ? PDB_LOC_TLS : PDB_LOC_STATIC;
			l->rva = pdb_rva(w->f, data.seg, data.off);
			l->off = (int32_t)data.off;
		}
	} else if (cv_const_get(c, &k)) {
		l = add(w, k.name, k.type);
		if (l) {
			l->loc = PDB_LOC_CONST;
			l->value = k.value;
		}
	} else {
		close_local(w);
	}
}

static uint32_t count_params(pdb *f, uint32_t type)
{
	pdb_type t;
	uint32_t n = 0, arg;
	if (pdb_type_get(f, type, &t) != ERR_OK || (t.kind != PDB_T_FUNC && t.kind != PDB_T_METHOD))
		return 0;
	while (n < t.count && pdb_type_arg(f, type, n, &arg) == ERR_OK && arg)
		n++;
	return n + (t.kind == PDB_T_METHOD && t.this_type != 0);
}

static err run(walk *w)
{
	pdb_iter it = pdb_iter_at(
		w->f, w->f->mods[w->func.mod].stream, w->func.at, w->f->mods[w->func.mod].sym_size);
	cv_rec c;
	cv_frameproc fp;
	if (!pdb_iter_next(&it, &c) || !cv_is_proc(c.kind))
		return ERR_CORRUPT;
	w->stack[0] = (scope){true, 0};
	w->nparams = count_params(w->f, w->func.type);
	while (pdb_iter_next(&it, &c)) {
		if (cv_closes(c.kind)) {
			close_local(w);
			if (w->lost)
				w->lost--;
			else if (!w->depth--)
				return ERR_OK;
		} else if (c.kind == S_INLINESITE || c.kind == S_INLINESITE2) {
			close_local(w);
			open_site(w, &c);
		} else if (cv_opens(c.kind)) {
			close_local(w);
			open_block(w, &c);
		} else if (cv_frameproc_get(&c, &fp)) {
			w->frame_flags = fp.flags;
		} else {
			variable(w, &c);
		}
	}
	close_local(w);
	return it.bad ? ERR_CORRUPT : ERR_OK;
}

static void done(walk *w)
{
	vec_deinit(&w->locals);
	vec_deinit(&w->inlines);
	vec_deinit(&w->pieces);
}

static err locals(walk *w, pdb_local **ret, size_t *n_ret)
{
	err e = run(w);
	if (e == ERR_OK || w->locals.n) {
		*ret = arena_dup(w->a, w->locals.p, w->locals.n * sizeof *w->locals.p);
		*n_ret = w->locals.n;
		e = ERR_OK;
	}
	done(w);
	return e;
}

err pdb_locals_at(pdb *f, arena *a, uint32_t rva, pdb_local **ret, size_t *n_ret)
{
	walk w = {.f = f, .a = a, .rva = rva};
	TRY(pdb_func_at(f, rva, &w.func));
	return locals(&w, ret, n_ret);
}

err pdb_locals_all(pdb *f, arena *a, const pdb_sym *func, pdb_local **ret, size_t *n_ret)
{
	walk w = {.f = f, .a = a, .rva = func->rva, .func = *func, .all = true};
	if (func->mod >= f->nmods || func->kind != PDB_FUNC)
		return ERR_ARG;
	return locals(&w, ret, n_ret);
}

err pdb_inlines_at(pdb *f, arena *a, uint32_t rva, pdb_inline **ret, size_t *n_ret)
{
	walk w = {.f = f, .a = a, .rva = rva};
	TRY(pdb_func_at(f, rva, &w.func));
	err e = run(&w);
	if (e == ERR_OK && !w.inlines.n)
		e = ERR_NOTFOUND;
	if (w.inlines.n) {
		*ret = arena_dup(a, w.inlines.p, w.inlines.n * sizeof *w.inlines.p);
		*n_ret = w.inlines.n;
		e = ERR_OK;
	}
	done(&w);
	return e;
}
