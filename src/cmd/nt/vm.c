/*
 * vm: !pte, !vtop, !pte2va, !vad: address translation and what the memory manager knows of addresses.
 *
 * Table entries are read through physical memory, from the root of the process that the views look
 * at; their virtual addresses are shown where the tables map themselves.
 */
#include "cmd/nt/ntc.h"

#include "base/map.h"

enum { VAD_MAX = 65536, COLUMN = 27 };

#define PFN_MASK 0x000ffffffffff000ULL

/* The root that va is translated with in the current context. */
static err root_for(cmd *c, uint64_t va, uint64_t *ret)
{
	as_t as = eng_space(c->e, va);
	os_process p;
	if (as.kind == AS_ROOT) {
		*ret = as.id;
		return ERR_OK;
	}
	TRY(ntc_implicit_process(c, &p));
	*ret = os_space(&p, eng_is_user(c->e, va)).id;
	return ERR_OK;
}

/* Translation is OK also when an entry is not present: that is what is shown then. */
static err walk(cmd *c, uint64_t root, uint64_t va, x64_walk *w)
{
	*w = (x64_walk){0};
	err e = tgt_translate(c->e->t, root, va, w, &c->d);
	return e == ERR_FAULT && w->levels ? ERR_OK : e;
}

/* ---- !pte ---- */

static void flags_text(uint64_t v, char text[12])
{
	static const struct {
		uint64_t bit;
		char set, clear;
	} flags[] = {{0x200, 'C', '-'}, {0x100, 'G', '-'}, {0x80, 'L', '-'}, {0x40, 'D', '-'}, {0x20, 'A', '-'},
		{0x10, 'N', '-'}, {8, 'T', '-'}, {4, 'U', 'K'}, {2, 'W', 'R'}, {1ULL << 63, '-', 'E'},
		{1, 'V', '-'}};
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		text[i] = v & flags[i].bit ? flags[i].set : flags[i].clear;
	text[ARRAY_LEN(flags)] = 0;
}

/* MM protection codes of software entries (ReactOS mm headers): what !pte calls Protect. */
static const char *protection(unsigned v)
{
	static const char *const names[] = {"NoAccess", "Readonly", "Execute", "ExecuteRead", "ReadWrite",
		"WriteCopy", "ReadWriteExecute", "ExecuteWriteCopy"};
	return names[v & 7];
}

static void invalid_words(cmd *c, nt *n, uint64_t v)
{
	buf b;
	uint64_t prot;
	buf_init(&b, 512);
	nt_pte_words(n, v, &b);
	out(c->e, "not valid\n  %s\n", buf_z(&b));
	buf_deinit(&b);
	if (v && nt_bits(n, "_MMPTE_SOFTWARE", "Protection", v, &prot) && prot)
		out(c->e, "  Protect: %llx - %s%s\n", (unsigned long long)prot, protection((unsigned)prot),
			prot >> 3 == 1	 ? " NoCache"
			: prot >> 3 == 2 ? " Guard"
			: prot >> 3 == 3 ? " WriteCombine"
					 : "");
}

static void show_walk(cmd *c, nt *n, uint64_t va, const x64_walk *w)
{
	static const char *const names[] = {"PTE", "PDE", "PPE", "PXE", "P5E"};
	int total = w->levels == 5 ? 5 : 4, col = 0;
	char text[12];
	buf l1, l2, l3;
	buf_init(&l1, 1024);
	buf_init(&l2, 1024);
	buf_init(&l3, 1024);
	for (int i = 0; i < w->levels; i++, col += COLUMN) {
		int level = total - i;
		uint64_t v = w->entry[i].value, at = level <= 4 ? nt_pte_address(n, va, level) : 0;
		buf_pad(&l1, (size_t)col);
		buf_pad(&l2, (size_t)col);
		buf_pad(&l3, (size_t)col);
		if (at)
			buf_addf(&l1, "%s at %016llX", names[level - 1], (unsigned long long)at);
		else /* the tables are not mapped anywhere: the entry's physical address */
			buf_addf(&l1, "%s at #%-15llX", names[level - 1], (unsigned long long)w->entry[i].addr);
		buf_addf(&l2, "contains %016llX", (unsigned long long)v);
		if (v & 1) {
			flags_text(v, text);
			if (level == 1)
				text[2] = '-'; /* bit 7 is PAT there, not a large page */
			buf_addf(&l3, "pfn %-9llx %s", (unsigned long long)((v & PFN_MASK) >> 12), text);
		}
	}
	out(c->e, "%*sVA %016llx\n", 40, "", (unsigned long long)va);
	out(c->e, "%s\n%s\n%s", buf_z(&l1), buf_z(&l2), buf_z(&l3));
	if (w->present) {
		if (w->large)
			out(c->e, "  LARGE PAGE pfn %llx", (unsigned long long)(w->phys >> 12));
		out(c->e, "\n\n");
	} else {
		out(c->e, l3.n ? "  " : "");
		invalid_words(c, n, w->entry[w->levels - 1].value);
		out(c->e, "\n");
	}
	buf_deinit(&l1);
	buf_deinit(&l2);
	buf_deinit(&l3);
}

static err show_va(cmd *c, nt *n, uint64_t va, uint64_t *span)
{
	uint64_t root;
	x64_walk w;
	TRY(root_for(c, va, &root));
	TRY(walk(c, root, va, &w));
	show_walk(c, n, va, &w);
	/* What the entry shown last speaks for: the next address of a range starts behind it. */
	int total = w.levels == 5 ? 5 : 4;
	*span = w.present ? w.page_size : 1ULL << (12 + 9 * (total - w.levels));
	return ERR_OK;
}

static err literal_pte(cmd *c, nt *n, uint64_t at)
{
	uint8_t b[8];
	char text[12];
	TRY(eng_read_all(c->e, at, b, sizeof b, &c->d));
	uint64_t v = le64(b);
	out(c->e, "PDE at %016llX    PTE at %016llX\n", (unsigned long long)at, (unsigned long long)at);
	out(c->e, "contains %016llX  contains %016llX\n", (unsigned long long)v, (unsigned long long)v);
	if (!(v & 1)) {
		invalid_words(c, n, v);
		return ERR_OK;
	}
	flags_text(v, text);
	out(c->e, "pfn %-9llx %s  ", (unsigned long long)((v & PFN_MASK) >> 12), text);
	text[2] = '-';
	out(c->e, "pfn %-9llx %s\n", (unsigned long long)((v & PFN_MASK) >> 12), text);
	return ERR_OK;
}

static err do_pte(cmd *c, cmd_call *call)
{
	str rest = call->args;
	uint64_t a, b = 0, va, span;
	bool two;
	nt *n;
	TRY(ntc_get(c, &n));
	TRY(cmd_arg_expr(c, &rest, &a));
	two = rest.n > 0;
	if (two)
		TRY(cmd_arg_expr(c, &rest, &b));
	TRY(cmd_arg_end(c, rest));
	if (two && b <= a)
		return literal_pte(c, n, a);
	if (!two)
		return show_va(c, n, nt_pte_to_va(n, a, &va) ? va : a, &span);
	for (va = a & ~0xfffULL; va <= b;) {
		if (cancelled(&c->e->cancel))
			return cmd_fail(c, ERR_CANCELLED, "interrupted");
		TRY(show_va(c, n, va, &span));
		uint64_t next = (va & ~(span - 1)) + span;
		if (next <= va)
			break;
		va = next;
	}
	return ERR_OK;
}

static err do_pte2va(cmd *c, cmd_call *call)
{
	str rest = call->args;
	uint64_t at, va;
	nt *n;
	TRY(ntc_get(c, &n));
	TRY(cmd_arg_expr(c, &rest, &at));
	TRY(cmd_arg_end(c, rest));
	if (!nt_pte_to_va(n, at, &va))
		return cmd_fail(c, ERR_ARG, "%016llx is not among the page tables (%s)", (unsigned long long)at,
			nt_pte_address(n, 0, 1) ? "see !pte" : "this system does not map them");
	out(c->e, "%016llx \n", (unsigned long long)va);
	return ERR_OK;
}

/* ---- !vtop ---- */

static err do_vtop(cmd *c, cmd_call *call)
{
	static const char *const names[] = {"PTE", "PDE", "PDPE", "PML4E", "PML5E"};
	str rest = call->args;
	uint64_t base, va, highest, phys;
	x64_walk w;
	nt *n;
	TRY(ntc_get(c, &n));
	TRY(cmd_arg_expr(c, &rest, &base));
	TRY(cmd_arg_expr(c, &rest, &va));
	TRY(cmd_arg_end(c, rest));
	if (!base) {
		TRY(root_for(c, va, &base));
	} else {
		/* A frame number; too large for one (documented), it is the address itself. */
		bool known = nt_global_value(n, "MmHighestPhysicalPage", 8, &highest, NULL) == ERR_OK && highest;
		if (known ? base <= highest : base & 0xfff || base < 0x1000)
			base <<= 12;
	}
	base &= PFN_MASK;
	out(c->e, "Amd64VtoP: Virt %016llx, pagedir %016llx\n", (unsigned long long)va, (unsigned long long)base);
	TRY(walk(c, base, va, &w));
	int total = w.levels == 5 ? 5 : 4;
	for (int i = 0; i < w.levels; i++)
		out(c->e, "Amd64VtoP: %s %016llx\n", names[total - i - 1], (unsigned long long)w.entry[i].addr);
	if (w.present) {
		phys = w.phys;
		if (w.large)
			out(c->e, "Amd64VtoP: Large page mapped phys %016llx\n", (unsigned long long)phys);
		else
			out(c->e, "Amd64VtoP: Mapped phys %016llx\n", (unsigned long long)phys);
	} else {
		diag_clear(&c->d);
		err e = c->e->os->ops->soft_pte(c->e->os, &w, va, &phys, &c->d);
		if (e != ERR_OK) {
			out(c->e, "Amd64VtoP: entry %016llx is not valid\n",
				(unsigned long long)w.entry[w.levels - 1].value);
			return diag_add(&c->d, e, "Virtual address %016llx translation fails",
				(unsigned long long)va);
		}
		out(c->e, "Amd64VtoP: Page not present, but in memory: phys %016llx\n", (unsigned long long)phys);
	}
	out(c->e, "Virtual address %llx translates to physical address %llx.\n", (unsigned long long)va,
		(unsigned long long)phys);
	return ERR_OK;
}

/* ---- !vad ---- */

typedef struct vad {
	uint64_t at, left, right, start, end, commit, protect, type;
	bool private_memory;
} vad;

/* The short form holds the range in kernels since 6.2; before that _MMVAD itself. */
static const char *vad_type(nt *n)
{
	return nt_has(n, "_MMVAD_SHORT", "StartingVpn") ? "_MMVAD_SHORT" : "_MMVAD";
}

static uint64_t either(nt *n, uint64_t at, const char *t, const char *a, const char *b)
{
	uint64_t v;
	if (nt_get(n, at, t, a, &v, NULL) == ERR_OK)
		return v;
	return b ? nt_get_or(n, at, t, b, 0) : 0;
}

static err read_vad(cmd *c, nt *n, uint64_t at, vad *ret)
{
	const char *t = vad_type(n);
	vad v = {.at = at};
	TRY(nt_get(n, at, t, "StartingVpn", &v.start, &c->d));
	TRY(nt_get(n, at, t, "EndingVpn", &v.end, &c->d));
	v.start |= nt_get_or(n, at, t, "StartingVpnHigh", 0) << 32;
	v.end |= nt_get_or(n, at, t, "EndingVpnHigh", 0) << 32;
	v.left = either(n, at, t, "VadNode.Left", "LeftChild");
	v.right = either(n, at, t, "VadNode.Right", "RightChild");
	v.commit = either(n, at, t, "u1.VadFlags1.CommitCharge", "u.VadFlags.CommitCharge");
	v.protect = nt_get_or(n, at, t, "u.VadFlags.Protection", 0);
	v.type = nt_get_or(n, at, t, "u.VadFlags.VadType", 0);
	v.private_memory = nt_get_or(n, at, t, "u.VadFlags.PrivateMemory", 0) != 0;
	*ret = v;
	return ERR_OK;
}

static const char *vad_protect(uint64_t v)
{
	static const char *const names[] = {"NO_ACCESS", "READONLY", "EXECUTE", "EXECUTE_READ", "READWRITE",
		"WRITECOPY", "EXECUTE_READWRITE", "EXECUTE_WRITECOPY"};
	return names[v & 7];
}

/* File behind a mapped range, where the types to get there exist. */
static str vad_file(cmd *c, nt *n, uint64_t at)
{
	uint64_t sub, ca, file;
	nt_off f;
	str s = STR("");
	if (nt_get(n, at, "_MMVAD", "Subsection", &sub, NULL) == ERR_OK && sub >> 47 &&
		nt_get(n, sub, "_SUBSECTION", "ControlArea", &ca, NULL) == ERR_OK && ca >> 47 &&
		(nt_get(n, ca, "_CONTROL_AREA", "FilePointer.Object", &file, NULL) == ERR_OK ||
			nt_get(n, ca, "_CONTROL_AREA", "FilePointer", &file, NULL) == ERR_OK) &&
		(file &= ~15ULL) >> 47 && nt_field(n, "_FILE_OBJECT", "FileName", &f, NULL) == ERR_OK &&
		nt_read_string(n, NULL, file + f.off, &c->a, &s, NULL) != ERR_OK)
		s = STR("");
	return s;
}

static void vad_line(cmd *c, nt *n, const vad *v, unsigned level)
{
	/* MI_VAD_TYPE: 2 is an image map. */
	str file = v->private_memory ? STR("") : vad_file(c, n, v->at);
	out(c->e, "%016llx %2u %16llx %16llx %10llu %s %-18s %.*s\n", (unsigned long long)v->at, level,
		(unsigned long long)v->start, (unsigned long long)v->end, (unsigned long long)v->commit,
		v->private_memory ? "Private     " : v->type == 2 ? "Mapped  Exe " : "Mapped      ",
		vad_protect(v->protect), STR_ARG(file));
}

typedef struct vad_todo {
	uint64_t at;
	unsigned level;
	bool show; /* its left side is done */
} vad_todo;

static err vad_tree(cmd *c, nt *n, uint64_t root)
{
	VEC(vad_todo) todo = {0};
	map seen;
	size_t count = 0, depth = 0, levels = 0;
	err e = ERR_OK;
	map_init(&seen);
	out(c->e, "VAD           Level         Start             End              Commit\n");
	vec_push(&todo, (vad_todo){root, 0, false});
	while (todo.n && e == ERR_OK) {
		vad_todo t = todo.p[--todo.n];
		vad v;
		if (!t.at)
			continue;
		if (cancelled(&c->e->cancel)) {
			e = cmd_fail(c, ERR_CANCELLED, "interrupted");
			break;
		}
		if (!(t.at >> 47) || (!t.show && map_has(&seen, t.at)) || count >= VAD_MAX) {
			out_as(c->e, OUT_WARNING, "*** the tree is damaged at %016llx\n", (unsigned long long)t.at);
			continue;
		}
		e = read_vad(c, n, t.at, &v);
		if (e == ERR_FAULT) {
			ntc_note(c, "", &c->d);
			e = ERR_OK;
			continue;
		}
		if (e != ERR_OK)
			break;
		if (t.show) {
			vad_line(c, n, &v, t.level);
			count++;
			levels += t.level;
			if (t.level > depth)
				depth = t.level;
			continue;
		}
		map_set(&seen, t.at, c);
		/* in order: left, itself, right */
		vec_push(&todo, (vad_todo){v.right, t.level + 1, false});
		vec_push(&todo, (vad_todo){t.at, t.level, true});
		vec_push(&todo, (vad_todo){v.left, t.level + 1, false});
	}
	if (e == ERR_OK)
		out(c->e, "\nTotal VADs: %zu, average level: %zu, maximum depth: %zu\n", count,
			count ? levels / count : 0, depth);
	map_deinit(&seen);
	vec_deinit(&todo);
	return e;
}

static err vad_one(cmd *c, nt *n, uint64_t at)
{
	vad v;
	TRY(read_vad(c, n, at, &v));
	out(c->e, "VAD @ %016llx\n", (unsigned long long)at);
	out(c->e, "  Start VPN    %16llx  End VPN %16llx\n", (unsigned long long)v.start, (unsigned long long)v.end);
	out(c->e, "  Start        %016llx  End     %016llx\n", (unsigned long long)(v.start << 12),
		(unsigned long long)(v.end << 12 | 0xfff));
	out(c->e, "  Commit Charge %llu (%llu.)\n", (unsigned long long)v.commit, (unsigned long long)v.commit);
	out(c->e, "  %s %s\n",
		v.private_memory ? "PrivateMemory" : v.type == 2 ? "ImageMap" : "Mapped", vad_protect(v.protect));
	str file = v.private_memory ? STR("") : vad_file(c, n, at);
	if (file.n)
		out(c->e, "  File: %.*s\n", STR_ARG(file));
	return ERR_OK;
}

/* The VAD that holds a user address: down the tree, which is ordered. */
static err vad_of(cmd *c, nt *n, uint64_t root, uint64_t addr)
{
	uint64_t at = root;
	for (int i = 0; at >> 47 && i < 128; i++) {
		vad v;
		TRY(read_vad(c, n, at, &v));
		if (addr >> 12 < v.start)
			at = v.left;
		else if (addr >> 12 > v.end)
			at = v.right;
		else
			return vad_one(c, n, at);
	}
	return cmd_fail(c, ERR_NOTFOUND, "no VAD holds %016llx", (unsigned long long)addr);
}

static err do_vad(cmd *c, cmd_call *call)
{
	str rest = call->args;
	uint64_t root = 0, flag = 0;
	os_process p;
	nt *n;
	TRY(ntc_get(c, &n));
	if (rest.n)
		TRY(cmd_arg_expr(c, &rest, &root));
	if (rest.n)
		TRY(cmd_arg_expr(c, &rest, &flag));
	TRY(cmd_arg_end(c, rest));
	if (!nt_has(n, vad_type(n), "StartingVpn"))
		return cmd_fail(c, ERR_UNSUPPORTED,
			"this kernel's symbols have no VADs (nt!_MMVAD_SHORT, nt!_MMVAD): nothing to show");
	if (root >> 47)
		return flag ? vad_one(c, n, root) : vad_tree(c, n, root);
	TRY(ntc_implicit_process(c, &p));
	uint64_t top;
	if (nt_get(n, p.id_addr, "_EPROCESS", "VadRoot.Root", &top, NULL) != ERR_OK &&
		nt_get(n, p.id_addr, "_EPROCESS", "VadRoot.BalancedRoot.RightChild", &top, NULL) != ERR_OK)
		TRY(nt_get(n, p.id_addr, "_EPROCESS", "VadRoot", &top, &c->d));
	return root ? vad_of(c, n, top, root) : vad_tree(c, n, top);
}

#define TARGET (CMD_KERNEL | CMD_TARGET)

static const cmd_row rows[] = {
	{"!pte", "!pte VirtualAddress | PTE\n!pte LiteralAddress 1\n!pte StartAddress EndAddress",
		"Show page table entries",
		"For a virtual address: the entries of all levels, what they contain, and what that means: page "
		"frame and flags. An address among the page tables themselves is taken for a PTE. With 1 behind "
		"it, the address is read as an entry, whatever is there. Two addresses show all pages "
		"between them.\n\n"
		"Flags: C copy on write, G global, L large page, D dirty, A accessed, N not cached, T write "
		"through, U user or K kernel, W writable or R read-only, E executable, V valid. Of an entry that "
		"is not valid, what the system keeps in it is said: page file, transition, prototype. Where the "
		"tables are not mapped, the physical address of an entry stands behind #.\n\n"
		"The process context decides about user addresses.",
		TARGET, do_pte},
	{"!pte2va", "!pte2va Address", "Virtual address that a page table entry maps",
		"Address is that of a PTE as !pte shows it.", TARGET, do_pte2va},
	{"!vtop", "!vtop PFN VirtualAddress\n!vtop 0 VirtualAddress", "Translate a virtual address",
		"PFN is the page frame number of the process's top table (DirBase of !process without its last "
		"three digits; a DirBase is understood as well). 0 uses the current process context. Pages that "
		"are in transition are found too.",
		TARGET, do_vtop},
	{"!vad", "!vad [VAD-Root [Flag]]\n!vad Address 1", "Show virtual address descriptors",
		"Without an address: all VADs of the process context. VAD-Root is the root of a tree (VadRoot of "
		"!process); with Flag 1 only that one is shown, in detail. A user address shows the VAD that "
		"holds it.",
		TARGET, do_vad},
};

const cmd_family cmd_family_nt_vm = {"Memory management (NT)", rows, ARRAY_LEN(rows)};
