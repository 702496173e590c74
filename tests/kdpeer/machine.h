/*
 * machine: a toy computer for the debugger stub (guest/kd/) to live in on the host: RAM with real
 * page tables, some processors that run a few real x64 instructions, two processes, a paged-out
 * page, ports and MSRs. Deterministic: the same options give the same instructions in the same
 * order; only when the debugger breaks in depends on the clock.
 *
 * Refuses to know sockets (it asks `channel`) and the KD protocol (the stub is linked in).
 */
#ifndef KDPEER_MACHINE_H
#define KDPEER_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "channel.h"

enum { MACHINE_CPUS_MAX = 8 };

/* Times are in ticks: one tick is one round in which every processor runs its share of
 * instructions. */
typedef struct machine_options {
	unsigned processors;   /* 1..8 */
	uint32_t seed;	       /* where kernel and driver land */
	bool stopped;	       /* boot ends in a breakpoint */
	bool boot_log;	       /* plain text before the first packet */
	bool mid_packet;       /* a debugger died in the middle of a reply and of a request */
	bool mute;	       /* says nothing and hears nothing */
	unsigned instructions; /* per processor and tick */
	unsigned reboot_after; /* 0: never, likewise below */
	unsigned print_every;
	unsigned churn_every; /* loads and unloads churn.sys in turn */
	unsigned prompt_after;
	unsigned fault_after; /* second-chance access violation in user code */
	unsigned trace_every;
	unsigned cold_after; /* process 0 touches its paged-out page in this round of its loop */
	unsigned command_after;
	const char *command;
	const char *file; /* a driver whose replacement is asked for at boot */
} machine_options;

/* Well-known places; kernel and driver are shifted at each boot. */
#define MACHINE_USER_BASE 0x140000000ull /* both programs */
#define MACHINE_USER_CODE (MACHINE_USER_BASE + 0x1000)
#define MACHINE_USER_DATA (MACHINE_USER_BASE + 0x2000)
#define MACHINE_USER_COLD (MACHINE_USER_BASE + 0x8000)
#define MACHINE_SHARED	  0x7ff800000000ull /* "ntdll", one physical copy */

void machine_init(const machine_options *o, channel *c);
/* Boots and runs until *stop; reboots as the debugger or the options ask. */
void machine_run(const volatile int *stop);
/* For the epilogue: bytes of the toy images that differ from how they were built and are int 3. */
unsigned machine_int3_left(void);
void machine_print_state(void);

#endif
