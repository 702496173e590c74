/*
 * kdport: the seam between the debugger stub (guest/kd/) and the kernel it lives in.
 *
 * The stub knows the KD protocol and nothing of the kernel: not one of its structures, no processor
 * instruction. Everything it needs comes through the kd_port_ functions, which the kernel writes
 * (guest/nt/kdglue.c) and, for tests on the host, tests/kdpeer/machine.c. The same C files compile
 * freestanding for x86_64-pc-windows-msvc and for the host.
 *
 *                 kernel                         stub                            wire
 *   trap, int 3 ------------> kd_enter_exception ---- state change ------------->
 *   image loaded -----------> kd_report_load_symbols                    <-------- requests
 *   DbgPrint ---------------> kd_print                replies, continue <------->
 *   clock interrupt --------> kd_poll_break_in                          <-------- 0x62
 *   page made present ------> kd_page_appeared
 *   memory, registers <------ kd_port_...
 *
 * Rules for both sides
 *  - The stub has one static state (one link): every kd_ entry that talks is bracketed by
 *    kd_port_enter/kd_port_leave, which makes it single-threaded.
 *  - Between enter and leave the kernel takes no fault for the stub's sake: the copy functions
 * check first (or recover) and say how much went well.
 *  - The stub needs about 1 KiB of stack; its packet buffers are static.
 *  - Compile with -DKD_VARIANT_B=1 for the kernel that answers the optional requests the other way
 *    round (table `requests` in kdmemory.c, ends() in kdstate.c, packet ids in kdlink.c).
 */
#ifndef KD_PORT_H
#define KD_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kdabi.h"

#ifndef KD_VARIANT_B
#define KD_VARIANT_B 0
#endif

/* ================= what the kernel provides ================= */

/* ---- bytes of the debug port ---- */

void kd_port_putc(uint8_t byte);
/* The next byte, or -1 if none came within about wait_us microseconds (0: only what is there now).
 * Called with interrupts off, by one processor at a time. */
int kd_port_getc(uint32_t wait_us);

/* ---- plain memory (no libc in the kernel) ---- */

void kd_port_copy(void *to, const void *from, size_t n); /* regions do not overlap */
void kd_port_zero(void *to, size_t n);

/* ---- stopping the machine ---- */

/*
 * Called first by whoever wants to talk: waits until no other processor is between enter and leave
 * (a processor that waits here lets itself be frozen, with its context saved, by the one that is
 * inside), turns interrupts off, freezes all other processors, saves each one's CONTEXT and special
 * registers (the caller's special registers too: DR6 and DR7 as the trap left them). Nesting does
 * not occur.
 */
void kd_port_enter(void);
/* Loads every processor's special registers that were changed (DR0-3, DR6, DR7 at least), lets the
 * others go on from their (perhaps changed) CONTEXTs, restores interrupts. */
void kd_port_leave(void);

unsigned kd_port_processor(void); /* the one that runs the stub, from 0 */
unsigned kd_port_processor_count(void);
/* From now on the copy_virtual functions see the address space that processor n was frozen in
 * (load its page-table root; the kernel half is common). kd_port_leave undoes it. */
void kd_port_select(unsigned n);

/* The saved context of a frozen processor; never asked for the one that runs the stub. Writable. */
CONTEXT *kd_port_context(unsigned n);
void kd_port_special_get(unsigned n, KSPECIAL_REGISTERS *ret);
void kd_port_special_set(unsigned n, const KSPECIAL_REGISTERS *regs);

/* Virtual addresses of processor n's structures. */
typedef enum kd_block { KD_BLOCK_KPCR = 0, KD_BLOCK_KPRCB = 1, KD_BLOCK_KTHREAD = 3 } kd_block;
uint64_t kd_port_block(unsigned n, kd_block which);

/* ---- memory of the machine ---- */

/*
 * Copies from or to the current address space and returns how many bytes, from the front, could be
 * copied: 0 if the first is not accessible. Any length, any alignment, any address (also
 * non-canonical). Never pages in. A write ignores page protection and does not break copy-on-write:
 * it goes to the physical page behind the address (a breakpoint in a shared page is seen by all).
 */
size_t kd_port_read_virtual(uint64_t va, void *to, size_t n);
size_t kd_port_write_virtual(uint64_t va, const void *from, size_t n);
/* Likewise for physical RAM. caching: 0 default, 1 cached, 2 uncached, 3 write-combined; a kernel
 * may serve them all alike. Beyond RAM: 0. */
size_t kd_port_read_physical(uint64_t pa, void *to, size_t n, unsigned caching);
size_t kd_port_write_physical(uint64_t pa, const void *from, size_t n, unsigned caching);

/* First address that is not user space, e.g. 0x7fffffff0000: breakpoints below belong to a process.
 */
uint64_t kd_port_user_end(void);
/* What tells the address space that the copy functions see (also after kd_port_select) from others:
 * its page-table root, kernel half included. */
uint64_t kd_port_process(void);
/* The copy functions see the user space of another process, named as kd_port_process named it (one
 * for which kd_process_gone has not been called); 0: back to what they saw before. */
void kd_port_attach(uint64_t process);

typedef enum kd_space { KD_SPACE_PROCESS = 0, KD_SPACE_SESSION = 1, KD_SPACE_KERNEL = 2 } kd_space;
enum { KD_MEM_READ = 1, KD_MEM_WRITE = 2, KD_MEM_EXECUTE = 4, KD_MEM_FIXED = 8 };
/* False if va is mapped nowhere; otherwise which part of the address space and KD_MEM_ flags. */
bool kd_port_query(uint64_t va, kd_space *space_ret, unsigned *flags_ret);
/* Makes a paged-out page of the current process (or kernel) present; false if it has none there or
 * this kernel cannot do that from the debugger. */
bool kd_port_page_in(uint64_t va);

/* ---- devices and registers of the running processor ---- */

/* size 1, 2 or 4 (checked). */
uint32_t kd_port_io_read(uint16_t port, unsigned size);
void kd_port_io_write(uint16_t port, unsigned size, uint32_t value);
/* False if there is no such register. */
bool kd_port_msr_read(uint32_t msr, uint64_t *ret);
bool kd_port_msr_write(uint32_t msr, uint64_t value);
/* Bytes copied; 0: no such device. type 4 = PCIConfiguration (slot: device | function << 5). */
size_t kd_port_bus_read(
	unsigned type, unsigned bus, unsigned slot, unsigned offset, void *to, size_t n);
size_t kd_port_bus_write(
	unsigned type, unsigned bus, unsigned slot, unsigned offset, const void *from, size_t n);

/* ---- the kernel as a whole ---- */

/* KernBase, PsLoadedModuleList, DebuggerDataList (address of a list head that links the
 * KDDEBUGGER_DATA64), MinorVersion (build) and MP flag; the stub fills the protocol's numbers. */
void kd_port_version(DBGKD_GET_VERSION64 *ret);
uint16_t kd_port_processor_level(void);
/* The stub has learnt that a debugger is (not) there: KdDebuggerNotPresent and its like. */
void kd_port_present(bool present);
__attribute__((noreturn)) void kd_port_reboot(void);
/* Must be entered as after leave: the stub has left before it calls this (it reports a stop
 * itself). */
__attribute__((noreturn)) void kd_port_bug_check(uint32_t code);

/* ================= what the stub offers ================= */

/* Once, before anything else; no byte is sent. */
void kd_init(void);

/*
 * From the clock interrupt of every processor (and from waits in early boot): looks at the port
 * without waiting. True: the debugger asks for a break, and the caller then runs a breakpoint with
 * status 1 (nt!DbgBreakPointWithStatus(DBG_STATUS_CONTROL_C)), whose trap ends in
 * kd_enter_exception. Cheap, takes no lock when nothing came; call only when this processor is not
 * between enter and leave.
 */
bool kd_poll_break_in(void);

/*
 * An exception. For a breakpoint both record->ExceptionAddress and context->Rip are the address of
 * the int 3 itself. The debugger may change *context (and step PC over an int 3 of the code itself:
 * if Rip still stands on the int 3 on return and no debugger moved it, the instruction runs again).
 * second_chance as in NT: hard-coded breakpoints and single steps (KD's own business) come at first
 * chance and are always reported; other first-chance exceptions only if the kernel chooses to ask.
 * True: handled, continue with *context. False: not handled, dispatch on (or bug check).
 * Hits of planted breakpoints, steps and hardware breakpoints from user mode end here as well.
 */
bool kd_enter_exception(const EXCEPTION_RECORD64 *record, CONTEXT *context, bool second_chance);

/*
 * A kernel image was loaded or is about to go (unload). path is ASCII, of path_n bytes. Does not
 * block for ever when no debugger answers. context: of the caller (it may come back with the trace
 * flag set; if the caller cannot apply that, pass a copy). base -1 with size 0 unloads "everything
 * of process pid".
 */
void kd_report_load_symbols(const char *path, size_t path_n, uint64_t base, uint32_t size,
	uint32_t checksum, uint64_t pid, bool unload, CONTEXT *context);

/* DbgPrint. True: a break-in came meanwhile; the caller should break as after kd_poll_break_in. */
bool kd_print(const char *text, size_t n);
/* Binary trace data, which a debugger may ignore. */
void kd_trace(const void *data, size_t n);
/* DbgPrompt: waits for the answer (without NUL); returns its length, at most cap. 0 when absent. */
size_t kd_prompt(const char *prompt, size_t n, char *reply, size_t cap);
/* DbgCommandString: the debugger runs the command; may stop as an exception would. */
void kd_command_string(
	const char *name, size_t name_n, const char *command, size_t command_n, CONTEXT *context);

/* The page of va has just become present in the current process (or in kernel space): owed
 * breakpoint bytes are written. Call also after a switch of address space if kd_owes() says so,
 * with va = 0. Costs a load and a test when nothing is owed. */
void kd_page_appeared(uint64_t va);
bool kd_owes(void);
/* The process with this root (kd_port_process) is going: its user breakpoints leave the table. */
void kd_process_gone(uint64_t process);

/* A debugger has been heard since it was last given up. */
bool kd_present(void);

/*
 * Files of the debugger's host, offered in place of the target's own (.kdfiles). open asks "have
 * you a replacement for this driver"; false: no (or no debugger). Path as the boot loader or memory
 * manager names it, "\\SystemRoot\\system32\\drivers\\x.sys".
 */
typedef struct kd_file {
	uint64_t handle;
	uint64_t length;
} kd_file;
bool kd_file_open(const char *path, size_t path_n, kd_file *ret);
/* Any n (in packets); returns bytes read, short at the end of the file or on failure. */
size_t kd_file_read(const kd_file *f, uint64_t offset, void *to, size_t n);
void kd_file_close(kd_file *f);

#endif
