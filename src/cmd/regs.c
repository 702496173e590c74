/*
 * regs: r in all its forms, and rm. Refuses to know targets: registers come from the engine's
 * current register context, or from the processor that a prefix names.
 *
 *   r                all registers of the mask and the current instruction
 *   rM8 rF rX        other masks
 *   r rax, xmm0:4f   single ones, r rax=1 sets, r rax= asks
 *   r.               those of the current instruction
 */
#include "cmd/regs.h"

#include "base/reader.h"
#include "cmd/code.h"
#include "cmd/cxx.h"
#include "cmd/memory.h"

#include <stdlib.h>

enum { INSN_REGS = 8, ELEMENTS_MAX = 16 };

static err no_threads(cmd *c, const cmd_call *call)
{
	if (call->thread.p && c->e->mode != ENG_USER)
		return cmd_fail(c, ERR_SYNTAX,
			"thread prefixes need a user-mode target; a processor's number stands in "
			"front: 1%s",
			call->row->name);
	return ERR_OK;
}

/* Registers of the prefix's processor or of the current context. */
static err fetch(cmd *c, const cmd_call *call, unsigned sets, x64_regs *ret)
{
	x64_regs r = {0};
	TRY(call->has_unit ? eng_unit_regs(c->e, call->unit, sets, &r, &c->d)
			   : eng_regs(c->e, sets, &r, &c->d));
	*ret = r;
	return ERR_OK;
}

/* ---- all of them ---- */

static err show_all(cmd *c, cmd_call *call, unsigned mask)
{
	engine *e = c->e;
	x64_regs r;
	buf b;
	/* The instruction pointer is needed for the last line. */
	TRY(fetch(c, call, regs_sets(c, mask) | X64_SET_CONTROL, &r));
	buf_init(&b, 0);
	if (!call->has_unit && e->ctx.from != REGS_UNIT)
		buf_addz(&b, "Last set context:\n");
	regs_format(c, &r, mask, &b);
	if (mask & (RM_INT32 | RM_INT64))
		code_here(c, &r, &b);
	out_str(e, OUT_NORMAL, buf_str(&b));
	buf_deinit(&b);
	return ERR_OK;
}

/* ---- one ---- */

typedef struct spec {
	str name;
	const x64_reg *reg; /* NULL: pseudo-register */
	bool typed;
	char sign; /* i u f d */
	unsigned size, count;
} spec;

static bool is_vector(const x64_reg *reg)
{
	return reg && (reg->bits == 128 || (reg->name[0] == 'm' && reg->name[1] == 'm') ||
			      (reg->bits == 64 && reg->name[0] == 'x'));
}

/* ":16ub": count and type. */
static err parse_type(cmd *c, str *rest, spec *s)
{
	static const struct {
		const char *text;
		char sign;
		uint8_t size;
	} types[] = {{"ib", 'i', 1}, {"ub", 'u', 1}, {"iw", 'i', 2}, {"uw", 'u', 2}, {"id", 'i', 4},
		{"ud", 'u', 4}, {"iq", 'i', 8}, {"uq", 'u', 8}, {"f", 'f', 4}, {"d", 'd', 8}};
	uint64_t count = 0;
	size_t n = 0;
	str t = str_skip(*rest, 1);
	while (n < t.n && t.p[n] >= '0' && t.p[n] <= '9')
		n++;
	if (n && (!str_u64(str_take(t, n), 10, &count) || !count))
		return cmd_syntax(c, t);
	t = str_skip(t, n);
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		str name = str_of(types[i].text);
		if (!str_istarts(t, name))
			continue;
		if (!is_vector(s->reg))
			return cmd_fail(c, ERR_ARG,
				"'%.*s' is no vector register: it takes no type", STR_ARG(s->name));
		unsigned whole = s->reg->bits / 8u / types[i].size;
		s->typed = true;
		s->sign = types[i].sign;
		s->size = types[i].size;
		s->count = !n || count > whole ? whole : (unsigned)count;
		*rest = str_skip(t, name.n);
		return ERR_OK;
	}
	return cmd_syntax(c, t);
}

static bool name_char(char ch)
{
	return (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
	       ch == '_' || ch == '$' || ch == '.';
}

static err parse_name(cmd *c, str *rest, spec *ret)
{
	spec s = {0};
	size_t n = 0;
	str t = str_trim(*rest);
	if (t.n && t.p[0] == '@')
		t = str_skip(t, 1);
	while (n < t.n && name_char(t.p[n]))
		n++;
	s.name = str_take(t, n);
	if (!n || !eng_is_reg(c->e, s.name))
		return cmd_fail(c, ERR_NOTFOUND, "Bad register error at '%.*s'", STR_ARG(t));
	s.reg = x64_reg_find(s.name);
	t = str_skip(t, n);
	if (t.n && t.p[0] == ':')
		TRY(parse_type(c, &t, &s));
	*rest = str_trim(t);
	*ret = s;
	return ERR_OK;
}

static void add_element(const spec *s, const uint8_t *p, buf *b)
{
	uint64_t v = le_get(p, s->size);
	uint32_t low = (uint32_t)v;
	char text[MEM_FLOAT_TEXT];
	float f;
	double d;
	memcpy(&f, &low, 4);
	memcpy(&d, &v, 8);
	if (s->sign == 'f' || s->sign == 'd') {
		mem_float(s->sign == 'f' ? (double)f : d, 6, text);
		buf_addz(b, text);
	} else if (s->sign == 'i') {
		buf_addf(b, "%lld",
			(long long)((int64_t)(v << (64 - 8 * s->size)) >> (64 - 8 * s->size)));
	} else {
		buf_addf(b, "%llu", (unsigned long long)v);
	}
}

static void add_reg(const spec *s, const x64_regs *r, buf *b)
{
	const x64_reg *reg = s->reg;
	const uint8_t *p = (const uint8_t *)r + reg->offset;
	buf_addf(b, "%s=", reg->name);
	if (s->typed) {
		for (unsigned i = s->count; i-- > 0;) {
			add_element(s, p + i * s->size, b);
			if (i)
				buf_addc(b, ' ');
		}
	} else if (reg->bits == 80) {
		unsigned top = le16(p + 8);
		ext80_format(p, b);
		buf_addf(b, " (%u:%04x:%016llx)", top >> 15, top & 0x7fff,
			(unsigned long long)le64(p));
	} else if (reg->bits == 128) {
		xmm_floats(p, b);
		buf_addf(b, " (%016llx:%016llx)", (unsigned long long)le64(p + 8),
			(unsigned long long)le64(p));
	} else {
		buf_addf(b, "%0*llx", reg->bits < 8 ? 1 : reg->bits / 4,
			(unsigned long long)x64_reg_get(r, reg));
	}
}

static err show_one(cmd *c, const cmd_call *call, const spec *s, buf *b)
{
	x64_regs r;
	uint64_t v;
	if (s->reg) {
		TRY(fetch(c, call, s->reg->set, &r));
		if (!(r.valid & s->reg->set))
			return cmd_fail(c, ERR_NOTFOUND, "%s is not known in this register context",
				s->reg->name);
		add_reg(s, &r, b);
		return ERR_OK;
	}
	if (call->has_unit)
		return cmd_fail(c, ERR_SYNTAX, "pseudo-registers take no processor prefix");
	TRY(eng_reg_get(c->e, s->name, &v, &c->d));
	buf_addf(
		b, "%.*s=%0*llx", STR_ARG(s->name), (int)c->e->ptr_size * 2, (unsigned long long)v);
	return ERR_OK;
}

/* ---- setting ---- */

static err float_word(cmd *c, str *rest, long double *ret)
{
	size_t n = 0;
	*rest = str_trim(*rest);
	while (n < rest->n && !strchr(" \t,", rest->p[n]))
		n++;
	char *end, *z = str_z(&c->a, str_take(*rest, n));
	*ret = strtold(z, &end);
	if (!n || *end)
		return cmd_fail(c, ERR_SYNTAX, "'%s' is no number", z);
	*rest = str_trim(str_skip(*rest, n));
	return ERR_OK;
}

/* Elements of a vector register, the highest first; fewer than it has: the lowest ones. */
static err set_vector(cmd *c, const spec *s, str *rest, uint8_t *p)
{
	uint64_t v[ELEMENTS_MAX];
	unsigned n = 0;
	uint8_t raw[16] = {0};
	spec t = *s;
	if (!t.typed) {
		t.sign = 'f';
		t.size = 4;
		t.count = s->reg->bits / 32u;
	}
	while (rest->n && rest->p[0] != ',') {
		if (n == t.count)
			return cmd_fail(
				c, ERR_ARG, "%s holds only %u such values", s->reg->name, t.count);
		if (t.sign == 'f' || t.sign == 'd') {
			long double x;
			TRY(float_word(c, rest, &x));
			float f = (float)x;
			double d = (double)x;
			uint32_t low;
			memcpy(&low, &f, 4);
			memcpy(&v[n], &d, 8);
			if (t.sign == 'f')
				v[n] = low;
		} else {
			TRY(cmd_arg_expr(c, rest, &v[n]));
		}
		n++;
	}
	if (!n)
		return cmd_fail(c, ERR_SYNTAX, "%s needs values", s->reg->name);
	for (unsigned i = 0; i < n; i++)
		le_put(raw + (n - 1 - i) * t.size, v[i], t.size);
	memcpy(p, raw, s->reg->bits / 8);
	return ERR_OK;
}

static err set_one(cmd *c, const spec *s, str *rest)
{
	uint64_t v;
	x64_regs r;
	const x64_reg *reg = s->reg;
	bool wide = reg && (reg->bits > 64 || s->typed);
	if (!wide) {
		TRY(cmd_arg_expr(c, rest, &v));
		return eng_reg_set(c->e, s->name, v, &c->d);
	}
	r = (x64_regs){0};
	TRY(eng_regs(c->e, reg->set, &r, &c->d));
	uint8_t *p = (uint8_t *)&r + reg->offset;
	if (reg->bits == 80) {
		long double x;
		TRY(float_word(c, rest, &x));
		ext80_put(p, x);
	} else {
		TRY(set_vector(c, s, rest, p));
	}
	return eng_regs_write(c->e, reg->set, &r, &c->d);
}

/* "r rax=" shows the value and asks for another. */
static err ask_one(cmd *c, const cmd_call *call, const spec *s)
{
	str line;
	buf b;
	buf_init(&b, 0);
	err e = show_one(c, call, s, &b);
	buf_addc(&b, '\n');
	if (e == ERR_OK)
		out_str(c->e, OUT_NORMAL, buf_str(&b));
	buf_deinit(&b);
	TRY(e);
	TRY(cmd_input(c, "Input> ", &line));
	if (!line.n)
		return ERR_OK;
	TRY(set_one(c, s, &line));
	return cmd_arg_end(c, line);
}

static err one(cmd *c, cmd_call *call, str *rest, buf *b)
{
	spec s;
	TRY(parse_name(c, rest, &s));
	bool assign = rest->n && rest->p[0] == '=';
	/* In quiet mode the equal sign may be left out. */
	bool bare = c->e->quiet && rest->n && rest->p[0] != ',' && !assign;
	if (!assign && !bare) {
		size_t at = b->n;
		if (at)
			buf_addc(b, ' ');
		err e = show_one(c, call, &s, b);
		if (e != ERR_OK)
			b->n = at;
		return e;
	}
	if (call->has_unit)
		return cmd_fail(c, ERR_SYNTAX,
			"Registers of other processors cannot be changed: ~%us makes processor %u "
			"current",
			call->unit, call->unit);
	if (assign)
		*rest = str_trim(str_skip(*rest, 1));
	if (!rest->n || rest->p[0] == ',')
		return ask_one(c, call, &s);
	return set_one(c, &s, rest);
}

static err list(cmd *c, cmd_call *call, str rest)
{
	buf b;
	err e = ERR_OK;
	buf_init(&b, 0);
	while (rest.n && e == ERR_OK) {
		e = one(c, call, &rest, &b);
		rest = str_trim(rest);
		if (e == ERR_OK && rest.n && rest.p[0] == ',') {
			rest = str_trim(str_skip(rest, 1));
			if (!rest.n)
				e = cmd_syntax(c, rest);
		} else if (e == ERR_OK && rest.n && !name_char(rest.p[0]) && rest.p[0] != '@') {
			e = cmd_arg_end(c, rest);
		}
	}
	if (b.n)
		buf_addc(&b, '\n');
	out_str(c->e, OUT_NORMAL, buf_str(&b));
	buf_deinit(&b);
	return e;
}

/* ---- r. ---- */

static err of_instruction(cmd *c, cmd_call *call)
{
	const x64_reg *regs[INSN_REGS];
	x64_regs r;
	x64_insn in;
	buf b;
	unsigned sets = 0;
	TRY(fetch(c, call, X64_SET_CONTROL, &r));
	TRY(eng_insn(c->e, r.rip, &in, &c->d));
	size_t n = x64_insn_regs(&in, regs, INSN_REGS);
	for (size_t i = 0; i < n; i++)
		sets |= regs[i]->set;
	if (!n)
		return ERR_OK;
	TRY(fetch(c, call, sets, &r));
	buf_init(&b, 0);
	for (size_t i = 0; i < n; i++) {
		spec s = {.name = str_of(regs[i]->name), .reg = regs[i]};
		if (i)
			buf_addz(&b, "  ");
		add_reg(&s, &r, &b);
	}
	buf_addc(&b, '\n');
	out_str(c->e, OUT_NORMAL, buf_str(&b));
	buf_deinit(&b);
	return ERR_OK;
}

/* ---- masks ---- */

/* Both integer bits mean the wide one; what the target has not is said and left out. */
static unsigned usable_mask(cmd *c, uint64_t mask)
{
	uint64_t bad = mask & ~(uint64_t)regs_mask_served(c);
	if (bad)
		out(c->e, "Ignored invalid bits %llx\n", (unsigned long long)bad);
	mask &= ~bad;
	if (mask & RM_INT64)
		mask &= ~(uint64_t)RM_INT32;
	return (unsigned)mask;
}

static const struct {
	const char *letter;
	unsigned mask;
} letters[] = {{"YI", RM_YMM_INT}, {"ZI", RM_ZMM_INT}, {"Y", RM_YMM}, {"Z", RM_ZMM},
	{"K", RM_OPMASK}, {"F", RM_FLOAT}, {"X", RM_XMM}};

/* A mask letter behind r; *rest moves on. */
static bool mask_letter(str *rest, unsigned *mask)
{
	for (size_t i = 0; i < ARRAY_LEN(letters); i++) {
		str l = str_of(letters[i].letter);
		if (!str_starts(*rest, l) || (rest->n > l.n && name_char(rest->p[l.n])))
			continue;
		*rest = str_trim(str_skip(*rest, l.n));
		*mask = letters[i].mask;
		return true;
	}
	return false;
}

static err cmd_r(cmd *c, cmd_call *call)
{
	str rest = str_trim(call->args);
	uint64_t mask = c->e->reg_mask;
	unsigned letter;
	TRY(no_threads(c, call));
	if (!rest.n)
		return show_all(c, call, (unsigned)mask);
	if (call->glued && rest.p[0] == '?')
		return cxx_assign_temp(c, str_skip(rest, 1));
	if (str_eq(rest, STR(".")))
		return of_instruction(c, call);
	if (call->glued && rest.p[0] == 'M') {
		rest = str_skip(rest, 1);
		TRY(cmd_arg_expr(c, &rest, &mask));
		TRY(cmd_arg_end(c, rest));
		return show_all(c, call, usable_mask(c, mask));
	}
	if (call->glued && mask_letter(&rest, &letter)) {
		/* rF st0=1.5: the letter says nothing more than the register's name does. */
		if (rest.n)
			return list(c, call, rest);
		if (!(letter & regs_mask_served(c)))
			return cmd_fail(c, ERR_UNSUPPORTED,
				"AVX registers are not part of the context that this target gives");
		return show_all(c, call, letter);
	}
	return list(c, call, rest);
}

static const struct {
	unsigned bit;
	const char *text;
} mask_bits[] = {
	{RM_INT32, "Integer state (32-bit)"},
	{RM_INT64, "Integer state (64-bit)"},
	{RM_FLOAT, "Floating-point state"},
	{RM_SEGMENTS, "Segment registers"},
	{RM_MMX, "MMX registers"},
	{RM_DEBUG, "Debug registers and, in kernel, CR4"},
	{RM_XMM, "SSE XMM registers"},
	{RM_CONTROL, "Control registers in kernel"},
	{RM_TASK, "Descriptor and task state registers in kernel"},
	{RM_YMM, "AVX YMM registers"},
	{RM_YMM_INT, "AVX YMM Integer registers"},
	{RM_XMM_INT, "AVX XMM Integer registers"},
	{RM_ZMM, "AVX-512 ZMM registers"},
	{RM_ZMM_INT, "AVX-512 ZMM Integer registers"},
	{RM_OPMASK, "AVX-512 Opmask registers"},
};

static err cmd_rm(cmd *c, cmd_call *call)
{
	str rest = str_trim(call->args);
	uint64_t mask;
	bool list_all = str_eq(rest, STR("?"));
	if (rest.n && !list_all) {
		TRY(cmd_arg_expr(c, &rest, &mask));
		TRY(cmd_arg_end(c, rest));
		c->e->reg_mask = usable_mask(c, mask);
		return ERR_OK;
	}
	if (!list_all)
		out(c->e, "Register output mask is %x:\n", c->e->reg_mask);
	for (size_t i = 0; i < ARRAY_LEN(mask_bits); i++)
		if (list_all ? mask_bits[i].bit & regs_mask_served(c)
			     : mask_bits[i].bit & c->e->reg_mask)
			out(c->e, "%8x - %s\n", mask_bits[i].bit, mask_bits[i].text);
	return ERR_OK;
}

static const cmd_row rows[] = {
	{"r",
		"[Processor] r[M Mask | F | X | Y | YI | Z | ZI | K] [Register[:[Num]Type] [= "
		"[Value]], ...]\n"
		"[Processor] r.\n"
		"r? $tN = Expression",
		"Display or change registers",
		"Without a register, all registers that the mask selects (see rm) and the current "
		"instruction. "
		"M Mask uses another mask this once, F is M 4 (floating point), X is M 40 (XMM). "
		"Y, YI, Z, ZI and "
		"K need AVX state, which a kernel debugger is not given.\n\n"
		"Register is a register, a part of one (eax, ah, xmm0l), a flag (zf, iopl), or a "
		"pseudo-register "
		"($t0). Several are separated by commas. A vector register can have a number of "
		"elements and a "
		"type: ib ub iw uw id ud iq uq (signed or unsigned byte, word, double word, quad "
		"word), f, d; "
		"elements are shown with the highest first. = Value sets it; = alone shows the "
		"value and asks for "
		"another. In quiet mode (sq) the equal sign can be left out. r $.u0=text sets a "
		"fixed-name "
		"alias.\n\n"
		"r. shows the registers that the current instruction names.\n\n"
		"r? gives one of the pseudo-registers $t0 to $t19 the value and the type of a C++ "
		"expression, to be used in other C++ expressions: r? $t1 = @$proc->ImageFileName; a "
		"structure is kept by its address.\n\n"
		"In kernel mode a processor's number can stand in front (2r, 3r eax): registers of "
		"another "
		"processor can be seen but not changed. In a context set by .thread, .cxr or .trap "
		"the output "
		"starts with \"Last set context:\", shows what was saved, and nothing can be "
		"changed.\n\n"
		"Examples: r rax=0xff; r zf; r xmm0:16ub, xmm1:d; rM 8a",
		CMD_ANY | CMD_TARGET | CMD_SUFFIX | CMD_UNIT, cmd_r},
	{"rm", "rm [? | Mask]", "Display or set the register mask",
		"The mask says which registers r shows. Without an argument it is shown, with ? "
		"the bits that "
		"this target has are listed.\n\n"
		"1 or 2: integer registers (2, the 64-bit form, wins); 4: floating point; 8: "
		"segments; 10: MMX; "
		"20: debug registers, in kernel mode also CR4; 40: XMM; 80: control registers "
		"(kernel mode); 100: "
		"descriptor and task registers (kernel mode); 800: XMM as integers. The default is "
		"a. Bits that the "
		"target has no registers for are ignored with a message. The m is lower case.",
		CMD_ANY | CMD_CASE, cmd_rm},
};

const cmd_family cmd_family_regs = {"Registers", rows, ARRAY_LEN(rows)};
