/*
 * host: see host.h. The one place that walks over the processes in /proc.
 */
#include "os/linux/host.h"

#include "os/linux/linux.h"

#include <dirent.h>
#include <stdlib.h>

static int by_pid(const void *a, const void *b)
{
	const linux_running *x = a, *y = b;
	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

err linux_host_processes(arena *a, linux_running **ret, size_t *n_ret, diag *d)
{
	VEC(linux_running) v = {0};
	DIR *dir = opendir("/proc");
	if (!dir)
		return diag_set(d, ERR_IO, "/proc cannot be read");
	for (struct dirent *entry; (entry = readdir(dir));) {
		linux_running r;
		linux_stat st;
		str text;
		if (!str_u64(str_of(entry->d_name), 10, &r.pid))
			continue;
		str path = str_printf(a, "/proc/%s/stat", entry->d_name);
		if (sys_read_file(a, path.p, 4096, &text, NULL) != ERR_OK ||
			linux_stat_parse(text, &st) != ERR_OK)
			continue;
		r.name = st.name;
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
