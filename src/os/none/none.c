/*
 * none: the os table for targets without a system (an image opened by itself). Everything that
 * needs one answers ERR_UNSUPPORTED by words, so that callers need no special case.
 */
#include "os/os.h"

static err no(diag *d)
{
	return diag_set(d, ERR_UNSUPPORTED, "this target has no operating system");
}

static void none_destroy(os *o)
{
	mem_free(o);
}
static void none_stopped(os *o)
{
}
static err none_processes(os *o, os_process_fn *fn, void *u, diag *d)
{
	return no(d);
}
static err none_threads(os *o, uint64_t process, os_thread_fn *fn, void *u, diag *d)
{
	return no(d);
}
static err none_process(os *o, uint64_t addr, os_process *ret, diag *d)
{
	return no(d);
}
static err none_thread(os *o, uint64_t addr, os_thread *ret, diag *d)
{
	return no(d);
}
static err none_running(os *o, unit_t u, uint64_t *thread, uint64_t *process, diag *d)
{
	return no(d);
}
static err none_thread_process(os *o, uint64_t thread, uint64_t *process, diag *d)
{
	return no(d);
}
static err none_regs(os *o, uint64_t at, x64_regs *ret, diag *d)
{
	return no(d);
}
static err none_kernel_modules(os *o, diag *d)
{
	return no(d);
}
static err none_of_process(os *o, uint64_t process, diag *d)
{
	return no(d);
}
static err none_page_in(os *o, uint64_t process, uint64_t addr, diag *d)
{
	return no(d);
}
static err none_soft_pte(os *o, const x64_walk *w, uint64_t va, uint64_t *phys_ret, diag *d)
{
	return no(d);
}
static err none_bugcheck(os *o, uint32_t *code, uint64_t params[4], diag *d)
{
	return no(d);
}
static err none_version(os *o, buf *out, diag *d)
{
	return no(d);
}
static bool none_is_user(os *o, uint64_t addr)
{
	return addr < 0x0000800000000000ULL;
}
static err none_global(os *o, str name, uint64_t *addr, diag *d)
{
	return no(d);
}

static const struct os_ops none_ops = {
	.name = "none",
	.destroy = none_destroy,
	.stopped = none_stopped,
	.processes = none_processes,
	.threads = none_threads,
	.process = none_process,
	.thread = none_thread,
	.running = none_running,
	.thread_process = none_thread_process,
	.thread_regs = none_regs,
	.trap_regs = none_regs,
	.kernel_modules = none_kernel_modules,
	.user_modules = none_of_process,
	.make_current = none_of_process,
	.page_in = none_page_in,
	.kill = none_of_process,
	.soft_pte = none_soft_pte,
	.bugcheck = none_bugcheck,
	.version = none_version,
	.is_user = none_is_user,
	.global = none_global,
};

os *os_none_create(const os_host *host)
{
	os *o = mem_alloc(sizeof *o);
	o->ops = &none_ops;
	o->host = *host;
	return o;
}
