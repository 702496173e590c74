/* stacks: the stacks of all threads of the current process, for those who compare them. */
#ifndef RS_CMD_STACKS_H
#define RS_CMD_STACKS_H

#include "cmd/cmd.h"

typedef struct thread_stack {
	const eng_thr *t;
	x64_regs r; /* general, and the bases if they are known */
	eng_frame *f;
	size_t n;  /* 0: it cannot be read */
	bool same; /* as an earlier one */
} thread_stack;

err stacks_collect(cmd *c, thread_stack **ret, size_t *n_ret) MUST_CHECK;
/* "prog!work+0x12" of frame i. */
void stacks_symbol(cmd *c, const thread_stack *v, size_t i, buf *b);

/* The first frame that is not in a module that everybody calls (the C library ...); 0: none. */
size_t stacks_own(cmd *c, const thread_stack *v);
/* A module that everybody calls: a fault in it is mostly its caller's. */
bool stacks_system(const engine *e, const sym_mod *m);

/* hang.c: !analyze -hang of a Linux process. */
err hang_show(cmd *c) MUST_CHECK;

#endif
