/*
 * tls: where a thread has the thread-local variables of a library, as glibc keeps it.
 *
 *   link_map of the library -> l_tls_modid --+
 *   thread pointer -> vector of blocks (dtv) -+-> [modid] -> block
 *                                             +-> not filled in: l_tls_offset below the pointer
 *
 * The layout of these is private to glibc. It says it itself, to libthread_db, in constants that
 * libc.so.6 exports: {bits, number of elements, offset} of each field (glibc's nptl_db).
 */
#include "os/linux/linux.h"

#include "base/reader.h"

enum { MAPS_MAX = 8192, NAMESPACES_MAX = 16 };

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

err linux_tls_block(os *o, uint64_t pid, uint64_t base, uint64_t pointer, uint64_t *ret, diag *d)
{
	looking k = {o, as_process(pid)};
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
