/*
 * kdwire: the numbers and records of the link as windbgkd.h publishes them (ReactOS
 * sdk/include/reactos/ windbgkd.h). Refuses to know what they do. Natural alignment gives the wire
 * layout, and both ends of this seam are little-endian.
 */
#ifndef KD_WIRE_H
#define KD_WIRE_H

#include "kdabi.h"

enum {
	KD_PACKET_MAX = 4000, /* payload of a data packet, header of the request included */
	KD_STREAM_MAX = 16,   /* instruction bytes in a state change */
	KD_BREAKPOINTS = 32
};

enum {
	KD_LEADER_DATA = 0x30, /* four of these open a data packet */
	KD_LEADER_CONTROL = 0x69,
	KD_TRAILER = 0xAA,
	KD_BREAK_IN = 0x62
};
#define KD_ID_INITIAL 0x80800000u
#define KD_ID_SYNC    0x00000800u

/* The first 16 bytes of every packet. */
typedef struct kd_packet {
	uint32_t leader;
	uint16_t type;
	uint16_t count;
	uint32_t id;
	uint32_t checksum;
} kd_packet;

enum kd_packet_type {
	KD_TYPE_MANIPULATE = 2,
	KD_TYPE_DEBUG_IO = 3,
	KD_TYPE_ACK = 4,
	KD_TYPE_RESEND = 5,
	KD_TYPE_RESET = 6,
	KD_TYPE_STATE_CHANGE = 7,
	KD_TYPE_TRACE_IO = 9,
	KD_TYPE_FILE_IO = 11,
	KD_TYPE_MAX = 12
};

enum { KD_STATE_EXCEPTION = 0x3030, KD_STATE_LOAD_SYMBOLS = 0x3031, KD_STATE_COMMAND = 0x3032 };
enum { KD_IO_PRINT = 0x3230, KD_IO_GET_STRING = 0x3231 };
enum { KD_TRACE_PRINT = 0x3330 };
enum {
	KD_FILE_CREATE = 0x3430,
	KD_FILE_READ = 0x3431,
	KD_FILE_WRITE = 0x3432,
	KD_FILE_CLOSE = 0x3433
};

enum kd_request {
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
	KD_WRITE_IO = 0x313A,
	KD_REBOOT = 0x313B,
	KD_CONTINUE2 = 0x313C,
	KD_READ_PHYSICAL = 0x313D,
	KD_WRITE_PHYSICAL = 0x313E,
	KD_QUERY_SPECIAL_CALLS = 0x313F,
	KD_SET_SPECIAL_CALL = 0x3140,
	KD_CLEAR_SPECIAL_CALLS = 0x3141,
	KD_SET_INTERNAL_BP = 0x3142,
	KD_GET_INTERNAL_BP = 0x3143,
	KD_READ_IO_EX = 0x3144,
	KD_WRITE_IO_EX = 0x3145,
	KD_GET_VERSION = 0x3146,
	KD_WRITE_BREAKPOINT_EX = 0x3147,
	KD_RESTORE_BREAKPOINT_EX = 0x3148,
	KD_CAUSE_BUG_CHECK = 0x3149,
	KD_SWITCH_PROCESSOR = 0x3150,
	KD_PAGE_IN = 0x3151,
	KD_READ_MSR = 0x3152,
	KD_WRITE_MSR = 0x3153,
	KD_SEARCH_MEMORY = 0x3156,
	KD_GET_BUS_DATA = 0x3157,
	KD_SET_BUS_DATA = 0x3158,
	KD_CHECK_LOW_MEMORY = 0x3159,
	KD_CLEAR_INTERNAL_BPS = 0x315A,
	KD_FILL_MEMORY = 0x315B,
	KD_QUERY_MEMORY = 0x315C,
	KD_SWITCH_PARTITION = 0x315D,
	KD_WRITE_CUSTOM_BP = 0x315E,
	KD_GET_CONTEXT_EX = 0x315F,
	KD_SET_CONTEXT_EX = 0x3160
};

/* Control space numbers of this architecture. */
enum { KD_CONTROL_KPCR, KD_CONTROL_KPRCB, KD_CONTROL_SPECIAL, KD_CONTROL_KTHREAD };

/* ---- state change: 240 bytes, then data ---- */

enum { KD_REPORT_SEGS = 1, KD_REPORT_STANDARD_CS = 2 };

typedef struct kd_state_change {
	uint32_t state;
	uint16_t level, processor;
	uint32_t processor_count, pad;
	uint64_t thread, pc;
	union {
		struct {
			EXCEPTION_RECORD64 record;
			uint32_t first_chance;
		} exception;
		struct {
			uint32_t path_n;
			uint64_t base, pid;
			uint32_t checksum, size;
			uint8_t unload;
		} load;
		struct {
			uint32_t flags, reserved1;
			uint64_t reserved2[7];
		} command;
	} u;
	uint64_t dr6, dr7;
	uint32_t eflags;
	uint16_t stream_n, flags;
	uint8_t stream[KD_STREAM_MAX];
	uint16_t cs, ds, es, fs;
} kd_state_change;

/* ---- manipulate: 56 bytes, then data ---- */

typedef struct kd_manipulate {
	uint32_t api;
	uint16_t level, processor;
	uint32_t status;
	union {
		/* also control space, where address is the number of the space */
		struct {
			uint64_t address;
			uint32_t count,
				actual; /* physical: actual is the caching type on the way in */
		} memory;
		uint32_t context_flags;
		struct {
			uint64_t address;
			uint32_t handle;
		} breakpoint;
		uint32_t handle;
		struct {
			uint32_t status;
			uint32_t trace;
			uint32_t dr7[2], symbol_start[2],
				symbol_end[2]; /* packed to 4 in the header */
		} resume;
		struct {
			uint64_t address;
			uint32_t size, value;
		} io;
		struct {
			uint32_t size, interface, bus, space;
			uint64_t address;
			uint32_t value;
		} io_ex;
		struct {
			uint32_t msr, low, high;
		} msr;
		struct {
			uint64_t address;
			uint32_t flags, calls, max_calls, min_insns, max_insns, total;
		} internal;
		struct {
			uint32_t count, status;
		} batch;
		struct {
			uint64_t address, length;
			uint32_t pattern_n;
		} search;
		struct {
			uint32_t type, bus, slot, offset, length;
		} bus;
		struct {
			uint64_t address;
			uint32_t length;
			uint16_t flags, pattern_n;
		} fill;
		struct {
			uint64_t address, reserved;
			uint32_t space, flags;
		} query;
		struct {
			uint32_t offset, count, copied;
		} context_ex;
		DBGKD_GET_VERSION64 version;
	} u;
} kd_manipulate;

enum { KD_FILL_VIRTUAL = 1, KD_FILL_PHYSICAL = 2 };

/* One entry of WriteBreakPointEx' data; RestoreBreakPointEx sends plain handles. */
typedef struct kd_batch_entry {
	uint64_t address;
	uint32_t handle, pad;
} kd_batch_entry;

/* ---- debug I/O: 16 bytes, then text ---- */

typedef struct kd_debug_io {
	uint32_t api;
	uint16_t level, processor;
	uint32_t length;       /* of the text, or of the prompt */
	uint32_t reply_length; /* GetString: room for the answer; in the answer: its length */
} kd_debug_io;

/* ---- trace I/O: 64 bytes, then data ---- */

typedef struct kd_trace_io {
	uint32_t api;
	uint16_t level, processor;
	uint32_t length, pad;
	uint64_t reserve[6];
} kd_trace_io;

/* ---- file I/O: 64 bytes, then a UTF-16 name (create) or file bytes (read, write) ---- */

typedef struct kd_file_io {
	uint32_t api;
	uint32_t status;
	union {
		uint64_t reserve[7];
		struct {
			uint32_t access, attributes, share, disposition, options;
			uint64_t handle, length;
		} create;
		struct {
			uint64_t handle, offset;
			uint32_t length;
		} data;
		uint64_t handle;
	} u;
} kd_file_io;

_Static_assert(sizeof(kd_packet) == 16, "packet");
_Static_assert(sizeof(kd_state_change) == 240, "state change");
_Static_assert(sizeof(kd_manipulate) == 56, "manipulate");
_Static_assert(__builtin_offsetof(kd_manipulate, u) == 16, "manipulate");
_Static_assert(sizeof(kd_debug_io) == 16, "debug I/O");
_Static_assert(sizeof(kd_trace_io) == 64, "trace I/O");
_Static_assert(sizeof(kd_file_io) == 64, "file I/O");

#endif
