/* lsass.exe: waits most of the time, as services do; two threads and an event between them. */
#include "../inc/win.h"

HANDLE g_Request;
volatile ULONG g_Served;

NOINLINE DWORD ServerThread(PVOID parameter)
{
	(void)parameter;
	for (;;) {
		if (WaitForSingleObject(g_Request, 2000) == WAIT_OBJECT_0)
			g_Served++;
	}
}

int main(void)
{
	g_Request = CreateEventW(NULL, FALSE, FALSE, NULL);
	CreateThread(ServerThread, NULL);
	for (;;) {
		Sleep(500);
		SetEvent(g_Request);
	}
}
