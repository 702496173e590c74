/*
 * hang: !analyze -hang of a Linux process: what each thread waits for, and whether threads wait for
 * each other in a circle. A thread that sleeps in futex(2) says at which word; what that word
 * belongs to is told by the function on its stack: of a mutex the owner's id stands in it (glibc),
 * of a thread that is joined the word is its id.
 */
#include "cmd/stacks.h"

#include "cmd/lang.h"

enum { SYS_FUTEX = 202, LINE_MAX_ = 4096 };

typedef enum wait_kind {
	WAITS_NOT,
	WAITS_MUTEX,
	WAITS_JOIN,
	WAITS_COND,
	WAITS_FUTEX,
	WAITS_CALL
} wait_kind;

typedef struct waiting {
	wait_kind kind;
	uint64_t at;	     /* the mutex, the word */
	const eng_thr *whom; /* NULL: unknown */
	size_t next;	     /* its index; SIZE_MAX none */
} waiting;

typedef struct hang {
	cmd *c;
	thread_stack *v;
	waiting *w;
	size_t n;
	bool mutex_known;
	uint64_t lock_off, owner_off;
} hang;

/* What the program's own function called, by the call instruction: functions of a library without
 * debug information have no names on the stack, and some are left by a jump. */
static bool calls(hang *x, const thread_stack *v, const char *pattern)
{
	enum { NEAR_CALL = 5 };
	x64_insn in;
	sym s;
	uint64_t disp;
	size_t own = stacks_own(x->c, v);
	return own && eng_insn(x->c->e, v->f[own].ip - NEAR_CALL, &in, NULL) == ERR_OK &&
	       in.len == NEAR_CALL && in.flow == X64_FLOW_CALL && in.has_target &&
	       sym_at(x->c->e->syms, in.target, &s, &disp) == ERR_OK && !disp &&
	       str_wild(str_of(pattern), s.name, true);
}

static bool on_stack(hang *x, const thread_stack *v, const char *pattern)
{
	sym s;
	uint64_t disp;
	if (calls(x, v, pattern))
		return true;
	for (size_t i = 0; i < v->n; i++)
		if (sym_at(x->c->e->syms, v->f[i].ip - (i > 0), &s, &disp) == ERR_OK &&
			str_wild(str_of(pattern), s.name, true))
			return true;
	return false;
}

/* Where glibc's mutex has its word and its owner: the program's own debug information says. */
static void learn_mutex(hang *x)
{
	sym_type t;
	sym_field lock, owner;
	x->mutex_known =
		sym_type_find(x->c->e->syms, STR("__pthread_mutex_s"), &t, NULL) == ERR_OK &&
		sym_type_field(t, STR("__lock"), &lock, NULL) == ERR_OK &&
		sym_type_field(t, STR("__owner"), &owner, NULL) == ERR_OK;
	if (x->mutex_known) {
		x->lock_off = lock.offset;
		x->owner_off = owner.offset;
	}
}

static void belongs_to(hang *x, waiting *w, uint64_t id_at)
{
	uint64_t tid;
	if (eng_read_uint(x->c->e, id_at, 4, &tid, NULL) != ERR_OK)
		return;
	for (size_t i = 0; i < x->n; i++)
		if (x->v[i].t->tid == tid) {
			w->whom = x->v[i].t;
			w->next = i;
		}
}

static waiting look(hang *x, const thread_stack *v)
{
	waiting w = {.next = SIZE_MAX};
	if (!(v->r.valid & X64_SET_BASES) || v->r.restart > INT32_MAX)
		return w;
	w.kind = WAITS_CALL;
	if (v->r.restart != SYS_FUTEX)
		return w;
	w.kind = WAITS_FUTEX;
	w.at = v->r.gpr[X64_RDI];
	if (on_stack(x, v, "*pthread_cond_*wait*")) {
		w.kind = WAITS_COND;
	} else if (on_stack(x, v, "*pthread_mutex_*lock*")) {
		w.kind = WAITS_MUTEX;
		if (x->mutex_known) {
			w.at -= x->lock_off;
			belongs_to(x, &w, w.at + x->owner_off);
		}
	} else if (on_stack(x, v, "*pthread_*join*")) {
		w.kind = WAITS_JOIN;
		belongs_to(x, &w, w.at);
	}
	return w;
}

static void add_name(hang *x, uint64_t addr, buf *b)
{
	sym s;
	uint64_t disp;
	buf_addf(b, " %s", out_addr(x->c->e, addr));
	if (sym_at(x->c->e->syms, addr, &s, &disp) == ERR_OK && disp < s.size)
		buf_addf(b, " (%.*s!%.*s)", STR_ARG(s.mod->name), STR_ARG(s.name));
}

static void show(hang *x, size_t i)
{
	const waiting *w = &x->w[i];
	const thread_stack *v = &x->v[i];
	buf b;
	buf_init(&b, LINE_MAX_);
	buf_addf(&b, "Thread %u (%x) ", v->t->id, v->t->tid);
	switch (w->kind) {
	case WAITS_NOT:
		buf_addz(&b, "runs");
		break;
	case WAITS_MUTEX:
		buf_addz(&b, "waits for the mutex");
		add_name(x, w->at, &b);
		break;
	case WAITS_JOIN:
		buf_addz(&b, "waits for the end of a thread");
		break;
	case WAITS_COND:
		buf_addz(&b, "waits for a condition");
		break;
	case WAITS_FUTEX:
		buf_addz(&b, "waits at");
		add_name(x, w->at, &b);
		break;
	case WAITS_CALL:
		buf_addf(&b, "is in system call %llu", (unsigned long long)v->r.restart);
		break;
	}
	if (w->whom)
		buf_addf(&b, w->kind == WAITS_MUTEX ? ", which thread %u has" : ": thread %u",
			w->whom->id);
	buf_addc(&b, '\n');
	size_t who = stacks_own(x->c, v);
	if (v->n) {
		buf_addz(&b, "    ");
		stacks_symbol(x->c, v, who, &b);
		buf_addc(&b, '\n');
	}
	out_str(x->c->e, OUT_NORMAL, buf_str(&b));
	buf_deinit(&b);
}

/* Every circle once: by its member that comes first. */
static bool show_circle(hang *x, size_t from)
{
	size_t at = x->w[from].next, steps = 0;
	while (at != SIZE_MAX && at > from && steps++ < x->n)
		at = x->w[at].next;
	if (at != from)
		return false;
	out(x->c->e, "DEADLOCK: thread %u", x->v[from].t->id);
	for (at = x->w[from].next; at != from; at = x->w[at].next)
		out(x->c->e, " -> thread %u", x->v[at].t->id);
	out(x->c->e, " -> thread %u\n", x->v[from].t->id);
	return true;
}

err hang_show(cmd *c)
{
	hang x = {.c = c};
	bool any = false;
	TRY(stacks_collect(c, &x.v, &x.n));
	x.w = arena_array(&c->a, x.n, sizeof *x.w);
	learn_mutex(&x);
	for (size_t i = 0; i < x.n; i++) {
		TRY(lang_cancelled(c));
		x.w[i] = look(&x, &x.v[i]);
		show(&x, i);
	}
	out(c->e, "\n");
	for (size_t i = 0; i < x.n; i++)
		any = show_circle(&x, i) || any;
	if (!any)
		out(c->e, "No threads wait for each other in a circle%s\n",
			x.mutex_known ? ""
				      : ", as far as is known: no module tells what a mutex is");
	return ERR_OK;
}
