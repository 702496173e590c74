/*
 * Page-table walk over physical reads: Intel SDM volume 3, chapter 4 (4-level and 5-level paging).
 * Refuses to know software states of entries that are not present (the os room's business).
 *
 * Invariant: at most five entries are read, whatever they hold.
 */
#include "arch/x64.h"

#include "base/reader.h"

static const uint64_t ENTRY_P = 1, ENTRY_RW = 2, ENTRY_US = 4, ENTRY_PS = 0x80, ENTRY_G = 0x100;
static const uint64_t ENTRY_NX = 1ull << 63;
static const uint64_t ADDR_MASK = 0x000ffffffffff000ull; /* bits 51:12 */

static bool canonical(uint64_t va, bool la57)
{
	unsigned drop = la57 ? 7 : 16;
	return (uint64_t)((int64_t)(va << drop) >> drop) == va;
}

/* True if an entry at this level (1 = PTE) that is present breaks a rule that does not depend on
 * the processor model: the page-size bit where there are no large pages, address bits below the
 * size. */
static bool malformed(uint64_t e, int level)
{
	if (level >= X64_PXE)
		return e & ENTRY_PS;
	if (level == X64_PTE || !(e & ENTRY_PS))
		return false;
	uint64_t size = level == X64_PDE ? 1ull << 21 : 1ull << 30;
	return e & (size - 1) & ~0x1fffull; /* bit 12 is the PAT bit */
}

err x64_walk_va(uint64_t root, uint64_t va, bool la57, const mem_reader *phys, x64_walk *ret)
{
	x64_walk w = {.user = true, .writable = true, .executable = true};
	uint64_t table = root & ADDR_MASK;
	int level = la57 ? X64_PXE + 1 : X64_PXE;
	if (!canonical(va, la57)) {
		*ret = (x64_walk){0};
		return ERR_OK;
	}
	for (;; level--) {
		unsigned shift = 12 + 9 * ((unsigned)level - 1);
		uint8_t raw[8];
		uint64_t at = table + (va >> shift & 0x1ff) * 8;
		TRY(mem_read_all(phys, at, raw, sizeof raw));
		uint64_t e = le64(raw);
		w.entry[w.levels].addr = at;
		w.entry[w.levels].value = e;
		w.levels++;
		if (!(e & ENTRY_P) || malformed(e, level)) {
			w.reserved = e & ENTRY_P;
			w.user = w.writable = w.executable = false;
			break;
		}
		w.user &= !!(e & ENTRY_US);
		w.writable &= !!(e & ENTRY_RW);
		w.executable &= !(e & ENTRY_NX);
		if (level == X64_PTE || e & ENTRY_PS) {
			w.page_size = 1ull << shift;
			w.phys = (e & ADDR_MASK & ~(w.page_size - 1)) | (va & (w.page_size - 1));
			w.present = true;
			w.global = e & ENTRY_G;
			w.large = level != X64_PTE;
			break;
		}
		table = e & ADDR_MASK;
	}
	*ret = w;
	return ERR_OK;
}
