/*
 * kdglue: what the debugger stub (guest/kd) needs of this kernel, and the kernel's calls into it.
 * Freezing the other processors, memory through the page tables, the serial port, special
 * registers, and the KDDEBUGGER_DATA64 block that tells a debugger where things are.
 *
 * How a stop works:
 *   the processor that traps: kd_port_enter: takes KdpLock, sends each other processor an NMI
 *   the others: KiFreezeTargetExecution saves context and special registers, waits, loads them
 * again two at once: the loser waits for the lock and lets itself be frozen there, showing the
 * context of its own trap; it reports that trap when the winner has left.
 *
 * The clocks of all rest during a stop: nothing here needs a tick, and each is work for the host.
 */
#include "../inc/ke.h"
#include "../kd/kdport.h"

bool KdDebuggerEnabled = true, KdDebuggerNotPresent, KdPitchDebugger;
KDDEBUGGER_DATA64 KdDebuggerDataBlock;
DBGKD_GET_VERSION64 KdVersionBlock;
LIST_ENTRY KdpDebuggerDataListHead;
UCHAR KdpBusy; /* a processor is inside */

extern ULONG NtGlobalFlag;
extern char NtBuildLab[];
extern ULONG64 MmHighestUserAddress, MmSystemRangeStart, MmUserProbeAddress,
	MmNumberOfPhysicalPages, MmLowestPhysicalPage;

/* What was printed lately, for !dbgprint. */
static char KdPrintDefaultCircularBuffer[4096];
char *KdPrintCircularBuffer = KdPrintDefaultCircularBuffer;
char *KdPrintWritePointer = KdPrintDefaultCircularBuffer;
ULONG KdPrintBufferSize = sizeof KdPrintDefaultCircularBuffer, KdPrintRolloverCount;

/* 0: free. KDP_STOP: a stop has it. Else 1 + the processor that looks for a break-in. */
enum { KDP_STOP = 0xffff };
static volatile ULONG KdpLock;
static bool KdpEnable;
static HAL_CLOCK KdpClock; /* of the processor that is inside */
static ULONG64 KdpTscPerUs;
static ULONG64 KdpRoot; /* page tables that the memory functions use */

enum { COM1 = 0x3f8 };

/* ---- special registers ---- */

void KiSaveSpecialRegisters(KSPECIAL_REGISTERS *s)
{
	s->Cr0 = READ_CR(0), s->Cr2 = READ_CR(2), s->Cr3 = READ_CR(3), s->Cr4 = READ_CR(4),
	s->Cr8 = READ_CR(8);
	s->KernelDr0 = READ_DR(0), s->KernelDr1 = READ_DR(1), s->KernelDr2 = READ_DR(2),
	s->KernelDr3 = READ_DR(3);
	s->KernelDr6 = READ_DR(6), s->KernelDr7 = READ_DR(7);
	__asm__ volatile("sgdt %0; sidt %1" : "=m"(s->Gdtr.Limit), "=m"(s->Idtr.Limit));
	__asm__ volatile("str %0; sldt %1; stmxcsr %2"
			 : "=m"(s->Tr), "=m"(s->Ldtr), "=m"(s->MxCsr));
	s->MsrGsBase = KiReadMsr(0xc0000101);
	s->MsrGsSwap = KiReadMsr(0xc0000102);
	s->MsrStar = KiReadMsr(0xc0000081);
	s->MsrLStar = KiReadMsr(0xc0000082);
	s->MsrCStar = KiReadMsr(0xc0000083);
	s->MsrSyscallMask = KiReadMsr(0xc0000084);
}

/* What a debugger changes: the breakpoint registers. */
static void load_debug_registers(const KSPECIAL_REGISTERS *s)
{
	WRITE_DR(7, 0);
	WRITE_DR(0, s->KernelDr0);
	WRITE_DR(1, s->KernelDr1);
	WRITE_DR(2, s->KernelDr2);
	WRITE_DR(3, s->KernelDr3);
	WRITE_DR(6, s->KernelDr6);
	WRITE_DR(7, s->KernelDr7);
}

/* ---- freezing ---- */

/*
 * Stopped processors halt, so that a person at the prompt costs the host nothing. An NMI may have
 * come in the handler of a wake-up that was late; until that one is ended no other gets through.
 * The handler's own end of interrupt then finds nothing, or one that CR8 still holds back.
 */
static void sleep_until_woken(void)
{
	KIRQL old = KeRaiseIrql(IPI_LEVEL); /* lets VECTOR_WAKE through, and nothing else */

	if (HalInService(VECTOR_WAKE))
		HalEndOfInterrupt();
	if (KiHaltUntilWoken())
		HalEndOfInterrupt();
	KeLowerIrql(old);
}

void KiStrayWakeHandler(KTRAP_FRAME *tf)
{
	(void)tf;
	HalEndOfInterrupt();
}

/* The processor's context and special registers are in its KPRCB; returns when the stop is over. */
static void stay_frozen(KPRCB *prcb)
{
	HAL_CLOCK clock;

	KiSaveSpecialRegisters(&prcb->ProcessorState.SpecialRegisters);
	WRITE_DR(7, 0);
	HalRestClock(&clock);
	__atomic_store_n(&prcb->IpiFrozen, IPI_FROZEN_FROZEN, __ATOMIC_SEQ_CST);
	while (prcb->IpiFrozen == IPI_FROZEN_FROZEN)
		sleep_until_woken();
	HalResumeClock(&clock);
	load_debug_registers(&prcb->ProcessorState.SpecialRegisters);
}

/* From the NMI. */
void KiFreezeTargetExecution(KTRAP_FRAME *tf, KEXCEPTION_FRAME *ef)
{
	KPRCB *prcb = KeGetCurrentPrcb();

	if (prcb->IpiFrozen != IPI_FROZEN_TARGET_FREEZE || prcb->DebuggerWait)
		return; /* late, or the loop in kd_port_enter sees to it */
	prcb->FreezeTrapFrame = tf;
	KeContextFromKframes(tf, ef, &prcb->ProcessorState.ContextFrame);
	stay_frozen(prcb);
	KeContextToKframes(tf, ef, &prcb->ProcessorState.ContextFrame, tf->SegCs & 1);
	__atomic_store_n(&prcb->IpiFrozen, IPI_FROZEN_RUNNING, __ATOMIC_SEQ_CST);
}

static bool change_lock(ULONG from, ULONG to)
{
	return __atomic_compare_exchange_n(
		&KdpLock, &from, to, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* A processor that has its own stop to report, while another one's goes on, or which is traced
 * while it looks for a break-in. */
static void wait_for_lock(KPRCB *prcb, CONTEXT *mine)
{
	prcb->DebuggerWait = 1;
	while (!change_lock(0, KDP_STOP) && !change_lock(prcb->Number + 1, KDP_STOP)) {
		__asm__ volatile("pause");
		if (prcb->IpiFrozen != IPI_FROZEN_TARGET_FREEZE)
			continue;
		if (mine)
			prcb->ProcessorState.ContextFrame = *mine;
		else
			RtlCaptureContext(&prcb->ProcessorState.ContextFrame);
		stay_frozen(prcb);
		if (mine)
			*mine = prcb->ProcessorState.ContextFrame;
		__atomic_store_n(&prcb->IpiFrozen, IPI_FROZEN_RUNNING, __ATOMIC_SEQ_CST);
	}
	prcb->DebuggerWait = 0;
}

static void freeze_others(KPRCB *self)
{
	for (ULONG i = 0; i < KeNumberProcessors; i++) {
		KPRCB *other = KiProcessorBlock[i];
		if (other == self)
			continue;
		__atomic_store_n(&other->IpiFrozen, IPI_FROZEN_TARGET_FREEZE, __ATOMIC_SEQ_CST);
		for (ULONG wait = 0; other->IpiFrozen != IPI_FROZEN_FROZEN; wait++) {
			if (wait % 1000000 == 0)
				HalSendNmi(other->InitialApicId);
			__asm__ volatile("pause");
		}
	}
}

static CONTEXT
	*KdpTrapContext[MAXIMUM_PROCESSORS]; /* of the trap that a processor is about to report */

void kd_port_enter(void)
{
	bool enable = KiDisableInterrupts();
	KPRCB *prcb = KeGetCurrentPrcb();

	wait_for_lock(prcb, KdpTrapContext[prcb->Number]);
	KdpEnable = enable;
	KdpBusy = 1;
	KiSaveSpecialRegisters(&prcb->ProcessorState.SpecialRegisters);
	WRITE_DR(7, 0);
	KdpRoot = READ_CR(3);
	HalRestClock(&KdpClock);
	freeze_others(prcb);
}

void kd_port_leave(void)
{
	KPRCB *prcb = KeGetCurrentPrcb();
	bool enable = KdpEnable;

	for (ULONG i = 0; i < KeNumberProcessors; i++) {
		KPRCB *other = KiProcessorBlock[i];
		if (other == prcb)
			continue;
		__atomic_store_n(&other->IpiFrozen, IPI_FROZEN_THAW, __ATOMIC_SEQ_CST);
		HalRequestIpi(other->InitialApicId, VECTOR_WAKE);
		while (other->IpiFrozen == IPI_FROZEN_THAW)
			__asm__ volatile("pause");
	}
	WRITE_CR(3, READ_CR(3));
	load_debug_registers(&prcb->ProcessorState.SpecialRegisters);
	HalResumeClock(&KdpClock);
	KdpBusy = 0;
	__atomic_store_n(&KdpLock, 0, __ATOMIC_SEQ_CST);
	KiRestoreInterrupts(enable);
}

unsigned kd_port_processor(void)
{
	return KeGetCurrentPrcb()->Number;
}

unsigned kd_port_processor_count(void)
{
	return KeNumberProcessors ? KeNumberProcessors : 1;
}

void kd_port_select(unsigned n)
{
	KdpRoot = KiProcessorBlock[n]->ProcessorState.SpecialRegisters.Cr3;
}

/* A process is named by its page-table root; the kernel half is the same in all. */
void kd_port_attach(uint64_t process)
{
	static ULONG64 before;

	if (process) {
		before = KdpRoot;
		KdpRoot = process;
	} else {
		KdpRoot = before;
	}
}

CONTEXT *kd_port_context(unsigned n)
{
	return &KiProcessorBlock[n]->ProcessorState.ContextFrame;
}

void kd_port_special_get(unsigned n, KSPECIAL_REGISTERS *ret)
{
	*ret = KiProcessorBlock[n]->ProcessorState.SpecialRegisters;
}

void kd_port_special_set(unsigned n, const KSPECIAL_REGISTERS *regs)
{
	KiProcessorBlock[n]->ProcessorState.SpecialRegisters = *regs;
}

uint64_t kd_port_block(unsigned n, kd_block which)
{
	KPRCB *prcb = KiProcessorBlock[n];

	switch (which) {
	case KD_BLOCK_KPCR:
		return (uint64_t)prcb->Pcr;
	case KD_BLOCK_KPRCB:
		return (uint64_t)prcb;
	default:
		return (uint64_t)prcb->CurrentThread;
	}
}

/* ---- memory ---- */

void kd_port_copy(void *to, const void *from, size_t n)
{
	memcpy(to, from, n);
}

void kd_port_zero(void *to, size_t n)
{
	memset(to, 0, n);
}

/* Physical address of va by the selected page tables; false if it is not mapped to RAM. */
static bool translate(ULONG64 va, ULONG64 *pa_ret, MMPTE *entry_ret)
{
	unsigned level;

	if (va > 0x7fffffffffff && va < 0xffff800000000000)
		return false;
	MMPTE *e = MiFindPte(KdpRoot ? KdpRoot : READ_CR(3), va, &level);
	if (!e || !e->u.Hard.Valid)
		return false;
	ULONG64 span = PAGE_SIZE << 9 * level;
	ULONG64 pa = (e->u.Long & 0x000ffffffffff000ull & ~(span - 1)) | (va & (span - 1));
	if (pa >= MmPhysicalMemoryTop)
		return false;
	*pa_ret = pa;
	*entry_ret = *e;
	return true;
}

static size_t copy_virtual(uint64_t va, void *buffer, size_t n, bool write)
{
	size_t done = 0;

	while (done < n) {
		ULONG64 pa;
		MMPTE e;
		if (!translate(va + done, &pa, &e))
			break;
		size_t part = PAGE_SIZE - (pa & (PAGE_SIZE - 1));
		if (part > n - done)
			part = n - done;
		if (write)
			memcpy(MiPhysical(pa), (char *)buffer + done, part);
		else
			memcpy((char *)buffer + done, MiPhysical(pa), part);
		done += part;
	}
	return done;
}

size_t kd_port_read_virtual(uint64_t va, void *to, size_t n)
{
	return copy_virtual(va, to, n, false);
}

size_t kd_port_write_virtual(uint64_t va, const void *from, size_t n)
{
	return copy_virtual(va, (void *)from, n, true);
}

static size_t physical_part(uint64_t pa, size_t n)
{
	if (pa >= MmPhysicalMemoryTop)
		return 0;
	return n < MmPhysicalMemoryTop - pa ? n : MmPhysicalMemoryTop - pa;
}

size_t kd_port_read_physical(uint64_t pa, void *to, size_t n, unsigned caching)
{
	(void)caching;
	n = physical_part(pa, n);
	memcpy(to, MiPhysical(pa), n);
	return n;
}

size_t kd_port_write_physical(uint64_t pa, const void *from, size_t n, unsigned caching)
{
	(void)caching;
	n = physical_part(pa, n);
	memcpy(MiPhysical(pa), from, n);
	return n;
}

uint64_t kd_port_user_end(void)
{
	return MM_HIGHEST_USER_ADDRESS + 1;
}

uint64_t kd_port_process(void)
{
	return KdpLock == KDP_STOP && KdpRoot ? KdpRoot : READ_CR(3);
}

bool kd_port_query(uint64_t va, kd_space *space_ret, unsigned *flags_ret)
{
	ULONG64 pa;
	MMPTE e;

	if (!translate(va, &pa, &e))
		return false;
	*space_ret = va <= MM_HIGHEST_USER_ADDRESS ? KD_SPACE_PROCESS : KD_SPACE_KERNEL;
	*flags_ret = KD_MEM_READ | (e.u.Hard.Dirty1 || e.u.Hard.CopyOnWrite ? KD_MEM_WRITE : 0) |
		     (e.u.Hard.NoExecute ? 0 : KD_MEM_EXECUTE) |
		     (va > MM_HIGHEST_USER_ADDRESS ? KD_MEM_FIXED : 0);
	return true;
}

bool kd_port_page_in(uint64_t va)
{
	return MmDebugPageIn(va);
}

/* ---- ports, registers, buses ---- */

/*
 * The transmit FIFO takes 16 bytes each time it is found empty: one look at the status for all. A
 * debugger that is slow to read (its socket holds only some 300 of the single bytes that QEMU
 * writes) is waited for; one that reads nothing for seconds is not, until it reads again.
 */
enum { PATIENT_POLLS = 8000000, STUCK_POLLS = 2000 };

void kd_port_putc(uint8_t byte)
{
	static ULONG room;
	static bool stuck;

	if (!room) {
		ULONG left = stuck ? STUCK_POLLS : PATIENT_POLLS;
		while (!(KiInByte(COM1 + 5) & 0x20) && --left)
			__asm__ volatile("pause");
		stuck = !left;
		room = 16;
	}
	room--;
	KiOutByte(COM1, byte);
}

/*
 * "uartloop" on the loader's command line: packets of the stub's size through the port for ever,
 * with nobody answering. This is what the line itself carries; bench/kd measures memory reads
 * against it.
 */
void KdPushPackets(void)
{
	enum { PACKET = 16 + 4000 + 1 };

	for (;;)
		for (int i = 0; i < PACKET; i++)
			kd_port_putc((uint8_t)(i < 4 ? 0x30 : i == PACKET - 1 ? 0xaa : i));
}

/*
 * What was in the receiver, for the calls to come. Each read of the port takes QEMU's one lock, and
 * makes its main loop look for more to hand over, for which that needs the same lock. So everything
 * is read that is there, and then the port is left alone for as long as such a turn takes. After a
 * while the processor halts: a debugger that takes so long is a person's.
 */
enum { RECEIVED = 32, BETWEEN_LOOKS_US = 15, BUSY_US = 300 };

static UCHAR KdpReceived[RECEIVED];
static ULONG KdpReceivedCount, KdpReceivedNext;

static bool look(void)
{
	KdpReceivedCount = KdpReceivedNext = 0;
	while (KdpReceivedCount < RECEIVED && KiInByte(COM1 + 5) & 1)
		KdpReceived[KdpReceivedCount++] = KiInByte(COM1);
	return KdpReceivedCount;
}

static bool look_busily(ULONG64 until)
{
	for (ULONG64 now = KiReadTsc(); now < until;) {
		ULONG64 next = now + BETWEEN_LOOKS_US * KdpTscPerUs;
		while ((now = KiReadTsc()) < next)
			;
		if (look())
			return true;
	}
	return false;
}

/*
 * The port's interrupt or the clock, both turned to VECTOR_WAKE, end each halt. A byte that comes
 * between look and halt raises its interrupt, which waits: interrupts are off until the halt.
 */
static bool look_sleepily(ULONG64 until)
{
	bool found;

	HalBorrowClock(&KdpClock, VECTOR_WAKE);
	HalRouteSerial(KeGetCurrentPrcb()->InitialApicId, VECTOR_WAKE);
	KiOutByte(COM1 + 1, 1);
	while (!(found = look()) && KiReadTsc() < until)
		sleep_until_woken();
	KiOutByte(COM1 + 1, 0);
	HalBorrowClock(&KdpClock, 0);
	return found;
}

int kd_port_getc(uint32_t wait_us)
{
	if (KdpReceivedNext == KdpReceivedCount && !look()) {
		ULONG64 begin = KiReadTsc(), end = begin + wait_us * KdpTscPerUs,
			busy = begin + BUSY_US * KdpTscPerUs;
		if (!look_busily(end < busy ? end : busy) && (end <= busy || !look_sleepily(end)))
			return -1;
	}
	return KdpReceived[KdpReceivedNext++];
}

uint32_t kd_port_io_read(uint16_t port, unsigned size)
{
	uint32_t v = 0;

	if (size == 1)
		return KiInByte(port);
	if (size == 2)
		__asm__ volatile("inw %1, %w0" : "+a"(v) : "Nd"(port));
	else
		__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

void kd_port_io_write(uint16_t port, unsigned size, uint32_t value)
{
	if (size == 1)
		KiOutByte(port, (UCHAR)value);
	else if (size == 2)
		__asm__ volatile("outw %w0, %1" : : "a"(value), "Nd"(port));
	else
		__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

bool kd_port_msr_read(uint32_t msr, uint64_t *ret)
{
	return KiTryReadMsr(msr, ret);
}

bool kd_port_msr_write(uint32_t msr, uint64_t value)
{
	return KiTryWriteMsr(msr, value);
}

static uint16_t config_select(unsigned bus, unsigned slot, unsigned at)
{
	kd_port_io_write(0xcf8, 4,
		0x80000000u | bus << 16 | (slot & 31) << 11 | (slot >> 5 & 7) << 8 | (at & 0xfc));
	return (uint16_t)(0xcfc + (at & 3));
}

static size_t bus_length(unsigned type, unsigned bus, unsigned slot, unsigned offset, size_t n)
{
	if (type != 4 || bus > 255 || offset >= 256 ||
		kd_port_io_read(config_select(bus, slot, 0), 2) == 0xffff)
		return 0;
	return n < 256 - offset ? n : 256 - offset;
}

size_t kd_port_bus_read(
	unsigned type, unsigned bus, unsigned slot, unsigned offset, void *to, size_t n)
{
	n = bus_length(type, bus, slot, offset, n);
	for (size_t i = 0; i < n; i++)
		((uint8_t *)to)[i] = KiInByte(config_select(bus, slot, offset + (unsigned)i));
	return n;
}

size_t kd_port_bus_write(
	unsigned type, unsigned bus, unsigned slot, unsigned offset, const void *from, size_t n)
{
	n = bus_length(type, bus, slot, offset, n);
	for (size_t i = 0; i < n; i++)
		KiOutByte(
			config_select(bus, slot, offset + (unsigned)i), ((const uint8_t *)from)[i]);
	return n;
}

/* ---- the kernel as a whole ---- */

void kd_port_version(DBGKD_GET_VERSION64 *ret)
{
	ret->MinorVersion = GUEST_BUILD;
	ret->Flags |= DBGKD_VERS_FLAG_MP; /* also while the others have not started */
	ret->KernBase = KeLoaderBlock->Images[0].Base;
	ret->PsLoadedModuleList = (uint64_t)&PsLoadedModuleList;
	ret->DebuggerDataList = (uint64_t)&KdpDebuggerDataListHead;
}

uint16_t kd_port_processor_level(void)
{
	return 6;
}

void kd_port_present(bool present)
{
	KdDebuggerNotPresent = !present;
	SharedUserData->KdDebuggerEnabled = present ? 3 : 1;
}

void kd_port_reboot(void)
{
	HalReturnToFirmware();
}

void kd_port_bug_check(uint32_t code)
{
	KeBugCheckEx(code, 0, 0, 0, 0);
}

/* ---- calls into the stub ---- */

/* A counted string of the caller, which may be a user: at most cap bytes, what can be read. */
static size_t take_string(ULONG64 va, char *to, size_t cap)
{
	STRING s;

	KdpRoot = READ_CR(3);
	if (kd_port_read_virtual(va, &s, sizeof s) != sizeof s)
		return 0;
	return kd_port_read_virtual((ULONG64)s.Buffer, to, s.Length < cap ? s.Length : cap);
}

static void remember_print(const char *text, size_t n)
{
	static KSPIN_LOCK lock;

	KiSpin(&lock);
	for (size_t i = 0; i < n; i++) {
		*KdPrintWritePointer++ = text[i];
		if (KdPrintWritePointer == KdPrintCircularBuffer + KdPrintBufferSize) {
			KdPrintWritePointer = KdPrintCircularBuffer;
			KdPrintRolloverCount++;
		}
	}
	KiUnspin(&lock);
}

static void debug_service(const ULONG_PTR *a, CONTEXT *c)
{
	char text[512], more[512];
	KD_SYMBOLS_INFO info;
	size_t n;

	c->Rip++; /* past the int 3 behind int 2d */
	c->Rax = STATUS_SUCCESS;
	KdpRoot = READ_CR(3);
	switch (a[0]) {
	case BREAKPOINT_PRINT:
		n = kd_port_read_virtual(a[1], text, a[2] < sizeof text ? a[2] : sizeof text);
		remember_print(text, n);
		if (kd_print(text, n))
			c->Rax = (ULONG)STATUS_BREAKPOINT;
		break;
	case BREAKPOINT_PROMPT:
		n = kd_port_read_virtual(a[1], text, a[2] < sizeof text ? a[2] : sizeof text);
		n = kd_prompt(text, n, more, a[4] < sizeof more ? a[4] : sizeof more);
		c->Rax = kd_port_write_virtual(a[3], more, n);
		break;
	case BREAKPOINT_LOAD_SYMBOLS:
	case BREAKPOINT_UNLOAD_SYMBOLS:
		n = a[1] ? take_string(a[1], text, sizeof text) : 0;
		if (kd_port_read_virtual(a[2], &info, sizeof info) == sizeof info)
			kd_report_load_symbols(text, n, (ULONG64)info.BaseOfDll, info.SizeOfImage,
				info.CheckSum, (ULONG64)info.ProcessId,
				a[0] == BREAKPOINT_UNLOAD_SYMBOLS, c);
		break;
	case BREAKPOINT_COMMAND_STRING:
		n = take_string(a[1], text, sizeof text);
		kd_command_string(text, n, more, take_string(a[2], more, sizeof more), c);
		break;
	}
}

/*
 * First chance: breakpoints, steps and assertions are the debugger's own business; other exceptions
 * only if NtGlobalFlag asks for it (FLG_STOP_ON_EXCEPTION, bit 0). Second chance: everything.
 */
bool KdTrap(
	KTRAP_FRAME *tf, KEXCEPTION_FRAME *ef, EXCEPTION_RECORD *er, CONTEXT *c, bool second_chance)
{
	(void)tf, (void)ef;
	if (!KdDebuggerEnabled)
		return false;
	if (er->ExceptionCode == STATUS_BREAKPOINT && er->NumberParameters &&
		er->ExceptionInformation[0] != BREAKPOINT_BREAK) {
		bool enable = KiDisableInterrupts();
		ULONG_PTR arguments[5];
		memcpy(arguments, er->ExceptionInformation, sizeof arguments);
		debug_service(arguments, c);
		KiRestoreInterrupts(enable);
		return true;
	}
	if (!second_chance && er->ExceptionCode != STATUS_BREAKPOINT &&
		er->ExceptionCode != STATUS_SINGLE_STEP &&
		er->ExceptionCode != STATUS_ASSERTION_FAILURE && !(NtGlobalFlag & 1))
		return false;
	bool enable = KiDisableInterrupts();
	ULONG number = KeGetCurrentPrcb()->Number;
	ULONG64 rip = c->Rip;
	KdpTrapContext[number] = c;
	bool handled = kd_enter_exception((EXCEPTION_RECORD64 *)er, c, second_chance);
	KdpTrapContext[number] = NULL;
	if (handled && er->ExceptionCode == STATUS_ASSERTION_FAILURE && c->Rip == rip)
		c->Rip += 2; /* ignored: past the int 2c, unless the debugger has moved it */
	KiRestoreInterrupts(enable);
	return handled;
}

/*
 * In turn, so that a break finds now one processor, now another. The port belongs to whoever holds
 * the lock: one that was frozen between its status and its byte would take a byte of the stop's.
 */
void KdCheckForDebugBreak(void)
{
	ULONG64 tick = SharedUserData->TickCount.LowPart;
	ULONG self = KeGetCurrentPrcb()->Number;

	if (!KdDebuggerEnabled || tick % KeNumberProcessors != self || !change_lock(0, self + 1))
		return;
	bool found = kd_poll_break_in();
	change_lock(self + 1, 0); /* a stop in between took it over, and gave it back */
	if (found)
		DbgBreakPointWithStatus(DBG_STATUS_CONTROL_C);
}

static void fill_data_block(void)
{
	KDDEBUGGER_DATA64 *d = &KdDebuggerDataBlock;

	d->Header.OwnerTag = KDBG_TAG;
	d->Header.Size = sizeof *d;
	d->KernBase = KeLoaderBlock->Images[0].Base;
	d->BreakpointWithStatus = (uint64_t)RtlpBreakWithStatusInstruction;
	d->PsLoadedModuleList = (uint64_t)&PsLoadedModuleList;
	d->PsActiveProcessHead = (uint64_t)&PsActiveProcessHead;
	extern ULONG KeTimeIncrement;
	d->KeTimeIncrement = (uint64_t)&KeTimeIncrement;
	d->KiBugcheckData = (uint64_t)KiBugCheckData;
	d->MmPfnDatabase = (uint64_t)&MmPfnDatabase;
	d->MmLowestPhysicalPage = (uint64_t)&MmLowestPhysicalPage;
	d->MmHighestPhysicalPage = (uint64_t)&MmHighestPhysicalPage;
	d->MmNumberOfPhysicalPages = (uint64_t)&MmNumberOfPhysicalPages;
	d->MmAvailablePages = (uint64_t)&MmAvailablePages;
	d->MmPageSize = PAGE_SIZE;
	d->MmHighestUserAddress = (uint64_t)&MmHighestUserAddress;
	d->MmSystemRangeStart = (uint64_t)&MmSystemRangeStart;
	d->MmUserProbeAddress = (uint64_t)&MmUserProbeAddress;
	d->KdPrintCircularBuffer = (uint64_t)KdPrintDefaultCircularBuffer;
	d->KdPrintCircularBufferEnd =
		d->KdPrintCircularBuffer + sizeof KdPrintDefaultCircularBuffer;
	d->KdPrintWritePointer = (uint64_t)&KdPrintWritePointer;
	d->KdPrintRolloverCount = (uint64_t)&KdPrintRolloverCount;
	d->KdPrintCircularBufferPtr = (uint64_t)&KdPrintCircularBuffer;
	d->KdPrintBufferSize = (uint64_t)&KdPrintBufferSize;
	d->NtBuildLab = (uint64_t)NtBuildLab;
	d->KiProcessorBlock = (uint64_t)KiProcessorBlock;
	d->KeLoaderBlock = (uint64_t)&KeLoaderBlock;
	d->PteBase = MmPteBase;
	d->OffsetKThreadNextProcessor = offsetof(KTHREAD, NextProcessor);
	d->OffsetKThreadTeb = offsetof(KTHREAD, Teb);
	d->OffsetKThreadKernelStack = offsetof(KTHREAD, KernelStack);
	d->OffsetKThreadInitialStack = offsetof(KTHREAD, InitialStack);
	d->OffsetKThreadApcProcess = offsetof(KTHREAD, ApcState) + offsetof(KAPC_STATE, Process);
	d->OffsetKThreadState = offsetof(KTHREAD, State);
	d->OffsetKThreadStackLimit = offsetof(KTHREAD, StackLimit);
	d->OffsetKThreadStackBase = offsetof(KTHREAD, StackBase);
	d->OffsetKThreadWaitReason = offsetof(KTHREAD, WaitReason);
	d->OffsetEThreadIrpList = offsetof(ETHREAD, IrpList);
	d->SizeEThread = sizeof(ETHREAD);
	d->SizeEProcess = sizeof(EPROCESS);
	d->OffsetEprocessPeb = offsetof(EPROCESS, Peb);
	d->OffsetEprocessParentCID = offsetof(EPROCESS, InheritedFromUniqueProcessId);
	d->OffsetEprocessDirectoryTableBase =
		offsetof(EPROCESS, Pcb) + offsetof(KPROCESS, DirectoryTableBase);
	d->SizePrcb = sizeof(KPRCB);
	d->OffsetPrcbCurrentThread = offsetof(KPRCB, CurrentThread);
	d->OffsetPrcbIdleThread = offsetof(KPRCB, IdleThread);
	d->OffsetPrcbMhz = offsetof(KPRCB, MHz);
	d->OffsetPrcbCpuType = offsetof(KPRCB, CpuType);
	d->OffsetPrcbVendorString = offsetof(KPRCB, VendorString);
	d->OffsetPrcbProcStateContext =
		offsetof(KPRCB, ProcessorState) + offsetof(KPROCESSOR_STATE, ContextFrame);
	d->OffsetPrcbProcStateSpecialReg =
		offsetof(KPRCB, ProcessorState) + offsetof(KPROCESSOR_STATE, SpecialRegisters);
	d->OffsetPrcbNumber = offsetof(KPRCB, Number);
	d->OffsetPrcbContext = offsetof(KPRCB, Context);
	d->SizePcr = sizeof(KPCR);
	d->OffsetPcrSelfPcr = offsetof(KPCR, Self);
	d->OffsetPcrCurrentPrcb = offsetof(KPCR, CurrentPrcb);
	d->OffsetPcrContainedPrcb = offsetof(KPCR, Prcb);
	d->GdtR0Code = KGDT64_R0_CODE;
	d->GdtR0Data = KGDT64_R0_DATA;
	d->GdtR3Code = KGDT64_R3_CODE | RPL_MASK;
	d->GdtR3Data = KGDT64_R3_DATA | RPL_MASK;
	d->GdtR3Teb = KGDT64_R3_CMTEB | RPL_MASK;
	d->GdtTss = KGDT64_SYS_TSS;
	d->Gdt64R3CmCode = KGDT64_R3_CMCODE | RPL_MASK;
	d->Gdt64R3CmTeb = KGDT64_R3_CMTEB | RPL_MASK;
}

/* The quickest of some tries: the host may take the processor away in one. */
static void measure_tsc(void)
{
	enum { TRIES = 4, EACH_US = 500 };

	KdpTscPerUs = ~0ull;
	for (int i = 0; i < TRIES; i++) {
		ULONG64 begin = KiReadTsc();
		KeStallExecutionProcessor(EACH_US);
		ULONG64 rate = (KiReadTsc() - begin) / EACH_US;
		KdpTscPerUs = rate < KdpTscPerUs ? rate : KdpTscPerUs;
	}
}

void KdInitSystem(void)
{
	fill_data_block();
	InitializeListHead(&KdpDebuggerDataListHead);
	InsertTailList(&KdpDebuggerDataListHead, (LIST_ENTRY *)&KdDebuggerDataBlock.Header.List);
	KdVersionBlock.Flags = DBGKD_VERS_FLAG_DATA | DBGKD_VERS_FLAG_PTR64;
	KdVersionBlock.MajorVersion = 0xf; /* a free build */
	KdVersionBlock.MachineType = 0x8664;
	KdVersionBlock.ProtocolVersion = 6;
	KdVersionBlock.KdSecondaryVersion = 2;
	kd_port_version(&KdVersionBlock);
	measure_tsc();
	KiOutByte(COM1 + 1, 0);	   /* no interrupts */
	KiOutByte(COM1 + 3, 0x80); /* divisor 1: 115200 */
	KiOutByte(COM1 + 0, 1);
	KiOutByte(COM1 + 1, 0);
	KiOutByte(COM1 + 3, 3); /* 8 data bits, no parity */
	/* FIFO on, what is in it stays: the debugger may have spoken already. Trigger level 14:
	 * QEMU hands over as many bytes at once as the level says, and each hand-over is a turn of
	 * its main loop. */
	KiOutByte(COM1 + 2, 0xc1);
	KiOutByte(COM1 + 4, 0xb); /* DTR, RTS, interrupts */
	kd_init();
}
