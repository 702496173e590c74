/* The MASM parser and runner on any text: no crash, no leak, bounded, and `used` within the text.
 */
#include "eval/masm.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

static err f_symbol(void *u, str name, uint64_t *ret, diag *d)
{
	if (name.n % 3 == 2)
		return diag_set(d, ERR_NOTFOUND, "no");
	*ret = name.n * 0x1111;
	return ERR_OK;
}

static bool f_is_reg(void *u, str name)
{
	return name.n == 3 || (name.n && name.p[0] == '$');
}

static err f_reg(void *u, str name, uint64_t *ret, diag *d)
{
	*ret = name.n;
	return name.n == 7 ? ERR_NOTFOUND : ERR_OK;
}

static err f_read(void *u, bool phys, uint64_t addr, void *p, size_t n, diag *d)
{
	if (addr & 0x10)
		return ERR_FAULT;
	memset(p, (int)addr, n);
	return ERR_OK;
}

static err f_line(void *u, str module, str file, uint32_t line, uint64_t *ret, diag *d)
{
	*ret = module.n + file.n + line;
	return ERR_OK;
}

static bool f_valid(void *u, uint64_t addr, uint64_t n)
{
	return addr < n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned radix[] = {8, 10, 16, 16};
	if (!size)
		return 0;
	masm_env env = {.radix = radix[data[0] & 3],
		.ptr_size = data[0] & 4 ? 4 : 8,
		.kernel = data[0] & 8,
		.suffix = data[0] & 16 ? 'w' : 0,
		.symbol = f_symbol,
		.is_reg = f_is_reg,
		.reg = f_reg,
		.read = f_read,
		.line = f_line,
		.valid = f_valid};
	str text = {(const char *)data + 1, size - 1};
	uint64_t v = 0;
	size_t used = 0;
	diag d;
	diag_clear(&d);
	err e = masm_eval(&env, text, &used, &v, &d);
	assert(used <= text.n);
	if (e != ERR_OK)
		assert(d.code == e && d.text[0] && d.src_begin <= d.src_end &&
			d.src_begin <= text.n);
	assert(masm_extent(&env, text) <= text.n);
	/* The same text gives the same answer without words. */
	uint64_t again = 0;
	size_t used2 = 0;
	assert(masm_eval(&env, text, &used2, &again, NULL) == e);
	assert(again == v && used2 == used);
	return 0;
}
