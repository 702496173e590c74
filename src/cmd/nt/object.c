/*
 * object: !object and !handle: what the object manager knows.
 */
#include "cmd/nt/ntc.h"

/* Flags of !object. */
enum { SHOW_NAMES = 1, SHOW_CONTENTS = 8, SHOW_PARTS = 0x10, SHOW_PATH = 0x20, SHOW_DEFAULT = 9 };
/* Flags of !handle. */
enum { H_BASIC = 1, H_OBJECT = 2, H_FREE = 4, H_KERNEL = 0x10, H_CID = 0x20, H_DEFAULT = 3 };
enum { PATH_DEPTH = 64, ALL = -1 };

/* ---- one object ---- */

/* The name in front of which stand those of the directories that it is in. */
static str full_path(nt *n, const nt_object *o, arena *a)
{
	str path = nt_object_name(n, o, a);
	uint64_t dir = o->directory;
	for (int i = 0; dir && i < PATH_DEPTH; i++) {
		nt_object d;
		if (nt_object_get(n, dir, &d, NULL) != ERR_OK)
			break;
		str name = nt_object_name(n, &d, a);
		bool root = !d.directory;
		path = str_printf(a, "%.*s%s%.*s", root ? 0 : (int)name.n, root ? "" : name.p,
			path.n && path.p[0] == '\\' ? "" : "\\", STR_ARG(path));
		dir = d.directory;
	}
	return path;
}

/* Files have their name inside, with the device that it is on. */
static str file_text(nt *n, uint64_t file, arena *a)
{
	uint64_t device;
	nt_object o;
	str name = nt_file_name(n, file, a);
	if (nt_get(n, file, "_FILE_OBJECT", "DeviceObject", &device, NULL) == ERR_OK &&
		nt_object_get(n, device, &o, NULL) == ERR_OK && nt_object_name(n, &o, a).n)
		return str_printf(
			a, "%.*s {%.*s}", STR_ARG(name), STR_ARG(nt_object_name(n, &o, a)));
	return name;
}

typedef struct listing {
	cmd *c;
	nt *n;
	unsigned last; /* bucket */
	bool any;
} listing;

static bool show_member(void *u, unsigned bucket, uint64_t object)
{
	listing *l = u;
	engine *e = l->c->e;
	nt_object o;
	char head[8] = "";
	arena a;
	diag d = {0};
	if (!l->any || bucket != l->last)
		snprintf(head, sizeof head, "%02u", bucket);
	l->any = true;
	l->last = bucket;
	arena_init(&a);
	if (nt_object_get(l->n, object, &o, &d) == ERR_OK)
		out(e, "     %2s  %016llx %-13.*s %.*s\n", head, (unsigned long long)object,
			STR_ARG(nt_object_type_name(l->n, o.type, &a)),
			STR_ARG(nt_object_name(l->n, &o, &a)));
	else
		out(e, "     %2s  %016llx *** %s\n", head, (unsigned long long)object, d.text);
	arena_deinit(&a);
	return true;
}

static err show_directory(cmd *c, nt *n, uint64_t dir)
{
	listing l = {.c = c, .n = n};
	diag why = {0};
	out(c->e, "\n    Hash Address          Type          Name\n"
		  "    ---- -------          ----          ----\n");
	err e = nt_directory(n, dir, show_member, &l, &why);
	if (e == ERR_CANCELLED) {
		c->d = why;
		return e;
	}
	ntc_note(c, "    ", &why);
	return ERR_OK;
}

/* indent: of the counts and the name, which !handle has further in. */
static err show_object(cmd *c, nt *n, const nt_object *o, uint64_t flags, const char *indent)
{
	arena a;
	err e = ERR_OK;
	arena_init(&a);
	str type = nt_object_type_name(n, o->type, &a), name = nt_object_name(n, o, &a);
	bool file = str_eq(type, STR("File"));
	out(c->e, "Object: %016llx  Type: (%016llx) %.*s\n    ObjectHeader: %016llx (%s version)\n",
		(unsigned long long)o->addr, (unsigned long long)o->type, STR_ARG(type),
		(unsigned long long)o->header, o->by_index ? "new" : "old");
	if (flags & SHOW_NAMES) {
		out(c->e, "%sHandleCount: %lld  PointerCount: %lld\n", indent,
			(long long)o->handles, (long long)o->pointers);
		if (flags & SHOW_PATH && !file)
			name = full_path(n, o, &a);
		if (file)
			name = file_text(n, o->addr, &a);
		if (o->name_info || name.n)
			out(c->e, "%sDirectory Object: %016llx  Name: %.*s\n", indent,
				(unsigned long long)o->directory, STR_ARG(name));
	}
	if (flags & SHOW_NAMES && flags & SHOW_CONTENTS) {
		if (str_eq(type, STR("Directory")))
			e = show_directory(c, n, o->addr);
		else if (str_eq(type, STR("SymbolicLink")))
			out(c->e, "%sTarget String is '%.*s'\n", indent,
				STR_ARG(nt_link_target(n, o->addr, &a)));
	}
	if (flags & SHOW_PARTS && (o->name_info || o->creator_info)) {
		out(c->e, "Optional Headers:\n");
		if (o->creator_info)
			out(c->e, "    CreatorInfo(%016llx)\n",
				(unsigned long long)o->creator_info);
		if (o->name_info)
			out(c->e, "    NameInfo(%016llx)\n", (unsigned long long)o->name_info);
	}
	arena_deinit(&a);
	return e;
}

static err do_object(cmd *c, cmd_call *call)
{
	str rest = str_trim(call->args);
	uint64_t addr, flags = SHOW_DEFAULT;
	nt_object o;
	nt *n;
	TRY(ntc_get(c, &n));
	if (!rest.n)
		return cmd_fail(c, ERR_SYNTAX, "!object needs an address or a path");
	if (rest.p[0] == '\\') {
		/* A path may hold blanks: it is the rest of the line. */
		TRY(nt_object_find(n, rest, &addr, &c->d));
	} else {
		TRY(cmd_arg_expr(c, &rest, &addr));
		if (!addr && str_trim(rest).n)
			return cmd_fail(c, ERR_UNSUPPORTED,
				"all objects of a type are not kept in a list by the kernel; "
				"!handle 0 3 0 %.*s shows those that have handles",
				STR_ARG(str_trim(rest)));
		if (rest.n)
			TRY(cmd_arg_expr(c, &rest, &flags));
		TRY(cmd_arg_end(c, rest));
	}
	TRY(nt_object_get(n, addr, &o, &c->d));
	return show_object(c, n, &o, flags, "    ");
}

/* ---- !handle ---- */

typedef struct handles {
	cmd *c;
	nt *n;
	uint64_t flags;
	str type; /* empty: all */
	bool one; /* a single handle was asked for: it is shown if it is free, too */
	bool cid; /* entries hold objects, not headers */
	bool shown;
	err e;
} handles;

static bool show_handle(void *u, const nt_handle *h)
{
	handles *s = u;
	engine *e = s->c->e;
	diag d = {0};
	nt_object o;
	arena a;
	if (!h->object) {
		if (s->type.n || !(s->one || s->flags & H_FREE))
			return true;
		out(e, "%04llx: free handle, Entry address %016llx, Next Entry %016llx\n",
			(unsigned long long)h->value, (unsigned long long)h->entry,
			(unsigned long long)h->next_free);
		s->shown = true;
		return true;
	}
	err r = s->cid ? nt_object_get(s->n, h->object, &o, &d)
		       : nt_object_of_header(s->n, h->object, &o, &d);
	if (s->type.n) {
		arena_init(&a);
		bool same = r == ERR_OK && str_eq(nt_object_type_name(s->n, o.type, &a), s->type);
		arena_deinit(&a);
		if (!same)
			return true;
	}
	s->shown = true;
	out(e, "%04llx: Object: %016llx  GrantedAccess: %08x%s%s%s Entry: %016llx\n",
		(unsigned long long)h->value,
		(unsigned long long)(r == ERR_OK ? o.addr : h->object), h->access,
		h->attributes & NT_HANDLE_PROTECTED ? " (Protected)" : "",
		h->attributes & NT_HANDLE_INHERIT ? " (Inherit)" : "",
		h->attributes & NT_HANDLE_AUDIT ? " (Audit)" : "", (unsigned long long)h->entry);
	if (r != ERR_OK)
		ntc_note(s->c, "    ", &d);
	else if (s->flags & H_OBJECT) {
		s->e = show_object(s->c, s->n, &o, SHOW_NAMES, "        ");
		out(e, "\n");
	}
	return s->e == ERR_OK;
}

static err show_table(handles *s, uint64_t table, const char *what, uint64_t value)
{
	cmd *c = s->c;
	diag why = {0};
	uint64_t count;
	out(c->e, "%sandle table at %016llx", what, (unsigned long long)table);
	if (nt_handle_count(s->n, table, &count, NULL) == ERR_OK)
		out(c->e, " with %llu entries in use", (unsigned long long)count);
	out(c->e, "\n\n");
	s->shown = false;
	err e = nt_handles(
		s->n, table, s->one ? value : 0, s->one ? value : UINT64_MAX, show_handle, s, &why);
	if (s->e != ERR_OK)
		return s->e;
	if (e == ERR_CANCELLED || e == ERR_NOTFOUND) {
		c->d = why;
		return e;
	}
	ntc_note(c, "", &why);
	if (s->shown && !(s->flags & H_OBJECT))
		out(c->e, "\n");
	if (e == ERR_OK && s->one && !s->shown && !s->type.n)
		return cmd_fail(
			c, ERR_NOTFOUND, "the table has no handle %llx", (unsigned long long)value);
	return ERR_OK;
}

static err global_table(cmd *c, nt *n, const char *name, uint64_t *ret)
{
	TRY(nt_global_value(n, name, 8, ret, &c->d));
	return *ret ? ERR_OK : cmd_fail(c, ERR_STATE, "nt!%s is not there yet", name);
}

static err of_process(handles *s, const os_process *p, uint64_t value)
{
	TRY(ntc_show_process(s->c, p, 0));
	if (!p->object_table) {
		out(s->c->e, "The process has no handles.\n\n");
		return ERR_OK;
	}
	return show_table(s, p->object_table, "H", value);
}

static err of_all(handles *s, uint64_t value)
{
	cmd *c = s->c;
	os *o = c->e->os;
	ntc_addrs v = {0};
	diag why;
	err e = ntc_processes(c, &v, &why);
	for (size_t i = 0; i < v.n && e == ERR_OK; i++) {
		os_process p;
		if (o->ops->process(o, v.p[i], &p, NULL) != ERR_OK)
			continue;
		e = of_process(s, &p, value);
		/* That one process has no such handle is no end of the list. */
		if (e == ERR_NOTFOUND) {
			ntc_note(c, "", &c->d);
			diag_clear(&c->d);
			e = ERR_OK;
		}
	}
	vec_deinit(&v);
	if (e == ERR_OK)
		ntc_note(c, "", &why);
	return e;
}

err ntc_handle(cmd *c, cmd_call *call)
{
	enum { KERNEL_HANDLE = 31 };
	str rest = call->args;
	uint64_t value = (uint64_t)ALL, process = (uint64_t)ALL, table;
	handles s = {.c = c, .flags = H_DEFAULT};
	os_process p;
	TRY(ntc_get(c, &s.n));
	if (rest.n)
		TRY(cmd_arg_expr(c, &rest, &value));
	if (rest.n)
		TRY(cmd_arg_expr(c, &rest, &s.flags));
	if (rest.n)
		TRY(cmd_arg_expr(c, &rest, &process));
	s.type = str_trim(rest);
	s.one = value && value != (uint64_t)ALL;
	/* The kernel's own handles have the high bits set: 0xffffffff80000004. */
	if (s.one && value >> KERNEL_HANDLE) {
		s.flags |= H_KERNEL;
		value &= (1ULL << KERNEL_HANDLE) - 1;
	}
	if (s.flags & H_CID) {
		s.cid = true;
		TRY(global_table(c, s.n, "PspCidTable", &table));
		return show_table(&s, table, "CID h", value);
	}
	if (s.flags & H_KERNEL) {
		TRY(global_table(c, s.n, "ObpKernelHandleTable", &table));
		return show_table(&s, table, "Kernel h", value);
	}
	if (!process)
		return of_all(&s, value);
	if (process == (uint64_t)ALL)
		TRY(ntc_implicit_process(c, &p));
	else
		TRY(ntc_process_of(c, process, &p));
	return of_process(&s, &p, value);
}

#define TARGET (CMD_KERNEL | CMD_TARGET)

static const cmd_row rows[] = {
	{"!object", "!object Address [Flags]\n!object Path", "Show an object of the object manager",
		"Address is that of the object itself. Path begins with a backslash and is looked "
		"for in the directories of the object manager; links are not followed.\n\n"
		"Flags, in any combination:\n"
		"  0   type and header only\n"
		"  1   counts and the name\n"
		"  8   what a directory holds, where a symbolic link leads (needs 1)\n"
		"  10  where the optional parts of the header are\n"
		"  20  the whole path instead of the name (needs 1)\n"
		"The default is 9.\n\n"
		"  !object \\Device\n"
		"  !object \\??\\C:",
		TARGET | CMD_REST, do_object},
};

const cmd_family cmd_family_nt_object = {"Objects (NT)", rows, ARRAY_LEN(rows)};
