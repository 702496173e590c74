/*
 * unpack: the packed files of symbol stores (NAME with '_' for its last character): cabinets, and
 * the older SZDD and KWAJ forms, by libmspack. Also plain copies. Every result is written to a
 * temporary beside its place and renamed, so that a store never holds half a file.
 *
 * Packed files come from servers: the size that comes out is bounded, the user's cancel ends it.
 */
#include "sym/priv.h"

#include <errno.h>
#include <mspack.h>
#include <stdio.h>
#include <unistd.h>

enum { UNPACK_CHUNK = 1 << 16 };
#define UNPACK_MAX ((off_t)8 << 30)

/* One open file of libmspack's "system"; the outer struct carries the job. */
typedef struct job {
	struct mspack_system sys; /* first: callbacks cast back */
	sym_store *s;
	const char *dest; /* the only file that may be written */
	off_t written;
	bool stop, toobig;
} job;

/* libmspack only passes its file pointers around: ours stand behind them. */
typedef struct ms_file {
	FILE *f;
	job *j;
	bool out;
} ms_file;

static ms_file *mf(struct mspack_file *p)
{
	return (ms_file *)p;
}

static struct mspack_file *ms_open(struct mspack_system *self, const char *name, int mode)
{
	job *j = (job *)self;
	bool out = mode != MSPACK_SYS_OPEN_READ;
	if (out && strcmp(name, j->dest))
		return NULL;
	FILE *f = fopen(name, out ? "wb" : "rb");
	if (!f)
		return NULL;
	ms_file *m = mem_alloc(sizeof *m);
	*m = (ms_file){f, j, out};
	return (struct mspack_file *)m;
}

static void ms_close(struct mspack_file *m)
{
	if (!m)
		return;
	if (fclose(mf(m)->f) && mf(m)->out)
		mf(m)->j->stop = true;
	mem_free(m);
}

static int ms_read(struct mspack_file *m, void *p, int n)
{
	if (cancelled(mf(m)->j->s->host.cancel)) {
		mf(m)->j->stop = true;
		return -1;
	}
	size_t got = fread(p, 1, (size_t)n, mf(m)->f);
	return ferror(mf(m)->f) ? -1 : (int)got;
}

static int ms_write(struct mspack_file *m, void *p, int n)
{
	mf(m)->j->written += n;
	if (mf(m)->j->written > UNPACK_MAX) {
		mf(m)->j->toobig = true;
		return -1;
	}
	if (cancelled(mf(m)->j->s->host.cancel)) {
		mf(m)->j->stop = true;
		return -1;
	}
	return (int)fwrite(p, 1, (size_t)n, mf(m)->f);
}

static int ms_seek(struct mspack_file *m, off_t off, int mode)
{
	int w = mode == MSPACK_SYS_SEEK_START ? SEEK_SET
		: mode == MSPACK_SYS_SEEK_CUR ? SEEK_CUR
					      : SEEK_END;
	return fseeko(mf(m)->f, off, w);
}

static off_t ms_tell(struct mspack_file *m)
{
	return ftello(mf(m)->f);
}

static void ms_message(struct mspack_file *m, const char *fmt, ...)
{
}

static void *ms_alloc(struct mspack_system *self, size_t n)
{
	return mem_alloc(n);
}

static void ms_copy(void *from, void *to, size_t n)
{
	memcpy(to, from, n);
}

bool sym_is_packed(const char *path)
{
	/* "MSCF" (cabinet), and the signatures of SZDD and KWAJ as libmspack documents them. */
	static const char magic[][5] = {"MSCF", "SZDD", "KWAJ"};
	char head[4];
	FILE *f = fopen(path, "rb");
	bool yes = false;
	if (f && fread(head, 1, 4, f) == 4)
		for (size_t i = 0; i < ARRAY_LEN(magic); i++)
			yes |= !memcmp(head, magic[i], 4);
	if (f)
		fclose(f);
	return yes;
}

static int unpack_cab(job *j, const char *packed)
{
	struct mscab_decompressor *c = mspack_create_cab_decompressor(&j->sys);
	if (!c)
		return MSPACK_ERR_NOMEMORY;
	struct mscabd_cabinet *cab = c->open(c, packed);
	int r = cab && cab->files ? c->extract(c, cab->files, j->dest) : MSPACK_ERR_SIGNATURE;
	if (cab)
		c->close(c, cab);
	mspack_destroy_cab_decompressor(c);
	return r;
}

static int unpack_szdd(job *j, const char *packed)
{
	struct msszdd_decompressor *c = mspack_create_szdd_decompressor(&j->sys);
	if (!c)
		return MSPACK_ERR_NOMEMORY;
	int r = c->decompress(c, packed, j->dest);
	mspack_destroy_szdd_decompressor(c);
	return r;
}

static int unpack_kwaj(job *j, const char *packed)
{
	struct mskwaj_decompressor *c = mspack_create_kwaj_decompressor(&j->sys);
	if (!c)
		return MSPACK_ERR_NOMEMORY;
	int r = c->decompress(c, packed, j->dest);
	mspack_destroy_kwaj_decompressor(c);
	return r;
}

err sym_unpack(sym_store *s, const char *packed, const char *dest, diag *d)
{
	arena a;
	arena_init(&a);
	char *tmp = arena_printf(&a, "%s.tmp%ld", dest, (long)getpid());
	job j = {.sys = {ms_open, ms_close, ms_read, ms_write, ms_seek, ms_tell, ms_message,
			 ms_alloc, mem_free, ms_copy, NULL},
		.s = s,
		.dest = tmp};
	char head[4] = "";
	FILE *f = fopen(packed, "rb");
	if (f && fread(head, 1, 4, f) != 4)
		head[0] = 0;
	if (f)
		fclose(f);
	int r = !memcmp(head, "MSCF", 4)   ? unpack_cab(&j, packed)
		: !memcmp(head, "SZDD", 4) ? unpack_szdd(&j, packed)
		: !memcmp(head, "KWAJ", 4) ? unpack_kwaj(&j, packed)
					   : MSPACK_ERR_SIGNATURE;
	err e = ERR_OK;
	if (cancelled(s->host.cancel))
		e = diag_set(d, ERR_CANCELLED, "unpacking %s: cancelled", packed);
	else if (j.toobig)
		e = diag_set(d, ERR_LIMIT, "unpacking %s: it grows over 8 GiB", packed);
	else if (r != MSPACK_ERR_OK || j.stop)
		e = diag_set(d, ERR_CORRUPT, "unpacking %s: the file is damaged (%d)", packed, r);
	else if (rename(tmp, dest))
		e = diag_set(d, ERR_IO, "unpacking %s to %s: %s", packed, dest, strerror(errno));
	if (e != ERR_OK)
		unlink(tmp);
	arena_deinit(&a);
	return e;
}

err sym_copy_file(sym_store *s, const char *from, const char *to, diag *d)
{
	if (!strcmp(from, to))
		return ERR_OK;
	arena a;
	arena_init(&a);
	char *tmp = arena_printf(&a, "%s.tmp%ld", to, (long)getpid());
	char *chunk = arena_alloc(&a, UNPACK_CHUNK);
	FILE *in = fopen(from, "rb"), *out = in ? fopen(tmp, "wb") : NULL;
	err e = in && out ? ERR_OK
			  : diag_set(d, ERR_IO, "copying %s to %s: %s", from, to, strerror(errno));
	for (size_t n; e == ERR_OK && (n = fread(chunk, 1, UNPACK_CHUNK, in));) {
		if (cancelled(s->host.cancel))
			e = diag_set(d, ERR_CANCELLED, "copying %s: cancelled", from);
		else if (fwrite(chunk, 1, n, out) != n)
			e = diag_set(d, ERR_IO, "writing %s: %s", to, strerror(errno));
	}
	if (in && ferror(in) && e == ERR_OK)
		e = diag_set(d, ERR_IO, "reading %s: %s", from, strerror(errno));
	if (in)
		fclose(in);
	if (out && fclose(out) && e == ERR_OK)
		e = diag_set(d, ERR_IO, "writing %s: %s", to, strerror(errno));
	if (e == ERR_OK && rename(tmp, to))
		e = diag_set(d, ERR_IO, "writing %s: %s", to, strerror(errno));
	if (e != ERR_OK && out)
		unlink(tmp);
	arena_deinit(&a);
	return e;
}
