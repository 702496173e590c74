/*
 * image_elf: see image_elf.c.
 */
#ifndef RS_TARGET_IMAGE_ELF_H
#define RS_TARGET_IMAGE_ELF_H

#include "target/target.h"

err image_elf_open(const char *path, const tgt_host *host, tgt **ret, diag *d) MUST_CHECK;

#endif
