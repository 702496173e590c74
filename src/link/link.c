/*
 * link: see link.h. The only file that talks to sockets and terminals.
 *
 * Invariants: fd >= 0 exactly in LINK_UP, and while a TCP connection is being made; lfd >= 0 only
 * while listening; wake_fd lives as long as the link.
 */
#include "link/link.h"

#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

enum { RETRY_MS = 200, TROUBLE_MAX = 512 };

struct link_t {
	link_spec spec;
	link_state state;
	int fd;	 /* connected, or connecting (TCP) */
	int lfd; /* listening */
	int wake_fd;
	bool made;	   /* the socket file is ours: remove it */
	bool adopted;	   /* opened by the caller */
	bool lost;	   /* read or write saw the end; link_wait reports it */
	uint64_t retry_at; /* ms */
	struct termios old;
	bool has_old;
	char trouble[TROUBLE_MAX];
};

static void trouble(link_t *l, const char *what, int error)
{
	if (error)
		snprintf(l->trouble, sizeof l->trouble, "%s: %s", what, strerror(error));
	else
		snprintf(l->trouble, sizeof l->trouble, "%s", what);
}

static void set_nonblocking(int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static void drop_fd(link_t *l)
{
	if (l->fd < 0)
		return;
	if (l->has_old)
		tcsetattr(l->fd, TCSANOW, &l->old);
	l->has_old = false;
	close(l->fd);
	l->fd = -1;
}

/* ---- unix sockets ---- */

static bool unix_addr(const char *path, struct sockaddr_un *a)
{
	memset(a, 0, sizeof *a);
	a->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof a->sun_path)
		return false;
	strcpy(a->sun_path, path);
	return true;
}

static err pipe_listen(link_t *l, diag *d)
{
	struct sockaddr_un a;
	if (!unix_addr(l->spec.path, &a))
		return diag_set(d, ERR_ARG, "%s: too long for the name of a socket", l->spec.path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 1) < 0) {
		err e = diag_set(d, errno == EACCES ? ERR_DENIED : ERR_IO, "listening on %s: %s",
			l->spec.path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return e;
	}
	l->made = true;
	l->lfd = fd;
	return ERR_OK;
}

/* 0, or an errno. */
static int pipe_connect(link_t *l)
{
	struct sockaddr_un a;
	if (!unix_addr(l->spec.path, &a))
		return ENAMETOOLONG;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return errno;
	if (connect(fd, (struct sockaddr *)&a, sizeof a) < 0) {
		int e = errno;
		close(fd);
		return e;
	}
	l->fd = fd;
	l->state = LINK_UP;
	return 0;
}

static err pipe_open(link_t *l, diag *d)
{
	struct stat st;
	bool exists = !stat(l->spec.path, &st);
	if (exists && S_ISCHR(st.st_mode))
		return diag_set(d, ERR_ARG,
			"%s is a terminal or serial line: use com:port=%s,baud=N", l->spec.path,
			l->spec.path);
	if (exists && !S_ISSOCK(st.st_mode))
		return diag_set(d, ERR_ARG, "%s is not a socket", l->spec.path);
	int e = exists && !l->spec.listen ? pipe_connect(l) : ENOENT;
	if (!e)
		return ERR_OK;
	trouble(l, l->spec.path, e);
	if (e == EACCES || e == EPERM)
		return diag_set(d, ERR_DENIED, "%s: %s", l->spec.path, strerror(e));
	if (e == ENAMETOOLONG)
		return diag_set(d, ERR_ARG, "%s: too long for the name of a socket", l->spec.path);
	if (l->spec.listen && exists) {
		/* A socket that a program left behind refuses; one in use does not. */
		e = pipe_connect(l);
		if (!e) {
			drop_fd(l);
			l->state = LINK_CONNECTING;
			return diag_set(
				d, ERR_EXISTS, "%s: somebody listens there already", l->spec.path);
		}
		unlink(l->spec.path);
		exists = false;
	}
	if (l->spec.listen || (!exists && !l->spec.reconnect))
		return pipe_listen(l, d);
	if (l->spec.reconnect)
		return ERR_OK; /* later */
	return diag_set(d, ERR_IO,
		"%s: %s; is the virtual machine running? (with 'reconnect' it is waited for)",
		l->spec.path, strerror(e));
}

/* ---- TCP ---- */

static void tcp_up(link_t *l)
{
	int one = 1;
	/* Without it acknowledgements wait for more to send and the kernel repeats everything. */
	setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	setsockopt(l->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
	l->state = LINK_UP;
}

static err tcp_open(link_t *l, diag *d)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *list;
	char port[16];
	snprintf(port, sizeof port, "%u", l->spec.port);
	int g = getaddrinfo(l->spec.path, port, &hints, &list);
	if (g) {
		trouble(l, gai_strerror(g), 0);
		return diag_set(d, ERR_NOTFOUND, "%s: %s", l->spec.path, gai_strerror(g));
	}
	int e = ECONNREFUSED;
	for (struct addrinfo *a = list; a; a = a->ai_next) {
		int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fd < 0) {
			e = errno;
			continue;
		}
		l->fd = fd;
		if (!connect(fd, a->ai_addr, a->ai_addrlen)) {
			tcp_up(l);
			break;
		}
		if (errno == EINPROGRESS && (!a->ai_next || l->spec.reconnect))
			break; /* link_wait finishes it */
		if (errno == EINPROGRESS) {
			struct pollfd p = {fd, POLLOUT, 0};
			socklen_t n = sizeof e;
			e = ETIMEDOUT;
			if (poll(&p, 1, 3000) > 0)
				getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &n);
			if (!e) {
				tcp_up(l);
				break;
			}
		} else {
			e = errno;
		}
		close(fd);
		l->fd = -1;
	}
	freeaddrinfo(list);
	if (l->fd >= 0)
		return ERR_OK;
	trouble(l, l->spec.path, e);
	if (l->spec.reconnect)
		return ERR_OK;
	return diag_set(d, ERR_IO, "%s port %u: %s", l->spec.path, l->spec.port, strerror(e));
}

/* A connection in progress has been made or refused. */
static void tcp_finish(link_t *l)
{
	int e = 0;
	socklen_t n = sizeof e;
	if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &e, &n) < 0)
		e = errno;
	if (!e) {
		tcp_up(l);
		return;
	}
	trouble(l, l->spec.path, e);
	drop_fd(l);
	if (!l->spec.reconnect) {
		l->state = LINK_DEAD;
		l->lost = true;
	}
	l->retry_at = sys_now_ms() + RETRY_MS;
}

/* ---- serial ---- */

static const struct {
	unsigned baud;
	speed_t speed;
} speeds[] = {
	{1200, B1200},
	{2400, B2400},
	{4800, B4800},
	{9600, B9600},
	{19200, B19200},
	{38400, B38400},
	{57600, B57600},
	{115200, B115200},
	{230400, B230400},
	{460800, B460800},
	{500000, B500000},
	{576000, B576000},
	{921600, B921600},
	{1000000, B1000000},
	{1152000, B1152000},
	{1500000, B1500000},
	{2000000, B2000000},
	{2500000, B2500000},
	{3000000, B3000000},
	{3500000, B3500000},
	{4000000, B4000000},
};

static err serial_speed(link_t *l, unsigned baud, diag *d)
{
	struct termios t;
	speed_t s = 0;
	bool known = false;
	for (size_t i = 0; i < ARRAY_LEN(speeds); i++)
		if (speeds[i].baud == baud) {
			s = speeds[i].speed;
			known = true;
		}
	if (!known)
		return diag_set(d, ERR_ARG, "baud=%u is no rate that this system knows", baud);
	if (tcgetattr(l->fd, &t) < 0)
		return diag_set(d, ERR_ARG, "%s is not a serial line or terminal (%s)%s",
			l->spec.path, strerror(errno),
			errno == ENOTTY ? "; a pipe needs com:pipe" : "");
	if (!l->has_old) {
		l->old = t;
		l->has_old = true;
	}
	cfmakeraw(&t);
	t.c_cflag &= ~(tcflag_t)(CSTOPB | CRTSCTS | PARENB);
	t.c_cflag |= CLOCAL | CREAD;
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	cfsetispeed(&t, s);
	cfsetospeed(&t, s);
	if (tcsetattr(l->fd, TCSANOW, &t) < 0)
		return diag_set(
			d, ERR_IO, "%s: setting %u baud: %s", l->spec.path, baud, strerror(errno));
	l->spec.baud = baud;
	return ERR_OK;
}

static err serial_open(link_t *l, diag *d)
{
	struct stat st;
	if (!stat(l->spec.path, &st) && S_ISSOCK(st.st_mode))
		return diag_set(d, ERR_ARG, "%s is a socket: use com:pipe,port=%s", l->spec.path,
			l->spec.path);
	l->fd = open(l->spec.path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (l->fd < 0)
		return diag_set(d,
			errno == EACCES	  ? ERR_DENIED
			: errno == ENOENT ? ERR_NOTFOUND
					  : ERR_IO,
			"%s: %s", l->spec.path, strerror(errno));
	err e = serial_speed(l, l->spec.baud, d);
	if (e != ERR_OK) {
		drop_fd(l);
		return e;
	}
	l->state = LINK_UP;
	return ERR_OK;
}

err link_cycle_speed(link_t *l, unsigned *ret, diag *d)
{
	static const unsigned cycle[] = {19200, 38400, 57600, 115200};
	if (l->spec.kind != LINK_SERIAL || l->adopted || l->fd < 0)
		return diag_set(d, ERR_UNSUPPORTED, "only a serial line has a speed");
	size_t i = 0;
	while (i < ARRAY_LEN(cycle) && cycle[i] != l->spec.baud)
		i++;
	TRY(serial_speed(l, cycle[(i + 1) % ARRAY_LEN(cycle)], d));
	*ret = l->spec.baud;
	return ERR_OK;
}

/* ---- all kinds ---- */

static link_t *make(void)
{
	link_t *l = mem_alloc(sizeof *l);
	l->fd = l->lfd = -1;
	l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return l;
}

err link_open(const link_spec *spec, link_t **ret, diag *d)
{
	link_t *l = make();
	l->spec = *spec;
	err e = spec->kind == LINK_PIPE	 ? pipe_open(l, d)
		: spec->kind == LINK_TCP ? tcp_open(l, d)
					 : serial_open(l, d);
	if (e != ERR_OK) {
		link_close(l);
		return e;
	}
	*ret = l;
	return ERR_OK;
}

err link_adopt(int fd, link_t **ret, diag *d)
{
	if (fd < 0)
		return diag_set(d, ERR_ARG, "no descriptor");
	link_t *l = make();
	set_nonblocking(fd);
	l->fd = fd;
	l->adopted = true;
	l->state = LINK_UP;
	snprintf(l->spec.path, sizeof l->spec.path, "descriptor %d", fd);
	*ret = l;
	return ERR_OK;
}

void link_close(link_t *l)
{
	if (!l)
		return;
	drop_fd(l);
	if (l->lfd >= 0)
		close(l->lfd);
	if (l->made)
		unlink(l->spec.path);
	if (l->wake_fd >= 0)
		close(l->wake_fd);
	mem_free(l);
}

link_state link_state_get(const link_t *l)
{
	return l->state;
}

const char *link_trouble(const link_t *l)
{
	return l->trouble;
}

/* The link has broken: back to connecting, or dead. */
static void lose(link_t *l)
{
	drop_fd(l);
	l->lost = false;
	l->retry_at = sys_now_ms() + RETRY_MS;
	/* One that listens can always be connected to again; so can, if asked, the others. */
	bool again = !l->adopted && (l->spec.reconnect || l->lfd >= 0);
	l->state = again ? LINK_CONNECTING : LINK_DEAD;
}

static void try_connect(link_t *l)
{
	l->retry_at = sys_now_ms() + RETRY_MS;
	if (l->lfd >= 0 || l->fd >= 0)
		return;
	if (l->spec.kind == LINK_PIPE) {
		int e = pipe_connect(l);
		if (e)
			trouble(l, l->spec.path, e);
	} else if (l->spec.kind == LINK_TCP) {
		(void)tcp_open(l, NULL);
	}
}

static void accept_one(link_t *l)
{
	int fd = accept4(l->lfd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	l->fd = fd;
	l->state = LINK_UP;
}

static void drain_wake(link_t *l)
{
	uint64_t n;
	ssize_t r = read(l->wake_fd, &n, sizeof n);
	(void)r;
}

static int min_ms(int a, uint64_t b)
{
	return a < 0 || (uint64_t)a > b ? (int)b : a;
}

unsigned link_wait(link_t *l, int timeout_ms)
{
	uint64_t end = timeout_ms < 0 ? UINT64_MAX : sys_now_ms() + (uint64_t)timeout_ms;
	for (;;) {
		if (l->lost) {
			lose(l);
			return LINK_GOT_DOWN;
		}
		uint64_t now = sys_now_ms();
		bool connecting = l->state == LINK_CONNECTING;
		if (connecting && l->lfd < 0 && l->fd < 0 && now >= l->retry_at) {
			try_connect(l);
			if (l->state == LINK_UP)
				return LINK_GOT_UP;
			now = sys_now_ms();
		}
		struct pollfd p[2] = {{l->wake_fd, POLLIN, 0}, {-1, 0, 0}};
		if (l->state == LINK_UP)
			p[1] = (struct pollfd){l->fd, POLLIN, 0};
		else if (connecting && l->lfd >= 0)
			p[1] = (struct pollfd){l->lfd, POLLIN, 0};
		else if (connecting && l->fd >= 0)
			p[1] = (struct pollfd){l->fd, POLLOUT, 0};
		int wait = end == UINT64_MAX ? -1 : end > now ? min_ms(1 << 30, end - now) : 0;
		if (connecting && p[1].fd < 0)
			wait = min_ms(wait, l->retry_at > now ? l->retry_at - now : 0);
		int n = poll(p, 2, wait);
		unsigned got = 0;
		if (n > 0 && p[0].revents) {
			drain_wake(l);
			got |= LINK_GOT_WAKE;
		}
		if (n > 0 && p[1].revents) {
			if (l->state == LINK_UP) {
				got |= LINK_GOT_INPUT;
			} else if (l->lfd >= 0) {
				accept_one(l);
				got |= l->state == LINK_UP ? LINK_GOT_UP : 0;
			} else {
				tcp_finish(l);
				got |= l->state == LINK_UP ? LINK_GOT_UP : 0;
				got |= l->state == LINK_DEAD ? LINK_GOT_DOWN : 0;
			}
		}
		if (got || sys_now_ms() >= end)
			return got;
		if (l->state == LINK_DEAD && n <= 0)
			return 0;
	}
}

err link_read(link_t *l, void *b, size_t cap, size_t *n_ret)
{
	*n_ret = 0;
	if (l->state != LINK_UP || l->lost)
		return ERR_DEAD;
	ssize_t n;
	do
		n = read(l->fd, b, cap);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		*n_ret = (size_t)n;
		return ERR_OK;
	}
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return ERR_OK;
	trouble(l, n ? "reading" : "the other end closed the connection", n ? errno : 0);
	l->lost = true;
	return ERR_DEAD;
}

err link_write(link_t *l, const void *b, size_t n, int timeout_ms, diag *d)
{
	const char *p = b;
	uint64_t end = sys_now_ms() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms);
	while (n) {
		if (l->state != LINK_UP || l->lost)
			return diag_set(d, ERR_DEAD, "the connection is lost: %s", l->trouble);
		bool socket = l->spec.kind != LINK_SERIAL;
		ssize_t k = socket ? send(l->fd, p, n, MSG_NOSIGNAL) : write(l->fd, p, n);
		if (k < 0 && errno == ENOTSOCK && socket)
			k = write(l->fd, p, n);
		if (k > 0) {
			p += k;
			n -= (size_t)k;
			continue;
		}
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			uint64_t now = sys_now_ms();
			if (now >= end)
				return diag_set(d, ERR_TIMEOUT, "the other end takes no bytes");
			struct pollfd f = {l->fd, POLLOUT, 0};
			poll(&f, 1, (int)(end - now));
			continue;
		}
		trouble(l, "writing", errno);
		l->lost = true;
	}
	return ERR_OK;
}

void link_wake(link_t *l)
{
	int saved = errno;
	uint64_t one = 1;
	ssize_t r = write(l->wake_fd, &one, sizeof one);
	(void)r;
	errno = saved;
}

void link_describe(const link_t *l, buf *out)
{
	static const char *const states[] = {"not connected yet", "connected", "lost"};
	const link_spec *s = &l->spec;
	if (l->adopted)
		buf_addz(out, s->path);
	else if (s->kind == LINK_PIPE)
		buf_addf(out, "pipe %s", s->path);
	else if (s->kind == LINK_TCP)
		buf_addf(out, "TCP %s port %u", s->path, s->port);
	else
		buf_addf(out, "serial line %s, %u baud", s->path, s->baud);
	buf_addf(out, " (%s)",
		l->state == LINK_CONNECTING && l->lfd >= 0 ? "listening" : states[l->state]);
}
