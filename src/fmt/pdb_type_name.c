/*
 * pdb_type_name: a type of a PDB as C writes it: "int (*)[4]".
 */
#include "fmt/pdb_impl.h"

static void left_part(pdb *f, uint32_t ti, buf *out, int depth);
static void right_part(pdb *f, uint32_t ti, buf *out, int depth);

static bool wraps(pdb *f, uint32_t ti)
{
	pdb_type t;
	return pdb_type_get(f, ti, &t) == ERR_OK &&
	       (t.kind == PDB_T_ARRAY || t.kind == PDB_T_FUNC || t.kind == PDB_T_METHOD);
}

static void quals_text(uint8_t q, buf *out, bool after)
{
	static const char *const words[] = {"const", "volatile", "__unaligned"};
	for (int i = 0; i < 3; i++)
		if (q & 1 << i)
			buf_addf(out, after ? " %s" : "%s ", words[i]);
}

static void left_part(pdb *f, uint32_t ti, buf *out, int depth)
{
	pdb_type t, e;
	if (depth > PDB_TYPE_DEPTH || pdb_type_get(f, ti, &t) != ERR_OK) {
		buf_addf(out, "<type 0x%x>", ti);
		return;
	}
	switch (t.kind) {
	case PDB_T_MODIFIER:
		if (pdb_type_get(f, t.elem, &e) == ERR_OK && e.kind == PDB_T_PTR && !e.name.n) {
			left_part(f, t.elem, out, depth + 1);
			quals_text(t.quals, out, true);
		} else {
			quals_text(t.quals, out, false);
			left_part(f, t.elem, out, depth + 1);
		}
		break;
	case PDB_T_PTR:
	case PDB_T_REF:
	case PDB_T_RVREF:
	case PDB_T_MEMPTR:
		if (t.name.n) {
			buf_adds(out, t.name);
			break;
		}
		left_part(f, t.elem, out, depth + 1);
		buf_addc(out, ' ');
		if (wraps(f, t.elem))
			buf_addc(out, '(');
		if (t.kind == PDB_T_MEMPTR && pdb_type_get(f, t.klass, &e) == ERR_OK) {
			buf_adds(out, e.name);
			buf_addz(out, "::");
		}
		buf_addz(out, t.kind == PDB_T_REF ? "&" : t.kind == PDB_T_RVREF ? "&&" : "*");
		quals_text(t.quals, out, true);
		break;
	case PDB_T_ARRAY:
	case PDB_T_FUNC:
	case PDB_T_METHOD:
	case PDB_T_BITFIELD:
		left_part(f, t.elem, out, depth + 1);
		break;
	default:
		if (t.name.n)
			buf_adds(out, t.name);
		else
			buf_addf(out, "<type 0x%x>", ti);
		break;
	}
}

static void right_part(pdb *f, uint32_t ti, buf *out, int depth)
{
	pdb_type t;
	if (depth > PDB_TYPE_DEPTH || pdb_type_get(f, ti, &t) != ERR_OK)
		return;
	switch (t.kind) {
	case PDB_T_MODIFIER:
		right_part(f, t.elem, out, depth + 1);
		break;
	case PDB_T_PTR:
	case PDB_T_REF:
	case PDB_T_RVREF:
	case PDB_T_MEMPTR:
		if (t.name.n)
			break;
		if (wraps(f, t.elem))
			buf_addc(out, ')');
		right_part(f, t.elem, out, depth + 1);
		break;
	case PDB_T_ARRAY: {
		uint64_t size = pdb_type_size(f, t.elem);
		buf_addf(out, "%s[%llu]", out->n && out->p[out->n - 1] == ']' ? "" : " ",
			(unsigned long long)(size ? t.size / size : 0));
		right_part(f, t.elem, out, depth + 1);
		break;
	}
	case PDB_T_FUNC:
	case PDB_T_METHOD:
		buf_addz(out, out->n && out->p[out->n - 1] == ')' ? "(" : " (");
		for (uint32_t i = 0, arg; pdb_type_arg(f, ti, i, &arg) == ERR_OK && !out->toobig;
			i++) {
			if (i)
				buf_addz(out, ", ");
			if (!arg) { /* LF_ARGLIST ends in "no type" for `...` */
				buf_addz(out, "...");
				continue;
			}
			if (depth > 4) {
				buf_addz(out, "...");
				break;
			}
			left_part(f, arg, out, depth + 8);
			right_part(f, arg, out, depth + 8);
		}
		buf_addc(out, ')');
		right_part(f, t.elem, out, depth + 1);
		break;
	default:
		break;
	}
}

void pdb_type_name(pdb *f, uint32_t ti, buf *out)
{
	left_part(f, ti, out, 0);
	right_part(f, ti, out, 0);
}
