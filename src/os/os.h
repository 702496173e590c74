/*
 * os: everything that knows an operating system: processes, threads, loader lists, page-table
 * roots, saved registers, "make this process current". One table per system (nt/, linux/,
 * none/). Refuses to know commands and output.
 *
 * Offsets come from symbols (sym_type_field on nt!_EPROCESS ...); where there are no types, nt/
 * falls back to what the kernel itself publishes in KDDEBUGGER_DATA64, and says which fact is
 * missing when neither has it. Lists from the target are hostile: every walk is bounded and detects
 * loops.
 */
#ifndef RS_OS_OS_H
#define RS_OS_OS_H

#include "sym/sym.h"
#include "target/target.h"

typedef struct os os;

enum { OS_NAME_MAX = 64, OS_LIST_MAX = 65536 };

#define OS_SESSION_NONE	   UINT32_MAX	    /* the process is in no session */
#define OS_SESSION_UNKNOWN (UINT32_MAX - 1) /* the symbols do not say where the number stands */

typedef struct os_process {
	uint64_t id_addr; /* EPROCESS: the key of everything */
	uint64_t pid, parent_pid;
	uint64_t root;	    /* kernel page-table root (DirectoryTableBase) */
	uint64_t user_root; /* root to see user addresses with; equals root unless shadowed */
	uint64_t peb;	    /* 0: a system process */
	uint32_t session;   /* or OS_SESSION_... */
	uint64_t object_table;
	uint32_t handle_count;
	char image[OS_NAME_MAX];
} os_process;

typedef struct os_thread {
	uint64_t id_addr; /* ETHREAD == KTHREAD */
	uint64_t process; /* EPROCESS that owns it (not the attached one) */
	uint64_t pid, tid;
	uint64_t teb, start, win32_start;
	uint64_t trap_frame, initial_stack, stack_base, stack_limit, kernel_stack;
	uint8_t state, wait_reason, wait_mode, priority, base_priority;
	bool running;
	unit_t unit; /* when running */
} os_thread;

/* Return false to end the walk early (no error). */
typedef bool os_process_fn(void *u, const os_process *p);
typedef bool os_thread_fn(void *u, const os_thread *t);

typedef struct os_host {
	void *u;
	tgt *t;
	sym_store *syms;
	const cancel *cancel;
	const uint32_t *n_units; /* processors that the target reports; may be NULL */
	void (*warn)(void *u, str line);
} os_host;

/* An absent function: the system has nothing of the kind. What they do is said at the calls below.
 */
struct os_ops {
	const char *name;
	const char *absent; /* what is said of absent ones: "a bug check ..."; NULL: no system */
	void (*destroy)(os *o);
	void (*stopped)(os *o);
	err (*processes)(os *o, os_process_fn *fn, void *u, diag *d);
	err (*threads)(os *o, uint64_t process, os_thread_fn *fn, void *u, diag *d);
	err (*process)(os *o, uint64_t addr, os_process *ret, diag *d);
	err (*thread)(os *o, uint64_t addr, os_thread *ret, diag *d);
	err (*running)(os *o, unit_t u, uint64_t *thread, uint64_t *process, diag *d);
	err (*thread_process)(os *o, uint64_t thread, uint64_t *process, diag *d);
	err (*thread_regs)(os *o, uint64_t thread, x64_regs *ret, diag *d);
	err (*trap_regs)(os *o, uint64_t addr, x64_regs *ret, diag *d);
	err (*kernel_modules)(os *o, diag *d);
	err (*user_modules)(os *o, uint64_t process, diag *d);
	err (*make_current)(os *o, uint64_t process, diag *d);
	err (*page_in)(os *o, uint64_t process, uint64_t addr, diag *d);
	err (*kill)(os *o, uint64_t process, diag *d);
	err (*soft_pte)(os *o, const x64_walk *w, uint64_t va, uint64_t *phys_ret, diag *d);
	err (*bugcheck)(os *o, uint32_t *code, uint64_t params[4], diag *d);
	err (*version)(os *o, buf *out, diag *d);
	bool (*is_user)(os *o, uint64_t addr);
	err (*tls_block)(
		os *o, uint64_t process, uint64_t base, uint64_t pointer, uint64_t *ret, diag *d);
	err (*file_at)(os *o, uint64_t process, uint64_t base, unsigned i, buf *ret);
	err (*global)(os *o, str name, uint64_t *addr, diag *d);
};

struct os {
	const struct os_ops *ops;
	os_host host;
};

/*
 * The calls. o may be NULL: a target that has no system, or not yet. What a system does not have
 * answers ERR_UNSUPPORTED with words.
 */

void os_destroy(os *o);
/* At each stop: forget what was cached about processes and threads. */
void os_stopped(os *o);
bool os_is_user(os *o, uint64_t addr);
/* EPROCESS walk from nt!PsActiveProcessHead (the idle process is not in it). ERR_CORRUPT with a
 * message when the list is damaged: what was walked before has been reported. */
err os_process_each(os *o, os_process_fn *fn, void *u, diag *d) MUST_CHECK;
err os_thread_each(os *o, uint64_t process, os_thread_fn *fn, void *u, diag *d) MUST_CHECK;
err os_process_get(os *o, uint64_t addr, os_process *ret, diag *d) MUST_CHECK;
err os_thread_get(os *o, uint64_t addr, os_thread *ret, diag *d) MUST_CHECK;
/* What runs on a unit: process is the *attached* one (ApcState.Process), whose space is active. */
err os_running(os *o, unit_t u, uint64_t *thread, uint64_t *process, diag *d) MUST_CHECK;
/* Process whose address space the thread uses now: one read. */
err os_thread_process(os *o, uint64_t thread, uint64_t *process, diag *d) MUST_CHECK;
/* Registers of a thread that is not running (callee-saved, rip, rsp), or of one that is. */
err os_thread_regs(os *o, uint64_t thread, x64_regs *ret, diag *d) MUST_CHECK;
/* KTRAP_FRAME at addr to registers. */
err os_trap_regs(os *o, uint64_t addr, x64_regs *ret, diag *d) MUST_CHECK;
/* Fills the store: space 0 from PsLoadedModuleList, or a process from PEB->Ldr. */
err os_kernel_modules(os *o, diag *d) MUST_CHECK;
err os_user_modules(os *o, uint64_t process, diag *d) MUST_CHECK;
/* .process /i, .pagein, .kill: ask the system to do it when the target runs next; it breaks in by
 * itself (code 0x80000003) when done. */
err os_make_current(os *o, uint64_t process, diag *d) MUST_CHECK;
err os_page_in(os *o, uint64_t process, uint64_t addr, diag *d) MUST_CHECK;
err os_kill(os *o, uint64_t process, diag *d) MUST_CHECK;
/* A not-present leaf entry: the physical address if the page is in memory all the same (transition,
 * prototype), else ERR_FAULT with words ("paged out, page file offset ..."). */
err os_soft_pte(os *o, const x64_walk *w, uint64_t va, uint64_t *phys_ret, diag *d) MUST_CHECK;
/* Code and four parameters; ERR_NOTFOUND if there is none. */
err os_bugcheck(os *o, uint32_t *code, uint64_t params[4], diag *d) MUST_CHECK;
/* Lines of vertarget. */
err os_version(os *o, buf *out, diag *d) MUST_CHECK;
/* Where the thread with this thread pointer has the thread-local variables of the library at base.
 */
err os_tls_block(os *o, uint64_t process, uint64_t base, uint64_t pointer, uint64_t *ret,
	diag *d) MUST_CHECK;
/* The i-th other name by which the file that a process has mapped at base may be read (see
 * sym_host). ERR_NOTFOUND behind the last. */
err os_file_at(os *o, uint64_t process, uint64_t base, unsigned i, buf *ret) MUST_CHECK;
/* Value of a global by name through symbols or KDDEBUGGER_DATA64 ("PsActiveProcessHead"). */
err os_global(os *o, str name, uint64_t *addr, diag *d) MUST_CHECK;

/* kernel_base: from the target's version. Reads nothing until asked. */
os *os_nt_create(const os_host *host, const tgt_version *v, uint64_t kernel_base,
	uint64_t module_list, uint64_t debugger_data);
/* Processes of a Linux host, live or from a core: process and thread ids are the keys. */
os *os_linux_create(const os_host *host);
os *os_none_create(const os_host *host); /* static images: everything ERR_UNSUPPORTED */

/* Address space to view a process with: user half by user_root, kernel half by root. */
static inline as_t os_space(const os_process *p, bool user)
{
	return as_root(user && p->user_root ? p->user_root : p->root);
}

#endif
