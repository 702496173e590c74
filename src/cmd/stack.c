/*
 * stack: k in all its forms, .kframes, .frame, .f+ and .f-. Refuses to know how frames are found:
 * the engine unwinds.
 */
#include "base/reader.h"
#include "cmd/code.h"
#include "cmd/regs.h"

#include <stdio.h>

enum {
	FRAMES_MAX = 4096,
	WORDS_MAX = 64 * 1024,
	ARGS = 4 /* home slots of the register parameters */
};

typedef enum kparams { KP_NONE, KP_SAME_LINE, KP_OWN_LINES } kparams;

typedef struct kopts {
	bool args;	/* b, v */
	bool verbose;	/* v: trap frames too */
	bool clean;	/* c: names only */
	bool distance;	/* f */
	bool no_source; /* L */
	kparams params; /* p, P */
} kopts;

/* ---- inlined calls ---- */

/* A line of k: a frame of the stack, or in front of it a call that the compiler put into it. */
typedef struct kframe {
	size_t at;	      /* in the stack */
	const sym_inline *in; /* NULL: the frame's own function */
	const sym_inline *of; /* own function: the call inlined there, whose line is shown */
} kframe;

/* 1 where frame i returns from a call: names and line are the call's, and the return address may be
 * the first byte of what follows. 0 where it was stopped, and of what a signal's handler returns
 * to, which nobody called. */
static unsigned behind_call(const eng_frame *f, size_t i)
{
	return i && f[i].ip && !f[i - 1].trap && !f[i].trap;
}

/* The stack as it is shown, at most max lines. */
static kframe *with_inlines(cmd *c, const eng_frame *f, size_t n, size_t max, size_t *ret)
{
	sym_inline **in = arena_alloc(&c->a, n * sizeof *in);
	size_t *k = arena_alloc(&c->a, n * sizeof *k), total = 0;
	for (size_t i = 0; i < n; i++) {
		k[i] = 0;
		if (c->e->syms && sym_inlines(c->e->syms, &c->a, f[i].ip - behind_call(f, i),
					  &in[i], &k[i]) != ERR_OK)
			k[i] = 0;
		total += k[i] + 1;
	}
	kframe *v = arena_alloc(&c->a, total * sizeof *v);
	size_t at = 0;
	for (size_t i = 0; i < n; i++) {
		for (size_t j = k[i]; j-- > 0;)
			v[at++] = (kframe){i, &in[i][j], NULL};
		v[at++] = (kframe){i, NULL, k[i] ? &in[i][0] : NULL};
	}
	*ret = total < max ? total : max;
	return v;
}

size_t stack_lines(cmd *c, const eng_frame *f, size_t n)
{
	size_t lines = 0;
	(void)with_inlines(c, f, n, SIZE_MAX, &lines);
	return lines;
}

static void add_inline(cmd *c, const eng_frame *f, const sym_inline *in, const kopts *o, buf *b)
{
	sym_mod *m = sym_mod_at(c->e->syms, f->ip);
	if (m)
		buf_addf(b, "%.*s!", STR_ARG(m->name));
	buf_adds(b, in->name);
	if (f->ip > in->begin)
		buf_addf(b, "+0x%llx", (unsigned long long)(f->ip - in->begin));
	if (!o->no_source && !o->clean && c->e->lines_on && in->file.n)
		buf_addf(b, " [%.*s @ %u]", STR_ARG(in->file), in->line);
}

/* ---- parameters by name ---- */

static double from_bits(uint64_t v, size_t size)
{
	double d;
	float f;
	uint32_t low = (uint32_t)v;
	memcpy(&d, &v, sizeof d);
	memcpy(&f, &low, sizeof f);
	return size == 4 ? (double)f : d;
}

static void add_param_value(cmd *c, const eng_frame *f, const sym_local *l, buf *b)
{
	engine *e = c->e;
	sym_type_info t;
	uint64_t v = 0, addr = l->addr;
	const x64_reg *reg = x64_reg_find(str_of(l->reg));
	bool known = sym_type_info_get(l->type, &t) == ERR_OK;
	size_t size = known && t.size && t.size <= 8 ? (size_t)t.size : 8;
	switch (l->loc) {
	case SYM_LOC_REG:
		if (!reg || !(f->regs.valid & reg->set)) {
			buf_addz(b, "<value unavailable>");
			return;
		}
		v = x64_reg_get(&f->regs, reg);
		break;
	case SYM_LOC_CONST:
		v = l->addr;
		break;
	case SYM_LOC_REGREL:
		addr = reg ? x64_reg_get(&f->regs, reg) + (uint64_t)l->off : 0;
		/* fall through */
	case SYM_LOC_STATIC:
		if (known && t.size > 8) {
			buf_addf(b, "struct at %s", out_addr(e, addr));
			return;
		}
		if (size == 3 || (size > 4 && size < 8))
			size = 8;
		if (eng_read_uint(e, addr, size == 3 ? 4 : size, &v, NULL) != ERR_OK) {
			buf_addz(b, "<memory access error>");
			return;
		}
		break;
	default:
		buf_addz(b, "<value unavailable>");
		return;
	}
	if (size < 8)
		v &= (1ull << 8 * size) - 1;
	if (known && (t.kind == SYM_T_INT || t.kind == SYM_T_CHAR))
		buf_addf(b, "0n%lld",
			(long long)((int64_t)(v << (64 - 8 * size)) >> (64 - 8 * size)));
	else if (known && (t.kind == SYM_T_PTR || t.kind == SYM_T_REF))
		buf_addf(b, "0x%s", out_addr(e, v));
	else if (known && t.kind == SYM_T_FLOAT && (size == 4 || size == 8))
		buf_addf(b, "%g", from_bits(v, size));
	else
		buf_addf(b, "0x%llx", (unsigned long long)v);
}

/* "(int argc = 0n1, char ** argv = 0x...)"; nothing if the symbols have no parameters. */
static void add_params(cmd *c, const eng_frame *f, unsigned back, kparams how, buf *b)
{
	sym_local *l;
	size_t n, shown = 0;
	if (!c->e->syms || sym_locals(c->e->syms, &c->a, f->ip - back, &l, &n, NULL) != ERR_OK)
		return;
	buf_addc(b, '(');
	for (size_t i = 0; i < n; i++) {
		if (!l[i].param || l[i].inlined)
			continue;
		if (shown++)
			buf_addz(b, how == KP_OWN_LINES ? "," : ", ");
		if (how == KP_OWN_LINES)
			buf_addz(b, "\n\t\t\t");
		sym_type_text(l[i].type, b);
		buf_addf(b, " %.*s = ", STR_ARG(l[i].name));
		add_param_value(c, f, &l[i], b);
	}
	buf_addc(b, ')');
}

/* ---- lines ---- */

static void add_site(
	cmd *c, const eng_frame *f, const sym_inline *of, unsigned back, const kopts *o, buf *b)
{
	engine *e = c->e;
	sym s;
	sym_line l;
	uint64_t disp;
	unsigned to_call = e->mode == ENG_USER ? back : 0;
	if (o->params && e->syms && sym_at(e->syms, f->ip - to_call, &s, &disp) == ERR_OK) {
		disp += to_call;
		buf_addf(b, "%.*s!%.*s", STR_ARG(s.mod->name), STR_ARG(s.name));
		add_params(c, f, back, o->params, b);
		if (disp)
			buf_addf(b, "+0x%llx", (unsigned long long)disp);
	} else if (back) {
		out_caller(e, f->ip, b);
	} else {
		out_symbol(e, f->ip, b);
	}
	if (o->no_source || o->clean || !e->lines_on)
		return;
	if (of && of->call_file.n)
		buf_addf(b, " [%.*s @ %u]", STR_ARG(of->call_file), of->call_line);
	else if (e->syms && sym_line_at(e->syms, f->ip - back, &l) == ERR_OK)
		buf_addf(b, " [%.*s @ %u]", STR_ARG(l.file), l.line);
}

/* The register parameters' home slots above the return address: what the function may have put
 * there. */
static void add_args(cmd *c, const eng_frame *f, buf *b)
{
	buf_addz(b, ": ");
	for (unsigned i = 0; i < ARGS; i++) {
		uint64_t v;
		if (f->ret_slot &&
			eng_read_uint(c->e, f->ret_slot + 8 + 8 * i, 8, &v, NULL) == ERR_OK)
			buf_addf(b, "%s ", out_addr(c->e, v));
		else
			buf_addz(b, f->ret_slot ? "????????`???????? " : "00000000`00000000 ");
	}
	buf_addz(b, ": ");
}

static void header(cmd *c, const kopts *o)
{
	static const char args[] =
		": Args to Child                                                           : ";
	if (o->clean) {
		out(c->e, " # Call Site\n");
		return;
	}
	out(c->e, " #%s%s RetAddr               %sCall Site\n", o->distance ? "   Memory " : "",
		o->args && !o->verbose ? "" : " Child-SP         ", o->args ? args : "");
}

static void frame_line(
	cmd *c, const kopts *o, const eng_frame *frames, const kframe *k, size_t number, buf *b)
{
	size_t i = k->at;
	const eng_frame *f = &frames[i];
	buf_addf(b, "%02zx ", number);
	if (k->in) {
		if (o->distance && !o->clean)
			buf_addz(b, "          ");
		if (!o->clean)
			buf_addf(b, "%s--------`--------     ",
				!o->args || o->verbose ? "(Inline Function) " : "");
		if (!o->clean && o->args)
			buf_addz(b, ": (Inline Function) : ");
		add_inline(c, f, k->in, o, b);
		buf_addc(b, '\n');
		return;
	}
	if (!o->clean) {
		if (o->distance && i && f->sp >= frames[i - 1].sp)
			buf_addf(b, "%8llx  ", (unsigned long long)(f->sp - frames[i - 1].sp));
		else if (o->distance)
			buf_addz(b, "          ");
		if (!o->args || o->verbose)
			buf_addf(b, "%s ", out_addr(c->e, f->sp));
		buf_addf(b, "%s     ", out_addr(c->e, f->ret));
		if (o->args)
			add_args(c, f, b);
	}
	add_site(c, f, k->of, behind_call(frames, i), o, b);
	if (o->verbose && f->trap)
		buf_addf(b, " (TrapFrame @ %s)", out_addr(c->e, f->sp));
	buf_addc(b, '\n');
}

/* ---- where to start ---- */

/* The register context itself, whatever frame .frame has chosen in it. */
static err context_regs(cmd *c, x64_regs *ret)
{
	engine *e = c->e;
	eng_ctx saved = eng_ctx_save(e);
	x64_regs r = {0};
	e->ctx.frame_set = false;
	err x = eng_regs(e, X64_SET_GENERAL, &r, &c->d);
	e->ctx.frame_set = saved.frame_set;
	if (x == ERR_OK)
		*ret = r;
	return x;
}

/* "= StackPtr [InstructionPtr] FrameCount" behind the equal sign. */
static err explicit_start(cmd *c, str *rest, x64_regs *r, uint64_t *count)
{
	uint64_t v[3];
	unsigned n = 0;
	*rest = str_trim(*rest);
	while (rest->n && n < ARRAY_LEN(v))
		TRY(cmd_arg_expr(c, rest, &v[n++]));
	if (!n)
		return cmd_fail(c, ERR_SYNTAX, "k = needs a stack pointer");
	r->gpr[X64_RSP] = v[0];
	if (n == 2)
		*count = v[1];
	if (n == 3) {
		r->rip = v[1];
		*count = v[2];
	}
	return ERR_OK;
}

static err letters(cmd *c, cmd_call *call, str *rest, kopts *o)
{
	/* Apart from the name only letters that are no hexadecimal digits can be options. */
	const char *allowed = call->glued ? "bpPvcnfLM" : "pPvnLM";
	bool any = false;
	while (rest->n && rest->p[0] && strchr(allowed, rest->p[0])) {
		switch (rest->p[0]) {
		case 'b':
			o->args = true;
			break;
		case 'v':
			o->args = o->verbose = true;
			break;
		case 'p':
			o->params = KP_SAME_LINE;
			break;
		case 'P':
			o->params = KP_OWN_LINES;
			break;
		case 'c':
			o->clean = true;
			break;
		case 'f':
			o->distance = true;
			break;
		case 'L':
			o->no_source = true;
			break;
		default: /* n: numbers are always there; M: links need a front end that shows them
			  */
			break;
		}
		any = true;
		*rest = str_skip(*rest, 1);
	}
	if (any && rest->n && !strchr(" \t=0123456789", rest->p[0]))
		return cmd_syntax(c, *rest);
	*rest = str_trim(*rest);
	return ERR_OK;
}

static err backtrace(cmd *c, cmd_call *call)
{
	engine *e = c->e;
	str rest = call->args;
	kopts o = {0};
	x64_regs r;
	uint64_t count = e->kframes;
	eng_frame *frames;
	size_t n;
	diag why = {0};
	buf b;
	TRY(letters(c, call, &rest, &o));
	TRY(context_regs(c, &r));
	if (rest.n && rest.p[0] == '=') {
		rest = str_skip(rest, 1);
		TRY(explicit_start(c, &rest, &r, &count));
	} else {
		if (e->ctx.from != REGS_UNIT)
			out(e, "  *** Stack trace for last set context - .thread/.cxr resets it\n");
		if (rest.n)
			TRY(cmd_arg_expr(c, &rest, &count));
	}
	TRY(cmd_arg_end(c, rest));
	if (!count || count > FRAMES_MAX)
		return cmd_fail(
			c, ERR_LIMIT, "the number of frames must be from 1 to 0x%x", FRAMES_MAX);
	TRY(eng_stack(e, &c->a, &r, (size_t)count, &frames, &n, &why));
	header(c, &o);
	buf_init(&b, 0);
	kframe *k = with_inlines(c, frames, n, (size_t)count, &n);
	for (size_t i = 0; i < n && !cancelled(&e->cancel); i++)
		frame_line(c, &o, frames, &k[i], i, &b);
	out_str(e, OUT_NORMAL, buf_str(&b));
	buf_deinit(&b);
	if (why.text[0])
		out_as(e, OUT_WARNING, "%s\n", why.text);
	return ERR_OK;
}

/* ---- kd ---- */

static err raw_words(cmd *c, cmd_call *call)
{
	engine *e = c->e;
	str rest = call->args;
	x64_regs r;
	uint64_t count = e->kframes;
	buf b;
	if (str_trim(rest).n)
		TRY(cmd_arg_expr(c, &rest, &count));
	TRY(cmd_arg_end(c, rest));
	if (count > WORDS_MAX)
		return cmd_fail(c, ERR_LIMIT, "at most 0x%x words", WORDS_MAX);
	TRY(context_regs(c, &r));
	buf_init(&b, 0);
	for (uint64_t i = 0; i < count && !cancelled(&e->cancel); i++) {
		uint64_t at = r.gpr[X64_RSP] + i * e->ptr_size, v;
		buf_addf(&b, "%s  ", out_addr(e, at));
		if (eng_read_ptr(e, at, &v, NULL) != ERR_OK) {
			buf_addz(&b, "????????`????????\n");
			break;
		}
		buf_addz(&b, out_addr(e, v));
		size_t end = b.n;
		buf_addc(&b, ' ');
		if (!e->syms || !sym_format(e->syms, v, &b))
			b.n = end;
		buf_addc(&b, '\n');
	}
	out_str(e, OUT_NORMAL, buf_str(&b));
	buf_deinit(&b);
	return ERR_OK;
}

/* Runs fn with the processor of the prefix as the context. */
static err on_unit(cmd *c, cmd_call *call, cmd_fn *fn)
{
	if (call->thread.p && c->e->mode != ENG_USER)
		return cmd_fail(c, ERR_SYNTAX,
			"thread prefixes need a user-mode target; a processor's number stands in "
			"front: 1k");
	if (!call->has_unit)
		return fn(c, call);
	eng_ctx saved = eng_ctx_save(c->e);
	err x = eng_ctx_unit(c->e, call->unit, &c->d);
	if (x == ERR_OK)
		x = fn(c, call);
	eng_ctx_restore(c->e, &saved);
	return x;
}

static err cmd_k(cmd *c, cmd_call *call)
{
	return on_unit(c, call, backtrace);
}

static err cmd_kd(cmd *c, cmd_call *call)
{
	return on_unit(c, call, raw_words);
}

static err cmd_kframes(cmd *c, cmd_call *call)
{
	str rest = call->args;
	uint64_t n;
	if (str_trim(rest).n) {
		TRY(cmd_arg_expr(c, &rest, &n));
		TRY(cmd_arg_end(c, rest));
		if (!n || n > FRAMES_MAX)
			return cmd_fail(c, ERR_LIMIT, "the number of frames must be from 1 to 0x%x",
				FRAMES_MAX);
		c->e->kframes = (unsigned)n;
	}
	out(c->e, "Default stack trace depth is 0n%u frames\n", c->e->kframes);
	return ERR_OK;
}

/* ---- .frame ---- */

/* The frame with this number in the register context; inlined calls count as in k. */
static err frame_at(
	cmd *c, uint64_t n, eng_frame *ret, kframe *ret_k, unsigned *ret_back, uint32_t *ret_out)
{
	x64_regs r;
	eng_frame *frames;
	size_t count = 0;
	kframe *k = NULL;
	TRY(context_regs(c, &r));
	if (n < FRAMES_MAX)
		TRY(eng_stack(c->e, &c->a, &r, (size_t)n + 1, &frames, &count, &c->d));
	if (count)
		k = with_inlines(c, frames, count, SIZE_MAX, &count);
	if (n >= FRAMES_MAX || n >= count)
		return cmd_fail(c, ERR_NOTFOUND,
			"Cannot find frame 0x%llx, previous scope unchanged",
			(unsigned long long)n);
	*ret = frames[k[n].at];
	*ret_k = k[n];
	*ret_back = behind_call(frames, k[n].at);
	size_t first = n;
	while (first && k[first - 1].at == k[n].at)
		first--;
	*ret_out = (uint32_t)(n - first);
	return ERR_OK;
}

static err set_frame(cmd *c, uint64_t n, bool set, bool show_regs)
{
	engine *e = c->e;
	eng_frame f;
	kframe k = {0};
	unsigned back = 0;
	uint32_t further_out = 0;
	kopts o = {0};
	buf b;
	TRY(frame_at(c, n, &f, &k, &back, &further_out));
	if (set) {
		TRY(eng_ctx_frame(e, (uint32_t)k.at, &c->d));
		e->ctx.frame = (uint32_t)n;
		e->ctx.frame_call = back;
		e->ctx.frame_out = further_out;
	}
	buf_init(&b, 0);
	buf_addf(&b, "%02llx ", (unsigned long long)n);
	if (k.in) {
		buf_addz(&b, "(Inline Function) --------`--------     ");
		add_inline(c, &f, k.in, &o, &b);
	} else {
		buf_addf(&b, "%s %s     ", out_addr(e, f.sp), out_addr(e, f.ret));
		add_site(c, &f, k.of, back, &o, &b);
	}
	buf_addc(&b, '\n');
	if (show_regs) {
		regs_format(c, &f.regs, e->reg_mask, &b);
		code_here(c, &f.regs, &b);
	}
	out_str(e, OUT_NORMAL, buf_str(&b));
	buf_deinit(&b);
	return ERR_OK;
}

static err cmd_frame(cmd *c, cmd_call *call)
{
	str rest = call->args, sw;
	bool show_regs = false;
	uint64_t n;
	while (cmd_arg_switch(&rest, "/", &sw)) {
		for (size_t i = 0; i < sw.n; i++) {
			show_regs |= sw.p[i] == 'r';
			/* c: a chosen frame's registers are always the ones that commands see */
			if (sw.p[i] != 'r' && sw.p[i] != 'c')
				return cmd_syntax(c, sw);
		}
	}
	rest = str_trim(rest);
	if (rest.n && rest.p[0] == '=')
		return cmd_fail(c, ERR_UNSUPPORTED,
			".frame = takes a base pointer, which only x86 frames have; k = shows "
			"stacks from "
			"other places");
	if (!rest.n)
		return set_frame(c, c->e->ctx.frame, false, show_regs);
	TRY(cmd_arg_expr(c, &rest, &n));
	TRY(cmd_arg_end(c, rest));
	return set_frame(c, n, true, show_regs);
}

static err cmd_frame_shift(cmd *c, cmd_call *call)
{
	uint64_t n = c->e->ctx.frame;
	bool up = call->row->name[2] == '+';
	TRY(cmd_arg_end(c, call->args));
	if (!up && !n)
		return cmd_fail(
			c, ERR_NOTFOUND, "Cannot find previous frame, previous scope unchanged");
	return set_frame(c, up ? n + 1 : n - 1, true, false);
}

static const cmd_row rows[] = {
	{"k",
		"[Processor] k[b|p|P|v][c][n][f][L][M] [FrameCount]\n"
		"[Processor] k[b|p|P|v][c][n][f][L][M] = StackPtr FrameCount\n"
		"[Processor] k[b|p|P|v][c][n][f][L][M] = StackPtr InstructionPtr FrameCount",
		"Display the stack",
		"Shows the frames of the current register context, the innermost first, by the "
		"unwind data of the "
		"images; stacks run across interrupts and traps down into user mode. Child-SP is "
		"the stack pointer "
		"inside the function, RetAddr where it returns to.\n\n"
		"b: the four home slots of the register parameters of each frame (what the "
		"function has put there, "
		"not always its arguments). v: b and the places of trap frames. p, P: all "
		"parameters by name on the "
		"same line or on their own lines (needs private symbols). c: names only. n: frame "
		"numbers, which "
		"are always shown. f: the distance between frames. L: no source lines. M: links, "
		"where a front end "
		"shows them.\n\n"
		"FrameCount is in the current radix; its default is that of .kframes. With = the "
		"stack starts at "
		"another place.",
		CMD_ANY | CMD_TARGET | CMD_SUFFIX | CMD_UNIT, cmd_k},
	{"kd", "[Processor] kd [WordCount]", "Display the raw stack",
		"Shows the pointer-sized words at the stack pointer, each with the nearest symbol. "
		"WordCount's "
		"default is that of .kframes.",
		CMD_ANY | CMD_TARGET | CMD_UNIT, cmd_kd},
	{".kframes", ".kframes [FrameCountDefault]", "Set the default stack length",
		"Sets how many frames k shows and how many words kd shows when no count is given. "
		"Without a number "
		"the current value is shown.",
		CMD_ANY, cmd_kframes},
	{".frame", ".frame [/c] [/r] [FrameNumber]", "Set or show the local context",
		"Chooses the frame whose registers and local variables commands see; 0 is the "
		"innermost. The number "
		"is in the current radix, k shows it in hexadecimal. Without a number the current "
		"frame is shown. "
		"/r shows its registers. Reset by execution and by a change of the register "
		"context.",
		CMD_ANY | CMD_TARGET, cmd_frame},
	{".f+", ".f+", "Go to the next outer frame", "As .frame @$frame + 1.", CMD_ANY | CMD_TARGET,
		cmd_frame_shift},
	{".f-", ".f-", "Go to the next inner frame", "As .frame @$frame - 1.", CMD_ANY | CMD_TARGET,
		cmd_frame_shift},
};

const cmd_family cmd_family_stack = {"Stack", rows, ARRAY_LEN(rows)};
