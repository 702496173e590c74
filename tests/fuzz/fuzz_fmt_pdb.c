/*
 * PDBs: everything walked. An input that starts with 'S' is a list of streams (count, 16-bit sizes,
 * bytes), put into a container here so that mutations reach the streams; any other input is a whole
 * file. Seeds: a small program compiled with clang and linked with lld-link, its streams laid out
 * in both ways.
 */
#include "fmt/pdb.h"

#include "base/reader.h"

#include <stdlib.h>

enum { SOME = 64 };

typedef struct seen {
	pdb *f;
	arena a;
	size_t n;
	pdb_sym last;
	str name;
} seen;

static bool on_sym(void *u, const pdb_sym *s)
{
	seen *x = u;
	/* Every view must be readable. */
	if (s->name.n && s->name.p[s->name.n - 1] == 1)
		x->n++;
	x->last = *s;
	if (x->n == SOME / 2)
		x->name = s->name;
	return ++x->n < SOME;
}

static bool on_type(void *u, const pdb_type *t)
{
	seen *x = u;
	if (t->name.n && t->name.p[0])
		x->name = t->name;
	return ++x->n < SOME;
}

static bool on_field(void *u, const pdb_field *t)
{
	seen *x = u;
	if (t->name.n && t->name.p[t->name.n - 1] == 1)
		x->n++;
	return ++x->n < 4 * SOME;
}

static bool on_line(void *u, const pdb_line *l)
{
	seen *x = u;
	volatile uint8_t sum = l->sum_len ? l->sum[l->sum_len - 1] : 0;
	(void)sum;
	return ++x->n < SOME && l->file.n < 1 << 20;
}

static bool on_file(void *u, uint32_t mod, str path)
{
	seen *x = u;
	x->name = path;
	return ++x->n < SOME && mod < 1 << 20;
}

static void by_address(seen *x, uint32_t rva)
{
	pdb *f = x->f;
	pdb_sym s;
	pdb_line l;
	pdb_local *loc;
	pdb_inline *in;
	uint32_t v, b, e;
	size_t n;
	if (pdb_sym_at(f, rva, &s, &v) == ERR_OK && pdb_sym_fill(f, &s) == ERR_OK)
		x->n = s.name.n;
	if (pdb_sym_after(f, rva, &s, &v) == ERR_OK && s.rva <= rva)
		abort();
	if (pdb_func_at(f, rva, &s) == ERR_OK) {
		if (rva < s.rva || rva - s.rva >= s.size)
			abort();
		if (pdb_locals_all(f, &x->a, &s, &loc, &n) == ERR_OK)
			x->n += n;
	}
	if (pdb_locals_at(f, &x->a, rva, &loc, &n) == ERR_OK)
		for (size_t i = 0; i < n; i++)
			x->n += loc[i].name.n + loc[i].npieces;
	if (pdb_inlines_at(f, &x->a, rva, &in, &n) == ERR_OK)
		for (size_t i = 0; i < n; i++)
			if (rva < in[i].begin || rva >= in[i].end)
				abort();
	if (pdb_line_at(f, rva, &l) == ERR_OK && pdb_mod_at(f, rva, &v, &b, &e) == ERR_OK)
		x->n += l.line;
}

static void types(seen *x)
{
	pdb *f = x->f;
	uint32_t first = pdb_type_first(f), n = pdb_ntypes(f), v;
	for (uint32_t i = 0; i < n && i < SOME; i++) {
		uint32_t ti = first + i;
		pdb_type t;
		buf b;
		str s, s2;
		buf_init(&b, 4096);
		if (pdb_type_get(f, ti, &t) == ERR_OK)
			x->n = t.name.n + t.unique.n;
		pdb_type_name(f, ti, &b);
		x->n = (size_t)pdb_type_size(f, ti) + pdb_type_strip(f, ti);
		x->n = 0;
		if (pdb_type_fields(f, ti, on_field, x) == ERR_OK)
			x->n = 0;
		if (pdb_type_arg(f, ti, 1, &v) == ERR_OK)
			x->n = v;
		if (pdb_func_id(f, ti, &s, &s2, &v) == ERR_OK)
			x->n = s.n + s2.n;
		if (i < 8 && pdb_type_pointer_to(f, ti, &v) == ERR_OK)
			x->n = v;
		buf_deinit(&b);
	}
	x->n = 0;
	if (pdb_type_each(f, true, on_type, x) == ERR_OK &&
		pdb_type_find(f, x->name, true, &v) == ERR_OK)
		x->n = v;
}

static void walk(pdb *f)
{
	seen x = {.f = f};
	pdb_line *l;
	pdb_mod m;
	size_t n;
	bool exact;
	arena_init(&x.a);
	if (pdb_each_name(f, PDB_ALL, on_sym, &x) == ERR_OK && pdb_sym_fill(f, &x.last) == ERR_OK)
		by_address(&x, x.last.rva);
	x.n = 0;
	if (pdb_global_find(f, x.name, true, PDB_ALL, on_sym, &x) == ERR_OK)
		by_address(&x, x.last.rva + 1);
	x.n = 0;
	if (pdb_public_find(f, STR("main"), false, on_sym, &x) == ERR_OK)
		by_address(&x, x.last.rva);
	for (size_t i = 0; i < pdb_npublics(f) && i < 4; i++)
		if (pdb_public_nth(f, i, &x.last) == ERR_OK)
			by_address(&x, x.last.rva + (uint32_t)i);
	for (uint32_t i = 0; i < pdb_nmods(f) && i < 4; i++) {
		x.n = 0;
		if (pdb_mod_each(f, i, true, on_sym, &x) == ERR_OK)
			by_address(&x, x.last.rva);
		x.n = 0;
		if (pdb_line_each(f, i, on_line, &x) == ERR_OK && pdb_mod_get(f, i, &m) == ERR_OK)
			x.n = m.name.n;
	}
	for (uint32_t rva = 0x1000; rva < 0x1200; rva += 0x43)
		by_address(&x, rva);
	x.n = 0;
	if (pdb_file_each(f, on_file, &x) == ERR_OK &&
		pdb_line_find(f, &x.a, x.name, 2, &l, &n, &exact) == ERR_OK && !n)
		abort();
	types(&x);
	arena_deinit(&x.a);
}

static void add64(buf *b, uint64_t v)
{
	uint8_t x[8];
	put64(x, v);
	buf_add(b, x, 8);
}

/* MSFZ with every stream as one plain fragment. */
static bool wrap(const uint8_t *p, size_t n, buf *out)
{
	reader r = rd_of(p, n);
	rd_skip(&r, 1);
	uint32_t count = rd_u8(&r);
	reader sizes = rd_sub(&r, r.pos, 2 * (size_t)count);
	rd_skip(&r, 2 * (size_t)count);
	if (r.bad || sizes.bad || !count)
		return false;
	uint8_t h[80] = "Microsoft MSFZ Container\r\n\x1a"
			"ALD\0\0";
	buf dir;
	buf_init(&dir, 0);
	buf_add(out, h, sizeof h);
	for (uint32_t i = 0; i < count; i++) {
		size_t len = rd_u16(&sizes);
		uint8_t x[4];
		if (len > rd_left(&r))
			len = rd_left(&r);
		put32(x, (uint32_t)len);
		if (len) {
			buf_add(&dir, x, 4);
			add64(&dir, out->n);
			buf_add(out, rd_bytes(&r, len), len);
		}
		put32(x, 0);
		buf_add(&dir, x, 4);
	}
	uint8_t *q = (uint8_t *)out->p;
	put64(q + 40, out->n);
	put64(q + 48, out->n + dir.n);
	put32(q + 56, count);
	put32(q + 64, (uint32_t)dir.n);
	put32(q + 68, (uint32_t)dir.n);
	buf_add(out, dir.p, dir.n);
	buf_deinit(&dir);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	pdb *f;
	buf b;
	buf_init(&b, 0);
	if (size && data[0] == 'S') {
		if (!wrap(data, size, &b)) {
			buf_deinit(&b);
			return 0;
		}
		/* An exact copy: a read behind the end must be seen. */
		uint8_t *copy = mem_alloc(b.n);
		memcpy(copy, b.p, b.n);
		if (pdb_open(copy, b.n, &f, NULL) == ERR_OK) {
			walk(f);
			pdb_close(f);
		}
		mem_free(copy);
	} else if (pdb_open(data, size, &f, NULL) == ERR_OK) {
		walk(f);
		pdb_close(f);
	}
	buf_deinit(&b);
	return 0;
}
