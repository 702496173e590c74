/*
 * signals: see signals.h.
 */
#include "target/signals.h"

#include <signal.h>

static uint32_t fpe_code(int si_code)
{
	/* siginfo's FPE_* to NTSTATUS (ntstatus.h) */
	static const uint32_t code[] = {
		[FPE_INTDIV] = 0xc0000094,
		[FPE_INTOVF] = 0xc0000095,
		[FPE_FLTDIV] = 0xc000008e,
		[FPE_FLTOVF] = 0xc0000091,
		[FPE_FLTUND] = 0xc0000093,
		[FPE_FLTRES] = 0xc000008f,
		[FPE_FLTINV] = 0xc0000090,
		[FPE_FLTSUB] = 0xc000008c,
	};
	return si_code > 0 && (size_t)si_code < ARRAY_LEN(code) ? code[si_code] : 0xc0000090;
}

uint32_t signal_exception_code(int sig, int si_code)
{
	bool by_cpu = si_code > 0;
	switch (sig) {
	case SIGINT:
		return 0x40010005; /* DBG_CONTROL_C */
	case SIGTRAP:
		return 0x80000003;
	case SIGSEGV:
		return by_cpu ? 0xc0000005 : (uint32_t)TGT_SIGNAL_CODE + SIGSEGV;
	case SIGBUS:
		return !by_cpu		       ? (uint32_t)TGT_SIGNAL_CODE + SIGBUS
		       : si_code == BUS_ADRALN ? 0x80000002
					       : 0xc0000006;
	case SIGFPE:
		return by_cpu ? fpe_code(si_code) : (uint32_t)TGT_SIGNAL_CODE + SIGFPE;
	case SIGILL:
		return by_cpu ? 0xc000001d : (uint32_t)TGT_SIGNAL_CODE + SIGILL;
	default:
		return (uint32_t)TGT_SIGNAL_CODE + (uint32_t)sig;
	}
}

uint64_t signal_access_kind(
	const x64_regs *r, const uint8_t *code, size_t n, uint64_t addr, uint64_t *ea)
{
	x64_insn in;
	uint64_t pc = r->rip;
	if (x64_decode(code, n, pc, &in) != ERR_OK)
		return addr == pc ? 8 : 0;
	if (addr == pc && !in.has_mem)
		return 8;
	if (ea && in.has_mem && !*ea)
		(void)!x64_insn_ea(&in, r, ea);
	if (in.has_mem && in.mem_write)
		return 1;
	/* push and call write below the stack pointer */
	return r->gpr[X64_RSP] - addr - 1 < 8 ? 1 : 0;
}
