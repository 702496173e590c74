/*
 * pe: PE32+ headers and the three steps that make an image out of a file: copy the sections, apply
 * the base relocations, bind the imports. Used by the boot loader (32-bit), the kernel and ntdll,
 * each with its own way to find a module. Format: Microsoft "PE Format".
 *
 * Trusts its input: the images are our own, built with this tree.
 */
#ifndef GUEST_PE_H
#define GUEST_PE_H

#include <stdint.h>

typedef struct _IMAGE_DATA_DIRECTORY {
	uint32_t VirtualAddress;
	uint32_t Size;
} IMAGE_DATA_DIRECTORY;

typedef struct _IMAGE_DOS_HEADER {
	uint16_t e_magic;
	uint16_t e_unused[29];
	int32_t e_lfanew;
} IMAGE_DOS_HEADER;

typedef struct _IMAGE_FILE_HEADER {
	uint16_t Machine;
	uint16_t NumberOfSections;
	uint32_t TimeDateStamp;
	uint32_t PointerToSymbolTable;
	uint32_t NumberOfSymbols;
	uint16_t SizeOfOptionalHeader;
	uint16_t Characteristics;
} IMAGE_FILE_HEADER;

typedef struct _IMAGE_OPTIONAL_HEADER64 {
	uint16_t Magic;
	uint8_t MajorLinkerVersion, MinorLinkerVersion;
	uint32_t SizeOfCode, SizeOfInitializedData, SizeOfUninitializedData;
	uint32_t AddressOfEntryPoint;
	uint32_t BaseOfCode;
	uint32_t ImageBaseLow,
		ImageBaseHigh; /* one 64-bit field; split so that i386 aligns it alike */
	uint32_t SectionAlignment, FileAlignment;
	uint16_t MajorOperatingSystemVersion, MinorOperatingSystemVersion;
	uint16_t MajorImageVersion, MinorImageVersion;
	uint16_t MajorSubsystemVersion, MinorSubsystemVersion;
	uint32_t Win32VersionValue;
	uint32_t SizeOfImage;
	uint32_t SizeOfHeaders;
	uint32_t CheckSum;
	uint16_t Subsystem, DllCharacteristics;
	uint32_t StackHeap[8];
	uint32_t LoaderFlags;
	uint32_t NumberOfRvaAndSizes;
	IMAGE_DATA_DIRECTORY DataDirectory[16];
} IMAGE_OPTIONAL_HEADER64;

typedef struct _IMAGE_NT_HEADERS64 {
	uint32_t Signature;
	IMAGE_FILE_HEADER FileHeader;
	IMAGE_OPTIONAL_HEADER64 OptionalHeader;
} IMAGE_NT_HEADERS64;

typedef struct _IMAGE_SECTION_HEADER {
	uint8_t Name[8];
	uint32_t VirtualSize;
	uint32_t VirtualAddress;
	uint32_t SizeOfRawData;
	uint32_t PointerToRawData;
	uint32_t PointerToRelocations, PointerToLinenumbers;
	uint16_t NumberOfRelocations, NumberOfLinenumbers;
	uint32_t Characteristics;
} IMAGE_SECTION_HEADER;

enum { PE_EXPORT = 0, PE_IMPORT = 1, PE_EXCEPTION = 3, PE_RELOC = 5, PE_DEBUG = 6 };
enum { PE_SCN_EXECUTE = 0x20000000, PE_SCN_READ = 0x40000000 };
#define PE_SCN_WRITE 0x80000000u

typedef struct _IMAGE_EXPORT_DIRECTORY {
	uint32_t Characteristics, TimeDateStamp;
	uint16_t MajorVersion, MinorVersion;
	uint32_t Name, Base, NumberOfFunctions, NumberOfNames;
	uint32_t AddressOfFunctions, AddressOfNames, AddressOfNameOrdinals;
} IMAGE_EXPORT_DIRECTORY;

typedef struct _IMAGE_IMPORT_DESCRIPTOR {
	uint32_t OriginalFirstThunk;
	uint32_t TimeDateStamp, ForwarderChain;
	uint32_t Name;
	uint32_t FirstThunk;
} IMAGE_IMPORT_DESCRIPTOR;

static inline IMAGE_NT_HEADERS64 *pe_headers(const void *image)
{
	return (IMAGE_NT_HEADERS64 *)((uintptr_t)image +
				      (uint32_t)((const IMAGE_DOS_HEADER *)image)->e_lfanew);
}

static inline IMAGE_SECTION_HEADER *pe_sections(const void *image)
{
	IMAGE_NT_HEADERS64 *nt = pe_headers(image);
	return (IMAGE_SECTION_HEADER *)((uintptr_t)&nt->OptionalHeader +
					nt->FileHeader.SizeOfOptionalHeader);
}

static inline uint64_t pe_image_base(const void *image)
{
	IMAGE_OPTIONAL_HEADER64 *o = &pe_headers(image)->OptionalHeader;
	return o->ImageBaseLow | (uint64_t)o->ImageBaseHigh << 32;
}

/* File to image form; image is SizeOfImage zeroed bytes. */
static inline void pe_layout(const void *file, void *image)
{
	IMAGE_NT_HEADERS64 *nt = pe_headers(file);
	IMAGE_SECTION_HEADER *s = pe_sections(file);
	const uint8_t *from = file;
	uint8_t *to = image;

	for (uint32_t i = 0; i < nt->OptionalHeader.SizeOfHeaders; i++)
		to[i] = from[i];
	for (unsigned k = 0; k < nt->FileHeader.NumberOfSections; k++, s++) {
		uint32_t n = s->SizeOfRawData < s->VirtualSize ? s->SizeOfRawData : s->VirtualSize;
		__builtin_memcpy(to + s->VirtualAddress, from + s->PointerToRawData, n);
	}
}

/* image: where the bytes are; va: where they will run. Records va as the image's base. */
static inline void pe_relocate(void *image, uint64_t va)
{
	IMAGE_OPTIONAL_HEADER64 *o = &pe_headers(image)->OptionalHeader;
	uint64_t delta = va - pe_image_base(image);
	uint8_t *base = image, *p = base + o->DataDirectory[PE_RELOC].VirtualAddress;
	uint8_t *end = p + o->DataDirectory[PE_RELOC].Size;

	if (!o->DataDirectory[PE_RELOC].VirtualAddress)
		return;
	while (p < end) {
		uint32_t page = ((uint32_t *)p)[0], size = ((uint32_t *)p)[1];
		uint16_t *entry = (uint16_t *)(p + 8);
		for (uint32_t n = (size - 8) / 2; n; n--, entry++)
			if (*entry >> 12 == 10) /* IMAGE_REL_BASED_DIR64 */
				*(uint64_t *)(base + page + (*entry & 0xfff)) += delta;
		p += size;
	}
	o->ImageBaseLow = (uint32_t)va;
	o->ImageBaseHigh = (uint32_t)(va >> 32);
}

static inline int pe_streq(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

/* RVA of an exported name; 0 if there is none. */
static inline uint32_t pe_export(const void *image, const char *name)
{
	const uint8_t *base = image;
	IMAGE_DATA_DIRECTORY *dir = &pe_headers(image)->OptionalHeader.DataDirectory[PE_EXPORT];
	const IMAGE_EXPORT_DIRECTORY *e = (const void *)(base + dir->VirtualAddress);

	if (!dir->VirtualAddress)
		return 0;
	uint32_t lo = 0, hi = e->NumberOfNames;
	while (lo < hi) { /* names are sorted */
		uint32_t mid = (lo + hi) / 2;
		const char *a = (const char *)base +
				((const uint32_t *)(base + e->AddressOfNames))[mid],
			   *b = name;
		while (*a && *a == *b)
			a++, b++;
		if (*a == *b) {
			uint16_t ordinal =
				((const uint16_t *)(base + e->AddressOfNameOrdinals))[mid];
			return ((const uint32_t *)(base + e->AddressOfFunctions))[ordinal];
		}
		if ((uint8_t)*a < (uint8_t)*b)
			lo = mid + 1;
		else
			hi = mid;
	}
	return 0;
}

/* Finds an address by module and name for pe_bind; 0: not found. */
typedef uint64_t pe_resolve(void *u, const char *module, const char *name);

/* Fills the import address table. Returns the first name that could not be found, or NULL. */
static inline const char *pe_bind(void *image, pe_resolve *resolve, void *u)
{
	uint8_t *base = image;
	IMAGE_DATA_DIRECTORY *dir = &pe_headers(image)->OptionalHeader.DataDirectory[PE_IMPORT];
	IMAGE_IMPORT_DESCRIPTOR *d = (IMAGE_IMPORT_DESCRIPTOR *)(base + dir->VirtualAddress);

	if (!dir->VirtualAddress)
		return 0;
	for (; d->Name; d++) {
		uint64_t *names = (uint64_t *)(base + d->OriginalFirstThunk);
		uint64_t *table = (uint64_t *)(base + d->FirstThunk);
		for (; *names; names++, table++) {
			const char *name = (const char *)base + (uint32_t)*names + 2;
			uint64_t va = resolve(u, (const char *)base + d->Name, name);
			if (!va)
				return name;
			*table = va;
		}
	}
	return 0;
}

#endif
