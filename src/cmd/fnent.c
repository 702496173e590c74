/*
 * fnent: .fnent: the function table entry of an address and its unwind data in words. Refuses to
 * know where images come from: the symbol room reads them from a file or the target.
 */
#include "cmd/cmd.h"

enum { CHAIN_MAX = 32, INDIRECT = 1 };

static err env_image(void *u, uint64_t addr, void *p, size_t n)
{
	engine *e = u;
	if (sym_image_read(e->syms, addr, p, n) == ERR_OK)
		return ERR_OK;
	return eng_read_all(e, addr, p, n, NULL);
}

static void add_named(engine *e, uint64_t addr, buf *b)
{
	out_symbol(e, addr, b);
	buf_addf(b, " (%s)", out_addr(e, addr));
}

static void add_info(engine *e, const x64_func *f, const x64_unwind_info *ui, buf *b)
{
	buf_addf(b, "\nUnwind info at %s, %x bytes\n", out_addr(e, ui->addr), ui->bytes);
	buf_addf(b, "  version %u, flags %x, prolog %x, codes %x\n", ui->version, ui->flags,
		ui->prolog, ui->ncodes);
	if (ui->frame_reg)
		buf_addf(b, "  frame reg %x, frame offs %x\n", ui->frame_reg, ui->frame_off * 16);
	if (ui->handler) {
		buf_addz(b, "  handler routine: ");
		add_named(e, f->base + ui->handler, b);
		buf_addc(b, '\n');
	}
	for (unsigned i = 0; i < ui->ncodes;) {
		buf_addf(b, "  %02x: ", i);
		i += x64_unwind_code_text(ui, i, b);
		buf_addc(b, '\n');
	}
}

/* The entry and, if it is a piece of a function, those it is chained to. */
static err add_entries(cmd *c, const x64_func *first, buf *b)
{
	engine *e = c->e;
	x64_unwind_env env = {.u = e, .image = env_image};
	x64_func f = *first;
	for (int i = 0; i < CHAIN_MAX; i++) {
		x64_unwind_info ui;
		if (i)
			buf_addz(b, "\nChained to:\n");
		buf_addf(b, "BeginAddress      = %s\n", out_addr(e, f.begin));
		buf_addf(b, "EndAddress        = %s\n", out_addr(e, f.end));
		buf_addf(
			b, "UnwindInfoAddress = %s\n", out_addr(e, f.unwind & ~(uint32_t)INDIRECT));
		err x = x64_unwind_info_read(&env, &f, &ui);
		if (x != ERR_OK)
			return cmd_fail(c, x, "the unwind data at %s cannot be read: %s",
				out_addr(e, f.base + f.unwind), err_name(x));
		add_info(e, &f, &ui, b);
		if (!ui.chained)
			return ERR_OK;
		f = ui.parent;
	}
	return cmd_fail(c, ERR_CORRUPT, "the entries are chained without end");
}

static err cmd_fnent(cmd *c, cmd_call *call)
{
	engine *e = c->e;
	str rest = str_trim(call->args);
	uint64_t addr;
	x64_func f;
	buf b;
	if (!rest.n)
		return cmd_fail(c, ERR_SYNTAX, ".fnent needs an address");
	TRY(cmd_arg_expr(c, &rest, &addr));
	TRY(cmd_arg_end(c, rest));
	if (!e->syms ||
		sym_unwind_func(e->syms, addr, &f.base, &f.begin, &f.end, &f.unwind) != ERR_OK)
		return cmd_fail(c, ERR_NOTFOUND, "No function entry for %s", out_addr(e, addr));
	buf_init(&b, 0);
	buf_addz(&b, "Debugger function entry for:\n    ");
	add_named(e, f.base + f.begin, &b);
	buf_addz(&b, "\n\n");
	err x = add_entries(c, &f, &b);
	out_str(e, OUT_NORMAL, buf_str(&b));
	buf_deinit(&b);
	return x;
}

static const cmd_row rows[] = {
	{".fnent", ".fnent Address", "Display a function table entry",
		"Shows the function table entry (.pdata) that Address lies in, as offsets from the "
		"image's start, "
		"and its unwind data: version, flags, size of the prolog, frame register, handler "
		"and every unwind "
		"code. A piece of a function is followed by the entries it is chained to. A leaf "
		"function has no "
		"entry.",
		CMD_ANY | CMD_TARGET, cmd_fnent},
};

const cmd_family cmd_family_fnent = {"Function tables", rows, ARRAY_LEN(rows)};
