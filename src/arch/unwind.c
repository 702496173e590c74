/*
 * One frame up on x64, from the PE32+ unwind data of the function that pc is in. The format and the
 * rules are public: "x64 exception handling" and "x64 prolog and epilog" in Microsoft's C++
 * documentation; version 2's epilog codes as LLVM writes them (llvm/Support/Win64EH.h, UOP_Epilog).
 * Refuses to know modules and targets: three callbacks bring tables, image bytes and stack bytes.
 *
 * Invariants: the caller's registers change only when a whole frame was unwound; every loop is
 * bounded (255 codes an entry, CHAIN_MAX entries); rsp grows with each frame unless a machine frame
 * is crossed.
 */
#include "arch/x64.h"

#include "base/reader.h"

enum {
	UWOP_PUSH_NONVOL = 0,
	UWOP_ALLOC_LARGE = 1,
	UWOP_ALLOC_SMALL = 2,
	UWOP_SET_FPREG = 3,
	UWOP_SAVE_NONVOL = 4,
	UWOP_SAVE_NONVOL_FAR = 5,
	UWOP_EPILOG = 6, /* version 2; version 1 had a save of 8 xmm bytes here, two slots */
	UWOP_SPARE = 7,
	UWOP_SAVE_XMM128 = 8,
	UWOP_SAVE_XMM128_FAR = 9,
	UWOP_PUSH_MACHFRAME = 10
};
enum { UNW_EHANDLER = 1, UNW_UHANDLER = 2, UNW_CHAININFO = 4 };
enum {
	CHAIN_MAX = 32,
	EPILOG_MAX = 64, /* bytes; lea, eight pops with prefix, a jump */
	FX_XMM0 = 160
};

typedef x64_unwind_info unwind_info;

typedef struct frame {
	x64_regs r;
	const x64_unwind_env *env;
	x64_func f;	    /* the entry that pc is in */
	uint32_t prolog_at; /* pc relative to f.begin; UINT32_MAX in a parent entry */
	uint64_t fixed;	    /* rsp once the prolog is done: what SAVE codes are relative to */
	bool machine;
} frame;

static err read_func(const x64_unwind_env *env, uint64_t base, uint32_t rva, x64_func *ret)
{
	uint8_t raw[12];
	TRY(env->image(env->u, base + rva, raw, sizeof raw));
	*ret = (x64_func){base, le32(raw), le32(raw + 4), le32(raw + 8)};
	return ERR_OK;
}

err x64_unwind_info_read(const x64_unwind_env *env, const x64_func *f, x64_unwind_info *ret)
{
	uint8_t head[4];
	x64_func at = *f;
	x64_unwind_info v = {0};
	/* Bit 0: the data is another entry's (RUNTIME_FUNCTION_INDIRECT). */
	for (int i = 0; at.unwind & 1; i++) {
		if (i == CHAIN_MAX)
			return ERR_CORRUPT;
		TRY(read_func(env, f->base, at.unwind & ~1u, &at));
	}
	v.addr = f->base + at.unwind;
	TRY(env->image(env->u, v.addr, head, sizeof head));
	v.version = head[0] & 7;
	v.flags = head[0] >> 3;
	v.prolog = head[1];
	v.ncodes = head[2];
	v.frame_reg = head[3] & 15;
	v.frame_off = head[3] >> 4;
	v.chained = v.flags & UNW_CHAININFO;
	if (v.version != 1 && v.version != 2)
		return ERR_CORRUPT;
	if (v.ncodes)
		TRY(env->image(env->u, v.addr + 4, v.code, v.ncodes * 2));
	uint32_t behind = 4 + ((v.ncodes + 1) & ~1u) * 2;
	v.bytes = behind;
	if (v.chained) {
		TRY(read_func(env, f->base, at.unwind + behind, &v.parent));
		v.bytes += 12;
	} else if (v.flags & (UNW_EHANDLER | UNW_UHANDLER)) {
		uint8_t raw[4];
		/* Nobody needs it for unwinding: that it cannot be read must not end a stack. */
		if (env->image(env->u, v.addr + behind, raw, sizeof raw) == ERR_OK)
			v.handler = le32(raw);
		v.bytes += 4;
	}
	*ret = v;
	return ERR_OK;
}

err x64_func_primary(const x64_unwind_env *env, const x64_func *f, x64_func *ret)
{
	x64_func at = *f;
	unwind_info ui;
	for (int i = 0; i < CHAIN_MAX; i++) {
		TRY(x64_unwind_info_read(env, &at, &ui));
		if (!ui.chained) {
			*ret = at;
			return ERR_OK;
		}
		at = ui.parent;
	}
	return ERR_CORRUPT;
}

static err stack64(frame *s, uint64_t addr, uint64_t *ret)
{
	uint8_t raw[8];
	TRY(s->env->stack(s->env->u, addr, raw, sizeof raw));
	*ret = le64(raw);
	return ERR_OK;
}

static err pop(frame *s, uint64_t *ret)
{
	TRY(stack64(s, s->r.gpr[X64_RSP], ret));
	s->r.gpr[X64_RSP] += 8;
	return ERR_OK;
}

static err machine_frame(frame *s, bool error_code)
{
	uint64_t rsp = s->r.gpr[X64_RSP] + (error_code ? 8 : 0), v[5];
	for (int i = 0; i < 5; i++)
		TRY(stack64(s, rsp + 8 * (uint64_t)i, &v[i]));
	s->r.rip = v[0];
	s->r.seg[X64_CS] = (uint16_t)v[1];
	s->r.eflags = (uint32_t)v[2];
	s->r.gpr[X64_RSP] = v[3];
	s->r.seg[X64_SS] = (uint16_t)v[4];
	s->machine = true;
	return ERR_OK;
}

/* ---- epilogs ---- */

/* Version 2 lists its epilogs: is pc inside one? *listed is false if the function lists none. */
static bool in_listed_epilog(const unwind_info *ui, const x64_func *f, uint32_t pc, bool *listed)
{
	unsigned size = 0;
	bool inside = false;
	*listed = ui->version == 2 && ui->ncodes && (ui->code[1] & 15) == UWOP_EPILOG;
	for (unsigned i = 0; *listed && i < ui->ncodes; i++) {
		unsigned off = ui->code[2 * i], op = ui->code[2 * i + 1] & 15;
		unsigned info = ui->code[2 * i + 1] >> 4;
		if (op != UWOP_EPILOG)
			break;
		if (!i) {
			/* The first gives the size of all; bit 0: one stands at the very end. */
			size = off;
			off = info & 1 ? size : 0;
		} else {
			off |= info << 8;
		}
		if (off && off <= f->end - f->begin && pc >= f->end - off)
			inside |= pc - (f->end - off) < size;
	}
	return inside;
}

/* A jump of an epilog leaves the function, or starts it again. */
static bool leaves(const frame *s, uint64_t target)
{
	x64_func to, a, b;
	uint64_t begin = s->f.base + s->f.begin;
	if (target >= begin && target < s->f.base + s->f.end)
		return target == begin && x64_func_primary(s->env, &s->f, &a) == ERR_OK &&
		       a.begin == s->f.begin;
	if (s->env->func(s->env->u, target, &to) != ERR_OK)
		return true;
	/* Another piece of the same function is not outside. */
	if (x64_func_primary(s->env, &s->f, &a) != ERR_OK ||
		x64_func_primary(s->env, &to, &b) != ERR_OK)
		return true;
	return a.base != b.base || a.begin != b.begin || target == b.base + b.begin;
}

/* add rsp,imm or lea rsp,[frame register + disp] at p: its length, 0 if it is neither. */
static unsigned epilog_adjust(frame *s, const unwind_info *ui, const uint8_t *p, size_t n)
{
	if (n >= 4 && p[0] == 0x48 && p[1] == 0x83 && p[2] == 0xc4) {
		s->r.gpr[X64_RSP] += (uint64_t)(int64_t)(int8_t)p[3];
		return 4;
	}
	if (n >= 7 && p[0] == 0x48 && p[1] == 0x81 && p[2] == 0xc4) {
		s->r.gpr[X64_RSP] += (uint64_t)(int64_t)(int32_t)le32(p + 3);
		return 7;
	}
	if (n >= 3 && (p[0] & 0xfe) == 0x48 && p[1] == 0x8d && (p[2] >> 3 & 7) == X64_RSP) {
		unsigned reg = (p[2] & 7u) | (p[0] & 1u) << 3, mod = p[2] >> 6;
		/* r12 needs a SIB byte */
		unsigned at = (reg & 7) == 4 ? 4 : 3;
		if (!ui->frame_reg || reg != ui->frame_reg || mod == 3 || (at == 4 && n < 4))
			return 0;
		if (at == 4 && p[3] != 0x24)
			return 0;
		uint64_t base = s->r.gpr[reg];
		if (mod == 0 && (reg & 7) != 5) {
			s->r.gpr[X64_RSP] = base;
			return at;
		}
		if (mod == 1 && n >= at + 1) {
			s->r.gpr[X64_RSP] = base + (uint64_t)(int64_t)(int8_t)p[at];
			return at + 1;
		}
		if (mod == 2 && n >= at + 4) {
			s->r.gpr[X64_RSP] = base + (uint64_t)(int64_t)(int32_t)le32(p + at);
			return at + 4;
		}
	}
	return 0;
}

/* Whether the instruction at p (address addr) ends an epilog. */
static bool epilog_end(const frame *s, const uint8_t *p, size_t n, uint64_t addr)
{
	if (n >= 1 && (p[0] == 0xc3 || p[0] == 0xc2))
		return true;
	if (n >= 2 && p[0] == 0xf3 && p[1] == 0xc3)
		return true;
	if (n >= 2 && p[0] == 0xeb)
		return leaves(s, addr + 2 + (uint64_t)(int64_t)(int8_t)p[1]);
	if (n >= 5 && p[0] == 0xe9)
		return leaves(s, addr + 5 + (uint64_t)(int64_t)(int32_t)le32(p + 1));
	/* jmp [rip+disp]: an import; rex.w in front of an indirect jump marks a tail call */
	if (n >= 6 && p[0] == 0xff && p[1] == 0x25)
		return true;
	return n >= 3 && (p[0] & 0xf8) == 0x48 && p[1] == 0xff && (p[2] >> 3 & 7) == 4;
}

/*
 * If pc stands in an epilog, runs the rest of it: ERR_OK and the frame is unwound but for the
 * return address. ERR_NOTFOUND: no epilog. The frame is then untouched.
 */
static err run_epilog(frame *s, const unwind_info *ui)
{
	uint8_t code[EPILOG_MAX];
	bool listed;
	frame t = *s;
	uint64_t end = s->f.base + s->f.end, pc = s->r.rip;
	size_t n = end - pc < sizeof code ? end - pc : sizeof code, at = 0;
	if (s->env->image(s->env->u, pc, code, n) != ERR_OK)
		return ERR_NOTFOUND;
	bool inside = in_listed_epilog(ui, &s->f, (uint32_t)(pc - s->f.base), &listed);
	bool at_ret = code[0] == 0xc3 || code[0] == 0xc2;
	if (listed && !inside && !at_ret)
		return ERR_NOTFOUND;
	at += epilog_adjust(&t, ui, code, n);
	for (;;) {
		size_t rex = at < n && code[at] == 0x41 ? 1 : 0;
		if (at + rex >= n || (code[at + rex] & 0xf8) != 0x58)
			break;
		unsigned reg = (code[at + rex] & 7u) | (unsigned)rex << 3;
		if (reg == X64_RSP)
			return ERR_NOTFOUND;
		uint64_t v;
		TRY(pop(&t, &v));
		t.r.gpr[reg] = v;
		at += rex + 1;
	}
	/* An interrupt handler ends in iretq: what the processor pushed is next. */
	if (n - at >= 2 && code[at] == 0x48 && code[at + 1] == 0xcf)
		TRY(machine_frame(&t, false));
	else if (!epilog_end(&t, code + at, n - at, pc + at))
		return ERR_NOTFOUND;
	*s = t;
	return ERR_OK;
}

/* ---- unwind codes ---- */

static unsigned slots(const unwind_info *ui, unsigned op, unsigned info)
{
	switch (op) {
	case UWOP_ALLOC_LARGE:
		return info ? 3 : 2;
	case UWOP_SAVE_NONVOL:
	case UWOP_SAVE_XMM128:
		return 2;
	case UWOP_SAVE_NONVOL_FAR:
	case UWOP_SAVE_XMM128_FAR:
	case UWOP_SPARE:
		return 3;
	case UWOP_EPILOG:
		return ui->version == 2 ? 1 : 2;
	default:
		return 1;
	}
}

static err restore_xmm(frame *s, unsigned reg, uint64_t addr)
{
	uint8_t raw[16];
	if (!(s->r.valid & X64_SET_FLOAT))
		return ERR_OK; /* nobody asked for it: spare the read */
	TRY(s->env->stack(s->env->u, addr, raw, sizeof raw));
	memcpy(s->r.fx + FX_XMM0 + 16 * reg, raw, sizeof raw);
	return ERR_OK;
}

static err run_code(frame *s, const unwind_info *ui, const uint8_t *c)
{
	unsigned op = c[1] & 15, info = c[1] >> 4;
	uint64_t v;
	switch (op) {
	case UWOP_PUSH_NONVOL:
		TRY(pop(s, &v));
		s->r.gpr[info] = v;
		return ERR_OK;
	case UWOP_ALLOC_LARGE:
		if (info > 1)
			return ERR_CORRUPT;
		s->r.gpr[X64_RSP] += info ? le32(c + 2) : le16(c + 2) * 8u;
		return ERR_OK;
	case UWOP_ALLOC_SMALL:
		s->r.gpr[X64_RSP] += info * 8u + 8;
		return ERR_OK;
	case UWOP_SET_FPREG:
		if (!ui->frame_reg)
			return ERR_CORRUPT;
		s->r.gpr[X64_RSP] = s->r.gpr[ui->frame_reg] - ui->frame_off * 16u;
		return ERR_OK;
	case UWOP_SAVE_NONVOL:
		TRY(stack64(s, s->fixed + le16(c + 2) * 8u, &v));
		s->r.gpr[info] = v;
		return ERR_OK;
	case UWOP_SAVE_NONVOL_FAR:
		TRY(stack64(s, s->fixed + le32(c + 2), &v));
		s->r.gpr[info] = v;
		return ERR_OK;
	case UWOP_SAVE_XMM128:
		return restore_xmm(s, info, s->fixed + le16(c + 2) * 16u);
	case UWOP_SAVE_XMM128_FAR:
		return restore_xmm(s, info, s->fixed + le32(c + 2));
	case UWOP_PUSH_MACHFRAME:
		if (info > 1)
			return ERR_CORRUPT;
		return machine_frame(s, info);
	case UWOP_EPILOG: /* version 1: part of an xmm register, which a CONTEXT cannot hold */
	case UWOP_SPARE:
		return ERR_OK;
	default:
		return ERR_CORRUPT;
	}
}

/* rsp after the prolog. With a frame register that is set already, that register tells. */
static uint64_t fixed_rsp(const frame *s, const unwind_info *ui)
{
	bool set = s->prolog_at >= ui->prolog || ui->chained;
	unsigned n;
	for (unsigned i = 0; !set && ui->frame_reg && i < ui->ncodes; i += n) {
		const uint8_t *c = ui->code + 2 * i;
		n = slots(ui, c[1] & 15, c[1] >> 4);
		if ((c[1] & 15) == UWOP_SET_FPREG)
			set = s->prolog_at >= c[0];
	}
	if (!ui->frame_reg || !set)
		return s->r.gpr[X64_RSP];
	return s->r.gpr[ui->frame_reg] - ui->frame_off * 16u;
}

static err run_codes(frame *s, const unwind_info *ui)
{
	unsigned n;
	for (unsigned i = 0; i < ui->ncodes; i += n) {
		const uint8_t *c = ui->code + 2 * i;
		n = slots(ui, c[1] & 15, c[1] >> 4);
		if (n > ui->ncodes - i)
			return ERR_CORRUPT;
		/* Not executed yet: pc is in front of the instruction that the code describes. The
		 * offset of an epilog code has nothing to do with the prolog. */
		if (s->prolog_at < c[0] && (c[1] & 15) != UWOP_EPILOG)
			continue;
		TRY(run_code(s, ui, c));
	}
	return ERR_OK;
}

static err run_function(frame *s, x64_frame_info *info)
{
	unwind_info ui;
	uint64_t entry_rsp = s->r.gpr[X64_RSP];
	TRY(x64_unwind_info_read(s->env, &s->f, &ui));
	s->prolog_at = (uint32_t)(s->r.rip - (s->f.base + s->f.begin));
	if (ui.chained || s->prolog_at >= ui.prolog) {
		err e = run_epilog(s, &ui);
		if (e != ERR_NOTFOUND) {
			x64_func first;
			TRY(e);
			info->establisher = entry_rsp;
			if (x64_func_primary(s->env, &s->f, &first) == ERR_OK)
				info->func_begin = first.base + first.begin;
			return ERR_OK;
		}
	}
	for (int i = 0;; i++) {
		s->fixed = fixed_rsp(s, &ui);
		if (!i)
			info->establisher = s->fixed;
		TRY(run_codes(s, &ui));
		info->func_begin = s->f.base + s->f.begin;
		if (!ui.chained)
			return ERR_OK;
		if (i == CHAIN_MAX)
			return ERR_CORRUPT;
		s->f = ui.parent;
		s->prolog_at = UINT32_MAX;
		TRY(x64_unwind_info_read(s->env, &s->f, &ui));
	}
}

err x64_unwind(x64_regs *r, const x64_unwind_env *env, x64_frame_info *info)
{
	frame s = {.r = *r, .env = env};
	x64_frame_info fi = {.establisher = r->gpr[X64_RSP]};
	err e = env->func(env->u, r->rip, &s.f);
	if (e == ERR_OK && r->rip - s.f.base >= s.f.begin && r->rip - s.f.base < s.f.end) {
		TRY(run_function(&s, &fi));
	} else if (e == ERR_OK) {
		return ERR_CORRUPT;
	} else if (e == ERR_NOTFOUND) {
		fi.leaf = true;
	} else {
		return e;
	}
	fi.machine_frame = s.machine;
	if (!s.machine) {
		fi.ret_slot = s.r.gpr[X64_RSP];
		TRY(pop(&s, &s.r.rip));
		/* A stack grows down: a caller's frame lies above. */
		if (s.r.gpr[X64_RSP] <= r->gpr[X64_RSP])
			return ERR_CORRUPT;
	} else if (s.r.rip == r->rip && s.r.gpr[X64_RSP] == r->gpr[X64_RSP]) {
		return ERR_CORRUPT;
	}
	*r = s.r;
	*info = fi;
	return ERR_OK;
}

/* ---- text ---- */

static const char *const gpr_names[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
	"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"};

unsigned x64_unwind_code_text(const x64_unwind_info *ui, unsigned i, buf *out)
{
	if (i >= ui->ncodes)
		return 0;
	const uint8_t *c = ui->code + 2 * i;
	unsigned op = c[1] & 15, info = c[1] >> 4, n = slots(ui, op, info);
	buf_addf(out, "offs %x, unwind op %x, op info %x\t", c[0], op, info);
	if (n > ui->ncodes - i) {
		buf_addz(out, "cut off");
		return ui->ncodes - i;
	}
	switch (op) {
	case UWOP_PUSH_NONVOL:
		buf_addf(out, "UWOP_PUSH_NONVOL reg: %s.", gpr_names[info]);
		break;
	case UWOP_ALLOC_LARGE:
		buf_addf(out, "UWOP_ALLOC_LARGE FrameOffset: %x.",
			info ? le32(c + 2) : le16(c + 2) * 8u);
		break;
	case UWOP_ALLOC_SMALL:
		buf_addf(out, "UWOP_ALLOC_SMALL FrameOffset: %x.", info * 8 + 8);
		break;
	case UWOP_SET_FPREG:
		buf_addf(out, "UWOP_SET_FPREG reg: %s, offset: %x.", gpr_names[ui->frame_reg],
			ui->frame_off * 16);
		break;
	case UWOP_SAVE_NONVOL:
		buf_addf(out, "UWOP_SAVE_NONVOL FrameOffset: %x reg: %s.", le16(c + 2) * 8u,
			gpr_names[info]);
		break;
	case UWOP_SAVE_NONVOL_FAR:
		buf_addf(out, "UWOP_SAVE_NONVOL_FAR FrameOffset: %x reg: %s.", le32(c + 2),
			gpr_names[info]);
		break;
	case UWOP_EPILOG:
		if (ui->version == 2)
			buf_addf(out, "UWOP_EPILOG %s: %x.", i ? "offset from the end" : "size",
				i ? c[0] | info << 8 : c[0]);
		else
			buf_addf(out, "UWOP_SAVE_XMM FrameOffset: %x reg: xmm%u.", le16(c + 2) * 8u,
				info);
		break;
	case UWOP_SAVE_XMM128:
		buf_addf(out, "UWOP_SAVE_XMM128 FrameOffset: %x reg: xmm%u.", le16(c + 2) * 16u,
			info);
		break;
	case UWOP_SAVE_XMM128_FAR:
		buf_addf(
			out, "UWOP_SAVE_XMM128_FAR FrameOffset: %x reg: xmm%u.", le32(c + 2), info);
		break;
	case UWOP_PUSH_MACHFRAME:
		buf_addf(out, "UWOP_PUSH_MACHFRAME%s.", info ? " with error code" : "");
		break;
	default:
		buf_addz(out, "not known");
		break;
	}
	return n;
}
