/*
 * Compiled to assembly only; the Makefile turns each line "#define NAME value" into offsets.h, so
 * that traps.S follows the structures of either variant.
 */
#include "../inc/nt.h"

#define DEFINE(name, value) __asm__ volatile("#define " name " %c0" : : "i"((long)(value)))
#define TRAP(f)		    DEFINE("Tr" #f, offsetof(KTRAP_FRAME, f) - 0x80) /* from rbp */
#define EXCN(f)		    DEFINE("Ex" #f, offsetof(KEXCEPTION_FRAME, f))
#define PCR(f)		    DEFINE("Pc" #f, offsetof(KPCR, Prcb) + offsetof(KPRCB, f)) /* from gs */

_Static_assert(sizeof(KTRAP_FRAME) == offsetof(KTRAP_FRAME, Rbp) + 56,
	"machine frame ends the trap frame");
_Static_assert(offsetof(KEXCEPTION_FRAME, Return) % 16 == 8, "stack alignment in KiSwapContext");
_Static_assert(
	offsetof(KSWITCH_FRAME, Return) == offsetof(KSWITCH_FRAME, Rbp) + 8, "rbp below return");
_Static_assert(sizeof(KSWITCH_FRAME) % 16 == 0, "stack alignment in SwapContext");

/* clang-format off */
void offsets(void)
{
	DEFINE("TrapFrameLength", sizeof(KTRAP_FRAME));
	DEFINE("TrapRbpOffset", offsetof(KTRAP_FRAME, Rbp));
	TRAP(Rax); TRAP(Rcx); TRAP(Rdx); TRAP(R8); TRAP(R9); TRAP(R10); TRAP(R11);
	TRAP(Rbx); TRAP(Rdi); TRAP(Rsi); TRAP(Rbp);
	TRAP(PreviousMode); TRAP(PreviousIrql); TRAP(MxCsr); TRAP(FaultAddress); TRAP(GsSwap); TRAP(TrapFrame);
	TRAP(ErrorCode); TRAP(Rip); TRAP(SegCs); TRAP(EFlags); TRAP(Rsp); TRAP(SegSs);
	DEFINE("ExceptionFrameLength", ROUND_UP(sizeof(KEXCEPTION_FRAME), 16));
	EXCN(Rbp); EXCN(Rbx); EXCN(Rdi); EXCN(Rsi); EXCN(R12); EXCN(R13); EXCN(R14); EXCN(R15); EXCN(Return);
	EXCN(MxCsr); EXCN(TrapFrame);
	DEFINE("SwitchRbp", offsetof(KSWITCH_FRAME, Rbp));
	PCR(CurrentThread); PCR(RspBase); PCR(UserRsp); PCR(KernelDirectoryTableBase); PCR(UserDirectoryTableBase);
	PCR(RspBaseShadow); PCR(ShadowScratch);
	DEFINE("ThKernelStack", offsetof(KTHREAD, KernelStack));
	DEFINE("ThStateSaveArea", offsetof(KTHREAD, StateSaveArea));
	DEFINE("ThTrapFrame", offsetof(KTHREAD, TrapFrame));
	DEFINE("CxRip", offsetof(CONTEXT, Rip));
	DEFINE("CxRax", offsetof(CONTEXT, Rax));
	DEFINE("CxEFlags", offsetof(CONTEXT, EFlags));
	DEFINE("CxSegCs", offsetof(CONTEXT, SegCs));
	DEFINE("CxFltSave", offsetof(CONTEXT, FltSave));
	DEFINE("CxMxCsr", offsetof(CONTEXT, MxCsr));
	DEFINE("CxContextFlags", offsetof(CONTEXT, ContextFlags));
}
