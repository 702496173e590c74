/*
 * kd_int: what the files of the KD backend share.
 *
 *   kd.c        table, opening, closing, the event queue and tgt_wait
 *   kd_conn.c   the connection: pump, attach and resynchronisation, break-in, what was seen
 *   kd_req.c    one request and its reply; what this kernel does not serve
 *   kd_mem.c    memory, ports, MSRs, control space, bus data, search, fill
 *   kd_regs.c   registers per processor, cached per stop
 *   kd_trap.c   the kernel's 32 breakpoint entries, debug registers
 *   kd_file.c   files offered to the target (.kdfiles)
 *
 * Phases:
 *
 *   NOLINK --up--> SILENT --any packet--> RUNNING <--resume-- STOPPED
 *      ^              |                      |  ^               ^
 *      |              +----state change------+--+--state change-+
 *      +--- down with reconnect ---          +--prompt--> PROMPT --answer--> RUNNING
 *
 * Invariants: a request is sent in STOPPED only; everything cached about processors and traps' user
 * visible state is of the current stop; no control space number above 3 ever leaves.
 */
#ifndef RS_TARGET_KD_INT_H
#define RS_TARGET_KD_INT_H

#include "link/link.h"
#include "target/target.h"
#include "wire/kd.h"

enum {
	KD_CPU_MAX = 256,
	KD_HW_SLOTS = 4,
	KD_QUEUE_MAX = 4096,	  /* events waiting for tgt_wait */
	KD_BREAK_EVERY_MS = 1000, /* a break-in byte is not repeated faster */
	KD_RESET_EVERY_MS = 1000,
	KD_RESETS_DEFAULT = 8, /* unless resets=N */
	KD_SILENCE_MS = 5000,  /* then it is said what was seen */
	KD_REPLY_MS = 4000,    /* reply to a request that was acknowledged */
	KD_REPEATED_MS = 400,  /* the same if the request was repeated */
	KD_OPTIONAL_MS = 1500, /* the same for a request that may not be served */
	KD_GIVE_UP_MS = 12000, /* no answer to a request at all */
	KD_HW_HANDLE = 0x1000
};

typedef enum kd_phase { PH_NOLINK, PH_SILENT, PH_RUNNING, PH_STOPPED, PH_PROMPT, PH_DEAD } kd_phase;

typedef struct kd_queued {
	tgt_event ev;
	char *text; /* ev.text's bytes */
	bool stop;  /* the target is stopped by it */
} kd_queued;

/* One processor, as of the current stop. */
typedef struct kd_cpu {
	uint8_t ctx[X64_CONTEXT_SIZE];
	size_t ctx_begin, ctx_end; /* what of ctx is known */
	uint8_t sr[KD_SR_ASK];	   /* special registers; sr_n bytes known */
	size_t sr_n;
} kd_cpu;

typedef struct kd_entry {
	uint64_t addr;
	uint32_t handle; /* the kernel's */
	bool live;	 /* stands in the kernel's table */
	bool used;	 /* the caller knows it (its handle is the index + 1) */
	bool maybe;	 /* the kernel should have dropped it by itself */
} kd_entry;

typedef struct kd_hw {
	bool used;
	tgt_trap_kind kind;
	uint64_t addr;
	uint32_t size;
} kd_hw;

typedef enum kd_served { SERVED_UNKNOWN, SERVED_YES, SERVED_NO } kd_served;

typedef struct kd_file {
	int fd; /* -1: free */
	uint64_t handle, size;
} kd_file;
enum { KD_FILES_MAX = 16 };

typedef struct kd {
	tgt t;
	link_t *link;
	link_spec spec;
	kd_open_opts opts;
	kdp p;
	kd_phase phase;
	/* contact */
	bool contact; /* a good packet came since the link is up */
	bool ever_contact;
	bool synced;	 /* both sides count packets alike */
	bool just_reset; /* RESET was answered, no data packet came since */
	uint64_t resets_then; /* RESETs that had been sent when the target was let go */
	bool suspect;	 /* it may have started anew: see at the next stop whether it is the same */
	bool dance;	 /* RESET is out to learn how the kernel counts; see kd_resync_start */
	uint64_t last_hash; /* of the last data packet's payload */
	bool have_state;    /* a state change came that waits for it */
	unsigned dance_left;
	bool fresh;	   /* the kernel started while we were connected: no stale entries */
	bool attached;	   /* the first stop was worked off */
	bool ever_stopped; /* since the kernel (re)started */
	unsigned resets_left;
	uint64_t up_at, reset_at, silence_at; /* ms */
	unsigned silences;		      /* times that it was said */
	bool break_said;
	uint64_t break_since; /* ms, first byte of those that wait for a stop */
	/* breaking in */
	bool want_break;
	uint64_t break_at;   /* ms, next byte */
	uint64_t break_sent; /* ms, the last one */
	bool break_crossed;  /* a packet came about when it was sent */
	unsigned breaks;     /* bytes sent since the last stop */
	unsigned surplus;    /* bytes the kernel may still find after the next resume */
	uint64_t surplus_until;
	bool surplus_new; /* counted at the stop that is about to be handed out ... */
	bool surplus_own; /* ... which one of them may have made */
	bool was_stopped; /* it spoke as only a stopped one does: our break-in came too late */
	atomic_bool interrupt;
	/* the state change of the current stop */
	uint8_t st_bytes[KD_PAYLOAD_MAX];
	size_t st_n;
	kd_state st; /* views point into st_bytes */
	bool pc_moved;
	/* request under way */
	uint32_t want;	    /* its API number, 0 if none */
	uint64_t want_addr; /* memory: the reply must be about this address; 0: any */
	bool no_stream;	    /* asking ahead went wrong once */
	bool streaming;	    /* long replies follow each other */
	bool echoes;	    /* replies that nobody waits for may still come: compare addresses */
	bool got;
	kd_manip reply;	  /* valid until the next pump */
	bool state_again; /* the state change came once more, after a RESET */
	bool cut;	  /* the target left the stop by itself (reboot): requests are void */
	bool switching;
	uint8_t served[KD_API_END - KD_API_FIRST]; /* kd_served */
	bool no_phys_flags;
	bool deaf; /* the last request got no answer at all */
	bool gave_up; /* ... while leaving: no other request is made */
	/* facts */
	bool have_version;
	kd_version version;
	uint32_t n_cpu;
	uint64_t facts[3]
		      [KD_CPU_MAX]; /* by control space number 0 1 3, 0 unknown; thread per stop */
	kd_cpu *cpu[KD_CPU_MAX];
	/* traps */
	VEC(kd_entry) entries;
	kd_hw hw[KD_HW_SLOTS];
	bool hw_dirty, hw_ever;
	unsigned hw_in;	       /* how many debug registers the processors hold */
	bool looked_for_stale; /* at this stop */
	/* prompt */
	kd_debug_io prompt;
	/* files */
	kd_file files[KD_FILES_MAX];
	uint64_t next_file;
	/* events */
	VEC(kd_queued) queue;
	uint64_t lost_prints;
	char *event_text; /* of the event handed out last */
	uint64_t read_at; /* us, the last bytes */
	uint64_t pace_ns; /* what a byte takes while a packet arrives */
	bool trace_on;
	buf noise; /* stray bytes collected for one trace line */
} kd;

static inline kd *kd_of(tgt *t)
{
	return (kd *)(void *)t;
}

/* kd_conn.c */
/* Handles what comes until `until_ms`, or something happened that a caller may wait for. */
void kd_pump(kd *k, uint64_t until_ms);
void kd_flush(kd *k);
void kd_link_state(kd *k); /* after opening: connected already, or waiting */
void kd_resync_start(kd *k);
void kd_stop_forget(kd *k); /* drops what was cached of the current stop */
void kd_describe(tgt *t, buf *out);
void kd_trace_frame(void *u, bool out, const uint8_t *frame, size_t n);
void kd_ask_break(kd *k);
void kd_rebooted(kd *k);

/* kd.c: events */
void kd_post(kd *k, tgt_event_kind kind, str text, unit_t unit);
void kd_notice(kd *k, const char *fmt, ...) PRINTF(2, 3);
void kd_post_event(kd *k, const tgt_event *ev, str text, bool stop);

/* kd_req.c */
bool kd_refused(const kd *k, uint32_t api);
/*
 * Sends m with data and waits for the reply, which is in k->reply (valid until the next request).
 * ERR_OK means that a reply came, whatever its status. ERR_STATE unless stopped.
 */
err kd_request(kd *k, kd_manip *m, const void *data, size_t n, diag *d) MUST_CHECK;
/*
 * For requests that a kernel may not know: ERR_UNSUPPORTED, remembered for the session, when it
 * answers "unsuccessful" (and `probe` says that this can mean nothing else) or not at all.
 */
err kd_request_optional(
	kd *k, kd_manip *m, const void *data, size_t n, bool probe, diag *d) MUST_CHECK;
/*
 * Reads n bytes by requests that overlap with the replies before them; how many came, which may be
 * fewer than there are: the rest is for single requests to find out, unless *end says that the next
 * byte cannot be read.
 */
size_t kd_read_stream(
	kd *k, uint32_t api, uint64_t addr, uint32_t flags, uint8_t *b, size_t n, bool *end);
/* Sends a request that gets no reply; returns when it is acknowledged or cannot be. */
err kd_send_only(kd *k, kd_manip *m, const void *data, size_t n, diag *d) MUST_CHECK;
err kd_status(uint32_t status);
err kd_version_get(kd *k, diag *d) MUST_CHECK;

/* kd_mem.c */
err kd_read(tgt *t, as_t as, uint64_t addr, void *b, size_t n, size_t *n_ret);
err kd_write(tgt *t, as_t as, uint64_t addr, const void *b, size_t n, size_t *n_ret);
err kd_search(tgt *t, as_t as, uint64_t addr, uint64_t n, const void *pattern, size_t plen,
	uint64_t *ret, diag *d);
err kd_fill(tgt *t, as_t as, uint64_t addr, uint64_t n, const void *pattern, size_t plen, diag *d);
err kd_control_read(
	kd *k, unit_t u, unsigned space, void *b, size_t n, size_t *n_ret, diag *d) MUST_CHECK;
err kd_control_write(kd *k, unit_t u, unsigned space, const void *b, size_t n, diag *d) MUST_CHECK;
err kd_query_memory(kd *k, tgt_memory_info *m, diag *d) MUST_CHECK;

/* kd_regs.c */
err kd_regs_get(tgt *t, unit_t u, unsigned sets, x64_regs *r, diag *d);
err kd_regs_set(tgt *t, unit_t u, unsigned sets, const x64_regs *r, diag *d);
/* Sets EFlags.RF on the stopped processor, with the fewest requests. */
err kd_resume_flag(kd *k, diag *d) MUST_CHECK;
err kd_special(kd *k, unit_t u, kd_cpu **ret, diag *d) MUST_CHECK;

/* kd_trap.c */
err kd_trap_add(tgt *t, const tgt_trap *trap, uint64_t *handle_ret, diag *d);
err kd_trap_del(tgt *t, uint64_t handle, diag *d);
err kd_trap_del_many(tgt *t, const uint64_t *handles, size_t n, diag *d);
void kd_traps_dropped(kd *k, tgt_event *ev);
void kd_traps_void(kd *k);	  /* the target started anew */
unsigned kd_traps_reclaim(kd *k); /* takes out entries that are not ours; how many there were */
/* Right before resuming: debug registers, EFlags.RF (unless the PC is unseen, see tgt_run). */
err kd_traps_arm(kd *k, bool unseen, diag *d) MUST_CHECK;
uint64_t kd_traps_dr7(const kd *k);
size_t kd_traps_in(const kd *k); /* how many the target holds */
void kd_traps_out(kd *k); /* all of them, as far as possible */

/* kd_file.c */
void kd_files_init(kd *k);
void kd_files_close(kd *k);
void kd_file_packet(kd *k, const uint8_t *p, size_t n);

#endif
