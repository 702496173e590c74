/*
 * loader: what the boot loader (32-bit) hands to the kernel (64-bit). Fixed layout: no pointers,
 * every 64-bit member aligned to 8.
 */
#ifndef GUEST_LOADER_H
#define GUEST_LOADER_H

#include <stdint.h>

typedef uint64_t __attribute__((aligned(8))) loader_u64;

enum { LOADER_FILES = 24, LOADER_IMAGES = 2 };

typedef struct _LOADER_FILE {
	char Name[32]; /* "ntdll.dll" */
	loader_u64 Physical;
	loader_u64 Size;
} LOADER_FILE;

typedef struct _LOADER_IMAGE {
	char Name[32];
	loader_u64 Base; /* virtual */
	loader_u64 Physical;
	loader_u64 Size;
} LOADER_IMAGE;

typedef struct _LOADER_PARAMETER_BLOCK {
	loader_u64 PageRoot;   /* PML4, physical */
	loader_u64 Entry;      /* KiSystemStartup */
	loader_u64 Block;      /* this block, virtual */
	loader_u64 Stack;      /* top of the boot processor's stack, virtual */
	loader_u64 DirectMap;  /* physical address 0, virtual */
	loader_u64 PteBase;    /* the page tables' own window */
	loader_u64 DriverBase; /* where drivers may go: 1 GB */
	loader_u64 FirstFree;  /* physical: everything above is free ... */
	loader_u64 MemoryTop;  /* ... up to here */
	loader_u64 Seed;
	uint32_t FileCount;
	uint32_t ImageCount;
	LOADER_FILE Files[LOADER_FILES];
	LOADER_IMAGE Images[LOADER_IMAGES]; /* kernel first, then hal */
	char CommandLine[256];
} LOADER_PARAMETER_BLOCK;

#endif
