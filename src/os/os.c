/*
 * os: the calls through the table. What a system lacks is an absent function, and a target without
 * a system an absent table: both answer ERR_UNSUPPORTED with words, so that callers need no special
 * case.
 */
#include "os/os.h"

static err absent(const os *o, const char *what, diag *d)
{
	if (!o || !o->ops->absent)
		return diag_set(d, ERR_UNSUPPORTED, "this target has no operating system");
	return diag_set(d, ERR_UNSUPPORTED, "%s %s", what, o->ops->absent);
}

#define HAS(o, fn) ((o) && (o)->ops->fn)

void os_destroy(os *o)
{
	if (!o)
		return;
	if (o->ops->destroy)
		o->ops->destroy(o);
	else
		mem_free(o);
}

void os_stopped(os *o)
{
	if (HAS(o, stopped))
		o->ops->stopped(o);
}

bool os_is_user(os *o, uint64_t addr)
{
	return HAS(o, is_user) ? o->ops->is_user(o, addr) : !(addr >> 63);
}

err os_process_each(os *o, os_process_fn *fn, void *u, diag *d)
{
	return HAS(o, processes) ? o->ops->processes(o, fn, u, d) : absent(o, "a process", d);
}

err os_thread_each(os *o, uint64_t process, os_thread_fn *fn, void *u, diag *d)
{
	return HAS(o, threads) ? o->ops->threads(o, process, fn, u, d) : absent(o, "a thread", d);
}

err os_process_get(os *o, uint64_t addr, os_process *ret, diag *d)
{
	return HAS(o, process) ? o->ops->process(o, addr, ret, d) : absent(o, "a process", d);
}

err os_thread_get(os *o, uint64_t addr, os_thread *ret, diag *d)
{
	return HAS(o, thread) ? o->ops->thread(o, addr, ret, d) : absent(o, "a thread", d);
}

err os_running(os *o, unit_t u, uint64_t *thread, uint64_t *process, diag *d)
{
	return HAS(o, running) ? o->ops->running(o, u, thread, process, d)
			       : absent(o, "a thread", d);
}

err os_thread_process(os *o, uint64_t thread, uint64_t *process, diag *d)
{
	return HAS(o, thread_process) ? o->ops->thread_process(o, thread, process, d)
				      : absent(o, "a thread", d);
}

err os_thread_regs(os *o, uint64_t thread, x64_regs *ret, diag *d)
{
	return HAS(o, thread_regs) ? o->ops->thread_regs(o, thread, ret, d)
				   : absent(o, "a thread", d);
}

err os_trap_regs(os *o, uint64_t addr, x64_regs *ret, diag *d)
{
	return HAS(o, trap_regs) ? o->ops->trap_regs(o, addr, ret, d)
				 : absent(o, "a trap frame", d);
}

err os_kernel_modules(os *o, diag *d)
{
	return HAS(o, kernel_modules) ? o->ops->kernel_modules(o, d)
				      : absent(o, "a list of modules", d);
}

err os_user_modules(os *o, uint64_t process, diag *d)
{
	return HAS(o, user_modules) ? o->ops->user_modules(o, process, d)
				    : absent(o, "a list of modules", d);
}

err os_make_current(os *o, uint64_t process, diag *d)
{
	return HAS(o, make_current) ? o->ops->make_current(o, process, d)
				    : absent(o, "making a process current", d);
}

err os_page_in(os *o, uint64_t process, uint64_t addr, diag *d)
{
	return HAS(o, page_in) ? o->ops->page_in(o, process, addr, d) : absent(o, "paging in", d);
}

err os_kill(os *o, uint64_t process, diag *d)
{
	return HAS(o, kill) ? o->ops->kill(o, process, d) : absent(o, "a process", d);
}

err os_soft_pte(os *o, const x64_walk *w, uint64_t va, uint64_t *phys_ret, diag *d)
{
	return HAS(o, soft_pte) ? o->ops->soft_pte(o, w, va, phys_ret, d)
				: absent(o, "a page table", d);
}

err os_bugcheck(os *o, uint32_t *code, uint64_t params[4], diag *d)
{
	return HAS(o, bugcheck) ? o->ops->bugcheck(o, code, params, d)
				: absent(o, "a bug check", d);
}

err os_version(os *o, buf *out, diag *d)
{
	return HAS(o, version) ? o->ops->version(o, out, d) : absent(o, "a version", d);
}

err os_file_at(os *o, uint64_t process, uint64_t base, unsigned i, buf *ret)
{
	return HAS(o, file_at) ? o->ops->file_at(o, process, base, i, ret) : ERR_NOTFOUND;
}

err os_tls_block(os *o, uint64_t process, uint64_t base, uint64_t pointer, uint64_t *ret, diag *d)
{
	return HAS(o, tls_block) ? o->ops->tls_block(o, process, base, pointer, ret, d)
				 : absent(o, "a thread-local variable", d);
}

err os_global(os *o, str name, uint64_t *addr, diag *d)
{
	return HAS(o, global) ? o->ops->global(o, name, addr, d) : absent(o, "a kernel global", d);
}
