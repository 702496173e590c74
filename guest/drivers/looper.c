/*
 * looper.sys: loaded and unloaded again and again (nt!LooperThread), each time somewhere else. For
 * unresolved and re-resolved breakpoints.
 */
#include "../inc/ke.h"

volatile ULONG g_LooperCount;

NOINLINE NTSTATUS LooperWork(ULONG n)
{
	for (ULONG i = 0; i < n; i++)
		g_LooperCount++;
	return STATUS_SUCCESS;
}

NOINLINE void LooperUnload(DRIVER_OBJECT *driver)
{
	(void)driver;
	LooperWork(1);
}

NTSTATUS DriverEntry(DRIVER_OBJECT *driver, UNICODE_STRING *path)
{
	(void)path;
	driver->DriverUnload = LooperUnload;
	return LooperWork(3);
}
