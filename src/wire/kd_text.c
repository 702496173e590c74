/*
 * kd_text: one readable line for what passes on the wire (Ctrl+D). See kd.h.
 *
 * Refuses to judge: anything that is no frame is shown as stray bytes.
 */
#include "wire/kd.h"

enum { QUOTE_MAX = 64, HEX_MAX = 24 };

static void add_addr(buf *b, uint64_t a)
{
	buf_addf(b, "%08x`%08x", (uint32_t)(a >> 32), (uint32_t)a);
}

static void add_quoted(buf *b, const char *p, size_t n)
{
	buf_addc(b, '"');
	for (size_t i = 0; i < n && i < QUOTE_MAX; i++) {
		unsigned char c = (unsigned char)p[i];
		if (c == '\n')
			buf_addz(b, "\\n");
		else if (c == '\r')
			buf_addz(b, "\\r");
		else if (c < 0x20 || c >= 0x7f)
			buf_addf(b, "\\x%02x", c);
		else
			buf_addc(b, (char)c);
	}
	buf_addz(b, n > QUOTE_MAX ? "\"..." : "\"");
}

static void add_hex(buf *b, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n && i < HEX_MAX; i++)
		buf_addf(b, " %02x", p[i]);
	if (n > HEX_MAX)
		buf_addz(b, " ...");
}

static void state_text(const kd_frame *f, buf *b)
{
	kd_state s;
	if (kd_state_unpack(f->p, f->n, &s) != ERR_OK) {
		buf_addz(b, "state change that does not decode");
		return;
	}
	buf_addf(b, "StateChange cpu %u of %u pc ", s.cpu, s.n_cpu);
	add_addr(b, s.pc);
	if (s.kind == KD_S_EXCEPTION) {
		buf_addf(b, " exception %08x at ", s.code);
		add_addr(b, s.address);
		buf_addz(b, s.first_chance ? " first chance" : " second chance");
	} else if (s.kind == KD_S_LOAD) {
		buf_addz(b, s.unload ? " unload " : " load ");
		add_addr(b, s.base);
		buf_addf(b, " size %x ", s.size);
		add_quoted(b, s.text.p, s.text.n);
	} else {
		buf_addz(b, " command ");
		add_quoted(b, s.text.p, s.text.n);
	}
	if (s.dr6 & 0xf)
		buf_addf(b, " dr6 %llx", (unsigned long long)s.dr6);
}

static void manip_text(bool out, const kd_frame *f, buf *b)
{
	kd_manip m;
	if (kd_manip_unpack(f->p, f->n, &m) != ERR_OK) {
		buf_addz(b, "request that does not decode");
		return;
	}
	const char *name = kd_api_name(m.api);
	if (name)
		buf_addz(b, name);
	else
		buf_addf(b, "request %x", m.api);
	switch (m.api) {
	case KD_READ_VIRTUAL:
	case KD_WRITE_VIRTUAL:
	case KD_READ_PHYSICAL:
	case KD_WRITE_PHYSICAL:
		buf_addc(b, ' ');
		add_addr(b, m.u.mem.addr);
		buf_addf(b, " l%x", m.u.mem.count);
		if (!out)
			buf_addf(b, " done %x", m.u.mem.actual);
		else if (m.u.mem.actual)
			buf_addf(b, " flags %x", m.u.mem.actual);
		break;
	case KD_READ_CONTROL:
	case KD_WRITE_CONTROL:
		buf_addf(b, " cpu %u space %llu l%x", m.cpu, (unsigned long long)m.u.mem.addr,
			m.u.mem.count);
		break;
	case KD_GET_CONTEXT:
	case KD_SET_CONTEXT:
		buf_addf(b, " cpu %u", m.cpu);
		break;
	case KD_GET_CONTEXT_EX:
	case KD_SET_CONTEXT_EX:
		buf_addf(b, " cpu %u offset %x l%x", m.cpu, m.u.context_ex.offset,
			m.u.context_ex.count);
		break;
	case KD_WRITE_BREAKPOINT:
		buf_addc(b, ' ');
		add_addr(b, m.u.bp.addr);
		if (!out)
			buf_addf(b, " handle %u", m.u.bp.handle);
		break;
	case KD_RESTORE_BREAKPOINT:
		buf_addf(b, " handle %u", m.u.bp.handle);
		break;
	case KD_RESTORE_BREAKPOINT_EX:
	case KD_WRITE_BREAKPOINT_EX:
		buf_addf(b, " %u entries", m.u.bp_ex.count);
		break;
	case KD_CONTINUE2:
		buf_addf(b, " status %08x trace %u dr7 %llx", m.u.cont.status, m.u.cont.trace,
			(unsigned long long)m.u.cont.dr7);
		break;
	case KD_READ_IO:
	case KD_WRITE_IO:
	case KD_READ_IO_EX:
	case KD_WRITE_IO_EX:
		buf_addf(b, " port %llx l%u value %x", (unsigned long long)m.u.io.port, m.u.io.size,
			m.u.io.value);
		break;
	case KD_READ_MSR:
	case KD_WRITE_MSR:
		buf_addf(b, " %x value %llx", m.u.msr.msr, (unsigned long long)m.u.msr.value);
		break;
	case KD_GET_VERSION:
		if (!out) {
			buf_addf(b, " major %x build %u protocol %u machine %04x base ",
				m.u.version.major, m.u.version.minor, m.u.version.protocol,
				m.u.version.machine);
			add_addr(b, m.u.version.kernel_base);
		}
		break;
	case KD_SWITCH_PROCESSOR:
		buf_addf(b, " %u", m.cpu);
		break;
	default:
		break;
	}
	if (!out)
		buf_addf(b, " status %08x", m.status);
	if (m.n)
		buf_addf(b, " +%zu bytes", m.n);
}

static void io_text(const kd_frame *f, buf *b)
{
	kd_debug_io d;
	if (kd_debug_io_unpack(f->p, f->n, &d) != ERR_OK) {
		buf_addz(b, "debug I/O that does not decode");
		return;
	}
	buf_addf(b, "%s cpu %u ", d.api == KD_IO_PRINT ? "Print" : "Prompt", d.cpu);
	add_quoted(b, d.text.p, d.text.n);
}

static void file_text(const kd_frame *f, buf *b)
{
	static const char *const names[] = {"CreateFile", "ReadFile", "WriteFile", "CloseFile"};
	kd_file_io i;
	if (kd_file_io_unpack(f->p, f->n, &i) != ERR_OK) {
		buf_addz(b, "file I/O that does not decode");
		return;
	}
	buf_addf(b, "%s handle %llx offset %llx l%llx status %08x", names[i.api - KD_FILE_CREATE],
		(unsigned long long)i.handle, (unsigned long long)i.offset,
		(unsigned long long)i.length, i.status);
}

void kd_text(bool out, const uint8_t *frame, size_t n, buf *b)
{
	kd_frame f;
	buf_addz(b, out ? "> " : "< ");
	if (kd_frame_parse(frame, n, &f) != ERR_OK) {
		if (out && n == 1 && frame[0] == KD_BREAKIN) {
			buf_addz(b, "break-in");
			return;
		}
		buf_addf(b, "%zu stray byte%s:", n, n == 1 ? "" : "s");
		add_hex(b, frame, n);
		return;
	}
	if (f.control) {
		static const char *const names[] = {"ACK", "RESEND", "RESET"};
		buf_addf(b, "%s %08x", names[f.type - KD_T_ACK], f.id);
		return;
	}
	buf_addf(b, "%u%s ", f.id & 1, f.id & KD_SYNC ? "s" : "");
	switch (f.type) {
	case KD_T_STATE64:
		state_text(&f, b);
		break;
	case KD_T_MANIPULATE:
		manip_text(out, &f, b);
		break;
	case KD_T_DEBUG_IO:
		io_text(&f, b);
		break;
	case KD_T_FILE_IO:
		file_text(&f, b);
		break;
	case KD_T_STATE32:
		buf_addz(b, "StateChange in the 32-bit form, which is not supported");
		break;
	default:
		buf_addf(b, "packet of type %u, %zu bytes:", f.type, f.n);
		add_hex(b, f.p, f.n);
		break;
	}
}
