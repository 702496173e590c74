/* port: I/O ports and model-specific registers. Reading a port can change a device: nothing is
 * cached. */
#include "cmd/cmd.h"

#include "base/reader.h"

static size_t width(const cmd_call *call)
{
	char letter = call->row->name[1];
	return letter == 'b' ? 1 : letter == 'w' ? 2 : 4;
}

/* A port number and, for output, a value. */
static err port_args(cmd *c, cmd_call *call, uint64_t *port, uint64_t *value)
{
	str rest = str_trim(call->args);
	if (!rest.n)
		return cmd_fail(c, ERR_SYNTAX, "%s needs the number of a port", call->row->name);
	TRY(cmd_arg_expr(c, &rest, port));
	if (*port > 0xffff)
		return cmd_fail(c, ERR_ARG, "ports are numbered 0 to ffff");
	if (value) {
		if (!str_trim(rest).n)
			return cmd_fail(c, ERR_SYNTAX, "%s needs a value", call->row->name);
		TRY(cmd_arg_expr(c, &rest, value));
	}
	TRY(cmd_arg_end(c, rest));
	return eng_accessible(c->e, &c->d);
}

static err cmd_in(cmd *c, cmd_call *call)
{
	uint64_t port;
	uint8_t raw[4] = {0};
	size_t n = width(call), got = 0;
	TRY(port_args(c, call, &port, NULL));
	TRY(tgt_read(c->e->t, (as_t){AS_IO, 0}, port, raw, n, &got, &c->d));
	if (got != n)
		return cmd_fail(c, ERR_FAULT, "port %llx cannot be read", (unsigned long long)port);
	out(c->e, "%08x: %0*x\n", (unsigned)port, (int)n * 2, (unsigned)le_get(raw, n));
	return ERR_OK;
}

static err cmd_out(cmd *c, cmd_call *call)
{
	uint64_t port, value;
	uint8_t raw[4];
	size_t n = width(call), got = 0;
	TRY(port_args(c, call, &port, &value));
	if (n < 8 && value >> 8 * n && value >> (8 * n - 1) != UINT64_MAX >> (8 * n - 1))
		return cmd_fail(
			c, ERR_ARG, "Overflow error: %s writes %zu bytes", call->row->name, n);
	le_put(raw, value, n);
	TRY(tgt_write(c->e->t, (as_t){AS_IO, 0}, port, raw, n, &got, &c->d));
	return got == n ? ERR_OK
			: cmd_fail(c, ERR_FAULT, "port %llx cannot be written",
				  (unsigned long long)port);
}

static err msr_arg(cmd *c, cmd_call *call, str *rest, uint64_t *msr)
{
	*rest = str_trim(call->args);
	if (!rest->n)
		return cmd_fail(c, ERR_SYNTAX, "%s needs the number of an MSR", call->row->name);
	TRY(cmd_arg_expr(c, rest, msr));
	/* c0000080 in kernel mode is sign-extended by the evaluator. */
	if (*msr > UINT32_MAX && *msr >> 31 != UINT64_MAX >> 31)
		return cmd_fail(c, ERR_ARG, "MSRs are numbered 0 to ffffffff");
	*msr &= UINT32_MAX;
	return eng_accessible(c->e, &c->d);
}

static err cmd_rdmsr(cmd *c, cmd_call *call)
{
	str rest;
	uint64_t msr, v;
	uint8_t raw[8];
	size_t got = 0;
	unit_t unit = call->has_unit ? call->unit : c->e->ctx.unit;
	TRY(msr_arg(c, call, &rest, &msr));
	TRY(cmd_arg_end(c, rest));
	err e = tgt_read(c->e->t, (as_t){AS_MSR, unit}, msr, raw, sizeof raw, &got, &c->d);
	if (e == ERR_FAULT || (e == ERR_OK && got != sizeof raw))
		return cmd_fail(c, ERR_FAULT, "no such msr: %llx", (unsigned long long)msr);
	TRY(e);
	v = le64(raw);
	out(c->e, "msr[%llx] = %08x`%08x\n", (unsigned long long)msr, (unsigned)(v >> 32),
		(unsigned)v);
	c->e->last_data = v;
	return ERR_OK;
}

static err cmd_wrmsr(cmd *c, cmd_call *call)
{
	str rest;
	uint64_t msr, v;
	uint8_t raw[8];
	size_t got = 0;
	unit_t unit = call->has_unit ? call->unit : c->e->ctx.unit;
	TRY(msr_arg(c, call, &rest, &msr));
	if (!str_trim(rest).n)
		return cmd_fail(c, ERR_SYNTAX, "wrmsr needs a value");
	TRY(cmd_arg_expr(c, &rest, &v));
	TRY(cmd_arg_end(c, rest));
	put64(raw, v);
	err e = tgt_write(c->e->t, (as_t){AS_MSR, unit}, msr, raw, sizeof raw, &got, &c->d);
	if (e != ERR_OK && e != ERR_FAULT)
		return e;
	return e == ERR_OK && got == sizeof raw
		       ? ERR_OK
		       : cmd_fail(c, ERR_FAULT, "no such msr: %llx", (unsigned long long)msr);
}

#define IN_HELP                                                                                    \
	"Reading some ports changes the device behind them, and not every port allows every "      \
	"width."
#define FLAGS (CMD_KERNEL | CMD_LIVE | CMD_TARGET)

static const cmd_row rows[] = {
	{"ib", "ib Address", "Read a byte from an I/O port", IN_HELP, FLAGS, cmd_in},
	{"iw", "iw Address", "Read a word from an I/O port", IN_HELP, FLAGS, cmd_in},
	{"id", "id Address", "Read a double word from an I/O port", IN_HELP, FLAGS, cmd_in},
	{"ob", "ob Address Value", "Write a byte to an I/O port",
		"The value is in the current radix.", FLAGS, cmd_out},
	{"ow", "ow Address Value", "Write a word to an I/O port",
		"The value is in the current radix. Not every port allows words.", FLAGS, cmd_out},
	{"od", "od Address Value", "Write a double word to an I/O port",
		"The value is in the current radix. Not every port allows double words.", FLAGS,
		cmd_out},
	{"rdmsr", "[Processor] rdmsr Address", "Read a model-specific register",
		"Shows the 64-bit value of the MSR on the current processor, or on the one whose "
		"number stands in "
		"front.",
		FLAGS | CMD_UNIT, cmd_rdmsr},
	{"wrmsr", "[Processor] wrmsr Address Value", "Write a model-specific register",
		"Sets the MSR of the current processor, or of the one whose number stands in "
		"front. A wrong value "
		"can bring the system down.",
		FLAGS | CMD_UNIT, cmd_wrmsr},
};

const cmd_family cmd_family_port = {"Ports and model-specific registers", rows, ARRAY_LEN(rows)};
