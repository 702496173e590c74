/*
 * journal: bytes of ours that stand in physical pages, kept in a file so that a session after a
 * crash can mend the pages. One line an entry: connection, physical address, original byte, planted
 * byte.
 *
 * Invariant: an entry is on disk before its byte is in the target, and goes after the byte is out.
 * Traps are taken out lazily, when the target is resumed or left: an entry whose trap was deleted
 * is only retired until then, and taken up again if the trap comes back. A page is mended only if
 * it still holds the planted byte, and only over the connection that it was planted through.
 */
#include "engine/internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { JOURNAL_MAX = 4096, JOURNAL_FILE_MAX = 1 << 20 };

typedef struct entry {
	uint64_t phys;
	uint8_t original, planted;
	bool retired; /* goes with the next settling */
} entry;

struct journal {
	char *path;
	VEC(entry) e;
};

static struct journal *journal_of(engine *e, diag *d)
{
	if (e->journal)
		return e->journal;
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	arena a;
	arena_init(&a);
	char *dir = state && *state ? arena_printf(&a, "%s/ringside", state)
				    : arena_printf(&a, "%s/.local/state/ringside",
					      home && *home ? home : ".");
	struct journal *j = NULL;
	if (sys_mkdirs(dir, d) == ERR_OK) {
		j = mem_alloc(sizeof *j);
		/* The name carries the connection: two sessions on two machines never mix. */
		j->path = mem_strdup(arena_printf(&a, "%s/planted-%016llx", dir,
			(unsigned long long)hash_bytes(
				e->connect_options.p, e->connect_options.n)));
	}
	arena_deinit(&a);
	e->journal = j;
	return j;
}

static err store(struct journal *j, diag *d)
{
	buf b;
	buf_init(&b, JOURNAL_FILE_MAX);
	for (size_t i = 0; i < j->e.n; i++)
		buf_addf(&b, "%llx %02x %02x\n", (unsigned long long)j->e.p[i].phys,
			j->e.p[i].original, j->e.p[i].planted);
	err r = ERR_OK;
	if (b.n)
		r = sys_write_file(j->path, buf_str(&b), d);
	else
		unlink(j->path);
	buf_deinit(&b);
	return r;
}

err journal_add(engine *e, uint64_t phys, uint8_t original, uint8_t planted, diag *d)
{
	struct journal *j = journal_of(e, d);
	if (!j)
		return ERR_IO;
	if (j->e.n >= JOURNAL_MAX)
		return diag_set(
			d, ERR_LIMIT, "at most %d bytes can stand in physical pages", JOURNAL_MAX);
	for (size_t i = 0; i < j->e.n; i++) {
		entry *x = &j->e.p[i];
		if (x->phys == phys && x->retired && x->original == original &&
			x->planted == planted) {
			x->retired = false;
			return ERR_OK; /* the file says so still */
		}
	}
	vec_push(&j->e, (entry){.phys = phys, .original = original, .planted = planted});
	return store(j, d);
}

void journal_retire(engine *e, uint64_t phys)
{
	struct journal *j = e->journal;
	for (size_t i = 0; j && i < j->e.n; i++)
		if (j->e.p[i].phys == phys && !j->e.p[i].retired) {
			j->e.p[i].retired = true;
			return;
		}
}

void journal_settle(engine *e)
{
	struct journal *j = e->journal;
	size_t kept = 0;
	for (size_t i = 0; j && i < j->e.n; i++)
		if (!j->e.p[i].retired)
			j->e.p[kept++] = j->e.p[i];
	if (!j || kept == j->e.n)
		return;
	j->e.n = kept;
	(void)!store(j, NULL);
}

void journal_forget(engine *e)
{
	struct journal *j = e->journal;
	if (!j)
		return;
	j->e.n = 0;
	unlink(j->path);
}

void journal_del(engine *e, uint64_t phys)
{
	struct journal *j = e->journal;
	for (size_t i = 0; j && i < j->e.n; i++)
		if (j->e.p[i].phys == phys) {
			vec_remove(&j->e, i);
			(void)!store(j, NULL);
			return;
		}
}

err journal_repair(engine *e, size_t *n_ret, diag *d)
{
	struct journal *j = journal_of(e, d);
	arena a;
	str text;
	size_t mended = 0;

	*n_ret = 0;
	if (!j || !sys_is_file(j->path))
		return ERR_OK;
	arena_init(&a);
	err r = sys_read_file(&a, j->path, JOURNAL_FILE_MAX, &text, d);
	while (r == ERR_OK && text.n) {
		size_t nl = str_chr(text, '\n');
		str line = str_take(text, nl == SIZE_MAX ? text.n : nl);
		text = str_skip(text, line.n + 1);
		uint64_t phys, original, planted;
		uint8_t now;
		size_t got = 0;
		if (!str_u64(str_word(&line), 16, &phys) ||
			!str_u64(str_word(&line), 16, &original) ||
			!str_u64(str_word(&line), 16, &planted) || original > 255 || planted > 255)
			continue; /* a damaged line mends nothing */
		if (tgt_read(e->t, as_phys(), phys, &now, 1, &got, NULL) != ERR_OK || !got ||
			now != planted)
			continue;
		now = (uint8_t)original;
		if (tgt_write(e->t, as_phys(), phys, &now, 1, &got, d) == ERR_OK)
			mended++;
	}
	arena_deinit(&a);
	*n_ret = mended;
	return r;
}

void journal_destroy(engine *e)
{
	if (!e->journal)
		return;
	vec_deinit(&e->journal->e);
	mem_free(e->journal->path);
	mem_free(e->journal);
	e->journal = NULL;
}
