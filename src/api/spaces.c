/*
 * spaces: memory, registers, symbols, contexts: IDebugDataSpaces, IDebugRegisters, IDebugSymbols,
 * IDebugSystemObjects.
 */
#include "api/internal.h"

/* ---- memory ---- */

rs_result rs_read_virtual(
	rs_session *s, uint64_t offset, void *buffer, uint32_t size, uint32_t *done)
{
	API_ENTER(s);
	size_t n = 0;
	if (!buffer && size)
		return RS_E_INVALIDARG;
	err e = eng_read(s->e, offset, buffer, size, &n, &s->d);
	if (done)
		*done = e == ERR_OK ? (uint32_t)n : 0;
	return api_result(e);
}

rs_result rs_write_virtual(
	rs_session *s, uint64_t offset, const void *buffer, uint32_t size, uint32_t *done)
{
	API_ENTER(s);
	if (!buffer && size)
		return RS_E_INVALIDARG;
	err e = eng_write(s->e, offset, buffer, size, &s->d);
	if (done)
		*done = e == ERR_OK ? size : 0;
	return api_result(e);
}

rs_result rs_read_physical(
	rs_session *s, uint64_t offset, void *buffer, uint32_t size, uint32_t *done)
{
	API_ENTER(s);
	size_t n = 0;
	if (!buffer && size)
		return RS_E_INVALIDARG;
	err e = eng_read_phys(s->e, offset, 0, buffer, size, &n, &s->d);
	if (done)
		*done = e == ERR_OK ? (uint32_t)n : 0;
	return api_result(e);
}

rs_result rs_write_physical(
	rs_session *s, uint64_t offset, const void *buffer, uint32_t size, uint32_t *done)
{
	API_ENTER(s);
	if (!buffer && size)
		return RS_E_INVALIDARG;
	err e = eng_write_phys(s->e, offset, 0, buffer, size, &s->d);
	if (done)
		*done = e == ERR_OK ? size : 0;
	return api_result(e);
}

/* ---- registers ---- */

rs_result rs_get_number_registers(rs_session *s, uint32_t *number)
{
	API_ENTER(s);
	if (!number)
		return RS_E_INVALIDARG;
	uint32_t n = 0;
	while (x64_reg_at(n))
		n++;
	*number = n;
	return RS_S_OK;
}

rs_result rs_get_register_name(
	rs_session *s, uint32_t index, char *buffer, uint32_t size, uint32_t *needed)
{
	API_ENTER(s);
	const x64_reg *reg = x64_reg_at(index);
	return reg ? api_copy(str_of(reg->name), buffer, size, needed) : RS_E_INVALIDARG;
}

rs_result rs_get_index_by_name(rs_session *s, const char *name, uint32_t *index)
{
	API_ENTER(s);
	if (!name || !index)
		return RS_E_INVALIDARG;
	const x64_reg *reg;
	for (uint32_t i = 0; (reg = x64_reg_at(i)); i++)
		if (str_ieq(str_of(reg->name), str_of(name))) {
			*index = i;
			return RS_S_OK;
		}
	return RS_E_NOINTERFACE;
}

rs_result rs_get_value(rs_session *s, uint32_t index, uint64_t *value)
{
	API_ENTER(s);
	const x64_reg *reg = x64_reg_at(index);
	if (!value || !reg)
		return RS_E_INVALIDARG;
	return api_result(eng_reg_get(s->e, str_of(reg->name), value, &s->d));
}

rs_result rs_set_value(rs_session *s, uint32_t index, uint64_t value)
{
	API_ENTER(s);
	const x64_reg *reg = x64_reg_at(index);
	if (!reg)
		return RS_E_INVALIDARG;
	return api_result(eng_reg_set(s->e, str_of(reg->name), value, &s->d));
}

rs_result rs_get_instruction_offset(rs_session *s, uint64_t *offset)
{
	API_ENTER(s);
	return offset ? api_result(eng_ip(s->e, offset, &s->d)) : RS_E_INVALIDARG;
}

rs_result rs_get_stack_offset(rs_session *s, uint64_t *offset)
{
	API_ENTER(s);
	return offset ? api_result(eng_reg_get(s->e, STR("rsp"), offset, &s->d)) : RS_E_INVALIDARG;
}

/* ---- symbols ---- */

rs_result rs_get_offset_by_name(rs_session *s, const char *symbol, uint64_t *offset)
{
	API_ENTER(s);
	sym found;
	if (!symbol || !offset)
		return RS_E_INVALIDARG;
	err e = sym_find(s->e->syms, str_of(symbol), &found, &s->d);
	if (e == ERR_AMBIGUOUS) {
		*offset = found.addr;
		return RS_S_FALSE;
	}
	if (e == ERR_OK)
		*offset = found.addr;
	return api_result(e);
}

rs_result rs_get_name_by_offset(rs_session *s, uint64_t offset, char *buffer, uint32_t size,
	uint32_t *needed, uint64_t *displacement)
{
	API_ENTER(s);
	sym found;
	uint64_t disp;
	if (sym_at(s->e->syms, offset, &found, &disp) != ERR_OK) {
		/* Without symbols a module's name is the nearest thing known. */
		sym_mod *m = sym_mod_at(s->e->syms, offset);
		if (!m)
			return RS_E_FAIL;
		if (displacement)
			*displacement = offset - m->base;
		return api_copy(m->name, buffer, size, needed);
	}
	if (displacement)
		*displacement = disp;
	arena a;
	arena_init(&a);
	rs_result r =
		api_copy(str_printf(&a, "%.*s!%.*s", STR_ARG(found.mod->name), STR_ARG(found.name)),
			buffer, size, needed);
	arena_deinit(&a);
	return r;
}

rs_result rs_get_symbol_path(rs_session *s, char *buffer, uint32_t size, uint32_t *needed)
{
	API_ENTER(s);
	return api_copy(sym_path(s->e->syms), buffer, size, needed);
}

rs_result rs_set_symbol_path(rs_session *s, const char *path)
{
	API_ENTER(s);
	sym_path_set(s->e->syms, str_of(path ? path : ""));
	return RS_S_OK;
}

rs_result rs_reload(rs_session *s, const char *module)
{
	API_ENTER(s);
	arena a;
	arena_init(&a);
	err e = cmd_execute(s->c, str_printf(&a, ".reload %s", module ? module : ""));
	arena_deinit(&a);
	if (e != ERR_OK)
		s->d = s->c->d;
	return api_result(e);
}

rs_result rs_get_field_offset(rs_session *s, const char *type, const char *field, uint32_t *offset)
{
	API_ENTER(s);
	sym_type t;
	sym_field f;
	if (!type || !field || !offset)
		return RS_E_INVALIDARG;
	err e = sym_type_find(s->e->syms, str_of(type), &t, &s->d);
	if (e == ERR_OK)
		e = sym_type_field(t, str_of(field), &f, &s->d);
	if (e == ERR_OK)
		*offset = (uint32_t)f.offset;
	return api_result(e);
}

/* ---- contexts ---- */

rs_result rs_get_implicit_process_data_offset(rs_session *s, uint64_t *offset)
{
	API_ENTER(s);
	return offset ? api_result(eng_process(s->e, offset, &s->d)) : RS_E_INVALIDARG;
}

rs_result rs_set_implicit_process_data_offset(rs_session *s, uint64_t offset)
{
	API_ENTER(s);
	return api_result(eng_ctx_process(s->e, offset, offset != 0, &s->d));
}

rs_result rs_get_implicit_thread_data_offset(rs_session *s, uint64_t *offset)
{
	API_ENTER(s);
	return offset ? api_result(eng_thread(s->e, offset, &s->d)) : RS_E_INVALIDARG;
}

rs_result rs_set_implicit_thread_data_offset(rs_session *s, uint64_t offset)
{
	API_ENTER(s);
	return api_result(eng_ctx_thread(s->e, offset, false, &s->d));
}
