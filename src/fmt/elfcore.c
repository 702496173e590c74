/*
 * elfcore: see elfcore.h.
 */
#include "fmt/elfcore.h"

#include "fmt/elf.h"

enum {
	EHDR = 64,
	PHDR = 56,
	SHDR = 64,
	NHDR = 12,
	PN_XNUM = 0xffff /* the number of program headers stands in section 0 (elf(5)) */
};

/* ---- the registers of struct user_regs_struct, asm/user_64.h ---- */

enum { NREGS = 27 };

typedef enum where { GPR, RIP, FLAGS, SEG, BASE_FS, BASE_GS, ORIG } where;

static const struct {
	uint8_t kind, index;
} reg_order[NREGS] = {
	{GPR, X64_R15},
	{GPR, X64_R14},
	{GPR, X64_R13},
	{GPR, X64_R12},
	{GPR, X64_RBP},
	{GPR, X64_RBX},
	{GPR, X64_R11},
	{GPR, X64_R10},
	{GPR, X64_R9},
	{GPR, X64_R8},
	{GPR, X64_RAX},
	{GPR, X64_RCX},
	{GPR, X64_RDX},
	{GPR, X64_RSI},
	{GPR, X64_RDI},
	{ORIG, 0},
	{RIP, 0},
	{SEG, X64_CS},
	{FLAGS, 0},
	{GPR, X64_RSP},
	{SEG, X64_SS},
	{BASE_FS, 0},
	{BASE_GS, 0},
	{SEG, X64_DS},
	{SEG, X64_ES},
	{SEG, X64_FS},
	{SEG, X64_GS},
};

static void regs_get(elfcore_thread *t, const uint8_t *p)
{
	x64_regs *r = &t->regs;
	for (size_t i = 0; i < NREGS; i++) {
		uint64_t v = le64(p + i * 8);
		unsigned k = reg_order[i].index;
		switch ((where)reg_order[i].kind) {
		case GPR:
			r->gpr[k] = v;
			break;
		case RIP:
			r->rip = v;
			break;
		case FLAGS:
			r->eflags = (uint32_t)v;
			break;
		case SEG:
			r->seg[k] = (uint16_t)v;
			break;
		case BASE_FS:
			r->fs_base = v;
			break;
		case BASE_GS:
			r->gs_base = v;
			break;
		case ORIG:
			r->restart = v;
			break;
		}
	}
	r->valid |= X64_SET_GENERAL | X64_SET_BASES;
}

static void regs_put(const elfcore_thread *t, uint8_t *p)
{
	const x64_regs *r = &t->regs;
	for (size_t i = 0; i < NREGS; i++) {
		unsigned k = reg_order[i].index;
		uint64_t v = 0;
		switch ((where)reg_order[i].kind) {
		case GPR:
			v = r->gpr[k];
			break;
		case RIP:
			v = r->rip;
			break;
		case FLAGS:
			v = r->eflags;
			break;
		case SEG:
			v = r->seg[k];
			break;
		case BASE_FS:
			v = r->fs_base;
			break;
		case BASE_GS:
			v = r->gs_base;
			break;
		case ORIG:
			v = r->restart;
			break;
		}
		put64(p + i * 8, v);
	}
}

/* ---- struct elf_prstatus, struct elf_prpsinfo (linux/elfcore.h) ---- */

enum {
	PRS_SIGNO = 0,
	PRS_CODE = 4,
	PRS_ERRNO = 8,
	PRS_CURSIG = 12,
	PRS_SIGPEND = 16,
	PRS_SIGHOLD = 24,
	PRS_PID = 32,
	PRS_PPID = 36,
	PRS_PGRP = 40,
	PRS_SID = 44,
	PRS_UTIME = 48, /* struct timeval: seconds, microseconds */
	PRS_STIME = 64,
	PRS_CUTIME = 80,
	PRS_CSTIME = 96,
	PRS_REGS = 112,
	PRS_FPVALID = 328,
	PSI_STATE = 0,
	PSI_SNAME = 1,
	PSI_ZOMB = 2,
	PSI_NICE = 3,
	PSI_FLAG = 8,
	PSI_UID = 16,
	PSI_GID = 20,
	PSI_PID = 24,
	PSI_PPID = 28,
	PSI_PGRP = 32,
	PSI_SID = 36,
	PSI_FNAME = 40,
	PSI_ARGS = 56
};

static uint64_t time_get(const uint8_t *p)
{
	uint64_t s = le64(p), us = le64(p + 8);
	return s < UINT64_MAX / 2000000 && us < 1000000 ? s * 1000000 + us : 0;
}

static void time_put(uint8_t *p, uint64_t us)
{
	put64(p, us / 1000000);
	put64(p + 8, us % 1000000);
}

static void prstatus_get(elfcore_thread *t, const uint8_t *p)
{
	t->signo = (int32_t)le32(p + PRS_SIGNO);
	t->code = (int32_t)le32(p + PRS_CODE);
	t->errnum = (int32_t)le32(p + PRS_ERRNO);
	t->cursig = le16(p + PRS_CURSIG);
	t->sigpend = le64(p + PRS_SIGPEND);
	t->sighold = le64(p + PRS_SIGHOLD);
	t->tid = le32(p + PRS_PID);
	t->ppid = le32(p + PRS_PPID);
	t->pgrp = le32(p + PRS_PGRP);
	t->sid = le32(p + PRS_SID);
	t->utime = time_get(p + PRS_UTIME);
	t->stime = time_get(p + PRS_STIME);
	t->cutime = time_get(p + PRS_CUTIME);
	t->cstime = time_get(p + PRS_CSTIME);
	regs_get(t, p + PRS_REGS);
}

void elfcore_prstatus_put(const elfcore_thread *t, bool fp_valid, uint8_t to[ELFCORE_PRSTATUS_SIZE])
{
	memset(to, 0, ELFCORE_PRSTATUS_SIZE);
	put32(to + PRS_SIGNO, (uint32_t)t->signo);
	put32(to + PRS_CODE, (uint32_t)t->code);
	put32(to + PRS_ERRNO, (uint32_t)t->errnum);
	put16(to + PRS_CURSIG, t->cursig);
	put64(to + PRS_SIGPEND, t->sigpend);
	put64(to + PRS_SIGHOLD, t->sighold);
	put32(to + PRS_PID, t->tid);
	put32(to + PRS_PPID, t->ppid);
	put32(to + PRS_PGRP, t->pgrp);
	put32(to + PRS_SID, t->sid);
	time_put(to + PRS_UTIME, t->utime);
	time_put(to + PRS_STIME, t->stime);
	time_put(to + PRS_CUTIME, t->cutime);
	time_put(to + PRS_CSTIME, t->cstime);
	regs_put(t, to + PRS_REGS);
	put32(to + PRS_FPVALID, fp_valid);
}

static void prpsinfo_get(elfcore_process *s, const uint8_t *p)
{
	*s = (elfcore_process){.state = (char)p[PSI_SNAME], .nice = p[PSI_NICE]};
	if (s->state < 'A' || s->state > 'z')
		s->state = '?';
	s->flags = le64(p + PSI_FLAG);
	s->uid = le32(p + PSI_UID);
	s->gid = le32(p + PSI_GID);
	s->pid = le32(p + PSI_PID);
	s->ppid = le32(p + PSI_PPID);
	s->pgrp = le32(p + PSI_PGRP);
	s->sid = le32(p + PSI_SID);
	memcpy(s->name, p + PSI_FNAME, sizeof s->name - 1);
	memcpy(s->args, p + PSI_ARGS, sizeof s->args - 1);
}

void elfcore_prpsinfo_put(const elfcore_process *s, uint8_t to[ELFCORE_PRPSINFO_SIZE])
{
	static const char states[] = "RSDTZW"; /* the kernel's order of pr_state */
	const char *at = s->state ? strchr(states, s->state) : NULL;
	memset(to, 0, ELFCORE_PRPSINFO_SIZE);
	to[PSI_STATE] = at ? (uint8_t)(at - states) : 0;
	to[PSI_SNAME] = (uint8_t)s->state;
	to[PSI_ZOMB] = s->state == 'Z';
	to[PSI_NICE] = s->nice;
	put64(to + PSI_FLAG, s->flags);
	put32(to + PSI_UID, s->uid);
	put32(to + PSI_GID, s->gid);
	put32(to + PSI_PID, s->pid);
	put32(to + PSI_PPID, s->ppid);
	put32(to + PSI_PGRP, s->pgrp);
	put32(to + PSI_SID, s->sid);
	memcpy(to + PSI_FNAME, s->name, sizeof s->name - 1);
	memcpy(to + PSI_ARGS, s->args, sizeof s->args - 1);
}

/* ---- notes ---- */

typedef struct note {
	str name, desc;
	uint32_t type;
} note;

/* False at the end; *cut if what is left is no note. */
static bool note_next(reader *r, note *ret, bool *cut)
{
	if (!rd_left(r))
		return false;
	uint32_t name_n = rd_u32(r), desc_n = rd_u32(r);
	ret->type = rd_u32(r);
	const uint8_t *name = rd_bytes(r, name_n);
	rd_align(r, 4);
	const uint8_t *desc = rd_bytes(r, desc_n);
	if (r->bad || !name || !desc) {
		*cut = true;
		return false;
	}
	if (rd_left(r))
		rd_align(r, 4);
	ret->name = (str){(const char *)name, name_n && !name[name_n - 1] ? name_n - 1 : name_n};
	ret->desc = (str){(const char *)desc, desc_n};
	return !r->bad;
}

static bool is_core(const note *n)
{
	return str_eq(n->name, STR("CORE"));
}

/* count, page size, then (start, end, offset in pages) for each, then their names. */
static void files_get(elfcore *c, arena *a, str desc)
{
	reader r = rd_of(desc.p, desc.n);
	uint64_t n = rd_u64(&r), page = rd_u64(&r);
	if (r.bad || n > rd_left(&r) / 24 || page > 1 << 30) {
		c->damaged = true;
		return;
	}
	elfcore_file *f = arena_array(a, n, sizeof *f);
	for (uint64_t i = 0; i < n; i++) {
		f[i].start = rd_u64(&r);
		f[i].end = rd_u64(&r);
		f[i].off = rd_u64(&r);
		f[i].off = page && f[i].off > UINT64_MAX / page ? UINT64_MAX : f[i].off * page;
	}
	size_t have = 0;
	for (; have < n; have++) {
		str path = rd_cstr(&r);
		if (r.bad)
			break;
		f[have].path = path;
	}
	c->damaged |= have < n;
	c->file = f;
	c->nfile = have;
}

static void float_get(elfcore_thread *t, str fx)
{
	memcpy(t->regs.fx, fx.p, sizeof t->regs.fx);
	t->regs.mxcsr = le32(t->regs.fx + 24); /* FXSAVE's place of MXCSR */
	t->regs.valid |= X64_SET_FLOAT;
}

static void note_of_thread(elfcore_thread *t, const note *n)
{
	if (is_core(n) && n->type == ELFCORE_FPREGSET && n->desc.n == ELFCORE_FPREGSET_SIZE)
		float_get(t, n->desc);
	else if (is_core(n) && n->type == ELFCORE_SIGINFO && n->desc.n == ELFCORE_SIGINFO_SIZE)
		t->siginfo = n->desc;
	else if (str_eq(n->name, STR("LINUX")) && n->type == ELFCORE_XSTATE) {
		t->xstate = n->desc;
		if (!(t->regs.valid & X64_SET_FLOAT) && n->desc.n >= sizeof t->regs.fx)
			float_get(t, str_take(n->desc, sizeof t->regs.fx));
	}
}

static bool is_prstatus(const note *n)
{
	return is_core(n) && n->type == ELFCORE_PRSTATUS && n->desc.n == ELFCORE_PRSTATUS_SIZE;
}

static void notes_get(elfcore *c, arena *a, str bytes)
{
	note n;
	size_t count = 0, have = 0;
	reader r = rd_of(bytes.p, bytes.n);
	while (note_next(&r, &n, &c->damaged))
		count += is_prstatus(&n);
	elfcore_thread *t = arena_array(a, count, sizeof *t);
	r = rd_of(bytes.p, bytes.n);
	while (note_next(&r, &n, &c->damaged)) {
		if (is_prstatus(&n))
			prstatus_get(&t[have++], (const uint8_t *)n.desc.p);
		else if (is_core(&n) && n.type == ELFCORE_PRPSINFO &&
			 n.desc.n == ELFCORE_PRPSINFO_SIZE) {
			prpsinfo_get(&c->process, (const uint8_t *)n.desc.p);
			c->has_process = true;
		} else if (is_core(&n) && n.type == ELFCORE_AUXV) {
			c->auxv = n.desc;
		} else if (is_core(&n) && n.type == ELFCORE_FILE && !c->nfile) {
			files_get(c, a, n.desc);
		} else if (have) {
			note_of_thread(&t[have - 1], &n);
		}
	}
	c->thread = t;
	c->nthread = have;
}

/* ---- headers ---- */

bool elfcore_is(const void *p, size_t n)
{
	return n >= 18 && elf_is(p, n) && le16((const uint8_t *)p + 16) == ELF_CORE;
}

static const char *machine_name(uint16_t m)
{
	/* e_machine, gABI */
	static const struct {
		uint16_t number;
		const char *name;
	} names[] = {{3, "x86"}, {8, "MIPS"}, {20, "PowerPC"}, {21, "64-bit PowerPC"},
		{22, "S/390"}, {40, "ARM"}, {62, "x64"}, {183, "ARM64"}, {243, "RISC-V"},
		{258, "LoongArch"}};
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (names[i].number == m)
			return names[i].name;
	return "an unknown machine";
}

static err check_header(const uint8_t *p, size_t n, diag *d)
{
	if (!elfcore_is(p, n))
		return diag_set(d, ERR_CORRUPT, "not an ELF core file");
	uint16_t machine = p[5] == 2 ? (uint16_t)(p[18] << 8 | p[19]) : n >= 20 ? le16(p + 18) : 0;
	if (p[5] == 2 || machine != ELF_MACHINE_X64)
		return diag_set(d, ERR_UNSUPPORTED,
			"a core of a program for %s (machine %u); only those of x64 can be opened",
			machine_name(machine), machine);
	if (p[4] != 2)
		return diag_set(d, ERR_UNSUPPORTED,
			"a core of a 32-bit program; only those of 64-bit programs can be opened");
	if (n < EHDR || le16(p + 54) != PHDR)
		return diag_set(d, ERR_CORRUPT, "the core's header is damaged");
	return ERR_OK;
}

/* A core with more mappings than 16 bits count. */
static uint64_t header_count(const uint8_t *p, size_t n)
{
	uint64_t count = le16(p + 56), shoff = le64(p + 40);
	if (count == PN_XNUM && shoff && shoff <= n && n - shoff >= SHDR)
		count = le32(p + shoff + 44); /* sh_info of section 0 */
	return count;
}

err elfcore_open(elfcore *ret, arena *a, const void *bytes, size_t n, diag *d)
{
	const uint8_t *p = bytes;
	elfcore c = {.end = EHDR};
	str notes = {0};
	TRY(check_header(p, n, d));
	uint64_t phoff = le64(p + 32), count = header_count(p, n);
	if (phoff < EHDR || phoff > n)
		return diag_set(d, ERR_CORRUPT, "the core has no program headers");
	if (count > (n - phoff) / PHDR) {
		count = (n - phoff) / PHDR;
		c.damaged = true;
	}
	if (count > ELFCORE_MAX_SEGS)
		return diag_set(
			d, ERR_LIMIT, "the core has more than %d segments", ELFCORE_MAX_SEGS);
	elfcore_seg *seg = arena_array(a, (size_t)count, sizeof *seg);
	for (uint64_t i = 0; i < count; i++) {
		const uint8_t *h = p + phoff + i * PHDR;
		elfcore_seg s = {
			le32(h + 4), le64(h + 8), le64(h + 16), le64(h + 32), le64(h + 40)};
		uint32_t type = le32(h);
		if (s.off > UINT64_MAX - s.filesz || s.vaddr > UINT64_MAX - s.memsz) {
			c.damaged = true;
			continue;
		}
		if ((type == ELF_PT_LOAD || type == ELF_PT_NOTE) && s.filesz &&
			s.off + s.filesz > c.end)
			c.end = s.off + s.filesz;
		if (type == ELF_PT_NOTE && !notes.n && s.off < n) {
			uint64_t have = n - s.off < s.filesz ? n - s.off : s.filesz;
			if (have > ELFCORE_MAX_NOTES)
				return diag_set(d, ERR_LIMIT, "the core's notes are too large");
			notes = (str){(const char *)p + s.off, (size_t)have};
		}
		if (type == ELF_PT_LOAD && s.memsz) {
			if (s.filesz > s.memsz)
				s.filesz = s.memsz;
			seg[c.nseg++] = s;
		}
	}
	c.seg = seg;
	notes_get(&c, a, notes);
	if (!c.nthread)
		return diag_set(d, ERR_CORRUPT,
			n < c.end ? "the core is cut off before its notes"
				  : "the core tells of no thread");
	*ret = c;
	return ERR_OK;
}

/* ---- writing ---- */

static void pad_to(buf *b, size_t to)
{
	static const uint8_t zero[4];
	if (b->n % to)
		buf_add(b, zero, to - b->n % to);
}

void elfcore_note_add(buf *b, const char *name, uint32_t type, const void *desc, size_t n)
{
	uint8_t head[NHDR];
	size_t name_n = strlen(name) + 1;
	put32(head, (uint32_t)name_n);
	put32(head + 4, (uint32_t)n);
	put32(head + 8, type);
	buf_add(b, head, sizeof head);
	buf_add(b, name, name_n);
	pad_to(b, 4);
	buf_add(b, desc, n);
	pad_to(b, 4);
}

static void add64(buf *b, uint64_t v)
{
	uint8_t raw[8];
	put64(raw, v);
	buf_add(b, raw, sizeof raw);
}

void elfcore_files_put(const elfcore_file *f, size_t n, buf *to)
{
	add64(to, n);
	add64(to, ELFCORE_PAGE);
	for (size_t i = 0; i < n; i++) {
		add64(to, f[i].start);
		add64(to, f[i].end);
		add64(to, f[i].off / ELFCORE_PAGE);
	}
	for (size_t i = 0; i < n; i++) {
		buf_adds(to, f[i].path);
		buf_addc(to, 0);
	}
}

static void phdr_put(buf *b, uint32_t type, const elfcore_seg *s, uint64_t align)
{
	uint8_t h[PHDR] = {0};
	put32(h, type);
	put32(h + 4, s->flags);
	put64(h + 8, s->off);
	put64(h + 16, s->vaddr);
	put64(h + 32, s->filesz);
	put64(h + 40, s->memsz);
	put64(h + 48, align);
	buf_add(b, h, sizeof h);
}

static void ehdr_put(buf *b, size_t count, uint64_t shoff)
{
	uint8_t h[EHDR] = {0x7f, 'E', 'L', 'F', 2 /* 64-bit */, 1 /* little-endian */, 1};
	bool many = count >= PN_XNUM;
	put16(h + 16, ELF_CORE);
	put16(h + 18, ELF_MACHINE_X64);
	put32(h + 20, 1);
	put64(h + 32, EHDR);
	put64(h + 40, many ? shoff : 0);
	put16(h + 52, EHDR);
	put16(h + 54, PHDR);
	put16(h + 56, many ? (uint16_t)PN_XNUM : (uint16_t)count);
	put16(h + 58, many ? SHDR : 0);
	put16(h + 60, many);
	buf_add(b, h, sizeof h);
}

uint64_t elfcore_layout(elfcore_seg *seg, size_t n, str notes, buf *to)
{
	bool many = n + 1 >= PN_XNUM;
	uint64_t shoff = EHDR + (uint64_t)(n + 1) * PHDR;
	elfcore_seg info = {.off = shoff + (many ? SHDR : 0), .filesz = notes.n};
	uint64_t at = (info.off + notes.n + ELFCORE_PAGE - 1) & ~(uint64_t)(ELFCORE_PAGE - 1);
	uint64_t first = at;
	ehdr_put(to, n + 1, shoff);
	phdr_put(to, ELF_PT_NOTE, &info, 4);
	for (size_t i = 0; i < n; i++) {
		seg[i].off = at;
		at += (seg[i].filesz + ELFCORE_PAGE - 1) & ~(uint64_t)(ELFCORE_PAGE - 1);
		phdr_put(to, ELF_PT_LOAD, &seg[i], ELFCORE_PAGE);
	}
	if (many) {
		uint8_t h[SHDR] = {0};
		put64(h + 32, 1); /* sh_size: sections */
		put32(h + 44, (uint32_t)(n + 1));
		buf_add(to, h, sizeof h);
	}
	buf_adds(to, notes);
	while (to->n < first && !to->toobig)
		buf_addc(to, 0);
	return at;
}
