/*
 * core: an ELF core file as a static target (-z CORE): the process as it was when it was written.
 * See target.h and core.h.
 *
 * Two events, as a live target would give them: the process, then what ended it (or a break, if no
 * signal did). Between them resume is legal, because whoever passes over the first asks for the
 * second; afterwards nothing runs. Refuses to write: the file is the evidence.
 */
#include "target/core/core.h"

#include "fmt/elf.h"
#include "target/signals.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { EV_PROCESS, EV_STOP, EV_NONE };

/* siginfo_t: signo, errno, code at 0, 4, 8; si_addr at 16 (sigaction(2), asm-generic/siginfo.h) */
enum { SI_CODE = 8, SI_ADDR = 16, SI_KERNEL_CODE = 0x80 };

/* ---- events ---- */

static void stream_fill(core *c, tgt_event *ev)
{
	size_t n = 0;
	if (core_read(&c->t, as_current(), ev->pc, ev->stream, sizeof ev->stream, &n) == ERR_OK)
		ev->n_stream = (uint32_t)n;
}

static void common(core *c, tgt_event_kind kind, tgt_event *ev)
{
	const elfcore_thread *t = &c->c.thread[0];
	*ev = (tgt_event){.kind = kind,
		.unit = t->tid,
		.thread = t->tid,
		.n_units = (uint32_t)c->c.nthread,
		.process_id = c->pid,
		.pc = t->regs.rip};
	ev->eflags = t->regs.eflags;
	ev->cs = t->regs.seg[X64_CS];
	ev->ds = t->regs.seg[X64_DS];
	ev->es = t->regs.seg[X64_ES];
	ev->fs = t->regs.seg[X64_FS];
	stream_fill(c, ev);
}

static void process_event(core *c, tgt_event *ev)
{
	const core_region *r = core_exe_region(c);
	common(c, TGT_EV_PROCESS, ev);
	if (!r)
		return;
	str path = str_take(r->map->path, TGT_PATH_MAX - 1);
	memcpy(ev->path, path.p, path.n);
	for (size_t i = 0; i < c->nregion; i++)
		if (c->region[i].map == r->map) {
			if (!ev->base)
				ev->base = c->region[i].start;
			ev->size = c->region[i].end - ev->base;
		}
}

static void stop_event(core *c, tgt_event *ev)
{
	const elfcore_thread *t = &c->c.thread[0];
	const uint8_t *si = t->siginfo.n ? (const uint8_t *)t->siginfo.p : NULL;
	int sig = si && le32(si) ? (int)le32(si) : t->cursig;
	int code = si ? (int)le32(si + SI_CODE) : t->code;
	common(c, TGT_EV_EXCEPTION, ev);
	ev->exr_address = ev->pc;
	if (sig <= 0 || sig > 64) { /* written by a debugger while nothing was wrong */
		ev->code = signal_exception_code(5, 0);
		ev->initial = ev->first_chance = true;
		return;
	}
	ev->signal = sig;
	/* without siginfo nobody knows the code; these two are raised by programs hardly ever */
	ev->code = signal_exception_code(sig, si ? code : 1);
	ev->first_chance = sig == 5;
	if (ev->code == 0xc0000005 || ev->code == 0xc0000006 || ev->code == 0x80000002) {
		uint64_t addr = si && code != SI_KERNEL_CODE ? le64(si + SI_ADDR) : 0;
		bool nowhere = !si || code == SI_KERNEL_CODE;
		ev->n_params = 2;
		ev->params[0] = signal_access_kind(
			&t->regs, ev->stream, ev->n_stream, addr, nowhere ? &addr : NULL);
		ev->params[1] = addr;
	}
}

static err wait_(tgt *t, int timeout_ms, tgt_event *ret, diag *d)
{
	core *c = core_of(t);
	if (c->notices_told < c->n_notice) {
		*ret = (tgt_event){.kind = TGT_EV_NOTICE,
			.n_units = (uint32_t)c->c.nthread,
			.text = str_of(c->notice[c->notices_told++])};
		return ERR_OK;
	}
	if (c->told == EV_PROCESS)
		process_event(c, ret);
	else if (c->told == EV_STOP)
		stop_event(c, ret);
	else if (timeout_ms < 0)
		return diag_set(d, ERR_DEAD, "nothing runs in a core file");
	else
		*ret = (tgt_event){.kind = TGT_EV_TIMEOUT, .n_units = (uint32_t)c->c.nthread};
	if (c->told < EV_NONE)
		c->told++;
	return ERR_OK;
}

static err resume(tgt *t, const tgt_run *how, diag *d)
{
	if (core_of(t)->told < EV_NONE && how->go == TGT_GO)
		return ERR_OK; /* on to the event that follows */
	return diag_set(d, ERR_UNSUPPORTED, "a core file cannot run: the process has ended");
}

/* ---- what is there ---- */

static void caps(tgt *t, tgt_caps *ret)
{
	*ret = (tgt_caps){.threads = true, .spaces = 1u << AS_CURRENT | 1u << AS_PROCESS};
}

static err query(tgt *t, tgt_fact f, void *ret, size_t size, diag *d)
{
	return diag_set(d, ERR_UNSUPPORTED, "not known of a core file");
}

static err regs_get(tgt *t, unit_t u, unsigned sets, x64_regs *r, diag *d)
{
	core *c = core_of(t);
	const elfcore_thread *th = u ? NULL : &c->c.thread[0];
	for (size_t i = 0; i < c->c.nthread && !th; i++)
		if (c->c.thread[i].tid == u)
			th = &c->c.thread[i];
	if (!th)
		return diag_set(d, ERR_NOTFOUND, "the core has no thread %x", u);
	if (sets & (X64_SET_SPECIAL | X64_SET_DEBUG))
		return diag_set(
			d, ERR_UNSUPPORTED, "control and debug registers are not in a core file");
	if (sets & ~th->regs.valid)
		return diag_set(d, ERR_NOTFOUND, "the core has no floating point registers");
	*r = th->regs;
	return ERR_OK;
}

static err units(tgt *t, uint64_t process_id, tgt_unit *ret, size_t cap, size_t *n_ret)
{
	core *c = core_of(t);
	if (process_id && process_id != c->pid)
		return ERR_NOTFOUND;
	for (size_t i = 0; i < c->c.nthread && i < cap; i++)
		ret[i] = (tgt_unit){c->c.thread[i].tid, c->pid, false};
	*n_ret = c->c.nthread;
	return ERR_OK;
}

static err processes(tgt *t, uint64_t *ret, size_t cap, size_t *n_ret)
{
	if (cap)
		ret[0] = core_of(t)->pid;
	*n_ret = 1;
	return ERR_OK;
}

static void describe(tgt *t, buf *out)
{
	buf_addf(out, "core file %s\n", core_of(t)->path);
}

static size_t close_(tgt *t, tgt_leave how)
{
	core *c = core_of(t);
	core_mem_close(c);
	sys_map_close(&c->file);
	arena_deinit(&c->a);
	mem_free(c->path);
	mem_free(c);
	return 0;
}

static const tgt_ops ops = {
	.name = "core",
	.close = close_,
	.caps = caps,
	.query = query,
	.read = core_read,
	.regs_get = regs_get,
	.wait = wait_,
	.resume = resume,
	.units = units,
	.processes = processes,
	.info = core_info,
	.describe = describe,
};

/* ---- opening ---- */

static int by_tid(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

/* Ids must tell threads apart. */
static bool ids_unique(core *c)
{
	size_t n = c->c.nthread;
	uint32_t *id = arena_array(&c->a, n, sizeof *id);
	bool ok = true;
	for (size_t i = 0; i < n; i++)
		id[i] = c->c.thread[i].tid;
	qsort(id, n, sizeof *id, by_tid);
	for (size_t i = 0; i < n; i++)
		ok &= id[i] && (!i || id[i] != id[i - 1]);
	return ok;
}

static void notices(core *c)
{
	if (c->c.end > c->file.n)
		c->notice[c->n_notice++] = arena_printf(&c->a,
			"The core file is cut off: 0x%llx of 0x%llx bytes are there. What is "
			"missing cannot be read.",
			(unsigned long long)c->file.n, (unsigned long long)c->c.end);
	if (c->c.damaged && c->c.end <= c->file.n)
		c->notice[c->n_notice++] = "The core file is damaged: some of its headers or notes "
					   "make no sense and are left out.";
}

static err look(core *c, diag *d)
{
	TRY(elfcore_open(&c->c, &c->a, c->file.p, c->file.n, d));
	if (!ids_unique(c))
		return diag_set(
			d, ERR_CORRUPT, "two threads of the core have the same id, or none");
	c->pid = c->c.has_process && c->c.process.pid ? c->c.process.pid : c->c.thread[0].tid;
	core_regions(c);
	notices(c);
	return ERR_OK;
}

err core_open(const char *path, const tgt_host *host, tgt **ret, diag *d)
{
	sys_map file;
	struct stat st;
	TRY(sys_map_open(path, &file, d));
	core *c = mem_alloc(sizeof *c);
	char full[PATH_MAX];
	arena_init(&c->a);
	c->t.ops = &ops;
	if (host)
		c->t.host = *host;
	c->file = file;
	c->path = mem_strdup(realpath(path, full) ? full : path);
	c->mtime = !stat(path, &st) ? st.st_mtim.tv_sec : 0;
	err e = look(c, d);
	if (e != ERR_OK) {
		close_(&c->t, TGT_ABANDON);
		return diag_add(d, e, "%s", path);
	}
	*ret = &c->t;
	return ERR_OK;
}
