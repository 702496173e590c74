/*
 * dwarf_index_scan: one unit, front to back. Its tree is walked only where names are: units,
 * namespaces, classes, enumerations. Functions' bodies are jumped over by DW_AT_sibling (gcc) or
 * passed DIE by DIE (clang); so are structures of C, which hold no names of their own.
 *
 *   level of the tree     what is collected there
 *   unit, namespace       everything
 *   class, struct, union  types and enumerators in it, functions and variables with an address
 *   enum                  its enumerators; they belong to the scope around it unless it is scoped
 *
 * Spans remember which bytes of the unit belong to which scope, so that a definition elsewhere in
 * the unit that refers to a declaration gets the declaration's scope without a table of all DIEs.
 */
#include "fmt/dwarf_index_impl.h"

#include "base/bisect.h"

#include <stdlib.h>

enum { CHAIN_MAX = 16, POLL_EVERY = 65536 };

typedef struct level {
	uint32_t scope, span;
	bool enumeration, cls;
	uint32_t enum_scope;
} level;

typedef struct walk {
	dwx_builder *b;
	dwx_unit *u;
	const dwx_abbrevs *t;
	bool collect;
	bool c_like;	     /* structures hold no names */
	bool asks_functions; /* the unit does not tell where its code is */
	level stack[DWX_DEPTH_MAX];
	size_t depth;
	uint32_t count;
} walk;

static bool poll(walk *w)
{
	return !(++w->count & (POLL_EVERY - 1)) && dwx_poll(w->b);
}

static inline uint64_t get_code(const dwx_unit *u, uint64_t *pos)
{
	uint8_t c = u->sect.p[*pos];
	if (c < 0x80) {
		(*pos)++;
		return c;
	}
	return dwx_uleb(u->sect.p, u->end, pos);
}

/* pos behind all children of the DIE whose first child is at pos. */
static uint64_t pass_children(walk *w, uint64_t pos)
{
	const dwx_unit *u = w->u;
	const dwx_ab *tab = w->t->ab;
	size_t depth = 1, n_ab = w->t->n;
	while (pos < u->end) {
		uint64_t code = get_code(u, &pos);
		if (!code) {
			if (!--depth)
				return pos;
			continue;
		}
		if (code >= n_ab)
			return UINT64_MAX;
		const dwx_ab *ab = &tab[code];
		if (ab->fl & AB_SIMPLE) {
			pos += ab->fixed;
			depth += ab->fl & AB_CHILDREN;
		} else {
			uint64_t sibling;
			if (!(ab->fl & AB_VALID) || pos > u->end)
				return UINT64_MAX;
			pos = dwx_pass(w->t, u, ab->skip, pos, &sibling);
			if (pos > u->end)
				return UINT64_MAX;
			if (sibling)
				pos = sibling;
			else
				depth += ab->fl & AB_CHILDREN;
		}
		if (poll(w))
			return UINT64_MAX;
	}
	/* Producers may leave out the ends of the last lists. */
	return pos == u->end ? pos : UINT64_MAX;
}

/* ---- names ---- */

static uint64_t name_at(const dwx_unit *u, dwx_sel sel, uint64_t off)
{
	return (off & OFF_MASK) | (uint64_t)sel << SEL_SHIFT | (uint64_t)u->part << NPART_SHIFT;
}

/* The name word of a string attribute; 0-length and unreadable ones are found later. */
static bool string_of(const dwx_unit *u, uint8_t form, uint64_t v, uint64_t *ret)
{
	bool alt = u->where == DWX_IN_ALT;
	if (v > OFF_MASK)
		return false;
	switch (form) {
	case 0x08:
		*ret = name_at(u,
			alt			   ? SEL_ALT_INFO
			: u->where == DWX_IN_TYPES ? SEL_TYPES
						   : SEL_INFO,
			v);
		return true;
	case 0x0e:
		*ret = name_at(u, alt ? SEL_ALT_STR : SEL_STR, v);
		return true;
	case 0x1f:
		*ret = name_at(u, alt ? SEL_ALT_LINE_STR : SEL_LINE_STR, v);
		return true;
	case 0x1d:
	case FORM_GNU_strp_alt:
		*ret = name_at(u, SEL_ALT_STR, v);
		return true;
	case 0x1a:
	case 0x25:
	case 0x26:
	case 0x27:
	case 0x28:
	case FORM_GNU_str_index:
		return dwx_unit_str(u, v, ret);
	default:
		return false;
	}
}

static bool name_of(dwx_builder *b, const dwx_unit *u, const dwx_vals *v, uint64_t *ret)
{
	if (!HAS(v, SLOT_NAME) || !string_of(u, v->form[SLOT_NAME], v->v[SLOT_NAME], ret))
		return false;
	if (v->form[SLOT_NAME] == 0x08 || u->part) /* the linker merged the others */
		*ret = dwx_name_put(b, *ret);
	return true;
}

/* ---- references ---- */

typedef struct place {
	dwx_where where;
	uint64_t off;
} place;

static bool place_of(const dwx_unit *u, uint8_t form, uint64_t v, place *ret)
{
	switch (form) {
	case 0x11:
	case 0x12:
	case 0x13:
	case 0x14:
	case 0x15:
		if (v >= u->end - u->off)
			return false;
		*ret = (place){u->where, u->off + v};
		return true;
	case 0x10:
		*ret = (place){u->where == DWX_IN_ALT ? DWX_IN_ALT : DWX_IN_INFO, v};
		return true;
	case 0x1c:
	case 0x24:
	case FORM_GNU_ref_alt:
		*ret = (place){DWX_IN_ALT, v};
		return true;
	default:
		return false;
	}
}

/* The innermost scope whose span holds off. */
static uint32_t scope_at(const dwx_builder *b, uint64_t off)
{
	size_t lo = BISECT(i, b->spans.n, b->spans.p[i].begin <= off);
	/* Spans nest: walk outwards. */
	for (uint32_t i = (uint32_t)lo; i;) {
		const dwx_span *s = &b->spans.p[i - 1];
		if (!s->end || off < s->end)
			return s->scope;
		i = s->parent;
	}
	return 0;
}

typedef enum found { FOUND, ELSEWHERE, NOWHERE } found;

typedef struct target {
	uint64_t name, w2; /* flags that the declaration adds */
	uint32_t scope;
	place at; /* ELSEWHERE: where to go on */
} target;

/* Follows references inside of one unit to the declaration that has a name. Spans must be complete
 * up to there: `upto` is the first position that they do not cover. */
static found follow(dwx_builder *b, const dwx_unit *u, const dwx_abbrevs *t, place at,
	uint64_t upto, target *ret)
{
	ret->w2 = 0;
	for (int i = 0; i < CHAIN_MAX; i++) {
		dwx_vals v;
		ret->at = at;
		if (at.where != u->where || at.off < u->die || at.off >= u->end || at.off >= upto)
			return ELSEWHERE;
		uint64_t pos = at.off, code = get_code(u, &pos);
		if (pos > u->end || code >= t->n || !(t->ab[code].fl & AB_VALID) ||
			t->ab[code].cls == CLS_SKIP || t->ab[code].cls == CLS_UNIT)
			return NOWHERE;
		if (dwx_take(t, u, t->ab[code].take, pos, &v) == UINT64_MAX)
			return NOWHERE;
		if (HAS(&v, SLOT_EXTERNAL) && v.v[SLOT_EXTERNAL])
			ret->w2 |= F_EXTERNAL;
		int slot = HAS(&v, SLOT_SPEC) ? SLOT_SPEC : HAS(&v, SLOT_ORIGIN) ? SLOT_ORIGIN : -1;
		if (slot < 0) {
			ret->scope = scope_at(b, at.off);
			return name_of(b, u, &v, &ret->name) ? FOUND : NOWHERE;
		}
		if (!place_of(u, v.form[slot], v.v[slot], &at))
			return NOWHERE;
	}
	return NOWHERE;
}

void dwx_pend_resolve(dwx_builder *b, const dwx_unit *u, dwx_pend *p)
{
	const dwx_abbrevs *t = dwx_abbrevs_get(&b->abbrevs, u);
	target to;
	found f = t ? follow(b, u, t, (place){p->where, p->target}, UINT64_MAX, &to) : NOWHERE;
	if (f == FOUND)
		dwx_put(b, p->w0, to.name, p->w2 | to.w2, to.scope);
	else if (f == ELSEWHERE && (to.at.where != p->where || to.at.off != p->target)) {
		p->where = to.at.where;
		p->target = to.at.off;
		p->w2 |= to.w2;
		return;
	}
	p->target = UINT64_MAX;
}

/* ---- the kinds of entries ---- */

static uint64_t word2(const walk *w, uint64_t die, unsigned kind_bit)
{
	return (die & OFF_MASK) | (uint64_t)w->u->part << PART_SHIFT |
	       (uint64_t)kind_bit << KIND_SHIFT | (uint64_t)w->u->where << WHERE_SHIFT;
}

static bool flag(const dwx_vals *v, dwx_slot slot)
{
	return HAS(v, slot) && v->v[slot];
}

/* Adds something that has a name of its own or refers to one that has. */
static void define(
	walk *w, const dwx_vals *v, uint64_t w0, uint64_t w2, uint32_t scope, uint64_t upto)
{
	dwx_builder *b = w->b;
	int slot = HAS(v, SLOT_SPEC) ? SLOT_SPEC : HAS(v, SLOT_ORIGIN) ? SLOT_ORIGIN : -1;
	target to = {.scope = scope};
	place at;
	found f = FOUND;
	if (slot >= 0 && place_of(w->u, v->form[slot], v->v[slot], &at)) {
		f = follow(b, w->u, w->t, at, upto, &to);
		if (f == ELSEWHERE) {
			vec_push(&b->pend, (dwx_pend){.target = to.at.off,
						   .where = to.at.where,
						   .part = w->u->part,
						   .w0 = w0,
						   .w2 = w2 | to.w2});
			return;
		}
	} else if (!name_of(b, w->u, v, &to.name))
		return;
	if (f != FOUND)
		return;
	dwx_put(b, w0, to.name, w2 | to.w2, to.scope);
}

static bool address_of(const walk *w, uint8_t form, uint64_t v, uint64_t *ret)
{
	if (form == 0x01) {
		*ret = v;
		return true;
	}
	if (form == 0x1b || (form >= 0x29 && form <= 0x2c) || form == FORM_GNU_addr_index)
		return dwx_unit_addr(w->u, v, ret);
	return false;
}

static void on_func(walk *w, const dwx_vals *v, uint64_t die, uint32_t scope)
{
	uint64_t w2 = word2(w, die, 0), low = 0, lowest = w->b->o.lowest;
	if (flag(v, SLOT_EXTERNAL))
		w2 |= F_EXTERNAL;
	if (HAS(v, SLOT_LOW)) {
		if (!address_of(w, v->form[SLOT_LOW], v->v[SLOT_LOW], &low) ||
			!dwx_alive(w->u, low, lowest))
			return;
		if (w->asks_functions && HAS(v, SLOT_HIGH))
			dwx_pair_range(w->b, w->u, low, v);
	} else if (HAS(v, SLOT_RANGES)) {
		if (!dwx_first_range(w->u, v->form[SLOT_RANGES], v->v[SLOT_RANGES], lowest, &low))
			return;
	} else if (flag(v, SLOT_DECL)) {
		if (HAS(v, SLOT_SPEC) || HAS(v, SLOT_ORIGIN))
			return;
		w2 |= F_DECL;
	} else if (HAS(v, SLOT_INLINE) && (v->v[SLOT_INLINE] & 1)) /* 1 and 3: was inlined */
		w2 |= F_INLINED;
	else
		return;
	define(w, v, low, w2, scope, die);
}

enum {
	DW_OP_addr = 0x03,
	DW_OP_const4u = 0x0c,
	DW_OP_const8u = 0x0e,
	DW_OP_plus_uconst = 0x23,
	DW_OP_form_tls_address = 0x9b,
	DW_OP_addrx = 0xa1,
	DW_OP_GNU_push_tls_address = 0xe0,
	DW_OP_GNU_addr_index = 0xfb
};

/* Address that a location means if it is one and the same everywhere. */
static uint64_t location(const walk *w, const dwx_vals *v, bool *tls)
{
	const dwx_unit *u = w->u;
	uint8_t form = v->form[SLOT_LOC];
	if (form != 0x18 && form != 0x09 && form != 0x0a && form != 0x03 && form != 0x04)
		return 0; /* a list: a register for a while */
	const uint8_t *p = u->sect.p;
	uint64_t pos = v->v[SLOT_LOC], end = pos + v->block_n, addr = 0;
	if (!v->block_n)
		return 0;
	if (p[end - 1] == DW_OP_form_tls_address || p[end - 1] == DW_OP_GNU_push_tls_address) {
		*tls = true;
		return 0;
	}
	uint8_t op = p[pos++];
	if (op == DW_OP_addr && end - pos >= u->addr_size) {
		addr = le_get(p + pos, u->addr_size);
		pos += u->addr_size;
	} else if (op == DW_OP_addrx || op == DW_OP_GNU_addr_index) {
		uint64_t index = dwx_uleb(p, end, &pos);
		if (pos > end || !dwx_unit_addr(u, index, &addr))
			return 0;
	} else
		return 0;
	if (pos < end && p[pos] == DW_OP_plus_uconst) {
		pos++;
		addr += dwx_uleb(p, end, &pos);
	}
	return pos == end && dwx_alive(u, addr, 1) ? addr : 0;
}

static void on_var(walk *w, const dwx_vals *v, uint64_t die, uint32_t scope)
{
	uint64_t w2 = word2(w, die, 1), addr = 0;
	bool tls = false;
	if (HAS(v, SLOT_LOC))
		addr = location(w, v, &tls);
	if (tls)
		w2 |= F_TLS;
	if (flag(v, SLOT_EXTERNAL))
		w2 |= F_EXTERNAL;
	if (flag(v, SLOT_DECL))
		w2 |= F_DECL;
	define(w, v, addr, w2, scope, die);
}

/* The kind's bit number, as in dwx_kind. */
static unsigned kind_of(uint8_t cls)
{
	switch (cls) {
	case CLS_STRUCT:
		return 2;
	case CLS_UNION:
		return 3;
	case CLS_ENUM:
		return 4;
	case CLS_TYPEDEF:
		return 5;
	case CLS_BASE:
		return 6;
	default:
		return 7; /* class */
	}
}

static const dwx_skel *skel_of(const dwx_builder *b, uint64_t id)
{
	size_t lo = BISECT(i, b->skels.n, b->skels.p[i].id < id);
	return lo < b->skels.n && b->skels.p[lo].id == id ? &b->skels.p[lo] : NULL;
}

/* Bases of the unit's indexed attributes, from its first DIE and, in a .dwo, its skeleton. */
static void take_bases(dwx_builder *b, dwx_unit *u, const dwx_vals *v)
{
	if (HAS(v, SLOT_STR_BASE))
		u->str_base = v->v[SLOT_STR_BASE];
	if (HAS(v, SLOT_ADDR_BASE))
		u->addr_base = v->v[SLOT_ADDR_BASE];
	if (HAS(v, SLOT_RNG_BASE))
		u->rng_base = v->v[SLOT_RNG_BASE];
	if (HAS(v, SLOT_RANGES_BASE) && u->part)
		u->ranges_base = v->v[SLOT_RANGES_BASE];
	if (HAS(v, SLOT_DWO_ID))
		u->id = v->v[SLOT_DWO_ID];
	if (HAS(v, SLOT_LANG))
		u->language = (uint32_t)v->v[SLOT_LANG];
	if (u->part) {
		const dwx_skel *k = u->id ? skel_of(b, u->id) : NULL;
		u->addr = k ? b->part[0].addr : (dwx_bytes){0};
		u->addr_base = k ? k->addr_base : 0;
		u->ranges_base = k ? k->ranges_base : 0;
	}
}

/* Reads the unit's first DIE: the position behind its attributes, UINT64_MAX if it is damaged, 0 if
 * there is none. */
static uint64_t first_die(
	dwx_builder *b, dwx_unit *u, const dwx_abbrevs *t, dwx_vals *v, const dwx_ab **ab)
{
	uint64_t pos = u->die, code = pos < u->end ? get_code(u, &pos) : 0;
	if (!code && pos <= u->end)
		return 0;
	if (pos > u->end || code >= t->n || t->ab[code].cls != CLS_UNIT)
		return UINT64_MAX;
	*ab = &t->ab[code];
	pos = dwx_take(t, u, (*ab)->take, pos, v);
	if (pos > u->end)
		return UINT64_MAX;
	take_bases(b, u, v);
	return pos;
}

static int by_signature(const void *a, const void *b)
{
	uint64_t x = ((const dwx_sig *)a)->sig, y = ((const dwx_sig *)b)->sig;
	return x < y ? -1 : x > y;
}

static void list_signatures(dwx_builder *b, uint16_t part)
{
	static const dwx_where both[] = {DWX_IN_INFO, DWX_IN_TYPES};
	dwx_unit u;
	b->sigs_known = true;
	for (size_t i = 0; i < ARRAY_LEN(both); i++)
		for (uint64_t off = 0, next = 0;
			dwx_unit_read(&b->part[part], both[i], part, off, b->dirs, &u, &next);
			off = next)
			if (u.die && u.type_die > u.die && u.type_die < u.end)
				vec_push(&b->sigs, (dwx_sig){u.sig, off, 0, both[i]});
	if (b->sigs.n)
		qsort(b->sigs.p, b->sigs.n, sizeof *b->sigs.p, by_signature);
}

/* Name of the type that a type unit holds: clang gives what stands for it in a unit none. */
static bool signature_name(walk *w, uint64_t sig, uint64_t *ret)
{
	dwx_builder *b = w->b;
	uint16_t part = w->u->part;
	dwx_sig key = {.sig = sig}, *s;
	dwx_unit u;
	dwx_vals v;
	uint64_t next;
	if (!b->sigs_known)
		list_signatures(b, part);
	s = b->sigs.n ? bsearch(&key, b->sigs.p, b->sigs.n, sizeof key, by_signature) : NULL;
	if (!s || w->u->where == DWX_IN_ALT)
		return false;
	*ret = s->name;
	if (s->name)
		return true;
	/* The table in use is made the youngest, so that it stays when that one is read. */
	(void)dwx_abbrevs_get(&b->abbrevs, w->u);
	const dwx_abbrevs *t = NULL;
	if (dwx_unit_read(&b->part[part], s->where, part, s->unit, b->dirs, &u, &next))
		t = dwx_abbrevs_get(&b->abbrevs, &u);
	const dwx_ab *ab;
	if (!t || first_die(b, &u, t, &v, &ab) - 1 >= u.end)
		return false;
	uint64_t pos = u.type_die, code = get_code(&u, &pos);
	if (pos > u.end || code >= t->n || t->ab[code].cls < CLS_STRUCT ||
		t->ab[code].cls > CLS_ENUM || dwx_take(t, &u, t->ab[code].take, pos, &v) > u.end ||
		!name_of(b, &u, &v, ret))
		return false;
	s->name = *ret;
	return true;
}

/* Name and scope of a type that may be declared elsewhere (a nested class defined outside). */
static bool type_name(walk *w, const dwx_vals *v, uint64_t die, uint64_t *name, uint32_t *scope)
{
	place at;
	target to;
	if (HAS(v, SLOT_SPEC) && place_of(w->u, v->form[SLOT_SPEC], v->v[SLOT_SPEC], &at) &&
		follow(w->b, w->u, w->t, at, die, &to) == FOUND) {
		*name = to.name;
		*scope = to.scope;
		return true;
	}
	if (name_of(w->b, w->u, v, name))
		return true;
	return HAS(v, SLOT_SIGNATURE) && v->form[SLOT_SIGNATURE] == 0x20 &&
	       signature_name(w, v->v[SLOT_SIGNATURE], name);
}

/* false: nothing in it is of interest. */
static bool on_type(walk *w, const dwx_vals *v, uint8_t cls, uint64_t die, bool children)
{
	level *top = &w->stack[w->depth - 1];
	uint32_t scope = top->scope;
	uint64_t name = 0, w2 = word2(w, die, kind_of(cls));
	bool named = type_name(w, v, die, &name, &scope);
	if (named && w->collect) {
		if (flag(v, SLOT_DECL))
			w2 |= F_DECL;
		dwx_put(w->b, HAS(v, SLOT_SIZE) ? v->v[SLOT_SIZE] : 0, name, w2, scope);
	}
	if (!children || (cls == CLS_ENUM && !w->collect))
		return false;
	if (cls != CLS_ENUM && w->c_like)
		return false;
	if (w->depth == DWX_DEPTH_MAX) {
		w->b->left_out++;
		return false;
	}
	level next = {
		.scope = scope, .span = top->span, .enumeration = cls == CLS_ENUM, .cls = true};
	if (named && (cls != CLS_ENUM || flag(v, SLOT_ENUM_CLASS)))
		next.scope = dwx_scope_put(w->b, scope, name, 0);
	w->stack[w->depth++] = next;
	return true;
}

static bool on_namespace(walk *w, const dwx_vals *v, uint64_t die)
{
	level *top = &w->stack[w->depth - 1];
	uint32_t scope = top->scope, flags = 0;
	uint64_t name = 0;
	if (w->depth == DWX_DEPTH_MAX) {
		w->b->left_out++;
		return false;
	}
	if (!type_name(w, v, die, &name, &scope)) {
		name = NAME_ANON;
		flags = SCOPE_ANON;
	}
	if (flag(v, SLOT_EXPORT))
		flags |= SCOPE_INLINE;
	w->stack[w->depth++] =
		(level){.scope = dwx_scope_put(w->b, scope, name, flags), .span = top->span};
	return true;
}

/* The DIE at begin itself belongs to the scope around it. */
static void open_span(walk *w, uint64_t begin)
{
	level *top = &w->stack[w->depth - 1];
	if (top->enumeration || top->scope == w->stack[w->depth - 2].scope)
		return;
	vec_push(&w->b->spans, (dwx_span){begin + 1, 0, top->scope, top->span});
	top->span = (uint32_t)w->b->spans.n;
}

static void close_level(walk *w, uint64_t end)
{
	level *top = &w->stack[--w->depth];
	if (w->depth && top->span != w->stack[w->depth - 1].span)
		w->b->spans.p[top->span - 1].end = end;
}

static void on_import(walk *w, const dwx_vals *v)
{
	place at;
	if (HAS(v, SLOT_IMPORT) && place_of(w->u, v->form[SLOT_IMPORT], v->v[SLOT_IMPORT], &at) &&
		at.where == DWX_IN_ALT)
		vec_push(&w->b->imported, at.off);
}

/* Something that is wanted; true: its children are walked. */
static bool on_die(walk *w, const dwx_vals *v, const dwx_ab *ab, uint64_t die)
{
	level *top = &w->stack[w->depth - 1];
	/* As in plain(), for DWARF 2 and 3, where the flag has a value. */
	bool declares = top->cls && flag(v, SLOT_DECL);
	switch (ab->cls) {
	case CLS_FUNC:
		if (w->collect && !declares)
			on_func(w, v, die, top->scope);
		return false;
	case CLS_VAR:
		if (w->collect && !declares)
			on_var(w, v, die, top->scope);
		return false;
	case CLS_ENUMERATOR: {
		uint64_t name;
		if (w->collect && top->enumeration && name_of(w->b, w->u, v, &name))
			dwx_put(w->b, HAS(v, SLOT_CONST) ? v->v[SLOT_CONST] : 0, name,
				word2(w, die, 8), top->scope);
		return false;
	}
	case CLS_NAMESPACE:
		return (ab->fl & AB_CHILDREN) && on_namespace(w, v, die);
	case CLS_IMPORT:
		on_import(w, v);
		return false;
	default:
		return on_type(w, v, ab->cls, die, ab->fl & AB_CHILDREN);
	}
}

/* Is nothing in a DIE of this kind worth taking it apart here? */
static bool plain(const walk *w, const dwx_ab *ab)
{
	uint8_t cls = ab->cls;
	if (cls == CLS_SKIP || cls == CLS_MEMBER || cls == CLS_UNIT)
		return true;
	const level *top = &w->stack[w->depth - 1];
	/* Declarations of methods and static members: what they declare refers to them. */
	if (top->cls && (ab->fl & AB_DECL) && (cls == CLS_FUNC || cls == CLS_VAR))
		return true;
	return !w->collect && cls != CLS_NAMESPACE && cls != CLS_IMPORT &&
	       (cls < CLS_STRUCT || cls > CLS_CLASS);
}

/* The position behind a DIE that is not entered. */
static uint64_t pass_die(walk *w, const dwx_ab *ab, uint64_t pos)
{
	uint64_t sibling = 0;
	pos = dwx_pass(w->t, w->u, ab->skip, pos, &sibling);
	if (pos > w->u->end)
		return UINT64_MAX;
	if (sibling)
		return sibling;
	return ab->fl & AB_CHILDREN ? pass_children(w, pos) : pos;
}

/* false: damaged. */
static bool walk_children(walk *w, uint64_t pos)
{
	const dwx_unit *u = w->u;
	while (pos < u->end) {
		uint64_t die = pos, code = get_code(u, &pos);
		if (!code) {
			close_level(w, pos);
			if (!w->depth)
				return true;
			continue;
		}
		if (pos > u->end || code >= w->t->n || !(w->t->ab[code].fl & AB_VALID))
			return false;
		const dwx_ab *ab = &w->t->ab[code];
		if (poll(w))
			return false;
		if (plain(w, ab)) {
			pos = pass_die(w, ab, pos);
			if (pos > u->end)
				return false;
			continue;
		}
		dwx_vals v;
		uint64_t behind = dwx_take(w->t, u, ab->take, pos, &v);
		if (behind > u->end)
			return false;
		if (on_die(w, &v, ab, die)) {
			open_span(w, die);
			pos = behind;
		} else if (ab->fl & AB_CHILDREN)
			pos = pass_die(w, ab, pos);
		else
			pos = behind;
		if (pos > u->end)
			return false;
	}
	return pos == u->end;
}

/* ---- the unit ---- */

static bool is_c(uint32_t language)
{
	/* DW_LANG_C89, C, C99, Mips_Assembler, C11, C17 */
	return language == 1 || language == 2 || language == 0x0c || language == 0x8001 ||
	       language == 0x1d || language == 0x2c;
}

void dwx_unit_scan(dwx_builder *b, dwx_unit *u, bool collect)
{
	walk w = {.b = b, .u = u, .collect = collect, .depth = 1};
	dwx_vals v;
	b->spans.n = 0;
	if (!u->die || !(w.t = dwx_abbrevs_get(&b->abbrevs, u))) {
		b->damaged += collect;
		return;
	}
	const dwx_ab *ab = NULL;
	uint64_t pos = first_die(b, u, w.t, &v, &ab);
	if (!pos)
		return; /* an empty unit */
	if (pos > u->end) {
		b->damaged += collect;
		return;
	}
	if (HAS(&v, SLOT_LOW))
		(void)address_of(&w, v.form[SLOT_LOW], v.v[SLOT_LOW], &u->low);
	w.c_like = is_c(u->language);
	if (collect && !u->part && u->where == DWX_IN_INFO) {
		if (u->id)
			vec_push(&b->skels,
				(dwx_skel){u->id, u->addr_base,
					HAS(&v, SLOT_RANGES_BASE) ? v.v[SLOT_RANGES_BASE] : 0});
		w.asks_functions = !dwx_unit_ranges(b, u, &v);
	}
	w.stack[0] = (level){0};
	if ((ab->fl & AB_CHILDREN) && !walk_children(&w, pos) && !b->stop)
		b->damaged += collect;
	for (size_t i = 0; i < b->spans.n; i++)
		if (!b->spans.p[i].end)
			b->spans.p[i].end = u->end;
}

/* ---- skeletons ---- */

static str text_of(const dwx_sections *s, const dwx_unit *u, const dwx_vals *v, dwx_slot slot)
{
	uint64_t word;
	if (!HAS(v, slot) || !string_of(u, v->form[slot], v->v[slot], &word))
		return (str){"", 0};
	return dwx_name_of(s, 1, word);
}

err dwx_skeletons(const dwx_sections *s, bool (*fn)(void *u, const dwx_skeleton *k), void *ctx)
{
	dwx_builder b = {.part = s, .n_parts = 1, .n_units = 1};
	uint64_t off = 0, next = 0;
	dwx_unit u;
	b.abbrevs.budget = ((uint64_t)s->abbrev.n + s->info.n) * 4 + 65536;
	for (; dwx_unit_read(s, DWX_IN_INFO, 0, off, NULL, &u, &next); off = next) {
		const dwx_abbrevs *t = u.die ? dwx_abbrevs_get(&b.abbrevs, &u) : NULL;
		const dwx_ab *ab;
		dwx_vals v;
		if (!t || first_die(&b, &u, t, &v, &ab) - 1 >= u.end)
			continue;
		if (!HAS(&v, SLOT_DWO_NAME))
			continue;
		dwx_skeleton k = {u.off, u.id, text_of(s, &u, &v, SLOT_DWO_NAME),
			text_of(s, &u, &v, SLOT_COMP_DIR)};
		if (!fn(ctx, &k))
			break;
	}
	dwx_abbrev_cache_deinit(&b.abbrevs);
	return ERR_OK;
}
