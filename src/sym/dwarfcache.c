/*
 * dwarfcache: see dwarfcache.h. A file's modification time is when it was last used; its name is
 * the build-id. Invariant: whatever goes wrong here costs a scan, never an answer.
 */
#include "sym/dwarfcache.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ID_MAX = 64, FILES_MAX = 65536, STALE_S = 3600 };

str dwarfcache_dir(arena *a)
{
	const char *x = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	if (x && x[0] == '/')
		return str_of(arena_printf(a, "%s/ringside/index", x));
	if (home && home[0] == '/')
		return str_of(arena_printf(a, "%s/.cache/ringside/index", home));
	return (str){"", 0};
}

static const char *path_of(arena *a, str dir, const uint8_t *id, size_t id_n)
{
	static const char digit[] = "0123456789abcdef";
	char hex[ID_MAX * 2 + 1] = "";
	if (!dir.n || !id_n || id_n > ID_MAX)
		return NULL;
	for (size_t i = 0; i < id_n; i++) {
		hex[2 * i] = digit[id[i] >> 4];
		hex[2 * i + 1] = digit[id[i] & 15];
	}
	return arena_printf(a, "%.*s/%s.dwx", STR_ARG(dir), hex);
}

bool dwarfcache_get(str dir, const uint8_t *id, size_t id_n, const dwx_sections *parts,
	size_t n_parts, dwx **ret)
{
	arena a;
	diag d;
	arena_init(&a);
	const char *path = path_of(&a, dir, id, id_n);
	err e = path ? dwx_open(path, id, id_n, parts, n_parts, ret, &d) : ERR_NOTFOUND;
	if (e == ERR_OK)
		(void)utimensat(AT_FDCWD, path, NULL, 0);
	/* Another version's, or the program's debug sections were changed in place. */
	else if (path && (e == ERR_CORRUPT || e == ERR_NOTFOUND))
		(void)unlink(path);
	arena_deinit(&a);
	return e == ERR_OK;
}

/* ---- keeping it small ---- */

typedef struct kept {
	char *name;
	uint64_t size;
	int64_t used; /* nanoseconds */
} kept;

static int by_use(const void *a, const void *b)
{
	const kept *x = a, *y = b;
	return x->used < y->used ? -1 : x->used > y->used;
}

/* Left by a process that died while writing? */
static bool is_stale(const char *name, const struct stat *st)
{
	return strstr(name, ".dwx.tmp") && time(NULL) - st->st_mtime > STALE_S;
}

/* Removes what was used longest ago until the others fit. */
static void trim(str dir, uint64_t max)
{
	arena a;
	VEC(kept) all = {0};
	uint64_t sum = 0;
	struct dirent *e;
	struct stat st;
	arena_init(&a);
	DIR *d = opendir(str_z(&a, dir));
	while (d && (e = readdir(d)) && all.n < FILES_MAX) {
		if (!str_iends(str_of(e->d_name), STR(".dwx")) && !strstr(e->d_name, ".dwx.tmp"))
			continue;
		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
			continue;
		if (is_stale(e->d_name, &st))
			(void)unlinkat(dirfd(d), e->d_name, 0);
		else if (str_iends(str_of(e->d_name), STR(".dwx"))) {
			int64_t used = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
			/* Blocks, not length: that is what the disk lacks. */
			uint64_t size = (uint64_t)st.st_blocks * 512;
			vec_push(&all, (kept){str_z(&a, str_of(e->d_name)), size, used});
			sum += size;
		}
	}
	if (all.n && sum > max)
		qsort(all.p, all.n, sizeof *all.p, by_use);
	for (size_t i = 0; i < all.n && sum > max; i++) {
		(void)unlinkat(dirfd(d), all.p[i].name, 0);
		sum -= all.p[i].size;
	}
	if (d)
		closedir(d);
	vec_deinit(&all);
	arena_deinit(&a);
}

bool dwarfcache_put(str dir, const uint8_t *id, size_t id_n, const dwx *x, uint64_t max, diag *d)
{
	arena a;
	dwx_stats st;
	dwx_stats_get(x, &st);
	if (!max)
		max = DWARFCACHE_MAX;
	if (st.bytes > max / 4) {
		(void)diag_set(d, ERR_LIMIT, "an index of %zu bytes is not kept", st.bytes);
		return false;
	}
	arena_init(&a);
	const char *path = path_of(&a, dir, id, id_n);
	err e = path ? ERR_OK : diag_set(d, ERR_ARG, "no directory or no build-id");
	if (e == ERR_OK)
		e = sys_mkdirs(str_z(&a, dir), d);
	if (e == ERR_OK) {
		/* First, so that a disk that is full of these has room again. */
		trim(dir, max - st.bytes);
		e = dwx_save(x, path, id, id_n, d);
	}
	arena_deinit(&a);
	return e == ERR_OK;
}

bool dwarfcache_check(str dir, const uint8_t *id, size_t id_n, const dwx *x, const cancel *c)
{
	if (dwx_verify(x, c) != ERR_CORRUPT)
		return true;
	arena a;
	arena_init(&a);
	const char *path = path_of(&a, dir, id, id_n);
	if (path)
		(void)unlink(path);
	arena_deinit(&a);
	return false;
}
