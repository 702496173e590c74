/*
 * host: see host.h. The one place that walks over the processes in /proc.
 */
#include "os/linux/host.h"

#include "os/linux/linux.h"

#include <dirent.h>
#include <stdlib.h>

enum { NAME_KEPT = 15, CMDLINE_MAX = 4 << 20 };

static int by_pid(const void *a, const void *b)
{
	const linux_running *x = a, *y = b;
	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

/* A long name's rest stands in the first word of the command line, if that begins with it. */
static void complete(arena *a, linux_running *p)
{
	str line;
	if (p->name.n < NAME_KEPT)
		return;
	p->cut = true;
	const char *path = str_printf(a, "/proc/%llu/cmdline", (unsigned long long)p->pid).p;
	if (sys_read_file(a, path, CMDLINE_MAX, &line, NULL) != ERR_OK)
		return;
	str word = str_base(str_take(line, strnlen(line.p, line.n)));
	if (str_starts(word, p->name)) {
		p->name = word;
		p->cut = false;
	}
}

bool linux_is_called(const linux_running *p, str name)
{
	return str_eq(p->name, p->cut ? str_take(name, p->name.n) : name);
}

err linux_host_processes(arena *a, linux_running **ret, size_t *n_ret, diag *d)
{
	VEC(linux_running) v = {0};
	DIR *dir = opendir("/proc");
	if (!dir)
		return diag_set(d, ERR_IO, "/proc cannot be read");
	for (struct dirent *entry; (entry = readdir(dir));) {
		linux_running r = {0};
		linux_stat st;
		str text;
		if (!str_u64(str_of(entry->d_name), 10, &r.pid))
			continue;
		str path = str_printf(a, "/proc/%s/stat", entry->d_name);
		if (sys_read_file(a, path.p, 4096, &text, NULL) != ERR_OK ||
			linux_stat_parse(text, &st) != ERR_OK)
			continue;
		r.name = st.name;
		complete(a, &r);
		vec_push(&v, r);
	}
	closedir(dir);
	if (v.n)
		qsort(v.p, v.n, sizeof *v.p, by_pid);
	*ret = arena_dup(a, v.n ? (void *)v.p : "", v.n * sizeof *v.p);
	*n_ret = v.n;
	vec_deinit(&v);
	return ERR_OK;
}
