/* link: real sockets and a pseudo-terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/sys.h"
#include "link/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

static char dir[64], path[96], options[160];

static int setup(void **state)
{
	strcpy(dir, "/tmp/rs-link-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof path, "%s/s", dir);
	return 0;
}

static int teardown(void **state)
{
	unlink(path);
	rmdir(dir);
	return 0;
}

static int listen_at(const char *p)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	strcpy(a.sun_path, p);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static int connect_to(const char *p)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	strcpy(a.sun_path, p);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	return fd;
}

static err try_open(link_t **l, diag *d, const char *fmt)
{
	link_spec s;
	snprintf(options, sizeof options, fmt, path);
	assert_int_equal(link_spec_parse(str_of(options), NULL, &s, d), ERR_OK);
	return link_open(&s, l, d);
}

/* Both directions, and what a closed end looks like. */
static void exchange(link_t *l, int fd)
{
	char b[64];
	size_t n;
	assert_int_equal(link_state_get(l), LINK_UP);
	assert_int_equal(link_read(l, b, sizeof b, &n), ERR_OK);
	assert_int_equal(n, 0);
	assert_int_equal(link_wait(l, 0), 0);
	assert_int_equal(link_write(l, "ping", 4, 1000, NULL), ERR_OK);
	assert_int_equal(read(fd, b, sizeof b), 4);
	assert_memory_equal(b, "ping", 4);
	assert_int_equal(write(fd, "pong!", 5), 5);
	assert_int_equal(link_wait(l, 2000), LINK_GOT_INPUT);
	assert_int_equal(link_read(l, b, sizeof b, &n), ERR_OK);
	assert_int_equal(n, 5);
}

static void pipe_connects(void **state)
{
	link_t *l;
	int s = listen_at(path);
	assert_int_equal(try_open(&l, NULL, "com:pipe,port=%s"), ERR_OK);
	int fd = accept(s, NULL, NULL);
	exchange(l, fd);
	close(fd);
	close(s);
	char b[8];
	size_t n;
	assert_int_equal(link_wait(l, 2000), LINK_GOT_INPUT);
	assert_int_equal(link_read(l, b, sizeof b, &n), ERR_DEAD);
	assert_int_equal(link_wait(l, 2000), LINK_GOT_DOWN);
	assert_int_equal(link_state_get(l), LINK_DEAD);
	assert_non_null(strstr(link_trouble(l), "closed"));
	assert_int_equal(link_write(l, "x", 1, 10, NULL), ERR_DEAD);
	link_close(l);
}

static void pipe_listens(void **state)
{
	link_t *l;
	assert_int_equal(try_open(&l, NULL, "com:pipe,port=%s"), ERR_OK);
	assert_int_equal(link_state_get(l), LINK_CONNECTING);
	assert_int_equal(link_wait(l, 20), 0);
	int fd = connect_to(path);
	assert_int_equal(link_wait(l, 2000), LINK_GOT_UP);
	exchange(l, fd);
	/* The machine goes away and another comes: it can connect again. */
	close(fd);
	char b[8];
	size_t n;
	assert_int_equal(link_wait(l, 2000), LINK_GOT_INPUT);
	assert_int_equal(link_read(l, b, sizeof b, &n), ERR_DEAD);
	assert_int_equal(link_wait(l, 2000), LINK_GOT_DOWN);
	assert_int_equal(link_state_get(l), LINK_CONNECTING);
	fd = connect_to(path);
	assert_int_equal(link_wait(l, 2000), LINK_GOT_UP);
	exchange(l, fd);
	close(fd);
	link_close(l);
	assert_int_not_equal(access(path, F_OK), 0); /* its own socket is gone */
}

static void pipe_reconnects(void **state)
{
	link_t *l;
	assert_int_equal(try_open(&l, NULL, "com:pipe,port=%s,reconnect"), ERR_OK);
	assert_int_equal(link_wait(l, 30), 0);
	assert_int_not_equal(access(path, F_OK), 0); /* it waits, it does not listen */
	for (int i = 0; i < 2; i++) {
		char b[8];
		size_t n;
		int s = listen_at(path);
		assert_int_equal(link_wait(l, 3000), LINK_GOT_UP);
		int fd = accept(s, NULL, NULL);
		exchange(l, fd);
		close(fd);
		close(s);
		unlink(path);
		assert_int_equal(link_wait(l, 2000), LINK_GOT_INPUT);
		assert_int_equal(link_read(l, b, sizeof b, &n), ERR_DEAD);
		assert_int_equal(link_wait(l, 2000), LINK_GOT_DOWN);
		assert_int_equal(link_state_get(l), LINK_CONNECTING);
	}
	link_close(l);
}

static void pipe_errors(void **state)
{
	link_t *l = NULL;
	diag d = {0};
	/* A socket that nobody listens on any more. */
	close(listen_at(path));
	assert_int_equal(try_open(&l, &d, "com:pipe,port=%s"), ERR_IO);
	assert_non_null(strstr(d.text, path));
	assert_non_null(strstr(d.text, "reconnect"));
	/* `listen` takes such a one over, but not one in use. */
	assert_int_equal(try_open(&l, &d, "com:pipe,port=%s,listen"), ERR_OK);
	link_t *m = NULL;
	assert_int_equal(try_open(&m, &d, "com:pipe,port=%s,listen"), ERR_EXISTS);
	link_close(l);
	/* Not a socket at all; a socket where a serial line is meant. */
	close(open(path, O_CREAT | O_RDWR, 0600));
	assert_int_equal(try_open(&l, &d, "com:pipe,port=%s"), ERR_ARG);
	unlink(path);
	int s = listen_at(path);
	assert_int_equal(try_open(&l, &d, "com:port=%s,baud=9600"), ERR_ARG);
	assert_non_null(strstr(d.text, "com:pipe"));
	close(s);
	unlink(path);
	assert_int_equal(try_open(&l, &d, "com:port=%s,baud=9600"), ERR_NOTFOUND);
	strcpy(path, "/dev/null");
	assert_int_equal(try_open(&l, &d, "com:port=%s,baud=9600"), ERR_ARG);
	path[0] = 0;
}

static void tcp(void **state)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof a;
	link_t *l;
	int s = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(s, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(s, 1), 0);
	assert_int_equal(getsockname(s, (struct sockaddr *)&a, &n), 0);
	snprintf(path, sizeof path, "%u", ntohs(a.sin_port));
	assert_int_equal(try_open(&l, NULL, "com:ipport=%s,port=127.0.0.1"), ERR_OK);
	if (link_state_get(l) != LINK_UP)
		assert_int_equal(link_wait(l, 2000), LINK_GOT_UP);
	int fd = accept(s, NULL, NULL);
	exchange(l, fd);
	close(fd);
	close(s);
	link_close(l);
	/* Nobody there. */
	diag d = {0};
	err e = try_open(&l, &d, "com:ipport=%s,port=127.0.0.1");
	if (e == ERR_OK) {
		assert_int_equal(link_wait(l, 2000), LINK_GOT_DOWN);
		assert_int_equal(link_state_get(l), LINK_DEAD);
		link_close(l);
	} else {
		assert_int_equal(e, ERR_IO);
	}
	path[0] = 0;
}

static void terminal(void **state)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY);
	assert_true(master >= 0);
	assert_int_equal(grantpt(master) | unlockpt(master), 0);
	snprintf(path, sizeof path, "%s", ptsname(master));
	int keep = open(path, O_RDWR | O_NOCTTY);
	struct termios before, t;
	assert_int_equal(tcgetattr(keep, &before), 0);
	link_t *l;
	assert_int_equal(try_open(&l, NULL, "com:port=%s,baud=57600"), ERR_OK);
	exchange(l, master);
	/* Raw: no byte is translated or swallowed. */
	uint8_t all[256], back[256];
	size_t got = 0, n;
	for (size_t i = 0; i < sizeof all; i++)
		all[i] = (uint8_t)i;
	assert_int_equal(write(master, all, sizeof all), sizeof all);
	while (got < sizeof back && link_wait(l, 1000)) {
		assert_int_equal(link_read(l, back + got, sizeof back - got, &n), ERR_OK);
		got += n;
	}
	assert_int_equal(got, sizeof all);
	assert_memory_equal(all, back, sizeof all);
	assert_int_equal(tcgetattr(keep, &t), 0);
	assert_int_equal(cfgetospeed(&t), B57600);
	unsigned baud;
	assert_int_equal(link_cycle_speed(l, &baud, NULL), ERR_OK);
	assert_int_equal(baud, 115200);
	assert_int_equal(link_cycle_speed(l, &baud, NULL), ERR_OK);
	assert_int_equal(baud, 19200);
	assert_int_equal(tcgetattr(keep, &t), 0);
	assert_int_equal(cfgetospeed(&t), B19200);
	link_close(l);
	assert_int_equal(tcgetattr(keep, &t), 0);
	assert_int_equal(t.c_lflag, before.c_lflag); /* as it was */
	close(keep);
	close(master);
	path[0] = 0;
}

static void *waker(void *u)
{
	usleep(30000);
	link_wake(u);
	return NULL;
}

static void wake(void **state)
{
	link_t *l;
	pthread_t t;
	int fds[2];
	unsigned baud;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(link_adopt(fds[0], &l, NULL), ERR_OK);
	assert_int_equal(pthread_create(&t, NULL, waker, l), 0);
	uint64_t begin = sys_now_ms();
	assert_int_equal(link_wait(l, 5000), LINK_GOT_WAKE);
	assert_true(sys_now_ms() - begin < 4000);
	assert_int_equal(link_wait(l, 0), 0); /* once */
	pthread_join(t, NULL);
	assert_int_equal(link_cycle_speed(l, &baud, NULL), ERR_UNSUPPORTED);
	/* An end that takes nothing: the time is bounded. */
	static char big[4 << 20];
	begin = sys_now_ms();
	assert_int_equal(link_write(l, big, sizeof big, 60, NULL), ERR_TIMEOUT);
	assert_true(sys_now_ms() - begin < 4000);
	close(fds[1]);
	link_close(l);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {T(pipe_connects), T(pipe_listens), T(pipe_reconnects),
		T(pipe_errors), T(tcp), T(terminal), T(wake)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
