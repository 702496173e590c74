/* null.sys: a driver that stays. */
#include "../inc/ke.h"

DRIVER_OBJECT *g_NullDriver;

NTSTATUS DriverEntry(DRIVER_OBJECT *driver, UNICODE_STRING *path)
{
	(void)path;
	g_NullDriver = driver;
	return STATUS_SUCCESS;
}
