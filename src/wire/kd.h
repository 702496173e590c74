/*
 * kd: the kernel-debugger protocol of NT systems, as bytes: packets (kd_packet.c), their contents
 * (kd_api.c) and a readable line for each (kd_text.c).
 *
 * Refuses to know sockets and clocks: bytes and the time (microseconds, any origin) are handed in,
 * bytes to send are collected in kdp.out. Every byte that comes in is hostile.
 *
 * Layouts: ReactOS sdk/include/reactos/windbgkd.h and drivers/base/kdcom/kddll.c, VirtualBox
 * src/VBox/Debugger/DBGCRemoteKd.cpp, and frames recorded from a running kernel.
 */
#ifndef RS_WIRE_KD_H
#define RS_WIRE_KD_H

#include "base/reader.h"

/* ---- framing ---- */

enum {
	KD_LEADER_DATA = 0x30303030,
	KD_LEADER_CONTROL = 0x69696969,
	KD_BREAKIN = 0x62,
	KD_TRAILER = 0xaa,
	KD_HEADER = 16,
	KD_PACKET_MAX = 4000,  /* PACKET_MAX_SIZE: header of the content + data */
	KD_PAYLOAD_MAX = 4096, /* what is accepted */
	KD_SYNC = 0x800
};
#define KD_ID_FIRST 0x80800000u

typedef enum kd_type {
	KD_T_STATE32 = 1,
	KD_T_MANIPULATE = 2,
	KD_T_DEBUG_IO = 3,
	KD_T_ACK = 4,
	KD_T_RESEND = 5,
	KD_T_RESET = 6,
	KD_T_STATE64 = 7,
	KD_T_POLL = 8,
	KD_T_TRACE_IO = 9,
	KD_T_CONTROL = 10,
	KD_T_FILE_IO = 11
} kd_type;

typedef struct kd_stats {
	uint64_t bytes_in, bytes_out;
	uint64_t noise;		    /* bytes outside of packets */
	uint64_t data_in, data_out; /* data packets, good ones and without repetitions */
	uint64_t control_in, control_out;
	uint64_t duplicates; /* data packets that came again */
	uint64_t damaged;    /* checksum, trailer, cut short */
	uint64_t repeated;   /* data packets that we sent again */
	uint64_t resends_in, resets_in, resets_out, breakins;
} kd_stats;

typedef enum kdp_kind {
	KDP_DATA,   /* a new data packet: type, p, n (already acknowledged) */
	KDP_ACK,    /* the outstanding packet has arrived */
	KDP_RESEND, /* asked for a packet although none is outstanding */
	KDP_RESET   /* the other side has reset its packet ids */
} kdp_kind;

typedef struct kdp_note {
	kdp_kind kind;
	uint16_t type;	  /* kd_type of a data packet */
	bool sync;	  /* its id carried the sync bit: the sender has started anew */
	const uint8_t *p; /* valid until the next kdp_feed */
	size_t n;
} kdp_note;

enum { KDP_IN_MAX = 32768, KDP_SAMPLE_MAX = 256 };

/*
 * One end of the link (the debugger's; for tests also the kernel's).
 *
 *   kdp_feed(bytes) -> kdp_next() until false -> write kdp.out, kdp_sent() ... kdp_tick(now)
 *
 * At most one data packet is outstanding: kdp_send asserts that the last was acknowledged or
 * dropped. Acknowledgements and repetitions are put into `out` by the machine itself.
 */
typedef struct kdp {
	uint8_t in[KDP_IN_MAX];
	size_t in_begin, in_end;
	uint64_t in_at;	   /* when the last byte came */
	uint64_t stall_us; /* a packet that stops arriving for so long is given up */
	uint32_t id;	   /* of the next, or the outstanding, packet that we send */
	bool have_last;	   /* last_*: the data packet accepted last */
	uint32_t last_id;
	uint64_t last_hash;
	uint8_t pkt[KD_HEADER + KD_PAYLOAD_MAX + 1];
	size_t pkt_n;
	bool outstanding;
	bool untimed;	/* sent early: its round trip says nothing */
	unsigned tries; /* times the outstanding packet was sent */
	uint64_t sent_at;
	uint64_t rto_us, srtt_us, rttvar_us;
	bool early;	 /* the packet that is arriving was acknowledged already; see kdp_early */
	bool early_lost; /* ... and turned out to be damaged */
	uint32_t early_id;
	bool reset_wanted;  /* we sent RESET and have no answer */
	bool answers_reset; /* the kernel's end: RESET is answered by RESET */
	buf out;
	kd_stats st;
	uint8_t sample[KDP_SAMPLE_MAX]; /* the last noise */
	size_t sample_n;
	/* Every frame as it passes, noise too; may be NULL. */
	void (*trace)(void *u, bool out, const uint8_t *frame, size_t n);
	void *trace_u;
} kdp;

void kdp_init(kdp *p);
void kdp_deinit(kdp *p);
/* Forgets everything that came and was sent (a new connection); statistics and hooks stay. */
void kdp_restart(kdp *p);
/* Takes bytes; returns how many (less than n only if kdp_next was not called often enough). */
size_t kdp_feed(kdp *p, const void *bytes, size_t n, uint64_t now_us);
bool kdp_next(kdp *p, kdp_note *ret, uint64_t now_us);
/* Repeats what was not acknowledged in time, gives up packets that stopped in the middle. */
void kdp_tick(kdp *p, uint64_t now_us);
/* Time of the next kdp_tick that would do something; UINT64_MAX if none. */
uint64_t kdp_deadline(const kdp *p);
/* hdr and data follow each other; together at most KD_PAYLOAD_MAX bytes. */
void kdp_send(kdp *p, kd_type t, const void *hdr, size_t hn, const void *data, size_t dn,
	uint64_t now_us);
/*
 * Acknowledges a large reply while it is still arriving, so that the next request can be sent
 * behind it and waits at the other end when the reply is through: the line is never idle. A reply
 * that then turns out to be damaged is lost (early_lost): only for requests that can be made again.
 * False: nothing is arriving that this can be done for.
 */
bool kdp_early(kdp *p);
/* How much of the data packet that is arriving is still to come; 0 if none is. */
size_t kdp_missing(const kdp *p);
void kdp_again(kdp *p, uint64_t now_us); /* repeats the outstanding packet */
/* Sends the last packet anew, to a side that has been reset since: under the first number. */
void kdp_once_more(kdp *p, uint64_t now_us);
void kdp_drop(kdp *p);			 /* as if the outstanding packet was acknowledged */
void kdp_reset(kdp *p, uint64_t now_us); /* sends RESET and starts the ids anew */
void kdp_breakin(kdp *p);
uint32_t kd_checksum(const uint8_t *p, size_t n);
/* A whole frame, e.g. of a capture. ERR_CORRUPT unless it is exactly one good frame. */
typedef struct kd_frame {
	bool control;
	uint16_t type;
	uint32_t id;
	const uint8_t *p;
	size_t n;
} kd_frame;
err kd_frame_parse(const uint8_t *p, size_t n, kd_frame *ret) MUST_CHECK;

/* ---- contents ---- */

enum {
	KD_MACHINE_I386 = 0x14c,
	KD_MACHINE_AMD64 = 0x8664,
	KD_MACHINE_ARM64 = 0xaa64,
	KD_STATE_SIZE = 240, /* state change of amd64, without what follows */
	KD_MANIP_SIZE = 56,
	KD_DATA_MAX = KD_PACKET_MAX - KD_MANIP_SIZE, /* 3944 */
	KD_DEBUG_IO_SIZE = 16,
	KD_FILE_IO_SIZE = 64,
	KD_STREAM_MAX = 16,
	KD_EXR_PARAMS = 15,
	KD_BREAKPOINTS = 32
};

enum { KD_S_EXCEPTION = 0x3030, KD_S_LOAD = 0x3031, KD_S_COMMAND = 0x3032 };

typedef struct kd_state {
	uint32_t kind;	/* KD_S_xxx */
	bool alternate; /* DbgKdAlternateStateChange */
	uint16_t level, cpu;
	uint32_t n_cpu;
	uint64_t thread, pc;
	/* KD_S_EXCEPTION */
	uint32_t code, flags;
	uint64_t record, address;
	uint32_t n_params;
	uint64_t params[KD_EXR_PARAMS];
	uint32_t first_chance;
	/* KD_S_LOAD */
	uint64_t base, process_id;
	uint32_t checksum, size;
	bool unload;
	/* control report; has_report: the packet was long enough for it */
	bool has_report;
	uint64_t dr6, dr7;
	uint32_t eflags;
	uint16_t n_stream, report_flags;
	uint8_t stream[KD_STREAM_MAX];
	uint16_t cs, ds, es, fs;
	str text; /* path, or command string; view into the packet */
} kd_state;

/* amd64 form. ERR_CORRUPT if it is too short or of an unknown kind. */
err kd_state_unpack(const uint8_t *p, size_t n, kd_state *ret) MUST_CHECK;
/* Bytes written to out (KD_STATE_SIZE + text + 1), 0 if cap is too small. */
size_t kd_state_pack(const kd_state *s, uint8_t *out, size_t cap);

typedef enum kd_api {
	KD_READ_VIRTUAL = 0x3130,
	KD_WRITE_VIRTUAL = 0x3131,
	KD_GET_CONTEXT = 0x3132,
	KD_SET_CONTEXT = 0x3133,
	KD_WRITE_BREAKPOINT = 0x3134,
	KD_RESTORE_BREAKPOINT = 0x3135,
	KD_CONTINUE = 0x3136,
	KD_READ_CONTROL = 0x3137,
	KD_WRITE_CONTROL = 0x3138,
	KD_READ_IO = 0x3139,
	KD_WRITE_IO = 0x313a,
	KD_REBOOT = 0x313b,
	KD_CONTINUE2 = 0x313c,
	KD_READ_PHYSICAL = 0x313d,
	KD_WRITE_PHYSICAL = 0x313e,
	KD_QUERY_SPECIAL_CALLS = 0x313f,
	KD_SET_SPECIAL_CALL = 0x3140,
	KD_CLEAR_SPECIAL_CALLS = 0x3141,
	KD_SET_INTERNAL_BREAKPOINT = 0x3142,
	KD_GET_INTERNAL_BREAKPOINT = 0x3143,
	KD_READ_IO_EX = 0x3144,
	KD_WRITE_IO_EX = 0x3145,
	KD_GET_VERSION = 0x3146,
	KD_WRITE_BREAKPOINT_EX = 0x3147,
	KD_RESTORE_BREAKPOINT_EX = 0x3148,
	KD_CAUSE_BUGCHECK = 0x3149,
	KD_SWITCH_PROCESSOR = 0x3150,
	KD_PAGE_IN = 0x3151,
	KD_READ_MSR = 0x3152,
	KD_WRITE_MSR = 0x3153,
	KD_SEARCH_MEMORY = 0x3156,
	KD_GET_BUS_DATA = 0x3157,
	KD_SET_BUS_DATA = 0x3158,
	KD_CHECK_LOW_MEMORY = 0x3159,
	KD_CLEAR_INTERNAL_BREAKPOINTS = 0x315a,
	KD_FILL_MEMORY = 0x315b,
	KD_QUERY_MEMORY = 0x315c,
	KD_SWITCH_PARTITION = 0x315d,
	KD_WRITE_CUSTOM_BREAKPOINT = 0x315e,
	KD_GET_CONTEXT_EX = 0x315f,
	KD_SET_CONTEXT_EX = 0x3160,
	KD_API_FIRST = 0x3130,
	KD_API_END = 0x3161
} kd_api;

/* NTSTATUS values that the protocol uses (public ntstatus.h). */
#define KD_STATUS_PENDING	0x00000103u
#define KD_STATUS_UNSUCCESSFUL	0xc0000001u
#define KD_STATUS_INVALID	0xc000000du
#define KD_STATUS_EOF		0xc0000011u
#define KD_STATUS_DENIED	0xc0000022u
#define KD_STATUS_NO_FILE	0xc0000034u
#define KD_CONTINUE_HANDLED	0x00010002u /* DBG_CONTINUE */
#define KD_CONTINUE_NOT_HANDLED 0x80010001u /* DBG_EXCEPTION_NOT_HANDLED */

typedef struct kd_version {
	uint16_t major, minor;
	uint8_t protocol, secondary;
	uint16_t flags, machine;
	uint8_t max_packet_type, max_state_change, max_manipulate, simulation;
	uint64_t kernel_base, module_list, debugger_data;
} kd_version;

/* A manipulate-state request or its reply: the same layout both ways. */
typedef struct kd_manip {
	uint32_t api;
	uint16_t level, cpu;
	uint32_t status;
	union {
		/* virtual and physical memory, control space. Requests for physical memory put the
		 * caching kind (0-3) into `actual`. Control space: addr = 0 KPCR, 1 KPRCB,
		 * 2 special registers, 3 KTHREAD; no other number is ever sent. */
		struct {
			uint64_t addr;
			uint32_t count, actual;
		} mem;
		struct {
			uint32_t flags;
		} context;
		struct {
			uint32_t offset, count, copied;
		} context_ex;
		struct {
			uint64_t addr;
			uint32_t handle;
		} bp; /* WRITE_BREAKPOINT; RESTORE_BREAKPOINT uses handle only */
		struct {
			uint32_t count, status;
		} bp_ex;
		struct {
			uint32_t status, trace;
			uint64_t dr7, symbol_begin, symbol_end;
		} cont; /* CONTINUE uses status only */
		struct {
			uint64_t port;
			uint32_t size, value;
			uint32_t interface, bus, space; /* the extended form only */
		} io;
		struct {
			uint32_t msr;
			uint64_t value;
		} msr;
		struct {
			uint32_t type, bus, slot, offset, length;
		} bus;
		struct {
			uint64_t addr, length;
			uint32_t pattern; /* bytes */
		} search;		  /* reply: addr = where it was found */
		struct {
			uint64_t addr;
			uint32_t length;
			uint16_t flags, pattern; /* flags: 1 virtual, 2 physical */
		} fill;
		struct {
			uint64_t addr;
			uint32_t space; /* 0 in; out: 0 process, 1 session, 2 kernel */
			uint32_t flags; /* 1 read, 2 write, 4 execute, 8 fixed */
		} query;
		struct {
			uint32_t code;
		} bugcheck;
		struct {
			uint64_t addr;
			uint32_t flags, calls, max_calls, min_insns, max_insns, total_insns;
		} internal;
		struct {
			uint64_t addr, insn;
			uint32_t handle;
			uint8_t size, align;
		} custom;
		struct {
			uint32_t value;
		} word; /* special calls, partition */
		kd_version version;
	} u;
	const uint8_t *data; /* what follows the header */
	size_t n;
} kd_manip;

err kd_manip_unpack(const uint8_t *p, size_t n, kd_manip *ret) MUST_CHECK;
void kd_manip_pack(const kd_manip *m, uint8_t out[KD_MANIP_SIZE]);
const char *kd_api_name(uint32_t api); /* NULL if unknown */

enum { KD_IO_PRINT = 0x3230, KD_IO_PROMPT = 0x3231 };

typedef struct kd_debug_io {
	uint32_t api;
	uint16_t level, cpu;
	uint32_t length;     /* of the text, or of the question */
	uint32_t answer_max; /* prompt: longest answer; in an answer: its length */
	str text;
} kd_debug_io;

err kd_debug_io_unpack(const uint8_t *p, size_t n, kd_debug_io *ret) MUST_CHECK;
void kd_debug_io_pack(const kd_debug_io *d, uint8_t out[KD_DEBUG_IO_SIZE]);

enum {
	KD_FILE_CREATE = 0x3430,
	KD_FILE_READ = 0x3431,
	KD_FILE_WRITE = 0x3432,
	KD_FILE_CLOSE = 0x3433,
	KD_FILE_DATA_MAX = KD_PACKET_MAX - KD_FILE_IO_SIZE
};

typedef struct kd_file_io {
	uint32_t api, status;
	uint32_t access, attributes, share, disposition, options; /* create */
	uint64_t handle;
	uint64_t offset;     /* read, write */
	uint64_t length;     /* create: of the file; read, write: of the piece */
	const uint8_t *data; /* create: name, UTF-16LE with NUL */
	size_t n;
} kd_file_io;

err kd_file_io_unpack(const uint8_t *p, size_t n, kd_file_io *ret) MUST_CHECK;
void kd_file_io_pack(const kd_file_io *f, uint8_t out[KD_FILE_IO_SIZE]);

/* ---- special registers: what control space 2 holds on amd64 (KSPECIAL_REGISTERS as sent) ---- */

enum {
	KD_SR_CR0 = 0x00,
	KD_SR_CR2 = 0x08,
	KD_SR_CR3 = 0x10,
	KD_SR_CR4 = 0x18,
	KD_SR_DR0 = 0x20, /* 1, 2, 3, 6, 7 follow at 8 bytes each */
	KD_SR_DR6 = 0x40,
	KD_SR_DR7 = 0x48,
	KD_SR_GDTR_LIMIT = 0x56,
	KD_SR_GDTR_BASE = 0x58,
	KD_SR_IDTR_LIMIT = 0x66,
	KD_SR_IDTR_BASE = 0x68,
	KD_SR_TR = 0x70,
	KD_SR_LDTR = 0x72,
	KD_SR_MXCSR = 0x74,
	KD_SR_CR8 = 0xa0,
	KD_SR_GS_BASE = 0xa8,
	KD_SR_GS_SWAP = 0xb0,
	KD_SR_SIZE = 0xd8, /* 216; newer kernels send more */
	KD_SR_ASK = 0xf0
};

/* ---- text ---- */

/* One line (no newline) for a frame or stray bytes: "> ReadVirtual fffff800`00400000 l40". */
void kd_text(bool out, const uint8_t *frame, size_t n, buf *ret);

#endif
