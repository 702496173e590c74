/*
 * Indexes on disk: kept, found again, dropped when damaged or too many, and nothing fails when the
 * directory cannot be used.
 */
#include "dwarf_sections.h"
#include "sym/dwarfcache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[300];
static dwarf_file demo;
static dwx *built;

static str cache(void)
{
	static char path[400];
	snprintf(path, sizeof path, "%s/cache", dir);
	return str_of(path);
}

static const char *entry(uint8_t n)
{
	static char path[500];
	snprintf(path, sizeof path, "%s/cache/%02x%02x.dwx", dir, n, n);
	return path;
}

static bool put(uint8_t n, uint64_t max)
{
	uint8_t id[2] = {n, n};
	diag d = {0};
	bool ok = dwarfcache_put(cache(), id, 2, built, max, &d);
	assert_true(ok || d.text[0]);
	return ok;
}

static bool get(uint8_t n)
{
	uint8_t id[2] = {n, n};
	dwx *x = NULL;
	bool ok = dwarfcache_get(cache(), id, 2, &demo.s, 1, &x);
	dwx_destroy(x);
	return ok;
}

static void used_at(uint8_t n, time_t when)
{
	struct timespec t[2] = {{when, 0}, {when, 0}};
	assert_int_equal(utimensat(AT_FDCWD, entry(n), t, 0), 0);
}

static void kept_and_found(void **state)
{
	assert_false(get(1));
	assert_true(put(1, 0));
	assert_true(get(1));
	assert_false(get(2));
	/* looking marks it as used */
	struct stat st;
	used_at(1, 1000);
	assert_true(get(1));
	assert_int_equal(stat(entry(1), &st), 0);
	assert_true(st.st_mtime > 1000);
}

static void damaged_is_dropped(void **state)
{
	uint8_t id[2] = {3, 3}, c = 0xff;
	dwx *x = NULL;
	assert_true(put(3, 0));
	FILE *f = fopen(entry(3), "r+b");
	assert_non_null(f);
	assert_int_equal(fseek(f, 20, SEEK_SET), 0);
	assert_int_equal(fwrite(&c, 1, 1, f), 1);
	fclose(f);
	assert_false(get(3));
	assert_int_equal(access(entry(3), F_OK), -1);
	/* in the tables: seen by the check that runs behind */
	assert_true(put(3, 0));
	f = fopen(entry(3), "r+b");
	assert_int_equal(fseek(f, 300, SEEK_SET), 0);
	assert_int_equal(fwrite(&c, 1, 1, f), 1);
	fclose(f);
	assert_true(dwarfcache_get(cache(), id, 2, &demo.s, 1, &x));
	assert_false(dwarfcache_check(cache(), id, 2, x, NULL));
	assert_int_equal(access(entry(3), F_OK), -1);
	dwx_destroy(x);
	x = NULL;
	assert_true(put(3, 0));
	assert_true(dwarfcache_get(cache(), id, 2, &demo.s, 1, &x));
	assert_true(dwarfcache_check(cache(), id, 2, x, NULL));
	dwx_destroy(x);
	/* truncated to nothing */
	assert_int_equal(truncate(entry(3), 0), 0);
	assert_false(get(3));
}

static void oldest_go_first(void **state)
{
	dwx_stats st;
	struct stat file;
	dwx_stats_get(built, &st);
	for (uint8_t n = 10; n < 16; n++) {
		assert_true(put(n, 0));
		used_at(n, 1000 + n);
	}
	assert_int_equal(stat(entry(10), &file), 0);
	uint64_t one = (uint64_t)file.st_blocks * 512;
	used_at(12, 50000); /* used after the others */
	char stale[500];
	snprintf(stale, sizeof stale, "%s/cache/aabb.dwx.tmp77", dir);
	FILE *f = fopen(stale, "w");
	assert_non_null(f);
	fclose(f);
	struct timespec t[2] = {{1000, 0}, {1000, 0}};
	assert_int_equal(utimensat(AT_FDCWD, stale, t, 0), 0);
	unlink(entry(1));
	assert_true(put(16, one * 5));
	assert_int_equal(access(entry(10), F_OK), -1);
	assert_int_equal(access(entry(11), F_OK), -1);
	assert_int_equal(access(entry(12), F_OK), 0);
	assert_int_equal(access(entry(15), F_OK), 0);
	assert_int_equal(access(entry(16), F_OK), 0);
	assert_int_equal(access(stale, F_OK), -1);
	assert_false(put(17, st.bytes * 2)); /* more than a quarter of all */
	assert_int_equal(access(entry(17), F_OK), -1);
}

static void nothing_fails(void **state)
{
	uint8_t id[2] = {9, 9};
	dwx *x = NULL;
	diag d;
	static const char *const bad[] = {"/proc/nothing/here", "/dev/null/index", ""};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_false(dwarfcache_put(str_of(bad[i]), id, 2, built, 0, &d));
		assert_true(d.text[0]);
		assert_false(dwarfcache_put(str_of(bad[i]), id, 2, built, 0, NULL));
		assert_false(dwarfcache_get(str_of(bad[i]), id, 2, &demo.s, 1, &x));
	}
	assert_false(dwarfcache_put(cache(), id, 0, built, 0, &d));
	assert_false(dwarfcache_get(cache(), id, 0, &demo.s, 1, &x));
	assert_null(x);
	/* /dev/full cannot be written: neither could a full disk */
	char link[500];
	snprintf(link, sizeof link, "%s/full", dir);
	assert_int_equal(mkdir(link, 0500), 0);
	if (geteuid())
		assert_false(dwarfcache_put(str_of(link), id, 2, built, 0, &d));
}

static void directory(void **state)
{
	arena a;
	arena_init(&a);
	char *old = getenv("XDG_CACHE_HOME");
	char *keep = old ? mem_strdup(old) : NULL;
	setenv("XDG_CACHE_HOME", "/somewhere", 1);
	assert_true(str_eq(dwarfcache_dir(&a), STR("/somewhere/ringside/index")));
	unsetenv("XDG_CACHE_HOME");
	char *home = getenv("HOME") ? mem_strdup(getenv("HOME")) : NULL;
	setenv("HOME", "/home/me", 1);
	assert_true(str_eq(dwarfcache_dir(&a), STR("/home/me/.cache/ringside/index")));
	unsetenv("HOME");
	assert_int_equal(dwarfcache_dir(&a).n, 0);
	if (home)
		setenv("HOME", home, 1);
	if (keep)
		setenv("XDG_CACHE_HOME", keep, 1);
	mem_free(home);
	mem_free(keep);
	arena_deinit(&a);
}

static int begin(void **state)
{
	char cmd[2000];
	diag d = {0};
	snprintf(dir, sizeof dir, "%s/dwarf-cache-XXXXXX", getenv("RS_BUILD_ROOT"));
	if (!mkdtemp(dir))
		return -1;
	snprintf(cmd, sizeof cmd,
		"cd %s && D='%s/tests/unit/dwarf_demo' && gcc -g -w $D/plain.c $D/other.c -o demo",
		dir, getenv("RS_SOURCE_ROOT"));
	if (system(cmd))
		return -1;
	snprintf(cmd, sizeof cmd, "%s/demo", dir);
	if (dwarf_file_open(cmd, &demo, &d) != ERR_OK)
		return -1;
	return dwx_build(&demo.s, 1, NULL, &built, &d) == ERR_OK ? 0 : -1;
}

static int end(void **state)
{
	char cmd[500];
	dwx_destroy(built);
	sys_map_close(&demo.map);
	snprintf(cmd, sizeof cmd, "rm -rf '%s'", dir);
	return system(cmd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kept_and_found),
		cmocka_unit_test(damaged_is_dropped),
		cmocka_unit_test(oldest_go_first),
		cmocka_unit_test(nothing_fails),
		cmocka_unit_test(directory),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
