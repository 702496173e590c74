/* sym: the symbol path - grammar, directories, stores, packed files, pointers, servers, hostile
 * names. */
#include "sym_world.h"

static void grammar(void **state)
{
	static const struct {
		const char *path, *want; /* kind letter, then stores */
	} rows[] = {
		{"", ""},
		{"/a", "D /a"},
		{"/a/;/b", "D /a|D /b"},
		{" /a ; ;/b ", "D /a|D /b"},
		{"\"/a b\"", "D /a b"},
		{"C:\\sym\\", "D C:/sym"},
		{"\\\\srv\\share\\", "D //srv/share"},
		{"cache*", "C CACHE"},
		{"cache*;/x", "C CACHE|D /x"},
		{"cache*/c;srv*", "C /c|S https://msdl.microsoft.com/download/symbols"},
		{"srv*", "S https://msdl.microsoft.com/download/symbols"},
		{"SRV*/a", "S /a"},
		{"srv*/a*https://h/s", "S /a https://h/s"},
		{"srv**https://h/s", "S CACHE https://h/s"},
		{"srv*/a**https://h/s/", "S /a CACHE https://h/s/"},
		{"srv*/a*/b*http://h", "S /a /b http://h"},
		{"symsrv*symsrv.dll*/a*https://h", "S /a https://h"},
		{"symsrv*symsrv.dll", "S https://msdl.microsoft.com/download/symbols"},
		{"srv*c:\\a*\\\\h\\s", "S c:/a //h/s"},
		{"https://h/s", "S https://h/s"},
		{"srv*1*2*3*4*5*6*7*8*9*10*11*12", "S 1 2 3 4 5 6 7 8 9 10"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		sym_elems p;
		buf b;
		buf_init(&b, 0);
		sym_elems_parse(&p, str_of(rows[i].path), STR("CACHE"));
		for (size_t k = 0; k < p.n; k++) {
			buf_addf(&b, "%s%c", k ? "|" : "", "DSC"[p.e[k].kind]);
			for (size_t j = 0; j < p.e[k].n; j++)
				buf_addf(&b, " %.*s", STR_ARG(p.e[k].store[j]));
		}
		if (!str_eq(buf_str(&b), str_of(rows[i].want)))
			fail_msg("%s: %s, wanted %s", rows[i].path, buf_z(&b), rows[i].want);
		buf_deinit(&b);
		sym_elems_deinit(&p);
	}
	/* bounded */
	buf many;
	buf_init(&many, 0);
	for (int i = 0; i < 200; i++)
		buf_addz(&many, "/a;");
	sym_elems p;
	sym_elems_parse(&p, buf_str(&many), STR("CACHE"));
	assert_int_equal(p.n, SYM_PATH_ELEMS_MAX);
	assert_int_equal(p.dropped, 200 - SYM_PATH_ELEMS_MAX);
	sym_elems_deinit(&p);
	buf_deinit(&many);
}

static void names(void **state)
{
	static const char *const bad[] = {
		"", ".", "..", "a/b", "a\\b", "..\\x", "c:x", "a\nb", "a\x7f", "a*", "a?b"};
	static const char *const good[] = {"ntkrnlmp.pdb", "a b.pdb", "..a", "x", "\xc3\xa4.pdb"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (sym_file_name_ok(str_of(bad[i])))
			fail_msg("'%s' accepted", bad[i]);
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(sym_file_name_ok(str_of(good[i])));
	char big[300];
	memset(big, 'a', sizeof big);
	assert_false(sym_file_name_ok((str){big, sizeof big}));
	assert_true(sym_file_name_ok((str){big, 255}));
}

/* The environment's two paths are joined; what is set replaces them. */
static void environment(void **state)
{
	said x = {0};
	world_begin();
	setenv("_NT_SYMBOL_PATH", "/two", 1);
	setenv("_NT_ALT_SYMBOL_PATH", "/one", 1);
	sym_store *s = new_store(&x);
	assert_true(str_eq(sym_path(s), STR("/one;/two")));
	sym_path_set(s, STR("cache*;srv*;/nowhere-at-all"));
	buf b;
	buf_init(&b, 0);
	sym_path_expanded(s, &b);
	assert_string_equal(buf_z(&b),
		arena_printf(&world,
			"cache*%s/xdg/ringside/sym;"
			"SRV*https://msdl.microsoft.com/download/symbols;/nowhere-at-all",
			world_dir));
	buf_clear(&b);
	sym_path_expand(s, &b);
	assert_non_null(strstr(buf_z(&b), "/nowhere-at-all  - no such directory"));
	buf_deinit(&b);
	sym_store_destroy(s);
	buf_deinit(&x.notes);
	world_end();
}

/* Accepts files that hold the wanted text. */
typedef struct taker {
	const char *text;
	char path[1024];
	bool from_store;
	int asked;
} taker;

static bool take(void *u, const char *path, bool from_store)
{
	taker *t = u;
	t->asked++;
	str got;
	arena a;
	arena_init(&a);
	bool ok = sys_read_file(&a, path, 1 << 28, &got, NULL) == ERR_OK &&
		  str_eq(got, str_of(t->text));
	arena_deinit(&a);
	if (ok) {
		snprintf(t->path, sizeof t->path, "%s", path);
		t->from_store = from_store;
	}
	return ok;
}

#define ID "0123456789ABCDEF0123456789ABCDEF1"

static err locate_ext(
	sym_store *s, const char *name, const char *id, const char *ext, const char *text, taker *t)
{
	*t = (taker){.text = text};
	sym_want w = {
		.name = str_of(name), .id = str_of(id), .ext = str_of(ext), .accept = take, .u = t};
	diag d;
	diag_clear(&d);
	return sym_path_locate(s, &w, &d);
}

static err locate(sym_store *s, const char *name, const char *text, taker *t)
{
	return locate_ext(s, name, ID, "sys", text, t);
}

static void directories(void **state)
{
	said x = {0};
	taker t;
	world_begin();
	sym_store *s = new_store(&x);
	put_text(at_world("d/symbols/sys/a.pdb"), "one");
	put_text(at_world("d/sys/b.pdb"), "two");
	put_text(at_world("d/C.PDB"), "three");
	put_text(at_world("d/d.pdb/" ID "/d.pdb"), "four");
	sym_path_set(s, str_of(at_world("d")));
	assert_int_equal(locate(s, "a.pdb", "one", &t), ERR_OK);
	assert_string_equal(t.path, at_world("d/symbols/sys/a.pdb"));
	assert_int_equal(locate(s, "b.pdb", "two", &t), ERR_OK);
	assert_int_equal(locate(s, "c.pdb", "three", &t), ERR_OK); /* case does not count */
	assert_string_equal(t.path, at_world("d/C.PDB"));
	assert_int_equal(locate(s, "d.pdb", "four", &t), ERR_OK);
	assert_true(t.from_store);
	/* the order: symbols\EXT, EXT, the directory itself; a wrong file does not end the search
	 */
	put_text(at_world("d/sys/a.pdb"), "later");
	assert_int_equal(locate(s, "a.pdb", "later", &t), ERR_OK);
	assert_int_equal(t.asked, 2);
	assert_int_equal(locate(s, "nothing.pdb", "x", &t), ERR_NOTFOUND);
	assert_int_equal(t.asked, 0);
	assert_int_equal(locate(s, "../d/C.PDB", "three", &t), ERR_CORRUPT);
	/* an id that is no id is not made part of a path */
	assert_int_equal(locate_ext(s, "d.pdb", "../../d", "", "four", &t), ERR_NOTFOUND);
	/* Windows separators in the path; several elements, left to right */
	char *win = at_world("d");
	for (char *p = win; *p; p++)
		if (*p == '/')
			*p = '\\';
	sym_path_set(s, str_of(arena_printf(&world, "/nowhere;%s", win)));
	assert_int_equal(locate(s, "b.pdb", "two", &t), ERR_OK);
	sym_store_destroy(s);
	buf_deinit(&x.notes);
	world_end();
}

static void stores(void **state)
{
	said x = {0};
	taker t;
	world_begin();
	sym_store *s = new_store(&x);
	/* three stores in a chain: what is found in the last is copied to both others */
	put_text(at_world("m/e.pdb/" ID "/e.pdb"), "five");
	sym_path_set(s, str_of(arena_printf(&world, "srv*%s*%s*%s", at_world("c1"), at_world("c2"),
				at_world("m"))));
	assert_int_equal(locate(s, "e.pdb", "five", &t), ERR_OK);
	assert_string_equal(t.path, at_world("c1/e.pdb/" ID "/e.pdb"));
	assert_true(sys_is_file(at_world("c2/e.pdb/" ID "/e.pdb")));
	/* two tiers; ids compare without case */
	put_text(at_world("two/index2.txt"), "");
	put_text(at_world("two/fo/foo.pdb/0123456789abcdef0123456789abcdef1/foo.pdb"), "six");
	sym_path_set(s, str_of(arena_printf(&world, "srv*%s", at_world("two"))));
	assert_int_equal(locate(s, "foo.pdb", "six", &t), ERR_OK);
	/* packed: cabinet, SZDD, KWAJ; unpacked into the nearest store, kept packed in the middle
	 */
	str cab = make_cab(STR("seven"), "g.pdb");
	put_file(at_world("m/g.pdb/" ID "/g.pd_"), cab.p, cab.n);
	sym_path_set(s, str_of(arena_printf(&world, "srv*%s*%s*%s", at_world("c1"), at_world("c2"),
				at_world("m"))));
	assert_int_equal(locate(s, "g.pdb", "seven", &t), ERR_OK);
	assert_string_equal(t.path, at_world("c1/g.pdb/" ID "/g.pdb"));
	assert_true(str_eq(file_text(at_world("c2/g.pdb/" ID "/g.pd_")), cab));
	str szdd = make_szdd(STR("eight, and a little more than eight bytes"));
	put_file(at_world("m/h.pdb/" ID "/h.pd_"), szdd.p, szdd.n);
	assert_int_equal(
		locate(s, "h.pdb", "eight, and a little more than eight bytes", &t), ERR_OK);
	str kwaj = make_kwaj(STR("nine"));
	put_file(at_world("m/k.pdb/" ID "/k.pd_"), kwaj.p, kwaj.n);
	assert_int_equal(locate(s, "k.pdb", "nine", &t), ERR_OK);
	/* a packed file that is damaged is said, and is no answer */
	put_file(at_world("m/bad.pdb/" ID "/bad.pd_"), cab.p, 50);
	buf_clear(&x.notes);
	assert_int_equal(locate(s, "bad.pdb", "seven", &t), ERR_NOTFOUND);
	assert_non_null(strstr(buf_z(&x.notes), "damaged"));
	assert_false(sys_is_file(at_world("c1/bad.pdb/" ID "/bad.pdb")));
	/* file.ptr: absolute, and relative to the store */
	put_text(at_world("elsewhere/real.pdb"), "ten");
	put_text(at_world("m/p.pdb/" ID "/file.ptr"),
		arena_printf(&world, "PATH:%s\n", at_world("elsewhere/real.pdb")));
	assert_int_equal(locate(s, "p.pdb", "ten", &t), ERR_OK);
	put_text(at_world("m/q.pdb/" ID "/file.ptr"), "PATH:r\\s.pdb");
	put_text(at_world("m/r/s.pdb"), "eleven");
	assert_int_equal(locate(s, "q.pdb", "eleven", &t), ERR_OK);
	put_text(at_world("m/n.pdb/" ID "/file.ptr"), "MSG: not in this store");
	assert_int_equal(locate(s, "n.pdb", "x", &t), ERR_NOTFOUND);
	/* cache*: keeps what an element to its right had, and answers later */
	put_text(at_world("share/z.pdb"), "twelve");
	sym_path_set(s,
		str_of(arena_printf(&world, "cache*%s;%s", at_world("keep"), at_world("share"))));
	assert_int_equal(locate(s, "z.pdb", "twelve", &t), ERR_OK);
	assert_true(sys_is_file(at_world("keep/z.pdb/" ID "/z.pdb")));
	sym_path_set(s, str_of(arena_printf(&world, "cache*%s", at_world("keep"))));
	assert_int_equal(locate(s, "z.pdb", "twelve", &t), ERR_OK);
	/* a file in the cache that is the wrong one does not hide the right one behind it */
	put_text(at_world("c1/e.pdb/" ID "/e.pdb"), "damaged");
	sym_path_set(s, str_of(arena_printf(&world, "srv*%s*%s", at_world("c1"), at_world("m"))));
	assert_int_equal(locate(s, "e.pdb", "five", &t), ERR_OK);
	assert_true(str_eq(file_text(at_world("c1/e.pdb/" ID "/e.pdb")), STR("five")));
	sym_store_destroy(s);
	buf_deinit(&x.notes);
	world_end();
}

/* ---- servers ---- */

static sym_store *server_store(said *x, http *h, const char *cache)
{
	sym_store *s = new_store(x);
	sym_path_set(s, str_of(arena_printf(&world, "srv*%s*http://127.0.0.1:%d/s",
				at_world("%s", cache), h->port)));
	return s;
}

static void server(void **state)
{
	said x = {0};
	http h;
	taker t;
	world_begin();
	put_text(at_world("web/s/a.pdb/" ID "/a.pdb"), "one");
	str cab = make_cab(STR("two"), "b.pdb");
	put_file(at_world("web/s/b.pdb/" ID "/b.pd_"), cab.p, cab.n);
	put_text(at_world("web/s/c.pdb/" ID "/file.ptr"), "PATH:deep\\c 1.pdb");
	put_text(at_world("web/s/deep/c%%201.pdb"), "x");
	put_text(at_world("web/s/d.pdb/" ID "/file.ptr"), "PATH:/etc/passwd");
	put_text(at_world("web/s/e.pdb/" ID "/file.ptr"), "PATH:..\\above.pdb");
	put_text(at_world("web/above.pdb"), "x");
	put_text(at_world("web/s/redirected.pdb/" ID "/redirected.pdb"), "three");
	put_text(at_world("web/s/looping.pdb/" ID "/looping.pdb"), "four");
	put_text(
		at_world("web/s/cutoff.pdb/" ID "/cutoff.pdb"), "a body that is cut in the middle");
	put_text(at_world("web/s/sp ace.pdb/" ID "/sp ace.pdb"), "nothing looks here");
	http_start(&h, at_world("web"));
	h.redirect_word = "redirected";
	h.loop_word = "looping";
	h.cut_word = "cutoff";
	h.forbidden_word = "private";
	sym_store *s = server_store(&x, &h, "c");
	sym_noisy_set(s, true);

	assert_int_equal(locate(s, "a.pdb", "one", &t), ERR_OK);
	assert_string_equal(t.path, at_world("c/a.pdb/" ID "/a.pdb"));
	assert_true(x.progress > 0 && x.done == 3);
	assert_non_null(strstr(buf_z(&x.notes), "~SYMSRV:  HTTPGET: http://127.0.0.1:"));
	/* the second time from the cache */
	int before = atomic_load(&h.requests);
	assert_int_equal(locate(s, "a.pdb", "one", &t), ERR_OK);
	assert_int_equal(atomic_load(&h.requests), before);

	assert_int_equal(locate(s, "b.pdb", "two", &t), ERR_OK);
	assert_string_equal(t.path, at_world("c/b.pdb/" ID "/b.pdb"));
	assert_int_equal(locate(s, "redirected.pdb", "three", &t), ERR_OK);
	assert_int_equal(locate(s, "looping.pdb", "four", &t), ERR_NOTFOUND);
	sym_failures_clear(s); /* a server that fails is not asked again until .reload */

	/* 404 is remembered: name, packed name, pointer, index2.txt - once */
	before = atomic_load(&h.requests);
	assert_int_equal(locate(s, "absent.pdb", "x", &t), ERR_NOTFOUND);
	int first = atomic_load(&h.requests) - before;
	assert_int_equal(first, 4);
	assert_int_equal(locate(s, "absent.pdb", "x", &t), ERR_NOTFOUND);
	assert_int_equal(atomic_load(&h.requests) - before, first);
	assert_false(sys_is_dir(at_world("c/absent.pdb"))); /* and leaves nothing behind */
	/* index2.txt is not asked for again for the next name */
	assert_int_equal(locate(s, "absent2.pdb", "x", &t), ERR_NOTFOUND);
	assert_int_equal(atomic_load(&h.requests) - before, first + 3);
	sym_failures_clear(s);
	assert_int_equal(locate(s, "absent.pdb", "x", &t), ERR_NOTFOUND);
	assert_true(atomic_load(&h.requests) - before > first + 3);

	/* forbidden is "not here"; a name with a blank is escaped */
	assert_int_equal(locate(s, "private.pdb", "x", &t), ERR_NOTFOUND);
	assert_int_equal(locate(s, "sp ace.pdb", "x", &t), ERR_NOTFOUND);
	assert_non_null(strstr(h.last, "sp%20ace.pdb"));
	/* a pointer of a server does not lead to files of this host, but below the server */
	assert_int_equal(locate(s, "d.pdb", "x", &t), ERR_NOTFOUND);
	assert_non_null(strstr(buf_z(&x.notes), "not followed"));
	assert_int_equal(locate(s, "e.pdb", "x", &t), ERR_NOTFOUND);
	assert_int_equal(locate(s, "c.pdb", "x", &t), ERR_OK);

	/* a truncated body is no file */
	assert_int_equal(
		locate(s, "cutoff.pdb", "a body that is cut in the middle", &t), ERR_NOTFOUND);
	assert_false(sys_is_file(at_world("c/cutoff.pdb/" ID "/cutoff.pdb")));
	sym_store_destroy(s);
	http_stop(&h);
	buf_deinit(&x.notes);
	world_end();
}

/* Two tiers on a server; a chain with a middle store that keeps the packed form; no store given. */
static void server_chains(void **state)
{
	said x = {0};
	http h;
	taker t;
	world_begin();
	put_text(at_world("web/s/index2.txt"), "");
	put_text(at_world("web/s/ti/tiers.pdb/" ID "/tiers.pdb"), "one");
	str cab = make_cab(STR("two"), "b.pdb");
	put_file(at_world("web/p/b.pdb/" ID "/b.pd_"), cab.p, cab.n);
	http_start(&h, at_world("web"));
	sym_store *s = server_store(&x, &h, "c");
	assert_int_equal(locate(s, "tiers.pdb", "one", &t), ERR_OK);
	sym_path_set(s, str_of(arena_printf(&world, "srv*%s*%s*http://127.0.0.1:%d/p",
				at_world("near"), at_world("mid"), h.port)));
	assert_int_equal(locate(s, "b.pdb", "two", &t), ERR_OK);
	assert_string_equal(t.path, at_world("near/b.pdb/" ID "/b.pdb"));
	assert_true(sys_is_file(at_world("mid/b.pdb/" ID "/b.pd_")));
	/* srv*URL alone: into the default cache */
	sym_path_set(s, str_of(arena_printf(&world, "srv*http://127.0.0.1:%d/p", h.port)));
	assert_int_equal(locate(s, "b.pdb", "two", &t), ERR_OK);
	assert_string_equal(t.path, at_world("xdg/ringside/sym/b.pdb/" ID "/b.pdb"));
	int before = atomic_load(&h.requests);
	assert_int_equal(locate(s, "b.pdb", "two", &t), ERR_OK);
	assert_int_equal(atomic_load(&h.requests), before);
	/* /o: the cache is passed over and written anew */
	put_text(at_world("near/b.pdb/" ID "/b.pdb"), "old");
	sym_path_set(s, str_of(arena_printf(
				&world, "srv*%s*http://127.0.0.1:%d/p", at_world("near"), h.port)));
	s->overwrite = true;
	assert_int_equal(locate(s, "b.pdb", "two", &t), ERR_OK);
	assert_true(str_eq(file_text(at_world("near/b.pdb/" ID "/b.pdb")), STR("two")));
	sym_store_destroy(s);
	http_stop(&h);
	buf_deinit(&x.notes);
	world_end();
}

static void *cancel_soon(void *u)
{
	usleep(150000);
	atomic_store(&((said *)u)->stop.flag, true);
	return NULL;
}

/* A silent server: given up after the stall time, not asked again; and Ctrl+C ends the wait at
 * once. */
static void server_slow(void **state)
{
	said x = {0};
	http h;
	taker t;
	world_begin();
	put_text(at_world("web/s/slow.pdb/" ID "/slow.pdb"),
		"this body stops half way through, for ever");
	http_start(&h, at_world("web"));
	h.slow_word = "slow";
	sym_store *s = server_store(&x, &h, "c");
	sym_net_limits(s, 1000, 300);
	uint64_t t0 = sys_now_ms();
	assert_int_equal(locate(s, "slow.pdb", "x", &t), ERR_NOTFOUND);
	uint64_t took = sys_now_ms() - t0;
	assert_true(took >= 280 && took < 3000);
	assert_non_null(strstr(buf_z(&x.notes), "stopped answering"));
	int before = atomic_load(&h.requests);
	t0 = sys_now_ms();
	assert_int_equal(locate(s, "other.pdb", "x", &t), ERR_NOTFOUND);
	assert_int_equal(atomic_load(&h.requests), before); /* this server is not asked again */
	assert_true(sys_now_ms() - t0 < 250);
	http_stop(&h);
	sym_store_destroy(s);
	buf_deinit(&x.notes);

	said y = {0};
	pthread_t th;
	http_start(&h, at_world("web"));
	h.slow_word = "slow";
	s = server_store(&y, &h, "c2");
	sym_net_limits(s, 10000, 60000);
	t0 = sys_now_ms();
	assert_int_equal(pthread_create(&th, NULL, cancel_soon, &y), 0);
	assert_int_equal(locate(s, "slow.pdb", "x", &t), ERR_CANCELLED);
	assert_true(sys_now_ms() - t0 < 2000);
	pthread_join(th, NULL);
	assert_false(sys_is_file(at_world("c2/slow.pdb/" ID "/slow.pdb")));
	/* what was cancelled is not remembered as absent */
	atomic_store(&y.stop.flag, false);
	h.slow_word = NULL;
	assert_int_equal(
		locate(s, "slow.pdb", "this body stops half way through, for ever", &t), ERR_OK);
	http_stop(&h);
	sym_store_destroy(s);
	buf_deinit(&y.notes);

	/* nobody listens */
	said z = {0};
	s = new_store(&z);
	sym_path_set(s, str_of(arena_printf(
				&world, "srv*%s*http://127.0.0.1:%d/s", at_world("c3"), h.port)));
	assert_int_equal(locate(s, "slow.pdb", "x", &t), ERR_NOTFOUND);
	assert_non_null(strstr(buf_z(&z.notes), "SYMSRV:"));
	sym_store_destroy(s);
	buf_deinit(&z.notes);
	world_end();
}

/* Identities survive the session; a damaged file is dropped as a whole. */
static void identities(void **state)
{
	world_begin();
	str dir = str_of(at_world("ids"));
	sym_identity id = {.image = STR("Foo.sys"),
		.timestamp = 0x11,
		.size = 0x2000,
		.checksum = 7,
		.age = 3,
		.pdb = STR("c:\\obj\\foo.pdb"),
		.path = STR("/x/foo.pdb")};
	memset(id.guid, 0xa5, 16);
	sym_idents *x = sym_idents_create(dir);
	sym_idents_add(x, &id);
	sym_idents_add(x, &id); /* no second line */
	sym_identity bad = id;
	bad.image = STR("a\tb");
	sym_idents_add(x, &bad);
	sym_idents_destroy(x);
	char *file = at_world("ids/identities");
	size_t n = file_text(file).n;
	x = sym_idents_create(dir);
	sym_identity got;
	assert_true(sym_idents_find(x, STR("foo.SYS"), 0x11, 0x2000, 7, &got));
	assert_int_equal(got.age, 3);
	assert_memory_equal(got.guid, id.guid, 16);
	assert_true(str_eq(got.pdb, id.pdb) && str_eq(got.path, id.path));
	assert_false(sym_idents_find(x, STR("foo.sys"), 0x12, 0x2000, 7, &got));
	assert_false(sym_idents_find(x, STR("foo.sys"), 0x11, 0x2001, 7, &got));
	assert_false(sym_idents_find(x, STR("foo.sys"), 0x11, 0x2000, 8, &got));
	id.path = STR("/y/foo.pdb"); /* the later line wins */
	sym_idents_add(x, &id);
	sym_idents_destroy(x);
	assert_true(file_text(file).n > n);
	x = sym_idents_create(dir);
	assert_true(sym_idents_find(x, STR("foo.sys"), 0x11, 0x2000, 7, &got));
	assert_true(str_eq(got.path, STR("/y/foo.pdb")));
	sym_idents_destroy(x);
	/* one flipped byte */
	str text = file_text(file);
	char *flip = str_z(&world, text);
	flip[30] ^= 1;
	put_file(file, flip, text.n);
	x = sym_idents_create(dir);
	assert_false(sym_idents_find(x, STR("foo.sys"), 0x11, 0x2000, 7, &got));
	assert_false(sys_is_file(file));
	sym_idents_destroy(x);
	world_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(grammar), cmocka_unit_test(names),
		cmocka_unit_test(environment), cmocka_unit_test(directories),
		cmocka_unit_test(stores), cmocka_unit_test(server), cmocka_unit_test(server_chains),
		cmocka_unit_test(server_slow), cmocka_unit_test(identities)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
