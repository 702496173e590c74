/*
 * The boot loader: runs once, in 32-bit mode with paging off, straight from QEMU's multiboot
 * loader. Takes the multiboot modules (our PE images), chooses the bases of this boot, maps the
 * kernel and the hal with the protections of their sections, all memory at the direct map, and the
 * page tables in their own window; then boot.S jumps.
 *
 * Knows nothing of the kernel but its export KiSystemStartup and LOADER_PARAMETER_BLOCK.
 */
#include "../inc/loader.h"
#include "../inc/pe.h"

/* Multiboot information (Multiboot 1 specification, section 3.3). */
struct multiboot_info {
	uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr;
};

struct multiboot_module {
	uint32_t start, end, string, reserved;
};

enum { PAGE = 4096, LARGE = 0x200000 };
enum {
	PTE_V = 1,
	PTE_W = 2,
	PTE_A = 0x20,
	PTE_D = 0x40,
	PTE_L = 0x80,
	PTE_G = 0x100,
	PTE_SOFT_W = 0x800
};
#define PTE_NX 0x8000000000000000ull

static LOADER_PARAMETER_BLOCK block __attribute__((aligned(4096)));
static uint32_t free_at;
static uint64_t seed;

void *memcpy(void *to, const void *from, __SIZE_TYPE__ n)
{
	void *d = to;
	__asm__ volatile("rep movsb" : "+D"(d), "+S"(from), "+c"(n) : : "memory");
	return to;
}

void *memset(void *to, int c, __SIZE_TYPE__ n)
{
	void *d = to;
	__asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
	return to;
}

static uint32_t length(const char *s)
{
	uint32_t n = 0;

	while (s[n])
		n++;
	return n;
}

static void say(const char *s)
{
	for (; *s; s++)
		__asm__ volatile("outb %0, $0xe9" : : "a"(*s));
}

static void die(const char *s)
{
	say("loader: ");
	say(s);
	say("\n");
	for (;;)
		__asm__ volatile("hlt");
}

static uint32_t pages(uint32_t n)
{
	uint32_t at = free_at;

	free_at += n * PAGE;
	memset((void *)at, 0, n * PAGE);
	return at;
}

/* xorshift64* without the multiplication: good enough to move bases. */
static uint32_t chance(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 20) % n;
}

static uint64_t *entry(uint64_t va, int level)
{
	uint64_t *table = (uint64_t *)(uint32_t)block.PageRoot;

	for (int shift = 39; shift > 12 + 9 * level; shift -= 9) {
		uint64_t *e = &table[(uint32_t)(va >> shift) & 511];
		if (!*e)
			*e = pages(1) | PTE_V | PTE_W | PTE_A | PTE_D | PTE_SOFT_W;
		table = (uint64_t *)(uint32_t)(*e & ~0xfffull);
	}
	return &table[(uint32_t)(va >> (12 + 9 * level)) & 511];
}

/* Every page of a loaded image, with what its section allows. */
static void map_image(uint64_t va, uint32_t pa, uint32_t size)
{
	IMAGE_NT_HEADERS64 *nt = pe_headers((void *)pa);

	for (uint32_t at = 0; at < size; at += PAGE) {
		IMAGE_SECTION_HEADER *s = pe_sections((void *)pa);
		uint64_t bits = PTE_V | PTE_A | PTE_G | PTE_NX;
		for (unsigned k = 0; k < nt->FileHeader.NumberOfSections; k++, s++) {
			if (at < s->VirtualAddress || at >= s->VirtualAddress + s->VirtualSize)
				continue;
			if (s->Characteristics & PE_SCN_WRITE)
				bits |= PTE_W | PTE_D | PTE_SOFT_W;
			if (s->Characteristics & PE_SCN_EXECUTE)
				bits &= ~PTE_NX;
		}
		*entry(va + at, 0) = (pa + at) | bits;
	}
}

static uint64_t resolve(void *u, const char *module, const char *name)
{
	(void)u;
	for (uint32_t i = 0; i < block.ImageCount; i++) {
		LOADER_IMAGE *m = &block.Images[i];
		uint32_t rva = pe_streq(m->Name, module)
				       ? pe_export((void *)(uint32_t)m->Physical, name)
				       : 0;
		if (rva)
			return m->Base + rva;
	}
	return 0;
}

static void load(const char *name, uint64_t va)
{
	LOADER_IMAGE *m = &block.Images[block.ImageCount++];

	for (uint32_t i = 0; i < block.FileCount; i++) {
		if (!pe_streq(block.Files[i].Name, name))
			continue;
		void *file = (void *)(uint32_t)block.Files[i].Physical;
		uint32_t size = (pe_headers(file)->OptionalHeader.SizeOfImage + PAGE - 1) & -PAGE;
		uint32_t pa = pages(size / PAGE);
		pe_layout(file, (void *)pa);
		pe_relocate((void *)pa, va);
		memcpy(m->Name, name, length(name));
		m->Base = va;
		m->Physical = pa;
		m->Size = size;
		return;
	}
	die("kernel image missing");
}

static void copy_string(char *to, uint32_t n, const char *from)
{
	uint32_t i = 0;

	for (; from[i] && i < n - 1; i++)
		to[i] = from[i];
	to[i] = 0;
}

static void take_modules(const struct multiboot_info *mbi)
{
	const struct multiboot_module *mod = (const void *)mbi->mods_addr;

	for (uint32_t i = 0; i < mbi->mods_count && i < LOADER_FILES; i++) {
		const char *name = (const char *)mod[i].string, *base = name;
		for (; *name && *name != ' '; name++)
			if (*name == '/')
				base = name + 1;
		LOADER_FILE *f = &block.Files[block.FileCount++];
		copy_string(f->Name, sizeof f->Name, base);
		f->Physical = mod[i].start;
		f->Size = mod[i].end - mod[i].start;
		if (free_at < mod[i].end)
			free_at = (mod[i].end + PAGE - 1) & -PAGE;
	}
}

/* seed=N on the command line makes a boot repeatable; else the time stamp counter differs each
 * time. */
static void take_seed(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	seed = lo | (uint64_t)hi << 32;
	for (const char *p = block.CommandLine; *p; p++) {
		if (p[0] != 's' || p[1] != 'e' || p[2] != 'e' || p[3] != 'd' || p[4] != '=')
			continue;
		seed = 0;
		for (p += 5; *p >= '0' && *p <= '9'; p++)
			seed = seed * 10 + (uint32_t)(*p - '0');
		break;
	}
	seed = seed * 0x9e3779b9u + 0x1234567;
	for (int i = 0; i < 8; i++)
		chance(2);
	block.Seed = seed;
}

LOADER_PARAMETER_BLOCK *loader_main(const struct multiboot_info *mbi)
{
	free_at = 0x200000;
	copy_string(block.CommandLine, sizeof block.CommandLine, (const char *)mbi->cmdline);
	take_modules(mbi);
	take_seed();
	block.MemoryTop = 0x100000 + (uint64_t)mbi->mem_upper * 1024;
	if (block.MemoryTop > 0xc0000000)
		block.MemoryTop = 0xc0000000;

	block.PageRoot = pages(1);
	uint32_t pte_slot = 0x180 + chance(0x30), map_slot = 0x110 + chance(0x40);
	block.PteBase = 0xffff000000000000ull | (uint64_t)pte_slot << 39;
	block.DirectMap = 0xffff000000000000ull | (uint64_t)map_slot << 39;
	*entry((uint64_t)pte_slot << 39, 3) =
		block.PageRoot | PTE_V | PTE_W | PTE_A | PTE_D | PTE_NX | PTE_SOFT_W;
	for (uint64_t pa = 0; pa < block.MemoryTop; pa += LARGE)
		*entry(block.DirectMap + pa, 1) =
			pa | PTE_V | PTE_W | PTE_A | PTE_D | PTE_L | PTE_G | PTE_SOFT_W | PTE_NX;
	for (uint64_t pa = 0; pa < 0x1000000;
		pa += LARGE) /* where this code runs; the kernel drops it */
		*entry(pa, 1) = pa | PTE_V | PTE_W | PTE_L;

	uint64_t base = 0xfffff80000000000ull + (uint64_t)(1 + chance(0x8000)) * LARGE;
	load("ntoskrnl.exe", base);
	base += (block.Images[0].Size + LARGE - 1) & -(uint64_t)LARGE;
	load("hal.dll", base + chance(24) * 0x10000ull);
	block.DriverBase = 0xfffff88000000000ull + (uint64_t)chance(0x100) * 0x40000000;
	for (uint32_t i = 0; i < block.ImageCount; i++) {
		LOADER_IMAGE *m = &block.Images[i];
		const char *missing = pe_bind((void *)(uint32_t)m->Physical, resolve, 0);
		if (missing)
			die(missing);
		map_image(m->Base, (uint32_t)m->Physical, (uint32_t)m->Size);
	}
	block.Entry = resolve(0, "ntoskrnl.exe", "KiSystemStartup");
	block.Block = block.DirectMap + (uint32_t)&block;
	block.Stack = block.DirectMap + pages(8) + 8 * PAGE;
	block.FirstFree = free_at;
	return &block;
}
