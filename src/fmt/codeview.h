/*
 * codeview: symbol and type records, taken apart into views. Refuses to know containers: a record
 * is bytes. Every getter returns false, and changes nothing, when the record is too short or of
 * another kind. Names are views into the record.
 *
 * Format: cvinfo.h of github.com/microsoft/microsoft-pdb; docs/codeview in
 * github.com/microsoft/pdb-rs.
 */
#ifndef RS_FMT_CODEVIEW_H
#define RS_FMT_CODEVIEW_H

#include "base/reader.h"

enum {
#define CV_SYM(name, value)  name = value,
#define CV_LEAF(name, value) name = value,
#include "fmt/codeview.def"
};

typedef struct cv_rec {
	uint16_t kind;
	const uint8_t *p; /* behind the kind */
	size_t n;
	uint32_t at; /* offset in its stream */
} cv_rec;

const char *cv_sym_kind_name(uint16_t kind);  /* "S_GPROC32"; NULL if unknown */
const char *cv_leaf_kind_name(uint16_t kind); /* "LF_STRUCTURE"; NULL if unknown */

/* A numeric leaf; *neg says that the value is sign extended. Reals and strings make r bad. */
uint64_t cv_number(reader *r, bool *neg);

/* ---- symbols ---- */

/* Kinds that open a scope, closed by S_END, S_PROC_ID_END or S_INLINESITE_END. */
bool cv_opens(uint16_t kind);
bool cv_closes(uint16_t kind);
bool cv_is_proc(uint16_t kind);
bool cv_is_data(uint16_t kind);	  /* LDATA32 GDATA32 */
bool cv_is_thread(uint16_t kind); /* LTHREAD32 GTHREAD32 */
bool cv_is_ref(uint16_t kind);	  /* PROCREF LPROCREF DATAREF */

/* Name of any record that has one (globals, publics, procedures ...). */
bool cv_name(const cv_rec *c, str *ret);

typedef struct cv_proc {
	uint32_t parent, end, next, size, dbg_start, dbg_end, type, off;
	uint16_t seg;
	uint8_t flags;
	str name;
} cv_proc;
bool cv_proc_get(const cv_rec *c, cv_proc *ret);

typedef struct cv_data {
	uint32_t type, off;
	uint16_t seg;
	str name;
} cv_data;
bool cv_data_get(const cv_rec *c, cv_data *ret); /* data and thread data */

enum { CV_PUB_CODE = 1, CV_PUB_FUNCTION = 2, CV_PUB_MANAGED = 4 };
typedef struct cv_pub {
	uint32_t flags, off;
	uint16_t seg;
	str name;
} cv_pub;
bool cv_pub_get(const cv_rec *c, cv_pub *ret);

typedef struct cv_ref {
	uint32_t sum, off;
	uint16_t mod; /* counts from 1 */
	str name;
} cv_ref;
bool cv_ref_get(const cv_rec *c, cv_ref *ret);

typedef struct cv_const {
	uint32_t type;
	uint64_t value;
	bool neg;
	str name;
} cv_const;
bool cv_const_get(const cv_rec *c, cv_const *ret);

typedef struct cv_udt {
	uint32_t type;
	str name;
} cv_udt;
bool cv_udt_get(const cv_rec *c, cv_udt *ret);

typedef struct cv_label {
	uint32_t off;
	uint16_t seg;
	str name;
} cv_label;
bool cv_label_get(const cv_rec *c, cv_label *ret);

typedef struct cv_scope { /* S_THUNK32, S_BLOCK32 */
	uint32_t parent, end, size, off;
	uint16_t seg;
	str name;
} cv_scope;
bool cv_scope_get(const cv_rec *c, cv_scope *ret);

typedef struct cv_rel { /* S_REGREL32, S_BPREL32 (reg 0), S_REGISTER (off 0), S_REGREL32_INDIR */
	uint32_t type;
	int32_t off, inner; /* inner: S_REGREL32_INDIR: behind the pointer at [reg + off] */
	uint16_t reg;
	str name;
} cv_rel;
bool cv_rel_get(const cv_rec *c, cv_rel *ret);

enum { CV_LOCAL_PARAM = 1, CV_LOCAL_OPTIMISED = 0x100 };
typedef struct cv_local {
	uint32_t type;
	uint16_t flags;
	str name;
} cv_local;
bool cv_local_get(const cv_rec *c, cv_local *ret); /* S_LOCAL, S_FILESTATIC */

typedef enum cv_where {
	CV_REG,
	CV_FRAME,
	CV_REGREL,
	CV_INDIR,  /* the pointer at [reg + off], then `inner` */
	CV_PROGRAM /* a program of DIA's, which is described nowhere */
} cv_where;
typedef struct cv_range {
	cv_where where;
	bool optional;	 /* CV_RANGEATTR.maybe: may have no value on some path */
	bool full_scope; /* no range, no gaps */
	bool part;	 /* only part of the variable, at `part_off` */
	uint32_t part_off;
	uint16_t reg;
	int32_t off, inner;
	uint32_t begin; /* offset in the segment */
	uint16_t seg, len;
	reader gaps; /* pairs of u16: start, length, relative to begin */
} cv_range;
bool cv_range_get(const cv_rec *c, cv_range *ret);

typedef struct cv_frameproc {
	uint32_t size, save_size, flags;
} cv_frameproc;
bool cv_frameproc_get(const cv_rec *c, cv_frameproc *ret);
/* Base register that S_FRAMEPROC's flags name for locals or parameters; 0 none. */
uint16_t cv_frame_reg(uint32_t flags, bool param, uint16_t machine);

typedef struct cv_inline {
	uint32_t parent, end, inlinee;
	reader notes;
} cv_inline;
bool cv_inline_get(const cv_rec *c, cv_inline *ret);

/* ---- binary annotations of inline sites ---- */

typedef struct cv_note {
	uint32_t op; /* CV_BA_xxx */
	uint32_t a, b;
	int32_t s; /* signed operand */
} cv_note;
enum {
	CV_BA_CODE_OFFSET = 1,
	CV_BA_CODE_BASE,
	CV_BA_CODE_DELTA,
	CV_BA_CODE_LENGTH,
	CV_BA_FILE,
	CV_BA_LINE,
	CV_BA_LINE_END,
	CV_BA_RANGE_KIND,
	CV_BA_COLUMN,
	CV_BA_COLUMN_END_DELTA,
	CV_BA_CODE_AND_LINE,
	CV_BA_LENGTH_AND_CODE,
	CV_BA_COLUMN_END
};
bool cv_note_next(reader *r, cv_note *ret);

/* ---- registers ---- */

const char *cv_reg_name(uint16_t reg, uint16_t machine);

enum {
	CV_REG_VFRAME = 30006, /* the virtual frame pointer of x86 */
	CV_X86_EBX = 20,
	CV_X86_EBP = 22,
	CV_AMD64_RBP = 334,
	CV_AMD64_RSP = 335,
	CV_AMD64_R13 = 341,
	CV_ARM64_FP = 79,
	CV_ARM64_SP = 81,
	CV_ARM64_X19 = 69
};

/* Structure properties (CV_prop_t). */
enum {
	CV_PROP_PACKED = 1,
	CV_PROP_CTOR = 2,
	CV_PROP_OVEROPS = 4,
	CV_PROP_NESTED = 8,
	CV_PROP_CNESTED = 0x10,
	CV_PROP_OPASSIGN = 0x20,
	CV_PROP_OPCAST = 0x40,
	CV_PROP_FWDREF = 0x80,
	CV_PROP_SCOPED = 0x100,
	CV_PROP_UNIQUE = 0x200,
	CV_PROP_SEALED = 0x400,
	CV_PROP_INTRINSIC = 0x2000
};

#endif
