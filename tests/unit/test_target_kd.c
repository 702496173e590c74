/* target/kd: the backend against the stub of the guest in a toy machine (both variants). */
#include "test_target_peer.h"

#include "target/kd/kd_int.h"
#include "wire/kd.h"

#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

static const char *const kernels[] = {"fakekernel-a", "fakekernel-b"};
static peer K;

/* Offset of room in the kernel's code that nothing runs: the fake kernel counts bytes left there.
 */
enum { SPARE = 0x1800 };

/* A kernel that runs and is broken into. */
static void begin(const char *kernel, const char *options)
{
	peer_start(&K, kernel, options);
	attach(&K, true);
	until_exception();
}

static void begin_past_break(const char *kernel, const char *options)
{
	peer_start(&K, kernel, options);
	attach_past_break(&K);
}

static void end(void)
{
	leave(TGT_DETACH);
	peer_stop(&K);
}

/* ---- attaching ---- */

static void attach_running(void **state)
{
	for (int v = 0; v < 2; v++) {
		begin(kernels[v], "");
		assert_int_equal(E.code, 0x80000003);
		assert_int_equal(E.n_units, 2);
		assert_true(E.has_report && E.n_stream == 16 && E.stream[0] == 0xcc);
		tgt_version ver;
		uint64_t base = 0, list = 0, data = 0;
		assert_int_equal(tgt_query(T_, TGT_F_VERSION, &ver, sizeof ver, NULL), ERR_OK);
		assert_int_equal(ver.machine, 0x8664);
		assert_int_equal(tgt_query(T_, TGT_F_KERNEL_BASE, &base, 8, NULL), ERR_OK);
		assert_int_equal(number_at(base) & 0xffff, 0x5a4d);
		assert_int_equal(tgt_query(T_, TGT_F_MODULE_LIST, &list, 8, NULL), ERR_OK);
		assert_true(number_at(list) > base);
		assert_int_equal(tgt_query(T_, TGT_F_DEBUGGER_DATA, &data, 8, NULL), ERR_OK);
		assert_true(data > base);
		assert_non_null(strstr(prints, "booting"));
		end();
		assert_int_equal(peer_number(&K, "int3 "), 0);
		assert_true(peer_number(&K, "loop0 ") > 0);
	}
}

/* One debugger after the other joins a kernel that has long been running, whatever number is next.
 */
static void attach_again_and_again(void **state)
{
	for (int v = 0; v < 2; v++) {
		peer_start(&K, kernels[v], "");
		for (int i = 0; i < 6; i++) {
			uint64_t begin = sys_now_ms();
			attach(&K, true);
			until_exception();
			assert_true(sys_now_ms() - begin < 4000);
			for (int n = 0; n < i; n++)
				(void)!T_->ops->read(
					T_, as_current(), E.pc, &E.dr6, 8, &(size_t){0});
			(void)number_at(E.pc);
			leave(TGT_DETACH);
		}
		peer_stop(&K);
	}
}

/* A debugger left the kernel stopped; the next one finds it so at once, without asking for a break.
 */
static void attach_stopped(void **state)
{
	for (int v = 0; v < 2; v++) {
		peer_start(&K, kernels[v], "--stopped");
		attach(&K, false);
		until_exception();
		uint64_t pc = E.pc;
		for (int i = 0; i < 3; i++) {
			(void)number_at(pc);
			leave(i % 2 ? TGT_LEAVE : TGT_ABANDON);
			attach(&K, false);
			assert_int_equal(next(3000), TGT_EV_EXCEPTION);
			assert_int_equal(E.pc, pc);
			(void)number_at(pc);
			assert_int_equal(strstr(trace_text, "break-in") == NULL, 1);
		}
		/* Left after the PC was moved: the state change does not know, the event does. */
		x64_regs r = {0};
		skip_break();
		leave(TGT_ABANDON);
		attach(&K, false);
		assert_int_equal(next(3000), TGT_EV_EXCEPTION);
		assert_int_equal(E.pc, pc + 1);
		assert_int_equal(tgt_regs_get(T_, E.unit, X64_SET_CONTROL, &r, NULL), ERR_OK);
		assert_int_equal(r.rip, pc + 1);
		leave(TGT_DETACH);
		usleep(200000);
		peer_stop(&K);
		assert_true(peer_number(&K, "loop0 ") > 0); /* it never ran before */
	}
}

/*
 * The kernel stands at a hit that a debugger left, and a break was asked for before it answers: it
 * keeps the byte for when it runs, and that stop is nobody's wish.
 */
static void attach_at_a_hit_with_a_late_break(void **state)
{
	for (int v = 0; v < 2; v++) {
		begin_past_break(kernels[v], "");
		trap(TGT_TRAP_SOFT, USER_FUNC, 0);
		resume(TGT_GO);
		until_exception();
		assert_int_equal(E.pc, USER_FUNC);
		leave(TGT_ABANDON);

		kill(K.pid, SIGSTOP);
		attach(&K, true);
		assert_int_equal(next(150), TGT_EV_TIMEOUT);
		assert_non_null(strstr(trace_text, "break-in"));
		kill(K.pid, SIGCONT);
		usleep(200000); /* nothing follows the byte, so that it counts */
		until_exception();
		assert_int_equal(E.pc, USER_FUNC);
		resume(TGT_GO);
		assert_int_equal(next(500), TGT_EV_TIMEOUT);
		end();
	}
}

static void attach_in_the_middle_of_a_packet(void **state)
{
	for (int v = 0; v < 2; v++) {
		begin(kernels[v], "--mid-packet --stopped");
		(void)number_at(E.pc);
		end();
	}
}

static void boot_text_and_load_events(void **state)
{
	peer_start(&K, kernels[0], "--boot-log");
	attach(&K, false);
	assert_int_equal(next(5000), TGT_EV_LOAD);
	assert_true(str_iends(str_of(E.path), STR("ntoskrnl.exe")));
	assert_true(E.base >> 63 && E.size);
	resume(TGT_GO);
	assert_int_equal(next(5000), TGT_EV_LOAD);
	assert_true(str_iends(str_of(E.path), STR("hal.dll")));
	resume(TGT_GO);
	assert_int_equal(next(300), TGT_EV_TIMEOUT);
	buf b;
	buf_init(&b, 0);
	tgt_describe(T_, &b);
	assert_non_null(strstr(buf_z(&b), "the target runs"));
	buf_deinit(&b);
	/* A fresh kernel is not searched for stale entries: one request a stop, and the continue.
	 */
	assert_null(strstr(trace_text, "RestoreBreakPoint"));
	assert_true(requests <= 3);
	end();
}

static void silence_is_explained(void **state)
{
	peer_start(&K, kernels[0], "--mute");
	attach(&K, true);
	assert_int_equal(next(5600), TGT_EV_TIMEOUT);
	assert_non_null(strstr(notices, "Nothing was received"));
	assert_non_null(strstr(notices, "bcdedit"));
	/* About one break-in a second, resets, and no more. */
	unsigned breaks = 0;
	for (const char *p = trace_text; (p = strstr(p, "break-in")); p++)
		breaks++;
	assert_in_range(breaks, 3, 7);
	end();
}

/* ---- what a program of few bytes says ---- */

typedef struct speaker {
	char dir[32], socket[64];
	pid_t pid;
} speaker;

/* Listens where a program then says these bytes and nothing more. */
static void speaker_start(speaker *s, const void *bytes, size_t n)
{
	char options[96];
	strcpy(s->dir, "/tmp/rs-kd-speak-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	snprintf(s->socket, sizeof s->socket, "%s/s", s->dir);
	snprintf(options, sizeof options, "com:pipe,port=%s,listen", s->socket);
	attach_with(options, false);
	s->pid = fork();
	if (!s->pid) {
		struct sockaddr_un to = {.sun_family = AF_UNIX};
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		snprintf(to.sun_path, sizeof to.sun_path, "%s", s->socket);
		if (connect(fd, (struct sockaddr *)&to, sizeof to) ||
			write(fd, bytes, n) != (ssize_t)n)
			_exit(1);
		pause();
	}
}

static void until_said(const char *text, const char *where)
{
	for (int s = 0; s < 30 && !strstr(where, text); s++)
		assert_int_equal(next(1000), TGT_EV_TIMEOUT);
	if (!strstr(where, text))
		fail_msg("no '%s' in: %s", text, where);
}

static void speaker_stop(speaker *s)
{
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	leave(TGT_ABANDON);
	rmdir(s->dir);
}

/* What is no packet at all is quoted. */
static void noise_is_quoted(void **state)
{
	speaker s;
	speaker_start(&s, "GRUB loading stage two\n", 23);
	until_said("23 bytes came that are no packets", notices);
	assert_non_null(strstr(notices, "GRUB loading stage two"));
	assert_non_null(strstr(notices, "boot loader"));
	speaker_stop(&s);
}

static size_t packet(uint8_t *f, kd_type t, uint32_t id, const void *p, size_t n)
{
	bool control = t >= KD_T_ACK && t <= KD_T_RESET;
	put32(f, control ? KD_LEADER_CONTROL : KD_LEADER_DATA);
	put16(f + 4, (uint16_t)t);
	put16(f + 6, (uint16_t)n);
	put32(f + 8, id);
	put32(f + 12, kd_checksum(p, n));
	if (n)
		memcpy(f + KD_HEADER, p, n);
	f[KD_HEADER + n] = KD_TRAILER;
	return control ? KD_HEADER : KD_HEADER + n + 1;
}

/* Somebody is there, but what comes is no answer to anything. */
static void packets_without_answer(void **state)
{
	speaker s;
	uint8_t b[KD_HEADER + 1];
	speaker_start(&s, b, packet(b, KD_T_ACK, KD_ID_FIRST, NULL, 0));
	until_said("Only acknowledgements came", notices);
	assert_non_null(strstr(notices, "Packets come but no answer to ours"));
	speaker_stop(&s);
}

/* A state change whose sender hears nothing of ours: said, and gone on with. */
static void reset_without_answer(void **state)
{
	speaker s;
	uint8_t change[240] = {0}, b[300];
	put32(change, KD_S_EXCEPTION);
	put32(change + 8, 1);
	put64(change + 24, 0xfffff80000001000);
	put32(change + 32, 0x80000003);
	speaker_start(&s, b, packet(b, KD_T_STATE64, KD_ID_FIRST, change, sizeof change));
	until_exception();
	assert_non_null(strstr(notices, "does not answer RESET; going on without"));
	speaker_stop(&s);
}

/* Trace I/O means nothing to us: it is acknowledged, and what follows it is heard. */
static void trace_io_is_passed_over(void **state)
{
	speaker s;
	uint8_t io[KD_DEBUG_IO_SIZE + 6], b[200];
	kd_debug_io print = {.api = KD_IO_PRINT, .length = 6};
	size_t n = packet(b, KD_T_TRACE_IO, KD_ID_FIRST | KD_SYNC, "\1\2\3\4", 4);
	kd_debug_io_pack(&print, io);
	memcpy(io + KD_DEBUG_IO_SIZE, "behind", 6);
	n += packet(b + n, KD_T_DEBUG_IO, KD_ID_FIRST | 1, io, sizeof io);
	speaker_start(&s, b, n);
	until_said("behind", prints);
	assert_non_null(strstr(trace_text, "> ACK 80800000"));
	assert_null(strstr(trace_text, "RESEND"));
	assert_null(strstr(trace_text, "stray"));
	speaker_stop(&s);
}

static void over_tcp_and_a_terminal(void **state)
{
	char o[160];
	peer_start(&K, kernels[0], "--stopped tcp:0");
	snprintf(o, sizeof o, "com:ipport=%s,port=127.0.0.1", K.name);
	attach_with(o, false);
	until_exception();
	(void)number_at(E.pc);
	end();
	peer_start(&K, kernels[0], "--stopped pty:");
	snprintf(o, sizeof o, "com:port=%s,baud=115200", K.name);
	attach_with(o, false);
	until_exception();
	(void)number_at(E.pc);
	end();
}

static void reclaims_what_was_left_behind(void **state)
{
	for (int v = 0; v < 2; v++) {
		uint64_t base = 0;
		begin(kernels[v], "");
		assert_int_equal(tgt_query(T_, TGT_F_KERNEL_BASE, &base, 8, NULL), ERR_OK);
		for (unsigned i = 0; i < 7; i++)
			trap(TGT_TRAP_SOFT, base + SPARE + 32 * i, 0);
		leave(TGT_ABANDON);
		attach(&K, true);
		assert_int_equal(next(8000), TGT_EV_EXCEPTION);
		assert_non_null(strstr(
			notices, "Reclaimed 7 breakpoint entries that a previous debugger left"));
		trap(TGT_TRAP_SOFT, base + SPARE, 0);
		end();
		assert_int_equal(peer_number(&K, "int3 "), 0);
	}
}

/* A kernel that gave its debugger up counts packets as a fresh one does, and is none. */
static void reclaims_from_a_kernel_that_gave_up(void **state)
{
	for (int v = 0; v < 2; v++) {
		uint64_t base = 0;
		begin_past_break(kernels[v], "--print-every 3");
		assert_int_equal(tgt_query(T_, TGT_F_KERNEL_BASE, &base, 8, NULL), ERR_OK);
		for (unsigned i = 0; i < 5; i++)
			trap(TGT_TRAP_SOFT, base + SPARE + 32 * i, 0);
		resume(TGT_GO);
		leave(TGT_ABANDON);
		usleep(3000000); /* 20 tries of a print */
		attach(&K, true);
		until_exception();
		assert_non_null(strstr(
			notices, "Reclaimed 5 breakpoint entries that a previous debugger left"));
		end();
		assert_int_equal(peer_number(&K, "int3 "), 0);
	}
}

/* ---- registers, memory, devices ---- */

static void processors(void **state)
{
	for (int v = 0; v < 2; v++) {
		begin(kernels[v], "--processors 4");
		assert_int_equal(E.n_units, 4);
		uint64_t prcb[4], thread[4];
		x64_regs r[4] = {0};
		for (unsigned u = 0; u < 4; u++) {
			prcb[u] = thread[u] = u;
			assert_int_equal(tgt_query(T_, TGT_F_PRCB, &prcb[u], 8, NULL), ERR_OK);
			assert_int_equal(tgt_query(T_, TGT_F_THREAD, &thread[u], 8, NULL), ERR_OK);
			assert_int_equal(tgt_regs_get(T_, u, X64_SET_ALL, &r[u], NULL), ERR_OK);
			assert_int_equal(r[u].valid, X64_SET_ALL);
			assert_true(r[u].cr3 && !(r[u].cr3 & 0xfff));
			for (unsigned w = 0; w < u; w++)
				assert_true(prcb[u] != prcb[w] && thread[u] != thread[w]);
		}
		assert_int_equal(thread[E.unit], E.thread);
		assert_int_equal(r[E.unit].rip, E.pc);
		assert_int_equal(r[E.unit].eflags, E.eflags);
		/* A change lands on the processor that was meant. */
		unsigned u = (E.unit + 1) % 4;
		r[u].gpr[X64_R12] = 0x123456789abcdef0;
		assert_int_equal(tgt_regs_set(T_, u, X64_SET_INTEGER, &r[u], NULL), ERR_OK);
		/* Asked by a new debugger: nothing of it is remembered here. */
		leave(TGT_ABANDON);
		attach(&K, false);
		until_exception();
		for (unsigned w = 0; w < 4; w++) {
			x64_regs now = {0};
			assert_int_equal(tgt_regs_get(T_, w, X64_SET_INTEGER, &now, NULL), ERR_OK);
			assert_int_equal(now.gpr[X64_R12] == 0x123456789abcdef0, w == u);
		}
		diag d = {0};
		x64_regs none = {0};
		assert_int_equal(tgt_regs_get(T_, 4, X64_SET_CONTROL, &none, &d), ERR_ARG);
		end();
	}
}

static void partial_contexts_cost_little(void **state)
{
	begin(kernels[0], "");
	x64_regs r = {0};
	unsigned before = requests;
	for (int i = 0; i < 5; i++)
		assert_int_equal(
			tgt_regs_get(T_, E.unit, X64_SET_CONTROL | X64_SET_INTEGER, &r, NULL),
			ERR_OK);
	assert_int_equal(requests - before, 1);
	assert_non_null(strstr(trace_text, "GetContextEx cpu"));
	/* Writing what is there costs nothing, a moved PC one small request. */
	before = requests;
	assert_int_equal(tgt_regs_set(T_, E.unit, X64_SET_CONTROL, &r, NULL), ERR_OK);
	assert_int_equal(requests - before, 0);
	r.rip++;
	assert_int_equal(tgt_regs_set(T_, E.unit, X64_SET_CONTROL, &r, NULL), ERR_OK);
	assert_int_equal(requests - before, 1);
	assert_non_null(strstr(trace_text, "SetContextEx cpu 0 offset f8 l1"));
	end();
}

static void memory(void **state)
{
	static uint8_t b[20000], c[20000];
	for (int v = 0; v < 2; v++) {
		uint64_t base = 0, at = 0;
		size_t n;
		x64_regs r = {0};
		diag d = {0};
		begin(kernels[v], "");
		assert_int_equal(tgt_query(T_, TGT_F_KERNEL_BASE, &base, 8, NULL), ERR_OK);
		assert_int_equal(tgt_read_all(T_, as_current(), base, b, sizeof b, NULL), ERR_OK);
		/* The same through the page tables, and physically. */
		assert_int_equal(tgt_regs_get(T_, E.unit, X64_SET_SPECIAL, &r, NULL), ERR_OK);
		assert_int_equal(tgt_read_all(T_, as_root(r.cr3), base, c, sizeof c, NULL), ERR_OK);
		assert_memory_equal(b, c, sizeof b);
		x64_walk w;
		assert_int_equal(tgt_translate(T_, r.cr3, base, &w, NULL), ERR_OK);
		as_t uncached = {AS_PHYS, 2};
		assert_int_equal(tgt_read(T_, uncached, w.phys, c, 64, &n, NULL), ERR_OK);
		assert_memory_equal(b, c, 64);
		/* Writing, virtual and physical. */
		assert_int_equal(
			tgt_write(T_, as_current(), base + 0x11000, "virtual", 7, &n, NULL),
			ERR_OK);
		assert_int_equal(tgt_translate(T_, r.cr3, base + 0x11000, &w, NULL), ERR_OK);
		assert_int_equal(tgt_read_all(T_, as_phys(), w.phys, c, 7, NULL), ERR_OK);
		assert_memory_equal(c, "virtual", 7);
		assert_int_equal(tgt_write(T_, uncached, w.phys, "physica", 7, &n, NULL), ERR_OK);
		assert_int_equal(
			tgt_read_all(T_, as_current(), base + 0x11000, c, 7, NULL), ERR_OK);
		assert_memory_equal(c, "physica", 7);
		/* Nothing there. */
		assert_int_equal(
			tgt_read(T_, as_current(), 0xdead0000beef0000, c, 8, &n, &d), ERR_FAULT);
		assert_int_equal(
			tgt_write(T_, as_current(), 0xdead0000beef0000, c, 8, &n, &d), ERR_FAULT);
		assert_int_equal(tgt_read(T_, as_phys(), 1ull << 45, c, 8, &n, &d), ERR_FAULT);
		/* Search and fill, whether the kernel serves them or not. */
		uint8_t pat[5] = {9, 8, 7, 6, 5}, got[32];
		assert_int_equal(
			tgt_fill(T_, as_current(), base + 0x11100, 23, pat, 5, &d), ERR_OK);
		assert_int_equal(
			tgt_read_all(T_, as_current(), base + 0x11100, got, 24, NULL), ERR_OK);
		for (int i = 0; i < 23; i++)
			assert_int_equal(got[i], pat[i % 5]);
		assert_int_equal(tgt_search(T_, as_current(), base, 0x20000, "\x07\x06\x05\x09\x08",
					 5, &at, &d),
			ERR_OK);
		assert_int_equal(at, base + 0x11102);
		assert_int_equal(
			tgt_search(T_, as_current(), base, 0x20000, "no such thing!", 14, &at, &d),
			ERR_NOTFOUND);
		end();
	}
}

static void a_fault_costs_one_request(void **state)
{
	static uint8_t b[16384];
	uint64_t base = 0;
	size_t n;
	begin(kernels[0], "");
	assert_int_equal(tgt_query(T_, TGT_F_KERNEL_BASE, &base, 8, NULL), ERR_OK);
	unsigned before = requests;
	assert_int_equal(
		tgt_read(T_, as_current(), 0xffff900000000010, b, 4000, &n, NULL), ERR_FAULT);
	assert_int_equal(tgt_read(T_, as_current(), 0xffff900000000810, b, 8, &n, NULL), ERR_FAULT);
	assert_int_equal(requests - before, 1);
	/* 16 KiB are five packets of at most 3944 bytes. */
	before = requests;
	assert_int_equal(tgt_read_all(T_, as_current(), base, b, sizeof b, NULL), ERR_OK);
	assert_int_equal(requests - before, 5);
	end();
}

static void devices(void **state)
{
	for (int v = 0; v < 2; v++) {
		uint8_t b[256];
		size_t n;
		diag d = {0};
		begin(kernels[v], "");
		as_t io = {AS_IO, 0}, msr = {AS_MSR, 0}, control = {AS_CONTROL, 1},
		     bus = {AS_BUS, 0};
		assert_int_equal(tgt_write(T_, io, 0x80, "\x5a", 1, &n, &d), ERR_OK);
		assert_int_equal(tgt_read(T_, io, 0x80, b, 1, &n, &d), ERR_OK);
		assert_int_equal(b[0], 0x5a);
		unsigned asked = requests;
		assert_int_equal(tgt_read(T_, io, 0x80, b, 3, &n, &d), ERR_ARG);
		assert_int_equal(tgt_read(T_, io, 0x10000, b, 1, &n, &d), ERR_ARG);
		assert_int_equal(requests, asked);
		assert_int_equal(tgt_read(T_, msr, 0xc0000080, b, 8, &n, &d), ERR_OK);
		assert_true(le64(b) & 0x400); /* EFER.LMA */
		uint64_t lstar;
		assert_int_equal(tgt_read(T_, msr, 0xc0000082, &lstar, 8, &n, &d), ERR_OK);
		assert_int_equal(tgt_write(T_, msr, 0xc0000082, &lstar, 8, &n, &d), ERR_OK);
		/* Control space 2 of processor 1, whole and from an offset. */
		assert_int_equal(tgt_read(T_, control, 2ull << 32, b, 216, &n, &d), ERR_OK);
		assert_int_equal(n, 216);
		uint8_t cr3[8];
		assert_int_equal(tgt_read(T_, control, 2ull << 32 | 0x10, cr3, 8, &n, &d), ERR_OK);
		assert_memory_equal(cr3, b + 0x10, 8);
		/* A number above 3 never leaves. */
		unsigned before = requests;
		for (uint64_t space = 4; space < 40; space++)
			assert_int_equal(tgt_read(T_, control, space << 32, b, 8, &n, &d), ERR_ARG);
		assert_int_equal(tgt_write(T_, control, 9ull << 32, b, 8, &n, &d), ERR_ARG);
		assert_int_equal(requests, before);
		/* PCI configuration space, with the request or by the ports. */
		assert_int_equal(tgt_read(T_, bus, 4ull << 56, b, 4, &n, &d), ERR_OK);
		assert_int_equal(n, 4);
		tgt_memory_info mi = {.addr = E.pc};
		assert_int_equal(tgt_query(T_, TGT_F_MEMORY, &mi, sizeof mi, &d), ERR_OK);
		assert_int_equal(mi.space, 2);
		assert_true(mi.flags & 4);
		end();
	}
}

/* What a kernel has refused once it is not asked again in the session. */
static void refusals_are_remembered(void **state)
{
	for (int v = 0; v < 2; v++) {
		uint64_t base = 0;
		unsigned first = 0, later = 0;
		diag d = {0};
		begin(kernels[v], "");
		assert_int_equal(tgt_query(T_, TGT_F_KERNEL_BASE, &base, 8, NULL), ERR_OK);
		for (int i = 0; i < 2; i++) {
			unsigned before = requests;
			assert_int_equal(
				tgt_fill(T_, as_current(), base + 0x11100, 8, "\x90", 1, &d),
				ERR_OK);
			*(i ? &later : &first) = requests - before;
		}
		/* One asks in vain and writes, then writes; the other fills each time. */
		assert_int_equal(first, later + !strstr(trace_text, "FillMemory status 00000000"));
		end();
	}
}

/* ---- traps ---- */

/* A step led to an execute trap: whether it hits is for the caller to say. */
static void execute_trap_at_the_pc(void **state)
{
	for (int v = 0; v < 2; v++) {
		begin_past_break(kernels[v], "--processors 1");
		trap(TGT_TRAP_SOFT, USER_FUNC, 0);
		resume(TGT_GO);
		assert_int_equal(next(5000), TGT_EV_EXCEPTION);
		assert_int_equal(E.pc, USER_FUNC);
		trap(TGT_TRAP_EXEC, USER_FUNC + 1, 1);
		uint64_t count = number_at(USER_COUNT);
		resume(TGT_STEP);
		assert_int_equal(next(5000), TGT_EV_EXCEPTION);
		assert_int_equal(E.pc, USER_FUNC + 1);
		tgt_run unseen = {.unit = E.unit, .go = TGT_GO, .handled = true, .unseen = true};
		assert_int_equal(tgt_resume(T_, &unseen, NULL), ERR_OK);
		assert_int_equal(next(5000), TGT_EV_EXCEPTION);
		assert_int_equal(E.code, 0x80000004);
		assert_int_equal(E.dr6 & 15, 1);
		assert_int_equal(E.pc, USER_FUNC + 1);
		assert_int_equal(number_at(USER_COUNT), count);
		resume(TGT_GO);
		assert_int_equal(next(5000), TGT_EV_EXCEPTION);
		assert_int_equal(E.pc, USER_FUNC + 1);
		assert_int_equal(number_at(USER_COUNT), count + 1);
		end();
		assert_int_equal(peer_number(&K, "unhandled "), 0);
	}
}

static void breakpoint_step_and_hardware(void **state)
{
	for (int v = 0; v < 2; v++) {
		begin_past_break(kernels[v], "");
		trap(TGT_TRAP_SOFT, USER_FUNC, 0);
		assert_int_not_equal(number_at(USER_FUNC) & 0xff, 0xcc);
		resume(TGT_GO);
		assert_int_equal(next(5000), TGT_EV_EXCEPTION);
		assert_int_equal(E.code, 0x80000003);
		assert_int_equal(E.pc, USER_FUNC);
		assert_int_equal(E.n_dropped, 1);
		assert_int_equal(E.dropped[0], USER_FUNC);
		assert_int_equal(E.stream[0], 0x53); /* push rbx */
		assert_int_equal(E.cs, 0x33);
		uint64_t count = number_at(USER_COUNT);
		/* Steps: push rbx; mov rbx,imm; lock inc [count] */
		static const unsigned len[] = {1, 7, 8};
		uint64_t pc = E.pc;
		for (size_t i = 0; i < ARRAY_LEN(len); i++) {
			resume(TGT_STEP);
			assert_int_equal(next(5000), TGT_EV_EXCEPTION);
			assert_int_equal(E.code, 0x80000004);
			pc += len[i];
			assert_int_equal(E.pc, pc);
		}
		assert_int_equal(number_at(USER_COUNT), count + 1);
		/* The debug register stops every processor, and lets each pass the next time. */
		uint64_t h = trap(TGT_TRAP_EXEC, USER_FUNC, 1);
		unsigned seen = 0;
		for (int i = 0; i < 12; i++) {
			resume(TGT_GO);
			assert_int_equal(next(5000), TGT_EV_EXCEPTION);
			assert_int_equal(E.code, 0x80000004);
			assert_int_equal(E.pc, USER_FUNC);
			assert_int_equal(E.dr6 & 15, 1);
			seen |= 1u << E.unit;
		}
		assert_int_equal(seen, 3);
		assert_int_equal(tgt_trap_del(T_, h, NULL), ERR_OK);
		/* A write watched. */
		h = trap(TGT_TRAP_WRITE, USER_COUNT, 8);
		resume(TGT_GO);
		assert_int_equal(next(5000), TGT_EV_EXCEPTION);
		assert_int_equal(E.pc, USER_FUNC + 16);
		assert_int_equal(tgt_trap_del(T_, h, NULL), ERR_OK);
		resume(TGT_GO);
		assert_int_equal(next(100), TGT_EV_TIMEOUT);
		end();
		assert_int_equal(peer_number(&K, "int3 "), 0);
		assert_int_equal(peer_number(&K, "unhandled "), 0);
	}
}

/* A hit passed over: emulate nothing, plant again, go on. Every round of the loop hits once. */
static void passing_over_costs_two_requests(void **state)
{
	begin_past_break(kernels[0], "");
	trap(TGT_TRAP_SOFT, USER_FUNC, 0);
	resume(TGT_GO);
	assert_int_equal(next(5000), TGT_EV_EXCEPTION);
	unsigned before = requests;
	for (int i = 0; i < 50; i++) {
		x64_regs r = {0};
		uint8_t b[8];
		size_t n;
		/* push rbx by hand */
		assert_int_equal(
			tgt_regs_get(T_, E.unit, X64_SET_CONTROL | X64_SET_INTEGER, &r, NULL),
			ERR_OK);
		r.gpr[X64_RSP] -= 8;
		put64(b, r.gpr[X64_RBX]);
		assert_int_equal(
			tgt_write(T_, as_current(), r.gpr[X64_RSP], b, 8, &n, NULL), ERR_OK);
		r.rip++;
		assert_int_equal(tgt_regs_set(T_, E.unit, X64_SET_CONTROL, &r, NULL), ERR_OK);
		trap(TGT_TRAP_SOFT, USER_FUNC, 0);
		resume(TGT_GO);
		assert_int_equal(next(5000), TGT_EV_EXCEPTION);
		assert_int_equal(E.pc, USER_FUNC);
	}
	/* get context, write stack, set context, write breakpoint, continue */
	assert_int_equal(requests - before, 5 * 50);
	end();
	assert_int_equal(peer_number(&K, "int3 "), 0);
}

static void thirty_two_entries(void **state)
{
	for (int v = 0; v < 2; v++) {
		uint64_t base = 0, h[33];
		diag d = {0};
		begin(kernels[v], "");
		assert_int_equal(tgt_query(T_, TGT_F_KERNEL_BASE, &base, 8, NULL), ERR_OK);
		for (unsigned i = 0; i < 32; i++)
			h[i] = trap(TGT_TRAP_SOFT, base + SPARE + 32 * i, 0);
		tgt_trap t = {TGT_TRAP_SOFT, as_current(), base + SPARE + 0x400, 0};
		assert_int_equal(tgt_trap_add(T_, &t, &h[32], &d), ERR_LIMIT);
		assert_non_null(strstr(d.text, "32"));
		/* All of them out again when the target goes on: at once where the kernel can. */
		for (unsigned i = 0; i < 32; i++)
			assert_int_equal(tgt_trap_del(T_, h[i], NULL), ERR_OK);
		unsigned before = requests;
		skip_break();
		resume(TGT_GO);
		assert_true(requests - before <= (v ? 36 : 37));
		assert_int_equal(next(50), TGT_EV_TIMEOUT);
		tgt_interrupt(T_);
		assert_int_equal(next(5000), TGT_EV_EXCEPTION);
		trap(TGT_TRAP_SOFT, base + SPARE + 0x400, 0);
		/* An absent page is no error: the byte comes when the page does. */
		trap(TGT_TRAP_SOFT, 0xffff900000001000, 0);
		end();
		assert_int_equal(peer_number(&K, "int3 "), 0);
	}
}

/*
 * At a stop in one process the kernel looks at entries near the PC. Some take out the entry of
 * another process, too, others keep it: either way nothing stays when we leave.
 */
static void entry_of_another_process(void **state)
{
	for (int v = 0; v < 2; v++) {
		bool met = false;
		begin_past_break(kernels[v], "");
		trap(TGT_TRAP_EXEC, USER_FUNC, 1);
		resume(TGT_GO);
		assert_int_equal(next(5000), TGT_EV_EXCEPTION);
		for (int i = 0; i < 40 && !met; i++) {
			unit_t here = E.unit; /* each processor runs a process of its own */
			uint64_t h = trap(TGT_TRAP_SOFT, USER_FUNC + 7, 0); /* in a number */
			resume(TGT_GO);
			assert_int_equal(next(5000), TGT_EV_EXCEPTION);
			assert_int_equal(E.pc, USER_FUNC);
			met = E.unit != here;
			if (!met)
				(void)!tgt_trap_del(T_, h, NULL);
		}
		assert_true(met);
		end();
		assert_int_equal(peer_number(&K, "int3 "), 0);
	}
}

/* Left while the target runs: it is stopped once more, and neither bytes nor debug registers stay.
 */
static void leaves_while_running(void **state)
{
	for (int v = 0; v < 2; v++) {
		uint64_t base = 0;
		begin_past_break(kernels[v], "");
		assert_int_equal(tgt_query(T_, TGT_F_KERNEL_BASE, &base, 8, NULL), ERR_OK);
		trap(TGT_TRAP_SOFT, base + SPARE, 0);
		trap(TGT_TRAP_WRITE, base + SPARE + 8, 8);
		resume(TGT_GO);
		assert_int_equal(next(100), TGT_EV_TIMEOUT);
		leave(TGT_DETACH);
		usleep(100000);
		attach(&K, true);
		until_exception();
		assert_null(strstr(notices, "Reclaimed"));
		x64_regs r = {0};
		assert_int_equal(tgt_regs_get(T_, E.unit, X64_SET_DEBUG, &r, NULL), ERR_OK);
		assert_int_equal(r.dr[7] & 0xff, 0);
		leave(TGT_ABANDON);
		peer_stop(&K);
		assert_int_equal(peer_number(&K, "int3 "), 0);
	}
}

/* An address that a former debugger's entry holds, with reclaiming at attach switched off. */
static void duplicate_refused_is_reclaimed(void **state)
{
	char o[160];
	uint64_t base = 0;
	begin(kernels[0], "");
	assert_int_equal(tgt_query(T_, TGT_F_KERNEL_BASE, &base, 8, NULL), ERR_OK);
	trap(TGT_TRAP_SOFT, base + SPARE, 0);
	trap(TGT_TRAP_SOFT, base + SPARE + 32, 0);
	leave(TGT_ABANDON);
	snprintf(o, sizeof o, "com:pipe,port=%s", K.socket);
	kd_open_opts opts = {true, 0};
	assert_int_equal(kd_open(str_of(o), &opts, &host, &T_, NULL), ERR_OK);
	notices[0] = 0;
	until_exception();
	assert_null(strstr(notices, "Reclaimed"));
	trap(TGT_TRAP_SOFT, base + SPARE + 32, 0);
	assert_int_equal(next(0), TGT_EV_TIMEOUT);
	assert_non_null(strstr(notices, "Reclaimed 2 breakpoint entries"));
	end();
	assert_int_equal(peer_number(&K, "int3 "), 0);
}

/* ---- events ---- */

static void *interrupter(void *u)
{
	usleep(100000);
	tgt_interrupt(T_);
	return NULL;
}

static void interrupted_from_another_thread(void **state)
{
	pthread_t t;
	begin(kernels[0], "");
	for (int i = 0; i < 5; i++) {
		skip_break();
		resume(TGT_GO);
		assert_int_equal(pthread_create(&t, NULL, interrupter, NULL), 0);
		uint64_t begin = sys_now_ms();
		assert_int_equal(next(5000), TGT_EV_EXCEPTION);
		assert_true(sys_now_ms() - begin < 4000);
		pthread_join(t, NULL);
	}
	/* Running, requests are refused; a break asked while stopped is forgotten. */
	uint8_t b[8];
	size_t n;
	diag d = {0};
	tgt_interrupt(T_);
	skip_break();
	resume(TGT_GO);
	assert_int_equal(tgt_read(T_, as_current(), E.pc, b, 8, &n, &d), ERR_STATE);
	assert_int_equal(next(300), TGT_EV_TIMEOUT);
	end();
}

static void prompts_prints_commands_and_modules(void **state)
{
	peer_start(&K, kernels[0],
		"--prompt-after 30 --print-every 10 --churn-every 15 --command-after 50 --command "
		"version");
	attach(&K, false);
	bool asked = false, command = false;
	unsigned loads = 0, unloads = 0;
	for (int i = 0; i < 60 && !(asked && command && loads > 3 && unloads > 1); i++) {
		uint8_t b[8];
		size_t n;
		diag d = {0};
		switch (next(8000)) {
		case TGT_EV_PROMPT:
			assert_true(str_starts(E.text, STR("Break, or Ignore (bi)?")));
			assert_int_equal(tgt_read(T_, as_current(), 0, b, 8, &n, &d), ERR_STATE);
			assert_int_equal(
				tgt_answer(T_, STR("i\nmore than it has room for"), &d), ERR_OK);
			assert_int_equal(tgt_answer(T_, STR("i"), &d), ERR_STATE);
			asked = true;
			break;
		case TGT_EV_COMMAND:
			assert_true(str_eq(E.text, STR("version")));
			command = true;
			resume(TGT_GO);
			break;
		case TGT_EV_LOAD:
			loads++;
			resume(TGT_GO);
			break;
		case TGT_EV_UNLOAD:
			unloads++;
			assert_true(E.base >> 63);
			resume(TGT_GO);
			break;
		default:
			fail_msg("event %d", (int)E.kind);
		}
	}
	assert_true(asked && command && loads > 3 && unloads > 1);
	assert_non_null(strstr(prints, "prompt: got 'i\n'"));
	assert_null(strstr(trace_text, "room for"));
	end();
}

static bool map_file(void *u, str target, char *path, size_t cap)
{
	if (!str_iends(target, STR("toydrv.sys")))
		return false;
	snprintf(path, cap, "%s", (const char *)u);
	return true;
}

static void files_for_the_target(void **state)
{
	char path[] = "/tmp/rs-kd-file-XXXXXX", want[128];
	static uint8_t data[20000];
	unsigned sum = 0;
	for (size_t i = 0; i < sizeof data; i++)
		sum += data[i] = (uint8_t)(i * 13 + i / 256);
	int fd = mkstemp(path);
	assert_int_equal(write(fd, data, sizeof data), sizeof data);
	close(fd);
	snprintf(want, sizeof want, "length %zu, read %zu, sum %u, behind 0", sizeof data,
		sizeof data, sum);
	const struct {
		bool (*map)(void *, str, char *, size_t);
		char *to;
		const char *asked, *print, *notice;
	} t[] = {
		{NULL, path, "toydrv.sys", "no replacement", NULL},
		{map_file, path, "other.sys", "no replacement", NULL},
		{map_file, "/nonexistent/file", "toydrv.sys", "no replacement", "keeps its own"},
		{map_file, "/tmp", "toydrv.sys", "no replacement", "keeps its own"},
		{map_file, path, "toydrv.sys", want, path},
	};
	tgt_host plain = host;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		char option[100];
		host.file_map = t[i].map;
		host.u = t[i].to;
		snprintf(option, sizeof option, "--file \\SystemRoot\\system32\\drivers\\%s",
			t[i].asked);
		begin(kernels[i & 1], option);
		if (!strstr(prints, t[i].print))
			fail_msg("%zu prints: %s", i, prints);
		if (t[i].notice ? !strstr(notices, t[i].notice) : strstr(notices, path) != NULL)
			fail_msg("%zu notices: %s", i, notices);
		end();
	}
	host = plain;
	unlink(path);
}

static void reboots(void **state)
{
	for (int v = 0; v < 2; v++) {
		uint64_t base[2] = {0};
		begin(kernels[v], "");
		assert_int_equal(tgt_query(T_, TGT_F_KERNEL_BASE, &base[0], 8, NULL), ERR_OK);
		uint64_t h = trap(TGT_TRAP_SOFT, base[0] + SPARE, 0);
		assert_int_equal(tgt_ctl(T_, TGT_CTL_REBOOT, 0, NULL), ERR_OK);
		assert_int_equal(next(8000), TGT_EV_REBOOT);
		assert_int_equal(next(8000), TGT_EV_LOAD);
		assert_true(str_iends(str_of(E.path), STR("ntoskrnl.exe")));
		assert_int_equal(tgt_query(T_, TGT_F_KERNEL_BASE, &base[1], 8, NULL), ERR_OK);
		assert_int_equal(base[1], E.base);
		assert_true(base[0] != base[1]);
		assert_int_equal(tgt_trap_del(T_, h, NULL), ERR_NOTFOUND);
		resume(TGT_GO);
		tgt_interrupt(T_);
		until_exception();
		(void)number_at(base[1]);
		end();
		assert_int_equal(peer_number(&K, "boots "), 2);
	}
}

/* The request to crash: the kernel prints, stops in its bug check and, let go, boots. */
static void bug_check(void **state)
{
	for (int v = 0; v < 2; v++) {
		x64_regs r = {0};
		begin(kernels[v], "");
		assert_int_equal(tgt_ctl(T_, TGT_CTL_CRASH, 0xe2, NULL), ERR_OK);
		assert_int_equal(next(5000), TGT_EV_EXCEPTION);
		assert_non_null(strstr(prints, "*** Fatal System Error: 0x000000e2"));
		assert_int_equal(tgt_regs_get(T_, E.unit, X64_SET_INTEGER, &r, NULL), ERR_OK);
		assert_int_equal(r.gpr[X64_RCX], 3);
		resume(TGT_GO);
		assert_int_equal(next(5000), TGT_EV_REBOOT);
		end();
	}
}

static void dead_link_and_reconnect(void **state)
{
	begin(kernels[0], "");
	kill(K.pid, SIGKILL);
	uint8_t b[8];
	size_t n;
	diag d = {0};
	uint64_t begin = sys_now_ms();
	assert_int_equal(tgt_read(T_, as_current(), E.pc, b, 8, &n, &d), ERR_DEAD);
	assert_true(sys_now_ms() - begin < 3000);
	assert_int_equal(next(2000), TGT_EV_DEAD);
	end();

	char o[160], first[64];
	peer_start(&K, kernels[0], "--seed 1");
	strcpy(first, K.socket);
	snprintf(o, sizeof o, "com:pipe,port=%s,reconnect", K.socket);
	attach_with(o, true);
	until_exception();
	peer_stop(&K);
	assert_int_equal(next(100), TGT_EV_TIMEOUT);
	assert_non_null(strstr(notices, "Waiting to reconnect"));
	char same[160];
	snprintf(same, sizeof same, "--seed 2 unix:%s", first);
	/* peer_start adds its own channel unless the word is its own: give it by a link. */
	peer_start(&K, kernels[0], "--seed 2");
	assert_int_equal(rename(K.socket, first), 0);
	assert_int_equal(next(8000), TGT_EV_REBOOT);
	assert_int_equal(next(8000), TGT_EV_LOAD);
	leave(TGT_DETACH);
	strcpy(K.socket, first);
	peer_stop(&K);
}

static void other_processor_steps(void **state)
{
	for (int v = 0; v < 2; v++) {
		bool stepped = false;
		begin(kernels[v], "");
		/* An instruction that loads the flags (iretq, sysret) drops the step: then once
		 * more. */
		for (int i = 0; i < 6 && !stepped; i++) {
			diag d = {0};
			unsigned other = !E.unit;
			if (E.code == 0x80000003 && E.stream[0] == 0xcc)
				skip_break();
			err e = tgt_ctl(T_, TGT_CTL_SWITCH, other, &d);
			if (v) { /* this one does not switch: said, remembered, and the stop goes on
				  */
				unsigned before = requests;
				assert_int_equal(e, ERR_UNSUPPORTED);
				assert_int_equal(
					tgt_ctl(T_, TGT_CTL_SWITCH, other, &d), ERR_UNSUPPORTED);
				assert_int_equal(requests, before);
				(void)number_at(E.pc);
				stepped = true;
				break;
			}
			assert_int_equal(e, ERR_OK);
			tgt_run run = {.unit = other, .go = TGT_STEP, .handled = true};
			assert_int_equal(tgt_resume(T_, &run, NULL), ERR_OK);
			if (next(500) == TGT_EV_TIMEOUT) {
				tgt_interrupt(T_);
				assert_int_equal(next(5000), TGT_EV_EXCEPTION);
				continue;
			}
			assert_int_equal(E.kind, TGT_EV_EXCEPTION);
			assert_int_equal(E.unit, other);
			assert_int_equal(E.code, 0x80000004);
			stepped = true;
		}
		assert_true(stepped);
		end();
	}
}

/* ---- bad lines ---- */

static void ten_thousand_requests_at_one_percent(void **state)
{
	peer proxy;
	char o[300];
	uint64_t base = 0;
	static uint8_t want[0x4000], b[64];
	peer_start(&K, kernels[0], "");
	snprintf(o, sizeof o, "--seed 7 --rate 0.01 --delay 30 @ unixto:%s", K.socket);
	peer_start(&proxy, "faultproxy", o);
	attach(&proxy, true);
	tgt_event e = {0};
	(void)e;
	assert_int_equal(tgt_ctl(T_, TGT_CTL_TRACE, 0, NULL), ERR_OK);
	until_exception();
	assert_int_equal(tgt_query(T_, TGT_F_KERNEL_BASE, &base, 8, NULL), ERR_OK);
	diag d = {0};
	if (tgt_read_all(T_, as_current(), base, want, sizeof want, &d) != ERR_OK)
		fail_msg("%s", d.text);
	uint32_t x = 12345;
	for (int i = 0; i < 10000; i++) {
		x = x * 1664525 + 1013904223;
		uint64_t off = (x >> 8) % (sizeof want - sizeof b);
		size_t n = 0;
		/* Around the cache: each is a request. */
		if (T_->ops->read(T_, as_current(), base + off, b, sizeof b, &n) != ERR_OK)
			fail_msg("request %d failed", i);
		assert_int_equal(n, sizeof b);
		assert_memory_equal(b, want + off, sizeof b);
	}
	leave(TGT_DETACH);
	peer_stop(&proxy);
	peer_stop(&K);
}

/* Large reads, whose requests overlap with the replies, on the same bad line. */
static void large_reads_at_one_percent(void **state)
{
	static uint8_t want[0x12000], b[0x12000];
	for (int v = 0; v < 2; v++) {
		peer proxy;
		char o[300];
		uint64_t base = 0;
		diag d = {0};
		size_t n = 0;
		begin(kernels[v], "");
		assert_int_equal(tgt_query(T_, TGT_F_KERNEL_BASE, &base, 8, NULL), ERR_OK);
		assert_int_equal(
			tgt_read_all(T_, as_current(), base, want, sizeof want, NULL), ERR_OK);
		leave(TGT_LEAVE);
		snprintf(o, sizeof o, "--seed 3 --rate 0.01 --delay 30 @ unixto:%s", K.socket);
		peer_start(&proxy, "faultproxy", o);
		attach(&proxy, false);
		until_exception();
		for (int i = 0; i < 40; i++) {
			if (T_->ops->read(T_, as_current(), base + (uint64_t)i, b, sizeof b - 64,
				    &n) != ERR_OK)
				fail_msg("read %d failed", i);
			assert_int_equal(n, sizeof b - 64);
			assert_memory_equal(b, want + i, n);
		}
		/* Up to where nothing is. */
		for (int i = 0; i < 10; i++) {
			assert_int_equal(
				T_->ops->read(T_, as_current(), base + 0x1f000 + 256 * (uint64_t)i,
					b, sizeof b, &n),
				ERR_OK);
			assert_int_equal(n, 0x1000 - 256 * i);
		}
		(void)d;
		leave(TGT_DETACH);
		peer_stop(&proxy);
		peer_stop(&K);
	}
}

static void a_silent_target_is_noticed(void **state)
{
	peer proxy;
	char o[300];
	peer_start(&K, kernels[0], "--stopped");
	snprintf(o, sizeof o, "--dead-after 3000 @ unixto:%s", K.socket);
	peer_start(&proxy, "faultproxy", o);
	attach(&proxy, false);
	until_exception();
	uint8_t b[2048];
	size_t n;
	diag d = {0};
	err e = ERR_OK;
	uint64_t begin = sys_now_ms();
	for (int i = 0; i < 20 && e == ERR_OK; i++)
		e = T_->ops->read(T_, as_current(), E.pc & ~4095ull, b, sizeof b, &n);
	assert_int_equal(e, ERR_TIMEOUT);
	assert_true(sys_now_ms() - begin < 20000);
	/* The second failure comes faster. */
	begin = sys_now_ms();
	x64_regs r = {0};
	assert_int_equal(tgt_regs_get(T_, 0, X64_SET_CONTROL, &r, &d), ERR_TIMEOUT);
	assert_non_null(strstr(d.text, "RESET"));
	assert_true(sys_now_ms() - begin < 6000);
	leave(TGT_ABANDON);
	peer_stop(&proxy);
	peer_stop(&K);
}

/*
 * A stop that came while nobody waited (a continue that was given up was heard late) has not been
 * seen: the next resume does not run over it, the next wait shows it.
 */
static void a_stop_that_nobody_waited_for(void **state)
{
	for (int v = 0; v < 2; v++) {
		peer_start(&K, kernels[v], "");
		attach_past_break(&K);
		tgt_event late = {
			.kind = TGT_EV_EXCEPTION, .code = 0xc0000005, .n_units = 2, .pc = E.pc};
		kd_post_event(kd_of(T_), &late, STR(""), true);
		unsigned before = requests;
		resume(TGT_GO);
		assert_int_equal(requests, before);
		assert_int_equal(next(0), TGT_EV_EXCEPTION);
		assert_int_equal(E.code, 0xc0000005);
		(void)number_at(E.pc); /* it stands */
		resume(TGT_GO);
		assert_int_equal(next(300), TGT_EV_TIMEOUT);
		end();
	}
}

/*
 * Left while it says nothing, with breakpoints in: that is waited for once, not once a breakpoint,
 * and told. If it answers again in that time everything is taken out.
 */
static void a_silent_target_is_left_soon(void **state)
{
	enum { TRAPS = 8 };
	for (int v = 0; v < 3; v++) {
		uint64_t base = 0;
		bool stopped = v != 1, answers_again = v == 2;
		peer_start(&K, kernels[v & 1], "");
		attach_past_break(&K);
		assert_int_equal(tgt_query(T_, TGT_F_KERNEL_BASE, &base, 8, NULL), ERR_OK);
		for (int i = 0; i < TRAPS; i++)
			trap(TGT_TRAP_SOFT, base + SPARE + 32 * (uint64_t)i, 0);
		trap(TGT_TRAP_WRITE, base + SPARE + 0x800, 4);
		resume(TGT_GO);
		assert_int_equal(next(100), TGT_EV_TIMEOUT);
		if (stopped) {
			tgt_interrupt(T_);
			until_exception();
		}
		kill(K.pid, SIGSTOP);
		pid_t waker = answers_again ? fork() : 0;
		if (answers_again && !waker) {
			usleep(2500000); /* amid the wait */
			kill(K.pid, SIGCONT);
			_exit(0);
		}
		uint64_t begin = sys_now_ms();
		size_t left = tgt_close(T_, TGT_DETACH);
		T_ = NULL;
		assert_int_equal(left, answers_again ? 0 : TRAPS + 1);
		assert_true(sys_now_ms() - begin < 10000);
		if (answers_again)
			waitpid(waker, NULL, 0);
		kill(K.pid, SIGCONT);
		usleep(200000);
		peer_stop(&K);
		if (answers_again)
			assert_int_equal(peer_number(&K, "int3 "), 0);
	}
}

/* The machine is halted for a while (its host suspends it): what was sent lies in the line when it
 * goes on, requests, several RESETs, and the step that was asked for then. */
static void a_halted_machine_goes_on(void **state)
{
	for (int v = 0; v < 2; v++) {
		x64_regs r = {0};
		diag d = {0};
		begin_past_break(kernels[v], "");
		trap(TGT_TRAP_SOFT, USER_FUNC, 0);
		resume(TGT_GO);
		until_exception();
		assert_int_equal(E.pc, USER_FUNC);
		if (v) /* the packets' numbers the other way round */
			(void)number_at(USER_COUNT);
		kill(K.pid, SIGSTOP);
		assert_int_equal(tgt_regs_get(T_, 0, X64_SET_GENERAL, &r, &d), ERR_TIMEOUT);
		resume(TGT_STEP);
		assert_int_equal(next(1500), TGT_EV_TIMEOUT);
		kill(K.pid, SIGCONT);
		until_exception();
		assert_int_equal(E.code, 0x80000004);
		assert_int_equal(E.pc, USER_FUNC + 1); /* push rbx, once */
		unit_t unit = E.unit;
		assert_int_equal(next(700), TGT_EV_TIMEOUT);
		E.unit = unit;
		assert_int_equal(tgt_regs_get(T_, unit, X64_SET_CONTROL, &r, &d), ERR_OK);
		assert_int_equal(r.rip, USER_FUNC + 1);
		resume(TGT_STEP);
		until_exception();
		assert_int_equal(E.pc, USER_FUNC + 8);
		end();
		assert_int_equal(peer_number(&K, "unhandled "), 0);
	}
}

static void cancelled_while_reading(void **state)
{
	cancel c = {true};
	host.cancel = &c;
	peer_start(&K, kernels[0], "");
	c.flag = false;
	attach(&K, true);
	until_exception();
	c.flag = true;
	uint8_t b[8];
	size_t n;
	assert_int_equal(tgt_read(T_, as_current(), E.pc, b, 8, &n, NULL), ERR_CANCELLED);
	c.flag = false;
	assert_int_equal(tgt_read(T_, as_current(), E.pc, b, 8, &n, NULL), ERR_OK);
	leave(TGT_DETACH);
	host.cancel = NULL;
	peer_stop(&K);
}

/* ---- recordings of another kernel ---- */

/*
 * Boots by the recording, is broken into, asked, stepped and left. The recordings live beside the
 * source tree; one of the toy kernel is part of it.
 */
static void replayed(const char *files, unsigned least_loads)
{
	unsigned loads = 0;
	uint64_t base = 0;
	x64_regs r = {0};
	uint8_t b[8];
	size_t n;
	peer_start(&K, "replay", files);
	attach(&K, false);
	for (tgt_event_kind k; (k = next(1500)) != TGT_EV_TIMEOUT;) {
		if (k == TGT_EV_PROMPT) {
			assert_int_equal(tgt_answer(T_, STR("i\n"), NULL), ERR_OK);
			continue;
		}
		loads += k == TGT_EV_LOAD;
		assert_true(k == TGT_EV_LOAD || k == TGT_EV_EXCEPTION || k == TGT_EV_UNLOAD);
		resume(TGT_GO);
	}
	assert_true(loads >= least_loads);
	tgt_interrupt(T_);
	until_exception();
	assert_int_equal(E.code, 0x80000003);
	assert_int_equal(tgt_query(T_, TGT_F_KERNEL_BASE, &base, 8, NULL), ERR_OK);
	assert_true(base >> 63);
	assert_int_equal(tgt_regs_get(T_, 0, X64_SET_CONTROL | X64_SET_INTEGER, &r, NULL), ERR_OK);
	assert_true(r.valid & X64_SET_CONTROL);
	assert_int_equal(tgt_read(T_, as_current(), 0xdead0000beef, b, 8, &n, NULL), ERR_FAULT);
	resume(TGT_STEP);
	until_exception();
	assert_int_equal(E.code, 0x80000004);
	resume(TGT_GO);
	end();
	assert_true(peer_number(&K, "answered ") > 0);
}

static void replay_sample(void **state)
{
	char o[600];
	snprintf(o, sizeof o, "@ %s/tests/kdpeer/sample/toy.kd", getenv("RS_SOURCE_ROOT"));
	replayed(o, 2);
}

static void replay_recordings(void **state)
{
	static const char *const names[] = {"boot", "attach-after-crash", "attach-requests",
		"breakpoint-step-hardware", "prompt-exception", "user-module-loads"};
	char o[1000] = "@", dir[128], path[300];
	snprintf(dir, sizeof dir, "%s/../shared/kd-captures", getenv("RS_SOURCE_ROOT"));
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof path, " %s/%s.kd", dir, names[i]);
		if (access(path + 1, R_OK)) {
			print_message("no recordings in %s: skipped\n", dir);
			skip();
		}
		strcat(o, path);
	}
	replayed(o, 30);
	assert_non_null(strstr(prints, "ReactOS 0.4.16"));
	/* What was sent twice around the RESET is printed once. */
	const char *first = strstr(prints, "kdinit.c:94");
	assert_non_null(first);
	assert_null(strstr(first + 1, "kdinit.c:94"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attach_running),
		cmocka_unit_test(attach_again_and_again),
		cmocka_unit_test(attach_stopped),
		cmocka_unit_test(attach_at_a_hit_with_a_late_break),
		cmocka_unit_test(attach_in_the_middle_of_a_packet),
		cmocka_unit_test(boot_text_and_load_events),
		cmocka_unit_test(silence_is_explained),
		cmocka_unit_test(noise_is_quoted),
		cmocka_unit_test(packets_without_answer),
		cmocka_unit_test(reset_without_answer),
		cmocka_unit_test(trace_io_is_passed_over),
		cmocka_unit_test(over_tcp_and_a_terminal),
		cmocka_unit_test(reclaims_what_was_left_behind),
		cmocka_unit_test(reclaims_from_a_kernel_that_gave_up),
		cmocka_unit_test(processors),
		cmocka_unit_test(partial_contexts_cost_little),
		cmocka_unit_test(memory),
		cmocka_unit_test(a_fault_costs_one_request),
		cmocka_unit_test(devices),
		cmocka_unit_test(refusals_are_remembered),
		cmocka_unit_test(execute_trap_at_the_pc),
		cmocka_unit_test(breakpoint_step_and_hardware),
		cmocka_unit_test(passing_over_costs_two_requests),
		cmocka_unit_test(thirty_two_entries),
		cmocka_unit_test(entry_of_another_process),
		cmocka_unit_test(leaves_while_running),
		cmocka_unit_test(duplicate_refused_is_reclaimed),
		cmocka_unit_test(interrupted_from_another_thread),
		cmocka_unit_test(prompts_prints_commands_and_modules),
		cmocka_unit_test(files_for_the_target),
		cmocka_unit_test(reboots),
		cmocka_unit_test(bug_check),
		cmocka_unit_test(dead_link_and_reconnect),
		cmocka_unit_test(other_processor_steps),
		cmocka_unit_test(ten_thousand_requests_at_one_percent),
		cmocka_unit_test(large_reads_at_one_percent),
		cmocka_unit_test(a_silent_target_is_noticed),
		cmocka_unit_test(a_stop_that_nobody_waited_for),
		cmocka_unit_test(a_silent_target_is_left_soon),
		cmocka_unit_test(a_halted_machine_goes_on),
		cmocka_unit_test(cancelled_while_reading),
		cmocka_unit_test(replay_sample),
		cmocka_unit_test(replay_recordings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
