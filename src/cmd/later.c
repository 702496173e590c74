/*
 * later: documented commands that are not there yet (later.def). The interpreter answers
 * for them; no function is needed. The family stands last in families.def, so that a command that
 * comes into being elsewhere wins over its line here.
 */
#include "cmd/cmd.h"

#define LATER(name, summary, modes) {name, name, summary, NULL, (modes) | CMD_LATER, NULL},
static const cmd_row rows[] = {
#include "cmd/later.def"
};
#undef LATER

const cmd_family cmd_family_later = {"Commands that are not there yet", rows, ARRAY_LEN(rows)};
