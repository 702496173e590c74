/* Bytes as an ELF file, as an image in memory, and as names. */
#include "fmt/elf.h"

typedef struct bytes {
	const uint8_t *p;
	size_t n;
} bytes;

static err read_bytes(void *u, uint64_t addr, void *to, size_t n, size_t *n_ret)
{
	const bytes *b = u;
	if (addr < 0x10000 || addr - 0x10000 >= b->n)
		return ERR_FAULT;
	size_t left = b->n - (addr - 0x10000);
	*n_ret = n < left ? n : left;
	memcpy(to, b->p + (addr - 0x10000), *n_ret);
	return ERR_OK;
}

static void jump(void *u, uint64_t addr, uint32_t n, str name)
{
	*(size_t *)u += n + name.n;
}

static void look(const uint8_t *p, size_t n)
{
	arena a;
	elf_view v;
	arena_init(&a);
	if (elf_open(&v, &a, p, n, NULL) == ERR_OK) {
		const elf_syms *t[] = {&v.symtab, &v.dynsym};
		buf b;
		buf_init(&b, 1 << 20);
		for (size_t k = 0; k < 2; k++)
			for (size_t i = 0; i < t[k]->n && i < 4096; i++) {
				elf_sym s;
				size_t index;
				if (!elf_sym_get(t[k], i, &s))
					continue;
				elf_undec(s.name, &b);
				if (elf_gnu_find(t[k], s.name, &s, &index) == ERR_OK &&
					index >= t[k]->n)
					__builtin_trap();
			}
		for (size_t i = 0; i < v.nsec && i < 256; i++) {
			uint64_t size;
			str raw;
			if (elf_sec_packed(&v, &v.sec[i], &size) && size < 1 << 20) {
				uint8_t *to = mem_alloc(size + 1);
				if (elf_sec_unpack(&v, &v.sec[i], to, size, NULL) != ERR_OK)
					to[0] = 0;
				mem_free(to);
			}
			if (elf_sec_bytes(&v, &v.sec[i], &raw) && raw.n)
				elf_crc32(raw.p, raw.n < 4096 ? raw.n : 4096);
		}
		uint8_t *mini;
		size_t mini_n;
		if (elf_debugdata(&v, &mini, &mini_n, NULL) == ERR_OK)
			mem_free(mini);
		str name, id;
		uint32_t crc;
		size_t left = 0;
		elf_debuglink(&v, &name, &crc);
		elf_plt_each(&v, jump, &left);
		uint64_t lo, hi;
		for (uint64_t at = 0; at < 0x2000; at += 31)
			if (elf_fde_at(&v, v.base + at, &lo, &hi) && v.base + at >= hi)
				__builtin_trap();
		elf_debugaltlink(&v, &name, &id);
		elf_at(&v, v.entry, &left);
		buf_deinit(&b);
	}
	arena_deinit(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	if (n && p[0] == '_') { /* a name */
		buf b;
		buf_init(&b, 1 << 20);
		elf_undec((str){(const char *)p, n}, &b);
		buf_deinit(&b);
		return 0;
	}
	look(p, n);
	bytes m = {p, n};
	mem_reader r = {&m, read_bytes};
	uint8_t *copy;
	size_t size;
	if (elf_from_memory(&r, 0x10000, &copy, &size, NULL) == ERR_OK) {
		look(copy, size);
		mem_free(copy);
	}
	return 0;
}
