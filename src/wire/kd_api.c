/*
 * kd_api: contents of KD packets, both ways. See kd.h.
 *
 * Refuses to know packets. Offsets are those of the C structures in ReactOS's windbgkd.h as a
 * 64-bit compiler lays them out (Continue2 alone is packed to four bytes).
 */
#include "wire/kd.h"

/* ---- state changes ---- */

enum { ST_UNION = 32, ST_REPORT = 192 };

static str text_behind(const uint8_t *p, size_t n, size_t at)
{
	if (n <= at)
		return STR("");
	const uint8_t *end = memchr(p + at, 0, n - at);
	return (str){(const char *)p + at, end ? (size_t)(end - (p + at)) : n - at};
}

err kd_state_unpack(const uint8_t *p, size_t n, kd_state *ret)
{
	kd_state s = {0};
	reader r = rd_of(p, n);
	uint32_t kind = rd_u32(&r);
	s.kind = kind & 0xffff;
	s.alternate = (kind & 0x10000) != 0;
	s.level = rd_u16(&r);
	s.cpu = rd_u16(&r);
	s.n_cpu = rd_u32(&r);
	rd_skip(&r, 4);
	s.thread = rd_u64(&r);
	s.pc = rd_u64(&r);
	if (r.bad || s.kind < KD_S_EXCEPTION || s.kind > KD_S_COMMAND)
		return ERR_CORRUPT;
	uint32_t path = 0;
	if (s.kind == KD_S_EXCEPTION) {
		s.code = rd_u32(&r);
		s.flags = rd_u32(&r);
		s.record = rd_u64(&r);
		s.address = rd_u64(&r);
		s.n_params = rd_u32(&r);
		rd_skip(&r, 4);
		for (size_t i = 0; i < KD_EXR_PARAMS; i++)
			s.params[i] = rd_u64(&r);
		s.first_chance = rd_u32(&r);
		if (s.n_params > KD_EXR_PARAMS)
			s.n_params = KD_EXR_PARAMS;
	} else if (s.kind == KD_S_LOAD) {
		path = rd_u32(&r);
		rd_skip(&r, 4);
		s.base = rd_u64(&r);
		s.process_id = rd_u64(&r);
		s.checksum = rd_u32(&r);
		s.size = rd_u32(&r);
		s.unload = rd_u8(&r) != 0;
	} else {
		s.flags = rd_u32(&r);
	}
	if (r.bad)
		return ERR_CORRUPT;
	rd_seek(&r, ST_REPORT);
	s.dr6 = rd_u64(&r);
	s.dr7 = rd_u64(&r);
	s.eflags = rd_u32(&r);
	s.n_stream = rd_u16(&r);
	s.report_flags = rd_u16(&r);
	const uint8_t *stream = rd_bytes(&r, KD_STREAM_MAX);
	s.cs = rd_u16(&r);
	s.ds = rd_u16(&r);
	s.es = rd_u16(&r);
	s.fs = rd_u16(&r);
	s.has_report = !r.bad;
	if (!s.has_report) {
		s.n_stream = 0;
	} else {
		memcpy(s.stream, stream, KD_STREAM_MAX);
		if (s.n_stream > KD_STREAM_MAX)
			s.n_stream = KD_STREAM_MAX;
	}
	if (s.kind == KD_S_LOAD && path) {
		s.text = text_behind(p, n, KD_STATE_SIZE);
		if (s.text.n > path)
			s.text.n = path;
	} else if (s.kind == KD_S_COMMAND) {
		/* Name, NUL, command, NUL: a kernel that sends one text only sends the command. */
		s.text = text_behind(p, n, KD_STATE_SIZE);
		str second = text_behind(p, n, KD_STATE_SIZE + s.text.n + 1);
		if (second.n)
			s.text = second;
	}
	*ret = s;
	return ERR_OK;
}

size_t kd_state_pack(const kd_state *s, uint8_t *out, size_t cap)
{
	bool text = s->kind != KD_S_EXCEPTION;
	size_t size = KD_STATE_SIZE + (text ? s->text.n + 1 : 0);
	if (cap < size)
		return 0;
	memset(out, 0, size);
	put32(out, s->kind | (s->alternate ? 0x10000u : 0));
	put16(out + 4, s->level);
	put16(out + 6, s->cpu);
	put32(out + 8, s->n_cpu);
	put64(out + 16, s->thread);
	put64(out + 24, s->pc);
	uint8_t *u = out + ST_UNION;
	if (s->kind == KD_S_EXCEPTION) {
		put32(u, s->code);
		put32(u + 4, s->flags);
		put64(u + 8, s->record);
		put64(u + 16, s->address);
		put32(u + 24, s->n_params);
		for (size_t i = 0; i < KD_EXR_PARAMS; i++)
			put64(u + 32 + 8 * i, s->params[i]);
		put32(u + 152, s->first_chance);
	} else if (s->kind == KD_S_LOAD) {
		put32(u, s->text.n ? (uint32_t)s->text.n + 1 : 0);
		put64(u + 8, s->base);
		put64(u + 16, s->process_id);
		put32(u + 24, s->checksum);
		put32(u + 28, s->size);
		u[32] = s->unload;
	} else {
		put32(u, s->flags);
	}
	uint8_t *c = out + ST_REPORT;
	put64(c, s->dr6);
	put64(c + 8, s->dr7);
	put32(c + 16, s->eflags);
	put16(c + 20, s->n_stream);
	put16(c + 22, s->report_flags);
	memcpy(c + 24, s->stream, KD_STREAM_MAX);
	put16(c + 40, s->cs);
	put16(c + 42, s->ds);
	put16(c + 44, s->es);
	put16(c + 46, s->fs);
	if (text && s->text.n)
		memcpy(out + KD_STATE_SIZE, s->text.p, s->text.n);
	return size;
}

/* ---- manipulate state ---- */

typedef enum form {
	F_NONE,
	F_MEM,
	F_CONTEXT,
	F_CONTEXT_EX,
	F_BP,
	F_HANDLE,
	F_BP_EX,
	F_CONTINUE,
	F_CONTINUE2,
	F_IO,
	F_IO_EX,
	F_MSR,
	F_BUS,
	F_SEARCH,
	F_FILL,
	F_QUERY,
	F_BUGCHECK,
	F_INTERNAL,
	F_CUSTOM,
	F_WORD,
	F_VERSION
} form;

static const struct {
	uint16_t api;
	uint8_t form;
	const char *name;
} apis[] = {
	{KD_READ_VIRTUAL, F_MEM, "ReadVirtual"},
	{KD_WRITE_VIRTUAL, F_MEM, "WriteVirtual"},
	{KD_GET_CONTEXT, F_CONTEXT, "GetContext"},
	{KD_SET_CONTEXT, F_CONTEXT, "SetContext"},
	{KD_WRITE_BREAKPOINT, F_BP, "WriteBreakPoint"},
	{KD_RESTORE_BREAKPOINT, F_HANDLE, "RestoreBreakPoint"},
	{KD_CONTINUE, F_CONTINUE, "Continue"},
	{KD_READ_CONTROL, F_MEM, "ReadControlSpace"},
	{KD_WRITE_CONTROL, F_MEM, "WriteControlSpace"},
	{KD_READ_IO, F_IO, "ReadIo"},
	{KD_WRITE_IO, F_IO, "WriteIo"},
	{KD_REBOOT, F_NONE, "Reboot"},
	{KD_CONTINUE2, F_CONTINUE2, "Continue2"},
	{KD_READ_PHYSICAL, F_MEM, "ReadPhysical"},
	{KD_WRITE_PHYSICAL, F_MEM, "WritePhysical"},
	{KD_QUERY_SPECIAL_CALLS, F_WORD, "QuerySpecialCalls"},
	{KD_SET_SPECIAL_CALL, F_WORD, "SetSpecialCall"},
	{KD_CLEAR_SPECIAL_CALLS, F_NONE, "ClearSpecialCalls"},
	{KD_SET_INTERNAL_BREAKPOINT, F_INTERNAL, "SetInternalBreakPoint"},
	{KD_GET_INTERNAL_BREAKPOINT, F_INTERNAL, "GetInternalBreakPoint"},
	{KD_READ_IO_EX, F_IO_EX, "ReadIoExtended"},
	{KD_WRITE_IO_EX, F_IO_EX, "WriteIoExtended"},
	{KD_GET_VERSION, F_VERSION, "GetVersion"},
	{KD_WRITE_BREAKPOINT_EX, F_BP_EX, "WriteBreakPointEx"},
	{KD_RESTORE_BREAKPOINT_EX, F_BP_EX, "RestoreBreakPointEx"},
	{KD_CAUSE_BUGCHECK, F_BUGCHECK, "CauseBugCheck"},
	{KD_SWITCH_PROCESSOR, F_NONE, "SwitchProcessor"},
	{KD_PAGE_IN, F_NONE, "PageIn"},
	{KD_READ_MSR, F_MSR, "ReadMsr"},
	{KD_WRITE_MSR, F_MSR, "WriteMsr"},
	{KD_SEARCH_MEMORY, F_SEARCH, "SearchMemory"},
	{KD_GET_BUS_DATA, F_BUS, "GetBusData"},
	{KD_SET_BUS_DATA, F_BUS, "SetBusData"},
	{KD_CHECK_LOW_MEMORY, F_NONE, "CheckLowMemory"},
	{KD_CLEAR_INTERNAL_BREAKPOINTS, F_NONE, "ClearAllInternalBreakpoints"},
	{KD_FILL_MEMORY, F_FILL, "FillMemory"},
	{KD_QUERY_MEMORY, F_QUERY, "QueryMemory"},
	{KD_SWITCH_PARTITION, F_WORD, "SwitchPartition"},
	{KD_WRITE_CUSTOM_BREAKPOINT, F_CUSTOM, "WriteCustomBreakpoint"},
	{KD_GET_CONTEXT_EX, F_CONTEXT_EX, "GetContextEx"},
	{KD_SET_CONTEXT_EX, F_CONTEXT_EX, "SetContextEx"},
};

static int api_row(uint32_t api)
{
	for (size_t i = 0; i < ARRAY_LEN(apis); i++)
		if (apis[i].api == api)
			return (int)i;
	return -1;
}

const char *kd_api_name(uint32_t api)
{
	int i = api_row(api);
	return i < 0 ? NULL : apis[i].name;
}

static void unpack_union(form f, reader r, kd_manip *m)
{
	switch (f) {
	case F_MEM:
		m->u.mem.addr = rd_u64(&r);
		m->u.mem.count = rd_u32(&r);
		m->u.mem.actual = rd_u32(&r);
		break;
	case F_CONTEXT:
	case F_BUGCHECK:
	case F_WORD:
		m->u.word.value = rd_u32(&r);
		break;
	case F_CONTEXT_EX:
		m->u.context_ex.offset = rd_u32(&r);
		m->u.context_ex.count = rd_u32(&r);
		m->u.context_ex.copied = rd_u32(&r);
		break;
	case F_BP:
		m->u.bp.addr = rd_u64(&r);
		m->u.bp.handle = rd_u32(&r);
		break;
	case F_HANDLE:
		m->u.bp.handle = rd_u32(&r);
		break;
	case F_BP_EX:
		m->u.bp_ex.count = rd_u32(&r);
		m->u.bp_ex.status = rd_u32(&r);
		break;
	case F_CONTINUE:
		m->u.cont.status = rd_u32(&r);
		break;
	case F_CONTINUE2:
		m->u.cont.status = rd_u32(&r);
		m->u.cont.trace = rd_u32(&r);
		m->u.cont.dr7 = rd_u64(&r);
		m->u.cont.symbol_begin = rd_u64(&r);
		m->u.cont.symbol_end = rd_u64(&r);
		break;
	case F_IO:
		m->u.io.port = rd_u64(&r);
		m->u.io.size = rd_u32(&r);
		m->u.io.value = rd_u32(&r);
		break;
	case F_IO_EX:
		m->u.io.size = rd_u32(&r);
		m->u.io.interface = rd_u32(&r);
		m->u.io.bus = rd_u32(&r);
		m->u.io.space = rd_u32(&r);
		m->u.io.port = rd_u64(&r);
		m->u.io.value = rd_u32(&r);
		break;
	case F_MSR:
		m->u.msr.msr = rd_u32(&r);
		m->u.msr.value = rd_u32(&r);
		m->u.msr.value |= (uint64_t)rd_u32(&r) << 32;
		break;
	case F_BUS:
		m->u.bus.type = rd_u32(&r);
		m->u.bus.bus = rd_u32(&r);
		m->u.bus.slot = rd_u32(&r);
		m->u.bus.offset = rd_u32(&r);
		m->u.bus.length = rd_u32(&r);
		break;
	case F_SEARCH:
		m->u.search.addr = rd_u64(&r);
		m->u.search.length = rd_u64(&r);
		m->u.search.pattern = rd_u32(&r);
		break;
	case F_FILL:
		m->u.fill.addr = rd_u64(&r);
		m->u.fill.length = rd_u32(&r);
		m->u.fill.flags = rd_u16(&r);
		m->u.fill.pattern = rd_u16(&r);
		break;
	case F_QUERY:
		m->u.query.addr = rd_u64(&r);
		rd_skip(&r, 8);
		m->u.query.space = rd_u32(&r);
		m->u.query.flags = rd_u32(&r);
		break;
	case F_INTERNAL:
		m->u.internal.addr = rd_u64(&r);
		m->u.internal.flags = rd_u32(&r);
		m->u.internal.calls = rd_u32(&r);
		m->u.internal.max_calls = rd_u32(&r);
		m->u.internal.min_insns = rd_u32(&r);
		m->u.internal.max_insns = rd_u32(&r);
		m->u.internal.total_insns = rd_u32(&r);
		break;
	case F_CUSTOM:
		m->u.custom.addr = rd_u64(&r);
		m->u.custom.insn = rd_u64(&r);
		m->u.custom.handle = rd_u32(&r);
		m->u.custom.size = rd_u8(&r);
		m->u.custom.align = rd_u8(&r);
		break;
	case F_VERSION:
		m->u.version.major = rd_u16(&r);
		m->u.version.minor = rd_u16(&r);
		m->u.version.protocol = rd_u8(&r);
		m->u.version.secondary = rd_u8(&r);
		m->u.version.flags = rd_u16(&r);
		m->u.version.machine = rd_u16(&r);
		m->u.version.max_packet_type = rd_u8(&r);
		m->u.version.max_state_change = rd_u8(&r);
		m->u.version.max_manipulate = rd_u8(&r);
		m->u.version.simulation = rd_u8(&r);
		rd_skip(&r, 2);
		m->u.version.kernel_base = rd_u64(&r);
		m->u.version.module_list = rd_u64(&r);
		m->u.version.debugger_data = rd_u64(&r);
		break;
	case F_NONE:
		break;
	}
}

err kd_manip_unpack(const uint8_t *p, size_t n, kd_manip *ret)
{
	kd_manip m = {0};
	if (n < KD_MANIP_SIZE)
		return ERR_CORRUPT;
	m.api = le32(p);
	m.level = le16(p + 4);
	m.cpu = le16(p + 6);
	m.status = le32(p + 8);
	int row = api_row(m.api);
	if (row >= 0)
		unpack_union((form)apis[row].form, rd_of(p + 16, KD_MANIP_SIZE - 16), &m);
	m.data = p + KD_MANIP_SIZE;
	m.n = n - KD_MANIP_SIZE;
	*ret = m;
	return ERR_OK;
}

static void pack_union(form f, const kd_manip *m, uint8_t *u)
{
	switch (f) {
	case F_MEM:
		put64(u, m->u.mem.addr);
		put32(u + 8, m->u.mem.count);
		put32(u + 12, m->u.mem.actual);
		break;
	case F_CONTEXT:
	case F_BUGCHECK:
	case F_WORD:
		put32(u, m->u.word.value);
		break;
	case F_CONTEXT_EX:
		put32(u, m->u.context_ex.offset);
		put32(u + 4, m->u.context_ex.count);
		put32(u + 8, m->u.context_ex.copied);
		break;
	case F_BP:
		put64(u, m->u.bp.addr);
		put32(u + 8, m->u.bp.handle);
		break;
	case F_HANDLE:
		put32(u, m->u.bp.handle);
		break;
	case F_BP_EX:
		put32(u, m->u.bp_ex.count);
		put32(u + 4, m->u.bp_ex.status);
		break;
	case F_CONTINUE:
		put32(u, m->u.cont.status);
		break;
	case F_CONTINUE2:
		put32(u, m->u.cont.status);
		put32(u + 4, m->u.cont.trace);
		put64(u + 8, m->u.cont.dr7);
		put64(u + 16, m->u.cont.symbol_begin);
		put64(u + 24, m->u.cont.symbol_end);
		break;
	case F_IO:
		put64(u, m->u.io.port);
		put32(u + 8, m->u.io.size);
		put32(u + 12, m->u.io.value);
		break;
	case F_IO_EX:
		put32(u, m->u.io.size);
		put32(u + 4, m->u.io.interface);
		put32(u + 8, m->u.io.bus);
		put32(u + 12, m->u.io.space);
		put64(u + 16, m->u.io.port);
		put32(u + 24, m->u.io.value);
		break;
	case F_MSR:
		put32(u, m->u.msr.msr);
		put32(u + 4, (uint32_t)m->u.msr.value);
		put32(u + 8, (uint32_t)(m->u.msr.value >> 32));
		break;
	case F_BUS:
		put32(u, m->u.bus.type);
		put32(u + 4, m->u.bus.bus);
		put32(u + 8, m->u.bus.slot);
		put32(u + 12, m->u.bus.offset);
		put32(u + 16, m->u.bus.length);
		break;
	case F_SEARCH:
		put64(u, m->u.search.addr);
		put64(u + 8, m->u.search.length);
		put32(u + 16, m->u.search.pattern);
		break;
	case F_FILL:
		put64(u, m->u.fill.addr);
		put32(u + 8, m->u.fill.length);
		put16(u + 12, m->u.fill.flags);
		put16(u + 14, m->u.fill.pattern);
		break;
	case F_QUERY:
		put64(u, m->u.query.addr);
		put32(u + 16, m->u.query.space);
		put32(u + 20, m->u.query.flags);
		break;
	case F_INTERNAL:
		put64(u, m->u.internal.addr);
		put32(u + 8, m->u.internal.flags);
		put32(u + 12, m->u.internal.calls);
		put32(u + 16, m->u.internal.max_calls);
		put32(u + 20, m->u.internal.min_insns);
		put32(u + 24, m->u.internal.max_insns);
		put32(u + 28, m->u.internal.total_insns);
		break;
	case F_CUSTOM:
		put64(u, m->u.custom.addr);
		put64(u + 8, m->u.custom.insn);
		put32(u + 16, m->u.custom.handle);
		u[20] = m->u.custom.size;
		u[21] = m->u.custom.align;
		break;
	case F_VERSION:
		put16(u, m->u.version.major);
		put16(u + 2, m->u.version.minor);
		u[4] = m->u.version.protocol;
		u[5] = m->u.version.secondary;
		put16(u + 6, m->u.version.flags);
		put16(u + 8, m->u.version.machine);
		u[10] = m->u.version.max_packet_type;
		u[11] = m->u.version.max_state_change;
		u[12] = m->u.version.max_manipulate;
		u[13] = m->u.version.simulation;
		put64(u + 16, m->u.version.kernel_base);
		put64(u + 24, m->u.version.module_list);
		put64(u + 32, m->u.version.debugger_data);
		break;
	case F_NONE:
		break;
	}
}

void kd_manip_pack(const kd_manip *m, uint8_t out[KD_MANIP_SIZE])
{
	memset(out, 0, KD_MANIP_SIZE);
	put32(out, m->api);
	put16(out + 4, m->level);
	put16(out + 6, m->cpu);
	put32(out + 8, m->status);
	int row = api_row(m->api);
	if (row >= 0)
		pack_union((form)apis[row].form, m, out + 16);
}

/* ---- debug I/O ---- */

err kd_debug_io_unpack(const uint8_t *p, size_t n, kd_debug_io *ret)
{
	if (n < KD_DEBUG_IO_SIZE)
		return ERR_CORRUPT;
	kd_debug_io d = {
		.api = le32(p), .level = le16(p + 4), .cpu = le16(p + 6), .length = le32(p + 8)};
	if (d.api != KD_IO_PRINT && d.api != KD_IO_PROMPT)
		return ERR_CORRUPT;
	if (d.api == KD_IO_PROMPT)
		d.answer_max = le32(p + 12);
	d.text = (str){(const char *)p + KD_DEBUG_IO_SIZE, n - KD_DEBUG_IO_SIZE};
	*ret = d;
	return ERR_OK;
}

void kd_debug_io_pack(const kd_debug_io *d, uint8_t out[KD_DEBUG_IO_SIZE])
{
	memset(out, 0, KD_DEBUG_IO_SIZE);
	put32(out, d->api);
	put16(out + 4, d->level);
	put16(out + 6, d->cpu);
	put32(out + 8, d->length);
	put32(out + 12, d->answer_max);
}

/* ---- file I/O ---- */

err kd_file_io_unpack(const uint8_t *p, size_t n, kd_file_io *ret)
{
	kd_file_io f = {0};
	if (n < KD_FILE_IO_SIZE)
		return ERR_CORRUPT;
	f.api = le32(p);
	f.status = le32(p + 4);
	const uint8_t *u = p + 8;
	switch (f.api) {
	case KD_FILE_CREATE:
		f.access = le32(u);
		f.attributes = le32(u + 4);
		f.share = le32(u + 8);
		f.disposition = le32(u + 12);
		f.options = le32(u + 16);
		f.handle = le64(u + 24);
		f.length = le64(u + 32);
		break;
	case KD_FILE_READ:
	case KD_FILE_WRITE:
		f.handle = le64(u);
		f.offset = le64(u + 8);
		f.length = le32(u + 16);
		break;
	case KD_FILE_CLOSE:
		f.handle = le64(u);
		break;
	default:
		return ERR_CORRUPT;
	}
	f.data = p + KD_FILE_IO_SIZE;
	f.n = n - KD_FILE_IO_SIZE;
	*ret = f;
	return ERR_OK;
}

void kd_file_io_pack(const kd_file_io *f, uint8_t out[KD_FILE_IO_SIZE])
{
	memset(out, 0, KD_FILE_IO_SIZE);
	put32(out, f->api);
	put32(out + 4, f->status);
	uint8_t *u = out + 8;
	switch (f->api) {
	case KD_FILE_CREATE:
		put32(u, f->access);
		put32(u + 4, f->attributes);
		put32(u + 8, f->share);
		put32(u + 12, f->disposition);
		put32(u + 16, f->options);
		put64(u + 24, f->handle);
		put64(u + 32, f->length);
		break;
	case KD_FILE_READ:
	case KD_FILE_WRITE:
		put64(u, f->handle);
		put64(u + 8, f->offset);
		put32(u + 16, (uint32_t)f->length);
		break;
	default:
		put64(u, f->handle);
		break;
	}
}
