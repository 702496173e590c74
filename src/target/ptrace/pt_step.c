/*
 * pt_step: a step that the processor need not do. See pt.h.
 *
 * A step through the kernel is two switches of the program; an instruction that only moves values
 * among general registers is emulated in a fraction of that. What it changes is written when the
 * thread runs next, so that a run of such steps costs one write.
 *
 * The program must not be able to tell. So this is for a process whose only thread stands in the
 * stop of a step, with no signal to deliver, no break of ours under it (which may be the loader's)
 * and no debug register set. Memory is neither read nor written: whoever kills us in between undoes
 * steps that nobody else has seen. Branches go forwards only, and after IN_A_ROW of them the
 * processor has its turn: what waits for a signal gets it.
 */
#include "target/ptrace/pt.h"

enum { IN_A_ROW = 16, USER_CS = 0x33 };

static bool plain(const x64_insn *in)
{
	bool ahead = (in->flow == X64_FLOW_JMP || in->flow == X64_FLOW_COND) && in->has_target &&
		     in->target > in->addr;
	return (in->flow == X64_FLOW_NEXT || ahead) && x64_emulate_pure(in);
}

void pt_stepped(pt_thread *th)
{
	th->by_hand = IN_A_ROW;
}

bool pt_step_by_hand(pt *p, pt_thread *th, const x64_insn *in)
{
	x64_regs r = {0};
	uint64_t pc;
	if (!th->by_hand || !in || p->n_threads != 1 || th->sig || th->pass || th->proc->n_hard ||
		th->group_stop || th->poked || th->state != PT_STOPPED || !pt_may_run(p, th) ||
		!pt_pc(th, &pc) || pc != in->addr || pt_site_at(th->proc->space, pc) ||
		!plain(in) ||
		pt_regs_get(&p->t, (unit_t)th->tid, X64_SET_GENERAL, &r, NULL) != ERR_OK ||
		r.eflags & X64_FL_TF || r.seg[X64_CS] != USER_CS ||
		x64_emulate(&r, in, NULL) != ERR_OK)
		return false;
	pt_regs_later(th, &r);
	th->by_hand--;
	pt_step_event(p, th, NULL);
	return true;
}
