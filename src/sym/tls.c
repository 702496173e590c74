/*
 * tls: where the current thread has a module's thread-local variables. A program's own block ends
 * at the thread pointer (System V ABI for thread-local storage, variant II); where a library's is
 * only the C library knows, which the host asks.
 */
#include "sym/elffile.h"

/* Bytes from the thread pointer down to the block, if m is the program. */
static uint64_t own_size(const elf_view *v)
{
	bool program = v->type == ELF_EXEC;
	const elf_phdr *tls = NULL;
	for (size_t i = 0; i < v->nph; i++) {
		program |= v->ph[i].type == ELF_PT_INTERP;
		if (v->ph[i].type == ELF_PT_TLS)
			tls = &v->ph[i];
	}
	if (!program || !tls)
		return 0;
	uint64_t align = tls->align && !(tls->align & (tls->align - 1)) ? tls->align : 1;
	return (tls->memsz + align - 1) & ~(align - 1);
}

err sym_tls_block(sym_mod *m, uint64_t *ret, diag *d)
{
	const sym_host *h = &m->store->host;
	if (!h->tls || !m->file || !sym_file_is_elf(m->file) || !xf_of(m->file)->img)
		return diag_set(d, ERR_UNSUPPORTED, "thread-local variables are not known here");
	return h->tls(h->u, m->base, own_size(&xf_of(m->file)->img->v), ret, d);
}
