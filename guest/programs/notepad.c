/*
 * notepad.exe: types a text, handles an exception now and then, and exits after some seconds;
 * smss.exe starts it again. Its processes come and go, so lists of processes must never be taken
 * for granted.
 */
#include "../inc/win.h"

WCHAR g_Text[128];
volatile ULONG g_Typed, g_Handled;

NOINLINE int DivideBy(volatile int *divisor)
{
	return 1000 / *divisor;
}

/* A fault in a frame below is caught here: first chance only. */
NOINLINE void SafeDivide(void)
{
	volatile int zero = 0;

	__try {
		DivideBy(&zero);
	} __except (1) {
		g_Handled++;
	}
}

NOINLINE void TypeCharacter(WCHAR c)
{
	g_Text[g_Typed++ % 127] = c;
	WriteFile(CAPTURE_DEVICE, &c, sizeof c, NULL, NULL);
}

int main(void)
{
	static const char text[] =
		"It was a bright cold day in April, and the clocks were striking thirteen. ";

	for (ULONG i = 0; i < 160; i++) {
		TypeCharacter((WCHAR)text[i % (sizeof text - 1)]);
		if (i % 40 == 0)
			SafeDivide();
		Sleep(40);
	}
	return 0;
}
