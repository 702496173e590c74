/*
 * pdb_field: what is inside of a type of a PDB: members, bases, methods, enumerators; the types of
 * an argument list.
 */
#include "fmt/pdb_impl.h"

enum {
	MAX_FIELDS = 1 << 20, /* of one structure, continuation lists included */
	MAX_LISTS = 1 << 12
};

typedef struct walker {
	pdb *f;
	bool (*cb)(void *u, const pdb_field *x);
	void *u;
	bool stop;
	uint32_t count;
	unsigned enum_bits; /* of a signed enum; 0 else */
} walker;

static void give(walker *w, pdb_field *x)
{
	pdb_type t;
	if ((x->kind == PDB_F_MEMBER || x->kind == PDB_F_STATIC) &&
		pdb_type_get(w->f, x->type, &t) == ERR_OK && t.kind == PDB_T_BITFIELD) {
		x->bit_pos = t.bit_pos;
		x->bit_len = t.bit_len;
		x->type = t.elem;
	}
	if ((x->kind == PDB_F_BASE || x->kind == PDB_F_VBASE) &&
		pdb_type_get(w->f, x->type, &t) == ERR_OK)
		x->name = t.name;
	x->anonymous = x->kind == PDB_F_MEMBER && !x->name.n;
	/* Some compilers write -1 of a 32-bit enum as 0xffffffff. */
	if (x->kind == PDB_F_ENUMERATOR && w->enum_bits && !x->neg &&
		x->value >> (w->enum_bits - 1) == 1) {
		x->neg = true;
		if (w->enum_bits < 64)
			x->value |= ~(uint64_t)0 << w->enum_bits;
	}
	w->stop = !w->cb(w->u, x) || ++w->count >= MAX_FIELDS;
}

static void attr(pdb_field *x, uint16_t a)
{
	x->access = a & 3;
	x->mprop = a >> 2 & 7;
}

static bool intro(const pdb_field *x)
{
	return x->mprop == 4 || x->mprop == 6;
}

static bool methods(walker *w, uint32_t list, str name)
{
	cv_rec c;
	if (!pdb_tpi_rec(w->f, &w->f->tpi, list, &c) || c.kind != LF_METHODLIST)
		return false;
	reader r = rd_of(c.p, c.n);
	while (rd_left(&r) >= 8 && !w->stop) {
		pdb_field x = {.kind = PDB_F_METHOD, .name = name};
		attr(&x, rd_u16(&r));
		rd_skip(&r, 2);
		x.type = rd_u32(&r);
		if (intro(&x))
			x.vtable = rd_u32(&r);
		if (r.bad)
			return false;
		give(w, &x);
	}
	return true;
}

/* One subrecord. *next is the continuation list, if this was LF_INDEX. False: damaged. */
static bool field(walker *w, reader *r, uint32_t *next)
{
	uint16_t leaf = rd_u16(r), count;
	uint32_t list;
	pdb_field x = {.name = {"", 0}};
	switch (leaf) {
	case LF_MEMBER:
	case LF_BCLASS:
	case LF_BINTERFACE:
		x.kind = leaf == LF_MEMBER ? PDB_F_MEMBER : PDB_F_BASE;
		attr(&x, rd_u16(r));
		x.type = rd_u32(r);
		x.offset = cv_number(r, &x.neg);
		x.neg = false;
		if (leaf == LF_MEMBER)
			x.name = rd_cstr(r);
		break;
	case LF_STMEMBER:
	case LF_NESTTYPE:
	case LF_NESTTYPEEX:
	case LF_MEMBERMODIFY:
		x.kind = leaf == LF_STMEMBER ? PDB_F_STATIC : PDB_F_NESTED;
		attr(&x, rd_u16(r));
		x.type = rd_u32(r);
		x.name = rd_cstr(r);
		break;
	case LF_ENUMERATE:
		x.kind = PDB_F_ENUMERATOR;
		attr(&x, rd_u16(r));
		x.value = cv_number(r, &x.neg);
		x.name = rd_cstr(r);
		break;
	case LF_VBCLASS:
	case LF_IVBCLASS:
		x.kind = PDB_F_VBASE;
		x.indirect = leaf == LF_IVBCLASS;
		attr(&x, rd_u16(r));
		x.type = rd_u32(r);
		rd_skip(r, 4); /* type of the virtual base pointer */
		x.offset = cv_number(r, &x.neg);
		x.value = cv_number(r, &x.neg);
		break;
	case LF_ONEMETHOD:
		x.kind = PDB_F_METHOD;
		attr(&x, rd_u16(r));
		x.type = rd_u32(r);
		if (intro(&x))
			x.vtable = rd_u32(r);
		x.name = rd_cstr(r);
		break;
	case LF_METHOD:
		count = rd_u16(r);
		list = rd_u32(r);
		x.name = rd_cstr(r);
		(void)count;
		return !r->bad && methods(w, list, x.name);
	case LF_VFUNCTAB:
	case LF_VFUNCOFF:
		x.kind = PDB_F_VFPTR;
		rd_skip(r, 2);
		x.type = rd_u32(r);
		if (leaf == LF_VFUNCOFF)
			x.offset = rd_u32(r);
		break;
	case LF_FRIENDFCN:
	case LF_FRIENDCLS:
		x.kind = PDB_F_FRIEND;
		rd_skip(r, 2);
		x.type = rd_u32(r);
		if (leaf == LF_FRIENDFCN)
			x.name = rd_cstr(r);
		break;
	case LF_INDEX:
		rd_skip(r, 2);
		*next = rd_u32(r);
		return !r->bad;
	default:
		return false;
	}
	if (r->bad)
		return false;
	give(w, &x);
	return true;
}

err pdb_type_fields(pdb *f, uint32_t ti, bool (*cb)(void *u, const pdb_field *x), void *u)
{
	pdb_type t;
	cv_rec c;
	uint32_t list = pdb_type_strip(f, ti);
	if (pdb_type_get(f, list, &t) != ERR_OK)
		return ERR_NOTFOUND;
	if (t.leaf != LF_FIELDLIST) {
		if (!pdb_is_tag(t.leaf) || t.forward)
			return ERR_NOTFOUND;
		list = t.fields;
	}
	walker w = {.f = f, .cb = cb, .u = u};
	pdb_type under;
	if (t.kind == PDB_T_ENUM && pdb_type_get(f, t.elem, &under) == ERR_OK &&
		under.kind == PDB_T_INT && under.size <= 8)
		w.enum_bits = 8 * (unsigned)under.size;
	for (int hops = 0; list && !w.stop; hops++) {
		if (hops == MAX_LISTS || !pdb_tpi_rec(f, &f->tpi, list, &c) ||
			c.kind != LF_FIELDLIST)
			return ERR_CORRUPT;
		reader r = rd_of(c.p, c.n);
		list = 0;
		while (rd_left(&r) >= 2 && !w.stop && !list) {
			if (r.p[r.pos] >= 0xf0) { /* LF_PAD1 ...: the low half is the distance */
				rd_skip(&r, r.p[r.pos] & 0xf ? r.p[r.pos] & 0xf : 1);
				continue;
			}
			if (!field(&w, &r, &list))
				return ERR_CORRUPT;
		}
	}
	return ERR_OK;
}

err pdb_type_arg(pdb *f, uint32_t ti, uint32_t i, uint32_t *ret)
{
	pdb_type t;
	cv_rec c;
	TRY(pdb_type_get(f, ti, &t));
	uint32_t list = t.kind == PDB_T_FUNC || t.kind == PDB_T_METHOD ? t.args : ti;
	if (!pdb_tpi_rec(f, &f->tpi, list, &c) || c.kind != LF_ARGLIST || c.n < 4)
		return ERR_NOTFOUND;
	if (i >= le32(c.p) || i >= (c.n - 4) / 4)
		return ERR_NOTFOUND;
	*ret = le32(c.p + 4 + 4 * (size_t)i);
	return ERR_OK;
}
