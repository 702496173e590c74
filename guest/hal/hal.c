/*
 * hal.dll: the interrupt controller, the timers, the console port and the reset button of QEMU's
 * PC. It is a module of its own because NT's is: a debugger sees calls cross from nt to hal and
 * back.
 *
 * Uses the local APIC in xAPIC mode (Intel SDM 3A, chapter 11). Knows nothing of the kernel.
 */
#include "../inc/ke.h"

enum {
	APIC_ID = 0x20,
	APIC_TPR = 0x80,
	APIC_EOI = 0xb0,
	APIC_SPURIOUS = 0xf0,
	APIC_IN_SERVICE = 0x100, /* eight registers of 32 vectors, 16 bytes apart */
	APIC_ICR_LOW = 0x300,
	APIC_ICR_HIGH = 0x310,
	APIC_LVT_TIMER = 0x320,
	APIC_LVT_LINT0 = 0x350,
	APIC_TIMER_INITIAL = 0x380,
	APIC_TIMER_CURRENT = 0x390,
	APIC_TIMER_DIVIDE = 0x3e0
};
enum {
	ICR_FIXED = 0,
	ICR_NMI = 0x400,
	ICR_INIT = 0x500,
	ICR_STARTUP = 0x600,
	ICR_ASSERT = 0x4000,
	ICR_PENDING = 0x1000
};
enum { APIC_TIMER_PER_US = 62 }; /* QEMU and KVM run it at 1 GHz; divided by 16 */
enum { LVT_MASKED = 0x10000, LVT_PERIODIC = 0x20000, ICR_SELF = 0x40000 };

static ULONG64 HalpApic, HalpIoApic;

static void apic_write(ULONG reg, ULONG v)
{
	*(volatile ULONG *)(HalpApic + reg) = v;
}

static ULONG apic_read(ULONG reg)
{
	return *(volatile ULONG *)(HalpApic + reg);
}

void HalDisplayString(const char *s)
{
	for (; *s; s++)
		KiOutByte(0xe9, *s);
}

void HalInitSystem(ULONG64 apic_va, ULONG64 io_apic_va)
{
	HalpApic = apic_va;
	HalpIoApic = io_apic_va;
	KiOutByte(0x21, 0xff); /* the old interrupt controllers stay silent */
	KiOutByte(0xa1, 0xff);
}

void HalInitializeProcessor(void)
{
	apic_write(APIC_SPURIOUS, 0x100 | VECTOR_SPURIOUS);
	apic_write(APIC_LVT_LINT0, LVT_MASKED);
}

void HalStartClock(ULONG vector, ULONG microseconds)
{
	apic_write(APIC_TIMER_DIVIDE, 3); /* by 16 */
	apic_write(APIC_LVT_TIMER, vector | LVT_PERIODIC);
	apic_write(APIC_TIMER_INITIAL, microseconds * APIC_TIMER_PER_US);
}

/* Silences this processor's clock. Its count goes on, so that later ticks come when they would
 * have. */
void HalRestClock(HAL_CLOCK *ret)
{
	ret->Entry = apic_read(APIC_LVT_TIMER);
	ret->Left = apic_read(APIC_TIMER_CURRENT);
	apic_write(APIC_LVT_TIMER, ret->Entry | LVT_MASKED);
}

/* Meanwhile its ticks may come to another vector. */
void HalBorrowClock(const HAL_CLOCK *c, ULONG vector)
{
	apic_write(APIC_LVT_TIMER, vector ? vector | LVT_PERIODIC : c->Entry | LVT_MASKED);
}

/*
 * As it was. More is left of the count than before: a tick fell into the rest and is made up for,
 * or a kernel that stops often and shortly would have no time at all. By the form that names no
 * processor: the code that was interrupted may be about to send, and has named one.
 */
void HalResumeClock(const HAL_CLOCK *c)
{
	if (!(c->Entry & LVT_MASKED) && apic_read(APIC_TIMER_CURRENT) > c->Left)
		apic_write(APIC_ICR_LOW, ICR_SELF | ICR_ASSERT | (c->Entry & 0xff));
	apic_write(APIC_LVT_TIMER, c->Entry);
}

/* COM1's interrupt (ISA 4, edge-triggered) to a processor: redirection register 4 of the I/O APIC.
 */
void HalRouteSerial(ULONG apic_id, ULONG vector)
{
	volatile ULONG *select = (ULONG *)HalpIoApic, *window = (ULONG *)(HalpIoApic + 0x10);

	*select = 0x10 + 2 * 4 + 1;
	*window = apic_id << 24;
	*select = 0x10 + 2 * 4;
	*window = vector;
}

void HalEndOfInterrupt(void)
{
	apic_write(APIC_EOI, 0);
}

/* Whether a handler of that vector has begun on this processor and not ended: nothing of its
 * priority comes. */
bool HalInService(ULONG vector)
{
	return apic_read(APIC_IN_SERVICE + vector / 32 * 16) >> vector % 32 & 1;
}

static void command(ULONG apic_id, ULONG low)
{
	bool enable = KiDisableInterrupts();

	while (apic_read(APIC_ICR_LOW) & ICR_PENDING)
		__asm__ volatile("pause");
	apic_write(APIC_ICR_HIGH, apic_id << 24);
	apic_write(APIC_ICR_LOW, low);
	KiRestoreInterrupts(enable);
}

void HalRequestIpi(ULONG apic_id, ULONG vector)
{
	command(apic_id, ICR_FIXED | ICR_ASSERT | vector);
}

void HalSendNmi(ULONG apic_id)
{
	command(apic_id, ICR_NMI | ICR_ASSERT);
}

void HalStartProcessor(ULONG apic_id, ULONG page)
{
	command(apic_id, ICR_INIT | ICR_ASSERT);
	KeStallExecutionProcessor(2000);
	command(apic_id, ICR_STARTUP | ICR_ASSERT | page);
}

/* QEMU's fw_cfg device, key 5: number of processors. */
ULONG HalProcessorCount(void)
{
	ULONG n = 0;

	__asm__ volatile("outw %0, %1" : : "a"((USHORT)5), "Nd"((USHORT)0x510));
	n = KiInByte(0x511);
	n |= KiInByte(0x511) << 8;
	return n ? n : 1;
}

/* By counter 2 of the interval timer (1.193182 MHz), in steps of at most 50 ms. */
void KeStallExecutionProcessor(ULONG microseconds)
{
	while (microseconds) {
		ULONG us = microseconds > 50000 ? 50000 : microseconds;
		ULONG count = us * 1193 / 1000 + 1;
		bool enable = KiDisableInterrupts();
		KiOutByte(0x61, (KiInByte(0x61) & ~2) | 1);
		KiOutByte(0x43, 0xb0); /* counter 2, mode 0 */
		KiOutByte(0x42, (UCHAR)count);
		KiOutByte(0x42, (UCHAR)(count >> 8));
		while (!(KiInByte(0x61) & 0x20))
			__asm__ volatile("pause");
		KiRestoreInterrupts(enable);
		microseconds -= us;
	}
}

/* Keyboard controller first, then a triple fault. */
void HalReturnToFirmware(void)
{
	static const struct {
		USHORT limit;
		ULONG64 base;
	} __attribute__((packed)) none = {0, 0};

	for (int i = 0; i < 1000 && KiInByte(0x64) & 2; i++)
		KeStallExecutionProcessor(50);
	KiOutByte(0x64, 0xfe);
	KeStallExecutionProcessor(50000);
	__asm__ volatile("lidt %0; int3" : : "m"(none));
	for (;;)
		__asm__ volatile("hlt");
}

BOOL DllMain(void)
{
	return TRUE;
}
