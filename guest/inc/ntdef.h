/*
 * ntdef: the basic types of the guest under their NT names, list helpers, status codes, and the
 * LAYOUT macros by which variant b moves every field of every structure.
 *
 * Used by everything that is compiled for the guest, kernel and user alike. Knows no structure of
 * the kernel.
 */
#ifndef GUEST_NTDEF_H
#define GUEST_NTDEF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef void VOID;
typedef void *PVOID, *HANDLE;
typedef char CHAR;
typedef signed char SCHAR;
typedef unsigned char UCHAR, BOOLEAN, KIRQL;
typedef short SHORT;
typedef unsigned short USHORT;
typedef wchar_t WCHAR;
typedef int LONG, NTSTATUS, BOOL;
typedef unsigned int ULONG, DWORD;
typedef long long LONG64;
typedef unsigned long long ULONG64, ULONG_PTR, SIZE_T;
typedef union _LARGE_INTEGER {
	struct {
		ULONG LowPart;
		LONG HighPart;
	} u;
	LONG64 QuadPart;
} LARGE_INTEGER;

#define TRUE  1
#define FALSE 0
#define NTAPI
#define DECLSPEC_NORETURN		  __attribute__((noreturn))
#define NOINLINE			  __attribute__((noinline))
#define FIELD_OFFSET(type, field)	  ((ULONG) __builtin_offsetof(type, field))
#define CONTAINING_RECORD(p, type, field) ((type *)((char *)(p) - __builtin_offsetof(type, field)))
#define ROUND_UP(x, n)			  (((x) + (n)-1) & ~((ULONG64)(n)-1))
#define ARRAY_SIZE(a)			  (sizeof(a) / sizeof((a)[0]))

/*
 * The members of a structure are written in two to four groups. Variant a lays the groups out as
 * written; variant b turns them round and puts unused words between them, so that no offset outside
 * the fixed formats (CONTEXT, the KD records, hardware tables, KUSER_SHARED_DATA, PE) is the same.
 */
/* clang-format off */
#ifdef VARIANT_B
#define LAYOUT_PAD_(line, n, count) ULONG64 Spare##line##_##n[count];
#define LAYOUT_PAD(line, n, count) LAYOUT_PAD_(line, n, count)
#define LAYOUT2(a, b) LAYOUT_PAD(__LINE__, 0, 2) b LAYOUT_PAD(__LINE__, 1, 1) a
#define LAYOUT3(a, b, c) LAYOUT_PAD(__LINE__, 0, 3) c a LAYOUT_PAD(__LINE__, 1, 1) b
#define LAYOUT4(a, b, c, d) LAYOUT_PAD(__LINE__, 0, 1) d LAYOUT_PAD(__LINE__, 1, 5) b a LAYOUT_PAD(__LINE__, 2, 1) c
#define LAYOUT_B(a) a
#define KVA_SHADOW 1
#else
#define LAYOUT2(a, b) a b
#define LAYOUT3(a, b, c) a b c
#define LAYOUT4(a, b, c, d) a b c d
#define LAYOUT_B(a)
#define KVA_SHADOW 0
#endif
/* clang-format on */

typedef struct _LIST_ENTRY {
	struct _LIST_ENTRY *Flink;
	struct _LIST_ENTRY *Blink;
} LIST_ENTRY;

static inline void InitializeListHead(LIST_ENTRY *head)
{
	head->Flink = head->Blink = head;
}

static inline bool IsListEmpty(const LIST_ENTRY *head)
{
	return head->Flink == head;
}

static inline void InsertTailList(LIST_ENTRY *head, LIST_ENTRY *e)
{
	e->Flink = head;
	e->Blink = head->Blink;
	head->Blink->Flink = e;
	head->Blink = e;
}

static inline void InsertHeadList(LIST_ENTRY *head, LIST_ENTRY *e)
{
	InsertTailList(head->Flink, e);
}

static inline void RemoveEntryList(LIST_ENTRY *e)
{
	e->Blink->Flink = e->Flink;
	e->Flink->Blink = e->Blink;
	e->Flink = e->Blink = e;
}

typedef struct _UNICODE_STRING {
	USHORT Length;
	USHORT MaximumLength;
	WCHAR *Buffer;
} UNICODE_STRING;

typedef struct _STRING {
	USHORT Length;
	USHORT MaximumLength;
	CHAR *Buffer;
} STRING, ANSI_STRING;

typedef struct _CLIENT_ID {
	HANDLE UniqueProcess;
	HANDLE UniqueThread;
} CLIENT_ID;

typedef struct _EX_FAST_REF {
	union {
		PVOID Object;
		ULONG64 RefCnt : 4;
		ULONG64 Value;
	};
} EX_FAST_REF;

/* A node of a balanced tree as NT publishes it (ours are searched, not kept balanced). */
typedef struct _RTL_BALANCED_NODE {
	union {
		struct _RTL_BALANCED_NODE *Children[2];
		struct {
			struct _RTL_BALANCED_NODE *Left;
			struct _RTL_BALANCED_NODE *Right;
		};
	};
	union {
		UCHAR Red : 1;
		UCHAR Balance : 2;
		ULONG64 ParentValue;
	};
} RTL_BALANCED_NODE;

typedef struct _RTL_AVL_TREE {
	RTL_BALANCED_NODE *Root;
} RTL_AVL_TREE;

/* Status codes (ntstatus.h). */
#define NT_SUCCESS(s)			((NTSTATUS)(s) >= 0)
#define STATUS_SUCCESS			((NTSTATUS)0x00000000)
#define STATUS_TIMEOUT			((NTSTATUS)0x00000102)
#define STATUS_BREAKPOINT		((NTSTATUS)0x80000003)
#define STATUS_SINGLE_STEP		((NTSTATUS)0x80000004)
#define STATUS_UNSUCCESSFUL		((NTSTATUS)0xC0000001)
#define STATUS_NOT_IMPLEMENTED		((NTSTATUS)0xC0000002)
#define STATUS_ACCESS_VIOLATION		((NTSTATUS)0xC0000005)
#define STATUS_INVALID_HANDLE		((NTSTATUS)0xC0000008)
#define STATUS_INVALID_PARAMETER	((NTSTATUS)0xC000000D)
#define STATUS_NO_MEMORY		((NTSTATUS)0xC0000017)
#define STATUS_ILLEGAL_INSTRUCTION	((NTSTATUS)0xC000001D)
#define STATUS_INVALID_SYSTEM_SERVICE	((NTSTATUS)0xC000001C)
#define STATUS_NONCONTINUABLE_EXCEPTION ((NTSTATUS)0xC0000025)
#define STATUS_INVALID_DISPOSITION	((NTSTATUS)0xC0000026)
#define STATUS_UNWIND			((NTSTATUS)0xC0000027)
#define STATUS_BAD_STACK		((NTSTATUS)0xC0000028)
#define STATUS_OBJECT_NAME_NOT_FOUND	((NTSTATUS)0xC0000034)
#define STATUS_INTEGER_DIVIDE_BY_ZERO	((NTSTATUS)0xC0000094)
#define STATUS_INTEGER_OVERFLOW		((NTSTATUS)0xC0000095)
#define STATUS_PRIVILEGED_INSTRUCTION	((NTSTATUS)0xC0000096)
#define STATUS_FLOAT_MULTIPLE_FAULTS	((NTSTATUS)0xC00002B4)
#define STATUS_ASSERTION_FAILURE	((NTSTATUS)0xC0000420)
#define STATUS_STACK_BUFFER_OVERRUN	((NTSTATUS)0xC0000409)
#define STATUS_THREAD_IS_TERMINATING	((NTSTATUS)0xC000004B)
#define STATUS_DEBUGGER_INACTIVE	((NTSTATUS)0xC0000354)
#define STATUS_ENTRYPOINT_NOT_FOUND	((NTSTATUS)0xC0000139)
#define STATUS_DLL_NOT_FOUND		((NTSTATUS)0xC0000135)
#define STATUS_END_OF_FILE		((NTSTATUS)0xC0000011)

#endif
