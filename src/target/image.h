/*
 * image: what image.c shares with the kinds of files that it opens: image_pe.c and image_elf.c.
 */
#ifndef RS_TARGET_IMAGE_H
#define RS_TARGET_IMAGE_H

#include "target/target.h"

typedef struct image {
	tgt t;
	arena a;
	sys_map file;
	char *path;
	bool told; /* the one event went out */
	/* Of the kind: */
	void *view;		    /* in the arena */
	uint64_t base, size, entry; /* addresses; entry 0: none */
	uint32_t checksum;
	uint16_t machine; /* by PE's numbers (IMAGE_FILE_MACHINE_*) */
	/* Bytes that came of the n at addr; 0: nothing is there. */
	size_t (*read)(const struct image *m, uint64_t addr, uint8_t *b, size_t n);
} image;

/* Look at m->file and fill in what is of the kind. */
err image_pe_look(image *m, diag *d) MUST_CHECK;
err image_elf_look(image *m, diag *d) MUST_CHECK;

static inline uint64_t image_page_up(uint64_t v)
{
	return (v + 4095) & ~4095ull;
}

#endif
