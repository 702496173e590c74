/* mem_file: .writemem and .readmem: memory to and from files of this host, byte for byte. */
#include "cmd/memory.h"

#include <errno.h>
#include <stdio.h>

/* File name (quoted if it holds blanks) and range. */
static err file_and_range(cmd *c, cmd_call *call, char **path, cmd_range *r)
{
	str rest = str_trim(call->args), name;
	if (rest.n && rest.p[0] == '"')
		TRY(cmd_arg_quoted(c, &rest, false, &name));
	else
		name = str_word(&rest);
	rest = str_trim(rest);
	if (!name.n || !rest.n)
		return cmd_fail(c, ERR_SYNTAX, "%s needs a file and a range", call->row->name);
	*path = str_z(&c->a, name);
	TRY(cmd_arg_range(c, &rest, 1, 1, 0, r));
	TRY(cmd_arg_end(c, rest));
	if (!r->has_count)
		return cmd_fail(
			c, ERR_SYNTAX, "%s needs a range: Address L Count", call->row->name);
	return ERR_OK;
}

static err io_failed(cmd *c, const char *what, const char *path)
{
	return cmd_fail(c, ERR_IO, "%s %s: %s", what, path, strerror(errno));
}

static err to_file(cmd *c, FILE *f, const char *path, const cmd_range *r)
{
	uint8_t *chunk = arena_alloc(&c->a, MEM_CHUNK);
	for (uint64_t done = 0; done < r->bytes;) {
		size_t n = r->bytes - done < MEM_CHUNK ? (size_t)(r->bytes - done) : MEM_CHUNK;
		if (cancelled(&c->e->cancel))
			return ERR_CANCELLED;
		TRY(eng_read_all(c->e, r->addr + done, chunk, n, &c->d));
		if (fwrite(chunk, 1, n, f) != n)
			return io_failed(c, "writing", path);
		done += n;
	}
	return ERR_OK;
}

static err cmd_writemem(cmd *c, cmd_call *call)
{
	char *path;
	cmd_range r;
	TRY(file_and_range(c, call, &path, &r));
	FILE *f = fopen(path, "wb");
	if (!f)
		return io_failed(c, "opening", path);
	out(c->e, "Writing %llx bytes", (unsigned long long)r.bytes);
	err e = to_file(c, f, path, &r);
	if (fclose(f) && e == ERR_OK)
		e = io_failed(c, "writing", path);
	out(c->e, e == ERR_OK ? "..\n" : "\n");
	/* Half a file would pass for the whole. */
	if (e != ERR_OK)
		remove(path);
	return e;
}

static err from_file(cmd *c, FILE *f, const char *path, const cmd_range *r)
{
	uint8_t *chunk = arena_alloc(&c->a, MEM_CHUNK);
	for (uint64_t done = 0; done < r->bytes;) {
		size_t n = r->bytes - done < MEM_CHUNK ? (size_t)(r->bytes - done) : MEM_CHUNK;
		if (cancelled(&c->e->cancel))
			return ERR_CANCELLED;
		size_t got = fread(chunk, 1, n, f);
		if (ferror(f))
			return io_failed(c, "reading", path);
		if (got)
			TRY(eng_write(c->e, r->addr + done, chunk, got, &c->d));
		done += got;
		if (got < n)
			return cmd_fail(c, ERR_IO, "%s ends after 0x%llx bytes", path,
				(unsigned long long)done);
	}
	return ERR_OK;
}

static err cmd_readmem(cmd *c, cmd_call *call)
{
	char *path;
	cmd_range r;
	TRY(file_and_range(c, call, &path, &r));
	FILE *f = fopen(path, "rb");
	if (!f)
		return io_failed(c, "opening", path);
	out(c->e, "Reading %llx bytes", (unsigned long long)r.bytes);
	err e = from_file(c, f, path, &r);
	fclose(f);
	out(c->e, e == ERR_OK ? "..\n" : "\n");
	return e;
}

static const cmd_row rows[] = {
	{".writemem", ".writemem FileName Range", "Write memory to a file",
		"Copies the memory of Range to the file as it is. A file name with blanks stands "
		"in quotes. If "
		"part of Range cannot be read no file is left behind.",
		CMD_ANY | CMD_TARGET, cmd_writemem},
	{".readmem", ".readmem FileName Range", "Read memory from a file",
		"Copies as many bytes of the file as Range holds to the target's memory. A file "
		"name with "
		"blanks stands in quotes.",
		CMD_ANY | CMD_TARGET, cmd_readmem},
};

const cmd_family cmd_family_mem_file = {"Memory and files", rows, ARRAY_LEN(rows)};
