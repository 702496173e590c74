/*
 * net: one file from a symbol server by libcurl. Downloads go to a temporary beside the destination
 * and are renamed when whole. The user's cancel is looked at every 50 ms, also while a server is
 * silent.
 *
 * Refuses to follow anywhere but to http and https, more than 5 redirects, or more than 8 GiB.
 *
 * libcurl is loaded at the first download: it and the thirty libraries that it needs cost more
 * than all the rest of a start, and most sessions find their symbols on disk.
 */
#include "sym/priv.h"

#define CURL_DISABLE_TYPECHECK /* calls go through pointers */
#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define CURL_CALLS(X)                                                                              \
	X(easy_init)                                                                               \
	X(easy_cleanup) X(easy_setopt) X(easy_getinfo) X(easy_strerror) X(multi_init)              \
		X(multi_cleanup) X(multi_add_handle) X(multi_remove_handle) X(multi_perform)       \
			X(multi_info_read) X(multi_poll)

struct sym_net {
	CURLM *multi; /* kept: its connections are reused */
#define X(name) __typeof__(curl_##name) *name;
	CURL_CALLS(X)
#undef X
};

typedef struct xfer {
	sym_store *s;
	const sym_net *c;
	CURL *h;
	FILE *f;
	str what;
	uint64_t done, last_ms;
	bool toobig, write_failed;
} xfer;

#define NET_MAX ((uint64_t)8 << 30)

void sym_net_destroy(sym_net *n)
{
	if (!n)
		return;
	n->multi_cleanup(n->multi);
	mem_free(n); /* the library stays: its own threads and atexit functions may outlive us */
}

static err net_create(sym_net **ret, diag *d)
{
	static const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4", "libcurl.so"};
	void *lib = NULL;
	for (size_t i = 0; i < ARRAY_LEN(names) && !lib; i++)
		lib = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
	if (!lib)
		return diag_set(d, ERR_UNSUPPORTED, "downloads need libcurl: %s", dlerror());
	sym_net n = {0};
	bool all = true;
#define X(name)                                                                                    \
	*(void **)&n.name = dlsym(lib, "curl_" #name);                                             \
	all &= n.name != NULL;
	CURL_CALLS(X)
#undef X
	if (!all || !(n.multi = n.multi_init())) {
		dlclose(lib);
		return diag_set(d, ERR_IO, all ? "libcurl does not start" : "libcurl is too old");
	}
	*ret = mem_alloc(sizeof **ret);
	**ret = n;
	return ERR_OK;
}

static size_t on_bytes(char *p, size_t size, size_t n, void *u)
{
	xfer *x = u;
	n *= size;
	x->done += n;
	if (x->done > NET_MAX) {
		x->toobig = true;
		return 0;
	}
	if (fwrite(p, 1, n, x->f) != n) {
		x->write_failed = true;
		return 0;
	}
	return n;
}

static void progress(xfer *x, bool last)
{
	uint64_t now = sys_now_ms();
	if (!x->s->host.progress || (!last && now - x->last_ms < 100))
		return;
	x->last_ms = now;
	curl_off_t total = 0;
	x->c->easy_getinfo(x->h, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &total);
	if (x->done || last)
		x->s->host.progress(
			x->s->host.u, x->what, x->done, total > 0 ? (uint64_t)total : 0);
}

static void setup(xfer *x, const char *url)
{
	CURL *h = x->h;
	const sym_net *c = x->c;
	c->easy_setopt(h, CURLOPT_URL, url);
	c->easy_setopt(h, CURLOPT_WRITEFUNCTION, on_bytes);
	c->easy_setopt(h, CURLOPT_WRITEDATA, x);
	c->easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	c->easy_setopt(h, CURLOPT_FOLLOWLOCATION, 1L);
	c->easy_setopt(h, CURLOPT_MAXREDIRS, 5L);
	c->easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
	c->easy_setopt(h, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	c->easy_setopt(h, CURLOPT_FAILONERROR, 1L);
	c->easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)x->s->net_connect_ms);
	/* Servers of symbols know clients by this product name. */
	c->easy_setopt(h, CURLOPT_USERAGENT, "Microsoft-Symbol-Server/10.0.0.0 (Ringside)");
	c->easy_setopt(h, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)NET_MAX);
}

/* Runs the transfer; ERR_TIMEOUT when nothing came for net_stall_ms. */
static err run(sym_net *n, xfer *x, CURLcode *code)
{
	uint64_t last = sys_now_ms(), seen = 0;
	for (;;) {
		int running = 0, queued;
		if (n->multi_perform(n->multi, &running) != CURLM_OK)
			return ERR_IO;
		for (CURLMsg *m; (m = n->multi_info_read(n->multi, &queued));)
			if (m->msg == CURLMSG_DONE && m->easy_handle == x->h) {
				*code = m->data.result;
				return ERR_OK;
			}
		if (cancelled(x->s->host.cancel))
			return ERR_CANCELLED;
		if (x->done != seen) {
			seen = x->done;
			last = sys_now_ms();
		} else if (sys_now_ms() - last > x->s->net_stall_ms) {
			return ERR_TIMEOUT;
		}
		progress(x, false);
		if (!running)
			return ERR_IO;
		n->multi_poll(n->multi, NULL, 0, 50, NULL);
	}
}

static err verdict(xfer *x, const char *url, CURLcode code, diag *d)
{
	long http = 0;
	x->c->easy_getinfo(x->h, CURLINFO_RESPONSE_CODE, &http);
	if (code == CURLE_OK)
		return ERR_OK;
	if (x->toobig || code == CURLE_FILESIZE_EXCEEDED)
		return diag_set(d, ERR_LIMIT, "%s: larger than 8 GiB", url);
	if (x->write_failed)
		return diag_set(d, ERR_IO, "%s: writing the download: %s", url, strerror(errno));
	if (code == CURLE_HTTP_RETURNED_ERROR) {
		/* 4xx is an answer: no such file here. 401 and 403 too: asking again won't help. */
		err e = http >= 400 && http < 500 && http != 408 && http != 429 ? ERR_NOTFOUND
										: ERR_IO;
		return diag_set(d, e, "%s - the server answered %ld", url, http);
	}
	return diag_set(d, code == CURLE_OPERATION_TIMEDOUT ? ERR_TIMEOUT : ERR_IO, "%s - %s", url,
		x->c->easy_strerror(code));
}

err sym_net_get(sym_store *s, const char *url, const char *dest, str what, diag *d)
{
	if (!s->net)
		TRY(net_create(&s->net, d));
	arena a;
	arena_init(&a);
	char *tmp = arena_printf(&a, "%s.tmp%ld", dest, (long)getpid());
	xfer x = {
		.s = s, .c = s->net, .h = s->net->easy_init(), .what = what, .f = fopen(tmp, "wb")};
	err e = ERR_OK;
	if (!x.h)
		e = diag_set(d, ERR_IO, "%s - libcurl does not start", url);
	else if (!x.f)
		e = diag_set(d, ERR_IO, "writing %s: %s", tmp, strerror(errno));
	if (e == ERR_OK) {
		CURLcode code = CURLE_OK;
		setup(&x, url);
		s->net->multi_add_handle(s->net->multi, x.h);
		e = run(s->net, &x, &code);
		if (e == ERR_OK)
			e = verdict(&x, url, code, d);
		else if (e == ERR_CANCELLED)
			diag_set(d, e, "%s - cancelled", url);
		else
			diag_set(d, e, "%s - %s", url,
				e == ERR_TIMEOUT ? "the server stopped answering"
						 : "the transfer failed");
		s->net->multi_remove_handle(s->net->multi, x.h);
		if (e == ERR_OK)
			progress(&x, true);
	}
	if (x.h)
		s->net->easy_cleanup(x.h);
	if (x.f && fclose(x.f) && e == ERR_OK)
		e = diag_set(d, ERR_IO, "writing %s: %s", tmp, strerror(errno));
	if (e == ERR_OK && rename(tmp, dest))
		e = diag_set(d, ERR_IO, "writing %s: %s", dest, strerror(errno));
	if (e != ERR_OK && x.f)
		unlink(tmp);
	arena_deinit(&a);
	return e;
}
