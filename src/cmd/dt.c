/*
 * dt: types, variables and structures in memory (documentation: "dt (Display Type)"). The line is
 * read by dt_line.c, how a value looks is typeval.c's business.
 *
 *   dt [-opts] [mod!]Name [[-opts] Field ...] [Address] [-l Link]
 *   dt [-opts] Address [Name ...]        dt -h
 *
 * Invariants: depth, lines, list elements and enumerated names are bounded; a type inside itself is
 * not expanded again; the user's cancel ends everything between two lines.
 */
#include "cmd/dt.h"

#include "base/reader.h"

#include <ctype.h>
#include <stdio.h>

enum {
	LIST_MAX = 65536,     /* elements of -l */
	ELEMENTS_MAX = 65536, /* elements of an array shown one by one */
	LINES_MAX = 200000,
	VIRTUAL_MAX = 32,     /* virtual bases of an object */
	OBJECT_MAX = 1 << 28, /* and how far away they are believed to be */
};

static err stopped(dt *x)
{
	if (cancelled(&x->c->e->cancel))
		return cmd_fail(x->c, ERR_CANCELLED, "cancelled");
	if (++x->lines > LINES_MAX)
		return cmd_fail(x->c, ERR_LIMIT, "dt: over %d lines", LINES_MAX);
	return ERR_OK;
}

/* ---- fields of a structure, as they are shown ---- */

typedef struct shown {
	arena *a;
	const tv *object; /* memory that has one at base; NULL: only the type is shown */
	uint64_t base;
	sym_field *f;
	size_t n, cap;
	struct vbase {
		sym_type t;
		uint64_t off;
	} virtual[VIRTUAL_MAX]; /* bases, each once, however many classes share it */
	size_t n_virtual;
} shown;

/* Where an object has its virtual base, from its own start. False: there is no object, or it is far
 * away because it is not built yet. */
static bool virtual_base(shown *s, const sym_field *f, uint64_t off)
{
	uint8_t p[8];
	uint64_t at = off + f->hop[0].at;
	tv memory;
	if (!s->object || s->object->held)
		return false;
	memory = *s->object;
	if (!tv_read(&memory, s->base + at, p, 8) ||
		!tv_read(&memory, le64(p) + (uint64_t)f->hop[0].slot, p, 8))
		return false;
	at += le64(p) + f->offset;
	if ((int64_t)at > OBJECT_MAX || (int64_t)at < -OBJECT_MAX || s->n_virtual == VIRTUAL_MAX)
		return false;
	for (size_t i = 0; i < s->n_virtual; i++)
		if (s->virtual[i].off == at && s->virtual[i].t.id == f->type.id &&
			s->virtual[i].t.file == f->type.file)
			return true;
	s->virtual[s->n_virtual++] = (struct vbase){f->type, at};
	return true;
}

/* One that has no place is named once, however many classes share it. */
static bool named_before(const shown *s, const sym_field *f)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->f[i].is_base && s->f[i].type.id == f->type.id &&
			s->f[i].type.file == f->type.file)
			return true;
	return false;
}

static bool nameless(const sym_field *f)
{
	sym_type_info in;
	return sym_type_info_get(f->type, &in) == ERR_OK && !in.forward &&
	       (in.kind == SYM_T_STRUCT || in.kind == SYM_T_CLASS || in.kind == SYM_T_UNION);
}

static void base_fields(shown *s, sym_type t, uint64_t off, int depth)
{
	sym_field *f;
	size_t k;
	if (depth > DT_DEPTH_MAX || sym_type_fields(t, s->a, &f, &k) != ERR_OK)
		return;
	const sym_field *variant = s->object ? tv_variant(s->object, f, k, s->base + off) : NULL;
	for (size_t i = 0; i < k; i++) {
		if (variant && (f[i].is_tag || (f[i].is_variant && &f[i] != variant)))
			continue; /* of a sum type only what it is at the moment */
		if (f[i].is_base && f[i].n_hops && virtual_base(s, &f[i], off))
			continue;
		/* members of a union or structure without a name are the structure's own, too */
		if (!f[i].name.n && !f[i].bit_len && !f[i].is_static && nameless(&f[i])) {
			base_fields(s, f[i].type, off + f[i].offset, depth + 1);
			continue;
		}
		if (f[i].is_base &&
			!f[i].n_hops) { /* what a base class holds is shown as the class's own */
			base_fields(s, f[i].type, off + f[i].offset, depth + 1);
			continue;
		}
		if (f[i].is_method || (f[i].is_base && named_before(s, &f[i])))
			continue;
		if (s->n == s->cap) {
			size_t more = s->cap ? s->cap * 2 : 64;
			sym_field *p = arena_array(s->a, more, sizeof *p);
			if (s->n)
				memcpy(p, s->f, s->n * sizeof *p);
			s->f = p;
			s->cap = more;
		}
		s->f[s->n] = f[i];
		s->f[s->n++].offset += off;
	}
}

/* Of the type, then of the virtual bases, which lie behind the rest. */
static void all_fields(shown *s, sym_type t)
{
	base_fields(s, t, 0, 0);
	for (size_t i = 0; i < s->n_virtual; i++) /* they may add to their number */
		base_fields(s, s->virtual[i].t, s->virtual[i].off, 1);
}

static bool is_struct(sym_type_kind k)
{
	return k == SYM_T_STRUCT || k == SYM_T_CLASS || k == SYM_T_UNION;
}

/* "struct _FOO, 3 elements, 0x18 bytes", "Ptr64 to struct _FOO, ...", "[3] struct _FOO, ...". */
static void verbose_type(sym_type t, buf *b)
{
	sym_type_info in;
	sym_field *f;
	size_t n = 0;
	arena a;
	for (int depth = 0; depth < 8 && sym_type_info_get(t, &in) == ERR_OK;
		depth++, t = in.elem) {
		if (in.kind == SYM_T_ARRAY) {
			buf_addf(b, "[%llu] ", (unsigned long long)in.count);
			continue;
		}
		if (in.kind == SYM_T_PTR || in.kind == SYM_T_REF) {
			buf_addf(b, "Ptr%u to ", in.size == 4 ? 32 : 64);
			continue;
		}
		if (!is_struct(in.kind) && in.kind != SYM_T_ENUM) {
			tv_type(t, b);
			return;
		}
		arena_init(&a);
		sym_type_text(t, b);
		if (sym_type_fields(t, &a, &f, &n) == ERR_OK)
			buf_addf(b, ", %zu elements, 0x%llx bytes", n, (unsigned long long)in.size);
		arena_deinit(&a);
		return;
	}
}

/* ---- one line ---- */

static void line_start(dt *x, unsigned level, const sym_field *f, size_t width, buf *b)
{
	unsigned indent = x->no_indent || x->compact ? 0 : level + 1;
	buf_addf(b, "%*s", (int)(indent * 3), "");
	if (f->is_static && !f->addr && f->is_const)
		buf_addf(b, "%-*s ", (int)strlen(out_addr(x->c->e, 0)) + 1, "=constant");
	else if (f->is_base)
		buf_addz(b, "=virtual ");
	else if (f->is_static)
		buf_addf(b, "=%s ", out_addr(x->c->e, f->addr));
	else if (!x->no_offset && (int64_t)f->offset < 0)
		buf_addf(b, "-0x%03llx ", (unsigned long long)(0 - f->offset));
	else if (!x->no_offset)
		buf_addf(b, "+0x%03llx ", (unsigned long long)f->offset);
	buf_addf(b, "%-*.*s :", x->compact ? 0 : (int)width, STR_ARG(f->name));
}

/* Ends a line of its own, or (-c) a piece of the line that the whole structure gets. */
static void end_line(dt *x, buf *b)
{
	buf_addc(b, x->compact && x->chain_n ? ' ' : '\n');
	out_str(x->c->e, OUT_NORMAL, buf_str(b));
	buf_clear(b);
}

static uint64_t field_addr(const sym_field *f, uint64_t base)
{
	return f->is_static ? f->addr : base + f->offset;
}

static void field_value(dt *x, const sym_field *f, uint64_t base, buf *b)
{
	bool has = f->is_static ? f->addr != 0 : x->has_addr && !f->is_base;
	if (!f->type.file) {
		buf_addz(b, "??");
	} else if (f->is_const && !f->addr) {
		uint8_t p[8];
		tv at = x->v;
		put64(p, (uint64_t)f->value);
		at.held = p;
		at.held_n = sizeof p;
		at.lost = NULL;
		tv_value(&at, f->type, 0, b);
	} else if (f->bit_len) {
		if (has)
			tv_bits(&x->v, f, field_addr(f, base), b);
		else
			tv_bit_type(f, b);
	} else if (x->verbose && !has) {
		verbose_type(f->type, b);
	} else if (has) {
		if (x->verbose) {
			sym_type_info in;
			if (sym_type_info_get(f->type, &in) == ERR_OK && is_struct(in.kind)) {
				verbose_type(f->type, b);
				return;
			}
		}
		tv_value(&x->v, f->type, field_addr(f, base), b);
	} else {
		tv_type(f->type, b);
	}
}

/* ---- expanding ---- */

static err show_struct(dt *x, sym_type t, uint64_t base, bool has, unsigned level, unsigned depth,
	const dt_pattern *pats, const size_t *skip, size_t n_pats);
static err show_elements(
	dt *x, sym_type t, uint64_t base, unsigned level, unsigned depth, uint64_t limit);

/* The structure that a field leads to: itself, or through a pointer. False: nothing to expand. */
static bool target_of(dt *x, const sym_field *f, uint64_t base, bool has, bool pointers,
	sym_type *t, uint64_t *at, bool *t_has)
{
	sym_type_info in;
	uint8_t p[8];
	if (f->bit_len || !f->type.file || sym_type_info_get(f->type, &in) != ERR_OK)
		return false;
	if (is_struct(in.kind)) {
		*t = f->type;
		*at = field_addr(f, base);
		*t_has = (has && !f->is_base) || (f->is_static && f->addr);
		return !in.forward;
	}
	if (!pointers || (in.kind != SYM_T_PTR && in.kind != SYM_T_REF))
		return false;
	*t = in.elem;
	if (sym_type_info_get(*t, &in) != ERR_OK || !is_struct(in.kind) || in.forward)
		return false;
	*t_has = has && tv_read(&x->v, field_addr(f, base), p, 8);
	*at = *t_has ? le_get(p, 8) : 0;
	return !has || (*t_has && *at);
}

/* The same, whatever const and volatile say. */
static bool same_type(sym_type a, sym_type b)
{
	sym_type_info x, y;
	if (a.file == b.file && a.id == b.id)
		return true;
	return a.file == b.file && sym_type_info_get(a, &x) == ERR_OK &&
	       sym_type_info_get(b, &y) == ERR_OK && x.name.n && x.size == y.size &&
	       str_eq(x.name, y.name) && str_find(x.name, STR("<unnamed")) == SIZE_MAX;
}

/* A type inside of itself says nothing new, and would go on for ever. With -rN another object of it
 * does: the next element of a list. */
static bool in_chain(const dt *x, sym_type t, uint64_t at, bool has)
{
	for (size_t i = 0; i < x->chain_n; i++) {
		const struct dt_open *o = &x->chain[i];
		if ((!x->counted || !has || !o->has || o->at == at) && same_type(o->t, t))
			return true;
	}
	return false;
}

static err expand(dt *x, sym_type t, uint64_t at, bool has, unsigned level, unsigned depth,
	const dt_pattern *pats, const size_t *skip, size_t n_pats)
{
	/* a path of names goes through it as often as they say */
	if (x->chain_n > DT_DEPTH_MAX || (!n_pats && in_chain(x, t, at, has)))
		return ERR_OK;
	x->chain[x->chain_n++] = (struct dt_open){t, has, at};
	bool had = x->has_addr;
	x->has_addr = has;
	err e = show_struct(x, t, at, has, level, depth, pats, skip, n_pats);
	x->has_addr = had;
	x->chain_n--;
	return e;
}

/* ---- patterns ---- */

/* The part of a pattern at a level ("a..c." -> "a", "", "c", ""); false behind its end. */
static bool segment(const dt_pattern *p, size_t level, str *ret, bool *last)
{
	str s = p->text;
	for (;; level--) {
		size_t dot = str_chr(s, '.');
		*ret = str_take(s, dot);
		*last = dot == SIZE_MAX;
		if (!level)
			return true;
		if (*last)
			return false;
		s = str_skip(s, dot + 1);
	}
}

/* "name[3]" -> name and element. */
static str subscript(str seg, bool *has, uint64_t *i)
{
	size_t open = str_chr(seg, '[');
	*has = open != SIZE_MAX && seg.n && seg.p[seg.n - 1] == ']' &&
	       str_u64(str_take(str_skip(seg, open + 1), seg.n - open - 2), 10, i);
	return *has ? str_take(seg, open) : seg;
}

static bool segment_hit(const dt_pattern *p, str seg, bool last, str name)
{
	if (!seg.n)
		return true;
	if (!last || p->prefix)
		return str_istarts(name, seg);
	if (str_has_wild(seg))
		return str_wild(seg, name, true);
	return str_ieq(name, seg);
}

typedef struct chosen {
	bool hit, deeper, array, has_index;
	uint64_t array_n, index;
	dt_pattern pats[DT_FIELDS_MAX]; /* the ones that go on below */
	size_t n;
} chosen;

/* What the patterns say about a field; skip: segments used up on the way here. */
static void choose(const dt_pattern *pats, const size_t *skip, size_t n, str name, chosen *ret)
{
	*ret = (chosen){0};
	for (size_t i = 0; i < n; i++) {
		str seg;
		bool last, has;
		uint64_t index = 0;
		if (!segment(&pats[i], *skip, &seg, &last))
			continue;
		str plain = subscript(seg, &has, &index);
		if (!segment_hit(&pats[i], plain, last, name))
			continue;
		ret->hit = true;
		ret->array |= pats[i].array;
		ret->array_n = pats[i].array ? pats[i].array_n : ret->array_n;
		if (has) {
			ret->has_index = true;
			ret->index = index;
		}
		if (!last) {
			ret->deeper = true;
			ret->pats[ret->n++] = pats[i];
		}
	}
}

/* ---- structures ---- */

static bool element_of(const sym_field *f, uint64_t index, sym_field *ret)
{
	sym_type_info in, el;
	if (sym_type_info_get(f->type, &in) != ERR_OK || in.kind != SYM_T_ARRAY ||
		sym_type_info_get(in.elem, &el) != ERR_OK || (in.count && index >= in.count))
		return false;
	*ret = *f;
	ret->type = in.elem;
	ret->offset += index * el.size;
	return true;
}

static err show_field(dt *x, const sym_field *f0, uint64_t base, bool has, unsigned level,
	unsigned depth, size_t width, const chosen *ch, const size_t *skip)
{
	buf b;
	sym_field f = *f0;
	sym_type_info in;
	TRY(stopped(x));
	if (ch && ch->has_index && !element_of(f0, ch->index, &f))
		return cmd_fail(x->c, ERR_ARG, "%.*s has no element %llu", STR_ARG(f0->name),
			(unsigned long long)ch->index);
	if (ch && ch->has_index)
		f.name = str_printf(
			&x->c->a, "%.*s[%llu]", STR_ARG(f0->name), (unsigned long long)ch->index);
	buf_init(&b, 1 << 20);
	line_start(x, level, &f, width, &b);
	bool known = f.type.file && sym_type_info_get(f.type, &in) == ERR_OK;
	bool array = known && in.kind == SYM_T_ARRAY && !f.bit_len && has &&
		     ((ch && ch->array) || x->array || x->blocks);
	sym_type t;
	uint64_t at = 0;
	bool t_has = false, open = false;
	if (ch && ch->deeper)
		open = target_of(x, &f, base, has, true, &t, &at, &t_has);
	else if (depth || x->blocks)
		open = target_of(x, &f, base, has, !x->blocks || !level, &t, &at, &t_has);
	buf_addc(&b, ' ');
	if (!array)
		field_value(x, &f, base, &b);
	end_line(x, &b);
	buf_deinit(&b);
	if (array)
		return show_elements(x, f.type, field_addr(&f, base), level + 1, depth,
			ch && ch->array ? ch->array_n : x->array_n);
	if (!open)
		return ERR_OK;
	if (ch && ch->deeper) {
		size_t next = *skip + 1;
		return expand(x, t, at, t_has, level + 1, depth, ch->pats, &next, ch->n);
	}
	return expand(x, t, at, t_has, level + 1, depth ? depth - 1 : 0, NULL, NULL, 0);
}

static err show_struct(dt *x, sym_type t, uint64_t base, bool has, unsigned level, unsigned depth,
	const dt_pattern *pats, const size_t *skip, size_t n_pats)
{
	size_t width = n_pats && !level ? 0 : 16;
	arena a;
	arena_init(&a);
	shown *s = arena_new(&a, shown);
	*s = (shown){.a = &a, .object = has ? &x->v : NULL, .base = base};
	all_fields(s, t);
	const sym_field *f = s->f;
	size_t n = s->n;
	chosen *ch = arena_new(&a, chosen);
	bool any = false;
	for (size_t i = 0; i < n && n_pats && !level; i++) {
		choose(pats, skip, n_pats, f[i].name, ch);
		if (ch->hit && f[i].name.n > width)
			width = f[i].name.n;
	}
	err e = ERR_OK;
	for (size_t i = 0; i < n && e == ERR_OK; i++) {
		if (n_pats)
			choose(pats, skip, n_pats, f[i].name, ch);
		if (n_pats && !ch->hit)
			continue;
		any = true;
		e = show_field(x, &f[i], base, has, level, depth, width, n_pats ? ch : NULL, skip);
	}
	if (e == ERR_OK && n_pats && !any && !level) {
		sym_type_info in;
		bool named = sym_type_info_get(t, &in) == ERR_OK;
		e = cmd_fail(x->c, ERR_NOTFOUND, "%.*s has no field %.*s",
			named ? (int)in.name.n : 4, named ? in.name.p : "type",
			STR_ARG(pats[0].text));
	}
	arena_deinit(&a);
	return e;
}

static err show_elements(
	dt *x, sym_type t, uint64_t base, unsigned level, unsigned depth, uint64_t limit)
{
	sym_type_info in, el;
	if (sym_type_info_get(t, &in) != ERR_OK || sym_type_info_get(in.elem, &el) != ERR_OK)
		return ERR_OK;
	uint64_t n = in.count < ELEMENTS_MAX ? in.count : ELEMENTS_MAX;
	if (limit && limit < n)
		n = limit;
	for (uint64_t i = 0; i < n; i++) {
		buf b;
		TRY(stopped(x));
		buf_init(&b, 1 << 20);
		uint64_t at = base + i * el.size;
		buf_addf(&b, "%*s[%02llu] ", (int)(x->no_indent ? 3 : level * 3) + 1, "",
			(unsigned long long)i);
		tv_value(&x->v, in.elem, at, &b);
		end_line(x, &b);
		buf_deinit(&b);
		if (is_struct(el.kind) && (x->blocks || depth))
			TRY(expand(
				x, in.elem, at, true, level, depth ? depth - 1 : 0, NULL, NULL, 0));
	}
	return ERR_OK;
}

/* ---- a type, with or without an address ---- */

static err show_enum(dt *x, sym_type t)
{
	sym_field *f;
	size_t n;
	if (sym_type_fields(t, &x->c->a, &f, &n) != ERR_OK)
		return ERR_OK;
	for (size_t i = 0; i < n; i++) {
		TRY(stopped(x));
		out(x->c->e, "   %.*s = 0n%lld\n", STR_ARG(f[i].name), (long long)f[i].value);
	}
	return ERR_OK;
}

static err show_once(dt *x, sym_type t, bool has, uint64_t addr)
{
	sym_type_info in;
	size_t skip = 0;
	if (sym_type_info_get(t, &in) != ERR_OK)
		return cmd_fail(x->c, ERR_CORRUPT, "this type cannot be described");
	x->has_addr = has;
	x->chain_n = 0;
	if (is_struct(in.kind)) {
		if (in.forward)
			return cmd_fail(x->c, ERR_NOTFOUND,
				"%.*s is only declared, not defined, in these symbols",
				STR_ARG(in.name));
		if (x->verbose) {
			buf b;
			buf_init(&b, 1 << 20);
			verbose_type(t, &b);
			end_line(x, &b);
			buf_deinit(&b);
		}
		TRY(expand(x, t, addr, has, 0, x->depth, x->f, &skip, x->n));
		if (x->compact)
			out(x->c->e, "\n");
		return ERR_OK;
	}
	if (x->n)
		return cmd_fail(x->c, ERR_ARG, "%.*s has no fields", STR_ARG(in.name));
	if (in.kind == SYM_T_ENUM && !has)
		return show_enum(x, t);
	buf b;
	buf_init(&b, 1 << 20);
	if (has && in.kind == SYM_T_ARRAY && (x->array || x->blocks)) {
		buf_deinit(&b);
		return show_elements(x, t, addr, 0, x->depth, x->array_n);
	}
	if (has)
		tv_value(&x->v, t, addr, &b);
	else if (in.kind == SYM_T_FUNC)
		sym_type_text(t, &b);
	else
		tv_type(t, &b);
	end_line(x, &b);
	buf_deinit(&b);
	return ERR_OK;
}

/* -a[n] on a type: n of them one behind the other, "[0] 0x1". */
static err show_many(dt *x, sym_type t, uint64_t addr)
{
	sym_type_info in;
	uint64_t n = x->array_n ? x->array_n : 1;
	if (sym_type_info_get(t, &in) != ERR_OK || !in.size)
		return cmd_fail(x->c, ERR_ARG, "a type without size makes no array");
	if (in.kind == SYM_T_ARRAY)
		return show_once(x, t, true, addr);
	n = n < ELEMENTS_MAX ? n : ELEMENTS_MAX;
	x->array = false; /* it was for the type, not for its fields */
	for (uint64_t i = 0; i < n; i++) {
		uint64_t at = addr + i * in.size;
		TRY(stopped(x));
		out(x->c->e, "[%llu] %s", (unsigned long long)i,
			is_struct(in.kind) && !x->compact
				? arena_printf(&x->c->a, "@ %s\n", out_addr(x->c->e, at))
				: "");
		if (is_struct(in.kind) && !x->compact)
			out(x->c->e, "---------------------------------------------\n");
		TRY(show_once(x, t, true, at));
	}
	return ERR_OK;
}

/* -l Link: each element, then the one its link leads to. */
static err show_list(dt *x, sym_type t, uint64_t addr)
{
	sym_field link;
	sym_type_info in;
	uint8_t p[8];
	uint64_t owner_off = 0;
	TRY(sym_type_field(t, x->link, &link, &x->c->d));
	TRY(sym_type_info_get(link.type, &in));
	if (in.kind != SYM_T_PTR || in.size != 8)
		return cmd_fail(x->c, ERR_ARG, "-l %.*s is no pointer", STR_ARG(x->link));
	/* A link into the middle of the next element (LIST_ENTRY) points at its member. */
	size_t dot = str_rchr(x->link, '.');
	sym_field owner;
	if (dot != SIZE_MAX && sym_type_field(t, str_take(x->link, dot), &owner, NULL) == ERR_OK)
		owner_off = owner.offset;
	map seen;
	map_init(&seen);
	err e = ERR_OK;
	for (size_t i = 0; e == ERR_OK && addr && !map_has(&seen, addr); i++) {
		if (i >= LIST_MAX) {
			e = cmd_fail(x->c, ERR_LIMIT, "dt: the list goes on after %d elements",
				LIST_MAX);
			break;
		}
		map_set(&seen, addr, x);
		out(x->c->e, "%.*s at 0x%s\n---------------------------------------------\n",
			STR_ARG(x->link), out_addr(x->c->e, addr));
		e = show_once(x, t, true, addr);
		if (e == ERR_OK && !tv_read(&x->v, addr + link.offset, p, 8))
			e = cmd_fail(x->c, ERR_FAULT, "Memory read error %s",
				out_addr(x->c->e, addr + link.offset));
		uint64_t next = le64(p);
		addr = next ? next - owner_off : 0;
	}
	map_deinit(&seen);
	return e;
}

static err show_type(dt *x, sym_type t, bool has, uint64_t addr)
{
	sym_type_info in;
	if (has && x->link.n)
		return show_list(x, t, addr);
	if (x->link.n)
		return cmd_fail(x->c, ERR_ARG, "-l needs an address");
	if (has && x->array)
		return show_many(x, t, addr);
	TRY(show_once(x, t, has, addr));
	/* a structure of which nothing can be read says so at its end */
	uint8_t b;
	if (has && sym_type_info_get(t, &in) == ERR_OK && is_struct(in.kind) && !x->n && in.size &&
		!tv_read(&x->v, addr, &b, 1) && !tv_read(&x->v, addr + in.size - 1, &b, 1))
		out(x->c->e, "Memory read error %s\n", out_addr(x->c->e, addr));
	return ERR_OK;
}

err dt_show_at(
	cmd *c, sym_type t, uint64_t addr, const uint8_t *held, const bool *lost, size_t held_n)
{
	dt *x = arena_new(&c->a, dt);
	x->c = c;
	tv_init(&x->v, c);
	x->v.held = held;
	x->v.held_n = held_n;
	x->v.lost = lost;
	return show_type(x, t, true, addr);
}

/* ---- enumerating ---- */

static bool size_fits(const dt *x, uint64_t size)
{
	return !x->has_size || size == x->size;
}

static err list_symbols(dt *x, str pat)
{
	sym_list l;
	TRY(sym_match(x->c->e->syms, pat, SYM_M_SORT_NAME, &l, &x->c->d));
	err e = ERR_OK;
	for (size_t i = 0; i < l.n && e == ERR_OK; i++) {
		const sym *s = &l.p[i];
		sym_type_info in = {0};
		bool typed = s->type.file && sym_type_info_get(s->type, &in) == ERR_OK;
		if ((!typed && !x->verbose) || (s->code && !x->verbose) || s->kind == SYM_K_CONST)
			continue;
		uint64_t size = in.size ? in.size : s->size;
		if (!size_fits(x, size))
			continue;
		if (x->verbose)
			out(x->c->e, "%s   %03llx %.*s!%.*s\n", out_addr(x->c->e, s->addr),
				(unsigned long long)size, STR_ARG(s->mod->name), STR_ARG(s->name));
		else
			out(x->c->e, "%s  %.*s!%.*s\n", out_addr(x->c->e, s->addr),
				STR_ARG(s->mod->name), STR_ARG(s->name));
		e = stopped(x);
	}
	sym_list_deinit(&l);
	return e;
}

static err enumerate(dt *x, str pat)
{
	sym_type *t;
	str *names;
	size_t n;
	int width = (int)strlen(out_addr(x->c->e, 0));
	if (x->verbose) {
		out(x->c->e, "Enumerating symbols matching %.*s", STR_ARG(pat));
		if (x->has_size)
			out(x->c->e, ", Size = 0x%llx", (unsigned long long)x->size);
		out(x->c->e, "\n%-*s  Size Symbol\n", width, "Address");
	}
	if (!x->types_only)
		TRY(list_symbols(x, pat));
	TRY(sym_type_match(x->c->e->syms, &x->c->a, pat, &t, &names, &n, &x->c->d));
	for (size_t i = 0; i < n; i++) {
		sym_type_info in = {0};
		if (sym_type_info_get(t[i], &in) != ERR_OK || in.forward || !size_fits(x, in.size))
			continue;
		TRY(stopped(x));
		if (x->verbose)
			out(x->c->e, "%*s   %03llx %.*s\n", width, "", (unsigned long long)in.size,
				STR_ARG(names[i]));
		else
			out(x->c->e, "%*s  %.*s\n", width, "", STR_ARG(names[i]));
	}
	return ERR_OK;
}

/* -y: all types whose name begins so, then the first in full. */
static err by_prefix(dt *x)
{
	sym_type *t;
	str *names;
	size_t n;
	str pat = str_printf(&x->c->a, "%.*s*", STR_ARG(x->name));
	TRY(sym_type_match(x->c->e->syms, &x->c->a, pat, &t, &names, &n, &x->c->d));
	if (!n)
		return cmd_fail(x->c, ERR_NOTFOUND, "Symbol %.*s not found.", STR_ARG(x->name));
	if (n > 1 || !x->n)
		for (size_t i = 0; i < n; i++)
			out(x->c->e, "%.*s\n", STR_ARG(names[i]));
	return show_type(x, t[0], x->has_addr, x->addr);
}

/* ---- names ---- */

/* "CHAR[8]": the whole array. Made of elements here, because the symbols rarely have the type. */
static err array_of(dt *x, sym_type t, uint64_t count)
{
	sym_type_info in;
	uint64_t n = count < ELEMENTS_MAX ? count : ELEMENTS_MAX;
	if (sym_type_info_get(t, &in) != ERR_OK || !in.size)
		return cmd_fail(x->c, ERR_ARG, "a type without size makes no array");
	if (!x->has_addr) {
		buf b;
		buf_init(&b, 65536);
		buf_addf(&b, "[%llu] ", (unsigned long long)count);
		tv_type(t, &b);
		end_line(x, &b);
		buf_deinit(&b);
		return ERR_OK;
	}
	buf b;
	buf_init(&b, 65536);
	buf_addf(&b, "[%llu]  ", (unsigned long long)count);
	bool text = !x->array && tv_text(&x->v, t, x->addr, n, &b);
	if (text)
		end_line(x, &b);
	buf_deinit(&b);
	if (text)
		return ERR_OK;
	x->array = true;
	x->array_n = n;
	return show_type(x, t, true, x->addr);
}

/* A variable in scope: its bytes in memory or, from a register, held in p. */
static bool find_local(dt *x, str name, sym_type *t, uint64_t *addr, uint8_t p[SYM_PLACE_MAX],
	const bool **lost, size_t *held)
{
	engine *e = x->c->e;
	sym_local *l;
	size_t n;
	x64_regs r;
	if (!e->syms || eng_regs(e, X64_SET_CONTROL | X64_SET_INTEGER, &r, NULL) != ERR_OK ||
		eng_locals(e, &x->c->a, false, &l, &n, NULL) != ERR_OK)
		return false;
	for (size_t i = n; i-- > 0;) {
		uint64_t v = 0;
		if (!str_ieq(l[i].name, name))
			continue;
		*t = l[i].type;
		*held = 0;
		*lost = NULL;
		if (l[i].loc == SYM_LOC_STATIC) {
			*addr = l[i].addr;
			return true;
		}
		if (l[i].loc == SYM_LOC_CONST) {
			put64(p, l[i].addr);
			*held = 8;
			return true;
		}
		sym_place place;
		if (l[i].loc == SYM_LOC_EXPR && dv_place(x->c, &l[i], &r, &place) &&
			place.kind != SYM_PLACE_REG) {
			*addr = place.kind == SYM_PLACE_MEM ? place.addr : 0;
			*held = place.n;
			memcpy(p, place.bytes, place.n);
			*lost = arena_dup(&x->c->a, place.lost, place.n);
			return true;
		}
		if (l[i].loc == SYM_LOC_NONE || l[i].loc == SYM_LOC_EXPR ||
			eng_reg_get(e, str_of(l[i].reg), &v, NULL) != ERR_OK)
			return false;
		if (l[i].loc == SYM_LOC_REG) {
			put64(p, v);
			*held = 8;
		}
		*addr = l[i].loc == SYM_LOC_REG ? 0 : v + (uint64_t)l[i].off;
		return true;
	}
	return false;
}

static err show_local(
	dt *x, sym_type t, uint64_t addr, const uint8_t *p, const bool *lost, size_t held)
{
	sym_type_info in;
	buf b;
	buf_init(&b, 65536);
	sym_type_text(t, &b);
	if (held) {
		out(x->c->e, "Local var in a register Type %s\n", buf_z(&b));
		x->v.held = p;
		x->v.held_n = held;
		x->v.lost = lost;
	} else {
		out(x->c->e, "Local var @ 0x%llx Type %s\n", (unsigned long long)addr, buf_z(&b));
	}
	buf_deinit(&b);
	/* a pointer to a structure shows the structure too */
	if (sym_type_info_get(t, &in) == ERR_OK && (in.kind == SYM_T_PTR || in.kind == SYM_T_REF) &&
		(x->n || !x->array)) {
		uint8_t q[8];
		sym_type_info el;
		if (sym_type_info_get(in.elem, &el) == ERR_OK && is_struct(el.kind) &&
			!el.forward && tv_read(&x->v, addr, q, 8) && le64(q)) {
			if (!x->n)
				TRY(show_once(x, t, true, addr));
			x->v.held = NULL;
			return show_type(x, in.elem, true, le64(q));
		}
	}
	return show_type(x, t, true, addr);
}

/* A global: its type at its address. */
static err show_global(dt *x, const sym *s)
{
	if (!s->type.file)
		return cmd_fail(x->c, ERR_NOTFOUND, "%.*s!%.*s has no type information",
			STR_ARG(s->mod->name), STR_ARG(s->name));
	if (s->code) {
		buf b;
		buf_init(&b, 65536);
		sym_type_text(s->type, &b);
		out(x->c->e, "%.*s!%.*s  %s\n", STR_ARG(s->mod->name), STR_ARG(s->name), buf_z(&b));
		buf_deinit(&b);
		return ERR_OK;
	}
	bool has = x->has_addr;
	return show_type(x, s->type, true, has ? x->addr : s->addr);
}

static err show_named(dt *x)
{
	engine *e = x->c->e;
	str name = x->name, index = {0};
	sym_type t, local = {0};
	sym s;
	uint64_t count = 0, addr = 0;
	bool qualified = str_chr(name, '!') != SIZE_MAX;
	size_t open = str_chr(name, '[');
	if (x->name_prefix)
		return by_prefix(x);
	if (x->enumerate || x->has_size || (str_has_wild(name) && open == SIZE_MAX)) {
		sym_type exact;
		/* "_FOO *" in parentheses is a pointer, "Box<_FOO*>" has one as its argument; a
		 * star glued to the name lists */
		bool apart = name.n > 2 && name.p[name.n - 1] == '*' &&
			     (name.p[name.n - 2] == ' ' || name.p[name.n - 2] == '*');
		bool argument = str_chr(name, '<') != SIZE_MAX && name.p[name.n - 1] == '>';
		bool pointer = !x->enumerate && (apart || argument) &&
			       sym_type_find(e->syms, name, &exact, NULL) == ERR_OK;
		if (!pointer)
			return enumerate(x, name);
	}
	if (open != SIZE_MAX && name.p[name.n - 1] == ']') {
		index = str_take(str_skip(name, open + 1), name.n - open - 2);
		name = str_trim(str_take(name, open));
		if (!str_u64(index, 10, &count) || !count)
			return cmd_fail(x->c, ERR_SYNTAX, "[%.*s]: subscripts are decimal numbers",
				STR_ARG(index));
	}
	uint8_t *held = arena_alloc(&x->c->a, SYM_PLACE_MAX);
	const bool *lost = NULL;
	size_t held_n = 0;
	if (!qualified && !x->types_only && !count && !x->has_addr &&
		find_local(x, name, &local, &addr, held, &lost, &held_n) && local.file)
		return show_local(x, local, addr, held, lost, held_n);
	err e2 = sym_type_find(e->syms, name, &t, &x->c->d);
	if (e2 == ERR_CANCELLED)
		return e2;
	if (e2 == ERR_OK) {
		sym_mod *m = sym_type_mod(e->syms, t);
		sym_type_info in;
		if (!qualified && m && sym_type_info_get(t, &in) == ERR_OK && is_struct(in.kind) &&
			!x->compact)
			out(e, "%.*s!%.*s\n", STR_ARG(m->name), STR_ARG(in.name));
		return count ? array_of(x, t, count) : show_type(x, t, x->has_addr, x->addr);
	}
	e2 = sym_find(e->syms, name, &s, &x->c->d);
	if (e2 == ERR_OK || e2 == ERR_AMBIGUOUS)
		return show_global(x, &s);
	if (e2 == ERR_CANCELLED)
		return e2;
	if (local.file) /* a local that is optimised away here */
		return cmd_fail(x->c, ERR_NOTFOUND, "%.*s: the value is not available here",
			STR_ARG(x->name));
	return cmd_fail(x->c, ERR_NOTFOUND, "Symbol %.*s not found.", STR_ARG(x->name));
}

/* dt Address: what lies there according to the symbols. */
static err show_address(dt *x)
{
	sym s;
	uint64_t disp;
	if (sym_at(x->c->e->syms, x->addr, &s, &disp) != ERR_OK)
		return cmd_fail(x->c, ERR_NOTFOUND, "Symbol not found at address %s.",
			out_addr(x->c->e, x->addr));
	out(x->c->e, "%.*s!%.*s%s\n", STR_ARG(s.mod->name), STR_ARG(s.name),
		disp ? arena_printf(&x->c->a, "+0x%llx", (unsigned long long)disp) : "");
	x->has_addr = false;
	return show_global(x, &s);
}

err cmd_dt(cmd *c, cmd_call *call)
{
	dt *x = arena_new(&c->a, dt);
	bool help = false;
	x->c = c;
	if (!c->e->syms)
		return cmd_fail(c, ERR_STATE, "there is no target, so there are no symbols");
	TRY(dt_line(x, call->args, &help));
	if (help || (!x->name.n && !x->has_addr)) {
		out(c->e, "%s", dt_help);
		return ERR_OK;
	}
	tv_init(&x->v, c);
	x->v.phys = x->phys;
	snprintf(c->memo.last_d, sizeof c->memo.last_d, "dt");
	if (!x->name.n)
		return show_address(x);
	return show_named(x);
}
