/*
 * kd_trap: breakpoints that the kernel plants itself, and debug registers. See kd_int.h.
 *
 * The kernel has 32 entries. It takes entries out by itself between PC and PC+15 at every stop;
 * those are reported and void. Adding an address that has an entry is refused: then entries are
 * looked for that a debugger before us left (by restoring the handles 1 to 32 that are not ours).
 *
 * At user addresses kernels differ: some look at the address alone, others keep (and allow) the
 * entry of another process. A planted byte that shows in the instruction bytes of the stop tells
 * that an entry was kept. Where nothing tells, it counts as dropped, and its handle is remembered:
 * it is restored, which does no harm, before the handle's place is forgotten, so that no byte of
 * ours can stay behind.
 *
 * Debug registers are written through control space 2 of every processor when they changed, and
 * Continue2 carries DR7 for all of them.
 *
 * Sources: ReactOS ntoskrnl/kd64/kdbreak.c (table, ranges), kdapi.c; Intel SDM volume 3, 17.2.
 */
#include "target/kd/kd_int.h"

/* ---- the kernel's table ---- */

static size_t live_count(const kd *k)
{
	size_t n = 0;
	for (size_t i = 0; i < k->entries.n; i++)
		n += k->entries.p[i].live;
	return n;
}

static kd_entry *entry_by_handle(kd *k, uint32_t handle)
{
	for (size_t i = 0; i < k->entries.n; i++)
		if (k->entries.p[i].live && k->entries.p[i].handle == handle)
			return &k->entries.p[i];
	return NULL;
}

static err restore(kd *k, uint32_t handle, bool *was_there, diag *d)
{
	kd_manip m = {.api = KD_RESTORE_BREAKPOINT, .cpu = k->st.cpu};
	m.u.bp.handle = handle;
	TRY(kd_request(k, &m, NULL, 0, d));
	*was_there = !k->reply.status;
	return ERR_OK;
}

unsigned kd_traps_reclaim(kd *k)
{
	unsigned n = 0;
	for (uint32_t h = 1; h <= KD_BREAKPOINTS; h++) {
		bool there = false;
		if (entry_by_handle(k, h))
			continue;
		if (restore(k, h, &there, NULL) != ERR_OK)
			break;
		n += there;
	}
	return n;
}

static err write_entry(kd *k, uint64_t addr, uint32_t *handle, diag *d)
{
	kd_manip m = {.api = KD_WRITE_BREAKPOINT, .cpu = k->st.cpu};
	m.u.bp.addr = addr;
	TRY(kd_request(k, &m, NULL, 0, d));
	if (k->reply.status || !k->reply.u.bp.handle)
		return ERR_FAULT;
	*handle = k->reply.u.bp.handle;
	return ERR_OK;
}

/* An entry of ours that the kernel may have kept although it should have dropped it. */
static void forget_maybe(kd *k, uint64_t addr)
{
	for (size_t i = 0; i < k->entries.n; i++) {
		kd_entry *e = &k->entries.p[i];
		bool there;
		if (!e->maybe || e->addr != addr)
			continue;
		e->maybe = false;
		if (!entry_by_handle(k, e->handle))
			(void)!restore(k, e->handle, &there, NULL);
	}
}

static bool user_addr(uint64_t a)
{
	return !(a >> 63);
}

static err soft_add(kd *k, uint64_t addr, uint64_t *handle_ret, diag *d)
{
	uint32_t handle = 0;
	bool own = false;
	for (size_t i = 0; i < k->entries.n; i++)
		own |= k->entries.p[i].live && k->entries.p[i].addr == addr;
	if (own && !user_addr(addr))
		return diag_set(d, ERR_EXISTS, "there is a breakpoint entry already");
	if (live_count(k) >= KD_BREAKPOINTS)
		return diag_set(d, ERR_LIMIT, "all %d breakpoint entries of the kernel are in use",
			KD_BREAKPOINTS);
	err e = write_entry(k, addr, &handle, d);
	if (e == ERR_FAULT && own)
		return diag_set(d, ERR_EXISTS,
			"this kernel has one breakpoint entry for an address, and another process "
			"uses it");
	if (e == ERR_FAULT) {
		forget_maybe(k, addr);
		unsigned n = k->looked_for_stale ? 0 : kd_traps_reclaim(k);
		k->looked_for_stale = true;
		e = write_entry(k, addr, &handle, d);
		if (n)
			kd_notice(k, "Reclaimed %u breakpoint entr%s that %s not ours.", n,
				n == 1 ? "y" : "ies", n == 1 ? "was" : "were");
	}
	if (e == ERR_FAULT)
		return diag_set(d, ERR_FAULT, "the kernel refuses the breakpoint");
	TRY(e);
	for (size_t i = 0; i < k->entries.n; i++) /* the place of an entry that is gone indeed */
		if (k->entries.p[i].maybe && k->entries.p[i].handle == handle)
			k->entries.p[i].maybe = false;
	kd_entry n = {.addr = addr, .handle = handle, .live = true, .used = true};
	for (size_t i = 0; i < k->entries.n; i++) {
		if (k->entries.p[i].used || k->entries.p[i].live || k->entries.p[i].maybe)
			continue;
		k->entries.p[i] = n;
		*handle_ret = i + 1;
		return ERR_OK;
	}
	vec_push(&k->entries, n);
	*handle_ret = k->entries.n;
	return ERR_OK;
}

static kd_entry *entry_of(kd *k, uint64_t handle)
{
	if (!handle || handle > k->entries.n || !k->entries.p[handle - 1].used)
		return NULL;
	return &k->entries.p[handle - 1];
}

static err soft_del(kd *k, kd_entry *e, diag *d)
{
	bool there = true;
	if (e->live)
		TRY(restore(k, e->handle, &there, d));
	e->live = e->used = false;
	if (user_addr(e->addr))
		forget_maybe(k, e->addr);
	return ERR_OK;
}

void kd_traps_dropped(kd *k, tgt_event *ev)
{
	uint64_t span = ev->has_report ? ev->n_stream : KD_STREAM_MAX;
	for (size_t i = 0; i < k->entries.n; i++) {
		kd_entry *e = &k->entries.p[i];
		uint64_t off = e->addr - ev->pc;
		if (!e->live || off >= span)
			continue;
		if (user_addr(e->addr) && off < ev->n_stream && ev->stream[off] == 0xcc)
			continue; /* another process's, in a page that is shared */
		e->live = e->used = false;
		e->maybe = true;
		if (ev->n_dropped < TGT_DROPPED_MAX)
			ev->dropped[ev->n_dropped++] = e->addr;
	}
}

void kd_traps_void(kd *k)
{
	k->entries.n = 0;
	memset(k->hw, 0, sizeof k->hw);
	k->hw_dirty = k->hw_ever = false;
	k->hw_in = 0;
}

/* ---- debug registers ---- */

/* Length and kind bits of DR7 for slot i. */
static uint64_t dr7_bits(const kd_hw *h, unsigned i)
{
	static const uint8_t kind[] = {
		[TGT_TRAP_EXEC] = 0, [TGT_TRAP_WRITE] = 1, [TGT_TRAP_IO] = 2, [TGT_TRAP_RW] = 3};
	uint64_t len = h->size == 2 ? 1 : h->size == 4 ? 3 : h->size == 8 ? 2 : 0;
	if (h->kind == TGT_TRAP_EXEC)
		len = 0;
	return 1ull << 2 * i | (len << 2 | kind[h->kind]) << (16 + 4 * i);
}

uint64_t kd_traps_dr7(const kd *k)
{
	uint64_t v = k->st.has_report && k->st.dr7 ? k->st.dr7 : 0x400;
	if (!k->hw_ever)
		return v;
	v = 0x400;
	for (unsigned i = 0; i < KD_HW_SLOTS; i++)
		if (k->hw[i].used)
			v |= dr7_bits(&k->hw[i], i);
	return v;
}

static err hw_add(kd *k, const tgt_trap *t, uint64_t *handle_ret, diag *d)
{
	uint32_t n = t->kind == TGT_TRAP_EXEC ? 1 : t->size;
	if (n != 1 && n != 2 && n != 4 && n != 8)
		return diag_set(d, ERR_ARG, "a debug register watches 1, 2, 4 or 8 bytes");
	if (t->kind == TGT_TRAP_IO && n == 8)
		return diag_set(d, ERR_ARG, "ports are watched 1, 2 or 4 bytes wide");
	if (t->addr & (n - 1))
		return diag_set(d, ERR_ARG, "the address must be a multiple of the size, %u", n);
	for (unsigned i = 0; i < KD_HW_SLOTS; i++) {
		if (k->hw[i].used)
			continue;
		k->hw[i] = (kd_hw){true, t->kind, t->addr, n};
		k->hw_dirty = k->hw_ever = true;
		*handle_ret = KD_HW_HANDLE + i;
		return ERR_OK;
	}
	return diag_set(d, ERR_LIMIT, "all %d debug registers are in use", KD_HW_SLOTS);
}

static err write_debug_registers(kd *k, diag *d)
{
	uint64_t dr7 = kd_traps_dr7(k);
	for (unit_t u = 0; u < k->n_cpu; u++) {
		kd_cpu *c = NULL;
		bool change = false;
		err e = kd_special(k, u, &c, d);
		if (e != ERR_OK)
			return diag_add(d, e, "setting debug registers of processor %u", u);
		for (unsigned i = 0; i < KD_HW_SLOTS; i++) {
			if (!k->hw[i].used || le64(c->sr + KD_SR_DR0 + 8 * i) == k->hw[i].addr)
				continue;
			put64(c->sr + KD_SR_DR0 + 8 * i, k->hw[i].addr);
			change = true;
		}
		if (le64(c->sr + KD_SR_DR7) != dr7) {
			put64(c->sr + KD_SR_DR7, dr7);
			change = true;
		}
		if (!change)
			continue;
		e = kd_control_write(k, u, 2, c->sr, c->sr_n, d);
		if (e != ERR_OK) {
			c->sr_n = 0;
			return e;
		}
	}
	k->hw_dirty = false;
	k->hw_in = 0;
	for (unsigned i = 0; i < KD_HW_SLOTS; i++)
		k->hw_in += k->hw[i].used;
	return ERR_OK;
}

/* An execute trap at the PC would hit again at once; the resume flag lets one instruction pass. */
static err pass_execute_trap(kd *k, diag *d)
{
	bool any = false;
	for (unsigned i = 0; i < KD_HW_SLOTS; i++)
		any |= k->hw[i].used && k->hw[i].kind == TGT_TRAP_EXEC;
	if (!any)
		return ERR_OK;
	uint64_t pc = k->st.pc;
	x64_regs r = {0};
	if (k->pc_moved) {
		TRY(kd_regs_get(&k->t, k->st.cpu, X64_SET_CONTROL, &r, d));
		pc = r.rip;
	}
	for (unsigned i = 0; i < KD_HW_SLOTS; i++) {
		if (!k->hw[i].used || k->hw[i].kind != TGT_TRAP_EXEC || k->hw[i].addr != pc)
			continue;
		return kd_resume_flag(k, d);
	}
	return ERR_OK;
}

err kd_traps_arm(kd *k, bool unseen, diag *d)
{
	if (k->hw_dirty)
		TRY(write_debug_registers(k, d));
	return unseen ? ERR_OK : pass_execute_trap(k, d);
}

/* ---- the table's functions ---- */

err kd_trap_add(tgt *t, const tgt_trap *trap, uint64_t *handle_ret, diag *d)
{
	kd *k = kd_of(t);
	if (trap->as.kind != AS_CURRENT)
		return diag_set(d, ERR_UNSUPPORTED,
			"the kernel plants breakpoints in the current address space only");
	err e = trap->kind == TGT_TRAP_SOFT ? soft_add(k, trap->addr, handle_ret, d)
					    : hw_add(k, trap, handle_ret, d);
	kd_flush(k);
	return e;
}

err kd_trap_del(tgt *t, uint64_t handle, diag *d)
{
	kd *k = kd_of(t);
	if (handle >= KD_HW_HANDLE && handle < KD_HW_HANDLE + KD_HW_SLOTS &&
		k->hw[handle - KD_HW_HANDLE].used) {
		k->hw[handle - KD_HW_HANDLE].used = false;
		k->hw_dirty = true;
		return ERR_OK;
	}
	kd_entry *e = entry_of(k, handle);
	if (!e)
		return diag_set(d, ERR_NOTFOUND, "no such trap");
	err r = soft_del(k, e, d);
	kd_flush(k);
	return r;
}

err kd_trap_del_many(tgt *t, const uint64_t *handles, size_t n, diag *d)
{
	kd *k = kd_of(t);
	uint8_t list[4 * KD_BREAKPOINTS];
	size_t m = 0;
	if (n < 2 || n > KD_BREAKPOINTS || kd_refused(k, KD_RESTORE_BREAKPOINT_EX))
		return ERR_UNSUPPORTED;
	for (size_t i = 0; i < n; i++) {
		kd_entry *e = entry_of(k, handles[i]);
		if (!e)
			return ERR_UNSUPPORTED;
		if (e->live)
			put32(list + 4 * m++, e->handle);
	}
	if (m) {
		kd_manip r = {.api = KD_RESTORE_BREAKPOINT_EX, .cpu = k->st.cpu};
		r.u.bp_ex.count = (uint32_t)m;
		/* A kernel that serves it says "unsuccessful" only if an entry was not there; all
		 * of these are, so that this means "not served". One by one then, which does no
		 * harm. */
		err e = kd_request_optional(k, &r, list, 4 * m, true, d);
		kd_flush(k);
		TRY(e);
		if (k->reply.status)
			return ERR_UNSUPPORTED;
	}
	for (size_t i = 0; i < n; i++) {
		kd_entry *e = entry_of(k, handles[i]);
		e->live = e->used = false;
	}
	return ERR_OK;
}

size_t kd_traps_in(const kd *k)
{
	return live_count(k) + k->hw_in;
}

void kd_traps_out(kd *k)
{
	for (size_t i = 0; i < k->entries.n; i++)
		if (k->entries.p[i].live)
			(void)!soft_del(k, &k->entries.p[i], NULL);
	for (size_t i = 0; i < k->entries.n; i++)
		if (user_addr(k->entries.p[i].addr))
			forget_maybe(k, k->entries.p[i].addr);
	for (unsigned i = 0; i < KD_HW_SLOTS; i++) {
		k->hw_dirty |= k->hw[i].used;
		k->hw[i].used = false;
	}
	if (k->hw_dirty)
		(void)!write_debug_registers(k, NULL);
	kd_flush(k);
}
