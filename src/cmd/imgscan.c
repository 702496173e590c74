/*
 * imgscan: .imgscan, image headers wherever they lie in memory.
 *
 * Images begin on pages. Pages that cannot be read are passed over; a range without a limit would
 * never end, so one has to be given where the target does not list its regions.
 */
#include "cmd/cmd.h"

#include "fmt/pe.h"

enum {
	PAGE = 4096,
	LFANEW = 0x3c,		 /* of IMAGE_DOS_HEADER ("PE Format") */
	DEFAULT_BYTES = 0x10000, /* of /r with one address (documented) */
	ASK_EVERY = 256		 /* pages between two looks at Ctrl+C */
};

typedef struct scan {
	cmd *c;
	bool load, verbose;
	size_t found;
} scan;

static err image_read(void *u, uint64_t addr, void *p, size_t n, size_t *n_ret)
{
	return eng_read(((scan *)u)->c->e, addr, p, n, n_ret, NULL);
}

static void load_module(
	scan *x, uint64_t at, uint64_t size, uint32_t stamp, uint32_t check, str name)
{
	engine *e = x->c->e;
	str image = name.n ? name : str_printf(&x->c->a, "image%llx", (unsigned long long)at);
	uint64_t process = 0;
	if (!e->syms || sym_mod_at(e->syms, at))
		return;
	/* A user-mode image belongs to the process that is looked at. */
	if (eng_is_user(e, at) && eng_process(e, &process, NULL) != ERR_OK)
		process = 0;
	if (!sym_mod_add(e->syms, process, at, size, stamp, check, (str){0}, image))
		return;
	out(x->c->e, "  Loaded as %.*s\n", STR_ARG(image));
}

/* "MZ" is at `at`: an image, or an old program's header, or chance. */
static void header(scan *x, uint64_t at)
{
	engine *e = x->c->e;
	mem_reader r = {x, image_read};
	pe_view pe;
	arena a;
	str name = {0};
	arena_init(&a);
	if (pe_open(&pe, &a, &r, at, PE_LOADED, NULL) != ERR_OK) {
		if (x->verbose)
			out(e, "MZ at %s: no PE header behind it\n", out_addr(e, at));
		arena_deinit(&a);
		return;
	}
	x->found++;
	out(e, "MZ at %s - size %llx\n", out_addr(e, at), (unsigned long long)pe.image_size);
	if (pe_export_module(&pe, &a, &name) == ERR_OK && name.n)
		out(e, "  Name: %.*s\n", STR_ARG(name));
	if (x->verbose)
		out(e, "  Machine %04x, timestamp %08x, %zu sections\n", pe.machine, pe.timestamp,
			(size_t)pe.nsec);
	if (x->load)
		load_module(x, at, pe.image_size, pe.timestamp, pe.checksum, name);
	arena_deinit(&a);
}

static err walk(scan *x, uint64_t from, uint64_t bytes)
{
	engine *e = x->c->e;
	uint64_t at = (from + PAGE - 1) & ~(uint64_t)(PAGE - 1), last = from + bytes - 1;
	if (at < from || last < from)
		return cmd_fail(x->c, ERR_ARG, "the range goes past the end of memory");
	for (uint64_t i = 0; at <= last; i++, at += PAGE) {
		uint8_t mz[2];
		size_t got = 0;
		if (i % ASK_EVERY == 0 && cancelled(&e->cancel))
			return ERR_CANCELLED;
		if (eng_read(e, at, mz, sizeof mz, &got, NULL) == ERR_OK && got == sizeof mz &&
			mz[0] == 'M' && mz[1] == 'Z')
			header(x, at);
		if (at + PAGE < at)
			break;
	}
	return ERR_OK;
}

/* Without a range: around everything that is known, which tells what was not. */
static err walk_modules(scan *x)
{
	sym_mod *m;
	err r = ERR_OK;
	for (size_t i = 0; r == ERR_OK && x->c->e->syms && (m = sym_mod_nth(x->c->e->syms, i)); i++)
		r = walk(x, m->base, m->size ? m->size : PAGE);
	return r;
}

static err cmd_imgscan(cmd *c, cmd_call *call)
{
	scan x = {.c = c};
	str rest = call->args, sw;
	cmd_range range;
	bool has_range = false;
	while (cmd_arg_switch(&rest, "/-", &sw)) {
		if (str_ieq(sw, STR("l"))) {
			x.load = true;
		} else if (str_ieq(sw, STR("v"))) {
			x.verbose = true;
		} else if (str_ieq(sw, STR("r"))) {
			TRY(cmd_arg_range(c, &rest, 1, DEFAULT_BYTES, 0, &range));
			if (!range.given)
				return cmd_fail(c, ERR_SYNTAX, ".imgscan /r needs a range");
			has_range = true;
		} else {
			return cmd_syntax(c, sw);
		}
	}
	TRY(cmd_arg_end(c, rest));
	if (!has_range)
		out_as(c->e, OUT_WARNING,
			"Without /r Range only the modules that are known are looked at.\n");
	TRY(has_range ? walk(&x, range.addr, range.bytes) : walk_modules(&x));
	if (!x.found)
		out(c->e, "No image headers found\n");
	return ERR_OK;
}

static const cmd_row rows[] = {
	{".imgscan", ".imgscan [/r Range] [/l] [/v]", "Find image headers in memory",
		"Looks at the start of each page of Range (one address: 0x10000 bytes from there). "
		"/l "
		"makes a module of each image that is not one yet, so that its symbols can be "
		"loaded; /v says more, also about what only looks like a header. Memory that "
		"cannot "
		"be read is passed over.\n\n  .imgscan /l /r fffff80012340000 L?2000000\n",
		CMD_ANY | CMD_TARGET, cmd_imgscan},
};

const cmd_family cmd_family_imgscan = {"Images in memory", rows, ARRAY_LEN(rows)};
