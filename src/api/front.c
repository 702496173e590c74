/*
 * front: what only front ends want - completion, help rows, key actions, workspace.
 */
#include "api/internal.h"
#include "cmd/lang.h"

#include <stdlib.h>

int rs_quit_requested(rs_session *s)
{
	return s && s->c->quit;
}

int rs_program_on_terminal(rs_session *s)
{
	return s && s->e->t && s->e->mode == ENG_USER && s->e->launch;
}

rs_result rs_get_repeat_line(
	rs_session *s, const char *command, char *buffer, uint32_t size, uint32_t *needed)
{
	API_ENTER(s);
	if (!command)
		return RS_E_INVALIDARG;
	return api_copy(cmd_repeat_line(s->c, str_of(command)), buffer, size, needed);
}

int rs_get_command_info(size_t index, rs_command_info *ret)
{
	for (const cmd_family *const *f = cmd_families; *f; f++) {
		if (index < (*f)->n) {
			const cmd_row *r = &(*f)->rows[index];
			*ret = (rs_command_info){(*f)->title, r->name, r->usage, r->summary,
				r->help, (r->flags & CMD_LATER) != 0, (r->flags & CMD_KERNEL) != 0,
				(r->flags & CMD_USER) != 0};
			return 1;
		}
		index -= (*f)->n;
	}
	return 0;
}

/* ---- completion ---- */

typedef VEC(char *) list;

static bool word_char(char c)
{
	return c && !strchr(" \t;\"'(),+-*/=<>[]{}&|`", c);
}

static void add(list *l, const char *text, size_t max)
{
	if (l->n >= max)
		return;
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->p[i], text))
			return;
	vec_push(l, mem_strdup(text));
}

static void complete_commands(list *l, str word, size_t max)
{
	rs_command_info info;
	for (size_t i = 0; rs_get_command_info(i, &info); i++)
		if (str_istarts(str_of(info.name), word))
			add(l, info.name, max);
}

static void complete_symbols(rs_session *s, list *l, str word, size_t max)
{
	arena a;
	str *names;
	size_t n;
	arena_init(&a);
	if (str_has_wild(word)) {
		sym_list found = {0};
		if (sym_match(s->e->syms, word, SYM_M_SORT_NAME, &found, NULL) == ERR_OK)
			for (size_t i = 0; i < found.n && l->n < max; i++)
				add(l,
					arena_printf(&a, "%.*s!%.*s", STR_ARG(found.p[i].mod->name),
						STR_ARG(found.p[i].name)),
					max);
		sym_list_deinit(&found);
	} else if (sym_complete(s->e->syms, &a, word, max, &names, &n) == ERR_OK) {
		for (size_t i = 0; i < n; i++)
			add(l, str_z(&a, names[i]), max);
	}
	arena_deinit(&a);
}

static int order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

size_t rs_complete(
	rs_session *s, const char *line, size_t at, size_t max, char ***ret, size_t *start)
{
	list l = {0};
	if (api_enter(s) < 0 || !line || !ret || !start)
		return 0;
	size_t begin = at;
	while (begin > 0 && word_char(line[begin - 1]))
		begin--;
	str word = {line + begin, at - begin};
	size_t before = begin;
	while (before > 0 && (line[before - 1] == ' ' || line[before - 1] == '\t'))
		before--;
	bool first = !before || line[before - 1] == ';' || line[before - 1] == '{';
	if (first && word.n)
		complete_commands(&l, word, max);
	if (!first && word.n && word.p[0] != '.')
		complete_symbols(s, &l, word, max);
	if (l.n)
		qsort(l.p, l.n, sizeof *l.p, order);
	*ret = l.p;
	*start = begin;
	return l.n;
}

void rs_free_completions(char **p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		mem_free(p[i]);
	mem_free(p);
}

rs_result rs_set_command_line(rs_session *s, int argc, const char *const *argv)
{
	API_ENTER(s);
	buf b;
	buf_init(&b, 64 * 1024);
	for (int i = 0; i < argc; i++)
		buf_addf(&b, strpbrk(argv[i], " \t") ? "%s\"%s\"" : "%s%s", i ? " " : "", argv[i]);
	cmd_set_command_line(s->c, buf_str(&b));
	buf_deinit(&b);
	return RS_S_OK;
}

/* ---- keys ---- */

rs_result rs_toggle_packet_trace(rs_session *s, int *on_ret)
{
	if (!s || !s->e->t)
		return RS_E_UNEXPECTED;
	s->traced = !s->traced;
	if (on_ret)
		*on_ret = s->traced;
	return api_result(tgt_ctl(s->e->t, TGT_CTL_TRACE, s->traced, NULL));
}

rs_result rs_cycle_reboot_break(rs_session *s, const char **state_ret)
{
	static const char *const words[] = {
		"Will NOT breakin on next boot.",
		"Will breakin on next boot.",
		"Will breakin at first module load on next boot.",
	};
	if (!s)
		return RS_E_INVALIDARG;
	s->reboot_break = (s->reboot_break + 1) % ARRAY_LEN(words);
	s->e->break_on_reboot = s->reboot_break == 1;
	s->e->break_on_load = s->reboot_break == 2;
	if (state_ret)
		*state_ret = words[s->reboot_break];
	return RS_S_OK;
}

rs_result rs_toggle_verbose(rs_session *s, int *on_ret)
{
	if (!s)
		return RS_E_INVALIDARG;
	s->e->verbose = !s->e->verbose;
	if (on_ret)
		*on_ret = s->e->verbose;
	return RS_S_OK;
}

rs_result rs_save_workspace(rs_session *s, const char *file)
{
	API_ENTER(s);
	return file ? api_result(workspace_save(s->e, file, &s->d)) : RS_E_INVALIDARG;
}

rs_result rs_load_workspace(rs_session *s, const char *file)
{
	API_ENTER(s);
	if (!file)
		return RS_E_INVALIDARG;
	mem_free(s->e->workspace);
	s->e->workspace = mem_strdup(file);
	if (!sys_is_file(file))
		return RS_S_FALSE; /* a new one: saved at the end */
	return api_result(workspace_load(s->e, file, &s->d));
}
