/*
 * dump: .dump of a Linux process: an ELF core, as the kernel would write it, that gdb reads too.
 *
 * What goes in is decided by ranges: of every mapping the pieces that are wanted become segments
 * with bytes, the rest segments without (so that a reader knows the whole address space). Planted
 * breakpoints are never in it: memory is read as views see it. A file that could not be finished is
 * removed, and with /o the old one stays until the new one is whole.
 */
#include "cmd/lx/lx.h"

#include "fmt/elf.h"
#include "fmt/elfcore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
	CHUNK = 256 * 1024,
	STACK_MAX = 8 << 20, /* of one thread, in a mini dump */
	RED_ZONE = 128,	     /* below the stack pointer, in use all the same: the psABI */
	PROGRESS_MS = 300,
	RANGES_MAX = 1 << 22
};

typedef struct span {
	uint64_t lo, hi;
} span;

typedef struct dump {
	cmd *c;
	const eng_proc *p;
	bool overwrite, stamp;
	bool all, data, writable; /* what of memory */
	str maps;
	VEC(span) want;
	VEC(elfcore_seg) seg;
	VEC(elfcore_file) file;
	buf notes;
	size_t n_threads, n_skipped;
	const char *path; /* what is written; `final` when it is whole */
	const char *final;
	int fd;
	uint64_t total, done, lost, told_ms;
} dump;

/* ---- options ---- */

static err options_of_m(dump *x, str letters)
{
	for (size_t i = 0; i < letters.n; i++)
		switch (letters.p[i]) {
		case 'a':
		case 'f':
		case 'F':
			x->all = true;
			break;
		case 'd':
			x->data = true;
			break;
		case 'w':
		case 'p':
			x->writable = true;
			break;
		case 't':
			break; /* threads and their times are always there */
		default:
			return cmd_fail(x->c, ERR_SYNTAX,
				"/m%.*s: '%c' has no place in a core file; known are a f d w p t",
				STR_ARG(letters), letters.p[i]);
		}
	return ERR_OK;
}

/* A word that begins with / is an option if it has no second slash: a path has one. */
static bool option_next(str *rest, str *ret)
{
	str look = *rest, word = str_word(&look);
	if (word.n < 2 || (word.p[0] != '/' && word.p[0] != '-') ||
		str_chr(str_skip(word, 1), '/') != SIZE_MAX)
		return false;
	*ret = str_skip(word, 1);
	*rest = str_trim(look);
	return true;
}

static err options(dump *x, str args)
{
	cmd *c = x->c;
	str rest = str_trim(args), o, name;
	while (option_next(&rest, &o)) {
		if (str_eq(o, STR("o")))
			x->overwrite = true;
		else if (str_eq(o, STR("u")))
			x->stamp = true;
		else if (str_eq(o, STR("f")))
			x->all = true;
		else if (o.p[0] == 'm')
			TRY(options_of_m(x, str_skip(o, 1)));
		else
			return cmd_fail(c, ERR_SYNTAX,
				"/%.*s is no option of .dump here; known are /o /u /f /m",
				STR_ARG(o));
	}
	if (rest.n && rest.p[0] == '"')
		TRY(cmd_arg_quoted(c, &rest, false, &name));
	else
		name = str_word(&rest);
	TRY(cmd_arg_end(c, rest));
	if (!name.n)
		return cmd_fail(c, ERR_SYNTAX, ".dump needs the name of a file");
	x->final = str_z(&c->a, name);
	return ERR_OK;
}

/* /u: date, time and process before the extension, so that no two dumps have the same name. */
static void stamp(dump *x)
{
	char when[64];
	time_t now = time(NULL);
	struct tm tm;
	str name = str_of(x->final), base = str_base(name);
	size_t dot = str_rchr(base, '.');
	size_t keep = dot == SIZE_MAX || !dot ? name.n : name.n - base.n + dot;
	strftime(when, sizeof when, "%Y-%m-%d_%H-%M-%S", localtime_r(&now, &tm));
	x->final = arena_printf(&x->c->a, "%.*s_%s-%03u_%04llx%.*s", (int)keep, name.p, when,
		(unsigned)(sys_now_ms() % 1000), (unsigned long long)x->p->pid,
		STR_ARG(str_skip(name, keep)));
}

/* ---- what is wanted ---- */

static void want(dump *x, uint64_t lo, uint64_t hi)
{
	if (lo < hi && x->want.n < RANGES_MAX)
		vec_push(&x->want, (span){lo, hi});
}

static bool left_out(const linux_map *m)
{
	return str_starts(m->path, STR("[vvar")); /* the kernel's own: reads of it fail */
}

static bool of_file(const linux_map *m)
{
	return m->path.n && m->path.p[0] == '/';
}

static void want_stack(dump *x, uint64_t sp)
{
	str rest = x->maps;
	linux_map m;
	while (linux_map_next(&rest, &m))
		if (sp >= m.start && sp < m.end) {
			uint64_t lo = sp - m.start < RED_ZONE ? m.start : sp - RED_ZONE;
			lo &= ~(uint64_t)(ELFCORE_PAGE - 1);
			want(x, lo, m.end - lo > STACK_MAX ? lo + STACK_MAX : m.end);
			return;
		}
}

static void want_memory(dump *x)
{
	str rest = x->maps;
	linux_map m, before = {0};
	bool data_before = false;
	while (linux_map_next(&rest, &m)) {
		/* the zeroed end of a module's data has no file and follows it */
		bool data = m.w && !m.shared &&
			    (of_file(&m) || (data_before && !m.path.n && m.start == before.end));
		if (!m.r || left_out(&m)) {
		} else if (x->all || str_eq(m.path, STR("[vdso]")) || (x->data && data) ||
			   (x->writable && m.w && !m.shared)) {
			want(x, m.start, m.end);
		} else if (of_file(&m) && !m.offset) {
			want(x, m.start, m.start + ELFCORE_PAGE); /* ELF header and build-id */
		}
		/* What the loader wrote to and then protected (RELRO) lies just before it. */
		if (x->data && data && before.r && !before.w && !before.x &&
			before.end == m.start && str_eq(before.path, m.path))
			want(x, before.start, before.end);
		data_before = data;
		before = m;
	}
}

static int by_lo(const void *a, const void *b)
{
	const span *x = a, *y = b;
	return (x->lo > y->lo) - (x->lo < y->lo);
}

static void merge(dump *x)
{
	size_t n = 0;
	if (x->want.n)
		qsort(x->want.p, x->want.n, sizeof *x->want.p, by_lo);
	for (size_t i = 0; i < x->want.n; i++) {
		span s = x->want.p[i];
		if (n && s.lo <= x->want.p[n - 1].hi) {
			if (s.hi > x->want.p[n - 1].hi)
				x->want.p[n - 1].hi = s.hi;
		} else {
			x->want.p[n++] = s;
		}
	}
	x->want.n = n;
}

static void add_segment(dump *x, const linux_map *m, uint64_t lo, uint64_t hi, bool bytes)
{
	uint32_t flags = (m->r ? ELF_PF_R : 0u) | (m->w ? ELF_PF_W : 0u) | (m->x ? ELF_PF_X : 0u);
	if (lo >= hi)
		return;
	vec_push(&x->seg, (elfcore_seg){.flags = flags,
				  .vaddr = lo,
				  .memsz = hi - lo,
				  .filesz = bytes ? hi - lo : 0});
	x->total += bytes ? hi - lo : 0;
}

/* Bytes come before none: a segment that has only its first pages in the file is one, not two. */
static void segments(dump *x)
{
	str rest = x->maps;
	linux_map m;
	size_t i = 0;
	while (linux_map_next(&rest, &m)) {
		uint64_t at = m.start;
		if (left_out(&m))
			continue;
		if (of_file(&m))
			vec_push(&x->file, (elfcore_file){m.start, m.end, m.offset, m.path});
		while (i < x->want.n && x->want.p[i].hi <= at)
			i++;
		for (; i < x->want.n && x->want.p[i].lo < m.end; i++) {
			span s = x->want.p[i];
			uint64_t lo = s.lo > at ? s.lo : at, hi = s.hi < m.end ? s.hi : m.end;
			add_segment(x, &m, at, lo, false);
			add_segment(x, &m, lo, hi, true);
			at = hi;
			if (s.hi > m.end)
				break; /* goes on in the next mapping */
		}
		if (at > m.start && x->seg.n && x->seg.p[x->seg.n - 1].filesz)
			x->seg.p[x->seg.n - 1].memsz += m.end - at;
		else
			add_segment(x, &m, at, m.end, false);
	}
}

/* ---- notes ---- */

static str try_text(dump *x, tgt_info what, uint64_t id)
{
	str s = {0};
	if (lx_text(x->c, what, id, &s) != ERR_OK)
		diag_clear(&x->c->d);
	return s;
}

static uint64_t status_number(str status, str name, unsigned base)
{
	str v = linux_status_value(status, name);
	uint64_t n = 0;
	(void)!str_u64(str_word(&v), base, &n);
	return n;
}

/* Fields of proc(5)'s stat by number. */
static uint64_t stat_field(str stat, unsigned number)
{
	size_t close = str_rchr(stat, ')');
	uint64_t v = 0;
	if (close == SIZE_MAX)
		return 0;
	str rest = str_skip(stat, close + 1);
	for (unsigned i = 3; i < number; i++)
		(void)str_word(&rest);
	(void)!str_u64(str_word(&rest), 10, &v);
	return v;
}

static void thread_facts(dump *x, unit_t tid, elfcore_thread *t)
{
	str stat = try_text(x, TGT_I_STAT, tid), status = try_text(x, TGT_I_STATUS, tid);
	uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK), us = 1000000 / (hz ? hz : 100);
	t->tid = tid;
	t->ppid = (uint32_t)stat_field(stat, 4);
	t->pgrp = (uint32_t)stat_field(stat, 5);
	t->sid = (uint32_t)stat_field(stat, 6);
	t->utime = stat_field(stat, 14) * us;
	t->stime = stat_field(stat, 15) * us;
	t->cutime = stat_field(stat, 16) * us;
	t->cstime = stat_field(stat, 17) * us;
	t->sigpend = status_number(status, STR("SigPnd"), 16);
	t->sighold = status_number(status, STR("SigBlk"), 16);
}

/* The signal that the session stands at, if there is one: a stop of the debugger's own is none. As
 * from the kernel every thread has its number, because readers take it from any of them. */
static void signal_facts(dump *x, elfcore_thread *t)
{
	const tgt_event *ev = &x->c->e->ev;
	if (ev->process_id != x->p->pid || !ev->signal)
		return;
	t->cursig = (uint16_t)ev->signal;
	t->signo = ev->signal;
	if (t->tid != ev->unit)
		return;
	str si = try_text(x, TGT_I_SIGINFO, t->tid);
	if (si.n == ELFCORE_SIGINFO_SIZE && (int)le32(si.p) == ev->signal) {
		t->siginfo = si;
		t->errnum = (int32_t)le32(si.p + 4);
		t->code = (int32_t)le32(si.p + 8);
	}
}

static void process_facts(dump *x, elfcore_process *s)
{
	uint64_t pid = x->p->pid;
	str stat = try_text(x, TGT_I_STAT, pid), status = try_text(x, TGT_I_STATUS, pid);
	str name = try_text(x, TGT_I_THREAD_NAME, pid), args = try_text(x, TGT_I_CMDLINE, pid);
	*s = (elfcore_process){.state = 'R', .pid = (uint32_t)pid};
	s->ppid = (uint32_t)stat_field(stat, 4);
	s->pgrp = (uint32_t)stat_field(stat, 5);
	s->sid = (uint32_t)stat_field(stat, 6);
	s->flags = stat_field(stat, 9);
	s->uid = (uint32_t)status_number(status, STR("Uid"), 10);
	s->gid = (uint32_t)status_number(status, STR("Gid"), 10);
	name = str_take(name, sizeof s->name - 1);
	memcpy(s->name, name.n ? name.p : "", name.n);
	args = str_take(args, sizeof s->args - 1);
	for (size_t i = 0; i < args.n; i++)
		s->args[i] = args.p[i] ? args.p[i] : ' ';
}

static void process_notes(dump *x, const elfcore_thread *t)
{
	elfcore_process s;
	uint8_t raw[ELFCORE_PRPSINFO_SIZE];
	str auxv = try_text(x, TGT_I_AUXV, x->p->pid);
	buf b;
	process_facts(x, &s);
	elfcore_prpsinfo_put(&s, raw);
	elfcore_note_add(&x->notes, "CORE", ELFCORE_PRPSINFO, raw, sizeof raw);
	if (t->siginfo.n)
		elfcore_note_add(&x->notes, "CORE", ELFCORE_SIGINFO, t->siginfo.p, t->siginfo.n);
	if (auxv.n)
		elfcore_note_add(&x->notes, "CORE", ELFCORE_AUXV, auxv.p, auxv.n);
	buf_init(&b, ELFCORE_MAX_NOTES);
	elfcore_files_put(x->file.p, x->file.n, &b);
	elfcore_note_add(&x->notes, "CORE", ELFCORE_FILE, b.p, b.n);
	buf_deinit(&b);
}

/* The process's notes stand behind the first thread's status, where the kernel has them. */
static err thread_notes(dump *x, unit_t tid)
{
	elfcore_thread t = {0};
	uint8_t raw[ELFCORE_PRSTATUS_SIZE];
	unsigned sets = X64_SET_GENERAL | X64_SET_BASES;
	engine *e = x->c->e;
	TRY(lang_cancelled(x->c));
	bool fp = eng_unit_regs(e, tid, sets | X64_SET_FLOAT, &t.regs, NULL) == ERR_OK;
	if (!fp && eng_unit_regs(e, tid, sets, &t.regs, NULL) != ERR_OK) {
		x->n_skipped++; /* it has ended, or stands in a system call that cannot be left */
		return ERR_OK;
	}
	thread_facts(x, tid, &t);
	signal_facts(x, &t);
	elfcore_prstatus_put(&t, fp, raw);
	elfcore_note_add(&x->notes, "CORE", ELFCORE_PRSTATUS, raw, sizeof raw);
	if (!x->n_threads++)
		process_notes(x, &t);
	if (fp)
		elfcore_note_add(
			&x->notes, "CORE", ELFCORE_FPREGSET, t.regs.fx, ELFCORE_FPREGSET_SIZE);
	str area = try_text(x, TGT_I_XSTATE, tid);
	if (area.n)
		elfcore_note_add(&x->notes, "LINUX", ELFCORE_XSTATE, area.p, area.n);
	return ERR_OK;
}

static unit_t first_thread(const dump *x)
{
	const engine *e = x->c->e;
	return e->ev.process_id == x->p->pid ? e->ev.unit
	       : e->ctx.process == x->p->pid ? e->ctx.unit
					     : x->p->threads.p[0]->tid;
}

static err want_stacks(dump *x)
{
	for (size_t i = 0; i < x->p->threads.n; i++) {
		x64_regs r = {0};
		TRY(lang_cancelled(x->c));
		if (eng_unit_regs(x->c->e, x->p->threads.p[i]->tid, X64_SET_CONTROL | X64_SET_BASES,
			    &r, NULL) != ERR_OK)
			continue;
		want_stack(x, r.gpr[X64_RSP]);
		/* the thread's control block, and its variables (errno) below that */
		uint64_t tcb = r.fs_base & ~(uint64_t)(ELFCORE_PAGE - 1);
		if (tcb > ELFCORE_PAGE && tcb < INT64_MAX)
			want(x, tcb - ELFCORE_PAGE, tcb + 2 * ELFCORE_PAGE);
	}
	return ERR_OK;
}

static err collect(dump *x)
{
	const eng_proc *p = x->p;
	unit_t first = first_thread(x);
	TRY(lx_text(x->c, TGT_I_MAPS, p->pid, &x->maps));
	TRY(want_stacks(x));
	want_memory(x);
	merge(x);
	segments(x);
	TRY(thread_notes(x, first));
	for (size_t i = 0; i < p->threads.n; i++)
		if (p->threads.p[i]->tid != first)
			TRY(thread_notes(x, p->threads.p[i]->tid));
	if (!x->n_threads)
		return cmd_fail(x->c, ERR_STATE, "no thread's registers can be read");
	if (x->notes.toobig)
		return cmd_fail(x->c, ERR_LIMIT, "too many threads for a core file");
	return ERR_OK;
}

/* ---- the file ---- */

static err io_failed(dump *x, const char *what)
{
	return cmd_fail(x->c, errno == EACCES || errno == EPERM ? ERR_DENIED : ERR_IO, "%s %s: %s",
		what, x->path, strerror(errno));
}

static err open_file(dump *x)
{
	x->path = x->final;
	if (x->overwrite)
		x->path = arena_printf(&x->c->a, "%s.%u.part", x->final, (unsigned)getpid());
	/* what was in a process's memory is nobody else's business */
	x->fd = open(x->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (x->fd < 0 && errno == EEXIST)
		return cmd_fail(
			x->c, ERR_EXISTS, "%s exists already; .dump /o overwrites it", x->path);
	return x->fd < 0 ? io_failed(x, "creating") : ERR_OK;
}

static err write_all(dump *x, const void *p, size_t n)
{
	const char *b = p;
	while (n) {
		ssize_t got = write(x->fd, b, n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return io_failed(x, "writing");
		b += got;
		n -= (size_t)got;
	}
	return ERR_OK;
}

static bool all_zero(const uint8_t *p, size_t n)
{
	return n && !p[0] && !memcmp(p, p + 1, n - 1);
}

static void progress(dump *x)
{
	uint64_t now = sys_now_ms();
	if (now - x->told_ms < PROGRESS_MS)
		return;
	x->told_ms = now;
	out_as(x->c->e, OUT_STATUS, "\rWriting: %llu of %llu MB",
		(unsigned long long)(x->done >> 20), (unsigned long long)(x->total >> 20));
}

/* Whole chunks that are zero become holes of the file. */
static err write_segment(dump *x, const elfcore_seg *s, uint8_t *chunk)
{
	engine *e = x->c->e;
	for (uint64_t at = 0; at < s->filesz;) {
		size_t n = s->filesz - at < CHUNK ? (size_t)(s->filesz - at) : CHUNK, have = 0;
		TRY(lang_cancelled(x->c));
		while (have < n) {
			size_t got = 0;
			uint64_t addr = s->vaddr + at + have;
			err r = tgt_read(e->t, as_process(x->p->pid), addr, chunk + have, n - have,
				&got, NULL);
			if (r == ERR_CANCELLED)
				return r;
			if (r != ERR_OK && r != ERR_FAULT)
				return cmd_fail(x->c, r, "reading the process's memory at %s: %s",
					out_addr(e, addr), err_name(r));
			if (r == ERR_FAULT || !got) { /* a page behind the end of its file */
				got = ELFCORE_PAGE - addr % ELFCORE_PAGE;
				if (got > n - have)
					got = n - have;
				memset(chunk + have, 0, got);
				x->lost += got;
			}
			have += got;
		}
		if (all_zero(chunk, n)) {
			if (lseek(x->fd, (off_t)n, SEEK_CUR) < 0)
				return io_failed(x, "writing");
		} else {
			TRY(write_all(x, chunk, n));
		}
		at += n;
		x->done += n;
		progress(x);
	}
	return ERR_OK;
}

static err write_file(dump *x)
{
	buf head;
	err r;
	buf_init(&head, (size_t)1 << 30);
	uint64_t size = elfcore_layout(x->seg.p, x->seg.n, buf_str(&x->notes), &head);
	r = head.toobig ? cmd_fail(x->c, ERR_LIMIT, "too many mappings for a core file")
			: write_all(x, head.p, head.n);
	buf_deinit(&head);
	TRY(r);
	uint8_t *chunk = arena_alloc(&x->c->a, CHUNK);
	for (size_t i = 0; i < x->seg.n; i++) {
		if (lseek(x->fd, (off_t)x->seg.p[i].off, SEEK_SET) < 0)
			return io_failed(x, "writing");
		TRY(write_segment(x, &x->seg.p[i], chunk));
	}
	if (ftruncate(x->fd, (off_t)size))
		return io_failed(x, "writing");
	return ERR_OK;
}

static err finish(dump *x, err r)
{
	uint64_t told = x->told_ms;
	if (told)
		out_as(x->c->e, OUT_STATUS, "\n");
	if (close(x->fd) && r == ERR_OK)
		r = io_failed(x, "writing");
	if (r == ERR_OK && x->path != x->final && rename(x->path, x->final))
		r = io_failed(x, "renaming");
	if (r != ERR_OK)
		unlink(x->path);
	return r;
}

static const char *kind_text(const dump *x)
{
	return x->all	     ? "full user dump"
	       : x->writable ? "user dump with writable memory"
	       : x->data     ? "mini user dump with data segments"
			     : "mini user dump";
}

static err write_dump(dump *x)
{
	engine *e = x->c->e;
	if (x->stamp)
		stamp(x);
	TRY(open_file(x));
	out(e, "Creating %s - %s\n", x->final, kind_text(x));
	x->told_ms = 0;
	uint64_t begun = sys_now_ms();
	x->told_ms = begun;
	err r = collect(x);
	if (r == ERR_OK)
		r = write_file(x);
	if (x->told_ms == begun)
		x->told_ms = 0;
	TRY(finish(x, r));
	if (x->n_skipped)
		out_as(e, OUT_WARNING, "%zu thread(s) could not be read and are not in it.\n",
			x->n_skipped);
	if (x->lost && x->all)
		out_as(e, OUT_WARNING, "0x%llx bytes could not be read and are zero in it.\n",
			(unsigned long long)x->lost);
	out(e, "Dump successfully written\n");
	return ERR_OK;
}

static err cmd_dump(cmd *c, cmd_call *call)
{
	engine *e = c->e;
	if (e->mode != ENG_USER)
		return cmd_fail(c, ERR_UNSUPPORTED,
			"Dumps are written of user-mode processes only: not of %s",
			e->mode == ENG_IMAGE ? "an image file" : "a kernel");
	dump x = {.c = c, .p = eng_proc_find(e, e->ctx.process), .fd = -1};
	if (!x.p || !x.p->threads.n)
		return cmd_fail(c, ERR_STATE, "there is no process");
	TRY(options(&x, call->args));
	buf_init(&x.notes, ELFCORE_MAX_NOTES);
	err r = write_dump(&x);
	buf_deinit(&x.notes);
	vec_deinit(&x.want);
	vec_deinit(&x.seg);
	vec_deinit(&x.file);
	return r;
}

static const cmd_row rows[] = {
	{".dump", ".dump [/o] [/u] [/m[Parts] | /ma | /f] FileName",
		"Write the process to a core file",
		"The file is an ELF core, which -z opens and gdb reads. The process is left as it "
		"is. "
		"Breakpoints are not in it.\n"
		"/m, also without an option: mini: the registers of all threads, their stacks and "
		"control blocks, what the "
		"system tells of the process, and of each module the first page, so that its file "
		"can be found "
		"and checked. /md adds the data segments of modules, /mw (or /mp) all private "
		"memory that can "
		"be written.\n"
		"/ma, /mf, /f: full: everything that can be read.\n"
		"/o: an existing file is replaced, once the new one is whole. /u: date, time and "
		"process id "
		"become part of the name.\n"
		"Ctrl+C ends it, and the unfinished file is removed. Not available in kernel "
		"mode.",
		CMD_ANY | CMD_TARGET, cmd_dump},
};

const cmd_family cmd_family_lx_dump = {"Dumps", rows, ARRAY_LEN(rows)};
