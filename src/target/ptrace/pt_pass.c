/*
 * pt_pass: executes the instruction under a trap while the trap stays. See pt.h.
 *
 * Most instructions run from a copy in a page of their own near the image (mapped into the process
 * by an injected mmap), followed by a jump to what comes next: a hit costs one stop and one write
 * of rip. Operands relative to rip are re-based. What depends on its own place is done by hand:
 * nop, jmp, jcc, call, ret in at most four requests, others by the emulator. `syscall` and the
 * like are refused: a child of fork would be born in the copy.
 *
 *          trap            rip := slot             slot: push rbp
 *   ... [int3] next  ->  PTRACE_CONT        ->           jmp  next
 *
 * Nobody ever sees a pc inside of a copy: at a stop before the copied instruction the pc becomes
 * the trap's address and the pass is still to be done; behind it, the address that follows. A
 * signal that is not the instruction's own doing waits until the copy has run, so that a handler
 * which returns to the trap's address does not count as another hit.
 *
 * A copy is of the code as it was. Where the code is writable it is compared before each pass.
 */
#include "target/ptrace/pt.h"

#include "base/reader.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define REG(f) offsetof(struct user_regs_struct, f)

/* ---- slots ---- */

static bool in_reach(uint64_t a, uint64_t b)
{
	int64_t far = (int64_t)(a - b);
	return far > -0x7fff0000ll && far < 0x7fff0000ll;
}

/* A free slot from which everything within 1 GiB of s can be reached; 0 if there is none. */
static uint64_t slot_new(pt *p, pt_thread *th, pt_site *s)
{
	pt_space *sp = th->proc->space;
	pt_scratch *c = NULL;
	for (size_t i = sp->free_slots.n; i-- > 0;)
		if (in_reach(sp->free_slots.p[i], s->addr)) {
			uint64_t slot = sp->free_slots.p[i];
			vec_remove(&sp->free_slots, i);
			return slot;
		}
	for (size_t i = 0; i < sp->scratch.n && !c; i++)
		if (sp->scratch.p[i]->used < PT_SLOTS && in_reach(sp->scratch.p[i]->base, s->addr))
			c = sp->scratch.p[i];
	if (!c) {
		if (sp->no_scratch || sp->scratch.n >= PT_SCRATCH_MAX)
			return 0;
		uint64_t base = pt_map_near(p, th, s->addr, PT_PAGE);
		if (!base) {
			sp->no_scratch = true;
			return 0;
		}
		/* A child has no use for it: fork does not happen in a copy. */
		const uint64_t arg[6] = {base, PT_PAGE, MADV_DONTFORK};
		uint64_t r;
		(void)!pt_inject(p, th, SYS_madvise, arg, &r);
		c = mem_alloc(sizeof *c);
		c->base = base;
		c->used = 1; /* the byte before a slot can be read: pt_guard.c */
		vec_push(&sp->scratch, c);
	}
	return c->base + PT_SLOT * c->used++;
}

/* Moves an operand relative to rip: finds the displacement as the four bytes that mean it, and
 * makes sure by decoding. */
static bool rebase(uint8_t *b, const x64_insn *in, uint64_t slot)
{
	int64_t disp = (int64_t)(in->rip_target - (slot + in->len));
	int32_t was = (int32_t)(in->rip_target - (in->addr + in->len));
	if (disp != (int32_t)disp)
		return false;
	for (size_t at = in->len - 4u; at > 0; at--) {
		x64_insn moved;
		if ((int32_t)le32(b + at) != was)
			continue;
		put32(b + at, (uint32_t)disp);
		if (x64_decode(b, in->len, slot, &moved) == ERR_OK && moved.len == in->len &&
			moved.rip_relative && moved.rip_target == in->rip_target)
			return true;
		put32(b + at, (uint32_t)was);
	}
	return false;
}

/* Somebody may stand in the copy that s has now. */
static bool occupied(const pt *p, const pt_site *s)
{
	for (size_t i = 0; i < p->proc_list.n; i++) {
		const pt_proc *pr = p->proc_list.p[i];
		for (size_t k = 0; k < pr->threads.n; k++)
			if (pr->threads.p[k]->in == s)
				return true;
	}
	return false;
}

static bool copy_make(pt *p, pt_thread *th, pt_site *s, const x64_insn *in)
{
	uint8_t b[PT_SLOT];
	uint64_t slot = s->slot, next = s->addr + in->len;
	if (!slot)
		slot = s->slot = slot_new(p, th, s);
	memset(b, 0x90, sizeof b);
	memcpy(b, in->bytes, in->len);
	if (!slot || (in->rip_relative && !rebase(b, in, slot)))
		return false;
	int64_t back = (int64_t)(next - (slot + in->len + 5));
	if (back == (int32_t)back) { /* jmp rel32 */
		b[in->len] = 0xe9;
		put32(b + in->len + 1, (uint32_t)back);
	} else { /* jmp [rip+0] */
		memcpy(b + in->len, "\xff\x25\0\0\0\0", 6);
		put64(b + in->len + 6, next);
	}
	if (pt_raw_write(th->proc->space, slot, b, sizeof b) != sizeof b)
		return false;
	return true;
}

/* ---- what kind of instruction ---- */

static bool is_nop(const x64_insn *in)
{
	return (in->len == 1 && in->bytes[0] == 0x90) ||
	       (in->len == 4 && !memcmp(in->bytes, "\xf3\x0f\x1e\xfa", 4)); /* endbr64 */
}

static bool is_jcc(const x64_insn *in, uint8_t *cc)
{
	size_t i = 0;
	while (i < in->len &&
		(in->bytes[i] == 0xf2 || in->bytes[i] == 0x2e || in->bytes[i] == 0x3e))
		i++; /* bnd and branch hints */
	if (i < in->len && (in->bytes[i] & 0xf0) == 0x70)
		*cc = in->bytes[i] & 15;
	else if (i + 1u < in->len && in->bytes[i] == 0x0f && (in->bytes[i + 1] & 0xf0) == 0x80)
		*cc = in->bytes[i + 1] & 15;
	else
		return false;
	return true;
}

static bool emulated(const x64_insn *in)
{
	unsigned sets;
	bool r, w;
	return x64_emulate_needs(in, &sets, &r, &w) &&
	       !(sets & ~(unsigned)(X64_SET_CONTROL | X64_SET_INTEGER));
}

static bool copyable(const x64_insn *in)
{
	if (in->flow == X64_FLOW_SYSCALL || in->flow == X64_FLOW_SYSRET ||
		in->flow == X64_FLOW_BREAK || in->flow == X64_FLOW_CALL ||
		in->flow == X64_FLOW_COND || in->has_target)
		return false;
	/* xbegin has a relative target, int1 is a trap of its own */
	return !(in->bytes[0] == 0xc7 && in->len > 1 && in->bytes[1] == 0xf8) &&
	       in->bytes[0] != 0xf1;
}

static pt_how how_for(pt *p, pt_thread *th, pt_site *s, const x64_insn *in)
{
	s->target = in->has_target ? in->target : s->addr + in->len;
	if (is_nop(in) || (in->flow == X64_FLOW_JMP && in->has_target))
		return PT_HOW_JUMP;
	if (in->flow == X64_FLOW_COND && is_jcc(in, &s->cc))
		return PT_HOW_COND;
	if (in->flow == X64_FLOW_CALL && in->has_target)
		return PT_HOW_CALL;
	if (in->len == 1 && in->bytes[0] == 0xc3)
		return PT_HOW_RET;
	if (copyable(in) && copy_make(p, th, s, in))
		return PT_HOW_COPY;
	return emulated(in) ? PT_HOW_EMULATE : PT_HOW_NOT;
}

/* The bytes at s as the program knows them; how many. */
static size_t code_at(pt_space *sp, const pt_site *s, uint8_t b[X64_INSN_MAX])
{
	size_t n = X64_INSN_MAX;
	while (n && !pt_mem_get(sp, s->addr, b, n))
		n = s->addr % PT_PAGE + n > PT_PAGE ? PT_PAGE - s->addr % PT_PAGE : n - 1;
	return n;
}

/* Makes ready how to pass site with th's help. False: it cannot be passed. */
static bool pt_pass_ready(pt *p, pt_thread *th, pt_site *s)
{
	uint8_t b[X64_INSN_MAX];
	x64_insn in;
	pt_region r;
	if (s->how != PT_HOW_UNKNOWN && !s->check)
		return s->how != PT_HOW_NOT;
	size_t n = code_at(th->proc->space, s, b);
	if (s->how != PT_HOW_UNKNOWN && n >= s->len && !memcmp(b, s->bytes, s->len))
		return s->how != PT_HOW_NOT;
	if (s->slot && occupied(p, s)) /* it was another instruction when they went in */
		return false;
	s->how = PT_HOW_NOT;
	if (x64_decode(b, n, s->addr, &in) != ERR_OK)
		return false;
	s->len = in.len;
	memcpy(s->bytes, in.bytes, in.len);
	s->how = how_for(p, th, s, &in);
	s->check = !pt_region_at(th->tid, s->addr, &r) || s->addr < r.begin || r.w || !r.inode;
	return s->how != PT_HOW_NOT;
}

/* ---- doing it ---- */

static err emu_read(void *u, uint64_t addr, void *b, size_t n)
{
	return pt_mem_get(u, addr, b, n) ? ERR_OK : ERR_FAULT;
}

static err emu_write(void *u, uint64_t addr, const void *b, size_t n)
{
	return pt_mem_put(u, addr, b, n) ? ERR_OK : ERR_FAULT;
}

static bool emulate(pt *p, pt_thread *th, const pt_site *s)
{
	x64_insn in;
	x64_regs r = {0};
	const x64_mem m = {th->proc->space, emu_read, emu_write};
	unsigned sets = X64_SET_CONTROL | X64_SET_INTEGER;
	if (x64_decode(s->bytes, s->len, s->addr, &in) != ERR_OK ||
		pt_regs_get(&p->t, (unit_t)th->tid, sets, &r, NULL) != ERR_OK)
		return false;
	r.rip = s->addr;
	return x64_emulate(&r, &in, &m) == ERR_OK &&
	       pt_regs_set(&p->t, (unit_t)th->tid, sets, &r, NULL) == ERR_OK;
}

static bool do_call(pt_thread *th, const pt_site *s)
{
	uint8_t b[8];
	uint64_t sp;
	if (!pt_peek(th, REG(rsp), &sp))
		return false;
	put64(b, s->addr + s->len);
	if (!pt_mem_put(th->proc->space, sp - 8, b, sizeof b) || !pt_poke(th, REG(rsp), sp - 8))
		return false;
	th->regs_known = false;
	pt_pc_set(th, s->target);
	return true;
}

static bool do_ret(pt_thread *th)
{
	uint64_t sp, to;
	if (!pt_peek(th, REG(rsp), &sp) || !pt_mem_u64(th->proc->space, sp, &to) || to >> 47 ||
		!pt_poke(th, REG(rsp), sp + 8))
		return false;
	th->regs_known = false;
	pt_pc_set(th, to);
	return true;
}

static bool do_cond(pt_thread *th, const pt_site *s)
{
	uint64_t fl;
	if (!pt_peek(th, REG(eflags), &fl))
		return false;
	pt_pc_set(th, x64_cond(s->cc, (uint32_t)fl) ? s->target : s->addr + s->len);
	return true;
}

/* One step with the byte out, nobody else running. */
static bool step_slowly(pt *p, pt_thread *th, pt_site *s)
{
	pt_space *sp = th->proc->space;
	uint8_t cc = PT_BREAK, now = 0;
	for (size_t i = 0; i < p->proc_list.n; i++)
		if (p->proc_list.p[i]->space == sp)
			(void)!pt_halt_proc(p, p->proc_list.p[i], NULL);
	if (th->state != PT_STOPPED || pt_raw_read(sp, s->addr, &now, 1) != 1)
		return false;
	if (now == PT_BREAK && pt_raw_write(sp, s->addr, &s->orig, 1) != 1)
		return false;
	bool ok = pt_step_once(p, th);
	if (now == PT_BREAK && pt_raw_read(sp, s->addr, &now, 1) == 1 && now == s->orig)
		(void)!pt_raw_write(sp, s->addr, &cc, 1);
	return ok;
}

bool pt_pass_go(pt *p, pt_thread *th)
{
	pt_site *s = th->pass;
	uint64_t pc;
	bool done = false;
	th->pass = NULL;
	if (!pt_pc(th, &pc) || pc != s->addr)
		return false;
	if (s->check && !pt_pass_ready(p, th, s))
		return step_slowly(p, th, s);
	switch (s->how) {
	case PT_HOW_COPY:
		pt_pc_set(th, s->slot);
		th->in = s;
		return false;
	case PT_HOW_JUMP:
		pt_pc_set(th, s->target);
		return true;
	case PT_HOW_COND:
		done = do_cond(th, s);
		break;
	case PT_HOW_CALL:
		done = do_call(th, s);
		break;
	case PT_HOW_RET:
		done = do_ret(th);
		break;
	case PT_HOW_EMULATE:
		done = emulate(p, th, s);
		break;
	default:
		break;
	}
	return done || step_slowly(p, th, s);
}

bool pt_pass_home(pt *p, pt_thread *th)
{
	pt_site *s = th->in;
	uint64_t pc;
	(void)p;
	th->in = NULL;
	if (!s || !pt_pc(th, &pc))
		return false;
	if (pc == s->slot) {
		pt_pc_set(th, s->addr);
		th->pass = s;
		return true;
	}
	if (pc == s->slot + s->len)
		pt_pc_set(th, s->addr + s->len);
	return false;
}

err pt_pass(tgt *t, unit_t u, uint64_t handle, diag *d)
{
	pt *p = pt_of(t);
	pt_thread *th = pt_thread_find(p, (pid_t)u);
	pt_trap *k = map_get(&p->traps, handle);
	uint64_t pc;
	if (!th || th->state != PT_STOPPED)
		return diag_set(d, ERR_STATE, "thread %x is not stopped", u);
	if (!k || !k->site)
		return diag_set(d, ERR_NOTFOUND, "no such trap");
	if (!pt_pc(th, &pc) || pc != k->site->addr)
		return diag_set(d, ERR_STATE, "thread %x does not stand on that trap", u);
	if (!pt_pass_ready(p, th, k->site))
		return diag_set(d, ERR_UNSUPPORTED,
			"this instruction cannot be executed away from its place");
	th->pass = k->site;
	return ERR_OK;
}

/* th stands on s and is to go on as if there were nothing. It stays stopped. */
void pt_pass_silently(pt *p, pt_thread *th, pt_site *s)
{
	if (pt_pass_ready(p, th, s))
		th->pass = s;
	else
		(void)!step_slowly(p, th, s);
}

/* The pages are unmapped if somebody can be made to; nobody is in them. */
void pt_scratch_drop(pt *p, pt_proc *pr)
{
	pt_space *sp = pr->space;
	pt_thread *th = NULL;
	for (size_t i = 0; i < pr->threads.n && !th; i++)
		if (pr->threads.p[i]->state == PT_STOPPED && !pr->threads.p[i]->leaving)
			th = pr->threads.p[i];
	if (sp->refs > 1 || !th)
		return;
	pt_guard_handler_off(p, pr, th);
	for (size_t i = 0; i < sp->scratch.n; i++) {
		const uint64_t arg[6] = {sp->scratch.p[i]->base, PT_PAGE};
		uint64_t r;
		if (!pt_inject(p, th, SYS_munmap, arg, &r))
			break;
		mem_free(sp->scratch.p[i]);
		sp->scratch.p[i] = NULL;
	}
	size_t kept = 0;
	for (size_t i = 0; i < sp->scratch.n; i++)
		if (sp->scratch.p[i])
			sp->scratch.p[kept++] = sp->scratch.p[i];
	sp->scratch.n = kept;
	sp->free_slots.n = 0;
	for (size_t i = 0; i < sp->sites.n; i++) {
		sp->sites.p[i]->how = PT_HOW_UNKNOWN;
		sp->sites.p[i]->slot = 0;
	}
}
