/*
 * kd_file: serves the target's file requests (.kdfiles: host files in place of target drivers). See
 * kd_int.h.
 *
 * Only files that the owner maps can be opened, and only for reading. Every request is answered,
 * the refused ones with a status that makes the kernel take its own file.
 */
#include "target/kd/kd_int.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_MAX_HOST = 4096, NAME_UNITS_MAX = 1024 };

void kd_files_init(kd *k)
{
	for (size_t i = 0; i < KD_FILES_MAX; i++)
		k->files[i].fd = -1;
	k->next_file = 1;
}

void kd_files_close(kd *k)
{
	for (size_t i = 0; i < KD_FILES_MAX; i++) {
		if (k->files[i].fd >= 0)
			close(k->files[i].fd);
		k->files[i].fd = -1;
	}
}

static kd_file *by_handle(kd *k, uint64_t handle)
{
	for (size_t i = 0; i < KD_FILES_MAX; i++)
		if (k->files[i].fd >= 0 && k->files[i].handle == handle)
			return &k->files[i];
	return NULL;
}

static uint32_t create(kd *k, kd_file_io *f)
{
	char path[PATH_MAX_HOST];
	arena a;
	size_t units = f->n / 2;
	kd_file *slot = NULL;
	struct stat st;

	if (units > NAME_UNITS_MAX)
		units = NAME_UNITS_MAX;
	for (size_t i = 0; i < units; i++)
		if (!le16(f->data + 2 * i))
			units = i;
	for (size_t i = 0; i < KD_FILES_MAX && !slot; i++)
		if (k->files[i].fd < 0)
			slot = &k->files[i];
	if (!slot || !k->t.host.file_map)
		return KD_STATUS_NO_FILE;
	arena_init(&a);
	str name = str_from_utf16(&a, f->data, units);
	bool mapped = k->t.host.file_map(k->t.host.u, name, path, sizeof path);
	int fd = mapped ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	uint32_t status = KD_STATUS_NO_FILE;
	if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode)) {
		*slot = (kd_file){fd, k->next_file++, (uint64_t)st.st_size};
		f->handle = slot->handle;
		f->length = slot->size;
		status = 0;
		kd_notice(k, "KD: the target takes %.*s from %s.", STR_ARG(name), path);
	} else if (mapped) {
		if (fd >= 0)
			close(fd);
		kd_notice(k, "KD: %s cannot be read; the target keeps its own %.*s.", path,
			STR_ARG(name));
	}
	arena_deinit(&a);
	return status;
}

static uint32_t read_piece(kd *k, kd_file_io *f, uint8_t *b, size_t cap, size_t *n)
{
	kd_file *file = by_handle(k, f->handle);
	if (!file)
		return KD_STATUS_INVALID;
	if (f->offset >= file->size)
		return KD_STATUS_EOF;
	size_t want = f->length < cap ? (size_t)f->length : cap;
	ssize_t got = pread(file->fd, b, want, (off_t)f->offset);
	if (got < 0)
		return KD_STATUS_UNSUCCESSFUL;
	if (!got && want)
		return KD_STATUS_EOF;
	*n = (size_t)got;
	f->length = (uint64_t)got;
	return 0;
}

void kd_file_packet(kd *k, const uint8_t *p, size_t n)
{
	kd_file_io f;
	uint8_t head[KD_FILE_IO_SIZE], b[KD_FILE_DATA_MAX];
	size_t len = 0;
	if (kd_file_io_unpack(p, n, &f) != ERR_OK) {
		kd_notice(k, "A file request of %zu bytes does not decode; it is not answered.", n);
		return;
	}
	switch (f.api) {
	case KD_FILE_CREATE:
		f.status = create(k, &f);
		break;
	case KD_FILE_READ:
		f.status = read_piece(k, &f, b, sizeof b, &len);
		break;
	case KD_FILE_CLOSE: {
		kd_file *file = by_handle(k, f.handle);
		f.status = file ? 0 : KD_STATUS_INVALID;
		if (file) {
			close(file->fd);
			file->fd = -1;
		}
		break;
	}
	default:
		f.status = KD_STATUS_DENIED;
		break;
	}
	if (f.status && f.api == KD_FILE_READ)
		f.length = 0;
	kd_file_io_pack(&f, head);
	kdp_drop(&k->p);
	kdp_send(&k->p, KD_T_FILE_IO, head, sizeof head, b, len, sys_now_us());
}
