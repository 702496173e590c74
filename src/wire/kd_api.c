/*
 * kd_api: contents of KD packets, both ways. See kd.h.
 *
 * Refuses to know packets. Offsets are those of the C structures in ReactOS's windbgkd.h as a
 * 64-bit compiler lays them out (Continue2 alone is packed to four bytes).
 */
#include "wire/kd.h"

#include <stddef.h>

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
	{KD_GET_CONTEXT, F_WORD, "GetContext"},
	{KD_SET_CONTEXT, F_WORD, "SetContext"},
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
	{KD_CAUSE_BUGCHECK, F_WORD, "CauseBugCheck"},
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

/* Where the fields of a form lie behind the 16 bytes that all have. */
#define FIELD(form, at, m)                                                                         \
	{                                                                                          \
		form, at, offsetof(kd_manip, u.m), sizeof(((kd_manip *)0)->u.m)                    \
	}

static const struct field {
	uint8_t form, at;
	uint16_t member;
	uint8_t size; /* on the wire and in the union */
} fields[] = {
	FIELD(F_MEM, 0, mem.addr),
	FIELD(F_MEM, 8, mem.count),
	FIELD(F_MEM, 12, mem.actual),
	FIELD(F_WORD, 0, word.value),
	FIELD(F_CONTEXT_EX, 0, context_ex.offset),
	FIELD(F_CONTEXT_EX, 4, context_ex.count),
	FIELD(F_CONTEXT_EX, 8, context_ex.copied),
	FIELD(F_BP, 0, bp.addr),
	FIELD(F_BP, 8, bp.handle),
	FIELD(F_HANDLE, 0, bp.handle),
	FIELD(F_BP_EX, 0, bp_ex.count),
	FIELD(F_BP_EX, 4, bp_ex.status),
	FIELD(F_CONTINUE, 0, cont.status),
	FIELD(F_CONTINUE2, 0, cont.status),
	FIELD(F_CONTINUE2, 4, cont.trace),
	FIELD(F_CONTINUE2, 8, cont.dr7),
	FIELD(F_CONTINUE2, 16, cont.symbol_begin),
	FIELD(F_CONTINUE2, 24, cont.symbol_end),
	FIELD(F_IO, 0, io.port),
	FIELD(F_IO, 8, io.size),
	FIELD(F_IO, 12, io.value),
	FIELD(F_IO_EX, 0, io.size),
	FIELD(F_IO_EX, 4, io.interface),
	FIELD(F_IO_EX, 8, io.bus),
	FIELD(F_IO_EX, 12, io.space),
	FIELD(F_IO_EX, 16, io.port),
	FIELD(F_IO_EX, 24, io.value),
	FIELD(F_MSR, 0, msr.msr),
	FIELD(F_MSR, 4, msr.value),
	FIELD(F_BUS, 0, bus.type),
	FIELD(F_BUS, 4, bus.bus),
	FIELD(F_BUS, 8, bus.slot),
	FIELD(F_BUS, 12, bus.offset),
	FIELD(F_BUS, 16, bus.length),
	FIELD(F_SEARCH, 0, search.addr),
	FIELD(F_SEARCH, 8, search.length),
	FIELD(F_SEARCH, 16, search.pattern),
	FIELD(F_FILL, 0, fill.addr),
	FIELD(F_FILL, 8, fill.length),
	FIELD(F_FILL, 12, fill.flags),
	FIELD(F_FILL, 14, fill.pattern),
	FIELD(F_QUERY, 0, query.addr),
	FIELD(F_QUERY, 16, query.space),
	FIELD(F_QUERY, 20, query.flags),
	FIELD(F_INTERNAL, 0, internal.addr),
	FIELD(F_INTERNAL, 8, internal.flags),
	FIELD(F_INTERNAL, 12, internal.calls),
	FIELD(F_INTERNAL, 16, internal.max_calls),
	FIELD(F_INTERNAL, 20, internal.min_insns),
	FIELD(F_INTERNAL, 24, internal.max_insns),
	FIELD(F_INTERNAL, 28, internal.total_insns),
	FIELD(F_CUSTOM, 0, custom.addr),
	FIELD(F_CUSTOM, 8, custom.insn),
	FIELD(F_CUSTOM, 16, custom.handle),
	FIELD(F_CUSTOM, 20, custom.size),
	FIELD(F_CUSTOM, 21, custom.align),
	FIELD(F_VERSION, 0, version.major),
	FIELD(F_VERSION, 2, version.minor),
	FIELD(F_VERSION, 4, version.protocol),
	FIELD(F_VERSION, 5, version.secondary),
	FIELD(F_VERSION, 6, version.flags),
	FIELD(F_VERSION, 8, version.machine),
	FIELD(F_VERSION, 10, version.max_packet_type),
	FIELD(F_VERSION, 11, version.max_state_change),
	FIELD(F_VERSION, 12, version.max_manipulate),
	FIELD(F_VERSION, 13, version.simulation),
	FIELD(F_VERSION, 16, version.kernel_base),
	FIELD(F_VERSION, 24, version.module_list),
	FIELD(F_VERSION, 32, version.debugger_data),
};

static void unpack_union(form f, const uint8_t *u, kd_manip *m)
{
	for (const struct field *x = fields; x < fields + ARRAY_LEN(fields); x++) {
		void *to = (char *)m + x->member;
		if (x->form != f)
			continue;
		if (x->size == 8)
			*(uint64_t *)to = le64(u + x->at);
		else if (x->size == 4)
			*(uint32_t *)to = le32(u + x->at);
		else if (x->size == 2)
			*(uint16_t *)to = le16(u + x->at);
		else
			*(uint8_t *)to = u[x->at];
	}
}

static void pack_union(form f, const kd_manip *m, uint8_t *u)
{
	for (const struct field *x = fields; x < fields + ARRAY_LEN(fields); x++) {
		const void *from = (const char *)m + x->member;
		if (x->form != f)
			continue;
		if (x->size == 8)
			put64(u + x->at, *(const uint64_t *)from);
		else if (x->size == 4)
			put32(u + x->at, *(const uint32_t *)from);
		else if (x->size == 2)
			put16(u + x->at, *(const uint16_t *)from);
		else
			u[x->at] = *(const uint8_t *)from;
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
		unpack_union((form)apis[row].form, p + 16, &m);
	m.data = p + KD_MANIP_SIZE;
	m.n = n - KD_MANIP_SIZE;
	*ret = m;
	return ERR_OK;
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
