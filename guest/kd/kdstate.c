/*
 * kdstate: telling the debugger that the machine stopped, and obeying it until it lets the machine
 * go.
 *
 * Refuses to know what the requests do (kdmemory.c) and how packets travel (kdlink.c).
 *
 *   report:  fill state change -> drop breakpoints near PC -> send -> serve requests
 *               ^   |                                                  |   |   `-- continue: done
 *               |   `---- another processor selected <-----------------'   |
 *               `-------- the debugger wants it again (reset, break-in) <--'
 *
 * Invariant: the instruction bytes of a state change never show a planted breakpoint, because every
 * entry that could lie in them has been taken out before they are read.
 */
#include "kdstub.h"

enum { EFLAGS_TF = 0x100, CS_KERNEL = 0x10, BUGCHECK_MANUALLY_INITIATED_CRASH = 0xE2 };

/* What the loop that serves requests ends with. */
typedef enum verdict { HANDLED, NOT_HANDLED, AGAIN } verdict;

/* Which processor is reported; its context is the caller's or that of a frozen one. */
static unsigned selected;

static CONTEXT *selected_context(CONTEXT *own)
{
	return selected == kd_port_processor() ? own : kd_port_context(selected);
}

static void fill(kd_state_change *s, const CONTEXT *context)
{
	KSPECIAL_REGISTERS special;
	kd_port_special_get(selected, &special);
	s->level = kd_port_processor_level();
	s->processor = (uint16_t)selected;
	s->processor_count = kd_port_processor_count();
	s->thread = kd_port_block(selected, KD_BLOCK_KTHREAD);
	s->pc = context->Rip;
	s->dr6 = special.KernelDr6;
	s->dr7 = special.KernelDr7;
	s->eflags = context->EFlags;
	s->cs = context->SegCs;
	s->ds = context->SegDs;
	s->es = context->SegEs;
	s->fs = context->SegFs;
	s->flags = KD_REPORT_SEGS | (context->SegCs == CS_KERNEL ? KD_REPORT_STANDARD_CS : 0);
	kd_port_zero(s->stream, sizeof(s->stream));
	s->stream_n = (uint16_t)kd_port_read_virtual(s->pc, s->stream, sizeof(s->stream));
	if (s->stream_n && kd_break_remove_range(s->pc, s->pc + s->stream_n - 1))
		kd_port_read_virtual(s->pc, s->stream, s->stream_n);
}

/* DR7 goes to all processors, the trace flag to the reported one. */
static void apply_continue(const kd_manipulate *m, CONTEXT *context)
{
	context->EFlags &= ~(uint32_t)EFLAGS_TF;
	if (m->u.resume.trace)
		context->EFlags |= EFLAGS_TF;
	for (unsigned i = 0; i < kd_port_processor_count(); i++) {
		KSPECIAL_REGISTERS special;
		kd_port_special_get(i, &special);
		special.KernelDr7 = m->u.resume.dr7[0] | (uint64_t)m->u.resume.dr7[1] << 32;
		special.KernelDr6 = 0;
		kd_port_special_set(i, &special);
	}
}

static void reply(kd_manipulate *m, const uint8_t *data, size_t n)
{
	kd_message answer = {m, sizeof(*m), (uint8_t *)data, n};
	kd_link_send(KD_TYPE_MANIPULATE, &answer);
}

/* Requests that end the stop, or the machine. True: *ret says how. */
static bool ends(kd_manipulate *m, CONTEXT *context, verdict *ret)
{
	switch (m->api) {
	case KD_CONTINUE:
		*ret = (int32_t)m->u.resume.status >= 0 ? HANDLED : NOT_HANDLED;
		return true;
	case KD_CONTINUE2:
		*ret = (int32_t)m->u.resume.status >= 0 ? HANDLED : NOT_HANDLED;
		if (*ret == HANDLED)
			apply_continue(m, context);
		return true;
	case KD_SWITCH_PROCESSOR:
		if (KD_VARIANT_B || m->processor >= kd_port_processor_count())
			return false;
		selected = m->processor;
		kd_port_select(selected);
		*ret = AGAIN;
		return true;
	case KD_REBOOT:
		kd_port_reboot();
	case KD_CAUSE_BUG_CHECK:
		kd_port_leave();
		kd_port_bug_check(BUGCHECK_MANUALLY_INITIATED_CRASH);
	case KD_WRITE_BREAKPOINT_EX:
		if (KD_VARIANT_B)
			return false;
		/* As the observed kernel's source has it: a refusal, and then the machine goes on.
		 */
		m->status = KD_STATUS_UNSUCCESSFUL;
		reply(m, NULL, 0);
		*ret = NOT_HANDLED;
		return true;
	default:
		return false;
	}
}

static verdict converse(const kd_message *change, CONTEXT *own)
{
	static uint8_t out[KD_PACKET_MAX];
	kd_link_send(KD_TYPE_STATE_CHANGE, change);
	while (!kd_absent || ((kd_state_change *)change->header)->state != KD_STATE_LOAD_SYMBOLS) {
		kd_manipulate m;
		kd_message in = {&m, sizeof(m), NULL, 0};
		switch (kd_link_receive(KD_TYPE_MANIPULATE, &in)) {
		case KD_GOT_NOTHING:
			continue;
		case KD_GOT_RESEND:
			kd_link_send(KD_TYPE_STATE_CHANGE, change);
			continue;
		case KD_GOT_PACKET:
			break;
		}
		CONTEXT *context = selected_context(own);
		verdict how;
		if (ends(&m, context, &how))
			return how;
		if (m.api == KD_CLEAR_INTERNAL_BPS && !KD_VARIANT_B)
			continue; /* as the observed kernel's source has it: no answer at all */
		kd_call c = {&m, in.data, in.data_n, out, 0, context, selected};
		/* The processor that runs this has its context with the caller, whoever is
		 * reported. */
		if (m.processor == kd_port_processor() && m.processor != selected) {
			c.own = own;
			c.processor = m.processor;
		}
		kd_serve(&c);
		reply(&m, c.out, c.out_n);
	}
	return HANDLED;
}

bool kd_report(kd_state_change *change, const void *data, size_t data_n, CONTEXT *context)
{
	verdict how;
	selected = kd_port_processor();
	do {
		const CONTEXT *shown = selected_context(context);
		fill(change, shown);
		kd_message m = {change, sizeof(*change), (uint8_t *)data, data_n};
		how = converse(&m, context);
		if (how == AGAIN && change->state == KD_STATE_EXCEPTION) {
			/* The new processor has had no exception: it was woken for the debugger. */
			kd_port_zero(&change->u, sizeof(change->u));
			change->u.exception.record.ExceptionCode = KD_STATUS_WAKE_SYSTEM_DEBUGGER;
			change->u.exception.record.ExceptionAddress =
				selected_context(context)->Rip;
			change->u.exception.first_chance = 1;
		}
	} while (how == AGAIN);
	return how == HANDLED;
}

/* ---- what the kernel calls ---- */

void kd_init(void)
{
	kd_link_init();
	kd_break_init();
}

bool kd_present(void)
{
	return !kd_absent;
}

bool kd_enter_exception(const EXCEPTION_RECORD64 *record, CONTEXT *context, bool second_chance)
{
	/* One word of trace data that says "one word", as observed. */
	static const uint32_t trace = 1;
	kd_state_change s;
	kd_port_enter();
	kd_port_zero(&s, sizeof(s));
	s.state = KD_STATE_EXCEPTION;
	kd_port_copy(&s.u.exception.record, record, sizeof(*record));
	/* The observed kernel names the byte behind an int 3; others name the int 3. */
	if (!KD_VARIANT_B && record->ExceptionCode == KD_STATUS_BREAKPOINT)
		s.u.exception.record.ExceptionAddress++;
	s.u.exception.first_chance = !second_chance;
	bool handled = kd_report(&s, &trace, KD_VARIANT_B ? 0 : sizeof(trace), context);
	kd_port_leave();
	return handled;
}

void kd_report_load_symbols(const char *path, size_t path_n, uint64_t base, uint32_t size,
	uint32_t checksum, uint64_t pid, bool unload, CONTEXT *context)
{
	static char text[1024];
	kd_state_change s;
	kd_port_enter();
	if (!kd_absent) {
		if (path_n > sizeof(text) - 1)
			path_n = sizeof(text) - 1;
		kd_port_copy(text, path, path_n);
		text[path_n] = 0;
		kd_port_zero(&s, sizeof(s));
		s.state = KD_STATE_LOAD_SYMBOLS;
		s.u.load.path_n = (uint32_t)(path_n ? path_n + 1 : 0);
		s.u.load.base = base;
		s.u.load.pid = pid;
		s.u.load.checksum = checksum;
		s.u.load.size = size;
		s.u.load.unload = unload;
		kd_report(&s, text, s.u.load.path_n, context);
	}
	kd_port_leave();
}

void kd_command_string(
	const char *name, size_t name_n, const char *command, size_t command_n, CONTEXT *context)
{
	enum { NAME_MAX = 127, ROOM = KD_PACKET_MAX - sizeof(kd_state_change) };
	static char text[ROOM];
	kd_state_change s;
	kd_port_enter();
	if (name_n > NAME_MAX)
		name_n = NAME_MAX;
	if (command_n > ROOM - 2 - name_n)
		command_n = ROOM - 2 - name_n;
	kd_port_copy(text, name, name_n);
	text[name_n] = 0;
	kd_port_copy(text + name_n + 1, command, command_n);
	text[name_n + 1 + command_n] = 0;
	kd_port_zero(&s, sizeof(s));
	s.state = KD_STATE_COMMAND;
	kd_report(&s, text, name_n + command_n + 2, context);
	kd_port_leave();
}
