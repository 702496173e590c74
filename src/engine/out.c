/*
 * out: where the engine's words go. Invariant: captures nest; debuggee output is never captured, so
 * that a .foreach over a command's output cannot swallow what the target prints meanwhile.
 */
#include "engine/internal.h"

#include <stdio.h>

enum { CAPTURE_DEPTH = 32, ADDR_BUFFERS = 8 };

struct out_state {
	buf *capture[CAPTURE_DEPTH];
	size_t depth; /* may pass CAPTURE_DEPTH: the excess goes to the innermost kept one */
	char addr[ADDR_BUFFERS][24];
	unsigned next;
};

struct out_state *out_state_create(void)
{
	return mem_alloc(sizeof(struct out_state));
}

void out_state_destroy(struct out_state *s)
{
	mem_free(s);
}

void out_str(engine *e, unsigned mask, str text)
{
	struct out_state *s = e->outs;
	if (!text.n)
		return;
	if (s->depth && !(mask & (OUT_DEBUGGEE | OUT_DEBUGGEE_PROMPT))) {
		size_t top = s->depth < CAPTURE_DEPTH ? s->depth : CAPTURE_DEPTH;
		buf_adds(s->capture[top - 1], text);
		return;
	}
	if (e->hooks.output && (mask & e->out_mask))
		e->hooks.output(e->hooks.u, mask, text);
}

static void vout(engine *e, unsigned mask, const char *fmt, va_list ap)
{
	char small[512];
	va_list again;
	va_copy(again, ap);
	int n = vsnprintf(small, sizeof small, fmt, ap);
	if (n >= 0 && (size_t)n < sizeof small) {
		out_str(e, mask, (str){small, (size_t)n});
	} else if (n >= 0) {
		buf b;
		buf_init(&b, 0);
		buf_vaddf(&b, fmt, again);
		out_str(e, mask, buf_str(&b));
		buf_deinit(&b);
	}
	va_end(again);
}

void out(engine *e, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vout(e, OUT_NORMAL, fmt, ap);
	va_end(ap);
}

void out_as(engine *e, unsigned mask, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vout(e, mask, fmt, ap);
	va_end(ap);
}

void out_capture(engine *e, buf *b)
{
	struct out_state *s = e->outs;
	if (s->depth < CAPTURE_DEPTH)
		s->capture[s->depth] = b;
	s->depth++;
}

void out_release(engine *e)
{
	assert(e->outs->depth > 0);
	e->outs->depth--;
}

const char *out_addr(engine *e, uint64_t addr)
{
	struct out_state *s = e->outs;
	char *p = s->addr[s->next++ % ADDR_BUFFERS];
	char *at = p;
	/* By hand: a trace prints three of these a step. */
	for (int shift = e->ptr_size == 8 ? 60 : 28; shift >= 0; shift -= 4) {
		*at++ = "0123456789abcdef"[addr >> shift & 15];
		if (shift == 32)
			*at++ = '`';
	}
	*at = 0;
	return p;
}

void out_caller(engine *e, uint64_t addr, buf *b)
{
	sym s;
	uint64_t disp, start;
	sym_mod *m = e->syms ? sym_mod_at(e->syms, addr) : NULL;
	bool called = e->mode == ENG_USER &&
		      (!m || sym_entry_point(m, &start, NULL) != ERR_OK || start != addr);
	if (called && e->syms && sym_at(e->syms, addr - 1, &s, &disp) == ERR_OK)
		buf_addf(b, "%.*s!%.*s+0x%llx", STR_ARG(s.mod->name), STR_ARG(s.name),
			(unsigned long long)disp + 1);
	else
		out_symbol(e, addr, b);
}

void out_symbol(engine *e, uint64_t addr, buf *b)
{
	if (!e->syms || !sym_format(e->syms, addr, b))
		buf_addz(b, out_addr(e, addr));
}
