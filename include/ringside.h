/*
 * Ringside: the debugger engine as a C library.
 *
 * The model and the names are DbgEng's (IDebugClient5, IDebugControl3, IDebugDataSpaces,
 * IDebugRegisters, IDebugSymbols, IDebugBreakpoint2), one to one: Method becomes rs_method, the
 * interface pointer becomes the session, GetXxx/SetXxx keep their argument order, HRESULTs keep
 * their values. docs/api.md has the table. What DbgEng does not have is marked "(own)".
 *
 *   rs_session *s;
 *   rs_create(&s);
 *   rs_attach_kernel(s, RS_ATTACH_KERNEL_CONNECTION, "com:pipe,port=/run/vm/kd,reconnect");
 *   rs_wait_for_event(s, 0, RS_INFINITE);           // the attach is complete only now
 *   rs_execute(s, RS_OUTCTL_ALL_CLIENTS, "!process -1 0", 0);
 *   rs_set_execution_status(s, RS_STATUS_GO);
 *   rs_wait_for_event(s, 0, RS_INFINITE);
 *
 * Threads: a session belongs to the thread that created it; calls from another thread return
 * RS_E_UNEXPECTED at once, except rs_set_interrupt, rs_get_execution_status and
 * rs_set_kernel_connection_options, which any thread may call at any time (rs_set_interrupt also
 * from a signal handler). Callbacks arrive on the session's thread.
 */
#ifndef RINGSIDE_H
#define RINGSIDE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define RS_API __attribute__((visibility("default")))
#else
#define RS_API
#endif

/* ---- results ---- */

typedef int32_t rs_result; /* HRESULT: negative is failure */

#define RS_S_OK	   ((rs_result)0)
#define RS_S_FALSE ((rs_result)1) /* partial: buffer too small, timeout, "no" */
#define RS_E_UNEXPECTED                                                                            \
	((rs_result)0x8000FFFF) /* target not accessible, engine in the wrong state */
#define RS_E_NOTIMPL	  ((rs_result)0x80004001)
#define RS_E_NOINTERFACE  ((rs_result)0x80004002) /* object not found */
#define RS_E_FAIL	  ((rs_result)0x80004005)
#define RS_E_PENDING	  ((rs_result)0x8000000A)
#define RS_E_ACCESSDENIED ((rs_result)0x80070005)
#define RS_E_OUTOFMEMORY  ((rs_result)0x8007000E)
#define RS_E_INVALIDARG	  ((rs_result)0x80070057)

typedef struct rs_session rs_session;
typedef struct bp rs_breakpoint; /* opaque */

/* ---- sessions (IDebugClient5) ---- */

/* DebugCreate. */
RS_API rs_result rs_create(rs_session **session);
/* Ends whatever is attached as RS_END_PASSIVE does and frees the session; NULL is legal. */
RS_API void rs_destroy(rs_session *session);
/* (own) Words of the last failure on this session; "" if there was none. Valid until the next call.
 */
RS_API const char *rs_error_text(const rs_session *session);
RS_API const char *rs_version(void); /* (own) "0.1.0" */

#define RS_ATTACH_KERNEL_CONNECTION 0u
#define RS_ATTACH_LOCAL_KERNEL	    1u /* RS_E_NOTIMPL */
#define RS_ATTACH_EXDI_DRIVER	    2u /* RS_E_NOTIMPL */

/*
 * AttachKernel. connect_options: the string after WinDbg's -k. The target is acquired only when
 * rs_wait_for_event has returned. RS_E_INVALIDARG: unknown flag or option (named in the error
 * text).
 */
RS_API rs_result rs_attach_kernel(rs_session *session, uint32_t flags, const char *connect_options);
/* OpenDumpFile (-z): an ELF core as the process that it was; a PE or ELF image as a static
 * target. */
RS_API rs_result rs_open_image(rs_session *session, const char *path);

/* GetKernelConnectionOptions: the options used to connect. size and *needed in bytes with the NUL;
 * RS_S_FALSE: truncated. RS_E_UNEXPECTED: no live kernel target. */
RS_API rs_result rs_get_kernel_connection_options(
	rs_session *session, char *buffer, uint32_t size, uint32_t *needed);
/* SetKernelConnectionOptions: "resync" or "cycle_speed" (does nothing unless COM). RS_E_INVALIDARG:
 * another word. RS_E_UNEXPECTED: no live kernel target. Any thread. */
RS_API rs_result rs_set_kernel_connection_options(rs_session *session, const char *options);
/* IsKernelDebuggerEnabled: does the *local* machine allow kernel debugging? RS_S_OK yes, RS_S_FALSE
 * no (always so on this system). */
RS_API rs_result rs_is_kernel_debugger_enabled(rs_session *session);

#define RS_END_PASSIVE		0u /* breakpoints out, target runs on; after q or qd as these say */
#define RS_END_ACTIVE_TERMINATE 1u /* the same for a kernel */
#define RS_END_ACTIVE_DETACH	2u
#define RS_END_REENTRANT	3u /* now, whatever is under way; nothing is said to the target */
RS_API rs_result rs_end_session(rs_session *session, uint32_t flags);

/* ---- user mode (IDebugClient5, IDebugSystemObjects) ---- */

#define RS_CREATE_FOLLOW_CHILDREN 1u /* DEBUG_PROCESS in place of DEBUG_ONLY_THIS_PROCESS */
#define RS_CREATE_KEEP_ASLR	  2u /* (own) addresses stay random */
/*
 * CreateProcess: argv[0] is looked for in PATH unless it has a slash; directory NULL is the
 * caller's. Complete after rs_wait_for_event. All calls of a user-mode session belong to one
 * thread. RS_E_FAIL, RS_E_ACCESSDENIED: see rs_error_text.
 */
RS_API rs_result rs_create_process(rs_session *session, int argc, const char *const *argv,
	const char *directory, uint32_t flags);
#define RS_ATTACH_NONINVASIVE 1u
/* AttachProcess: complete after rs_wait_for_event. RS_E_ACCESSDENIED: the words name the setting
 * that forbids it. */
RS_API rs_result rs_attach_process(rs_session *session, uint64_t system_id, uint32_t flags);
/* RS_E_FAIL: none, or several of that name. */
RS_API rs_result rs_get_running_process_system_id_by_executable_name(
	rs_session *session, const char *name, uint64_t *system_id);
/* All processes of the session; then the session has no target. */
RS_API rs_result rs_detach_processes(rs_session *session);
RS_API rs_result rs_terminate_processes(rs_session *session);
/* The current process. The session ends with its last. */
RS_API rs_result rs_detach_current_process(rs_session *session);
RS_API rs_result rs_terminate_current_process(rs_session *session);
RS_API rs_result rs_abandon_current_process(rs_session *session); /* left stopped */
/* GetExitCode: of the process that ended last; 0x80 + number if a signal ended it. RS_S_FALSE: none
 * has ended. */
RS_API rs_result rs_get_exit_code(rs_session *session, uint32_t *code);
/* Engine ids are what | and ~ show, system ids are pid and tid. By index: 0 to number - 1. */
RS_API rs_result rs_get_number_processes(rs_session *session, uint32_t *number);
RS_API rs_result rs_get_process_ids_by_index(
	rs_session *session, uint32_t index, uint32_t *id, uint64_t *system_id);
RS_API rs_result rs_get_current_process_id(rs_session *session, uint32_t *id);
RS_API rs_result rs_set_current_process_id(rs_session *session, uint32_t id);
RS_API rs_result rs_get_current_process_system_id(rs_session *session, uint64_t *system_id);
/* Threads of the current process. */
RS_API rs_result rs_get_number_threads(rs_session *session, uint32_t *number);
RS_API rs_result rs_get_thread_ids_by_index(
	rs_session *session, uint32_t index, uint32_t *id, uint32_t *system_id);
RS_API rs_result rs_get_current_thread_id(rs_session *session, uint32_t *id);
RS_API rs_result rs_set_current_thread_id(rs_session *session, uint32_t id);
RS_API rs_result rs_get_current_thread_system_id(rs_session *session, uint32_t *system_id);
RS_API rs_result rs_get_thread_id_by_system_id(
	rs_session *session, uint32_t system_id, uint32_t *id);

/* ---- execution (IDebugControl3) ---- */

#define RS_INFINITE 0xffffffffu

/* DEBUG_STATUS_xxx */
#define RS_STATUS_NO_CHANGE	    0u
#define RS_STATUS_GO		    1u
#define RS_STATUS_GO_HANDLED	    2u
#define RS_STATUS_GO_NOT_HANDLED    3u
#define RS_STATUS_STEP_OVER	    4u
#define RS_STATUS_STEP_INTO	    5u
#define RS_STATUS_BREAK		    6u
#define RS_STATUS_NO_DEBUGGEE	    7u
#define RS_STATUS_STEP_BRANCH	    8u
#define RS_STATUS_IGNORE_EVENT	    9u
#define RS_STATUS_RESTART_REQUESTED 10u
#define RS_STATUS_OUT_OF_SYNC	    15u
#define RS_STATUS_WAIT_INPUT	    16u
#define RS_STATUS_TIMEOUT	    17u

/*
 * WaitForEvent. RS_S_OK: an event broke in. RS_S_FALSE: timeout_ms passed (a live kernel wants
 * RS_INFINITE in DbgEng; here a timeout is honoured and the wait can be called again).
 * RS_E_PENDING: exit interrupt. RS_E_FAIL: already waiting. RS_E_UNEXPECTED: no target can produce
 * events; the session then ends.
 */
RS_API rs_result rs_wait_for_event(rs_session *session, uint32_t flags, uint32_t timeout_ms);
RS_API rs_result rs_get_execution_status(rs_session *session, uint32_t *status);
/* RS_E_INVALIDARG: not one of GO .. STEP_INTO. RS_E_ACCESSDENIED: running already.
 * RS_E_NOINTERFACE: the target generates no events. RS_E_UNEXPECTED: no target, pending input. */
RS_API rs_result rs_set_execution_status(rs_session *session, uint32_t status);

#define RS_INTERRUPT_ACTIVE  0u /* break in, or cancel what runs */
#define RS_INTERRUPT_PASSIVE 1u /* only registers the interrupt */
/* The wait returns RS_E_PENDING without a break. While the session ends: what is still to be taken
 * out of a kernel stays in it, and rs_end_session returns soon. */
#define RS_INTERRUPT_EXIT 2u
/* SetInterrupt: any thread, any time, signal handlers; returns at once. */
RS_API rs_result rs_set_interrupt(rs_session *session, uint32_t flags);
/* GetInterrupt: RS_S_OK if one was set (it is cleared), RS_S_FALSE if not. */
RS_API rs_result rs_get_interrupt(rs_session *session);

#define RS_OUTCTL_THIS_CLIENT 0u
#define RS_OUTCTL_ALL_CLIENTS 1u
#define RS_OUTCTL_IGNORE      3u

#define RS_EXECUTE_ECHO	      1u
#define RS_EXECUTE_NOT_LOGGED 2u
#define RS_EXECUTE_NO_REPEAT  4u
/*
 * Execute: runs a command string. A lone g or p only sets the status and returns before it happens;
 * in a sequence ("g; k") the wait is implicit. RS_E_FAIL: a command failed (its words were output).
 */
RS_API rs_result rs_execute(
	rs_session *session, uint32_t output_control, const char *command, uint32_t flags);
/* ExecuteCommandFile: the lines of a file. */
RS_API rs_result rs_execute_command_file(
	rs_session *session, uint32_t output_control, const char *file, uint32_t flags);
/* Evaluate, 64-bit integers only: *remainder_index is where the expression ended. RS_E_FAIL:
 * syntax, unknown symbol, division by zero. */
RS_API rs_result rs_evaluate(
	rs_session *session, const char *expression, uint64_t *value, uint32_t *remainder_index);

#define RS_CURRENT_DEFAULT 0xfu
/* OutputCurrentState: registers as set, symbol and instruction at the current place. */
RS_API rs_result rs_output_current_state(
	rs_session *session, uint32_t output_control, uint32_t flags);
/* GetPromptText: "0: kd" without the bracket, as DbgEng. */
RS_API rs_result rs_get_prompt_text(
	rs_session *session, char *buffer, uint32_t size, uint32_t *needed);
RS_API rs_result rs_get_number_processors(rs_session *session, uint32_t *number);
/* GetLastEventInformation, cut down: DEBUG_EVENT_xxx bits, processor, and its description. */
#define RS_EVENT_BREAKPOINT	0x1u
#define RS_EVENT_EXCEPTION	0x2u
#define RS_EVENT_CREATE_THREAD	0x4u
#define RS_EVENT_EXIT_THREAD	0x8u
#define RS_EVENT_CREATE_PROCESS 0x10u
#define RS_EVENT_EXIT_PROCESS	0x20u
#define RS_EVENT_LOAD_MODULE	0x40u
#define RS_EVENT_UNLOAD_MODULE	0x80u
RS_API rs_result rs_get_last_event_information(rs_session *session, uint32_t *type,
	uint32_t *processor, char *description, uint32_t size, uint32_t *needed);
/* ReadBugCheckData */
RS_API rs_result rs_read_bug_check_data(rs_session *session, uint32_t *code, uint64_t args[4]);

#define RS_ENGOPT_INITIAL_BREAK		  0x20u
#define RS_ENGOPT_FINAL_BREAK		  0x80u
#define RS_ENGOPT_SYNCHRONIZE_BREAKPOINTS 0x800u
RS_API rs_result rs_add_engine_options(rs_session *session, uint32_t options);
RS_API rs_result rs_remove_engine_options(rs_session *session, uint32_t options);
RS_API rs_result rs_get_engine_options(rs_session *session, uint32_t *options);

/* ---- memory (IDebugDataSpaces) ---- */

/* ReadVirtual: the current context's view, planted breakpoints hidden. *done < size is success; the
 * first byte unreadable is RS_E_FAIL. */
RS_API rs_result rs_read_virtual(
	rs_session *session, uint64_t offset, void *buffer, uint32_t size, uint32_t *done);
RS_API rs_result rs_write_virtual(
	rs_session *session, uint64_t offset, const void *buffer, uint32_t size, uint32_t *done);
RS_API rs_result rs_read_physical(
	rs_session *session, uint64_t offset, void *buffer, uint32_t size, uint32_t *done);
RS_API rs_result rs_write_physical(
	rs_session *session, uint64_t offset, const void *buffer, uint32_t size, uint32_t *done);

/* ---- registers (IDebugRegisters) ---- */

RS_API rs_result rs_get_number_registers(rs_session *session, uint32_t *number);
/* GetDescription / GetIndexByName */
RS_API rs_result rs_get_register_name(
	rs_session *session, uint32_t index, char *buffer, uint32_t size, uint32_t *needed);
RS_API rs_result rs_get_index_by_name(rs_session *session, const char *name, uint32_t *index);
/* GetValue / SetValue: the low 64 bits. */
RS_API rs_result rs_get_value(rs_session *session, uint32_t index, uint64_t *value);
RS_API rs_result rs_set_value(rs_session *session, uint32_t index, uint64_t value);
RS_API rs_result rs_get_instruction_offset(rs_session *session, uint64_t *offset);
RS_API rs_result rs_get_stack_offset(rs_session *session, uint64_t *offset);

/* ---- symbols (IDebugSymbols) ---- */

/* RS_E_FAIL: not found. */
RS_API rs_result rs_get_offset_by_name(rs_session *session, const char *symbol, uint64_t *offset);
/* "module!name", *displacement from it. RS_S_FALSE: truncated. */
RS_API rs_result rs_get_name_by_offset(rs_session *session, uint64_t offset, char *buffer,
	uint32_t size, uint32_t *needed, uint64_t *displacement);
RS_API rs_result rs_get_symbol_path(
	rs_session *session, char *buffer, uint32_t size, uint32_t *needed);
RS_API rs_result rs_set_symbol_path(rs_session *session, const char *path);
RS_API rs_result rs_reload(rs_session *session, const char *module);
/* GetFieldOffset by names: module!type, dotted field. */
RS_API rs_result rs_get_field_offset(
	rs_session *session, const char *type, const char *field, uint32_t *offset);

/* ---- contexts (IDebugSystemObjects) ---- */

/* 0 sets the default. The two are independent of each other. */
RS_API rs_result rs_get_implicit_process_data_offset(rs_session *session, uint64_t *offset);
RS_API rs_result rs_set_implicit_process_data_offset(rs_session *session, uint64_t offset);
RS_API rs_result rs_get_implicit_thread_data_offset(rs_session *session, uint64_t *offset);
RS_API rs_result rs_set_implicit_thread_data_offset(rs_session *session, uint64_t offset);

/* ---- breakpoints (IDebugControl3, IDebugBreakpoint2) ---- */

#define RS_BREAKPOINT_CODE 0u
#define RS_BREAKPOINT_DATA 1u
#define RS_ANY_ID	   0xffffffffu
#define RS_INVALID_OFFSET  UINT64_MAX

#define RS_BREAKPOINT_GO_ONLY	 1u
#define RS_BREAKPOINT_DEFERRED	 2u /* the engine's; must be 0 in Add/Remove/SetFlags */
#define RS_BREAKPOINT_ENABLED	 4u
#define RS_BREAKPOINT_ADDER_ONLY 8u
#define RS_BREAKPOINT_ONE_SHOT	 0x10u

#define RS_BREAK_READ	 1u
#define RS_BREAK_WRITE	 2u
#define RS_BREAK_EXECUTE 4u
#define RS_BREAK_IO	 8u

/* AddBreakpoint: new, disabled, at 0. RS_E_INVALIDARG: id in use or bad type. */
RS_API rs_result rs_add_breakpoint(
	rs_session *session, uint32_t type, uint32_t desired_id, rs_breakpoint **breakpoint);
RS_API rs_result rs_remove_breakpoint(rs_session *session, rs_breakpoint *breakpoint);
RS_API rs_result rs_get_number_breakpoints(rs_session *session, uint32_t *number);
/* RS_E_NOINTERFACE: there is none. The pointer is valid until the breakpoint is removed; a call
 * with one that was removed returns RS_E_NOINTERFACE. */
RS_API rs_result rs_get_breakpoint_by_id(
	rs_session *session, uint32_t id, rs_breakpoint **breakpoint);
RS_API rs_result rs_get_breakpoint_by_index(
	rs_session *session, uint32_t index, rs_breakpoint **breakpoint);

RS_API rs_result rs_breakpoint_get_id(rs_session *session, rs_breakpoint *bp, uint32_t *id);
RS_API rs_result rs_breakpoint_get_type(rs_session *session, rs_breakpoint *bp, uint32_t *type);
RS_API rs_result rs_breakpoint_get_flags(rs_session *session, rs_breakpoint *bp, uint32_t *flags);
RS_API rs_result rs_breakpoint_add_flags(rs_session *session, rs_breakpoint *bp, uint32_t flags);
RS_API rs_result rs_breakpoint_remove_flags(rs_session *session, rs_breakpoint *bp, uint32_t flags);
/* GetOffset: RS_E_NOINTERFACE if deferred. SetOffset: RS_E_UNEXPECTED if deferred. */
RS_API rs_result rs_breakpoint_get_offset(rs_session *session, rs_breakpoint *bp, uint64_t *offset);
RS_API rs_result rs_breakpoint_set_offset(rs_session *session, rs_breakpoint *bp, uint64_t offset);
/* SetOffsetExpression: one that cannot be evaluated makes it deferred. */
RS_API rs_result rs_breakpoint_get_offset_expression(
	rs_session *session, rs_breakpoint *bp, char *buffer, uint32_t size, uint32_t *needed);
RS_API rs_result rs_breakpoint_set_offset_expression(
	rs_session *session, rs_breakpoint *bp, const char *expression);
/* RS_E_NOINTERFACE on a code breakpoint. Size x64: 1 2 4 8; READ implies READ|WRITE. */
RS_API rs_result rs_breakpoint_get_data_parameters(
	rs_session *session, rs_breakpoint *bp, uint32_t *size, uint32_t *access);
RS_API rs_result rs_breakpoint_set_data_parameters(
	rs_session *session, rs_breakpoint *bp, uint32_t size, uint32_t access);
/* Original number; the current one counts down to 1, where it triggers. Set resets both. */
RS_API rs_result rs_breakpoint_get_pass_count(
	rs_session *session, rs_breakpoint *bp, uint32_t *count);
RS_API rs_result rs_breakpoint_set_pass_count(
	rs_session *session, rs_breakpoint *bp, uint32_t count);
RS_API rs_result rs_breakpoint_get_current_pass_count(
	rs_session *session, rs_breakpoint *bp, uint32_t *count);
RS_API rs_result rs_breakpoint_get_command(
	rs_session *session, rs_breakpoint *bp, char *buffer, uint32_t size, uint32_t *needed);
RS_API rs_result rs_breakpoint_set_command(
	rs_session *session, rs_breakpoint *bp, const char *command);
/* (own) EPROCESS that it is bound to, 0 for any; DbgEng has only the thread. */
RS_API rs_result rs_breakpoint_set_match_process(
	rs_session *session, rs_breakpoint *bp, uint64_t process);
/* Kernel: ETHREAD address. RS_E_NOINTERFACE: none set; RS_E_INVALIDARG: kernel data breakpoint. */
RS_API rs_result rs_breakpoint_get_match_thread(
	rs_session *session, rs_breakpoint *bp, uint64_t *thread);
RS_API rs_result rs_breakpoint_set_match_thread(
	rs_session *session, rs_breakpoint *bp, uint64_t thread);

/* ---- callbacks ---- */

typedef struct rs_exception {
	uint32_t code, flags;
	uint64_t address;
	uint32_t n_parameters;
	uint64_t parameters[15];
	int first_chance;
} rs_exception;

/* DEBUG_SESSION_xxx that are told. */
#define RS_SESSION_ACTIVE 0u /* first contact, also after a reboot */
#define RS_SESSION_END	  1u /* DEBUG_SESSION_END_SESSION_ACTIVE_TERMINATE */
#define RS_SESSION_REBOOT 5u /* the target begins anew; ACTIVE follows */

/*
 * IDebugEventCallbacks. Each returns a vote (RS_STATUS_xxx, NO_CHANGE for none); the highest of
 * BREAK, STEP_INTO, STEP_BRANCH, STEP_OVER, GO_NOT_HANDLED, GO_HANDLED, GO wins. NULL: not wanted.
 * Breakpoint and filter commands run before the callbacks.
 */
typedef struct rs_event_callbacks {
	uint32_t (*breakpoint)(void *u, rs_breakpoint *bp, uint32_t id);
	uint32_t (*exception)(void *u, const rs_exception *e);
	uint32_t (*load_module)(
		void *u, uint64_t base, uint32_t size, const char *path, uint32_t checksum);
	uint32_t (*unload_module)(void *u, const char *path, uint64_t base);
	uint32_t (*session_status)(void *u, uint32_t status);	    /* RS_SESSION_xxx */
	uint32_t (*change_debuggee_state)(void *u, uint32_t flags); /* DEBUG_CDS_xxx */
	uint32_t (*change_engine_state)(void *u, uint32_t flags);   /* DEBUG_CES_xxx */
	uint32_t (*change_symbol_state)(void *u, uint32_t flags);   /* DEBUG_CSS_xxx */
	uint32_t (*create_process)(void *u, uint64_t system_id, const char *image, uint64_t base);
	uint32_t (*exit_process)(void *u, uint64_t system_id, uint32_t exit_code);
	uint32_t (*create_thread)(void *u, uint64_t process_system_id, uint32_t system_id);
	uint32_t (*exit_thread)(void *u, uint32_t system_id, uint32_t exit_code);
} rs_event_callbacks;
RS_API rs_result rs_set_event_callbacks(
	rs_session *session, const rs_event_callbacks *callbacks, void *u);

/* DEBUG_OUTPUT_xxx masks. */
#define RS_OUTPUT_NORMAL	   0x1u
#define RS_OUTPUT_ERROR		   0x2u
#define RS_OUTPUT_WARNING	   0x4u
#define RS_OUTPUT_VERBOSE	   0x8u
#define RS_OUTPUT_PROMPT	   0x10u
#define RS_OUTPUT_PROMPT_REGISTERS 0x20u
#define RS_OUTPUT_DEBUGGEE	   0x80u
#define RS_OUTPUT_DEBUGGEE_PROMPT  0x100u
#define RS_OUTPUT_SYMBOLS	   0x200u
#define RS_OUTPUT_STATUS	   0x400u
/* IDebugOutputCallbacks. text is not NUL-terminated; no newline is added. */
typedef void rs_output_fn(void *u, uint32_t mask, const char *text, size_t n);
RS_API rs_result rs_set_output_callbacks(rs_session *session, rs_output_fn *fn, void *u);
/* IDebugInputCallbacks, synchronous (own): fills buffer with a line (no newline), returns its
 * length or -1 when there will be none. */
typedef int rs_input_fn(void *u, const char *prompt, char *buffer, size_t size);
RS_API rs_result rs_set_input_callbacks(rs_session *session, rs_input_fn *fn, void *u);

/* ---- for front ends (own) ---- */

/* Did q, qq or qd run? *leave_running is 0 only for an abandoned target. */
RS_API int rs_quit_requested(rs_session *session);
/* Was a program started in this session? While the target runs, the terminal is the program's: a
 * front end leaves its mode and its input alone. */
RS_API int rs_program_on_terminal(rs_session *session);
/* What an empty line after this command runs: the command, "db" after "db 1000" (it goes on), or
 * "". */
RS_API rs_result rs_get_repeat_line(
	rs_session *session, const char *command, char *buffer, uint32_t size, uint32_t *needed);
/* Candidates for the word that ends at `at` in line; sorted, at most max. Freed by
 * rs_free_completions. *start: where the word begins. */
RS_API size_t rs_complete(
	rs_session *session, const char *line, size_t at, size_t max, char ***ret, size_t *start);
RS_API void rs_free_completions(char **list, size_t n);
/* Rows of the command tables, for help, man page and documents. Returns 0 behind the end. */
typedef struct rs_command_info {
	const char *family, *name, *usage, *summary, *help;
	int later; /* documented by WinDbg, not there yet */
	int kernel, user;
} rs_command_info;
RS_API int rs_get_command_info(size_t index, rs_command_info *ret);
RS_API rs_result rs_set_command_line(
	rs_session *session, int argc, const char *const *argv);	   /* vercommand */
RS_API rs_result rs_toggle_packet_trace(rs_session *session, int *on_ret); /* Ctrl+D */
RS_API rs_result rs_cycle_reboot_break(rs_session *session, const char **state_ret); /* Ctrl+K */
RS_API rs_result rs_toggle_verbose(rs_session *session, int *on_ret);		     /* Ctrl+V */
RS_API rs_result rs_save_workspace(rs_session *session, const char *file);
RS_API rs_result rs_load_workspace(rs_session *session, const char *file);

#ifdef __cplusplus
}
#endif

#endif
