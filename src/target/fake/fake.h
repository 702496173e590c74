/*
 * fake: a target made of bytes and a script, for tests.
 *
 *   fake *f = fake_create(NULL);
 *   fake_mem(f, as_current(), 0x140001000, code, sizeof code);
 *   fake_regs(f, 0)->rip = 0x140001000;              // and valid
 *   fake_script(f, &(tgt_event){.kind = TGT_EV_EXCEPTION, .code = 0x80000003, .pc = ...});
 *   tgt *t = fake_tgt(f);
 *   tgt_wait(t, ...)            -> the scripted event
 *   tgt_resume(t, ...)          -> fake_calls(f) says how
 *
 * With fake_execute(f, true) a resumed target runs instructions by x64_emulate until it meets a
 * planted trap (an exception event, with what the kernel would drop) or an instruction that is not
 * emulated; after `budget` instructions the next scripted event comes.
 *
 * Memory is readable by the page: fake_mem pads with zeros to both ends of the pages it touches.
 */
#ifndef RS_TARGET_FAKE_FAKE_H
#define RS_TARGET_FAKE_FAKE_H

#include "target/target.h"

typedef struct fake fake;

enum { FAKE_UNITS_MAX = 16, FAKE_FACTS = 8 };

typedef enum fake_call_kind {
	FAKE_RESUME,
	FAKE_READ,
	FAKE_WRITE,
	FAKE_TRAP_ADD,
	FAKE_TRAP_DEL,
	FAKE_REGS_GET,
	FAKE_REGS_SET,
	FAKE_ANSWER,
	FAKE_CTL,
	FAKE_INTERRUPT,
	FAKE_CLOSE
} fake_call_kind;

/* One call of the backend, in order. */
typedef struct fake_call {
	fake_call_kind kind;
	tgt_run run;   /* RESUME */
	as_t as;       /* READ, WRITE, TRAP_ADD */
	uint64_t addr; /* READ, WRITE, TRAP_ADD, TRAP_DEL (of the trap), CTL (arg) */
	uint64_t n;    /* READ, WRITE: bytes; REGS: sets; CTL: code; CLOSE: how */
	unit_t unit;   /* REGS */
	tgt_trap_kind trap;
	unsigned armed;	       /* RESUME: traps planted at this moment */
	uint64_t armed_at[32]; /* RESUME: where (the first 32) */
	char text[128];	       /* ANSWER */
} fake_call;

/* Freed by tgt_close. */
fake *fake_create(const tgt_host *host);
tgt *fake_tgt(fake *f);

/* Adds or overwrites bytes of a space (AS_CURRENT, AS_PHYS, AS_ROOT or AS_PROCESS). */
void fake_mem(fake *f, as_t as, uint64_t addr, const void *bytes, size_t n);
/* Makes the pages that hold [addr, addr + n) unreadable. */
void fake_unmap(fake *f, as_t as, uint64_t addr, uint64_t n);
/* What is there, planted bytes included; false if not mapped. */
bool fake_peek(fake *f, as_t as, uint64_t addr, void *bytes, size_t n);
/* AS_CURRENT is this space from now on (as after a process switch); default: a space of its own. */
void fake_current(fake *f, as_t as);
/* Registers of a unit, to be filled in place; units 0 to the highest asked exist. All sets valid.
 */
x64_regs *fake_regs(fake *f, unit_t u);
void fake_fact(fake *f, tgt_fact fact, unit_t u, uint64_t value); /* u only for per-unit facts */
void fake_version(fake *f, const tgt_version *v);
tgt_caps *fake_caps(fake *f); /* to be changed in place */
/* Appends an event. Its text, and n_units if 0, are taken care of. */
void fake_script(fake *f, const tgt_event *ev);
/* Runs code when resumed; budget: instructions a resume before the next scripted event, 0: 100,000.
 */
void fake_execute(fake *f, bool yes, unsigned budget);
/* What was called so far. */
const fake_call *fake_calls(const fake *f, size_t *n);
void fake_calls_clear(fake *f);
/* The i-th last RESUME (0: the last), NULL if there were fewer. */
const fake_call *fake_resumed(const fake *f, size_t i);

#endif
