/*
 * pt: what the files of the ptrace backend share. Refuses to know symbols, commands and anything
 * of the program but its memory, registers, signals and what its dynamic loader publishes.
 *
 *   ptrace.c     the table, life, lists of processes and threads
 *   pt_proc.c    create, attach, fork, vfork, exec, part
 *   pt_wait.c    waitpid, stops to events, the queue
 *   pt_run.c     resume, halt, freeze
 *   pt_regs.c    registers, debug registers
 *   pt_mem.c     /proc/PID/mem, masking, search
 *   pt_trap.c    planted bytes and debug registers
 *   pt_pass.c    running what is under a trap while the trap stays
 *   pt_inject.c  a system call in the target's name
 *   pt_service.c memory and files, as only the process itself can
 *   pt_loader.c  the dynamic loader's list -> LOAD and UNLOAD
 *   pt_watch.c   ends a blocking wait: timeouts and tgt_interrupt
 *   pt_guard.c   who cleans up when the debugger is killed
 *   pt_info.c    texts of /proc
 *   pt_denied.c  why somebody may not be traced, in words
 *
 * Words: a *space* is an address space (shared by a vfork child and its parent) with its *sites*:
 * addresses where a byte of ours is or was planted. A *trap* is what the caller added.
 *
 *   thread:  BORN --first stop--> STOPPED <--> RUNNING --EVENT_EXIT--> LEAVING --reaped--> gone
 *
 * Invariants
 * - Every ptrace call is made by one thread, the owner. Nobody else waits for its children.
 * - A thread in STOPPED is in t->stopped; it has reported everything or has `queued` events.
 * - pc_dirty: the kernel's rip is not the thread's (it stands behind an int3 of ours, or in a
 * copy); th->pc is. It is written before the thread runs or anybody else looks. regs_dirty: so with
 * all of th->regs, after steps that were emulated.
 * - No thread that is STOPPED has a pc inside of a copy.
 */
#ifndef RS_TARGET_PTRACE_PT_H
#define RS_TARGET_PTRACE_PT_H

#include "base/map.h"
#include "target/target.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/user.h>

enum {
	PT_SLOT = 32, /* bytes a copy takes: 15 of the instruction, 14 of the jump back */
	PT_PAGE = 4096,
	PT_SLOTS = PT_PAGE / PT_SLOT,
	PT_SCRATCH_MAX = 256, /* pages of copies a space */
	PT_SITES_MAX = 32768,
	PT_SITES_KEEP = 2048, /* from here on those without a byte are forgotten */
	PT_MODULES_MAX = 8192,
	PT_HARD = 4,
	PT_STOP_MS = 3000, /* how long halt waits for a thread that does not stop */
	PT_BREAK = 0xcc,
	PT_CODE_BREAK = (int)0x80000003u,
	PT_CODE_STEP = (int)0x80000004u
};

typedef struct pt pt;
typedef struct pt_proc pt_proc;
typedef struct pt_thread pt_thread;
typedef struct pt_guard pt_guard;

/* ---- sites ---- */

typedef enum pt_how {
	PT_HOW_UNKNOWN,
	PT_HOW_COPY, /* runs in its slot */
	PT_HOW_JUMP, /* nop, endbr64, jmp: the pc becomes `target` */
	PT_HOW_COND, /* jcc */
	PT_HOW_CALL, /* call to `target` */
	PT_HOW_RET,
	PT_HOW_EMULATE, /* by x64_emulate */
	PT_HOW_NOT
} pt_how;

typedef struct pt_site {
	uint64_t addr;
	uint32_t users; /* traps of the caller's */
	uint32_t inner; /* our own: loader, entry point */
	uint8_t orig;	/* valid while planted */
	bool planted;
	/* how to pass it; kept when the byte is taken out, checked when it comes back */
	pt_how how;
	bool check; /* the code may change: compare before each pass */
	uint8_t len, cc;
	uint8_t bytes[X64_INSN_MAX];
	uint64_t slot, target;
} pt_site;

typedef struct pt_scratch {
	uint64_t base;
	uint32_t used;
} pt_scratch;

typedef struct pt_space {
	unsigned refs;
	int mem; /* /proc/PID/mem */
	pid_t pid;
	VEC(pt_site *) sites; /* by address */
	map at;		      /* address -> site, those that are planted */
	VEC(pt_scratch *) scratch;
	VEC(uint64_t) free_slots; /* of sites that were forgotten */
	bool no_scratch;
	size_t n_planted;
} pt_space;

/* ---- threads ---- */

typedef enum pt_state { PT_BORN, PT_RUNNING, PT_STOPPED, PT_LEAVING } pt_state;

/* Why a thread stands in a stop whose signal the caller decides about. */
typedef enum pt_chance { PT_NO_SIGNAL, PT_FIRST, PT_SECOND } pt_chance;

struct pt_thread {
	pid_t tid;
	pt_proc *proc;
	pt_state state;
	size_t at_stopped; /* place in t->stopped */
	bool frozen;
	bool favoured;	 /* born while another thread ran alone: runs too */
	bool group_stop; /* job control stopped its process: LISTEN instead of CONT */
	bool new_thread; /* its first stop becomes a THREAD event */
	bool poked;	 /* an interrupt is on its way */
	bool stuck;	 /* does not stop: in an uninterruptible system call */
	bool step, was_step;
	unsigned by_hand; /* steps that may be emulated before the processor must do one */
	bool trapped;	  /* in the delivery stop of a SIGTRAP */
	bool unwaited;	  /* its stop was looked at, not taken: pt_take_stop */
	bool leaving;	  /* its exit was reported */
	bool in_vfork;
	bool in_call;	 /* in a stop inside of a system call, whose result overwrites rax */
	bool fix_si;	 /* the signal to deliver is not that of the stop it stands in */
	uint32_t queued; /* events of its in the queue */
	int sig;	 /* to deliver when it runs */
	int ev_sig;	 /* signal of the event that it reported */
	pt_chance chance;
	siginfo_t si; /* of that signal */
	bool has_si;
	uint64_t own_break; /* the program's own int3 that it stands on, 0 none */
	pt_site *pass;	    /* run this site's instruction when running next */
	pt_site *in;	    /* whose copy it was sent to */
	uint64_t pc;
	bool pc_known, pc_dirty, regs_known, regs_dirty;
	struct user_regs_struct regs;
	uint32_t exit_code;
	cpu_set_t cpus; /* before we pinned it */
	bool pinned;
};

/* ---- processes ---- */

typedef struct pt_module {
	uint64_t base, size;
	bool seen;
	char *path;
} pt_module;

typedef struct pt_hard {
	uint64_t handle; /* 0 free */
	uint64_t addr;
	uint32_t size;
	tgt_trap_kind kind;
} pt_hard;

typedef enum pt_phase {
	PT_LOADING, /* created: the initial break is still to come */
	PT_EXECED,  /* a new image is loading */
	PT_READY
} pt_phase;

struct pt_proc {
	pid_t pid;
	pid_t parent;
	uint64_t start; /* clock ticks, /proc/PID/stat */
	pt_space *space;
	VEC(pt_thread *) threads;
	bool created, look_only, gone;
	bool found_stopped; /* by job control, when we attached; the next go continues it */
	bool shadow; /* a vfork child that nobody follows: traced so that it survives our bytes */
	uint32_t exit_code;
	pt_phase phase;
	unsigned n_hard;
	pt_hard hard[PT_HARD];
	/* loader */
	uint64_t entry, phdr, phnum, interp, vdso;
	uint64_t base, size, bias, dynamic;
	uint64_t r_debug, r_brk;
	pt_site *entry_site, *brk_site;
	VEC(pt_module) modules;
	pt_guard *guard;
	bool terminal; /* it has our terminal */
};

typedef struct pt_trap {
	uint64_t handle;
	tgt_trap t;
	pid_t pid;
	pt_site *site; /* SOFT */
} pt_trap;

typedef struct pt_watch {
	pthread_t thread;
	bool running;
	int wake[2];	  /* pipe: the helper sleeps on it */
	atomic_int owner; /* tid of the waiter */
	atomic_bool waiting, quit, want_break;
	_Atomic uint64_t deadline;  /* ms; 0 none */
	_Atomic uint64_t next_look; /* when the helper looks by itself; 0: it sleeps */
} pt_watch;

struct pt {
	tgt t; /* must be first */
	map procs, threads;
	VEC(pt_proc *) proc_list;
	VEC(pt_thread *) stopped;
	VEC(tgt_event *) queue;
	VEC(pt_thread *) dead_threads; /* freed at the next wait: nobody holds them any more */
	VEC(pt_proc *) dead_procs;
	VEC(pid_t) leftover; /* did not stop in time when we let them go */
	map early;	     /* tid -> status + 1: stopped before its parent told of it */
	map traps;	     /* handle -> pt_trap */
	uint64_t next_handle;
	pid_t last;	/* thread that reported last */
	pid_t last_pid; /* its process */
	tgt_event_kind last_kind;
	pid_t alone;
	bool follow;
	unsigned n_handlers; /* attached processes with our handler for SIGTRAP */
	uint64_t silent;     /* signals that nobody wants to see: 1 << (number - 1) */
	pt_watch watch;
	bool had_process;
	bool found_stopped; /* some process is */
	/* sharing a processor with the program */
	unsigned storm;
	pid_t storm_tid; /* whose */
	bool pinned;
	pid_t pinned_tid;
	cpu_set_t our_cpus;
	uint32_t n_threads;
	int tty;
	pid_t tty_pgrp; /* who had the terminal before we gave it away; 0 not given */
	bool shown;	/* halted since the last launch */
};

static inline pt *pt_of(tgt *t)
{
	return (pt *)t;
}

/* ptrace.c */
pt_proc *pt_proc_find(pt *p, pid_t pid);
pt_thread *pt_thread_find(pt *p, pid_t tid);
pt_thread *pt_thread_add(pt *p, pt_proc *pr, pid_t tid);
void pt_thread_free(pt *p, pt_thread *th); /* at the next pt_bury */
void pt_bury(pt *p);
pt_proc *pt_proc_add(pt *p, pid_t pid);
/* The thread through which /proc shows the process: of a leader that has ended it shows nothing. */
pid_t pt_via(const pt_proc *pr);
void pt_proc_free(pt *p, pt_proc *pr);
void pt_set_stopped(pt *p, pt_thread *th);
void pt_set_running(pt *p, pt_thread *th, pt_state s);
pt_space *pt_space_create(pid_t pid);
void pt_space_unref(pt_space *s);
err pt_current(pt *p, as_t as, pt_proc **ret);

/* pt_proc.c */
err pt_create(tgt *t, const tgt_create *how, uint64_t *process_id, diag *d);
err pt_attach(tgt *t, uint64_t process_id, bool noninvasive, diag *d);
err pt_part(tgt *t, uint64_t process_id, tgt_leave how, diag *d);
void pt_born(pt *p, pt_thread *th, int event);
void pt_exec(pt *p, pt_thread *th);
void pt_terminal_back(pt *p);

/* pt_wait.c */
err pt_wait(tgt *t, int timeout_ms, tgt_event *ret, diag *d);
tgt_event *pt_event(pt *p, pt_thread *th, pt_proc *pr, tgt_event_kind kind);
/* Takes in a status of th. ret NULL (somebody halts): software hits are forgotten, everything else
 * goes to the queue. True: *ret is filled. */
bool pt_status(pt *p, pt_thread *th, int status, tgt_event *ret);
void pt_unknown_status(pt *p, pid_t tid, int status);
void pt_proc_ended(pt *p, pt_proc *pr, pid_t tid, uint32_t code);
/* An exception of th's, where it stands: in *ret, or with NULL in the queue. */
tgt_event *pt_break_event(pt *p, pt_thread *th, tgt_event *ret);
bool pt_step_event(pt *p, pt_thread *th, tgt_event *ret);
bool pt_signal_kills(const pt_thread *th, int sig);
bool pt_second_chance(pt *p, pt_thread *th);
bool pt_own_fault(const siginfo_t *si); /* raised by the instruction itself, sent by nobody */

/* pt_run.c */
err pt_resume(tgt *t, const tgt_run *how, diag *d);
err pt_halt(tgt *t, diag *d);
err pt_halt_proc(pt *p, pt_proc *only, diag *d);
bool pt_halt_thread(pt *p, pt_thread *th);
void pt_run(pt *p, pt_thread *th, bool step);
void pt_terminal_give(pt *p);
void pt_continue_found(pt *p);
bool pt_may_run(const pt *p, const pt_thread *th);
err pt_freeze(tgt *t, unit_t u, bool on, diag *d);
void pt_unpin(pt *p);
/*
 * The status that th, which was just let go, is about to have. False: it has none. The leader of a
 * process that is being killed tells of its end only when all others have told of theirs, and they
 * stand in their last stop until we let them go: to wait for it alone would be to wait for ever.
 */
bool pt_await(const pt_thread *th, int *status);
/* Takes a stop that was only looked at: without us the thread goes on without its signal then. */
void pt_take_stop(pt_thread *th);
/* Out of a stop inside of a system call to the way out of it; nothing is executed. */
void pt_leave_call(pt *p, pt_thread *th);
/* One instruction by hand, nobody else is affected. False: the thread is gone. */
bool pt_step_once(pt *p, pt_thread *th);

/* pt_step.c */
/* th has come to the stop of a step. */
void pt_stepped(pt_thread *th);
/* Does a step of th, which stands before *in (NULL: not known), without running it; its event is in
 * the queue then. False: it must run. */
bool pt_step_by_hand(pt *p, pt_thread *th, const x64_insn *in);

/* pt_regs.c */
err pt_regs_get(tgt *t, unit_t u, unsigned sets, x64_regs *r, diag *d);
err pt_regs_set(tgt *t, unit_t u, unsigned sets, const x64_regs *r, diag *d);
err pt_reg_get(tgt *t, unit_t u, const x64_reg *reg, uint64_t *ret, diag *d);
bool pt_regs_fetch(pt_thread *th);
bool pt_regs_store(pt_thread *th);
/* The integer and control sets are these from now on; written by pt_regs_flush. */
void pt_regs_later(pt_thread *th, const x64_regs *r);
/* What the thread's registers are here, they are in the kernel too. */
bool pt_regs_flush(pt_thread *th);
bool pt_pc(pt_thread *th, uint64_t *ret);
void pt_pc_set(pt_thread *th, uint64_t pc);
bool pt_peek(pt_thread *th, size_t offset, uint64_t *ret);
bool pt_poke(pt_thread *th, size_t offset, uint64_t v);
bool pt_dr_get(pt_thread *th, unsigned i, uint64_t *ret);
bool pt_dr_set(pt_thread *th, unsigned i, uint64_t v);

/* pt_mem.c */
err pt_read(tgt *t, as_t as, uint64_t addr, void *b, size_t n, size_t *n_ret);
err pt_write(tgt *t, as_t as, uint64_t addr, const void *b, size_t n, size_t *n_ret);
err pt_search(tgt *t, as_t as, uint64_t addr, uint64_t n, const void *pattern, size_t plen,
	uint64_t *ret, diag *d);
/* Straight to the space: what is really there. */
size_t pt_raw_read(pt_space *s, uint64_t addr, void *b, size_t n);
size_t pt_raw_write(pt_space *s, uint64_t addr, const void *b, size_t n);
/* Masked; all or nothing. */
bool pt_mem_get(pt_space *s, uint64_t addr, void *b, size_t n);
bool pt_mem_put(pt_space *s, uint64_t addr, const void *b, size_t n);
bool pt_mem_u64(pt_space *s, uint64_t addr, uint64_t *ret);
/* Text up to a NUL, at most cap - 1 characters. */
bool pt_mem_text(pt_space *s, uint64_t addr, char *b, size_t cap);

/* pt_trap.c */
err pt_trap_add(tgt *t, const tgt_trap *trap, uint64_t *handle_ret, diag *d);
err pt_trap_del(tgt *t, uint64_t handle, diag *d);
pt_site *pt_site_at(pt_space *s, uint64_t addr);	/* planted ones */
size_t pt_site_lower(const pt_space *s, uint64_t addr); /* index of the first at or behind */
err pt_site_inner(pt *p, pt_proc *pr, uint64_t addr, pt_site **ret);
void pt_site_release(pt *p, pt_proc *pr, pt_site *s, bool inner);
bool pt_site_wanted(pt *p, const pt_proc *pr, const pt_site *s);
/* Takes all bytes and registers of ours out of a process that goes its own way. */
void pt_traps_out(pt *p, pt_proc *pr);
void pt_traps_forget(pt *p, pt_proc *pr);
void pt_hard_apply(pt *p, pt_thread *th);
unsigned pt_hard_hit(pt *p, pt_thread *th, uint64_t *dr6);

/* pt_pass.c */
err pt_pass(tgt *t, unit_t u, uint64_t handle, diag *d);
/* The thread is about to run and is to pass th->pass. True: it stands behind the instruction by
 * now, nothing was run. */
bool pt_pass_go(pt *p, pt_thread *th);
/* The thread has stopped: a pc inside of a copy becomes the pc that it stands for. */
bool pt_pass_home(pt *p, pt_thread *th);
void pt_scratch_drop(pt *p, pt_proc *pr);
/* Past a site of our own that nobody is to see; by stepping with the byte out if need be. */
void pt_pass_silently(pt *p, pt_thread *th, pt_site *s);

/* pt_service.c */
err pt_service(tgt *t, unit_t u, const tgt_service *s, uint64_t *ret, diag *d);

/* pt_inject.c */
bool pt_inject(pt *p, pt_thread *th, long nr, const uint64_t arg[6], uint64_t *ret);
uint64_t pt_map_near(pt *p, pt_thread *th, uint64_t near, size_t n);

/* pt_loader.c */
void pt_loader_start(pt *p, pt_proc *pr, pt_thread *th, bool fresh);
/* Whether the stop at site s is the loader's or the entry point; true: nobody else is to see it. */
bool pt_loader_hit(pt *p, pt_thread *th, pt_site *s);
void pt_modules_free(pt_proc *pr);

/* pt_watch.c */
err pt_watch_start(pt *p, diag *d);
void pt_watch_stop(pt *p);
void pt_watch_begin(pt *p, int timeout_ms);
void pt_watch_end(pt *p);
bool pt_watch_late(pt *p);
void pt_interrupt(tgt *t);

/* pt_guard.c */
err pt_guard_start(pt *p, pt_proc *pr, diag *d);
void pt_guard_stop(pt *p, pt_proc *pr);
bool pt_guard_byte(pt_proc *pr, uint64_t addr, uint8_t orig, bool on);
void pt_guard_hard(pt_proc *pr, bool on);
void pt_guard_cpus(pt_proc *pr, const cpu_set_t *set);
/* Puts the handler for SIGTRAP into the process; th stands where a call can be injected. */
void pt_guard_handler(pt *p, pt_proc *pr, pt_thread *th);
void pt_guard_handler_off(pt *p, pt_proc *pr, pt_thread *th);
bool pt_guard_has_handler(const pt_proc *pr);

/* pt_info.c */
err pt_info(tgt *t, tgt_info what, uint64_t id, buf *ret, diag *d);
bool pt_proc_text(pid_t pid, const char *name, buf *ret);
/* Length of a path that the kernel told, without its remark that the file was deleted. */
size_t pt_path_len(const char *path, size_t n);
/* Field n of /proc/PID/stat, PT_STAT_STATE or later. The name before them may hold blanks and
 * brackets. */
enum { PT_STAT_STATE = 3, PT_STAT_START = 22 }; /* proc(5) */
str pt_stat_word(str text, unsigned n);
uint64_t pt_start_time(pid_t pid);
/* A number of /proc/PID/status, in base `base`. */
bool pt_status_field(pid_t pid, const char *field, unsigned base, uint64_t *ret);
char pt_task_state(pid_t tid);
int pt_elf_class(const char *path); /* 1: 32 bits, 2: 64 bits, 0: something else */

typedef struct pt_region {
	uint64_t begin, end, offset, inode;
	bool r, w, x;
	char path[TGT_PATH_MAX];
} pt_region;
/* Region at addr or the first behind it; false: none. *text must hold /proc/PID/maps. */
bool pt_region_next(str *text, pt_region *ret);
bool pt_region_at(pid_t pid, uint64_t addr, pt_region *ret);

#endif
