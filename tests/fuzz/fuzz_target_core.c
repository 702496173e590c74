/*
 * ELF cores: the input as a core file, opened as a target; every event, text, thread and region
 * asked for. Seeds: make_core_seeds.
 */
#include "base/reader.h"
#include "target/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { THREADS = 16, REGIONS = 64 };

static void texts(tgt *t, uint64_t id)
{
	for (int what = TGT_I_EXE; what <= TGT_I_XSTATE; what++) {
		buf b;
		buf_init(&b, 0);
		(void)!tgt_info_get(t, (tgt_info)what, id, &b, NULL);
		buf_deinit(&b);
	}
}

/* Both ends of every region that the maps name. */
static void regions(tgt *t, uint64_t pid)
{
	buf b;
	buf_init(&b, 0);
	if (tgt_info_get(t, TGT_I_MAPS, pid, &b, NULL) != ERR_OK)
		abort(); /* every core has them */
	str rest = buf_str(&b);
	for (int i = 0; i < REGIONS && rest.n; i++) {
		size_t eol = str_chr(rest, '\n'), n, dash;
		uint64_t lo, hi;
		uint8_t raw[600];
		str line = str_take(rest, eol), range = str_word(&line);
		rest = str_skip(rest, eol + 1);
		dash = str_chr(range, '-');
		if (dash == SIZE_MAX || !str_u64(str_take(range, dash), 16, &lo) ||
			!str_u64(str_skip(range, dash + 1), 16, &hi) || lo >= hi)
			abort();
		(void)!tgt_read(t, as_process(pid), lo - 8, raw, sizeof raw, &n, NULL);
		(void)!tgt_read(t, as_process(pid), lo, raw, sizeof raw, &n, NULL);
		(void)!tgt_read(t, as_current(), hi - 100, raw, sizeof raw, &n, NULL);
	}
	buf_deinit(&b);
}

static void ask(tgt *t)
{
	tgt_event ev;
	tgt_unit u[THREADS];
	uint64_t pid = 0;
	size_t n = 0;
	for (int i = 0; i < 8 && tgt_wait(t, 0, &ev, NULL) == ERR_OK; i++) {
		if (ev.kind == TGT_EV_TIMEOUT)
			break;
		(void)!tgt_resume(t, &(tgt_run){.unit = ev.unit}, NULL);
	}
	if (tgt_processes(t, &pid, 1, &n) != ERR_OK || n != 1 || !pid)
		abort();
	if (tgt_units(t, pid, u, THREADS, &n) != ERR_OK || !n)
		abort();
	texts(t, pid);
	for (size_t i = 0; i < n && i < THREADS; i++) {
		x64_regs r = {0};
		if (tgt_regs_get(t, u[i].unit, X64_SET_GENERAL | X64_SET_BASES, &r, NULL) != ERR_OK)
			abort();
		texts(t, u[i].unit);
	}
	regions(t, pid);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64];
	tgt *t;
	int fd = memfd_create("core", 0);
	if (fd < 0)
		return 0;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (write(fd, data, size) == (ssize_t)size && core_open(path, NULL, &t, NULL) == ERR_OK) {
		ask(t);
		tgt_close(t, TGT_DETACH);
	}
	close(fd);
	return 0;
}
