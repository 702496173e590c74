/*
 * pt_info: what /proc says of processes and threads. Knows no ptrace.
 */
#include "target/ptrace/pt.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { PT_TEXT_MAX = 64 * 1024 * 1024 };

static bool file_text(const char *path, buf *ret)
{
	char b[4096];
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	while ((n = read(fd, b, sizeof b)) > 0 && ret->n < PT_TEXT_MAX)
		buf_add(ret, b, (size_t)n);
	int why = errno;
	close(fd);
	errno = why;
	return n == 0;
}

bool pt_proc_text(pid_t pid, const char *name, buf *ret)
{
	char path[96];
	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
	return file_text(path, ret);
}

str pt_stat_word(str text, unsigned n)
{
	size_t close_at = str_rchr(text, ')');
	str rest = close_at == SIZE_MAX ? STR("") : str_skip(text, close_at + 1);
	for (unsigned i = 3; i < n; i++)
		(void)str_word(&rest);
	return str_word(&rest);
}

uint64_t pt_start_time(pid_t pid)
{
	buf b;
	uint64_t v = 0;
	buf_init(&b, 8192);
	if (pt_proc_text(pid, "stat", &b))
		(void)!str_u64(pt_stat_word(buf_str(&b), PT_STAT_START), 10, &v);
	buf_deinit(&b);
	return v;
}

char pt_task_state(pid_t tid)
{
	buf b;
	str s = STR("");
	buf_init(&b, 8192);
	if (pt_proc_text(tid, "stat", &b))
		s = pt_stat_word(buf_str(&b), PT_STAT_STATE);
	char c = s.n ? s.p[0] : 0;
	buf_deinit(&b);
	return c;
}

bool pt_status_field(pid_t pid, const char *field, unsigned base, uint64_t *ret)
{
	buf b;
	bool ok = false;
	size_t n = strlen(field);
	buf_init(&b, 64 * 1024);
	if (pt_proc_text(pid, "status", &b)) {
		str rest = buf_str(&b);
		while (rest.n && !ok) {
			size_t eol = str_chr(rest, '\n');
			str line = str_take(rest, eol);
			rest = eol == SIZE_MAX ? STR("") : str_skip(rest, eol + 1);
			if (line.n > n && line.p[n] == ':' && !memcmp(line.p, field, n)) {
				str words = str_skip(line, n + 1);
				ok = str_u64(str_word(&words), base, ret);
			}
		}
	}
	buf_deinit(&b);
	return ok;
}

int pt_elf_class(const char *path)
{
	unsigned char b[5] = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, b, sizeof b);
	close(fd);
	/* EI_CLASS: 1 32-bit, 2 64-bit; System V gABI, "ELF Identification" */
	return n == sizeof b && !memcmp(b, "\177ELF", 4) && (b[4] == 1 || b[4] == 2) ? b[4] : 0;
}

/* ---- maps ---- */

/* "begin-end rwxp offset dev inode   path" */
bool pt_region_next(str *text, pt_region *ret)
{
	while (text->n) {
		size_t eol = str_chr(*text, '\n');
		str line = str_take(*text, eol);
		*text = eol == SIZE_MAX ? STR("") : str_skip(*text, eol + 1);
		pt_region r = {0};
		str range = str_word(&line), perm = str_word(&line), off = str_word(&line);
		(void)str_word(&line);
		str inode = str_word(&line), path = str_trim(line);
		size_t dash = str_chr(range, '-');
		if (dash == SIZE_MAX || perm.n < 4 ||
			!str_u64(str_take(range, dash), 16, &r.begin) ||
			!str_u64(str_skip(range, dash + 1), 16, &r.end) ||
			!str_u64(off, 16, &r.offset) || !str_u64(inode, 10, &r.inode))
			continue;
		r.r = perm.p[0] == 'r';
		r.w = perm.p[1] == 'w';
		r.x = perm.p[2] == 'x';
		path = str_take(path, sizeof r.path - 1);
		memcpy(r.path, path.p, path.n);
		*ret = r;
		return true;
	}
	return false;
}

bool pt_region_at(pid_t pid, uint64_t addr, pt_region *ret)
{
	buf b;
	bool ok = false;
	buf_init(&b, 0);
	if (pt_proc_text(pid, "maps", &b)) {
		str text = buf_str(&b);
		pt_region r;
		while (!ok && pt_region_next(&text, &r))
			if (addr < r.end) {
				ok = true;
				*ret = r;
			}
	}
	buf_deinit(&b);
	return ok;
}

/* ---- tgt_info ---- */

static err nothing(diag *d, uint64_t id)
{
	if (errno == EACCES || errno == EPERM)
		return diag_set(
			d, ERR_DENIED, "/proc/%llu: %s", (unsigned long long)id, strerror(errno));
	return diag_set(d, ERR_NOTFOUND, "/proc/%llu: %s", (unsigned long long)id, strerror(errno));
}

size_t pt_path_len(const char *path, size_t n)
{
	static const char gone[] = " (deleted)";
	size_t tail = sizeof gone - 1;
	char whole[PATH_MAX];
	if (n <= tail || n >= sizeof whole || memcmp(path + n - tail, gone, tail) != 0)
		return n;
	memcpy(whole, path, n);
	whole[n] = 0;
	return access(whole, F_OK) ? n - tail : n;
}

static err link_text(uint64_t id, const char *name, buf *ret, diag *d)
{
	char path[64], b[PATH_MAX];
	snprintf(path, sizeof path, "/proc/%llu/%s", (unsigned long long)id, name);
	ssize_t n = readlink(path, b, sizeof b);
	if (n < 0)
		return nothing(d, id);
	buf_add(ret, b, pt_path_len(b, (size_t)n));
	return ERR_OK;
}

static int by_number(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;
	return (x > y) - (x < y);
}

static err files_text(uint64_t id, buf *ret, diag *d)
{
	char path[64];
	VEC(int) fds = {0};
	snprintf(path, sizeof path, "/proc/%llu/fd", (unsigned long long)id);
	DIR *dir = opendir(path);
	if (!dir)
		return nothing(d, id);
	for (struct dirent *e; (e = readdir(dir));)
		if (e->d_name[0] >= '0' && e->d_name[0] <= '9')
			vec_push(&fds, atoi(e->d_name));
	closedir(dir);
	if (fds.n)
		qsort(fds.p, fds.n, sizeof fds.p[0], by_number);
	for (size_t i = 0; i < fds.n; i++) {
		char name[64], b[PATH_MAX];
		snprintf(name, sizeof name, "/proc/%llu/fd/%d", (unsigned long long)id, fds.p[i]);
		ssize_t n = readlink(name, b, sizeof b);
		if (n >= 0)
			buf_addf(ret, "%d\t%.*s\n", fds.p[i], (int)n, b);
	}
	vec_deinit(&fds);
	return ERR_OK;
}

static err system_text(buf *ret, diag *d)
{
	struct utsname u;
	if (uname(&u) < 0)
		return diag_set(d, ERR_IO, "uname: %s", strerror(errno));
	buf_addf(ret, "%s %s %s", u.sysname, u.release, u.machine);
	return ERR_OK;
}

/* As large as the processor's state is: some 2.7 KB with AVX-512, 11 KB with AMX. */
static err xstate(pt_thread *th, buf *ret, diag *d)
{
	enum { AREA_MAX = 32768 };
	struct iovec v = {mem_alloc(AREA_MAX), AREA_MAX};
	bool ok = th && !ptrace(PTRACE_GETREGSET, th->tid, NT_X86_XSTATE, &v);
	int why = th ? errno : ESRCH;
	if (ok)
		buf_add(ret, v.iov_base, v.iov_len);
	mem_free(v.iov_base);
	if (!ok)
		return diag_set(d, ERR_NOTFOUND, "the extended state: %s", strerror(why));
	return ERR_OK;
}

err pt_info(tgt *t, tgt_info what, uint64_t id, buf *ret, diag *d)
{
	static const char *const name[] = {
		[TGT_I_CMDLINE] = "cmdline",
		[TGT_I_ENVIRON] = "environ",
		[TGT_I_AUXV] = "auxv",
		[TGT_I_MAPS] = "maps",
		[TGT_I_STAT] = "stat",
		[TGT_I_STATUS] = "status",
		[TGT_I_THREAD_NAME] = "comm",
	};
	pt *p = pt_of(t);
	char own[32];
	if (what == TGT_I_SYSTEM)
		return system_text(ret, d);
	/* Nothing is told of strangers. */
	pt_thread *th = pt_thread_find(p, (pid_t)id);
	if (id > INT_MAX || (!th && !pt_proc_find(p, (pid_t)id)))
		return diag_set(d, ERR_NOTFOUND, "%llu is not a process or thread of this target",
			(unsigned long long)id);
	pt_proc *pr = pt_proc_find(p, (pid_t)id);
	if (pr && what != TGT_I_STAT && what != TGT_I_STATUS && what != TGT_I_THREAD_NAME &&
		what != TGT_I_SIGINFO && what != TGT_I_XSTATE && what != TGT_I_THREAD_STAT)
		id = (uint64_t)pt_via(pr);
	switch (what) {
	case TGT_I_EXE:
		return link_text(id, "exe", ret, d);
	case TGT_I_FILES:
		return files_text(id, ret, d);
	case TGT_I_SIGINFO:
		if (!th || !th->has_si)
			return diag_set(d, ERR_NOTFOUND, "thread %llu was not stopped by a signal",
				(unsigned long long)id);
		buf_add(ret, &th->si, sizeof th->si);
		return ERR_OK;
	case TGT_I_XSTATE:
		return xstate(th, ret, d);
	case TGT_I_THREAD_STAT:
		snprintf(own, sizeof own, "task/%d/stat", (int)id);
		return pt_proc_text((pid_t)id, own, ret) ? ERR_OK : nothing(d, id);
	default:
		break;
	}
	if ((size_t)what >= ARRAY_LEN(name) || !name[what])
		return diag_set(d, ERR_UNSUPPORTED, "that is not known of a process");
	size_t before = ret->n;
	if (!pt_proc_text((pid_t)id, name[what], ret))
		return nothing(d, id);
	if (what == TGT_I_THREAD_NAME && ret->n > before && ret->p[ret->n - 1] == '\n')
		ret->n--;
	return ERR_OK;
}
