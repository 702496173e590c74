/*
 * sym_world: what the tests of the symbol room share: a temporary directory, files in it, packed
 * files made by hand, and a small HTTP server over loopback that serves a directory and misbehaves
 * on request. Included once by each test program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/sys.h"
#include "sym/priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef HELPER
#define HELPER static __attribute__((unused))
#endif

/* ---- directory ---- */

static arena world;
static char *world_dir;

static void world_begin(void)
{
	char tmpl[] = "/tmp/rs-sym-XXXXXX";
	arena_init(&world);
	assert_non_null(mkdtemp(tmpl));
	world_dir = str_z(&world, str_of(tmpl));
	setenv("XDG_CACHE_HOME", arena_printf(&world, "%s/xdg", world_dir), 1);
	setenv("no_proxy", "*", 1);
	unsetenv("_NT_SYMBOL_PATH");
	unsetenv("_NT_ALT_SYMBOL_PATH");
	unsetenv("_NT_EXECUTABLE_IMAGE_PATH");
}

static void world_end(void)
{
	char *sh = arena_printf(&world, "rm -rf '%s'", world_dir);
	assert_int_equal(system(sh), 0);
	arena_deinit(&world);
}

HELPER char *at_world(const char *fmt, ...) PRINTF(1, 2);
HELPER char *at_world(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *rel = arena_vprintf(&world, fmt, ap);
	va_end(ap);
	return arena_printf(&world, "%s/%s", world_dir, rel);
}

HELPER void put_file(const char *path, const void *p, size_t n)
{
	diag d;
	diag_clear(&d);
	str dir = str_take(str_of(path), str_rchr(str_of(path), '/'));
	assert_int_equal(sys_mkdirs(str_z(&world, dir), &d), ERR_OK);
	if (sys_write_file(path, (str){p, n}, &d) != ERR_OK)
		fail_msg("%s", d.text);
}

HELPER void put_text(const char *path, const char *text)
{
	put_file(path, text, strlen(text));
}

HELPER str file_text(const char *path)
{
	str s = {0};
	diag d;
	diag_clear(&d);
	if (sys_read_file(&world, path, 1 << 28, &s, &d) != ERR_OK)
		fail_msg("%s", d.text);
	return s;
}

/* ---- packed files ---- */

/* A cabinet with one file, stored in blocks of 32768 bytes (type 0: no compression). Layout:
 * "Microsoft Cabinet File Format" (MS-CAB): CFHEADER, CFFOLDER, CFFILE, CFDATA. */
HELPER str make_cab(str bytes, const char *name)
{
	size_t blocks = (bytes.n + 32767) / 32768, nlen = strlen(name) + 1;
	size_t data = 36 + 8 + 16 + nlen, total = data + blocks * 8 + bytes.n;
	uint8_t *p = arena_alloc(&world, total);
	memcpy(p, "MSCF", 4);
	put32(p + 8, (uint32_t)total);
	put32(p + 16, 36 + 8); /* offset of the first CFFILE */
	p[24] = 3;
	p[25] = 1;
	put16(p + 26, 1); /* folders */
	put16(p + 28, 1); /* files */
	put32(p + 36, (uint32_t)data);
	put16(p + 40, (uint16_t)blocks);
	put32(p + 44, (uint32_t)bytes.n);
	memcpy(p + 44 + 16, name, nlen);
	uint8_t *q = p + data;
	for (size_t off = 0; off < bytes.n; off += 32768) {
		uint16_t n = (uint16_t)(bytes.n - off < 32768 ? bytes.n - off : 32768);
		put16(q + 4, n);
		put16(q + 6, n);
		memcpy(q + 8, bytes.p + off, n);
		q += 8 + n;
	}
	return (str){(char *)p, total};
}

/* SZDD of literals only: header, missing character, length, then a flag byte 0xff for eight bytes.
 */
HELPER str make_szdd(str bytes)
{
	uint8_t *p = arena_alloc(&world, 14 + bytes.n + bytes.n / 8 + 2);
	memcpy(p, "SZDD\x88\xf0\x27\x33\x41", 9);
	put32(p + 10, (uint32_t)bytes.n);
	size_t o = 14;
	for (size_t i = 0; i < bytes.n; i++) {
		if (i % 8 == 0)
			p[o++] = 0xff;
		p[o++] = (uint8_t)bytes.p[i];
	}
	return (str){(char *)p, o};
}

/* KWAJ, method 0: stored. */
HELPER str make_kwaj(str bytes)
{
	uint8_t *p = arena_alloc(&world, 14 + bytes.n);
	memcpy(p, "KWAJ\x88\xf0\x27\xd1", 8);
	put16(p + 10, 14);
	memcpy(p + 14, bytes.p, bytes.n);
	return (str){(char *)p, 14 + bytes.n};
}

/* ---- HTTP ---- */

typedef struct http {
	int fd, port;
	pthread_t thread;
	atomic_bool stop;
	atomic_int requests, misses; /* of files; misses: answered 404 */
	const char *root;
	char last[1024]; /* last path asked for */
	/* misbehaviour, by a word in the path */
	const char *slow_word;	    /* sends the head and then nothing */
	const char *cut_word;	    /* closes in the middle of the body */
	const char *redirect_word;  /* 302 to the same path under /moved */
	const char *loop_word;	    /* 302 to itself */
	const char *forbidden_word; /* 403 */
	const char *broken_word;    /* 500 */
} http;

static void http_send(int fd, const void *p, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t k = send(fd, (const char *)p + done, n - done, MSG_NOSIGNAL);
		if (k <= 0)
			return;
		done += (size_t)k;
	}
}

static bool has_word(const char *path, const char *word)
{
	return word && strstr(path, word);
}

static void http_serve(http *h, int fd)
{
	char req[4096], path[1024], head[4096], file[4096];
	size_t n = 0;
	while (n + 1 < sizeof req && !memmem(req, n, "\r\n\r\n", 4)) {
		ssize_t k = recv(fd, req + n, sizeof req - 1 - n, 0);
		if (k <= 0)
			return;
		n += (size_t)k;
	}
	req[n] = 0;
	if (sscanf(req, "GET %1000s", path) != 1)
		return;
	atomic_fetch_add(&h->requests, 1);
	snprintf(h->last, sizeof h->last, "%s", path);
	const char *rel = path;
	bool moved = !strncmp(path, "/moved", 6);
	if (moved)
		rel += 6;
	if ((has_word(path, h->redirect_word) && !moved) || has_word(path, h->loop_word)) {
		snprintf(head, sizeof head,
			"HTTP/1.1 302 Found\r\nLocation: "
			"http://127.0.0.1:%d%s%s\r\nContent-Length: 0\r\n"
			"Connection: close\r\n\r\n",
			h->port, has_word(path, h->loop_word) ? "" : "/moved", rel);
		http_send(fd, head, strlen(head));
		return;
	}
	const char *status = has_word(path, h->forbidden_word) ? "403 Forbidden"
			     : has_word(path, h->broken_word)  ? "500 Broken"
							       : NULL;
	snprintf(file, sizeof file, "%s%s", h->root, rel);
	sys_map m = {0};
	if (!status && sys_map_open(file, &m, NULL) != ERR_OK) {
		status = "404 Not Found";
		atomic_fetch_add(&h->misses, 1);
	}
	if (status) {
		snprintf(head, sizeof head,
			"HTTP/1.1 %s\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnope",
			status);
		http_send(fd, head, strlen(head));
		return;
	}
	snprintf(head, sizeof head,
		"HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", m.n);
	http_send(fd, head, strlen(head));
	if (has_word(path, h->slow_word)) {
		http_send(fd, m.p, m.n / 2);
		for (int i = 0; i < 200 && !atomic_load(&h->stop); i++)
			usleep(20000);
	} else {
		http_send(fd, m.p, has_word(path, h->cut_word) ? m.n / 2 : m.n);
	}
	sys_map_close(&m);
}

static void *http_main(void *u)
{
	http *h = u;
	while (!atomic_load(&h->stop)) {
		int fd = accept(h->fd, NULL, NULL);
		if (fd < 0)
			break;
		http_serve(h, fd);
		shutdown(fd, SHUT_RDWR);
		close(fd);
	}
	return NULL;
}

HELPER void http_start(http *h, const char *root)
{
	*h = (http){.root = root};
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	h->fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_true(h->fd >= 0);
	assert_int_equal(bind(h->fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(h->fd, 8), 0);
	assert_int_equal(getsockname(h->fd, (struct sockaddr *)&a, &len), 0);
	h->port = ntohs(a.sin_port);
	assert_int_equal(pthread_create(&h->thread, NULL, http_main, h), 0);
}

HELPER void http_stop(http *h)
{
	atomic_store(&h->stop, true);
	shutdown(h->fd, SHUT_RDWR);
	close(h->fd);
	pthread_join(h->thread, NULL);
}

/* ---- a store that remembers what it said ---- */

typedef struct said {
	buf notes; /* one line each; noisy ones marked with ~ */
	cancel stop;
	unsigned progress;
	uint64_t done, total;
	/* a space of memory, for modules "in a target" */
	const uint8_t *mem;
	size_t mem_n;
	uint64_t mem_base;
	size_t reads;
} said;

HELPER void on_note(void *u, bool noisy, str line)
{
	said *s = u;
	buf_addf(&s->notes, "%s%.*s\n", noisy ? "~" : "", STR_ARG(line));
}

HELPER void on_progress(void *u, str what, uint64_t done, uint64_t total)
{
	said *s = u;
	s->progress++;
	s->done = done;
	s->total = total;
}

HELPER err on_read(void *u, sym_space space, uint64_t addr, void *p, size_t n, size_t *n_ret)
{
	said *s = u;
	if (addr < s->mem_base || addr - s->mem_base >= s->mem_n)
		return ERR_FAULT;
	size_t left = s->mem_n - (addr - s->mem_base);
	*n_ret = n < left ? n : left;
	memcpy(p, s->mem + (addr - s->mem_base), *n_ret);
	s->reads++;
	return ERR_OK;
}

HELPER sym_store *new_store(said *x)
{
	buf_init(&x->notes, 0);
	sym_host h = {x, on_read, on_note, on_progress, &x->stop, NULL, NULL};
	sym_store *s = sym_store_create(&h);
	sym_net_limits(s, 2000, 2000);
	return s;
}
