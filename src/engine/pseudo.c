/*
 * pseudo: registers and pseudo-registers by name, and the environment that expressions run in.
 *
 * Order of a name: pseudo-registers ($...), then the register table. `.` and $ip are the same.
 */
#include "engine/cxxenv.h"
#include "engine/internal.h"
#include "fmt/elf.h"

#include <elf.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

typedef err pseudo_fn(engine *e, uint64_t *ret, diag *d);

static err reg_of(engine *e, const char *name, uint64_t *ret, diag *d)
{
	x64_regs r = {0};
	const x64_reg *reg = x64_reg_find(str_of(name));
	TRY(eng_regs(e, reg->set, &r, d));
	*ret = x64_reg_get(&r, reg);
	return ERR_OK;
}

static err ps_ip(engine *e, uint64_t *ret, diag *d)
{
	return eng_ip(e, ret, d);
}

static err ps_csp(engine *e, uint64_t *ret, diag *d)
{
	return reg_of(e, "rsp", ret, d);
}

static err ps_retreg(engine *e, uint64_t *ret, diag *d)
{
	return reg_of(e, "rax", ret, d);
}

static err ps_eventip(engine *e, uint64_t *ret, diag *d)
{
	if (!e->has_event)
		return diag_set(d, ERR_STATE, "there was no event yet");
	*ret = e->ev.pc;
	return ERR_OK;
}

static err ps_previp(engine *e, uint64_t *ret, diag *d)
{
	if (!e->prev_ip)
		return diag_set(d, ERR_STATE, "there was no event before this one");
	*ret = e->prev_ip;
	return ERR_OK;
}

static err ps_ra(engine *e, uint64_t *ret, diag *d)
{
	x64_regs r = {0};
	eng_frame *f;
	size_t n;
	TRY(eng_regs(e, X64_SET_GENERAL, &r, d));
	TRY(eng_stack(e, &e->stop, &r, 1, &f, &n, d));
	if (!f->ret)
		return diag_set(d, ERR_FAULT, "the return address cannot be read");
	*ret = f->ret;
	return ERR_OK;
}

static err ps_ea(engine *e, uint64_t *ret, diag *d)
{
	uint64_t ip;
	x64_insn in;
	x64_regs r = {0};
	TRY(eng_ip(e, &ip, d));
	TRY(eng_insn(e, ip, &in, d));
	TRY(eng_regs(e, X64_SET_GENERAL, &r, d));
	if (!x64_insn_ea(&in, &r, ret))
		return diag_set(d, ERR_NOTFOUND,
			"Bad register error at '$ea': the instruction has no memory operand");
	return ERR_OK;
}

static err ps_proc(engine *e, uint64_t *ret, diag *d)
{
	return eng_process(e, ret, d);
}

static err ps_thread(engine *e, uint64_t *ret, diag *d)
{
	return eng_thread(e, ret, d);
}

static err process_of(engine *e, os_process *ret, diag *d)
{
	uint64_t p;
	TRY(eng_process(e, &p, d));
	return os_process_get(e->os, p, ret, d);
}

static err thread_of(engine *e, os_thread *ret, diag *d)
{
	uint64_t t;
	TRY(eng_thread(e, &t, d));
	return os_thread_get(e->os, t, ret, d);
}

static err ps_peb(engine *e, uint64_t *ret, diag *d)
{
	os_process p;
	TRY(process_of(e, &p, d));
	*ret = p.peb;
	return ERR_OK;
}

static err ps_teb(engine *e, uint64_t *ret, diag *d)
{
	os_thread t;
	TRY(thread_of(e, &t, d));
	*ret = t.teb;
	return ERR_OK;
}

static err ps_tpid(engine *e, uint64_t *ret, diag *d)
{
	os_thread t;
	TRY(thread_of(e, &t, d));
	*ret = t.pid;
	return ERR_OK;
}

static err ps_tid(engine *e, uint64_t *ret, diag *d)
{
	os_thread t;
	TRY(thread_of(e, &t, d));
	*ret = t.tid;
	return ERR_OK;
}

static err ps_pcr(engine *e, uint64_t *ret, diag *d)
{
	uint64_t v = e->ctx.unit;
	TRY(tgt_query(e->t, TGT_F_PCR, &v, sizeof v, d));
	*ret = v;
	return ERR_OK;
}

static err ps_prcb(engine *e, uint64_t *ret, diag *d)
{
	uint64_t v = e->ctx.unit;
	TRY(tgt_query(e->t, TGT_F_PRCB, &v, sizeof v, d));
	*ret = v;
	return ERR_OK;
}

static err ps_exp(engine *e, uint64_t *ret, diag *d)
{
	*ret = e->last_value;
	return ERR_OK;
}

static err ps_p(engine *e, uint64_t *ret, diag *d)
{
	*ret = e->last_data;
	return ERR_OK;
}

static err ps_frame(engine *e, uint64_t *ret, diag *d)
{
	*ret = e->ctx.frame;
	return ERR_OK;
}

static err ps_dbgtime(engine *e, uint64_t *ret, diag *d)
{
	*ret = (uint64_t)time(NULL);
	return ERR_OK;
}

static err ps_ptrsize(engine *e, uint64_t *ret, diag *d)
{
	*ret = e->ptr_size;
	return ERR_OK;
}

static err ps_pagesize(engine *e, uint64_t *ret, diag *d)
{
	*ret = 4096;
	return ERR_OK;
}

static err ps_exentry(engine *e, uint64_t *ret, diag *d)
{
	buf b;
	if (!e->caps.threads)
		return diag_set(d, ERR_UNSUPPORTED, "$exentry is known in user mode only");
	buf_init(&b, 4096);
	err r = tgt_info_get(e->t, TGT_I_AUXV, e->ctx.process, &b, d);
	if (r == ERR_OK && !elf_auxv(buf_str(&b), AT_ENTRY, ret))
		r = diag_set(d, ERR_NOTFOUND, "the program's entry point is not known");
	buf_deinit(&b);
	return r;
}

static err ps_scopeip(engine *e, uint64_t *ret, diag *d)
{
	return eng_scope_ip(e, ret, d);
}

static err ps_dpid(engine *e, uint64_t *ret, diag *d)
{
	*ret = (uint64_t)getpid();
	return ERR_OK;
}

static err exr(engine *e, diag *d)
{
	if (!e->has_event || e->ev.kind != TGT_EV_EXCEPTION)
		return diag_set(d, ERR_NOTFOUND, "the last event is no exception");
	return ERR_OK;
}

static err ps_exr_code(engine *e, uint64_t *ret, diag *d)
{
	TRY(exr(e, d));
	*ret = e->ev.code;
	return ERR_OK;
}

static err ps_exr_chance(engine *e, uint64_t *ret, diag *d)
{
	TRY(exr(e, d));
	*ret = e->ev.first_chance ? 1 : 2;
	return ERR_OK;
}

static err ps_exr_n(engine *e, uint64_t *ret, diag *d)
{
	TRY(exr(e, d));
	*ret = e->ev.n_params;
	return ERR_OK;
}

static err ps_bug_code(engine *e, uint64_t *ret, diag *d)
{
	uint32_t code;
	uint64_t params[4];
	TRY(os_bugcheck(e->os, &code, params, d));
	*ret = code;
	return ERR_OK;
}

static const struct pseudo {
	const char *name;
	pseudo_fn *fn;
} table[] = {
	{"ip", ps_ip},
	{"scopeip", ps_scopeip},
	{"eventip", ps_eventip},
	{"previp", ps_previp},
	{"ra", ps_ra},
	{"ea", ps_ea},
	{"csp", ps_csp},
	{"retreg", ps_retreg},
	{"retreg64", ps_retreg},
	{"proc", ps_proc},
	{"thread", ps_thread},
	{"peb", ps_peb},
	{"teb", ps_teb},
	{"tpid", ps_tpid},
	{"tid", ps_tid},
	{"pcr", ps_pcr},
	{"pcrb", ps_prcb},
	{"prcb", ps_prcb},
	{"exp", ps_exp},
	{"p", ps_p},
	{"frame", ps_frame},
	{"dbgtime", ps_dbgtime},
	{"ptrsize", ps_ptrsize},
	{"pagesize", ps_pagesize},
	{"exentry", ps_exentry},
	{"dpid", ps_dpid},
	{"exr_code", ps_exr_code},
	{"exr_chance", ps_exr_chance},
	{"exr_numparams", ps_exr_n},
	{"bug_code", ps_bug_code},
};

static const struct pseudo *pseudo_find(str name)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (str_ieq(str_of(table[i].name), name))
			return &table[i];
	return NULL;
}

/* "t12" with prefix "t": true and *n = 12, if in range. */
static bool numbered(str name, const char *prefix, uint64_t limit, uint64_t *n)
{
	str p = str_of(prefix);
	return str_istarts(name, p) && str_u64(str_skip(name, p.n), 10, n) && *n < limit;
}

static bool pseudo_is(str name)
{
	uint64_t n;
	return pseudo_find(name) || numbered(name, "t", ENG_CALLRET, &n) ||
	       numbered(name, "bp", UINT32_MAX, &n) ||
	       numbered(name, "exr_param", TGT_EXR_PARAMS, &n) ||
	       (numbered(name, "bug_param", 5, &n) && n) || str_ieq(name, STR("extret")) ||
	       str_ieq(name, STR("callret"));
}

bool eng_is_reg(engine *e, str name)
{
	if (str_eq(name, STR(".")))
		return true;
	if (name.n && name.p[0] == '$')
		return pseudo_is(str_skip(name, 1));
	return x64_reg_find(name) != NULL;
}

static err pseudo_get(engine *e, str name, uint64_t *ret, diag *d)
{
	uint64_t n;
	const struct pseudo *ps = pseudo_find(name);
	if (ps)
		return ps->fn(e, ret, d);
	if (numbered(name, "t", ENG_CALLRET, &n)) {
		*ret = e->temps[n];
	} else if (numbered(name, "bp", UINT32_MAX, &n)) {
		bp *b = bp_find(e, (uint32_t)n);
		*ret = b && !b->deferred ? b->loc.addr : 0;
	} else if (numbered(name, "exr_param", TGT_EXR_PARAMS, &n)) {
		TRY(exr(e, d));
		*ret = n < e->ev.n_params ? e->ev.params[n] : 0;
	} else if (numbered(name, "bug_param", 5, &n) && n && e->os) {
		uint32_t code;
		uint64_t params[4];
		TRY(os_bugcheck(e->os, &code, params, d));
		*ret = params[n - 1];
	} else if (str_ieq(name, STR("extret"))) {
		*ret = e->extret;
	} else if (str_ieq(name, STR("callret"))) {
		*ret = e->temps[ENG_CALLRET];
	} else {
		return diag_set(d, ERR_NOTFOUND, "Bad register error at '$%.*s'", STR_ARG(name));
	}
	return ERR_OK;
}

err eng_reg_get(engine *e, str name, uint64_t *ret, diag *d)
{
	if (str_eq(name, STR(".")))
		return eng_ip(e, ret, d);
	if (name.n && name.p[0] == '$')
		return pseudo_get(e, str_skip(name, 1), ret, d);
	const x64_reg *reg = x64_reg_find(name);
	if (!reg)
		return diag_set(d, ERR_NOTFOUND, "Bad register error at '%.*s'", STR_ARG(name));
	/* rip is in every state change: the most frequent register costs no request. */
	if (str_ieq(name, STR("rip")))
		return eng_ip(e, ret, d);
	/* Conditions ask for one at each hit. */
	if (e->ctx.from == REGS_UNIT && !e->ctx.frame_set) {
		TRY(eng_accessible(e, d));
		return tgt_reg_get(e->t, e->ctx.unit, reg, ret, d);
	}
	x64_regs r = {0};
	TRY(eng_regs(e, reg->set, &r, d));
	*ret = x64_reg_get(&r, reg);
	return ERR_OK;
}

err eng_reg_set(engine *e, str name, uint64_t v, diag *d)
{
	uint64_t n;
	if (name.n && name.p[0] == '$') {
		str bare = str_skip(name, 1);
		if (numbered(bare, "t", ENG_CALLRET, &n)) {
			e->temps[n] = v;
			cxx_temp_plain(e, n);
			return ERR_OK;
		}
		if (str_ieq(bare, STR("ip")))
			name = STR("rip");
		else if (pseudo_is(bare))
			return diag_set(d, ERR_DENIED, "'%.*s' is read-only", STR_ARG(name));
		else
			return diag_set(
				d, ERR_NOTFOUND, "Bad register error at '%.*s'", STR_ARG(name));
	}
	const x64_reg *reg = x64_reg_find(name);
	if (!reg)
		return diag_set(d, ERR_NOTFOUND, "Bad register error at '%.*s'", STR_ARG(name));
	x64_regs r = {0};
	TRY(eng_regs(e, reg->set, &r, d));
	x64_reg_set(&r, reg, v);
	return eng_regs_write(e, reg->set, &r, d);
}

/* ---- the environment of expressions ---- */

static err env_symbol(void *u, str name, uint64_t *ret, diag *d)
{
	engine *e = u;
	sym s;
	if (!e->syms)
		return diag_set(d, ERR_NOTFOUND, "Couldn't resolve error at '%.*s'", STR_ARG(name));
	TRY(sym_find(e->syms, name, &s, d));
	/* A condition keeps what it is told here, and runs in every thread. */
	if (s.tls)
		return diag_set(d, ERR_UNSUPPORTED,
			"%.*s is thread-local, each thread has its own: use @@c++(&%.*s)",
			STR_ARG(name), STR_ARG(name));
	*ret = s.addr;
	return ERR_OK;
}

static bool env_is_reg(void *u, str name)
{
	return eng_is_reg((engine *)u, name);
}

static err env_reg(void *u, str name, uint64_t *ret, diag *d)
{
	return eng_reg_get((engine *)u, name, ret, d);
}

static err env_read(void *u, bool phys, uint64_t addr, void *p, size_t n, diag *d)
{
	engine *e = u;
	size_t got = 0;
	if (!phys)
		return eng_read_all(e, addr, p, n, d);
	TRY(eng_read_phys(e, addr, 0, p, n, &got, d));
	return got == n ? ERR_OK
			: diag_set(d, ERR_FAULT, "Memory access error at physical '%s'",
				  out_addr(e, addr));
}

static err env_line(void *u, str module, str file, uint32_t line, uint64_t *ret, diag *d)
{
	engine *e = u;
	sym_line here;
	uint64_t *addrs;
	size_t n;
	bool exact;

	if (!e->lines_on)
		return diag_set(
			d, ERR_STATE, "source line information is off; .lines -e turns it on");
	if (!file.n) {
		TRY(eng_scope_line(e, &here, d));
		file = here.file;
	}
	TRY(sym_line_find(e->syms, &e->stop, module, file, line, &addrs, &n, &exact, d));
	if (!n)
		return diag_set(d, ERR_NOTFOUND, "no code for %.*s:%u", STR_ARG(file), line);
	*ret = addrs[0];
	return ERR_OK;
}

static err env_entry(void *u, uint64_t base, uint64_t *ret, diag *d)
{
	engine *e = u;
	sym_mod *m = sym_mod_at(e->syms, base);
	if (!m)
		return diag_set(d, ERR_NOTFOUND, "no module at %s", out_addr(e, base));
	return sym_entry_point(m, ret, d);
}

static bool env_valid(void *u, uint64_t addr, uint64_t n)
{
	engine *e = u;
	uint8_t page[4096];
	if (n > 0x10000000 || addr + n < addr)
		return false;
	while (n) {
		size_t want = n < sizeof page ? (size_t)n : sizeof page, got = 0;
		if (eng_read(e, addr, page, want, &got, NULL) != ERR_OK || !got ||
			cancelled(&e->cancel))
			return false;
		addr += got;
		n -= got;
	}
	return true;
}

/* $fnsucc: the function's return type decides. */
static err env_fnsucc(void *u, uint64_t fn, uint64_t v, uint64_t flag, uint64_t *ret, diag *d)
{
	engine *e = u;
	sym s;
	uint64_t disp;
	sym_type_info fi, ri;
	bool ok = flag ? !v : v != 0;

	if (sym_at(e->syms, fn, &s, &disp) == ERR_OK && s.type.file &&
		sym_type_info_get(s.type, &fi) == ERR_OK && fi.kind == SYM_T_FUNC &&
		sym_type_info_get(fi.elem, &ri) == ERR_OK) {
		if (ri.kind == SYM_T_PTR)
			ok = v != 0;
		else if (ri.kind == SYM_T_BOOL || str_eq(ri.name, STR("BOOL")))
			ok = (uint32_t)v != 0;
		else if (ri.kind == SYM_T_HRESULT || str_eq(ri.name, STR("HRESULT")) ||
			 str_eq(ri.name, STR("NTSTATUS")))
			ok = (int32_t)v >= 0;
		else if (str_eq(ri.name, STR("HANDLE")))
			ok = v && v != UINT64_MAX;
	}
	*ret = ok;
	return ERR_OK;
}

void eng_masm_env(engine *e, masm_env *ret)
{
	*ret = (masm_env){
		.u = e,
		.radix = e->radix,
		.ptr_size = e->ptr_size,
		.kernel = e->mode == ENG_KERNEL || e->mode == ENG_LOCAL_KERNEL,
		.symbol = env_symbol,
		.is_reg = env_is_reg,
		.reg = env_reg,
		.read = env_read,
		.line = env_line,
		.cxx = cxx_for_masm,
		.cxx_default = e->cxx_default,
		.cxx_prefix = cxx_prefix_for_masm,
		.fnsucc = env_fnsucc,
		.entry = env_entry,
		.valid = env_valid,
	};
}

err eng_eval(engine *e, str text, uint64_t *ret, diag *d)
{
	masm_env env;
	eng_masm_env(e, &env);
	TRY(masm_eval(&env, str_trim(text), NULL, ret, d));
	e->last_value = *ret;
	return ERR_OK;
}

err eng_eval_prefix(engine *e, str *rest, uint64_t *ret, diag *d)
{
	masm_env env;
	size_t used;
	str s = *rest;

	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = str_skip(s, 1);
	eng_masm_env(e, &env);
	TRY(masm_eval(&env, s, &used, ret, d));
	e->last_value = *ret;
	s = str_skip(s, used);
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = str_skip(s, 1);
	*rest = s;
	return ERR_OK;
}

/* ---- names in instructions ---- */

static bool name_of(void *u, uint64_t addr, buf *b)
{
	engine *e = u;
	return e->syms && sym_format(e->syms, addr, b);
}

x64_names eng_names(engine *e)
{
	return (x64_names){e, name_of};
}
