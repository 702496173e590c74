/* sym: modules, loading, names, addresses, types, lines, locals - on images built by clang and lld.
 */
#include "sym/priv.h"

#include "sym_world.h"
#include "sym_build.h"

#define BASE 0xfffff80012340000ull

static said x;
static laid img;
static sym_store *s;
static sym_mod *demo;

static void place(const laid *l)
{
	x.mem = l->p;
	x.mem_n = l->n;
	x.mem_base = BASE;
}

static sym_store *open_store(const char *path)
{
	buf_deinit(&x.notes);
	x = (said){0};
	sym_store *t = new_store(&x);
	sym_path_set(t, str_of(path));
	place(&img);
	return t;
}

static int setup(void **state)
{
	world_begin();
	build_demo(at_world("priv"), "demo", true, "");
	img = lay_out(at_world("priv/demo.dll"));
	s = open_store(at_world("priv"));
	demo = sym_mod_add(s, 0, BASE, img.n, img.timestamp, 0, (str){0},
		STR("\\SystemRoot\\system32\\demo.dll"));
	assert_non_null(demo);
	return 0;
}

static int teardown(void **state)
{
	sym_store_destroy(s);
	buf_deinit(&x.notes);
	world_end();
	return 0;
}

static uint64_t addr_of(const char *name)
{
	sym v;
	diag d;
	diag_clear(&d);
	err e = sym_find(s, str_of(name), &v, &d);
	if (e != ERR_OK)
		fail_msg("%s: %s", name, d.text);
	return v.addr;
}

static void loads_lazily(void **state)
{
	assert_true(str_eq(demo->name, STR("demo")));
	assert_true(str_eq(demo->image, STR("demo.dll")));
	assert_int_equal(demo->status, SYM_DEFERRED);
	sym_mods_begin(s, 0);
	assert_ptr_equal(
		sym_mod_add(s, 0, BASE, img.n, img.timestamp, 0, (str){0}, STR("demo.dll")), demo);
	sym_mods_end(s, 0);
	assert_int_equal(demo->status, SYM_DEFERRED); /* nor does a list that is complete */
	uint64_t g = sym_generation(s);
	sym v;
	assert_int_equal(sym_find(s, STR("nosuch!thing"), &v, NULL), ERR_NOTFOUND);
	assert_int_equal(demo->status, SYM_DEFERRED); /* another module's name loads nothing */
	uint64_t a = addr_of("demo!g_value");
	assert_int_equal(demo->status, SYM_PRIVATE);
	assert_string_equal(sym_status_text(demo), "private pdb symbols");
	assert_true(sym_generation(s) > g);
	assert_true(a > BASE && a < BASE + img.n);
	assert_int_equal(le32(img.p + (a - BASE)), 42);
	assert_true(str_eq(demo->symfile, str_of(at_world("priv/demo.pdb"))));
	/* each name found is at the bytes that it names */
	assert_int_equal(le32(img.p + (addr_of("demo!s_value") - BASE)), 7);
	assert_true(le64(img.p + (addr_of("g_big") - BASE)) == 0x123456789abcdef0ull);
	assert_int_equal(addr_of("DEMO!G_VALUE"), a); /* case does not count */
	assert_int_equal(addr_of("demo.dll!g_value"), a);
	assert_int_equal(addr_of("!g_value"), a);
	assert_int_equal(addr_of("demo"), BASE);
}

static void names_and_addresses(void **state)
{
	uint64_t disp, a = addr_of("demo!Exported");
	sym v;
	buf b;
	buf_init(&b, 0);
	assert_true(sym_format(s, a, &b) && sym_format(s, a + 5, &b));
	assert_string_equal(buf_z(&b), "demo!Exporteddemo!Exported+0x5");
	buf_clear(&b);
	assert_int_equal(sym_at(s, a + 7, &v, &disp), ERR_OK);
	assert_int_equal(disp, 7);
	assert_int_equal(v.kind, SYM_K_FUNC);
	assert_true(v.code && v.size > 16 && v.type.file);
	assert_int_equal(sym_after(s, a, &v, &disp), ERR_OK);
	assert_true(v.addr > a && v.addr == a + disp);
	assert_false(sym_format(s, BASE - 1, &b));
	assert_int_equal(sym_at(s, BASE + img.n, &v, &disp), ERR_NOTFOUND);
	/* C++: members by :: and by __, an overload is ambiguous */
	uint64_t m = addr_of("demo!ns::Thing::Method");
	assert_int_equal(addr_of("demo!ns__Thing__Method"), m);
	assert_int_equal(addr_of("demo!ns::twice<int>") == 0, 0);
	assert_int_equal(sym_find(s, STR("demo!ns::Thing::Over"), &v, NULL), ERR_AMBIGUOUS);
	assert_true(v.addr > BASE);
	buf_clear(&b);
	sym_format(s, m + 1, &b);
	assert_string_equal(buf_z(&b), "demo!ns::Thing::Method+0x1");
	/* of a private and a public record the private one */
	assert_int_equal(sym_find(s, STR("demo!Exported"), &v, NULL), ERR_OK);
	assert_true(v.kind == SYM_K_FUNC && v.type.file);
	sym_func f;
	assert_int_equal(sym_func_at(s, a + 9, &f), ERR_OK);
	assert_int_equal(f.begin, a);
	assert_true(f.end > a + 16 && f.prolog_end > a);
	assert_true(str_eq(f.sym.name, STR("Exported")));
	buf_deinit(&b);
}

static const sym_file_ops *real_ops;
static size_t n_finds;

static err counted_find(sym_file *f, str name, bool fold, sym_rec_fn *fn, void *u)
{
	n_finds++;
	return real_ops->find(f, name, fold, fn, u);
}

/* A name that nobody has is asked for once, until something changes. */
static void unknown_names(void **state)
{
	sym v;
	assert_int_equal(sym_mod_load(demo, NULL), ERR_OK);
	real_ops = demo->file->ops;
	sym_file_ops counted = *real_ops;
	counted.find = counted_find;
	demo->file->ops = &counted;
	assert_int_equal(sym_find(s, STR("fade_away"), &v, NULL), ERR_NOTFOUND);
	size_t once = n_finds;
	assert_true(once > 0);
	assert_int_equal(sym_find(s, STR("fade_away"), &v, NULL), ERR_NOTFOUND);
	assert_int_equal(sym_find(s, STR("Fade_Away"), &v, NULL), ERR_NOTFOUND);
	assert_int_equal(n_finds, once);
	sym_mod *other = sym_mod_add(s, 0, BASE + 0x100000, 0x1000, 1, 0, (str){0}, STR("x.sys"));
	assert_int_equal(sym_find(s, STR("fade_away"), &v, NULL), ERR_NOTFOUND);
	assert_true(n_finds > once);
	sym_mod_remove(s, other);
	demo->file->ops = real_ops;
}

static size_t count(const char *pattern, unsigned flags)
{
	sym_list l;
	diag d;
	diag_clear(&d);
	if (sym_match(s, str_of(pattern), flags, &l, &d) != ERR_OK)
		fail_msg("%s: %s", pattern, d.text);
	size_t n = l.n;
	sym_list_deinit(&l);
	return n;
}

typedef struct each_ctx {
	sym_list want;
	size_t i, stop_at;
} each_ctx;

static bool each_cb(void *u, const sym *got)
{
	each_ctx *e = u;
	assert_true(e->i < e->want.n);
	const sym *w = &e->want.p[e->i++];
	if (!str_eq(got->name, w->name) || !str_eq(got->raw, w->raw) || got->addr != w->addr ||
		got->kind != w->kind || got->size != w->size || got->type.id != w->type.id)
		fail_msg("%.*s at %llx is no %.*s", STR_ARG(got->name),
			(unsigned long long)got->addr, STR_ARG(w->name));
	return e->i != e->stop_at;
}

/* One by one is the same as a list, also from a file that cannot tell a record again. */
static void one_by_one(void **state)
{
	static const char *const patterns[] = {
		"demo!*", "demo!g_*", "demo!ns::*", "demo!G_Value", "*!*Thing*", "demo!nothing*"};
	sym_mod *m = sym_mod_find(s, STR("demo"));
	assert_int_equal(sym_mod_load(m, NULL), ERR_OK);
	const sym_file_ops *real = m->file->ops;
	sym_file_ops poor = *real;
	poor.again = NULL;
	poor.type_like = NULL;
	for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
		each_ctx e = {.stop_at = SIZE_MAX};
		str p = str_of(patterns[i]);
		assert_int_equal(sym_match(s, p, 0, &e.want, NULL), ERR_OK);
		assert_int_equal(sym_match_each(s, p, 0, each_cb, &e, NULL), ERR_OK);
		assert_int_equal(e.i, e.want.n);
		m->file->ops = &poor;
		e.i = 0;
		assert_int_equal(sym_match_each(s, p, 0, each_cb, &e, NULL), ERR_OK);
		assert_int_equal(e.i, e.want.n);
		sym_list other;
		assert_int_equal(sym_match(s, p, 0, &other, NULL), ERR_OK);
		assert_int_equal(other.n, e.want.n);
		sym_list_deinit(&other);
		m->file->ops = real;
		e = (each_ctx){.want = e.want, .stop_at = 2};
		assert_int_equal(sym_match_each(s, p, 0, each_cb, &e, NULL), ERR_OK);
		assert_int_equal(e.i, e.want.n < 2 ? e.want.n : 2);
		sym_list_deinit(&e.want);
	}
	sym_type *few, *all;
	str *names;
	size_t n, k;
	assert_int_equal(
		sym_type_match(s, &world, STR("demo!*O*"), &few, &names, &n, NULL), ERR_OK);
	m->file->ops = &poor;
	assert_int_equal(
		sym_type_match(s, &world, STR("demo!*O*"), &all, &names, &k, NULL), ERR_OK);
	m->file->ops = real;
	assert_true(n > 1 && n == k);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(few[i].id, all[i].id);
	assert_int_equal(sym_match_each(s, STR("other!*"), 0, each_cb, NULL, NULL), ERR_NOTFOUND);
	atomic_store(&x.stop.flag, true);
	assert_int_equal(sym_match_each(s, STR("demo!*"), 0, each_cb, NULL, NULL), ERR_CANCELLED);
	atomic_store(&x.stop.flag, false);
}

static err place_mem(void *u, uint64_t addr, void *p, size_t n, size_t *n_ret)
{
	(void)u;
	if (addr < 0x1000 || addr >= 0x1100)
		return ERR_FAULT;
	for (size_t i = 0; i < n; i++)
		((uint8_t *)p)[i] = (uint8_t)(addr + i);
	*n_ret = n;
	return ERR_OK;
}

/* What MSVC's optimised code says of a variable: behind a pointer, in pieces. */
static void places(void **state)
{
	const mem_reader mem = {NULL, place_mem};
	x64_regs regs = {.valid = X64_SET_ALL};
	sym_place p;
	sym_mod *m = sym_mod_find(s, STR("demo"));
	assert_int_equal(sym_mod_load(m, NULL), ERR_OK);
	regs.gpr[X64_RSP] = 0x1000;
	regs.gpr[X64_RCX] = 0x1122334455667788;
	sym_local l = {.name = STR("by_value"),
		.type = {m->file, 0x75},
		.loc = SYM_LOC_EXPR,
		.reg = "rsp",
		.off = 0x20,
		.inner = 0x10};
	assert_int_equal(sym_local_place(s, &l, &regs, &mem, &p, NULL), ERR_OK);
	assert_int_equal(p.kind, SYM_PLACE_MEM);
	assert_int_equal(p.addr, 0x2726252423222120 + 0x10);
	l.off = 0x200;
	assert_int_equal(sym_local_place(s, &l, &regs, &mem, &p, NULL), ERR_FAULT);
	/* CodeView's numbers: ecx 18, rsp 335 */
	pdb_piece pieces[] = {{.offset = 0, .loc = PDB_LOC_REG, .reg = 18},
		{.offset = 6, .loc = PDB_LOC_REGREL, .reg = 335, .off = 8},
		{.offset = 4, .loc = PDB_LOC_NONE}};
	static const uint8_t want[8] = {0x88, 0x77, 0x66, 0x55, 0, 0, 8, 9};
	l = (sym_local){.name = STR("parts"),
		.type = {m->file, 0x77},
		.loc = SYM_LOC_EXPR,
		.pieces = pieces,
		.n_pieces = 3};
	assert_int_equal(sym_local_place(s, &l, &regs, &mem, &p, NULL), ERR_OK);
	assert_true(p.kind == SYM_PLACE_BYTES && p.n == 8 && memchr(p.lost, true, 8));
	assert_memory_equal(p.bytes, want, 8);
	l.n_pieces = 2;
	pieces[1].offset = 4;
	assert_int_equal(sym_local_place(s, &l, &regs, &mem, &p, NULL), ERR_OK);
	assert_null(memchr(p.lost, true, 8));
	pieces[0].loc = pieces[1].loc = PDB_LOC_NONE;
	assert_int_equal(sym_local_place(s, &l, &regs, &mem, &p, NULL), ERR_NOTFOUND);
	l.type.id = 0x3; /* void */
	assert_int_equal(sym_local_place(s, &l, &regs, &mem, &p, NULL), ERR_LIMIT);
}

static void wildcards(void **state)
{
	assert_int_equal(count("demo!g_*", 0), 4);
	assert_int_equal(count("demo!G_V?LUE", 0), 1);
	assert_int_equal(count("d?mo!g_[bv]*", 0), 2);
	assert_int_equal(
		count("demo!*Thing::Over*", 0), 2); /* public and private records are merged */
	assert_int_equal(count("demo!ns::twice<*>", 0), 2);
	assert_int_equal(count("demo!_fltused", 0), 1);
	assert_int_equal(count("demo!G_Value", 0), 1); /* no wildcard: by hash */
	assert_int_equal(count("demo!ns::Thing::Over", 0), 2);
	assert_int_equal(count("demo!nosuch", 0), 0);
	assert_int_equal(count("demo!*value", SYM_M_DATA), 2);
	assert_int_equal(count("demo!*value", SYM_M_FUNC), 0);
	assert_int_equal(count("demo!hel*", SYM_M_FUNC), 1);
	assert_int_equal(count("*!Exported", 0), 1);
	assert_int_equal(count("demo!nothing*", 0), 0);
	/* +: one or more of the character before; # none or more */
	assert_int_equal(count("demo!hel+per", 0), 1);
	assert_int_equal(count("demo!helq#per", 0), 1);
	assert_int_equal(count("demo!hid\\den", 0), 1);
	sym_list l;
	assert_int_equal(sym_match(s, STR("other!*"), 0, &l, NULL), ERR_NOTFOUND);
	assert_int_equal(sym_match(s, STR("demo!*"), SYM_M_SORT_NAME, &l, NULL), ERR_OK);
	assert_true(l.n > 15);
	for (size_t i = 1; i < l.n; i++) {
		assert_true(str_icmp(l.p[i - 1].name, l.p[i].name) <= 0);
		assert_true(l.p[i].addr >= BASE || l.p[i].kind == SYM_K_CONST);
	}
	sym_list_deinit(&l);
	assert_int_equal(sym_match(s, STR("demo!*"), SYM_M_SORT_ADDR, &l, NULL), ERR_OK);
	for (size_t i = 1; i < l.n; i++)
		assert_true(l.p[i - 1].addr <= l.p[i].addr);
	sym_list_deinit(&l);
	atomic_store(&x.stop.flag, true);
	assert_int_equal(sym_match(s, STR("demo!*"), 0, &l, NULL), ERR_CANCELLED);
	atomic_store(&x.stop.flag, false);
	str *c;
	size_t n;
	assert_int_equal(sym_complete(s, &world, STR("demo!g_"), 10, &c, &n), ERR_OK);
	assert_int_equal(n, 4);
	assert_true(str_eq(c[0], STR("demo!g_big")) && str_eq(c[3], STR("demo!g_value")));
	assert_int_equal(sym_complete(s, &world, STR("de"), 10, &c, &n), ERR_OK);
	assert_true(n >= 1 && str_eq(c[0], STR("demo!")));
	assert_int_equal(sym_complete(s, &world, STR("demo!g_"), 2, &c, &n), ERR_OK);
	assert_int_equal(n, 2);
	assert_int_equal(sym_complete(s, &world, STR("demo!_OU"), 10, &c, &n), ERR_OK);
	assert_int_equal(n, 1);
	assert_true(str_eq(c[0], STR("demo!_OUTER"))); /* types too */
}

static sym_type type_of(const char *name)
{
	sym_type t;
	diag d;
	diag_clear(&d);
	if (sym_type_find(s, str_of(name), &t, &d) != ERR_OK)
		fail_msg("%s: %s", name, d.text);
	return t;
}

static void check_field(const char *type, const char *path, uint64_t offset, unsigned pos,
	unsigned len, sym_type_kind kind)
{
	sym_field f;
	sym_type_info in;
	diag d;
	diag_clear(&d);
	if (sym_type_field(type_of(type), str_of(path), &f, &d) != ERR_OK)
		fail_msg("%s.%s: %s", type, path, d.text);
	assert_int_equal(sym_type_info_get(f.type, &in), ERR_OK);
	if (f.offset != offset || f.bit_pos != pos || f.bit_len != len || in.kind != kind)
		fail_msg("%s.%s: offset %llu bits %u:%u kind %d", type, path,
			(unsigned long long)f.offset, f.bit_pos, f.bit_len, in.kind);
}

static void check_text(const char *type, const char *want)
{
	buf b;
	buf_init(&b, 0);
	sym_type_text(type_of(type), &b);
	if (strcmp(buf_z(&b), want))
		fail_msg("%s: %s", type, buf_z(&b));
	buf_deinit(&b);
}

static void types(void **state)
{
	sym_type_info in;
	assert_int_equal(sym_type_info_get(type_of("demo!_OUTER"), &in), ERR_OK);
	assert_int_equal(in.kind, SYM_T_STRUCT);
	assert_int_equal(in.size, 0x60);
	assert_true(str_eq(in.name, STR("_OUTER")));
	check_field("demo!_OUTER", "Links.Blink", 8, 0, 0, SYM_T_PTR);
	check_field("_OUTER", "Name.Length", 0x10, 0, 0, SYM_T_UINT);
	check_field("OUTER", "In", 0x20, 0, 0, SYM_T_ARRAY);
	check_field(
		"OUTER", "In[2].hi", 0x20 + 16 + 6, 0, 0, SYM_T_INT); /* through unnamed members */
	check_field("OUTER", "flags", 0x38, 0, 3, SYM_T_UINT);
	check_field("OUTER", "Mode", 0x38, 3, 5, SYM_T_UINT);
	check_field("OUTER", "Color", 0x3c, 0, 0, SYM_T_ENUM);
	check_field("OUTER", "Ratio", 0x50, 0, 0, SYM_T_FLOAT);
	check_field("OUTER", "Next", 0x40, 0, 0, SYM_T_PTR);
	sym_field f;
	assert_int_equal(sym_type_field(type_of("OUTER"), STR("In[3].a"), &f, NULL), ERR_ARG);
	assert_int_equal(sym_type_field(type_of("OUTER"), STR("In[0x1].a"), &f, NULL), ERR_SYNTAX);
	assert_int_equal(sym_type_field(type_of("OUTER"), STR("Nope"), &f, NULL), ERR_NOTFOUND);
	/* enumerators */
	size_t n;
	sym_field *fs;
	assert_int_equal(sym_type_fields(type_of("demo!color"), &world, &fs, &n), ERR_OK);
	assert_int_equal(n, 3);
	assert_true(str_eq(fs[2].name, STR("BLUE")) && fs[2].value == -1 && fs[2].is_enumerator);
	/* basic names need no file, pointers are made where the file has none */
	assert_int_equal(sym_type_info_get(type_of("unsigned char"), &in), ERR_OK);
	assert_int_equal(in.size, 1);
	assert_int_equal(sym_type_info_get(type_of("demo!_OUTER*"), &in), ERR_OK);
	assert_true(in.kind == SYM_T_PTR && in.size == 8 && str_eq(in.name, STR("_OUTER *")));
	assert_int_equal(sym_type_info_get(type_of("unsigned __int64 **"), &in), ERR_OK);
	assert_true(str_eq(in.name, STR("unsigned __int64 **")));
	check_text("_OUTER *", "struct _OUTER *");
	check_text("int", "int");
	sym v;
	buf b;
	buf_init(&b, 0);
	assert_int_equal(sym_find(s, STR("demo!Exported"), &v, NULL), ERR_OK);
	sym_type_params(v.type, &b);
	assert_string_equal(buf_z(&b), "(struct _OUTER *, int)");
	buf_clear(&b);
	sym_type_text(v.type, &b);
	assert_string_equal(buf_z(&b), "int (struct _OUTER *, int)");
	buf_deinit(&b);
	assert_ptr_equal(sym_type_mod(s, v.type), demo);
	sym_type t, *ts;
	str *ns;
	assert_int_equal(sym_type_find(s, STR("demo!_NOPE"), &t, NULL), ERR_NOTFOUND);
	assert_int_equal(sym_type_find(s, STR("nope!_OUTER"), &t, NULL), ERR_NOTFOUND);
	assert_int_equal(sym_type_match(s, &world, STR("demo!*_out*"), &ts, &ns, &n, NULL), ERR_OK);
	assert_true(n >= 1);
	bool seen = false;
	for (size_t i = 0; i < n; i++)
		seen |= str_eq(ns[i], STR("demo!_OUTER"));
	assert_true(seen);
	/* a static member has its address */
	assert_int_equal(sym_type_fields(type_of("ns::Thing"), &world, &fs, &n), ERR_OK);
	for (size_t i = 0; i < n; i++)
		if (fs[i].is_static)
			assert_int_equal(fs[i].addr, addr_of("demo!ns::Thing::count"));
}

static void lines_and_locals(void **state)
{
	sym_line l;
	uint64_t a = addr_of("demo!hidden"), *p;
	size_t n;
	bool exact;
	assert_int_equal(sym_line_at(s, a, &l), ERR_OK);
	assert_true(str_iends(l.file, STR("demo.c")));
	assert_true(l.addr <= a && a < l.addr + l.size);
	assert_int_equal(
		sym_line_find(s, &world, STR("demo"), STR("demo.c"), l.line, &p, &n, &exact, NULL),
		ERR_OK);
	assert_true(exact && n >= 1 && p[0] == a);
	assert_int_equal(
		sym_line_find(s, &world, (str){0}, STR("DEMO.C"), 1, &p, &n, &exact, NULL), ERR_OK);
	assert_false(exact);
	assert_int_equal(sym_line_find(s, &world, (str){0}, STR("nope.c"), 1, &p, &n, &exact, NULL),
		ERR_NOTFOUND);
	sym_local *v;
	sym_func f;
	assert_int_equal(sym_func_at(s, addr_of("demo!Exported"), &f), ERR_OK);
	assert_int_equal(sym_locals(s, &world, f.prolog_end, &v, &n, NULL), ERR_OK);
	bool o = false, r = false;
	for (size_t i = 0; i < n; i++) {
		o |= str_eq(v[i].name, STR("o")) && v[i].param && v[i].loc == SYM_LOC_REGREL;
		r |= str_eq(v[i].name, STR("r")) && !v[i].param;
	}
	assert_true(o && r);
	assert_int_equal(sym_locals_all(s, &world, f.begin, &v, &n, NULL), ERR_OK);
	bool part = false;
	for (size_t i = 0; i < n; i++)
		part |= str_eq(v[i].name, STR("part"));
	assert_true(part); /* of an inner block */
}

static void image_facts(void **state)
{
	uint64_t base, e;
	uint32_t b, end, u;
	uint64_t a = addr_of("demo!Exported");
	assert_int_equal(sym_unwind_func(s, a + 3, &base, &b, &end, &u), ERR_OK);
	assert_true(base == BASE && base + b == a && end > b && u);
	assert_int_equal(sym_unwind_func(s, BASE, &base, &b, &end, &u), ERR_NOTFOUND);
	assert_int_equal(sym_entry_point(demo, &e, NULL), ERR_OK);
	assert_int_equal(e, addr_of("demo!entry"));
	const sym_section *sec;
	size_t n;
	assert_int_equal(sym_sections(demo, &sec, &n, NULL), ERR_OK);
	assert_true(n >= 3 && !strcmp(sec[0].name, ".text"));
	uint8_t got[64];
	assert_int_equal(sym_image_read(s, a, got, sizeof got), ERR_OK);
	assert_memory_equal(got, img.p + (a - BASE), sizeof got);
	/* what the file knows costs no target read */
	size_t reads = x.reads;
	assert_int_equal(sym_image_read(s, a, got, sizeof got), ERR_OK);
	assert_int_equal(x.reads, reads);
	assert_int_equal(sym_image_read(s, BASE + img.n - 4, got, 64), ERR_FAULT);
	buf t;
	buf_init(&t, 0);
	sym_lmi(demo, &t);
	assert_non_null(strstr(buf_z(&t), "         Module: demo\n"));
	assert_non_null(strstr(buf_z(&t), "Machine Type: 34404 (X64)"));
	assert_non_null(strstr(buf_z(&t), "Pdb: demo.pdb"));
	assert_non_null(strstr(buf_z(&t), "Symbol Type: PDB"));
	buf_deinit(&t);
}

static sym_space asked_scope(void *u)
{
	++*(int *)u;
	return 7;
}

/* A stop whose condition needs no user symbol costs no question about the process. */
static void scope_is_asked_when_needed(void **state)
{
	int asked = 0;
	sym_store *t = open_store("");
	sym_mod *a = sym_mod_add(t, 0, 0x1000, 0x1000, 1, 0, STR("nt"), STR("nt.exe"));
	sym_mod *b = sym_mod_add(t, 7, 0x10000, 0x1000, 1, 0, (str){0}, STR("app.exe"));
	sym_scope_ask(t, asked_scope, &asked);
	assert_ptr_equal(sym_mod_at(t, 0x1800), a);
	assert_int_equal(asked, 0);
	assert_ptr_equal(sym_mod_at(t, 0x10800), b);
	assert_ptr_equal(sym_mod_find(t, STR("app")), b);
	assert_int_equal(asked, 1);
	sym_scope_ask(t, asked_scope, &asked);
	sym_scope_set(t, 0);
	assert_null(sym_mod_find(t, STR("app")));
	assert_int_equal(asked, 1);
	sym_store_destroy(t);
}

static void modules(void **state)
{
	sym_store *t = open_store("");
	sym_mod *a = sym_mod_add(t, 0, 0x1000, 0x1000, 1, 0, STR("nt"), STR("\\x\\ntoskrnl.exe"));
	sym_mod *b =
		sym_mod_add(t, 7, 0x10000, 0x1000, 1, 0, (str){0}, STR("C:\\a\\my-app.v1.exe"));
	sym_mod *c = sym_mod_add(t, 8, 0x10000, 0x1000, 1, 0, (str){0}, STR("C:\\a\\other.exe"));
	assert_true(str_eq(b->name, STR("my_app_v1")));
	assert_true(!a->user && b->user);
	/* scope: the system's and one process's */
	assert_ptr_equal(sym_mod_at(t, 0x1fff), a);
	assert_null(sym_mod_at(t, 0x2000));
	assert_null(sym_mod_at(t, 0x10000));
	sym_scope_set(t, 7);
	assert_ptr_equal(sym_mod_at(t, 0x10800), b);
	assert_ptr_equal(sym_mod_nth(t, 0), a);
	assert_ptr_equal(sym_mod_nth(t, 1), b);
	assert_null(sym_mod_nth(t, 2));
	sym_scope_set(t, 8);
	assert_ptr_equal(sym_mod_at(t, 0x10800), c);
	assert_ptr_equal(sym_mod_find(t, STR("OTHER")), c);
	assert_ptr_equal(sym_mod_find(t, STR("ntoskrnl.exe")), a);
	assert_ptr_equal(sym_mod_find(t, STR("ntoskrnl")), a);
	assert_null(sym_mod_find(t, STR("my_app_v1")));
	assert_ptr_equal(sym_mod_in(t, 7, 0x10000), b);
	/* the same again is the same; another image at its place is another module */
	assert_ptr_equal(
		sym_mod_add(t, 8, 0x10000, 0x1000, 1, 0, (str){0}, STR("C:\\b\\OTHER.exe")), c);
	sym_mod *e = sym_mod_add(t, 8, 0x10000, 0x1000, 2, 0, (str){0}, STR("C:\\b\\third.exe"));
	assert_true(str_eq(e->name, STR("third")));
	assert_true(str_eq(sym_unloaded_nth(t, 0)->image, STR("other.exe")));
	/* refresh: what is not marked goes, to the unloaded list */
	sym_mod *f = sym_mod_add(t, 8, 0x30000, 0x1000, 2, 0, (str){0}, STR("third.exe"));
	assert_true(str_eq(f->name, STR("third_30000")));
	sym_mods_begin(t, 8);
	sym_mod_add(t, 8, 0x10000, 0x1000, 2, 0, (str){0}, STR("C:\\b\\third.exe"));
	sym_mods_end(t, 8);
	assert_null(sym_mod_in(t, 8, 0x30000));
	assert_non_null(sym_mod_in(t, 8, 0x10000));
	assert_int_equal(sym_unloaded_nth(t, 0)->base, 0x30000);
	/* -s: loaded as soon as the list is complete (here there is nothing to load) */
	sym_options_set(t, sym_options(t) & ~4u);
	sym_mods_begin(t, 7);
	b = sym_mod_add(t, 7, 0x10000, 0x1000, 1, 0, (str){0}, STR("C:\\a\\my-app.v1.exe"));
	assert_int_equal(b->status, SYM_DEFERRED);
	sym_mods_end(t, 7);
	assert_int_equal(b->status, SYM_NONE);
	/* a process that ends leaves nothing */
	sym_space_clear(t, 8);
	assert_null(sym_mod_in(t, 8, 0x10000));
	assert_int_equal(sym_unloaded_nth(t, 0)->base, 0x30000);
	/* a hostile target: a range that wraps, a name of nothing, too many unloaded */
	sym_mod *w = sym_mod_add(t, 0, UINT64_MAX - 10, 0x1000, 0, 0, (str){0}, STR("\\"));
	assert_non_null(w);
	assert_true(w->size <= 10 && w->name.n > 0);
	for (int i = 0; i < 100; i++)
		sym_mod_remove(
			t, sym_mod_add(t, 0, 0x50000, 0x1000, 5, 0, (str){0}, STR("drv.sys")));
	assert_non_null(sym_unloaded_nth(t, 63));
	assert_null(sym_unloaded_nth(t, 64));
	sym_store_destroy(t);
}

/* Publics only; exports only; nothing. */
static void lesser_symbols(void **state)
{
	build_demo(at_world("pub"), "demo", false, "");
	laid keep = img;
	img = lay_out(at_world("pub/demo.dll"));
	sym_store *t = open_store(at_world("pub"));
	sym_mod *m = sym_mod_add(t, 0, BASE, img.n, img.timestamp, 0, (str){0}, STR("demo.dll"));
	sym v;
	uint64_t disp;
	assert_int_equal(sym_find(t, STR("demo!Exported"), &v, NULL), ERR_OK);
	assert_int_equal(m->status, SYM_PUBLIC);
	assert_int_equal(v.kind, SYM_K_PUBLIC);
	assert_true(v.code);
	uint64_t a = v.addr;
	/* C++ publics are decorated: found by plain name, and back */
	assert_int_equal(sym_find(t, STR("demo!ns::Thing::Method"), &v, NULL), ERR_OK);
	assert_int_equal(sym_find(t, STR("demo!NS::THING::METHOD"), &v, NULL), ERR_OK);
	assert_int_equal(sym_at(t, v.addr, &v, &disp), ERR_OK);
	assert_true(str_eq(v.name, STR("ns::Thing::Method")));
	sym_list l;
	assert_int_equal(sym_match(t, STR("demo!ns::*Thing::M*"), 0, &l, NULL), ERR_OK);
	assert_int_equal(l.n, 1);
	sym_list_deinit(&l);
	sym_type ty;
	assert_int_equal(sym_type_find(t, STR("demo!_OUTER"), &ty, NULL), ERR_NOTFOUND);
	/* the function's range then comes from the unwind data */
	sym_func f;
	assert_int_equal(sym_func_at(t, a + 4, &f), ERR_OK);
	assert_int_equal(f.begin, a);
	assert_true(f.end > a + 16 && f.end < a + 0x200);
	assert_int_equal(sym_func_at(t, f.end - 1, &f), ERR_OK);
	assert_int_equal(f.begin, a);
	sym_store_destroy(t);

	sym_store *u = open_store("");
	m = sym_mod_add(u, 0, BASE, img.n, img.timestamp, 0, (str){0}, STR("demo.dll"));
	assert_int_equal(sym_find(u, STR("demo!exported"), &v, NULL), ERR_OK);
	assert_int_equal(m->status, SYM_EXPORT);
	assert_int_equal(v.addr, a);
	assert_int_equal(v.kind, SYM_K_EXPORT);
	assert_int_equal(sym_at(u, a + 2, &v, &disp), ERR_OK);
	assert_int_equal(disp, 2);
	assert_non_null(strstr(buf_z(&x.notes), "Defaulted to export symbols for demo.dll"));
	/* asked once only */
	buf_clear(&x.notes);
	assert_int_equal(sym_find(u, STR("demo!nothing"), &v, NULL), ERR_NOTFOUND);
	assert_int_equal(x.notes.n, 0);
	/* a better path makes the module try again */
	sym_path_set(u, str_of(at_world("pub")));
	assert_int_equal(m->status, SYM_DEFERRED);
	assert_int_equal(sym_find(u, STR("demo!helper"), &v, NULL), ERR_OK);
	assert_int_equal(m->status, SYM_PUBLIC);
	sym_store_destroy(u);

	/* an image that cannot be read at all */
	u = open_store("");
	x.mem_n = 0;
	m = sym_mod_add(u, 0, BASE, img.n, 0, 0, (str){0}, STR("demo.dll"));
	assert_int_equal(sym_find(u, STR("demo!Exported"), &v, NULL), ERR_NOTFOUND);
	assert_int_equal(m->status, SYM_NONE);
	assert_non_null(strstr(buf_z(&x.notes), "symbols could not be loaded"));
	buf b;
	buf_init(&b, 0);
	assert_true(sym_format(u, BASE + 0x123, &b));
	assert_string_equal(buf_z(&b), "demo+0x123");
	sym_lmi(m, &b);
	assert_non_null(strstr(buf_z(&b), "***"));
	buf_deinit(&b);
	sym_store_destroy(u);
	img = keep;
}

/* What was looked for in vain is looked for, and said, once: not again for each process that has
 * it. */
static void failed_once(void **state)
{
	sym_store *t = open_store("");
	sym_idents_destroy(t->idents);
	t->idents = sym_idents_create((str){0});
	sym_path_set(t, str_of(at_world("empty")));
	sym_noisy_set(t, true);
	for (unsigned i = 1; i <= 20; i++) {
		sym_mod *m =
			sym_mod_add(t, i, BASE, img.n, img.timestamp, 0, (str){0}, STR("demo.dll"));
		assert_int_equal(sym_mod_load(m, NULL), ERR_OK);
		assert_int_equal(m->status, SYM_EXPORT);
	}
	size_t said_ = 0, looked = 0;
	for (const char *p = buf_z(&x.notes); (p = strstr(p, "*** ERROR")); p++)
		said_++;
	for (const char *p = buf_z(&x.notes); (p = strstr(p, "/empty/demo.pdb - file not found"));
		p++)
		looked++;
	assert_int_equal(said_, 1);
	assert_int_equal(looked, 1);
	assert_int_equal(sym_mod_reload(sym_mod_in(t, 1, BASE), SYM_LOAD_NOW, NULL), ERR_OK);
	for (const char *p = buf_z(&x.notes); (p = strstr(p, "/empty/demo.pdb - file not found"));
		p++)
		looked++;
	assert_int_equal(looked, 3); /* the one before and a new one */
	sym_store_destroy(t);
}

/* From a server, packed, as Microsoft's stores keep it: into the cache, and from there the next
 * time. */
static void from_server(void **state)
{
	http h;
	sym_store *t = open_store("");
	sym_mod *m = sym_mod_add(t, 0, BASE, img.n, img.timestamp, 0, (str){0}, STR("demo.dll"));
	buf id;
	str name;
	buf_init(&id, 0);
	assert_int_equal(sym_mod_pdb_id(m, &id, &name, NULL), ERR_OK);
	assert_true(str_eq(name, STR("demo.pdb")));
	str cab = make_cab(file_text(at_world("priv/demo.pdb")), "demo.pdb");
	put_file(at_world("web/s/demo.pdb/%s/demo.pd_", buf_z(&id)), cab.p, cab.n);
	http_start(&h, at_world("web"));
	sym_cache_dir_set(t, str_of(at_world("webcache")));
	sym_path_set(t, str_of(arena_printf(&world, "srv**http://127.0.0.1:%d/s", h.port)));
	sym_noisy_set(t, true);
	assert_int_equal(sym_mod_load(m, NULL), ERR_OK);
	assert_int_equal(m->status, SYM_PRIVATE);
	assert_true(
		str_eq(m->symfile, str_of(at_world("webcache/demo.pdb/%s/demo.pdb", buf_z(&id)))));
	assert_true(x.progress > 0 && x.total == cab.n && x.done == cab.n);
	assert_non_null(strstr(buf_z(&x.notes), "~DBGHELP: demo - private symbols & lines"));
	int asked = atomic_load(&h.requests);
	sym_store_destroy(t);
	/* the next session: no request, no read of the target */
	t = open_store("");
	sym_cache_dir_set(t, str_of(at_world("webcache")));
	sym_path_set(t, str_of(arena_printf(&world, "srv**http://127.0.0.1:%d/s", h.port)));
	m = sym_mod_add(t, 0, BASE, img.n, img.timestamp, 0, (str){0}, STR("demo.dll"));
	assert_int_equal(sym_mod_load(m, NULL), ERR_OK);
	assert_int_equal(m->status, SYM_PRIVATE);
	assert_int_equal(atomic_load(&h.requests), asked);
	assert_int_equal(x.reads, 0);
	sym_store_destroy(t);
	http_stop(&h);
	buf_deinit(&id);
}

/* A PDB of the right name and the wrong build. */
static void mismatch(void **state)
{
	build_demo(at_world("other"), "demo", true, "-DOTHER=1 -O1");
	sym_store *t = open_store(at_world("other"));
	sym_mod *m = sym_mod_add(t, 0, BASE, img.n, img.timestamp, 0, (str){0}, STR("demo.dll"));
	sym_idents_destroy(t->idents); /* what other tests learned must not help */
	t->idents = sym_idents_create(str_of(at_world("fresh")));
	diag d;
	diag_clear(&d);
	assert_int_equal(sym_mod_load(m, &d), ERR_OK);
	assert_int_equal(m->status, SYM_EXPORT);
	const char *said_ = strstr(buf_z(&x.notes), "mismatched pdb");
	assert_non_null(said_);
	assert_non_null(strstr(said_, "wants"));
	assert_int_equal(sym_mod_reload(m, SYM_LOAD_NOW | SYM_LOAD_MISMATCH, &d), ERR_OK);
	assert_int_equal(m->status, SYM_PRIVATE);
	assert_true(m->mismatch);
	assert_int_equal(sym_mod_reload(m, SYM_LOAD_NOW, &d), ERR_OK);
	assert_int_equal(m->status, SYM_EXPORT);
	/* the right one in a second directory is found behind the wrong one */
	sym_path_set(t, str_of(arena_printf(&world, "%s;%s", at_world("other"), at_world("priv"))));
	assert_int_equal(sym_mod_load(m, &d), ERR_OK);
	assert_int_equal(m->status, SYM_PRIVATE);
	assert_false(m->mismatch);
	sym_store_destroy(t);
}

/* A module seen before, in this session or an earlier one, costs no target read. */
static void seen_before(void **state)
{
	sym_store *t = open_store(at_world("priv"));
	sym_mod *m = sym_mod_add(t, 0, BASE, img.n, img.timestamp, 0, (str){0}, STR("demo.dll"));
	sym v;
	assert_int_equal(sym_find(t, STR("demo!helper"), &v, NULL), ERR_OK);
	sym_store_destroy(t);

	t = open_store(at_world("priv")); /* the next session */
	m = sym_mod_add(t, 0, BASE, img.n, img.timestamp, 0, (str){0}, STR("demo.dll"));
	assert_int_equal(sym_find(t, STR("demo!helper"), &v, NULL), ERR_OK);
	assert_int_equal(m->status, SYM_PRIVATE);
	assert_int_equal(x.reads, 0);
	/* and a driver that comes back elsewhere */
	uint64_t off = v.addr - BASE;
	sym_mod_remove(t, m);
	assert_int_equal(sym_find(t, STR("demo!helper"), &v, NULL), ERR_NOTFOUND);
	m = sym_mod_add(t, 0, BASE + 0x1000000, img.n, img.timestamp, 0, (str){0}, STR("demo.dll"));
	assert_int_equal(sym_find(t, STR("demo!helper"), &v, NULL), ERR_OK);
	assert_int_equal(v.addr, BASE + 0x1000000 + off);
	assert_int_equal(x.reads, 0);
	sym_store_destroy(t);
	/* What is remembered may be of another build with the same name, time and size. */
	t = open_store(at_world("priv"));
	sym_identity other = {.image = STR("demo.dll"),
		.timestamp = img.timestamp,
		.size = (uint32_t)img.n,
		.guid = {1, 2, 3},
		.age = 1,
		.pdb = STR("demo.pdb")};
	sym_idents_add(t->idents, &other);
	m = sym_mod_add(t, 0, BASE, img.n, img.timestamp, 0, (str){0}, STR("demo.dll"));
	assert_int_equal(sym_find(t, STR("demo!helper"), &v, NULL), ERR_OK);
	assert_int_equal(m->status, SYM_PRIVATE);
	assert_false(m->mismatch);
	/* without its file beside it, headers are read from the target once for both */
	sym_store_destroy(t);
	run("mkdir -p '%s' && cp '%s' '%s'", at_world("pdbonly"), at_world("priv/demo.pdb"),
		at_world("pdbonly"));
	t = open_store(at_world("pdbonly"));
	m = sym_mod_add(t, 3, BASE, img.n, img.timestamp, 0, (str){0}, STR("demo.dll"));
	sym_mod *m2 = sym_mod_add(t, 4, BASE, img.n, img.timestamp, 0, (str){0}, STR("demo.dll"));
	uint64_t e;
	assert_int_equal(sym_entry_point(m, &e, NULL), ERR_OK);
	size_t reads = x.reads;
	assert_true(reads > 0);
	assert_int_equal(sym_entry_point(m2, &e, NULL), ERR_OK);
	assert_int_equal(x.reads, reads);
	sym_space_clear(t, 3); /* the one whose memory was read goes first */
	sym_scope_set(t, 4);
	uint64_t base;
	uint32_t b, end, u;
	assert_int_equal(sym_unwind_func(t, BASE + off, &base, &b, &end, &u), ERR_OK);
	sym_store_destroy(t);
}

/* Cancelled while loading: stays deferred, and works the next time. */
static void cancelled_load(void **state)
{
	sym_store *t = open_store(at_world("priv"));
	sym_mod *m = sym_mod_add(t, 0, BASE, img.n, img.timestamp, 0, (str){0}, STR("demo.dll"));
	sym v;
	atomic_store(&x.stop.flag, true);
	assert_int_equal(sym_find(t, STR("demo!helper"), &v, NULL), ERR_CANCELLED);
	assert_int_equal(m->status, SYM_DEFERRED);
	atomic_store(&x.stop.flag, false);
	assert_int_equal(sym_find(t, STR("demo!helper"), &v, NULL), ERR_OK);
	sym_store_destroy(t);
}

/* Knows one spelling of one name, which has several addresses. */
static err find_loose(sym_store *t, str name, void *ret, diag *d)
{
	if (str_eq(name, STR("ring<int, 8>")))
		return diag_set(d, ERR_AMBIGUOUS, "%.*s is twice there", STR_ARG(name));
	return diag_set(d, ERR_NOTFOUND, "no %.*s", STR_ARG(name));
}

/* What was wrong with the spelling that was found is said, not that the first one is unknown. */
static void spellings(void **state)
{
	diag d;
	int none;
	diag_clear(&d);
	assert_int_equal(
		sym_find_spelt(s, STR("ring<int,8>"), find_loose, &none, &d), ERR_AMBIGUOUS);
	assert_string_equal(d.text, "ring<int, 8> is twice there");
	assert_int_equal(
		sym_find_spelt(s, STR("ring<int,9>"), find_loose, &none, &d), ERR_NOTFOUND);
	assert_string_equal(d.text, "no ring<int,9>");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(loads_lazily),
		cmocka_unit_test(names_and_addresses), cmocka_unit_test(unknown_names),
		cmocka_unit_test(wildcards), cmocka_unit_test(one_by_one), cmocka_unit_test(places),
		cmocka_unit_test(types), cmocka_unit_test(lines_and_locals),
		cmocka_unit_test(image_facts), cmocka_unit_test(modules),
		cmocka_unit_test(scope_is_asked_when_needed), cmocka_unit_test(lesser_symbols),
		cmocka_unit_test(failed_once), cmocka_unit_test(from_server),
		cmocka_unit_test(mismatch), cmocka_unit_test(seen_before),
		cmocka_unit_test(cancelled_load), cmocka_unit_test(spellings)};
	return cmocka_run_group_tests(tests, setup, teardown);
}
