/* only: RS_TEST=PATTERN runs the tests of a program whose names match (`*` and `?`). Linked with
 * every unit test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

__attribute__((constructor)) static void only(void)
{
	const char *pattern = getenv("RS_TEST");
	if (pattern && *pattern)
		cmocka_set_test_filter(pattern);
}
