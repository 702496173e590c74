/* The C++ parser and runner on any text: no crash, no leak, bounded; ranges within the text; the
 * same text gives the same answer without words; a prefix that was taken is an expression by
 * itself. */
#include "../unit/cxx_world.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cxx_world *w;
	cxx_env env;
	cxx_code *c;
	cxx_value v = {0}, again = {0};
	arena a;
	diag d;
	size_t used = 0;
	if (!size)
		return 0;
	str text = {(const char *)data + 1, size - 1};
	w = mem_alloc(sizeof *w);
	arena_init(&a);
	cxx_world_init(w, &env);
	env.ptr_size = data[0] & 1 ? 4 : 8;
	env.long_size = data[0] & 2 ? 8 : 4;
	bool prefix = data[0] & 4;
	diag_clear(&d);
	err e = cxx_compile(&env, &a, text, prefix ? &used : NULL, &c, &d);
	bool compiled = e == ERR_OK;
	if (compiled) {
		buf b;
		assert(used <= text.n);
		buf_init(&b, 1 << 16);
		cxx_type_text(&env, &a, cxx_code_type(c), &b);
		buf_deinit(&b);
		e = cxx_run(c, &env, &v, &d);
	}
	if (e != ERR_OK)
		assert(d.code == e && d.text[0] && d.src_begin <= d.src_end &&
			d.src_begin <= text.n);
	assert(cxx_extent(text) <= text.n);
	if (compiled) {
		/* From the same start the same result. */
		uint64_t x = 0, y = 0;
		cxx_world_init(w, &env);
		env.ptr_size = data[0] & 1 ? 4 : 8;
		env.long_size = data[0] & 2 ? 8 : 4;
		assert(cxx_run(c, &env, &again, NULL) == e);
		if (e == ERR_OK) {
			assert(again.type == v.type && !memcmp(again.raw, v.raw, sizeof v.raw));
			assert(cxx_value_int(&v, &x, NULL) == cxx_value_int(&again, &y, NULL));
			assert(x == y);
		}
		cxx_code *whole;
		if (prefix)
			assert(cxx_compile(&env, &a, str_take(text, used), NULL, &whole, NULL) ==
				ERR_OK);
	}
	arena_deinit(&a);
	mem_free(w);
	return 0;
}
