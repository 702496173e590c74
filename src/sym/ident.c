/*
 * ident: which PDB an image has, remembered from session to session: (image name, timestamp, size,
 * checksum) -> (GUID, age, PDB name, where it was found). A module seen before then needs no read
 * of the target to find its symbols.
 *
 * `identities` in the symbol cache directory is a text file that only grows by whole lines (one
 * write each, so that several debuggers can share it). Each line carries a hash of itself; a line
 * that does not verify means the file is damaged, and the whole file is dropped: it is only a
 * cache. Behind IDENTS_MAX lines it is started anew.
 */
#include "sym/priv.h"

#include <fcntl.h>
#include <unistd.h>

enum { IDENTS_MAX = 8192, IDENTS_BYTES_MAX = 8 << 20, IDENT_LINE_MAX = 4096 };

struct sym_idents {
	arena a;
	char *file; /* NULL: kept in memory only */
	bool read;
	map by_key; /* -> sym_identity; a later line wins */
	size_t lines;
};

sym_idents *sym_idents_create(str dir)
{
	sym_idents *x = mem_alloc(sizeof *x);
	arena_init(&x->a);
	map_init_fold(&x->by_key);
	if (dir.n)
		x->file = arena_printf(&x->a, "%.*s/identities", STR_ARG(dir));
	return x;
}

void sym_idents_destroy(sym_idents *x)
{
	if (!x)
		return;
	map_deinit(&x->by_key);
	arena_deinit(&x->a);
	mem_free(x);
}

static str key_of(arena *a, str image, uint32_t timestamp, uint32_t size, uint32_t checksum)
{
	return str_printf(a, "%.*s/%x/%x/%x", STR_ARG(image), timestamp, size, checksum);
}

static bool field(str *rest, str *ret)
{
	size_t tab = str_chr(*rest, '\t');
	*ret = str_take(*rest, tab);
	*rest = tab == SIZE_MAX ? (str){0} : str_skip(*rest, tab + 1);
	return tab != SIZE_MAX;
}

static bool hex_field(str *rest, uint32_t *ret)
{
	str f;
	uint64_t v;
	if (!field(rest, &f) || !str_u64(f, 16, &v) || v > UINT32_MAX)
		return false;
	*ret = (uint32_t)v;
	return true;
}

/* hash TAB image TAB timestamp TAB size TAB checksum TAB guid TAB age TAB pdb TAB path */
static bool parse_line(sym_idents *x, str line, sym_identity *id)
{
	str hash, guid;
	uint64_t want;
	if (!field(&line, &hash) || !str_u64(hash, 16, &want) || hash_bytes(line.p, line.n) != want)
		return false;
	*id = (sym_identity){0};
	if (!field(&line, &id->image) || !hex_field(&line, &id->timestamp) ||
		!hex_field(&line, &id->size) || !hex_field(&line, &id->checksum) ||
		!field(&line, &guid) || guid.n != 32 || !hex_field(&line, &id->age) ||
		!field(&line, &id->pdb))
		return false;
	for (size_t i = 0; i < 16; i++) {
		uint64_t b;
		if (!str_u64((str){guid.p + 2 * i, 2}, 16, &b))
			return false;
		id->guid[i] = (uint8_t)b;
	}
	id->image = str_dup(&x->a, id->image);
	id->pdb = str_dup(&x->a, id->pdb);
	id->path = str_dup(&x->a, line);
	return true;
}

static void keep(sym_idents *x, const sym_identity *id)
{
	str key = key_of(&x->a, id->image, id->timestamp, id->size, id->checksum);
	sym_identity *copy = arena_dup(&x->a, id, sizeof *id);
	map_sets(&x->by_key, key, copy);
	x->lines++;
}

bool sym_idents_read(sym_idents *x, str text)
{
	bool good = true;
	while (good && text.n) {
		size_t nl = str_chr(text, '\n');
		sym_identity id;
		good = nl != SIZE_MAX && x->lines < IDENTS_MAX &&
		       parse_line(x, str_take(text, nl), &id);
		if (good) {
			keep(x, &id);
			text = str_skip(text, nl + 1);
		}
	}
	if (!good) {
		map_clear(&x->by_key);
		x->lines = 0;
	}
	return good;
}

static void read_once(sym_idents *x)
{
	if (x->read || !x->file)
		return;
	x->read = true;
	arena tmp;
	arena_init(&tmp);
	str text;
	if (sys_is_file(x->file) &&
		(sys_read_file(&tmp, x->file, IDENTS_BYTES_MAX, &text, NULL) != ERR_OK ||
			!sym_idents_read(x, text)))
		unlink(x->file);
	arena_deinit(&tmp);
}

bool sym_idents_find(sym_idents *x, str image, uint32_t timestamp, uint32_t size, uint32_t checksum,
	sym_identity *ret)
{
	if (!timestamp || !size || !image.n)
		return false;
	read_once(x);
	arena tmp;
	arena_init(&tmp);
	const sym_identity *id =
		map_gets(&x->by_key, key_of(&tmp, image, timestamp, size, checksum));
	arena_deinit(&tmp);
	if (!id)
		return false;
	*ret = *id;
	return true;
}

static bool clean(str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20)
			return false;
	return true;
}

void sym_idents_add(sym_idents *x, const sym_identity *id)
{
	sym_identity old;
	if (!id->timestamp || !id->size || !id->image.n || !clean(id->image) || !clean(id->pdb) ||
		!clean(id->path))
		return;
	if (sym_idents_find(x, id->image, id->timestamp, id->size, id->checksum, &old) &&
		!memcmp(old.guid, id->guid, 16) && old.age == id->age && str_eq(old.path, id->path))
		return;
	buf b;
	buf_init(&b, IDENT_LINE_MAX);
	buf_addf(&b, "%.*s\t%x\t%x\t%x\t", STR_ARG(id->image), id->timestamp, id->size,
		id->checksum);
	for (size_t i = 0; i < 16; i++)
		buf_addf(&b, "%02x", id->guid[i]);
	buf_addf(&b, "\t%x\t%.*s\t%.*s", id->age, STR_ARG(id->pdb), STR_ARG(id->path));
	if (!b.toobig) {
		sym_identity mine = *id;
		mine.image = str_dup(&x->a, id->image);
		mine.pdb = str_dup(&x->a, id->pdb);
		mine.path = str_dup(&x->a, id->path);
		keep(x, &mine);
	}
	if (!b.toobig && x->file) {
		arena tmp;
		arena_init(&tmp);
		str line = str_printf(&tmp, "%016llx\t%.*s\n",
			(unsigned long long)hash_bytes(b.p, b.n), STR_ARG(buf_str(&b)));
		str dir = str_take(str_of(x->file), str_rchr(str_of(x->file), '/'));
		int flags = O_WRONLY | O_CREAT | O_CLOEXEC |
			    (x->lines > IDENTS_MAX ? O_TRUNC : O_APPEND);
		if (x->lines > IDENTS_MAX)
			x->lines = 1;
		int fd = sys_mkdirs(str_z(&tmp, dir), NULL) == ERR_OK ? open(x->file, flags, 0666)
								      : -1;
		/* a short write leaves a line that does not verify: dropped at the next start */
		if (fd >= 0 && write(fd, line.p, line.n) < 0)
			unlink(x->file);
		if (fd >= 0)
			close(fd);
		arena_deinit(&tmp);
	}
	buf_deinit(&b);
}
