/*
 * later: documented extension commands that are not there yet (later.def). The interpreter answers
 * for them; no function is needed. The family stands last in families.def, so that a command that
 * comes into being elsewhere wins over its line here.
 */
#include "cmd/cmd.h"

#define LATER(name, summary, modes)                                                                \
	{name, name, summary,                                                                      \
		"Not available in this version. dt shows the structures that it would read.",     \
		(modes) | CMD_LATER, NULL},
static const cmd_row rows[] = {
#include "cmd/nt/later.def"
};
#undef LATER

const cmd_family cmd_family_nt_later = {"Extension commands that are not there yet", rows, ARRAY_LEN(rows)};
