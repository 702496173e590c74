/*
 * PE images: one made by hand in both word sizes, as a file and as loaded memory with holes, with
 * every table; damaged ones; and one that a linker made.
 */
#include "fmt/pe.h"

#include "test_fmt_util.h"

/*
 * Layout: headers 0x400; .text rva 0x1000 raw 0x400+0x200; .rdata rva 0x2000 raw 0x600+0xa00;
 * .pdata rva 0x3000 raw 0x1000+0x2200; .data rva 0x6000 raw 0x3200+0x200 vsize 0x1000.
 */
enum {
	TEXT = 0x1000,
	RDATA = 0x2000,
	PDATA = 0x3000,
	DATA = 0x6000,
	IMAGE = 0x7000,
	FILE_SIZE = 0x3400,
	EXPORTS = RDATA,
	DEBUG = RDATA + 0x400,
	RES = RDATA + 0x500,
	NFUNCS = 700,
	CHECKSUM = 0x80 + 24 + 64
};

typedef struct img {
	uint8_t f[FILE_SIZE];
	uint8_t mem[IMAGE];
	str bytes, loaded;
	bool plus;
} img;

/* Where an RVA of .rdata or .pdata stands in the file. */
static uint8_t *at(img *m, uint32_t rva)
{
	return m->f + (rva < RDATA	    ? rva - TEXT + 0x400
			      : rva < PDATA ? rva - RDATA + 0x600
			      : rva < DATA  ? rva - PDATA + 0x1000
					    : rva - DATA + 0x3200);
}

static void text(img *m, uint32_t rva, const char *s)
{
	memcpy(at(m, rva), s, strlen(s) + 1);
}

static void make_headers(img *m)
{
	uint8_t *f = m->f, *o = f + 0x80 + 24;
	size_t opt = m->plus ? 240 : 224, dirs = m->plus ? 112 : 96;
	memcpy(f, "MZ", 2);
	put32(f + 0x3c, 0x80);
	memcpy(f + 0x80, "PE\0\0", 4);
	put16(f + 0x84, m->plus ? PE_MACHINE_AMD64 : PE_MACHINE_I386);
	put16(f + 0x86, 4);
	put32(f + 0x88, 0x5f3759df);
	put16(f + 0x94, (uint16_t)opt);
	put16(f + 0x96, 0x22);
	put16(o, m->plus ? 0x20b : 0x10b);
	o[2] = 14;
	o[3] = 38;
	put32(o + 16, TEXT + 0x10);
	if (m->plus)
		put64(o + 24, 0x140000000);
	else
		put32(o + 28, 0x400000);
	put32(o + 32, 0x1000);
	put32(o + 36, 0x200);
	put16(o + 40, 10);
	put16(o + 48, 10);
	put32(o + 56, IMAGE);
	put32(o + 60, 0x400);
	put16(o + 68, 1);
	put16(o + 70, 0x8160);
	put32(o + dirs - 4, 16);
	const uint32_t dir[][3] = {{PE_DIR_EXPORT, EXPORTS, 0x200}, {PE_DIR_RESOURCE, RES, 0x300},
		{PE_DIR_EXCEPTION, PDATA, NFUNCS * 12}, {PE_DIR_DEBUG, DEBUG, 84}};
	for (size_t i = 0; i < ARRAY_LEN(dir); i++) {
		put32(o + dirs + 8 * dir[i][0], dir[i][1]);
		put32(o + dirs + 8 * dir[i][0] + 4, dir[i][2]);
	}
	const struct {
		const char *name;
		uint32_t vsize, rva, raw_size, raw, flags;
	} sec[] = {{".text", 0x200, TEXT, 0x200, 0x400, 0x60000020},
		{".rdata", 0xa00, RDATA, 0xa00, 0x600, 0x40000040},
		{".pdata", 0x2200, PDATA, 0x2200, 0x1000, 0x40000040},
		{".data8ch", 0x1000, DATA, 0x200, 0x3200, 0xc0000040}};
	for (size_t i = 0; i < 4; i++) {
		uint8_t *s = o + opt + 40 * i;
		memcpy(s, sec[i].name, strlen(sec[i].name));
		put32(s + 8, sec[i].vsize);
		put32(s + 12, sec[i].rva);
		put32(s + 16, sec[i].raw_size);
		put32(s + 20, sec[i].raw);
		put32(s + 36, sec[i].flags);
	}
}

/* Ordinals 5..9: Alpha, Beta (forwarded), a gap, Gamma and its alias Delta, one without a name. */
static void make_exports(img *m)
{
	uint8_t *d = at(m, EXPORTS);
	put32(d + 12, EXPORTS + 0x80);
	put32(d + 16, 5);
	put32(d + 20, 5);
	put32(d + 24, 4);
	put32(d + 28, EXPORTS + 0x28);
	put32(d + 32, EXPORTS + 0x40);
	put32(d + 36, EXPORTS + 0x50);
	const uint32_t funcs[] = {TEXT + 0x20, EXPORTS + 0xc0, 0, TEXT + 0x80, TEXT + 0x40};
	const uint16_t ords[] = {0, 1, 3, 3};
	static const char *const names[] = {"Alpha", "Beta", "Delta", "Gamma"};
	for (int i = 0; i < 5; i++)
		put32(d + 0x28 + 4 * i, funcs[i]);
	for (int i = 0; i < 4; i++) {
		put32(d + 0x40 + 4 * i, (uint32_t)(EXPORTS + 0x90 + 8 * i));
		put16(d + 0x50 + 2 * i, ords[i]);
		text(m, (uint32_t)(EXPORTS + 0x90 + 8 * i), names[i]);
	}
	text(m, EXPORTS + 0x80, "hand.dll");
	text(m, EXPORTS + 0xc0, "OTHER.Beta2");
}

static const uint8_t guid[16] = {
	0x67, 0x45, 0x23, 0x01, 0xab, 0x89, 0xef, 0xcd, 1, 2, 3, 4, 5, 6, 7, 8};

static void make_debug(img *m)
{
	uint8_t *d = at(m, DEBUG);
	put32(d + 12, PE_DEBUG_MISC);
	put32(d + 16, 12 + 9);
	put32(d + 20, DEBUG + 0x60);
	put32(at(m, DEBUG + 0x60), 1);
	text(m, DEBUG + 0x6c, "hand.dbg");
	put32(d + 28 + 12, PE_DEBUG_CODEVIEW);
	put32(d + 28 + 16, 24 + 13);
	put32(d + 28 + 20, DEBUG + 0x80);
	memcpy(at(m, DEBUG + 0x80), "RSDS", 4);
	memcpy(at(m, DEBUG + 0x84), guid, 16);
	put32(at(m, DEBUG + 0x94), 3);
	text(m, DEBUG + 0x98, "c:\\x\\hand.pdb");
	put32(d + 56 + 12, PE_DEBUG_REPRO);
	put32(d + 56 + 16, 8);
	put32(d + 56 + 20, DEBUG + 0xc0);
	put32(at(m, DEBUG + 0xc0), 4);
	memcpy(at(m, DEBUG + 0xc4), "hash", 4);
}

static size_t block(buf *b, const char *key, unsigned type)
{
	balign(b, 4);
	size_t start = b->n;
	b16(b, 0);
	b16(b, 0);
	b16(b, type);
	for (; *key; key++)
		b16(b, (unsigned char)*key);
	b16(b, 0);
	balign(b, 4);
	return start;
}

static void close_block(buf *b, size_t start)
{
	put16(b->p + start, (uint16_t)(b->n - start));
}

static void string_block(buf *b, const char *key, const char *value)
{
	size_t s = block(b, key, 1);
	for (const char *v = value; *v; v++)
		b16(b, (unsigned char)*v);
	b16(b, 0);
	put16(b->p + s + 2, (uint16_t)(strlen(value) + 1));
	close_block(b, s);
}

static void make_version(img *m)
{
	uint8_t *r = at(m, RES);
	put16(r + 14, 1); /* one id entry: RT_VERSION, then name 1, then a language */
	put32(r + 16, 16);
	put32(r + 20, 0x80000018);
	put16(r + 0x18 + 14, 1);
	put32(r + 0x28, 1);
	put32(r + 0x2c, 0x80000030);
	put16(r + 0x30 + 14, 1);
	put32(r + 0x40, 0x409);
	put32(r + 0x44, 0x48);
	buf b;
	buf_init(&b, 0);
	size_t root = block(&b, "VS_VERSION_INFO", 0);
	size_t fixed = b.n;
	for (int i = 0; i < 13; i++)
		b32(&b, 0);
	uint8_t *x = (uint8_t *)b.p + fixed;
	put32(x, 0xfeef04bd);
	put32(x + 8, 10 << 16 | 1);
	put32(x + 12, 19041u << 16 | 7);
	put32(x + 16, 2 << 16 | 3);
	put32(x + 20, 4 << 16 | 5);
	put32(x + 28, 0x2);
	put16(b.p + root + 2, 52);
	size_t sfi = block(&b, "StringFileInfo", 1), table = block(&b, "040904b0", 1);
	string_block(&b, "CompanyName", "Nobody");
	string_block(&b, "FileVersion", "10.1 (hand)");
	close_block(&b, table);
	close_block(&b, sfi);
	close_block(&b, root);
	assert_true(b.n < 0x300);
	put32(r + 0x48, RES + 0x58);
	put32(r + 0x4c, (uint32_t)b.n);
	memcpy(r + 0x58, b.p, b.n);
	buf_deinit(&b);
}

static void make(img *m, bool plus)
{
	memset(m, 0, sizeof *m);
	m->plus = plus;
	make_headers(m);
	make_exports(m);
	make_debug(m);
	make_version(m);
	for (uint32_t i = 0; i < NFUNCS; i++) { /* 16 bytes of code, 8 of gap */
		uint8_t *p = at(m, PDATA) + 12 * i;
		put32(p, 0x100000 + 24 * i);
		put32(p + 4, 0x100000 + 24 * i + 16);
		put32(p + 8, RDATA + 4 * i);
	}
	put32(at(m, PDATA) + 12 * 300 + 8,
		(PDATA + 12 * 301) | 1); /* an entry that leads to another */
	memset(at(m, DATA), 0xdd, 0x200);
	put32(m->f + CHECKSUM, 0x1234);
	memcpy(m->mem, m->f, 0x400);
	memcpy(m->mem + TEXT, m->f + 0x400, 0x200);
	memcpy(m->mem + RDATA, m->f + 0x600, 0xa00);
	memcpy(m->mem + PDATA, m->f + 0x1000, 0x2200);
	memcpy(m->mem + DATA, m->f + 0x3200, 0x200);
	m->bytes = (str){(char *)m->f, sizeof m->f};
	m->loaded = (str){(char *)m->mem, sizeof m->mem};
}

/* ---- memory that reads short, has holes and counts ---- */

typedef struct target {
	const img *m;
	uint64_t base;
	uint32_t hole; /* page that cannot be read, 0 none */
	size_t reads, bytes, most;
} target;

static err target_read(void *u, uint64_t addr, void *dst, size_t n, size_t *n_ret)
{
	target *t = u;
	uint64_t rva = addr - t->base;
	t->reads++;
	if (rva >= IMAGE || (t->hole && rva / 0x1000 == t->hole / 0x1000))
		return ERR_FAULT;
	size_t left = 0x1000 - rva % 0x1000; /* a page at most: short reads are normal */
	if (n > left)
		n = left;
	memcpy(dst, t->m->mem + rva, n);
	t->bytes += n;
	*n_ret = n;
	return ERR_OK;
}

typedef struct names {
	char text[400];
} names;

static bool add_export(void *u, const pe_export *e)
{
	names *n = u;
	size_t at_ = strlen(n->text);
	snprintf(n->text + at_, sizeof n->text - at_, "%u:%.*s%s%.*s ", e->ordinal,
		STR_ARG(e->name), e->forward.n ? ">" : "", STR_ARG(e->forward));
	return true;
}

static bool count_debug(void *u, const pe_debug *e)
{
	*(unsigned *)u |= 1u << e->type;
	return true;
}

static void check_exports(pe_view *v, arena *a)
{
	pe_export e;
	uint32_t disp;
	str s;
	assert_int_equal(pe_export_module(v, a, &s), ERR_OK);
	assert_true(str_eq(s, STR("hand.dll")));
	assert_int_equal(pe_export_find(v, a, STR("Alpha"), &e), ERR_OK);
	assert_int_equal(e.rva, TEXT + 0x20);
	assert_int_equal(e.ordinal, 5);
	assert_int_equal(e.forward.n, 0);
	assert_int_equal(pe_export_find(v, a, STR("Beta"), &e), ERR_OK);
	assert_true(str_eq(e.forward, STR("OTHER.Beta2")));
	assert_int_equal(pe_export_find(v, a, STR("Gamma"), &e), ERR_OK);
	assert_int_equal(e.ordinal, 8);
	assert_int_equal(pe_export_find(v, a, STR("alpha"), &e), ERR_NOTFOUND);
	assert_int_equal(pe_export_find(v, a, STR("Zeta"), &e), ERR_NOTFOUND);
	assert_int_equal(pe_export_find(v, a, STR(""), &e), ERR_NOTFOUND);
	assert_int_equal(pe_export_at(v, a, TEXT + 0x2f, &e, &disp), ERR_OK);
	assert_true(str_eq(e.name, STR("Alpha")));
	assert_int_equal(disp, 15);
	assert_int_equal(pe_export_at(v, a, TEXT + 0x1f, &e, &disp), ERR_NOTFOUND);
	assert_int_equal(
		pe_export_at(v, a, EXPORTS + 0xc4, &e, &disp), ERR_OK); /* not the forwarder */
	assert_true(str_eq(e.name, STR("Delta")));
	assert_int_equal(pe_export_after(v, a, TEXT + 0x20, &e, &disp), ERR_OK);
	assert_int_equal(e.rva, TEXT + 0x40);
	assert_int_equal(pe_export_after(v, a, TEXT + 0x80, &e, &disp), ERR_NOTFOUND);
	names n = {""};
	size_t lost = 9;
	assert_int_equal(pe_export_each(v, a, add_export, &n, &lost), ERR_OK);
	assert_string_equal(n.text, "5:Alpha 6:Beta>OTHER.Beta2 8:Delta 8:Gamma 9: ");
	assert_int_equal(lost, 0);
}

static void check_rest(pe_view *v, arena *a)
{
	pe_codeview cv;
	unsigned kinds = 0;
	str s;
	assert_int_equal(pe_debug_each(v, count_debug, &kinds), ERR_OK);
	assert_int_equal(kinds, 1u << 2 | 1u << 4 | 1u << 16);
	assert_int_equal(pe_debug_codeview(v, a, &cv), ERR_OK);
	assert_true(cv.rsds && cv.age == 3 && !memcmp(cv.guid, guid, 16));
	assert_true(str_eq(cv.path, STR("c:\\x\\hand.pdb")));
	assert_int_equal(pe_debug_repro(v, a, &s), ERR_OK);
	assert_true(str_eq(s, STR("hash")));
	pe_version ver;
	assert_int_equal(pe_version_get(v, a, &ver), ERR_OK);
	assert_true(ver.fixed && ver.file[0] == 10 && ver.file[2] == 19041 && ver.product[3] == 5 &&
		    ver.flags == 2);
	assert_true(str_eq(pe_version_find(&ver, STR("fileversion")), STR("10.1 (hand)")));
	assert_true(str_eq(ver.strs[0].lang, STR("040904b0")));
	assert_int_equal(ver.nstrs, 2);
	assert_int_equal(pe_version_find(&ver, STR("Other")).n, 0);
}

static void check_pdata(pe_view *v)
{
	pe_func f;
	assert_int_equal(pe_func_count(v), NFUNCS);
	for (uint32_t i = 0; i < NFUNCS; i++) {
		uint32_t begin = 0x100000 + 24 * i;
		assert_int_equal(pe_func_at(v, begin + i % 16, &f), ERR_OK);
		assert_int_equal(f.begin, begin);
		assert_int_equal(f.unwind, RDATA + 4 * (i == 300 ? 301 : i));
		assert_int_equal(pe_func_at(v, begin + 16, &f), ERR_NOTFOUND);
	}
	assert_int_equal(pe_func_at(v, 0xfffff, &f), ERR_NOTFOUND);
	assert_int_equal(pe_func_at(v, UINT32_MAX, &f), ERR_NOTFOUND);
	assert_int_equal(pe_func_nth(v, NFUNCS, &f), ERR_NOTFOUND);
}

static void test_file(void **state)
{
	(void)state;
	for (int plus = 0; plus < 2; plus++) {
		img *m = mem_alloc(sizeof *m);
		pe_view v;
		diag d;
		arena a;
		make(m, plus);
		arena_init(&a);
		mem_reader r = pe_bytes(&m->bytes);
		assert_int_equal(pe_open(&v, &a, &r, 0, PE_FILE, &d), ERR_OK);
		assert_int_equal(v.plus, plus);
		assert_int_equal(v.preferred_base, plus ? 0x140000000 : 0x400000);
		assert_int_equal(v.timestamp, 0x5f3759df);
		assert_int_equal(v.image_size, IMAGE);
		assert_int_equal(v.entry, TEXT + 0x10);
		assert_int_equal(v.checksum, 0x1234);
		assert_int_equal(v.dll_characteristics, 0x8160);
		assert_int_equal(v.linker_major, 14);
		assert_int_equal(v.nsec, 4);
		assert_string_equal(v.sec[3].name, ".data8ch");
		assert_ptr_equal(pe_section_at(&v, DATA + 0xfff), &v.sec[3]);
		assert_null(pe_section_at(&v, IMAGE));
		check_exports(&v, &a);
		check_rest(&v, &a);
		if (plus) {
			check_pdata(&v);
		} else {
			pe_func f;
			assert_int_equal(pe_func_at(&v, TEXT, &f), ERR_UNSUPPORTED);
		}
		/* Behind the raw data the loader makes zeros; behind the section there is nothing.
		 */
		uint8_t b[0x1100];
		size_t got;
		memset(b, 0x55, sizeof b);
		assert_int_equal(pe_read_some(&v, DATA + 0x1f0, b, sizeof b, &got), ERR_OK);
		assert_int_equal(got, 0x1000 - 0x1f0);
		assert_true(b[0] == 0xdd && b[15] == 0xdd && b[16] == 0 && b[got - 1] == 0);
		assert_int_equal(pe_read(&v, DATA + 0xff8, b, 9), ERR_FAULT);
		assert_int_equal(pe_read(&v, 0x3fe, b, 2), ERR_OK);
		assert_int_equal(pe_read(&v, 0x3fe, b, 3),
			ERR_FAULT); /* nothing between headers and .text */
		arena_deinit(&a);
		mem_free(m);
	}
}

static void test_loaded(void **state)
{
	(void)state;
	img *m = mem_alloc(sizeof *m);
	pe_view v;
	diag d;
	arena a;
	make(m, true);
	arena_init(&a);
	target t = {.m = m, .base = 0xfffff80012340000};
	mem_reader r = {&t, target_read};
	assert_int_equal(pe_open(&v, &a, &r, t.base, PE_LOADED, &d), ERR_OK);
	assert_int_equal(t.reads, 1);
	t.reads = t.bytes = 0;
	pe_export e;
	assert_int_equal(pe_export_find(&v, &a, STR("Gamma"), &e), ERR_OK);
	assert_true(t.reads <= 10); /* directory, two names, ordinal, address: not the tables */
	check_exports(&v, &a);
	check_rest(&v, &a);
	check_pdata(&v);
	t.reads = 0;
	pe_func f;
	assert_int_equal(pe_func_at(&v, 0x100000 + 24 * 600, &f), ERR_OK);
	assert_true(t.reads <= 4);
	uint8_t b[16];
	size_t got;
	assert_int_equal(pe_read(&v, IMAGE - 8, b, 8), ERR_OK);
	assert_int_equal(pe_read(&v, IMAGE - 8, b, 9), ERR_FAULT);
	assert_int_equal(pe_read_some(&v, IMAGE, b, 1, &got), ERR_FAULT);
	arena_deinit(&a);
	/* Pages that cannot be read: what lies there answers so, the rest goes on. */
	arena_init(&a);
	t.hole = RDATA;
	assert_int_equal(pe_open(&v, &a, &r, t.base, PE_LOADED, &d), ERR_OK);
	assert_int_equal(pe_export_find(&v, &a, STR("Gamma"), &e), ERR_FAULT);
	check_pdata(&v);
	t.hole = 0; /* paged in since */
	assert_int_equal(pe_export_find(&v, &a, STR("Gamma"), &e), ERR_OK);
	t.hole = PDATA;
	assert_int_equal(pe_func_at(&v, 0x100000, &f), ERR_FAULT);
	arena_deinit(&a);
	arena_init(&a);
	t.hole = 1; /* the headers themselves */
	t.base -= 0x1000;
	assert_int_equal(pe_open(&v, &a, &r, t.base + IMAGE + 0x1000, PE_LOADED, &d), ERR_FAULT);
	assert_true(d.text[0] != 0);
	arena_deinit(&a);
	mem_free(m);
}

/* All questions, whatever the answers. */
static void ask_all(const str *bytes, pe_layout layout)
{
	pe_view v;
	arena a;
	arena_init(&a);
	mem_reader r = pe_bytes(bytes);
	if (pe_open(&v, &a, &r, 0, layout, NULL) == ERR_OK) {
		names n = {""};
		pe_export e;
		pe_codeview cv;
		pe_version ver;
		pe_func f;
		uint32_t disp;
		size_t lost, good = 0;
		good += pe_export_find(&v, &a, STR("Beta"), &e) == ERR_OK;
		good += pe_export_at(&v, &a, TEXT + 0x90, &e, &disp) == ERR_OK;
		good += pe_export_each(&v, &a, add_export, &n, &lost) == ERR_OK;
		good += pe_debug_codeview(&v, &a, &cv) == ERR_OK;
		good += pe_version_get(&v, &a, &ver) == ERR_OK;
		good += pe_func_at(&v, 0x100000, &f) == ERR_OK;
		assert_true(good <= 6);
	}
	arena_deinit(&a);
}

static void test_damage(void **state)
{
	(void)state;
	img *m = mem_alloc(sizeof *m);
	static const uint32_t values[] = {
		0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffff0, 0x2000};
	make(m, true);
	for (size_t n = 0; n < sizeof m->f; n += n < 0x400 ? 13 : 501) {
		char *cut = mem_alloc(n);
		memcpy(cut, m->f, n);
		str s = {cut, n};
		ask_all(&s, PE_FILE);
		mem_free(cut);
	}
	/* Each word of the headers and tables in turn. */
	for (size_t off = 0x3c; off < 0xf00; off += off < 0x230 || off > 0x600 ? 4 : 0x3d0) {
		uint32_t old = le32(m->f + off);
		for (size_t k = 0; k < ARRAY_LEN(values); k++) {
			put32(m->f + off, values[k]);
			ask_all(&m->bytes, PE_FILE);
		}
		put32(m->f + off, old);
	}
	pe_view v;
	arena a;
	diag d;
	arena_init(&a);
	mem_reader r = pe_bytes(&m->bytes);
	m->f[0] = 'X';
	assert_int_equal(pe_open(&v, &a, &r, 0, PE_FILE, &d), ERR_CORRUPT);
	m->f[0] = 'M';
	m->f[0x80] = 'X';
	assert_int_equal(pe_open(&v, &a, &r, 0, PE_FILE, &d), ERR_CORRUPT);
	m->f[0x80] = 'P';
	put16(m->f + 0x98, 0x107);
	assert_int_equal(pe_open(&v, &a, &r, 0, PE_FILE, &d), ERR_CORRUPT);
	arena_deinit(&a);
	mem_free(m);
}

static void test_guid(void **state)
{
	(void)state;
	buf b;
	buf_init(&b, 0);
	pe_guid_text(guid, false, &b);
	assert_string_equal(buf_z(&b), "{01234567-89AB-CDEF-0102-030405060708}");
	buf_clear(&b);
	pe_guid_text(guid, true, &b);
	assert_string_equal(buf_z(&b), "0123456789ABCDEF0102030405060708");
	buf_deinit(&b);
}

/* What a linker makes. */
static void test_linked(void **state)
{
	(void)state;
	if (!have_tool("clang") || !have_tool("lld-link")) {
		print_message("skipped: clang or lld-link is not installed\n");
		skip();
	}
	char cmd[2048], path[700];
	diag d;
	snprintf(path, sizeof path, "%s/d.c", work_dir());
	assert_int_equal(
		sys_write_file(path,
			STR("int one(int a) { volatile char b[4000]; b[a] = 1; return b[0]; }\n"
			    "__declspec(dllexport) int two = 2;\nint _fltused, __chkstk;\n"
			    "int _DllMainCRTStartup(void *a, int b, void *c) { return one(b); }\n"),
			&d),
		ERR_OK);
	snprintf(cmd, sizeof cmd,
		"cd '%s' && clang --target=x86_64-pc-windows-msvc -g -gcodeview "
		"-mno-stack-arg-probe -w -c d.c -o d.obj && "
		"lld-link /dll /debug /export:one,@5 /out:d.dll /nodefaultlib d.obj >/dev/null "
		"2>&1",
		work_dir());
	assert_int_equal(system(cmd), 0);
	snprintf(path, sizeof path, "%s/d.dll", work_dir());
	sys_map map;
	pe_view v;
	arena a;
	pe_export one, two;
	pe_codeview cv;
	pe_func f;
	str s;
	arena_init(&a);
	assert_int_equal(sys_map_open(path, &map, &d), ERR_OK);
	str bytes = {(const char *)map.p, map.n};
	mem_reader r = pe_bytes(&bytes);
	assert_int_equal(pe_open(&v, &a, &r, 0, PE_FILE, &d), ERR_OK);
	assert_int_equal(pe_export_module(&v, &a, &s), ERR_OK);
	assert_true(str_eq(s, STR("d.dll")));
	assert_int_equal(pe_export_find(&v, &a, STR("one"), &one), ERR_OK);
	assert_int_equal(one.ordinal, 5);
	assert_int_equal(pe_export_find(&v, &a, STR("two"), &two), ERR_OK);
	uint8_t b[4];
	assert_int_equal(pe_read(&v, two.rva, b, 4), ERR_OK);
	assert_int_equal(le32(b), 2);
	assert_int_equal(pe_func_at(&v, one.rva + 3, &f), ERR_OK);
	assert_int_equal(f.begin, one.rva);
	assert_int_equal(pe_debug_codeview(&v, &a, &cv), ERR_OK);
	assert_true(cv.rsds && str_iends(cv.path, STR("d.pdb")));
	arena_deinit(&a);
	sys_map_close(&map);
	work_dir_remove();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_loaded),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_guid),
		cmocka_unit_test(test_linked),
	};
	return cmocka_run_group_tests_name("fmt_pe", tests, NULL, NULL);
}
