/*
 * cmd/nt over the compiled kernel of os_nt/kernel.c in the fake target, in both layouts: what the
 * commands print, what they change, what they write into the target.
 */
#include "nt_rig.h"

#include "os/nt/nt.h"

/* ---- the target ---- */

static uint64_t at(fix *f, const char *name)
{
	sym s;
	diag d = {0};
	if (sym_find(f->e->syms, str_printf(&f->a, "nt!%s", name), &s, &d) != ERR_OK)
		fail_msg("nt!%s: %s", name, d.text);
	return s.addr;
}

static uint64_t sub(fix *f, const char *name, const char *type, const char *path)
{
	nt_off o;
	diag d = {0};
	if (nt_field(nt_of(f->e->os), type, path, &o, &d) != ERR_OK)
		fail_msg("%s", d.text);
	return at(f, name) + o.off;
}

static uint64_t peek(fix *f, uint64_t addr, size_t size)
{
	uint8_t b[8];
	assert_true(fake_peek(f->f, as_current(), addr, b, size));
	return le_get(b, size);
}

static void put_entry(fix *f, uint64_t table, unsigned shift, uint64_t v)
{
	uint8_t b[8];
	put64(b, v);
	fake_mem(f->f, as_phys(), table + (USER_VA >> shift & 0x1ff) * 8, b, 8);
}

/* Capture's tables at its user root: 0x10000, 0x11000, 0x12000; two pages of user_area, present. A
 * self-map entry at 0x1ed, as 64-bit NT had it before it moved. */
static void map_user(fix *f)
{
	uint64_t roots[2] = {0x3000, f->layout_b ? 0x8000 : 0x3000};
	uint8_t self[8], e[8];
	for (int i = 0; i < 2; i++) {
		put_entry(f, roots[i], 39, 0x10000 | 7);
		put64(self, roots[i] | 3);
		fake_mem(f->f, as_phys(), roots[i] + 0x1ed * 8, self, 8);
	}
	put64(self, 0x1000 | 3);
	fake_mem(f->f, as_phys(), 0x1000 + 0x1ed * 8, self, 8);
	put_entry(f, 0x10000, 30, 0x11000 | 7);
	put_entry(f, 0x11000, 21, 0x12000 | 7);
	put_entry(f, 0x12000, 12, 0x20000 | 0x67 | 1ULL << 63);
	put64(e, 0x21000 | 0x25);
	fake_mem(f->f, as_phys(), 0x12008, e, 8);
	put64(e, 0x1234ULL << 32 | 4 << 5);
	fake_mem(f->f, as_phys(), 0x12018, e, 8);
	uint64_t area = at(f, "user_area");
	fake_mem(f->f, as_phys(), 0x20000, f->w.image + (area - KERNEL_BASE), 0x2000);
}

static void gates(fix *f)
{
	/* vector 3 -> KiSwapContext, on IST 2; vector 4 not present; vector 5 unused */
	uint8_t g[16 * 8] = {0};
	uint64_t to = at(f, "KiSwapContext"), unused = at(f, "KxUnexpectedInterrupt5");
	put16(g + 48, (uint16_t)to);
	put16(g + 50, 0x10);
	g[52] = 2;
	g[53] = 0x8e;
	put16(g + 54, (uint16_t)(to >> 16));
	put32(g + 56, (uint32_t)(to >> 32));
	put16(g + 80, (uint16_t)unused);
	put16(g + 82, 0x10);
	g[85] = 0x8e;
	put16(g + 86, (uint16_t)(unused >> 16));
	put32(g + 88, (uint32_t)(unused >> 32));
	fake_mem(f->f, as_current(), 0xfffff80000001000ULL, g, sizeof g);
	fake_regs(f->f, 0)->idtr_base = 0xfffff80000001000ULL;
	fake_regs(f->f, 0)->idtr_limit = sizeof g - 1;
}

/* list, data: see nt_rig_create. */
static int start_with(void **state, bool layout_b, uint64_t list, uint64_t data)
{
	fix *f = nt_rig_create(data ? "cmd_nt_bare" : "cmd_nt", layout_b, list, data);
	nt_rig_stop(f, 2);
	if (!data) {
		map_user(f);
		gates(f);
	}
	*state = f;
	return 0;
}

static int start(void **state, bool layout_b)
{
	return start_with(state, layout_b, 0, 0);
}

static int setup_a(void **state)
{
	return start(state, false);
}

static int setup_b(void **state)
{
	return start(state, true);
}

/* ---- running and looking ---- */

static const char *run(fix *f, const char *fmt, ...) PRINTF(2, 3);
static const char *run(fix *f, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	buf_clear(&f->out);
	f->last = cmd_execute(f->c, str_of(line));
	return buf_z(&f->out);
}

/* The output holds this text. */
static void has(fix *f, const char *fmt, ...) PRINTF(2, 3);
static void has(fix *f, const char *fmt, ...)
{
	char want[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(want, sizeof want, fmt, ap);
	va_end(ap);
	if (!strstr(buf_z(&f->out), want))
		fail_msg("no \"%s\" in:\n%s", want, buf_z(&f->out));
}

static void has_not(fix *f, const char *text)
{
	if (strstr(buf_z(&f->out), text))
		fail_msg("\"%s\" in:\n%s", text, buf_z(&f->out));
}

static unsigned long long u(uint64_t v)
{
	return v;
}

/* With the grave accent that 64-bit addresses are shown with. */
static const char *tick(fix *f, uint64_t v)
{
	return str_z(&f->a, str_printf(&f->a, "%08x`%08x", (unsigned)(v >> 32), (unsigned)v));
}

/* ---- processes and threads ---- */

static void test_process(void **state)
{
	fix *f = *state;
	uint64_t cap = at(f, "CaptureProcess"), hash = at(f, "HasherProcess");
	run(f, "!process 0 0");
	has(f,
		"**** NT ACTIVE PROCESS DUMP ****\nPROCESS %016llx  SessionId: none  Cid: 0004    "
		"Peb: 00000000  "
		"ParentCid: 0000\n    DirBase: 00001000",
		u(at(f, "SystemProcess")));
	has(f,
		"PROCESS %016llx  SessionId: 3  Cid: 0048    Peb: 140000000  ParentCid: 0044\n"
		"    DirBase: 00003000  ObjectTable: %016llx  HandleCount:  77.\n    Image: "
		"fscapture.exeXY\n",
		u(cap), u(at(f, "CaptureHandles")));
	has_not(f, "THREAD");
	run(f, "!process 0 0 multihasher.exe"); /* longer than what the kernel keeps */
	has(f, "PROCESS %016llx", u(hash));
	has_not(f, "ACTIVE PROCESS DUMP");
	has_not(f, "fscapture");
	run(f, "!process 0 0 nobody.exe");
	has_not(f, "rocess"); /* a script's .foreach would take the words for one */
	/* -1 is where the processor is: attached to capture, whatever is looked at */
	run(f, ".process /p %llx", u(cap));
	run(f, ".process %llx", u(hash));
	has(f, "WARNING: .cache forcedecodeuser is not enabled");
	run(f, "!process -1 0");
	has(f, "PROCESS %016llx", u(cap));
	run(f, "!process 44 0");
	has(f, "PROCESS %016llx", u(hash));
	run(f, "!process %llx 0", u(hash));
	has(f, "Image: multihasher.ex\n");
	run(f, "!process /s 3 0 0");
	has(f, "fscapture");
	has_not(f, "multihasher");
	run(f, "!process /m ntdll*");
	has(f, "Image: fscapture.exeXY");
	has_not(f, "Image: System");
	run(f, "!process /m nosuch.dll");
	has_not(f, "Image:");
	run(f, "!process 999 0");
	assert_int_equal(f->last, ERR_NOTFOUND);
	run(f, "!process %llx 0", u(at(f, "CaptureThread")));
	assert_int_equal(f->last, ERR_NOTFOUND);
	run(f, "!process %llx 0 x.exe", u(hash));
	assert_int_equal(f->last, ERR_SYNTAX);
}

static void test_process_threads(void **state)
{
	fix *f = *state;
	uint64_t th = at(f, "CaptureThread");
	run(f, "!process 48 7");
	has(f,
		"        THREAD %016llx  Cid 0048.0054  Teb: %016llx Win32Thread: ? "
		"WAIT: (WrQueue) UserMode Non-Alertable\n",
		u(th), u(peek(f, sub(f, "CaptureThread", "_ETHREAD", "Tcb.Teb"), 8)));
	has(f, "THREAD %016llx  Cid 0048.0058", u(at(f, "CaptureThread2")));
	has(f, "READY on processor 0");
	has(f, "Owning Process            %016llx       Image:         fscapture.exeXY",
		u(at(f, "CaptureProcess")));
	has(f, "Start Address 0x0000000140001000");
	has(f, "nt!KiSwapContext");
	has(f, "nt!KeWaitForSingleObject");
	has(f, "    VadRoot %016llx", u(at(f, "VadRoot")));
	run(f, "!process 48"); /* all there is; of the current one no stacks */
	has(f, "VadRoot");
	has(f, "nt!KiSwapContext");
	run(f, "!process");
	has(f, "VadRoot");
	has(f, "WAIT: (WrQueue)");
	has_not(f, "nt!KiSwapContext");
	/* 4 without 2: one line a thread */
	run(f, "!process 48 4");
	has(f, "Cid 0048.0058");
	has_not(f, "Owning Process");
	run(f, "!process 44 2");
	has(f, "RUNNING on processor 0\n");
	has(f, "Attached Process          %016llx       Image:         fscapture.exeXY",
		u(at(f, "CaptureProcess")));
}

static void test_thread(void **state)
{
	fix *f = *state;
	run(f, "!thread");
	has(f, "THREAD %016llx  Cid 0044.0050", u(at(f, "HasherThread")));
	has(f, "RUNNING on processor 0");
	run(f, "!thread -1 0");
	has(f, "THREAD %016llx  Cid 0044.0050", u(at(f, "HasherThread")));
	has_not(f, "Priority");
	/* the processor's, whatever is looked at; what a thread shows is looked at only for it */
	eng_ctx before = eng_ctx_save(f->e);
	run(f, ".thread %llx; !thread", u(at(f, "CaptureThread")));
	has(f, "THREAD %016llx  Cid 0044.0050", u(at(f, "HasherThread")));
	run(f, ".process %llx; !thread %llx 16", u(at(f, "HasherProcess")),
		u(at(f, "CaptureThread")));
	uint64_t process = 0;
	assert_int_equal(eng_process(f->e, &process, NULL), ERR_OK);
	assert_true(process == at(f, "HasherProcess"));
	eng_ctx_restore(f->e, &before);
	run(f, "!thread -p -t 54 0");
	has(f, "Image: fscapture.exeXY");
	has(f, "THREAD %016llx  Cid 0048.0054", u(at(f, "CaptureThread")));
	run(f, "!thread -t 9999 0");
	assert_int_equal(f->last, ERR_NOTFOUND);
	run(f, "!thread %llx", u(at(f, "CaptureProcess")));
	assert_int_equal(f->last, ERR_NOTFOUND);
	run(f, "!running -i");
	has(f, "System Processors:  (0000000000000003)\n  Idle Processors:  (0000000000000002)");
	has(f, "%016llx", u(sub(f, "HasherThread", "_ETHREAD", "Tcb")));
	run(f, "!running");
	has_not(f, "\n  1  ");
	has_not(f, "nt!");
	run(f, "!running -it");
	has(f, "\n  1  ");
	has(f, "nt!KiSwapContext");
	run(f, "!ready 0");
	has(f, "Ready Threads at priority 0\n    THREAD %016llx", u(at(f, "CaptureThread2")));
	has_not(f, "0048.0054");
	run(f, "!stacks");
	has(f, "[fscapture.exeXY]\n  48.000054  %016llx  Blocked  nt!KeWaitForSingleObject",
		u(at(f, "CaptureThread")));
	run(f, "!stacks 1");
	has(f, "READY    (no stack)");
	run(f, "!stacks 2");
	has(f, "Blocked  nt!KiSwapContext");
	has(f, "nt!KeWaitForSingleObject");
	run(f, "!stacks 2 waitforsingle");
	has(f, "48.000054");
	has_not(f, "44.000050");
}

static void test_for_each(void **state)
{
	fix *f = *state;
	run(f, "!for_each_process \".echo <@#Process>; .echo and\"");
	has(f, "<0x%016llx>\nand\n<0x%016llx>", u(at(f, "SystemProcess")),
		u(at(f, "HasherProcess")));
	run(f, "!for_each_thread .echo @#Thread");
	has(f, "0x%016llx", u(at(f, "CaptureThread2")));
	/* one that fails does not end the loop */
	run(f, "!for_each_process \"!process @#Process+8 0; .echo never\"");
	has_not(f, "never");
	const char *first = strstr(buf_z(&f->out), "is no process");
	if (!first)
		first = strstr(buf_z(&f->out), "mismatch");
	assert_true(
		first && (strstr(first + 10, "is no process") || strstr(first + 10, "mismatch")));
	run(f, "!for_each_module .echo <@#ModuleName> @#Base ${@#ImageName}! @#Nonsense");
	has(f, "<nt> 0x%016llx ntkrnlmp.exe! @#Nonsense\n", u(KERNEL_BASE));
	run(f, "!for_each_module");
	has(f, "dump_storport");
}

/* ---- contexts ---- */

static void test_contexts(void **state)
{
	fix *f = *state;
	uint64_t cap = at(f, "CaptureProcess"), hash = at(f, "HasherProcess"),
		 user = f->layout_b ? 0x8000 : 0x3000;
	uint8_t b;
	run(f, ".process");
	has(f, "Implicit process is now %s\n", tick(f, cap));
	run(f, ".process /p %llx", u(cap));
	has(f, "Implicit process is now %s\n.cache forcedecodeuser done\n", tick(f, cap));
	assert_true(f->e->ctx.user.kind == AS_ROOT && f->e->ctx.user.id == user);
	assert_int_equal(eng_read_all(f->e, USER_VA, &b, 1, NULL), ERR_OK);
	run(f, ".context");
	has(f, "User-mode page directory base is %llx\n", u(user));
	run(f, ".process /p/r %llx", u(cap));
	assert_non_null(sym_mod_find(f->e->syms, STR("ntdll")));
	run(f, ".process /p");
	assert_true(f->e->ctx.user.kind == AS_CURRENT);
	run(f, ".process /P %llx", u(cap));
	assert_true(f->e->ctx.system.kind == AS_ROOT && f->e->ctx.system.id == 0x3000);
	run(f, ".cache noforcedecodeptes");
	assert_true(f->e->ctx.system.kind == AS_CURRENT && f->e->ctx.user.kind == AS_CURRENT);
	run(f, ".context %llx", u(user));
	assert_true(f->e->ctx.user.kind == AS_ROOT);
	run(f, ".context 0");
	assert_true(f->e->ctx.user.kind == AS_CURRENT);
	run(f, ".cache forcedecodeuser; .cache");
	has(f, "user addresses (forcedecodeuser)");
	run(f, ".cache 64; .cache");
	has(f, "Max cache size is       : 102400 bytes (0x64 KB)\n");
	has(f, "Cache is held           : no (unhold)\n");
	has(f, "Decode transition PTEs  : yes (decodeptes)\n");
	run(f, ".cache hold; .cache nodecodeptes; .cache");
	has(f, "Cache is held           : yes");
	has(f, "Decode transition PTEs  : no (nodecodeptes)\n");
	run(f, ".cache unhold; .cache decodeptes; .cache flushu; .cache flush %llx; .cache 0",
		u(KERNEL_BASE));
	has(f, "cache disabled");
	run(f, ".cache flush");
	assert_int_equal(f->last, ERR_SYNTAX);
	run(f, ".cache ffffffff; .cache zz");
	assert_int_not_equal(f->last, ERR_OK);
	run(f, ".cache 4000");
	assert_int_equal(f->last, ERR_OK);
	run(f, ".cache flushall");
	assert_int_equal(f->last, ERR_OK);
	run(f, ".process /x %llx", u(cap));
	assert_int_equal(f->last, ERR_SYNTAX);
	/* the system itself is asked */
	run(f, ".process /i %llx", u(hash));
	has(f, "You need to continue execution (press 'g' <enter>) for the context\nto be "
	       "switched.");
	has_not(f, "Implicit process is now"); /* not before the system has done it */
	assert_int_equal(peek(f, at(f, "ExpDebuggerWork"), 4), 1);
	assert_true(peek(f, at(f, "ExpDebuggerProcessAttach"), 8) == hash);
	run(f, ".process /i %llx", u(cap));
	assert_int_equal(f->last, ERR_STATE);
	run(f, ".process /i");
	assert_int_equal(peek(f, at(f, "ExpDebuggerWork"), 4), 0);
	run(f, ".pagein /p %llx 140003000", u(cap));
	has(f, "You need to continue execution");
	assert_true(peek(f, at(f, "ExpDebuggerPageIn"), 8) == 0x140003000);
	run(f, ".process /i; .pagein %llx", u(KERNEL_BASE));
	assert_int_equal(f->last, ERR_ARG);
	/* in the process that is looked at */
	run(f, ".process /p %llx; .pagein 140003000", u(hash));
	assert_true(peek(f, at(f, "ExpDebuggerProcessAttach"), 8) == hash);
	run(f, ".process /i; .process; .thread /p %llx", u(at(f, "CaptureThread")));
	has(f, "Implicit process is now %s\n.cache forcedecodeuser done\n", tick(f, cap));
	run(f, ".thread; .process");
	run(f, ".kill %llx", u(cap));
	assert_int_equal(f->last, f->layout_b ? ERR_UNSUPPORTED : ERR_OK);
	run(f, "!session");
	has(f, "Valid Sessions: 3\n");
	run(f, "!session -s 3");
	has(f, "Using session 3\nImplicit process is now %s", tick(f, cap));
	assert_true(f->e->ctx.system.kind == AS_ROOT);
}

static void test_registers(void **state)
{
	fix *f = *state;
	x64_regs r = {0};
	run(f, ".thread %llx", u(at(f, "CaptureThread")));
	has(f, "Using context of thread %s\n", tick(f, at(f, "CaptureThread")));
	assert_int_equal(eng_regs(f->e, X64_SET_GENERAL, &r, NULL), ERR_OK);
	assert_true(r.rip == at(f, "KiSwapContext") && r.gpr[X64_RBP] == 0x1122334455667788ULL);
	run(f, ".thread /p %llx", u(at(f, "CaptureThread")));
	has(f, "Implicit process is now %s\n.cache forcedecodeuser done",
		tick(f, at(f, "CaptureProcess")));
	run(f, ".thread");
	has(f, "Using context of thread %s\n", tick(f, at(f, "HasherThread")));
	assert_true(f->e->ctx.from == REGS_UNIT);
	run(f, ".thread %llx", u(at(f, "CaptureThread2"))); /* no stack: nothing changes */
	assert_int_not_equal(f->last, ERR_OK);
	assert_true(f->e->ctx.from == REGS_UNIT);
	run(f, ".trap %llx", u(at(f, "CaptureTrap")));
	has(f, "NOTE: The trap frame does not contain all registers.");
	assert_true(f->e->ctx.from == REGS_TRAP && f->e->ctx.regs.rip == USER_VA + 0x123);
	run(f, ".trap");
	assert_true(f->e->ctx.from == REGS_UNIT);
	run(f, ".cxr 0");
	assert_int_equal(f->last, ERR_ARG);
	run(f, ".cxr /f 200 %llx", u(KERNEL_BASE));
	has(f, "Unable to convert context to canonical form");
	uint8_t image[X64_CONTEXT_SIZE] = {0};
	x64_regs c = {.valid = X64_SET_GENERAL, .rip = 0x1234567};
	x64_context_put(&c, image);
	fake_mem(f->f, as_current(), 0xfffff80000008000ULL, image, sizeof image);
	run(f, ".cxr fffff80000008000");
	assert_int_equal(f->last, ERR_OK);
	assert_true(f->e->ctx.from == REGS_CXR && f->e->ctx.regs.rip == 0x1234567);
	run(f, ".cxr");
	has(f, "Resetting default scope");
	assert_true(f->e->ctx.from == REGS_UNIT);
	run(f, ".exr -1");
	has(f, "ExceptionAddress: %s", tick(f, KERNEL_BASE + 0x1000));
	has(f, "   ExceptionCode: 80000003 (Break instruction exception)\n  ExceptionFlags: "
	       "00000000\n"
	       "NumberParameters: 1\n   Parameter[0]: 0000000000000000\n");
	uint8_t exr[48] = {5, 0, 0, 0xc0};
	put64(exr + 16, 0x77);
	put32(exr + 24, 2);
	put64(exr + 32, 1);
	put64(exr + 40, 0xdead);
	fake_mem(f->f, as_current(), 0xfffff80000009000ULL, exr, sizeof exr);
	run(f, ".exr fffff80000009000");
	has(f, "c0000005 (Access violation)");
	has(f, "Attempt to write to address 000000000000dead");
}

/* ---- memory ---- */

static void test_vm(void **state)
{
	fix *f = *state;
	uint64_t cap = at(f, "CaptureProcess");
	run(f, ".process /p %llx", u(cap));
	run(f, "!pte 140000123");
	has(f, "VA 0000000140000123\n");
	/* self-map at 0x1ed: fffff680`00000000 */
	has(f, "PTE at FFFFF68000A00000\n");
	has(f, "contains 0000000000010007");
	has(f, "contains 8000000000020067\n");
	has(f, "pfn 20        ---DA--UW-V");
	run(f, "!pte fffff68000a00000"); /* the PTE's own address: the same page */
	has(f, "VA 0000000140000000\n");
	run(f, "!pte2va fffff68000a00008");
	has(f, "0000000140001000 \n");
	run(f, "!pte2va 1234");
	assert_int_equal(f->last, ERR_ARG);
	run(f, "!pte 140003000");
	has(f, "not valid\n  paged out: page file 0, offset 1234\n  Protect: 4 - ReadWrite");
	run(f, "!pte 140000000 140001fff");
	has(f, "contains 8000000000020067");
	has(f, "contains 0000000000021025");
	run(f, "!vtop 0 140001abc");
	has(f, "Virtual address 140001abc translates to physical address 21abc.\n");
	run(f, "!vtop %x 140000010", f->layout_b ? 8 : 3);
	has(f, "translates to physical address 20010.\n");
	run(f, "!vtop %x 140000010", f->layout_b ? 0x8000 : 0x3000); /* the whole DirBase */
	has(f, "translates to physical address 20010.\n");
	run(f, "!vtop 0 140003000");
	assert_int_equal(f->last, ERR_FAULT);
	has(f, "page file 0, offset 1234");
	x64_walk w;
	uint8_t large[8];
	assert_int_equal(tgt_translate(f->e->t, f->e->ctx.user.id, 0x140000000, &w, NULL), ERR_OK);
	put64(large, 0x40000000 | 0xe7);
	fake_mem(f->f, as_phys(), w.entry[2].addr + 8, large, 8);
	run(f, ".cache flushall; !pte 140212345");
	has(f, "LARGE PAGE pfn 40012");
	run(f, "!vtop 0 140212345");
	has(f, "translates to physical address 40012345.\n");
	run(f, "!vad");
	has(f, "%016llx  1              7f0              7ff         16 Private      READWRITE",
		u(at(f, "VadLow")));
	has(f,
		"%016llx  1        7ff800000        7ff8000ff          0 Mapped  Exe  "
		"EXECUTE_WRITECOPY",
		u(at(f, "VadHigh")));
	has(f, "Total VADs: 3, average level: 0, maximum depth: 1");
	run(f, "!vad 7ff800012345 1");
	has(f, "VAD @ %016llx", u(at(f, "VadHigh")));
	has(f, "ImageMap EXECUTE_WRITECOPY\n  File: \\Windows\\System32\\ntdll.dll\n");
	run(f, "!vad 10000 1");
	assert_int_equal(f->last, ERR_NOTFOUND);
}

static void test_user(void **state)
{
	fix *f = *state;
	run(f, ".process /p %llx", u(at(f, "CaptureProcess")));
	run(f, "!peb");
	has(f, "PEB at 0000000140000000\n");
	has(f, "    BeingDebugged:            Yes\n");
	has(f, "    ImageBaseAddress:         0000000140100000\n");
	has(f, "140100000 0000abcd Jan 01 12:13:01 1970 C:\\fscapture.exe\n");
	has(f, "7ff800000000 00000000 Jan 01 00:00:00 1970 C:\\ntdll.dll\n");
	has(f, "    CommandLine:  'fscapture /al'\n");
	has(f, "    ImageFile:    'C:\\fscapture.exe'\n");
	has(f, "        A=1\n        TEMP=C:\\\n");
	run(f, ".thread %llx; !teb", u(at(f, "CaptureThread")));
	has(f, "    StackBase:            00000000007ff000\n");
	has(f, "    ClientId:             0000000000000048 . 0000000000000054\n");
	has(f, "    LastErrorValue:       5\n    LastStatusValue:      c0000034\n");
	run(f, "!gle");
	has(f, "LastErrorValue: (Win32) 0x5 (5) - Access is denied.\n"
	       "LastStatusValue: (NTSTATUS) 0xc0000034 - STATUS_OBJECT_NAME_NOT_FOUND\n");
	run(f, "!gle -all");
	has(f, "Last error for thread 48.54 (fscapture.exeXY):\n");
	run(f, "!dlls");
	has(f, ": C:\\fscapture.exe\n      Base   0x140100000");
	run(f, "!dlls -c 7ff800000010");
	has(f, "C:\\ntdll.dll");
	has_not(f, "C:\\fscapture.exe");
	run(f, "!dlls -c 10000");
	assert_int_equal(f->last, ERR_NOTFOUND);
	run(f, ".process %llx; !peb", u(at(f, "SystemProcess")));
	assert_int_equal(f->last, ERR_NOTFOUND);
	has(f, "system process");
}

static uint8_t phys(fix *f, uint64_t addr)
{
	uint8_t b;
	assert_true(fake_peek(f->f, as_phys(), addr, &b, 1));
	return b;
}

static bool journalled(fix *f)
{
	char line[400];
	snprintf(line, sizeof line, "cat %s/ringside/planted-* 2>/dev/null | grep -q '^20010 '",
		f->w.dir);
	return system(line) == 0;
}

static void test_ubp(void **state)
{
	fix *f = *state;
	uint8_t before = phys(f, 0x20010);
	run(f, ".process /p %llx", u(at(f, "CaptureProcess")));
	run(f, "!ubp 140000010");
	has(f, "VERY DANGEROUS");
	assert_int_equal(phys(f, 0x20010), 0xcc);
	assert_true(journalled(f));
	run(f, "!ubp 140000010");
	assert_int_equal(f->last, ERR_EXISTS);
	run(f, "!ubl");
	has(f, " 0: e 00000001`40000010 (00000000`00020010) 0 ");
	run(f, "!ubd 0");
	assert_int_equal(phys(f, 0x20010), before);
	assert_false(journalled(f));
	run(f, "!ubl");
	has(f, " 0: d ");
	run(f, "!ube *");
	assert_int_equal(phys(f, 0x20010), 0xcc);
	/* the page was used for something else: it is left alone */
	uint8_t other = 0x77;
	fake_mem(f->f, as_phys(), 0x20010, &other, 1);
	run(f, ".cache flushall; !ubl");
	has(f, " 0: d ");
	has(f, "gone");
	assert_false(journalled(f));
	run(f, "!ubc 0");
	assert_int_equal(phys(f, 0x20010), 0x77);
	fake_mem(f->f, as_phys(), 0x20010, &before, 1);
	run(f, ".cache flushall; !ubp 140000010");
	fake_mem(f->f, as_phys(), 0x20010, &other, 1);
	run(f, ".cache flushall; !ubd 0");
	has(f, "used for something else: nothing was written");
	assert_int_equal(phys(f, 0x20010), 0x77);
	run(f, "!ubc 0");
	run(f, "!ubc 0");
	assert_int_equal(f->last, ERR_NOTFOUND);
	run(f, "!ubp 140003000");
	assert_int_equal(f->last, ERR_FAULT);
	has(f, "not in memory");
	fake_caps(f->f)->phys_write = f->e->caps.phys_write = false;
	run(f, "!ubp 140000010");
	assert_int_equal(f->last, ERR_UNSUPPORTED);
}

/* What a session that died has left: only a page that still holds its byte is mended. */
static void test_journal(void **state)
{
	fix *f = *state;
	char line[500];
	size_t mended = 0;
	uint8_t ours = 0xcc, other = 0x77;
	run(f, ".process /p %llx", u(at(f, "CaptureProcess")));
	run(f, "!ubp 140000010"); /* the file has its name from the connection */
	snprintf(line, sizeof line,
		"for p in %s/ringside/planted-*; do printf '20100 55 cc\\n20108 66 cc\\n20110 x "
		"cc\\n20118 1ff cc\\n20120 44' > $p; done",
		f->w.dir);
	assert_int_equal(system(line), 0);
	for (uint64_t at = 0x20100; at < 0x20128; at += 8)
		fake_mem(f->f, as_phys(), at, at == 0x20108 ? &other : &ours, 1);
	run(f, ".cache flushall");
	assert_int_equal(journal_repair(f->e, &mended, NULL), ERR_OK);
	assert_int_equal(mended, 1);
	assert_int_equal(phys(f, 0x20100), 0x55);
	assert_int_equal(phys(f, 0x20108), 0x77);
	for (uint64_t at = 0x20110; at < 0x20128; at += 8)
		assert_int_equal(phys(f, at), 0xcc);
}

/* ---- the machine ---- */

static void test_machine(void **state)
{
	fix *f = *state;
	run(f, "vertarget");
	has(f, "Windows 10 Kernel Version 19041 MP (2 procs) Free x64\n");
	run(f, ".bugcheck");
	has(f, "Bugcheck code 000000D1\nArguments 00000000`00000010 00000000`00000002 "
	       "00000000`00000000 "
	       "00000000`00000044\n");
	run(f, ".crash");
	assert_int_equal(f->last, ERR_STATE); /* in a bug check already */
	uint8_t none[8] = {0};
	fake_mem(f->f, as_current(), at(f, "KiBugCheckData"), none, 8);
	run(f, ".cache flushall; .bugcheck");
	has(f, "Bugcheck code 00000000\n");
	run(f, "!pcr");
	has(f, "KPCR for Processor 0 at %016llx:\n", u(at(f, "Pcr0")));
	has(f, "CurrentThread: %016llx\n", u(sub(f, "HasherThread", "_ETHREAD", "Tcb")));
	run(f, "!pcr 1");
	has(f, "KPCR for Processor 1 at %016llx:\n", u(at(f, "Pcr1")));
	run(f, "!pcr 2");
	assert_int_equal(f->last, ERR_NOTFOUND);
	run(f, "!prcb 1");
	has(f, "PRCB for Processor 1 at %016llx:\n", u(sub(f, "Pcr1", "_KPCR", "Prcb")));
	run(f, "!irql");
	has(f, "Debugger saved IRQL for processor 0x0 -- 2 (DISPATCH_LEVEL)\n");
	run(f, "!irql 1"); /* a device's */
	has(f, "Debugger saved IRQL for processor 0x1 -- 7\n");
	run(f, "~1s; !irql; ~0s");
	has(f, "processor 0x1 -- 7\n");
	run(f, "!irql 2");
	assert_int_equal(f->last, ERR_NOTFOUND);
	run(f, "!idt -a");
	has(f, "03:\t%016llx nt!KiSwapContext", u(at(f, "KiSwapContext")));
	has(f, "Stack: IST 2\n");
	has(f, "04:\tnot present\n");
	has(f, "05:\t%016llx nt!KxUnexpectedInterrupt5", u(at(f, "KxUnexpectedInterrupt5")));
	run(f, "!idt");
	has(f, "03:\t");
	has_not(f, "05:\t");
	run(f, "!idt 3");
	has_not(f, "04:");
	run(f, "!idt 8");
	assert_int_equal(f->last, ERR_ARG);
	run(f, "!irp 0");
	assert_int_equal(f->last, ERR_UNSUPPORTED);
}

static void test_reboot(void **state)
{
	fix *f = *state;
	size_t n;
	diag d = {0};
	run(f, ".reboot");
	assert_int_equal(f->last, ERR_OK);
	const fake_call *calls = fake_calls(f->f, &n);
	assert_true(n && calls[n - 1].kind == FAKE_CTL && calls[n - 1].n == TGT_CTL_REBOOT);
	assert_int_equal(f->e->status, ST_GO);
	fake_script(f->f, &(tgt_event){.kind = TGT_EV_REBOOT});
	fake_script(f->f, &(tgt_event){.kind = TGT_EV_EXCEPTION,
				  .code = 0x80000003,
				  .pc = KERNEL_BASE + 0x1000,
				  .n_units = 2,
				  .first_chance = true});
	if (eng_wait(f->e, 1000, &d) != ERR_OK)
		fail_msg("after the reboot: %s", d.text);
	run(f, "!process 0 0");
	has(f, "fscapture");
	/* nothing resumed it: it came back by itself */
	calls = fake_calls(f->f, &n);
	for (size_t i = 0; i < n; i++)
		assert_true(calls[i].kind != FAKE_RESUME || i == 0);
}

/* A damaged list: what was found, and a line that says so. */
static void test_damage(void **state)
{
	fix *f = *state;
	uint8_t bad[8];
	put64(bad, 0x4141414141414140ULL);
	fake_mem(f->f, as_current(), sub(f, "HasherProcess", "_EPROCESS", "ActiveProcessLinks"),
		bad, 8);
	run(f, ".cache flushall; !process 0 0");
	assert_int_equal(f->last, ERR_OK);
	has(f, "Image: multihasher.ex\n");
	has_not(f, "fscapture");
	has(f, "*** the process list nt!PsActiveProcessHead is damaged");
}

/* ---- objects and handles ---- */

static void copy(fix *f, const char *from, uint64_t to, const char *type)
{
	uint8_t b[1024];
	uint64_t size;
	diag d = {0};
	if (nt_sizeof(nt_of(f->e->os), type, &size, &d) != ERR_OK)
		fail_msg("%s", d.text);
	assert_true(size <= sizeof b && fake_peek(f->f, as_current(), at(f, from), b, size));
	fake_mem(f->f, as_current(), to, b, size);
}

static uint64_t body_of(fix *f, uint64_t header)
{
	nt_off o;
	assert_int_equal(nt_field(nt_of(f->e->os), "_OBJECT_HEADER", "Body", &o, NULL), ERR_OK);
	return header + o.off;
}

enum { ROOT, DEVICES, LINK, DISK, NULL_, OPEN, DRIVERS, DRIVER, FILTER, OBJECTS };

/* What no initialiser can say: bodies behind headers; in layout B also numbers that depend on
 * addresses. */
static void finish_objects(fix *f, uint64_t head[OBJECTS])
{
	uint64_t list = at(f, "Headers"), targets = at(f, "EntryTargets");
	nt_off o;
	for (int i = 0; i < OBJECTS; i++)
		head[i] = peek(f, list + 8 * (uint64_t)i, 8);
	copy(f, "RootBody", body_of(f, head[ROOT]), "_OBJECT_DIRECTORY");
	copy(f, "DeviceBody", body_of(f, head[DEVICES]), "_OBJECT_DIRECTORY");
	copy(f, "LinkBody", body_of(f, head[LINK]), "_OBJECT_SYMBOLIC_LINK");
	copy(f, "FileBody", body_of(f, head[OPEN]), "_FILE_OBJECT");
	copy(f, "DriverBody", body_of(f, head[DRIVERS]), "_OBJECT_DIRECTORY");
	copy(f, "DriverObjectBody", body_of(f, head[DRIVER]), "_DRIVER_OBJECT");
	copy(f, "DiskBody", body_of(f, head[DISK]), "_DEVICE_OBJECT");
	copy(f, "FilterBody", body_of(f, head[FILTER]), "_DEVICE_OBJECT");
	if (!f->layout_b)
		return;
	assert_int_equal(
		nt_field(nt_of(f->e->os), "_OBJECT_HEADER", "TypeIndex", &o, NULL), ERR_OK);
	for (int i = 0; i < OBJECTS; i++) {
		uint8_t index = (uint8_t)(peek(f, head[i] + o.off, 1) ^ 0x5a ^ head[i] >> 8);
		fake_mem(f->f, as_current(), head[i] + o.off, &index, 1);
	}
	for (int i = 0; i < 4; i++) {
		uint64_t entry = peek(f, targets + 16 * (uint64_t)i, 8);
		uint64_t to = peek(f, targets + 16 * (uint64_t)i + 8, 8);
		uint8_t b[8];
		put64(b, (peek(f, entry, 8) & 0xfffff) | to >> 4 << 20);
		fake_mem(f->f, as_current(), entry, b, 8);
	}
}

static void test_object(void **state)
{
	fix *f = *state;
	uint64_t head[OBJECTS], type = at(f, "TypeDirectory");
	const char *version = f->layout_b ? "new" : "old";
	finish_objects(f, head);
	uint64_t root = body_of(f, head[ROOT]), devices = body_of(f, head[DEVICES]);
	uint64_t disk = body_of(f, head[DISK]), link = body_of(f, head[LINK]);
	run(f, "!object \\");
	has(f,
		"Object: %016llx  Type: (%016llx) Directory\n    ObjectHeader: %016llx (%s "
		"version)\n    HandleCount: 1  PointerCount: 12\n"
		"    Directory Object: 0000000000000000  Name: \\\n\n"
		"    Hash Address          Type          Name\n"
		"    ---- -------          ----          ----\n"
		"     00  %016llx Directory     Driver\n"
		"     01  %016llx Directory     Device\n     04  %016llx SymbolicLink  "
		"DosDevices\n",
		u(root), u(type), u(head[ROOT]), version, u(body_of(f, head[DRIVERS])), u(devices),
		u(link));
	/* Of one bucket the number is shown once; case plays no part. */
	run(f, "!object \\DEVICE\\");
	has(f, "    Directory Object: %016llx  Name: Device\n", u(root));
	has(f, "     02  %016llx Device        Harddisk0\n         %016llx Device        Null\n",
		u(disk), u(body_of(f, head[NULL_])));
	run(f, "!object \\DosDevices");
	has(f, "    Directory Object: %016llx  Name: DosDevices\n    Target String is '\\?\?'\n",
		u(root));
	run(f, "!object %llx 0", u(disk));
	assert_string_equal(buf_z(&f->out),
		str_printf(&f->a,
			"Object: %016llx  Type: (%016llx) Device\n    ObjectHeader: %016llx (%s "
			"version)\n",
			u(disk), u(at(f, "TypeDevice")), u(head[DISK]), version)
			.p);
	run(f, "!object %llx 1", u(devices));
	has(f, "Name: Device\n");
	has_not(f, "Harddisk0");
	run(f, "!object %llx 21", u(disk));
	has(f,
		"HandleCount: 2  PointerCount: 6\n    Directory Object: %016llx  Name: "
		"\\Device\\Harddisk0\n",
		u(devices));
	/* The optional parts, by their types' sizes. */
	run(f, "!object %llx 10", u(disk));
	has(f, "Optional Headers:\n    NameInfo(%016llx)\n", u(at(f, "DiskDevice")));
	has_not(f, "CreatorInfo");
	run(f, "!object %llx 10", u(root));
	has(f, "NameInfo(%016llx)\n", u(at(f, "RootObject")));
	if (f->layout_b)
		has(f, "    CreatorInfo(");
	/* Files have their names inside. */
	run(f, "!object %llx", u(body_of(f, head[OPEN])));
	has(f, "Name: \\boot.ini {Harddisk0}\n");
	/* What is not there, what is none. */
	run(f, "!object \\Device\\Harddisk1");
	has(f, "\\Device\\Harddisk1: there is no 'Harddisk1'");
	run(f, "!object \\Device\\Null\\x");
	has(f, "what stands before 'x' is no directory");
	run(f, "!object %llx", u(at(f, "MmHighestUserAddress")));
	has(f, "is no object");
	run(f, "!object 1000");
	has(f, "is no object: not a kernel address");
	run(f, "!object");
	has(f, "needs an address or a path");
	/* A chain that comes back to itself, one that leads nowhere. */
	uint8_t b[8];
	put64(b, at(f, "DiskEntry"));
	fake_mem(f->f, as_current(), sub(f, "NullEntry", "_OBJECT_DIRECTORY_ENTRY", "ChainLink"), b,
		8);
	run(f, ".cache flushall; !object \\Device\\x");
	has(f, "the directory at %016llx is damaged", u(devices));
	put64(b, 0x1234);
	fake_mem(f->f, as_current(), sub(f, "NullEntry", "_OBJECT_DIRECTORY_ENTRY", "ChainLink"), b,
		8);
	run(f, ".cache flushall; !object \\Device");
	has(f,
		"Null\n    *** the directory at %016llx is damaged: bucket 2 leads to "
		"0000000000001234\n",
		u(devices));
}

static void test_handle(void **state)
{
	fix *f = *state;
	uint64_t head[OBJECTS];
	finish_objects(f, head);
	uint64_t table = at(f, "CaptureHandles"), cap = at(f, "CaptureProcess"), entry;
	const char *version = f->layout_b ? "new" : "old";
	run(f, "!handle 0 3 %llx", u(cap));
	has(f, "    Image: fscapture.exeXY\n\nHandle table at %016llx with 77 entries in use\n\n",
		u(table));
	entry = at(f, "HandlePage0") + 16;
	has(f,
		"0004: Object: %016llx  GrantedAccess: 0000000f (Inherit) Entry: %016llx\n"
		"Object: %016llx  Type: (%016llx) Directory\n    ObjectHeader: %016llx (%s "
		"version)\n        HandleCount: 1  PointerCount: 12\n"
		"        Directory Object: 0000000000000000  Name: \\\n\n",
		u(body_of(f, head[ROOT])), u(entry), u(body_of(f, head[ROOT])),
		u(at(f, "TypeDirectory")), u(head[ROOT]), version);
	has(f, "000c: Object: %016llx  GrantedAccess: 00120089 (Protected) Entry: %016llx\n",
		u(body_of(f, head[OPEN])), u(entry + 32));
	has(f, "Name: \\boot.ini {Harddisk0}\n");
	/* In the table's second page, whose first entry is its own. */
	has(f, "\n0404: Object: %016llx  GrantedAccess: 001f01ff Entry: %016llx\n",
		u(body_of(f, head[DISK])), u(at(f, "HandlePage1") + 16));
	has_not(f, "free handle");
	has_not(f, "0400:");
	/* By process id, without objects; with free ones. */
	run(f, "!handle 0 1 48");
	has(f, "000c: Object: ");
	has_not(f, "ObjectHeader");
	run(f, "!handle 0 5 48");
	has(f, "0008: free handle, Entry address %016llx, Next Entry 0000000000000000\n",
		u(entry + 16));
	has(f, "07fc: free handle");
	has_not(f, "0000: free");
	has_not(f, "0400: free");
	has_not(f, "0800:");
	/* One handle; a free one is shown when it is asked for; the low bits are the program's. */
	run(f, "!handle c 3 48");
	has(f, "000c: Object: ");
	has_not(f, "0004:");
	run(f, "!handle 8 3 48");
	has(f, "0008: free handle");
	run(f, "!handle 404 1 48");
	has(f, "0404: Object: ");
	run(f, "!handle 900 3 48");
	has(f, "the table has no handle 900");
	/* Of one type, of all processes; those without a table say so. */
	run(f, "!handle 0 3 0 Device");
	has(f, "Image: System\n\nThe process has no handles.\n");
	has(f, "0404: Object: ");
	has_not(f, "0004:");
	run(f, "!handle 0 3 48 device");
	has_not(f, "Object: ");
	/* .process is what -1 means. */
	run(f, ".process %llx; !handle -1 1", u(cap));
	has(f, "0404: Object: ");
	/* The kernel's, by flag and by what such handles look like; ids. */
	run(f, "!handle c 13");
	has(f, "Kernel handle table at %016llx with 2 entries in use\n\n000c: Object: ",
		u(at(f, "KernelHandles")));
	run(f, "!handle ffffffff`8000000c 1");
	has(f, "Kernel handle table at %016llx", u(at(f, "KernelHandles")));
	has(f, "000c: Object: ");
	run(f, "!handle 44 23");
	has(f, "CID handle table at %016llx with 1 entries in use\n\n0044: Object: %016llx  ",
		u(at(f, "IdTable")), u(body_of(f, head[NULL_])));
	has(f, "Name: Null\n");
	/* Damage. */
	uint8_t b[8];
	uint64_t code = sub(f, "CaptureHandles", "_HANDLE_TABLE", "TableCode");
	put64(b, at(f, "HandlePages") + 3);
	fake_mem(f->f, as_current(), code, b, 8);
	run(f, ".cache flushall; !handle 0 3 48");
	has(f, "*** a handle table has no level 3\n");
	put64(b, at(f, "HandlePages") + 1);
	fake_mem(f->f, as_current(), code, b, 8);
	put64(b, 0x1000);
	fake_mem(f->f, as_current(), at(f, "HandlePages") + 8, b, 8);
	run(f, ".cache flushall; !handle 0 1 48");
	has(f, "000c: Object: ");
	has(f, "*** the page of handle 400 is said to be at 0000000000001000\n");
	put32(b, ~0u);
	fake_mem(f->f, as_current(),
		sub(f, "CaptureHandles", "_HANDLE_TABLE", "NextHandleNeedingPool"), b, 4);
	run(f, ".cache flushall; !handle 0 1 48");
	has(f, "*** the handle table at %016llx is damaged\n", u(table));
}

static void test_driver(void **state)
{
	fix *f = *state;
	uint64_t head[OBJECTS];
	uint8_t b[8];
	nt_off o;
	finish_objects(f, head);
	uint64_t driver = body_of(f, head[DRIVER]), disk = body_of(f, head[DISK]);
	uint64_t filter = body_of(f, head[FILTER]);
	/* By name, by path, by address, by expression; each device once. */
	const char *lines[] = {"!drvobj disk", "!drvobj DISK 1", "!drvobj \\Driver\\disk",
		str_printf(&f->a, "!drvobj %llx", u(driver)).p,
		str_printf(&f->a, "!drvobj (%llx+8)", u(driver - 8)).p};
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		run(f, "%s", lines[i]);
		assert_string_equal(buf_z(&f->out),
			str_printf(&f->a,
				"Driver object (%016llx) is for:\n \\Driver\\disk\nDevice Object "
				"list:\n%016llx  %016llx  \n",
				u(driver), u(filter), u(disk))
				.p);
	}
	run(f, "!drvobj disk 2");
	has_not(f, "Device Object list");
	has(f, "\nDriverEntry:   %016llx\tnt!KiSwapContext\n", u(at(f, "KiSwapContext")));
	has(f, "\nDriverUnload:  0000000000000000\t\n");
	has(f, "\nAddDevice:     %016llx\tnt!KeWaitForSingleObject\n",
		u(at(f, "KeWaitForSingleObject")));
	has(f, "\n[00] IRP_MJ_CREATE                      0000000000000000\t\n");
	has(f, "\n[03] IRP_MJ_READ                        %016llx\tnt!KiSwapContext\n",
		u(at(f, "KiSwapContext")));
	has(f, "\n[1b] IRP_MJ_PNP                         %016llx\tnt!KeWaitForSingleObject\n",
		u(at(f, "KeWaitForSingleObject")));
	has(f, "\nFast I/O routines:\nFastIoWrite                             %016llx\t",
		u(at(f, "KiSwapContext")));
	has_not(f, "FastIoRead");
	run(f, "!drvobj disk 5");
	has(f, "Device object (%016llx) is for:\n", u(filter));
	has(f, "Device object (%016llx) is for:\n Harddisk0 \\Driver\\disk", u(disk));

	run(f, "!devobj harddisk0");
	has(f,
		"Device object (%016llx) is for:\n Harddisk0 \\Driver\\disk DriverObject "
		"%016llx\nCurrent Irp %016llx RefCount 9 Type 00000007 Flags 00000050\n",
		u(disk), u(driver), u(at(f, "Queued")));
	has(f,
		"Vpb %016llx\nDevExt %016llx DevObjExt %016llx DevNode %016llx\n"
		"ExtensionFlags (0x00000010)  \n",
		u(at(f, "DiskNode")), u(at(f, "RootBody")), u(at(f, "DiskExtension")),
		u(at(f, "DiskNode")));
	has(f, "Characteristics (0x00000101)  FILE_REMOVABLE_MEDIA, FILE_DEVICE_SECURE_OPEN\n");
	has(f, "AttachedDevice (Upper) %016llx \\Driver\\disk\n", u(filter));
	has_not(f, "AttachedTo");
	has(f, "Device queue is busy; queued IRPs:\n  %016llx\n", u(at(f, "Queued")));
	run(f, "!devobj %llx", u(filter));
	has(f, "AttachedTo (Lower) %016llx \\Driver\\disk\nDevice queue is not busy.\n", u(disk));
	has_not(f, "AttachedDevice");

	/* From top to bottom, whichever is given. */
	for (int i = 0; i < 2; i++) {
		run(f, "!devstack %llx", u(i ? filter : disk));
		has(f,
			"ObjectName\n%c %016llx  \\Driver\\disk       0000000000000000  \n"
			"%c %016llx  \\Driver\\disk       %016llx  Harddisk0\n"
			"!DevNode %016llx :\n  DeviceInst is \"IDE\\DISK\\1\"\n  ServiceName is "
			"\"disk\"\n",
			i ? '>' : ' ', u(filter), i ? ' ' : '>', u(disk), u(at(f, "RootBody")),
			u(at(f, "DiskNode")));
	}

	run(f, "!drvobj nosuch");
	has(f, "\\Driver\\nosuch: there is no 'nosuch'");
	run(f, "!drvobj \\Driver\\nosuch");
	has(f, "there is no 'nosuch'");
	run(f, "!drvobj");
	has(f, "a Driver object is needed");
	run(f, "!devobj harddisk0 x");
	assert_int_not_equal(f->last, ERR_OK);
	run(f, "!devobj %llx", u(driver));
	has(f, "%016llx is no Device object but a Driver", u(driver));
	/* Lists that do not end, stacks that go round. */
	put64(b, filter);
	assert_int_equal(
		nt_field(nt_of(f->e->os), "_DEVICE_OBJECT", "NextDevice", &o, NULL), ERR_OK);
	fake_mem(f->f, as_current(), disk + o.off, b, 8);
	assert_int_equal(
		nt_field(nt_of(f->e->os), "_DEVICE_OBJECT", "AttachedDevice", &o, NULL), ERR_OK);
	fake_mem(f->f, as_current(), filter + o.off, b, 8);
	run(f, ".cache flushall; !drvobj disk");
	has(f, "*** the list is damaged: it leads to");
	run(f, "!devstack %llx", u(disk));
	assert_int_equal(f->last, ERR_OK);
}

/* Kernel memory at random: every listing ends, with or without words. */
static void test_hostile(void **state)
{
	fix *f = *state;
	static const char *const lines[] = {"!process 0 7", "!process -1 1f", "!thread",
		"!running -it", "!ready", "!stacks 2", "!for_each_thread .echo @#Thread",
		"!session", "!vad", "!peb", "!teb", "!dlls", "!gle -all", "!pcr", "!prcb",
		"!idt -a", "vertarget", ".bugcheck", ".reload /user", "!pte 140000000",
		"!object \\", "!object \\Device", "!handle 0 3 0", "!drvobj disk 7",
		"!devstack Harddisk0"};
	uint64_t data = at(f, "CaptureHandles") & ~0xfffULL, end = KERNEL_BASE + f->w.n;
	uint32_t seed = 1;
	for (int round = 0; round < 40; round++) {
		fake_mem(f->f, as_current(), KERNEL_BASE, f->w.image, f->w.n);
		for (int i = 0; i < 30; i++) {
			uint8_t b[8];
			seed = seed * 1664525 + 1013904223;
			uint64_t where = data + (seed >> 8) % ((end - data) / 8) * 8;
			seed = seed * 1664525 + 1013904223;
			uint64_t v[] = {0, ~0ULL, where, data + (seed >> 8) % (end - data), seed,
				KERNEL_BASE - 8, USER_VA + (seed >> 20) * 8, 0x8000000000000000ULL};
			put64(b, v[seed >> 29]);
			fake_mem(f->f, as_current(), where, b, 8);
		}
		os_stopped(f->e->os);
		eng_ctx_reset(f->e);
		uint64_t began = sys_now_ms();
		run(f, ".cache flushall");
		for (size_t i = 0; i < ARRAY_LEN(lines); i++)
			run(f, "%s", lines[i]);
		if (sys_now_ms() - began > 20000)
			fail_msg("round %d took %llu ms", round, u(sys_now_ms() - began));
	}
}

/* Exports and the kernel's debugger data only: a field that they do not tell is not shown as zero.
 */
static void test_bare(void **state)
{
	fix *k = *state, *f;
	void *bare;
	uint64_t system = at(k, "SystemProcess"), thread = at(k, "CaptureThread");
	start_with(&bare, false, at(k, "PsLoadedModuleList"), at(k, "KdpDebuggerDataListHead"));
	f = bare;
	run(f, "!process 0 0");
	has(f, "PROCESS %016llx", u(system));
	has(f, "  ObjectTable: ?  HandleCount: ?\n    Image: System\n");
	has_not(f, "HandleCount:   0");
	run(f, "!thread %llx", u(thread));
	has(f, "THREAD %016llx", u(thread));
	has(f, "Win32Thread: ? ");
	has(f, "Priority ? BasePriority ?\n");
	teardown(&bare);
}

#define BOTH(fn)                                                                                   \
	cmocka_unit_test_setup_teardown(fn, setup_a, teardown),                                    \
		cmocka_unit_test_setup_teardown(fn, setup_b, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {BOTH(test_process), BOTH(test_process_threads),
		BOTH(test_thread), BOTH(test_for_each), BOTH(test_contexts), BOTH(test_registers),
		BOTH(test_vm), BOTH(test_user), BOTH(test_ubp), BOTH(test_journal),
		BOTH(test_machine), BOTH(test_reboot), BOTH(test_object), BOTH(test_handle),
		BOTH(test_driver), BOTH(test_damage), BOTH(test_hostile),
		cmocka_unit_test_setup_teardown(test_bare, setup_a, teardown)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
