/*
 * nt_pte: what NT keeps in page-table entries that the processor finds not present, and where the
 * page tables map themselves.
 *
 * Formats: nt!_MMPTE_SOFTWARE, _TRANSITION, _PROTOTYPE from the kernel's types; without them the
 * layout in nt_field.c. An entry of an upper level can be in transition too: the walk goes on
 * through it. Kernels with the L1TF repair store frame numbers with a high bit flipped while the
 * swizzle bit is clear; which bits is told by KDDEBUGGER_DATA64.
 */
#include "os/nt/nt_int.h"

#include "base/reader.h"

static const char soft[] = "_MMPTE_SOFTWARE", trans[] = "_MMPTE_TRANSITION",
		  proto[] = "_MMPTE_PROTOTYPE";

static uint64_t bits(nt *n, const char *type, const char *path, uint64_t v)
{
	uint64_t r = 0;
	return nt_bits(n, type, path, v, &r) ? r : 0;
}

static uint64_t unswizzle(nt *n, uint64_t v)
{
	uint64_t high, swizzle;
	if (nt_kd_value(n, STR("L1tfHighPhysicalBitIndex"), &high, NULL) != ERR_OK || !high ||
		high > 51 || nt_kd_value(n, STR("L1tfSwizzleBitIndex"), &swizzle, NULL) != ERR_OK ||
		swizzle > 63 || !swizzle)
		return v;
	return v >> swizzle & 1 ? v : v & ~(1ULL << high);
}

static uint64_t frame(nt *n, uint64_t v)
{
	return bits(n, trans, "PageFrameNumber", unswizzle(n, v)) << 12 & NT_PFN_MASK;
}

static bool is_transition(nt *n, uint64_t v)
{
	return !(v & 1) && bits(n, soft, "Transition", v) && !bits(n, soft, "Prototype", v);
}

static bool is_proto(nt *n, uint64_t v)
{
	return !(v & 1) && bits(n, soft, "Prototype", v);
}

static uint64_t proto_address(nt *n, uint64_t v)
{
	uint64_t a = bits(n, proto, "ProtoAddress", v);
	nt_off f;
	/* The field is the low part of a kernel address. */
	if (nt_field(n, proto, "ProtoAddress", &f, NULL) == ERR_OK && f.bit_len && f.bit_len < 64)
		a |= ~0ULL << f.bit_len;
	return a;
}

/* An all-ones address in a prototype entry of a process: the VAD decides (Windows Internals, 5). */
static bool vad_decides(nt *n, uint64_t v)
{
	return is_proto(n, v) && (proto_address(n, v) | 0xffff) == ~0ULL;
}

void nt_pte_words(nt *n, uint64_t v, buf *out)
{
	uint64_t file = bits(n, soft, "PageFileLow", v), off = bits(n, soft, "PageFileHigh", v);
	if (v & 1)
		buf_addz(out, "valid");
	else if (!v)
		buf_addz(out, "not committed, or known only to the VAD (entry is zero)");
	else if (vad_decides(n, v))
		buf_addz(out, "a mapped page that was never touched (the VAD has its prototype)");
	else if (is_proto(n, v))
		buf_addf(out, "Prototype PTE at %016llx", (unsigned long long)proto_address(n, v));
	else if (is_transition(n, v))
		buf_addf(out, "in transition, page frame %llx",
			(unsigned long long)(frame(n, v) >> 12));
	else if (off)
		buf_addf(out, "paged out: page file %llu, offset %llx", (unsigned long long)file,
			(unsigned long long)off);
	else
		buf_addz(out, "demand zero");
}

static err absent(nt *n, uint64_t va, uint64_t v, const char *what, diag *d)
{
	if (!d)
		return ERR_FAULT;
	buf b;
	buf_init(&b, 512);
	nt_pte_words(n, v, &b);
	err e = diag_set(d, ERR_FAULT, "%016llx: %s%s", (unsigned long long)va, what, buf_z(&b));
	buf_deinit(&b);
	return e;
}

/* The prototype's own entry: valid, in transition, or really elsewhere. */
static err follow_proto(nt *n, uint64_t v, uint64_t va, uint64_t *frame_ret, diag *d)
{
	uint64_t at = proto_address(n, v), pv;
	if (vad_decides(n, v))
		return absent(n, va, v, "", d);
	err e = nt_read_u64(n, at, &pv, NULL);
	if (e != ERR_OK)
		return diag_set(d, ERR_FAULT,
			"%016llx: its prototype entry at %016llx cannot be read",
			(unsigned long long)va, (unsigned long long)at);
	if (pv & 1) {
		*frame_ret = pv & NT_PFN_MASK;
		return ERR_OK;
	}
	if (is_transition(n, pv)) {
		*frame_ret = frame(n, pv);
		return ERR_OK;
	}
	/* In a prototype entry the prototype bit means a subsection: the page is in its file. */
	if (is_proto(n, pv))
		return diag_set(d, ERR_FAULT, "%016llx: in a mapped file, not in memory",
			(unsigned long long)va);
	return absent(n, va, pv, "prototype: ", d);
}

err nt_soft_pte(os *o, const x64_walk *w, uint64_t va, uint64_t *phys_ret, diag *d)
{
	nt *n = (nt *)o;
	if (w->levels < 1 || w->levels > 5)
		return diag_set(d, ERR_FAULT, "%016llx: the page tables cannot be read",
			(unsigned long long)va);
	/* Levels below the one that the walk ended at; five-level walks show five entries only at
	 * their end, shorter ones are taken for four levels. */
	int left = (w->levels == 5 ? 5 : 4) - w->levels;
	uint64_t v = w->entry[w->levels - 1].value;
	for (; left > 0; left--) {
		uint8_t b[8];
		uint64_t table;
		if (v & 1)
			table = v & NT_PFN_MASK;
		else if (is_transition(n, v))
			table = frame(n, v);
		else
			return absent(n, va, v, "no page table: ", d);
		if (left < 3 && v & 1 && v & 0x80) /* a large page below a table in transition */
			return diag_set(d, ERR_FAULT, "%016llx: unexpected large page",
				(unsigned long long)va);
		uint64_t at = table + (va >> (12 + 9 * (left - 1)) & 0x1ff) * 8;
		if (tgt_read_all(o->host.t, as_phys(), at, b, sizeof b, NULL) != ERR_OK)
			return diag_set(d, ERR_FAULT,
				"%016llx: its page table at physical %llx cannot be read",
				(unsigned long long)va, (unsigned long long)at);
		v = le64(b);
	}
	uint64_t f = 0;
	if (v & 1)
		f = v & NT_PFN_MASK;
	else if (is_proto(n, v))
		TRY(follow_proto(n, v, va, &f, d));
	else if (is_transition(n, v))
		f = frame(n, v);
	else
		return absent(n, va, v, "", d);
	if (!f)
		return absent(n, va, v, "", d);
	*phys_ret = f | (va & 0xfff);
	return ERR_OK;
}

/* ---- the tables in their own address space ---- */

static bool first_root(void *u, const os_process *p)
{
	*(uint64_t *)u = p->root;
	return false;
}

/* The entry of the top table that points at the table itself. */
static uint64_t self_map(nt *n)
{
	uint8_t page[4096];
	uint64_t root = 0;
	if (nt_processes(&n->base, first_root, &root, NULL) != ERR_OK || !root ||
		tgt_read_all(n->base.host.t, as_phys(), root, page, sizeof page, NULL) != ERR_OK)
		return 0;
	for (uint64_t i = 256; i < 512; i++) {
		uint64_t v = le64(page + 8 * i);
		if (v & 1 && (v & NT_PFN_MASK) == root)
			return 0xffff000000000000ULL | i << 39;
	}
	return 0;
}

static uint64_t pte_base(nt *n)
{
	uint64_t v = 0;
	if (n->pte_base_known)
		return n->pte_base;
	n->pte_base_known = true;
	if (nt_global_value(n, "MmPteBase", 8, &v, NULL) != ERR_OK || v & 0x7fffffffffULL ||
		!nt_kernel_addr(v))
		v = self_map(n);
	n->pte_base = v;
	return v;
}

uint64_t nt_pte_address(nt *n, uint64_t va, int level)
{
	uint64_t base = pte_base(n), a = va;
	if (!base || level < 1 || level > 4)
		return 0;
	for (int i = 0; i < level; i++)
		a = base + ((a & 0x0000ffffffffffffULL) >> 12) * 8;
	return a;
}

bool nt_pte_to_va(nt *n, uint64_t addr, uint64_t *ret)
{
	uint64_t base = pte_base(n);
	if (!base || addr < base || addr - base >= 1ULL << 39)
		return false;
	uint64_t va = (addr - base) / 8 << 12;
	if (va & 1ULL << 47)
		va |= 0xffff000000000000ULL;
	*ret = va;
	return true;
}
