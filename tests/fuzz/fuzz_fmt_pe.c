/*
 * PE images: the input as a file and as loaded memory, every question asked. Seeds: hand-made
 * images of tests/unit/test_fmt_pe.c and the headers of a linked one.
 */
#include "fmt/pe.h"

#include <stdlib.h>

static bool on_export(void *u, const pe_export *e)
{
	return ++*(size_t *)u < 2000 && e->name.n <= PE_MAX_NAME && e->forward.n <= PE_MAX_NAME;
}

static bool on_debug(void *u, const pe_debug *e)
{
	return ++*(size_t *)u < 100 && e->type < 1000;
}

static size_t ask(pe_view *v, arena *a)
{
	pe_export e;
	pe_codeview cv;
	pe_version ver;
	pe_func f;
	str s;
	uint32_t x;
	size_t n = 0, lost, ok = 0;
	ok += pe_export_module(v, a, &s) == ERR_OK;
	ok += pe_export_find(v, a, STR("Gamma"), &e) == ERR_OK;
	ok += pe_export_at(v, a, 0x1090, &e, &x) == ERR_OK;
	ok += pe_export_after(v, a, 0x1000, &e, &x) == ERR_OK;
	ok += pe_export_each(v, a, on_export, &n, &lost) == ERR_OK;
	ok += pe_debug_each(v, on_debug, &n) == ERR_OK;
	ok += pe_debug_codeview(v, a, &cv) == ERR_OK;
	ok += pe_debug_repro(v, a, &s) == ERR_OK;
	ok += pe_version_get(v, a, &ver) == ERR_OK && pe_version_find(&ver, STR("FileVersion")).n;
	ok += pe_func_at(v, 0x100010, &f) == ERR_OK;
	ok += pe_func_nth(v, pe_func_count(v) / 2, &f) == ERR_OK;
	return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	str bytes = {(const char *)data, size};
	mem_reader r = pe_bytes(&bytes);
	for (int layout = 0; layout < 2; layout++) {
		pe_view v;
		arena a;
		arena_init(&a);
		if (pe_open(&v, &a, &r, 0, (pe_layout)layout, NULL) == ERR_OK && ask(&v, &a) > 100)
			abort();
		arena_deinit(&a);
	}
	return 0;
}
