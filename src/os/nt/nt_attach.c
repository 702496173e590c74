/*
 * nt_attach: asking the kernel to do something itself: make a process current, page memory in, end
 * a process.
 *
 * The kernel's side is a work item (ReactOS ntoskrnl/ex/work.c, ExpDebugWorker): the debugger
 * writes the EPROCESS and the address into ExpDebuggerProcessAttach, ExpDebuggerPageIn or
 * ExpDebuggerProcessKill and then 1 into ExpDebuggerWork; the next clock tick queues the item,
 * which does it and breaks in. ExpDebuggerWork is 0 when nothing is under way.
 */
#include "os/nt/nt_int.h"

#include "base/reader.h"

enum { WORK_READY = 0, WORK_START = 1 };

static err where(nt *n, const char *name, uint64_t *ret, diag *d)
{
	err e = nt_global(&n->base, str_of(name), ret, NULL);
	if (e == ERR_CANCELLED || e == ERR_DEAD)
		return diag_set(d, e, "looking for nt!%s: %s", name, err_name(e));
	if (e != ERR_OK)
		return diag_set(d, ERR_UNSUPPORTED,
			"the kernel has to do this itself, and nt!%s, which asks it to, is not "
			"known: its "
			"symbols are missing (.sympath, .reload nt) or this kernel does not have "
			"it",
			name);
	return ERR_OK;
}

static err put(nt *n, uint64_t at, const char *name, uint64_t v, size_t size, diag *d)
{
	uint8_t b[8];
	size_t done = 0;
	le_put(b, v, size);
	err e = tgt_write(n->base.host.t, as_current(), at, b, size, &done, d);
	if (e == ERR_OK && done != size)
		e = diag_set(d, ERR_FAULT, "short write");
	return e == ERR_OK ? e : diag_add(d, e, "writing nt!%s", name);
}

typedef struct order {
	const char *name;
	uint64_t value;
} order;

static err ask(nt *n, const order *orders, size_t k, diag *d)
{
	uint64_t work, at[2];
	uint8_t b[4];
	TRY(where(n, "ExpDebuggerWork", &work, d));
	for (size_t i = 0; i < k; i++)
		TRY(where(n, orders[i].name, &at[i], d));
	err e = nt_read(n, work, b, sizeof b, d);
	if (e != ERR_OK)
		return diag_add(d, e, "nt!ExpDebuggerWork");
	if (le32(b) != WORK_READY)
		return diag_set(d, ERR_STATE,
			"the kernel is busy with an earlier request (nt!ExpDebuggerWork is %u): "
			"use g and "
			"wait until it breaks in%s",
			le32(b),
			le32(b) == WORK_START ? ", or take it back with .process /i (no address)"
					      : "");
	for (size_t i = 0; i < k; i++)
		TRY(put(n, at[i], orders[i].name, orders[i].value, 8, d));
	/* Last: from here on the kernel may look at the others. */
	return put(n, work, "ExpDebuggerWork", WORK_START, 4, d);
}

/* Takes back what was asked for and not begun. */
static err take_back(nt *n, diag *d)
{
	uint64_t work, at;
	uint8_t b[4];
	TRY(where(n, "ExpDebuggerWork", &work, d));
	TRY(nt_read(n, work, b, sizeof b, d));
	if (le32(b) != WORK_START)
		return ERR_OK;
	TRY(put(n, work, "ExpDebuggerWork", WORK_READY, 4, d));
	static const char *const names[] = {
		"ExpDebuggerProcessAttach", "ExpDebuggerPageIn", "ExpDebuggerProcessKill"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (nt_global(&n->base, str_of(names[i]), &at, NULL) == ERR_OK)
			TRY(put(n, at, names[i], 0, 8, d));
	return ERR_OK;
}

err nt_make_current(os *o, uint64_t process, diag *d)
{
	nt *n = (nt *)o;
	os_process p;
	if (!process)
		return take_back(n, d);
	TRY(nt_process(o, process, &p, d));
	return ask(n, (order[]){{"ExpDebuggerProcessAttach", process}}, 1, d);
}

err nt_page_in(os *o, uint64_t process, uint64_t addr, diag *d)
{
	nt *n = (nt *)o;
	os_process p;
	if (process)
		TRY(nt_process(o, process, &p, d));
	return ask(n, (order[]){{"ExpDebuggerPageIn", addr}, {"ExpDebuggerProcessAttach", process}},
		process ? 2 : 1, d);
}

err nt_kill(os *o, uint64_t process, diag *d)
{
	nt *n = (nt *)o;
	os_process p;
	TRY(nt_process(o, process, &p, d));
	return ask(n, (order[]){{"ExpDebuggerProcessKill", process}}, 1, d);
}
