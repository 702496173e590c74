/*
 * bp: breakpoints in three levels.
 *
 *   bp (what the user asked for: expression, options, command)
 *     -> bp_loc (each resolved address)
 *          -> site (space + address, shared by several breakpoints: IDLE, ARMED, ERROR)
 *
 * Sites are written only when the target resumes and taken out when a stop is shown; a hit that is
 * passed over leaves them in. Ids are the user's numbers.
 */
#ifndef RS_ENGINE_BP_H
#define RS_ENGINE_BP_H

#include "engine/engine.h"

enum { BP_ID_ANY = 0xffffffffu, BP_MAX = 4096 };

typedef enum bp_kind { BP_BP, BP_BU, BP_BA } bp_kind; /* bm makes BU (or BP with /d) */

typedef enum site_state { SITE_IDLE, SITE_ARMED, SITE_ERROR } site_state;

typedef struct site {
	tgt_trap_kind kind;
	as_t as; /* AS_CURRENT, or AS_ROOT for a byte planted in one process */
	uint64_t addr;
	uint32_t size;
	unsigned refs;
	site_state state;
	uint64_t handle;
	bool own;      /* armed as a byte of ours in a physical page, not in the target's table */
	uint64_t phys; /* own: where the byte went */
	bool absent;   /* AS_ROOT: page not resident, waits */
	bool shared;   /* AS_ROOT: hits in other processes were seen */
	bool want;     /* to be armed at the next resume */
	uint8_t original;
	char why[160]; /* SITE_ERROR */
} site;

typedef struct bp_loc {
	uint64_t addr;
	site *site; /* NULL while disabled or unresolved */
} bp_loc;

typedef struct bp {
	uint32_t id;
	bp_kind kind;
	bool enabled;
	bool one_shot;	 /* /1 */
	bool deferred;	 /* expression does not resolve now */
	bool internal;	 /* g addr: not shown by bl */
	bool go_only;	 /* DEBUG_BREAKPOINT_GO_ONLY */
	bool adder_only; /* private to a client */
	bool direct;	 /* /p on a user address: planted through that process's page tables */
	void *adder;
	str expr; /* as typed ("nt!NtOpenFile"); BP: may be empty */
	bp_loc loc;
	uint64_t process;	       /* /p EPROCESS, 0 any */
	uint64_t owner;		       /* user mode: the process it is set in, 0 none yet */
	uint64_t thread;	       /* /t ETHREAD, 0 any */
	uint32_t depth_max, depth_min; /* /c, /C; 0 none */
	bool has_max, has_min;
	uint32_t passes, left;
	str command;	      /* empty: none */
	tgt_trap_kind access; /* BA */
	uint32_t size;	      /* BA */
	masm_code *cond;      /* compiled from command, NULL: ordinary list */
	str then;
	uint64_t hits; /* times triggered */
	arena mem;     /* owns strings and cond */
} bp;

/* What a new or redefined breakpoint is made of. Strings are copied. */
typedef struct bp_spec {
	uint32_t id; /* BP_ID_ANY: first free */
	bp_kind kind;
	str expr;
	bool has_addr;
	uint64_t addr;
	bool one_shot, deferred, internal, direct, disabled, force;
	bool fresh; /* always a new one (API): never redefines what is there */
	bool go_only, adder_only;
	void *adder;
	uint64_t process, thread;
	bool has_max, has_min;
	uint32_t depth_max, depth_min;
	uint32_t passes; /* 0: 1 */
	str command;
	tgt_trap_kind access;
	uint32_t size;
} bp_spec;

/* ERR_LIMIT: the 33rd software breakpoint in kernel mode; ERR_EXISTS: id taken (API);
 * *redefined_ret true if an existing one at this place was changed instead. */
err bp_add(engine *e, const bp_spec *s, bp **ret, bool *redefined_ret, diag *d) MUST_CHECK;
void bp_remove(engine *e, bp *b);
err bp_enable(engine *e, bp *b, bool on, diag *d) MUST_CHECK;
err bp_renumber(engine *e, bp *b, uint32_t id, diag *d) MUST_CHECK; /* ERR_EXISTS */
void bp_command_set(engine *e, bp *b, str command);
/* Moves it (API's SetOffset, SetOffsetExpression). An expression that does not evaluate defers it.
 */
err bp_move(engine *e, bp *b, uint64_t addr, diag *d) MUST_CHECK;
err bp_move_expr(engine *e, bp *b, str expr, diag *d) MUST_CHECK;
err bp_access_set(engine *e, bp *b, tgt_trap_kind access, uint32_t size, diag *d) MUST_CHECK;
bp *bp_find(engine *e, uint32_t id); /* NULL if none */
bp *bp_nth(engine *e, size_t i);     /* by id; internal ones left out */
size_t bp_count(engine *e);
/* Checks that addr starts an instruction; ERR_ARG names the one that it is inside of. */
err bp_check_boundary(engine *e, uint64_t addr, diag *d) MUST_CHECK;
/* Re-evaluates expressions: module loaded or unloaded, .reload. */
void bp_resolve_all(engine *e);
/* A module went: bp inside it are removed, bu become unresolved. */
void bp_module_gone(engine *e, uint64_t base, uint64_t size);
/* Target rebooted: bp and ba are forgotten, bu stay unresolved. */
void bp_target_gone(engine *e);

/* One line of bl and of .bpcmds (without newline). */
void bp_line(engine *e, const bp *b, bool addresses, buf *out);
void bp_cmd_line(engine *e, const bp *b, buf *out);

#endif
