/*
 * pt_watch: ends a blocking wait. Knows nothing of what is waited for.
 *
 * A wait for the program is a blocking waitpid: one system call, no polling. Two things must be
 * able to end it: a timeout, and tgt_interrupt from any thread or signal handler. A helper thread
 * does both by sending the waiter a signal whose handler does nothing, again every few
 * milliseconds until the waiter says that it has noticed: so it does not matter whether the signal
 * arrives before or inside of the system call.
 *
 * The waiter only stores a deadline. The helper sleeps in ppoll until the deadline that it knows;
 * a later one needs no word to it, so a storm of short waits with timeouts costs no system call.
 */
#include "target/ptrace/pt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { POKE_AGAIN_MS = 5, IDLE_MS = 200 };

/* A real-time signal in the upper half, where nobody else is likely to live. */
static int poke_signal(void)
{
	return SIGRTMAX - 7;
}

static void noticed(int sig)
{
	(void)sig;
}

static void wake_helper(pt *p)
{
	char c = 0;
	int saved = errno;
	ssize_t r = write(p->watch.wake[1], &c, 1); /* full: it is awake anyway */
	(void)r;
	errno = saved;
}

static void poke(pt *p)
{
	int tid = atomic_load(&p->watch.owner);
	if (tid)
		syscall(SYS_tgkill, getpid(), tid, poke_signal());
}

static void *helper(void *u)
{
	pt *p = u;
	pt_watch *w = &p->watch;
	char drain[64];
	while (!atomic_load(&w->quit)) {
		uint64_t now = sys_now_ms(), deadline = atomic_load(&w->deadline);
		bool waiting = atomic_load(&w->waiting);
		int timeout = -1;
		if (waiting && (atomic_load(&w->want_break) || (deadline && now >= deadline))) {
			poke(p);
			timeout = POKE_AGAIN_MS;
		} else if (waiting && deadline) {
			timeout = deadline - now < 60000 ? (int)(deadline - now) : 60000;
		} else if (deadline) {
			/* Between two waits, or after the last: look again before sleeping. */
			timeout = IDLE_MS;
			if (now > deadline + IDLE_MS)
				timeout = -1;
		}
		atomic_store(&w->next_look, timeout < 0 ? 0 : now + (uint64_t)timeout);
		/* Whoever stored a nearer deadline before that line has not woken us. */
		uint64_t again = atomic_load(&w->deadline);
		if (timeout < 0 && again && atomic_load(&w->waiting) && again != deadline)
			continue;
		struct pollfd pf = {w->wake[0], POLLIN, 0};
		if (poll(&pf, 1, timeout) > 0)
			while (read(w->wake[0], drain, sizeof drain) > 0)
				;
	}
	return NULL;
}

err pt_watch_start(pt *p, diag *d)
{
	pt_watch *w = &p->watch;
	sigset_t all, old;
	w->wake[0] = w->wake[1] = -1;
	if (pipe2(w->wake, O_CLOEXEC | O_NONBLOCK))
		return diag_set(d, ERR_IO, "pipe: %s", strerror(errno));
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int e = pthread_create(&w->thread, NULL, helper, p);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (e)
		return diag_set(d, ERR_IO, "starting a thread: %s", strerror(e));
	w->running = true;
	return ERR_OK;
}

void pt_watch_stop(pt *p)
{
	pt_watch *w = &p->watch;
	if (w->running) {
		atomic_store(&w->quit, true);
		wake_helper(p);
		pthread_join(w->thread, NULL);
	}
	w->running = false;
	for (int i = 0; i < 2; i++)
		if (w->wake[i] >= 0)
			close(w->wake[i]);
	w->wake[0] = w->wake[1] = -1;
}

/* The owner's first wait: from now on the signal does nothing but end system calls. */
static void become_owner(pt *p)
{
	struct sigaction sa = {.sa_handler = noticed};
	sigset_t set;
	sigaction(poke_signal(), &sa, NULL);
	sigemptyset(&set);
	sigaddset(&set, poke_signal());
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	atomic_store(&p->watch.owner, (int)syscall(SYS_gettid));
}

void pt_watch_begin(pt *p, int timeout_ms)
{
	pt_watch *w = &p->watch;
	if (!atomic_load_explicit(&w->owner, memory_order_relaxed))
		become_owner(p);
	uint64_t deadline = timeout_ms < 0 ? 0 : sys_now_ms() + (uint64_t)timeout_ms;
	if (deadline || atomic_load_explicit(&w->deadline, memory_order_relaxed))
		atomic_store(&w->deadline, deadline);
	atomic_store(&w->waiting, true);
	if (deadline) {
		uint64_t look = atomic_load(&w->next_look);
		if (!look || look > deadline + 1)
			wake_helper(p);
	}
}

void pt_watch_end(pt *p)
{
	atomic_store_explicit(&p->watch.waiting, false, memory_order_release);
}

bool pt_watch_late(pt *p)
{
	uint64_t deadline = atomic_load(&p->watch.deadline);
	return deadline && sys_now_ms() >= deadline;
}

/* Any thread, any signal handler. */
void pt_interrupt(tgt *t)
{
	pt *p = pt_of(t);
	atomic_store(&p->watch.want_break, true);
	wake_helper(p);
}
