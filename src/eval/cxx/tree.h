/*
 * tree: what the files of the C++ evaluator share. Private to src/eval/cxx.
 *
 * Invariants: every node has a type; operands have been converted to what their operator works on;
 * a node's `depth` is the height of its tree and at most CXX_DEPTH_MAX, so running it may recurse;
 * names and ranges lie in the arena of the code.
 */
#ifndef RS_EVAL_CXX_TREE_H
#define RS_EVAL_CXX_TREE_H

#include "eval/cxx.h"

#include "base/reader.h"

enum {
	CXX_TEXT_MAX = 65536,
	CXX_NODES_MAX = 4096,
	CXX_DEPTH_MAX = 256, /* height of a tree */
	CXX_NEST_MAX =
		96, /* parentheses, casts, unary operators and subscripts inside each other */
	CXX_COPY_MAX = 1 << 20 /* bytes of a structure that is assigned */
};

typedef unsigned __int128 cxx_u128;
typedef __int128 cxx_i128;

/* Integers and pointers are kept extended to 128 bits the way their type says. */
typedef struct num {
	cxx_u128 i;
	long double f;
} num;

typedef enum node_kind {
	N_CONST,
	N_STRING,
	N_MEM,	   /* lvalue at value */
	N_NOWHERE, /* lvalue that has no place now */
	N_REGVAR,  /* lvalue that is a register */
	N_REGREL,  /* lvalue at reg + value */
	N_LOCAL,   /* lvalue: wherever the environment says each time */
	N_REG,	   /* @rax */
	N_MASM,
	N_DEREF,   /* lvalue at a */
	N_FIELD,   /* lvalue in a, value bytes behind its start */
	N_VBASE,   /* lvalue in a, or pointer a unless NULL: a virtual base, by hop */
	N_DERIVED, /* lvalue, or pointer unless NULL, of the class that has a as its virtual base */
	N_MEMBER,  /* a.*b */
	N_ADDR,	   /* &a */
	N_CONVERT, /* a */
	N_ADJUST,  /* pointer a to another class of its object: value behind it, unless NULL */
	N_NEG,
	N_NOT,
	N_COMPL,
	N_BINARY, /* a op b, both of one type */
	N_SHIFT,
	N_PTRADD,  /* a + b * value; op '-' subtracts */
	N_PTRDIFF, /* (a - b) / value */
	N_AND,
	N_OR,
	N_COND,
	N_COMMA,
	N_ASSIGN, /* a = b; op: a = (type)((work)a op b) */
	N_STEP	  /* ++ and --: op is '+' or '-', value the distance, post */
} node_kind;

typedef enum cxx_op {
	OP_NONE,
	OP_ADD,
	OP_SUB,
	OP_MUL,
	OP_DIV,
	OP_MOD,
	OP_AND,
	OP_OR,
	OP_XOR,
	OP_SHL,
	OP_SHR,
	OP_EQ,
	OP_NE,
	OP_LT,
	OP_GT,
	OP_LE,
	OP_GE,
	OP_LAND,
	OP_LOR,
	OP_MEM_DOT,
	OP_MEM_ARROW
} cxx_op;

typedef struct node node;
struct node {
	uint8_t kind, op;
	bool lvalue, post;
	uint8_t bit_pos, bit_len;
	uint16_t depth;
	uint32_t begin, end;
	const cxx_type *type;
	const cxx_type *work; /* N_ASSIGN: the type that op works in */
	node *a, *b, *c;
	uint64_t value;
	cxx_hop hop;
	cxx_handle from, to; /* N_DERIVED: classes */
	num n;
	str text; /* string, MASM text, name of what is nowhere */
	cxx_reg reg;
};

struct cxx_code {
	str text;
	node *root;
	bool scoped;
};

/* ---- parser state ---- */

typedef enum token_kind {
	T_END,
	T_NUMBER,
	T_CHAR,
	T_STRING,
	T_NAME,	  /* also keywords; with module and scopes, without template arguments */
	T_REG,	  /* @name; the text is the name */
	T_MACRO,  /* #NAME */
	T_SWITCH, /* @@( @@c++( @@masm( up to the closing parenthesis; text is what is inside */
	T_OP,
	T_BAD
} token_kind;

typedef struct token {
	token_kind kind;
	size_t begin, end;
	str text;
	char op[4];  /* "<<=" */
	bool masm;   /* T_SWITCH */
	bool quoted; /* T_NAME that came as @!"text" */
} token;

typedef struct parser {
	const cxx_env *env;
	arena *a;
	str text;
	diag *d;
	token t;     /* the one that is looked at */
	size_t last; /* where the one before it ended */
	unsigned nest, nodes;
	bool scoped;
	bool as_it_is;	      /* reinterpret_cast: pointers to classes keep their value */
	const cxx_type *near; /* the other operand's enumeration: its enumerators need no scope */
} parser;

/* ---- lex.c ---- */

/* The token at pos. */
token tok_at(str text, size_t pos);
void tok_next(parser *p);
void tok_seek(parser *p, size_t pos); /* the token at pos is looked at next */
bool tok_is(const parser *p, const char *op);
bool tok_word(const parser *p, const char *word);
/* Ends of the readings of the name at t with template arguments, shortest first; at most max. */
size_t tok_name_ends(str text, const token *t, size_t *ends, size_t max);
/* Behind the parenthesis that closes the one at pos; SIZE_MAX if there is none. */
size_t tok_close(str text, size_t pos);
err tok_number(parser *p, node **ret) MUST_CHECK;
err tok_char(parser *p, node **ret) MUST_CHECK;
err tok_string(parser *p, node **ret) MUST_CHECK;

/* ---- errors ---- */

/* "WHAT error at 'rest of the text'" with the range. */
err cxx_fail(str text, diag *d, err e, size_t begin, size_t end, const char *what);
err cxx_p_fail(parser *p, err e, const char *what, const node *n);
err cxx_p_syntax(parser *p); /* at the token that is looked at */

/* ---- parse.c, macro.c ---- */

err cxx_p_enter(parser *p) MUST_CHECK; /* one level of recursion more; --p->nest ends it */
err cxx_p_expect(parser *p, const char *op) MUST_CHECK; /* and passes it */
err cxx_parse_assign(parser *p, node **ret) MUST_CHECK; /* an expression without commas */
err cxx_parse_comma(parser *p, node **ret) MUST_CHECK;
err cxx_parse_macro(parser *p, node **ret) MUST_CHECK; /* #NAME(...) */

/* ---- type.c ---- */

extern const cxx_type cxx_none, cxx_void;
const cxx_type *cxx_type_basic(const cxx_env *env, cxx_kind k);
const cxx_type *cxx_type_pointer(const cxx_env *env, arena *a, const cxx_type *to);
const cxx_type *cxx_type_array(arena *a, const cxx_type *of, uint64_t count);
const cxx_type *cxx_type_member(arena *a, const cxx_type *of, str owner);
bool cxx_type_is_int(const cxx_type *t); /* bool to int128; not enum */
bool cxx_type_is_float(const cxx_type *t);
bool cxx_type_is_arith(const cxx_type *t); /* int or float or enum */
bool cxx_type_is_signed(const cxx_type *t);
bool cxx_type_is_scalar(const cxx_type *t); /* arith or pointer or member pointer */
bool cxx_type_same(const cxx_type *a, const cxx_type *b);
/* Is there a type name at the token that is looked at? Parses it if so; *is tells. */
err cxx_type_parse(parser *p, bool *is, const cxx_type **ret) MUST_CHECK;
bool cxx_type_word(str word); /* a word of C's own types, or struct and its like */

/* ---- build.c: typed nodes; begin and end of what they were made of ---- */

err cxx_build_node(parser *p, node_kind k, const cxx_type *t, node *a, node *b, size_t begin,
	size_t end, node **ret) MUST_CHECK;
err cxx_build_const(
	parser *p, const cxx_type *t, cxx_u128 v, size_t begin, size_t end, node **ret) MUST_CHECK;
/* A thing of type t that may be a reference: then what it refers to. */
err cxx_build_lvalue(parser *p, node *n, node **ret) MUST_CHECK;
err cxx_build_cast(parser *p, node *n, const cxx_type *t, size_t begin, node **ret) MUST_CHECK;
err cxx_build_unary(parser *p, char op, node *n, size_t begin, node **ret) MUST_CHECK;
err cxx_build_step(parser *p, cxx_op op, bool post, node *n, size_t begin, node **ret) MUST_CHECK;
err cxx_build_binary(parser *p, cxx_op op, node *a, node *b, node **ret) MUST_CHECK;
err cxx_build_cond(parser *p, node *c, node *a, node *b, node **ret) MUST_CHECK;
err cxx_build_assign(parser *p, cxx_op op, node *a, node *b, node **ret) MUST_CHECK;
err cxx_build_index(parser *p, node *a, node *i, size_t end, node **ret) MUST_CHECK;
err cxx_build_deref(parser *p, node *n, size_t begin, node **ret) MUST_CHECK;
err cxx_build_address(parser *p, node *n, size_t begin, node **ret) MUST_CHECK;
/* The member `name` of the structure n. */
err cxx_build_field(
	parser *p, node *n, str name, size_t name_at, size_t end, node **ret) MUST_CHECK;
err cxx_build_sizeof(parser *p, const cxx_type *t, size_t begin, size_t end, node **ret) MUST_CHECK;

/* ---- run.c ---- */

/* v cut to the size of t and extended again. */
cxx_u128 cxx_num_wrap(const cxx_type *t, cxx_u128 v);
num cxx_num_load(const cxx_type *t, const uint8_t raw[16]);
num cxx_num_convert(num v, const cxx_type *from, const cxx_type *to);

#endif
