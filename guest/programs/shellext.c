/* shellext.dll: something for explorer.exe to load and unload. */
#include "../inc/win.h"

volatile ULONG g_Runs;

ULONG ShellExtRun(ULONG n)
{
	g_Runs += n;
	return n;
}

BOOL DllMain(PVOID base, ULONG reason, PVOID reserved)
{
	(void)base, (void)reason, (void)reserved;
	return TRUE;
}
