/*
 * kd_mem: memory and everything else that is read and written by address. See kd_int.h.
 *
 * One request is outstanding at a time, and as much as fits travels in each: the acknowledgement of
 * a piece leaves together with the request for the next (nothing is flushed in between). What a
 * kernel refuses is done with what it serves: caching flags by plain access, bus data by the PCI
 * ports.
 */
#include "target/kd/kd_int.h"

enum { PCI_CONFIG = 4, PCI_ADDR = 0xcf8, PCI_DATA = 0xcfc, SEARCH_PIECE = 1 << 20 };

/* ---- virtual and physical ---- */

static err mem_piece(kd *k, uint32_t api, uint64_t addr, uint32_t flags, void *rd, const void *wr,
	size_t n, size_t *done)
{
	kd_manip m = {.api = api, .cpu = k->st.cpu};
	m.u.mem.addr = addr;
	m.u.mem.count = (uint32_t)n;
	m.u.mem.actual = flags;
	k->want_addr = k->echoes ? addr : 0;
	err e = kd_request(k, &m, wr, wr ? n : 0, NULL);
	k->want_addr = 0;
	TRY(e);
	const kd_manip *r = &k->reply;
	size_t got = r->u.mem.actual;
	if (got > n)
		got = n;
	if (rd && got > r->n)
		got = r->n;
	/* A piece that ends in a page that is not there comes short, with either status. A refusal
	 * may repeat the request's own numbers: then there is no data either. */
	if (r->status && !(rd && got && r->n >= got))
		return kd_status(r->status) == ERR_ARG ? ERR_ARG : ERR_FAULT;
	if (!got)
		return ERR_FAULT;
	if (rd)
		memcpy(rd, r->data, got);
	*done = got;
	return ERR_OK;
}

static err mem_all(kd *k, uint32_t api, uint64_t addr, uint32_t flags, uint8_t *rd,
	const uint8_t *wr, size_t n, size_t *n_ret)
{
	size_t done = 0;
	bool end = false;
	err e = ERR_OK;
	/* More than fits into one reply: each piece is asked for while the one before arrives. Not
	 * over a real serial line, whose receiver holds 16 bytes and loses the rest while it sends.
	 */
	if (rd && n > KD_DATA_MAX && addr + n > addr && !k->no_stream && k->phase == PH_STOPPED &&
		k->spec.kind != LINK_SERIAL && !cancelled(k->t.host.cancel))
		done = kd_read_stream(k, api, addr, flags, rd, n, &end);
	if (end && !done)
		return ERR_FAULT;
	while (done < n && !end) {
		size_t piece = n - done < KD_DATA_MAX ? n - done : KD_DATA_MAX, got = 0;
		uint64_t at = addr + done;
		if (at + piece - 1 < at) /* the top of the address space */
			piece = (size_t)(0 - at);
		e = mem_piece(k, api, at, flags, rd ? rd + done : NULL, wr ? wr + done : NULL,
			piece, &got);
		if (e != ERR_OK)
			break;
		done += got;
		/* Short at the end of a page: the next one is not there. */
		end = at + got == 0 || (got < piece && !((at + got) & 4095));
	}
	if (!done && e != ERR_OK)
		return e;
	if (e != ERR_OK && e != ERR_FAULT && e != ERR_ARG)
		return e;
	*n_ret = done;
	return ERR_OK;
}

static err phys(
	kd *k, as_t as, uint64_t addr, uint8_t *rd, const uint8_t *wr, size_t n, size_t *n_ret)
{
	uint32_t api = rd ? KD_READ_PHYSICAL : KD_WRITE_PHYSICAL;
	uint32_t flags = k->no_phys_flags || as.id > 3 ? 0 : (uint32_t)as.id;
	err e = mem_all(k, api, addr, flags, rd, wr, n, n_ret);
	if (e != ERR_FAULT || !flags)
		return e;
	e = mem_all(k, api, addr, 0, rd, wr, n, n_ret);
	/* Plain access works where flagged access did not: this kernel knows no flags. */
	if (e == ERR_OK)
		k->no_phys_flags = true;
	return e;
}

/* ---- ports and MSRs ---- */

static err io_request(kd *k, bool write, uint64_t port, size_t n, uint32_t *value, diag *d)
{
	kd_manip m = {.api = write ? KD_WRITE_IO : KD_READ_IO, .cpu = k->st.cpu};
	m.u.io.port = port;
	m.u.io.size = (uint32_t)n;
	m.u.io.value = *value;
	if (!kd_refused(k, m.api)) {
		TRY(kd_request(k, &m, NULL, 0, d));
		if (!k->reply.status) {
			*value = k->reply.u.io.value;
			return ERR_OK;
		}
		if (k->reply.status != KD_STATUS_UNSUCCESSFUL)
			return kd_status(k->reply.status);
	}
	kd_manip x = {.api = write ? KD_WRITE_IO_EX : KD_READ_IO_EX, .cpu = k->st.cpu};
	x.u.io.port = port;
	x.u.io.size = (uint32_t)n;
	x.u.io.value = *value;
	x.u.io.interface = 1; /* Isa */
	x.u.io.space = 1;     /* ports */
	err e = kd_request_optional(k, &x, NULL, 0, true, d);
	if (e != ERR_OK)
		return e == ERR_UNSUPPORTED ? ERR_FAULT : e;
	if (k->reply.status)
		return kd_status(k->reply.status);
	k->served[m.api - KD_API_FIRST] = SERVED_NO;
	*value = k->reply.u.io.value;
	return ERR_OK;
}

static err io(kd *k, bool write, uint64_t port, uint8_t *b, size_t n)
{
	uint32_t v = 0;
	if ((n != 1 && n != 2 && n != 4) || port > 0xffff)
		return ERR_ARG;
	if (write)
		v = (uint32_t)le_get(b, n);
	TRY(io_request(k, write, port, n, &v, NULL));
	if (!write)
		le_put(b, v, n);
	return ERR_OK;
}

static err msr(kd *k, bool write, as_t as, uint64_t addr, uint8_t *b, size_t n)
{
	if (n != 8 || addr > UINT32_MAX || as.id >= KD_CPU_MAX)
		return ERR_ARG;
	kd_manip m = {.api = write ? KD_WRITE_MSR : KD_READ_MSR, .cpu = (uint16_t)as.id};
	m.u.msr.msr = (uint32_t)addr;
	if (write)
		m.u.msr.value = le64(b);
	TRY(kd_request(k, &m, NULL, 0, NULL));
	TRY(kd_status(k->reply.status));
	if (!write)
		put64(b, k->reply.u.msr.value);
	return ERR_OK;
}

/* ---- control space ---- */

err kd_control_read(kd *k, unit_t u, unsigned space, void *b, size_t n, size_t *n_ret, diag *d)
{
	if (space > 3) /* an unknown number wedges kernels */
		return diag_set(d, ERR_ARG, "control space has the numbers 0 to 3");
	if (u >= k->n_cpu)
		return diag_set(d, ERR_ARG, "there is no processor %u", u);
	kd_manip m = {.api = KD_READ_CONTROL, .cpu = (uint16_t)u};
	m.u.mem.addr = space;
	m.u.mem.count = (uint32_t)(n < KD_DATA_MAX ? n : KD_DATA_MAX);
	TRY(kd_request(k, &m, NULL, 0, d));
	const kd_manip *r = &k->reply;
	size_t got = r->n < r->u.mem.actual ? r->n : r->u.mem.actual;
	if (got > n)
		got = n;
	if (r->status || !got)
		return diag_set(d, ERR_FAULT,
			"control space %u of processor %u cannot be read (%08x)", space, u,
			r->status);
	memcpy(b, r->data, got);
	*n_ret = got;
	return ERR_OK;
}

err kd_control_write(kd *k, unit_t u, unsigned space, const void *b, size_t n, diag *d)
{
	if (space > 3)
		return diag_set(d, ERR_ARG, "control space has the numbers 0 to 3");
	if (u >= k->n_cpu || n > KD_DATA_MAX)
		return diag_set(d, ERR_ARG, "there is no processor %u", u);
	kd_manip m = {.api = KD_WRITE_CONTROL, .cpu = (uint16_t)u};
	m.u.mem.addr = space;
	m.u.mem.count = (uint32_t)n;
	TRY(kd_request(k, &m, b, n, d));
	if (k->reply.status)
		return diag_set(d, ERR_FAULT,
			"control space %u of processor %u cannot be written (%08x)", space, u,
			k->reply.status);
	return ERR_OK;
}

/* The requests know no offset: what lies before it is read, and for a write put back, too. */
static err control(
	kd *k, as_t as, uint64_t addr, uint8_t *rd, const uint8_t *wr, size_t n, size_t *n_ret)
{
	uint8_t b[KD_DATA_MAX];
	uint64_t space = addr >> 32;
	size_t off = (uint32_t)addr, got = 0;
	if (space > 3 || off >= sizeof b || as.id >= KD_CPU_MAX)
		return ERR_ARG;
	if (n > sizeof b - off)
		n = sizeof b - off;
	unit_t u = (unit_t)as.id;
	if (rd || off)
		TRY(kd_control_read(k, u, (unsigned)space, b, rd ? off + n : off, &got, NULL));
	if (rd) {
		if (got <= off)
			return ERR_FAULT;
		memcpy(rd, b + off, got - off);
		*n_ret = got - off;
		return ERR_OK;
	}
	if (got < off)
		return ERR_FAULT;
	memcpy(b + off, wr, n);
	TRY(kd_control_write(k, u, (unsigned)space, b, off + n, NULL));
	if (space == 2 && k->cpu[u])
		k->cpu[u]->sr_n = 0;
	*n_ret = n;
	return ERR_OK;
}

/* ---- bus data ---- */

/* PCI configuration space by its two ports, as the PCI specification describes (mechanism 1). */
static err pci_ports(
	kd *k, uint32_t bus, uint32_t slot, uint32_t off, uint8_t *rd, const uint8_t *wr, size_t n)
{
	if (bus > 255 || off + n > 256)
		return ERR_ARG;
	uint32_t saved = 0;
	err e = io_request(k, false, PCI_ADDR, 4, &saved, NULL);
	/* PCI_SLOT_NUMBER: device in bits 0-4, function in bits 5-7. */
	uint32_t where = 0x80000000u | bus << 16 | (slot & 31) << 11 | (slot >> 5 & 7) << 8;
	for (size_t i = 0; i < n && e == ERR_OK; i++) {
		uint32_t at = where | ((off + (uint32_t)i) & 0xfc);
		uint32_t v = wr ? wr[i] : 0;
		e = io_request(k, true, PCI_ADDR, 4, &at, NULL);
		if (e == ERR_OK)
			e = io_request(k, wr != NULL, PCI_DATA + ((off + i) & 3), 1, &v, NULL);
		if (rd)
			rd[i] = (uint8_t)v;
	}
	uint32_t back = saved;
	(void)!io_request(k, true, PCI_ADDR, 4, &back, NULL);
	return e;
}

static err bus(kd *k, uint64_t addr, uint8_t *rd, const uint8_t *wr, size_t n, size_t *n_ret)
{
	kd_manip m = {.api = rd ? KD_GET_BUS_DATA : KD_SET_BUS_DATA, .cpu = k->st.cpu};
	if (n > 4096)
		n = 4096;
	if (n > KD_DATA_MAX)
		n = KD_DATA_MAX;
	m.u.bus.type = (uint32_t)(addr >> 56);
	m.u.bus.bus = (uint32_t)(addr >> 40 & 0xffff);
	m.u.bus.slot = (uint32_t)(addr >> 16 & 0xffffff);
	m.u.bus.offset = (uint32_t)(addr & 0xffff);
	m.u.bus.length = (uint32_t)n;
	err e = kd_request_optional(k, &m, wr, wr ? n : 0, true, NULL);
	if (e == ERR_OK) {
		size_t got = k->reply.u.bus.length;
		if (got > n)
			got = n;
		if (rd && got > k->reply.n)
			got = k->reply.n;
		if (k->reply.status || !got)
			return ERR_FAULT;
		if (rd)
			memcpy(rd, k->reply.data, got);
		*n_ret = got;
		return ERR_OK;
	}
	if (e != ERR_UNSUPPORTED || m.u.bus.type != PCI_CONFIG)
		return e;
	if (m.u.bus.offset >= 256)
		return ERR_FAULT;
	if (n > 256 - m.u.bus.offset)
		n = 256 - m.u.bus.offset;
	TRY(pci_ports(k, m.u.bus.bus, m.u.bus.slot, m.u.bus.offset, rd, wr, n));
	*n_ret = n;
	return ERR_OK;
}

/* ---- the table's functions ---- */

static err transfer(
	kd *k, as_t as, uint64_t addr, uint8_t *rd, const uint8_t *wr, size_t n, size_t *n_ret)
{
	uint8_t one[8];
	if (!n)
		return ERR_ARG;
	switch (as.kind) {
	case AS_CURRENT:
		return mem_all(
			k, rd ? KD_READ_VIRTUAL : KD_WRITE_VIRTUAL, addr, 0, rd, wr, n, n_ret);
	case AS_PHYS:
		return phys(k, as, addr, rd, wr, n, n_ret);
	case AS_CONTROL:
		return control(k, as, addr, rd, wr, n, n_ret);
	case AS_BUS:
		return bus(k, addr, rd, wr, n, n_ret);
	case AS_IO:
	case AS_MSR:
		if (n > sizeof one)
			return ERR_ARG;
		if (wr)
			memcpy(one, wr, n);
		TRY(as.kind == AS_IO ? io(k, wr != NULL, addr, one, n)
				     : msr(k, wr != NULL, as, addr, one, n));
		if (rd)
			memcpy(rd, one, n);
		*n_ret = n;
		return ERR_OK;
	default:
		return ERR_UNSUPPORTED;
	}
}

err kd_read(tgt *t, as_t as, uint64_t addr, void *b, size_t n, size_t *n_ret)
{
	kd *k = kd_of(t);
	err e = transfer(k, as, addr, b, NULL, n, n_ret);
	kd_flush(k);
	return e;
}

err kd_write(tgt *t, as_t as, uint64_t addr, const void *b, size_t n, size_t *n_ret)
{
	kd *k = kd_of(t);
	err e = transfer(k, as, addr, NULL, b, n, n_ret);
	kd_flush(k);
	return e;
}

err kd_query_memory(kd *k, tgt_memory_info *mi, diag *d)
{
	kd_manip m = {.api = KD_QUERY_MEMORY, .cpu = k->st.cpu};
	m.u.query.addr = mi->addr;
	TRY(kd_request_optional(k, &m, NULL, 0, true, d));
	if (k->reply.status)
		return diag_set(d, kd_status(k->reply.status),
			"the kernel refuses the query (%08x)", k->reply.status);
	mi->space = k->reply.u.query.space;
	mi->flags = k->reply.u.query.flags;
	return ERR_OK;
}

/* NTSTATUS that says "searched, not there" (STATUS_NO_MORE_ENTRIES). */
#define KD_STATUS_NO_MORE 0x8000001au

err kd_search(tgt *t, as_t as, uint64_t addr, uint64_t n, const void *pattern, size_t plen,
	uint64_t *ret, diag *d)
{
	kd *k = kd_of(t);
	err e = ERR_NOTFOUND;
	if (as.kind != AS_CURRENT)
		return ERR_UNSUPPORTED;
	if (!plen || plen > KD_DATA_MAX || n < plen)
		return ERR_ARG;
	/* Pieces overlap by a pattern less one byte; each ends in bounded time. */
	for (uint64_t off = 0; e == ERR_NOTFOUND && off + plen <= n;) {
		uint64_t len =
			n - off < SEARCH_PIECE + plen - 1 ? n - off : SEARCH_PIECE + plen - 1;
		kd_manip m = {.api = KD_SEARCH_MEMORY, .cpu = k->st.cpu};
		m.u.search.addr = addr + off;
		m.u.search.length = len;
		m.u.search.pattern = (uint32_t)plen;
		e = kd_request_optional(k, &m, pattern, plen, true, d);
		if (e != ERR_OK)
			break;
		uint64_t found = k->reply.u.search.addr;
		if (!k->reply.status && found >= addr + off && found - (addr + off) <= len - plen) {
			*ret = found;
			break;
		}
		/* "Not found" is its own status; seeing it proves that searching is served. */
		if (k->reply.status == KD_STATUS_NO_MORE)
			k->served[KD_SEARCH_MEMORY - KD_API_FIRST] = SERVED_YES;
		e = k->reply.status == KD_STATUS_NO_MORE ? ERR_NOTFOUND : ERR_UNSUPPORTED;
		off += SEARCH_PIECE;
	}
	kd_flush(k);
	return e;
}

err kd_fill(tgt *t, as_t as, uint64_t addr, uint64_t n, const void *pattern, size_t plen, diag *d)
{
	kd *k = kd_of(t);
	if (as.kind != AS_CURRENT && as.kind != AS_PHYS)
		return ERR_UNSUPPORTED;
	if (!plen || plen > 4096 - KD_MANIP_SIZE || n > UINT32_MAX)
		return ERR_UNSUPPORTED;
	kd_manip m = {.api = KD_FILL_MEMORY, .cpu = k->st.cpu};
	m.u.fill.addr = addr;
	m.u.fill.length = (uint32_t)n;
	m.u.fill.flags = as.kind == AS_PHYS ? 2 : 1;
	m.u.fill.pattern = (uint16_t)plen;
	err e = kd_request_optional(k, &m, pattern, plen, true, d);
	if (e == ERR_OK && k->reply.status)
		e = diag_set(d, kd_status(k->reply.status), "the kernel refuses to fill (%08x)",
			k->reply.status);
	kd_flush(k);
	return e;
}
