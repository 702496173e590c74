/*
 * none: the os table for targets without a system (an image opened by itself): it has nothing, so
 * that os.c answers for it.
 */
#include "os/os.h"

static bool none_is_user(os *o, uint64_t addr)
{
	return addr < 0x0000800000000000ULL;
}

static const struct os_ops none_ops = {.name = "none", .is_user = none_is_user};

os *os_none_create(const os_host *host)
{
	os *o = mem_alloc(sizeof *o);
	o->ops = &none_ops;
	o->host = *host;
	return o;
}
