/*
 * services.exe: does what the debugger asks by writing a number to g_Request; for trying events
 * that a healthy system does not produce. g_Done counts the requests that came to an end.
 */
#include "../inc/win.h"

enum {
	REQUEST_NONE,
	REQUEST_HANDLED_FAULT,
	REQUEST_UNHANDLED_FAULT,
	REQUEST_BREAKPOINT,
	REQUEST_PRINT,
	REQUEST_PROMPT,
	REQUEST_DEBUG_CONTROL,
	REQUEST_BUG_CHECK,
	REQUEST_REBOOT,
	REQUEST_ASSERT,
	REQUEST_RAISE,
	REQUEST_FAST_FAIL,
	REQUEST_READ_COLD
};

volatile ULONG g_Request, g_Done, g_PromptLength;
char g_PromptReply[64];
volatile UCHAR *g_Cold;
__attribute__((section(".cold"))) UCHAR g_ColdPages[0x3000] = {1, [0x1000] = 2, [0x2000] = 3};

NOINLINE void WriteNowhere(void)
{
	*(volatile ULONG *)0x10 = 1;
}

NOINLINE void HandledFault(void)
{
	__try {
		WriteNowhere();
	} __except (1) {
	}
}

NOINLINE void Serve(ULONG request)
{
	ULONG_PTR arguments[2] = {0x1234, 0x5678};

	switch (request) {
	case REQUEST_HANDLED_FAULT:
		HandledFault();
		break;
	case REQUEST_UNHANDLED_FAULT:
		WriteNowhere();
		break;
	case REQUEST_BREAKPOINT:
		DebugBreak();
		break;
	case REQUEST_PRINT:
		DbgPrint("services: request %u of process %u\n", g_Done + 1, GetCurrentProcessId());
		break;
	case REQUEST_PROMPT:
		g_PromptLength =
			DbgPrompt("Break, or Ignore (bi)? ", g_PromptReply, sizeof g_PromptReply);
		break;
	case REQUEST_DEBUG_CONTROL:
		NtSystemDebugControl(6, NULL, 0, NULL, 0, NULL);
		break;
	case REQUEST_BUG_CHECK:
		NtShutdownSystem(0x52494e47);
		break;
	case REQUEST_REBOOT:
		NtShutdownSystem(1);
		break;
	case REQUEST_ASSERT:
		__asm__ volatile("int $0x2c");
		break;
	case REQUEST_RAISE:
		RaiseException(0xe0001234, 0, 2, arguments);
		break;
	case REQUEST_FAST_FAIL:
		__asm__ volatile("int $0x29" : : "c"(5));
		break;
	case REQUEST_READ_COLD:
		g_Cold = g_ColdPages;
		g_PromptLength = g_ColdPages[0x1000];
		break;
	}
}

int main(void)
{
	g_Request = REQUEST_NONE; /* the page is this process's own from here on: debuggers write
				     through sharing */
	for (;;) {
		ULONG request = g_Request;
		if (request) {
			g_Request = REQUEST_NONE;
			Serve(request);
			g_Done++;
		}
		Sleep(100);
	}
}
