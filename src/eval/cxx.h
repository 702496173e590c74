/*
 * cxx: the C++ expression evaluator of the debugger language (documentation: "C++ Numbers and
 * Operators"). Text is parsed once into a tree whose every node has its type; running the tree
 * reads registers and memory, allocates nothing and looks no name up. Knows nothing of targets and
 * symbol files: everything comes from the environment table, where a type is an opaque handle.
 *
 *   cxx/lex.c    tokens, names, literals          cxx/build.c  typed nodes, conversions, operators
 *   cxx/parse.c  grammar, names, macros           cxx/run.c    values and places
 *   cxx/type.c   types: C's own, the environment's, and what is made of them; type names
 */
#ifndef RS_EVAL_CXX_H
#define RS_EVAL_CXX_H

#include "base/str.h"

/* A type as the environment knows it; p NULL: none. */
typedef struct cxx_handle {
	const void *p;
	uint64_t id;
} cxx_handle;

/* Arithmetic kinds stand in the order of their rank, a signed one before its unsigned one. */
typedef enum cxx_kind {
	CXX_NONE, /* a symbol without type: only its address can be used */
	CXX_VOID,
	CXX_BOOL,
	CXX_CHAR,
	CXX_UCHAR,
	CXX_WCHAR,
	CXX_CHAR16,
	CXX_CHAR32,
	CXX_SHORT,
	CXX_USHORT,
	CXX_INT,
	CXX_UINT,
	CXX_LONG,
	CXX_ULONG,
	CXX_INT64,
	CXX_UINT64,
	CXX_INT128,
	CXX_UINT128,
	CXX_FLOAT,
	CXX_DOUBLE,
	CXX_LDOUBLE, /* x87 extended in 10, 12 or 16 bytes */
	CXX_ENUM,
	CXX_PTR,
	CXX_REF,
	CXX_ARRAY,
	CXX_STRUCT,
	CXX_FUNC,
	CXX_MEMBER /* pointer to a member: an offset, or what stands for a function; name: of the
		      class */
} cxx_kind;

/* What the environment tells of one of its types. Arithmetic kinds need only kind and size. */
typedef struct cxx_desc {
	cxx_kind kind;
	bool is_unsigned; /* enum: of its underlying type */
	uint64_t size;	  /* bytes */
	uint64_t count;	  /* array */
	cxx_handle elem;  /* pointee, element, result of a function */
	const char *word; /* "struct", "class", "union", "enum"; NULL otherwise */
	str name;	  /* tag */
	bool forward;	  /* declared, not defined */
} cxx_desc;

/* The way to a virtual base: at `at` of the object stands a table's address, in which the distance
 * from there to the base stands at `slot`. */
typedef struct cxx_hop {
	uint64_t at;
	int64_t slot;
} cxx_hop;
enum { CXX_HOPS_MAX = 4 };
/* The hops one after the other, then the offset. */
typedef struct cxx_path {
	uint64_t offset;
	cxx_hop hop[CXX_HOPS_MAX];
	unsigned n_hops;
} cxx_path;

typedef struct cxx_field {
	cxx_handle type;
	cxx_path path;
	uint8_t bit_pos, bit_len; /* bit_len 0: no bit field */
	bool is_static, is_const; /* const: addr is its value */
	uint64_t addr;		  /* static: where it is, 0 unknown */
} cxx_field;

typedef enum cxx_where {
	CXX_AT_NONE, /* it exists and is nowhere now (optimised away) */
	CXX_AT_MEM,
	CXX_AT_REG,
	CXX_AT_REGREL, /* at register + off */
	CXX_AT_CONST,
	CXX_AT_CODE,
	CXX_AT_EXPR /* a local whose place has to be worked out each time: `place` */
} cxx_where;

enum { CXX_RAW_MAX = 256 }; /* bytes of a value that lies in no memory */

/* A register or pseudo-register: `bound` is the environment's own, so that running the tree
 * compares no names. */
typedef struct cxx_reg {
	str name; /* as written; the parser sets it where `reg` was asked */
	const void *bound;
	cxx_kind
		kind; /* CXX_UINT64, CXX_UINT, CXX_UINT128, CXX_LDOUBLE; CXX_PTR: unsigned char * */
	cxx_handle type; /* wins over kind */
	bool lvalue; /* it holds the address of a thing of that type (typed $tN of a structure) */
} cxx_reg;

typedef struct cxx_symbol {
	cxx_where where;
	bool local;
	bool folded;   /* only the same name in another case */
	uint64_t addr; /* CONST: the value */
	int64_t off;
	cxx_reg reg;
	cxx_handle type;
} cxx_symbol;

/* Where a local is at this moment: memory, a register, or its bytes alone. */
typedef struct cxx_place {
	cxx_where where; /* CXX_AT_MEM, CXX_AT_REG, CXX_AT_CONST: bytes */
	uint64_t addr;
	cxx_reg reg;
	uint8_t bytes[CXX_RAW_MAX];
	bool lost[CXX_RAW_MAX]; /* those of them that nobody knows */
	size_t n;
} cxx_place;

typedef struct cxx_env {
	void *u;
	unsigned ptr_size;  /* 4 or 8 */
	unsigned long_size; /* 4 (Windows) or 8 */
	/* Locals in scope first (`local`: only those), then globals, functions, enumerators. The
	 * name may have a module and scopes; with :: in front it is no local. ERR_NOTFOUND lets the
	 * parser try other readings. */
	err (*symbol)(void *u, str name, bool local, cxx_symbol *ret, diag *d);
	/* Of a symbol at CXX_AT_EXPR, by its name; may be NULL. ERR_NOTFOUND: nowhere now. */
	err (*place)(void *u, str name, cxx_place *ret, diag *d);
	/* "_EPROCESS", "nt!_EPROCESS", "ULONG64", "A::B<int>": no words like struct, no stars. */
	err (*type)(void *u, str name, cxx_handle *ret);
	err (*describe)(void *u, cxx_handle t, cxx_desc *ret);
	/* One member by name, also through bases and unnamed members. */
	err (*field)(void *u, cxx_handle t, str name, cxx_field *ret);
	/* Where a base class lies in a class; may be NULL. ERR_NOTFOUND: it is none. */
	err (*base)(void *u, cxx_handle derived, cxx_handle base, cxx_path *ret);
	/* The object of a class that has the one at addr as its virtual base: only the memory of
	 * the whole object knows. May be NULL. */
	err (*derived)(void *u, cxx_handle base, cxx_handle derived, uint64_t addr, uint64_t *ret,
		diag *d);
	/* An enumerator of the enumeration t; may be NULL. */
	err (*enumerator)(void *u, cxx_handle t, str name, uint64_t *ret);
	/* Appends a function's parameters, "(int, char *)"; may be NULL. */
	void (*params)(void *u, cxx_handle t, buf *out);
	/* Without @: "rax", "$t0", "$proc". False if there is none of that name. */
	bool (*reg)(void *u, str name, cxx_reg *ret);
	/* Little-endian, zeros behind it. */
	err (*reg_get)(void *u, const cxx_reg *r, uint8_t raw[16], diag *d);
	err (*reg_set)(void *u, const cxx_reg *r, const uint8_t raw[16], diag *d);
	err (*read)(void *u, uint64_t addr, void *p, size_t n, diag *d);
	err (*write)(void *u, uint64_t addr, const void *p, size_t n, diag *d);
	err (*masm)(void *u, str text, uint64_t *ret, diag *d); /* @@masm( ) */
} cxx_env;

/* A type of an expression. Two basic types are the same if their kinds are. */
typedef struct cxx_type cxx_type;
struct cxx_type {
	cxx_kind kind;
	bool is_unsigned, forward;
	uint64_t size, count;
	cxx_handle h;	      /* p NULL: made here */
	const cxx_type *elem; /* NULL: not asked for yet, see cxx_type_elem */
	cxx_handle elem_h;
	const char *word;
	str name;
};

/* Structures and arrays in memory are not read: they are their address. */
typedef struct cxx_value {
	const cxx_type *type;
	bool lvalue, in_memory; /* has a place; and that is memory at addr */
	uint64_t addr;
	uint8_t bit_pos, bit_len; /* of a bit field; its value stands in raw */
	bool has_raw;
	uint8_t raw[CXX_RAW_MAX]; /* little-endian, as many bytes as the type has */
	bool lost[CXX_RAW_MAX];	  /* those of a structure or array that nobody knows */
	str text;		  /* a string literal, without its NUL */
} cxx_value;

typedef struct cxx_code cxx_code; /* lives in the arena it was compiled into */

/*
 * Parses the longest expression at the start of text and stops, without error, before what cannot
 * go on with it; a comma ends it too. *used is its length. Without `used` all of text must be one
 * expression, with commas if it has some. Errors carry a range (diag.src_begin/end).
 */
err cxx_compile(
	const cxx_env *env, arena *a, str text, size_t *used, cxx_code **ret, diag *d) MUST_CHECK;
err cxx_run(const cxx_code *c, const cxx_env *env, cxx_value *ret, diag *d) MUST_CHECK;
/* How long the expression at the start of text is, taking every name for known. 0: none. */
size_t cxx_extent(str text);
/* The same for an expression that is to have a scalar type of the environment: it is converted. */
err cxx_compile_as(const cxx_env *env, arena *a, str text, cxx_handle to, size_t *used,
	cxx_code **ret, diag *d) MUST_CHECK;
const cxx_type *cxx_code_type(const cxx_code *c);
/* Does its meaning depend on the scope (it names things without module) or on typed $tN? */
bool cxx_code_scoped(const cxx_code *c);

/* As the argument of a command: integers and pointers sign-extended, arrays and functions their
 * address, floating numbers cut. ERR_SYNTAX for anything else. */
err cxx_value_int(const cxx_value *v, uint64_t *ret, diag *d) MUST_CHECK;
/* Scalar as signed or unsigned 64 bits (the low ones), as number. */
int64_t cxx_value_signed(const cxx_value *v);
uint64_t cxx_value_unsigned(const cxx_value *v);
long double cxx_value_real(const cxx_value *v);

/* "struct _EPROCESS *", "unsigned int64", "char [4]". */
void cxx_type_text(const cxx_env *env, arena *a, const cxx_type *t, buf *out);
/* What a pointer, reference, array or function leads to; NULL if that cannot be told. */
const cxx_type *cxx_type_elem(const cxx_env *env, arena *a, const cxx_type *t);
/* A type of the environment. */
err cxx_type_of(const cxx_env *env, arena *a, cxx_handle h, const cxx_type **ret) MUST_CHECK;

#endif
