/*
 * core_text: what a core's notes tell of its process, as the texts that /proc would have given.
 * What no note tells is said to be unknown, never made up. See core.h.
 *
 * The words of the command line and of the environment are no note's (PRPSINFO has 80 characters
 * of them): they are found on the stack, where the kernel put them: argc, the arguments, NULL, the
 * environment, NULL, and the auxiliary vector, which is known and can be searched for (the psABI's
 * "Initial Stack and Register State").
 */
#include "target/core/core.h"

#include "fmt/elf.h"

#include <elf.h>
#include <unistd.h>

enum { WORDS_MAX = 1 << 16, WORD_MAX = 1 << 17 };

static err unknown(diag *d, const char *what)
{
	return diag_set(d, ERR_NOTFOUND, "a core file does not tell %s", what);
}

const core_region *core_exe_region(const core *c)
{
	uint64_t at;
	const core_region *r = NULL;
	if (elf_auxv(c->c.auxv, AT_PHDR, &at) || elf_auxv(c->c.auxv, AT_ENTRY, &at))
		r = core_region_at(c, at);
	return r && r->map ? r : NULL;
}

/* ---- words on the stack ---- */

static const core_region *stack_of(const core *c)
{
	uint64_t at;
	if (!elf_auxv(c->c.auxv, AT_RANDOM, &at) && !elf_auxv(c->c.auxv, AT_EXECFN, &at))
		return NULL;
	return core_region_at(c, at);
}

/* Pointers at [first, last) to strings, put one after the other. */
static char *words_at(core *c, uint64_t first, uint64_t last, size_t *n_ret)
{
	buf b;
	buf_init(&b, CORE_TEXT_MAX);
	for (uint64_t at = first; at < last && !b.toobig; at += 8) {
		uint8_t raw[8], ch;
		if (!core_bytes(c, at, raw, 8))
			break;
		uint64_t p = le64(raw);
		for (size_t n = 0; n < WORD_MAX && core_bytes(c, p + n, &ch, 1) && ch; n++)
			buf_addc(&b, (char)ch);
		buf_addc(&b, 0);
	}
	char *ret = arena_dup(&c->a, b.n ? b.p : "", b.n);
	*n_ret = b.n;
	buf_deinit(&b);
	return ret;
}

/* From a zero word at `end` back to the first of the pointers before it. */
static uint64_t pointers_back(core *c, uint64_t end, uint64_t stop_at, bool counted)
{
	uint8_t raw[8];
	for (uint64_t n = 0, at = end; n < WORDS_MAX && at - 8 >= stop_at && at >= 8;
		n++, at -= 8) {
		if (!core_bytes(c, at - 8, raw, 8))
			return 0;
		uint64_t v = le64(raw);
		/* the word before the arguments is their number, which no pointer is */
		if (counted ? v == n : !v)
			return at;
	}
	return 0;
}

static void words_find(core *c)
{
	const core_region *r = stack_of(c);
	size_t probe = c->c.auxv.n < 64 ? c->c.auxv.n : 64;
	if (c->args || !r || !r->have || probe < 32)
		return;
	c->args = c->env = "";
	const uint8_t *base = c->file.p + r->off;
	const uint8_t *hit = memmem(base, (size_t)r->have, c->c.auxv.p, probe);
	if (!hit || hit - base < 32)
		return;
	uint64_t env_end = r->start + (uint64_t)(hit - base) - 8; /* its NULL */
	uint64_t env = pointers_back(c, env_end, r->start, false);
	uint64_t args = env > r->start + 16 ? pointers_back(c, env - 8, r->start, true) : 0;
	if (!args)
		return;
	c->args = words_at(c, args, env - 8, &c->args_n);
	c->env = words_at(c, env, env_end, &c->env_n);
}

/* ---- maps ---- */

static str region_name(const core *c, const core_region *r)
{
	uint64_t vdso;
	if (r->map)
		return r->map->path;
	if (elf_auxv(c->c.auxv, AT_SYSINFO_EHDR, &vdso) && core_region_at(c, vdso) == r)
		return STR("[vdso]");
	if (stack_of(c) == r)
		return STR("[stack]");
	/* its place is fixed: Documentation/arch/x86/x86_64/mm.rst */
	return r->start == 0xffffffffff600000 ? STR("[vsyscall]") : STR("");
}

/* Pieces of one mapping: a small dump has the part of a stack that was in use, and not the rest. */
static bool goes_on(const core_region *r, const core_region *next)
{
	return r->end == next->start && r->flags == next->flags && r->map == next->map &&
	       (!r->map || r->map_off + (r->end - r->start) == next->map_off);
}

static err maps_text(const core *c, buf *b)
{
	for (size_t i = 0; i < c->nregion; i++) {
		const core_region *r = &c->region[i];
		str name = region_name(c, r);
		while (i + 1 < c->nregion && goes_on(&c->region[i], &c->region[i + 1]))
			if (!name.n)
				name = region_name(c, &c->region[++i]);
			else
				i++;
		buf_addf(b, "%llx-%llx %c%c%cp %08llx 00:00 0", (unsigned long long)r->start,
			(unsigned long long)c->region[i].end, r->flags & ELF_PF_R ? 'r' : '-',
			r->flags & ELF_PF_W ? 'w' : '-', r->flags & ELF_PF_X ? 'x' : '-',
			(unsigned long long)r->map_off);
		if (name.n)
			buf_addc(b, ' ');
		/* a line's end in a name is \012 there too */
		for (size_t k = 0; k < name.n; k++)
			if (name.p[k] == '\n')
				buf_addz(b, "\\012");
			else
				buf_addc(b, name.p[k]);
		buf_addc(b, '\n');
	}
	return ERR_OK;
}

/* ---- stat and status ---- */

static const elfcore_thread *thread_of(const core *c, uint64_t id)
{
	for (size_t i = 0; i < c->c.nthread; i++)
		if (c->c.thread[i].tid == id)
			return &c->c.thread[i];
	/* The process itself, when its first thread had ended. */
	return id == c->pid ? &c->c.thread[0] : NULL;
}

static const char *name_of(const core *c, uint64_t id)
{
	return id == c->pid && c->c.has_process ? c->c.process.name : "";
}

static char state_of(const core *c, const elfcore_thread *t)
{
	return t == c->c.thread && c->c.has_process && c->c.process.state ? c->c.process.state
									  : 'S';
}

/* Fields of proc(5) up to 22; those that no note has are 0. */
static err stat_text(const core *c, const elfcore_thread *t, uint64_t id, buf *b)
{
	uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK), scale = 1000000 / (hz ? hz : 100);
	buf_addf(b, "%llu (%s) %c %u %u %u 0 0 %llu 0 0 0 0 %llu %llu %llu %llu 0 0 %zu 0 0\n",
		(unsigned long long)id, name_of(c, id), state_of(c, t), t->ppid, t->pgrp, t->sid,
		(unsigned long long)(c->c.has_process ? c->c.process.flags : 0),
		(unsigned long long)(t->utime / scale), (unsigned long long)(t->stime / scale),
		(unsigned long long)(t->cutime / scale), (unsigned long long)(t->cstime / scale),
		c->c.nthread);
	return ERR_OK;
}

static err status_text(const core *c, const elfcore_thread *t, uint64_t id, buf *b)
{
	if (*name_of(c, id))
		buf_addf(b, "Name:\t%s\n", name_of(c, id));
	buf_addf(b, "State:\t%c\nTgid:\t%llu\nPid:\t%llu\nPPid:\t%u\n", state_of(c, t),
		(unsigned long long)c->pid, (unsigned long long)id, t->ppid);
	if (c->c.has_process)
		buf_addf(b, "Uid:\t%u\nGid:\t%u\n", c->c.process.uid, c->c.process.gid);
	buf_addf(b, "Threads:\t%zu\nSigPnd:\t%016llx\nSigBlk:\t%016llx\n", c->c.nthread,
		(unsigned long long)t->sigpend, (unsigned long long)t->sighold);
	return ERR_OK;
}

/* ---- the table's function ---- */

static err exe_text(core *c, buf *b, diag *d)
{
	const core_region *r = core_exe_region(c);
	if (!r)
		return unknown(d, "the program's file");
	buf_adds(b, r->map->path);
	return ERR_OK;
}

static err cmdline_text(core *c, buf *b, diag *d)
{
	words_find(c);
	if (c->args_n) {
		buf_add(b, c->args, c->args_n);
		return ERR_OK;
	}
	if (!c->c.has_process)
		return unknown(d, "the command line");
	/* cut, and with blanks between the words: better than none */
	for (const char *p = c->c.process.args; *p; p++)
		buf_addc(b, *p == ' ' ? 0 : *p);
	buf_addc(b, 0);
	return ERR_OK;
}

err core_info(tgt *t, tgt_info what, uint64_t id, buf *ret, diag *d)
{
	core *c = core_of(t);
	const elfcore_thread *th = thread_of(c, id);
	if (what == TGT_I_SYSTEM) {
		buf_addz(ret, "Linux x86_64, from a core file");
		return ERR_OK;
	}
	if (!th)
		return diag_set(d, ERR_NOTFOUND, "%llu is not a process or thread of this core",
			(unsigned long long)id);
	switch (what) {
	case TGT_I_EXE:
		return exe_text(c, ret, d);
	case TGT_I_CMDLINE:
		return cmdline_text(c, ret, d);
	case TGT_I_ENVIRON:
		words_find(c);
		if (!c->env_n)
			return unknown(d, "the environment");
		buf_add(ret, c->env, c->env_n);
		return ERR_OK;
	case TGT_I_AUXV:
		if (!c->c.auxv.n)
			return unknown(d, "the auxiliary vector");
		buf_adds(ret, c->c.auxv);
		return ERR_OK;
	case TGT_I_MAPS:
		return maps_text(c, ret);
	case TGT_I_STAT:
	case TGT_I_THREAD_STAT:
		return stat_text(c, th, id, ret);
	case TGT_I_STATUS:
		return status_text(c, th, id, ret);
	case TGT_I_THREAD_NAME:
		if (!*name_of(c, id))
			return unknown(d, "this thread's name");
		buf_addz(ret, name_of(c, id));
		return ERR_OK;
	case TGT_I_SIGINFO:
		if (!th->siginfo.n)
			return unknown(d, "what stopped this thread");
		buf_adds(ret, th->siginfo);
		return ERR_OK;
	case TGT_I_XSTATE:
		if (!th->xstate.n)
			return unknown(d, "this thread's extended state");
		buf_adds(ret, th->xstate);
		return ERR_OK;
	case TGT_I_FILES:
		return unknown(d, "what files were open");
	default:
		return diag_set(d, ERR_UNSUPPORTED, "that is not known of a core");
	}
}
