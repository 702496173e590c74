/*
 * mem_hold: .holdmem: copies of memory ranges, kept by the debugger to be compared later.
 *
 * Invariant: the copies lie one behind the other in the pool, in the order of the list.
 */
#include "cmd/memory.h"

enum { HOLD_RANGES = 64, HOLD_BYTES = 1 << 20 };

typedef struct held {
	size_t n, used;
	struct {
		uint64_t addr;
		size_t bytes, at;
	} r[HOLD_RANGES];
	uint8_t pool[HOLD_BYTES];
} held;

static void show(cmd *c, const held *h)
{
	for (size_t i = 0; i < h->n; i++)
		out(c->e, "%s - %s\n", out_addr(c->e, h->r[i].addr),
			out_addr(c->e, h->r[i].addr + h->r[i].bytes - 1));
	if (!h->n)
		out(c->e, "No memory is held\n");
}

static err add(cmd *c, held *h, const cmd_range *r)
{
	if (h->n == HOLD_RANGES || r->bytes > HOLD_BYTES - h->used)
		return cmd_fail(c, ERR_LIMIT,
			"at most %d ranges with 0x%x bytes in all can be held", HOLD_RANGES,
			HOLD_BYTES);
	TRY(eng_read_all(c->e, r->addr, h->pool + h->used, (size_t)r->bytes, &c->d));
	h->r[h->n].addr = r->addr;
	h->r[h->n].bytes = (size_t)r->bytes;
	h->r[h->n].at = h->used;
	h->n++;
	h->used += (size_t)r->bytes;
	return ERR_OK;
}

static void drop(held *h, size_t i)
{
	size_t at = h->r[i].at, bytes = h->r[i].bytes;
	memmove(h->pool + at, h->pool + at + bytes, h->used - at - bytes);
	h->used -= bytes;
	for (size_t k = i + 1; k < h->n; k++) {
		h->r[k - 1] = h->r[k];
		h->r[k - 1].at -= bytes;
	}
	h->n--;
}

static err remove_ranges(cmd *c, held *h, const cmd_range *r)
{
	size_t before = h->n;
	for (size_t i = h->n; i-- > 0;)
		if (r->addr < h->r[i].addr + h->r[i].bytes && h->r[i].addr < r->addr + r->bytes)
			drop(h, i);
	return h->n < before ? ERR_OK : cmd_fail(c, ERR_NOTFOUND, "no held range is there");
}

/* Byte for byte against each held range, as far as both go. */
static err compare(cmd *c, const held *h, const cmd_range *r)
{
	uint8_t *now = arena_alloc(&c->a, MEM_CHUNK);
	if (r->bytes > MEM_CHUNK)
		return cmd_fail(c, ERR_LIMIT, "at most 0x%x bytes can be compared", MEM_CHUNK);
	TRY(eng_read_all(c->e, r->addr, now, (size_t)r->bytes, &c->d));
	for (size_t k = 0; k < h->n; k++) {
		const uint8_t *then = h->pool + h->r[k].at;
		size_t n = h->r[k].bytes < r->bytes ? h->r[k].bytes : (size_t)r->bytes, differ = 0;
		out(c->e, "%s against the copy of %s, 0x%zx bytes:\n", out_addr(c->e, r->addr),
			out_addr(c->e, h->r[k].addr), n);
		for (size_t i = 0; i < n; i++) {
			if (then[i] == now[i])
				continue;
			differ++;
			out(c->e, "%s  %02x - %s  %02x\n", out_addr(c->e, h->r[k].addr + i),
				then[i], out_addr(c->e, r->addr + i), now[i]);
			if (cancelled(&c->e->cancel))
				return ERR_CANCELLED;
		}
		if (!differ)
			out(c->e, "no differences\n");
	}
	if (!h->n)
		out(c->e, "No memory is held\n");
	return ERR_OK;
}

static err cmd_holdmem(cmd *c, cmd_call *call)
{
	str rest = str_trim(call->args), sw;
	held *h = cmd_state(c, "mem.hold", sizeof *h);
	cmd_range r;
	if (!cmd_arg_switch(&rest, "-", &sw) || sw.n != 1 || !strchr("adDoc", sw.p[0]))
		return cmd_fail(c, ERR_SYNTAX, ".holdmem takes one of -a -d -D -o -c");
	if (sw.p[0] == 'o' || sw.p[0] == 'D') {
		TRY(cmd_arg_end(c, rest));
		if (sw.p[0] == 'D')
			h->n = h->used = 0;
		else
			show(c, h);
		return ERR_OK;
	}
	if (!rest.n)
		return cmd_fail(c, ERR_SYNTAX, ".holdmem -%c needs a range", sw.p[0]);
	TRY(cmd_arg_range(c, &rest, 1, 1, 0, &r));
	TRY(cmd_arg_end(c, rest));
	if (sw.p[0] == 'd')
		return remove_ranges(c, h, &r);
	if (!r.has_count)
		return cmd_fail(
			c, ERR_SYNTAX, ".holdmem -%c needs a range: Address L Count", sw.p[0]);
	return sw.p[0] == 'a' ? add(c, h, &r) : compare(c, h, &r);
}

static const cmd_row rows[] = {
	{".holdmem",
		".holdmem -a Range\n"
		".holdmem -d { Range | Address }\n"
		".holdmem -D\n"
		".holdmem -o\n"
		".holdmem -c Range",
		"Hold copies of memory and compare them",
		"-a copies a range into the debugger. -c compares memory with every copy, byte for "
		"byte, and shows "
		"what differs. -o lists the held ranges, -d drops those that hold an address or "
		"overlap a range, "
		"-D drops all.",
		CMD_ANY | CMD_TARGET, cmd_holdmem},
};

const cmd_family cmd_family_mem_hold = {"Held memory", rows, ARRAY_LEN(rows)};
