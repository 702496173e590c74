/*
 * machine: see machine.h. RAM, page tables, boot, the round-robin of processors, and the stub's
 * port.
 *
 * One thread: "freezing" the other processors is to not step them. All state is in one static
 * structure, because the port functions have no argument to carry it.
 */
#include "machine.h"
#include "toycpu.h"

#include "kd/kdport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <setjmp.h>

enum {
	PAGE = 4096,
	FRAMES = 2048, /* 8 MiB */
	PROCESSES = 2,
	CODE_PAGES = 16,
	PRESENT = 1,
	WRITABLE = 2,
	USER = 4,
	CS_KERNEL = 0x10,
	CS_USER = 0x33
};
#define USER_END 0x7fffffff0000ull

typedef struct cpu {
	CONTEXT c;
	KSPECIAL_REGISTERS special;
	CONTEXT interrupted; /* while the break-in's breakpoint runs */
	bool in_break;
	uint64_t user_rsp;
	unsigned process;
} cpu;

static struct {
	machine_options o;
	channel *line;
	jmp_buf boot_again;
	uint8_t ram[FRAMES][PAGE];
	uint64_t frame_next;
	uint64_t root[PROCESSES];
	struct {
		uint64_t frame;
		uint8_t was[PAGE];
	} code[CODE_PAGES];
	unsigned code_n;
	uint64_t kernel; /* base */
	uint64_t cold_frame;
	cpu cpus[MACHINE_CPUS_MAX];
	unsigned running, selected;
	uint64_t attached;
	uint64_t tick, boots;
	bool churn_loaded;
	uint64_t churn_base;
	uint8_t ports[0x10000];
	uint64_t out_skip;   /* bytes that a dead debugger took with it */
	uint8_t script[256]; /* bytes that it had sent */
	size_t script_n, script_pos;
	unsigned prompts, commands, faults, unhandled;
} M;

/* ---- RAM and page tables ---- */

static uint64_t new_frame(void)
{
	if (M.frame_next == FRAMES) {
		fprintf(stderr, "toy machine: out of memory\n");
		exit(2);
	}
	memset(M.ram[M.frame_next], 0, PAGE);
	return M.frame_next++ * PAGE;
}

static uint64_t *entry_at(uint64_t table, unsigned index)
{
	return (uint64_t *)(void *)&M.ram[table / PAGE][index * 8];
}

static void map(uint64_t root, uint64_t va, uint64_t pa, uint64_t flags)
{
	uint64_t table = root;
	for (int shift = 39; shift > 12; shift -= 9) {
		uint64_t *e = entry_at(table, va >> shift & 511);
		if (!(*e & PRESENT))
			*e = new_frame() | PRESENT | WRITABLE | USER;
		table = *e & 0xffffffffff000ull;
	}
	*entry_at(table, va >> 12 & 511) = pa ? pa | flags | PRESENT : 0;
}

static bool walk(uint64_t root, uint64_t va, uint64_t *pa_ret, uint64_t *flags_ret)
{
	uint64_t table = root;
	if ((int64_t)(va << 16) >> 16 != (int64_t)va)
		return false;
	for (int shift = 39; shift >= 12; shift -= 9) {
		uint64_t e = *entry_at(table, va >> shift & 511);
		if (!(e & PRESENT))
			return false;
		table = e & 0xffffffffff000ull;
		*flags_ret = e & 7;
	}
	*pa_ret = table | (va & (PAGE - 1));
	return true;
}

static size_t copy_virtual(uint64_t root, uint64_t va, void *buf, size_t n, bool write)
{
	size_t done = 0;
	while (done < n) {
		uint64_t pa, flags;
		size_t chunk = PAGE - ((va + done) & (PAGE - 1));
		if (chunk > n - done)
			chunk = n - done;
		if (!walk(root, va + done, &pa, &flags))
			break;
		uint8_t *at = &M.ram[pa / PAGE][pa % PAGE];
		if (write)
			memcpy(at, (uint8_t *)buf + done, chunk);
		else
			memcpy((uint8_t *)buf + done, at, chunk);
		done += chunk;
	}
	return done;
}

static void poke(uint64_t root, uint64_t va, const void *p, size_t n)
{
	if (copy_virtual(root, va, (void *)p, n, true) != n)
		fprintf(stderr, "toy machine: building touches unmapped %llx\n",
			(unsigned long long)va);
}

static void poke64(uint64_t root, uint64_t va, uint64_t v)
{
	poke(root, va, &v, 8);
}

static void remember_code(uint64_t frame)
{
	M.code[M.code_n].frame = frame;
	memcpy(M.code[M.code_n++].was, M.ram[frame / PAGE], PAGE);
}

unsigned machine_int3_left(void)
{
	unsigned n = 0;
	for (unsigned i = 0; i < M.code_n; i++)
		for (unsigned k = 0; k < PAGE; k++)
			n += M.ram[M.code[i].frame / PAGE][k] == 0xcc && M.code[i].was[k] != 0xcc;
	return n;
}

/* ---- programs ---- */

/* Offsets in the kernel image. */
enum {
	K_CODE = 0x1000,
	K_BREAK = K_CODE,
	K_IRET = K_CODE + 0x10,
	K_SYSCALL = K_CODE + 0x20,
	K_WORK = K_CODE + 0x40,
	K_SERVICE = K_CODE + 0x80,
	K_DATA = 0x2000,
	K_KDBG_LIST = K_DATA,
	K_MODULES = K_DATA + 0x40,
	K_KDBG = K_DATA + 0x100,
	K_WORK_COUNT = K_DATA + 0xf00,
	K_LDR = 0x3000,
	K_PCR = 0x4000,
	K_STACKS = 0x10000,
	K_THREADS = 0x1c000,
	K_SIZE = 0x20000,
	PRCB_IN_PCR = 0x180,
	HAL_AT = 0x40000,
	HAL_SIZE = 0x2000
};
/* Offsets in the data page of a program. */
enum { U_FUNC_COUNT = 0, U_LOOP_COUNT = 8, U_COLD_COUNT = 16 };

typedef struct code {
	uint64_t va; /* of b[0] */
	size_t n;
	uint8_t b[PAGE];
} code;

static void emit(code *k, const void *p, size_t n)
{
	memcpy(k->b + k->n, p, n);
	k->n += n;
}
#define EMIT(k, ...) emit(k, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void emit_rel(code *k, uint64_t target)
{
	int32_t d = (int32_t)(target - (k->va + k->n + 4));
	emit(k, &d, 4);
}

/* push rbx; mov rbx,imm; lock inc [counter]; sub rsp,20h; add rsp,20h; pop rbx; ret */
static void emit_function(code *k, size_t at, uint64_t counter)
{
	k->n = at;
	EMIT(k, 0x53, 0x48, 0xc7, 0xc3, 0x78, 0x56, 0x34, 0x12, 0xf0, 0x48, 0xff, 0x05);
	emit_rel(k, counter);
	EMIT(k, 0x48, 0x83, 0xec, 0x20, 0x48, 0x83, 0xc4, 0x20, 0x5b, 0xc3);
}

/*
 * start: call func; mov rax,shared; call rax; syscall; mov rax,[loops]; inc rax; mov [loops],rax;
 *        cmp rax,cold_after; jb start; call cold; jmp start
 */
static void emit_program(code *k, unsigned cold_after)
{
	uint64_t loops = MACHINE_USER_DATA + U_LOOP_COUNT, shared = MACHINE_SHARED + 0x1000;
	uint32_t limit = cold_after ? cold_after : 0x7fffffff;
	EMIT(k, 0xe8);
	emit_rel(k, MACHINE_USER_CODE + 0x80);
	EMIT(k, 0x48, 0xb8);
	emit(k, &shared, 8);
	EMIT(k, 0xff, 0xd0, 0x0f, 0x05, 0x48, 0x8b, 0x05);
	emit_rel(k, loops);
	EMIT(k, 0x48, 0xff, 0xc0, 0x48, 0x89, 0x05);
	emit_rel(k, loops);
	EMIT(k, 0x48, 0x3d);
	emit(k, &limit, 4);
	EMIT(k, 0x72, (uint8_t) - (int)(k->n + 2), 0xe8);
	emit_rel(k, MACHINE_USER_COLD);
	EMIT(k, 0xe9);
	emit_rel(k, MACHINE_USER_CODE);
	emit_function(k, 0x80, MACHINE_USER_DATA + U_FUNC_COUNT);
}

static void emit_kernel(code *k)
{
	EMIT(k, 0xcc, 0xc3);
	k->n = K_IRET - K_CODE;
	EMIT(k, 0x48, 0xcf);
	k->n = K_SYSCALL - K_CODE;
	EMIT(k, 0xe8);
	emit_rel(k, M.kernel + K_WORK);
	EMIT(k, 0x48, 0x0f, 0x07);
	emit_function(k, K_WORK - K_CODE, M.kernel + K_WORK_COUNT);
	k->n = K_SERVICE - K_CODE;
	EMIT(k, 0x90, 0xc3);
}

/* As much of a PE32+ header as says what the image is. */
static void image_header(uint64_t root, uint64_t base, uint32_t stamp, uint32_t size)
{
	uint8_t h[0x200] = {'M', 'Z'};
	uint32_t lfanew = 0x80, entry = 0x1000, align = 0x1000;
	uint16_t machine = 0x8664, magic = 0x20b, opt_n = 240, flags = 0x22;
	memcpy(h + 0x3c, &lfanew, 4);
	memcpy(h + 0x80, "PE\0\0", 4);
	memcpy(h + 0x84, &machine, 2);
	memcpy(h + 0x88, &stamp, 4);
	memcpy(h + 0x94, &opt_n, 2);
	memcpy(h + 0x96, &flags, 2);
	memcpy(h + 0x98, &magic, 2);
	memcpy(h + 0xa8, &entry, 4);
	memcpy(h + 0xb0, &base, 8);
	memcpy(h + 0xb8, &align, 4);
	memcpy(h + 0xbc, &align, 4);
	memcpy(h + 0xd0, &size, 4);
	memcpy(h + 0xd4, &align, 4); /* headers */
	poke(root, base, h, sizeof(h));
}

/* An entry of the module list as KLDR_DATA_TABLE_ENTRY has been since Windows 2000: links, DllBase
 * at 30, SizeOfImage at 40, FullDllName at 48, BaseDllName at 58. */
static void module_entry(uint64_t root, uint64_t at, uint64_t prev, uint64_t next, uint64_t base,
	uint32_t size, const char *name)
{
	uint16_t text[64] = {0};
	size_t n = strlen(name);
	for (size_t i = 0; i < n; i++)
		text[i] = (uint8_t)name[i];
	poke(root, at + 0x100, text, sizeof(text));
	poke64(root, at, next);
	poke64(root, at + 8, prev);
	poke64(root, at + 0x30, base);
	poke64(root, at + 0x38, base + 0x1000);
	poke64(root, at + 0x40, size);
	for (unsigned o = 0x48; o <= 0x58; o += 0x10) {
		poke64(root, at + o, (n * 2) | (n * 2 + 2) << 16);
		poke64(root, at + o + 8, at + 0x100);
	}
}

static void map_range(uint64_t root, uint64_t va, size_t n, uint64_t flags)
{
	for (size_t o = 0; o < n; o += PAGE)
		map(root, va + o, new_frame(), flags);
}

static void build_kernel(void)
{
	uint64_t root = M.root[0], k = M.kernel;
	map_range(root, k, K_SIZE, WRITABLE);
	map_range(root, k + HAL_AT, HAL_SIZE, WRITABLE);
	map_range(root, k + 0x80000, 0x40000, WRITABLE); /* where churn.sys wanders */
	for (unsigned p = 1; p < PROCESSES; p++)	 /* the upper half is common */
		memcpy(&M.ram[M.root[p] / PAGE][PAGE / 2], &M.ram[root / PAGE][PAGE / 2], PAGE / 2);
	image_header(root, k, 0x5f000001, K_SIZE);
	image_header(root, k + HAL_AT, 0x5f000002, HAL_SIZE);
	code c = {.va = k + K_CODE};
	emit_kernel(&c);
	poke(root, k + K_CODE, c.b, PAGE);
	uint64_t pa, flags;
	if (walk(root, k + K_CODE, &pa, &flags))
		remember_code(pa & ~0xfffull);

	KDDEBUGGER_DATA64 d = {.Header = {{k + K_KDBG_LIST, k + K_KDBG_LIST}, KDBG_TAG, sizeof(d)},
		.KernBase = k,
		.BreakpointWithStatus = k + K_BREAK,
		.PsLoadedModuleList = k + K_MODULES,
		.MmPageSize = PAGE,
		.MmHighestUserAddress = USER_END - 1};
	poke(root, k + K_KDBG, &d, sizeof(d));
	poke64(root, k + K_KDBG_LIST, k + K_KDBG);
	poke64(root, k + K_KDBG_LIST + 8, k + K_KDBG);
	poke64(root, k + K_MODULES, k + K_LDR);
	poke64(root, k + K_MODULES + 8, k + K_LDR + 0x400);
	module_entry(root, k + K_LDR, k + K_MODULES, k + K_LDR + 0x400, k, K_SIZE, "ntoskrnl.exe");
	module_entry(
		root, k + K_LDR + 0x400, k + K_LDR, k + K_MODULES, k + HAL_AT, HAL_SIZE, "hal.dll");
	for (unsigned i = 0; i < M.o.processors; i++) {
		uint64_t pcr = k + K_PCR + i * PAGE;
		poke64(root, pcr + 0x18, pcr);
		poke64(root, pcr + 0x20, pcr + PRCB_IN_PCR);
		poke64(root, pcr + PRCB_IN_PCR + 8, kd_port_block(i, KD_BLOCK_KTHREAD));
	}
}

static void build_process(unsigned p, uint64_t shared)
{
	uint64_t root = M.root[p], frame = new_frame();
	code c = {.va = MACHINE_USER_CODE};
	map(root, MACHINE_USER_BASE, new_frame(), USER);
	image_header(root, MACHINE_USER_BASE, 0x5f000010 + p, 0x9000);
	map(root, MACHINE_USER_CODE, frame, USER);
	map(root, MACHINE_USER_DATA, new_frame(), USER | WRITABLE);
	map_range(root, MACHINE_USER_BASE + 0x10000, MACHINE_CPUS_MAX * PAGE,
		USER | WRITABLE); /* stacks */
	map(root, MACHINE_SHARED + 0x1000, shared, USER);
	emit_program(&c, p == 0 ? M.o.cold_after : 0);
	poke(root, MACHINE_USER_CODE, c.b, PAGE);
	remember_code(frame);
}

static void build(void)
{
	M.frame_next = 1;
	M.code_n = 0;
	for (unsigned p = 0; p < PROCESSES; p++)
		M.root[p] = new_frame();
	M.kernel = 0xfffff80000400000ull + ((M.o.seed * 7 + M.boots * 3) % 61) * 0x200000;
	build_kernel();

	uint64_t shared = new_frame();
	code c = {.va = MACHINE_SHARED + 0x1000};
	EMIT(&c, 0x53, 0x31, 0xc0, 0x90, 0x90, 0x5b, 0xc3);
	memcpy(M.ram[shared / PAGE], c.b, PAGE);
	remember_code(shared);
	for (unsigned p = 0; p < PROCESSES; p++)
		build_process(p, shared);

	M.cold_frame = new_frame();
	code cold = {.va = MACHINE_USER_COLD};
	emit_function(&cold, 0, MACHINE_USER_DATA + U_COLD_COUNT);
	memcpy(M.ram[M.cold_frame / PAGE], cold.b, PAGE);
	remember_code(M.cold_frame);
	map(M.root[0], MACHINE_USER_COLD, 0, 0); /* tables, but no page */
}

static void reset_cpu(unsigned i)
{
	cpu *u = &M.cpus[i];
	memset(u, 0, sizeof(*u));
	u->process = i % PROCESSES;
	u->c.ContextFlags = CONTEXT_ALL;
	u->c.MxCsr = u->c.FltSave.MxCsr = 0x1f80;
	u->c.SegCs = CS_USER;
	u->c.SegDs = u->c.SegEs = u->c.SegGs = u->c.SegSs = 0x2b;
	u->c.SegFs = 0x53;
	u->c.EFlags = 0x202;
	u->c.Rip = MACHINE_USER_CODE;
	u->c.Rsp = MACHINE_USER_BASE + 0x10000 + i * PAGE + 0xff0;
	u->c.R15 = 0x1000 + i;
	u->special.Cr0 = 0x80050031;
	u->special.Cr3 = M.root[u->process];
	u->special.Cr4 = 0x6f8;
	u->special.KernelDr7 = 0x400;
	u->special.Gdtr = (KDESCRIPTOR){{0}, 0x7f, M.kernel + K_PCR + i * PAGE + 0x800};
	u->special.Idtr = (KDESCRIPTOR){{0}, 0xfff, M.kernel + K_PCR + i * PAGE + 0x900};
	u->special.Tr = 0x40;
	u->special.MxCsr = 0x1f80;
	u->special.MsrGsBase = M.kernel + K_PCR + i * PAGE;
	u->special.MsrLStar = M.kernel + K_SYSCALL;
}

/* ---- the port, kernel side (kdport.h) ---- */

void kd_port_putc(uint8_t byte)
{
	if (M.o.mute)
		return;
	if (M.out_skip)
		M.out_skip--;
	else
		channel_put(M.line, byte);
}

int kd_port_getc(uint32_t wait_us)
{
	if (M.script_pos < M.script_n)
		return M.script[M.script_pos++];
	int b = channel_get(M.line, wait_us);
	return M.o.mute ? -1 : b;
}

void kd_port_copy(void *to, const void *from, size_t n)
{
	if (n)
		memcpy(to, from, n);
}

void kd_port_zero(void *to, size_t n)
{
	memset(to, 0, n);
}

void kd_port_enter(void)
{
	M.selected = M.running;
	M.attached = 0;
}

void kd_port_leave(void)
{
	M.selected = M.running;
	M.attached = 0;
	channel_flush(M.line);
}

unsigned kd_port_processor(void)
{
	return M.running;
}

unsigned kd_port_processor_count(void)
{
	return M.o.processors;
}

void kd_port_select(unsigned n)
{
	M.selected = n;
}

CONTEXT *kd_port_context(unsigned n)
{
	return &M.cpus[n].c;
}

void kd_port_special_get(unsigned n, KSPECIAL_REGISTERS *ret)
{
	*ret = M.cpus[n].special;
}

void kd_port_special_set(unsigned n, const KSPECIAL_REGISTERS *regs)
{
	M.cpus[n].special = *regs;
}

uint64_t kd_port_block(unsigned n, kd_block which)
{
	uint64_t pcr = M.kernel + K_PCR + n * PAGE;
	switch (which) {
	case KD_BLOCK_KPCR:
		return pcr;
	case KD_BLOCK_KPRCB:
		return pcr + PRCB_IN_PCR;
	default:
		return M.kernel + K_THREADS + n * 0x400;
	}
}

uint64_t kd_port_process(void)
{
	return M.cpus[M.selected].special.Cr3;
}

void kd_port_attach(uint64_t process)
{
	M.attached = process;
}

static uint64_t root_now(void)
{
	return M.attached ? M.attached : kd_port_process();
}

size_t kd_port_read_virtual(uint64_t va, void *to, size_t n)
{
	return copy_virtual(root_now(), va, to, n, false);
}

size_t kd_port_write_virtual(uint64_t va, const void *from, size_t n)
{
	return copy_virtual(root_now(), va, (void *)from, n, true);
}

static size_t ram_room(uint64_t pa, size_t n)
{
	uint64_t end = (uint64_t)FRAMES * PAGE;
	return pa >= end ? 0 : n < end - pa ? n : (size_t)(end - pa);
}

size_t kd_port_read_physical(uint64_t pa, void *to, size_t n, unsigned caching)
{
	(void)caching;
	n = ram_room(pa, n);
	if (n)
		memcpy(to, &M.ram[0][0] + pa, n);
	return n;
}

size_t kd_port_write_physical(uint64_t pa, const void *from, size_t n, unsigned caching)
{
	(void)caching;
	n = ram_room(pa, n);
	if (n)
		memcpy(&M.ram[0][0] + pa, from, n);
	return n;
}

uint64_t kd_port_user_end(void)
{
	return USER_END;
}

bool kd_port_query(uint64_t va, kd_space *space_ret, unsigned *flags_ret)
{
	uint64_t pa, flags;
	if (!walk(root_now(), va, &pa, &flags))
		return false;
	*space_ret = va < USER_END ? KD_SPACE_PROCESS : KD_SPACE_KERNEL;
	*flags_ret = KD_MEM_READ | KD_MEM_EXECUTE | (flags & WRITABLE ? KD_MEM_WRITE : 0);
	return true;
}

/* The one page that is ever absent. Like a page of an image file it is never dirty, so it could be
 * dropped again. */
bool kd_port_page_in(uint64_t va)
{
	if (root_now() != M.root[0] || (va & ~0xfffull) != MACHINE_USER_COLD)
		return false;
	map(M.root[0], MACHINE_USER_COLD, M.cold_frame, USER);
	return true;
}

uint32_t kd_port_io_read(uint16_t port, unsigned size)
{
	uint32_t v = 0;
	for (unsigned i = 0; i < size; i++)
		v |= (uint32_t)M.ports[(uint16_t)(port + i)] << (8 * i);
	return v;
}

void kd_port_io_write(uint16_t port, unsigned size, uint32_t value)
{
	for (unsigned i = 0; i < size; i++)
		M.ports[(uint16_t)(port + i)] = (uint8_t)(value >> (8 * i));
}

static uint64_t *msr(uint32_t number)
{
	static uint64_t apic = 0xfee00900, efer = 0xd01;
	KSPECIAL_REGISTERS *s = &M.cpus[M.running].special;
	switch (number) {
	case 0x1b:
		return &apic;
	case 0xc0000080:
		return &efer;
	case 0xc0000082:
		return &s->MsrLStar;
	case 0xc0000101:
		return &s->MsrGsBase;
	case 0xc0000102:
		return &s->MsrGsSwap;
	default:
		return NULL;
	}
}

bool kd_port_msr_read(uint32_t number, uint64_t *ret)
{
	uint64_t *m = msr(number);
	if (m)
		*ret = *m;
	return m != NULL;
}

bool kd_port_msr_write(uint32_t number, uint64_t value)
{
	uint64_t *m = msr(number);
	if (m)
		*m = value;
	return m != NULL;
}

static uint8_t pci_config[256] = {0x86, 0x80, 0x37, 0x12, 0x03, 0x01, 0, 0, 0x02, 0, 0, 6};

size_t kd_port_bus_read(
	unsigned type, unsigned bus, unsigned slot, unsigned offset, void *to, size_t n)
{
	if (type != 4 || bus || slot || offset >= sizeof(pci_config))
		return 0;
	if (n > sizeof(pci_config) - offset)
		n = sizeof(pci_config) - offset;
	memcpy(to, pci_config + offset, n);
	return n;
}

size_t kd_port_bus_write(
	unsigned type, unsigned bus, unsigned slot, unsigned offset, const void *from, size_t n)
{
	if (type != 4 || bus || slot || offset >= sizeof(pci_config))
		return 0;
	if (n > sizeof(pci_config) - offset)
		n = sizeof(pci_config) - offset;
	memcpy(pci_config + offset, from, n);
	return n;
}

void kd_port_version(DBGKD_GET_VERSION64 *ret)
{
	ret->MinorVersion = 0xECE;
	ret->Flags = M.o.processors > 1 ? DBGKD_VERS_FLAG_MP : 0;
	ret->KernBase = M.kernel;
	ret->PsLoadedModuleList = M.kernel + K_MODULES;
	ret->DebuggerDataList = M.kernel + K_KDBG_LIST;
}

uint16_t kd_port_processor_level(void)
{
	return 0xf;
}

void kd_port_present(bool present)
{
	(void)present;
}

void kd_port_reboot(void)
{
	channel_flush(M.line);
	longjmp(M.boot_again, 1);
}

/* ---- running ---- */

static size_t cpu_read(void *u, uint64_t va, void *to, size_t n)
{
	return copy_virtual(((cpu *)u)->special.Cr3, va, to, n, false);
}

static size_t cpu_write(void *u, uint64_t va, const void *from, size_t n)
{
	return copy_virtual(((cpu *)u)->special.Cr3, va, (void *)from, n, true);
}

static void raise_exception(cpu *u, uint32_t code_, unsigned parameters, uint64_t p0, uint64_t p1)
{
	EXCEPTION_RECORD64 r = {.ExceptionCode = code_,
		.ExceptionAddress = u->c.Rip,
		.NumberParameters = parameters,
		.ExceptionInformation = {p0, p1}};
	uint64_t rip = u->c.Rip;
	M.running = (unsigned)(u - M.cpus);
	memcpy(&u->c.Dr0, &u->special.KernelDr0, 6 * sizeof(uint64_t));
	bool second = code_ != KD_STATUS_BREAKPOINT && code_ != KD_STATUS_SINGLE_STEP;
	if (kd_enter_exception(&r, &u->c, second))
		return;
	M.unhandled++;
	if (code_ == KD_STATUS_BREAKPOINT && u->c.Rip == rip)
		u->c.Rip++;
}

/* What the clock interrupt does on a break-in: DbgBreakPointWithStatus on the kernel's stack, whose
 * return address leads to the iret that resumes what was interrupted. */
static void break_in(cpu *u, uint64_t break_status)
{
	unsigned i = (unsigned)(u - M.cpus);
	u->interrupted = u->c;
	u->in_break = true;
	u->c.SegCs = CS_KERNEL;
	u->c.SegSs = 0x18;
	u->c.Rcx = break_status;
	u->c.Rip = M.kernel + K_BREAK;
	u->c.Rsp = M.kernel + K_STACKS + i * PAGE + 0xf00 - 8;
	poke64(u->special.Cr3, u->c.Rsp, M.kernel + K_IRET);
}

void kd_port_bug_check(uint32_t code_)
{
	char text[128];
	int n = snprintf(text, sizeof(text), "\n*** Fatal System Error: 0x%08x\n\n", code_);
	cpu *u = &M.cpus[M.running];
	kd_print(text, (size_t)n);
	break_in(u, 3);
	raise_exception(u, KD_STATUS_BREAKPOINT, 1, 3, 0);
	kd_port_reboot();
}

static void step(cpu *u)
{
	toy_memory m = {u, cpu_read, cpu_write};
	uint64_t va;
	unsigned i = (unsigned)(u - M.cpus);
	M.running = M.selected = i;
	switch (toy_step(&u->c, &u->special, &m, &va)) {
	case TOY_NONE:
		break;
	case TOY_INT3:
		raise_exception(u, KD_STATUS_BREAKPOINT, 1, u->in_break ? u->c.Rcx : 0, 0);
		break;
	case TOY_DEBUG:
		raise_exception(u, KD_STATUS_SINGLE_STEP, 0, 0, 0);
		break;
	case TOY_SYSCALL:
		u->c.Rcx = u->c.Rip;
		u->c.R11 = u->c.EFlags;
		u->c.EFlags &= ~0x100u;
		u->user_rsp = u->c.Rsp;
		u->c.Rip = M.kernel + K_SYSCALL;
		u->c.Rsp = M.kernel + K_STACKS + i * PAGE + 0x800;
		u->c.SegCs = CS_KERNEL;
		u->c.SegSs = 0x18;
		break;
	case TOY_SYSRET:
		u->c.Rip = u->c.Rcx;
		u->c.EFlags = (uint32_t)u->c.R11;
		u->c.Rsp = u->user_rsp;
		u->c.SegCs = CS_USER;
		u->c.SegSs = 0x2b;
		break;
	case TOY_IRET:
		u->c = u->interrupted;
		u->in_break = false;
		break;
	case TOY_FAULT:
		if (kd_port_page_in(va))
			kd_page_appeared(va);
		else
			raise_exception(u, 0xC0000005u, 2, 0, va);
		break;
	case TOY_ILLEGAL:
		raise_exception(u, 0xC000001Du, 0, 0, 0);
		break;
	}
}

static void print(const char *text)
{
	if (kd_print(text, strlen(text)) && !M.cpus[M.running].in_break)
		break_in(&M.cpus[M.running], 1);
}

static void report_image(const char *path, uint64_t base, uint32_t size, bool unload)
{
	CONTEXT c = M.cpus[M.running].c;
	c.SegCs = CS_KERNEL;
	c.Rip = M.kernel + K_SERVICE;
	kd_report_load_symbols(path, strlen(path), base, size, 0, (uint64_t)-1, unload, &c);
}

static void churn(void)
{
	static const char path[] = "\\SystemRoot\\system32\\drivers\\churn.sys";
	if (!M.churn_loaded) {
		M.churn_base = M.kernel + 0x80000 +
			       (M.tick / (M.o.churn_every ? M.o.churn_every : 1) % 8) * 0x4000;
		image_header(M.root[0], M.churn_base, 0x5f000020, 0x2000);
	}
	report_image(path, M.churn_base, 0x2000, M.churn_loaded);
	M.churn_loaded = !M.churn_loaded;
}

static void prompt(void)
{
	char answer[64], text[128];
	size_t n = kd_prompt("Break, or Ignore (bi)? ", 23, answer, 2);
	snprintf(text, sizeof(text), "prompt: got '%.*s'\n", (int)n, answer);
	print(text);
	if (n && answer[0] == 'b')
		break_in(&M.cpus[M.running], 2);
	M.prompts++;
}

static void ask_file(void)
{
	static uint8_t data[65536];
	char text[256];
	kd_file f;
	if (!kd_file_open(M.o.file, strlen(M.o.file), &f)) {
		print("no replacement\n");
		return;
	}
	size_t n = kd_file_read(
		&f, 0, data, f.length < sizeof(data) ? (size_t)f.length : sizeof(data));
	uint32_t sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += data[i];
	size_t behind = kd_file_read(&f, f.length, data, 16);
	kd_file_close(&f);
	snprintf(text, sizeof(text), "replaced %s: length %llu, read %zu, sum %u, behind %zu\n",
		M.o.file, (unsigned long long)f.length, n, sum, behind);
	print(text);
}

static void every(unsigned interval, void (*what)(void))
{
	if (interval && M.tick % interval == 0)
		what();
}

static void say(void)
{
	char text[80];
	snprintf(text, sizeof(text), "tick %llu on processor %u\n", (unsigned long long)M.tick,
		M.running);
	print(text);
}

static void trace(void)
{
	static const uint8_t data[24] = "trace data, ignore it";
	kd_trace(data, sizeof(data));
}

/* Things that happen at their tick. */
static void events(void)
{
	M.running = M.selected = (unsigned)(M.tick % M.o.processors);
	cpu *u = &M.cpus[M.running];
	every(M.o.print_every, say);
	every(M.o.churn_every, churn);
	every(M.o.trace_every, trace);
	if (M.tick == M.o.prompt_after && M.o.prompt_after)
		prompt();
	if (M.tick == M.o.command_after && M.o.command_after) {
		M.commands++;
		kd_command_string("toy", 3, M.o.command, strlen(M.o.command), &u->c);
	}
	if (M.tick == M.o.fault_after && M.o.fault_after) {
		M.faults++;
		raise_exception(u, 0xC0000005u, 2, 1, 0xdead0000);
	}
	if (M.o.reboot_after && M.tick == M.o.reboot_after && M.boots == 1)
		kd_port_reboot();
}

/*
 * The remains of a debugger that died: it had joined, asked for 3,900 bytes and was killed in the
 * middle of the answer, with half of another packet sent. What it received is skipped; the line
 * comes alive inside the kernel's answer.
 */
static void script_dead_debugger(void)
{
	uint8_t *p = M.script;
	static const uint8_t ack[16] = {0x69, 0x69, 0x69, 0x69, 4, 0, 0, 0, 0, 0, 0x80, 0x80};
	uint8_t request[16 + 56 + 1] = {0x30, 0x30, 0x30, 0x30, 2, 0, 56, 0, 0, 0, 0x80, 0x80};
	uint32_t n = 3900, sum = 0;
	request[16] = 0x30;
	request[17] = 0x31;
	memcpy(request + 32, &M.kernel, 8);
	memcpy(request + 40, &n, 4);
	for (unsigned i = 16; i < 72; i++)
		sum += request[i];
	memcpy(request + 12, &sum, 4);
	request[72] = 0xaa;
	memcpy(p, ack, 16);
	memcpy(p + 16, request, sizeof(request));
	memcpy(p + 16 + sizeof(request), request, 30);
	M.script_n = 16 + sizeof(request) + 30;
	M.out_skip = 16 + 240 + (KD_VARIANT_B ? 0 : 4) + 1 + 16 + 16 + 56 + 2000;
}

static void boot(void)
{
	M.boots++;
	M.tick = 0;
	M.churn_loaded = false;
	M.script_n = M.script_pos = 0;
	M.out_skip = 0;
	build();
	for (unsigned i = 0; i < M.o.processors; i++)
		reset_cpu(i);
	M.ports[0x3fd] = 0x60;
	M.running = M.selected = 0;
	kd_init();
	if (M.o.mid_packet && M.boots == 1) {
		/* Meaningless without somebody to hear it. */
		while (M.line->fd < 0)
			channel_idle(M.line, 100000);
		script_dead_debugger();
		break_in(&M.cpus[0], 1);
		return;
	}
	if (M.o.boot_log) {
		static const char log[] =
			"SeaBIOS (toy)\r\nBooting from 0000:7c00\r\n00000000 iiiiiii b\r\n";
		for (const char *p = log; *p; p++)
			kd_port_putc((uint8_t)*p);
	}
	print("toy kernel: booting\n");
	report_image("\\SystemRoot\\system32\\ntoskrnl.exe", M.kernel, K_SIZE, false);
	report_image("\\SystemRoot\\system32\\hal.dll", M.kernel + HAL_AT, HAL_SIZE, false);
	if (M.o.file)
		ask_file();
	if (M.o.stopped)
		break_in(&M.cpus[0], 1);
}

void machine_init(const machine_options *o, channel *c)
{
	memset(&M, 0, sizeof(M));
	M.o = *o;
	M.line = c;
}

void machine_run(const volatile int *stop)
{
	(void)setjmp(M.boot_again);
	boot();
	while (!*stop) {
		M.tick++;
		events();
		for (unsigned i = 0; i < M.o.processors; i++) {
			cpu *u = &M.cpus[i];
			for (unsigned n = 0; n < M.o.instructions; n++)
				step(u);
			M.running = M.selected = i;
			if (!u->in_break && kd_poll_break_in())
				break_in(u, 1);
		}
		channel_idle(M.line, 1000);
	}
}

static uint64_t peek64(uint64_t root, uint64_t va)
{
	uint64_t v = 0;
	copy_virtual(root, va, &v, 8, false);
	return v;
}

void machine_print_state(void)
{
	printf("boots %llu ticks %llu kernel %llu", (unsigned long long)M.boots,
		(unsigned long long)M.tick,
		(unsigned long long)peek64(M.root[0], M.kernel + K_WORK_COUNT));
	for (unsigned p = 0; p < PROCESSES; p++)
		printf(" func%u %llu loop%u %llu", p,
			(unsigned long long)peek64(M.root[p], MACHINE_USER_DATA + U_FUNC_COUNT), p,
			(unsigned long long)peek64(M.root[p], MACHINE_USER_DATA + U_LOOP_COUNT));
	printf(" cold %llu unhandled %u int3 %u\n",
		(unsigned long long)peek64(M.root[0], MACHINE_USER_DATA + U_COLD_COUNT),
		M.unhandled, machine_int3_left());
}
