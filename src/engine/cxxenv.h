/*
 * cxxenv: what C++ expressions see of a session: types and symbols from sym, locals of the current
 * frame, registers, memory, pseudo-registers with the type that r? gave them.
 */
#ifndef RS_ENGINE_CXXENV_H
#define RS_ENGINE_CXXENV_H

#include "engine/engine.h"
#include "eval/cxx.h"

/* The environment of the current context. */
void eng_cxx_env(engine *e, cxx_env *ret);
/* The symbols' own type behind t, if it is one of theirs (a structure, an enumeration ...), or made
 * of one with pointers; file NULL otherwise. */
sym_type eng_cxx_sym_type(engine *e, const cxx_type *t);
/*
 * What a function of this type left in r when it returned. room: address where a result that fills
 * more than one register may be written to, or 0: it is then only bytes. ERR_NOTFOUND without
 * words: it returns nothing.
 */
err eng_func_result(engine *e, arena *a, sym_type func, const x64_regs *r, uint64_t room,
	cxx_value *ret, diag *d) MUST_CHECK;
/* r? $tN: the value with its type. Structures in memory are kept as what lies at their address. */
err eng_temp_set_typed(engine *e, str name, const cxx_value *v, diag *d) MUST_CHECK;

/* ---- for the other files of this room ---- */

struct cxx_state;
void cxx_state_destroy(engine *e);
/* $tN is an integer again. */
void cxx_temp_plain(engine *e, size_t n);
/* Hooks of masm_env: @@c++( ) compiled once and kept as long as it means the same. */
err cxx_for_masm(void *u, str expr, uint64_t *ret, diag *d);
err cxx_prefix_for_masm(void *u, str text, size_t *used, diag *d);

#endif
