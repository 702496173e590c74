/*
 * explorer.exe: three threads; one loads and unloads shellext.dll, so that the loader's lists
 * change; one takes work from an event that another sets.
 */
#include "../inc/win.h"

HANDLE g_WorkEvent;
volatile ULONG g_WorkDone, g_ExtensionLoads;

NOINLINE void ScanFolder(ULONG depth)
{
	volatile UCHAR names[256];

	for (ULONG i = 0; i < sizeof names; i++)
		names[i] = (UCHAR)(depth * i);
	if (depth)
		ScanFolder(depth - 1);
	else
		WriteFile(CAPTURE_DEVICE, (const void *)names, sizeof names, NULL, NULL);
}

NOINLINE DWORD WorkerThread(PVOID parameter)
{
	(void)parameter;
	for (;;) {
		WaitForSingleObject(g_WorkEvent, (ULONG)INFINITE);
		ScanFolder(4);
		g_WorkDone++;
	}
}

NOINLINE DWORD ExtensionThread(PVOID parameter)
{
	(void)parameter;
	for (;;) {
		PVOID base = LoadLibraryW(L"shellext.dll");
		if (base) {
			ULONG (*run)(ULONG) = (ULONG(*)(ULONG))GetProcAddress(base, "ShellExtRun");
			g_ExtensionLoads += run ? run(1) : 0;
			Sleep(1500);
			FreeLibrary(base);
		}
		Sleep(1000);
	}
}

int main(void)
{
	g_WorkEvent = CreateEventW(NULL, FALSE, FALSE, NULL);
	CreateThread(WorkerThread, NULL);
	CreateThread(ExtensionThread, NULL);
	for (;;) {
		SetEvent(g_WorkEvent);
		Sleep(50);
	}
}
