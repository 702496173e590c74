/*
 * target: one way of reaching a machine or process, behind one table of functions.
 *
 * A backend (kd/ fake/ ...) fills a tgt_ops; callers use the tgt_* wrappers, which answer
 * ERR_UNSUPPORTED for an absent function. A backend never parses commands, never reaches up, keeps
 * no global state. Only tgt_interrupt may be called from another thread or a signal handler.
 *
 *   open -> wait ... event (stopped) -> read/write/regs/trap_add ... -> resume -> wait ...
 *
 * Memory, from the top: trap masking (trap.c) -> page cache keyed (space, page), dropped when the
 * target runs or is written (mem.c) -> translation of AS_ROOT by page walk over physical reads ->
 * backend. Backends see only what they declare in tgt_caps.spaces.
 */
#ifndef RS_TARGET_TARGET_H
#define RS_TARGET_TARGET_H

#include "arch/x64.h"
#include "base/sys.h"

typedef enum as_kind {
	AS_CURRENT, /* virtual, as the stopped processor (or process) sees it; id unused */
	AS_PHYS,    /* physical; id: 0 default, 1 cached, 2 uncached, 3 write-combined */
	AS_PROCESS, /* virtual in a process that the target knows by id */
	AS_ROOT,    /* virtual, through the page-table root id (physical address, CR3) */
	AS_IO,	    /* I/O ports; n is 1, 2 or 4 */
	AS_MSR,	    /* addr = MSR number, n = 8; id = unit */
	AS_CONTROL, /* KD control space: addr = (space << 32 | offset); id = unit */
	AS_BUS	    /* bus data: addr = (type << 56 | bus << 40 | slot << 16 | offset) */
} as_kind;

typedef struct as_t {
	as_kind kind;
	uint64_t id;
} as_t;

static inline as_t as_current(void)
{
	return (as_t){AS_CURRENT, 0};
}
static inline as_t as_phys(void)
{
	return (as_t){AS_PHYS, 0};
}
static inline as_t as_process(uint64_t pid)
{
	return (as_t){AS_PROCESS, pid};
}
static inline as_t as_root(uint64_t root)
{
	return (as_t){AS_ROOT, root};
}

typedef uint32_t unit_t; /* processor number (kernel), thread id (user mode) */

enum { TGT_PATH_MAX = 512, TGT_STREAM_MAX = 16, TGT_EXR_PARAMS = 15, TGT_DROPPED_MAX = 32 };

/* ---- facts ---- */

typedef enum tgt_fact {
	TGT_F_KERNEL_BASE,   /* uint64_t: base of the kernel image (after KASLR) */
	TGT_F_MODULE_LIST,   /* uint64_t: PsLoadedModuleList */
	TGT_F_DEBUGGER_DATA, /* uint64_t: list that leads to KDDEBUGGER_DATA64 */
	TGT_F_VERSION,	     /* tgt_version */
	TGT_F_PCR,	     /* uint64_t in: unit, out: KPCR address */
	TGT_F_PRCB,	     /* uint64_t in: unit, out: KPRCB address */
	TGT_F_THREAD,	     /* uint64_t in: unit, out: KTHREAD running there */
	TGT_F_MEMORY,	     /* tgt_memory_info in: addr, out: what the target says of it */
} tgt_fact;

typedef struct tgt_memory_info {
	uint64_t addr;
	uint32_t space; /* 0 process, 1 session, 2 kernel */
	uint32_t flags; /* 1 read, 2 write, 4 execute, 8 fixed */
} tgt_memory_info;

typedef struct tgt_version {
	uint16_t major, minor; /* NT: major 0xF/0xC = free/checked, minor = build number */
	uint16_t machine;      /* IMAGE_FILE_MACHINE_xxx */
	uint16_t flags;	       /* DBGKD_VERS_FLAG_xxx: 1 MP, 4 PTR64 ... */
	uint8_t protocol, protocol_minor;
	uint8_t max_packet_type, max_state_change, max_manipulate, simulation;
} tgt_version;

typedef struct tgt_caps {
	bool kernel;	   /* a whole machine, not one process */
	bool live;	   /* can run */
	bool threads;	   /* units are thread ids, not processor numbers: a user-mode target */
	uint32_t spaces;   /* 1 << as_kind that the backend serves itself */
	uint32_t max_soft; /* software traps in existence (KD: 32); 0 = no limit */
	uint32_t max_hard; /* debug registers per unit */
	bool phys_write;   /* AS_PHYS can be written */
	bool can_step;
} tgt_caps;

/* ---- events ---- */

enum { TGT_SIGNAL_CODE = 0x53490000 /* "SI": TGT_SIGNAL_CODE + number; no NTSTATUS looks so */ };

typedef enum tgt_event_kind {
	TGT_EV_TIMEOUT,	  /* nothing in the given time; not an event */
	TGT_EV_EXCEPTION, /* stopped */
	TGT_EV_LOAD,	  /* module loaded; stopped */
	TGT_EV_UNLOAD,	  /* module unloaded (base all ones: a process ended); stopped */
	TGT_EV_PROCESS,	  /* process_id created, attached to, or with a new image (exec); stopped */
	TGT_EV_PROCESS_EXIT, /* process_id ended, exit_code; its memory is gone; stopped */
	TGT_EV_THREAD,	     /* thread `unit` of process_id started; stopped */
	TGT_EV_THREAD_EXIT,  /* it ended, exit_code; stopped */
	TGT_EV_COMMAND,	     /* the target sends a command string; stopped */
	TGT_EV_PRINT,	     /* text from the target; it is not stopped */
	TGT_EV_PROMPT,	     /* the target waits for tgt_answer(); text = its question */
	TGT_EV_REBOOT,	     /* the target started anew: every trap, module and address is void */
	TGT_EV_NOTICE,	     /* text for the user from the backend (link state ...); not stopped */
	TGT_EV_DEAD	     /* nothing more will come; text says why */
} tgt_event_kind;

typedef struct tgt_event {
	tgt_event_kind kind;
	unit_t unit;	  /* processor (or thread) that reports */
	uint32_t n_units; /* processors now known */
	uint64_t thread;  /* KTHREAD; user mode: the thread id, equal to unit */
	uint64_t pc;	  /* of the unit; on a software trap: the trap's own address */
	/* exception */
	uint32_t code, flags;
	uint64_t exr_address, exr_record;
	uint32_t n_params;
	uint64_t params[TGT_EXR_PARAMS];
	bool first_chance;
	/*
	 * User mode: a signal is an exception. Those that mean what an NT exception means carry its
	 * code (SIGSEGV: c0000005 with params[0] 0 read, 1 write, 8 execute and params[1] the
	 * address; SIGFPE: c0000094 or another of its family; SIGILL: c000001d; SIGBUS: c0000006 or
	 * 80000002; SIGINT: 40010005; a break: 80000003; a step: 80000004), every other one
	 * TGT_SIGNAL_CODE + number. `signal` is always the number, 0 if none (a stop of our own).
	 */
	int signal;
	bool initial;	    /* the initial break of a process: created, attached to, a child */
	uint32_t exit_code; /* THREAD_EXIT, PROCESS_EXIT; killed by a signal: 0x80 + its number */
	uint64_t parent_id; /* PROCESS: the debugged process that forked it, 0 if none */
	/* control report: what is known without asking */
	bool has_report;
	uint64_t dr6, dr7;
	uint32_t eflags;
	uint16_t cs, ds, es, fs;
	uint32_t n_stream;		/* valid bytes in stream, without planted traps */
	uint8_t stream[TGT_STREAM_MAX]; /* instruction bytes at pc */
	/* load, unload */
	uint64_t base, size, process_id;
	uint32_t checksum;
	char path[TGT_PATH_MAX]; /* NUL-terminated, cut if longer */
	/* print, prompt, command, notice, dead: valid until the next wait */
	str text;
	/* addresses of software traps that the target took out by itself at this stop: their
	 * handles are void */
	uint32_t n_dropped;
	uint64_t dropped[TGT_DROPPED_MAX];
} tgt_event;

/* ---- traps ---- */

typedef enum tgt_trap_kind {
	TGT_TRAP_SOFT, /* break instruction */
	TGT_TRAP_EXEC, /* debug register, size 1 */
	TGT_TRAP_WRITE,
	TGT_TRAP_RW,
	TGT_TRAP_IO
} tgt_trap_kind;

typedef struct tgt_trap {
	tgt_trap_kind kind;
	as_t as; /* AS_CURRENT for what the target plants itself; AS_PHYS: byte at a physical
		    address */
	uint64_t addr;
	uint32_t size; /* 1 2 4 8; SOFT: 0 */
} tgt_trap;

/* ---- running ---- */

typedef enum tgt_go { TGT_GO, TGT_STEP } tgt_go;

typedef struct tgt_run {
	unit_t unit;
	tgt_go go;
	/* The exception of the last event was handled (gh, g) or not (gn); in user mode it is the
	 * reporting thread's, whichever unit is stepped. */
	bool handled;
	bool alone; /* user mode: no other thread runs (`~2 g`) */
	/* Nobody saw the target stand at its PC: an execute trap there has yet to hit. Otherwise it
	 * is passed. */
	bool unseen;
	const x64_insn *insn; /* STEP: what stands at the unit's PC, if the caller knows it */
} tgt_run;

/* ---- user mode: processes, threads, what the system shows of them ---- */

typedef struct tgt_unit {
	unit_t unit;
	uint64_t process_id;
	bool frozen; /* by tgt_freeze */
} tgt_unit;

/* Texts and blobs of a process (or thread), in the form that Linux's /proc gives them. */
typedef enum tgt_info {
	TGT_I_EXE,     /* path of the program */
	TGT_I_CMDLINE, /* words, each ended by a NUL */
	TGT_I_ENVIRON, /* the same */
	TGT_I_AUXV,    /* pairs of 64-bit words */
	TGT_I_MAPS,    /* lines of /proc/PID/maps */
	TGT_I_FILES,   /* "fd<TAB>target\n" */
	TGT_I_STAT,   /* /proc/PID/stat; id may be a thread's (the first one's has the times of all)
		       */
	TGT_I_STATUS, /* /proc/PID/status; id may be a thread's */
	TGT_I_THREAD_NAME, /* id is a thread's */
	TGT_I_SYSTEM,  /* one line: system, release and machine, as uname(2) has them; id unused */
	TGT_I_SIGINFO, /* id is a thread's: its siginfo_t, 128 bytes, if a signal stopped it */
	TGT_I_THREAD_STAT, /* id is a thread's: stat with its own times; a core has TGT_I_STAT's */
	TGT_I_XSTATE	   /* id is a thread's: its XSAVE area, as PTRACE_GETREGSET gives it */
} tgt_info;

typedef struct tgt_create {
	const char *path;	 /* program; looked for in PATH if it has no slash */
	const char *const *argv; /* NULL-terminated, argv[0] included */
	const char *const *envp; /* NULL: the debugger's own */
	const char *dir;	 /* working directory, NULL: the debugger's own */
	bool children;		 /* follow fork, vfork (as processes of this target) */
	bool keep_aslr;		 /* default: addresses are not randomised */
	int stdio[3];		 /* descriptors for the program, -1: inherited */
} tgt_create;

typedef enum tgt_leave {
	TGT_DETACH, /* traps are out; target runs on */
	TGT_LEAVE,  /* target stays as it is (stopped), link closed in order */
	TGT_KILL,   /* user mode: the processes end; elsewhere as TGT_DETACH */
	TGT_ABANDON /* now, nothing is said to the target */
} tgt_leave;

/* What a backend may ask of its owner. Any pointer may be NULL. */
typedef struct tgt_host {
	void *u;
	const cancel *cancel;
	const cancel *abandon; /* while it is left: what is still to be done there is given up */
	/* One line of readable packet traffic (Ctrl+D); only when tgt_trace_set(true). */
	void (*trace)(void *u, str line);
	/* Driver replacement (.kdfiles): path of the host's file for a target's path; false: none.
	 */
	bool (*file_map)(void *u, str target_path, char *host_path, size_t cap);
} tgt_host;

typedef struct tgt tgt;

typedef enum tgt_ctl_code {
	TGT_CTL_RESYNC,	       /* Ctrl+R, "resync" */
	TGT_CTL_CYCLE_SPEED,   /* Ctrl+A, "cycle_speed"; ERR_UNSUPPORTED unless a serial line */
	TGT_CTL_TRACE,	       /* Ctrl+D: arg 0/1 */
	TGT_CTL_REBOOT,	       /* .reboot */
	TGT_CTL_CRASH,	       /* .crash: arg = bug check code */
	TGT_CTL_SWITCH,	       /* make arg the unit that is asked */
	TGT_CTL_DROP_FAULT,    /* user mode: what an instruction of thread arg raised is not
				  delivered: the thread is somewhere else now */
	TGT_CTL_SILENT_SIGNALS /* user mode: arg has bit N - 1 set for each signal N that is
				  delivered without an event */
} tgt_ctl_code;

/* What only a process can do to itself; a stopped thread of it is made to. */
typedef struct tgt_service {
	enum {
		TGT_SVC_MAP, /* size bytes for reading, writing and executing, at addr unless 0; the
				address is the answer */
		TGT_SVC_UNMAP, /* [addr, addr + size) */
		TGT_SVC_EMPTY, /* the same range keeps its place and loses what it holds */
		TGT_SVC_CLOSE  /* the handle addr */
	} kind;
	uint64_t addr, size;
	bool reserve; /* MAP: the place alone */
} tgt_service;

typedef struct tgt_ops {
	const char *name;
	/* Frees t; how many traps it could not take out, although it should have (DETACH). */
	size_t (*close)(tgt *t, tgt_leave how);
	void (*caps)(tgt *t, tgt_caps *ret);
	err (*query)(tgt *t, tgt_fact f, void *ret, size_t size, diag *d);
	err (*read)(tgt *t, as_t as, uint64_t addr, void *buf, size_t n, size_t *n_ret);
	err (*write)(tgt *t, as_t as, uint64_t addr, const void *buf, size_t n, size_t *n_ret);
	/* Fills at least `sets` (x64_set) of r. */
	err (*regs_get)(tgt *t, unit_t u, unsigned sets, x64_regs *r, diag *d);
	/* Writes `sets` of r, which are valid. */
	err (*regs_set)(tgt *t, unit_t u, unsigned sets, const x64_regs *r, diag *d);
	err (*trap_add)(tgt *t, const tgt_trap *trap, uint64_t *handle_ret, diag *d);
	err (*trap_del)(tgt *t, uint64_t handle, diag *d);
	/* Optional: several at once. On failure the rest may or may not be out. */
	err (*trap_del_many)(tgt *t, const uint64_t *handles, size_t n, diag *d);
	err (*resume)(tgt *t, const tgt_run *how, diag *d);	      /* returns at once */
	err (*wait)(tgt *t, int timeout_ms, tgt_event *ret, diag *d); /* -1: for ever */
	err (*answer)(tgt *t, str text, diag *d);
	/* Search [addr, addr+n) for pattern; ERR_NOTFOUND if absent. */
	err (*search)(tgt *t, as_t as, uint64_t addr, uint64_t n, const void *pattern, size_t plen,
		uint64_t *ret, diag *d);
	err (*fill)(tgt *t, as_t as, uint64_t addr, uint64_t n, const void *pattern, size_t plen,
		diag *d);
	err (*ctl)(tgt *t, tgt_ctl_code c, uint64_t arg, diag *d);
	void (*interrupt)(tgt *t); /* async-signal-safe */
	/*
	 * For backends that report a stop of one unit while others may still run. halt: all units
	 * stand still when it returns; whoever is about to look at more than the reporting unit, or
	 * to take traps out, calls it. Without it a backend stops everything by itself.
	 */
	err (*halt)(tgt *t, diag *d);
	/*
	 * Unit u stands on the soft trap `handle`: when it runs next it executes what is under the
	 * trap while the trap stays in for everyone else, with no stop of its own.
	 * ERR_UNSUPPORTED: not with this instruction.
	 */
	err (*pass)(tgt *t, unit_t u, uint64_t handle, diag *d);
	/* One register, when that is cheaper than a set. */
	err (*reg_get)(tgt *t, unit_t u, const x64_reg *reg, uint64_t *ret, diag *d);
	/* User mode. process_id 0: of all processes. At most cap are stored, *n_ret counts all. */
	err (*units)(tgt *t, uint64_t process_id, tgt_unit *ret, size_t cap, size_t *n_ret);
	err (*processes)(tgt *t, uint64_t *ret, size_t cap, size_t *n_ret);
	err (*freeze)(tgt *t, unit_t u, bool on, diag *d);
	err (*info)(tgt *t, tgt_info what, uint64_t id, buf *ret, diag *d);
	err (*create)(tgt *t, const tgt_create *how, uint64_t *process_id, diag *d);
	/* noninvasive: memory can be read, the process is stopped but gives no events. */
	err (*attach)(tgt *t, uint64_t process_id, bool noninvasive, diag *d);
	/* One process of several: DETACH, KILL or ABANDON (left stopped). */
	err (*part)(tgt *t, uint64_t process_id, tgt_leave how, diag *d);
	err (*follow_children)(tgt *t, bool on, diag *d);
	err (*service)(tgt *t, unit_t u, const tgt_service *s, uint64_t *ret, diag *d);
	/* A line or more that say what is known of the link (for "no contact" messages). */
	void (*describe)(tgt *t, buf *out);
} tgt_ops;

/* The head of every backend's own structure. */
struct tgt {
	const struct tgt_ops *ops;
	tgt_host host;
	struct tgt_mem *mem; /* cache and masking; NULL until tgt_mem_init */
	bool leaving;	     /* tgt_leave_begin */
};

/* ---- wrappers: what callers use ---- */

/* From here on only host.abandon cuts anything short: leaving in order is not cancelled. */
void tgt_leave_begin(tgt *t);
/* Frees t (NULL legal). With DETACH: how many traps could not be taken out and stay in the target.
 */
size_t tgt_close(tgt *t, tgt_leave how);
void tgt_caps_get(tgt *t, tgt_caps *ret);
err tgt_query(tgt *t, tgt_fact f, void *ret, size_t size, diag *d) MUST_CHECK;
err tgt_regs_get(tgt *t, unit_t u, unsigned sets, x64_regs *r, diag *d) MUST_CHECK;
err tgt_regs_set(tgt *t, unit_t u, unsigned sets, const x64_regs *r, diag *d) MUST_CHECK;
err tgt_trap_add(tgt *t, const tgt_trap *trap, uint64_t *handle_ret, diag *d) MUST_CHECK;
err tgt_trap_del(tgt *t, uint64_t handle, diag *d) MUST_CHECK;
err tgt_resume(tgt *t, const tgt_run *how, diag *d) MUST_CHECK;
/* Handle of the trap in debug register i (a DR6 bit); 0 if there is none of ours. */
uint64_t tgt_trap_in_register(tgt *t, unsigned i);
err tgt_wait(tgt *t, int timeout_ms, tgt_event *ret, diag *d) MUST_CHECK;
err tgt_answer(tgt *t, str text, diag *d) MUST_CHECK;
err tgt_search(tgt *t, as_t as, uint64_t addr, uint64_t n, const void *pattern, size_t plen,
	uint64_t *ret, diag *d) MUST_CHECK;
err tgt_fill(tgt *t, as_t as, uint64_t addr, uint64_t n, const void *pattern, size_t plen,
	diag *d) MUST_CHECK;
err tgt_ctl(tgt *t, tgt_ctl_code c, uint64_t arg, diag *d) MUST_CHECK;
void tgt_interrupt(tgt *t);
/* See tgt_ops. tgt_halt is ERR_OK for a backend without it; tgt_reg_get falls back to tgt_regs_get.
 */
err tgt_halt(tgt *t, diag *d) MUST_CHECK;
err tgt_pass(tgt *t, unit_t u, uint64_t handle, diag *d) MUST_CHECK;
err tgt_reg_get(tgt *t, unit_t u, const x64_reg *reg, uint64_t *ret, diag *d) MUST_CHECK;
err tgt_units(tgt *t, uint64_t process_id, tgt_unit *ret, size_t cap, size_t *n_ret) MUST_CHECK;
err tgt_processes(tgt *t, uint64_t *ret, size_t cap, size_t *n_ret) MUST_CHECK;
err tgt_freeze(tgt *t, unit_t u, bool on, diag *d) MUST_CHECK;
err tgt_info_get(tgt *t, tgt_info what, uint64_t id, buf *ret, diag *d) MUST_CHECK;
err tgt_process_create(tgt *t, const tgt_create *how, uint64_t *process_id, diag *d) MUST_CHECK;
err tgt_process_attach(tgt *t, uint64_t process_id, bool noninvasive, diag *d) MUST_CHECK;
err tgt_process_part(tgt *t, uint64_t process_id, tgt_leave how, diag *d) MUST_CHECK;
err tgt_follow_children(tgt *t, bool on, diag *d) MUST_CHECK;
err tgt_serve(tgt *t, unit_t u, const tgt_service *s, uint64_t *ret, diag *d) MUST_CHECK;
void tgt_describe(tgt *t, buf *out);

/*
 * Memory as views show it: masked (never a planted byte), cached, translated. Short reads are
 * normal: OK with *n_ret < n; ERR_FAULT if nothing could be read. Unreadable pages are remembered
 * until the target runs.
 */
err tgt_read(
	tgt *t, as_t as, uint64_t addr, void *buf, size_t n, size_t *n_ret, diag *d) MUST_CHECK;
err tgt_read_all(tgt *t, as_t as, uint64_t addr, void *buf, size_t n, diag *d) MUST_CHECK;
/* While on, a read of a word or less brings no neighbours along and is not kept: for a question
 * that is asked at each of many stops. */
void tgt_read_sparingly(tgt *t, bool on);
/* Grows with every stop: what was noted at another value belongs to an older stop. */
uint64_t tgt_stops(tgt *t);
/*
 * How memory is kept (.cache). hold: views (tgt_read_view) may be shown bytes from before the
 * target ran, until they are flushed; everything else always reads what is there now.
 */
typedef struct tgt_cache {
	size_t pages; /* of 4 KB at most; 0: nothing is kept from one read to the next */
	bool hold;
	bool mapped_only; /* for the engine: pages in transition are not looked for */
} tgt_cache;
void tgt_cache_get(tgt *t, tgt_cache *ret, size_t *used_ret);
err tgt_cache_set(tgt *t, const tgt_cache *to, diag *d) MUST_CHECK;
typedef enum tgt_flush { TGT_FLUSH_ALL, TGT_FLUSH_USER, TGT_FLUSH_PAGE } tgt_flush;
/* USER: user-mode addresses (bit 63 clear), what is read through page tables, and what could not be
 * read. addr: PAGE. */
void tgt_cache_flush(tgt *t, tgt_flush what, uint64_t addr);
err tgt_read_view(
	tgt *t, as_t as, uint64_t addr, void *buf, size_t n, size_t *n_ret, diag *d) MUST_CHECK;
/* Writes go under planted traps: the trap stays, the new byte is what views show. */
err tgt_write(tgt *t, as_t as, uint64_t addr, const void *buf, size_t n, size_t *n_ret,
	diag *d) MUST_CHECK;
/* AS_ROOT to physical; ERR_FAULT with the software state in w if not present. */
err tgt_translate(tgt *t, uint64_t root, uint64_t va, x64_walk *w, diag *d) MUST_CHECK;

/* ---- backends ---- */

/*
 * KD over `options`, WinDbg's -k string: "com:pipe,port=PATH[,reconnect][,resets=N]",
 * "com:port=/dev/ttyS0,baud=N", "com:ipport=N,port=HOST". ERR_SYNTAX names an unknown or
 * contradictory option. Returns before any contact: the first tgt_wait does the rest.
 */
typedef struct kd_open_opts {
	bool initial_break; /* -b / -bonc: ask for a break as soon as there is contact */
	int reclaim;	    /* take over stale traps at attach (default 1) */
} kd_open_opts;
err kd_open(
	str options, const kd_open_opts *opts, const tgt_host *host, tgt **ret, diag *d) MUST_CHECK;

/* A memory image and scripted events, for tests. See target/fake/fake.h. */

/*
 * Processes of this Linux host through ptrace; empty until tgt_process_create or
 * tgt_process_attach. All calls but tgt_interrupt belong to the thread that made the first.
 */
err ptrace_open(const tgt_host *host, tgt **ret, diag *d) MUST_CHECK;

/* An ELF core file: threads, memory and what its notes tell, static: -z CORE. */
err core_open(const char *path, const tgt_host *host, tgt **ret, diag *d) MUST_CHECK;

/* A PE or ELF image file laid out as loaded, static: -z IMAGE. */
err image_open(const char *path, const tgt_host *host, tgt **ret, diag *d) MUST_CHECK;

#endif
