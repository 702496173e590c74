/*
 * nt_vad: the tree of VADs, which says what a process's user addresses are, whether in memory or
 * not.
 *
 * Up to 6.1 the range stands in _MMVAD itself, since then in _MMVAD_SHORT. The tree is walked with
 * a stack of its own; a node seen twice or a wild pointer ends that branch only.
 */
#include "os/nt/nt_int.h"

enum { VAD_MAX = 65536, DEPTH_MAX = 128 };

static const char *vad_type(nt *n)
{
	return nt_has(n, "_MMVAD_SHORT", "StartingVpn") ? "_MMVAD_SHORT" : "_MMVAD";
}

static uint64_t either(nt *n, uint64_t at, const char *t, const char *a, const char *b)
{
	uint64_t v;
	return nt_get(n, at, t, a, &v, NULL) == ERR_OK ? v : nt_get_or(n, at, t, b, 0);
}

err nt_vad_root(nt *n, const os_process *p, uint64_t *ret, diag *d)
{
	static const char *const paths[] = {
		"VadRoot.Root", "VadRoot.BalancedRoot.RightChild", "VadRoot"};
	if (!nt_has(n, vad_type(n), "StartingVpn"))
		return diag_set(d, ERR_NOTFOUND,
			"this kernel's symbols have no VADs (nt!_MMVAD_SHORT, nt!_MMVAD): nothing "
			"to show");
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		if (nt_get(n, p->id_addr, "_EPROCESS", paths[i], ret,
			    i + 1 < ARRAY_LEN(paths) ? NULL : d) == ERR_OK)
			return ERR_OK;
	return ERR_NOTFOUND;
}

err nt_vad_read(nt *n, uint64_t at, nt_vad *ret, diag *d)
{
	const char *t = vad_type(n);
	nt_vad v = {.at = at};
	TRY(nt_get(n, at, t, "StartingVpn", &v.start, d));
	TRY(nt_get(n, at, t, "EndingVpn", &v.end, d));
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

str nt_vad_file(nt *n, const nt_vad *v, arena *a)
{
	uint64_t sub, ca, file;
	nt_off f;
	str s = STR("");
	if (v->private_memory || nt_get(n, v->at, "_MMVAD", "Subsection", &sub, NULL) != ERR_OK ||
		!nt_kernel_addr(sub) ||
		nt_get(n, sub, "_SUBSECTION", "ControlArea", &ca, NULL) != ERR_OK ||
		!nt_kernel_addr(ca))
		return s;
	/* EX_FAST_REF: a count in the low four bits. */
	if (nt_get(n, ca, "_CONTROL_AREA", "FilePointer.Object", &file, NULL) != ERR_OK &&
		nt_get(n, ca, "_CONTROL_AREA", "FilePointer", &file, NULL) != ERR_OK)
		return s;
	file &= ~15ULL;
	if (!nt_kernel_addr(file) || nt_field(n, "_FILE_OBJECT", "FileName", &f, NULL) != ERR_OK ||
		nt_read_string(n, NULL, file + f.off, a, &s, NULL) != ERR_OK)
		return STR("");
	return s;
}

typedef struct todo {
	uint64_t at;
	unsigned level;
	bool show; /* its left side is done */
} todo;

err nt_vad_walk(nt *n, uint64_t root, nt_vad_fn *fn, void *u, diag *d)
{
	VEC(todo) stack = {0};
	map seen;
	size_t count = 0;
	uint64_t bad = 0;
	err e = ERR_OK;
	map_init(&seen);
	vec_push(&stack, (todo){root, 0, false});
	while (stack.n) {
		todo t = stack.p[--stack.n];
		nt_vad v;
		if (!t.at)
			continue;
		if (cancelled(n->base.host.cancel)) {
			e = diag_set(d, ERR_CANCELLED, "interrupted");
			break;
		}
		if (!nt_kernel_addr(t.at) || t.at & 7 || t.level > DEPTH_MAX || count >= VAD_MAX ||
			(!t.show && map_has(&seen, t.at))) {
			bad = t.at;
			continue;
		}
		e = nt_vad_read(n, t.at, &v, d);
		if (e == ERR_FAULT) {
			bad = t.at;
			e = ERR_OK;
			continue;
		}
		if (e != ERR_OK)
			break;
		if (t.show) {
			count++;
			if (!fn(u, &v, t.level))
				break;
			continue;
		}
		map_set(&seen, t.at, n);
		/* in order: left, itself, right */
		vec_push(&stack, (todo){v.right, t.level + 1, false});
		vec_push(&stack, (todo){t.at, t.level, true});
		vec_push(&stack, (todo){v.left, t.level + 1, false});
	}
	map_deinit(&seen);
	vec_deinit(&stack);
	if (e == ERR_OK && bad)
		e = diag_set(d, ERR_CORRUPT, "the VAD tree is damaged or unreadable at %016llx",
			(unsigned long long)bad);
	return e;
}

err nt_vad_find(nt *n, uint64_t root, uint64_t addr, nt_vad *ret, diag *d)
{
	uint64_t at = root;
	for (int i = 0; nt_kernel_addr(at) && i < DEPTH_MAX; i++) {
		nt_vad v;
		TRY(nt_vad_read(n, at, &v, d));
		if (addr >> 12 < v.start) {
			at = v.left;
		} else if (addr >> 12 > v.end) {
			at = v.right;
		} else {
			*ret = v;
			return ERR_OK;
		}
	}
	return diag_set(d, ERR_NOTFOUND, "no VAD holds %016llx", (unsigned long long)addr);
}
