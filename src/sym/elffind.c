/*
 * elffind: one name in a file's symbol table and, if that does not have it, in its DWARF.
 *
 * Nothing is hashed before it pays: one name is found by .gnu.hash or one pass over the table (a
 * few ms for a hundred MB).
 */
#include "sym/elffile.h"

#include "base/reader.h"
#include "fmt/dwarf_index.h"

#include <stdio.h>

enum { HASH_AFTER = 6 }; /* passes over the table before its names are hashed */

typedef struct finding {
	sym_file *f;
	str name; /* wanted, in plain words */
	str part; /* its last component: stands in the raw name as it is */
	bool fold, stop;
	bool prefix; /* only raw names that begin as the plain ones do */
	char mangled[3][512];
	size_t n_mangled, mangled_n[3];
	buf tmp;
	sym_rec_fn *fn;
	void *u;
	size_t n;
} finding;

/* How the raw name of A::B::c begins, unless A, B or c hide behind an abbreviation. Source: Itanium
 * C++ ABI, "Mangling": _ZN <length name>... , _Z <length name>, L for internal linkage. */
static void likely_raw(finding *k)
{
	char body[448];
	size_t n = 0, parts = 0;
	str rest = k->name;
	while (rest.n) {
		size_t colon = str_find(rest, STR("::"));
		str one = str_take(rest, colon);
		if (!one.n || n + one.n + 8 > sizeof body)
			return;
		for (size_t i = 0; i < one.n; i++)
			if (!chr_word(one.p[i]) && one.p[i] != '$')
				return;
		n += (size_t)snprintf(body + n, sizeof body - n, "%zu%.*s", one.n, STR_ARG(one));
		parts++;
		rest = colon == SIZE_MAX ? (str){0} : str_skip(rest, colon + 2);
	}
	static const char *const heads[2][3] = {{"_Z", "_ZL", NULL}, {"_ZN", "_ZNK", NULL}};
	for (size_t i = 0; i < 2 && parts; i++)
		k->mangled_n[k->n_mangled++] = (size_t)snprintf(k->mangled[i], sizeof k->mangled[i],
			"%s%.*s", heads[parts > 1][i], (int)n, body);
}

static bool same(const finding *k, str s)
{
	return k->fold ? str_ieq(s, k->name) : str_eq(s, k->name);
}

static bool holds(const finding *k, str raw)
{
	if (!k->fold)
		return memmem(raw.p, raw.n, k->part.p, k->part.n) != NULL;
	for (size_t i = 0; i + k->part.n <= raw.n; i++)
		if (str_ieq((str){raw.p + i, k->part.n}, k->part))
			return true;
	return false;
}

static bool is_wanted(finding *k, str raw)
{
	if (raw.n == k->name.n && same(k, raw))
		return true;
	if (!elf_decorated(raw))
		return false;
	if (k->prefix) {
		size_t i = 0;
		while (i < k->n_mangled && !(raw.n > k->mangled_n[i] &&
						   !memcmp(raw.p, k->mangled[i], k->mangled_n[i])))
			i++;
		if (i == k->n_mangled)
			return false;
	} else if (!holds(k, raw)) {
		return false;
	}
	buf_clear(&k->tmp);
	return elf_undec(raw, &k->tmp) && same(k, buf_str(&k->tmp));
}

static void give(finding *k, size_t i, const esym *s)
{
	sym_rec r;
	elffile_rec(xf_of(k->f), i, s, &r);
	r.name = sym_file_undec(k->f, s->name);
	elffile_add_type(k->f, &r, true);
	k->n++;
	k->stop = !k->fn(k->u, &r);
}

static void scan(finding *k)
{
	elffile *x = xf_of(k->f);
	size_t n = elft_count(x);
	const cancel *c = k->f->store->host.cancel;
	for (size_t i = 0; i < n && !k->stop; i++) {
		esym s;
		if ((i & 0xffff) == 0xffff && cancelled(c))
			return;
		if (x->made) {
			s = x->made[i];
			if (is_wanted(k, s.name))
				give(k, i, &s);
			continue;
		}
		/* the name first: most are done with at its first bytes */
		uint64_t off = le32(x->syms.sym + i * 24);
		if (off >= x->syms.names.n)
			continue;
		const char *p = x->syms.names.p + off;
		if (!k->fold && p[0] != k->name.p[0] && p[0] != '_')
			continue;
		if (elft_nth(x, i, &s) && is_wanted(k, s.name))
			give(k, i, &s);
	}
}

/* Raw names to their symbols: for a session that asks again and again. */
static void hash_names(elffile *x)
{
	size_t n = elft_count(x);
	x->next_name = arena_array(&x->a, n + 1, sizeof *x->next_name);
	for (size_t i = n; i-- > 0;) {
		esym s;
		if (!elft_nth(x, i, &s))
			continue;
		uint64_t key = hash_bytes(s.name.p, s.name.n);
		x->next_name[i] = (uint32_t)(uintptr_t)map_get(&x->by_name, key);
		map_set(&x->by_name, key, (void *)(uintptr_t)(i + 1));
	}
}

static void find_hashed(finding *k)
{
	elffile *x = xf_of(k->f);
	esym s;
	uint32_t i = (uint32_t)(uintptr_t)map_get(&x->by_name, hash_bytes(k->name.p, k->name.n));
	for (; i && !k->stop; i = x->next_name[i - 1])
		if (elft_nth(x, i - 1, &s) && str_eq(s.name, k->name))
			give(k, i - 1, &s);
}

typedef struct dwarf_find {
	finding *k;
	const dwx *ix;
} dwarf_find;

static bool dwarf_found(void *u, const dwx_entry *e)
{
	dwarf_find *q = u;
	sym_rec r;
	if (!elffile_entry_rec(q->k->f, q->ix, e, &r))
		return true;
	/* the table's own record knows sizes, and its name is the one that others print */
	if (r.kind == SYM_K_CONST || r.tls || !elffile_table_at(q->k->f, r.rva, r.code, &r))
		r.name = r.raw = elffile_entry_name(q->k->f, q->ix, e);
	r.type = dwf_entry_type(xf_of(q->k->f)->dw, e);
	q->k->n++;
	q->k->stop = !q->k->fn(q->k->u, &r);
	return !q->k->stop;
}

static err find_in_dwarf(finding *k)
{
	dwx *ix;
	elffile *x = xf_of(k->f);
	if (!sym_elf_dwarf(k->f))
		return ERR_OK;
	err e = dwf_index(x->dw, &ix);
	if (e == ERR_CANCELLED)
		return e;
	if (e != ERR_OK)
		return ERR_OK;
	dwarf_find q = {k, ix};
	buf b; /* "::": in no scope but these, anonymous and inline ones aside */
	buf_init(&b, 65536);
	buf_addf(&b, "::%.*s", STR_ARG(k->name));
	e = dwx_find(
		ix, buf_str(&b), DWX_FUNC | DWX_VAR | DWX_ENUMERATOR, k->fold, dwarf_found, &q);
	buf_deinit(&b);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

static str last_part(str name)
{
	int depth = 0;
	size_t end = name.n;
	/* template arguments are written otherwise in the raw name */
	for (size_t i = name.n; i-- > 0;) {
		char c = name.p[i];
		if (c == '>')
			depth++;
		else if (c == '<' && depth-- == 1)
			end = i;
		else if (c == ':' && !depth)
			return (str){name.p + i + 1, end > i + 1 ? end - i - 1 : 0};
	}
	return str_take(name, end);
}

err elffile_find(sym_file *f, str name, bool fold, sym_rec_fn *fn, void *u)
{
	elffile *x = xf_of(f);
	finding k = {.f = f, .name = name, .fold = false, .fn = fn, .u = u};
	uint64_t key = hash_fold(name);
	if (!name.n || map_has(&f->misses, key))
		return ERR_NOTFOUND;
	buf_init(&k.tmp, 65536);
	k.part = last_part(name);
	/* operators, destructors, (anonymous namespace): written otherwise */
	for (size_t i = 0; i < k.part.n; i++)
		if (!chr_word(k.part.p[i]))
			k.part.n = i;
	likely_raw(&k);
	size_t index;
	elf_sym s;
	esym es;
	err e = ERR_OK;
	if (x->dynamic && elf_gnu_find(&x->syms, name, &s, &index) == ERR_OK &&
		elft_nth(x, index, &es))
		give(&k, index, &es);
	if (!k.n && x->next_name)
		find_hashed(&k);
	if (!k.n) {
		if (!x->next_name && ++x->asked > HASH_AFTER)
			hash_names(x);
		k.prefix = true;
		scan(&k);
	}
	if (!k.n && f->store->table_only) {
		buf_deinit(&k.tmp);
		return ERR_NOTFOUND; /* so far: nothing is known of the rest */
	}
	if (!k.n && !k.stop) {
		e = find_in_dwarf(&k);
		if (e == ERR_OK && !k.n) { /* templates, operators, another case */
			k.prefix = false;
			k.fold = fold;
			scan(&k);
			if (!k.n && fold)
				e = find_in_dwarf(&k);
		}
	}
	buf_deinit(&k.tmp);
	if (cancelled(f->store->host.cancel) && !k.n)
		return ERR_CANCELLED;
	if (e == ERR_OK && !k.n)
		map_set(&f->misses, key, f);
	return e != ERR_OK ? e : k.n ? ERR_OK : ERR_NOTFOUND;
}
