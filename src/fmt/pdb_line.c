/*
 * pdb_line: source lines (C13). See pdb.h.
 *
 * A module's line subsections are listed once, sorted by address; the lines of one function are
 * decoded when they are asked for. Format: docs/codeview/line_data.md in
 * github.com/microsoft/pdb-rs.
 */
#include "fmt/pdb_impl.h"

#include "base/bisect.h"

#include <stdlib.h>

enum {
	DEBUG_S_LINES = 0xf2,
	DEBUG_S_FILECHKSMS = 0xf4,
	DEBUG_S_INLINEELINES = 0xf6,
	DEBUG_S_CROSSSCOPEIMPORTS = 0xf7,
	DEBUG_S_CROSSSCOPEEXPORTS = 0xf8,
	DEBUG_S_IGNORE = (int)0x80000000,
	HAVE_COLUMNS = 1,
	LINES_HEADER = 12,
	BLOCK_HEADER = 12,
	/* Code without a source line: cvinfo.h, "never step into" and "always step into". */
	LINE_HIDDEN1 = 0xf00f00,
	LINE_HIDDEN2 = 0xfeefee,
	MAX_LINES = 1 << 20 /* of one subsection */
};

/* ---- a module's subsections ---- */

static int frag_order(const void *a, const void *b)
{
	const pdb_frag *x = a, *y = b;
	if (x->rva != y->rva)
		return x->rva < y->rva ? -1 : 1;
	return x->p < y->p ? -1 : x->p > y->p;
}

static int inl_order(const void *a, const void *b)
{
	const pdb_inlinee *x = a, *y = b;
	return x->id < y->id ? -1 : x->id > y->id;
}

typedef struct lists {
	VEC(pdb_frag) frags;
	VEC(pdb_inlinee) inl;
} lists;

static void take_lines(pdb *f, lists *v, reader s)
{
	const uint8_t *h = rd_bytes(&s, LINES_HEADER);
	if (!h)
		return;
	pdb_frag x = {.rva = pdb_rva(f, le16(h + 4), le32(h)),
		.size = le32(h + 8),
		.p = h + LINES_HEADER,
		.n = (uint32_t)rd_left(&s),
		.columns = le16(h + 6) & HAVE_COLUMNS};
	if (x.rva != PDB_NO_RVA)
		vec_push(&v->frags, x);
}

static void take_inlinees(lists *v, reader s)
{
	bool more = rd_u32(&s) == 1; /* each entry has further files behind it */
	while (rd_left(&s) >= 12) {
		pdb_inlinee x = {.id = rd_u32(&s)};
		x.file = rd_u32(&s);
		x.line = rd_u32(&s);
		if (more)
			rd_skip(&s, 4 * (size_t)rd_u32(&s));
		if (!s.bad)
			vec_push(&v->inl, x);
	}
}

pdb_lines *pdb_lines_of(pdb *f, uint32_t mod)
{
	pdb_module *m = &f->mods[mod];
	if (m->lines)
		return m->lines;
	pdb_lines *l = m->lines = arena_new(&f->a, pdb_lines);
	const uint8_t *p = m->c13_size ? msf_view(f->m, m->stream,
						 (uint64_t)m->sym_size + m->c11_size, m->c13_size)
				       : NULL;
	if (!p)
		return l;
	reader r = rd_of(p, m->c13_size);
	lists v = {0};
	while (rd_left(&r) >= 8) {
		uint32_t kind = rd_u32(&r), n = rd_u32(&r);
		if (n > rd_left(&r))
			break;
		reader s = rd_of(r.p + r.pos, n);
		if (kind == DEBUG_S_LINES) {
			take_lines(f, &v, s);
		} else if (kind == DEBUG_S_INLINEELINES) {
			take_inlinees(&v, s);
		} else if (kind == DEBUG_S_FILECHKSMS && !l->sums) {
			l->sums = s.p;
			l->nsums = n;
		} else if (kind == DEBUG_S_CROSSSCOPEIMPORTS && !l->imports) {
			l->imports = s.p;
			l->nimports = n;
		} else if (kind == DEBUG_S_CROSSSCOPEEXPORTS && !l->exports) {
			l->exports = s.p;
			l->nexports = n;
		}
		rd_skip(&r, n);
		if (rd_left(&r))
			rd_align(&r, 4);
	}
	if (v.frags.n)
		qsort(v.frags.p, v.frags.n, sizeof *v.frags.p, frag_order);
	if (v.inl.n)
		qsort(v.inl.p, v.inl.n, sizeof *v.inl.p, inl_order);
	l->frags = arena_dup(&f->a, v.frags.p, v.frags.n * sizeof *v.frags.p);
	l->nfrags = v.frags.n;
	l->inl = arena_dup(&f->a, v.inl.p, v.inl.n * sizeof *v.inl.p);
	l->ninl = v.inl.n;
	vec_deinit(&v.frags);
	vec_deinit(&v.inl);
	return l;
}

str pdb_file_at(pdb *f, const pdb_lines *m, uint32_t off, pdb_line *l)
{
	if (off > m->nsums || m->nsums - off < 6)
		return (str){"", 0};
	const uint8_t *p = m->sums + off;
	if (l && p[4] <= m->nsums - off - 6) {
		l->sum_len = p[4];
		l->sum_kind = p[5];
		l->sum = p + 6;
	}
	return pdb_name_str(f, le32(p));
}

/*
 * Modules that were compiled together refer to each other's items. Bits 20-30 of an imported index
 * say which group of the imports (one per module), bits 0-19 which entry of it; the other module's
 * exports turn that into an index of the file. (DecoratedItemId and CrossScopeReferences of
 * cvinfo.h.)
 */
uint32_t pdb_item_id(pdb *f, uint32_t mod, uint32_t id)
{
	if (!(id >> 31))
		return id;
	const pdb_lines *m = pdb_lines_of(f, mod);
	reader r = rd_of(m->imports, m->nimports);
	uint32_t group = id >> 20 & 0x7ff, entry = id & 0xfffff, name = 0, n = 0;
	for (uint32_t i = 0;; i++) {
		name = rd_u32(&r);
		n = rd_u32(&r);
		if (r.bad || i == group)
			break;
		rd_skip(&r, 4 * (size_t)n);
	}
	rd_skip(&r, 4 * (size_t)entry);
	uint32_t local = rd_u32(&r);
	if (r.bad || entry >= n)
		return 0;
	str want = pdb_name_str(f, name);
	for (uint32_t i = 0; i < f->nmods; i++) {
		if (!str_ieq(f->mods[i].name, want))
			continue;
		const pdb_lines *x = pdb_lines_of(f, i);
		for (size_t k = 0; k + 8 <= x->nexports; k += 8)
			if (le32(x->exports + k) == local)
				return le32(x->exports + k + 4);
	}
	return 0;
}

/* ---- the lines of one function ---- */

typedef struct entry {
	uint32_t off, order; /* in the function; position in the file, for a stable order */
	uint32_t line;	     /* with its flags */
	uint32_t file;
	uint32_t col;
} entry;

static int entry_order(const void *a, const void *b)
{
	const entry *x = a, *y = b;
	if (x->off != y->off)
		return x->off < y->off ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* All entries of a subsection, sorted by address. Each file has a block of its own. */
static size_t entries(arena *a, const pdb_frag *x, entry **ret)
{
	reader r = rd_of(x->p, x->n);
	VEC(entry) v = {0};
	bool sorted = true;
	while (rd_left(&r) >= BLOCK_HEADER) {
		uint32_t file = rd_u32(&r), count = rd_u32(&r), size = rd_u32(&r);
		if (size < BLOCK_HEADER || size - BLOCK_HEADER > rd_left(&r))
			break;
		const uint8_t *p = rd_bytes(&r, size - BLOCK_HEADER);
		size_t per = x->columns ? 12 : 8;
		if (count > (size - BLOCK_HEADER) / per)
			count = (uint32_t)((size - BLOCK_HEADER) / per);
		for (uint32_t i = 0; i < count && v.n < MAX_LINES; i++) {
			entry e = {.off = le32(p + 8 * (size_t)i),
				.line = le32(p + 8 * (size_t)i + 4),
				.file = file,
				.order = (uint32_t)v.n};
			if (x->columns)
				e.col = le32(p + 8 * (size_t)count + 4 * (size_t)i);
			sorted &= !v.n || v.p[v.n - 1].off <= e.off;
			vec_push(&v, e);
		}
	}
	if (!sorted)
		qsort(v.p, v.n, sizeof *v.p, entry_order);
	*ret = arena_dup(a, v.p, v.n * sizeof *v.p);
	size_t n = v.n;
	vec_deinit(&v);
	return n;
}

static bool hidden(uint32_t line)
{
	line &= 0xffffff;
	return !line || line == LINE_HIDDEN1 || line == LINE_HIDDEN2;
}

static void to_line(pdb *f, const pdb_lines *m, const pdb_frag *x, const entry *e, size_t i,
	size_t n, pdb_line *ret)
{
	pdb_line l = {0};
	uint32_t end = x->size;
	for (size_t k = i + 1; k < n; k++) {
		if (e[k].off > e[i].off) {
			end = e[k].off;
			break;
		}
	}
	l.file = pdb_file_at(f, m, e[i].file, &l);
	l.line = e[i].line & 0xffffff;
	l.line_end = l.line + (e[i].line >> 24 & 0x7f);
	l.stmt = e[i].line >> 31;
	l.col = (uint16_t)e[i].col;
	l.col_end = (uint16_t)(e[i].col >> 16);
	l.rva = x->rva + e[i].off;
	l.size = end > e[i].off ? end - e[i].off : 0;
	*ret = l;
}

/* The subsection that holds rva. Folded functions have several; the last one that starts nearest.
 */
static const pdb_frag *frag_at(const pdb_lines *m, uint32_t rva)
{
	size_t lo = BISECT(i, m->nfrags, m->frags[i].rva <= rva);
	for (size_t back = 0; lo > 0 && back < 64; back++, lo--)
		if (rva - m->frags[lo - 1].rva < m->frags[lo - 1].size)
			return &m->frags[lo - 1];
	return NULL;
}

err pdb_line_at(pdb *f, uint32_t rva, pdb_line *ret)
{
	uint32_t mod;
	TRY(pdb_mod_at(f, rva, &mod, NULL, NULL));
	pdb_lines *m = pdb_lines_of(f, mod);
	const pdb_frag *x = frag_at(m, rva);
	if (!x)
		return ERR_NOTFOUND;
	arena tmp;
	entry *e;
	arena_init(&tmp);
	size_t n = entries(&tmp, x, &e), i = n;
	while (i > 0 && e[i - 1].off > rva - x->rva)
		i--;
	bool ok = i > 0 && !hidden(e[i - 1].line);
	/* Several entries at one address: the first one that is a line. */
	for (; ok && i > 1 && e[i - 2].off == e[i - 1].off && !hidden(e[i - 2].line); i--)
		continue;
	if (ok)
		to_line(f, m, x, e, i - 1, n, ret);
	arena_deinit(&tmp);
	return ok ? ERR_OK : ERR_NOTFOUND;
}

/* Lines of one subsection. False: the callback stopped. */
static bool give_frag(pdb *f, const pdb_lines *m, const pdb_frag *x, pdb_line_cb cb, void *u)
{
	arena tmp;
	entry *e;
	bool go = true;
	arena_init(&tmp);
	size_t n = entries(&tmp, x, &e);
	for (size_t i = 0; i < n && go; i++) {
		uint64_t at = (uint64_t)x->rva + e[i].off;
		pdb_line l;
		if (hidden(e[i].line) || at > UINT32_MAX)
			continue;
		to_line(f, m, x, e, i, n, &l);
		go = cb(u, &l);
	}
	arena_deinit(&tmp);
	return go;
}

err pdb_line_each(pdb *f, uint32_t mod, pdb_line_cb cb, void *u)
{
	if (mod >= f->nmods)
		return ERR_NOTFOUND;
	pdb_lines *m = pdb_lines_of(f, mod);
	for (size_t i = 0; i < m->nfrags; i++) {
		if (pdb_stop(f))
			return ERR_CANCELLED;
		if (!give_frag(f, m, &m->frags[i], cb, u))
			return ERR_OK;
	}
	return m->nfrags ? ERR_OK : ERR_NOTFOUND;
}

/* ---- by file and line ---- */

static char fold(char c)
{
	return c == '/' ? '\\' : chr_lower(c);
}

bool pdb_path_match(str path, str file)
{
	if (!file.n || file.n > path.n)
		return false;
	const char *tail = path.p + (path.n - file.n);
	for (size_t i = 0; i < file.n; i++)
		if (fold(tail[i]) != fold(file.p[i]))
			return false;
	return file.n == path.n || fold(tail[-1]) == '\\' || fold(file.p[0]) == '\\';
}

typedef struct search {
	pdb *f;
	str file;
	uint32_t want, best; /* best: the smallest line >= want that has code, 0 none */
	uint8_t *mods;	     /* one byte a module: it names the file */
	bool take;	     /* second pass: collect lines == best */
	uint32_t last_off;   /* file offset that was compared last, and the answer */
	bool last_hit;
	VEC(pdb_line) out;
} search;

static bool mark_mod(void *u, uint32_t mod, str path)
{
	search *s = u;
	if (mod < s->f->nmods && pdb_path_match(path, s->file))
		s->mods[mod] = 1;
	return true;
}

static bool file_hit(search *s, const pdb_lines *m, uint32_t off)
{
	if (s->last_off != off) {
		s->last_off = off;
		s->last_hit = pdb_path_match(pdb_file_at(s->f, m, off, NULL), s->file);
	}
	return s->last_hit;
}

/* True if this line is to be collected. */
static bool consider(search *s, uint32_t line)
{
	if (line < s->want)
		return false;
	if (s->take)
		return line == s->best;
	if (!s->best || line < s->best)
		s->best = line;
	return false;
}

static void search_lines(search *s, const pdb_lines *m)
{
	arena tmp;
	arena_init(&tmp);
	for (size_t k = 0; k < m->nfrags; k++) {
		entry *e;
		arena_reset(&tmp);
		size_t n = entries(&tmp, &m->frags[k], &e);
		for (size_t i = 0; i < n; i++) {
			pdb_line l;
			if (hidden(e[i].line) || !file_hit(s, m, e[i].file) ||
				!consider(s, e[i].line & 0xffffff))
				continue;
			to_line(s->f, m, &m->frags[k], e, i, n, &l);
			vec_push(&s->out, l);
		}
	}
	arena_deinit(&tmp);
}

static void search_inlines(search *s, uint32_t mod, const pdb_lines *m)
{
	pdb_iter it = pdb_mod_iter(s->f, mod);
	cv_rec c;
	cv_proc proc;
	cv_inline site;
	uint32_t base = PDB_NO_RVA;
	arena tmp;
	arena_init(&tmp);
	while (m->ninl && pdb_iter_next(&it, &c)) {
		if (cv_proc_get(&c, &proc))
			base = pdb_rva(s->f, proc.seg, proc.off);
		if (base == PDB_NO_RVA || !cv_inline_get(&c, &site))
			continue;
		pdb_row *r;
		arena_reset(&tmp);
		size_t n = pdb_rows(s->f, &tmp, mod, &site, &r);
		for (size_t i = 0; i < n; i++) {
			if (r[i].end <= r[i].begin || hidden(r[i].line) ||
				!file_hit(s, m, r[i].file) || !consider(s, r[i].line))
				continue;
			pdb_line l = {.line = r[i].line,
				.line_end = r[i].line,
				.rva = base + r[i].begin,
				.size = r[i].end - r[i].begin,
				.stmt = true,
				.inlined = true};
			l.file = pdb_file_at(s->f, m, r[i].file, &l);
			vec_push(&s->out, l);
		}
	}
	arena_deinit(&tmp);
}

static int line_order(const void *a, const void *b)
{
	const pdb_line *x = a, *y = b;
	if (x->rva != y->rva)
		return x->rva < y->rva ? -1 : 1;
	return x->inlined - y->inlined;
}

static err search_all(search *s)
{
	for (uint32_t i = 0; i < s->f->nmods; i++) {
		if (!s->mods[i])
			continue;
		if (pdb_stop(s->f))
			return ERR_CANCELLED;
		const pdb_lines *m = pdb_lines_of(s->f, i);
		s->last_off = UINT32_MAX;
		s->last_hit = false;
		search_lines(s, m);
		search_inlines(s, i, m);
	}
	return ERR_OK;
}

err pdb_line_find(
	pdb *f, arena *a, str file, uint32_t line, pdb_line **ret, size_t *n_ret, bool *exact)
{
	arena tmp;
	arena_init(&tmp);
	search s = {.f = f, .file = file, .want = line};
	s.mods = arena_alloc(&tmp, f->nmods + 1);
	if (pdb_file_each(f, mark_mod, &s) != ERR_OK)
		memset(s.mods, 1, f->nmods); /* no list of files: look everywhere */
	err e = search_all(&s);
	if (e == ERR_OK && s.best) {
		s.take = true;
		e = search_all(&s);
	}
	arena_deinit(&tmp);
	if (e == ERR_OK && !s.out.n)
		e = ERR_NOTFOUND;
	if (e == ERR_OK) {
		qsort(s.out.p, s.out.n, sizeof *s.out.p, line_order);
		/* Entries that touch are one run; the same code said twice (folded) is one too. */
		size_t n = 1;
		for (size_t i = 1; i < s.out.n; i++) {
			pdb_line *last = &s.out.p[n - 1], *x = &s.out.p[i];
			uint64_t end = (uint64_t)last->rva + last->size;
			if (x->rva <= end) {
				if ((uint64_t)x->rva + x->size > end)
					last->size = x->rva + x->size - last->rva;
			} else {
				s.out.p[n++] = *x;
			}
		}
		*ret = arena_dup(a, s.out.p, n * sizeof *s.out.p);
		*n_ret = n;
		*exact = s.best == line;
	}
	vec_deinit(&s.out);
	return e;
}
