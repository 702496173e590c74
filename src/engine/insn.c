/*
 * insn: the instruction at an address, decoded.
 *
 * A step looks at its instruction more than once (to choose how to go on, to show it), and a trace
 * looks at the same loop again and again. So what was decoded at an event's pc is kept: for this
 * stop always; until something happens only of code that cannot change without our seeing it: a
 * private, file-backed mapping that is not writable, in a program with one thread. Its mappings
 * change in system calls, which are seen here as instructions.
 *
 * Invariant: outside of the wait nothing is taken from here; whoever writes memory, runs commands
 * or sees another event than a step calls insn_forget.
 */
#include "engine/internal.h"

enum { SLOTS = 512, REGIONS = 8 };

typedef struct region {
	uint64_t begin, end;
	bool constant;
} region;

struct insn_cache {
	uint64_t stop; /* `here` is of this stop; 0 none */
	x64_insn here;
	uint64_t process; /* of the rest */
	region region[REGIONS];
	unsigned n_regions; /* ever; the last REGIONS are kept */
	bool any;
	x64_insn slot[SLOTS]; /* by address; len 0: none */
};

struct insn_cache *insn_cache_create(void)
{
	return mem_alloc(sizeof(struct insn_cache));
}

void insn_cache_destroy(struct insn_cache *c)
{
	mem_free(c);
}

void insn_forget(engine *e)
{
	struct insn_cache *c = e->insns;
	c->stop = 0;
	if (!c->any)
		return;
	c->any = false;
	c->n_regions = 0;
	for (size_t i = 0; i < SLOTS; i++)
		c->slot[i].len = 0;
}

static x64_insn *slot_of(struct insn_cache *c, uint64_t addr)
{
	return &c->slot[(addr ^ addr >> 9) % SLOTS];
}

/* "begin-end perms offset dev inode path", proc(5). */
static bool parse_map(str line, region *r)
{
	uint64_t inode;
	str range = str_word(&line), perms = str_word(&line);
	size_t dash = 0;
	while (dash < range.n && range.p[dash] != '-')
		dash++;
	(void)str_word(&line);
	(void)str_word(&line);
	if (!str_u64(str_take(range, dash), 16, &r->begin) ||
		!str_u64(str_skip(range, dash + 1), 16, &r->end) || perms.n < 4 ||
		!str_u64(str_word(&line), 10, &inode))
		return false;
	r->constant = perms.p[1] != 'w' && perms.p[3] == 'p' && inode;
	return true;
}

/* What the mapping at addr is; one read of /proc for each that a trace comes to. */
static region look_up(engine *e, uint64_t addr)
{
	region r = {addr & ~(uint64_t)4095, (addr & ~(uint64_t)4095) + 4096, false}, got;
	buf b;
	buf_init(&b, 0);
	if (tgt_info_get(e->t, TGT_I_MAPS, e->ev.process_id, &b, NULL) == ERR_OK) {
		for (str rest = buf_str(&b); rest.n;) {
			size_t n = 0;
			while (n < rest.n && rest.p[n] != '\n')
				n++;
			if (parse_map(str_take(rest, n), &got) &&
				addr - got.begin < got.end - got.begin) {
				r = got;
				break;
			}
			rest = str_skip(rest, n + 1);
		}
	}
	buf_deinit(&b);
	return r;
}

static bool constant(engine *e, uint64_t addr)
{
	struct insn_cache *c = e->insns;
	for (unsigned i = 0; i < REGIONS && i < c->n_regions; i++)
		if (addr - c->region[i].begin < c->region[i].end - c->region[i].begin)
			return c->region[i].constant;
	c->any = true;
	region *r = &c->region[c->n_regions++ % REGIONS];
	*r = look_up(e, addr);
	return r->constant;
}

static err decode(engine *e, uint64_t addr, x64_insn *ret, diag *d)
{
	uint8_t bytes[X64_INSN_MAX + 1];
	size_t got = 0;
	/* The state change carries the bytes at the event's pc: no request for the usual case. */
	if (e->has_event && addr == e->ev.pc && e->ev.n_stream >= X64_INSN_MAX) {
		memcpy(bytes, e->ev.stream, X64_INSN_MAX);
		got = X64_INSN_MAX;
	} else {
		TRY(eng_read(e, addr, bytes, X64_INSN_MAX, &got, d));
	}
	err r = x64_decode(bytes, got, addr, ret);
	if (r != ERR_OK)
		return diag_set(d, r, "no instruction at %s", out_addr(e, addr));
	return ERR_OK;
}

err eng_insn(engine *e, uint64_t addr, x64_insn *ret, diag *d)
{
	struct insn_cache *c = e->insns;
	bool at_event = e->inside_wait && e->caps.threads && e->caps.live && e->has_event &&
			addr == e->ev.pc && e->ctx.process == e->ev.process_id;
	if (!at_event)
		return decode(e, addr, ret, d);
	uint64_t stop = tgt_stops(e->t);
	if (c->stop == stop && c->here.addr == addr) {
		*ret = c->here;
		return ERR_OK;
	}
	if (c->any && (e->n_units != 1 || c->process != e->ev.process_id))
		insn_forget(e);
	c->process = e->ev.process_id;
	x64_insn *s = slot_of(c, addr);
	if (s->len && s->addr == addr) {
		c->here = *s;
	} else {
		c->stop = 0;
		TRY(decode(e, addr, &c->here, d));
		/* Once is no loop: the mapping is looked at when code is met again. */
		bool again = !s->len && s->addr == addr;
		if (again && e->n_units == 1 && constant(e, addr))
			*s = c->here;
		else if (s->addr != addr)
			*s = (x64_insn){.addr = addr};
	}
	c->stop = stop;
	*ret = c->here;
	return ERR_OK;
}
