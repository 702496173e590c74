/* sys: see sys.h. The only file of this room that talks to the host. */
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

uint64_t sys_now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t sys_now_ms(void)
{
	return sys_now_us() / 1000;
}

static err errno_err(void)
{
	switch (errno) {
	case ENOENT:
	case ENOTDIR:
		return ERR_NOTFOUND;
	case EACCES:
	case EPERM:
		return ERR_DENIED;
	default:
		return ERR_IO;
	}
}

err sys_map_open(const char *path, sys_map *ret, diag *d)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0) {
		err e = diag_set(d, errno_err(), "%s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return e;
	}
	if (!S_ISREG(st.st_mode)) {
		close(fd);
		return diag_set(d, ERR_ARG, "%s: not a regular file", path);
	}
	sys_map m = {(const uint8_t *)"", 0};
	if (st.st_size) {
		void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (p == MAP_FAILED) {
			close(fd);
			return diag_set(d, ERR_IO, "%s: mapping it: %s", path, strerror(errno));
		}
		m = (sys_map){p, (size_t)st.st_size};
	}
	close(fd);
	*ret = m;
	return ERR_OK;
}

void sys_map_close(sys_map *m)
{
	if (m->n)
		munmap((void *)(uintptr_t)m->p, m->n);
	*m = (sys_map){0};
}

size_t sys_mapped(void)
{
	char text[128];
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	unsigned long total, resident, shared;
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	if (sscanf(text, "%lu %lu %lu", &total, &resident, &shared) != 3)
		return 0;
	return shared * (size_t)sysconf(_SC_PAGESIZE);
}

void sys_map_forget(const sys_map *m)
{
	if (m->n)
		(void)madvise((void *)(uintptr_t)m->p, m->n, MADV_DONTNEED);
}

err sys_read_file(arena *a, const char *path, size_t max, str *ret, diag *d)
{
	char chunk[16384];
	buf b;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return diag_set(d, errno_err(), "%s: %s", path, strerror(errno));
	/* Read, not mapped: the files of /proc have no size. */
	buf_init(&b, max);
	ssize_t n;
	while ((n = read(fd, chunk, sizeof chunk)) > 0 || (n < 0 && errno == EINTR))
		if (n > 0)
			buf_add(&b, chunk, (size_t)n);
	err e = ERR_OK;
	if (n < 0)
		e = diag_set(d, errno_err(), "%s: %s", path, strerror(errno));
	else if (b.toobig)
		e = diag_set(d, ERR_LIMIT, "%s: over the maximum of %zu bytes", path, max);
	else
		*ret = str_dup(a, buf_str(&b));
	buf_deinit(&b);
	close(fd);
	return e;
}

static bool write_all(int fd, str bytes)
{
	size_t done = 0;
	while (done < bytes.n) {
		ssize_t n = write(fd, bytes.p + done, bytes.n - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

err sys_write_pieces(const char *path, const str *piece, size_t n, diag *d)
{
	arena a;
	arena_init(&a);
	/* Two threads may write the same file. */
	char *tmp = arena_printf(&a, "%s.tmp%ld", path, (long)gettid());
	err e = ERR_OK;
	int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	bool ok = fd >= 0;
	for (size_t i = 0; i < n && ok; i++)
		ok = write_all(fd, piece[i]);
	if (!ok || close(fd) < 0 || rename(tmp, path) < 0) {
		e = diag_set(d, errno_err(), "writing %s: %s", path, strerror(errno));
		if (!ok && fd >= 0)
			close(fd);
		if (fd >= 0)
			unlink(tmp);
	}
	arena_deinit(&a);
	return e;
}

err sys_write_file(const char *path, str bytes, diag *d)
{
	return sys_write_pieces(path, &bytes, 1, d);
}

bool sys_is_dir(const char *path)
{
	struct stat st;
	return !stat(path, &st) && S_ISDIR(st.st_mode);
}

bool sys_is_file(const char *path)
{
	struct stat st;
	return !stat(path, &st) && S_ISREG(st.st_mode);
}

err sys_mkdirs(const char *path, diag *d)
{
	arena a;
	arena_init(&a);
	char *p = str_z(&a, str_of(path));
	err e = ERR_OK;
	for (char *s = p + 1; e == ERR_OK; s++) {
		if (*s && *s != '/')
			continue;
		char c = *s;
		*s = 0;
		if (mkdir(p, 0777) < 0 && errno != EEXIST)
			e = diag_set(
				d, errno_err(), "making the directory %s: %s", p, strerror(errno));
		*s = c;
		if (!c)
			break;
	}
	arena_deinit(&a);
	return e;
}
