/*
 * channel: see channel.h. A peer that goes away leaves the listener waiting for the next one.
 */
#include "channel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static bool fail(const char *what, const char *spec)
{
	fprintf(stderr, "%s: %s: %s\n", spec, what, strerror(errno));
	return false;
}

static bool open_unix(channel *c, const char *path, bool listening, const char *spec)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (strlen(path) >= sizeof(a.sun_path)) {
		errno = ENAMETOOLONG;
		return fail("path", spec);
	}
	strcpy(a.sun_path, path);
	if (listening) {
		unlink(path);
		if (bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 1))
			return fail("bind", spec);
		c->listener = fd;
	} else {
		if (connect(fd, (struct sockaddr *)&a, sizeof(a)))
			return fail("connect", spec);
		c->fd = fd;
	}
	return true;
}

static bool open_tcp(
	channel *c, const char *port, bool listening, char *name, size_t name_n, const char *spec)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (listening) {
		if (bind(fd, (struct sockaddr *)&a, n) || listen(fd, 1))
			return fail("bind", spec);
		getsockname(fd, (struct sockaddr *)&a, &n);
		c->listener = fd;
	} else {
		if (connect(fd, (struct sockaddr *)&a, n))
			return fail("connect", spec);
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		c->fd = fd;
	}
	snprintf(name, name_n, "%u", ntohs(a.sin_port));
	return true;
}

static bool open_pty(channel *c, char *name, size_t name_n, const char *spec)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios t;
	if (fd < 0 || grantpt(fd) || unlockpt(fd) || ptsname_r(fd, name, name_n))
		return fail("pty", spec);
	/* Keep the other end open too: else reads fail while nobody has it open. */
	int other = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (other < 0 || tcgetattr(other, &t))
		return fail(name, spec);
	cfmakeraw(&t);
	tcsetattr(other, TCSANOW, &t);
	c->fd = fd;
	c->pty = true;
	return true;
}

static bool open_tty(channel *c, const char *path, const char *spec)
{
	struct termios t;
	c->fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (c->fd < 0 || tcgetattr(c->fd, &t))
		return fail("terminal", spec);
	cfmakeraw(&t);
	tcsetattr(c->fd, TCSANOW, &t);
	return true;
}

bool channel_open(channel *c, const char *spec, char *name, size_t name_n)
{
	memset(c, 0, sizeof(*c));
	c->listener = c->fd = -1;
	signal(SIGPIPE, SIG_IGN);
	const char *colon = strchr(spec, ':');
	size_t n = colon ? (size_t)(colon - spec) : 0;
	bool good = false;
	name[0] = 0;
	if (n == 4 && !memcmp(spec, "unix", n))
		good = open_unix(c, colon + 1, true, spec);
	else if (n == 6 && !memcmp(spec, "unixto", n))
		good = open_unix(c, colon + 1, false, spec);
	else if (n == 3 && !memcmp(spec, "tcp", n))
		good = open_tcp(c, colon + 1, true, name, name_n, spec);
	else if (n == 5 && !memcmp(spec, "tcpto", n))
		good = open_tcp(c, colon + 1, false, name, name_n, spec);
	else if (n == 3 && !memcmp(spec, "pty", n))
		good = open_pty(c, name, name_n, spec);
	else if (n == 3 && !memcmp(spec, "tty", n))
		good = open_tty(c, colon + 1, spec);
	else
		fprintf(stderr, "%s: not unix:, unixto:, tcp:, tcpto:, pty: or tty:\n", spec);
	if (good && c->fd >= 0) {
		fcntl(c->fd, F_SETFL, O_NONBLOCK);
		c->connections = 1;
	}
	return good;
}

static void drop(channel *c)
{
	if (c->listener < 0 && c->pty)
		return; /* the terminal stays */
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->out_n = 0;
}

void channel_flush(channel *c)
{
	size_t done = 0;
	while (c->fd >= 0 && done < c->out_n) {
		ssize_t n = write(c->fd, c->out + done, c->out_n - done);
		if (n > 0) {
			done += (size_t)n;
		} else if (errno == EAGAIN) {
			struct pollfd p = {c->fd, POLLOUT, 0};
			if (poll(&p, 1, 200) == 0)
				break; /* a peer that does not read loses bytes, as on a serial line
					*/
		} else if (errno != EINTR) {
			drop(c);
		}
	}
	c->out_n = 0;
}

void channel_put(channel *c, uint8_t byte)
{
	if (c->out_n == CHANNEL_OUT)
		channel_flush(c);
	c->out[c->out_n++] = byte;
}

/* Waits for input or a peer; true if something may be there. */
static bool wait_input(channel *c, uint32_t wait_us)
{
	struct pollfd p = {c->fd >= 0 ? c->fd : c->listener, POLLIN, 0};
	struct timespec t = {wait_us / 1000000, (wait_us % 1000000) * 1000l};
	if (ppoll(&p, p.fd >= 0, &t, NULL) <= 0)
		return false;
	if (c->fd < 0 && c->listener >= 0) {
		int one = 1;
		c->fd = accept4(c->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		c->connections += c->fd >= 0;
		c->out_n = 0;
	}
	return true;
}

static void fill(channel *c)
{
	if (c->fd < 0)
		return;
	ssize_t n = read(c->fd, c->in, sizeof(c->in));
	c->in_pos = 0;
	c->in_n = n > 0 ? (size_t)n : 0;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		drop(c);
}

static uint64_t now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

int channel_get(channel *c, uint32_t wait_us)
{
	if (c->in_pos == c->in_n) {
		uint64_t end = now_us() + wait_us;
		channel_flush(c);
		fill(c);
		for (uint64_t now = end - wait_us; c->in_pos == c->in_n && now < end;
			now = now_us()) {
			if (!wait_input(c, (uint32_t)(end - now)))
				break;
			fill(c);
		}
	}
	return c->in_pos < c->in_n ? c->in[c->in_pos++] : -1;
}

void channel_idle(channel *c, uint32_t wait_us)
{
	channel_flush(c);
	if (c->in_pos == c->in_n)
		wait_input(c, wait_us);
}

void channel_close(channel *c)
{
	channel_flush(c);
	if (c->fd >= 0)
		close(c->fd);
	if (c->listener >= 0)
		close(c->listener);
	c->fd = c->listener = -1;
}
