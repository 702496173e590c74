/* elf: headers, symbol tables, memory images, packed sections, names - on programs of
 * tests/debuggee and on bytes made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/sys.h"
#include "fmt/elf.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>

static arena a;

static char *program(const char *name)
{
	char *p = arena_printf(
		&a, "%s/tests/debuggee/dwarf/programs/%s", getenv("RS_BUILD_ROOT"), name);
	if (!sys_is_file(p))
		skip();
	return p;
}

static str load(const char *name)
{
	str s;
	diag d;
	diag_clear(&d);
	if (sys_read_file(&a, program(name), 1 << 28, &s, &d) != ERR_OK)
		fail_msg("%s", d.text);
	return s;
}

static int setup(void **state)
{
	arena_init(&a);
	return 0;
}

static int teardown(void **state)
{
	arena_deinit(&a);
	return 0;
}

/* ---- names ---- */

static void names(void **state)
{
	static const char *const table[][2] = {
		{"_Z4workiPPc", "work"},
		{"_ZN3geo5Shape4areaEi", "geo::Shape::area"},
		{"_ZNK3geo5Shape4areaEi", "geo::Shape::area"},
		{"_ZN3geo5ShapeC1Ei", "geo::Shape::Shape"},
		{"_ZN3geo5ShapeD2Ev", "geo::Shape::~Shape"},
		{"_ZNK3geo5ShapeltERKS0_", "geo::Shape::operator<"},
		{"_ZNK3geo5ShapecvlEv", "geo::Shape::operator long"},
		{"_ZN3geo12_GLOBAL__N_16hiddenEi", "geo::(anonymous namespace)::hidden"},
		{"_ZZN3geo12_GLOBAL__N_16hiddenEiE7counter",
			"geo::(anonymous namespace)::hidden::counter"},
		{"_ZNK3geo3BoxIsLi3EE3getEi", "geo::Box<short, 3>::get"},
		{"_ZN3geo3BoxIsLi3EE4zeroE", "geo::Box<short, 3>::zero"},
		{"_ZTVN3geo5ShapeE", "vtable for geo::Shape"},
		{"_ZTIN3geo5ShapeE", "typeinfo for geo::Shape"},
		{"_ZThn16_N3geo5Shape4areaEi", "non-virtual thunk to geo::Shape::area"},
		{"_ZGVZ3foovE1x", "guard variable for foo::x"},
		{"_ZNSt6vectorIPN3geo5ShapeESaIS2_EE9push_backEOS2_",
			"std::vector<geo::Shape*, std::allocator<geo::Shape*> >::push_back"},
		{"_ZNSo3putEc", "std::basic_ostream<char, std::char_traits<char> >::put"},
		{"_ZNSolsEi", "std::basic_ostream<char, std::char_traits<char> >::operator<<"},
		{"_Z1fISsEvv", "f<std::string>"},
		{"_ZStlsISt11char_traitsIcEERSt13basic_ostreamIcT_ES5_PKc",
			"std::operator<< <std::char_traits<char> >"},
		{"_ZNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEC1EPKcRKS3_",
			"std::__cxx11::basic_string<char, std::char_traits<char>, "
			"std::allocator<char> >::basic_string"},
		{"_ZSt4moveIRiEONSt16remove_referenceIT_E4typeEOS2_", "std::move<int&>"},
		{"_ZSt3maxIiERKT_S2_S2_", "std::max<int>"},
		{"_Z1fIFivEEvT_", "f<int ()>"},
		{"_Z1fIPFicEEvv", "f<int (*)(char)>"},
		{"_Z1fIA5_iEvv", "f<int [5]>"},
		{"_Z1fIM1AFivEEvv", "f<int (A::*)()>"},
		{"_Z1fIXadL_Z3barvEEEvv", "f<&bar>"},
		{"_ZN4node10StreamBase8JSMethodIXadL_ZNS0_6WritevERKN2v820FunctionCallbackInfoINS2_"
		 "5ValueEEEEEEEvS7_",
			"node::StreamBase::JSMethod<&node::StreamBase::Writev>"},
		{"_Z1fIXadL_Z3barIiEvvEEEvv", "f<&bar<int> >"},
		{"_ZGTtNKSt9exception4whatEv", "transaction clone for std::exception::what"},
		{"_ZGRZ3foovE1x_", "reference temporary for foo::x"},
		{"_ZGRZ3foovE1x0_", "reference temporary for foo::x"},
		{"_Z1fILb1ELin5ELc65EEvv", "f<true, -5, (char)65>"},
		{"_Z1fIJicEEvDpT_", "f<int, char>"},
		{"_ZZ4mainENKUlvE_clEv", "main::{lambda()#1}::operator()"},
		{"_ZZ4mainENUliE_D1Ev", "main::{lambda(int)#1}::~{lambda(int)#1}"},
		{"_ZZ4mainENKUliE0_clEi", "main::{lambda(int)#2}::operator()"},
		{"_ZnwmSt11align_val_t", "operator new"},
		{"_ZN1AixEi", "A::operator[]"},
		{"_ZN1AclEv", "A::operator()"},
		{"_ZN3fooB5cxx11Ev", "foo[abi:cxx11]"},
		{"_ZL9same_name", "same_name"},
		{"_ZN3geo5Shape4areaEi.cold", "geo::Shape::area.cold"},
		{"_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "core::fmt::Formatter::pad"},
		{"_ZN60_$LT$alloc..string..String$u20$as$u20$core..fmt..Display$GT$3fmt"
		 "17h0123456789abcdefE",
			"<alloc::string::String as core::fmt::Display>::fmt"},
		{"_RNvCs1234_7mycrate3foo", "mycrate::foo"},
		{"_RNvCs6GmmlP4bgsG_1r4work", "r::work"},
		{"_RNvMNtCs6GmmlP4bgsG_1r3geoINtB2_1PlE3sumB4_", "<r::geo::P<i32>>::sum"},
		{"_RNvMs_Cs4Cv8Wi1oAIB_7mycrateNtB4_7Example3foo", "<mycrate::Example>::foo"},
		{"_RNvMCs4fqI2P2rA04_13const_genericINtB2_3FooKpE3foo",
			"<const_generic::Foo<_>>::foo"},
		{"_RINvNtC3std3mem8align_ofdE", "std::mem::align_of::<f64>"},
		{"_RNCNvC4main4main0", "main::main::{closure#0}"},
		{"_RNvNtNtCs1234_7mycrate3foo3bar3baz", "mycrate::foo::bar::baz"},
		{"_RNvXCs1_1aNtB2_1SNtB2_1T1f", "<a::S as a::T>::f"},
		{"main", NULL},
		{"_Z", NULL},
		{"_ZN", NULL},
		{"_ZN3fooE", "foo"},
		{"_ZN99fooE", NULL},
		{"_Z1fIXsr1AE1xEEvv", NULL},
		{"_ZS_", NULL},
		{"_RB_", NULL},
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		buf b;
		buf_init(&b, 0);
		bool ok = elf_undec(str_of(table[i][0]), &b);
		if (!table[i][1])
			continue;
		if (!ok)
			fail_msg("%s is not understood", table[i][0]);
		if (strcmp(buf_z(&b), table[i][1]) != 0)
			fail_msg("%s: %s, not %s", table[i][0], buf_z(&b), table[i][1]);
		buf_deinit(&b);
	}
}

/* Output doubles with every substitution: it has to stop. */
static void exploding_names(void **state)
{
	buf raw, out;
	buf_init(&raw, 0);
	buf_init(&out, 0);
	buf_addz(&raw, "_Z1fI1AIiiE");
	for (unsigned i = 0; i < 60; i++) {
		/* each names the one before twice: every other substitution is such a whole */
		static const char digit[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
		unsigned k = 2 * i + 1;
		char n[3] = {digit[k % 36], 0, 0};
		if (k >= 36) {
			n[0] = digit[k / 36];
			n[1] = digit[k % 36];
		}
		buf_addf(&raw, "1BIS%s_S%s_E", n, n);
	}
	buf_addz(&raw, "Evv");
	assert_false(elf_undec(buf_str(&raw), &out));
	assert_true(out.n < 1 << 16);
	buf_clear(&raw);
	buf_addz(&raw, "_Z1f");
	for (int i = 0; i < 4000; i++)
		buf_addc(&raw, 'P');
	assert_true(elf_undec(buf_str(&raw), &out) || true);
	buf_clear(&raw);
	buf_addz(&raw, "_RIC1a");
	for (int i = 0; i < 2000; i++)
		buf_addz(&raw, "TB_");
	assert_false(elf_undec(buf_str(&raw), &out));
	buf_deinit(&raw);
	buf_deinit(&out);
}

/* ---- files ---- */

static void headers(void **state)
{
	str f = load("c5");
	elf_view v;
	diag d;
	diag_clear(&d);
	assert_int_equal(elf_open(&v, &a, f.p, f.n, &d), ERR_OK);
	assert_int_equal(v.type, ELF_DYN);
	assert_int_equal(v.machine, ELF_MACHINE_X64);
	assert_int_equal(v.base, 0);
	assert_true(v.span >= 0x4000 && v.span < 0x100000);
	assert_int_equal(v.build_id_n, 20);
	assert_true(v.symtab.n > 20);
	assert_true(v.dynsym.n > 3);
	assert_non_null(elf_sec_find(&v, STR(".debug_info")));
	assert_null(elf_sec_find(&v, STR(".debug_nothing")));
	/* the entry point lies in .text */
	const elf_sec *text = elf_sec_find(&v, STR(".text"));
	assert_non_null(text);
	assert_true(v.entry >= text->addr && v.entry < text->addr + text->size);
	size_t left;
	assert_ptr_equal(elf_at(&v, text->addr, &left), v.p + text->off);
	assert_null(elf_at(&v, 0xffffffffff, &left));
	/* position dependent: the base is not 0 */
	f = load("c-exec");
	assert_int_equal(elf_open(&v, &a, f.p, f.n, &d), ERR_OK);
	assert_int_equal(v.type, ELF_EXEC);
	assert_int_equal(v.base, 0x400000);
	text = elf_sec_find(&v, STR(".text"));
	assert_non_null(text);
	assert_ptr_equal(elf_at(&v, text->addr, &left), v.p + text->off);
}

static void find_in(const elf_syms *t, const char *name, elf_sym *ret)
{
	for (size_t i = 0; i < t->n; i++)
		if (elf_sym_get(t, i, ret) && str_eq(ret->name, str_of(name)))
			return;
	fail_msg("no symbol %s", name);
}

/* The C library of this machine has versions and a GNU hash. */
static str c_library(void)
{
	static const char *const places[] = {
		"/lib/x86_64-linux-gnu/libc.so.6", "/lib64/libc.so.6", "/usr/lib/libc.so.6"};
	str f = {0};
	for (size_t i = 0; i < ARRAY_LEN(places) && !f.n; i++)
		if (sys_is_file(places[i]) &&
			sys_read_file(&a, places[i], 1 << 28, &f, NULL) != ERR_OK)
			f.n = 0;
	if (!f.n)
		skip();
	return f;
}

static void gnu_hash(void **state)
{
	str f = c_library();
	elf_view v;
	elf_sym s, t;
	size_t i;
	assert_int_equal(elf_open(&v, &a, f.p, f.n, NULL), ERR_OK);
	static const char *const names[] = {"malloc", "printf", "environ", "fork"};
	for (size_t k = 0; k < ARRAY_LEN(names); k++) {
		assert_int_equal(elf_gnu_find(&v.dynsym, str_of(names[k]), &s, &i), ERR_OK);
		assert_true(s.shndx && s.value);
		assert_true(elf_sym_get(&v.dynsym, i, &t) && t.value == s.value);
	}
	assert_int_equal(elf_gnu_find(&v.dynsym, STR("no_such_function"), &s, &i), ERR_NOTFOUND);
}

/* ---- an image in memory ---- */

typedef struct space {
	uint64_t base;
	const uint8_t *p;
	size_t n;
} space;

static err space_read(void *u, uint64_t addr, void *p, size_t n, size_t *n_ret)
{
	space *s = u;
	/* in small pieces, as a target may */
	if (addr < s->base || addr - s->base >= s->n)
		return ERR_FAULT;
	size_t left = s->n - (addr - s->base);
	n = n < 1000 ? n : 1000;
	*n_ret = n < left ? n : left;
	memcpy(p, s->p + (addr - s->base), *n_ret);
	return ERR_OK;
}

static uint8_t *lay_out(const elf_view *v)
{
	uint8_t *p = arena_alloc(&a, v->span);
	for (size_t i = 0; i < v->nph; i++)
		if (v->ph[i].type == ELF_PT_LOAD)
			memcpy(p + (v->ph[i].vaddr - v->base), v->p + v->ph[i].off,
				v->ph[i].filesz);
	return p;
}

static void memory(void **state)
{
	str f = load("c-exec");
	elf_view v, m;
	assert_int_equal(elf_open(&v, &a, f.p, f.n, NULL), ERR_OK);
	space sp = {0x7f0000400000, lay_out(&v), v.span};
	mem_reader r = {&sp, space_read};
	uint8_t *copy;
	size_t n;
	diag d;
	diag_clear(&d);
	if (elf_from_memory(&r, sp.base, &copy, &n, &d) != ERR_OK)
		fail_msg("%s", d.text);
	assert_int_equal(n, v.span);
	assert_int_equal(elf_open(&m, &a, copy, n, NULL), ERR_OK);
	assert_int_equal(m.base, v.base);
	assert_int_equal(m.span, v.span);
	assert_int_equal(m.nsec, 0);
	assert_int_equal(m.build_id_n, v.build_id_n);
	assert_memory_equal(m.build_id, v.build_id, v.build_id_n);
	/* in a segment that lies elsewhere in memory than in the file: DT_STRSZ */
	uint64_t there = 0, here = 0;
	assert_true(elf_dynamic(&v, 10, &there) && elf_dynamic(&m, 10, &here));
	assert_int_equal(here, there);
	assert_int_equal(elf_from_memory(&r, sp.base + 0x1000, &copy, &n, NULL), ERR_CORRUPT);
	assert_int_equal(elf_from_memory(&r, 0x1000, &copy, &n, NULL), ERR_FAULT);
	mem_free((void *)(uintptr_t)m.p);
}

/* The dynamic symbols are found by the loader's way; glibc's loader makes addresses of the offsets
 * in the dynamic section, others do not. */
static void memory_symbols(void **state)
{
	str f = c_library();
	for (int relocated = 0; relocated < 2; relocated++) {
		elf_view v, m;
		elf_sym s, t;
		size_t n, i;
		uint8_t *copy, *laid;
		assert_int_equal(elf_open(&v, &a, f.p, f.n, NULL), ERR_OK);
		space sp = {0x7f1234000000, laid = lay_out(&v), v.span};
		mem_reader r = {&sp, space_read};
		for (size_t k = 0; k < v.nph && relocated; k++)
			for (uint64_t at = v.ph[k].vaddr;
				v.ph[k].type == ELF_PT_DYNAMIC && le64(laid + at); at += 16)
				if (le64(laid + at) == 5 || le64(laid + at) == 6 ||
					le64(laid + at) == 0x6ffffef5)
					put64(laid + at + 8, le64(laid + at + 8) + sp.base);
		assert_int_equal(elf_from_memory(&r, sp.base, &copy, &n, NULL), ERR_OK);
		assert_int_equal(elf_open(&m, &a, copy, n, NULL), ERR_OK);
		assert_int_equal(m.dynsym.n, v.dynsym.n);
		find_in(&v.dynsym, "malloc", &t);
		assert_int_equal(elf_gnu_find(&m.dynsym, STR("malloc"), &s, &i), ERR_OK);
		assert_int_equal(s.value, t.value);
		mem_free(copy);
	}
}

/* The kernel's image in this very process: the whole file lies in memory. */
static err own_read(void *u, uint64_t addr, void *p, size_t n, size_t *n_ret)
{
	uint64_t base = *(uint64_t *)u;
	if (addr < base || addr >= base + 8192)
		return ERR_FAULT;
	*n_ret = n < base + 8192 - addr ? n : (size_t)(base + 8192 - addr);
	memcpy(p, (const void *)(uintptr_t)addr, *n_ret);
	return ERR_OK;
}

static void vdso(void **state)
{
	uint64_t base = getauxval(AT_SYSINFO_EHDR);
	mem_reader r = {&base, own_read};
	uint8_t *copy;
	size_t n, i;
	elf_view v;
	elf_sym s;
	if (!base)
		skip();
	assert_int_equal(elf_from_memory(&r, base, &copy, &n, NULL), ERR_OK);
	assert_int_equal(elf_open(&v, &a, copy, n, NULL), ERR_OK);
	if (v.dynsym.hash)
		assert_int_equal(
			elf_gnu_find(&v.dynsym, STR("__vdso_clock_gettime"), &s, &i), ERR_OK);
	find_in(&v.dynsym, "__vdso_clock_gettime", &s);
	assert_true(s.value > v.base && s.value < v.base + v.span);
	mem_free(copy);
}

/* ---- compressed sections ---- */

static void packed(void **state)
{
	static const char *const kinds[] = {"cxx-gz", "cxx-zstd", "cxx-zdebug"};
	str plain = load("cxx5");
	elf_view v, z;
	assert_int_equal(elf_open(&v, &a, plain.p, plain.n, NULL), ERR_OK);
	size_t tried = 0;
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		char *path = arena_printf(&a, "%s/tests/debuggee/dwarf/programs/%s",
			getenv("RS_BUILD_ROOT"), kinds[k]);
		str f;
		if (!sys_is_file(path) || sys_read_file(&a, path, 1 << 28, &f, NULL) != ERR_OK)
			continue;
		tried++;
		assert_int_equal(elf_open(&z, &a, f.p, f.n, NULL), ERR_OK);
		for (size_t i = 1; i < z.nsec; i++) {
			uint64_t size;
			diag d;
			diag_clear(&d);
			if (!elf_sec_packed(&z, &z.sec[i], &size))
				continue;
			uint8_t *to = mem_alloc(size + 1);
			if (elf_sec_unpack(&z, &z.sec[i], to, size, &d) != ERR_OK)
				fail_msg("%s: %s", kinds[k], d.text);
			/* the same program: objcopy leaves the very bytes */
			const elf_sec *o = elf_sec_find(&v, z.sec[i].name);
			if (k == 1 && o) {
				assert_int_equal(o->size, size);
				assert_memory_equal(to, v.p + o->off, size);
			}
			assert_int_equal(
				elf_sec_unpack(&z, &z.sec[i], to, size + 1, NULL), ERR_CORRUPT);
			mem_free(to);
		}
	}
	if (!tried)
		skip();
}

static void pack(void **state)
{
	elf_part part[] = {
		{".debug_info", "abcdef", 6}, {".debug_str", NULL, 100}, {".debug_abbrev", "x", 1}};
	size_t n;
	uint64_t at[3];
	uint8_t *p = elf_pack(part, 3, &n, at);
	elf_view v;
	str b;
	assert_int_equal(elf_open(&v, &a, p, n, NULL), ERR_OK);
	assert_int_equal(v.nsec, 5);
	const elf_sec *s = elf_sec_find(&v, STR(".debug_info"));
	assert_true(s && elf_sec_bytes(&v, s, &b) && str_eq(b, STR("abcdef")));
	s = elf_sec_find(&v, STR(".debug_str"));
	assert_true(s && s->size == 100 && s->off == at[1]);
	mem_free(p);
}

static void links(void **state)
{
	str f = load("stripped"), g = load("stripped.debug"), name;
	elf_view v;
	uint32_t crc;
	assert_int_equal(elf_open(&v, &a, f.p, f.n, NULL), ERR_OK);
	assert_true(elf_debuglink(&v, &name, &crc));
	assert_true(str_eq(name, STR("stripped.debug")));
	assert_int_equal(crc, elf_crc32(g.p, g.n));
	assert_int_equal(v.symtab.n, 0);
	f = load("c5");
	assert_int_equal(elf_open(&v, &a, f.p, f.n, NULL), ERR_OK);
	assert_false(elf_debuglink(&v, &name, &crc));
}

typedef struct jumps {
	const elf_view *v;
	size_t n, raise;
} jumps;

static void jump(void *u, uint64_t addr, uint32_t n, str name)
{
	jumps *j = u;
	size_t left;
	const uint8_t *p = elf_at(j->v, addr, &left);
	assert_true(p && left >= n && name.n);
	j->n++;
	j->raise += str_eq(name, STR("raise"));
}

static void plt(void **state)
{
	static const char *const all[] = {"c5", "c-exec", "c5-clang", "stripped-bare"};
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		str f = load(all[i]);
		elf_view v;
		assert_int_equal(elf_open(&v, &a, f.p, f.n, NULL), ERR_OK);
		jumps j = {.v = &v};
		elf_plt_each(&v, jump, &j);
		assert_true(j.n >= 5);
		assert_int_equal(j.raise, 1);
	}
}

/* ---- damage ---- */

static void damaged(void **state)
{
	str f = load("c5-o2");
	uint8_t *p = arena_alloc(&a, f.n);
	elf_view v;
	elf_sym s;
	uint32_t seed = 12345, crc;
	str name;
	uint64_t val;
	/* every length of the headers, then bytes that lie */
	for (size_t n = 0; n < 2000 && n < f.n; n += n < 200 ? 1 : 37) {
		arena b;
		arena_init(&b);
		if (elf_open(&v, &b, f.p, n, NULL) == ERR_OK)
			for (size_t i = 0; i < v.symtab.n; i++)
				elf_sym_get(&v.symtab, i, &s);
		arena_deinit(&b);
	}
	for (int round = 0; round < 300; round++) {
		arena b;
		arena_init(&b);
		memcpy(p, f.p, f.n);
		for (int i = 0; i < 8; i++) {
			seed = seed * 1103515245 + 12345;
			size_t at = i < 4 ? seed % 1024 : f.n - 1 - seed % 2600;
			p[at] = (uint8_t)(seed >> 16);
		}
		if (elf_open(&v, &b, p, f.n, NULL) == ERR_OK) {
			size_t index, left;
			for (size_t i = 0; i < v.dynsym.n && i < 5000; i++)
				elf_sym_get(&v.dynsym, i, &s);
			for (size_t i = 0; i < v.nsec; i++) {
				uint64_t size;
				elf_sec_packed(&v, &v.sec[i], &size);
			}
			elf_dynamic(&v, 5, &val);
			elf_debuglink(&v, &name, &crc);
			elf_at(&v, v.entry, &left);
			if (elf_gnu_find(&v.dynsym, STR("raise"), &s, &index) == ERR_OK)
				assert_true(index < v.dynsym.n);
		}
		arena_deinit(&b);
	}
	memcpy(p, f.p, f.n);
	p[4] = 1;
	assert_int_equal(elf_open(&v, &a, p, f.n, NULL), ERR_UNSUPPORTED);
	p[4] = 2;
	p[5] = 2;
	assert_int_equal(elf_open(&v, &a, p, f.n, NULL), ERR_UNSUPPORTED);
	p[0] = 0;
	assert_int_equal(elf_open(&v, &a, p, f.n, NULL), ERR_CORRUPT);
}

/* Entries up to AT_NULL; half an entry at the end is none. */
static void auxiliary_vector(void **state)
{
	uint8_t v[16 * 4 + 8] = {0};
	uint64_t type, value = 7;
	put64(v, 9);
	put64(v + 8, 0x401000);
	put64(v + 16, 25);
	put64(v + 24, 0x7ffe);
	str all = {(const char *)v, sizeof v};
	assert_true(elf_auxv(all, 9, &value) && value == 0x401000);
	assert_true(elf_auxv(all, 25, &value) && value == 0x7ffe);
	assert_false(elf_auxv(all, 0, &value));
	assert_false(elf_auxv(all, 3, &value));
	assert_int_equal(value, 0x7ffe);
	assert_false(elf_auxv_nth(all, 2, &type, &value));
	assert_false(elf_auxv_nth(str_take(all, 31), 1, &type, &value));
	assert_true(elf_auxv_nth(str_take(all, 32), 1, &type, &value) && type == 25);
	put64(v + 48, 6); /* behind the end */
	assert_false(elf_auxv(all, 6, &value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(auxiliary_vector),
		cmocka_unit_test(names),
		cmocka_unit_test(exploding_names),
		cmocka_unit_test(headers),
		cmocka_unit_test(gnu_hash),
		cmocka_unit_test(memory),
		cmocka_unit_test(memory_symbols),
		cmocka_unit_test(vdso),
		cmocka_unit_test(packed),
		cmocka_unit_test(pack),
		cmocka_unit_test(links),
		cmocka_unit_test(plt),
		cmocka_unit_test(damaged),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
