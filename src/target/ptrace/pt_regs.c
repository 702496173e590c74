/*
 * pt_regs: registers of stopped threads, and debug registers. See pt.h.
 *
 * The whole general set (one call) is kept until the thread runs; one register is one call when
 * the set is not there. A pc that differs from the kernel's (pc_dirty) is put right first.
 *
 * A debugger that moves the pc of a thread which stopped inside of a system call must not have the
 * kernel restart that call at the new place: orig_rax becomes -1 then (arch/x86/kernel/signal.c,
 * arch_do_signal_or_restart).
 */
#include "target/ptrace/pt.h"

#include "base/reader.h"

#include <errno.h>
#include <stddef.h>

#define REG(f) offsetof(struct user_regs_struct, f)

bool pt_peek(pt_thread *th, size_t offset, uint64_t *ret)
{
	errno = 0;
	long v = ptrace(PTRACE_PEEKUSER, th->tid, (void *)offset, NULL);
	if (v == -1 && errno)
		return false;
	*ret = (uint64_t)v;
	return true;
}

bool pt_poke(pt_thread *th, size_t offset, uint64_t v)
{
	return !ptrace(PTRACE_POKEUSER, th->tid, (void *)offset, (void *)v);
}

bool pt_dr_get(pt_thread *th, unsigned i, uint64_t *ret)
{
	return pt_peek(th, offsetof(struct user, u_debugreg) + i * 8, ret);
}

bool pt_dr_set(pt_thread *th, unsigned i, uint64_t v)
{
	return pt_poke(th, offsetof(struct user, u_debugreg) + i * 8, v);
}

bool pt_pc(pt_thread *th, uint64_t *ret)
{
	if (!th->pc_known) {
		if (!pt_peek(th, REG(rip), &th->pc))
			return false;
		th->pc_known = true;
	}
	*ret = th->pc;
	return true;
}

void pt_pc_set(pt_thread *th, uint64_t pc)
{
	if (th->pc_known && th->pc == pc)
		return;
	th->pc = pc;
	th->pc_known = th->pc_dirty = true;
	th->regs.rip = pc;
}

bool pt_regs_flush(pt_thread *th)
{
	if (th->regs_dirty)
		return pt_regs_store(th);
	if (!th->pc_dirty)
		return true;
	if (!pt_poke(th, REG(rip), th->pc))
		return false;
	th->pc_dirty = false;
	return true;
}

bool pt_regs_fetch(pt_thread *th)
{
	if (th->regs_known)
		return true;
	if (ptrace(PTRACE_GETREGS, th->tid, NULL, &th->regs))
		return false;
	if (th->pc_dirty)
		th->regs.rip = th->pc;
	th->pc = th->regs.rip;
	th->pc_known = th->regs_known = true;
	return true;
}

bool pt_regs_store(pt_thread *th)
{
	if (ptrace(PTRACE_SETREGS, th->tid, NULL, &th->regs))
		return false;
	th->pc = th->regs.rip;
	th->pc_known = true;
	th->pc_dirty = th->regs_dirty = false;
	return true;
}

/* ---- the table's functions ---- */

static err unit_find(pt *p, unit_t u, pt_thread **ret, diag *d)
{
	pt_thread *th = pt_thread_find(p, u ? (pid_t)u : p->last);
	if (!th || th->state == PT_LEAVING)
		return diag_set(d, ERR_NOTFOUND, "thread %x has ended", u);
	if (th->state != PT_STOPPED && th->stuck)
		return diag_set(d, ERR_STATE,
			"thread %x does not stop: it is in an uninterruptible system call", u);
	if (th->state != PT_STOPPED)
		return diag_set(d, ERR_STATE, "thread %x is running", u);
	*ret = th;
	return ERR_OK;
}

/* Killed while we talk to it: its end is reported by the next wait. */
static err lost(pt_thread *th, diag *d)
{
	if (errno == ESRCH)
		return diag_set(d, ERR_NOTFOUND, "thread %x was killed", (unsigned)th->tid);
	return diag_set(d, ERR_IO, "thread %x: %s", (unsigned)th->tid, strerror(errno));
}

static void to_general(x64_regs *r, const struct user_regs_struct *k)
{
	r->gpr[X64_RAX] = k->rax;
	r->gpr[X64_RCX] = k->rcx;
	r->gpr[X64_RDX] = k->rdx;
	r->gpr[X64_RBX] = k->rbx;
	r->gpr[X64_RSP] = k->rsp;
	r->gpr[X64_RBP] = k->rbp;
	r->gpr[X64_RSI] = k->rsi;
	r->gpr[X64_RDI] = k->rdi;
	r->gpr[X64_R8] = k->r8;
	r->gpr[X64_R9] = k->r9;
	r->gpr[X64_R10] = k->r10;
	r->gpr[X64_R11] = k->r11;
	r->gpr[X64_R12] = k->r12;
	r->gpr[X64_R13] = k->r13;
	r->gpr[X64_R14] = k->r14;
	r->gpr[X64_R15] = k->r15;
	r->rip = k->rip;
	r->eflags = (uint32_t)k->eflags;
	r->seg[X64_CS] = (uint16_t)k->cs;
	r->seg[X64_SS] = (uint16_t)k->ss;
	r->seg[X64_DS] = (uint16_t)k->ds;
	r->seg[X64_ES] = (uint16_t)k->es;
	r->seg[X64_FS] = (uint16_t)k->fs;
	r->seg[X64_GS] = (uint16_t)k->gs;
	r->fs_base = k->fs_base;
	r->gs_base = k->gs_base;
	r->restart = k->orig_rax;
	r->valid |= X64_SET_GENERAL | X64_SET_BASES;
}

err pt_regs_get(tgt *t, unit_t u, unsigned sets, x64_regs *r, diag *d)
{
	pt_thread *th;
	x64_regs n = *r;
	TRY(unit_find(pt_of(t), u, &th, d));
	if (sets & (X64_SET_GENERAL | X64_SET_BASES)) {
		if (!pt_regs_fetch(th))
			return lost(th, d);
		to_general(&n, &th->regs);
	}
	if (sets & X64_SET_FLOAT) {
		struct user_fpregs_struct f;
		_Static_assert(sizeof f == sizeof n.fx, "the FXSAVE image");
		if (ptrace(PTRACE_GETFPREGS, th->tid, NULL, &f))
			return lost(th, d);
		memcpy(n.fx, &f, sizeof n.fx);
		n.mxcsr = f.mxcsr;
		n.valid |= X64_SET_FLOAT;
	}
	if (sets & X64_SET_DEBUG) {
		for (unsigned i = 0; i < 8; i++)
			if (i != 4 && i != 5 && !pt_dr_get(th, i, &n.dr[i]))
				return lost(th, d);
		n.valid |= X64_SET_DEBUG;
	}
	if (sets & X64_SET_SPECIAL)
		return diag_set(
			d, ERR_UNSUPPORTED, "control registers cannot be read in user mode");
	*r = n;
	return ERR_OK;
}

static void from_general(struct user_regs_struct *k, const x64_regs *r, unsigned sets)
{
	if (sets & X64_SET_INTEGER) {
		k->rax = r->gpr[X64_RAX];
		k->rcx = r->gpr[X64_RCX];
		k->rdx = r->gpr[X64_RDX];
		k->rbx = r->gpr[X64_RBX];
		k->rbp = r->gpr[X64_RBP];
		k->rsi = r->gpr[X64_RSI];
		k->rdi = r->gpr[X64_RDI];
		k->r8 = r->gpr[X64_R8];
		k->r9 = r->gpr[X64_R9];
		k->r10 = r->gpr[X64_R10];
		k->r11 = r->gpr[X64_R11];
		k->r12 = r->gpr[X64_R12];
		k->r13 = r->gpr[X64_R13];
		k->r14 = r->gpr[X64_R14];
		k->r15 = r->gpr[X64_R15];
	}
	if (sets & X64_SET_CONTROL) {
		k->rip = r->rip;
		k->rsp = r->gpr[X64_RSP];
		k->eflags = r->eflags;
		k->cs = r->seg[X64_CS];
		k->ss = r->seg[X64_SS];
	}
	if (sets & X64_SET_SEGMENTS) {
		k->ds = r->seg[X64_DS];
		k->es = r->seg[X64_ES];
		k->fs = r->seg[X64_FS];
		k->gs = r->seg[X64_GS];
	}
	if (sets & X64_SET_BASES) {
		k->fs_base = r->fs_base;
		k->gs_base = r->gs_base;
		k->orig_rax = r->restart;
	}
}

void pt_regs_later(pt_thread *th, const x64_regs *r)
{
	from_general(&th->regs, r, X64_SET_CONTROL | X64_SET_INTEGER);
	th->regs.orig_rax = (unsigned long long)-1; /* behind the call that it came out of */
	th->pc = th->regs.rip;
	th->regs_dirty = true;
}

static err general_set(pt_thread *th, unsigned sets, const x64_regs *r, diag *d)
{
	if (!pt_regs_fetch(th))
		return lost(th, d);
	struct user_regs_struct old = th->regs, only_pc = th->regs;
	from_general(&th->regs, r, sets);
	only_pc.rip = th->regs.rip;
	bool moved = th->regs.rip != old.rip;
	bool in_call = (int64_t)old.orig_rax != -1;
	if (moved) {
		th->pass = NULL;
		th->own_break = 0;
	}
	if (!memcmp(&th->regs, &old, sizeof old))
		return ERR_OK;
	if (moved && !in_call && !memcmp(&th->regs, &only_pc, sizeof only_pc)) {
		th->pc = th->regs.rip;
		th->pc_dirty = true; /* written when it runs */
		return ERR_OK;
	}
	if (moved && in_call && !(sets & X64_SET_BASES))
		th->regs.orig_rax = (unsigned long long)-1;
	if (pt_regs_store(th))
		return ERR_OK;
	int why = errno;
	th->regs = old;
	errno = why;
	if (why == EIO || why == EINVAL || why == EPERM)
		return diag_set(d, ERR_ARG, "the system refuses these values");
	return lost(th, d);
}

err pt_regs_set(tgt *t, unit_t u, unsigned sets, const x64_regs *r, diag *d)
{
	pt_thread *th;
	TRY(unit_find(pt_of(t), u, &th, d));
	if (th->proc->look_only)
		return diag_set(d, ERR_UNSUPPORTED,
			"process %d was attached to without a right to change it",
			(int)th->proc->pid);
	if (sets & X64_SET_SPECIAL)
		return diag_set(
			d, ERR_UNSUPPORTED, "control registers cannot be written in user mode");
	if (sets & (X64_SET_GENERAL | X64_SET_BASES))
		TRY(general_set(th, sets, r, d));
	if (sets & X64_SET_FLOAT) {
		struct user_fpregs_struct f;
		memcpy(&f, r->fx, sizeof f);
		f.mxcsr = r->mxcsr;
		if (ptrace(PTRACE_SETFPREGS, th->tid, NULL, &f)) {
			if (errno == EINVAL)
				return diag_set(
					d, ERR_ARG, "mxcsr %08x has reserved bits set", r->mxcsr);
			return lost(th, d);
		}
	}
	if (sets & X64_SET_DEBUG) {
		/* dr7 last: it switches on what the others say. */
		static const uint8_t order[] = {0, 1, 2, 3, 6, 7};
		for (size_t i = 0; i < sizeof order; i++) {
			uint64_t now = 0;
			if (!pt_dr_get(th, order[i], &now))
				return lost(th, d);
			if (now != r->dr[order[i]] && !pt_dr_set(th, order[i], r->dr[order[i]]))
				return diag_set(d, ERR_ARG, "the system refuses dr%u = %llx",
					order[i], (unsigned long long)r->dr[order[i]]);
		}
	}
	return ERR_OK;
}

/* Place in struct user_regs_struct of a general register's container; SIZE_MAX for another. */
static size_t user_offset(const x64_reg *reg)
{
	static const struct {
		uint16_t ours;
		uint16_t kernel;
	} at[] = {
		{offsetof(x64_regs, gpr[X64_RAX]), REG(rax)},
		{offsetof(x64_regs, gpr[X64_RCX]), REG(rcx)},
		{offsetof(x64_regs, gpr[X64_RDX]), REG(rdx)},
		{offsetof(x64_regs, gpr[X64_RBX]), REG(rbx)},
		{offsetof(x64_regs, gpr[X64_RSP]), REG(rsp)},
		{offsetof(x64_regs, gpr[X64_RBP]), REG(rbp)},
		{offsetof(x64_regs, gpr[X64_RSI]), REG(rsi)},
		{offsetof(x64_regs, gpr[X64_RDI]), REG(rdi)},
		{offsetof(x64_regs, gpr[X64_R8]), REG(r8)},
		{offsetof(x64_regs, gpr[X64_R9]), REG(r9)},
		{offsetof(x64_regs, gpr[X64_R10]), REG(r10)},
		{offsetof(x64_regs, gpr[X64_R11]), REG(r11)},
		{offsetof(x64_regs, gpr[X64_R12]), REG(r12)},
		{offsetof(x64_regs, gpr[X64_R13]), REG(r13)},
		{offsetof(x64_regs, gpr[X64_R14]), REG(r14)},
		{offsetof(x64_regs, gpr[X64_R15]), REG(r15)},
		{offsetof(x64_regs, eflags), REG(eflags)},
		{offsetof(x64_regs, fs_base), REG(fs_base)},
		{offsetof(x64_regs, gs_base), REG(gs_base)},
	};
	for (size_t i = 0; i < ARRAY_LEN(at); i++)
		if (at[i].ours == reg->offset)
			return at[i].kernel;
	return SIZE_MAX;
}

err pt_reg_get(tgt *t, unit_t u, const x64_reg *reg, uint64_t *ret, diag *d)
{
	pt_thread *th;
	x64_regs r = {0};
	TRY(unit_find(pt_of(t), u, &th, d));
	bool is_pc = reg->offset == offsetof(x64_regs, rip);
	size_t at = user_offset(reg);
	if (!th->regs_known && (is_pc || at != SIZE_MAX)) {
		uint64_t v = 0;
		if (is_pc ? !pt_pc(th, &v) : !pt_peek(th, at, &v))
			return lost(th, d);
		le_put((uint8_t *)&r + reg->offset, v, reg->bytes);
	} else {
		TRY(pt_regs_get(t, u, reg->set, &r, d));
	}
	*ret = x64_reg_get(&r, reg);
	return ERR_OK;
}
