/*
 * Frame-based exception handling for x64, in the kernel and in ntdll alike: unwinding by .pdata and
 * .xdata, the search for a handler, the unwind to it, and __C_specific_handler for __try.
 *
 * Formats: Microsoft "x64 exception handling" (UNWIND_INFO, unwind codes, scope tables). No
 * epilogue analysis: exceptions that we handle come from function bodies, never from epilogues.
 */
#include "../inc/rtl.h"

enum {
	UWOP_PUSH_NONVOL,
	UWOP_ALLOC_LARGE,
	UWOP_ALLOC_SMALL,
	UWOP_SET_FPREG,
	UWOP_SAVE_NONVOL,
	UWOP_SAVE_NONVOL_FAR,
	UWOP_EPILOG,
	UWOP_SPARE,
	UWOP_SAVE_XMM128,
	UWOP_SAVE_XMM128_FAR,
	UWOP_PUSH_MACHFRAME
};
enum { UNW_FLAG_EHANDLER = 1, UNW_FLAG_UHANDLER = 2, UNW_FLAG_CHAININFO = 4 };

typedef struct _UNWIND_INFO {
	UCHAR VersionFlags, SizeOfProlog, CountOfCodes, Frame;
	USHORT Code[];
} UNWIND_INFO;

typedef struct _SCOPE_TABLE {
	ULONG Count;
	struct {
		ULONG BeginAddress, EndAddress, HandlerAddress, JumpTarget;
	} ScopeRecord[];
} SCOPE_TABLE;

static ULONG64 *reg(CONTEXT *c, unsigned n)
{
	return &c->Rax + n; /* CONTEXT keeps the registers in their encoding's order */
}

RUNTIME_FUNCTION *RtlLookupFunctionEntry(ULONG64 pc, ULONG64 *base_ret, PVOID history)
{
	ULONG64 base = RtlpImageBase(pc);

	(void)history;
	if (!base)
		return NULL;
	IMAGE_DATA_DIRECTORY *dir =
		&pe_headers((void *)base)->OptionalHeader.DataDirectory[PE_EXCEPTION];
	RUNTIME_FUNCTION *table = (RUNTIME_FUNCTION *)(base + dir->VirtualAddress);
	ULONG lo = 0, hi = dir->Size / sizeof *table, rva = (ULONG)(pc - base);
	*base_ret = base;
	while (lo < hi) {
		ULONG mid = (lo + hi) / 2;
		if (rva < table[mid].BeginAddress)
			hi = mid;
		else if (rva >= table[mid].EndAddress)
			lo = mid + 1;
		else
			return &table[mid];
	}
	return NULL;
}

/* How many slots of the code array an operation takes. */
static unsigned code_slots(unsigned op, unsigned info)
{
	switch (op) {
	case UWOP_ALLOC_LARGE:
		return info ? 3 : 2;
	case UWOP_SAVE_NONVOL:
	case UWOP_SAVE_XMM128:
		return 2;
	case UWOP_SAVE_NONVOL_FAR:
	case UWOP_SAVE_XMM128_FAR:
		return 3;
	default:
		return 1;
	}
}

/* Undoes one operation. True: it was a machine frame, rip and rsp are done. */
static bool undo(const USHORT *code, CONTEXT *c, ULONG64 frame, const UNWIND_INFO *u)
{
	unsigned op = code[0] >> 8 & 15, info = code[0] >> 12;
	ULONG64 *sp = (ULONG64 *)c->Rsp;

	switch (op) {
	case UWOP_PUSH_NONVOL:
		*reg(c, info) = *sp;
		c->Rsp += 8;
		break;
	case UWOP_ALLOC_LARGE:
		c->Rsp += info ? code[1] | (ULONG)code[2] << 16 : code[1] * 8u;
		break;
	case UWOP_ALLOC_SMALL:
		c->Rsp += info * 8 + 8;
		break;
	case UWOP_SET_FPREG:
		c->Rsp = *reg(c, u->Frame & 15) - (u->Frame >> 4) * 16;
		break;
	case UWOP_SAVE_NONVOL:
		*reg(c, info) = *(ULONG64 *)(frame + code[1] * 8u);
		break;
	case UWOP_SAVE_NONVOL_FAR:
		*reg(c, info) = *(ULONG64 *)(frame + (code[1] | (ULONG)code[2] << 16));
		break;
	case UWOP_SAVE_XMM128:
		c->FltSave.XmmRegisters[info] = *(M128A *)(frame + code[1] * 16u);
		break;
	case UWOP_SAVE_XMM128_FAR:
		c->FltSave.XmmRegisters[info] =
			*(M128A *)(frame + (code[1] | (ULONG)code[2] << 16));
		break;
	case UWOP_PUSH_MACHFRAME:
		sp += info;
		c->Rip = sp[0];
		c->Rsp = sp[3];
		return true;
	}
	return false;
}

EXCEPTION_ROUTINE *RtlVirtualUnwind(ULONG type, ULONG64 base, ULONG64 pc, RUNTIME_FUNCTION *f,
	CONTEXT *c, PVOID *data_ret, ULONG64 *frame_ret, PVOID pointers)
{
	const UNWIND_INFO *u = (const UNWIND_INFO *)(base + f->UnwindData), *first = u;
	ULONG offset = (ULONG)(pc - base) - f->BeginAddress;
	bool machine = false;

	(void)pointers;
	/* The frame that saved registers and handlers are relative to. */
	ULONG64 frame = c->Rsp;
	if (u->Frame & 15)
		frame = *reg(c, u->Frame & 15) - (u->Frame >> 4) * 16;
	*frame_ret = frame;
	for (;;) {
		unsigned i = 0;
		while (i < u->CountOfCodes) {
			const USHORT *code = &u->Code[i];
			if (u != first || offset >= (code[0] & 0xff))
				machine |= undo(code, c, frame, u);
			i += code_slots(code[0] >> 8 & 15, code[0] >> 12);
		}
		if (!(u->VersionFlags >> 3 & UNW_FLAG_CHAININFO))
			break;
		f = (RUNTIME_FUNCTION *)&u->Code[(u->CountOfCodes + 1) & ~1];
		u = (const UNWIND_INFO *)(base + f->UnwindData);
	}
	if (!machine) {
		c->Rip = *(ULONG64 *)c->Rsp;
		c->Rsp += 8;
	}
	if (!(first->VersionFlags >> 3 & type) || offset < first->SizeOfProlog)
		return NULL;
	const ULONG *handler = (const ULONG *)&first->Code[(first->CountOfCodes + 1) & ~1];
	*data_ret = (PVOID)(handler + 1);
	return (EXCEPTION_ROUTINE *)(base + *handler);
}

/* One frame up; the handler if the function has one of the type. False: no frame, end of the stack.
 */
static bool step(CONTEXT *c, ULONG type, DISPATCHER_CONTEXT *d, EXCEPTION_ROUTINE **handler_ret)
{
	ULONG64 low, high;

	RtlpStackLimits(&low, &high);
	*handler_ret = NULL;
	if (c->Rsp < low || c->Rsp + 8 > high || c->Rsp & 7)
		return false;
	d->ControlPc = c->Rip;
	d->FunctionEntry = RtlLookupFunctionEntry(c->Rip, &d->ImageBase, NULL);
	if (!d->FunctionEntry) { /* a leaf */
		d->EstablisherFrame = c->Rsp;
		c->Rip = *(ULONG64 *)c->Rsp;
		c->Rsp += 8;
		return c->Rip != 0;
	}
	*handler_ret = RtlVirtualUnwind(type, d->ImageBase, c->Rip, d->FunctionEntry, c,
		&d->HandlerData, &d->EstablisherFrame, NULL);
	return true;
}

/* Offers the exception to the handlers up the stack. True: continue where it happened. */
bool RtlDispatchException(EXCEPTION_RECORD *er, CONTEXT *context)
{
	CONTEXT c = *context;
	DISPATCHER_CONTEXT d = {.ContextRecord = &c};
	EXCEPTION_ROUTINE *handler;

	while (c.Rip) {
		if (!step(&c, UNW_FLAG_EHANDLER, &d, &handler))
			break;
		if (!handler)
			continue;
		d.LanguageHandler = (PVOID)handler;
		d.ScopeIndex = 0;
		if (handler(er, (PVOID)d.EstablisherFrame, context, &d) ==
			ExceptionContinueExecution)
			return !(er->ExceptionFlags & EXCEPTION_NONCONTINUABLE);
	}
	return false;
}

/* Runs the termination handlers between here and `frame`, then continues at `target` in it. */
void RtlUnwindEx(
	PVOID frame, PVOID target, EXCEPTION_RECORD *er, PVOID value, CONTEXT *c, PVOID history)
{
	EXCEPTION_RECORD own = {.ExceptionCode = STATUS_UNWIND};
	DISPATCHER_CONTEXT d = {.TargetIp = (ULONG64)target};
	EXCEPTION_ROUTINE *handler;
	CONTEXT up;

	(void)history;
	RtlCaptureContext(c);
	if (!er)
		er = &own;
	er->ExceptionFlags |= EXCEPTION_UNWINDING | (frame ? 0 : EXCEPTION_EXIT_UNWIND);
	for (;;) {
		up = *c;
		if (!step(&up, UNW_FLAG_UHANDLER, &d, &handler))
			RtlRaiseStatus(STATUS_BAD_STACK);
		bool last = d.FunctionEntry && d.EstablisherFrame == (ULONG64)frame;
		if (last)
			er->ExceptionFlags |= EXCEPTION_TARGET_UNWIND;
		if (handler) {
			d.ContextRecord = c;
			d.LanguageHandler = (PVOID)handler;
			d.ScopeIndex = 0;
			handler(er, (PVOID)d.EstablisherFrame, c, &d);
		}
		if (last)
			break;
		*c = up;
	}
	c->Rax = (ULONG64)value;
	c->Rip = (ULONG64)target;
	RtlRestoreContext(c, er);
}

void RtlUnwind(PVOID frame, PVOID target, EXCEPTION_RECORD *er, PVOID value)
{
	CONTEXT c;

	RtlUnwindEx(frame, target, er, value, &c, NULL);
}

/* Filters return 1 (execute handler), 0 (search), -1 (continue execution). */
EXCEPTION_DISPOSITION __C_specific_handler(
	EXCEPTION_RECORD *er, PVOID frame, CONTEXT *c, DISPATCHER_CONTEXT *d)
{
	SCOPE_TABLE *table = d->HandlerData;
	ULONG pc = (ULONG)(d->ControlPc - d->ImageBase);

	for (; d->ScopeIndex < table->Count; d->ScopeIndex++) {
		ULONG begin = table->ScopeRecord[d->ScopeIndex].BeginAddress;
		ULONG end = table->ScopeRecord[d->ScopeIndex].EndAddress;
		ULONG handler = table->ScopeRecord[d->ScopeIndex].HandlerAddress;
		ULONG jump = table->ScopeRecord[d->ScopeIndex].JumpTarget;
		if (pc < begin || pc >= end)
			continue;
		if (er->ExceptionFlags & EXCEPTION_UNWIND) {
			ULONG to = (ULONG)(d->TargetIp - d->ImageBase);
			if (er->ExceptionFlags & EXCEPTION_TARGET_UNWIND && to >= begin && to < end)
				break;
			if (jump) {
				if (er->ExceptionFlags & EXCEPTION_TARGET_UNWIND && to == jump)
					break;
				continue;
			}
			void (*finally)(BOOLEAN, PVOID) = (void *)(d->ImageBase + handler);
			finally(TRUE, frame);
			continue;
		}
		if (!jump)
			continue;
		LONG verdict = 1;
		if (handler != 1) {
			EXCEPTION_POINTERS pointers = {er, c};
			LONG(*filter)
			(EXCEPTION_POINTERS *, PVOID) = (void *)(d->ImageBase + handler);
			verdict = filter(&pointers, frame);
		}
		if (verdict < 0)
			return ExceptionContinueExecution;
		if (verdict > 0)
			RtlUnwind(frame, (PVOID)(d->ImageBase + jump), er,
				(PVOID)(LONG64)er->ExceptionCode);
	}
	return ExceptionContinueSearch;
}

void RtlRaiseStatus(NTSTATUS status)
{
	EXCEPTION_RECORD er = {.ExceptionCode = status, .ExceptionFlags = EXCEPTION_NONCONTINUABLE};

	RtlRaiseException(&er);
}
