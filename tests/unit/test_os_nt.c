/*
 * os/nt over a kernel that the compiler made: os_nt/kernel.c, built here for Windows in two layouts
 * with real PDBs, laid out in a small target of this test. The same checks run over both layouts; a
 * third part runs without any symbol file.
 */
#include "os/nt/nt.h"

#include "os_nt/world.h"
#include "target/mem_int.h"

enum { PHYS_MAX = 0x40000 };

typedef struct fix {
	tgt t; /* must be first */
	world w;
	uint8_t phys[PHYS_MAX];
	sym_store *syms;
	os *o;
	nt *n;
	bool layout_b, bare;
	char warned[512];
	arena a;
	diag d;
} fix;

/* ---- the target ---- */

static err fake_read(tgt *t, as_t as, uint64_t addr, void *to, size_t n, size_t *n_ret)
{
	fix *f = (fix *)t;
	const uint8_t *from = NULL;
	size_t cap = 0;
	if (as.kind == AS_PHYS && addr < PHYS_MAX) {
		from = f->phys + addr;
		cap = PHYS_MAX - addr;
	} else if (as.kind == AS_CURRENT && addr >= KERNEL_BASE && addr - KERNEL_BASE < f->w.n) {
		from = f->w.image + (addr - KERNEL_BASE);
		cap = f->w.n - (addr - KERNEL_BASE);
	}
	if (!from)
		return ERR_FAULT;
	*n_ret = n < cap ? n : cap;
	memcpy(to, from, *n_ret);
	return ERR_OK;
}

static err fake_write(tgt *t, as_t as, uint64_t addr, const void *from, size_t n, size_t *n_ret)
{
	fix *f = (fix *)t;
	if (as.kind != AS_CURRENT || addr < KERNEL_BASE || addr - KERNEL_BASE + n > f->w.n)
		return ERR_FAULT;
	memcpy(f->w.image + (addr - KERNEL_BASE), from, n);
	*n_ret = n;
	return ERR_OK;
}

static err fake_regs(tgt *t, unit_t u, unsigned sets, x64_regs *r, diag *d)
{
	if (u > 1)
		return diag_set(d, ERR_NOTFOUND, "no unit");
	r->rip = 0xfffff80000000000ULL + u;
	r->valid |= sets;
	return ERR_OK;
}

static void fake_caps(tgt *t, tgt_caps *ret)
{
	*ret = (tgt_caps){.kernel = true, .live = true, .spaces = 1u << AS_CURRENT | 1u << AS_PHYS};
}

static size_t fake_close(tgt *t, tgt_leave how)
{
	return 0;
}

/* No query: facts come from the kernel's own structures here. */
static const struct tgt_ops fake_ops = {.name = "test",
	.close = fake_close,
	.caps = fake_caps,
	.read = fake_read,
	.write = fake_write,
	.regs_get = fake_regs};

static err sym_read(void *u, sym_space space, uint64_t addr, void *to, size_t n, size_t *n_ret)
{
	return space ? ERR_FAULT : fake_read(u, as_current(), addr, to, n, n_ret);
}

static void warn(void *u, str line)
{
	fix *f = u;
	snprintf(f->warned, sizeof f->warned, "%.*s", STR_ARG(line));
}

/* ---- building and laying out ---- */

static uint64_t at(fix *f, const char *name)
{
	sym s;
	assert_int_equal(sym_find(f->syms, str_printf(&f->a, "nt!%s", name), &s, &f->d), ERR_OK);
	return s.addr;
}

/* The target's memory changes under the debugger here, as if it had run: nothing cached is right.
 */
static uint8_t *mem(fix *f, uint64_t addr)
{
	mem_drop(&f->t);
	assert_true(addr >= KERNEL_BASE && addr - KERNEL_BASE < f->w.n);
	return f->w.image + (addr - KERNEL_BASE);
}

/* root -> tables at 0x10000.. -> USER_VA's page table, whose address is returned. */
static uint64_t map_tables(fix *f, uint64_t root, uint64_t tables)
{
	mem_drop(&f->t);
	uint64_t at_phys = root;
	for (int level = 3; level >= 1; level--, tables += 0x1000) {
		put64(f->phys + at_phys + (USER_VA >> (12 + 9 * level) & 0x1ff) * 8, tables | 7);
		at_phys = tables;
	}
	return at_phys;
}

static fix *start_with(bool layout_b, bool bare, const char *flags)
{
	fix *f = mem_alloc(sizeof *f);
	arena_init(&f->a);
	f->layout_b = layout_b;
	f->bare = bare;
	world_build(&f->w, bare ? "os_nt_bare" : "os_nt", layout_b, flags);
	f->t.ops = &fake_ops;
	sym_host sh = {.u = f, .read = sym_read};
	f->syms = sym_store_create(&sh);
	if (!bare)
		sym_path_set(f->syms, str_of(f->w.dir));
	os_host oh = {.u = f, .t = &f->t, .syms = f->syms, .warn = warn};
	tgt_version v = {.major = 0xf, .minor = 19041, .machine = 0x8664, .flags = 5};
	/* The list's address is found by name here; with symbols the test knows it itself. */
	f->o = os_nt_create(&oh, &v, KERNEL_BASE, 0, 0);
	f->n = nt_of(f->o);
	assert_non_null(f->n);
	if (!bare)
		assert_true(nt_has(f->n, "_EPROCESS", "Peb")); /* names are found from here on */
	return f;
}

static fix *start(bool layout_b, bool bare)
{
	return start_with(layout_b, bare, "");
}

static void finish(fix *f)
{
	os_destroy(f->o);
	sym_store_destroy(f->syms);
	tgt_mem_free(&f->t);
	world_free(&f->w);
	arena_deinit(&f->a);
	mem_free(f);
}

/* The capture process's memory: page 0 present, page 1 in transition, 2 a prototype, 3 paged out,
 * 4 zero, 5 looked up in the VAD. Layout B reaches it only through the shadow root. */
static void map_user(fix *f)
{
	uint64_t area = at(f, "user_area");
	uint64_t table = map_tables(f, f->layout_b ? 0x8000 : 0x3000, 0x10000);
	uint8_t *e = f->phys + table;
	memcpy(f->phys + 0x20000, mem(f, area), 0x2000);
	memset(f->phys + 0x22000, 0x5a, 0x1000);
	put64(e + 0, 0x20000 | 7);
	put64(e + 8, 0x21000 | 1 << 11 | 4 << 5); /* transition */
	uint64_t proto = at(f, "ProtoEntry");
	put64(mem(f, proto), 0x22000 | 1 << 11);
	put64(e + 16, proto << 16 | 1 << 10);
	put64(e + 24, f->layout_b ? 0x1234ULL << 32 | 2 << 12 | 4 << 5
				  : 0x1234ULL << 32 | 2 << 1 | 4 << 5);
	put64(e + 40, 0xffffffffULL << 32 | 1 << 10);
}

/* ---- checks ---- */

typedef struct seen {
	os_process p[8];
	os_thread t[8];
	size_t n;
} seen;

static bool note_process(void *u, const os_process *p)
{
	seen *s = u;
	s->p[s->n++] = *p;
	return s->n < 8;
}

static bool note_thread(void *u, const os_thread *t)
{
	seen *s = u;
	s->t[s->n++] = *t;
	return s->n < 8;
}

static void check_processes(fix *f)
{
	seen s = {.n = 0};
	assert_int_equal(os_process_each(f->o, note_process, &s, &f->d), ERR_OK);
	assert_int_equal(s.n, 3);
	assert_string_equal(s.p[0].image, "System");
	assert_int_equal(s.p[0].pid, 4);
	assert_true(s.p[0].peb == 0 && s.p[0].root == 0x1000);
	assert_string_equal(s.p[1].image, "multihasher.ex");
	assert_int_equal(s.p[1].pid, 0x44);
	assert_true(s.p[1].root == 0x2000 && s.p[1].user_root == 0x2000);
	assert_string_equal(s.p[2].image, "fscapture.exeXY");
	assert_true(s.p[2].peb == USER_VA && s.p[2].parent_pid == 0x44);
	assert_true(s.p[2].user_root == (f->layout_b ? 0x8000 : 0x3000) && s.p[2].root == 0x3000);
	if (!f->bare) {
		assert_int_equal(s.p[2].handle_count, 77);
		assert_int_equal(s.p[2].session, 3);
		assert_true(s.p[2].id_addr == at(f, "CaptureProcess"));
	}
}

static void test_processes(void **state)
{
	fix *f = *state;
	os_process p;
	check_processes(f);
	assert_int_equal(os_process_get(f->o, at(f, "HasherProcess"), &p, &f->d), ERR_OK);
	assert_int_equal(p.pid, 0x44);
	/* A thread is no process, nor is a user address. */
	assert_int_equal(os_process_get(f->o, at(f, "CaptureThread"), &p, &f->d), ERR_NOTFOUND);
	assert_int_equal(os_process_get(f->o, 0x1000, &p, &f->d), ERR_NOTFOUND);
}

static void test_threads(void **state)
{
	fix *f = *state;
	seen s = {.n = 0};
	uint64_t th, pr;
	assert_int_equal(
		os_thread_each(f->o, at(f, "CaptureProcess"), note_thread, &s, &f->d), ERR_OK);
	assert_int_equal(s.n, 2);
	assert_true(s.t[0].id_addr == at(f, "CaptureThread") &&
		    s.t[1].id_addr == at(f, "CaptureThread2"));
	assert_true(s.t[0].pid == 0x48 && s.t[0].tid == 0x54 && s.t[0].state == 5);
	assert_true(s.t[0].wait_reason == 9 && s.t[0].wait_mode == 1 && !s.t[0].running);
	assert_true(s.t[0].start == USER_VA + 0x1000 && s.t[0].priority == 12);
	assert_true(str_eq(nt_wait_reason(f->n, 9), STR("WrQueue")));
	/* What runs: the attached process is not the owner. */
	assert_int_equal(os_running(f->o, 0, &th, &pr, &f->d), ERR_OK);
	assert_true(th == at(f, "HasherThread") && pr == at(f, "CaptureProcess"));
	os_thread t;
	assert_int_equal(os_thread_get(f->o, th, &t, &f->d), ERR_OK);
	assert_true(t.process == at(f, "HasherProcess") && t.running && t.unit == 0);
	assert_int_equal(os_thread_get(f->o, at(f, "SystemThread"), &t, &f->d), ERR_OK);
	assert_true(t.running && t.unit == 1);
	assert_int_equal(os_thread_get(f->o, at(f, "HasherProcess"), &t, &f->d), ERR_NOTFOUND);
	assert_int_not_equal(os_running(f->o, 2, &th, &pr, &f->d), ERR_OK);
	assert_int_equal(nt_units(f->n), 2);
	/* The next stop finds other threads. */
	uint64_t prcb;
	nt_off cur, tcb;
	assert_int_equal(nt_prcb(f->n, 0, &prcb, &f->d), ERR_OK);
	assert_int_equal(nt_field(f->n, "_KPRCB", "CurrentThread", &cur, &f->d), ERR_OK);
	assert_int_equal(nt_field(f->n, "_ETHREAD", "Tcb", &tcb, &f->d), ERR_OK);
	uint8_t b[8], *m = mem(f, prcb + cur.off);
	memcpy(b, m, 8);
	put64(m, at(f, "CaptureThread") + tcb.off);
	os_stopped(f->o);
	assert_int_equal(os_thread_get(f->o, at(f, "CaptureThread"), &t, &f->d), ERR_OK);
	assert_true(t.running && t.unit == 0);
	memcpy(m, b, 8);
	mem_drop(&f->t);
	os_stopped(f->o);
}

static void test_regs(void **state)
{
	fix *f = *state;
	x64_regs r;
	assert_int_equal(os_thread_regs(f->o, at(f, "CaptureThread"), &r, &f->d), ERR_OK);
	assert_true(r.rip == at(f, "KiSwapContext") && r.gpr[X64_RBP] == 0x1122334455667788ULL);
	uint64_t size;
	assert_int_equal(nt_sizeof(f->n, "_KSWITCH_FRAME", &size, &f->d), ERR_OK);
	assert_true(r.gpr[X64_RSP] == at(f, "CaptureStack") + size && r.valid & X64_SET_CONTROL);
	/* one that runs: the processor's */
	assert_int_equal(os_thread_regs(f->o, at(f, "SystemThread"), &r, &f->d), ERR_OK);
	assert_true(r.rip == 0xfffff80000000001ULL);
	/* no stack: words, no registers */
	assert_int_equal(os_thread_regs(f->o, at(f, "CaptureThread2"), &r, &f->d), ERR_CORRUPT);
	assert_int_equal(os_trap_regs(f->o, at(f, "CaptureTrap"), &r, &f->d), ERR_OK);
	assert_true(
		r.rip == USER_VA + 0x123 && r.gpr[X64_RSP] == 0x7ff000 && r.seg[X64_CS] == 0x33);
	assert_true(r.gpr[X64_RAX] == 1 && r.gpr[X64_RCX] == 2 && r.gpr[X64_RBP] == 3 &&
		    r.eflags == 0x246);
}

/* Symbols that do not know the switch's frame: its caller is found by name. */
static void test_regs_by_name(void **state)
{
	for (int b = 0; b < 2; b++) {
		fix *f = start_with(b, false, "-D_KSWITCH_FRAME=_ANOTHER_NAME");
		x64_regs r;
		assert_false(nt_has(f->n, "_KSWITCH_FRAME", "Return"));
		assert_int_equal(os_thread_regs(f->o, at(f, "CaptureThread"), &r, &f->d), ERR_OK);
		assert_true(r.rip == at(f, "KiSwapContext"));
		uint64_t size;
		assert_int_equal(nt_sizeof(f->n, "_ANOTHER_NAME", &size, &f->d), ERR_OK);
		assert_true(r.gpr[X64_RSP] == at(f, "CaptureStack") + size);
		finish(f);
	}
}

static void check_kernel_modules(fix *f)
{
	assert_int_equal(os_kernel_modules(f->o, &f->d), ERR_OK);
	sym_mod *m = sym_mod_find(f->syms, STR("nt"));
	assert_true(m && m->base == KERNEL_BASE && m->size == 0x100000);
	m = sym_mod_find(f->syms, STR("hal"));
	assert_true(m && m->base == KERNEL_BASE + 0x200000);
	m = sym_mod_in(f->syms, 0, KERNEL_BASE + 0x300010);
	assert_true(m && str_eq(m->name, STR("dump_storport")) && m->size == 0x8000);
	/* Only the kernel's own type of entry tells the time. */
	assert_int_equal(m->timestamp, f->layout_b ? 0x53060a10 : 0);
}

static void test_modules(void **state)
{
	fix *f = *state;
	check_kernel_modules(f);
	map_user(f);
	uint64_t p = at(f, "CaptureProcess");
	assert_int_equal(os_user_modules(f->o, p, &f->d), ERR_OK);
	sym_mod *m = sym_mod_in(f->syms, p, USER_VA + 0x100100);
	assert_true(m && str_eq(m->name, STR("fscapture")) && m->size == 0x7000 &&
		    m->timestamp == 0xabcd);
	assert_true(m->user && str_eq(m->path, STR("C:\\fscapture.exe")));
	m = sym_mod_in(f->syms, p, 0x7ff800000000ULL);
	assert_true(m && str_eq(m->name, STR("ntdll")));
	/* A system process has none, and says nothing about it. */
	assert_int_equal(os_user_modules(f->o, at(f, "SystemProcess"), &f->d), ERR_OK);
	assert_null(sym_mod_in(f->syms, at(f, "SystemProcess"), USER_VA + 0x100100));
}

/* The PEB, or the loader's entries, are paged out: the VADs know the images. */
static void test_vads(void **state)
{
	fix *f = *state;
	map_user(f);
	uint64_t p = at(f, "CaptureProcess"), table = 0x12000;
	uint8_t *e = f->phys + table;
	put64(e, 0x77ULL << 32 | 4 << 5);
	assert_int_equal(os_user_modules(f->o, p, &f->d), ERR_OK);
	sym_mod *m = sym_mod_in(f->syms, p, 0x7ff800000000ULL);
	assert_true(m && str_eq(m->name, STR("ntdll")) && m->size == 0x100000);
	assert_true(str_eq(m->path, STR("\\Windows\\System32\\ntdll.dll")));
	assert_non_null(strstr(f->warned, "VADs"));
	assert_non_null(strstr(f->warned, "PEB of process"));
	/* names only are gone */
	put64(e, 0x20000 | 7);
	put64(e + 8, 0x78ULL << 32 | 4 << 5);
	mem_drop(&f->t);
	assert_int_equal(os_user_modules(f->o, p, &f->d), ERR_OK);
	m = sym_mod_in(f->syms, p, 0x7ff800000000ULL);
	assert_true(m && str_eq(m->name, STR("ntdll")));
	assert_non_null(sym_mod_in(f->syms, p, USER_VA + 0x100100));
	/* a tree that leads nowhere: the error is the list's */
	put64(e, 0);
	uint64_t v;
	os_process proc;
	assert_int_equal(os_process_get(f->o, p, &proc, &f->d), ERR_OK);
	assert_int_equal(nt_vad_root(f->n, &proc, &v, &f->d), ERR_OK);
	nt_off left;
	assert_int_equal(nt_field(f->n, "_MMVAD_SHORT", "VadNode.Right", &left, &f->d), ERR_OK);
	put64(mem(f, v + left.off), v); /* a loop */
	assert_int_equal(os_user_modules(f->o, p, &f->d), ERR_FAULT);
	assert_non_null(strstr(f->d.text, "PEB is paged out"));
}

static err soft(fix *f, uint64_t va, uint64_t *phys)
{
	x64_walk w = {0};
	os_process p;
	assert_int_equal(os_process_get(f->o, at(f, "CaptureProcess"), &p, &f->d), ERR_OK);
	err e = tgt_translate(&f->t, os_space(&p, true).id, va, &w, &f->d);
	if (e == ERR_OK && w.present) {
		*phys = w.phys;
		return ERR_OK;
	}
	diag_clear(&f->d);
	return os_soft_pte(f->o, &w, va, phys, &f->d);
}

static void test_soft_pte(void **state)
{
	fix *f = *state;
	uint64_t phys = 0;
	map_user(f);
	assert_int_equal(soft(f, USER_VA + 0x123, &phys), ERR_OK);
	assert_true(phys == 0x20123);
	assert_int_equal(soft(f, USER_VA + 0x1008, &phys), ERR_OK);
	assert_true(phys == 0x21008);
	assert_int_equal(soft(f, USER_VA + 0x2fff, &phys), ERR_OK);
	assert_true(phys == 0x22fff);
	assert_int_equal(soft(f, USER_VA + 0x3000, &phys), ERR_FAULT);
	assert_non_null(strstr(f->d.text, "page file 2, offset 1234"));
	assert_int_equal(soft(f, USER_VA + 0x4000, &phys), ERR_FAULT);
	assert_non_null(strstr(f->d.text, "not committed"));
	assert_int_equal(soft(f, USER_VA + 0x5000, &phys), ERR_FAULT);
	assert_non_null(strstr(f->d.text, "VAD"));
	/* a page table that is itself in transition */
	uint64_t root = f->layout_b ? 0x8000 : 0x3000;
	uint8_t *pxe = f->phys + root + (USER_VA >> 39 & 0x1ff) * 8;
	uint8_t *ppe = f->phys + (le64(pxe) & ~0xfffULL) + (USER_VA >> 30 & 0x1ff) * 8;
	uint8_t *pde = f->phys + (le64(ppe) & ~0xfffULL) + (USER_VA >> 21 & 0x1ff) * 8;
	put64(pde, (le64(pde) & ~0xfffULL) | 1 << 11);
	mem_drop(&f->t);
	assert_int_equal(soft(f, USER_VA + 0x44, &phys), ERR_OK);
	assert_true(phys == 0x20044);
	assert_int_equal(soft(f, USER_VA + 0x1044, &phys), ERR_OK);
	assert_true(phys == 0x21044);
	put64(pde, (le64(pde) & ~0xfffULL) | 7);
	mem_drop(&f->t);
	/* over a page boundary, present and transition in one read */
	os_process p;
	uint8_t b[32];
	assert_int_equal(os_process_get(f->o, at(f, "CaptureProcess"), &p, &f->d), ERR_OK);
	assert_int_equal(nt_read_user(f->n, &p, USER_VA + 0xff0, b, sizeof b, &f->d), ERR_OK);
	assert_memory_equal(b + 16, f->phys + 0x21000, 16);
	assert_int_equal(nt_read_user(f->n, &p, USER_VA + 0x2ff0, b, sizeof b, &f->d), ERR_FAULT);
}

static void test_attach(void **state)
{
	fix *f = *state;
	uint64_t p = at(f, "CaptureProcess"), work = at(f, "ExpDebuggerWork");
	assert_int_equal(os_make_current(f->o, p, &f->d), ERR_OK);
	assert_int_equal(le32(mem(f, work)), 1);
	assert_true(le64(mem(f, at(f, "ExpDebuggerProcessAttach"))) == p);
	/* busy until the kernel did it */
	assert_int_equal(os_make_current(f->o, p, &f->d), ERR_STATE);
	assert_non_null(strstr(f->d.text, "busy"));
	assert_int_equal(os_page_in(f->o, p, USER_VA, &f->d), ERR_STATE);
	assert_int_equal(os_make_current(f->o, 0, &f->d), ERR_OK); /* taken back */
	assert_int_equal(le32(mem(f, work)), 0);
	assert_int_equal(os_page_in(f->o, 0, USER_VA + 0x3000, &f->d), ERR_OK);
	assert_true(le64(mem(f, at(f, "ExpDebuggerPageIn"))) == USER_VA + 0x3000);
	assert_true(le64(mem(f, at(f, "ExpDebuggerProcessAttach"))) == 0);
	put32(mem(f, work), 2); /* taken up */
	assert_int_equal(os_make_current(f->o, p, &f->d), ERR_STATE);
	put32(mem(f, work), 0);
	/* A process only: nothing is written for anything else. */
	assert_int_equal(os_make_current(f->o, at(f, "CaptureThread"), &f->d), ERR_NOTFOUND);
	assert_int_equal(le32(mem(f, work)), 0);
	err e = os_kill(f->o, p, &f->d);
	if (f->layout_b) {
		assert_int_equal(e, ERR_UNSUPPORTED);
		assert_non_null(strstr(f->d.text, "ExpDebuggerProcessKill"));
		assert_int_equal(le32(mem(f, work)), 0);
	} else {
		assert_int_equal(e, ERR_OK);
		assert_true(le64(mem(f, at(f, "ExpDebuggerProcessKill"))) == p);
		put32(mem(f, work), 0);
	}
}

static void test_damage(void **state)
{
	fix *f = *state;
	seen s = {.n = 0};
	nt_off links;
	assert_int_equal(nt_field(f->n, "_EPROCESS", "ActiveProcessLinks", &links, &f->d), ERR_OK);
	uint64_t last = at(f, "CaptureProcess") + links.off;
	uint8_t keep[8], *m = mem(f, last);
	memcpy(keep, m, 8);
	put64(m, at(f, "SystemProcess") + links.off); /* a loop that misses the head */
	assert_int_equal(os_process_each(f->o, note_process, &s, &f->d), ERR_CORRUPT);
	assert_int_equal(s.n, 3);
	assert_non_null(strstr(f->d.text, "loop"));
	static const uint64_t wild[] = {
		0, 0x1234, 0xfffff80012340001ULL, ~0ULL, 0xffff900000000000ULL};
	for (size_t i = 0; i < ARRAY_LEN(wild); i++) {
		s.n = 0;
		put64(m, wild[i]);
		mem_drop(&f->t);
		assert_int_equal(os_process_each(f->o, note_process, &s, &f->d), ERR_CORRUPT);
		assert_int_equal(s.n, 3);
		assert_non_null(strstr(f->d.text, "PsActiveProcessHead"));
	}
	memcpy(m, keep, 8);
	mem_drop(&f->t);
	/* not initialised: that is no damage */
	s.n = 0;
	m = mem(f, at(f, "PsActiveProcessHead"));
	memcpy(keep, m, 8);
	put64(m, 0);
	assert_int_equal(os_process_each(f->o, note_process, &s, &f->d), ERR_STATE);
	assert_int_equal(s.n, 0);
	memcpy(m, keep, 8);
	m = mem(f, at(f, "PsLoadedModuleList"));
	memcpy(keep, m, 8);
	put64(m, 0);
	assert_int_equal(os_kernel_modules(f->o, &f->d), ERR_OK);
	assert_non_null(sym_mod_find(f->syms, STR("nt")));
	memcpy(m, keep, 8);
	mem_drop(&f->t);
	/* a damaged module list keeps what is known */
	check_kernel_modules(f);
	nt_off mod;
	const char *type = f->layout_b ? "_KLDR_DATA_TABLE_ENTRY" : "_LDR_DATA_TABLE_ENTRY";
	assert_int_equal(nt_field(f->n, type, "InLoadOrderLinks", &mod, &f->d), ERR_OK);
	m = mem(f, at(f, "ModHal") + mod.off);
	memcpy(keep, m, 8);
	put64(m, 0x41414141);
	assert_int_equal(os_kernel_modules(f->o, &f->d), ERR_CORRUPT);
	assert_non_null(sym_mod_in(f->syms, 0, KERNEL_BASE + 0x300010));
	memcpy(m, keep, 8);
	mem_drop(&f->t);
	/* an entry with a base that is none is left out, with a word */
	assert_int_equal(nt_field(f->n, type, "DllBase", &mod, &f->d), ERR_OK);
	m = mem(f, at(f, "ModHal") + mod.off);
	memcpy(keep, m, 8);
	put64(m, 0x41414141);
	f->warned[0] = 0;
	assert_int_equal(os_kernel_modules(f->o, &f->d), ERR_OK);
	assert_non_null(strstr(f->warned, "left out"));
	assert_null(sym_mod_find(f->syms, STR("hal")));
	memcpy(m, keep, 8);
	mem_drop(&f->t);
}

static void test_globals(void **state)
{
	fix *f = *state;
	uint64_t v, params[4];
	uint32_t code;
	buf b;
	assert_int_equal(os_bugcheck(f->o, &code, params, &f->d), ERR_OK);
	assert_true(code == 0xd1 && params[0] == 0x10 && params[3] == 0x44);
	put64(mem(f, at(f, "KiBugCheckData")), 0);
	assert_int_equal(os_bugcheck(f->o, &code, params, &f->d), ERR_NOTFOUND);
	assert_true(os_is_user(f->o, USER_VA) && !os_is_user(f->o, KERNEL_BASE));
	assert_true(os_is_user(f->o, 0x7ffffffeffffULL));
	assert_false(os_is_user(f->o, 0x800000000000ULL));
	assert_int_equal(os_global(f->o, STR("NoSuchGlobal"), &v, &f->d), ERR_NOTFOUND);
	/* an absent field is told apart by name */
	nt_off off;
	assert_int_equal(nt_field(f->n, "_EPROCESS", "NoSuchField", &off, &f->d), ERR_NOTFOUND);
	assert_non_null(strstr(f->d.text, "nt!_EPROCESS.NoSuchField"));
	assert_false(nt_has(f->n, "_KPROCESS", "UserDirectoryTableBase") != f->layout_b);
	buf_init(&b, 0);
	assert_int_equal(os_version(f->o, &b, &f->d), ERR_OK);
	assert_non_null(
		strstr(buf_z(&b), "Windows 10 Kernel Version 19041 MP (2 procs) Free x64\n"));
	assert_non_null(strstr(buf_z(&b), "Edition build lab: 19041.1.amd64fre.test\n"));
	assert_non_null(strstr(buf_z(&b), "Kernel base = 0xfffff800`12340000"));
	buf_deinit(&b);
}

/* Without a symbol file: exports and KDDEBUGGER_DATA64 only. */
static os *bare_os(fix *f, uint64_t data, uint64_t list)
{
	os_host oh = {.u = f, .t = &f->t, .syms = f->syms, .warn = warn};
	tgt_version v = {.major = 0xf, .minor = 19041, .machine = 0x8664, .flags = 5};
	return os_nt_create(&oh, &v, KERNEL_BASE, list, data);
}

static void test_bare(void **state)
{
	/* Addresses come from a run with symbols; the images are the same byte for byte. */
	for (int b = 0; b < 2; b++) {
		fix *k = start(b, false), *f = start(b, true);
		nt_off off;
		uint64_t head = at(k, "KdpDebuggerDataListHead");
		uint64_t list = at(k, "PsLoadedModuleList"), block = at(k, "KdDebuggerDataBlock");
		os_destroy(f->o);
		f->o = bare_os(f, head, list);
		f->n = nt_of(f->o);
		assert_int_equal(nt_field(f->n, "_EPROCESS", "Peb", &off, &f->d), ERR_OK);
		nt_off want;
		assert_int_equal(nt_field(k->n, "_EPROCESS", "Peb", &want, &f->d), ERR_OK);
		assert_int_equal(off.off, want.off);
		if (!b) {
			check_processes(f);
			check_kernel_modules(f);
		} else {
			/* Pcb is not first: the block's offset is from EPROCESS and still right. */
			seen s = {.n = 0};
			assert_int_equal(os_process_each(f->o, note_process, &s, &f->d), ERR_OK);
			assert_int_equal(s.n, 3);
			assert_true(s.p[2].root == 0x3000 && s.p[2].pid == 0x48);
			/* The public layout does not fit: said, not believed. */
			assert_int_equal(os_kernel_modules(f->o, &f->d), ERR_CORRUPT);
			assert_non_null(strstr(f->d.text, "does not look like"));
		}
		/* What only types know. */
		x64_regs r;
		assert_int_not_equal(
			os_thread_regs(f->o, at(k, "CaptureThread"), &r, &f->d), ERR_OK);
		assert_int_equal(nt_field(f->n, "_EPROCESS", "VadRoot", &off, &f->d), ERR_NOTFOUND);
		assert_non_null(strstr(f->d.text, ".sympath"));
		/* a shorter block of an older kernel */
		put32(mem(f, block + 0x14), 0x2aa);
		os_destroy(f->o);
		f->o = bare_os(f, head, list);
		f->n = nt_of(f->o);
		uint64_t v;
		assert_int_equal(
			nt_kd_value(f->n, STR("OffsetEprocessPeb"), &v, &f->d), ERR_NOTFOUND);
		assert_non_null(strstr(f->d.text, "ends before"));
		assert_int_equal(nt_kd_value(f->n, STR("OffsetKThreadState"), &v, &f->d), ERR_OK);
		/* an encoded one */
		put32(mem(f, block + 0x10), 0x12345678);
		os_destroy(f->o);
		f->o = bare_os(f, head, list);
		f->n = nt_of(f->o);
		assert_int_equal(
			nt_kd_value(f->n, STR("OffsetKThreadState"), &v, &f->d), ERR_NOTFOUND);
		assert_non_null(strstr(f->d.text, "encoded"));
		/* another kernel's */
		put32(mem(f, block + 0x10), 0x4742444b);
		put64(mem(f, block + 0x18), KERNEL_BASE + 0x1000);
		os_stopped(f->o);
		assert_int_equal(
			nt_kd_value(f->n, STR("OffsetKThreadState"), &v, &f->d), ERR_NOTFOUND);
		/* once it is right, the next stop sees it */
		put64(mem(f, block + 0x18), KERNEL_BASE);
		assert_int_equal(
			nt_kd_value(f->n, STR("OffsetKThreadState"), &v, &f->d), ERR_NOTFOUND);
		os_stopped(f->o);
		assert_int_equal(nt_kd_value(f->n, STR("OffsetKThreadState"), &v, &f->d), ERR_OK);
		finish(k);
		finish(f);
	}
}

static void test_none(void **state)
{
	os_host h = {0};
	os *o = os_none_create(&h);
	diag d;
	uint64_t v;
	assert_int_equal(os_process_each(o, note_process, NULL, &d), ERR_UNSUPPORTED);
	assert_int_equal(os_global(o, STR("x"), &v, NULL), ERR_UNSUPPORTED);
	assert_null(nt_of(o));
	os_destroy(o);
}

static int setup_a(void **state)
{
	*state = start(false, false);
	return 0;
}

static int setup_b(void **state)
{
	*state = start(true, false);
	return 0;
}

static int teardown(void **state)
{
	finish(*state);
	return 0;
}

#define BOTH(fn)                                                                                   \
	cmocka_unit_test_setup_teardown(fn, setup_a, teardown),                                    \
		cmocka_unit_test_setup_teardown(fn, setup_b, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {BOTH(test_processes), BOTH(test_threads),
		BOTH(test_regs), cmocka_unit_test(test_regs_by_name), BOTH(test_modules),
		BOTH(test_vads), BOTH(test_soft_pte), BOTH(test_attach), BOTH(test_damage),
		BOTH(test_globals), cmocka_unit_test(test_bare), cmocka_unit_test(test_none)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
