/*
 * kdbreak: the kernel's table of 32 software breakpoints, and the bytes that it owes.
 *
 * Refuses to know packets. An entry is an address and, below the end of user space, the process
 * whose address it is.
 *
 *   FREE -- add --> PLANTED <---- page appears ---- OWED (page absent: byte not yet written)
 *                     |                               |
 *                  remove                          remove
 *                     |`--- page absent: STALE        |
 *                     v         | page appears        v
 *                    FREE <-----' byte put back     FREE
 *
 * Invariants: `original` is meaningful in PLANTED and STALE only; a handle is the index plus one;
 * `used` counts the entries that are not FREE.
 */
#include "kdstub.h"

enum { INT3 = 0xCC, PAGE = 4096 };

typedef enum state { FREE, PLANTED, OWED, STALE } state;

typedef struct entry {
	uint64_t va;
	uint64_t process; /* 0: kernel space */
	uint8_t state;
	uint8_t original;
} entry;

static entry table[KD_BREAKPOINTS];
static unsigned used;

void kd_break_init(void)
{
	kd_port_zero(table, sizeof(table));
	used = 0;
}

static uint64_t process_of(uint64_t va)
{
	return va < kd_port_user_end() ? kd_port_process() : 0;
}

/* Makes the entry's address space the one that copies see. */
static bool reach(const entry *e)
{
	bool other = e->process && e->process != kd_port_process();
	if (other)
		kd_port_attach(e->process);
	return other;
}

static void unreach(bool other)
{
	if (other)
		kd_port_attach(0);
}

static void plant(entry *e)
{
	static const uint8_t trap = INT3;
	bool other = reach(e);
	if (kd_port_read_virtual(e->va, &e->original, 1) == 1 &&
		kd_port_write_virtual(e->va, &trap, 1) == 1)
		e->state = PLANTED;
	else
		e->state = OWED;
	unreach(other);
}

/* Puts the byte back; what cannot be reached becomes STALE and is paid when the page appears. */
static void unplant(entry *e)
{
	bool other = reach(e);
	uint8_t now;
	if (kd_port_read_virtual(e->va, &now, 1) != 1)
		e->state = STALE;
	else if (now != INT3 || kd_port_write_virtual(e->va, &e->original, 1) == 1)
		e->state = FREE; /* a page read again from its file has lost our byte by itself */
	else
		e->state = STALE;
	unreach(other);
	if (e->state == FREE)
		used--;
}

static bool same_place(const entry *e, uint64_t va)
{
	/* The observed kernel looks at the address alone and so refuses a second process's
	 * breakpoint at a place that the first one uses. */
	return e->va == va && (!KD_VARIANT_B || e->process == process_of(va));
}

uint32_t kd_break_add(uint64_t va)
{
	entry *spare = NULL;
	for (entry *e = table; e < table + KD_BREAKPOINTS; e++) {
		if (e->state == FREE) {
			spare = spare ? spare : e;
		} else if (same_place(e, va)) {
			if (e->state != STALE || e->process != process_of(va))
				return 0;
			e->state = PLANTED; /* its byte is still out there */
			return (uint32_t)(e - table) + 1;
		}
	}
	if (!spare)
		return 0;
	spare->va = va;
	spare->process = process_of(va);
	used++;
	plant(spare);
	return (uint32_t)(spare - table) + 1;
}

bool kd_break_remove(uint32_t handle)
{
	if (handle < 1 || handle > KD_BREAKPOINTS)
		return false;
	entry *e = &table[handle - 1];
	if (e->state == FREE || e->state == STALE)
		return false;
	if (e->state == OWED) {
		e->state = FREE;
		used--;
	} else {
		unplant(e);
	}
	return true;
}

void kd_break_remove_all(void)
{
	for (uint32_t h = 1; h <= KD_BREAKPOINTS; h++)
		kd_break_remove(h);
}

bool kd_break_remove_range(uint64_t first, uint64_t last)
{
	bool any = false;
	for (uint32_t i = 0; i < KD_BREAKPOINTS; i++) {
		entry *e = &table[i];
		if (e->state == FREE || e->va < first || e->va > last)
			continue;
		/* The observed kernel's source looks at the address alone. */
		if (KD_VARIANT_B && e->process && e->process != kd_port_process())
			continue;
		any |= kd_break_remove(i + 1);
	}
	return any;
}

bool kd_owes(void)
{
	return __atomic_load_n(&used, __ATOMIC_RELAXED) != 0;
}

/* The entry's page is (or may be) there now: pays what is owed. */
static void settle(entry *e)
{
	uint8_t now;
	if (kd_port_read_virtual(e->va, &now, 1) != 1)
		return;
	if (e->state == STALE)
		unplant(e);
	else if (e->state == OWED || now != INT3)
		plant(e); /* also a PLANTED one whose page was thrown away and read again */
}

void kd_page_appeared(uint64_t va)
{
	if (!kd_owes())
		return;
	bool hit = false;
	for (const entry *e = table; e < table + KD_BREAKPOINTS && !hit; e++)
		hit = e->state != FREE &&
		      (!va || (e->va & -(uint64_t)PAGE) == (va & -(uint64_t)PAGE));
	if (!hit)
		return;
	kd_port_enter();
	uint64_t process = kd_port_process();
	for (entry *e = table; e < table + KD_BREAKPOINTS; e++)
		if (e->state != FREE && (!e->process || e->process == process) &&
			(!va || (e->va & -(uint64_t)PAGE) == (va & -(uint64_t)PAGE)))
			settle(e);
	kd_port_leave();
}

void kd_process_gone(uint64_t process)
{
	if (!kd_owes() || !process)
		return;
	kd_port_enter();
	for (entry *e = table; e < table + KD_BREAKPOINTS; e++) {
		if (e->state == FREE || e->process != process)
			continue;
		/* The page may be shared with processes that live on. */
		if (e->state == PLANTED)
			unplant(e);
		if (e->state != FREE) {
			e->state = FREE;
			used--;
		}
	}
	kd_port_leave();
}
