/*
 * core_build: small cores made for tests: threads, segments with bytes, mapped files.
 */
#ifndef TEST_CORE_BUILD_H
#define TEST_CORE_BUILD_H

#include "base/sys.h"
#include "fmt/elf.h"
#include "fmt/elfcore.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { CB_MAX = 16 };

typedef struct core_build {
	elfcore_seg seg[CB_MAX];
	const void *bytes[CB_MAX];
	size_t nseg;
	elfcore_file file[CB_MAX];
	size_t nfile;
	elfcore_thread thread[CB_MAX];
	size_t nthread;
	uint8_t auxv[256];
	size_t auxv_n;
	uint8_t siginfo[ELFCORE_SIGINFO_SIZE];
	bool has_siginfo, no_process;
	char path[64];
} core_build;

static inline void cb_seg(
	core_build *b, uint64_t addr, uint64_t size, const void *bytes, uint64_t n, uint32_t flags)
{
	b->bytes[b->nseg] = bytes;
	b->seg[b->nseg++] =
		(elfcore_seg){.flags = flags, .vaddr = addr, .memsz = size, .filesz = n};
}

static inline void cb_auxv(core_build *b, uint64_t type, uint64_t value)
{
	put64(b->auxv + b->auxv_n, type);
	put64(b->auxv + b->auxv_n + 8, value);
	b->auxv_n += 16;
}

static inline elfcore_thread *cb_thread(core_build *b, uint32_t tid, uint64_t rip, uint64_t rsp)
{
	elfcore_thread *t = &b->thread[b->nthread++];
	*t = (elfcore_thread){.tid = tid, .ppid = 1, .regs.restart = UINT64_MAX};
	t->regs.rip = rip;
	t->regs.gpr[X64_RSP] = rsp;
	t->regs.eflags = 0x202;
	t->regs.seg[X64_CS] = 0x33;
	return t;
}

/* Writes it to b->path, `cut` bytes of it if not 0. */
static inline void cb_write(core_build *b, size_t cut)
{
	uint8_t prs[ELFCORE_PRSTATUS_SIZE], psi[ELFCORE_PRPSINFO_SIZE];
	elfcore_process p = {.state = 'R',
		.pid = b->nthread ? b->thread[0].tid : 0,
		.ppid = 1,
		.uid = 1000,
		.name = "made",
		.args = "made up"};
	buf notes, body, out;
	buf_init(&notes, 0);
	buf_init(&body, 0);
	buf_init(&out, 0);
	for (size_t i = 0; i < b->nthread; i++) {
		elfcore_prstatus_put(&b->thread[i], true, prs);
		elfcore_note_add(&notes, "CORE", ELFCORE_PRSTATUS, prs, sizeof prs);
		if (!i && !b->no_process) {
			elfcore_prpsinfo_put(&p, psi);
			elfcore_note_add(&notes, "CORE", ELFCORE_PRPSINFO, psi, sizeof psi);
		}
		if (!i && b->has_siginfo)
			elfcore_note_add(
				&notes, "CORE", ELFCORE_SIGINFO, b->siginfo, sizeof b->siginfo);
		if (!i && b->auxv_n)
			elfcore_note_add(&notes, "CORE", ELFCORE_AUXV, b->auxv, b->auxv_n);
		if (!i && b->nfile) {
			elfcore_files_put(b->file, b->nfile, &body);
			elfcore_note_add(&notes, "CORE", ELFCORE_FILE, body.p, body.n);
		}
		elfcore_note_add(&notes, "CORE", ELFCORE_FPREGSET, b->thread[i].regs.fx, 512);
	}
	uint64_t size = elfcore_layout(b->seg, b->nseg, buf_str(&notes), &out);
	for (size_t i = 0; i < b->nseg; i++) {
		while (out.n < b->seg[i].off)
			buf_addc(&out, 0);
		buf_add(&out, b->bytes[i], (size_t)b->seg[i].filesz);
	}
	while (out.n < size)
		buf_addc(&out, 0);
	if (!b->path[0]) {
		snprintf(b->path, sizeof b->path, "/tmp/ringside-core-XXXXXX");
		int fd = mkstemp(b->path);
		if (fd < 0)
			abort();
		close(fd);
	}
	str all = buf_str(&out);
	if (cut)
		all = str_take(all, cut);
	if (sys_write_file(b->path, all, NULL) != ERR_OK)
		abort();
	buf_deinit(&notes);
	buf_deinit(&body);
	buf_deinit(&out);
}

#endif
