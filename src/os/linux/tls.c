/*
 * tls: where a thread has the thread-local variables of a library, as the C library keeps it.
 *
 * glibc:
 *
 *   link_map of the library -> l_tls_modid --+
 *   thread pointer -> vector of blocks (dtv) -+-> [modid] -> block
 *                                             +-> not filled in: l_tls_offset below the pointer
 *
 * The layout of these is private to glibc. It says it itself, to libthread_db, in constants that
 * libc.so.6 exports: {bits, number of elements, offset} of each field (glibc's nptl_db).
 *
 * musl says nothing, but does little: behind the thread pointer's word stands the address of the
 * vector, whose element i holds the block of the i-th module that has any; modules are numbered in
 * the order of the loader's list, and none is ever taken out of it (dlclose does nothing).
 */
#include "os/linux/linux.h"

#include "base/reader.h"
#include "fmt/elf.h"

#include <elf.h>

enum { MAPS_MAX = 8192, NAMESPACES_MAX = 16, PHDR_SIZE = 56, PHDRS_MAX = 64 };

typedef struct field {
	uint32_t bits, n, offset;
} field;

typedef struct looking {
	os *o;
	as_t as;
} looking;

static err word(const looking *k, uint64_t at, uint64_t *ret, diag *d)
{
	uint8_t b[8];
	TRY(tgt_read_all(k->o->host.t, k->as, at, b, sizeof b, d));
	*ret = le64(b);
	return ERR_OK;
}

static err field_get(const looking *k, const char *name, field *ret, diag *d)
{
	uint8_t b[12];
	sym s;
	buf full;
	buf_init(&full, 256);
	buf_addf(&full, "libc!_thread_db_%s", name);
	err r = sym_find(k->o->host.syms, buf_str(&full), &s, NULL);
	buf_deinit(&full);
	if (r != ERR_OK)
		return diag_set(d, ERR_UNSUPPORTED,
			"the C library does not say where it keeps those of libraries");
	TRY(tgt_read_all(k->o->host.t, k->as, s.addr, b, sizeof b, d));
	*ret = (field){le32(b), le32(b + 4), le32(b + 8)};
	return ERR_OK;
}

/* r_debug: version, map, ...; from version 2 on another list behind it. link_map: l_addr, l_name,
 * l_ld, l_next (link.h). */
static err link_map_of(const looking *k, uint64_t base, uint64_t *ret, diag *d)
{
	sym s;
	uint64_t at, entry, version, addr;
	if (sym_find(k->o->host.syms, STR("ld_linux_x86_64!_r_debug"), &s, NULL) != ERR_OK)
		return diag_set(d, ERR_UNSUPPORTED, "the dynamic loader is not known");
	at = s.addr;
	for (size_t i = 0; at && i < NAMESPACES_MAX; i++) {
		TRY(word(k, at, &version, d));
		TRY(word(k, at + 8, &entry, d));
		for (size_t n = 0; entry && n < MAPS_MAX; n++) {
			TRY(word(k, entry, &addr, d));
			if (addr == base) {
				*ret = entry;
				return ERR_OK;
			}
			TRY(word(k, entry + 24, &entry, d));
		}
		if ((uint32_t)version < 2)
			break;
		TRY(word(k, at + 40, &at, d));
	}
	return diag_set(d, ERR_NOTFOUND, "the dynamic loader does not list its module");
}

/* ---- musl ---- */

/* Where musl keeps the address of its r_debug: its loader and C library are one file. */
static bool musl_debug(const looking *k, uint64_t *ret)
{
	sym s;
	return (sym_find(k->o->host.syms, STR("libc!_dl_debug_addr"), &s, NULL) == ERR_OK ||
		       sym_find(k->o->host.syms, STR("ld_musl_x86_64!_dl_debug_addr"), &s, NULL) ==
			       ERR_OK) &&
	       word(k, s.addr, ret, NULL) == ERR_OK;
}

/* Do the program headers name thread-local variables? */
static bool has_tls(const looking *k, uint64_t at, uint64_t n)
{
	uint8_t p[PHDR_SIZE];
	for (uint64_t i = 0; i < n && i < PHDRS_MAX; i++)
		if (tgt_read_all(k->o->host.t, k->as, at + i * PHDR_SIZE, p, sizeof p, NULL) ==
				ERR_OK &&
			le32(p) == 7 /* PT_TLS */)
			return true;
	return false;
}

static bool image_has_tls(const looking *k, uint64_t base)
{
	uint8_t p[64];
	return tgt_read_all(k->o->host.t, k->as, base, p, sizeof p, NULL) == ERR_OK &&
	       !memcmp(p, "\177ELF", 4) && has_tls(k, base + le64(p + 32), le16(p + 56));
}

/* The first of the list is the program: its l_addr may be 0, but its headers are known. */
static bool program_has_tls(const looking *k)
{
	uint64_t at, n;
	buf b;
	buf_init(&b, 8192);
	bool has = tgt_info_get(k->o->host.t, TGT_I_AUXV, k->as.id, &b, NULL) == ERR_OK &&
		   elf_auxv(buf_str(&b), AT_PHDR, &at) && elf_auxv(buf_str(&b), AT_PHNUM, &n) &&
		   has_tls(k, at, n);
	buf_deinit(&b);
	return has;
}

static err musl_block(
	const looking *k, uint64_t debug, uint64_t base, uint64_t pointer, uint64_t *ret, diag *d)
{
	uint64_t entry, addr, dtv, count, id = 0;
	TRY(word(k, debug + 8, &entry, d));
	for (size_t n = 0; entry && n < MAPS_MAX; n++) {
		TRY(word(k, entry, &addr, d));
		bool has = n ? addr && image_has_tls(k, addr) : program_has_tls(k);
		id += has;
		if (n && has && addr == base) {
			TRY(word(k, pointer + 8, &dtv, d));
			TRY(word(k, dtv, &count, d));
			if (id > count)
				return diag_set(d, ERR_STATE, "this thread has none yet");
			return word(k, dtv + id * 8, ret, d);
		}
		TRY(word(k, entry + 24, &entry, d));
	}
	return diag_set(d, ERR_NOTFOUND, "the dynamic loader does not list its module");
}

/* ---- either ---- */

err linux_tls_block(os *o, uint64_t pid, uint64_t base, uint64_t pointer, uint64_t *ret, diag *d)
{
	looking k = {o, as_process(pid)};
	uint64_t debug;
	if (musl_debug(&k, &debug))
		return musl_block(&k, debug, base, pointer, ret, d);
	field modid, offset, vector, slot, block;
	uint64_t entry = 0, id, below, dtv, slots, at;
	TRY(field_get(&k, "link_map_l_tls_modid", &modid, d));
	TRY(field_get(&k, "link_map_l_tls_offset", &offset, d));
	TRY(field_get(&k, "pthread_dtvp", &vector, d));
	TRY(field_get(&k, "dtv_dtv", &slot, d));
	TRY(field_get(&k, "dtv_t_pointer_val", &block, d));
	TRY(link_map_of(&k, base, &entry, d));
	TRY(word(&k, entry + modid.offset, &id, d));
	TRY(word(&k, entry + offset.offset, &below, d));
	TRY(word(&k, pointer + vector.offset, &dtv, d));
	uint64_t step = slot.bits / 8;
	if (!id || !step || step > 64)
		return diag_set(d, ERR_NOTFOUND, "its module has no thread-local block");
	/* the element in front of the vector holds how many there are */
	TRY(word(&k, dtv - step, &slots, d));
	if (id <= slots) {
		TRY(word(&k, dtv + slot.offset + id * step + block.offset, &at, d));
		if (at && at != UINT64_MAX) {
			*ret = at;
			return ERR_OK;
		}
	}
	/* 0: nowhere yet; all ones: never there, always in the vector */
	if (!below || below == UINT64_MAX)
		return diag_set(d, ERR_STATE, "this thread has not used its module's block yet");
	*ret = pointer - below;
	return ERR_OK;
}
