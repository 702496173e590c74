/* smss.exe: the first process; starts the others, and again those that end. */
#include "../inc/win.h"

static const WCHAR *const g_Images[] = {
	L"lsass.exe",
	L"services.exe",
	L"explorer.exe",
	L"multihasher.exe",
	L"fscapture.exe",
	L"notepad.exe",
};
HANDLE g_Children[ARRAY_SIZE(g_Images)];
volatile ULONG g_Starts;

NOINLINE void StartChild(ULONG i)
{
	if (CreateProcessW(g_Images[i], i == 5 ? L"C:\\orwell.txt" : L"", &g_Children[i]))
		g_Starts++;
	else
		DbgPrint("smss: cannot start %ws: %u\n", g_Images[i], GetLastError());
}

int main(void)
{
	for (ULONG i = 0; i < ARRAY_SIZE(g_Images); i++)
		StartChild(i);
	for (;;) {
		for (ULONG i = 0; i < ARRAY_SIZE(g_Images); i++) {
			if (!g_Children[i] ||
				WaitForSingleObject(g_Children[i], 0) != WAIT_OBJECT_0)
				continue;
			CloseHandle(g_Children[i]);
			g_Children[i] = NULL;
			StartChild(i);
		}
		Sleep(250);
	}
}
