/*
 * lx: !address, !handle, !runaway, !auxv, !gle of a Linux process. See lx.h.
 */
#include "cmd/lx/lx.h"
#include "cmd/nt/ntc.h"

#include "base/reader.h"
#include "fmt/elf.h"

#include <elf.h>
#include <time.h>

err lx_text(cmd *c, tgt_info what, uint64_t id, str *ret)
{
	buf b;
	buf_init(&b, LX_TEXT_MAX);
	err r = tgt_info_get(c->e->t, what, id, &b, &c->d);
	if (r == ERR_OK)
		*ret = str_dup(&c->a, buf_str(&b));
	buf_deinit(&b);
	return r;
}

/* ---- !address ---- */

static const char *protect_text(const linux_map *m)
{
	static const char *const names[8] = {"PAGE_NOACCESS", "PAGE_READONLY", "PAGE_WRITEONLY",
		"PAGE_READWRITE", "PAGE_EXECUTE", "PAGE_EXECUTE_READ", "PAGE_EXECUTE_WRITE",
		"PAGE_EXECUTE_READWRITE"};
	return names[(m->r ? 1 : 0) | (m->w ? 2 : 0) | (m->x ? 4 : 0)];
}

static const char *type_text(cmd *c, const linux_map *m)
{
	if (sym_mod_at(c->e->syms, m->start))
		return "MEM_IMAGE";
	return m->path.n && m->path.p[0] == '/' ? "MEM_MAPPED" : "MEM_PRIVATE";
}

/* Words as !address has them; what Linux names itself is taken over. */
static void usage_text(cmd *c, const linux_map *m, buf *b)
{
	const sym_mod *mod = sym_mod_at(c->e->syms, m->start);
	if (mod)
		buf_addf(b, "Image [%.*s; \"%.*s\"]", STR_ARG(mod->name), STR_ARG(m->path));
	else if (str_eq(m->path, STR("[heap]")))
		buf_addz(b, "Heap");
	else if (str_starts(m->path, STR("[stack")))
		buf_addz(b, "Stack");
	else if (m->path.n && m->path.p[0] == '[')
		buf_addf(b, "Other %.*s", STR_ARG(m->path));
	else if (m->path.n)
		buf_addf(b, "MappedFile \"%.*s\"", STR_ARG(m->path));
	else
		buf_addz(b, "<unknown>");
}

static void show_region(cmd *c, const linux_map *m)
{
	engine *e = c->e;
	buf b;
	buf_init(&b, 8192);
	usage_text(c, m, &b);
	out(e, "Usage:                  %s\nBase Address:           %s\n", buf_z(&b),
		out_addr(e, m->start));
	out(e, "End Address:            %s\n", out_addr(e, m->end));
	out(e, "Region Size:            %s\n", out_addr(e, m->end - m->start));
	out(e, "State:                  00001000          MEM_COMMIT\n");
	out(e, "Protect:                %s%s\n", protect_text(m), m->shared ? " (shared)" : "");
	out(e, "Type:                   %s\n", type_text(c, m));
	if (m->path.n && m->path.p[0] == '/')
		out(e, "File offset:            %s\n", out_addr(e, m->offset));
	buf_deinit(&b);
}

static void show_line(cmd *c, const linux_map *m)
{
	buf b;
	buf_init(&b, 8192);
	usage_text(c, m, &b);
	out(c->e, "  %s %s %s %-11s %-11s %-23s %s\n", out_addr(c->e, m->start),
		out_addr(c->e, m->end), out_addr(c->e, m->end - m->start), type_text(c, m),
		"MEM_COMMIT", protect_text(m), buf_z(&b));
	buf_deinit(&b);
}

/* Kernel targets have these commands, too, and not yet here. */
static err user_only(cmd *c, const cmd_call *call)
{
	if (c->e->mode == ENG_USER)
		return ERR_OK;
	return cmd_fail(c, ERR_UNSUPPORTED,
		"%s (%s) is known but not available in this version for kernel targets",
		call->row->name, call->row->summary);
}

/* The first word of the usage: "Image", "Stack". */
static str usage_word(cmd *c, const linux_map *m)
{
	buf b;
	buf_init(&b, 8192);
	usage_text(c, m, &b);
	str all = str_dup(&c->a, buf_str(&b));
	buf_deinit(&b);
	return str_take(all, str_chr(all, ' '));
}

/* Does a region have one of the words behind -f:, as the columns show them? */
static bool filtered(cmd *c, const linux_map *m, str words)
{
	if (!words.n)
		return true;
	str usage = usage_word(c, m);
	while (words.n) {
		size_t comma = str_chr(words, ',');
		str w = str_trim(str_take(words, comma));
		words = comma == SIZE_MAX ? (str){0} : str_skip(words, comma + 1);
		if (str_ieq(w, usage) || str_ieq(w, str_of(type_text(c, m))) ||
			str_ieq(w, str_of(protect_text(m))) || str_ieq(w, STR("MEM_COMMIT")))
			return true;
	}
	return false;
}

enum { SUMMARY_ROWS = 16 };

typedef struct summary {
	const char *title;
	struct {
		str name;
		uint64_t n, size;
	} row[SUMMARY_ROWS];
	size_t n;
	uint64_t size;
} summary;

static void summary_add(summary *s, str name, uint64_t size)
{
	size_t i = 0;
	while (i < s->n && !str_eq(s->row[i].name, name))
		i++;
	if (i == SUMMARY_ROWS)
		return;
	if (i == s->n)
		s->row[s->n++].name = name;
	s->row[i].n++;
	s->row[i].size += size;
	s->size += size;
}

static void summary_show(cmd *c, const summary *s)
{
	out(c->e,
		"\n--- %s Summary %.*s RgnCount ----------- Total Size --------------- %%ofBusy\n",
		s->title, (int)(22 - strlen(s->title)), "----------------------");
	for (size_t i = 0; i < s->n; i++)
		out(c->e, "%-35.*s %8llu %s (%9.3f MB) %12.2f%%\n", STR_ARG(s->row[i].name),
			(unsigned long long)s->row[i].n, out_addr(c->e, s->row[i].size),
			(double)s->row[i].size / (1 << 20),
			s->size ? 100.0 * (double)s->row[i].size / (double)s->size : 0.0);
}

static err address_summary(cmd *c, str maps)
{
	summary usage = {.title = "Usage"}, type = {.title = "Type"},
		protect = {.title = "Protect"};
	linux_map m;
	while (linux_map_next(&maps, &m)) {
		uint64_t size = m.end - m.start;
		TRY(lang_cancelled(c));
		summary_add(&usage, usage_word(c, &m), size);
		summary_add(&type, str_of(type_text(c, &m)), size);
		summary_add(&protect, str_of(protect_text(&m)), size);
	}
	summary_show(c, &usage);
	summary_show(c, &type);
	summary_show(c, &protect);
	return ERR_OK;
}

static err cmd_address(cmd *c, cmd_call *call)
{
	str rest = call->args, text, sw, words = {0};
	uint64_t addr = 0, below = 0;
	linux_map m;
	bool sum = false;

	TRY(user_only(c, call));
	while (cmd_arg_switch(&rest, "-", &sw)) {
		if (str_ieq(sw, STR("summary")))
			sum = true;
		else if (str_istarts(sw, STR("f:")) && sw.n > 2)
			words = str_skip(sw, 2);
		else
			return cmd_fail(c, ERR_SYNTAX, "!address has no option -%.*s", STR_ARG(sw));
	}
	bool one = rest.n > 0;
	if (one)
		TRY(cmd_arg_expr(c, &rest, &addr));
	TRY(cmd_arg_end(c, rest));
	if (one && (sum || words.n))
		return cmd_fail(c, ERR_SYNTAX, "!address: an address, or -summary, or -f:");
	TRY(lx_text(c, TGT_I_MAPS, c->e->ctx.process, &text));
	if (sum)
		return address_summary(c, text);
	if (!one)
		out(c->e, "        BaseAddress      EndAddress+1        RegionSize     Type       "
			  "State       Protect                 Usage\n");
	while (linux_map_next(&text, &m)) {
		TRY(lang_cancelled(c));
		if (!one) {
			if (filtered(c, &m, words))
				show_line(c, &m);
		} else if (addr >= m.start && addr < m.end) {
			show_region(c, &m);
			return ERR_OK;
		} else if (m.end <= addr) {
			below = m.end;
		} else {
			break;
		}
	}
	if (one)
		out(c->e,
			"Usage:                  Free\nBase Address:           %s\nState:          "
			"        "
			"00010000          MEM_FREE\n",
			out_addr(c->e, below));
	return ERR_OK;
}

/* ---- !vprot, !vadump ---- */

/* Windows' numbers for the words (winnt.h). */
static uint32_t word_number(const char *word)
{
	static const struct {
		const char *word;
		uint32_t number;
	} t[] = {{"PAGE_NOACCESS", 1}, {"PAGE_READONLY", 2}, {"PAGE_READWRITE", 4},
		{"PAGE_WRITEONLY", 4}, {"PAGE_EXECUTE", 0x10}, {"PAGE_EXECUTE_READ", 0x20},
		{"PAGE_EXECUTE_WRITE", 0x40}, {"PAGE_EXECUTE_READWRITE", 0x40},
		{"MEM_PRIVATE", 0x20000}, {"MEM_MAPPED", 0x40000}, {"MEM_IMAGE", 0x1000000}};
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		if (!strcmp(t[i].word, word))
			return t[i].number;
	return 0;
}

static void show_words(cmd *c, const linux_map *m)
{
	const char *protect = protect_text(m), *type = type_text(c, m);
	out(c->e, "State:             00001000  MEM_COMMIT\n");
	out(c->e, "Protect:           %08x  %s\n", word_number(protect), protect);
	out(c->e, "Type:              %08x  %s\n", word_number(type), type);
}

static void show_free(cmd *c, uint64_t from, uint64_t to)
{
	out(c->e, "BaseAddress:       %016llx\nRegionSize:        %016llx\n",
		(unsigned long long)from, (unsigned long long)(to - from));
	out(c->e, "State:             00010000  MEM_FREE\n"
		  "Protect:           00000001  PAGE_NOACCESS\n");
}

/* Where the part of the mapping of one file that m belongs to begins. */
static uint64_t allocation(str maps, const linux_map *m)
{
	linux_map k, last = {0};
	uint64_t begin = m->start;
	while (linux_map_next(&maps, &k) && k.start <= m->start) {
		bool on = last.path.n && str_eq(k.path, last.path) && k.start == last.end;
		begin = on ? begin : k.start;
		last = k;
	}
	return begin;
}

static err cmd_vprot(cmd *c, cmd_call *call)
{
	str rest = call->args, text, all;
	uint64_t addr;
	linux_map m;
	TRY(user_only(c, call));
	TRY(eng_ip(c->e, &addr, &c->d));
	if (rest.n)
		TRY(cmd_arg_expr(c, &rest, &addr));
	TRY(cmd_arg_end(c, rest));
	TRY(lx_text(c, TGT_I_MAPS, c->e->ctx.process, &text));
	all = text;
	while (linux_map_next(&text, &m)) {
		if (addr < m.start || addr >= m.end)
			continue;
		out(c->e, "BaseAddress:       %016llx\n",
			(unsigned long long)(addr & ~(uint64_t)4095));
		out(c->e, "AllocationBase:    %016llx\n", (unsigned long long)allocation(all, &m));
		out(c->e, "RegionSize:        %016llx\n",
			(unsigned long long)(m.end - (addr & ~(uint64_t)4095)));
		show_words(c, &m);
		return ERR_OK;
	}
	return cmd_fail(c, ERR_NOTFOUND, "There is no memory at %s", out_addr(c->e, addr));
}

static err cmd_vadump(cmd *c, cmd_call *call)
{
	str rest = str_trim(call->args), text;
	linux_map m;
	uint64_t end = 0;
	TRY(user_only(c, call));
	if (!str_eq(rest, STR("-v")))
		TRY(cmd_arg_end(c, rest));
	TRY(lx_text(c, TGT_I_MAPS, c->e->ctx.process, &text));
	while (linux_map_next(&text, &m)) {
		TRY(lang_cancelled(c));
		if (m.start > end) {
			show_free(c, end, m.start);
			out(c->e, "\n");
		}
		out(c->e, "BaseAddress:       %016llx\nRegionSize:        %016llx\n",
			(unsigned long long)m.start, (unsigned long long)(m.end - m.start));
		show_words(c, &m);
		out(c->e, "\n");
		end = m.end;
	}
	return ERR_OK;
}

/* ---- !handle ---- */

static const char *file_type(str target)
{
	static const struct {
		const char *start, *type;
	} types[] = {{"socket:", "Socket"}, {"pipe:", "Pipe"}, {"anon_inode:[event", "Event"},
		{"anon_inode:", "Other"}, {"/dev/", "Device"}, {"/memfd:", "Section"}};
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (str_starts(target, str_of(types[i].start)))
			return types[i].type;
	return "File";
}

bool lx_file_next(str *text, uint64_t *number, str *target)
{
	while (text->n) {
		size_t nl = str_chr(*text, '\n');
		str line = str_take(*text, nl == SIZE_MAX ? text->n : nl);
		*text = str_skip(*text, line.n + 1);
		size_t tab = str_chr(line, '\t');
		*target = str_skip(line, tab == SIZE_MAX ? line.n : tab + 1);
		if (tab != SIZE_MAX && str_u64(str_take(line, tab), 10, number))
			return true;
	}
	return false;
}

static err cmd_handle(cmd *c, cmd_call *call)
{
	str rest = call->args, text, target;
	uint64_t want = 0, flags = 1, number;
	size_t n = 0;
	bool one = false;

	if (c->e->mode == ENG_KERNEL)
		return ntc_handle(c, call);
	TRY(user_only(c, call));
	if (rest.n) {
		TRY(cmd_arg_expr(c, &rest, &want));
		one = want != 0 && want != UINT64_MAX;
	}
	if (rest.n)
		TRY(cmd_arg_expr(c, &rest, &flags));
	str type = str_word(&rest);
	TRY(cmd_arg_end(c, rest));
	TRY(lx_text(c, TGT_I_FILES, c->e->ctx.process, &text));
	while (lx_file_next(&text, &number, &target)) {
		if ((one && number != want) || (type.n && !str_eq(type, str_of(file_type(target)))))
			continue;
		n++;
		out(c->e, "Handle %llx\n", (unsigned long long)number);
		if (flags & 1)
			out(c->e, "  Type         \t%s\n", file_type(target));
		if (flags & 4 || !one)
			out(c->e, "  Name         \t%.*s\n", STR_ARG(target));
	}
	if (!one)
		out(c->e, "%zu Handles\n", n);
	else if (!n)
		return cmd_fail(c, ERR_NOTFOUND, "the process has no file descriptor %llx",
			(unsigned long long)want);
	return ERR_OK;
}

/* ---- !runaway ---- */

typedef struct spent {
	const eng_thr *t;
	uint64_t user, system, since; /* ms */
} spent;

static void show_spent(cmd *c, const char *title, const spent *v, size_t n, size_t field)
{
	bool *done = arena_alloc(&c->a, n * sizeof *done);
	memset(done, 0, n * sizeof *done);
	out(c->e, " %s\n  Thread       Time\n", title);
	for (size_t shown = 0; shown < n; shown++) {
		size_t best = SIZE_MAX;
		uint64_t most = 0;
		for (size_t i = 0; i < n; i++) {
			const uint64_t times[] = {v[i].user, v[i].system, v[i].since};
			if (!done[i] && (best == SIZE_MAX || times[field] > most)) {
				best = i;
				most = times[field];
			}
		}
		done[best] = true;
		char span[STR_SPAN_MAX];
		out(c->e, "  %3u:%-8x %s\n", v[best].t->id, v[best].t->tid, str_span(most, span));
	}
}

/* A stat counts from the host's start, and while it slept. */
static uint64_t host_up_ms(void)
{
	struct timespec boot;
	clock_gettime(CLOCK_BOOTTIME, &boot);
	return (uint64_t)boot.tv_sec * 1000 + (uint64_t)boot.tv_nsec / 1000000;
}

err lx_times_get(cmd *c, lx_times *ret)
{
	str text;
	linux_stat st;
	if (!c->e->caps.live)
		return cmd_fail(c, ERR_NOTFOUND, "a core file does not tell when it was made");
	TRY(lx_text(c, TGT_I_STAT, c->e->ctx.process, &text));
	if (linux_stat_parse(text, &st) != ERR_OK)
		return cmd_fail(c, ERR_CORRUPT, "the process's stat text makes no sense");
	uint64_t up = host_up_ms(), start = linux_ticks_ms(st.start_ticks);
	*ret = (lx_times){up, up > start ? up - start : 0, linux_ticks_ms(st.system_ticks),
		linux_ticks_ms(st.user_ticks)};
	return ERR_OK;
}

static err cmd_runaway(cmd *c, cmd_call *call)
{
	str rest = call->args, text;
	uint64_t flags = 1;
	size_t n = 0;
	const eng_proc *p = eng_proc_find(c->e, c->e->ctx.process);

	if (rest.n)
		TRY(cmd_arg_expr(c, &rest, &flags));
	TRY(cmd_arg_end(c, rest));
	if (!p)
		return cmd_fail(c, ERR_STATE, "there is no process");
	uint64_t now = host_up_ms();
	spent *v = arena_alloc(&c->a, (p->threads.n + 1) * sizeof *v);
	for (size_t i = 0; i < p->threads.n; i++) {
		linux_stat st;
		if (lx_text(c, TGT_I_THREAD_STAT, p->threads.p[i]->tid, &text) != ERR_OK ||
			linux_stat_parse(text, &st) != ERR_OK)
			continue; /* it ended */
		uint64_t start = linux_ticks_ms(st.start_ticks);
		v[n++] = (spent){p->threads.p[i], linux_ticks_ms(st.user_ticks),
			linux_ticks_ms(st.system_ticks), now > start ? now - start : 0};
	}
	diag_clear(&c->d);
	if (flags & 1)
		show_spent(c, "User Mode Time", v, n, 0);
	if (flags & 2)
		show_spent(c, "Kernel Mode Time", v, n, 1);
	if (flags & 4 && !c->e->caps.live)
		return cmd_fail(c, ERR_NOTFOUND, "a core file does not tell when threads started");
	if (flags & 4)
		show_spent(c, "Elapsed Time", v, n, 2);
	return ERR_OK;
}

/* ---- !auxv ---- */

static err cmd_auxv(cmd *c, cmd_call *call)
{
	static const struct {
		uint64_t type;
		const char *name;
		bool text;
	} names[] = {{AT_IGNORE, "AT_IGNORE", false}, {AT_EXECFD, "AT_EXECFD", false},
		{AT_PHDR, "AT_PHDR", false}, {AT_PHENT, "AT_PHENT", false},
		{AT_PHNUM, "AT_PHNUM", false}, {AT_PAGESZ, "AT_PAGESZ", false},
		{AT_BASE, "AT_BASE", false}, {AT_FLAGS, "AT_FLAGS", false},
		{AT_ENTRY, "AT_ENTRY", false}, {AT_UID, "AT_UID", false},
		{AT_EUID, "AT_EUID", false}, {AT_GID, "AT_GID", false}, {AT_EGID, "AT_EGID", false},
		{AT_PLATFORM, "AT_PLATFORM", true}, {AT_HWCAP, "AT_HWCAP", false},
		{AT_CLKTCK, "AT_CLKTCK", false}, {AT_SECURE, "AT_SECURE", false},
		{AT_RANDOM, "AT_RANDOM", false}, {AT_HWCAP2, "AT_HWCAP2", false},
		{AT_EXECFN, "AT_EXECFN", true}, {AT_SYSINFO_EHDR, "AT_SYSINFO_EHDR", false},
		{AT_MINSIGSTKSZ, "AT_MINSIGSTKSZ", false}};
	str blob, s;
	TRY(cmd_arg_end(c, call->args));
	TRY(lx_text(c, TGT_I_AUXV, c->e->ctx.process, &blob));
	uint64_t type, v;
	for (size_t k = 0; elf_auxv_nth(blob, k, &type, &v); k++) {
		size_t i = 0;
		while (i < ARRAY_LEN(names) && names[i].type != type)
			i++;
		if (i < ARRAY_LEN(names))
			out(c->e, "%-16s %s", names[i].name, out_addr(c->e, v));
		else
			out(c->e, "%-16llu %s", (unsigned long long)type, out_addr(c->e, v));
		if (i < ARRAY_LEN(names) && names[i].text &&
			eng_read_str(c->e, &c->a, v, 4096, &s, NULL) == ERR_OK)
			out(c->e, " \"%.*s\"", STR_ARG(s));
		out(c->e, "\n");
	}
	return ERR_OK;
}

/* ---- !gle ---- */

/*
 * Where errno is only the C library knows: its __errno_location() loads the thread-local offset
 * (from its table of offsets, or as a constant) and adds the thread's base. The function is run in
 * the debugger as far as those few instructions go.
 */
static err errno_address(cmd *c, uint64_t tls, uint64_t *ret)
{
	static const uint8_t fs_zero[] = {0x64, 0x48};
	engine *e = c->e;
	uint64_t at = 0, value = 0;
	TRY(eng_eval(e, STR("__errno_location"), &at, &c->d));
	for (int i = 0; i < 8; i++) {
		x64_insn in;
		TRY(eng_insn(e, at, &in, &c->d));
		const uint8_t *b = in.bytes;
		if (in.flow == X64_FLOW_RET) {
			*ret = value;
			return ERR_OK;
		}
		if (in.len == 9 && !memcmp(b, fs_zero, 2) && (b[2] == 0x8b || b[2] == 0x03))
			value = (b[2] == 0x03 ? value : 0) + tls; /* mov/add rax,fs:[0] */
		else if (in.len == 7 && b[0] == 0x48 && b[1] == 0x8b && in.rip_relative)
			TRY(eng_read_uint(e, in.rip_target, 8, &value, &c->d));
		else if (in.len == 4 && b[0] == 0x48 && b[1] == 0x83 && b[2] == 0xc0)
			value += (uint64_t)(int64_t)(int8_t)b[3]; /* add rax,imm8 */
		else if (in.len == 6 && b[0] == 0x48 && b[1] == 0x05)
			value += (uint64_t)(int64_t)(int32_t)le32(b + 2); /* add rax,imm32 */
		else if (!(in.len == 4 && b[0] == 0xf3 && b[1] == 0x0f && b[2] == 0x1e))
			break; /* all but endbr64 */
		at += in.len;
	}
	return cmd_fail(
		c, ERR_UNSUPPORTED, "this C library's __errno_location is none that is understood");
}

static err show_errno(cmd *c)
{
	x64_regs r = {0};
	uint64_t at = 0, value = 0;
	TRY(eng_unit_regs(c->e, c->e->ctx.unit, X64_SET_BASES, &r, &c->d));
	TRY(errno_address(c, r.fs_base, &at));
	TRY(eng_read_uint(c->e, at, 4, &value, &c->d));
	out(c->e, "LastErrorValue: (errno) %#llx (%llu) - %s\n", (unsigned long long)value,
		(unsigned long long)value, value ? strerror((int)(uint32_t)value) : "Success");
	return ERR_OK;
}

err lx_gle(cmd *c, cmd_call *call)
{
	str rest = call->args, sw;
	bool all = false;
	err r = ERR_OK;
	while (cmd_arg_switch(&rest, "-/", &sw)) {
		if (!str_eq(sw, STR("all")))
			return cmd_syntax(c, call->args);
		all = true;
	}
	TRY(cmd_arg_end(c, rest));
	if (!all)
		return show_errno(c);
	eng_ctx saved = eng_ctx_save(c->e);
	const eng_proc *p = eng_proc_find(c->e, saved.process);
	for (size_t i = 0; p && i < p->threads.n && r == ERR_OK; i++) {
		out(c->e, "Last error for thread %u (%x):\n", p->threads.p[i]->id,
			p->threads.p[i]->tid);
		r = eng_ctx_unit(c->e, p->threads.p[i]->tid, &c->d);
		if (r == ERR_OK)
			r = show_errno(c);
	}
	eng_ctx_restore(c->e, &saved);
	return r;
}

static const cmd_row rows[] = {
	{"!address", "!address [Address | -summary | -f:Word[,Word ...]]",
		"Describe the regions of the address space",
		"-summary counts the regions by usage, type and protection; -f: lists those with "
		"one of "
		"these words (Image, Heap, Stack, MappedFile, Other, MEM_PRIVATE, PAGE_READWRITE "
		"...). "
		"Without an address all regions of the current process, else the one that holds "
		"it.",
		CMD_ANY | CMD_TARGET, cmd_address},
	{"!vprot", "!vprot [Address]", "Show the protection of memory",
		"BaseAddress is the page, RegionSize from there to the region's end, "
		"AllocationBase the "
		"start of the mapping of a file. Without an address that of the current "
		"instruction.",
		CMD_ANY | CMD_TARGET, cmd_vprot},
	{"!vadump", "!vadump [-v]", "List the ranges of the address space with their protection",
		NULL, CMD_ANY | CMD_TARGET, cmd_vadump},
	{"!handle",
		"!handle [Descriptor [Flags [Type]]]\n"
		"!handle [Handle [Flags [Process [TypeName]]]]",
		"Show open file descriptors, or handles of an NT process",
		"User mode: Descriptor 0 or -1: all (descriptor 0 by itself: !handle -1 4). Flags: "
		"1 type, 4 name. Type: File, Device, Socket, Pipe, Event, Section, Other.\n\n"
		"Kernel mode: Handle is a handle's value; 0, -1 or nothing means all. Process is "
		"the address of an EPROCESS or a process id, 0 for all processes, -1 or nothing "
		"for the one that .process looks at. With TypeName (upper and lower case matter) "
		"only handles to such objects are shown. A handle with the high bits set is one "
		"of the kernel.\n\n"
		"Flags, in any combination:\n"
		"  1   the handle\n"
		"  2   its object\n"
		"  4   free entries, too\n"
		"  10  the kernel's own handles\n"
		"  20  Handle is a process or thread id\n"
		"The default is 3.\n\n"
		"  !handle 0 3 0 Section     handles to sections in all processes",
		CMD_ANY | CMD_TARGET, cmd_handle},
	{"!runaway", "!runaway [Flags]", "Show how long each thread ran",
		"Flags: 1 in user mode (default), 2 in the kernel, 4 since it started. The longest "
		"first.",
		CMD_USER | CMD_TARGET, cmd_runaway},
	{"!auxv", "!auxv", "Show the auxiliary vector that the kernel gave to the program", NULL,
		CMD_USER | CMD_TARGET, cmd_auxv},
};

const cmd_family cmd_family_lx = {"Processes of Linux", rows, ARRAY_LEN(rows)};
