/*
 * engine: one debugging session - target, symbols, system, context, events, breakpoints, execution.
 * Refuses to know command syntax and terminals: commands reach it as verbs, and it reaches them
 * only through eng_hooks.
 *
 *   engine.c    session, attach, what a stop does
 *   launch.c    programs to start, processes to attach to and to leave
 *   wait.c      the one loop that resumes and waits
 *   plan.c      step, over, out, until; past a trap
 *   hit.c       whose breakpoint is it, does it stop
 *   filter.c    what happens to all other events (sx)
 *   bp.c        what the user asked for (bp.h)
 *   site.c      where bytes and debug registers go
 *   journal.c   bytes in physical pages, kept on disk
 *   context.c   current unit, process, thread, frame; memory and register views
 *   procs.c     processes and threads of user mode by their numbers
 *   pseudo.c    pseudo-registers, the environment of MASM expressions
 *   cxxenv.c    the same for C++ expressions
 *   call.c      .call: a thread sent into a function and back
 *   stack.c     frames                     insn.c    instructions, decoded once
 *   track.c     event log, step filter     out.c     output
 *   workspace.c what a session leaves for the next
 *
 * An execution command only sets the status (eng_exec); eng_wait() resumes the target. While a
 * breakpoint's or filter's command list runs (`inside_wait`), an execution command is the verdict
 * on how to go on, and the rest of the list is dropped.
 */
#ifndef RS_ENGINE_ENGINE_H
#define RS_ENGINE_ENGINE_H

#include "eval/masm.h"
#include "os/os.h"

typedef struct engine engine;

/* ---- output ---- */

/* DEBUG_OUTPUT_xxx. */
typedef enum out_mask {
	OUT_NORMAL = 1,
	OUT_ERROR = 2,
	OUT_WARNING = 4,
	OUT_VERBOSE = 8,
	OUT_PROMPT = 0x10,
	OUT_PROMPT_REGS = 0x20,
	OUT_EXT_WARNING = 0x40,
	OUT_DEBUGGEE = 0x80,
	OUT_DEBUGGEE_PROMPT = 0x100,
	OUT_SYMBOLS = 0x200,
	OUT_STATUS = 0x400,
	OUT_DEFAULT = 0x7f7
} out_mask;

void out(engine *e, const char *fmt, ...) PRINTF(2, 3); /* OUT_NORMAL */
void out_as(engine *e, unsigned mask, const char *fmt, ...) PRINTF(3, 4);
void out_str(engine *e, unsigned mask, str text);
/* Everything but OUT_DEBUGGEE goes to b instead (.foreach, as /c) until the matching pop. */
void out_capture(engine *e, buf *b);
void out_release(engine *e);
/* "fffff800`12345678" (64-bit targets) into one of a few rotating static-size buffers of e. */
const char *out_addr(engine *e, uint64_t addr);
/* Appends "nt!Foo+0x12" or, without symbol, the address. */
void out_symbol(engine *e, uint64_t addr, buf *b);
/* The same for a return address: in user mode the function is that of the call in front of it, also
 * where the call is a function's last instruction; NT's compilers put something behind such a call.
 */
void out_caller(engine *e, uint64_t addr, buf *b);

/* ---- status ---- */

/* DEBUG_STATUS_xxx, same numbers. */
typedef enum eng_status {
	ST_NO_CHANGE = 0,
	ST_GO = 1,
	ST_GO_HANDLED = 2,
	ST_GO_NOT_HANDLED = 3,
	ST_STEP_OVER = 4,
	ST_STEP_INTO = 5,
	ST_BREAK = 6,
	ST_NO_DEBUGGEE = 7,
	ST_STEP_BRANCH = 8,
	ST_IGNORE_EVENT = 9,
	ST_RESTART_REQUESTED = 10,
	ST_OUT_OF_SYNC = 15,
	ST_WAIT_INPUT = 16,
	ST_TIMEOUT = 17
} eng_status;

/* The higher of two when several parties vote ("DEBUG_STATUS_XXX"). */
eng_status eng_status_max(eng_status a, eng_status b);

/* ---- hooks: what the rooms above give to the engine ---- */

/* Something a client may want to know of (DbgEng's IDebugEventCallbacks); see tgt_event. */
typedef enum eng_notice_kind {
	ENG_N_BREAKPOINT, /* id */
	ENG_N_EXCEPTION,
	ENG_N_LOAD,
	ENG_N_UNLOAD,
	ENG_N_PROCESS,
	ENG_N_PROCESS_EXIT,
	ENG_N_THREAD,
	ENG_N_THREAD_EXIT,
	ENG_N_SYSTEM_ERROR,
	ENG_N_SESSION, /* arg: DEBUG_SESSION_xxx */
	ENG_N_TARGET,  /* arg: DEBUG_CDS_xxx: registers or data changed */
	ENG_N_ENGINE,  /* arg: DEBUG_CES_xxx: breakpoints, status, ... */
	ENG_N_SYMBOLS  /* arg: DEBUG_CSS_xxx */
} eng_notice_kind;

typedef struct eng_notice {
	eng_notice_kind kind;
	const tgt_event *ev;
	uint32_t id;
	uint64_t arg, value;
} eng_notice;

typedef struct eng_hooks {
	void *u;
	void (*output)(void *u, unsigned mask, str text);
	/* A line of input for an Input> prompt or a DbgPrompt; ERR_STATE: nobody can answer. */
	err (*input)(void *u, str prompt, buf *line);
	eng_status (*notice)(void *u, const eng_notice *n); /* a vote; NO_CHANGE for none */
	/* Runs a command list; called inside a wait for breakpoint and filter commands. */
	err (*run)(void *cu, str commands, diag *d);
	/*
	 * Recognises "j (cond) 'cmds'; 'gc'" and ".if (cond) {cmds} .else {gc}": compiles cond into
	 * a and gives the commands of the true side. false: an ordinary command list.
	 */
	bool (*condition)(void *cu, str commands, arena *a, masm_code **cond, str *then);
	/* Prints where the current context stands: registers if wanted, symbol, instruction. */
	void (*show_stop)(void *cu);
	void *cu; /* for run, condition and show_stop: the command interpreter */
} eng_hooks;

/* ---- context ---- */

typedef enum eng_regs_from { REGS_UNIT, REGS_THREAD, REGS_CXR, REGS_TRAP } eng_regs_from;

/* One value; reset to the event at every stop. */
typedef struct eng_ctx {
	unit_t unit;
	uint64_t process; /* implicit process (EPROCESS), 0 unknown */
	uint64_t thread;  /* implicit thread (ETHREAD) */
	as_t user;	  /* how user addresses are read */
	as_t system;	  /* how system addresses are read (as_current, or a root with /P) */
	bool decode;	  /* forcedecodeuser: user is an AS_ROOT chosen by /p */
	eng_regs_from from;
	uint64_t from_addr; /* of the CONTEXT, trap frame or thread */
	x64_regs regs;	    /* when from is not REGS_UNIT */
	uint32_t frame;	    /* local context */
	bool frame_set;
	bool frame_call;     /* when frame_set: it stands behind its call, it was not interrupted */
	x64_regs frame_regs; /* when frame_set */
	uint32_t
		frame_out; /* how many inlined calls the frame is further out than its registers' */
} eng_ctx;

/* ---- execution requests ---- */

enum { ENG_UNTIL_MAX = 10 };

typedef enum eng_at { AT_CALL = 1, AT_RET = 2, AT_BRANCH = 4 } eng_at;

typedef struct eng_exec {
	eng_status status; /* GO, GO_HANDLED, GO_NOT_HANDLED, STEP_OVER, STEP_INTO */
	bool has_start;
	uint64_t start; /* =start: rip is set first */
	size_t n_until; /* g addr ... */
	uint64_t until[ENG_UNTIL_MAX];
	bool until_hard;   /* ga */
	bool until_thread; /* only when the current thread gets there */
	bool up;	   /* gu */
	uint64_t count;	   /* steps, or events of `at`; 0 means 1 */
	unsigned at;	   /* p/t: stop at the next instruction of these kinds */
	bool has_to;	   /* pa, ta */
	uint64_t to;
	bool by_line;	     /* source mode */
	bool alone;	     /* ~N g: other threads stand still */
	bool quiet;	     /* don't show intermediate steps */
	bool toggle_regs;    /* pr, tr */
	str command;	     /* run after the steps, before the last display */
	bool same_as_before; /* gc: go on the way the breakpoint was reached */
	/* Steps: asked when one is done, in place of counting and showing it. Answers how the next
	 * one goes (STEP_INTO, STEP_OVER), or ST_BREAK: that was the last. */
	eng_status (*each)(void *u);
	void *each_u;
} eng_exec;

/* ---- the session ---- */

typedef enum eng_mode { ENG_NONE, ENG_KERNEL, ENG_LOCAL_KERNEL, ENG_USER, ENG_IMAGE } eng_mode;

/* ---- processes and threads of a user-mode session (procs.c) ---- */

enum { PROC_THREADS_MAX = 65536, THR_SUSPEND_MAX = 127 };

typedef enum eng_proc_how { PROC_CREATED, PROC_ATTACHED, PROC_CHILD } eng_proc_how;

typedef struct eng_thr {
	struct eng_proc *proc;
	uint32_t id; /* as ~ counts: within its process */
	unit_t tid;
	int suspend; /* ~n, ~m */
	bool frozen; /* ~f, ~u */
	bool waits;  /* frozen until something happens in a new process: .create -f */
} eng_thr;

typedef struct eng_proc {
	uint32_t id; /* as | counts */
	uint64_t pid;
	uint64_t base; /* of the program's image */
	eng_proc_how how;
	bool noninvasive;
	char *image; /* path of the program */
	uint32_t next_thread;
	VEC(eng_thr *) threads;
} eng_proc;

struct bp_table;
struct filter_table;
struct eng_procs;
struct eng_plan;
struct call_table;
struct track;

enum { ENG_CALLRET = 20, ENG_TEMPS };

struct engine {
	eng_hooks hooks;
	atomic_bool exit_wait;	  /* eng_exit_wait was called */
	atomic_bool leaving;	  /* inside of eng_end */
	cancel abandon;		  /* eng_exit_wait was called meanwhile */
	atomic_bool break_wanted; /* eng_interrupt was called while the target ran */
	cancel cancel;		  /* a command that runs is asked to stop */
	eng_mode mode;
	tgt *t; /* NULL: no target */
	tgt_caps caps;
	tgt_version version; /* kernel */
	uint64_t kernel_base, module_list, debugger_data;
	str connect_options; /* as given to attach */
	sym_store *syms;
	os *os;
	eng_ctx ctx;
	tgt_event ev; /* last event */
	bool has_event;
	uint32_t reported;    /* code of the exception that waits for its verdict, 0 none */
	char last_event[256]; /* .lastevent's words */
	uint64_t prev_ip;     /* pc at the event before */
	uint32_t n_units;
	eng_status status; /* BREAK: accessible; GO...: wanted or running; NO_DEBUGGEE */
	bool inside_wait;
	bool verdict_given;	   /* an execution command ran inside the wait */
	eng_exec exec;		   /* what the next wait does */
	eng_exec reached;	   /* how the current stop was reached (gc) */
	eng_exec plan_active_exec; /* the request that is being carried out */
	char *exec_command;	   /* owns exec.command */
	bool broke_in;		   /* this stop was asked for (Ctrl+C): loops and lists end */
	bool running;		   /* the target runs, or its first event has not come yet */
	uint64_t last_ip;
	struct insn_cache *insns; /* decoded at events' pcs */
	/* .kdfiles: driver replacement, set by its command. */
	bool (*file_map)(void *u, str target_path, char *host_path, size_t cap);
	void *file_map_u;
	struct eng_plan *plan;
	struct track *track; /* track.h */
	struct bp_table *bps;
	struct filter_table *filters;
	struct eng_procs *procs; /* user mode; empty elsewhere */
	bool looking;		 /* that process was attached to by -pv */
	bool creating;		 /* the next process that appears was started by us */
	bool final_break;	 /* the end of a process breaks in (until -G) */
	bool no_initial_break;	 /* -g */
	bool follow_children;	 /* -o, .childdbg 1 */
	bool exited;		 /* a process of this session ended, with exit_code */
	uint32_t exit_code;
	struct eng_launch *launch; /* how the last program was started, for .restart; NULL none */
	unsigned radix;		   /* n: 8 10 16 */
	unsigned ptr_size;
	uint64_t temps[ENG_TEMPS]; /* $t0..$t19, $callret */
	struct cxx_state *cxx; /* their types, compiled C++ expressions: cxxenv.c; NULL none yet */
	bool cxx_default;      /* .expr /s c++ */
	uint64_t last_value;   /* $exp */
	uint64_t last_data;    /* $p */
	uint64_t extret;       /* $extret: the element of !list */
	unsigned reg_mask;     /* rm */
	unsigned kframes;      /* default stack depth */
	bool show_regs;	       /* registers at each stop (r toggle of p/t) */
	bool show_source, show_disasm, show_symbol, show_ea;
	bool lines_on; /* .lines */
	bool verbose, quiet;
	unsigned out_mask;
	bool initial_break;
	bool break_on_reboot, break_on_load; /* Ctrl+K */
	bool echo_cpu;
	bool no_exec_cmds;    /* .allow_exec_cmds 0 */
	bool refuse_mid_insn; /* breakpoints in the middle of an instruction (default on) */
	arena session;
	arena stop; /* reset at each resume */
	struct out_state *outs;
	char *workspace; /* path of the workspace file, NULL none */
	struct journal *journal;
	struct call_table *calls; /* .call: under way; NULL none yet */
};

engine *eng_create(void);
void eng_destroy(engine *e);

/* Opens the target; complete only after the first eng_wait. options as after -k. */
err eng_attach_kernel(engine *e, str options, diag *d) MUST_CHECK;
err eng_open_image(engine *e, const char *path, diag *d) MUST_CHECK;
/*
 * User mode: a program to start (argv[0] is looked for in PATH), or a process to attach to; both
 * add to the processes of a user-mode session that is there already. Complete only after the next
 * eng_wait. ERR_STATE: another kind of target is attached.
 */
err eng_create_process(engine *e, const tgt_create *how, diag *d) MUST_CHECK;
/* The same with all other processes frozen until the new one has its first exception, which may be
 * the initial break, or ends. */
err eng_create_alone(engine *e, const tgt_create *how, diag *d) MUST_CHECK;
err eng_attach_process(engine *e, uint64_t pid, bool noninvasive, diag *d) MUST_CHECK;
/* The last program that was started, again, with the same words; breakpoints by name stay. */
err eng_restart(engine *e, diag *d) MUST_CHECK;
/* One process of the session: DETACH, KILL, ABANDON. The session ends with its last. */
err eng_part_process(engine *e, uint64_t pid, tgt_leave how, diag *d) MUST_CHECK;
/* Takes an opened target over (tests, -z). */
err eng_attach(engine *e, tgt *t, eng_mode mode, diag *d) MUST_CHECK;
/* Takes every trap out first unless ABANDON. The engine can attach again afterwards. */
void eng_end(engine *e, tgt_leave how);

/* ERR_STATE with words unless the target is stopped and may be looked at. */
err eng_accessible(engine *e, diag *d) MUST_CHECK;

/* Sets what the next eng_wait does. ERR_STATE: no target, running, or not allowed. */
err eng_exec_set(engine *e, const eng_exec *x, diag *d) MUST_CHECK;
/* ERR_OK: an event stopped the target. ERR_TIMEOUT, ERR_CANCELLED (exit asked), ERR_DEAD. */
err eng_wait(engine *e, int timeout_ms, diag *d) MUST_CHECK;
/* From any thread or signal handler: break in if running, cancel what runs otherwise. */
void eng_interrupt(engine *e);
/* From any thread or signal handler: eng_wait returns ERR_CANCELLED, the target is left as it is.
 */
void eng_exit_wait(engine *e);
/* Shows what a stop shows: registers, symbol line, instruction. */
void eng_show_stop(engine *e);

eng_proc *eng_proc_nth(engine *e, size_t i); /* by number; NULL behind the last */
eng_proc *eng_proc_find(engine *e, uint64_t pid);
eng_thr *eng_thr_find(engine *e, unit_t tid);
/* Suspend count and freeze; ERR_ARG for a count below zero. */
err eng_thr_hold(engine *e, eng_thr *t, int suspend, bool frozen, diag *d) MUST_CHECK;
/* Breakpoints, modules and numbers of a process that is gone. */
void eng_proc_forget(engine *e, uint64_t pid);

/* ---- views: everything that commands read goes through these ---- */

bool eng_is_user(engine *e, uint64_t addr);
/* Where the unit of the last event runs: AS_CURRENT, or its process. */
as_t eng_here(const engine *e);
as_t eng_space(engine *e, uint64_t addr); /* the space the current context reads addr in */
err eng_read(engine *e, uint64_t addr, void *p, size_t n, size_t *n_ret, diag *d) MUST_CHECK;
err eng_read_all(engine *e, uint64_t addr, void *p, size_t n, diag *d) MUST_CHECK;
err eng_write(engine *e, uint64_t addr, const void *p, size_t n, diag *d) MUST_CHECK;
err eng_read_uint(engine *e, uint64_t addr, size_t size, uint64_t *ret, diag *d) MUST_CHECK;
err eng_read_ptr(engine *e, uint64_t addr, uint64_t *ret, diag *d) MUST_CHECK;
/* Physical; cache: 0 default, 1 cached, 2 uncached, 3 write-combined. */
err eng_read_phys(
	engine *e, uint64_t addr, int cache, void *p, size_t n, size_t *n_ret, diag *d) MUST_CHECK;
err eng_write_phys(
	engine *e, uint64_t addr, int cache, const void *p, size_t n, diag *d) MUST_CHECK;
/* NUL-terminated text of at most max characters (cut beyond); UTF-8. */
err eng_read_str(engine *e, arena *a, uint64_t addr, size_t max, str *ret, diag *d) MUST_CHECK;
err eng_read_wstr(engine *e, arena *a, uint64_t addr, size_t max, str *ret, diag *d) MUST_CHECK;
/* UNICODE_STRING at addr. */
err eng_read_ustring(engine *e, arena *a, uint64_t addr, str *ret, diag *d) MUST_CHECK;

/* Registers of the current register context (unit, .thread, .cxr, .trap, frame). */
err eng_regs(engine *e, unsigned sets, x64_regs *ret, diag *d) MUST_CHECK;
err eng_unit_regs(engine *e, unit_t u, unsigned sets, x64_regs *ret, diag *d) MUST_CHECK;
/* Writes to the current unit; ERR_STATE in a set context. */
err eng_regs_write(engine *e, unsigned sets, const x64_regs *r, diag *d) MUST_CHECK;
err eng_ip(engine *e, uint64_t *ret, diag *d) MUST_CHECK; /* no request if the event tells */
/* The instruction whose locals and line are the current frame's: a caller's is its call, in front
 * of the address that it returns to. */
err eng_scope_ip(engine *e, uint64_t *ret, diag *d) MUST_CHECK;
/* Its source line: of a function where something is inlined, the call's. */
err eng_scope_line(engine *e, sym_line *ret, diag *d) MUST_CHECK;
/*
 * The current frame's parameters and variables, innermost block last; of an inlined call only its
 * own. around: those of the functions that it is inlined into, instead.
 */
err eng_locals(
	engine *e, arena *a, bool around, sym_local **ret, size_t *n_ret, diag *d) MUST_CHECK;

/* ---- changing the context ---- */

void eng_ctx_reset(engine *e);	    /* everything back to the event's */
void eng_ctx_reset_regs(engine *e); /* .thread, .cxr, .trap undone */
err eng_ctx_unit(engine *e, unit_t u, diag *d) MUST_CHECK;
/* .process: decode = /p (reads go through the process's own page tables). 0: default process. Sets
 * the symbol scope; does not load modules. */
err eng_ctx_process(engine *e, uint64_t process, bool decode, diag *d) MUST_CHECK;
err eng_ctx_thread(engine *e, uint64_t thread, bool decode, diag *d) MUST_CHECK;
void eng_ctx_regs(engine *e, eng_regs_from from, uint64_t addr, const x64_regs *r);
err eng_ctx_frame(engine *e, uint32_t n, diag *d) MUST_CHECK;
/* The implicit process, asking the system if it is not known yet. */
err eng_process(engine *e, uint64_t *ret, diag *d) MUST_CHECK;
err eng_thread(engine *e, uint64_t *ret, diag *d) MUST_CHECK;
/* For commands that look elsewhere and come back: */
eng_ctx eng_ctx_save(engine *e);
void eng_ctx_restore(engine *e, const eng_ctx *saved);
/* Refreshes module lists: kernel and/or the implicit process's. */
err eng_reload(engine *e, bool kernel, bool user, diag *d) MUST_CHECK;

/* ---- expressions, names, stacks ---- */

/* The environment of the current context, for masm_*. */
void eng_masm_env(engine *e, masm_env *ret);
/* Whole text. */
err eng_eval(engine *e, str text, uint64_t *ret, diag *d) MUST_CHECK;
/* The longest expression at the start of *rest, which moves behind it (and following blanks). */
err eng_eval_prefix(engine *e, str *rest, uint64_t *ret, diag *d) MUST_CHECK;
/* Register or pseudo-register by name without @; is it one at all? */
bool eng_is_reg(engine *e, str name);
err eng_reg_get(engine *e, str name, uint64_t *ret, diag *d) MUST_CHECK;
err eng_reg_set(engine *e, str name, uint64_t v, diag *d) MUST_CHECK;

typedef struct eng_frame {
	uint64_t sp;	   /* Child-SP: rsp inside the function */
	uint64_t ip;	   /* call site: rip inside the function */
	uint64_t ret;	   /* return address (the caller's ip) */
	uint64_t ret_slot; /* where it was read; 0 for a trap frame */
	uint64_t func;	   /* start of the function by unwind data, 0 unknown */
	bool trap;	   /* the caller was interrupted here (machine frame) */
	bool leaf;	   /* no unwind data */
	x64_regs regs;	   /* registers inside this frame, as far as they can be known */
} eng_frame;

/* Top first, at most max frames from `start` in the current views. OK with at least one frame even
 * if the walk ended early; *why (may be NULL) then says what stopped it. */
err eng_stack(engine *e, arena *a, const x64_regs *start, size_t max, eng_frame **ret,
	size_t *n_ret, diag *why) MUST_CHECK;

/* Decodes the instruction at addr in the current view. */
err eng_insn(engine *e, uint64_t addr, x64_insn *ret, diag *d) MUST_CHECK;
/* Resolver for x64_format in the current scope. */
x64_names eng_names(engine *e);

/* ---- filters (sx) ---- */

typedef enum sx_break { SX_BREAK, SX_SECOND, SX_OUTPUT, SX_IGNORE } sx_break;
typedef struct sx_filter {
	const char *code; /* "av", "ld", NULL for a numbered exception */
	const char *name; /* "Access violation" */
	uint32_t number;  /* exception code; 0 for events */
	bool is_event;	  /* ld, ud, ... */
	sx_break brk;
	bool handled;
	bool touched; /* set by a command: not the default any more */
	char *command, *command2;
	char *arg;		/* ld:nt */
	const char *handled_by; /* "hc", "bpec", "ssec": separate name of the handling side */
} sx_filter;
size_t sx_count(engine *e);
sx_filter *sx_nth(engine *e, size_t i);
sx_filter *sx_find(engine *e, str code, uint32_t number); /* NULL if not listed */
sx_filter *sx_add(engine *e, uint32_t number);		  /* numbered exception */
/* "sigrtmin+3": the number of its filter, which is not listed before sx_add. Its name; NULL if it
 * is no such signal's. */
bool sx_real_time(str code, uint32_t *number_ret);
const char *sx_real_time_name(uint32_t number);
void sx_reset(engine *e);
sx_filter *sx_default(engine *e); /* "*": all others */

/* ---- journal of bytes in physical pages ---- */

/* Kept in a file so that the next session can mend a page after a crash of this one. */
err journal_add(engine *e, uint64_t phys, uint8_t original, uint8_t planted, diag *d) MUST_CHECK;
void journal_del(engine *e, uint64_t phys); /* the byte is out */
/* The byte's trap is deleted, which takes effect when the target is resumed or left; after that
 * journal_settle drops the entry. journal_add of the same byte takes it up again. */
void journal_retire(engine *e, uint64_t phys);
void journal_settle(engine *e);
/* Writes back what the file names, if the page still holds the planted byte. n_ret: bytes mended.
 * The file stays: journal_forget, when nothing of ours can be in the target any more. */
err journal_repair(engine *e, size_t *n_ret, diag *d) MUST_CHECK;
void journal_forget(engine *e);

/* ---- workspace ---- */

err workspace_save(engine *e, const char *path, diag *d) MUST_CHECK;
err workspace_load(engine *e, const char *path, diag *d) MUST_CHECK;

/* ---- calls of functions (call.c) ---- */

/* One argument, in memory of the caller. type file NULL: one more than the function names, an
 * integer or pointer of 8 bytes, or (real) a double. */
typedef struct eng_arg {
	sym_type type;
	bool real;
	const uint8_t *p;
	size_t n;
} eng_arg;

/*
 * Sends the current thread into func, as a function of the type that the one at `like` has (the
 * same, or a prototype): it runs with the next eng_wait and stops when it returns, with the
 * registers as they were and the result in $callret. User mode, System V's convention (.call).
 * ERR_STATE: one is under way on this thread; ERR_NOTFOUND: no type is known at `like`;
 * ERR_UNSUPPORTED: an argument of a kind that cannot be passed.
 */
err eng_call(
	engine *e, uint64_t func, uint64_t like, const eng_arg *args, size_t n, diag *d) MUST_CHECK;
/* The call under way on the current thread is forgotten; restore: its registers are put back. */
err eng_call_clear(engine *e, bool restore, diag *d) MUST_CHECK;
/* Type of the function that begins at func. */
err eng_func_type(engine *e, uint64_t func, sym_type *ret, diag *d) MUST_CHECK;

#endif
