/*
 * kdmemory: requests about memory, registers, breakpoints and devices; everything but those that
 * end a stop.
 *
 * Refuses to know how packets travel. A request record comes in, is filled in place as the answer,
 * and data for the answer goes to `out`.
 *
 * Variants: what is optional is served by one and refused by the other, so that a debugger meets
 * both answers to every such request (rows of the table below). Refusing means status 0xC0000001
 * and an otherwise unchanged record, as observed.
 */
#include "kdstub.h"

enum { DATA_MAX = KD_PACKET_MAX - sizeof(kd_manipulate) };

static size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void status(kd_call *c, bool good)
{
	c->m->status = good ? KD_STATUS_SUCCESS : KD_STATUS_UNSUCCESSFUL;
}

/* ---- memory ---- */

static void read_virtual(kd_call *c)
{
	size_t n = min_size(c->m->u.memory.count, DATA_MAX);
	c->out_n = kd_port_read_virtual(c->m->u.memory.address, c->out, n);
	c->m->u.memory.actual = (uint32_t)c->out_n;
	status(c, c->out_n == n);
}

static void write_virtual(kd_call *c)
{
	size_t n = kd_port_write_virtual(c->m->u.memory.address, c->in, c->in_n);
	c->m->u.memory.actual = (uint32_t)n;
	status(c, n == c->in_n);
}

/* The caching type travels where the answer puts the count. */
static bool caching_refused(const kd_call *c)
{
	return c->m->u.memory.actual > 3 || (!KD_VARIANT_B && c->m->u.memory.actual);
}

static void read_physical(kd_call *c)
{
	size_t n = min_size(c->m->u.memory.count, DATA_MAX);
	if (!caching_refused(c))
		c->out_n = kd_port_read_physical(
			c->m->u.memory.address, c->out, n, c->m->u.memory.actual);
	status(c, c->out_n == n && n == min_size(c->m->u.memory.count, DATA_MAX));
	c->m->u.memory.actual = (uint32_t)c->out_n;
}

static void write_physical(kd_call *c)
{
	size_t n = 0;
	if (!caching_refused(c))
		n = kd_port_write_physical(
			c->m->u.memory.address, c->in, c->in_n, c->m->u.memory.actual);
	c->m->u.memory.actual = (uint32_t)n;
	status(c, n == c->in_n);
}

static void query_memory(kd_call *c)
{
	kd_space space;
	unsigned flags;
	if (c->m->u.query.space != 0) {
		c->m->status = KD_STATUS_INVALID_PARAMETER;
		return;
	}
	c->m->u.query.reserved = 0;
	if (!kd_port_query(c->m->u.query.address, &space, &flags)) {
		/* The observed kernel looks at the number alone. */
		space = c->m->u.query.address < kd_port_user_end() ? KD_SPACE_PROCESS
								   : KD_SPACE_KERNEL;
		flags = KD_MEM_READ | KD_MEM_WRITE | KD_MEM_EXECUTE;
	}
	c->m->u.query.space = space;
	c->m->u.query.flags = flags;
	c->m->status = KD_STATUS_SUCCESS;
}

static bool equal(const uint8_t *a, const uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (a[i] != b[i])
			return false;
	return true;
}

/* Goes through the range in pieces that overlap by the pattern's length less one; pages that cannot
 * be read are stepped over. At most 256 MiB a request, so that a wild length ends. */
static void search_memory(kd_call *c)
{
	static uint8_t window[2 * KD_PACKET_MAX];
	uint64_t at = c->m->u.search.address;
	uint64_t left = c->m->u.search.length;
	size_t pattern_n = c->m->u.search.pattern_n;
	if (pattern_n == 0 || pattern_n > c->in_n || pattern_n > KD_PACKET_MAX ||
		left < pattern_n) {
		c->m->status = pattern_n && pattern_n <= c->in_n ? KD_STATUS_NO_MORE_ENTRIES
								 : KD_STATUS_INVALID_PARAMETER;
		return;
	}
	if (left > (256u << 20))
		left = 256u << 20;
	while (left >= pattern_n) {
		size_t n = kd_port_read_virtual(at, window, min_size(sizeof(window), (size_t)left));
		for (size_t i = 0; n >= pattern_n && i <= n - pattern_n; i++) {
			if (equal(window + i, c->in, pattern_n)) {
				c->m->u.search.address = at + i;
				c->m->status = KD_STATUS_SUCCESS;
				return;
			}
		}
		size_t step = n >= pattern_n ? n - pattern_n + 1 : 4096 - (at & 4095);
		if (step > left)
			break;
		at += step;
		left -= step;
	}
	c->m->status = KD_STATUS_NO_MORE_ENTRIES;
}

static void fill_memory(kd_call *c)
{
	uint32_t done = 0, length = c->m->u.fill.length;
	size_t pattern_n = c->m->u.fill.pattern_n;
	bool physical = c->m->u.fill.flags == KD_FILL_PHYSICAL;
	if (pattern_n == 0 || pattern_n > c->in_n ||
		(!physical && c->m->u.fill.flags != KD_FILL_VIRTUAL)) {
		c->m->status = KD_STATUS_INVALID_PARAMETER;
		return;
	}
	for (; done < length; done++) {
		const uint8_t *b = c->in + done % pattern_n;
		uint64_t at = c->m->u.fill.address + done;
		if ((physical ? kd_port_write_physical(at, b, 1, 0)
			      : kd_port_write_virtual(at, b, 1)) != 1)
			break;
	}
	c->m->u.fill.length = done;
	status(c, done == length);
}

/* The old request: brings a page in and says so. */
static void page_in(kd_call *c)
{
	uint8_t byte;
	uint64_t va = c->m->u.memory.address;
	status(c, kd_port_read_virtual(va, &byte, 1) == 1 || kd_port_page_in(va));
}

/* Below 4 GiB nothing carries a marker here, so there is nothing that could be damaged. */
static void check_low_memory(kd_call *c)
{
	status(c, true);
}

/* ---- registers ---- */

CONTEXT *kd_context_of(const kd_call *c)
{
	if (c->m->processor == c->processor)
		return c->own;
	if (c->m->processor >= kd_port_processor_count())
		return NULL;
	return kd_port_context(c->m->processor);
}

static void get_context(kd_call *c)
{
	const CONTEXT *from = kd_context_of(c);
	if (from) {
		kd_port_copy(c->out, from, sizeof(*from));
		c->out_n = sizeof(*from);
	}
	status(c, from != NULL);
}

static void set_context(kd_call *c)
{
	CONTEXT *to = kd_context_of(c);
	bool good = to && c->in_n == sizeof(*to);
	if (good)
		kd_port_copy(to, c->in, sizeof(*to));
	status(c, good);
}

static bool context_part(const kd_call *c)
{
	uint64_t end = (uint64_t)c->m->u.context_ex.offset + c->m->u.context_ex.count;
	return end <= sizeof(CONTEXT);
}

static void get_context_ex(kd_call *c)
{
	CONTEXT *from = kd_context_of(c);
	bool good = from && context_part(c);
	if (good) {
		c->out_n = c->m->u.context_ex.count;
		kd_port_copy(c->out, (uint8_t *)from + c->m->u.context_ex.offset, c->out_n);
	}
	c->m->u.context_ex.copied = (uint32_t)c->out_n;
	status(c, good);
}

static void set_context_ex(kd_call *c)
{
	CONTEXT *to = kd_context_of(c);
	bool good = to && context_part(c) && c->in_n == c->m->u.context_ex.count;
	if (good)
		kd_port_copy((uint8_t *)to + c->m->u.context_ex.offset, c->in, c->in_n);
	c->m->u.context_ex.copied = good ? (uint32_t)c->in_n : 0;
	status(c, good);
}

static void read_control(kd_call *c)
{
	uint64_t word;
	KSPECIAL_REGISTERS special;
	const void *from = &word;
	size_t n = sizeof(word);
	bool good = c->m->processor < kd_port_processor_count();
	uint64_t space = good ? c->m->u.memory.address : ~0ull;
	switch (space) {
	case KD_CONTROL_KPCR:
	case KD_CONTROL_KPRCB:
	case KD_CONTROL_KTHREAD:
		word = kd_port_block(c->m->processor, (kd_block)space);
		break;
	case KD_CONTROL_SPECIAL:
		kd_port_special_get(c->m->processor, &special);
		from = &special;
		n = sizeof(special);
		break;
	default: /* the observed kernel runs into its own assertion here and is lost */
		good = false;
		n = 0;
	}
	n = min_size(n, c->m->u.memory.count);
	kd_port_copy(c->out, from, n);
	c->out_n = n;
	c->m->u.memory.actual = (uint32_t)n;
	status(c, good);
}

static void write_control(kd_call *c)
{
	KSPECIAL_REGISTERS special;
	size_t n = min_size(c->in_n, sizeof(special));
	bool good = c->m->processor < kd_port_processor_count() &&
		    c->m->u.memory.address == KD_CONTROL_SPECIAL;
	if (good) {
		kd_port_special_get(c->m->processor, &special);
		kd_port_copy(&special, c->in, n);
		kd_port_special_set(c->m->processor, &special);
	}
	c->m->u.memory.actual = good ? (uint32_t)n : 0;
	if (!KD_VARIANT_B) { /* observed: the answer repeats the data */
		kd_port_copy(c->out, c->in, c->in_n);
		c->out_n = c->in_n;
	}
	status(c, good);
}

static void read_msr(kd_call *c)
{
	/* The observed kernel answers success and leftovers for a register that is not there. */
	static uint64_t value;
	bool good = kd_port_msr_read(c->m->u.msr.msr, &value);
	c->m->u.msr.low = (uint32_t)value;
	c->m->u.msr.high = (uint32_t)(value >> 32);
	c->m->status = good || !KD_VARIANT_B ? KD_STATUS_SUCCESS : KD_STATUS_NO_SUCH_DEVICE;
}

static void write_msr(kd_call *c)
{
	uint64_t value = c->m->u.msr.low | (uint64_t)c->m->u.msr.high << 32;
	bool good = kd_port_msr_write(c->m->u.msr.msr, value);
	c->m->status = good || !KD_VARIANT_B ? KD_STATUS_SUCCESS : KD_STATUS_NO_SUCH_DEVICE;
}

/* ---- breakpoints ---- */

static void write_breakpoint(kd_call *c)
{
	c->m->u.breakpoint.handle = kd_break_add(c->m->u.breakpoint.address);
	status(c, c->m->u.breakpoint.handle != 0);
}

static void restore_breakpoint(kd_call *c)
{
	status(c, kd_break_remove(c->m->u.handle));
}

static void write_breakpoint_ex(kd_call *c)
{
	uint32_t n = c->m->u.batch.count;
	bool good = n <= KD_BREAKPOINTS && n * sizeof(kd_batch_entry) <= c->in_n;
	for (uint32_t i = 0; good && i < n; i++) {
		kd_batch_entry e;
		kd_port_copy(&e, c->in + i * sizeof(e), sizeof(e));
		e.handle = kd_break_add(e.address);
		kd_port_copy(c->out + i * sizeof(e), &e, sizeof(e));
	}
	for (uint32_t i = 0; good && i < n; i++) {
		kd_batch_entry e;
		kd_port_copy(&e, c->out + i * sizeof(e), sizeof(e));
		if (!e.handle)
			c->m->status =
				KD_STATUS_UNSUCCESSFUL; /* some failed: handle 0 says which */
	}
	c->out_n = good ? n * sizeof(kd_batch_entry) : 0;
	if (!good)
		c->m->status = KD_STATUS_UNSUCCESSFUL;
}

static void restore_breakpoint_ex(kd_call *c)
{
	uint32_t n = c->m->u.batch.count;
	bool good = n <= KD_BREAKPOINTS && n * sizeof(uint32_t) <= c->in_n;
	for (uint32_t i = 0; i < n && n * sizeof(uint32_t) <= c->in_n && i < KD_BREAKPOINTS; i++) {
		uint32_t handle;
		kd_port_copy(&handle, c->in + i * sizeof(handle), sizeof(handle));
		good &= kd_break_remove(handle);
	}
	status(c, good);
}

/*
 * Internal breakpoints count calls of a function for `wt`. They are kept and reported; nothing here
 * counts, because that would need a trap in every function.
 */
static struct {
	uint64_t va;
	uint32_t flags;
} internal[20];

static void set_internal(kd_call *c)
{
	int spare = -1;
	bool dying = c->m->u.internal.flags & 2; /* DBGKD_INTERNAL_BP_FLAG_INVALID: remove */
	for (int i = 0; i < 20; i++) {
		if (internal[i].va == c->m->u.internal.address && internal[i].va) {
			internal[i].flags = c->m->u.internal.flags;
			if (dying)
				internal[i].va = 0;
			status(c, true);
			return;
		}
		if (!internal[i].va)
			spare = i;
	}
	if (spare >= 0 && !dying) {
		internal[spare].va = c->m->u.internal.address;
		internal[spare].flags = c->m->u.internal.flags;
	}
	status(c, spare >= 0 && !dying);
}

static void get_internal(kd_call *c)
{
	for (int i = 0; i < 20; i++) {
		if (internal[i].va && internal[i].va == c->m->u.internal.address) {
			c->m->u.internal.flags = internal[i].flags;
			status(c, true);
			return;
		}
	}
	c->m->u.internal.flags = 2;
	status(c, false);
}

static void clear_internal(kd_call *c)
{
	kd_port_zero(internal, sizeof(internal));
	status(c, true);
}

/* ---- devices ---- */

static uint32_t io_check(uint64_t port, uint32_t size)
{
	if (size != 1 && size != 2 && size != 4)
		return KD_STATUS_INVALID_PARAMETER;
	if (port & (size - 1))
		return KD_STATUS_MISALIGNMENT;
	return port > 0xffff ? KD_STATUS_INVALID_PARAMETER : KD_STATUS_SUCCESS;
}

static void read_io(kd_call *c)
{
	c->m->u.io.value = 0;
	c->m->status = io_check(c->m->u.io.address, c->m->u.io.size);
	if (c->m->status)
		c->m->u.io.size = 0;
	else
		c->m->u.io.value = kd_port_io_read((uint16_t)c->m->u.io.address, c->m->u.io.size);
}

static void write_io(kd_call *c)
{
	c->m->status = io_check(c->m->u.io.address, c->m->u.io.size);
	if (c->m->status)
		c->m->u.io.size = 0;
	else
		kd_port_io_write((uint16_t)c->m->u.io.address, c->m->u.io.size, c->m->u.io.value);
}

static uint32_t io_ex_check(const kd_manipulate *m)
{
	/* Isa, bus 0, I/O space: the only ports there are. */
	if (m->u.io_ex.interface != 1 || m->u.io_ex.bus != 0 || m->u.io_ex.space != 1)
		return KD_STATUS_INVALID_PARAMETER;
	return io_check(m->u.io_ex.address, m->u.io_ex.size);
}

static void read_io_ex(kd_call *c)
{
	c->m->u.io_ex.value = 0;
	c->m->status = io_ex_check(c->m);
	if (c->m->status)
		c->m->u.io_ex.size = 0;
	else
		c->m->u.io_ex.value =
			kd_port_io_read((uint16_t)c->m->u.io_ex.address, c->m->u.io_ex.size);
}

static void write_io_ex(kd_call *c)
{
	c->m->status = io_ex_check(c->m);
	if (c->m->status)
		c->m->u.io_ex.size = 0;
	else
		kd_port_io_write(
			(uint16_t)c->m->u.io_ex.address, c->m->u.io_ex.size, c->m->u.io_ex.value);
}

static void get_bus(kd_call *c)
{
	size_t n = min_size(c->m->u.bus.length, DATA_MAX);
	c->out_n = kd_port_bus_read(
		c->m->u.bus.type, c->m->u.bus.bus, c->m->u.bus.slot, c->m->u.bus.offset, c->out, n);
	c->m->u.bus.length = (uint32_t)c->out_n;
	status(c, c->out_n != 0);
}

static void set_bus(kd_call *c)
{
	size_t n = kd_port_bus_write(c->m->u.bus.type, c->m->u.bus.bus, c->m->u.bus.slot,
		c->m->u.bus.offset, c->in, min_size(c->in_n, c->m->u.bus.length));
	c->m->u.bus.length = (uint32_t)n;
	status(c, n != 0);
}

/* ---- everything ---- */

static void get_version(kd_call *c)
{
	DBGKD_GET_VERSION64 *v = &c->m->u.version;
	kd_port_zero(v, sizeof(*v));
	kd_port_version(v);
	v->MajorVersion = 0xF; /* NT, free build */
	v->ProtocolVersion = 6;
	v->KdSecondaryVersion = 2;
	v->Flags |= DBGKD_VERS_FLAG_DATA | DBGKD_VERS_FLAG_PTR64;
	v->MachineType = 0x8664;
	v->MaxPacketType = KD_TYPE_MAX;
	v->MaxStateChange = 3;	 /* 0x3033 - 0x3030 */
	v->MaxManipulate = 0x31; /* 0x3161 - 0x3130 */
	c->m->status = KD_STATUS_SUCCESS;
}

/* Who serves a request; the other variant refuses it. */
enum { A = 1, B = 2, BOTH = A | B };

static const struct {
	uint16_t api;
	uint8_t who;
	void (*serve)(kd_call *c);
} requests[] = {
	{KD_READ_VIRTUAL, BOTH, read_virtual},
	{KD_WRITE_VIRTUAL, BOTH, write_virtual},
	{KD_GET_CONTEXT, BOTH, get_context},
	{KD_SET_CONTEXT, BOTH, set_context},
	{KD_WRITE_BREAKPOINT, BOTH, write_breakpoint},
	{KD_RESTORE_BREAKPOINT, BOTH, restore_breakpoint},
	{KD_READ_CONTROL, BOTH, read_control},
	{KD_WRITE_CONTROL, BOTH, write_control},
	{KD_READ_IO, A, read_io},
	{KD_WRITE_IO, A, write_io},
	{KD_READ_PHYSICAL, BOTH, read_physical},
	{KD_WRITE_PHYSICAL, BOTH, write_physical},
	{KD_SET_INTERNAL_BP, B, set_internal},
	{KD_GET_INTERNAL_BP, B, get_internal},
	{KD_READ_IO_EX, BOTH, read_io_ex},
	{KD_WRITE_IO_EX, BOTH, write_io_ex},
	{KD_GET_VERSION, BOTH, get_version},
	{KD_WRITE_BREAKPOINT_EX, B, write_breakpoint_ex},
	{KD_RESTORE_BREAKPOINT_EX, B, restore_breakpoint_ex},
	{KD_PAGE_IN, B, page_in},
	{KD_READ_MSR, BOTH, read_msr},
	{KD_WRITE_MSR, BOTH, write_msr},
	{KD_SEARCH_MEMORY, B, search_memory},
	{KD_GET_BUS_DATA, B, get_bus},
	{KD_SET_BUS_DATA, B, set_bus},
	{KD_CHECK_LOW_MEMORY, B, check_low_memory},
	{KD_CLEAR_INTERNAL_BPS, B, clear_internal},
	{KD_FILL_MEMORY, B, fill_memory},
	{KD_QUERY_MEMORY, A, query_memory},
	{KD_GET_CONTEXT_EX, A, get_context_ex},
	{KD_SET_CONTEXT_EX, A, set_context_ex},
};

bool kd_serve(kd_call *c)
{
	c->out_n = 0;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		if (requests[i].api != c->m->api)
			continue;
		if (!(requests[i].who & (KD_VARIANT_B ? B : A)))
			break;
		c->m->status = KD_STATUS_SUCCESS;
		requests[i].serve(c);
		return true;
	}
	c->m->status = KD_STATUS_UNSUCCESSFUL;
	return false;
}
