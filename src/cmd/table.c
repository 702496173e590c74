/* table: the list of families (families.def). The only place where a new family is named. */
#include "cmd/cmd.h"

#define FAMILY(x) extern const cmd_family cmd_family_##x;
#include "cmd/families.def"
#undef FAMILY

const cmd_family *const cmd_families[] = {
#define FAMILY(x) &cmd_family_##x,
#include "cmd/families.def"
#undef FAMILY
	NULL};
