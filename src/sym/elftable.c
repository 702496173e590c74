/*
 * elftable: the symbols of a file by number and by address, whatever kind of table they stand in.
 * Knows no sym_file.
 *
 * Nothing is sorted before the first question about an address.
 */
#include "sym/elffile.h"

#include "base/bisect.h"

#include <stdlib.h>

size_t elft_count(const elffile *x)
{
	size_t n = x->made ? x->n_made : x->syms.n;
	return n < ELFT_MAX ? n : ELFT_MAX;
}

bool elft_in_code(const elffile *x, uint64_t vaddr)
{
	const elf_view *v = x->img ? &x->img->v : &x->dbgv;
	for (size_t i = 0; i < v->nph; i++)
		if (v->ph[i].type == ELF_PT_LOAD && vaddr >= v->ph[i].vaddr &&
			vaddr - v->ph[i].vaddr < v->ph[i].memsz)
			return v->ph[i].flags & ELF_PF_X;
	return false;
}

/* Better at one address: what has a type, is visible, has a size. */
static uint8_t rank_of(const elf_sym *s)
{
	unsigned r = 0;
	if (s->type == ELF_STT_FUNC || s->type == ELF_STT_OBJECT || s->type == ELF_STT_IFUNC)
		r += 8;
	if (s->bind == ELF_STB_GLOBAL || s->bind == ELF_STB_UNIQUE)
		r += 4;
	if (s->bind == ELF_STB_WEAK)
		r += 2;
	if (s->size)
		r += 1;
	return (uint8_t)r;
}

bool elft_get(const elffile *x, const elf_syms *t, size_t i, esym *ret)
{
	elf_sym s;
	if (!elf_sym_get(t, i, &s) || !s.name.n || !s.shndx || s.shndx == 0xfff1 ||
		s.value < x->base || s.value - x->base >= SYM_NO_RVA)
		return false; /* 0xfff1: SHN_ABS, a number */
	if (s.type != ELF_STT_NOTYPE && s.type != ELF_STT_OBJECT && s.type != ELF_STT_FUNC &&
		s.type != ELF_STT_IFUNC && s.type != ELF_STT_COMMON)
		return false;
	*ret = (esym){.name = s.name,
		.rva = (uint32_t)(s.value - x->base),
		.size = s.size > UINT32_MAX ? UINT32_MAX : (uint32_t)s.size,
		.rank = rank_of(&s),
		.func = s.type == ELF_STT_FUNC || s.type == ELF_STT_IFUNC,
		.data = s.type == ELF_STT_OBJECT,
		.is_static = s.bind == ELF_STB_LOCAL};
	ret->code = ret->func || (!ret->data && elft_in_code(x, s.value));
	return true;
}

bool elft_nth(const elffile *x, size_t i, esym *ret)
{
	if (!x->made)
		return elft_get(x, &x->syms, i, ret);
	*ret = x->made[i];
	return true;
}

/* ---- by address ---- */

typedef struct place {
	uint32_t rva, i;
} place;

/* By address, stable: three passes over 11 bits each. */
static void sort_places(place *p, place *tmp, size_t n)
{
	enum { BITS = 11, SIZE = 1 << BITS };
	for (unsigned shift = 0; shift < 32; shift += BITS) {
		size_t at[SIZE + 1] = {0};
		for (size_t i = 0; i < n; i++)
			at[(p[i].rva >> shift & (SIZE - 1)) + 1]++;
		for (size_t i = 0; i < SIZE; i++)
			at[i + 1] += at[i];
		for (size_t i = 0; i < n; i++)
			tmp[at[p[i].rva >> shift & (SIZE - 1)]++] = p[i];
		place *t = p;
		p = tmp;
		tmp = t;
	}
	/* an odd number of passes: the result stands in what was the temporary */
	memcpy(tmp, p, n * sizeof *p);
}

typedef struct plt_ctx {
	elffile *x;
	VEC(esym) v;
} plt_ctx;

static void plt_one(void *u, uint64_t addr, uint32_t n, str name)
{
	plt_ctx *k = u;
	if (addr < k->x->base || addr - k->x->base >= SYM_NO_RVA)
		return;
	esym s = {.name = str_printf(&k->x->a, "%.*s@plt", STR_ARG(name)),
		.rva = (uint32_t)(addr - k->x->base),
		.size = n,
		.code = true};
	vec_push(&k->v, s);
}

static int by_rva(const void *a, const void *b)
{
	const esym *x = a, *y = b;
	return x->rva < y->rva ? -1 : x->rva > y->rva;
}

static void sort_by_addr(elffile *x)
{
	if (x->by_addr)
		return;
	plt_ctx plt = {.x = x};
	if (x->img)
		elf_plt_each(&x->img->v, plt_one, &plt);
	if (plt.v.n)
		qsort(plt.v.p, plt.v.n, sizeof *plt.v.p, by_rva);
	x->plt = arena_dup(&x->a, plt.v.n ? (void *)plt.v.p : "", plt.v.n * sizeof(esym));
	x->n_plt = plt.v.n;
	vec_deinit(&plt.v);
	size_t n = elft_count(x), k = 0;
	place *p = mem_alloc((n + 1) * 2 * sizeof *p);
	for (size_t i = 0; i < n; i++) {
		esym s;
		if (elft_nth(x, i, &s))
			p[k++] = (place){s.rva, (uint32_t)i};
	}
	sort_places(p, p + n + 1, k);
	x->by_addr = arena_array(&x->a, k + 1, sizeof *x->by_addr);
	for (size_t i = 0; i < k; i++)
		x->by_addr[i] = p[i].i;
	x->n_by_addr = k;
	mem_free(p);
}

uint32_t elft_rva(const elffile *x, size_t pos)
{
	esym s = {0};
	elft_nth(x, x->by_addr[pos], &s);
	return s.rva;
}

size_t elft_upper(elffile *x, uint32_t rva)
{
	sort_by_addr(x);
	return BISECT(i, x->n_by_addr, elft_rva(x, i) <= rva);
}

bool elft_better(const esym *a, const esym *b)
{
	if (a->rank != b->rank)
		return a->rank > b->rank;
	size_t ua = 0, ub = 0;
	while (ua < a->name.n && a->name.p[ua] == '_')
		ua++;
	while (ub < b->name.n && b->name.p[ub] == '_')
		ub++;
	return ua != ub ? ua < ub : a->name.n < b->name.n;
}

size_t elft_best(const elffile *x, size_t pos, int step, esym *ret)
{
	uint32_t rva = elft_rva(x, pos);
	size_t best = pos;
	elft_nth(x, x->by_addr[pos], ret);
	for (size_t i = pos + (size_t)step; i < x->n_by_addr && elft_rva(x, i) == rva;
		i += (size_t)step) {
		esym s;
		if (elft_nth(x, x->by_addr[i], &s) && elft_better(&s, ret)) {
			*ret = s;
			best = i;
		}
	}
	return best;
}
