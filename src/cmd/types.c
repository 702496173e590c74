/*
 * types: the family of commands that show types and variables. dt.c and dv.c do the work; here are
 * the switches that change how numbers look, and the rows.
 */
#include "cmd/types.h"

static err set_switch(cmd *c, cmd_call *call, bool *value)
{
	uint64_t v;
	str rest = call->args;
	if (!str_trim(rest).n)
		return cmd_syntax(c, rest);
	TRY(cmd_arg_expr(c, &rest, &v));
	TRY(cmd_arg_end(c, rest));
	if (v > 1)
		return cmd_fail(c, ERR_ARG, "%s takes 0 or 1", call->row->name);
	*value = v != 0;
	return ERR_OK;
}

static err cmd_enable_unicode(cmd *c, cmd_call *call)
{
	return set_switch(c, call, &tv_settings_get(c)->unicode);
}

static err cmd_enable_long_status(cmd *c, cmd_call *call)
{
	return set_switch(c, call, &tv_settings_get(c)->long_radix);
}

static err cmd_force_radix_output(cmd *c, cmd_call *call)
{
	return set_switch(c, call, &tv_settings_get(c)->int_radix);
}

static const cmd_row rows[] = {
	{"dt", "dt [-Options] [Module!]Name [[-ny] Field ...] [Address] [-l Link]",
		"Display a type, a variable, or a structure in memory",
		"Name is a type, a local variable or a global one (a local wins unless a module is "
		"given). "
		"Without Address the type's layout is shown, with it the values that lie there; "
		"the address "
		"may come first, and an address alone shows the variable there. A Name that ends "
		"in * lists "
		"all types and typed globals of that pattern; . repeats the last name; names with "
		"blanks go "
		"in parentheses, but words of C (unsigned long, struct _FOO) need none; Name[n] is "
		"a whole array of n elements (n is decimal).\n"
		"\n"
		"Field restricts the display to fields of that name; several fields may be given. "
		"A period "
		"behind a field shows one level of what it contains or points to, more periods "
		"more levels "
		"(`Ldr.`, `a..c.`); a field with a period, or with -y in front, matches as a "
		"prefix. * and the "
		"other wildcards are allowed. `Field[3]` shows one element.\n"
		"\n"
		"-a[n]  arrays element by element (n of them); in front of the name: n of the "
		"type\n"
		"-b     contained blocks in full, recursively; pointers only at the top\n"
		"-c     compact: one line where possible\n"
		"-d, -v verbose: number of elements and size; with a wildcard also symbols without "
		"type\n"
		"-e     enumerate even if Name could be an instance\n"
		"-h     short help\n"
		"-i     no indentation\n"
		"-l F   follow a list: F is the field that links (ActiveProcessLinks.Flink)\n"
		"-n     the next word is a name, though it looks like a number\n"
		"-o     no offsets\n"
		"-p     Address is physical\n"
		"-r[n]  show the fields of fields, n levels (1 to 9)\n"
		"-s n   enumerate only types of n bytes\n"
		"-t     types only\n"
		"-y     the next word is the beginning of a name\n"
		"\n"
		"Signed numbers are decimal (0n), unsigned ones hexadecimal.\n"
		"\n"
		"    kd> dt nt!_LIST_ENTRY\n"
		"       +0x000 Flink            : Ptr64 _LIST_ENTRY\n"
		"       +0x008 Blink            : Ptr64 _LIST_ENTRY",
		CMD_ANY | CMD_TARGET | CMD_CASE | CMD_UNIT, cmd_dt},
	{"dv", "dv [/i] [/r] [/t] [/v | /V] [/a | /A | /n | /N | /z | /Z] [/f Address] [Pattern]",
		"Display local variables",
		"Names and values of the parameters and local variables in scope at the current "
		"instruction "
		"of the current frame (.frame). Private symbols are needed. An inlined call is a "
		"frame of its own, with its own variables.\n"
		"\n"
		"/i  kind of each variable (param, local, static)\n"
		"/r  mark variables that an inner one of the same name hides\n"
		"/t  data types\n"
		"/v  address or register; /V also the place relative to the register\n"
		"/f Address  all variables of the function at Address, without values; the last "
		"flag\n"
		"/a /A /n /N /z /Z  sort by address, name or size, ascending or descending\n"
		"Pattern selects by name with wildcards; quote it if it has blanks.\n"
		"\n"
		"A variable that is nowhere at this instruction shows <value unavailable>.",
		CMD_ANY | CMD_TARGET | CMD_CASE, cmd_dv},
	{".enable_unicode", ".enable_unicode {0 | 1}",
		"Show USHORT arrays and pointers as Unicode text",
		"With 1 dt shows arrays of and pointers to unsigned short as strings; with 0, the "
		"default, as "
		"numbers. wchar_t always is text.",
		CMD_ANY, cmd_enable_unicode},
	{".enable_long_status", ".enable_long_status {0 | 1}",
		"Show long integers in the default radix",
		"With 1 dt shows long and unsigned long in the radix set by n; with 0, the "
		"default, signed ones "
		"in decimal. dv always uses the radix for them.",
		CMD_ANY, cmd_enable_long_status},
	{".force_radix_output", ".force_radix_output {0 | 1}", "Show integers in the default radix",
		"With 1 dt shows all integers except long ones in the radix set by n; with 0, the "
		"default, "
		"signed ones in decimal.",
		CMD_ANY, cmd_force_radix_output},
};

const cmd_family cmd_family_types = {"Types and variables", rows, ARRAY_LEN(rows)};
