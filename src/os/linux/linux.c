/*
 * linux: the os table for processes of Linux: a process is known by its pid, a thread by its tid.
 *
 * Everything comes from the target's tgt_info texts, so that live processes and cores look alike.
 * Refuses to know kernels: what belongs to a whole machine answers ERR_UNSUPPORTED.
 */
#include "os/linux/linux.h"

enum { TEXT_MAX = 64 * 1024 * 1024, UNITS_MAX = 65536, PROCESSES_MAX = 4096 };

static err text_of(os *o, tgt_info what, uint64_t id, buf *b, diag *d)
{
	buf_init(b, TEXT_MAX);
	err r = tgt_info_get(o->host.t, what, id, b, d);
	if (r != ERR_OK)
		buf_deinit(b);
	return r;
}

/* ---- processes and threads ---- */

static err linux_process(os *o, uint64_t pid, os_process *ret, diag *d)
{
	os_process p = {.id_addr = pid, .pid = pid};
	linux_stat st;
	buf b;
	TRY(text_of(o, TGT_I_STAT, pid, &b, d));
	if (linux_stat_parse(buf_str(&b), &st) == ERR_OK)
		p.parent_pid = st.parent;
	buf_deinit(&b);
	if (text_of(o, TGT_I_EXE, pid, &b, NULL) == ERR_OK) {
		str name = str_take(str_base(buf_str(&b)), sizeof p.image - 1);
		memcpy(p.image, name.p, name.n);
		buf_deinit(&b);
	}
	*ret = p;
	return ERR_OK;
}

static err linux_processes(os *o, os_process_fn *fn, void *u, diag *d)
{
	uint64_t pids[PROCESSES_MAX];
	size_t n = 0;
	err r = tgt_processes(o->host.t, pids, ARRAY_LEN(pids), &n);
	if (r != ERR_OK)
		return diag_set(d, r, "listing processes: %s", err_name(r));
	for (size_t i = 0; i < n && i < ARRAY_LEN(pids); i++) {
		os_process p;
		if (linux_process(o, pids[i], &p, NULL) == ERR_OK && !fn(u, &p))
			break;
	}
	return ERR_OK;
}

static err linux_thread(os *o, uint64_t tid, os_thread *ret, diag *d)
{
	os_thread t = {.id_addr = tid, .tid = tid};
	x64_regs r = {0};
	buf b;
	TRY(text_of(o, TGT_I_STATUS, tid, &b, d));
	uint64_t tgid = 0;
	(void)str_u64(linux_status_value(buf_str(&b), STR("Tgid")), 10, &tgid);
	buf_deinit(&b);
	t.pid = t.process = tgid;
	t.unit = (unit_t)tid;
	t.running = true;
	if (tgt_regs_get(o->host.t, (unit_t)tid, X64_SET_BASES, &r, NULL) == ERR_OK)
		t.teb = r.fs_base; /* the thread control block of the C library */
	*ret = t;
	return ERR_OK;
}

static err linux_threads(os *o, uint64_t pid, os_thread_fn *fn, void *u, diag *d)
{
	size_t n = 0;
	tgt_unit *units = mem_alloc(UNITS_MAX * sizeof *units);
	err r = tgt_units(o->host.t, pid, units, UNITS_MAX, &n);
	if (r != ERR_OK)
		r = diag_set(d, r, "listing threads: %s", err_name(r));
	for (size_t i = 0; r == ERR_OK && i < n && i < UNITS_MAX; i++) {
		os_thread t;
		if (linux_thread(o, units[i].unit, &t, NULL) == ERR_OK && !fn(u, &t))
			break;
	}
	mem_free(units);
	return r;
}

static err linux_thread_process(os *o, uint64_t tid, uint64_t *process, diag *d)
{
	os_thread t;
	TRY(linux_thread(o, tid, &t, d));
	*process = t.pid;
	return ERR_OK;
}

static err linux_running(os *o, unit_t u, uint64_t *thread, uint64_t *process, diag *d)
{
	TRY(linux_thread_process(o, u, process, d));
	*thread = u;
	return ERR_OK;
}

static err linux_thread_regs(os *o, uint64_t tid, x64_regs *ret, diag *d)
{
	return tgt_regs_get(o->host.t, (unit_t)tid, X64_SET_GENERAL | X64_SET_BASES, ret, d);
}

/* ---- modules ---- */

static bool is_file(str path)
{
	return path.n && path.p[0] == '/' && !str_starts(path, STR("/dev/")) &&
	       !str_starts(path, STR("/memfd:"));
}

static bool has_elf_header(os *o, uint64_t pid, uint64_t addr)
{
	static const uint8_t magic[4] = {0x7f, 'E', 'L', 'F'};
	uint8_t raw[4];
	return tgt_read_all(o->host.t, as_process(pid), addr, raw, 4, NULL) == ERR_OK &&
	       !memcmp(raw, magic, sizeof magic);
}

/* A module is a run of mappings of one file, the first of which shows its ELF header; the zeroed
 * end of its data has no file and belongs to it by its place only, so the size is the file's part.
 */
static err linux_user_modules(os *o, uint64_t pid, diag *d)
{
	buf b;
	linux_map m, first = {0};
	uint64_t end = 0;
	TRY(text_of(o, TGT_I_MAPS, pid, &b, d));
	str rest = buf_str(&b);
	sym_mods_begin(o->host.syms, pid);
	for (bool more = true; more;) {
		more = linux_map_next(&rest, &m);
		if (more && first.path.n && str_eq(m.path, first.path) && m.offset) {
			end = m.end;
			continue;
		}
		if (first.path.n)
			(void)sym_mod_add(o->host.syms, pid, first.start, end - first.start, 0, 0,
				(str){0}, first.path);
		first = (linux_map){0};
		bool vdso = more && str_eq(m.path, STR("[vdso]"));
		if (more && (vdso || (is_file(m.path) && !m.offset)) &&
			has_elf_header(o, pid, m.start)) {
			first = m;
			if (vdso)
				first.path = STR("linux-vdso.so.1");
			end = m.end;
		}
	}
	sym_mods_end(o->host.syms, pid);
	buf_deinit(&b);
	return ERR_OK;
}

/* ---- the rest ---- */

static err linux_kernel_modules(os *o, diag *d)
{
	return ERR_OK; /* a process has none: .reload without switches does its own */
}

static err linux_kill(os *o, uint64_t process, diag *d)
{
	return tgt_process_part(o->host.t, process, TGT_KILL, d);
}

/* "Linux 6.1.0-18-amd64 x86_64", then the first process and when it began. */
static err linux_version(os *o, buf *out, diag *d)
{
	uint64_t pid;
	size_t n = 0;
	linux_stat st;
	buf b;
	TRY(tgt_info_get(o->host.t, TGT_I_SYSTEM, 0, out, d));
	buf_addc(out, '\n');
	if (tgt_processes(o->host.t, &pid, 1, &n) != ERR_OK || !n)
		return ERR_OK;
	if (text_of(o, TGT_I_EXE, pid, &b, NULL) == ERR_OK) {
		buf_addf(out, "Process: %llu, %.*s\n", (unsigned long long)pid,
			STR_ARG(buf_str(&b)));
		buf_deinit(&b);
	}
	if (text_of(o, TGT_I_STAT, pid, &b, NULL) == ERR_OK) {
		if (linux_stat_parse(buf_str(&b), &st) == ERR_OK) {
			uint64_t user = linux_ticks_ms(st.user_ticks);
			uint64_t kernel = linux_ticks_ms(st.system_ticks);
			buf_addf(out, "Process time: user %llu.%02llu s, kernel %llu.%02llu s\n",
				(unsigned long long)(user / 1000),
				(unsigned long long)(user / 10 % 100),
				(unsigned long long)(kernel / 1000),
				(unsigned long long)(kernel / 10 % 100));
		}
		buf_deinit(&b);
	}
	return ERR_OK;
}

static bool linux_is_user(os *o, uint64_t addr)
{
	return true;
}

/*
 * Other names of the file that is mapped at base: as we see it (a process below another root),
 * through the process's own root (a container), the program by its link, and any mapping by its own
 * (which only root may follow). The last two hold what was mapped even if it is deleted by now.
 */
static err linux_file_at(os *o, uint64_t pid, uint64_t base, unsigned i, buf *ret)
{
	static const char *const forms[] = {NULL, "root", "exe", "map_files"};
	buf b;
	linux_map m;
	buf_init(&b, 0);
	err e = text_of(o, TGT_I_MAPS, pid, &b, NULL);
	str rest = buf_str(&b);
	bool found = false;
	while (e == ERR_OK && !found && linux_map_next(&rest, &m))
		found = m.start == base && m.path.n && m.path.p[0] == '/';
	if (found && i < ARRAY_LEN(forms)) {
		if (forms[i])
			buf_addf(ret, "/proc/%llu/%s", (unsigned long long)pid, forms[i]);
		if (i < 2)
			buf_adds(ret, m.path);
		else if (i == 3)
			buf_addf(ret, "/%llx-%llx", (unsigned long long)m.start,
				(unsigned long long)m.end);
	}
	buf_deinit(&b);
	return found && i < ARRAY_LEN(forms) ? ERR_OK : ERR_NOTFOUND;
}

static const struct os_ops linux_ops = {
	.name = "linux",
	.absent = "belongs to kernel debugging",
	.processes = linux_processes,
	.threads = linux_threads,
	.process = linux_process,
	.thread = linux_thread,
	.running = linux_running,
	.thread_process = linux_thread_process,
	.thread_regs = linux_thread_regs,
	.kernel_modules = linux_kernel_modules,
	.user_modules = linux_user_modules,
	.kill = linux_kill,
	.version = linux_version,
	.is_user = linux_is_user,
	.tls_block = linux_tls_block,
	.file_at = linux_file_at,
};

os *os_linux_create(const os_host *host)
{
	os *o = mem_alloc(sizeof *o);
	o->ops = &linux_ops;
	o->host = *host;
	return o;
}
