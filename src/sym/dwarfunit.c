/*
 * dwarfunit: units by address, their functions and scopes, and the small questions about single
 * entries. A unit is walked once, when something in it is asked for: its top level, namespaces and
 * classes, never the bodies of functions.
 */
#include "sym/dwarf.h"

#include "base/bisect.h"

#include <stdlib.h>

/* ---- entries ---- */

/* Go writes locations as blocks, which libdw takes in version 2 and 3 only. Short blocks have the
 * bytes of an expression. */
static void block_as_expr(Dwarf_Attribute *a)
{
	bool where = a->code == DW_AT_location || a->code == DW_AT_frame_base ||
		     a->code == DW_AT_data_member_location;
	if (where && (a->form == DW_FORM_block ||
			     (a->form == DW_FORM_block1 && a->valp && *a->valp < 0x80)))
		a->form = DW_FORM_exprloc;
}

bool dwf_attr(Dwarf_Die *die, unsigned at, Dwarf_Attribute *ret)
{
	if (!dwarf_attr_integrate(die, at, ret))
		return false;
	block_as_expr(ret);
	return true;
}

bool dwf_flag(Dwarf_Die *die, unsigned at)
{
	Dwarf_Attribute a;
	bool b = false;
	return dwarf_attr(die, at, &a) && !dwarf_formflag(&a, &b) && b;
}

bool dwf_ref(Dwarf_Die *die, unsigned at, Dwarf_Die *ret)
{
	Dwarf_Attribute a;
	return dwarf_attr(die, at, &a) && dwarf_formref_die(&a, ret);
}

bool dwf_type_ref(dwf *x, Dwarf_Attribute *a, Dwarf_Die *ret)
{
	return dwarf_formref_die(a, ret) || (x->has_dwp && dwarf_whatform(a) == DW_FORM_ref_sig8 &&
						    a->valp && dwf_dwp_type(x, le64(a->valp), ret));
}

bool dwf_haspc(Dwarf_Die *die, uint64_t pc, uint64_t fix)
{
	return dwarf_haspc(die, pc) == 1 || (fix && pc >= fix && dwarf_haspc(die, pc - fix) == 1);
}

bool dwf_loc(Dwarf_Attribute *a, uint64_t pc, uint64_t fix, Dwarf_Op **ops, size_t *n)
{
	return dwarf_getlocation_addr(a, pc, ops, n, 1) > 0 ||
	       (fix && pc >= fix && dwarf_getlocation_addr(a, pc - fix, ops, n, 1) > 0);
}

bool dwf_addr_of(Dwarf_Attribute *attr, const Dwarf_Op *op, uint64_t *ret)
{
	Dwarf_Attribute a;
	Dwarf_Addr v;
	if (op->atom == DW_OP_addr) {
		*ret = op->number;
		return true;
	}
	if (op->atom != DW_OP_addrx && op->atom != DW_OP_GNU_addr_index)
		return false;
	if (dwarf_getlocation_attr(attr, op, &a) || dwarf_formaddr(&a, &v))
		return false;
	*ret = v;
	return true;
}

const char *dwf_name(Dwarf_Die *die)
{
	return dwarf_diename(die);
}

/* ---- units ---- */

static dwunit *unit_new(dwf *x, Dwarf_Die *skel, Dwarf_Die *die)
{
	dwunit *u = arena_new(&x->a, dwunit);
	u->skel = *skel;
	u->die = *die;
	Dwarf_Attribute a;
	u->comp_dir = dwarf_attr(skel, DW_AT_comp_dir, &a) ? dwarf_formstring(&a) : NULL;
	if (!u->comp_dir)
		u->comp_dir = "";
	Dwarf_Word lang = 0;
	if (dwarf_attr(die, DW_AT_language, &a))
		dwarf_formudata(&a, &lang);
	u->scoped = lang != DW_LANG_C && lang != DW_LANG_C89 && lang != DW_LANG_C99 &&
		    lang != DW_LANG_C11 && lang != DW_LANG_Mips_Assembler;
	map_set(&x->units, (uint64_t)(uintptr_t)skel->addr, u);
	map_set(&x->units, (uint64_t)(uintptr_t)die->addr, u);
	vec_push(&x->all_units, u);
	return u;
}

/* The unit that begins with this DIE of the program, with what its .dwo file has. */
static dwunit *unit_get(dwf *x, Dwarf_Die *skel)
{
	dwunit *u = map_get(&x->units, (uint64_t)(uintptr_t)skel->addr);
	if (u)
		return u;
	Dwarf_Die sub = {0};
	uint8_t type = 0;
	uint64_t id = 0;
	if (dwarf_cu_info(skel->cu, NULL, &type, NULL, &sub, &id, NULL, NULL) ||
		type != DW_UT_skeleton)
		sub.addr = NULL;
	bool packed = type == DW_UT_skeleton && x->has_dwp;
	if (packed && !dwf_dwp_unit(x, skel, id, &sub))
		sub.addr = NULL;
	u = unit_new(x, skel, sub.addr ? &sub : skel);
	Dwarf_Addr base;
	if (packed && sub.addr && !dwarf_lowpc(skel, &base))
		u->fix = base;
	return u;
}

dwunit *dwf_unit_of(dwf *x, Dwarf_Die *die)
{
	Dwarf_Die cu;
	if (!dwarf_diecu(die, &cu, NULL, NULL))
		return NULL;
	dwunit *u = map_get(&x->units, (uint64_t)(uintptr_t)cu.addr);
	if (u)
		return u;
	return dwarf_cu_getdwarf(cu.cu) == x->main.dbg ? unit_get(x, &cu) : unit_new(x, &cu, &cu);
}

void dwf_units_free(dwf *x)
{
	for (size_t i = 0; i < x->all_units.n; i++) {
		dwunit *u = x->all_units.p[i];
		vec_deinit(&u->funcs);
		vec_deinit(&u->scopes);
		vec_deinit(&u->rows);
	}
	vec_deinit(&x->all_units);
	map_deinit(&x->units);
	map_deinit(&x->units_by_prog);
}

/* ---- by address ---- */

static bool unit_die_at(dwf *x, Dwarf_Off off, dwunit **ret)
{
	Dwarf_Die die;
	if (!dwarf_offdie(x->main.dbg, off, &die))
		return false;
	*ret = unit_get(x, &die);
	return true;
}

static bool by_aranges(dwf *x, uint64_t vaddr, dwunit **ret)
{
	if (!x->aranges_read) {
		x->aranges_read = true;
		if (x->main.secs.aranges.n &&
			dwarf_getaranges(x->main.dbg, &x->aranges, &x->n_aranges))
			x->aranges = NULL;
	}
	Dwarf_Arange *r = x->aranges ? dwarf_getarange_addr(x->aranges, vaddr) : NULL;
	Dwarf_Off cu;
	return r && !dwarf_getarangeinfo(r, NULL, NULL, &cu) && unit_die_at(x, cu, ret);
}

err dwf_unit_at(dwf *x, uint64_t vaddr, dwunit **ret)
{
	dwx *ix = NULL;
	uint64_t cu;
	bool done = atomic_load_explicit(&x->done, memory_order_acquire);
	if (!done && by_aranges(x, vaddr, ret))
		return ERR_OK;
	err e = dwf_index(x, &ix);
	if (e == ERR_CANCELLED)
		return e;
	if (e != ERR_OK)
		return by_aranges(x, vaddr, ret) ? ERR_OK : ERR_NOTFOUND;
	TRY(dwx_cu_at(ix, vaddr, NULL, &cu));
	return unit_die_at(x, cu, ret) ? ERR_OK : ERR_CORRUPT;
}

/* ---- inside of a unit ---- */

static void add_funcs(dwunit *u, Dwarf_Die *die)
{
	Dwarf_Addr base, lo, hi;
	ptrdiff_t off = 0;
	for (int i = 0; i < 1024 && (off = dwarf_ranges(die, off, &base, &lo, &hi)) > 0; i++)
		if (hi > lo && u->funcs.n < DWF_FUNCS_MAX) {
			dwfunc f = {lo, hi, *die};
			vec_push(&u->funcs, f);
		}
}

static bool is_scope(unsigned tag)
{
	return tag == DW_TAG_namespace || tag == DW_TAG_class_type ||
	       tag == DW_TAG_structure_type || tag == DW_TAG_union_type || tag == DW_TAG_module ||
	       tag == DW_TAG_enumeration_type || tag == DW_TAG_interface_type;
}

/* clang's stub of a class that stands in a type unit has a signature, but no name. */
static const char *scope_name(dwf *x, Dwarf_Die *die)
{
	Dwarf_Attribute a;
	Dwarf_Die type;
	const char *name = dwf_name(die);
	return name ? name
	       : dwarf_attr(die, DW_AT_signature, &a) && dwf_type_ref(x, &a, &type)
		       ? dwf_name(&type)
		       : NULL;
}

static void walk(dwf *x, dwunit *u, Dwarf_Die *parent, uint32_t scope, Dwarf_Off end, int depth)
{
	Dwarf_Die die;
	if (depth > DWF_SCOPE_DEPTH || dwarf_child(parent, &die))
		return;
	for (bool more = true; more;) {
		Dwarf_Die next;
		int tag = dwarf_tag(&die);
		more = !dwarf_siblingof(&die, &next);
		Dwarf_Off to = more ? dwarf_dieoffset(&next) : end;
		if (tag == DW_TAG_subprogram) {
			add_funcs(u, &die);
		} else if (tag > 0 && is_scope((unsigned)tag) && u->scoped &&
			   dwarf_haschildren(&die) > 0) {
			const char *name = scope_name(x, &die);
			dwscope s = {.begin = dwarf_dieoffset(&die),
				.end = to,
				.parent = scope,
				.name = name ? name : "",
				.anon = !name};
			if (!name && tag == DW_TAG_namespace)
				s.name = "(anonymous namespace)";
			else if (!name)
				s.name = "<unnamed-tag>";
			vec_push(&u->scopes, s);
			walk(x, u, &die, (uint32_t)u->scopes.n, to, depth + 1);
		} else if (tag == DW_TAG_module && dwarf_haschildren(&die) > 0) {
			walk(x, u, &die, scope, to, depth + 1);
		}
		die = next;
	}
}

static int by_lo(const void *a, const void *b)
{
	const dwfunc *f = a, *g = b;
	return f->lo < g->lo ? -1 : f->lo > g->lo;
}

static void dwf_unit_funcs(dwf *x, dwunit *u)
{
	if (u->walked)
		return;
	u->walked = true;
	walk(x, u, &u->die, 0, UINT64_MAX, 0);
	if (u->funcs.n)
		qsort(u->funcs.p, u->funcs.n, sizeof *u->funcs.p, by_lo);
}

static bool func_around(const dwunit *u, uint64_t vaddr, dwfunc *ret)
{
	size_t lo = BISECT(i, u->funcs.n, u->funcs.p[i].lo <= vaddr);
	for (int i = 0; i < 8 && lo > 0; i++, lo--)
		if (vaddr < u->funcs.p[lo - 1].hi) {
			*ret = u->funcs.p[lo - 1];
			return true;
		}
	return false;
}

/* Functions whose entries lie in other functions: gcc's lambdas, members of local classes, nested
 * functions, contained procedures of Fortran. */
static void walk_nested(dwunit *u, Dwarf_Die *parent, bool in_func, int depth)
{
	Dwarf_Die die;
	if (depth > DWF_SCOPE_DEPTH || dwarf_child(parent, &die))
		return;
	do {
		int tag = dwarf_tag(&die);
		bool func = tag == DW_TAG_subprogram;
		if (func && in_func)
			add_funcs(u, &die);
		if (func || tag == DW_TAG_lexical_block || tag == DW_TAG_try_block ||
			tag == DW_TAG_catch_block || (tag > 0 && is_scope((unsigned)tag)))
			walk_nested(u, &die, in_func || func, depth + 1);
	} while (!dwarf_siblingof(&die, &die));
}

err dwf_func_die(dwf *x, uint64_t vaddr, dwunit **ret_unit, dwfunc *ret)
{
	dwunit *u;
	TRY(dwf_unit_at(x, vaddr, &u));
	dwf_unit_funcs(x, u);
	if (!func_around(u, vaddr, ret)) {
		if (u->nested)
			return ERR_NOTFOUND;
		u->nested = true; /* the bodies of a unit are only read for an address of none */
		walk_nested(u, &u->die, false, 0);
		if (u->funcs.n)
			qsort(u->funcs.p, u->funcs.n, sizeof *u->funcs.p, by_lo);
		if (!func_around(u, vaddr, ret))
			return ERR_NOTFOUND;
	}
	*ret_unit = u;
	return ERR_OK;
}

/* ---- names with their scopes ---- */

static void add_scope(const dwunit *u, uint32_t scope, buf *out, int depth)
{
	if (!scope || depth > DWF_SCOPE_DEPTH)
		return;
	const dwscope *s = &u->scopes.p[scope - 1];
	add_scope(u, s->parent, out, depth + 1);
	buf_addz(out, s->name);
	buf_addz(out, "::");
}

/* The innermost scope around an offset, as index + 1. */
static uint32_t scope_at(const dwunit *u, Dwarf_Off off)
{
	size_t lo = BISECT(i, u->scopes.n, u->scopes.p[i].begin < off);
	uint32_t s = (uint32_t)lo;
	for (int i = 0; s && i < DWF_SCOPE_DEPTH && off >= u->scopes.p[s - 1].end; i++)
		s = u->scopes.p[s - 1].parent;
	return s && off < u->scopes.p[s - 1].end ? s : 0;
}

bool dwf_qualified(dwf *x, Dwarf_Die *die, buf *out)
{
	const char *name = scope_name(x, die);
	Dwarf_Die at = *die, next;
	/* the declaration stands in the class; a copy of an inlined function names its original */
	for (int i = 0; i < DWF_CHAIN_MAX; i++) {
		if (!dwf_ref(&at, DW_AT_abstract_origin, &next) &&
			!dwf_ref(&at, DW_AT_specification, &next))
			break;
		at = next;
	}
	dwunit *u = dwf_unit_of(x, &at);
	if (u && u->scoped) {
		dwf_unit_funcs(x, u);
		add_scope(u, scope_at(u, dwarf_dieoffset(&at)), out, 0);
	}
	buf_addz(out, name ? name : "<unnamed-tag>");
	return name != NULL;
}

/* ---- entries of the index ---- */

static bool skeleton_split(dwf *x, uint64_t cu, Dwarf_Die *split)
{
	Dwarf_Off next;
	size_t header;
	Dwarf_Half version;
	Dwarf_Die die;
	if (dwarf_next_unit(
		    x->main.dbg, cu, &next, &header, &version, NULL, NULL, NULL, NULL, NULL) ||
		!dwarf_offdie(x->main.dbg, cu + header, &die))
		return false;
	dwunit *u = unit_get(x, &die);
	*split = u->die;
	return u->die.addr != u->skel.addr;
}

bool dwf_entry_die(dwf *x, const dwx_entry *e, Dwarf_Die *ret)
{
	if (!e->part) {
		if (e->where == DWX_IN_TYPES)
			return dwarf_offdie_types(x->main.dbg, e->die, ret) != NULL;
		Dwarf *dbg = e->where == DWX_IN_ALT ? x->alt.dbg : x->main.dbg;
		return dbg && dwarf_offdie(dbg, e->die, ret) != NULL;
	}
	if (x->has_dwp)
		return dwf_dwp_entry(x, e->die, e->where == DWX_IN_TYPES, ret);
	Dwarf_Die split;
	if (e->part > x->n_dwos || !skeleton_split(x, x->dwo_cu[e->part - 1], &split))
		return false;
	Dwarf *dbg = dwarf_cu_getdwarf(split.cu);
	if (e->where == DWX_IN_TYPES)
		return dbg && dwarf_offdie_types(dbg, e->die, ret) != NULL;
	return dbg && dwarf_offdie(dbg, e->die, ret) != NULL;
}

/* ---- functions for everybody ---- */

err dwf_func(dwf *x, uint32_t rva, sym_rec *ret, str *name)
{
	dwunit *u;
	dwfunc f;
	TRY(dwf_func_die(x, x->base + rva, &u, &f));
	if (f.lo < x->base || f.hi - x->base > SYM_NO_RVA)
		return ERR_NOTFOUND;
	*ret = (sym_rec){.kind = SYM_K_FUNC,
		.code = true,
		.is_static = !dwf_flag(&f.die, DW_AT_external),
		.rva = (uint32_t)(f.lo - x->base),
		.size = f.hi - f.lo,
		.type = dwf_type_id(x, &f.die)};
	uint64_t end = dwf_prolog_end(x, u, &f);
	if (end > f.lo && end < f.hi)
		ret->prolog = (uint32_t)(end - f.lo);
	buf b;
	buf_init(&b, 65536);
	dwf_qualified(x, &f.die, &b);
	*name = str_dup(&x->f->names, buf_str(&b));
	buf_deinit(&b);
	return ERR_OK;
}
