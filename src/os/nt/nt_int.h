/*
 * nt_int: what the files of os/nt share. Nobody else includes it.
 */
#ifndef RS_OS_NT_NT_INT_H
#define RS_OS_NT_NT_INT_H

#include "os/nt/nt.h"

/* Lowest kernel address of 4-level paging (canonical upper half). */
#define NT_KERNEL_MIN 0xffff800000000000ULL
/* Bits 12..51 of an entry or CR3: Intel SDM vol. 3, 4.5. */
#define NT_PFN_MASK 0x000ffffffffff000ULL

typedef enum nt_kd_state { NT_KD_UNREAD, NT_KD_OK, NT_KD_NONE } nt_kd_state;

enum { NT_KD_MAX = 4096 };

struct nt {
	os base; /* must be first */
	tgt_version version;
	uint64_t kernel_base, module_list, debugger_data;

	/* fields: "TYPE.path" -> index + 1 into rows; void when types_of is no longer nt's file */
	map fields;
	VEC(struct nt_row {
		nt_off off;
		err e;
	})
	rows;
	sym_file *types_of;

	nt_kd_state kd_state;
	uint8_t kd[NT_KD_MAX];
	size_t kd_n;
	char kd_why[200]; /* why there is none */

	uint64_t highest_user; /* 0: not read yet */
	bool pte_base_known;
	uint64_t pte_base; /* where the page tables map themselves; 0: nowhere */

	/* per stop */
	bool units_known;
	uint32_t n_units;
	uint64_t unit_thread[NT_UNITS_MAX];
};

/* nt_kdblock.c */
err nt_kd_at(nt *n, size_t off, size_t size, uint64_t *ret);
/* Offset of a global's address in the block; 0 if it is not there. */
size_t nt_kd_global(str name);

/* nt_proc.c, nt_thread.c ... : the table's functions */
err nt_processes(os *o, os_process_fn *fn, void *u, diag *d);
err nt_process(os *o, uint64_t addr, os_process *ret, diag *d);
err nt_threads(os *o, uint64_t process, os_thread_fn *fn, void *u, diag *d);
err nt_thread(os *o, uint64_t addr, os_thread *ret, diag *d);
err nt_running(os *o, unit_t u, uint64_t *thread, uint64_t *process, diag *d);
err nt_thread_process(os *o, uint64_t thread, uint64_t *process, diag *d);
err nt_thread_regs(os *o, uint64_t thread, x64_regs *ret, diag *d);
err nt_trap_regs(os *o, uint64_t addr, x64_regs *ret, diag *d);
err nt_kernel_modules(os *o, diag *d);
err nt_user_modules(os *o, uint64_t process, diag *d);
err nt_make_current(os *o, uint64_t process, diag *d);
err nt_page_in(os *o, uint64_t process, uint64_t addr, diag *d);
err nt_kill(os *o, uint64_t process, diag *d);
err nt_soft_pte(os *o, const x64_walk *w, uint64_t va, uint64_t *phys_ret, diag *d);
err nt_bugcheck(os *o, uint32_t *code, uint64_t params[4], diag *d);
err nt_version(os *o, buf *out, diag *d);
err nt_global(os *o, str name, uint64_t *addr, diag *d);

/* The kernel's module in the store, added if the list was not read yet. */
sym_mod *nt_kernel_mod(nt *n);
/* EPROCESS of a KPROCESS, KTHREAD of an ETHREAD and back: the inner one need not come first. */
uint64_t nt_eprocess_of(nt *n, uint64_t kprocess);
uint64_t nt_kprocess_of(nt *n, uint64_t eprocess);
uint64_t nt_ethread_of(nt *n, uint64_t kthread);
uint64_t nt_kthread_of(nt *n, uint64_t ethread);
/* Page-table root without PCID and flag bits. */
static inline uint64_t nt_root(uint64_t cr3)
{
	return cr3 & NT_PFN_MASK;
}
/* Fills unit_thread once a stop. */
void nt_units_fill(nt *n);
static inline bool nt_kernel_addr(uint64_t a)
{
	return a >= NT_KERNEL_MIN;
}

#endif
