/*
 * fscapture.exe: takes a picture from the capture device, copies it, and writes it, for ever.
 *
 * To be checked from a debugger: g_Frame.Pixels[i] is (g_Frame.Number + i) & 0xff between two
 * captures. g_Calibration lies in the paging file until something reads it. g_Archive (byte i is (i
 * >> 8 ^ i) & 0xff) leaves the working set when it is filled: half of it goes to the paging file,
 * half stays in transition. Linked at 0x140000000, like multihasher.exe.
 */
#include "../inc/win.h"

enum { FRAME_BYTES = 2048, FRAME_MAGIC = 0x4d415246 /* "FRAM" */, ARCHIVE_BYTES = 0x8000 };

typedef struct _CAPTURE_FRAME {
	ULONG Magic;
	ULONG Number;
	USHORT Width;
	USHORT Height;
	ULONG Checksum;
	UCHAR Pixels[FRAME_BYTES];
} CAPTURE_FRAME;

CAPTURE_FRAME g_Frame, g_LastFrame;
volatile ULONG g_FrameCount;
const char g_ProductName[] = "FastStone Capture 9.4";
UCHAR *g_Archive;

__attribute__((section(".cold"))) ULONG g_Calibration[2048] = {
	0xca11b8a7,
	1,
	2,
	3,
	4,
	5,
	6,
	7,
	8,
	9,
	[1024] = 0xca11b8a8,
	[2047] = 0xca11b8a9,
};

NOINLINE ULONG ChecksumFrame(const CAPTURE_FRAME *frame)
{
	ULONG sum = 0;

	for (ULONG i = 0; i < FRAME_BYTES; i++)
		sum = (sum << 1 | sum >> 31) + frame->Pixels[i];
	return sum;
}

NOINLINE void CopyFrame(CAPTURE_FRAME *to, const CAPTURE_FRAME *from)
{
	to->Magic = from->Magic;
	to->Number = from->Number;
	to->Width = from->Width;
	to->Height = from->Height;
	to->Checksum = from->Checksum;
	memcpy(to->Pixels, from->Pixels, FRAME_BYTES);
}

SAME_PLACE BOOL CaptureFrame(CAPTURE_FRAME *frame, ULONG number)
{
	ULONG done;

	frame->Magic = FRAME_MAGIC;
	frame->Number = number;
	frame->Width = 64;
	frame->Height = FRAME_BYTES / 64;
	if (!ReadFile(CAPTURE_DEVICE, frame->Pixels, FRAME_BYTES, &done, number))
		return FALSE;
	frame->Checksum = ChecksumFrame(frame);
	return done == FRAME_BYTES;
}

NOINLINE void SaveFrame(const CAPTURE_FRAME *frame)
{
	ULONG done;

	WriteFile(CAPTURE_DEVICE, frame, 16, &done, NULL);
	g_FrameCount++;
}

NOINLINE void FillArchive(void)
{
	g_Archive = VirtualAlloc(NULL, ARCHIVE_BYTES, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
	for (ULONG i = 0; g_Archive && i < ARCHIVE_BYTES; i++)
		g_Archive[i] = (UCHAR)(i >> 8 ^ i);
	VirtualUnlock(g_Archive, ARCHIVE_BYTES);
}

int main(void)
{
	FillArchive();
	for (ULONG number = 1;; number++) {
		if (CaptureFrame(&g_Frame, number)) {
			CopyFrame(&g_LastFrame, &g_Frame);
			SaveFrame(&g_LastFrame);
		}
		if (!(GUEST_FLAGS & GUEST_BUSY))
			Sleep(30);
	}
}
