/*
 * kd_regs: registers of each processor, fetched once a stop and only as far as asked. See kd_int.h.
 *
 * General registers live in the CONTEXT, which newer kernels hand out in parts; what the processor
 * has besides (control, debug and table registers) lives in control space 2. A change is written as
 * the smallest range of bytes that differ, because bytes towards the target are the slow ones.
 */
#include "target/kd/kd_int.h"

enum { CTX_FLAGS = 0x30, CTX_EFLAGS = 0x44 }; /* ContextFlags, EFlags of winnt.h's CONTEXT */
static const uint32_t CTX_ALL = 0x10001f;     /* CONTEXT_AMD64 with all of its parts */

static err cpu_of(kd *k, unit_t u, kd_cpu **ret, diag *d)
{
	if (u >= k->n_cpu || u >= KD_CPU_MAX)
		return diag_set(d, ERR_ARG, "there is no processor %u", u);
	if (k->have_version && k->version.machine != KD_MACHINE_AMD64)
		return diag_set(d, ERR_UNSUPPORTED,
			"registers of machine type %04x are not supported, only those of x64",
			k->version.machine);
	if (!k->cpu[u])
		k->cpu[u] = mem_alloc(sizeof **k->cpu);
	*ret = k->cpu[u];
	return ERR_OK;
}

err kd_special(kd *k, unit_t u, kd_cpu **ret, diag *d)
{
	kd_cpu *c = NULL;
	TRY(cpu_of(k, u, &c, d));
	if (!c->sr_n) {
		size_t n;
		TRY(kd_control_read(k, u, 2, c->sr, sizeof c->sr, &n, d));
		if (n < KD_SR_DR7 + 8)
			return diag_set(
				d, ERR_CORRUPT, "only %zu bytes of special registers came", n);
		if (n < KD_SR_SIZE)
			memset(c->sr + n, 0, sizeof c->sr - n);
		c->sr_n = n;
	}
	*ret = c;
	return ERR_OK;
}

static err whole_context(kd *k, unit_t u, kd_cpu *c, diag *d)
{
	kd_manip m = {.api = KD_GET_CONTEXT, .cpu = (uint16_t)u};
	TRY(kd_request(k, &m, NULL, 0, d));
	if (k->reply.status || k->reply.n < X64_CONTEXT_SIZE)
		return diag_set(d, ERR_FAULT,
			"the context of processor %u cannot be read (%08x, %zu bytes)", u,
			k->reply.status, k->reply.n);
	memcpy(c->ctx, k->reply.data, X64_CONTEXT_SIZE);
	c->ctx_begin = 0;
	c->ctx_end = X64_CONTEXT_SIZE;
	return ERR_OK;
}

/* Makes bytes [begin, end) of the context known. */
static err context_range(kd *k, unit_t u, kd_cpu *c, size_t begin, size_t end, diag *d)
{
	if (begin >= c->ctx_begin && end <= c->ctx_end)
		return ERR_OK;
	if (c->ctx_end) { /* one range only is kept: the one around both */
		begin = begin < c->ctx_begin ? begin : c->ctx_begin;
		end = end > c->ctx_end ? end : c->ctx_end;
	}
	kd_manip m = {.api = KD_GET_CONTEXT_EX, .cpu = (uint16_t)u};
	m.u.context_ex.offset = (uint32_t)begin;
	m.u.context_ex.count = (uint32_t)(end - begin);
	err e = kd_request_optional(k, &m, NULL, 0, true, d);
	if (e == ERR_UNSUPPORTED) {
		diag_clear(d);
		return whole_context(k, u, c, d);
	}
	if (e != ERR_OK)
		return diag_add(d, e, "the context of processor %u", u);
	if (k->reply.status || k->reply.n < end - begin)
		return whole_context(k, u, c, d);
	memcpy(c->ctx + begin, k->reply.data, end - begin);
	c->ctx_begin = begin;
	c->ctx_end = end;
	return ERR_OK;
}

static void special_get(const kd_cpu *c, x64_regs *r)
{
	const uint8_t *s = c->sr;
	for (int i = 0; i < 4; i++)
		r->dr[i] = le64(s + KD_SR_DR0 + 8 * i);
	r->dr[6] = le64(s + KD_SR_DR6);
	r->dr[7] = le64(s + KD_SR_DR7);
	r->cr0 = le64(s + KD_SR_CR0);
	r->cr2 = le64(s + KD_SR_CR2);
	r->cr3 = le64(s + KD_SR_CR3);
	r->cr4 = le64(s + KD_SR_CR4);
	r->cr8 = le64(s + KD_SR_CR8);
	r->gdtr_base = le64(s + KD_SR_GDTR_BASE);
	r->gdtr_limit = le16(s + KD_SR_GDTR_LIMIT);
	r->idtr_base = le64(s + KD_SR_IDTR_BASE);
	r->idtr_limit = le16(s + KD_SR_IDTR_LIMIT);
	r->tr = le16(s + KD_SR_TR);
	r->ldtr = le16(s + KD_SR_LDTR);
	r->valid |= X64_SET_DEBUG | (c->sr_n >= KD_SR_SIZE ? X64_SET_SPECIAL : 0);
}

static void special_put(kd_cpu *c, unsigned sets, const x64_regs *r)
{
	uint8_t *s = c->sr;
	if (sets & X64_SET_DEBUG) {
		for (int i = 0; i < 4; i++)
			put64(s + KD_SR_DR0 + 8 * i, r->dr[i]);
		put64(s + KD_SR_DR6, r->dr[6]);
		put64(s + KD_SR_DR7, r->dr[7]);
	}
	if (!(sets & X64_SET_SPECIAL))
		return;
	put64(s + KD_SR_CR0, r->cr0);
	put64(s + KD_SR_CR2, r->cr2);
	put64(s + KD_SR_CR3, r->cr3);
	put64(s + KD_SR_CR4, r->cr4);
	put64(s + KD_SR_CR8, r->cr8);
	put64(s + KD_SR_GDTR_BASE, r->gdtr_base);
	put16(s + KD_SR_GDTR_LIMIT, r->gdtr_limit);
	put64(s + KD_SR_IDTR_BASE, r->idtr_base);
	put16(s + KD_SR_IDTR_LIMIT, r->idtr_limit);
	put16(s + KD_SR_TR, r->tr);
	put16(s + KD_SR_LDTR, r->ldtr);
}

err kd_regs_get(tgt *t, unit_t u, unsigned sets, x64_regs *r, diag *d)
{
	kd *k = kd_of(t);
	kd_cpu *c = NULL;
	unsigned ctx = sets & (X64_SET_GENERAL | X64_SET_FLOAT);
	x64_regs got = *r;
	err e = cpu_of(k, u, &c, d);
	if (e == ERR_OK && ctx) {
		size_t begin = 0, end = 0;
		x64_context_range(ctx, &begin, &end);
		e = context_range(k, u, c, begin, end, d);
		if (e == ERR_OK)
			e = x64_context_get(&got, c->ctx + c->ctx_begin, c->ctx_begin,
				c->ctx_end - c->ctx_begin);
		/* The debug registers of a CONTEXT are the thread's, not the processor's. */
		got.valid &= ~(uint32_t)X64_SET_DEBUG | (r->valid & X64_SET_DEBUG);
		memcpy(got.dr, r->dr, sizeof got.dr);
	}
	if (e == ERR_OK && sets & (X64_SET_DEBUG | X64_SET_SPECIAL)) {
		e = kd_special(k, u, &c, d);
		if (e == ERR_OK)
			special_get(c, &got);
		if (e == ERR_OK && sets & ~got.valid)
			e = diag_set(
				d, ERR_UNSUPPORTED, "the kernel sends too few special registers");
	}
	kd_flush(k);
	if (e == ERR_OK)
		*r = got;
	return e;
}

static err set_range(kd *k, unit_t u, kd_cpu *c, const uint8_t *img, size_t lo, size_t hi, diag *d)
{
	kd_manip m = {.api = KD_SET_CONTEXT_EX, .cpu = (uint16_t)u};
	m.u.context_ex.offset = (uint32_t)lo;
	m.u.context_ex.count = (uint32_t)(hi - lo);
	err e = kd_request_optional(k, &m, img + lo, hi - lo, true, d);
	if (e == ERR_OK && !k->reply.status) {
		memcpy(c->ctx + lo, img + lo, hi - lo);
		return ERR_OK;
	}
	if (e != ERR_OK && e != ERR_UNSUPPORTED)
		return diag_add(d, e, "the context of processor %u", u);
	diag_clear(d);
	/* In one piece, with what is there around it. */
	uint8_t keep[X64_CONTEXT_SIZE];
	memcpy(keep, img + lo, hi - lo);
	if (c->ctx_begin || c->ctx_end < X64_CONTEXT_SIZE)
		TRY(whole_context(k, u, c, d));
	uint8_t all[X64_CONTEXT_SIZE];
	memcpy(all, c->ctx, sizeof all);
	memcpy(all + lo, keep, hi - lo);
	put32(all + CTX_FLAGS, CTX_ALL);
	kd_manip w = {.api = KD_SET_CONTEXT, .cpu = (uint16_t)u};
	w.u.context.flags = CTX_ALL;
	TRY(kd_request(k, &w, all, sizeof all, d));
	if (k->reply.status)
		return diag_set(d, ERR_FAULT,
			"the context of processor %u cannot be written (%08x)", u, k->reply.status);
	memcpy(c->ctx, all, sizeof all);
	return ERR_OK;
}

static err set_context(kd *k, unit_t u, kd_cpu *c, unsigned sets, const x64_regs *r, diag *d)
{
	uint8_t img[X64_CONTEXT_SIZE];
	size_t begin = 0, end = 0;
	x64_context_range(sets, &begin, &end);
	TRY(context_range(k, u, c, begin, end, d));
	memcpy(img, c->ctx, sizeof img);
	x64_regs only = *r;
	only.valid = sets;
	x64_context_put(&only, img);
	memcpy(img + CTX_FLAGS, c->ctx + CTX_FLAGS, 4);
	while (begin < end && img[begin] == c->ctx[begin])
		begin++;
	while (end > begin && img[end - 1] == c->ctx[end - 1])
		end--;
	if (begin == end)
		return ERR_OK;
	return set_range(k, u, c, img, begin, end, d);
}

err kd_resume_flag(kd *k, diag *d)
{
	kd_cpu *c = NULL;
	unit_t u = k->st.cpu;
	TRY(cpu_of(k, u, &c, d));
	/* The flags came with the stop: if parts can be written, nothing has to be read. */
	if (!c->ctx_end && k->st.has_report && !kd_refused(k, KD_SET_CONTEXT_EX)) {
		uint8_t b[4];
		kd_manip m = {.api = KD_SET_CONTEXT_EX, .cpu = (uint16_t)u};
		put32(b, k->st.eflags | X64_FL_RF);
		m.u.context_ex.offset = CTX_EFLAGS;
		m.u.context_ex.count = sizeof b;
		err e = kd_request_optional(k, &m, b, sizeof b, true, d);
		if (e == ERR_OK && !k->reply.status)
			return ERR_OK;
		if (e != ERR_OK && e != ERR_UNSUPPORTED)
			return diag_add(d, e, "setting the resume flag");
		diag_clear(d);
	}
	x64_regs r = {0};
	TRY(kd_regs_get(&k->t, u, X64_SET_CONTROL, &r, d));
	r.eflags |= X64_FL_RF;
	return kd_regs_set(&k->t, u, X64_SET_CONTROL, &r, d);
}

err kd_regs_set(tgt *t, unit_t u, unsigned sets, const x64_regs *r, diag *d)
{
	kd *k = kd_of(t);
	kd_cpu *c = NULL;
	unsigned ctx = sets & (X64_SET_GENERAL | X64_SET_FLOAT);
	err e = cpu_of(k, u, &c, d);
	if (e == ERR_OK && ctx) {
		e = set_context(k, u, c, ctx, r, d);
		if (e == ERR_OK && u == k->st.cpu && sets & X64_SET_CONTROL && r->rip != k->st.pc)
			k->pc_moved = true;
	}
	if (e == ERR_OK && sets & (X64_SET_DEBUG | X64_SET_SPECIAL)) {
		e = kd_special(k, u, &c, d);
		if (e == ERR_OK) {
			special_put(c, sets, r);
			e = kd_control_write(k, u, 2, c->sr, c->sr_n, d);
			if (e != ERR_OK)
				c->sr_n = 0;
		}
	}
	kd_flush(k);
	return e;
}
