/* sysv: the calling convention of System V for x86-64. */
#include "arch/sysv.h"

#include <string.h>

enum { GPRS = 6, SSES = 8 };

static const uint8_t order[GPRS] = {X64_RDI, X64_RSI, X64_RDX, X64_RCX, X64_R8, X64_R9};

typedef struct places {
	x64_regs *r;
	unsigned gpr, sse; /* taken */
	uint8_t *stack;
	size_t cap, used;
} places;

/* All of a value goes into registers, or none of it. */
static bool in_registers(places *k, const sysv_value *v)
{
	unsigned gpr = 0, sse = 0;
	for (unsigned i = 0; i < 2; i++) {
		if (v->cls[i] == SYSV_X87 || v->cls[i] == SYSV_MEMORY)
			return false;
		gpr += v->cls[i] == SYSV_INTEGER;
		sse += v->cls[i] == SYSV_SSE;
	}
	if (k->gpr + gpr > GPRS || k->sse + sse > SSES)
		return false;
	for (size_t i = 0, at = 0; i < 2 && at < v->n; i++, at += 8) {
		size_t n = v->n - at < 8 ? v->n - at : 8;
		uint8_t *sse_to = k->r->fx + X64_FX_XMM + k->sse * 16;
		if (v->cls[i] == SYSV_INTEGER) {
			uint64_t x = 0;
			memcpy(&x, v->p + at, n);
			k->r->gpr[order[k->gpr++]] = x;
		} else if (v->cls[i] == SYSV_SSE) {
			memset(sse_to, 0, 16);
			memcpy(sse_to, v->p + at, n);
			k->sse++;
		}
	}
	return true;
}

static err on_stack(places *k, const sysv_value *v)
{
	size_t at = (k->used + v->align - 1) & ~(size_t)(v->align - 1),
	       end = (v->n + 7) & ~(size_t)7;
	if (at > k->cap || end > k->cap - at)
		return ERR_LIMIT;
	memset(k->stack + k->used, 0, at + end - k->used);
	memcpy(k->stack + at, v->p, v->n);
	k->used = at + end;
	return ERR_OK;
}

err sysv_place(x64_regs *r, const sysv_value *v, size_t n, unsigned first, uint8_t *stack,
	size_t cap, size_t *stack_n)
{
	places k = {.r = r, .gpr = first, .stack = stack, .cap = cap};
	for (size_t i = 0; i < n; i++)
		if (v[i].n && !in_registers(&k, &v[i]))
			TRY(on_stack(&k, &v[i]));
	r->gpr[X64_RAX] = k.sse;
	*stack_n = k.used;
	return ERR_OK;
}

void sysv_result(const x64_regs *r, const sysv_class cls[2], uint8_t *p, size_t n)
{
	static const uint8_t from[] = {X64_RAX, X64_RDX};
	unsigned gpr = 0, sse = 0;
	if (cls[0] == SYSV_X87) {
		memset(p, 0, n);
		memcpy(p, r->fx + X64_FX_ST, n < 10 ? n : 10);
		return;
	}
	for (size_t i = 0, at = 0; i < 2 && at < n; i++, at += 8) {
		size_t part = n - at < 8 ? n - at : 8;
		if (cls[i] == SYSV_SSE)
			memcpy(p + at, r->fx + X64_FX_XMM + sse++ * 16, part);
		else
			memcpy(p + at, &r->gpr[from[gpr++]], part);
	}
}
