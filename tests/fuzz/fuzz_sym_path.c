/*
 * What the symbol room parses itself: symbol paths (typed, and from the environment), names from
 * images, the file of identities, type names. No symbol file is opened: fmt has its own targets.
 */
#include "sym/priv.h"

#include <stdlib.h>

static void path(str text)
{
	sym_elems p;
	sym_elems_parse(&p, text, STR("/cache"));
	for (size_t i = 0; i < p.n; i++)
		for (size_t k = 0; k < p.e[i].n; k++)
			if (p.e[i].store[k].n > SYM_PATH_TEXT_MAX)
				__builtin_trap();
	sym_elems_deinit(&p);
}

static void identities(str text)
{
	sym_idents *x = sym_idents_create((str){0});
	sym_identity id;
	(void)sym_idents_read(x, text);
	(void)sym_idents_find(x, STR("a.sys"), 1, 2, 3, &id);
	sym_idents_destroy(x);
}

static void names(str text)
{
	sym_store *s = sym_store_create(NULL);
	sym_type t;
	sym_type_info in;
	sym v;
	sym_list l;
	sym_mod *m = sym_mod_add(s, 0, 0x1000, 0x1000, 1, 1, (str){0}, text);
	if (m && !m->name.n)
		__builtin_trap();
	if (sym_type_find(s, text, &t, NULL) == ERR_OK && sym_type_info_get(t, &in) == ERR_OK &&
		!in.name.n)
		__builtin_trap();
	(void)!sym_find(s, text, &v, NULL);
	if (sym_match(s, text, 0, &l, NULL) == ERR_OK)
		sym_list_deinit(&l);
	if (sym_file_name_ok(text) && (memchr(text.p, '/', text.n) || memchr(text.p, '\\', text.n)))
		__builtin_trap();
	sym_store_destroy(s);
}

/* Nothing is kept from one input to the next, and nothing of it in the user's cache. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	return setenv("XDG_CACHE_HOME", "/dev/null", 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size || size > 1 << 16)
		return 0;
	str text = {(const char *)data + 1, size - 1};
	switch (data[0] % 3) {
	case 0:
		path(text);
		break;
	case 1:
		identities(text);
		break;
	default:
		names(text);
		break;
	}
	return 0;
}
