/*
 * msf: the container of a PDB: numbered streams in one file. Big MSF ("MSF 7.00") and MSFZ (whole
 * fragments, compressed in chunks). Refuses to know what the streams hold, and to do I/O: it works
 * on bytes that the caller keeps mapped until msf_close.
 *
 * Nothing is copied that is not asked for: of Big MSF only the directory; of MSFZ the chunks that
 * were touched. A stream is a list of runs, contiguous pieces; msf_view gives bytes in place when
 * they lie in one run and else a stitched copy that is made once and kept.
 *
 * Format: docs/pdb/msf.md and msfz.md in github.com/microsoft/pdb-rs.
 */
#ifndef RS_FMT_MSF_H
#define RS_FMT_MSF_H

#include "base/reader.h"

enum {
	MSF_MAX_STREAMS = 1 << 20,
	MSF_MAX_DIR = 1 << 28,	 /* bytes of the directory */
	MSF_MAX_CHUNK = 1 << 30, /* bytes of one uncompressed MSFZ chunk */
	MSF_MAX_STITCH = 1 << 28 /* bytes of one msf_view that is not contiguous */
};
enum { MSF_NONE = 0xffff }; /* "no such stream" in 16-bit fields */

typedef struct msf msf;

/* True if the bytes start like one of the containers. */
bool msf_is(const void *p, size_t n);
err msf_open(const void *p, size_t n, msf **ret, diag *d) MUST_CHECK;
void msf_close(msf *m);

bool msf_compressed(const msf *m);
uint32_t msf_count(const msf *m);
bool msf_has(const msf *m, uint32_t stream);	  /* exists and is not nil */
uint64_t msf_size(const msf *m, uint32_t stream); /* 0 for what is not there */

/* All n bytes at off, or ERR_CORRUPT. */
err msf_read(msf *m, uint32_t stream, uint64_t off, void *dst, size_t n) MUST_CHECK;
/* Longest contiguous piece that starts at off; 0 at the end or when a chunk is damaged. */
size_t msf_span(msf *m, uint32_t stream, uint64_t off, const uint8_t **ret);
/* n bytes at off, valid until msf_close; NULL if they are not there. */
const uint8_t *msf_view(msf *m, uint32_t stream, uint64_t off, size_t n);
/* As msf_view, but never copies: NULL also when the bytes are not contiguous. */
const uint8_t *msf_peek(msf *m, uint32_t stream, uint64_t off, size_t n);
/* Bytes held besides the caller's: directory, chunks, stitched copies. */
size_t msf_held(const msf *m);

#endif
