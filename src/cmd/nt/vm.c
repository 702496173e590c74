/*
 * vm: !pte, !vtop, !pte2va, !vad: address translation and what the memory manager knows of
 * addresses.
 *
 * Table entries are read through physical memory, from the root of the process that the views look
 * at; their virtual addresses are shown where the tables map themselves.
 */
#include "cmd/nt/ntc.h"

enum { COLUMN = 27 };

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
	} flags[] = {{0x200, 'C', '-'}, {0x100, 'G', '-'}, {0x80, 'L', '-'}, {0x40, 'D', '-'},
		{0x20, 'A', '-'}, {0x10, 'N', '-'}, {8, 'T', '-'}, {4, 'U', 'K'}, {2, 'W', 'R'},
		{1ULL << 63, '-', 'E'}, {1, 'V', '-'}};
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		text[i] = v & flags[i].bit ? flags[i].set : flags[i].clear;
	text[ARRAY_LEN(flags)] = 0;
}

/* MM protection codes of software entries (ReactOS mm headers): what !pte calls Protect. */
static const char *protection(unsigned v)
{
	static const char *const names[] = {"NoAccess", "Readonly", "Execute", "ExecuteRead",
		"ReadWrite", "WriteCopy", "ReadWriteExecute", "ExecuteWriteCopy"};
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
		out(c->e, "  Protect: %llx - %s%s\n", (unsigned long long)prot,
			protection((unsigned)prot),
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
			buf_addf(&l1, "%s at #%-15llX", names[level - 1],
				(unsigned long long)w->entry[i].addr);
		buf_addf(&l2, "contains %016llX", (unsigned long long)v);
		if (v & 1) {
			flags_text(v, text);
			if (level == 1)
				text[2] = '-'; /* bit 7 is PAT there, not a large page */
			buf_addf(&l3, "pfn %-9llx %s", (unsigned long long)((v & PFN_MASK) >> 12),
				text);
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
	out(c->e, "PDE at %016llX    PTE at %016llX\n", (unsigned long long)at,
		(unsigned long long)at);
	out(c->e, "contains %016llX  contains %016llX\n", (unsigned long long)v,
		(unsigned long long)v);
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
		return cmd_fail(c, ERR_ARG, "%016llx is not among the page tables (%s)",
			(unsigned long long)at,
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
		bool known =
			nt_global_value(n, "MmHighestPhysicalPage", 8, &highest, NULL) == ERR_OK &&
			highest;
		if (known ? base <= highest : base & 0xfff || base < 0x1000)
			base <<= 12;
	}
	base &= PFN_MASK;
	out(c->e, "Amd64VtoP: Virt %016llx, pagedir %016llx\n", (unsigned long long)va,
		(unsigned long long)base);
	TRY(walk(c, base, va, &w));
	int total = w.levels == 5 ? 5 : 4;
	for (int i = 0; i < w.levels; i++)
		out(c->e, "Amd64VtoP: %s %016llx\n", names[total - i - 1],
			(unsigned long long)w.entry[i].addr);
	if (w.present) {
		phys = w.phys;
		if (w.large)
			out(c->e, "Amd64VtoP: Large page mapped phys %016llx\n",
				(unsigned long long)phys);
		else
			out(c->e, "Amd64VtoP: Mapped phys %016llx\n", (unsigned long long)phys);
	} else {
		diag_clear(&c->d);
		err e = os_soft_pte(c->e->os, &w, va, &phys, &c->d);
		if (e != ERR_OK) {
			out(c->e, "Amd64VtoP: entry %016llx is not valid\n",
				(unsigned long long)w.entry[w.levels - 1].value);
			return diag_add(&c->d, e, "Virtual address %016llx translation fails",
				(unsigned long long)va);
		}
		out(c->e, "Amd64VtoP: Page not present, but in memory: phys %016llx\n",
			(unsigned long long)phys);
	}
	out(c->e, "Virtual address %llx translates to physical address %llx.\n",
		(unsigned long long)va, (unsigned long long)phys);
	return ERR_OK;
}

/* ---- !vad ---- */

static const char *vad_protect(uint64_t v)
{
	static const char *const names[] = {"NO_ACCESS", "READONLY", "EXECUTE", "EXECUTE_READ",
		"READWRITE", "WRITECOPY", "EXECUTE_READWRITE", "EXECUTE_WRITECOPY"};
	return names[v & 7];
}

static void vad_line(cmd *c, nt *n, const nt_vad *v, unsigned level)
{
	str file = nt_vad_file(n, v, &c->a);
	out(c->e, "%016llx %2u %16llx %16llx %10llu %s %-18s %.*s\n", (unsigned long long)v->at,
		level, (unsigned long long)v->start, (unsigned long long)v->end,
		(unsigned long long)v->commit,
		v->private_memory	  ? "Private     "
		: v->type == NT_VAD_IMAGE ? "Mapped  Exe "
					  : "Mapped      ",
		vad_protect(v->protect), STR_ARG(file));
}

typedef struct vad_sums {
	cmd *c;
	nt *n;
	size_t count, levels, depth;
} vad_sums;

static bool vad_shown(void *u, const nt_vad *v, unsigned level)
{
	vad_sums *s = u;
	vad_line(s->c, s->n, v, level);
	s->count++;
	s->levels += level;
	if (level > s->depth)
		s->depth = level;
	return true;
}

static err vad_tree(cmd *c, nt *n, uint64_t root)
{
	vad_sums s = {.c = c, .n = n};
	out(c->e, "VAD           Level         Start             End              Commit\n");
	diag why = {0};
	err e = nt_vad_walk(n, root, vad_shown, &s, &why);
	if (e == ERR_CORRUPT)
		ntc_note(c, "", &why);
	else if (e != ERR_OK)
		return diag_set(&c->d, e, "%s", why.text);
	out(c->e, "\nTotal VADs: %zu, average level: %zu, maximum depth: %zu\n", s.count,
		s.count ? s.levels / s.count : 0, s.depth);
	return ERR_OK;
}

static void vad_one(cmd *c, nt *n, const nt_vad *v)
{
	out(c->e, "VAD @ %016llx\n", (unsigned long long)v->at);
	out(c->e, "  Start VPN    %16llx  End VPN %16llx\n", (unsigned long long)v->start,
		(unsigned long long)v->end);
	out(c->e, "  Start        %016llx  End     %016llx\n", (unsigned long long)(v->start << 12),
		(unsigned long long)(v->end << 12 | 0xfff));
	out(c->e, "  Commit Charge %llu (%llu.)\n", (unsigned long long)v->commit,
		(unsigned long long)v->commit);
	out(c->e, "  %s %s\n",
		v->private_memory	  ? "PrivateMemory"
		: v->type == NT_VAD_IMAGE ? "ImageMap"
					  : "Mapped",
		vad_protect(v->protect));
	str file = nt_vad_file(n, v, &c->a);
	if (file.n)
		out(c->e, "  File: %.*s\n", STR_ARG(file));
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
	TRY(ntc_implicit_process(c, &p));
	uint64_t top;
	nt_vad v;
	TRY(nt_vad_root(n, &p, &top, &c->d)); /* also says when the types are missing */
	if (!(root >> 47)) {
		if (!root)
			return vad_tree(c, n, top);
		TRY(nt_vad_find(n, top, root, &v, &c->d));
	} else if (!flag) {
		return vad_tree(c, n, root);
	} else {
		TRY(nt_vad_read(n, root, &v, &c->d));
	}
	vad_one(c, n, &v);
	return ERR_OK;
}

#define TARGET (CMD_KERNEL | CMD_TARGET)

static const cmd_row rows[] = {
	{"!pte", "!pte VirtualAddress | PTE\n!pte LiteralAddress 1\n!pte StartAddress EndAddress",
		"Show page table entries",
		"For a virtual address: the entries of all levels, what they contain, and what "
		"that means: page "
		"frame and flags. An address among the page tables themselves is taken for a PTE. "
		"With 1 behind "
		"it, the address is read as an entry, whatever is there. Two addresses show all "
		"pages "
		"between them.\n\n"
		"Flags: C copy on write, G global, L large page, D dirty, A accessed, N not "
		"cached, T write "
		"through, U user or K kernel, W writable or R read-only, E executable, V valid. Of "
		"an entry that "
		"is not valid, what the system keeps in it is said: page file, transition, "
		"prototype. Where the "
		"tables are not mapped, the physical address of an entry stands behind #.\n\n"
		"The process context decides about user addresses.",
		TARGET, do_pte},
	{"!pte2va", "!pte2va Address", "Virtual address that a page table entry maps",
		"Address is that of a PTE as !pte shows it.", TARGET, do_pte2va},
	{"!vtop", "!vtop PFN VirtualAddress\n!vtop 0 VirtualAddress", "Translate a virtual address",
		"PFN is the page frame number of the process's top table (DirBase of !process "
		"without its last "
		"three digits; a DirBase is understood as well). 0 uses the current process "
		"context. Pages that "
		"are in transition are found too.",
		TARGET, do_vtop},
	{"!vad", "!vad [VAD-Root [Flag]]\n!vad Address 1", "Show virtual address descriptors",
		"Without an address: all VADs of the process context. VAD-Root is the root of a "
		"tree (VadRoot of "
		"!process); with Flag 1 only that one is shown, in detail. A user address shows "
		"the VAD that "
		"holds it.",
		TARGET, do_vad},
};

const cmd_family cmd_family_nt_vm = {"Memory management (NT)", rows, ARRAY_LEN(rows)};
