/*
 * PDBs made by Microsoft's compiler, symbol by symbol and type by type against llvm-pdbutil.
 *
 * The files come from tools/fetch-testdata; without them, or without llvm-pdbutil, the tests skip.
 */
#include "fmt/codeview.h"
#include "fmt/msf.h"
#include "fmt/pdb.h"
#include "fmt/pe.h"
#include "fmt/undname.h"

#include "base/map.h"
#include "test_fmt_util.h"

static const char *const names[] = {"winpty", "conpty", "winpty-agent"};

typedef struct world {
	char pdb_path[1024], img_path[1024];
	sys_map map, img;
	pdb *f;
} world;

static bool ready(void)
{
	static int
		known; /* 1 yes, -1 no: asked once, since without a network the answer takes time */
	char cmd[1024];
	snprintf(cmd, sizeof cmd, "'%s/tools/fetch-testdata'", getenv("RS_SOURCE_ROOT"));
	if (!have_tool("llvm-pdbutil")) {
		print_message("skipped: llvm-pdbutil is not installed\n");
		return false;
	}
	if (!known)
		known = system(cmd) ? -1 : 1;
	if (known < 0)
		print_message("skipped: tools/fetch-testdata could not fetch node-pty\n");
	return known > 0;
}

static void open_world(world *w, const char *name)
{
	static const char *const ext[] = {"dll", "node", "exe"};
	diag d;
	memset(w, 0, sizeof *w);
	snprintf(w->pdb_path, sizeof w->pdb_path, "%s/.cache/testdata/node-pty-1.1.0/%s.pdb",
		getenv("RS_SOURCE_ROOT"), name);
	for (size_t i = 0; i < ARRAY_LEN(ext); i++) {
		snprintf(w->img_path, sizeof w->img_path, "%s/.cache/testdata/node-pty-1.1.0/%s.%s",
			getenv("RS_SOURCE_ROOT"), name, ext[i]);
		if (sys_is_file(w->img_path))
			break;
	}
	assert_int_equal(sys_map_open(w->pdb_path, &w->map, &d), ERR_OK);
	assert_int_equal(pdb_open(w->map.p, w->map.n, &w->f, &d), ERR_OK);
}

static void close_world(world *w)
{
	pdb_close(w->f);
	sys_map_close(&w->map);
	sys_map_close(&w->img);
}

static FILE *dump(const world *w, const char *what)
{
	char cmd[2048];
	snprintf(cmd, sizeof cmd, "llvm-pdbutil dump %s '%s'", what, w->pdb_path);
	FILE *p = popen(cmd, "r");
	assert_non_null(p);
	return p;
}

static void dump_close(FILE *p)
{
	assert_int_equal(pclose(p), 0);
}

/* Text between the first and the last backquote of a line. */
static str quoted(char *line)
{
	char *a = strchr(line, '`'), *b = strrchr(line, '`');
	return a && b > a ? str_range(a + 1, b) : (str){"", 0};
}

#define FOR_ALL_FILES(w)                                                                           \
	if (!ready())                                                                              \
		skip();                                                                            \
	world w;                                                                                   \
	for (size_t which = 0; which < ARRAY_LEN(names) && (open_world(&w, names[which]), true);   \
		which++, close_world(&w))

/* ---- publics and globals ---- */

typedef struct want {
	uint16_t seg;
	uint32_t off, type, mod, at;
	int64_t value;
	size_t hits, seen;
	pdb_kind kind;
	pdb_sym s;
} want;

static bool same_place(void *u, const pdb_sym *s)
{
	want *x = u;
	x->seen++;
	if (s->seg == x->seg && s->off == x->off) {
		x->hits++;
		x->s = *s;
	}
	return true;
}

static void test_publics(void **state)
{
	(void)state;
	FOR_ALL_FILES(w)
	{
		FILE *p = dump(&w, "-publics");
		char *line = NULL;
		size_t cap = 0, n = 0;
		while (getline(&line, &cap, p) > 0) {
			if (!strstr(line, "| S_PUB32 "))
				continue;
			char *keep = strndup(quoted(line).p, quoted(line).n);
			str name = str_of(keep);
			assert_true(getline(&line, &cap, p) > 0);
			want x = {0};
			unsigned seg, off;
			assert_int_equal(
				sscanf(strstr(line, "addr = "), "addr = %u:%u", &seg, &off), 2);
			x.seg = (uint16_t)seg;
			x.off = off;
			assert_int_equal(pdb_public_find(w.f, name, false, same_place, &x), ERR_OK);
			assert_true(x.hits >= 1);
			const pdb_section *sec = pdb_section_nth(w.f, seg - 1);
			assert_int_equal(x.s.code,
				strstr(line, "function") || (sec && sec->flags & 0x20000020));
			assert_int_equal(sec != NULL, x.s.rva != PDB_NO_RVA);
			/* By address: a public at exactly this place, and before it none. */
			if (x.s.rva != PDB_NO_RVA) {
				size_t i;
				pdb_sym s;
				uint16_t seg2;
				uint32_t off2;
				assert_int_equal(pdb_public_at(w.f, x.s.rva, &i, &s), ERR_OK);
				assert_int_equal(s.rva, x.s.rva);
				assert_true(pdb_segoff(w.f, s.rva, &seg2, &off2));
				assert_int_equal(seg2, seg);
				assert_int_equal(off2, off);
				bool found = false;
				while (!found && pdb_public_nth(w.f, i++, &s) == ERR_OK &&
					s.rva == x.s.rva)
					found = str_eq(s.name, name);
				assert_true(found);
			}
			n++;
			free(keep);
		}
		free(line);
		dump_close(p);
		assert_int_equal(n, pdb_npublics(w.f));
		assert_true(n > 1000);
	}
}

static bool same_global(void *u, const pdb_sym *s)
{
	want *x = u;
	x->seen++;
	bool hit = s->kind == x->kind;
	if (x->kind == PDB_FUNC)
		hit = hit && s->mod == x->mod && s->at == x->at;
	else if (x->kind == PDB_CONST)
		hit = hit && s->type == x->type && (int64_t)s->value == x->value;
	else
		hit = hit && s->type == x->type && s->seg == x->seg && s->off == x->off;
	x->hits += hit;
	return true;
}

static bool count_cb(void *u, const pdb_sym *s)
{
	(void)s;
	++*(size_t *)u;
	return true;
}

static void test_globals(void **state)
{
	(void)state;
	FOR_ALL_FILES(w)
	{
		FILE *p = dump(&w, "-globals");
		char *line = NULL;
		size_t cap = 0, n = 0;
		while (getline(&line, &cap, p) > 0) {
			char kind[40];
			if (sscanf(line, " %*u | S_%39s", kind) != 1)
				continue;
			char *name = strndup(quoted(line).p, quoted(line).n);
			assert_true(getline(&line, &cap, p) > 0);
			want x = {0};
			unsigned a, b, seg = 0;
			long long v;
			if (!strcmp(kind, "PROCREF") || !strcmp(kind, "LPROCREF")) {
				x.kind = PDB_FUNC;
				assert_int_equal(
					sscanf(line, " module = %u, sum name = %*u, offset = %u",
						&a, &b),
					2);
				x.mod = a - 1;
				x.at = b;
			} else if (strstr(kind, "DATA32") || strstr(kind, "THREAD32")) {
				x.kind = strstr(kind, "DATA32") ? PDB_DATA : PDB_TLS;
				assert_int_equal(sscanf(line, " type = %x", &x.type), 1);
				assert_int_equal(sscanf(strstr(line, "addr = "), "addr = %u:%u",
							 &seg, &x.off),
					2);
				x.seg = (uint16_t)seg;
			} else if (!strcmp(kind, "CONSTANT")) {
				x.kind = PDB_CONST;
				assert_int_equal(sscanf(line, " type = %x", &x.type), 1);
				assert_int_equal(
					sscanf(strstr(line, "value = "), "value = %lld", &v), 1);
				if (strtoull(strstr(line, "value = ") + 8, NULL, 10) > INT64_MAX)
					v = (long long)strtoull(
						strstr(line, "value = ") + 8, NULL, 10);
				x.value = v;
			} else if (!strcmp(kind, "UDT")) {
				x.kind = PDB_UDT;
				assert_int_equal(sscanf(line, " original type = %x", &x.type), 1);
			} else {
				fail_msg("unexpected S_%s", kind);
			}
			err e = pdb_global_find(w.f, str_of(name), false, PDB_ALL, same_global, &x);
			if (e != ERR_OK || x.hits < 1)
				fail_msg("%s S_%s %s: %s, %zu seen", names[which], kind, name,
					err_name(e), x.seen);
			free(name);
			n++;
		}
		free(line);
		dump_close(p);
		size_t mine = 0;
		assert_int_equal(
			pdb_each_name(w.f, PDB_ALL & ~PDB_MASK(PDB_PUBLIC), count_cb, &mine),
			ERR_OK);
		assert_int_equal(mine, n);
		assert_true(n > 1000);
	}
}

/* ---- types ---- */

typedef struct fields {
	VEC(pdb_field) v;
} fields;

static bool keep_field(void *u, const pdb_field *x)
{
	vec_push(&((fields *)u)->v, *x);
	return true;
}

/* "0x1234 (name)", "0x0074 (int)" or "<no type>". */
static uint32_t hex_after(const char *line, const char *label)
{
	const char *p = strstr(line, label);
	unsigned v = 0;
	assert_non_null(p);
	return sscanf(p + strlen(label), "%x", &v) == 1 ? v : 0;
}

static void check_member(char *line, const pdb_field *x, pdb *f)
{
	str name = quoted(line);
	if (strstr(line, "- LF_ENUMERATE [")) {
		char *eq = strrchr(line, '='), *from = strchr(line, '[') + 1;
		assert_int_equal(x->kind, PDB_F_ENUMERATOR);
		assert_true(str_eq(x->name, str_range(from, eq - 1)));
		/* The dump of an enumerator's list does not know that it is signed. */
		assert_int_equal((uint32_t)x->value, (uint32_t)strtoull(eq + 1, NULL, 10));
		return;
	}
	if (strstr(line, "- LF_MEMBER ")) {
		pdb_type t;
		uint32_t ti = hex_after(line, "Type = ");
		assert_int_equal(x->kind, PDB_F_MEMBER);
		assert_int_equal(x->offset, strtoull(strstr(line, "offset = ") + 9, NULL, 10));
		assert_int_equal(pdb_type_get(f, ti, &t), ERR_OK);
		assert_int_equal(x->type, t.kind == PDB_T_BITFIELD ? t.elem : ti);
		assert_int_equal(x->bit_len, t.kind == PDB_T_BITFIELD ? t.bit_len : 0);
		assert_int_equal(x->bit_pos, t.kind == PDB_T_BITFIELD ? t.bit_pos : 0);
	} else if (strstr(line, "- LF_STMEMBER ")) {
		assert_int_equal(x->kind, PDB_F_STATIC);
		assert_int_equal(x->type, hex_after(line, "type = "));
	} else if (strstr(line, "- LF_NESTTYPE ")) {
		assert_int_equal(x->kind, PDB_F_NESTED);
		assert_int_equal(x->type, hex_after(line, "parent = "));
	} else if (strstr(line, "- LF_BCLASS")) {
		assert_int_equal(x->kind, PDB_F_BASE);
		return;
	} else if (strstr(line, "- LF_VBCLASS") || strstr(line, "- LF_IVBCLASS")) {
		assert_int_equal(x->kind, PDB_F_VBASE);
		assert_int_equal(x->indirect, strstr(line, "- LF_I") != NULL);
		return;
	} else if (strstr(line, "- LF_VFUNCTAB")) {
		assert_int_equal(x->kind, PDB_F_VFPTR);
		assert_int_equal(x->type, hex_after(line, "type = "));
		return;
	} else if (strstr(line, "- LF_ONEMETHOD ")) {
		assert_int_equal(x->kind, PDB_F_METHOD);
	} else {
		fail_msg("unexpected %s", line);
	}
	assert_true(str_eq(x->name, name));
	assert_int_equal(x->access, strstr(line, "private")	? 1
				    : strstr(line, "protected") ? 2
								: x->access);
}

static void check_list(pdb *f, uint32_t ti, FILE *p, char **line, size_t *cap)
{
	fields l = {0};
	size_t i = 0;
	assert_int_equal(pdb_type_fields(f, ti, keep_field, &l), ERR_OK);
	while (getline(line, cap, p) > 0 && strstr(*line, "   - LF_")) {
		if (strstr(*line, "- LF_METHOD ")) {
			size_t n = strtoul(strstr(*line, "overloads = ") + 12, NULL, 10);
			for (size_t k = 0; k < n; k++, i++) {
				assert_true(i < l.v.n);
				assert_int_equal(l.v.p[i].kind, PDB_F_METHOD);
				assert_true(str_eq(l.v.p[i].name, quoted(*line)));
			}
			continue;
		}
		if (strstr(*line, "- LF_INDEX"))
			fail_msg("a continuation list: %s", *line);
		assert_true(i < l.v.n);
		check_member(*line, &l.v.p[i], f);
		if (strstr(*line, "- LF_BCLASS")) {
			assert_true(getline(line, cap, p) > 0);
			assert_int_equal(l.v.p[i].type, hex_after(*line, "type = "));
			assert_int_equal(l.v.p[i].offset,
				strtoull(strstr(*line, "offset = ") + 9, NULL, 10));
		}
		if (strstr(*line, "VBCLASS")) {
			assert_true(getline(line, cap, p) > 0);
			assert_int_equal(l.v.p[i].type, hex_after(*line, "base = "));
			unsigned long long off, index;
			assert_int_equal(
				sscanf(strstr(*line, "vbptr offset"),
					"vbptr offset = %llu, vtable index = %llu", &off, &index),
				2);
			assert_int_equal(l.v.p[i].offset, off);
			assert_int_equal(l.v.p[i].value, index);
			assert_true(getline(line, cap, p) > 0); /* attributes */
		}
		if (strstr(*line, "- LF_ONEMETHOD ")) {
			assert_true(getline(line, cap, p) > 0);
			assert_int_equal(l.v.p[i].type, hex_after(*line, "type = "));
			if (strstr(*line, "intro"))
				assert_int_equal(l.v.p[i].vtable,
					strtoul(strstr(*line, "offset = ") + 9, NULL, 10));
		}
		i++;
	}
	assert_int_equal(i, l.v.n);
	vec_deinit(&l.v);
}

static void check_tag(
	pdb *f, uint32_t ti, const char *leaf, const char *head, FILE *p, char **line, size_t *cap)
{
	pdb_type t;
	uint32_t def, found;
	assert_int_equal(pdb_type_get(f, ti, &t), ERR_OK);
	assert_true(str_eq(t.name, quoted((char *)(uintptr_t)head)));
	assert_string_equal(cv_leaf_kind_name(t.leaf), leaf);
	while (getline(line, cap, p) > 0 && !strstr(*line, "options: ")) {
		if (strstr(*line, "unique name: "))
			assert_true(str_eq(t.unique, quoted(*line)));
		if (strstr(*line, "field list: "))
			assert_int_equal(t.fields, hex_after(*line, "field list: "));
		if (strstr(*line, "underlying type: "))
			assert_int_equal(t.elem, hex_after(*line, "underlying type: "));
	}
	if (strstr(*line, ", sizeof ") && !t.forward)
		assert_int_equal(t.size, strtoull(strstr(*line, ", sizeof ") + 9, NULL, 10));
	char *fwd = strstr(*line, "forward ref (");
	assert_int_equal(t.forward, fwd != NULL);
	def = pdb_type_def(f, ti);
	if (t.forward) {
		uint32_t other = 0;
		pdb_type o;
		if (sscanf(fwd, "forward ref (-> %x)", &other) == 1 ||
			sscanf(fwd, "forward ref (<- %x)", &other) == 1) {
			/* Several definitions of one name may differ; ours must be one of this
			 * name. */
			assert_int_equal(pdb_type_get(f, def, &o), ERR_OK);
			if (o.forward)
				fail_msg("%.*s (0x%x) has no definition, expected 0x%x",
					STR_ARG(t.name), ti, other);
			assert_true(str_eq(o.unique, t.unique));
			pdb_type theirs;
			assert_int_equal(pdb_type_get(f, other, &theirs), ERR_OK);
			assert_int_equal(o.size, theirs.size);
		} else {
			assert_int_equal(def, ti);
		}
	} else {
		assert_int_equal(def, ti);
		if (!t.anonymous && !(t.props & CV_PROP_SCOPED)) {
			assert_int_equal(pdb_type_find(f, t.name, false, &found), ERR_OK);
			pdb_type o;
			assert_int_equal(pdb_type_get(f, found, &o), ERR_OK);
			assert_true(str_eq(o.name, t.name));
		}
	}
}

static size_t plain_pointers, other_pointers;

static void check_made(pdb *f, uint32_t ti, const char *leaf, FILE *p, char **line, size_t *cap)
{
	pdb_type t;
	assert_int_equal(pdb_type_get(f, ti, &t), ERR_OK);
	if (!strcmp(leaf, "LF_ARGLIST") || !strcmp(leaf, "LF_VTSHAPE") ||
		!strcmp(leaf, "LF_METHODLIST"))
		return;
	assert_true(getline(line, cap, p) > 0);
	char *l = *line;
	if (!strcmp(leaf, "LF_POINTER")) {
		assert_int_equal(t.elem, hex_after(l, "referent = "));
		if (!strstr(l, "member"))
			assert_int_equal(t.size, 8);
		assert_int_equal(t.kind, strstr(l, "mode = ref")      ? PDB_T_REF
					 : strstr(l, "mode = rvalue") ? PDB_T_RVREF
					 : strstr(l, "member")	      ? PDB_T_MEMPTR
								      : PDB_T_PTR);
		char *opts = strstr(l, "opts = ");
		*strstr(opts, ", kind") = 0;
		assert_int_equal((t.quals & PDB_CONST_) != 0, strstr(opts, "const") != NULL);
		uint32_t ptr;
		if (t.kind == PDB_T_PTR && !t.quals && strstr(opts, "opts = None")) {
			pdb_type o;
			/* `this` of a method for rvalues is a plain pointer with a mark that the
			 * dump hides. */
			if (pdb_type_pointer_to(f, t.elem, &ptr) == ERR_OK) {
				assert_int_equal(pdb_type_get(f, ptr, &o), ERR_OK);
				assert_int_equal(o.elem, t.elem);
				plain_pointers++;
			} else {
				other_pointers++;
			}
		}
	} else if (!strcmp(leaf, "LF_MODIFIER")) {
		assert_int_equal(t.elem, hex_after(l, "referent = "));
		assert_int_equal((t.quals & PDB_VOLATILE) != 0, strstr(l, "volatile") != NULL);
	} else if (!strcmp(leaf, "LF_ARRAY")) {
		assert_int_equal(t.size, strtoull(strstr(l, "size: ") + 6, NULL, 10));
		assert_int_equal(t.elem, hex_after(l, "element type: "));
		assert_int_equal(t.index, hex_after(l, "index type: "));
	} else if (!strcmp(leaf, "LF_BITFIELD")) {
		assert_int_equal(t.elem, hex_after(l, "type = "));
		assert_int_equal(t.bit_pos, strtoul(strstr(l, "offset = ") + 9, NULL, 10));
		assert_int_equal(t.bit_len, strtoul(strstr(l, "# bits = ") + 9, NULL, 10));
	} else if (!strcmp(leaf, "LF_PROCEDURE") || !strcmp(leaf, "LF_MFUNCTION")) {
		if (t.elem != hex_after(l, "return type = "))
			fail_msg("0x%x %s: %x not %s", ti, leaf, t.elem, l);
		assert_int_equal(t.count, strtoul(strstr(l, "# args = ") + 9, NULL, 10));
		assert_int_equal(t.args, hex_after(l, "param list = "));
		uint32_t arg;
		for (uint32_t i = 0; i < t.count; i++)
			assert_int_equal(pdb_type_arg(f, ti, i, &arg), ERR_OK);
		/* `...` stands in the list as a last type 0 and may or may not be counted. */
		if (pdb_type_arg(f, ti, t.count, &arg) == ERR_OK)
			assert_int_equal(arg, 0);
		if (leaf[3] == 'M') {
			assert_true(getline(line, cap, p) > 0);
			assert_int_equal(t.klass, hex_after(*line, "class type = "));
			assert_int_equal(t.this_type, hex_after(*line, "this type = "));
		}
	}
}

static void test_types(void **state)
{
	(void)state;
	FOR_ALL_FILES(w)
	{
		FILE *p = dump(&w, "-types");
		char *line = NULL;
		size_t cap = 0, n = 0;
		bool have = false;
		while (have || getline(&line, &cap, p) > 0) {
			unsigned ti;
			char leaf[40];
			have = false;
			if (sscanf(line, " 0x%X | %39s", &ti, leaf) != 2)
				continue;
			n++;
			assert_int_equal(ti, pdb_type_first(w.f) + n - 1);
			if (!strcmp(leaf, "LF_FIELDLIST")) {
				check_list(w.f, ti, p, &line, &cap);
				have = !feof(p); /* it read the next line */
			} else if (!strcmp(leaf, "LF_STRUCTURE") || !strcmp(leaf, "LF_CLASS") ||
				   !strcmp(leaf, "LF_UNION") || !strcmp(leaf, "LF_ENUM")) {
				char *head = mem_strdup(line);
				check_tag(w.f, ti, leaf, head, p, &line, &cap);
				mem_free(head);
			} else {
				check_made(w.f, ti, leaf, p, &line, &cap);
			}
		}
		free(line);
		dump_close(p);
		assert_int_equal(n, pdb_ntypes(w.f));
		assert_true(plain_pointers > 1000 && other_pointers * 50 < plain_pointers);
		plain_pointers = other_pointers = 0;
	}
}

/* ---- functions of modules ---- */

typedef struct procs {
	VEC(pdb_sym) v;
} procs;

static bool keep_proc(void *u, const pdb_sym *s)
{
	if (s->kind == PDB_FUNC)
		vec_push(&((procs *)u)->v, *s);
	return true;
}

static void check_by_address(pdb *f, const pdb_sym *s)
{
	pdb_sym at;
	uint32_t disp;
	assert_int_equal(pdb_func_at(f, s->rva, &at), ERR_OK);
	assert_int_equal(at.rva, s->rva); /* folded functions: another name, the same place */
	assert_int_equal(at.size, s->size);
	if (s->size > 1) {
		assert_int_equal(pdb_func_at(f, s->rva + s->size - 1, &at), ERR_OK);
		assert_int_equal(at.rva, s->rva);
		assert_int_equal(pdb_sym_at(f, s->rva + 1, &at, &disp), ERR_OK);
		assert_true(at.rva == s->rva || at.rva == s->rva + 1);
	}
	assert_int_equal(pdb_sym_at(f, s->rva, &at, &disp), ERR_OK);
	assert_int_equal(disp, 0);
	assert_int_equal(at.kind, PDB_FUNC);
	if (pdb_sym_after(f, s->rva, &at, &disp) == ERR_OK)
		assert_true(at.rva > s->rva && disp == at.rva - s->rva);
}

static void test_procs(void **state)
{
	(void)state;
	FOR_ALL_FILES(w)
	{
		FILE *p = dump(&w, "-symbols");
		char *line = NULL;
		size_t cap = 0, n = 0, k = 0;
		unsigned mod = 0;
		procs have = {0};
		while (getline(&line, &cap, p) > 0) {
			unsigned at, seg, off, size, type;
			char kind[40];
			if (sscanf(line, " Mod %u | `", &mod) == 1) {
				pdb_mod m;
				assert_int_equal(k, have.v.n); /* none left over */
				have.v.n = k = 0;
				assert_int_equal(pdb_mod_get(w.f, mod, &m), ERR_OK);
				assert_true(str_eq(m.name, quoted(line)));
				err e = pdb_mod_each(w.f, mod, false, keep_proc, &have);
				assert_true(e == ERR_OK || e == ERR_NOTFOUND);
				continue;
			}
			if (sscanf(line, " %u | S_%39s", &at, kind) != 2 || !strstr(kind, "PROC32"))
				continue;
			assert_true(k < have.v.n);
			const pdb_sym *s = &have.v.p[k++];
			assert_int_equal(s->at, at);
			assert_true(str_eq(s->name, quoted(line)));
			assert_int_equal(s->global, kind[0] == 'G');
			assert_true(getline(&line, &cap, p) > 0);
			assert_int_equal(sscanf(strstr(line, "addr = "),
						 "addr = %u:%u, code size = %u", &seg, &off, &size),
				3);
			assert_int_equal(s->seg, seg);
			assert_int_equal(s->off, off);
			assert_int_equal(s->size, size);
			assert_int_equal(s->rva, pdb_rva(w.f, (uint16_t)seg, off));
			assert_true(getline(&line, &cap, p) > 0);
			if (sscanf(line, " type = `%x", &type) != 1) {
				assert_non_null(strstr(line, "type = `<no type>`"));
				type = 0;
			}
			assert_int_equal(s->type, type);
			check_by_address(w.f, s);
			n++;
		}
		assert_int_equal(k, have.v.n);
		vec_deinit(&have.v);
		free(line);
		dump_close(p);
		assert_int_equal(mod + 1, pdb_nmods(w.f));
		assert_true(n > 500);
	}
}

/* ---- lines ---- */

typedef struct la {
	uint32_t rva, line;
} la;
typedef struct las {
	VEC(la) v;
	pdb *f;
} las;

static int la_order(const void *a, const void *b)
{
	const la *x = a, *y = b;
	if (x->rva != y->rva)
		return x->rva < y->rva ? -1 : 1;
	return x->line < y->line ? -1 : x->line > y->line;
}

static bool keep_line(void *u, const pdb_line *l)
{
	las *v = u;
	assert_true(l->file.n > 0);
	vec_push(&v->v, (la){l->rva, l->line});
	return true;
}

static void compare_lines(pdb *f, unsigned mod, las *theirs)
{
	las mine = {.f = f};
	err e = pdb_line_each(f, mod, keep_line, &mine);
	assert_true(e == ERR_OK || e == ERR_NOTFOUND);
	if (mine.v.n != theirs->v.n)
		fail_msg("module %u: %zu lines, expected %zu", mod, mine.v.n, theirs->v.n);
	if (mine.v.n) {
		qsort(mine.v.p, mine.v.n, sizeof *mine.v.p, la_order);
		qsort(theirs->v.p, theirs->v.n, sizeof *theirs->v.p, la_order);
		assert_memory_equal(mine.v.p, theirs->v.p, mine.v.n * sizeof *mine.v.p);
	}
	/* Each address leads back to one of its lines, if the module is what the linker kept there.
	 */
	for (size_t i = 0; i < mine.v.n; i++) {
		pdb_line l;
		uint32_t owner;
		bool hit = false;
		if (pdb_mod_at(f, mine.v.p[i].rva, &owner, NULL, NULL) != ERR_OK || owner != mod)
			continue;
		assert_int_equal(pdb_line_at(f, mine.v.p[i].rva, &l), ERR_OK);
		for (size_t k = 0; k < mine.v.n && !hit; k++)
			hit = mine.v.p[k].rva == l.rva && mine.v.p[k].line == l.line;
		assert_true(hit && l.rva == mine.v.p[i].rva);
	}
	vec_deinit(&mine.v);
	theirs->v.n = 0;
}

static void test_lines(void **state)
{
	(void)state;
	FOR_ALL_FILES(w)
	{
		FILE *p = dump(&w, "-l");
		char *line = NULL;
		size_t cap = 0, total = 0;
		unsigned mod = 0, next, seg = 0, from, to, count, x;
		bool in_block = false;
		las theirs = {0};
		while (getline(&line, &cap, p) > 0) {
			if (sscanf(line, "Mod %u | `", &next) == 1) {
				if (next)
					compare_lines(w.f, mod, &theirs);
				mod = next;
				in_block = false;
			} else if (sscanf(line, " %x:%x-%x, line/addr entries = %u", &x, &from, &to,
					   &count) == 4) {
				in_block = true;
				seg = x;
			} else if (in_block) {
				char *s = line;
				unsigned num, off;
				int used;
				for (;;) {
					char word[16];
					if (sscanf(s, " %15s %x%n", word, &off, &used) != 2)
						break;
					s += used;
					s += strspn(s, " !");
					/* ASI, NSI: code without a line, always or never to be
					 * stepped into */
					num = (unsigned)strtoul(word, NULL, 10);
					if (num) {
						vec_push(&theirs.v,
							(la){pdb_rva(w.f, (uint16_t)seg, off),
								num});
						total++;
					}
				}
			}
		}
		compare_lines(w.f, mod, &theirs);
		vec_deinit(&theirs.v);
		free(line);
		dump_close(p);
		assert_true(total > 5000);
	}
}

/* By file and line: every line of one source file, forwards and back. */
static bool find_back(void *u, const pdb_line *l)
{
	las *v = u;
	if (pdb_path_match(l->file, STR("BackgroundDesktop.cc")))
		vec_push(&v->v, (la){l->rva, l->line});
	return true;
}

static void test_line_find(void **state)
{
	(void)state;
	if (!ready())
		skip();
	world w;
	open_world(&w, "winpty");
	las v = {.f = w.f};
	for (uint32_t m = 0; m < pdb_nmods(w.f); m++) {
		err e = pdb_line_each(w.f, m, find_back, &v);
		assert_true(e == ERR_OK || e == ERR_NOTFOUND);
	}
	assert_true(v.v.n > 20);
	arena a;
	arena_init(&a);
	for (size_t i = 0; i < v.v.n; i++) {
		pdb_line *l;
		size_t n;
		bool exact, hit = false;
		assert_int_equal(pdb_line_find(w.f, &a, STR("shared/backgrounddesktop.CC"),
					 v.v.p[i].line, &l, &n, &exact),
			ERR_OK);
		assert_true(exact);
		for (size_t k = 0; k < n; k++) {
			assert_int_equal(l[k].line, v.v.p[i].line);
			assert_true(!k || l[k].rva > l[k - 1].rva);
			hit |= v.v.p[i].rva >= l[k].rva && v.v.p[i].rva - l[k].rva <= l[k].size;
		}
		assert_true(hit);
	}
	pdb_line *l;
	size_t n;
	bool exact;
	assert_int_equal(
		pdb_line_find(w.f, &a, STR("BackgroundDesktop.cc"), 1, &l, &n, &exact), ERR_OK);
	assert_false(exact);
	assert_true(l[0].line > 1);
	assert_int_equal(
		pdb_line_find(w.f, &a, STR("BackgroundDesktop.cc"), 100000, &l, &n, &exact),
		ERR_NOTFOUND);
	assert_int_equal(
		pdb_line_find(w.f, &a, STR("Desktop.cc"), 1, &l, &n, &exact), ERR_NOTFOUND);
	arena_deinit(&a);
	vec_deinit(&v.v);
	close_world(&w);
}

/* ---- locals and inlined calls ---- */

static void test_inlines(void **state)
{
	(void)state;
	FOR_ALL_FILES(w)
	{
		FILE *p = dump(&w, "-symbols");
		char *line = NULL;
		size_t cap = 0, n = 0, nested = 0;
		unsigned seg, off, size = 0, mod = 0, at = 0, rec;
		uint32_t base = 0, id = 0;
		bool wait = false;
		while (getline(&line, &cap, p) > 0) {
			unsigned code;
			char *c;
			(void)!sscanf(line, " Mod %u | `", &mod);
			if (strstr(line, "PROC32 [") && sscanf(line, " %u |", &rec) == 1)
				at = rec;
			if (strstr(line, "code size = ") && strstr(line, "parent = 0,"))
				base = sscanf(strstr(line, "addr = "),
					       "addr = %u:%u, code size = %u", &seg, &off,
					       &size) == 3
					       ? pdb_rva(w.f, (uint16_t)seg, off)
					       : base;
			if (strstr(line, "inlinee = ")) {
				id = hex_after(line, "inlinee = ");
				wait = true;
			}
			c = strstr(line, " code 0x");
			if (!wait || !c || sscanf(c, " code %x", &code) != 1)
				continue;
			wait = false;
			/* The first code of the site: it must be among the calls that hold it. */
			arena a;
			arena_init(&a);
			pdb_inline *in;
			size_t count;
			bool hit = false;
			pdb_sym fn;
			assert_true(code < size);
			/* Folding may have kept another function there, with other calls. */
			if (pdb_func_at(w.f, base + code, &fn) == ERR_OK && fn.mod == mod &&
				fn.at == at) {
				err e = pdb_inlines_at(w.f, &a, base + code, &in, &count);
				if (e != ERR_OK)
					fail_msg("%s: inlinee 0x%x at 0x%x: %s", names[which], id,
						base + code, err_name(e));
				for (size_t i = 0; i < count; i++) {
					/* Imported indices are resolved, which the dump does not
					 * do. */
					hit |= in[i].id == id || id >> 31;
					if (!in[i].name.n || !in[i].type)
						fail_msg("%s: inlinee 0x%x has no name",
							names[which], in[i].id);
					assert_true(in[i].begin <= base + code &&
						    in[i].end > base + code);
					/* Nothing passes the function's end: that is how the
					 * lengths must be read. */
					assert_true(in[i].begin >= fn.rva &&
						    in[i].end <= fn.rva + fn.size);
				}
				assert_true(hit);
				n++;
				nested += count > 1;
			}
			arena_deinit(&a);
		}
		free(line);
		dump_close(p);
		assert_true(n > 3000);
		assert_true(nested > 500);
	}
}

static void test_locals(void **state)
{
	(void)state;
	FOR_ALL_FILES(w)
	{
		size_t params = 0, regs = 0, rels = 0, pieces = 0, statics = 0, gone = 0;
		procs all = {0};
		for (uint32_t m = 0; m < pdb_nmods(w.f); m++)
			if (pdb_mod_each(w.f, m, false, keep_proc, &all) != ERR_OK)
				continue;
		for (size_t i = 0; i < all.v.n; i++) {
			const pdb_sym *s = &all.v.p[i];
			arena a;
			pdb_local *l;
			size_t n;
			arena_init(&a);
			assert_int_equal(pdb_locals_all(w.f, &a, s, &l, &n), ERR_OK);
			for (uint32_t at = 0; at < s->size; at += 7) {
				assert_int_equal(
					pdb_locals_at(w.f, &a, s->rva + at, &l, &n), ERR_OK);
				for (size_t k = 0; k < n; k++) {
					assert_true(l[k].begin <= s->rva + at &&
						    l[k].end > s->rva + at);
					params += l[k].param;
					pieces += l[k].npieces > 0;
					gone += l[k].loc == PDB_LOC_NONE;
					statics += l[k].loc == PDB_LOC_STATIC;
					if (l[k].loc == PDB_LOC_REG || l[k].loc == PDB_LOC_REGREL) {
						if (!pdb_reg_name(w.f, l[k].reg))
							fail_msg("%s: register %u", names[which],
								l[k].reg);
						regs += l[k].loc == PDB_LOC_REG;
						rels += l[k].loc == PDB_LOC_REGREL;
					}
				}
			}
			arena_deinit(&a);
		}
		vec_deinit(&all.v);
		assert_true(params > 1000 && regs > 1000 && rels > 1000 && pieces > 10 &&
			    statics > 10 && gone > 10);
	}
}

/* ---- names, image, container ---- */

static void undecorate_one(pdb *f, const pdb_sym *s, size_t *n, size_t *other)
{
	size_t i;
	pdb_sym p;
	arena a;
	bool hit = false, any = false;
	if (pdb_public_at(f, s->rva, &i, &p) != ERR_OK || p.rva != s->rva)
		return;
	arena_init(&a);
	for (; !hit && p.rva == s->rva; any = true) {
		hit = str_eq(undname_short(&a, p.name, false), s->name);
		if (pdb_public_nth(f, ++i, &p) != ERR_OK)
			break;
	}
	arena_deinit(&a);
	*n += any;
	*other += any && !hit;
}

static void test_undecorate(void **state)
{
	(void)state;
	FOR_ALL_FILES(w)
	{
		procs all = {0};
		size_t n = 0, other = 0;
		for (uint32_t m = 0; m < pdb_nmods(w.f); m++)
			if (pdb_mod_each(w.f, m, false, keep_proc, &all) != ERR_OK)
				continue;
		for (size_t i = 0; i < all.v.n; i++)
			undecorate_one(w.f, &all.v.p[i], &n, &other);
		vec_deinit(&all.v);
		/* What differs are functions that were folded with others: their public is gone. */
		assert_true(n > 500);
		if (other * 20 > n)
			fail_msg("%s: %zu of %zu differ", names[which], other, n);
	}
}

static void test_image(void **state)
{
	(void)state;
	FOR_ALL_FILES(w)
	{
		diag d;
		pe_view v;
		pe_codeview cv;
		arena a;
		arena_init(&a);
		assert_int_equal(sys_map_open(w.img_path, &w.img, &d), ERR_OK);
		str bytes = {(const char *)w.img.p, w.img.n};
		mem_reader r = pe_bytes(&bytes);
		assert_int_equal(pe_open(&v, &a, &r, 0, PE_FILE, &d), ERR_OK);
		assert_int_equal(v.machine, PE_MACHINE_AMD64);
		assert_int_equal(pe_debug_codeview(&v, &a, &cv), ERR_OK);
		const pdb_id *id = pdb_id_get(w.f);
		assert_true(cv.rsds);
		assert_memory_equal(cv.guid, id->guid, 16);
		assert_int_equal(cv.age, id->dbi_age);
		assert_int_equal(id->machine, v.machine);
		assert_true(id->has_private && id->has_types && id->has_lines && !id->stripped);
		/* .pdata entries begin at functions that the PDB knows. */
		size_t known = 0;
		assert_true(pe_func_count(&v) > 100);
		for (size_t i = 0; i < pe_func_count(&v); i++) {
			pe_func fn, at;
			pdb_sym s;
			assert_int_equal(pe_func_nth(&v, i, &fn), ERR_OK);
			assert_int_equal(pe_func_at(&v, fn.end - 1, &at), ERR_OK);
			assert_int_equal(at.begin, fn.begin);
			known += pdb_func_at(w.f, fn.begin, &s) == ERR_OK;
		}
		assert_true(known * 10 > pe_func_count(&v) * 9);
		arena_deinit(&a);
	}
}

static bool hash_sym(void *u, const pdb_sym *s)
{
	uint64_t *h = u;
	*h = *h * 31 + hash_bytes(s->name.p, s->name.n) + s->at + s->rva;
	return true;
}

static uint64_t digest(pdb *f)
{
	uint64_t h = 0;
	assert_int_equal(pdb_each_name(f, PDB_ALL, hash_sym, &h), ERR_OK);
	for (uint32_t m = 0; m < pdb_nmods(f); m++)
		if (pdb_mod_each(f, m, true, hash_sym, &h) != ERR_OK)
			continue;
	for (uint32_t ti = 0x1000; ti < 0x1000 + pdb_ntypes(f); ti++) {
		buf b;
		buf_init(&b, 4096);
		pdb_type_name(f, ti, &b);
		h = h * 31 + hash_bytes(b.p, b.n) + pdb_type_size(f, ti);
		buf_deinit(&b);
	}
	return h;
}

/* The same PDB in other containers: MSF with scattered pages, MSFZ with each way of packing. */
static void test_containers(void **state)
{
	(void)state;
	if (!ready())
		skip();
	world w;
	open_world(&w, "winpty");
	uint64_t h = digest(w.f);
	msf *m;
	diag d;
	assert_int_equal(msf_open(w.map.p, w.map.n, &m, &d), ERR_OK);
	str s[400];
	uint32_t n = msf_count(m);
	assert_true(n <= ARRAY_LEN(s));
	for (uint32_t i = 0; i < n; i++)
		s[i] = msf_has(m, i) ? (str){(const char *)msf_view(m, i, 0, msf_size(m, i)),
					       msf_size(m, i)}
				     : (str){NULL, 0};
	for (int how = 0; how < 3; how++) {
		buf b;
		pdb *f;
		buf_init(&b, 0);
		if (how == 0)
			msf_write(&b, s, n, 512, false);
		else
			msfz_write(&b, s, n, how == 1 ? 100000 : 7777, (uint32_t)how);
		assert_int_equal(pdb_open(b.p, b.n, &f, &d), ERR_OK);
		assert_int_equal(pdb_id_get(f)->compressed, how > 0);
		assert_true(digest(f) == h);
		pdb_close(f);
		buf_deinit(&b);
	}
	msf_close(m);
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_publics),
		cmocka_unit_test(test_globals),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_procs),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_line_find),
		cmocka_unit_test(test_inlines),
		cmocka_unit_test(test_locals),
		cmocka_unit_test(test_undecorate),
		cmocka_unit_test(test_image),
		cmocka_unit_test(test_containers),
	};
	return cmocka_run_group_tests_name("fmt_pdb_real", tests, NULL, NULL);
}
