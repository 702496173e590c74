/*
 * multihasher.exe: hashes buffers with three functions, for ever, in two threads, and writes the
 * results.
 *
 * To be checked from a debugger: g_Results[k].Value follows from g_Results[k].Count and Algorithm
 * alone (HashBuffer over g_Buffer as FillBuffer(Count) makes it). Linked at 0x140000000, like
 * fscapture.exe.
 */
#include "../inc/win.h"

typedef enum _HASH_ALGORITHM { HashFnv1a, HashAdler32, HashCrc32, HashAlgorithms } HASH_ALGORITHM;

typedef struct _HASH_RESULT {
	HASH_ALGORITHM Algorithm;
	ULONG Count;
	ULONG64 Value;
} HASH_RESULT;

enum { BUFFER_SIZE = 1024 };

volatile ULONG g_HashCount;
volatile ULONG64 g_BytesHashed;
HASH_RESULT g_Results[HashAlgorithms];
UCHAR g_Buffer[BUFFER_SIZE];
const char g_ProductName[] = "MultiHasher 2.8.2";

NOINLINE ULONG64 Fnv1a(const UCHAR *p, ULONG n)
{
	ULONG64 h = 0xcbf29ce484222325ull;

	while (n--)
		h = (h ^ *p++) * 0x100000001b3ull;
	return h;
}

NOINLINE ULONG64 Adler32(const UCHAR *p, ULONG n)
{
	ULONG a = 1, b = 0;

	while (n--) {
		a = (a + *p++) % 65521;
		b = (b + a) % 65521;
	}
	return b << 16 | a;
}

NOINLINE ULONG64 Crc32(const UCHAR *p, ULONG n)
{
	ULONG crc = ~0u;

	while (n--) {
		crc ^= *p++;
		for (int k = 0; k < 8; k++)
			crc = crc >> 1 ^ (0xedb88320 & -(crc & 1));
	}
	return ~crc;
}

SAME_PLACE ULONG64 HashBuffer(HASH_ALGORITHM algorithm, const UCHAR *buffer, ULONG size)
{
	ULONG64 value;

	switch (algorithm) {
	case HashFnv1a:
		value = Fnv1a(buffer, size);
		break;
	case HashAdler32:
		value = Adler32(buffer, size);
		break;
	default:
		value = Crc32(buffer, size);
	}
	g_HashCount++;
	g_BytesHashed += size;
	return value;
}

NOINLINE void FillBuffer(ULONG seed)
{
	for (ULONG i = 0; i < BUFFER_SIZE; i++)
		g_Buffer[i] = (UCHAR)(seed + i * 7);
}

NOINLINE void ReportResult(const HASH_RESULT *result)
{
	ULONG done;

	WriteFile(CAPTURE_DEVICE, result, sizeof *result, &done, NULL);
}

NOINLINE DWORD ProgressThread(PVOID parameter)
{
	volatile ULONG *last = parameter;

	for (;;) {
		*last = g_HashCount;
		Sleep(200);
	}
}

int main(void)
{
	static volatile ULONG progress;

	CreateThread(ProgressThread, (PVOID)&progress);
	for (ULONG round = 0;; round++) {
		FillBuffer(round);
		for (int k = 0; k < HashAlgorithms; k++) {
			HASH_RESULT *r = &g_Results[k];
			r->Algorithm = (HASH_ALGORITHM)k;
			r->Value = HashBuffer((HASH_ALGORITHM)k, g_Buffer, BUFFER_SIZE);
			r->Count = round;
			ReportResult(r);
		}
		if (!(GUEST_FLAGS & GUEST_BUSY))
			Sleep(20);
	}
}
