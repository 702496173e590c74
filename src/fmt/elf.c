/*
 * elf: headers, sections, dynamic section, notes; see elf.h. Refuses to follow anything that does
 * not lie inside the bytes given.
 */
#include "fmt/elf.h"

#include "base/bisect.h"

#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

enum {
	EHDR = 64,
	PHDR = 56,
	SHDR = 64,
	SYM = 24,
	PAGE = 4096,
	PN_XNUM = 0xffff,   /* gABI: the number of headers stands in section 0 */
	SHN_XINDEX = 0xffff /* gABI: the index stands in section 0 */
};
/* Elf64_Dyn tags, gABI figure 5-10 and the GNU extension */
enum { DT_STRTAB = 5, DT_SYMTAB = 6, DT_STRSZ = 10, DT_HASH = 4, DT_GNU_HASH = 0x6ffffef5 };
enum { DYN_MAX = 4096, NOTES_MAX = 1024, NT_GNU_BUILD_ID = 3 };
/* Elf64_Chdr.ch_type, gABI "Section Compression" */
enum { CH_ZLIB = 1, CH_ZSTD = 2, CHDR = 24 };

bool elf_is(const void *p, size_t n)
{
	return n >= EHDR && !memcmp(p, "\177ELF", 4);
}

static bool inside(uint64_t off, uint64_t size, uint64_t n)
{
	return off <= n && size <= n - off;
}

/* ---- headers ---- */

static err check_ident(const uint8_t *p, size_t n, diag *d)
{
	if (!elf_is(p, n))
		return diag_set(d, ERR_CORRUPT, "not an ELF file");
	if (p[4] != 2)
		return diag_set(d, ERR_UNSUPPORTED, "a 32-bit ELF file");
	if (p[5] != 1)
		return diag_set(d, ERR_UNSUPPORTED, "a big-endian ELF file");
	return ERR_OK;
}

static void phdr_get(const uint8_t *p, elf_phdr *ret)
{
	*ret = (elf_phdr){.type = le32(p),
		.flags = le32(p + 4),
		.off = le64(p + 8),
		.vaddr = le64(p + 16),
		.filesz = le64(p + 32),
		.memsz = le64(p + 40),
		.align = le64(p + 48)};
}

/* Lowest page and span of the PT_LOADs; false if they make no sense. */
static bool extent(const elf_phdr *ph, size_t n, uint64_t *base, uint64_t *span)
{
	uint64_t lo = UINT64_MAX, hi = 0;
	for (size_t i = 0; i < n; i++) {
		if (ph[i].type != ELF_PT_LOAD || !ph[i].memsz)
			continue;
		if (ph[i].vaddr > UINT64_MAX - PAGE ||
			ph[i].memsz > UINT64_MAX - PAGE - ph[i].vaddr)
			return false;
		if (ph[i].vaddr < lo)
			lo = ph[i].vaddr;
		if (ph[i].vaddr + ph[i].memsz > hi)
			hi = ph[i].vaddr + ph[i].memsz;
	}
	if (lo == UINT64_MAX) {
		*base = *span = 0;
		return true;
	}
	*base = lo & ~(uint64_t)(PAGE - 1);
	*span = ((hi + PAGE - 1) & ~(uint64_t)(PAGE - 1)) - *base;
	return true;
}

static void sec_get(const uint8_t *p, elf_sec *ret)
{
	*ret = (elf_sec){.type = le32(p + 4),
		.flags = le64(p + 8),
		.addr = le64(p + 16),
		.off = le64(p + 24),
		.size = le64(p + 32),
		.link = le32(p + 40),
		.info = le32(p + 44)};
}

static str name_at(str table, uint64_t off)
{
	if (off >= table.n)
		return (str){"", 0};
	const char *p = table.p + off;
	const char *end = memchr(p, 0, table.n - off);
	return end ? str_range(p, end) : (str){"", 0};
}

/* Damaged section headers are as good as none: the file can still run. */
static void read_sections(elf_view *v, arena *a)
{
	uint64_t shoff = le64(v->p + 40);
	size_t n = le16(v->p + 60);
	uint32_t strndx = le16(v->p + 62);
	if (!shoff || le16(v->p + 58) != SHDR || !inside(shoff, SHDR, v->n))
		return;
	elf_sec zero;
	sec_get(v->p + shoff, &zero);
	if (!n)
		n = zero.size < ELF_MAX_SECTIONS ? (size_t)zero.size : 0;
	if (strndx == SHN_XINDEX)
		strndx = zero.link;
	if (n > ELF_MAX_SECTIONS || !inside(shoff, (uint64_t)n * SHDR, v->n))
		return;
	elf_sec *sec = arena_array(a, n, sizeof *sec);
	for (size_t i = 0; i < n; i++)
		sec_get(v->p + shoff + i * SHDR, &sec[i]);
	str names = {0};
	if (strndx < n && inside(sec[strndx].off, sec[strndx].size, v->n))
		names = (str){(const char *)v->p + sec[strndx].off, sec[strndx].size};
	for (size_t i = 0; i < n; i++)
		sec[i].name = name_at(names, le32(v->p + shoff + i * SHDR));
	v->sec = sec;
	v->nsec = n;
}

/* ---- symbol tables ---- */

static void syms_of_section(const elf_view *v, uint32_t type, elf_syms *ret)
{
	for (size_t i = 1; i < v->nsec; i++) {
		const elf_sec *s = &v->sec[i];
		if (s->type != type || s->link >= v->nsec)
			continue;
		str sym, names;
		if (!elf_sec_bytes(v, s, &sym) || !elf_sec_bytes(v, &v->sec[s->link], &names))
			continue;
		*ret = (elf_syms){.sym = (const uint8_t *)sym.p, .n = sym.n / SYM, .names = names};
		return;
	}
}

/* How many symbols a table has that only its hash knows: one past the last of the last chain. */
static size_t gnu_hash_count(const uint8_t *h, size_t n)
{
	if (n < 16)
		return 0;
	uint32_t nb = le32(h), first = le32(h + 4), bloom = le32(h + 8), last = 0;
	uint64_t buckets = 16 + (uint64_t)bloom * 8;
	uint64_t chains = buckets + (uint64_t)nb * 4;
	if (chains > n)
		return 0;
	for (uint32_t i = 0; i < nb; i++) {
		uint32_t b = le32(h + buckets + (uint64_t)i * 4);
		if (b > last)
			last = b;
	}
	if (last < first)
		return first;
	for (uint64_t at = chains + (uint64_t)(last - first) * 4; at + 4 <= n; at += 4, last++)
		if (le32(h + at) & 1)
			return (size_t)last + 1;
	return 0;
}

/* The dynamic symbols as the loader finds them: there may be no section headers at all. */
static void syms_of_dynamic(elf_view *v)
{
	uint64_t at;
	size_t left;
	elf_syms *t = &v->dynsym;
	const uint8_t *h =
		elf_dynamic(v, DT_GNU_HASH, &at) ? elf_at(v, at, &left) : (const uint8_t *)NULL;
	if (h && left >= 16) {
		t->hash = h;
		t->hash_n = left;
	}
	if (t->n)
		return;
	size_t count = t->hash ? gnu_hash_count(t->hash, t->hash_n) : 0;
	if (!count && elf_dynamic(v, DT_HASH, &at) && (h = elf_at(v, at, &left)) && left >= 8)
		count = le32(h + 4); /* nchain: as many as symbols */
	uint64_t names, names_n;
	const uint8_t *sym, *str_;
	size_t sym_left, str_left;
	if (!count || !elf_dynamic(v, DT_SYMTAB, &at) || !elf_dynamic(v, DT_STRTAB, &names) ||
		!elf_dynamic(v, DT_STRSZ, &names_n) || !(sym = elf_at(v, at, &sym_left)) ||
		!(str_ = elf_at(v, names, &str_left)))
		return;
	t->sym = sym;
	t->n = count < sym_left / SYM ? count : sym_left / SYM;
	t->names = (str){(const char *)str_, names_n < str_left ? (size_t)names_n : str_left};
}

bool elf_sym_get(const elf_syms *t, size_t i, elf_sym *ret)
{
	if (i >= t->n)
		return false;
	const uint8_t *p = t->sym + i * SYM;
	str name = name_at(t->names, le32(p));
	if (name.n > ELF_MAX_NAME)
		name.n = ELF_MAX_NAME;
	const char *at = name.n > 1 ? memchr(name.p + 1, '@', name.n - 1) : NULL;
	if (at)
		name.n = (size_t)(at - name.p);
	*ret = (elf_sym){.name = name,
		.value = le64(p + 8),
		.size = le64(p + 16),
		.type = p[4] & 15,
		.bind = p[4] >> 4,
		.shndx = le16(p + 6)};
	return true;
}

static uint32_t gnu_hash(str name)
{
	uint32_t h = 5381;
	for (size_t i = 0; i < name.n; i++)
		h = h * 33 + (unsigned char)name.p[i];
	return h;
}

/* Source: "ELF: better symbol lookup via DT_GNU_HASH" (flapenguin.me/elf-dt-gnu-hash), glibc. */
err elf_gnu_find(const elf_syms *t, str name, elf_sym *ret, size_t *index)
{
	const uint8_t *p = t->hash;
	if (!p || t->hash_n < 16)
		return ERR_UNSUPPORTED;
	uint32_t nb = le32(p), first = le32(p + 4), bloom = le32(p + 8), shift = le32(p + 12);
	uint64_t buckets = 16 + (uint64_t)bloom * 8;
	uint64_t chains = buckets + (uint64_t)nb * 4;
	if (!nb || !bloom || chains > t->hash_n)
		return ERR_UNSUPPORTED;
	uint32_t h = gnu_hash(name);
	uint64_t word = le64(p + 16 + (uint64_t)(h / 64 % bloom) * 8);
	if (!(word >> h % 64 & word >> (h >> (shift & 31)) % 64 & 1))
		return ERR_NOTFOUND;
	uint32_t i = le32(p + buckets + (uint64_t)(h % nb) * 4);
	if (i < first)
		return ERR_NOTFOUND;
	for (; i < t->n; i++) {
		uint64_t at = chains + (uint64_t)(i - first) * 4;
		if (at + 4 > t->hash_n)
			return ERR_CORRUPT;
		uint32_t c = le32(p + at);
		elf_sym s;
		if ((c | 1) == (h | 1) && elf_sym_get(t, i, &s) && str_eq(s.name, name)) {
			*ret = s;
			*index = i;
			return ERR_OK;
		}
		if (c & 1)
			break;
	}
	return ERR_NOTFOUND;
}

/* ---- notes ---- */

static bool build_id_in(elf_view *v, reader r)
{
	for (int i = 0; i < NOTES_MAX && rd_left(&r) >= 12; i++) {
		uint32_t namesz = rd_u32(&r), descsz = rd_u32(&r), type = rd_u32(&r);
		const uint8_t *name = rd_bytes(&r, namesz);
		rd_align(&r, 4);
		const uint8_t *desc = rd_bytes(&r, descsz);
		rd_align(&r, 4);
		if (!name || !desc)
			return false;
		if (type == NT_GNU_BUILD_ID && namesz == 4 && !memcmp(name, "GNU", 4) && descsz &&
			descsz <= ELF_MAX_BUILD_ID) {
			memcpy(v->build_id, desc, descsz);
			v->build_id_n = descsz;
			return true;
		}
	}
	return false;
}

static void find_build_id(elf_view *v)
{
	str b;
	for (size_t i = 1; i < v->nsec; i++)
		if (v->sec[i].type == ELF_SHT_NOTE && elf_sec_bytes(v, &v->sec[i], &b) &&
			build_id_in(v, rd_of(b.p, b.n)))
			return;
	for (size_t i = 0; i < v->nph; i++)
		if (v->ph[i].type == ELF_PT_NOTE && inside(v->ph[i].off, v->ph[i].filesz, v->n) &&
			build_id_in(v, rd_of(v->p + v->ph[i].off, v->ph[i].filesz)))
			return;
}

void elf_build_id_text(const uint8_t *id, size_t n, buf *out)
{
	for (size_t i = 0; i < n; i++)
		buf_addf(out, "%02x", id[i]);
}

/* ---- opening ---- */

err elf_open(elf_view *ret, arena *a, const void *bytes, size_t n, diag *d)
{
	const uint8_t *p = bytes;
	TRY(check_ident(p, n, d));
	elf_view v = {.p = p,
		.n = n,
		.type = le16(p + 16),
		.machine = le16(p + 18),
		.entry = le64(p + 24)};
	read_sections(&v, a);
	uint64_t phoff = le64(p + 32);
	size_t nph = le16(p + 56);
	if (nph == PN_XNUM && v.nsec)
		nph = v.sec[0].info;
	if (nph) {
		if (nph > ELF_MAX_PHDRS || le16(p + 54) != PHDR ||
			!inside(phoff, (uint64_t)nph * PHDR, n))
			return diag_set(d, ERR_CORRUPT, "ELF program headers outside of the file");
		elf_phdr *ph = arena_array(a, nph, sizeof *ph);
		for (size_t i = 0; i < nph; i++)
			phdr_get(p + phoff + i * PHDR, &ph[i]);
		v.ph = ph;
		v.nph = nph;
		if (!extent(ph, nph, &v.base, &v.span))
			return diag_set(d, ERR_CORRUPT, "ELF segments that wrap");
	}
	syms_of_section(&v, ELF_SHT_SYMTAB, &v.symtab);
	syms_of_section(&v, ELF_SHT_DYNSYM, &v.dynsym);
	syms_of_dynamic(&v);
	find_build_id(&v);
	*ret = v;
	return ERR_OK;
}

static err headers_in_memory(const mem_reader *m, uint64_t base, uint8_t ehdr[EHDR],
	elf_phdr ph[ELF_MAX_PHDRS], size_t *nph, diag *d)
{
	if (mem_read_all(m, base, ehdr, EHDR) != ERR_OK)
		return diag_set(d, ERR_FAULT, "no ELF header can be read at %llx",
			(unsigned long long)base);
	TRY(check_ident(ehdr, EHDR, d));
	uint64_t phoff = le64(ehdr + 32);
	*nph = le16(ehdr + 56);
	if (*nph > ELF_MAX_PHDRS || le16(ehdr + 54) != PHDR || phoff > ELF_MAX_LOADED)
		return diag_set(d, ERR_CORRUPT, "damaged ELF program headers");
	for (size_t i = 0; i < *nph; i++) {
		uint8_t b[PHDR];
		if (mem_read_all(m, base + phoff + i * PHDR, b, PHDR) != ERR_OK)
			return diag_set(d, ERR_FAULT, "the program headers cannot be read");
		phdr_get(b, &ph[i]);
	}
	return ERR_OK;
}

static void read_some(const mem_reader *m, uint64_t addr, uint8_t *to, uint64_t n)
{
	for (uint64_t done = 0; done < n;) {
		size_t got = 0;
		if (m->read(m->u, addr + done, to + done, n - done, &got) != ERR_OK || !got) {
			uint64_t skip = PAGE - ((addr + done) & (PAGE - 1));
			done += skip;
			continue;
		}
		done += got;
	}
}

/* glibc's loader turns the addresses in the dynamic section into those of this process. */
static void unrelocate(uint8_t *b, uint64_t n, const elf_phdr *h, uint64_t base, uint64_t lo)
{
	uint64_t at = h->vaddr - lo;
	if (h->vaddr < lo || !inside(at, h->memsz, n))
		return;
	for (uint64_t end = at + h->memsz; at + 16 <= end && le64(b + at); at += 16) {
		uint64_t tag = le64(b + at), v = le64(b + at + 8);
		if ((tag == DT_STRTAB || tag == DT_SYMTAB || tag == DT_HASH ||
			    tag == DT_GNU_HASH) &&
			base > lo && v >= base && v - base < n)
			put64(b + at + 8, v - base + lo);
	}
}

/* Does the file itself lie there, section headers and all (the vdso)? */
static bool whole_file(const uint8_t *ehdr, uint64_t span)
{
	uint64_t shoff = le64(ehdr + 40), n = le16(ehdr + 60);
	return shoff && n && inside(shoff, n * SHDR, span);
}

err elf_from_memory(const mem_reader *m, uint64_t base, uint8_t **ret, size_t *n_ret, diag *d)
{
	uint8_t ehdr[EHDR];
	size_t nph = 0;
	uint64_t lo = 0, span = 0;
	elf_phdr *ph = mem_alloc(ELF_MAX_PHDRS * sizeof *ph);
	err e = headers_in_memory(m, base, ehdr, ph, &nph, d);
	if (e == ERR_OK && (!extent(ph, nph, &lo, &span) || !span))
		e = diag_set(d, ERR_CORRUPT, "ELF segments that make no sense");
	if (e == ERR_OK && span > ELF_MAX_LOADED)
		e = diag_set(d, ERR_LIMIT, "an image of more than %d MiB is not copied",
			ELF_MAX_LOADED >> 20);
	if (e == ERR_OK) {
		uint8_t *b = mem_alloc(span);
		for (size_t i = 0; i < nph; i++)
			if (ph[i].type == ELF_PT_LOAD && ph[i].memsz && ph[i].vaddr >= lo)
				read_some(m, base + (ph[i].vaddr - lo), b + (ph[i].vaddr - lo),
					ph[i].memsz);
		memcpy(b, ehdr, EHDR);
		uint64_t phoff = le64(ehdr + 32);
		bool one = whole_file(ehdr, span) && nph && inside(phoff, nph * PHDR, span);
		for (size_t i = 0; i < nph && one; i++)
			one = ph[i].off == ph[i].vaddr - lo || ph[i].type != ELF_PT_LOAD;
		if (!one) {
			/* offsets become addresses; there are no sections in memory */
			memset(b + 40, 0, 8);
			put16(b + 60, 0);
			put16(b + 62, 0);
			for (size_t i = 0; i < nph && inside(phoff, nph * PHDR, span); i++) {
				uint8_t *h = b + phoff + i * PHDR;
				put64(h + 8, ph[i].vaddr - lo);
				put64(h + 32, ph[i].memsz);
			}
		}
		for (size_t i = 0; i < nph; i++)
			if (ph[i].type == ELF_PT_DYNAMIC)
				unrelocate(b, span, &ph[i], base, lo);
		*ret = b;
		*n_ret = span;
	}
	mem_free(ph);
	return e;
}

/* ---- sections, addresses ---- */

const elf_sec *elf_sec_find(const elf_view *v, str name)
{
	for (size_t i = 1; i < v->nsec; i++)
		if (str_eq(v->sec[i].name, name))
			return &v->sec[i];
	return NULL;
}

bool elf_sec_bytes(const elf_view *v, const elf_sec *s, str *ret)
{
	if (s->type == ELF_SHT_NOBITS || !inside(s->off, s->size, v->n))
		return false;
	*ret = (str){(const char *)v->p + s->off, s->size};
	return true;
}

const uint8_t *elf_at(const elf_view *v, uint64_t vaddr, size_t *n_ret)
{
	for (size_t i = 0; i < v->nph; i++) {
		const elf_phdr *h = &v->ph[i];
		if (h->type != ELF_PT_LOAD || vaddr < h->vaddr || vaddr - h->vaddr >= h->filesz ||
			!inside(h->off, h->filesz, v->n))
			continue;
		*n_ret = h->filesz - (vaddr - h->vaddr);
		return v->p + h->off + (vaddr - h->vaddr);
	}
	return NULL;
}

bool elf_dynamic(const elf_view *v, uint64_t tag, uint64_t *ret)
{
	for (size_t i = 0; i < v->nph; i++) {
		const elf_phdr *h = &v->ph[i];
		if (h->type != ELF_PT_DYNAMIC || !inside(h->off, h->filesz, v->n))
			continue;
		reader r = rd_of(v->p + h->off, h->filesz);
		for (int k = 0; k < DYN_MAX && rd_left(&r) >= 16; k++) {
			uint64_t t = rd_u64(&r), val = rd_u64(&r);
			if (!t)
				return false;
			if (t == tag) {
				*ret = val;
				return true;
			}
		}
	}
	return false;
}

/* .zdebug_xxx: "ZLIB" and the size in 8 bytes, big-endian first (binutils'
 * --compress-debug-sections =zlib-gnu). */
static bool is_zdebug(const elf_sec *s, str b)
{
	return str_starts(s->name, STR(".zdebug")) && b.n >= 12 && !memcmp(b.p, "ZLIB", 4);
}

bool elf_sec_packed(const elf_view *v, const elf_sec *s, uint64_t *size)
{
	str b;
	if (!elf_sec_bytes(v, s, &b))
		return false;
	if (s->flags & ELF_SHF_COMPRESSED && b.n >= CHDR) {
		*size = le64(b.p + 8);
		return true;
	}
	if (!is_zdebug(s, b))
		return false;
	uint64_t n = 0;
	for (int i = 4; i < 12; i++)
		n = n << 8 | (uint8_t)b.p[i];
	*size = n;
	return true;
}

static err unzlib(str in, uint8_t *to, uint64_t size)
{
	z_stream z = {0};
	if (inflateInit(&z) != Z_OK)
		return ERR_CORRUPT;
	uint64_t done = 0;
	int r = Z_OK;
	z.next_in = (Bytef *)(uintptr_t)in.p;
	size_t left = in.n;
	while (r == Z_OK && done < size) {
		z.avail_in = left > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uInt)left;
		uInt gave = z.avail_in;
		z.next_out = to + done;
		uint64_t room = size - done;
		z.avail_out = room > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uInt)room;
		uInt had = z.avail_out;
		r = inflate(&z, Z_NO_FLUSH);
		left -= gave - z.avail_in;
		done += had - z.avail_out;
		if (gave == z.avail_in && had == z.avail_out)
			break;
	}
	inflateEnd(&z);
	return done == size ? ERR_OK : ERR_CORRUPT;
}

err elf_sec_unpack(const elf_view *v, const elf_sec *s, uint8_t *to, uint64_t size, diag *d)
{
	str b;
	err e = ERR_CORRUPT;
	if (elf_sec_bytes(v, s, &b)) {
		if (is_zdebug(s, b)) {
			e = unzlib(str_skip(b, 12), to, size);
		} else if (b.n >= CHDR && le32(b.p) == CH_ZLIB) {
			e = unzlib(str_skip(b, CHDR), to, size);
		} else if (b.n >= CHDR && le32(b.p) == CH_ZSTD) {
			size_t n = ZSTD_decompress(to, size, b.p + CHDR, b.n - CHDR);
			e = !ZSTD_isError(n) && n == size ? ERR_OK : ERR_CORRUPT;
		} else {
			e = ERR_UNSUPPORTED;
		}
	}
	return e == ERR_OK ? e
			   : diag_set(d, e, "section %.*s cannot be unpacked",
				     STR_ARG(str_take(s->name, 64)));
}

/* ---- procedure linkage table ---- */

enum { RELA = 24, RELAS_MAX = 1 << 20, PLT_ENTRY = 16, PLT_MAX = 1 << 24 };

static int by_slot(const void *a, const void *b)
{
	uint64_t x = le64(*(const uint8_t *const *)a), y = le64(*(const uint8_t *const *)b);
	return x < y ? -1 : x > y;
}

/* The relocation of a slot in the global offset table, by binary search. */
static const uint8_t *rela_of(const uint8_t *const *r, size_t n, uint64_t slot)
{
	size_t lo = BISECT(i, n, le64(r[i]) < slot);
	return lo < n && le64(r[lo]) == slot ? r[lo] : NULL;
}

/* jmp [rip+disp32], perhaps behind endbr64 and with a bnd prefix: ff 25. */
static bool plt_slot(const uint8_t *p, uint64_t addr, uint64_t *slot)
{
	for (int i = 0; i + 6 <= PLT_ENTRY; i++)
		if (p[i] == 0xff && p[i + 1] == 0x25) {
			*slot = addr + (uint64_t)i + 6 +
				(uint64_t)(int64_t)(int32_t)le32(p + i + 2);
			return true;
		}
	return false;
}

void elf_plt_each(
	const elf_view *v, void (*fn)(void *u, uint64_t addr, uint32_t n, str name), void *u)
{
	static const char *const tables[] = {".rela.plt", ".rela.dyn"};
	static const char *const plts[] = {".plt", ".plt.sec", ".plt.got"};
	VEC(const uint8_t *) rela = {0};
	str b;
	for (size_t k = 0; k < ARRAY_LEN(tables); k++) {
		const elf_sec *s = elf_sec_find(v, str_of(tables[k]));
		if (!s || !elf_sec_bytes(v, s, &b))
			continue;
		for (size_t i = 0; i + RELA <= b.n && rela.n < RELAS_MAX; i += RELA)
			if (le32(b.p + i + 12)) /* r_sym */
				vec_push(&rela, (const uint8_t *)b.p + i);
	}
	if (rela.n)
		qsort(rela.p, rela.n, sizeof *rela.p, by_slot);
	for (size_t k = 0; k < ARRAY_LEN(plts) && rela.n; k++) {
		const elf_sec *s = elf_sec_find(v, str_of(plts[k]));
		/* .plt.got has entries of 8 bytes */
		uint32_t step = k == 2 ? 8 : PLT_ENTRY;
		if (!s || !elf_sec_bytes(v, s, &b))
			continue;
		for (size_t i = 0; i + PLT_ENTRY <= b.n && i < PLT_MAX; i += step) {
			uint64_t slot;
			elf_sym sym;
			const uint8_t *p = (const uint8_t *)b.p + i;
			if (k == 2 && p[0] != 0xff && p[0] != 0xf3 && p[0] != 0xf2)
				continue;
			const uint8_t *r = plt_slot(p, s->addr + i, &slot)
						   ? rela_of(rela.p, rela.n, slot)
						   : NULL;
			if (r && elf_sym_get(&v->dynsym, le32(r + 12), &sym) && sym.name.n)
				fn(u, s->addr + i, step, sym.name);
		}
	}
	vec_deinit(&rela);
}

/* ---- ranges of the unwind table ---- */

/* Pointer encodings, LSB "DWARF Exception Header Encoding" */
enum {
	PE_UDATA4 = 3,
	PE_SDATA4 = 0x0b,
	PE_PCREL = 0x10,
	PE_DATAREL_SDATA4 = 0x3b,
	PE_FORMAT = 0x0f
};

static void skip_leb(reader *r)
{
	for (int i = 0; i < 10 && rd_u8(r) & 0x80; i++)
		;
}

/* Bytes of a pointer of this encoding; 0: not one of fixed size. */
static unsigned pointer_size(unsigned enc)
{
	static const uint8_t sizes[16] = {8, 0, 2, 4, 8, 0, 0, 0, 0, 0, 2, 4, 8, 0, 0, 0};
	return sizes[enc & PE_FORMAT];
}

/* How the entries of a CIE write addresses. */
static bool cie_encoding(reader r, unsigned *ret)
{
	uint32_t n = rd_u32(&r);
	if (n < 8 || n > rd_left(&r) || rd_u32(&r) != 0)
		return false;
	unsigned version = rd_u8(&r);
	str aug = rd_cstr(&r);
	skip_leb(&r); /* code and data alignment */
	skip_leb(&r);
	if (version == 1)
		rd_u8(&r);
	else
		skip_leb(&r);
	*ret = 0;
	if (!aug.n || aug.p[0] != 'z')
		return !r.bad;
	skip_leb(&r);
	for (size_t i = 1; i < aug.n && !r.bad; i++) {
		if (aug.p[i] == 'R') {
			*ret = rd_u8(&r);
			return !r.bad;
		}
		if (aug.p[i] == 'P')
			rd_skip(&r, pointer_size(rd_u8(&r)));
		else if (aug.p[i] == 'L')
			rd_u8(&r);
		else if (aug.p[i] != 'S' && aug.p[i] != 'B')
			return false;
	}
	return !r.bad;
}

static bool fde_range(const elf_view *v, uint64_t at, uint64_t *begin, uint64_t *end)
{
	size_t left, back;
	unsigned enc;
	const uint8_t *p = elf_at(v, at, &left);
	if (!p || left < 16)
		return false;
	uint32_t n = le32(p), cie = le32(p + 4);
	const uint8_t *c = cie ? elf_at(v, at + 4 - cie, &back) : NULL;
	if (n < 8 || n > left - 4 || !c || !cie_encoding(rd_of(c, back), &enc) ||
		(enc & PE_FORMAT & ~8u) != PE_UDATA4)
		return false; /* four bytes: what compilers write */
	uint64_t lo = (uint64_t)(int64_t)(int32_t)le32(p + 8);
	if ((enc & 0x70) == PE_PCREL)
		lo += at + 8;
	*begin = lo;
	*end = lo + le32(p + 12);
	return true;
}

/* The address that four bytes of .eh_frame_hdr's table say, relative to its begin. */
static uint64_t table_addr(const elf_phdr *h, const uint8_t *p)
{
	return h->vaddr + (uint64_t)(int64_t)(int32_t)le32(p);
}

bool elf_fde_at(const elf_view *v, uint64_t addr, uint64_t *begin, uint64_t *end)
{
	for (size_t i = 0; i < v->nph; i++) {
		const elf_phdr *h = &v->ph[i];
		size_t left;
		const uint8_t *p =
			h->type == ELF_PT_GNU_EH_FRAME ? elf_at(v, h->vaddr, &left) : NULL;
		if (!p || left < 12 || p[0] != 1 || p[2] != PE_UDATA4 ||
			p[3] != PE_DATAREL_SDATA4 || pointer_size(p[1]) != 4)
			continue;
		size_t n = le32(p + 8);
		if (n > (left - 12) / 8)
			n = (left - 12) / 8;
		size_t lo = BISECT(k, n, table_addr(h, p + 12 + k * 8) <= addr);
		if (!lo)
			continue;
		uint64_t fde = table_addr(h, p + 12 + (lo - 1) * 8 + 4);
		if (fde_range(v, fde, begin, end) && addr >= *begin && addr < *end)
			return true;
	}
	return false;
}

/* ---- links to other files ---- */

static bool link_section(const elf_view *v, str sec, str *name, str *rest)
{
	const elf_sec *s = elf_sec_find(v, sec);
	str b;
	if (!s || !elf_sec_bytes(v, s, &b))
		return false;
	reader r = rd_of(b.p, b.n);
	*name = rd_cstr(&r);
	if (r.bad || !name->n || name->n > 4096)
		return false;
	*rest = str_skip(b, r.pos);
	return true;
}

bool elf_debuglink(const elf_view *v, str *name, uint32_t *crc)
{
	str n, rest;
	if (!link_section(v, STR(".gnu_debuglink"), &n, &rest))
		return false;
	size_t pad = (4 - (n.n + 1) % 4) % 4; /* the sum is aligned to 4 */
	if (rest.n < pad + 4)
		return false;
	*name = n;
	*crc = le32(rest.p + pad);
	return true;
}

bool elf_debugaltlink(const elf_view *v, str *name, str *id)
{
	return link_section(v, STR(".gnu_debugaltlink"), name, id) && id->n &&
	       id->n <= ELF_MAX_BUILD_ID;
}

uint32_t elf_crc32(const void *p, size_t n)
{
	return (uint32_t)crc32_z(0, p, n);
}

/* ---- the auxiliary vector ---- */

bool elf_auxv_nth(str v, size_t i, uint64_t *type, uint64_t *value)
{
	if (i >= v.n / 16)
		return false;
	const uint8_t *p = (const uint8_t *)v.p + 16 * i;
	if (!le64(p)) /* AT_NULL */
		return false;
	*type = le64(p);
	*value = le64(p + 8);
	return true;
}

bool elf_auxv(str v, uint64_t type, uint64_t *ret)
{
	uint64_t t, value;
	for (size_t i = 0; elf_auxv_nth(v, i, &t, &value); i++)
		if (t == type) {
			*ret = value;
			return true;
		}
	return false;
}

/* ---- a file made up ---- */

uint8_t *elf_pack(const elf_part *part, size_t n, size_t *size, uint64_t *at)
{
	uint64_t names = 1 + sizeof ".shstrtab", off = EHDR;
	for (size_t i = 0; i < n; i++) {
		off = (off + part[i].n + 15) & ~(uint64_t)15;
		names += strlen(part[i].name) + 1;
	}
	uint64_t names_at = off, sh_at = (off + names + 15) & ~(uint64_t)15;
	uint64_t total = sh_at + (n + 2) * SHDR;
	uint8_t *b = mem_alloc(total);
	memcpy(b, "\177ELF\2\1\1", 7);
	put16(b + 16, ELF_EXEC);
	put16(b + 18, ELF_MACHINE_X64);
	put32(b + 20, 1);
	put64(b + 40, sh_at);
	put16(b + 52, EHDR);
	put16(b + 58, SHDR);
	put16(b + 60, (uint16_t)(n + 2));
	put16(b + 62, (uint16_t)(n + 1));
	off = EHDR;
	uint64_t name = 1;
	for (size_t i = 0; i <= n; i++) {
		uint8_t *h = b + sh_at + (i + 1) * SHDR;
		const char *z = i < n ? part[i].name : ".shstrtab";
		put32(h, (uint32_t)name);
		strcpy((char *)b + names_at + name, z);
		name += strlen(z) + 1;
		put32(h + 4, i < n ? 1 : 3); /* SHT_PROGBITS, SHT_STRTAB */
		put64(h + 24, i < n ? off : names_at);
		put64(h + 32, i < n ? part[i].n : names);
		put64(h + 48, 1);
		if (i == n)
			break;
		if (part[i].n && part[i].p)
			memcpy(b + off, part[i].p, part[i].n);
		if (at)
			at[i] = off;
		off = (off + part[i].n + 15) & ~(uint64_t)15;
	}
	*size = total;
	return b;
}
